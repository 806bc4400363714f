//! What MemTables hold in memory: what they say of it is true, slices keep nothing else alive, shared buffers count once
//! (PITFALLS C6, F1).

mod entry_support;
mod memtable_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BinaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, StringViewArray};
use arrow_schema::{DataType, Field, Schema};
use entry_support::{Rng, batch_of, encode, object, random_type, read};
use memtable_support::table;
use weir::memtable::index::{IndexDefinition, IndexKind};
use weir::memtable::{Buffers, Limits, MemTable, TableSpec, Visibility};
use weir::wal::entry::Compression;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

/// Counts the bytes that a thread allocated and that are not freed.
struct Counting;

// SAFETY: all requests go to the system's allocator as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.set(LIVE.get() + layout.size() as isize);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size() as isize);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn live() -> usize {
    usize::try_from(LIVE.get()).unwrap_or(0)
}

/// About 100 bytes a row.
fn batch(from: i64, rows: usize) -> RecordBatch {
    let numbers = || (from..).take(rows);
    let columns: [(&str, ArrayRef, bool); 4] = [
        ("id", Arc::new(Int64Array::from_iter_values(numbers())), false),
        ("value", Arc::new(Float64Array::from_iter(numbers().map(|n| (n % 7 != 0).then_some(n as f64)))), true),
        ("key", Arc::new(StringArray::from_iter_values(numbers().map(|n| format!("k-{n:012}")))), false),
        ("payload", Arc::new(BinaryArray::from_iter_values(numbers().map(|n| [n as u8; 56]))), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn spec(key: &str, indexed: bool) -> Arc<TableSpec> {
    let index = IndexDefinition { name: "i".into(), kind: IndexKind::BTree, column: "value".into() };
    let indexes = if indexed { vec![index] } else { vec![] };
    let key = (!key.is_empty()).then(|| vec![key.to_owned()]);
    TableSpec::new(batch(0, 1).schema_ref(), key.as_deref(), &indexes, Limits::default()).unwrap()
}

/// PITFALLS F1, and the promise that memory stays below its limits: neither more nor much less is held than is said.
#[test]
fn a_table_takes_what_it_says() {
    for (key, indexed) in [("", false), ("id", false), ("key", false), ("key", true), ("", true)] {
        for (puts, rows) in [(2000, 1), (500, 20), (10, 5000)] {
            let spec = spec(key, indexed);
            let before = live();
            let table = MemTable::new(Arc::clone(&spec), 1, 0, Visibility::Indexed);
            for n in 0..puts {
                // Half of the keys come twice.
                let prepared = spec.put(&batch(n as i64 / 2 * rows as i64, rows), Buffers::Own).unwrap();
                table.insert(prepared).unwrap().unwrap();
            }
            let (held, said) = (live() - before, table.memory_bytes() as usize);
            let case = format!("key {key:?}, index {indexed}, {puts} × {rows} rows: {held} held, {said} said");
            assert!(held <= said + 64 * 1024, "{case}");
            assert!(said <= held + held / 2 + 64 * 1024, "{case}");
            drop(table);
            // The skip list's collector keeps a little for each thread that uses it.
            assert!(live() <= before + 4096, "{case}: {} bytes stay", live() - before);
        }
    }
}

/// PITFALLS C6
#[test]
fn a_slice_does_not_keep_its_parent_alive() {
    for buffers in [Buffers::Own, Buffers::Foreign] {
        let spec = spec("id", true);
        let table = table(&spec);
        let empty = live();
        let parent = batch(0, 50_000);
        let all = live() - empty;
        for n in 0..10 {
            let slice = parent.slice(n * 5000 + 3, 20);
            let prepared = spec.put(&slice, buffers).unwrap();
            assert!(prepared.bytes() < 40_000, "{} bytes", prepared.bytes());
            table.insert(prepared).unwrap().unwrap();
            let row = table.snapshot();
            let stored = row.batches().last().unwrap().batch;
            for column in 0..4 {
                assert_eq!(stored.column(column), slice.column(column));
            }
        }
        drop(parent);
        assert!(all > 4_000_000 && live() - empty < 1_000_000, "{} of {all} bytes stay", live() - empty);
    }
}

/// PITFALLS C6
#[test]
fn buffers_that_are_too_large_are_not_kept() {
    let spec = spec("id", false);
    let mut ids = arrow_array::builder::Int64Builder::with_capacity(100_000);
    ids.append_value(1);
    let mut columns = batch(1, 1).columns().to_vec();
    columns[0] = Arc::new(ids.finish());
    let large = RecordBatch::try_new(batch(1, 1).schema(), columns).unwrap();
    assert!(spec.put(&large, Buffers::Own).unwrap().bytes() < 10_000);
}

/// PITFALLS C6: well-used buffers of our own are shared, not copied; those of others are always copied.
#[test]
fn whole_batches_of_our_own_are_not_copied() {
    let spec = spec("id", false);
    let whole = batch(0, 1000);
    let address = |batch: &RecordBatch| batch.column(3).to_data().buffers()[1].as_ptr();
    assert_eq!(address(spec.put(&whole, Buffers::Own).unwrap().batch()), address(&whole));
    let copied = spec.put(&whole, Buffers::Foreign).unwrap();
    assert_ne!(address(copied.batch()), address(&whole));
    assert_eq!(copied.batch().column(3), whole.column(3));
}

/// PITFALLS C6: the batches of an entry share its buffer, which counts once, per table, and is not copied.
#[test]
fn the_buffer_of_an_entry_counts_once() {
    let spec = spec("id", false);
    let stored: Vec<_> = (0..50).map(|n| spec.put(&batch(n * 100, 100), Buffers::Own).unwrap().batch().clone()).collect();
    let bytes = object(&encode(spec.stored_schema(), &stored, Compression::None));
    let len = bytes.len();
    let entry = read(bytes).unwrap();
    let before = live();
    let table = table(&spec);
    let mut sum = 0;
    for prepared in spec.replay(&entry.batches).unwrap() {
        sum += prepared.bytes();
        table.insert(prepared).unwrap().unwrap();
    }
    let grown = live() - before;
    let said = table.memory_bytes() as usize;
    assert!(grown < len / 2 + 400_000, "{grown} bytes beside the {len} of the entry: nothing was copied");
    assert!(said > len && said < len + 700_000, "{said} said, of an entry of {len}");
    assert!(sum > 25 * len as u64, "each by itself keeps all of it");
    assert_eq!(table.num_rows(), 5000);

    // A table with little room takes all of the entry all the same, because it is there once.
    let limits = Limits { max_bytes: len as u64 + 900_000, ..Limits::default() };
    let small = TableSpec::new(spec.schema(), Some(&["id".into()]), &[], limits).unwrap();
    let table = memtable_support::table(&small);
    for prepared in small.replay(&entry.batches).unwrap() {
        table.insert(prepared).unwrap().unwrap();
    }
    assert_eq!(table.num_rows(), 5000);

    // But one batch out of many does not keep the entry.
    let one = spec.replay(&entry.batches[7..8]).unwrap().pop().unwrap();
    assert!(one.bytes() < len as u64 / 10);
    assert_eq!(one.batch(), &entry.batches[7]);
}

/// Copies are equal, hold nothing else, and are as the log wants them, whatever the types.
#[test]
fn copies_of_slices_of_every_type_are_equal() {
    for seed in 0..150 {
        let mut random = Rng(seed);
        let types: Vec<_> = (0..3).map(|_| random_type(&mut random, 3)).collect();
        let parent = batch_of(&mut random, &types, 200);
        let ids: ArrayRef = Arc::new(Int32Array::from_iter_values(0..200));
        let mut fields: Vec<_> = parent.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        fields.push(Field::new("id", DataType::Int32, false));
        let columns = parent.columns().iter().cloned().chain([ids]).collect();
        let parent = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        let spec = TableSpec::new(parent.schema_ref(), Some(&["id".into()]), &[], Limits::default()).unwrap();
        let slice = parent.slice(random.below(150), 1 + random.below(50));
        let whole = spec.put(&slice, Buffers::Own).unwrap();
        let before = live();
        let copied = spec.put(&slice, Buffers::Foreign).unwrap();
        let held = live() - before;
        for (column, data_type) in types.iter().enumerate() {
            assert_eq!(copied.batch().column(column), slice.column(column), "seed {seed}: {data_type}");
            assert_eq!(whole.batch().column(column), slice.column(column), "seed {seed}: {data_type}");
            copied.batch().column(column).to_data().validate_full().unwrap();
        }
        // What deeply nested arrays take beside their buffers is only known about.
        assert!(copied.bytes() as usize * 5 / 4 + 2048 >= held, "seed {seed}: {types:?}: {held} held, {} said", copied.bytes());
        let entry = encode(spec.stored_schema(), &[copied.batch().clone()], Compression::None);
        let again = read(object(&entry)).unwrap();
        assert_eq!(spec.replay(&again.batches).unwrap()[0].batch(), &again.batches[0], "seed {seed}");
    }
}

/// PITFALLS C6: views and dictionaries share their data with what they were cut from.
#[test]
fn views_and_dictionaries_are_cut_to_size() {
    let long: Vec<String> = (0..10_000).map(|n| format!("a text that is too long to be in the view itself {n}")).collect();
    let views: ArrayRef = Arc::new(StringViewArray::from_iter_values(&long));
    let keys = Int32Array::from_iter_values(0..10_000);
    let values: ArrayRef = Arc::new(StringArray::from_iter_values(&long));
    let dictionary: ArrayRef = Arc::new(arrow_array::DictionaryArray::try_new(keys, values).unwrap());
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10_000));
    let parent = RecordBatch::try_from_iter([("id", ids), ("views", views), ("words", dictionary)]).unwrap();
    let spec = TableSpec::new(parent.schema_ref(), Some(&["id".into()]), &[], Limits::default()).unwrap();
    let slice = parent.slice(4000, 10);
    let prepared = spec.put(&slice, Buffers::Own).unwrap();
    assert!(prepared.bytes() < 10_000, "{} bytes", prepared.bytes());
    for column in 0..3 {
        assert_eq!(prepared.batch().column(column), slice.column(column));
    }
}
