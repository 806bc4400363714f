//! The handle through which a cache's backend or loader answers.

use std::ffi::c_char;
use std::future::Future;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::args;
use super::arrow::{self, Taken};
use super::cache_value::WeirCacheValue;
use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::{self, Handle, Opaque, Owned};
use crate::cache::Value;
use crate::error::{Result, bail, err};

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
pub(crate) struct Reply {
    to: Mutex<Option<oneshot::Sender<Result<Answer>>>>,
    /// What it is the end of.
    _until: Option<Box<dyn Send + Sync>>,
}

impl Opaque for WeirCacheReply {
    type Core = Reply;
    const MAGIC: u32 = u32::from_be_bytes(*b"repl");
    const NAME: &'static str = "cache reply";
}

impl WeirCacheReply {
    /// A reply, to be given away, and the wait for it. `until` is dropped when it is consumed, whether anybody waits or not.
    pub(crate) fn awaited(until: Option<Box<dyn Send + Sync>>) -> (Owned<Self>, impl Future<Output = Result<Answer>> + Send + 'static) {
        let (sender, receiver) = oneshot::channel();
        let reply = Owned::new(Reply { to: Mutex::new(Some(sender)), _until: until });
        (reply, async move { receiver.await.unwrap_or_else(|_| Err(err!(Internal, "the reply went without an answer"))) })
    }
}

impl Answer {
    pub(crate) fn found(self) -> Result<Option<Value>> {
        match self {
            Self::Value(value) => Ok(Some(value)),
            Self::Miss => Ok(None),
            Self::Done(_) => bail!(InvalidData, "a get was answered with weir_cache_reply_done()"),
        }
    }

    pub(crate) fn number(self) -> Result<u64> {
        match self {
            Self::Done(number) => Ok(number),
            Self::Value(_) | Self::Miss => bail!(InvalidData, "a call that gives no value was answered with one, or with a miss"),
        }
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
        if let Some(sender) = handle.core.to.lock().take() {
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
