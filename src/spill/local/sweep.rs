//! Removing the directories of stores whose processes are dead.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::Ordering;

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::directory::{each_file, is_at, is_store_name, lock, open_dir};
use crate::spill::stats::Swept;

/// File systems that several machines may share: a lock held on another machine may not be seen here, so nothing is swept.
#[cfg(target_os = "linux")]
const SHARED: [u32; 11] = [
    0x0000_6969, // NFS
    0x0000_517b, // SMB
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB2
    0x6573_5546, // FUSE
    0x0102_1997, // 9P
    0x00c3_6400, // Ceph
    0x0bd0_0bd0, // Lustre
    0x4750_4653, // GPFS
    0x5346_414f, // AFS
    0x0116_1970, // GFS2
];

#[cfg(target_os = "linux")]
fn is_shared(base: &OwnedFd) -> bool {
    // The type's width differs between architectures, its low 32 bits do not.
    rustix::fs::fstatfs(base).is_ok_and(|stat| SHARED.contains(&(stat.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn is_shared(_base: &OwnedFd) -> bool {
    false
}

/// Removes from `base` the directories of the dead. Failures are logged: they are none of who spills.
pub(super) fn sweep(base: &OwnedFd, path: &Path, own: &str, swept: &Swept) {
    if is_shared(base) {
        tracing::debug!(base = %path.display(), "other machines may share this file system: spill directories of the dead stay");
        return;
    }
    let entries = match rustix::fs::Dir::read_from(base) {
        Ok(entries) => entries,
        Err(error) => return tracing::warn!(%error, base = %path.display(), "the spill directory cannot be read to sweep it"),
    };
    for entry in entries.flatten() {
        let Some(name) = entry.file_name().to_str().ok().filter(|name| is_store_name(name) && *name != own) else { continue };
        match sweep_one(base, name) {
            Ok(Some(bytes)) => {
                swept.directories.fetch_add(1, Ordering::Relaxed);
                swept.bytes.fetch_add(bytes, Ordering::Relaxed);
                tracing::info!(directory = %path.join(name).display(), bytes, "removed the spill directory of a dead process");
            }
            // Another user's, or gone meanwhile.
            Ok(None) | Err(Errno::ACCESS | Errno::PERM | Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(error) => {
                tracing::warn!(%error, directory = %path.join(name).display(), "a dead process's spill directory cannot be removed");
            }
        }
    }
}

/// Removes the directory if nobody holds its lock; says how many bytes were in it.
fn sweep_one(base: &OwnedFd, name: &str) -> Result<Option<u64>, Errno> {
    let dir = open_dir(base.as_fd(), name)?;
    if !lock(&dir)? || !is_at(&dir, base.as_fd(), name) {
        return Ok(None);
    }
    let mut bytes = 0;
    let mut failed = None;
    each_file(dir.as_fd(), |file| {
        let size = rustix::fs::statat(&dir, file, AtFlags::SYMLINK_NOFOLLOW).map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
        match rustix::fs::unlinkat(&dir, file, AtFlags::empty()) {
            Ok(()) => bytes += size,
            Err(error) => failed = Some(error),
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    rustix::fs::unlinkat(base, name, AtFlags::REMOVEDIR)?;
    Ok(Some(bytes))
}
