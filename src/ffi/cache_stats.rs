//! What caches have done, and what they hold.

use super::args::Out;
use super::cache::WeirCache;
use super::call::{self, Operation, operation};
use super::completion::WeirCompletion;
use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::{self, Handle};
use super::sized_out::{SizedOut, sized};
use crate::cache::Cache;
use crate::error::Result;

/// A number that is not known.
pub const WEIR_CACHE_UNKNOWN: u64 = u64::MAX;

/// What a cache has done since it was made, and what it holds. Set `struct_size` before the call.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirCacheStats {
    /// `sizeof(WeirCacheStats)` as the caller knows it: no more is written.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Calls that found a value, or got it from another call's loader.
    pub hits: u64,
    /// Calls that did not.
    pub misses: u64,
    /// Loaders that ran to their end.
    pub loads: u64,
    /// Those of them that failed.
    pub load_errors: u64,
    /// The nanoseconds that they took together.
    pub load_ns: u64,
    /// Calls that got their value from another call's loader; they are among the hits.
    pub joined: u64,
    /// Values given to the backend.
    pub inserts: u64,
    /// Loaded values that were not kept, because an invalidation came between.
    pub stale: u64,
    /// Entries removed to make room; 0 if the backend is the caller's.
    pub evictions: u64,
    /// Values not kept, because they are larger than the whole cache; 0 if the backend is the caller's.
    pub refused: u64,
    /// Calls of the backend that failed or took too long.
    pub backend_errors: u64,
    /// Values from the backend that were of another type or could not be decoded.
    pub unusable: u64,
    /// About how many entries there are; WEIR_CACHE_UNKNOWN if the backend is the caller's.
    pub entries: u64,
    /// About how many bytes they take; WEIR_CACHE_UNKNOWN if the backend is the caller's.
    pub bytes: u64,
}

// SAFETY: `repr(C)`, integers, `struct_size` first, no padding.
unsafe impl SizedOut for WeirCacheStats {
    const NAME: &'static str = "WeirCacheStats";
}

/// What a cache has done, and what it holds. Asks no backend and never waits.
///
/// @param cache  the cache
/// @param stats  receives the figures; set its `struct_size`
/// @param error  receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `cache` is NULL or a cache that was not freed; `stats` is NULL or as long as it says; `error` is NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_stats(cache: *const WeirCache, stats: *mut WeirCacheStats, error: *mut *mut WeirError) -> WeirStatus {
    // SAFETY: the caller's promise.
    let body = |cache: &Handle<WeirCache>| unsafe { sized(stats, figures(&cache.core)) };
    // SAFETY: the caller's promise.
    unsafe { guard_on(cache, error, body) }
}

fn figures(cache: &Cache) -> WeirCacheStats {
    let stats = cache.stats();
    WeirCacheStats {
        struct_size: size_of::<WeirCacheStats>() as u32,
        reserved: 0,
        hits: stats.hits,
        misses: stats.misses,
        loads: stats.loads,
        load_errors: stats.load_errors,
        load_ns: u64::try_from(stats.load_time.as_nanos()).unwrap_or(u64::MAX),
        joined: stats.joined,
        inserts: stats.inserts,
        stale: stats.stale,
        evictions: stats.evictions,
        refused: stats.refused,
        backend_errors: stats.backend_errors,
        unusable: stats.unusable,
        entries: stats.entries.unwrap_or(WEIR_CACHE_UNKNOWN),
        bytes: stats.bytes.unwrap_or(WEIR_CACHE_UNKNOWN),
    }
}

unsafe fn count(cache: *const WeirCache, bytes: bool) -> Result<Operation<impl Future<Output = Result<u64>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let handle = unsafe { handle::share(cache) }?;
    let cache: Cache = handle.core.clone();
    let future = async move {
        let number = if bytes { cache.size_bytes().await? } else { cache.num_entries().await? };
        Ok(number.unwrap_or(WEIR_CACHE_UNKNOWN))
    };
    Ok(operation(&handle, handle.core.may_block(), future))
}

/// Asks the backend how many entries it has.
///
/// @param cache       the cache
/// @param timeout_ms  how long to wait for a backend of the caller's, beside its own deadline; < 0 = for ever
/// @param number      receives the number; WEIR_CACHE_UNKNOWN if the backend cannot tell
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK; WEIR_STATUS_STORAGE if the backend failed, WEIR_STATUS_TIMED_OUT; WEIR_STATUS_INVALID_ARGUMENT,
/// WEIR_STATUS_WOULD_DEADLOCK where weir must not wait, WEIR_STATUS_FORKED
///
/// # Safety
///
/// `cache` is NULL or a cache that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_num_entries(
    cache: *const WeirCache,
    timeout_ms: i64,
    number: *mut u64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::clear("number", number), || count(cache, false)) }
}

/// weir_cache_num_entries() with a completion: the event's `value` is the number.
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
pub unsafe extern "C" fn weir_cache_num_entries_async(
    cache: *const WeirCache,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || count(cache, false)) }
}

/// Asks the backend how many bytes its entries take.
///
/// @param cache       the cache
/// @param timeout_ms  how long to wait for a backend of the caller's, beside its own deadline; < 0 = for ever
/// @param number      receives the number; WEIR_CACHE_UNKNOWN if the backend cannot tell
/// @param error       receives the error, unless NULL
/// @return as weir_cache_num_entries()
///
/// # Safety
///
/// `cache` is NULL or a cache that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_size_bytes(
    cache: *const WeirCache,
    timeout_ms: i64,
    number: *mut u64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::clear("number", number), || count(cache, true)) }
}

/// weir_cache_size_bytes() with a completion: the event's `value` is the number.
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
pub unsafe extern "C" fn weir_cache_size_bytes_async(
    cache: *const WeirCache,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || count(cache, true)) }
}
