//! A store in a local directory. An object is a file of the same path.
//!
//! With fsync on (the default), an object that [`Backend::create`] reported as done survives a power loss: file and directory
//! were synced. A file appears under its name whole or not at all, also after a crash, and a crash leaves nothing behind where
//! the file system has `O_TMPFILE`; elsewhere it may leave a staging file `<name>#<32 hex digits>`, which is never listed and
//! which [`Backend::sweep`] removes. Deletions are not synced: a deleted object may come back after a power loss.
//!
//! Directories are not made on the way: creating an object in a directory that is not there is an error, so that a log whose
//! directory was taken away is not continued in an empty one. All work is done on the polling thread, at the first poll.

mod create;
mod dirs;

use std::fmt::Debug;
use std::fs::{FileType as StdFileType, Metadata};
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

use self::dirs::DirCache;
use super::buffer::AlignedBuffer;
use super::memory::last_part;
use super::{Backend, Created, Object, ObjectInfo, Part};
use crate::env::BoxFuture;
use crate::error::{Error, ErrorKind, Result, bail, err};

/// How objects are opened. NONBLOCK: a pipe in an object's place must not hang the reader.
const OBJECT_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// How a [`LocalBackend`] writes.
#[derive(Debug, Clone, Copy)]
pub struct LocalOptions {
    /// Whether creating an object syncs it and its directory. Without, a crash of the machine (not of the process) may lose or
    /// tear what was acknowledged.
    pub fsync: bool,
    /// Whether to write into files without a name (`O_TMPFILE`) where the file system has them, or always into staging files.
    pub unnamed_files: bool,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self { fsync: true, unnamed_files: true }
    }
}

/// A directory as a store.
#[derive(Debug)]
pub struct LocalBackend {
    root: PathBuf,
    fsync: bool,
    /// Cleared for good when the file system turns out to have no such files.
    unnamed_files: AtomicBool,
    dirs: DirCache,
}

impl LocalBackend {
    /// The directory `root`, which need not exist yet.
    #[must_use]
    pub fn new(root: &Path, options: LocalOptions) -> Self {
        Self {
            root: root.to_owned(),
            fsync: options.fsync,
            unnamed_files: AtomicBool::new(options.unnamed_files),
            dirs: DirCache::default(),
        }
    }

    /// Whether objects are still written into files without a name.
    #[must_use]
    pub fn uses_unnamed_files(&self) -> bool {
        self.unnamed_files.load(Ordering::Relaxed)
    }

    fn full(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }

    fn open(&self, path: &str) -> Result<Option<Object>> {
        let opened = self.open_file(path)?;
        Ok(opened.map(|(file, size)| Object { size, tag: None, body: Box::pin(async move { read(&file, size) }) }))
    }

    /// The file of an object, and its size.
    fn open_file(&self, path: &str) -> Result<Option<(OwnedFd, u64)>> {
        let file = match retry_on_intr(|| rustix::fs::open(self.full(path), OBJECT_FLAGS, Mode::empty())) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(io_error("cannot open the file", errno)),
        };
        let stat = rustix::fs::fstat(&file).map_err(|e| io_error("cannot examine the file", e))?;
        if !is_object(&stat)? {
            return Ok(None);
        }
        Ok(Some((file, u64::try_from(stat.st_size).unwrap_or(0))))
    }

    fn read_range(&self, path: &str, range: &Range<u64>) -> Result<Option<Part>> {
        let Some((file, size)) = self.open_file(path)? else { return Ok(None) };
        let end = range.end.min(size);
        Ok(Some(Part { size, bytes: read_at(&file, range.start.min(end)..end)? }))
    }

    fn remove_directory(&self, dir: &str) -> Result<()> {
        match rustix::fs::rmdir(self.full(dir)) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
            Err(errno) => Err(io_error("cannot remove the directory", errno)),
        }
    }

    fn examine(&self, path: &str) -> Result<Option<ObjectInfo>> {
        let stat = match rustix::fs::stat(self.full(path)) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(io_error("cannot examine the file", errno)),
        };
        if !is_object(&stat)? {
            return Ok(None);
        }
        let modified = Duration::new(u64::try_from(stat.st_mtime).unwrap_or(0), u32::try_from(stat.st_mtime_nsec).unwrap_or(0));
        Ok(Some(ObjectInfo { name: last_part(path).to_owned(), size: u64::try_from(stat.st_size).unwrap_or(0), modified, tag: None }))
    }

    fn remove(&self, path: &str) -> Result<()> {
        match rustix::fs::unlink(self.full(path)) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(io_error("cannot delete the file", errno)),
        }
    }

    /// Calls `found` with the name and the metadata of everything directly in `dir`, symbolic links followed.
    fn each_in(&self, dir: &str, wanted: fn(&str) -> bool, mut found: impl FnMut(&str, &Metadata) -> Result<()>) -> Result<()> {
        let entries = match std::fs::read_dir(self.full(dir)) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(io_error("cannot read the directory", e)),
        };
        for entry in entries {
            let entry = entry.map_err(|e| io_error("cannot read the directory", e))?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| wanted(name)) else {
                continue;
            };
            let symlink = entry.file_type().as_ref().is_ok_and(StdFileType::is_symlink);
            let metadata = if symlink { std::fs::metadata(entry.path()) } else { entry.metadata() };
            match metadata {
                Ok(metadata) => found(name, &metadata)?,
                // Deleted since, or a link to nowhere.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(io_error(format_args!("cannot examine {name:?}"), e)),
            }
        }
        Ok(())
    }

    fn list_objects(&self, dir: &str) -> Result<Vec<ObjectInfo>> {
        let mut objects = Vec::new();
        self.each_in(dir, is_object_name, |name, metadata| {
            if metadata.is_file() {
                objects.push(ObjectInfo { name: name.to_owned(), size: metadata.len(), modified: modified(metadata), tag: None });
            }
            Ok(())
        })?;
        Ok(objects)
    }

    fn list_directories(&self, dir: &str) -> Result<Vec<String>> {
        let mut dirs = Vec::new();
        self.each_in(dir, is_object_name, |name, metadata| {
            if metadata.is_dir() {
                dirs.push(name.to_owned());
            }
            Ok(())
        })?;
        Ok(dirs)
    }

    fn sweep_staging(&self, dir: &str, older_than: Duration) -> Result<u64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut swept = 0;
        self.each_in(dir, create::is_staging_name, |name, metadata| {
            if metadata.is_file() && modified(metadata).checked_add(older_than).is_some_and(|expiry| expiry < now) {
                let path = if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") };
                self.remove(&path)?;
                swept += 1;
            }
            Ok(())
        })?;
        Ok(swept)
    }
}

/// Reads the whole of `file`, which had `size` bytes when it was opened.
fn read(file: &OwnedFd, size: u64) -> Result<Bytes> {
    let no_memory = || err!(Storage, "no memory for a file of {size} bytes");
    let len = usize::try_from(size).map_err(|_| no_memory())?;
    let mut buffer = AlignedBuffer::new(len).ok_or_else(no_memory)?;
    while buffer.filled() < len {
        let got = retry_on_intr(|| rustix::io::read(file, rustix::buffer::spare_capacity(buffer.vec())));
        if got.map_err(|e| io_error("cannot read the file", e))? == 0 {
            bail!(Storage, "the file ends after {} of its {size} bytes: it was cut while being read", buffer.filled());
        }
    }
    Ok(buffer.into_bytes())
}

/// Reads `range` of `file`, which reached so far when it was opened.
fn read_at(file: &OwnedFd, range: Range<u64>) -> Result<Bytes> {
    let no_memory = || err!(Storage, "no memory for {} bytes of a file", range.end - range.start);
    let len = usize::try_from(range.end - range.start).map_err(|_| no_memory())?;
    let mut buffer = AlignedBuffer::new(len).ok_or_else(no_memory)?;
    while buffer.filled() < len {
        let at = range.start + buffer.filled() as u64;
        // The vector has some room more than was asked for: what lands there beyond the range is cut off below.
        let got = retry_on_intr(|| rustix::io::pread(file, rustix::buffer::spare_capacity(buffer.vec()), at));
        if got.map_err(|e| io_error("cannot read the file", e))? == 0 {
            bail!(Storage, "the file ends at {at}, before {}: it was cut while being read", range.end);
        }
    }
    Ok(buffer.into_bytes())
}

/// Whether this is an object; a directory is none. Anything else in an object's place is an error.
fn is_object(stat: &Stat) -> Result<bool> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(true),
        FileType::Directory => Ok(false),
        other => bail!(Storage, "not a regular file but a {other:?}"),
    }
}

/// Whether `name` can be that of an object: staging files (`…#1` of Lance, `…#<hex>` of ours, `….tmp.<uuid>` of Lance) cannot.
fn is_object_name(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) && !name.contains(".tmp.")
}

fn modified(metadata: &Metadata) -> Duration {
    metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default()
}

/// A failed system call as one of our errors.
pub(crate) fn io_error(what: impl std::fmt::Display, error: impl Into<io::Error>) -> Error {
    let error = error.into();
    let kind = match error.raw_os_error().map(Errno::from_raw_os_error) {
        // FBIG: the limit on the size of a file, of the process or the file system.
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => ErrorKind::StorageFull,
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => ErrorKind::PermissionDenied,
        // A path through a regular file, or one that no file can have: waiting does not help.
        Some(Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP) => ErrorKind::InvalidArgument,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("{what}: {error}"))
}

impl Backend for LocalBackend {
    fn create<'a>(&'a self, path: &'a str, body: &'a [Bytes]) -> BoxFuture<'a, Result<Created>> {
        Box::pin(async move { self.create_object(path, body) })
    }

    fn put<'a>(&'a self, path: &'a str, body: Bytes) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.replace_object(path, &body) })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Object>>> {
        Box::pin(async move { self.open(path) })
    }

    fn get_range<'a>(&'a self, path: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Part>>> {
        Box::pin(async move { self.read_range(path, &range) })
    }

    fn head<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>>> {
        Box::pin(async move { self.examine(path) })
    }

    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>>> {
        Box::pin(async move { self.list_objects(dir) })
    }

    fn list_dirs<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<String>>> {
        Box::pin(async move { self.list_directories(dir) })
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.remove(path) })
    }

    fn make_dirs<'a>(&'a self, dirs: &'a [&'a str]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { dirs::make(&self.root, dirs, self.fsync) })
    }

    fn is_blocking(&self) -> bool {
        true
    }

    fn sweep<'a>(&'a self, dir: &'a str, older_than: Duration) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move { self.sweep_staging(dir, older_than) })
    }

    fn remove_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.remove_directory(dir) })
    }

    fn keeps_create_if_absent(&self) -> bool {
        true
    }

    fn identity(&self) -> Option<String> {
        Some(format!("file://{}", dirs::canonical(&self.root).display()))
    }
}
