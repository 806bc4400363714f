//! The directory of one store, and the sweeping of those whose owners are dead.
//!
//! A directory `<32 hex digits>.spill` belongs to whoever holds the lock on it. The lock is the kernel's: it ends with its
//! process, however that ends, and is seen across users and containers, which process numbers are not. Only directories with
//! exactly such names are touched, and in them only files with names of digits.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::ops::FileOps;
use super::sweep::sweep;
use crate::error::{Result, bail, err};
use crate::runtime;
use crate::spill::stats::Swept;
use crate::store::local::io_error;

/// Below the system's directory for temporary files.
const DEFAULT_NAME: &str = "weir-spill";
const SUFFIX: &str = ".spill";
/// How often a directory is made anew when a sweeper was faster.
const ATTEMPTS: usize = 100;

/// The directory in which stores have theirs.
#[derive(Debug)]
pub(super) struct Base {
    path: PathBuf,
    /// Whether all users share it: the default.
    shared: bool,
}

impl Base {
    pub fn new(directory: Option<&Path>) -> Result<Self> {
        let path = directory.map_or_else(|| std::env::temp_dir().join(DEFAULT_NAME), Path::to_owned);
        let path = std::path::absolute(&path).map_err(|e| err!(InvalidArgument, "the spill directory {}: {e}", path.display()))?;
        Ok(Self { path, shared: directory.is_none() })
    }

    /// Makes a directory for one store, locks it, and sweeps those of the dead.
    pub fn make(&self, swept: &Swept) -> Result<OwnedDir> {
        let base = self.open()?;
        for _ in 0..ATTEMPTS {
            if let Some(dir) = self.try_make(&base)? {
                sweep(&base, &self.path, &dir.name, swept);
                return Ok(dir);
            }
        }
        bail!(Storage, "cannot make a directory in {}: {ATTEMPTS} times another process took it for a dead one's", self.path.display())
    }

    /// Opens it, made if it is missing.
    fn open(&self) -> Result<OwnedFd> {
        let failed = |what: &str| {
            let what = format!("cannot {what} the spill directory {}", self.path.display());
            move |errno: Errno| io_error(what, errno)
        };
        let mut flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if self.shared {
            // Where everybody may write, a link could lead anywhere.
            flags |= OFlags::NOFOLLOW;
        }
        let open = || retry_on_intr(|| rustix::fs::open(&self.path, flags, Mode::empty()));
        match open() {
            Err(Errno::NOENT) => {}
            other => return other.map_err(failed("open")),
        }
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
        if self.shared {
            self.make_shared().map_err(failed("make"))?;
        } else if let Err(error) = builder.create(&self.path) {
            return Err(io_error(format_args!("cannot make the spill directory {}", self.path.display()), error));
        }
        open().map_err(failed("open"))
    }

    fn make_shared(&self) -> Result<(), Errno> {
        match rustix::fs::mkdir(&self.path, Mode::from_raw_mode(0o700)) {
            // Everybody may make directories in it, and nobody remove those of others. Not by mkdir, which heeds the umask.
            Ok(()) => rustix::fs::chmod(&self.path, Mode::from_raw_mode(0o1777)),
            Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// One attempt; `None` if a sweeper had it.
    fn try_make(&self, base: &OwnedFd) -> Result<Option<OwnedDir>> {
        let name = format!("{}{SUFFIX}", uuid::Uuid::new_v4().simple());
        let path = self.path.join(&name);
        let failed = |what: &'static str| {
            let path = path.clone();
            move |errno: Errno| io_error(format_args!("cannot {what} {}", path.display()), errno)
        };
        rustix::fs::mkdirat(base, name.as_str(), Mode::from_raw_mode(0o700)).map_err(failed("make the directory"))?;
        let fd = match open_dir(base.as_fd(), &name) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed("open the directory")(errno)),
        };
        match lock(&fd) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(errno) => {
                let _ = rustix::fs::unlinkat(base, name.as_str(), AtFlags::REMOVEDIR);
                return Err(err!(Unsupported, "cannot lock the directory {}: {errno}; spilled files need locks", path.display()));
            }
        }
        // A sweeper may have had the lock, and removed it, before us.
        if !is_at(&fd, base.as_fd(), &name) {
            return Ok(None);
        }
        let base = base.try_clone().map_err(|e| io_error("cannot keep the spill directory open", e))?;
        Ok(Some(OwnedDir { fd, base, name, path }))
    }
}

/// Whether a directory of this name is a store's: exactly as [`Base::try_make`] calls them.
pub(super) fn is_store_name(name: &str) -> bool {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    name.strip_suffix(SUFFIX).is_some_and(|id| id.len() == 32 && id.bytes().all(digit))
}

pub(super) fn open_dir(base: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    retry_on_intr(|| rustix::fs::openat(base, name, flags, Mode::empty()))
}

/// Locks the directory; `false` if another has it.
pub(super) fn lock(dir: &OwnedFd) -> Result<bool, Errno> {
    match retry_on_intr(|| rustix::fs::flock(dir, FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Whether `name` in `base` is the open `dir`.
pub(super) fn is_at(dir: &OwnedFd, base: BorrowedFd<'_>, name: &str) -> bool {
    match (rustix::fs::fstat(dir), rustix::fs::statat(base, name, AtFlags::SYMLINK_NOFOLLOW)) {
        (Ok(ours), Ok(there)) => ours.st_dev == there.st_dev && ours.st_ino == there.st_ino,
        _ => false,
    }
}

/// Calls `found` with the names of files in `dir` that spilled data has.
pub(super) fn each_file(dir: BorrowedFd<'_>, mut found: impl FnMut(&str)) -> Result<(), Errno> {
    for entry in rustix::fs::Dir::read_from(dir)? {
        if let Ok(name) = entry?.file_name().to_str()
            && !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_digit())
        {
            found(name);
        }
    }
    Ok(())
}

/// The locked directory of one store. Dropping it removes it and what is left in it.
#[derive(Debug)]
pub(super) struct OwnedDir {
    /// Holds the lock.
    fd: OwnedFd,
    base: OwnedFd,
    name: String,
    path: PathBuf,
}

impl AsFd for OwnedDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl OwnedDir {
    /// The path of a file in it, for messages.
    pub fn show(&self, name: &str) -> impl fmt::Display {
        self.path.join(name).display().to_string()
    }

    /// Removes a file; one that is gone is fine.
    pub fn remove(&self, ops: &dyn FileOps, name: &str) -> io::Result<()> {
        match ops.remove(self.as_fd(), name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

impl Drop for OwnedDir {
    fn drop(&mut self) {
        if runtime::is_forked() {
            return;
        }
        // What could not be removed when its spill ended.
        let _ = each_file(self.as_fd(), |name| {
            let _ = rustix::fs::unlinkat(&self.fd, name, AtFlags::empty());
        });
        if let Err(error) = rustix::fs::unlinkat(&self.base, self.name.as_str(), AtFlags::REMOVEDIR)
            && error != Errno::NOENT
        {
            tracing::warn!(%error, directory = %self.path.display(), "a spill directory cannot be removed; the next process sweeps it");
        }
    }
}
