//! Writers: making batches durable in a shard they own. `writer_open.rs` has their options and how they are opened, `writer_stats.rs` their
//! statistics, `memtable.rs` what they do beyond the log, `scan.rs` and `get.rs` how they are read.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::{Field, Schema};

use super::args::Out;
use super::arrow::{self, StreamReader, Taken};
use super::call::{self, Operation, operation};
use super::completion::{Offered, WeirAck, WeirCompletion, WeirResult};
use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::{self, Handle, Opaque, Owned};
use super::manifest::WeirManifest;
use super::open::timeout;
use super::reads::KeyShape;
use crate::error::{Result, bail, err};
use crate::generation::compact::CompactOptions;
use crate::runtime;
use crate::session::{MetricSource, Session};
use crate::writer::{Ack, Callback, ShardWriter};

/// The owner of a shard. All functions may be called from any thread at once.
pub struct WeirWriter {
    _opaque: [u8; 0],
}

/// What is inside: the writer, and the session that it keeps alive.
pub(crate) struct Writing {
    pub writer: Arc<ShardWriter>,
    pub validate: bool,
    pub blocking: bool,
    /// How keys come in; none without MemTables.
    pub keys: Option<KeyShape>,
    /// How weir_writer_compact() merges.
    pub compact: CompactOptions,
    pub figures: Arc<dyn MetricSource>,
    pub session: Arc<Session>,
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.session.retire(&self.figures);
    }
}

impl Opaque for WeirWriter {
    type Core = Writing;
    const MAGIC: u32 = u32::from_be_bytes(*b"writ");
    const NAME: &'static str = "writer";
    const RESULT: i32 = WeirResult::Writer as i32;
}

impl From<Ack> for WeirAck {
    fn from(Ack { sequence, position, epoch }: Ack) -> Self {
        Self { sequence, position, epoch }
    }
}

impl Writing {
    fn import(&self, array: Taken<FFI_ArrowArray>) -> Result<RecordBatch> {
        arrow::import_batch(array.array()?, self.writer.schema(), self.validate)
    }
}

/// Puts a batch. With `durable`, returns when its entry is durable; else when it is admitted. With MemTables it can be read from then on, and
/// with a primary key its rows replace those of the same keys; null in a key is WEIR_STATUS_INVALID_DATA, with the details `row` and `column`.
///
/// @param writer      the writer
/// @param array       the batch, a struct array of the writer's schema; consumed on every return
/// @param timeout_ms  how long to wait for room and for durability; < 0 = for ever, which on a local store is also the fastest, 0 = not
/// at all
/// @param ack         receives sequence, position and epoch; NULL if not wanted
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK. Nothing was accepted: WEIR_STATUS_INVALID_DATA, WEIR_STATUS_SCHEMA_MISMATCH, WEIR_STATUS_INVALID_ARGUMENT,
/// WEIR_STATUS_BACKPRESSURE (no room in time), WEIR_STATUS_CLOSED. Accepted, and it still may become durable: WEIR_STATUS_OUTCOME_UNKNOWN. For
/// ever: WEIR_STATUS_FENCED, WEIR_STATUS_POISONED
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `array` is NULL or an array to be consumed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_put(
    writer: *const WeirWriter,
    array: *mut FFI_ArrowArray,
    timeout_ms: i64,
    ack: *mut WeirAck,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let (array, out) = unsafe { (arrow::take(array), Out::<WeirAck>::clear("ack", ack).or_null()) };
    let body = |writer: &Handle<WeirWriter>| {
        runtime::may_block()?;
        let batch = writer.core.import(array)?;
        out.set(writer.core.writer.put(&batch, timeout(timeout_ms))?.into());
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(writer, error, body) }
}

/// weir_writer_put() with a completion: the event's `ack` is filled. Never waits for room.
///
/// @param writer      the writer
/// @param array       the batch, a struct array of the writer's schema; consumed on every return
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted; WEIR_STATUS_BACKPRESSURE: see weir_writer_wait_capacity_async(); otherwise as weir_writer_put()
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `array` is NULL or an array to be consumed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_put_async(
    writer: *const WeirWriter,
    array: *mut FFI_ArrowArray,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let array = unsafe { arrow::take(array) };
    let body = |writer: &Handle<WeirWriter>| {
        // SAFETY: the caller's promise.
        let offered = unsafe { Offered::new(completion) }?;
        // After a shutdown nothing is accepted that only a thread of weir's could do.
        runtime::handle()?;
        let batch = writer.core.import(array)?;
        writer.core.writer.put_async_with(&batch, || completing(offered))
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(writer, error, body) }
}

/// Accepts the completion and makes a callback of it.
pub(crate) fn completing(offered: Offered) -> Callback {
    let completion = offered.accept();
    Box::new(move |outcome| completion.complete(outcome.map(WeirAck::from)))
}

/// Refuses a stream of other columns than the writer's. Metadata is the writer's own: the primary key is marked in it.
fn check_columns(given: &Schema, wanted: &Schema) -> Result<()> {
    if given.fields().len() != wanted.fields().len() {
        bail!(SchemaMismatch, "the stream has {} columns, the writer {}", given.fields().len(), wanted.fields().len());
    }
    let same = |one: &Field, other: &Field| {
        (one.name(), one.data_type(), one.is_nullable()) == (other.name(), other.data_type(), other.is_nullable())
    };
    match given.fields().iter().zip(wanted.fields()).find(|(given, wanted)| !same(given, wanted)) {
        Some((given, wanted)) => bail!(SchemaMismatch, "the stream's column is {given}, the writer's {wanted}"),
        None => Ok(()),
    }
}

unsafe fn put_stream(
    writer: *const WeirWriter,
    stream: Taken<FFI_ArrowArrayStream>,
    timeout_ms: i64,
) -> Result<Operation<impl Future<Output = Result<WeirAck>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let handle = unsafe { handle::share(writer) }?;
    let mut reader = StreamReader::new(stream.stream()?)?;
    let shared = Arc::clone(&handle);
    // Blocks while it is polled: on the caller's thread, or on one of the runtime's for blocking work.
    let future = async move {
        let Writing { writer, validate, .. } = &shared.core;
        let (given, wanted) = (reader.schema()?, writer.schema());
        check_columns(&given, wanted)?;
        let batches = std::iter::from_fn(|| reader.next().transpose());
        let batches = batches.map(|array| arrow::import_batch(array?, wanted, *validate));
        Ok(writer.put_all(batches, timeout(timeout_ms))?.into())
    };
    Ok(operation(&handle, true, future))
}

/// Puts all batches of a stream, one after the other. With `durable`, returns when the last is durable, which takes far fewer
/// entries than as many weir_writer_put() calls.
///
/// @param writer      the writer
/// @param stream      the stream, of the writer's schema; consumed on every return
/// @param timeout_ms  for all together; < 0 = for ever
/// @param ack         receives the last batch's acknowledgement, zeros if the stream was empty; NULL if not wanted
/// @param error       receives the error, unless NULL; its detail `accepted` says how many batches were accepted before
/// @return as weir_writer_put(); WEIR_STATUS_TIMED_OUT if what was accepted is not durable in time
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `stream` is NULL or a stream to be consumed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_put_stream(
    writer: *const WeirWriter,
    stream: *mut FFI_ArrowArrayStream,
    timeout_ms: i64,
    ack: *mut WeirAck,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise, here and below.
    let (stream, out) = unsafe { (arrow::take_stream(stream), Out::clear("ack", ack).or_null()) };
    // SAFETY: the same.
    unsafe { call::wait(error, -1, out, || put_stream(writer, stream, timeout_ms)) }
}

/// weir_writer_put_stream() with a completion: the event's `ack` is filled. The stream is read on a thread of weir's.
///
/// @param writer      the writer
/// @param stream      the stream, of the writer's schema; consumed on every return
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `stream` is NULL or a stream to be consumed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_put_stream_async(
    writer: *const WeirWriter,
    stream: *mut FFI_ArrowArrayStream,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise, here and below.
    let stream = unsafe { arrow::take_stream(stream) };
    // SAFETY: the same.
    unsafe { call::defer(error, completion, || put_stream(writer, stream, -1)) }
}

/// Runs one of the writer's blocking calls.
pub(crate) unsafe fn block(
    writer: *const WeirWriter,
    error: *mut *mut WeirError,
    run: impl FnOnce(&ShardWriter) -> Result<()>,
) -> WeirStatus {
    let body = |writer: &Handle<WeirWriter>| {
        runtime::may_block()?;
        run(&writer.core.writer)
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(writer, error, body) }
}

/// Runs one of the writer's calls with a callback.
pub(crate) unsafe fn callback(
    writer: *const WeirWriter,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
    run: impl FnOnce(&ShardWriter, Callback),
) -> WeirStatus {
    let body = |writer: &Handle<WeirWriter>| {
        // SAFETY: the caller's promise.
        let offered = unsafe { Offered::new(completion) }?;
        run(&writer.core.writer, completing(offered));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(writer, error, body) }
}

/// Waits until every put admitted so far is durable.
///
/// @param writer      the writer
/// @param timeout_ms  < 0 = for ever, 0 = do not wait
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_flush(writer: *const WeirWriter, timeout_ms: i64, error: *mut *mut WeirError) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { block(writer, error, |writer| writer.flush(timeout(timeout_ms)).map(drop)) }
}

/// weir_writer_flush() with a completion: the event's `ack` says what is durable.
///
/// @param writer      the writer
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_flush_async(
    writer: *const WeirWriter,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { callback(writer, completion, error, |writer, done| writer.flush_async(done)) }
}

/// Waits until a put is durable.
///
/// @param writer      the writer
/// @param sequence    the put's `sequence` from its acknowledgement
/// @param timeout_ms  < 0 = for ever, 0 = do not wait
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_INVALID_ARGUMENT if there was no such put, WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_wait_durable(
    writer: *const WeirWriter,
    sequence: u64,
    timeout_ms: i64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { block(writer, error, |writer| writer.wait_durable(sequence, timeout(timeout_ms)).map(drop)) }
}

/// weir_writer_wait_durable() with a completion: the event's `ack` says what is durable.
///
/// @param writer      the writer
/// @param sequence    the put's `sequence` from its acknowledgement
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_wait_durable_async(
    writer: *const WeirWriter,
    sequence: u64,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { callback(writer, completion, error, |writer, done| writer.wait_durable_async(sequence, done)) }
}

/// Waits until a put of `bytes` would find room. Others may take it first.
///
/// @param writer      the writer
/// @param bytes       the put's size in bytes, about that of its buffers; or the detail `bytes` of the WEIR_STATUS_BACKPRESSURE that it got
/// @param timeout_ms  < 0 = for ever, 0 = do not wait
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_BACKPRESSURE with the breakdown in its details, WEIR_STATUS_INVALID_ARGUMENT if it never fits,
/// WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_wait_capacity(
    writer: *const WeirWriter,
    bytes: u64,
    timeout_ms: i64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { block(writer, error, |writer| writer.wait_capacity(bytes, timeout(timeout_ms))) }
}

/// weir_writer_wait_capacity() with a completion.
///
/// @param writer      the writer
/// @param bytes       the put's size in bytes
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_wait_capacity_async(
    writer: *const WeirWriter,
    bytes: u64,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { callback(writer, completion, error, |writer, done| writer.wait_capacity_async(bytes, done)) }
}

/// How many puts of this writer are durable; a put is if its `sequence` is at most that. Never goes back. 0 for NULL.
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_durable_position(writer: *const WeirWriter) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { handle::peek(writer) }.map_or(0, |handle| handle.core.writer.durable_position())
}

/// The epoch under which the writer owns the shard, 1 or more; 0 for NULL.
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_epoch(writer: *const WeirWriter) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { handle::peek(writer) }.map_or(0, |handle| handle.core.writer.epoch())
}

unsafe fn check_fenced(writer: *const WeirWriter) -> Result<Operation<impl Future<Output = Result<()>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let handle = unsafe { handle::share(writer) }?;
    let writer = Arc::clone(&handle.core.writer);
    Ok(operation(&handle, handle.core.blocking, async move { writer.check_fenced().await.map(drop) }))
}

/// Asks the store whether the writer still owns the shard.
///
/// @param writer      the writer
/// @param timeout_ms  < 0 = for ever
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_STORAGE
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_check_fenced(writer: *const WeirWriter, timeout_ms: i64, error: *mut *mut WeirError) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::none(), || check_fenced(writer)) }
}

/// weir_writer_check_fenced() with a completion.
///
/// @param writer      the writer
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_check_fenced_async(
    writer: *const WeirWriter,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || check_fenced(writer)) }
}

/// The newest manifest that the writer has read or written, without asking the store.
///
/// @param writer    the writer
/// @param manifest  receives the manifest; free it with weir_manifest_free()
/// @param error     receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_manifest(
    writer: *const WeirWriter,
    manifest: *mut *mut WeirManifest,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::<Owned<WeirManifest>>::clear("manifest", manifest) };
    let body = |writer: &Handle<WeirWriter>| {
        out.check()?;
        let known = writer.core.writer.manifest().ok_or_else(|| err!(Internal, "a writer without a manifest"))?;
        out.set(Owned::new(known));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(writer, error, body) }
}

/// Refuses further puts, waits until all are durable and all MemTables flushed, and lets go of the shard. May be called again: after
/// WEIR_STATUS_TIMED_OUT to wait on, after success to no effect.
///
/// @param writer      the writer
/// @param timeout_ms  < 0 = for ever, 0 = do not wait
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT; WEIR_STATUS_FENCED or WEIR_STATUS_POISONED: what was not durable may be lost; WEIR_STATUS_STORAGE if a
/// MemTable could not be flushed: its rows are in the log, and come back when the shard is opened again
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_close(writer: *const WeirWriter, timeout_ms: i64, error: *mut *mut WeirError) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { block(writer, error, |writer| writer.close(timeout(timeout_ms))) }
}

/// weir_writer_close() with a completion.
///
/// @param writer      the writer
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_close_async(
    writer: *const WeirWriter,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { callback(writer, completion, error, |writer, done| writer.close_async(done)) }
}

/// Refuses further puts and forgets what is not durable, without I/O; who waits gets WEIR_STATUS_CLOSED. An append that is under
/// way still ends.
///
/// @param writer  the writer
/// @param error   receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_abort(writer: *const WeirWriter, error: *mut *mut WeirError) -> WeirStatus {
    let body = |writer: &Handle<WeirWriter>| {
        writer.core.writer.abort();
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(writer, error, body) }
}

/// Frees a writer. One that was not closed is aborted: puts that are not durable are lost. What is durable and in no generation yet is in the
/// log, and comes back when the shard is opened again. Scans, batches and arrays of it stay valid. NULL is allowed.
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_free(writer: *mut WeirWriter) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(writer) };
}
