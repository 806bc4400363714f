//! Generations as they lie on storage: what was written is what is read, by every way there is to read it.

mod entry_support;
mod generation_support;
mod support;

use std::io::Cursor;
use std::ops::Bound;
use std::sync::Arc;

use arrow_array::types::{Int8Type, Int16Type};
use arrow_array::{Array, ArrayRef, BooleanArray, DictionaryArray, Int64Array, RecordBatch, StringArray};
use arrow_buffer::BooleanBuffer;
use arrow_ipc::reader::FileReader;
use arrow_schema::{DataType, Field, Schema};
use entry_support::{Rng, batch_of, codecs, leaf_types, random_array, random_type, wrappers};
use generation_support::*;
use support::{SimClock, now};
use weir::error::ErrorKind;
use weir::generation::{
    DataOptions, Generation, Got, KeyRange, Rows, ScanOptions, SecondaryEncoder, SecondarySpec, TOMBSTONE, TableInput, encode,
};
use weir::memtable::key::{KeyEncoder, KeySpec};
use weir::store::Store;
use weir::store::memory::MemoryBackend;

fn store() -> Store {
    Store::new("memory://test", Arc::new(MemoryBackend::new(Arc::new(SimClock::new()))))
}

/// Stores and opens.
fn opened(store: &Store, input: TableInput, options: &DataOptions) -> Arc<Generation> {
    let env = support::Sim::new(1).env();
    let written = now(encode(input, options).unwrap().store(store, &shard(), &env, no_retry())).unwrap();
    now(Generation::open(store, &shard(), &written.table)).unwrap()
}

fn without_key(batches: Vec<RecordBatch>) -> TableInput {
    TableInput { generation: 3, schema: batches[0].schema(), key: None, batches, secondary: Vec::new(), in_memory_bytes: 5 }
}

/// Whether the rows are equal, floats bit by bit.
fn assert_same(read: &[RecordBatch], put: &[RecordBatch], what: &dyn std::fmt::Display) {
    let cells = |batches: &[RecordBatch]| {
        let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| batch.slice(row, 1)));
        rows.collect::<Vec<_>>()
    };
    let (read, put) = (cells(read), cells(put));
    assert_eq!(read.len(), put.len(), "{what}");
    for (row, (a, b)) in read.iter().zip(&put).enumerate() {
        for (a, b) in a.columns().iter().zip(b.columns()) {
            a.to_data().validate_full().unwrap();
            assert_eq!(a.to_data(), b.to_data(), "{what}: row {row}");
        }
    }
}

fn scanned(generation: &Arc<Generation>, options: ScanOptions) -> Vec<RecordBatch> {
    let mut scan = generation.scan(options).unwrap();
    let mut batches = Vec::new();
    while let Some(some) = now(scan.next()).unwrap() {
        assert_eq!(some.batch.schema(), *scan.schema());
        batches.push(some.batch);
    }
    batches
}

/// The object as any Arrow program reads it.
fn with_arrow(store: &Store, generation_dir: &str) -> Vec<RecordBatch> {
    let bytes = now(store.read(&format!("{generation_dir}/data.arrow"))).unwrap().unwrap();
    let reader = FileReader::try_new(Cursor::new(bytes), None).unwrap();
    reader.map(Result::unwrap).collect()
}

fn only_dir(store: &Store) -> String {
    let dirs = now(store.list_dirs(shard().dir())).unwrap();
    assert_eq!(dirs.len(), 1);
    format!("{}/{}", shard().dir(), dirs[0])
}

fn round_trip(batches: Vec<RecordBatch>, options: &DataOptions, what: &dyn std::fmt::Display) {
    let store = store();
    let generation = opened(&store, without_key(batches.clone()), options);
    assert_eq!(generation.schema(), &batches[0].schema(), "{what}");
    assert_same(&scanned(&generation, ScanOptions::default()), &batches, what);
    assert_same(&with_arrow(&store, &only_dir(&store)), &batches, what);
    now(generation.verify()).unwrap();
    let rows: Vec<u64> = (0..generation.rows()).step_by(3).collect();
    let taken = now(generation.take(&rows, None)).unwrap();
    let all: Vec<RecordBatch> = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| batch.slice(row, 1))).collect();
    assert_same(&taken, &all.into_iter().step_by(3).collect::<Vec<_>>(), what);
}

#[test]
fn every_type_comes_back_whole_and_sliced() {
    let leaves = leaf_types();
    let mut types = leaves.clone();
    types.extend(wrappers(&DataType::Int32, &DataType::Utf8));
    for (i, leaf) in leaves.iter().enumerate() {
        types.extend(wrappers(leaf, &leaves[(i + 1) % leaves.len()]));
    }
    for (i, data_type) in types.iter().enumerate() {
        let mut rng = Rng(i as u64);
        let batch = batch_of(&mut rng, std::slice::from_ref(data_type), 20);
        let other = RecordBatch::try_new(batch.schema(), vec![random_array(&mut rng, data_type, 9, true)]).unwrap();
        let batches = vec![batch.slice(3, 9), other.clone(), other.slice(1, 1), batch.clone()];
        round_trip(batches.clone(), &small(), data_type);
        round_trip(batches, &DataOptions::default(), data_type);
    }
}

#[test]
fn random_nested_tables_come_back_in_every_compression() {
    for seed in 0..60 {
        let mut rng = Rng(seed ^ 0x9e4);
        let types: Vec<_> = (0..1 + rng.below(3)).map(|_| random_type(&mut rng, 3)).collect();
        let first = batch_of(&mut rng, &types, 1 + seed as usize % 30);
        let columns = types.iter().map(|t| random_array(&mut rng, t, 11, true)).collect();
        let second = RecordBatch::try_new(first.schema(), columns).unwrap();
        let compression = codecs()[seed as usize % codecs().len()];
        round_trip(vec![first, second.slice(2, 5), second], &DataOptions { compression, ..small() }, &format!("seed {seed}: {types:?}"));
    }
}

fn dictionaries(batches: &[Vec<String>]) -> Vec<RecordBatch> {
    let column = |values: &Vec<String>| {
        let keys = arrow_array::Int8Array::from_iter_values((0..values.len()).map(|key| key as i8));
        let array = DictionaryArray::<Int8Type>::try_new(keys, Arc::new(StringArray::from(values.clone()))).unwrap();
        RecordBatch::try_from_iter_with_nullable([("tag", Arc::new(array) as ArrayRef, true)]).unwrap()
    };
    batches.iter().map(column).collect()
}

#[test]
fn dictionaries_that_differ_become_one_without_duplicates() {
    let words = |from: usize| (from..from + 50).map(|i| format!("word {}", i % 60)).collect::<Vec<_>>();
    let batches = dictionaries(&[words(0), words(20), words(0), words(40)]);
    let store = store();
    let generation = opened(&store, without_key(batches.clone()), &DataOptions::default());
    let read = scanned(&generation, ScanOptions::default());
    assert_same(&read, &batches, &"words");
    assert_eq!(read.len(), 1, "small batches are joined");
    let values = |batch: &RecordBatch| arrow_array::cast::AsArray::as_any_dictionary(batch.column(0)).values().len();
    assert_eq!(values(&with_arrow(&store, &only_dir(&store))[0]), 60);
}

// 8 bits count 128 values: the file has more, so it has wider keys, and readers of the generation get the narrow ones back.
#[test]
fn more_dictionary_values_than_keys_can_count() {
    let words = |from: usize| (from..from + 100).map(|i| format!("word {i}")).collect::<Vec<_>>();
    let batches = dictionaries(&[words(0), words(100), words(150), words(250)]);
    let nested = |batch: &RecordBatch| {
        let column = batch.column(0).clone();
        let field = Arc::new(Field::new("inner", column.data_type().clone(), true));
        let array: ArrayRef = Arc::new(arrow_array::StructArray::try_new(vec![field].into(), vec![column.clone()], None).unwrap());
        RecordBatch::try_from_iter_with_nullable([("plain", column, true), ("nested", array, true)]).unwrap()
    };
    let batches: Vec<RecordBatch> = batches.iter().map(nested).collect();
    let store = store();
    let generation = opened(&store, without_key(batches.clone()), &DataOptions::default());
    assert_eq!(generation.schema(), &batches[0].schema());
    assert_same(&scanned(&generation, ScanOptions::default()), &batches, &"words");
    let projected = scanned(&generation, ScanOptions { projection: Some(vec![1, 0]), ..ScanOptions::default() });
    let expected: Vec<RecordBatch> = batches.iter().map(|batch| batch.project(&[1, 0]).unwrap()).collect();
    assert_same(&projected, &expected, &"projected words");
    let with_arrow = with_arrow(&store, &only_dir(&store));
    assert_eq!(*with_arrow[0].column(0).data_type(), DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)));
    assert_eq!(with_arrow.iter().map(RecordBatch::num_rows).sum::<usize>(), 400);
}

#[test]
fn floats_in_dictionaries_keep_their_bits() {
    let values = |bits: &[f64]| {
        let keys = arrow_array::Int16Array::from_iter_values((0..bits.len()).map(|key| key as i16));
        let array = DictionaryArray::<Int16Type>::try_new(keys, Arc::new(arrow_array::Float64Array::from(bits.to_vec()))).unwrap();
        RecordBatch::try_from_iter_with_nullable([("f", Arc::new(array) as ArrayRef, true)]).unwrap()
    };
    let batches = vec![values(&[0.0, 1.0]), values(&[-0.0, f64::NAN, f64::from_bits(0x7ff8_0000_0000_0001)])];
    let generation = opened(&store(), without_key(batches), &DataOptions::default());
    let read = scanned(&generation, ScanOptions::default());
    let column = arrow_select::concat::concat(&[read[0].column(0).as_ref()]).unwrap();
    let column = arrow_cast_to_f64(&column);
    assert_eq!(column, [0.0, 1.0, -0.0, f64::NAN, f64::from_bits(0x7ff8_0000_0000_0001)].map(f64::to_bits));
}

fn arrow_cast_to_f64(column: &ArrayRef) -> Vec<u64> {
    use arrow_array::cast::AsArray;
    let dictionary = column.as_any_dictionary();
    let values = dictionary.values().as_primitive::<arrow_array::types::Float64Type>();
    dictionary.normalized_keys().into_iter().map(|key| values.value(key).to_bits()).collect()
}

// ---- Keys ----------------------------------------------------------------------------------------------------------------

/// Puts, overwrites and deletions over `keys` keys.
fn history(seed: u64, count: usize, keys: usize) -> Vec<Row> {
    let mut rng = Rng(seed);
    let row = |i: usize| {
        let id = rng.below(keys) as i64 * 3 - 50;
        if rng.chance(20) { delete(id) } else { put(id, format!("text {i}")) }
    };
    (0..count).map(row).collect()
}

// PITFALLS I1, I3, I4: the newest row of a key is the one, deletions are told from absence.
#[test]
fn every_key_leads_to_its_newest_row() {
    for (seed, (count, keys)) in [(1, 1), (10, 1000), (3000, 200), (3000, 100_000)].into_iter().enumerate() {
        let history = history(seed as u64, count, keys);
        let batches = history.chunks(11).map(batch).collect();
        let generation = opened(&store(), input(4, batches), &small());
        let expected = newest(&history);
        assert_eq!(generation.rows(), count as u64);
        assert_eq!(generation.tombstones() as usize, expected.iter().filter(|(_, text)| text.is_none()).count());
        assert_eq!(generation.superseded().map_or(0, |mask| mask.count_set_bits()), count - expected.len());
        assert_eq!(now(all_rows(&generation)), expected);

        for (id, text) in &expected {
            let got = now(generation.get(&key(*id), None)).unwrap();
            match (got, text) {
                (Got::Deleted, None) => {}
                (Got::Row(row), Some(_)) => assert_eq!(rows(&row), [(*id, text.clone())]),
                (got, text) => panic!("key {id}: {got:?} instead of {text:?}"),
            }
            assert_eq!(now(generation.get(&key(id + 1), None)).unwrap(), Got::Absent);
        }
        let mut ids: Vec<i64> = (-60..3 * keys.min(2000) as i64).collect();
        ids.sort_unstable();
        let encoded: Vec<Vec<u8>> = ids.iter().map(|id| key(*id)).collect();
        let found = now(generation.find_many(&encoded.iter().map(Vec::as_slice).collect::<Vec<_>>())).unwrap();
        for (id, hit) in ids.iter().zip(found) {
            let row = expected.iter().find(|(other, _)| other == id);
            assert_eq!(hit.map(|hit| hit.tombstone), row.map(|(_, text)| text.is_none()), "key {id}");
        }
        now(generation.verify()).unwrap();
    }
}

#[test]
fn a_scan_gives_live_rows_in_insert_order() {
    let history = history(7, 2000, 300);
    let generation = opened(&store(), input(1, history.chunks(100).map(batch).collect()), &small());
    let read = |options: ScanOptions| scanned(&generation, options).iter().flat_map(rows).collect::<Vec<_>>();
    let live: Vec<Row> = newest(&history).into_iter().filter(|(_, text)| text.is_some()).collect();
    assert_eq!(read(ScanOptions::default()), live);
    assert_eq!(read(ScanOptions { superseded: true, tombstones: true, ..ScanOptions::default() }), history);
    let puts: Vec<Row> = history.iter().filter(|(_, text)| text.is_some()).cloned().collect();
    assert_eq!(read(ScanOptions { superseded: true, ..ScanOptions::default() }), puts);

    // Whatever is read at once, the rows and their numbers are the same.
    for read_bytes in [0, 300, 5000, u64::MAX] {
        let mut scan = generation.scan(ScanOptions { read_bytes, tombstones: true, ..ScanOptions::default() }).unwrap();
        let mut found = Vec::new();
        while let Some(some) = now(scan.next()).unwrap() {
            for (at, row) in rows(&some.batch).into_iter().enumerate() {
                assert_eq!(history[some.rows.get(at).unwrap() as usize], row);
                found.push(row);
            }
            assert_eq!(some.rows.get(some.rows.len()), None);
        }
        assert_eq!(found, newest(&history), "{read_bytes}");
    }

    // A mask of one's own.
    let skip = BooleanBuffer::from_iter((0..2000).map(|row| row % 2 == 0));
    let odd: Vec<Row> = (1..2000).step_by(2).map(|row| history[row].clone()).collect();
    let options = ScanOptions { skip: Some(skip), superseded: true, tombstones: true, ..ScanOptions::default() };
    assert_eq!(read(options), odd);
}

#[test]
fn a_projection_gives_its_columns_in_its_order() {
    let history = history(9, 500, 100);
    let generation = opened(&store(), input(1, vec![batch(&history)]), &small());
    let live: Vec<Row> = newest(&history).into_iter().filter(|(_, text)| text.is_some()).collect();
    for columns in [vec![0], vec![1], vec![2], vec![1, 0], vec![2, 0], vec![2, 1, 0], vec![]] {
        let read = scanned(&generation, ScanOptions { projection: Some(columns.clone()), ..ScanOptions::default() });
        assert_same(&read, &[batch(&live).project(&columns).unwrap()], &format!("{columns:?}"));
    }
    let id = live[5].0;
    let Got::Row(row) = now(generation.get(&key(id), Some(&[1, 0]))).unwrap() else { panic!("key {id} is there") };
    assert_same(&[row], &[batch(&live[5..6]).project(&[1, 0]).unwrap()], &"get");
    for bad in [vec![3], vec![0, 0]] {
        assert_eq!(
            kind(generation.scan(ScanOptions { projection: Some(bad.clone()), ..ScanOptions::default() })),
            ErrorKind::InvalidArgument
        );
        assert_eq!(kind(now(generation.take(&[0], Some(&bad)))), ErrorKind::InvalidArgument);
    }
    for bad in [&[1, 1][..], &[2, 1], &[500]] {
        assert_eq!(kind(now(generation.take(bad, None))), ErrorKind::InvalidArgument, "{bad:?}");
    }
}

#[test]
fn ranges_of_keys_are_read_in_order_and_scanned() {
    let history = history(11, 4000, 3000);
    let generation = opened(&store(), input(1, vec![batch(&history)]), &small());
    let mut expected = newest(&history);
    expected.sort();
    let (low, high) = (expected[100].0, expected[expected.len() - 100].0);
    let bounds = [
        Bound::Unbounded,
        Bound::Included(low),
        Bound::Excluded(low),
        Bound::Included(low + 1),
        Bound::Excluded(high),
        Bound::Included(high),
        Bound::Included(i64::MAX),
    ];
    for from in bounds {
        for to in bounds {
            let range = KeyRange { from: from.map(key), to: to.map(key) };
            let within: Vec<&Row> = expected.iter().filter(|(id, _)| range.contains(&key(*id))).collect();
            let model = expected.iter().filter(|(id, _)| {
                (match from {
                    Bound::Unbounded => true,
                    Bound::Included(from) => *id >= from,
                    Bound::Excluded(from) => *id > from,
                }) && (match to {
                    Bound::Unbounded => true,
                    Bound::Included(to) => *id <= to,
                    Bound::Excluded(to) => *id < to,
                })
            });
            assert_eq!(within, model.collect::<Vec<_>>());
            let mut cursor = generation.keys(&range).unwrap();
            let mut walked = Vec::new();
            while let Some(hit) = now(cursor.advance()).unwrap() {
                let row = &history[hit.row as usize];
                assert_eq!((cursor.key(), hit.tombstone), (&key(row.0)[..], row.1.is_none()));
                walked.push(row);
            }
            assert_eq!(walked, within, "{from:?} {to:?}");
            assert_eq!(now(cursor.advance()).unwrap(), None, "the end stays the end");

            let mut read: Vec<Row> =
                scanned(&generation, ScanOptions { keys: range, ..ScanOptions::default() }).iter().flat_map(rows).collect();
            let order: Vec<usize> = read.iter().map(|row| history.iter().rposition(|other| other == row).unwrap()).collect();
            assert!(order.is_sorted(), "insert order");
            read.sort();
            assert_eq!(read.iter().collect::<Vec<_>>(), within.into_iter().filter(|(_, text)| text.is_some()).collect::<Vec<_>>());
        }
    }
}

#[test]
fn composite_keys_of_other_types() {
    let fields = vec![
        Field::new("value", DataType::Int64, true),
        Field::new("b", DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8)), false),
        Field::new("a", DataType::Utf8View, false),
        Field::new(TOMBSTONE, DataType::Boolean, false),
    ];
    let schema = Arc::new(Schema::new(fields));
    let pairs = [("a", "bc"), ("ab", "c"), ("", ""), ("a", "bc"), ("ab", ""), ("é", "\0")];
    let a = arrow_array::StringViewArray::from_iter_values(pairs.iter().map(|(a, _)| a));
    let b: DictionaryArray<Int16Type> = pairs.iter().map(|(_, b)| *b).collect();
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from_iter_values(0..6)), Arc::new(b), Arc::new(a), Arc::new(BooleanArray::from(vec![false; 6]))];
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let spec = KeySpec::resolve(&schema, Some(&["a".to_owned(), "b".to_owned()])).unwrap().unwrap();
    let keys = KeyEncoder::new(spec.clone()).encode(&batch).unwrap();
    let input = TableInput { generation: 1, schema, key: Some(spec.clone()), batches: vec![batch], secondary: vec![], in_memory_bytes: 0 };
    let generation = opened(&store(), input, &DataOptions::default());
    assert_eq!(generation.key(), Some(&spec));
    let found: Vec<u64> = (0..6).map(|row| now(generation.find(keys.key(row))).unwrap().unwrap().row).collect();
    assert_eq!(found, [3, 1, 2, 3, 4, 5]);
}

// ---- Secondary indexes -----------------------------------------------------------------------------------------------------

#[test]
fn a_secondary_index_has_the_live_rows_in_order_nulls_first() {
    let text = |id: i64| ["b", "", "a", "c"][id as usize % 4];
    let history: Vec<Row> = (0..3000).map(|i| if i % 10 == 9 { delete(i % 500) } else { put(i % 500, text(i)) }).collect();
    let mut with_nulls: Vec<RecordBatch> = history.chunks(100).map(batch).collect();
    let nulls: ArrayRef = Arc::new(StringArray::new_null(2));
    let last = batch(&[put(1000, ""), put(1001, "")]);
    with_nulls.push(RecordBatch::try_new(schema(), vec![last.column(0).clone(), nulls, last.column(2).clone()]).unwrap());
    let spec = SecondarySpec { name: "twice".to_owned(), columns: vec!["text".to_owned(), "id".to_owned()] };
    let input = TableInput { secondary: vec![by_text(), spec.clone()], ..input(1, with_nulls) };
    let generation = opened(&store(), input, &small());
    assert_eq!(generation.secondary(), [by_text(), spec]);
    let mut cursor = now(generation.entries("by text?", &KeyRange::default())).unwrap();
    let mut found = Vec::new();
    while let Some(hit) = now(cursor.advance()).unwrap() {
        found.push(hit.row);
    }
    let live = newest(&history).into_iter().filter(|(_, text)| text.is_some());
    let mut expected: Vec<(Option<String>, u64)> =
        live.map(|row| (row.1.clone(), history.iter().rposition(|other| *other == row).unwrap() as u64)).collect();
    expected.extend([(None, 3000), (None, 3001)]);
    expected.sort();
    assert_eq!(found, expected.iter().map(|(_, row)| *row).collect::<Vec<_>>());

    // Equality: one value's entries are neighbours.
    let encoder = SecondaryEncoder::new(&schema(), &by_text()).unwrap();
    let value = encoder.encode(&batch(&[put(0, "b")])).unwrap().remove(0);
    let range = KeyRange { from: Bound::Included(value.clone()), to: Bound::Included(value) };
    let mut cursor = now(generation.entries("by text?", &range)).unwrap();
    let mut count = 0;
    while let Some(hit) = now(cursor.advance()).unwrap() {
        assert_eq!(history[hit.row as usize].1.as_deref(), Some("b"));
        count += 1;
    }
    assert_eq!(count, expected.iter().filter(|(text, _)| text.as_deref() == Some("b")).count());
    assert_eq!(kind(now(generation.entries("no", &KeyRange::default()))), ErrorKind::InvalidArgument);
    now(generation.verify()).unwrap();
}

// ---- Refusals ----------------------------------------------------------------------------------------------------------------

#[test]
fn what_cannot_be_a_generation_is_refused() {
    let options = DataOptions::default();
    let good = || input(1, vec![batch(&[put(1, "a")])]);
    assert_eq!(kind(encode(TableInput { generation: 0, ..good() }, &options)), ErrorKind::InvalidArgument);
    assert_eq!(kind(encode(input(1, vec![]), &options)), ErrorKind::InvalidArgument);
    assert_eq!(kind(encode(input(1, vec![batch(&[])]), &options)), ErrorKind::InvalidArgument);
    // The tombstones are missing, nullable or not last.
    let two = batch(&[put(1, "a")]).project(&[0, 1]).unwrap();
    assert_eq!(
        kind(encode(TableInput { schema: two.schema(), batches: vec![two.clone()], ..good() }, &options)),
        ErrorKind::InvalidArgument
    );
    assert_eq!(kind(encode(TableInput { batches: vec![two], ..good() }, &options)), ErrorKind::SchemaMismatch);
    let turned = batch(&[put(1, "a")]).project(&[2, 0, 1]).unwrap();
    assert_eq!(kind(encode(TableInput { schema: turned.schema(), batches: vec![turned], ..good() }, &options)), ErrorKind::InvalidArgument);
    for secondary in [
        vec![by_text(), by_text()],
        vec![SecondarySpec { name: "x".to_owned(), columns: vec![] }],
        vec![SecondarySpec { name: "x".to_owned(), columns: vec!["nothing".to_owned()] }],
    ] {
        assert_eq!(kind(encode(TableInput { secondary, ..good() }, &options)), ErrorKind::InvalidArgument);
    }
    // PITFALLS I6: a null in a key, with its row.
    let nullable = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new(TOMBSTONE, DataType::Boolean, false)]));
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![Some(1), None])), Arc::new(BooleanArray::from(vec![false; 2]))];
    let spec = KeySpec::resolve(&nullable, Some(&["id".to_owned()])).unwrap();
    let batches = vec![RecordBatch::try_new(nullable.clone(), columns).unwrap()];
    let error = encode(TableInput { schema: nullable, key: spec, batches, ..good() }, &options).unwrap_err();
    assert_eq!((error.kind(), error.detail_u64("row")), (ErrorKind::InvalidData, Some(1)));
}

#[test]
fn a_generation_without_a_key_has_no_keys() {
    let generation = opened(&store(), without_key(vec![batch(&[put(1, "a"), put(1, "b"), delete(1)])]), &DataOptions::default());
    assert_eq!((generation.key(), generation.key_range(), generation.rows()), (None, None, 3));
    assert!(!generation.may_contain(&key(1)));
    assert_eq!(now(generation.get(&key(1), None)).unwrap(), Got::Absent);
    assert_eq!(kind(generation.keys(&KeyRange::default())), ErrorKind::InvalidArgument);
    let one = KeyRange { from: Bound::Included(key(1)), to: Bound::Unbounded };
    assert_eq!(kind(generation.scan(ScanOptions { keys: one, ..ScanOptions::default() })), ErrorKind::InvalidArgument);
    assert_eq!(scanned(&generation, ScanOptions::default())[0].num_rows(), 3, "every row is kept, tombstones mean nothing");
    assert_eq!(Rows::Range(3..5).get(2), None);
}

// ---- Cost --------------------------------------------------------------------------------------------------------------------

#[test]
fn a_look_at_one_row_reads_little() {
    let history: Vec<Row> =
        (0..200_000).map(|i| put(i * 2, format!("the text of row {i}, about a hundred bytes long {}", "x".repeat(50)))).collect();
    let store = store();
    let generation = opened(&store, input(1, history.chunks(1000).map(batch).collect()), &DataOptions::default());
    assert!(generation.resident_bytes() < 600_000, "{}", generation.resident_bytes());
    let gets = |look: &dyn Fn()| {
        let before = store.requests();
        look();
        (store.requests() - before).total()
    };
    // Present: a block of keys and a batch. Absent: at most one in a hundred costs a read.
    assert_eq!(gets(&|| assert!(matches!(now(generation.get(&key(77_778), None)).unwrap(), Got::Row(_)))), 2);
    let absent = gets(&|| (0..1000).for_each(|i| assert_eq!(now(generation.get(&key(i * 20 + 1), None)).unwrap(), Got::Absent)));
    assert!(absent < 40, "{absent}");
    let neighbours: Vec<Vec<u8>> = (1000..2000).map(|i| key(i * 2)).collect();
    let refs: Vec<&[u8]> = neighbours.iter().map(Vec::as_slice).collect();
    assert_eq!(gets(&|| assert!(now(generation.find_many(&refs)).unwrap().iter().all(Option::is_some))), 1);
    assert_eq!(
        gets(&|| assert_eq!(
            now(generation.take(&(1000..2000).collect::<Vec<_>>(), None)).unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(),
            1000
        )),
        1
    );
}
