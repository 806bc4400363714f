//! The end of a spill store: it waits for what is deleted in the background, and leaves nothing.

mod support;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use support::spill::{bytes, directories, local, read, session, spill, tiered};
use support::{Fault, FaultStore, Gate, Op, Sim, now};
use weir::error::ErrorKind;
use weir::session::Session;
use weir::spill::{Spill, SpillBackend, SpillConfig, SpillOptions, SpillStore, SpillWriter};
use weir::store::Store;
use weir::store::memory::MemoryBackend;

const PART: usize = 8 << 20;
const AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// A store of objects, whose requests fail or wait as a test likes.
struct World {
    sim: Sim,
    faults: FaultStore,
    store: SpillStore,
}

impl World {
    fn new(seed: u64) -> Self {
        let sim = Sim::new(seed);
        let clock = Arc::new(sim.clock());
        let faults = FaultStore::new(Arc::new(MemoryBackend::new(clock.clone())), clock);
        let backend = SpillBackend::Object { url: "memory://unused".into() };
        let config = SpillConfig { backend, reclaim_age: AGE, ..SpillConfig::default() };
        let session = Session::builder().with_env(sim.env()).build().unwrap();
        let store = SpillStore::with_objects(&session, &config, Store::new("test://spills", Arc::new(faults.clone()))).unwrap();
        Self { sim, faults, store }
    }

    fn objects(&self) -> usize {
        let truth = self.faults.inner();
        now(truth.list_dirs("")).unwrap().iter().map(|dir| now(truth.list(dir)).unwrap().len()).sum()
    }

    fn begin(&self) -> SpillWriter {
        self.store.begin(SpillOptions::default()).unwrap()
    }

    fn spill(&self, data: &[u8]) -> Spill {
        self.sim.run(async {
            let mut writer = self.begin();
            writer.write(data).await.unwrap();
            writer.finish().await.unwrap()
        })
    }
}

fn is_pending(future: Pin<&mut impl Future>) -> bool {
    matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
}

/// PITFALLS S6: who closes a store before its process ends leaves no object behind, however slow the object store is.
#[test]
fn close_waits_for_spills_and_aborted_writers() {
    let world = World::new(1);
    let spilled = world.spill(b"freed");
    let mut aborted = world.begin();
    world.sim.run(async {
        aborted.write(&bytes(1, PART)).await.unwrap();
        aborted.write(b"more").await.unwrap();
    });
    assert_eq!(world.objects(), 3);
    let (freed, uploaded) = (Gate::default(), Gate::default());
    world.faults.on(Op::Delete, "/0-0", 1, Fault::Before(freed.hook()));
    world.faults.on(Op::Delete, "/1-0", 1, Fault::Before(uploaded.hook()));
    drop((spilled, aborted));
    let mut close = pin!(world.store.close());
    world.sim.run_ready();
    assert!(is_pending(close.as_mut()));
    freed.open();
    world.sim.run_ready();
    assert!(is_pending(close.as_mut()), "the writer's is under way");
    uploaded.open();
    world.sim.run(close).unwrap();
    assert_eq!((world.objects(), world.store.used_bytes()), (0, 0), "with nothing alive, the store's own directory is gone as well");
}

#[test]
fn a_closed_store_begins_nothing_and_what_lives_goes_on() {
    let world = World::new(2);
    let child = world.store.child(None);
    let (living, mut writing, unwritten) = (world.spill(b"alive"), world.begin(), world.begin());
    world.sim.run(writing.write(b"wri")).unwrap();
    world.sim.run(world.store.close()).unwrap();
    for store in [&world.store, &child, &child.child(Some(1))] {
        assert_eq!(store.begin(SpillOptions::default()).unwrap_err().kind(), ErrorKind::Closed);
    }
    let mut out = [0; 5];
    assert_eq!(world.sim.run(living.read_at(0, &mut out)).unwrap(), 5);
    assert_eq!(&out, b"alive");
    // Writers that began before go on, also one that finds its place only now.
    let written = world.sim.run(async {
        writing.write(b"tten").await.unwrap();
        writing.finish().await.unwrap()
    });
    assert_eq!(world.sim.run(written.read_at(2, &mut out)).unwrap(), 5);
    assert_eq!(&out, b"itten");
    drop((living, written));
    world.sim.run(world.store.close()).unwrap();
    assert_eq!(world.objects(), 0, "the last of them took the directory along");
    let late = world.sim.run(async {
        let mut writer = unwritten;
        writer.write(b"late").await.unwrap();
        writer.finish().await.unwrap()
    });
    assert_eq!(world.objects(), 2);
    drop(late);
    world.sim.run(world.store.close()).unwrap();
    assert_eq!(world.objects(), 0);
}

/// A child's close waits for its own spills alone, and its parent works on.
#[test]
fn a_child_is_closed_for_itself() {
    let world = World::new(3);
    let child = world.store.child(None);
    let (other, gate) = (world.spill(b"the parent's"), Gate::default());
    world.faults.on(Op::Delete, "/0-0", 1, Fault::Before(gate.hook()));
    drop(other);
    world.sim.run_ready();
    world.sim.run(child.close()).unwrap();
    assert_eq!(child.begin(SpillOptions::default()).unwrap_err().kind(), ErrorKind::Closed);
    drop(world.spill(b"works"));
    gate.open();
    world.sim.run(world.store.close()).unwrap();
    assert_eq!(world.objects(), 0);
}

/// What a deletion left is removed with the directory; if that fails too, close says so.
#[test]
fn close_tells_what_could_not_be_deleted() {
    let world = World::new(4);
    world.faults.on_next(Op::Delete, "/0-0", 4, Fault::ErrorBefore);
    drop(world.spill(b"given up at first"));
    world.sim.run(world.store.close()).unwrap();
    assert_eq!((world.objects(), world.faults.unmet()), (0, 0));

    for (op, path) in [(Op::Delete, "/owner"), (Op::Delete, "/0-0"), (Op::List, "")] {
        let world = World::new(5);
        drop(world.spill(b"stays"));
        world.sim.run_ready();
        drop(world.begin());
        world.faults.on_every(op, path, Fault::ErrorBefore);
        let left = world.sim.run(async { Some(world.store.close().await.err()?.kind()) });
        assert_eq!((left, world.objects()), if path == "/0-0" { (None, 0) } else { (Some(ErrorKind::Storage), 1) }, "{op:?} {path}");
    }
    let world = World::new(6);
    world.faults.on_every(Op::Delete, "/0-0", Fault::Denied);
    drop(world.spill(b"stays"));
    assert_eq!(world.sim.run(world.store.close()).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(world.objects(), 2, "with its owner, by whose age it is swept");
}

/// A sign of life that is under way does not come back after the directory was removed.
#[test]
fn the_last_sign_of_life_is_waited_for() {
    let world = World::new(7);
    drop(world.spill(b"x"));
    let gate = Gate::default();
    world.faults.on(Op::Put, "/owner", 1, Fault::Before(gate.hook()));
    world.sim.run_for(AGE / 4);
    let mut close = pin!(world.store.close());
    assert!(is_pending(close.as_mut()));
    world.sim.run_ready();
    assert!(is_pending(close.as_mut()));
    gate.open();
    world.sim.run(close).unwrap();
    assert_eq!((world.objects(), world.faults.unmet()), (0, 0));
}

/// A first write that is given up while the store's directory is made leaves no second one behind.
#[test]
fn a_directory_that_was_given_up_is_the_next_ones() {
    let world = World::new(8);
    let gate = Gate::default();
    world.faults.on(Op::Put, "/owner", 1, Fault::After(gate.hook()));
    let mut writer = world.begin();
    {
        let mut write = pin!(writer.write(b"x"));
        while world.objects() == 0 {
            assert!(is_pending(write.as_mut()));
        }
    }
    world.sim.run(writer.write(b"x")).unwrap();
    writer.abort();
    world.sim.run(world.store.close()).unwrap();
    assert_eq!(world.objects(), 0);
}

#[test]
fn an_unused_store_is_closed_without_a_request() {
    let world = World::new(9);
    now(world.store.close()).unwrap();
    now(world.store.close()).unwrap();
    assert!(world.faults.log().is_empty());
}

/// On a disk all is deleted at once, and the store's directory goes with the last file or with the close.
#[test]
fn a_directory_on_disk_goes_with_the_close() {
    let dir = tempfile::tempdir().unwrap();
    for config in [local(dir.path()), tiered(dir.path(), 10)] {
        let store = SpillStore::new(&session(), &config).unwrap();
        let living = spill(&store, &bytes(1, 100_000)).unwrap();
        now(store.close()).unwrap();
        assert_eq!(store.begin(SpillOptions::default()).unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!((read(&living).unwrap(), directories(dir.path()).len()), (bytes(1, 100_000), 1));
        drop(living);
        assert_eq!(directories(dir.path()).len(), 1);
        now(store.close()).unwrap();
        assert_eq!(directories(dir.path()).len(), 0);
    }
}
