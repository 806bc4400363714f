//! Removing the objects of spill stores whose processes are dead.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::object::OWNER;
use super::stats::Swept;
use crate::error::Result;
use crate::store::{ObjectInfo, Store};

const TEXT: &str = "This directory belongs to a living process for as long as this object is young. How young, in milliseconds: ";
/// An `owner` that is longer is none of ours.
const MOST_TEXT: u64 = 1 << 10;

/// What `owner` says of a store that gives its signs of life within `age`. Others may sweep sooner by their own, and must not here.
pub(super) fn owner(age: Duration) -> Bytes {
    format!("{TEXT}{}\n", age.as_millis()).into()
}

/// The age that `owner` tells; none if it says something else.
fn told_age(owner: &[u8]) -> Option<Duration> {
    let age = std::str::from_utf8(owner).ok()?.strip_prefix(TEXT)?.strip_suffix('\n')?;
    age.parse().ok().map(Duration::from_millis)
}

/// Removes the directories whose newest object is older than `age` and than their stores' own. Failures are logged: they are none of who spills.
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

/// Removes what is directly in `dir` if all of it is too old, also by what its owner told; says how many bytes that were.
async fn sweep_one(store: &Store, dir: &str, now: Duration, age: Duration) -> Result<Option<u64>> {
    let mut objects: Vec<ObjectInfo> = store.list(dir).await?;
    let Some(newest) = objects.iter().map(|object| object.modified).max() else { return Ok(None) };
    let old = |age: Duration| now.saturating_sub(newest) > age;
    if !old(age) {
        return Ok(None);
    }
    if let Some(owner) = store.get(&format!("{dir}/{OWNER}")).await?
        && owner.size <= MOST_TEXT
        && told_age(&owner.body.await?).is_some_and(|told| !old(told))
    {
        return Ok(None);
    }
    // The owner last: while it is there, the rest is found again.
    objects.sort_by_key(|object| object.name == OWNER);
    for object in &objects {
        store.delete(&format!("{dir}/{}", object.name)).await?;
    }
    Ok(Some(objects.iter().map(|object| object.size).sum()))
}
