//! Spills as objects: for machines without disks of their own.
//!
//! A store's objects lie below `<root>/<32 hex digits>.spill/`: `<spill>-<part>` for the parts of each spill, 8 MiB each but the
//! last, and `owner`, which is written again and again while the store lives, and tells the store's reclaim age. A store that finds a
//! directory whose newest object is older than that age and its own, by the object store's clock, removes it: its process is dead.
//! Deletion runs in the background.

use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::{StreamExt, stream};
use tokio::sync::{OnceCell, oneshot};

use super::backend::{Backend, Sink, Stored};
use super::budget::Budget;
use super::memory::no_memory;
use super::object_sweep::{owner, sweep};
use super::spill::Mapping;
use super::stats::Swept;
use crate::env::{BoxFuture, Env, Retry};
use crate::error::{Result, bail, err};
use crate::store::{Part, Store};

/// The size of an object, but for a spill's last.
const PART: usize = 8 << 20;
/// Deletions at once, of one spill.
const DELETIONS: usize = 16;
/// How often `owner` is written within the reclaim age.
const SIGNS_OF_LIFE: u32 = 8;
/// The object that says that the store lives.
pub(super) const OWNER: &str = "owner";

/// What the objects of one store share.
struct ObjectShared {
    store: Store,
    env: Env,
    reclaim_age: Duration,
    /// Made at first use; a failure is not kept.
    dir: OnceCell<Directory>,
    next: AtomicU64,
    swept: Arc<Swept>,
}

impl fmt::Debug for ObjectShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectShared").field("store", &self.store).finish_non_exhaustive()
    }
}

/// The directory of one store, which says that it lives until this is dropped.
struct Directory {
    name: String,
    /// Its end ends the task that writes `owner`.
    _alive: oneshot::Sender<()>,
}

impl ObjectShared {
    /// The name of the store's directory, which is made if there is none.
    async fn dir(&self) -> Result<&str> {
        let dir = self.dir.get_or_try_init(|| self.make_dir()).await?;
        Ok(&dir.name)
    }

    async fn make_dir(&self) -> Result<Directory> {
        let name = format!("{:032x}.spill", self.env.random.next());
        self.store.make_dirs(&[&name]).await?;
        self.store.put(&format!("{name}/{OWNER}"), owner(self.reclaim_age)).await?;
        let (alive, ended) = oneshot::channel();
        let blocking = self.store.is_blocking();
        let signs = signs_of_life(self.store.clone(), self.env.clone(), name.clone(), self.reclaim_age, ended);
        // Beside its naps it does next to nothing, so it blocks no worker.
        self.env.spawn.spawn(Box::pin(signs), false);
        let (store, own, age, swept) = (self.store.clone(), name.clone(), self.reclaim_age, self.swept.clone());
        self.env.spawn.spawn(Box::pin(async move { sweep(&store, &own, age, &swept).await }), blocking);
        Ok(Directory { name, _alive: alive })
    }

    fn path(dir: &str, spill: u64, part: u64) -> String {
        format!("{dir}/{spill}-{part}")
    }
}

impl Drop for ObjectShared {
    fn drop(&mut self) {
        let Some(dir) = self.dir.take() else { return };
        // What a late write or a failed deletion left, and `owner` last.
        let (store, env) = (self.store.clone(), self.env.clone());
        let task = async move {
            let objects = store.list(&dir.name).await.unwrap_or_default();
            let paths = objects.into_iter().filter(|o| o.name != OWNER).map(|o| format!("{}/{}", dir.name, o.name)).collect();
            delete_all(&store, &env, paths).await;
            delete(&store, &env, &format!("{}/{OWNER}", dir.name)).await;
        };
        self.env.spawn.spawn(Box::pin(task), self.store.is_blocking());
    }
}

/// Writes `owner` again and again within the reclaim age, until `ended`.
async fn signs_of_life(store: Store, env: Env, dir: String, age: Duration, mut ended: oneshot::Receiver<()>) {
    let path = format!("{dir}/{OWNER}");
    while let Either::Right(_) = select(&mut ended, env.clock.sleep(age / SIGNS_OF_LIFE)).await {
        if let Err(error) = store.put(&path, owner(age)).await {
            tracing::warn!(%error, "a spill store's sign of life cannot be written; it is tried again");
        }
    }
}

async fn delete(store: &Store, env: &Env, path: &str) {
    let retry = Retry::default();
    for failures in 1.. {
        match store.delete(path).await {
            Ok(()) => return,
            Err(error) if failures > retry.max_retries => {
                tracing::warn!(%error, "an object of a spill cannot be deleted; it goes with the store, or when another store sweeps");
                return;
            }
            Err(_) => retry.pause(env, failures).await,
        }
    }
}

async fn delete_all(store: &Store, env: &Env, paths: Vec<String>) {
    stream::iter(paths).for_each_concurrent(DELETIONS, |path| async move { delete(store, env, &path).await }).await;
}

/// Objects as a place for spilled data.
#[derive(Debug)]
pub(super) struct ObjectBackend(Arc<ObjectShared>);

impl ObjectBackend {
    pub(super) fn new(store: Store, env: Env, reclaim_age: Duration, swept: &Arc<Swept>) -> Self {
        let swept = swept.clone();
        Self(Arc::new(ObjectShared { store, env, reclaim_age, dir: OnceCell::new(), next: AtomicU64::new(0), swept }))
    }
}

impl Backend for ObjectBackend {
    fn begin(&self, _memory: Option<&Arc<Budget>>) -> Box<dyn Sink> {
        let spill = self.0.next.fetch_add(1, Ordering::Relaxed);
        let parts = Parts { shared: self.0.clone(), spill, attempted: 0, len: 0 };
        Box::new(ObjectSink { parts: Some(parts), growing: Vec::new(), full: VecDeque::new() })
    }

    fn is_blocking(&self) -> bool {
        self.0.store.is_blocking()
    }
}

/// The objects of one spill.
#[derive(Debug)]
struct Parts {
    shared: Arc<ObjectShared>,
    spill: u64,
    /// How many were written, or may have been.
    attempted: u64,
    /// Bytes taken.
    len: u64,
}

impl Parts {
    /// Writes the next part. A write whose end was not awaited is repeated, with the same bytes.
    async fn put(&mut self, number: u64, body: Bytes) -> Result<()> {
        let path = ObjectShared::path(self.shared.dir().await?, self.spill, number);
        self.attempted = self.attempted.max(number + 1);
        self.shared.store.put(&path, body).await
    }

    /// Deletes them all; `None` if there are none.
    fn delete(self) -> Option<BoxFuture<'static, ()>> {
        let dir = self.shared.dir.get()?;
        if self.attempted == 0 {
            return None;
        }
        let paths = (0..self.attempted).map(|part| ObjectShared::path(&dir.name, self.spill, part)).collect();
        // Holds the store's directory until it is done.
        Some(Box::pin(async move { delete_all(&self.shared.store, &self.shared.env, paths).await }))
    }

    async fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let dir = self.shared.dir().await?;
        let mut done = 0;
        while done < out.len() {
            let at = offset + done as u64;
            let (part, start) = (at / PART as u64, at % PART as u64);
            let end = start.saturating_add((out.len() - done) as u64).min(PART as u64);
            let bytes = self.read_part(&ObjectShared::path(dir, self.spill, part), start..end).await?;
            let Some(to) = out.get_mut(done..done + bytes.len()) else {
                bail!(Storage, "the store sent more bytes than it was asked for");
            };
            to.copy_from_slice(&bytes);
            done += bytes.len();
        }
        Ok(())
    }

    async fn read_part(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        let store = &self.shared.store;
        let Some(Part { bytes, .. }) = store.get_range(path, range.clone()).await? else {
            bail!(Corruption, "{} is gone: it was removed by someone else", store.url_of(path));
        };
        if bytes.len() as u64 != range.end - range.start {
            bail!(
                Corruption,
                "{} has {} of the {} bytes from {} on",
                store.url_of(path),
                bytes.len(),
                range.end - range.start,
                range.start
            );
        }
        Ok(bytes)
    }
}

/// A spill while it is written.
#[derive(Debug)]
struct ObjectSink {
    /// `None` once it is finished or discarded.
    parts: Option<Parts>,
    /// What is not a whole part yet.
    growing: Vec<u8>,
    /// Whole parts to be written.
    full: VecDeque<Bytes>,
}

impl ObjectSink {
    fn parts(&mut self) -> Result<&mut Parts> {
        self.parts.as_mut().ok_or_else(|| err!(Internal, "a spill that has ended is written"))
    }

    /// Moves bytes of `data` into parts.
    fn take(&mut self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            let (now, later) = data.split_at(data.len().min(PART - self.growing.len()));
            self.growing.try_reserve(now.len()).map_err(|_| no_memory(now.len() as u64))?;
            self.growing.extend_from_slice(now);
            if self.growing.len() == PART {
                self.full.push_back(Bytes::from(std::mem::take(&mut self.growing)));
            }
            data = later;
        }
        Ok(())
    }

    /// Writes all whole parts. A part is forgotten when it is there, so that a cancelled call loses nothing.
    async fn put_full(&mut self) -> Result<()> {
        self.parts()?.shared.clone().dir().await?;
        while let Some(part) = self.full.front().cloned() {
            let left = self.full.iter().map(Bytes::len).sum::<usize>() + self.growing.len();
            let parts = self.parts()?;
            let number = (parts.len - left as u64) / PART as u64;
            parts.put(number, part).await?;
            self.full.pop_front();
        }
        Ok(())
    }
}

impl Sink for ObjectSink {
    fn is_pending(&self) -> bool {
        !self.full.is_empty() || self.parts.as_ref().is_some_and(|parts| !parts.shared.dir.initialized())
    }

    fn settle(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.put_full())
    }

    fn admit_now(&mut self, _bytes: u64) -> bool {
        true
    }

    fn is_memory(&self) -> bool {
        true
    }

    fn write(&mut self, parts: &mut [IoSlice<'_>], bytes: u64) -> Result<()> {
        self.parts()?.len += bytes;
        parts.iter().try_for_each(|part| self.take(part))
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<Box<dyn Stored>>> {
        Box::pin(async move {
            if !self.growing.is_empty() {
                self.full.push_back(Bytes::from(std::mem::take(&mut self.growing)));
            }
            if !self.full.is_empty() {
                self.put_full().await?;
            }
            let parts = self.parts.take().ok_or_else(|| err!(Internal, "a spill is finished twice"))?;
            Ok(Box::new(ObjectStored(Some(parts))) as Box<dyn Stored>)
        })
    }

    fn discard(&mut self) -> Option<BoxFuture<'static, ()>> {
        self.growing = Vec::new();
        self.full.clear();
        self.parts.take()?.delete()
    }
}

/// A spill that was written. `None` once it is deleted.
#[derive(Debug)]
struct ObjectStored(Option<Parts>);

impl Stored for ObjectStored {
    fn read_exact_at<'a>(&'a self, offset: u64, out: &'a mut [u8]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            match &self.0 {
                Some(parts) => parts.read_exact_at(offset, out).await,
                None => bail!(Internal, "a spill that is deleted is read"),
            }
        })
    }

    fn map(&self) -> Result<Mapping> {
        bail!(Unsupported, "objects cannot be mapped: read the spill instead")
    }

    fn delete(&mut self) -> Option<BoxFuture<'static, ()>> {
        self.0.take()?.delete()
    }
}
