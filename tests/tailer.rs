//! Tailing: every entry once and in order, and a clear answer where there is none.

mod log_support;
mod support;

use std::sync::Arc;
use std::time::Duration;

use log_support::*;
use support::sim::Mailbox;
use support::{Fault, Op, now};
use weir::env::Clock;
use weir::error::ErrorKind;
use weir::shard::layout;
use weir::store::Store;
use weir::wal::trim::trim;
use weir::wal::{AppenderOptions, TailerOptions, WalTailer};

const FOLLOW: TailerOptions = TailerOptions {
    follow: true,
    from: 0,
    prefetch_entries: 32,
    prefetch_bytes: 64 << 20,
    poll_min: Duration::from_millis(2),
    poll_max: Duration::from_secs(1),
};

fn once() -> TailerOptions {
    TailerOptions::default()
}

fn from(position: u64) -> TailerOptions {
    TailerOptions { from: position, ..once() }
}

#[test]
fn entries_come_in_order_from_anywhere() {
    for world in worlds() {
        world.sim.run(async {
            log_of(&world, 20).await;
            log_of(&world, 20).await;
            let all = world.dense_log();
            assert_eq!((all.len(), &all[20]), (41, &fence(21, 2)));
            for start in [0, 1, 2, 20, 21, 41, 42, 43] {
                for prefetch_entries in [1, 2, 32] {
                    let tailer = world.tailer(TailerOptions { prefetch_entries, ..from(start) });
                    assert_eq!(drain(&tailer).await.unwrap(), all[(start.max(1) as usize - 1).min(41)..], "from {start}");
                    assert_eq!(tailer.position(), start.max(42));
                    assert!(tailer.next().await.unwrap().is_none());
                }
            }
        });
    }
}

/// PITFALLS E6: news of a writer in the same process come without a timer, however the two interleave.
#[test]
fn a_follower_of_a_writer_in_its_process_never_waits_for_time() {
    for seed in 0..150 {
        let world = Arc::new(World::new(seed));
        world.sim.run(async {
            let store = world.store();
            let writer = world.appender_on(store.clone(), AppenderOptions::default()).await.unwrap();
            let tailer = world.tailer_on(store, FOLLOW);
            let clock = world.sim.clock();
            let began = clock.now();
            world.sim.process().spawn(async move {
                for n in 0..15 {
                    writer.append(&[batch(n..n + 1)]).await.unwrap();
                    for _ in 0..seed % 7 {
                        support::sim::yield_now().await;
                    }
                }
                std::future::pending::<()>().await;
            });
            for position in 1..=15 {
                assert_eq!(tailer.next().await.unwrap().unwrap().position, position, "seed {seed}");
            }
            assert_eq!(clock.now() - began, Duration::ZERO, "seed {seed}: a wake-up was lost");
        });
    }
}

/// Without a writer in the process, a follower polls: often at first, then rarely.
#[test]
fn a_follower_of_another_process_polls_less_and_less() {
    let world = Arc::new(World::new(3));
    world.sim.run(async {
        let writer = world.appender().await.unwrap();
        let tailer = world.tailer(FOLLOW);
        let clock = world.sim.clock();
        let (task, asleep) = (world.clone(), Duration::from_secs(30));
        world.sim.process().spawn(async move {
            task.sim.clock().sleep(asleep).await;
            writer.append(&[batch(0..1)]).await.unwrap();
            std::future::pending::<()>().await;
        });
        world.faults.clear_log();
        let entry = tailer.next().await.unwrap().unwrap();
        assert_eq!(entry.position, 1);
        assert!(clock.now() >= asleep && clock.now() <= asleep + FOLLOW.poll_max, "{:?}", clock.now());
        let polls = world.faults.count(Op::Get, &shard().entry(1));
        assert!((35..=50).contains(&polls), "{polls}");
    });
}

/// The writer's news replace polling.
#[test]
fn an_idle_follower_with_a_writer_in_its_process_asks_once_per_longest_pause() {
    let world = World::new(4);
    world.sim.run(async {
        let store = world.store();
        let _writer = world.appender_on(store.clone(), AppenderOptions::default()).await.unwrap();
        let tailer = Arc::new(world.tailer_on(store.clone(), FOLLOW));
        let process = world.sim.process();
        let task = tailer.clone();
        process.spawn(async move { drop(task.next().await) });
        world.sim.run_ready();
        let before = store.requests();
        world.sim.clock().sleep(Duration::from_secs(50)).await;
        let spent = store.requests() - before;
        assert!((45..=55).contains(&spent.total()), "{spent:?}");
        process.kill();
    });
}

/// PITFALLS I9.
#[test]
fn trimmed_is_told_from_not_yet_written() {
    for world in worlds() {
        world.sim.run(async {
            log_of(&world, 10).await;
            (1..=5).for_each(|position| world.delete(&shard().entry(position)));
            for follow in [false, true] {
                let tailer = world.tailer(TailerOptions { follow, ..from(3) });
                for _ in 0..2 {
                    let error = tailer.next().await.unwrap_err();
                    assert_eq!(
                        (error.kind(), error.detail_u64("position"), error.detail_u64("first_position")),
                        (ErrorKind::Trimmed, Some(3), Some(6))
                    );
                    assert!(error.message().contains(SHARD), "{error}");
                    assert_eq!(tailer.position(), 3);
                }
                tailer.seek(6);
                assert_eq!(tailer.next().await.unwrap().unwrap().position, 6);
                let oldest = world.tailer(TailerOptions { follow, ..once() });
                assert_eq!(oldest.next().await.unwrap().unwrap().position, 6);
            }
            let tailer = world.tailer(from(5));
            assert_eq!(kind(tailer.next().await), ErrorKind::Trimmed);
            assert_eq!((tailer.first_position().await.unwrap(), tailer.next_position().await.unwrap()), (6, 11));
            assert_eq!(kind(tailer.read(5).await), ErrorKind::Trimmed);
            assert_eq!(line(&tailer.read(6).await.unwrap()), rows(6, 1, 5..6));
            let error = tailer.read(11).await.unwrap_err();
            assert_eq!((error.kind(), error.detail_u64("position")), (ErrorKind::NotFound, Some(11)));
            assert_eq!(kind(tailer.read(0).await), ErrorKind::InvalidArgument);
            assert!(world.tailer(from(11)).next().await.unwrap().is_none());
            assert!(world.tailer(from(100)).next().await.unwrap().is_none());
        });
    }
}

/// PITFALLS I9: it slept while the log went on and was trimmed past it, also if a writer that was left behind lives here.
#[test]
fn a_follower_that_was_overtaken_by_a_trim_learns_it() {
    for own_writer in [false, true] {
        let world = Arc::new(World::new(5));
        world.sim.run(async {
            let store = world.store();
            let writer = world.appender_on(store.clone(), AppenderOptions::default()).await.unwrap();
            for n in 0..3 {
                writer.append(&[batch(n..n + 1)]).await.unwrap();
            }
            let tailer = Arc::new(world.tailer_on(if own_writer { store } else { world.store() }, FOLLOW));
            for position in 1..=3 {
                assert_eq!(tailer.next().await.unwrap().unwrap().position, position);
            }
            let process = world.sim.process();
            let (task, result) = (tailer.clone(), Mailbox::default());
            let mailbox = result.clone();
            process.spawn(async move { mailbox.put(task.next().await) });
            world.sim.run_ready();
            process.pause();
            log_of(&world, 5).await;
            world.sim.clock().sleep(DAY).await;
            log_of(&world, 2).await;
            trim(&world.store(), &shard(), &world.sim.env(), u64::MAX, DAY).await.unwrap();
            process.resume();
            world.sim.clock().sleep(Duration::from_secs(120)).await;
            let error = result.take().expect("it still waits").unwrap_err();
            assert_eq!((error.kind(), error.detail_u64("first_position")), (ErrorKind::Trimmed, Some(10)), "{error}");
        });
    }
}

/// PITFALLS I9: listings are not atomic; what they miss because it was just written is neither trimmed nor lost.
#[test]
fn a_listing_that_races_with_writers_is_not_taken_for_a_trim() {
    // The listing misses an entry in the middle of what is being written.
    let world = World::new(6);
    let without = |missing: u64| {
        let hook = move |objects: Vec<weir::store::ObjectInfo>| {
            objects.into_iter().filter(|o| layout::parse_entry(&o.name) != Some(missing)).collect()
        };
        Hooks { list: Some(Box::new(hook)), ..Default::default() }
    };
    world.sim.run(async {
        log_of(&world, 12).await;
        (1..=5).for_each(|position| world.delete(&shard().entry(position)));
        let store = Hooked::store(world.faults.clone(), without(11));
        let error = world.tailer_on(store, from(3)).next().await.unwrap_err();
        assert_eq!((error.kind(), error.detail_u64("first_position")), (ErrorKind::Trimmed, Some(6)), "{error}");
    });
    // It shows the second entry without the first.
    let world = Arc::new(World::new(7));
    world.sim.run(async {
        let store = Hooked::store(world.faults.clone(), without(1));
        let tailer = world.tailer_on(store, from(1));
        let peer = world.clone();
        world.faults.on(
            Op::List,
            "/wal",
            1,
            Fault::before(move || {
                let peer = peer.clone();
                async move { log_of(&peer, 2).await }
            }),
        );
        // It was not there when the call began.
        assert!(tailer.next().await.unwrap().is_none_or(|entry| entry.position == 1));
        assert_eq!(drain(&tailer).await.unwrap().last(), Some(&rows(2, 1, 1..2)));
    });
    // The manifest is read after the listing and knows of entries that were written in between.
    for (op, path) in [(Op::List, "/wal"), (Op::Get, "/manifest"), (Op::Get, "/wal")] {
        let world = Arc::new(World::new(8));
        world.sim.run(async {
            let tailer = world.tailer(from(1));
            let peer = world.clone();
            world.faults.on(
                op,
                path,
                1,
                Fault::after(move || {
                    let peer = peer.clone();
                    async move {
                        log_of(&peer, 2).await;
                        drop(peer.appender().await.unwrap());
                    }
                }),
            );
            // The end of a log that was empty a moment ago, or its first entry.
            let first = tailer.next().await.unwrap_or_else(|error| panic!("{op:?} {path}: {error}"));
            assert!(first.is_none_or(|entry| entry.position == 1));
            let rest = drain(&tailer).await.unwrap();
            assert_eq!((rest.last().unwrap().position, world.faults.unmet()), (3, 0));
        });
    }
}

/// PITFALLS C8: what is missing in the middle is neither the end of the log nor waited for.
#[test]
fn a_hole_is_corruption() {
    for world in worlds() {
        world.sim.run(async {
            log_of(&world, 6).await;
            world.delete(&shard().entry(4));
            for follow in [false, true] {
                for start in [0, 3, 4] {
                    let tailer = world.tailer(TailerOptions { follow, ..from(start) });
                    for position in start.max(1)..4 {
                        assert_eq!(tailer.next().await.unwrap().unwrap().position, position);
                    }
                    for _ in 0..2 {
                        let error = tailer.next().await.unwrap_err();
                        assert_eq!((error.kind(), error.detail_u64("position")), (ErrorKind::Corruption, Some(4)), "{error}");
                        assert!(error.message().contains(&shard().entry(4)), "{error}");
                        assert_eq!(tailer.position(), 4);
                    }
                    tailer.seek(5);
                    assert_eq!(tailer.next().await.unwrap().unwrap().position, 5);
                }
            }
        });
    }
}

/// PITFALLS C10: an entry that is damaged stops the tailer there; its neighbours can be read.
#[test]
fn a_damaged_entry_is_corruption_that_names_it() {
    for world in worlds() {
        world.sim.run(async {
            log_of(&world, 5).await;
            let whole = now(world.truth().read(&shard().entry(3))).unwrap().unwrap();
            for bytes in [whole.slice(..whole.len() - 1), whole.slice(..8), whole.slice(..0)] {
                world.plant(&shard().entry(3), bytes);
                let tailer = world.tailer(once());
                assert_eq!(tailer.next().await.unwrap().unwrap().position, 1);
                assert_eq!(tailer.next().await.unwrap().unwrap().position, 2);
                let error = tailer.next().await.unwrap_err();
                assert_eq!((error.kind(), error.detail_u64("position"), tailer.position()), (ErrorKind::Corruption, Some(3), 3));
                assert!(error.message().contains(&shard().entry(3)), "{error}");
                assert_eq!(kind(tailer.read(3).await), ErrorKind::Corruption);
                // It was repaired, or the caller goes on behind it.
                world.plant(&shard().entry(3), whole.clone());
                assert_eq!(line(&tailer.next().await.unwrap().unwrap()), rows(3, 1, 2..3));
                assert_eq!(drain(&tailer).await.unwrap().len(), 2);
            }
        });
    }
}

/// PITFALLS C9.
#[test]
fn a_log_that_was_trimmed_empty_goes_on_above() {
    for world in worlds() {
        world.sim.run(async {
            log_of(&world, 9).await;
            log_of(&world, 0).await;
            log_of(&world, 0).await;
            assert_eq!(world.manifest().wal_entry_position_last_seen, 10);
            (1..=11).for_each(|position| world.delete(&shard().entry(position)));
            assert_eq!(world.manifest().wal_entry_position_last_seen, 10);
            let tailer = world.tailer(once());
            assert_eq!((tailer.first_position().await.unwrap(), tailer.next_position().await.unwrap()), (11, 11));
            assert!(tailer.next().await.unwrap().is_none());
            assert_eq!(tailer.position(), 11);
            let behind = world.tailer(from(10));
            assert_eq!(behind.next().await.unwrap_err().detail_u64("first_position"), Some(11));
            let writer = world.appender().await.unwrap();
            assert_eq!(writer.append(&[batch(0..1)]).await.unwrap(), 12);
            assert_eq!(drain(&tailer).await.unwrap(), [fence(11, 4), rows(12, 4, 0..1)]);
            // Nor below what generations cover.
            let cover = |manifest: &mut weir::shard::Manifest| {
                manifest.replay_after_wal_entry_position = 40;
                Ok(())
            };
            world.manifests().update(cover).await.unwrap();
            (11..=12).for_each(|position| world.delete(&shard().entry(position)));
            assert_eq!(world.appender().await.unwrap().append(&[batch(0..1)]).await.unwrap(), 42);
        });
    }
}

/// PITFALLS C11: what crashed writers leave, ours and Lance's.
#[test]
fn staging_files_are_no_entries() {
    for world in worlds() {
        world.sim.run(async {
            log_of(&world, 3).await;
            let next = shard().entry(4);
            let names = [
                format!("{next}#1"),
                format!("{next}#00112233445566778899aabbccddeeff"),
                format!("{next}.tmp.6c0a5d8e-0000-4000-8000-000000000001"),
                format!("{}/readme.txt", shard().wal_dir()),
                format!("{}#1", shard().entry(9)),
            ];
            names.iter().for_each(|name| world.plant(name, "half an entry"));
            assert_eq!(drain(&world.tailer(once())).await.unwrap().len(), 3);
            let writer = world.appender().await.unwrap();
            assert_eq!(writer.append(&[batch(3..4)]).await.unwrap(), 5);
            world.delete(&shard().entry(1));
            let tailer = world.tailer(once());
            assert_eq!((tailer.first_position().await.unwrap(), tailer.next_position().await.unwrap()), (2, 6));
            assert_eq!(drain(&tailer).await.unwrap().len(), 4);
        });
    }
}

#[test]
fn seeking_moves_a_tailer_that_waits_and_one_that_reads_ahead() {
    for world in worlds() {
        world.sim.run(async {
            log_of(&world, 30).await;
            let tailer = Arc::new(world.tailer(FOLLOW));
            for position in [1, 2, 3, 20, 21, 5, 1, 30] {
                tailer.seek(position);
                assert_eq!(tailer.position(), position);
                assert_eq!(tailer.next().await.unwrap().unwrap().position, position);
            }
            let (task, result) = (tailer.clone(), Mailbox::default());
            let mailbox = result.clone();
            world.sim.process().spawn(async move { mailbox.put(task.next().await) });
            world.sim.run_ready();
            let began = world.sim.clock().now();
            assert_eq!(tailer.position(), 31);
            tailer.seek(7);
            world.sim.run_ready();
            assert_eq!(result.take().unwrap().unwrap().unwrap().position, 7);
            assert_eq!(world.sim.clock().now(), began);
            tailer.seek(0);
            assert_eq!(tailer.next().await.unwrap().unwrap().position, 1);
            // Reading a position does not move it.
            assert_eq!(tailer.read(17).await.unwrap().position, 17);
            assert_eq!(tailer.next().await.unwrap().unwrap().position, 2);
        });
    }
}

#[test]
fn an_interrupt_ends_the_wait_that_is_or_the_next_one() {
    for world in worlds() {
        world.sim.run(async {
            log_of(&world, 2).await;
            let tailer = Arc::new(world.tailer(FOLLOW));
            let wait = || {
                let (task, result) = (tailer.clone(), Mailbox::default());
                let mailbox = result.clone();
                world.sim.process().spawn(async move { mailbox.put(task.next().await) });
                result
            };
            // Before anything waits: entries still come, the wait behind them ends.
            tailer.interrupt();
            assert_eq!(tailer.next().await.unwrap().unwrap().position, 1);
            assert_eq!(tailer.next().await.unwrap().unwrap().position, 2);
            let began = world.sim.clock().now();
            assert_eq!(kind(tailer.next().await), ErrorKind::Cancelled);
            // While it waits; then it goes on where it was.
            let waiting = wait();
            world.sim.run_ready();
            assert!(waiting.take().is_none());
            tailer.interrupt();
            world.sim.run_ready();
            assert_eq!(kind(waiting.take().unwrap()), ErrorKind::Cancelled);
            assert_eq!(world.sim.clock().now(), began);
            let waiting = wait();
            log_of(&world, 1).await;
            world.sim.clock().sleep(FOLLOW.poll_max).await;
            assert_eq!(waiting.take().unwrap().unwrap().unwrap().position, 3);
        });
    }
}

#[test]
fn a_failing_request_is_an_error_and_the_cursor_stays() {
    for world in worlds() {
        world.sim.run(async {
            log_of(&world, 8).await;
            for (op, fault) in [(Op::Get, Fault::Throttle), (Op::Body, Fault::ErrorBefore), (Op::Get, Fault::Denied)] {
                let tailer = world.tailer(once());
                world.faults.on_every(op, &shard().entry(4), fault.clone());
                for position in 1..=3 {
                    assert_eq!(tailer.next().await.unwrap().unwrap().position, position);
                }
                let expected = if matches!(fault, Fault::Denied) { ErrorKind::PermissionDenied } else { ErrorKind::Storage };
                for _ in 0..2 {
                    let error = tailer.next().await.unwrap_err();
                    assert_eq!((error.kind(), tailer.position()), (expected, 4));
                    assert!(error.message().contains(&shard().entry(4)), "{error}");
                    assert_eq!(kind(tailer.read(4).await), expected);
                }
                world.faults.heal();
                assert_eq!(drain(&tailer).await.unwrap().len(), 5);
            }
            // The end of the log cannot be told either.
            for op in [Op::Head, Op::Get, Op::List] {
                let tailer = world.tailer(from(if op == Op::Head { 9 } else { 12 }));
                world.faults.on_every(op, "", Fault::Throttle);
                assert_eq!(kind(tailer.next().await), ErrorKind::Storage, "{op:?}");
                world.faults.heal();
                assert!(tailer.next().await.unwrap().is_none());
            }
        });
    }
}

#[test]
fn concurrent_callers_share_the_entries() {
    for seed in 0..30 {
        let world = World::new(seed);
        world.sim.run(async {
            log_of(&world, 20).await;
            let (tailer, seen) = (Arc::new(world.tailer(once())), Mailbox::default());
            for _ in 0..4 {
                let (tailer, seen) = (tailer.clone(), seen.clone());
                world.sim.process().spawn(async move {
                    while let Some(entry) = tailer.next().await.unwrap() {
                        seen.put(entry.position);
                    }
                });
            }
            world.sim.run_ready();
            assert_eq!(seen.take_all(), (1..=20).collect::<Vec<_>>(), "seed {seed}");
        });
    }
}

#[test]
fn the_ends_of_every_log_are_found() {
    for world in worlds() {
        world.sim.run(async {
            let tailer = world.tailer(once());
            let ends = async || (tailer.first_position().await.unwrap(), tailer.next_position().await.unwrap());
            assert_eq!(ends().await, (1, 1));
            let error = tailer.next().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.message().contains(SHARD), "{error}");
            world.manifests().init(0, vec![]).await.unwrap();
            assert_eq!(ends().await, (1, 1));
            assert!(tailer.next().await.unwrap().is_none());
            for (trimmed, written) in [(0, 1), (0, 5), (1, 5), (3, 17), (16, 17), (900, 1000), (999, 1000)] {
                (1..=written).for_each(|n| world.plant_entry(n, &foreign(1, None, 0..1)));
                (1..=trimmed).for_each(|n| world.delete(&shard().entry(n)));
                assert_eq!(ends().await, (trimmed + 1, written + 1));
            }
            let before = world.faults.log().len();
            ends().await;
            assert!(world.faults.log().len() - before <= 60);
        });
    }
}

#[test]
fn a_follower_waits_for_a_shard_that_does_not_exist_yet() {
    for world in worlds() {
        world.sim.run(async {
            let (tailer, result) = (world.tailer(FOLLOW), Mailbox::default());
            let mailbox = result.clone();
            world.sim.process().spawn(async move { mailbox.put(drain_some(&tailer, 3).await) });
            world.sim.clock().sleep(DAY).await;
            assert!(result.take().is_none());
            log_of(&world, 3).await;
            world.sim.clock().sleep(Duration::from_secs(2)).await;
            assert_eq!(result.take().unwrap(), [1, 2, 3]);
        });
    }
}

async fn drain_some(tailer: &WalTailer, count: usize) -> Vec<u64> {
    let mut positions = Vec::new();
    while positions.len() < count {
        positions.extend(tailer.next().await.unwrap().map(|entry| entry.position));
    }
    positions
}

/// PITFALLS D10.
#[test]
fn a_tailer_writes_nothing() {
    let world = World::new(13);
    world.sim.run(async {
        log_of(&world, 10).await;
        (1..=3).for_each(|position| world.delete(&shard().entry(position)));
        world.faults.clear_log();
        let tailer = world.tailer(once());
        assert_eq!(drain(&tailer).await.unwrap().len(), 7);
        tailer.seek(2);
        assert_eq!(kind(tailer.next().await), ErrorKind::Trimmed);
        drop((tailer.first_position().await, tailer.next_position().await, tailer.read(5).await, tailer.read(50).await));
        let writes = world.faults.log().into_iter().filter(|r| matches!(r.op, Op::Create | Op::Put | Op::Delete | Op::MakeDirs)).count();
        assert_eq!(writes, 0);
    });
}

#[test]
fn options_that_cannot_work_are_refused() {
    let world = World::new(14);
    let good = once();
    let bad = [
        TailerOptions { prefetch_entries: 0, ..good },
        TailerOptions { prefetch_entries: 4097, ..good },
        TailerOptions { prefetch_bytes: 0, ..good },
        TailerOptions { poll_min: Duration::ZERO, ..good },
        TailerOptions { poll_min: Duration::from_secs(2), ..good },
    ];
    for options in bad {
        assert_eq!(kind(WalTailer::open(world.store(), shard(), options, world.sim.env())), ErrorKind::InvalidArgument, "{options:?}");
    }
}

/// The same place under two handles is one place; under two backends it is two.
#[test]
fn news_stay_within_a_place() {
    let world = World::new(17);
    let (one, other): (Store, Store) = (world.store(), world.store());
    assert_eq!(one.identity(), one.clone().identity());
    assert_ne!(one.identity(), other.identity());
}
