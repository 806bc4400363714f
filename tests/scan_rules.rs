//! The rules of merged reads, one by one.

#![allow(clippy::cloned_ref_to_slice_refs, reason = "layers of one row and of more look alike")]

mod scan_support;
mod support;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use scan_support::*;
use support::{Fault, Op, now};
use weir::cache::Cache;
use weir::error::ErrorKind;
use weir::memtable::evolve::FIELD_ID;
use weir::memtable::key::hash_key;
use weir::memtable::{Limits, TableSpec};
use weir::scan::{CompareOp, GenerationHandle, GenerationList, KeyState, Pushdown, ScanRequest, View};
use weir::store::Store;

fn keyed() -> Arc<TableSpec> {
    spec(&["name"], &["value"])
}

fn values(view: &View, request: &ScanRequest) -> Vec<String> {
    scan(view, &ScanRequest { columns: Some(strings(&["name", "value"])), ..request.clone() })
}

fn all(view: &View) -> Vec<String> {
    values(view, &ScanRequest::default())
}

fn shown(name: &str, value: i64) -> String {
    format!("Some({name:?})|Some({value})")
}

/// What is known of each key.
fn states(view: &View, names: &[&str]) -> Vec<KeyState> {
    let rows: Vec<_> = names.iter().map(|name| row(name, 0, None)).collect();
    now(view.get(&batch(&rows), None)).unwrap().states
}

/// A world in which each step is one generation, the last one a table.
fn layered(spec: &Arc<TableSpec>, layers: &[&[Row]]) -> World {
    let mut world = World::new(spec);
    for (at, rows) in layers.iter().enumerate() {
        if at > 0 {
            world.rotate();
            world.flush();
        }
        let (deleted, put): (Vec<Row>, Vec<Row>) = rows.iter().cloned().partition(|row| row.deleted);
        if !put.is_empty() {
            world.put(&put);
        }
        if !deleted.is_empty() {
            world.delete(&deleted);
        }
    }
    world
}

fn gone(name: &str) -> Row {
    Row { deleted: true, ..row(name, 0, None) }
}

// PITFALLS I1.
#[test]
fn the_newest_duplicate_wins_wherever_both_are() {
    let (old, new) = (row("a", 1, 1), row("a", 2, 2));
    let other = row("z", 0, 0);
    let places: [&[&[Row]]; 5] = [
        &[&[old.clone(), new.clone()]],
        &[&[old.clone(), new.clone()], &[other.clone()]],
        &[&[old.clone()], &[new.clone()]],
        &[&[old.clone()], &[new.clone()], &[other.clone()]],
        &[&[old.clone(), other.clone()], &[other.clone()], &[new.clone()]],
    ];
    for layers in places {
        for fresh in [false, true] {
            let world = layered(&keyed(), layers);
            let view = if fresh { world.fresh() } else { world.view() };
            let got = now(view.get(&batch(&[row("a", 0, None)]), None)).unwrap();
            assert_eq!(got.rows["value"].as_primitive::<Int64Type>().values(), &[2], "{layers:?}");
            assert_eq!(all(&view).iter().filter(|text| text.contains("\"a\"")).collect::<Vec<_>>(), [&shown("a", 2)]);
        }
    }
    // And between a frozen table and the active one.
    let mut world = layered(&keyed(), &[&[old]]);
    world.rotate();
    world.put(&[new]);
    assert_eq!(all(&world.view()), [shown("a", 2)]);
}

/// PITFALLS I1, I3: where few rows are wanted, newer generations are asked for their keys, each of them.
#[test]
fn the_newest_wins_where_few_rows_are_looked_at() {
    let many: Vec<Row> = (0..100).map(|at| row(&format!("k{at:03}"), at, i64::from(at))).collect();
    let other = |at: i32| row(&format!("other{at}"), at, 0);
    let layers: [&[Row]; 6] = [
        &many,
        &[other(1), gone("k007")],
        &[other(2), row("k005", 0, -5)],
        &[other(3), row("k006", 0, -6)],
        &[other(4)],
        &[row("k008", 0, -8)],
    ];
    let world = layered(&keyed(), &layers);
    let eq = |name: &str| vec![compare("name", CompareOp::Eq, text(name))];
    let few = vec![compare("name", CompareOp::GtEq, text("k004")), compare("name", CompareOp::Lt, text("k010"))];
    let filters = [eq("k004"), eq("k005"), eq("k006"), eq("k007"), eq("k008"), few, vec![compare("value", CompareOp::Eq, int(5))], vec![]];
    for filter in filters {
        for tombstones in [false, true] {
            for pushdown in [Pushdown::Auto, Pushdown::Always] {
                let limit = filter.is_empty().then_some(9);
                let request = ScanRequest { filter: filter.clone(), limit, tombstones, pushdown, ..ScanRequest::default() };
                // Nobody has asked yet what hides what.
                assert_eq!(scan(&world.fresh(), &request), world.model.scan(&request), "{request:?}");
            }
        }
    }
}

// PITFALLS I2.
#[test]
fn what_is_superseded_passes_no_filter_and_counts_for_no_limit() {
    // The old version of each would pass; the new one does not.
    let olds: Vec<Row> = (0..50).map(|i| row(&format!("k{i:02}"), i, 1)).collect();
    let news: Vec<Row> = (0..49).map(|i| row(&format!("k{i:02}"), i, 2)).collect();
    let filter = vec![compare("value", CompareOp::Eq, int(1))];
    for layers in [&[&olds[..], &news[..]][..], &[&olds[..], &news[..], &[row("other", 0, 5)]]] {
        let view = layered(&keyed(), layers).view();
        for pushdown in [Pushdown::Auto, Pushdown::Never, Pushdown::Always] {
            for limit in [None, Some(1), Some(10)] {
                let request = ScanRequest { filter: filter.clone(), limit, pushdown, ..ScanRequest::default() };
                assert_eq!(values(&view, &request), [shown("k49", 1)], "{pushdown:?}, {limit:?}");
            }
        }
    }
    let view = layered(&keyed(), &[&olds, &news]).view();
    let request = ScanRequest { limit: Some(3), ..ScanRequest::default() };
    assert_eq!(values(&view, &request), [shown("k49", 1), shown("k00", 2), shown("k01", 2)]);
}

// PITFALLS I3, I4.
#[test]
fn a_deletion_hides_what_is_older_in_every_source_and_is_told_from_nothing() {
    let a = row("a", 1, 1);
    let b = row("b", 2, 2);
    let places: [&[&[Row]]; 5] = [
        &[&[a.clone(), b.clone(), gone("a")]],
        &[&[a.clone(), b.clone()], &[gone("a")]],
        &[&[a.clone(), b.clone()], &[gone("a")], &[row("c", 3, 3)]],
        // Deleted, put again, deleted again.
        &[&[a.clone()], &[gone("a")], &[a.clone(), b.clone()], &[gone("a")], &[row("c", 3, 3)]],
        &[&[b.clone()], &[a.clone()], &[row("c", 3, 3)], &[row("d", 4, 4)], &[gone("a")]],
    ];
    for layers in places {
        let world = layered(&keyed(), layers);
        for view in [world.view(), world.fresh()] {
            assert!(all(&view).iter().all(|text| !text.contains("\"a\"")), "{layers:?}");
            assert!(all(&view).contains(&shown("b", 2)));
            assert_eq!(
                states(&view, &["a", "b", "never", "a"]),
                [KeyState::Deleted, KeyState::Found, KeyState::Missing, KeyState::Deleted]
            );
            let with = scan(&view, &ScanRequest { tombstones: true, columns: Some(strings(&["name"])), ..ScanRequest::default() });
            assert_eq!(with.iter().filter(|text| text.as_str() == "Some(\"a\")|true").count(), 1, "{with:?}");
        }
    }
}

/// PITFALLS I5: keys with the same hash bits as far as tables know them, and a chance to meet in a filter.
#[test]
fn keys_whose_hashes_meet_are_different_keys() {
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("value", DataType::Int64, true)]);
    let spec = TableSpec::new(&schema, Some(&strings(&["id"])), &[], Limits::default()).unwrap();
    let rows = |ids: &[i64], value: i64| {
        let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(ids.to_vec())), Arc::new(Int64Array::from(vec![value; ids.len()]))];
        RecordBatch::try_new(Arc::new(schema.clone()), columns).unwrap()
    };
    for (a, b) in [(107_236_i64, 536_415_i64), (588_245, 1_051_598), (772_801, 1_605_108)] {
        let known = |id: i64| hash_key(&(id ^ i64::MIN).to_be_bytes());
        assert_eq!((known(a) >> 58, known(a) as u32), (known(b) >> 58, known(b) as u32), "else this tests nothing");
        // In one table, in two, and in generations, either may hide only itself.
        for flushes in 0..3 {
            let mut world = World::new(&spec);
            let put = |world: &World, ids: &[i64], value| {
                let prepared = spec.put(&rows(ids, value), weir::memtable::Buffers::Own).unwrap();
                world.active().insert(prepared).unwrap().unwrap();
            };
            put(&world, &[a, b], 1);
            world.rotate();
            put(&world, &[b], 2);
            world.rotate();
            (0..flushes).for_each(|_| assert!(world.flush()));
            let deleted = spec.delete(&rows(&[a], 0)).unwrap();
            world.active().insert(deleted).unwrap().unwrap();
            let view = world.view();
            let got = now(view.get(&rows(&[a, b], 0), None)).unwrap();
            assert_eq!(got.states, [KeyState::Deleted, KeyState::Found]);
            assert_eq!(got.rows, rows(&[b], 2));
            assert_eq!(batches(&view, &ScanRequest::default()), [rows(&[b], 2)]);
        }
    }
}

// PITFALLS I6.
#[test]
fn a_null_in_a_key_is_refused() {
    let world = layered(&keyed(), &[&[row("a", 1, 1)], &[row("b", 1, 1)]]);
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
    let keys = RecordBatch::try_from_iter_with_nullable([("name", names, true)]).unwrap();
    let error = now(world.view().get(&keys, None)).unwrap_err();
    assert_eq!((error.kind(), error.detail_u64("row")), (ErrorKind::InvalidData, Some(1)));
    let null: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>]));
    let request = ScanRequest { filter: vec![compare("name", CompareOp::Eq, null)], ..ScanRequest::default() };
    assert_eq!(kind(world.view().scan(request)), ErrorKind::InvalidArgument);
}

// PITFALLS I7.
#[test]
fn composite_keys_keep_their_columns_apart_and_in_order() {
    let schema = Schema::new(vec![Field::new("a", DataType::Utf8, false), Field::new("b", DataType::Utf8, false)]);
    let spec = TableSpec::new(&schema, Some(&strings(&["a", "b"])), &[], Limits::default()).unwrap();
    let pairs = [("a", "bc"), ("ab", "c"), ("a", "b"), ("a\0", "b"), ("", "abc"), ("b", ""), ("a", "\u{ff}"), ("a\u{ff}", "")];
    let rows = |pairs: &[(&str, &str)]| {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(pairs.iter().map(|pair| pair.0))),
            Arc::new(StringArray::from_iter_values(pairs.iter().map(|pair| pair.1))),
        ];
        RecordBatch::try_new(Arc::new(schema.clone()), columns).unwrap()
    };
    for flush in [false, true] {
        let mut world = World::new(&spec);
        world.active().insert(spec.put(&rows(&pairs), weir::memtable::Buffers::Own).unwrap()).unwrap().unwrap();
        if flush {
            world.rotate();
            world.flush();
        }
        let view = world.view();
        let got = now(view.get(&rows(&pairs), None)).unwrap();
        assert_eq!(got.rows, rows(&pairs));
        for (first, op) in
            [("a", CompareOp::Eq), ("a", CompareOp::LtEq), ("a", CompareOp::Gt), ("ab", CompareOp::Lt), ("", CompareOp::GtEq)]
        {
            for second in [None, Some(("b", CompareOp::Gt)), Some(("bc", CompareOp::Eq)), Some(("\u{ff}", CompareOp::LtEq))] {
                let is = |op: CompareOp, a: &str, b: &str| match op {
                    CompareOp::Eq => a == b,
                    CompareOp::Lt => a < b,
                    CompareOp::LtEq => a <= b,
                    CompareOp::Gt => a > b,
                    _ => a >= b,
                };
                let wanted = pairs.iter().filter(|(a, b)| is(op, a, first) && second.is_none_or(|(value, op)| is(op, b, value)));
                let wanted: Vec<_> = wanted.copied().collect();
                let mut filter = vec![compare("a", op, text(first))];
                filter.extend(second.map(|(value, op)| compare("b", op, text(value))));
                for pushdown in [Pushdown::Never, Pushdown::Auto, Pushdown::Always] {
                    let request = ScanRequest { filter: filter.clone(), pushdown, ..ScanRequest::default() };
                    let found = batches(&view, &request);
                    let expected = if wanted.is_empty() { vec![] } else { vec![rows(&wanted)] };
                    assert_eq!(found, expected, "{first:?} {op:?} {second:?} {pushdown:?}");
                }
            }
        }
    }
}

// PITFALLS I8.
#[test]
fn a_view_shows_one_moment_whatever_comes_after() {
    let mut world = layered(&keyed(), &[&[row("a", 1, 1), row("b", 1, 1)], &[row("a", 1, 2)], &[row("c", 1, 3)]]);
    world.rotate();
    let (view, before) = (world.view(), all(&world.view()));
    let mut stream = view.scan(ScanRequest { batch_rows: 1, ..ScanRequest::default() }).unwrap();
    assert_eq!(now(stream.next()).unwrap().unwrap().num_rows(), 1);
    world.put(&[row("b", 9, 9), row("d", 9, 9)]);
    world.delete(&[row("a", 0, None), row("c", 0, None)]);
    world.flush();
    world.rotate();
    world.flush();
    let inputs = world.list.len();
    world.compact(0, inputs);
    assert_eq!(all(&view), before);
    assert_eq!(states(&view, &["a", "b", "c", "d"]), [KeyState::Found, KeyState::Found, KeyState::Found, KeyState::Missing]);
    let mut rest = 1;
    while let Some(batch) = now(stream.next()).unwrap() {
        rest += batch.num_rows();
    }
    assert_eq!(rest, before.len());
    assert_eq!(all(&world.view()), [shown("b", 9), shown("d", 9)]);
}

fn with_id(name: &str, data_type: DataType, nullable: bool, id: &str) -> Field {
    Field::new(name, data_type, nullable).with_metadata([(FIELD_ID.to_owned(), id.to_owned())])
}

/// A generation of an older schema: the key renamed, a column renamed, one dropped, two new.
fn evolved() -> (World, Arc<TableSpec>) {
    let old = Schema::new(vec![
        with_id("key", DataType::Utf8, false, "1"),
        with_id("was", DataType::Int64, true, "2"),
        with_id("dropped", DataType::Int32, true, "3"),
    ]);
    let on = |name: &str, column: &str| weir::memtable::index::IndexDefinition { column: column.into(), ..index(name) };
    let old = TableSpec::new(&old, Some(&strings(&["key"])), &[on("x", "was")], Limits::default()).unwrap();
    let new = Schema::new(vec![
        with_id("new", DataType::Utf8, true, "9"),
        with_id("value", DataType::Int64, true, "2"),
        with_id("name", DataType::Utf8, false, "1"),
        Field::new("newer", DataType::Int32, true),
    ]);
    let new = TableSpec::new(&new, Some(&strings(&["name"])), &[on("y", "value"), on("z", "new")], Limits::default()).unwrap();
    let mut world = World::new(&old);
    let rows = RecordBatch::try_new(
        Arc::clone(old.schema()),
        vec![
            Arc::new(StringArray::from_iter_values((0..100).map(|i| format!("k{i:02}")))),
            Arc::new(Int64Array::from_iter_values(0..100)),
            Arc::new(Int32Array::from_iter_values(0..100)),
        ],
    );
    world.active().insert(old.put(&rows.unwrap(), weir::memtable::Buffers::Own).unwrap()).unwrap().unwrap();
    world.rotate();
    assert!(world.flush());
    world.tables.clear();
    world.spec = Arc::clone(&new);
    world.tables.push(weir::memtable::MemTable::new(Arc::clone(&new), 2, 100, weir::memtable::Visibility::Indexed));
    let rows = RecordBatch::try_new(
        Arc::clone(new.schema()),
        vec![
            Arc::new(StringArray::from(vec!["n", "n"])),
            Arc::new(Int64Array::from(vec![1000, 2000])),
            Arc::new(StringArray::from(vec!["k50", "z"])),
            Arc::new(Int32Array::from(vec![7, 8])),
        ],
    );
    world.active().insert(new.put(&rows.unwrap(), weir::memtable::Buffers::Own).unwrap()).unwrap().unwrap();
    (world, new)
}

// PITFALLS C7.
#[test]
fn a_generation_of_an_older_schema_is_read_as_todays() {
    let (world, spec) = evolved();
    let view = world.view();
    let found = batches(&view, &ScanRequest::default());
    assert!(found.iter().all(|batch| batch.schema_ref() == spec.schema()));
    let found = arrow_select::concat::concat_batches(spec.schema(), &found).unwrap();
    assert_eq!(found.num_rows(), 101);
    let names: Vec<_> = found["name"].as_string::<i32>().iter().flatten().collect();
    assert_eq!((names[0], names[50], names[99], names[100]), ("k00", "k51", "k50", "z"));
    assert_eq!((found["new"].null_count(), found["newer"].null_count(), found["value"].null_count()), (99, 99, 0));
    assert_eq!(found["value"].as_primitive::<Int64Type>().value(99), 1000);

    let keys = RecordBatch::try_from_iter([("name", Arc::new(StringArray::from(vec!["z", "k07", "k50", "no"])) as ArrayRef)]).unwrap();
    let columns = strings(&["newer", "name", "value"]);
    let got = now(view.get(&keys, Some(&columns))).unwrap();
    assert_eq!(got.states, [KeyState::Found, KeyState::Found, KeyState::Found, KeyState::Missing]);
    assert_eq!(got.rows["value"].as_primitive::<Int64Type>().values(), &[2000, 7, 1000]);
    assert_eq!(got.rows["newer"].null_count(), 1);

    // The old index is on the renamed column; the new column has none there, and is null.
    for (filter, count) in [
        (compare("value", CompareOp::Lt, int(3)), 3),
        (compare("value", CompareOp::Eq, int(50)), 0),
        (compare("new", CompareOp::IsNull, None), 99),
        (compare("new", CompareOp::Eq, text("n")), 2),
        (compare("name", CompareOp::GtEq, text("k98")), 3),
    ] {
        for pushdown in [Pushdown::Auto, Pushdown::Never, Pushdown::Always] {
            let request =
                ScanRequest { filter: vec![filter.clone()], columns: Some(strings(&["newer"])), pushdown, ..ScanRequest::default() };
            assert_eq!(batches(&view, &request).iter().map(RecordBatch::num_rows).sum::<usize>(), count, "{filter:?} {pushdown:?}");
        }
    }
}

// PITFALLS C7.
#[test]
fn a_generation_that_cannot_be_read_as_todays_is_a_clear_error() {
    let (world, _) = evolved();
    let other = Schema::new(vec![with_id("name", DataType::Utf8, false, "1"), with_id("value", DataType::Utf8, true, "2")]);
    for (schema, key) in [
        (other.clone(), Some(strings(&["name"]))),
        (Schema::new(vec![with_id("name", DataType::Utf8, false, "1")]), None),
        (
            Schema::new(vec![with_id("name", DataType::Utf8, false, "1"), with_id("more", DataType::Int32, false, "7")]),
            Some(strings(&["name"])),
        ),
    ] {
        let spec = TableSpec::new(&schema, key.as_deref(), &[], Limits::default()).unwrap();
        let view = View::new(Arc::clone(&spec), Vec::new(), Arc::clone(&world.list));
        let mut stream = view.scan(ScanRequest::default()).unwrap();
        let error = now(stream.next()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
        assert!(error.message().contains("generation 1"), "{error}");
        if key.is_some() {
            let keys = RecordBatch::try_from_iter([("name", text("absent"))]).unwrap();
            assert_eq!(kind(now(view.get(&keys, None))), ErrorKind::SchemaMismatch, "whatever is asked for");
        }
    }
}

#[test]
fn what_cannot_be_asked_is_refused_before_anything_is_read() {
    let view = layered(&keyed(), &[&[row("a", 1, 1)], &[row("b", 1, 1)]]).view();
    let bad = |request: ScanRequest| {
        assert_eq!(kind(view.scan(request.clone())), ErrorKind::InvalidArgument, "{request:?}");
    };
    for columns in [&["none"][..], &["name", "name"], &["_tombstone"], &["_position"]] {
        bad(ScanRequest { columns: Some(strings(columns)), ..ScanRequest::default() });
        assert_eq!(kind(now(view.get(&batch(&[row("a", 0, None)]), Some(&strings(columns))))), ErrorKind::InvalidArgument);
    }
    let two: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let null: ArrayRef = Arc::new(Int64Array::from(vec![None]));
    for filter in [
        compare("none", CompareOp::Eq, int(1)),
        compare("_tombstone", CompareOp::IsNull, None),
        compare("value", CompareOp::Eq, int32(1)),
        compare("value", CompareOp::Lt, two),
        compare("value", CompareOp::Gt, null),
        compare("value", CompareOp::GtEq, None),
        compare("value", CompareOp::IsNull, int(1)),
        compare("tag", CompareOp::NotEq, int(1)),
    ] {
        bad(ScanRequest { filter: vec![filter], ..ScanRequest::default() });
    }
    let keys = RecordBatch::try_from_iter([("number", int32(1))]).unwrap();
    assert_eq!(kind(now(view.get(&keys, None))), ErrorKind::SchemaMismatch);
    let keys = RecordBatch::try_from_iter([("name", int(1))]).unwrap();
    assert_eq!(kind(now(view.get(&keys, None))), ErrorKind::SchemaMismatch);
}

#[test]
fn an_empty_shard_gives_nothing() {
    let view = World::new(&keyed()).view();
    assert_eq!(all(&view), Vec::<String>::new());
    assert_eq!(states(&view, &["a"]), [KeyState::Missing]);
    let got = now(view.get(&batch(&[]), None)).unwrap();
    assert_eq!((got.states.len(), got.rows.num_rows(), got.rows.schema_ref()), (0, 0, view.spec().schema()));
    let nothing = View::new(keyed(), Vec::new(), Arc::new(GenerationList::default()));
    assert_eq!(all(&nothing), Vec::<String>::new());
}

#[test]
fn no_columns_still_count_rows() {
    let view = layered(&keyed(), &[&[row("a", 1, 1), row("b", 1, 1)], &[row("a", 1, 2)]]).view();
    let request = ScanRequest { columns: Some(Vec::new()), ..ScanRequest::default() };
    assert_eq!(batches(&view, &request).iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
    let got = now(view.get(&batch(&[row("a", 0, None), row("b", 0, None)]), Some(&[]))).unwrap();
    assert_eq!((got.rows.num_rows(), got.rows.num_columns()), (2, 0));
}

#[test]
fn small_batches_are_joined_and_large_ones_divided() {
    let mut world = World::new(&keyed());
    for at in 0..1000 {
        world.put(&[row(&format!("{at}"), at, 1)]);
    }
    let sizes = |rows| {
        let request = ScanRequest { batch_rows: rows, ..ScanRequest::default() };
        batches(&world.view(), &request).iter().map(RecordBatch::num_rows).collect::<Vec<_>>()
    };
    assert_eq!(sizes(0), [1000]);
    assert_eq!(sizes(300), [300, 300, 300, 100]);
    let mut world = World::new(&keyed());
    world.put(&(0..1000).map(|at| row(&format!("{at}"), at, 1)).collect::<Vec<_>>());
    let request = ScanRequest { batch_rows: 300, ..ScanRequest::default() };
    assert_eq!(batches(&world.view(), &request).iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [300, 300, 300, 100]);
}

#[test]
fn a_position_names_a_row_before_and_after_its_flush() {
    let mut world = layered(&keyed(), &[&[row("a", 1, 1), row("b", 2, 2), row("a", 3, 3)], &[row("c", 4, 4), gone("b")]]);
    let request = ScanRequest { with_position: true, with_generation: true, ..ScanRequest::default() };
    let before = values(&world.view(), &request);
    assert_eq!(before, ["Some(\"a\")|Some(3)|2|1", "Some(\"c\")|Some(4)|0|2"]);
    world.rotate();
    world.flush();
    assert_eq!(values(&world.view(), &request), before);
}

/// The world's generations behind a store whose reads fail or wait.
fn behind(world: &World, store: &Store, cache: Option<&Cache>) -> View {
    let handle = |handle: &Arc<GenerationHandle>| GenerationHandle::new(store.clone(), shard(), handle.table().clone(), cache.cloned());
    let list = GenerationList::new(world.list.handles().map(handle).collect());
    View::new(Arc::clone(&world.spec), world.view().tables().to_vec(), Arc::new(list))
}

/// A generation of many batches, with another one and a table above it.
fn many() -> World {
    let many: Vec<Row> = (0..300).map(|at| row(&format!("k{at:03}"), at, i64::from(at))).collect();
    layered(&keyed(), &[&many, &many[100..110], &[row("k150", 0, 0)]])
}

fn requests() -> Vec<ScanRequest> {
    let filters = [
        vec![],
        vec![compare("value", CompareOp::Lt, int(20))],
        vec![compare("name", CompareOp::Gt, text("k280"))],
        vec![compare("name", CompareOp::Eq, text("k105"))],
    ];
    let request = |filter| ScanRequest { columns: Some(strings(&["name", "value"])), filter, batch_rows: 10, ..ScanRequest::default() };
    let requests = filters.into_iter().map(request);
    requests.flat_map(|request| [request.clone(), ScanRequest { limit: Some(25), ..request }]).collect()
}

/// Whatever read fails, asking again goes on from there: nothing is lost or doubled.
#[test]
fn a_read_that_failed_is_tried_again_by_the_next_call() {
    let world = many();
    let store = Store::new("memory://scan", Arc::new(world.faults.clone().blocking()));
    let mut failed = 0;
    for request in requests() {
        let view = behind(&world, &store, None);
        let mut stream = view.scan(request.clone()).unwrap();
        let mut found = Vec::new();
        for call in 0.. {
            // Every read fails the first time.
            if call % 2 == 0 {
                world.faults.on_next(Op::GetRange, "", 1, Fault::ErrorBefore);
            }
            match now(stream.next()) {
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Storage);
                    failed += 1;
                }
                Ok(Some(batch)) => found.extend(texts(&batch)),
                Ok(None) => break,
            }
        }
        world.faults.heal();
        assert_eq!(found, scan(&world.view(), &request), "{request:?}");
    }
    assert!(failed > 20, "{failed}");
}

/// Whoever gives up waiting for a batch and asks again later misses none.
#[test]
fn a_call_that_was_dropped_loses_nothing() {
    let world = many();
    let store = Store::new("memory://scan", Arc::new(world.faults.clone()));
    let mut dropped = 0;
    for request in requests() {
        for patience in [1, 2, 3, 7] {
            let view = behind(&world, &store, None);
            let mut stream = view.scan(request.clone()).unwrap();
            let (mut found, mut polls) = (Vec::new(), patience);
            loop {
                let outcome = {
                    let mut next = std::pin::pin!(stream.next());
                    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                    let mut outcome = std::task::Poll::Pending;
                    for _ in 0..polls {
                        outcome = next.as_mut().poll(&mut context);
                        if outcome.is_ready() {
                            break;
                        }
                    }
                    outcome
                };
                match outcome {
                    // A read that is begun anew each time needs more patience at last.
                    std::task::Poll::Pending => {
                        dropped += 1;
                        polls += 1;
                    }
                    std::task::Poll::Ready(batch) => {
                        polls = patience;
                        match batch.unwrap() {
                            Some(batch) => found.extend(texts(&batch)),
                            None => break,
                        }
                    }
                }
            }
            assert_eq!(found, scan(&world.view(), &request), "{request:?}");
        }
    }
    assert!(dropped > 100, "{dropped}");
}

/// Every byte that is read is checked: a flipped bit is an error or, where nothing looks at it, no difference.
#[test]
fn damage_is_an_error_and_never_other_rows() {
    let world = many();
    let request = ScanRequest { filter: vec![compare("value", CompareOp::GtEq, int(0))], ..ScanRequest::default() };
    let expected = scan(&world.view(), &request);
    let keys = batch(&[row("k105", 0, None), row("k299", 0, None), row("none", 0, None)]);
    let got = now(world.view().get(&keys, None)).unwrap();
    let handles: Vec<_> = world.list.handles().cloned().collect();
    let mut errors = 0;
    for handle in &handles {
        let dir = format!("{}/{}", shard().dir(), handle.table().path);
        for object in now(world.store.list(&dir)).unwrap() {
            let path = format!("{dir}/{}", object.name);
            let whole = now(world.store.get_range(&path, 0..object.size)).unwrap().unwrap().bytes;
            for at in (0..whole.len()).step_by(whole.len() / 60 + 1) {
                let mut bad = whole.to_vec();
                bad[at] ^= 1 << (at % 8);
                now(world.faults.inner().put(&path, bad.into())).unwrap();
                let view = world.fresh();
                let mut stream = view.scan(request.clone()).unwrap();
                let mut found = Vec::new();
                let outcome = loop {
                    match now(stream.next()) {
                        Ok(Some(batch)) => found.extend(texts(&batch)),
                        Ok(None) => break Ok(()),
                        Err(error) => break Err(error),
                    }
                };
                match outcome {
                    Ok(()) => assert_eq!(found, expected, "{path} {at}"),
                    Err(error) => {
                        errors += 1;
                        assert!(matches!(error.kind(), ErrorKind::Corruption | ErrorKind::Unsupported), "{path} {at}: {error}");
                        assert!(expected.starts_with(&found), "{path} {at}");
                    }
                }
                match now(world.fresh().get(&keys, None)) {
                    Ok(read) => assert_eq!((&read.states, texts(&read.rows)), (&got.states, texts(&got.rows)), "{path} {at}"),
                    Err(error) => assert!(matches!(error.kind(), ErrorKind::Corruption | ErrorKind::Unsupported), "{path} {at}: {error}"),
                }
            }
            now(world.faults.inner().put(&path, whole)).unwrap();
        }
    }
    assert!(errors > 50, "{errors}");
    assert_eq!(scan(&world.fresh(), &request), expected);
}

/// A generation that was compacted away and swept is `NotFound`, so that the manifest is read again.
#[test]
fn a_generation_that_is_gone_is_not_found() {
    let world = many();
    let handle = world.list.handles().find(|handle| handle.generation() == 1).unwrap();
    let dir = format!("{}/{}", shard().dir(), handle.table().path);
    for object in now(world.store.list(&dir)).unwrap() {
        now(world.store.delete(&format!("{dir}/{}", object.name))).unwrap();
    }
    let view = world.fresh();
    let mut stream = view.scan(ScanRequest::default()).unwrap();
    assert_eq!(kind(now(stream.next())), ErrorKind::NotFound);
    assert_eq!(kind(now(view.get(&batch(&[row("k000", 0, None)]), None))), ErrorKind::NotFound);
}
