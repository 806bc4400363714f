//! What the tests of the log share: a shard on a fault store under simulated time, its batches, and the truth on storage.
#![allow(dead_code, unused_imports, reason = "each test uses a part of it")]

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use weir::env::{self, BoxFuture, Env, Retry, Spawn};
use weir::error::{Error, ErrorKind, Result};
use weir::shard::manifest::{Manifest, ManifestOptions, ManifestStore};
use weir::shard::{ShardPath, layout};
use weir::store::memory::MemoryBackend;
use weir::store::{Backend, Created, Object, ObjectInfo, Store};
use weir::wal::entry::{BatchEncoder, Compression, EncodedEntry, Entry, EntryId, SchemaCache, assemble, decode, sentinel};
use weir::wal::{AppenderOptions, TailerOptions, WalAppender, WalTailer, positions};
use weir::writer::{Ack, Callback, ShardWriter, WriterConfig};

use crate::support::{FaultStore, SeededRandom, Sim, SimClock, now};

pub const SHARD: &str = "00000000-0000-4000-8000-00000000000a";
pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(24 * 3600);

pub fn shard() -> ShardPath {
    ShardPath::new(SHARD).unwrap()
}

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("text", DataType::Utf8, true)]))
}

/// One row for each id.
pub fn batch(ids: Range<i64>) -> RecordBatch {
    let texts: StringArray = ids.clone().map(|id| (id % 3 != 0).then(|| format!("row {id}"))).collect();
    RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from_iter_values(ids)) as ArrayRef, Arc::new(texts)]).unwrap()
}

pub fn ids(batches: &[RecordBatch]) -> Vec<i64> {
    batches.iter().flat_map(|batch| batch["id"].as_primitive::<Int64Type>().values().to_vec()).collect()
}

/// An entry as some writer of `epoch` would make it.
pub fn foreign(epoch: u64, generation: Option<u64>, rows: Range<i64>) -> EncodedEntry {
    let encoder = BatchEncoder::new(&schema(), Compression::None).unwrap();
    let encoded = encoder.encode(&batch(rows.clone())).unwrap();
    let id = EntryId((u128::from(epoch) << 64 | rows.start as u128 | 1 << 127).to_be_bytes());
    assemble(&encoder.preamble(epoch, generation).unwrap(), [&encoded], id)
}

/// What a line of the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub position: u64,
    pub epoch: u64,
    pub sentinel: bool,
    pub ids: Vec<i64>,
}

pub fn line(entry: &Entry) -> Line {
    Line { position: entry.position, epoch: entry.epoch, sentinel: entry.is_sentinel, ids: ids(&entry.batches) }
}

/// A line of rows.
pub fn rows(position: u64, epoch: u64, ids: Range<i64>) -> Line {
    Line { position, epoch, sentinel: false, ids: ids.collect() }
}

/// A sentinel's line.
pub fn fence(position: u64, epoch: u64) -> Line {
    Line { position, epoch, sentinel: true, ids: Vec::new() }
}

pub fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// A machine, a store that fails on demand, one shard.
pub struct World {
    pub sim: Sim,
    pub faults: FaultStore,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let sim = Sim::new(seed);
        let faults = FaultStore::new(Arc::new(MemoryBackend::new(Arc::new(sim.clock()))), Arc::new(sim.clock()));
        Self { sim, faults }
    }

    /// A store that answers on the polling thread, so that waiting callers do the writing.
    pub fn blocking() -> Self {
        let world = Self::new(0);
        Self { faults: world.faults.clone().blocking(), sim: world.sim }
    }

    /// An environment of real threads and this world's time.
    pub fn threads(&self) -> Env {
        thread_env(&self.sim.clock())
    }

    /// A writer whose background work runs on threads.
    pub fn threaded_writer(&self, config: WriterConfig) -> Arc<ShardWriter> {
        Arc::new(env::block_on(ShardWriter::open(self.store(), shard(), &schema(), config, self.threads())).unwrap())
    }

    /// A handle as another process has it: no news pass between two of these.
    pub fn store(&self) -> Store {
        Store::new("memory://test", Arc::new(self.faults.clone()))
    }

    /// A handle that meets no faults and is not logged.
    pub fn truth(&self) -> Store {
        Store::new("memory://truth", self.faults.inner())
    }

    pub async fn appender(&self) -> Result<WalAppender> {
        self.appender_on(self.store(), AppenderOptions::default()).await
    }

    pub async fn appender_on(&self, store: Store, options: AppenderOptions) -> Result<WalAppender> {
        WalAppender::open(store, shard(), &schema(), options, self.sim.env()).await
    }

    pub async fn writer(&self, config: WriterConfig) -> Result<ShardWriter> {
        self.writer_on(self.store(), config).await
    }

    pub async fn writer_on(&self, store: Store, config: WriterConfig) -> Result<ShardWriter> {
        ShardWriter::open(store, shard(), &schema(), config, self.sim.env()).await
    }

    pub fn tailer(&self, options: TailerOptions) -> WalTailer {
        self.tailer_on(self.store(), options)
    }

    pub fn tailer_on(&self, store: Store, options: TailerOptions) -> WalTailer {
        WalTailer::open(store, shard(), options, self.sim.env()).unwrap()
    }

    pub fn manifests(&self) -> ManifestStore {
        ManifestStore::new(self.store(), shard(), self.sim.env(), ManifestOptions::default())
    }

    /// Puts an object there, whatever anybody thinks of it.
    pub fn plant(&self, path: &str, body: impl Into<Bytes>) {
        now(self.truth().put(path, body.into())).unwrap();
    }

    pub fn plant_entry(&self, position: u64, entry: &EncodedEntry) {
        self.plant(&shard().entry(position), entry.parts.concat());
    }

    pub fn delete(&self, path: &str) {
        now(self.truth().delete(path)).unwrap();
    }

    pub fn has(&self, path: &str) -> bool {
        now(self.truth().head(path)).unwrap().is_some()
    }

    /// Every entry on storage, by position; each must be whole.
    pub fn log(&self) -> Vec<Line> {
        let store = self.truth();
        let mut cache = SchemaCache::default();
        let read = |position| {
            let bytes = now(store.read(&shard().entry(position))).unwrap().unwrap();
            line(&decode("truth", position, bytes, &mut cache).unwrap())
        };
        now(positions::listed(&store, &shard())).unwrap().into_iter().map(read).collect()
    }

    /// [`Self::log`], which must be dense from position 1.
    pub fn dense_log(&self) -> Vec<Line> {
        let log = self.log();
        let positions: Vec<u64> = log.iter().map(|line| line.position).collect();
        assert_eq!(positions, (1..=log.len() as u64).collect::<Vec<_>>(), "positions are not dense");
        log
    }

    /// All manifest versions on storage.
    pub fn versions(&self) -> Vec<u64> {
        let objects = now(self.truth().list(&shard().manifest_dir())).unwrap();
        let versions: BTreeSet<u64> = objects.iter().filter_map(|object| layout::parse_manifest(&object.name)).collect();
        versions.into_iter().collect()
    }

    /// The newest manifest on storage, as a reader without history finds it.
    pub fn manifest(&self) -> Manifest {
        let manifests = ManifestStore::new(self.truth(), shard(), self.sim.env(), ManifestOptions::default());
        now(manifests.latest()).unwrap().unwrap()
    }
}

/// Runs each background task on a thread of its own.
#[derive(Debug)]
pub struct ThreadSpawn;

impl Spawn for ThreadSpawn {
    fn spawn(&self, task: BoxFuture<'static, ()>, _blocking: bool) {
        std::thread::spawn(move || env::block_on(task));
    }
}

/// Real threads, and time that passes only when told to.
pub fn thread_env(clock: &SimClock) -> Env {
    Env { clock: Arc::new(clock.clone()), random: Arc::new(SeededRandom::new(7)), spawn: Arc::new(ThreadSpawn) }
}

/// Waits until `condition` holds, which some other thread brings about.
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain until {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// The bytes of a batch in an entry, which is what the limits count.
pub fn encoded_len(batch: &RecordBatch) -> u64 {
    BatchEncoder::new(&schema(), Compression::None).unwrap().encode(batch).unwrap().len() as u64
}

/// Retries without pauses, for tests whose time stands still.
pub const AT_ONCE: Retry = Retry { max_retries: 3, base_delay: Duration::ZERO };

/// The outcomes of callbacks, in the order of their coming.
#[derive(Clone, Default)]
pub struct Outcomes(Arc<Mutex<Vec<Named>>>);

type Named = (String, Result<Ack>);

impl Outcomes {
    /// A callback that records its outcome under `name`.
    pub fn record(&self, name: impl Into<String>) -> Callback {
        let (outcomes, name) = (self.clone(), name.into());
        Box::new(move |outcome| outcomes.0.lock().unwrap().push((name, outcome)))
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub fn take(&self) -> Vec<(String, Result<Ack>)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// The only outcome.
    pub fn only(&self) -> Result<Ack> {
        let mut all = self.take();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0).1
    }
}

type ListHook = Box<dyn Fn(Vec<ObjectInfo>) -> Vec<ObjectInfo> + Send + Sync>;

type OnPath = Box<dyn Fn(&str) + Send + Sync>;

/// A backend whose listings, bodies and creates a test may change or observe.
#[derive(Default)]
pub struct Hooks {
    pub list: Option<ListHook>,
    /// Called with the size of each body that was fetched.
    pub body: Option<Box<dyn Fn(u64) + Send + Sync>>,
    /// Called before each create.
    pub create: Option<OnPath>,
    /// Creates replace what is there, as on some servers.
    pub overwrites: bool,
}

#[derive(Clone)]
pub struct Hooked(Arc<dyn Backend>, Arc<Hooks>);

impl Hooked {
    pub fn store(inner: impl Backend + 'static, hooks: Hooks) -> Store {
        Store::new("memory://hooked", Arc::new(Self(Arc::new(inner), Arc::new(hooks))))
    }
}

impl std::fmt::Debug for Hooked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hooked({:?})", self.0)
    }
}

impl Backend for Hooked {
    fn create<'a>(&'a self, path: &'a str, body: &'a [Bytes]) -> BoxFuture<'a, Result<Created>> {
        Box::pin(async move {
            if let Some(hook) = &self.1.create {
                hook(path);
            }
            if self.1.overwrites {
                self.0.put(path, body.concat().into()).await?;
                return Ok(Created::Done);
            }
            self.0.create(path, body).await
        })
    }

    fn put<'a>(&'a self, path: &'a str, body: Bytes) -> BoxFuture<'a, Result<()>> {
        self.0.put(path, body)
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Object>>> {
        Box::pin(async move {
            let Some(Object { size, tag, body }) = self.0.get(path).await? else { return Ok(None) };
            let hooks = self.1.clone();
            let body = async move {
                let bytes = body.await?;
                if let Some(hook) = &hooks.body {
                    hook(bytes.len() as u64);
                }
                Ok(bytes)
            };
            Ok(Some(Object { size, tag, body: Box::pin(body) }))
        })
    }

    fn head<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>>> {
        self.0.head(path)
    }

    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>>> {
        Box::pin(async move {
            let objects = self.0.list(dir).await?;
            Ok(match &self.1.list {
                Some(hook) => hook(objects),
                None => objects,
            })
        })
    }

    fn list_dirs<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<String>>> {
        self.0.list_dirs(dir)
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        self.0.delete(path)
    }

    fn make_dirs<'a>(&'a self, dirs: &'a [&'a str]) -> BoxFuture<'a, Result<()>> {
        self.0.make_dirs(dirs)
    }

    fn is_blocking(&self) -> bool {
        self.0.is_blocking()
    }

    fn keeps_create_if_absent(&self) -> bool {
        !self.1.overwrites && self.0.keeps_create_if_absent()
    }
}

/// A log of `count` entries of one row each, in a world of its own.
pub async fn log_of(world: &World, count: i64) {
    let writer = world.appender().await.unwrap();
    for n in 0..count {
        writer.append(&[batch(n..n + 1)]).await.unwrap();
    }
}

/// Everything up to the end of the log.
pub async fn drain(tailer: &WalTailer) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    while let Some(entry) = tailer.next().await? {
        lines.push(line(&entry));
    }
    Ok(lines)
}

/// One whose store answers later, and one whose store answers on the calling thread.
pub fn worlds() -> [World; 2] {
    [World::new(1), World::blocking()]
}
