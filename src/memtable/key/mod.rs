//! Primary keys: which columns they are, and their encoding as bytes that compare as the keys do.
//!
//! The encoding is weir's own, because it is stored in the key indexes of generations. It is
//!
//! * **order-preserving**: comparing two keys byte by byte gives the order of their columns, first column first;
//! * **prefix-free**: no key is the beginning of another, so that ("a", "bc") and ("ab", "c") differ, and keys may be compared
//!   without their lengths (PITFALLS I7);
//! * **canonical**: two keys are equal if, and only if, their bytes are.
//!
//! | type | bytes |
//! | --- | --- |
//! | boolean | 0 or 1 |
//! | unsigned integers | big endian |
//! | signed integers, decimals, dates, times, timestamps, durations, intervals of months | big endian, the sign bit inverted |
//! | floats | as IEEE 754 orders them: negative ones inverted, the sign bit of the others set; −0 is 0, every NaN is one value above +∞ |
//! | fixed-size binary | as it is |
//! | strings and binary, in every layout | 00 as 00 FF, closed by 00 00 |
//!
//! Dictionary and run-end encoded columns are encoded as the values they stand for. Nulls are refused (PITFALLS I6), as are the types
//! of which no order makes sense: nested ones, null, and intervals in which days or nanoseconds count apart from months.
//!
//! Keys are hashed with XXH3 (64 bits, seed 0), which is the same on every machine and in every version.

pub(super) mod column;
mod decode;
mod keys;
mod spec;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;

pub(crate) use column::flatten;
pub use keys::{Keys, hash_key};
pub use spec::{KeyColumn, KeySpec, PRIMARY_KEY, PRIMARY_KEY_POSITION};
pub(crate) use spec::{check_type, value_type};

use crate::error::{Result, bail, err};
use column::Column;

/// The encoding of the one value in `value`, which is not null.
///
/// # Errors
/// `InvalidArgument`: a type whose values have no order, or another number of values than one.
pub(crate) fn encode_value(value: &ArrayRef) -> Result<Vec<u8>> {
    if value.len() != 1 {
        bail!(InvalidArgument, "{} values where one is wanted", value.len());
    }
    Ok(column::encode(&[Column::new(value)?], 1)?.key(0).to_vec())
}

/// Encodes and decodes the keys of one [`KeySpec`].
#[derive(Debug, Clone)]
pub struct KeyEncoder {
    spec: KeySpec,
}

impl KeyEncoder {
    /// The encoder of `spec`.
    #[must_use]
    pub fn new(spec: KeySpec) -> Self {
        Self { spec }
    }

    /// What it encodes.
    #[must_use]
    pub fn spec(&self) -> &KeySpec {
        &self.spec
    }

    /// The key of every row of `batch`. The key columns are found by name, so that a batch of the keys alone will do.
    ///
    /// # Errors
    /// `SchemaMismatch`: a key column is missing or has another type. `InvalidData`: a null, with the details `row` and `column`.
    /// `InvalidArgument`: the keys of the batch take 4 GiB or more.
    pub fn encode(&self, batch: &RecordBatch) -> Result<Keys> {
        let columns = self.spec.columns().iter().map(|column| self.find(batch, column)).collect::<Result<Vec<_>>>()?;
        self.encode_arrays(&columns)
    }

    fn find(&self, batch: &RecordBatch, column: &KeyColumn) -> Result<ArrayRef> {
        let fields = batch.schema_ref().fields();
        let index = match fields.get(column.index()) {
            Some(field) if field.name() == column.name() => column.index(),
            _ => match fields.iter().position(|field| field.name() == column.name()) {
                Some(index) => index,
                None => bail!(SchemaMismatch, "the batch has no column '{}', which is part of the primary key", column.name()),
            },
        };
        Ok(batch.column(index).clone())
    }

    /// The key of every row of `columns`, which are the key's columns in the key's order.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_arrays(&self, columns: &[ArrayRef]) -> Result<Keys> {
        let wanted = self.spec.columns();
        if columns.len() != wanted.len() {
            bail!(SchemaMismatch, "the primary key has {} columns, not {}", wanted.len(), columns.len());
        }
        let rows = columns[0].len();
        let mut parts = Vec::with_capacity(columns.len());
        for (column, array) in wanted.iter().zip(columns) {
            let (name, got) = (column.name(), array.data_type());
            if got != column.data_type() {
                bail!(SchemaMismatch, "key column '{name}' has the type {got}; the primary key's is {}", column.data_type());
            }
            if array.len() != rows {
                bail!(InvalidData, "key column '{name}' has {} rows and another {rows}", array.len());
            }
            if let Some(row) = column::first_null(array) {
                return Err(err!(InvalidData, "row {row}: the key column '{name}' is null; a primary key has no nulls")
                    .with_u64("row", row as u64)
                    .with_str("column", name));
            }
            parts.push(Column::new(array)?);
        }
        column::encode(&parts, rows)
    }

    /// About how many bytes the keys of `batch` will take, if encoding them cannot fail; `None` if it may, or if that cannot be told
    /// without looking at every value.
    pub(super) fn bytes_later(&self, batch: &RecordBatch) -> Option<usize> {
        let mut bytes = 0_usize;
        for column in self.spec.columns() {
            let array = self.find(batch, column).ok().filter(|array| array.data_type() == column.data_type())?;
            bytes = bytes.checked_add(column::most_bytes(&array).filter(|_| column::first_null(&array).is_none())?)?;
        }
        // Where a key ends is a number of 32 bits.
        u32::try_from(bytes).is_ok().then_some(bytes + batch.num_rows() * size_of::<u32>())
    }

    /// The columns of `keys`, in the key's order: the inverse of [`Self::encode_arrays`], except that encoded columns come back as
    /// the type of their values, and −0 and NaN as 0 and the one NaN. The schema is [`KeySpec::key_schema`].
    ///
    /// # Errors
    /// `Corruption`: bytes that [`Self::encode`] does not make.
    pub fn decode<'k>(&self, keys: impl IntoIterator<Item = &'k [u8]>) -> Result<RecordBatch> {
        decode::decode(self.key_schema(), keys)
    }

    /// The schema of decoded keys.
    #[must_use]
    pub fn key_schema(&self) -> SchemaRef {
        self.spec.key_schema()
    }
}
