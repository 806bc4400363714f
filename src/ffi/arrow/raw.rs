//! The structs of the C Data Interface as they lie in memory, and taking them over.

use std::ffi::{c_char, c_void};

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;

use crate::error::{Result, bail};

/// An `ArrowArray`; arrow-rs keeps the fields of its own to itself.
#[repr(C)]
pub(super) struct RawArray {
    pub(super) length: i64,
    pub(super) null_count: i64,
    pub(super) offset: i64,
    pub(super) n_buffers: i64,
    pub(super) n_children: i64,
    pub(super) buffers: *mut *const u8,
    pub(super) children: *mut *mut RawArray,
    pub(super) dictionary: *mut RawArray,
    pub(super) release: Option<unsafe extern "C" fn(*mut FFI_ArrowArray)>,
    pub(super) private_data: *mut c_void,
}

/// An `ArrowSchema`.
#[repr(C)]
pub(super) struct RawSchema {
    pub(super) format: *const c_char,
    pub(super) name: *const c_char,
    pub(super) metadata: *const c_char,
    pub(super) flags: i64,
    pub(super) n_children: i64,
    pub(super) children: *mut *mut RawSchema,
    pub(super) dictionary: *mut RawSchema,
    pub(super) release: Option<unsafe extern "C" fn(*mut FFI_ArrowSchema)>,
    pub(super) private_data: *mut c_void,
}

const _: () = assert!(size_of::<RawArray>() == size_of::<FFI_ArrowArray>());
const _: () = assert!(align_of::<RawArray>() == align_of::<FFI_ArrowArray>());
const _: () = assert!(size_of::<RawSchema>() == size_of::<FFI_ArrowSchema>());
const _: () = assert!(align_of::<RawSchema>() == align_of::<FFI_ArrowSchema>());

impl RawArray {
    pub(super) fn of(array: &FFI_ArrowArray) -> &Self {
        // SAFETY: both are the `ArrowArray` of the specification, `repr(C)`.
        unsafe { &*std::ptr::from_ref(array).cast() }
    }
}

/// No real pointer is below; arrow-rs's dangling ones are, and Go ends a program that holds such.
pub(super) const FIRST_PAGE: usize = 4096;

/// What was taken from a pointer of the caller's.
pub(crate) enum Taken<T> {
    /// The pointer was NULL, or not aligned: then nothing there was touched.
    Nothing,
    /// The struct, moved out. It is released when it is dropped, if it was not released before.
    Struct(T),
}

impl Taken<FFI_ArrowArray> {
    /// The array, which must be one that was not released.
    pub(crate) fn array(self) -> Result<FFI_ArrowArray> {
        match self {
            Self::Nothing => bail!(InvalidArgument, "the array is NULL"),
            Self::Struct(array) if array.is_released() => bail!(InvalidArgument, "the array was released, or moved, before"),
            Self::Struct(array) => Ok(array),
        }
    }
}

impl Taken<FFI_ArrowArrayStream> {
    /// The stream, which must be one that was not released.
    pub(crate) fn stream(self) -> Result<FFI_ArrowArrayStream> {
        match self {
            Self::Nothing => bail!(InvalidArgument, "the stream is NULL"),
            Self::Struct(stream) if stream.release().is_none() => bail!(InvalidArgument, "the stream was released, or moved, before"),
            Self::Struct(stream) => Ok(stream),
        }
    }
}

/// Moves the caller's array out and marks it released (PITFALLS X2, X3: first of all in a call, before anything can fail; the
/// release of the moved struct stays set, and is called on it).
///
/// # Safety
///
/// `array` is NULL, or points to an array that is valid or released, and may be written.
pub(crate) unsafe fn take(array: *mut FFI_ArrowArray) -> Taken<FFI_ArrowArray> {
    if array.is_null() || !array.is_aligned() {
        return Taken::Nothing;
    }
    // SAFETY: the caller's promise.
    Taken::Struct(unsafe { FFI_ArrowArray::from_raw(array) })
}

/// Moves the caller's stream out, as [`take`].
///
/// # Safety
///
/// `stream` is NULL, or points to a stream that is valid or released, and may be written.
pub(crate) unsafe fn take_stream(stream: *mut FFI_ArrowArrayStream) -> Taken<FFI_ArrowArrayStream> {
    if stream.is_null() || !stream.is_aligned() {
        return Taken::Nothing;
    }
    // SAFETY: the caller's promise.
    Taken::Struct(unsafe { FFI_ArrowArrayStream::from_raw(stream) })
}
