//! Trimming a shard's log from its front, safely against stalled writers (PITFALLS D6).
//!
//! A writer that was stopped for long may wake up and create an entry at the position it remembers. As long as its
//! successor's sentinel is there, the create fails and it learns that it is fenced; were the sentinel trimmed, it would
//! succeed. Therefore nothing younger than the trim age is removed, and writers re-read what they remember for longer than a
//! part of it. The newest entry always stays, so that the log's end can be found.

use std::time::Duration;

use super::{entry, positions};
use crate::env::Env;
use crate::error::{Result, bail, err};
use crate::shard::manifest::{ManifestOptions, ManifestStore};
use crate::shard::{ShardPath, layout};
use crate::store::Store;

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
    let manifests = ManifestStore::new(store.clone(), shard.clone(), env.clone(), ManifestOptions { trim_age: age, ..Default::default() });
    let Some(manifest) = manifests.latest().await? else {
        bail!(NotFound, "there is no shard {} at {}", shard.id(), store.url());
    };
    // Before the listing, which is no snapshot: what came while it was made is young by this, so nothing that it lacks is passed by.
    let now = env.clock.unix();
    let mut entries: Vec<_> =
        store.list(&shard.wal_dir()).await?.into_iter().filter_map(|object| Some((layout::parse_entry(&object.name)?, object))).collect();
    entries.sort_unstable_by_key(|(position, _)| *position);
    let mut trimmed = Trimmed::default();
    let Some((newest, _)) = entries.pop() else { return Ok(trimmed) };
    check_replay(store, shard, up_to.min(newest), manifest.replay_after_wal_entry_position).await?;
    let (mut gone, mut left) = (0, newest);
    for (position, object) in entries {
        if position > up_to || now.saturating_sub(object.modified) < age {
            left = position;
            break;
        }
        let context = || format!("trimmed {} entries, stopped at position {position}", trimmed.entries);
        store.delete(&shard.entry(position)).await.map_err(|error| error.context(context()))?;
        trimmed.entries += 1;
        trimmed.bytes += object.size;
        gone = position;
    }
    // What came while the listing was made may be missing in it.
    while left > gone + 1 && positions::exists(store, shard, left - 1).await? {
        left -= 1;
    }
    trimmed.first_position = left;
    trimmed.manifests = manifests.prune(age).await?;
    Ok(trimmed)
}

/// Entries of MemTable mode hold rows that are nowhere else until a generation covers them.
async fn check_replay(store: &Store, shard: &ShardPath, up_to: u64, replay_after: u64) -> Result<()> {
    if up_to <= replay_after {
        return Ok(());
    }
    let path = shard.entry(up_to);
    let Some(bytes) = store.read(&path).await? else { return Ok(()) };
    let object = format!("{}/{path}", store.url());
    let entry = entry::decode(&object, up_to, bytes, &mut entry::SchemaCache::default())?;
    if entry.generation.is_some() {
        return Err(err!(
            InvalidArgument,
            "shard {} at {}: entries after position {replay_after} hold rows that no generation covers yet; trimming up to {up_to} would lose them",
            shard.id(),
            store.url()
        )
        .with_u64("replay_after", replay_after));
    }
    Ok(())
}
