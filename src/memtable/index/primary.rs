//! The primary key's index: from a key to the newest of its versions that a reader may see.
//!
//! A hash table of row numbers, in parts that grow by themselves, so that growing never takes long. The keys stay where the batches
//! are: equal hashes are told apart by comparing keys (PITFALLS I5). Each row knows the row that it superseded and the one that superseded
//! it, so a reader whose view ends at row `n` goes back from the newest version to the one it may see, and can tell for any row
//! whether it is the newest in its view (PITFALLS I1) without looking at keys.
//!
//! One thread feeds it at a time (the table sees to that); readers take no lock. A slot is stored with release after all that it leads
//! to; a grown table is complete before readers are pointed to it, and the smaller one stays for those who still read it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::memtable::batch_store::{BatchStore, StoredBatch};
use crate::memtable::chunks::Chunks;
use crate::memtable::key::hash_key;

/// How many parts there are; the highest bits of a hash choose one.
const PARTS: usize = 64;
/// The slots of a part when it is first used. Each growth doubles them.
const FIRST_SLOTS: usize = 32;
/// Enough for all rows that a table can have in one part.
const SIZES: usize = 30;

/// The most memory that the index takes: this, and [`BYTES_PER_ROW`] for each row.
pub(in crate::memtable) const BYTES_FIXED: usize = PARTS * (size_of::<Part>() + 2 * FIRST_SLOTS * 8) + 2 * 1024 * 8;
/// Slots of 8 bytes are between 3/8 and 3/4 in use, and the smaller tables together take as much again: 43 bytes. The links of 8
/// bytes are in chunks of which up to half may be unused.
pub(in crate::memtable) const BYTES_PER_ROW: usize = 43 + 16;

/// See the module's documentation.
#[derive(Debug)]
pub struct PrimaryIndex {
    parts: Box<[Part]>,
    links: Chunks<Links, 1024>,
}

/// What a row knows of the other versions of its key: row numbers plus one, 0 for none.
#[derive(Debug, Default)]
struct Links {
    older: AtomicU32,
    newer: AtomicU32,
}

/// A slot: the low half of the key's hash, then the newest row's number plus one; 0 if it is free.
type Slots = Box<[AtomicU64]>;

#[derive(Debug, Default)]
struct Part {
    sizes: [OnceLock<Slots>; SIZES],
    /// How many sizes are complete; the last of these is the one to use.
    current: AtomicU32,
    /// How many slots are taken. Only who feeds reads it.
    taken: AtomicU32,
}

/// Where a key is, or where it goes.
enum Found {
    Row(usize, u32),
    Free(usize),
}

impl Default for PrimaryIndex {
    fn default() -> Self {
        Self { parts: (0..PARTS).map(|_| Part::default()).collect(), links: Chunks::default() }
    }
}

impl PrimaryIndex {
    /// Takes in a batch of `store`. The rows become part of what readers may see by other means.
    pub(in crate::memtable) fn feed(&self, store: &BatchStore, batch: &StoredBatch) {
        let Some(keys) = batch.keys() else { return };
        for (index, key) in keys.iter().enumerate() {
            self.insert(store, key, batch.first_row() + index as u32);
        }
    }

    fn insert(&self, store: &BatchStore, key: &[u8], row: u32) {
        let hash = hash_key(key);
        let part = &self.parts[(hash >> 58) as usize];
        let slots = part.with_room();
        let links = self.links.at(row as usize);
        let value = hash << 32 | u64::from(row + 1);
        match find(slots, hash as u32, |row| store.key(row) == Some(key)) {
            Found::Free(slot) => {
                slots[slot].store(value, Ordering::Release);
                part.taken.store(part.taken.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            }
            Found::Row(slot, old) => {
                links.older.store(old + 1, Ordering::Relaxed);
                self.links.at(old as usize).newer.store(row + 1, Ordering::Relaxed);
                slots[slot].store(value, Ordering::Release);
            }
        }
    }

    /// The newest version of `key` among the first `visible` rows: its row number.
    #[must_use]
    pub fn newest(&self, store: &BatchStore, key: &[u8], visible: u32) -> Option<u32> {
        self.versions(store, key, visible).next()
    }

    /// All versions of `key` among the first `visible` rows, the newest first.
    pub fn versions(&self, store: &BatchStore, key: &[u8], visible: u32) -> impl Iterator<Item = u32> {
        let hash = hash_key(key);
        let slots = self.parts[(hash >> 58) as usize].current();
        let newest = slots.and_then(|slots| match find(slots, hash as u32, |row| store.key(row) == Some(key)) {
            Found::Row(_, row) => Some(row),
            Found::Free(_) => None,
        });
        std::iter::successors(newest, |row| self.older(*row)).skip_while(move |row| *row >= visible)
    }

    fn older(&self, row: u32) -> Option<u32> {
        self.links.get(row as usize)?.older.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Whether, among the first `visible` rows, none after `row` has the same key.
    #[must_use]
    #[inline]
    pub fn is_newest(&self, row: u32, visible: u32) -> bool {
        let newer = self.links.get(row as usize).map_or(0, |links| links.newer.load(Ordering::Relaxed));
        newer == 0 || newer > visible
    }

    /// The memory that it takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let slots = |part: &Part| part.sizes.iter().filter_map(OnceLock::get).map(|slots| size_of_val::<[_]>(slots)).sum::<usize>();
        let parts: usize = self.parts.iter().map(slots).sum();
        parts + size_of_val::<[_]>(&self.parts) + self.links.memory_bytes()
    }
}

impl Part {
    /// The slots that are in use, if there are any.
    #[inline]
    fn current(&self) -> Option<&Slots> {
        let size = (self.current.load(Ordering::Acquire) as usize).checked_sub(1)?;
        self.sizes.get(size)?.get()
    }

    /// Slots with room for one more. At least a quarter of them is free, so that every search ends, and soon.
    fn with_room(&self) -> &Slots {
        let old = self.current();
        if let Some(slots) = old
            && (self.taken.load(Ordering::Relaxed) as usize + 1) * 4 <= slots.len() * 3
        {
            return slots;
        }
        let size = self.current.load(Ordering::Relaxed) as usize;
        let slots = self.sizes[size].get_or_init(|| {
            let slots: Slots = (0..FIRST_SLOTS << size).map(|_| AtomicU64::new(0)).collect();
            for value in old.into_iter().flatten().map(|slot| slot.load(Ordering::Relaxed)).filter(|value| *value != 0) {
                if let Found::Free(slot) = find(&slots, (value >> 32) as u32, |_| false) {
                    slots[slot].store(value, Ordering::Relaxed);
                }
            }
            slots
        });
        self.current.store(size as u32 + 1, Ordering::Release);
        slots
    }
}

/// Looks for the slot whose tag is `tag` and whose row `is_it`, from the tag's own place on.
#[inline]
fn find(slots: &Slots, tag: u32, is_it: impl Fn(u32) -> bool) -> Found {
    let mask = slots.len() - 1;
    let mut slot = tag as usize & mask;
    loop {
        let value = slots[slot].load(Ordering::Acquire);
        if value == 0 {
            return Found::Free(slot);
        }
        let row = value as u32 - 1;
        if (value >> 32) as u32 == tag && is_it(row) {
            return Found::Row(slot, row);
        }
        slot = (slot + 1) & mask;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, RecordBatch};
    use arrow_schema::{DataType, Field, Schema};

    use super::*;
    use crate::memtable::{Buffers, Limits, Lookup, MemTable, TableSpec, Visibility};

    fn put(table: &MemTable, ids: &[i64]) {
        let ids: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
        let prepared = table.spec().put(&RecordBatch::try_from_iter([("id", ids)]).unwrap(), Buffers::Own).unwrap();
        assert!(table.insert(prepared).unwrap().is_ok());
    }

    fn table() -> Arc<MemTable> {
        let schema = Schema::new(vec![Field::new("id", DataType::Int64, false)]);
        let spec = TableSpec::new(&schema, Some(&["id".into()]), &[], Limits::default()).unwrap();
        MemTable::new(spec, 1, 0, Visibility::Indexed)
    }

    fn key(id: i64) -> [u8; 8] {
        (id ^ i64::MIN).to_be_bytes()
    }

    fn newest(table: &Arc<MemTable>, id: i64) -> Option<u64> {
        match table.snapshot().get(&key(id)) {
            Lookup::Found(row) => Some(row.position()),
            _ => None,
        }
    }

    /// PITFALLS I5: keys of which the table knows the same part of their hashes.
    #[test]
    fn keys_whose_hashes_meet_are_different_keys() {
        for (a, b) in [(107_236, 536_415), (588_245, 1_051_598), (772_801, 1_605_108)] {
            let known = |id| (hash_key(&key(id)) >> 58, hash_key(&key(id)) as u32);
            assert_eq!(known(a), known(b), "else this tests nothing");
            let table = table();
            put(&table, &[a]);
            assert_eq!((newest(&table, a), newest(&table, b)), (Some(0), None));
            put(&table, &[b, a]);
            assert_eq!((newest(&table, a), newest(&table, b)), (Some(2), Some(1)));
            // And when the slots are moved.
            put(&table, &(2_000_000..2_010_000).collect::<Vec<_>>());
            assert_eq!((newest(&table, a), newest(&table, b)), (Some(2), Some(1)));
            assert!(table.snapshot().is_newest(1) && !table.snapshot().is_newest(0));
        }
    }

    #[test]
    fn growing_keeps_every_key() {
        let table = table();
        let mut rows = 0;
        for round in 0..200 {
            let ids: Vec<_> = (0..100).map(|n| (round * 100 + n) * 7919 % 15_013).collect();
            put(&table, &ids);
            rows += ids.len();
        }
        let last = |id: i64| (0..rows as i64).rev().find(|n| n * 7919 % 15_013 == id).map(|n| n as u64);
        for id in (0..15_013).step_by(53).chain([-1, 15_013]) {
            assert_eq!(newest(&table, id), last(id), "{id}");
        }
        let primary = table.primary().unwrap();
        assert!(primary.memory_bytes() <= BYTES_FIXED + rows * BYTES_PER_ROW, "{}", primary.memory_bytes());
    }
}
