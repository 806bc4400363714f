//! What an entry accepts and refuses, and what it makes of what it accepts.

mod entry_support;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Int32Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, FixedSizeListArray, Int16Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray,
    StructArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use entry_support::*;
use weir::error::{Detail, Error, ErrorKind};
use weir::wal::entry::{BatchEncoder, Compression, EntryId, RESERVED_KEYS, SchemaCache, assemble, decode, entry_id, sentinel};

fn schema(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

fn encoder(schema: &Schema) -> BatchEncoder {
    BatchEncoder::new(schema, Compression::None).unwrap()
}

fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(schema.clone(), columns).unwrap()
}

fn ints(values: Vec<Option<i32>>) -> ArrayRef {
    Arc::new(Int32Array::from(values))
}

fn all_reserved() -> HashMap<String, String> {
    let mut metadata: HashMap<_, _> = RESERVED_KEYS.iter().map(|key| ((*key).to_owned(), "99".to_owned())).collect();
    metadata.insert("mine".into(), "kept".into());
    metadata
}

/// PITFALLS A5: on write.
#[test]
fn a_callers_reserved_metadata_is_stripped_on_write() {
    let forged = Arc::new(Schema::new_with_metadata(vec![Field::new("a", DataType::Int32, true)], all_reserved()));
    let encoder = encoder(&forged);
    assert_eq!(encoder.schema().metadata(), &HashMap::from([("mine".to_owned(), "kept".to_owned())]));
    let encoded = encoder.encode(&batch(&forged, vec![ints(vec![Some(1)])])).unwrap();
    let bytes = object(&assemble(&encoder.preamble(4, Some(2)).unwrap(), [&encoded], ID));
    let (stored, _) = read_with_arrow(&bytes);
    let expected = [("generation", "2"), ("mine", "kept"), ("writer_epoch", "4")];
    assert_eq!(stored.metadata(), &expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<HashMap<_, _>>());
    let entry = read(bytes).unwrap();
    assert_eq!((entry.epoch, entry.generation, entry.is_sentinel), (4, Some(2), false));
}

/// PITFALLS A5: on read, for every reserved key.
#[test]
fn reserved_metadata_never_reaches_a_reader() {
    let mut metadata = all_reserved();
    metadata.remove("fence_sentinel");
    let schema = Arc::new(Schema::new_with_metadata(vec![Field::new("a", DataType::Int32, true)], metadata));
    let entry = read(stream_of(&batch(&schema, vec![ints(vec![Some(1)])]))).unwrap();
    assert_eq!((entry.epoch, entry.generation, entry.id), (99, Some(99), None));
    let kept = HashMap::from([("mine".to_owned(), "kept".to_owned())]);
    assert_eq!(entry.schema.metadata(), &kept);
    assert_eq!(entry.batches[0].schema().metadata(), &kept);
}

/// A forged sentinel, which would hide its rows from Lance, is damage.
#[test]
fn a_sentinel_with_columns_is_corruption() {
    for value in ["true", "false"] {
        let metadata = HashMap::from([("writer_epoch".to_owned(), "1".to_owned()), ("fence_sentinel".to_owned(), value.to_owned())]);
        let schema = Arc::new(Schema::new_with_metadata(vec![Field::new("a", DataType::Int32, true)], metadata));
        let error = read(stream_of(&batch(&schema, vec![ints(vec![Some(1)])]))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption);
    }
}

/// PITFALLS A6.
#[test]
fn a_bad_batch_is_refused_and_does_not_harm_its_neighbours() {
    let schema = schema(vec![Field::new("a", DataType::Int32, true), Field::new("b", DataType::Utf8, true)]);
    let encoder = encoder(&schema);
    let good = batch(&schema, vec![ints(vec![Some(1), None]), Arc::new(StringArray::from(vec!["x", "y"]))]);
    let refused = |batch: &RecordBatch| {
        let error = encoder.encode(batch).unwrap_err();
        let entry = encode(&schema, std::slice::from_ref(&good), Compression::None);
        assert_eq!(read(object(&entry)).unwrap().batches, std::slice::from_ref(&good));
        error
    };
    assert_eq!(refused(&good.slice(0, 0)).kind(), ErrorKind::InvalidData);
    let renamed = good.clone().with_schema(Arc::new(Schema::new(vec![schema.field(0).clone(), Field::new("c", DataType::Utf8, true)])));
    // arrow itself refuses to rename, so the batch is made anew.
    assert!(renamed.is_err());
    let other = |fields: Vec<Field>, columns: Vec<ArrayRef>| batch(&Arc::new(Schema::new(fields)), columns);
    let renamed = other(vec![schema.field(0).clone(), Field::new("c", DataType::Utf8, true)], good.columns().to_vec());
    let retyped = other(
        vec![Field::new("a", DataType::Int64, true), schema.field(1).clone()],
        vec![Arc::new(Int64Array::from(vec![1, 2])), good.column(1).clone()],
    );
    let missing = other(vec![schema.field(0).clone()], vec![good.column(0).clone()]);
    for (bad, named) in [(renamed, "'b'"), (retyped, "'a'"), (missing, "1 columns")] {
        let error = refused(&bad);
        assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
        assert!(error.message().contains(named), "{error}");
    }
}

/// PITFALLS A9: also below the top.
#[test]
fn batches_that_differ_in_nullability_and_metadata_are_normalised() {
    let nested = |nullable: bool, item: &str, note: &str| {
        let note = || HashMap::from([("note".to_owned(), note.to_owned())]);
        let list = DataType::List(Arc::new(Field::new(item, DataType::Int32, nullable)));
        let inner = Fields::from(vec![Field::new("x", list, nullable).with_metadata(note())]);
        let fields = vec![Field::new("s", DataType::Struct(inner.clone()), nullable).with_metadata(note())];
        (Arc::new(Schema::new_with_metadata(fields, note())), inner)
    };
    let array = |inner: &Fields| {
        let DataType::List(item) = inner[0].data_type() else { unreachable!() };
        let list = ListArray::new(item.clone(), OffsetBuffer::from_lengths([2, 1]), ints(vec![Some(1), Some(2), Some(3)]), None);
        Arc::new(StructArray::new(inner.clone(), vec![Arc::new(list)], None)) as ArrayRef
    };
    let (strict, strict_inner) = nested(false, "item", "one");
    let (loose, loose_inner) = nested(true, "element", "two");
    let (ours, theirs) = (batch(&strict, vec![array(&strict_inner)]), batch(&loose, vec![array(&loose_inner)]));
    for (schema, expected) in [(&strict, &ours), (&loose, &theirs)] {
        let entry = read(object(&encode(schema, &[ours.clone(), theirs.clone()], Compression::None))).unwrap();
        assert_eq!(entry.batches, [expected.clone(), expected.clone()]);
        assert_eq!(&entry.schema, schema);
    }
}

fn nulls_refused(strict: Fields, column: ArrayRef, path: &str) {
    // The batch declares everything nullable; the log's schema does not.
    let loose = schema(vec![Field::new(strict[0].name(), column.data_type().clone(), true)]);
    let error: Error = encoder(&Schema::new(strict)).encode(&batch(&loose, vec![column])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    assert_eq!(error.detail("field"), Some(&Detail::Str(path.into())), "{error}");
    assert!(error.message().contains(path), "{error}");
}

#[test]
fn nulls_where_the_schema_allows_none_are_refused_by_path() {
    let values = || ints(vec![Some(1), None, Some(3), Some(4)]);
    let field = |name: &str, t: DataType, nullable| Field::new(name, t, nullable);
    nulls_refused(vec![field("a", DataType::Int32, false)].into(), values(), "a");

    let inner = |nullable| Fields::from(vec![field("x", DataType::Int32, nullable)]);
    let column = Arc::new(StructArray::new(inner(true), vec![values()], None));
    nulls_refused(vec![field("s", DataType::Struct(inner(false)), true)].into(), column, "s.x");

    let item = |nullable| Arc::new(field("item", DataType::Int32, nullable));
    let column = Arc::new(ListArray::new(item(true), OffsetBuffer::from_lengths([1, 3]), values(), None));
    nulls_refused(vec![field("l", DataType::List(item(false)), true)].into(), column, "l.item");

    let column = Arc::new(FixedSizeListArray::new(item(true), 2, values(), None));
    nulls_refused(vec![field("f", DataType::FixedSizeList(item(false), 2), true)].into(), column, "f.item");

    let keys = Int16Array::from(vec![0, 1, 0]);
    let column = Arc::new(DictionaryArray::new(keys, Arc::new(StringArray::from(vec![Some("x"), None]))));
    let dictionary = DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8));
    nulls_refused(vec![field("d", dictionary, false)].into(), column, "d");
}

#[test]
fn nulls_outside_of_what_is_logged_or_below_a_null_are_no_fault() {
    let strict = schema(vec![Field::new("a", DataType::Int32, false)]);
    let loose = schema(vec![Field::new("a", DataType::Int32, true)]);
    let some_nulls = batch(&loose, vec![ints(vec![None, Some(1), Some(2), None])]);
    let encoded = encoder(&strict).encode(&some_nulls.slice(1, 2)).unwrap();
    assert_eq!(encoded.rows(), 2);

    let inner = Fields::from(vec![Field::new("x", DataType::Int32, false)]);
    let below = StructArray::new(inner.clone(), vec![ints(vec![Some(1), None])], Some(NullBuffer::from(vec![true, false])));
    let structs = schema(vec![Field::new("s", DataType::Struct(inner), true)]);
    let mut lists = FixedSizeListBuilder::new(Int32Builder::new(), 2).with_field(Arc::new(Field::new("item", DataType::Int32, false)));
    lists.values().append_slice(&[1, 2]);
    lists.append(true);
    lists.values().append_nulls(2);
    lists.append(false);
    let lists = lists.finish();
    let fixed = schema(vec![Field::new("f", lists.data_type().clone(), true)]);
    for batch in [batch(&structs, vec![Arc::new(below)]), batch(&fixed, vec![Arc::new(lists)])] {
        let bytes = object(&encode(&batch.schema(), std::slice::from_ref(&batch), Compression::None));
        assert_eq!(read(foreign(bytes.clone())).unwrap().batches, std::slice::from_ref(&batch));
        assert_eq!(read(bytes).unwrap().batches, [batch]);
    }
}

#[test]
fn schemas_that_cannot_be_stored_are_refused() {
    use DataType::*;
    let item = |t: DataType| Arc::new(Field::new("item", t, true));
    let pair = Struct(vec![Field::new("k", Utf8, true), Field::new("v", Utf8, true)].into());
    let deep = (0..70).fold(Int32, |inner, _| List(item(inner)));
    let types = [
        Dictionary(Box::new(Int8), Box::new(Dictionary(Box::new(Int8), Box::new(Utf8)))),
        Dictionary(Box::new(Float32), Box::new(Utf8)),
        Time32(TimeUnit::Nanosecond),
        Time64(TimeUnit::Second),
        FixedSizeBinary(-1),
        FixedSizeList(item(Int32), -1),
        Map(Arc::new(Field::new("entries", pair, false)), false),
        Map(item(Int32), false),
        RunEndEncoded(item(Int32), item(Utf8)),
        RunEndEncoded(Arc::new(Field::new("e", Int8, false)), item(Utf8)),
        Struct(vec![Field::new("inner", Time32(TimeUnit::Microsecond), true)].into()),
        deep,
    ];
    for data_type in types {
        let error = BatchEncoder::new(&Schema::new(vec![Field::new("bad", data_type.clone(), true)]), Compression::None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{data_type}");
        assert!(error.message().contains("'bad'"), "{error}");
    }
    let error = BatchEncoder::new(&Schema::empty(), Compression::None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    let nested = (0..25).fold(Int32, |inner, _| List(item(inner)));
    encoder(&Schema::new(vec![Field::new("fine", nested, true)]));
}

/// Each batch brings its own dictionary, and those inside a dictionary's values come first.
#[test]
fn dictionaries_are_replaced_from_batch_to_batch() {
    let column = |values: Vec<&str>, keys: Vec<i32>| {
        let dictionary: DictionaryArray<Int32Type> = DictionaryArray::new(Int32Array::from(keys), Arc::new(StringArray::from(values)));
        let inner: ArrayRef = Arc::new(dictionary);
        let fields = Fields::from(vec![Field::new("inner", inner.data_type().clone(), true)]);
        let structs: ArrayRef = Arc::new(StructArray::new(fields, vec![inner.clone()], None));
        let keys = Int32Array::from((0..structs.len() as i32).rev().collect::<Vec<_>>());
        let outer: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::new(keys, structs));
        let lengths = OffsetBuffer::from_lengths((0..inner.len()).map(|_| 1));
        let list = ListArray::new(Arc::new(Field::new("item", inner.data_type().clone(), true)), lengths, inner.clone(), None);
        [inner, outer, Arc::new(list)]
    };
    let batches = [column(vec!["a", "b"], vec![0, 1, 0]), column(vec!["c"], vec![0, 0, 0]), column(vec!["x", "y", "z"], vec![2, 1, 0])];
    let batches =
        batches.map(|[a, b, c]| RecordBatch::try_from_iter_with_nullable([("a", a, true), ("b", b, true), ("c", c, true)]).unwrap());
    let bytes = object(&encode(&batches[0].schema(), &batches, Compression::None));
    let (_, theirs) = read_with_arrow(&bytes);
    let entry = read(bytes).unwrap();
    for (index, expected) in [["a", "b", "a"], ["c", "c", "c"], ["z", "y", "x"]].iter().enumerate() {
        for batch in [&entry.batches[index], &theirs[index]] {
            assert_eq!(batch.columns(), batches[index].columns());
            let strings = batch.column(0).as_dictionary::<Int32Type>();
            let strings: Vec<_> = strings.downcast_dict::<StringArray>().unwrap().into_iter().flatten().collect();
            assert_eq!(strings, expected);
        }
    }
}

#[test]
fn extension_types_and_field_metadata_pass_through() {
    let note = HashMap::from([("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned()), ("lance:field_id".to_owned(), "4".to_owned())]);
    let schema = schema(vec![Field::new("u", DataType::FixedSizeBinary(16), false).with_metadata(note.clone())]);
    let column = arrow_array::FixedSizeBinaryArray::try_from_iter([[7_u8; 16]].into_iter()).unwrap();
    let bytes = object(&encode(&schema, &[batch(&schema, vec![Arc::new(column)])], Compression::None));
    assert_eq!(read_with_arrow(&bytes).0.field(0).metadata(), &note);
    assert_eq!(read(bytes).unwrap().schema, schema);
}

#[test]
fn a_sentinel_tells_its_epoch_and_nothing_else() {
    for epoch in [1, u64::MAX] {
        let encoded = sentinel(epoch, ID).unwrap();
        assert_eq!((encoded.batches, encoded.rows, encoded.parts.len()), (0, 0, 1));
        let entry = read(object(&encoded)).unwrap();
        assert!(entry.is_sentinel && entry.batches.is_empty() && entry.schema.fields().is_empty());
        assert_eq!((entry.epoch, entry.generation, entry.id, entry.rows()), (epoch, None, Some(ID), 0));
    }
}

#[test]
fn an_entry_without_batches_that_is_no_sentinel_is_corruption() {
    let encoder = encoder(&Schema::new(vec![Field::new("a", DataType::Int32, true)]));
    let entry = assemble(&encoder.preamble(1, None).unwrap(), [], ID);
    assert_eq!(read(object(&entry)).unwrap_err().kind(), ErrorKind::Corruption);
}

/// Rows without columns mean nothing, whoever wrote them.
#[test]
fn an_entry_without_columns_that_is_no_sentinel_is_corruption() {
    let schema = Arc::new(Schema::new_with_metadata(Fields::empty(), HashMap::from([("writer_epoch".to_owned(), "1".to_owned())])));
    let rows = arrow_array::RecordBatchOptions::new().with_row_count(Some(3));
    let batch = RecordBatch::try_new_with_options(schema, vec![], &rows).unwrap();
    assert_eq!(read(stream_of(&batch)).unwrap_err().kind(), ErrorKind::Corruption);
}

#[test]
fn the_schema_is_parsed_once_for_entries_that_have_the_same() {
    let schema = schema(vec![Field::new("a", DataType::Int32, true)]);
    let encoder = encoder(&schema);
    let encoded = encoder.encode(&batch(&schema, vec![ints(vec![Some(1)])])).unwrap();
    let mut cache = SchemaCache::default();
    let mut read = |epoch, generation, position| {
        let entry = assemble(&encoder.preamble(epoch, generation).unwrap(), [&encoded], EntryId([position as u8; 16]));
        let bytes = object(&entry);
        assert_eq!(entry_id(&bytes[bytes.len() - 60..]), Some(entry.id));
        decode("x", position, bytes.into(), &mut cache).unwrap()
    };
    let (first, second) = (read(1, None, 1), read(1, None, 2));
    assert!(Arc::ptr_eq(&first.schema, &second.schema));
    assert!(Arc::ptr_eq(&first.schema, first.batches[0].schema_ref()));
    let third = read(2, Some(9), 3);
    assert_eq!((third.epoch, third.generation, second.epoch, second.generation), (2, Some(9), 1, None));
}

#[test]
fn threads_share_an_encoder() {
    for compression in codecs() {
        let mut rng = Rng(5);
        let batch = batch_of(&mut rng, &[DataType::Int64, DataType::Utf8], 2000);
        let encoder = BatchEncoder::new(&batch.schema(), compression).unwrap();
        let expected = encoder.encode(&batch).unwrap().parts().concat();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50).for_each(|_| assert_eq!(encoder.encode(&batch).unwrap().parts().concat(), expected)));
            }
        });
    }
}

#[test]
fn a_compression_that_the_build_lacks_is_refused_at_once() {
    let schema = Schema::new(vec![Field::new("a", DataType::Int32, true)]);
    for compression in [Compression::Lz4, Compression::Zstd] {
        match BatchEncoder::new(&schema, compression) {
            Ok(_) => assert!(codecs().contains(&compression)),
            Err(error) => assert!(error.kind() == ErrorKind::Unsupported && !codecs().contains(&compression), "{error}"),
        }
    }
}

/// Compressed bodies are smaller, and stay as they are where that is not so.
#[test]
fn compression_saves_space_where_it_can() {
    let mut rng = Rng(8);
    let even = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![7; 50_000])) as ArrayRef)]).unwrap();
    let noise = Int64Array::from_iter_values((0..50_000).map(|_| rng.next() as i64));
    let noise = RecordBatch::try_from_iter([("a", Arc::new(noise) as ArrayRef)]).unwrap();
    for compression in codecs() {
        let [small, large] = [&even, &noise].map(|batch| encode(&batch.schema(), std::slice::from_ref(batch), compression).len);
        assert_eq!(small < 20_000, compression != Compression::None, "{small}");
        assert!(large < 50_000 * 8 + 2048, "{large}");
    }
}
