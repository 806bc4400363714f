//! Loading values into a cache, by loaders that the caller supplies.

use std::ffi::c_void;
use std::future::Future;

use super::args::{self, Out};
use super::cache::{WeirCache, WeirCacheKey, on_key};
use super::cache_backend::{CallKey, Context};
use super::cache_reply::{Answer, WeirCacheReply};
use super::cache_value::WeirCacheValue;
use super::call::{self, Operation};
use super::completion::{Outcome, WeirCompletion, WeirEvent};
use super::error::{WeirError, WeirStatus};
use super::guard::{callers_code, guard_on};
use super::handle::{Handle, Owned};
use super::log::WeirReleaseFn;
use crate::cache::{Cache, Key, OwnedKey, Raw, Value};
use crate::error::{Result, bail};
use crate::runtime;

/// A loader: brings the value of a key that is not in the cache. `load` answers with weir_cache_reply_bytes(), _batch(), _value(), or
/// _error(), before it returns or later and from any thread. It may use the cache, but for the key itself and for keys whose loaders
/// wait for this one.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirCacheLoader {
    /// Brings the value; required. The key is borrowed for the call.
    pub load: Option<unsafe extern "C" fn(ctx: *mut c_void, key: *const WeirCacheKey, reply: *mut WeirCacheReply)>,
    /// Passed to both functions.
    pub ctx: *mut c_void,
    /// Called with `ctx` once, after the last use, whether `load` was called or not and whatever the call comes to; may be NULL.
    pub release: WeirReleaseFn,
}

/// A loader of the caller's.
struct Loader {
    load: Option<unsafe extern "C" fn(*mut c_void, *const WeirCacheKey, *mut WeirCacheReply)>,
    context: Context,
}

impl Loader {
    /// The loader, whose `release` is owed from now on.
    fn new(loader: WeirCacheLoader) -> Self {
        Self { load: loader.load, context: Context { ctx: loader.ctx, release: loader.release } }
    }

    /// Refuses one that cannot load.
    fn check(&self) -> Result<()> {
        match self.load {
            Some(_) => Ok(()),
            None => bail!(InvalidArgument, "WeirCacheLoader.load is NULL"),
        }
    }

    /// Loads the value of `key`.
    async fn run(self, key: Key<'_>) -> Result<Value> {
        match self.ask(key)?.await? {
            Answer::Value(value) => Ok(value),
            Answer::Miss => bail!(NotFound, "the loader has no value for the key {key}"),
            Answer::Done(_) => bail!(InvalidData, "the loader answered without a value for the key {key}"),
        }
    }

    fn ask(&self, key: Key<'_>) -> Result<impl Future<Output = Result<Answer>> + Send + 'static> {
        let Some(load) = self.load else { bail!(InvalidArgument, "WeirCacheLoader.load is NULL") };
        let key = CallKey::new(key)?;
        let (reply, answer) = WeirCacheReply::awaited(None);
        // SAFETY: promised by who supplied it.
        callers_code(|| unsafe { load(self.context.ctx, &key.as_c(), reply.into_raw()) });
        Ok(answer)
    }
}

/// What a load gives back: the value, and whether it was there.
struct Loaded(Value, bool);

impl Loaded {
    fn give(self) -> (Owned<WeirCacheValue>, u64) {
        (WeirCacheValue::of(self.0), self.1.into())
    }
}

impl args::Output for Loaded {
    type C = (*mut WeirCacheValue, u64);
    const NOTHING: Self::C = (std::ptr::null_mut(), 0);
    fn into_c(self) -> Self::C {
        let (value, cached) = self.give();
        (value.into_raw(), cached)
    }
}

impl Outcome for Loaded {
    fn fill(self, event: &mut WeirEvent) {
        let (value, cached) = self.give();
        value.fill(event);
        event.value = cached;
    }
}

unsafe fn load(
    cache: *const WeirCache,
    key: *const WeirCacheKey,
    loader: Loader,
) -> Result<Operation<impl Future<Output = Result<Loaded>> + Send + 'static>> {
    let body = |cache: Cache, key: OwnedKey| {
        loader.check()?;
        Ok(async move {
            let (value, cached) = cache.get_or_insert(key.as_key(), loader.run(key.as_key())).await?;
            Ok(Loaded(value, cached))
        })
    };
    // SAFETY: the caller's promise.
    let loading = unsafe { on_key(cache, key, body) }?;
    // The loader may take its time before it returns.
    Ok(loading.that_blocks())
}

/// Looks for the value under a key; if there is none, has `loader` bring it, and keeps it. Of calls for one key at the same time, one
/// runs its loader and the others wait for that; if it fails, or its caller gives up, the next one runs its own. What an invalidation
/// overtakes is given to those who wait, and not kept.
///
/// @param cache       the cache
/// @param key         the key
/// @param loader      brings the value; its `release` is called on every return, soon if not at once
/// @param timeout_ms  how long to wait; < 0 = for ever
/// @param value       receives a lease on the value; free it with weir_cache_value_free()
/// @param was_cached  receives 1 if the value was there or came from another call's loader, else 0; NULL if not wanted
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK; the loader's error: WEIR_STATUS_STORAGE with its message, WEIR_STATUS_NOT_FOUND if it has no value,
/// WEIR_STATUS_INVALID_DATA; WEIR_STATUS_WOULD_DEADLOCK if it is the loader of that key that calls, or one that this one waits for;
/// also where weir must not wait; WEIR_STATUS_TIMED_OUT, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_FORKED
///
/// # Safety
///
/// `cache` is NULL or a cache that was not freed; `loader` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_get_or_insert(
    cache: *const WeirCache,
    key: *const WeirCacheKey,
    loader: WeirCacheLoader,
    timeout_ms: i64,
    value: *mut *mut WeirCacheValue,
    was_cached: *mut u8,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let loader = Loader::new(loader);
    // SAFETY: the caller's promise.
    let (out, flag) =
        unsafe { (Out::<Owned<WeirCacheValue>>::clear("value", value), Out::<u8>::clear("was_cached", was_cached).or_null()) };
    let body = |cache: &Handle<WeirCache>| {
        out.check()?;
        loader.check()?;
        // SAFETY: the caller's promise.
        let key = unsafe { WeirCacheKey::decode(key) }?;
        let (loaded, cached) = match cache.core.peek_now(key, &Raw) {
            Some(found) => (found, true),
            None => runtime::block_on(cache.core.get_or_insert(key, loader.run(key)), timeout_ms)?,
        };
        flag.set(cached.into());
        out.set(WeirCacheValue::of(loaded));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(cache, error, body) }
}

/// weir_cache_get_or_insert() with a completion: the event's `result` is the value, its `value` whether it was there.
///
/// @param cache       the cache
/// @param key         the key; copied
/// @param loader      brings the value; its `release` is called on every return, after an error of this call at once
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `cache` is NULL or a cache that was not freed; `loader`, `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_get_or_insert_async(
    cache: *const WeirCache,
    key: *const WeirCacheKey,
    loader: WeirCacheLoader,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let loader = Loader::new(loader);
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || load(cache, key, loader)) }
}
