//! Rows of an older schema, read as rows of today's (PITFALLS C7).
//!
//! A shard outlives the schema of its rows: between two opens a caller may add a column, drop one or rename one, while the log and the
//! generations keep what was written. An [`Evolution`] is decided once for a pair of schemas, before any row is read, and says what
//! each column of the table's stored schema is made of:
//!
//! * the source's column of the same field id (field metadata [`FIELD_ID`], as Lance writes it) where both have one, so that a renamed
//!   column keeps its rows; else the one of the same name;
//! * nulls, for a column that is new and may be null;
//! * "no row is a deletion", for the tombstone column where the source has none: rows of a writer that had no primary key.
//!
//! Columns that the table no longer has are dropped. Nothing is converted and no buffer is copied: what differs in a type may only be
//! names, nullability and metadata inside of it. All else is `SchemaMismatch`, which names the column, what it was and what it is
//! now: another type; a new column that must not be null; another primary key; deletions in a table without a key.
//!
//! A column that may hold nulls in the source and must not in the table is no mismatch by itself, since what is stored is nullable where
//! there are deletions: rows that do have a null there are refused when they are read ([`TableSpec::replay`](super::TableSpec::replay)).
//!
//! What a log says of its primary key is the mark in the fields' metadata. Where options named the key instead, only a generation
//! knows what it was ([`Evolution::plan_generation`]); in an entry the key's columns just have to be there.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, make_array, new_null_array};
use arrow_buffer::BooleanBuffer;
use arrow_data::ArrayData;
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};

use super::key::KeySpec;
use super::{TOMBSTONE, TableSpec};
use crate::error::{Result, bail, err};
use crate::wal::entry::same_type;

/// The field metadata that names a column for good, whatever it is called.
pub const FIELD_ID: &str = "lance:field_id";

/// How batches of a source's schema become batches of a table's stored schema. See the module's documentation.
#[derive(Debug, Clone)]
pub struct Evolution {
    stored: SchemaRef,
    /// The number of the source's columns.
    width: usize,
    columns: Vec<Option<usize>>,
    /// Columns whose type differs in what is inside of it.
    retyped: Vec<bool>,
    identity: bool,
}

impl Evolution {
    /// How rows that were logged or stored under `from`, with the tombstone column or without, are read in tables of `to`.
    ///
    /// # Errors
    /// `SchemaMismatch`, as the module's documentation says.
    pub fn plan(from: &Schema, to: &TableSpec) -> Result<Self> {
        let evolution = Self::match_columns(from, to)?;
        // Where options name another key than the schema marks, the mark never was the key.
        if let (Ok(Some(was)), Ok(Some(marked)), Some(key)) = (KeySpec::resolve(from, None), KeySpec::resolve(to.schema(), None), to.key())
            && marked == *key.spec()
        {
            evolution.check_key(&was, key.spec())?;
        }
        Ok(evolution)
    }

    /// How a generation that was stored under `from` with the primary key `key` is read in tables of `to`.
    ///
    /// # Errors
    /// As [`Self::plan`]; also if its primary key is not the table's, or one of the two has none.
    pub fn plan_generation(from: &Schema, key: Option<&KeySpec>, to: &TableSpec) -> Result<Self> {
        let evolution = Self::match_columns(from, to)?;
        match (key, to.key()) {
            (None, None) => {}
            (Some(was), Some(key)) => evolution.check_key(was, key.spec())?,
            (None, Some(key)) => bail!(
                SchemaMismatch,
                "the shard has generations without a primary key, and the table has the key {}: what of them a newer row replaces cannot be known",
                key_names(key.spec())
            ),
            (Some(was), None) => {
                bail!(SchemaMismatch, "the shard has generations with the primary key {}, and the table has none", key_names(was))
            }
        }
        Ok(evolution)
    }

    fn match_columns(from: &Schema, to: &TableSpec) -> Result<Self> {
        let stored = to.stored_schema();
        let matched = Matched::new(from, stored)?;
        if to.key().is_none() && from.fields().iter().any(|field| field.name() == TOMBSTONE) {
            bail!(
                SchemaMismatch,
                "the column '{TOMBSTONE}' is in what was stored and not in the table: rows were put and deleted by a primary key, \
                 and the table has none"
            );
        }
        let mut retyped = Vec::with_capacity(matched.columns.len());
        for (index, source) in matched.columns.iter().enumerate() {
            let want = stored.field(index);
            let Some(source) = source else {
                check_new(index, to)?;
                retyped.push(false);
                continue;
            };
            let got = from.field(*source);
            if !same_type(want.data_type(), got.data_type()) {
                return Err(mismatch(want, Some(got), format!("has the type {} in the table", want.data_type())));
            }
            retyped.push(want.data_type() != got.data_type());
        }
        let in_place = matched.columns.iter().enumerate().all(|(index, source)| *source == Some(index));
        let identity = in_place && from.fields().len() == matched.columns.len() && !retyped.contains(&true);
        Ok(Self { stored: Arc::clone(stored), width: from.fields().len(), columns: matched.columns, retyped, identity })
    }

    /// Refuses another key, or the same columns in another order.
    fn check_key(&self, was: &KeySpec, key: &KeySpec) -> Result<()> {
        let sources = key.columns().iter().map(|column| self.columns.get(column.index()).copied().flatten());
        if sources.eq(was.columns().iter().map(|column| Some(column.index()))) {
            return Ok(());
        }
        bail!(SchemaMismatch, "the primary key was {} in what is stored, and is {} in the table", key_names(was), key_names(key))
    }

    /// Whether batches are passed on as they are.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.identity
    }

    /// What each column of the stored schema is made of: a column of the source, or, if none, nulls or "no deletion".
    #[must_use]
    pub fn columns(&self) -> &[Option<usize>] {
        &self.columns
    }

    /// The columns of the source that are needed for `columns` of the stored schema, sorted and each once.
    #[must_use]
    pub fn sources(&self, columns: &[usize]) -> Vec<usize> {
        let mut sources: Vec<usize> = columns.iter().filter_map(|column| self.columns.get(*column).copied().flatten()).collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    /// The rows of `batch`, which has the source's schema, in the stored schema.
    ///
    /// # Errors
    /// `SchemaMismatch` if the batch is not of the source's schema; `InvalidData` if it has nulls where the stored schema has none.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.num_columns() != self.width {
            bail!(SchemaMismatch, "the batch has {} columns, the schema that it was planned for {}", batch.num_columns(), self.width);
        }
        if self.identity {
            return rebuild(&self.stored, batch.columns().to_vec(), batch.num_rows());
        }
        let columns = (0..self.columns.len()).map(|index| {
            let source = self.columns[index].map(|source| batch.column(source));
            self.column(index, source, batch.num_rows())
        });
        rebuild(&self.stored, columns.collect::<Result<_>>()?, batch.num_rows())
    }

    /// The rows of `batch`, which has exactly the columns [`Self::sources`] of `columns`, with the columns `columns` of the stored schema.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn apply_projected(&self, batch: &RecordBatch, columns: &[usize]) -> Result<RecordBatch> {
        let sources = self.sources(columns);
        if batch.num_columns() != sources.len() {
            bail!(SchemaMismatch, "the batch has {} columns, the projection that it was read for {}", batch.num_columns(), sources.len());
        }
        let schema = self.stored.project(columns).map_err(|e| err!(InvalidArgument, "the projection is not valid: {e}"))?;
        let arrays = columns.iter().map(|index| {
            let source = self.columns[*index].and_then(|source| sources.binary_search(&source).ok());
            self.column(*index, source.map(|source| batch.column(source)), batch.num_rows())
        });
        rebuild(&Arc::new(schema), arrays.collect::<Result<_>>()?, batch.num_rows())
    }

    fn column(&self, index: usize, source: Option<&ArrayRef>, rows: usize) -> Result<ArrayRef> {
        let field = self.stored.field(index);
        match source {
            Some(source) if self.retyped[index] => retype(source, field),
            Some(source) => Ok(Arc::clone(source)),
            // The only column that is never null and may be missing.
            None if field.name() == TOMBSTONE => Ok(Arc::new(BooleanArray::new(BooleanBuffer::new_unset(rows), None))),
            None => Ok(new_null_array(field.data_type(), rows)),
        }
    }
}

/// Which column of the source stands for which of the stored schema.
struct Matched {
    columns: Vec<Option<usize>>,
}

impl Matched {
    fn new(from: &Schema, stored: &Schema) -> Result<Self> {
        check_ids(from, "what was stored")?;
        check_ids(stored, "the table")?;
        let mut used = vec![false; from.fields().len()];
        let mut columns = vec![None; stored.fields().len()];
        // By id first: what another column of the table is made of by its id, is not to be had by a name.
        for (index, want) in stored.fields().iter().enumerate() {
            let Some(id) = field_id(want) else { continue };
            columns[index] = from.fields().iter().position(|got| field_id(got) == Some(id));
            if let Some(source) = columns[index] {
                used[source] = true;
            }
        }
        for (index, want) in stored.fields().iter().enumerate() {
            if columns[index].is_some() {
                continue;
            }
            let by_name = |(source, got): &(usize, &FieldRef)| {
                !used[*source] && got.name() == want.name() && (field_id(want).is_none() || field_id(got).is_none())
            };
            // Of several columns of one name, the first stands for the first.
            columns[index] = from.fields().iter().enumerate().find(by_name).map(|(source, _)| source);
            if let Some(source) = columns[index] {
                used[source] = true;
            }
        }
        check_repeated(from, stored)?;
        Ok(Self { columns })
    }
}

fn field_id(field: &Field) -> Option<&str> {
    field.metadata().get(FIELD_ID).map(String::as_str)
}

fn check_ids(schema: &Schema, what: &str) -> Result<()> {
    let mut seen = HashSet::new();
    for field in schema.fields() {
        if let Some(id) = field_id(field)
            && !seen.insert(id)
        {
            bail!(SchemaMismatch, "two columns of {what} have the field id {id}, one of them '{}'", field.name());
        }
    }
    Ok(())
}

/// Columns that share a name are told apart by their order, so that must be the same in both.
fn check_repeated(from: &Schema, stored: &Schema) -> Result<()> {
    let count =
        |schema: &Schema, name: &str| schema.fields().iter().filter(|field| field.name() == name && field_id(field).is_none()).count();
    for field in stored.fields() {
        let (was, is) = (count(from, field.name()), count(stored, field.name()));
        if was != is && was.max(is) > 1 && was.min(is) > 0 {
            bail!(
                SchemaMismatch,
                "there were {was} columns called '{}' and there are {is} now: which of them stayed cannot be known",
                field.name()
            );
        }
    }
    Ok(())
}

/// Whether the column `index` of the stored schema can be made without a source.
fn check_new(index: usize, to: &TableSpec) -> Result<()> {
    let Some(field) = to.schema().fields().get(index) else {
        // The tombstone column.
        return Ok(());
    };
    if to.key().is_some_and(|key| key.spec().contains(index)) {
        return Err(mismatch(field, None, format!("is part of the primary key, with the type {}", field.data_type())));
    }
    if !field.is_nullable() {
        return Err(mismatch(field, None, format!("must not be null in the table, with the type {}", field.data_type())));
    }
    Ok(())
}

fn mismatch(want: &Field, got: Option<&Field>, is: String) -> crate::error::Error {
    let was = match got {
        Some(got) if got.name() == want.name() => format!("the type {} in what was stored", got.data_type()),
        Some(got) => format!("the type {} in what was stored, where it is called '{}'", got.data_type(), got.name()),
        None => "is not in what was stored".into(),
    };
    let was = if got.is_some() { format!("had {was}") } else { was };
    err!(SchemaMismatch, "column '{}' {was}, and {is}", want.name()).with_str("column", want.name())
}

fn key_names(key: &KeySpec) -> String {
    let names: Vec<&str> = key.columns().iter().map(super::key::KeyColumn::name).collect();
    format!("({})", names.join(", "))
}

fn rebuild(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    for (field, column) in schema.fields().iter().zip(&columns) {
        if field.is_nullable() || !column.is_nullable() {
            continue;
        }
        if let Some(nulls) = column.logical_nulls()
            && let Some(row) = (0..column.len()).find(|row| nulls.is_null(*row))
        {
            let name = field.name();
            return Err(err!(InvalidData, "row {row}: column '{name}' is null, and the table's schema allows no nulls in it")
                .with_u64("row", row as u64)
                .with_str("column", name));
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|e| err!(InvalidData, "rows of an older schema do not fit the table's: {e}"))
}

/// The same values under the field's type, which differs in names, nullability and metadata inside of it.
fn retype(array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    let data = retype_data(array.to_data(), field.data_type())
        .map_err(|e| err!(InvalidData, "column '{}': the values do not fit the table's type: {e}", field.name()))?;
    Ok(make_array(data))
}

fn retype_data(data: ArrayData, to: &DataType) -> Result<ArrayData, arrow_schema::ArrowError> {
    if data.data_type() == to {
        return Ok(data);
    }
    let types = child_types(to);
    let children = data.child_data().iter().cloned().zip(types).map(|(child, to)| retype_data(child, to));
    let children = children.collect::<Result<Vec<_>, _>>()?;
    // Validates: nulls where the type has none now are found here.
    data.into_builder().data_type(to.clone()).child_data(children).build()
}

fn child_types(data_type: &DataType) -> Vec<&DataType> {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => vec![field.data_type()],
        DataType::Struct(fields) => fields.iter().map(|field| field.data_type()).collect(),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| field.data_type()).collect(),
        DataType::Dictionary(_, values) => vec![values],
        DataType::RunEndEncoded(ends, values) => vec![ends.data_type(), values.data_type()],
        _ => Vec::new(),
    }
}
