//! Which columns a read gives.

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};

use crate::error::{Result, bail, err};
use crate::memtable::TableSpec;

/// The columns that a read gives, without those that it makes itself.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub schema: SchemaRef,
    /// Their numbers in the schema, and so in the stored schema.
    pub columns: Vec<usize>,
}

impl Output {
    /// The columns `names` of `spec`, or all. With `deletions` among the rows, columns outside of the key may be null.
    ///
    /// # Errors
    /// `InvalidArgument`: a column that is not there, is ambiguous, or named twice.
    pub fn new(spec: &TableSpec, names: Option<&[String]>, deletions: bool) -> Result<Self> {
        let schema = spec.schema();
        let columns = match names {
            None => (0..schema.fields().len()).collect(),
            Some(names) => {
                let mut columns = Vec::with_capacity(names.len());
                for name in names {
                    let column = find(schema, name)?;
                    if columns.contains(&column) {
                        bail!(InvalidArgument, "the column '{name}' is wanted twice");
                    }
                    columns.push(column);
                }
                columns
            }
        };
        if names.is_none() && !deletions {
            return Ok(Self { schema: Arc::clone(schema), columns });
        }
        let source = if deletions { spec.stored_schema() } else { schema };
        let schema = source.project(&columns).map_err(|e| err!(Internal, "the projection: {e}"))?;
        Ok(Self { schema: Arc::new(schema), columns })
    }
}

/// The column called `name`.
///
/// # Errors
/// `InvalidArgument`: there is none, or there are several.
pub(super) fn find(schema: &Schema, name: &str) -> Result<usize> {
    let mut found = schema.fields().iter().enumerate().filter(|(_, field)| field.name() == name);
    match (found.next(), found.next()) {
        (Some((index, _)), None) => Ok(index),
        (Some(_), Some(_)) => bail!(InvalidArgument, "several columns are called '{name}'"),
        (None, _) => bail!(InvalidArgument, "there is no column '{name}'"),
    }
}
