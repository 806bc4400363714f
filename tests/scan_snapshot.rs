//! Snapshots: what a shard has, seen by a process that holds no claim, and from where a tailer goes on.

mod cache_support;
mod log_support;
mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use cache_support::{Table, Wrong};
use log_support::*;
use support::sim::yield_now;
use support::{Fault, Op, now};
use weir::cache::Cache;
use weir::env::Clock;
use weir::error::{ErrorKind, Result};
use weir::generation::publish::{publish, replace};
use weir::generation::{DataOptions, TOMBSTONE, TableInput, Written, encode};
use weir::memtable::evolve::FIELD_ID;
use weir::memtable::index::{IndexDefinition, IndexKind};
use weir::memtable::key::{KeySpec, PRIMARY_KEY};
use weir::scan::snapshot::{Snapshot, SnapshotOptions};
use weir::scan::{KeyState, ScanRequest};
use weir::shard::ShardPath;
use weir::shard::manifest::SsTable;
use weir::store::Store;
use weir::store::local::{LocalBackend, LocalOptions};
use weir::wal::entry::{BatchEncoder, Compression, EncodedEntry, EntryId, assemble};
use weir::wal::{TailerOptions, WalTailer};
use weir::writer::WriterConfig;

fn named(key: &str) -> SnapshotOptions {
    SnapshotOptions { primary_key: Some(vec![key.to_owned()]), ..SnapshotOptions::default() }
}

fn given(schema: &Schema) -> SnapshotOptions {
    SnapshotOptions { schema: Some(schema.clone()), ..SnapshotOptions::default() }
}

async fn open(world: &World, options: SnapshotOptions) -> Result<Arc<Snapshot>> {
    Snapshot::open(world.store(), shard(), world.sim.env(), None, options).await
}

async fn scan(snapshot: &Snapshot) -> Vec<RecordBatch> {
    let mut stream = snapshot.view().scan(ScanRequest::default()).unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await.unwrap() {
        batches.push(batch);
    }
    batches
}

async fn scan_ids(snapshot: &Snapshot) -> Vec<i64> {
    ids(&scan(snapshot).await)
}

/// The schema of rows that are put and deleted by their `id`, as it is logged.
fn stored() -> SchemaRef {
    let mut fields: Vec<_> = schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(TOMBSTONE, DataType::Boolean, false)));
    Arc::new(Schema::new(fields))
}

fn texts(rows: &[(i64, Option<&str>)]) -> Vec<ArrayRef> {
    let texts: StringArray = rows.iter().map(|(_, text)| *text).collect();
    vec![Arc::new(Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id))), Arc::new(texts)]
}

/// Rows of [`stored`]; no text is a deletion.
fn versions(rows: &[(i64, Option<&str>)]) -> RecordBatch {
    let mut columns = texts(rows);
    columns.push(Arc::new(BooleanArray::from(rows.iter().map(|(_, text)| text.is_none()).collect::<Vec<_>>())));
    RecordBatch::try_new(stored(), columns).unwrap()
}

fn entry_of(epoch: u64, generation: Option<u64>, batch: &RecordBatch) -> EncodedEntry {
    let encoder = BatchEncoder::new(batch.schema_ref(), Compression::None).unwrap();
    let encoded = encoder.encode(batch).unwrap();
    assemble(&encoder.preamble(epoch, generation).unwrap(), [&encoded], EntryId([1; 16]))
}

fn by_id(schema: &Schema) -> Option<KeySpec> {
    KeySpec::resolve(schema, Some(&["id".to_owned()])).unwrap()
}

/// Writes a generation of `batches`; with the key `id` if they have a tombstone column.
async fn written(world: &World, generation: u64, batches: Vec<RecordBatch>) -> Written {
    let schema = batches[0].schema();
    let key = schema.column_with_name(TOMBSTONE).and_then(|_| by_id(&schema));
    let input = TableInput { generation, schema, key, batches, secondary: Vec::new(), in_memory_bytes: 1 };
    let encoded = encode(input, &DataOptions::default()).unwrap();
    encoded.store(&world.truth(), &shard(), &world.sim.env(), AT_ONCE).await.unwrap()
}

/// Writes and publishes a generation that covers the log up to `covers`.
async fn flush(world: &World, epoch: u64, generation: u64, covers: u64, batches: Vec<RecordBatch>) -> SsTable {
    let written = written(world, generation, batches).await;
    publish(&world.truth(), &shard(), &world.manifests(), epoch, &written, covers).await.unwrap();
    written.table
}

#[test]
fn what_is_not_there_is_not_found() {
    let world = World::blocking();
    assert_eq!(kind(now(open(&world, SnapshotOptions::default()))), ErrorKind::NotFound);
    now(world.manifests().claim(0)).unwrap();
    let error = now(open(&world, SnapshotOptions::default())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("schema"), "{error}");
    // With a schema, nothing is a result.
    let snapshot = now(open(&world, given(&schema()))).unwrap();
    assert_eq!((now(scan_ids(&snapshot)), snapshot.cut(), snapshot.schema()), (vec![], 0, &schema()));
    assert_eq!(snapshot.manifest().version, 1);
}

#[test]
fn generations_and_the_tail_are_one() {
    for wal in [true, false] {
        let world = World::blocking();
        let epoch = now(world.manifests().claim(0)).unwrap().writer_epoch;
        for position in 1..=6_u64 {
            let generation = if position <= 4 { Some(position.div_ceil(2)) } else { None };
            world.plant_entry(position, &foreign(epoch, generation, position as i64 * 10..position as i64 * 10 + 3));
        }
        now(flush(&world, epoch, 1, 2, vec![batch(10..13), batch(20..23)]));
        let expected = |count: i64| (1..=count).flat_map(|n| n * 10..n * 10 + 3).collect::<Vec<_>>();
        let snapshot = now(open(&world, SnapshotOptions { wal, ..SnapshotOptions::default() })).unwrap();
        assert_eq!(now(scan_ids(&snapshot)), expected(if wal { 6 } else { 2 }));
        assert_eq!(snapshot.cut(), if wal { 6 } else { 2 });
        assert!(snapshot.memory_bytes() > 0);
        // Nothing was written, and nothing that comes later is in it.
        let versions = world.versions();
        now(flush(&world, epoch, 2, 4, vec![batch(30..33), batch(40..43)]));
        world.plant_entry(7, &foreign(epoch, Some(3), 70..73));
        assert_eq!(now(scan_ids(&snapshot)), expected(if wal { 6 } else { 2 }));
        assert_eq!(world.versions().len(), versions.len() + 1);
        let snapshot = now(open(&world, SnapshotOptions { wal, ..SnapshotOptions::default() })).unwrap();
        assert_eq!(now(scan_ids(&snapshot)), expected(if wal { 7 } else { 4 }));
    }
}

/// PITFALLS C4: entries that a published generation has are neither doubled in the snapshot nor behind its cut.
#[test]
fn a_trailing_cursor_doubles_nothing() {
    let world = World::blocking();
    let epoch = now(world.manifests().claim(0)).unwrap().writer_epoch;
    for (position, generation) in (1..).zip([Some(1), Some(1), Some(1), None]) {
        world.plant_entry(position, &foreign(epoch, generation, position as i64..position as i64 + 1));
    }
    now(flush(&world, epoch, 1, 1, vec![batch(1..4)]));
    let snapshot = now(open(&world, SnapshotOptions::default())).unwrap();
    assert_eq!((now(scan_ids(&snapshot)), snapshot.cut()), (vec![1, 2, 3, 4], 4));
    let snapshot = now(open(&world, SnapshotOptions { wal: false, ..SnapshotOptions::default() })).unwrap();
    assert_eq!((now(scan_ids(&snapshot)), snapshot.cut()), (vec![1, 2, 3], 3));
}

#[test]
fn the_newest_version_of_a_key_counts_wherever_it_is() {
    let world = World::blocking();
    let epoch = now(world.manifests().claim(0)).unwrap().writer_epoch;
    let log = [
        versions(&[(1, Some("old")), (2, Some("two")), (3, Some("three"))]),
        versions(&[(1, Some("new")), (3, None)]),
        versions(&[(4, Some("four")), (2, None)]),
        versions(&[(4, Some("4"))]),
    ];
    for (position, batch) in (1..).zip(&log) {
        world.plant_entry(position, &entry_of(epoch, Some(position.div_ceil(2)), batch));
    }
    now(flush(&world, epoch, 1, 2, log[..2].to_vec()));
    let snapshot = now(open(&world, SnapshotOptions::default())).unwrap();
    // The key is the generation's, since nothing in the schema marks it.
    let batches = now(scan(&snapshot));
    let rows = arrow_select::concat::concat_batches(snapshot.schema(), &batches).unwrap();
    assert_eq!(rows.schema(), schema());
    assert_eq!(rows["id"].as_primitive::<Int64Type>().values(), &[1, 4]);
    assert_eq!(rows["text"].as_string::<i32>(), &StringArray::from(vec!["new", "4"]));
    let keys = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![4, 3, 2, 1, 9])) as ArrayRef)]).unwrap();
    let got = now(snapshot.view().get(&keys, None)).unwrap();
    assert_eq!(got.states, [KeyState::Found, KeyState::Deleted, KeyState::Deleted, KeyState::Found, KeyState::Missing]);
    assert_eq!(got.rows["text"].as_string::<i32>(), &StringArray::from(vec!["4", "new"]));
}

#[test]
fn the_key_is_named_marked_or_known_by_a_generation() {
    let world = World::blocking();
    now(world.manifests().claim(0)).unwrap();
    world.plant_entry(1, &entry_of(1, Some(1), &versions(&[(1, Some("a")), (1, Some("b"))])));
    // There was one, and nothing says which.
    let error = now(open(&world, SnapshotOptions::default())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().contains("primary key"), "{error}");
    assert_eq!(kind(now(open(&world, named("nothing")))), ErrorKind::InvalidArgument);
    assert_eq!(now(scan_ids(&now(open(&world, named("id"))).unwrap())), [1]);
    // Without a key, deletions make no sense.
    assert_eq!(kind(now(open(&world, given(&schema())))), ErrorKind::SchemaMismatch);
    // The caller's schema marks it.
    let id = Field::new("id", DataType::Int64, false)
        .with_metadata([(PRIMARY_KEY.to_owned(), "true".to_owned())].into_iter().collect::<std::collections::HashMap<_, _>>());
    let marked = Schema::new(vec![id.clone(), Field::new("text", DataType::Utf8, true)]);
    assert_eq!(now(scan_ids(&now(open(&world, given(&marked))).unwrap())), [1]);
    // The logged schema does.
    let columns = versions(&[(2, Some("a")), (2, Some("b")), (1, None)]).columns().to_vec();
    let mut fields = vec![Arc::new(id)];
    fields.extend(stored().fields().iter().skip(1).cloned());
    world.plant_entry(2, &entry_of(1, Some(1), &RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()));
    assert_eq!(now(scan_ids(&now(open(&world, SnapshotOptions::default())).unwrap())), [2]);
}

#[test]
fn the_schema_is_the_newest_entrys_else_the_newest_generations() {
    let world = World::blocking();
    let epoch = now(world.manifests().claim(0)).unwrap().writer_epoch;
    let with_id = |name: &str, id: u32| {
        let metadata: std::collections::HashMap<_, _> = [(FIELD_ID.to_owned(), id.to_string())].into();
        Field::new(name, DataType::Int64, true).with_metadata(metadata)
    };
    let rows = |fields: &[Field], from: i64| {
        let columns = (0..fields.len() as i64).map(|n| Arc::new(Int64Array::from_iter_values([from + n])) as ArrayRef);
        RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), columns.collect()).unwrap()
    };
    let (first, second) = (vec![with_id("a", 1), with_id("dropped", 2)], vec![with_id("renamed", 1), with_id("added", 3)]);
    world.plant_entry(1, &entry_of(epoch, Some(1), &rows(&first, 10)));
    now(flush(&world, epoch, 1, 1, vec![rows(&first, 10)]));
    let snapshot = now(open(&world, SnapshotOptions::default())).unwrap();
    assert_eq!(snapshot.schema().fields(), rows(&first, 0).schema().fields());
    world.plant_entry(2, &entry_of(epoch, None, &rows(&first, 20)));
    world.plant_entry(3, &entry_of(epoch, Some(2), &rows(&second, 30)));
    world.plant_entry(4, &weir::wal::entry::sentinel(2, EntryId([3; 16])).unwrap());
    // PITFALLS C7: older rows are read as the newest.
    let snapshot = now(open(&world, SnapshotOptions::default())).unwrap();
    assert_eq!(snapshot.cut(), 4);
    let batches = now(scan(&snapshot));
    let all = arrow_select::concat::concat_batches(snapshot.schema(), &batches).unwrap();
    assert_eq!(all["renamed"].as_primitive::<Int64Type>(), &Int64Array::from(vec![10, 20, 30]));
    assert_eq!(all["added"].as_primitive::<Int64Type>(), &Int64Array::from(vec![None, None, Some(31)]));
    // What cannot be read so is refused at once, in the tail as in generations.
    for (name, data_type, nullable) in [("a", DataType::Utf8, true), ("new", DataType::Int64, false)] {
        let schema = Schema::new(vec![Field::new(name, data_type, nullable)]);
        let error = now(open(&world, given(&schema))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
        assert!(error.message().contains(name), "{error}");
    }
}

#[test]
fn an_index_finds_rows_of_the_tail() {
    let world = World::blocking();
    now(world.manifests().claim(0)).unwrap();
    (1..=20).for_each(|n| world.plant_entry(n, &foreign(1, None, n as i64 * 5..n as i64 * 5 + 5)));
    let by_text = IndexDefinition { name: "by-text".into(), kind: IndexKind::BTree, column: "text".into() };
    let options = SnapshotOptions { indexes: vec![by_text], ..SnapshotOptions::default() };
    let snapshot = now(open(&world, options)).unwrap();
    assert_eq!(snapshot.view().spec().indexes().len(), 1);
    assert_eq!(now(scan_ids(&snapshot)), (5..105).collect::<Vec<_>>());
    let bad = IndexDefinition { name: "bad".into(), kind: IndexKind::BTree, column: "nothing".into() };
    let options = SnapshotOptions { indexes: vec![bad], ..SnapshotOptions::default() };
    assert_eq!(kind(now(open(&world, options))), ErrorKind::InvalidArgument);
}

/// PITFALLS C3: the tail has a limit, however it is cut.
#[test]
fn a_tail_that_is_too_large_is_refused_before_it_is_all_in_memory() {
    for generations in [None, Some(1), Some(7)] {
        let world = World::blocking();
        now(world.manifests().claim(0)).unwrap();
        for n in 1..=64 {
            world.plant_entry(n, &foreign(1, generations.map(|every| n / every + 1), n as i64 * 1000..n as i64 * 1000 + 1000));
        }
        let limited = |max_bytes| SnapshotOptions { max_bytes, ..SnapshotOptions::default() };
        let snapshot = now(open(&world, SnapshotOptions::default())).unwrap();
        let whole = snapshot.memory_bytes();
        assert!(now(open(&world, limited(whole))).is_ok());
        world.faults.clear_log();
        let error = now(open(&world, limited(whole / 4))).unwrap_err();
        assert_eq!((error.kind(), error.detail_u64("max")), (ErrorKind::Backpressure, Some(whole / 4)));
        // One look for the schema, and as many entries as fit.
        assert!(world.faults.count(Op::Get, "/wal/") < 64 / 2);
        assert!(now(open(&world, SnapshotOptions { wal: false, ..limited(0) })).is_err_and(|error| error.kind() == ErrorKind::NotFound));
    }
}

/// PITFALLS C9, I9: trimmed entries are covered; a tail that is gone is not taken for an empty one.
#[test]
fn a_trimmed_log_is_continued_where_it_ends() {
    let world = World::blocking();
    let epoch = now(world.manifests().claim(0)).unwrap().writer_epoch;
    (1..=5).for_each(|n| world.plant_entry(n, &foreign(epoch, Some(1), n as i64..n as i64 + 1)));
    now(flush(&world, epoch, 1, 5, vec![batch(1..6)]));
    (1..=5).for_each(|n| world.delete(&shard().entry(n)));
    let snapshot = now(open(&world, SnapshotOptions::default())).unwrap();
    assert_eq!((now(scan_ids(&snapshot)), snapshot.cut()), (vec![1, 2, 3, 4, 5], 5));
    (7..=8).for_each(|n| world.plant_entry(n, &foreign(epoch, Some(2), n as i64..n as i64 + 1)));
    assert_eq!(kind(now(open(&world, SnapshotOptions::default()))), ErrorKind::Trimmed);
}

/// The owner publishes, trims and sweeps between the reading of the manifest and of what it names: the newest manifest is read again.
#[test]
fn what_goes_away_while_a_snapshot_is_opened_is_read_from_the_newest_manifest() {
    for what in ["generation", "entries"] {
        let world = Arc::new(World::new(3));
        world.sim.run(async {
            let epoch = world.manifests().claim(0).await.unwrap().writer_epoch;
            (1..=4).for_each(|n| world.plant_entry(n, &foreign(epoch, Some(n.div_ceil(2)), n as i64..n as i64 + 1)));
            let first = flush(&world, epoch, 1, 2, vec![batch(1..3)]).await;
            let path = if what == "generation" { "index.weir".to_owned() } else { shard().entry(4) };
            let owner = Arc::clone(&world);
            world.faults.on(
                if what == "generation" { Op::GetRange } else { Op::Get },
                &path,
                1,
                Fault::before(move || {
                    let (world, first) = (Arc::clone(&owner), first.clone());
                    async move {
                        flush(&world, epoch, 2, 4, vec![batch(3..5)]).await;
                        if what == "entries" {
                            (1..=4).for_each(|n| world.delete(&shard().entry(n)));
                            return;
                        }
                        let merged = written(&world, 1, vec![batch(1..3)]).await;
                        replace(&world.truth(), &shard(), &world.manifests(), epoch, std::slice::from_ref(&first), Some(&merged))
                            .await
                            .unwrap();
                        for object in ["index.weir", "data.arrow"] {
                            world.delete(&format!("{}/{}/{object}", shard().dir(), first.path));
                        }
                    }
                }),
            );
            let snapshot = open(&world, SnapshotOptions::default()).await.unwrap();
            assert_eq!((scan_ids(&snapshot).await, snapshot.cut()), (vec![1, 2, 3, 4], 4), "{what}");
            assert_eq!(snapshot.manifest().current_generation, 3);
        });
        assert_eq!(world.faults.unmet(), 0);
    }
    // Gone without a newer manifest: an error, and no endless search.
    let world = World::blocking();
    let epoch = now(world.manifests().claim(0)).unwrap().writer_epoch;
    let table = now(flush(&world, epoch, 1, 0, vec![batch(1..3)]));
    world.delete(&format!("{}/{}/index.weir", shard().dir(), table.path));
    assert_eq!(kind(now(open(&world, SnapshotOptions::default()))), ErrorKind::NotFound);
}

/// PITFALLS C8, C10, B7: the store's failures and damaged entries are reported, not taken for an end.
#[test]
fn faults_and_damage_are_errors() {
    let world = World::blocking();
    let epoch = now(world.manifests().claim(0)).unwrap().writer_epoch;
    (1..=4).for_each(|n| world.plant_entry(n, &foreign(epoch, Some(2), n as i64..n as i64 + 1)));
    for (op, path) in
        [(Op::Get, shard().entry(2)), (Op::Head, shard().entry(2)), (Op::Get, shard().entry(4)), (Op::Get, shard().manifest(1))]
    {
        world.faults.on_every(op, &path, Fault::ErrorBefore);
        assert_eq!(kind(now(open(&world, SnapshotOptions::default()))), ErrorKind::Storage, "{op:?} {path}");
        world.faults.heal();
    }
    assert_eq!(now(scan_ids(&now(open(&world, SnapshotOptions::default())).unwrap())), [1, 2, 3, 4]);
    let whole = foreign(epoch, Some(2), 2..3).parts.concat();
    world.plant(&shard().entry(2), whole[..whole.len() - 5].to_vec());
    let error = now(open(&world, SnapshotOptions::default())).unwrap_err();
    assert_eq!((error.kind(), error.detail_u64("position")), (ErrorKind::Corruption, Some(2)));
    world.delete(&shard().entry(2));
    assert_eq!(kind(now(open(&world, SnapshotOptions::default()))), ErrorKind::Corruption);
    // A hole of several: the log ends there for who only looks at the next.
    world.plant_entry(2, &foreign(epoch, Some(2), 2..3));
    world.plant_entry(9, &foreign(epoch, Some(2), 9..10));
    assert_eq!(now(open(&world, SnapshotOptions::default())).unwrap().cut(), 4);
}

/// A snapshot, and a tailer from behind its cut, together see every row of a live writer once, in order.
#[test]
fn a_tailer_goes_on_where_a_snapshot_ends() {
    for seed in 0..60 {
        let world = Arc::new(World::new(seed));
        world.sim.run(async {
            let writer = world.writer(WriterConfig::default()).await.unwrap();
            let (task, done) = (Arc::clone(&world), Arc::new(AtomicBool::new(false)));
            let stop = Arc::clone(&done);
            writer.put_async(&batch(0..1), Outcomes::default().record("first")).unwrap();
            world.sim.process().spawn(async move {
                // Takes over from itself once, so that there is a sentinel.
                let mut writer = writer;
                let outcomes = Outcomes::default();
                for n in 1..60 {
                    writer.put_async(&batch(n..n + 1), outcomes.record("put")).unwrap();
                    for _ in 0..(seed + n as u64) % 9 {
                        yield_now().await;
                    }
                    if n == 30 {
                        writer.flush_async(outcomes.record("flush"));
                        while outcomes.len() < 31 {
                            yield_now().await;
                        }
                        writer = task.writer(WriterConfig::default()).await.unwrap();
                    }
                }
                writer.flush_async(outcomes.record("flush"));
                while outcomes.len() < 61 {
                    yield_now().await;
                }
                stop.store(true, Ordering::SeqCst);
                std::future::pending::<()>().await;
            });
            while world.log().is_empty() {
                yield_now().await;
            }
            for round in 0.. {
                let last = done.load(Ordering::SeqCst);
                let snapshot = open(&world, SnapshotOptions::default()).await.unwrap();
                let rows = scan_ids(&snapshot).await;
                assert_eq!(rows, (0..rows.len() as i64).collect::<Vec<_>>());
                let tailer = world.tailer(TailerOptions { from: snapshot.cut() + 1, ..TailerOptions::default() });
                let tail: Vec<i64> = drain(&tailer).await.unwrap().into_iter().flat_map(|line| line.ids).collect();
                assert_eq!(tail, (rows.len() as i64..(rows.len() + tail.len()) as i64).collect::<Vec<_>>(), "seed {seed}, round {round}");
                if last {
                    assert_eq!(rows.len(), 60);
                    break;
                }
                for _ in 0..seed % 40 {
                    yield_now().await;
                }
            }
        });
    }
}

/// The same with a writer that logs generations, publishes them and lets its cursor trail (PITFALLS C4), while snapshots are taken.
#[test]
fn a_tailer_goes_on_where_a_snapshot_of_generations_ends() {
    for seed in 0..80 {
        let world = Arc::new(World::new(seed));
        world.sim.run(async {
            let epoch = world.manifests().claim(0).await.unwrap().writer_epoch;
            let (task, done) = (Arc::clone(&world), Arc::new(AtomicBool::new(false)));
            let stop = Arc::clone(&done);
            world.plant_entry(1, &foreign(epoch, Some(1), 1..2));
            world.sim.process().spawn(async move {
                let (store, manifests, env) = (task.store(), task.manifests(), task.sim.env());
                let (mut generation, mut first, mut frozen) = (1, 1, Vec::new());
                for position in 2..=40_u64 {
                    if (seed + position) % 5 == 0 {
                        frozen.push((generation, first, position));
                        (generation, first) = (generation + 1, position);
                    }
                    let entry = foreign(epoch, Some(generation), position as i64..position as i64 + 1);
                    store.create(&shard().entry(position), &entry.parts).await.unwrap();
                    if (seed * 7 + position) % 3 == 0 && !frozen.is_empty() {
                        let (generation, from, to) = frozen.remove(0);
                        let batches = vec![batch(from as i64..to as i64)];
                        let input =
                            TableInput { generation, schema: schema(), key: None, batches, secondary: Vec::new(), in_memory_bytes: 1 };
                        let written = encode(input, &DataOptions::default()).unwrap().store(&store, &shard(), &env, AT_ONCE).await.unwrap();
                        let trailing = (seed + generation) % 3 % (to - from);
                        publish(&store, &shard(), &manifests, epoch, &written, to - 1 - trailing).await.unwrap();
                    }
                }
                stop.store(true, Ordering::SeqCst);
                std::future::pending::<()>().await;
            });
            for round in 0.. {
                let last = done.load(Ordering::SeqCst);
                let wal = round % 2 == 0 || last;
                let options = SnapshotOptions { wal, schema: Some((*schema()).clone()), ..SnapshotOptions::default() };
                let snapshot = open(&world, options).await.unwrap();
                let mut rows = scan_ids(&snapshot).await;
                let tailer = world.tailer(TailerOptions { from: snapshot.cut() + 1, ..TailerOptions::default() });
                assert!(wal || rows.len() as u64 == snapshot.cut(), "seed {seed}, round {round}");
                rows.extend(drain(&tailer).await.unwrap().into_iter().flat_map(|line| line.ids));
                assert_eq!(rows, (1..=rows.len() as i64).collect::<Vec<_>>(), "seed {seed}, round {round}");
                if last {
                    assert_eq!(rows.len(), 40);
                    break;
                }
                for _ in 0..seed % 30 {
                    yield_now().await;
                }
            }
        });
    }
}

/// Snapshots of shards that lance 14.0.2 wrote have the rows that the fixtures' README gives, and know key and schema by themselves.
#[test]
fn lances_shards_are_read() {
    for (name, number, rows, key) in [("wal-only", 1, 100..120, false), ("fenced", 2, 200..228, false), ("memtable", 3, 300..320, true)] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lance-14.0.2").join(name);
        let store = || {
            Store::new(
                format!("file://{}", root.display()),
                Arc::new(LocalBackend::new(&root, LocalOptions { fsync: false, ..LocalOptions::default() })),
            )
        };
        let shard = ShardPath::new(&format!("00000000-0000-4000-8000-{number:012}")).unwrap();
        let env = thread_env(&support::SimClock::new());
        let snapshot = now(Snapshot::open(store(), shard.clone(), env.clone(), None, SnapshotOptions::default())).unwrap();
        assert_eq!(snapshot.cut(), 5);
        let names: Vec<&str> = snapshot.schema().fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["id", "key", "payload", "value"]);
        let spec_key = snapshot.view().spec().key().map(|key| key.spec().columns()[0].name().to_owned());
        assert_eq!(spec_key.as_deref(), key.then_some("id"));
        assert_eq!(now(scan_ids(&snapshot)), rows.clone().collect::<Vec<_>>());
        if key {
            let keys =
                RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![rows.end, rows.start + 3])) as ArrayRef)]).unwrap();
            let got = now(snapshot.view().get(&keys, None)).unwrap();
            assert_eq!(got.states, [KeyState::Missing, KeyState::Found]);
            assert_eq!(got.rows["key"].as_string::<i32>().value(0), format!("k-{:012}", rows.start + 3));
        }
        let tailer = WalTailer::open(store(), shard, TailerOptions { from: 6, ..TailerOptions::default() }, env).unwrap();
        assert!(now(tailer.next()).unwrap().is_none());
    }
}

/// Entries and blocks of a slow store come through the cache, and are the same.
#[test]
fn a_cache_changes_nothing_but_the_reads() {
    let world = Arc::new(World::new(1));
    world.sim.run(async {
        let epoch = world.manifests().claim(0).await.unwrap().writer_epoch;
        (1..=6).for_each(|n| world.plant_entry(n, &foreign(epoch, Some(n.div_ceil(3)), n as i64..n as i64 + 1)));
        flush(&world, epoch, 1, 3, vec![batch(1..4)]).await;
        let clock: Arc<dyn Clock> = Arc::new(world.sim.clock());
        let cache = Cache::builtin(16 << 20, clock);
        let (mut reads, store) = (Vec::new(), world.store());
        for _ in 0..2 {
            world.faults.clear_log();
            let snapshot = Snapshot::open(store.clone(), shard(), world.sim.env(), Some(&cache), SnapshotOptions::default()).await.unwrap();
            assert_eq!(scan_ids(&snapshot).await, [1, 2, 3, 4, 5, 6]);
            reads.push((world.faults.count(Op::Body, "/wal/"), world.faults.count(Op::GetRange, "_gen_")));
        }
        assert!(reads[1].0 < reads[0].0 && reads[1].1 < reads[0].1, "{reads:?}");
    });
}

/// What is kept of a generation once it is opened comes out of the cache, as an object and as bytes: no later snapshot asks for it.
#[test]
fn a_generation_that_was_opened_is_not_read_for_that_again() {
    let world = Arc::new(World::new(2));
    world.sim.run(async {
        let epoch = world.manifests().claim(0).await.unwrap().writer_epoch;
        let rows: Vec<_> = (0..20_000).map(|id| (id, Some("a text"))).collect();
        let first = flush(&world, epoch, 1, 0, vec![versions(&rows)]).await;
        flush(&world, epoch, 2, 0, vec![versions(&rows[..10])]).await;
        let clock: Arc<dyn Clock> = Arc::new(world.sim.clock());
        let index = world.truth().head(&format!("{}/{}/index.weir", shard().dir(), first.path)).await.unwrap().unwrap();
        for cache in [Cache::builtin(16 << 20, clock.clone()), Cache::new(Table::encoding(), clock.clone(), None)] {
            let store = world.store();
            let open = async |cache| {
                let before = world.faults.count(Op::GetRange, "_gen_");
                let snapshot = Snapshot::open(store.clone(), shard(), world.sim.env(), cache, SnapshotOptions::default()).await.unwrap();
                (snapshot, world.faults.count(Op::GetRange, "_gen_") - before)
            };
            let (fresh, all) = open(None).await;
            let ((one, first), (two, second)) = (open(Some(&cache)).await, open(Some(&cache)).await);
            assert!(first == all && all >= 2 && second == 0, "{first} {second} of {all}");
            // It is counted, without the blocks that were read along with it.
            let held = cache.size_bytes().await.unwrap().unwrap_or(1);
            assert!((1..index.size).contains(&held), "{held} of {}", index.size);
            let expected = scan_ids(&fresh).await;
            assert_eq!(expected.len(), 20_000);
            assert!(scan_ids(&one).await == expected && scan_ids(&two).await == expected);
            assert_eq!(two.view().generations().resident_bytes(), fresh.view().generations().resident_bytes());
        }
        // Garbage is a miss.
        let cache = Cache::new(Table::new(Wrong::Garbage), clock, None);
        for _ in 0..2 {
            let snapshot = Snapshot::open(world.store(), shard(), world.sim.env(), Some(&cache), SnapshotOptions::default()).await;
            assert_eq!(scan_ids(&snapshot.unwrap()).await.len(), 20_000);
        }
    });
}

/// A local store's entries go through a cache that somebody chose.
#[test]
fn entries_of_a_local_store_are_cached_where_that_is_wanted() {
    for wanted in [true, false] {
        let world = World::blocking();
        let epoch = now(world.manifests().claim(0)).unwrap().writer_epoch;
        (1..=6).for_each(|n| world.plant_entry(n, &foreign(epoch, None, n as i64..n as i64 + 1)));
        let cache = Cache::builtin(16 << 20, Arc::new(world.sim.clock()));
        let (store, options) = (world.store(), SnapshotOptions { cache_local_entries: wanted, ..SnapshotOptions::default() });
        for round in 0..2 {
            world.faults.clear_log();
            let opening = Snapshot::open(store.clone(), shard(), world.sim.env(), Some(&cache), options.clone());
            assert_eq!(now(scan_ids(&now(opening).unwrap())), [1, 2, 3, 4, 5, 6]);
            assert_eq!(world.faults.count(Op::Get, "/wal/") > 0, round == 0 || !wanted);
        }
    }
}
