//! Generations in the session's cache: what is kept of an index once it is opened (its header, sparse index, filter and mask), its blocks,
//! and batches of rows, decoded.
//!
//! A generation's objects never change, and its directory's name is never used again, so what was read once may be believed for as long
//! as it is there. What is cached was checked when it was read, and holds no more memory than itself: it is copied out of what was
//! read along with it. A backend may confuse values: a block is known by its checksum in the index, a batch says whose it is, an index
//! where it is, and one that is not what was asked for is a miss. That something is cached does not say that the generation is still
//! there: that is found out by the first read that is not cached.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;

use super::block::Block;
use super::container::{Container, crc, crc_of};
use crate::cache::{Cache, CacheKey, Cached, Footprint, View};
use crate::error::{Result, err};
use crate::store::Store;

/// The blocks of one generation in a cache.
#[derive(Debug, Clone)]
pub(super) struct BlockCache {
    prefix: Arc<[u8]>,
    /// The generation, as its batches know it.
    id: u64,
    cache: Cache,
    pub batches: View<BatchKey>,
}

impl BlockCache {
    /// Of the generation in `dir`; `None` if the cache is off.
    pub fn new(cache: &Cache, store: &Store, dir: &str) -> Option<Self> {
        if cache.is_off() {
            return None;
        }
        let prefix: Arc<[u8]> = format!("weir.generation\0{}\0{dir}\0", store.identity()).into_bytes().into();
        let id = twox_hash::XxHash3_64::oneshot(&prefix);
        Some(Self { batches: View::lenient(cache.clone(), Arc::clone(&prefix)), cache: cache.clone(), id, prefix })
    }

    /// What is kept of its index number `object`, which is at `path`; `load` opens it if that is not cached.
    pub async fn front(&self, object: u32, path: &str, load: impl Future<Output = Result<Container>>) -> Result<Arc<Container>> {
        let fronts = View::lenient(self.cache.clone(), Arc::clone(&self.prefix));
        let key = FrontKey { number: object.to_le_bytes(), path: path.to_owned() };
        fronts.get_or_insert(&key, load).await.map(|(front, _)| front)
    }

    /// The blocks of its index number `object`.
    pub fn index(&self, object: u32) -> IndexBlocks {
        IndexBlocks { view: View::lenient(self.cache.clone(), Arc::clone(&self.prefix)), object }
    }

    /// The key of its batch number `batch`.
    pub fn batch(&self, batch: usize) -> BatchKey {
        BatchKey { number: (batch as u64).to_le_bytes(), generation: self.id }
    }
}

/// The blocks of one index in a cache.
#[derive(Debug, Clone)]
pub(super) struct IndexBlocks {
    pub view: View<BlockKey>,
    object: u32,
}

impl IndexBlocks {
    /// The key of the block, whose checksum is `crc`.
    pub fn key(&self, block: usize, crc: u32) -> BlockKey {
        let mut key = [0; 12];
        key[..4].copy_from_slice(&self.object.to_le_bytes());
        key[4..].copy_from_slice(&(block as u64).to_le_bytes());
        BlockKey(key, crc)
    }
}

/// Names a block of an index: the index, and the block's number; and its checksum.
pub(super) struct BlockKey([u8; 12], u32);

impl CacheKey for BlockKey {
    type Value = Block;
    fn key(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }

    fn accepts(&self, block: &Block) -> bool {
        block.crc() == self.1
    }
}

impl Cached for Block {
    const TYPE_NAME: &'static str = "weir.generation.block.1";

    fn footprint(&self, footprint: &mut Footprint) {
        footprint.add(size_of::<Self>() + self.bytes().len());
    }

    fn encode(&self) -> Option<Bytes> {
        let mut bytes = self.bytes().to_vec();
        bytes.extend_from_slice(&self.crc().to_le_bytes());
        Some(bytes.into())
    }

    fn decode(mut bytes: Bytes) -> Result<Self> {
        let at = bytes.len().checked_sub(4).ok_or_else(|| err!(InvalidData, "{} bytes are no cached block", bytes.len()))?;
        let (sum, crc) = (bytes.split_off(at), crc(&bytes[..at]));
        if sum[..] != crc.to_le_bytes() {
            return Err(err!(InvalidData, "a cached block is not as it was cached"));
        }
        Self::read(bytes, crc).map_err(|what| err!(InvalidData, "{what}"))
    }
}

/// Names an index by its number; and where it is.
struct FrontKey {
    number: [u8; 4],
    path: String,
}

impl CacheKey for FrontKey {
    type Value = Container;

    fn key(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.number)
    }

    fn accepts(&self, front: &Container) -> bool {
        front.path == self.path
    }
}

/// What follows the bytes of a front where it is stored: the path, the lengths of the front and of the whole object, and a checksum.
const FRONT_TAIL: usize = 8 + 8 + 4;

impl Cached for Container {
    const TYPE_NAME: &'static str = "weir.generation.front.1";

    fn footprint(&self, footprint: &mut Footprint) {
        // The decoded header has about the size of the encoded one.
        footprint.add(size_of::<Self>() + self.path.len() + self.header_len());
        footprint.add_allocation(self.front.as_ptr(), self.front.len());
    }

    fn encode(&self) -> Option<Bytes> {
        let mut bytes = self.front.to_vec();
        bytes.extend_from_slice(self.path.as_bytes());
        bytes.extend_from_slice(&(self.front.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&self.size.to_le_bytes());
        bytes.extend_from_slice(&crc(&bytes).to_le_bytes());
        Some(bytes.into())
    }

    fn decode(mut bytes: Bytes) -> Result<Self> {
        let bad = || err!(InvalidData, "what is cached of an index is not as it was cached");
        let tail = bytes.split_off(bytes.len().checked_sub(FRONT_TAIL).ok_or_else(bad)?);
        let sum = crc_of(&[bytes.clone(), tail.slice(..16)]);
        let number = |at: usize| tail[at..at + 8].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let len = usize::try_from(number(0)).ok().filter(|len| *len <= bytes.len() && tail[16..] == sum.to_le_bytes()).ok_or_else(bad)?;
        let path = std::str::from_utf8(&bytes[len..]).map_err(|_| bad())?;
        Self::read(path, number(8), bytes.slice(..len)).map_err(|what| err!(InvalidData, "{what}"))
    }
}

/// Names a batch of rows by its number; and its generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchKey {
    number: [u8; 8],
    generation: u64,
}

impl CacheKey for BatchKey {
    type Value = CachedBatch;

    fn key(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.number)
    }

    fn accepts(&self, batch: &CachedBatch) -> bool {
        batch.key == Some(*self)
    }
}

/// A batch of rows with all columns.
#[derive(Debug)]
pub struct CachedBatch {
    batch: RecordBatch,
    /// `None`: it is not for the cache.
    key: Option<BatchKey>,
}

impl CachedBatch {
    pub(super) fn new(batch: RecordBatch, key: Option<BatchKey>) -> Self {
        Self { batch, key }
    }

    /// The rows.
    #[must_use]
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }
}

impl Cached for CachedBatch {
    const TYPE_NAME: &'static str = "weir.generation.batch.1";

    fn footprint(&self, footprint: &mut Footprint) {
        footprint.add(size_of::<BatchKey>());
        footprint.add_batch(&self.batch);
    }
}

/// `bytes` in an allocation of their own, if they are a part of `whole`.
pub(super) fn alone(bytes: Bytes, whole: usize) -> Bytes {
    if bytes.len() < whole { Bytes::copy_from_slice(&bytes) } else { bytes }
}
