//! The system calls behind spilled files, as a trait: tests put failing disks in their place.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, IntoRawFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::retry_on_intr;

/// The room on a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What this process may still fill.
    pub available: u64,
}

/// What spilled files are made of. Names are relative to an open directory.
pub trait FileOps: Send + Sync + Debug {
    /// Creates a file that must not be there, to append to.
    fn create(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd>;
    /// Opens a file to append to it.
    fn reopen(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd>;
    /// Appends of `parts` what the system takes at once, and says how much.
    fn append(&self, file: BorrowedFd<'_>, parts: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Closes a file that was appended to: some file systems say only now that they could not store it.
    fn close(&self, file: OwnedFd) -> io::Result<()>;
    /// Opens a file to read it.
    fn open(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd>;
    /// Reads from `offset` what the system gives at once, and says how much; 0 at the end.
    fn read_at(&self, file: BorrowedFd<'_>, offset: u64, out: &mut [u8]) -> io::Result<usize>;
    /// Removes a file.
    fn remove(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<()>;
    /// The room on the file system of `dir`.
    fn free_space(&self, dir: BorrowedFd<'_>) -> io::Result<Space>;
}

/// The system's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemOps;

/// No other user sees spilled data.
const FILE_MODE: Mode = Mode::from_raw_mode(0o600);

/// How files are opened again. What is there may be somebody else's doing: no link is followed, and no pipe waited for.
const AGAIN: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK);

impl FileOps for SystemOps {
    fn create(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(retry_on_intr(|| rustix::fs::openat(dir, name, flags, FILE_MODE))?)
    }

    fn reopen(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
        Ok(retry_on_intr(|| rustix::fs::openat(dir, name, OFlags::WRONLY | OFlags::APPEND | AGAIN, Mode::empty()))?)
    }

    fn append(&self, file: BorrowedFd<'_>, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match parts {
            [one] => Ok(retry_on_intr(|| rustix::io::write(file, one))?),
            parts => Ok(retry_on_intr(|| rustix::io::writev(file, parts))?),
        }
    }

    fn open(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
        Ok(retry_on_intr(|| rustix::fs::openat(dir, name, OFlags::RDONLY | AGAIN, Mode::empty()))?)
    }

    fn close(&self, file: OwnedFd) -> io::Result<()> {
        let fd = file.into_raw_fd();
        // SAFETY: the descriptor was owned until now, and nobody uses it any more. It is gone also after an error.
        match unsafe { libc::close(fd) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn read_at(&self, file: BorrowedFd<'_>, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        Ok(retry_on_intr(|| rustix::io::pread(file, &mut *out, offset))?)
    }

    fn remove(&self, dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::unlinkat(dir, name, AtFlags::empty()))?)
    }

    fn free_space(&self, dir: BorrowedFd<'_>) -> io::Result<Space> {
        let stat = retry_on_intr(|| rustix::fs::fstatvfs(dir))?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Space { total: bytes(stat.f_blocks), available: bytes(stat.f_bavail) })
    }
}
