//! The tools of the protocol tests: the fault store does to an operation what its script says, the simulated machine runs the
//! same way for the same seed.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use support::sim::Mailbox;
use support::{Chaos, Fault, FaultStore, Gate, Op, SeededRandom, Sim};
use weir::env::Clock;
use weir::error::ErrorKind;
use weir::store::memory::MemoryBackend;
use weir::store::{Created, Store};

struct Bench {
    sim: Sim,
    faults: FaultStore,
    store: Store,
}

fn bench(seed: u64) -> Bench {
    let sim = Sim::new(seed);
    let clock = Arc::new(sim.clock());
    let faults = FaultStore::new(Arc::new(MemoryBackend::new(clock.clone())), clock);
    let store = Store::new("memory://test", Arc::new(faults.clone()));
    Bench { sim, faults, store }
}

fn body() -> Vec<Bytes> {
    vec![Bytes::from_static(b"0123456789")]
}

#[test]
fn each_fault_does_what_it_says_to_a_create() {
    for (fault, outcome, there) in [
        (Fault::ErrorBefore, Err(ErrorKind::Storage), false),
        (Fault::ErrorAfter, Err(ErrorKind::Storage), true),
        (Fault::ExistsAfter, Ok(Created::Exists), true),
        (Fault::ExistsBefore, Ok(Created::Exists), false),
        (Fault::Throttle, Err(ErrorKind::Storage), false),
        (Fault::NoSpace, Err(ErrorKind::StorageFull), false),
        (Fault::Denied, Err(ErrorKind::PermissionDenied), false),
        (Fault::Delay(Duration::from_secs(3)), Ok(Created::Done), true),
        (Fault::DelayAnswer(Duration::from_secs(3)), Ok(Created::Done), true),
    ] {
        let b = bench(1);
        b.faults.on(Op::Create, "wal/", 2, fault.clone());
        b.sim.run(async {
            assert_eq!(b.store.create("wal/0", &body()).await.unwrap(), Created::Done);
            assert_eq!(b.store.create("other/0", &body()).await.unwrap(), Created::Done);
            assert_eq!(b.faults.unmet(), 1);
            let got = b.store.create("wal/1", &body()).await;
            assert_eq!(got.as_ref().map_err(weir::error::Error::kind).copied(), outcome, "{fault:?}");
            assert!(got.is_ok() || got.unwrap_err().message().contains("memory://test/wal/1"));
            assert_eq!(b.store.head("wal/1").await.unwrap().is_some(), there, "{fault:?}");
            assert_eq!(b.store.create("wal/2", &body()).await.unwrap(), Created::Done);
        });
        assert_eq!((b.faults.count(Op::Create, "wal/"), b.faults.unmet()), (3, 0));
        let waited = matches!(fault, Fault::Delay(_) | Fault::DelayAnswer(_));
        assert_eq!(Clock::now(&b.sim.clock()), if waited { Duration::from_secs(3) } else { Duration::ZERO });
    }
}

#[test]
fn late_writes_land_late_and_only_if_absent() {
    let b = bench(1);
    b.sim.run(async {
        b.faults.on(Op::Create, "wal/1", 1, Fault::Late(2));
        assert!(b.store.create("wal/1", &body()).await.is_err());
        assert!(b.store.head("wal/1").await.unwrap().is_none());
        assert!(b.store.head("wal/1").await.unwrap().is_none());
        assert!(b.store.head("wal/1").await.unwrap().is_some(), "it landed");

        b.faults.on(Op::Create, "wal/2", 1, Fault::LateAfter(Duration::from_secs(5)));
        assert!(b.store.create("wal/2", &body()).await.is_err());
        assert_eq!(b.store.create("wal/2", &[Bytes::from_static(b"second")]).await.unwrap(), Created::Done);
        b.sim.clock().sleep(Duration::from_secs(6)).await;
        assert_eq!(b.store.read("wal/2").await.unwrap().unwrap(), "second");
        b.faults.on(Op::Create, "wal/3", 1, Fault::LateAfter(Duration::from_secs(5)));
        assert!(b.store.create("wal/3", &body()).await.is_err());
        b.faults.land_late_writes().await;
        assert!(b.store.head("wal/3").await.unwrap().is_some());
    });
}

#[test]
fn reads_and_listings_fail_as_told() {
    let b = bench(1);
    b.sim.run(async {
        for i in 0..5 {
            b.store.create(&format!("d/{i}"), &body()).await.unwrap();
        }
        b.faults.on(Op::List, "d", 1, Fault::Partial(2));
        assert_eq!(b.store.list("d").await.unwrap().len(), 2);
        assert_eq!(b.store.list("d").await.unwrap().len(), 5);
        b.faults.on_next(Op::Head, "d/", 2, Fault::Throttle);
        assert!(b.store.head("d/1").await.is_err());
        assert!(b.store.head("d/1").await.is_err());
        assert!(b.store.head("d/1").await.is_ok());
        b.faults.on(Op::Body, "d/1", 1, Fault::ErrorBefore);
        assert!(b.store.get("d/1").await.unwrap().unwrap().body.await.is_err());
        b.faults.on(Op::Body, "d/1", 1, Fault::ShortBody(3));
        assert_eq!(b.store.read("d/1").await.unwrap().unwrap(), "012");
        b.faults.on_every(Op::Get, "", Fault::ErrorBefore);
        assert!(b.store.read("d/1").await.is_err());
        b.faults.heal();
        assert!(b.store.read("d/1").await.is_ok());
    });
}

#[test]
fn a_gate_holds_an_operation_where_the_test_wants_it() {
    let b = bench(7);
    let (gate, done) = (Gate::default(), Mailbox::default());
    b.faults.on(Op::Create, "wal/1", 1, Fault::After(gate.hook()));
    let (store, mailbox) = (b.store.clone(), done.clone());
    b.sim.process().spawn(async move { mailbox.put(store.create("wal/1", &body()).await.unwrap()) });
    b.sim.run(async {
        gate.arrived().await;
        assert!(b.store.head("wal/1").await.unwrap().is_some(), "it took effect");
        assert_eq!(done.take(), None, "and is not answered");
        gate.open();
    });
    b.sim.run_ready();
    assert_eq!(done.take(), Some(Created::Done));
}

#[test]
fn a_hook_runs_in_the_middle_of_an_operation() {
    let b = bench(7);
    let inner = b.faults.inner();
    b.faults.on(
        Op::Create,
        "wal/1",
        1,
        Fault::before(move || {
            let inner = inner.clone();
            async move { assert_eq!(inner.create("wal/1", &[Bytes::from_static(b"peer")]).await.unwrap(), Created::Done) }
        }),
    );
    assert_eq!(b.sim.run(b.store.create("wal/1", &body())).unwrap(), Created::Exists);
}

#[test]
fn processes_stall_and_die() {
    let sim = Sim::new(3);
    let (one, two, log) = (sim.process(), sim.process(), Mailbox::default());
    for (name, process) in [("one", &one), ("two", &two)] {
        let (env, log) = (process.env(), log.clone());
        let child = env.clone();
        process.spawn(async move {
            // What a process spawns is its own.
            let (clock, log) = (env.clock.clone(), log.clone());
            child.spawn.spawn(
                Box::pin(async move {
                    for tick in 0.. {
                        clock.sleep(Duration::from_secs(1)).await;
                        log.put((name, tick));
                    }
                }),
                false,
            );
        });
    }
    let ticks = |name: &str, log: &Mailbox<(&str, i32)>| log.take_all().into_iter().filter(|(n, _)| *n == name).count();
    sim.run_for(Duration::from_millis(3500));
    assert_eq!(log.take_all().len(), 6);
    one.pause();
    sim.run_for(Duration::from_secs(3));
    assert_eq!(ticks("one", &log), 0);
    one.resume();
    sim.run_for(Duration::from_secs(3));
    assert!(ticks("one", &log) >= 2);
    one.kill();
    sim.run_for(Duration::from_secs(3));
    assert_eq!(ticks("one", &log), 0);
    two.kill();
    assert_eq!((sim.tasks(), sim.clock().sleepers()), (0, 0));
    two.spawn(async { panic!("a dead process runs nothing") });
    sim.run_ready();
}

#[test]
#[should_panic(expected = "deadlock at seed 11")]
fn a_deadlock_is_found() {
    Sim::new(11).run(std::future::pending::<()>());
}

/// Four tasks that race for slots in bad weather; what they see, in order.
fn race(seed: u64) -> Vec<String> {
    let b = bench(seed);
    b.faults.chaos(Chaos::stormy(), b.sim.random().fork());
    let log = Mailbox::default();
    for task in 0..4 {
        let (store, log, clock) = (b.store.clone(), log.clone(), b.sim.clock());
        b.sim.process().spawn(async move {
            for slot in 0..20 {
                let created = store.create(&format!("wal/{slot}"), &[Bytes::from(vec![task; 4])]).await;
                log.put(format!("{task} {slot} {created:?} {:?}", Clock::now(&clock)));
            }
        });
    }
    b.sim.run_for(Duration::from_secs(600));
    assert_eq!(b.sim.tasks(), 0);
    log.take_all()
}

#[test]
fn a_seed_replays_and_seeds_differ() {
    let first = race(42);
    assert_eq!(first.len(), 80);
    assert_eq!(first, race(42));
    assert_ne!(first, race(43));
}

#[test]
fn chaos_brings_every_fault_that_it_names() {
    let mut seen = std::collections::HashSet::new();
    for seed in 0..60 {
        let b = bench(seed);
        b.faults.chaos(Chaos::stormy(), SeededRandom::new(seed));
        b.sim.run(async {
            for i in 0..60 {
                let _ = b.store.create(&format!("wal/{i}"), &body()).await;
                let _ = b.store.read(&format!("wal/{i}")).await;
            }
        });
        seen.extend(b.faults.log().into_iter().filter_map(|record| Some(format!("{:?}", record.fault?).split('(').next()?.to_owned())));
    }
    let mut seen: Vec<String> = seen.into_iter().collect();
    seen.sort();
    assert_eq!(seen, ["Delay", "DelayAnswer", "ErrorAfter", "ErrorBefore", "ExistsAfter", "ExistsBefore", "Late", "Throttle"]);
}

/// The protocol test runs thousands of seeds: a simulated operation must cost microseconds.
#[test]
fn seeds_are_cheap() {
    let start = std::time::Instant::now();
    (0..100).for_each(|seed| drop(race(seed)));
    let each = start.elapsed() / (100 * 80);
    assert!(each < Duration::from_micros(500), "{each:?} for one operation");
}
