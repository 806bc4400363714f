//! The rows of a MemTable: batches in the order in which they were put.
//!
//! Append-only. One thread appends at a time (a lock sees to that); any number of threads read without a lock, and never see a
//! batch in part: a batch is stored first, and the counts that take it in are published after it, both at once. Counts are
//! exclusive: 0 means nothing, `n` means the first `n` (PITFALLS E3).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arrow_array::{BooleanArray, RecordBatch};
use parking_lot::Mutex;

use super::chunks::Chunks;
use super::index::IndexInput;
use super::key::Keys;
use super::memory::Ledger;

/// The most rows that a table can have: a row is numbered with 32 bits, and one number means "none".
pub const MAX_ROWS: u64 = u32::MAX as u64 - 1;

/// A batch in the store.
#[derive(Debug)]
pub struct StoredBatch {
    batch: RecordBatch,
    keys: Option<Keys>,
    /// The tombstone column, if one of the rows is a deletion.
    tombstones: Option<BooleanArray>,
    first: u32,
    /// For the indexes, which take it when they are fed.
    pub(super) inputs: Mutex<Vec<IndexInput>>,
}

impl StoredBatch {
    /// The rows, in the table's stored schema.
    #[must_use]
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// The encoded primary keys of the rows, if there is a primary key.
    #[must_use]
    pub fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref()
    }

    /// Whether the row `index` is a deletion.
    #[must_use]
    pub fn is_tombstone(&self, index: usize) -> bool {
        self.tombstones.as_ref().is_some_and(|tombstones| tombstones.value(index))
    }

    /// The number of the first row, within the table.
    #[must_use]
    pub fn first_row(&self) -> u32 {
        self.first
    }

    /// How many rows the batch has.
    #[must_use]
    pub fn num_rows(&self) -> usize {
        self.batch.num_rows()
    }
}

/// How much of the store is complete; exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// The number of batches.
    pub batches: u32,
    /// The number of rows in them.
    pub rows: u32,
}

impl Committed {
    fn pack(self) -> u64 {
        u64::from(self.batches) << 32 | u64::from(self.rows)
    }

    fn unpack(packed: u64) -> Self {
        Self { batches: (packed >> 32) as u32, rows: packed as u32 }
    }
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct BatchStore {
    batches: Chunks<OnceLock<StoredBatch>, 64>,
    /// The batch of each row.
    batch_of: Chunks<AtomicU32, 1024>,
    committed: AtomicU64,
    /// The bytes of the distinct allocations, and what batches take beside them.
    bytes: AtomicU64,
    ledger: Mutex<Ledger>,
}

/// A batch to be stored, and what it holds.
#[derive(Debug)]
pub(super) struct NewBatch {
    pub(super) batch: RecordBatch,
    pub(super) keys: Option<Keys>,
    /// The tombstone column, if one of the rows is a deletion.
    pub(super) tombstones: Option<BooleanArray>,
    pub(super) inputs: Vec<IndexInput>,
    /// Its distinct allocations.
    pub(super) allocations: Vec<(usize, usize)>,
    /// What it takes beside them.
    pub(super) overhead: usize,
}

impl BatchStore {
    /// Appends a batch, with which there must not be more than [`MAX_ROWS`] rows; returns what is committed then.
    pub(super) fn append(&self, new: NewBatch) -> Committed {
        // Only one thread may be here: the lock of what only this function needs.
        let mut ledger = self.ledger.lock();
        let before = self.committed();
        let rows = new.batch.num_rows();
        debug_assert!(u64::from(before.rows) + rows as u64 <= MAX_ROWS);
        let bytes = ledger.add(&new.allocations) + new.overhead;
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let NewBatch { batch, keys, tombstones, inputs, .. } = new;
        let stored = StoredBatch { batch, keys, tombstones, first: before.rows, inputs: Mutex::new(inputs) };
        let slot = self.batches.at(before.batches as usize);
        debug_assert!(slot.get().is_none());
        slot.get_or_init(|| stored);
        let after = Committed { batches: before.batches + 1, rows: before.rows + rows as u32 };
        let (mut row, end) = (before.rows as usize, after.rows as usize);
        while row < end {
            let run = self.batch_of.from(row);
            let run = &run[..run.len().min(end - row)];
            run.iter().for_each(|of| of.store(before.batches, Ordering::Relaxed));
            row += run.len();
        }
        self.committed.store(after.pack(), Ordering::Release);
        after
    }

    /// What is complete.
    #[must_use]
    pub fn committed(&self) -> Committed {
        Committed::unpack(self.committed.load(Ordering::Acquire))
    }

    /// The batch `index`, if it was stored.
    #[must_use]
    pub fn batch(&self, index: u32) -> Option<&StoredBatch> {
        self.batches.get(index as usize)?.get()
    }

    /// The batch that has the row numbered `row`, and the row's index in it.
    #[must_use]
    #[inline]
    pub fn row(&self, row: u32) -> Option<(&StoredBatch, usize)> {
        let batch = self.batch(self.batch_of.get(row as usize)?.load(Ordering::Relaxed))?;
        let index = row.checked_sub(batch.first)? as usize;
        (index < batch.num_rows()).then_some((batch, index))
    }

    /// The encoded primary key of a row.
    #[inline]
    pub(super) fn key(&self, row: u32) -> Option<&[u8]> {
        let (batch, index) = self.row(row)?;
        Some(batch.keys.as_ref()?.key(index))
    }

    /// The batches with the first `rows` rows; the last may have more.
    pub fn batches(&self, rows: u32) -> impl Iterator<Item = &StoredBatch> {
        (0..self.committed().batches).map_while(|index| self.batch(index)).take_while(move |batch| batch.first < rows)
    }

    /// How many bytes of `allocations` the store does not hold yet.
    pub(super) fn missing(&self, allocations: &[(usize, usize)]) -> u64 {
        self.ledger.lock().missing(allocations) as u64
    }

    /// What the batches hold: distinct allocations once, keys and the like, but not the store's own lists.
    pub(super) fn held_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The memory that the store holds: distinct allocations once, keys, and what it needs to find a row.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let held = self.held_bytes() as usize;
        held + self.batches.memory_bytes() + self.batch_of.memory_bytes()
    }
}
