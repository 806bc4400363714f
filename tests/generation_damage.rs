//! Damaged generations: every truncation and every flipped bit of every object is a clear error.

mod generation_support;
mod support;

use std::sync::Arc;

use bytes::Bytes;
use generation_support::*;
use support::{Fault, Op, SimClock, now};
use weir::error::{Action, ErrorKind, Result};
use weir::generation::{DataOptions, Generation, Got, KeyRange, ScanOptions, TableInput, encode};
use weir::shard::manifest::SsTable;
use weir::store::memory::MemoryBackend;
use weir::store::{Backend, Store};

/// A generation of several batches, superseded rows, tombstones and a secondary index; its objects.
struct Target {
    backend: MemoryBackend,
    store: Store,
    table: SsTable,
    objects: Vec<(String, Bytes)>,
}

fn target() -> Target {
    let history: Vec<Row> = (0..40).map(|i| if i % 9 == 4 { delete(i % 23) } else { put(i % 23, format!("t{i}")) }).collect();
    let input = TableInput { secondary: vec![by_text()], ..input(6, history.chunks(13).map(batch).collect()) };
    let encoded = encode(input, &DataOptions { batch_bytes: 200, ..DataOptions::default() }).unwrap();
    let backend = MemoryBackend::new(Arc::new(SimClock::new()));
    let store = Store::new("memory://test", Arc::new(backend.clone()));
    let written = now(encoded.store(&store, &shard(), &support::Sim::new(1).env(), no_retry())).unwrap();
    let path = |name: &str| format!("{}/{}/{name}", shard().dir(), written.table.path);
    let objects = encoded.objects().map(|(name, parts)| (path(name), Bytes::from(parts.concat()))).collect();
    Target { backend, store, table: written.table, objects }
}

impl Target {
    /// Opens it and reads and checks everything.
    fn verify(&self) -> Result<()> {
        now(now(Generation::open(&self.store, &shard(), &self.table))?.verify())
    }

    fn replace(&self, path: &str, bytes: impl Into<Bytes>) {
        now(self.backend.put(path, bytes.into())).unwrap();
    }
}

// PITFALLS C10, for generations.
#[test]
fn every_truncation_and_every_bit_flip_is_corruption() {
    let target = target();
    target.verify().unwrap();
    assert_eq!(target.objects.len(), 3);
    for (path, whole) in &target.objects {
        let mut checked = 0;
        let mut check = |bytes: Bytes, what: String| {
            target.replace(path, bytes);
            let error = target.verify().expect_err(&what);
            assert_eq!((error.kind(), error.action()), (ErrorKind::Corruption, Action::Stop), "{path}, {what}: {error}");
            assert!(error.message().contains(path.as_str()), "{error} does not name {path}");
            checked += 1;
        };
        for len in 0..whole.len() {
            check(whole.slice(..len), format!("cut to {len} of {}", whole.len()));
        }
        check([&whole[..], b"x"].concat().into(), "one byte more".to_owned());
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.to_vec();
                flipped[at] ^= 1 << bit;
                check(flipped.into(), format!("byte {at}, bit {bit}"));
            }
        }
        assert!(checked > whole.len() * 9, "{checked}");
        target.replace(path, whole.clone());
    }
    target.verify().unwrap();
}

/// A reader that looks at little still never sees what is damaged.
#[test]
fn a_read_gives_what_was_written_or_an_error() {
    let target = target();
    let generation = now(Generation::open(&target.store, &shard(), &target.table)).unwrap();
    let expected: Vec<(i64, Got)> = (0..23).map(|id| (id, now(generation.get(&key(id), None)).unwrap())).collect();
    assert!(expected.iter().any(|(_, got)| *got == Got::Deleted) && !expected.iter().any(|(_, got)| *got == Got::Absent));
    let scanned = now(all_rows(&generation));
    let (mut wrong, mut right) = (0, 0);
    for (path, whole) in target.objects.iter().filter(|(path, _)| !path.ends_with("index.0.weir")) {
        for at in (0..whole.len()).step_by(3) {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 0x10;
            target.replace(path, flipped);
            for (id, got) in expected.iter().step_by(4) {
                match now(generation.get(&key(*id), None)) {
                    Ok(read) => {
                        assert_eq!(read, *got, "byte {at} of {path}");
                        right += 1;
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
                        wrong += 1;
                    }
                }
            }
            let mut scan = generation.scan(ScanOptions { tombstones: true, ..ScanOptions::default() }).unwrap();
            let mut read = Vec::new();
            loop {
                match now(scan.next()) {
                    Ok(Some(some)) => read.extend(rows(&some.batch)),
                    Ok(None) => break assert_eq!(read, scanned),
                    Err(error) => break assert_eq!(error.kind(), ErrorKind::Corruption, "{error}"),
                }
            }
        }
        target.replace(path, whole.clone());
    }
    assert!(wrong > 100 && right > 100, "{wrong} errors, {right} reads");
}

#[test]
fn what_is_gone_is_not_found() {
    let target = target();
    let generation = now(Generation::open(&target.store, &shard(), &target.table)).unwrap();
    for (path, _) in &target.objects {
        now(target.store.delete(path)).unwrap();
    }
    let error = now(Generation::open(&target.store, &shard(), &target.table)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("index.weir"), "{error}");
    assert_eq!(kind(now(generation.get(&key(1), None))), ErrorKind::NotFound);
    assert_eq!(kind(now(now(async { generation.scan(ScanOptions::default()) }).unwrap().next())), ErrorKind::NotFound);
    assert_eq!(kind(now(generation.entries("by text?", &KeyRange::default()))), ErrorKind::NotFound);
    assert_eq!(kind(now(generation.verify())), ErrorKind::NotFound);
}

#[test]
fn a_manifest_that_speaks_of_something_else_is_refused() {
    let target = target();
    let open = |table: SsTable| now(Generation::open(&target.store, &shard(), &table));
    let path = target.table.path.clone();
    assert_eq!(kind(open(SsTable { generation: 7, ..target.table.clone() })), ErrorKind::Corruption);
    assert_eq!(kind(open(SsTable { physical_rows: Some(41), ..target.table.clone() })), ErrorKind::Corruption);
    assert!(open(SsTable { physical_rows: None, ..target.table.clone() }).is_ok());
    // PITFALLS G9: only a name of weir's own form is ever made a path.
    for path in
        ["", "..", "../x", "12345678_gen_6/..", &format!("{path}?"), &format!("{path}#x"), &format!("{path}/"), &format!(" {path}"), "wal"]
    {
        let error = open(SsTable { path: path.to_owned(), ..target.table.clone() }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{path:?}: {error}");
    }
    // Lance's generations have names of the same form.
    let lance = SsTable { path: "12345678_gen_6".to_owned(), ..target.table.clone() };
    target.replace(&format!("{}/12345678_gen_6/_versions/1.manifest", shard().dir()), &b"lance"[..]);
    let error = open(lance).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("Lance"), "{error}");
}

#[test]
fn a_secondary_index_of_another_attempt_is_corruption() {
    let (target, rows) = (target(), 5000);
    let other = encode(
        TableInput { secondary: vec![by_text()], ..input(6, vec![batch(&(0..rows).map(|i| put(i, "x")).collect::<Vec<_>>())]) },
        &DataOptions::default(),
    );
    let other = other.unwrap();
    let (_, parts) = other.objects().find(|(name, _)| *name == "index.0.weir").unwrap();
    let (path, _) = target.objects.iter().find(|(path, _)| path.ends_with("index.0.weir")).unwrap();
    target.replace(path, parts.concat());
    assert_eq!(kind(target.verify()), ErrorKind::Corruption);
}

/// A store that cuts what it sends is the store's fault: it may answer better the next time.
#[test]
fn short_answers_are_errors_of_the_store() {
    let world = World::new(1);
    let encoded = encoded(1, &(0..100).map(|i| put(i, "some text")).collect::<Vec<_>>());
    world.sim.run(async {
        let written = encoded.store(&world.store(), &shard(), &world.env(), no_retry()).await.unwrap();
        for cut in [0, 1, 100] {
            world.faults.on(Op::GetRange, "index.weir", 1, Fault::ShortBody(cut));
            assert_eq!(kind(Generation::open(&world.store(), &shard(), &written.table).await), ErrorKind::Storage);
        }
        world.faults.on(Op::GetRange, "index.weir", 1, Fault::ErrorBefore);
        assert_eq!(kind(Generation::open(&world.store(), &shard(), &written.table).await), ErrorKind::Storage);
        let generation = Generation::open(&world.store(), &shard(), &written.table).await.unwrap();
        for fault in [Fault::ShortBody(10), Fault::Throttle] {
            world.faults.on(Op::GetRange, "data.arrow", 1, fault);
            assert_eq!(kind(generation.get(&key(5), None).await), ErrorKind::Storage);
        }
        assert!(matches!(generation.get(&key(5), None).await, Ok(Got::Row(_))));
        assert_eq!(world.faults.unmet(), 0);
    });
}
