//! A generation says what the MemTable said that it was flushed from: under every key, in every row, by every index.

mod generation_support;
mod memtable_support;
mod support;

use std::ops::Bound;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use generation_support::{kind, no_retry, shard};
use memtable_support::*;
use support::{SeededRandom, SimClock, now};
use weir::generation::{DataOptions, Generation, Got, KeyRange, ScanOptions, SecondarySpec, TableInput, encode};
use weir::memtable::key::hash_key;
use weir::memtable::{Limits, Lookup, MemTable, Snapshot};
use weir::store::Store;
use weir::store::memory::MemoryBackend;

/// The frozen table as a generation.
fn flushed(table: &Arc<MemTable>, batch_bytes: usize) -> Arc<Generation> {
    let spec = table.spec();
    let secondary = |(definition, _): &(weir::memtable::index::IndexDefinition, _)| SecondarySpec {
        name: definition.name.clone(),
        columns: vec![definition.column.clone()],
    };
    let input = TableInput {
        generation: table.generation(),
        schema: spec.stored_schema().clone(),
        key: spec.key().map(|key| key.spec().clone()),
        batches: table.snapshot().batches().map(|some| some.batch).collect(),
        secondary: spec.indexes().iter().map(secondary).collect(),
        in_memory_bytes: table.memory_bytes(),
    };
    let store = Store::new("memory://test", Arc::new(MemoryBackend::new(Arc::new(SimClock::new()))));
    let encoded = encode(input, &DataOptions { batch_bytes, ..DataOptions::default() }).unwrap();
    let written = now(encoded.store(&store, &shard(), &support::Sim::new(1).env(), no_retry())).unwrap();
    assert_eq!(written.table.in_memory_bytes, Some(table.memory_bytes()));
    let generation = now(Generation::open(&store, &shard(), &written.table)).unwrap();
    now(generation.verify()).unwrap();
    generation
}

/// The rows of a batch of the stored schema, with whether each is a deletion.
fn rows(batch: &RecordBatch) -> Vec<(String, i32, Option<i64>, bool)> {
    let (names, numbers) = (batch["name"].as_string::<i32>(), batch["number"].as_primitive::<Int32Type>());
    let (values, tombstones) = (batch["value"].as_primitive::<Int64Type>(), batch["_tombstone"].as_boolean());
    let value = |row: usize| (!values.is_null(row)).then(|| values.value(row));
    (0..batch.num_rows()).map(|row| (names.value(row).to_owned(), numbers.value(row), value(row), tombstones.value(row))).collect()
}

/// A table of random puts and deletions in batches of all sizes.
fn filled(seed: u64) -> Arc<MemTable> {
    let random = SeededRandom::new(seed);
    let table = table(&keyed(Limits::default()));
    let name = || ["", "a", "ab", "b\0", "é"][random.below(5) as usize];
    for i in 0..random.below(40) + 1 {
        let rows = random.below(30) + 1;
        if random.chance(300) {
            delete(&table, &(0..rows).map(|_| (name(), random.below(60) as i32)).collect::<Vec<_>>());
        } else {
            let value = |row: u64| (!random.chance(100)).then_some((i * 100 + row) as i64);
            put(&table, &(0..rows).map(|row| record(name(), random.below(60) as i32, value(row))).collect::<Vec<_>>());
        }
    }
    table.freeze();
    table
}

fn newest_rows(snapshot: &Snapshot) -> Vec<(String, i32, Option<i64>, bool)> {
    let newest = |some: weir::memtable::SnapshotBatch| {
        let mask = some.newest;
        rows(&some.batch)
            .into_iter()
            .enumerate()
            .filter(move |(row, _)| mask.as_ref().is_none_or(|mask| mask.value(*row)))
            .map(|(_, row)| row)
    };
    snapshot.batches().flat_map(newest).collect()
}

// PITFALLS I1, I4, I7.
#[test]
fn every_key_has_in_the_generation_what_it_had_in_the_table() {
    for seed in 0..25 {
        let table = filled(seed);
        let snapshot = table.snapshot();
        let generation = flushed(&table, if seed % 2 == 0 { 300 } else { 128 * 1024 });
        assert_eq!((generation.rows(), generation.in_memory_bytes()), (table.num_rows(), table.memory_bytes()));
        for name in ["", "a", "ab", "b", "b\0", "b\0\0", "é", "z"] {
            for number in [-1, 0, 1, 5, 17, 30, 59, 60, i32::MAX] {
                let key = key(table.spec(), name, number);
                match (snapshot.get(&key), now(generation.get(&key, None)).unwrap()) {
                    (Lookup::Missing, Got::Absent) => {}
                    (Lookup::Deleted(row), Got::Deleted) => {
                        let hit = now(generation.find(&key)).unwrap().unwrap();
                        assert_eq!((hit.row, hit.tombstone), (row.position() - table.first_row(), true));
                    }
                    (Lookup::Found(row), Got::Row(read)) => {
                        assert_eq!(rows(&read), [(name.to_owned(), number, value(&row), false)]);
                        assert!(generation.may_contain_hash(&key, hash_key(&key)));
                        assert_eq!(now(generation.find(&key)).unwrap().unwrap().row, row.position() - table.first_row());
                    }
                    (_, got) => panic!("seed {seed}: ({name:?}, {number}) is {got:?} in the generation"),
                }
            }
        }
        let mut scan = generation.scan(ScanOptions { tombstones: true, ..ScanOptions::default() }).unwrap();
        let mut read = Vec::new();
        while let Some(some) = now(scan.next()).unwrap() {
            read.extend(rows(&some.batch));
        }
        assert_eq!(read, newest_rows(&snapshot), "seed {seed}");
    }
}

#[test]
fn ranges_and_indexes_agree() {
    for seed in 0..10 {
        let table = filled(seed);
        let (snapshot, generation) = (table.snapshot(), flushed(&table, 300));
        let (from, to) = (key(table.spec(), "a", 10), key(table.spec(), "b", 0));
        let mut expected: Vec<(Vec<u8>, u64)> = snapshot
            .range((Bound::Included(&from), Bound::Excluded(&to)))
            .map(|row| (row.key().unwrap().to_vec(), row.position() - table.first_row()))
            .collect();
        expected.sort();
        let range = KeyRange { from: Bound::Included(from.clone()), to: Bound::Excluded(to.clone()) };
        let mut cursor = generation.keys(&range).unwrap();
        let mut found = Vec::new();
        while let Some(hit) = now(cursor.advance()).unwrap() {
            found.push((cursor.key().to_vec(), hit.row));
        }
        assert_eq!(found, expected, "seed {seed}");

        let live = newest_rows(&snapshot).into_iter().filter(|(_, _, _, tombstone)| !tombstone);
        let mut values: Vec<Option<i64>> = live.map(|(_, _, value, _)| value).collect();
        values.sort_unstable();
        let mut entries = now(generation.entries("by-value", &KeyRange::default())).unwrap();
        let mut found = Vec::new();
        while let Some(hit) = now(entries.advance()).unwrap() {
            let row = now(generation.take(&[hit.row], None)).unwrap();
            found.push(rows(&row[0])[0].2);
        }
        assert_eq!(found, values, "seed {seed}");
    }
}

#[test]
fn a_table_without_a_key_keeps_every_row() {
    let table = table(&plain(Limits::default()));
    let all: Vec<Record> = (0..500).map(|i| record("same", i % 3, i64::from(i))).collect();
    for some in all.chunks(17) {
        put(&table, some);
    }
    table.freeze();
    let generation = flushed(&table, 1000);
    let mut scan = generation.scan(ScanOptions::default()).unwrap();
    let mut read = Vec::new();
    while let Some(some) = now(scan.next()).unwrap() {
        read.extend(some.batch["value"].as_primitive::<Int64Type>().values().iter().copied());
    }
    assert_eq!(read, (0..500).collect::<Vec<i64>>());
    assert_eq!(generation.schema(), table.spec().stored_schema());
    assert_eq!(kind(generation.keys(&KeyRange::default())), weir::error::ErrorKind::InvalidArgument);
}
