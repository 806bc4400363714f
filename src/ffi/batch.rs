//! Single batches.

use arrow_array::RecordBatch;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;

use super::args::Out;
use super::arrow;
use super::arrow_out::ArrowOut;
use super::completion::WeirResult;
use super::error::{WeirError, WeirStatus};
use super::get::WeirKey;
use super::guard::guard_on;
use super::handle::{self, Handle, Opaque, Owned};
use crate::scan::GetResult;

/// A batch, as `_async` calls and scans give it. Immutable; it may be used from any thread.
pub struct WeirBatch {
    _opaque: [u8; 0],
}

/// What is inside.
pub(crate) struct Given {
    rows: RecordBatch,
    /// Of the keys that were asked for, if it is a get's.
    states: Vec<u8>,
}

impl WeirBatch {
    /// A batch of `rows`.
    pub(crate) fn of(rows: RecordBatch) -> Owned<Self> {
        Owned::new(Given { rows, states: Vec::new() })
    }

    /// What a get found.
    pub(crate) fn of_get(found: GetResult) -> Owned<Self> {
        let states = found.states.into_iter().map(|state| WeirKey::from(state) as u8).collect();
        Owned::new(Given { rows: found.rows, states })
    }
}

impl Opaque for WeirBatch {
    type Core = Given;
    const MAGIC: u32 = u32::from_be_bytes(*b"batc");
    const NAME: &'static str = "batch";
    const RESULT: i32 = WeirResult::Batch as i32;
}

/// Exports a batch, without copying. It stays valid after the batch is freed.
///
/// @param batch  the batch
/// @param array  receives the batch as a struct array; call its `release`
/// @param error  receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `batch` is NULL or a batch that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_batch_array(batch: *const WeirBatch, array: *mut FFI_ArrowArray, error: *mut *mut WeirError) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { ArrowOut::clear("array", array) };
    let body = |batch: &Handle<WeirBatch>| {
        out.check()?;
        out.set(arrow::export_batch(batch.core.rows.clone()));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(batch, error, body) }
}

/// Exports the schema of a batch.
///
/// @param batch   the batch
/// @param schema  receives the schema; call its `release`
/// @param error   receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `batch` is NULL or a batch that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_batch_schema(
    batch: *const WeirBatch,
    schema: *mut FFI_ArrowSchema,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { ArrowOut::clear("schema", schema) };
    let body = |batch: &Handle<WeirBatch>| {
        out.check()?;
        out.set(arrow::export_schema(batch.core.rows.schema_ref())?);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(batch, error, body) }
}

/// The number of rows of a batch; 0 for NULL.
///
/// # Safety
///
/// `batch` is NULL or a batch that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_batch_rows(batch: *const WeirBatch) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { handle::peek(batch) }.map_or(0, |handle| handle.core.rows.num_rows() as u64)
}

/// The states of the keys that were asked for, of a batch that weir_writer_get_async() or weir_snapshot_get_async() gave.
///
/// @param batch   the batch
/// @param states  receives a `WEIR_KEY_*` for each key, in their order, borrowed until the batch is freed; NULL if it is no get's, or NULL
/// @param len     receives how many there are; 0 if it is no get's
///
/// # Safety
///
/// `batch` is NULL or a batch that was not freed; pointers are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_batch_states(batch: *const WeirBatch, states: *mut *const u8, len: *mut usize) {
    // SAFETY: the caller's promise.
    let (states, len) = unsafe { (Out::<*const u8>::clear("states", states), Out::<usize>::clear("len", len)) };
    // SAFETY: the same. PITFALLS X6: empty is (NULL, 0).
    if let Some(handle) = unsafe { handle::peek(batch) }.ok().filter(|handle| !handle.core.states.is_empty()) {
        states.set(handle.core.states.as_ptr());
        len.set(handle.core.states.len());
    }
}

/// Frees a batch. NULL is allowed.
///
/// # Safety
///
/// `batch` is NULL or a batch that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_batch_free(batch: *mut WeirBatch) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(batch) };
}
