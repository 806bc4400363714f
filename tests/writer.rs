//! The writer: what shares an entry, when it is written, who is told what, and how it ends.

mod log_support;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use log_support::*;
use support::{Fault, Gate, Op};
use weir::env::{self, BoxFuture, Clock, Env, Spawn};
use weir::error::{Error, ErrorKind, Result};
use weir::writer::{Ack, ShardWriter, WriterConfig};

fn durable() -> WriterConfig {
    WriterConfig { retry: AT_ONCE, ..Default::default() }
}

fn buffered() -> WriterConfig {
    WriterConfig { durable: false, retry: AT_ONCE, ..Default::default() }
}

fn acks(outcomes: &Outcomes) -> Vec<Ack> {
    outcomes.take().into_iter().map(|(name, outcome)| outcome.unwrap_or_else(|error| panic!("{name}: {error}"))).collect()
}

/// One id per line, in order.
fn stored_ids(world: &World) -> Vec<i64> {
    world.dense_log().into_iter().flat_map(|line| line.ids).collect()
}

#[test]
fn puts_that_come_while_an_entry_is_written_share_the_next() {
    let world = World::new(1);
    world.sim.run(async {
        let (writer, outcomes, gate) = (world.writer(durable()).await.unwrap(), Outcomes::default(), Gate::default());
        world.faults.on(Op::Create, "/wal/", 1, Fault::Before(gate.hook()));
        writer.put_async(&batch(0..1), outcomes.record("first")).unwrap();
        gate.arrived().await;
        for n in 1..11 {
            writer.put_async(&batch(n..n + 1), outcomes.record("later")).unwrap();
        }
        gate.open();
        world.sim.run_ready();
        let positions: Vec<(u64, u64)> = acks(&outcomes).iter().map(|ack| (ack.sequence, ack.position)).collect();
        assert_eq!(positions, (1..=11).map(|n| (n, if n == 1 { 1 } else { 2 })).collect::<Vec<_>>());
        let stats = writer.stats();
        assert_eq!((stats.puts, stats.entries, stats.group.max, stats.group.count), (11, 2, 10, 2));
    });
    assert_eq!(world.dense_log(), [rows(1, 1, 0..1), rows(2, 1, 1..11)]);
}

/// PITFALLS E8.
#[test]
fn a_lone_put_does_not_wait() {
    let world = World::new(2);
    world.sim.run(async {
        let (writer, outcomes) = (world.writer(durable()).await.unwrap(), Outcomes::default());
        let began = world.sim.clock().now();
        for n in 0..20 {
            writer.put_async(&batch(n..n + 1), outcomes.record("put")).unwrap();
            world.sim.run_ready();
            assert_eq!(outcomes.only().unwrap().position, n as u64 + 1);
        }
        assert_eq!((world.sim.clock().now(), world.sim.clock().sleepers()), (began, 0));
    });
}

/// PITFALLS E8: the linger is the longest wait, counted from the oldest put, for durable puts and others.
#[test]
fn puts_linger_no_longer_than_told() {
    for (config, linger) in [
        (WriterConfig { linger: Some(Duration::from_millis(50)), ..durable() }, Duration::from_millis(50)),
        (buffered(), Duration::from_millis(100)),
        (WriterConfig { linger: Some(Duration::from_millis(7)), ..buffered() }, Duration::from_millis(7)),
    ] {
        let world = World::new(3);
        world.sim.run(async {
            let (writer, clock) = (world.writer(config).await.unwrap(), world.sim.clock());
            for round in 0..4_u64 {
                let before = writer.durable_position();
                let tick = linger / 10;
                for n in 0..4 {
                    writer.put_async(&batch(n..n + 1), Box::new(|outcome| assert!(outcome.is_ok()))).unwrap();
                    clock.sleep(tick).await;
                }
                clock.sleep(tick * 5).await;
                assert_eq!(writer.durable_position(), before, "nine tenths of the linger");
                clock.sleep(tick + Duration::from_nanos(20)).await;
                assert_eq!((writer.durable_position(), writer.stats().entries), (before + 4, round + 1), "{linger:?}");
                // Idle in between.
                clock.sleep(linger * 3).await;
                assert_eq!(clock.sleepers(), 0);
            }
        });
    }
}

/// PITFALLS E8, E9: the size limit ends the linger, every time anew, and no entry is larger.
#[test]
fn a_full_buffer_is_written_without_lingering() {
    let world = World::new(4);
    let len = encoded_len(&batch(0..1));
    world.sim.run(async {
        let config = WriterConfig { linger: Some(HOUR), max_buffer_bytes: 10 * len, ..buffered() };
        let writer = world.writer(config).await.unwrap();
        for n in 0..100 {
            writer.put(&batch(n..n + 1), None).unwrap();
            world.sim.run_ready();
            assert_eq!(writer.durable_position(), (n as u64 + 1) / 10 * 10);
        }
        assert_eq!(writer.stats().entries, 10);
    });
    assert_eq!(stored_ids(&world), (0..100).collect::<Vec<_>>());
}

/// PITFALLS E9: a caller that never lets the committer run still makes no entry larger than the limit.
#[test]
fn a_caller_that_never_yields_makes_no_giant_entry() {
    let world = World::new(5);
    let len = encoded_len(&batch(0..1));
    world.sim.run(async {
        let writer = world.writer(WriterConfig { max_buffer_bytes: 16 * len, ..buffered() }).await.unwrap();
        for n in 0..1000 {
            writer.put(&batch(n..n + 1), None).unwrap();
        }
        // A put that is larger than the limit is an entry of its own.
        writer.put(&batch(1000..2000), None).unwrap();
        writer.put(&batch(2000..2001), None).unwrap();
        writer.flush_async(Box::new(|outcome| assert!(outcome.is_ok())));
        world.sim.run_ready();
        assert_eq!(writer.durable_position(), 1002);
    });
    let log = world.dense_log();
    assert!(
        log.iter().all(|line| line.ids.len() <= 16 || line.ids == (1000..2000).collect::<Vec<_>>()),
        "{:?}",
        log.iter().map(|l| l.ids.len()).collect::<Vec<_>>()
    );
    assert_eq!(stored_ids(&world), (0..2001).collect::<Vec<_>>());
}

/// PITFALLS E1, E2, E3, E6: acknowledged in order, each after its entry is there; the count of durable puts is exclusive and
/// never goes back.
#[test]
fn acknowledgements_come_in_order_after_their_entries() {
    for seed in 0..40 {
        let world = Arc::new(World::new(seed));
        let outcomes = Outcomes::default();
        world.sim.run(async {
            let writer = Arc::new(world.writer(durable()).await.unwrap());
            assert_eq!(writer.durable_position(), 0);
            let last = Arc::new(AtomicU64::new(0));
            for n in 0..30 {
                let (outcomes, last, check, writer_) = (outcomes.clone(), last.clone(), world.clone(), Arc::downgrade(&writer));
                let done = move |outcome: Result<Ack>| {
                    let ack = outcome.as_ref().unwrap();
                    assert!(check.has(&shard().entry(ack.position)), "acknowledged before it was stored");
                    let durable = writer_.upgrade().unwrap().durable_position();
                    assert!(durable >= ack.sequence && durable >= last.fetch_max(durable, Ordering::Relaxed));
                    outcomes.record("put")(outcome);
                };
                writer.put_async(&batch(n..n + 1), Box::new(done)).unwrap();
                for _ in 0..world.sim.random().below(6) {
                    support::sim::yield_now().await;
                }
            }
            world.sim.run_ready();
            assert_eq!(writer.durable_position(), 30);
        });
        let acks = acks(&outcomes);
        assert_eq!(acks.iter().map(|ack| ack.sequence).collect::<Vec<_>>(), (1..=30).collect::<Vec<_>>(), "seed {seed}");
        assert!(acks.is_sorted_by_key(|ack| ack.position) && acks.iter().all(|ack| ack.epoch == 1));
        let at = |ack: &Ack| world.dense_log()[ack.position as usize - 1].ids.contains(&(ack.sequence as i64 - 1));
        assert!(acks.iter().all(at), "seed {seed}: a position is not its entry's");
    }
}

/// PITFALLS E3, E6.
#[test]
fn waiting_for_a_number_of_puts_counts_exclusively() {
    let world = World::blocking();
    let writer = world.threaded_writer(WriterConfig { linger: Some(HOUR), ..buffered() });
    assert_eq!(writer.wait_durable(0, None).unwrap(), Ack { sequence: 0, position: 0, epoch: 1 });
    assert_eq!(writer.flush(None).unwrap().sequence, 0);
    for n in 0..3 {
        assert_eq!(writer.put(&batch(n..n + 1), None).unwrap(), Ack { sequence: n as u64 + 1, position: 0, epoch: 1 });
    }
    assert_eq!((kind(writer.wait_durable(4, None)), writer.durable_position()), (ErrorKind::InvalidArgument, 0));
    assert_eq!(writer.wait_durable(2, None).unwrap().position, 1);
    assert_eq!(writer.flush(Some(Duration::ZERO)).unwrap().sequence, 3);
    assert_eq!((writer.durable_position(), writer.stats().pending_puts), (3, 0));
}

/// PITFALLS A6: what is bad is refused before it is queued.
#[test]
fn a_bad_put_harms_none_of_its_neighbours() {
    let world = World::new(6);
    let other = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("text", DataType::Utf8, true)]));
    let nulls =
        RecordBatch::try_new(other, vec![Arc::new(Int64Array::from(vec![None])) as ArrayRef, Arc::new(StringArray::from(vec!["x"]))])
            .unwrap();
    let narrow = batch(0..1).project(&[0]).unwrap();
    world.sim.run(async {
        let (writer, outcomes, gate) = (world.writer(durable()).await.unwrap(), Outcomes::default(), Gate::default());
        world.faults.on(Op::Create, "/wal/", 1, Fault::Before(gate.hook()));
        writer.put_async(&batch(0..1), outcomes.record("good")).unwrap();
        gate.arrived().await;
        for n in 1..5 {
            for (bad, expected) in
                [(&nulls, ErrorKind::InvalidData), (&narrow, ErrorKind::SchemaMismatch), (&batch(0..0), ErrorKind::InvalidData)]
            {
                assert_eq!(kind(writer.put_async(bad, Box::new(|_| panic!("nothing was accepted")))), expected);
                assert_eq!(kind(writer.put(bad, None)), expected);
            }
            writer.put_async(&batch(n..n + 1), outcomes.record("good")).unwrap();
        }
        gate.open();
        world.sim.run_ready();
        assert_eq!(acks(&outcomes).len(), 5);
        assert_eq!(writer.stats().puts, 5);
    });
    assert_eq!(stored_ids(&world), [0, 1, 2, 3, 4]);
}

/// PITFALLS D5, `idle.requests`.
#[test]
fn an_idle_writer_asks_for_nothing() {
    let world = World::new(7);
    world.sim.run(async {
        for config in [durable(), buffered()] {
            let store = world.store();
            let writer = world.writer_on(store.clone(), config).await.unwrap();
            writer.put_async(&batch(0..1), Box::new(|_| {})).unwrap();
            world.sim.clock().sleep(Duration::from_secs(1)).await;
            let before = store.requests();
            world.sim.clock().sleep(HOUR).await;
            assert_eq!((store.requests(), world.sim.clock().sleepers()), (before, 0));
            assert_eq!(writer.durable_position(), 1);
        }
    });
}

#[test]
fn many_batches_at_once_make_few_entries() {
    for world in [World::new(8), World::blocking()] {
        let writer = world.threaded_writer(WriterConfig { linger: Some(HOUR), ..durable() });
        assert_eq!(writer.put_all([], None).unwrap().sequence, 0);
        let ack = writer.put_all((0..50).map(|n| Ok(batch(n..n + 1))), None).unwrap();
        assert_eq!((ack.sequence, ack.position, writer.stats().entries), (50, 1, 1));
        // What comes before the one that fails was accepted, and is durable with the next flush.
        let failing: [(Result<RecordBatch>, ErrorKind); 2] =
            [(Ok(batch(0..0)), ErrorKind::InvalidData), (Err(Error::new(ErrorKind::Cancelled, "the source failed")), ErrorKind::Cancelled)];
        for (bad, expected) in failing {
            let error = writer.put_all([Ok(batch(50..51)), Ok(batch(51..52)), bad, Ok(batch(99..100))], None).unwrap_err();
            assert_eq!((error.kind(), error.detail_u64("accepted")), (expected, Some(2)));
        }
        assert_eq!(writer.flush(None).unwrap().sequence, 54);
        assert_eq!(stored_ids(&world), (0..50).chain([50, 51, 50, 51]).collect::<Vec<_>>());
    }
}

/// PITFALLS G8.
#[test]
fn closing_writes_what_is_pending() {
    for world in [World::new(9), World::blocking()] {
        let writer = world.threaded_writer(WriterConfig { linger: Some(HOUR), ..buffered() });
        for n in 0..5 {
            writer.put(&batch(n..n + 1), None).unwrap();
        }
        writer.close(None).unwrap();
        assert_eq!(world.dense_log(), [rows(1, 1, 0..5)]);
        let requests = world.faults.log().len();
        writer.close(None).unwrap();
        let outcomes = Outcomes::default();
        writer.close_async(outcomes.record("close"));
        outcomes.only().unwrap();
        assert_eq!(kind(writer.put(&batch(5..6), None)), ErrorKind::Closed);
        assert_eq!(kind(writer.put_all([Ok(batch(5..6))], None)), ErrorKind::Closed);
        assert_eq!(kind(writer.wait_capacity(1, None)), ErrorKind::Closed);
        // What was durable is.
        assert_eq!(writer.flush(None).unwrap().sequence, 5);
        assert_eq!(writer.stats().entries, 1);
        drop(writer);
        assert_eq!(world.faults.log().len(), requests);
    }
}

/// PITFALLS G8: a close that does not come through says so, and so does the next one.
#[test]
fn closing_after_a_failed_append_is_an_error() {
    for world in [World::new(10), World::blocking()] {
        let writer = world.threaded_writer(WriterConfig { linger: Some(HOUR), ..buffered() });
        writer.put(&batch(0..1), None).unwrap();
        world.faults.on_every(Op::Create, "/wal/", Fault::Throttle);
        for _ in 0..2 {
            assert_eq!(kind(writer.close(None)), ErrorKind::Poisoned);
        }
        let fenced = World::new(11);
        let writer = fenced.threaded_writer(WriterConfig { linger: Some(HOUR), ..buffered() });
        writer.put(&batch(0..1), None).unwrap();
        drop(env::block_on(fenced.appender()).unwrap());
        for _ in 0..2 {
            assert_eq!(kind(writer.close(None)), ErrorKind::Fenced);
        }
    }
}

/// PITFALLS G8, E11: a close that timed out has refused puts, and may be called again.
#[test]
fn a_close_that_timed_out_goes_on_when_called_again() {
    for world in [World::new(12), World::blocking()] {
        let (writer, gate) = (world.threaded_writer(WriterConfig { linger: Some(HOUR), ..buffered() }), Gate::default());
        world.faults.on(Op::Create, "/wal/", 1, Fault::Before(gate.hook()));
        writer.put(&batch(0..1), None).unwrap();
        for _ in 0..2 {
            assert_eq!(kind(writer.close(Some(Duration::from_millis(2)))), ErrorKind::TimedOut);
            assert_eq!(kind(writer.put(&batch(1..2), None)), ErrorKind::Closed);
        }
        let outcomes = Outcomes::default();
        writer.close_async(outcomes.record("close"));
        gate.open();
        writer.close(None).unwrap();
        until("the callback came", || outcomes.len() == 1);
        outcomes.only().unwrap();
        assert_eq!(world.dense_log(), [rows(1, 1, 0..1)]);
    }
}

/// PITFALLS G8.
#[test]
fn aborting_does_no_io_and_tells_everybody() {
    for drop_it in [false, true] {
        for world in [World::new(13), World::blocking()] {
            let outcomes = Outcomes::default();
            let writer = world.threaded_writer(WriterConfig { linger: Some(HOUR), ..durable() });
            writer.put_async(&batch(0..1), outcomes.record("put")).unwrap();
            let requests = world.faults.log().len();
            if drop_it {
                drop(writer);
            } else {
                writer.abort();
                writer.abort();
                assert_eq!(kind(writer.put(&batch(1..2), None)), ErrorKind::Closed);
                assert_eq!(kind(writer.flush(None)), ErrorKind::Closed);
                assert_eq!(kind(writer.close(None)), ErrorKind::Closed, "something was lost");
                assert_eq!((writer.memory().pending, writer.durable_position()), (0, 0));
            }
            assert_eq!(kind(outcomes.only()), ErrorKind::Closed);
            assert_eq!((world.faults.log().len(), world.dense_log().len()), (requests, 0));
        }
    }
    let world = World::blocking();
    let writer = world.threaded_writer(durable());
    writer.put(&batch(0..1), None).unwrap();
    writer.abort();
    writer.close(None).unwrap();
}

/// PITFALLS E11: each way of not getting through in time has its own code, and leaves nothing half accepted.
#[test]
fn time_outs_say_what_became_of_the_put() {
    for world in [World::new(14), World::blocking()] {
        let soon = Some(Duration::from_millis(2));
        let len = encoded_len(&batch(0..1));
        let config = WriterConfig { max_buffer_bytes: len, max_pending_bytes: 2 * len, ..durable() };
        let (writer, gate) = (world.threaded_writer(config), Gate::default());
        world.faults.on(Op::Create, "/wal/", 1, Fault::Before(gate.hook()));
        let error = writer.put(&batch(0..1), soon).unwrap_err();
        assert_eq!((error.kind(), error.detail_u64("sequence")), (ErrorKind::OutcomeUnknown, Some(1)));
        assert_eq!(kind(writer.put(&batch(1..2), Some(Duration::ZERO))), ErrorKind::OutcomeUnknown);
        assert_eq!(kind(writer.put(&batch(9..10), soon)), ErrorKind::Backpressure);
        assert_eq!(kind(writer.put(&batch(9..10), Some(Duration::ZERO))), ErrorKind::Backpressure);
        assert_eq!(kind(writer.put_async(&batch(9..10), Box::new(|_| panic!("nothing was accepted")))), ErrorKind::Backpressure);
        assert_eq!(kind(writer.wait_capacity(1, soon)), ErrorKind::Backpressure);
        assert_eq!(kind(writer.flush(soon)), ErrorKind::TimedOut);
        let error = writer.wait_durable(1, Some(Duration::ZERO)).unwrap_err();
        assert_eq!((error.kind(), error.detail_u64("durable")), (ErrorKind::TimedOut, Some(0)));
        assert_eq!((writer.stats().puts, writer.stats().blocked_now), (2, 0));
        gate.open();
        assert_eq!(writer.flush(None).unwrap().sequence, 2);
        assert_eq!(stored_ids(&world), [0, 1]);
    }
}

/// PITFALLS E10: what was acknowledged as admitted and then failed is told to the next call.
#[test]
fn a_buffered_put_that_failed_is_told_to_the_next_call() {
    for world in [World::new(15), World::blocking()] {
        let writer = world.threaded_writer(WriterConfig { linger: Some(Duration::ZERO), ..buffered() });
        world.faults.on_every(Op::Create, "/wal/", Fault::ErrorBefore);
        writer.put(&batch(0..1), None).unwrap();
        until("the writer is poisoned", || env::block_on(writer.check_fenced()).is_err());
        assert_eq!(kind(writer.put(&batch(1..2), None)), ErrorKind::Poisoned);
        assert_eq!(kind(writer.flush(None)), ErrorKind::Poisoned);
        world.faults.heal();
        assert_eq!(kind(writer.put(&batch(2..3), None)), ErrorKind::Poisoned);
        assert_eq!(world.dense_log(), []);
    }
}

/// A callback may call the writer, and one that panics harms nobody else.
#[test]
fn callbacks_may_call_the_writer_and_may_panic() {
    let world = World::new(16);
    world.sim.run(async {
        let (writer, outcomes, gate) = (Arc::new(world.writer(durable()).await.unwrap()), Outcomes::default(), Gate::default());
        world.faults.on(Op::Create, "/wal/", 1, Fault::Before(gate.hook()));
        let (again, inner) = (writer.clone(), outcomes.clone());
        let more = move |outcome: Result<Ack>| {
            outcome.unwrap();
            assert_eq!(again.stats().puts, 4);
            again.put_async(&batch(100..101), inner.record("from a callback")).unwrap();
            again.flush_async(inner.record("flush from a callback"));
        };
        writer.put_async(&batch(0..1), Box::new(|_| panic!("a callback's own fault"))).unwrap();
        gate.arrived().await;
        writer.put_async(&batch(1..2), outcomes.record("neighbour")).unwrap();
        writer.put_async(&batch(2..3), Box::new(|_| panic!("a callback's own fault"))).unwrap();
        writer.put_async(&batch(3..4), Box::new(more)).unwrap();
        writer.flush_async(outcomes.record("flush"));
        gate.open();
        world.sim.run_ready();
        assert_eq!(acks(&outcomes).len(), 4);
        assert_eq!(writer.durable_position(), 5);
    });
}

/// PITFALLS G5, X4: a bug underneath ends the writer with an error, not with a hang and not with the caller's unwinding.
#[test]
fn a_panic_in_the_store_ends_the_writer_for_everybody() {
    for blocking in [false, true] {
        for background in [false, true] {
            let world = if blocking { World::blocking() } else { World::new(17) };
            let creates = AtomicU64::new(0);
            let create =
                move |path: &str| assert!(!path.contains("/wal/") || creates.fetch_add(1, Ordering::Relaxed) < 1, "injected panic");
            let store = Hooked::store(world.faults.clone(), Hooks { create: Some(Box::new(create)), ..Default::default() });
            let writer = Arc::new(env::block_on(ShardWriter::open(store, shard(), &schema(), durable(), world.threads())).unwrap());
            assert_eq!(writer.put(&batch(0..1), None).unwrap().position, 1);
            let outcomes = Outcomes::default();
            if background {
                writer.put_async(&batch(1..2), outcomes.record("put")).unwrap();
                until("the callback came", || outcomes.len() == 1);
                assert_eq!(kind(outcomes.only()), ErrorKind::Panic);
            } else {
                assert_eq!(kind(writer.put(&batch(1..2), None)), ErrorKind::Panic);
            }
            for outcome in [writer.put(&batch(2..3), None), writer.flush(None), writer.close(None).map(|()| Ack::default())] {
                assert_eq!(kind(outcome), ErrorKind::Panic);
            }
            assert_eq!((writer.memory().pending, writer.memory().in_flight, writer.durable_position()), (0, 0, 1));
        }
    }
}

/// A runtime that is being shut down: it drops tasks instead of running them, at once or after they have begun.
#[derive(Debug)]
struct Dropping;

impl Spawn for Dropping {
    fn spawn(&self, task: BoxFuture<'static, ()>, _blocking: bool) {
        drop(task);
    }
}

/// PITFALLS G5, X4.
#[test]
fn a_runtime_that_drops_its_tasks_ends_the_writer_for_everybody() {
    let world = World::new(18);
    let env = Env { spawn: Arc::new(Dropping), ..world.threads() };
    let open = |config| env::block_on(ShardWriter::open(world.store(), shard(), &schema(), config, env.clone())).unwrap();
    let (writer, outcomes) = (open(durable()), Outcomes::default());
    writer.put_async(&batch(0..1), outcomes.record("put")).unwrap();
    assert_eq!(kind(outcomes.only()), ErrorKind::Poisoned);
    assert_eq!(kind(writer.put(&batch(1..2), None)), ErrorKind::Poisoned);
    assert_eq!(kind(writer.close(None)), ErrorKind::Poisoned);
    // The timer of the linger is such a task, too: what lingers would never be written.
    let writer = open(buffered());
    writer.put(&batch(0..1), None).unwrap();
    assert_eq!(kind(writer.put(&batch(1..2), None)), ErrorKind::Poisoned);
    assert_eq!(kind(writer.flush(None)), ErrorKind::Poisoned);
    assert!(world.log().iter().all(|line| line.sentinel));
}

/// PITFALLS G5, X4: dropped in the midst of an append.
#[test]
fn a_runtime_that_dies_during_an_append_ends_the_writer() {
    for landed in [false, true] {
        let world = World::new(19);
        world.sim.run(async {
            let process = world.sim.process();
            let writer = ShardWriter::open(world.store(), shard(), &schema(), durable(), process.env()).await.unwrap();
            let (outcomes, gate) = (Outcomes::default(), Gate::default());
            world.faults.on(Op::Create, "/wal/", 1, if landed { Fault::After(gate.hook()) } else { Fault::Before(gate.hook()) });
            writer.put_async(&batch(0..1), outcomes.record("in flight")).unwrap();
            gate.arrived().await;
            writer.put_async(&batch(1..2), outcomes.record("pending")).unwrap();
            writer.flush_async(outcomes.record("flush"));
            process.kill();
            let outcomes = outcomes.take();
            assert_eq!(outcomes.len(), 3);
            assert!(outcomes.into_iter().all(|(_, outcome)| kind(outcome) == ErrorKind::Poisoned));
            assert_eq!(kind(writer.put(&batch(2..3), None)), ErrorKind::Poisoned);
            assert_eq!(writer.memory().in_flight + writer.memory().pending, 0);
        });
        assert_eq!(world.dense_log().len(), usize::from(landed));
    }
}

/// Every put of every thread is stored once, in its thread's order, on stores of either kind.
#[test]
fn threads_share_a_writer() {
    const THREADS: i64 = 16;
    const PUTS: i64 = 40;
    for world in [World::new(20), World::blocking()] {
        let writer = world.threaded_writer(durable());
        let acks: Vec<Vec<Ack>> = std::thread::scope(|scope| {
            let put = |thread| {
                let writer = &writer;
                move || -> Vec<Ack> {
                    (0..PUTS).map(|n| writer.put(&batch(thread * 1000 + n..thread * 1000 + n + 1), None).unwrap()).collect()
                }
            };
            let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(put(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let log = world.dense_log();
        for (thread, acks) in acks.iter().enumerate() {
            assert!(acks.is_sorted_by_key(|ack| ack.position) && acks.is_sorted_by_key(|ack| ack.sequence));
            for (n, ack) in acks.iter().enumerate() {
                assert!(log[ack.position as usize - 1].ids.contains(&(thread as i64 * 1000 + n as i64)));
            }
        }
        let mut sequences: Vec<u64> = acks.iter().flatten().map(|ack| ack.sequence).collect();
        sequences.sort_unstable();
        assert_eq!(sequences, (1..=(THREADS * PUTS) as u64).collect::<Vec<_>>());
        assert_eq!(log.iter().map(|line| line.ids.len() as i64).sum::<i64>(), THREADS * PUTS);
        assert_eq!(writer.stats().pending_puts, 0);
        writer.close(None).unwrap();
    }
}

/// PITFALLS C5: a writer that takes over says what the log holds, not zero.
#[test]
fn the_manifest_carries_the_tip_for_the_next_writer() {
    let world = World::blocking();
    let writer = world.threaded_writer(durable());
    writer.put(&batch(0..5), None).unwrap();
    writer.put(&batch(5..6), None).unwrap();
    let next = world.threaded_writer(durable());
    assert_eq!(next.manifest().unwrap().wal_entry_position_last_seen, 2);
    assert_eq!(next.put(&batch(6..7), None).unwrap().position, 4);
    assert_eq!(kind(writer.put(&batch(7..8), None)), ErrorKind::Fenced);
}
