//! What a cache has done.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// A cache's statistics since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Calls that were served from the cache, or from another call's load.
    pub hits: u64,
    /// Calls that were not.
    pub misses: u64,
    /// Loaders that were run to their end.
    pub loads: u64,
    /// Those of them that failed.
    pub load_errors: u64,
    /// The time that loaders took, together.
    pub load_time: Duration,
    /// Calls that waited for another call's loader and got its value; they are among the hits.
    pub joined: u64,
    /// Values given to the backend.
    pub inserts: u64,
    /// Loaded values that were not kept, because an invalidation came between.
    pub stale: u64,
    /// Entries removed to make room; 0 if the backend does not count them.
    pub evictions: u64,
    /// Values not taken, because they are larger than the whole cache; 0 if the backend does not count them.
    pub refused: u64,
    /// Calls of the backend that failed or took too long: each a miss, or a value that was not kept.
    pub backend_errors: u64,
    /// Values that the backend gave back and that were of another type or could not be decoded: each a miss.
    pub unusable: u64,
    /// About how many entries there are; `None` if the backend cannot tell.
    pub entries: Option<u64>,
    /// About how many bytes they take; `None` if the backend cannot tell.
    pub bytes: Option<u64>,
}

const STRIPES: usize = 16;

/// Counted on every call: spread, so that threads do not take the line from each other (PITFALLS K5).
#[derive(Default)]
#[repr(align(128))]
struct Stripe {
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Default)]
pub(super) struct Recorder {
    stripes: [Stripe; STRIPES],
    pub loads: AtomicU64,
    pub load_errors: AtomicU64,
    pub load_ns: AtomicU64,
    pub joined: AtomicU64,
    pub inserts: AtomicU64,
    pub stale: AtomicU64,
    pub backend_errors: AtomicU64,
    pub unusable: AtomicU64,
}

thread_local! {
    static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let index = STRIPE.try_with(|stripe| {
        if stripe.get() == usize::MAX {
            stripe.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        stripe.get()
    });
    index.unwrap_or(0)
}

pub(super) fn count(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed)
}

impl Recorder {
    pub fn hit(&self) {
        count(&self.stripes[stripe()].hits);
    }

    pub fn miss(&self) {
        count(&self.stripes[stripe()].misses);
    }

    pub fn loaded(&self, took: Duration, failed: bool) {
        count(&self.loads);
        self.load_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        if failed {
            count(&self.load_errors);
        }
    }

    pub fn snapshot(&self) -> CacheStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheStats {
            hits: self.stripes.iter().map(|stripe| read(&stripe.hits)).sum(),
            misses: self.stripes.iter().map(|stripe| read(&stripe.misses)).sum(),
            loads: read(&self.loads),
            load_errors: read(&self.load_errors),
            load_time: Duration::from_nanos(read(&self.load_ns)),
            joined: read(&self.joined),
            inserts: read(&self.inserts),
            stale: read(&self.stale),
            backend_errors: read(&self.backend_errors),
            unusable: read(&self.unusable),
            ..CacheStats::default()
        }
    }
}
