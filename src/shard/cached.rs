//! Manifest versions that the readers of a process share through a cache.
//!
//! Which version is the newest is never cached, it is asked of storage each time (PITFALLS B6); and a version that comes out of the cache
//! is believed only if storage says, in the same look, that there is none after it and that the object is still the one that was cached, by
//! its entity tag. So a shard that was deleted and made again under the same id is never taken for the old one, a version that was pruned
//! leads nowhere (PITFALLS D6), and stores that have no such tags (local ones, where reading again is cheap) cache nothing here. Writers do
//! not read through it.

use std::borrow::Cow;

use bytes::Bytes;

use super::layout::ShardPath;
use crate::cache::{Cache, CacheKey, Cached, Footprint, View};
use crate::error::{Result, err};
use crate::store::Store;

/// The versions of one shard in a cache.
#[derive(Debug)]
pub(super) struct ManifestCache(View<Version>);

struct Version([u8; 8]);

impl CacheKey for Version {
    type Value = CachedManifest;
    fn key(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }
}

impl ManifestCache {
    pub fn new(cache: &Cache, store: &Store, shard: &ShardPath) -> Option<Self> {
        let prefix = || format!("weir.manifest\0{}\0{}\0", store.identity(), shard.dir()).into_bytes();
        (!cache.is_off()).then(|| Self(View::new(cache.clone(), prefix())))
    }

    /// The object that is version `version`, or was, and its tag.
    pub async fn get(&self, version: u64) -> Option<(Bytes, String)> {
        let found = self.0.get(&Version(version.to_le_bytes())).await?;
        Some((found.bytes.clone(), found.tag.clone()))
    }

    pub async fn insert(&self, version: u64, bytes: &Bytes, tag: &str) {
        // What was read along with it is not to be kept.
        let value = CachedManifest { bytes: Bytes::copy_from_slice(bytes), tag: tag.to_owned() };
        if let Err(error) = self.0.insert(&Version(version.to_le_bytes()), value.into()).await {
            tracing::debug!(%error, "a manifest version is not cached");
        }
    }
}

/// A version as it is stored, to be checked as if it came from there, and the tag of its object.
#[derive(Debug)]
struct CachedManifest {
    bytes: Bytes,
    tag: String,
}

impl Cached for CachedManifest {
    const TYPE_NAME: &'static str = "weir.manifest.1";

    fn footprint(&self, footprint: &mut Footprint) {
        footprint.add(size_of::<Self>() + self.bytes.len() + self.tag.len());
    }

    fn encode(&self) -> Option<Bytes> {
        let mut bytes = self.bytes.to_vec();
        bytes.extend_from_slice(self.tag.as_bytes());
        bytes.extend_from_slice(&u32::try_from(self.tag.len()).ok()?.to_le_bytes());
        bytes.extend_from_slice(&crc_fast::crc32_iscsi(&bytes).to_le_bytes());
        Some(bytes.into())
    }

    fn decode(bytes: Bytes) -> Result<Self> {
        let decode = || {
            let (rest, sum) = bytes.split_last_chunk()?;
            let (both, len) = rest.split_last_chunk().filter(|_| crc_fast::crc32_iscsi(rest) == u32::from_le_bytes(*sum))?;
            let at = both.len().checked_sub(u32::from_le_bytes(*len) as usize)?;
            let tag = std::str::from_utf8(&both[at..]).ok()?.to_owned();
            Some(Self { bytes: bytes.slice(..at), tag })
        };
        decode().ok_or_else(|| err!(InvalidData, "a cached manifest is not as it was cached"))
    }
}
