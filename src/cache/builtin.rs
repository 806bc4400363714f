//! The backend that a cache has by default: in memory, bounded by bytes.
//!
//! Two libraries were measured to stand on (`make bench ONLY=engines`; a 2-core virtual machine, time of the thread's own per hit with
//! 1, 2, 4, 8 and 16 threads on 1,000 keys of 16 bytes; bytes beyond key and value with 1 M entries of 108; how many of 24 batches of
//! 8 MiB are held where there is room for 31; how many of 24 slices of one such batch where there is room for two copies of it):
//!
//! | | moka 0.12 | quick_cache 0.7 | this backend |
//! | --- | ---: | ---: | ---: |
//! | hit, ns | 148, 160, 143, 149, 125 | 19, 19, 19, 51, 20 | 34, 33, 43, 39, 50 |
//! | bytes per entry | 285 | 105 | 89 |
//! | large batches held | 24 | 17 | 24 |
//! | batches that share memory held | 2 | 0 | 24 |
//!
//! Small values of bytes are in quick_cache, the better of the two by far. It is sharded, though: each shard has its share of the capacity
//! and silently refuses what is larger than that (PITFALLS K5), and each entry is taken to have its memory for itself (PITFALLS K6). So
//! what is large against a share, or may share memory, is in a part of our own, which has neither limit.
//!
//! Both parts have one capacity: half of it is each one's own, and what one does not use of its half the other may, until it is
//! wanted back. What is held exceeds the capacity by at most the values that are being inserted at that moment.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use quick_cache::sync::Cache as Plain;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use std::hash::BuildHasher;
use std::sync::Arc;

use super::backend::{CacheBackend, Pressure};
use super::key::{Key, OwnedKey};
use super::value::Value;
use super::weighed::{Removed, Weighed};
use crate::env::BoxFuture;
use crate::error::Result;

/// What an entry of bytes takes beside its key and value, as measured.
const OVERHEAD: u64 = 96;
/// A value of bytes is small if this many have room in one shard's share.
const SMALL: u64 = 32;
/// Room changes hands between the parts in so many steps.
const STEPS: u64 = 64;
/// Writers of one key take turns; there are so many locks for it.
const WRITERS: usize = 64;

#[derive(Clone)]
struct Weight;

impl Weighter<OwnedKey, Arc<[u8]>> for Weight {
    fn weight(&self, key: &OwnedKey, value: &Arc<[u8]>) -> u64 {
        plain_weight(key.as_key(), value.len())
    }
}

fn plain_weight(key: Key<'_>, value: usize) -> u64 {
    (key.len() + OwnedKey::OVERHEAD + value) as u64 + OVERHEAD
}

/// Counts evictions, and lets go of what is evicted outside of the lock.
#[derive(Clone)]
struct Evictions(Arc<AtomicU64>);

impl Lifecycle<OwnedKey, Arc<[u8]>> for Evictions {
    type RequestState = Vec<(OwnedKey, Arc<[u8]>)>;

    fn on_evict(&self, evicted: &mut Self::RequestState, key: OwnedKey, value: Arc<[u8]>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        evicted.push((key, value));
    }
}

/// See the module's documentation.
pub struct Builtin {
    plain: Plain<OwnedKey, Arc<[u8]>, Weight, DefaultHashBuilder, Evictions>,
    weighed: Weighed,
    capacity: AtomicU64,
    /// What [`Self::plain`] has of the capacity.
    allotted: Mutex<u64>,
    writers: [Mutex<()>; WRITERS],
    hasher: DefaultHashBuilder,
    evictions: Arc<AtomicU64>,
    refused: AtomicU64,
}

impl Builtin {
    /// A backend that holds `capacity` bytes of keys, values and what it takes to hold them.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let threads = std::thread::available_parallelism().map_or(8, usize::from);
        let items = usize::try_from(capacity / 256).unwrap_or(usize::MAX).clamp(32, 1 << 20);
        let evictions = Arc::new(AtomicU64::new(0));
        let mut options = OptionsBuilder::new();
        // Half of the room for what came last: logs are read by several readers, one soon after the other.
        options.weight_capacity(capacity.max(1)).estimated_items_capacity(items).shards((4 * threads).min(256)).hot_allocation(0.5);
        let options = options.build().unwrap_or_else(|_| unreachable!("capacities were given"));
        Self {
            plain: Plain::with_options(options, Weight, DefaultHashBuilder::default(), Evictions(Arc::clone(&evictions))),
            weighed: Weighed::new(),
            capacity: AtomicU64::new(capacity),
            allotted: Mutex::new(capacity),
            writers: [const { Mutex::new(()) }; WRITERS],
            hasher: DefaultHashBuilder::default(),
            evictions,
            refused: AtomicU64::new(0),
        }
    }

    /// The bytes that it may hold.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.capacity.load(Ordering::Acquire)
    }

    fn lookup(&self, key: Key<'_>) -> Option<Value> {
        match self.plain.get(&key) {
            Some(bytes) => Some(Value::bytes(bytes)),
            None => self.weighed.get(key),
        }
    }

    fn put(&self, key: Key<'_>, value: Value) {
        let capacity = self.capacity();
        // Before the lock, so that it is dropped after it.
        let mut removed = Removed::new();
        let _writer = self.writers[self.hasher.hash_one(key) as usize % WRITERS].lock();
        if let Some(bytes) = value.as_bytes()
            && plain_weight(key, bytes.len()).saturating_mul(SMALL * self.plain.num_shards() as u64) <= capacity
        {
            self.weighed.remove(key, &mut removed);
            self.put_small(key, bytes, capacity, &mut removed);
        } else if Weighed::weight(key, &value) > capacity {
            // Neither it nor what it was to replace.
            self.plain.remove(&key);
            self.weighed.remove(key, &mut removed);
            self.refused.fetch_add(1, Ordering::Relaxed);
        } else {
            self.plain.remove(&key);
            self.put_weighed(key, value, capacity, &mut removed);
        }
    }

    fn put_small(&self, key: Key<'_>, bytes: &Arc<[u8]>, capacity: u64, removed: &mut Removed) {
        let weight = plain_weight(key, bytes.len());
        if self.weighed.used() > capacity / 2 {
            // The other part has more than its half: what is lacking here is taken from there. Shards fill unevenly, so some of
            // them evict before all have their fill.
            let wanted = (self.plain.weight() + weight) * 5 / 4;
            self.evict_weighed(capacity.saturating_sub(wanted).max(capacity / 2), removed);
            self.divide(capacity);
        }
        self.plain.insert(OwnedKey::from(key), Arc::clone(bytes));
    }

    fn put_weighed(&self, key: Key<'_>, value: Value, capacity: u64, removed: &mut Removed) {
        let weight = Weighed::weight(key, &value);
        self.weighed.insert(key, value, removed, |removed| {
            if self.weighed.used() > capacity / 2 {
                let limit = capacity.saturating_sub(self.plain.weight()).max(capacity / 2);
                // One that is larger than half makes room in both parts.
                self.evict_weighed(limit.max(weight), removed);
            }
            self.divide(capacity);
        });
    }

    fn evict_weighed(&self, limit: u64, removed: &mut Removed) {
        self.evictions.fetch_add(self.weighed.shrink_to(limit, removed), Ordering::Relaxed);
    }

    /// Gives the small values what the others do not use.
    fn divide(&self, capacity: u64) {
        let step = (capacity / STEPS).max(1);
        let mut allotted = self.allotted.lock();
        let share = capacity.saturating_sub(self.weighed.used().div_ceil(step).saturating_mul(step));
        if share != *allotted {
            *allotted = share;
            // At 0 it would forget how it divides its room.
            self.plain.set_capacity(share.max(self.plain.num_shards() as u64));
        }
    }

    fn remove_if(&self, doomed: impl Fn(Key<'_>) -> bool) {
        self.plain.retain(|key, _| !doomed(key.as_key()));
        let mut removed = Removed::new();
        self.weighed.remove_if(doomed, &mut removed);
        self.divide(self.capacity());
    }

    fn len(&self) -> u64 {
        self.plain.len() as u64 + self.weighed.len()
    }

    fn used(&self) -> u64 {
        self.plain.weight() + self.weighed.used()
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T>> {
    Box::pin(std::future::ready(Ok(value)))
}

impl CacheBackend for Builtin {
    fn get<'a>(&'a self, key: Key<'a>) -> BoxFuture<'a, Result<Option<Value>>> {
        ready(self.lookup(key))
    }

    fn is_immediate(&self) -> bool {
        true
    }

    fn get_now(&self, key: Key<'_>) -> Option<Option<Value>> {
        Some(self.lookup(key))
    }

    fn insert<'a>(&'a self, key: Key<'a>, value: Value, _: u64) -> BoxFuture<'a, Result<()>> {
        self.put(key, value);
        ready(())
    }

    fn invalidate_prefix<'a>(&'a self, prefix: &'a [u8]) -> BoxFuture<'a, Result<()>> {
        self.remove_if(|key| key.is_under(prefix));
        ready(())
    }

    fn clear(&self) -> BoxFuture<'_, Result<()>> {
        self.remove_if(|_| true);
        ready(())
    }

    fn num_entries(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        ready(Some(self.len()))
    }

    fn size_bytes(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        ready(Some(self.used()))
    }

    fn approx_num_entries(&self) -> Option<u64> {
        Some(self.len())
    }

    fn approx_size_bytes(&self) -> Option<u64> {
        Some(self.used())
    }

    fn pressure(&self) -> Option<Pressure> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Some(Pressure { evictions: read(&self.evictions), refused: read(&self.refused) })
    }

    fn set_capacity(&self, bytes: u64) {
        let mut removed = Removed::new();
        self.capacity.store(bytes, Ordering::Release);
        if self.used() > bytes {
            self.evict_weighed(bytes.saturating_sub(self.plain.weight()).max(bytes / 2), &mut removed);
        }
        self.divide(bytes);
    }
}
