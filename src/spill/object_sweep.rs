//! Removing the objects of spill stores whose processes are dead.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::object::OWNER;
use super::stats::Swept;
use crate::error::Result;
use crate::store::{ObjectInfo, Store};

/// Removes the directories whose newest object is older than `age`. Failures are logged: they are none of who spills.
pub(super) async fn sweep(store: &Store, own: &str, age: Duration, swept: &Swept) {
    if let Err(error) = try_sweep(store, own, age, swept).await {
        tracing::warn!(%error, "spilled objects of dead processes cannot be looked for");
    }
}

async fn try_sweep(store: &Store, own: &str, age: Duration, swept: &Swept) -> Result<()> {
    // What the store's clock says now: ours may be wrong.
    let Some(now) = store.head(&format!("{own}/{OWNER}")).await?.map(|info| info.modified) else { return Ok(()) };
    for dir in store.list_dirs("").await? {
        if dir == own || !is_store_name(&dir) {
            continue;
        }
        match sweep_one(store, &dir, now, age).await {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                swept.directories.fetch_add(1, Ordering::Relaxed);
                swept.bytes.fetch_add(bytes, Ordering::Relaxed);
                tracing::info!(directory = store.url_of(&dir), bytes, "removed the spilled objects of a dead process");
            }
            Err(error) => tracing::warn!(%error, directory = store.url_of(&dir), "a dead process's spilled objects cannot be removed"),
        }
    }
    Ok(())
}

fn is_store_name(name: &str) -> bool {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    name.strip_suffix(".spill").is_some_and(|id| id.len() == 32 && id.bytes().all(digit))
}

/// Removes what is directly in `dir` if all of it is too old; says how many bytes that were.
async fn sweep_one(store: &Store, dir: &str, now: Duration, age: Duration) -> Result<Option<u64>> {
    let mut objects: Vec<ObjectInfo> = store.list(dir).await?;
    let Some(newest) = objects.iter().map(|object| object.modified).max() else { return Ok(None) };
    if now.saturating_sub(newest) <= age {
        return Ok(None);
    }
    // The owner last: while it is there, the rest is found again.
    objects.sort_by_key(|object| object.name == OWNER);
    for object in &objects {
        store.delete(&format!("{dir}/{}", object.name)).await?;
    }
    Ok(Some(objects.iter().map(|object| object.size).sum()))
}
