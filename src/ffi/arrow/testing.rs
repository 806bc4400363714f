//! A producer for tests: real batches, bent at will, whose releases are counted.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::ffi::FFI_ArrowArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use arrow_schema::{Field, Schema, SchemaRef};

use super::raw::RawArray;

/// How often an array's release was called, and whether rightly.
#[derive(Default)]
pub(crate) struct Released {
    count: AtomicUsize,
    wrongly: AtomicUsize,
}

impl Released {
    /// How often it was called.
    pub(crate) fn count(&self) -> usize {
        // PITFALLS X3: producers that check the release they are called through free nothing if it is NULL.
        assert_eq!(self.wrongly.load(Ordering::SeqCst), 0, "release was NULL when it was called");
        self.count.load(Ordering::SeqCst)
    }
}

struct Private {
    released: Arc<Released>,
    _inner: FFI_ArrowArray,
}

unsafe extern "C" fn release(array: *mut FFI_ArrowArray) {
    // SAFETY: made by `produce`.
    let raw = unsafe { &mut *array.cast::<RawArray>() };
    // SAFETY: the same; released once, or the count tells.
    let private = unsafe { Box::from_raw(raw.private_data.cast::<Private>()) };
    if raw.release.is_none() {
        private.released.wrongly.fetch_add(1, Ordering::SeqCst);
    }
    private.released.count.fetch_add(1, Ordering::SeqCst);
    raw.release = None;
}

/// `batch` as a producer's array, after `bend`.
pub(crate) fn produce(batch: &RecordBatch, bend: impl FnOnce(&mut Bent)) -> (FFI_ArrowArray, Arc<Released>) {
    let mut inner = FFI_ArrowArray::new(&StructArray::from(batch.clone()).to_data());
    let released = Arc::new(Released::default());
    // SAFETY: just made; what is copied out of it lives as long as it does.
    let mut raw = unsafe { std::ptr::read((&raw const inner).cast::<RawArray>()) };
    bend(&mut Bent { raw: &mut raw });
    // Children are freed through the private data.
    let _ = &mut inner;
    raw.release = Some(release);
    raw.private_data = Box::into_raw(Box::new(Private { released: Arc::clone(&released), _inner: inner })).cast::<c_void>();
    // SAFETY: both are the same struct.
    (unsafe { std::mem::transmute::<RawArray, FFI_ArrowArray>(raw) }, released)
}

/// An array to be bent.
pub(crate) struct Bent<'a> {
    pub(super) raw: &'a mut RawArray,
}

impl Bent<'_> {
    /// Child `index`.
    pub(crate) fn child(&mut self, index: usize) -> Bent<'_> {
        assert!((index as i64) < self.raw.n_children);
        // SAFETY: there is one.
        Bent { raw: unsafe { &mut **self.raw.children.add(index) } }
    }

    /// The dictionary.
    pub(crate) fn dictionary(&mut self) -> Bent<'_> {
        // SAFETY: there is one.
        Bent { raw: unsafe { &mut *self.raw.dictionary } }
    }

    /// Replaces the pointer to child `index`, in a list of its own.
    pub(crate) fn set_child(&mut self, index: usize, child: *const c_void) {
        // SAFETY: there are as many.
        let mut children = unsafe { std::slice::from_raw_parts(self.raw.children, self.raw.n_children as usize) }.to_vec();
        children[index] = child.cast_mut().cast();
        self.raw.children = children.leak().as_mut_ptr();
    }

    /// Replaces the pointer to buffer `index`.
    pub(crate) fn set_buffer(&mut self, index: usize, buffer: *const u8) {
        assert!((index as i64) < self.raw.n_buffers);
        // SAFETY: there is one.
        unsafe { *self.raw.buffers.add(index) = buffer };
    }

    /// Replaces buffer `index` by a copy of `values`.
    pub(crate) fn set_values<T: Copy>(&mut self, index: usize, values: &[T]) {
        self.set_buffer(index, values.to_vec().leak().as_ptr().cast());
    }

    /// Replaces buffer `index` by a copy of its first `len` bytes at an odd address.
    pub(crate) fn misalign(&mut self, index: usize, len: usize) {
        let mut bytes = vec![0u8; len + 1];
        let skip = bytes.as_ptr().align_offset(2) ^ 1;
        assert!((index as i64) < self.raw.n_buffers);
        // SAFETY: the buffer is there and has as many bytes.
        unsafe { bytes[skip..skip + len].copy_from_slice(std::slice::from_raw_parts(*self.raw.buffers.add(index), len)) };
        self.set_buffer(index, bytes.leak()[skip..].as_ptr());
    }
}

/// A batch of one column `c`.
pub(crate) fn one_column(array: ArrayRef) -> RecordBatch {
    let field = Field::new("c", array.data_type().clone(), true);
    let schema: SchemaRef = Arc::new(Schema::new(vec![field]));
    RecordBatch::try_new(schema, vec![array]).unwrap()
}
