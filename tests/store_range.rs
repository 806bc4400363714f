//! Reads of a part of an object: the bytes asked for, fewer only where the object ends, and its whole size.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use support::{Fault, FaultStore, Op, Sim, SimClock, now};
use weir::env::BoxFuture;
use weir::error::{ErrorKind, Result};
use weir::store::local::{LocalBackend, LocalOptions};
use weir::store::memory::MemoryBackend;
use weir::store::{Backend, Created, Object, ObjectInfo, Settings, Store};

/// A backend that can only read whole objects, as one that somebody else wrote.
#[derive(Debug)]
struct Whole(MemoryBackend);

impl Backend for Whole {
    fn create<'a>(&'a self, path: &'a str, body: &'a [Bytes]) -> BoxFuture<'a, Result<Created>> {
        self.0.create(path, body)
    }
    fn put<'a>(&'a self, path: &'a str, body: Bytes) -> BoxFuture<'a, Result<()>> {
        self.0.put(path, body)
    }
    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Object>>> {
        self.0.get(path)
    }
    fn head<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>>> {
        self.0.head(path)
    }
    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>>> {
        self.0.list(dir)
    }
    fn list_dirs<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<String>>> {
        self.0.list_dirs(dir)
    }
    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        self.0.delete(path)
    }
    fn make_dirs<'a>(&'a self, dirs: &'a [&'a str]) -> BoxFuture<'a, Result<()>> {
        self.0.make_dirs(dirs)
    }
    fn is_blocking(&self) -> bool {
        true
    }
}

fn check(store: &Store) {
    now(store.make_dirs(&["a"])).unwrap();
    let body: Vec<u8> = (0..=255).cycle().take(1000).collect();
    now(store.create("a/x", &[Bytes::from(body[..10].to_vec()), Bytes::from(body[10..].to_vec())])).unwrap();
    for range in [0..0, 0..1, 0..1000, 10..20, 990..1000, 990..2000, 1000..1001, 5000..6000, 0..u64::MAX, u64::MAX..u64::MAX, 7..7] {
        let part = now(store.get_range("a/x", range.clone())).unwrap().unwrap();
        let clip = |at: u64| (at as usize).min(1000);
        assert_eq!(part.size, 1000);
        assert_eq!(part.bytes, &body[clip(range.start)..clip(range.end)], "{range:?} of {store:?}");
    }
    assert_eq!(now(store.get_range("a/y", 0..10)).unwrap(), None);
    assert_eq!(now(store.get_range("a", 0..10)).unwrap(), None, "a directory is no object");
    let before = store.requests();
    now(store.get_range("a/x", 0..10)).unwrap();
    let asked = store.requests() - before;
    assert_eq!((asked.get, asked.total()), (1, 1));
}

#[test]
fn every_backend_reads_parts() {
    let memory = || MemoryBackend::new(Arc::new(SimClock::new()));
    check(&Store::new("memory://x", Arc::new(memory())));
    check(&Store::new("memory://x", Arc::new(Whole(memory()))));
    check(&Store::new("memory://x", Arc::new(FaultStore::new(Arc::new(memory()), Arc::new(SimClock::new())).blocking())));
    let dir = tempfile::tempdir().unwrap();
    check(&Store::new("file:///x", Arc::new(LocalBackend::new(dir.path(), LocalOptions { fsync: false, ..LocalOptions::default() }))));
    // Where pages begin and end says nothing of where a part may.
    let path = dir.path().join("large");
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&path, &large).unwrap();
    let store = Store::new("file:///x", Arc::new(LocalBackend::new(dir.path(), LocalOptions::default())));
    for range in [1..9_999_999_usize, 4095..4097, 4096..8192, 11_999_999..12_000_000] {
        let part = now(store.get_range("large", range.start as u64..range.end as u64)).unwrap().unwrap();
        assert!(part.bytes == large[range.clone()], "{range:?}");
        assert!((part.bytes.as_ptr() as usize).is_multiple_of(64), "aligned, so that arrays are used in place");
    }
}

#[test]
fn errors_name_the_object() {
    let sim = Sim::new(1);
    let faults = FaultStore::new(Arc::new(MemoryBackend::new(Arc::new(sim.clock()))), Arc::new(sim.clock()));
    let store = Store::new("memory://x", Arc::new(faults.clone()));
    sim.run(async {
        store.create("a", &[Bytes::from_static(b"abc")]).await.unwrap();
        faults.on(Op::GetRange, "a", 1, Fault::Denied);
        let error = store.get_range("a", 0..1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.message().contains("memory://x/a"), "{error}");
    });
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "x").unwrap();
    let store = Store::new("file:///x", Arc::new(LocalBackend::new(dir.path(), LocalOptions::default())));
    assert_eq!(now(store.get_range("file/below", 0..1)).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_slow_store_is_slow_in_parts_too() {
    let sim = Sim::new(1);
    let settings = Settings::new([("weir_simulated_latency_ms".to_owned(), "70".to_owned())]).unwrap();
    let store = weir::store::open("memory://slow-parts", &settings, &sim.env()).unwrap();
    sim.run(async {
        store.create("a", &[Bytes::from_static(b"abc")]).await.unwrap();
        let began = weir::env::Clock::now(&sim.clock());
        assert_eq!(store.get_range("a", 1..2).await.unwrap().unwrap().bytes, "b");
        assert_eq!(weir::env::Clock::now(&sim.clock()) - began, Duration::from_millis(70));
    });
}

#[test]
fn only_empty_directories_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new("file:///x", Arc::new(LocalBackend::new(dir.path(), LocalOptions { fsync: false, ..LocalOptions::default() })));
    now(store.make_dirs(&["full", "empty"])).unwrap();
    now(store.create("full/x", &[Bytes::from_static(b"x")])).unwrap();
    for name in ["full", "empty", "missing"] {
        now(store.remove_dir(name)).unwrap();
    }
    assert!(dir.path().join("full/x").exists() && !dir.path().join("empty").exists());
    assert_eq!(now(store.remove_dir("full/x")).unwrap_err().kind(), ErrorKind::InvalidArgument);
    // What is created next makes its directory known again, or fails.
    now(store.delete("full/x")).unwrap();
    now(store.remove_dir("full")).unwrap();
    assert_eq!(now(store.create("full/y", &[Bytes::from_static(b"y")])).unwrap_err().kind(), ErrorKind::NotFound);
    now(store.make_dirs(&["full"])).unwrap();
    assert_eq!(now(store.create("full/y", &[Bytes::from_static(b"y")])).unwrap(), Created::Done);
}
