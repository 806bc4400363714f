//! The C ABI as the benchmarks call it. A failure ends the run: there is nothing to measure then.

use std::ffi::{CStr, CString};
use std::ptr::{null, null_mut};

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{Array, RecordBatch, StructArray};
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::Schema;
use arrow_schema::ffi::FFI_ArrowSchema;
use weir::ffi::appender::{
    WeirAppender, WeirAppenderOptions, weir_appender_append, weir_appender_close, weir_appender_free, weir_appender_open,
    weir_appender_options_init,
};
use weir::ffi::buffer::{WeirBuffer, weir_buffer_data, weir_buffer_free};
use weir::ffi::entry::{WeirEntry, weir_entry_batch, weir_entry_batch_count, weir_entry_free};
use weir::ffi::error::{WeirError, WeirStatus, weir_error_message};
use weir::ffi::get::weir_writer_get;
use weir::ffi::memtable::{weir_writer_freeze, weir_writer_wait_flushed};
use weir::ffi::scan::{weir_scan_free, weir_scan_stream, weir_writer_scan};
use weir::ffi::session::{
    WeirKeyValue, WeirSession, WeirSessionOptions, weir_metrics_prometheus, weir_session_free, weir_session_new, weir_session_options_init,
};
use weir::ffi::tailer::{WeirTailer, WeirTailerOptions, weir_tailer_free, weir_tailer_next, weir_tailer_open, weir_tailer_options_init};
use weir::ffi::writer::{WeirWriter, weir_writer_close, weir_writer_flush, weir_writer_free, weir_writer_put};
use weir::ffi::writer_open::{WeirWriterOptions, weir_writer_open, weir_writer_options_init};

pub const SHARD: &str = "00000000-0000-4000-8000-000000000001";

/// Ends the run unless `status` is success.
#[track_caller]
pub fn ok(status: WeirStatus, error: *mut WeirError) {
    if status != WeirStatus::Ok {
        // SAFETY: an error of weir's, or NULL.
        let message = unsafe { weir_error_message(error) };
        // SAFETY: NUL-terminated, or NULL.
        let message = if message.is_null() { "no message".into() } else { unsafe { CStr::from_ptr(message) }.to_string_lossy() };
        panic!("{status:?}: {message}");
    }
}

/// Calls `f` with a place for the error.
macro_rules! call {
    ($function:ident($($argument:expr),* $(,)?)) => {{
        let mut error = null_mut();
        // SAFETY: arguments are as the function wants them.
        let status = unsafe { $function($($argument,)* &raw mut error) };
        $crate::abi::ok(status, error);
    }};
}
pub(crate) use call;

/// A batch as a C array.
pub fn export(batch: &RecordBatch) -> FFI_ArrowArray {
    FFI_ArrowArray::new(&StructArray::from(batch.clone()).to_data())
}

fn text(value: &str) -> CString {
    CString::new(value).expect("no NUL inside")
}

pub struct Session(pub *mut WeirSession);
// SAFETY: handles may be used from any thread.
unsafe impl Sync for Session {}
// SAFETY: as above.
unsafe impl Send for Session {}

impl Session {
    pub fn new(settings: &[(&str, &str)]) -> Self {
        let settings: Vec<_> = settings.iter().map(|(key, value)| (text(key), text(value))).collect();
        let pairs: Vec<_> = settings.iter().map(|(key, value)| WeirKeyValue { key: key.as_ptr(), value: value.as_ptr() }).collect();
        let mut options = std::mem::MaybeUninit::<WeirSessionOptions>::uninit();
        // SAFETY: as long as it says.
        let mut options = unsafe {
            weir_session_options_init(options.as_mut_ptr(), size_of::<WeirSessionOptions>() as u32);
            options.assume_init()
        };
        (options.store_settings, options.store_settings_len) = (pairs.as_ptr(), pairs.len());
        let mut session = null_mut();
        call!(weir_session_new(&raw const options, &raw mut session));
        Self(session)
    }

    /// The requests made so far, of all kinds.
    pub fn requests(&self) -> u64 {
        self.requests_of("")
    }

    /// The requests made so far of one kind; "" = all.
    pub fn requests_of(&self, kind: &str) -> u64 {
        let mut buffer: *mut WeirBuffer = null_mut();
        call!(weir_metrics_prometheus(self.0, &raw mut buffer));
        // SAFETY: a buffer of weir's, freed once.
        let text = unsafe {
            let data = weir_buffer_data(buffer);
            let text = if data.is_null() { String::new() } else { CStr::from_ptr(data).to_string_lossy().into_owned() };
            weir_buffer_free(buffer);
            text
        };
        text.lines()
            .filter(|line| line.starts_with("weir_store_requests_total") && line.contains(kind))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { weir_session_free(self.0) };
    }
}

pub struct Writer(pub *mut WeirWriter);
// SAFETY: handles may be used from any thread.
unsafe impl Sync for Writer {}
// SAFETY: as above.
unsafe impl Send for Writer {}

impl Writer {
    pub fn open(session: &Session, root: &str, schema: &Schema, set: impl FnOnce(&mut WeirWriterOptions)) -> Self {
        let schema = FFI_ArrowSchema::try_from(schema).expect("a schema");
        let mut options = std::mem::MaybeUninit::<WeirWriterOptions>::uninit();
        // SAFETY: as long as it says.
        let mut options = unsafe {
            weir_writer_options_init(options.as_mut_ptr(), size_of::<WeirWriterOptions>() as u32);
            options.assume_init()
        };
        // Benchmarks say when they want tables.
        options.enable_memtable = 0;
        set(&mut options);
        let (root, shard, mut writer) = (text(root), text(SHARD), null_mut());
        call!(weir_writer_open(session.0, root.as_ptr(), shard.as_ptr(), &raw const schema, &raw const options, &raw mut writer));
        Self(writer)
    }

    /// Puts `array`, waiting as long as it takes.
    pub fn put(&self, mut array: FFI_ArrowArray) {
        call!(weir_writer_put(self.0, &raw mut array, -1, null_mut()));
        // Consumed: nothing is left to release.
        std::mem::forget(array);
    }

    pub fn flush(&self) {
        call!(weir_writer_flush(self.0, -1));
    }

    /// Has what is in tables flushed, and waits for it.
    pub fn flush_tables(&self) {
        let mut generation = 0;
        call!(weir_writer_freeze(self.0, &raw mut generation));
        call!(weir_writer_wait_flushed(self.0, generation, -1));
    }

    /// Gets the rows of `keys`; returns how many there were.
    pub fn get(&self, mut keys: FFI_ArrowArray) -> usize {
        let mut rows = FFI_ArrowArray::empty();
        call!(weir_writer_get(self.0, &raw mut keys, null(), null(), -1, null_mut(), 0, &raw mut rows));
        std::mem::forget(keys);
        rows.len()
    }

    /// Reads all rows as a stream; returns how many there were.
    pub fn scan(&self) -> usize {
        let (mut scan, mut stream) = (null_mut(), FFI_ArrowArrayStream::empty());
        call!(weir_writer_scan(self.0, null(), null_mut(), null(), &raw mut scan));
        call!(weir_scan_stream(scan, &raw mut stream));
        // SAFETY: freed once.
        unsafe { weir_scan_free(scan) };
        let mut rows = 0;
        loop {
            let mut array = FFI_ArrowArray::empty();
            // SAFETY: a stream of weir's, until it is released when dropped.
            let status = unsafe { stream.get_next().expect("a stream")(&raw mut stream, &raw mut array) };
            assert_eq!(status, 0, "the stream failed");
            if array.is_released() {
                return rows;
            }
            rows += array.len();
        }
    }

    pub fn close(&self) {
        call!(weir_writer_close(self.0, -1));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { weir_writer_free(self.0) };
    }
}

pub struct Appender(*mut WeirAppender);

impl Appender {
    pub fn open(session: &Session, root: &str, schema: &Schema, fsync: bool) -> Self {
        let schema = FFI_ArrowSchema::try_from(schema).expect("a schema");
        let mut options = std::mem::MaybeUninit::<WeirAppenderOptions>::uninit();
        // SAFETY: as long as it says.
        let mut options = unsafe {
            weir_appender_options_init(options.as_mut_ptr(), size_of::<WeirAppenderOptions>() as u32);
            options.assume_init()
        };
        options.fsync = fsync.into();
        let (root, shard, mut appender) = (text(root), text(SHARD), null_mut());
        call!(weir_appender_open(session.0, root.as_ptr(), shard.as_ptr(), &raw const schema, &raw const options, &raw mut appender));
        Self(appender)
    }

    pub fn append(&self, mut array: FFI_ArrowArray) {
        call!(weir_appender_append(self.0, &raw mut array, -1, null_mut()));
        std::mem::forget(array);
    }

    pub fn close(&self) {
        call!(weir_appender_close(self.0, -1));
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { weir_appender_free(self.0) };
    }
}

pub struct Tailer(*mut WeirTailer);

impl Tailer {
    pub fn open(session: &Session, root: &str, set: impl FnOnce(&mut WeirTailerOptions)) -> Self {
        let mut options = std::mem::MaybeUninit::<WeirTailerOptions>::uninit();
        // SAFETY: as long as it says.
        let mut options = unsafe {
            weir_tailer_options_init(options.as_mut_ptr(), size_of::<WeirTailerOptions>() as u32);
            options.assume_init()
        };
        set(&mut options);
        let (root, shard, mut tailer) = (text(root), text(SHARD), null_mut());
        call!(weir_tailer_open(session.0, root.as_ptr(), shard.as_ptr(), &raw const options, &raw mut tailer));
        Self(tailer)
    }

    /// Reads the next entry and exports its batches; `false` at the end of the log.
    pub fn next(&self) -> bool {
        let mut entry: *mut WeirEntry = null_mut();
        call!(weir_tailer_next(self.0, -1, &raw mut entry));
        if entry.is_null() {
            return false;
        }
        // SAFETY: an entry of weir's.
        let batches = unsafe { weir_entry_batch_count(entry) };
        for index in 0..batches {
            let mut array = FFI_ArrowArray::empty();
            call!(weir_entry_batch(entry, index, &raw mut array));
            std::hint::black_box(array.len());
        }
        // SAFETY: freed once.
        unsafe { weir_entry_free(entry) };
        true
    }

    /// Reads the log to its end and keeps every entry until `done` was called with their number.
    pub fn keep_all(&self, done: impl FnOnce(usize)) {
        let entries: Vec<*mut WeirEntry> = std::iter::from_fn(|| {
            let mut entry: *mut WeirEntry = null_mut();
            call!(weir_tailer_next(self.0, -1, &raw mut entry));
            (!entry.is_null()).then_some(entry)
        })
        .collect();
        done(entries.len());
        // SAFETY: each freed once.
        entries.into_iter().for_each(|entry| unsafe { weir_entry_free(entry) });
    }

    /// Reads the log to its end; returns how many entries there were.
    pub fn drain(&self) -> usize {
        std::iter::from_fn(|| self.next().then_some(())).count()
    }
}

impl Drop for Tailer {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { weir_tailer_free(self.0) };
    }
}
