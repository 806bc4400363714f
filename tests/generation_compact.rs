//! Compaction: neighbours become one, and every reader sees what it saw before.

mod generation_support;
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::{ArrayRef, DictionaryArray, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use generation_support::*;
use support::{Fault, Op};
use weir::error::ErrorKind;
use weir::generation::compact::{CompactOptions, compact, merge, plan};
use weir::generation::publish::{publish, replace};
use weir::generation::sweep::sweep;
use weir::generation::{DataOptions, Encoded, Generation, Got, KeyRange, ScanOptions, SecondaryEncoder, TableInput, encode};
use weir::shard::manifest::{ManifestStore, SsTable};

fn options() -> CompactOptions {
    CompactOptions { min_inputs: 2, data: small(), ..CompactOptions::default() }
}

/// `count` puts, overwrites and deletions of `keys` keys.
fn history(world: &World, count: usize, keys: u64) -> Vec<Row> {
    let random = world.sim.random();
    let row = |i| {
        let id = random.below(keys) as i64;
        if random.chance(250) { delete(id) } else { put(id, format!("text {i} {}", "x".repeat(random.below(30) as usize))) }
    };
    (0..count).map(row).collect()
}

async fn opened(world: &World, encoded: Encoded) -> Arc<Generation> {
    let written = encoded.store(&world.truth(), &shard(), &world.env(), no_retry()).await.unwrap();
    world.open(&written.table).await.unwrap()
}

/// Publishes each as a generation of its own.
async fn published(world: &World, manifests: &ManifestStore, all: &[Encoded]) -> Vec<SsTable> {
    let mut tables = Vec::new();
    for encoded in all {
        let written = encoded.store(&world.truth(), &shard(), &world.env(), no_retry()).await.unwrap();
        publish(&world.truth(), &shard(), manifests, 1, &written, encoded.generation() * 10).await.unwrap();
        tables.push(written.table);
    }
    tables
}

// PITFALLS I1, I3: the newest row of each key stays, in insert order; deletions hide what is older, and go only with the oldest.
#[test]
fn a_merge_has_the_newest_row_of_every_key_in_insert_order() {
    for (seed, oldest) in [(1, true), (2, false), (3, true), (4, false), (5, false)] {
        let world = World::new(seed);
        world.sim.run(async {
            let parts: Vec<Vec<Row>> = (0..2 + seed as usize).map(|i| history(&world, 100 + 150 * i, 300)).collect();
            let mut inputs = Vec::new();
            for (generation, rows) in (3..).zip(&parts) {
                inputs.push(opened(&world, encoded(generation, rows)).await);
            }
            let merged = opened(&world, merge(&inputs, oldest, &options()).await.unwrap().unwrap()).await;
            let mut expected = newest(&parts.concat());
            if oldest {
                expected.retain(|(_, text)| text.is_some());
            }
            assert_eq!(all_rows(&merged).await, expected);
            assert_eq!((merged.generation(), merged.rows()), (3 + parts.len() as u64 - 1, expected.len() as u64));
            assert_eq!(merged.superseded(), None);
            assert_eq!(merged.tombstones() as usize, expected.iter().filter(|(_, text)| text.is_none()).count());
            assert_eq!(merged.tombstones() == 0, oldest);
            assert_eq!(merged.schema(), &schema());
            for id in 0..300 {
                let row = expected.iter().find(|(other, _)| *other == id);
                match (merged.get(&key(id), None).await.unwrap(), row) {
                    (Got::Absent, None) | (Got::Deleted, Some((_, None))) => {}
                    (Got::Row(batch), Some(row)) => assert_eq!(rows(&batch), std::slice::from_ref(row)),
                    (got, row) => panic!("key {id}: {got:?} instead of {row:?}"),
                }
            }
            let mut entries = merged.entries("by text?", &KeyRange::default()).await.unwrap();
            let encoder = SecondaryEncoder::new(&schema(), &by_text()).unwrap();
            let mut by_text: Vec<(Vec<u8>, u64)> = encoder.encode(&batch(&expected)).unwrap().into_iter().zip(0..).collect();
            by_text.retain(|(_, row)| expected[*row as usize].1.is_some());
            by_text.sort();
            for (entry, row) in by_text {
                assert_eq!(entries.advance().await.unwrap().map(|hit| hit.row), Some(row));
                assert_eq!(entries.key(), entry);
            }
            assert_eq!(entries.advance().await.unwrap(), None);
            merged.verify().await.unwrap();

            // The same objects as if the rows had been flushed as they are: merging leaves no trace.
            let afresh = opened(
                &world,
                encode(
                    TableInput { secondary: merged.secondary(), ..input(merged.generation(), expected.chunks(50).map(batch).collect()) },
                    &small(),
                )
                .unwrap(),
            )
            .await;
            assert_eq!(all_rows(&afresh).await, all_rows(&merged).await);
            assert_eq!((afresh.key_range(), afresh.tombstones()), (merged.key_range(), merged.tombstones()));
        });
    }
}

#[test]
fn without_a_key_every_row_stays() {
    let world = World::new(1);
    world.sim.run(async {
        let mut inputs = Vec::new();
        for generation in 1..4 {
            let rows: Vec<Row> = (0..40).map(|i| put(i % 3, format!("{generation} {i}"))).collect();
            let encoded = encode(TableInput { key: None, secondary: vec![by_text()], ..input(generation, vec![batch(&rows)]) }, &small());
            inputs.push(opened(&world, encoded.unwrap()).await);
        }
        let merged = opened(&world, merge(&inputs, true, &options()).await.unwrap().unwrap()).await;
        let mut expected = Vec::new();
        for input in &inputs {
            expected.extend(all_rows(input).await);
        }
        assert_eq!(all_rows(&merged).await, expected);
        assert_eq!(merged.rows(), 120);
        merged.verify().await.unwrap();
    });
}

#[test]
fn dictionaries_of_several_generations_become_one() {
    let world = World::new(1);
    world.sim.run(async {
        let schema =
            Arc::new(Schema::new(vec![Field::new("tag", DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)), true)]));
        let (mut inputs, mut batches) = (Vec::new(), Vec::new());
        for generation in 1..5 {
            let words: Vec<String> = (0..100).map(|i| format!("word {}", i + generation * 70)).collect();
            let tags: DictionaryArray<Int8Type> = words.iter().map(|word| Some(word.as_str())).collect();
            let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(tags)]).unwrap();
            batches.push(batch.clone());
            let input =
                TableInput { generation, schema: schema.clone(), key: None, batches: vec![batch], secondary: vec![], in_memory_bytes: 1 };
            inputs.push(opened(&world, encode(input, &DataOptions::default()).unwrap()).await);
        }
        let merged = opened(&world, merge(&inputs, false, &options()).await.unwrap().unwrap()).await;
        assert_eq!(merged.schema(), &schema);
        let mut scan = merged.scan(ScanOptions::default()).unwrap();
        let mut read: Vec<ArrayRef> = Vec::new();
        while let Some(some) = scan.next().await.unwrap() {
            read.extend((0..some.batch.num_rows()).map(|row| some.batch.column(0).slice(row, 1)));
        }
        let put: Vec<ArrayRef> = batches.iter().flat_map(|batch| (0..100).map(|row| batch.column(0).slice(row, 1))).collect();
        assert_eq!(read.len(), put.len());
        assert!(read.iter().zip(&put).all(|(a, b)| a.as_ref() == b.as_ref()));
    });
}

#[test]
fn what_cannot_be_merged_is_refused() {
    let world = World::new(1);
    world.sim.run(async {
        let one = opened(&world, encoded(1, &[put(1, "a")])).await;
        let two = opened(&world, encoded(2, &[put(1, "b")])).await;
        let without_index = opened(&world, encode(input(3, vec![batch(&[put(1, "c")])]), &small()).unwrap()).await;
        let fields = vec![Field::new("id", DataType::Int64, false), Field::new("more", DataType::Int64, true)];
        let other = RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            vec![Arc::new(Int64Array::from(vec![1])), Arc::new(Int64Array::from(vec![2]))],
        );
        let other = TableInput { schema: other.as_ref().unwrap().schema(), key: None, ..input(4, vec![other.unwrap()]) };
        let other = opened(&world, encode(other, &small()).unwrap()).await;
        assert_eq!(kind(merge(&[], true, &options()).await), ErrorKind::InvalidArgument);
        for backwards in [[two.clone(), one.clone()], [one.clone(), one.clone()]] {
            assert_eq!(kind(merge(&backwards, true, &options()).await), ErrorKind::InvalidArgument);
        }
        assert_eq!(kind(merge(&[one.clone(), without_index.clone()], true, &options()).await), ErrorKind::SchemaMismatch);
        assert_eq!(kind(merge(&[one.clone(), other.clone()], true, &options()).await), ErrorKind::SchemaMismatch);
        // Nor is it planned.
        let all = [one, two, without_index, other].map(Some);
        assert_eq!(plan(&all, &options()), Some(0..2));
    });
}

#[test]
fn a_plan_takes_many_small_neighbours() {
    let world = World::new(1);
    world.sim.run(async {
        let mut small = Vec::new();
        for generation in 1..9 {
            small.push(Some(opened(&world, encoded(generation, &[put(1, "a")])).await));
        }
        let large = Some(opened(&world, encoded(1, &(0..2000).map(|i| put(i, "some text")).collect::<Vec<_>>())).await);
        let size = small[0].as_ref().unwrap().stored_bytes();
        let all = |options: CompactOptions| plan(&small, &options);
        assert_eq!(all(options()), Some(0..8));
        assert_eq!(all(CompactOptions { max_inputs: 5, ..options() }), Some(0..5));
        assert_eq!(all(CompactOptions { max_bytes: size * 3 + 1, ..options() }), Some(0..3));
        assert_eq!(all(CompactOptions { max_bytes: size, ..options() }), None);
        assert_eq!(all(CompactOptions { min_inputs: 9, ..options() }), None);
        assert_eq!(plan(&small[..3], &CompactOptions::default()), None, "three are not worth it");
        assert_eq!(plan(&[], &options()), None);
        assert_eq!(plan(&small[..1], &CompactOptions { min_inputs: 0, ..options() }), None);
        // One that is larger than all others is not written again for their sake, and another implementation's is a border.
        let mixed: Vec<_> = [&[large][..], &small[..3], &[None], &small[3..]].concat();
        assert_eq!(plan(&mixed, &options()), Some(5..10));
        assert_eq!(plan(&mixed[..4], &options()), Some(1..4));
    });
}

#[test]
fn a_compaction_changes_nothing_that_a_reader_sees() {
    for seed in 0..8 {
        let world = World::new(seed);
        world.sim.run(async {
            let manifests = world.manifests();
            manifests.claim(0).await.unwrap();
            let all: Vec<Encoded> = (1..8).map(|generation| encoded(generation, &history(&world, 80, 100))).collect();
            let tables = published(&world, &manifests, &all).await;
            let before = world.contents().await;
            let done = compact(&world.store(), &shard(), &world.env(), &manifests, 1, &options()).await.unwrap().unwrap();
            assert_eq!(done.inputs, tables);
            let manifest = world.manifest().await;
            assert_eq!(manifest, done.manifest);
            assert_eq!(manifest.sstables, done.output.into_iter().collect::<Vec<_>>());
            assert_eq!((manifest.current_generation, manifest.replay_after_wal_entry_position), (8, 70));
            assert_eq!(world.contents().await, before);
            assert!(compact(&world.store(), &shard(), &world.env(), &manifests, 1, &options()).await.unwrap().is_none());
        });
    }
}

// PITFALLS I3: generations older than those that are merged are still hidden by the deletions in them.
#[test]
fn deletions_outlive_a_merge_that_leaves_older_rows() {
    let world = World::new(1);
    world.sim.run(async {
        let manifests = world.manifests();
        manifests.claim(0).await.unwrap();
        let large: Vec<Row> = (0..3000).map(|i| put(i, "an old row")).collect();
        let all = [
            encoded(1, &large),
            encoded(2, &[delete(7), put(8, "x")]),
            encoded(3, &[delete(8)]),
            encoded(4, &[put(7, "again"), delete(9)]),
            encoded(5, &[delete(7)]),
        ];
        published(&world, &manifests, &all).await;
        let before = world.contents().await;
        let done = compact(&world.store(), &shard(), &world.env(), &manifests, 1, &options()).await.unwrap().unwrap();
        assert_eq!((done.inputs.len(), done.manifest.sstables.len()), (4, 2));
        assert_eq!(world.contents().await, before);
        assert!([7, 8, 9].iter().all(|id| !before.contains_key(id)));
        let merged = world.open(&done.output.unwrap()).await.unwrap();
        assert_eq!(merged.get(&key(7), None).await.unwrap(), Got::Deleted);
        assert_eq!(merged.get(&key(6), None).await.unwrap(), Got::Absent);
    });
}

#[test]
fn a_shard_of_which_all_was_deleted_has_no_generations() {
    let world = World::new(1);
    world.sim.run(async {
        let manifests = world.manifests();
        manifests.claim(0).await.unwrap();
        let tables = published(&world, &manifests, &[encoded(1, &[put(1, "a")]), encoded(2, &[delete(1)])]).await;
        let inputs = [world.open(&tables[0]).await.unwrap(), world.open(&tables[1]).await.unwrap()];
        assert!(merge(&inputs, false, &options()).await.unwrap().is_some(), "unless there is something to hide");
        let done = compact(&world.store(), &shard(), &world.env(), &manifests, 1, &options()).await.unwrap().unwrap();
        assert_eq!(done.output, None);
        let manifest = world.manifest().await;
        assert_eq!((manifest.sstables.len(), manifest.current_generation, manifest.replay_after_wal_entry_position), (0, 3, 20));
        // Said again, it changes nothing.
        let again = replace(&world.store(), &shard(), &manifests, 1, &tables, None).await.unwrap();
        assert_eq!(again, manifest);
    });
}

/// A lost answer, a failure, a crash on the way: the shard is as before, or as after.
#[test]
fn a_compaction_that_fails_anywhere_can_be_repeated() {
    let steps = [
        (Op::Create, "data.arrow"),
        (Op::Create, "index.weir"),
        (Op::Create, "manifest"),
        (Op::GetRange, "data.arrow"),
        (Op::GetRange, "index.weir"),
        (Op::Head, "index.weir"),
    ];
    for (op, path) in steps {
        for fault in [Fault::ErrorBefore, Fault::ErrorAfter, Fault::ExistsAfter, Fault::Late(2)] {
            for times in [1, 20] {
                let world = World::new(2);
                world.sim.run(async {
                    let manifests = world.manifests();
                    manifests.claim(0).await.unwrap();
                    let all: Vec<Encoded> = (1..5).map(|generation| encoded(generation, &history(&world, 60, 50))).collect();
                    published(&world, &manifests, &all).await;
                    let before = world.contents().await;
                    world.faults.on_next(op, path, times, fault.clone());
                    let first = compact(&world.store(), &shard(), &world.env(), &manifests, 1, &options()).await;
                    assert_eq!(world.contents().await, before, "{op:?} {path} {fault:?}");
                    world.faults.heal();
                    if first.is_err() {
                        world.faults.land_late_writes().await;
                        assert_eq!(world.contents().await, before);
                        let done = compact(&world.store(), &shard(), &world.env(), &manifests, 1, &options()).await.unwrap();
                        // It may have been published without our knowing.
                        assert!(done.is_some() || world.manifest().await.sstables.len() == 1);
                    }
                    assert_eq!(world.manifest().await.sstables.len(), 1);
                    assert_eq!(world.contents().await, before);
                });
            }
        }
    }
}

#[test]
fn a_merge_of_what_is_gone_is_not_published() {
    let world = World::new(3);
    world.sim.run(async {
        let manifests = world.manifests();
        manifests.claim(0).await.unwrap();
        let tables =
            published(&world, &manifests, &[encoded(1, &[put(1, "a")]), encoded(2, &[put(2, "b")]), encoded(3, &[put(3, "c")])]).await;
        let merged =
            encoded(3, &[put(1, "a"), put(2, "b"), put(3, "c")]).store(&world.store(), &shard(), &world.env(), no_retry()).await.unwrap();
        // Not neighbours, not in order, not there.
        let strange = SsTable { path: "12345678_gen_2".to_owned(), ..tables[1].clone() };
        for inputs in [
            vec![tables[0].clone(), tables[2].clone()],
            vec![tables[1].clone(), tables[0].clone()],
            vec![tables[0].clone(), strange],
            vec![],
        ] {
            assert_eq!(
                kind(replace(&world.store(), &shard(), &manifests, 1, &inputs, Some(&merged)).await),
                ErrorKind::Conflict,
                "{inputs:?}"
            );
        }
        let first = replace(&world.store(), &shard(), &manifests, 1, &tables, Some(&merged)).await.unwrap();
        assert_eq!(replace(&world.store(), &shard(), &manifests, 1, &tables, Some(&merged)).await.unwrap(), first, "said again");
        let other = encoded(3, &[put(9, "x")]).store(&world.store(), &shard(), &world.env(), no_retry()).await.unwrap();
        assert_eq!(kind(replace(&world.store(), &shard(), &manifests, 1, &tables, Some(&other)).await), ErrorKind::Conflict);
        assert_eq!(world.contents().await.len(), 3);
    });
}

/// A flush that is published while generations are merged stays where it belongs.
#[test]
fn a_flush_during_a_merge_is_kept() {
    let world = World::new(4);
    world.sim.run(async {
        let manifests = Arc::new(world.manifests());
        manifests.claim(0).await.unwrap();
        let mut tables = published(&world, &manifests, &[encoded(1, &[put(1, "a")]), encoded(2, &[put(2, "b")])]).await;
        let merged = encoded(2, &[put(1, "a"), put(2, "b")]).store(&world.store(), &shard(), &world.env(), no_retry()).await.unwrap();
        let flushed = encoded(3, &[put(1, "new")]).store(&world.store(), &shard(), &world.env(), no_retry()).await.unwrap();
        let (store, shard) = (world.store(), shard());
        let (a, b) = futures_util::future::join(
            replace(&store, &shard, &manifests, 1, &tables, Some(&merged)),
            publish(&store, &shard, &manifests, 1, &flushed, 30),
        )
        .await;
        a.unwrap();
        b.unwrap();
        tables = vec![merged.table, flushed.table];
        assert_eq!(world.manifest().await.sstables, tables);
        assert_eq!(world.contents().await, BTreeMap::from([(1, "new".to_owned()), (2, "b".to_owned())]));
    });
}

/// A reader that began before the merge reads on, until the age has passed; one that begins later never notices.
#[test]
fn readers_go_on_while_generations_are_merged_and_swept() {
    let world = World::new(5);
    world.sim.run(async {
        let manifests = world.manifests();
        manifests.claim(0).await.unwrap();
        let all: Vec<Encoded> = (1..6).map(|generation| encoded(generation, &history(&world, 200, 100))).collect();
        let tables = published(&world, &manifests, &all).await;
        let old = world.open(&tables[4]).await.unwrap();
        let expected = all_rows(&old).await;
        let mut scan = old.scan(ScanOptions { tombstones: true, read_bytes: 500, ..ScanOptions::default() }).unwrap();
        let mut read = rows(&scan.next().await.unwrap().unwrap().batch);

        // The objects are old; it is the manifest that named them until now that counts.
        world.sim.clock().advance(3 * DAY);
        compact(&world.store(), &shard(), &world.env(), &manifests, 1, &options()).await.unwrap().unwrap();
        world.sim.clock().advance(DAY - std::time::Duration::from_secs(60));
        manifests.claim(0).await.unwrap();
        assert_eq!(sweep(&world.store(), &shard(), &world.env(), DAY).await.unwrap().objects, 0);
        while let Some(some) = scan.next().await.unwrap() {
            read.extend(rows(&some.batch));
        }
        assert_eq!(read, expected);

        world.sim.clock().advance(std::time::Duration::from_secs(120));
        let removed = sweep(&world.store(), &shard(), &world.env(), DAY).await.unwrap();
        assert_eq!((removed.directories, removed.objects), (5, 15));
        let late = scan_of(&old).await;
        assert_eq!(late, Err(ErrorKind::NotFound), "a reader as old as that reads the manifest again");
        assert!(!world.contents().await.is_empty());
    });
}

async fn scan_of(generation: &Arc<Generation>) -> Result<usize, ErrorKind> {
    let mut scan = generation.scan(ScanOptions::default()).map_err(|e| e.kind())?;
    let mut rows = 0;
    while let Some(some) = scan.next().await.map_err(|e| e.kind())? {
        rows += some.rows.len();
    }
    Ok(rows)
}

#[test]
fn another_implementations_generations_stay_as_they_are() {
    let world = World::new(6);
    world.sim.run(async {
        let manifests = world.manifests();
        manifests.claim(0).await.unwrap();
        let lance = SsTable { generation: 1, path: "0badcafe_gen_1".to_owned(), ..SsTable::default() };
        let version = format!("{}/0badcafe_gen_1/_versions/1.manifest", shard().dir());
        world.truth().create(&version, &["x".into()]).await.unwrap();
        manifests
            .update(|manifest| {
                manifest.sstables.push(lance.clone());
                manifest.current_generation = 2;
                Ok(())
            })
            .await
            .unwrap();
        published(&world, &manifests, &[encoded(2, &[put(1, "a"), delete(5)]), encoded(3, &[put(2, "b")])]).await;
        let done = compact(&world.store(), &shard(), &world.env(), &manifests, 1, &options()).await.unwrap().unwrap();
        assert_eq!(done.manifest.sstables, [lance, done.output.clone().unwrap()]);
        let merged = world.open(&done.output.unwrap()).await.unwrap();
        assert_eq!(merged.get(&key(5), None).await.unwrap(), Got::Deleted, "it may hide a row of Lance's");
        let texts: Vec<Row> = all_rows(&merged).await;
        assert_eq!(texts, [put(1, "a"), delete(5), put(2, "b")]);
    });
}
