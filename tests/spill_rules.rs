//! The mistakes that spill stores make, and that this one does not: section S of PITFALLS.

mod support;

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use support::now;
use support::spill::{FaultyOps, FileOp, begin, bytes, directories, files, local, memory, read, session, spill, sum, tiered};
use weir::error::{Detail, Error, ErrorKind};
use weir::spill::local::Space;
use weir::spill::{SpillBackend, SpillConfig, SpillOptions, SpillStore};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

fn capped(config: SpillConfig, cap: u64) -> SpillConfig {
    SpillConfig { cap_bytes: Some(cap), ..config }
}

fn details(error: &Error) -> [Option<u64>; 3] {
    ["cap_bytes", "used_bytes", "requested_bytes"].map(|name| error.detail_u64(name))
}

/// PITFALLS S1, S3: a write at the cap says so, typed and with its numbers, takes nothing, and its writer goes on.
#[test]
fn a_write_at_the_cap_is_refused_whole_and_leaks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for config in [local(dir.path()), memory(), tiered(dir.path(), 30_000), SpillConfig { buffer_bytes: 0, ..local(dir.path()) }] {
        let store = SpillStore::new(&session(), &capped(config, 100_000)).unwrap();
        let data = bytes(1, 100_000);
        let mut writer = begin(&store);
        now(writer.write(&data[..60_000])).unwrap();
        for refused in [now(writer.write(&data[..40_001])), now(writer.write_vectored(&[IoSlice::new(&data), IoSlice::new(&data)]))] {
            let error = refused.unwrap_err();
            let requested = details(&error)[2];
            assert_eq!(error.kind(), ErrorKind::DiskCapExceeded);
            assert_eq!(details(&error), [Some(100_000), Some(60_000), requested]);
            assert!(requested == Some(40_001) || requested == Some(200_000));
            assert_eq!((writer.len(), store.used_bytes()), (60_000, 60_000));
        }
        now(writer.write(&data[60_000..])).unwrap();
        assert_eq!(now(writer.write(b"1")).unwrap_err().kind(), ErrorKind::DiskCapExceeded);
        let mut other = begin(&store);
        assert_eq!(now(other.write(b"1")).unwrap_err().kind(), ErrorKind::DiskCapExceeded);
        // At the cap it can still be finished: what was accepted has its place.
        let whole = now(writer.finish()).unwrap();
        assert_eq!(read(&whole).unwrap(), data);
        drop(whole);
        assert_eq!(store.used_bytes(), 0);
        now(other.write(&data)).unwrap();
        assert_eq!(store.stats().cap_refusals, 4);
        other.abort();
        assert_eq!((store.used_bytes(), store.stats().live_bytes, store.stats().peak_bytes), (0, 0, 100_000));
    }
}

/// PITFALLS S1: nor does a cap of nothing.
#[test]
fn a_cap_of_zero_takes_nothing_and_spills_of_nothing_work() {
    let dir = tempfile::tempdir().unwrap();
    for config in [local(dir.path()), memory(), tiered(dir.path(), 0)] {
        let store = SpillStore::new(&session(), &capped(config, 0)).unwrap();
        let mut writer = begin(&store);
        assert_eq!(details(&now(writer.write(b"x")).unwrap_err()), [Some(0), Some(0), Some(1)]);
        now(writer.write(b"")).unwrap();
        let empty = now(writer.finish()).unwrap();
        assert!(empty.is_empty() && empty.map().unwrap().is_empty());
        assert_eq!(now(empty.read_at(0, &mut [0; 8])).unwrap(), 0);
        assert_eq!(now(empty.reader().read(&mut [0; 8])).unwrap(), 0);
        assert!(directories(dir.path()).is_empty(), "no byte, no directory");
    }
}

/// PITFALLS S7: some file systems say only at the end that they had no room.
#[test]
fn a_failed_close_fails_the_writer_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for (config, errno, kind) in [
        (local(dir.path()), Errno::NOSPC, ErrorKind::StorageFull),
        (local(dir.path()), Errno::DQUOT, ErrorKind::StorageFull),
        (local(dir.path()), Errno::IO, ErrorKind::Storage),
        (tiered(dir.path(), 1000), Errno::DQUOT, ErrorKind::StorageFull),
    ] {
        let ops = FaultyOps::new();
        let store = SpillStore::with_file_ops(&session(), &config, ops.clone()).unwrap();
        let kept = spill(&store, &bytes(1, 70_000)).unwrap();
        ops.fail(FileOp::Close, &[errno]);
        let error = spill(&store, &bytes(2, 100_000)).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(dir.path().to_str().unwrap()), "{error}");
        assert_eq!((store.used_bytes(), sum(&files(dir.path())), files(dir.path()).len()), (70_000, 70_000, 1));
        let next = spill(&store, &bytes(3, 100_000)).unwrap();
        assert_eq!((read(&kept).unwrap(), read(&next).unwrap()), (bytes(1, 70_000), bytes(3, 100_000)));
        assert_eq!(ops.count(FileOp::Close), 3);
    }
}

/// PITFALLS S2: a file that someone took away is an error for who reads it, and its bytes return all the same.
#[test]
fn a_file_that_is_gone_or_cut_returns_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let store = SpillStore::new(&session(), &local(dir.path())).unwrap();
    let [gone, cut, opened] = [1, 2, 3].map(|seed| spill(&store, &bytes(seed, 100_000)).unwrap());
    assert_eq!(read(&opened).unwrap(), bytes(3, 100_000));
    let path = |number: usize| directories(dir.path())[0].join(number.to_string());
    std::fs::remove_file(path(0)).unwrap();
    std::fs::File::options().write(true).open(path(1)).unwrap().set_len(50_000).unwrap();
    std::fs::remove_file(path(2)).unwrap();
    assert_eq!(read(&gone).unwrap_err().kind(), ErrorKind::Corruption);
    assert_eq!(gone.map().unwrap_err().kind(), ErrorKind::Corruption);
    let error = read(&cut).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption);
    assert!(error.message().contains(path(1).to_str().unwrap()), "{error}");
    assert_eq!(cut.map().unwrap_err().kind(), ErrorKind::Corruption);
    assert_eq!(read(&opened).unwrap(), bytes(3, 100_000), "an open file outlives its name");
    assert_eq!(store.used_bytes(), 300_000);
    drop((gone, cut, opened));
    assert_eq!(store.used_bytes(), 0);
    drop(store);
    assert!(directories(dir.path()).is_empty());
}

/// PITFALLS S2: so does one that cannot be removed; it is removed when that works again.
#[test]
fn a_file_that_cannot_be_removed_returns_its_bytes_and_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let ops = FaultyOps::new();
    let store = SpillStore::with_file_ops(&session(), &local(dir.path()), ops.clone()).unwrap();
    ops.fail(FileOp::Remove, &[Errno::IO, Errno::ACCESS, Errno::IO]);
    drop(spill(&store, &bytes(1, 1000)).unwrap());
    let mut writer = begin(&store);
    now(writer.write(&bytes(2, 100_000))).unwrap();
    drop(writer);
    assert_eq!((store.used_bytes(), files(dir.path()).len(), ops.stuck().len()), (0, 2, 2));
    let next = spill(&store, b"x").unwrap();
    assert_eq!(files(dir.path()).len(), 1, "the next file took the others along");
    ops.fail(FileOp::Remove, &[Errno::IO]);
    drop((next, store));
    assert!(directories(dir.path()).is_empty(), "and the end of the store all that was left");
}

/// PITFALLS S5: 64 writers at once on one capped store fill it, and not a byte more is on the disk.
#[test]
fn many_writers_never_pass_the_cap_together() {
    const CAP: u64 = 8 * MIB;
    let dir = tempfile::tempdir().unwrap();
    for buffer_bytes in [0, 64 << 10] {
        let config = SpillConfig { buffer_bytes, ..capped(local(dir.path()), CAP) };
        let store = SpillStore::new(&session(), &config).unwrap();
        let accepted = AtomicU64::new(0);
        let start = std::sync::Barrier::new(64);
        let spills: Vec<_> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..64_u64)
                .map(|number| {
                    let (store, accepted, start, dir) = (&store, &accepted, &start, dir.path());
                    scope.spawn(move || {
                        let data = bytes(number, 3000 + number as usize * 100);
                        let mut writer = begin(store);
                        start.wait();
                        let error = loop {
                            match now(writer.write(&data)) {
                                Ok(()) => accepted.fetch_add(data.len() as u64, Ordering::Relaxed),
                                Err(error) => break error,
                            };
                            assert!(store.used_bytes() <= CAP);
                            if number == 0 {
                                assert!(sum(&files(dir)) <= CAP);
                            }
                        };
                        assert_eq!(error.kind(), ErrorKind::DiskCapExceeded);
                        now(writer.finish()).unwrap()
                    })
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let accepted = accepted.into_inner();
        assert_eq!((sum(&files(dir.path())), store.used_bytes()), (accepted, accepted));
        assert!(accepted <= CAP && accepted * 100 >= CAP * 99, "{accepted} of {CAP}");
        assert_eq!(spills.iter().map(weir::spill::Spill::len).sum::<u64>(), accepted);
        drop(spills);
        assert_eq!((store.used_bytes(), files(dir.path()).len()), (0, 0));
    }
}

/// PITFALLS S5: nor do writers of different levels together.
#[test]
fn nested_budgets_hold_at_every_level() {
    let root = SpillStore::new(&session(), &capped(memory(), 1000)).unwrap();
    let tenant = root.child(Some(600));
    let queries = [tenant.child(Some(500)), tenant.child(None)];
    let held = [spill(&queries[0], &[0; 300]).unwrap(), spill(&queries[1], &[0; 200]).unwrap(), spill(&root, &[0; 350]).unwrap()];
    assert_eq!([&root, &tenant, &queries[0], &queries[1]].map(SpillStore::used_bytes), [850, 500, 300, 200]);
    let refusal = |store: &SpillStore, bytes: usize| details(&spill(store, &vec![0; bytes]).unwrap_err());
    assert_eq!(refusal(&queries[0], 201), [Some(500), Some(300), Some(201)]);
    assert_eq!(refusal(&queries[1], 101), [Some(600), Some(500), Some(101)]);
    let more = spill(&root, &[0; 100]).unwrap();
    assert_eq!(refusal(&queries[0], 60), [Some(1000), Some(950), Some(60)]);
    let stats = [&root, &tenant, &queries[0], &queries[1]].map(|store| store.stats());
    assert_eq!(stats.map(|s| s.cap_refusals), [3, 3, 2, 1]);
    assert_eq!(stats.map(|s| s.open_spills), [4, 2, 1, 1]);
    assert_eq!(stats.map(|s| s.memory_bytes), [950, 500, 300, 200]);
    assert_eq!(stats.map(|s| s.written_bytes), [950, 500, 300, 200]);
    assert_eq!([root.cap_bytes(), tenant.cap_bytes(), queries[1].cap_bytes()], [Some(1000), Some(600), None]);
    // Children may go before their spills, and the store before its children.
    drop(root);
    drop(queries);
    drop(held);
    assert_eq!((tenant.used_bytes(), tenant.stats().open_spills), (0, 0));
    assert_eq!(refusal(&tenant, 601)[0], Some(600));
    drop(more);
    assert!(spill(&tenant, &[0; 600]).is_ok());
}

/// PITFALLS S7, S3: an error of the disk deletes the partial file, returns its bytes at once, keeps its kind, and stays.
#[test]
fn an_io_error_ends_its_writer_alone() {
    for (errno, kind) in [
        (Errno::NOSPC, ErrorKind::StorageFull),
        (Errno::DQUOT, ErrorKind::StorageFull),
        (Errno::ACCESS, ErrorKind::PermissionDenied),
        (Errno::ROFS, ErrorKind::PermissionDenied),
        (Errno::IO, ErrorKind::Storage),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let ops = FaultyOps::new();
        let store = SpillStore::with_file_ops(&session(), &local(dir.path()), ops.clone()).unwrap();
        let neighbour = spill(&store, b"neighbour").unwrap();
        let mut writer = begin(&store);
        now(writer.write(&bytes(1, 200_000))).unwrap();
        ops.piece.store(1000, Ordering::Relaxed);
        ops.pass(FileOp::Append, 7);
        ops.fail(FileOp::Append, &[errno]);
        let first = now(writer.write(&bytes(2, 200_000))).unwrap_err();
        assert_eq!((first.kind(), first.detail_u64("spill_lost")), (kind, Some(1)));
        assert!(first.message().contains(dir.path().to_str().unwrap()), "{first}");
        assert_eq!((store.used_bytes(), files(dir.path()).len()), (9, 1), "at once, not at the writer's end");
        for later in [now(writer.write(b"")), now(writer.write(b"x")), writer.buffer(b"x").map(|_| ()), now(writer.write_vectored(&[]))] {
            let later = later.unwrap_err();
            assert_eq!((later.message(), later.detail_u64("spill_lost")), (first.message(), Some(1)));
        }
        assert_eq!(now(writer.finish()).unwrap_err().kind(), kind);
        ops.piece.store(0, Ordering::Relaxed);
        assert_eq!(read(&spill(&store, &bytes(3, 100_000)).unwrap()).unwrap(), bytes(3, 100_000), "the store works on");
        assert_eq!(read(&neighbour).unwrap(), b"neighbour");
    }
}

/// PITFALLS S7: the same where the file cannot be created, and where the last bytes are written by `finish`.
#[test]
fn an_io_error_at_either_end_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ops = FaultyOps::new();
    let store = SpillStore::with_file_ops(&session(), &local(dir.path()), ops.clone()).unwrap();
    for op in [FileOp::Create, FileOp::Append] {
        let mut writer = begin(&store);
        now(writer.write(b"buffered")).unwrap();
        assert_eq!(store.used_bytes(), 8);
        ops.fail(op, &[Errno::NOSPC]);
        assert_eq!(now(writer.finish()).unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!((store.used_bytes(), files(dir.path()).len(), store.stats().open_writers), (0, 0, 0));
    }
}

/// PITFALLS S8: whatever ends first, a writer, a spill, a reader, a mapping or the store: the last returns the bytes.
#[test]
fn every_order_of_ends_returns_the_bytes() {
    let dir = tempfile::tempdir().unwrap();
    for config in [local(dir.path()), memory(), tiered(dir.path(), 10_000)] {
        let store = SpillStore::new(&session(), &config).unwrap();
        let unfinished = {
            let mut writer = begin(&store);
            now(writer.write(&[7; 5000])).unwrap();
            writer
        };
        let whole = spill(&store, &[8; 5000]).unwrap();
        let (clone, mapped, mut reader) = (whole.clone(), whole.map().unwrap(), whole.reader());
        assert_eq!((store.stats().open_writers, store.stats().open_spills), (1, 1));
        let child = store.child(None);
        drop(store);
        drop(whole);
        drop(clone);
        assert_eq!(&*mapped, &[8; 5000]);
        let mut out = [0; 6000];
        assert_eq!(now(reader.read(&mut out)).unwrap(), 5000);
        let root = child.child(None);
        drop(child);
        drop(reader);
        assert_eq!(&*mapped, &[8; 5000], "a mapping is a share");
        drop(mapped);
        drop(unfinished);
        drop(root);
        assert!(directories(dir.path()).is_empty());
    }
}

/// PITFALLS S9: the directory is made, or fails, at first use; a store of a place that cannot be is no error until then, and
/// then one of that call alone.
#[test]
fn nothing_is_made_before_first_use() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("not/yet");
    let store = SpillStore::new(&session(), &local(&base)).unwrap();
    let mut writer = begin(&store);
    drop(begin(&store));
    assert!(!dir.path().join("not").exists());
    assert!(writer.buffer(&[]).unwrap() && !dir.path().join("not").exists());
    now(writer.write(b"first use")).unwrap();
    let [made] = &directories(&base)[..] else { panic!("one directory") };
    assert!(made.to_str().unwrap().ends_with(".spill"));
    drop((writer, store));
    assert!(directories(&base).is_empty());

    let blocked = dir.path().join("file");
    std::fs::write(&blocked, "in the way").unwrap();
    let store = SpillStore::new(&session(), &SpillConfig { min_free_bytes: None, ..local(&blocked.join("below")) }).unwrap();
    let mut writer = begin(&store);
    let error = now(writer.write(b"x")).unwrap_err();
    assert!(error.message().contains("file/below"), "{error}");
    assert_eq!((store.used_bytes(), writer.len()), (0, 0));
    std::fs::remove_file(&blocked).unwrap();
    now(writer.write(b"x")).unwrap();
    assert_eq!(read(&now(writer.finish()).unwrap()).unwrap(), b"x", "the failure was not final");
}

/// The floor guards a disk without a cap, also against others; the writer goes on once there is room.
#[test]
fn the_floor_keeps_bytes_free() {
    let dir = tempfile::tempdir().unwrap();
    let ops = FaultyOps::new();
    let config = SpillConfig { min_free_bytes: Some(10 * MIB), ..local(dir.path()) };
    let store = SpillStore::with_file_ops(&session(), &config, ops.clone()).unwrap();
    let space = |available| Some(Space { total: 1000 * MIB, available });
    ops.set_space(space(11 * MIB));
    let mut writer = begin(&store);
    now(writer.write(&bytes(1, MIB as usize / 2))).unwrap();
    ops.set_space(space(10 * MIB + 100));
    let error = now(writer.write(&bytes(1, MIB as usize / 2))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    let numbers = ["free_bytes", "floor_bytes", "requested_bytes"].map(|name| error.detail_u64(name));
    assert_eq!(numbers, [Some(10 * MIB + 100), Some(10 * MIB), Some(MIB / 2)]);
    assert_eq!((writer.len(), store.used_bytes(), store.stats().floor_refusals), (MIB / 2, MIB / 2, 1));
    ops.fail(FileOp::Space, &[Errno::IO]);
    assert_eq!(now(writer.write(&bytes(1, MIB as usize / 2))).unwrap_err().kind(), ErrorKind::Storage);
    ops.set_space(space(20 * MIB));
    now(writer.write(&bytes(2, MIB as usize / 2))).unwrap();
    assert_eq!(now(writer.finish()).unwrap().len(), MIB);
}

/// Bytes that writers collect count although the disk does not know of them.
#[test]
fn the_floor_counts_what_is_not_written_yet() {
    let dir = tempfile::tempdir().unwrap();
    let ops = FaultyOps::new();
    let config = SpillConfig { min_free_bytes: Some(MIB), ..local(dir.path()) };
    let store = SpillStore::with_file_ops(&session(), &config, ops.clone()).unwrap();
    ops.set_space(Some(Space { total: 100 * MIB, available: 2 * MIB }));
    // What was written and is gone counts no more.
    drop(spill(&store, &bytes(1, MIB as usize / 2)).unwrap());
    let mut writers: Vec<_> = (0..100).map(|_| begin(&store)).collect();
    let accepted = writers.iter_mut().filter_map(|writer| now(writer.write(&[1; 60 << 10])).ok()).count() as u64;
    let accepted = accepted * 60 * KIB;
    assert!(accepted <= MIB && accepted > MIB * 9 / 10, "{accepted}");
    assert_eq!((store.used_bytes(), sum(&files(dir.path()))), (accepted, 0));
}

/// The default is 5 % of the disk or 1 GiB, whichever is less; asking the disk is amortised, but not near the floor.
#[test]
fn the_default_floor_and_how_often_the_disk_is_asked() {
    const GIB: u64 = 1 << 30;
    for (total, floor) in [(10 * GIB, GIB / 2), (1000 * GIB, GIB)] {
        let dir = tempfile::tempdir().unwrap();
        let ops = FaultyOps::new();
        let config = SpillConfig { min_free_bytes: None, ..local(dir.path()) };
        let store = SpillStore::with_file_ops(&session(), &config, ops.clone()).unwrap();
        ops.set_space(Some(Space { total, available: floor + GIB }));
        let mut writer = begin(&store);
        (0..256).for_each(|_| now(writer.write(&[1; 64 << 10])).unwrap());
        let asked = ops.count(FileOp::Space);
        assert!((4..=5).contains(&asked), "16 MiB, asked {asked} times");
        ops.set_space(Some(Space { total, available: floor + 17 * MIB }));
        now(writer.write(&[1; 5 << 20])).unwrap();
        ops.set_space(Some(Space { total, available: floor - 1 }));
        let refused = (0..100).find_map(|_| now(writer.write(&[1; 64 << 10])).err()).unwrap();
        assert_eq!(refused.detail_u64("floor_bytes"), Some(floor));
    }
}

/// A tiered store's spills are in memory up to its limit, and on disk beyond; what outgrows the memory moves as a whole.
#[test]
fn tiers() {
    let dir = tempfile::tempdir().unwrap();
    let store = SpillStore::new(&session(), &SpillConfig { buffer_bytes: 1000, ..tiered(dir.path(), 10_000) }).unwrap();
    let small = spill(&store, &bytes(1, 4000)).unwrap();
    assert!(directories(dir.path()).is_empty());
    assert_eq!(store.stats().memory_bytes, 4000);
    let mut writer = begin(&store);
    let data = bytes(2, 20_000);
    now(writer.write(&data[..5000])).unwrap();
    assert_eq!((store.stats().memory_bytes, directories(dir.path()).len()), (9000, 0));
    now(writer.write(&data[5000..5500])).unwrap();
    now(writer.write(&data[5500..])).unwrap();
    assert_eq!(store.stats().memory_bytes, 4000, "the memory is free for others");
    assert_eq!(store.used_bytes(), 24_000);
    let large = now(writer.finish()).unwrap();
    assert_eq!((read(&large).unwrap(), sum(&files(dir.path()))), (data.clone(), 20_000));
    assert_eq!((&*large.map().unwrap(), read(&small).unwrap()), (&data[..], bytes(1, 4000)));
    // Of what moves and then fails nothing stays, in neither tier.
    drop(small);
    let ops = FaultyOps::new();
    let store = SpillStore::with_file_ops(&session(), &tiered(dir.path(), 10_000), ops.clone()).unwrap();
    let mut writer = begin(&store);
    now(writer.write(&data[..9000])).unwrap();
    ops.fail(FileOp::Append, &[Errno::NOSPC]);
    assert_eq!(now(writer.write(&[0; 100_000])).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!((store.used_bytes(), store.stats().memory_bytes), (0, 0));
}

/// Memory that a spill gives back to others is free by then: however little made it move to disk, and however long it rests then.
#[test]
fn what_leaves_the_memory_leaves_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = SpillStore::new(&session(), &tiered(dir.path(), 200_000)).unwrap();
    for encrypt in [false, cfg!(feature = "encryption")] {
        let mut writer = store.begin(SpillOptions { encrypt }).unwrap();
        let data = bytes(3, 199_000);
        now(writer.write(&data)).unwrap();
        assert!(sum(&files(dir.path())) == 0 && store.stats().memory_bytes >= 199_000);
        now(writer.write(&[7; 2000])).unwrap();
        assert_eq!(store.stats().memory_bytes, 0);
        // But for what is in the writer's buffer, as in any store.
        assert!(sum(&files(dir.path())) > 199_000 - (64 << 10), "{:?}", files(dir.path()));
        let spill = now(writer.finish()).unwrap();
        assert_eq!(read(&spill).unwrap(), [&data[..], &[7; 2000]].concat());
    }
    // An error of that is one of the write, and leaves nothing.
    let ops = FaultyOps::new();
    let store = SpillStore::with_file_ops(&session(), &tiered(dir.path(), 200_000), ops.clone()).unwrap();
    let mut writer = begin(&store);
    now(writer.write(&[1; 199_000])).unwrap();
    ops.fail(FileOp::Append, &[Errno::NOSPC]);
    assert_eq!(now(writer.write(&[7; 2000])).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!((store.used_bytes(), store.stats().memory_bytes, store.stats().open_writers), (0, 0, 1));
    assert_eq!(now(writer.write(&[7; 10])).unwrap_err().kind(), ErrorKind::StorageFull);
}

#[test]
fn contradictory_options_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let object = |url: &str| SpillBackend::Object { url: url.into() };
    let base = SpillConfig::default();
    for config in [
        SpillConfig { buffer_bytes: usize::MAX, ..memory() },
        SpillConfig { min_free_bytes: Some(1), ..memory() },
        SpillConfig { backend: object("memory://x"), min_free_bytes: Some(1), ..base.clone() },
        SpillConfig { backend: object("memory://x"), reclaim_age: std::time::Duration::ZERO, ..base.clone() },
        SpillConfig { backend: object("memory://x"), reclaim_age: std::time::Duration::from_millis(59_999), ..base.clone() },
        SpillConfig { backend: object(""), ..base.clone() },
        SpillConfig { backend: SpillBackend::Local { directory: Some("".into()) }, ..base },
        SpillConfig { backend: SpillBackend::Tiered { directory: Some("".into()), memory_bytes: 1 }, ..local(dir.path()) },
    ] {
        assert_eq!(SpillStore::new(&session(), &config).unwrap_err().kind(), ErrorKind::InvalidArgument, "{config:?}");
    }
}

/// The figures a session shows, summed over its stores, and counters kept when they end.
#[test]
fn metrics() {
    let dir = tempfile::tempdir().unwrap();
    let session = session();
    let show = || session.metrics().prometheus();
    let left = dir.path().join(format!("{}.spill", "0".repeat(32)));
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("0"), [0; 700]).unwrap();
    let one = SpillStore::new(&session, &capped(local(dir.path()), 150_000)).unwrap();
    let two = SpillStore::new(&session, &memory()).unwrap();
    let (a, b) = (spill(&one.child(None), &[1; 100_000]).unwrap(), spill(&two, &[2; 5000]).unwrap());
    read(&a).unwrap();
    assert!(spill(&one, &[1; 100_000]).is_err());
    let writer = begin(&two);
    for line in [
        "weir_spill_live_bytes 105000",
        "weir_spill_peak_bytes 105000",
        "weir_spill_cap_bytes 150000",
        "weir_spill_memory_bytes 5000",
        "weir_spill_open 2",
        "weir_spill_open_writers 1",
        "weir_spill_finished_total 2",
        "weir_spill_swept_directories_total 1",
        "weir_spill_swept_bytes_total 700",
        "weir_spill_written_bytes_total 105000",
        "weir_spill_read_bytes_total 100000",
        "weir_spill_cap_refusals_total 1",
    ] {
        assert!(show().lines().any(|l| l == line), "{line} in {}", show());
    }
    for operation in ["write", "read"] {
        let prefix = format!("weir_spill_io_seconds_total{{operation=\"{operation}\"}} ");
        let seconds = show().lines().find_map(|line| line.strip_prefix(&prefix)?.parse::<f64>().ok());
        assert!(seconds.is_some_and(|seconds| seconds > 0.0 && seconds < 60.0), "{}", show());
    }
    drop((a, b, writer, one, two));
    assert!(show().contains("weir_spill_written_bytes_total 105000\n"));
    assert!(!show().contains("weir_spill_open"), "no store, no gauge");
}

/// Encryption at rest: nothing readable on disk, the budget counts what is stored, and damage is found.
#[cfg(feature = "encryption")]
#[test]
fn encrypted_spills() {
    let dir = tempfile::tempdir().unwrap();
    let store = SpillStore::new(&session(), &local(dir.path())).unwrap();
    for len in [0, 1, 65_535, 65_536, 65_537, 200_000, 2_000_000] {
        let data = vec![b'a'; len];
        let mut writer = store.begin(SpillOptions { encrypt: true }).unwrap();
        for piece in data.chunks(30_000) {
            now(writer.write(piece)).unwrap();
        }
        let stored = len as u64 + len.div_ceil(64 << 10) as u64 * 16;
        assert_eq!(store.used_bytes(), stored);
        let whole = now(writer.finish()).unwrap();
        assert_eq!((whole.len(), whole.stored_bytes(), store.used_bytes(), sum(&files(dir.path()))), (len as u64, stored, stored, stored));
        assert_eq!(read(&whole).unwrap(), data);
        let random = support::SeededRandom::new(len as u64);
        for _ in 0..20 {
            let (at, most) = (random.below(len as u64 + 10), random.below(150_000) as usize);
            let mut out = vec![0; most];
            let got = now(whole.read_at(at, &mut out)).unwrap();
            assert_eq!(out[..got], data[data.len().min(at as usize)..data.len().min(at as usize + most)]);
        }
        if len > 0 {
            assert_eq!(whole.map().unwrap_err().kind(), ErrorKind::Unsupported);
            let (path, _) = files(dir.path()).remove(0);
            let mut raw = std::fs::read(&path).unwrap();
            assert!(!raw.windows(8).any(|eight| eight == b"aaaaaaaa"));
            raw[len / 2] ^= 1;
            std::fs::write(&path, &raw).unwrap();
            assert_eq!(read(&whole).unwrap_err().kind(), ErrorKind::Corruption);
            if len > 65_536 {
                // Two chunks that change places.
                raw[len / 2] ^= 1;
                let (first, rest) = raw.split_at_mut(65_552);
                let swap = rest.len().min(first.len());
                first[..swap].swap_with_slice(&mut rest[..swap]);
                std::fs::write(&path, &raw).unwrap();
                assert_eq!(read(&whole).unwrap_err().kind(), ErrorKind::Corruption);
            }
        }
    }
    assert_eq!(store.used_bytes(), 0);
    let mut capped = store.child(Some(65_552)).begin(SpillOptions { encrypt: true }).unwrap();
    now(capped.write(&[0; 65_536])).unwrap();
    let error = now(capped.write(&[0; 1])).unwrap_err();
    assert_eq!(details(&error), [Some(65_552), Some(65_552), Some(17)], "a byte in a chunk of its own");
    assert_eq!(now(capped.finish()).unwrap().stored_bytes(), 65_552);
}

#[cfg(not(feature = "encryption"))]
#[test]
fn encryption_that_is_not_built_in_is_refused() {
    let store = SpillStore::new(&session(), &memory()).unwrap();
    assert_eq!(store.begin(SpillOptions { encrypt: true }).unwrap_err().kind(), ErrorKind::Unsupported);
}

/// The typed error is the same through every wrapper of ours.
#[test]
fn the_cap_error_survives_context_and_clones() {
    let store = SpillStore::new(&session(), &capped(memory(), 10)).unwrap();
    let error = spill(&store, &[0; 11]).unwrap_err().context("sorting").clone();
    assert_eq!((error.kind(), error.detail("cap_bytes")), (ErrorKind::DiskCapExceeded, Some(&Detail::U64(10))));
    let _: Arc<dyn std::error::Error + Send + Sync> = Arc::new(error);
}
