//! Import of a stream.

use std::ffi::CStr;

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_schema::Schema;

use super::schema::import_schema;
use crate::error::{Error, Result, bail, err};
use crate::ffi::guard::callers_code;

/// A stream of the caller's, which is released when this is dropped.
pub(crate) struct StreamReader {
    stream: FFI_ArrowArrayStream,
}

impl StreamReader {
    /// Reads from `stream`, which was not released.
    pub(crate) fn new(stream: FFI_ArrowArrayStream) -> Result<Self> {
        if stream.get_schema().is_none() || stream.get_next().is_none() {
            bail!(InvalidArgument, "the stream lacks its get_schema or get_next");
        }
        Ok(Self { stream })
    }

    /// The schema of its batches.
    pub(crate) fn schema(&mut self) -> Result<Schema> {
        let Some(get_schema) = self.stream.get_schema() else { bail!(InvalidArgument, "the stream has no get_schema") };
        let mut schema = FFI_ArrowSchema::empty();
        // SAFETY: the producer's promise; both are valid.
        let code = callers_code(|| unsafe { get_schema(&raw mut self.stream, &raw mut schema) });
        if code != 0 {
            return Err(self.failed("get_schema", code));
        }
        // SAFETY: the producer filled it; one that it did not is refused as released.
        unsafe { import_schema(&raw const schema) }.map_err(|e| e.context("from the stream"))
    }

    /// The next batch, not imported yet; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<FFI_ArrowArray>> {
        let Some(get_next) = self.stream.get_next() else { bail!(InvalidArgument, "the stream has no get_next") };
        let mut array = FFI_ArrowArray::empty();
        // SAFETY: the producer's promise; both are valid.
        let code = callers_code(|| unsafe { get_next(&raw mut self.stream, &raw mut array) });
        if code != 0 {
            return Err(self.failed("get_next", code));
        }
        Ok((!array.is_released()).then_some(array))
    }

    #[cold]
    fn failed(&mut self, call: &str, code: i32) -> Error {
        let text = self.stream.get_last_error().map(|get_last_error| {
            // SAFETY: the producer's promise; the last call failed.
            callers_code(|| unsafe { get_last_error(&raw mut self.stream) })
        });
        let text = match text {
            // SAFETY: the producer's promise: NUL-terminated, valid until the next call.
            Some(text) if !text.is_null() => unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned(),
            _ => std::io::Error::from_raw_os_error(code).to_string(),
        };
        err!(InvalidData, "the stream's {call} failed with {code}: {text}").with_str("call", call)
    }
}
