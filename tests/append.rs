//! Appending: each acknowledged entry is in the log exactly once, in its writer's order, whatever the store answers.

mod log_support;
mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use log_support::*;
use support::sim::Mailbox;
use support::{Fault, Gate, Op, now};
use weir::env::{Clock, Retry};
use weir::error::{Action, Detail, ErrorKind};
use weir::wal::entry::{RESERVED_KEYS, SchemaCache, decode};
use weir::wal::{AppenderOptions, WalAppender};
use weir::writer::WriterConfig;

/// PITFALLS A1, A2: two writers whose operations interleave at every point.
#[test]
fn of_interleaved_writers_one_wins_each_slot_and_the_other_is_fenced() {
    for seed in 20..80 {
        let world = Arc::new(World::new(seed));
        let acked = Mailbox::default();
        world.sim.run(async {
            let old = world.appender().await.unwrap();
            let outcome = Mailbox::default();
            let (acks, ended) = (acked.clone(), outcome.clone());
            world.sim.process().spawn(async move {
                for n in 0.. {
                    match old.append(&[batch(n..n + 1)]).await {
                        Ok(position) => acks.put((position, n)),
                        Err(error) => return ended.put(error.kind()),
                    }
                    for _ in 0..seed {
                        support::sim::yield_now().await;
                    }
                }
            });
            support::sim::yield_now().await;
            let new = world.appender().await.unwrap();
            assert_eq!(new.epoch(), 2);
            for n in 0..5 {
                acked.put((new.append(&[batch(1000 + n..1001 + n)]).await.unwrap(), 1000 + n));
            }
            world.sim.run_ready();
            assert_eq!(outcome.take(), Some(ErrorKind::Fenced), "seed {seed}");
        });
        let log = world.dense_log();
        let sentinel = log.iter().position(|line| line.sentinel).unwrap();
        assert!(
            log[..sentinel].iter().all(|line| line.epoch == 1) && log[sentinel..].iter().all(|line| line.epoch == 2),
            "seed {seed}: {log:?}"
        );
        let stored: Vec<(u64, i64)> = log.iter().filter(|line| !line.sentinel).map(|line| (line.position, line.ids[0])).collect();
        let mut acked = acked.take_all();
        acked.sort_unstable();
        // The old writer's last append may be in the log without having been acknowledged: never the other way round.
        assert!(acked.iter().all(|ack| stored.contains(ack)), "seed {seed}: {acked:?} in {stored:?}");
        assert!(stored.len() <= acked.len() + 1, "seed {seed}: {acked:?} in {stored:?}");
    }
}

/// PITFALLS A2: the slot is taken, so the manifest is read afresh before anything else is tried.
#[test]
fn a_conflict_is_followed_by_a_fresh_look_at_the_manifest() {
    let world = World::new(1);
    world.sim.run(async {
        let old = world.appender().await.unwrap();
        old.append(&[batch(0..1)]).await.unwrap();
        let new = world.appender().await.unwrap();
        world.faults.clear_log();
        let error = old.append(&[batch(1..2)]).await.unwrap_err();
        assert_eq!((error.kind(), error.action()), (ErrorKind::Fenced, Action::Stop));
        assert_eq!((error.detail_u64("epoch"), error.detail_u64("fenced_by_epoch")), (Some(1), Some(2)));
        assert!(error.message().contains(SHARD), "{error}");
        assert_eq!(world.faults.count(Op::Create, ""), 1);
        assert!(world.faults.count(Op::Get, "/manifest/") > 0);
        // For ever, and without asking again.
        world.faults.clear_log();
        assert_eq!(kind(old.append(&[batch(1..2)]).await), ErrorKind::Fenced);
        assert_eq!(world.faults.log().len(), 0);
        assert_eq!(new.append(&[batch(5..6)]).await.unwrap(), 3);
    });
    assert_eq!(world.dense_log(), [rows(1, 1, 0..1), fence(2, 2), rows(3, 2, 5..6)]);
}

/// PITFALLS A3, A8: the write landed, the answer says otherwise.
#[test]
fn a_lost_acknowledgement_settles_to_exactly_one_entry() {
    for fault in [Fault::ErrorAfter, Fault::ExistsAfter] {
        let world = World::new(2);
        world.sim.run(async {
            let writer = world.appender().await.unwrap();
            assert_eq!(writer.append(&[batch(0..1)]).await.unwrap(), 1);
            world.faults.on(Op::Create, "/wal/", 1, fault.clone());
            assert_eq!(writer.append(&[batch(1..2)]).await.unwrap(), 2, "{fault:?}");
            assert!(!world.has(&shard().entry(3)));
            assert_eq!(writer.append(&[batch(2..3)]).await.unwrap(), 3);
        });
        assert_eq!(world.faults.unmet(), 0);
        assert_eq!(world.dense_log(), [rows(1, 1, 0..1), rows(2, 1, 1..2), rows(3, 1, 2..3)]);
    }
}

/// PITFALLS A3: as often as the store likes, also when the reading back fails at first.
#[test]
fn a_lost_acknowledgement_settles_after_further_failures() {
    let world = World::new(3);
    world.sim.run(async {
        let writer = world.appender().await.unwrap();
        world.faults.on(Op::Create, "/wal/", 1, Fault::ErrorAfter);
        world.faults.on(Op::Get, "/wal/", 1, Fault::Throttle);
        world.faults.on(Op::Body, "/wal/", 1, Fault::ErrorBefore);
        assert_eq!(writer.append(&[batch(0..1)]).await.unwrap(), 1);
        assert_eq!(writer.append(&[batch(1..2)]).await.unwrap(), 2);
    });
    assert_eq!(world.faults.unmet(), 0);
    assert_eq!(world.dense_log(), [rows(1, 1, 0..1), rows(2, 1, 1..2)]);
}

/// PITFALLS A3: the answer is lost, and the slot is a peer's who does not fence us.
#[test]
fn a_lost_answer_with_a_peer_in_the_slot_moves_on_once() {
    let world = Arc::new(World::new(4));
    world.sim.run(async {
        let writer = world.appender().await.unwrap();
        world.faults.on(Op::Create, "/wal/", 1, Fault::ErrorBefore);
        let peer = world.clone();
        world.faults.on(
            Op::Create,
            "/wal/",
            2,
            Fault::before(move || {
                peer.plant_entry(1, &foreign(1, None, 500..501));
                async {}
            }),
        );
        assert_eq!(writer.append(&[batch(0..1)]).await.unwrap(), 2);
        assert_eq!(writer.append(&[batch(1..2)]).await.unwrap(), 3);
    });
    assert_eq!(world.dense_log(), [rows(1, 1, 500..501), rows(2, 1, 0..1), rows(3, 1, 1..2)]);
}

/// PITFALLS A3: the answer is lost, and the slot is our successor's.
#[test]
fn a_lost_answer_with_the_successor_in_the_slot_is_fenced() {
    let world = Arc::new(World::new(5));
    world.sim.run(async {
        let writer = world.appender().await.unwrap();
        world.faults.on(Op::Create, &shard().entry(1), 1, Fault::ErrorBefore);
        let peer = world.clone();
        world.faults.on(
            Op::Create,
            &shard().entry(1),
            2,
            Fault::before(move || {
                let peer = peer.clone();
                async move {
                    // The successor's own create of this slot meets no rule any more: this one was the second.
                    drop(peer.appender().await.unwrap());
                }
            }),
        );
        assert_eq!(kind(writer.append(&[batch(0..1)]).await), ErrorKind::Fenced);
    });
    assert_eq!(world.dense_log(), [fence(1, 2)]);
}

/// PITFALLS A3: a request that was given up lands when it likes.
#[test]
fn a_late_write_never_doubles_an_entry() {
    for operations in 0..12 {
        let world = World::new(operations);
        world.sim.run(async {
            let writer = world.appender().await.unwrap();
            world.faults.on(Op::Create, "/wal/", 1, Fault::Late(operations));
            for n in 0..4 {
                assert_eq!(writer.append(&[batch(n..n + 1)]).await.unwrap(), n as u64 + 1);
            }
            world.faults.land_late_writes().await;
        });
        assert_eq!(world.dense_log(), (0..4).map(|n| rows(n as u64 + 1, 1, n..n + 1)).collect::<Vec<_>>());
    }
}

/// PITFALLS A8: "it exists" of an object that does not (409 for concurrent conditional writes).
#[test]
fn a_conflict_without_an_object_is_tried_again_at_the_same_slot() {
    let world = World::new(6);
    world.sim.run(async {
        let writer = world.appender().await.unwrap();
        world.faults.on_next(Op::Create, "/wal/", 2, Fault::ExistsBefore);
        assert_eq!(writer.append(&[batch(0..1)]).await.unwrap(), 1);
        world.faults.on_every(Op::Create, "/wal/", Fault::ExistsBefore);
        assert_eq!(kind(writer.append(&[batch(1..2)]).await), ErrorKind::Poisoned);
    });
    assert_eq!(world.dense_log(), [rows(1, 1, 0..1)]);
}

/// PITFALLS A4: bounded, with growing pauses, always at the same position.
#[test]
fn failures_are_retried_at_the_same_slot_and_then_poison() {
    let world = World::new(7);
    let clock = world.sim.clock();
    world.sim.run(async {
        let retry = Retry { max_retries: 4, base_delay: Duration::from_millis(100) };
        let writer = world.appender_on(world.store(), AppenderOptions { retry, ..Default::default() }).await.unwrap();
        world.faults.on_next(Op::Create, "/wal/", 4, Fault::Throttle);
        assert_eq!(writer.append(&[batch(0..1)]).await.unwrap(), 1);
        world.faults.on_every(Op::Create, "/wal/", Fault::NoSpace);
        world.faults.clear_log();
        let before = clock.now();
        let error = writer.append(&[batch(1..2)]).await.unwrap_err();
        let took = clock.now() - before;
        assert!(took >= Duration::from_millis(50 + 100 + 200 + 400) && took <= Duration::from_millis(1500), "{took:?}");
        assert_eq!((error.kind(), error.action()), (ErrorKind::Poisoned, Action::Reopen));
        assert_eq!((error.detail_u64("position"), error.detail_u64("epoch")), (Some(2), Some(1)));
        assert_eq!(error.detail("cause"), Some(&Detail::Str("STORAGE_FULL".into())));
        assert!(error.message().contains(SHARD) && error.message().contains("no space left"), "{error}");
        assert_eq!(world.faults.count(Op::Create, &shard().entry(2)), 5);
        assert_eq!(world.faults.count(Op::Create, ""), 5);
        // For ever, although the store is well again; a new writer goes on.
        world.faults.heal();
        world.faults.clear_log();
        assert_eq!(kind(writer.append(&[batch(1..2)]).await), ErrorKind::Poisoned);
        assert_eq!(world.faults.log().len(), 0);
        let next = world.appender().await.unwrap();
        assert_eq!(next.append(&[batch(1..2)]).await.unwrap(), 3);
    });
    assert_eq!(world.dense_log(), [rows(1, 1, 0..1), fence(2, 2), rows(3, 2, 1..2)]);
}

/// PITFALLS A4, A7, B3, E4, E10: nothing can be put or waited for through a poisoned writer, a flush does not pass over what is
/// missing, what failed does not count as durable, but the writer still says what it did.
#[test]
fn a_poisoned_writer_still_answers_questions() {
    let world = World::new(8);
    world.sim.run(async {
        let config = WriterConfig { durable: false, linger: Some(HOUR), ..Default::default() };
        let writer = world.writer(config).await.unwrap();
        writer.put(&batch(0..2), None).unwrap();
        let outcomes = Mailbox::default();
        let mailbox = outcomes.clone();
        writer.flush_async(Box::new(move |outcome| mailbox.put(outcome)));
        world.sim.run_ready();
        assert_eq!(outcomes.take().unwrap().unwrap().position, 1);
        assert_eq!(kind(writer.wait_durable(2, None)), ErrorKind::InvalidArgument, "no second put yet");
        world.faults.on_every(Op::Create, "/wal/", Fault::Throttle);
        writer.put(&batch(2..3), None).unwrap();
        let mailbox = outcomes.clone();
        writer.flush_async(Box::new(move |outcome| mailbox.put(outcome)));
        world.sim.clock().sleep(Duration::from_secs(60)).await;
        assert_eq!(kind(outcomes.take().unwrap()), ErrorKind::Poisoned);
        for outcome in [
            writer.put(&batch(3..4), None),
            writer.flush(None),
            writer.wait_durable(2, None),
            writer.close(None).map(|()| Default::default()),
        ] {
            assert_eq!(kind(outcome), ErrorKind::Poisoned);
        }
        assert_eq!(kind(writer.wait_capacity(1, None)), ErrorKind::Poisoned);
        assert_eq!(kind(writer.check_fenced().await), ErrorKind::Poisoned);
        // What was durable stays so.
        assert_eq!(writer.wait_durable(1, None).unwrap().position, 1);
        assert_eq!((writer.durable_position(), writer.epoch()), (1, 1));
        let stats = writer.stats();
        assert_eq!((stats.puts, stats.rows, stats.entries, stats.retries), (2, 3, 1, 3));
        assert_eq!((writer.memory().pending, writer.memory().in_flight, writer.memory().reserved), (0, 0, 0));
        assert_eq!(writer.manifest().unwrap().writer_epoch, 1);
    });
}

/// PITFALLS A5: whatever the caller writes into reserved keys is neither stored nor believed.
#[test]
fn a_caller_cannot_forge_reserved_metadata() {
    let world = World::new(9);
    let forged: HashMap<String, String> =
        RESERVED_KEYS.iter().map(|key| ((*key).to_owned(), "true".to_owned())).chain([("mine".to_owned(), "kept".to_owned())]).collect();
    let schema = Arc::new(Schema::new_with_metadata(schema().fields().clone(), forged));
    let batch = RecordBatch::try_new(schema.clone(), batch(0..2).columns().to_vec()).unwrap();
    world.sim.run(async {
        drop(world.appender().await.unwrap());
        let writer = WalAppender::open(world.store(), shard(), &schema, AppenderOptions::default(), world.sim.env()).await.unwrap();
        assert_eq!(writer.append(&[batch]).await.unwrap(), 2);
    });
    let bytes = now(world.truth().read(&shard().entry(2))).unwrap().unwrap();
    let entry = decode("entry", 2, bytes, &mut SchemaCache::default()).unwrap();
    assert_eq!((entry.epoch, entry.generation, entry.is_sentinel), (2, None, false));
    let metadata: Vec<_> = entry.schema.metadata().iter().collect();
    assert_eq!(metadata, [(&"mine".to_owned(), &"kept".to_owned())]);
}

/// PITFALLS A6: refused before anything is written, and the appender goes on.
#[test]
fn bad_batches_are_refused_and_harm_nothing() {
    let world = World::new(10);
    let other = Schema::new(vec![Field::new("id", DataType::Utf8, false), Field::new("text", DataType::Utf8, true)]);
    let other = RecordBatch::try_new(
        Arc::new(other),
        vec![Arc::new(StringArray::from(vec!["x"])) as ArrayRef, Arc::new(StringArray::from(vec!["y"]))],
    )
    .unwrap();
    world.sim.run(async {
        let writer = world.appender().await.unwrap();
        world.faults.clear_log();
        let bad: [(Vec<RecordBatch>, ErrorKind); 4] = [
            (vec![], ErrorKind::InvalidData),
            (vec![batch(0..0)], ErrorKind::InvalidData),
            (vec![batch(0..1), batch(0..0)], ErrorKind::InvalidData),
            (vec![batch(0..1), other], ErrorKind::SchemaMismatch),
        ];
        for (batches, expected) in bad {
            assert_eq!(kind(writer.append(&batches).await), expected);
        }
        assert_eq!(world.faults.log().len(), 0);
        assert_eq!(writer.append(&[batch(0..1), batch(1..3)]).await.unwrap(), 1);
    });
    assert_eq!(world.dense_log(), [rows(1, 1, 0..3)]);
}

/// PITFALLS A9: fields that differ in nullability or metadata alone are stored under the writer's schema; a null that it does
/// not allow is refused at once.
#[test]
fn batches_that_differ_in_nullability_are_normalised_or_refused_at_once() {
    let world = World::new(11);
    let nullable = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true).with_metadata(HashMap::from([("a".to_owned(), "b".to_owned())])),
        Field::new("text", DataType::Utf8, false),
    ]));
    let of = |ids: Vec<Option<i64>>| {
        let texts = StringArray::from(vec!["x"; ids.len()]);
        RecordBatch::try_new(nullable.clone(), vec![Arc::new(Int64Array::from(ids)) as ArrayRef, Arc::new(texts)]).unwrap()
    };
    world.sim.run(async {
        let writer = world.appender().await.unwrap();
        assert_eq!(writer.append(&[of(vec![Some(1)]), batch(2..3)]).await.unwrap(), 1);
        assert_eq!(kind(writer.append(&[of(vec![Some(1), None])]).await), ErrorKind::InvalidData);
        assert_eq!(writer.append(&[of(vec![Some(3)])]).await.unwrap(), 2);
    });
    assert_eq!(world.dense_log(), [rows(1, 1, 1..3), rows(2, 1, 3..4)]);
}

/// PITFALLS A10, `open.tip.requests`.
#[test]
fn reopening_with_the_tip_far_past_the_hint_takes_few_requests() {
    for beyond in [0, 1, 2, 1000, 10_000] {
        let world = World::new(12);
        world.sim.run(async {
            drop(world.appender().await.unwrap());
            drop(world.appender().await.unwrap());
            let entry = foreign(2, None, 0..1);
            (2..=beyond + 1).for_each(|position| world.plant_entry(position, &entry));
            let store = world.store();
            let writer = world.appender_on(store.clone(), AppenderOptions::default()).await.unwrap();
            let requests = store.requests();
            assert_eq!(requests.list, 0);
            assert!(requests.total() <= 40, "{beyond} beyond the hint: {requests:?}, {}", requests.total());
            assert_eq!(writer.append(&[batch(0..1)]).await.unwrap(), beyond + 3);
            // Afterwards an append is one request.
            let before = store.requests();
            writer.append(&[batch(1..2)]).await.unwrap();
            assert_eq!((store.requests() - before).total(), 1);
        });
    }
}

/// PITFALLS A10: the conflict budget suffices, because the tip is looked for again.
#[test]
fn a_cursor_two_thousand_behind_converges() {
    let world = World::new(13);
    world.sim.run(async {
        let writer = world.appender().await.unwrap();
        (1..=2000).for_each(|position| world.plant_entry(position, &foreign(1, None, 0..1)));
        world.faults.clear_log();
        assert_eq!(writer.append(&[batch(7..8)]).await.unwrap(), 2001);
        assert!(world.faults.count(Op::Create, "") <= 20, "{}", world.faults.count(Op::Create, ""));
    });
    assert_eq!(world.dense_log().last(), Some(&rows(2001, 1, 7..8)));
}

/// PITFALLS A4: somebody takes every slot before us; that ends, too.
#[test]
fn an_append_that_never_finds_a_free_slot_gives_up() {
    let world = Arc::new(World::new(14));
    world.sim.run(async {
        let writer = world.appender().await.unwrap();
        let (peer, taken) = (world.clone(), Arc::new(std::sync::atomic::AtomicU64::new(0)));
        world.faults.on_every(
            Op::Create,
            "/wal/",
            Fault::before(move || {
                let position = taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
                peer.plant_entry(position, &foreign(1, None, 0..1));
                async {}
            }),
        );
        assert_eq!(kind(writer.append(&[batch(7..8)]).await), ErrorKind::Poisoned);
        assert_eq!(kind(writer.append(&[batch(7..8)]).await), ErrorKind::Poisoned);
    });
    assert!(world.dense_log().iter().all(|line| line.ids == [0]));
}

/// PITFALLS E11: a cancelled append is in the log once or not at all, and the next one goes after it.
#[test]
fn a_cancelled_append_leaves_nothing_half_done() {
    for landed in [false, true] {
        let world = World::new(15);
        world.sim.run(async {
            let writer = Arc::new(world.appender().await.unwrap());
            let gate = Gate::default();
            world.faults.on(Op::Create, "/wal/", 1, if landed { Fault::After(gate.hook()) } else { Fault::Before(gate.hook()) });
            let process = world.sim.process();
            let task = writer.clone();
            process.spawn(async move { drop(task.append(&[batch(0..1)]).await) });
            gate.arrived().await;
            process.kill();
            let position = writer.append(&[batch(1..2)]).await.unwrap();
            assert_eq!(position, if landed { 2 } else { 1 });
        });
        let expected = if landed { vec![rows(1, 1, 0..1), rows(2, 1, 1..2)] } else { vec![rows(1, 1, 1..2)] };
        assert_eq!(world.dense_log(), expected);
    }
}

#[test]
fn the_last_position_is_an_error_not_an_overflow() {
    let world = World::new(16);
    world.sim.run(async {
        drop(world.appender().await.unwrap());
        world.plant_entry(u64::MAX, &foreign(1, None, 0..1));
        assert_eq!(kind(world.appender().await), ErrorKind::Corruption);
    });
}

#[test]
fn a_closed_appender_refuses_and_may_be_closed_again() {
    let world = World::new(17);
    world.sim.run(async {
        let writer = world.appender().await.unwrap();
        writer.append(&[batch(0..1)]).await.unwrap();
        writer.close().await;
        writer.close().await;
        assert_eq!(kind(writer.append(&[batch(1..2)]).await), ErrorKind::Closed);
        assert_eq!(kind(writer.check_fenced().await), ErrorKind::Closed);
    });
}
