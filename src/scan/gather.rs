//! Rows from several batches as one column.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, BinaryType, ByteArrayType, LargeBinaryType, LargeUtf8Type, Utf8Type};
use arrow_array::{Array, ArrayRef, BooleanArray, FixedSizeBinaryArray, GenericByteArray, PrimitiveArray, UInt32Array, downcast_primitive};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType};

use crate::error::{Error, Result, err};

/// The rows `rows` of `arrays`: which array, and which of its rows. There is at least one array, all of one type.
pub(super) fn gather(arrays: &[&ArrayRef], rows: &[(usize, usize)]) -> Result<ArrayRef> {
    if let [(array, row)] = rows {
        return one(arrays[*array], *row);
    }
    if let DataType::FixedSizeBinary(size) = arrays[0].data_type() {
        return many_fixed(arrays, rows, *size);
    }
    let arrays: Vec<&dyn Array> = arrays.iter().map(|array| array.as_ref()).collect();
    arrow_select::interleave::interleave(&arrays, rows).map_err(failed)
}

/// One row as an array of its own. Arrow's kernels take longer to be chosen than to copy it, and a slice would keep all the rest alive.
fn one(array: &ArrayRef, row: usize) -> Result<ArrayRef> {
    macro_rules! primitive {
        ($type:ty) => {
            Ok(one_primitive(array.as_primitive::<$type>(), row))
        };
    }
    let null = || NullBuffer::new_null(1);
    downcast_primitive! {
        array.data_type() => (primitive),
        DataType::Utf8 => one_bytes::<Utf8Type>(array, row),
        DataType::LargeUtf8 => one_bytes::<LargeUtf8Type>(array, row),
        DataType::Binary => one_bytes::<BinaryType>(array, row),
        DataType::LargeBinary => one_bytes::<LargeBinaryType>(array, row),
        DataType::FixedSizeBinary(size) => many_fixed(&[array], &[(0, row)], *size),
        DataType::Boolean => {
            let value = array.as_boolean().value(row);
            let bits = if value { BooleanBuffer::new_set(1) } else { BooleanBuffer::new_unset(1) };
            Ok(Arc::new(BooleanArray::new(bits, array.is_null(row).then(null))))
        },
        _ => arrow_select::take::take(array, &UInt32Array::from_value(row as u32, 1), None).map_err(failed),
    }
}

fn one_primitive<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, row: usize) -> ArrayRef {
    let values = ScalarBuffer::from(vec![array.value(row)]);
    let nulls = array.is_null(row).then(|| NullBuffer::new_null(1));
    Arc::new(PrimitiveArray::<T>::new(values, nulls).with_data_type(array.data_type().clone()))
}

fn one_bytes<T: ByteArrayType>(array: &ArrayRef, row: usize) -> Result<ArrayRef> {
    let array = array.as_bytes::<T>();
    let null = array.is_null(row);
    let value: &[u8] = if null { &[] } else { array.value(row).as_ref() };
    let (offsets, values) = (OffsetBuffer::from_lengths([value.len()]), Buffer::from(value));
    let one = GenericByteArray::<T>::try_new(offsets, values, null.then(|| NullBuffer::new_null(1))).map_err(failed)?;
    Ok(Arc::new(one))
}

/// Arrow's kernel has no way of its own for these, and a general one that costs much for each array.
fn many_fixed(arrays: &[&ArrayRef], rows: &[(usize, usize)], size: i32) -> Result<ArrayRef> {
    let arrays: Vec<_> = arrays.iter().map(|array| array.as_fixed_size_binary()).collect();
    let mut values = Vec::with_capacity(rows.len() * usize::try_from(size).unwrap_or(0));
    rows.iter().for_each(|(array, row)| values.extend_from_slice(arrays[*array].value(*row)));
    let is_valid = |(array, row): &(usize, usize)| arrays[*array].is_valid(*row);
    let nulls = arrays.iter().any(|array| array.null_count() > 0).then(|| rows.iter().map(is_valid).collect::<NullBuffer>());
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
    Ok(Arc::new(FixedSizeBinaryArray::try_new_with_len(size, values.into(), nulls, rows.len()).map_err(failed)?))
}

fn failed(error: ArrowError) -> Error {
    match error {
        ArrowError::DictionaryKeyOverflowError => {
            err!(Unsupported, "the rows have more distinct values than their dictionary's keys can count: ask for fewer at once")
        }
        ArrowError::OffsetOverflowError(_) => err!(InvalidArgument, "the rows are too large for one column: ask for fewer at once"),
        other => err!(Internal, "rows cannot be gathered: {other}"),
    }
}
