//! Tailers: reading one shard's log in order.

use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;

use super::args::{self, Out};
use super::arrow;
use super::arrow_out::ArrowOut;
use super::call::{self, Operation, operation};
use super::completion::{WeirCompletion, WeirResult};
use super::entry::WeirEntry;
use super::error::{WeirError, WeirStatus};
use super::guard::{guard_on, protect};
use super::handle::{self, Handle, Opaque, Owned};
use super::options::{self, Options, field_ends, flag};
use super::session::WeirSession;
use super::tail_stream::TailSource;
use crate::error::{Result, bail};
use crate::session::Session;
use crate::shard::ShardPath;
use crate::wal::{TailerOptions, WalTailer};

/// A reader of one shard's log. All functions may be called from any thread at once; weir_tailer_next() calls take turns.
pub struct WeirTailer {
    _opaque: [u8; 0],
}

/// What is inside: the tailer, and the session that it keeps alive.
pub(crate) struct Tailing {
    pub tailer: WalTailer,
    pub blocking: bool,
    _session: Arc<Session>,
}

impl Opaque for WeirTailer {
    type Core = Tailing;
    const MAGIC: u32 = u32::from_be_bytes(*b"tail");
    const NAME: &'static str = "tailer";
    const RESULT: i32 = WeirResult::Tailer as i32;
}

/// Options of weir_tailer_open().
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirTailerOptions {
    /// `sizeof(WeirTailerOptions)`.
    pub struct_size: u32,
    /// 1: wait at the end of the log for new entries. 0 (default): report the end.
    pub follow: u8,
    /// Must be 0.
    pub reserved: [u8; 3],
    /// The position to start at; 0 (default) = the oldest there is.
    pub from: u64,
    /// Bytes of entries that may be held that were read ahead; default 67108864 (64 MiB).
    pub prefetch_bytes: u64,
    /// Entries that are fetched at once from a store with latency, 1 to 4096; default 32. Local stores are read directly.
    pub prefetch_entries: u32,
    /// Milliseconds until the log's end is looked at again after news, doubling up to `poll_max_ms`; default 2.
    pub poll_min_ms: u32,
    /// The longest pause between two looks, in milliseconds; default 1000. A writer in this process wakes its tailers at once.
    pub poll_max_ms: u32,
    /// Must be 0.
    pub reserved2: u32,
}

// SAFETY: `repr(C)`, integers, no padding at the end.
unsafe impl Options for WeirTailerOptions {
    const NAME: &'static str = "WeirTailerOptions";
    const FROZEN: usize = size_of::<Self>();
    const ENDS: &'static [usize] = field_ends!(WeirTailerOptions: struct_size, follow, reserved, from, prefetch_bytes, prefetch_entries,
        poll_min_ms, poll_max_ms, reserved2);
    fn defaults() -> Self {
        let core = TailerOptions::default();
        Self {
            struct_size: size_of::<Self>() as u32,
            follow: core.follow.into(),
            reserved: [0; 3],
            from: core.from,
            prefetch_bytes: core.prefetch_bytes,
            prefetch_entries: core.prefetch_entries,
            poll_min_ms: core.poll_min.as_millis() as u32,
            poll_max_ms: core.poll_max.as_millis() as u32,
            reserved2: 0,
        }
    }
}

impl WeirTailerOptions {
    fn decode(&self) -> Result<TailerOptions> {
        if self.reserved != [0; 3] || self.reserved2 != 0 {
            bail!(InvalidArgument, "a reserved field of WeirTailerOptions is not 0");
        }
        Ok(TailerOptions {
            follow: flag("follow", self.follow)?,
            from: self.from,
            prefetch_entries: self.prefetch_entries,
            prefetch_bytes: self.prefetch_bytes,
            poll_min: Duration::from_millis(self.poll_min_ms.into()),
            poll_max: Duration::from_millis(self.poll_max_ms.into()),
        })
    }
}

/// Fills options with their defaults.
///
/// @param options      the struct
/// @param struct_size  `sizeof(WeirTailerOptions)` as the caller knows it, in bytes: no more is written
///
/// # Safety
///
/// `options` is NULL or `struct_size` bytes there may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_tailer_options_init(options: *mut WeirTailerOptions, struct_size: u32) {
    // SAFETY: the caller's promise.
    unsafe { options::init(options, struct_size) };
}

/// Opens a tailer of one shard's log. Makes no request: whether the shard exists shows at the first read.
///
/// @param session   the session; the tailer keeps what it needs of it
/// @param root      the URL or path below which the shard lies
/// @param shard_id  the shard's UUID, lower case, hyphenated
/// @param options   NULL for the defaults
/// @param tailer    receives the tailer; free it with weir_tailer_free()
/// @param error     receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_UNSUPPORTED for a scheme that this build does not know
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_tailer_open(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    options: *const WeirTailerOptions,
    tailer: *mut *mut WeirTailer,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::<Owned<WeirTailer>>::clear("tailer", tailer) };
    let body = |session: &Handle<WeirSession>| {
        out.check()?;
        // SAFETY: the caller's promise.
        let (root, shard, options) = unsafe { (args::text("root", root)?, args::text("shard_id", shard_id)?, options::read(options)?) };
        let session = Arc::clone(&session.core);
        let store = session.store(root, true)?;
        let blocking = store.is_blocking();
        let cache = session.entry_cache(&store);
        let tailer = WalTailer::open(store, ShardPath::new(shard)?, options.decode()?, session.env().clone())?;
        let tailer = tailer.with_memory(session.memory());
        let tailer = if let Some(cache) = &cache { tailer.with_cache(cache) } else { tailer };
        out.set(Owned::new(Tailing { tailer, blocking, _session: session }));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(session, error, body) }
}

unsafe fn next(tailer: *const WeirTailer) -> Result<Operation<impl Future<Output = Result<Option<Owned<WeirEntry>>>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let handle = unsafe { handle::share(tailer) }?;
    let shared = Arc::clone(&handle);
    let future = async move { Ok(shared.core.tailer.next().await?.map(Owned::new)) };
    Ok(operation(&handle, handle.core.blocking, future))
}

/// Reads the next entry, in order.
///
/// @param tailer      the tailer
/// @param timeout_ms  how long to wait at the end of the log when following; < 0 = for ever, 0 = not at all
/// @param entry       receives the entry, or NULL at the end of the log when not following; free it with weir_entry_free()
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK; WEIR_STATUS_TIMED_OUT; WEIR_STATUS_TRIMMED if the position is gone (detail `first_position` = the oldest);
/// WEIR_STATUS_CORRUPTION naming the object; WEIR_STATUS_CANCELLED after weir_tailer_interrupt(); WEIR_STATUS_NOT_FOUND if there is no
/// such shard; WEIR_STATUS_CLOSED; WEIR_STATUS_STORAGE. After an error the tailer is where it was.
///
/// # Safety
///
/// `tailer` is NULL or a tailer that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_tailer_next(
    tailer: *const WeirTailer,
    timeout_ms: i64,
    entry: *mut *mut WeirEntry,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::clear("entry", entry), || next(tailer)) }
}

/// weir_tailer_next() with a completion: the event's `result` is the entry, or NULL at the end of the log.
///
/// @param tailer      the tailer
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `tailer` is NULL or a tailer that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_tailer_next_async(
    tailer: *const WeirTailer,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || next(tailer)) }
}

unsafe fn read(
    tailer: *const WeirTailer,
    position: u64,
) -> Result<Operation<impl Future<Output = Result<Owned<WeirEntry>>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let handle = unsafe { handle::share(tailer) }?;
    let shared = Arc::clone(&handle);
    let future = async move { Ok(Owned::new(shared.core.tailer.read(position).await?)) };
    Ok(operation(&handle, handle.core.blocking, future))
}

/// Reads the entry at a position, without moving the tailer.
///
/// @param tailer      the tailer
/// @param position    the position, 1 or more
/// @param timeout_ms  < 0 = for ever
/// @param entry       receives the entry; free it with weir_entry_free()
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK; WEIR_STATUS_NOT_FOUND if it is not written yet; otherwise as weir_tailer_next()
///
/// # Safety
///
/// `tailer` is NULL or a tailer that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_tailer_read(
    tailer: *const WeirTailer,
    position: u64,
    timeout_ms: i64,
    entry: *mut *mut WeirEntry,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::clear("entry", entry), || read(tailer, position)) }
}

/// weir_tailer_read() with a completion: the event's `result` is the entry.
///
/// @param tailer      the tailer
/// @param position    the position, 1 or more
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `tailer` is NULL or a tailer that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_tailer_read_async(
    tailer: *const WeirTailer,
    position: u64,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || read(tailer, position)) }
}

unsafe fn end(tailer: *const WeirTailer, first: bool) -> Result<Operation<impl Future<Output = Result<u64>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let handle = unsafe { handle::share(tailer) }?;
    let shared = Arc::clone(&handle);
    let future = async move {
        let tailer = &shared.core.tailer;
        if first { tailer.first_position().await } else { tailer.next_position().await }
    };
    Ok(operation(&handle, handle.core.blocking, future))
}

/// The oldest position in the log; of an empty log, the first to be written.
///
/// @param tailer      the tailer
/// @param timeout_ms  < 0 = for ever
/// @param position    receives the position
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_CLOSED, WEIR_STATUS_STORAGE
///
/// # Safety
///
/// `tailer` is NULL or a tailer that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_tailer_first_position(
    tailer: *const WeirTailer,
    timeout_ms: i64,
    position: *mut u64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::clear("position", position), || end(tailer, true)) }
}

/// weir_tailer_first_position() with a completion: the event's `value` is the position.
///
/// @param tailer      the tailer
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `tailer` is NULL or a tailer that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_tailer_first_position_async(
    tailer: *const WeirTailer,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || end(tailer, true)) }
}

/// The position after the newest entry: where the next one will be.
///
/// @param tailer      the tailer
/// @param timeout_ms  < 0 = for ever
/// @param position    receives the position
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_CLOSED, WEIR_STATUS_STORAGE
///
/// # Safety
///
/// `tailer` is NULL or a tailer that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_tailer_next_position(
    tailer: *const WeirTailer,
    timeout_ms: i64,
    position: *mut u64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::clear("position", position), || end(tailer, false)) }
}

/// weir_tailer_next_position() with a completion: the event's `value` is the position.
///
/// @param tailer      the tailer
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `tailer` is NULL or a tailer that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_tailer_next_position_async(
    tailer: *const WeirTailer,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || end(tailer, false)) }
}

/// The position that weir_tailer_next() will read; 0 = the oldest, not looked up yet, or NULL.
///
/// # Safety
///
/// `tailer` is NULL or a tailer that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_tailer_position(tailer: *const WeirTailer) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { handle::peek(tailer) }.map_or(0, |handle| handle.core.tailer.position())
}

/// Makes `position` the next to be read, also for a call that waits.
///
/// @param tailer    the tailer
/// @param position  the position; 0 = the oldest there is
/// @param error     receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `tailer` is NULL or a tailer that was not freed; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_tailer_seek(tailer: *const WeirTailer, position: u64, error: *mut *mut WeirError) -> WeirStatus {
    let body = |tailer: &Handle<WeirTailer>| {
        tailer.core.tailer.seek(position);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(tailer, error, body) }
}

/// Ends a waiting weir_tailer_next() with WEIR_STATUS_CANCELLED; if none waits, the next one that would. NULL is allowed.
///
/// # Safety
///
/// `tailer` is NULL or a tailer that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_tailer_interrupt(tailer: *const WeirTailer) {
    // SAFETY: the caller's promise.
    if let Ok(handle) = unsafe { handle::peek(tailer) } {
        let _ = protect(|| {
            handle.core.tailer.interrupt();
            Ok(())
        });
    }
}

/// The batches of all entries from the tailer's position on as one stream, sentinels left out. The stream takes its schema from
/// the first entry that has batches, and waits for one when following; an entry of another schema ends it with an error.
/// The stream shares the tailer's position and keeps it alive: use one or the other. weir_tailer_interrupt() and
/// weir_tailer_close() end a call of the stream that waits.
///
/// @param tailer  the tailer
/// @param stream  receives the stream; call its `release`. Errors of its calls have weir's message in `get_last_error`.
/// @param error   receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `tailer` is NULL or a tailer that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_tailer_stream(
    tailer: *const WeirTailer,
    stream: *mut FFI_ArrowArrayStream,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { ArrowOut::clear("stream", stream) };
    let body = |_: &Handle<WeirTailer>| {
        out.check()?;
        // SAFETY: the caller's promise.
        let tailer = unsafe { handle::share(tailer) }?;
        out.set(arrow::export_stream(TailSource::new(tailer)));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(tailer, error, body) }
}

/// Refuses later calls and ends those that wait with WEIR_STATUS_CLOSED. May be called again.
///
/// @param tailer  the tailer
/// @param error   receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `tailer` is NULL or a tailer that was not freed; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_tailer_close(tailer: *const WeirTailer, error: *mut *mut WeirError) -> WeirStatus {
    let body = |tailer: &Handle<WeirTailer>| {
        tailer.core.tailer.close();
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(tailer, error, body) }
}

/// Frees a tailer. Operations that are under way go on to their end, and streams, subscriptions and entries stay valid: call
/// weir_tailer_close() first to end them. NULL is allowed.
///
/// # Safety
///
/// `tailer` is NULL or a tailer that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_tailer_free(tailer: *mut WeirTailer) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(tailer) };
}
