//! Places that cannot be written or read: permissions, missing directories, full disks.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir::error::{Action, Detail, ErrorKind};
use weir::runtime;
use weir::shard::{ShardPath, layout};
use weir::store::Store;
use weir::store::memory::MemoryBackend;

use super::support::{Fault, FaultStore, Op};
use super::{Place, SHARD, as_nobody, assert_error, batch, chmod, put, values, wait};

#[test]
fn directories_that_cannot_be_written() {
    let place = Place::new();
    chmod(&place.root, 0o555);
    let errors = as_nobody(|| [place.open().unwrap_err(), place.appender().unwrap_err()]);
    for error in errors {
        assert_error(&error, ErrorKind::PermissionDenied, &[place.root.to_str().unwrap()]);
        assert_eq!(error.action(), Action::Fix);
    }
    chmod(&place.root, 0o755);
    // A file where the root should be.
    let file = place.file("file");
    fs::write(&file, "x").unwrap();
    let at_file = Place::at(&file);
    assert_error(&at_file.open().unwrap_err(), ErrorKind::InvalidArgument, &[file.to_str().unwrap()]);
    assert_error(&wait(at_file.tailer().next()).unwrap_err(), ErrorKind::InvalidArgument, &[file.to_str().unwrap()]);
    assert_eq!(place.open().unwrap().put(&batch(1), None).unwrap().position, 1);
}

#[test]
fn an_entry_that_may_not_be_read_stops_the_tailer_there() {
    let place = Place::new();
    let writer = place.open().unwrap();
    (1..=3).for_each(|value| put(&writer, value));
    let entry = place.file(&place.shard.entry(2));
    chmod(&entry, 0);
    let tailer = place.tailer();
    let next = || as_nobody(|| wait(tailer.next()));
    assert_eq!(next().unwrap().unwrap().position, 1);
    for _ in 0..2 {
        assert_error(&next().unwrap_err(), ErrorKind::PermissionDenied, &[entry.to_str().unwrap()]);
        assert_eq!(tailer.position(), 2);
    }
    chmod(&entry, 0o644);
    assert_eq!(values(&next().unwrap().unwrap()), [2]);
    assert_eq!(values(&next().unwrap().unwrap()), [3]);
    assert!(next().unwrap().is_none());
}

#[test]
fn a_directory_that_is_taken_away_ends_the_writer_and_loses_nothing() {
    let place = Place::new();
    let wal = place.file(&place.shard.wal_dir());
    let writer = place.open().unwrap();
    writer.put(&batch(1), None).unwrap();
    let aside = place.file("aside");
    fs::rename(&wal, &aside).unwrap();
    let error = writer.put(&batch(2), None).unwrap_err();
    assert_error(&error, ErrorKind::Poisoned, &[SHARD, "position 2", wal.to_str().unwrap()]);
    assert_eq!(error.detail("cause"), Some(&Detail::Str("NOT_FOUND".into())));
    assert_eq!(writer.flush(None).unwrap_err().kind(), ErrorKind::Poisoned);
    fs::rename(&aside, &wal).unwrap();
    let writer = place.open().unwrap();
    assert_eq!(writer.put(&batch(3), None).unwrap().position, 3);
    assert_eq!(place.read(), [(1, vec![1]), (2, vec![]), (3, vec![3])]);
}

/// What happens when the disk is full, and when there is room again. `fill` fills it, `free` makes room.
fn on_a_full_disk(place: &Place, fill: impl Fn(), free: impl Fn()) {
    let writer = place.open().unwrap();
    let mut acked: Vec<_> = (1..=3).map(|value| (writer.put(&batch(value), None).unwrap().position, vec![value])).collect();
    fill();
    let error = writer.put(&batch(4), None).unwrap_err();
    assert_error(&error, ErrorKind::Poisoned, &[SHARD, "position 4", place.store.url()]);
    assert_eq!(error.detail("cause"), Some(&Detail::Str("STORAGE_FULL".into())), "{error}");
    assert_eq!(error.action(), Action::Reopen);
    // Nothing can be written, everything can be read.
    assert_error(&place.open().unwrap_err(), ErrorKind::StorageFull, &[place.store.url(), ".binpb"]);
    assert_eq!(place.read(), acked);
    free();
    let writer = place.open().unwrap();
    let ack = writer.put(&batch(5), None).unwrap();
    acked.extend([(ack.position - 1, vec![]), (ack.position, vec![5])]);
    assert_eq!((place.read(), ack.position), (acked, 5));
}

#[test]
fn a_full_store_loses_nothing() {
    let env = runtime::env();
    let faults = FaultStore::new(Arc::new(MemoryBackend::new(env.clock.clone())), env.clock.clone()).blocking();
    let store = Store::new("memory://full", Arc::new(faults.clone()));
    let place = Place { store, shard: ShardPath::new(SHARD).unwrap(), env, root: PathBuf::new(), dir: None };
    let fill = || {
        faults.on_every(Op::Create, "", Fault::NoSpace);
        faults.on_every(Op::Put, "", Fault::NoSpace);
    };
    on_a_full_disk(&place, fill, || faults.heal());
}

/// A file system of 1 MB that this thread alone sees, if the system lets us have one.
fn small_disk(at: &Path) -> bool {
    let at = std::ffi::CString::new(at.to_str().unwrap()).unwrap();
    // SAFETY: all pointers are NULL where allowed, or texts that end in NUL and outlive the calls. The thread gets mounts of its own
    // first, so this one is nobody else's and goes with the thread.
    unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(c"none".as_ptr(), c"/".as_ptr(), std::ptr::null(), libc::MS_REC | libc::MS_PRIVATE, std::ptr::null()) == 0
            && libc::mount(c"none".as_ptr(), at.as_ptr(), c"tmpfs".as_ptr(), 0, c"size=1m".as_ptr().cast()) == 0
    }
}

/// All I/O of a local store is done by the thread that waits, so that here it meets this thread's small disk.
#[test]
fn a_full_disk_loses_nothing() {
    // The runtime's threads must not be children of one with mounts of its own.
    runtime::handle().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_owned();
    let test = move || {
        if !small_disk(&root) {
            return eprintln!("no file system of one's own to be had here: the full store in memory has to do");
        }
        let ballast = root.join("ballast");
        let fill = || {
            // Byte by byte in the end: where no large write fits, a small file may.
            let file = fs::OpenOptions::new().create(true).append(true).open(&ballast).unwrap();
            for size in [64 << 10, 4 << 10, 1] {
                while (&file).write(&vec![1; size]).is_ok_and(|written| written > 0) {}
            }
        };
        let place = Place::at(&root);
        on_a_full_disk(&place, fill, || fs::remove_file(&ballast).unwrap());
        // Nothing is left of the files that did not fit.
        for dir in [place.shard.wal_dir(), place.shard.manifest_dir()] {
            for entry in fs::read_dir(root.join(dir)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                assert!(name == "version_hint.json" || layout::parse_entry(&name).or(layout::parse_manifest(&name)).is_some(), "{name}");
            }
        }
    };
    std::thread::spawn(test).join().unwrap();
}
