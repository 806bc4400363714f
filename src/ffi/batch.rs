//! Single batches.

use arrow_array::RecordBatch;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;

use super::arrow;
use super::arrow_out::ArrowOut;
use super::completion::WeirResult;
use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::{self, Handle, Opaque};

/// A batch, as `_async` calls give it. Immutable; it may be used from any thread.
pub struct WeirBatch {
    _opaque: [u8; 0],
}

impl Opaque for WeirBatch {
    type Core = RecordBatch;
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
        out.set(arrow::export_batch(&batch.core));
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
        out.set(arrow::export_schema(batch.core.schema_ref())?);
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
    unsafe { handle::peek(batch) }.map_or(0, |handle| handle.core.num_rows() as u64)
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
