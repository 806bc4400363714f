//! What storage gets wrong: damaged and foreign objects, hints that lie, directories in an object's place.

use std::fs;

use weir::error::{Detail, ErrorKind};

use super::{Place, SHARD, assert_error, batch, put, values, wait};

/// Writes entries with the values 1 to `count`, and lets go of the shard.
fn filled(count: i64) -> Place {
    let place = Place::new();
    let writer = place.open().unwrap();
    (1..=count).for_each(|value| put(&writer, value));
    writer.close(None).unwrap();
    place
}

/// The file with each of its bytes flipped, and cut at each length.
fn damages(good: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> {
    let flips = (0..good.len()).flat_map(|at| [(at, 0x01), (at, 0x80), (at, 0xff)]).map(move |(at, mask)| {
        let mut bad = good.to_vec();
        bad[at] ^= mask;
        (format!("byte {at} ^ {mask:#x}"), bad)
    });
    let cuts = (0..good.len()).map(|len| (format!("cut to {len} bytes"), good[..len].to_vec()));
    let more = [1, 8, 4096].map(|more| (format!("{more} bytes longer"), [good, &vec![0; more]].concat()));
    flips.chain(cuts).chain(more)
}

// PITFALLS C10
#[test]
fn every_damage_of_an_entry_is_found_and_can_be_stepped_over() {
    let place = filled(3);
    let path = place.shard.entry(2);
    let good = fs::read(place.file(&path)).unwrap();
    let tailer = place.tailer();
    let mut accepted = 0;
    for (what, bad) in damages(&good) {
        fs::write(place.file(&path), bad).unwrap();
        tailer.seek(1);
        assert_eq!(values(&wait(tailer.next()).unwrap().unwrap()), [1], "{what}");
        let again = [wait(tailer.next()), wait(tailer.next()), wait(tailer.read(2)).map(Some)];
        // Cut off exactly with its trailer, it is one like Lance's, which has none.
        if let Ok(Some(entry)) = &again[0] {
            assert_eq!((entry.id, values(entry), entry.bytes < good.len() as u64), (None, vec![2], true), "{what}");
            accepted += 1;
            continue;
        }
        for error in again.map(Result::unwrap_err) {
            assert_error(&error, ErrorKind::Corruption, &["position 2", place.file(&path).to_str().unwrap()]);
            assert_eq!(error.detail_u64("position"), Some(2), "{what}");
        }
        tailer.seek(3);
        assert_eq!(values(&wait(tailer.next()).unwrap().unwrap()), [3], "{what}");
    }
    assert_eq!(accepted, 1);
    // A writer does not mind, wherever the damage is: it reads nobody's entries, and takes none for its own.
    fs::write(place.file(&place.shard.entry(3)), "").unwrap();
    let writer = place.open().unwrap();
    assert_eq!(writer.put(&batch(4), None).unwrap().position, 5);
    fs::write(place.file(&place.shard.entry(6)), &good[..good.len() - 1]).unwrap();
    assert_eq!(writer.put(&batch(5), None).unwrap().position, 7);
    fs::write(place.file(&path), good).unwrap();
    tailer.seek(2);
    assert_eq!(values(&wait(tailer.next()).unwrap().unwrap()), [2]);
}

/// A changed epoch would let a fenced writer go on, a lost one fence the owner.
#[test]
fn every_damage_of_a_manifest_is_found() {
    let place = filled(1);
    let file = place.file(&place.shard.manifest(1));
    let bytes = fs::read(&file).unwrap();
    for (what, bad) in damages(&bytes) {
        fs::write(&file, bad).unwrap();
        let error = place.latest().expect_err(&what);
        assert_error(&error, ErrorKind::Corruption, &[file.to_str().unwrap()]);
        assert_eq!(error.detail_u64("version"), Some(1), "{what}");
        for error in [place.open().unwrap_err(), place.seal().unwrap_err(), wait(place.manifests().check_fenced(1)).unwrap_err()] {
            assert_error(&error, ErrorKind::Corruption, &[file.to_str().unwrap()]);
        }
        // The log itself can be read.
        assert_eq!(values(&wait(place.tailer().next()).unwrap().unwrap()), [1], "{what}");
    }
    fs::write(&file, &bytes).unwrap();
    let writer = place.open().unwrap();
    assert_eq!(writer.epoch(), 2);
    // Under a live writer: it goes on as long as nothing makes it look, and says what it finds then.
    fs::write(place.file(&place.shard.manifest(3)), &bytes).unwrap();
    assert_eq!(writer.put(&batch(2), None).unwrap().position, 3);
    assert_error(&wait(writer.check_fenced()).unwrap_err(), ErrorKind::Corruption, &["version 1", "version 3"]);
    fs::remove_file(place.file(&place.shard.manifest(3))).unwrap();
    assert_eq!(writer.put(&batch(3), None).unwrap().position, 4);
    // Another shard's.
    let other = Place { shard: weir::shard::ShardPath::new("00000000-0000-4000-8000-000000000001").unwrap(), ..filled(0) };
    other.open().unwrap();
    fs::copy(other.file(&other.shard.manifest(1)), &file).unwrap();
    assert_error(&wait(place.manifests().read(1)).unwrap_err(), ErrorKind::Corruption, &["another shard", file.to_str().unwrap()]);
}

/// A version is missing between two others.
// PITFALLS D1
#[test]
fn a_gap_between_manifests_is_found() {
    let place = filled(1);
    place.open().unwrap();
    place.open().unwrap();
    let (gap, hint) = (place.file(&place.shard.manifest(2)), place.file(&place.shard.hint()));
    fs::remove_file(&gap).unwrap();
    fs::write(hint, "{\"version\":1}").unwrap();
    for error in [place.latest().unwrap_err(), place.open().unwrap_err(), wait(place.manifests().check_fenced(1)).unwrap_err()] {
        assert_error(&error, ErrorKind::Corruption, &[SHARD, "version 2 is missing", "version 3"]);
    }
}

// PITFALLS C11
#[test]
fn foreign_files_and_directories_are_nobodys_business() {
    let place = filled(2);
    let zeros = "0".repeat(64);
    let name = |number: u64| place.shard.entry(number).rsplit('/').next().unwrap().to_owned();
    let foreign = [
        "README.md".to_owned(),
        ".DS_Store".to_owned(),
        "with space".to_owned(),
        "ünïcode.arrow".to_owned(),
        format!("{zeros}.arrow"),
        format!("{}#1", name(3)),
        format!("{}.tmp.00000000-0000-4000-8000-000000000001", name(3)),
        format!("{}.binpb", &zeros[1..]),
        "x.arrow".to_owned(),
        "version_hint.json.tmp".to_owned(),
    ];
    let dirs = [place.shard.wal_dir(), place.shard.manifest_dir(), place.shard.dir().to_owned(), "_mem_wal".to_owned(), String::new()];
    for dir in &dirs {
        for name in &foreign {
            fs::write(place.file(dir).join(name), "not yours").unwrap();
        }
        fs::create_dir(place.file(dir).join("directory")).unwrap();
        fs::create_dir(place.file(dir).join(format!("{}.arrow", "01".repeat(32)))).unwrap();
        fs::create_dir(place.file(dir).join(format!("{}.binpb", "01".repeat(32)))).unwrap();
    }
    fs::remove_file(place.file(&place.shard.hint())).unwrap();
    let writer = place.open().unwrap();
    assert_eq!((writer.epoch(), writer.put(&batch(3), None).unwrap().position), (2, 4));
    assert_eq!(place.read(), [(1, vec![1]), (2, vec![2]), (3, vec![]), (4, vec![3])]);
    let tailer = place.tailer();
    assert_eq!((wait(tailer.first_position()).unwrap(), wait(tailer.next_position()).unwrap()), (1, 5));
    let trimmed = weir::wal::trim::trim(&place.store, &place.shard, &place.env, 2, std::time::Duration::ZERO);
    assert_eq!(wait(trimmed).unwrap().entries, 2);
    for dir in &dirs {
        for name in &foreign {
            assert!(place.file(dir).join(name).exists(), "{dir}/{name} was removed");
        }
    }
}

// PITFALLS D7
#[test]
fn a_hint_that_lies_misleads_nobody() {
    let place = filled(1);
    (2..=5).for_each(|_| drop(place.open().unwrap()));
    let hint = place.file(&place.shard.hint());
    let huge = format!("{{\"version\":{}}}", "9".repeat(1 << 20));
    let max = format!("{{\"version\":{}}}", u64::MAX);
    let lies = [
        "{\"version\":1}",
        "{\"version\":4}",
        "{\"version\":6}",
        "{\"version\":1000000}",
        &max,
        "{\"version\":18446744073709551616}",
        "{\"version\":0}",
        "{\"version\":-1}",
        "{\"version\":\"5\"}",
        "{\"version\":",
        "{}",
        "null",
        "",
        "\0\0\0\0",
        "not json at all",
        &huge,
    ];
    let mut epoch = 5;
    for lie in lies {
        let shown = &lie[..lie.len().min(40)];
        fs::write(&hint, lie).unwrap();
        assert_eq!(place.latest().unwrap().unwrap().writer_epoch, epoch, "{shown:?}");
        let writer = place.open().unwrap();
        epoch += 1;
        assert_eq!(writer.epoch(), epoch, "{shown:?}");
    }
    fs::write(&hint, [0xff, 0xfe, 0x80]).unwrap();
    assert_eq!(place.open().unwrap().epoch(), epoch + 1);
    // Not even a file: then it is not written either.
    fs::remove_file(&hint).unwrap();
    fs::create_dir(&hint).unwrap();
    assert_eq!(place.open().unwrap().epoch(), epoch + 2);
    assert_eq!(place.latest().unwrap().unwrap().writer_epoch, epoch + 2);
}

#[test]
fn a_directory_where_an_entry_should_be() {
    let place = filled(2);
    let writer = place.open().unwrap();
    // Position 3 is the sentinel's.
    let path = place.file(&place.shard.entry(4));
    fs::create_dir(&path).unwrap();
    let error = writer.put(&batch(4), None).unwrap_err();
    assert_error(&error, ErrorKind::Poisoned, &[SHARD, "position 4", path.to_str().unwrap()]);
    assert_eq!(error.detail("cause"), Some(&Detail::Str("STORAGE".into())));
    assert_eq!(place.read().len(), 3);
    fs::remove_dir(&path).unwrap();
    assert_eq!(place.open().unwrap().put(&batch(5), None).unwrap().position, 5);
}

/// An entry is gone and those around it are not: no trim does that.
// PITFALLS C8, I9
#[test]
fn a_hole_is_damage_and_not_a_trim() {
    let place = filled(5);
    let path = place.file(&place.shard.entry(3));
    for directory in [false, true] {
        fs::remove_file(&path).unwrap();
        if directory {
            fs::create_dir(&path).unwrap();
        }
        let tailer = place.tailer();
        assert_eq!([wait(tailer.next()), wait(tailer.next())].map(|entry| entry.unwrap().unwrap().position), [1, 2]);
        for _ in 0..2 {
            let error = wait(tailer.next()).unwrap_err();
            assert_error(&error, ErrorKind::Corruption, &["position 3", path.to_str().unwrap()]);
            assert_eq!(error.detail_u64("position"), Some(3));
        }
        tailer.seek(4);
        assert_eq!(values(&wait(tailer.next()).unwrap().unwrap()), [4]);
        if !directory {
            fs::write(&path, "").unwrap();
        }
    }
}

#[test]
fn a_directory_where_a_manifest_should_be() {
    let place = filled(1);
    let path = place.file(&place.shard.manifest(2));
    fs::create_dir(&path).unwrap();
    let error = place.open().unwrap_err();
    assert_error(&error, ErrorKind::Storage, &[path.to_str().unwrap()]);
    assert_eq!(place.read(), [(1, vec![1])]);
    fs::remove_dir(&path).unwrap();
    assert_eq!(place.open().unwrap().epoch(), 2);
}

/// What is no file at all must not hang the reader either.
#[test]
fn a_pipe_where_an_entry_should_be() {
    let place = filled(2);
    let path = place.file(&place.shard.entry(2));
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o644), 0).unwrap();
    let tailer = place.tailer();
    assert_eq!(wait(tailer.next()).unwrap().unwrap().position, 1);
    assert_error(&wait(tailer.next()).unwrap_err(), ErrorKind::Storage, &[path.to_str().unwrap(), "not a regular file"]);
}
