//! One spilled file: appended to by its writer, then read by many at once, removed with its end.

use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::OnceLock;

use rustix::fs::FileType;
use rustix::io::Errno;

use super::descriptors::{Kept, keep};
use super::{LocalShared, OwnedDir};
use crate::error::{Result, bail, err};
use crate::store::local::io_error;

/// What `writev` takes at most (IOV_MAX).
const MAX_SLICES: usize = 1024;

/// A file in a store's directory. Dropping it removes it.
#[derive(Debug)]
pub(super) struct File {
    shared: Arc<LocalShared>,
    dir: Arc<OwnedDir>,
    name: String,
    /// Bytes written.
    len: u64,
    /// Whether there is something to remove.
    exists: bool,
    reading: OnceLock<Kept>,
}

impl File {
    /// Creates a file and gives it with its open descriptor.
    pub fn create(shared: &Arc<LocalShared>) -> Result<(Self, OwnedFd)> {
        let dir = shared.dir()?;
        let name = shared.next_name();
        shared.remove_leftovers();
        let failed = |error| io_error(format_args!("cannot create {}", dir.show(&name)), error);
        let fd = shared.once_swept(|| shared.ops.create(dir.as_fd(), &name).map_err(failed))?;
        Ok((Self { shared: shared.clone(), dir, name, len: 0, exists: true, reading: OnceLock::new() }, fd))
    }

    /// Its descriptor for appending, opened again.
    pub fn reopen(&self) -> Result<OwnedFd> {
        self.shared.ops.reopen(self.dir.as_fd(), &self.name).map_err(|e| self.gone("open", e)).and_then(|fd| self.regular(fd))
    }

    /// Closes a descriptor for appending: only now it is sure that what was written is taken.
    pub fn close(&self, fd: OwnedFd) -> Result<()> {
        self.shared.ops.close(fd).map_err(|e| self.error("write", e))
    }

    /// Appends all of `parts`, `bytes` in all.
    pub fn append(&mut self, fd: &OwnedFd, mut parts: &mut [IoSlice<'_>], bytes: u64) -> Result<()> {
        self.dir.check_ours()?;
        let mut left = bytes;
        while left > 0 {
            let batch = &parts[..parts.len().min(MAX_SLICES)];
            let append = || self.shared.ops.append(fd.as_fd(), batch).map_err(|e| self.error("write", e));
            let written = self.shared.once_swept(append)?;
            if written == 0 {
                bail!(Storage, "cannot write {}: the file system takes no more bytes and gives no reason", self.path());
            }
            self.len += written as u64;
            self.shared.wrote(written as u64);
            left = left.saturating_sub(written as u64);
            IoSlice::advance_slices(&mut parts, written);
        }
        Ok(())
    }

    /// Reads exactly the bytes from `offset`.
    pub fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.with_descriptor(|fd| {
            let mut done = 0;
            while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
                let at = offset + done as u64;
                let read = self.shared.ops.read_at(fd.as_fd(), at, rest).map_err(|e| self.error("read", e))?;
                if read == 0 {
                    bail!(Corruption, "{} ends after {at} of its {} bytes: it was cut by someone else", self.path(), self.len);
                }
                done += read;
            }
            Ok(())
        })
    }

    /// Calls `with` with a descriptor for reading, which is kept for the next time where there are descriptors to spare.
    fn with_descriptor<T>(&self, with: impl FnOnce(&OwnedFd) -> Result<T>) -> Result<T> {
        if let Some(kept) = self.reading.get() {
            return with(kept.fd());
        }
        let fd = self.shared.ops.open(self.dir.as_fd(), &self.name).map_err(|e| self.gone("open", e))?;
        let fd = self.regular(fd)?;
        match keep(fd) {
            Ok(kept) => with(self.reading.get_or_init(|| kept).fd()),
            Err(fd) => with(&fd),
        }
    }

    /// Its bytes, mapped.
    pub fn map(&self) -> Result<memmap2::Mmap> {
        self.with_descriptor(|fd| {
            let len = usize::try_from(self.len).map_err(|_| err!(Unsupported, "{} is too large to map", self.path()))?;
            let size = rustix::fs::fstat(fd).map_err(|e| self.error("examine", e.into()))?.st_size;
            // A page beyond the file's end would end the process when it is read.
            if u64::try_from(size) != Ok(self.len) {
                bail!(Corruption, "{} had {} bytes and has {size}: someone else changed it", self.path(), self.len);
            }
            // SAFETY: nobody writes the file any more: it is private to this process's user, in a directory locked by this
            // process, and its writer has ended.
            unsafe { memmap2::MmapOptions::new().len(len).map(fd) }.map_err(|e| self.error("map", e))
        })
    }

    fn path(&self) -> impl fmt::Display {
        self.dir.show(&self.name)
    }

    fn error(&self, what: &str, error: io::Error) -> crate::error::Error {
        io_error(format_args!("cannot {what} {}", self.path()), error)
    }

    /// A file of ours that is not there was removed by someone else, and something else in its place was put there.
    fn gone(&self, what: &str, error: io::Error) -> crate::error::Error {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT) => err!(Corruption, "{} is gone: it was removed by someone else", self.path()),
            Some(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => self.replaced(),
            _ => self.error(what, error),
        }
    }

    /// A descriptor that the file's name gave, if it is one of a file.
    fn regular(&self, fd: OwnedFd) -> Result<OwnedFd> {
        let stat = rustix::fs::fstat(&fd).map_err(|e| self.error("examine", e.into()))?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile { Ok(fd) } else { Err(self.replaced()) }
    }

    fn replaced(&self) -> crate::error::Error {
        err!(Corruption, "{} is no file any more: someone else put something in its place", self.path())
    }

    /// Removes it. What cannot be removed is tried again later; its bytes count as gone all the same.
    pub fn remove(&mut self) {
        if std::mem::take(&mut self.exists) {
            self.shared.removed(self.len);
            self.shared.remove(&self.dir, std::mem::take(&mut self.name));
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.remove();
    }
}
