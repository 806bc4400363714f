//! The tables of a writer in MemTable mode, under its lock: the one that is filled, those that are frozen and wait to be flushed, and the
//! generations that they became.
//!
//! Guarantees: every row is in a table or in a published generation at any moment, as a reader sees it (PITFALLS G3); a generation's rows
//! are in consecutive entries of the log that hold no others', and `covers` is the last one's position (PITFALLS C4); sums are
//! derived from what is there (PITFALLS F2).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::stats::MemTableStats;
use super::waiter::Waiter;
use crate::error::{Error, Result, err};
use crate::generation::Written;
use crate::memory::Share;
use crate::memtable::{MemTable, Prepared, TableSpec, Visibility};
use crate::scan::replay::ReplayedTable;
use crate::scan::{GenerationHandle, GenerationList, View};
use crate::shard::manifest::SsTable;

/// A table, and how far the log has its rows.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub table: Arc<MemTable>,
    /// The memory that it takes, as its rows were admitted; 0 if it has none.
    pub bytes: u64,
    /// The last put whose rows it has; 0: none of this writer's.
    pub last_sequence: u64,
    /// The position of its newest entry; 0: none.
    pub covers: u64,
    /// The manifest's current generation when it is its turn to be published.
    pub turn: u64,
    /// What it was stored as, to be published.
    pub stored: Option<Written>,
}

impl Slot {
    fn new(table: Arc<MemTable>) -> Self {
        Self { turn: table.generation(), table, bytes: 0, last_sequence: 0, covers: 0, stored: None }
    }

    pub fn replayed(replayed: ReplayedTable) -> Self {
        let ReplayedTable { table, covers, turn } = replayed;
        Self { bytes: table.bound_bytes(), table, last_sequence: 0, covers, turn, stored: None }
    }
}

/// A table that was flushed and stays in memory for a while.
struct Kept {
    table: Arc<MemTable>,
    generation: Arc<GenerationHandle>,
    until: Duration,
}

/// Where the rows of a put are.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub table: Arc<MemTable>,
    /// The position behind its last row.
    pub end_row: u64,
}

/// Tables that came back at the opening, until they are indexed.
#[derive(Debug)]
pub(super) struct Replayed {
    /// Read without the lock, since every view asks.
    done: AtomicBool,
    tables: Mutex<Vec<Arc<MemTable>>>,
}

impl Replayed {
    pub fn new(tables: Vec<Arc<MemTable>>) -> Self {
        Self { done: tables.is_empty().into(), tables: Mutex::new(tables) }
    }

    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// Has `index` done for each, once; returns when that is over, whoever does it.
    pub fn each(&self, index: impl Fn(&MemTable) -> Result<()>) -> Result<()> {
        if self.is_done() {
            return Ok(());
        }
        let mut tables = self.tables.lock();
        while let Some(table) = tables.last() {
            index(table)?;
            tables.pop();
        }
        self.done.store(true, Ordering::Release);
        Ok(())
    }
}

/// What tables have done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TableCounts {
    pub flushes: u64,
    pub flush_failures: u64,
    pub flushed_rows: u64,
    pub flushed_bytes: u64,
    pub compactions: u64,
    pub compaction_failures: u64,
    pub compacted: u64,
    pub replayed_entries: u64,
    pub replayed_rows: u64,
}

/// See the module's documentation.
pub(super) struct Tables {
    spec: Arc<TableSpec>,
    visibility: Visibility,
    active: Slot,
    frozen: VecDeque<Slot>,
    kept: VecDeque<Kept>,
    generations: Arc<GenerationList>,
    /// The newest generation that is published; 0: none.
    pub published: u64,
    /// A task flushes.
    pub flushing: bool,
    /// A task merges generations.
    pub compacting: bool,
    /// Why the flush under way failed the last time.
    pub failure: Option<Error>,
    /// Who waits for a generation to be published.
    pub waiters: BTreeMap<(u64, u64), Waiter>,
    pub counts: TableCounts,
    /// The memory, as the session counts it.
    share: Option<Share>,
}

/// What is in the tables now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Holdings {
    pub active_bytes: u64,
    pub frozen_bytes: u64,
    pub kept_bytes: u64,
}

impl Tables {
    pub fn new(
        spec: Arc<TableSpec>,
        visibility: Visibility,
        active: Slot,
        frozen: VecDeque<Slot>,
        generations: Arc<GenerationList>,
        share: Option<Share>,
    ) -> Self {
        let first = frozen.front().unwrap_or(&active).turn;
        let mut tables = Self {
            spec,
            visibility,
            active,
            frozen,
            kept: VecDeque::new(),
            generations,
            published: first - 1,
            flushing: false,
            compacting: false,
            failure: None,
            waiters: BTreeMap::new(),
            counts: TableCounts::default(),
            share,
        };
        tables.account();
        tables
    }

    pub fn empty(spec: &Arc<TableSpec>, generation: u64, first_row: u64, visibility: Visibility) -> Slot {
        Slot::new(MemTable::new(Arc::clone(spec), generation, first_row, visibility))
    }

    /// Has the session count what is there.
    fn account(&mut self) {
        let holdings = self.holdings();
        if let Some(share) = &mut self.share {
            share.hold(holdings.active_bytes + holdings.frozen_bytes + holdings.kept_bytes);
        }
    }

    /// What is visible now. The newest table is looked at first: rows become visible in order, so what is seen is always a beginning of
    /// all that was put (PITFALLS I8).
    pub fn view(&self) -> View {
        let unflushed = std::iter::once(&self.active).chain(self.frozen.iter().rev()).map(|slot| &slot.table);
        let tables = unflushed.chain(self.kept.iter().rev().map(|kept| &kept.table)).map(MemTable::snapshot).collect();
        View::new(Arc::clone(&self.spec), tables, Arc::clone(&self.generations))
    }

    /// The tables that are not flushed, the oldest first.
    pub fn unflushed(&self) -> impl Iterator<Item = &Arc<MemTable>> {
        self.frozen.iter().chain([&self.active]).map(|slot| &slot.table)
    }

    /// Frozen tables whose rows are not all indexed, the oldest first.
    pub fn unindexed(&self) -> impl Iterator<Item = Arc<MemTable>> {
        let frozen = self.frozen.iter().map(|slot| &slot.table);
        frozen.filter(|table| table.indexed_rows() < table.end_row()).cloned()
    }

    pub fn active(&self) -> &Slot {
        &self.active
    }

    pub fn frozen(&self) -> &VecDeque<Slot> {
        &self.frozen
    }

    pub fn generations(&self) -> &Arc<GenerationList> {
        &self.generations
    }

    pub fn unflushed_bytes(&self) -> u64 {
        self.active.bytes + self.frozen.iter().map(|slot| slot.bytes).sum::<u64>()
    }

    pub fn holdings(&self) -> Holdings {
        Holdings {
            active_bytes: self.active.bytes,
            frozen_bytes: self.frozen.iter().map(|slot| slot.bytes).sum(),
            kept_bytes: self.kept.iter().map(|kept| kept.table.memory_bytes()).sum(),
        }
    }

    /// Takes in the rows of put `sequence`, in a new table if they do not fit into the one that is filled.
    pub fn append(&mut self, prepared: Prepared, sequence: u64) -> Result<Place> {
        let (mut prepared, mut tries) = (prepared, 0);
        loop {
            let begun = if self.active.bytes == 0 { self.spec.empty_bytes() } else { 0 };
            let bytes = begun + prepared.bytes();
            match self.active.table.append(prepared) {
                Ok(appended) => {
                    self.active.bytes += bytes;
                    self.active.last_sequence = sequence;
                    if let Some(share) = &mut self.share {
                        share.take(bytes);
                    }
                    let place = Place { table: Arc::clone(&self.active.table), end_row: appended.rows.end };
                    if appended.full {
                        self.freeze();
                    }
                    return Ok(place);
                }
                Err(refused) if tries == 0 => {
                    prepared = *refused.prepared;
                    tries += 1;
                    self.freeze();
                }
                Err(refused) => return Err(err!(Internal, "an empty table took no rows: {:?}", refused.why)),
            }
        }
    }

    /// Freezes the table that is filled, if it has rows, and begins a new one. The newest generation that is frozen or published then.
    pub fn freeze(&mut self) -> u64 {
        let table = &self.active.table;
        if table.num_rows() > 0 {
            table.freeze();
            let next = Self::empty(&self.spec, table.generation() + 1, table.end_row(), self.visibility);
            self.frozen.push_back(std::mem::replace(&mut self.active, next));
        }
        self.newest_frozen()
    }

    /// The newest generation that is frozen or published; 0: none.
    pub fn newest_frozen(&self) -> u64 {
        self.frozen.back().map_or(self.published, |slot| slot.table.generation())
    }

    /// The first `rows` rows of the writer are durable, and the entry at `position` has some of `generation`'s.
    pub fn set_durable(&mut self, generation: u64, position: u64, rows: u64) {
        for slot in self.frozen.iter_mut().chain([&mut self.active]) {
            slot.table.set_durable(rows);
            if slot.table.generation() == generation {
                slot.covers = position;
            }
        }
    }

    /// The oldest frozen table, if the log has all of it where `durable` puts are durable.
    pub fn flushable(&self, durable: u64) -> Option<&Slot> {
        self.frozen.front().filter(|slot| slot.last_sequence <= durable)
    }

    /// What the oldest frozen table was stored as.
    pub fn stored(&self) -> Option<Written> {
        self.frozen.front().and_then(|slot| slot.stored.clone())
    }

    pub fn set_stored(&mut self, written: Option<Written>) {
        if let Some(slot) = self.frozen.front_mut() {
            slot.stored = written;
        }
    }

    /// The oldest frozen table is published as `generation`; it stays in memory until `until`, if that is given.
    /// Also returns who waited for it, and the table, which is not to be dropped under the lock.
    pub fn publish(&mut self, generation: Arc<GenerationHandle>, until: Option<Duration>) -> (Vec<Waiter>, Option<Arc<MemTable>>) {
        let Some(slot) = self.frozen.pop_front() else { return (Vec::new(), None) };
        let table = Arc::clone(&slot.table);
        self.published = slot.table.generation();
        self.failure = None;
        self.counts.flushes += 1;
        self.counts.flushed_rows += slot.table.num_rows();
        match until {
            Some(until) => self.kept.push_back(Kept { table: slot.table, generation, until }),
            None => self.generations = Arc::new(self.generations.pushed(generation)),
        }
        self.account();
        let later = self.waiters.split_off(&(self.published + 1, 0));
        (std::mem::replace(&mut self.waiters, later).into_values().collect(), Some(table))
    }

    /// Lets go of the tables that were to stay in memory until `now`.
    pub fn expire(&mut self, now: Duration) {
        while self.kept.front().is_some_and(|kept| kept.until <= now)
            && let Some(kept) = self.kept.pop_front()
        {
            self.generations = Arc::new(self.generations.pushed(kept.generation));
        }
        self.account();
    }

    /// `inputs` became `output`.
    pub fn replace(&mut self, inputs: &[SsTable], output: Option<Arc<GenerationHandle>>) {
        let paths: Vec<&str> = inputs.iter().map(|table| table.path.as_str()).collect();
        self.generations = Arc::new(self.generations.replaced(&paths, output));
        self.counts.compactions += 1;
        self.counts.compacted += inputs.len() as u64;
    }

    /// Why tables are not flushed, to be added to what it keeps from happening; empty, unless that fails.
    pub fn failing(&self) -> String {
        self.failure.as_ref().map_or(String::new(), |error| format!("; flushing fails: {error}"))
    }

    pub fn stats(&self) -> MemTableStats {
        let (active, counts) = (&self.active.table, &self.counts);
        let Holdings { frozen_bytes, kept_bytes, .. } = self.holdings();
        MemTableStats {
            active_generation: active.generation(),
            active_rows: active.num_rows(),
            active_batches: active.num_batches(),
            active_bytes: active.memory_bytes(),
            frozen_tables: self.frozen.len() as u64,
            frozen_rows: self.frozen.iter().map(|slot| slot.table.num_rows()).sum(),
            frozen_bytes,
            kept_bytes,
            published_generation: self.published,
            generations: (self.generations.len() + self.kept.len()) as u64,
            flushes: counts.flushes,
            flush_failures: counts.flush_failures,
            flushed_rows: counts.flushed_rows,
            flushed_bytes: counts.flushed_bytes,
            compactions: counts.compactions,
            compaction_failures: counts.compaction_failures,
            compacted_generations: counts.compacted,
            replayed_entries: counts.replayed_entries,
            replayed_rows: counts.replayed_rows,
        }
    }

    /// Everybody who waits for a generation.
    pub fn drain(&mut self) -> impl Iterator<Item = Waiter> + use<> {
        std::mem::take(&mut self.waiters).into_values()
    }
}
