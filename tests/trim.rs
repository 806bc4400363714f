//! Trimming: nothing young goes, nothing goes that is nowhere else, and no stalled writer is unfenced by it.

mod log_support;
mod support;

use std::sync::Arc;
use std::time::Duration;

use log_support::*;
use support::sim::Mailbox;
use support::{Fault, Gate, Op};
use weir::error::ErrorKind;
use weir::wal::AppenderOptions;
use weir::wal::entry::{EntryId, sentinel};
use weir::wal::trim::{Trimmed, trim};

fn positions(world: &World) -> Vec<u64> {
    world.log().iter().map(|line| line.position).collect()
}

async fn trim_now(world: &World, up_to: u64) -> weir::error::Result<Trimmed> {
    trim(&world.store(), &shard(), &world.sim.env(), up_to, DAY).await
}

#[test]
fn trims_the_old_up_to_a_position_and_keeps_the_newest() {
    let world = World::new(1);
    world.sim.run(async {
        assert_eq!(kind(trim_now(&world, 5).await), ErrorKind::NotFound);
        let writer = world.appender().await.unwrap();
        assert_eq!(trim_now(&world, 5).await.unwrap(), Trimmed::default());
        for n in 0..6 {
            writer.append(&[batch(n..n + 1)]).await.unwrap();
        }
        assert_eq!(trim_now(&world, 6).await.unwrap(), Trimmed { first_position: 1, ..Default::default() });
        world.sim.clock().advance(DAY);
        for n in 6..8 {
            writer.append(&[batch(n..n + 1)]).await.unwrap();
        }
        let trimmed = trim_now(&world, 2).await.unwrap();
        assert_eq!((trimmed.entries, trimmed.first_position), (2, 3));
        assert!(trimmed.bytes > 0);
        // Further than is old enough.
        let trimmed = trim_now(&world, 8).await.unwrap();
        assert_eq!((trimmed.entries, trimmed.first_position), (4, 7));
        world.sim.clock().advance(DAY);
        let trimmed = trim_now(&world, u64::MAX).await.unwrap();
        assert_eq!((trimmed.entries, trimmed.first_position), (1, 8));
        assert_eq!(positions(&world), [8]);
        // The writer goes on, and so does its successor.
        assert_eq!(writer.append(&[batch(8..9)]).await.unwrap(), 9);
        assert_eq!(world.appender().await.unwrap().append(&[batch(9..10)]).await.unwrap(), 11);
    });
}

/// PITFALLS D6: it sleeps longer than the trim age; its slot is empty when it wakes.
#[test]
fn a_writer_stalled_past_the_trim_age_wakes_up_fenced() {
    let world = World::new(2);
    world.sim.run(async {
        let stalled = world.appender().await.unwrap();
        stalled.append(&[batch(0..1)]).await.unwrap();
        let successor = world.appender().await.unwrap();
        for n in 1..5 {
            successor.append(&[batch(n..n + 1)]).await.unwrap();
        }
        world.sim.clock().advance(DAY + HOUR);
        successor.append(&[batch(5..6)]).await.unwrap();
        assert_eq!(trim_now(&world, 6).await.unwrap().entries, 6);
        assert!(!world.has(&shard().entry(2)), "the sentinel is gone");
        world.faults.clear_log();
        assert_eq!(kind(stalled.append(&[batch(90..91)]).await), ErrorKind::Fenced);
        assert_eq!(world.faults.count(Op::Create, ""), 0, "it asked before it wrote");
    });
    assert_eq!(world.log(), [rows(7, 2, 5..6)]);
}

/// PITFALLS D6: manifests that are pruned do not unfence it either.
#[test]
fn a_stalled_writer_is_fenced_although_every_version_it_knew_is_pruned() {
    let world = World::new(3);
    world.sim.run(async {
        let stalled = world.appender().await.unwrap();
        for _ in 0..4 {
            drop(world.appender().await.unwrap());
        }
        world.sim.clock().advance(DAY * 2);
        trim_now(&world, u64::MAX).await.unwrap();
        assert_eq!(world.versions(), [4, 5]);
        assert_eq!(kind(stalled.append(&[batch(90..91)]).await), ErrorKind::Fenced);
        assert_eq!(kind(stalled.check_fenced().await), ErrorKind::Fenced);
    });
}

/// PITFALLS D6: the request itself takes that long and lands in the emptied slot: it is not acknowledged.
#[test]
fn a_write_that_took_longer_than_a_part_of_the_trim_age_is_checked_before_its_acknowledgement() {
    for fault in [Fault::Before, Fault::After] {
        let world = Arc::new(World::new(4));
        world.sim.run(async {
            let old = Arc::new(world.appender().await.unwrap());
            old.append(&[batch(0..1)]).await.unwrap();
            let gate = Gate::default();
            world.faults.on(Op::Create, &shard().entry(2), 1, fault(gate.hook()));
            let (task, result) = (old.clone(), Mailbox::default());
            let mailbox = result.clone();
            world.sim.process().spawn(async move { mailbox.put(task.append(&[batch(90..91)]).await) });
            gate.arrived().await;
            let successor = world.appender().await.unwrap();
            successor.append(&[batch(1..2)]).await.unwrap();
            world.sim.clock().advance(DAY * 2);
            successor.append(&[batch(2..3)]).await.unwrap();
            trim_now(&world, u64::MAX).await.unwrap();
            gate.open();
            world.sim.run_ready();
            assert_eq!(kind(result.take().unwrap()), ErrorKind::Fenced);
        });
    }
}

/// PITFALLS D6: also when the first look after the slow write fails.
#[test]
fn a_slow_write_is_not_acknowledged_as_long_as_the_epoch_cannot_be_checked() {
    let world = Arc::new(World::new(5));
    world.sim.run(async {
        let old = world.appender().await.unwrap();
        let peer = world.clone();
        world.faults.on(
            Op::Create,
            &shard().entry(1),
            1,
            Fault::before(move || {
                let peer = peer.clone();
                async move {
                    let successor = peer.appender().await.unwrap();
                    peer.sim.clock().advance(DAY * 2);
                    successor.append(&[batch(1..2)]).await.unwrap();
                    trim_now(&peer, u64::MAX).await.unwrap();
                    peer.faults.on_next(Op::Get, "/manifest/", 4, Fault::Throttle);
                }
            }),
        );
        assert_eq!(kind(old.append(&[batch(90..91)]).await), ErrorKind::Fenced);
    });
}

/// PITFALLS D5, D6: the check costs nothing where it is not needed, and is made where it is.
#[test]
fn only_what_is_stale_is_read_again() {
    let world = World::new(6);
    world.sim.run(async {
        let store = world.store();
        let writer = world.appender_on(store.clone(), AppenderOptions::default()).await.unwrap();
        let mut n = 0;
        let mut append = async || {
            n += 1;
            let before = store.requests();
            writer.append(&[batch(n..n + 1)]).await.unwrap();
            (store.requests() - before).total()
        };
        assert_eq!(append().await, 1);
        world.sim.clock().advance(HOUR);
        assert_eq!(append().await, 1);
        world.sim.clock().advance(HOUR + Duration::from_secs(1));
        assert!((2..=9).contains(&append().await));
        assert_eq!(append().await, 1);
        // A request takes long, but nobody came in between.
        world.faults.on(Op::Create, "/wal/", 1, Fault::Delay(HOUR * 2));
        assert!((2..=9).contains(&append().await));
        world.faults.on(Op::Create, "/wal/", 1, Fault::DelayAnswer(HOUR / 2));
        assert_eq!(append().await, 1);
    });
}

/// PITFALLS D6: the part of the age follows the age.
#[test]
fn a_shorter_trim_age_means_an_earlier_check() {
    let world = World::new(7);
    world.sim.run(async {
        let store = world.store();
        let options = AppenderOptions { trim_age: Duration::from_secs(240), ..Default::default() };
        let writer = world.appender_on(store.clone(), options).await.unwrap();
        world.sim.clock().advance(Duration::from_secs(11));
        let before = store.requests();
        writer.append(&[batch(0..1)]).await.unwrap();
        assert!((2..=9).contains(&(store.requests() - before).total()));
    });
}

/// PITFALLS D9: what is left is an unbroken run.
#[test]
fn a_failing_deletion_stops_the_trim_and_leaves_no_hole() {
    let world = World::new(8);
    world.sim.run(async {
        let writer = world.appender().await.unwrap();
        for n in 0..8 {
            writer.append(&[batch(n..n + 1)]).await.unwrap();
        }
        world.sim.clock().advance(DAY);
        world.faults.on(Op::Delete, "/wal/", 3, Fault::ErrorBefore);
        let error = trim_now(&world, 7).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.message().contains("trimmed 2 entries, stopped at position 3"), "{error}");
        assert_eq!(positions(&world), [3, 4, 5, 6, 7, 8]);
        assert_eq!(trim_now(&world, 7).await.unwrap().entries, 5);
        assert_eq!(positions(&world), [8]);
        world.faults.on(Op::List, "/wal", 1, Fault::Throttle);
        assert_eq!(kind(trim_now(&world, 7).await), ErrorKind::Storage);
    });
}

/// Entries of a MemTable hold rows that are nowhere else, whatever stands behind them in the log.
#[test]
fn rows_that_no_generation_covers_are_not_trimmed() {
    let sentinel = |epoch| sentinel(epoch, EntryId([epoch as u8; 16])).unwrap();
    for up_to in 1..=9 {
        let world = World::new(9);
        world.sim.run(async {
            let manifests = world.manifests();
            manifests.claim(0).await.unwrap();
            // A MemTable writer, then one without MemTables that took over.
            (1..=4).for_each(|n| world.plant_entry(n, &foreign(1, Some(1), n as i64..n as i64 + 1)));
            world.plant_entry(5, &sentinel(2));
            (6..=8).for_each(|n| world.plant_entry(n, &foreign(2, None, n as i64..n as i64 + 1)));
            world.plant_entry(9, &sentinel(3));
            world.plant_entry(10, &foreign(3, None, 10..11));
            world.sim.clock().advance(DAY);
            let error = trim_now(&world, up_to).await.unwrap_err();
            assert_eq!((error.kind(), error.detail_u64("replay_after")), (ErrorKind::InvalidArgument, Some(0)), "up to {up_to}: {error}");
            assert_eq!(positions(&world).len(), 10);
            // Once they are covered they may go.
            let cover = |manifest: &mut weir::shard::Manifest| {
                manifest.replay_after_wal_entry_position = 4;
                Ok(())
            };
            manifests.update(cover).await.unwrap();
            assert_eq!(trim_now(&world, up_to).await.unwrap().entries, up_to);
        });
    }
}

#[test]
fn a_trim_of_many_entries_reads_few_of_them() {
    let world = World::new(10);
    world.sim.run(async {
        drop(world.appender().await.unwrap());
        (1..=3000).for_each(|n| world.plant_entry(n, &foreign(1, None, 0..1)));
        world.sim.clock().advance(DAY);
        let store = world.store();
        assert_eq!(trim(&store, &shard(), &world.sim.env(), 2000, DAY).await.unwrap().first_position, 2001);
        assert!(store.requests().get <= 20, "{:?}", store.requests());
    });
}
