//! Encoded keys back to columns.

use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, FixedSizeBinaryBuilder, GenericBinaryBuilder, StringViewBuilder};
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{ArrayRef, BooleanArray, OffsetSizeTrait, PrimitiveArray, RecordBatch};
use arrow_schema::{DataType, SchemaRef};

use super::column::{Ordered, numbers};
use crate::error::{Result, bail, err};

/// The rows of `schema` that `keys` stand for.
pub(super) fn decode<'k>(schema: SchemaRef, keys: impl IntoIterator<Item = &'k [u8]>) -> Result<RecordBatch> {
    let mut columns = schema.fields().iter().map(|field| decoder(field.data_type())).collect::<Result<Vec<_>>>()?;
    let mut rows = 0;
    for key in keys {
        let mut rest = key;
        for column in &mut columns {
            column.push(&mut rest).ok_or_else(|| damaged(key))?;
        }
        if !rest.is_empty() {
            return Err(damaged(key));
        }
        rows += 1;
    }
    let arrays = columns.into_iter().map(|column| column.finish()).collect::<Result<Vec<_>>>()?;
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, arrays, &options).map_err(|e| err!(Internal, "decoded keys do not fit their schema: {e}"))
}

fn damaged(key: &[u8]) -> crate::error::Error {
    err!(Corruption, "an encoded key of {} bytes is not one of this primary key", key.len())
}

/// Collects the values of one column.
trait Decoder {
    /// Takes one value from the beginning of `key`; nothing if there is none.
    fn push(&mut self, key: &mut &[u8]) -> Option<()>;
    fn finish(self: Box<Self>) -> Result<ArrayRef>;
}

fn decoder(data_type: &DataType) -> Result<Box<dyn Decoder>> {
    macro_rules! number {
        ($type:ty) => {
            Box::new(Numbers::<$type> { values: Vec::new(), data_type: data_type.clone() })
        };
    }
    Ok(numbers!(
        data_type,
        number,
        match data_type {
            DataType::Boolean => Box::new(Booleans(Vec::new())),
            DataType::FixedSizeBinary(size) => Box::new(Fixed { builder: FixedSizeBinaryBuilder::new(*size), size: *size as usize }),
            DataType::Utf8 => Box::new(Text::<i32>::new(data_type)),
            DataType::LargeUtf8 => Box::new(Text::<i64>::new(data_type)),
            DataType::Binary => Box::new(Text::<i32>::new(data_type)),
            DataType::LargeBinary => Box::new(Text::<i64>::new(data_type)),
            DataType::Utf8View => Box::new(Views { strings: Some(StringViewBuilder::new()), bytes: BinaryViewBuilder::new() }),
            DataType::BinaryView => Box::new(Views { strings: None, bytes: BinaryViewBuilder::new() }),
            other => bail!(Internal, "no key has the type {other}"),
        }
    ))
}

struct Numbers<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    data_type: DataType,
}

impl<T: ArrowPrimitiveType<Native: Ordered>> Decoder for Numbers<T> {
    fn push(&mut self, key: &mut &[u8]) -> Option<()> {
        let bytes = key.split_off(..size_of::<T::Native>())?;
        self.values.push(Ordered::restored(bytes.try_into().ok()?));
        Some(())
    }

    fn finish(self: Box<Self>) -> Result<ArrayRef> {
        Ok(Arc::new(PrimitiveArray::<T>::from_iter_values(self.values).with_data_type(self.data_type)))
    }
}

struct Booleans(Vec<bool>);

impl Decoder for Booleans {
    fn push(&mut self, key: &mut &[u8]) -> Option<()> {
        match key.split_off_first()? {
            value @ (0 | 1) => self.0.push(*value == 1),
            _ => return None,
        }
        Some(())
    }

    fn finish(self: Box<Self>) -> Result<ArrayRef> {
        Ok(Arc::new(BooleanArray::from(self.0)))
    }
}

struct Fixed {
    builder: FixedSizeBinaryBuilder,
    size: usize,
}

impl Decoder for Fixed {
    fn push(&mut self, key: &mut &[u8]) -> Option<()> {
        self.builder.append_value(key.split_off(..self.size)?).ok()
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef> {
        Ok(Arc::new(self.builder.finish()))
    }
}

/// Takes a value of variable length.
fn take(key: &mut &[u8]) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    loop {
        let zero = key.iter().position(|byte| *byte == 0)?;
        value.extend_from_slice(&key[..zero]);
        let mark = *key.get(zero + 1)?;
        *key = &key[zero + 2..];
        match mark {
            0 => return Some(value),
            0xff => value.push(0),
            _ => return None,
        }
    }
}

struct Text<O: OffsetSizeTrait> {
    builder: GenericBinaryBuilder<O>,
    data_type: DataType,
    len: usize,
}

impl<O: OffsetSizeTrait> Text<O> {
    fn new(data_type: &DataType) -> Self {
        Self { builder: GenericBinaryBuilder::new(), data_type: data_type.clone(), len: 0 }
    }
}

impl<O: OffsetSizeTrait> Decoder for Text<O> {
    fn push(&mut self, key: &mut &[u8]) -> Option<()> {
        let value = take(key)?;
        self.len = self.len.checked_add(value.len()).filter(|len| O::from_usize(*len).is_some())?;
        self.builder.append_value(value);
        Some(())
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef> {
        let bytes = self.builder.finish();
        if matches!(self.data_type, DataType::Binary | DataType::LargeBinary) {
            return Ok(Arc::new(bytes));
        }
        let (offsets, values, nulls) = bytes.into_parts();
        let text = arrow_array::GenericStringArray::<O>::try_new(offsets, values, nulls)
            .map_err(|e| err!(Corruption, "an encoded key is not valid text: {e}"))?;
        Ok(Arc::new(text))
    }
}

struct Views {
    strings: Option<StringViewBuilder>,
    bytes: BinaryViewBuilder,
}

impl Decoder for Views {
    fn push(&mut self, key: &mut &[u8]) -> Option<()> {
        let value = take(key)?;
        match &mut self.strings {
            Some(strings) => strings.append_value(std::str::from_utf8(&value).ok()?),
            None => self.bytes.append_value(value),
        }
        Some(())
    }

    fn finish(mut self: Box<Self>) -> Result<ArrayRef> {
        Ok(match self.strings {
            Some(mut strings) => Arc::new(strings.finish()),
            None => Arc::new(self.bytes.finish()),
        })
    }
}
