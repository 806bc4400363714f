//! What the tests of MemTables share: tables of a few kinds, their batches, and the encoded keys to ask for.
#![allow(dead_code, unused_imports, reason = "each test uses a part of it")]

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use weir::memtable::index::{IndexDefinition, IndexKind};
use weir::memtable::key::KeyEncoder;
use weir::memtable::{Appended, Buffers, Limits, Lookup, MemTable, Prepared, Row, Snapshot, TableSpec, Visibility};

/// A name, a number of it, and a value that may be null.
pub fn schema() -> Schema {
    Schema::new(vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("number", DataType::Int32, false),
        Field::new("value", DataType::Int64, true),
    ])
}

/// A row of [`schema`].
pub type Record = (String, i32, Option<i64>);

pub fn batch(rows: &[Record]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.0))),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.1))),
        Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.2))),
    ];
    RecordBatch::try_new(Arc::new(schema()), columns).unwrap()
}

/// One row whose key and value are easy to name.
pub fn record(name: &str, number: i32, value: impl Into<Option<i64>>) -> Record {
    (name.into(), number, value.into())
}

pub fn on_value() -> IndexDefinition {
    IndexDefinition { name: "by-value".into(), kind: IndexKind::BTree, column: "value".into() }
}

pub fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|name| (*name).to_owned()).collect()
}

/// Tables with the key (`name`, `number`) and an index on `value`.
pub fn keyed(limits: Limits) -> Arc<TableSpec> {
    TableSpec::new(&schema(), Some(&names(&["name", "number"])), &[on_value()], limits).unwrap()
}

/// Tables without a key and without an index.
pub fn plain(limits: Limits) -> Arc<TableSpec> {
    TableSpec::new(&schema(), None, &[], limits).unwrap()
}

pub fn table(spec: &Arc<TableSpec>) -> Arc<MemTable> {
    MemTable::new(Arc::clone(spec), 1, 0, Visibility::Indexed)
}

/// Puts rows, which must fit.
pub fn put(table: &MemTable, rows: &[Record]) -> Appended {
    let prepared = table.spec().put(&batch(rows), Buffers::Own).unwrap();
    table.insert(prepared).unwrap().unwrap()
}

/// Deletes keys, which must fit.
pub fn delete(table: &MemTable, keys: &[(&str, i32)]) -> Appended {
    let rows: Vec<_> = keys.iter().map(|(name, number)| record(name, *number, None)).collect();
    let prepared = table.spec().delete(&batch(&rows)).unwrap();
    table.insert(prepared).unwrap().unwrap()
}

/// The encoded key of one row.
pub fn key(spec: &TableSpec, name: &str, number: i32) -> Vec<u8> {
    spec.key().unwrap().encode(&batch(&[record(name, number, None)])).unwrap().key(0).to_vec()
}

/// The value of a row, from its column.
pub fn value(row: &Row<'_>) -> Option<i64> {
    let values = row.batch().column_by_name("value").unwrap().as_primitive::<Int64Type>();
    (!values.is_null(row.index())).then(|| values.value(row.index()))
}

/// What a get gives: `None` if nothing, `Some(None)` if deleted, else the value.
pub fn got(snapshot: &Snapshot, key: &[u8]) -> Option<Option<Option<i64>>> {
    match snapshot.get(key) {
        Lookup::Missing => None,
        Lookup::Deleted(row) => {
            assert!(row.is_tombstone());
            Some(None)
        }
        Lookup::Found(row) => {
            assert_eq!(row.key(), Some(key));
            assert!(!row.is_tombstone());
            Some(Some(value(&row)))
        }
    }
}
