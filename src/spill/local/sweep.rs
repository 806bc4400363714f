//! Removing the directories of stores whose processes are dead.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::Ordering;

use rustix::fs::AtFlags;
use rustix::io::Errno;
#[cfg(target_os = "linux")]
use rustix::io::retry_on_intr;

use super::directory::{each_file, is_at, is_store_name, lock, open_dir};
use crate::spill::stats::Swept;

/// File systems that several machines may share: a lock held on another machine may not be seen here, so nothing is swept.
#[cfg(target_os = "linux")]
const SHARED: [u32; 25] = [
    0x0000_6969, // NFS
    0x0000_517b, // SMB
    0x0000_564c, // NCP
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB2
    0x6573_5546, // FUSE, virtiofs
    0x0102_1997, // 9P
    0x00c3_6400, // Ceph
    0x0bd0_0bd0, // Lustre
    0x4750_4653, // GPFS
    0x5346_414f, // AFS
    0x6b41_4653, // AFS, the kernel's own
    0x7375_7245, // Coda
    0x0116_1970, // GFS2
    0x7461_636f, // OCFS2
    0x1983_0326, // BeeGFS
    0xaad7_aaea, // PanFS
    0x2003_0528, // OrangeFS
    0xbeef_dead, // StorNext
    0x0131_11a8, // IBRIX
    0x6163_6673, // ACFS
    0xa501_fcf5, // VxFS
    0x786f_4256, // VirtualBox's shared folders
    0xbacb_acbc, // VMware's
    0x7c7c_6673, // Parallels'
];

/// Whether other machines may have the file system of this kind. What cannot be told may be anything.
#[cfg(target_os = "linux")]
fn is_shared_kind(kind: Result<u32, Errno>) -> bool {
    kind.map_or(true, |kind| SHARED.contains(&kind))
}

#[cfg(target_os = "linux")]
fn is_shared(base: &OwnedFd) -> bool {
    // The type's width differs between architectures, its low 32 bits do not.
    is_shared_kind(retry_on_intr(|| rustix::fs::fstatfs(base)).map(|stat| stat.f_type as u32))
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// PITFALLS S6: where another machine's lock may not be seen, the living cannot be told from the dead.
    #[test]
    fn file_systems_of_several_machines_are_not_swept() {
        // As statfs(2) and the kernel's headers have them.
        let nfs_smb_cifs_smb2 = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42];
        let fuse_9p_vboxsf_vmhgfs = [0x6573_5546, 0x0102_1997, 0x786f_4256, 0xbacb_acbc];
        let clusters = [0x00c3_6400, 0x0bd0_0bd0, 0x4750_4653, 0x5346_414f, 0x0116_1970, 0x7461_636f, 0x1983_0326, 0xaad7_aaea];
        for kind in [&nfs_smb_cifs_smb2[..], &fuse_9p_vboxsf_vmhgfs, &clusters].concat() {
            assert!(is_shared_kind(Ok(kind)), "{kind:#x}");
        }
        // ext4, XFS, Btrfs, tmpfs, overlayfs, ZFS, F2FS.
        for kind in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1, 0xf2f5_2010] {
            assert!(!is_shared_kind(Ok(kind)), "{kind:#x}");
        }
        assert!(is_shared_kind(Err(Errno::IO)), "what cannot be told may be anything");
    }
}
