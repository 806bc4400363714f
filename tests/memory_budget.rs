//! One limit over a session's memory: the cache yields, puts wait in order, whoever can makes room, and what waits is told.

mod cache_support;
mod log_support;
mod support;

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use cache_support::{Table, Wrong, builtin, key};
use log_support::*;
use support::now;
use weir::cache::{Cache, Value};
use weir::env::Clock;
use weir::error::ErrorKind;
use weir::memory::MemoryBudget;
use weir::runtime;
use weir::session::Session;
use weir::shard::ShardPath;
use weir::store::Settings;
use weir::wal::TailerOptions;
use weir::writer::{MemTableConfig, ShardWriter, Within, WriterConfig};

const SHARDS: [&str; 3] =
    ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002", "00000000-0000-4000-8000-000000000003"];

/// Puts stay queued until somebody wants their room: nothing else would have them written within the hour.
const LINGERING: WriterConfig = WriterConfig {
    durable: false,
    linger: Some(Duration::from_secs(3600)),
    max_buffer_bytes: 8 << 20,
    max_pending_bytes: 64 << 20,
    compression: weir::wal::entry::Compression::None,
    retry: weir::env::Retry { max_retries: 3, base_delay: Duration::from_millis(1) },
    manifest_probe_width: 2,
    trim_age: DAY,
    memtable: None,
};

fn writers(memory: &Arc<MemoryBudget>, count: usize) -> (World, Vec<Arc<ShardWriter>>) {
    let world = World::new(1);
    let store = world.store();
    let open = |index: usize| {
        let shard = ShardPath::new(SHARDS[index]).unwrap();
        let schema = schema();
        let within = Within { memory: Some(memory.clone()), cache: None };
        let opening = ShardWriter::open_within(store.clone(), shard, &schema, LINGERING, runtime::env(), within);
        Arc::new(weir::env::block_on(opening).unwrap())
    };
    let writers = (0..count).map(open).collect();
    (world, writers)
}

fn budget() -> Arc<MemoryBudget> {
    MemoryBudget::new(runtime::env().clock)
}

/// The bytes that a put of `rows` rows takes.
fn bytes(rows: i64) -> u64 {
    encoded_len(&batch(0..rows))
}

#[test]
fn what_is_queued_is_counted_and_goes() {
    let memory = budget();
    let (_world, writers) = writers(&memory, 2);
    writers[0].put(&batch(0..100), None).unwrap();
    writers[1].put(&batch(0..100), None).unwrap();
    assert_eq!((memory.usage().queues, memory.usage().limit), (2 * bytes(100), None));
    writers[0].flush(None).unwrap();
    assert_eq!(memory.usage().queues, bytes(100));
    // PITFALLS F2: what a writer held goes with it, whatever becomes of it.
    writers[1].abort();
    drop(writers);
    until("it is given back", || memory.usage().queues == 0);
}

/// PITFALLS F3: who waits has the others write what they would have kept for an hour.
#[test]
fn a_put_that_waits_has_the_others_make_room() {
    let memory = budget();
    memory.set_limit(Some(bytes(1000) * 3 / 2));
    let (_world, writers) = writers(&memory, 2);
    for round in 0..20 {
        let (first, second) = (&writers[round % 2], &writers[(round + 1) % 2]);
        first.put(&batch(0..1000), None).unwrap();
        second.put(&batch(0..1000), None).unwrap();
        assert!(memory.usage().queues <= bytes(1000) * 3 / 2, "the limit holds");
        second.flush(None).unwrap();
        first.flush(None).unwrap();
    }
    let usage = memory.usage();
    assert_eq!((usage.queues, usage.waiting, usage.waiting_bytes), (0, 0, 0));
    assert!(usage.waits >= 20, "{}", usage.waits);
}

/// What waits, for what, and how long.
#[test]
fn pressure_is_told() {
    let memory = budget();
    memory.set_limit(Some(bytes(1000) * 3 / 2));
    let (world, writers) = writers(&memory, 2);
    let gate = support::Gate::default();
    world.faults.on_every(support::Op::Create, "/wal/", support::Fault::Before(gate.hook()));
    writers[0].put(&batch(0..1000), None).unwrap();
    let error = writers[1].put(&batch(0..1000), Some(Duration::ZERO)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backpressure);
    assert_eq!(error.detail_u64("session_limit_bytes"), memory.usage().limit);
    assert_eq!(error.detail_u64("session_queued_bytes"), Some(bytes(1000)));
    assert_eq!(memory.usage().waiting, 0, "nobody waits for that one");
    let (send, receive) = mpsc::channel();
    let writer = writers[1].clone();
    let thread = std::thread::spawn(move || send.send(writer.put(&batch(0..1000), None).map(drop)).unwrap());
    until("the put waits", || memory.usage().waiting == 1);
    let waiting = memory.waiting();
    assert!(waiting[0].who.contains(SHARDS[1]) && waiting[0].bytes == bytes(1000), "{waiting:?}");
    assert_eq!(memory.usage().waiting_bytes, bytes(1000));
    assert!(memory.usage().longest_wait >= waiting[0].waited);
    gate.open();
    receive.recv().unwrap().unwrap();
    thread.join().unwrap();
    assert_eq!((memory.usage().waiting, memory.usage().waits), (0, 1));
    assert!(memory.usage().waited > Duration::ZERO);
    drop(writers);
}

/// PITFALLS F4, F7: closing, and a deadline, end the wait and leave nothing behind.
#[test]
fn a_wait_that_ends_otherwise_leaves_nothing() {
    let memory = budget();
    memory.set_limit(Some(bytes(1000) * 3 / 2));
    let (world, writers) = writers(&memory, 3);
    let gate = support::Gate::default();
    world.faults.on_every(support::Op::Create, "/wal/", support::Fault::Before(gate.hook()));
    writers[0].put(&batch(0..1000), None).unwrap();
    let error = writers[1].put(&batch(0..1000), Some(Duration::from_millis(5))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backpressure);
    assert_eq!(memory.usage().waiting, 0);
    let writer = writers[2].clone();
    let thread = std::thread::spawn(move || writer.put(&batch(0..1000), None).map(drop));
    until("the put waits", || memory.usage().waiting == 1);
    writers[2].abort();
    assert_eq!(thread.join().unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(memory.usage().waiting, 0);
    gate.open();
}

/// No limit is too small to make progress.
#[test]
fn a_put_larger_than_the_limit_is_admitted_alone() {
    let memory = budget();
    memory.set_limit(Some(1));
    let (_world, writers) = writers(&memory, 2);
    for n in 0..6 {
        writers[n % 2].put(&batch(0..1000), None).unwrap();
        assert_eq!(memory.usage().queues, bytes(1000), "one at a time");
    }
    for writer in &writers {
        writer.flush(None).unwrap();
    }
}

/// The cache gets what the others leave, and gets it back.
#[test]
fn the_cache_yields() {
    const LIMIT: u64 = 16 << 20;
    let cache = builtin(64 << 20);
    let session = limited(LIMIT, &cache);
    let memory = session.memory();
    let held = || memory.usage().cache.unwrap();
    let fill = || {
        for n in 0..40 {
            insert(&cache, n);
            let usage = memory.usage();
            assert!(usage.limit.is_none() || held() + usage.queues <= LIMIT, "{usage:?}");
        }
    };
    fill();
    assert!(held() > LIMIT * 3 / 4);
    let (_world, writers) = writers(memory, 1);
    writers[0].put(&batch(0..300_000), None).unwrap();
    let usage = memory.usage();
    assert!(usage.queues > 4 << 20 && usage.waits == 0, "nobody waited: {usage:?}");
    assert!(held() + usage.queues <= LIMIT && held() > 0, "{usage:?}");
    fill();
    assert!(held() < LIMIT - (4 << 20));
    writers[0].flush(None).unwrap();
    fill();
    assert!(held() > LIMIT * 3 / 4, "{:?}", memory.usage());
    memory.set_limit(None);
    fill();
    assert!(held() > 38 << 20);
}

/// A session whose memory is limited to `bytes`, with `cache`.
fn limited(bytes: u64, cache: &Cache) -> Arc<Session> {
    Session::builder().with_memory_limit(bytes).with_cache(cache.clone()).build().unwrap()
}

/// Has `cache` hold a megabyte under `n`.
fn insert(cache: &Cache, n: u64) {
    now(cache.insert(key("p", &n.to_string()), Value::bytes(vec![1; 1 << 20]))).unwrap();
}

/// What `cache` holds, filled with as much as it takes, in megabytes.
fn filled(cache: &Cache) -> u64 {
    (0..40).for_each(|n| insert(cache, n));
    cache.approx_size_bytes().unwrap() >> 20
}

/// Sessions that share a cache limit it together, each for as long as it is there.
#[test]
fn a_limit_ends_with_its_session() {
    let cache = builtin(64 << 20);
    let (wide, narrow) = (limited(24 << 20, &cache), limited(8 << 20, &cache));
    assert!((4..=8).contains(&filled(&cache)), "the least of two");
    // What the one with the wider limit does leaves the other's as it is.
    wide.memory().set_limit(Some(16 << 20));
    wide.memory().set_limit(Some(30 << 20));
    assert!((4..=8).contains(&filled(&cache)));
    drop(narrow);
    assert!((20..=30).contains(&filled(&cache)));
    wide.memory().set_limit(None);
    assert!(filled(&cache) >= 38);
    wide.memory().set_limit(Some(8 << 20));
    assert!(filled(&cache) <= 8);
    drop(wide);
    assert!(filled(&cache) >= 38, "as it was before there was a session");
}

/// Budgets that press one cache at the same time leave it with the least limit, and with all of it in the end.
#[test]
fn limits_set_at_once_do_not_undo_each_other() {
    let cache = builtin(64 << 20);
    let sessions: Vec<_> = (0..3).map(|_| limited(32 << 20, &cache)).collect();
    for round in 0..50 {
        std::thread::scope(|scope| {
            for (n, session) in (1_u64..).zip(&sessions) {
                scope.spawn(move || {
                    session.memory().set_limit(Some((1 + round % 7) << 20));
                    session.memory().set_limit(Some((4 * n) << 20));
                });
            }
        });
        insert(&cache, round);
        (0..8).for_each(|n| insert(&cache, n));
        assert!((2..=4).contains(&(cache.approx_size_bytes().unwrap() >> 20)), "{round}");
    }
    drop(sessions);
    assert!(filled(&cache) >= 38);
}

/// What is not known is not said to be nothing.
#[test]
fn a_cache_that_cannot_tell_is_unknown() {
    let cache = Cache::new(Table::new(Wrong::Nothing), runtime::env().clock, None);
    let session = Session::builder().with_cache(cache.clone()).build().unwrap();
    now(cache.insert(key("p", "k"), Value::bytes(vec![1; 1000]))).unwrap();
    assert_eq!(session.memory().usage().cache, None);
    assert!(!session.metrics().prometheus().contains("weir_memory_bytes{use=\"cache\"}"));
    assert_eq!(Session::new(Settings::default()).unwrap().memory().usage().cache, Some(0), "there is none");
}

/// What tailers have read ahead is counted, and gone with them.
#[test]
fn what_is_read_ahead_is_counted() {
    let world = World::new(3);
    let memory = MemoryBudget::new(Arc::new(world.sim.clock()));
    world.sim.run(async {
        log_of(&world, 40).await;
        let tailer = world.tailer(TailerOptions { from: 1, ..TailerOptions::default() }).with_memory(&memory);
        for _ in 0..5 {
            tailer.next().await.unwrap().unwrap();
        }
        world.sim.run_ready();
        world.sim.clock().sleep(Duration::from_secs(1)).await;
        let ahead = memory.usage().read_ahead;
        assert!(ahead > 1000, "{ahead}");
        tailer.seek(1);
        tailer.next().await.unwrap().unwrap();
        drop(tailer);
        world.sim.run_ready();
    });
    assert_eq!(memory.usage().read_ahead, 0);
}

/// The figures are in the session's metrics.
#[test]
fn memory_and_cache_are_in_the_metrics() {
    let session = Session::new(Settings::default()).unwrap();
    assert!(!session.metrics().prometheus().contains("weir_cache_"), "there is none yet");
    session.memory().set_limit(Some(1 << 20));
    let cache = session.cache();
    now(cache.insert(key("p", "k"), Value::bytes(vec![1; 1000]))).unwrap();
    now(cache.get(key("p", "k"))).unwrap();
    assert!(now(cache.get(key("p", "x"))).is_none());
    now(cache.get_or_insert(key("p", "y"), async { Ok(Value::bytes(vec![1])) })).unwrap();
    let text = session.metrics().prometheus();
    for line in [
        "weir_cache_requests_total{result=\"hit\"} 1\n",
        "weir_cache_requests_total{result=\"miss\"} 2\n",
        "weir_cache_loads_total{outcome=\"ok\"} 1\n",
        "weir_cache_entries 2\n",
        "weir_cache_inserts_total 2\n",
        "weir_memory_limit_bytes 1048576\n",
        "weir_memory_bytes{use=\"queues\"} 0\n",
        "weir_memory_bytes{use=\"tables\"} 0\n",
        "weir_memory_bytes{use=\"read_ahead\"} 0\n",
        "weir_memory_waiting 0\n",
        "weir_memory_waited_seconds_total 0\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(text.contains(&format!("weir_memory_bytes{{use=\"cache\"}} {}\n", cache.approx_size_bytes().unwrap())));
    assert!(session.cache().is(&cache), "one and the same");
}

/// Tables are told of as what they are, and so is the time that puts waited.
#[test]
fn tables_and_waits_are_in_the_metrics() {
    let session = Session::new(Settings::default()).unwrap();
    let figure = |name: &str| {
        let text = session.metrics().prometheus();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name} is not in\n{text}"));
        line.trim().parse::<f64>().unwrap()
    };
    let open = |memtable: Option<MemTableConfig>, index: usize| {
        let store = session.store(&format!("memory://{}", uuid::Uuid::new_v4().simple()), true).unwrap();
        let within = Within { memory: Some(session.memory().clone()), cache: None };
        let config = WriterConfig { memtable, ..LINGERING };
        let shard = ShardPath::new(SHARDS[index]).unwrap();
        weir::env::block_on(ShardWriter::open_within(store, shard, &schema(), config, runtime::env(), within)).unwrap()
    };
    let writer = open(Some(MemTableConfig::default()), 0);
    writer.put(&batch(0..100), None).unwrap();
    writer.flush(None).unwrap();
    assert_eq!(figure("weir_memory_bytes{use=\"tables\"}") as u64, writer.memory().active);
    assert!(writer.memory().active > 0);
    // A put that finds no room waits, and has the table flushed.
    session.memory().set_limit(Some(1));
    open(None, 1).put(&batch(0..100), None).unwrap();
    assert!(figure("weir_memory_waits_total") >= 1.0);
    assert_eq!(figure("weir_memory_waited_seconds_total"), session.memory().usage().waited.as_secs_f64());
    assert!(figure("weir_memory_waited_seconds_total") > 0.0);
}
