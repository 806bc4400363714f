//! Keys of secondary indexes: like primary keys, but nulls are allowed, and come first.
//!
//! Each column of an entry is a byte, 0 for a null and else 1, and behind a 1 the value as a primary key has it. So entries compare
//! byte by byte as their columns do.

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{Field, Schema};

use crate::error::{Result, bail, err};
use crate::memtable::key::{KeyEncoder, KeySpec};

/// A secondary index: its name, and the columns that it sorts by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondarySpec {
    /// Its name, unique in the table.
    pub name: String,
    /// The columns' names, in order.
    pub columns: Vec<String>,
}

/// Encodes the entries of one secondary index.
#[derive(Debug)]
pub struct SecondaryEncoder {
    columns: Vec<(usize, KeyEncoder)>,
}

impl SecondaryEncoder {
    /// The encoder for the index `spec` of tables of `schema`.
    ///
    /// # Errors
    /// `InvalidArgument`: no columns, or one that is not there or has a type without an order.
    pub fn new(schema: &Schema, spec: &SecondarySpec) -> Result<Self> {
        if spec.columns.is_empty() {
            bail!(InvalidArgument, "the index '{}' has no columns", spec.name);
        }
        let columns = spec.columns.iter().map(|name| {
            let Ok(index) = schema.index_of(name) else { bail!(InvalidArgument, "index '{}': there is no column '{name}'", spec.name) };
            // By itself, so that another column of the same name does not matter.
            let alone = Schema::new(vec![Field::new(name, schema.field(index).data_type().clone(), true)]);
            let key =
                KeySpec::resolve(&alone, Some(std::slice::from_ref(name))).map_err(|e| e.context(format_args!("index '{}'", spec.name)))?;
            let key = key.ok_or_else(|| err!(Internal, "a column without a key"))?;
            Ok((index, KeyEncoder::new(key)))
        });
        Ok(Self { columns: columns.collect::<Result<_>>()? })
    }

    /// The entry of every row of `batch`, whose schema is the one that the encoder was made for.
    ///
    /// # Errors
    /// `SchemaMismatch`; `InvalidArgument` if the entries take 4 GiB or more.
    pub fn encode(&self, batch: &RecordBatch) -> Result<Vec<Vec<u8>>> {
        let mut entries = vec![Vec::new(); batch.num_rows()];
        for (index, encoder) in &self.columns {
            let Some(column) = batch.columns().get(*index) else { bail!(SchemaMismatch, "the batch has no column {index}") };
            append(&mut entries, encoder, column)?;
        }
        Ok(entries)
    }
}

fn append(entries: &mut [Vec<u8>], encoder: &KeyEncoder, column: &ArrayRef) -> Result<()> {
    let nulls = column.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let values = match &nulls {
        None => column.clone(),
        Some(nulls) => arrow_select::filter::filter(column, &BooleanArray::new(nulls.inner().clone(), None))
            .map_err(|e| err!(Internal, "nulls cannot be filtered: {e}"))?,
    };
    let keys = encoder.encode_arrays(&[values])?;
    let mut keys = keys.iter();
    for (row, entry) in entries.iter_mut().enumerate() {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            entry.push(0);
        } else if let Some(key) = keys.next() {
            entry.push(1);
            entry.extend_from_slice(key);
        }
    }
    Ok(())
}
