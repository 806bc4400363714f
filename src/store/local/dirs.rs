//! Directories: kept open for the files created in them, and made durably.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{Mode, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

use super::io_error;
use crate::error::{Result, err};

/// How many directories are kept open. A shard's writer creates files in two.
const KEPT: usize = 64;

/// An open directory.
#[derive(Debug)]
pub(super) struct Dir {
    fd: OwnedFd,
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Dir {
    fn open(path: PathBuf) -> Result<Self> {
        let (fd, stat) =
            open_dir(&path).and_then(|fd| Ok((rustix::fs::fstat(&fd)?, fd))).map(|(stat, fd)| (fd, stat)).map_err(|errno| match errno {
                Errno::NOENT => err!(NotFound, "its directory does not exist"),
                errno => io_error("cannot open its directory", errno),
            })?;
        Ok(Self { fd, path, device: stat.st_dev, inode: stat.st_ino })
    }

    /// Whether its path still leads to it.
    fn is_current(&self) -> bool {
        rustix::fs::stat(&self.path).is_ok_and(|now: Stat| now.st_dev == self.device && now.st_ino == self.inode)
    }
}

fn open_dir(path: &Path) -> Result<OwnedFd, Errno> {
    retry_on_intr(|| rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()))
}

/// The directories that files were created in lately.
#[derive(Debug, Default)]
pub(super) struct DirCache(Mutex<HashMap<String, Arc<Dir>>>);

impl DirCache {
    /// The directory `dir` below `root`. If the one kept open was removed or moved away, the one now there is opened: a file
    /// must appear where readers, who go by the path, look for it.
    pub(super) fn open(&self, root: &Path, dir: &str) -> Result<Arc<Dir>> {
        let kept = self.0.lock().get(dir).cloned();
        if let Some(kept) = kept.filter(|kept| kept.is_current()) {
            return Ok(kept);
        }
        let opened = Dir::open(if dir.is_empty() { root.to_owned() } else { root.join(dir) }).map(Arc::new);
        let mut dirs = self.0.lock();
        if dirs.len() >= KEPT {
            dirs.clear();
        }
        match &opened {
            Ok(opened) => dirs.insert(dir.to_owned(), opened.clone()),
            Err(_) => dirs.remove(dir),
        };
        opened
    }
}

/// Makes each of `dirs` below `root`, and the root, where missing. With `sync`, all of them are durable afterwards, whoever
/// made them: of two who make a directory at once, the one that finds it made must not rely on the other to sync it
/// (STORES.md, "The local file system", 3).
pub(super) fn make(root: &Path, dirs: &[&str], sync: bool) -> Result<()> {
    let mut synced = HashSet::new();
    for dir in dirs {
        let path = if dir.is_empty() { root.to_owned() } else { root.join(dir) };
        let mut made = Vec::new();
        make_one(&path, &mut made)?;
        if sync {
            sync_chain(root, &path, &made, &mut synced)?;
        }
    }
    Ok(())
}

/// Makes `path` and what is missing above it, adding what it made to `made`.
fn make_one(path: &Path, made: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |errno| io_error(format_args!("cannot make the directory {}", path.display()), errno);
    match rustix::fs::mkdir(path, Mode::from_raw_mode(0o755)) {
        Ok(()) => {
            made.push(path.to_owned());
            Ok(())
        }
        Err(Errno::EXIST) => match rustix::fs::stat(path) {
            Ok(stat) if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() => Ok(()),
            Ok(_) => Err(failed(Errno::NOTDIR)),
            Err(errno) => Err(failed(errno)),
        },
        Err(Errno::NOENT) => match path.parent() {
            Some(parent) => {
                make_one(parent, made)?;
                // Made meanwhile or not: the second attempt tells all but this.
                if let Err(errno) = rustix::fs::mkdir(path, Mode::from_raw_mode(0o755))
                    && errno != Errno::EXIST
                {
                    return Err(failed(errno));
                }
                made.push(path.to_owned());
                Ok(())
            }
            None => Err(failed(Errno::NOENT)),
        },
        // A read-only file system answers this even where the directory exists.
        Err(errno) => match rustix::fs::stat(path) {
            Ok(stat) if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() => Ok(()),
            _ => Err(failed(errno)),
        },
    }
}

/// Syncs `path` and every directory above it down from the parent of `root`, or from further up where more was made.
fn sync_chain(root: &Path, path: &Path, made: &[PathBuf], synced: &mut HashSet<PathBuf>) -> Result<()> {
    let top = made.first().map_or(root, |first| if root.starts_with(first) { first } else { root });
    let top = top.parent().unwrap_or(top);
    for dir in path.ancestors().take_while(|dir| dir.starts_with(top)) {
        if !synced.insert(dir.to_owned()) {
            continue;
        }
        let fd = match open_dir(dir) {
            Ok(fd) => fd,
            // One of ours that was there before us, in a directory that we may not read: nothing of it is to be synced.
            Err(Errno::ACCESS) if dir == top && !made.iter().any(|one| one.parent() == Some(dir)) => {
                continue;
            }
            Err(errno) => {
                return Err(io_error(format_args!("cannot open the directory {}", dir.display()), errno));
            }
        };
        retry_on_intr(|| rustix::fs::fsync(&fd)).map_err(|e| io_error(format_args!("cannot sync the directory {}", dir.display()), e))?;
    }
    Ok(())
}

/// `path` with symbolic links resolved, as far as it exists.
pub(super) fn canonical(path: &Path) -> PathBuf {
    for known in path.ancestors() {
        if let Ok(resolved) = known.canonicalize() {
            return match path.strip_prefix(known) {
                Ok(rest) if !rest.as_os_str().is_empty() => resolved.join(rest),
                _ => resolved,
            };
        }
    }
    path.to_owned()
}
