//! The handle through which everything above reaches a store: counts requests and names objects in errors.

use std::fmt;
use std::ops::{Range, Sub};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::{Backend, Created, Object, ObjectInfo, Part};
use crate::error::{Error, Result, bail};

/// How many requests of each kind a [`Store`] was asked for. Retries within a client are not seen here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// Creates, if absent.
    pub create: u64,
    /// Writes that replace.
    pub put: u64,
    /// Reads, of whole objects and of parts.
    pub get: u64,
    /// Questions whether an object exists.
    pub head: u64,
    /// Listings of objects or of directories.
    pub list: u64,
    /// Deletions.
    pub delete: u64,
}

impl RequestCounts {
    /// The sum over all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.create + self.put + self.get + self.head + self.list + self.delete
    }
}

impl Sub for RequestCounts {
    type Output = Self;

    /// What was asked for since `earlier`.
    fn sub(self, earlier: Self) -> Self {
        Self {
            create: self.create - earlier.create,
            put: self.put - earlier.put,
            get: self.get - earlier.get,
            head: self.head - earlier.head,
            list: self.list - earlier.list,
            delete: self.delete - earlier.delete,
        }
    }
}

#[derive(Default)]
struct Counters {
    create: AtomicU64,
    put: AtomicU64,
    get: AtomicU64,
    head: AtomicU64,
    list: AtomicU64,
    delete: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

struct Inner {
    url: String,
    identity: String,
    backend: Arc<dyn Backend>,
    counters: Counters,
    /// Set once the store has shown that it keeps create-if-absent.
    trusted: OnceCell<()>,
}

/// One root of one backend. Clones are cheap and share the counters.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("url", &self.0.url).finish_non_exhaustive()
    }
}

/// What tells the place of `backend`, called `url`, from others. One that does not know its place is a place of its own, which no later
/// one is taken for, as its address could be.
pub(super) fn identity(url: &str, backend: &Arc<dyn Backend>) -> String {
    static PLACES: AtomicU64 = AtomicU64::new(0);
    backend.identity().unwrap_or_else(|| format!("{url}@{}", PLACES.fetch_add(1, Ordering::Relaxed)))
}

impl Store {
    /// A store called `url` over `backend`, whose paths are relative to that root.
    pub fn new(url: impl Into<String>, backend: Arc<dyn Backend>) -> Self {
        let url = url.into();
        let identity = identity(&url, &backend);
        Self(Arc::new(Inner { url, identity, backend, counters: Counters::default(), trusted: OnceCell::new() }))
    }

    /// The URL of the root, without a trailing `/`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The full URL of the object or directory at `path`.
    #[must_use]
    pub fn url_of(&self, path: &str) -> String {
        let root = self.0.url.trim_end_matches('/');
        // `file:///` and `memory://` have nothing but slashes after the scheme.
        let root = if root.ends_with(':') { &self.0.url } else { root };
        if path.is_empty() {
            root.to_owned()
        } else if root.ends_with('/') {
            format!("{root}{path}")
        } else {
            format!("{root}/{path}")
        }
    }

    /// A text that is equal for two handles of this process exactly if they stand for the same place. Where the backend does not know its
    /// place, those are the clones of one handle.
    #[must_use]
    pub fn identity(&self) -> String {
        self.0.identity.clone()
    }

    /// The requests made through this handle and its clones.
    #[must_use]
    pub fn requests(&self) -> RequestCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let c = &self.0.counters;
        RequestCounts {
            create: read(&c.create),
            put: read(&c.put),
            get: read(&c.get),
            head: read(&c.head),
            list: read(&c.list),
            delete: read(&c.delete),
        }
    }

    /// Whether every operation completes at its first poll, on the polling thread (see [`Backend::is_blocking`]).
    #[must_use]
    pub fn is_blocking(&self) -> bool {
        self.0.backend.is_blocking()
    }

    /// Creates the object from `body`'s parts, whole or not at all, only if absent. After an error, whether the object exists
    /// or will exist is not known.
    pub async fn create(&self, path: &str, body: &[Bytes]) -> Result<Created> {
        count(&self.0.counters.create);
        self.0.backend.create(path, body).await.map_err(|e| self.name("create", path, &e))
    }

    /// Writes the object, replacing any. For hints: need not be durable.
    pub async fn put(&self, path: &str, body: Bytes) -> Result<()> {
        count(&self.0.counters.put);
        self.0.backend.put(path, body).await.map_err(|e| self.name("put", path, &e))
    }

    /// Opens the object; `None` if it does not exist.
    pub async fn get(&self, path: &str) -> Result<Option<Object>> {
        count(&self.0.counters.get);
        let object = self.0.backend.get(path).await.map_err(|e| self.name("get", path, &e))?;
        Ok(object.map(|object| {
            let (store, path) = (self.clone(), path.to_owned());
            let body = Box::pin(async move { object.body.await.map_err(|e| store.name("read", &path, &e)) });
            Object { size: object.size, tag: object.tag, body }
        }))
    }

    /// The bytes of the object; `None` if it does not exist.
    pub async fn read(&self, path: &str) -> Result<Option<Bytes>> {
        count(&self.0.counters.get);
        match self.0.backend.get(path).await.map_err(|e| self.name("get", path, &e))? {
            Some(object) => object.body.await.map(Some).map_err(|e| self.name("read", path, &e)),
            None => Ok(None),
        }
    }

    /// The bytes `range` of the object, fewer only where it ends before that; `None` if it does not exist.
    pub async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Option<Part>> {
        count(&self.0.counters.get);
        self.0.backend.get_range(path, range).await.map_err(|e| self.name("get a part of", path, &e))
    }

    /// Asks for the object; `None` if it does not exist.
    pub async fn head(&self, path: &str) -> Result<Option<ObjectInfo>> {
        count(&self.0.counters.head);
        self.0.backend.head(path).await.map_err(|e| self.name("head", path, &e))
    }

    /// All objects directly below `dir`, unsorted; empty if there is no such directory.
    pub async fn list(&self, dir: &str) -> Result<Vec<ObjectInfo>> {
        count(&self.0.counters.list);
        self.0.backend.list(dir).await.map_err(|e| self.name("list", dir, &e))
    }

    /// The names of all directories directly below `dir`, unsorted.
    pub async fn list_dirs(&self, dir: &str) -> Result<Vec<String>> {
        count(&self.0.counters.list);
        self.0.backend.list_dirs(dir).await.map_err(|e| self.name("list", dir, &e))
    }

    /// Deletes the object; whether it was there is not said.
    pub async fn delete(&self, path: &str) -> Result<()> {
        count(&self.0.counters.delete);
        self.0.backend.delete(path).await.map_err(|e| self.name("delete", path, &e))
    }

    /// Makes `dirs` and makes them durable, where directories are real.
    pub async fn make_dirs(&self, dirs: &[&str]) -> Result<()> {
        self.0.backend.make_dirs(dirs).await.map_err(|e| self.name("make directories", dirs.first().unwrap_or(&""), &e))
    }

    /// Removes leftovers of interrupted writes from `dir` (see [`Backend::sweep`]).
    pub async fn sweep(&self, dir: &str, older_than: Duration) -> Result<u64> {
        self.0.backend.sweep(dir, older_than).await.map_err(|e| self.name("sweep", dir, &e))
    }

    /// Removes the directory `dir` if it is empty, where directories are real.
    pub async fn remove_dir(&self, dir: &str) -> Result<()> {
        self.0.backend.remove_dir(dir).await.map_err(|e| self.name("remove the directory", dir, &e))
    }

    /// Refuses, as unsupported, a store that does not keep create-if-absent: on such a store two writers overwrite each other.
    /// The store is asked once per handle, by creating one fresh object twice; local and memory stores are known to be good.
    pub async fn ensure_create_if_absent(&self) -> Result<()> {
        if self.0.backend.keeps_create_if_absent() {
            return Ok(());
        }
        self.0.trusted.get_or_try_init(|| self.probe()).await.copied()
    }

    async fn probe(&self) -> Result<()> {
        let path = format!("_mem_wal/.weir-probe-{}", uuid::Uuid::new_v4().simple());
        let outcome = self.probe_at(&path).await;
        // What a failed deletion leaves is seen by nobody: it is neither a shard nor in one.
        if let Err(error) = self.delete(&path).await {
            tracing::debug!(%error, "the probe for create-if-absent stays");
        }
        outcome
    }

    async fn probe_at(&self, path: &str) -> Result<()> {
        let body = [Bytes::from_static(b"weir: does this store keep create-if-absent?")];
        // The name is fresh, so `Exists` can only be our own write, retried by the client after a lost answer.
        let _: Created = self.create(path, &body).await?;
        match self.create(path, &body).await? {
            Created::Exists => Ok(()),
            Created::Done => bail!(
                Unsupported,
                "the store {} does not keep create-if-absent (it answered a second create of one object with success), \
                 so writers could overwrite each other's data",
                self.0.url
            ),
        }
    }

    /// `error` with the request and the object named.
    fn name(&self, request: &str, path: &str, error: &Error) -> Error {
        error.clone().context(format_args!("{request} {}", self.url_of(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryBackend;

    /// PITFALLS K3: what is cached of one place is not taken for another's that came to lie at the same address.
    #[test]
    fn no_place_is_taken_for_one_that_is_gone() {
        let clock: Arc<dyn crate::env::Clock> = crate::runtime::env().clock;
        let places: std::collections::HashSet<_> =
            (0..100).map(|_| Store::new("memory://x", Arc::new(MemoryBackend::new(Arc::clone(&clock)))).identity()).collect();
        assert_eq!(places.len(), 100);
    }
}
