//! A spill writer that several threads use: turns in order, calls that are given up, ends that come meanwhile.

use std::future::Future;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use weir::error::{ErrorKind, Result};
use weir::runtime::block_on;
use weir::session::Session;
use weir::spill::{BatchSpillWriter, Finished, SharedWriter, Spill, SpillBackend, SpillConfig, SpillOptions, SpillStore, Turn};
use weir::store::Settings;
use weir::wal::entry::Compression;

fn memory() -> SpillStore {
    let config = SpillConfig { backend: SpillBackend::Memory, ..SpillConfig::default() };
    SpillStore::new(&Session::new(Settings::default()).unwrap(), &config).unwrap()
}

fn local(dir: &std::path::Path) -> SpillStore {
    let backend = SpillBackend::Local { directory: Some(dir.to_owned()) };
    SpillStore::new(&Session::new(Settings::default()).unwrap(), &SpillConfig { backend, ..SpillConfig::default() }).unwrap()
}

/// Objects on a store that answers slowly.
fn slow() -> SpillStore {
    let settings = Settings::new([("weir_simulated_latency_ms".to_owned(), "20".to_owned())]).unwrap();
    let url = format!("memory://{}/spills", uuid::Uuid::new_v4().simple());
    SpillStore::new(&Session::new(settings).unwrap(), &SpillConfig { backend: SpillBackend::Object { url }, ..SpillConfig::default() })
        .unwrap()
}

fn begin(store: &SpillStore) -> SharedWriter {
    store.begin(SpillOptions::default()).unwrap().into()
}

fn write(writer: &SharedWriter, bytes: &[u8], timeout_ms: i64) -> Result<()> {
    block_on(async { writer.turn().await?.write(bytes).await }, timeout_ms)
}

fn finish(writer: &SharedWriter, timeout_ms: i64) -> Result<Spill> {
    match block_on(async { writer.turn().await?.finish().await }, timeout_ms)? {
        Finished::Bytes(spill) => Ok(spill),
        Finished::Batches(batches) => Ok(batches.spill().clone()),
    }
}

fn contents(spill: &Spill) -> Vec<u8> {
    let mut bytes = vec![0; spill.len() as usize + 1];
    let read = block_on(spill.read_at(0, &mut bytes), -1).unwrap();
    bytes.truncate(read);
    bytes
}

async fn take(turn: Turn, bytes: &[u8]) -> Result<()> {
    turn.wait().await?.write(bytes).await
}

/// A place is taken when it is asked for, not when it is waited for; one that is given back holds up nobody.
#[test]
fn turns_come_in_the_order_of_the_calls() {
    let dir = tempfile::tempdir().unwrap();
    for store in [memory(), local(dir.path())] {
        let writer = begin(&store);
        let turns: Vec<_> = (0..4).map(|_| writer.queue()).collect();
        assert!(!writer.buffer(b"x").unwrap(), "others are before it");
        let mut turns = turns.into_iter();
        let (first, second, third, fourth) = (turns.next().unwrap(), turns.next().unwrap(), turns.next().unwrap(), turns.next().unwrap());
        let error = block_on(take(second, b"2"), 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "it is the first's turn");
        drop(third);
        std::thread::scope(|scope| {
            let fourth = scope.spawn(|| block_on(take(fourth, b"4"), -1));
            block_on(take(first, b"1"), -1).unwrap();
            fourth.join().unwrap().unwrap();
        });
        assert!(writer.buffer(b"5").unwrap());
        assert_eq!(writer.len(), 3);
        assert_eq!(contents(&finish(&writer, 0).unwrap()), b"145");
    }
}

#[test]
fn writes_of_many_threads_do_not_interleave() {
    let dir = tempfile::tempdir().unwrap();
    let writer = begin(&local(dir.path()));
    std::thread::scope(|scope| {
        for thread in 1..=4_u8 {
            let writer = writer.clone();
            scope.spawn(move || {
                let bytes = vec![thread; 3000];
                for i in 0..200 {
                    match i % 3 {
                        0 if writer.buffer(&bytes).unwrap() => {}
                        1 => {
                            let parts = [IoSlice::new(&bytes[..1000]), IoSlice::new(&bytes[1000..])];
                            block_on(async { writer.turn().await?.write_vectored(&parts).await }, -1).unwrap();
                        }
                        _ => write(&writer, &bytes, -1).unwrap(),
                    }
                }
            });
        }
    });
    let bytes = contents(&finish(&writer, 0).unwrap());
    assert_eq!(bytes.len(), 4 * 200 * 3000);
    assert!(bytes.chunks(3000).all(|chunk| chunk.iter().all(|byte| *byte == chunk[0])));
}

/// PITFALLS E11: a call that is given up leaves nothing half-done.
#[test]
fn a_write_that_is_given_up_has_written_nothing() {
    let store = slow();
    let writer = begin(&store);
    let large = vec![7_u8; 9 << 20];
    write(&writer, &large, -1).unwrap();
    // There is a part to be uploaded first, which takes longer than nothing.
    assert_eq!(write(&writer, b"given up", 0).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!((writer.len(), store.used_bytes()), (large.len() as u64, large.len() as u64));
    write(&writer, b"end", -1).unwrap();
    let bytes = contents(&finish(&writer, -1).unwrap());
    assert!(bytes[..large.len()] == large && bytes[large.len()..] == *b"end");
}

#[test]
fn a_finish_that_is_given_up_aborts() {
    let store = slow();
    let writer = begin(&store);
    write(&writer, &vec![7_u8; 9 << 20], -1).unwrap();
    assert_eq!(finish(&writer, 0).unwrap_err().kind(), ErrorKind::TimedOut);
    let error = finish(&writer, -1).unwrap_err();
    assert!(error.kind() == ErrorKind::Closed && error.message().contains("given up"), "{error}");
    drop(writer);
    wait_for_zero(&store);
}

/// What is deleted in objects is deleted in the background.
fn wait_for_zero(store: &SpillStore) {
    let began = std::time::Instant::now();
    while store.used_bytes() > 0 {
        assert!(began.elapsed() < std::time::Duration::from_secs(30), "{} bytes never return", store.used_bytes());
        std::thread::yield_now();
    }
}

/// The call under way is the last; those that wait are refused.
#[test]
fn an_abort_is_heard_when_the_call_under_way_is_done() {
    let store = memory();
    let writer = begin(&store);
    let mut lease = block_on(writer.turn(), 0).unwrap();
    block_on(lease.write(b"abc"), 0).unwrap();
    let waiting = writer.queue();
    writer.abort();
    assert_eq!(store.used_bytes(), 3, "a call is under way");
    assert_eq!(block_on(lease.write(b"d"), 0).unwrap_err().kind(), ErrorKind::Closed);
    drop(lease);
    assert_eq!(block_on(take(waiting, b"e"), 0).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!((store.used_bytes(), store.stats().open_writers), (0, 0));
    assert_eq!(write(&writer, b"f", 0).unwrap_err().kind(), ErrorKind::Closed);
    assert!(!writer.buffer(b"g").unwrap());
    assert_eq!(finish(&writer, 0).unwrap_err().kind(), ErrorKind::Closed);
}

/// Whoever holds up an abort passes it on when he goes, whichever way he goes: no call that comes later is needed.
#[test]
fn an_abort_is_heard_when_a_place_in_the_queue_is_given_back() {
    let gone = |store: &SpillStore| (store.used_bytes(), store.stats().open_writers) == (0, 0);
    let store = memory();
    let writer = begin(&store);
    write(&writer, b"abc", 0).unwrap();
    let turn = writer.queue();
    writer.abort();
    drop(turn);
    assert!(gone(&store), "its turn had come");

    let writer = begin(&store);
    let mut lease = block_on(writer.turn(), 0).unwrap();
    block_on(lease.write(b"abc"), 0).unwrap();
    let waiting = writer.queue();
    writer.abort();
    drop(lease);
    drop(waiting);
    assert!(gone(&store), "its turn came when it was given back");

    let writer = begin(&store);
    let mut lease = block_on(writer.turn(), 0).unwrap();
    block_on(lease.write(b"abc"), 0).unwrap();
    let mut waiting = Box::pin(writer.turn());
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    writer.abort();
    drop(lease);
    drop(waiting);
    assert!(gone(&store), "it was given up before it knew");
}

/// A write that is refused by the cap may be what an abort met.
#[test]
fn an_abort_is_heard_when_a_refused_write_is_under_way() {
    let config = SpillConfig { backend: SpillBackend::Memory, cap_bytes: Some(5), ..SpillConfig::default() };
    let store = SpillStore::new(&Session::new(Settings::default()).unwrap(), &config).unwrap();
    for round in 0..100 {
        let writer = begin(&store);
        write(&writer, b"abc", 0).unwrap();
        let aborted = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut refused = 0_u32;
                while !aborted.load(Ordering::Relaxed) {
                    refused += u32::from(writer.buffer(b"defg").is_err());
                }
                refused
            });
            scope.spawn(|| {
                writer.abort();
                aborted.store(true, Ordering::Relaxed);
            });
        });
        assert_eq!((store.used_bytes(), store.stats().open_writers), (0, 0), "round {round}");
    }
}

#[test]
fn an_abort_of_an_idle_writer_is_at_once() {
    let store = memory();
    let writer = begin(&store);
    write(&writer, b"abc", 0).unwrap();
    writer.abort();
    writer.abort();
    assert_eq!((store.used_bytes(), store.stats().open_writers), (0, 0));
    let spilled = begin(&store);
    write(&spilled, b"abc", 0).unwrap();
    let spill = finish(&spilled, 0).unwrap();
    spilled.abort();
    assert_eq!(contents(&spill), b"abc", "what is finished cannot be aborted");
}

#[test]
fn each_kind_takes_its_own() {
    let store = memory();
    let batch = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    let batches = BatchSpillWriter::new(store.begin(SpillOptions::default()).unwrap(), batch.schema_ref(), Compression::None).unwrap();
    let (batches, bytes): (SharedWriter, _) = (batches.into(), begin(&store));
    assert!(!batches.buffer(b"abc").unwrap());
    assert_eq!(write(&batches, b"abc", 0).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let write_batch = |writer: &SharedWriter| block_on(async { writer.turn().await?.write_batch(&batch).await }, 0);
    assert_eq!(write_batch(&bytes).unwrap_err().kind(), ErrorKind::InvalidArgument);
    write_batch(&batches).unwrap();
    assert_eq!((bytes.len(), batches.len()), (0, store.used_bytes()));
    let mut begun = store.begin(SpillOptions::default()).unwrap();
    assert!(begun.buffer(b"bytes before").unwrap());
    let error = BatchSpillWriter::new(begun, batch.schema_ref(), Compression::None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}
