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
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::{StreamExt, stream};
use tokio::sync::{Mutex, oneshot};

use super::backend::{Backend, Sink, Stored};
use super::budget::Budget;
use super::closing::Closing;
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
    place: Mutex<Place>,
    next: AtomicU64,
    swept: Arc<Swept>,
    closing: Arc<Closing>,
}

/// The directory that spills go to.
#[derive(Default)]
struct Place {
    /// Made at first use, and again if there is none left.
    dir: Weak<Directory>,
    /// For spills to come, unless the store is closed.
    kept: Option<Arc<Directory>>,
    retired: bool,
    /// Of a directory that was not made to the end: whoever tries again takes the same, so that none is left behind.
    name: Option<String>,
}

impl fmt::Debug for ObjectShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectShared").field("store", &self.store).finish_non_exhaustive()
    }
}

impl ObjectShared {
    /// The store's directory, which is made if there is none. A failure is not kept.
    async fn dir(&self) -> Result<Arc<Directory>> {
        let mut place = self.place.lock().await;
        if let Some(dir) = place.dir.upgrade() {
            return Ok(dir);
        }
        let name = place.name.get_or_insert_with(|| format!("{:032x}.spill", self.env.random.next())).clone();
        let dir = Arc::new(self.make_dir(name).await?);
        *place = Place { dir: Arc::downgrade(&dir), kept: (!place.retired).then(|| dir.clone()), retired: place.retired, name: None };
        Ok(dir)
    }

    async fn make_dir(&self, name: String) -> Result<Directory> {
        self.store.make_dirs(&[&name]).await?;
        self.store.put(&format!("{name}/{OWNER}"), owner(self.reclaim_age)).await?;
        let (alive, ended) = oneshot::channel();
        let (signing, unsigned) = oneshot::channel::<()>();
        let signs = signs_of_life(self.store.clone(), self.env.clone(), name.clone(), self.reclaim_age, ended);
        let signs = async move {
            signs.await;
            drop(signing);
        };
        // Beside its naps it does next to nothing, so it blocks no worker.
        self.env.spawn.spawn(Box::pin(signs), false);
        let (store, own, age, swept) = (self.store.clone(), name.clone(), self.reclaim_age, self.swept.clone());
        self.env.spawn.spawn(Box::pin(async move { sweep(&store, &own, age, &swept).await }), self.store.is_blocking());
        let (store, env, closing) = (self.store.clone(), self.env.clone(), self.closing.clone());
        Ok(Directory { name, store, env, closing, life: Some((alive, unsigned)) })
    }

    async fn retire(&self) {
        let mut place = self.place.lock().await;
        place.retired = true;
        place.kept = None;
    }
}

/// A directory, which says that its store lives until this is dropped, and then is removed.
#[derive(Debug)]
struct Directory {
    name: String,
    store: Store,
    env: Env,
    closing: Arc<Closing>,
    /// The end of the first ends the task that writes `owner`, whose end is that of the second.
    life: Option<(oneshot::Sender<()>, oneshot::Receiver<()>)>,
}

impl Directory {
    fn path(&self, spill: u64, part: u64) -> String {
        format!("{}/{spill}-{part}", self.name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let Some((alive, unsigned)) = self.life.take() else { return };
        drop(alive);
        let deletion = self.closing.deletion();
        let (store, env, name) = (self.store.clone(), self.env.clone(), std::mem::take(&mut self.name));
        let task = async move {
            // A last `owner` would come back after its deletion.
            let _ = unsigned.await;
            let removed = remove(&store, &env, &name).await;
            deletion.end_of_place(removed.inspect_err(|error| tracing::warn!(%error, "the directory of a spill store cannot be removed")));
        };
        self.env.spawn.spawn(Box::pin(task), self.store.is_blocking());
    }
}

/// Removes a directory with what a late write or a failed deletion left in it, and `owner` last.
async fn remove(store: &Store, env: &Env, dir: &str) -> Result<()> {
    let objects = retried(env, || store.list(dir)).await?;
    let paths = objects.into_iter().filter(|object| object.name != OWNER).map(|object| format!("{dir}/{}", object.name));
    delete_all(store, env, paths.collect()).await?;
    delete(store, env, &format!("{dir}/{OWNER}")).await?;
    retried(env, || store.remove_dir(dir)).await
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

/// Does `attempt` until it succeeds, or has failed too often.
async fn retried<T, F: Future<Output = Result<T>>>(env: &Env, attempt: impl Fn() -> F) -> Result<T> {
    let retry = Retry::default();
    let mut failures = 0;
    loop {
        match attempt().await {
            Err(_) if failures < retry.max_retries => failures += 1,
            done => return done,
        }
        retry.pause(env, failures).await;
    }
}

async fn delete(store: &Store, env: &Env, path: &str) -> Result<()> {
    let deleted = retried(env, || store.delete(path)).await;
    deleted.inspect_err(|error| {
        tracing::warn!(%error, "an object of a spill cannot be deleted; it goes with the store, or when another store sweeps");
    })
}

/// Deletes all that can be deleted; the error is one of the others'.
async fn delete_all(store: &Store, env: &Env, paths: Vec<String>) -> Result<()> {
    let outcomes = stream::iter(paths).map(|path| async move { delete(store, env, &path).await }).buffer_unordered(DELETIONS);
    outcomes.fold(Ok(()), |all, one| std::future::ready(all.and(one))).await
}

/// Objects as a place for spilled data.
#[derive(Debug)]
pub(super) struct ObjectBackend(Arc<ObjectShared>);

impl ObjectBackend {
    pub(super) fn new(store: Store, env: Env, reclaim_age: Duration, swept: &Arc<Swept>, closing: &Arc<Closing>) -> Self {
        let (swept, closing) = (swept.clone(), closing.clone());
        Self(Arc::new(ObjectShared { store, env, reclaim_age, place: Mutex::default(), next: AtomicU64::new(0), swept, closing }))
    }
}

impl Backend for ObjectBackend {
    fn begin(&self, _memory: Option<&Arc<Budget>>) -> Box<dyn Sink> {
        let spill = self.0.next.fetch_add(1, Ordering::Relaxed);
        let parts = Parts { shared: self.0.clone(), dir: None, spill, attempted: 0, len: 0 };
        Box::new(ObjectSink { parts: Some(parts), growing: Vec::new(), full: VecDeque::new() })
    }

    fn is_blocking(&self) -> bool {
        self.0.store.is_blocking()
    }

    fn retire(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.retire())
    }
}

/// The objects of one spill.
#[derive(Debug)]
struct Parts {
    shared: Arc<ObjectShared>,
    /// Where they are, which stays for them: known before bytes are taken.
    dir: Option<Arc<Directory>>,
    spill: u64,
    /// How many were written, or may have been.
    attempted: u64,
    /// Bytes taken.
    len: u64,
}

impl Parts {
    /// The path of a part.
    fn path(&self, part: u64) -> Result<String> {
        let dir = self.dir.as_ref().ok_or_else(|| err!(Internal, "a spill of objects has no directory"))?;
        Ok(dir.path(self.spill, part))
    }

    /// Finds out where to write.
    async fn settle(&mut self) -> Result<()> {
        if self.dir.is_none() {
            self.dir = Some(self.shared.dir().await?);
        }
        Ok(())
    }

    /// Writes the next part. A write whose end was not awaited is repeated, with the same bytes.
    async fn put(&mut self, number: u64, body: Bytes) -> Result<()> {
        let path = self.path(number)?;
        self.attempted = self.attempted.max(number + 1);
        self.shared.store.put(&path, body).await
    }

    /// Deletes them all; `None` if there are none.
    fn delete(self) -> Option<BoxFuture<'static, Result<()>>> {
        let dir = self.dir?;
        if self.attempted == 0 {
            return None;
        }
        let paths = (0..self.attempted).map(|part| dir.path(self.spill, part)).collect();
        // Holds the directory until it is done.
        Some(Box::pin(async move { delete_all(&dir.store, &dir.env, paths).await }))
    }

    async fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let mut done = 0;
        while done < out.len() {
            let at = offset + done as u64;
            let (part, start) = (at / PART as u64, at % PART as u64);
            let end = start.saturating_add((out.len() - done) as u64).min(PART as u64);
            let bytes = self.read_part(&self.path(part)?, start..end).await?;
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
        self.parts()?.settle().await?;
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
        !self.full.is_empty() || self.parts.as_ref().is_some_and(|parts| parts.dir.is_none())
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

    fn discard(&mut self) -> Option<BoxFuture<'static, Result<()>>> {
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

    fn delete(&mut self) -> Option<BoxFuture<'static, Result<()>>> {
        self.0.take()?.delete()
    }
}
