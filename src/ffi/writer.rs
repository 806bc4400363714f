//! Writers: making batches durable in a shard they own. Statistics are in `writer_stats.rs`.

use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;

use super::args::Out;
use super::arrow::{self, StreamReader, Taken};
use super::call::{self, Operation, operation};
use super::completion::{Offered, WeirAck, WeirCompletion, WeirResult};
use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::{self, Handle, Opaque, Owned};
use super::manifest::WeirManifest;
use super::open::{OpenOptions, compression, timeout, within};
use super::options::{self, Options, field_ends, flag};
use super::session::WeirSession;
use super::writer_stats::Figures;
use crate::env::Retry;
use crate::error::{Result, bail, err};
use crate::runtime;
use crate::session::{MetricSource, Session};
use crate::writer::{Ack, Callback, ShardWriter, Within, WriterConfig};

/// The owner of a shard. All functions may be called from any thread at once.
pub struct WeirWriter {
    _opaque: [u8; 0],
}

/// What is inside: the writer, and the session that it keeps alive.
pub(crate) struct Writing {
    pub writer: Arc<ShardWriter>,
    validate: bool,
    blocking: bool,
    figures: Arc<dyn MetricSource>,
    session: Arc<Session>,
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

/// Options of weir_writer_open().
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirWriterOptions {
    /// `sizeof(WeirWriterOptions)`.
    pub struct_size: u32,
    /// 1 (default): a put returns when it is durable. 0: when it is admitted; it becomes durable within the linger.
    pub durable: u8,
    /// 1 (default): on a local disk, durable means that file and directory were synced. 0: what the kernel holds is lost with the
    /// machine's power, though not with the process. Other stores are durable anyway.
    pub fsync: u8,
    /// 1 (default): offsets and UTF-8 of every batch are checked. 0: the caller vouches for them; what is wrong is undefined behaviour.
    pub validate: u8,
    /// Must be 0.
    pub reserved: u8,
    /// Compression of entries, a `WEIR_COMPRESSION_*`; default none. Lance reads compressed entries only if it is built for it.
    pub compression: i32,
    /// Retries of a failed append, at the same position, before the writer is poisoned; default 3.
    pub max_retries: u32,
    /// Microseconds that an admitted put may wait for others to share its entry; < 0 (default) = 0 if durable, else 100000.
    pub linger_us: i64,
    /// Bytes at which pending puts are written at once, and at which an entry is full; default 8388608 (8 MiB).
    pub max_buffer_bytes: u64,
    /// Bytes admitted and not durable at which puts wait for room; default 67108864 (64 MiB).
    pub max_pending_bytes: u64,
    /// Milliseconds before the first retry, doubling with each; default 50.
    pub retry_base_delay_ms: u32,
    /// Manifest versions that are asked for at once, 1 to 64; default 2.
    pub manifest_probe_width: u32,
    /// Milliseconds below which nothing of the shard is ever trimmed, by anyone; < 0 (default) = 24 hours.
    pub trim_age_ms: i64,
    /// Milliseconds that opening may take; < 0 (default) = for ever.
    pub open_timeout_ms: i64,
}

// SAFETY: `repr(C)`, integers, no padding at the end.
unsafe impl Options for WeirWriterOptions {
    const NAME: &'static str = "WeirWriterOptions";
    const FROZEN: usize = size_of::<Self>();
    const ENDS: &'static [usize] = field_ends!(WeirWriterOptions: struct_size, durable, fsync, validate, reserved, compression, max_retries,
        linger_us, max_buffer_bytes, max_pending_bytes, retry_base_delay_ms, manifest_probe_width, trim_age_ms, open_timeout_ms);
    fn defaults() -> Self {
        let core = WriterConfig::default();
        Self {
            struct_size: size_of::<Self>() as u32,
            durable: core.durable.into(),
            fsync: 1,
            validate: 1,
            reserved: 0,
            compression: 0,
            max_retries: core.retry.max_retries,
            linger_us: -1,
            max_buffer_bytes: core.max_buffer_bytes,
            max_pending_bytes: core.max_pending_bytes,
            retry_base_delay_ms: core.retry.base_delay.as_millis() as u32,
            manifest_probe_width: core.manifest_probe_width,
            trim_age_ms: -1,
            open_timeout_ms: -1,
        }
    }
}

impl WeirWriterOptions {
    fn decode(&self) -> Result<WriterConfig> {
        if self.reserved != 0 {
            bail!(InvalidArgument, "WeirWriterOptions.reserved is not 0");
        }
        let config = WriterConfig {
            durable: flag("durable", self.durable)?,
            linger: u64::try_from(self.linger_us).ok().map(Duration::from_micros),
            max_buffer_bytes: self.max_buffer_bytes,
            max_pending_bytes: self.max_pending_bytes,
            compression: compression(self.compression)?,
            retry: Retry { max_retries: self.max_retries, base_delay: Duration::from_millis(self.retry_base_delay_ms.into()) },
            manifest_probe_width: self.manifest_probe_width,
            trim_age: timeout(self.trim_age_ms).unwrap_or(WriterConfig::default().trim_age),
            memtable: None,
        };
        config.validate()?;
        Ok(config)
    }
}

/// Fills options with their defaults.
///
/// @param options      the struct
/// @param struct_size  `sizeof(WeirWriterOptions)` as the caller knows it, in bytes: no more is written
///
/// # Safety
///
/// `options` is NULL or `struct_size` bytes there may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_options_init(options: *mut WeirWriterOptions, struct_size: u32) {
    // SAFETY: the caller's promise.
    unsafe { options::init(options, struct_size) };
}

unsafe fn open(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    schema: *const FFI_ArrowSchema,
    options: *const WeirWriterOptions,
) -> Result<Operation<impl Future<Output = Result<Owned<WeirWriter>>> + Send + 'static>> {
    // SAFETY: the caller's promise, here and below.
    let options = unsafe { options::read(options) }?;
    let (config, validate, fsync) = (options.decode()?, flag("validate", options.validate)?, flag("fsync", options.fsync)?);
    // SAFETY: the same.
    let OpenOptions { handle, store, shard, schema } = unsafe { OpenOptions::decode(session, root, shard_id, schema, fsync) }?;
    let session = Arc::clone(&handle.core);
    let blocking = store.is_blocking();
    let env = session.env().clone();
    let opening = async move {
        let within = Within { memory: Some(Arc::clone(session.memory())), cache: Some(session.cache()) };
        let env = session.env().clone();
        let writer = Arc::new(ShardWriter::open_within(store.clone(), shard.clone(), &schema, config, env, within).await?);
        session.opened(&store, &shard, writer.epoch()).await;
        let figures = Figures::register(&session, &writer);
        Ok(Owned::new(Writing { writer, validate, blocking, figures, session }))
    };
    Ok(operation(&handle, blocking, within(env, options.open_timeout_ms, opening)))
}

/// Opens a writer: claims the shard, which fences the writer before, and makes the shard if it does not exist. Options and schema
/// are checked first, so a call that is refused for them fences nobody.
///
/// @param session   the session; the writer keeps what it needs of it
/// @param root      the URL or path below which the shard lies
/// @param shard_id  the shard's UUID, lower case, hyphenated
/// @param schema    the schema of every batch to come, a struct; borrowed. Metadata keys that the log reserves are left out.
/// @param options   NULL for the defaults
/// @param writer    receives the writer; free it with weir_writer_free()
/// @param error     receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_SCHEMA_MISMATCH, WEIR_STATUS_SEALED, WEIR_STATUS_CONFLICT or WEIR_STATUS_FENCED if
/// another claims at the same time, WEIR_STATUS_UNSUPPORTED for a store without create-if-absent, WEIR_STATUS_PERMISSION_DENIED,
/// WEIR_STATUS_STORAGE, WEIR_STATUS_CORRUPTION, WEIR_STATUS_TIMED_OUT (the claim may have been made)
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_open(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    schema: *const FFI_ArrowSchema,
    options: *const WeirWriterOptions,
    writer: *mut *mut WeirWriter,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, -1, Out::clear("writer", writer), || open(session, root, shard_id, schema, options)) }
}

/// weir_writer_open() with a completion: the event's `result` is the writer.
///
/// @param session     the session
/// @param root        the URL or path
/// @param shard_id    the shard's UUID
/// @param schema      the schema of every batch; borrowed for the call
/// @param options     NULL for the defaults
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_SCHEMA_MISMATCH
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_open_async(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    schema: *const FFI_ArrowSchema,
    options: *const WeirWriterOptions,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || open(session, root, shard_id, schema, options)) }
}

impl Writing {
    fn import(&self, array: Taken<FFI_ArrowArray>) -> Result<RecordBatch> {
        arrow::import_batch(array.array()?, self.writer.schema(), self.validate)
    }
}

/// Puts a batch. With `durable`, returns when its entry is durable; else when it is admitted.
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
fn completing(offered: Offered) -> Callback {
    let completion = offered.accept();
    Box::new(move |outcome| completion.complete(outcome.map(WeirAck::from)))
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
        if given.fields() != wanted.fields() {
            let wrong = given.fields().iter().zip(wanted.fields()).find(|(given, wanted)| given != wanted);
            return Err(match wrong {
                Some((given, wanted)) => err!(SchemaMismatch, "the stream's column is {given}, the writer's {wanted}"),
                None => err!(SchemaMismatch, "the stream has {} columns, the writer {}", given.fields().len(), wanted.fields().len()),
            });
        }
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
unsafe fn block(writer: *const WeirWriter, error: *mut *mut WeirError, run: impl FnOnce(&ShardWriter) -> Result<()>) -> WeirStatus {
    let body = |writer: &Handle<WeirWriter>| {
        runtime::may_block()?;
        run(&writer.core.writer)
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(writer, error, body) }
}

/// Runs one of the writer's calls with a callback.
unsafe fn callback(
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
/// @param bytes       the put's size in bytes, about that of its buffers
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

/// Refuses further puts, waits until all are durable, and lets go of the shard. May be called again: after WEIR_STATUS_TIMED_OUT to
/// wait on, after success to no effect.
///
/// @param writer      the writer
/// @param timeout_ms  < 0 = for ever, 0 = do not wait
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT; WEIR_STATUS_FENCED or WEIR_STATUS_POISONED: what was not durable may be lost
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

/// Frees a writer. One that was not closed is aborted: puts that are not durable are lost. NULL is allowed.
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_free(writer: *mut WeirWriter) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(writer) };
}
