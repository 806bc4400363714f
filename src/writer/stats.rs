//! What a writer has done.

use std::sync::atomic::Ordering;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::store::RequestCounts;
use crate::wal::AppendStats;

/// The middle, the tail and the end of a distribution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// How many values were recorded.
    pub count: u64,
    /// The median.
    pub p50: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The largest.
    pub max: u64,
}

/// A writer's statistics since it was opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct WriterStats {
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
    /// Puts admitted and not yet durable.
    pub pending_puts: u64,
    /// Their bytes.
    pub pending_bytes: u64,
    /// Requests to the store through the writer's handle.
    pub requests: RequestCounts,
    /// Appends tried again after a failure.
    pub retries: u64,
    /// Positions found taken by others.
    pub conflicts: u64,
    /// Appends whose answer was lost and that turned out to have landed.
    pub settled: u64,
    /// Time that puts spent waiting for room.
    pub blocked: Duration,
    /// How many puts waited for room.
    pub blocked_waits: u64,
    /// Puts waiting for room now.
    pub blocked_now: u64,
    /// Nanoseconds from a put's call to its acknowledgement.
    pub put_ns: Quantiles,
    /// Nanoseconds of an append.
    pub append_ns: Quantiles,
    /// Puts per entry.
    pub group: Quantiles,
    /// In MemTable mode.
    pub memtable: Option<MemTableStats>,
}

/// A writer's MemTables and generations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemTableStats {
    /// The generation that the table becomes that is filled.
    pub active_generation: u64,
    /// Its rows, with superseded ones and deletions.
    pub active_rows: u64,
    /// Its batches.
    pub active_batches: u64,
    /// The memory that it takes.
    pub active_bytes: u64,
    /// Tables that are frozen and not flushed.
    pub frozen_tables: u64,
    /// Their rows.
    pub frozen_rows: u64,
    /// The memory that they take.
    pub frozen_bytes: u64,
    /// The memory of tables that were flushed and stay for a while.
    pub kept_bytes: u64,
    /// The newest generation that this writer knows as published; 0: none.
    pub published_generation: u64,
    /// Generations that reads look into.
    pub generations: u64,
    /// Tables flushed by this writer.
    pub flushes: u64,
    /// Attempts at that which failed.
    pub flush_failures: u64,
    /// Rows flushed.
    pub flushed_rows: u64,
    /// Bytes of their objects.
    pub flushed_bytes: u64,
    /// Merges of generations.
    pub compactions: u64,
    /// Merges that failed.
    pub compaction_failures: u64,
    /// Generations that were merged.
    pub compacted_generations: u64,
    /// Entries of the log whose rows came back at the opening.
    pub replayed_entries: u64,
    /// Those rows.
    pub replayed_rows: u64,
}

/// The numbers as they are gathered, under the writer's lock.
pub(super) struct Recorder {
    pub puts: u64,
    pub rows: u64,
    pub bytes: u64,
    pub entries: u64,
    pub entry_bytes: u64,
    pub blocked: Duration,
    pub blocked_waits: u64,
    pub put_ns: Distribution,
    pub append_ns: Distribution,
    pub group: Distribution,
}

impl Recorder {
    pub fn new() -> Self {
        Self {
            puts: 0,
            rows: 0,
            bytes: 0,
            entries: 0,
            entry_bytes: 0,
            blocked: Duration::ZERO,
            blocked_waits: 0,
            put_ns: Distribution::new(),
            append_ns: Distribution::new(),
            group: Distribution::new(),
        }
    }

    pub fn snapshot(&self, append: &AppendStats, requests: RequestCounts) -> WriterStats {
        WriterStats {
            puts: self.puts,
            rows: self.rows,
            bytes: self.bytes,
            entries: self.entries,
            entry_bytes: self.entry_bytes,
            requests,
            retries: append.retries.load(Ordering::Relaxed),
            conflicts: append.conflicts.load(Ordering::Relaxed),
            settled: append.settled.load(Ordering::Relaxed),
            blocked: self.blocked,
            blocked_waits: self.blocked_waits,
            put_ns: self.put_ns.quantiles(),
            append_ns: self.append_ns.quantiles(),
            group: self.group.quantiles(),
            ..WriterStats::default()
        }
    }
}

/// The largest latency told apart.
const HOUR_NS: u64 = 3_600_000_000_000;

/// A histogram of two significant digits.
pub(super) struct Distribution(Option<Histogram<u64>>);

impl Distribution {
    fn new() -> Self {
        // Two digits is within what the library takes; should it ever not be, the writer works without the histogram.
        Self(Histogram::new_with_max(HOUR_NS, 2).ok())
    }

    pub fn record(&mut self, value: u64) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(value);
        }
    }

    fn quantiles(&self) -> Quantiles {
        self.0.as_ref().map_or_else(Quantiles::default, |histogram| Quantiles {
            count: histogram.len(),
            p50: histogram.value_at_quantile(0.5),
            p99: histogram.value_at_quantile(0.99),
            max: histogram.max(),
        })
    }
}

/// A duration in whole nanoseconds.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
