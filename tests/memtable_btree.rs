//! The ordered index: equality, ranges, order, nulls, and what it leaves out.

mod memtable_support;

use std::ops::Bound;
use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::{ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use memtable_support::*;
use weir::error::ErrorKind;
use weir::memtable::index::btree::{BTreeIndex, BTreeQuery, Nulls};
use weir::memtable::index::{Index, IndexDefinition, IndexKind};
use weir::memtable::{Buffers, Limits, MemTable, Snapshot, TableSpec};

fn one(value: i64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![value]))
}

fn search(snapshot: &Snapshot, query: &BTreeQuery) -> Vec<u64> {
    snapshot.search("by-value", query).unwrap().map(|row| row.position()).collect()
}

fn values() -> Arc<MemTable> {
    let table = table(&keyed(Limits::default()));
    let values = [Some(5), None, Some(-3), Some(5), Some(i64::MIN), Some(i64::MAX), None, Some(0)];
    let rows: Vec<_> = values.iter().enumerate().map(|(n, value)| record("k", n as i32, *value)).collect();
    put(&table, &rows);
    table
}

#[test]
fn values_are_found_and_come_in_order() {
    let table = values();
    let snapshot = table.snapshot();
    assert_eq!(search(&snapshot, &BTreeQuery::equals(one(5))), [0, 3]);
    assert_eq!(search(&snapshot, &BTreeQuery::equals(one(6))), [0_u64; 0]);
    assert_eq!(search(&snapshot, &BTreeQuery::default()), [4, 2, 7, 0, 3, 5]);
    let descending = BTreeQuery { descending: true, ..BTreeQuery::default() };
    assert_eq!(search(&snapshot, &descending), [5, 3, 0, 7, 2, 4]);
    let range = |lower, upper| BTreeQuery { lower, upper, ..BTreeQuery::default() };
    use Bound::{Excluded, Included, Unbounded};
    assert_eq!(search(&snapshot, &range(Included(one(-3)), Excluded(one(5)))), [2, 7]);
    assert_eq!(search(&snapshot, &range(Excluded(one(-3)), Included(one(5)))), [7, 0, 3]);
    assert_eq!(search(&snapshot, &range(Excluded(one(0)), Unbounded)), [0, 3, 5]);
    assert_eq!(search(&snapshot, &range(Unbounded, Excluded(one(i64::MIN)))), [0_u64; 0]);
    assert_eq!(search(&snapshot, &range(Unbounded, Included(one(i64::MIN)))), [4]);
    assert_eq!(search(&snapshot, &range(Included(one(5)), Included(one(-3)))), [0_u64; 0], "bounds the wrong way round");
    assert_eq!(search(&snapshot, &range(Excluded(one(5)), Excluded(one(5)))), [0_u64; 0]);
}

#[test]
fn nulls_go_where_they_are_wanted() {
    let snapshot = values().snapshot();
    let ordered = |nulls, descending| search(&snapshot, &BTreeQuery { nulls, descending, ..BTreeQuery::default() });
    assert_eq!(ordered(Nulls::First, false), [1, 6, 4, 2, 7, 0, 3, 5]);
    assert_eq!(ordered(Nulls::Last, false), [4, 2, 7, 0, 3, 5, 1, 6]);
    assert_eq!(ordered(Nulls::First, true), [6, 1, 5, 3, 0, 7, 2, 4]);
    assert_eq!(ordered(Nulls::Only, false), [1, 6]);
}

/// PITFALLS I2: what is superseded goes before any limit; a deletion is found by none of its nulls.
#[test]
fn superseded_and_deleted_rows_are_not_found() {
    let table = values();
    let before = table.snapshot();
    put(&table, &[record("k", 0, 6), record("k", 1, 7)]);
    delete(&table, &[("k", 3), ("k", 6)]);
    let after = table.snapshot();
    assert_eq!(search(&after, &BTreeQuery::equals(one(5))), [0_u64; 0]);
    assert_eq!(search(&after, &BTreeQuery { nulls: Nulls::Only, ..BTreeQuery::default() }), [0_u64; 0]);
    assert_eq!(
        after.search("by-value", &BTreeQuery::default()).unwrap().take(4).map(|row| row.position()).collect::<Vec<_>>(),
        [4, 2, 7, 8]
    );
    assert_eq!(search(&before, &BTreeQuery::equals(one(5))), [0, 3], "PITFALLS I8: the older view stays as it was");
    assert_eq!(search(&before, &BTreeQuery { nulls: Nulls::Only, ..BTreeQuery::default() }), [1, 6]);
}

#[test]
fn bounds_that_make_no_sense_are_refused() {
    let snapshot = values().snapshot();
    let wrong: [ArrayRef; 4] = [
        Arc::new(Int32Array::from(vec![1])),
        Arc::new(Int64Array::from(vec![1, 2])),
        Arc::new(Int64Array::new_null(1)),
        Arc::new(Int64Array::new_null(0)),
    ];
    for bound in wrong {
        let error = snapshot.search("by-value", &BTreeQuery::equals(bound)).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
    assert_eq!(snapshot.search("by-name", &BTreeQuery::default()).err().unwrap().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn other_types_are_ordered_as_their_values() {
    let schema = Schema::new(vec![
        Field::new("x", DataType::Float64, true),
        Field::new("d", DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)), true),
    ]);
    let index = |name: &str, column: &str| IndexDefinition { name: name.into(), kind: IndexKind::BTree, column: column.into() };
    let spec = TableSpec::new(&schema, None, &[index("x", "x"), index("d", "d")], Limits::default()).unwrap();
    let floats = Float64Array::from(vec![Some(f64::NAN), Some(-0.0), Some(f64::INFINITY), Some(0.0), None, Some(-1.5)]);
    let keys = arrow_array::Int8Array::from(vec![Some(2), Some(0), None, Some(1), Some(3), Some(0)]);
    let dictionary =
        DictionaryArray::<Int8Type>::try_new(keys, Arc::new(StringArray::from(vec![Some("b"), Some("a"), Some("ab"), None]))).unwrap();
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(floats), Arc::new(dictionary)]).unwrap();
    let table = table(&spec);
    table.insert(spec.put(&batch, Buffers::Own).unwrap()).unwrap().unwrap();
    let snapshot = table.snapshot();
    let positions = |index: &str, query: &BTreeQuery| snapshot.search(index, query).unwrap().map(|row| row.position()).collect::<Vec<_>>();
    assert_eq!(positions("x", &BTreeQuery::default()), [5, 1, 3, 2, 0]);
    assert_eq!(positions("x", &BTreeQuery::equals(Arc::new(Float64Array::from(vec![0.0])))), [1, 3], "one zero");
    assert_eq!(positions("x", &BTreeQuery::equals(Arc::new(Float64Array::from(vec![-f64::NAN])))), [0]);
    assert_eq!(positions("d", &BTreeQuery { nulls: Nulls::Last, ..BTreeQuery::default() }), [3, 0, 1, 5, 2, 4]);
    assert_eq!(positions("d", &BTreeQuery::equals(Arc::new(StringArray::from(vec!["b"])))), [1, 5], "a bound of the values' type");
}

#[test]
fn what_an_index_takes_is_counted() {
    let table = values();
    let index = table.secondary::<BTreeIndex>("by-value").unwrap();
    let before = index.memory_bytes();
    put(&table, &(0..1000).map(|n| record("m", n, i64::from(n))).collect::<Vec<_>>());
    assert!(index.memory_bytes() > before + 1000 * 12);
    assert!(table.secondary::<BTreeIndex>("nothing").is_none());
    // What is not the index's own is refused, not taken for something else.
    assert_eq!(index.feed(Box::new(5_u8), 0).unwrap_err().kind(), ErrorKind::Internal);
}
