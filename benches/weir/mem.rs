//! MemTable mode through the C ABI: puts, sustained ingest, gets from memory and from generations, scans, and opening with rows to replay.

use std::ffi::{CString, c_char, c_void};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_data::ffi::FFI_ArrowArray;
use arrow_ipc::reader::FileReader;
use weir::ffi::writer_open::WeirWriterOptions;

use crate::abi::{SHARD, Session, Tailer, Writer, export};
use crate::memtable::{batch, text};
use crate::report::{Report, Target, median};
use crate::{Options, data};

pub fn run(options: &Options, report: &mut Report) {
    let suites: [(&str, crate::Suite); 5] =
        [("mem.put.durable", durable), ("mem.ingest", ingest), ("mem.get", gets), ("mem.scan", scans), ("mem.replay", replays)];
    for (name, run) in suites {
        if options.wants_figure(name) {
            run(options, report);
        }
    }
}

/// Opens a writer of `shard` in MemTable mode with the key `key`.
fn keyed(session: &Session, root: &Path, schema: &RecordBatch, key: &str, set: impl FnOnce(&mut WeirWriterOptions)) -> Writer {
    let key = CString::new(key).expect("no NUL inside");
    let names: [*const c_char; 1] = [key.as_ptr()];
    Writer::open(session, &root.to_string_lossy(), schema.schema_ref(), |o| {
        o.enable_memtable = 1;
        o.compaction = 0;
        (o.primary_key, o.primary_key_len) = (names.as_ptr(), 1);
        set(o);
    })
}

/// Microseconds.
fn micros(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e6
}

/// Durable puts of 20 rows by one caller, with a primary key and tables, against the log alone, in turns.
fn durable(options: &Options, report: &mut Report) {
    let count = options.count(300);
    let session = Session::new(&[]);
    let batch = data::small();
    let (mut ours, mut limits) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        let plain = Writer::open(&session, &options.dir.join(format!("mem-plain-{round}")).to_string_lossy(), &data::schema(), |_| {});
        let tables = keyed(&session, &options.dir.join(format!("mem-keyed-{round}")), &batch, "key", |_| {});
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..count {
            for (writer, times) in [(&plain, &mut without), (&tables, &mut with)] {
                let array = export(&batch);
                let began = Instant::now();
                writer.put(array);
                times.push(micros(began));
            }
        }
        ours.push(median(with));
        limits.push(median(without));
    }
    report.ratio("mem.put.durable", median(ours), "us", median(limits), Target::AtMost(1.5));
}

/// Rows per second that go in while tables are flushed behind, until all of them are in generations.
fn ingest(options: &Options, report: &mut Report) {
    const ROWS: usize = 1000;
    let batches: Vec<_> = (0..options.count(3_000)).map(|n| batch(n * ROWS, ROWS)).collect();
    let session = Session::new(&[]);
    let mut speeds = Vec::new();
    for round in 0..options.rounds.min(3) {
        let root = options.dir.join(format!("mem-ingest-{round}"));
        let writer = keyed(&session, &root, &batches[0], "key", |o| {
            o.durable = 0;
            o.max_memtable_bytes = 64 << 20;
            o.max_unflushed_bytes = 256 << 20;
        });
        let arrays: Vec<FFI_ArrowArray> = batches.iter().map(export).collect();
        let began = Instant::now();
        arrays.into_iter().for_each(|array| writer.put(array));
        let put = began.elapsed();
        writer.flush_tables();
        speeds.push((batches.len() * ROWS) as f64 / began.elapsed().as_secs_f64());
        eprintln!("    put {:.2} s, flushed {:.2} s", put.as_secs_f64(), began.elapsed().as_secs_f64());
        drop(writer);
        let _ = std::fs::remove_dir_all(root);
    }
    report.value("mem.ingest.rows", median(speeds), "rows/s", None, Target::AtLeast(1e6));
}

/// A batch of keys as a C array.
fn keys(numbers: impl Iterator<Item = u64>) -> FFI_ArrowArray {
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(numbers.map(text)));
    export(&RecordBatch::try_from_iter([("key", names)]).expect("one column"))
}

/// The `n`-th of some numbers below `rows` in no order.
fn some(n: usize, rows: usize) -> u64 {
    ((n as u64).wrapping_mul(7_919_777) + 17) % rows as u64
}

/// One key as C programs have it: an array over memory of their own, whose release does nothing.
struct OneKey {
    buffers: [*const c_void; 3],
    none: [*const c_void; 1],
    offsets: [i32; 2],
    text: [u8; 16],
    column: CArray,
    children: [*mut CArray; 1],
}

/// `struct ArrowArray`.
#[repr(C)]
struct CArray {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *const *const c_void,
    children: *mut *mut CArray,
    dictionary: *mut CArray,
    release: Option<unsafe extern "C" fn(*mut CArray)>,
    private_data: *mut c_void,
}

unsafe extern "C" fn released(array: *mut CArray) {
    // SAFETY: weir's copy of the struct, which is given to be marked.
    unsafe { (*array).release = None };
}

impl CArray {
    fn over(buffers: &[*const c_void], children: &mut [*mut CArray]) -> Self {
        Self {
            length: 1,
            null_count: 0,
            offset: 0,
            n_buffers: buffers.len() as i64,
            n_children: children.len() as i64,
            buffers: buffers.as_ptr(),
            children: if children.is_empty() { null_mut() } else { children.as_mut_ptr() },
            dictionary: null_mut(),
            release: Some(released),
            private_data: null_mut(),
        }
    }
}

impl OneKey {
    fn new() -> Box<Self> {
        let empty = || CArray::over(&[], &mut []);
        let mut one = Box::new(Self {
            buffers: [null(); 3],
            none: [null()],
            offsets: [0, 16],
            text: [0; 16],
            column: empty(),
            children: [null_mut()],
        });
        one.buffers = [null(), one.offsets.as_ptr().cast(), one.text.as_ptr().cast()];
        one.children = [&raw mut one.column];
        one
    }

    /// The array of the key numbered `n`, valid until the next call.
    fn array(&mut self, text: &[u8]) -> FFI_ArrowArray {
        self.text.copy_from_slice(text);
        self.column = CArray::over(&self.buffers, &mut []);
        let array = CArray::over(&self.none, &mut self.children);
        const { assert!(size_of::<CArray>() == size_of::<FFI_ArrowArray>()) };
        // SAFETY: both are `struct ArrowArray`.
        unsafe { std::mem::transmute(array) }
    }
}

/// Microseconds of a get of one key.
fn one_key(writer: &Writer, count: usize, rows: usize) -> f64 {
    let names: Vec<String> = (0..count).map(|n| text(some(n, rows))).collect();
    let mut key = OneKey::new();
    let began = Instant::now();
    let found: usize = names.iter().map(|name| writer.get(key.array(name.as_bytes()))).sum();
    assert_eq!(found, count);
    micros(began) / count as f64
}

fn gets(options: &Options, report: &mut Report) {
    const GENERATIONS: usize = 20;
    let (rows, count) = (options.count(100_000) / 1000 * 1000, options.count(100_000));
    let session = Session::new(&[]);
    let schema = batch(0, 1);
    let open = |name: &str| keyed(&session, &options.dir.join(name), &schema, "key", |o| o.durable = 0);
    let (memory, flushed) = (open("mem-get"), open("mem-get-20"));
    for at in (0..rows).step_by(1000) {
        memory.put(export(&batch(at, 1000)));
        flushed.put(export(&batch(at, 1000)));
        if (at + 1000) % (rows / GENERATIONS / 1000 * 1000).max(1000) == 0 {
            flushed.flush_tables();
        }
    }
    flushed.flush_tables();
    one_key(&flushed, rows.min(200_000), rows);
    let (mut ones, mut twenties, mut manies) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        ones.push(one_key(&memory, count, rows));
        twenties.push(one_key(&flushed, count, rows));
        let arrays: Vec<_> = (0..count / 1000).map(|n| keys((0..1000).map(|key| some(n * 1000 + key, rows)))).collect();
        let (calls, began) = (arrays.len(), Instant::now());
        let found: usize = arrays.into_iter().map(|array| memory.get(array)).sum();
        assert_eq!(found, calls * 1000);
        manies.push(micros(began) / found as f64);
    }
    let (one, many) = (median(ones), median(manies));
    report.value("mem.get.1", one, "us", None, Target::AtMost(3.0));
    report.ratio("mem.get.20gen", median(twenties), "us", one, Target::AtMost(5.0));
    report.ratio("mem.get.batch", 1.0 / many, "keys/us", 1.0 / one, Target::AtLeast(5.0));
}

/// The data files of the generations below `root`.
fn data_files(root: &Path) -> Vec<PathBuf> {
    let shard = root.join("_mem_wal").join(SHARD);
    let dirs = std::fs::read_dir(shard).expect("a shard").map(|entry| entry.expect("an entry").path());
    dirs.map(|dir| dir.join("data.arrow")).filter(|file| file.exists()).collect()
}

/// Reads Arrow files as arrow-rs does; returns the rows.
fn read_plainly(files: &[PathBuf]) -> usize {
    let rows = |file: &PathBuf| -> usize {
        let reader = FileReader::try_new(File::open(file).expect("the file opens"), None).expect("an Arrow file");
        reader.map(|batch| std::hint::black_box(batch.expect("a batch")).num_rows()).sum()
    };
    files.iter().map(rows).sum()
}

fn scans(options: &Options, report: &mut Report) {
    let rows = options.count(1_000_000) / 1000 * 1000;
    for (name, distinct, target) in [("unique", rows, 0.7), ("dup", rows / 2, 0.4)] {
        let session = Session::new(&[]);
        let root = options.dir.join(format!("mem-scan-{name}"));
        let writer = keyed(&session, &root, &batch(0, 1), "key", |o| {
            o.durable = 0;
            o.max_memtable_bytes = 64 << 20;
        });
        for at in (0..rows).step_by(1000) {
            writer.put(export(&batch(at % distinct, 1000)));
        }
        writer.flush_tables();
        let files = data_files(&root);
        assert_eq!((read_plainly(&files), writer.scan()), (rows, distinct));
        let (mut ours, mut limits) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            let began = Instant::now();
            read_plainly(&files);
            limits.push(rows as f64 / began.elapsed().as_secs_f64());
            let began = Instant::now();
            writer.scan();
            // All rows that are read, also those that are hidden.
            ours.push(rows as f64 / began.elapsed().as_secs_f64());
        }
        report.ratio(&format!("mem.scan.{name}"), median(ours), "rows/s", median(limits), Target::AtLeast(target));
    }
}

/// Opening a shard whose rows are only in the log, against a tailer that reads and keeps the same entries.
fn replays(options: &Options, report: &mut Report) {
    for (name, entries, rows) in [("small", options.count(1000), 20), ("large", options.count(200), 10_000)] {
        let session = Session::new(&[]);
        let root = options.dir.join(format!("mem-replay-{name}"));
        let schema = batch(0, 1);
        let open = || keyed(&session, &root, &schema, "key", |o| o.fsync = 0);
        let writer = open();
        (0..entries).for_each(|n| writer.put(export(&batch(n * rows, rows))));
        // Without a close, nothing is flushed.
        drop(writer);
        let (mut ours, mut limits) = (Vec::new(), Vec::new());
        for round in 0..options.rounds {
            let tailer = Tailer::open(&session, &root.to_string_lossy(), |_| {});
            let began = Instant::now();
            // Kept, as a table keeps its rows: most of the time goes into memory that is touched for the first time.
            tailer.keep_all(|count| {
                assert_eq!(count, entries + round);
                limits.push((entries * rows) as f64 / began.elapsed().as_secs_f64());
            });
            let began = Instant::now();
            let writer = open();
            ours.push((entries * rows) as f64 / began.elapsed().as_secs_f64());
            drop(writer);
        }
        report.ratio(&format!("mem.replay.{name}"), median(ours), "rows/s", median(limits), Target::AtLeast(0.7));
    }
}
