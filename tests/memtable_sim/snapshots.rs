//! The same reads from another process, which holds no claim.

use std::sync::{Arc, Mutex};

use weir::env::Env;
use weir::error::{ErrorKind, Result};
use weir::memtable::{Limits, MemTable, TableSpec, Visibility};
use weir::scan::replay::{ReplayRange, ReplayedTable, replay};
use weir::scan::{GenerationHandle, GenerationList, View};
use weir::shard::manifest::ManifestStore;
use weir::store::Store;
use weir::wal::{TailerOptions, WalTailer};

use super::life::manifest_options;
use super::model::Columns;
use super::reads::Seen;
use super::story::Story;
use super::world::{World, shard};

/// A snapshot of everything that is durable, and its cut.
pub async fn take(world: &World, store: &Store, env: &Env, columns: &Arc<Columns>) -> Result<(View, u64)> {
    let schema = columns.schema(&world.rules);
    let spec = TableSpec::new(&schema, columns.key_names(&world.rules).as_deref(), &[], Limits::default())?;
    let manifests = ManifestStore::new(store.clone(), shard(), env.clone(), manifest_options());
    let manifest = manifests.latest().await?.unwrap_or_default();
    let after = manifest.replay_after_wal_entry_position;
    let options = TailerOptions { from: after + 1, ..TailerOptions::default() };
    let tailer = WalTailer::open(store.clone(), shard(), options, env.clone())?;
    let range = ReplayRange { after, end: None, epoch: None, current_generation: manifest.current_generation.max(1) };
    let tables: Mutex<Vec<Arc<MemTable>>> = Mutex::default();
    let rotate = |table: ReplayedTable| {
        tables.lock().unwrap().push(table.table);
        async { Ok(()) }
    };
    let replayed = replay(&tailer, &spec, Visibility::Durable, range, rotate).await?;
    let mut tables = tables.into_inner().unwrap();
    tables.extend(replayed.last.map(|last| last.table));
    let handles = manifest.sstables.into_iter().rev().map(|table| GenerationHandle::new(store.clone(), shard(), table, None));
    let generations = Arc::new(GenerationList::new(handles.collect()));
    let tables = tables.iter().rev().map(MemTable::snapshot).collect();
    Ok((View::new(spec, tables, generations), replayed.tip))
}

/// A snapshot shows exactly what is in the log up to its cut; what was in the log before it was taken is in it.
pub async fn check(story: &mut Story<'_>) {
    let world = story.world;
    let (store, env) = (world.store("reader"), world.sim.env());
    let columns = Arc::clone(story.schemas.last().unwrap());
    let before = world.truth().newest();
    let (taken, strict) = (world.now(), story.strict());
    match take(world, &store, &env, &columns).await {
        Ok((view, cut)) => {
            let newest = world.truth().newest();
            assert!((before..=newest).contains(&cut), "the cut is at {cut}, the log was at {before} and is at {newest}");
            let contents = world.truth().contents(cut);
            world.event(|| format!("a snapshot, cut at {cut}"));
            world.count("snapshots", 1);
            let seen = Seen { what: format!("a snapshot, cut at {cut}"), view, columns, contents, taken, strict: strict && story.strict() };
            seen.check(world, None).await;
            story.keep(seen);
        }
        // Merged and swept, or trimmed, while it was taken.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Trimmed) && world.now() - taken >= super::world::AGE => {}
        Err(error) if error.kind() == ErrorKind::Storage => world.count("failed snapshots", 1),
        // The cursor moved on under its eyes, which is no fault; or nobody wrote anything.
        Err(error) => panic!("a snapshot: {} {error}", error.kind().name()),
    }
}
