//! What batches hold in memory, and how they are made to hold no more than they need (PITFALLS C6).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ByteArrayType, GenericBinaryType, GenericStringType};
use arrow_array::{Array, ArrayRef, GenericByteArray, PrimitiveArray, RecordBatch, RecordBatchOptions, make_array};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_data::transform::MutableArrayData;
use arrow_schema::DataType;

use super::key::column::numbers;
use crate::error::{Result, err};

/// What an array costs beside its buffers: the array itself, its count of references and the headers of its buffers.
const ARRAY_OVERHEAD: usize = 256;
/// What a batch costs beside its arrays.
const BATCH_OVERHEAD: usize = 256;
/// What the ledger keeps of an allocation.
const LEDGER_ENTRY: usize = 40;

/// What some batches hold.
#[derive(Debug, Default, Clone)]
pub(super) struct Footprint {
    /// The distinct allocations: start and end of each, in order, not overlapping.
    pub(super) allocations: Vec<(usize, usize)>,
    /// What arrays and batches take beside them.
    pub(super) overhead: usize,
    /// The bytes of the allocations that the batches' own rows use.
    used: usize,
    buffers: usize,
}

impl Footprint {
    pub(super) fn of(batches: &[RecordBatch]) -> Self {
        let mut found = Self { overhead: BATCH_OVERHEAD * batches.len(), ..Self::default() };
        for column in batches.iter().flat_map(RecordBatch::columns) {
            found.add(&column.to_data());
            found.used += used(column);
        }
        found.buffers = found.allocations.len();
        found.allocations.sort_unstable();
        // What is shared counts once; ranges may also overlap where the same bytes were wrapped more than once.
        let mut end = 0;
        found.allocations.retain_mut(|(from, to)| {
            *from = (*from).max(end);
            end = end.max(*to);
            from < to
        });
        found.overhead += LEDGER_ENTRY * found.allocations.len();
        found
    }

    pub(super) fn add(&mut self, data: &ArrayData) {
        self.overhead += ARRAY_OVERHEAD;
        let nulls = data.nulls().map(|nulls| nulls.buffer());
        for buffer in data.buffers().iter().chain(nulls) {
            let start = buffer.data_ptr().as_ptr() as usize;
            self.allocations.push((start, start + buffer.capacity()));
        }
        data.child_data().iter().for_each(|child| self.add(child));
    }

    /// Adds an array that shares its buffers with those of all other batches.
    pub(super) fn add_shared_array(&mut self) {
        self.overhead += ARRAY_OVERHEAD;
    }

    /// The bytes of the allocations.
    pub(super) fn allocated(&self) -> usize {
        self.allocations.iter().map(|(from, to)| to - from).sum()
    }

    /// Whether a good part of what is held is not the batches' own: they are slices, or their builders were too large.
    pub(super) fn is_wasteful(&self) -> bool {
        self.allocated() > 2 * self.used + 64 * self.buffers + 1024
    }
}

/// About how many bytes the rows of `array` take by themselves.
fn used(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::Utf8View => array.len() * 16 + array.as_string_view().total_buffer_bytes_used(),
        DataType::BinaryView => array.len() * 16 + array.as_binary_view().total_buffer_bytes_used(),
        DataType::Dictionary(key, _) => {
            let (rows, values) = (array.len(), array.as_any_dictionary().values());
            // A row refers to one value: of a dictionary with more values than rows, only part is in use.
            let values = used(values) * rows.min(values.len()) / values.len().max(1);
            rows * key.primitive_width().unwrap_or(8) + values
        }
        data_type if data_type.is_nested() => {
            let data = array.to_data();
            // Children are not cut when lists are sliced: what is used of them is in proportion. Offsets, sizes and type ids take
            // about 8 bytes a row.
            data.child_data().iter().map(|child| nested(&data, child)).sum::<usize>() + 8 * array.len()
        }
        _ => array.to_data().get_slice_memory_size().unwrap_or(0),
    }
}

fn nested(parent: &ArrayData, child: &ArrayData) -> usize {
    let whole = used(&make_array(child.clone()));
    let part = match parent.data_type() {
        DataType::List(_) | DataType::Map(_, _) => {
            let offsets = parent.buffers()[0].typed_data::<i32>();
            offsets.get(parent.offset()..=parent.offset() + parent.len()).map(|o| (o[parent.len()] - o[0]) as usize)
        }
        DataType::LargeList(_) => {
            let offsets = parent.buffers()[0].typed_data::<i64>();
            offsets.get(parent.offset()..=parent.offset() + parent.len()).map(|o| (o[parent.len()] - o[0]) as usize)
        }
        DataType::FixedSizeList(_, size) => Some(parent.len() * usize::try_from(*size).unwrap_or(0)),
        DataType::Struct(_) => Some(parent.len()),
        _ => None,
    };
    part.map_or(whole, |part| (whole as u128 * part.min(child.len()) as u128 / child.len().max(1) as u128) as usize)
}

/// A copy of `batch` that holds its own rows and nothing else.
pub(super) fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(compact_array).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options).map_err(|e| err!(Internal, "a copied batch is not valid: {e}"))
}

pub(super) fn compact_array(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Utf8View => Arc::new(array.as_string_view().gc()),
        DataType::BinaryView => Arc::new(array.as_binary_view().gc()),
        DataType::Dictionary(_, _) => {
            let used = arrow_select::dictionary::garbage_collect_any_dictionary(array.as_any_dictionary())
                .map_err(|e| err!(Internal, "a dictionary cannot be compacted: {e}"))?;
            let used = used.as_any_dictionary();
            copy(&used.with_values(compact_array(used.values())?))?
        }
        data_type if keeps_shared(data_type) => {
            let data = copy(array)?.into_data();
            let children = data.child_data().iter().map(|child| Ok(compact_array(&make_array(child.clone()))?.into_data()));
            let children = children.collect::<Result<Vec<_>>>()?;
            let data = data.into_builder().child_data(children).build().map_err(|e| err!(Internal, "a copied array is not valid: {e}"))?;
            make_array(data)
        }
        _ => copy(array)?,
    })
}

/// A copy of the rows of `array`. It shares the data of views and the values of dictionaries.
fn copy(array: &dyn Array) -> Result<ArrayRef> {
    macro_rules! number {
        ($type:ty) => {{
            let array = array.as_primitive::<$type>();
            let values = ScalarBuffer::from(array.values().to_vec());
            return Ok(Arc::new(PrimitiveArray::<$type>::new(values, copy_nulls(array)).with_data_type(array.data_type().clone())));
        }};
    }
    // The usual types by themselves: for small batches, the general way takes longer than the rest of a put.
    numbers!(
        array.data_type(),
        number,
        match array.data_type() {
            DataType::Utf8 => copy_bytes(array.as_bytes::<GenericStringType<i32>>()),
            DataType::LargeUtf8 => copy_bytes(array.as_bytes::<GenericStringType<i64>>()),
            DataType::Binary => copy_bytes(array.as_bytes::<GenericBinaryType<i32>>()),
            DataType::LargeBinary => copy_bytes(array.as_bytes::<GenericBinaryType<i64>>()),
            _ => copy_any(array),
        }
    )
}

fn copy_nulls(array: &dyn Array) -> Option<NullBuffer> {
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0)?;
    let bits = Buffer::from_slice_ref(nulls.inner().sliced().as_slice());
    Some(NullBuffer::new(BooleanBuffer::new(bits, 0, nulls.len())))
}

fn copy_bytes<T: ByteArrayType>(array: &GenericByteArray<T>) -> Result<ArrayRef> {
    let offsets = array.offsets();
    let (first, last) = (offsets[0], offsets[array.len()]);
    let values = array.values().slice_with_length(first.as_usize(), last.as_usize() - first.as_usize());
    let offsets = OffsetBuffer::new(offsets.iter().map(|offset| *offset - first).collect());
    let copied = GenericByteArray::<T>::try_new(offsets, Buffer::from_slice_ref(values.as_slice()), copy_nulls(array));
    Ok(Arc::new(copied.map_err(|e| err!(Internal, "an array cannot be copied: {e}"))?))
}

fn copy_any(array: &dyn Array) -> Result<ArrayRef> {
    let data = array.to_data();
    let mut copied = MutableArrayData::new(vec![&data], false, data.len());
    copied.try_extend(0, 0, data.len()).map_err(|e| err!(Internal, "an array cannot be copied: {e}"))?;
    Ok(make_array(copied.freeze()))
}

/// Whether values of a nested type have parts that a copy would share.
fn keeps_shared(data_type: &DataType) -> bool {
    let shared =
        |inner: &DataType| matches!(inner, DataType::Utf8View | DataType::BinaryView | DataType::Dictionary(_, _)) || keeps_shared(inner);
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::RunEndEncoded(_, field)
        | DataType::Map(field, _) => shared(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| shared(field.data_type())),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| shared(field.data_type())),
        _ => false,
    }
}

/// The distinct allocations of all batches of a table: what several of them share, such as the body of one entry of the log,
/// counts once. They live as long as the table does, so an address stands for one allocation.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    ends: HashMap<usize, usize, BuildHasherDefault<AddressHasher>>,
}

/// Hashes addresses of allocations, which nobody chooses to do harm: a multiplication spreads them well enough.
#[derive(Debug, Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize(usize::from(*byte)));
    }

    fn write_usize(&mut self, address: usize) {
        self.0 = (self.0 ^ address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Ledger {
    /// How many bytes of `allocations` would be new.
    pub(super) fn missing(&self, allocations: &[(usize, usize)]) -> usize {
        allocations.iter().map(|(from, to)| to.saturating_sub(*self.ends.get(from).unwrap_or(from))).sum()
    }

    /// Notes `allocations`; returns how many of their bytes are new.
    pub(super) fn add(&mut self, allocations: &[(usize, usize)]) -> usize {
        let mut new = 0;
        for (from, to) in allocations {
            let end = self.ends.entry(*from).or_insert(*from);
            new += to.saturating_sub(*end);
            *end = (*end).max(*to);
        }
        new
    }
}
