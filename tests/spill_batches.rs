//! Spills of Arrow batches: every type comes back as it was, in every way of reading; damage is an error; nothing is pinned or leaked.

mod entry_support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{Array, ArrayRef, DictionaryArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow_data::ArrayData;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use entry_support::*;
use weir::error::{ErrorKind, Result};
use weir::runtime::block_on;
use weir::session::Session;
use weir::spill::{BatchSpill, BatchSpillWriter, MapOptions, SpillBackend, SpillConfig, SpillOptions, SpillStore};
use weir::store::Settings;
use weir::wal::entry::{Compression, allocated_bytes};

fn store_of(backend: SpillBackend, cap_bytes: Option<u64>) -> SpillStore {
    let session = Session::new(Settings::default()).unwrap();
    SpillStore::new(&session, &SpillConfig { backend, cap_bytes, min_free_bytes: None, ..SpillConfig::default() }).unwrap()
}

fn local(dir: &Path) -> SpillStore {
    store_of(SpillBackend::Local { directory: Some(dir.to_owned()) }, None)
}

fn memory() -> SpillStore {
    store_of(SpillBackend::Memory, None)
}

fn writer(store: &SpillStore, schema: &Schema, compression: Compression) -> Result<BatchSpillWriter> {
    BatchSpillWriter::new(store.begin(SpillOptions::default())?, schema, compression)
}

fn write(store: &SpillStore, schema: &Schema, batches: &[RecordBatch], compression: Compression) -> BatchSpill {
    let mut writer = writer(store, schema, compression).unwrap();
    for batch in batches {
        block_on(writer.write(batch), 0).unwrap();
    }
    assert_eq!(writer.batch_count(), batches.len());
    let len = writer.len();
    let spill = block_on(writer.finish(), 0).unwrap();
    assert_eq!(spill.spill().len(), len);
    spill
}

fn read(spill: &BatchSpill, index: usize) -> Result<RecordBatch> {
    block_on(spill.batch(index), 0)
}

fn stream(spill: &BatchSpill) -> Result<Vec<RecordBatch>> {
    let mut stream = spill.stream();
    std::iter::from_fn(|| block_on(stream.next(), 0).transpose()).collect()
}

const VERIFIED: MapOptions = MapOptions { verify: true };

fn mapped_stream(spill: &BatchSpill) -> Result<Vec<RecordBatch>> {
    let mut stream = spill.mapped_stream(VERIFIED);
    std::iter::from_fn(|| block_on(stream.next(), 0).transpose()).collect()
}

/// The one file of the one spill below `dir`.
fn file_below(dir: &Path) -> PathBuf {
    let mut files = Vec::new();
    for owner in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        files.extend(std::fs::read_dir(owner).unwrap().map(|entry| entry.unwrap().path()));
    }
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

fn every_type() -> Vec<DataType> {
    let leaves = leaf_types();
    let mut types = leaves.clone();
    types.extend(wrappers(&DataType::Int32, &DataType::Utf8));
    for (i, leaf) in leaves.iter().enumerate() {
        types.extend(wrappers(leaf, &leaves[(i + 1) % leaves.len()]));
    }
    types
}

fn validate(batches: &[RecordBatch]) {
    batches.iter().flat_map(RecordBatch::columns).for_each(|column| column.to_data().validate_full().unwrap());
}

/// By number, in order and mapped: all the same.
fn assert_round_trip(store: &SpillStore, schema: &SchemaRef, batches: &[RecordBatch], compression: Compression) {
    let spill = write(store, schema, batches, compression);
    assert_eq!((spill.schema(), spill.batch_count()), (schema, batches.len()));
    assert_eq!(spill.rows(), batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
    for (index, batch) in batches.iter().enumerate().rev() {
        assert_eq!(&read(&spill, index).unwrap(), batch);
    }
    let streamed = stream(&spill).unwrap();
    assert_eq!(streamed, batches);
    validate(&streamed);
    assert_eq!(&mapped_or_not(&spill, compression), batches);
    let error = read(&spill, batches.len()).unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidArgument && error.message().contains("no batch"), "{error}");
}

fn mapped_or_not(spill: &BatchSpill, compression: Compression) -> Vec<RecordBatch> {
    if compression == Compression::None {
        let batches = mapped_stream(spill).unwrap();
        validate(&batches);
        let unverified: Vec<_> = (0..batches.len()).map(|index| spill.mapped(index, MapOptions::default()).unwrap()).collect();
        assert_eq!(batches, unverified);
        return batches;
    }
    assert_eq!(spill.mapped(0, VERIFIED).unwrap_err().kind(), ErrorKind::Unsupported);
    stream(spill).unwrap()
}

#[test]
fn every_type_whole_sliced_and_empty() {
    let dir = tempfile::tempdir().unwrap();
    let stores = [memory(), local(dir.path())];
    for (i, data_type) in every_type().iter().enumerate() {
        let mut rng = Rng(i as u64);
        let rows = [1, 9, 40][i % 3];
        let batch = batch_of(&mut rng, std::slice::from_ref(data_type), rows);
        let batches = [batch.clone(), batch.slice(rows / 3, rows - rows / 3), batch.slice(0, 0), batch.slice(rows - 1, 1)];
        for compression in codecs() {
            assert_round_trip(&stores[i % 2], &batch.schema(), &batches, compression);
        }
    }
    stores.iter().for_each(|store| assert_eq!(store.used_bytes(), 0));
}

#[test]
fn random_nested_batches() {
    let dir = tempfile::tempdir().unwrap();
    let stores = [memory(), local(dir.path())];
    for seed in 0..150 {
        let mut rng = Rng(seed ^ 0x5eed);
        let types: Vec<_> = (0..1 + rng.below(4)).map(|_| random_type(&mut rng, 3)).collect();
        let first = batch_of(&mut rng, &types, 1 + seed as usize % 50);
        let columns = types.iter().map(|t| random_array(&mut rng, t, 11, true)).collect();
        let second = RecordBatch::try_new(first.schema(), columns).unwrap();
        let batches = [first.clone(), second.slice(rng.below(10), 1), second];
        let codecs = codecs();
        assert_round_trip(&stores[seed as usize % 2], &first.schema(), &batches, codecs[seed as usize % codecs.len()]);
    }
}

/// Encrypted, in tiers, and in objects: the same batches; only what is mapped differs.
#[test]
fn batches_come_back_from_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let place = Some(dir.path().to_owned());
    let object = SpillBackend::Object { url: format!("memory://{}/spills", uuid::Uuid::new_v4().simple()) };
    let tiered = SpillBackend::Tiered { directory: place.clone(), memory_bytes: 100_000 };
    let types = [DataType::Int64, DataType::Utf8, DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8))];
    let large = batch_of(&mut Rng(8), &types, 30_000);
    let batches: Vec<_> = (0..60).map(|i| large.slice(i * 13, i * i * 5)).chain([large.clone()]).collect();
    for backend in [SpillBackend::Local { directory: place }, SpillBackend::Memory, tiered, object] {
        let mappable = !matches!(backend, SpillBackend::Object { .. });
        let store = store_of(backend, None);
        for encrypt in [false, true] {
            let begun = store.begin(SpillOptions { encrypt }).unwrap();
            let mut writer = BatchSpillWriter::new(begun, large.schema_ref(), Compression::None).unwrap();
            batches.iter().for_each(|batch| block_on(writer.write(batch), -1).unwrap());
            let spill = block_on(writer.finish(), -1).unwrap();
            for index in [0, 7, 60] {
                assert_eq!(block_on(spill.batch(index), -1).unwrap(), batches[index]);
            }
            let mut stream = spill.stream();
            for batch in &batches {
                assert_eq!(block_on(stream.next(), -1).unwrap().as_ref(), Some(batch));
            }
            match spill.mapped(60, VERIFIED) {
                Ok(batch) => assert!(batch == large && mappable && !encrypt),
                Err(error) => assert!(error.kind() == ErrorKind::Unsupported && (encrypt || !mappable), "{error}"),
            }
        }
    }
}

#[test]
fn large_batches_and_many_small_ones() {
    let dir = tempfile::tempdir().unwrap();
    let store = local(dir.path());
    let mut rng = Rng(4);
    let types = [
        DataType::Int64,
        DataType::Utf8,
        DataType::Utf8View,
        DataType::Boolean,
        DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8)),
    ];
    let large = batch_of(&mut rng, &types, 60_000);
    let mut batches: Vec<_> = (0..300).map(|i| large.slice(i * 7, i % 40)).collect();
    batches.insert(150, large.clone());
    batches.push(large.slice(3, 50_000));
    for compression in codecs() {
        assert_round_trip(&store, &large.schema(), &batches, compression);
    }
}

/// PITFALLS C6: a slice does not take its parent along, nor does a dictionary what is not used of it.
#[test]
fn slices_are_compacted() {
    let values: StringArray = (0..10_000).map(|i| Some(format!("a value that is not short {i}"))).collect();
    let keys: arrow_array::Int32Array = (0..10_000).collect();
    let dictionary: DictionaryArray<Int32Type> = DictionaryArray::try_new(keys, Arc::new(values.clone())).unwrap();
    let views: arrow_array::StringViewArray = values.iter().collect();
    let columns: [(&str, ArrayRef); 3] = [("text", Arc::new(values)), ("key", Arc::new(dictionary)), ("view", Arc::new(views))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let spill = write(&memory(), batch.schema_ref(), &[batch.slice(5000, 10)], Compression::None);
    assert!(spill.spill().len() < 8 * 1024, "{}", spill.spill().len());
    let read = read(&spill, 0).unwrap();
    assert_eq!(read, batch.slice(5000, 10));
    assert!(allocated_bytes(&[read]) < 16 * 1024);
}

/// Each batch has its own dictionaries: grown, replaced, emptied, with other numbers for the same values.
#[test]
fn dictionaries_differ_from_batch_to_batch() {
    let nested = |texts: &[Option<&str>]| {
        let keys: DictionaryArray<Int8Type> = texts.iter().copied().collect();
        let items = Field::new_list_field(keys.data_type().clone(), true);
        let offsets = arrow_buffer::OffsetBuffer::from_lengths(vec![1; texts.len()]);
        let lists = arrow_array::ListArray::try_new(Arc::new(items), offsets, Arc::new(keys.clone()), None).unwrap();
        RecordBatch::try_from_iter_with_nullable([("key", Arc::new(keys) as ArrayRef, true), ("list", Arc::new(lists) as ArrayRef, true)])
            .unwrap()
    };
    let batches = [
        nested(&[Some("a"), Some("b"), None, Some("a")]),
        nested(&[Some("a"), Some("b"), Some("c")]),
        nested(&[Some("z"), Some("a")]),
        nested(&[None, None]),
        nested(&[Some("c")]),
    ];
    for compression in codecs() {
        assert_round_trip(&memory(), &batches[0].schema(), &batches, compression);
    }
}

#[test]
fn batches_without_rows_or_columns_are_batches_too() {
    let none: SchemaRef = Arc::new(Schema::empty());
    let rows =
        |rows| RecordBatch::try_new_with_options(none.clone(), vec![], &RecordBatchOptions::new().with_row_count(Some(rows))).unwrap();
    let batches = [rows(3), rows(0), rows(1 << 40)];
    let spill = write(&memory(), &none, &batches, Compression::None);
    assert_eq!((spill.rows(), spill.spill().len()), ((1 << 40) + 3, 0));
    assert_eq!(stream(&spill).unwrap(), batches);
    assert_eq!(mapped_stream(&spill).unwrap(), batches);

    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8, false)]));
    let empty = RecordBatch::new_empty(schema.clone());
    for batches in [vec![], vec![empty.clone(), empty]] {
        assert_round_trip(&memory(), &schema, &batches, Compression::None);
    }
}

/// Keys that the log reserves for itself are the caller's own here; batches come back under the writer's schema.
#[test]
fn the_schema_comes_back_as_it_was_given() {
    let metadata = [("generation".to_owned(), "mine".to_owned()), ("k".to_owned(), "v".to_owned())];
    let field = Field::new("a", DataType::Int64, true).with_metadata([("unit".to_owned(), "s".to_owned())]);
    let schema: SchemaRef = Arc::new(Schema::new_with_metadata(vec![field], metadata));
    let plain = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef)]).unwrap();
    let spill = write(&memory(), &schema, std::slice::from_ref(&plain), Compression::None);
    for batch in [read(&spill, 0).unwrap(), stream(&spill).unwrap().remove(0), spill.mapped(0, VERIFIED).unwrap()] {
        assert_eq!((batch.schema(), batch.columns()), (schema.clone(), plain.columns()));
    }
}

#[test]
fn a_refused_batch_leaves_no_trace() {
    let ids = |n: i64| RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from_iter_values(0..n)) as ArrayRef)]).unwrap();
    let text = RecordBatch::try_from_iter([("id", Arc::new(StringArray::from(vec!["1"])) as ArrayRef)]).unwrap();
    let null = RecordBatch::try_from_iter_with_nullable([("id", Arc::new(Int64Array::from(vec![None])) as ArrayRef, true)]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for backend in [SpillBackend::Memory, SpillBackend::Local { directory: Some(dir.path().to_owned()) }] {
        let store = store_of(backend, Some(200_000));
        let mut writer = writer(&store, ids(1).schema_ref(), Compression::None).unwrap();
        let mut write = |batch: &RecordBatch| block_on(writer.write(batch), 0).map_err(|error| error.kind());
        assert_eq!(write(&ids(10_000)), Ok(()));
        assert_eq!(write(&ids(20_000)), Err(ErrorKind::DiskCapExceeded));
        assert_eq!(write(&text), Err(ErrorKind::SchemaMismatch));
        assert_eq!(write(&text.slice(0, 0)), Err(ErrorKind::SchemaMismatch));
        assert_eq!(write(&null), Err(ErrorKind::InvalidData));
        assert_eq!(write(&ids(7)), Ok(()));
        assert_eq!((writer.batch_count(), writer.rows()), (2, 10_007));
        let spill = block_on(writer.finish(), 0).unwrap();
        assert_eq!(stream(&spill).unwrap(), [ids(10_000), ids(7)]);
        assert_eq!(store.used_bytes(), spill.spill().len());
        drop(spill);
        assert_eq!(store.used_bytes(), 0);
    }
}

#[test]
fn a_schema_that_cannot_be_stored_is_refused_before_anything_is_written() {
    let inner = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    let schema = Schema::new(vec![Field::new("d", DataType::Dictionary(Box::new(DataType::Int8), Box::new(inner)), true)]);
    let store = memory();
    let error = writer(&store, &schema, Compression::None).unwrap_err();
    assert!(error.kind() == ErrorKind::SchemaMismatch && error.message().contains("'d'"), "{error}");
    assert_eq!((store.used_bytes(), store.stats().open_writers), (0, 0));
}

/// Buffers of a mapped batch lie in the file's mapping, at multiples of 64.
#[test]
fn mapped_batches_borrow_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = local(dir.path());
    let mut rng = Rng(9);
    let types: Vec<_> = every_type().into_iter().filter(|t| !matches!(t, DataType::Null)).collect();
    let batch = batch_of(&mut rng, &types, 30);
    let spill = write(&store, batch.schema_ref(), &[batch.clone(), batch.clone()], Compression::None);
    let mapping = spill.spill().map().unwrap();
    // The stream's mapping is another one: what counts is that two batches of it are as far apart as in the file.
    fn buffers(data: &ArrayData, into: &mut Vec<usize>) {
        into.extend(
            data.buffers().iter().chain(data.nulls().map(|nulls| nulls.buffer())).filter(|b| !b.is_empty()).map(|b| b.as_ptr() as usize),
        );
        data.child_data().iter().for_each(|child| buffers(child, into));
    }
    let addresses = |index| {
        let mut found = Vec::new();
        let batch = spill.mapped(index, MapOptions::default()).unwrap();
        batch.columns().iter().for_each(|column| buffers(&column.to_data(), &mut found));
        found
    };
    let (first, second) = (addresses(0), addresses(1));
    assert!(first.iter().chain(&second).all(|at| at % 64 == 0));
    let base = *first.iter().min().unwrap();
    assert!(first.iter().chain(&second).all(|at| at - base < mapping.len()), "a buffer was copied");
    assert!(first.iter().zip(&second).all(|(a, b)| b - a == mapping.len() / 2));
}

/// What was mapped stays until it is let go, whatever becomes of the spill; then the file goes, and its bytes return.
#[test]
fn a_mapped_batch_keeps_the_spill() {
    let dir = tempfile::tempdir().unwrap();
    let store = local(dir.path());
    let batch = batch_of(&mut Rng(1), &[DataType::Int64, DataType::Utf8], 1000);
    let spill = write(&store, batch.schema_ref(), std::slice::from_ref(&batch), Compression::None);
    let (mapped, copied) = (spill.mapped(0, VERIFIED).unwrap(), read(&spill, 0).unwrap());
    drop(spill);
    assert!(store.used_bytes() > 0 && file_below(dir.path()).exists());
    assert_eq!(mapped, batch);
    drop(mapped);
    assert_eq!(store.used_bytes(), 0);
    assert_eq!(copied, batch, "what was copied needs no spill");
}

/// A stream reads into memory that came back, and never into memory that is still in use.
#[test]
fn batches_of_a_stream_stay_as_they_are() {
    let batches: Vec<_> = (0..8)
        .map(|i| RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![i; 40_000 + i as usize])) as ArrayRef)]).unwrap())
        .collect();
    let spill = write(&memory(), batches[0].schema_ref(), &batches, Compression::None);
    let mut stream = spill.stream();
    let mut kept = Vec::new();
    let mut places = std::collections::HashSet::new();
    for (i, expected) in batches.iter().enumerate() {
        let batch = block_on(stream.next(), 0).unwrap().unwrap();
        assert_eq!(&batch, expected);
        places.insert(batch.column(0).to_data().buffers()[0].as_ptr());
        if i < 3 {
            kept.push(batch);
        }
        assert!(kept.iter().zip(&batches).all(|(kept, expected)| kept == expected));
    }
    assert!(block_on(stream.next(), 0).unwrap().is_none() && block_on(stream.next(), 0).unwrap().is_none());
    assert!(places.len() < batches.len(), "no memory was used again");
}

#[test]
fn many_threads_read_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = local(dir.path());
    let batch = batch_of(&mut Rng(5), &[DataType::Int64, DataType::Utf8], 2000);
    let batches: Vec<_> = (0..20).map(|i| batch.slice(i * 50, 900)).collect();
    let spill = write(&store, batch.schema_ref(), &batches, Compression::None);
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (spill, batches) = (spill.clone(), &batches);
            scope.spawn(move || {
                for (i, batch) in batches.iter().enumerate() {
                    match (thread + i) % 3 {
                        0 => assert_eq!(&read(&spill, i).unwrap(), batch),
                        1 => assert_eq!(&spill.mapped(i, VERIFIED).unwrap(), batch),
                        _ => assert_eq!(&stream(&spill).unwrap(), batches),
                    }
                }
            });
        }
    });
    drop(spill);
    assert_eq!(store.used_bytes(), 0);
}

/// PITFALLS C10: every bit that flips on the disk is an error that names the batch; a mapped batch, which is not compared unless that
/// is asked for, is valid or an error.
#[test]
fn every_flipped_bit_is_corruption() {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8));
    for compression in codecs() {
        let dir = tempfile::tempdir().unwrap();
        let store = local(dir.path());
        let batch = batch_of(&mut Rng(1), &[DataType::Int64, DataType::Utf8, DataType::Boolean, dictionary.clone()], 5);
        let spill = write(&store, batch.schema_ref(), &[batch.clone(), batch.slice(1, 3)], compression);
        let path = file_below(dir.path());
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len() as u64, spill.spill().len());
        let end_of_first = bytes.len() - write(&memory(), batch.schema_ref(), &[batch.slice(1, 3)], compression).spill().len() as usize;
        let mut damaged = bytes.clone();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                damaged[at] ^= 1 << bit;
                overwrite(&path, &damaged, at);
                let index = usize::from(at >= end_of_first);
                for result in [read(&spill, index).map(drop), stream(&spill).map(drop)] {
                    let error = result.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Corruption, "byte {at}, bit {bit}: {error}");
                    assert_eq!(error.detail_u64("batch"), Some(index as u64), "{error}");
                }
                if compression == Compression::None {
                    assert_eq!(mapped_stream(&spill.clone()).map_err(|e| e.kind()).unwrap_err(), ErrorKind::Corruption);
                    match spill.mapped(index, MapOptions::default()) {
                        Ok(batch) => validate(&[batch]),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Corruption, "{error}"),
                    }
                }
                damaged[at] ^= 1 << bit;
            }
            overwrite(&path, &damaged, at);
        }
        assert_eq!(read(&spill, 0).unwrap(), batch);
    }
}

fn overwrite(path: &Path, bytes: &[u8], at: usize) {
    use std::os::unix::fs::FileExt;
    std::fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(&bytes[at..=at], at as u64).unwrap();
}

#[test]
fn a_file_that_was_cut_off_or_replaced_is_corruption() {
    let dir = tempfile::tempdir().unwrap();
    let store = local(dir.path());
    let batch = batch_of(&mut Rng(2), &[DataType::Int64], 100);
    let spill = write(&store, batch.schema_ref(), &[batch.clone(), batch.clone()], Compression::None);
    let path = file_below(dir.path());
    let len = spill.spill().len();
    for cut in [len - 1, len / 2 + 1, len / 2, 1, 0] {
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(cut).unwrap();
        assert_eq!(read(&spill, 1).unwrap_err().kind(), ErrorKind::Corruption, "{cut}");
        assert_eq!(spill.mapped(1, MapOptions::default()).unwrap_err().kind(), ErrorKind::Corruption, "{cut}");
        assert_eq!(read(&spill, 0).is_ok(), cut >= len / 2, "{cut}");
    }
    drop(spill);
    assert_eq!(store.used_bytes(), 0);
}
