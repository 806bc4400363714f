//! The directory of one store, and the sweeping of those whose owners are dead.
//!
//! A directory `<32 hex digits>.spill` belongs to whoever holds the lock on it. The lock is the kernel's: it ends with its
//! process, however that ends, and is seen across users and containers, which process numbers are not. Only directories with
//! exactly such names are touched, and in them only files with names of digits. As only their owners may look into them, a process
//! sweeps after its own user, and root after all.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, RawMode};
use rustix::io::{Errno, retry_on_intr};

use super::ops::FileOps;
use super::sweep::sweep;
use crate::error::{Error, ErrorKind, Result, bail, err};
use crate::runtime;
use crate::spill::stats::Swept;
use crate::store::local::io_error;

/// Below the system's directory for temporary files, for all users; with their number behind it, for one.
const DEFAULT_NAME: &str = "weir-spill";
/// Everybody may make directories in it, and nobody remove those of others.
const EVERYBODYS: RawMode = 0o1777;
const PRIVATE: RawMode = 0o700;
const SUFFIX: &str = ".spill";
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// How often a directory is made anew when a sweeper was faster.
const ATTEMPTS: usize = 100;

/// The directory in which stores have theirs.
#[derive(Debug)]
pub(super) struct Base {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The caller's choice, and who may do what there is the caller's business.
    Chosen,
    /// The default, where everybody may write: no more is trusted than what root or this user made.
    Everybodys,
    /// In place of that where it cannot be used.
    Own,
}

impl Base {
    pub fn new(directory: Option<&Path>) -> Result<Self> {
        let path = directory.map_or_else(|| std::env::temp_dir().join(DEFAULT_NAME), Path::to_owned);
        let path = std::path::absolute(&path).map_err(|e| err!(InvalidArgument, "the spill directory {}: {e}", path.display()))?;
        Ok(Self { path, kind: if directory.is_some() { Kind::Chosen } else { Kind::Everybodys } })
    }

    /// Makes a directory for one store and locks it.
    pub fn make(&self, swept: &Swept) -> Result<OwnedDir> {
        // Without the watch, the child of a fork would take it for its own.
        runtime::watch_fork();
        match self.make_here(swept) {
            Err(error) if self.kind == Kind::Everybodys && error.kind() == ErrorKind::PermissionDenied => {
                let user = rustix::process::geteuid().as_raw();
                let path = self.path.with_file_name(format!("{DEFAULT_NAME}-{user}"));
                tracing::debug!(%error, instead = %path.display(), "the spill directory of all users cannot be used");
                Self { path, kind: Kind::Own }.make_here(swept)
            }
            made => made,
        }
    }

    fn make_here(&self, swept: &Swept) -> Result<OwnedDir> {
        let base = if self.kind == Kind::Chosen { self.open_chosen() } else { self.open_default() }?;
        for _ in 0..ATTEMPTS {
            if let Some(dir) = self.try_make(&base, swept)? {
                return Ok(dir);
            }
        }
        bail!(Storage, "cannot make a directory in {}: {ATTEMPTS} times another process took it for a dead one's", self.path.display())
    }

    fn failed(&self, what: &str, error: impl Into<io::Error>) -> Error {
        io_error(format_args!("cannot {what} the spill directory {}", self.path.display()), error)
    }

    /// Opens it, made if it is missing.
    fn open_chosen(&self) -> Result<OwnedFd> {
        let open = || retry_on_intr(|| rustix::fs::open(&self.path, DIRECTORY, Mode::empty()));
        match open() {
            Err(Errno::NOENT) => {}
            other => return other.map_err(|e| self.failed("open", e)),
        }
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), PRIVATE);
        builder.create(&self.path).map_err(|e| self.failed("make", e))?;
        open().map_err(|e| self.failed("open", e))
    }

    /// Opens it, made if it is missing, and sees to it that nobody but root and this user could remove what is in it. `PermissionDenied`
    /// if that cannot be had.
    fn open_default(&self) -> Result<OwnedFd> {
        // A link could lead anywhere.
        let open = || retry_on_intr(|| rustix::fs::open(&self.path, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()));
        let opened = match open() {
            Err(Errno::NOENT) => match rustix::fs::mkdir(&self.path, Mode::from_raw_mode(PRIVATE)) {
                Ok(()) | Err(Errno::EXIST) => open(),
                Err(errno) => return Err(self.failed("make", errno)),
            },
            opened => opened,
        };
        let fd = opened.map_err(|errno| match errno {
            Errno::NOTDIR | Errno::LOOP => err!(PermissionDenied, "{} is no directory, so it cannot be spilled to", self.path.display()),
            errno => self.failed("open", errno),
        })?;
        let stat = rustix::fs::fstat(&fd).map_err(|e| self.failed("examine", e))?;
        let everybodys = self.kind == Kind::Everybodys;
        let wanted = if everybodys { EVERYBODYS } else { PRIVATE };
        if stat.st_uid == rustix::process::geteuid().as_raw() {
            // Not as it was made: that heeds the umask, and who made it may have been killed before it came to this.
            if stat.st_mode & 0o7777 != wanted {
                rustix::fs::fchmod(&fd, Mode::from_raw_mode(wanted)).map_err(|e| self.failed("share", e))?;
            }
        } else if !(everybodys && stat.st_uid == 0 && stat.st_mode & 0o1000 != 0) {
            bail!(
                PermissionDenied,
                "the spill directory {} belongs to the user {}, who could remove what others have in it: choose another directory",
                self.path.display(),
                stat.st_uid
            );
        }
        Ok(fd)
    }

    /// One attempt; `None` if a sweeper had it.
    fn try_make(&self, base: &OwnedFd, swept: &Swept) -> Result<Option<OwnedDir>> {
        let name = format!("{}{SUFFIX}", uuid::Uuid::new_v4().simple());
        let path = self.path.join(&name);
        let failed = |what: &'static str| {
            let path = path.clone();
            move |errno: Errno| io_error(format_args!("cannot {what} {}", path.display()), errno)
        };
        let make = || rustix::fs::mkdirat(base, name.as_str(), Mode::from_raw_mode(PRIVATE));
        let made = match make() {
            // What the dead left may be all that is in the way.
            Err(Errno::NOSPC | Errno::DQUOT | Errno::MLINK) => {
                sweep(base, &self.path, &name, swept);
                make()
            }
            made => made,
        };
        made.map_err(failed("make the directory"))?;
        let fd = match open_dir(base.as_fd(), &name) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed("open the directory")(errno)),
        };
        if self.kind != Kind::Chosen && !is_private(&fd).map_err(failed("examine the directory"))? {
            bail!(PermissionDenied, "{} is not the directory that was made under this name: somebody put another there", path.display());
        }
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
        Ok(Some(OwnedDir { fd, base, name, path, forks: runtime::forks() }))
    }
}

/// Whether a directory of this name is a store's: exactly as [`Base::try_make`] calls them.
pub(super) fn is_store_name(name: &str) -> bool {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    name.strip_suffix(SUFFIX).is_some_and(|id| id.len() == 32 && id.bytes().all(digit))
}

pub(super) fn open_dir(base: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    retry_on_intr(|| rustix::fs::openat(base, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()))
}

/// Whether nobody but this user (and root) can look into the directory.
fn is_private(dir: &OwnedFd) -> Result<bool, Errno> {
    let stat = rustix::fs::fstat(dir)?;
    Ok(stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o077 == 0)
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
    /// [`runtime::forks`] of the process whose directory it is.
    forks: u32,
}

impl AsFd for OwnedDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl OwnedDir {
    /// Refuses the child of a fork: the directory is its parent's.
    pub fn check_ours(&self) -> Result<()> {
        if self.forks == runtime::forks() { Ok(()) } else { runtime::check_fork() }
    }

    /// Removes the directories of the dead beside it.
    pub fn sweep_others(&self, swept: &Swept) {
        sweep(&self.base, self.path.parent().unwrap_or(&self.path), &self.name, swept);
    }

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
        if self.check_ours().is_err() {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody else's directory, or one that others may look into, is not taken for one of ours.
    #[test]
    fn only_a_private_directory_is_ours() {
        let dir = tempfile::tempdir().unwrap();
        let fd = rustix::fs::open(dir.path(), DIRECTORY, Mode::empty()).unwrap();
        for (mode, private) in
            [(0o700, true), (0o500, true), (0o1700, true), (0o710, false), (0o701, false), (0o740, false), (0o777, false)]
        {
            rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode)).unwrap();
            assert_eq!(is_private(&fd), Ok(private), "{mode:o}");
        }
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(PRIVATE)).unwrap();
        // As root we can give it away; else the root directory is somebody else's, and everybody's.
        let foreign = if rustix::process::geteuid().is_root() {
            rustix::fs::fchown(&fd, Some(rustix::fs::Uid::from_raw(1)), None).unwrap();
            fd
        } else {
            rustix::fs::open("/", DIRECTORY, Mode::empty()).unwrap()
        };
        assert_eq!(is_private(&foreign), Ok(false));
    }
}
