//! What a MemTable takes, what it refuses, and what is seen of it when.

mod memtable_support;

use std::ops::Bound;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, FixedSizeBinaryArray, Int32Array, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow_schema::{DataType, Field, Fields, Schema, UnionFields, UnionMode};
use memtable_support::*;
use weir::error::ErrorKind;
use weir::memtable::batch_store::MAX_ROWS;
use weir::memtable::index::btree::BTreeQuery;
use weir::memtable::index::{IndexDefinition, IndexKind};
use weir::memtable::{Buffers, Limits, Lookup, MemTable, Refusal, TOMBSTONE, TableSpec, Visibility};

#[test]
fn the_newest_version_of_a_key_is_read() {
    // PITFALLS I1: within one batch and over batches, the later row wins.
    let spec = keyed(Limits::default());
    let table = table(&spec);
    put(&table, &[record("a", 1, 1), record("b", 1, 2), record("a", 1, 3)]);
    put(&table, &[record("b", 1, 4), record("a", 2, 5)]);
    let snapshot = table.snapshot();
    assert_eq!(got(&snapshot, &key(&spec, "a", 1)), Some(Some(Some(3))));
    assert_eq!(got(&snapshot, &key(&spec, "b", 1)), Some(Some(Some(4))));
    assert_eq!(got(&snapshot, &key(&spec, "a", 2)), Some(Some(Some(5))));
    assert_eq!(got(&snapshot, &key(&spec, "a", 3)), None);
    let newest: Vec<_> = (0..5).map(|position| snapshot.is_newest(position)).collect();
    assert_eq!(newest, [false, false, true, true, true]);
    let versions: Vec<_> = snapshot.versions(&key(&spec, "a", 1)).map(|row| (row.position(), value(&row))).collect();
    assert_eq!(versions, [(2, Some(3)), (0, Some(1))]);
}

/// PITFALLS I7: ("a", …) of one key and ("ab", …) of another do not meet.
#[test]
fn keys_that_run_together_are_different_keys() {
    let schema = Schema::new(vec![Field::new("x", DataType::Utf8, false), Field::new("y", DataType::Utf8, false)]);
    let spec = TableSpec::new(&schema, Some(&names(&["x", "y"])), &[], Limits::default()).unwrap();
    let text = |values: Vec<&str>| Arc::new(StringArray::from(values)) as ArrayRef;
    let rows = RecordBatch::try_new(Arc::new(schema), vec![text(vec!["a", "ab"]), text(vec!["bc", "c"])]).unwrap();
    let table = table(&spec);
    table.insert(spec.put(&rows, Buffers::Own).unwrap()).unwrap().unwrap();
    assert!(table.snapshot().is_newest(0) && table.snapshot().is_newest(1));
}

/// PITFALLS I4
#[test]
fn deleted_and_never_written_are_told_apart() {
    let spec = keyed(Limits::default());
    let table = table(&spec);
    put(&table, &[record("a", 1, 1)]);
    delete(&table, &[("a", 1), ("z", 9)]);
    let snapshot = table.snapshot();
    assert_eq!(got(&snapshot, &key(&spec, "a", 1)), Some(None));
    assert_eq!(got(&snapshot, &key(&spec, "z", 9)), Some(None), "the deletion of what is not here may hide an older row");
    assert_eq!(got(&snapshot, &key(&spec, "a", 2)), None);
    put(&table, &[record("a", 1, 7)]);
    assert_eq!(got(&table.snapshot(), &key(&spec, "a", 1)), Some(Some(Some(7))), "put again");
    assert_eq!(got(&snapshot, &key(&spec, "a", 1)), Some(None), "PITFALLS I8: the older view stays as it was");
    assert!(table.has_tombstones());
}

/// PITFALLS I3: a table's own reads keep tombstones.
#[test]
fn deletions_are_rows_of_the_table() {
    let spec = keyed(Limits::default());
    let table = table(&spec);
    put(&table, &[record("a", 1, 1), record("b", 1, 2)]);
    delete(&table, &[("a", 1)]);
    let batches: Vec<_> = table.snapshot().batches().collect();
    assert_eq!(batches.len(), 2);
    assert_eq!(batches[0].newest.as_ref().unwrap().iter().collect::<Vec<_>>(), [false, true]);
    assert!(batches[1].newest.is_none(), "all of it is newest");
    let tombstones = batches[1].batch.column_by_name(TOMBSTONE).unwrap().as_boolean().clone();
    assert_eq!(tombstones, BooleanArray::from(vec![true]));
    assert!(batches[1].batch.column_by_name("value").unwrap().is_null(0));
    assert_eq!(batches[1].first_row, 2);
    assert!(batches.iter().all(|b| b.batch.schema() == *spec.stored_schema()));
}

/// PITFALLS I3, with columns that allow no nulls, of every sort.
#[test]
fn rows_are_deleted_whatever_their_columns_are() {
    let item = Arc::new(Field::new("item", DataType::Int32, false));
    let entries = Field::new(
        "entries",
        DataType::Struct(vec![Field::new("k", DataType::Utf8, false), Field::new("v", DataType::Int8, true)].into()),
        false,
    );
    let union = UnionFields::try_new([0, 1], [Field::new("a", DataType::Int32, true), Field::new("b", DataType::Utf8, true)]).unwrap();
    let types = [
        DataType::Null,
        DataType::Boolean,
        DataType::Float16,
        DataType::Utf8View,
        DataType::BinaryView,
        DataType::LargeUtf8,
        DataType::FixedSizeBinary(3),
        DataType::Decimal256(50, 2),
        DataType::List(item.clone()),
        DataType::LargeList(item.clone()),
        DataType::ListView(item.clone()),
        DataType::FixedSizeList(item.clone(), 4),
        DataType::Struct(Fields::from(vec![item.clone()])),
        DataType::Map(Arc::new(entries), false),
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
        DataType::RunEndEncoded(
            Arc::new(Field::new("run_ends", DataType::Int32, false)),
            Arc::new(Field::new("values", DataType::Utf8, true)),
        ),
        DataType::Union(union.clone(), UnionMode::Sparse),
        DataType::Union(union, UnionMode::Dense),
    ];
    let mut fields = vec![Field::new("id", DataType::Int64, false)];
    fields.extend(types.iter().enumerate().map(|(n, t)| Field::new(format!("c{n}"), t.clone(), n % 2 == 0)));
    let spec = TableSpec::new(&Schema::new(fields), Some(&names(&["id"])), &[], Limits::default()).unwrap();
    let keys = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![4, 5])) as ArrayRef)]).unwrap();
    let prepared = spec.delete(&keys).unwrap();
    assert!(prepared.has_tombstones());
    assert_eq!(prepared.batch().num_rows(), 2);
    let table = table(&spec);
    table.insert(prepared).unwrap().unwrap();
    let snapshot = table.snapshot();
    assert!((0..2).all(|position| snapshot.row(position).unwrap().is_tombstone()));
    // The log holds it as it is, and gives it back.
    let stored = snapshot.batches().next().unwrap().batch;
    let again = spec.replay(std::slice::from_ref(&stored)).unwrap();
    assert!(again[0].has_tombstones());
    assert_eq!(again[0].batch(), &stored);
}

/// PITFALLS I6
#[test]
fn a_null_key_is_refused_before_anything_is_accepted() {
    let spec = TableSpec::new(
        &Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("x", DataType::Int32, false)]),
        Some(&names(&["id"])),
        &[],
        Limits::default(),
    )
    .unwrap();
    let rows = |ids: Vec<Option<i64>>, x: Vec<Option<i32>>| {
        let fields = vec![Field::new("id", DataType::Int64, true), Field::new("x", DataType::Int32, true)];
        let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(ids)), Arc::new(Int32Array::from(x))];
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    };
    let error = spec.put(&rows(vec![Some(1), None], vec![Some(1), Some(2)]), Buffers::Own).unwrap_err();
    assert_eq!((error.kind(), error.detail_u64("row")), (ErrorKind::InvalidData, Some(1)));
    let error = spec.delete(&rows(vec![None], vec![Some(1)])).unwrap_err();
    assert_eq!((error.kind(), error.detail_u64("row")), (ErrorKind::InvalidData, Some(0)));
    // A column of the user's that allows no nulls has none, though its stored form does.
    let error = spec.put(&rows(vec![Some(1), Some(2)], vec![Some(1), None]), Buffers::Own).unwrap_err();
    assert_eq!((error.kind(), error.detail_u64("row")), (ErrorKind::InvalidData, Some(1)));
    assert!(error.message().contains("'x'"), "{error}");
    // PITFALLS A9: differences in nullability alone are no reason to refuse.
    let prepared = spec.put(&rows(vec![Some(1)], vec![Some(1)]), Buffers::Own).unwrap();
    assert_eq!(prepared.batch().schema(), *spec.stored_schema());
}

#[test]
fn what_does_not_fit_the_schema_is_refused() {
    let spec = keyed(Limits::default());
    let kind = |batch: &RecordBatch| spec.put(batch, Buffers::Own).unwrap_err().kind();
    let good = batch(&[record("a", 1, 1)]);
    assert_eq!(kind(&good.slice(0, 0)), ErrorKind::InvalidData);
    assert_eq!(kind(&good.project(&[0, 1]).unwrap()), ErrorKind::SchemaMismatch);
    assert_eq!(kind(&good.project(&[0, 2, 1]).unwrap()), ErrorKind::SchemaMismatch);
    let other = RecordBatch::try_from_iter([
        ("name", good.column(0).clone()),
        ("number", good.column(1).clone()),
        ("value", good.column(1).clone()),
    ]);
    assert_eq!(kind(&other.unwrap()), ErrorKind::SchemaMismatch);
    let keys = good.project(&[0]).unwrap();
    assert_eq!(spec.delete(&keys).unwrap_err().kind(), ErrorKind::SchemaMismatch);
    assert_eq!(spec.delete(&good.slice(0, 0)).unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(plain(Limits::default()).delete(&good).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(spec.replay(&[good]).unwrap_err().kind(), ErrorKind::SchemaMismatch, "no tombstone column");
    assert!(spec.replay(&[]).unwrap().is_empty());
}

#[test]
fn definitions_that_make_no_sense_are_refused() {
    let kind = |schema: &Schema, key: Option<&[String]>, indexes: &[IndexDefinition], limits| {
        TableSpec::new(schema, key, indexes, limits).unwrap_err().kind()
    };
    let (ours, limits) = (schema(), Limits::default());
    for name in [TOMBSTONE, "_position", "_generation"] {
        let reserved = Schema::new(vec![Field::new(name, DataType::Boolean, false)]);
        assert_eq!(kind(&reserved, None, &[], limits), ErrorKind::InvalidArgument);
    }
    assert_eq!(kind(&ours, Some(&names(&["nothing"])), &[], limits), ErrorKind::InvalidArgument);
    let index = |name: &str, column: &str| IndexDefinition { name: name.into(), kind: IndexKind::BTree, column: column.into() };
    for indexes in [
        vec![index("", "value")],
        vec![index("a/b", "value")],
        vec![index(&"x".repeat(65), "value")],
        vec![index("x", "nothing")],
        vec![index("x", "value"), index("x", "name")],
    ] {
        assert_eq!(kind(&ours, None, &indexes, limits), ErrorKind::InvalidArgument, "{indexes:?}");
    }
    let nested = Schema::new(vec![Field::new("l", DataType::List(Arc::new(Field::new("item", DataType::Int8, true))), true)]);
    assert_eq!(kind(&nested, None, &[index("x", "l")], limits), ErrorKind::InvalidArgument);
    // PITFALLS F5
    for limits in [
        Limits { max_rows: 0, ..limits },
        Limits { max_rows: MAX_ROWS + 1, ..limits },
        Limits { max_batches: 0, ..limits },
        Limits { max_batches: 1 << 32, ..limits },
        Limits { max_bytes: 0, ..limits },
        Limits { max_bytes: 1000, ..limits },
    ] {
        assert_eq!(kind(&ours, None, &[], limits), ErrorKind::InvalidArgument, "{limits:?}");
    }
}

/// PITFALLS E2, E3: counts go on from table to table, are exclusive, and never go back.
#[test]
fn rows_are_visible_when_they_are_durable_and_indexed() {
    let spec = keyed(Limits::default());
    let table = MemTable::new(Arc::clone(&spec), 7, 1000, Visibility::Durable);
    assert_eq!((table.generation(), table.first_row(), table.visible_rows()), (7, 1000, 1000));
    table.set_durable(1000);
    let appended = put(&table, &[record("a", 1, 1), record("b", 1, 2)]);
    assert_eq!(appended.rows, 1000..1002);
    // A writer-global count of 2 is far below this table: it says nothing of its rows (PITFALLS E2).
    table.set_durable(2);
    assert_eq!(table.snapshot().num_rows(), 0, "indexed and not durable (PITFALLS E4)");
    assert!(matches!(table.snapshot().get(&key(&spec, "a", 1)), Lookup::Missing));
    table.set_durable(1001);
    let one = table.snapshot();
    assert_eq!((one.num_rows(), one.end_row()), (1, 1001), "a count of n is the first n rows (PITFALLS E3)");
    assert!(one.row(1000).is_some() && one.row(1001).is_none() && one.row(999).is_none());
    let seen: Vec<_> = one.batches().map(|b| (b.first_row, b.batch.num_rows())).collect();
    assert_eq!(seen, [(1000, 1)], "a batch that is visible in part");
    table.set_durable(900);
    assert_eq!(table.visible_rows(), 1001, "never back");

    // The other way round: durable first.
    table.append(spec.put(&batch(&[record("c", 1, 3)]), Buffers::Own).unwrap()).unwrap();
    table.set_durable(1003);
    assert_eq!((table.visible_rows(), table.end_row(), table.indexed_rows()), (1002, 1003, 1002), "durable and not indexed");
    assert_eq!(table.index().unwrap(), 1003);
    assert_eq!(table.visible_rows(), 1003, "no later durable put is needed for it");
    assert_eq!(got(&table.snapshot(), &key(&spec, "c", 1)), Some(Some(Some(3))));
    assert_eq!(one.num_rows(), 1);
}

/// PITFALLS E4
#[test]
fn rows_whose_append_failed_stay_invisible() {
    let spec = keyed(Limits::default());
    let table = MemTable::new(Arc::clone(&spec), 1, 0, Visibility::Durable);
    put(&table, &[record("a", 1, 1)]);
    table.set_durable(1);
    put(&table, &[record("a", 1, 2), record("b", 1, 2)]);
    // The append of the second batch failed: nothing says that it is durable.
    let snapshot = table.snapshot();
    assert_eq!(got(&snapshot, &key(&spec, "a", 1)), Some(Some(Some(1))), "the older version is still the one to be read");
    assert_eq!(got(&snapshot, &key(&spec, "b", 1)), None);
    assert!(snapshot.is_newest(0) && !snapshot.is_newest(1), "an invisible row supersedes nothing");
    assert_eq!(snapshot.search("by-value", &BTreeQuery::default()).unwrap().map(|row| row.position()).collect::<Vec<_>>(), [0]);
    assert_eq!(snapshot.range((Bound::Unbounded, Bound::Unbounded)).count(), 1);
}

/// PITFALLS E5
#[test]
fn a_table_without_indexes_shows_its_rows() {
    let spec = plain(Limits::default());
    let table = table(&spec);
    for n in 0..3 {
        put(&table, &[record("a", 1, n), record("a", 1, n)]);
    }
    let snapshot = table.snapshot();
    assert_eq!(snapshot.num_rows(), 6, "every row is kept, equal or not");
    assert!(snapshot.batches().all(|b| b.newest.is_none() && b.batch.schema() == *spec.schema()));
    assert!((0..6).all(|position| snapshot.is_newest(position)) && !snapshot.is_newest(6));
    assert!(matches!(snapshot.get(b"a"), Lookup::Missing));
    assert_eq!(snapshot.versions(b"a").count(), 0);
    assert!(snapshot.row(0).unwrap().key().is_none() && !snapshot.row(0).unwrap().is_tombstone());
    assert_eq!(snapshot.search("by-value", &BTreeQuery::default()).err().unwrap().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_full_table_gives_rows_back() {
    let check = |limits: Limits| {
        let spec = keyed(limits);
        let first = table(&spec);
        let mut n = 0;
        let refused = loop {
            let prepared = spec.put(&batch(&[record("a", n, 1), record("b", n, 2)]), Buffers::Own).unwrap();
            if let Err(refused) = first.insert(prepared).unwrap() {
                break refused;
            }
            n += 1;
        };
        assert_eq!(refused.why, Refusal::Full);
        assert_eq!(first.num_rows(), u64::try_from(n).unwrap() * 2);
        // They go to the next table as they are.
        let second = MemTable::new(Arc::clone(&spec), 2, first.end_row(), Visibility::Indexed);
        let appended = second.insert(*refused.prepared).unwrap().unwrap();
        assert_eq!(appended.rows, first.end_row()..first.end_row() + 2);
        assert_eq!(got(&second.snapshot(), &key(&spec, "b", n)), Some(Some(Some(2))));
        assert_eq!(got(&first.snapshot(), &key(&spec, "b", n)), None);
        (first, n)
    };
    let default = Limits::default();
    assert_eq!(check(Limits { max_rows: 7, ..default }).1, 3);
    assert_eq!(check(Limits { max_batches: 4, ..default }).1, 4);
    let limits = Limits { max_bytes: 1 << 20, ..default };
    let (full, n) = check(limits);
    assert!(n > 100 && full.memory_bytes() <= 1 << 20, "{n} puts take {}", full.memory_bytes());
}

#[test]
fn reaching_a_limit_exactly_is_said_at_once() {
    let spec = keyed(Limits { max_rows: 3, ..Limits::default() });
    let table = table(&spec);
    assert!(!put(&table, &[record("a", 1, 1)]).full);
    assert!(put(&table, &[record("a", 1, 1), record("b", 1, 1)]).full);
    let spec = keyed(Limits { max_batches: 1, ..Limits::default() });
    assert!(put(&memtable_support::table(&spec), &[record("a", 1, 1)]).full);
}

/// PITFALLS F6
#[test]
fn what_is_larger_than_a_table_is_refused_up_front() {
    let rows: Vec<_> = (0..1000).map(|n| record("some name", n, 1)).collect();
    let spec = keyed(Limits { max_rows: 999, ..Limits::default() });
    let error = spec.put(&batch(&rows), Buffers::Own).unwrap_err();
    assert_eq!((error.kind(), error.detail_u64("requested"), error.detail_u64("max")), (ErrorKind::InvalidArgument, Some(1000), Some(999)));
    assert_eq!(spec.delete(&batch(&rows)).unwrap_err().kind(), ErrorKind::InvalidArgument);
    spec.put(&batch(&rows[1..]), Buffers::Own).unwrap();

    let spec = keyed(Limits { max_bytes: 400_000, ..Limits::default() });
    let rows: Vec<_> = (0..10_000).map(|n| record("some name", n, 1)).collect();
    let error = spec.put(&batch(&rows), Buffers::Own).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.detail_u64("requested").unwrap() > error.detail_u64("max").unwrap());
    assert!(error.detail_u64("max").unwrap() < 400_000);
    // What is in the log comes back, however the limits were changed since: alone in a table.
    let large = keyed(Limits::default()).put(&batch(&rows), Buffers::Own).unwrap();
    let mut again = spec.replay(&[large.batch().clone(), large.batch().slice(0, 10)]).unwrap();
    let table = table(&spec);
    let (second, first) = (again.pop().unwrap(), again.pop().unwrap());
    assert!(table.insert(first).unwrap().unwrap().full);
    assert_eq!(table.insert(second).unwrap().unwrap_err().why, Refusal::Full);
}

/// PITFALLS F6: deletions of rows with wide columns are wide themselves.
#[test]
fn a_deletion_that_would_take_gigabytes_is_refused_before_it_does() {
    let vector = DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, true)), 1 << 20);
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("v", vector, true)]);
    let spec = TableSpec::new(&schema, Some(&names(&["id"])), &[], Limits::default()).unwrap();
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1_000_000));
    let keys = RecordBatch::try_from_iter([("id", ids)]).unwrap();
    let error = spec.delete(&keys).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(error.detail_u64("requested"), Some(1_000_000 << 22));
    spec.delete(&keys.slice(5, 3)).unwrap();
}

#[test]
fn a_frozen_table_takes_nothing_and_is_read_as_before() {
    let spec = keyed(Limits::default());
    let table = table(&spec);
    put(&table, &[record("a", 1, 1)]);
    table.append(spec.put(&batch(&[record("b", 1, 2)]), Buffers::Own).unwrap()).unwrap();
    assert!(!table.is_frozen());
    table.freeze();
    table.freeze();
    assert!(table.is_frozen());
    let refused = table.append(spec.put(&batch(&[record("c", 1, 3)]), Buffers::Own).unwrap()).unwrap_err();
    assert_eq!(refused.why, Refusal::Frozen);
    assert_eq!(refused.prepared.num_rows(), 1);
    assert_eq!((table.num_rows(), table.num_batches()), (2, 2));
    assert_eq!(table.visible_rows(), 1);
    table.index().unwrap();
    assert_eq!(got(&table.snapshot(), &key(&spec, "b", 1)), Some(Some(Some(2))), "what it has is still indexed");
}

#[test]
fn a_range_of_keys_gives_the_newest_of_each() {
    let spec = keyed(Limits::default());
    let table = table(&spec);
    put(&table, &[record("a", 1, 1), record("b", 1, 2), record("c", 1, 3)]);
    put(&table, &[record("b", 1, 4), record("b", 2, 5)]);
    delete(&table, &[("c", 1)]);
    let snapshot = table.snapshot();
    let (from, to) = (key(&spec, "b", i32::MIN), key(&spec, "c", 1));
    let rows = |lower, upper| snapshot.range((lower, upper)).map(|row| (row.position(), row.is_tombstone())).collect::<Vec<_>>();
    assert_eq!(rows(Bound::Included(&from[..]), Bound::Included(&to[..])), [(3, false), (4, false), (5, true)]);
    assert_eq!(rows(Bound::Included(&from[..]), Bound::Excluded(&to[..])), [(3, false), (4, false)]);
    assert_eq!(rows(Bound::Unbounded, Bound::Excluded(&from[..])), [(0, false)]);
    assert_eq!(rows(Bound::Included(&to[..]), Bound::Excluded(&from[..])), []);
}

#[test]
fn replayed_rows_are_the_rows_that_were_put() {
    let spec = keyed(Limits::default());
    let source = table(&spec);
    put(&source, &[record("a", 1, 1), record("b", 1, None)]);
    delete(&source, &[("a", 1)]);
    let stored: Vec<_> = source.snapshot().batches().map(|b| b.batch).collect();
    let target = table(&spec);
    for prepared in spec.replay(&stored).unwrap() {
        target.insert(prepared).unwrap().unwrap();
    }
    let (before, after) = (source.snapshot(), target.snapshot());
    for (name, number) in [("a", 1), ("b", 1), ("c", 1)] {
        let key = key(&spec, name, number);
        assert_eq!(got(&after, &key), got(&before, &key), "{name}");
    }
    assert!(target.has_tombstones());
    // Damaged rows are refused: nulls where none can be.
    let columns = |n: usize, column: ArrayRef| {
        let mut columns = stored[0].columns().to_vec();
        columns[n] = column;
        let fields: Vec<_> = stored[0].schema().fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    };
    let last = stored[0].num_columns() - 1;
    for (n, column) in [(last, new_null_array(&DataType::Boolean, 2)), (0, new_null_array(&DataType::Utf8, 2))] {
        assert_eq!(spec.replay(&[columns(n, column)]).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn binary_and_large_batches_pass_too() {
    // More rows than share one tombstone column.
    let rows = 70_000;
    let schema = Schema::new(vec![Field::new("id", DataType::FixedSizeBinary(8), false), Field::new("n", DataType::Int64, false)]);
    let spec = TableSpec::new(&schema, Some(&names(&["id"])), &[], Limits::default()).unwrap();
    let ids = FixedSizeBinaryArray::try_from_iter((0..rows as u64).map(|n| (n % 50_000).to_be_bytes())).unwrap();
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(ids), Arc::new(Int64Array::from_iter_values(0..rows))]).unwrap();
    let table = table(&spec);
    table.insert(spec.put(&batch, Buffers::Own).unwrap()).unwrap().unwrap();
    let snapshot = table.snapshot();
    for id in [0_u64, 19_999, 20_000, 49_999] {
        let Lookup::Found(row) = snapshot.get(&id.to_be_bytes()) else { panic!("{id} is missing") };
        let want = if id < 20_000 { id + 50_000 } else { id };
        assert_eq!(row.batch().column(1).as_primitive::<Int64Type>().value(row.index()), want as i64);
    }
    assert_eq!(snapshot.batches().next().unwrap().newest.unwrap().count_set_bits(), 50_000);
}

/// Rows of the log may be taken in before their keys are encoded; that happens when they are indexed, and nothing else differs.
#[test]
fn keys_of_logged_rows_may_be_encoded_when_they_are_indexed() {
    let limits = Limits { max_rows: 100, ..Limits::default() };
    for spec in [keyed(limits), plain(limits)] {
        let logged: Vec<RecordBatch> = (0..4)
            .map(|n| {
                let rows: Vec<_> = (0..9).map(|row| record(&"\0b".repeat(row % 4), n * 5 + row as i32, i64::from(n))).collect();
                spec.put(&batch(&rows), Buffers::Own).unwrap().batch().clone()
            })
            .collect();
        let (now, later) = (table(&spec), table(&spec));
        for (table, prepared) in [(&now, spec.replay(&logged).unwrap()), (&later, spec.replay_unindexed(&logged).unwrap())] {
            assert!(table.fits(&prepared));
            assert_eq!(prepared.iter().all(|one| one.keys().is_some()), spec.key().is_some() && std::ptr::eq(table, &now));
            prepared.into_iter().for_each(|one| assert!(table.append_logged(one).is_ok()));
        }
        assert_eq!((later.end_row(), later.visible_rows()), (36, 0));
        assert_eq!((now.index().unwrap(), later.index().unwrap()), (36, 36));
        assert_eq!(now.memory_bytes(), later.memory_bytes());
        let rows = |table: &Arc<MemTable>| -> Vec<_> {
            table.snapshot().batches().map(|some| (some.batch, some.first_row, some.newest)).collect()
        };
        assert_eq!(rows(&now), rows(&later));
        if spec.key().is_some() {
            for (name, number) in [("", 0), ("\0b", 5), ("\0b\0b\0b", 13)] {
                let key = key(&spec, name, number);
                assert_eq!(got(&now.snapshot(), &key), got(&later.snapshot(), &key));
            }
        }
        // Room is left for the same rows in both.
        let put = || spec.put(&batch(&[record("x", 1, 1)]), Buffers::Own).unwrap();
        assert_eq!(now.insert(put()).unwrap().unwrap(), later.insert(put()).unwrap().unwrap());
    }
    // What cannot be encoded is refused before it is taken in.
    let spec = keyed(limits);
    let mut columns = spec.put(&batch(&[record("x", 1, 1)]), Buffers::Own).unwrap().batch().columns().to_vec();
    columns[0] = Arc::new(StringArray::from(vec![None::<&str>]));
    let nullable: Vec<_> = spec.stored_schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let nulls = RecordBatch::try_new(Arc::new(Schema::new(nullable)), columns).unwrap();
    assert_eq!(spec.replay_unindexed(&[nulls]).unwrap_err().kind(), ErrorKind::InvalidData);
}
