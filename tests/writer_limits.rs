//! The limit on pending bytes: what it counts, who waits for it in which order, and that nobody waits for ever.

mod log_support;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use log_support::*;
use support::{Fault, Gate, Op};
use weir::error::{Action, ErrorKind, Result};
use weir::writer::{Ack, ShardWriter, WriterConfig};

fn worlds() -> [World; 2] {
    [World::new(1), World::blocking()]
}

fn len() -> u64 {
    encoded_len(&batch(0..1))
}

/// Room for `puts` of one row, each an entry of its own.
fn limited(puts: u64) -> WriterConfig {
    WriterConfig { max_buffer_bytes: len(), max_pending_bytes: puts * len(), retry: AT_ONCE, ..Default::default() }
}

fn put(writer: &Arc<ShardWriter>, ids: std::ops::Range<i64>, timeout: Option<Duration>) -> JoinHandle<Result<Ack>> {
    let writer = Arc::clone(writer);
    std::thread::spawn(move || writer.put(&batch(ids), timeout))
}

/// A gate before the next append.
fn gate(world: &World) -> Gate {
    let gate = Gate::default();
    world.faults.on(Op::Create, "/wal/", 1, Fault::Before(gate.hook()));
    gate
}

/// (pending, in flight, reserved)
fn memory(writer: &ShardWriter) -> (u64, u64, u64) {
    let memory = writer.memory();
    (memory.pending, memory.in_flight, memory.reserved)
}

/// PITFALLS F1, F2: exact while everything moves, and zero when nothing does.
#[test]
fn memory_is_exact_under_load_and_returns_to_zero() {
    for world in worlds() {
        let writer = world.threaded_writer(limited(3));
        let gate = gate(&world);
        let first = put(&writer, 0..1, None);
        weir::env::block_on(gate.arrived());
        assert_eq!((memory(&writer), writer.memory().limit), ((0, len(), 0), 3 * len()));
        let others = [put(&writer, 1..2, None), put(&writer, 2..3, None)];
        until("two are pending", || writer.stats().puts == 3);
        assert_eq!((memory(&writer), writer.stats().pending_bytes), ((2 * len(), len(), 0), 3 * len()));
        gate.open();
        for thread in others.into_iter().chain([first]) {
            thread.join().unwrap().unwrap();
        }
        assert_eq!((memory(&writer), writer.stats().pending_puts), ((0, 0, 0), 0));
    }
}

/// PITFALLS F3, E8: only the writer itself can make room, so a wait for room ends every linger.
#[test]
fn a_wait_for_room_has_the_pending_written() {
    for world in worlds() {
        // Two fit, and neither is due.
        let config = WriterConfig {
            durable: false,
            linger: Some(HOUR),
            max_buffer_bytes: 3 * len() - 1,
            max_pending_bytes: 3 * len() - 1,
            ..limited(1)
        };
        let writer = world.threaded_writer(config);
        for n in 0..20 {
            writer.put(&batch(n..n + 1), None).unwrap();
        }
        writer.wait_capacity(3 * len() - 1, None).unwrap();
        assert!(writer.stats().entries >= 9);
        // Without the patience to wait, it is under way nevertheless.
        for n in 20..22 {
            writer.put(&batch(n..n + 1), Some(Duration::ZERO)).unwrap();
        }
        let error = writer.put(&batch(99..100), Some(Duration::ZERO)).unwrap_err();
        assert_eq!((error.kind(), error.action()), (ErrorKind::Backpressure, Action::Retry));
        let details =
            ["bytes", "pending_bytes", "in_flight_bytes", "reserved_bytes", "limit_bytes"].map(|name| error.detail_u64(name).unwrap());
        assert_eq!(details, [len(), 2 * len(), 0, 0, 3 * len() - 1]);
        until("there is room", || writer.durable_position() == 22);
        assert_eq!(world.dense_log().into_iter().flat_map(|line| line.ids).collect::<Vec<_>>(), (0..22).collect::<Vec<_>>());
    }
}

/// Room goes to those who wait in the order of their asking: small puts do not starve a large one.
#[test]
fn blocked_putters_are_served_in_order() {
    for world in worlds() {
        let large = batch(100..140);
        assert!(encoded_len(&large) > len() && encoded_len(&large) <= 4 * len());
        let writer = world.threaded_writer(limited(4));
        let gate = gate(&world);
        let mut threads = vec![put(&writer, 0..1, None)];
        weir::env::block_on(gate.arrived());
        // Three of four are in use: a small put would fit, but a large one waits before it.
        threads.extend([put(&writer, 1..2, None), put(&writer, 2..3, None)]);
        until("three are admitted", || writer.stats().puts == 3);
        threads.push(put(&writer, 100..140, None));
        until("the large one waits", || writer.stats().blocked_now == 1);
        for n in 0..3 {
            threads.push(put(&writer, 10 + n..11 + n, None));
            until("the small one waits behind it", || writer.stats().blocked_now == n as u64 + 2);
        }
        assert_eq!(kind(writer.put(&batch(50..51), Some(Duration::ZERO))), ErrorKind::Backpressure);
        gate.open();
        threads.into_iter().for_each(|thread| assert!(thread.join().unwrap().is_ok()));
        let stats = writer.stats();
        assert_eq!((stats.blocked_now, stats.blocked_waits, memory(&writer)), (0, 4, (0, 0, 0)));
        let order: Vec<i64> = world.dense_log().into_iter().map(|line| line.ids[0]).collect();
        let place = |id| order.iter().position(|i| *i == id).unwrap();
        assert!(place(100) >= 3 && order.len() == 7, "{order:?}");
    }
}

/// PITFALLS F5: also in `fencing.rs`, with the incumbent that must not be fenced.
#[test]
fn limits_that_contradict_each_other_are_refused() {
    let config = WriterConfig { max_buffer_bytes: 100, max_pending_bytes: 99, ..Default::default() };
    let error = config.validate().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().contains("max_pending_bytes (99)") && error.message().contains("max_buffer_bytes (100)"), "{error}");
    WriterConfig { max_buffer_bytes: 100, max_pending_bytes: 100, ..Default::default() }.validate().unwrap();
}

/// PITFALLS F6.
#[test]
fn a_put_larger_than_the_limit_is_refused_up_front() {
    for world in worlds() {
        let writer = world.threaded_writer(limited(2));
        let large = batch(0..500);
        let outcomes = [
            writer.put(&large, None).map(drop),
            writer.put_all([Ok(large.clone())], None).map(drop),
            writer.put_async(&large, Box::new(|_| panic!("nothing was accepted"))),
            writer.wait_capacity(2 * len() + 1, None),
        ];
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            assert_eq!((error.kind(), error.detail_u64("limit_bytes")), (ErrorKind::InvalidArgument, Some(2 * len())));
        }
        let outcome = Outcomes::default();
        writer.wait_capacity_async(u64::MAX, outcome.record("capacity"));
        assert_eq!(kind(outcome.only()), ErrorKind::InvalidArgument);
        // Exactly the limit fits, and the writer goes on.
        writer.wait_capacity(2 * len(), None).unwrap();
        let exact = encoded_len(&batch(0..40));
        let writer = world.threaded_writer(WriterConfig { max_buffer_bytes: 1, max_pending_bytes: exact, ..limited(1) });
        writer.put(&batch(0..40), None).unwrap();
        assert_eq!(memory(&writer), (0, 0, 0));
    }
}

/// PITFALLS F7: who gives up waiting is not counted any more, nor does it hold up those behind it.
#[test]
fn a_wait_that_is_given_up_leaves_no_trace() {
    for world in worlds() {
        let writer = world.threaded_writer(limited(4));
        let gate = gate(&world);
        let mut threads = vec![put(&writer, 0..1, None)];
        weir::env::block_on(gate.arrived());
        threads.extend([put(&writer, 1..2, None), put(&writer, 2..3, None)]);
        until("three are admitted", || writer.stats().puts == 3);
        let soon = Some(Duration::from_millis(100));
        let large = put(&writer, 100..140, soon);
        until("the large one waits", || writer.stats().blocked_now == 1);
        // This one would fit, and does as soon as the one before it gives up.
        let small = put(&writer, 3..4, None);
        until("the small one waits", || writer.stats().blocked_now == 2 || writer.stats().puts == 4);
        assert_eq!(kind(large.join().unwrap()), ErrorKind::Backpressure);
        until("the small one is admitted", || writer.stats().puts == 4);
        assert_eq!((writer.stats().blocked_now, memory(&writer)), (0, (3 * len(), len(), 0)));
        for _ in 0..10 {
            assert_eq!(kind(writer.wait_capacity(len(), Some(Duration::from_micros(100)))), ErrorKind::Backpressure);
        }
        assert_eq!(writer.stats().blocked_now, 0);
        gate.open();
        threads.into_iter().chain([small]).for_each(|thread| assert!(thread.join().unwrap().is_ok()));
        assert_eq!(memory(&writer), (0, 0, 0));
        assert!(writer.stats().blocked >= Duration::ZERO);
    }
}

/// F2, F4: room that was granted and not used any more is room again.
#[test]
fn granted_room_that_is_not_used_is_given_back() {
    for world in worlds() {
        let writer = world.threaded_writer(limited(1));
        let gate = gate(&world);
        let first = put(&writer, 0..1, None);
        weir::env::block_on(gate.arrived());
        let waiting: Vec<_> = (1..9).map(|n| put(&writer, n..n + 1, None)).collect();
        until("all wait", || writer.stats().blocked_now == 8);
        let closing = Arc::clone(&writer);
        let close = std::thread::spawn(move || closing.close(None));
        until("nobody waits", || writer.stats().blocked_now == 0);
        gate.open();
        first.join().unwrap().unwrap();
        close.join().unwrap().unwrap();
        waiting.into_iter().for_each(|thread| assert_eq!(kind(thread.join().unwrap()), ErrorKind::Closed));
        assert_eq!(memory(&writer), (0, 0, 0));
        assert_eq!(world.dense_log(), [rows(1, 1, 0..1)]);
    }
}

/// A writer holds no more than its limit, whoever asks for how much.
#[test]
fn the_limit_is_never_exceeded() {
    for world in worlds() {
        let config = WriterConfig { max_buffer_bytes: 4 * len(), max_pending_bytes: 10 * len(), retry: AT_ONCE, ..Default::default() };
        let writer = world.threaded_writer(config);
        let done = Arc::new(AtomicBool::new(false));
        let (watched, watching) = (Arc::clone(&writer), done.clone());
        let watch = std::thread::spawn(move || {
            let mut peak = 0;
            while !watching.load(Ordering::Relaxed) {
                let (pending, in_flight, reserved) = memory(&watched);
                peak = peak.max(pending + in_flight + reserved);
                std::thread::yield_now();
            }
            peak
        });
        std::thread::scope(|scope| {
            for thread in 0..8_i64 {
                let writer = &writer;
                scope.spawn(move || {
                    for n in 0..40 {
                        let first = thread * 10_000 + n * 100;
                        let rows = 1 + (thread * 7 + n * 13) % 60;
                        match thread % 3 {
                            0 => drop(writer.put(&batch(first..first + rows), None).unwrap()),
                            1 => drop(writer.put_all((0..3).map(|i| Ok(batch(first + i..first + i + 1))), None).unwrap()),
                            _ => drop(writer.put(&batch(first..first + rows), Some(Duration::from_micros(200)))),
                        }
                    }
                });
            }
        });
        writer.flush(None).unwrap();
        done.store(true, Ordering::Relaxed);
        let peak = watch.join().unwrap();
        assert!(peak <= 10 * len(), "{peak} of {}", 10 * len());
        assert_eq!((memory(&writer), writer.stats().blocked_now, writer.stats().pending_puts), ((0, 0, 0), 0, 0));
        world.dense_log();
    }
}

#[test]
fn waiting_for_capacity_takes_none() {
    for world in worlds() {
        let writer = world.threaded_writer(limited(2));
        for _ in 0..5 {
            writer.wait_capacity(2 * len(), None).unwrap();
        }
        let outcomes = Outcomes::default();
        let gate = gate(&world);
        let first = put(&writer, 0..1, None);
        weir::env::block_on(gate.arrived());
        writer.wait_capacity(len(), None).unwrap();
        writer.wait_capacity_async(2 * len(), outcomes.record("both"));
        writer.wait_capacity_async(len(), outcomes.record("one"));
        assert_eq!((outcomes.len(), writer.stats().blocked_now), (0, 2));
        gate.open();
        first.join().unwrap().unwrap();
        until("both callbacks came", || outcomes.len() == 2);
        let names: Vec<String> = outcomes.take().into_iter().map(|(name, outcome)| outcome.map(|_| name).unwrap()).collect();
        assert_eq!(names, ["both", "one"]);
        assert_eq!(memory(&writer), (0, 0, 0));
    }
}
