//! Trimming a shard's log from its front, safely against stalled writers (PITFALLS D6).
//!
//! A writer that was stopped for long may wake up and create an entry at the position it remembers. As long as its
//! successor's sentinel is there, the create fails and it learns that it is fenced; were the sentinel trimmed, it would
//! succeed. Therefore nothing younger than the trim age is removed, and writers re-read what they remember for longer than a
//! part of it. The newest entry always stays, so that the log's end can be found.

use std::time::Duration;

use super::entry::{self, Entry};
use super::positions;
use crate::env::Env;
use crate::error::{Error, Result, bail, err};
use crate::shard::manifest::{ManifestOptions, ManifestStore};
use crate::shard::{ShardPath, layout};
use crate::store::{ObjectInfo, Store};

/// What a trim did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trimmed {
    /// Entries removed.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Manifest versions removed.
    pub manifests: u64,
    /// The oldest position that is left; 0 if the log is empty.
    pub first_position: u64,
}

/// Removes the entries up to and including `up_to` that are older than `age` by the store's clock, oldest first, up to the
/// first that is not; and manifest versions of that age, but for the two newest.
///
/// # Errors
/// `NotFound` if there is no shard; `InvalidArgument` if entries after the replay position of a MemTable shard would go; the
/// store's, after which what is left is still an unbroken run.
pub async fn trim(store: &Store, shard: &ShardPath, env: &Env, up_to: u64, age: Duration) -> Result<Trimmed> {
    let (manifests, old, first_position) = removable(store, shard, env, up_to, age).await?;
    let mut trimmed = Trimmed { first_position, ..Trimmed::default() };
    for (position, bytes) in old {
        let context = || format!("trimmed {} entries, stopped at position {position}", trimmed.entries);
        store.delete(&shard.entry(position)).await.map_err(|error| error.context(context()))?;
        trimmed.entries += 1;
        trimmed.bytes += bytes;
    }
    trimmed.manifests = manifests.prune(age).await?;
    Ok(trimmed)
}

/// What [`trim`] would do now, without doing it.
///
/// # Errors
/// As [`trim`].
pub async fn plan(store: &Store, shard: &ShardPath, env: &Env, up_to: u64, age: Duration) -> Result<Trimmed> {
    let (manifests, old, first_position) = removable(store, shard, env, up_to, age).await?;
    Ok(Trimmed {
        entries: old.len() as u64,
        bytes: old.iter().map(|(_, bytes)| bytes).sum(),
        manifests: manifests.prunable(age).await?.len() as u64,
        first_position,
    })
}

/// The entries that may go, oldest first, with their sizes, and the position that is then the oldest (0: the log is empty).
async fn removable(
    store: &Store,
    shard: &ShardPath,
    env: &Env,
    up_to: u64,
    age: Duration,
) -> Result<(ManifestStore, Vec<(u64, u64)>, u64)> {
    let manifests = ManifestStore::new(store.clone(), shard.clone(), env.clone(), ManifestOptions { trim_age: age, ..Default::default() });
    let Some(manifest) = manifests.latest().await? else {
        bail!(NotFound, "there is no shard {} at {}", shard.id(), store.url());
    };
    // Before the listing, which is no snapshot: what came while it was made is young by this, so nothing that it lacks is passed by.
    let now = env.clock.unix();
    let mut entries: Vec<_> =
        store.list(&shard.wal_dir()).await?.into_iter().filter_map(|object| Some((layout::parse_entry(&object.name)?, object))).collect();
    entries.sort_unstable_by_key(|(position, _)| *position);
    let Some(newest) = entries.pop().map(|(position, _)| position) else { return Ok((manifests, Vec::new(), 0)) };
    let doomed: Vec<u64> = entries.iter().map(|(position, _)| *position).filter(|position| *position <= up_to).collect();
    Log { store, shard }.check_covered(&doomed, manifest.replay_after_wal_entry_position).await?;
    let old = |(position, object): &&(u64, ObjectInfo)| *position <= up_to && now.saturating_sub(object.modified) >= age;
    let old: Vec<_> = entries.iter().take_while(old).map(|(position, object)| (*position, object.size)).collect();
    let mut first = entries.get(old.len()).map_or(newest, |(position, _)| *position);
    // What came while the listing was made may be missing in it.
    let gone = old.last().map_or(0, |(position, _)| *position);
    while first > gone + 1 && positions::exists(store, shard, first - 1).await? {
        first -= 1;
    }
    Ok((manifests, old, first))
}

/// The log that is being trimmed.
struct Log<'a> {
    store: &'a Store,
    shard: &'a ShardPath,
}

impl Log<'_> {
    /// Refuses to lose rows of MemTable mode that no generation covers, at `doomed` positions after `replay_after`.
    ///
    /// A writer is of one mode for all of its epoch, and epochs never go down along the log. So one entry of each epoch is looked
    /// at, and where an epoch begins is found in a logarithmic number of reads.
    async fn check_covered(&self, doomed: &[u64], replay_after: u64) -> Result<()> {
        let mut rest = &doomed[doomed.partition_point(|position| *position <= replay_after)..];
        while let Some((last, before)) = rest.split_last() {
            let Some(entry) = self.read(*last).await? else { return Ok(()) };
            if entry.generation.is_some() {
                return Err(self.uncovered(*last, replay_after));
            }
            rest = if entry.is_sentinel { before } else { &before[..self.start_of(entry.epoch, before).await?] };
        }
        Ok(())
    }

    /// How many of `positions` belong to epochs before `epoch`.
    async fn start_of(&self, epoch: u64, positions: &[u64]) -> Result<usize> {
        // Mostly all are of one epoch, which the first look tells.
        let (mut low, mut high, mut middle) = (0, positions.len(), 0);
        while low < high {
            match self.read(positions[middle]).await? {
                Some(entry) if entry.epoch >= epoch => high = middle,
                _ => low = middle + 1,
            }
            middle = low + (high - low) / 2;
        }
        Ok(low)
    }

    /// The entry at `position`; `None` if somebody else trimmed it meanwhile.
    async fn read(&self, position: u64) -> Result<Option<Entry>> {
        let path = self.shard.entry(position);
        let Some(bytes) = self.store.read(&path).await? else { return Ok(None) };
        entry::decode(&self.store.url_of(&path), position, bytes, &mut entry::SchemaCache::default()).map(Some)
    }

    fn uncovered(&self, position: u64, replay_after: u64) -> Error {
        err!(
            InvalidArgument,
            "shard {} at {}: the entry at position {position} holds rows that no generation covers yet (they cover up to {replay_after}); \
             trimming it would lose them",
            self.shard.id(),
            self.store.url()
        )
        .with_u64("position", position)
        .with_u64("replay_after", replay_after)
    }
}
