//! Export of schemas and streams.

use std::ffi::{CString, c_char, c_int, c_void};

use arrow_array::RecordBatch;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_schema::{Schema, SchemaRef};

use super::export_array::export_batch;
use super::raw::RawSchema;
use crate::error::{Error, ErrorKind, Result, err};
use crate::ffi::guard::protect;
use crate::runtime;

/// `schema`.
pub(crate) fn export_schema(schema: &Schema) -> Result<FFI_ArrowSchema> {
    let mut exported = FFI_ArrowSchema::try_from(schema).map_err(|e| err!(Unsupported, "the schema cannot be exported: {e}"))?;
    // SAFETY: a schema of arrow-rs's own making, which nobody else holds.
    unsafe { no_dangling_schema((&raw mut exported).cast()) };
    Ok(exported)
}

/// Replaces pointers to what is empty.
///
/// # Safety
///
/// `schema` was just made by arrow-rs.
unsafe fn no_dangling_schema(schema: *mut RawSchema) {
    // SAFETY: the caller's promise.
    unsafe {
        let schema = &mut *schema;
        for index in 0..usize::try_from(schema.n_children).unwrap_or(0) {
            no_dangling_schema(*schema.children.add(index));
        }
        if !schema.dictionary.is_null() {
            no_dangling_schema(schema.dictionary);
        }
        if schema.n_children == 0 {
            schema.children = std::ptr::null_mut();
        }
    }
}

/// Where the batches of an exported stream come from.
pub(crate) trait BatchSource: Send + 'static {
    /// The schema of all of them.
    fn schema(&mut self) -> Result<SchemaRef>;
    /// The next batch; none at the end. May block.
    fn next(&mut self) -> Result<Option<RecordBatch>>;
}

struct Exported {
    source: Box<dyn BatchSource>,
    error: CString,
}

/// A stream of the batches of `source`.
pub(crate) fn export_stream(source: impl BatchSource) -> FFI_ArrowArrayStream {
    let exported = Box::into_raw(Box::new(Exported { source: Box::new(source), error: CString::default() }));
    // SAFETY: the callbacks and the private data are made for each other, see below.
    unsafe { FFI_ArrowArrayStream::new_unchecked(Some(get_schema), Some(get_next), Some(get_last_error), Some(release), exported.cast()) }
}

/// The private data of a stream of ours.
///
/// # Safety
///
/// `stream` is one of ours or NULL, and is used by one thread at a time.
unsafe fn exported<'a>(stream: *mut FFI_ArrowArrayStream) -> Option<&'a mut Exported> {
    // SAFETY: the caller's promise.
    unsafe { stream.as_ref()?.private_data().cast::<Exported>().as_mut() }
}

/// Runs a callback of the stream; keeps its error for `get_last_error` and makes it an errno.
///
/// # Safety
///
/// As for [`exported`].
unsafe fn answer(stream: *mut FFI_ArrowArrayStream, body: impl FnOnce(&mut Exported) -> Result<()>) -> c_int {
    // SAFETY: the caller's promise.
    let Some(exported) = (unsafe { exported(stream) }) else { return libc::EINVAL };
    let outcome = protect(|| {
        runtime::check_fork()?;
        body(exported)
    });
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            exported.error = CString::new(error.message().replace('\0', "\\0")).unwrap_or_default();
            errno(&error)
        }
    }
}

unsafe extern "C" fn get_schema(stream: *mut FFI_ArrowArrayStream, out: *mut FFI_ArrowSchema) -> c_int {
    let body = |exported: &mut Exported| {
        let schema = export_schema(exported.source.schema()?.as_ref())?;
        // SAFETY: the consumer's promise: `out` may be written.
        unsafe { out.write(schema) };
        Ok(())
    };
    // SAFETY: the consumer's promise.
    unsafe { answer(stream, body) }
}

unsafe extern "C" fn get_next(stream: *mut FFI_ArrowArrayStream, out: *mut FFI_ArrowArray) -> c_int {
    let body = |exported: &mut Exported| {
        // A released array is the end.
        let array = exported.source.next()?.map_or_else(FFI_ArrowArray::empty, export_batch);
        // SAFETY: the consumer's promise: `out` may be written.
        unsafe { out.write(array) };
        Ok(())
    };
    // SAFETY: the consumer's promise.
    unsafe { answer(stream, body) }
}

unsafe extern "C" fn get_last_error(stream: *mut FFI_ArrowArrayStream) -> *const c_char {
    // SAFETY: the consumer's promise.
    unsafe { exported(stream) }.map_or(std::ptr::null(), |exported| exported.error.as_ptr())
}

unsafe extern "C" fn release(stream: *mut FFI_ArrowArrayStream) {
    // SAFETY: the consumer's promise: released once.
    unsafe {
        let Some(stream) = stream.as_mut() else { return };
        let private: *mut c_void = stream.set_private_data(std::ptr::null_mut());
        stream.set_release(None);
        // What belongs to threads of the parent's cannot be undone in a forked child.
        if private.is_null() || runtime::is_forked() {
            return;
        }
        let exported = Box::from_raw(private.cast::<Exported>());
        let _ = protect(move || {
            drop(exported);
            Ok(())
        });
    }
}

/// The errno that says most of what happened; the message says the rest.
fn errno(error: &Error) -> c_int {
    match error.kind() {
        ErrorKind::InvalidArgument | ErrorKind::SchemaMismatch | ErrorKind::InvalidData => libc::EINVAL,
        ErrorKind::NotFound | ErrorKind::Trimmed => libc::ENOENT,
        ErrorKind::Unsupported => libc::ENOTSUP,
        ErrorKind::PermissionDenied => libc::EACCES,
        ErrorKind::TimedOut => libc::ETIMEDOUT,
        ErrorKind::Cancelled => libc::ECANCELED,
        ErrorKind::Closed => libc::EBADF,
        ErrorKind::WouldDeadlock => libc::EDEADLK,
        _ => libc::EIO,
    }
}
