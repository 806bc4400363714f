use std::sync::Arc;

use arrow_array::builder::{
    Int32Builder, ListBuilder, ListViewBuilder, MapBuilder, StringBuilder, StringDictionaryBuilder, StringRunBuilder, StringViewBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::*;
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer, i256};
use arrow_schema::{DataType, Field, Schema, UnionFields, UnionMode};

use super::testing::{Bent, one_column, produce};
use super::{export_batch, import_batch, take};
use crate::error::{ErrorKind, Result};

fn strings() -> ArrayRef {
    Arc::new(StringArray::from(vec![Some("one"), None, Some(""), Some("four")]))
}

fn lists() -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    builder.append_value([Some("a"), None]);
    builder.append_null();
    builder.append_value([Some("bcd")]);
    builder.append_value(std::iter::empty::<Option<&str>>());
    Arc::new(builder.finish())
}

fn views() -> ArrayRef {
    let mut builder = StringViewBuilder::new().with_fixed_block_size(32);
    for text in ["short", "much longer than twelve bytes", "another one that is not inlined"] {
        builder.append_value(text);
    }
    builder.append_null();
    Arc::new(builder.finish())
}

fn dictionaries() -> ArrayRef {
    let mut builder = StringDictionaryBuilder::<Int8Type>::new();
    for text in [Some("x"), Some("y"), None, Some("x")] {
        builder.append_option(text);
    }
    Arc::new(builder.finish())
}

fn structs() -> ArrayRef {
    let fields = vec![Field::new("n", DataType::Int32, true), Field::new("s", DataType::Utf8, true)];
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3), Some(4)]));
    Arc::new(StructArray::new(fields.into(), vec![numbers, strings()], Some(NullBuffer::from(vec![true, true, false, true]))))
}

fn unions(mode: UnionMode) -> ArrayRef {
    let fields = [(3, Arc::new(Field::new("i", DataType::Int32, true))), (5, Arc::new(Field::new("s", DataType::Utf8, true)))];
    let fields: UnionFields = fields.into_iter().collect();
    let offsets = (mode == UnionMode::Dense).then(|| ScalarBuffer::from(vec![0, 0, 1, 1]));
    let children: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![1, 2, 3, 4])), strings()];
    Arc::new(UnionArray::try_new(fields, ScalarBuffer::from(vec![3i8, 5, 5, 3]), offsets, children).unwrap())
}

fn maps() -> ArrayRef {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    for row in 0..4 {
        for key in 0..row {
            builder.keys().append_value(format!("k{key}"));
            builder.values().append_option((key > 0).then_some(row));
        }
        builder.append(row != 2).unwrap();
    }
    Arc::new(builder.finish())
}

fn list_views() -> ArrayRef {
    let mut builder = ListViewBuilder::new(Int32Builder::new());
    for row in 0..4 {
        builder.append_value((0..row).map(Some));
    }
    Arc::new(builder.finish())
}

fn runs() -> ArrayRef {
    let mut builder = StringRunBuilder::<Int32Type>::new();
    builder.extend([Some("a"), Some("a"), None, Some("b")]);
    Arc::new(builder.finish())
}

fn fixed_lists() -> ArrayRef {
    let field = Arc::new(Field::new("item", DataType::Int32, true));
    let values = Arc::new(Int32Array::from((0..8).collect::<Vec<_>>()));
    Arc::new(FixedSizeListArray::new(field, 2, values, Some(NullBuffer::from(vec![true, false, true, true]))))
}

/// Four rows of every kind of layout.
fn all() -> Vec<ArrayRef> {
    let decimal = Decimal256Array::from(vec![Some(i256::from(7)), None, Some(i256::MINUS_ONE), Some(i256::ZERO)]);
    vec![
        Arc::new(NullArray::new(4)),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)])),
        Arc::new(Int32Array::from(vec![Some(1), None, Some(3), Some(4)])),
        Arc::new(Int64Array::from(vec![1, 2, 3, 4])),
        Arc::new(Decimal128Array::from(vec![Some(1), None, Some(3), Some(4)])),
        Arc::new(decimal),
        Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 3, 4]).with_timezone("UTC")),
        Arc::new(IntervalMonthDayNanoArray::new_null(4)),
        Arc::new(FixedSizeBinaryArray::try_from_iter((0u8..4).map(|byte| [byte; 3])).unwrap()),
        strings(),
        Arc::new(LargeStringArray::from(vec![Some("one"), None, Some("三"), Some("")])),
        Arc::new(BinaryArray::from_vec(vec![b"", b"\xff", b"ab", b"c"])),
        Arc::new(StringArray::from(vec![""; 4])),
        views(),
        Arc::new(BinaryViewArray::from_iter_values([b"a".as_slice(), b"b", b"c", b"d"])),
        lists(),
        Arc::new(LargeListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), None, Some(vec![]), Some(vec![None])])),
        list_views(),
        fixed_lists(),
        structs(),
        maps(),
        unions(UnionMode::Dense),
        unions(UnionMode::Sparse),
        dictionaries(),
        runs(),
    ]
}

#[test]
fn every_layout_comes_through_whole_and_sliced() {
    for array in all() {
        let batch = one_column(Arc::clone(&array));
        let middle = one_column(array.slice(1, 2));
        for batch in [&batch, &middle, &batch.slice(1, 3), &batch.slice(4, 0)] {
            for validate in [true, false] {
                let (array, released) = produce(batch, |_| ());
                let imported = import_batch(array, &batch.schema(), validate).unwrap_or_else(|e| panic!("{:?}: {e}", array_type(batch)));
                assert_eq!(&imported, batch);
                drop(imported);
                assert_eq!(released.count(), 1, "{:?}", array_type(batch));
            }
        }
        for batch in [&batch, &middle, &batch.slice(1, 3), &batch.slice(3, 1), &batch.slice(4, 0)] {
            let imported = import_batch(export_batch(batch.clone()), &batch.schema(), true).unwrap();
            assert_eq!(&imported, batch, "our own export");
        }
    }
}

fn array_type(batch: &RecordBatch) -> DataType {
    batch.column(0).data_type().clone()
}

#[test]
fn the_producers_buffers_are_used_and_released_with_the_last_of_them() {
    let batch = one_column(strings());
    let (array, released) = produce(&batch, |_| ());
    let imported = import_batch(array, &batch.schema(), true).unwrap();
    let theirs = batch.column(0).as_string::<i32>().values().as_ptr();
    assert_eq!(imported.column(0).as_string::<i32>().values().as_ptr(), theirs, "zero-copy");
    let part = imported.column(0).slice(3, 1);
    drop(imported);
    assert_eq!(released.count(), 0);
    drop(part);
    assert_eq!(released.count(), 1);
}

/// A batch may have an offset, and columns longer than itself.
#[test]
fn the_batch_itself_may_be_a_slice() {
    for array in all() {
        let batch = one_column(array);
        let (array, _) = produce(&batch, |bent| {
            bent.raw.offset = 1;
            bent.raw.length = 2;
        });
        assert_eq!(import_batch(array, &batch.schema(), true).unwrap(), batch.slice(1, 2));
    }
}

#[test]
fn unaligned_buffers_are_copied() {
    let cases: [(ArrayRef, usize, usize); 6] = [
        (Arc::new(Int64Array::from(vec![1, 2, 3, 4])), 1, 32),
        (strings(), 1, 20),
        (views(), 1, 64),
        (views(), 4, 16),
        (lists(), 1, 20),
        (Arc::new(Decimal128Array::from(vec![1, 2, 3, 4])), 1, 64),
    ];
    for (array, index, len) in cases {
        let batch = one_column(array);
        let (array, released) = produce(&batch, |bent| bent.child(0).misalign(index, len));
        assert_eq!(import_batch(array, &batch.schema(), true).unwrap(), batch);
        assert_eq!(released.count(), 1);
    }
}

#[test]
fn empty_buffers_may_be_anything() {
    let batch = one_column(Arc::new(StringArray::from(vec![""; 4])));
    for pointer in [std::ptr::null(), std::ptr::without_provenance(1)] {
        let (array, _) = produce(&batch, |bent| bent.child(0).set_buffer(2, pointer));
        assert_eq!(import_batch(array, &batch.schema(), true).unwrap(), batch);
    }
    // The one offset of an empty array: garbage, or not there.
    let empty = one_column(Arc::new(StringArray::new(OffsetBuffer::new_empty(), Vec::<u8>::new().into(), None)));
    let (array, _) = produce(&empty, |bent| bent.child(0).set_values(1, &[77i32]));
    assert_eq!(import_batch(array, &empty.schema(), true).unwrap(), empty);
    let (array, _) = produce(&empty, |bent| bent.child(0).set_buffer(1, std::ptr::null()));
    assert_eq!(import_batch(array, &empty.schema(), true).unwrap(), empty);
}

type Bend = fn(&mut Bent<'_>);

/// What a producer may get wrong, and what the error says of it.
fn wrongs() -> Vec<(ArrayRef, Bend, &'static str)> {
    let numbers = || Arc::new(Int32Array::from(vec![Some(1), None, Some(3), Some(4)])) as ArrayRef;
    let full = || Arc::new(Int32Array::from(vec![1, 2, 3, 4])) as ArrayRef;
    vec![
        // The batch itself.
        (numbers(), |b| b.raw.length = -1, "the batch: its length is -1"),
        (numbers(), |b| b.raw.offset = -1, "the batch: its offset is -1"),
        (numbers(), |b| b.raw.offset = i64::MAX, "more than memory holds"),
        (numbers(), |b| b.raw.length = i64::MAX, "more than memory holds"),
        (numbers(), |b| b.raw.null_count = -2, "its null_count is -2"),
        (numbers(), |b| b.raw.null_count = 5, "its null_count is 5"),
        (numbers(), |b| b.raw.null_count = 1, "no validity bitmap"),
        (numbers(), |b| b.raw.n_children = 0, "it has 0 children, and its type has 1"),
        (numbers(), |b| b.raw.n_children = 2, "it has 2 children, and its type has 1"),
        (numbers(), |b| b.raw.n_children = -1, "it has -1 children"),
        (numbers(), |b| b.raw.n_buffers = 0, "it has 0 buffers"),
        (numbers(), |b| b.raw.buffers = std::ptr::null_mut(), "its buffers are NULL"),
        (numbers(), |b| b.raw.children = std::ptr::null_mut(), "its children are NULL"),
        (numbers(), |b| b.set_child(0, std::ptr::null()), "column \"c\": the pointer to it is 0x0"),
        (numbers(), |b| b.set_child(0, std::ptr::without_provenance(8)), "column \"c\": the pointer to it is 0x8"),
        (numbers(), |b| b.raw.dictionary = std::ptr::dangling_mut(), "it has a dictionary"),
        (numbers(), |b| b.raw.length = 5, "its length is 4, and the batch needs 5"),
        (numbers(), |b| b.raw.offset = 1, "its length is 4, and the batch needs 5"),
        (
            numbers(),
            |b| {
                b.set_values(0, &[0b1101u8]);
                b.raw.null_count = -1;
            },
            "rows that are null as a whole",
        ),
        // A column.
        (numbers(), |b| b.child(0).raw.length = -4, "column \"c\": its length is -4"),
        (numbers(), |b| b.child(0).raw.length = i64::MIN, "its length is -9223372036854775808"),
        (numbers(), |b| b.child(0).raw.n_buffers = 1, "it has 1 buffers, and its type has 2"),
        (numbers(), |b| b.child(0).raw.n_buffers = i64::MAX, "buffers, and its type has 2"),
        (numbers(), |b| b.child(0).raw.n_buffers = 0, "it has 0 buffers"),
        (numbers(), |b| b.child(0).raw.n_children = 1, "it has 1 children, and its type has 0"),
        (numbers(), |b| b.child(0).set_buffer(1, std::ptr::null()), "buffer 1 is 0x0, and 16 bytes of it are needed"),
        (numbers(), |b| b.child(0).set_buffer(1, std::ptr::without_provenance(64)), "buffer 1 is 0x40"),
        (numbers(), |b| b.child(0).set_buffer(0, std::ptr::null()), "it says that 1 rows are null, and has no validity bitmap"),
        (numbers(), |b| b.child(0).raw.null_count = 0, "it says that 0 rows are null, and its validity bitmap says 1"),
        (numbers(), |b| b.child(0).raw.null_count = 4, "it says that 4 rows are null, and its validity bitmap says 1"),
        (full(), |b| b.child(0).raw.null_count = 4, "it says that 4 rows are null, and has no validity bitmap"),
        // Offsets.
        (strings(), |b| b.child(0).set_buffer(1, std::ptr::null()), "buffer 1 is 0x0, and 20 bytes of it are needed"),
        (strings(), |b| b.child(0).set_buffer(2, std::ptr::null()), "buffer 2 is 0x0, and 7 bytes of it are needed"),
        (strings(), |b| b.child(0).set_values(1, &[0, 3, 3, 3, -7]), "its offsets go from 0 to -7"),
        (strings(), |b| b.child(0).set_values(1, &[-1, 3, 3, 3, 7]), "its offsets go from -1 to 7"),
        (strings(), |b| b.child(0).set_values(1, &[9, 3, 3, 3, 7]), "its offsets go from 9 to 7"),
        (strings(), |b| b.child(0).set_values(1, &[0, 3, 2, 3, 7]), "column \"c\": "),
        (strings(), |b| b.child(0).set_values(1, &[0, 99, 99, 99, 7]), "column \"c\": "),
        (strings(), |b| b.child(0).set_values(2, b"\xffnefour"), "column \"c\": "),
        // Lists.
        (lists(), |b| b.child(0).raw.n_children = 0, "it has 0 children, and its type has 1"),
        (lists(), |b| b.child(0).set_child(0, std::ptr::null()), "column \"c.item\": the pointer to it is 0x0"),
        (lists(), |b| b.child(0).child(0).raw.length = 2, "column \"c.item\": its length is 2, and its parent needs 3"),
        (lists(), |b| b.child(0).child(0).raw.length = -1, "column \"c.item\": its length is -1"),
        (lists(), |b| b.child(0).set_values(1, &[0, 2, 2, 3, 300]), "column \"c.item\": its length is 3, and its parent needs 300"),
        (lists(), |b| b.child(0).child(0).set_values(1, &[0, 1, 1, i32::MIN]), "column \"c.item\": its offsets go from 0 to"),
        (lists(), |b| b.child(0).child(0).set_values(2, b"a\xff\xff\xff"), "column \"c\": "),
        (list_views(), |b| b.child(0).set_values(1, &[0, 0, 1, 99]), "column \"c\": "),
        (list_views(), |b| b.child(0).set_values(2, &[0, 1, 2, -3]), "column \"c\": "),
        (list_views(), |b| b.child(0).raw.n_buffers = 2, "it has 2 buffers"),
        (fixed_lists(), |b| b.child(0).child(0).raw.length = 7, "its length is 7, and its parent needs 8"),
        (
            fixed_lists(),
            |b| {
                b.child(0).raw.offset = 1;
                b.child(0).raw.null_count = -1;
            },
            "its length is 8, and its parent needs 10",
        ),
        // Structs and maps.
        (structs(), |b| b.child(0).child(1).raw.length = 3, "column \"c.s\": its length is 3, and its parent needs 4"),
        (structs(), |b| b.child(0).raw.n_children = 1, "it has 1 children, and its type has 2"),
        (maps(), |b| b.child(0).child(0).child(0).set_buffer(1, std::ptr::null()), "column \"c.entries.key\": buffer 1 is 0x0"),
        (maps(), |b| b.child(0).child(0).raw.n_children = 1, "column \"c.entries\": it has 1 children"),
        // Views.
        (views(), |b| b.child(0).raw.n_buffers = 2, "it has 2 buffers, and a view has 3 or more"),
        (views(), |b| b.child(0).raw.n_buffers = i64::MAX, "and a view has 3 or more"),
        (views(), |b| b.child(0).set_buffer(4, std::ptr::null()), "buffer 4 is 0x0, and 16 bytes of it are needed"),
        (views(), |b| b.child(0).set_values(4, &[29i64, -1]), "the length of its data buffer 1 is -1"),
        (views(), |b| b.child(0).set_values(4, &[28i64, 31]), "column \"c\": "),
        (views(), |b| b.child(0).set_buffer(2, std::ptr::null()), "buffer 2 is 0x0"),
        (views(), |b| b.child(0).set_values(1, &[u128::MAX; 4]), "column \"c\": "),
        // Dictionaries.
        (dictionaries(), |b| b.child(0).raw.dictionary = std::ptr::null_mut(), "it has no dictionary"),
        (dictionaries(), |b| b.child(0).raw.dictionary = std::ptr::without_provenance_mut(16), "\"c.dictionary\": the pointer to it is"),
        (dictionaries(), |b| b.child(0).set_values(1, &[0i8, 1, 0, 2]), "column \"c\": "),
        (dictionaries(), |b| b.child(0).set_values(1, &[0i8, -1, 0, 1]), "column \"c\": "),
        (dictionaries(), |b| b.child(0).dictionary().raw.length = 1, "column \"c\": "),
        (dictionaries(), |b| b.child(0).dictionary().raw.offset = -1, "column \"c.dictionary\": its offset is -1"),
        (dictionaries(), |b| b.child(0).raw.n_children = 3, "it has 3 children, and its type has 0"),
        // Unions and runs.
        (unions(UnionMode::Dense), |b| b.child(0).set_values(0, &[3i8, 5, 4, 3]), "column \"c\": "),
        (unions(UnionMode::Dense), |b| b.child(0).set_values(0, &[3i8, -5, 5, 3]), "column \"c\": "),
        (unions(UnionMode::Dense), |b| b.child(0).set_values(1, &[0, 0, 4, 1]), "column \"c\": "),
        (unions(UnionMode::Dense), |b| b.child(0).raw.n_buffers = 1, "it has 1 buffers, and its type has 2"),
        (unions(UnionMode::Sparse), |b| b.child(0).child(0).raw.length = 3, "column \"c.i\": its length is 3"),
        (runs(), |b| b.child(0).child(0).set_values(1, &[2, 1, 4]), "column \"c\": "),
        (runs(), |b| b.child(0).child(0).set_values(1, &[2, 3, 3]), "column \"c\": "),
        (runs(), |b| b.child(0).child(1).raw.length = 2, "column \"c\": "),
        (runs(), |b| b.child(0).raw.n_children = 1, "it has 1 children, and its type has 2"),
    ]
}

/// PITFALLS X2, X3: each thing that can be wrong is a typed error that names it, and the array is released, once.
#[test]
fn what_is_wrong_is_named_and_the_array_released() {
    for (index, (array, bend, expected)) in wrongs().into_iter().enumerate() {
        let batch = one_column(array);
        let (mut array, released) = produce(&batch, bend);
        // SAFETY: a valid array.
        let taken = unsafe { take(&raw mut array) };
        assert!(array.is_released(), "the caller's is marked");
        let outcome = taken.array().and_then(|array| import_batch(array, &batch.schema(), true));
        let error = outcome.expect_err(&format!("case {index}: {expected}"));
        assert_eq!(error.kind(), ErrorKind::InvalidData, "case {index}: {error}");
        assert!(error.message().contains(expected), "case {index}: {error} does not say {expected}");
        assert!(error.detail("field").is_some(), "case {index}");
        assert_eq!(released.count(), 1, "case {index}: {expected}");
    }
}

#[test]
fn nulls_where_none_may_be_are_refused() {
    let inner = |nullable| Arc::new(Field::new("item", DataType::Utf8, nullable));
    let outer = |nullable, field: Arc<Field>| Arc::new(Schema::new(vec![Field::new("c", DataType::List(field), nullable)]));
    let batch = one_column(lists());
    for (schema, ok) in [(outer(true, inner(true)), true), (outer(false, inner(true)), false), (outer(true, inner(false)), false)] {
        let (array, released) = produce(&batch, |_| ());
        let outcome = import_batch(array, &schema, true);
        assert_eq!(outcome.as_ref().err().map(crate::error::Error::kind), (!ok).then_some(ErrorKind::InvalidData));
        drop(outcome);
        assert_eq!(released.count(), 1);
    }
}

#[test]
fn what_is_not_there_is_an_error() {
    let message = |outcome: Result<_>| -> String { outcome.map(|_: ffi::FFI_ArrowArray| ()).unwrap_err().message().to_owned() };
    // SAFETY: NULL, then one that is released.
    unsafe {
        assert!(message(take(std::ptr::null_mut()).array()).contains("NULL"));
        let mut empty = ffi::FFI_ArrowArray::empty();
        assert!(message(take(&raw mut empty).array()).contains("released"));
    }
}

/// Types of other layouts than the schema's are refused. (Where buffers are as many, and of other sizes, only the producer can
/// know: what he says is there is what is read.)
#[test]
fn an_array_of_another_layout_is_refused() {
    let buffers = |batch: &RecordBatch| {
        let mut count = 0;
        drop(produce(batch, |bent| count = bent.child(0).raw.n_buffers));
        count
    };
    let mut refused = 0;
    for given in all().into_iter().map(one_column) {
        for wanted in all().into_iter().map(one_column) {
            let views = matches!(array_type(&wanted), DataType::Utf8View | DataType::BinaryView);
            if buffers(&given) == buffers(&wanted) || views && buffers(&given) >= 3 {
                continue;
            }
            let (array, released) = produce(&given, |_| ());
            let error = import_batch(array, &wanted.schema(), true).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{} as {}", array_type(&given), array_type(&wanted));
            assert_eq!(released.count(), 1);
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
}
