//! The manifest: contiguous versions that nobody loses, hides or takes back.

mod cache_support;
mod log_support;
mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cache_support::{Table, Wrong};
use log_support::*;
use prost::Message;
use support::sim::Mailbox;
use support::{Fault, Gate, Op};
use weir::cache::Cache;
use weir::env::Clock;
use weir::error::{ErrorKind, Result};
use weir::shard::manifest::{Manifest, ManifestOptions, ManifestStore, ShardFieldEntry};
use weir::store::Store;
use weir::wal::trim::trim;

/// A change that every commit makes once.
fn count(manifest: &mut Manifest) -> Result<()> {
    manifest.shard_spec_id += 1;
    Ok(())
}

async fn with_versions(world: &World, versions: u64) -> ManifestStore {
    let manifests = world.manifests();
    manifests.claim(0).await.unwrap();
    for _ in 1..versions {
        manifests.update(count).await.unwrap();
    }
    manifests
}

/// PITFALLS D1.
#[test]
fn a_gap_between_versions_is_reported() {
    let world = World::new(1);
    world.sim.run(async {
        with_versions(&world, 6).await;
        world.delete(&shard().manifest(4));
        world.plant(&shard().hint(), r#"{"version":3}"#);
        let error = world.manifests().latest().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corruption);
        assert!(error.message().contains("version 4 is missing but version 5 exists"), "{error}");
        assert_eq!(kind(world.appender().await), ErrorKind::Corruption);
        assert_eq!(world.versions(), [1, 2, 3, 5, 6]);
    });
}

/// PITFALLS D2: through one handle, and through as many.
#[test]
fn eight_commits_at_once_all_land() {
    for seed in 0..40 {
        let world = Arc::new(World::new(seed));
        world.sim.run(async {
            let one = Arc::new(with_versions(&world, 1).await);
            let results = Mailbox::default();
            for n in 0..8 {
                let (results, handle) = (results.clone(), if seed % 2 == 0 { Arc::clone(&one) } else { Arc::new(world.manifests()) });
                world.sim.process().spawn(async move { results.put((n, handle.update(count).await)) });
            }
            world.sim.run_ready();
            let results = results.take_all();
            assert_eq!(results.len(), 8);
            results.into_iter().for_each(|(n, result)| drop(result.unwrap_or_else(|error| panic!("seed {seed}, {n}: {error}"))));
        });
        assert_eq!(world.manifest().shard_spec_id, 8);
        assert_eq!(world.versions(), (1..=9).collect::<Vec<_>>());
    }
}

/// PITFALLS D3: a reader that was overtaken does not take back what the handle knows.
#[test]
fn a_late_reader_does_not_move_the_cache_backwards() {
    let world = World::new(2);
    world.sim.run(async {
        with_versions(&world, 3).await;
        let slow = Arc::new(world.manifests());
        let gate = Gate::default();
        // The last request of the slow reader: whether the version it started from is still there.
        world.faults.on(Op::Head, "/manifest/", 1, Fault::Before(gate.hook()));
        let (task, result) = (slow.clone(), Mailbox::default());
        let mailbox = result.clone();
        world.sim.process().spawn(async move { mailbox.put(task.latest().await) });
        gate.arrived().await;
        for _ in 0..2 {
            slow.update(count).await.unwrap();
        }
        assert_eq!(slow.known().unwrap().version, 5);
        gate.open();
        world.sim.run_ready();
        assert_eq!(result.take().unwrap().unwrap().unwrap().version, 3);
        assert_eq!(slow.known().unwrap().version, 5);
    });
}

/// PITFALLS D4.
#[test]
fn a_polling_reader_sees_every_new_version() {
    let world = World::new(3);
    world.sim.run(async {
        let writer = with_versions(&world, 1).await;
        let reader = world.manifests();
        for version in 2..30 {
            assert_eq!(reader.latest().await.unwrap().unwrap().version, version - 1);
            writer.update(count).await.unwrap();
            // Several versions at once, too.
            if version % 5 == 0 {
                assert_eq!(reader.latest().await.unwrap().unwrap().version, version);
            }
        }
        for _ in 0..7 {
            writer.update(count).await.unwrap();
        }
        assert_eq!(reader.latest().await.unwrap().unwrap().version, 36);
    });
}

/// PITFALLS D5: what this handle knows is where it starts.
#[test]
fn requests_are_as_few_as_can_be() {
    let world = World::new(4);
    world.sim.run(async {
        let manifests = with_versions(&world, 30).await;
        let spent = |what: &str, limit: usize| {
            let log = world.faults.log();
            let requests: Vec<_> = log.iter().filter(|r| r.op != Op::Body).map(|r| (r.op, &r.path)).collect();
            assert!(requests.len() <= limit, "{what}: {requests:?}");
            world.faults.clear_log();
        };
        world.faults.clear_log();
        assert_eq!(manifests.known().unwrap().version, 30);
        spent("what is known", 0);
        manifests.check_fenced(1).await.unwrap();
        spent("a fence check", 3);
        manifests.update(count).await.unwrap();
        spent("a commit", 5);
        world.manifests().latest().await.unwrap();
        spent("a first look", 5);
        // A hint that is far behind, and none.
        world.plant(&shard().hint(), r#"{"version":30}"#);
        world.manifests().latest().await.unwrap();
        spent("a first look with an old hint", 7);
        world.delete(&shard().hint());
        world.manifests().latest().await.unwrap();
        spent("a first look without a hint", 6);
    });
}

/// PITFALLS D6: a claimer stalls in its create until the history around it was pruned.
#[test]
fn a_commit_that_lands_in_a_pruned_slot_does_not_count() {
    let world = Arc::new(World::new(5));
    world.sim.run(async {
        let first = with_versions(&world, 1).await;
        let stalled = Arc::new(world.manifests());
        let gate = Gate::default();
        world.faults.on(Op::Create, &shard().manifest(2), 1, Fault::Before(gate.hook()));
        let (task, result) = (stalled.clone(), Mailbox::default());
        let mailbox = result.clone();
        world.sim.process().spawn(async move { mailbox.put(task.claim(0).await) });
        gate.arrived().await;
        for _ in 0..5 {
            first.claim(0).await.unwrap();
        }
        world.sim.clock().advance(DAY * 2);
        assert_eq!(first.prune(DAY).await.unwrap(), 4);
        assert_eq!(world.versions(), [5, 6]);
        gate.open();
        world.sim.run_ready();
        assert_eq!(kind(result.take().unwrap()), ErrorKind::Conflict);
        // What it left in the emptied slot misleads nobody.
        assert_eq!(world.versions(), [2, 5, 6]);
        for hint in [Some(r#"{"version":6}"#), Some(r#"{"version":3}"#), None] {
            match hint {
                Some(hint) => world.plant(&shard().hint(), hint),
                None => world.delete(&shard().hint()),
            }
            assert_eq!(world.manifests().latest().await.unwrap().unwrap().version, 6, "{hint:?}");
        }
        assert_eq!(stalled.latest().await.unwrap().unwrap().writer_epoch, 6);
    });
}

/// PITFALLS D6: the handle's own starting point was pruned, and so was everything up to a newer version.
#[test]
fn a_handle_whose_history_was_pruned_finds_the_newest_version() {
    let world = World::new(6);
    world.sim.run(async {
        let stale = world.manifests();
        let writer = with_versions(&world, 1).await;
        assert_eq!(stale.latest().await.unwrap().unwrap().version, 1);
        for _ in 0..9 {
            writer.update(count).await.unwrap();
        }
        world.sim.clock().advance(DAY);
        assert_eq!(writer.prune(DAY).await.unwrap(), 8);
        assert_eq!(world.versions(), [9, 10]);
        assert_eq!(stale.latest().await.unwrap().unwrap().version, 10);
        // Its epoch is judged by what is there, not by what it remembers.
        writer.claim(0).await.unwrap();
        assert_eq!(kind(stale.check_fenced(1).await), ErrorKind::Fenced);
    });
}

/// PITFALLS D7.
#[test]
fn a_hint_of_any_kind_misleads_nobody() {
    let world = World::new(7);
    world.sim.run(async {
        with_versions(&world, 12).await;
        let hints: [&[u8]; 12] = [
            b"",
            b"x",
            b"{}",
            b"{\"version\":0}",
            b"{\"version\":-1}",
            b"{\"version\":99}",
            b"{\"version\":18446744073709551615}",
            b"{\"version\":99999999999999999999999}",
            b"{\"version\":\"12\"}",
            b"\xff\xfe",
            b"{ \"version\" : 5 }",
            b"{\"version\":1}",
        ];
        for hint in hints {
            world.plant(&shard().hint(), hint.to_vec());
            assert_eq!(world.manifests().latest().await.unwrap().unwrap().version, 12, "{}", String::from_utf8_lossy(hint));
        }
        // A hint to what was pruned.
        world.sim.clock().advance(DAY);
        world.manifests().prune(DAY).await.unwrap();
        assert_eq!(world.versions(), [11, 12]);
        world.plant(&shard().hint(), r#"{"version":5}"#);
        assert_eq!(world.manifests().latest().await.unwrap().unwrap().version, 12);
        assert_eq!(world.manifests().claim(0).await.unwrap().writer_epoch, 2);
    });
}

/// PITFALLS D7: "cannot be listed" is not "is not there".
#[test]
fn a_failed_listing_is_not_an_empty_one() {
    let world = World::new(8);
    world.sim.run(async {
        with_versions(&world, 3).await;
        world.delete(&shard().hint());
        world.faults.on_every(Op::List, "/manifest", Fault::Throttle);
        assert_eq!(kind(world.manifests().latest().await), ErrorKind::Storage);
        assert_eq!(kind(world.appender().await), ErrorKind::Storage);
        assert_eq!(kind(world.manifests().init(0, vec![]).await), ErrorKind::Storage);
        world.faults.heal();
        // A listing that shows only a part of the versions is made up for by looking forward.
        world.faults.on(Op::List, "/manifest", 1, Fault::Partial(1));
        assert_eq!(world.manifests().latest().await.unwrap().unwrap().version, 3);
    });
    assert_eq!(world.versions(), [1, 2, 3]);
}

/// PITFALLS D8.
#[test]
fn a_shard_is_initialised_once() {
    for seed in 0..20 {
        let world = Arc::new(World::new(seed));
        world.sim.run(async {
            let results = Mailbox::default();
            for spec in 1..=3 {
                let (task, results) = (world.clone(), results.clone());
                world.sim.process().spawn(async move {
                    let field = ShardFieldEntry { field_id: "bucket".into(), value: Bytes::from_static(&[7]) };
                    results.put(task.manifests().init(spec, vec![field]).await);
                });
            }
            world.sim.run_ready();
            let (won, lost): (Vec<_>, Vec<_>) = results.take_all().into_iter().partition(Result::is_ok);
            assert_eq!((won.len(), lost.len()), (1, 2), "seed {seed}");
            assert!(lost.into_iter().all(|result| kind(result) == ErrorKind::AlreadyExists));
            let initial = won.into_iter().next().unwrap().unwrap();
            assert_eq!((initial.version, initial.writer_epoch, initial.current_generation), (1, 0, 1));
            // After the claim as well, and after version 1 was pruned.
            let claimed = world.manifests().claim(0).await.unwrap();
            assert_eq!((claimed.writer_epoch, claimed.shard_spec_id, claimed.shard_field_entries.len()), (1, initial.shard_spec_id, 1));
            world.manifests().claim(0).await.unwrap();
            world.sim.clock().advance(DAY);
            world.manifests().prune(DAY).await.unwrap();
            assert_eq!(world.versions(), [2, 3]);
            assert_eq!(kind(world.manifests().init(9, vec![]).await), ErrorKind::AlreadyExists);
            assert_eq!(world.versions(), [2, 3]);
        });
    }
}

/// PITFALLS D9.
#[test]
fn a_prune_goes_from_the_oldest_and_stops_at_the_first_failure() {
    let world = World::new(9);
    world.sim.run(async {
        let manifests = with_versions(&world, 8).await;
        world.sim.clock().advance(DAY);
        world.faults.on(Op::Delete, "/manifest/", 4, Fault::ErrorBefore);
        assert_eq!(kind(manifests.prune(DAY).await), ErrorKind::Storage);
        assert_eq!(world.versions(), [4, 5, 6, 7, 8]);
        assert_eq!(manifests.prune(DAY).await.unwrap(), 3);
        assert_eq!(world.versions(), [7, 8]);
        assert_eq!(manifests.prune(DAY).await.unwrap(), 0);
    });
}

/// PITFALLS D6: nothing younger than the age goes.
#[test]
fn a_prune_leaves_what_is_young() {
    let world = World::new(10);
    world.sim.run(async {
        let manifests = with_versions(&world, 4).await;
        world.sim.clock().advance(HOUR);
        for _ in 0..4 {
            manifests.update(count).await.unwrap();
        }
        world.sim.clock().advance(DAY - HOUR);
        assert_eq!(manifests.prune(DAY).await.unwrap(), 4);
        assert_eq!(world.versions(), [5, 6, 7, 8]);
    });
}

/// PITFALLS A8, D2: a commit whose answer was lost is one commit.
#[test]
fn a_lost_answer_to_a_commit_settles_to_one_version() {
    for fault in [Fault::ErrorAfter, Fault::ExistsAfter, Fault::ExistsBefore, Fault::ErrorBefore, Fault::Late(1), Fault::Late(6)] {
        let world = World::new(11);
        world.sim.run(async {
            let manifests = with_versions(&world, 1).await;
            world.faults.on(Op::Create, "/manifest/", 1, fault.clone());
            assert_eq!(manifests.claim(0).await.unwrap().writer_epoch, 2, "{fault:?}");
            world.faults.on(Op::Create, "/manifest/", 1, fault.clone());
            assert_eq!(manifests.update(count).await.unwrap().shard_spec_id, 1, "{fault:?}");
            world.faults.land_late_writes().await;
        });
        assert_eq!(world.versions(), [1, 2, 3], "{fault:?}");
        assert_eq!((world.manifest().writer_epoch, world.manifest().shard_spec_id), (2, 1), "{fault:?}");
    }
}

/// A hint is best effort: that it cannot be written or read harms nobody.
#[test]
fn without_its_hint_the_manifest_works() {
    let world = World::new(12);
    world.sim.run(async {
        world.faults.on_every(Op::Put, "version_hint", Fault::Denied);
        world.faults.on_every(Op::Get, "version_hint", Fault::Throttle);
        let writer = world.appender().await.unwrap();
        writer.append(&[batch(0..1)]).await.unwrap();
        assert_eq!(world.appender().await.unwrap().epoch(), 2);
    });
}

#[test]
fn a_damaged_version_is_corruption_that_names_it() {
    let world = World::new(13);
    world.sim.run(async {
        with_versions(&world, 2).await;
        let path = shard().manifest(2);
        // Another writer's, without weir's commit id and checksum, which would notice first.
        let good = Manifest { commit_id: Bytes::new(), ..world.manifest() };
        let bad: [(Vec<u8>, &str); 5] = [
            (vec![0xff; 40], "not a shard manifest"),
            (vec![], "version 0"),
            (Manifest { version: 3, ..good.clone() }.encode_to_vec(), "holds version 3"),
            (Manifest { status: 7, ..good.clone() }.encode_to_vec(), "status 7"),
            (
                Manifest { shard_id: Some(weir::shard::manifest::UuidBytes { uuid: Bytes::from_static(&[1; 16]) }), ..good.clone() }
                    .encode_to_vec(),
                "another shard",
            ),
        ];
        for (bytes, what) in bad {
            world.plant(&path, bytes);
            let error = world.manifests().latest().await.unwrap_err();
            assert_eq!((error.kind(), error.detail_u64("version")), (ErrorKind::Corruption, Some(2)));
            assert!(error.message().contains(&path) && error.message().contains(what), "{error}");
            assert_eq!(kind(world.appender().await), ErrorKind::Corruption);
        }
        world.plant(&path, good.encode_to_vec());
        assert_eq!(world.manifests().latest().await.unwrap().unwrap(), good);
    });
}

/// PITFALLS C11: names that are not exactly a version's are nobody's version.
#[test]
fn foreign_files_between_the_versions_are_ignored() {
    let world = World::new(14);
    world.sim.run(async {
        with_versions(&world, 2).await;
        let path = shard().manifest(3);
        for name in [
            format!("{path}#1"),
            format!("{path}.tmp.x"),
            format!("{}/README", shard().manifest_dir()),
            format!("{}/9.binpb", shard().manifest_dir()),
        ] {
            world.plant(&name, "x");
        }
        world.delete(&shard().hint());
        assert_eq!(world.manifests().latest().await.unwrap().unwrap().version, 2);
        assert_eq!(world.manifests().claim(0).await.unwrap().version, 3);
    });
}

/// PITFALLS D6: a stalled writer and its manifest, as trimming sees them; the rest is in `trim.rs`.
#[test]
fn a_reader_is_not_misled_by_a_prune_under_its_eyes() {
    for seed in 0..60 {
        let world = Arc::new(World::new(seed));
        world.sim.run(async {
            let writer = with_versions(&world, 6).await;
            world.sim.clock().advance(DAY * 2);
            let results = Mailbox::default();
            for _ in 0..4 {
                let (task, results) = (world.clone(), results.clone());
                world.sim.process().spawn(async move { results.put(task.manifests().latest().await) });
            }
            let (task, env) = (world.clone(), world.sim.env());
            world.sim.process().spawn(async move {
                _ = trim(&task.store(), &shard(), &env, 0, DAY).await.unwrap();
            });
            writer.update(count).await.unwrap();
            world.plant(&shard().hint(), r#"{"version":2}"#);
            world.sim.run_ready();
            writer.prune(DAY).await.unwrap();
            for result in results.take_all() {
                let version = result.unwrap().unwrap().version;
                assert!((6..=7).contains(&version), "seed {seed}: {version}");
            }
        });
    }
}

#[test]
fn options_of_a_handle_are_its_own() {
    let world = World::new(15);
    world.sim.run(async {
        with_versions(&world, 40).await;
        for width in [1, 2, 3, 16, 64] {
            world.plant(&shard().hint(), r#"{"version":1}"#);
            let options = ManifestOptions { probe_width: width, ..Default::default() };
            let manifests = ManifestStore::new(world.store(), shard(), world.sim.env(), options);
            let began = world.sim.clock().now();
            assert_eq!(manifests.latest().await.unwrap().unwrap().version, 40, "{width}");
            assert_eq!(world.sim.clock().now() - began, Duration::ZERO);
        }
    });
}

/// What readers of one session have: caches that keep objects, and ones that keep bytes.
fn caches(world: &World) -> [Cache; 2] {
    let clock: Arc<dyn Clock> = Arc::new(world.sim.clock());
    [Cache::builtin(1 << 20, clock.clone()), Cache::new(Table::encoding(), clock, None)]
}

/// A reader of `store`, through which all share what is cached: each handle of [`World::store`] is a place of its own.
fn reader(world: &World, store: &Store, cache: &Cache) -> ManifestStore {
    ManifestStore::new(store.clone(), shard(), world.sim.env(), ManifestOptions::default()).with_cache(cache)
}

/// A reader made anew does not read the version again that others have read. PITFALLS B6: that it is the newest is asked each time.
#[test]
fn readers_share_the_newest_version() {
    let world = World::new(40);
    let store = world.store();
    world.sim.run(async {
        let writer = with_versions(&world, 3).await;
        for cache in caches(&world) {
            let bodies = async || {
                let before = world.faults.count(Op::Body, "/manifest/");
                let read = reader(&world, &store, &cache).latest().await.unwrap();
                assert_eq!(read.as_ref(), Some(&world.manifest()));
                world.faults.count(Op::Body, "/manifest/") - before
            };
            // The hint, and the version; of what is not there, no body comes.
            let first = bodies().await;
            assert_eq!((first - bodies().await, bodies().await), (1, first - 1));
            // The next version is seen at once, whether the hint tells of it or not.
            writer.update(count).await.unwrap();
            assert_eq!((bodies().await, bodies().await), (first, first - 1));
            let hint = world.truth().read(&shard().hint()).await.unwrap().unwrap();
            writer.update(count).await.unwrap();
            world.plant(&shard().hint(), hint);
            bodies().await;
            bodies().await;
            writer.update(count).await.unwrap();
        }
        // PITFALLS B6: a claim is not hidden from a warm reader, nor from the writer that it fences.
        let [cache, _] = caches(&world);
        let reader = || reader(&world, &store, &cache);
        let epoch = reader().latest().await.unwrap().unwrap().writer_epoch;
        reader().latest().await.unwrap();
        world.manifests().claim(0).await.unwrap();
        assert_eq!(reader().latest().await.unwrap().unwrap().writer_epoch, epoch + 1);
        assert_eq!(kind(reader().check_fenced(epoch).await), ErrorKind::Fenced);
    });
}

/// A shard that was deleted and made again under the same id is never taken for the old one.
#[test]
fn a_cached_version_of_a_deleted_shard_is_not_believed() {
    let world = World::new(41);
    let store = world.store();
    world.sim.run(async {
        with_versions(&world, 3).await;
        for cache in caches(&world) {
            let latest = async || reader(&world, &store, &cache).latest().await.unwrap();
            let old = latest().await.unwrap();
            (1..=3).for_each(|version| world.delete(&shard().manifest(version)));
            world.delete(&shard().hint());
            assert_eq!(latest().await, None);
            with_versions(&world, 3).await;
            let new = latest().await.unwrap();
            assert_eq!(new, world.manifest());
            assert!(new.version == old.version && new.commit_id != old.commit_id);
            assert_eq!(latest().await.unwrap(), new);
        }
    });
}

/// PITFALLS D6: a commit that landed in a pruned slot behind a cached version is not taken for the newest.
#[test]
fn a_cached_version_that_was_pruned_leads_nowhere() {
    let world = World::new(42);
    let store = world.store();
    world.sim.run(async {
        let writer = with_versions(&world, 3).await;
        let [cache, _] = caches(&world);
        let latest = async || reader(&world, &store, &cache).latest().await.unwrap().unwrap();
        let hint = world.truth().read(&shard().hint()).await.unwrap().unwrap();
        assert_eq!(latest().await.version, 3);
        let stalled = world.truth().read(&shard().manifest(3)).await.unwrap().unwrap();
        for _ in 0..6 {
            writer.update(count).await.unwrap();
        }
        let mut late = Manifest::decode(stalled).unwrap();
        (late.version, late.commit_id) = (4, Bytes::new());
        (1..=6).for_each(|version| world.delete(&shard().manifest(version)));
        world.plant(&shard().manifest(4), late.encode_to_vec());
        world.plant(&shard().hint(), hint);
        assert_eq!(latest().await.version, 9);
    });
}

/// What a backend makes of a version is checked as if it came from the store.
#[test]
fn garbage_in_a_cache_is_no_manifest() {
    let world = World::new(43);
    let store = world.store();
    world.sim.run(async {
        with_versions(&world, 2).await;
        for wrong in [Wrong::Garbage, Wrong::Fails, Wrong::Nothing] {
            let cache = Cache::new(Table::new(wrong), Arc::new(world.sim.clock()), None);
            for _ in 0..3 {
                assert_eq!(reader(&world, &store, &cache).latest().await.unwrap().unwrap(), world.manifest());
            }
        }
    });
}
