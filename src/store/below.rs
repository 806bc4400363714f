//! A part of a backend as a backend of its own: several roots in one bucket share its client.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Backend, Created, Object, ObjectInfo, Part};
use crate::env::BoxFuture;
use crate::error::Result;

/// What `inner` has below a prefix.
#[derive(Debug)]
pub(crate) struct Below {
    inner: Arc<dyn Backend>,
    /// What stands before each path, with a `/` at its end unless empty.
    prefix: String,
    identity: String,
}

impl Below {
    /// Of `inner`, known as `identity`, what is below `prefix`, which has no slashes at its ends; all of it if that is empty.
    pub(crate) fn new(inner: Arc<dyn Backend>, identity: &str, prefix: &str) -> Self {
        match prefix {
            "" => Self { inner, prefix: String::new(), identity: identity.to_owned() },
            prefix => Self { inner, prefix: format!("{prefix}/"), identity: format!("{prefix}@{identity}") },
        }
    }

    fn path(&self, path: &str) -> String {
        // A directory may be the root itself.
        if path.is_empty() { self.prefix.trim_end_matches('/').to_owned() } else { format!("{}{path}", self.prefix) }
    }
}

impl Backend for Below {
    fn create<'a>(&'a self, path: &'a str, body: &'a [Bytes]) -> BoxFuture<'a, Result<Created>> {
        Box::pin(async move { self.inner.create(&self.path(path), body).await })
    }

    fn put<'a>(&'a self, path: &'a str, body: Bytes) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.inner.put(&self.path(path), body).await })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Object>>> {
        Box::pin(async move { self.inner.get(&self.path(path)).await })
    }

    fn get_range<'a>(&'a self, path: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Part>>> {
        Box::pin(async move { self.inner.get_range(&self.path(path), range).await })
    }

    fn head<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>>> {
        Box::pin(async move { self.inner.head(&self.path(path)).await })
    }

    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>>> {
        Box::pin(async move { self.inner.list(&self.path(dir)).await })
    }

    fn list_dirs<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<String>>> {
        Box::pin(async move { self.inner.list_dirs(&self.path(dir)).await })
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.inner.delete(&self.path(path)).await })
    }

    fn make_dirs<'a>(&'a self, dirs: &'a [&'a str]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let dirs: Vec<String> = dirs.iter().map(|dir| self.path(dir)).collect();
            self.inner.make_dirs(&dirs.iter().map(String::as_str).collect::<Vec<_>>()).await
        })
    }

    fn is_blocking(&self) -> bool {
        self.inner.is_blocking()
    }

    fn sweep<'a>(&'a self, dir: &'a str, older_than: Duration) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move { self.inner.sweep(&self.path(dir), older_than).await })
    }

    fn remove_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.inner.remove_dir(&self.path(dir)).await })
    }

    fn keeps_create_if_absent(&self) -> bool {
        self.inner.keeps_create_if_absent()
    }

    fn identity(&self) -> Option<String> {
        Some(self.identity.clone())
    }
}
