//! Arrow IPC files as streams, for programs that have no Arrow library.

use std::ffi::c_char;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::SchemaRef;

use super::args;
use super::arrow::{self, BatchSource};
use super::arrow_out::ArrowOut;
use super::error::{WeirError, WeirStatus};
use super::guard::guard;
use crate::error::Result;
use crate::ipc_file::IpcFile;
use crate::runtime;

impl BatchSource for IpcFile {
    fn schema(&mut self) -> Result<SchemaRef> {
        Ok(RecordBatchReader::schema(self))
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        self.next_batch()
    }
}

/// Opens an Arrow IPC file or IPC stream on a local disk as a stream of batches. Every byte of it is checked: a damaged file is
/// an error, here or of the stream's `get_next`.
///
/// @param path    the file, a path of the operating system in UTF-8
/// @param stream  receives the stream; call its `release`
/// @param error   receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_NOT_FOUND, WEIR_STATUS_PERMISSION_DENIED, WEIR_STATUS_INVALID_DATA, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_STORAGE
///
/// # Safety
///
/// Pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_ipc_open_file(
    path: *const c_char,
    stream: *mut FFI_ArrowArrayStream,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { ArrowOut::clear("stream", stream) };
    let body = || {
        out.check()?;
        runtime::watch_fork();
        // SAFETY: the caller's promise.
        let path = unsafe { args::text("path", path) }?;
        out.set(arrow::export_stream(IpcFile::open(path)?));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, body) }
}
