//! What writers have done, as a struct and as metrics.

use std::sync::{Arc, Weak};

use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::Handle;
use super::memtable_stats;
use super::sized_out::{SizedOut, sized};
use super::writer::WeirWriter;
use crate::error::Result;
use crate::session::{MetricSource, Metrics, Session};
use crate::writer::{Quantiles, ShardWriter, WriterStats};

/// What a writer has done since it was opened. Set `struct_size` before the call.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirWriterStats {
    /// `sizeof(WeirWriterStats)` as the caller knows it: no more is written.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Puts admitted.
    pub puts: u64,
    /// Their rows.
    pub rows: u64,
    /// Their bytes as encoded.
    pub bytes: u64,
    /// Entries appended.
    pub entries: u64,
    /// The bytes of their objects.
    pub entry_bytes: u64,
    /// Puts admitted and not durable.
    pub pending_puts: u64,
    /// Bytes of those that wait or are being written.
    pub pending_bytes: u64,
    /// Create-if-absent requests to the store, by all that share it through the session.
    pub requests_create: u64,
    /// Plain writes.
    pub requests_put: u64,
    /// Reads.
    pub requests_get: u64,
    /// Questions whether an object exists.
    pub requests_head: u64,
    /// Listings.
    pub requests_list: u64,
    /// Deletions.
    pub requests_delete: u64,
    /// Appends tried again after a failure.
    pub retries: u64,
    /// Positions found taken by others.
    pub conflicts: u64,
    /// Appends whose answer was lost and that turned out to have landed.
    pub settled: u64,
    /// Nanoseconds that puts spent waiting for room.
    pub blocked_ns: u64,
    /// How many puts waited for room.
    pub blocked_waits: u64,
    /// Puts waiting for room now.
    pub blocked_now: u64,
    /// Nanoseconds from a put's call to its acknowledgement: the median …
    pub put_p50_ns: u64,
    /// … the 99th percentile …
    pub put_p99_ns: u64,
    /// … and the longest.
    pub put_max_ns: u64,
    /// Nanoseconds of an append: the median …
    pub append_p50_ns: u64,
    /// … the 99th percentile …
    pub append_p99_ns: u64,
    /// … and the longest.
    pub append_max_ns: u64,
    /// Puts per entry: the median …
    pub group_p50: u64,
    /// … the 99th percentile …
    pub group_p99: u64,
    /// … and the most.
    pub group_max: u64,
}

// SAFETY: `repr(C)`, integers, `struct_size` first, no padding.
unsafe impl SizedOut for WeirWriterStats {
    const NAME: &'static str = "WeirWriterStats";
}

/// The memory that a writer holds, in bytes. Set `struct_size` before the call.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirWriterMemory {
    /// `sizeof(WeirWriterMemory)` as the caller knows it: no more is written.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Admitted and not yet taken into an entry.
    pub pending_bytes: u64,
    /// In the entry that is being appended.
    pub in_flight_bytes: u64,
    /// Granted to puts that were waiting for room.
    pub reserved_bytes: u64,
    /// The limit on the sum of these three.
    pub limit_bytes: u64,
    /// In the MemTable that is filled.
    pub memtable_bytes: u64,
    /// In MemTables that are frozen and not flushed.
    pub frozen_bytes: u64,
    /// In MemTables that were flushed and stay for a while.
    pub kept_bytes: u64,
    /// The limit on what is filled and frozen; 0 without MemTables.
    pub unflushed_limit_bytes: u64,
}

// SAFETY: `repr(C)`, integers, `struct_size` first, no padding.
unsafe impl SizedOut for WeirWriterMemory {
    const NAME: &'static str = "WeirWriterMemory";
}

fn stats(stats: WriterStats) -> WeirWriterStats {
    let nanos = u64::try_from(stats.blocked.as_nanos()).unwrap_or(u64::MAX);
    let (Quantiles { p50: put_p50_ns, p99: put_p99_ns, max: put_max_ns, .. }, append, group) = (stats.put_ns, stats.append_ns, stats.group);
    WeirWriterStats {
        struct_size: size_of::<WeirWriterStats>() as u32,
        reserved: 0,
        puts: stats.puts,
        rows: stats.rows,
        bytes: stats.bytes,
        entries: stats.entries,
        entry_bytes: stats.entry_bytes,
        pending_puts: stats.pending_puts,
        pending_bytes: stats.pending_bytes,
        requests_create: stats.requests.create,
        requests_put: stats.requests.put,
        requests_get: stats.requests.get,
        requests_head: stats.requests.head,
        requests_list: stats.requests.list,
        requests_delete: stats.requests.delete,
        retries: stats.retries,
        conflicts: stats.conflicts,
        settled: stats.settled,
        blocked_ns: nanos,
        blocked_waits: stats.blocked_waits,
        blocked_now: stats.blocked_now,
        put_p50_ns,
        put_p99_ns,
        put_max_ns,
        append_p50_ns: append.p50,
        append_p99_ns: append.p99,
        append_max_ns: append.max,
        group_p50: group.p50,
        group_p99: group.p99,
        group_max: group.max,
    }
}

/// What a writer has done. Answers also after it failed or was closed.
///
/// @param writer  the writer
/// @param stats   its `struct_size` is set; receives the rest
/// @param error   receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `stats` is NULL or as many bytes as its `struct_size` says may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_stats(
    writer: *const WeirWriter,
    stats: *mut WeirWriterStats,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise, here and below.
    let body = |writer: &Handle<WeirWriter>| unsafe { sized(stats, self::stats(writer.core.writer.stats())) };
    // SAFETY: the same.
    unsafe { guard_on(writer, error, body) }
}

/// The memory that a writer holds. Answers also after it failed or was closed.
///
/// @param writer  the writer
/// @param memory  its `struct_size` is set; receives the rest
/// @param error   receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `memory` is NULL or as many bytes as its `struct_size` says may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_memory(
    writer: *const WeirWriter,
    memory: *mut WeirWriterMemory,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let body = |writer: &Handle<WeirWriter>| -> Result<()> {
        let held = writer.core.writer.memory();
        let value = WeirWriterMemory {
            struct_size: size_of::<WeirWriterMemory>() as u32,
            reserved: 0,
            pending_bytes: held.pending,
            in_flight_bytes: held.in_flight,
            reserved_bytes: held.reserved,
            limit_bytes: held.limit,
            memtable_bytes: held.active,
            frozen_bytes: held.frozen,
            kept_bytes: held.kept,
            unflushed_limit_bytes: held.unflushed_limit,
        };
        // SAFETY: the caller's promise.
        unsafe { sized(memory, value) }
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(writer, error, body) }
}

/// A writer's figures among the session's metrics.
pub(crate) struct Figures(Weak<ShardWriter>);

impl Figures {
    /// Has the writer's figures shown for as long as the result lives.
    pub(crate) fn register(session: &Session, writer: &Arc<ShardWriter>) -> Arc<dyn MetricSource> {
        let figures: Arc<dyn MetricSource> = Arc::new(Self(Arc::downgrade(writer)));
        session.register(Arc::downgrade(&figures));
        figures
    }
}

impl MetricSource for Figures {
    fn collect(&self, metrics: &mut Metrics) {
        let Some(writer) = self.0.upgrade() else { return };
        let stats = writer.stats();
        if let Some(tables) = &stats.memtable {
            memtable_stats::collect(tables, metrics);
        }
        let stats = self::stats(stats);
        let mut counter = |name, help, value| metrics.counter(name, help, &[], value);
        counter("weir_writer_puts_total", "Puts admitted.", stats.puts);
        counter("weir_writer_rows_total", "Rows admitted.", stats.rows);
        counter("weir_writer_bytes_total", "Bytes admitted, as encoded.", stats.bytes);
        counter("weir_writer_entries_total", "Log entries appended.", stats.entries);
        counter("weir_writer_entry_bytes_total", "Bytes of log entries appended.", stats.entry_bytes);
        counter("weir_writer_retries_total", "Appends tried again after a failure.", stats.retries);
        counter("weir_writer_conflicts_total", "Positions found taken by others.", stats.conflicts);
        counter("weir_writer_settled_total", "Appends whose lost answer was settled as landed.", stats.settled);
        counter("weir_writer_blocked_waits_total", "Puts that waited for room.", stats.blocked_waits);
        counter("weir_writer_blocked_nanoseconds_total", "Time that puts waited for room.", stats.blocked_ns);
        let mut gauge = |name, help, value| metrics.gauge(name, help, &[], value);
        gauge("weir_writer_open", "Writers open.", 1);
        gauge("weir_writer_pending_puts", "Puts admitted and not durable.", stats.pending_puts);
        gauge("weir_writer_pending_bytes", "Bytes that wait or are being written.", stats.pending_bytes);
        gauge("weir_writer_blocked", "Puts waiting for room.", stats.blocked_now);
        let epoch = writer.epoch().to_string();
        let shard = writer.shard_id().to_string();
        let summaries = [
            ("weir_writer_put_nanoseconds", "Time from put to acknowledgement.", stats.put_p50_ns, stats.put_p99_ns, stats.put_max_ns),
            ("weir_writer_append_nanoseconds", "Time of an append.", stats.append_p50_ns, stats.append_p99_ns, stats.append_max_ns),
            ("weir_writer_group_puts", "Puts per entry.", stats.group_p50, stats.group_p99, stats.group_max),
        ];
        for (name, help, p50, p99, max) in summaries {
            for (quantile, value) in [("0.5", p50), ("0.99", p99), ("1", max)] {
                metrics.gauge(name, help, &[("shard", &shard), ("epoch", &epoch), ("quantile", quantile)], value);
            }
        }
    }
}
