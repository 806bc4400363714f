//! Writers of all kinds die at any point, one after the other; every replay finds each row once (PITFALLS C2, C3, C4, G1).
//!
//! The log is real, the manifest is a cursor and a number, and what a generation has is a list of rows. A writer claims, replays with limits of
//! its own, publishes some of what it has, in order, while it replays and afterwards, logs, and dies anywhere.

mod log_support;
mod support;

use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::sync::Arc;

use log_support::*;
use support::seeds::number;
use support::{SeededRandom, now};
use weir::error::{Error, ErrorKind, Result};
use weir::generation::publish::publish_in_turn;
use weir::generation::{DataOptions, Generation, ScanOptions, TableInput, encode};
use weir::memtable::{Buffers, Limits, MemTable, TableSpec, Visibility};
use weir::scan::replay::{ReplayRange, ReplayedTable, replay};
use weir::shard::manifest::SsTable;
use weir::store::Store;
use weir::wal::entry::{EntryId, sentinel};
use weir::wal::{TailerOptions, WalTailer};

/// An entry of the log, as the model knows it.
#[derive(Debug, Clone)]
struct Logged {
    generation: Option<u64>,
    rows: Vec<i64>,
    published: bool,
}

struct Shard {
    world: World,
    store: Store,
    random: SeededRandom,
    log: Vec<Logged>,
    epoch: u64,
    cursor: u64,
    current_generation: u64,
    next_row: i64,
    /// How often rules that matter were at work, so that the test knows that it tests something.
    passed_over: u64,
    skipped: u64,
    crowded: u64,
}

fn spec(max_rows: u64) -> Arc<TableSpec> {
    TableSpec::new(&schema(), None, &[], Limits { max_rows, ..Limits::default() }).unwrap()
}

fn table_ids(table: &Arc<MemTable>) -> Vec<i64> {
    ids(&table.snapshot().batches().map(|some| some.batch).collect::<Vec<_>>())
}

fn died() -> Error {
    Error::new(ErrorKind::Cancelled, "the process died")
}

impl Shard {
    fn new(seed: u64) -> Self {
        let world = World::blocking();
        Self {
            store: world.truth(),
            world,
            random: SeededRandom::new(seed),
            log: Vec::new(),
            epoch: 0,
            cursor: 0,
            current_generation: 1,
            next_row: 0,
            passed_over: 0,
            skipped: 0,
            crowded: 0,
        }
    }

    fn append(&mut self, generation: Option<u64>) -> u64 {
        let rows = self.next_row..self.next_row + 1 + self.random.below(4) as i64;
        self.next_row = rows.end;
        let position = self.log.len() as u64 + 1;
        self.world.plant_entry(position, &foreign(self.epoch, generation, rows.clone()));
        self.log.push(Logged { generation, rows: rows.collect(), published: false });
        position
    }

    fn claim(&mut self) -> u64 {
        self.epoch += 1;
        let position = self.log.len() as u64 + 1;
        self.world.plant_entry(position, &sentinel(self.epoch, EntryId([1; 16])).unwrap());
        self.log.push(Logged { generation: None, rows: Vec::new(), published: false });
        position
    }

    /// The manifest's commit, with what it demands, and with what must hold ever after.
    fn publish(&mut self, table: &ReplayedTable) {
        assert_eq!(self.current_generation, table.turn, "out of turn");
        assert!(table.table.generation() >= table.turn && table.covers >= self.cursor);
        let rows = table_ids(&table.table);
        let of_it: Vec<usize> = (0..self.log.len()).filter(|at| self.log[*at].rows.iter().any(|row| rows.contains(row))).collect();
        assert_eq!(of_it.iter().flat_map(|at| self.log[*at].rows.clone()).collect::<Vec<_>>(), rows, "rows lost, doubled or torn apart");
        for at in &of_it {
            assert!(!std::mem::replace(&mut self.log[*at].published, true), "entry {} is published twice", at + 1);
        }
        assert_eq!(of_it.last().map(|at| *at as u64 + 1), Some(table.covers));
        self.cursor = table.covers;
        self.passed_over += u64::from(table.table.generation() > table.turn);
        // As Lance may have it: the cursor trails by entries that record the generation.
        let recorded = |shard: &Self, position: u64| shard.log[position as usize - 1].generation == Some(table.table.generation());
        while self.random.chance(200) && self.cursor > 0 && recorded(self, self.cursor) {
            self.cursor -= 1;
        }
        self.current_generation = table.table.generation() + 1;
        for (at, entry) in self.log.iter().enumerate().skip(self.cursor as usize) {
            let below = entry.generation.is_some_and(|generation| generation < self.current_generation);
            assert_eq!(below, entry.published, "entry {} and what is published up to {}", at + 1, self.current_generation);
        }
    }

    /// What is in no generation, in order.
    fn unpublished(&self, before: u64) -> Vec<i64> {
        let entries = self.log.iter().take(before as usize - 1).filter(|entry| !entry.published);
        entries.flat_map(|entry| entry.rows.clone()).collect()
    }

    fn tailer(&self) -> WalTailer {
        WalTailer::open(self.store.clone(), shard(), TailerOptions::default(), self.world.sim.env()).unwrap()
    }

    /// Who only reads sees the same.
    fn check_reader(&self) {
        let spec = spec(1 + self.random.below(30));
        let range = ReplayRange { after: self.cursor, end: None, epoch: None, current_generation: self.current_generation };
        let mut tables = Vec::new();
        let replayed = now(replay(&self.tailer(), &spec, Visibility::Durable, range, |table| {
            tables.push(table);
            ready(Ok(()))
        }));
        let replayed = replayed.unwrap();
        tables.extend(replayed.last);
        let rows: Vec<i64> = tables.iter().flat_map(|one| table_ids(&one.table)).collect();
        assert_eq!(rows, self.unpublished(self.log.len() as u64 + 1));
        let generations: Vec<u64> = tables.iter().map(|one| one.table.generation()).collect();
        assert!(generations.is_sorted_by(|a, b| a < b) && generations.iter().all(|one| *one >= self.current_generation));
    }

    fn wal_only_writer(&mut self) {
        self.claim();
        for _ in 0..self.random.below(12) {
            self.append(None);
        }
    }

    /// A writer with tables of `max_rows`, from its claim to its death.
    fn memtable_writer(&mut self, max_rows: u64) {
        let end = self.claim();
        let expected = self.unpublished(end);
        let range =
            ReplayRange { after: self.cursor, end: Some(end), epoch: Some(self.epoch), current_generation: self.current_generation };
        let (tailer, spec) = (self.tailer(), spec(max_rows));
        let (mut frozen, mut seen) = (VecDeque::<ReplayedTable>::new(), Vec::new());
        let replayed = now(replay(&tailer, &spec, Visibility::Durable, range, |table: ReplayedTable| -> Ready<Result<()>> {
            seen.extend(table_ids(&table.table));
            assert!(expected.starts_with(&seen));
            frozen.push_back(table);
            while self.random.chance(400) {
                let Some(first) = frozen.pop_front() else { break };
                self.publish(&first);
            }
            ready(if self.random.chance(60) { Err(died()) } else { Ok(()) })
        }));
        let replayed = match replayed {
            Ok(replayed) => replayed,
            Err(error) => return assert_eq!(error.message(), died().message()),
        };
        seen.extend(replayed.last.iter().flat_map(|last| table_ids(&last.table)));
        assert_eq!(seen, expected, "replayed from {range:?} with at most {max_rows} rows");
        self.skipped += replayed.skipped;
        let turn = replayed.next_generation;
        let new = |turn, first_row| ReplayedTable {
            table: MemTable::new(Arc::clone(&spec), turn, first_row, Visibility::Indexed),
            covers: 0,
            turn,
        };
        let mut active = replayed.last.unwrap_or_else(|| new(turn, replayed.next_row));
        self.crowded += u64::from(active.table.num_rows() > max_rows + 4);
        for _ in 0..self.random.below(25) {
            match self.random.below(10) {
                // Freezes, also by itself.
                0 | 1 if active.table.num_rows() > 0 => {
                    active.table.freeze();
                    let next = new(active.table.generation() + 1, active.table.end_row());
                    frozen.push_back(std::mem::replace(&mut active, next));
                }
                2 | 3 => {
                    if let Some(first) = frozen.pop_front() {
                        self.publish(&first);
                    }
                }
                _ => {
                    let first = self.next_row;
                    let position = self.append(Some(active.table.generation()));
                    let put = spec.replay(&[batch(first..self.next_row)]).unwrap().remove(0);
                    active.table.append_logged(put).unwrap();
                    active.table.index().unwrap();
                    active.table.set_durable(active.table.end_row());
                    active.covers = position;
                }
            }
        }
    }
}

fn run(seed: u64) -> Shard {
    let mut shard = Shard::new(seed);
    for _ in 0..12 {
        match shard.random.below(3) {
            0 => shard.wal_only_writer(),
            1 => shard.memtable_writer(3 + shard.random.below(6)),
            _ => shard.memtable_writer(3 + shard.random.below(60)),
        }
        shard.check_reader();
    }
    // Once more, with room for all.
    let end = shard.claim();
    let range = ReplayRange { after: shard.cursor, end: Some(end), epoch: Some(shard.epoch), current_generation: shard.current_generation };
    let mut rows = Vec::new();
    let replayed = now(replay(&shard.tailer(), &spec(1000), Visibility::Durable, range, |table: ReplayedTable| {
        rows.extend(table_ids(&table.table));
        ready(Ok(()))
    }));
    rows.extend(replayed.unwrap().last.iter().flat_map(|last| table_ids(&last.table)));
    assert_eq!(rows, shard.unpublished(end));
    shard
}

#[test]
fn rows_are_neither_lost_nor_doubled_wherever_writers_die() {
    let (mut passed_over, mut skipped, mut crowded) = (0, 0, 0);
    let seeds = number("WEIR_SEEDS").unwrap_or(200);
    for seed in 0..seeds {
        let shard = std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|panic| {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic)
        });
        passed_over += shard.passed_over;
        skipped += shard.skipped;
        crowded += shard.crowded;
    }
    assert!(passed_over > 0 && skipped > 0 && crowded > 0, "{passed_over} {skipped} {crowded}");
}

/// PITFALLS G1, G2: the same with generations that are really written and published, after a failure at each step of a flush.
#[test]
fn a_replay_after_a_flush_that_failed_anywhere_gives_the_rest() {
    for step in 0..4 {
        for generations in [[None, None, Some(3), Some(3)], [Some(1), Some(1), Some(2), Some(4)], [None; 4]] {
            let world = World::blocking();
            let store = world.truth();
            let manifests = world.manifests();
            let epoch = now(manifests.claim(0)).unwrap().writer_epoch;
            for (position, generation) in (1..).zip(generations) {
                world.plant_entry(position, &foreign(epoch, generation, position as i64 * 10..position as i64 * 10 + 2));
            }
            let spec = spec(4);
            let range = ReplayRange { after: 0, end: Some(5), epoch: Some(epoch), current_generation: 1 };
            let tailer = || WalTailer::open(store.clone(), shard(), TailerOptions::default(), world.sim.env()).unwrap();
            let mut tables = Vec::new();
            let replayed = now(replay(&tailer(), &spec, Visibility::Durable, range, |table| {
                tables.push(table);
                ready(Ok(()))
            }))
            .unwrap();
            tables.extend(replayed.last);
            assert!(tables.len() > 1);
            // Dies: with the first table's objects missing, or written and not published, or published, or with all published.
            for one in tables.iter().take(if step == 3 { tables.len() } else { usize::from(step > 0) }) {
                let input = TableInput {
                    generation: one.table.generation(),
                    schema: spec.stored_schema().clone(),
                    key: None,
                    batches: one.table.snapshot().batches().map(|some| some.batch).collect(),
                    secondary: Vec::new(),
                    in_memory_bytes: one.table.memory_bytes(),
                };
                let written = encode(input, &DataOptions::default()).unwrap();
                let written = now(written.store(&store, &shard(), &world.sim.env(), AT_ONCE)).unwrap();
                if step > 1 {
                    let publish = || now(publish_in_turn(&store, &shard(), &manifests, epoch, &written, one.covers, one.turn));
                    publish().unwrap();
                    // The answer was lost: again.
                    publish().unwrap();
                }
            }
            let manifest = world.manifest();
            let mut rows: Vec<i64> = manifest.sstables.iter().flat_map(|table| generation_ids(&store, table)).collect();
            let range =
                ReplayRange { after: manifest.replay_after_wal_entry_position, current_generation: manifest.current_generation, ..range };
            let replayed = now(replay(&tailer(), &spec, Visibility::Durable, range, |table: ReplayedTable| {
                rows.extend(table_ids(&table.table));
                ready(Ok(()))
            }));
            rows.extend(replayed.unwrap().last.iter().flat_map(|last| table_ids(&last.table)));
            assert_eq!(rows, [10, 11, 20, 21, 30, 31, 40, 41], "{generations:?}, step {step}");
        }
    }
}

/// PITFALLS G1: a number that is passed over is no excuse for publishing out of turn.
#[test]
fn a_later_generation_is_not_published_before_its_turn() {
    let world = World::blocking();
    let (store, manifests) = (world.truth(), world.manifests());
    let epoch = now(manifests.claim(0)).unwrap().writer_epoch;
    let write = |generation: u64| {
        let batches = vec![batch(0..3)];
        let input = TableInput { generation, schema: schema(), key: None, batches, secondary: Vec::new(), in_memory_bytes: 1 };
        now(encode(input, &DataOptions::default()).unwrap().store(&store, &shard(), &world.sim.env(), AT_ONCE)).unwrap()
    };
    let (first, third) = (write(1), write(3));
    let publish = |written, covers, turn| now(publish_in_turn(&store, &shard(), &manifests, epoch, written, covers, turn));
    assert_eq!(kind(publish(&third, 9, 2)), ErrorKind::Conflict);
    assert_eq!(kind(publish(&third, 9, 4)), ErrorKind::InvalidArgument);
    assert_eq!(publish(&first, 4, 1).unwrap().current_generation, 2);
    let manifest = publish(&third, 9, 2).unwrap();
    assert_eq!((manifest.current_generation, manifest.replay_after_wal_entry_position), (4, 9));
    let numbers: Vec<u64> = manifest.sstables.iter().map(|table| table.generation).collect();
    assert_eq!(numbers, [1, 3]);
}

fn generation_ids(store: &Store, table: &SsTable) -> Vec<i64> {
    let generation = now(Generation::open(store, &shard(), table)).unwrap();
    let mut scan = generation.scan(ScanOptions::default()).unwrap();
    let mut rows = Vec::new();
    while let Some(some) = now(scan.next()).unwrap() {
        rows.extend(ids(&[some.batch]));
    }
    rows
}

/// What is put after a replay is prepared and numbered as any other row.
#[test]
fn rows_go_on_being_numbered_behind_those_replayed() {
    let world = World::blocking();
    (1..=5).for_each(|position| world.plant_entry(position, &foreign(1, None, position as i64..position as i64 + 1)));
    let tailer = WalTailer::open(world.truth(), shard(), TailerOptions::default(), world.sim.env()).unwrap();
    let range = ReplayRange { after: 0, end: Some(6), epoch: Some(2), current_generation: 1 };
    let spec = spec(2);
    let replayed = now(replay(&tailer, &spec, Visibility::Durable, range, |_| ready(Ok(())))).unwrap();
    let table = replayed.last.unwrap().table;
    assert_eq!((table.first_row(), table.end_row(), replayed.next_row), (4, 5, 5));
    let put = spec.put(&batch(7..8), Buffers::Own).unwrap();
    assert_eq!(table.insert(put).unwrap().unwrap().rows, 5..6);
}
