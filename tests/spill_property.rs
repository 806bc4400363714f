//! Random lives of spills, of bytes and of batches, on a disk that fails and fills by chance, from several threads: after every step
//! the budget is exactly the sum of what lives, the disk has the files of what lives, and at the end there is nothing.
//!
//! Seeds are printed when they fail. `WEIR_SEEDS=n` runs more of them, `WEIR_SEED=k` that one alone.

mod support;

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use support::seeds::{Counts, number, run_seeds};
use support::spill::{FaultyOps, bytes, directories, files, local, memory, session, tiered};
use support::{SeededRandom, now};
use weir::error::{Error, ErrorKind, Result};
use weir::spill::local::Space;
use weir::spill::{
    BatchSpill, BatchSpillWriter, Finished, MapOptions, SharedWriter, Spill, SpillConfig, SpillOptions, SpillReader, SpillStore,
    SpillWriter,
};
use weir::wal::entry::Compression;

const THREADS: u64 = 4;
const STEPS: u64 = 60;
const CAPS: [u64; 3] = [1_000_000, 600_000, 300_000];
/// What stays free, where something is to.
const FLOOR: u64 = 1_000_000;

/// A writer of bytes, in one's own hands or in those of several.
enum Pen {
    Own(SpillWriter),
    Shared(SharedWriter),
}

impl Pen {
    fn write(&mut self, data: &[u8], chance: &SeededRandom) -> Result<()> {
        let vectored = chance.chance(300);
        let parts: Vec<_> = data.chunks(1 + data.len() / 3).map(IoSlice::new).collect();
        match self {
            Self::Own(writer) if vectored => now(writer.write_vectored(&parts)),
            Self::Own(writer) => now(writer.write(data)),
            Self::Shared(writer) if vectored => now(async { writer.queue().wait().await?.write_vectored(&parts).await }),
            Self::Shared(writer) => {
                if writer.buffer(data)? {
                    return Ok(());
                }
                now(async { writer.turn().await?.write(data).await })
            }
        }
    }

    /// The error that ended it: the empty write takes nothing and tells.
    fn ended(&mut self) -> Option<Error> {
        match self {
            Self::Own(writer) => now(writer.write(&[])).err(),
            Self::Shared(writer) => now(async { writer.turn().await?.write(&[]).await }).err(),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Own(writer) => writer.len(),
            Self::Shared(writer) => writer.len(),
        }
    }

    fn abort(self) {
        match self {
            Self::Own(writer) => writer.abort(),
            Self::Shared(writer) => writer.abort(),
        }
    }

    fn finish(self) -> Result<Spill> {
        match self {
            Self::Own(writer) => now(writer.finish()),
            Self::Shared(writer) => match now(async { writer.turn().await?.finish().await })? {
                Finished::Bytes(spill) => Ok(spill),
                Finished::Batches(_) => panic!("bytes became batches"),
            },
        }
    }
}

/// The same for batches.
enum BatchPen {
    Own(BatchSpillWriter),
    Shared(SharedWriter),
}

impl BatchPen {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Own(writer) => now(writer.write(batch)),
            Self::Shared(writer) => now(async { writer.turn().await?.write_batch(batch).await }),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Own(writer) => writer.len(),
            Self::Shared(writer) => writer.len(),
        }
    }

    fn finish(self) -> Result<BatchSpill> {
        match self {
            Self::Own(writer) => now(writer.finish()),
            Self::Shared(writer) => match now(async { writer.turn().await?.finish().await })? {
                Finished::Batches(spill) => Ok(spill),
                Finished::Bytes(_) => panic!("batches became bytes"),
            },
        }
    }
}

/// What lives, and what is known of it.
enum Thing {
    Writer { level: usize, encrypted: bool, pen: Pen, written: Vec<u8>, failed: Option<Error> },
    Spill { level: usize, id: u64, spill: Spill, data: Arc<Vec<u8>> },
    Reader { level: usize, id: u64, reader: SpillReader, stored: u64, data: Arc<Vec<u8>>, at: usize },
    BatchWriter { level: usize, encrypted: bool, pen: BatchPen, written: Vec<RecordBatch> },
    Batches { level: usize, spill: BatchSpill, batches: Vec<RecordBatch> },
}

struct World {
    /// Each within the one before it.
    stores: Vec<SpillStore>,
    ops: Arc<FaultyOps>,
    encrypt: bool,
    things: Mutex<Vec<Thing>>,
    next_id: AtomicU64,
    counts: Mutex<Counts>,
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("value", DataType::Int64, false)]))
}

fn batch(chance: &SeededRandom) -> RecordBatch {
    let rows = chance.below(*chance.pick(&[1, 100, 10_000]) + 1);
    let values = Int64Array::from_iter_values((0..rows).map(|_| chance.next_u64() as i64));
    RecordBatch::try_new(schema(), vec![Arc::new(values)]).unwrap()
}

fn stored(len: u64, encrypted: bool) -> u64 {
    if encrypted { len + len.div_ceil(64 << 10) * 16 } else { len }
}

/// Whether a disk's failure may show like this.
fn is_injected(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::Storage | ErrorKind::PermissionDenied)
}

impl World {
    fn take(&self, chance: &SeededRandom) -> Option<Thing> {
        let mut things = self.things.lock().unwrap();
        let at = chance.below(things.len() as u64) as usize;
        if things.is_empty() { None } else { Some(things.swap_remove(at)) }
    }

    fn put(&self, thing: Thing) {
        self.things.lock().unwrap().push(thing);
    }

    /// One thing that one thread does.
    fn step(&self, chance: &SeededRandom) {
        match self.take(chance) {
            Some(thing) if !chance.chance(200) => self.act(thing, chance),
            thing => {
                thing.into_iter().for_each(|thing| self.put(thing));
                let level = chance.below(3) as usize;
                let encrypted = self.encrypt && chance.chance(500);
                let writer = self.stores[level].begin(SpillOptions { encrypt: encrypted }).unwrap();
                let shared = chance.chance(300);
                if chance.chance(300) {
                    let writer = BatchSpillWriter::new(writer, &schema(), Compression::None).unwrap();
                    let pen = if shared { BatchPen::Shared(writer.into()) } else { BatchPen::Own(writer) };
                    self.put(Thing::BatchWriter { level, encrypted, pen, written: Vec::new() });
                } else {
                    let pen = if shared { Pen::Shared(writer.into()) } else { Pen::Own(writer) };
                    self.put(Thing::Writer { level, encrypted, pen, written: Vec::new(), failed: None });
                }
            }
        }
    }

    fn count(&self, what: &'static str) {
        *self.counts.lock().unwrap().entry(what).or_default() += 1;
    }

    fn act(&self, thing: Thing, chance: &SeededRandom) {
        match thing {
            Thing::Writer { level, encrypted, mut pen, mut written, failed } => match chance.below(10) {
                0 => pen.abort(),
                1 => drop(pen),
                2 | 3 => self.finish(level, encrypted, pen, written, failed),
                _ => {
                    let failed = failed.or(self.write(&mut pen, &mut written, chance));
                    self.put(Thing::Writer { level, encrypted, pen, written, failed });
                }
            },
            Thing::BatchWriter { level, encrypted, mut pen, mut written } => match chance.below(10) {
                0 => drop(pen),
                1 | 2 => self.finish_batches(level, encrypted, pen, written),
                _ => {
                    let batch = batch(chance);
                    match pen.write(&batch) {
                        Ok(()) => written.push(batch),
                        // What is final and what is not is seen of bytes; here it may end.
                        Err(error) if !self.is_refusal(&error) => return assert!(is_injected(&error), "{error}"),
                        Err(_) => {}
                    }
                    self.put(Thing::BatchWriter { level, encrypted, pen, written });
                }
            },
            Thing::Batches { level, spill, batches } => {
                if let Err(error) = check_batches(&spill, &batches, chance) {
                    assert!(is_injected(&error) || error.kind() == ErrorKind::Unsupported, "{error}");
                }
                if !chance.chance(200) {
                    self.put(Thing::Batches { level, spill, batches });
                }
            }
            Thing::Spill { level, id, spill, data } => {
                let copy = spill.clone();
                match chance.below(8) {
                    0 | 1 => drop(spill),
                    2 => self.put(Thing::Spill { level, id, spill, data: data.clone() }),
                    3 => {
                        let (reader, data) = (spill.reader(), data.clone());
                        self.put(Thing::Reader { level, id, reader, stored: spill.stored_bytes(), data, at: 0 });
                    }
                    4 => match spill.map() {
                        Ok(mapped) => assert_eq!(*mapped, **data),
                        Err(error) => assert!(is_injected(&error) || error.kind() == ErrorKind::Unsupported, "{error}"),
                    },
                    _ => check_read(&spill, &data, chance),
                }
                self.put(Thing::Spill { level, id, spill: copy, data });
                if chance.chance(300) {
                    self.forget(id);
                }
            }
            Thing::Reader { level, id, mut reader, stored, data, mut at } => {
                let mut out = vec![0; chance.below(100_000) as usize];
                match now(reader.read(&mut out)) {
                    Ok(read) => {
                        assert_eq!(out[..read], data[at..data.len().min(at + out.len())]);
                        at += read;
                    }
                    Err(error) => assert!(is_injected(&error), "{error}"),
                }
                assert_eq!(reader.position(), at as u64);
                if !chance.chance(200) {
                    self.put(Thing::Reader { level, id, reader, stored, data, at });
                }
            }
        }
    }

    /// Drops all shares of one spill that are not in the hands of another thread.
    fn forget(&self, id: u64) {
        let is_its = |thing: &Thing| matches!(thing, Thing::Spill { id: its, .. } | Thing::Reader { id: its, .. } if *its == id);
        let mut things = self.things.lock().unwrap();
        let (gone, kept) = things.drain(..).partition(is_its);
        *things = kept;
        drop(things);
        let _: Vec<Thing> = gone;
    }

    /// Whether it is the answer of a cap or of the floor, which take nothing and end nothing.
    fn is_refusal(&self, error: &Error) -> bool {
        let of = |names: [&str; 3]| names.map(|name| error.detail_u64(name).unwrap());
        if error.kind() == ErrorKind::DiskCapExceeded {
            let [cap, used, requested] = of(["cap_bytes", "used_bytes", "requested_bytes"]);
            assert!(CAPS.contains(&cap) && used <= cap && used + requested > cap);
            self.count("cap refusals");
        } else if error.detail("floor_bytes").is_some() {
            let [floor, free, requested] = of(["floor_bytes", "free_bytes", "requested_bytes"]);
            assert!(error.kind() == ErrorKind::StorageFull && floor == FLOOR && requested > 0);
            // What others wrote meanwhile, and what was accepted and is not written, takes room, too.
            assert!(free < FLOOR + CAPS[0] + requested);
            self.count("floor refusals");
        } else {
            return false;
        }
        true
    }

    /// Writes something; gives the error if that ended the writer.
    fn write(&self, pen: &mut Pen, written: &mut Vec<u8>, chance: &SeededRandom) -> Option<Error> {
        let most = *chance.pick(&[10, 5000, 70_000, 200_000]);
        let data = bytes(chance.next_u64(), chance.below(most) as usize);
        let mut refused = false;
        match pen.write(&data, chance) {
            Ok(()) => written.extend_from_slice(&data),
            Err(error) if self.is_refusal(&error) => refused = true,
            Err(error) => assert!(is_injected(&error), "{error}"),
        }
        let ended = pen.ended();
        if ended.is_none() {
            assert_eq!(pen.len(), written.len() as u64);
        }
        assert!(!(refused && ended.is_some()), "a refusal ended the writer");
        ended
    }

    fn finish(&self, level: usize, encrypted: bool, pen: Pen, written: Vec<u8>, failed: Option<Error>) {
        self.count(if matches!(pen, Pen::Own(_)) { "own finishes" } else { "shared finishes" });
        match (pen.finish(), failed) {
            (Ok(spill), None) => {
                assert_eq!((spill.len(), spill.stored_bytes()), (written.len() as u64, stored(written.len() as u64, encrypted)));
                let id = self.next_id.fetch_add(1, Ordering::Relaxed);
                self.put(Thing::Spill { level, id, spill, data: Arc::new(written) });
            }
            (Err(error), None) => assert!(is_injected(&error), "{error}"),
            (Err(error), Some(failed)) => assert_eq!((error.kind(), error.message()), (failed.kind(), failed.message())),
            (Ok(_), Some(_)) => panic!("a failed writer was finished"),
        }
    }

    fn finish_batches(&self, level: usize, encrypted: bool, pen: BatchPen, batches: Vec<RecordBatch>) {
        self.count(if matches!(pen, BatchPen::Own(_)) { "own batches" } else { "shared batches" });
        let len = pen.len();
        match pen.finish() {
            Ok(spill) => {
                assert_eq!((spill.spill().len(), spill.spill().stored_bytes()), (len, stored(len, encrypted)));
                assert_eq!(spill.batch_count(), batches.len());
                self.put(Thing::Batches { level, spill, batches });
            }
            Err(error) => assert!(is_injected(&error), "{error}"),
        }
    }

    /// Ends all that is written.
    fn finish_all(&self) {
        let things = std::mem::take(&mut *self.things.lock().unwrap());
        for thing in things {
            match thing {
                Thing::Writer { level, encrypted, pen, written, failed } => self.finish(level, encrypted, pen, written, failed),
                Thing::BatchWriter { level, encrypted, pen, written } => self.finish_batches(level, encrypted, pen, written),
                thing => self.put(thing),
            }
        }
    }

    /// What each level has in use, by what lives, and what of it all is finished.
    fn expected(&self) -> ([u64; 3], u64) {
        let mut by_level = [0; 3];
        let (mut spills, mut finished) = (BTreeMap::new(), 0);
        for thing in self.things.lock().unwrap().iter() {
            match thing {
                Thing::Writer { failed: Some(_), .. } => {}
                Thing::Writer { level, encrypted, written, .. } => by_level[*level] += stored(written.len() as u64, *encrypted),
                Thing::BatchWriter { level, encrypted, pen, .. } => by_level[*level] += stored(pen.len(), *encrypted),
                Thing::Batches { level, spill, .. } => {
                    by_level[*level] += spill.spill().stored_bytes();
                    finished += spill.spill().stored_bytes();
                }
                Thing::Spill { level, id, spill, .. } => {
                    spills.insert(*id, (*level, spill.stored_bytes()));
                }
                Thing::Reader { level, id, stored, .. } => {
                    spills.insert(*id, (*level, *stored));
                }
            }
        }
        for (level, bytes) in spills.values() {
            by_level[*level] += bytes;
            finished += bytes;
        }
        // A level includes those within it.
        by_level[1] += by_level[2];
        by_level[0] += by_level[1];
        (by_level, finished)
    }

    /// All that must hold while nothing runs. With `exact`, nothing is in a buffer, and what is not in memory is on disk.
    fn check(&self, base: &Path, exact: bool) {
        let used = self.stores.iter().map(SpillStore::used_bytes).collect::<Vec<_>>();
        let (expected, finished) = self.expected();
        assert_eq!(used, expected);
        let stats = self.stores[0].stats();
        assert_eq!(stats.live_bytes, used[0]);
        let stuck = self.ops.stuck();
        let on_disk: u64 =
            files(base).iter().filter(|(path, _)| !stuck.iter().any(|name| path.ends_with(name))).map(|(_, size)| size).sum();
        let outside = used[0] - stats.memory_bytes;
        assert!(on_disk <= outside, "{on_disk} bytes on disk, {outside} accounted");
        assert!(on_disk + stats.memory_bytes >= finished, "{on_disk} bytes on disk, of {finished} of finished spills");
        if exact {
            assert_eq!(on_disk, outside);
        }
    }
}

fn check_read(spill: &Spill, data: &[u8], chance: &SeededRandom) {
    let at = chance.below(data.len() as u64 + 100) as usize;
    let mut out = vec![0; chance.below(100_000) as usize];
    match now(spill.read_at(at as u64, &mut out)) {
        Ok(read) => assert_eq!(out[..read], data[at.min(data.len())..data.len().min(at + out.len())]),
        Err(error) => assert!(is_injected(&error), "{error}"),
    }
}

fn check_batches(spill: &BatchSpill, batches: &[RecordBatch], chance: &SeededRandom) -> Result<()> {
    if batches.is_empty() {
        return Ok(());
    }
    let at = chance.below(batches.len() as u64) as usize;
    match chance.below(3) {
        0 => assert_eq!(now(spill.batch(at))?, batches[at]),
        1 => assert_eq!(spill.mapped(at, MapOptions { verify: chance.chance(500) })?, batches[at]),
        _ => {
            for (index, batch) in batches.iter().enumerate() {
                assert_eq!(now(spill.batch(index))?, *batch);
            }
        }
    }
    Ok(())
}

/// What this store may do with the disk, by chance.
fn config(base: &Path, chance: &SeededRandom, unbuffered: bool) -> SpillConfig {
    let config = match chance.below(4) {
        0 => memory(),
        1 => tiered(base, 200_000),
        _ => local(base),
    };
    let buffer_bytes = if unbuffered { 0 } else { 1 << chance.below(17) };
    let min_free_bytes = config.min_free_bytes.map(|_| *chance.pick(&[0, FLOOR]));
    SpillConfig { buffer_bytes, cap_bytes: Some(CAPS[0]), min_free_bytes, ..config }
}

fn run(seed: u64) -> Result<Counts> {
    let chance = SeededRandom::new(seed);
    let dir = tempfile::tempdir().unwrap();
    let ops = FaultyOps::by_chance(chance.next_u64(), *chance.pick(&[0, 10, 100]));
    let unbuffered = chance.chance(500);
    let root = SpillStore::with_file_ops(&session(), &config(dir.path(), &chance, unbuffered), ops.clone())?;
    let tenant = root.child(Some(CAPS[1]));
    let query = tenant.child(Some(CAPS[2]));
    let encrypt = cfg!(feature = "encryption") && !unbuffered;
    let (things, counts) = (Mutex::default(), Mutex::default());
    let world = World { stores: vec![root, tenant, query], ops, encrypt, things, next_id: AtomicU64::new(0), counts };
    let chances: Vec<_> = (0..THREADS).map(|_| chance.fork()).collect();
    for _ in 0..STEPS {
        // Others fill and empty the disk.
        let available = *chance.pick(&[FLOOR / 2, FLOOR + 50_000, FLOOR + 5_000_000]);
        world.ops.set_space(Some(Space { total: 1 << 40, available }));
        std::thread::scope(|scope| {
            chances.iter().for_each(|chance| {
                scope.spawn(|| world.step(chance));
            });
        });
        world.check(dir.path(), unbuffered);
    }
    world.ops.heal();
    world.finish_all();
    world.check(dir.path(), true);
    world.things.lock().unwrap().clear();
    world.check(dir.path(), true);
    let stats = world.stores.iter().map(SpillStore::stats);
    assert!(stats.clone().all(|s| (s.live_bytes, s.open_spills, s.open_writers, s.memory_bytes) == (0, 0, 0, 0)));
    assert!(stats.zip(CAPS).all(|(s, cap)| s.peak_bytes <= cap));
    let counts = std::mem::take(&mut *world.counts.lock().unwrap());
    drop(world);
    assert!(directories(dir.path()).is_empty());
    Ok(counts)
}

/// PITFALLS S1, S2, S5, S7, S8.
#[test]
fn used_is_always_what_lives() {
    let (first, count) = number("WEIR_SEED").map_or((0, number("WEIR_SEEDS").unwrap_or(30)), |seed| (seed, 1));
    let (failed, counts) = run_seeds(first..first + count, |seed| match std::panic::catch_unwind(|| run(seed).unwrap()) {
        Ok(counts) => (None, counts),
        // What it was is printed already.
        Err(_) => (Some(format!("WEIR_SEED={seed} fails")), Counts::new()),
    });
    assert!(failed.is_empty(), "{failed:?}");
    if count >= 30 {
        for what in ["cap refusals", "floor refusals", "own finishes", "shared finishes", "own batches", "shared batches"] {
            assert!(counts.get(what).is_some_and(|count| *count > 5), "{what}: {counts:?}");
        }
    }
}
