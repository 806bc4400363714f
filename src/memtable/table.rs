//! One MemTable.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::batch_store::{BatchStore, MAX_ROWS, StoredBatch};
use super::index::Index;
use super::index::primary::{self, PrimaryIndex};
use super::spec::SHARED_ROWS;
use super::{Prepared, Snapshot, TableSpec};
use crate::error::{Result, bail, err};

/// What a table takes before it has rows: itself, the first chunks of its lists, the fixed part of the primary key's index and the shared tombstone column.
pub(super) fn fixed_bytes(spec: &TableSpec) -> u64 {
    let lists = 2 * 64 * size_of::<std::sync::OnceLock<StoredBatch>>() + 2 * 1024 * size_of::<AtomicU32>();
    let key = if spec.key().is_some() { primary::BYTES_FIXED + SHARED_ROWS / 8 } else { 0 };
    (size_of::<MemTable>() + lists + key + spec.indexes().len() * 4096) as u64
}

/// The most that lists and the primary key's index grow by a batch. Lists double, so half of them may be unused.
pub(super) fn growth(spec: &TableSpec, rows: usize) -> u64 {
    let per_row = 2 * size_of::<AtomicU32>() + if spec.key().is_some() { primary::BYTES_PER_ROW } else { 0 };
    (rows * per_row + 2 * size_of::<std::sync::OnceLock<StoredBatch>>()) as u64
}

/// When rows are visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// When they are indexed: who puts reads what was put at once, even if it is not durable.
    Indexed,
    /// When they are indexed and durable: what is read cannot be lost.
    Durable,
}

/// Rows that a table took in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Their positions, writer-global.
    pub rows: Range<u64>,
    /// Whether the table has reached one of its limits.
    pub full: bool,
}

/// Why a table did not take rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// They do not fit beside what is there. An empty table takes them.
    Full,
    /// The table is frozen.
    Frozen,
}

/// Rows that a table did not take: they come back, for the next table.
#[derive(Debug)]
pub struct Refused {
    /// The rows.
    pub prepared: Box<Prepared>,
    /// Why.
    pub why: Refusal,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct MemTable {
    spec: Arc<TableSpec>,
    generation: u64,
    first_row: u64,
    store: BatchStore,
    primary: Option<PrimaryIndex>,
    indexes: Vec<Arc<dyn Index>>,
    append: Mutex<AppendState>,
    /// How many batches are fed to the indexes.
    fed: Mutex<u32>,
    /// How many rows are indexed.
    indexed: AtomicU32,
    /// How many rows of the writer are durable, as far as this table cares.
    durable: AtomicU64,
}

#[derive(Debug)]
struct AppendState {
    frozen: bool,
    /// The most memory that the table takes.
    bound: u64,
    tombstones: bool,
}

impl MemTable {
    /// An empty table of `generation`, whose first row will have the position `first_row`.
    #[must_use]
    pub fn new(spec: Arc<TableSpec>, generation: u64, first_row: u64, visibility: Visibility) -> Arc<Self> {
        let durable = match visibility {
            Visibility::Indexed => u64::MAX,
            Visibility::Durable => first_row,
        };
        Arc::new(Self {
            store: BatchStore::default(),
            primary: spec.key().map(|_| PrimaryIndex::default()),
            indexes: spec.indexes().iter().map(|(_, index)| index.create()).collect(),
            append: Mutex::new(AppendState { frozen: false, bound: fixed_bytes(&spec), tombstones: false }),
            fed: Mutex::new(0),
            indexed: AtomicU32::new(0),
            durable: AtomicU64::new(durable),
            spec,
            generation,
            first_row,
        })
    }

    /// What the table has in common with the writer's others.
    #[must_use]
    pub fn spec(&self) -> &Arc<TableSpec> {
        &self.spec
    }

    /// The generation that the table becomes.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The batches.
    #[must_use]
    pub fn store(&self) -> &BatchStore {
        &self.store
    }

    /// Takes in rows. They are not indexed, so nobody sees them yet.
    ///
    /// # Errors
    /// They come back if the table is frozen, or has no room for them. An empty table that is not frozen takes whatever its spec prepared.
    pub fn append(&self, prepared: Prepared) -> Result<Appended, Refused> {
        let refused = |prepared, why| Err(Refused { prepared: Box::new(prepared), why });
        let limits = self.spec.limits();
        let mut state = self.append.lock();
        if state.frozen {
            return refused(prepared, Refusal::Frozen);
        }
        let before = self.store.committed();
        let rows = u64::from(before.rows) + prepared.num_rows() as u64;
        // What it shares with batches that are here counts once.
        let grown = state.bound + prepared.cost - prepared.shareable + self.store.missing(&prepared.new.allocations);
        let fits = rows <= limits.max_rows && u64::from(before.batches) < limits.max_batches && grown <= limits.max_bytes;
        if !fits && before.batches > 0 {
            return refused(prepared, Refusal::Full);
        }
        Ok(self.take(&mut state, prepared, grown))
    }

    /// Whether batches that belong together, such as those of one entry of the log, fit beside what is there. An empty table takes them.
    #[must_use]
    pub fn fits(&self, all: &[Prepared]) -> bool {
        let limits = self.spec.limits();
        let state = self.append.lock();
        let before = self.store.committed();
        let rows = all.iter().fold(u64::from(before.rows), |rows, one| rows + one.num_rows() as u64);
        let mut shared: Vec<_> = all.iter().flat_map(|one| one.new.allocations.iter().copied()).collect();
        shared.sort_unstable();
        shared.dedup();
        let own: u64 = all.iter().map(|one| one.cost - one.shareable).sum();
        let bytes = state.bound + own + self.store.missing(&shared);
        let batches = u64::from(before.batches) + all.len() as u64;
        before.batches == 0 || (rows <= limits.max_rows && batches <= limits.max_batches && bytes <= limits.max_bytes)
    }

    /// Takes in rows that are in the log already, however large the table gets by them: that they belong to it was decided when they
    /// were logged.
    ///
    /// # Errors
    /// `Unsupported`: more rows or batches than any table can number. `Internal`: the table is frozen.
    pub fn append_logged(&self, prepared: Prepared) -> Result<Appended> {
        let mut state = self.append.lock();
        if state.frozen {
            bail!(Internal, "generation {} is frozen and cannot take in what was logged for it", self.generation);
        }
        let before = self.store.committed();
        if u64::from(before.rows) + prepared.num_rows() as u64 > MAX_ROWS || before.batches == u32::MAX {
            bail!(Unsupported, "the log has more than {MAX_ROWS} rows of generation {}: no table can hold them", self.generation);
        }
        let grown = state.bound + prepared.cost - prepared.shareable + self.store.missing(&prepared.new.allocations);
        Ok(self.take(&mut state, prepared, grown))
    }

    fn take(&self, state: &mut AppendState, prepared: Prepared, grown: u64) -> Appended {
        let limits = self.spec.limits();
        let before = self.store.committed();
        state.bound = grown;
        state.tombstones |= prepared.has_tombstones();
        let after = self.store.append(prepared.new);
        let full =
            u64::from(after.rows) >= limits.max_rows || u64::from(after.batches) >= limits.max_batches || state.bound >= limits.max_bytes;
        Appended { rows: self.position(before.rows)..self.position(after.rows), full }
    }

    /// Feeds the indexes with all batches that they lack, and returns the position up to which rows are indexed, exclusive. Without any
    /// index, rows are indexed all the same when this was called (PITFALLS E5).
    ///
    /// # Errors
    /// `Internal`: a bug; the rows stay invisible.
    pub fn index(&self) -> Result<u64> {
        self.feed(self.fed.lock())
    }

    /// As [`Self::index`], unless another thread does so now; it may or may not see the newest batches.
    ///
    /// # Errors
    /// As [`Self::index`].
    pub fn try_index(&self) -> Result<()> {
        self.fed.try_lock().map_or(Ok(()), |fed| self.feed(fed).map(|_| ()))
    }

    fn feed(&self, mut fed: MutexGuard<'_, u32>) -> Result<u64> {
        while let Some(batch) = self.store.batch(*fed).filter(|_| *fed < self.store.committed().batches) {
            self.encode_keys(batch)?;
            if let Some(primary) = &self.primary {
                primary.feed(&self.store, batch);
            }
            let inputs = std::mem::take(&mut *batch.inputs.lock());
            for (index, input) in self.indexes.iter().zip(inputs) {
                index.feed(input, batch.first_row())?;
            }
            *fed += 1;
            self.indexed.store(batch.first_row() + batch.num_rows() as u32, Ordering::Release);
        }
        Ok(self.indexed_rows())
    }

    /// Encodes the keys of a batch that was stored without.
    fn encode_keys(&self, batch: &StoredBatch) -> Result<()> {
        let Some(encoder) = self.spec.key().filter(|_| batch.keys().is_none()) else { return Ok(()) };
        let keys = encoder.encode(batch.batch()).map_err(|error| err!(Internal, "keys that were fine are not: {error}"))?;
        let bytes = self.store.set_keys(batch, keys);
        let mut state = self.append.lock();
        state.bound = (state.bound + bytes).saturating_sub(batch.later as u64);
        Ok(())
    }

    /// [`Self::append`], then [`Self::index`].
    ///
    /// # Errors
    /// As both; the outer one is a bug.
    pub fn insert(&self, prepared: Prepared) -> Result<Result<Appended, Refused>> {
        let appended = self.append(prepared);
        if appended.is_ok() {
            self.index()?;
        }
        Ok(appended)
    }

    /// Says that the writer's first `count` rows are durable. Counts that are smaller than an earlier one change nothing.
    pub fn set_durable(&self, count: u64) {
        self.durable.fetch_max(count, Ordering::AcqRel);
    }

    /// Takes no rows from now on. What is there stays readable.
    pub fn freeze(&self) {
        self.append.lock().frozen = true;
    }

    /// Whether the table is frozen.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.append.lock().frozen
    }

    /// Whether some rows are deletions.
    #[must_use]
    pub fn has_tombstones(&self) -> bool {
        self.append.lock().tombstones
    }

    /// What is visible now, and stays so.
    #[must_use]
    pub fn snapshot(self: &Arc<Self>) -> Snapshot {
        Snapshot::new(Arc::clone(self), self.visible())
    }

    fn visible(&self) -> u32 {
        let durable = self.durable.load(Ordering::Acquire).saturating_sub(self.first_row);
        let indexed = self.indexed.load(Ordering::Acquire);
        u32::try_from(durable).map_or(indexed, |durable| durable.min(indexed))
    }

    /// The position of the first row.
    #[must_use]
    pub fn first_row(&self) -> u64 {
        self.first_row
    }

    /// The position behind the last row.
    #[must_use]
    pub fn end_row(&self) -> u64 {
        self.position(self.store.committed().rows)
    }

    /// The position up to which rows are indexed, exclusive.
    #[must_use]
    pub fn indexed_rows(&self) -> u64 {
        self.position(self.indexed.load(Ordering::Acquire))
    }

    /// The position up to which rows are visible, exclusive.
    #[must_use]
    pub fn visible_rows(&self) -> u64 {
        self.position(self.visible())
    }

    pub(super) fn position(&self, row: u32) -> u64 {
        self.first_row + u64::from(row)
    }

    /// How many rows there are, with superseded ones and deletions.
    #[must_use]
    pub fn num_rows(&self) -> u64 {
        u64::from(self.store.committed().rows)
    }

    /// How many batches there are.
    #[must_use]
    pub fn num_batches(&self) -> u64 {
        u64::from(self.store.committed().batches)
    }

    /// The memory that the table takes, with its indexes: allocations that several batches share once. Never locks out who puts, and is
    /// exact under load (PITFALLS F1).
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let indexes: usize = self.indexes.iter().map(|index| index.memory_bytes()).sum();
        let primary = self.primary.as_ref().map_or(0, PrimaryIndex::memory_bytes);
        (size_of::<Self>() + self.store.memory_bytes() + primary + indexes) as u64
    }

    /// The most memory that the table takes with what it has, also before its indexes are fed.
    #[must_use]
    pub fn bound_bytes(&self) -> u64 {
        self.append.lock().bound
    }

    /// The primary key's index, if there is a primary key.
    #[must_use]
    pub fn primary(&self) -> Option<&PrimaryIndex> {
        self.primary.as_ref()
    }

    /// The secondary index called `name`, if there is one of this name and type.
    #[must_use]
    pub fn secondary<I: Index + 'static>(&self, name: &str) -> Option<&I> {
        let index = self.spec.indexes().iter().position(|(definition, _)| definition.name == name)?;
        self.indexes.get(index)?.as_any().downcast_ref()
    }
}
