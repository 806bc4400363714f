//! Reading ahead of a tailer: fast where requests are slow, within its limit of bytes, and never at the price of the truth.

mod log_support;
mod support;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use log_support::*;
use support::{Fault, Gate, Op, now};
use weir::env::{BoxFuture, Clock, Env, Spawn};
use weir::error::ErrorKind;
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

/// PITFALLS E6: what was appended before the call is there, also if it was looked for in vain before.
#[test]
fn what_was_appended_before_the_call_is_returned() {
    for prefetch_entries in [1, 4, 32] {
        let world = World::new(2);
        world.sim.run(async {
            let writer = world.appender().await.unwrap();
            for n in 0..6 {
                writer.append(&[batch(n..n + 1)]).await.unwrap();
            }
            let tailer = world.tailer(TailerOptions { prefetch_entries, ..once() });
            for position in 1..=6 {
                assert_eq!(tailer.next().await.unwrap().unwrap().position, position);
            }
            for n in 6..12 {
                // Whatever is being read ahead comes back with nothing.
                world.sim.run_ready();
                writer.append(&[batch(n..n + 1)]).await.unwrap();
                let entry =
                    tailer.next().await.unwrap().unwrap_or_else(|| panic!("entry {} is not seen, prefetch {prefetch_entries}", n + 1));
                assert_eq!(line(&entry), rows(n as u64 + 1, 1, n..n + 1));
            }
        });
    }
}

/// Reading ahead keeps to its limit, and one entry larger than the limit still comes.
#[test]
fn what_is_read_ahead_keeps_to_its_bytes() {
    for (limit, prefetch_entries) in [(1_u64, 32), (4000, 32), (4000, 3), (20_000, 32)] {
        let world = World::new(9);
        let (held, peak) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (h, p) = (held.clone(), peak.clone());
        let body = move |bytes| {
            let held = h.fetch_add(bytes, Ordering::Relaxed) + bytes;
            p.fetch_max(held, Ordering::Relaxed);
        };
        world.sim.run(async {
            let writer = world.appender().await.unwrap();
            let mut largest = 0;
            for n in 0..60 {
                // One in ten is larger than the limit of 4,000 bytes.
                writer.append(&[batch(n * 1000..n * 1000 + if n % 10 == 9 { 500 } else { 10 })]).await.unwrap();
                largest = largest.max(now(world.truth().head(&shard().entry(n as u64 + 1))).unwrap().unwrap().size);
            }
            assert!(largest > 4000);
            world.faults.on_every(Op::Body, "/wal/", Fault::Delay(Duration::from_millis(3)));
            let store = Hooked::store(world.faults.clone(), Hooks { body: Some(Box::new(body)), ..Default::default() });
            let tailer = world.tailer_on(store, TailerOptions { prefetch_bytes: limit, prefetch_entries, ..once() });
            let mut count = 0;
            while let Some(entry) = tailer.next().await.unwrap() {
                held.fetch_sub(entry.bytes, Ordering::Relaxed);
                count += 1;
                // A slow consumer: all that may be read ahead is.
                world.sim.clock().sleep(Duration::from_millis(50)).await;
                assert!(held.load(Ordering::Relaxed) <= limit.max(largest));
            }
            assert_eq!((count, held.load(Ordering::Relaxed)), (60, 0));
            let peak = peak.load(Ordering::Relaxed);
            assert!(peak <= limit.max(largest), "{peak} bytes held of {limit}");
            assert!(peak >= limit.min(4000) || prefetch_entries < 32, "{peak} bytes held: it does not read ahead");
        });
    }
}

/// `tail.small.slow`: many requests at once where each takes long.
#[test]
fn on_a_slow_store_many_entries_are_fetched_at_once() {
    let world = World::new(10);
    world.sim.run(async {
        log_of(&world, 400).await;
        world.faults.on_every(Op::Get, "/wal/", Fault::Delay(Duration::from_millis(20)));
        let took = async |prefetch_entries| {
            let began = world.sim.clock().now();
            assert_eq!(drain(&world.tailer(TailerOptions { prefetch_entries, ..once() })).await.unwrap().len(), 400);
            world.sim.clock().now() - began
        };
        let (alone, together) = (took(1).await, took(32).await);
        assert!(alone >= 16 * together, "{alone:?} one by one, {together:?} together");
        assert!(took(8).await * 7 <= alone);
    });
}

/// A tailer that keeps up asks for one entry at a time.
#[test]
fn at_the_end_of_the_log_nothing_is_read_ahead() {
    let world = World::new(11);
    world.sim.run(async {
        let store = world.store();
        let writer = world.appender_on(store.clone(), AppenderOptions::default()).await.unwrap();
        let reader = world.tailer_on(store.clone(), FOLLOW);
        let reader = Arc::new(reader);
        let mut spent = Vec::new();
        for n in 0..40 {
            let before = store.requests();
            writer.append(&[batch(n..n + 1)]).await.unwrap();
            reader.next().await.unwrap().unwrap();
            let (task, process) = (reader.clone(), world.sim.process());
            // It looks for the next one, finds the end and waits.
            process.spawn(async move { drop(task.next().await) });
            world.sim.run_ready();
            process.kill();
            spent.push((store.requests() - before).total());
        }
        assert!(spent[10..].iter().all(|spent| *spent <= 6), "{spent:?}");
    });
}

/// A failure of what was read ahead, long before anybody asked for it, is not the caller's.
#[test]
fn a_failure_while_reading_ahead_is_tried_again_when_the_entry_is_wanted() {
    let world = World::new(12);
    world.sim.run(async {
        log_of(&world, 8).await;
        world.faults.on(Op::Get, &shard().entry(4), 1, Fault::Throttle);
        let tailer = world.tailer(once());
        for position in 1..=8 {
            assert_eq!(tailer.next().await.unwrap().unwrap().position, position);
            world.sim.run_ready();
        }
        assert_eq!(world.faults.unmet(), 0);
    });
}

/// PITFALLS E11: dropped at every point, `next` loses nothing and doubles nothing.
#[test]
fn a_cancelled_next_loses_nothing() {
    for world in worlds() {
        for polls in 1..60 {
            world.sim.run(async {
                if polls == 1 {
                    log_of(&world, 12).await;
                }
                let tailer = world.tailer(TailerOptions { prefetch_entries: 4, ..once() });
                let mut seen = Vec::new();
                for round in 0.. {
                    // Every other call is dropped after some polls.
                    let outcome = if round % 2 == 0 { poll_some(tailer.next(), polls).await } else { Some(tailer.next().await) };
                    match outcome.transpose().unwrap() {
                        None => {}
                        Some(Some(entry)) => seen.push(entry.position),
                        Some(None) => break,
                    }
                }
                assert_eq!(seen, (1..=12).collect::<Vec<_>>(), "{polls} polls");
            });
        }
    }
}

/// A runtime that drops every task that it is given after the first few.
#[derive(Debug)]
struct ShuttingDown(Env, AtomicUsize);

impl Spawn for ShuttingDown {
    fn spawn(&self, task: BoxFuture<'static, ()>, blocking: bool) {
        let left = self.1.load(Ordering::Relaxed);
        if left > 0 {
            self.1.store(left - 1, Ordering::Relaxed);
            self.0.spawn.spawn(task, blocking);
        }
    }
}

/// PITFALLS X4: it ends with an error, not with a wait that nobody ends.
#[test]
fn a_runtime_that_is_shut_down_ends_the_reading() {
    let world = World::new(15);
    world.sim.run(async {
        log_of(&world, 20).await;
        let env = world.sim.env();
        let dying = Env { spawn: Arc::new(ShuttingDown(env.clone(), AtomicUsize::new(9))), ..env };
        let tailer = WalTailer::open(world.store(), shard(), once(), dying).unwrap();
        let error = loop {
            match tailer.next().await {
                Ok(entry) => assert!(entry.is_some()),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert!(tailer.position() > 5);
    });
}

/// What a follower that goes away had asked for goes with it.
#[test]
fn a_tailer_that_is_dropped_leaves_no_tasks() {
    let world = World::new(16);
    world.sim.run(async {
        log_of(&world, 20).await;
        let gate = Gate::default();
        let tailer = world.tailer(TailerOptions { prefetch_bytes: 2000, ..once() });
        for position in 1..=5 {
            assert_eq!(tailer.next().await.unwrap().unwrap().position, position);
        }
        world.faults.on(Op::Get, "/wal/", 1, Fault::Before(gate.hook()));
        tailer.seek(9);
        drop(poll_some(tailer.next(), 5).await);
        drop(tailer);
        world.sim.run_ready();
        assert_eq!(world.sim.tasks(), 0);
    });
}

/// Polls a future so many times, between polls of everything else, and drops it.
async fn poll_some<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(value);
        }
        support::sim::yield_now().await;
    }
    None
}
