//! Caches.

use std::ffi::c_char;
use std::time::Duration;

use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;

use super::args::{self, Out};
use super::arrow;
use super::cache_backend::{Supplied, WeirCacheBackend};
use super::cache_reply::batch;
use super::cache_value::WeirCacheValue;
use super::call::{self, Operation, operation};
use super::completion::WeirCompletion;
use super::error::{WeirError, WeirStatus};
use super::guard::{guard, guard_on};
use super::handle::{self, Handle, Opaque, Owned};
use super::open::timeout;
use super::options::{self, Options, field_ends};
use crate::cache::{self, Cache, Key, OwnedKey, Value};
use crate::error::{Result, bail};
use crate::runtime;

/// A cache: values by key, in memory or in a backend of the caller's. It may be used from any thread.
pub struct WeirCache {
    _opaque: [u8; 0],
}

impl Opaque for WeirCache {
    type Core = Cache;
    const MAGIC: u32 = u32::from_be_bytes(*b"cach");
    const NAME: &'static str = "cache";
}

/// A key. Two keys are equal if all three parts are. A value that is asked for under another type name is not found.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirCacheKey {
    /// What weir_cache_invalidate_prefix() goes by, such as a table's name; any bytes, NULL if there are none.
    pub prefix: *const u8,
    /// How many.
    pub prefix_len: usize,
    /// The key within the prefix; any bytes, NULL if there are none.
    pub key: *const u8,
    /// How many.
    pub key_len: usize,
    /// The name of the value's type, NUL-terminated UTF-8; NULL = "". Names that begin with `weir.` are weir's own.
    pub type_name: *const c_char,
}

impl WeirCacheKey {
    /// The key at `pointer`.
    ///
    /// # Safety
    ///
    /// `pointer` is NULL or as the header describes it, for as long as the result is used.
    pub(crate) unsafe fn decode<'a>(pointer: *const Self) -> Result<Key<'a>> {
        if pointer.is_null() || !pointer.is_aligned() {
            bail!(InvalidArgument, "the key is NULL");
        }
        // SAFETY: the caller's promise, here and below.
        let raw = unsafe { &*pointer };
        // SAFETY: the same.
        let (prefix, key) = unsafe { (args::slice("prefix", raw.prefix, raw.prefix_len)?, args::slice("key", raw.key, raw.key_len)?) };
        // SAFETY: the same.
        let type_name = unsafe { args::optional_text("type_name", raw.type_name) }?.unwrap_or_default();
        let key = Key { prefix, key, type_name };
        key.check()?;
        Ok(key)
    }
}

/// Options of weir_cache_new().
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirCacheOptions {
    /// `sizeof(WeirCacheOptions)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// The bytes that the cache may hold: keys, values and what it takes to hold them; memory that several values share counts once.
    /// Default 134217728 (128 MiB); 0 = the cache is off: it holds nothing, and every loader runs. Not for a backend of the caller's.
    pub capacity_bytes: u64,
    /// A backend of the caller's, in the place of the built-in one; NULL (default) = the built-in one. Copied.
    pub backend: *const WeirCacheBackend,
    /// How long that backend may take for an answer, in milliseconds; default 1000, < 0 = as long as it likes. With a deadline, its
    /// functions are called on threads of their own, which costs some microseconds per call (see WeirCacheBackend).
    pub backend_timeout_ms: i64,
}

// SAFETY: `repr(C)`, integers and pointers, no padding at the end.
unsafe impl Options for WeirCacheOptions {
    const NAME: &'static str = "WeirCacheOptions";
    const FROZEN: usize = size_of::<Self>();
    const ENDS: &'static [usize] = field_ends!(WeirCacheOptions: struct_size, reserved, capacity_bytes, backend, backend_timeout_ms);
    fn defaults() -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            reserved: 0,
            capacity_bytes: cache::DEFAULT_CAPACITY,
            backend: std::ptr::null(),
            backend_timeout_ms: cache::DEFAULT_TIMEOUT.as_millis() as i64,
        }
    }
}

/// Fills options with their defaults.
///
/// @param options      the struct
/// @param struct_size  `sizeof(WeirCacheOptions)` as the caller knows it, in bytes: no more is written
///
/// # Safety
///
/// `options` is NULL or `struct_size` bytes there may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_options_init(options: *mut WeirCacheOptions, struct_size: u32) {
    // SAFETY: the caller's promise.
    unsafe { options::init(options, struct_size) };
}

/// Makes a cache, which belongs to no session until it is given to one (WeirSessionOptions.cache).
///
/// @param options  NULL for the defaults. After an error, the backend's `release` is not called.
/// @param cache    receives the cache; free it with weir_cache_free()
/// @param error    receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// Pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_new(
    options: *const WeirCacheOptions,
    cache: *mut *mut WeirCache,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::<Owned<WeirCache>>::clear("cache", cache) };
    let body = || {
        out.check()?;
        // SAFETY: the caller's promise.
        let options = unsafe { options::read(options) }?;
        if options.reserved != 0 {
            bail!(InvalidArgument, "WeirCacheOptions.reserved is not 0");
        }
        runtime::watch_fork();
        let clock = runtime::env().clock;
        let cache = if options.backend.is_null() {
            Cache::builtin(options.capacity_bytes, clock)
        } else {
            let limit: Option<Duration> = timeout(options.backend_timeout_ms);
            // SAFETY: the caller's promise.
            Cache::new(unsafe { Supplied::new(options.backend, limit.is_some()) }?, clock, limit)
        };
        out.set(Owned::new(cache));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, body) }
}

/// Frees a handle on a cache. Its entries go with the last: a session that was given it keeps it. NULL is allowed.
///
/// # Safety
///
/// `cache` is NULL or a cache that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_free(cache: *mut WeirCache) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(cache) };
}

type Found = Option<Owned<WeirCacheValue>>;

/// The operation that `body` makes of the cache and of the key, which it may keep.
pub(crate) unsafe fn on_key<T, F>(
    cache: *const WeirCache,
    key: *const WeirCacheKey,
    body: impl FnOnce(Cache, OwnedKey) -> Result<F>,
) -> Result<Operation<F>>
where
    F: Future<Output = Result<T>> + Send + 'static,
{
    // SAFETY: the caller's promise.
    let (handle, key) = unsafe { (handle::share(cache)?, WeirCacheKey::decode(key)?) };
    let future = body(handle.core.clone(), key.into())?;
    Ok(operation(&handle, handle.core.may_block(), future))
}

unsafe fn get(
    cache: *const WeirCache,
    key: *const WeirCacheKey,
) -> Result<Operation<impl Future<Output = Result<Found>> + Send + 'static>> {
    let body = |cache: Cache, key: OwnedKey| Ok(async move { Ok(cache.get(key.as_key()).await.map(WeirCacheValue::of)) });
    // SAFETY: the caller's promise.
    unsafe { on_key(cache, key, body) }
}

/// Looks for the value under a key. With the built-in backend it never waits, and may be called from anywhere.
///
/// @param cache       the cache
/// @param key         the key
/// @param timeout_ms  how long to wait for a backend of the caller's, beside its own deadline; < 0 = for ever
/// @param value       receives a lease on the value, or NULL if there is none; free it with weir_cache_value_free()
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, also if there is none and if the backend failed; WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_TIMED_OUT; with a
/// backend of the caller's WEIR_STATUS_WOULD_DEADLOCK where weir must not wait; WEIR_STATUS_FORKED
///
/// # Safety
///
/// `cache` is NULL or a cache that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_get(
    cache: *const WeirCache,
    key: *const WeirCacheKey,
    timeout_ms: i64,
    value: *mut *mut WeirCacheValue,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::<Found>::clear("value", value) };
    let body = |cache: &Handle<WeirCache>| {
        out.check()?;
        // SAFETY: the caller's promise.
        let key = unsafe { WeirCacheKey::decode(key) }?;
        let found = match cache.core.get_now(key) {
            Some(found) => found,
            None => {
                runtime::may_block()?;
                runtime::block_on(async { Ok(cache.core.get(key).await) }, timeout_ms)?
            }
        };
        out.set(found.map(WeirCacheValue::of));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(cache, error, body) }
}

/// weir_cache_get() with a completion: the event's `result` is the value, or NULL if there is none.
///
/// @param cache       the cache
/// @param key         the key; copied
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `cache` is NULL or a cache that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_get_async(
    cache: *const WeirCache,
    key: *const WeirCacheKey,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || get(cache, key)) }
}

unsafe fn insert(
    cache: *const WeirCache,
    key: *const WeirCacheKey,
    value: impl FnOnce() -> Result<Value>,
) -> Result<Operation<impl Future<Output = Result<()>> + Send + 'static>> {
    let body = |cache: Cache, key: OwnedKey| {
        let value = value()?;
        Ok(async move { cache.insert(key.as_key(), value).await })
    };
    // SAFETY: the caller's promise.
    unsafe { on_key(cache, key, body) }
}

unsafe fn bytes(data: *const u8, len: usize) -> impl FnOnce() -> Result<Value> {
    // SAFETY: the caller's promise.
    move || Ok(Value::bytes(unsafe { args::slice("data", data, len) }?))
}

/// Puts bytes under a key, in the place of what is there. The cache need not take them: a value larger than the whole cache is not
/// kept, and neither is what it was to replace.
///
/// @param cache       the cache
/// @param key         the key
/// @param data        the bytes, which are copied; NULL if there are none
/// @param len         how many
/// @param timeout_ms  how long to wait for a backend of the caller's, beside its own deadline; < 0 = for ever
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, also if the backend failed; WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_WOULD_DEADLOCK
/// where weir must not wait, WEIR_STATUS_FORKED
///
/// # Safety
///
/// `cache` is NULL or a cache that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_insert(
    cache: *const WeirCache,
    key: *const WeirCacheKey,
    data: *const u8,
    len: usize,
    timeout_ms: i64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::none(), || insert(cache, key, bytes(data, len))) }
}

/// weir_cache_insert() with a completion.
///
/// @param cache       the cache
/// @param key         the key; copied
/// @param data        the bytes; copied
/// @param len         how many
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `cache` is NULL or a cache that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_insert_async(
    cache: *const WeirCache,
    key: *const WeirCacheKey,
    data: *const u8,
    len: usize,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || insert(cache, key, bytes(data, len))) }
}

/// Puts a batch under a key, without copying it, in the place of what is there. As weir_cache_insert().
///
/// @param cache       the cache
/// @param key         the key
/// @param array       the batch, a struct array; consumed on every return
/// @param schema      its schema; borrowed
/// @param timeout_ms  how long to wait for a backend of the caller's, beside its own deadline; < 0 = for ever
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, also if the backend failed; WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_INVALID_DATA, WEIR_STATUS_TIMED_OUT,
/// WEIR_STATUS_WOULD_DEADLOCK, WEIR_STATUS_FORKED
///
/// # Safety
///
/// `cache` is NULL or a cache that was not freed; `array` is NULL or an array to be consumed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_insert_batch(
    cache: *const WeirCache,
    key: *const WeirCacheKey,
    array: *mut FFI_ArrowArray,
    schema: *const FFI_ArrowSchema,
    timeout_ms: i64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let array = unsafe { arrow::take(array) };
    // SAFETY: the same.
    unsafe { call::wait(error, timeout_ms, Out::none(), || insert(cache, key, || Ok(Value::batch(batch(array, schema)?)))) }
}

/// weir_cache_insert_batch() with a completion.
///
/// @param cache       the cache
/// @param key         the key; copied
/// @param array       the batch, a struct array; consumed on every return
/// @param schema      its schema; borrowed for the call
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_INVALID_DATA
///
/// # Safety
///
/// `cache` is NULL or a cache that was not freed; `array` is NULL or an array to be consumed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_insert_batch_async(
    cache: *const WeirCache,
    key: *const WeirCacheKey,
    array: *mut FFI_ArrowArray,
    schema: *const FFI_ArrowSchema,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let array = unsafe { arrow::take(array) };
    // SAFETY: the same.
    unsafe { call::defer(error, completion, || insert(cache, key, || Ok(Value::batch(batch(array, schema)?)))) }
}

unsafe fn invalidate(
    cache: *const WeirCache,
    prefix: *const u8,
    len: usize,
) -> Result<Operation<impl Future<Output = Result<()>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let (handle, prefix) = unsafe { (handle::share(cache)?, args::slice("prefix", prefix, len)?.to_vec()) };
    let cache = handle.core.clone();
    Ok(operation(&handle, handle.core.may_block(), async move { cache.invalidate_prefix(&prefix).await }))
}

/// Removes all entries whose prefix begins with these bytes. When it succeeds they are gone, and what loaders bring that began before
/// is not kept.
///
/// @param cache       the cache
/// @param prefix      the bytes; NULL if there are none: all entries
/// @param prefix_len  how many
/// @param timeout_ms  how long to wait for a backend of the caller's, beside its own deadline; < 0 = for ever
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK; WEIR_STATUS_STORAGE if the backend failed, WEIR_STATUS_INVALID_DATA if it answered with garbage,
/// WEIR_STATUS_TIMED_OUT, also while an insertion has no answer that began before: then entries may be left; WEIR_STATUS_INVALID_ARGUMENT,
/// WEIR_STATUS_WOULD_DEADLOCK where weir must not wait, WEIR_STATUS_FORKED
///
/// # Safety
///
/// `cache` is NULL or a cache that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_invalidate_prefix(
    cache: *const WeirCache,
    prefix: *const u8,
    prefix_len: usize,
    timeout_ms: i64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::none(), || invalidate(cache, prefix, prefix_len)) }
}

/// weir_cache_invalidate_prefix() with a completion.
///
/// @param cache       the cache
/// @param prefix      the bytes; copied
/// @param prefix_len  how many
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `cache` is NULL or a cache that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_invalidate_prefix_async(
    cache: *const WeirCache,
    prefix: *const u8,
    prefix_len: usize,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || invalidate(cache, prefix, prefix_len)) }
}

unsafe fn clear(cache: *const WeirCache) -> Result<Operation<impl Future<Output = Result<()>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let handle = unsafe { handle::share(cache) }?;
    let cache = handle.core.clone();
    Ok(operation(&handle, handle.core.may_block(), async move { cache.clear().await }))
}

/// Removes all entries. When it succeeds they are gone, and what loaders bring that began before is not kept.
///
/// @param cache       the cache
/// @param timeout_ms  how long to wait for a backend of the caller's, beside its own deadline; < 0 = for ever
/// @param error       receives the error, unless NULL
/// @return as weir_cache_invalidate_prefix()
///
/// # Safety
///
/// `cache` is NULL or a cache that was not freed; `error` is NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_clear(cache: *const WeirCache, timeout_ms: i64, error: *mut *mut WeirError) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::none(), || clear(cache)) }
}

/// weir_cache_clear() with a completion.
///
/// @param cache       the cache
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `cache` is NULL or a cache that was not freed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_clear_async(
    cache: *const WeirCache,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || clear(cache)) }
}
