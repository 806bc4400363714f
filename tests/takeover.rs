//! How long a new writer needs to take a shard from one that never pauses, on a store where every request takes time.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use support::{Fault, FaultStore, Op, Sim};
use weir::env::Clock;
use weir::error::ErrorKind;
use weir::shard::ShardPath;
use weir::shard::manifest::ManifestOptions;
use weir::store::Store;
use weir::store::memory::MemoryBackend;
use weir::wal::{Appender, AppenderOptions, WalAppender};

const SHARD: &str = "00000000-0000-4000-8000-000000000001";
const LATENCY: Duration = Duration::from_millis(20);

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("value", DataType::Int64, false)]))
}

fn slow_store(sim: &Sim) -> Store {
    let clock = Arc::new(sim.clock());
    let faults = FaultStore::new(Arc::new(MemoryBackend::new(clock.clone())), clock);
    for op in [Op::Create, Op::Put, Op::Get, Op::Head, Op::List] {
        faults.on_every(op, "", Fault::Delay(LATENCY));
    }
    Store::new("slow://store", Arc::new(faults))
}

/// The successor needs several requests for each position that it finds taken, and the incumbent one for each that it takes: left
/// to themselves, the successor falls behind for ever. So a busy incumbent looks at the fence now and then.
// PITFALLS B1, B5
#[test]
fn a_busy_writer_lets_its_successor_in() {
    for seed in 0..20 {
        let sim = Sim::new(seed);
        let store = slow_store(&sim);
        let shard = ShardPath::new(SHARD).unwrap();
        let acked = Arc::new(Mutex::new(Vec::new()));
        sim.run(async {
            let (env, options) = (sim.env(), AppenderOptions::default());
            let incumbent = WalAppender::open(store.clone(), shard.clone(), &schema(), options, env).await.unwrap();
            let (process, of_incumbent) = (sim.process(), acked.clone());
            process.spawn(async move {
                loop {
                    let batch = RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(vec![1]))]).unwrap();
                    match incumbent.append(&[batch]).await {
                        Ok(position) => of_incumbent.lock().unwrap().push(position),
                        Err(error) => return assert_eq!(error.kind(), ErrorKind::Fenced, "{error}"),
                    }
                }
            });
            sim.clock().sleep(Duration::from_secs(1)).await;
            let began = sim.clock().now();
            let successor = Appender::open(store.clone(), shard.clone(), sim.env(), ManifestOptions::default()).await.unwrap();
            let took = sim.clock().now() - began;
            assert!(took < Duration::from_secs(5), "seed {seed}: a takeover took {took:?}");
            // Nothing is acknowledged after the sentinel.
            sim.clock().sleep(Duration::from_secs(1)).await;
            let newest = acked.lock().unwrap().last().copied();
            assert_eq!(newest, Some(successor.next_position() - 2), "seed {seed}");
        });
        assert_eq!(sim.tasks(), 0, "seed {seed}: the incumbent has ended");
    }
}
