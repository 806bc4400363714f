//! One writer and readers without locks; several writers that take turns; feeding beside appending.

mod memtable_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use memtable_support::on_value;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use weir::memtable::index::btree::BTreeQuery;
use weir::memtable::{Buffers, Limits, Lookup, MemTable, Snapshot, TableSpec, Visibility};

/// How many keys there are. Each comes back after as many rows.
const KEYS: u64 = 5003;
const STEP: u64 = 1009;
const ROWS: u64 = 60_000;

/// The key of the row at a position: all keys take turns, in an order that is not theirs.
fn key_of(position: u64) -> i64 {
    (position * STEP % KEYS) as i64
}

fn spec() -> Arc<TableSpec> {
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("value", DataType::Int64, false)]);
    TableSpec::new(&schema, Some(&["id".into()]), &[on_value()], Limits::default()).unwrap()
}

fn batch(positions: std::ops::Range<u64>) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(positions.clone().map(key_of)));
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(positions.map(|position| position as i64)));
    RecordBatch::try_from_iter([("id", ids), ("value", values)]).unwrap()
}

fn encoded(id: i64) -> [u8; 8] {
    (id ^ i64::MIN).to_be_bytes()
}

/// Checks some of what a snapshot must show, which its number of rows alone decides.
fn check(snapshot: &Snapshot, random: &mut StdRng) {
    let visible = snapshot.num_rows();
    for _ in 0..20 {
        let id = random.random_range(0..KEYS as i64 + 10);
        // The last position before `visible` with this key: one of the last `KEYS`, of which each has another key.
        let newest = (visible.saturating_sub(KEYS)..visible).rev().find(|position| key_of(*position) == id);
        match (snapshot.get(&encoded(id)), newest) {
            (Lookup::Found(row), Some(position)) => {
                assert_eq!(row.position(), position, "key {id} of {visible} rows");
                let column = |n: usize| row.batch().column(n).as_primitive::<Int64Type>().value(row.index());
                assert_eq!((column(0), column(1)), (id, position as i64));
            }
            (Lookup::Missing, None) => {}
            (got, want) => panic!("key {id} of {visible} rows: {got:?} instead of {want:?}"),
        }
    }
    if visible == 0 {
        return;
    }
    for _ in 0..20 {
        let position = random.random_range(0..visible);
        assert_eq!(snapshot.is_newest(position), position + KEYS >= visible, "row {position} of {visible}");
        let value: ArrayRef = Arc::new(Int64Array::from(vec![position as i64]));
        let found: Vec<_> = snapshot.search("by-value", &BTreeQuery::equals(value)).unwrap().map(|row| row.position()).collect();
        assert_eq!(found, if position + KEYS >= visible { vec![position] } else { vec![] });
    }
    assert!(snapshot.row(visible).is_none());
    if random.random_bool(0.02) {
        let mut next = 0;
        for batch in snapshot.batches() {
            assert_eq!(batch.first_row, next);
            for index in 0..batch.batch.num_rows() {
                assert_eq!(batch.newest.as_ref().is_none_or(|mask| mask.value(index)), next + KEYS >= visible);
                next += 1;
            }
        }
        assert_eq!(next, visible);
    }
}

/// Runs `readers` of snapshots until `work` is done; each checks new snapshots, and at the end again the first that it took.
fn beside<T>(table: &Arc<MemTable>, readers: u64, work: impl FnOnce() -> T) -> T {
    let (done, checks) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for seed in 0..readers {
            let (done, checks) = (&done, &checks);
            scope.spawn(move || {
                let mut random = StdRng::seed_from_u64(seed);
                let mut kept: Vec<Snapshot> = Vec::new();
                let mut rows = 0;
                loop {
                    let last = done.load(Ordering::Acquire);
                    let snapshot = table.snapshot();
                    assert!(snapshot.num_rows() >= rows, "what was visible stays so");
                    rows = snapshot.num_rows();
                    check(&snapshot, &mut random);
                    if kept.len() < 8 && random.random_bool(0.1) {
                        kept.push(snapshot);
                    }
                    checks.fetch_add(1, Ordering::Relaxed);
                    if last {
                        break;
                    }
                }
                kept.iter().for_each(|snapshot| check(snapshot, &mut random));
            });
        }
        // Not before every reader is under way.
        while checks.load(Ordering::Relaxed) < readers {
            thread::yield_now();
        }
        let result = work();
        done.store(true, Ordering::Release);
        result
    })
}

/// PITFALLS I8, and E4: no reader ever sees a part of anything.
#[test]
fn readers_without_locks_see_what_one_count_says() {
    let spec = spec();
    let table = MemTable::new(Arc::clone(&spec), 1, 0, Visibility::Indexed);
    let mut random = StdRng::seed_from_u64(99);
    beside(&table, 3, || {
        let mut next = 0;
        while next < ROWS {
            let rows = random.random_range(1..200).min(ROWS - next);
            let prepared = spec.put(&batch(next..next + rows), Buffers::Own).unwrap();
            table.insert(prepared).unwrap().unwrap();
            next += rows;
        }
    });
    assert_eq!(table.snapshot().num_rows(), ROWS);
}

/// Appending, feeding and the log's progress are three threads, as in a durable writer.
#[test]
fn feeding_and_durability_go_on_beside_appending() {
    let spec = spec();
    let table = MemTable::new(Arc::clone(&spec), 1, 0, Visibility::Durable);
    let appended = AtomicU64::new(0);
    beside(&table, 2, || {
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut random = StdRng::seed_from_u64(7);
                let mut next = 0;
                while next < ROWS {
                    let rows = random.random_range(1..100).min(ROWS - next);
                    next = table.append(spec.put(&batch(next..next + rows), Buffers::Own).unwrap()).unwrap().rows.end;
                    appended.store(next, Ordering::Release);
                }
            });
            for _ in 0..2 {
                // Two feeders: they take turns.
                scope.spawn(|| {
                    while table.index().unwrap() < ROWS {
                        thread::yield_now();
                    }
                });
            }
            scope.spawn(|| {
                let mut durable = 0;
                while durable < ROWS {
                    let end = appended.load(Ordering::Acquire);
                    // The log is somewhere behind, and not at the end of a batch.
                    durable = if end == ROWS { ROWS } else { durable.max(end.saturating_sub(37)) };
                    table.set_durable(durable);
                    thread::yield_now();
                }
            });
        });
    });
    assert_eq!(table.snapshot().num_rows(), ROWS);
}

#[test]
fn writers_take_turns_and_lose_nothing() {
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, false)]);
    let spec = TableSpec::new(&schema, Some(&["id".into()]), &[], Limits { max_rows: 4000, ..Limits::default() }).unwrap();
    let table = MemTable::new(Arc::clone(&spec), 1, 0, Visibility::Indexed);
    let (threads, each) = (4, 300);
    let results: Vec<_> = thread::scope(|scope| {
        let put = |thread: i64| {
            let (spec, table) = (&spec, &table);
            move || {
                let one = |n: i64| {
                    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values((0..5).map(|k| (thread * each + n) * 5 + k)));
                    let prepared = spec.put(&RecordBatch::try_from_iter([("id", ids)]).unwrap(), Buffers::Own).unwrap();
                    table.insert(prepared).unwrap().map(|appended| appended.rows)
                };
                (0..each).map(|n| one(n).ok()).collect::<Vec<_>>()
            }
        };
        let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(put(thread))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    // Every accepted put has its own positions, and its keys are there; the others were refused whole.
    let snapshot = table.snapshot();
    assert_eq!(snapshot.num_rows(), 4000);
    let mut taken = vec![false; 4000];
    for (thread, rows) in results.iter().enumerate() {
        for (n, rows) in rows.iter().enumerate() {
            for k in 0..5 {
                let id = ((thread as i64 * each) + n as i64) * 5 + k;
                match (rows, snapshot.get(&encoded(id))) {
                    (Some(rows), Lookup::Found(row)) => {
                        assert_eq!(row.position(), rows.start + k as u64);
                        assert!(!std::mem::replace(&mut taken[row.position() as usize], true));
                    }
                    (None, Lookup::Missing) => {}
                    (rows, got) => panic!("{id}: {rows:?}, {got:?}"),
                }
            }
        }
    }
    assert!(taken.into_iter().all(|taken| taken));
}
