//! Decoded entries that the tailers of a process share through a cache, so that each is read and decoded once.
//!
//! An entry is known by the store's identity, the shard's id and its position, and never changes there: it is created once, and the
//! trim age sees to it that its slot is not filled again (PITFALLS D6). What the log itself cannot rule out is that somebody deletes a
//! whole shard and makes it again under the same id. Therefore:
//!
//! * a claim that makes a shard anew forgets what was cached of that shard ([`forget`]);
//! * what was read longer than [`BELIEF`] ago is believed only if, since then, some cached entry of the shard was read again and was
//!   the same by its entry id. One that is not has the whole shard forgotten.
//!
//! So a shard that another process made again is read wrongly for [`BELIEF`] at the most, and one that this process made, never. An
//! entry that was trimmed since may come out of the cache for as long, as one that was read ahead may; then it is `Trimmed`.
//!
//! How manifests are cached: see [`ManifestStore::with_cache`](crate::shard::ManifestStore::with_cache).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::entry::{self, Entry, SchemaCache};
use super::tailer::Log;
use crate::cache::{Cache, CacheKey, Cached, Footprint, Loading, View};
use crate::error::{Error, Result, err};
use crate::shard::ShardPath;
use crate::store::Store;

/// How long what was read is believed to be what is there.
const BELIEF: Duration = Duration::from_secs(60);

/// The entries of one shard in a cache.
#[derive(Debug)]
pub(super) struct EntryCache {
    entries: View<Position>,
    seen: View<Moment>,
    schemas: Mutex<SchemaCache>,
}

struct Position(u64);

impl CacheKey for Position {
    type Value = CachedEntry;
    fn key(&self) -> Cow<'_, [u8]> {
        self.0.to_le_bytes().to_vec().into()
    }
}

/// The number of a stretch of time as long as [`BELIEF`], within which a cached entry was found to be what is there.
struct Moment(u64);

impl CacheKey for Moment {
    type Value = Seen;
    fn key(&self) -> Cow<'_, [u8]> {
        self.0.to_le_bytes().to_vec().into()
    }
}

struct Seen;

impl Cached for Seen {
    const TYPE_NAME: &'static str = "weir.wal.seen";
    fn footprint(&self, _: &mut Footprint) {}

    fn encode(&self) -> Option<Bytes> {
        Some(Bytes::from_static(b"1"))
    }

    fn decode(_: Bytes) -> Result<Self> {
        Ok(Self)
    }
}

/// An entry as it is cached.
#[derive(Debug)]
pub(super) struct CachedEntry {
    pub entry: Entry,
    /// The object, if the batches borrow it: then it costs nothing, and the entry can be stored as bytes.
    object: Bytes,
    /// When it was read, since the Unix epoch.
    read_at: Duration,
}

/// What follows the object where an entry is stored as bytes: its position and the time of its reading in nanoseconds.
const TAIL: usize = 2 * size_of::<u64>();

impl Cached for CachedEntry {
    const TYPE_NAME: &'static str = "weir.wal.entry.1";

    fn footprint(&self, footprint: &mut Footprint) {
        footprint.add(size_of::<Self>());
        self.entry.batches.iter().for_each(|batch| footprint.add_batch(batch));
        footprint.add_allocation(self.object.as_ptr(), self.object.len());
    }

    fn encode(&self) -> Option<Bytes> {
        if self.object.is_empty() {
            return None;
        }
        let mut bytes = Vec::with_capacity(self.object.len() + TAIL);
        bytes.extend_from_slice(&self.object);
        bytes.extend_from_slice(&self.entry.position.to_le_bytes());
        bytes.extend_from_slice(&(self.read_at.as_nanos() as u64).to_le_bytes());
        Some(bytes.into())
    }

    fn decode(mut bytes: Bytes) -> Result<Self> {
        let at = bytes.len().checked_sub(TAIL).ok_or_else(|| err!(InvalidData, "{} bytes are no cached entry", bytes.len()))?;
        let tail = bytes.split_off(at);
        let number = |at: usize| tail[at..at + 8].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let entry = entry::decode("a cached entry", number(0), bytes.clone(), &mut SchemaCache::default())?;
        Ok(Self::new(entry, bytes, Duration::from_nanos(number(8))))
    }
}

impl CachedEntry {
    fn new(entry: Entry, object: Bytes, read_at: Duration) -> Self {
        let within = |batch: &arrow_array::RecordBatch| {
            let mut footprint = Footprint::default();
            footprint.add_buffers(batch);
            let object = object.as_ptr() as usize..object.as_ptr() as usize + object.len();
            footprint.allocations().iter().any(|(start, end)| *start < object.end && object.start < *end)
        };
        let borrowed = entry.batches.is_empty() || entry.batches.iter().any(within);
        Self { entry, object: if borrowed { object } else { Bytes::new() }, read_at }
    }

    /// Whether both are of one and the same append.
    fn is(&self, other: &Self) -> bool {
        match (self.entry.id, other.entry.id) {
            (Some(id), Some(other)) => id == other,
            // Others' entries have none.
            (None, None) => self.entry.epoch == other.entry.epoch && self.entry.batches == other.entry.batches,
            _ => false,
        }
    }
}

/// The bytes by which a cache knows a shard.
fn prefix(store: &Store, shard: &ShardPath) -> Vec<u8> {
    format!("weir.wal\0{}\0{}\0", store.identity(), shard.dir()).into_bytes()
}

/// Forgets what is cached of `shard`, because it was made anew.
///
/// # Errors
/// The cache backend's.
pub async fn forget(cache: &Cache, store: &Store, shard: &ShardPath) -> Result<()> {
    cache.invalidate_prefix(&prefix(store, shard)).await
}

impl EntryCache {
    pub fn new(cache: &Cache, store: &Store, shard: &ShardPath) -> Option<Self> {
        let prefix: Arc<[u8]> = prefix(store, shard).into();
        (!cache.is_off()).then(|| Self {
            entries: View::new(cache.clone(), Arc::clone(&prefix)),
            seen: View::new(cache.clone(), prefix),
            schemas: Mutex::default(),
        })
    }

    /// The entry at `position`, if it is cached.
    pub async fn peek(&self, log: &Log, position: u64) -> Result<Option<Arc<CachedEntry>>> {
        match self.entries.peek(&Position(position)).await {
            Some(cached) => self.believe(log, cached).await,
            None => Ok(None),
        }
    }

    /// What is cached, read again where that is due; `None` if it is not there any more.
    async fn believe(&self, log: &Log, cached: Arc<CachedEntry>) -> Result<Option<Arc<CachedEntry>>> {
        let now = log.env.clock.unix();
        let moment = Moment((now.as_nanos() / BELIEF.as_nanos()) as u64);
        if now.saturating_sub(cached.read_at) < BELIEF || self.seen.peek(&moment).await.is_some() {
            return Ok(Some(cached));
        }
        let position = cached.entry.position;
        let Some(bytes) = log.fetch(position).await? else { return Ok(None) };
        let fresh = self.decode(log, position, bytes)?;
        if cached.is(&fresh) {
            self.seen.insert(&moment, Arc::new(Seen)).await?;
        } else {
            tracing::warn!(shard = %log.shard.id(), position, "the shard was deleted and made again: what was cached of it is forgotten");
            self.entries.invalidate().await?;
        }
        self.entries.insert(&Position(position), Arc::clone(&fresh)).await?;
        Ok(Some(fresh))
    }

    /// The entry at `position`, cached or loaded by `load`, which gives its bytes, or none if it is not there.
    pub async fn get_or_load<F>(&self, log: &Log, position: u64, load: impl FnOnce(Loading) -> F) -> Result<Option<Arc<CachedEntry>>>
    where
        F: Future<Output = Result<Option<Bytes>>>,
    {
        let loader = |loading| async {
            let bytes = load(loading).await?.ok_or_else(absent)?;
            self.decode(log, position, bytes)
        };
        match self.entries.get_or_load(&Position(position), loader).await {
            Ok((cached, true)) => self.believe(log, cached).await,
            Ok((entry, false)) => Ok(Some(entry)),
            Err(error) if error.detail_u64(ABSENT).is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn decode(&self, log: &Log, position: u64, bytes: Bytes) -> Result<Arc<CachedEntry>> {
        let mut schemas = self.schemas.lock().clone();
        let entry = entry::decode(&log.object(position), position, bytes.clone(), &mut schemas)?;
        *self.schemas.lock() = schemas;
        Ok(Arc::new(CachedEntry::new(entry, bytes, log.env.clock.unix())))
    }
}

const ABSENT: &str = "absent";

/// What a loader says of an entry that is not there, which is nothing to be cached.
fn absent() -> Error {
    err!(NotFound, "the entry is not there").with_u64(ABSENT, 1)
}
