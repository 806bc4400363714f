//! Decoded entries that the tailers of a process share through a cache, so that each is read and decoded once.
//!
//! An entry is known by the store's identity, the shard's id and its position, and never changes there: it is created once, and the
//! trim age sees to it that its slot is not filled again (PITFALLS D6). What the log itself cannot rule out is that somebody deletes a
//! whole shard and makes it again under the same id. Therefore:
//!
//! * a claim that makes a shard anew forgets what was cached of that shard ([`forget`]);
//! * what was read longer than [`BELIEF`] ago is believed only if some cached entry of the shard that is no younger was read again since
//!   then, and was the same by its entry id. One that is not has the whole shard forgotten.
//!
//! A backend may confuse values or damage them. So each says whose it is and, as bytes, has a checksum; one that is not what was asked
//! for is a miss.
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

use super::entry::{self, Entry, SchemaCache, crc32c};
use super::tailer::Log;
use crate::cache::{Cache, CacheKey, Cached, Footprint, Loading, View};
use crate::error::{Error, Result, bail, err};
use crate::shard::ShardPath;
use crate::store::Store;

/// How long what was read is believed to be what is there.
const BELIEF: Duration = Duration::from_secs(60);

/// The entries of one shard in a cache.
#[derive(Debug)]
pub(super) struct EntryCache {
    shard: Which,
    entries: View<Position>,
    seen: View<Moment>,
    schemas: Mutex<SchemaCache>,
}

/// A shard's store and path, as values know them.
type Which = u64;

/// An entry of a shard, by its position.
struct Position(Which, u64);

impl CacheKey for Position {
    type Value = CachedEntry;

    fn key(&self) -> Cow<'_, [u8]> {
        self.1.to_le_bytes().to_vec().into()
    }

    fn accepts(&self, value: &CachedEntry) -> bool {
        (value.shard, value.entry.position) == (self.0, self.1)
    }
}

/// The number of a stretch of time as long as [`BELIEF`], within which a cached entry of a shard was found to be what is there.
struct Moment(Which, u64);

impl CacheKey for Moment {
    type Value = Seen;

    fn key(&self) -> Cow<'_, [u8]> {
        self.1.to_le_bytes().to_vec().into()
    }

    fn accepts(&self, value: &Seen) -> bool {
        (value.shard, value.moment) == (self.0, self.1)
    }
}

/// That a cached entry was found to be what is there.
struct Seen {
    shard: Which,
    moment: u64,
    /// When that entry was read: the shard is the same since then. It says nothing of those that were read before.
    since: Duration,
}

impl Cached for Seen {
    const TYPE_NAME: &'static str = "weir.wal.seen.2";

    fn footprint(&self, footprint: &mut Footprint) {
        footprint.add(size_of::<Self>());
    }

    fn encode(&self) -> Option<Bytes> {
        Some(sealed(Vec::new(), self.shard, [self.moment, self.since.as_nanos() as u64]))
    }

    fn decode(bytes: Bytes) -> Result<Self> {
        match opened(bytes)? {
            (rest, shard, [moment, since]) if rest.is_empty() => Ok(Self { shard, moment, since: Duration::from_nanos(since) }),
            (rest, ..) => bail!(InvalidData, "{} bytes too many", rest.len()),
        }
    }
}

/// An entry as it is cached.
#[derive(Debug)]
pub(super) struct CachedEntry {
    pub entry: Entry,
    shard: Which,
    /// The object, if the batches borrow it: then it costs nothing, and the entry can be stored as bytes.
    object: Bytes,
    /// When it was read, since the Unix epoch.
    read_at: Duration,
}

impl Cached for CachedEntry {
    const TYPE_NAME: &'static str = "weir.wal.entry.2";

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
        Some(sealed(bytes, self.shard, [self.entry.position, self.read_at.as_nanos() as u64]))
    }

    fn decode(bytes: Bytes) -> Result<Self> {
        let (object, shard, [position, read_at]) = opened(bytes)?;
        let entry = entry::decode("a cached entry", position, object.clone(), &mut SchemaCache::default())?;
        Ok(Self::new(shard, entry, object, Duration::from_nanos(read_at)))
    }
}

/// What is stored behind a value's own bytes: the shard, two numbers, and a checksum of all that is before it.
const TAIL: usize = size_of::<Which>() + 2 * size_of::<u64>() + size_of::<u32>();

fn sealed(mut bytes: Vec<u8>, shard: Which, numbers: [u64; 2]) -> Bytes {
    bytes.extend_from_slice(&shard.to_le_bytes());
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    let sum = crc32c(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes.into()
}

/// The opposite.
fn opened(mut bytes: Bytes) -> Result<(Bytes, Which, [u64; 2])> {
    let damaged = |len: usize| err!(InvalidData, "{len} bytes that are not as they were cached");
    let (rest, sum) = bytes.split_last_chunk::<4>().ok_or_else(|| damaged(bytes.len()))?;
    if crc32c(rest) != u32::from_le_bytes(*sum) {
        return Err(damaged(bytes.len()));
    }
    let at = bytes.len().checked_sub(TAIL).ok_or_else(|| damaged(bytes.len()))?;
    let tail = bytes.split_off(at);
    let number = |at: usize| tail[at..at + 8].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Ok((bytes, number(0), [number(8), number(16)]))
}

impl CachedEntry {
    fn new(shard: Which, entry: Entry, object: Bytes, read_at: Duration) -> Self {
        let within = |batch: &arrow_array::RecordBatch| {
            let mut footprint = Footprint::default();
            footprint.add_buffers(batch);
            let object = object.as_ptr() as usize..object.as_ptr() as usize + object.len();
            footprint.allocations().iter().any(|(start, end)| *start < object.end && object.start < *end)
        };
        let borrowed = entry.batches.is_empty() || entry.batches.iter().any(within);
        Self { entry, shard, object: if borrowed { object } else { Bytes::new() }, read_at }
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
            shard: twox_hash::XxHash3_64::oneshot(&prefix),
            entries: View::lenient(cache.clone(), Arc::clone(&prefix)),
            seen: View::lenient(cache.clone(), prefix),
            schemas: Mutex::default(),
        })
    }

    /// The entry at `position`, if it is cached.
    pub async fn peek(&self, log: &Log, position: u64) -> Result<Option<Arc<CachedEntry>>> {
        match self.entries.peek(&Position(self.shard, position)).await {
            Some(cached) => self.believe(log, cached).await,
            None => Ok(None),
        }
    }

    /// What is cached, read again where that is due; `None` if it is not there any more.
    async fn believe(&self, log: &Log, cached: Arc<CachedEntry>) -> Result<Option<Arc<CachedEntry>>> {
        let now = log.env.clock.unix();
        // By its distance: who shares the cache may have another clock.
        if now.abs_diff(cached.read_at) < BELIEF {
            return Ok(Some(cached));
        }
        let moment = (now.as_nanos() / BELIEF.as_nanos()) as u64;
        let key = Moment(self.shard, moment);
        if self.seen.peek(&key).await.is_some_and(|seen| seen.since <= cached.read_at) {
            return Ok(Some(cached));
        }
        let position = cached.entry.position;
        let Some(bytes) = log.fetch(position).await? else { return Ok(None) };
        let fresh = self.decode(log, position, bytes)?;
        if cached.is(&fresh) {
            self.seen.insert(&key, Arc::new(Seen { shard: self.shard, moment, since: cached.read_at })).await?;
        } else {
            tracing::warn!(shard = %log.shard.id(), position, "the shard was deleted and made again: what was cached of it is forgotten");
            // What is left where that fails is older than what will be seen from now on, and so is not believed either.
            self.entries.forget().await;
        }
        self.entries.insert(&Position(self.shard, position), Arc::clone(&fresh)).await?;
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
        match self.entries.get_or_load(&Position(self.shard, position), loader).await {
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
        Ok(Arc::new(CachedEntry::new(self.shard, entry, bytes, log.env.clock.unix())))
    }
}

const ABSENT: &str = "absent";

/// What a loader says of an entry that is not there, which is nothing to be cached.
fn absent() -> Error {
    err!(NotFound, "the entry is not there").with_u64(ABSENT, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::entry::{BatchEncoder, Compression, EntryId, assemble};
    use arrow_array::{ArrayRef, Int64Array, RecordBatch};
    use arrow_schema::{DataType, Field, Schema};

    /// An entry of one batch, with weir's trailer or, as others' entries are, without.
    fn cached(trailer: bool) -> CachedEntry {
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef]).unwrap();
        let encoder = BatchEncoder::new(&schema, Compression::None).unwrap();
        let encoded = encoder.encode(&batch).unwrap();
        let entry = assemble(&encoder.preamble(3, None).unwrap(), [&encoded], EntryId([7; 16]));
        let mut object = entry.parts.concat();
        if !trailer {
            // Behind the end-of-stream mark.
            let end = object.windows(8).position(|bytes| bytes == [255, 255, 255, 255, 0, 0, 0, 0]).unwrap() + 8;
            object.truncate(end);
        }
        let object = Bytes::from(object);
        let entry = entry::decode("test", 9, object.clone(), &mut SchemaCache::default()).unwrap();
        assert_eq!(entry.id.is_some(), trailer);
        CachedEntry::new(5, entry, object, Duration::from_secs(1000))
    }

    /// No bit of the object, the shard, the position, the time or the checksum goes unnoticed.
    #[test]
    fn bytes_that_are_damaged_are_no_entry() {
        for trailer in [true, false] {
            let whole = cached(trailer).encode().unwrap();
            let again = CachedEntry::decode(whole.clone()).unwrap();
            assert_eq!((again.shard, again.entry.position, again.read_at), (5, 9, Duration::from_secs(1000)));
            assert!(again.is(&cached(trailer)));
            assert!(Position(5, 9).accepts(&again) && !Position(5, 10).accepts(&again) && !Position(6, 9).accepts(&again));
            for bit in 0..whole.len() * 8 {
                let mut damaged = whole.to_vec();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(CachedEntry::decode(damaged.into()).is_err(), "bit {bit} of {}", whole.len());
            }
            for len in 0..whole.len() {
                assert!(CachedEntry::decode(whole.slice(..len)).is_err(), "{len} bytes of {}", whole.len());
            }
        }
    }

    #[test]
    fn what_vouches_for_a_shard_is_whole_and_of_that_shard() {
        let whole = Seen { shard: 5, moment: 9, since: Duration::from_secs(7) }.encode().unwrap();
        let again = Seen::decode(whole.clone()).unwrap();
        assert_eq!((again.shard, again.moment, again.since), (5, 9, Duration::from_secs(7)));
        assert!(Moment(5, 9).accepts(&again) && !Moment(5, 8).accepts(&again) && !Moment(4, 9).accepts(&again));
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Seen::decode(damaged.into()).is_err());
        }
        let entry = cached(true).encode().unwrap();
        assert!(Seen::decode(entry).is_err() && Seen::decode(Bytes::from_static(b"1")).is_err());
        assert!(CachedEntry::decode(whole).is_err());
    }
}
