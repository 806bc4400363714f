//! Spills as files: what lies where, who may see it, many at once, and the sweeping of what the dead leave.

mod support;

use std::fs;
use std::io::IoSlice;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, flock, mknodat, open};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::spill::{FaultyOps, FileOp, begin, bytes, directories, files, local, memory, read, session, spill, tiered};
use support::{SeededRandom, now};
use weir::error::ErrorKind;
use weir::spill::local::Space;
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

/// PITFALLS S6: sweeping takes long where much was left. Only who began it waits for it, and those whom only it can give room.
#[test]
fn others_do_not_wait_for_the_sweep() {
    let dir = tempfile::tempdir().unwrap();
    dead(dir.path(), &name('a'), 1000);
    let ops = FaultyOps::new();
    let config = SpillConfig { min_free_bytes: Some(1000), ..local(dir.path()) };
    let store = SpillStore::with_file_ops(&session(), &config, ops.clone()).unwrap();
    let space = |available| ops.set_space(Some(Space { total: 1 << 40, available }));
    space(1 << 20);
    let ((reached, sweeping), (go, gone_on)) = (channel(), channel());
    let held_up = tracing::Dispatch::new(HoldUp { reached, go: Mutex::new(gone_on) });
    std::thread::scope(|scope| {
        let first = scope.spawn(|| tracing::dispatcher::with_default(&held_up, || spill(&store, b"first").unwrap()));
        sweeping.recv_timeout(PATIENCE).unwrap();
        let (done, finished) = channel();
        let store = &store;
        scope.spawn(move || done.send((spill(store, &[2; 100_000]).unwrap(), begin(store))).unwrap());
        let (second, mut third) = finished.recv_timeout(PATIENCE).expect("one waits for another's sweep");
        assert_eq!(read(&second).unwrap(), [2; 100_000]);
        // Where there is no room, neither above the floor nor at all, the sweep may make some.
        now(third.write(&[3; 1000])).unwrap();
        ops.fail(FileOp::Append, &[rustix::io::Errno::NOSPC]);
        space(0);
        let (asked, appended) = (ops.count(FileOp::Space), ops.count(FileOp::Append));
        let third = scope.spawn(|| now(third.finish()).unwrap());
        let fourth = scope.spawn(|| {
            let mut writer = begin(store);
            now(writer.write(&[4; 500_000])).map(|()| writer)
        });
        let until = Instant::now() + PATIENCE;
        while ops.count(FileOp::Space) == asked || ops.count(FileOp::Append) == appended {
            assert!(Instant::now() < until && !third.is_finished() && !fourth.is_finished(), "somebody gave up at once");
            std::thread::yield_now();
        }
        space(1 << 20);
        go.send(()).unwrap();
        assert_eq!(read(&first.join().unwrap()).unwrap(), b"first");
        assert_eq!(read(&third.join().unwrap()).unwrap(), [3; 1000]);
        assert_eq!(fourth.join().unwrap().unwrap().len(), 500_000);
    });
    assert_eq!((store.used_bytes(), store.stats().swept_directories), (0, 1));
}

/// What a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Holds up who logs that it removed a directory, until it is let go.
struct HoldUp {
    reached: Sender<()>,
    go: Mutex<Receiver<()>>,
}

impl tracing::Subscriber for HoldUp {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("weir::spill::local::sweep")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.reached.send(()).unwrap();
        self.go.lock().unwrap().recv_timeout(PATIENCE).unwrap();
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// PITFALLS S2: whatever somebody puts in the place of a file, it is neither followed nor waited for, nor read as if it were ours.
#[test]
fn what_is_put_in_the_place_of_a_file_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let store = SpillStore::new(&session(), &local(dir.path())).unwrap();
    let secret = dir.path().join("secret");
    fs::write(&secret, [7; 100_000]).unwrap();
    let replace: [&dyn Fn(&Path); 3] = [&|path| symlink(&secret, path).unwrap(), &|path| fs::create_dir(path).unwrap(), &|path| {
        mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap()
    }];
    for replace in replace {
        let whole = spill(&store, &bytes(1, 100_000)).unwrap();
        let path = files(dir.path()).remove(0).0;
        fs::remove_file(&path).unwrap();
        replace(&path);
        for error in [read(&whole).unwrap_err(), whole.map().unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
            assert!(error.message().contains(path.to_str().unwrap()), "{error}");
        }
        drop(whole);
        let _ = fs::remove_dir(&path);
    }
    assert_eq!((store.used_bytes(), fs::read(&secret).unwrap()), (0, vec![7; 100_000]));
}

/// PITFALLS X7: what the child of a fork drops is its parent's, also where nothing of weir's was used but a spill store; and it writes
/// nothing there.
#[test]
fn the_child_of_a_fork_removes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = SpillStore::new(&session(), &local(dir.path())).unwrap();
    let whole = spill(&store, &bytes(1, 100_000)).unwrap();
    let mut writer = begin(&store);
    now(writer.write(&bytes(2, 70_000))).unwrap();
    let new = begin(&store);
    // SAFETY: the child only uses what is its alone, and the allocator, which expects this; it does not return.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(move || {
            let mut new = new;
            let refused = [now(writer.write(&[1; 70_000])), now(new.write(&[1; 70_000]))];
            let forked = refused.iter().all(|outcome| outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Forked));
            drop((writer, new, whole, store));
            forked
        }));
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(if matches!(outcome, Ok(true)) { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: a child of ours, and an integer of our own to write to.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child wrote, or failed");
    assert_eq!(read(&whole).unwrap(), bytes(1, 100_000));
    now(writer.write(&bytes(3, 70_000))).unwrap();
    let written = now(writer.finish()).unwrap();
    assert_eq!(read(&written).unwrap(), [bytes(2, 70_000), bytes(3, 70_000)].concat());
    drop((whole, written, new, store));
    assert!(directories(dir.path()).is_empty());
}
