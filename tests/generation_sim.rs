//! Flushes, compactions, sweeps, readers and takeovers at once, over a store that fails by chance and processes that stall and die: whatever
//! a reader sees is exactly what its manifest's generations were made of, and in the end nothing is lost and nothing is left over.
//!
//! `WEIR_SEEDS` sets how many seeds are tried; a failure names its seed.

mod generation_support;
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use generation_support::*;
use support::seeds::number;
use support::{Chaos, Process, SeededRandom, Sim, sim::Mailbox};
use weir::env::Retry;
use weir::error::{Error, ErrorKind, Result};
use weir::generation::compact::{CompactOptions, compact};
use weir::generation::publish::publish;
use weir::generation::sweep::sweep;
use weir::generation::{Generation, ScanOptions};
use weir::shard::manifest::{Manifest, ManifestOptions, ManifestStore};
use weir::store::Store;

/// The age below which nothing is removed: simulated operations take seconds.
const AGE: Duration = Duration::from_secs(3600);
/// How many generations a run has.
const LAST: u64 = 9;

/// The rows of a generation are the same whoever writes it, so contents follow from how many there are.
fn rows_of(seed: u64, generation: u64) -> Vec<Row> {
    let random = SeededRandom::new(seed << 8 | generation);
    let row = |i| {
        let id = random.below(25) as i64;
        if random.chance(300) { delete(id) } else { put(id, format!("{generation}.{i}")) }
    };
    (0..1 + random.below(40)).map(row).collect()
}

fn contents_of(seed: u64, current_generation: u64) -> BTreeMap<i64, String> {
    let mut contents = BTreeMap::new();
    for (id, text) in (1..current_generation).flat_map(|generation| rows_of(seed, generation)) {
        match text {
            Some(text) => contents.insert(id, text),
            None => contents.remove(&id),
        };
    }
    contents
}

/// What one process has of the world.
#[derive(Clone)]
struct Machine {
    seed: u64,
    store: Store,
    env: weir::env::Env,
    manifests: Arc<ManifestStore>,
    faults: Mailbox<String>,
}

impl Machine {
    fn new(world: &World, process: &Process, seed: u64, faults: &Mailbox<String>) -> Self {
        let env = process.env();
        let options = ManifestOptions { trim_age: AGE, ..ManifestOptions::default() };
        let manifests = Arc::new(ManifestStore::new(world.store(), shard(), env.clone(), options));
        Self { seed, store: world.store(), env, manifests, faults: faults.clone() }
    }

    /// Whether to go on after `error`. An error that can only come of a broken promise is noted.
    fn passes(&self, what: &str, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::Storage | ErrorKind::StorageFull | ErrorKind::Conflict => true,
            ErrorKind::Fenced => false,
            _ => {
                self.faults.put(format!("{what}: {:?}: {error}", error.kind()));
                false
            }
        }
    }

    /// Claims, and flushes generations until the last one, or until somebody else has the shard.
    async fn own(self) {
        let manifest = loop {
            match self.manifests.claim(0).await {
                Ok(manifest) => break manifest,
                Err(error) if self.passes("claim", &error) => self.env.clock.sleep(Duration::from_secs(1)).await,
                Err(_) => return,
            }
        };
        let (epoch, mut next) = (manifest.writer_epoch, manifest.current_generation);
        let (compactor, sweeper) = (self.clone(), self.clone());
        self.env.spawn.spawn(Box::pin(async move { compactor.compacts(epoch).await }), false);
        self.env.spawn.spawn(Box::pin(async move { sweeper.sweeps().await }), false);
        while next <= LAST {
            let encoded = encoded(next, &rows_of(self.seed, next));
            let written = loop {
                match encoded.store(&self.store, &shard(), &self.env, Retry::default()).await {
                    Ok(written) => break written,
                    Err(error) if self.passes("store", &error) => {}
                    Err(_) => return,
                }
            };
            loop {
                match publish(&self.store, &shard(), &self.manifests, epoch, &written, next * 10).await {
                    Ok(_) => break,
                    Err(error) if self.passes("publish", &error) => self.env.clock.sleep(Duration::from_secs(2)).await,
                    Err(_) => return,
                }
            }
            next += 1;
            self.env.clock.sleep(AGE / 8).await;
        }
    }

    async fn compacts(self, epoch: u64) {
        let options = CompactOptions { min_inputs: 2, max_inputs: 4, data: small(), ..CompactOptions::default() };
        loop {
            self.env.clock.sleep(AGE / 9).await;
            match compact(&self.store, &shard(), &self.env, &self.manifests, epoch, &options).await {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if self.passes("compact", &error) => {}
                Err(_) => return,
            }
        }
    }

    async fn sweeps(self) {
        loop {
            self.env.clock.sleep(AGE / 4).await;
            if let Err(error) = sweep(&self.store, &shard(), &self.env, AGE).await
                && !self.passes("sweep", &error)
            {
                return;
            }
        }
    }

    /// Reads all there is, again and again.
    async fn reads(self) {
        loop {
            let began = self.env.clock.now();
            match self.read().await {
                Ok((manifest, contents)) => {
                    if contents != contents_of(self.seed, manifest.current_generation) {
                        let tables: Vec<u64> = manifest.sstables.iter().map(|table| table.generation).collect();
                        self.faults.put(format!("generations {tables:?} of version {} have other contents", manifest.version));
                    }
                }
                // Who reads for longer than the age may find its generations gone.
                Err(error) if error.kind() == ErrorKind::NotFound && self.env.clock.now() - began >= AGE => {}
                Err(error) => _ = self.passes("read", &error),
            }
            self.env.clock.sleep(AGE / 8).await;
        }
    }

    async fn read(&self) -> Result<(Manifest, BTreeMap<i64, String>)> {
        let Some(manifest) = self.manifests.latest().await? else {
            return Ok((Manifest { current_generation: 1, ..Manifest::default() }, BTreeMap::new()));
        };
        let mut seen: BTreeMap<i64, Option<String>> = BTreeMap::new();
        for table in manifest.sstables.iter().rev() {
            let generation = Generation::open(&self.store, &shard(), table).await?;
            let mut scan = generation.scan(ScanOptions { tombstones: true, ..ScanOptions::default() })?;
            while let Some(some) = scan.next().await? {
                for (id, text) in rows(&some.batch) {
                    seen.entry(id).or_insert(text);
                }
            }
        }
        Ok((manifest, seen.into_iter().filter_map(|(id, text)| Some((id, text?))).collect()))
    }
}

/// Runs the world of one seed; says what went wrong, and how many generations were merged and takeovers there were.
fn run(seed: u64) -> (Vec<String>, [u64; 2]) {
    let world = World::new(seed);
    let (sim, faults): (Sim, Mailbox<String>) = (world.sim.clone(), Mailbox::default());
    let random = sim.random().fork();
    sim.run(async { world.truth().make_dirs(&[&shard().manifest_dir()]).await.unwrap() });
    if !seed.is_multiple_of(4) {
        world.faults.chaos(Chaos::stormy(), random.fork());
    }
    sim.process().spawn(Machine::new(&world, &sim.process(), seed, &faults).reads());
    let mut owner = sim.process();
    owner.spawn(Machine::new(&world, &owner, seed, &faults).own());
    let mut takeovers = 0;
    for _ in 0..8 {
        sim.run_for(AGE.mul_f64(0.05 + random.below(100) as f64 / 400.0));
        let old = match random.below(4) {
            0 => continue,
            1 => {
                owner.kill();
                None
            }
            // It wakes up with its epoch gone, perhaps in the midst of a commit.
            2 => {
                owner.pause();
                Some(owner.clone())
            }
            _ => Some(owner.clone()),
        };
        takeovers += 1;
        owner = sim.process();
        owner.spawn(Machine::new(&world, &owner, seed, &faults).own());
        if let Some(old) = old {
            sim.run_for(AGE.mul_f64(random.below(30) as f64 / 10.0));
            old.resume();
        }
    }
    sim.run_for(AGE * 3);
    world.faults.heal();
    sim.run_for(AGE * 3);
    sim.run(async {
        world.faults.land_late_writes().await;
        // One more version, so that what is old enough can go.
        let manifests = ManifestStore::new(world.truth(), shard(), world.env(), ManifestOptions::default());
        owner.kill();
        let claimed = manifests.claim(0).await.unwrap();
        world.sim.clock().advance(AGE);
        manifests.claim(0).await.unwrap();
        sweep(&world.truth(), &shard(), &world.env(), AGE).await.unwrap();
        let manifest = world.manifest().await;
        let expect = |holds: bool, what: String| {
            if !holds {
                faults.put(what);
            }
        };
        expect(manifest.current_generation == LAST + 1, format!("{} generations", manifest.current_generation - 1));
        expect(claimed.replay_after_wal_entry_position == LAST * 10, "the log is not covered".to_owned());
        expect(world.contents().await == contents_of(seed, LAST + 1), "other contents in the end".to_owned());
        let mut named: Vec<String> = manifest.sstables.iter().map(|table| table.path.clone()).collect();
        named.sort();
        let there: Vec<String> =
            world.directories().await.into_keys().filter(|name| !name.ends_with(&format!("_gen_{}", LAST + 1))).collect();
        expect(there == named, format!("directories {there:?}, named {named:?}"));
        for table in &manifest.sstables {
            let verified = world.open(table).await.unwrap().verify().await;
            expect(verified.is_ok(), format!("{verified:?}"));
        }
        let merged = LAST - manifest.sstables.len() as u64;
        (faults.take_all(), [merged, takeovers])
    })
}

#[test]
fn nothing_is_lost_doubled_or_left_over() {
    let seeds = number("WEIR_SEEDS").unwrap_or(100);
    let mut totals = [0; 2];
    for seed in 0..seeds {
        let (faults, counts) = run(seed);
        assert!(faults.is_empty(), "seed {seed}: {faults:#?}");
        totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
    }
    // The test is worth its name only if all of this happened.
    assert!(totals[0] > 3 * seeds && totals[1] > 3 * seeds, "{totals:?} merges and takeovers");
}
