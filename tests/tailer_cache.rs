//! Tailers that share decoded entries: each is read and decoded once, nothing stale is served, and what decides about ownership is never
//! cached.

mod cache_support;
mod log_support;
mod support;

use std::sync::Arc;
use std::time::Duration;

use cache_support::{Table, builtin};
use futures_util::future::join_all;
use log_support::*;
use support::{Fault, Op};
use weir::cache::Cache;
use weir::env::Clock;
use weir::error::ErrorKind;
use weir::store::Store;
use weir::wal::trim::trim;
use weir::wal::{AppenderOptions, TailerOptions, WalTailer, forget};

/// Longer than a cached entry is believed without another look.
const LATER: Duration = Duration::from_secs(121);

fn from(position: u64) -> TailerOptions {
    TailerOptions { from: position, ..TailerOptions::default() }
}

/// Over the built-in backend, one that keeps objects, and one that stores bytes.
fn caches(world: &World) -> [Cache; 3] {
    let clock = || Arc::new(world.sim.clock());
    [
        Cache::builtin(64 << 20, clock()),
        Cache::new(Table::new(cache_support::Wrong::Nothing), clock(), None),
        Cache::new(Table::encoding(), clock(), None),
    ]
}

fn tailer(world: &World, store: &Store, cache: &Cache, options: TailerOptions) -> WalTailer {
    world.tailer_on(store.clone(), options).with_cache(cache)
}

async fn take(tailer: &WalTailer, count: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for _ in 0..count {
        lines.push(line(&tailer.next().await.unwrap().unwrap()));
    }
    lines
}

#[test]
fn a_second_tailer_makes_no_request() {
    for world in worlds() {
        world.sim.run(async {
            log_of(&world, 40).await;
            let all = world.dense_log();
            for cache in caches(&world) {
                let store = world.store();
                assert_eq!(drain(&tailer(&world, &store, &cache, from(1))).await.unwrap(), all);
                let before = store.requests();
                let second = tailer(&world, &store, &cache, from(1));
                assert_eq!(take(&second, 40).await, all);
                // Nor one that goes back, nor a read by position.
                second.seek(7);
                assert_eq!(take(&second, 10).await, all[6..16]);
                assert_eq!(line(&second.read(3).await.unwrap()), all[2]);
                assert_eq!((store.requests() - before).total(), 0);
            }
        });
    }
}

/// Also while they are at it together.
#[test]
fn tailers_at_the_same_time_read_each_entry_once() {
    for world in worlds() {
        world.sim.run(async {
            log_of(&world, 60).await;
            let all = world.dense_log();
            for cache in caches(&world) {
                let store = world.store();
                world.faults.clear_log();
                let tailers: Vec<_> = (0..5).map(|_| tailer(&world, &store, &cache, from(1))).collect();
                let read = join_all(tailers.iter().map(|tailer| take(tailer, 60))).await;
                assert!(read.iter().all(|lines| *lines == all));
                for position in 1..=60 {
                    assert_eq!(world.faults.count(Op::Get, &shard().entry(position)), 1, "position {position}");
                }
            }
        });
    }
}

/// One that does not read on must not hold up another, though it leads the reading ahead.
#[test]
fn a_slow_consumer_holds_up_nobody_else() {
    let world = World::new(5);
    world.sim.run(async {
        log_of(&world, 60).await;
        let (store, cache) = (world.store(), builtin(64 << 20));
        let slow = tailer(&world, &store, &cache, TailerOptions { prefetch_bytes: 3000, ..from(1) });
        take(&slow, 6).await;
        world.sim.run_ready();
        let quick = tailer(&world, &store, &cache, from(1));
        let limit = world.sim.clock().sleep(Duration::from_secs(3600));
        let read = futures_util::future::select(Box::pin(take(&quick, 60)), limit);
        let futures_util::future::Either::Left((lines, _)) = read.await else { panic!("it hangs") };
        assert_eq!(lines, world.dense_log());
        assert_eq!(take(&slow, 54).await, world.dense_log()[6..]);
    });
}

/// PITFALLS I9, D6: for as long as it is believed a trimmed entry is there as one that was read ahead is; then it is `Trimmed`.
#[test]
fn a_trimmed_entry_is_served_for_a_while_and_then_trimmed() {
    let world = World::new(6);
    world.sim.run(async {
        log_of(&world, 20).await;
        let (store, cache) = (world.store(), Cache::builtin(64 << 20, Arc::new(world.sim.clock())));
        world.sim.clock().advance(DAY * 2);
        take(&tailer(&world, &store, &cache, from(1)), 20).await;
        trim(&store, &shard(), &world.sim.env(), 10, DAY).await.unwrap();
        assert!(!world.has(&shard().entry(5)));
        assert_eq!(take(&tailer(&world, &store, &cache, from(5)), 1).await[0].position, 5);
        world.sim.clock().advance(LATER);
        let error = tailer(&world, &store, &cache, from(5)).next().await.unwrap_err();
        assert_eq!((error.kind(), error.detail_u64("first_position")), (ErrorKind::Trimmed, Some(11)));
        assert_eq!(take(&tailer(&world, &store, &cache, from(11)), 1).await[0].position, 11);
    });
}

/// A shard that somebody deleted and made again serves nothing of the old one for longer than that.
#[test]
fn a_shard_made_again_elsewhere_is_noticed() {
    for cache_index in 0..3 {
        let world = World::new(7);
        world.sim.run(async {
            log_of(&world, 20).await;
            let (store, cache) = (world.store(), caches(&world)[cache_index].clone());
            let old = take(&tailer(&world, &store, &cache, from(1)), 20).await;
            (1..=20).for_each(|position| {
                world.delete(&shard().entry(position));
                world.plant_entry(position, &foreign(9, None, position as i64 * 100..position as i64 * 100 + 2));
            });
            world.sim.clock().advance(LATER);
            let again = tailer(&world, &store, &cache, from(12));
            let lines = take(&again, 9).await;
            assert!(lines.iter().all(|line| line.epoch == 9), "{lines:?}");
            again.seek(1);
            let lines = take(&again, 20).await;
            assert!(lines.iter().all(|line| line.epoch == 9) && lines != old, "all that was cached is forgotten");
        });
    }
}

/// Where a claim of this process made it anew, it is forgotten at once.
#[test]
fn a_shard_made_again_here_is_forgotten() {
    let world = World::new(8);
    world.sim.run(async {
        log_of(&world, 3).await;
        let (store, cache) = (world.store(), builtin(64 << 20));
        take(&tailer(&world, &store, &cache, from(1)), 3).await;
        (1..=3).for_each(|position| {
            world.delete(&shard().entry(position));
            world.plant_entry(position, &foreign(9, None, 0..1));
        });
        forget(&cache, &store, &shard()).await.unwrap();
        assert!(take(&tailer(&world, &store, &cache, from(1)), 3).await.iter().all(|line| line.epoch == 9));
    });
}

/// Nothing is read again within a stretch of time in which one entry was found to be as it was.
#[test]
fn one_look_vouches_for_the_shard() {
    let world = World::new(9);
    world.sim.run(async {
        log_of(&world, 30).await;
        for cache in caches(&world) {
            let store = world.store();
            take(&tailer(&world, &store, &cache, from(1)), 30).await;
            world.sim.clock().advance(LATER);
            let before = store.requests();
            take(&tailer(&world, &store, &cache, from(1)), 30).await;
            assert_eq!((store.requests() - before).total(), 1);
        }
    });
}

/// PITFALLS B6: a warm cache does not hide the successor from the fence check. PITFALLS D10: a tailer writes nothing.
#[test]
fn what_decides_about_ownership_is_never_cached() {
    let world = World::new(10);
    world.sim.run(async {
        let (store, cache) = (world.store(), builtin(64 << 20));
        let writer = world.appender_on(store.clone(), AppenderOptions::default()).await.unwrap();
        for n in 0..5 {
            writer.append(&[batch(n..n + 1)]).await.unwrap();
        }
        let (before, reader) = (store.requests(), tailer(&world, &store, &cache, from(1)));
        take(&reader, 5).await;
        assert!(reader.next().await.unwrap().is_none());
        let spent = store.requests() - before;
        assert_eq!((spent.create, spent.put, spent.delete), (0, 0, 0));
        writer.check_fenced().await.unwrap();
        let _successor = world.appender_on(store.clone(), AppenderOptions::default()).await.unwrap();
        assert_eq!(kind(writer.check_fenced().await), ErrorKind::Fenced);
        assert_eq!(kind(writer.append(&[batch(9..10)]).await), ErrorKind::Fenced);
        assert!(take(&reader, 1).await[0].sentinel);
    });
}

/// What could not be read or decoded is asked for again, by others too.
#[test]
fn failures_are_not_cached() {
    for world in worlds() {
        world.sim.run(async {
            log_of(&world, 6).await;
            let (store, cache) = (world.store(), builtin(64 << 20));
            let whole = world.truth().read(&shard().entry(4)).await.unwrap().unwrap();
            world.delete(&shard().entry(4));
            world.plant(&shard().entry(4), whole.slice(..whole.len() / 2));
            for _ in 0..2 {
                let reader = tailer(&world, &store, &cache, from(1));
                take(&reader, 3).await;
                assert_eq!(kind(reader.next().await), ErrorKind::Corruption);
                assert_eq!(kind(reader.read(4).await), ErrorKind::Corruption);
            }
            world.delete(&shard().entry(4));
            world.plant(&shard().entry(4), whole);
            world.faults.on(Op::Get, &shard().entry(5), 1, Fault::Throttle);
            let reader = tailer(&world, &store, &cache, from(1));
            take(&reader, 4).await;
            let outcome = reader.next().await;
            if outcome.is_err() {
                take(&reader, 1).await;
            }
            take(&reader, 1).await;
        });
    }
}

/// New entries are seen though their absence was asked for through the cache.
#[test]
fn the_end_of_the_log_is_not_cached() {
    for world in worlds() {
        world.sim.run(async {
            let (store, cache) = (world.store(), builtin(64 << 20));
            let writer = world.appender_on(store.clone(), AppenderOptions::default()).await.unwrap();
            let readers: Vec<_> = (0..3).map(|_| tailer(&world, &store, &cache, from(1))).collect();
            for n in 0..20 {
                for reader in &readers {
                    assert!(reader.next().await.unwrap().is_none());
                }
                writer.append(&[batch(n..n + 1)]).await.unwrap();
                for reader in &readers {
                    assert_eq!(take(reader, 1).await, [rows(n as u64 + 1, 1, n..n + 1)]);
                }
            }
        });
    }
}

/// PITFALLS K6, C6: an entry's batches share its object, which counts once.
#[test]
fn an_entry_is_as_large_as_its_object() {
    let world = World::new(12);
    world.sim.run(async {
        let (store, cache) = (world.store(), builtin(64 << 20));
        let writer = world.appender_on(store.clone(), AppenderOptions::default()).await.unwrap();
        let batches: Vec<_> = (0..20).map(|n| batch(n * 5000..(n + 1) * 5000)).collect();
        writer.append(&batches).await.unwrap();
        let entry = tailer(&world, &store, &cache, from(1)).next().await.unwrap().unwrap();
        let held = cache.approx_size_bytes().unwrap();
        assert!(held >= entry.bytes && held < entry.bytes + entry.bytes / 10, "{held} bytes for an entry of {}", entry.bytes);
    });
}
