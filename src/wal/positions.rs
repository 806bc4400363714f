//! Finding the ends of a log by asking for single positions.
//!
//! Positions are dense between the oldest and the newest entry, so both ends are found in a logarithmic number of requests
//! (PITFALLS A10). What a listing costs is paid only where no position is known to exist.

use crate::error::{Result, err};
use crate::shard::{ShardPath, layout};
use crate::store::Store;

/// The newest position in the log, 0 if the log is empty. `hint` is a position that existed once (0 = none known).
///
/// # Errors
/// The store's: a failed request is never taken for a missing entry (PITFALLS B7).
pub async fn find_tip(store: &Store, shard: &ShardPath, hint: u64) -> Result<u64> {
    let start = if hint > 0 && exists(store, shard, hint).await? {
        hint
    } else if hint == 0 && exists(store, shard, 1).await? {
        1
    } else {
        // Nothing there, or trimmed from the front: only a listing tells (PITFALLS C9).
        return Ok(listed(store, shard).await?.last().copied().unwrap_or(0));
    };
    let (mut found, mut step) = (start, 1_u64);
    let mut missing = loop {
        let probe = found.checked_add(step).ok_or_else(|| err!(Corruption, "positions of shard {} have run out", shard.id()))?;
        if !exists(store, shard, probe).await? {
            break probe;
        }
        // By four: far tips cost a third fewer requests than with two, near ones at most one more.
        (found, step) = (probe, step.saturating_mul(4));
    };
    while missing - found > 1 {
        let middle = found + (missing - found) / 2;
        if exists(store, shard, middle).await? {
            found = middle;
        } else {
            missing = middle;
        }
    }
    Ok(found)
}

/// The oldest position of the unbroken run that ends at `tip`, which exists.
///
/// # Errors
/// The store's.
pub async fn find_first(store: &Store, shard: &ShardPath, tip: u64) -> Result<u64> {
    if tip <= 1 || exists(store, shard, 1).await? {
        return Ok(tip.min(1));
    }
    let (mut missing, mut found) = (1, tip);
    while found - missing > 1 {
        let middle = missing + (found - missing) / 2;
        if exists(store, shard, middle).await? {
            found = middle;
        } else {
            missing = middle;
        }
    }
    Ok(found)
}

/// All positions that there are, in order.
///
/// # Errors
/// The store's.
pub async fn listed(store: &Store, shard: &ShardPath) -> Result<Vec<u64>> {
    let objects = store.list(&shard.wal_dir()).await?;
    let mut positions: Vec<u64> = objects.iter().filter_map(|object| layout::parse_entry(&object.name)).collect();
    positions.sort_unstable();
    Ok(positions)
}

/// Whether there is an entry at `position`.
///
/// # Errors
/// The store's.
pub async fn exists(store: &Store, shard: &ShardPath, position: u64) -> Result<bool> {
    Ok(store.head(&shard.entry(position)).await?.is_some())
}
