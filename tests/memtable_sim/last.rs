//! How everything must be in the end, when the weather is good again.

use std::collections::BTreeSet;

use weir::generation::parse_directory;
use weir::generation::sweep::sweep;
use weir::shard::manifest::ManifestStore;
use weir::wal::{TailerOptions, WalTailer};

use super::life::{Life, manifest_options};
use super::reads::Seen;
use super::snapshots;
use super::story::Story;
use super::world::{AGE, World, shard};

pub async fn the_end(story: &mut Story<'_>) {
    let world = story.world;
    story.calm().await;
    world.faults.land_late_writes().await;
    if let Some(mut life) = story.life.take() {
        let closes = world.chance.chance(400);
        if closes && life.close().await.is_ok() {
            story.check_closed(&life);
        }
        story.end(life);
    }
    // Before anybody opens it: everything that is durable is seen from outside.
    let before = if snapshots::is_blank(world) { None } else { Some(snapshot(story).await) };
    if let Some((seen, _)) = &before {
        seen.check_all(world).await;
    }
    let life = last_life(story).await;
    if let Some((seen, cut)) = before {
        follow(world, cut).await;
        seen.check_all(world).await;
    }
    nothing_is_left_over(world, life).await;
}

async fn snapshot(story: &Story<'_>) -> (Seen, u64) {
    let world = story.world;
    let (seen, cut) = snapshots::take(story, &world.calm_store(), &world.sim.env(), true).await.expect("a snapshot in good weather");
    assert_eq!(cut, world.truth().newest(), "a snapshot is cut before the log's end");
    (seen, cut)
}

/// A writer finds everything, and can go on.
async fn last_life(story: &mut Story<'_>) -> Life {
    let world = story.world;
    while story.life.as_ref().is_none_or(|life| life.memtable().is_none()) {
        if let Some(life) = story.life.take() {
            story.end(life);
        }
        story.open().await;
    }
    let mut life = story.life.take().expect("it was opened");
    let seen = life.view(world, story.strict()).expect("a new writer");
    seen.check_all(world).await;
    for _ in 0..2 {
        let _ = life.write(world).expect("a writer in good weather");
    }
    life.flush(world).await.expect("a flush in good weather");
    let seen = life.view(world, story.strict()).expect("a writer in good weather");
    seen.check_all(world).await;
    // Beyond whatever attempts there were, so that none can still be waiting for its turn.
    let last = directories(world).await.iter().filter_map(|name| parse_directory(name)).max().unwrap_or(0);
    while life.memtable_stats().expect("it has tables").active_generation <= last {
        let _ = life.write(world).expect("a writer in good weather");
        let frozen = life.writer.freeze().expect("a writer in good weather");
        life.wait_flushed(frozen).await.expect("a flush in good weather");
    }
    let before = life.view(world, story.strict()).expect("a writer in good weather");
    life.close().await.expect("a close in good weather");
    story.check_closed(&life);
    before.check_all(world).await;
    life.count(world);
    life
}

/// From a snapshot's cut, a tailer goes on without gap or overlap.
async fn follow(world: &World, cut: u64) {
    let options = TailerOptions { from: cut + 1, ..TailerOptions::default() };
    let tailer = WalTailer::open(world.calm_store(), shard(), options, world.sim.env()).unwrap();
    let mut next = cut + 1;
    while let Some(entry) = tailer.next().await.expect("the tail behind a snapshot") {
        assert_eq!(entry.position, next);
        next += 1;
    }
    assert_eq!(next, world.truth().newest() + 1);
}

async fn directories(world: &World) -> BTreeSet<String> {
    let names = world.calm_store().list_dirs(shard().dir()).await.unwrap();
    names.into_iter().filter(|name| parse_directory(name).is_some()).collect()
}

/// What no manifest names goes, sooner or later; what it names stays.
async fn nothing_is_left_over(world: &World, life: Life) {
    life.opening.process.kill();
    drop(life);
    let manifests = ManifestStore::new(world.calm_store(), shard(), world.sim.env(), manifest_options());
    // Two more versions, so that what was named until now is old enough.
    manifests.claim(0).await.unwrap();
    world.sim.clock().advance(AGE);
    manifests.claim(0).await.unwrap();
    let swept = sweep(&world.calm_store(), &shard(), &world.sim.env(), AGE).await.unwrap();
    world.count("swept directories", swept.directories);
    let manifest = manifests.latest().await.unwrap().expect("there is a shard");
    let named: BTreeSet<String> = manifest.sstables.iter().map(|table| table.path.clone()).collect();
    assert_eq!(directories(world).await, named, "directories that are there, and those that the manifest names");
}
