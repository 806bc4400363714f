//! Publishing: a generation that is on storage becomes the shard's, by one new version of the manifest.
//!
//! Generations are published strictly in order (PITFALLS G1): the one that is published is the manifest's `current_generation`, and the
//! same version raises that and `replay_after_wal_entry_position`. Publishing again what is published changes nothing, so that a
//! caller whose answer was lost simply repeats it (PITFALLS G2). Only the holder of the epoch publishes.

use super::write::Written;
use super::{INDEX, parse_directory};
use crate::error::{Result, bail, err};
use crate::shard::ShardPath;
use crate::shard::manifest::{Manifest, ManifestStore, SsTable};
use crate::store::Store;

/// Publishes `written`, which covers the log up to and including the position `covers`, for the writer of `epoch`.
///
/// # Errors
/// `Fenced` if another writer has the shard; `Conflict` if it is not this generation's turn; `InvalidArgument` if the log is covered
/// further already; `NotFound` if the generation is not there; the store's, after which it may be published or not: repeat.
pub async fn publish(
    store: &Store,
    shard: &ShardPath,
    manifests: &ManifestStore,
    epoch: u64,
    written: &Written,
    covers: u64,
) -> Result<Manifest> {
    publish_in_turn(store, shard, manifests, epoch, written, covers, written.table.generation).await
}

/// As [`publish`], for a generation whose turn it is when `turn` is the manifest's current generation: its number may be greater
/// where the log passes over some, since it is what the log's entries say (see `scan::replay`).
///
/// # Errors
/// As [`publish`]; `InvalidArgument` if its number is below its turn.
pub async fn publish_in_turn(
    store: &Store,
    shard: &ShardPath,
    manifests: &ManifestStore,
    epoch: u64,
    written: &Written,
    covers: u64,
    turn: u64,
) -> Result<Manifest> {
    let table = &written.table;
    if table.generation < turn {
        bail!(InvalidArgument, "generation {} cannot be published as the one that follows generation {turn}", table.generation);
    }
    check_there(store, shard, manifests, epoch, table).await?;
    manifests
        .update_if(|manifest| {
            check_owner(manifests, manifest, epoch)?;
            if has(manifest, table) {
                return Ok(false);
            }
            if manifest.current_generation != turn {
                return Err(err!(
                    Conflict,
                    "generation {} of shard {} cannot be published: generation {} is next",
                    table.generation,
                    shard.id(),
                    manifest.current_generation
                )
                .with_u64("generation", table.generation)
                .with_u64("next_generation", manifest.current_generation));
            }
            if covers < manifest.replay_after_wal_entry_position {
                bail!(
                    InvalidArgument,
                    "generation {} of shard {} covers the log up to {covers}, which is covered up to {} already",
                    table.generation,
                    shard.id(),
                    manifest.replay_after_wal_entry_position
                );
            }
            let Some(next) = table.generation.checked_add(1) else {
                bail!(Corruption, "generation {} is the last there can be", table.generation)
            };
            manifest.sstables.push(table.clone());
            manifest.current_generation = next;
            manifest.replay_after_wal_entry_position = covers;
            manifest.wal_entry_position_last_seen = manifest.wal_entry_position_last_seen.max(covers);
            Ok(true)
        })
        .await
}

/// Puts `merged` in the place of `inputs`, neighbours in the manifest, for the writer of `epoch`; nothing, if `merged` is `None`: no row
/// was left.
///
/// # Errors
/// `Fenced`; `Conflict` if the inputs are not all there side by side, or if the merge took so long that it may have been swept;
/// `NotFound` if it is not there; the store's, after which it may be published or not: repeat.
pub async fn replace(
    store: &Store,
    shard: &ShardPath,
    manifests: &ManifestStore,
    epoch: u64,
    inputs: &[SsTable],
    merged: Option<&Written>,
) -> Result<Manifest> {
    if let Some(written) = merged {
        check_there(store, shard, manifests, epoch, &written.table).await?;
    }
    manifests
        .update_if(|manifest| {
            check_owner(manifests, manifest, epoch)?;
            let left = inputs.iter().filter(|input| has(manifest, input)).count();
            if merged.map_or(left == 0, |written| has(manifest, &written.table)) {
                return Ok(false);
            }
            let at = manifest.sstables.windows(inputs.len().max(1)).position(|some| some.iter().zip(inputs).all(|(a, b)| a.path == b.path));
            let Some(at) = at.filter(|_| !inputs.is_empty()) else {
                bail!(
                    Conflict,
                    "of {} generations of shard {} that were merged, {left} are still in its manifest",
                    inputs.len(),
                    shard.id()
                )
            };
            // What is no newer than the manifest's current generation and in no manifest is swept once it is old enough.
            if merged.is_some_and(|written| manifests.is_stale(written.began)) {
                bail!(Conflict, "merging {} generations of shard {} took too long to be published", inputs.len(), shard.id());
            }
            manifest.sstables.splice(at..at + inputs.len(), merged.map(|written| written.table.clone()));
            Ok(true)
        })
        .await
}

fn has(manifest: &Manifest, table: &SsTable) -> bool {
    manifest.sstables.iter().any(|one| one.path == table.path)
}

fn check_owner(manifests: &ManifestStore, manifest: &Manifest, epoch: u64) -> Result<()> {
    match manifest.writer_epoch {
        held if held == epoch => Ok(()),
        by if by > epoch => Err(manifests.fenced(epoch, by)),
        held => bail!(InvalidArgument, "epoch {epoch} was never claimed: the shard is at {held}"),
    }
}

/// The object that is written last is there, so all of them are (PITFALLS G6).
async fn check_there(store: &Store, shard: &ShardPath, manifests: &ManifestStore, epoch: u64, table: &SsTable) -> Result<()> {
    if parse_directory(&table.path) != Some(table.generation) {
        bail!(InvalidArgument, "{:?} is not the directory of generation {}", table.path, table.generation);
    }
    let path = format!("{}/{}/{INDEX}", shard.dir(), table.path);
    if store.head(&path).await?.is_some() {
        return Ok(());
    }
    // A fenced writer's attempt may have been swept: it must hear of the fence, not of that.
    manifests.check_fenced(epoch).await?;
    Err(super::container::missing(store, &path))
}
