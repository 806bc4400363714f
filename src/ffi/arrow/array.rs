//! Import of a batch: one walk over the caller's structs along the known type, which checks each and wraps its buffers without
//! copying them.
//!
//! arrow-rs's own import trusts what it is given: it panics on wrong counts, and reads out of bounds on wrong offsets. So this
//! one computes each buffer's size itself, from numbers that it checked.

use std::ptr::NonNull;
use std::sync::Arc;

use arrow_array::ffi::FFI_ArrowArray;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, make_array};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, Field, SchemaRef, UnionMode};

use super::path::Path;
use super::raw::{FIRST_PAGE, RawArray};
use crate::error::{Error, Result, err};

/// More buffers than any array has: a count beyond is garbage.
const MAX_BUFFERS: i64 = 1 << 24;

/// The batch in `array`, whose type is `schema`'s. With `validate`, its values too are checked (offsets, UTF-8, dictionary keys,
/// type ids, views); else whoever made them answers for them. Buffers are shared, but for those that are not aligned.
/// The array is released when the last of them is let go, or on an error at once.
pub(crate) fn import_batch(array: FFI_ArrowArray, schema: &SchemaRef, validate: bool) -> Result<RecordBatch> {
    let owner = Arc::new(array);
    let import = Import { owner: &owner, validate };
    let node = Node::new(RawArray::of(&owner), &Path::Root)?;
    let fields = schema.fields();
    node.expect_shape(1, fields.len())?;
    if import.nulls(&node)?.is_some() {
        return Err(node.bad("it has rows that are null as a whole, which a batch cannot hold"));
    }
    let columns = fields.iter().enumerate().map(|(index, field)| import.column(&node, index, field));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(node.length));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(|e| node.bad(e))
}

/// The array of type `data_type` in `array`, its values checked. As [`import_batch`].
pub(crate) fn import_values(array: FFI_ArrowArray, data_type: &DataType) -> Result<ArrayRef> {
    let owner = Arc::new(array);
    let import = Import { owner: &owner, validate: true };
    let node = Node::new(RawArray::of(&owner), &Path::Root)?;
    let data = import.data(&node, data_type)?;
    data.validate_full().map_err(|e| node.bad(e))?;
    Ok(make_array(data))
}

/// An array of the caller's with numbers that were checked.
struct Node<'a> {
    raw: &'a RawArray,
    path: &'a Path<'a>,
    length: usize,
    offset: usize,
    /// Of both; its buffers hold as many values.
    total: usize,
}

impl<'a> Node<'a> {
    fn new(raw: &'a RawArray, path: &'a Path<'a>) -> Result<Self> {
        let bad = |what: &str, value: i64| invalid(path, format_args!("its {what} is {value}"));
        let length = usize::try_from(raw.length).map_err(|_| bad("length", raw.length))?;
        let offset = usize::try_from(raw.offset).map_err(|_| bad("offset", raw.offset))?;
        let total = length.checked_add(offset).filter(|total| *total < isize::MAX.unsigned_abs() / 64);
        let total =
            total.ok_or_else(|| invalid(path, format_args!("its length {length} and offset {offset} are more than memory holds")))?;
        if raw.null_count < -1 || raw.null_count > raw.length {
            return Err(bad("null_count", raw.null_count));
        }
        if raw.n_buffers > 0 && raw.buffers.is_null() {
            return Err(invalid(path, format_args!("its buffers are NULL, and it says that it has {}", raw.n_buffers)));
        }
        if raw.n_children > 0 && raw.children.is_null() {
            return Err(invalid(path, format_args!("its children are NULL, and it says that it has {}", raw.n_children)));
        }
        Ok(Self { raw, path, length, offset, total })
    }

    #[cold]
    fn bad(&self, what: impl std::fmt::Display) -> Error {
        invalid(self.path, what)
    }

    /// Refuses other numbers of buffers and children than its type has, and a dictionary where none belongs.
    fn expect_shape(&self, buffers: i64, children: usize) -> Result<()> {
        self.expect_counts(buffers, children)?;
        if !self.raw.dictionary.is_null() {
            return Err(self.bad("it has a dictionary, and its type has none"));
        }
        Ok(())
    }

    fn expect_counts(&self, buffers: i64, children: usize) -> Result<()> {
        if usize::try_from(self.raw.n_children) != Ok(children) {
            return Err(self.bad(format_args!("it has {} children, and its type has {children}", self.raw.n_children)));
        }
        if self.raw.n_buffers != buffers {
            return Err(self.bad(format_args!("it has {} buffers, and its type has {buffers}", self.raw.n_buffers)));
        }
        Ok(())
    }

    /// The pointer to a buffer, which is below `n_buffers`.
    fn pointer(&self, index: usize) -> *const u8 {
        // SAFETY: `buffers` is not NULL if there are any, and points to as many pointers as there are said to be.
        unsafe { self.raw.buffers.add(index).read_unaligned() }
    }

    /// The child, which is below `n_children`.
    fn child(&self, index: usize, path: &'a Path<'a>) -> Result<Node<'a>> {
        // SAFETY: `children` is not NULL if there are any, and points to as many pointers as there are said to be.
        let child = unsafe { self.raw.children.add(index).read_unaligned() };
        Self::below(child, path)
    }

    fn below(raw: *mut RawArray, path: &'a Path<'a>) -> Result<Node<'a>> {
        if raw.addr() < FIRST_PAGE || !raw.is_aligned() {
            return Err(invalid(path, format_args!("the pointer to it is {raw:p}")));
        }
        // SAFETY: the producer's promise: a child lives as long as its parent.
        let raw = unsafe { &*raw };
        if raw.release.is_none() {
            return Err(invalid(path, "it was released, or moved, before"));
        }
        Node::new(raw, path)
    }

    fn bytes(&self, count: usize, width: usize) -> Result<usize> {
        let bytes = count.checked_mul(width).filter(|bytes| isize::try_from(*bytes).is_ok());
        bytes.ok_or_else(|| self.bad(format_args!("{count} values of {width} bytes are more than memory holds")))
    }
}

#[cold]
fn invalid(path: &Path<'_>, what: impl std::fmt::Display) -> Error {
    err!(InvalidData, "{path}: {what}").with_str("field", path.to_string())
}

struct Import<'a> {
    owner: &'a Arc<FFI_ArrowArray>,
    validate: bool,
}

impl Import<'_> {
    fn column(&self, batch: &Node<'_>, index: usize, field: &Field) -> Result<ArrayRef> {
        let path = Path::Root.child(field.name());
        let node = batch.child(index, &path)?;
        if node.length < batch.total {
            return Err(node.bad(format_args!("its length is {}, and the batch needs {}", node.length, batch.total)));
        }
        let mut data = self.data(&node, field.data_type())?;
        if self.validate && !plainly_valid(&data) {
            data.validate_full().map_err(|e| node.bad(e))?;
        }
        if batch.offset != 0 || node.length != batch.length {
            data = data.slice(batch.offset, batch.length);
        }
        Ok(make_array(data))
    }

    /// The array of `node`, of type `data_type`.
    fn data(&self, node: &Node<'_>, data_type: &DataType) -> Result<ArrayData> {
        let mut nulls = None;
        let (buffers, children) = match data_type {
            DataType::Null => {
                node.expect_shape(0, 0)?;
                (vec![], vec![])
            }
            DataType::Union(fields, mode) => {
                let dense = *mode == UnionMode::Dense;
                node.expect_shape(if dense { 2 } else { 1 }, fields.len())?;
                let mut buffers = vec![self.fixed(node, 0, 1)?];
                if dense {
                    buffers.push(self.fixed(node, 1, 4)?);
                }
                let least = if dense { 0 } else { node.total };
                let children = fields.iter().enumerate().map(|(index, (_, field))| self.child(node, index, field, least));
                (buffers, children.collect::<Result<_>>()?)
            }
            DataType::RunEndEncoded(ends, values) => {
                node.expect_shape(0, 2)?;
                (vec![], vec![self.child(node, 0, ends, 0)?, self.child(node, 1, values, 0)?])
            }
            _ => {
                // All others begin with a validity bitmap, which `nulls` reads.
                if node.raw.n_buffers < 1 {
                    return Err(node.bad(format_args!("it has {} buffers, too few for its type", node.raw.n_buffers)));
                }
                nulls = self.nulls(node)?;
                self.nullable(node, data_type)?
            }
        };
        let builder = ArrayData::builder(data_type.clone()).len(node.length).offset(node.offset).nulls(nulls);
        let builder = builder.buffers(buffers).child_data(children).align_buffers(true);
        // SAFETY: sizes and counts were checked; values are by `validate_full`, or the caller answers for them.
        unsafe { builder.skip_validation(true) }.build().map_err(|e| node.bad(e))
    }

    /// The buffers behind the validity bitmap, and the children.
    fn nullable(&self, node: &Node<'_>, data_type: &DataType) -> Result<(Vec<Buffer>, Vec<ArrayData>)> {
        match data_type {
            DataType::Boolean => {
                node.expect_shape(2, 0)?;
                Ok((vec![self.buffer(node, 1, node.total.div_ceil(8))?], vec![]))
            }
            DataType::FixedSizeBinary(width) => {
                node.expect_shape(2, 0)?;
                Ok((vec![self.fixed(node, 1, size(node, *width)?)?], vec![]))
            }
            DataType::Utf8 | DataType::Binary => self.binary::<i32>(node),
            DataType::LargeUtf8 | DataType::LargeBinary => self.binary::<i64>(node),
            DataType::Utf8View | DataType::BinaryView => self.views(node),
            DataType::List(field) | DataType::Map(field, _) => self.list::<i32>(node, field),
            DataType::LargeList(field) => self.list::<i64>(node, field),
            DataType::ListView(field) => self.list_view(node, field, 4),
            DataType::LargeListView(field) => self.list_view(node, field, 8),
            DataType::FixedSizeList(field, width) => {
                node.expect_shape(1, 1)?;
                let least = node.bytes(node.total, size(node, *width)?)?;
                Ok((vec![], vec![self.child(node, 0, field, least)?]))
            }
            DataType::Struct(fields) => {
                node.expect_shape(1, fields.len())?;
                let children = fields.iter().enumerate().map(|(index, field)| self.child(node, index, field, node.total));
                Ok((vec![], children.collect::<Result<_>>()?))
            }
            DataType::Dictionary(keys, values) => self.dictionary(node, keys, values),
            other => match other.primitive_width() {
                Some(width) => {
                    node.expect_shape(2, 0)?;
                    Ok((vec![self.fixed(node, 1, width)?], vec![]))
                }
                None => Err(node.bad(format_args!("its type {other} is not supported"))),
            },
        }
    }

    /// Which rows are null; none if no row is. The bitmap is counted: a wrong count would be believed by all that follows.
    fn nulls(&self, node: &Node<'_>) -> Result<Option<NullBuffer>> {
        let said = usize::try_from(node.raw.null_count).ok();
        if node.pointer(0).is_null() {
            return match said {
                None | Some(0) => Ok(None),
                Some(said) => Err(node.bad(format_args!("it says that {said} rows are null, and has no validity bitmap"))),
            };
        }
        let bitmap = BooleanBuffer::new(self.buffer(node, 0, node.total.div_ceil(8))?, node.offset, node.length);
        let nulls = NullBuffer::new(bitmap);
        let found = nulls.null_count();
        if let Some(said) = said.filter(|said| *said != found) {
            return Err(node.bad(format_args!("it says that {said} rows are null, and its validity bitmap says {found}")));
        }
        Ok((found > 0).then_some(nulls))
    }

    fn child(&self, node: &Node<'_>, index: usize, field: &Field, least: usize) -> Result<ArrayData> {
        let path = node.path.child(field.name());
        let child = node.child(index, &path)?;
        if child.length < least {
            return Err(child.bad(format_args!("its length is {}, and its parent needs {least}", child.length)));
        }
        self.data(&child, field.data_type())
    }

    /// Buffer `index`, of `len` bytes.
    fn buffer(&self, node: &Node<'_>, index: usize, len: usize) -> Result<Buffer> {
        if len == 0 {
            // What an empty buffer's pointer is does not matter, and may be anything.
            return Ok(Buffer::default());
        }
        let pointer = node.pointer(index);
        match NonNull::new(pointer.cast_mut()) {
            Some(start) if start.addr().get() >= FIRST_PAGE => {
                // SAFETY: the producer's promise: as many bytes as its numbers say, until it is released.
                Ok(unsafe { Buffer::from_custom_allocation(start, len, Arc::clone(self.owner) as _) })
            }
            _ => Err(node.bad(format_args!("buffer {index} is {pointer:p}, and {len} bytes of it are needed"))),
        }
    }

    /// Buffer `index`, of one value of `width` bytes per row.
    fn fixed(&self, node: &Node<'_>, index: usize, width: usize) -> Result<Buffer> {
        self.buffer(node, index, node.bytes(node.total, width)?)
    }

    /// Buffer 1, of offsets, and the last of them.
    fn offsets<T: Offset>(&self, node: &Node<'_>) -> Result<(Buffer, usize)> {
        let width = size_of::<T>();
        if node.total == 0 {
            // The one offset of an empty array may be any, and some producers leave it out.
            return Ok((Buffer::from(vec![0u8; width]), 0));
        }
        let buffer = self.buffer(node, 1, node.bytes(node.total + 1, width)?)?;
        // SAFETY: both lie within the buffer, which need not be aligned.
        let at = |index: usize| unsafe { buffer.as_ptr().cast::<T>().add(index).read_unaligned() }.wide();
        let (first, last) = (at(node.offset), at(node.total));
        match usize::try_from(last) {
            Ok(end) if first >= 0 && first <= last => Ok((buffer, end)),
            _ => Err(node.bad(format_args!("its offsets go from {first} to {last}"))),
        }
    }

    fn binary<T: Offset>(&self, node: &Node<'_>) -> Result<(Vec<Buffer>, Vec<ArrayData>)> {
        node.expect_shape(3, 0)?;
        let (offsets, end) = self.offsets::<T>(node)?;
        let values = self.buffer(node, 2, node.bytes(end, 1)?)?;
        Ok((vec![offsets, values], vec![]))
    }

    fn list<T: Offset>(&self, node: &Node<'_>, field: &Field) -> Result<(Vec<Buffer>, Vec<ArrayData>)> {
        node.expect_shape(2, 1)?;
        let (offsets, end) = self.offsets::<T>(node)?;
        Ok((vec![offsets], vec![self.child(node, 0, field, end)?]))
    }

    fn list_view(&self, node: &Node<'_>, field: &Field, width: usize) -> Result<(Vec<Buffer>, Vec<ArrayData>)> {
        node.expect_shape(3, 1)?;
        let buffers = vec![self.fixed(node, 1, width)?, self.fixed(node, 2, width)?];
        Ok((buffers, vec![self.child(node, 0, field, 0)?]))
    }

    /// Validity, views, any number of data buffers, and a last buffer with those's lengths.
    fn views(&self, node: &Node<'_>) -> Result<(Vec<Buffer>, Vec<ArrayData>)> {
        let count = node.raw.n_buffers;
        if !(3..=MAX_BUFFERS).contains(&count) {
            return Err(node.bad(format_args!("it has {count} buffers, and a view has 3 or more")));
        }
        node.expect_shape(count, 0)?;
        let variadic = usize::try_from(count - 3).unwrap_or(0);
        let lengths = self.buffer(node, 2 + variadic, node.bytes(variadic, size_of::<i64>())?)?;
        let mut buffers = vec![self.fixed(node, 1, 16)?];
        for index in 0..variadic {
            // SAFETY: within the buffer, which need not be aligned.
            let len = unsafe { lengths.as_ptr().cast::<i64>().add(index).read_unaligned() };
            let len = usize::try_from(len).map_err(|_| node.bad(format_args!("the length of its data buffer {index} is {len}")))?;
            buffers.push(self.buffer(node, 2 + index, node.bytes(len, 1)?)?);
        }
        Ok((buffers, vec![]))
    }

    fn dictionary(&self, node: &Node<'_>, keys: &DataType, values: &DataType) -> Result<(Vec<Buffer>, Vec<ArrayData>)> {
        node.expect_counts(2, 0)?;
        if node.raw.dictionary.is_null() {
            return Err(node.bad("it has no dictionary, and its type needs one"));
        }
        let width = keys.primitive_width().ok_or_else(|| node.bad(format_args!("its keys are {keys}")))?;
        let keys = self.fixed(node, 1, width)?;
        let path = node.path.child("dictionary");
        let dictionary = Node::below(node.raw.dictionary, &path)?;
        Ok((vec![keys], vec![self.data(&dictionary, values)?]))
    }
}

/// Whether a look that costs next to nothing shows that texts or bytes are valid: their offsets rise, and texts are ASCII. What it
/// does not show may be valid all the same.
fn plainly_valid(data: &ArrayData) -> bool {
    match data.data_type() {
        DataType::Utf8 => rises::<i32>(data).is_some_and(<[u8]>::is_ascii),
        DataType::LargeUtf8 => rises::<i64>(data).is_some_and(<[u8]>::is_ascii),
        DataType::Binary => rises::<i32>(data).is_some(),
        DataType::LargeBinary => rises::<i64>(data).is_some(),
        _ => false,
    }
}

/// The bytes that the offsets speak of, if these rise within them.
fn rises<O: ArrowNativeType + PartialOrd>(data: &ArrayData) -> Option<&[u8]> {
    let [offsets, values] = data.buffers() else { return None };
    let offsets = offsets.typed_data::<O>().get(data.offset()..)?.get(..=data.len())?;
    let (first, last) = (offsets.first()?.to_usize()?, offsets.last()?.to_usize()?);
    // Without a way out: the compiler makes vectors of it.
    let rising = offsets.iter().zip(offsets.get(1..)?).fold(true, |rising, (a, b)| rising & (a <= b));
    values.get(first..last).filter(|_| rising)
}

/// An offset of 32 or 64 bits.
trait Offset: Copy {
    fn wide(self) -> i64;
}

impl Offset for i32 {
    fn wide(self) -> i64 {
        self.into()
    }
}

impl Offset for i64 {
    fn wide(self) -> i64 {
        self
    }
}

/// The size of a type that is fixed in the schema.
fn size(node: &Node<'_>, size: i32) -> Result<usize> {
    usize::try_from(size).map_err(|_| node.bad(format_args!("the size of its type is {size}")))
}
