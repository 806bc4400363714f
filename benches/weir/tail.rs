//! Tailing: large and small entries on a local disk, and small ones on a store where each request takes long.

use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;

use crate::abi::{Appender, SHARD, Session, Tailer, export};
use crate::report::{Report, Target, median};
use crate::{Options, data, raw};

pub fn run(options: &Options, report: &mut Report) {
    large(options, report);
    small(options, report);
    slow(options, report);
}

/// Writes `count` entries of `batch` and returns their files.
fn write(options: &Options, session: &Session, name: &str, batch: &RecordBatch, count: usize) -> (String, Vec<PathBuf>) {
    let root = options.dir.join(name);
    let text = root.to_string_lossy().into_owned();
    let appender = Appender::open(session, &text, &data::schema(), false);
    (0..count).for_each(|_| appender.append(export(batch)));
    appender.close();
    (text, raw::entries(&root, SHARD))
}

fn large(options: &Options, report: &mut Report) {
    let count = options.count(200);
    let session = Session::new(&[]);
    let (root, files) = write(options, &session, "tail-large", &data::large(), count);
    let (mut ours, mut limits) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let began = Instant::now();
        let volume = raw::reads(&files) as f64 / 1e6;
        limits.push(volume / began.elapsed().as_secs_f64());
        let tailer = Tailer::open(&session, &root, |_| {});
        let began = Instant::now();
        assert_eq!(tailer.drain(), count);
        ours.push(volume / began.elapsed().as_secs_f64());
    }
    report.ratio("tail.large", median(ours), "MB/s", median(limits), Target::AtLeast(0.8));
}

fn small(options: &Options, report: &mut Report) {
    let count = options.count(2000);
    let session = Session::new(&[]);
    let (root, files) = write(options, &session, "tail-small", &data::small(), count);
    let (mut ours, mut limits) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let began = Instant::now();
        for path in &files {
            let bytes = std::fs::read(path).expect("an entry");
            let reader = StreamReader::try_new(bytes.as_slice(), None).expect("a stream");
            for batch in reader {
                std::hint::black_box(batch.expect("a batch"));
            }
        }
        limits.push(count as f64 / began.elapsed().as_secs_f64());
        let tailer = Tailer::open(&session, &root, |_| {});
        let began = Instant::now();
        assert_eq!(tailer.drain(), count);
        ours.push(count as f64 / began.elapsed().as_secs_f64());
    }
    report.ratio("tail.small.local", median(ours), "1/s", median(limits), Target::AtLeast(0.8));
    // For information: the files alone, without decoding.
    let began = Instant::now();
    for path in &files {
        std::hint::black_box(File::open(path).and_then(|mut file| std::io::copy(&mut file, &mut std::io::sink())).expect("a read"));
    }
    report.value("tail.small.read", count as f64 / began.elapsed().as_secs_f64(), "1/s", None, Target::None);
}

/// With 20 ms per request, many entries at once against one at a time.
fn slow(options: &Options, report: &mut Report) {
    let (count, singly) = (options.count(2000), options.count(100));
    let (root, _) = write(options, &Session::new(&[]), "tail-slow", &data::small(), count);
    // A session for each: another's cache would have the entries.
    let session = || Session::new(&[("weir_simulated_latency_ms", "20")]);
    let (mut ours, mut limits) = (Vec::new(), Vec::new());
    // Latency rules here: few rounds tell as much.
    for _ in 0..options.rounds.min(3) {
        let own = session();
        let tailer = Tailer::open(&own, &root, |o| o.prefetch_entries = 1);
        let began = Instant::now();
        for _ in 0..singly {
            assert!(tailer.next());
        }
        limits.push(singly as f64 / began.elapsed().as_secs_f64());
        let own = session();
        let tailer = Tailer::open(&own, &root, |_| {});
        let began = Instant::now();
        assert_eq!(tailer.drain(), count);
        ours.push(count as f64 / began.elapsed().as_secs_f64());
    }
    report.ratio("tail.small.slow", median(ours), "1/s", median(limits), Target::AtLeast(8.0));
}
