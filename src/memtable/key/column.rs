//! The encoding of columns: see the table in the parent module.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, BinaryViewType, ByteArrayType, ByteViewType, GenericBinaryType, GenericStringType, Int16Type, Int32Type, Int64Type,
    StringViewType,
};
use arrow_array::{Array, ArrayRef, OffsetSizeTrait, RunArray};
use arrow_buffer::{NullBuffer, i256};
use arrow_schema::DataType;

use super::Keys;
use super::spec::check_type;
use crate::error::{Result, bail, err};

/// Closes a value of variable length. No value contains it: a 00 inside of one is followed by FF.
pub(super) const END: [u8; 2] = [0, 0];
/// What a 00 inside of a value becomes.
pub(super) const ESCAPED: [u8; 2] = [0, 0xff];

/// A native value whose bytes can be made to compare as it does.
pub(super) trait Ordered: Copy {
    /// The bytes.
    type Bytes: AsRef<[u8]> + Copy + for<'a> TryFrom<&'a [u8]>;
    /// The value's bytes.
    fn ordered(self) -> Self::Bytes;
    /// The value of the bytes.
    fn restored(bytes: Self::Bytes) -> Self;
}

macro_rules! ordered {
    (unsigned: $($native:ty),*) => {$(
        impl Ordered for $native {
            type Bytes = [u8; size_of::<$native>()];
            fn ordered(self) -> Self::Bytes { self.to_be_bytes() }
            fn restored(bytes: Self::Bytes) -> Self { Self::from_be_bytes(bytes) }
        }
    )*};
    (signed: $($native:ty),*) => {$(
        impl Ordered for $native {
            type Bytes = [u8; size_of::<$native>()];
            fn ordered(self) -> Self::Bytes { (self ^ Self::MIN).to_be_bytes() }
            fn restored(bytes: Self::Bytes) -> Self { Self::from_be_bytes(bytes) ^ Self::MIN }
        }
    )*};
    (float: $($native:ty, $bits:ty);*) => {$(
        impl Ordered for $native {
            type Bytes = [u8; size_of::<$native>()];
            fn ordered(self) -> Self::Bytes {
                let sign = 1 << (<$bits>::BITS - 1);
                let bits = if self.is_nan() { Self::NAN.to_bits() & !sign } else { self.to_bits() };
                let bits = if bits == sign { 0 } else { bits };
                (if bits & sign == 0 { bits | sign } else { !bits }).to_be_bytes()
            }
            fn restored(bytes: Self::Bytes) -> Self {
                let sign = 1 << (<$bits>::BITS - 1);
                let bits = <$bits>::from_be_bytes(bytes);
                Self::from_bits(if bits & sign == 0 { !bits } else { bits & !sign })
            }
        }
    )*};
}

ordered!(unsigned: u8, u16, u32, u64);
ordered!(signed: i8, i16, i32, i64, i128);
ordered!(float: f32, u32; f64, u64; half::f16, u16);

impl Ordered for i256 {
    type Bytes = [u8; 32];
    fn ordered(self) -> Self::Bytes {
        let mut bytes = self.to_be_bytes();
        bytes[0] ^= 0x80;
        bytes
    }
    fn restored(mut bytes: Self::Bytes) -> Self {
        bytes[0] ^= 0x80;
        Self::from_be_bytes(bytes)
    }
}

/// Calls the macro `$call` with the arrow type of a fixed-width number, or gives `$other`.
macro_rules! numbers {
    ($data_type:expr, $call:ident, $other:expr) => {{
        use arrow_array::types;
        use arrow_schema::{DataType as Type, IntervalUnit, TimeUnit};
        match $data_type {
            Type::Int8 => $call!(types::Int8Type),
            Type::Int16 => $call!(types::Int16Type),
            Type::Int32 => $call!(types::Int32Type),
            Type::Int64 => $call!(types::Int64Type),
            Type::UInt8 => $call!(types::UInt8Type),
            Type::UInt16 => $call!(types::UInt16Type),
            Type::UInt32 => $call!(types::UInt32Type),
            Type::UInt64 => $call!(types::UInt64Type),
            Type::Float16 => $call!(types::Float16Type),
            Type::Float32 => $call!(types::Float32Type),
            Type::Float64 => $call!(types::Float64Type),
            Type::Decimal32(_, _) => $call!(types::Decimal32Type),
            Type::Decimal64(_, _) => $call!(types::Decimal64Type),
            Type::Decimal128(_, _) => $call!(types::Decimal128Type),
            Type::Decimal256(_, _) => $call!(types::Decimal256Type),
            Type::Date32 => $call!(types::Date32Type),
            Type::Date64 => $call!(types::Date64Type),
            Type::Time32(TimeUnit::Second) => $call!(types::Time32SecondType),
            Type::Time32(TimeUnit::Millisecond) => $call!(types::Time32MillisecondType),
            Type::Time64(TimeUnit::Microsecond) => $call!(types::Time64MicrosecondType),
            Type::Time64(TimeUnit::Nanosecond) => $call!(types::Time64NanosecondType),
            Type::Timestamp(TimeUnit::Second, _) => $call!(types::TimestampSecondType),
            Type::Timestamp(TimeUnit::Millisecond, _) => {
                $call!(types::TimestampMillisecondType)
            }
            Type::Timestamp(TimeUnit::Microsecond, _) => {
                $call!(types::TimestampMicrosecondType)
            }
            Type::Timestamp(TimeUnit::Nanosecond, _) => $call!(types::TimestampNanosecondType),
            Type::Duration(TimeUnit::Second) => $call!(types::DurationSecondType),
            Type::Duration(TimeUnit::Millisecond) => $call!(types::DurationMillisecondType),
            Type::Duration(TimeUnit::Microsecond) => $call!(types::DurationMicrosecondType),
            Type::Duration(TimeUnit::Nanosecond) => $call!(types::DurationNanosecondType),
            Type::Interval(IntervalUnit::YearMonth) => $call!(types::IntervalYearMonthType),
            _ => $other,
        }
    }};
}
pub(in crate::memtable) use numbers;

/// The first row of `array` whose value is null.
pub(crate) fn first_null(array: &dyn Array) -> Option<usize> {
    let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0)?;
    (0..nulls.len()).find(|row| nulls.is_null(*row))
}

/// The most bytes that the values of `array` take when they are encoded; `None` if only encoding them tells.
pub(super) fn most_bytes(array: &dyn Array) -> Option<usize> {
    let rows = array.len();
    // Each zero byte takes two, and so does the end.
    let text = |bytes: usize| bytes.checked_add(rows)?.checked_mul(2);
    match array.data_type() {
        DataType::Boolean => Some(rows),
        DataType::FixedSizeBinary(size) => usize::try_from(*size).ok()?.checked_mul(rows),
        DataType::Utf8 => text(span(array.as_string::<i32>().offsets())),
        DataType::LargeUtf8 => text(span(array.as_string::<i64>().offsets())),
        DataType::Binary => text(span(array.as_binary::<i32>().offsets())),
        DataType::LargeBinary => text(span(array.as_binary::<i64>().offsets())),
        other => other.primitive_width()?.checked_mul(rows),
    }
}

fn span<O: OffsetSizeTrait>(offsets: &[O]) -> usize {
    let at = |offset: Option<&O>| offset.map_or(0, |offset| offset.as_usize());
    at(offsets.last()).saturating_sub(at(offsets.first()))
}

/// A column to be encoded. A null in it is encoded as some value; who allows nulls keeps them apart.
pub(crate) struct Column {
    values: ArrayRef,
    /// Where each row's value lies in `values`, if it is not at the row itself.
    rows: Option<Vec<usize>>,
    nulls: Option<NullBuffer>,
    width: Option<usize>,
}

impl Column {
    /// `array` as a column.
    pub(crate) fn new(array: &ArrayRef) -> Result<Self> {
        check_type(array.data_type()).map_err(|why| err!(InvalidArgument, "type {}: {why}", array.data_type()))?;
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        let (values, rows) = flatten(array)?;
        // A run-end encoded array may hold a dictionary.
        let (values, rows) = match flatten(&values)? {
            (inner, Some(below)) => {
                let rows = rows.map_or_else(|| below.clone(), |rows| rows.iter().map(|row| below[*row]).collect());
                (inner, Some(rows))
            }
            (values, None) => (values, rows),
        };
        let width = fixed_width(values.data_type());
        Ok(Self { values, rows, nulls, width })
    }

    /// Calls `f` with each row's index in the values; a null row of a column without values has none.
    fn each(&self, rows: usize, mut f: impl FnMut(usize, usize)) {
        match &self.rows {
            Some(map) => map.iter().enumerate().for_each(|(row, value)| f(row, *value)),
            None => (0..rows).for_each(|row| f(row, row)),
        }
    }

    /// Adds the length of each row's encoded value to `lengths`.
    fn measure(&self, lengths: &mut [u64]) {
        if let Some(width) = self.width {
            lengths.iter_mut().for_each(|length| *length += width as u64);
            return;
        }
        self.bytes(lengths.len(), |row, value| {
            let zeros = value.iter().filter(|byte| **byte == 0).count();
            lengths[row] += (value.len() + zeros + END.len()) as u64;
        });
    }

    /// Calls `f` with each row and the bytes of its value, which is of variable length.
    fn bytes(&self, rows: usize, f: impl FnMut(usize, &[u8])) {
        match self.values.data_type() {
            DataType::Utf8 => self.offset_bytes::<GenericStringType<i32>>(rows, f),
            DataType::LargeUtf8 => self.offset_bytes::<GenericStringType<i64>>(rows, f),
            DataType::Binary => self.offset_bytes::<GenericBinaryType<i32>>(rows, f),
            DataType::LargeBinary => self.offset_bytes::<GenericBinaryType<i64>>(rows, f),
            DataType::Utf8View => self.view_bytes::<StringViewType>(rows, f),
            _ => self.view_bytes::<BinaryViewType>(rows, f),
        }
    }

    fn offset_bytes<T: ByteArrayType>(&self, rows: usize, mut f: impl FnMut(usize, &[u8])) {
        let values = self.values.as_bytes::<T>();
        self.each(rows, |row, at| f(row, if self.is_null(row) { &[] } else { values.value(at).as_ref() }));
    }

    fn view_bytes<T: ByteViewType>(&self, rows: usize, mut f: impl FnMut(usize, &[u8])) {
        let values = self.values.as_byte_view::<T>();
        self.each(rows, |row, at| f(row, if self.is_null(row) { &[] } else { values.value(at).as_ref() }));
    }

    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Puts each row's encoded value to its place.
    fn write(&self, rows: usize, place: &mut impl Place) {
        macro_rules! number {
            ($type:ty) => {
                self.numbers::<$type>(rows, place)
            };
        }
        numbers!(self.values.data_type(), number, self.write_others(rows, place));
    }

    fn numbers<T: ArrowPrimitiveType<Native: Ordered>>(&self, rows: usize, place: &mut impl Place) {
        let values = self.values.as_primitive::<T>().values();
        match &self.rows {
            None => values.iter().enumerate().for_each(|(row, value)| place.put(row, value.ordered().as_ref())),
            Some(map) => {
                let zero = T::Native::default();
                for (row, at) in map.iter().enumerate() {
                    place.put(row, values.get(*at).unwrap_or(&zero).ordered().as_ref());
                }
            }
        }
        debug_assert_eq!(self.rows.as_ref().map_or(values.len(), Vec::len), rows);
    }

    fn write_others(&self, rows: usize, place: &mut impl Place) {
        match self.values.data_type() {
            DataType::Boolean => {
                let values = self.values.as_boolean();
                self.each(rows, |row, at| place.put(row, &[u8::from(!self.is_null(row) && values.value(at))]));
            }
            DataType::FixedSizeBinary(size) => {
                let (values, zeros) = (self.values.as_fixed_size_binary(), vec![0; usize::try_from(*size).unwrap_or(0)]);
                self.each(rows, |row, at| place.put(row, if self.is_null(row) { &zeros } else { values.value(at) }));
            }
            _ => self.bytes(rows, |row, value| {
                let mut rest = value;
                while let Some(zero) = rest.iter().position(|byte| *byte == 0) {
                    place.put(row, &rest[..zero]);
                    place.put(row, &ESCAPED);
                    rest = &rest[zero + 1..];
                }
                place.put(row, rest);
                place.put(row, &END);
            }),
        }
    }
}

/// The values of a dictionary or run-end encoded array, and where each row's is.
pub(crate) fn flatten(array: &ArrayRef) -> Result<(ArrayRef, Option<Vec<usize>>)> {
    match array.data_type() {
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let values = dictionary.values();
            // Without values, every row is null.
            let rows = if values.is_empty() { vec![0; array.len()] } else { dictionary.normalized_keys() };
            Ok((values.clone(), Some(rows)))
        }
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => Ok(runs(array.as_run::<Int16Type>())),
            DataType::Int32 => Ok(runs(array.as_run::<Int32Type>())),
            _ => Ok(runs(array.as_run::<Int64Type>())),
        },
        _ => Ok((array.clone(), None)),
    }
}

fn runs<R: arrow_array::types::RunEndIndexType>(array: &RunArray<R>) -> (ArrayRef, Option<Vec<usize>>) {
    use arrow_buffer::ArrowNativeType;
    let (offset, len) = (array.offset(), array.len());
    let mut rows = Vec::with_capacity(len);
    for (run, end) in array.run_ends().values().iter().enumerate() {
        let end = end.as_usize().saturating_sub(offset).min(len);
        while rows.len() < end {
            rows.push(run);
        }
    }
    (array.values().clone(), Some(rows))
}

/// The encoded width of a type whose values all have the same.
pub(super) fn fixed_width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Boolean => Some(1),
        DataType::FixedSizeBinary(size) => usize::try_from(*size).ok(),
        other => other.primitive_width(),
    }
}

/// Where encoded values go.
trait Place {
    /// Appends `bytes` to what `row` has.
    fn put(&mut self, row: usize, bytes: &[u8]);
}

/// Rows of one width, of which this is the column at `offset`.
struct Strided<'a> {
    data: &'a mut [u8],
    stride: usize,
    offset: usize,
}

impl Place for Strided<'_> {
    #[inline]
    fn put(&mut self, row: usize, bytes: &[u8]) {
        let start = row * self.stride + self.offset;
        self.data[start..start + bytes.len()].copy_from_slice(bytes);
    }
}

/// Rows of any width, and how far each is written.
struct Cursors<'a> {
    data: &'a mut [u8],
    cursors: &'a mut [u32],
}

impl Place for Cursors<'_> {
    #[inline]
    fn put(&mut self, row: usize, bytes: &[u8]) {
        let cursor = &mut self.cursors[row];
        let start = *cursor as usize;
        self.data[start..start + bytes.len()].copy_from_slice(bytes);
        *cursor += bytes.len() as u32;
    }
}

/// The encoded rows of `columns`, which all have `rows` rows.
pub(crate) fn encode(columns: &[Column], rows: usize) -> Result<Keys> {
    if let Some(widths) = columns.iter().map(|column| column.width).collect::<Option<Vec<_>>>() {
        let stride: usize = widths.iter().sum();
        let mut data = vec![0; total(stride as u64 * rows as u64)? as usize];
        let mut offset = 0;
        for (column, width) in columns.iter().zip(widths) {
            column.write(rows, &mut Strided { data: &mut data, stride, offset });
            offset += width;
        }
        return Ok(Keys::fixed(data, stride, rows));
    }
    let mut lengths = vec![0; rows];
    columns.iter().for_each(|column| column.measure(&mut lengths));
    let size = total(lengths.iter().sum())?;
    let mut data = vec![0; size as usize];
    // Each row's cursor begins where the row does, and ends where the row ends.
    let mut cursors: Vec<u32> = lengths
        .iter()
        .scan(0, |end, length| {
            let start = *end;
            *end += *length as u32;
            Some(start)
        })
        .collect();
    columns.iter().for_each(|column| column.write(rows, &mut Cursors { data: &mut data, cursors: &mut cursors }));
    Ok(Keys::each(data, cursors))
}

fn total(bytes: u64) -> Result<u32> {
    match u32::try_from(bytes) {
        Ok(bytes) => Ok(bytes),
        Err(_) => bail!(InvalidArgument, "the keys of the batch take {bytes} bytes; less than 4 GiB is possible"),
    }
}
