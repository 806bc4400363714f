//! A shard as it is at one moment, for a process that holds no claim: its generations, and the log's tail, which it replays itself.
//!
//! A [`Snapshot`] is a prefix of the log: it has the rows of every entry up to its [`cut`](Snapshot::cut), each once, and none of a later
//! one. A tailer that begins behind the cut continues it, without a gap and without an overlap. It is made of one version of the
//! manifest: what that covers is in the generations that it names, and what is behind its cursor is replayed up to the last entry that
//! there was when the tail was looked for. Nothing is written, and the shard's writer is not disturbed: generations that it
//! publishes meanwhile have rows that the tail has, and entries that it logs meanwhile are behind the cut.
//!
//! Generations are opened with the snapshot, so what cannot be read is known at once; their rows are read when they are asked for. A
//! shard's owner may trim entries and sweep generations meanwhile, once they are old enough. Where that is in the way of opening, the newest
//! manifest is read again and the snapshot begun anew. Afterwards a read is `NotFound`, and a new snapshot is to be taken.

use std::fmt;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use futures_util::future::try_join_all;

use super::replay::{ReplayRange, ReplayedTable, Rotate, replay};
use super::{GenerationHandle, GenerationList, View};
use crate::cache::Cache;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result, bail, err};
use crate::memtable::index::IndexDefinition;
use crate::memtable::key::KeySpec;
use crate::memtable::{Limits, MemTable, TOMBSTONE, TableSpec, Visibility, batch_store};
use crate::shard::ShardPath;
use crate::shard::manifest::{Manifest, ManifestOptions, ManifestStore};
use crate::store::Store;
use crate::wal::{TailerOptions, WalTailer, positions};

/// How often a snapshot is begun anew when what it was about to read went away.
const ATTEMPTS: usize = 8;
/// How many generations are opened at once.
const CONCURRENT: usize = 16;

/// How a shard is read.
#[derive(Debug, Clone)]
pub struct SnapshotOptions {
    /// The schema of the rows that are wanted, of which older rows are read as they would be by a writer with it. `None`: that of the newest
    /// entry of the tail, else that of the newest generation; columns that were not null may be nullable there.
    pub schema: Option<Schema>,
    /// The columns of the primary key. `None`: those that the schema marks or the newest generation has; none, if there are none.
    pub primary_key: Option<Vec<String>>,
    /// Secondary indexes to be made for the rows of the tail.
    pub indexes: Vec<IndexDefinition>,
    /// The most memory that the rows of the tail may take.
    pub max_bytes: u64,
    /// Whether the tail is read at all. Without it, a snapshot has what is in generations.
    pub wal: bool,
    /// Whether the tail's entries are read through the cache also from a local store, where reading them again is cheap.
    pub cache_local_entries: bool,
}

impl Default for SnapshotOptions {
    fn default() -> Self {
        Self { schema: None, primary_key: None, indexes: Vec::new(), max_bytes: 1 << 30, wal: true, cache_local_entries: false }
    }
}

/// See the module's documentation.
pub struct Snapshot {
    view: View,
    manifest: Manifest,
    cut: u64,
}

impl Snapshot {
    /// Reads the manifest and the tail of `shard`, and opens its generations. Blocks of generations are read through `cache`, if there is
    /// one, and so are entries, from a store where a read takes long, or if the options say so.
    ///
    /// # Errors
    /// `NotFound`: there is no such shard, or nothing in it that would tell a schema. `InvalidArgument`: options that make no sense, or no
    /// primary key where rows were deleted by one. `SchemaMismatch`, `InvalidData`: rows that cannot be read under the schema.
    /// `Backpressure`: the tail takes more than `max_bytes`. `Unsupported`: generations that are not weir's. `Trimmed`, `Corruption`; the
    /// store's.
    pub async fn open(store: Store, shard: ShardPath, env: Env, cache: Option<&Cache>, options: SnapshotOptions) -> Result<Arc<Self>> {
        let manifests = ManifestStore::new(store.clone(), shard.clone(), env.clone(), ManifestOptions::default());
        let manifests = match cache {
            Some(cache) => manifests.with_cache(cache),
            None => manifests,
        };
        let opening = Opening { store, shard, env, cache, options };
        let mut manifest = opening.latest(&manifests).await?;
        for _ in 1..ATTEMPTS {
            let error = match opening.read(manifest.clone()).await {
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Trimmed) => error,
                done => return done.map(Arc::new),
            };
            let newer = opening.latest(&manifests).await?;
            if newer.version == manifest.version {
                return Err(error);
            }
            manifest = newer;
        }
        opening.read(manifest).await.map(Arc::new)
    }

    /// The rows: to be scanned, and got by key.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The last position of the log that is in the snapshot: a tailer from the next one on continues it. 0: nothing is.
    #[must_use]
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// The manifest that it was made of.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The schema of the rows.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        self.view.spec().schema()
    }

    /// The memory that rows of the tail and open generations take.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let tables: u64 = self.view.tables().iter().map(|table| table.table().memory_bytes()).sum();
        tables + self.view.generations().resident_bytes()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("manifest", &self.manifest.version).field("cut", &self.cut).finish_non_exhaustive()
    }
}

/// What is known before the manifest is.
struct Opening<'c> {
    store: Store,
    shard: ShardPath,
    env: Env,
    cache: Option<&'c Cache>,
    options: SnapshotOptions,
}

impl Opening<'_> {
    async fn latest(&self, manifests: &ManifestStore) -> Result<Manifest> {
        let manifest = manifests.latest().await?;
        manifest.ok_or_else(|| err!(NotFound, "there is no shard {} at {}", self.shard.id(), self.store.url()))
    }

    async fn read(&self, manifest: Manifest) -> Result<Snapshot> {
        let after = manifest.replay_after_wal_entry_position;
        let tailer = self.tailer(after)?;
        let tip = match self.options.wal {
            // Looked for after the manifest was read: what that does not cover, and was there, is in the tail.
            true => self.tip(&tailer, after).await?,
            false => after,
        };
        let generations = self.generations(&manifest).await?;
        let spec = self.spec(&generations, &tailer, after, tip).await?;
        for handle in generations.iter() {
            handle.evolution(handle.open().await?, &spec)?;
        }
        let current_generation = manifest.current_generation;
        let cut = match self.options.wal {
            true => tip,
            false => published_up_to(&tailer, after, current_generation).await?,
        };
        let mut tail = Tail { max_bytes: self.options.max_bytes, ended: Vec::new(), bytes: 0 };
        let range = ReplayRange { after, end: Some(tip + 1), epoch: None, current_generation };
        let last = replay(&tailer, &spec, Visibility::Durable, range, &mut tail).await?.last;
        last.iter().for_each(|last| last.table.freeze());
        let tables = last.iter().chain(tail.ended.iter().rev()).map(|one| one.table.snapshot()).collect();
        Ok(Snapshot { view: View::new(spec, tables, Arc::new(GenerationList::new(generations))), manifest, cut })
    }

    /// The last position of the log.
    async fn tip(&self, tailer: &WalTailer, after: u64) -> Result<u64> {
        let next = tailer.next_position().await?.max(after.saturating_add(1));
        // A hole ends the search for the tip as the end of the log does. There may be a later entry by now, but not without this one.
        if positions::exists(&self.store, &self.shard, next.saturating_add(1)).await?
            && !positions::exists(&self.store, &self.shard, next).await?
        {
            return Err(err!(
                Corruption,
                "there is no entry at position {next} of shard {} at {}, but there are later ones",
                self.shard.id(),
                self.store.url()
            )
            .with_u64("position", next));
        }
        Ok(next - 1)
    }

    fn tailer(&self, after: u64) -> Result<WalTailer> {
        let options = TailerOptions { from: after.saturating_add(1), ..TailerOptions::default() };
        let tailer = WalTailer::open(self.store.clone(), self.shard.clone(), options, self.env.clone())?;
        Ok(match self.cache.filter(|_| self.options.cache_local_entries || !self.store.is_blocking()) {
            Some(cache) => tailer.with_cache(cache),
            None => tailer,
        })
    }

    /// The generations of the manifest, opened.
    async fn generations(&self, manifest: &Manifest) -> Result<Vec<Arc<GenerationHandle>>> {
        let handle = |table| GenerationHandle::new(self.store.clone(), self.shard.clone(), table, self.cache.cloned());
        let handles: Vec<_> = manifest.sstables.iter().cloned().map(handle).collect();
        for some in handles.chunks(CONCURRENT) {
            try_join_all(some.iter().map(|handle| handle.open())).await?;
        }
        Ok(handles)
    }

    /// What the rows have in common.
    async fn spec(&self, generations: &[Arc<GenerationHandle>], tailer: &WalTailer, after: u64, tip: u64) -> Result<Arc<TableSpec>> {
        let newest = generations.iter().max_by_key(|handle| handle.generation());
        let newest = match newest {
            Some(handle) => Some(handle.open().await?),
            None => None,
        };
        let stored = match &self.options.schema {
            Some(schema) => Arc::new(schema.clone()),
            None => match newest_schema(tailer, after, tip).await? {
                Some(schema) => schema,
                None => newest.map(|generation| Arc::clone(generation.schema())).ok_or_else(|| self.no_schema())?,
            },
        };
        let (schema, deletions) = without_tombstones(&stored);
        let of_generation = newest.and_then(|generation| key_names(generation.key()?, &schema));
        let key = match (&self.options.primary_key, &self.options.schema) {
            (Some(names), _) => Some(names.clone()),
            // What a caller's schema marks is what the caller wants; what a stored one marks was the key, unless options said otherwise.
            (None, Some(_)) => marked(&schema)?.or(of_generation),
            (None, None) => of_generation.map_or_else(|| marked(&schema), |names| Ok(Some(names)))?,
        };
        if key.is_none() && deletions {
            bail!(
                InvalidArgument,
                "the rows of shard {} were put and deleted by a primary key that the log does not name: name its columns",
                self.shard.id()
            );
        }
        // Tables are not ended at limits here; the tail as a whole has one.
        let limits = Limits { max_bytes: u64::MAX >> 1, max_rows: batch_store::MAX_ROWS, max_batches: u64::from(u32::MAX) };
        TableSpec::new(&schema, key.as_deref(), &self.options.indexes, limits)
    }

    fn no_schema(&self) -> Error {
        err!(
            NotFound,
            "neither a generation nor the log's tail of shard {} at {} has rows, so the schema is not known: name one",
            self.shard.id(),
            self.store.url()
        )
    }
}

/// The schema of the newest entry behind `after`, up to `tip`, that has rows.
async fn newest_schema(tailer: &WalTailer, after: u64, tip: u64) -> Result<Option<SchemaRef>> {
    for position in (after + 1..=tip).rev() {
        let entry = tailer.read(position).await?;
        if !entry.is_sentinel {
            return Ok(Some(entry.schema));
        }
    }
    Ok(None)
}

/// The last position behind the cursor `after` before which all rows are in generations: a cursor may trail (PITFALLS C4).
async fn published_up_to(tailer: &WalTailer, after: u64, current_generation: u64) -> Result<u64> {
    let mut covered = after;
    while let Some(entry) = tailer.next().await? {
        let published = entry.generation.is_some_and(|generation| generation < current_generation);
        if !published && !entry.is_sentinel {
            break;
        }
        covered = entry.position;
    }
    Ok(covered)
}

/// A stored schema as it was put, and whether there are deletions.
fn without_tombstones(stored: &Schema) -> (Schema, bool) {
    let fields: Vec<_> = stored.fields().iter().filter(|field| field.name() != TOMBSTONE).cloned().collect();
    let deletions = fields.len() < stored.fields().len();
    (Schema::new_with_metadata(fields, stored.metadata().clone()), deletions)
}

fn marked(schema: &Schema) -> Result<Option<Vec<String>>> {
    Ok(KeySpec::resolve(schema, None)?.map(|key| key.columns().iter().map(|column| column.name().to_owned()).collect()))
}

/// The names of a key's columns, if `schema` has all of them.
fn key_names(key: &KeySpec, schema: &Schema) -> Option<Vec<String>> {
    let known = |name: &str| schema.fields().iter().any(|field| field.name() == name);
    key.columns().iter().map(|column| known(column.name()).then(|| column.name().to_owned())).collect()
}

/// The tail's tables, but for the last.
struct Tail {
    max_bytes: u64,
    ended: Vec<ReplayedTable>,
    /// What these take.
    bytes: u64,
}

impl Rotate for &mut Tail {
    async fn rotate(&mut self, table: ReplayedTable) -> Result<()> {
        self.bytes += table.table.memory_bytes();
        self.ended.push(table);
        Ok(())
    }

    fn grown(&mut self, table: &MemTable) -> Result<()> {
        let bytes = self.bytes + table.memory_bytes();
        if bytes > self.max_bytes {
            return Err(err!(
                Backpressure,
                "the rows behind the last generation take more than {} bytes in memory: allow for more, or wait until the shard's writer has \
                 flushed them",
                self.max_bytes
            )
            .with_u64("requested", bytes)
            .with_u64("max", self.max_bytes));
        }
        Ok(())
    }
}
