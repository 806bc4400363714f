//! Spills as files: a directory of the process's own below a base directory that processes share.
//!
//! The directory is made when a writer accepts its first byte, and holds an exclusive lock on itself for as long as the store or
//! anything of it lives. A file is created when its writer first has to write, and its descriptor is closed when it is finished;
//! the first read opens it again. Files are only ever reached through the directory's descriptor: whoever may rename what is above
//! it changes nothing.

mod descriptors;
mod directory;
mod file;
mod floor;
mod ops;
mod sweep;

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

pub use ops::{FileOps, Space, SystemOps};

use self::descriptors::{Kept, keep};
use self::directory::{Base, OwnedDir};
use self::file::File;
use self::floor::Floor;
use super::backend::{Backend, Sink, Stored};
use super::budget::Budget;
use super::spill::Mapping;
use super::stats::Swept;
use crate::env::BoxFuture;
use crate::error::{ErrorKind, Result, err};

/// What the files of one store share.
#[derive(Debug)]
struct LocalShared {
    ops: Arc<dyn FileOps>,
    base: Base,
    /// Made at first use; a failure is not kept.
    dir: Mutex<Option<Arc<OwnedDir>>>,
    /// Whether it is made.
    ready: AtomicBool,
    /// Held while what the dead left is removed.
    sweeping: Mutex<()>,
    floor: Floor,
    next: AtomicU64,
    /// All that was accepted, and what of it is in memory for good.
    budget: Arc<Budget>,
    memory: Option<Arc<Budget>>,
    /// Bytes in files.
    written: AtomicU64,
    /// Files that could not be removed.
    leftovers: Mutex<Vec<String>>,
    swept: Arc<Swept>,
}

impl LocalShared {
    /// The store's directory, made if there is none yet. Who makes it sweeps, too; others need not wait for that.
    fn dir(&self) -> Result<Arc<OwnedDir>> {
        let mut slot = self.dir.lock();
        if let Some(dir) = &*slot {
            dir.check_ours()?;
            return Ok(dir.clone());
        }
        let dir = Arc::new(self.base.make(&self.swept)?);
        // Before others see the directory: from then on they may find the disk full of what is about to go.
        let _sweeping = self.sweeping.lock();
        *slot = Some(dir.clone());
        self.ready.store(true, Ordering::Relaxed);
        drop(slot);
        dir.sweep_others(&self.swept);
        Ok(dir)
    }

    /// Does `attempt`, and once more if there was no room while what the dead left was still being removed.
    fn once_swept<T>(&self, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        let sweeping = self.sweeping.is_locked();
        match attempt() {
            Err(error) if sweeping && error.kind() == ErrorKind::StorageFull => {
                drop(self.sweeping.lock());
                attempt()
            }
            outcome => outcome,
        }
    }

    fn next_name(&self) -> String {
        self.next.fetch_add(1, Ordering::Relaxed).to_string()
    }

    fn wrote(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    fn removed(&self, bytes: u64) {
        self.written.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// What was accepted for the disk and is not on it yet.
    fn unwritten(&self) -> u64 {
        let in_memory = self.memory.as_ref().map_or(0, |memory| memory.used());
        self.budget.used().saturating_sub(in_memory).saturating_sub(self.written.load(Ordering::Relaxed))
    }

    /// Agrees to `bytes` more, which the budget granted, unless the disk has too little room for them and what moves there from
    /// memory.
    fn admit(&self, bytes: u64, moving: u64) -> Result<()> {
        let dir = self.dir()?;
        self.once_swept(|| {
            self.floor.admit(
                bytes.saturating_add(moving),
                || self.unwritten().saturating_add(moving),
                || self.ops.free_space(std::os::fd::AsFd::as_fd(&*dir)),
            )
        })
    }

    fn remove(&self, dir: &OwnedDir, name: String) {
        // In the child of a fork, the files are its parent's.
        if dir.check_ours().is_err() {
            return;
        }
        if let Err(error) = dir.remove(&*self.ops, &name) {
            tracing::warn!(%error, file = %dir.show(&name), "a spilled file cannot be removed; it is tried again later");
            self.leftovers.lock().push(name);
        }
    }

    /// Tries again to remove what could not be removed.
    fn remove_leftovers(&self) {
        let names = std::mem::take(&mut *self.leftovers.lock());
        if names.is_empty() {
            return;
        }
        let Some(dir) = self.dir.lock().clone() else { return };
        let left = names.into_iter().filter(|name| dir.remove(&*self.ops, name).is_err()).collect::<Vec<_>>();
        self.leftovers.lock().extend(left);
    }
}

/// A local directory as a place for spilled data.
#[derive(Debug)]
pub(super) struct LocalBackend(Arc<LocalShared>);

impl LocalBackend {
    pub(super) fn new(
        directory: Option<&Path>,
        min_free: Option<u64>,
        ops: Arc<dyn FileOps>,
        budget: &Arc<Budget>,
        memory: Option<&Arc<Budget>>,
        swept: &Arc<Swept>,
    ) -> Result<Self> {
        Ok(Self(Arc::new(LocalShared {
            ops,
            base: Base::new(directory)?,
            dir: Mutex::new(None),
            ready: AtomicBool::new(false),
            sweeping: Mutex::default(),
            floor: Floor::new(min_free),
            next: AtomicU64::new(0),
            budget: budget.clone(),
            memory: memory.cloned(),
            written: AtomicU64::new(0),
            leftovers: Mutex::default(),
            swept: swept.clone(),
        })))
    }

    pub(super) fn sink(&self) -> LocalSink {
        LocalSink { shared: self.0.clone(), file: None, writing: None }
    }
}

impl Backend for LocalBackend {
    fn begin(&self, _memory: Option<&Arc<Budget>>) -> Box<dyn Sink> {
        Box::new(self.sink())
    }

    fn is_blocking(&self) -> bool {
        true
    }

    fn retire(&self) -> BoxFuture<'_, ()> {
        let mut dir = self.0.dir.lock();
        // Of its files, each holds it too.
        if dir.as_ref().is_some_and(|dir| Arc::strong_count(dir) == 1) {
            self.0.ready.store(false, Ordering::Relaxed);
            *dir = None;
        }
        Box::pin(std::future::ready(()))
    }
}

/// A file while it is written.
#[derive(Debug)]
pub(super) struct LocalSink {
    shared: Arc<LocalShared>,
    file: Option<File>,
    /// Its descriptor, where there are some to spare.
    writing: Option<Kept>,
}

impl LocalSink {
    /// As [`Sink::admit`], for bytes of which `moving` more come from memory.
    pub(super) fn admit_moving(&mut self, bytes: u64, moving: u64) -> Result<()> {
        self.shared.admit(bytes, moving)
    }

    /// The spill that the file has become.
    pub(super) fn end(&mut self) -> Result<Box<dyn Stored>> {
        if let (Some(kept), Some(file)) = (self.writing.take(), &self.file) {
            file.close(kept.into_fd())?;
        }
        Ok(Box::new(LocalStored(self.file.take())))
    }
}

impl Sink for LocalSink {
    fn admit_now(&mut self, bytes: u64) -> bool {
        // A directory that cannot be made is to be found out before anything is accepted.
        self.shared.ready.load(Ordering::Relaxed) && self.shared.floor.admit_now(bytes)
    }

    fn admit(&mut self, bytes: u64) -> Result<()> {
        self.shared.admit(bytes, 0)
    }

    fn write(&mut self, parts: &mut [IoSlice<'_>], bytes: u64) -> Result<()> {
        let (file, fd) = match (&mut self.file, &self.writing) {
            (Some(file), Some(kept)) => (file, kept.fd()),
            (slot, _) => {
                let fd = match slot {
                    Some(file) => file.reopen()?,
                    None => {
                        let (file, fd) = File::create(&self.shared)?;
                        *slot = Some(file);
                        fd
                    }
                };
                let file = slot.as_mut().ok_or_else(|| err!(Internal, "a file that was created is not there"))?;
                match keep(fd) {
                    Ok(kept) => (file, self.writing.insert(kept).fd()),
                    Err(fd) => {
                        file.append(&fd, parts, bytes)?;
                        return file.close(fd);
                    }
                }
            }
        };
        file.append(fd, parts, bytes)
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<Box<dyn Stored>>> {
        Box::pin(std::future::ready(self.end()))
    }

    fn discard(&mut self) -> Option<BoxFuture<'static, Result<()>>> {
        self.writing = None;
        self.file = None;
        None
    }
}

/// A file that was written; `None`: no byte was.
#[derive(Debug)]
struct LocalStored(Option<File>);

impl LocalStored {
    fn file(&self) -> Result<&File> {
        self.0.as_ref().ok_or_else(|| err!(Internal, "bytes are asked for of a spill without any"))
    }
}

impl Stored for LocalStored {
    fn read_exact_at<'a>(&'a self, offset: u64, out: &'a mut [u8]) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(self.file().and_then(|file| file.read_exact_at(offset, out))))
    }

    fn map(&self) -> Result<Mapping> {
        self.file()?.map().map(Mapping::File)
    }

    fn delete(&mut self) -> Option<BoxFuture<'static, Result<()>>> {
        self.0 = None;
        None
    }
}
