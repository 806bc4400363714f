//! Entries of the log, as tailers hand them out.

use std::vec::IntoIter;

use arrow_array::RecordBatch;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::SchemaRef;
use arrow_schema::ffi::FFI_ArrowSchema;

use super::arrow::{self, BatchSource};
use super::arrow_out::ArrowOut;
use super::completion::WeirResult;
use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::{self, Handle, Opaque};
use crate::error::{Result, err};
use crate::wal::entry::Entry;

/// One entry of a shard's log: its batches share one buffer, which lives until the entry and all that was exported from it are
/// gone. Immutable; it may be used from any thread.
pub struct WeirEntry {
    _opaque: [u8; 0],
}

impl Opaque for WeirEntry {
    type Core = Entry;
    const MAGIC: u32 = u32::from_be_bytes(*b"entr");
    const NAME: &'static str = "entry";
    const RESULT: i32 = WeirResult::Entry as i32;
}

/// An entry's batches.
struct EntrySource {
    schema: SchemaRef,
    batches: IntoIter<RecordBatch>,
}

impl BatchSource for EntrySource {
    fn schema(&mut self) -> Result<SchemaRef> {
        Ok(self.schema.clone())
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        Ok(self.batches.next())
    }
}

/// What `get` says of the entry; 0 for NULL.
unsafe fn number(entry: *const WeirEntry, get: impl FnOnce(&Entry) -> u64) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { handle::peek(entry) }.map_or(0, |handle| get(&handle.core))
}

/// The entry's position in the log, 1 or more; 0 for NULL.
///
/// # Safety
///
/// `entry` is NULL or an entry that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_entry_position(entry: *const WeirEntry) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { number(entry, |entry| entry.position) }
}

/// The epoch of the writer that appended the entry.
///
/// # Safety
///
/// `entry` is NULL or an entry that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_entry_epoch(entry: *const WeirEntry) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { number(entry, |entry| entry.epoch) }
}

/// The generation that the entry's rows belong to; 0 if the writer kept none (WAL-only mode).
///
/// # Safety
///
/// `entry` is NULL or an entry that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_entry_generation(entry: *const WeirEntry) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { number(entry, |entry| entry.generation.unwrap_or(0)) }
}

/// Whether the entry is a fence sentinel: written by a new owner of the shard to fence the one before, without batches.
///
/// # Safety
///
/// `entry` is NULL or an entry that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_entry_is_sentinel(entry: *const WeirEntry) -> bool {
    // SAFETY: the caller's promise.
    unsafe { number(entry, |entry| entry.is_sentinel.into()) != 0 }
}

/// The number of rows in all batches of the entry.
///
/// # Safety
///
/// `entry` is NULL or an entry that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_entry_rows(entry: *const WeirEntry) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { number(entry, |entry| entry.batches.iter().map(|batch| batch.num_rows() as u64).sum()) }
}

/// The size of the entry's object on storage, in bytes.
///
/// # Safety
///
/// `entry` is NULL or an entry that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_entry_bytes(entry: *const WeirEntry) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { number(entry, |entry| entry.bytes) }
}

/// The number of batches in the entry: as many as puts shared it; 0 for a sentinel.
///
/// # Safety
///
/// `entry` is NULL or an entry that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_entry_batch_count(entry: *const WeirEntry) -> usize {
    // SAFETY: the caller's promise.
    unsafe { number(entry, |entry| entry.batches.len() as u64) as usize }
}

/// Exports one batch of an entry, without copying. It stays valid after the entry is freed.
///
/// @param entry  the entry
/// @param index  which batch, from 0
/// @param array  receives the batch as a struct array; call its `release`
/// @param error  receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT if there is no such batch
///
/// # Safety
///
/// `entry` is NULL or an entry that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_entry_batch(
    entry: *const WeirEntry,
    index: usize,
    array: *mut FFI_ArrowArray,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { ArrowOut::clear("array", array) };
    let body = |entry: &Handle<WeirEntry>| {
        out.check()?;
        let entry = &entry.core;
        let batch = entry
            .batches
            .get(index)
            .ok_or_else(|| err!(InvalidArgument, "entry {} has {} batches, and no batch {index}", entry.position, entry.batches.len()))?;
        out.set(arrow::export_batch(batch.clone()));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(entry, error, body) }
}

/// Exports the schema of an entry's batches: the writer's, without the metadata keys that the log reserves. With a primary key, columns outside of
/// it are nullable, and there is one more, the last: `_tombstone` (boolean), true in rows that delete their key. A sentinel's has no columns.
///
/// @param entry   the entry
/// @param schema  receives the schema; call its `release`
/// @param error   receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `entry` is NULL or an entry that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_entry_schema(
    entry: *const WeirEntry,
    schema: *mut FFI_ArrowSchema,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { ArrowOut::clear("schema", schema) };
    let body = |entry: &Handle<WeirEntry>| {
        out.check()?;
        out.set(arrow::export_schema(&entry.core.schema)?);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(entry, error, body) }
}

/// What stands for the schema of an entry's batches in this process, so that it need be exported and imported only once: entries
/// with the same number have the same schema. The same schema may have several numbers, as one of each writer. 0 for NULL.
///
/// # Safety
///
/// `entry` is NULL or an entry that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_entry_schema_id(entry: *const WeirEntry) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { number(entry, |entry| entry.schema_id) }
}

/// Exports an entry's batches as a stream, without copying. It stays valid after the entry is freed.
///
/// @param entry   the entry
/// @param stream  receives the stream; call its `release`
/// @param error   receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `entry` is NULL or an entry that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_entry_stream(
    entry: *const WeirEntry,
    stream: *mut FFI_ArrowArrayStream,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { ArrowOut::clear("stream", stream) };
    let body = |entry: &Handle<WeirEntry>| {
        out.check()?;
        let entry = &entry.core;
        out.set(arrow::export_stream(EntrySource { schema: entry.schema.clone(), batches: entry.batches.clone().into_iter() }));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(entry, error, body) }
}

/// Frees an entry. NULL is allowed.
///
/// # Safety
///
/// `entry` is NULL or an entry that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_entry_free(entry: *mut WeirEntry) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(entry) };
}
