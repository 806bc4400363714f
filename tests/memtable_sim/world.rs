//! What really happened in one simulated run: every entry and manifest at the moment it landed on the store, and what the shard contained
//! after it. What may never happen on a store is noted as a violation right there.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message;
use weir::env::{BoxFuture, Clock};
use weir::error::Result;
use weir::generation::{INDEX, parse_directory};
use weir::shard::ShardPath;
use weir::shard::layout::{parse_entry, parse_manifest};
use weir::shard::manifest::Manifest;
use weir::store::memory::MemoryBackend;
use weir::store::{Backend, Created, Object, ObjectInfo, Part, Store};
use weir::wal::entry::{SchemaCache, decode};

use super::model::{Columns, Contents, Op, Rules, operations};
use crate::support::Op as StoreOp;
use crate::support::{Chaos, Fault, FaultStore, SeededRandom, Sim};

/// The age below which nothing is removed: simulated operations take seconds.
pub const AGE: Duration = Duration::from_secs(3600);

/// A deliberate fault, put in from the outside, which the run must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// Now and then an entry is acknowledged and not there.
    LoseEntry,
    /// A manifest's cursor is one entry further than its generations.
    CursorAhead,
    /// A manifest's cursor stays behind, and so does the generation: what was flushed is replayed.
    FlushTwice,
    /// Published generations change places.
    Reorder,
}

pub fn shard() -> ShardPath {
    ShardPath::new("00000000-0000-4000-8000-000000000006").unwrap()
}

/// An entry that landed.
pub struct Landed {
    pub epoch: u64,
    pub sentinel: bool,
    pub generation: Option<u64>,
    pub deleted: bool,
    /// What the shard contains up to here.
    pub contents: Arc<Contents>,
}

/// One writer's puts, by its epoch.
#[derive(Default)]
pub struct Puts {
    pub columns: Option<Arc<Columns>>,
    /// What was in the log before its first entry.
    pub base: Arc<Contents>,
    /// What each put does, and what the shard contains with it and all before it.
    pub admitted: Vec<(Arc<Vec<Op>>, Arc<Contents>)>,
    /// The positions of those that are in the log: the first so many.
    pub positions: Vec<u64>,
}

impl Puts {
    /// What the shard contains with the first `count` puts.
    pub fn after(&self, count: usize) -> Arc<Contents> {
        if count == 0 { Arc::clone(&self.base) } else { Arc::clone(&self.admitted[count - 1].1) }
    }
}

#[derive(Default)]
pub struct Truth {
    pub violations: Vec<String>,
    pub log: BTreeMap<u64, Landed>,
    pub lives: BTreeMap<u64, Puts>,
    pub manifest: Manifest,
    /// Directories whose index is there.
    complete: std::collections::BTreeSet<String>,
    pub counts: BTreeMap<&'static str, u64>,
    /// The last things that happened.
    events: std::collections::VecDeque<String>,
}

impl Truth {
    pub fn newest(&self) -> u64 {
        self.log.last_key_value().map_or(0, |(position, _)| *position)
    }

    pub fn contents(&self, position: u64) -> Arc<Contents> {
        self.log.get(&position).map_or_else(Arc::default, |landed| Arc::clone(&landed.contents))
    }

    fn violate(&mut self, what: String) {
        self.violations.push(what);
    }
}

pub struct World {
    pub seed: u64,
    pub sim: Sim,
    pub chance: SeededRandom,
    pub rules: Rules,
    /// How many ids there are.
    pub ids: u64,
    /// The size of large texts.
    pub fat: Option<u64>,
    pub faults: FaultStore,
    /// What goes wrong in bad weather.
    pub weather: Option<Chaos>,
    truth: Arc<Mutex<Truth>>,
    disturbed: std::sync::atomic::AtomicBool,
    trace: bool,
}

impl World {
    pub fn new(seed: u64, mutation: Option<Mutation>, trace: bool) -> Self {
        let sim = Sim::new(seed);
        let chance = SeededRandom::new(seed ^ 0x6d65_6d74_6162_6c65);
        let keys: [&[u32]; 6] = [&[], &[1], &[1], &[1], &[2, 1], &[2]];
        let key = *chance.pick(&keys);
        let rules = Rules { key: key.to_vec(), marked: chance.chance(500), ids: chance.chance(600) };
        let truth: Arc<Mutex<Truth>> = Arc::default();
        let observer = Observer {
            inner: MemoryBackend::new(Arc::new(sim.clock())),
            truth: Arc::clone(&truth),
            rules: rules.clone(),
            mutation: mutation.map(|mutation| (mutation, chance.fork())),
        };
        let faults = FaultStore::new(Arc::new(observer), Arc::new(sim.clock()));
        let weather = match chance.below(4) {
            0 => None,
            1 => Some(Chaos { error_before: 5, error_after: 5, delay: 100, longest_delay: Duration::from_secs(1), ..Chaos::default() }),
            _ => Some(Chaos::stormy()),
        };
        let ids = *chance.pick(&[4, 12, 40]);
        let fat = chance.chance(150).then(|| 50 + chance.below(500));
        Self { seed, sim, chance, rules, ids, fat, faults, weather, truth, disturbed: false.into(), trace }
    }

    pub fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn count(&self, what: &'static str, by: u64) {
        *self.truth().counts.entry(what).or_default() += by;
    }

    pub fn now(&self) -> Duration {
        self.sim.clock().now()
    }

    pub async fn sleep(&self, duration: Duration) {
        self.sim.clock().sleep(duration).await;
    }

    /// Remembers what happens for a failure's report, and prints it when one seed is looked at.
    pub fn event(&self, what: impl FnOnce() -> String) {
        let what = format!("{:>12.6} {}", self.now().as_secs_f64(), what());
        if self.trace {
            println!("{what}");
        }
        let mut truth = self.truth();
        truth.events.push_back(what);
        if truth.events.len() > 25 {
            truth.events.pop_front();
        }
    }

    pub fn last_events(&self) -> String {
        self.truth().events.iter().map(|event| format!("\n{event}")).collect()
    }

    /// Fails the run if something happened on the store that must not.
    pub fn check(&self) {
        let violation = self.truth().violations.first().cloned();
        if let Some(violation) = violation {
            panic!("{violation}");
        }
    }

    /// The store as process `name` has it.
    pub fn store(&self, name: &str) -> Store {
        Store::new(format!("sim://{}/{name}", self.seed), Arc::new(self.faults.clone()))
    }

    /// The next `times` operations on paths with `place` in them meet `fault`.
    pub fn set_fault(&self, op: StoreOp, place: &str, times: u64, fault: Fault) {
        self.disturbed.store(true, std::sync::atomic::Ordering::Relaxed);
        self.faults.on_next(op, place, times, fault);
    }

    pub fn faults_were_set(&self) -> bool {
        self.disturbed.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// A handle that meets no faults.
    pub fn calm_store(&self) -> Store {
        Store::new(format!("sim://{}/calm", self.seed), self.faults.inner())
    }
}

/// The objects, with an eye on what lands and leaves.
struct Observer {
    inner: MemoryBackend,
    truth: Arc<Mutex<Truth>>,
    rules: Rules,
    mutation: Option<(Mutation, SeededRandom)>,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The directory of a generation that the object is in.
fn directory(path: &str) -> Option<&str> {
    let (dir, _) = path.rsplit_once('/')?;
    parse_directory(name(dir)).map(|_| name(dir))
}

fn join(body: &[Bytes]) -> Bytes {
    let mut whole = BytesMut::new();
    body.iter().for_each(|part| whole.extend_from_slice(part));
    whole.freeze()
}

impl Observer {
    fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mutated(&self, mutation: Mutation, per_mille: u64) -> bool {
        self.mutation.as_ref().is_some_and(|(what, chance)| *what == mutation && chance.chance(per_mille))
    }

    /// The manifest as it is stored: as it is, or as a mutation has it.
    fn mutate(&self, path: &str, body: &[Bytes]) -> Option<Bytes> {
        parse_manifest(name(path))?;
        let mut manifest = Manifest::decode(join(body)).ok()?;
        if self.mutated(Mutation::CursorAhead, 200) && !manifest.sstables.is_empty() {
            manifest.replay_after_wal_entry_position += 1;
        } else if self.mutated(Mutation::FlushTwice, 300) && !manifest.sstables.is_empty() {
            manifest.replay_after_wal_entry_position = self.truth().manifest.replay_after_wal_entry_position;
            manifest.current_generation = self.truth().manifest.current_generation;
        } else if self.mutated(Mutation::Reorder, 300) && manifest.sstables.len() > 1 {
            manifest.sstables.swap(0, 1);
        } else {
            return None;
        }
        // Without a commit id, and so without a checksum, as Lance writes them.
        manifest.commit_id = Bytes::new();
        Some(manifest.encode_to_vec().into())
    }

    fn entry_landed(&self, position: u64, bytes: Bytes) {
        let mut truth = self.truth();
        let entry = match decode("landed", position, bytes, &mut SchemaCache::default()) {
            Ok(entry) => entry,
            Err(error) => return truth.violate(format!("entry {position} is damaged: {error}")),
        };
        let newest = truth.newest();
        if position != newest + 1 {
            truth.violate(format!("entry {position} landed when the newest was {newest}"));
        }
        if truth.log.get(&newest).is_some_and(|before| before.epoch > entry.epoch) {
            truth.violate(format!("entry {position} of epoch {} landed behind a later writer's", entry.epoch));
        }
        let before = truth.contents(newest);
        let puts = truth.lives.entry(entry.epoch).or_default();
        let contents = if entry.is_sentinel {
            puts.base = Arc::clone(&before);
            before
        } else {
            let at = puts.positions.len();
            let mut wrong = None;
            for (number, batch) in (at..).zip(&entry.batches) {
                let Some((columns, (put, _))) = puts.columns.as_ref().zip(puts.admitted.get(number)) else {
                    wrong = Some(format!("entry {position} of epoch {} has a batch that nobody put", entry.epoch));
                    break;
                };
                let logged = operations(batch, columns, &self.rules);
                if logged != **put {
                    wrong = Some(format!("entry {position} has {logged:?} for put {number} of epoch {}: {put:?}", entry.epoch));
                }
                puts.positions.push(position);
            }
            let contents = puts.after(puts.positions.len());
            if let Some(wrong) = wrong {
                truth.violate(wrong);
            }
            contents
        };
        let landed = Landed { epoch: entry.epoch, sentinel: entry.is_sentinel, generation: entry.generation, deleted: false, contents };
        truth.log.insert(position, landed);
    }

    fn manifest_landed(&self, bytes: Bytes) {
        let mut truth = self.truth();
        let manifest = match Manifest::decode(bytes) {
            Ok(manifest) => manifest,
            Err(error) => return truth.violate(format!("a manifest is damaged: {error}")),
        };
        if self.mutation.is_some() {
            truth.manifest = manifest;
            return;
        }
        let (version, before) = (manifest.version, &truth.manifest);
        let (cursor, current) = (manifest.replay_after_wal_entry_position, manifest.current_generation);
        let mut wrong = Vec::new();
        if version != before.version + 1 || manifest.writer_epoch < before.writer_epoch {
            wrong.push(format!("manifest {version} follows {}, epoch {} {}", before.version, manifest.writer_epoch, before.writer_epoch));
        }
        if cursor < before.replay_after_wal_entry_position || current < before.current_generation {
            wrong.push(format!("manifest {version} goes back to cursor {cursor}, generation {current}"));
        }
        // PITFALLS G1: published in order, none left out, each once.
        let numbers: Vec<u64> = manifest.sstables.iter().map(|table| table.generation).collect();
        if !numbers.is_sorted_by(|a, b| a < b) || numbers.last().is_some_and(|last| *last >= current) {
            wrong.push(format!("manifest {version} has generations {numbers:?} and fills {current}"));
        }
        // PITFALLS G6
        for table in manifest.sstables.iter().filter(|table| !truth.complete.contains(&table.path)) {
            wrong.push(format!("manifest {version} has {}, which is not complete", table.path));
        }
        // PITFALLS C4: what a published generation has is covered by the cursor, and nothing else is.
        for (position, landed) in &truth.log {
            if landed.generation.is_some_and(|generation| (generation < current) != (*position <= cursor)) {
                let generation = landed.generation;
                wrong.push(format!(
                    "manifest {version}: cursor {cursor}, fills {current}; entry {position} is of generation {generation:?}"
                ));
            }
        }
        truth.manifest = manifest;
        truth.violations.extend(wrong);
    }

    fn deleted(&self, path: &str) {
        let mut truth = self.truth();
        if let Some(position) = parse_entry(name(path)) {
            let cursor = truth.manifest.replay_after_wal_entry_position;
            if position > cursor {
                truth.violate(format!("entry {position} was trimmed, the cursor is at {cursor}"));
            }
            if let Some(landed) = truth.log.get_mut(&position) {
                landed.deleted = true;
            }
        } else if let Some(dir) = directory(path) {
            if truth.manifest.sstables.iter().any(|table| table.path == dir) {
                truth.violate(format!("{path} was removed, and the manifest names it"));
            }
            truth.complete.remove(dir);
        }
    }
}

impl Backend for Observer {
    fn create<'a>(&'a self, path: &'a str, body: &'a [Bytes]) -> BoxFuture<'a, Result<Created>> {
        Box::pin(async move {
            let entry = parse_entry(name(path));
            if entry.is_some() && self.inner.head(path).await?.is_none() && self.mutated(Mutation::LoseEntry, 20) {
                return Ok(Created::Done);
            }
            let mutated = self.mutate(path, body).map(|bytes| vec![bytes]);
            let body = mutated.as_deref().unwrap_or(body);
            if self.inner.create(path, body).await? == Created::Exists {
                return Ok(Created::Exists);
            }
            if let Some(position) = entry {
                self.entry_landed(position, join(body));
            } else if parse_manifest(name(path)).is_some() {
                self.manifest_landed(join(body));
            } else if let Some(dir) = directory(path).filter(|_| name(path) == INDEX) {
                self.truth().complete.insert(dir.to_owned());
            }
            Ok(Created::Done)
        })
    }

    fn put<'a>(&'a self, path: &'a str, body: Bytes) -> BoxFuture<'a, Result<()>> {
        if !path.ends_with("/version_hint.json") {
            self.truth().violate(format!("a plain put of {path}"));
        }
        self.inner.put(path, body)
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Object>>> {
        self.inner.get(path)
    }

    fn get_range<'a>(&'a self, path: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Part>>> {
        self.inner.get_range(path, range)
    }

    fn head<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>>> {
        self.inner.head(path)
    }

    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>>> {
        self.inner.list(dir)
    }

    fn list_dirs<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<String>>> {
        self.inner.list_dirs(dir)
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.deleted(path);
            self.inner.delete(path).await
        })
    }

    fn make_dirs<'a>(&'a self, dirs: &'a [&'a str]) -> BoxFuture<'a, Result<()>> {
        self.inner.make_dirs(dirs)
    }

    fn is_blocking(&self) -> bool {
        false
    }

    fn sweep<'a>(&'a self, dir: &'a str, older_than: Duration) -> BoxFuture<'a, Result<u64>> {
        self.inner.sweep(dir, older_than)
    }

    fn remove_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<()>> {
        self.inner.remove_dir(dir)
    }

    fn keeps_create_if_absent(&self) -> bool {
        true
    }
}
