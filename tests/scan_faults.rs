//! Reads whose storage fails, waits, is damaged or gone.

mod scan_support;
mod support;

use std::sync::Arc;

use scan_support::*;
use support::{Fault, Op, now};
use weir::cache::Cache;
use weir::error::ErrorKind;
use weir::scan::{CompareOp, GenerationHandle, GenerationList, ScanRequest, View};
use weir::store::Store;

/// The world's generations behind a store whose reads fail or wait.
fn behind(world: &World, store: &Store, cache: Option<&Cache>) -> View {
    let handle = |handle: &Arc<GenerationHandle>| GenerationHandle::new(store.clone(), shard(), handle.table().clone(), cache.cloned());
    let list = GenerationList::new(world.list.handles().map(handle).collect());
    View::new(Arc::clone(&world.spec), world.view().tables().to_vec(), Arc::new(list))
}

/// A generation of many batches, with another one and a table above it.
fn many() -> World {
    let many: Vec<Row> = (0..300).map(|at| row(&format!("k{at:03}"), at, i64::from(at))).collect();
    layered(&keyed(), &[&many, &many[100..110], &[row("k150", 0, 0)]])
}

fn requests() -> Vec<ScanRequest> {
    let filters = [
        vec![],
        vec![compare("value", CompareOp::Lt, int(20))],
        vec![compare("name", CompareOp::Gt, text("k280"))],
        vec![compare("name", CompareOp::Eq, text("k105"))],
    ];
    let request = |filter| ScanRequest { columns: Some(strings(&["name", "value"])), filter, batch_rows: 10, ..ScanRequest::default() };
    let requests = filters.into_iter().map(request);
    requests.flat_map(|request| [request.clone(), ScanRequest { limit: Some(25), ..request }]).collect()
}

/// Whatever read fails, asking again goes on from there: nothing is lost or doubled.
#[test]
fn a_read_that_failed_is_tried_again_by_the_next_call() {
    let world = many();
    let store = Store::new("memory://scan", Arc::new(world.faults.clone().blocking()));
    let mut failed = 0;
    for request in requests() {
        let view = behind(&world, &store, None);
        let mut stream = view.scan(request.clone()).unwrap();
        let mut found = Vec::new();
        for call in 0.. {
            // Every read fails the first time.
            if call % 2 == 0 {
                world.faults.on_next(Op::GetRange, "", 1, Fault::ErrorBefore);
            }
            match now(stream.next()) {
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Storage);
                    failed += 1;
                }
                Ok(Some(batch)) => found.extend(texts(&batch)),
                Ok(None) => break,
            }
        }
        world.faults.heal();
        assert_eq!(found, scan(&world.view(), &request), "{request:?}");
    }
    assert!(failed > 20, "{failed}");
}

/// Whoever gives up waiting for a batch and asks again later misses none.
#[test]
fn a_call_that_was_dropped_loses_nothing() {
    let world = many();
    let store = Store::new("memory://scan", Arc::new(world.faults.clone()));
    let mut dropped = 0;
    for request in requests() {
        for patience in [1, 2, 3, 7] {
            let view = behind(&world, &store, None);
            let mut stream = view.scan(request.clone()).unwrap();
            let (mut found, mut polls) = (Vec::new(), patience);
            loop {
                let outcome = {
                    let mut next = std::pin::pin!(stream.next());
                    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                    let mut outcome = std::task::Poll::Pending;
                    for _ in 0..polls {
                        outcome = next.as_mut().poll(&mut context);
                        if outcome.is_ready() {
                            break;
                        }
                    }
                    outcome
                };
                match outcome {
                    // A read that is begun anew each time needs more patience at last.
                    std::task::Poll::Pending => {
                        dropped += 1;
                        polls += 1;
                    }
                    std::task::Poll::Ready(batch) => {
                        polls = patience;
                        match batch.unwrap() {
                            Some(batch) => found.extend(texts(&batch)),
                            None => break,
                        }
                    }
                }
            }
            assert_eq!(found, scan(&world.view(), &request), "{request:?}");
        }
    }
    assert!(dropped > 100, "{dropped}");
}

/// Every byte that is read is checked: a flipped bit is an error or, where nothing looks at it, no difference.
#[test]
fn damage_is_an_error_and_never_other_rows() {
    let world = many();
    let request = ScanRequest { filter: vec![compare("value", CompareOp::GtEq, int(0))], ..ScanRequest::default() };
    let expected = scan(&world.view(), &request);
    let keys = batch(&[row("k105", 0, None), row("k299", 0, None), row("none", 0, None)]);
    let got = now(world.view().get(&keys, None)).unwrap();
    let handles: Vec<_> = world.list.handles().cloned().collect();
    let mut errors = 0;
    for handle in &handles {
        let dir = format!("{}/{}", shard().dir(), handle.table().path);
        for object in now(world.store.list(&dir)).unwrap() {
            let path = format!("{dir}/{}", object.name);
            let whole = now(world.store.get_range(&path, 0..object.size)).unwrap().unwrap().bytes;
            for at in (0..whole.len()).step_by(whole.len() / 60 + 1) {
                let mut bad = whole.to_vec();
                bad[at] ^= 1 << (at % 8);
                now(world.faults.inner().put(&path, bad.into())).unwrap();
                let view = world.fresh();
                let mut stream = view.scan(request.clone()).unwrap();
                let mut found = Vec::new();
                let outcome = loop {
                    match now(stream.next()) {
                        Ok(Some(batch)) => found.extend(texts(&batch)),
                        Ok(None) => break Ok(()),
                        Err(error) => break Err(error),
                    }
                };
                match outcome {
                    Ok(()) => assert_eq!(found, expected, "{path} {at}"),
                    Err(error) => {
                        errors += 1;
                        assert!(matches!(error.kind(), ErrorKind::Corruption | ErrorKind::Unsupported), "{path} {at}: {error}");
                        assert!(expected.starts_with(&found), "{path} {at}");
                    }
                }
                match now(world.fresh().get(&keys, None)) {
                    Ok(read) => assert_eq!((&read.states, texts(&read.rows)), (&got.states, texts(&got.rows)), "{path} {at}"),
                    Err(error) => assert!(matches!(error.kind(), ErrorKind::Corruption | ErrorKind::Unsupported), "{path} {at}: {error}"),
                }
            }
            now(world.faults.inner().put(&path, whole)).unwrap();
        }
    }
    assert!(errors > 50, "{errors}");
    assert_eq!(scan(&world.fresh(), &request), expected);
}

/// A generation that was compacted away and swept is `NotFound`, so that the manifest is read again.
#[test]
fn a_generation_that_is_gone_is_not_found() {
    let world = many();
    let handle = world.list.handles().find(|handle| handle.generation() == 1).unwrap();
    let dir = format!("{}/{}", shard().dir(), handle.table().path);
    for object in now(world.store.list(&dir)).unwrap() {
        now(world.store.delete(&format!("{dir}/{}", object.name))).unwrap();
    }
    let view = world.fresh();
    let mut stream = view.scan(ScanRequest::default()).unwrap();
    assert_eq!(kind(now(stream.next())), ErrorKind::NotFound);
    assert_eq!(kind(now(view.get(&batch(&[row("k000", 0, None)]), None))), ErrorKind::NotFound);
}
