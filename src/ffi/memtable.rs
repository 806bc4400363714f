//! What writers do beyond the log: deleting by key, and how MemTables become generations.

use std::ffi::c_char;
use std::sync::Arc;

use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;
use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::args::Out;
use super::arrow;
use super::call::{self, Operation, operation};
use super::completion::{Offered, WeirAck, WeirCompletion};
use super::error::{WeirError, WeirStatus};
use super::guard::{caught, guard_on};
use super::handle::{self, Handle};
use super::open::timeout;
use super::reads::{self, KeyShape, Source};
use super::writer::{WeirWriter, Writing, block, callback, completing};
use crate::error::{Result, err};
use crate::runtime;
use crate::scan::View;

impl Source for Writing {
    fn view(&self) -> Result<View> {
        self.writer.view()
    }

    fn shape(&self) -> Result<&KeyShape> {
        let shard = self.writer.shard_id();
        self.keys
            .as_ref()
            .ok_or_else(|| err!(Unsupported, "the writer of shard {shard} was opened without a MemTable (enable_memtable = 0)"))
    }

    fn validates(&self) -> bool {
        self.validate
    }

    fn is_blocking(&self) -> bool {
        self.blocking
    }
}

/// Deletes the rows of some primary keys; whether there are such rows is not looked at. A delete is a put of its own, ordered among the
/// others: what was put before it is gone, what is put after it stays.
///
/// @param writer       the writer, with MemTables and a primary key
/// @param keys         the keys, a struct array; consumed on every return
/// @param keys_schema  its schema, with the key's columns by name, whatever others it has; borrowed. NULL: exactly weir_writer_key_schema()
/// @param timeout_ms   as of weir_writer_put()
/// @param ack          receives sequence, position and epoch; NULL if not wanted
/// @param error        receives the error, unless NULL
/// @return as weir_writer_put(); WEIR_STATUS_UNSUPPORTED without MemTables or without a primary key
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `keys` is NULL or an array to be consumed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_delete(
    writer: *const WeirWriter,
    keys: *mut FFI_ArrowArray,
    keys_schema: *const FFI_ArrowSchema,
    timeout_ms: i64,
    ack: *mut WeirAck,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let (keys, out) = unsafe { (arrow::take(keys), Out::<WeirAck>::clear("ack", ack).or_null()) };
    let body = |writer: &Handle<WeirWriter>| {
        runtime::may_block()?;
        // SAFETY: the caller's promise.
        let keys = unsafe { writer.core.shape()?.import(keys, keys_schema, writer.core.validate) }?;
        out.set(writer.core.writer.delete(&keys, timeout(timeout_ms))?.into());
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(writer, error, body) }
}

/// weir_writer_delete() with a completion: the event's `ack` is filled. Never waits for room.
///
/// @param writer       the writer
/// @param keys         the keys, a struct array; consumed on every return
/// @param keys_schema  its schema, borrowed for the call; NULL: exactly weir_writer_key_schema()
/// @param completion   what to complete
/// @param error        receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted; WEIR_STATUS_BACKPRESSURE: see weir_writer_wait_capacity_async(); otherwise as weir_writer_delete()
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `keys` is NULL or an array to be consumed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_delete_async(
    writer: *const WeirWriter,
    keys: *mut FFI_ArrowArray,
    keys_schema: *const FFI_ArrowSchema,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let keys = unsafe { arrow::take(keys) };
    let body = |writer: &Handle<WeirWriter>| {
        // SAFETY: the caller's promise.
        let offered = unsafe { Offered::new(completion) }?;
        // After a shutdown nothing is accepted that only a thread of weir's could do.
        runtime::handle()?;
        // SAFETY: the caller's promise.
        let keys = unsafe { writer.core.shape()?.import(keys, keys_schema, writer.core.validate) }?;
        writer.core.writer.delete_async_with(&keys, || completing(offered))
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(writer, error, body) }
}

/// The schema of keys: the primary key's columns, in the key's order and of its types.
///
/// @param writer  the writer
/// @param schema  receives the schema; call its `release`
/// @param error   receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_UNSUPPORTED without MemTables or without a primary key, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_key_schema(
    writer: *const WeirWriter,
    schema: *mut FFI_ArrowSchema,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { reads::key_schema(writer, schema, error) }
}

/// The schema of the rows that weir_writer_get() gives for these columns: they come as bare arrays, so that no schema crosses with each.
///
/// @param writer       the writer
/// @param columns      the names of the columns, in the order in which they are wanted; NULL = all
/// @param columns_len  how many there are
/// @param schema       receives the schema; call its `release`
/// @param error        receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT naming a column that is not there or twice, WEIR_STATUS_UNSUPPORTED without MemTables
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_read_schema(
    writer: *const WeirWriter,
    columns: *const *const c_char,
    columns_len: usize,
    schema: *mut FFI_ArrowSchema,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { reads::read_schema(writer, columns, columns_len, schema, error) }
}

/// Freezes the MemTable that is filled, if it has rows, and has it flushed in the background. Does not wait.
///
/// @param writer      the writer
/// @param generation  receives the newest generation that is frozen or published then, for weir_writer_wait_flushed(); 0 if there is none.
/// NULL if not wanted
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_UNSUPPORTED without MemTables, WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_freeze(writer: *const WeirWriter, generation: *mut u64, error: *mut *mut WeirError) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::<u64>::clear("generation", generation).or_null() };
    let body = |writer: &Handle<WeirWriter>| {
        out.set(writer.core.writer.freeze()?);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(writer, error, body) }
}

/// Waits until a generation, and all before it, are published: readable by others, and no longer in need of the log.
///
/// @param writer      the writer
/// @param generation  the generation, from weir_writer_freeze(); 0 is at once
/// @param timeout_ms  < 0 = for ever, 0 = do not wait
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK; WEIR_STATUS_TIMED_OUT, with why flushing fails if it does; WEIR_STATUS_INVALID_ARGUMENT if it is not frozen;
/// WEIR_STATUS_UNSUPPORTED without MemTables, WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_wait_flushed(
    writer: *const WeirWriter,
    generation: u64,
    timeout_ms: i64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { block(writer, error, |writer| writer.wait_flushed(generation, timeout(timeout_ms))) }
}

/// weir_writer_wait_flushed() with a completion.
///
/// @param writer      the writer
/// @param generation  the generation
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_wait_flushed_async(
    writer: *const WeirWriter,
    generation: u64,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { callback(writer, completion, error, |writer, done| writer.wait_flushed_async(generation, done)) }
}

/// A merge that was begun is not given up half-way, whoever stops waiting for it: it runs in the background.
unsafe fn compact(writer: *const WeirWriter) -> Result<Operation<impl Future<Output = Result<u64>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let handle = unsafe { handle::share(writer) }?;
    handle.core.shape()?;
    runtime::handle()?;
    let (writer, options) = (Arc::clone(&handle.core.writer), handle.core.compact);
    let (sender, merged) = oneshot::channel();
    let merging = async move {
        let outcome = std::panic::AssertUnwindSafe(writer.compact(&options)).catch_unwind().await;
        let _ = sender.send(outcome.unwrap_or_else(|panic| Err(caught(&*panic))));
    };
    runtime::env().spawn.spawn(Box::pin(merging), true);
    let gone = |_| err!(Cancelled, "the runtime was shut down while generations were merged");
    Ok(operation(&handle, false, async move { merged.await.map_err(gone)? }))
}

/// Merges generations now, as often as that is worth it by the `compaction_*` options of weir_writer_open().
///
/// @param writer      the writer
/// @param timeout_ms  < 0 = for ever; merging goes on behind it
/// @param merges      receives how many merges there were; NULL if not wanted
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_UNSUPPORTED without MemTables, WEIR_STATUS_CORRUPTION, WEIR_STATUS_STORAGE,
/// WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_compact(
    writer: *const WeirWriter,
    timeout_ms: i64,
    merges: *mut u64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::clear("merges", merges).or_null(), || compact(writer)) }
}

/// weir_writer_compact() with a completion: the event's `value` is how many merges there were.
///
/// @param writer      the writer
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_UNSUPPORTED, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_compact_async(
    writer: *const WeirWriter,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || compact(writer)) }
}
