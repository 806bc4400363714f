//! Ownership: one writer per epoch, a predecessor learns of its fence, and everybody who waits learns it with it.

mod log_support;
mod support;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arrow_schema::Schema;
use log_support::*;
use support::sim::{Mailbox, yield_now};
use support::{Fault, Gate, Op};
use weir::env::{self, Retry};
use weir::error::{Action, Error, ErrorKind, Result};
use weir::shard::ShardPath;
use weir::wal::entry::Compression;
use weir::wal::{AppenderOptions, WalAppender};
use weir::writer::{Ack, ShardWriter, WriterConfig};

/// PITFALLS B1: the predecessor's next append collides with the sentinel.
#[test]
fn the_successor_fences_before_it_does_anything_else() {
    let world = World::new(1);
    world.sim.run(async {
        let old = world.appender().await.unwrap();
        for n in 0..3 {
            old.append(&[batch(n..n + 1)]).await.unwrap();
        }
        world.faults.clear_log();
        let new = world.appender().await.unwrap();
        let creates: Vec<String> = world.faults.log().into_iter().filter(|r| r.op == Op::Create).map(|r| r.path).collect();
        assert_eq!(creates, [shard().manifest(2), shard().entry(4)]);
        assert_eq!(kind(old.append(&[batch(9..10)]).await), ErrorKind::Fenced);
        assert_eq!(new.append(&[batch(3..4)]).await.unwrap(), 5);
    });
    assert_eq!(world.dense_log(), [rows(1, 1, 0..1), rows(2, 1, 1..2), rows(3, 1, 2..3), fence(4, 2), rows(5, 2, 3..4)]);
}

/// PITFALLS B1: an empty log, too: its first slot is the one that the predecessor will try.
#[test]
fn a_predecessor_that_never_wrote_is_fenced_as_well() {
    let world = World::new(2);
    world.sim.run(async {
        let old = world.appender().await.unwrap();
        drop(world.appender().await.unwrap());
        assert_eq!(kind(old.append(&[batch(0..1)]).await), ErrorKind::Fenced);
    });
    assert_eq!(world.dense_log(), [fence(1, 2)]);
}

/// PITFALLS B1: the claimer dies at every point of its opening; what was acknowledged stays, and the next one takes over.
#[test]
fn a_claimer_that_dies_while_opening_leaves_a_shard_that_opens() {
    for operation in 1..30 {
        let world = Arc::new(World::new(3));
        world.sim.run(async {
            let old = world.appender().await.unwrap();
            old.append(&[batch(0..1)]).await.unwrap();
            let process = world.sim.process();
            let (task, env) = (world.clone(), process.env());
            process.spawn(async move { drop(WalAppender::open(task.store(), shard(), &schema(), AppenderOptions::default(), env).await) });
            let before = world.faults.log().len();
            while world.sim.tasks() > 0 && world.faults.log().len() < before + operation {
                yield_now().await;
            }
            process.kill();
            let position = old.append(&[batch(1..2)]).await;
            let next = world.appender().await.unwrap();
            next.append(&[batch(2..3)]).await.unwrap();
            let stored = world.dense_log().iter().any(|line| line.ids == [1]);
            assert_eq!(position.is_ok(), stored, "dead after {operation} operations");
            assert_eq!(kind(old.append(&[batch(3..4)]).await), ErrorKind::Fenced);
        });
        let log = world.dense_log();
        assert!(log.iter().any(|line| line.ids == [0]) && log.iter().any(|line| line.ids == [2]), "{log:?}");
    }
}

/// Callers of every kind that wait for a writer, each on its own thread or with a callback.
struct Waiters {
    threads: Vec<(&'static str, JoinHandle<Result<Ack>>)>,
    outcomes: Outcomes,
    callbacks: usize,
}

impl Waiters {
    /// Starts them against a writer whose next append waits at a gate and whose limit is four puts of one row.
    fn start(writer: &Arc<ShardWriter>, gate: &Gate) -> Self {
        let mut waiters = Self { threads: Vec::new(), outcomes: Outcomes::default(), callbacks: 0 };
        let outcomes = waiters.outcomes.clone();
        waiters.thread("put in flight", writer, |writer| writer.put(&batch(0..1), None));
        env::block_on(gate.arrived());
        waiters.thread("put with a deadline", writer, |writer| writer.put(&batch(1..2), Some(HOUR)));
        until("the second put is admitted", || writer.stats().puts == 2);
        waiters.thread("put_all", writer, |writer| writer.put_all([Ok(batch(2..3))], None));
        until("the third put is admitted", || writer.stats().puts == 3);
        writer.put_async(&batch(3..4), outcomes.record("put_async")).unwrap();
        waiters.thread("wait_durable", writer, |writer| writer.wait_durable(3, None));
        waiters.thread("flush", writer, |writer| writer.flush(Some(HOUR)));
        writer.wait_durable_async(4, outcomes.record("wait_durable_async"));
        writer.flush_async(outcomes.record("flush_async"));
        waiters.thread("put without room", writer, |writer| writer.put(&batch(4..5), None));
        waiters.thread("wait_capacity", writer, |writer| writer.wait_capacity(1, None).map(|()| Ack::default()));
        writer.wait_capacity_async(1, outcomes.record("wait_capacity_async"));
        waiters.callbacks = 4;
        until("three wait for room", || writer.stats().blocked_now == 3);
        waiters
    }

    fn thread(&mut self, name: &'static str, writer: &Arc<ShardWriter>, call: impl FnOnce(&ShardWriter) -> Result<Ack> + Send + 'static) {
        let writer = Arc::clone(writer);
        self.threads.push((name, std::thread::spawn(move || call(&writer))));
    }

    /// Everybody's outcome.
    fn outcomes(self) -> Vec<(String, Result<Ack>)> {
        until("everybody is awake", || {
            self.threads.iter().all(|(_, thread)| thread.is_finished()) && self.outcomes.len() == self.callbacks
        });
        let mut all = self.outcomes.take();
        all.extend(self.threads.into_iter().map(|(name, thread)| (name.to_owned(), thread.join().unwrap())));
        assert_eq!(all.len(), self.callbacks + 7);
        all
    }
}

fn full_writer(world: &World) -> (Arc<ShardWriter>, Gate) {
    let len = encoded_len(&batch(0..1));
    let config = WriterConfig { max_buffer_bytes: len, max_pending_bytes: 4 * len, retry: AT_ONCE, ..Default::default() };
    let writer = world.threaded_writer(config);
    let gate = Gate::default();
    world.faults.on(Op::Create, "/wal/", 1, Fault::Before(gate.hook()));
    (writer, gate)
}

fn worlds() -> [World; 2] {
    [World::new(4), World::blocking()]
}

/// Everybody has an error of this kind, and so has every later call.
fn assert_all(outcomes: Vec<(String, Result<Ack>)>, writer: &ShardWriter, expected: ErrorKind, check: impl Fn(&Error)) {
    for (name, outcome) in outcomes {
        let error = outcome.expect_err(&name);
        assert_eq!(error.kind(), expected, "{name}: {error}");
        check(&error);
    }
    let later = [
        writer.put(&batch(0..1), None).map(drop),
        writer.put_async(&batch(0..1), Box::new(|_| panic!("nothing was accepted"))),
        writer.flush(None).map(drop),
        writer.wait_durable(1, None).map(drop),
        writer.wait_capacity(1, None),
        writer.close(None),
        env::block_on(writer.check_fenced()).map(drop),
    ];
    assert!(later.into_iter().all(|outcome| kind(outcome) == expected));
    let (memory, stats) = (writer.memory(), writer.stats());
    assert_eq!((memory.pending, memory.in_flight, memory.reserved, stats.blocked_now), (0, 0, 0, 0));
}

/// PITFALLS B2, B3, F4.
#[test]
fn every_waiter_wakes_with_the_fence() {
    for world in worlds() {
        let (writer, gate) = full_writer(&world);
        let waiters = Waiters::start(&writer, &gate);
        let successor = env::block_on(world.appender()).unwrap();
        gate.open();
        assert_all(waiters.outcomes(), &writer, ErrorKind::Fenced, |error| {
            assert_eq!((error.detail_u64("epoch"), error.detail_u64("fenced_by_epoch"), error.action()), (Some(1), Some(2), Action::Stop));
        });
        assert_eq!(env::block_on(successor.append(&[batch(7..8)])).unwrap(), 2);
        assert_eq!(world.dense_log(), [fence(1, 2), rows(2, 2, 7..8)]);
    }
}

/// PITFALLS B2, B3, F4.
#[test]
fn every_waiter_wakes_with_the_poison() {
    for world in worlds() {
        let (writer, gate) = full_writer(&world);
        let waiters = Waiters::start(&writer, &gate);
        world.faults.on_every(Op::Create, "/wal/", Fault::Throttle);
        world.faults.on_every(Op::Get, "/manifest/", Fault::Throttle);
        world.faults.on(Op::Create, "/wal/", 1, Fault::Throttle);
        // The create at the gate goes through, but its slot is taken and the manifest cannot be read.
        world.plant_entry(1, &foreign(1, None, 50..51));
        gate.open();
        assert_all(waiters.outcomes(), &writer, ErrorKind::Poisoned, |error| {
            assert_eq!((error.detail_u64("position"), error.action()), (Some(1), Action::Reopen));
        });
        assert_eq!(world.dense_log(), [rows(1, 1, 50..51)]);
    }
}

/// PITFALLS F4, G8: abort wakes everybody at once, but for those whose entry is on its way: they learn what became of it.
#[test]
fn every_waiter_wakes_when_the_writer_is_aborted() {
    for world in worlds() {
        let (writer, gate) = full_writer(&world);
        let waiters = Waiters::start(&writer, &gate);
        let before = world.faults.log().len();
        writer.abort();
        until("all but one are awake", || waiters.threads.iter().filter(|(_, thread)| !thread.is_finished()).count() == 1);
        assert_eq!(world.faults.log().len(), before, "abort does no I/O");
        gate.open();
        let (in_flight, others): (Vec<_>, Vec<_>) = waiters.outcomes().into_iter().partition(|(name, _)| name == "put in flight");
        assert_eq!(in_flight[0].1.as_ref().unwrap().position, 1);
        // What was durable before the abort is still known to be: a barrier on it is not an error.
        assert!(others.into_iter().all(|(name, outcome)| kind(outcome) == ErrorKind::Closed || name == "never"));
        assert_eq!(kind(writer.put(&batch(0..1), None)), ErrorKind::Closed);
        assert_eq!(kind(writer.close(None)), ErrorKind::Closed);
        assert_eq!(world.dense_log(), [rows(1, 1, 0..1)]);
    }
}

/// PITFALLS F4: who waits for room is not left waiting by a close.
#[test]
fn who_waits_for_room_wakes_when_the_writer_closes() {
    for world in worlds() {
        let (writer, gate) = full_writer(&world);
        let waiters = Waiters::start(&writer, &gate);
        let closing = Arc::clone(&writer);
        let close = std::thread::spawn(move || closing.close(None));
        // The append is still at its gate: nobody gets room.
        until("nobody waits for room", || writer.stats().blocked_now == 0);
        gate.open();
        close.join().unwrap().unwrap();
        for (name, outcome) in waiters.outcomes() {
            match name.as_str() {
                "put without room" | "wait_capacity" | "wait_capacity_async" => assert_eq!(kind(outcome), ErrorKind::Closed, "{name}"),
                _ => drop(outcome.expect(&name)),
            }
        }
        assert_eq!(world.dense_log(), (0..4).map(|n| rows(n as u64 + 1, 1, n..n + 1)).collect::<Vec<_>>());
    }
}

/// PITFALLS B4: what can never work is refused before the claim, and the incumbent goes on.
#[test]
fn a_doomed_open_does_not_fence_the_incumbent() {
    let world = World::new(5);
    world.sim.run(async {
        let incumbent = world.appender().await.unwrap();
        let good = WriterConfig::default();
        let bad = [
            WriterConfig { max_buffer_bytes: 0, ..good.clone() },
            WriterConfig { max_pending_bytes: good.max_buffer_bytes - 1, ..good.clone() },
            WriterConfig { linger: Some(HOUR * 2), ..good.clone() },
            WriterConfig { manifest_probe_width: 0, ..good.clone() },
            WriterConfig { manifest_probe_width: 65, ..good.clone() },
            WriterConfig { retry: Retry { max_retries: 101, ..good.retry }, ..good.clone() },
            WriterConfig { trim_age: Duration::from_millis(999), ..good.clone() },
        ];
        world.faults.clear_log();
        for config in bad {
            assert_eq!(kind(world.writer(config.clone()).await), ErrorKind::InvalidArgument, "{config:?}");
        }
        for compression in [Compression::None, Compression::Lz4] {
            let options = AppenderOptions { compression, ..Default::default() };
            let outcome = WalAppender::open(world.store(), shard(), &Schema::empty(), options, world.sim.env()).await;
            assert_eq!(kind(outcome), ErrorKind::SchemaMismatch);
        }
        assert_eq!(world.faults.log().len(), 0);
        // A store on which writers would overwrite each other.
        let overwriting = Hooked::store(world.faults.clone(), Hooks { overwrites: true, ..Default::default() });
        assert_eq!(kind(world.appender_on(overwriting, AppenderOptions::default()).await), ErrorKind::Unsupported);
        // The claim itself fails.
        for op in [Op::Get, Op::Head, Op::Create] {
            world.faults.on_every(op, "", Fault::Throttle);
            assert_eq!(kind(world.appender().await), ErrorKind::Storage, "{op:?}");
            world.faults.heal();
        }
        assert_eq!(world.versions(), [1]);
        assert_eq!(incumbent.append(&[batch(0..1)]).await.unwrap(), 1);
    });
}

/// PITFALLS B5: any number of claimers at once.
#[test]
fn of_many_claimers_each_epoch_has_one() {
    for seed in 0..100 {
        let world = Arc::new(World::new(seed));
        world.sim.run(async {
            if seed % 2 == 0 {
                drop(world.appender().await.unwrap());
            }
            let results = Mailbox::default();
            for _ in 0..6 {
                let (claimer, results) = (world.clone(), results.clone());
                world.sim.process().spawn(async move { results.put(claimer.manifests().claim(0).await) });
            }
            world.sim.run_ready();
            let mut epochs = Vec::new();
            for result in results.take_all() {
                match result {
                    Ok(manifest) => epochs.push(manifest.writer_epoch),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "seed {seed}: {error}"),
                }
            }
            epochs.sort_unstable();
            let first = if seed % 2 == 0 { 2 } else { 1 };
            assert!(!epochs.is_empty(), "seed {seed}");
            assert_eq!(epochs, (first..first + epochs.len() as u64).collect::<Vec<_>>(), "seed {seed}: two claimers have one epoch");
            assert_eq!(world.manifest().writer_epoch, *epochs.last().unwrap());
        });
    }
}

/// PITFALLS B5: a new version that is no claim does not cost the claim.
#[test]
fn a_claim_survives_versions_that_are_no_claims() {
    for (bumps, claimed) in [(1, true), (15, true), (16, false)] {
        let world = Arc::new(World::new(6));
        world.sim.run(async {
            drop(world.appender().await.unwrap());
            let claimer = world.manifests();
            for version in 2..2 + bumps {
                let other = world.clone();
                // Exactly before the claimer's create of that version; the other's own create is the one after.
                world.faults.on(
                    Op::Create,
                    &shard().manifest(version),
                    1,
                    Fault::before(move || {
                        let other = other.clone();
                        async move {
                            let bump = |manifest: &mut weir::shard::Manifest| {
                                manifest.shard_spec_id += 1;
                                Ok(())
                            };
                            other.manifests().update(bump).await.unwrap();
                        }
                    }),
                );
            }
            let outcome = claimer.claim(0).await;
            match claimed {
                true => assert_eq!((outcome.as_ref().unwrap().writer_epoch, outcome.unwrap().shard_spec_id), (2, bumps as u32)),
                false => assert_eq!(kind(outcome), ErrorKind::Conflict),
            }
        });
        assert_eq!(world.faults.unmet(), 0);
    }
}

/// PITFALLS B6: the answer comes from storage, however often the handle has asked before.
#[test]
fn a_fence_check_always_reads_storage() {
    let world = World::new(7);
    world.sim.run(async {
        let appender = world.appender().await.unwrap();
        let writer_world = World::new(8);
        let writer = writer_world.writer(WriterConfig { durable: false, ..Default::default() }).await.unwrap();
        for _ in 0..3 {
            assert_eq!(appender.check_fenced().await.unwrap().writer_epoch, 1);
            assert_eq!(writer.check_fenced().await.unwrap().writer_epoch, 1);
        }
        drop(world.appender().await.unwrap());
        drop(writer_world.appender().await.unwrap());
        assert_eq!(kind(appender.check_fenced().await), ErrorKind::Fenced);
        // Latched: nothing is tried any more.
        let before = world.faults.log().len();
        assert_eq!(kind(appender.append(&[batch(0..1)]).await), ErrorKind::Fenced);
        assert_eq!(world.faults.log().len(), before);
        assert_eq!(kind(writer.check_fenced().await), ErrorKind::Fenced);
        assert_eq!(kind(writer.put(&batch(0..1), None)), ErrorKind::Fenced);
    });
}

/// PITFALLS B7: a manifest that cannot be read says nothing: neither "fenced" nor "not fenced".
#[test]
fn a_failed_look_at_the_manifest_is_an_error_not_an_answer() {
    for op in [Op::Get, Op::Head, Op::Body] {
        let world = World::new(9);
        world.sim.run(async {
            let old = world.appender().await.unwrap();
            old.append(&[batch(0..1)]).await.unwrap();
            let new = world.appender().await.unwrap();
            new.append(&[batch(1..2)]).await.unwrap();
            world.faults.on_every(op, "/manifest/", Fault::Throttle);
            assert_eq!(kind(old.check_fenced().await), ErrorKind::Storage, "{op:?}");
            assert_eq!(kind(world.manifests().latest().await), ErrorKind::Storage, "{op:?}");
            // The slot is taken and the manifest unreadable: it never advances past the sentinel.
            world.faults.clear_log();
            assert_eq!(kind(old.append(&[batch(2..3)]).await), ErrorKind::Poisoned, "{op:?}");
            assert_eq!(world.faults.count(Op::Create, &shard().entry(2)), world.faults.count(Op::Create, ""), "{op:?}");
        });
        assert_eq!(world.dense_log(), [rows(1, 1, 0..1), fence(2, 2), rows(3, 2, 1..2)]);
    }
}

/// PITFALLS B7: a HEAD that fails while the tip is looked for is no missing entry.
#[test]
fn a_failed_look_at_the_log_is_an_error_not_its_end() {
    for (op, nth) in [(Op::Head, 1), (Op::Head, 2), (Op::Head, 3), (Op::List, 1)] {
        let world = World::new(10);
        world.sim.run(async {
            let old = world.appender().await.unwrap();
            if op == Op::Head {
                for n in 0..5 {
                    old.append(&[batch(n..n + 1)]).await.unwrap();
                }
            }
            world.faults.on(op, "/wal", nth, Fault::Throttle);
            assert_eq!(kind(world.appender().await), ErrorKind::Storage);
            assert_eq!(world.faults.unmet(), 0);
            assert!(old.append(&[batch(5..6)]).await.is_ok(), "nothing was claimed");
        });
    }
}

/// PITFALLS B8: the entry is in the log before the sentinel, so its acknowledgement is good.
#[test]
fn a_claim_between_a_write_and_its_acknowledgement_loses_nothing() {
    let world = Arc::new(World::new(11));
    world.sim.run(async {
        let old = world.appender().await.unwrap();
        let peer = world.clone();
        world.faults.on(
            Op::Create,
            "/wal/",
            1,
            Fault::after(move || {
                let peer = peer.clone();
                async move { drop(peer.appender().await.unwrap()) }
            }),
        );
        assert_eq!(old.append(&[batch(0..1)]).await.unwrap(), 1);
        assert_eq!(kind(old.append(&[batch(1..2)]).await), ErrorKind::Fenced);
    });
    assert_eq!(world.dense_log(), [rows(1, 1, 0..1), fence(2, 2)]);
}

/// PITFALLS B8: a rival claims while we open; whoever has the lower epoch must not come up.
#[test]
fn a_claim_during_an_open_fences_the_one_that_opens() {
    for after_the_sentinel in [false, true] {
        let world = Arc::new(World::new(12));
        world.sim.run(async {
            drop(world.appender().await.unwrap());
            let rival = world.clone();
            let claim = move || {
                let rival = rival.clone();
                async move { drop(rival.appender().await.unwrap()) }
            };
            let fault = if after_the_sentinel { Fault::after(claim) } else { Fault::before(claim) };
            world.faults.on(Op::Create, &shard().entry(1), 1, fault);
            assert_eq!(kind(world.appender().await), ErrorKind::Fenced);
        });
        let expected = if after_the_sentinel { vec![fence(1, 2), fence(2, 3)] } else { vec![fence(1, 3)] };
        assert_eq!(world.dense_log(), expected);
    }
}

/// PITFALLS B8: the sentinel must lie after what is covered by generations, or nobody would meet it.
#[test]
fn a_sentinel_behind_the_replay_position_is_written_again() {
    let world = Arc::new(World::new(13));
    world.sim.run(async {
        drop(world.appender().await.unwrap());
        let peer = world.clone();
        world.faults.on(
            Op::Create,
            &shard().entry(1),
            1,
            Fault::after(move || {
                let peer = peer.clone();
                async move {
                    let cover = |manifest: &mut weir::shard::Manifest| {
                        manifest.replay_after_wal_entry_position = 7;
                        Ok(())
                    };
                    peer.manifests().update(cover).await.unwrap();
                }
            }),
        );
        let writer = world.appender().await.unwrap();
        assert_eq!(writer.append(&[batch(0..1)]).await.unwrap(), 9);
    });
    assert_eq!(world.log(), [fence(1, 2), fence(8, 2), rows(9, 2, 0..1)]);
}

/// PITFALLS B9.
#[test]
fn a_sealed_shard_stays_sealed_until_it_is_unsealed() {
    let world = World::new(14);
    world.sim.run(async {
        assert_eq!(kind(world.manifests().seal(0).await), ErrorKind::NotFound);
        let owner = world.appender().await.unwrap();
        owner.append(&[batch(0..1)]).await.unwrap();
        let sealed = world.manifests().seal(1).await.unwrap();
        assert!(sealed.is_sealed() && sealed.writer_epoch == 2);
        for _ in 0..2 {
            let error = world.appender().await.unwrap_err();
            assert_eq!((error.kind(), error.action(), error.detail_u64("epoch")), (ErrorKind::Sealed, Action::Stop, Some(2)));
            assert!(error.message().contains(SHARD));
        }
        assert_eq!(kind(world.manifests().seal(1).await), ErrorKind::Sealed);
        assert_eq!(world.versions(), [1, 2]);
        assert_eq!(kind(owner.check_fenced().await), ErrorKind::Fenced);
        assert!(!world.manifests().unseal().await.unwrap().is_sealed());
        let writer = world.appender().await.unwrap();
        assert_eq!((writer.epoch(), writer.append(&[batch(1..2)]).await.unwrap()), (3, 3));
    });
    assert_eq!(world.dense_log(), [rows(1, 1, 0..1), fence(2, 3), rows(3, 3, 1..2)]);
}

/// PITFALLS B4: an id that is no shard's never reaches the store.
#[test]
fn a_shard_id_of_another_spelling_is_refused() {
    assert_eq!(kind(ShardPath::new("00000000-0000-4000-8000-00000000000A")), ErrorKind::InvalidArgument);
}
