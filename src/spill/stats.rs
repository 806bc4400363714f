//! What a spill store has done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::budget::Budget;
use crate::error::{Error, ErrorKind};
use crate::metrics::{MetricSource, Metrics};

/// A spill store's statistics since it was made; those of its children are included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpillStats {
    /// Bytes reserved now: of spills and of what writers accepted, as they are stored.
    pub live_bytes: u64,
    /// The most that were reserved at once.
    pub peak_bytes: u64,
    /// The cap; `None`: no limit of its own.
    pub cap_bytes: Option<u64>,
    /// Those of the live bytes that are in memory by the choice of the backend.
    pub memory_bytes: u64,
    /// Finished spills not yet deleted.
    pub open_spills: u64,
    /// Writers neither finished nor aborted.
    pub open_writers: u64,
    /// Spills finished.
    pub spills_total: u64,
    /// Bytes written to the backend.
    pub written_bytes: u64,
    /// Bytes read from spills.
    pub read_bytes: u64,
    /// Writes refused by a cap.
    pub cap_refusals: u64,
    /// Writes refused by the free-space floor.
    pub floor_refusals: u64,
    /// Time spent writing.
    pub write_time: Duration,
    /// Time spent reading.
    pub read_time: Duration,
    /// Directories of dead processes that were removed.
    pub swept_directories: u64,
    /// The bytes that were in them.
    pub swept_bytes: u64,
}

/// What a backend found of dead processes.
#[derive(Debug, Default)]
pub(super) struct Swept {
    pub directories: AtomicU64,
    pub bytes: AtomicU64,
}

/// The counters of one level.
#[derive(Debug)]
pub(super) struct Stats {
    parent: Option<Arc<Stats>>,
    budget: Arc<Budget>,
    /// The bytes in memory; `None` where there is no such tier.
    memory: Option<Arc<Budget>>,
    swept: Arc<Swept>,
    open_spills: AtomicU64,
    open_writers: AtomicU64,
    spills_total: AtomicU64,
    written_bytes: AtomicU64,
    read_bytes: AtomicU64,
    cap_refusals: AtomicU64,
    floor_refusals: AtomicU64,
    write_ns: AtomicU64,
    read_ns: AtomicU64,
}

impl Stats {
    pub fn new(parent: Option<Arc<Self>>, budget: Arc<Budget>, memory: Option<Arc<Budget>>, swept: Arc<Swept>) -> Arc<Self> {
        Arc::new(Self {
            parent,
            budget,
            memory,
            swept,
            open_spills: AtomicU64::new(0),
            open_writers: AtomicU64::new(0),
            spills_total: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            cap_refusals: AtomicU64::new(0),
            floor_refusals: AtomicU64::new(0),
            write_ns: AtomicU64::new(0),
            read_ns: AtomicU64::new(0),
        })
    }

    fn levels(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |level| level.parent.as_deref())
    }

    fn add(&self, counter: fn(&Self) -> &AtomicU64, value: u64) {
        self.levels().for_each(|level| {
            counter(level).fetch_add(value, Ordering::Relaxed);
        });
    }

    fn subtract(&self, counter: fn(&Self) -> &AtomicU64, value: u64) {
        self.levels().for_each(|level| {
            counter(level).fetch_sub(value, Ordering::Relaxed);
        });
    }

    /// Counts a write of `bytes`.
    pub fn wrote(&self, bytes: u64, time: Duration) {
        self.add(|s| &s.written_bytes, bytes);
        self.add(|s| &s.write_ns, nanos(time));
    }

    /// Counts a read of `bytes`.
    pub fn read(&self, bytes: u64, time: Duration) {
        self.add(|s| &s.read_bytes, bytes);
        self.add(|s| &s.read_ns, nanos(time));
    }

    /// Counts `error` if it is a refusal.
    pub fn refused(&self, error: &Error) {
        match error.kind() {
            ErrorKind::DiskCapExceeded => self.add(|s| &s.cap_refusals, 1),
            ErrorKind::StorageFull if error.detail("floor_bytes").is_some() => self.add(|s| &s.floor_refusals, 1),
            _ => {}
        }
    }

    /// Counts a writer for as long as the guard lives.
    pub fn writer(self: &Arc<Self>) -> Open {
        Open::new(self, |s| &s.open_writers)
    }

    /// Counts a spill for as long as the guard lives.
    pub fn spill(self: &Arc<Self>) -> Open {
        self.add(|s| &s.spills_total, 1);
        Open::new(self, |s| &s.open_spills)
    }

    pub fn snapshot(&self) -> SpillStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SpillStats {
            live_bytes: self.budget.used(),
            peak_bytes: self.budget.peak(),
            cap_bytes: self.budget.cap(),
            memory_bytes: self.memory.as_ref().map_or(0, |memory| memory.used()),
            open_spills: read(&self.open_spills),
            open_writers: read(&self.open_writers),
            spills_total: read(&self.spills_total),
            written_bytes: read(&self.written_bytes),
            read_bytes: read(&self.read_bytes),
            cap_refusals: read(&self.cap_refusals),
            floor_refusals: read(&self.floor_refusals),
            write_time: Duration::from_nanos(read(&self.write_ns)),
            read_time: Duration::from_nanos(read(&self.read_ns)),
            swept_directories: read(&self.swept.directories),
            swept_bytes: read(&self.swept.bytes),
        }
    }
}

impl MetricSource for Stats {
    fn collect(&self, metrics: &mut Metrics) {
        let now = self.snapshot();
        metrics.gauge("weir_spill_live_bytes", "Bytes reserved by spills and their writers.", &[], now.live_bytes);
        let peak = "The most bytes that each spill store had reserved at once, summed over the stores.";
        metrics.gauge("weir_spill_peak_bytes", peak, &[], now.peak_bytes);
        // What has no cap is left out: 0 would say something else.
        if let Some(cap) = now.cap_bytes {
            metrics.gauge("weir_spill_cap_bytes", "The caps on spilled bytes, summed over the stores that have one.", &[], cap);
        }
        metrics.gauge("weir_spill_memory_bytes", "Reserved bytes that are in memory.", &[], now.memory_bytes);
        metrics.gauge("weir_spill_open", "Spills not yet deleted.", &[], now.open_spills);
        metrics.gauge("weir_spill_open_writers", "Writers of spills that are neither finished nor aborted.", &[], now.open_writers);
        metrics.counter("weir_spill_finished_total", "Spills that were finished.", &[], now.spills_total);
        metrics.counter("weir_spill_written_bytes_total", "Bytes written to spills.", &[], now.written_bytes);
        metrics.counter("weir_spill_read_bytes_total", "Bytes read from spills.", &[], now.read_bytes);
        let refusals = "Writes refused by a cap on spilled bytes.";
        metrics.counter("weir_spill_cap_refusals_total", refusals, &[], now.cap_refusals);
        let refusals = "Writes refused because the disk has too little free space.";
        metrics.counter("weir_spill_floor_refusals_total", refusals, &[], now.floor_refusals);
        let swept = "Directories of dead processes that were removed.";
        metrics.counter("weir_spill_swept_directories_total", swept, &[], now.swept_directories);
        metrics.counter("weir_spill_swept_bytes_total", "Bytes in directories of dead processes that were removed.", &[], now.swept_bytes);
        for (operation, time) in [("write", now.write_time), ("read", now.read_time)] {
            let help = "Time spent writing and reading spills.";
            metrics.seconds("weir_spill_io_seconds_total", help, &[("operation", operation)], time);
        }
    }
}

/// One more in a gauge, until it is dropped.
#[derive(Debug)]
pub(super) struct Open {
    stats: Arc<Stats>,
    gauge: fn(&Stats) -> &AtomicU64,
}

impl Open {
    fn new(stats: &Arc<Stats>, gauge: fn(&Stats) -> &AtomicU64) -> Self {
        stats.add(gauge, 1);
        Self { stats: Arc::clone(stats), gauge }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stats.subtract(self.gauge, 1);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
