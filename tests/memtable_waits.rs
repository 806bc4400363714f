//! Writers in MemTable mode under real threads: who waits for room gets it, limits hold, and views are beginnings of what was put.

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use weir::env::block_on;
use weir::error::ErrorKind;
use weir::memory::MemoryBudget;
use weir::memtable::Limits;
use weir::scan::KeyState;
use weir::shard::ShardPath;
use weir::store::Store;
use weir::store::local::{LocalBackend, LocalOptions};
use weir::writer::{MemTableConfig, ShardWriter, Within, WriterConfig};

fn store(dir: &Path) -> Store {
    Store::new(format!("file://{}", dir.display()), Arc::new(LocalBackend::new(dir, LocalOptions { fsync: false, unnamed_files: true })))
}
fn schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("text", DataType::Utf8, true)]))
}
fn batch(from: i64, rows: i64, width: usize) -> RecordBatch {
    let text = "x".repeat(width);
    let texts: StringArray = (0..rows).map(|_| Some(text.clone())).collect();
    RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from_iter_values(from..from + rows)) as ArrayRef, Arc::new(texts)]).unwrap()
}
fn open(dir: &Path, config: WriterConfig, within: Within) -> Arc<ShardWriter> {
    let shard = ShardPath::new("00000000-0000-4000-8000-000000000001").unwrap();
    Arc::new(block_on(ShardWriter::open_within(store(dir), shard, &schema(), config, weir::runtime::env(), within)).unwrap())
}

/// PITFALLS F3: puts that each fill half of what may be unflushed take turns, however room is granted.
#[test]
fn puts_that_wait_for_tables_all_get_room() {
    for round in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let memtable = MemTableConfig {
            primary_key: Some(vec!["id".into()]),
            limits: Limits { max_bytes: 700 << 10, max_rows: 10_000, max_batches: 100 },
            max_unflushed_bytes: 700 << 10,
            ..MemTableConfig::default()
        };
        let writer = open(dir.path(), WriterConfig { memtable: Some(memtable), ..WriterConfig::default() }, Within::default());
        let (send, receive) = mpsc::channel();
        for n in 0..6 {
            let (writer, send) = (Arc::clone(&writer), send.clone());
            thread::spawn(move || {
                let done = writer.put(&batch(n * 1000, 700, 300), None);
                let _ = send.send((n, done.map(drop)));
            });
        }
        for done in 0..6 {
            match receive.recv_timeout(Duration::from_secs(60)) {
                Ok((_, outcome)) => outcome.unwrap(),
                Err(_) => {
                    let (memory, stats) = (writer.memory(), writer.stats());
                    panic!(
                        "round {round}: {done} of 6 puts are done; blocked {}; {memory:?}; {:?}",
                        stats.blocked_now,
                        stats.memtable.unwrap()
                    );
                }
            }
        }
    }
}

/// The session's limit holds for tables as well, also where one put comes at a time.
#[test]
fn the_sessions_limit_holds_for_tables() {
    let dir = tempfile::tempdir().unwrap();
    let env = weir::runtime::env();
    let memory = MemoryBudget::new(Arc::clone(&env.clock));
    memory.set_limit(Some(4 << 20));
    let memtable = MemTableConfig { primary_key: Some(vec!["id".into()]), ..MemTableConfig::default() };
    let writer = open(
        dir.path(),
        WriterConfig { memtable: Some(memtable), ..WriterConfig::default() },
        Within { memory: Some(Arc::clone(&memory)), cache: None },
    );
    let mut most = 0;
    for n in 0..400 {
        writer.put(&batch(n * 1000, 1000, 100), None).unwrap();
        most = most.max(memory.usage().tables);
    }
    // What the put takes beside its bytes in the log is not waited for.
    assert!(most <= 5 << 20, "{most}");
    assert!(writer.stats().memtable.unwrap().flushes > 10);
}

/// PITFALLS I8: a put that is visible hides none before it, also while another thread still indexes that one.
#[test]
fn a_later_put_is_not_seen_before_an_earlier_one() {
    let dir = tempfile::tempdir().unwrap();
    let memtable = MemTableConfig {
        primary_key: Some(vec!["id".into()]),
        limits: Limits { max_bytes: 256 << 20, max_rows: 200_000, max_batches: 100 },
        ..MemTableConfig::default()
    };
    let writer = open(dir.path(), WriterConfig { durable: false, memtable: Some(memtable), ..WriterConfig::default() }, Within::default());
    let other = Arc::clone(&writer);
    let thread = thread::spawn(move || other.put(&batch(0, 200_000, 10), None).map(drop));
    while writer.stats().memtable.unwrap().active_generation != 2 {
        thread::yield_now();
    }
    writer.put(&batch(1_000_000, 1, 10), None).unwrap();
    let view = writer.view().unwrap();
    let key = |id: i64| RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![id])) as ArrayRef)]).unwrap();
    let (later, earlier) = (block_on(view.get(&key(1_000_000), None)).unwrap(), block_on(view.get(&key(199_999), None)).unwrap());
    thread.join().unwrap().unwrap();
    assert_eq!(later.states, [KeyState::Found]);
    assert_eq!(earlier.states, [KeyState::Found], "the later put is visible, the earlier one is not");
}

/// A shard that was removed underneath ends the writer; nothing is stored for it again and again.
#[test]
fn a_shard_that_is_gone_ends_the_flush() {
    let dir = tempfile::tempdir().unwrap();
    let memtable = MemTableConfig { primary_key: Some(vec!["id".into()]), ..MemTableConfig::default() };
    let writer = open(dir.path(), WriterConfig { memtable: Some(memtable), ..WriterConfig::default() }, Within::default());
    writer.put(&batch(0, 1000, 300), None).unwrap();
    std::fs::remove_dir_all(dir.path().join("_mem_wal")).unwrap();
    let generation = writer.freeze().unwrap();
    let error = writer.wait_flushed(generation, Some(Duration::from_secs(60))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(generations(dir.path()) <= 1);
}

/// The directories of generations below `dir`.
fn generations(dir: &Path) -> usize {
    let below = std::fs::read_dir(dir).unwrap().map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_dir());
    below.map(|entry| usize::from(entry.file_name().to_string_lossy().contains("_gen_")) + generations(&entry.path())).sum()
}

/// What lacks room in the queue has no table flushed for it, with a session and without a limit.
#[test]
fn a_full_queue_flushes_no_table() {
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryBudget::new(Arc::clone(&weir::runtime::env().clock));
    let memtable = MemTableConfig { primary_key: Some(vec!["id".into()]), ..MemTableConfig::default() };
    let config =
        WriterConfig { max_buffer_bytes: 400 << 10, max_pending_bytes: 400 << 10, memtable: Some(memtable), ..WriterConfig::default() };
    let writer = open(dir.path(), config, Within { memory: Some(memory), cache: None });
    let mut refused = 0;
    for n in 0..100 {
        let _ = writer.put_async(&batch(n * 10_000, 500, 300), Box::new(|_| {}));
        writer.wait_capacity_async(380 << 10, Box::new(|_| {}));
        if let Err(error) = writer.put_async(&batch(n * 10_000 + 1000, 5, 3), Box::new(|_| {})) {
            assert_eq!(error.kind(), ErrorKind::Backpressure);
            assert!(!error.to_string().contains("session"), "{error}");
            refused += 1;
        }
        writer.flush(None).unwrap();
    }
    assert!(refused > 0);
    assert_eq!(writer.stats().memtable.unwrap().flushes, 0);
}

/// PITFALLS F6: what a refusal says is missing can be waited for, also where it is more than may be pending: in tables, a put of few bytes
/// takes many.
#[test]
fn the_room_that_a_refusal_names_can_be_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let memtable = MemTableConfig {
        primary_key: Some(vec!["id".into()]),
        limits: Limits { max_bytes: 600 << 10, max_rows: 100_000, max_batches: 1000 },
        max_unflushed_bytes: 600 << 10,
        ..MemTableConfig::default()
    };
    let pending = 16 << 10;
    let config =
        WriterConfig { max_buffer_bytes: pending, max_pending_bytes: pending, memtable: Some(memtable), ..WriterConfig::default() };
    let writer = open(dir.path(), config, Within::default());
    let (mut most, mut refused) = (0, 0);
    for n in 0..300 {
        let small = batch(n * 1000, 500, 0);
        while let Err(error) = writer.put_async(&small, Box::new(|_| {})) {
            assert_eq!(error.kind(), ErrorKind::Backpressure, "{error}");
            let bytes = error.detail_u64("bytes").unwrap();
            (most, refused) = (most.max(bytes), refused + 1);
            writer.wait_capacity(bytes, Some(Duration::from_secs(60))).unwrap();
        }
    }
    assert!(most > pending, "{most}");
    // Once for the queue and once for the tables, not again and again.
    assert!(refused <= 600, "{refused}");
}
