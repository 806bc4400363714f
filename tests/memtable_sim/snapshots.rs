//! The same reads from another process, which holds no claim.

use std::sync::Arc;

use weir::cache::Cache;
use weir::env::Env;
use weir::error::{ErrorKind, Result};
use weir::memtable::index::{IndexDefinition, IndexKind};
use weir::scan::snapshot::{Snapshot, SnapshotOptions};
use weir::store::Store;

use super::model::Columns;
use super::reads::Seen;
use super::story::Story;
use super::world::{AGE, World, shard};

/// A snapshot under today's schema, or under that of what is there, and its cut. With `wal`: of everything that is durable.
pub async fn take(story: &Story<'_>, store: &Store, env: &Env, wal: bool) -> Result<(Seen, u64)> {
    let (world, today) = (story.world, story.schemas.last().expect("there is always a schema"));
    let (taken, strict) = (world.now(), story.strict());
    let named = world.chance.chance(500);
    let indexed = today.0.iter().find(|column| column.nullable).filter(|_| named && world.chance.chance(300));
    let index = |column: &super::model::Column| IndexDefinition { name: "one".into(), kind: IndexKind::BTree, column: column.name.clone() };
    let options = SnapshotOptions {
        schema: named.then(|| today.schema(&world.rules).as_ref().clone()),
        primary_key: if named { today.key_names(&world.rules) } else { None },
        indexes: indexed.map(index).into_iter().collect(),
        wal,
        ..SnapshotOptions::default()
    };
    let cache = world.chance.chance(400).then(|| Cache::builtin(1 << 20, env.clock.clone()));
    let snapshot = Snapshot::open(store.clone(), shard(), env.clone(), cache.as_ref(), options).await?;
    let mut columns = Columns::of(snapshot.schema(), &world.rules, &story.schemas);
    // What was dropped since may be there in some rows and gone from others.
    let all = columns.0.len();
    columns.0.retain(|column| today.0.iter().any(|other| other.id == column.id));
    let partial = columns.0.len() < all;
    let contents = world.truth().contents(snapshot.cut());
    let what = format!("a snapshot, wal {wal}, schema named {named}, cut at {}", snapshot.cut());
    let seen = Seen { what, view: snapshot.view().clone(), columns: Arc::new(columns), contents, taken, strict, partial };
    Ok((seen, snapshot.cut()))
}

/// Whether nothing is there that would tell a schema: nothing was put, or all of it was deleted, merged away and so forgotten.
pub fn is_blank(world: &World) -> bool {
    let truth = world.truth();
    let cursor = truth.manifest.replay_after_wal_entry_position;
    truth.manifest.sstables.is_empty() && truth.log.range(cursor + 1..).all(|(_, landed)| landed.sentinel)
}

/// A snapshot shows exactly what is in the log up to its cut; what was in the log before it was taken is in it.
pub async fn check(story: &mut Story<'_>) {
    let world = story.world;
    let (store, env) = (world.store("reader"), world.sim.env());
    let blank = is_blank(world);
    let (before, taken) = (world.truth().newest(), world.now());
    let wal = world.chance.chance(850);
    match take(story, &store, &env, wal).await {
        Ok((mut seen, cut)) => {
            let newest = world.truth().newest();
            assert!(cut <= newest && (cut >= before || !wal), "the cut is at {cut}, the log was at {before} and is at {newest}");
            world.event(|| seen.what.clone());
            world.count("snapshots", 1);
            seen.strict &= story.strict();
            seen.check(world, None).await;
            story.keep(seen);
        }
        Err(error) if error.kind() == ErrorKind::Storage => world.count("failed snapshots", 1),
        // Nothing is there that would tell a schema.
        Err(error) if error.kind() == ErrorKind::NotFound && (blank || is_blank(world) || !wal) => {}
        // Merged and swept, or trimmed, while it was taken.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Trimmed) && world.now() - taken >= AGE => {}
        Err(error) => panic!("a snapshot: {} {error}", error.kind().name()),
    }
}
