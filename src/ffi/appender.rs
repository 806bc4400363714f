//! Appenders: the lowest-level way to write a shard.

use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;

use super::args::Out;
use super::arrow::{self, Taken};
use super::call::{self, Operation, operation};
use super::completion::{WeirCompletion, WeirResult};
use super::error::{WeirError, WeirStatus};
use super::handle::{self, Opaque, Owned};
use super::open::{OpenOptions, compression, timeout, within};
use super::options::{self, Options, field_ends, flag};
use super::session::WeirSession;
use crate::env::Retry;
use crate::error::{Result, bail};
use crate::session::Session;
use crate::wal::{AppenderOptions, WalAppender};

/// The owner of a shard, which appends one entry per call and buffers nothing. All functions may be called from any thread at
/// once; appends take turns.
pub struct WeirAppender {
    _opaque: [u8; 0],
}

/// What is inside: the appender, and the session that it keeps alive.
pub(crate) struct Appending {
    appender: WalAppender,
    validate: bool,
    blocking: bool,
    _session: Arc<Session>,
}

impl Opaque for WeirAppender {
    type Core = Appending;
    const MAGIC: u32 = u32::from_be_bytes(*b"appe");
    const NAME: &'static str = "appender";
    const RESULT: i32 = WeirResult::Appender as i32;
}

/// Options of weir_appender_open().
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirAppenderOptions {
    /// `sizeof(WeirAppenderOptions)`.
    pub struct_size: u32,
    /// 1 (default): on a local disk, file and directory of each entry are synced. See WeirWriterOptions.
    pub fsync: u8,
    /// 1 (default): offsets and UTF-8 of every batch are checked. See WeirWriterOptions.
    pub validate: u8,
    /// Must be 0.
    pub reserved: [u8; 2],
    /// Compression of entries, a `WEIR_COMPRESSION_*`; default none.
    pub compression: i32,
    /// Retries of a failed append, at the same position; default 3.
    pub max_retries: u32,
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
unsafe impl Options for WeirAppenderOptions {
    const NAME: &'static str = "WeirAppenderOptions";
    const FROZEN: usize = size_of::<Self>();
    const ENDS: &'static [usize] = field_ends!(WeirAppenderOptions: struct_size, fsync, validate, reserved, compression, max_retries,
        retry_base_delay_ms, manifest_probe_width, trim_age_ms, open_timeout_ms);
    fn defaults() -> Self {
        let core = AppenderOptions::default();
        Self {
            struct_size: size_of::<Self>() as u32,
            fsync: 1,
            validate: 1,
            reserved: [0; 2],
            compression: 0,
            max_retries: core.retry.max_retries,
            retry_base_delay_ms: core.retry.base_delay.as_millis() as u32,
            manifest_probe_width: core.manifest_probe_width,
            trim_age_ms: -1,
            open_timeout_ms: -1,
        }
    }
}

impl WeirAppenderOptions {
    fn decode(&self) -> Result<AppenderOptions> {
        if self.reserved != [0; 2] {
            bail!(InvalidArgument, "WeirAppenderOptions.reserved is not 0");
        }
        Ok(AppenderOptions {
            compression: compression(self.compression)?,
            retry: Retry { max_retries: self.max_retries, base_delay: Duration::from_millis(self.retry_base_delay_ms.into()) },
            manifest_probe_width: self.manifest_probe_width,
            trim_age: timeout(self.trim_age_ms).unwrap_or(AppenderOptions::default().trim_age),
        })
    }
}

/// Fills options with their defaults.
///
/// @param options      the struct
/// @param struct_size  `sizeof(WeirAppenderOptions)` as the caller knows it, in bytes: no more is written
///
/// # Safety
///
/// `options` is NULL or `struct_size` bytes there may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_appender_options_init(options: *mut WeirAppenderOptions, struct_size: u32) {
    // SAFETY: the caller's promise.
    unsafe { options::init(options, struct_size) };
}

unsafe fn open(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    schema: *const FFI_ArrowSchema,
    options: *const WeirAppenderOptions,
) -> Result<Operation<impl Future<Output = Result<Owned<WeirAppender>>> + Send + 'static>> {
    // SAFETY: the caller's promise, here and below.
    let options = unsafe { options::read(options) }?;
    let (config, validate, fsync) = (options.decode()?, flag("validate", options.validate)?, flag("fsync", options.fsync)?);
    // SAFETY: the same.
    let OpenOptions { handle, store, shard, schema } = unsafe { OpenOptions::decode(session, root, shard_id, schema, fsync) }?;
    let session = Arc::clone(&handle.core);
    let blocking = store.is_blocking();
    let env = session.env().clone();
    let opening = async move {
        let appender = WalAppender::open(store.clone(), shard.clone(), &schema, config, session.env().clone()).await?;
        session.opened(&store, &shard, appender.epoch()).await;
        Ok(Owned::new(Appending { appender, validate, blocking, _session: session }))
    };
    Ok(operation(&handle, blocking, within(env, options.open_timeout_ms, opening)))
}

/// Opens an appender: claims the shard, which fences the writer before, and makes the shard if it does not exist. Options and
/// schema are checked first.
///
/// @param session   the session; the appender keeps what it needs of it
/// @param root      the URL or path below which the shard lies
/// @param shard_id  the shard's UUID, lower case, hyphenated
/// @param schema    the schema of every batch to come, a struct; borrowed
/// @param options   NULL for the defaults
/// @param appender  receives the appender; free it with weir_appender_free()
/// @param error     receives the error, unless NULL
/// @return as weir_writer_open()
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_appender_open(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    schema: *const FFI_ArrowSchema,
    options: *const WeirAppenderOptions,
    appender: *mut *mut WeirAppender,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, -1, Out::clear("appender", appender), || open(session, root, shard_id, schema, options)) }
}

/// weir_appender_open() with a completion: the event's `result` is the appender.
///
/// @param session     the session
/// @param root        the URL or path
/// @param shard_id    the shard's UUID
/// @param schema      the schema of every batch; borrowed for the call
/// @param options     NULL for the defaults
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_appender_open_async(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    schema: *const FFI_ArrowSchema,
    options: *const WeirAppenderOptions,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || open(session, root, shard_id, schema, options)) }
}

unsafe fn append(
    appender: *const WeirAppender,
    array: Taken<FFI_ArrowArray>,
) -> Result<Operation<impl Future<Output = Result<u64>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let handle = unsafe { handle::share(appender) }?;
    let core = &handle.core;
    let batch = arrow::import_batch(array.array()?, core.appender.schema(), core.validate)?;
    let shared = Arc::clone(&handle);
    Ok(operation(&handle, core.blocking, async move { shared.core.appender.append(&[batch]).await }))
}

/// Appends a batch as one entry, and returns when it is durable.
///
/// @param appender    the appender
/// @param array       the batch, a struct array of the appender's schema; consumed on every return
/// @param timeout_ms  < 0 = for ever. When it passes, the entry may be in the log or still appear in it; later appends go after it.
/// @param position    receives the entry's position; NULL if not wanted
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK. Nothing was written: WEIR_STATUS_INVALID_DATA, WEIR_STATUS_SCHEMA_MISMATCH, WEIR_STATUS_INVALID_ARGUMENT,
/// WEIR_STATUS_CLOSED. Unknown: WEIR_STATUS_TIMED_OUT. For ever: WEIR_STATUS_FENCED, WEIR_STATUS_POISONED
///
/// # Safety
///
/// `appender` is NULL or an appender that was not freed; `array` is NULL or an array to be consumed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_appender_append(
    appender: *const WeirAppender,
    array: *mut FFI_ArrowArray,
    timeout_ms: i64,
    position: *mut u64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise, here and below.
    let (array, out) = unsafe { (arrow::take(array), Out::clear("position", position).or_null()) };
    // SAFETY: the same.
    unsafe { call::wait(error, timeout_ms, out, || append(appender, array)) }
}

/// weir_appender_append() with a completion: the event's `value` is the position.
///
/// @param appender    the appender
/// @param array       the batch, a struct array of the appender's schema; consumed on every return
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_DATA, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `appender` is NULL or an appender that was not freed; `array` is NULL or an array to be consumed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_appender_append_async(
    appender: *const WeirAppender,
    array: *mut FFI_ArrowArray,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise, here and below.
    let array = unsafe { arrow::take(array) };
    // SAFETY: the same.
    unsafe { call::defer(error, completion, || append(appender, array)) }
}

unsafe fn check_fenced(appender: *const WeirAppender) -> Result<Operation<impl Future<Output = Result<()>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let handle = unsafe { handle::share(appender) }?;
    let shared = Arc::clone(&handle);
    Ok(operation(&handle, handle.core.blocking, async move { shared.core.appender.check_fenced().await.map(drop) }))
}

/// Asks the store whether the appender still owns the shard.
///
/// @param appender    the appender
/// @param timeout_ms  < 0 = for ever
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_FENCED, WEIR_STATUS_CLOSED, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_STORAGE
///
/// # Safety
///
/// `appender` is NULL or an appender that was not freed; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_appender_check_fenced(
    appender: *const WeirAppender,
    timeout_ms: i64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::none(), || check_fenced(appender)) }
}

/// weir_appender_check_fenced() with a completion.
///
/// @param appender    the appender
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `appender` is NULL or an appender that was not freed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_appender_check_fenced_async(
    appender: *const WeirAppender,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || check_fenced(appender)) }
}

/// The epoch under which the appender owns the shard, 1 or more; 0 for NULL.
///
/// # Safety
///
/// `appender` is NULL or an appender that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_appender_epoch(appender: *const WeirAppender) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { handle::peek(appender) }.map_or(0, |handle| handle.core.appender.epoch())
}

unsafe fn close(appender: *const WeirAppender) -> Result<Operation<impl Future<Output = Result<()>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let handle = unsafe { handle::share(appender) }?;
    let shared = Arc::clone(&handle);
    let future = async move {
        shared.core.appender.close().await;
        Ok(())
    };
    Ok(operation(&handle, handle.core.blocking, future))
}

/// Waits for an append that is under way, then refuses later ones and lets go of the shard. May be called again.
///
/// @param appender    the appender
/// @param timeout_ms  < 0 = for ever
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `appender` is NULL or an appender that was not freed; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_appender_close(appender: *const WeirAppender, timeout_ms: i64, error: *mut *mut WeirError) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::none(), || close(appender)) }
}

/// weir_appender_close() with a completion.
///
/// @param appender    the appender
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `appender` is NULL or an appender that was not freed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_appender_close_async(
    appender: *const WeirAppender,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || close(appender)) }
}

/// Frees an appender. NULL is allowed.
///
/// # Safety
///
/// `appender` is NULL or an appender that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_appender_free(appender: *mut WeirAppender) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(appender) };
}
