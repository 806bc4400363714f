//! A disk that is really full: a small file system mounted in a namespace of its own, and a limit on the size of files.

mod support;

use std::path::Path;

use support::child::{command, task};
use support::now;
use support::spill::{begin, bytes, directories, files, local, read, session, spill, sum};
use weir::error::{Error, ErrorKind};
use weir::spill::{SpillConfig, SpillStore};

const MIB: usize = 1 << 20;
/// The size of the disk.
const DISK: usize = 16 * MIB;

/// Not a test of its own: what runs on the small disk, or below the limit.
#[test]
fn child() {
    let Some(task) = task() else { return };
    let (what, base) = task.split_once(' ').unwrap();
    let base = Path::new(base);
    match what {
        "disk" => {
            full_and_free_again(base);
            many_fill_it(base);
            the_floor_comes_first(base);
            full_before_the_first_byte(base);
        }
        "inodes" => full_of_what_the_dead_left(base),
        _ => too_large(base),
    }
    assert!(directories(base).is_empty());
    println!("weir-child: done");
}

/// Writes until that fails; says how much was accepted.
fn fill(store: &SpillStore) -> (u64, Error) {
    let mut writer = begin(store);
    let mut accepted = 0;
    let error = loop {
        match now(writer.write(&bytes(accepted, 100_000))) {
            Ok(()) => accepted += 100_000,
            Err(error) => break error,
        }
    };
    let again = now(writer.write(b"more")).unwrap_err();
    assert_eq!((again.kind(), again.message()), (error.kind(), error.message()));
    assert_eq!(now(writer.finish()).unwrap_err().kind(), error.kind());
    (accepted, error)
}

fn full_and_free_again(base: &Path) {
    let store = SpillStore::new(&session(), &local(base)).unwrap();
    let first = spill(&store, &bytes(1, 5 * MIB)).unwrap();
    let (accepted, error) = fill(&store);
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    assert!(error.message().contains(base.to_str().unwrap()) && error.message().contains("No space left"), "{error}");
    assert!(accepted > 10 * MIB as u64);
    // The partial file is gone, and its bytes with it, from the budget and from the disk.
    assert_eq!((store.used_bytes(), sum(&files(base)), files(base).len()), (5 * MIB as u64, 5 * MIB as u64, 1));
    assert_eq!(read(&first).unwrap(), bytes(1, 5 * MIB));
    let second = spill(&store, &bytes(2, 10 * MIB)).unwrap();
    assert_eq!(spill(&store, &bytes(3, 5 * MIB)).unwrap_err().kind(), ErrorKind::StorageFull);
    drop(first);
    let third = spill(&store, &bytes(3, 5 * MIB)).unwrap();
    assert_eq!((read(&second).unwrap(), read(&third).unwrap()), (bytes(2, 10 * MIB), bytes(3, 5 * MIB)));
}

fn many_fill_it(base: &Path) {
    let store = SpillStore::new(&session(), &local(base)).unwrap();
    let barrier = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                assert_eq!(fill(&store).1.kind(), ErrorKind::StorageFull);
            });
        }
    });
    assert_eq!((store.used_bytes(), files(base).len()), (0, 0));
    assert!(spill(&store, &bytes(1, 15 * MIB)).is_ok());
}

fn the_floor_comes_first(base: &Path) {
    let config = SpillConfig { min_free_bytes: Some(4 * MIB as u64), ..local(base) };
    let store = SpillStore::new(&session(), &config).unwrap();
    let mut writers: Vec<_> = (0..4).map(|_| begin(&store)).collect();
    let error = 'full: loop {
        for writer in &mut writers {
            if let Err(error) = now(writer.write(&[1; 10_000])) {
                break 'full error;
            }
        }
    };
    assert_eq!((error.kind(), error.detail_u64("floor_bytes")), (ErrorKind::StorageFull, Some(4 * MIB as u64)));
    assert_eq!(error.detail_u64("spill_lost"), Some(0));
    let spills: Vec<_> = writers.into_iter().map(|writer| now(writer.finish()).unwrap()).collect();
    let (written, most) = (sum(&files(base)), (DISK - 4 * MIB) as u64);
    assert!(written <= most && written > most - MIB as u64, "{written} of {most}");
    drop(spills);
    assert!(spill(&store, &bytes(1, 10 * MIB)).is_ok());
}

fn full_before_the_first_byte(base: &Path) {
    let others = base.parent().unwrap().join("others");
    let filled = std::fs::write(&others, vec![1; 2 * DISK]);
    assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    let store = SpillStore::new(&session(), &local(base)).unwrap();
    assert_eq!(spill(&store, &bytes(1, MIB)).unwrap_err().kind(), ErrorKind::StorageFull);
    let store = SpillStore::new(&session(), &SpillConfig { min_free_bytes: None, ..local(base) }).unwrap();
    assert_eq!(spill(&store, b"x").unwrap_err().detail_u64("free_bytes"), Some(0));
    assert_eq!((store.used_bytes(), files(base).len()), (0, 0));
    std::fs::remove_file(others).unwrap();
    assert!(spill(&store, &bytes(1, MIB)).is_ok());
}

/// There is no room for even one more directory before what a dead process left is gone.
fn full_of_what_the_dead_left(base: &Path) {
    let dead = base.join(format!("{}.spill", "a".repeat(32)));
    std::fs::create_dir_all(&dead).unwrap();
    let full = (0..1000).find_map(|name| std::fs::write(dead.join(name.to_string()), [1; 10]).err());
    assert_eq!(full.unwrap().kind(), std::io::ErrorKind::StorageFull);
    let full = std::fs::create_dir(base.join("another"));
    assert_eq!(full.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    let store = SpillStore::new(&session(), &local(base)).unwrap();
    let whole = spill(&store, &bytes(1, 100_000)).unwrap();
    assert_eq!(read(&whole).unwrap(), bytes(1, 100_000));
    assert!(!dead.exists());
    assert_eq!(store.stats().swept_directories, 1);
    // Where that does not help, it is still an error that says what is wrong.
    let others = base.parent().unwrap().join("others");
    std::fs::create_dir(&others).unwrap();
    let full = (0..1000).find_map(|name| std::fs::write(others.join(name.to_string()), []).err());
    assert_eq!(full.unwrap().kind(), std::io::ErrorKind::StorageFull);
    let next = SpillStore::new(&session(), &local(base)).unwrap();
    assert_eq!(spill(&next, b"x").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(next.used_bytes(), 0);
    std::fs::remove_dir_all(others).unwrap();
    assert!(spill(&next, b"x").is_ok());
}

fn too_large(base: &Path) {
    let store = SpillStore::new(&session(), &local(base)).unwrap();
    let (accepted, error) = fill(&store);
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    assert!(error.message().contains("File too large"), "{error}");
    assert!(accepted <= 2 * MIB as u64 && accepted > MIB as u64);
    assert_eq!((store.used_bytes(), files(base).len()), (0, 0));
    assert!(spill(&store, &bytes(1, MIB)).is_ok());
}

fn run(wrapper: &[&str], task: &str) {
    let output = command(wrapper, "child", task).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("weir-child: done"), "{said}\n{complained}");
}

/// PITFALLS S7: on a file system of 16 MiB.
#[test]
fn a_full_disk() {
    on_a_disk(&format!("size={DISK}"), "disk");
}

/// PITFALLS S6: what the dead left is removed also where it leaves no room for the living, here on a file system of 50 files.
#[test]
fn a_disk_that_the_dead_filled() {
    on_a_disk("nr_inodes=50", "inodes");
}

/// Runs `task` on a file system of its own.
fn on_a_disk(options: &str, task: &str) {
    let dir = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o {options} tmpfs '{}'", dir.path().display());
    let namespace = |script: &str| ["unshare", "-Urm", "sh", "-euc"].map(str::to_owned).into_iter().chain([script.to_owned()]).collect();
    let probe: Vec<String> = namespace(&mount);
    let allowed = std::process::Command::new(&probe[0]).args(&probe[1..]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("not tested: no file systems can be mounted here");
        return;
    }
    let script: Vec<String> = namespace(&format!("{mount}; exec \"$0\" \"$@\""));
    let base = dir.path().join("spill");
    run(&script.iter().map(String::as_str).collect::<Vec<_>>(), &format!("{task} {}", base.display()));
}

/// PITFALLS S7: below a limit of 2 MiB on the size of files, whose signal is ignored.
#[test]
fn a_limit_on_the_size_of_files() {
    let dir = tempfile::tempdir().unwrap();
    // In units of 512 bytes.
    let script = "trap '' XFSZ; ulimit -f 4096; exec \"$0\" \"$@\"";
    run(&["sh", "-euc", script], &format!("limit {}", dir.path().join("spill").display()));
}
