//! A store in this process's memory: for tests and trials. Nothing in it is durable.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::{Bound, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

use super::{Backend, Created, Object, ObjectInfo, Part};
use crate::env::{BoxFuture, Clock};
use crate::error::Result;

#[derive(Clone)]
struct Entry {
    body: Bytes,
    modified: Duration,
    tag: u64,
}

/// Objects in memory, stamped with the time of a clock. Every operation is atomic and completes at its first poll.
#[derive(Clone)]
pub struct MemoryBackend {
    objects: Arc<Mutex<BTreeMap<String, Entry>>>,
    clock: Arc<dyn Clock>,
    /// What stands before each path, with a `/` at its end unless empty.
    prefix: String,
    identity: Option<String>,
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBackend").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl MemoryBackend {
    /// An empty store.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { objects: Arc::default(), clock, prefix: String::new(), identity: None }
    }

    /// The part below `prefix` of the store that this process knows by `name`. It lives as long as the process.
    #[must_use]
    pub(crate) fn named(name: &str, prefix: &str, clock: Arc<dyn Clock>) -> Self {
        static NAMED: OnceLock<Mutex<HashMap<String, MemoryBackend>>> = OnceLock::new();
        let mut stores = NAMED.get_or_init(Mutex::default).lock();
        let store = stores.entry(name.to_owned()).or_insert_with(|| Self::new(clock)).clone();
        let separator = if prefix.is_empty() { "" } else { "/" };
        Self { prefix: format!("{prefix}{separator}"), identity: Some(format!("memory://{name}/{prefix}")), ..store }
    }

    fn key(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    fn entry(&self, body: Bytes) -> Entry {
        static TAGS: AtomicU64 = AtomicU64::new(0);
        Entry { body, modified: self.clock.unix(), tag: TAGS.fetch_add(1, Ordering::Relaxed) }
    }

    /// Calls `found` with the rest of each key below `dir`, and its entry.
    fn each_below(&self, dir: &str, mut found: impl FnMut(&str, &Entry)) {
        let dir = if dir.is_empty() { self.prefix.clone() } else { format!("{}{dir}/", self.prefix) };
        let objects = self.objects.lock();
        let range = objects.range::<str, _>((Bound::Included(dir.as_str()), Bound::Unbounded));
        for (key, entry) in range {
            match key.strip_prefix(&dir) {
                Some(rest) => found(rest, entry),
                None => break,
            }
        }
    }
}

/// The last part of `path`.
pub(crate) fn last_part(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// One buffer with the contents of `parts`; no copy if there is only one.
fn join(parts: &[Bytes]) -> Bytes {
    if let [part] = parts {
        return part.clone();
    }
    let mut whole = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
    parts.iter().for_each(|part| whole.extend_from_slice(part));
    whole.freeze()
}

impl Backend for MemoryBackend {
    fn create<'a>(&'a self, path: &'a str, body: &'a [Bytes]) -> BoxFuture<'a, Result<Created>> {
        Box::pin(async move {
            let entry = self.entry(join(body));
            match self.objects.lock().entry(self.key(path)) {
                std::collections::btree_map::Entry::Occupied(_) => Ok(Created::Exists),
                std::collections::btree_map::Entry::Vacant(slot) => {
                    slot.insert(entry);
                    Ok(Created::Done)
                }
            }
        })
    }

    fn put<'a>(&'a self, path: &'a str, body: Bytes) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let entry = self.entry(body);
            self.objects.lock().insert(self.key(path), entry);
            Ok(())
        })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Object>>> {
        Box::pin(async move {
            let entry = self.objects.lock().get(&self.key(path)).cloned();
            Ok(entry.map(|Entry { body, tag, .. }| Object {
                size: body.len() as u64,
                tag: Some(tag.to_string()),
                body: Box::pin(std::future::ready(Ok(body))),
            }))
        })
    }

    fn get_range<'a>(&'a self, path: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Part>>> {
        Box::pin(async move { Ok(self.objects.lock().get(&self.key(path)).map(|entry| Part::of(&entry.body, &range))) })
    }

    fn head<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>>> {
        Box::pin(async move { Ok(self.objects.lock().get(&self.key(path)).map(|entry| info(last_part(path), entry))) })
    }

    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>>> {
        Box::pin(async move {
            let mut objects = Vec::new();
            self.each_below(dir, |rest, entry| {
                if !rest.contains('/') {
                    objects.push(info(rest, entry));
                }
            });
            Ok(objects)
        })
    }

    fn list_dirs<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<String>>> {
        Box::pin(async move {
            let mut dirs: Vec<String> = Vec::new();
            self.each_below(dir, |rest, _| {
                if let Some((name, _)) = rest.split_once('/')
                    && dirs.last().is_none_or(|last| last != name)
                {
                    dirs.push(name.to_owned());
                }
            });
            // `a-/x` sorts between `a` and `a/x`, but all keys below one directory are neighbours: no duplicates.
            Ok(dirs)
        })
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.objects.lock().remove(&self.key(path));
            Ok(())
        })
    }

    fn make_dirs<'a>(&'a self, _dirs: &'a [&'a str]) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn is_blocking(&self) -> bool {
        true
    }

    fn keeps_create_if_absent(&self) -> bool {
        true
    }

    fn identity(&self) -> Option<String> {
        self.identity.clone()
    }
}

fn info(name: &str, entry: &Entry) -> ObjectInfo {
    ObjectInfo { name: name.to_owned(), size: entry.body.len() as u64, modified: entry.modified, tag: Some(entry.tag.to_string()) }
}
