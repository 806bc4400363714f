//! MemTables by themselves: rows that are taken in with their key's index, and gets, on one thread, without a log or the C ABI.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, BinaryArray, Float64Array, Int64Array, RecordBatch, StringArray};
use weir::memtable::{Buffers, Limits, Lookup, MemTable, TableSpec, Visibility};

use crate::Options;
use crate::report::{Report, Target, median};

/// About 100 bytes a row: an integer, a float, a text of 16 bytes that is the key, and 56 bytes.
pub fn batch(from: usize, rows: usize) -> RecordBatch {
    let numbers = || (from..from + rows).map(|n| n as u64);
    let columns: [(&str, ArrayRef, bool); 4] = [
        ("id", Arc::new(Int64Array::from_iter_values(numbers().map(|n| n as i64))), false),
        ("value", Arc::new(Float64Array::from_iter(numbers().map(|n| (n % 7 != 0).then_some(n as f64)))), true),
        ("key", Arc::new(StringArray::from_iter_values(numbers().map(text))), false),
        ("payload", Arc::new(BinaryArray::from_iter_values(numbers().map(|n| [n as u8; 56]))), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
}

/// The key of a row: all different, in no order.
pub fn text(n: u64) -> String {
    format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn spec(key: &str) -> Arc<TableSpec> {
    let limits = Limits { max_bytes: 4 << 30, ..Limits::default() };
    TableSpec::new(batch(0, 1).schema_ref(), Some(&[key.to_owned()]), &[], limits).expect("a spec")
}

fn fill(spec: &Arc<TableSpec>, batches: &[RecordBatch], buffers: Buffers) -> Arc<MemTable> {
    let table = MemTable::new(Arc::clone(spec), 1, 0, Visibility::Indexed);
    for batch in batches {
        let prepared = spec.put(batch, buffers).expect("rows of the schema");
        table.insert(prepared).expect("no bug").expect("room");
    }
    table
}

pub fn run(options: &Options, report: &mut Report) {
    let rows = options.count(1_000_000);
    for each in [20, 1000] {
        let batches: Vec<_> = (0..rows / each).map(|n| batch(n * each, each)).collect();
        let rows = batches.len() * each;
        // Beside it: a plain hash map that copies the encoded keys.
        let limit = median((0..options.rounds).map(|_| plain(&batches)).collect());
        for (name, key, buffers) in [("text", "key", Buffers::Own), ("text-copied", "key", Buffers::Foreign), ("int64", "id", Buffers::Own)]
        {
            let spec = spec(key);
            let mut speeds = Vec::new();
            for _ in 0..options.rounds {
                let began = Instant::now();
                let table = fill(&spec, &batches, buffers);
                speeds.push(rows as f64 / began.elapsed().as_secs_f64());
                drop(table);
            }
            report.value(&format!("memtable.ingest.{name}.{each}"), median(speeds), "rows/s", Some(limit), Target::AtLeast(1e6));
        }
        if each == 20 {
            gets(options, report, &batches);
        }
    }
}

fn plain(batches: &[RecordBatch]) -> f64 {
    let encoder = spec("key").key().expect("a key").clone();
    let (mut map, mut rows) = (HashMap::new(), 0_u64);
    let began = Instant::now();
    for batch in batches {
        for key in encoder.encode(batch).expect("keys").iter() {
            map.insert(key.to_vec(), rows);
            rows += 1;
        }
    }
    rows as f64 / began.elapsed().as_secs_f64()
}

fn gets(options: &Options, report: &mut Report, batches: &[RecordBatch]) {
    let spec = spec("key");
    let table = fill(&spec, batches, Buffers::Own);
    let count = options.count(500_000);
    let keys = |from: u64, to: u64| -> Vec<Vec<u8>> {
        let names = StringArray::from_iter_values((0..count as u64).map(|n| text(from + n.wrapping_mul(7_919_777) % (to - from))));
        let keys = spec.key().expect("a key").encode_arrays(&[Arc::new(names)]).expect("keys");
        keys.iter().map(<[u8]>::to_vec).collect()
    };
    let rows = table.num_rows();
    for (name, keys, there) in [("hit", keys(0, rows), true), ("miss", keys(rows, 2 * rows), false)] {
        let mut times = Vec::new();
        for _ in 0..options.rounds {
            let began = Instant::now();
            let mut found = 0;
            for key in &keys {
                // With a snapshot of its own, as a get through a handle has.
                let snapshot = table.snapshot();
                match snapshot.get(key) {
                    Lookup::Found(row) => found += row.index(),
                    Lookup::Missing if !there => found += 1,
                    other => panic!("{other:?}"),
                }
            }
            std::hint::black_box(found);
            times.push(began.elapsed().as_secs_f64() * 1e6 / keys.len() as f64);
        }
        report.value(&format!("memtable.get.{name}"), median(times), "us", None, Target::AtMost(1.0));
    }
    let per_row = table.memory_bytes() as f64 / rows as f64;
    report.value("memtable.bytes", per_row, "B/row", Some(100.0), Target::None);
}
