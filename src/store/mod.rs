//! Object stores: opened by URL, with create-if-absent and its three outcomes.
//!
//! [`Backend`] is what a store must do; [`Store`] is a cheap handle on one root of one backend that adds the counting of
//! requests. Every path is relative to the root, with `/` between its parts, and consists of ASCII letters, digits and
//! `._-` only, so no backend needs to escape it.
//!
//! What the rest of the crate may rely on: [`Store::create`] puts an object there whole or not at all, and never replaces one.
//! On local disk it is durable when it returns (unless `weir_fsync` is off). An error of `create` says nothing about whether the
//! object is or will be there. Every error names the object by its full URL.

mod below;
mod buffer;
mod delayed;
mod handle;
pub mod local;
mod location;
pub mod memory;
#[cfg(feature = "cloud")]
mod object;
mod open;
mod settings;

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;

use crate::env::BoxFuture;
use crate::error::Result;

pub use handle::{RequestCounts, Store};
pub(crate) use open::Stores;
pub use open::open;
pub use settings::Settings;

/// The outcome of a create-if-absent that the store answered. An error instead means: the outcome is unknown, the
/// object may exist now or appear later (STORES.md, "The client").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The object was not there and now is.
    Done,
    /// The object was there. It may be our own write, when a client underneath retried after a lost answer.
    Exists,
}

/// What a store says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The last part of its path.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written, by the store's clock, since the Unix epoch.
    pub modified: Duration,
    /// What tells it from all others that had or will have its name, if the store knows such a thing.
    pub tag: Option<String>,
}

/// An object opened for reading: its size is known before its bytes are fetched, so that a reader can keep to a budget.
pub struct Object {
    /// Its size in bytes.
    pub size: u64,
    /// As in [`ObjectInfo`].
    pub tag: Option<String>,
    /// Its bytes, fetched when polled.
    pub body: BoxFuture<'static, Result<Bytes>>,
}

/// A part of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The size of the whole object in bytes.
    pub size: u64,
    /// The bytes asked for, as far as the object reaches: fewer only at its end.
    pub bytes: Bytes,
}

impl Part {
    /// The part `range` of an object that is all there.
    #[must_use]
    pub fn of(whole: &Bytes, range: &Range<u64>) -> Self {
        // What goes beyond the address space goes beyond the object.
        let clip = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(whole.len());
        let start = clip(range.start);
        Self { size: whole.len() as u64, bytes: whole.slice(start..clip(range.end).max(start)) }
    }
}

/// What a store must do. Paths are relative to the backend's root.
pub trait Backend: Send + Sync + fmt::Debug {
    /// Creates the object from `body`'s parts, whole or not at all, only if absent.
    fn create<'a>(&'a self, path: &'a str, body: &'a [Bytes]) -> BoxFuture<'a, Result<Created>>;
    /// Writes the object, replacing any (hints only; need not be durable).
    fn put<'a>(&'a self, path: &'a str, body: Bytes) -> BoxFuture<'a, Result<()>>;
    /// Opens the object; `None` if it does not exist.
    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Object>>>;
    /// Asks for the object; `None` if it does not exist. A failure is an error, never `None`.
    fn head<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>>>;
    /// All objects directly below `dir`, unsorted; empty if there is no such directory.
    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>>>;
    /// The names of all directories (common prefixes) directly below `dir`, unsorted.
    fn list_dirs<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<String>>>;
    /// Deletes the object; whether it was there is not said.
    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>>;
    /// Makes `dirs` and makes them durable, where directories are real; else nothing.
    fn make_dirs<'a>(&'a self, dirs: &'a [&'a str]) -> BoxFuture<'a, Result<()>>;
    /// Reads the bytes `range` of the object, fewer where it ends before that (none if it ends before its start); `None` if it
    /// does not exist. Unless a backend can do better, the whole object is fetched.
    fn get_range<'a>(&'a self, path: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Part>>> {
        Box::pin(async move {
            match self.get(path).await? {
                Some(object) => Ok(Some(Part::of(&object.body.await?, &range))),
                None => Ok(None),
            }
        })
    }
    /// Whether every operation does its work on the polling thread and completes at the first poll.
    fn is_blocking(&self) -> bool;

    /// Removes from directly below `dir` what interrupted writes of this backend left there, if it is older than
    /// `older_than`; says how many. Such leftovers are never listed.
    fn sweep<'a>(&'a self, dir: &'a str, older_than: Duration) -> BoxFuture<'a, Result<u64>> {
        let _ = (dir, older_than);
        Box::pin(std::future::ready(Ok(0)))
    }

    /// Removes the directory `dir` if it is empty, where directories are real; else nothing.
    fn remove_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<()>> {
        let _ = dir;
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether create-if-absent is known to hold here, so that it need not be probed.
    fn keeps_create_if_absent(&self) -> bool {
        false
    }

    /// A text that is equal for every backend of this process that stands for the same place, if there is one.
    fn identity(&self) -> Option<String> {
        None
    }
}
