//! PITFALLS C7: rows of an older schema have a defined meaning in today's table, or a clear error before any row is read.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Int32Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use weir::error::{Error, ErrorKind};
use weir::memtable::evolve::{Evolution, FIELD_ID};
use weir::memtable::key::{KeySpec, PRIMARY_KEY, PRIMARY_KEY_POSITION};
use weir::memtable::{Limits, TOMBSTONE, TableSpec};

fn field(name: &str, data_type: DataType, nullable: bool) -> Field {
    Field::new(name, data_type, nullable)
}

fn with_id(field: Field, id: u32) -> Field {
    with(field, FIELD_ID, &id.to_string())
}

fn with(field: Field, key: &str, value: &str) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(key.to_owned(), value.to_owned());
    field.with_metadata(metadata)
}

fn marked(field: Field) -> Field {
    with(field, PRIMARY_KEY, "true")
}

fn id() -> Field {
    field("id", DataType::Int64, false)
}

fn value() -> Field {
    field("value", DataType::Int32, true)
}

fn tombstone() -> Field {
    field(TOMBSTONE, DataType::Boolean, false)
}

fn spec(fields: Vec<Field>, key: Option<&[&str]>) -> Arc<TableSpec> {
    let key: Option<Vec<String>> = key.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    TableSpec::new(&Schema::new(fields), key.as_deref(), &[], Limits::default()).unwrap()
}

fn keyed(fields: Vec<Field>) -> Arc<TableSpec> {
    spec(fields, Some(&["id"]))
}

fn ids() -> ArrayRef {
    Arc::new(Int64Array::from(vec![1, 2, 3]))
}

fn values() -> ArrayRef {
    Arc::new(Int32Array::from(vec![Some(10), None, Some(30)]))
}

fn deletions() -> ArrayRef {
    Arc::new(BooleanArray::from(vec![false, true, false]))
}

fn batch(fields: Vec<Field>, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// Plans for the batch, applies, and checks that what comes out is what the table takes.
fn evolve(from: &RecordBatch, to: &TableSpec) -> RecordBatch {
    let evolution = Evolution::plan(from.schema_ref(), to).unwrap();
    let evolved = evolution.apply(from).unwrap();
    assert_eq!(evolved.schema_ref(), to.stored_schema());
    assert_eq!(evolved.num_rows(), from.num_rows());
    // A projection gives the same as the whole, for every pair of columns in both orders.
    for a in 0..evolved.num_columns() {
        for b in 0..evolved.num_columns() {
            let columns = [a, b];
            let projected = from.project(&evolution.sources(&columns)).unwrap();
            assert_eq!(evolution.apply_projected(&projected, &columns).unwrap(), evolved.project(&columns).unwrap());
        }
    }
    evolved
}

fn refused(from: Vec<Field>, to: &TableSpec) -> Error {
    let error = Evolution::plan(&Schema::new(from), to).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch, "{error}");
    error
}

fn says(error: &Error, words: &[&str]) {
    for word in words {
        assert!(error.message().contains(word), "{word:?} is not in {:?}", error.message());
    }
}

fn same_buffers(a: &ArrayRef, b: &ArrayRef) {
    let (a, b) = (a.to_data(), b.to_data());
    assert_eq!(a.buffers().iter().map(|b| b.as_ptr()).collect::<Vec<_>>(), b.buffers().iter().map(|b| b.as_ptr()).collect::<Vec<_>>());
    assert!(!a.buffers().is_empty());
}

#[test]
fn the_same_schema_is_passed_on_as_it_is() {
    let to = keyed(vec![id(), value()]);
    let from = batch(vec![id(), value(), tombstone()], vec![ids(), values(), deletions()]);
    let evolved = evolve(&from, &to);
    assert!(Evolution::plan(from.schema_ref(), &to).unwrap().is_identity());
    (0..3).for_each(|column| same_buffers(from.column(column), evolved.column(column)));
    // Metadata and nullability of the schema alone change nothing.
    let metadata = HashMap::from([("written by".to_owned(), "an older version".to_owned())]);
    let other = Schema::new_with_metadata(vec![with(id(), "unit", "m"), value().with_nullable(false), tombstone()], metadata);
    assert!(Evolution::plan(&other, &to).unwrap().is_identity());
    let plain = spec(vec![id(), value()], None);
    let from = batch(vec![id(), value()], vec![ids(), values()]);
    assert_eq!(evolve(&from, &plain), from);
    assert!(Evolution::plan(from.schema_ref(), &plain).unwrap().is_identity());
}

#[test]
fn an_added_column_is_null_in_older_rows() {
    let to = keyed(vec![field("first", DataType::Utf8, true), id(), value(), field("list", list_type("item", true), true)]);
    let from = batch(vec![id(), value(), tombstone()], vec![ids(), values(), deletions()]);
    let evolved = evolve(&from, &to);
    assert_eq!((evolved["first"].null_count(), evolved["list"].null_count()), (3, 3));
    same_buffers(&evolved["id"], from.column(0));
    same_buffers(&evolved["value"], from.column(1));
    assert_eq!(evolved[TOMBSTONE].as_boolean(), deletions().as_boolean());
    let evolution = Evolution::plan(from.schema_ref(), &to).unwrap();
    assert_eq!((evolution.columns(), evolution.is_identity()), (&[None, Some(0), Some(1), None, Some(2)][..], false));
    assert_eq!(evolution.sources(&[4, 0, 1, 1]), [0, 2]);
}

#[test]
fn an_added_column_that_must_not_be_null_is_refused() {
    for to in [keyed(vec![id(), field("new", DataType::Utf8, false)]), spec(vec![id(), field("new", DataType::Utf8, false)], None)] {
        let mut from = vec![id(), value()];
        from.extend(to.key().map(|_| tombstone()));
        let error = refused(from, &to);
        says(&error, &["'new'", "not in what was stored", "must not be null", "Utf8"]);
    }
}

#[test]
fn a_dropped_column_is_gone() {
    let to = keyed(vec![id()]);
    let from = batch(vec![value(), id(), tombstone()], vec![values(), ids(), deletions()]);
    let evolved = evolve(&from, &to);
    assert_eq!(evolved.num_columns(), 2);
    same_buffers(evolved.column(0), from.column(1));
    // Also as the last one, where all others are in their places.
    let plain = spec(vec![id()], None);
    let from = batch(vec![id(), value()], vec![ids(), values()]);
    assert!(!Evolution::plan(from.schema_ref(), &plain).unwrap().is_identity());
    assert_eq!(evolve(&from, &plain).num_columns(), 1);
}

#[test]
fn a_renamed_column_is_known_by_its_field_id() {
    let to = keyed(vec![with_id(id(), 0), with_id(field("renamed", DataType::Int32, true), 1), field("value", DataType::Int32, true)]);
    let from = batch(vec![with_id(id(), 0), with_id(value(), 1), tombstone()], vec![ids(), values(), deletions()]);
    let evolved = evolve(&from, &to);
    same_buffers(&evolved["renamed"], from.column(1));
    // What has found its new name by id is not also found by its old one.
    assert_eq!(evolved["value"].null_count(), 3);
    // Two columns that changed their names with each other.
    let to = keyed(vec![
        with_id(field("id", DataType::Int64, false), 7),
        with_id(field("b", DataType::Int32, true), 1),
        with_id(field("a", DataType::Int32, true), 2),
    ]);
    let from = batch(
        vec![with_id(id(), 7), with_id(field("a", DataType::Int32, true), 1), with_id(field("b", DataType::Int32, true), 2), tombstone()],
        vec![ids(), values(), Arc::new(Int32Array::from(vec![4, 5, 6])), deletions()],
    );
    let evolved = evolve(&from, &to);
    same_buffers(&evolved["b"], from.column(1));
    same_buffers(&evolved["a"], from.column(2));
}

#[test]
fn a_column_without_a_field_id_on_one_side_is_known_by_its_name() {
    let from = batch(vec![id(), value(), tombstone()], vec![ids(), values(), deletions()]);
    same_buffers(&evolve(&from, &keyed(vec![with_id(id(), 3), with_id(value(), 9)]))["value"], from.column(1));
    let from = batch(vec![with_id(id(), 3), with_id(value(), 9), tombstone()], vec![ids(), values(), deletions()]);
    same_buffers(&evolve(&from, &keyed(vec![id(), value()]))["value"], from.column(1));
    // Both have ids, and they differ: another column of the same name.
    assert_eq!(evolve(&from, &keyed(vec![with_id(id(), 3), with_id(value(), 10)]))["value"].null_count(), 3);
    says(&refused(vec![with_id(id(), 3), tombstone()], &keyed(vec![with_id(id(), 4)])), &["'id'", "primary key"]);
}

#[test]
fn another_type_is_refused_with_both() {
    let to = keyed(vec![id(), value()]);
    let error = refused(vec![id(), field("value", DataType::Utf8, true), tombstone()], &to);
    says(&error, &["'value'", "Utf8", "Int32"]);
    let to = keyed(vec![id(), with_id(field("renamed", DataType::Int32, true), 1)]);
    let error = refused(vec![id(), with_id(field("value", DataType::Utf8, true), 1), tombstone()], &to);
    says(&error, &["'renamed'", "'value'", "Utf8", "Int32"]);
    let error = refused(vec![field("id", DataType::Int32, false), tombstone()], &keyed(vec![id()]));
    says(&error, &["'id'", "Int32", "Int64"]);
}

#[test]
fn rows_from_before_there_was_a_key_are_no_deletions() {
    let to = keyed(vec![id(), value()]);
    let from = batch(vec![id(), value()], vec![ids(), values()]);
    let evolved = evolve(&from, &to);
    assert_eq!(evolved[TOMBSTONE].as_boolean().true_count(), 0);
    assert_eq!(evolved[TOMBSTONE].null_count(), 0);
    assert!(!Evolution::plan(from.schema_ref(), &to).unwrap().is_identity());
}

#[test]
fn deletions_are_refused_where_there_is_no_key() {
    let error = refused(vec![id(), value(), tombstone()], &spec(vec![id(), value()], None));
    says(&error, &[TOMBSTONE, "primary key", "none"]);
}

#[test]
fn a_tombstone_column_that_is_none_is_refused() {
    let error = refused(vec![id(), field(TOMBSTONE, DataType::Utf8, true)], &keyed(vec![id()]));
    says(&error, &[TOMBSTONE, "Utf8", "Boolean"]);
}

#[test]
fn a_key_column_that_was_not_there_is_refused() {
    let to = spec(vec![id(), field("region", DataType::Utf8, true)], Some(&["region", "id"]));
    says(&refused(vec![id(), tombstone()], &to), &["'region'", "not in what was stored", "primary key"]);
}

#[test]
fn another_marked_key_is_refused() {
    let (a, b) = (field("a", DataType::Int64, false), field("b", DataType::Int64, false));
    let on = |a: Field, b: Field| spec(vec![a, b], None);
    let to = on(marked(a.clone()), b.clone());
    let error = refused(vec![a.clone(), marked(b.clone()), tombstone()], &to);
    says(&error, &["(b)", "(a)"]);
    // The same columns in another order.
    let composite =
        |first: &str, second: &str| vec![with(a.clone(), PRIMARY_KEY_POSITION, first), with(b.clone(), PRIMARY_KEY_POSITION, second)];
    let mut from = composite("2", "1");
    from.push(tombstone());
    says(&refused(from, &spec(composite("1", "2"), None)), &["(b, a)", "(a, b)"]);
    // No mark in the source says nothing.
    assert!(Evolution::plan(&Schema::new(vec![a.clone(), b.clone(), tombstone()]), &to).unwrap().is_identity());
    // Where the options name another key than is marked, entries of that very table keep the mark.
    let named = spec(vec![marked(a.clone()), b.clone()], Some(&["b"]));
    assert!(Evolution::plan(named.stored_schema(), &named).unwrap().is_identity());
}

#[test]
fn a_generation_knows_its_key() {
    let from = Schema::new(vec![id(), value(), tombstone()]);
    let key = |name: &str| KeySpec::resolve(&from, Some(&[name.to_owned()])).unwrap().unwrap();
    let to = keyed(vec![id(), value()]);
    assert!(Evolution::plan_generation(&from, Some(&key("id")), &to).unwrap().is_identity());
    let kind = |result: weir::error::Result<Evolution>| result.unwrap_err();
    says(&kind(Evolution::plan_generation(&from, Some(&key("value")), &to)), &["(value)", "(id)"]);
    let without = Schema::new(vec![id(), value()]);
    says(&kind(Evolution::plan_generation(&without, None, &to)), &["without a primary key", "(id)"]);
    let plain = spec(vec![id(), value()], None);
    assert!(Evolution::plan_generation(&without, None, &plain).unwrap().is_identity());
    says(&kind(Evolution::plan_generation(&without, Some(&key("id")), &plain)), &["(id)", "none"]);
    // A renamed key column is the same column.
    let renamed = spec(vec![with_id(field("number", DataType::Int64, false), 0), value()], Some(&["number"]));
    let from = Schema::new(vec![with_id(id(), 0), value(), tombstone()]);
    let was = KeySpec::resolve(&from, Some(&["id".to_owned()])).unwrap().unwrap();
    assert!(Evolution::plan_generation(&from, Some(&was), &renamed).unwrap().is_identity());
}

fn list_type(item: &str, nullable: bool) -> DataType {
    DataType::List(Arc::new(Field::new(item, DataType::Utf8, nullable)))
}

fn lists(with_null: bool) -> ListArray {
    let mut lists = ListBuilder::new(StringBuilder::new());
    lists.append_value([Some("a"), Some("b")]);
    lists.append_value([if with_null { None } else { Some("c") }]);
    lists.append_null();
    lists.finish()
}

#[test]
fn names_and_nullability_inside_of_a_type_may_change() {
    let to = keyed(vec![id(), field("list", list_type("element", false), true)]);
    let fields = || vec![id(), field("list", list_type("item", true), true), tombstone()];
    let from = batch(fields(), vec![ids(), Arc::new(lists(false)), deletions()]);
    let evolved = evolve(&from, &to);
    same_buffers(&evolved["list"], from.column(1));
    assert_eq!(evolved["list"].as_list::<i32>().value(0).as_string::<i32>(), &StringArray::from(vec!["a", "b"]));
    // Unless there is a null where there must be none now.
    let from = batch(fields(), vec![ids(), Arc::new(lists(true)), deletions()]);
    let error = Evolution::plan(from.schema_ref(), &to).unwrap().apply(&from).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    says(&error, &["'list'"]);
}

#[test]
fn nulls_in_a_column_that_allows_none_now_are_refused_with_the_rows() {
    // Stored columns are nullable beside a key, so the rows decide.
    let to = keyed(vec![id(), value().with_nullable(false)]);
    let from = batch(vec![id(), value(), tombstone()], vec![ids(), values(), deletions()]);
    let evolved = evolve(&from, &to);
    // The null is in the row of a deletion.
    assert_eq!(to.replay(&[evolved]).unwrap()[0].num_rows(), 3);
    let none: ArrayRef = Arc::new(BooleanArray::from(vec![false; 3]));
    let evolved = evolve(&batch(vec![id(), value(), tombstone()], vec![ids(), values(), none]), &to);
    let error = to.replay(&[evolved]).unwrap_err();
    assert_eq!((error.kind(), error.detail_u64("row")), (ErrorKind::InvalidData, Some(1)));
    // Without a key, the stored schema itself says so.
    let plain = spec(vec![id(), value().with_nullable(false)], None);
    let from = batch(vec![id(), value()], vec![ids(), values()]);
    let error = Evolution::plan(from.schema_ref(), &plain).unwrap().apply(&from).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    says(&error, &["value"]);
}

#[test]
fn repeated_names_and_ids() {
    let twice = || vec![id(), value(), value()];
    let to = spec(twice(), None);
    let from = batch(twice(), vec![ids(), values(), Arc::new(Int32Array::from(vec![4, 5, 6]))]);
    assert_eq!(evolve(&from, &to), from);
    says(&refused(vec![id(), value()], &to), &["'value'", "1 columns", "2 now"]);
    says(&refused(twice(), &spec(vec![id(), value()], None)), &["'value'", "2 columns", "1 now"]);
    let error = refused(vec![with_id(id(), 1), with_id(value(), 1)], &spec(vec![id(), value()], None));
    says(&error, &["field id 1", "'value'"]);
}

#[test]
fn a_batch_of_another_schema_is_refused() {
    let evolution = Evolution::plan(&Schema::new(vec![id(), value()]), &spec(vec![id()], None)).unwrap();
    let narrow = batch(vec![id()], vec![ids()]);
    assert_eq!(evolution.apply(&narrow).unwrap_err().kind(), ErrorKind::SchemaMismatch);
    let wide = batch(vec![id(), value()], vec![ids(), values()]);
    assert_eq!(evolution.apply_projected(&wide, &[0]).unwrap_err().kind(), ErrorKind::SchemaMismatch);
    assert_eq!(evolution.apply(&wide).unwrap()["id"].as_primitive::<Int64Type>().values(), &[1, 2, 3]);
}
