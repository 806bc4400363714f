//! Writing files so that they appear whole, once, and durably.

use std::fmt;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::Ordering;

use bytes::Bytes;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use super::dirs::Dir;
use super::{LocalBackend, io_error};
use crate::error::{Error, Result, err};
use crate::store::Created;

/// What `writev` takes at most (IOV_MAX).
const MAX_SLICES: usize = 1024;
/// Of a new file, before the umask.
const FILE_MODE: Mode = Mode::from_raw_mode(0o644);

/// Why an object was not created in one way.
enum Failure {
    /// That way is not to be had here (or the directory is gone, which the other way then finds out).
    NotThisWay(Errno),
    Failed(Error),
}

impl Failure {
    fn failed(what: impl fmt::Display) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::Failed(io_error(what, errno))
    }
}

impl LocalBackend {
    pub(super) fn create_object(&self, path: &str, body: &[Bytes]) -> Result<Created> {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = self.dirs.open(&self.root, dir)?;
        if !self.unnamed_files.load(Ordering::Relaxed) {
            return self.create_staged(&dir, name, body);
        }
        match self.create_unnamed(&dir, name, body) {
            Ok(created) => Ok(created),
            Err(Failure::Failed(error)) => Err(error),
            Err(Failure::NotThisWay(errno)) => {
                let created = self.create_staged(&dir, name, body)?;
                // The directory is there and the file system writes: so it is the way that it does not have.
                tracing::debug!(%errno, path = %self.root.display(), "no unnamed files here: writing through staging files");
                self.unnamed_files.store(false, Ordering::Relaxed);
                Ok(created)
            }
        }
    }

    /// Writes a file that has no name and then gives it one: a crash in between leaves nothing.
    fn create_unnamed(&self, dir: &Dir, name: &str, body: &[Bytes]) -> Result<Created, Failure> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = match retry_on_intr(|| rustix::fs::openat(dir, ".", flags, FILE_MODE)) {
            Ok(file) => file,
            Err(errno @ (Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL | Errno::NOSYS)) => {
                return Err(Failure::NotThisWay(errno));
            }
            Err(errno) => return Err(Failure::Failed(io_error("cannot create a file", errno))),
        };
        self.fill(&file, body).map_err(Failure::Failed)?;
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        match retry_on_intr(|| rustix::fs::linkat(CWD, unnamed.as_str(), dir, name, AtFlags::SYMLINK_FOLLOW)) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(Created::Exists),
            Err(errno @ (Errno::NOENT | Errno::OPNOTSUPP | Errno::INVAL | Errno::XDEV | Errno::PERM | Errno::NOSYS)) => {
                return Err(Failure::NotThisWay(errno));
            }
            Err(errno) => return Err(Failure::failed("cannot give the file its name")(errno)),
        }
        self.sync_dir(dir).map_err(Failure::Failed)?;
        Ok(Created::Done)
    }

    /// Writes a staging file and then gives it its name.
    fn create_staged(&self, dir: &Dir, name: &str, body: &[Bytes]) -> Result<Created> {
        let mut staging = Staging::create(dir, name)?;
        self.fill(&staging.file, body)?;
        match staging.publish(name) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(Created::Exists),
            Err(errno @ (Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)) => {
                return Err(err!(
                    Unsupported,
                    "the file system cannot create a file only if absent ({errno}): no links, no exclusive renames"
                ));
            }
            Err(errno) => return Err(dir_error("cannot give the file its name", errno)),
        }
        self.sync_dir(dir)?;
        Ok(Created::Done)
    }

    /// Writes the file, replacing any, whole but not durably.
    pub(super) fn replace_object(&self, path: &str, body: &Bytes) -> Result<()> {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = self.dirs.open(&self.root, dir)?;
        let mut staging = Staging::create(&dir, name)?;
        write_all(&staging.file, std::slice::from_ref(body))?;
        rustix::fs::renameat(&*dir, staging.name.as_str(), &*dir, name).map_err(|e| io_error("cannot rename the file", e))?;
        staging.gone = true;
        Ok(())
    }

    fn fill(&self, file: &OwnedFd, body: &[Bytes]) -> Result<()> {
        write_all(file, body)?;
        if self.fsync {
            retry_on_intr(|| rustix::fs::fsync(file)).map_err(|e| io_error("cannot sync the file", e))?;
        }
        Ok(())
    }

    /// Makes the name durable. If this fails, the file is there and may vanish with a power loss: the outcome is unknown.
    fn sync_dir(&self, dir: &Dir) -> Result<()> {
        if !self.fsync {
            return Ok(());
        }
        retry_on_intr(|| rustix::fs::fsync(dir)).map_err(|e| io_error("cannot sync the directory of the new file", e))
    }
}

/// A missing directory is worth a clearer word than the system's.
fn dir_error(what: &str, errno: Errno) -> Error {
    if errno == Errno::NOENT { err!(NotFound, "{what}: its directory does not exist") } else { io_error(what, errno) }
}

/// Whether `name` is that of one of our staging files.
pub(super) fn is_staging_name(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, id)| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A file under a name that nobody reads. Dropping it removes that name.
struct Staging<'a> {
    dir: &'a Dir,
    name: String,
    file: OwnedFd,
    gone: bool,
}

impl<'a> Staging<'a> {
    fn create(dir: &'a Dir, name: &str) -> Result<Self> {
        let name = format!("{name}#{}", uuid::Uuid::new_v4().simple());
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = retry_on_intr(|| rustix::fs::openat(dir, name.as_str(), flags, FILE_MODE))
            .map_err(|errno| dir_error("cannot create a file", errno))?;
        Ok(Self { dir, name, file, gone: false })
    }

    /// Gives the file the name `name` unless that is taken.
    fn publish(&mut self, name: &str) -> Result<(), Errno> {
        match retry_on_intr(|| rustix::fs::linkat(self.dir, self.name.as_str(), self.dir, name, AtFlags::empty())) {
            // No hard links (FAT, some FUSE file systems): rename, if that can be exclusive.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {
                rustix::fs::renameat_with(self.dir, self.name.as_str(), self.dir, name, RenameFlags::NOREPLACE)?;
                self.gone = true;
                Ok(())
            }
            other => other,
        }
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        if !self.gone {
            // What cannot be removed is swept later.
            let _ = rustix::fs::unlinkat(self.dir, self.name.as_str(), AtFlags::empty());
        }
    }
}

/// Writes all of `parts`, without copying them together.
fn write_all(file: impl AsFd, parts: &[Bytes]) -> Result<()> {
    let mut slices: Vec<IoSlice<'_>> = parts.iter().filter(|part| !part.is_empty()).map(|part| IoSlice::new(part)).collect();
    let mut rest = &mut slices[..];
    while !rest.is_empty() {
        let batch = &rest[..rest.len().min(MAX_SLICES)];
        let written = retry_on_intr(|| rustix::io::writev(&file, batch)).map_err(|e| io_error("cannot write the file", e))?;
        if written == 0 {
            return Err(err!(Storage, "cannot write the file: the file system takes no more bytes and gives no reason"));
        }
        IoSlice::advance_slices(&mut rest, written);
    }
    Ok(())
}
