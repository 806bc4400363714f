//! Sessions.

use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

use super::args::{self, Out};
use super::buffer::WeirBuffer;
use super::cache::WeirCache;
use super::cache_stats::WEIR_CACHE_UNKNOWN;
use super::error::{WeirError, WeirStatus};
use super::guard::{guard, guard_on};
use super::handle::{self, Handle, Opaque, Owned};
use super::options::{self, Options, field_ends};
use super::sized_out::{SizedOut, sized};
use super::spill_store::WeirSpillStore;
use crate::error::{Error, Result, bail};
use crate::memory::Waiting;
use crate::runtime;
use crate::session::Session;
use crate::store::Settings;

/// What is shared by all that is opened through it: object stores with their settings, one client for each bucket; the cache; the spill
/// store; one memory limit; and metrics. What is opened keeps it alive. The runtime and the threads that run callbacks are the process's
/// (weir_runtime_configure()), and all sessions share them. It may be used from any thread.
pub struct WeirSession {
    _opaque: [u8; 0],
}

impl Opaque for WeirSession {
    type Core = Arc<Session>;
    const MAGIC: u32 = u32::from_be_bytes(*b"sess");
    const NAME: &'static str = "session";
}

/// A setting. Both texts are NUL-terminated UTF-8 and are copied.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirKeyValue {
    /// One of weir_store_settings_list(), in any case.
    pub key: *const c_char,
    /// Its value.
    pub value: *const c_char,
}

/// Options of weir_session_new().
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirSessionOptions {
    /// `sizeof(WeirSessionOptions)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Settings of object stores, such as credentials; NULL for none (default). An unknown key is an error.
    pub store_settings: *const WeirKeyValue,
    /// How many there are.
    pub store_settings_len: usize,
    /// The spill store of all that is opened through the session; NULL (default) for a local one, made when it is first asked for. The
    /// session keeps what it needs of it, and shows its figures in its metrics.
    pub spill: *const WeirSpillStore,
    /// The cache of all that is opened through the session; NULL (default) = a built-in one, made when it is first needed. The session
    /// keeps it. Entries of a store with latency are cached in either; those of a local one only in one that is given here.
    pub cache: *const WeirCache,
    /// The limit, in bytes, on what the session's writers have queued and hold in MemTables, what its tailers have read ahead, and its
    /// cache together; 0 (default) = none. The cache yields, and puts wait. See weir_session_memory().
    pub memory_bytes: u64,
}

// SAFETY: `repr(C)`, integers and pointers, no padding at the end.
unsafe impl Options for WeirSessionOptions {
    const NAME: &'static str = "WeirSessionOptions";
    const FROZEN: usize = std::mem::offset_of!(Self, spill);
    const ENDS: &'static [usize] =
        field_ends!(WeirSessionOptions: struct_size, reserved, store_settings, store_settings_len, spill, cache, memory_bytes);
    fn defaults() -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            reserved: 0,
            store_settings: std::ptr::null(),
            store_settings_len: 0,
            spill: std::ptr::null(),
            cache: std::ptr::null(),
            memory_bytes: 0,
        }
    }
}

impl WeirSessionOptions {
    unsafe fn decode(&self) -> Result<Settings> {
        if self.reserved != 0 {
            bail!(InvalidArgument, "WeirSessionOptions.reserved is not 0");
        }
        // SAFETY: the caller's promise.
        let pairs = unsafe { args::slice("store_settings", self.store_settings, self.store_settings_len) }?;
        let pairs = pairs.iter().enumerate().map(|(index, pair)| {
            let name = |error: Error| error.context(format_args!("store_settings[{index}]"));
            // SAFETY: the caller's promise.
            let (key, value) = unsafe { (args::text("key", pair.key), args::text("value", pair.value)) };
            Ok((key.map_err(name)?.to_owned(), value.map_err(name)?.to_owned()))
        });
        Settings::new(pairs.collect::<Result<Vec<_>>>()?)
    }
}

/// Fills options with their defaults.
///
/// @param options      the struct
/// @param struct_size  `sizeof(WeirSessionOptions)` as the caller knows it, in bytes: no more is written
///
/// # Safety
///
/// `options` is NULL or `struct_size` bytes there may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_session_options_init(options: *mut WeirSessionOptions, struct_size: u32) {
    // SAFETY: the caller's promise.
    unsafe { options::init(options, struct_size) };
}

/// Makes a session. Makes no request and starts no thread.
///
/// @param options  NULL for the defaults
/// @param session  receives the session; free it with weir_session_free()
/// @param error    receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT naming an unknown setting or a bad value
///
/// # Safety
///
/// Pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_session_new(
    options: *const WeirSessionOptions,
    session: *mut *mut WeirSession,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::<Owned<WeirSession>>::clear("session", session) };
    let body = || {
        out.check()?;
        // SAFETY: the caller's promise, here and below.
        let options = unsafe { options::read(options) }?;
        // SAFETY: the same.
        let settings = unsafe { options.decode() }?;
        let mut builder = Session::builder().with_settings(settings);
        if !options.spill.is_null() {
            // SAFETY: the same.
            builder = builder.with_spill_store(unsafe { handle::get(options.spill) }?.core.clone());
        }
        if !options.cache.is_null() {
            // SAFETY: the same.
            builder = builder.with_cache(unsafe { handle::get(options.cache) }?.core.clone());
        }
        if options.memory_bytes > 0 {
            builder = builder.with_memory_limit(options.memory_bytes);
        }
        runtime::watch_fork();
        out.set(Owned::new(builder.build()?));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, body) }
}

/// The spill store of a session: the one of its options, or a local one without a cap. Makes no directory.
///
/// @param session  the session
/// @param store    receives the store; free it with weir_spill_store_free()
/// @param error    receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_session_spill_store(
    session: *const WeirSession,
    store: *mut *mut WeirSpillStore,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::<Owned<WeirSpillStore>>::clear("store", store) };
    let body = |session: &Handle<WeirSession>| {
        out.check()?;
        out.set(Owned::new(session.core.spill_store()?));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(session, error, body) }
}

/// Frees a session. What was opened through it goes on and keeps what it needs. NULL is allowed.
///
/// # Safety
///
/// `session` is NULL or a session that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_session_free(session: *mut WeirSession) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(session) };
}

/// The cache of a session: the one of its options, or the built-in one.
///
/// @param session  the session
/// @param cache    receives a handle on the cache; free it with weir_cache_free()
/// @param error    receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_session_cache(
    session: *const WeirSession,
    cache: *mut *mut WeirCache,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::<Owned<WeirCache>>::clear("cache", cache) };
    let body = |session: &Handle<WeirSession>| {
        out.check()?;
        out.set(Owned::new(session.core.cache()));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(session, error, body) }
}

/// The memory of a session, in bytes, and who waits for some. Set `struct_size` before the call.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirSessionMemory {
    /// `sizeof(WeirSessionMemory)` as the caller knows it: no more is written.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// The limit; 0 = none.
    pub limit_bytes: u64,
    /// What its writers have queued and is not durable yet.
    pub queue_bytes: u64,
    /// What its MemTables hold.
    pub memtable_bytes: u64,
    /// What its tailers have read ahead.
    pub read_ahead_bytes: u64,
    /// What its cache holds; WEIR_CACHE_UNKNOWN if the backend is the caller's.
    pub cache_bytes: u64,
    /// Writers whose puts wait for room below the limit: weir_session_pressure() names them.
    pub waiting: u64,
    /// The bytes that the puts at the head of their queues want.
    pub waiting_bytes: u64,
    /// How long the first of them has waited, in nanoseconds.
    pub longest_wait_ns: u64,
    /// How often a writer waited.
    pub waits: u64,
    /// How long they waited together, in nanoseconds, of waits that are over.
    pub waited_ns: u64,
}

// SAFETY: `repr(C)`, integers, `struct_size` first, no padding.
unsafe impl SizedOut for WeirSessionMemory {
    const NAME: &'static str = "WeirSessionMemory";
}

fn usage(session: &Session) -> WeirSessionMemory {
    let usage = session.memory().usage();
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    WeirSessionMemory {
        struct_size: size_of::<WeirSessionMemory>() as u32,
        reserved: 0,
        limit_bytes: usage.limit.unwrap_or(0),
        queue_bytes: usage.queues,
        memtable_bytes: usage.tables,
        read_ahead_bytes: usage.read_ahead,
        cache_bytes: usage.cache.unwrap_or(WEIR_CACHE_UNKNOWN),
        waiting: usage.waiting,
        waiting_bytes: usage.waiting_bytes,
        longest_wait_ns: nanos(usage.longest_wait),
        waits: usage.waits,
        waited_ns: nanos(usage.waited),
    }
}

/// The memory of all that was opened through a session, by its use.
///
/// @param session  the session
/// @param memory   receives the figures; set its `struct_size`
/// @param error    receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; `memory` is NULL or as long as it says; `error` is NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_session_memory(
    session: *const WeirSession,
    memory: *mut WeirSessionMemory,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let body = |session: &Handle<WeirSession>| unsafe { sized(memory, usage(&session.core)) };
    // SAFETY: the caller's promise.
    unsafe { guard_on(session, error, body) }
}

/// What waits for room below a session's memory limit, for how many bytes, and how long it has: one line each, the first to get room
/// first. Empty if nothing does.
///
/// @param session  the session
/// @param text     receives the text; free it with weir_buffer_free()
/// @param error    receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_session_pressure(
    session: *const WeirSession,
    text: *mut *mut WeirBuffer,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::clear("text", text) };
    let body = |session: &Handle<WeirSession>| {
        out.check()?;
        let line =
            |waiting: Waiting| format!("{} waits for {} bytes since {} ms\n", waiting.who, waiting.bytes, waiting.waited.as_millis());
        out.set(WeirBuffer::of(session.core.memory().waiting().into_iter().map(line).collect::<String>()));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(session, error, body) }
}

/// Lists the keys of store settings that this build knows, one per line.
///
/// @param keys   receives the text; free it with weir_buffer_free()
/// @param error  receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// Pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_store_settings_list(keys: *mut *mut WeirBuffer, error: *mut *mut WeirError) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::clear("keys", keys) };
    let body = || {
        out.check()?;
        out.set(WeirBuffer::of(Settings::known_keys().iter().map(|key| format!("{key}\n")).collect::<String>()));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, body) }
}

/// The metrics of all that was opened through a session, in the text format of Prometheus.
///
/// @param session  the session
/// @param text     receives the text; free it with weir_buffer_free()
/// @param error    receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_metrics_prometheus(
    session: *const WeirSession,
    text: *mut *mut WeirBuffer,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::clear("text", text) };
    let body = |session: &Handle<WeirSession>| {
        out.check()?;
        out.set(WeirBuffer::of(session.core.metrics().prometheus()));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(session, error, body) }
}
