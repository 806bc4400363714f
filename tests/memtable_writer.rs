//! A writer in MemTable mode: what is read when, what is flushed when and in which order, what comes back when the shard is opened again.

mod log_support;
mod support;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use log_support::*;
use support::{Fault, Gate, Op};
use weir::env::Retry;
use weir::error::{ErrorKind, Result};
use weir::generation::compact::CompactOptions;
use weir::generation::sweep::sweep;
use weir::memory::MemoryBudget;
use weir::memtable::Limits;
use weir::memtable::index::{IndexDefinition, IndexKind};
use weir::scan::{KeyState, ScanRequest, View};
use weir::shard::manifest::ManifestStore;
use weir::wal::{TailerOptions, trim};
use weir::writer::{MemTableConfig, ShardWriter, Within, WriterConfig};

/// Pauses between tries: without any, a flush that always fails would stop the simulated time.
const SOON: Retry = Retry { max_retries: 3, base_delay: Duration::from_millis(1) };

/// Tables of at most ten rows with the key `id`, merged by nobody.
fn memtable() -> MemTableConfig {
    MemTableConfig {
        primary_key: Some(vec!["id".into()]),
        limits: Limits { max_bytes: 1 << 20, max_rows: 10, max_batches: 100 },
        max_unflushed_bytes: 8 << 20,
        compaction: None,
        ..MemTableConfig::default()
    }
}

fn config(memtable: MemTableConfig) -> WriterConfig {
    WriterConfig { retry: SOON, memtable: Some(memtable), ..WriterConfig::default() }
}

fn buffered(memtable: MemTableConfig) -> WriterConfig {
    WriterConfig { durable: false, linger: Some(HOUR), ..config(memtable) }
}

/// Rows of these ids, whose text is `text`.
fn saying(ids: Range<i64>, text: &str) -> RecordBatch {
    let texts: StringArray = ids.clone().map(|_| Some(text)).collect();
    RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from_iter_values(ids)) as ArrayRef, Arc::new(texts)]).unwrap()
}

fn keys(ids: &[i64]) -> RecordBatch {
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
    RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(ids.to_vec())) as ArrayRef]).unwrap()
}

fn texts(batches: &[RecordBatch]) -> BTreeMap<i64, String> {
    let mut texts = BTreeMap::new();
    for batch in batches {
        let (ids, values) = (batch["id"].as_primitive::<Int64Type>(), batch["text"].as_string::<i32>());
        for row in 0..batch.num_rows() {
            let text = if values.is_null(row) { "null" } else { values.value(row) };
            assert_eq!(texts.insert(ids.value(row), text.to_owned()), None, "key {} twice", ids.value(row));
        }
    }
    texts
}

async fn scan(view: &View) -> Vec<RecordBatch> {
    let mut stream = view.scan(ScanRequest::default()).unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await.unwrap() {
        batches.push(batch);
    }
    batches
}

/// All rows, as text by id; every get must say the same.
async fn all(writer: &ShardWriter) -> BTreeMap<i64, String> {
    let view = writer.view().unwrap();
    let scanned = texts(&scan(&view).await);
    let ids: Vec<i64> = (-1..60).collect();
    let got = view.get(&keys(&ids), None).await.unwrap();
    assert_eq!(texts(&[got.rows]), scanned.clone().into_iter().filter(|(id, _)| ids.contains(id)).collect());
    scanned
}

fn expected(ids: Range<i64>, text: &str) -> BTreeMap<i64, String> {
    ids.map(|id| (id, text.to_owned())).collect()
}

/// Lets time pass.
async fn pass(world: &World, time: Duration) {
    world.sim.env().clock.sleep(time).await;
}

/// Puts, in a world where every store operation needs other tasks to run.
async fn put(world: &World, writer: &ShardWriter, batch: &RecordBatch) -> Result<()> {
    let outcomes = Outcomes::default();
    writer.put_async(batch, outcomes.record("put"))?;
    world.sim.run_ready();
    outcomes.only().map(drop)
}

async fn delete(world: &World, writer: &ShardWriter, ids: &[i64]) -> Result<()> {
    let outcomes = Outcomes::default();
    writer.delete_async_with(&keys(ids), || outcomes.record("delete"))?;
    world.sim.run_ready();
    outcomes.only().map(drop)
}

async fn flushed(world: &World, writer: &ShardWriter) -> Result<u64> {
    let (outcomes, generation) = (Outcomes::default(), writer.freeze()?);
    writer.wait_flushed_async(generation, outcomes.record("flush"));
    world.sim.run_ready();
    outcomes.only().map(|_| generation)
}

async fn close(world: &World, writer: &ShardWriter) -> Result<()> {
    let outcomes = Outcomes::default();
    writer.close_async(outcomes.record("close"));
    world.sim.run_ready();
    outcomes.only().map(drop)
}

fn generations(world: &World) -> Vec<u64> {
    world.manifest().sstables.iter().map(|table| table.generation).collect()
}

#[test]
fn what_was_put_is_read_wherever_it_is() {
    let world = World::new(1);
    world.sim.run(async {
        let writer = world.writer(config(memtable())).await.unwrap();
        put(&world, &writer, &saying(0..6, "one")).await.unwrap();
        put(&world, &writer, &saying(3..8, "two")).await.unwrap();
        let mut model = expected(0..3, "one");
        model.extend(expected(3..8, "two"));
        assert_eq!(all(&writer).await, model);
        delete(&world, &writer, &[4, 99]).await.unwrap();
        model.remove(&4);
        assert_eq!(all(&writer).await, model);
        assert_eq!(flushed(&world, &writer).await.unwrap(), 2);
        assert_eq!((generations(&world), all(&writer).await), (vec![1, 2], model.clone()));
        // PITFALLS I3, I4: the deletion of a flushed row hides it, and is told from a row that was never there.
        put(&world, &writer, &saying(5..6, "three")).await.unwrap();
        delete(&world, &writer, &[0]).await.unwrap();
        model.remove(&0);
        model.insert(5, "three".into());
        assert_eq!(all(&writer).await, model);
        let got = writer.view().unwrap().get(&keys(&[0, 5, 77, 4]), None).await.unwrap();
        assert_eq!(got.states, [KeyState::Deleted, KeyState::Found, KeyState::Missing, KeyState::Deleted]);
        close(&world, &writer).await.unwrap();
        assert_eq!(generations(&world), [1, 2, 3]);
    });
}

/// PITFALLS E1, E4, E5: rows of a durable writer are seen when they are durable, with an index or without.
#[test]
fn a_durable_writers_rows_are_seen_when_they_are_durable() {
    for key in [true, false] {
        let world = World::new(2);
        world.sim.run(async {
            let memtable = MemTableConfig { primary_key: key.then(|| vec!["id".into()]), ..memtable() };
            let writer = world.writer(config(memtable)).await.unwrap();
            let (outcomes, gate) = (Outcomes::default(), Gate::default());
            world.faults.on(Op::Create, "/wal/", 1, Fault::Before(gate.hook()));
            writer.put_async(&saying(0..3, "one"), outcomes.record("put")).unwrap();
            gate.arrived().await;
            assert_eq!(texts(&scan(&writer.view().unwrap()).await), BTreeMap::new());
            gate.open();
            world.sim.run_ready();
            outcomes.only().unwrap();
            assert_eq!(texts(&scan(&writer.view().unwrap()).await), expected(0..3, "one"));
        });
    }
}

#[test]
fn a_buffered_writer_reads_what_it_put() {
    let world = World::new(3);
    world.sim.run(async {
        let writer = world.writer(buffered(memtable())).await.unwrap();
        writer.put(&saying(0..4, "one"), None).unwrap();
        assert_eq!(all(&writer).await, expected(0..4, "one"));
        assert_eq!(world.dense_log(), []);
        // A full table is written without lingering, so that it can be flushed.
        writer.put(&saying(4..12, "one"), None).unwrap();
        world.sim.run_ready();
        assert_eq!(all(&writer).await, expected(0..12, "one"));
        assert_eq!((world.dense_log().len(), generations(&world)), (1, vec![1]));
    });
}

/// PITFALLS A4, E4: what failed is not read, and nothing else is by a writer that ended; its figures still are.
#[test]
fn a_writer_that_ended_is_not_read() {
    let world = World::new(4);
    world.sim.run(async {
        let writer = world.writer(config(memtable())).await.unwrap();
        put(&world, &writer, &saying(0..3, "one")).await.unwrap();
        world.faults.on_every(Op::Create, "/wal/", Fault::ErrorBefore);
        let outcomes = Outcomes::default();
        writer.put_async(&saying(3..6, "two"), outcomes.record("put")).unwrap();
        pass(&world, Duration::from_secs(1)).await;
        assert_eq!(outcomes.only().unwrap_err().kind(), ErrorKind::Poisoned);
        assert_eq!(kind(writer.view().map(drop)), ErrorKind::Poisoned);
        assert_eq!(kind(writer.freeze()), ErrorKind::Poisoned);
        assert_eq!(writer.stats().memtable.unwrap().active_rows, 6);
        world.faults.heal();
        let next = world.writer(config(memtable())).await.unwrap();
        assert_eq!(all(&next).await, expected(0..3, "one"));
    });
}

/// PITFALLS C1, C2, C5: what no generation has comes back, and is not written again.
#[test]
fn an_open_brings_back_what_the_log_has() {
    let world = World::new(5);
    world.sim.run(async {
        let writer = world.writer(config(memtable())).await.unwrap();
        put(&world, &writer, &saying(0..6, "one")).await.unwrap();
        flushed(&world, &writer).await.unwrap();
        put(&world, &writer, &saying(4..8, "two")).await.unwrap();
        delete(&world, &writer, &[0]).await.unwrap();
        let model = all(&writer).await;
        drop(writer);
        for round in 0..3 {
            let writer = world.writer(config(memtable())).await.unwrap();
            let stats = writer.stats().memtable.unwrap();
            assert_eq!((stats.replayed_entries, stats.replayed_rows, stats.published_generation), (2, 5, 1));
            assert_eq!(all(&writer).await, model, "round {round}");
            let before = world.dense_log().len();
            put(&world, &writer, &saying(8..9, "two")).await.unwrap();
            delete(&world, &writer, &[8]).await.unwrap();
            assert_eq!(world.dense_log().len(), before + 2, "one entry for each");
            // Rows that are in the log stay readable and flushable.
            assert_eq!(all(&writer).await, model);
            if round == 2 {
                assert_eq!(flushed(&world, &writer).await.unwrap(), 2);
                assert_eq!(all(&writer).await, model);
            } else {
                // Nothing of this writer: as if it had not been.
                drop(writer);
                let positions = world.dense_log().len() as u64;
                for position in [positions, positions - 1] {
                    world.delete(&shard().entry(position));
                }
            }
        }
    });
}

/// PITFALLS C3: a log that is larger than what may be in memory is flushed on the way, at the generations that it records.
#[test]
fn a_log_larger_than_memory_comes_back() {
    let world = World::new(6);
    world.sim.run(async {
        let writer = world.writer(config(memtable())).await.unwrap();
        world.faults.on_every(Op::Create, "_gen_", Fault::ErrorBefore);
        for n in 0..12 {
            let outcomes = Outcomes::default();
            writer.put_async(&saying(n * 4..n * 4 + 6, &format!("{n}")), outcomes.record("put")).unwrap();
            pass(&world, Duration::from_millis(1)).await;
            outcomes.only().unwrap();
        }
        let (model, frozen) = (all(&writer).await, writer.stats().memtable.unwrap().frozen_tables);
        assert!(frozen >= 10, "{frozen}");
        drop(writer);
        world.faults.heal();
        // Room for the table that is filled, and one more.
        let limits = Limits { max_bytes: 210 << 10, ..memtable().limits };
        let tight = MemTableConfig { limits, max_unflushed_bytes: 420 << 10, ..memtable() };
        let writer = world.writer(config(tight)).await.unwrap();
        assert_eq!(all(&writer).await, model);
        assert!(writer.memory().active + writer.memory().frozen <= 420 << 10);
        flushed(&world, &writer).await.unwrap();
        assert_eq!(all(&writer).await, model);
        let published = generations(&world);
        assert_eq!(published, (1..=published.len() as u64).collect::<Vec<_>>());
    });
}

/// PITFALLS G1, G3, G4, G5: a flush that fails is tried until it succeeds; nothing overtakes it, and reads see all of it meanwhile.
#[test]
fn flushes_come_in_order_and_do_not_give_up() {
    let world = World::new(7);
    world.sim.run(async {
        let writer = world.writer(config(memtable())).await.unwrap();
        world.faults.on_every(Op::Create, "_gen_1/", Fault::ErrorBefore);
        let mut model = BTreeMap::new();
        for n in 0..5 {
            let outcomes = Outcomes::default();
            writer.put_async(&saying(n * 3..n * 3 + 10, &format!("{n}")), outcomes.record("put")).unwrap();
            pass(&world, Duration::from_millis(1)).await;
            outcomes.only().unwrap();
            model.extend(expected(n * 3..n * 3 + 10, &format!("{n}")));
            assert_eq!((all(&writer).await, generations(&world)), (model.clone(), vec![]));
        }
        pass(&world, Duration::from_millis(100)).await;
        let stats = writer.stats().memtable.unwrap();
        assert!(stats.flush_failures > 1 && stats.frozen_tables == 5, "{stats:?}");
        assert_eq!(kind(writer.wait_flushed(1, Some(Duration::ZERO))), ErrorKind::TimedOut);
        world.faults.heal();
        pass(&world, Duration::from_secs(60)).await;
        assert_eq!((generations(&world), all(&writer).await), (vec![1, 2, 3, 4, 5], model));
        assert_eq!(writer.stats().memtable.unwrap().frozen_tables, 0);
    });
}

/// PITFALLS G2: whatever answer is lost, each table becomes one generation.
#[test]
fn a_lost_answer_publishes_once() {
    for (op, path) in [(Op::Create, "_gen_1/data"), (Op::Create, "_gen_1/index"), (Op::Create, "/manifest/")] {
        for fault in [Fault::ErrorAfter, Fault::ErrorBefore, Fault::Throttle, Fault::Late(3)] {
            let world = World::new(8);
            world.sim.run(async {
                let writer = world.writer(config(memtable())).await.unwrap();
                put(&world, &writer, &saying(0..5, "one")).await.unwrap();
                world.faults.on_next(op, path, 1, fault.clone());
                let outcomes = Outcomes::default();
                writer.wait_flushed_async(writer.freeze().unwrap(), outcomes.record("flush"));
                pass(&world, Duration::from_secs(60)).await;
                outcomes.only().unwrap();
                assert_eq!((generations(&world), world.faults.unmet()), (vec![1], 0), "{op:?} {path} {fault:?}");
                put(&world, &writer, &saying(5..7, "two")).await.unwrap();
                flushed(&world, &writer).await.unwrap();
                assert_eq!(generations(&world), [1, 2]);
                let mut model = expected(0..5, "one");
                model.extend(expected(5..7, "two"));
                assert_eq!(all(&writer).await, model);
            });
        }
    }
}

/// PITFALLS G7, G8: closing flushes what is not full; it waits for what is under way; nothing to freeze is not all flushed.
#[test]
fn a_close_flushes_everything() {
    let world = World::new(9);
    world.sim.run(async {
        let writer = world.writer(config(memtable())).await.unwrap();
        let gate = Gate::default();
        world.faults.on(Op::Create, "_gen_1/data", 1, Fault::Before(gate.hook()));
        put(&world, &writer, &saying(0..10, "one")).await.unwrap();
        gate.arrived().await;
        assert_eq!(writer.freeze().unwrap(), 1, "there is nothing to freeze, and generation 1 is not published");
        assert_eq!(kind(writer.wait_flushed(1, Some(Duration::ZERO))), ErrorKind::TimedOut);
        assert_eq!(kind(writer.wait_flushed(2, None)), ErrorKind::InvalidArgument);
        put(&world, &writer, &saying(10..12, "one")).await.unwrap();
        let outcomes = Outcomes::default();
        writer.close_async(outcomes.record("close"));
        world.sim.run_ready();
        assert_eq!(outcomes.len(), 0);
        assert_eq!(kind(writer.view().map(drop)), ErrorKind::Closed);
        gate.open();
        world.sim.run_ready();
        outcomes.only().unwrap();
        assert_eq!((generations(&world), world.manifest().replay_after_wal_entry_position), (vec![1, 2], 2));
        close(&world, &writer).await.unwrap();
    });
}

/// PITFALLS G8: what keeps failing does not hold a close up for ever; closing again tries again.
#[test]
fn a_close_tells_why_it_cannot_flush() {
    let world = World::new(10);
    world.sim.run(async {
        let writer = world.writer(config(memtable())).await.unwrap();
        put(&world, &writer, &saying(0..3, "one")).await.unwrap();
        world.faults.on_every(Op::Create, "_gen_", Fault::Denied);
        for _ in 0..2 {
            let outcomes = Outcomes::default();
            writer.close_async(outcomes.record("close"));
            pass(&world, Duration::from_secs(600)).await;
            assert_eq!(outcomes.only().unwrap_err().kind(), ErrorKind::PermissionDenied);
        }
        world.faults.heal();
        let outcomes = Outcomes::default();
        writer.close_async(outcomes.record("close"));
        pass(&world, Duration::from_secs(60)).await;
        outcomes.only().unwrap();
        assert_eq!(generations(&world), [1]);
    });
}

/// PITFALLS G8: an abort does nothing.
#[test]
fn an_abort_does_no_io() {
    let world = World::new(11);
    world.sim.run(async {
        let writer = world.writer(config(memtable())).await.unwrap();
        put(&world, &writer, &saying(0..3, "one")).await.unwrap();
        world.faults.clear_log();
        writer.abort();
        drop(writer);
        pass(&world, HOUR).await;
        assert_eq!(world.faults.log().len(), 0);
    });
}

/// PITFALLS F3: a put that waits for the tables' room has them flushed; F2: nothing is left of it when all is done.
#[test]
fn a_put_that_finds_no_room_has_tables_flushed() {
    let world = World::new(12);
    world.sim.run(async {
        // Two such puts do not fit, and no limit of a table is reached by one.
        let one = saying(0..500, &"x".repeat(100));
        let limits = Limits { max_bytes: 700 << 10, max_rows: 10_000, max_batches: 100 };
        let memtable = MemTableConfig { limits, max_unflushed_bytes: 700 << 10, ..memtable() };
        let writer = world.writer(config(memtable)).await.unwrap();
        put(&world, &writer, &one).await.unwrap();
        let used = writer.memory().active;
        assert!(used > 200 << 10 && writer.memory().unflushed_limit == 700 << 10, "{used}");
        world.faults.on_every(Op::Create, "_gen_", Fault::ErrorBefore);
        let mut refused = None;
        for n in 1..20 {
            let outcomes = Outcomes::default();
            match writer.put_async(&saying(n * 500..n * 500 + 500, &"x".repeat(100)), outcomes.record("put")) {
                Ok(()) => pass(&world, Duration::from_millis(1)).await,
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        let refused = refused.unwrap();
        assert_eq!((refused.kind(), refused.detail_u64("limit_bytes")), (ErrorKind::Backpressure, Some(700 << 10)));
        assert!(refused.detail_u64("memtable_bytes").unwrap() + refused.detail_u64("frozen_bytes").unwrap() > 300 << 10);
        pass(&world, Duration::from_millis(1)).await;
        assert!(writer.memory().frozen > 0, "what could make room is on its way");
        let outcomes = Outcomes::default();
        writer.wait_capacity_async(used, outcomes.record("room"));
        pass(&world, Duration::from_millis(1)).await;
        assert_eq!(outcomes.len(), 0);
        world.faults.heal();
        pass(&world, Duration::from_secs(60)).await;
        outcomes.only().unwrap();
        put(&world, &writer, &one).await.unwrap();
        flushed(&world, &writer).await.unwrap();
        let memory = writer.memory();
        assert_eq!((memory.active, memory.frozen, memory.kept, memory.pending, memory.reserved), (0, 0, 0, 0, 0));
    });
}

/// PITFALLS F4: who waits for room or for a flush hears of a fence.
#[test]
fn a_fence_wakes_everybody() {
    let world = World::new(13);
    world.sim.run(async {
        let writer = world.writer(config(memtable())).await.unwrap();
        world.faults.on_every(Op::Create, "_gen_1/", Fault::ErrorBefore);
        put(&world, &writer, &saying(0..4, "one")).await.unwrap();
        let (generation, outcomes) = (writer.freeze().unwrap(), Outcomes::default());
        writer.wait_flushed_async(generation, outcomes.record("flush"));
        pass(&world, Duration::from_millis(1)).await;
        let successor = world.writer(config(memtable())).await.unwrap();
        assert_eq!(put(&world, &writer, &saying(0..4, "late")).await.unwrap_err().kind(), ErrorKind::Fenced);
        assert_eq!(outcomes.only().unwrap_err().kind(), ErrorKind::Fenced);
        assert_eq!(all(&successor).await, expected(0..4, "one"));
    });
}

/// PITFALLS G2, B2: a writer that was fenced publishes nothing.
#[test]
fn a_fenced_writer_publishes_nothing() {
    let world = World::new(14);
    world.sim.run(async {
        let writer = world.writer(config(memtable())).await.unwrap();
        put(&world, &writer, &saying(0..4, "one")).await.unwrap();
        let gate = Gate::default();
        world.faults.on(Op::Create, "_gen_1/index", 1, Fault::After(gate.hook()));
        let outcomes = Outcomes::default();
        writer.wait_flushed_async(writer.freeze().unwrap(), outcomes.record("flush"));
        gate.arrived().await;
        let successor = world.writer(config(memtable())).await.unwrap();
        put(&world, &successor, &saying(0..2, "two")).await.unwrap();
        gate.open();
        pass(&world, Duration::from_secs(60)).await;
        assert_eq!(outcomes.only().unwrap_err().kind(), ErrorKind::Fenced);
        assert_eq!(generations(&world), [0_u64; 0]);
        flushed(&world, &successor).await.unwrap();
        assert_eq!(generations(&world), [1]);
        let mut model = expected(0..4, "one");
        model.extend(expected(0..2, "two"));
        assert_eq!(all(&successor).await, model);
        // The attempt of the one that was fenced goes when nobody can know of it.
        pass(&world, DAY * 3).await;
        put(&world, &successor, &saying(0..1, "three")).await.unwrap();
        flushed(&world, &successor).await.unwrap();
        pass(&world, DAY * 3).await;
        assert_eq!(sweep(&world.store(), &shard(), &world.sim.env(), DAY).await.unwrap().directories, 1);
        assert_eq!(all(&successor).await.len(), 4);
    });
}

/// PITFALLS F5, F6, B4: what can never work is refused before the shard is claimed, or the put accepted.
#[test]
fn what_can_never_work_is_refused_first() {
    let world = World::new(15);
    world.sim.run(async {
        let incumbent = world.writer(config(memtable())).await.unwrap();
        let bad = [
            (MemTableConfig { max_unflushed_bytes: 1000, ..memtable() }, ErrorKind::InvalidArgument),
            (MemTableConfig { limits: Limits { max_rows: 0, ..memtable().limits }, ..memtable() }, ErrorKind::InvalidArgument),
            (MemTableConfig { limits: Limits { max_bytes: 10, ..memtable().limits }, ..memtable() }, ErrorKind::InvalidArgument),
            (MemTableConfig { primary_key: Some(vec!["nowhere".into()]), ..memtable() }, ErrorKind::InvalidArgument),
            (MemTableConfig { frozen_grace: HOUR * 2, ..memtable() }, ErrorKind::InvalidArgument),
            (
                MemTableConfig { compaction: Some(CompactOptions { min_inputs: 1, ..CompactOptions::default() }), ..memtable() },
                ErrorKind::InvalidArgument,
            ),
            (
                MemTableConfig {
                    indexes: vec![IndexDefinition { name: "x".into(), kind: IndexKind::BTree, column: "nowhere".into() }],
                    ..memtable()
                },
                ErrorKind::InvalidArgument,
            ),
        ];
        for (memtable, expected) in bad {
            assert_eq!(kind(world.writer(config(memtable.clone())).await), expected, "{memtable:?}");
        }
        assert_eq!(kind(put(&world, &incumbent, &saying(0..11, "more rows than a table has")).await), ErrorKind::InvalidArgument);
        put(&world, &incumbent, &saying(0..3, "not fenced")).await.unwrap();
        assert_eq!(all(&incumbent).await, expected(0..3, "not fenced"));
    });
}

/// A schema that what is there cannot be read with is refused before the claim (PITFALLS B4, C7); one that can is read through.
#[test]
fn the_schema_may_change_between_opens() {
    let world = World::new(16);
    world.sim.run(async {
        let incumbent = world.writer(config(memtable())).await.unwrap();
        put(&world, &incumbent, &saying(0..3, "flushed")).await.unwrap();
        flushed(&world, &incumbent).await.unwrap();
        put(&world, &incumbent, &saying(2..5, "logged")).await.unwrap();
        let open = |schema: Schema| {
            let (store, env) = (world.store(), world.sim.env());
            async move { ShardWriter::open(store, shard(), &schema, config(memtable()), env).await }
        };
        let id = || Field::new("id", DataType::Int64, false);
        for wrong in [
            Schema::new(vec![id(), Field::new("text", DataType::Int64, true)]),
            Schema::new(vec![id(), Field::new("text", DataType::Utf8, true), Field::new("more", DataType::Int64, false)]),
            Schema::new(vec![Field::new("id", DataType::Int32, false), Field::new("text", DataType::Utf8, true)]),
        ] {
            assert_eq!(kind(open(wrong).await), ErrorKind::SchemaMismatch);
        }
        put(&world, &incumbent, &saying(5..6, "logged")).await.unwrap();
        let wider = Schema::new(vec![Field::new("more", DataType::Int64, true), id(), Field::new("text", DataType::Utf8, true)]);
        let writer = open(wider.clone()).await.unwrap();
        let mut model = expected(0..2, "flushed");
        model.extend(expected(2..6, "logged"));
        assert_eq!(all(&writer).await, model);
        flushed(&world, &writer).await.unwrap();
        assert_eq!(all(&writer).await, model);
        let batches = scan(&writer.view().unwrap()).await;
        assert!(batches.iter().all(|batch| batch.column(0).null_count() == batch.num_rows()));
    });
}

/// Merges in the background keep the number of generations down, and change nothing that is read.
#[test]
fn generations_are_merged() {
    let world = World::new(17);
    world.sim.run(async {
        let compaction = CompactOptions { min_inputs: 3, ..CompactOptions::default() };
        let writer = world.writer(config(MemTableConfig { compaction: Some(compaction), ..memtable() })).await.unwrap();
        let mut model = BTreeMap::new();
        for n in 0..20 {
            put(&world, &writer, &saying(n..n + 10, &format!("{n}"))).await.unwrap();
            model.extend(expected(n..n + 10, &format!("{n}")));
            if n % 4 == 3 {
                delete(&world, &writer, &[n]).await.unwrap();
                model.remove(&n);
            }
            pass(&world, Duration::from_secs(1)).await;
            assert_eq!(all(&writer).await, model, "{n}");
        }
        let stats = writer.stats().memtable.unwrap();
        assert!(stats.compactions >= 5 && stats.generations <= 4 && stats.compaction_failures == 0, "{stats:?}");
        flushed(&world, &writer).await.unwrap();
        let merges = writer.compact(&CompactOptions { min_inputs: 2, ..CompactOptions::default() }).await.unwrap();
        assert!(merges <= 4);
        assert_eq!(all(&writer).await, model);
        drop(writer);
        let reopened = world.writer(config(memtable())).await.unwrap();
        assert_eq!(all(&reopened).await, model);
    });
}

/// A view is one moment, whatever happens later (PITFALLS I8).
#[test]
fn a_view_stays_as_it_was() {
    let world = World::new(18);
    world.sim.run(async {
        let compaction = CompactOptions { min_inputs: 2, ..CompactOptions::default() };
        let writer = world.writer(config(MemTableConfig { compaction: Some(compaction), ..memtable() })).await.unwrap();
        let mut views = Vec::new();
        let mut model = BTreeMap::new();
        for n in 0..12 {
            put(&world, &writer, &saying(n..n + 7, &format!("{n}"))).await.unwrap();
            model.extend(expected(n..n + 7, &format!("{n}")));
            views.push((writer.view().unwrap(), model.clone()));
        }
        flushed(&world, &writer).await.unwrap();
        for (view, model) in views {
            assert_eq!(texts(&scan(&view).await), model);
        }
    });
}

/// Flushed tables stay in memory for the grace, and are read there.
#[test]
fn a_flushed_table_stays_for_its_grace() {
    let world = World::new(19);
    world.sim.run(async {
        let writer = world.writer(config(MemTableConfig { frozen_grace: Duration::from_secs(10), ..memtable() })).await.unwrap();
        put(&world, &writer, &saying(0..5, "one")).await.unwrap();
        flushed(&world, &writer).await.unwrap();
        assert!(writer.memory().kept > 0 && writer.memory().frozen == 0);
        world.faults.clear_log();
        assert_eq!(all(&writer).await, expected(0..5, "one"));
        assert_eq!(world.faults.log().len(), 0, "no read");
        pass(&world, Duration::from_secs(11)).await;
        assert_eq!((writer.memory().kept, all(&writer).await), (0, expected(0..5, "one")));
        assert!(world.faults.count(Op::GetRange, "_gen_") > 0);
    });
}

/// The log behind the generations may be trimmed, and nothing before it is read again.
#[test]
fn what_is_flushed_may_be_trimmed() {
    let world = World::new(20);
    world.sim.run(async {
        let writer = world.writer(config(memtable())).await.unwrap();
        for n in 0..5 {
            put(&world, &writer, &saying(n..n + 6, &format!("{n}"))).await.unwrap();
        }
        put(&world, &writer, &saying(5..6, "last")).await.unwrap();
        let model = all(&writer).await;
        let covered = |manifests: ManifestStore| async move { manifests.latest().await.unwrap().unwrap().replay_after_wal_entry_position };
        let before = covered(world.manifests()).await;
        pass(&world, DAY * 2).await;
        assert_eq!(kind(trim::trim(&world.store(), &shard(), &world.sim.env(), 5, DAY).await), ErrorKind::InvalidArgument);
        let trimmed = trim::trim(&world.store(), &shard(), &world.sim.env(), before, DAY).await.unwrap();
        assert_eq!(trimmed.entries, before);
        drop(writer);
        let reopened = world.writer(config(memtable())).await.unwrap();
        assert_eq!(all(&reopened).await, model);
        let tailer = world.tailer(TailerOptions { from: 1, ..TailerOptions::default() });
        assert_eq!(kind(tailer.next().await), ErrorKind::Trimmed);
    });
}

/// Without a key, every row stays a row of its own.
#[test]
fn without_a_key_every_row_stays() {
    let world = World::new(21);
    world.sim.run(async {
        let memtable = MemTableConfig { primary_key: None, ..memtable() };
        let writer = world.writer(config(memtable.clone())).await.unwrap();
        for _ in 0..4 {
            put(&world, &writer, &saying(0..6, "again")).await.unwrap();
        }
        assert_eq!(kind(delete(&world, &writer, &[1]).await), ErrorKind::Unsupported);
        let expected: Vec<i64> = (0..4).flat_map(|_| 0..6).collect();
        assert_eq!(ids(&scan(&writer.view().unwrap()).await), expected);
        flushed(&world, &writer).await.unwrap();
        assert_eq!(ids(&scan(&writer.view().unwrap()).await), expected);
        drop(writer);
        let writer = world.writer(config(memtable)).await.unwrap();
        assert_eq!(ids(&scan(&writer.view().unwrap()).await), expected);
    });
}

/// A writer of the log alone has nothing to read, and says so.
#[test]
fn a_writer_without_tables_says_so() {
    let world = World::new(22);
    world.sim.run(async {
        let writer = world.writer(WriterConfig::default()).await.unwrap();
        assert_eq!(kind(writer.view().map(drop)), ErrorKind::Unsupported);
        assert_eq!(kind(writer.freeze()), ErrorKind::Unsupported);
        assert_eq!(kind(writer.delete(&keys(&[1]), None)), ErrorKind::Unsupported);
        assert_eq!(kind(writer.compact(&CompactOptions::default()).await), ErrorKind::Unsupported);
        assert_eq!(kind(writer.wait_flushed(0, None)), ErrorKind::Unsupported);
        assert!(writer.stats().memtable.is_none());
    });
}

/// The session's memory takes tables in, and a put that waits for it has them flushed (PITFALLS F1, F2, F3).
#[test]
fn the_sessions_memory_takes_tables_in() {
    let world = World::new(23);
    world.sim.run(async {
        let memory = MemoryBudget::new(Arc::new(world.sim.clock()));
        let within = Within { memory: Some(Arc::clone(&memory)), cache: None };
        let memtable = MemTableConfig { limits: Limits { max_rows: 100_000, ..memtable().limits }, ..memtable() };
        let schema = schema();
        let opening = ShardWriter::open_within(world.store(), shard(), &schema, config(memtable), world.sim.env(), within);
        let writer = opening.await.unwrap();
        put(&world, &writer, &saying(0..500, "first")).await.unwrap();
        let usage = memory.usage();
        assert_eq!((usage.tables, usage.queues), (writer.memory().active, 0));
        memory.set_limit(Some(usage.tables + 1000));
        let gate = Gate::default();
        world.faults.on(Op::Create, "/wal/", 1, Fault::Before(gate.hook()));
        let outcomes = Outcomes::default();
        writer.put_async(&saying(500..501, "alone"), outcomes.record("put")).unwrap();
        gate.arrived().await;
        assert_eq!(kind(writer.put_async(&saying(501..600, "no room"), outcomes.record("put"))), ErrorKind::Backpressure);
        gate.open();
        pass(&world, Duration::from_secs(1)).await;
        outcomes.only().unwrap();
        assert_eq!((memory.usage().tables, writer.memory().active), (0, 0), "what took the room is flushed");
        drop(writer);
        pass(&world, Duration::from_secs(1)).await;
        assert_eq!((memory.usage().tables, memory.usage().queues), (0, 0));
    });
}

/// PITFALLS E7: what is in a later table is never logged before what is in an earlier one, so the newest row of a key stays the newest.
#[test]
fn tables_are_logged_in_their_order() {
    let world = World::new(24);
    world.sim.run(async {
        let linger = Some(Duration::from_secs(1));
        let writer = world.writer(WriterConfig { linger, ..buffered(memtable()) }).await.unwrap();
        writer.put(&saying(0..8, "first"), None).unwrap();
        // The first table's tail stands at the gate while the second is filled, frozen, and its time to be written comes.
        let gate = Gate::default();
        world.faults.on(Op::Create, "/wal/", 1, Fault::Before(gate.hook()));
        writer.put(&saying(8..10, "first"), None).unwrap();
        writer.put(&saying(4..12, "second"), None).unwrap();
        gate.arrived().await;
        writer.freeze().unwrap();
        writer.put(&saying(6..7, "third"), None).unwrap();
        pass(&world, Duration::from_secs(10)).await;
        assert_eq!((world.dense_log().len(), generations(&world)), (0, vec![]));
        gate.open();
        pass(&world, Duration::from_secs(10)).await;
        let mut model = expected(0..4, "first");
        model.extend(expected(4..12, "second"));
        model.insert(6, "third".into());
        assert_eq!(all(&writer).await, model);
        let tailer = world.tailer(TailerOptions::default());
        let mut recorded = Vec::new();
        while let Some(entry) = tailer.next().await.unwrap() {
            recorded.push(entry.generation.unwrap());
        }
        assert_eq!(recorded, [1, 2, 3]);
        drop(writer);
        assert_eq!(all(&world.writer(config(memtable())).await.unwrap()).await, model);
    });
}
