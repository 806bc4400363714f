//! A store that is slower than it is: every request first waits. For trying a service, and for benchmarks.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Backend, Created, Object, ObjectInfo, Part};
use crate::env::{BoxFuture, Clock};
use crate::error::Result;

/// A backend whose requests take `delay` longer.
#[derive(Debug)]
pub(crate) struct Delayed {
    inner: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    delay: Duration,
}

impl Delayed {
    pub(crate) fn new(inner: Arc<dyn Backend>, clock: Arc<dyn Clock>, delay: Duration) -> Self {
        Self { inner, clock, delay }
    }

    fn after<'a, T: 'a>(&'a self, request: BoxFuture<'a, Result<T>>) -> BoxFuture<'a, Result<T>> {
        Box::pin(async move {
            self.clock.sleep(self.delay).await;
            request.await
        })
    }
}

impl Backend for Delayed {
    fn create<'a>(&'a self, path: &'a str, body: &'a [Bytes]) -> BoxFuture<'a, Result<Created>> {
        self.after(self.inner.create(path, body))
    }

    fn put<'a>(&'a self, path: &'a str, body: Bytes) -> BoxFuture<'a, Result<()>> {
        self.after(self.inner.put(path, body))
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Object>>> {
        self.after(self.inner.get(path))
    }

    fn get_range<'a>(&'a self, path: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Part>>> {
        self.after(self.inner.get_range(path, range))
    }

    fn head<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>>> {
        self.after(self.inner.head(path))
    }

    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>>> {
        self.after(self.inner.list(dir))
    }

    fn list_dirs<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<String>>> {
        self.after(self.inner.list_dirs(dir))
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        self.after(self.inner.delete(path))
    }

    fn make_dirs<'a>(&'a self, dirs: &'a [&'a str]) -> BoxFuture<'a, Result<()>> {
        self.inner.make_dirs(dirs)
    }

    fn is_blocking(&self) -> bool {
        false
    }

    fn sweep<'a>(&'a self, dir: &'a str, older_than: Duration) -> BoxFuture<'a, Result<u64>> {
        self.inner.sweep(dir, older_than)
    }

    fn remove_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<()>> {
        self.inner.remove_dir(dir)
    }

    fn keeps_create_if_absent(&self) -> bool {
        self.inner.keeps_create_if_absent()
    }

    fn identity(&self) -> Option<String> {
        self.inner.identity()
    }
}
