//! Generations become the shard's in order, whole and once, whatever the store does; and what did not is swept, and nothing else.

mod generation_support;
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use generation_support::*;
use support::{Fault, Gate, Op};
use weir::error::{ErrorKind, Result};
use weir::generation::publish::{publish, replace};
use weir::generation::sweep::sweep;
use weir::generation::{Generation, Written, compact, parse_directory};
use weir::shard::manifest::{Manifest, ManifestOptions, ManifestStore, SsTable};
use weir::store::Created;

const HOUR: Duration = Duration::from_secs(3600);

async fn stored(world: &World, generation: u64, rows: &[Row]) -> Written {
    encoded(generation, rows).store(&world.store(), &shard(), &world.env(), Default::default()).await.unwrap()
}

async fn published(world: &World, manifests: &ManifestStore, epoch: u64, written: &Written, covers: u64) -> Result<Manifest> {
    publish(&world.store(), &shard(), manifests, epoch, written, covers).await
}

/// Writes and publishes generations of these rows from 1 on, each covering ten positions more.
async fn generations(world: &World, manifests: &ManifestStore, all: &[Vec<Row>]) -> Vec<SsTable> {
    let mut tables = Vec::new();
    for (generation, rows) in (1..).zip(all) {
        let written = stored(world, generation, rows).await;
        published(world, manifests, 1, &written, generation * 10).await.unwrap();
        tables.push(written.table);
    }
    tables
}

async fn swept(world: &World, age: Duration) -> weir::generation::sweep::Swept {
    sweep(&world.store(), &shard(), &world.env(), age).await.unwrap()
}

#[test]
fn what_is_published_is_in_the_manifest_and_readable() {
    let world = World::new(1);
    world.sim.run(async {
        let manifests = world.manifests();
        manifests.claim(0).await.unwrap();
        let written = stored(&world, 1, &[put(1, "a"), put(2, "b"), put(1, "c")]).await;
        assert!(world.manifest().await.sstables.is_empty(), "nothing is published by writing");
        let manifest = published(&world, &manifests, 1, &written, 7).await.unwrap();
        assert_eq!(manifest, world.manifest().await);
        assert_eq!(
            (manifest.current_generation, manifest.replay_after_wal_entry_position, manifest.wal_entry_position_last_seen),
            (2, 7, 7)
        );
        let [table] = &manifest.sstables[..] else { panic!("{:?}", manifest.sstables) };
        assert_eq!(
            (table.generation, table.physical_rows, table.primary_key_bytes, table.in_memory_bytes),
            (1, Some(3), Some(16), Some(1000))
        );
        assert_eq!(parse_directory(&table.path), Some(1));
        assert_eq!(world.contents().await, BTreeMap::from([(1, "c".to_owned()), (2, "b".to_owned())]));
    });
}

// PITFALLS G1: strictly in order. PITFALLS G6: not before its index is there.
#[test]
fn generations_are_published_in_order_and_only_whole() {
    let world = World::new(2);
    world.sim.run(async {
        let manifests = world.manifests();
        manifests.claim(0).await.unwrap();
        let (first, second) = (stored(&world, 1, &[put(1, "a")]).await, stored(&world, 2, &[put(1, "b")]).await);
        let error = published(&world, &manifests, 1, &second, 20).await.unwrap_err();
        assert_eq!((error.kind(), error.detail_u64("next_generation")), (ErrorKind::Conflict, Some(1)));
        assert_eq!(world.manifest().await.replay_after_wal_entry_position, 0);
        published(&world, &manifests, 1, &first, 10).await.unwrap();
        // The log behind cannot grow again.
        assert_eq!(kind(published(&world, &manifests, 1, &second, 9).await), ErrorKind::InvalidArgument);
        published(&world, &manifests, 1, &second, 20).await.unwrap();
        // Another attempt at a generation that is published has nothing to say any more.
        let late = stored(&world, 2, &[put(1, "late")]).await;
        assert_eq!(kind(published(&world, &manifests, 1, &late, 20).await), ErrorKind::Conflict);

        let third = stored(&world, 3, &[put(1, "c")]).await;
        world.truth().delete(&format!("{}/{}/index.weir", shard().dir(), third.table.path)).await.unwrap();
        assert_eq!(kind(published(&world, &manifests, 1, &third, 30).await), ErrorKind::NotFound);
        assert_eq!(world.manifest().await.current_generation, 3);
        let elsewhere = Written { table: SsTable { path: "../x".to_owned(), ..third.table.clone() }, ..third };
        assert_eq!(kind(published(&world, &manifests, 1, &elsewhere, 30).await), ErrorKind::InvalidArgument);
    });
}

#[test]
fn only_the_holder_of_the_epoch_publishes() {
    let world = World::new(3);
    world.sim.run(async {
        let (mine, theirs) = (world.manifests(), world.manifests());
        mine.claim(0).await.unwrap();
        let written = stored(&world, 1, &[put(1, "a")]).await;
        assert_eq!(kind(published(&world, &mine, 2, &written, 10).await), ErrorKind::InvalidArgument, "epoch 2 was not claimed");
        theirs.claim(0).await.unwrap();
        let error = published(&world, &mine, 1, &written, 10).await.unwrap_err();
        assert_eq!((error.kind(), error.detail_u64("fenced_by_epoch")), (ErrorKind::Fenced, Some(2)));
        assert_eq!(kind(replace(&world.store(), &shard(), &mine, 1, &[], Some(&written)).await), ErrorKind::Fenced);
        let options = compact::CompactOptions::default();
        assert_eq!(kind(compact::compact(&world.store(), &shard(), &world.env(), &mine, 1, &options).await), ErrorKind::Fenced);
        assert!(world.manifest().await.sstables.is_empty());
    });
}

/// Every way in which a create can go wrong and yet go on.
fn passing() -> Vec<Fault> {
    vec![
        Fault::ErrorBefore,
        Fault::ErrorAfter,
        Fault::ExistsAfter,
        Fault::ExistsBefore,
        Fault::Late(0),
        Fault::Late(3),
        Fault::LateAfter(Duration::from_secs(60)),
        Fault::Throttle,
        Fault::NoSpace,
        Fault::Delay(Duration::from_secs(5)),
        Fault::DelayAnswer(Duration::from_secs(5)),
    ]
}

// PITFALLS G2: an answer that is lost at any step leads to one generation, whole.
#[test]
fn a_failure_at_any_step_of_writing_is_tried_again_elsewhere() {
    for fault in passing() {
        for object in ["data.arrow", "index.0.weir", "index.weir"] {
            let world = World::new(4);
            world.sim.run(async {
                let manifests = world.manifests();
                manifests.claim(0).await.unwrap();
                world.faults.on(Op::Create, object, 1, fault.clone());
                let written = stored(&world, 1, &[put(1, "a"), put(2, "b")]).await;
                published(&world, &manifests, 1, &written, 10).await.unwrap();
                assert_eq!(world.faults.unmet(), 0);
                assert_eq!(world.contents().await.len(), 2, "{fault:?} at {object}");
                world.open(&written.table).await.unwrap().verify().await.unwrap();

                // Whatever the failed attempt left, or leaves later, goes in time.
                world.faults.land_late_writes().await;
                let next = stored(&world, 2, &[put(3, "c")]).await;
                world.sim.clock().advance(DAY);
                published(&world, &manifests, 1, &next, 20).await.unwrap();
                world.sim.clock().advance(DAY);
                swept(&world, DAY).await;
                let kept: Vec<String> = world.directories().await.into_keys().collect();
                let mut expected = vec![written.table.path.clone(), next.table.path.clone()];
                expected.sort();
                assert_eq!(kept, expected, "{fault:?} at {object}");
                assert_eq!(world.contents().await.len(), 3);
            });
        }
    }
}

#[test]
fn a_failure_that_does_not_pass_is_told_at_once() {
    for (fault, expected, tries) in [(Fault::Denied, ErrorKind::PermissionDenied, 1), (Fault::NoSpace, ErrorKind::StorageFull, 4)] {
        for object in ["data.arrow", "index.0.weir", "index.weir"] {
            let world = World::new(5);
            world.sim.run(async {
                world.manifests().claim(0).await.unwrap();
                world.faults.on_every(Op::Create, object, fault.clone());
                let result = encoded(1, &[put(1, "a")]).store(&world.store(), &shard(), &world.env(), Default::default()).await;
                let error = result.unwrap_err();
                assert_eq!(error.kind(), expected);
                assert!(error.message().contains(object) && error.message().contains("generation 1"), "{error}");
                assert_eq!(world.faults.count(Op::Create, object), tries);
                // The room that the attempts took is given back.
                assert!(world.directories().await.is_empty(), "{:?}", world.directories().await);
            });
        }
    }
}

// PITFALLS G2: the commit's answer is lost, however often; repeating it publishes once.
#[test]
fn a_lost_answer_of_the_commit_publishes_once() {
    for fault in passing() {
        for times in [1, 2, 10] {
            let world = World::new(6);
            world.sim.run(async {
                let manifests = world.manifests();
                manifests.claim(0).await.unwrap();
                let written = stored(&world, 1, &[put(1, "a")]).await;
                world.faults.on_next(Op::Create, "manifest", times, fault.clone());
                let mut tries = 0;
                let manifest = loop {
                    tries += 1;
                    assert!(tries < 10);
                    match published(&world, &manifests, 1, &written, 10).await {
                        Ok(manifest) => break manifest,
                        // What a writer does: try again with the same generation.
                        Err(error) => {
                            assert!(matches!(error.kind(), ErrorKind::Storage | ErrorKind::StorageFull | ErrorKind::Conflict), "{error}")
                        }
                    }
                };
                assert_eq!(manifest.sstables.len(), 1);
                let again = published(&world, &manifests, 1, &written, 10).await.unwrap();
                world.faults.land_late_writes().await;
                assert_eq!(again, world.manifest().await, "{fault:?} {times} times");
                assert_eq!((again.sstables.len(), again.current_generation), (1, 2));
                // As seen by a process that starts afresh, too.
                assert_eq!(published(&world, &world.manifests(), 1, &written, 10).await.unwrap().version, again.version);
            });
        }
    }
}

/// A process that dies anywhere on the way leaves the shard as it was, or as it was to be.
#[test]
fn a_death_at_any_step_leaves_all_or_nothing() {
    for (op, path, times) in [
        (Op::MakeDirs, "_gen_", 1),
        (Op::Create, "data.arrow", 1),
        (Op::Create, "index.0.weir", 1),
        (Op::Create, "index.weir", 1),
        (Op::Head, "index.weir", 1),
        (Op::Create, "manifest", 1),
        (Op::Put, "version_hint", 1),
    ] {
        for fault in [Fault::Hang, Fault::HangAfter] {
            let world = World::new(7);
            world.sim.run(async { world.manifests().claim(0).await.unwrap() });
            world.faults.on_next(op, path, times, fault.clone());
            let (process, other) = (world.sim.process(), World { sim: world.sim.clone(), faults: world.faults.clone() });
            process.spawn(async move {
                let written = stored(&other, 1, &[put(1, "a")]).await;
                published(&other, &other.manifests(), 1, &written, 10).await.unwrap();
            });
            world.sim.run_for(HOUR);
            assert_eq!(world.faults.unmet(), 0, "{op:?} {path}");
            process.kill();
            world.sim.run(async {
                let landed = world.manifest().await.current_generation == 2;
                assert!(!landed || matches!(op, Op::Create | Op::Put), "{op:?} {path}");
                assert_eq!(world.contents().await.len(), usize::from(landed));
                // The successor replays what was not published, and publishes it itself.
                let manifests = world.manifests();
                let claimed = manifests.claim(0).await.unwrap();
                if !landed {
                    let written = stored(&world, claimed.current_generation, &[put(1, "a")]).await;
                    published(&world, &manifests, 2, &written, 10).await.unwrap();
                }
                assert_eq!(world.contents().await, BTreeMap::from([(1, "a".to_owned())]));
                world.sim.clock().advance(2 * DAY);
                swept(&world, DAY).await;
                // No orphan stays, once the shard goes on.
                let next = stored(&world, 2, &[put(2, "b")]).await;
                published(&world, &manifests, 2, &next, 20).await.unwrap();
                world.sim.clock().advance(2 * DAY);
                swept(&world, DAY).await;
                assert_eq!(world.directories().await.len(), 2, "{op:?} {path} {fault:?}");
                assert_eq!(world.contents().await.len(), 2);
            });
        }
    }
}

// ---- Sweeping ----------------------------------------------------------------------------------------------------------------

#[test]
fn an_attempt_that_may_still_be_published_is_never_swept() {
    let world = World::new(8);
    world.sim.run(async {
        let manifests = world.manifests();
        manifests.claim(0).await.unwrap();
        // However long the writer stands still between writing and publishing.
        let written = stored(&world, 1, &[put(1, "a")]).await;
        world.sim.clock().advance(30 * DAY);
        assert_eq!(swept(&world, DAY).await, Default::default());
        published(&world, &manifests, 1, &written, 10).await.unwrap();
        // A fenced writer's attempt at a generation that the new owner has not reached.
        let stale = stored(&world, 2, &[put(2, "stale")]).await;
        manifests.claim(0).await.unwrap();
        world.sim.clock().advance(30 * DAY);
        assert_eq!(swept(&world, DAY).await, Default::default());
        let own = stored(&world, 2, &[put(2, "b")]).await;
        published(&world, &manifests, 2, &own, 20).await.unwrap();
        let removed = swept(&world, DAY).await;
        assert_eq!((removed.directories, removed.objects), (1, 3));
        assert!(removed.bytes > 1000);
        assert!(!world.directories().await.contains_key(&stale.table.path));
        // PITFALLS B3: who was fenced hears of the fence.
        assert_eq!(kind(published(&world, &world.manifests(), 1, &stale, 20).await), ErrorKind::Fenced);
        assert_eq!(world.contents().await.len(), 2);
    });
}

#[test]
fn what_is_young_or_not_a_generation_stays() {
    let world = World::new(9);
    world.sim.run(async {
        let manifests = world.manifests();
        manifests.claim(0).await.unwrap();
        generations(&world, &manifests, &[vec![put(1, "a")], vec![put(2, "b")]]).await;
        let truth = world.truth();
        let plant =
            async |path: &str| assert_eq!(truth.create(&format!("{}/{path}", shard().dir()), &["x".into()]).await.unwrap(), Created::Done);
        plant("12345678_gen_1/data.arrow").await;
        for stranger in [
            "1234567_gen_1/data.arrow",
            "12345678_GEN_1/data.arrow",
            "12345678_gen_01/data.arrow",
            "other/data.arrow",
            "12345678_gen_3/data.arrow",
        ] {
            plant(stranger).await;
        }
        world.sim.clock().advance(DAY - Duration::from_secs(1));
        assert_eq!(swept(&world, DAY).await, Default::default());
        world.sim.clock().advance(Duration::from_secs(1));
        assert_eq!(swept(&world, DAY).await, Default::default(), "no manifest was written since");
        manifests.claim(0).await.unwrap();
        // One new object makes the whole directory young.
        plant("12345678_gen_1/late").await;
        assert_eq!(swept(&world, DAY).await, Default::default());
        world.sim.clock().advance(DAY);
        manifests.claim(0).await.unwrap();
        assert_eq!(swept(&world, DAY).await.objects, 2);
        let left: Vec<String> = truth.list_dirs(shard().dir()).await.unwrap();
        for stranger in ["1234567_gen_1", "12345678_GEN_1", "12345678_gen_01", "other", "12345678_gen_3", "manifest"] {
            assert!(left.contains(&stranger.to_owned()), "{stranger} of {left:?}");
        }
        assert_eq!(left.iter().filter(|name| *name == "12345678_gen_1").count(), 0);
        assert_eq!(world.contents().await.len(), 2);
    });
}

#[test]
fn an_interrupted_sweep_is_finished_by_the_next() {
    for nth in 1..=3 {
        let world = World::new(10);
        world.sim.run(async {
            let manifests = world.manifests();
            manifests.claim(0).await.unwrap();
            let orphan = stored(&world, 1, &[put(1, "orphan")]).await;
            world.sim.clock().advance(DAY);
            generations(&world, &manifests, &[vec![put(1, "a")]]).await;
            world.faults.on(Op::Delete, &orphan.table.path, nth, Fault::ErrorBefore);
            assert_eq!(kind(sweep(&world.store(), &shard(), &world.env(), DAY).await), ErrorKind::Storage);
            let left = world.directories().await.remove(&orphan.table.path).unwrap();
            assert_eq!(left.len() as u64, 4 - nth, "the index goes first, so that what is left is incomplete: {left:?}");
            assert_eq!(left.contains(&"index.weir".to_owned()), nth == 1);
            assert_eq!(swept(&world, DAY).await.directories, 1);
            assert_eq!(world.directories().await.len(), 1);
            assert_eq!(world.contents().await, BTreeMap::from([(1, "a".to_owned())]));
        });
    }
}

/// A failed listing or an unreadable manifest removes nothing.
#[test]
fn a_sweep_that_cannot_see_all_removes_nothing() {
    for (op, path) in [(Op::List, "_gen_"), (Op::ListDirs, ""), (Op::Get, "manifest"), (Op::List, "manifest"), (Op::Head, "manifest")] {
        let world = World::new(11);
        world.sim.run(async {
            let manifests = world.manifests();
            manifests.claim(0).await.unwrap();
            stored(&world, 1, &[put(1, "orphan")]).await;
            world.sim.clock().advance(DAY);
            generations(&world, &manifests, &[vec![put(1, "a")], vec![put(2, "b")]]).await;
            let before = world.directories().await;
            world.faults.on_every(op, path, Fault::Throttle);
            let _: ErrorKind = kind(sweep(&world.store(), &shard(), &world.env(), DAY).await);
            world.faults.heal();
            assert_eq!(world.directories().await, before, "{op:?} {path}");
        });
    }
    let world = World::new(12);
    world.sim.run(async { assert_eq!(kind(sweep(&world.store(), &shard(), &world.env(), DAY).await), ErrorKind::NotFound) });
}

/// The commit of a merge stands still for days while others sweep: either it is published with its objects, or not at all.
#[test]
fn a_merge_whose_commit_stalls_for_days_loses_nothing() {
    for others_write in [false, true] {
        let world = World::new(13);
        let manifests = world.manifests();
        let tables = world.sim.run(async {
            manifests.claim(0).await.unwrap();
            generations(&world, &manifests, &[vec![put(1, "a")], vec![put(2, "b")], vec![put(1, "c")], vec![delete(2), put(3, "d")]]).await
        });
        let gate = Gate::default();
        world.faults.on(Op::Create, "manifest", 1, Fault::Before(gate.hook()));
        let other = World { sim: world.sim.clone(), faults: world.faults.clone() };
        world.sim.process().spawn(async move {
            let options = compact::CompactOptions::default();
            let _ = compact::compact(&other.store(), &shard(), &other.env(), &other.manifests(), 1, &options).await;
        });
        world.sim.run(async {
            gate.arrived().await;
            for _ in 0..5 {
                world.sim.clock().advance(DAY);
                if others_write {
                    // The same owner, on the machine that does not stand still.
                    let next = world.manifest().await.current_generation;
                    let written = stored(&world, next, &[put(100 + next as i64, "e")]).await;
                    published(&world, &world.manifests(), 1, &written, next * 10).await.unwrap();
                }
                swept(&world, DAY).await;
            }
            let before = world.contents().await;
            gate.open();
            world.sim.clock().sleep_secs(3600).await;
            assert_eq!(world.contents().await, before);
            assert_eq!(before.get(&1).map(String::as_str), Some("c"));
            assert_eq!(world.manifest().await.sstables.contains(&tables[0]), others_write);
        });
    }
}

trait SleepSecs {
    fn sleep_secs(&self, seconds: u64) -> weir::env::BoxFuture<'static, ()>;
}

impl SleepSecs for support::SimClock {
    fn sleep_secs(&self, seconds: u64) -> weir::env::BoxFuture<'static, ()> {
        weir::env::Clock::sleep(self, Duration::from_secs(seconds))
    }
}

// PITFALLS G9: a root's name is taken as it is.
#[test]
fn roots_with_odd_names() {
    let dir = tempfile::tempdir().unwrap();
    let env = World::new(14).env();
    for name in ["a b", "a?b=c", "a#b", "a%20b", "ünï", "trailing/", "a&b;c"] {
        let path = dir.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        let plain = path.to_str().unwrap().to_owned() + if name.ends_with('/') { "/" } else { "" };
        let options = weir::store::local::LocalOptions { fsync: false, ..Default::default() };
        let local = std::sync::Arc::new(weir::store::local::LocalBackend::new(&path, options));
        let store = weir::store::Store::new(format!("file://{plain}"), local);
        support::now(async {
            let manifests = ManifestStore::new(store.clone(), shard(), env.clone(), ManifestOptions::default());
            store.make_dirs(&[&shard().wal_dir(), &shard().manifest_dir()]).await.unwrap();
            manifests.claim(0).await.unwrap();
            let written = encoded(1, &[put(1, name)]).store(&store, &shard(), &env, no_retry()).await.unwrap();
            publish(&store, &shard(), &manifests, 1, &written, 5).await.unwrap();
            // A handle by URL, as a caller has it.
            let mut url = url::Url::from_directory_path(&path).unwrap().to_string();
            if !name.ends_with('/') {
                url.pop();
            }
            let opened = weir::store::open(&url, &Default::default(), &env).unwrap();
            let generation = Generation::open(&opened, &shard(), &written.table).await.unwrap();
            assert_eq!(all_rows(&generation).await, [put(1, name)], "{url}");
            generation.verify().await.unwrap();
            let on_disk = path.join(shard().dir()).join(&written.table.path);
            let mut names: Vec<_> =
                std::fs::read_dir(&on_disk).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            assert_eq!(names, ["data.arrow", "index.0.weir", "index.weir"]);
        });
    }
}
