//! Export of a batch. arrow-rs's own takes two dozen allocations for a row of four columns, which is most of what a read by key costs: here the
//! columns of the usual types share one block, in four.
//!
//! A consumer may move a child out and release it by itself, also after its parent: each array has a share of the block.

use std::cell::UnsafeCell;
use std::ptr::null_mut;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::ffi::FFI_ArrowArray;
use arrow_array::types::ByteArrayType;
use arrow_array::{Array, ArrayRef, GenericByteArray, RecordBatch, downcast_primitive_array};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_schema::DataType;

use super::raw::{FIRST_PAGE, RawArray};

/// The buffers of a column of the usual types: validity, then values, or offsets and values.
const BUFFERS: usize = 3;

/// What an exported batch and its columns point into. They share it; the last that is released drops it.
struct Block {
    columns: Box<[UnsafeCell<RawArray>]>,
    children: Box<[UnsafeCell<*mut RawArray>]>,
    /// The batch's own, which is NULL, then [`BUFFERS`] of each column.
    buffers: Box<[UnsafeCell<*const u8>]>,
    _batch: RecordBatch,
    /// Bits that begin within a byte, copied.
    _bits: Vec<Buffer>,
}

// SAFETY: nothing writes to it once it is made but consumers of the arrays, each to his own; the last share may be dropped on any thread.
unsafe impl Send for Block {}
// SAFETY: the same.
unsafe impl Sync for Block {}

/// `batch`, sharing its buffers.
pub(crate) fn export_batch(batch: RecordBatch) -> FFI_ArrowArray {
    let mut bits = Vec::new();
    let mut buffers = Vec::with_capacity(1 + BUFFERS * batch.num_columns());
    buffers.push(UnsafeCell::new(std::ptr::null()));
    let columns: Box<[_]> = batch.columns().iter().map(|column| UnsafeCell::new(shape(column, &mut buffers, &mut bits))).collect();
    let children = columns.iter().map(|column| UnsafeCell::new(column.get())).collect();
    let length = batch.num_rows() as i64;
    let block = Arc::new(Block { columns, children, buffers: buffers.into_boxed_slice(), _batch: batch, _bits: bits });
    for (column, buffers) in block.columns.iter().zip(block.buffers.get(1..).unwrap_or_default().chunks_exact(BUFFERS)) {
        // SAFETY: nobody else knows the column yet.
        let column = unsafe { &mut *column.get() };
        if column.private_data.is_null() {
            column.buffers = UnsafeCell::raw_get(buffers.as_ptr());
            column.private_data = Arc::into_raw(Arc::clone(&block)).cast_mut().cast();
        }
    }
    let n_children = block.columns.len() as i64;
    let array = RawArray {
        length,
        null_count: 0,
        offset: 0,
        n_buffers: 1,
        n_children,
        buffers: UnsafeCell::raw_get(block.buffers.as_ptr()),
        children: if n_children == 0 { null_mut() } else { UnsafeCell::raw_get(block.children.as_ptr()) },
        dictionary: null_mut(),
        release: Some(release),
        private_data: Arc::into_raw(block).cast_mut().cast(),
    };
    // SAFETY: both are the `ArrowArray` of the specification, `repr(C)`, and this one is given away.
    unsafe { std::mem::transmute(array) }
}

/// The array of a column. Its buffers and its share of the block come later, unless its type is one that arrow-rs exports.
fn shape(column: &ArrayRef, buffers: &mut Vec<UnsafeCell<*const u8>>, bits: &mut Vec<Buffer>) -> RawArray {
    let mut keep = |bits_: &BooleanBuffer| {
        let sliced = bits_.sliced();
        let pointer = sliced.as_ptr();
        bits.push(sliced);
        pointer
    };
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    let (count, values) = match column.data_type() {
        DataType::Boolean => (2, [keep(column.as_boolean().values()), std::ptr::null()]),
        DataType::Utf8 => (3, texts(column.as_string::<i32>())),
        DataType::LargeUtf8 => (3, texts(column.as_string::<i64>())),
        DataType::Binary => (3, texts(column.as_binary::<i32>())),
        DataType::LargeBinary => (3, texts(column.as_binary::<i64>())),
        _ => {
            downcast_primitive_array! {
                column => (2, [column.values().inner().as_ptr(), std::ptr::null()]),
                _ => {
                    buffers.extend((0..BUFFERS).map(|_| UnsafeCell::new(std::ptr::null())));
                    return by_arrow(column);
                }
            }
        }
    };
    let valid = nulls.map_or(std::ptr::null(), |nulls| keep(nulls.inner()));
    let [first, second] = values;
    // PITFALLS X6: what is empty points to something, too.
    buffers.extend([valid, solid(first), solid(second)].map(UnsafeCell::new));
    RawArray {
        length: column.len() as i64,
        null_count: nulls.map_or(0, |nulls| nulls.null_count() as i64),
        offset: 0,
        n_buffers: count,
        n_children: 0,
        buffers: null_mut(),
        children: null_mut(),
        dictionary: null_mut(),
        release: Some(release),
        private_data: null_mut(),
    }
}

fn texts<T: ByteArrayType>(column: &GenericByteArray<T>) -> [*const u8; 2] {
    [column.offsets().inner().inner().as_ptr(), column.values().as_ptr()]
}

/// A column of any other type, which owns what it needs.
fn by_arrow(column: &ArrayRef) -> RawArray {
    let mut array = FFI_ArrowArray::new(&column.to_data());
    // SAFETY: an array of arrow-rs's own making, which nobody else holds.
    unsafe { no_dangling((&raw mut array).cast()) };
    // SAFETY: both are the `ArrowArray` of the specification, `repr(C)`.
    unsafe { std::mem::transmute(array) }
}

unsafe extern "C" fn release(array: *mut FFI_ArrowArray) {
    // SAFETY: the consumer's promise: an array of `export_batch`'s, moved perhaps, released once.
    let Some(array) = (unsafe { array.cast::<RawArray>().as_mut() }) else { return };
    for index in 0..usize::try_from(array.n_children).unwrap_or(0) {
        // SAFETY: there are as many; a child that was moved out has no release here.
        unsafe {
            let child = *array.children.add(index);
            if let Some(release) = (*child).release {
                release(child.cast());
            }
        }
    }
    array.release = None;
    let block = std::mem::replace(&mut array.private_data, null_mut()).cast_const().cast::<Block>();
    // SAFETY: the share that `export_batch` gave to this array.
    drop(unsafe { Arc::from_raw(block) });
}

/// What empty buffers point to: bytes that can be read as an offset of 0, too.
#[repr(align(64))]
struct Zeros([u8; 64]);
static ZEROS: Zeros = Zeros([0; 64]);

/// `pointer`, or something that can be pointed to if it is dangling (PITFALLS X6: Go ends a program that holds such).
fn solid(pointer: *const u8) -> *const u8 {
    if pointer.is_null() || pointer.addr() >= FIRST_PAGE { pointer } else { ZEROS.0.as_ptr() }
}

/// Replaces arrow-rs's dangling pointers to what is empty.
///
/// # Safety
///
/// `array` was just made by arrow-rs, so its parts are valid and belong to nobody else.
unsafe fn no_dangling(array: *mut RawArray) {
    // SAFETY: the caller's promise. arrow-rs frees the parts through its private data, not through these.
    unsafe {
        let array = &mut *array;
        for index in 0..usize::try_from(array.n_buffers).unwrap_or(0) {
            let buffer = array.buffers.add(index);
            *buffer = solid(*buffer);
        }
        for index in 0..usize::try_from(array.n_children).unwrap_or(0) {
            no_dangling(*array.children.add(index));
        }
        if !array.dictionary.is_null() {
            no_dangling(array.dictionary);
        }
        if array.n_buffers == 0 {
            array.buffers = null_mut();
        }
        if array.n_children == 0 {
            array.children = null_mut();
        }
    }
}
