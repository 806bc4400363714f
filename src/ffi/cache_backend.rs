//! Backends of the cache that the caller supplies.

use std::ffi::{CString, c_void};
use std::sync::Arc;

use super::cache::WeirCacheKey;
use super::cache_calls::{Inserts, Lanes};
use super::cache_reply::{Answer, WeirCacheReply};
use super::cache_value::WeirCacheValue;
use super::error::{WeirError, WeirStatus};
use super::guard::{callers_code, guard};
use super::log::WeirReleaseFn;
use super::options::{self, Options, field_ends};
use crate::cache::{CacheBackend, Key, OwnedKey, Value, conformance};
use crate::env::BoxFuture;
use crate::error::{Result, bail, err};
use crate::runtime;

/// A cache's backend. It is copied; its functions may be called from any thread at once, and each answers once through `reply`, before
/// it returns or later. Keys are borrowed for the call. Answers: weir_cache_reply_bytes(), _batch(), _value() and _miss() to `get`;
/// _done() to the others, with the number that `num_entries` and `size_bytes` ask for; _error() to all.
///
/// Where backends have a deadline (WeirCacheOptions.backend_timeout_ms), functions are called on threads of weir's, 16 at once: one that
/// does not return in time is given up as one that does not answer, and while 16 do not return, none is called. Without a deadline they are
/// called on whatever thread wants the answer, which may be one of weir's that must not wait: then they must not wait either, blocking
/// calls of weir fail with WEIR_STATUS_WOULD_DEADLOCK, and what takes long is answered later, from elsewhere.
///
/// An answer to `insert` says that it is over, with or without effect. Until it comes, also after the deadline, later calls of
/// `invalidate_prefix` and `clear` are held back, for as long as their own deadline allows.
///
/// The rules that a backend keeps are those that weir_cache_backend_check() checks. One that fails, answers too late or with garbage
/// costs its entries, and no read fails for it.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirCacheBackend {
    /// `sizeof(WeirCacheBackend)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Passed to all functions.
    pub ctx: *mut c_void,
    /// Called with `ctx` once, after the last use; may be NULL.
    pub release: WeirReleaseFn,
    /// Looks for the value under a key; required.
    pub get: Option<unsafe extern "C" fn(ctx: *mut c_void, key: *const WeirCacheKey, reply: *mut WeirCacheReply)>,
    /// Puts a value under a key, in the place of what is there; required. The value is the backend's to free: it may keep it as it is,
    /// and answer with it later. `size_bytes` is the memory that it holds.
    pub insert: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            key: *const WeirCacheKey,
            value: *mut WeirCacheValue,
            size_bytes: u64,
            reply: *mut WeirCacheReply,
        ),
    >,
    /// Removes all entries whose prefix begins with these bytes; required.
    pub invalidate_prefix: Option<unsafe extern "C" fn(ctx: *mut c_void, prefix: *const u8, prefix_len: usize, reply: *mut WeirCacheReply)>,
    /// Removes all entries; required.
    pub clear: Option<unsafe extern "C" fn(ctx: *mut c_void, reply: *mut WeirCacheReply)>,
    /// Counts the entries; NULL if the backend cannot tell.
    pub num_entries: Option<unsafe extern "C" fn(ctx: *mut c_void, reply: *mut WeirCacheReply)>,
    /// Counts the bytes that they take; NULL if the backend cannot tell.
    pub size_bytes: Option<unsafe extern "C" fn(ctx: *mut c_void, reply: *mut WeirCacheReply)>,
}

// SAFETY: `repr(C)`, integers and pointers, no padding at the end.
unsafe impl Options for WeirCacheBackend {
    const NAME: &'static str = "WeirCacheBackend";
    const FROZEN: usize = size_of::<Self>();
    const ENDS: &'static [usize] = field_ends!(
        WeirCacheBackend: struct_size, reserved, ctx, release, get, insert, invalidate_prefix, clear, num_entries, size_bytes
    );
    fn defaults() -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            reserved: 0,
            ctx: std::ptr::null_mut(),
            release: None,
            get: None,
            insert: None,
            invalidate_prefix: None,
            clear: None,
            num_entries: None,
            size_bytes: None,
        }
    }
}

/// The caller's context, released when the last user of it is gone.
pub(crate) struct Context {
    pub ctx: *mut c_void,
    pub release: WeirReleaseFn,
}

// SAFETY: who supplies it promises that its functions may be called on any thread.
unsafe impl Send for Context {}
// SAFETY: the same, at once.
unsafe impl Sync for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: promised by who supplied it; this is the last use.
            callers_code(|| unsafe { release(self.ctx) });
        }
    }
}

/// A backend of the caller's.
pub(crate) struct Supplied {
    functions: Arc<Functions>,
    /// Where functions are called whose return is waited for until a deadline; `None`: on the thread that asks.
    lanes: Option<Lanes>,
    inserts: Arc<Inserts>,
}

/// Its functions, those that are required among them, and what they are called with.
struct Functions {
    get: unsafe extern "C" fn(*mut c_void, *const WeirCacheKey, *mut WeirCacheReply),
    insert: unsafe extern "C" fn(*mut c_void, *const WeirCacheKey, *mut WeirCacheValue, u64, *mut WeirCacheReply),
    invalidate_prefix: unsafe extern "C" fn(*mut c_void, *const u8, usize, *mut WeirCacheReply),
    clear: unsafe extern "C" fn(*mut c_void, *mut WeirCacheReply),
    num_entries: Option<unsafe extern "C" fn(*mut c_void, *mut WeirCacheReply)>,
    size_bytes: Option<unsafe extern "C" fn(*mut c_void, *mut WeirCacheReply)>,
    context: Context,
}

impl Supplied {
    /// The backend at `pointer`, whose `release` is owed from then on. With `deadlines`, answers are not waited for for ever, and so
    /// functions must not hold up who waits.
    ///
    /// # Safety
    ///
    /// `pointer` is as the header describes it, and not NULL.
    pub(crate) unsafe fn new(pointer: *const WeirCacheBackend, deadlines: bool) -> Result<Arc<Self>> {
        if pointer.is_null() {
            bail!(InvalidArgument, "the backend is NULL");
        }
        // SAFETY: the caller's promise.
        let backend = unsafe { options::read(pointer) }?;
        if backend.reserved != 0 {
            bail!(InvalidArgument, "WeirCacheBackend.reserved is not 0");
        }
        let missing = |name: &str| err!(InvalidArgument, "WeirCacheBackend.{name} is NULL");
        let functions = Functions {
            get: backend.get.ok_or_else(|| missing("get"))?,
            insert: backend.insert.ok_or_else(|| missing("insert"))?,
            invalidate_prefix: backend.invalidate_prefix.ok_or_else(|| missing("invalidate_prefix"))?,
            clear: backend.clear.ok_or_else(|| missing("clear"))?,
            num_entries: backend.num_entries,
            size_bytes: backend.size_bytes,
            context: Context { ctx: backend.ctx, release: backend.release },
        };
        Ok(Arc::new(Self { functions: Arc::new(functions), lanes: deadlines.then(Lanes::default), inserts: Arc::default() }))
    }

    /// Has `call` call a function with its context and a reply; then waits for the answer. `until` is kept until the reply is consumed.
    /// With `tried`, it is called as soon as it can be, also where others wait in vain.
    async fn ask<F>(&self, tried: bool, until: Option<Box<dyn Send + Sync>>, call: F) -> Result<Answer>
    where
        F: FnOnce(&Functions, *mut c_void, *mut WeirCacheReply) + Send + 'static,
    {
        let (reply, answer) = WeirCacheReply::awaited(until);
        let functions = Arc::clone(&self.functions);
        let call = move || callers_code(|| call(&functions, functions.context.ctx, reply.into_raw()));
        match &self.lanes {
            None => call(),
            Some(lanes) => return lanes.run(tried, call, answer).await,
        }
        answer.await
    }

    async fn count(&self, function: Option<unsafe extern "C" fn(*mut c_void, *mut WeirCacheReply)>) -> Result<Option<u64>> {
        let Some(function) = function else { return Ok(None) };
        // SAFETY: promised by who supplied it.
        let answer = self.ask(false, None, move |_, ctx, reply| unsafe { function(ctx, reply) }).await?;
        answer.number().map(Some)
    }
}

/// A key as C sees it, that owns its parts.
pub(crate) struct CallKey {
    key: OwnedKey,
    type_name: CString,
}

impl CallKey {
    pub(crate) fn new(key: Key<'_>) -> Result<Self> {
        let type_name = CString::new(key.type_name);
        let type_name = type_name.map_err(|_| err!(InvalidArgument, "the type name of the key {key} has a NUL in it"))?;
        Ok(Self { key: key.into(), type_name })
    }

    /// Valid for as long as this is.
    pub(crate) fn as_c(&self) -> WeirCacheKey {
        // PITFALLS X6: empty is (NULL, 0).
        let pointer = |bytes: &[u8]| if bytes.is_empty() { std::ptr::null() } else { bytes.as_ptr() };
        let key = self.key.as_key();
        WeirCacheKey {
            prefix: pointer(key.prefix),
            prefix_len: key.prefix.len(),
            key: pointer(key.key),
            key_len: key.key.len(),
            type_name: self.type_name.as_ptr(),
        }
    }
}

impl CacheBackend for Supplied {
    fn may_block(&self) -> bool {
        self.lanes.is_none()
    }

    fn get<'a>(&'a self, key: Key<'a>) -> BoxFuture<'a, Result<Option<Value>>> {
        Box::pin(async move {
            let key = CallKey::new(key)?;
            // SAFETY: promised by who supplied it.
            let answer = self.ask(false, None, move |functions, ctx, reply| unsafe { (functions.get)(ctx, &key.as_c(), reply) });
            answer.await?.found()
        })
    }

    fn insert<'a>(&'a self, key: Key<'a>, value: Value, size: u64) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (key, value) = (CallKey::new(key)?, WeirCacheValue::of(value));
            let call = move |functions: &Functions, ctx, reply| {
                // SAFETY: promised by who supplied it.
                unsafe { (functions.insert)(ctx, &key.as_c(), value.into_raw(), size, reply) };
            };
            self.ask(false, Some(Box::new(Inserts::begin(&self.inserts))), call).await?.number().map(drop)
        })
    }

    fn invalidate_prefix<'a>(&'a self, prefix: &'a [u8]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.inserts.ended().await;
            let prefix = prefix.to_vec();
            let call = move |functions: &Functions, ctx, reply| {
                let start = if prefix.is_empty() { std::ptr::null() } else { prefix.as_ptr() };
                // SAFETY: promised by who supplied it.
                unsafe { (functions.invalidate_prefix)(ctx, start, prefix.len(), reply) };
            };
            self.ask(true, None, call).await?.number().map(drop)
        })
    }

    fn clear(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.inserts.ended().await;
            // SAFETY: promised by who supplied it.
            let answer = self.ask(true, None, |functions, ctx, reply| unsafe { (functions.clear)(ctx, reply) });
            answer.await?.number().map(drop)
        })
    }

    fn num_entries(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(self.count(self.functions.num_entries))
    }

    fn size_bytes(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(self.count(self.functions.size_bytes))
    }
}

/// Checks an empty backend against the rules that a cache relies on, and leaves it empty:
///
///  1. A key that was never inserted is a miss.
///  2. What was inserted comes back whole and of its kind. Bytes may come back for an object that has some; one that has none may be
///     refused.
///  3. Keys are equal if prefix, key and type name are, byte by byte; any of them may be empty.
///  4. An insertion replaces what was there.
///  5. Invalidating a prefix removes the entries whose prefix begins with it and no others. When it is answered they are gone.
///  6. Clearing removes all entries. When it is answered they are gone.
///  7. Counts are right, or their function is NULL.
///  8. A value that was handed out stays whole.
///  9. All functions may be called by several threads at once.
///
/// It must have room for 4 MiB, and answer each call within 10 seconds. Blocks the calling thread, on which functions are called.
///
/// @param backend  the backend; its `release` is called before this returns, unless the call is refused: WEIR_STATUS_INVALID_ARGUMENT,
/// WEIR_STATUS_WOULD_DEADLOCK, WEIR_STATUS_FORKED
/// @param error    receives the error, unless NULL
/// @return WEIR_STATUS_OK; WEIR_STATUS_INVALID_DATA naming the rule that does not hold, whose number is the detail `rule`;
/// WEIR_STATUS_STORAGE if it failed, WEIR_STATUS_TIMED_OUT; WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// Pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_backend_check(backend: *const WeirCacheBackend, error: *mut *mut WeirError) -> WeirStatus {
    let body = || {
        runtime::may_block()?;
        // SAFETY: the caller's promise.
        let backend: Arc<dyn CacheBackend> = unsafe { Supplied::new(backend, false) }?;
        conformance::check(&backend)
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, body) }
}
