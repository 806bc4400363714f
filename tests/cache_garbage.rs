//! Reads of logs and of generations over a cache whose backend answers with garbage: they give what storage has, and what was no use is
//! counted.

mod cache_support;
mod log_support;
mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use cache_support::{Changed, Number, Table, Wrong};
use log_support::*;
use support::{Fault, Op};
use weir::cache::{Cache, CacheBackend, Key, OwnedKey, Value};
use weir::error::Result;
use weir::generation::publish::publish;
use weir::generation::{DataOptions, TOMBSTONE, TableInput, encode};
use weir::memtable::key::KeySpec;
use weir::scan::ScanRequest;
use weir::scan::snapshot::{Snapshot, SnapshotOptions};
use weir::wal::{TailerOptions, WalTailer};

/// Longer than a cached entry is believed without another look.
const LATER: Duration = Duration::from_secs(121);

fn from(position: u64) -> TailerOptions {
    TailerOptions { from: position, ..TailerOptions::default() }
}

fn cache(world: &World, backend: Arc<dyn CacheBackend>) -> Cache {
    Cache::new(backend, Arc::new(world.sim.clock()), None)
}

/// Something that the table has under another key of the same type: the next greater, or else the first.
fn another(table: &Table, key: Key<'_>) -> Option<Value> {
    let entries = table.entries.lock().unwrap();
    let mut others: Vec<&OwnedKey> = entries.keys().filter(|other| other.as_key().type_name == key.type_name).collect();
    others.sort_by_key(|other| (other.as_key().prefix.to_vec(), other.as_key().key.to_vec()));
    let own = (key.prefix.to_vec(), key.key.to_vec());
    let next = others.iter().find(|other| (other.as_key().prefix.to_vec(), other.as_key().key.to_vec()) > own);
    next.or(others.first()).and_then(|other| entries.get(*other).cloned())
}

/// Every kind of garbage that there is.
fn garbage(backend: &Changed, kind: usize) -> &'static str {
    match kind {
        0 => {
            backend.change(|_, _, found| found.map(|_| Value::batch(batch(0..3))));
            "a batch"
        }
        1 => {
            backend.change(|_, _, found| found.map(|_| Value::object(Arc::new(Number(7)))));
            "another object"
        }
        2 => {
            backend.change(|_, _, _| Some(Value::bytes(&b"?"[..])));
            "bytes, always"
        }
        3 => {
            backend.change(|table, key, found| found.and_then(|_| another(table, key)));
            "another key's"
        }
        4 => {
            backend.change(|_, _, found| {
                found.map(|value| match value.as_bytes() {
                    Some(bytes) => {
                        let mut bytes = bytes.to_vec();
                        let at = bytes.len() / 2;
                        bytes[at] ^= 1;
                        Value::bytes(bytes)
                    }
                    None => value,
                })
            });
            "a flipped bit"
        }
        _ => {
            backend.change(|_, _, found| {
                found.map(|value| value.as_bytes().map_or(value.clone(), |bytes| Value::bytes(&bytes[..bytes.len() / 2])))
            });
            "half of it"
        }
    }
}

#[test]
fn a_tailer_reads_the_log_whatever_the_backend_answers() {
    for world in worlds() {
        world.sim.run(async {
            log_of(&world, 30).await;
            let all = world.dense_log();
            for encodes in [false, true] {
                for kind in 0..6 {
                    let backend = Changed::new(if encodes { Table::encoding() } else { Table::new(Wrong::Nothing) });
                    let cache = cache(&world, backend.clone());
                    let store = world.store();
                    let tailer = |options| -> WalTailer { world.tailer_on(store.clone(), options).with_cache(&cache) };
                    assert_eq!(drain(&tailer(from(1))).await.unwrap(), all);
                    let unusable = cache.stats().unusable;
                    let kind = garbage(&backend, kind);
                    assert_eq!(drain(&tailer(from(1))).await.unwrap(), all, "{kind}");
                    assert_eq!(line(&tailer(from(1)).read(7).await.unwrap()), all[6], "{kind}");
                    // Also where what is cached is to be looked at again.
                    world.sim.clock().advance(LATER);
                    assert_eq!(drain(&tailer(from(1))).await.unwrap(), all, "{kind}");
                    // Objects have no bits to flip.
                    if encodes || !["a flipped bit", "half of it"].contains(&kind) {
                        assert!(cache.stats().unusable >= unusable + 60, "{kind}: {:?}", cache.stats());
                    }
                }
            }
        });
    }
}

/// What is cached of two shards of one store is not confused either, though positions are the same.
#[test]
fn an_entry_of_another_shard_is_a_miss() {
    for encodes in [false, true] {
        let world = World::new(2);
        world.sim.run(async {
            log_of(&world, 5).await;
            let other = weir::shard::ShardPath::new("00000000-0000-4000-8000-00000000000b").unwrap();
            for position in 1..=5 {
                let entry = foreign(9, None, position as i64 * 100..position as i64 * 100 + 1);
                world.plant(&other.entry(position), entry.parts.concat());
            }
            let backend = Changed::new(if encodes { Table::encoding() } else { Table::new(Wrong::Nothing) });
            let (cache, store) = (cache(&world, backend.clone()), world.store());
            let ours = || world.tailer_on(store.clone(), from(1)).with_cache(&cache);
            drain(&ours()).await.unwrap();
            let theirs = WalTailer::open(store.clone(), other, from(1), world.sim.env()).unwrap().with_cache(&cache);
            drain(&theirs).await.unwrap();
            backend.change(|table, key, found| {
                let entries = table.entries.lock().unwrap();
                let twin = entries.keys().find(|twin| twin.as_key().key == key.key && twin.as_key().prefix != key.prefix);
                twin.and_then(|twin| entries.get(twin).cloned()).or(found)
            });
            assert_eq!(drain(&ours()).await.unwrap(), world.dense_log());
            assert!(cache.stats().unusable >= 5);
        });
    }
}

/// Flushes rows as generation 1.
async fn flushed(world: &World) -> Result<()> {
    let epoch = world.manifests().claim(0).await?.writer_epoch;
    let mut fields: Vec<_> = schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(TOMBSTONE, DataType::Boolean, false)));
    let stored = Arc::new(Schema::new(fields));
    let rows = |n: i64| {
        let mut columns = batch(n * 50..(n + 1) * 50).columns().to_vec();
        columns.push(Arc::new(BooleanArray::from(vec![false; 50])));
        RecordBatch::try_new(Arc::clone(&stored), columns).unwrap()
    };
    let key = KeySpec::resolve(&stored, Some(&["id".to_owned()]))?;
    let batches: Vec<_> = (0..20).map(rows).collect();
    let input = TableInput { generation: 1, schema: stored, key, batches, secondary: Vec::new(), in_memory_bytes: 1 };
    let encoded = encode(input, &DataOptions { batch_bytes: 2000, ..DataOptions::default() })?;
    let written = encoded.store(&world.truth(), &shard(), &world.sim.env(), AT_ONCE).await?;
    publish(&world.truth(), &shard(), &world.manifests(), epoch, &written, 0).await?;
    Ok(())
}

#[test]
fn a_snapshot_has_the_rows_whatever_the_backend_answers() {
    for encodes in [false, true] {
        for kind in 0..6 {
            let world = World::new(3);
            world.sim.run(async {
                flushed(&world).await.unwrap();
                let backend = Changed::new(if encodes { Table::encoding() } else { Table::new(Wrong::Nothing) });
                let cache = cache(&world, backend.clone());
                let look = async || {
                    let options = SnapshotOptions { primary_key: Some(vec!["id".into()]), ..SnapshotOptions::default() };
                    let snapshot = Snapshot::open(world.store(), shard(), world.sim.env(), Some(&cache), options).await.unwrap();
                    let mut stream = snapshot.view().scan(ScanRequest::default()).unwrap();
                    let mut found = Vec::new();
                    while let Some(batch) = stream.next().await.unwrap() {
                        found.extend(ids(&[batch]));
                    }
                    let keys = batch(0..1000).project(&[0]).unwrap();
                    let got = snapshot.view().get(&keys, None).await.unwrap();
                    let one = snapshot.view().get(&keys.slice(321, 1), None).await.unwrap();
                    (found, ids(&[got.rows]), ids(&[one.rows]))
                };
                let all: Vec<i64> = (0..1000).collect();
                let whole = (all.clone(), all, vec![321]);
                assert_eq!(look().await, whole);
                let unusable = cache.stats().unusable;
                let kind = garbage(&backend, kind);
                assert_eq!(look().await, whole, "{kind}");
                assert_eq!(look().await, whole, "{kind}");
                if encodes || !["a flipped bit", "half of it"].contains(&kind) {
                    assert!(cache.stats().unusable > unusable, "{kind}");
                }
            });
        }
    }
}

/// A shard that was made again is read right though the backend cannot forget what it has of the old one, and stays so.
#[test]
fn what_a_backend_cannot_forget_is_not_believed() {
    let world = World::new(7);
    world.sim.run(async {
        log_of(&world, 20).await;
        let table = Table::new(Wrong::Nothing);
        let (cache, store) = (cache(&world, table.clone()), world.store());
        let read = async |position| line(&world.tailer_on(store.clone(), from(1)).with_cache(&cache).read(position).await.unwrap());
        for position in 1..=20 {
            read(position).await;
        }
        (1..=20).for_each(|position| {
            world.delete(&shard().entry(position));
            world.plant_entry(position, &foreign(9, None, position as i64 * 100..position as i64 * 100 + 2));
        });
        world.sim.clock().advance(LATER);
        *table.wrong.lock().unwrap() = Wrong::KeepsAll;
        assert_eq!(read(12).await.epoch, 9);
        assert!(cache.stats().backend_errors >= 1, "that it was not forgotten is known");
        // Twelve is of the new one, and is found to be so; that says nothing of what was read before it.
        world.sim.clock().advance(LATER);
        assert_eq!(read(12).await.epoch, 9);
        for position in [5, 13, 20] {
            assert_eq!(read(position).await.epoch, 9, "position {position}");
        }
    });
}

/// A look that fails is an error of the store's, and no reason to believe.
#[test]
fn a_store_that_fails_is_no_garbage() {
    let world = World::new(8);
    world.sim.run(async {
        log_of(&world, 3).await;
        let backend = Changed::new(Table::encoding());
        let (cache, store) = (cache(&world, backend.clone()), world.store());
        let tailer = world.tailer_on(store.clone(), from(1)).with_cache(&cache);
        drain(&tailer).await.unwrap();
        garbage(&backend, 4);
        world.faults.on(Op::Get, &shard().entry(2), 1, Fault::Denied);
        assert!(tailer.read(2).await.is_err());
        assert_eq!(line(&tailer.read(2).await.unwrap()), world.dense_log()[1]);
        assert!(backend.table.gets.load(Ordering::Relaxed) > 0);
    });
}
