//! The values that columns are compared with, as values of the columns' types.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, LargeBinaryArray, LargeStringArray, PrimitiveArray, StringArray, StringViewArray,
};
use arrow_schema::DataType;

use crate::error::{Error, Result, err};

/// `value`, one, as a value of a column of type `to`, if that is the same value: integers and floats of another width, texts and bytes of
/// another layout. What is of the column's type already, or null, stays as it is.
///
/// # Errors
/// `SchemaMismatch`: it has no such value.
pub(crate) fn fit(column: &str, value: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let wanted = values(to);
    if value.data_type() == to || value.data_type() == wanted || value.len() != 1 || value.is_null(0) {
        return Ok(Arc::clone(value));
    }
    let fitted = match wanted {
        to if to.is_integer() => integer(value).and_then(|number| integer_as(number, to)),
        to if to.is_floating() => float(value).and_then(|number| float_as(number, to)),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => text(value).and_then(|text| text_as(text, wanted)),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => bytes(value).and_then(|bytes| bytes_as(bytes, wanted)),
        _ => None,
    };
    fitted.ok_or_else(|| mismatch(column, value, to))
}

#[cold]
fn mismatch(column: &str, value: &ArrayRef, to: &DataType) -> Error {
    let given = integer(value).map_or_else(String::new, |number| format!(", {number},"));
    err!(
        SchemaMismatch,
        "column '{column}' of type {to} is compared with a value of type {}{given} that is none of the column's",
        value.data_type()
    )
    .with_str("column", column)
}

/// The type of the values of an encoded column.
fn values(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, of) => of,
        DataType::RunEndEncoded(_, of) => values(of.data_type()),
        other => other,
    }
}

fn number<T: ArrowPrimitiveType>(value: &ArrayRef) -> T::Native {
    value.as_primitive::<T>().value(0)
}

fn integer(value: &ArrayRef) -> Option<i128> {
    Some(match value.data_type() {
        DataType::Int8 => number::<Int8Type>(value).into(),
        DataType::Int16 => number::<Int16Type>(value).into(),
        DataType::Int32 => number::<Int32Type>(value).into(),
        DataType::Int64 => number::<Int64Type>(value).into(),
        DataType::UInt8 => number::<UInt8Type>(value).into(),
        DataType::UInt16 => number::<UInt16Type>(value).into(),
        DataType::UInt32 => number::<UInt32Type>(value).into(),
        DataType::UInt64 => number::<UInt64Type>(value).into(),
        _ => return None,
    })
}

fn integer_as(number: i128, to: &DataType) -> Option<ArrayRef> {
    fn one<T: ArrowPrimitiveType<Native: TryFrom<i128>>>(number: i128) -> Option<ArrayRef> {
        Some(Arc::new(PrimitiveArray::<T>::from_value(T::Native::try_from(number).ok()?, 1)))
    }
    match to {
        DataType::Int8 => one::<Int8Type>(number),
        DataType::Int16 => one::<Int16Type>(number),
        DataType::Int32 => one::<Int32Type>(number),
        DataType::Int64 => one::<Int64Type>(number),
        DataType::UInt8 => one::<UInt8Type>(number),
        DataType::UInt16 => one::<UInt16Type>(number),
        DataType::UInt32 => one::<UInt32Type>(number),
        DataType::UInt64 => one::<UInt64Type>(number),
        _ => None,
    }
}

fn float(value: &ArrayRef) -> Option<f64> {
    Some(match value.data_type() {
        DataType::Float16 => number::<Float16Type>(value).to_f64(),
        DataType::Float32 => number::<Float32Type>(value).into(),
        DataType::Float64 => number::<Float64Type>(value),
        _ => return None,
    })
}

fn float_as(number: f64, to: &DataType) -> Option<ArrayRef> {
    let same = |narrow: f64| narrow == number || (narrow.is_nan() && number.is_nan());
    match to {
        DataType::Float16 => {
            let narrow = half::f16::from_f64(number);
            same(narrow.to_f64()).then(|| Arc::new(PrimitiveArray::<Float16Type>::from_value(narrow, 1)) as ArrayRef)
        }
        DataType::Float32 => {
            let narrow = number as f32;
            same(narrow.into()).then(|| Arc::new(PrimitiveArray::<Float32Type>::from_value(narrow, 1)) as ArrayRef)
        }
        DataType::Float64 => Some(Arc::new(PrimitiveArray::<Float64Type>::from_value(number, 1))),
        _ => None,
    }
}

fn text(value: &ArrayRef) -> Option<&str> {
    Some(match value.data_type() {
        DataType::Utf8 => value.as_string::<i32>().value(0),
        DataType::LargeUtf8 => value.as_string::<i64>().value(0),
        DataType::Utf8View => value.as_string_view().value(0),
        _ => return None,
    })
}

fn text_as(text: &str, to: &DataType) -> Option<ArrayRef> {
    Some(match to {
        DataType::Utf8 => Arc::new(StringArray::from(vec![text])),
        DataType::LargeUtf8 => Arc::new(LargeStringArray::from(vec![text])),
        DataType::Utf8View => Arc::new(StringViewArray::from(vec![text])),
        _ => return None,
    })
}

fn bytes(value: &ArrayRef) -> Option<&[u8]> {
    Some(match value.data_type() {
        DataType::Binary => value.as_binary::<i32>().value(0),
        DataType::LargeBinary => value.as_binary::<i64>().value(0),
        DataType::BinaryView => value.as_binary_view().value(0),
        _ => return None,
    })
}

fn bytes_as(bytes: &[u8], to: &DataType) -> Option<ArrayRef> {
    Some(match to {
        DataType::Binary => Arc::new(BinaryArray::from(vec![bytes])),
        DataType::LargeBinary => Arc::new(LargeBinaryArray::from(vec![bytes])),
        DataType::BinaryView => Arc::new(BinaryViewArray::from(vec![bytes])),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use arrow_array::{Float32Array, Float64Array, Int8Array, Int32Array, Int64Array, UInt64Array};

    fn fits(value: ArrayRef, to: DataType, wanted: ArrayRef) {
        assert_eq!(&fit("c", &value, &to).unwrap(), &wanted, "{value:?} as {to}");
    }

    fn refused(value: ArrayRef, to: DataType) {
        let error = fit("c", &value, &to).unwrap_err();
        assert!(error.kind() == ErrorKind::SchemaMismatch && error.message().contains("'c'"), "{error}");
    }

    #[test]
    fn what_loses_nothing_is_cast() {
        fits(Arc::new(Int32Array::from(vec![7])), DataType::Int64, Arc::new(Int64Array::from(vec![7])));
        fits(Arc::new(Int64Array::from(vec![-128])), DataType::Int8, Arc::new(Int8Array::from(vec![-128])));
        fits(Arc::new(Int64Array::from(vec![i64::MAX])), DataType::UInt64, Arc::new(UInt64Array::from(vec![i64::MAX as u64])));
        fits(Arc::new(Float32Array::from(vec![0.1])), DataType::Float64, Arc::new(Float64Array::from(vec![f64::from(0.1f32)])));
        fits(Arc::new(Float64Array::from(vec![0.5])), DataType::Float32, Arc::new(Float32Array::from(vec![0.5])));
        fits(Arc::new(Float64Array::from(vec![f64::INFINITY])), DataType::Float32, Arc::new(Float32Array::from(vec![f32::INFINITY])));
        fits(Arc::new(StringArray::from(vec!["ä"])), DataType::Utf8View, Arc::new(StringViewArray::from(vec!["ä"])));
        fits(Arc::new(StringViewArray::from(vec!["ä"])), DataType::LargeUtf8, Arc::new(LargeStringArray::from(vec!["ä"])));
        let bytes: &[u8] = b"\xff";
        fits(Arc::new(BinaryArray::from(vec![bytes])), DataType::BinaryView, Arc::new(BinaryViewArray::from(vec![bytes])));
        let encoded = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
        fits(Arc::new(LargeStringArray::from(vec!["x"])), encoded, Arc::new(StringArray::from(vec!["x"])));
    }

    #[test]
    fn what_loses_something_is_refused() {
        refused(Arc::new(Int64Array::from(vec![128])), DataType::Int8);
        refused(Arc::new(Int64Array::from(vec![-1])), DataType::UInt64);
        refused(Arc::new(UInt64Array::from(vec![u64::MAX])), DataType::Int64);
        refused(Arc::new(Float64Array::from(vec![0.1])), DataType::Float32);
        refused(Arc::new(Int32Array::from(vec![1])), DataType::Float64);
        refused(Arc::new(Float64Array::from(vec![1.0])), DataType::Int32);
        refused(Arc::new(StringArray::from(vec!["1"])), DataType::Int32);
        refused(Arc::new(StringArray::from(vec!["1"])), DataType::Binary);
    }

    /// Whatever is wrong beside the type is for the scan to say.
    #[test]
    fn nulls_and_other_counts_stay() {
        let null: ArrayRef = Arc::new(Int32Array::from(vec![None::<i32>]));
        assert_eq!(&fit("c", &null, &DataType::Int64).unwrap(), &null);
        let two: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
        assert_eq!(&fit("c", &two, &DataType::Int64).unwrap(), &two);
    }
}
