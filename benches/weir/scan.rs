//! Reads of a view by themselves: gets from a table and over generations, scans of generations, on one thread, without the C ABI.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, FixedSizeBinaryArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_ipc::reader::FileReader;
use weir::cache::Cache;
use weir::env::{Retry, block_on};
use weir::generation::{DATA, DataOptions, TableInput, encode};
use weir::memtable::{Buffers, Limits, MemTable, TableSpec, Visibility};
use weir::runtime;
use weir::scan::{GenerationHandle, GenerationList, ScanRequest, View};
use weir::shard::ShardPath;
use weir::store::Store;
use weir::store::local::{LocalBackend, LocalOptions};

use crate::Options;
use crate::report::{Report, Target, median};

const SHARD: &str = "00000000-0000-4000-8000-00000000000d";
/// Rows of one put.
const PUT: usize = 1000;

/// Four columns, about 64 bytes a row; the key's texts are in no order.
fn batch(numbers: impl Iterator<Item = u64> + Clone) -> RecordBatch {
    let hashes = FixedSizeBinaryArray::try_from_iter(numbers.clone().map(|n| [n as u8; 32])).expect("hashes of one size");
    let columns: [(&str, ArrayRef, bool); 4] = [
        ("id", Arc::new(Int64Array::from_iter_values(numbers.clone().map(|n| n as i64))), false),
        ("value", Arc::new(Float64Array::from_iter(numbers.clone().map(|n| (n % 7 != 0).then_some(n as f64)))), true),
        ("hash", Arc::new(hashes), false),
        ("key", Arc::new(StringArray::from_iter_values(numbers.map(text))), false),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
}

fn text(n: u64) -> String {
    format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn spec() -> Arc<TableSpec> {
    let limits = Limits { max_bytes: 4 << 30, ..Limits::default() };
    TableSpec::new(batch(0..1).schema_ref(), Some(&["key".to_owned()]), &[], limits).expect("a spec")
}

fn table(spec: &Arc<TableSpec>, generation: u64, numbers: &[u64]) -> Arc<MemTable> {
    let table = MemTable::new(Arc::clone(spec), generation, 0, Visibility::Indexed);
    for numbers in numbers.chunks(PUT) {
        let prepared = spec.put(&batch(numbers.iter().copied()), Buffers::Own).expect("rows of the schema");
        table.insert(prepared).expect("no bug").expect("room");
    }
    table
}

/// Generations of the numbers given, the oldest first, on the disk to be measured.
struct Shard {
    store: Store,
    spec: Arc<TableSpec>,
    cache: Option<Cache>,
    handles: Vec<Arc<GenerationHandle>>,
}

impl Shard {
    fn new(dir: &Path, cache: Option<u64>, generations: &[Vec<u64>]) -> Self {
        let local = LocalBackend::new(dir, LocalOptions { fsync: false, ..LocalOptions::default() });
        let store = Store::new(format!("file://{}", dir.display()), Arc::new(local));
        let cache = cache.map(|bytes| Cache::builtin(bytes, runtime::env().clock));
        let mut shard = Self { store, spec: spec(), cache, handles: Vec::new() };
        for (at, numbers) in generations.iter().enumerate() {
            shard.flush(at as u64 + 1, numbers);
        }
        shard
    }

    fn flush(&mut self, generation: u64, numbers: &[u64]) {
        let table = table(&self.spec, generation, numbers);
        let input = TableInput {
            generation,
            schema: Arc::clone(self.spec.stored_schema()),
            key: self.spec.key().map(|key| key.spec().clone()),
            batches: table.snapshot().batches().map(|some| some.batch).collect(),
            secondary: Vec::new(),
            in_memory_bytes: table.memory_bytes(),
        };
        let path = ShardPath::new(SHARD).expect("a shard");
        let encoded = encode(input, &DataOptions::default()).expect("a generation");
        let written = block_on(encoded.store(&self.store, &path, &runtime::env(), Retry::default())).expect("it is stored");
        self.handles.push(GenerationHandle::new(self.store.clone(), path, written.table, self.cache.clone()));
    }

    fn view(&self) -> View {
        View::new(Arc::clone(&self.spec), Vec::new(), Arc::new(GenerationList::new(self.handles.clone())))
    }

    /// Reads the same files as anybody would.
    fn plain(&self, dir: &Path) -> usize {
        let mut rows = 0;
        for handle in &self.handles {
            let shard = ShardPath::new(SHARD).expect("a shard");
            let file = dir.join(shard.dir()).join(&handle.table().path).join(DATA);
            let file = std::fs::File::open(file).expect("the file");
            rows += FileReader::try_new_buffered(file, None)
                .expect("a file of Arrow's")
                .map(|batch| batch.expect("rows").num_rows())
                .sum::<usize>();
        }
        rows
    }
}

pub fn run(options: &Options, report: &mut Report) {
    gets(options, report);
    scans(options, report);
}

/// Keys of what is there, in no order, `each` at a time.
fn keys(count: usize, each: usize, rows: u64) -> Vec<RecordBatch> {
    let keys = |at: usize| {
        let names = (0..each).map(|n| text((at * each + n) as u64 * 7_919_777 % rows));
        RecordBatch::try_from_iter([("key", Arc::new(StringArray::from_iter_values(names)) as ArrayRef)]).expect("keys")
    };
    (0..count).map(keys).collect()
}

/// Microseconds for each key.
fn time(options: &Options, view: &View, keys: &[RecordBatch]) -> f64 {
    let each = keys[0].num_rows();
    let times = (0..options.rounds).map(|_| {
        let began = Instant::now();
        for keys in keys {
            let got = block_on(view.get(keys, None)).expect("a get");
            assert_eq!(got.rows.num_rows(), each);
        }
        began.elapsed().as_secs_f64() * 1e6 / (keys.len() * each) as f64
    });
    median(times.collect())
}

fn gets(options: &Options, report: &mut Report) {
    let rows = options.count(200_000) as u64;
    let all: Vec<u64> = (0..rows).collect();
    let spec = spec();
    let table = table(&spec, 1, &all);
    let view = View::new(spec, vec![table.snapshot()], Arc::default());
    let single = keys(options.count(20_000), 1, rows);
    let memory = time(options, &view, &single);
    report.value("scan.get.1", memory, "us", None, Target::AtMost(1.5));
    let many = keys(options.count(100), 1000, rows);
    report.ratio("scan.get.batch", time(options, &view, &many), "us", memory, Target::AtMost(0.2));

    let parts: Vec<Vec<u64>> = (0..20).map(|part| all.iter().copied().filter(|n| n % 20 == part).collect()).collect();
    let dir = options.dir.join("scan-get");
    let shard = Shard::new(&dir, Some(1 << 30), &parts);
    let view = shard.view();
    for keys in &many {
        block_on(view.get(keys, None)).expect("a get that fills the cache");
    }
    single.iter().for_each(|keys| _ = block_on(view.get(keys, None)).expect("a get"));
    report.ratio("scan.get.20gen", time(options, &view, &single), "us", memory, Target::AtMost(5.0));
    report.ratio("scan.get.20gen.batch", time(options, &view, &many), "us", memory, Target::None);
}

fn scans(options: &Options, report: &mut Report) {
    let rows = options.count(1_000_000) as u64;
    let part = |from: u64, to: u64| (from..to).collect::<Vec<u64>>();
    let quarter = rows / 4;
    let apart: Vec<_> = (0..4).map(|at| part(at * quarter, (at + 1) * quarter)).collect();
    let twice: Vec<_> = (0..4).map(|at| part(at % 2 * quarter, (at % 2 + 1) * quarter)).collect();
    let within: Vec<_> = (0..4)
        .map(|at| [part(at * quarter, at * quarter + quarter / 2), part(at * quarter, at * quarter + quarter / 2)].concat())
        .collect();
    for (name, parts, given, target) in [("unique", apart, rows, 0.7), ("dup", twice, rows / 2, 0.4), ("dup.within", within, rows / 2, 0.4)]
    {
        let dir = options.dir.join(format!("scan-{name}"));
        let shard = Shard::new(&dir, None, &parts);
        let view = shard.view();
        let scan = || {
            let mut stream = view.scan(ScanRequest::default()).expect("a scan");
            let mut found = 0;
            while let Some(batch) = block_on(stream.next()).expect("rows") {
                found += batch.num_rows() as u64;
            }
            assert_eq!(found, given);
        };
        let began = Instant::now();
        scan();
        report.value(&format!("scan.{name}.first"), began.elapsed().as_secs_f64() * 1e3, "ms", None, Target::None);
        let (mut ours, mut plain) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            let began = Instant::now();
            assert_eq!(shard.plain(&dir) as u64, rows);
            plain.push(rows as f64 / began.elapsed().as_secs_f64());
            let began = Instant::now();
            scan();
            ours.push(rows as f64 / began.elapsed().as_secs_f64());
        }
        report.ratio(&format!("scan.{name}"), median(ours), "rows/s", median(plain), Target::AtLeast(target));
    }
}
