//! Spilling: bytes and batches through the ABI, beside loops of `write` and `read` on files of the same directory.
//!
//! How it is made fair. Ours and the raw loop take turns every [`TURN`] bytes, each first in every other turn, so that both meet the same
//! disk, cache and neighbours; the medians of all turns of all rounds are compared. Both create their file, both write the same memory,
//! both find what they read in the page cache; the raw loop's memory begins at a page, which is what the kernel copies fastest. Neither syncs: a spill need not survive its process.
//!
//! * `spill.write.*`, `spill.read.*`: chunks of that size; reads through weir_spill_reader_read() into one buffer, as the raw loop.
//! * `spill.read.mmap`: batches of one column, 1 MiB as they are stored, mapped, over raw reads of as many bytes into one buffer that is
//!   used again. Both sides add up every 8 bytes that they get, so both deliver all of it to a consumer. Mapping is part of the time, deleting is not, on
//!   either side. Batches are checked as they are by default: structure, not checksum.
//! * `spill.write.4k.ns`: a call that stays in the writer's buffer, as the median over all calls (15 of 17 stay), less the median of a
//!   copy of as many bytes into a buffer of that size. `spill.write.4k.mean.ns` has all calls, those that write included.
//! * `spill.batches`: batches of 1.3 MB in four columns, written and read back as a stream, validated and compared with their checksums,
//!   over raw writes and reads of as many bytes in as many calls.
//! * `spill.cap`: 64 threads, a writer each, until the first is refused: the bytes that were used then, as the refusal says, over the cap.
//!   A thread beside them looks at the file system all the time and asserts that it never holds a byte more than the cap; in the end it holds
//!   as many as the store says.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{Array, Int64Array, RecordBatch};
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;
use weir::ffi::error::{WeirStatus, weir_error_detail_u64, weir_error_free};
use weir::ffi::spill::{
    WeirSpill, WeirSpillReadOptions, weir_spill_batch, weir_spill_batch_count, weir_spill_free, weir_spill_len,
    weir_spill_read_options_init, weir_spill_stream,
};
use weir::ffi::spill_reader::{WeirSpillReader, weir_spill_reader, weir_spill_reader_free, weir_spill_reader_read};
use weir::ffi::spill_store::{
    WeirSpillStore, WeirSpillStoreOptions, weir_spill_store_free, weir_spill_store_new, weir_spill_store_options_init,
    weir_spill_store_used_bytes,
};
use weir::ffi::spill_write::{weir_spill_writer_write, weir_spill_writer_write_batch};
use weir::ffi::spill_writer::{
    WeirSpillWriter, weir_spill_begin, weir_spill_begin_batches, weir_spill_writer_finish, weir_spill_writer_free, weir_spill_writer_len,
};

use crate::abi::{call, export};
use crate::report::{Report, Target, median};
use crate::{Options, data};

const MIB: usize = 1 << 20;
/// After so many bytes it is the other's turn.
const TURN: usize = 16 * MIB;

pub fn run(options: &Options, report: &mut Report) {
    type Part = fn(&Options, &mut Report);
    let parts: [(&str, Part); 6] = [
        ("spill.bytes.64k", |options, report| bytes(options, report, "64k", 64 << 10)),
        ("spill.bytes.1m", |options, report| bytes(options, report, "1m", MIB)),
        ("spill.read.mmap", mapped),
        ("spill.write.4k", buffered),
        ("spill.batches", batches),
        ("spill.cap", cap),
    ];
    parts.iter().filter(|(name, _)| options.wants_figure(name)).for_each(|(_, part)| part(options, report));
}

// ---- The ABI ----

struct Store(*mut WeirSpillStore);
// SAFETY: handles may be used from any thread.
unsafe impl Sync for Store {}

impl Store {
    fn new(dir: &Path, cap: u64) -> Self {
        let location = CString::new(dir.to_string_lossy().into_owned()).expect("no NUL inside");
        let mut options = std::mem::MaybeUninit::<WeirSpillStoreOptions>::uninit();
        // SAFETY: as long as it says.
        let mut options = unsafe {
            weir_spill_store_options_init(options.as_mut_ptr(), size_of::<WeirSpillStoreOptions>() as u32);
            options.assume_init()
        };
        (options.location, options.cap_bytes) = (location.as_ptr(), cap);
        let mut store = null_mut();
        call!(weir_spill_store_new(null(), &raw const options, &raw mut store));
        Self(store)
    }

    fn begin(&self) -> Writer {
        let mut writer = null_mut();
        call!(weir_spill_begin(self.0, null(), &raw mut writer));
        Writer(writer)
    }

    fn begin_batches(&self, batch: &RecordBatch) -> Writer {
        let schema = FFI_ArrowSchema::try_from(batch.schema_ref().as_ref()).expect("a schema");
        let mut writer = null_mut();
        call!(weir_spill_begin_batches(self.0, &raw const schema, null(), &raw mut writer));
        Writer(writer)
    }

    /// How many bytes the batch takes in a spill.
    fn encoded(&self, batch: &RecordBatch) -> usize {
        let writer = self.begin_batches(batch);
        writer.write_batch(batch);
        // SAFETY: a live writer.
        unsafe { weir_spill_writer_len(writer.0) as usize }
    }

    fn used(&self) -> u64 {
        // SAFETY: a live store.
        unsafe { weir_spill_store_used_bytes(self.0) }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { weir_spill_store_free(self.0) };
    }
}

struct Writer(*mut WeirSpillWriter);
// SAFETY: handles may be used from any thread.
unsafe impl Send for Writer {}

impl Writer {
    fn write(&self, bytes: &[u8]) {
        call!(weir_spill_writer_write(self.0, bytes.as_ptr(), bytes.len(), -1));
    }

    /// Writes; if the cap refuses that, how many bytes were used then, as the refusal says.
    fn try_write(&self, bytes: &[u8]) -> Result<(), u64> {
        let mut error = null_mut();
        // SAFETY: a live writer; the bytes are there.
        let status = unsafe { weir_spill_writer_write(self.0, bytes.as_ptr(), bytes.len(), -1, &raw mut error) };
        if status == WeirStatus::DiskCapExceeded {
            let mut used = 0;
            // SAFETY: a live error, freed once.
            unsafe {
                assert!(weir_error_detail_u64(error, c"used_bytes".as_ptr(), &raw mut used), "the refusal says what is used");
                weir_error_free(error);
            }
            return Err(used);
        }
        crate::abi::ok(status, error);
        Ok(())
    }

    fn write_batch(&self, batch: &RecordBatch) {
        let mut array = export(batch);
        call!(weir_spill_writer_write_batch(self.0, &raw mut array, -1));
        // Consumed: nothing is left to release.
        std::mem::forget(array);
    }

    fn finish(&self) -> Spill {
        let mut spill = null_mut();
        call!(weir_spill_writer_finish(self.0, -1, &raw mut spill));
        Spill(spill)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { weir_spill_writer_free(self.0) };
    }
}

struct Spill(*mut WeirSpill);
// SAFETY: handles may be used from any thread.
unsafe impl Send for Spill {}

impl Spill {
    fn reader(&self) -> Reader {
        let mut reader = null_mut();
        call!(weir_spill_reader(self.0, &raw mut reader));
        Reader(reader)
    }

    fn mapped(&self, index: usize) -> FFI_ArrowArray {
        let mut options = std::mem::MaybeUninit::<WeirSpillReadOptions>::uninit();
        // SAFETY: as long as it says.
        let mut options = unsafe {
            weir_spill_read_options_init(options.as_mut_ptr(), size_of::<WeirSpillReadOptions>() as u32);
            options.assume_init()
        };
        options.map = 1;
        let mut array = FFI_ArrowArray::empty();
        call!(weir_spill_batch(self.0, index, &raw const options, -1, &raw mut array));
        array
    }

    fn stream(&self) -> FFI_ArrowArrayStream {
        let mut stream = FFI_ArrowArrayStream::empty();
        call!(weir_spill_stream(self.0, null(), &raw mut stream));
        stream
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { weir_spill_free(self.0) };
    }
}

struct Reader(*mut WeirSpillReader);

impl Reader {
    fn read(&self, bytes: &mut [u8]) -> usize {
        let mut n = 0;
        call!(weir_spill_reader_read(self.0, bytes.as_mut_ptr(), bytes.len(), -1, &raw mut n));
        n
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { weir_spill_reader_free(self.0) };
    }
}

/// The next batch of the stream: `false` at its end.
fn next(stream: &mut FFI_ArrowArrayStream) -> bool {
    let mut array = FFI_ArrowArray::empty();
    // SAFETY: a live stream of weir's; `array` holds nothing.
    let code = unsafe { stream.get_next().expect("a stream's get_next")(stream, &raw mut array) };
    assert_eq!(code, 0, "a batch cannot be read");
    std::hint::black_box(array.len());
    !array.is_released()
}

// ---- Turns ----

/// The times of the turns of ours and of the raw loop.
#[derive(Default)]
struct Times {
    ours: Vec<f64>,
    raw: Vec<f64>,
}

impl Times {
    fn turn(&mut self, mut ours: impl FnMut(), mut raw: impl FnMut()) {
        let timed = |work: &mut dyn FnMut(), times: &mut Vec<f64>| {
            let began = Instant::now();
            work();
            times.push(began.elapsed().as_secs_f64());
        };
        if self.raw.len().is_multiple_of(2) {
            timed(&mut raw, &mut self.raw);
            timed(&mut ours, &mut self.ours);
        } else {
            timed(&mut ours, &mut self.ours);
            timed(&mut raw, &mut self.raw);
        }
    }

    /// The median turns of ours and of the raw loop, in seconds.
    fn medians(self) -> (f64, f64) {
        (median(self.ours), median(self.raw))
    }
}

/// Reports the speed of turns of `bytes` bytes.
fn speeds(report: &mut Report, name: &str, bytes: usize, (ours, raw): (f64, f64), target: Target) {
    let speed = |seconds: f64| bytes as f64 / 1e6 / seconds;
    report.ratio(name, speed(ours), "MB/s", speed(raw), target);
}

/// Memory that begins at a page, as the fastest `read` and `write` want it.
struct Pages(Vec<Page>);

#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Page([i64; 512]);

impl Pages {
    fn new(bytes: usize) -> Self {
        Self(vec![Page([7; 512]); bytes / size_of::<Page>()])
    }

    fn values(&self) -> &[i64] {
        // SAFETY: pages lie next to each other, without padding.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * 512) }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: as above; integers are bytes.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), size_of_val(self.0.as_slice())) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; any bytes are integers.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), size_of_val(self.0.as_slice())) }
    }
}

fn raw_file(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).create_new(true).open(path).expect("a raw file")
}

fn place(options: &Options, name: &str) -> PathBuf {
    let dir = options.dir.join(name);
    std::fs::create_dir_all(&dir).expect("a directory for the raw files");
    dir
}

// ---- Bytes ----

fn bytes(options: &Options, report: &mut Report, name: &str, chunk: usize) {
    let turns = options.count(64);
    let (dir, per_turn) = (place(options, &format!("spill-{name}")), TURN / chunk);
    let store = Store::new(&dir.join("spills"), u64::MAX);
    let (from, mut into) = (Pages::new(chunk), Pages::new(chunk));
    let from = from.bytes();
    let (mut writes, mut reads) = (Times::default(), Times::default());
    for round in 0..options.rounds {
        let path = dir.join(format!("raw-{round}"));
        let (mut writer, mut spill, mut raw) = (None, None, None);
        for turn in 1..=turns {
            writes.turn(
                || {
                    let writer = writer.get_or_insert_with(|| store.begin());
                    (0..per_turn).for_each(|_| writer.write(from));
                    if turn == turns {
                        spill = Some(writer.finish());
                    }
                },
                || {
                    let raw = raw.get_or_insert_with(|| raw_file(&path));
                    (0..per_turn).for_each(|_| raw.write_all(from).expect("a raw write"));
                },
            );
        }
        let (spill, mut raw) = (spill.expect("a spill"), raw.expect("a file"));
        // SAFETY: a live spill.
        assert_eq!(unsafe { weir_spill_len(spill.0) }, (turns * TURN) as u64);
        raw.rewind().expect("a raw seek");
        let reader = spill.reader();
        for _ in 0..turns {
            let (mut ours, mut theirs) = (0, 0);
            // One buffer for both: neither has the warmer one.
            let buffer = std::cell::RefCell::new(into.bytes_mut());
            reads.turn(
                || (0..per_turn).for_each(|_| ours += reader.read(&mut buffer.borrow_mut())),
                || (0..per_turn).for_each(|_| theirs += raw.read(&mut buffer.borrow_mut()).expect("a raw read")),
            );
            assert_eq!((ours, theirs), (TURN, TURN));
        }
        drop((reader, spill, raw));
        std::fs::remove_file(&path).expect("the raw file goes");
    }
    speeds(report, &format!("spill.write.{name}"), TURN, writes.medians(), Target::AtLeast(0.95));
    speeds(report, &format!("spill.read.{name}"), TURN, reads.medians(), Target::AtLeast(0.95));
}

/// Every 8 bytes, added up, as fast as memory gives them: a consumer that uses all that it gets.
fn sum(values: &[i64]) -> i64 {
    let mut lanes = [0_i64; 16];
    let (chunks, rest) = values.as_chunks::<16>();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane = lane.wrapping_add(*value));
    }
    lanes.iter().chain(rest).fold(0, |sum, value| sum.wrapping_add(*value))
}

fn mapped(options: &Options, report: &mut Report) {
    let turns = options.count(64);
    let dir = place(options, "spill-mmap");
    let store = Store::new(&dir.join("spills"), u64::MAX);
    let batch_of = |rows: usize| {
        let column = Int64Array::from(vec![7; rows]);
        RecordBatch::try_from_iter([("value", Arc::new(column) as Arc<dyn Array>)]).expect("a batch")
    };
    // As many rows as make 1 MiB with what goes before them, so that both files have the same bytes at the same places.
    let most = MIB / size_of::<i64>();
    let rows = most - (store.encoded(&batch_of(most)) - MIB) / size_of::<i64>();
    let batch = batch_of(rows);
    assert_eq!(store.encoded(&batch), MIB);
    let mut into = Pages::new(MIB);
    let mut times = Times::default();
    for round in 0..options.rounds {
        let path = dir.join(format!("raw-{round}"));
        let (mut raw, writer) = (raw_file(&path), store.begin_batches(&batch));
        let batches = turns * TURN / MIB;
        for _ in 0..batches {
            writer.write_batch(&batch);
            raw.write_all(into.bytes()).expect("a raw write");
        }
        let spill = writer.finish();
        // SAFETY: a live spill.
        assert_eq!(unsafe { weir_spill_batch_count(spill.0) }, batches);
        raw.rewind().expect("a raw seek");
        let mut next = 0;
        for _ in 0..turns {
            times.turn(
                || {
                    for _ in 0..TURN / MIB {
                        let array = spill.mapped(next);
                        // SAFETY: a batch of one column of `rows` values without nulls, which lives as long as `array`.
                        let values = unsafe { std::slice::from_raw_parts(array.child(0).buffer(1).cast::<i64>(), rows) };
                        assert_eq!(sum(values), 7 * rows as i64);
                        next += 1;
                    }
                },
                || {
                    for _ in 0..TURN / MIB {
                        raw.read_exact(into.bytes_mut()).expect("a raw read");
                        assert_eq!(sum(into.values()), 7 * most as i64);
                    }
                },
            );
        }
        drop((spill, raw));
        std::fs::remove_file(&path).expect("the raw file goes");
    }
    speeds(report, "spill.read.mmap", TURN, times.medians(), Target::AtLeast(1.5));
}

/// The median of the times of `count` calls, in nanoseconds, and their mean.
fn each(count: usize, mut work: impl FnMut(usize)) -> (f64, f64) {
    let mut times = Vec::with_capacity(count);
    for i in 0..count {
        let began = Instant::now();
        work(i);
        times.push(began.elapsed().as_nanos() as f64);
    }
    let mean = times.iter().sum::<f64>() / count as f64;
    (median(times), mean)
}

fn buffered(options: &Options, report: &mut Report) {
    let count = options.count(100_000);
    let store = Store::new(&place(options, "spill-4k"), u64::MAX);
    let from = vec![7_u8; 4096];
    let mut into = vec![0_u8; 64 << 10];
    let (mut medians, mut means, mut copies) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let writer = store.begin();
        let (ours, mean) = each(count, |_| writer.write(std::hint::black_box(&from)));
        let (copy, _) = each(count, |i| {
            let at = i % 16 * 4096;
            into[at..at + 4096].copy_from_slice(std::hint::black_box(&from));
            std::hint::black_box(&mut into);
        });
        medians.push(ours - copy);
        means.push(mean - copy);
        copies.push(copy);
    }
    let copy = median(copies);
    report.value("spill.write.4k.ns", median(medians), "ns", Some(copy), Target::AtMost(300.0));
    report.value("spill.write.4k.mean.ns", median(means), "ns", Some(copy), Target::None);
}

// ---- Batches ----

fn batches(options: &Options, report: &mut Report) {
    const PER_TURN: usize = 12;
    let (turns, batch) = (options.count(64), data::large());
    let dir = place(options, "spill-batches");
    let store = Store::new(&dir.join("spills"), u64::MAX);
    // What is copied lies in as much memory on both sides, so that neither finds more of it in the caches.
    let bytes = store.encoded(&batch);
    let (from, mut into) = (Pages::new(bytes.next_multiple_of(4096)), Pages::new(bytes.next_multiple_of(4096)));
    let (from, into) = (&from.bytes()[..bytes], &mut into.bytes_mut()[..bytes]);
    let (mut writes, mut reads) = (Times::default(), Times::default());
    for round in 0..options.rounds {
        let path = dir.join(format!("raw-{round}"));
        let (mut raw, writer) = (raw_file(&path), store.begin_batches(&batch));
        for _ in 0..turns {
            writes.turn(
                || (0..PER_TURN).for_each(|_| writer.write_batch(&batch)),
                || (0..PER_TURN).for_each(|_| raw.write_all(from).expect("a raw write")),
            );
        }
        let spill = writer.finish();
        raw.rewind().expect("a raw seek");
        let mut stream = spill.stream();
        for _ in 0..turns {
            reads.turn(
                || (0..PER_TURN).for_each(|_| assert!(next(&mut stream))),
                || (0..PER_TURN).for_each(|_| raw.read_exact(into).expect("a raw read")),
            );
        }
        assert!(!next(&mut stream));
        drop((stream, spill, raw));
        std::fs::remove_file(&path).expect("the raw file goes");
    }
    let (write, read, per_turn) = (writes.medians(), reads.medians(), PER_TURN * bytes);
    speeds(report, "spill.batches", 2 * per_turn, (write.0 + read.0, write.1 + read.1), Target::AtLeast(0.8));
    speeds(report, "spill.batches.write", per_turn, write, Target::None);
    speeds(report, "spill.batches.read", per_turn, read, Target::None);
}

// ---- The cap ----

/// The bytes of all spills below `dir`, by the file system's account.
fn on_disk(dir: &Path) -> u64 {
    // Not there before the first write.
    let entries = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten();
    let below = |dir: &Path| entries(dir).map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>();
    let files = below(dir).into_iter().filter(|path| path.is_dir()).flat_map(|owner| below(&owner));
    files.map(|file| std::fs::metadata(file).expect("a file's size").len()).sum()
}

fn cap(options: &Options, report: &mut Report) {
    const WRITERS: usize = 64;
    let cap = options.count(512) as u64 * MIB as u64;
    let dir = place(options, "spill-cap");
    let mut filled = Vec::new();
    for round in 0..options.rounds {
        let dir = dir.join(round.to_string());
        let store = Store::new(&dir, cap);
        let (first, done) = (OnceLock::new(), AtomicBool::new(false));
        let spills: Vec<Spill> = std::thread::scope(|scope| {
            let (store, first, done, dir) = (&store, &first, &done, &dir);
            let write = move |chunk: usize| {
                let (writer, bytes) = (store.begin(), vec![7_u8; chunk]);
                while first.get().is_none() {
                    if let Err(used) = writer.try_write(&bytes) {
                        first.get_or_init(|| used);
                    }
                }
                writer.finish()
            };
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let held = on_disk(dir);
                    assert!(held <= cap, "{held} bytes on disk, {cap} allowed");
                }
            });
            // Chunks of many sizes, so that what is left in the end fits none of them exactly.
            let threads: Vec<_> = (0..WRITERS).map(|i| scope.spawn(move || write((4096 << (i % 5)) + 17 * i))).collect();
            let spills: Vec<_> = threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
            done.store(true, Ordering::Relaxed);
            spills.into_iter().map(|spill| spill.expect("a writer")).collect()
        });
        let used = store.used();
        assert!(used <= cap && on_disk(&dir) == used, "{used} bytes are used, {} on disk, {cap} allowed", on_disk(&dir));
        filled.push(*first.get().expect("a refusal") as f64);
        drop(spills);
        assert_eq!((store.used(), on_disk(&dir)), (0, 0));
    }
    report.ratio("spill.cap", median(filled) / 1e6, "MB", cap as f64 / 1e6, Target::AtLeast(0.99));
}
