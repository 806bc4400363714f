//! Removing directories of generations that nobody needs: attempts that failed, and what was compacted away.
//!
//! A directory goes only if all of this holds, so that neither a reader nor an attempt under way ever misses one:
//!
//! 1. its name is exactly one of a generation's, and below the manifest's current generation, so that no flush can publish it any
//!    more: not even a flush of a writer that stalled before it was fenced;
//! 2. no manifest names it that was the newest at any time within the age: who read such a manifest may still be reading it (who prunes
//!    manifests of a smaller age says that nobody does);
//! 3. none of its objects is younger than the age: an attempt to compact, which is below the current generation too, is not under
//!    way any more, and [`super::publish::replace`] refuses to publish one that old;
//! 4. a manifest was written since such an attempt could last have read one: should its commit be under way still, on a stalled
//!    machine or in the network, then the version that it wants to be is taken. In a shard that nobody writes to, orphans therefore stay
//!    until somebody does.
//!
//! The age must not be less than the trim age that the shard's writers go by. Of a directory the index goes first, so that what is
//! left, should the sweep be interrupted, is recognisably incomplete.

use std::collections::HashSet;
use std::time::Duration;

use super::{INDEX, parse_directory};
use crate::env::Env;
use crate::error::{Result, bail};
use crate::shard::ShardPath;
use crate::shard::manifest::{Manifest, ManifestOptions, ManifestStore, STALE_PART};
use crate::store::{ObjectInfo, Store};

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Directories that are gone.
    pub directories: u64,
    /// Objects removed.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Removes what nobody needs and is older than `age` by the store's clock.
///
/// # Errors
/// `NotFound` if there is no shard; the store's, after which the rest is left for another time.
pub async fn sweep(store: &Store, shard: &ShardPath, env: &Env, age: Duration) -> Result<Swept> {
    let mut swept = Swept::default();
    for (name, objects) in removable(store, shard, env, age).await? {
        remove(store, &format!("{}/{name}", shard.dir()), objects, age, &mut swept).await?;
    }
    Ok(swept)
}

/// What [`sweep`] would remove now, without doing it.
///
/// # Errors
/// As [`sweep`].
pub async fn plan(store: &Store, shard: &ShardPath, env: &Env, age: Duration) -> Result<Swept> {
    let removable = removable(store, shard, env, age).await?;
    let objects = || removable.iter().flat_map(|(_, objects)| objects);
    Ok(Swept { directories: removable.len() as u64, objects: objects().count() as u64, bytes: objects().map(|object| object.size).sum() })
}

/// The directories that may go, with what is in them.
async fn removable(store: &Store, shard: &ShardPath, env: &Env, age: Duration) -> Result<Vec<(String, Vec<ObjectInfo>)>> {
    // Before the listings: what came while they were made is young by this.
    let now = env.clock.unix();
    let options = ManifestOptions { trim_age: age, ..ManifestOptions::default() };
    let manifests = ManifestStore::new(store.clone(), shard.clone(), env.clone(), options);
    // Before the manifest is read: what is listed later may have been published later.
    let names = store.list_dirs(shard.dir()).await?;
    let Some(manifest) = manifests.latest().await? else {
        bail!(NotFound, "there is no shard {} at {}", shard.id(), store.url());
    };
    let mut candidates = Vec::new();
    for name in names {
        let behind = parse_directory(&name).is_some_and(|generation| generation < manifest.current_generation);
        if !behind || manifest.sstables.iter().any(|table| table.path == name) {
            continue;
        }
        let objects = store.list(&format!("{}/{name}", shard.dir())).await?;
        if objects.iter().all(|object| now.saturating_sub(object.modified) >= age) {
            candidates.push((name, objects));
        }
    }
    if candidates.is_empty() {
        return Ok(candidates);
    }
    let mut versions = manifests.listed().await?;
    versions.sort_unstable_by_key(|(version, _)| std::cmp::Reverse(*version));
    let written = versions.first().map_or(Duration::ZERO, |(_, written)| *written);
    let needed = named_since(&manifests, &manifest, &versions, now, age).await?;
    candidates.retain(|(name, objects)| {
        let last = objects.iter().map(|object| object.modified).max().unwrap_or_default();
        !needed.contains(name) && written > last.saturating_add(age / STALE_PART)
    });
    Ok(candidates)
}

/// The directories that were named by a manifest that was the newest at some time within the age.
/// `versions`: all there are, the newest first.
async fn named_since(
    manifests: &ManifestStore,
    latest: &Manifest,
    versions: &[(u64, Duration)],
    now: Duration,
    age: Duration,
) -> Result<HashSet<String>> {
    let mut needed: HashSet<String> = latest.sstables.iter().map(|table| table.path.clone()).collect();
    for pair in versions.windows(2) {
        let ((_, followed), (version, _)) = (pair[0], pair[1]);
        if now.saturating_sub(followed) >= age {
            break;
        }
        // One that was pruned meanwhile is older than any age that matters.
        if let Some(manifest) = manifests.read(version).await? {
            needed.extend(manifest.sstables.into_iter().map(|table| table.path));
        }
    }
    Ok(needed)
}

async fn remove(store: &Store, dir: &str, mut objects: Vec<ObjectInfo>, age: Duration, swept: &mut Swept) -> Result<()> {
    objects.sort_by_key(|object| object.name != INDEX);
    for object in objects {
        store.delete(&format!("{dir}/{}", object.name)).await?;
        swept.objects += 1;
        swept.bytes += object.size;
    }
    store.sweep(dir, age).await?;
    store.remove_dir(dir).await?;
    swept.directories += 1;
    Ok(())
}
