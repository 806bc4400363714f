//! The libraries that the built-in backend could stand on, side by side with it: what a hit costs by the number of threads, what an
//! entry takes, and what becomes of large values. Times are the thread's own, so that the figures of one library do not depend on what
//! else runs. They are in the documentation of `weir::cache::Builtin`'s module.

use std::sync::{Arc, Barrier};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use quick_cache::Weighter;
use weir::cache::{Builtin, CacheBackend, Key, Value};
use weir::env::block_on;

use crate::cache::{thread_time, walk};
use crate::report::{Report, Target, median};
use crate::{Options, alloc};

/// A library, as it would be used.
trait Engine: Sync {
    const NAME: &'static str;
    fn new(capacity: u64) -> Self;
    fn put(&self, key: &[u8], value: Value);
    fn hit(&self, key: &[u8]) -> bool;
    /// Does what it put off.
    fn settle(&self) {}
}

type Name = Arc<[u8]>;

struct Moka(moka::sync::Cache<Name, Value>);

impl Engine for Moka {
    const NAME: &'static str = "moka";

    fn new(capacity: u64) -> Self {
        let weigher = |key: &Name, value: &Value| u32::try_from(key.len() as u64 + value.size()).unwrap_or(u32::MAX);
        Self(moka::sync::Cache::builder().max_capacity(capacity).weigher(weigher).build())
    }

    fn put(&self, key: &[u8], value: Value) {
        self.0.insert(key.into(), value);
    }

    fn hit(&self, key: &[u8]) -> bool {
        std::hint::black_box(self.0.get(key)).is_some()
    }

    fn settle(&self) {
        self.0.run_pending_tasks();
    }
}

#[derive(Clone)]
struct Weight;

impl Weighter<Name, Value> for Weight {
    fn weight(&self, key: &Name, value: &Value) -> u64 {
        key.len() as u64 + value.size()
    }
}

struct Quick(quick_cache::sync::Cache<Name, Value, Weight>);

impl Engine for Quick {
    const NAME: &'static str = "quick_cache";

    fn new(capacity: u64) -> Self {
        Self(quick_cache::sync::Cache::with_weighter(1 << 20, capacity, Weight))
    }

    fn put(&self, key: &[u8], value: Value) {
        self.0.insert(key.into(), value);
    }

    fn hit(&self, key: &[u8]) -> bool {
        std::hint::black_box(self.0.get(key)).is_some()
    }
}

impl Engine for Builtin {
    const NAME: &'static str = "builtin";

    fn new(capacity: u64) -> Self {
        Self::new(capacity)
    }

    fn put(&self, key: &[u8], value: Value) {
        let size = value.size();
        block_on(self.insert(Key::new(b"", key, ""), value, size)).expect("an insertion");
    }

    fn hit(&self, key: &[u8]) -> bool {
        std::hint::black_box(self.get_now(Key::new(b"", key, ""))).is_some_and(|found| found.is_some())
    }
}

pub fn run(options: &Options, report: &mut Report) {
    measure::<Moka>(options, report);
    measure::<Quick>(options, report);
    measure::<Builtin>(options, report);
}

fn measure<E: Engine>(options: &Options, report: &mut Report) {
    hits::<E>(options, report);
    // Room for all: what the library adds.
    let count = options.count(1_000_000);
    let mut engine = None;
    let kept = alloc::bytes_kept_by(|| {
        let new = E::new(4 << 30);
        (0..count as u64).for_each(|n| new.put(&n.to_be_bytes(), Value::bytes([1; 100])));
        new.settle();
        engine = Some(new);
    });
    report.value(&format!("engines.{}.entry", E::NAME), kept as f64 / count as f64 - 108.0, "bytes", None, Target::None);
    drop(engine);
    large::<E>(report);
}

fn hits<E: Engine>(options: &Options, report: &mut Report) {
    const ENTRIES: usize = 1000;
    let (engine, count) = (E::new(256 << 20), options.count(400_000));
    let keys: Vec<[u8; 16]> = (0..ENTRIES).map(|n| (n as u128).to_be_bytes()).collect();
    keys.iter().for_each(|key| engine.put(key, Value::bytes([7; 100])));
    engine.settle();
    for threads in [1, 2, 4, 8, 16] {
        let barrier = Barrier::new(threads);
        let one = |offset: usize| {
            barrier.wait();
            let began = thread_time();
            for n in walk(ENTRIES).skip(offset * 97).take(count) {
                assert!(engine.hit(&keys[n]));
            }
            (thread_time() - began) / count as f64
        };
        let round = || {
            std::thread::scope(|scope| {
                let one = &one;
                let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(move || one(thread))).collect();
                median(handles.into_iter().map(|handle| handle.join().expect("a thread")).collect())
            })
        };
        round();
        let ns = median((0..options.rounds.min(3)).map(|_| round()).collect());
        report.value(&format!("engines.{}.hit.{threads}", E::NAME), ns, "ns", None, Target::None);
    }
}

/// 24 batches of 8 MiB where there is room for 31; and 24 slices of one batch of 8 MiB where there is room for two copies.
fn large<E: Engine>(report: &mut Report) {
    let batch = |first: i64| {
        let schema = Schema::new(vec![Field::new("n", DataType::Int64, false)]);
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + (1 << 20)));
        RecordBatch::try_new(Arc::new(schema), vec![values]).expect("a batch")
    };
    let held = |engine: &E| (0..24u64).filter(|n| engine.hit(&n.to_be_bytes())).count();
    let engine = E::new(256 << 20);
    (0..24u64).for_each(|n| engine.put(&n.to_be_bytes(), Value::batch(batch(n as i64))));
    engine.settle();
    report.value(&format!("engines.{}.large", E::NAME), held(&engine) as f64, "of 24", None, Target::None);
    let (engine, whole) = (E::new(18 << 20), batch(0));
    (0..24u64).for_each(|n| engine.put(&n.to_be_bytes(), Value::batch(whole.slice(n as usize, 1000))));
    engine.settle();
    report.value(&format!("engines.{}.shared", E::NAME), held(&engine) as f64, "of 24", None, Target::None);
}
