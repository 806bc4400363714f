//! Spills as objects: parts, background deletion, cancellation, and reclaiming by age.

mod support;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use support::seeds::number;
use support::spill::bytes;
use support::{Chaos, Fault, FaultStore, Gate, Op, Process, SeededRandom, Sim, now};
use weir::error::{ErrorKind, Result};
use weir::runtime;
use weir::session::Session;
use weir::spill::{Spill, SpillBackend, SpillConfig, SpillOptions, SpillStore, SpillWriter};
use weir::store::memory::MemoryBackend;
use weir::store::{ObjectInfo, Settings, Store};

const PART: usize = 8 << 20;
const AGE: Duration = Duration::from_secs(24 * 60 * 60);

struct World {
    sim: Sim,
    faults: FaultStore,
}

impl World {
    fn new(seed: u64) -> Self {
        let sim = Sim::new(seed);
        let clock = Arc::new(sim.clock());
        let faults = FaultStore::new(Arc::new(MemoryBackend::new(clock.clone())), clock);
        Self { sim, faults }
    }

    fn config() -> SpillConfig {
        SpillConfig { backend: SpillBackend::Object { url: "memory://unused".into() }, reclaim_age: AGE, ..SpillConfig::default() }
    }

    fn store_in(&self, process: &Process) -> SpillStore {
        let session = Session::builder().with_env(process.env()).build().unwrap();
        let store = SpillStore::with_objects(&session, &Self::config(), Store::new("test://spills", Arc::new(self.faults.clone())));
        store.unwrap()
    }

    fn store(&self) -> SpillStore {
        self.store_in(&self.sim.process())
    }

    /// All objects, by their full names.
    fn objects(&self) -> Vec<String> {
        let truth = self.faults.inner();
        let mut names = Vec::new();
        for dir in now(truth.list_dirs("")).unwrap() {
            let objects: Vec<ObjectInfo> = now(truth.list(&dir)).unwrap();
            names.extend(objects.iter().map(|object| format!("{dir}/{}", object.name)));
        }
        names.sort();
        names
    }

    /// The objects that are parts of spills.
    fn parts(&self) -> usize {
        self.objects().iter().filter(|name| !name.ends_with("/owner")).count()
    }

    fn spill(&self, store: &SpillStore, data: &[u8]) -> Result<Spill> {
        self.sim.run(async {
            let mut writer = begin(store);
            for piece in data.chunks(1_000_000) {
                writer.write(piece).await?;
            }
            writer.finish().await
        })
    }

    fn read(&self, spill: &Spill, at: u64, len: usize) -> Result<Vec<u8>> {
        self.sim.run(async {
            let mut out = vec![0; len];
            let read = spill.read_at(at, &mut out).await?;
            out.truncate(read);
            Ok(out)
        })
    }
}

fn begin(store: &SpillStore) -> SpillWriter {
    store.begin(SpillOptions::default()).unwrap()
}

/// Polls once and says whether that was all.
fn poll_once<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[test]
fn parts_are_written_read_and_deleted_in_the_background() {
    let world = World::new(1);
    let store = world.store();
    assert!(!store.is_blocking());
    let empty = world.spill(&store, b"").unwrap();
    assert!(world.faults.log().is_empty(), "nothing is asked for before first use");
    let data = bytes(1, 2 * PART + 100_000);
    let whole = world.spill(&store, &data).unwrap();
    let exact = world.spill(&store, &data[..PART]).unwrap();
    let dir = world.objects()[0].split_once('/').unwrap().0.to_owned();
    assert_eq!(world.objects(), ["1-0", "1-1", "1-2", "2-0", "owner"].map(|name| format!("{dir}/{name}")));
    for (at, len) in [(0, 10), (PART - 5, 10), (PART - 1, PART + 2), (2 * PART, 200_000), (data.len(), 5), (0, data.len() + 1)] {
        assert_eq!(world.read(&whole, at as u64, len).unwrap(), data[at..data.len().min(at + len)]);
    }
    assert_eq!(whole.map().unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(store.used_bytes(), (data.len() + PART) as u64);
    assert_eq!(store.stats().written_bytes, store.used_bytes());
    drop(whole);
    assert_eq!((world.parts(), store.used_bytes()), (4, (data.len() + PART) as u64), "bytes return when they are gone, not before");
    world.sim.run_ready();
    assert_eq!((world.parts(), store.used_bytes()), (1, PART as u64));
    drop((empty, store));
    world.sim.run_ready();
    assert_eq!(world.objects().len(), 2, "a spill keeps the store's place");
    drop(exact);
    world.sim.run_ready();
    assert!(world.objects().is_empty());
    assert_eq!(world.sim.tasks(), 0);
}

/// PITFALLS S7: an upload that fails ends its writer, takes along what was uploaded, landed or not, and returns the bytes.
#[test]
fn a_failed_upload_leaves_nothing() {
    for (nth, fault, kind) in [
        (1, Fault::ErrorBefore, ErrorKind::Storage),
        (2, Fault::ErrorAfter, ErrorKind::Storage),
        (3, Fault::NoSpace, ErrorKind::StorageFull),
        (3, Fault::Denied, ErrorKind::PermissionDenied),
    ] {
        let world = World::new(nth);
        let store = world.store();
        let _neighbour = world.spill(&store, b"neighbour").unwrap();
        world.faults.on(Op::Put, "/1-", nth, fault);
        let error = world.spill(&store, &bytes(1, 3 * PART)).unwrap_err();
        assert_eq!((error.kind(), world.faults.unmet(), error.detail_u64("spill_lost")), (kind, 0, Some(1)));
        assert!(error.message().contains(".spill/1-"), "{error}");
        world.sim.run_ready();
        assert_eq!((store.used_bytes(), world.parts(), store.stats().open_writers), (9, 1, 0));
    }
}

/// A place that cannot be written is found out by the first write, which takes nothing; the next one tries again.
#[test]
fn a_failed_first_use_is_not_final() {
    let world = World::new(1);
    let store = world.store();
    world.faults.on_next(Op::Put, "/owner", 1, Fault::Denied);
    world.sim.run(async {
        let mut writer = begin(&store);
        let error = writer.write(b"x").await.unwrap_err();
        assert_eq!((error.kind(), error.detail_u64("spill_lost")), (ErrorKind::PermissionDenied, Some(0)));
        assert_eq!((store.used_bytes(), writer.len()), (0, 0));
        writer.write(b"x").await.unwrap();
        assert_eq!(writer.finish().await.unwrap().len(), 1);
    });
}

/// PITFALLS E11: a write that is cancelled while it waits has taken nothing, and what was taken before is not lost.
#[test]
fn a_cancelled_write_takes_nothing() {
    let world = World::new(3);
    let store = world.store();
    let data = bytes(3, 2 * PART + 10);
    world.sim.run(async {
        let mut writer = begin(&store);
        // One write of more than two parts: taken as a whole, uploaded by the next.
        writer.write(&data).await.unwrap();
        let gate = Gate::default();
        world.faults.on(Op::Put, "/0-1", 1, Fault::Before(gate.hook()));
        {
            let mut write = pin!(writer.write(b"never"));
            assert!(poll_once(write.as_mut()).is_none());
            while world.faults.count(Op::Put, "/0-1") == 0 {
                assert!(poll_once(write.as_mut()).is_none());
            }
        }
        assert_eq!((writer.len(), store.used_bytes()), (data.len() as u64, data.len() as u64));
        writer.write(b"end").await.unwrap();
        let whole = writer.finish().await.unwrap();
        let mut out = vec![0; data.len() + 10];
        assert_eq!(whole.read_at(0, &mut out).await.unwrap(), data.len() + 3);
        assert_eq!((&out[..data.len()], &out[data.len()..data.len() + 3]), (&data[..], &b"end"[..]));
        // Cancelled while it finishes: as if it had been aborted.
        let mut writer = begin(&store);
        writer.write(b"x").await.unwrap();
        {
            let mut finish = pin!(writer.finish());
            assert!(poll_once(finish.as_mut()).is_none());
        }
        drop(whole);
    });
    world.sim.run_ready();
    assert_eq!((store.used_bytes(), world.parts()), (0, 0));
}

/// PITFALLS S1, S2: a deletion that fails is tried again; one that never succeeds returns the bytes all the same, and what is left
/// goes with the store.
#[test]
fn failed_deletions() {
    let world = World::new(4);
    let store = world.store();
    let one = world.spill(&store, b"one").unwrap();
    world.faults.on_next(Op::Delete, "/0-0", 2, Fault::ErrorBefore);
    drop(one);
    world.sim.run_for(Duration::from_secs(60));
    assert_eq!((store.used_bytes(), world.parts(), world.faults.unmet()), (0, 0, 0));
    let two = world.spill(&store, b"two").unwrap();
    world.faults.on_every(Op::Delete, "/1-0", Fault::ErrorBefore);
    drop(two);
    world.sim.run_for(Duration::from_secs(60));
    assert_eq!((store.used_bytes(), world.parts()), (0, 1));
    world.faults.heal();
    drop(store);
    world.sim.run_for(Duration::from_secs(60));
    assert!(world.objects().is_empty());
}

/// A write that the server carries out after its deletion goes with the store.
#[test]
fn a_late_write_goes_with_the_store() {
    let world = World::new(5);
    let store = world.store();
    world.faults.on_next(Op::Put, "/0-0", 1, Fault::LateAfter(Duration::from_secs(30)));
    assert_eq!(world.spill(&store, b"late").unwrap_err().kind(), ErrorKind::Storage);
    world.sim.run_for(Duration::from_secs(60));
    now(world.faults.land_late_writes());
    assert_eq!((store.used_bytes(), world.parts()), (0, 1));
    drop(store);
    world.sim.run_ready();
    assert!(world.objects().is_empty());
}

/// PITFALLS S6: objects of a dead process go when they are too old, those of a living one never, however long it lives.
#[test]
fn reclaims_the_dead_by_age() {
    let world = World::new(6);
    let (dead, living) = (world.sim.process(), world.sim.process());
    let left = world.spill(&world.store_in(&dead), &bytes(1, PART + 5)).unwrap();
    dead.kill();
    std::mem::forget(left);
    let store = world.store_in(&living);
    let kept = world.spill(&store, b"kept").unwrap();
    world.sim.run_for(AGE - Duration::from_secs(60));
    let early = world.store();
    let _x = world.spill(&early, b"x").unwrap();
    world.sim.run_ready();
    assert_eq!((world.parts(), early.stats().swept_directories), (4, 0));
    world.sim.run_for(Duration::from_secs(120));
    // Stopped half-way, the next one finishes: `owner` goes last.
    world.faults.on(Op::Delete, "/0-1", 1, Fault::ErrorBefore);
    let half = world.store();
    let _y = world.spill(&half, b"y").unwrap();
    world.sim.run_ready();
    assert_eq!((world.faults.unmet(), half.stats().swept_directories, world.parts()), (0, 0, 4));
    let next = world.store();
    let _z = world.spill(&next, b"z").unwrap();
    world.sim.run_ready();
    let stats = next.stats();
    assert_eq!((stats.swept_directories, stats.swept_bytes > 5 && stats.swept_bytes < PART as u64), (1, true));
    assert_eq!((world.parts(), world.objects().len()), (4, 8));
    // Signs of life that fail now and then do no harm.
    world.faults.on(Op::Put, "/owner", 2, Fault::ErrorBefore);
    world.sim.run_for(10 * AGE);
    let last = world.store();
    let _w = world.spill(&last, b"w").unwrap();
    world.sim.run_ready();
    assert_eq!(last.stats().swept_directories, 0);
    assert_eq!(world.read(&kept, 0, 9).unwrap(), b"kept");
}

/// PITFALLS S6: how long a store's objects stay is for that store to say, as it gives its signs of life accordingly: a store that
/// would sweep sooner does not take a living one for dead.
#[test]
fn a_shorter_age_does_not_sweep_the_living() {
    const SHORT: Duration = Duration::from_secs(60);
    let world = World::new(13);
    let (owner, impatient) = (world.sim.process(), world.sim.process());
    let store = world.store_in(&owner);
    let kept = world.spill(&store, b"kept").unwrap();
    world.sim.run_for(10 * SHORT);
    let sweeper = |process: &Process| {
        let session = Session::builder().with_env(process.env()).build().unwrap();
        let config = SpillConfig { reclaim_age: SHORT, ..World::config() };
        SpillStore::with_objects(&session, &config, Store::new("test://spills", Arc::new(world.faults.clone()))).unwrap()
    };
    let other = sweeper(&impatient);
    let short = world.spill(&other, b"x").unwrap();
    world.sim.run_ready();
    assert_eq!(other.stats().swept_directories, 0);
    assert_eq!(world.read(&kept, 0, 9).unwrap(), b"kept");
    // The dead go by the age that they told, whoever sweeps.
    impatient.kill();
    std::mem::forget((other, short));
    world.sim.run_for(2 * SHORT);
    let early = sweeper(&owner);
    let _y = world.spill(&early, b"y").unwrap();
    world.sim.run_ready();
    assert_eq!((early.stats().swept_directories, world.parts()), (1, 2));
    owner.kill();
    std::mem::forget((store, kept));
    world.sim.run_for(2 * AGE);
    let late = sweeper(&world.sim.process());
    let _z = world.spill(&late, b"z").unwrap();
    world.sim.run_ready();
    assert_eq!((late.stats().swept_directories, world.parts()), (2, 1));
}

/// Objects that are not ours are not touched, however old.
#[test]
fn others_objects_stay() {
    let world = World::new(7);
    let truth = world.faults.inner();
    let names = ["notes/0-0", "x.spill/0-0", "0123456789ABCDEF0123456789ABCDEF.spill/0-0", "0123456789abcdef0123456789abcdef/0-0"];
    for name in names {
        now(truth.put(name, bytes::Bytes::from_static(b"old"))).unwrap();
    }
    world.sim.run_for(3 * AGE);
    let store = world.store();
    drop(world.spill(&store, b"x").unwrap());
    drop(store);
    world.sim.run_ready();
    assert_eq!(world.objects().len(), names.len());
}

/// Reading from front to back fetches the next while this is read, and no more than that.
#[test]
fn a_reader_reads_ahead() {
    const BLOCK: usize = 1 << 20;
    let world = World::new(8);
    let store = world.store();
    let data = bytes(8, PART + 2 * BLOCK + 500);
    let whole = world.spill(&store, &data).unwrap();
    world.faults.clear_log();
    let mut reader = whole.reader();
    let gets = || world.faults.count(Op::GetRange, "/0-");
    let mut out = vec![0; 100_000];
    assert_eq!(world.sim.run(reader.read(&mut out)).unwrap(), out.len());
    world.sim.run_ready();
    assert_eq!((&out[..], gets()), (&data[..100_000], 2), "one block and the one behind it");
    world.faults.on(Op::GetRange, "/0-", 1, Fault::ErrorBefore);
    let mut all = out.clone();
    let mut failures = 0;
    loop {
        match world.sim.run(reader.read(&mut out)) {
            Ok(read) => all.extend_from_slice(&out[..read]),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Storage);
                failures += 1;
                continue;
            }
        }
        if all.len() == data.len() {
            break;
        }
    }
    assert_eq!((failures, all == data, gets()), (1, true, 12));
    reader.seek(5);
    assert_eq!(world.sim.run(reader.read(&mut out[..10])).unwrap(), 10);
    assert_eq!(out[..10], data[5..15]);
    // A reader that ends takes along what it was fetching, and with it its share of the spill.
    world.faults.on_every(Op::GetRange, "/0-", Fault::Hang);
    reader.seek(BLOCK as u64 - 5);
    assert!(poll_once(pin!(reader.read(&mut out))).is_none());
    drop((reader, whole));
    world.sim.run_ready();
    assert_eq!((store.used_bytes(), world.parts()), (0, 0));
}

#[test]
fn a_part_that_is_gone_is_damage() {
    let world = World::new(9);
    let store = world.store();
    let whole = world.spill(&store, &bytes(9, PART + 5)).unwrap();
    let name = world.objects().into_iter().find(|name| name.ends_with("/0-1")).unwrap();
    now(world.faults.inner().put(&name, bytes::Bytes::from_static(b"cut"))).unwrap();
    assert_eq!(world.read(&whole, PART as u64, 5).unwrap_err().kind(), ErrorKind::Corruption);
    now(world.faults.inner().delete(&name)).unwrap();
    let error = world.read(&whole, 0, PART + 5).unwrap_err();
    assert!(error.kind() == ErrorKind::Corruption && error.message().contains(&name), "{error}");
    assert_eq!(world.read(&whole, 0, PART).unwrap(), bytes(9, PART));
    drop(whole);
    world.sim.run_ready();
    assert_eq!(store.used_bytes(), 0);
}

#[cfg(feature = "encryption")]
#[test]
fn encrypted_objects() {
    let world = World::new(10);
    let store = world.store();
    let data = vec![b'a'; PART + 70_000];
    let whole = world.sim.run(async {
        let mut writer = store.begin(SpillOptions { encrypt: true }).unwrap();
        writer.write(&data[..1_000_000]).await.unwrap();
        writer.write(&data[1_000_000..]).await.unwrap();
        writer.finish().await.unwrap()
    });
    assert_eq!(world.read(&whole, 0, data.len() + 1).unwrap(), data);
    assert_eq!(world.read(&whole, PART as u64 - 7, 100).unwrap(), vec![b'a'; 100]);
    for name in world.objects().iter().filter(|name| !name.ends_with("owner")) {
        let raw = now(Store::new("", world.faults.inner()).read(name)).unwrap().unwrap();
        assert!(!raw.windows(8).any(|eight| eight == b"aaaaaaaa"));
    }
}

/// A bad day of the store, by many seeds: whatever fails, the budget is what lives, and in the end nothing does.
#[test]
fn random_lives_on_a_bad_day() {
    let (first, count) = number("WEIR_SEED").map_or((0, number("WEIR_SEEDS").unwrap_or(30)), |seed| (seed, 1));
    for seed in first..first + count {
        let outcome = std::panic::catch_unwind(|| random_life(seed));
        if let Err(panic) = outcome {
            eprintln!("WEIR_SEED={seed} fails");
            std::panic::resume_unwind(panic);
        }
    }
}

fn random_life(seed: u64) {
    let world = World::new(seed);
    let chance = SeededRandom::new(seed);
    let store = world.store();
    world.faults.chaos(Chaos::stormy(), chance.fork());
    let mut writers: Vec<(SpillWriter, Vec<u8>)> = Vec::new();
    let mut spills: Vec<(Spill, Vec<u8>)> = Vec::new();
    for _ in 0..60 {
        match chance.below(8) {
            0 => writers.push((begin(&store), Vec::new())),
            1..=3 if !writers.is_empty() => {
                let at = chance.below(writers.len() as u64) as usize;
                let data = vec![chance.below(250) as u8; chance.below(6_000_000) as usize];
                let (mut writer, mut written) = writers.swap_remove(at);
                match world.sim.run(writer.write(&data)) {
                    Ok(()) => written.extend_from_slice(&data),
                    // Final if something had been taken.
                    Err(_) if !written.is_empty() => continue,
                    Err(_) => {}
                }
                writers.push((writer, written));
            }
            4 if !writers.is_empty() => {
                let (writer, written) = writers.swap_remove(chance.below(writers.len() as u64) as usize);
                if let Ok(spill) = world.sim.run(writer.finish()) {
                    assert_eq!(spill.len(), written.len() as u64);
                    spills.push((spill, written));
                }
            }
            5 if !writers.is_empty() => drop(writers.swap_remove(chance.below(writers.len() as u64) as usize)),
            6 if !spills.is_empty() => drop(spills.swap_remove(chance.below(spills.len() as u64) as usize)),
            _ => {
                if let Some((spill, data)) = spills.last() {
                    let (at, len) = (chance.below(data.len() as u64 + 1) as usize, chance.below(3_000_000) as usize);
                    if let Ok(read) = world.read(spill, at as u64, len) {
                        assert_eq!(read, data[at..data.len().min(at + len)]);
                    }
                }
            }
        }
        // Long enough for every deletion to succeed or give up.
        world.sim.run_for(Duration::from_secs(100));
        let lives = writers.iter().map(|(_, data)| data.len()).chain(spills.iter().map(|(_, data)| data.len())).sum::<usize>();
        assert_eq!(store.used_bytes(), lives as u64);
    }
    drop((writers, spills));
    world.faults.heal();
    world.sim.run_for(Duration::from_secs(100));
    now(world.faults.land_late_writes());
    assert_eq!(store.used_bytes(), 0);
    drop(store);
    world.sim.run_for(Duration::from_secs(100));
    assert!(world.objects().iter().all(|name| name.ends_with("/owner") && world.faults.count(Op::Put, name) > 0));
    // Of a directory whose making failed, `owner` may stay; it is swept by its age.
    assert!(world.objects().len() <= world.faults.count(Op::Put, "/owner"));
}

/// Any URL of the session, on the real runtime.
#[test]
fn by_url() {
    let dir = tempfile::tempdir().unwrap();
    let name = uuid::Uuid::new_v4().simple().to_string();
    let session = Session::new(Settings::new([("weir_simulated_latency_ms".to_owned(), "2".to_owned())]).unwrap()).unwrap();
    let plain = Session::new(Settings::default()).unwrap();
    let file = format!("file://{}/below", dir.path().display());
    for (session, url) in [(&plain, file), (&plain, format!("memory://{name}/x")), (&session, format!("memory://{name}/y"))] {
        let config = SpillConfig { backend: SpillBackend::Object { url }, ..SpillConfig::default() };
        let store = SpillStore::new(session, &config).unwrap();
        let data = bytes(11, 3_000_000);
        let mut writer = begin(&store);
        runtime::block_on(writer.write(&data), -1).unwrap();
        let whole = runtime::block_on(writer.finish(), -1).unwrap();
        let (mut reader, mut out) = (whole.reader(), vec![0; 4_000_000]);
        assert_eq!(runtime::block_on(reader.read(&mut out), -1).unwrap(), data.len());
        assert_eq!(out[..data.len()], data);
        drop((whole, reader));
        // In the background.
        let start = std::time::Instant::now();
        while store.used_bytes() > 0 {
            assert!(start.elapsed() < Duration::from_secs(60));
            std::thread::yield_now();
        }
    }
    let bad = SpillConfig { backend: SpillBackend::Object { url: "nowhere://x".into() }, ..SpillConfig::default() };
    assert_eq!(SpillStore::new(&plain, &bad).unwrap_err().kind(), ErrorKind::Unsupported);
}
