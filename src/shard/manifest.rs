//! The shard's manifest: immutable, contiguous versions, of which the newest says who owns the shard (FORMAT.md).
//!
//! Guarantees: a version is written once (create-if-absent); the epoch never goes down; what decides about ownership is
//! always read from storage. A handle's own last version serves only as the place where reading starts, and so does a version that
//! comes out of a reader's cache. A version that weir wrote and that was damaged since is `Corruption`.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use parking_lot::Mutex;
use prost::Message;

use super::cached::ManifestCache;
use super::checksum;
use super::layout::{self, ShardPath};
use crate::cache::Cache;
use crate::env::{Env, Retry};
use crate::error::{Error, ErrorKind, Result, bail, err};
use crate::store::{Created, Store};

/// How often a claim is tried again after it lost to a version that was no claim.
const CLAIM_ATTEMPTS: usize = 16;
/// The default of the age below which nothing of a shard is removed.
pub const DEFAULT_TRIM_AGE: Duration = Duration::from_secs(24 * 3600);
/// What was read longer ago than this part of the trim age is read again before it is relied on.
pub const STALE_PART: u32 = 24;
/// How often a reader starts over when what it was about to read was pruned under its eyes.
const READ_ATTEMPTS: usize = 4;

/// One version of the manifest as stored (`ShardManifest` in Lance's protobuf).
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Manifest {
    /// The version, equal to the one in the object's name.
    #[prost(uint64, tag = "1")]
    pub version: u64,
    /// The epoch of the writer that owns the shard; 0 before the first claim.
    #[prost(uint64, tag = "2")]
    pub writer_epoch: u64,
    /// Entries up to here are covered by generations.
    #[prost(uint64, tag = "3")]
    pub replay_after_wal_entry_position: u64,
    /// A position that existed when this version was written: a hint for finding the tip.
    #[prost(uint64, tag = "4")]
    pub wal_entry_position_last_seen: u64,
    /// The generation that the owner fills.
    #[prost(uint64, tag = "6")]
    pub current_generation: u64,
    /// Published generations.
    #[prost(message, repeated, tag = "8")]
    pub sstables: Vec<SsTable>,
    /// The shard spec that the shard belongs to; 0 = none.
    #[prost(uint32, tag = "10")]
    pub shard_spec_id: u32,
    /// The shard's id.
    #[prost(message, optional, tag = "11")]
    pub shard_id: Option<UuidBytes>,
    /// The values of the spec's fields that lead to this shard.
    #[prost(message, repeated, tag = "14")]
    pub shard_field_entries: Vec<ShardFieldEntry>,
    /// Whether writers may claim the shard.
    #[prost(enumeration = "Status", tag = "15")]
    pub status: i32,
    /// weir's addition, unknown to and skipped by others: random, new for every commit. It tells a commit whose answer was
    /// lost from a rival's of the same content.
    #[prost(bytes = "bytes", tag = "7001")]
    pub commit_id: Bytes,
}

/// A UUID's 16 bytes.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct UuidBytes {
    /// The bytes, most significant first.
    #[prost(bytes = "bytes", tag = "1")]
    pub uuid: Bytes,
}

/// One published generation.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SsTable {
    /// Its number.
    #[prost(uint64, tag = "1")]
    pub generation: u64,
    /// Its directory below the shard's.
    #[prost(string, tag = "2")]
    pub path: String,
    /// Its size in memory, in bytes.
    #[prost(uint64, optional, tag = "3")]
    pub in_memory_bytes: Option<u64>,
    /// Its rows, superseded ones included.
    #[prost(uint64, optional, tag = "4")]
    pub physical_rows: Option<u64>,
    /// The bytes of its primary keys.
    #[prost(uint64, optional, tag = "5")]
    pub primary_key_bytes: Option<u64>,
}

/// The value of one field of the shard spec.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ShardFieldEntry {
    /// The field.
    #[prost(string, tag = "1")]
    pub field_id: String,
    /// Its value.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

/// Whether writers may claim a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Status {
    /// They may.
    Active = 0,
    /// They may not.
    Sealed = 1,
}

impl Manifest {
    fn fresh(shard: &ShardPath) -> Self {
        Self { current_generation: 1, shard_id: Some(UuidBytes { uuid: Bytes::copy_from_slice(shard.id().as_bytes()) }), ..Self::default() }
    }

    /// Whether the shard is sealed against writers.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.status == Status::Sealed as i32
    }

    /// The newest position that this version knows to have existed.
    #[must_use]
    pub fn tip_hint(&self) -> u64 {
        self.wal_entry_position_last_seen.max(self.replay_after_wal_entry_position)
    }
}

/// How a shard's manifest is read and written.
#[derive(Debug, Clone, Copy)]
pub struct ManifestOptions {
    /// Retries of a failed commit.
    pub retry: Retry,
    /// How many versions are asked for at once when looking for newer ones; at least 1.
    pub probe_width: u32,
    /// The age below which nothing of the shard is removed.
    pub trim_age: Duration,
}

impl Default for ManifestOptions {
    fn default() -> Self {
        Self { retry: Retry::default(), probe_width: 2, trim_age: DEFAULT_TRIM_AGE }
    }
}

/// Reads and writes one shard's manifest.
#[derive(Debug)]
pub struct ManifestStore {
    store: Store,
    shard: ShardPath,
    env: Env,
    options: ManifestOptions,
    /// The newest version that this handle has read or written, and a time at which it was not followed yet. Only ever moves forward.
    known: Mutex<Option<(Manifest, Duration)>>,
    /// One commit at a time through one handle.
    commit: tokio::sync::Mutex<()>,
    cache: Option<ManifestCache>,
}

/// A version that was found.
struct Found {
    manifest: Manifest,
    /// As it is stored, and the tag of its object; not those of one that this handle knows.
    stored: Option<(Bytes, String)>,
    cached: bool,
}

impl ManifestStore {
    /// The manifest of `shard` on `store`.
    #[must_use]
    pub fn new(store: Store, shard: ShardPath, env: Env, options: ManifestOptions) -> Self {
        Self { store, shard, env, options, known: Mutex::new(None), commit: tokio::sync::Mutex::new(()), cache: None }
    }

    /// The same for a reader, which shares the versions that it reads with others through `cache`, unless that is off.
    #[must_use]
    pub fn with_cache(mut self, cache: &Cache) -> Self {
        self.cache = ManifestCache::new(cache, &self.store, &self.shard);
        self
    }

    /// The newest version that this handle has seen, without asking the store.
    #[must_use]
    pub fn known(&self) -> Option<Manifest> {
        self.known.lock().as_ref().map(|(known, _)| known.clone())
    }

    /// The newest version on storage; `None` if the shard has no manifest.
    ///
    /// # Errors
    /// The store's; `Corruption` if a version cannot be decoded or a gap shows between versions.
    pub async fn latest(&self) -> Result<Option<Manifest>> {
        for attempt in 0..READ_ATTEMPTS {
            let began = self.env.clock.now();
            let start = match self.recent() {
                Some(manifest) if attempt == 0 => Some(Found { manifest, stored: None, cached: false }),
                _ => self.start(attempt == 0).await?,
            };
            let Some(start) = start else { return Ok(None) };
            let from_cache = start.cached;
            let Some(Found { manifest, stored, cached }) = self.forward(start).await? else { continue };
            let Some(there) = self.store.head(&self.shard.manifest(manifest.version)).await? else { continue };
            let stored = stored.filter(|(_, tag)| there.tag.as_ref() == Some(tag));
            match (&self.cache, &stored) {
                // One that was followed may have been pruned long ago (PITFALLS D6). One that is another object now is of a shard that was
                // deleted.
                (_, stored) if from_cache && (!cached || stored.is_none()) => continue,
                (Some(cache), Some((bytes, tag))) if !cached => cache.insert(manifest.version, bytes, tag).await,
                _ => {}
            }
            self.learn(&manifest, began);
            return Ok(Some(manifest));
        }
        bail!(Storage, "the manifest of shard {} at {} changes faster than it can be read", self.shard.id(), self.store.url())
    }

    /// A version that is still there was not pruned, so none after it was: what is missing after it was never written. A pruned
    /// one says nothing about what follows (PITFALLS D6, D7).
    async fn is_there(&self, version: u64) -> Result<bool> {
        Ok(self.store.head(&self.shard.manifest(version)).await?.is_some())
    }

    /// Where to start reading: at the hint if that version exists, or did and is cached; else at the newest listed one.
    async fn start(&self, cached: bool) -> Result<Option<Found>> {
        if let Some(version) = self.hint().await {
            if let Some(cache) = self.cache.as_ref().filter(|_| cached)
                && let Some(stored) = cache.get(version).await
                && let Ok(manifest) = self.decode(version, stored.0.clone())
            {
                return Ok(Some(Found { manifest, stored: Some(stored), cached: true }));
            }
            if let Some(found) = self.fetch(version).await? {
                return Ok(Some(found));
            }
        }
        for _ in 0..READ_ATTEMPTS {
            let Some((version, _)) = self.listed().await?.into_iter().max() else { return Ok(None) };
            if let Some(found) = self.fetch(version).await? {
                return Ok(Some(found));
            }
        }
        bail!(Storage, "{} lists a manifest version that cannot be read", self.store.url())
    }

    /// The hint is best effort: whatever is wrong with it, there is the listing.
    async fn hint(&self) -> Option<u64> {
        let path = self.shard.hint();
        let bytes = match self.store.read(&path).await {
            Ok(bytes) => bytes?,
            Err(error) => {
                tracing::debug!(%error, "manifest hint not readable");
                return None;
            }
        };
        let text = std::str::from_utf8(&bytes).ok()?;
        let (_, rest) = text.split_once("\"version\"")?;
        let digits = rest.trim_start().strip_prefix(':')?.trim_start();
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().ok().filter(|version| *version > 0)
    }

    /// Reads on from `from` until a version is missing; `None` if what it read last was pruned meanwhile.
    async fn forward(&self, mut from: Found) -> Result<Option<Found>> {
        loop {
            let first = next(from.manifest.version, "manifest version")?;
            let probes = (first..first.saturating_add(u64::from(self.options.probe_width.max(1)))).map(|version| self.fetch(version));
            let mut found = try_join_all(probes).await?.into_iter();
            let Some(Some(mut newest)) = found.next() else {
                if let Some(beyond) = found.flatten().next() {
                    // Written between our two answers, or a gap: only asking again tells.
                    match self.fetch(first).await? {
                        Some(found) => {
                            from = found;
                            continue;
                        }
                        None if !self.is_there(from.manifest.version).await? => return Ok(None),
                        None => bail!(
                            Corruption,
                            "shard {} at {}: manifest version {first} is missing but version {} exists",
                            self.shard.id(),
                            self.store.url(),
                            beyond.manifest.version
                        ),
                    }
                }
                return Ok(Some(from));
            };
            let mut complete = true;
            for next in found {
                match next {
                    Some(next) if complete => newest = next,
                    Some(_) => break,
                    None => complete = false,
                }
            }
            from = newest;
        }
    }

    /// Version `version` as it is on storage; `None` if it is not there.
    ///
    /// # Errors
    /// The store's; `Corruption` if the object is not that version of this shard's manifest.
    pub async fn read(&self, version: u64) -> Result<Option<Manifest>> {
        Ok(self.fetch(version).await?.map(|found| found.manifest))
    }

    async fn fetch(&self, version: u64) -> Result<Option<Found>> {
        let Some(object) = self.store.get(&self.shard.manifest(version)).await? else { return Ok(None) };
        let bytes = object.body.await?;
        let manifest = self.decode(version, bytes.clone())?;
        Ok(Some(Found { manifest, stored: object.tag.map(|tag| (bytes, tag)), cached: false }))
    }

    /// Version `version` of the bytes of its object.
    fn decode(&self, version: u64, bytes: Bytes) -> Result<Manifest> {
        let path = self.shard.manifest(version);
        let damaged = |what: String| {
            err!(Corruption, "{}/{path}: {what}", self.store.url()).with_str("object", path.clone()).with_u64("version", version)
        };
        let checked = checksum::check(&bytes);
        if checked == Some(false) {
            return Err(damaged("its checksum is wrong".into()));
        }
        let manifest = Manifest::decode(bytes).map_err(|error| damaged(format!("not a shard manifest: {error}")))?;
        if checked.is_none() && !manifest.commit_id.is_empty() {
            return Err(damaged("its checksum is missing".into()));
        }
        if manifest.version != version {
            return Err(damaged(format!("holds version {} under the name of version {version}", manifest.version)));
        }
        if manifest.shard_id.as_ref().is_some_and(|id| id.uuid != self.shard.id().as_bytes()[..]) {
            return Err(damaged("belongs to another shard".into()));
        }
        if !(0..=1).contains(&manifest.status) {
            return Err(damaged(format!("has the unknown status {}", manifest.status)));
        }
        Ok(manifest)
    }

    /// All versions that there are, with the times of their writing since the Unix epoch; unsorted.
    ///
    /// # Errors
    /// The store's.
    pub async fn listed(&self) -> Result<Vec<(u64, Duration)>> {
        let objects = self.store.list(&self.shard.manifest_dir()).await?;
        Ok(objects.into_iter().filter_map(|object| Some((layout::parse_manifest(&object.name)?, object.modified))).collect())
    }

    /// What this handle knows, unless that is so old that the versions after it may have been pruned and a stalled commit may have
    /// landed in an emptied slot: from here, that one would look like the newest (PITFALLS D6).
    fn recent(&self) -> Option<Manifest> {
        let known = self.known.lock();
        known.as_ref().filter(|(_, at)| !self.is_stale(*at)).map(|(known, _)| known.clone())
    }

    /// Remembers that `manifest` was not followed yet at `at`, or not even written.
    fn learn(&self, manifest: &Manifest, at: Duration) {
        let mut known = self.known.lock();
        if known.as_ref().is_none_or(|(known, _)| known.version <= manifest.version) {
            *known = Some((manifest.clone(), at));
        }
    }

    /// Claims the shard: writes the next version with the next epoch, and returns it. `tip` is a position known to exist
    /// (0 = none), recorded as a hint for the next one to open the shard.
    ///
    /// # Errors
    /// `Sealed`; `Conflict` if another claimer took the epoch; the store's.
    pub async fn claim(&self, tip: u64) -> Result<Manifest> {
        self.take(tip, Status::Active).await
    }

    /// Seals the shard against writers. The owner is fenced by the epoch that this takes.
    ///
    /// # Errors
    /// As [`Self::claim`].
    pub async fn seal(&self, tip: u64) -> Result<Manifest> {
        self.take(tip, Status::Sealed).await
    }

    async fn take(&self, tip: u64, status: Status) -> Result<Manifest> {
        let mut target = None;
        for _ in 0..CLAIM_ATTEMPTS {
            let read_at = self.env.clock.now();
            let latest = self.latest().await?;
            if latest.is_none() && status == Status::Sealed {
                bail!(NotFound, "there is no shard {} at {}", self.shard.id(), self.store.url());
            }
            let base = latest.unwrap_or_else(|| Manifest::fresh(&self.shard));
            if base.is_sealed() {
                return Err(err!(Sealed, "shard {} at {} is sealed", self.shard.id(), self.store.url())
                    .with_str("shard", self.shard.id().to_string())
                    .with_u64("epoch", base.writer_epoch));
            }
            let target = *target.get_or_insert(next(base.writer_epoch, "epoch")?);
            if base.writer_epoch >= target {
                return Err(err!(
                    Conflict,
                    "shard {} at {}: another writer took epoch {} while this one was claiming epoch {target}",
                    self.shard.id(),
                    self.store.url(),
                    base.writer_epoch
                )
                .with_u64("epoch", base.writer_epoch));
            }
            let last_seen = base.wal_entry_position_last_seen.max(tip);
            let claim = Manifest { writer_epoch: target, wal_entry_position_last_seen: last_seen, status: status as i32, ..base };
            if let Some(manifest) = self.try_commit(claim, read_at).await? {
                return Ok(manifest);
            }
        }
        bail!(Conflict, "shard {} at {}: lost {CLAIM_ATTEMPTS} races for a manifest version", self.shard.id(), self.store.url())
    }

    /// Opens a sealed shard for writers again.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, the store's.
    pub async fn unseal(&self) -> Result<Manifest> {
        self.update(|manifest| {
            manifest.status = Status::Active as i32;
            Ok(())
        })
        .await
    }

    /// Writes version 1 of a shard that does not exist yet, unclaimed.
    ///
    /// # Errors
    /// `AlreadyExists` if the shard has a manifest (PITFALLS D8); the store's.
    pub async fn init(&self, shard_spec_id: u32, fields: Vec<ShardFieldEntry>) -> Result<Manifest> {
        self.store.ensure_create_if_absent().await?;
        self.store.make_dirs(&[&self.shard.wal_dir(), &self.shard.manifest_dir()]).await?;
        let fresh = Manifest { shard_spec_id, shard_field_entries: fields, ..Manifest::fresh(&self.shard) };
        for _ in 0..CLAIM_ATTEMPTS {
            let read_at = self.env.clock.now();
            if self.latest().await?.is_some() {
                bail!(AlreadyExists, "shard {} at {} exists already", self.shard.id(), self.store.url());
            }
            if let Some(manifest) = self.try_commit(fresh.clone(), read_at).await? {
                return Ok(manifest);
            }
        }
        bail!(Conflict, "shard {} at {}: lost {CLAIM_ATTEMPTS} races for a manifest version", self.shard.id(), self.store.url())
    }

    /// Applies `change` to the newest version and writes the result as the next one, again after each lost race.
    ///
    /// # Errors
    /// `NotFound` if there is no manifest; `change`'s; `Conflict` after many lost races; the store's.
    pub async fn update(&self, change: impl Fn(&mut Manifest) -> Result<()> + Send + Sync) -> Result<Manifest> {
        self.update_if(|manifest| change(manifest).map(|()| true)).await
    }

    /// As [`Self::update`], but nothing is written if `change` says (`false`) that the newest version is already as it should be.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub async fn update_if(&self, change: impl Fn(&mut Manifest) -> Result<bool> + Send + Sync) -> Result<Manifest> {
        for _ in 0..CLAIM_ATTEMPTS {
            let read_at = self.env.clock.now();
            let Some(mut manifest) = self.latest().await? else {
                bail!(NotFound, "there is no shard {} at {}", self.shard.id(), self.store.url());
            };
            if !change(&mut manifest)? {
                return Ok(manifest);
            }
            if let Some(manifest) = self.try_commit(manifest, read_at).await? {
                return Ok(manifest);
            }
        }
        bail!(Conflict, "shard {} at {}: lost {CLAIM_ATTEMPTS} races for a manifest version", self.shard.id(), self.store.url())
    }

    /// Writes `base`, which was the newest version at `read_at`, as the version after it; `None` if another commit has that version.
    async fn try_commit(&self, base: Manifest, read_at: Duration) -> Result<Option<Manifest>> {
        let _turn = self.commit.lock().await;
        let commit_id = Bytes::copy_from_slice(&self.env.random.next().to_be_bytes());
        let manifest = Manifest { version: next(base.version, "manifest version")?, commit_id, ..base };
        let path = self.shard.manifest(manifest.version);
        let body = [checksum::seal(&manifest)];
        let mut failures = 0;
        loop {
            // Remembered for so long, the newest version may have been followed and even pruned: that ours is missing then proves
            // nothing (PITFALLS D6).
            if self.is_stale(read_at) {
                match self.read(manifest.version).await? {
                    Some(found) if found.commit_id == manifest.commit_id => break,
                    _ => return Ok(None),
                }
            }
            let failure = match self.store.create(&path, &body).await {
                Ok(Created::Done) => break,
                // A client underneath may have retried our own write after a lost answer (PITFALLS A8).
                Ok(Created::Exists) => match self.read(manifest.version).await {
                    Ok(Some(found)) if found.commit_id == manifest.commit_id => break,
                    Ok(Some(_)) => return Ok(None),
                    Ok(None) => err!(Storage, "{}/{path}: the store says that it exists and that it does not", self.store.url()),
                    Err(error) if error.kind() == ErrorKind::Corruption => return Err(error),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            failures += 1;
            if failures > self.options.retry.max_retries {
                return Err(failure);
            }
            tracing::warn!(error = %failure, version = manifest.version, "manifest commit failed, trying again");
            self.options.retry.pause(&self.env, failures).await;
        }
        // The same, had it taken long to get there.
        if self.is_stale(read_at) && self.listed().await?.iter().any(|(version, _)| *version > manifest.version) {
            return Ok(None);
        }
        let hint = Bytes::from(format!("{{\"version\":{}}}", manifest.version));
        if let Err(error) = self.store.put(&self.shard.hint(), hint).await {
            tracing::debug!(%error, "manifest hint not written");
        }
        self.learn(&manifest, read_at);
        Ok(Some(manifest))
    }

    /// Whether what was read at `read_at` must be read again before it is relied on.
    pub(crate) fn is_stale(&self, read_at: Duration) -> bool {
        self.env.clock.now().saturating_sub(read_at) > self.options.trim_age / STALE_PART
    }

    /// Asks the store whether the shard is still held at `epoch`.
    ///
    /// # Errors
    /// `Fenced` if a higher epoch is there; the store's.
    pub async fn check_fenced(&self, epoch: u64) -> Result<Manifest> {
        let Some(manifest) = self.latest().await? else {
            bail!(NotFound, "the manifest of shard {} at {} is gone", self.shard.id(), self.store.url());
        };
        if manifest.writer_epoch > epoch {
            return Err(self.fenced(epoch, manifest.writer_epoch));
        }
        Ok(manifest)
    }

    pub(crate) fn fenced(&self, epoch: u64, by: u64) -> Error {
        err!(Fenced, "shard {} at {}: the writer of epoch {epoch} is fenced by epoch {by}", self.shard.id(), self.store.url())
            .with_str("shard", self.shard.id().to_string())
            .with_u64("epoch", epoch)
            .with_u64("fenced_by_epoch", by)
    }

    /// Removes versions that are older than `age` by the store's clock, oldest first, never the newest, and stops at the first
    /// failure, so that no gap arises (PITFALLS D6, D9). Returns how many were removed.
    ///
    /// # Errors
    /// The store's.
    pub async fn prune(&self, age: Duration) -> Result<u64> {
        let mut removed = 0;
        for version in self.prunable(age).await? {
            self.store.delete(&self.shard.manifest(version)).await?;
            removed += 1;
        }
        Ok(removed)
    }

    /// The versions that [`Self::prune`] would remove, oldest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn prunable(&self, age: Duration) -> Result<Vec<u64>> {
        // Before the listing: what came while it was made is young by this.
        let now = self.env.clock.unix();
        let mut versions = self.listed().await?;
        versions.sort_unstable();
        // The newest stays, and so does its predecessor, at which a reader may be starting.
        versions.truncate(versions.len().saturating_sub(2));
        let old = versions.into_iter().take_while(|(_, modified)| now.saturating_sub(*modified) >= age);
        Ok(old.map(|(version, _)| version).collect())
    }
}

fn next(number: u64, what: &str) -> Result<u64> {
    number.checked_add(1).ok_or_else(|| err!(Corruption, "{what} {number} is the last there can be"))
}
