//! The local store: durable, whole or not at all, and honest about what fails.

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use support::now;
use tempfile::TempDir;
use weir::error::{Error, ErrorKind};
use weir::store::local::{LocalBackend, LocalOptions};
use weir::store::{Backend, Created, Store};

/// Every way of writing.
const WAYS: [LocalOptions; 4] = [
    LocalOptions { fsync: true, unnamed_files: true },
    LocalOptions { fsync: true, unnamed_files: false },
    LocalOptions { fsync: false, unnamed_files: true },
    LocalOptions { fsync: false, unnamed_files: false },
];

fn store(root: &Path, options: LocalOptions) -> Store {
    Store::new(format!("file://{}", root.display()), Arc::new(LocalBackend::new(root, options)))
}

fn with_dir(options: LocalOptions) -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), options);
    now(store.make_dirs(&["a/wal"])).unwrap();
    (dir, store)
}

fn parts(texts: &[&'static str]) -> Vec<Bytes> {
    texts.iter().map(|text| Bytes::from_static(text.as_bytes())).collect()
}

fn read(store: &Store, path: &str) -> Option<Bytes> {
    now(store.read(path)).unwrap()
}

/// The names in a directory, as the system has them.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn assert_kind(error: &Error, kind: ErrorKind, named: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.message().contains(named), "{error} does not name {named}");
}

#[test]
fn creates_reads_lists_and_deletes() {
    for options in WAYS {
        let (dir, store) = with_dir(options);
        assert_eq!(now(store.create("a/wal/1.arrow", &parts(&["one ", "", "two"]))).unwrap(), Created::Done);
        assert_eq!(read(&store, "a/wal/1.arrow").unwrap(), "one two");
        assert_eq!(read(&store, "a/wal/2.arrow"), None);

        let info = now(store.head("a/wal/1.arrow")).unwrap().unwrap();
        assert_eq!((info.name.as_str(), info.size), ("1.arrow", 7));
        let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().abs_diff(info.modified);
        assert!(age < Duration::from_secs(60), "{age:?}");
        assert_eq!(now(store.head("a/wal/2.arrow")).unwrap(), None);
        assert_eq!(now(store.head("a/wal")).unwrap(), None, "a directory is no object");
        assert!(now(store.get("a/wal")).unwrap().is_none(), "a directory is no object");

        assert_eq!(now(store.list("a/wal")).unwrap(), vec![info]);
        assert_eq!(now(store.list("a")).unwrap(), vec![]);
        assert_eq!(now(store.list("nowhere")).unwrap(), vec![]);
        assert_eq!(now(store.list_dirs("")).unwrap(), vec!["a"]);
        assert_eq!(now(store.list_dirs("a")).unwrap(), vec!["wal"]);
        assert_eq!(now(store.list_dirs("a/wal")).unwrap(), Vec::<String>::new());

        now(store.delete("a/wal/1.arrow")).unwrap();
        now(store.delete("a/wal/1.arrow")).unwrap();
        assert_eq!(names(&dir.path().join("a/wal")), Vec::<String>::new());
        let counts = store.requests();
        assert_eq!((counts.create, counts.get, counts.head, counts.list, counts.delete, counts.put), (1, 3, 3, 6, 2, 0));
    }
}

// PITFALLS A1
#[test]
fn a_second_create_changes_nothing_and_leaves_nothing() {
    for options in WAYS {
        let (dir, store) = with_dir(options);
        assert_eq!(now(store.create("a/wal/1.arrow", &parts(&["first"]))).unwrap(), Created::Done);
        assert_eq!(now(store.create("a/wal/1.arrow", &parts(&["second, and longer"]))).unwrap(), Created::Exists);
        assert_eq!(read(&store, "a/wal/1.arrow").unwrap(), "first");
        assert_eq!(names(&dir.path().join("a/wal")), ["1.arrow"]);
    }
}

// PITFALLS A1
#[test]
fn of_sixteen_creators_one_wins() {
    for options in WAYS {
        let (dir, store) = with_dir(options);
        for round in 0..8 {
            let path = format!("a/wal/{round}.arrow");
            let barrier = Arc::new(Barrier::new(16));
            let creators: Vec<_> = (0..16)
                .map(|i| {
                    let (store, path, barrier) = (store.clone(), path.clone(), barrier.clone());
                    std::thread::spawn(move || {
                        let body = [Bytes::from(vec![i as u8; 1000])];
                        barrier.wait();
                        now(store.create(&path, &body)).unwrap()
                    })
                })
                .collect();
            let outcomes: Vec<Created> = creators.into_iter().map(|thread| thread.join().unwrap()).collect();
            let winners: Vec<usize> = (0..16).filter(|i| outcomes[*i] == Created::Done).collect();
            assert_eq!(winners.len(), 1, "{outcomes:?}");
            assert_eq!(read(&store, &path).unwrap(), vec![winners[0] as u8; 1000]);
        }
        assert_eq!(names(&dir.path().join("a/wal")).len(), 8);
    }
}

#[test]
fn many_parts_and_large_ones_are_written_whole() {
    for options in WAYS {
        let (_dir, store) = with_dir(options);
        // More parts than one writev takes, of uneven lengths, some empty.
        let many: Vec<Bytes> = (0..5000_usize).map(|i| Bytes::from(vec![i as u8; i % 7])).collect();
        let large = vec![Bytes::from(vec![7; 3_000_001]), Bytes::from_static(b"end")];
        for (name, body) in [("many", many), ("large", large), ("empty", vec![]), ("blank", vec![Bytes::new()])] {
            assert_eq!(now(store.create(name, &body)).unwrap(), Created::Done);
            assert_eq!(read(&store, name).unwrap(), body.concat(), "{name}");
            let object = now(store.get(name)).unwrap().unwrap();
            assert_eq!(object.size, body.concat().len() as u64);
        }
    }
}

#[test]
fn bodies_are_aligned_for_arrow() {
    let (_dir, store) = with_dir(WAYS[2]);
    for len in [1, 100, 4096, 1_300_000] {
        let path = len.to_string();
        now(store.create(&path, &[Bytes::from(vec![1; len])])).unwrap();
        assert!((read(&store, &path).unwrap().as_ptr() as usize).is_multiple_of(64));
    }
}

#[test]
fn new_files_are_plain_files_of_the_usual_mode() {
    for options in WAYS {
        let (dir, store) = with_dir(options);
        now(store.create("a/wal/1.arrow", &parts(&["x"]))).unwrap();
        let metadata = fs::metadata(dir.path().join("a/wal/1.arrow")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7711, 0o600, "{:o}", metadata.permissions().mode());
        assert_eq!(metadata.nlink(), 1);
    }
}

#[test]
fn put_replaces_whole() {
    let (dir, store) = with_dir(WAYS[0]);
    for text in ["first, long", "second", ""] {
        now(store.put("a/hint.json", Bytes::from_static(text.as_bytes()))).unwrap();
        assert_eq!(read(&store, "a/hint.json").unwrap(), text);
    }
    assert_eq!(names(&dir.path().join("a")), ["hint.json", "wal"]);
}

// PITFALLS C11
#[test]
fn leftovers_are_invisible_and_only_our_old_ones_are_swept() {
    let (dir, store) = with_dir(WAYS[1]);
    let wal = dir.path().join("a/wal");
    let ours = "1.arrow#0123456789abcdef0123456789abcdef";
    let fresh = "2.arrow#0123456789abcdef0123456789abcdef";
    let foreign = ["1.arrow#1", "1.arrow.tmp.6f1c2b1e-3a34-4b53-9a5e-6a5e4a3c2b1a", "1.arrow#xyz", "Ünlesbar", "a b"];
    for name in foreign.iter().chain(&[ours, fresh]) {
        fs::write(wal.join(name), "left over").unwrap();
    }
    let old = SystemTime::now() - Duration::from_secs(7200);
    for name in foreign.iter().chain(&[ours]) {
        fs::File::options().write(true).open(wal.join(name)).unwrap().set_modified(old).unwrap();
    }
    now(store.create("a/wal/1.arrow", &parts(&["x"]))).unwrap();
    let listed: Vec<String> = now(store.list("a/wal")).unwrap().into_iter().map(|o| o.name).collect();
    assert_eq!(listed, ["1.arrow"]);
    assert_eq!(now(store.sweep("a/wal", Duration::from_secs(3600))).unwrap(), 1);
    assert!(!wal.join(ours).exists());
    assert!(wal.join(fresh).exists());
    foreign.iter().for_each(|name| assert!(wal.join(name).exists(), "{name} is not ours to remove"));
    assert_eq!(now(store.sweep("nowhere", Duration::ZERO)).unwrap(), 0);
}

#[test]
fn a_directory_taken_away_is_an_error_and_one_put_back_is_used() {
    for options in WAYS {
        let (dir, store) = with_dir(options);
        let wal = dir.path().join("a/wal");
        now(store.create("a/wal/1", &parts(&["x"]))).unwrap();

        fs::remove_dir_all(dir.path().join("a")).unwrap();
        let error = now(store.create("a/wal/2", &parts(&["x"]))).unwrap_err();
        assert_kind(&error, ErrorKind::NotFound, "a/wal/2");
        assert_eq!(now(store.list("a/wal")).unwrap(), vec![]);

        now(store.make_dirs(&["a/wal"])).unwrap();
        assert_eq!(now(store.create("a/wal/2", &parts(&["x"]))).unwrap(), Created::Done);
        assert_eq!(names(&wal), ["2"]);

        // Moved away, and another put in its place: the path counts, not the directory once opened.
        fs::rename(&wal, dir.path().join("a/moved")).unwrap();
        fs::create_dir(&wal).unwrap();
        assert_eq!(now(store.create("a/wal/2", &parts(&["y"]))).unwrap(), Created::Done);
        assert_eq!(read(&store, "a/wal/2").unwrap(), "y");
        assert_eq!(names(&dir.path().join("a/moved")), ["2"]);
        assert!(now(store.put("gone/hint", Bytes::new())).is_err());
    }
}

#[test]
fn make_dirs_makes_the_root_too_and_is_repeatable_from_many_threads() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("deep/er/root");
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let store = store(&root, LocalOptions::default());
            std::thread::spawn(move || now(store.make_dirs(&["s/manifest", "s/wal", ""])).unwrap())
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(names(&root.join("s")), ["manifest", "wal"]);
}

#[test]
fn a_file_in_the_way_of_a_directory_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "x").unwrap();
    let store = store(&dir.path().join("file/root"), LocalOptions::default());
    let url = store.url().to_owned();
    assert_kind(&now(store.make_dirs(&["wal"])).unwrap_err(), ErrorKind::InvalidArgument, &url);
    assert_kind(&now(store.create("wal/1", &parts(&["x"]))).unwrap_err(), ErrorKind::InvalidArgument, &url);
    assert_kind(&now(store.read("wal/1")).unwrap_err(), ErrorKind::InvalidArgument, &url);
    assert_kind(&now(store.head("wal/1")).unwrap_err(), ErrorKind::InvalidArgument, &url);
    assert_kind(&now(store.list("wal")).unwrap_err(), ErrorKind::InvalidArgument, &url);

    let above = self::store(dir.path(), LocalOptions::default());
    assert_kind(&now(above.make_dirs(&["file"])).unwrap_err(), ErrorKind::InvalidArgument, "file");
}

#[test]
fn what_is_no_regular_file_is_not_read() {
    let (dir, store) = with_dir(WAYS[0]);
    rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("a/pipe"), rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
    let error = now(store.read("a/pipe")).unwrap_err();
    assert_kind(&error, ErrorKind::Storage, "a/pipe");
    assert_eq!(now(store.list("a")).unwrap(), vec![]);
}

#[test]
fn symbolic_links_are_followed_and_dangling_ones_are_nothing() {
    let (dir, store) = with_dir(WAYS[0]);
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("one"), "1").unwrap();
    symlink(elsewhere.path(), dir.path().join("linked")).unwrap();
    symlink("nowhere", dir.path().join("a/dangling")).unwrap();
    assert_eq!(read(&store, "linked/one").unwrap(), "1");
    assert!(now(store.list_dirs("")).unwrap().contains(&"linked".to_owned()));
    assert_eq!(now(store.list("a")).unwrap(), vec![]);
    assert_eq!(read(&store, "a/dangling"), None);
}

#[test]
fn a_file_cut_while_it_is_read_is_an_error() {
    let (dir, store) = with_dir(WAYS[0]);
    now(store.create("a/one", &parts(&["0123456789"]))).unwrap();
    let object = now(store.get("a/one")).unwrap().unwrap();
    fs::File::options().write(true).open(dir.path().join("a/one")).unwrap().set_len(4).unwrap();
    assert_kind(&now(object.body).unwrap_err(), ErrorKind::Storage, "a/one");

    // One that grew is read as it was when it was opened; one deleted stays readable.
    now(store.create("a/two", &parts(&["0123456789"]))).unwrap();
    let object = now(store.get("a/two")).unwrap().unwrap();
    fs::write(dir.path().join("a/two"), "0123456789 and more").unwrap();
    fs::remove_file(dir.path().join("a/two")).unwrap();
    assert_eq!(now(object.body).unwrap(), "0123456789");
}

#[test]
fn identity_is_that_of_the_place() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("real")).unwrap();
    symlink("real", dir.path().join("link")).unwrap();
    let of = |path: &str| store(&dir.path().join(path), LocalOptions::default()).identity();
    assert_eq!(of("real"), of("link"));
    assert_eq!(of("real/new/root"), of("link/new/root"));
    assert_ne!(of("real"), of("real/new"));
    let before = of("link/new");
    fs::create_dir(dir.path().join("real/new")).unwrap();
    assert_eq!(of("real/new"), before);
}

#[test]
fn local_stores_need_no_probe() {
    let (dir, store) = with_dir(WAYS[0]);
    now(store.ensure_create_if_absent()).unwrap();
    assert_eq!(store.requests().total(), 0);
    assert_eq!(names(dir.path()), ["a"]);
    assert!(LocalBackend::new(dir.path(), WAYS[0]).is_blocking());
}

/// A file system of its own, small or read-only, if this user may mount one.
struct Mounted(TempDir);

impl Mounted {
    fn tmpfs(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", options, "weir-test"]).arg(dir.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(dir));
        }
        eprintln!("skipped: this user cannot mount a tmpfs");
        None
    }

    fn remount(&self, options: &str) {
        let status = std::process::Command::new("mount").args(["-o", options]).arg(self.0.path()).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_reported_as_such_and_leaves_nothing() {
    for options in WAYS {
        let Some(mounted) = Mounted::tmpfs("size=256k") else { return };
        let store = store(mounted.0.path(), options);
        now(store.make_dirs(&["wal"])).unwrap();
        now(store.create("wal/1", &parts(&["fits"]))).unwrap();
        let error = now(store.create("wal/2", &[Bytes::from(vec![0; 1 << 20])])).unwrap_err();
        assert_kind(&error, ErrorKind::StorageFull, "wal/2");
        assert_eq!(names(&mounted.0.path().join("wal")), ["1"]);
        // There is room again: what the failed attempt took was given back.
        assert_eq!(now(store.create("wal/2", &[Bytes::from(vec![0; 100_000])])).unwrap(), Created::Done);
        assert_kind(&now(store.put("hint", Bytes::from(vec![0; 1 << 20]))).unwrap_err(), ErrorKind::StorageFull, "hint");
        assert_eq!(names(mounted.0.path()), ["wal"]);
    }
}

#[test]
fn a_read_only_directory_is_permission_denied() {
    let Some(mounted) = Mounted::tmpfs("size=256k") else { return };
    let store = store(mounted.0.path(), WAYS[0]);
    now(store.make_dirs(&["wal"])).unwrap();
    now(store.create("wal/1", &parts(&["x"]))).unwrap();
    mounted.remount("remount,ro");
    assert_kind(&now(store.create("wal/2", &parts(&["x"]))).unwrap_err(), ErrorKind::PermissionDenied, "wal/2");
    assert_kind(&now(store.put("hint", Bytes::new())).unwrap_err(), ErrorKind::PermissionDenied, "hint");
    assert_kind(&now(store.delete("wal/1")).unwrap_err(), ErrorKind::PermissionDenied, "wal/1");
    assert_kind(&now(store.make_dirs(&["new"])).unwrap_err(), ErrorKind::PermissionDenied, "new");
    now(store.make_dirs(&["wal"])).unwrap();
    assert_eq!(read(&store, "wal/1").unwrap(), "x");
}

#[test]
fn a_directory_without_permission_is_permission_denied() {
    let (dir, store) = with_dir(WAYS[0]);
    if fs::metadata(dir.path()).unwrap().uid() == 0 {
        eprintln!("skipped: root may do everything");
        return;
    }
    fs::set_permissions(dir.path().join("a/wal"), fs::Permissions::from_mode(0o500)).unwrap();
    assert_kind(&now(store.create("a/wal/1", &parts(&["x"]))).unwrap_err(), ErrorKind::PermissionDenied, "a/wal/1");
}

#[test]
fn the_way_of_writing_is_found_out_once() {
    let (dir, _) = with_dir(WAYS[0]);
    // What a file system without unnamed files answers is simulated by asking for the other way.
    let staged = LocalBackend::new(dir.path(), WAYS[1]);
    assert!(!staged.uses_unnamed_files());
    let unnamed = LocalBackend::new(dir.path(), WAYS[0]);
    // A missing directory says nothing of the file system.
    assert!(now(unnamed.create("nowhere/1", &parts(&["x"]))).is_err());
    assert!(unnamed.uses_unnamed_files());
}

/// What [`without_proc_files_are_staged`] runs where there is no `/proc`, and a file without a name cannot be given one.
#[test]
#[ignore = "run by another test"]
fn child_without_proc() {
    assert!(!Path::new("/proc/self/fd").exists());
    let (dir, _) = with_dir(WAYS[0]);
    let backend = LocalBackend::new(dir.path(), WAYS[0]);
    for name in ["a/wal/1", "a/wal/2"] {
        assert_eq!(now(backend.create(name, &parts(&["x"]))).unwrap(), Created::Done);
        assert_eq!(now(backend.create(name, &parts(&["y"]))).unwrap(), Created::Exists);
        assert!(!backend.uses_unnamed_files(), "found out and remembered");
    }
    assert_eq!(names(&dir.path().join("a/wal")), ["1", "2"]);
}

#[test]
fn without_proc_files_are_staged() {
    let script = "umount -l /proc && exec \"$0\" --exact --ignored child_without_proc";
    let unshare = |args: &[&str]| {
        let mut command = std::process::Command::new("unshare");
        command.args(["-m", "--propagation", "private", "sh", "-c"]).args(args).arg(std::env::current_exe().unwrap()).output()
    };
    if !unshare(&["umount -l /proc"]).is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this user cannot unmount /proc in a mount namespace of its own");
        return;
    }
    let output = unshare(&[script]).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
