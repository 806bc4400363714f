//! The walk over a batch's arrays that fills a message's body: exactly the rows of the range, never their parents, with
//! offsets that begin at 0 and bitmaps that begin at a byte; without copying what can be logged as it is.

use arrow_array::cast::AsArray;
use arrow_array::types::{ByteViewType, RunEndIndexType};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, GenericByteViewArray, GenericListArray, GenericListViewArray, OffsetSizeTrait, RunArray,
    StringViewArray, UnionArray, downcast_primitive_array, downcast_run_array,
};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, UnionFields};

use super::body::{Body, Compressor};
use super::{Compression, SHARED_BYTES};
use crate::error::{Error, err};

/// What is wrong with a batch. The path to the column grows on the way out.
pub(super) enum Fault {
    Nulls(String),
    Other(Error),
}

impl Fault {
    fn below(self, name: &str) -> Self {
        match self {
            Self::Nulls(path) if path.is_empty() => Self::Nulls(name.to_owned()),
            Self::Nulls(path) => Self::Nulls(format!("{name}.{path}")),
            Self::Other(error) => Self::Other(error),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Nulls(path) => err!(InvalidData, "column '{path}' is not nullable, and has nulls").with_str("field", path),
            Fault::Other(error) => error,
        }
    }
}

type Walk = Result<(), Fault>;

/// A dictionary that the batch refers to: its message goes before the batch's.
pub(super) struct Dictionary<'s> {
    pub(super) id: i64,
    /// The number of the first dictionary inside its values.
    pub(super) first_inner: i64,
    pub(super) value_type: &'s DataType,
    pub(super) values: ArrayRef,
}

pub(super) struct Walker<'s, 'b> {
    body: &'b mut Body,
    compression: Compression,
    compressor: &'b mut Compressor,
    next_dictionary: i64,
    /// Whether dictionaries are taken with all their values, used or not.
    whole_dictionaries: bool,
    pub(super) dictionaries: Vec<Dictionary<'s>>,
}

impl<'s, 'b> Walker<'s, 'b> {
    pub(super) fn new(body: &'b mut Body, compression: Compression, compressor: &'b mut Compressor, next_dictionary: i64) -> Self {
        Self { body, compression, compressor, next_dictionary, whole_dictionaries: false, dictionaries: Vec::new() }
    }

    pub(super) fn with_whole_dictionaries(self, whole: bool) -> Self {
        Self { whole_dictionaries: whole, ..self }
    }

    /// Appends rows `start..start + len` of `array` as the field. Where `parent` is null, nulls are allowed in any case.
    pub(super) fn field(&mut self, field: &'s Field, array: &dyn Array, start: usize, len: usize, parent: Option<&NullBuffer>) -> Walk {
        if !field.is_nullable()
            && let Some(nulls) = nulls_within(array, start, len)
            && !parent.is_some_and(|parent| parent.slice(start, len).contains(&nulls))
        {
            return Err(Fault::Nulls(field.name().clone()));
        }
        self.array(field.data_type(), array, start, len, field.name())
    }

    /// Appends the rows of `array`, whose type is `data_type` but for names and nullability inside.
    fn array(&mut self, data_type: &'s DataType, array: &dyn Array, start: usize, len: usize, name: &str) -> Walk {
        match data_type {
            DataType::Null => {
                self.body.node(len, len);
                return Ok(());
            }
            DataType::Union(fields, _) => {
                self.body.node(len, 0);
                return self.union(fields, array.as_union(), start, len).map_err(|fault| fault.below(name));
            }
            DataType::RunEndEncoded(_, values) => {
                self.body.node(len, 0);
                return downcast_run_array!(
                    array => self.runs(values, array, start, len).map_err(|fault| fault.below(name)),
                    _ => unreachable!("run ends are 16, 32 or 64 bits wide")
                );
            }
            DataType::Dictionary(_, value_type) => return self.dictionary(value_type, array, start, len, name),
            _ => {}
        }
        self.validity(array.nulls(), start, len)?;
        match data_type {
            DataType::Boolean => self.bits(array.as_boolean().values(), start, len),
            DataType::Utf8 => {
                let array = array.as_string::<i32>();
                self.bytes(array.offsets(), array.values(), start, len)
            }
            DataType::Binary => {
                let array = array.as_binary::<i32>();
                self.bytes(array.offsets(), array.values(), start, len)
            }
            DataType::LargeUtf8 => {
                let array = array.as_string::<i64>();
                self.bytes(array.offsets(), array.values(), start, len)
            }
            DataType::LargeBinary => {
                let array = array.as_binary::<i64>();
                self.bytes(array.offsets(), array.values(), start, len)
            }
            DataType::FixedSizeBinary(width) => {
                let width = usize::try_from(*width).unwrap_or(0);
                self.push(array.as_fixed_size_binary().values(), start * width, len * width)
            }
            DataType::Utf8View => {
                let array: &StringViewArray = array.as_string_view();
                self.views(array, start, len)
            }
            DataType::BinaryView => {
                let array: &BinaryViewArray = array.as_binary_view();
                self.views(array, start, len)
            }
            _ if data_type.is_nested() => self.nested(data_type, array, start, len).map_err(|fault| fault.below(name)),
            _ => downcast_primitive_array!(
                array => self.values(array.values(), start, len),
                other => Err(Fault::Other(err!(Unsupported, "column '{name}': the type {other} cannot be logged")))
            ),
        }
    }

    fn nested(&mut self, data_type: &'s DataType, array: &dyn Array, start: usize, len: usize) -> Walk {
        match data_type {
            DataType::Struct(fields) => {
                let array = array.as_struct();
                let mut columns = fields.iter().zip(array.columns());
                columns.try_for_each(|(field, column)| self.field(field, column, start, len, array.nulls()))
            }
            DataType::List(field) => self.list(field, array.as_list::<i32>(), start, len),
            DataType::LargeList(field) => self.list(field, array.as_list::<i64>(), start, len),
            DataType::ListView(field) => self.list_view(field, array.as_list_view::<i32>(), start, len),
            DataType::LargeListView(field) => self.list_view(field, array.as_list_view::<i64>(), start, len),
            DataType::Map(entries, _) => {
                let array = array.as_map();
                let (first, count) = self.offsets(array.offsets(), start, len)?;
                self.field(entries, array.entries(), first, count, None)
            }
            DataType::FixedSizeList(field, size) => {
                let size = usize::try_from(*size).unwrap_or(0);
                let array = array.as_fixed_size_list();
                let parent = array.nulls().filter(|_| !field.is_nullable()).map(|nulls| nulls.expand(size));
                self.field(field, array.values(), start * size, len * size, parent.as_ref())
            }
            other => Err(Fault::Other(err!(Unsupported, "the type {other} cannot be logged"))),
        }
    }

    fn push(&mut self, buffer: &Buffer, start: usize, len: usize) -> Walk {
        if len == 0 {
            self.body.push_empty();
        } else if self.compression == Compression::None {
            self.body.push(buffer, start, len);
        } else {
            let bytes = &buffer.as_slice()[start..start + len];
            let compressed = self.compressor.compress(bytes, self.compression).map_err(Fault::Other)?;
            let len = compressed.len();
            self.body.push(&Buffer::from_vec(compressed), 0, len);
        }
        Ok(())
    }

    /// The node and the validity bitmap; a bitmap without nulls is left out, as the format allows.
    fn validity(&mut self, nulls: Option<&NullBuffer>, start: usize, len: usize) -> Walk {
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        let count = match nulls {
            None => 0,
            Some(nulls) if len == nulls.len() => nulls.null_count(),
            Some(nulls) => nulls.slice(start, len).null_count(),
        };
        self.body.node(len, count);
        match nulls {
            Some(nulls) if count > 0 => self.bits(nulls.inner(), start, len),
            _ => {
                self.body.push_empty();
                Ok(())
            }
        }
    }

    fn bits(&mut self, bits: &BooleanBuffer, start: usize, len: usize) -> Walk {
        let start = bits.offset() + start;
        if start.is_multiple_of(8) {
            self.push(bits.inner(), start / 8, len.div_ceil(8))
        } else {
            let shifted = bits.inner().bit_slice(start, len);
            self.push(&shifted, 0, len.div_ceil(8))
        }
    }

    fn values<T: ArrowNativeType>(&mut self, values: &ScalarBuffer<T>, start: usize, len: usize) -> Walk {
        self.push(values.inner(), start * size_of::<T>(), len * size_of::<T>())
    }

    /// Appends offsets that begin at 0; returns the range of what they point to.
    fn offsets<O: OffsetSizeTrait>(&mut self, offsets: &OffsetBuffer<O>, start: usize, len: usize) -> Result<(usize, usize), Fault> {
        let window = &offsets[start..=start + len];
        let first = window[0];
        if first.is_zero() {
            self.values(offsets.inner(), start, len + 1)?;
        } else {
            let rebased: Vec<O> = window.iter().map(|offset| *offset - first).collect();
            self.values(&rebased.into(), 0, len + 1)?;
        }
        Ok((first.as_usize(), (window[len] - first).as_usize()))
    }

    fn bytes<O: OffsetSizeTrait>(&mut self, offsets: &OffsetBuffer<O>, values: &Buffer, start: usize, len: usize) -> Walk {
        let (first, count) = self.offsets(offsets, start, len)?;
        self.push(values, first, count)
    }

    fn views<T: ByteViewType>(&mut self, array: &GenericByteViewArray<T>, start: usize, len: usize) -> Walk {
        let held: usize = array.data_buffers().iter().map(Buffer::len).sum();
        let referred = |view: &u128| Some(*view as u32).filter(|len| *len > 12).map_or(0, |len| len as usize);
        let used: usize = if held == 0 { 0 } else { array.views()[start..start + len].iter().map(referred).sum() };
        if held > used * 2 + SHARED_BYTES || (used == 0 && held > 0) {
            // Most of what the buffers hold belongs to other rows (PITFALLS C6).
            let compact = array.slice(start, len).gc();
            return self.view_buffers(&compact, 0, len);
        }
        self.view_buffers(array, start, len)
    }

    fn view_buffers<T: ByteViewType>(&mut self, array: &GenericByteViewArray<T>, start: usize, len: usize) -> Walk {
        self.values(array.views(), start, len)?;
        self.body.variadic.push(array.data_buffers().len() as i64);
        array.data_buffers().iter().try_for_each(|buffer| self.push(buffer, 0, buffer.len()))
    }

    fn list<O: OffsetSizeTrait>(&mut self, field: &'s Field, array: &GenericListArray<O>, start: usize, len: usize) -> Walk {
        let (first, count) = self.offsets(array.offsets(), start, len)?;
        self.field(field, array.values(), first, count, None)
    }

    fn list_view<O: OffsetSizeTrait>(&mut self, field: &'s Field, array: &GenericListViewArray<O>, start: usize, len: usize) -> Walk {
        let offsets = &array.offsets()[start..start + len];
        let sizes = &array.sizes()[start..start + len];
        let filled = || offsets.iter().zip(sizes).filter(|(_, size)| !size.is_zero());
        let first = filled().map(|(offset, _)| *offset).min().unwrap_or_else(O::zero);
        let end = filled().map(|(offset, size)| offset.as_usize() + size.as_usize()).max().unwrap_or(0);
        // An empty list may point anywhere, so it is moved to where the others are.
        let rebased: Vec<O> = offsets.iter().zip(sizes).map(|(o, size)| if size.is_zero() { O::zero() } else { *o - first }).collect();
        self.values(&rebased.into(), 0, len)?;
        self.values(array.sizes(), start, len)?;
        let first = first.as_usize();
        self.field(field, array.values(), first, end - first.min(end), None)
    }

    fn union(&mut self, fields: &'s UnionFields, array: &UnionArray, start: usize, len: usize) -> Walk {
        self.values(array.type_ids(), start, len)?;
        let Some(offsets) = array.offsets() else {
            return fields.iter().try_for_each(|(id, field)| self.field(field, array.child(id), start, len, None));
        };
        let mut ranges = [(usize::MAX, 0_usize); 128];
        let rows = || array.type_ids()[start..start + len].iter().zip(&offsets[start..start + len]);
        for (id, offset) in rows() {
            let (first, end) = &mut ranges[usize::from(id.unsigned_abs()) & 127];
            (*first, *end) = ((*first).min(offset.as_usize()), (*end).max(offset.as_usize() + 1));
        }
        let first = |id: i8| Some(ranges[usize::from(id.unsigned_abs()) & 127].0).filter(|first| *first != usize::MAX).unwrap_or(0);
        let rebased: Vec<i32> = rows().map(|(id, offset)| offset - first(*id) as i32).collect();
        self.values(&rebased.into(), 0, len)?;
        fields.iter().try_for_each(|(id, field)| {
            let (first, end) = (first(id), ranges[usize::from(id.unsigned_abs()) & 127].1);
            self.field(field, array.child(id), first, end - first, None)
        })
    }

    fn runs<R: RunEndIndexType>(&mut self, field: &'s Field, array: &RunArray<R>, start: usize, len: usize) -> Walk {
        let ends = array.run_ends().values();
        let start = array.run_ends().offset() + start;
        let first = ends.partition_point(|end| end.as_usize() <= start);
        let count = if len == 0 { 0 } else { ends[first..].partition_point(|end| end.as_usize() < start + len) + 1 };
        let clip = |end: &R::Native| R::Native::usize_as(end.as_usize().min(start + len) - start);
        let rebased: Vec<R::Native> = ends[first..first + count].iter().map(clip).collect();
        self.validity(None, 0, count)?;
        self.values(&rebased.into(), 0, count)?;
        self.field(field, array.values(), first, count, None)
    }

    fn dictionary(&mut self, value_type: &'s DataType, array: &dyn Array, start: usize, len: usize, name: &str) -> Walk {
        let whole = array.as_any_dictionary();
        let first_inner = self.next_dictionary;
        let id = first_inner + super::schema::dictionaries(value_type);
        self.next_dictionary = id + 1;
        let (keys, values) = (whole.keys(), whole.values());
        if self.whole_dictionaries || values.len() <= len {
            self.dictionaries.push(Dictionary { id, first_inner, value_type, values: values.clone() });
            return self.keys(keys, start, len);
        }
        // More values than rows: only those that are used are logged (PITFALLS C6).
        let slice = array.slice(start, len);
        let compact = arrow_select::dictionary::garbage_collect_any_dictionary(slice.as_any_dictionary())
            .map_err(|e| Fault::Other(err!(InvalidData, "column '{name}': its dictionary cannot be compacted: {e}")))?;
        let compact = compact.as_any_dictionary();
        self.dictionaries.push(Dictionary { id, first_inner, value_type, values: compact.values().clone() });
        self.keys(compact.keys(), 0, len)
    }

    fn keys(&mut self, keys: &dyn Array, start: usize, len: usize) -> Walk {
        self.validity(keys.nulls(), start, len)?;
        downcast_primitive_array!(
            keys => self.values(keys.values(), start, len),
            other => Err(Fault::Other(err!(Unsupported, "{other} is not a type of dictionary keys")))
        )
    }

    /// Appends a dictionary's values as the one column of its message.
    pub(super) fn dictionary_values(&mut self, dictionary: &Dictionary<'s>) -> Walk {
        self.array(dictionary.value_type, &dictionary.values, 0, dictionary.values.len(), "dictionary")
    }
}

/// The nulls in the range, as a reader sees them; `None` if there are none.
fn nulls_within(array: &dyn Array, start: usize, len: usize) -> Option<NullBuffer> {
    let nulls = match array.data_type() {
        DataType::Dictionary(_, _) | DataType::RunEndEncoded(_, _) | DataType::Union(_, _) | DataType::Null => {
            array.slice(start, len).logical_nulls()
        }
        _ => array.nulls().filter(|nulls| nulls.null_count() > 0).map(|nulls| nulls.slice(start, len)),
    };
    nulls.filter(|nulls| nulls.null_count() > 0)
}
