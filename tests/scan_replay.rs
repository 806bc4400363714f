//! Replay: the log's tail becomes tables, each row once, whatever the writers before left behind.

mod log_support;
mod support;

use std::future::{Ready, ready};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use log_support::*;
use support::{Fault, Op, now};
use weir::env::Clock;
use weir::error::{Error, ErrorKind, Result};
use weir::memtable::{Limits, MemTable, TOMBSTONE, TableSpec, Visibility};
use weir::scan::replay::{ReplayRange, Replayed, ReplayedTable, Rotate, replay, replay_unindexed};
use weir::shard::ShardPath;
use weir::store::Store;
use weir::store::local::{LocalBackend, LocalOptions};
use weir::wal::entry::{BatchEncoder, Compression, EncodedEntry, EntryId, assemble, sentinel};
use weir::wal::{TailerOptions, WalTailer};
use weir::writer::WriterConfig;

fn spec(key: Option<&str>, limits: Limits) -> Arc<TableSpec> {
    let key = key.map(|name| vec![name.to_owned()]);
    TableSpec::new(&schema(), key.as_deref(), &[], limits).unwrap()
}

fn plain() -> Arc<TableSpec> {
    spec(None, Limits::default())
}

fn rows_at_most(max_rows: u64) -> Arc<TableSpec> {
    spec(None, Limits { max_rows, ..Limits::default() })
}

/// A replay of all that lies before position `end`, by the writer of epoch 9, of a shard of which nothing is published.
fn all(end: u64) -> ReplayRange {
    ReplayRange { after: 0, end: Some(end), epoch: Some(9), current_generation: 1 }
}

type Tables = Vec<ReplayedTable>;

async fn run_with(tailer: &WalTailer, spec: &Arc<TableSpec>, range: ReplayRange) -> Result<(Replayed, Tables)> {
    let mut ended = Tables::new();
    let replayed = replay(tailer, spec, Visibility::Durable, range, |table: ReplayedTable| {
        assert!(table.table.is_frozen());
        ended.push(table);
        ready(Ok(()))
    })
    .await?;
    Ok((replayed, ended))
}

/// All tables of a replay, the last one included.
fn run(world: &World, spec: &Arc<TableSpec>, range: ReplayRange) -> Result<(Replayed, Tables)> {
    let tailer = world.tailer_on(world.truth(), TailerOptions::default());
    let (replayed, mut tables) = now(run_with(&tailer, spec, range))?;
    let mut end = 0;
    tables.extend(replayed.last.clone());
    for one in &tables {
        // Rows are numbered through, indexed and durable.
        assert_eq!(one.table.first_row(), end);
        end = one.table.end_row();
        assert_eq!((one.table.indexed_rows(), one.table.visible_rows()), (end, end));
    }
    assert_eq!((replayed.next_row, replayed.rows), (end, end));
    assert!(replayed.last.as_ref().is_none_or(|last| !last.table.is_frozen()));
    Ok((replayed, tables))
}

fn table_ids(table: &Arc<MemTable>) -> Vec<i64> {
    ids(&table.snapshot().batches().map(|some| some.batch).collect::<Vec<_>>())
}

/// Generation, turn, covered position and rows of each table.
fn summary(tables: &Tables) -> Vec<(u64, u64, u64, Vec<i64>)> {
    tables.iter().map(|one| (one.table.generation(), one.turn, one.covers, table_ids(&one.table))).collect()
}

fn fence_entry(epoch: u64) -> EncodedEntry {
    sentinel(epoch, EntryId([7; 16])).unwrap()
}

/// A log of one entry for each of `recorded`, of the generation that it says, with the row numbered as its position.
fn log_with(recorded: &[Option<u64>]) -> World {
    let world = World::blocking();
    for (position, generation) in (1..).zip(recorded) {
        world.plant_entry(position, &foreign(1, *generation, position as i64..position as i64 + 1));
    }
    world
}

#[test]
fn nothing_to_replay_gives_no_table() {
    let world = World::blocking();
    let (replayed, tables) = run(&world, &plain(), all(1)).unwrap();
    assert!(tables.is_empty() && replayed.last.is_none());
    assert_eq!((replayed.tip, replayed.next_row, replayed.next_generation, replayed.entries), (0, 0, 1, 0));
    // PITFALLS C9: a log that was trimmed empty goes on where it was.
    let range = ReplayRange { after: 41, end: Some(42), current_generation: 5, ..all(1) };
    let (replayed, _) = run(&world, &plain(), range).unwrap();
    assert_eq!((replayed.tip, replayed.next_generation), (41, 5));
    assert_eq!(kind(run(&world, &plain(), ReplayRange { end: Some(41), ..range })), ErrorKind::InvalidArgument);
    let last = ReplayRange { after: u64::MAX, end: None, ..all(1) };
    assert_eq!(kind(run(&world, &plain(), last)), ErrorKind::Corruption);
}

/// PITFALLS C1: only the cursor says what is covered. There are generations no more, and what they had is not replayed.
#[test]
fn what_the_cursor_covers_is_not_replayed_whatever_generations_there_are() {
    let world = log_with(&[Some(1), Some(1), Some(2), Some(2)]);
    let range = ReplayRange { after: 2, current_generation: 2, ..all(5) };
    let (replayed, tables) = run(&world, &plain(), range).unwrap();
    assert_eq!(summary(&tables), [(2, 2, 4, vec![3, 4])]);
    assert_eq!((replayed.entries, replayed.tip, replayed.next_generation, replayed.skipped), (2, 4, 3, 0));
    let bytes: u64 = [3, 4].map(|n| foreign(1, Some(2), n..n + 1).len).iter().sum();
    assert_eq!(replayed.bytes, bytes);
}

/// PITFALLS C2: what was replayed is durable and visible, so that nothing of it is logged or indexed again.
#[test]
fn replayed_rows_are_durable_and_indexed() {
    let world = log_with(&[Some(1); 3]);
    for visibility in [Visibility::Durable, Visibility::Indexed] {
        let tailer = world.tailer_on(world.truth(), TailerOptions::default());
        let spec = spec(Some("id"), Limits::default());
        let replayed = now(replay(&tailer, &spec, visibility, all(4), |_| ready(Ok(())))).unwrap();
        let table = replayed.last.unwrap().table;
        assert_eq!((table.indexed_rows(), table.visible_rows(), replayed.next_row), (3, 3, 3));
        let keys = spec.key().unwrap().encode(&batch(1..4)).unwrap();
        let snapshot = table.snapshot();
        for (position, key) in (0..).zip(keys.iter()) {
            match snapshot.get(key) {
                weir::memtable::Lookup::Found(row) => assert_eq!(row.position(), position),
                other => panic!("{other:?}"),
            }
        }
        // The next row is one that still has to become durable.
        let put = spec.put(&batch(9..10), weir::memtable::Buffers::Own).unwrap();
        assert_eq!(table.insert(put).unwrap().unwrap().rows, 3..4);
        assert_eq!(table.visible_rows(), if visibility == Visibility::Durable { 3 } else { 4 });
    }
}

#[test]
fn each_recorded_generation_is_a_table_whatever_the_limits() {
    let world = log_with(&[Some(1), Some(1), Some(1), Some(2), Some(2), Some(3)]);
    for spec in [plain(), rows_at_most(2), rows_at_most(1)] {
        let (replayed, tables) = run(&world, &spec, all(7)).unwrap();
        assert_eq!(summary(&tables), [(1, 1, 3, vec![1, 2, 3]), (2, 2, 5, vec![4, 5]), (3, 3, 6, vec![6])]);
        assert_eq!(replayed.next_generation, 4);
    }
}

/// PITFALLS C3: a log that is larger than a table is replayed into several, at whole entries, with one table of them at hand at a time.
#[test]
fn entries_without_a_generation_are_cut_at_the_limits_between_entries() {
    let world = World::blocking();
    for position in 1..=6 {
        let first = position as i64 * 10;
        world.plant_entry(position, &foreign(1, None, first..first + 2));
    }
    let (replayed, tables) = run(&world, &rows_at_most(5), all(7)).unwrap();
    let expected = [(1, 1, 2, vec![10, 11, 20, 21]), (2, 2, 4, vec![30, 31, 40, 41]), (3, 3, 6, vec![50, 51, 60, 61])];
    assert_eq!(summary(&tables), expected);
    assert_eq!(replayed.next_generation, 4);
    // An entry that is larger than a table is not cut.
    let (_, tables) = run(&world, &rows_at_most(1), all(7)).unwrap();
    assert_eq!(tables.iter().map(|one| one.table.num_rows()).collect::<Vec<_>>(), [2; 6]);
    let batches = spec(None, Limits { max_batches: 3, ..Limits::default() });
    assert_eq!(run(&world, &batches, all(7)).unwrap().1.len(), 2);
    let bytes = spec(None, Limits { max_bytes: 1 << 20, ..Limits::default() });
    assert_eq!(run(&world, &bytes, all(7)).unwrap().1.len(), 1);
}

/// Takes a minute over each table.
struct Slow<'w> {
    world: &'w World,
    tailer: &'w WalTailer,
    ended: &'w mut Tables,
}

impl Rotate for Slow<'_> {
    async fn rotate(&mut self, table: ReplayedTable) -> Result<()> {
        let before = self.world.faults.count(Op::Get, "");
        self.world.sim.clock().sleep(Duration::from_secs(60)).await;
        // No more than what was being read ahead.
        assert!(self.world.faults.count(Op::Get, "") <= before + 8);
        assert_eq!(self.tailer.position(), table.covers + 2);
        self.ended.push(table);
        Ok(())
    }
}

/// PITFALLS C3: nothing is read while a table is being flushed, so memory is bounded by who flushes.
#[test]
fn the_log_waits_while_a_table_is_flushed() {
    let world = Arc::new(World::new(5));
    for position in 1..=400 {
        world.plant_entry(position, &foreign(1, None, position as i64..position as i64 + 1));
    }
    world.sim.run(async {
        let tailer = world.tailer(TailerOptions { prefetch_entries: 4, ..TailerOptions::default() });
        let range = ReplayRange { epoch: None, ..all(401) };
        let mut ended = Vec::new();
        let flusher = Slow { world: &world, tailer: &tailer, ended: &mut ended };
        let replayed = replay(&tailer, &rows_at_most(50), Visibility::Durable, range, flusher).await.unwrap();
        let ended_tables = ended.len();
        ended.extend(replayed.last);
        let seen: Vec<i64> = ended.iter().flat_map(|one| table_ids(&one.table)).collect();
        assert_eq!((ended_tables, seen), (7, (1..=400).collect::<Vec<i64>>()));
    });
}

/// PITFALLS C4: the cursor trails the last entries of a published generation; they say of which they are.
#[test]
fn entries_of_a_published_generation_behind_the_cursor_are_skipped() {
    let world = log_with(&[Some(1), Some(1), Some(1), Some(2), None]);
    let range = ReplayRange { after: 1, current_generation: 2, ..all(6) };
    let (replayed, tables) = run(&world, &plain(), range).unwrap();
    assert_eq!(summary(&tables), [(2, 2, 5, vec![4, 5])]);
    assert_eq!((replayed.skipped, replayed.entries, replayed.tip), (2, 2, 5));
    // All of it.
    let range = ReplayRange { after: 1, current_generation: 2, ..all(4) };
    let (replayed, _) = run(&world, &plain(), range).unwrap();
    assert!(replayed.last.is_none());
    assert_eq!((replayed.skipped, replayed.tip, replayed.next_generation), (2, 3, 2));
}

/// PITFALLS C4: generations that go backwards are an error, whichever of them are published.
#[test]
fn generations_never_go_backwards() {
    let world = log_with(&[Some(2), None, Some(1)]);
    for current_generation in [1, 2] {
        for epoch in [Some(9), None] {
            let range = ReplayRange { current_generation, epoch, ..all(4) };
            let error = run(&world, &plain(), range).unwrap_err();
            assert_eq!((error.kind(), error.detail_u64("position")), (ErrorKind::Corruption, Some(3)));
        }
    }
}

/// A generation is one table, so that publishing one leaves nothing of it behind the cursor, also where entries without a generation
/// came between and the limits are reached among these.
#[test]
fn a_generation_that_goes_on_behind_entries_without_one_is_not_split() {
    let world = log_with(&[Some(1), None, None, None, Some(1), None, None, None, Some(2)]);
    let (_, tables) = run(&world, &rows_at_most(2), all(10)).unwrap();
    // Up to the last entry of generation 1 it is one table. Before row 6, which does not fit, it may end, since generation 2 comes next;
    // behind it the numbers are used up.
    assert_eq!(summary(&tables), [(1, 1, 5, vec![1, 2, 3, 4, 5]), (2, 2, 9, vec![6, 7, 8, 9])]);
    // Who only reads cuts where it likes.
    let (_, tables) = run(&world, &rows_at_most(2), ReplayRange { epoch: None, ..all(10) }).unwrap();
    assert_eq!(tables.iter().map(|one| one.table.num_rows()).collect::<Vec<_>>(), [2, 2, 2, 2, 1]);
    assert_eq!(tables.iter().flat_map(|one| table_ids(&one.table)).collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>());
}

/// The numbers below a recorded generation are all that entries without one may use up.
#[test]
fn entries_without_a_generation_use_no_number_that_is_recorded_behind_them() {
    let log = [None, None, None, None, None, None, Some(3), None, None];
    let world = log_with(&log);
    let (replayed, tables) = run(&world, &rows_at_most(1), all(10)).unwrap();
    let expected = [(1, 1, 1, vec![1]), (2, 2, 2, vec![2]), (3, 3, 7, vec![3, 4, 5, 6, 7]), (4, 4, 8, vec![8]), (5, 5, 9, vec![9])];
    assert_eq!(summary(&tables), expected);
    assert_eq!(replayed.next_generation, 6);
    // Wherever the process dies, the next one sees the rest and nothing else.
    for published in &tables {
        let range = ReplayRange { after: published.covers, current_generation: published.table.generation() + 1, ..all(10) };
        for limit in [1, 2, 100] {
            let (replayed, tables) = run(&world, &rows_at_most(limit), range).unwrap();
            let rows: Vec<i64> = tables.iter().flat_map(|one| table_ids(&one.table)).collect();
            assert_eq!((rows, replayed.skipped), ((published.covers as i64 + 1..10).collect(), 0));
        }
    }
}

#[test]
fn numbers_are_passed_over_where_the_log_does() {
    let world = log_with(&[None, None, Some(4), Some(7), None]);
    let (replayed, tables) = run(&world, &plain(), all(6)).unwrap();
    assert_eq!(summary(&tables), [(1, 1, 2, vec![1, 2]), (4, 2, 3, vec![3]), (7, 5, 5, vec![4, 5])]);
    assert_eq!(replayed.next_generation, 8);
    let (_, tables) = run(&world, &plain(), ReplayRange { after: 2, current_generation: 2, ..all(6) }).unwrap();
    assert_eq!(summary(&tables)[0], (4, 2, 3, vec![3]));
}

/// PITFALLS C8: what is missing before the writer's own entry is a hole or trimmed, never the end of the log.
#[test]
fn a_missing_entry_in_the_range_is_never_the_end() {
    for hole in 2..=5 {
        let world = log_with(&[Some(1); 5]);
        world.plant_entry(6, &fence_entry(9));
        world.delete(&shard().entry(hole));
        let error = run(&world, &plain(), all(6)).unwrap_err();
        assert_eq!((error.kind(), error.detail_u64("position")), (ErrorKind::Corruption, Some(hole)), "{error}");
        // Two in a row: the tailer alone would take that for the end.
        if hole < 5 {
            world.delete(&shard().entry(hole + 1));
            assert_eq!(kind(run(&world, &plain(), all(6))), ErrorKind::Corruption, "{hole}");
        }
    }
    // From the beginning on: trimmed, with the oldest position.
    let world = log_with(&[Some(1); 5]);
    world.plant_entry(6, &fence_entry(9));
    (1..=3).for_each(|position| world.delete(&shard().entry(position)));
    let error = run(&world, &plain(), all(6)).unwrap_err();
    assert_eq!((error.kind(), error.detail_u64("first_position")), (ErrorKind::Trimmed, Some(4)));
    // All before our own. An empty log is fine, this is not one.
    (4..=5).for_each(|position| world.delete(&shard().entry(position)));
    assert_eq!(kind(run(&world, &plain(), all(6))), ErrorKind::Trimmed);
    let error = run(&world, &plain(), ReplayRange { after: 3, ..all(6) }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Trimmed);
}

/// PITFALLS C8: a hole behind a table that was cut is found while reading ahead, before anything is published.
#[test]
fn a_hole_is_found_before_a_table_is_cut() {
    let world = log_with(&[None; 6]);
    world.plant_entry(7, &fence_entry(9));
    world.delete(&shard().entry(5));
    let tailer = world.tailer_on(world.truth(), TailerOptions::default());
    let result = now(replay(&tailer, &rows_at_most(2), Visibility::Durable, all(7), |_| -> Ready<Result<()>> {
        panic!("nothing may be published")
    }));
    assert_eq!(kind(result), ErrorKind::Corruption);
}

/// PITFALLS C8, C10: a failing store and a damaged entry end the replay with their own errors.
#[test]
fn faults_and_damage_are_reported_as_they_are() {
    let world = log_with(&[Some(1); 4]);
    let tailer = |world: &World| world.tailer(TailerOptions::default());
    world.faults.on_next(Op::Get, &shard().entry(3), 1, Fault::ErrorBefore);
    assert_eq!(kind(now(run_with(&tailer(&world), &plain(), all(5)))), ErrorKind::Storage);
    // It was the store's fault: again, and all is there.
    assert_eq!(now(run_with(&tailer(&world), &plain(), all(5))).unwrap().0.entries, 4);
    world.faults.on_next(Op::Get, &shard().entry(2), 1, Fault::Denied);
    assert_eq!(kind(now(run_with(&tailer(&world), &plain(), all(5)))), ErrorKind::PermissionDenied);
    let whole = foreign(1, Some(1), 3..4).parts.concat();
    for bad in [whole[..whole.len() - 1].to_vec(), Vec::new(), [&whole[..300], &[whole[300] ^ 4], &whole[301..]].concat()] {
        world.plant(&shard().entry(3), bad);
        let error = now(run_with(&tailer(&world), &plain(), all(5))).unwrap_err();
        assert_eq!((error.kind(), error.detail_u64("position")), (ErrorKind::Corruption, Some(3)), "{error}");
    }
}

#[test]
fn an_entry_of_a_higher_epoch_means_that_the_writer_is_fenced() {
    for entry in [foreign(10, Some(1), 2..3), foreign(10, None, 2..3), fence_entry(10)] {
        let world = log_with(&[Some(1)]);
        world.plant_entry(2, &entry);
        let error = run(&world, &plain(), all(3)).unwrap_err();
        assert_eq!((error.kind(), error.detail_u64("epoch"), error.detail_u64("fenced_by_epoch")), (ErrorKind::Fenced, Some(9), Some(10)));
        // A reader does not mind.
        assert!(run(&world, &plain(), ReplayRange { epoch: None, ..all(3) }).is_ok());
    }
    // Not even while reading ahead is it overlooked.
    let world = log_with(&[None; 4]);
    world.plant_entry(5, &fence_entry(10));
    assert_eq!(kind(run(&world, &rows_at_most(2), all(6))), ErrorKind::Fenced);
}

#[test]
fn sentinels_are_passed_over() {
    let world = log_with(&[Some(1), None, Some(1)]);
    world.plant_entry(2, &fence_entry(2));
    world.plant_entry(4, &fence_entry(3));
    let (replayed, tables) = run(&world, &plain(), all(5)).unwrap();
    assert_eq!(summary(&tables), [(1, 1, 3, vec![1, 3])]);
    assert_eq!((replayed.tip, replayed.entries), (4, 2));
}

#[test]
fn an_error_of_who_flushes_ends_the_replay() {
    let world = log_with(&[Some(1), Some(2), Some(3)]);
    let tailer = world.tailer_on(world.truth(), TailerOptions::default());
    let mut calls = 0;
    let result = now(replay(&tailer, &plain(), Visibility::Durable, all(4), |_| {
        calls += 1;
        ready(Err(Error::new(ErrorKind::StorageFull, "no room")))
    }));
    assert_eq!((kind(result), calls), (ErrorKind::StorageFull, 1));
}

/// The future may move between threads, as an open of a writer does, whatever the callback holds.
#[test]
fn a_replay_is_send() {
    fn check(future: impl Future + Send) {
        drop(future);
    }
    let world = World::blocking();
    let tailer = world.tailer(TailerOptions::default());
    let (spec, mut seen) = (plain(), Vec::new());
    check(replay(&tailer, &spec, Visibility::Durable, all(1), |table: ReplayedTable| {
        seen.push(table);
        ready(Ok(()))
    }));
    check(replay(&tailer, &spec, Visibility::Durable, all(1), Slow { world: &world, tailer: &tailer, ended: &mut Vec::new() }));
}

/// An entry of rows of any schema.
fn entry_of(batch: &RecordBatch, generation: Option<u64>) -> EncodedEntry {
    let encoder = BatchEncoder::new(batch.schema_ref(), Compression::None).unwrap();
    let encoded = encoder.encode(batch).unwrap();
    assemble(&encoder.preamble(1, generation).unwrap(), [&encoded], EntryId([1; 16]))
}

/// PITFALLS C7: entries of older schemas, one after the other, are read as rows of today's; what cannot be is a clear error.
#[test]
fn entries_of_older_schemas_are_read_as_todays() {
    let id = || Field::new("id", DataType::Int64, false);
    let numbers = |range: std::ops::Range<i64>| Arc::new(Int64Array::from_iter_values(range));
    let world = World::blocking();
    // A WAL-only writer without a text; then today's with a deletion; then one with a column that is gone.
    world.plant_entry(1, &entry_of(&RecordBatch::try_new(Arc::new(Schema::new(vec![id()])), vec![numbers(1..3)]).unwrap(), None));
    let spec = spec(Some("id"), Limits::default());
    let tombstones = Arc::new(BooleanArray::from(vec![true, false]));
    let texts = || Arc::new(StringArray::from(vec![None, Some("new")]));
    let columns: Vec<arrow_array::ArrayRef> = vec![numbers(1..3), texts(), tombstones];
    world.plant_entry(2, &entry_of(&RecordBatch::try_new(spec.stored_schema().clone(), columns).unwrap(), Some(1)));
    let fields = vec![Field::new("gone", DataType::Int64, true), Field::new("text", DataType::Utf8, true), id()];
    let columns: Vec<arrow_array::ArrayRef> = vec![numbers(0..2), texts(), numbers(3..5)];
    world.plant_entry(3, &entry_of(&RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap(), None));
    let (replayed, tables) = run(&world, &spec, all(4)).unwrap();
    assert_eq!(summary(&tables), [(1, 1, 3, vec![1, 2, 1, 2, 3, 4])]);
    let table = replayed.last.unwrap().table;
    assert!(table.has_tombstones());
    let all_rows: Vec<RecordBatch> = table.snapshot().batches().map(|some| some.batch).collect();
    let rows = arrow_select::concat::concat_batches(spec.stored_schema(), &all_rows).unwrap();
    let expected = StringArray::from(vec![None, None, None, Some("new"), None, Some("new")]);
    assert_eq!(rows["text"].as_string::<i32>(), &expected);
    assert_eq!(rows[TOMBSTONE].as_boolean(), &BooleanArray::from(vec![false, false, true, false, false, false]));
    // Another type, a null in the key, deletions without a key.
    let text_id = Field::new("id", DataType::Utf8, true);
    let wrong = RecordBatch::try_new(Arc::new(Schema::new(vec![text_id])), vec![Arc::new(StringArray::from(vec!["1"]))]).unwrap();
    world.plant_entry(4, &entry_of(&wrong, None));
    let error = run(&world, &spec, all(5)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    assert!(error.message().contains("position 4") && error.message().contains("'id'"), "{error}");
    let nulls = Arc::new(Int64Array::from(vec![Some(1), None]));
    let nullable = Arc::new(Schema::new(vec![id().with_nullable(true)]));
    world.plant_entry(4, &entry_of(&RecordBatch::try_new(nullable, vec![nulls]).unwrap(), None));
    let error = run(&world, &spec, all(5)).unwrap_err();
    assert_eq!((error.kind(), error.detail_u64("row")), (ErrorKind::InvalidData, Some(1)));
    assert!(error.message().contains("position 4"), "{error}");
    assert_eq!(kind(run(&world, &plain(), all(3))), ErrorKind::SchemaMismatch);
}

/// PITFALLS C6: what many batches of an entry share counts once, and an entry of which little is used is not kept whole.
#[test]
fn memory_is_about_what_the_rows_take() {
    let world = World::blocking();
    let wide = Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("dropped", DataType::Utf8, true)]);
    let encoder = BatchEncoder::new(&wide, Compression::None).unwrap();
    let texts = || Arc::new(StringArray::from_iter_values((0..100).map(|_| "x".repeat(1000))));
    let batches: Vec<_> = (0..50)
        .map(|n| {
            RecordBatch::try_new(Arc::new(wide.clone()), vec![Arc::new(Int64Array::from_iter_values(n * 100..n * 100 + 100)), texts()])
                .unwrap()
        })
        .collect();
    let encoded: Vec<_> = batches.iter().map(|batch| encoder.encode(batch).unwrap()).collect();
    let entry = assemble(&encoder.preamble(1, None).unwrap(), &encoded, EntryId([1; 16]));
    world.plant_entry(1, &entry);
    let tables = |schema: &Schema| {
        let spec = TableSpec::new(schema, None, &[], Limits::default()).unwrap();
        run(&world, &spec, all(2)).unwrap().1
    };
    // 5 MB of rows, in 50 batches that share the entry.
    let whole = tables(&wide);
    assert!((entry.len..entry.len + (200 << 10)).contains(&whole[0].table.memory_bytes()), "{}", whole[0].table.memory_bytes());
    // 40 KB of them are left of today's columns.
    let narrow = tables(&Schema::new(vec![wide.field(0).clone()]));
    assert_eq!(table_ids(&narrow[0].table).len(), 5000);
    assert!(narrow[0].table.memory_bytes() < 250 << 10, "{}", narrow[0].table.memory_bytes());
}

/// A log that this process' own WAL-only writer wrote, in entries of several batches.
#[test]
fn a_wal_only_writers_log_is_replayed() {
    for seed in 0..30 {
        let world = World::new(seed);
        world.sim.run(async {
            let writer = world.writer(WriterConfig::default()).await.unwrap();
            let outcomes = Outcomes::default();
            for n in 0..40 {
                writer.put_async(&batch(n * 10..n * 10 + 10), outcomes.record("put")).unwrap();
                if (n as u64).is_multiple_of(seed % 5 + 1) {
                    world.sim.run_ready();
                }
            }
            writer.flush_async(outcomes.record("flush"));
            world.sim.run_ready();
            assert!(outcomes.take().into_iter().all(|(_, outcome)| outcome.is_ok()));
            let tip = world.dense_log().len() as u64;
            let range = ReplayRange { epoch: Some(2), ..all(tip + 1) };
            let spec = spec(Some("id"), Limits { max_rows: 64, ..Limits::default() });
            let (replayed, ended) = run_with(&world.tailer(TailerOptions::default()), &spec, range).await.unwrap();
            let mut rows: Vec<i64> = ended.iter().flat_map(|one| table_ids(&one.table)).collect();
            rows.extend(table_ids(&replayed.last.unwrap().table));
            assert_eq!(rows, (0..400).collect::<Vec<_>>());
        });
    }
}

/// What lance 14.0.2 logged in its MemTable mode comes back with the rows that the fixtures' README gives.
#[test]
fn lances_shards_are_replayed() {
    for (name, number, rows, tip) in [("wal-only", 1, 100..120, 5), ("fenced", 2, 200..228, 5), ("memtable", 3, 300..320, 5)] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lance-14.0.2").join(name);
        let options = LocalOptions { fsync: false, ..LocalOptions::default() };
        let store = Store::new(format!("file://{}", root.display()), Arc::new(LocalBackend::new(&root, options)));
        let shard = ShardPath::new(&format!("00000000-0000-4000-8000-{number:012}")).unwrap();
        let env = thread_env(&support::SimClock::new());
        let open = || WalTailer::open(store.clone(), shard.clone(), TailerOptions::default(), env.clone()).unwrap();
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("key", DataType::Utf8, true),
            Field::new("payload", DataType::Binary, true),
            Field::new("value", DataType::Float64, true),
        ]);
        let keyed = TableSpec::new(&schema, Some(&["id".to_owned()]), &[], Limits::default()).unwrap();
        let (replayed, ended) = now(run_with(&open(), &keyed, all(tip + 1))).unwrap();
        let last = replayed.last.unwrap();
        assert!(ended.is_empty());
        assert_eq!((last.table.generation(), last.covers, replayed.tip, replayed.next_generation), (1, tip, tip, 2));
        assert_eq!(table_ids(&last.table), rows.clone().collect::<Vec<_>>());
        for some in last.table.snapshot().batches() {
            let (ids, values) = (some.batch["id"].as_primitive::<Int64Type>(), some.batch["value"].as_primitive::<Float64Type>());
            for row in 0..some.batch.num_rows() {
                let id = ids.value(row);
                assert_eq!(some.batch["key"].as_string::<i32>().value(row), format!("k-{id:012}"));
                assert_eq!(some.batch["payload"].as_binary::<i32>().value(row), splitmix64(id as u64).to_le_bytes());
                assert_eq!(values.is_null(row), name == "wal-only" && id % 7 == 0);
                assert!(values.is_null(row) || values.value(row) == id as f64 * 0.5);
            }
            assert_eq!(some.batch[TOMBSTONE].as_boolean().true_count(), 0);
        }
        // Without a key, rows that Lance put by one are refused; those of its WAL-only mode are not.
        let plain = TableSpec::new(&schema, None, &[], Limits::default()).unwrap();
        match now(run_with(&open(), &plain, all(tip + 1))) {
            Ok((replayed, _)) => assert_eq!((replayed.rows, name != "memtable"), (rows.count() as u64, true)),
            Err(error) => assert_eq!((error.kind(), name), (ErrorKind::SchemaMismatch, "memtable")),
        }
    }
}

fn splitmix64(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Tables without their indexes have the same rows; nothing of them is seen before they are indexed (PITFALLS E5), with a key as without.
#[test]
fn a_replay_may_leave_the_indexes_for_later() {
    let world = log_with(&[Some(1), Some(1), Some(2), None, Some(3)]);
    for key in [None, Some("id")] {
        let spec = spec(key, Limits::default());
        let tailer = || world.tailer_on(world.truth(), TailerOptions::default());
        let collect = |tables: &mut Tables, table| {
            tables.push(table);
            ready(Ok(()))
        };
        let (mut tables, mut expected) = (Tables::new(), Tables::new());
        let replayed = now(replay_unindexed(&tailer(), &spec, Visibility::Durable, all(6), |table| collect(&mut tables, table))).unwrap();
        let indexed = now(replay(&tailer(), &spec, Visibility::Durable, all(6), |table| collect(&mut expected, table))).unwrap();
        assert_eq!((replayed.rows, replayed.next_generation), (indexed.rows, indexed.next_generation));
        tables.extend(replayed.last);
        expected.extend(indexed.last);
        assert!(tables.iter().all(|one| one.table.visible_rows() == one.table.first_row() && table_ids(&one.table).is_empty()));
        for one in &tables {
            assert_eq!(one.table.index().unwrap(), one.table.end_row());
        }
        assert_eq!(summary(&tables), summary(&expected));
        assert_eq!(tables.last().unwrap().table.memory_bytes(), expected.last().unwrap().table.memory_bytes());
    }
}
