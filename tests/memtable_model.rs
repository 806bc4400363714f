//! Random puts, deletes, partial indexing and durability, rotations and snapshots, compared with a plain list and an ordered map.
//!
//! `WEIR_SEED` runs one seed, `WEIR_SEEDS` so many.

mod memtable_support;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use memtable_support::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use weir::memtable::index::btree::{BTreeQuery, Nulls};
use weir::memtable::{Buffers, Limits, Lookup, MemTable, Prepared, Refusal, Snapshot, TOMBSTONE, TableSpec, Visibility};

/// A row as the model knows it: its encoded key, and its value; nothing for a deletion.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    key: Vec<u8>,
    value: Option<Option<i64>>,
}

/// What the model says of the first `visible` rows of a table.
struct View<'a>(&'a [Known]);

impl View<'_> {
    /// The newest row of each key.
    fn newest(&self) -> BTreeMap<&[u8], usize> {
        self.0.iter().enumerate().map(|(row, known)| (&known.key[..], row)).collect()
    }
}

struct World {
    random: StdRng,
    spec: Arc<TableSpec>,
    keyed: bool,
    visibility: Visibility,
    /// Each table with its rows.
    tables: Vec<(Arc<MemTable>, Vec<Known>)>,
    /// Snapshots with their table and how many of its rows they must show.
    snapshots: Vec<(Snapshot, usize, usize)>,
    durable: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let limits = Limits {
            max_rows: random.random_range(20..400),
            max_batches: random.random_range(3..60),
            max_bytes: if random.random_bool(0.3) { 400_000 } else { 256 << 20 },
        };
        let key: &[&str] = [&["name", "number"][..], &["name"], &["number"], &["number", "name"], &[]][random.random_range(0..5)];
        let names = names(key);
        let spec = TableSpec::new(&schema(), (!key.is_empty()).then_some(&names[..]), &[on_value()], limits).unwrap();
        let visibility = if random.random() { Visibility::Durable } else { Visibility::Indexed };
        let mut world = Self { random, spec, keyed: !key.is_empty(), visibility, tables: vec![], snapshots: vec![], durable: 0 };
        world.rotate();
        world
    }

    fn rotate(&mut self) {
        let first = self.tables.last().map_or(0, |(table, _)| {
            table.freeze();
            table.end_row()
        });
        let generation = self.tables.len() as u64 + 1;
        let table = MemTable::new(Arc::clone(&self.spec), generation, first, self.visibility);
        table.set_durable(self.durable);
        self.tables.push((table, vec![]));
    }

    fn record(&mut self) -> Record {
        let name = ["", "a", "a\0", "ab", "b", "some longer name"][self.random.random_range(0..6)];
        let value = self.random.random_bool(0.8).then(|| self.random.random_range(-5..5));
        record(name, self.random.random_range(-2..3), value)
    }

    /// What the model keeps of rows; equal keys are found with the key's own encoder, whose order is tested elsewhere.
    fn known(&self, batch: &RecordBatch, deleted: bool) -> Vec<Known> {
        let keys = self.spec.key().map(|encoder| encoder.encode(batch).unwrap());
        let values = batch.column_by_name("value").unwrap().as_primitive::<Int64Type>();
        let value = |row| (!deleted).then(|| (!values.is_null(row)).then(|| values.value(row)));
        (0..batch.num_rows()).map(|row| Known { key: keys.as_ref().map_or(vec![], |k| k.key(row).to_vec()), value: value(row) }).collect()
    }

    fn put(&mut self) {
        let rows = self.random.random_range(1..12);
        let records: Vec<_> = (0..rows).map(|_| self.record()).collect();
        let mut batch = batch(&records);
        if self.random.random_bool(0.3) && rows > 1 {
            batch = batch.slice(1, rows - 1);
        }
        let deleted = self.keyed && self.random.random_bool(0.2);
        let known = self.known(&batch, deleted);
        let mut prepared = if deleted {
            self.spec.delete(&batch).unwrap()
        } else {
            let buffers = if self.random.random() { Buffers::Own } else { Buffers::Foreign };
            self.spec.put(&batch, buffers).unwrap()
        };
        if self.random.random_bool(0.2) {
            // As if it had come back from the log.
            prepared = self.spec.replay(&[prepared.batch().clone()]).unwrap().pop().unwrap();
        }
        self.append(prepared, known);
    }

    fn append(&mut self, prepared: Prepared, known: Vec<Known>) {
        let (table, rows) = self.tables.last_mut().unwrap();
        match table.append(prepared) {
            Ok(appended) => {
                let first = table.first_row() + rows.len() as u64;
                assert_eq!(appended.rows, first..first + known.len() as u64);
                rows.extend(known);
                assert!(table.memory_bytes() <= self.spec.limits().max_bytes, "{} bytes", table.memory_bytes());
            }
            Err(refused) => {
                assert_eq!(refused.why, Refusal::Full);
                assert!(!rows.is_empty(), "an empty table takes everything");
                self.rotate();
                self.append(*refused.prepared, known);
            }
        }
    }

    fn step(&mut self) {
        match self.random.random_range(0..10) {
            0..5 => self.put(),
            5..7 => {
                // The newest last, but sometimes long after the others.
                for (table, rows) in &self.tables {
                    if self.random.random_bool(0.8) {
                        assert_eq!(table.index().unwrap(), table.first_row() + rows.len() as u64);
                    }
                }
            }
            7 => {
                let end = self.tables.last().unwrap().0.end_row();
                // Not always at the end of a batch, and now and then going back, which must change nothing.
                let count = self.random.random_range(self.durable.saturating_sub(5)..=end);
                self.durable = self.durable.max(count);
                self.tables.iter().for_each(|(table, _)| table.set_durable(count));
            }
            8 => self.take(),
            _ if self.random.random_bool(0.1) => self.rotate(),
            _ => self.check_one(),
        }
    }

    /// Takes a snapshot, which must show what is indexed and durable.
    fn take(&mut self) {
        let number = self.random.random_range(0..self.tables.len());
        let table = &self.tables[number].0;
        let snapshot = table.snapshot();
        let durable = match self.visibility {
            Visibility::Indexed => u64::MAX,
            Visibility::Durable => self.durable,
        };
        let end = table.indexed_rows().min(durable).max(table.first_row());
        assert_eq!(snapshot.end_row(), end);
        let visible = (end - table.first_row()) as usize;
        self.snapshots.push((snapshot, number, visible));
        if self.snapshots.len() > 6 {
            self.snapshots.swap_remove(self.random.random_range(0..6));
        }
        self.check(self.snapshots.len() - 1);
    }

    fn check_one(&mut self) {
        if !self.snapshots.is_empty() {
            let number = self.random.random_range(0..self.snapshots.len());
            self.check(number);
        }
    }

    fn check(&self, number: usize) {
        let (snapshot, table, visible) = &self.snapshots[number];
        let (table, rows) = &self.tables[*table];
        let view = View(&rows[..*visible]);
        let newest = view.newest();
        let is_newest = |row: usize| !self.keyed || newest.get(&view.0[row].key[..]) == Some(&row);
        let position = |row: usize| table.first_row() + row as u64;
        assert_eq!(snapshot.num_rows(), *visible as u64);

        // Gets, also of keys that are not there, or not yet.
        for known in rows {
            let got = match snapshot.get(&known.key) {
                Lookup::Missing => None,
                Lookup::Deleted(row) => Some((row.position(), None)),
                Lookup::Found(row) => Some((row.position(), Some(value(&row)))),
            };
            let want = newest.get(&known.key[..]).filter(|_| self.keyed).map(|row| (position(*row), view.0[*row].value));
            assert_eq!(got, want);
        }
        if let Some(known) = view.0.first().filter(|_| self.keyed) {
            let got: Vec<_> = snapshot.versions(&known.key).map(|row| row.position()).collect();
            let want = (0..*visible).rev().filter(|row| view.0[*row].key == known.key).map(position);
            assert_eq!(got, want.collect::<Vec<_>>());
        }

        // All rows, and which of them count.
        let mut row = 0;
        for batch in snapshot.batches() {
            assert_eq!(batch.first_row, position(row));
            let values = batch.batch.column_by_name("value").unwrap().as_primitive::<Int64Type>();
            let tombstones = batch.batch.column_by_name(TOMBSTONE).map(|column| column.as_boolean());
            for index in 0..batch.batch.num_rows() {
                let deleted = tombstones.is_some_and(|tombstones| tombstones.value(index));
                let got = (!deleted).then(|| (!values.is_null(index)).then(|| values.value(index)));
                assert_eq!(got, view.0[row].value);
                let mask = batch.newest.as_ref().is_none_or(|mask| mask.value(index));
                assert_eq!(mask, is_newest(row));
                assert_eq!(snapshot.is_newest(position(row)), mask);
                assert_eq!(snapshot.row(position(row)).unwrap().is_tombstone(), deleted);
                row += 1;
            }
        }
        assert_eq!(row, *visible);
        assert!(!snapshot.is_newest(position(row)) && snapshot.row(position(row)).is_none());

        self.check_range(snapshot, &view, &is_newest);
        self.check_search(snapshot, &view, &is_newest);
    }

    fn check_range(&self, snapshot: &Snapshot, view: &View<'_>, is_newest: &impl Fn(usize) -> bool) {
        let [Some(a), Some(b)] = [view.0.first(), view.0.last()] else { return };
        let range = (Bound::Excluded(&a.key[..]), Bound::Included(&b.key[..]));
        let got: Vec<_> = snapshot.range(range).map(|row| (row.position() - snapshot.table().first_row()) as usize).collect();
        let within = |row: &usize| self.keyed && view.0[*row].key > a.key && view.0[*row].key <= b.key && is_newest(*row);
        assert_eq!(got, (0..view.0.len()).filter(within).collect::<Vec<_>>());
    }

    fn check_search(&self, snapshot: &Snapshot, view: &View<'_>, is_newest: &impl Fn(usize) -> bool) {
        let one = |value: i64| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
        let from = view.0.len() as i64 % 8 - 4;
        for (nulls, descending) in [(Nulls::First, false), (Nulls::Last, true), (Nulls::Only, false), (Nulls::Exclude, true)] {
            let query = BTreeQuery { lower: Bound::Included(one(from)), upper: Bound::Excluded(one(from + 3)), nulls, descending };
            let got: Vec<_> =
                snapshot.search("by-value", &query).unwrap().map(|row| row.position() - snapshot.table().first_row()).collect();
            // Values with their rows, nulls by themselves; deletions are neither.
            let live = (0..view.0.len()).filter(|row| is_newest(*row)).filter_map(|row| Some((view.0[row].value?, row as u64)));
            let (mut values, mut empty): (Vec<_>, Vec<_>) = live.partition(|(value, _)| value.is_some());
            values.retain(|(value, _)| value.is_some_and(|value| value >= from && value < from + 3));
            values.sort_unstable();
            if descending {
                values.reverse();
                empty.reverse();
            }
            let want: Vec<_> = match nulls {
                Nulls::First => empty.into_iter().chain(values).collect(),
                Nulls::Last => values.into_iter().chain(empty).collect(),
                Nulls::Only => empty,
                Nulls::Exclude => values,
            };
            assert_eq!(got, want.into_iter().map(|(_, row)| row).collect::<Vec<_>>(), "{query:?}");
        }
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..150 {
        world.step();
    }
    // In the end, everything is there.
    let durable = world.tables.last().unwrap().0.end_row();
    world.durable = durable;
    for number in 0..world.tables.len() {
        let (table, rows) = &world.tables[number];
        table.index().unwrap();
        table.set_durable(durable);
        let (snapshot, visible) = (table.snapshot(), rows.len());
        world.snapshots.push((snapshot, number, visible));
    }
    (0..world.snapshots.len()).for_each(|number| world.check(number));
}

#[test]
fn tables_agree_with_a_plain_model() {
    if let Ok(seed) = std::env::var("WEIR_SEED") {
        return run(seed.parse().expect("WEIR_SEED is a number"));
    }
    let seeds = std::env::var("WEIR_SEEDS").map_or(300, |seeds| seeds.parse().expect("WEIR_SEEDS is a number"));
    for seed in 0..seeds {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("failed with WEIR_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
