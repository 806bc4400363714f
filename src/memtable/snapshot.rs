//! Reads of one MemTable at one moment.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::BooleanBuffer;

use super::MemTable;
use super::batch_store::StoredBatch;
use super::index::btree::{BTreeIndex, BTreeQuery};
use crate::error::{Result, bail};

/// The rows of a table that were visible when it was taken.
#[derive(Debug, Clone)]
pub struct Snapshot {
    table: Arc<MemTable>,
    visible: u32,
}

/// A visible row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    batch: &'a StoredBatch,
    index: usize,
    position: u64,
}

/// What there is under a key.
#[derive(Debug, Clone, Copy)]
pub enum Lookup<'a> {
    /// The table knows nothing of it; older tables and generations may.
    Missing,
    /// The newest is a deletion: older tables and generations do not count.
    Deleted(Row<'a>),
    /// The newest version.
    Found(Row<'a>),
}

/// A batch as a snapshot sees it.
#[derive(Debug, Clone)]
pub struct SnapshotBatch {
    /// The visible rows, in the stored schema.
    pub batch: RecordBatch,
    /// The position of the first row.
    pub first_row: u64,
    /// Which rows are the newest of their keys, deletions among them; all, if there is none.
    pub newest: Option<BooleanBuffer>,
}

impl<'a> Row<'a> {
    /// The batch that has the row, in the stored schema.
    #[must_use]
    pub fn batch(&self) -> &'a RecordBatch {
        self.batch.batch()
    }

    /// The row's index in the batch.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The row's position, writer-global.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The row's encoded primary key, if there is a primary key.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        Some(self.batch.keys()?.key(self.index))
    }

    /// Whether the row is a deletion.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.batch.is_tombstone(self.index)
    }
}

impl Snapshot {
    pub(super) fn new(table: Arc<MemTable>, visible: u32) -> Self {
        Self { table, visible }
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &Arc<MemTable> {
        &self.table
    }

    /// The position behind the last visible row.
    #[must_use]
    pub fn end_row(&self) -> u64 {
        self.table.position(self.visible)
    }

    /// How many rows are visible, with superseded ones and deletions.
    #[must_use]
    pub fn num_rows(&self) -> u64 {
        u64::from(self.visible)
    }

    /// The newest visible version of an encoded key. In a table without a primary key, nothing is found.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Lookup<'_> {
        let newest = self.table.primary().and_then(|primary| primary.newest(self.table.store(), key, self.visible));
        match newest.and_then(|row| self.at(row)) {
            None => Lookup::Missing,
            Some(row) if row.is_tombstone() => Lookup::Deleted(row),
            Some(row) => Lookup::Found(row),
        }
    }

    /// All visible versions of an encoded key, the newest first, deletions among them.
    pub fn versions(&self, key: &[u8]) -> impl Iterator<Item = Row<'_>> {
        let rows = self.table.primary().map(|primary| primary.versions(self.table.store(), key, self.visible));
        rows.into_iter().flatten().filter_map(|row| self.at(row))
    }

    /// The row at `position`, whether it is the newest of its key or not; nothing if it is not visible.
    #[must_use]
    pub fn row(&self, position: u64) -> Option<Row<'_>> {
        self.at(u32::try_from(position.checked_sub(self.table.first_row())?).ok()?)
    }

    fn at(&self, row: u32) -> Option<Row<'_>> {
        let (batch, index) = self.table.store().row(row).filter(|_| row < self.visible)?;
        Some(Row { batch, index, position: self.table.position(row) })
    }

    /// Whether the visible row at `position` is the newest of its key. Every row is, in a table without a primary key.
    #[must_use]
    pub fn is_newest(&self, position: u64) -> bool {
        let row = position.checked_sub(self.table.first_row()).and_then(|row| u32::try_from(row).ok());
        row.is_some_and(|row| row < self.visible && self.newest(row))
    }

    fn newest(&self, row: u32) -> bool {
        self.table.primary().is_none_or(|primary| primary.is_newest(row, self.visible))
    }

    /// The visible rows in the order in which they were put, batch by batch, with a mask of those that are the newest of their keys.
    pub fn batches(&self) -> impl Iterator<Item = SnapshotBatch> {
        self.table.store().batches(self.visible).map(|stored| {
            let rows = stored.num_rows().min((self.visible - stored.first_row()) as usize);
            let batch = if rows < stored.num_rows() { stored.batch().slice(0, rows) } else { stored.batch().clone() };
            SnapshotBatch { batch, first_row: self.table.position(stored.first_row()), newest: self.mask(stored.first_row(), rows) }
        })
    }

    fn mask(&self, first: u32, rows: usize) -> Option<BooleanBuffer> {
        let primary = self.table.primary()?;
        let mask = BooleanBuffer::collect_bool(rows, |index| primary.is_newest(first + index as u32, self.visible));
        (mask.count_set_bits() < rows).then_some(mask)
    }

    /// The newest versions of the encoded keys in `range`, deletions among them, in the order in which they were put. Looks at the key of
    /// every row.
    pub fn range<'s>(&'s self, range: (Bound<&'s [u8]>, Bound<&'s [u8]>)) -> impl Iterator<Item = Row<'s>> {
        let store = self.table.store();
        store.batches(self.visible).flat_map(move |batch| {
            let keys = batch.keys().map(|keys| keys.iter().enumerate());
            let within = keys.into_iter().flatten().filter(move |(_, key)| RangeBounds::<[u8]>::contains(&range, *key));
            within.filter_map(move |(index, _)| self.at(batch.first_row() + index as u32).filter(|row| self.is_newest(row.position)))
        })
    }

    /// What the ordered index `name` finds, in the query's order: only rows that are the newest of their keys, and no deletions. The index
    /// answers for this table alone: whether a newer table has the same key is for the merging reader to see.
    ///
    /// # Errors
    /// `InvalidArgument`: no ordered index of this name, or a bound that is not one value of the column's type.
    pub fn search(&self, name: &str, query: &BTreeQuery) -> Result<impl Iterator<Item = Row<'_>>> {
        let Some(index) = self.table.secondary::<BTreeIndex>(name) else {
            bail!(InvalidArgument, "there is no ordered index called '{name}'");
        };
        let rows = index.search(query, self.visible)?;
        // PITFALLS I2: superseded rows go after the index has answered, before any limit.
        Ok(rows.filter(|row| self.newest(*row)).filter_map(|row| self.at(row)))
    }
}
