//! What MemTables hold and have done, as a struct and as metrics.

use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::Handle;
use super::reads::Source;
use super::sized_out::{SizedOut, sized};
use super::writer::WeirWriter;
use crate::session::Metrics;
use crate::writer::MemTableStats;

/// A writer's MemTables and generations. Set `struct_size` before the call.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirMemTableStats {
    /// `sizeof(WeirMemTableStats)` as the caller knows it: no more is written.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// The generation that the MemTable becomes that is filled.
    pub active_generation: u64,
    /// Its rows, with superseded ones and deletions.
    pub active_rows: u64,
    /// Its batches.
    pub active_batches: u64,
    /// The memory that it takes, in bytes.
    pub active_bytes: u64,
    /// MemTables that are frozen and not flushed.
    pub frozen_tables: u64,
    /// Their rows.
    pub frozen_rows: u64,
    /// The memory that they take.
    pub frozen_bytes: u64,
    /// The memory of MemTables that were flushed and stay for a while.
    pub kept_bytes: u64,
    /// The newest generation that this writer knows as published; 0 = none.
    pub published_generation: u64,
    /// Generations that reads look into.
    pub generations: u64,
    /// MemTables flushed by this writer.
    pub flushes: u64,
    /// Attempts at that which failed.
    pub flush_failures: u64,
    /// Rows flushed.
    pub flushed_rows: u64,
    /// Bytes of their objects.
    pub flushed_bytes: u64,
    /// Merges of generations.
    pub compactions: u64,
    /// Merges in the background that failed.
    pub compaction_failures: u64,
    /// Generations that were merged.
    pub compacted_generations: u64,
    /// Entries of the log whose rows came back when the writer was opened.
    pub replayed_entries: u64,
    /// Those rows.
    pub replayed_rows: u64,
}

// SAFETY: `repr(C)`, integers, `struct_size` first, no padding.
unsafe impl SizedOut for WeirMemTableStats {
    const NAME: &'static str = "WeirMemTableStats";
}

impl From<MemTableStats> for WeirMemTableStats {
    fn from(stats: MemTableStats) -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            reserved: 0,
            active_generation: stats.active_generation,
            active_rows: stats.active_rows,
            active_batches: stats.active_batches,
            active_bytes: stats.active_bytes,
            frozen_tables: stats.frozen_tables,
            frozen_rows: stats.frozen_rows,
            frozen_bytes: stats.frozen_bytes,
            kept_bytes: stats.kept_bytes,
            published_generation: stats.published_generation,
            generations: stats.generations,
            flushes: stats.flushes,
            flush_failures: stats.flush_failures,
            flushed_rows: stats.flushed_rows,
            flushed_bytes: stats.flushed_bytes,
            compactions: stats.compactions,
            compaction_failures: stats.compaction_failures,
            compacted_generations: stats.compacted_generations,
            replayed_entries: stats.replayed_entries,
            replayed_rows: stats.replayed_rows,
        }
    }
}

/// What a writer's MemTables hold and have done. Answers also after the writer failed or was closed.
///
/// @param writer  the writer
/// @param stats   its `struct_size` is set; receives the rest
/// @param error   receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_UNSUPPORTED without MemTables, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `stats` is NULL or as many bytes as its `struct_size` says may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_memtable_stats(
    writer: *const WeirWriter,
    stats: *mut WeirMemTableStats,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let body = |writer: &Handle<WeirWriter>| {
        writer.core.shape()?;
        // SAFETY: the caller's promise.
        unsafe { sized(stats, writer.core.writer.stats().memtable.unwrap_or_default().into()) }
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(writer, error, body) }
}

/// Shows them among the session's metrics, each as the sum over its writers.
pub(crate) fn collect(stats: &MemTableStats, metrics: &mut Metrics) {
    let mut gauge = |name, help, value| metrics.gauge(name, help, &[], value);
    gauge("weir_memtable_active_rows", "Rows in MemTables that are filled.", stats.active_rows);
    gauge("weir_memtable_active_batches", "Batches in MemTables that are filled.", stats.active_batches);
    gauge("weir_memtable_active_bytes", "Memory of MemTables that are filled.", stats.active_bytes);
    gauge("weir_memtable_frozen", "MemTables that are frozen and not flushed.", stats.frozen_tables);
    gauge("weir_memtable_frozen_rows", "Rows in MemTables that are frozen and not flushed.", stats.frozen_rows);
    gauge("weir_memtable_frozen_bytes", "Memory of MemTables that are frozen and not flushed.", stats.frozen_bytes);
    gauge("weir_memtable_kept_bytes", "Memory of MemTables that were flushed and stay for a while.", stats.kept_bytes);
    gauge("weir_generation_open", "Generations that reads look into.", stats.generations);
    let mut counter = |name, help, value| metrics.counter(name, help, &[], value);
    counter("weir_memtable_flushes_total", "MemTables flushed.", stats.flushes);
    counter("weir_memtable_flush_failures_total", "Attempts to flush a MemTable that failed.", stats.flush_failures);
    counter("weir_memtable_flushed_rows_total", "Rows flushed.", stats.flushed_rows);
    counter("weir_memtable_flushed_bytes_total", "Bytes of generations flushed.", stats.flushed_bytes);
    counter("weir_memtable_replayed_entries_total", "Log entries whose rows came back when a writer was opened.", stats.replayed_entries);
    counter("weir_memtable_replayed_rows_total", "Rows that came back when a writer was opened.", stats.replayed_rows);
    counter("weir_generation_compactions_total", "Merges of generations.", stats.compactions);
    counter("weir_generation_compaction_failures_total", "Merges of generations that failed.", stats.compaction_failures);
    counter("weir_generation_compacted_total", "Generations that were merged.", stats.compacted_generations);
}
