//! Spills as files: what lies where, who may see it, many at once, and the sweeping of what the dead leave.

mod support;

use std::fs::{self, Permissions};
use std::io::IoSlice;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::spill::{FaultyOps, FileOp, begin, bytes, directories, files, local, memory, read, session, spill, sum, tiered};
use support::{SeededRandom, now};
use weir::error::ErrorKind;
use weir::spill::{SpillConfig, SpillOptions, SpillStore};

#[test]
fn written_read_and_gone() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("a/b");
    for (config, encrypt) in [
        (local(&base), false),
        (memory(), false),
        (tiered(&base, 200_000), false),
        (SpillConfig { buffer_bytes: 0, ..local(&base) }, false),
        (local(&base), cfg!(feature = "encryption")),
        (memory(), cfg!(feature = "encryption")),
    ] {
        let store = SpillStore::new(&session(), &config).unwrap();
        assert!(store.is_blocking());
        let mut writer = store.begin(SpillOptions { encrypt }).unwrap();
        let data = bytes(9, 300_000);
        now(writer.write(&data[..10])).unwrap();
        // More parts than the system takes at once.
        let parts: Vec<_> = data[10..100_010].chunks(40).map(IoSlice::new).collect();
        now(writer.write_vectored(&parts)).unwrap();
        now(writer.write_vectored(&[IoSlice::new(&[]), IoSlice::new(&data[100_010..100_015]), IoSlice::new(&[])])).unwrap();
        now(writer.write(&data[100_015..])).unwrap();
        assert_eq!(writer.len(), 300_000);
        let whole = now(writer.finish()).unwrap();
        let mut out = vec![0; 400_000];
        assert_eq!(now(whole.read_at(1, &mut out)).unwrap(), 299_999);
        assert_eq!(out[..299_999], data[1..]);
        assert_eq!(now(whole.read_at(u64::MAX, &mut out)).unwrap(), 0);
        if !encrypt {
            assert_eq!(&*whole.map().unwrap(), &data[..]);
        }
        let mut reader = whole.reader();
        drop(whole);
        for (seek, piece) in [(0, 777), (5, 65_536), (299_000, 10_000), (7, 300_000), (u64::MAX, 10)] {
            reader.seek(seek);
            let mut all = Vec::new();
            let mut out = vec![0; piece];
            loop {
                let read = now(reader.read(&mut out)).unwrap();
                all.extend_from_slice(&out[..read]);
                if read < piece {
                    break;
                }
            }
            assert_eq!(all, data[data.len().min(usize::try_from(seek).unwrap_or(usize::MAX))..]);
            assert_eq!(reader.position(), seek.max(300_000));
        }
        assert!(store.used_bytes() >= 300_000);
        drop(reader);
        assert_eq!(store.used_bytes(), 0);
        drop(store);
        assert!(directories(&base).is_empty());
    }
}

#[test]
fn nobody_else_may_look() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("made/for us");
    let store = SpillStore::new(&session(), &local(&base)).unwrap();
    let _spill = spill(&store, &[1; 100_000]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&base), 0o700);
    assert_eq!(mode(&directories(&base)[0]), 0o700);
    assert_eq!(mode(&files(&base)[0].0), 0o600);
}

/// By default all users share one directory, as they share the one for temporary files. In a process of its own, as it changes
/// the environment and the umask.
#[test]
fn the_default_directory_is_shared() {
    let child = |base: &Path| {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "default_directory_child", "--nocapture"]).env("TMPDIR", base).env("WEIR_SPILL_DEFAULT", "1");
        let output = child.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let dir = tempfile::tempdir().unwrap();
    child(dir.path());
    let base = dir.path().join("weir-spill");
    assert_eq!(fs::metadata(&base).unwrap().permissions().mode() & 0o7777, 0o1777);
    child(dir.path());
    assert!(directories(&base).is_empty());
}

#[test]
fn default_directory_child() {
    if std::env::var_os("WEIR_SPILL_DEFAULT").is_none() {
        return;
    }
    rustix::process::umask(Mode::from_raw_mode(0o077));
    let store = SpillStore::new(&session(), &SpillConfig { min_free_bytes: Some(0), ..SpillConfig::default() }).unwrap();
    let whole = spill(&store, &[1; 100_000]).unwrap();
    assert_eq!(files(&std::env::temp_dir().join("weir-spill")).len(), 1);
    assert_eq!(read(&whole).unwrap(), [1; 100_000]);
}

/// Where everybody may write, somebody may have put a link.
#[test]
fn a_link_in_place_of_the_default_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("elsewhere")).unwrap();
    symlink(dir.path().join("elsewhere"), dir.path().join("weir-spill")).unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "default_directory_child", "--nocapture"]).env("TMPDIR", dir.path()).env("WEIR_SPILL_DEFAULT", "1");
    assert!(!child.output().unwrap().status.success());
    assert!(directories(&dir.path().join("elsewhere")).is_empty());
}

fn name(digit: char) -> String {
    format!("{}.spill", String::from(digit).repeat(32))
}

/// A directory as a dead process leaves it, with `bytes` in two files.
fn dead(base: &Path, name: &str, bytes: usize) -> PathBuf {
    let dir = base.join(name);
    fs::DirBuilder::new().mode(0o700).create(&dir).unwrap();
    fs::write(dir.join("0"), vec![0; bytes]).unwrap();
    fs::write(dir.join("17"), vec![0; bytes]).unwrap();
    dir
}

/// PITFALLS S6: what dead processes left is swept when the next store makes its directory, once; nothing else is touched: not a
/// directory that is locked, nor one with another name, nor another's files in one of ours.
#[test]
fn sweeps_the_dead_alone() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path();
    let left = [dead(base, &name('a'), 1000), dead(base, &name('0'), 500)];
    fs::create_dir(base.join(name('1'))).unwrap();
    let living = dead(base, &name('b'), 10);
    let lock = open(&living, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let mut kept = vec![living.clone()];
    for other in ["x.spill".into(), name('A'), name('g'), format!("{}0", name('c')), "c".repeat(32), format!("{}.spill", "c".repeat(33))] {
        kept.push(dead(base, &other, 10));
    }
    fs::write(base.join(name('d')), "a file").unwrap();
    symlink(&kept[1], base.join(name('e'))).unwrap();
    let mixed = dead(base, &name('f'), 10);
    fs::write(mixed.join("notes.txt"), "somebody's").unwrap();

    let store = SpillStore::new(&session(), &local(base)).unwrap();
    assert!(left[0].exists(), "nothing before first use");
    let whole = spill(&store, b"x").unwrap();
    assert!(left.iter().all(|dir| !dir.exists()) && !base.join(name('1')).exists());
    for dir in &kept {
        assert_eq!(directories(dir).len(), 2, "{}", dir.display());
    }
    assert!(base.join(name('d')).exists() && fs::symlink_metadata(base.join(name('e'))).is_ok());
    assert_eq!(directories(&mixed), [mixed.join("notes.txt")]);
    assert_eq!((store.stats().swept_directories, store.stats().swept_bytes), (3, 3000));
    // Once per store; the lock's end makes the directory a dead one's for the next.
    // Not by closing it: another test may just be starting a child, which has it until it runs its program.
    flock(&lock, FlockOperation::Unlock).unwrap();
    let more = spill(&store, b"y").unwrap();
    assert!(living.exists());
    let next = SpillStore::new(&session(), &local(base)).unwrap();
    let _z = spill(&next, b"z").unwrap();
    assert!(!living.exists());
    assert_eq!((read(&whole).unwrap(), read(&more).unwrap()), (b"x".to_vec(), b"y".to_vec()));
}

/// PITFALLS S6: stores that come and go at once, each sweeping, never take each other's directories.
#[test]
fn stores_of_the_living_do_not_sweep_each_other() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let base = dir.path();
            scope.spawn(move || {
                for round in 0..25 {
                    let store = SpillStore::new(&session(), &local(base)).unwrap();
                    let data = bytes(thread * 1000 + round, 1000);
                    let whole = spill(&store, &data).unwrap();
                    assert_eq!(read(&whole).unwrap(), data);
                    assert_eq!(store.stats().swept_bytes, 0);
                }
            });
        }
    });
    assert!(directories(dir.path()).is_empty());
}

/// More spills than the process may have descriptors: written in turns, then read in turns. In a process of its own, for the limit.
#[test]
fn ten_thousand_writers() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ten_thousand_writers_child", "--nocapture"])
        .env("WEIR_SPILL_MANY", "10000")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn ten_thousand_writers_child() {
    let Some(count) = std::env::var("WEIR_SPILL_MANY").ok().and_then(|count| count.parse::<usize>().ok()) else { return };
    let limits = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), ..limits }).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = SpillStore::new(&session(), &SpillConfig { buffer_bytes: 100, ..local(dir.path()) }).unwrap();
    let mut writers: Vec<_> = (0..count).map(|_| begin(&store)).collect();
    for round in 0..3_u8 {
        for (number, writer) in writers.iter_mut().enumerate() {
            now(writer.write(&[number as u8 ^ round; 150])).unwrap();
        }
    }
    assert_eq!(store.stats().open_writers, count as u64);
    let spills: Vec<_> = writers.into_iter().map(|writer| now(writer.finish()).unwrap()).collect();
    for round in 0..3_u8 {
        for (number, spill) in spills.iter().enumerate() {
            let mut out = [0; 150];
            assert_eq!(now(spill.read_at(u64::from(round) * 150, &mut out)).unwrap(), 150);
            assert_eq!(out, [number as u8 ^ round; 150]);
        }
    }
    assert_eq!(store.used_bytes(), count as u64 * 450);
    drop(spills);
    assert_eq!((store.used_bytes(), files(dir.path()).len()), (0, 0));
}

/// Many threads read one spill; its shares end on all of them, the last while others have just read.
#[test]
fn read_by_many_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for (config, encrypt) in [(local(dir.path()), false), (local(dir.path()), cfg!(feature = "encryption")), (memory(), false)] {
        let store = SpillStore::new(&session(), &config).unwrap();
        let data = bytes(4, 500_000);
        let mut writer = store.begin(SpillOptions { encrypt }).unwrap();
        now(writer.write(&data)).unwrap();
        let whole = now(writer.finish()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (spill, data) = (whole.clone(), &data);
                scope.spawn(move || {
                    let random = SeededRandom::new(thread);
                    for _ in 0..50 {
                        let (at, len) = (random.below(500_000) as usize, random.below(100_000) as usize);
                        let mut out = vec![0; len];
                        let read = now(spill.clone().read_at(at as u64, &mut out)).unwrap();
                        assert_eq!(out[..read], data[at..data.len().min(at + len)]);
                    }
                });
            }
            drop(whole);
        });
        assert_eq!((store.used_bytes(), files(dir.path()).len()), (0, 0));
        assert!(store.stats().read_bytes > 0);
    }
}

#[test]
fn a_read_error_is_no_end() {
    let dir = tempfile::tempdir().unwrap();
    let ops = FaultyOps::new();
    let store = SpillStore::with_file_ops(&session(), &local(dir.path()), ops.clone()).unwrap();
    let data = bytes(6, 100_000);
    let whole = spill(&store, &data).unwrap();
    ops.fail(FileOp::Open, &[rustix::io::Errno::MFILE]);
    assert_eq!(read(&whole).unwrap_err().kind(), ErrorKind::Storage);
    ops.fail(FileOp::Read, &[rustix::io::Errno::IO]);
    let mut reader = whole.reader();
    let mut out = [0; 1000];
    assert_eq!(now(reader.read(&mut out)).unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!(reader.position(), 0);
    assert_eq!((now(reader.read(&mut out)).unwrap(), &out[..]), (1000, &data[..1000]));
    // Short reads are no end either.
    ops.piece.store(999, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(read(&whole).unwrap(), data);
}

#[test]
fn a_directory_that_may_not_be_written_is_denied() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o500)).unwrap();
    let store = SpillStore::new(&session(), &local(&dir.path().join("below"))).unwrap();
    let mut writer = begin(&store);
    // Root may write everywhere.
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        let error = now(writer.write(&[1; 100])).unwrap_err();
        assert_eq!((error.kind(), error.detail_u64("spill_lost")), (ErrorKind::PermissionDenied, Some(0)));
        assert_eq!(store.used_bytes(), 0);
        fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    }
    now(writer.write(&[1; 100])).unwrap();
    writer.abort();
    assert_eq!((store.used_bytes(), sum(&files(&dir.path().join("below")))), (0, 0));
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
}
