//! Hashing rows to shards: Lance's bucket function (FORMAT.md, last section), bit for bit.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};

use crate::error::{Result, bail};

/// The largest number of buckets.
pub const MAX_BUCKETS: i32 = 1024;

/// The bucket, in `0..buckets`, of every value of `column`; null goes to bucket 0.
///
/// # Errors
/// `InvalidArgument` if `buckets` is not in `1..=1024` or the column's type cannot be hashed.
pub fn buckets_of(column: &dyn Array, buckets: i32) -> Result<Vec<i32>> {
    if !(1..=MAX_BUCKETS).contains(&buckets) {
        bail!(InvalidArgument, "{buckets} buckets: the number must be in 1..={MAX_BUCKETS}");
    }
    let bucket = |hash: u32| (hash & 0x7fff_ffff) as i32 % buckets;
    let small = |hash: fn(u32) -> u32, values: Vec<Option<u32>>| values.into_iter().map(|v| v.map_or(0, |v| bucket(hash(v)))).collect();
    let large = |values: Vec<Option<u64>>| values.into_iter().map(|v| v.map_or(0, |v| bucket(hash_u64(v)))).collect();
    let bytes = |values: Vec<Option<&[u8]>>| values.into_iter().map(|v| v.map_or(0, |v| bucket(hash_bytes(v)))).collect();
    let h = hash_u32 as fn(u32) -> u32;
    Ok(match column.data_type() {
        DataType::Boolean => small(h, column.as_boolean().iter().map(|v| v.map(u32::from)).collect()),
        DataType::Int8 => small(h, map::<Int8Type, _>(column, |v| i32::from(v) as u32)),
        DataType::Int16 => small(h, map::<Int16Type, _>(column, |v| i32::from(v) as u32)),
        DataType::Int32 => small(h, map::<Int32Type, _>(column, |v| v as u32)),
        DataType::UInt8 => small(h, map::<UInt8Type, _>(column, u32::from)),
        DataType::UInt16 => small(h, map::<UInt16Type, _>(column, u32::from)),
        DataType::UInt32 => small(h, map::<UInt32Type, _>(column, |v| v)),
        DataType::Date32 => small(h, map::<Date32Type, _>(column, |v| v as u32)),
        DataType::Time32(TimeUnit::Second) => small(h, map::<Time32SecondType, _>(column, |v| v as u32)),
        DataType::Time32(_) => small(h, map::<Time32MillisecondType, _>(column, |v| v as u32)),
        DataType::Int64 => large(map::<Int64Type, _>(column, |v| v as u64)),
        DataType::UInt64 => large(map::<UInt64Type, _>(column, |v| v)),
        DataType::Timestamp(TimeUnit::Second, _) => large(map::<TimestampSecondType, _>(column, |v| v as u64)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => large(map::<TimestampMillisecondType, _>(column, |v| v as u64)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => large(map::<TimestampMicrosecondType, _>(column, |v| v as u64)),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => large(map::<TimestampNanosecondType, _>(column, |v| v as u64)),
        DataType::Time64(TimeUnit::Nanosecond) => large(map::<Time64NanosecondType, _>(column, |v| v as u64)),
        DataType::Time64(_) => large(map::<Time64MicrosecondType, _>(column, |v| v as u64)),
        DataType::Float32 => small(h, map::<Float32Type, _>(column, f32_bits)),
        DataType::Float64 => large(map::<Float64Type, _>(column, f64_bits)),
        DataType::Utf8 => bytes(column.as_string::<i32>().iter().map(|v| v.map(str::as_bytes)).collect()),
        DataType::LargeUtf8 => bytes(column.as_string::<i64>().iter().map(|v| v.map(str::as_bytes)).collect()),
        DataType::Utf8View => bytes(column.as_string_view().iter().map(|v| v.map(str::as_bytes)).collect()),
        other => bail!(InvalidArgument, "values of type {other} cannot be hashed to buckets"),
    })
}

fn map<T: ArrowPrimitiveType, V>(column: &dyn Array, f: impl Fn(T::Native) -> V) -> Vec<Option<V>> {
    let column: &PrimitiveArray<T> = column.as_primitive::<T>();
    column.iter().map(|value| value.map(&f)).collect()
}

fn f32_bits(value: f32) -> u32 {
    match value {
        0.0 => 0,
        v if v.is_nan() => 0x7fc0_0000,
        v => v.to_bits(),
    }
}

fn f64_bits(value: f64) -> u64 {
    match value {
        0.0 => 0,
        v if v.is_nan() => 0x7ff8_0000_0000_0000,
        v => v.to_bits(),
    }
}

fn hash_u32(value: u32) -> u32 {
    finish(mix(0, value), 4)
}

fn hash_u64(value: u64) -> u32 {
    finish(mix(mix(0, value as u32), (value >> 32) as u32), 8)
}

/// Differs from standard MurmurHash3 in its tail: each remaining byte is sign-extended and mixed as a block of its own.
fn hash_bytes(value: &[u8]) -> u32 {
    let (blocks, tail) = value.as_chunks::<4>();
    let hash = blocks.iter().fold(0, |hash, block| mix(hash, u32::from_le_bytes(*block)));
    let hash = tail.iter().fold(hash, |hash, byte| mix(hash, i32::from(*byte as i8) as u32));
    finish(hash, value.len() as u32)
}

fn mix(hash: u32, block: u32) -> u32 {
    let block = block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    (hash ^ block).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
}

fn finish(hash: u32, len: u32) -> u32 {
    let mut hash = hash ^ len;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, ListArray, StringArray, StringViewArray};

    use super::*;

    #[test]
    fn agrees_with_the_vectors_of_the_format() {
        let columns: [(ArrayRef, Vec<i32>); 6] = [
            (Arc::new(Int32Array::from(vec![Some(1), Some(2), Some(3), None])), vec![2, 7, 1, 0]),
            (Arc::new(StringArray::from(vec!["a", "b"])), vec![1, 5]),
            (Arc::new(StringViewArray::from(vec!["a", "b"])), vec![1, 5]),
            (Arc::new(BooleanArray::from(vec![true])), vec![2]),
            (
                Arc::new(Float32Array::from(vec![1.25, 0.0, -0.0])),
                vec![0, buckets_of(&Int32Array::from(vec![0]), 8).unwrap()[0], buckets_of(&Int32Array::from(vec![0]), 8).unwrap()[0]],
            ),
            (Arc::new(Float64Array::from(vec![1.25])), vec![0]),
        ];
        for (column, want) in columns {
            assert_eq!(buckets_of(&column, 8).unwrap(), want, "{:?}", column.data_type());
        }
    }

    #[test]
    fn refuses_what_cannot_be_hashed() {
        let one = Int32Array::from(vec![1]);
        for n in [0, -1, 1025] {
            assert!(buckets_of(&one, n).is_err());
        }
        assert!(buckets_of(&ListArray::new_null(Arc::new(arrow_schema::Field::new("x", DataType::Int8, true)), 1), 8).is_err());
    }
}
