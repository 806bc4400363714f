//! The part of the built-in backend that holds what is large or may share memory with other entries.
//!
//! It counts each allocation once, for as long as an entry of it holds it (PITFALLS K6), and has one budget over all its shards, so
//! that a shard's share refuses nothing (PITFALLS K5). What was not asked for since it was last considered goes first, the oldest
//! before others (CLOCK).
//!
//! A value may run its owner's code when it is let go of, which may use the cache. So values that are removed are handed to the caller,
//! as [`Removed`], to be dropped when no lock is held.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hashbrown::HashTable;
use parking_lot::{Mutex, RwLock};
use quick_cache::{DefaultHashBuilder, Equivalent};

use super::key::{Key, OwnedKey};
use super::ledger::Ledger;
use super::value::Value;

const SHARDS: usize = 16;

/// About what an entry takes beside its key and value: its node, its places in table and ring, its allocations in the ledger.
const OVERHEAD: u64 = 192;

struct Node {
    key: OwnedKey,
    hash: u64,
    /// No other node of the shard has it.
    id: u64,
    value: Value,
    own: u64,
    allocations: Box<[(usize, usize)]>,
    /// Asked for since it was last considered.
    touched: AtomicBool,
}

/// Where a node stands in the order in which they are considered. It may be gone.
struct Turn {
    hash: u64,
    id: u64,
    age: u64,
}

#[derive(Default)]
struct Shard {
    table: HashTable<Box<Node>>,
    ring: VecDeque<Turn>,
}

/// Values that are no longer in the cache.
pub(super) type Removed = Vec<Value>;

pub(super) struct Weighed {
    shards: [RwLock<Shard>; SHARDS],
    /// The age of the first in each ring, readable without its lock.
    oldest: [AtomicU64; SHARDS],
    ledger: Mutex<Ledger>,
    /// As in the ledger.
    used: AtomicU64,
    len: AtomicU64,
    ages: AtomicU64,
    hasher: DefaultHashBuilder,
}

impl Weighed {
    pub fn new() -> Self {
        Self {
            shards: Default::default(),
            oldest: [const { AtomicU64::new(u64::MAX) }; SHARDS],
            ledger: Mutex::default(),
            used: AtomicU64::new(0),
            len: AtomicU64::new(0),
            ages: AtomicU64::new(0),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// The bytes held.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    pub fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    /// What the entry takes where it shares nothing.
    pub fn weight(key: Key<'_>, value: &Value) -> u64 {
        key.len() as u64 + OVERHEAD + value.size()
    }

    pub fn get(&self, key: Key<'_>) -> Option<Value> {
        if self.len() == 0 {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        let shard = self.shards[at(hash)].read();
        let node = shard.table.find(hash, |node| key.equivalent(&node.key))?;
        // Mostly it is set, and a store would take the line from other readers.
        if !node.touched.load(Ordering::Relaxed) {
            node.touched.store(true, Ordering::Relaxed);
        }
        Some(node.value.clone())
    }

    /// Replaces what was under the key. The caller sees to it that there is one writer of a key at a time, and in `make_room` that
    /// others make room for what is then counted already.
    pub fn insert(&self, key: Key<'_>, value: Value, removed: &mut Removed, make_room: impl FnOnce(&mut Removed)) {
        let hash = self.hasher.hash_one(key);
        let footprint = value.footprint();
        let own = footprint.own() + key.len() as u64 + OVERHEAD;
        let allocations = footprint.allocations();
        self.charge(own, &allocations);
        make_room(removed);
        let id = self.ages.fetch_add(1, Ordering::Relaxed);
        let node = Box::new(Node { key: key.into(), hash, id, value, own, allocations, touched: AtomicBool::new(false) });
        let index = at(hash);
        // Before others can remove it.
        self.len.fetch_add(1, Ordering::AcqRel);
        let mut shard = self.shards[index].write();
        let old = shard.take(hash, |old| key.equivalent(&old.key));
        shard.table.insert_unique(hash, node, |node| node.hash);
        shard.ring.push_back(Turn { hash, id, age: id });
        self.oldest[index].store(shard.first(), Ordering::Release);
        drop(shard);
        removed.extend(old.map(|node| self.release(*node)));
    }

    /// Removes the entry.
    pub fn remove(&self, key: Key<'_>, removed: &mut Removed) {
        if self.len() == 0 {
            return;
        }
        let hash = self.hasher.hash_one(key);
        let node = self.shards[at(hash)].write().take(hash, |node| key.equivalent(&node.key));
        removed.extend(node.map(|node| self.release(*node)));
    }

    /// Removes the entries that `doomed` says.
    pub fn remove_if(&self, doomed: impl Fn(Key<'_>) -> bool, removed: &mut Removed) {
        for (index, shard) in self.shards.iter().enumerate() {
            let mut shard = shard.write();
            let nodes: Vec<_> = shard.table.extract_if(|node| doomed(node.key.as_key())).collect();
            shard.sweep();
            self.oldest[index].store(shard.first(), Ordering::Release);
            drop(shard);
            removed.extend(nodes.into_iter().map(|node| self.release(*node)));
        }
    }

    /// Removes entries until at most `limit` bytes are held; returns how many it removed.
    pub fn shrink_to(&self, limit: u64, removed: &mut Removed) -> u64 {
        let mut evicted = 0;
        // Who is asked for all the time is let go, too, after two rounds.
        let mut patience = 2 * self.len() + SHARDS as u64;
        while self.used() > limit {
            let oldest = (0..SHARDS).min_by_key(|index| self.oldest[*index].load(Ordering::Acquire)).unwrap_or(0);
            if self.oldest[oldest].load(Ordering::Acquire) == u64::MAX {
                break;
            }
            patience = patience.saturating_sub(1);
            if let Some(node) = self.consider(oldest, patience > 0) {
                removed.push(self.release(*node));
                evicted += 1;
            }
        }
        evicted
    }

    /// Takes the first of the shard's ring out, unless it was asked for and may stay for that.
    fn consider(&self, index: usize, second_chance: bool) -> Option<Box<Node>> {
        let mut shard = self.shards[index].write();
        let shard = &mut *shard;
        let mut evicted = None;
        while let Some(turn) = shard.ring.pop_front() {
            let Some(node) = shard.table.find(turn.hash, |node| node.id == turn.id) else { continue };
            if second_chance && node.touched.swap(false, Ordering::Relaxed) {
                let age = self.ages.fetch_add(1, Ordering::Relaxed);
                shard.ring.push_back(Turn { age, ..turn });
            } else {
                evicted = shard.take(turn.hash, |node| node.id == turn.id);
            }
            break;
        }
        self.oldest[index].store(shard.first(), Ordering::Release);
        evicted
    }

    fn charge(&self, own: u64, allocations: &[(usize, usize)]) {
        let mut ledger = self.ledger.lock();
        ledger.charge(own, allocations);
        self.used.store(ledger.used(), Ordering::Release);
    }

    /// Gives back what a node that is no longer in the table was charged for; what is left is its value.
    fn release(&self, node: Node) -> Value {
        let mut ledger = self.ledger.lock();
        ledger.release(node.own, &node.allocations);
        self.used.store(ledger.used(), Ordering::Release);
        drop(ledger);
        self.len.fetch_sub(1, Ordering::AcqRel);
        node.value
    }
}

impl Shard {
    /// Takes a node out of the table and leaves its turn to the ring, which is swept before more of them are void than not.
    fn take(&mut self, hash: u64, is: impl FnMut(&Box<Node>) -> bool) -> Option<Box<Node>> {
        let (node, _) = self.table.find_entry(hash, is).ok()?.remove();
        if self.ring.len() > 2 * self.table.len() + 8 {
            self.sweep();
        }
        Some(node)
    }

    /// Forgets the turns of nodes that are gone.
    fn sweep(&mut self) {
        let table = &self.table;
        self.ring.retain(|turn| table.find(turn.hash, |node| node.id == turn.id).is_some());
    }

    fn first(&self) -> u64 {
        self.ring.front().map_or(u64::MAX, |turn| turn.age)
    }
}

/// The shard of a hash; the table uses its other ends.
fn at(hash: u64) -> usize {
    (hash >> 32) as usize % SHARDS
}
