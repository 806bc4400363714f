//! Parts of the cache that the caller supplies: backends and loaders, and the handle through which they answer.

use std::ffi::{CString, c_char, c_void};
use std::future::Future;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::args;
use super::arrow::{self, Taken};
use super::cache::WeirCacheKey;
use super::cache_value::WeirCacheValue;
use super::error::{WeirError, WeirStatus};
use super::guard::{callers_code, guard, guard_on};
use super::handle::{self, Handle, Opaque, Owned};
use super::log::WeirReleaseFn;
use super::options::{self, Options, field_ends};
use crate::cache::{CacheBackend, Key, Value, conformance};
use crate::env::BoxFuture;
use crate::error::{Error, Result, bail, err};
use crate::runtime;

/// The way in which a backend or a loader answers, once, now or later and from any thread: each weir_cache_reply_*() function
/// consumes it. An answer that comes after the deadline, or to a call that was given up, is freed and changes nothing.
pub struct WeirCacheReply {
    _opaque: [u8; 0],
}

/// What a reply brings.
pub(crate) enum Answer {
    Value(Value),
    Miss,
    Done(u64),
}

/// Where it goes.
pub(crate) struct Reply(Mutex<Option<oneshot::Sender<Result<Answer>>>>);

impl Opaque for WeirCacheReply {
    type Core = Reply;
    const MAGIC: u32 = u32::from_be_bytes(*b"repl");
    const NAME: &'static str = "cache reply";
}

impl WeirCacheReply {
    /// A reply, to be given away, and the wait for it.
    fn expect() -> (*mut Self, impl Future<Output = Result<Answer>> + Send + 'static) {
        let (sender, receiver) = oneshot::channel();
        let reply = Owned::<Self>::new(Reply(Mutex::new(Some(sender)))).into_raw();
        (reply, async move { receiver.await.unwrap_or_else(|_| Err(err!(Internal, "the reply went without an answer"))) })
    }
}

/// A cache's backend. It is copied; its functions may be called from any thread at once, and each answers once through `reply`, before
/// it returns or later. They must not wait for long: what takes long is answered later. Keys are borrowed for the call. Answers:
/// weir_cache_reply_bytes(), _batch(), _value() and _miss() to `get`; _done() to the others, with the number that `num_entries` and
/// `size_bytes` ask for; _error() to all.
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

/// A loader: brings the value of a key that is not in the cache. `load` answers with weir_cache_reply_bytes(), _batch(), _value(), or
/// _error(), before it returns or later and from any thread. It may use the cache, but for the key itself.
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

/// The caller's context, released when the last user of it is gone.
struct Context {
    ctx: *mut c_void,
    release: WeirReleaseFn,
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
    calls: Calls,
    context: Context,
}

/// Its functions, those that are required among them.
struct Calls {
    get: unsafe extern "C" fn(*mut c_void, *const WeirCacheKey, *mut WeirCacheReply),
    insert: unsafe extern "C" fn(*mut c_void, *const WeirCacheKey, *mut WeirCacheValue, u64, *mut WeirCacheReply),
    invalidate_prefix: unsafe extern "C" fn(*mut c_void, *const u8, usize, *mut WeirCacheReply),
    clear: unsafe extern "C" fn(*mut c_void, *mut WeirCacheReply),
    num_entries: Option<unsafe extern "C" fn(*mut c_void, *mut WeirCacheReply)>,
    size_bytes: Option<unsafe extern "C" fn(*mut c_void, *mut WeirCacheReply)>,
}

impl Supplied {
    /// The backend at `pointer`, whose `release` is owed from then on.
    ///
    /// # Safety
    ///
    /// `pointer` is as the header describes it, and not NULL.
    pub(crate) unsafe fn new(pointer: *const WeirCacheBackend) -> Result<Arc<Self>> {
        if pointer.is_null() {
            bail!(InvalidArgument, "the backend is NULL");
        }
        // SAFETY: the caller's promise.
        let backend = unsafe { options::read(pointer) }?;
        if backend.reserved != 0 {
            bail!(InvalidArgument, "WeirCacheBackend.reserved is not 0");
        }
        let missing = |name: &str| err!(InvalidArgument, "WeirCacheBackend.{name} is NULL");
        let calls = Calls {
            get: backend.get.ok_or_else(|| missing("get"))?,
            insert: backend.insert.ok_or_else(|| missing("insert"))?,
            invalidate_prefix: backend.invalidate_prefix.ok_or_else(|| missing("invalidate_prefix"))?,
            clear: backend.clear.ok_or_else(|| missing("clear"))?,
            num_entries: backend.num_entries,
            size_bytes: backend.size_bytes,
        };
        Ok(Arc::new(Self { calls, context: Context { ctx: backend.ctx, release: backend.release } }))
    }

    fn count<'a>(&self, function: Option<unsafe extern "C" fn(*mut c_void, *mut WeirCacheReply)>) -> BoxFuture<'a, Result<Option<u64>>> {
        let Some(function) = function else { return Box::pin(std::future::ready(Ok(None))) };
        let (reply, answer) = WeirCacheReply::expect();
        // SAFETY: promised by who supplied it.
        callers_code(|| unsafe { function(self.context.ctx, reply) });
        Box::pin(async move { answer.await?.number().map(Some) })
    }
}

impl Answer {
    fn found(self) -> Result<Option<Value>> {
        match self {
            Self::Value(value) => Ok(Some(value)),
            Self::Miss => Ok(None),
            Self::Done(_) => bail!(InvalidData, "a get was answered with weir_cache_reply_done()"),
        }
    }

    fn number(self) -> Result<u64> {
        match self {
            Self::Done(number) => Ok(number),
            Self::Value(_) | Self::Miss => bail!(InvalidData, "a call that gives no value was answered with one, or with a miss"),
        }
    }
}

/// Calls `with` with the key as C sees it, which is valid for that call.
fn with_key(key: Key<'_>, with: impl FnOnce(*const WeirCacheKey)) -> Result<()> {
    let name = CString::new(key.type_name).map_err(|_| err!(InvalidArgument, "the type name of the key {key} has a NUL in it"))?;
    // PITFALLS X6: empty is (NULL, 0).
    let pointer = |bytes: &[u8]| if bytes.is_empty() { std::ptr::null() } else { bytes.as_ptr() };
    let key = WeirCacheKey {
        prefix: pointer(key.prefix),
        prefix_len: key.prefix.len(),
        key: pointer(key.key),
        key_len: key.key.len(),
        type_name: name.as_ptr(),
    };
    with(&raw const key);
    Ok(())
}

fn failed<'a, T: Send + 'a>(error: Error) -> BoxFuture<'a, Result<T>> {
    Box::pin(std::future::ready(Err(error)))
}

impl CacheBackend for Supplied {
    fn get<'a>(&'a self, key: Key<'a>) -> BoxFuture<'a, Result<Option<Value>>> {
        let (reply, answer) = WeirCacheReply::expect();
        // SAFETY: promised by who supplied it.
        let asked = with_key(key, |key| callers_code(|| unsafe { (self.calls.get)(self.context.ctx, key, reply) }));
        if let Err(error) = asked {
            // SAFETY: not given away.
            unsafe { handle::free(reply) };
            return failed(error);
        }
        Box::pin(async move { answer.await?.found() })
    }

    fn insert<'a>(&'a self, key: Key<'a>, value: Value, size: u64) -> BoxFuture<'a, Result<()>> {
        let (reply, answer) = WeirCacheReply::expect();
        let value = WeirCacheValue::of(value).into_raw();
        // SAFETY: promised by who supplied it.
        let asked = with_key(key, |key| callers_code(|| unsafe { (self.calls.insert)(self.context.ctx, key, value, size, reply) }));
        if let Err(error) = asked {
            // SAFETY: neither was given away.
            unsafe {
                handle::free(reply);
                handle::free(value);
            }
            return failed(error);
        }
        Box::pin(async move { answer.await?.number().map(drop) })
    }

    fn invalidate_prefix<'a>(&'a self, prefix: &'a [u8]) -> BoxFuture<'a, Result<()>> {
        let (reply, answer) = WeirCacheReply::expect();
        let start = if prefix.is_empty() { std::ptr::null() } else { prefix.as_ptr() };
        // SAFETY: promised by who supplied it.
        callers_code(|| unsafe { (self.calls.invalidate_prefix)(self.context.ctx, start, prefix.len(), reply) });
        Box::pin(async move { answer.await?.number().map(drop) })
    }

    fn clear(&self) -> BoxFuture<'_, Result<()>> {
        let (reply, answer) = WeirCacheReply::expect();
        // SAFETY: promised by who supplied it.
        callers_code(|| unsafe { (self.calls.clear)(self.context.ctx, reply) });
        Box::pin(async move { answer.await?.number().map(drop) })
    }

    fn num_entries(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        self.count(self.calls.num_entries)
    }

    fn size_bytes(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        self.count(self.calls.size_bytes)
    }
}

/// A loader of the caller's.
pub(crate) struct Loader {
    load: Option<unsafe extern "C" fn(*mut c_void, *const WeirCacheKey, *mut WeirCacheReply)>,
    context: Context,
}

impl Loader {
    /// The loader, whose `release` is owed from now on.
    pub(crate) fn new(loader: WeirCacheLoader) -> Self {
        Self { load: loader.load, context: Context { ctx: loader.ctx, release: loader.release } }
    }

    /// Refuses one that cannot load.
    pub(crate) fn check(&self) -> Result<()> {
        match self.load {
            Some(_) => Ok(()),
            None => bail!(InvalidArgument, "WeirCacheLoader.load is NULL"),
        }
    }

    /// Loads the value of `key`.
    pub(crate) async fn run(self, key: Key<'_>) -> Result<Value> {
        match self.ask(key)?.await? {
            Answer::Value(value) => Ok(value),
            Answer::Miss => bail!(NotFound, "the loader has no value for the key {key}"),
            Answer::Done(_) => bail!(InvalidData, "the loader answered without a value for the key {key}"),
        }
    }

    fn ask(&self, key: Key<'_>) -> Result<impl Future<Output = Result<Answer>> + Send + 'static> {
        let Some(load) = self.load else { bail!(InvalidArgument, "WeirCacheLoader.load is NULL") };
        let (reply, answer) = WeirCacheReply::expect();
        // SAFETY: promised by who supplied it.
        if let Err(error) = with_key(key, |key| callers_code(|| unsafe { load(self.context.ctx, key, reply) })) {
            // SAFETY: not given away.
            unsafe { handle::free(reply) };
            return Err(error);
        }
        Ok(answer)
    }
}

/// The batch that a caller gives by value.
///
/// # Safety
///
/// `schema` is NULL or points to a schema that is valid or released.
pub(crate) unsafe fn batch(array: Taken<FFI_ArrowArray>, schema: *const FFI_ArrowSchema) -> Result<RecordBatch> {
    let array = array.array()?;
    // SAFETY: the caller's promise.
    let schema = Arc::new(unsafe { arrow::import_schema(schema) }?);
    arrow::import_batch(array, &schema, true)
}

/// The whole of a function that answers: what `answer` makes goes to who waits, its failure too, and the reply is consumed.
unsafe fn answer(reply: *mut WeirCacheReply, error: *mut *mut WeirError, answer: impl FnOnce() -> Result<Answer>) -> WeirStatus {
    let body = |handle: &Handle<WeirCacheReply>| {
        let answer = answer();
        let failure = answer.as_ref().err().cloned();
        if let Some(sender) = handle.core.0.lock().take() {
            // Nobody waits any more: too late, which is no error of who answers.
            let _ = sender.send(answer);
        }
        failure.map_or(Ok(()), Err)
    };
    // SAFETY: the caller's promise.
    let status = unsafe { guard_on(reply, error, body) };
    // SAFETY: the same; this is its last use.
    unsafe { handle::free(reply) };
    status
}

/// Answers with bytes, which are copied.
///
/// @param reply  the reply; consumed
/// @param data   the bytes; NULL if there are none
/// @param len    how many
/// @param error  receives the error, unless NULL; who waits gets it, too
/// @return WEIR_STATUS_OK, also if it comes too late; WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `reply` is NULL or a reply that was not answered; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_reply_bytes(
    reply: *mut WeirCacheReply,
    data: *const u8,
    len: usize,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { answer(reply, error, || Ok(Answer::Value(Value::bytes(args::slice("data", data, len)?)))) }
}

/// Answers with a batch.
///
/// @param reply   the reply; consumed
/// @param array   the batch, a struct array; consumed on every return
/// @param schema  its schema; borrowed
/// @param error   receives the error, unless NULL; who waits gets it, too
/// @return WEIR_STATUS_OK, also if it comes too late; WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_INVALID_DATA
///
/// # Safety
///
/// `reply` is NULL or a reply that was not answered; `array` is NULL or an array to be consumed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_reply_batch(
    reply: *mut WeirCacheReply,
    array: *mut FFI_ArrowArray,
    schema: *const FFI_ArrowSchema,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let array = unsafe { arrow::take(array) };
    // SAFETY: the same.
    unsafe { answer(reply, error, || Ok(Answer::Value(Value::batch(batch(array, schema)?)))) }
}

/// Answers with a value that was handed to `insert`, or that was got from any cache.
///
/// @param reply  the reply; consumed
/// @param value  the value; borrowed: it stays the backend's
/// @param error  receives the error, unless NULL; who waits gets it, too
/// @return WEIR_STATUS_OK, also if it comes too late; WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `reply` is NULL or a reply that was not answered; `value` is NULL or a value that was not freed; `error` is NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_reply_value(
    reply: *mut WeirCacheReply,
    value: *const WeirCacheValue,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { answer(reply, error, || Ok(Answer::Value(handle::get(value)?.core.value.clone()))) }
}

/// Answers that there is no value. NULL is allowed.
///
/// @param reply  the reply; consumed
///
/// # Safety
///
/// `reply` is NULL or a reply that was not answered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_reply_miss(reply: *mut WeirCacheReply) {
    // SAFETY: the caller's promise.
    unsafe { answer(reply, std::ptr::null_mut(), || Ok(Answer::Miss)) };
}

/// Answers that it is done. NULL is allowed.
///
/// @param reply   the reply; consumed
/// @param number  what `num_entries` or `size_bytes` ask for; else 0
///
/// # Safety
///
/// `reply` is NULL or a reply that was not answered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_reply_done(reply: *mut WeirCacheReply, number: u64) {
    // SAFETY: the caller's promise.
    unsafe { answer(reply, std::ptr::null_mut(), || Ok(Answer::Done(number))) };
}

/// Answers that it failed. NULL is allowed.
///
/// @param reply    the reply; consumed
/// @param message  what happened, NUL-terminated UTF-8, copied; NULL if there is nothing to say. A loader's is what its caller gets,
/// with WEIR_STATUS_STORAGE.
///
/// # Safety
///
/// `reply` is NULL or a reply that was not answered; `message` is NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_cache_reply_error(reply: *mut WeirCacheReply, message: *const c_char) {
    // SAFETY: the caller's promise.
    let failure = || match unsafe { args::optional_text("message", message) }? {
        Some(message) => bail!(Storage, "{message}"),
        None => bail!(Storage, "the cache's backend or loader failed"),
    };
    // SAFETY: the caller's promise.
    unsafe { answer(reply, std::ptr::null_mut(), failure) };
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
/// It must have room for 4 MiB, and answer each call within 10 seconds. Blocks the calling thread.
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
        let backend: Arc<dyn CacheBackend> = unsafe { Supplied::new(backend) }?;
        conformance::check(&backend)
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, body) }
}
