//! Batches before they are accepted: all that can be wrong with one is found here (PITFALLS A9, F6).

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::TableSpec;
use super::batch_store::{MAX_ROWS, NewBatch};
use super::key::Keys;
use super::memory::{Footprint, compact, compact_array};
use super::table;
use crate::error::{Error, Result, bail, err};

/// Whose buffers a batch has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buffers {
    /// Allocations that can be seen as they are: kept where they are well used, copied where the batch is a slice of more.
    Own,
    /// Memory of another library, which may be a slice of anything: always copied, since what it keeps alive cannot be known.
    Foreign,
}

/// Rows that can be taken into any table of their spec.
#[derive(Debug)]
pub struct Prepared {
    pub(super) new: NewBatch,
    /// The most that a table can grow by it.
    pub(super) cost: u64,
    /// The part of `cost` that is allocations, which other batches may share.
    pub(super) shareable: u64,
}

impl Prepared {
    /// The rows, in the stored schema: what goes to the log.
    #[must_use]
    pub fn batch(&self) -> &RecordBatch {
        &self.new.batch
    }

    /// The encoded primary keys, if there is a primary key.
    #[must_use]
    pub fn keys(&self) -> Option<&Keys> {
        self.new.keys.as_ref()
    }

    /// How many rows there are.
    #[must_use]
    pub fn num_rows(&self) -> usize {
        self.new.batch.num_rows()
    }

    /// The most memory that a table takes for it, with its share of the indexes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.cost
    }

    /// Whether some of the rows are deletions.
    #[must_use]
    pub fn has_tombstones(&self) -> bool {
        self.new.tombstones.is_some()
    }
}

impl TableSpec {
    /// Prepares rows of [`Self::schema`] to be put. Where the batch differs from it in the nullability and metadata of columns only, it
    /// is stored under the table's own.
    ///
    /// # Errors
    /// `SchemaMismatch`: other columns. `InvalidData`: no rows; a null in a key (details `row`, `column`), or in a column that allows none.
    /// `InvalidArgument`: more than fits into an empty table, or than an index can hold.
    pub fn put(&self, batch: &RecordBatch, buffers: Buffers) -> Result<Prepared> {
        let rows = batch.num_rows();
        self.check_rows(rows)?;
        check_columns(self.schema(), batch.schema_ref())?;
        self.check_nulls(batch, None)?;
        let own = (buffers == Buffers::Own).then(|| Footprint::of(std::slice::from_ref(batch)));
        let (mut columns, mut footprint) = match own.filter(|footprint| !footprint.is_wasteful()) {
            Some(footprint) => (batch.columns().to_vec(), footprint),
            None => {
                let copy = compact(batch)?;
                (copy.columns().to_vec(), Footprint::of(std::slice::from_ref(&copy)))
            }
        };
        if self.key().is_some() {
            columns.push(Arc::new(self.no_tombstones(rows, &mut footprint)));
        }
        self.checked(self.finish(rebuild(self.stored_schema(), columns, rows)?, footprint)?)
    }

    /// Prepares the deletion of the rows whose primary keys are in `keys`; other columns of it are ignored.
    ///
    /// # Errors
    /// `Unsupported`: there is no primary key. Else as [`Self::put`].
    pub fn delete(&self, keys: &RecordBatch) -> Result<Prepared> {
        let Some(encoder) = self.key() else {
            bail!(Unsupported, "the shard has no primary key, so nothing can be deleted by it");
        };
        let rows = keys.num_rows();
        self.check_rows(rows)?;
        // Finds missing columns, other types and nulls; the batch that is made below has its own keys encoded.
        encoder.encode(keys)?;
        let fields = self.schema().fields();
        let widths = fields.iter().enumerate().filter(|(index, _)| !encoder.spec().contains(*index));
        let nulls = widths.fold(0_u64, |sum, (_, field)| sum.saturating_add(null_bytes(field.data_type())));
        self.check_size(nulls.saturating_mul(rows as u64))?;
        let column = |(index, field): (usize, &Arc<Field>)| -> Result<ArrayRef> {
            if !encoder.spec().contains(index) {
                return Ok(new_null_array(field.data_type(), rows));
            }
            let column = keys.column_by_name(field.name());
            compact_array(column.ok_or_else(|| err!(Internal, "the key column '{}' was there and is not", field.name()))?)
        };
        let mut columns = fields.iter().enumerate().map(column).collect::<Result<Vec<_>>>()?;
        columns.push(Arc::new(BooleanArray::new(BooleanBuffer::new_set(rows), None)));
        let batch = rebuild(self.stored_schema(), columns, rows)?;
        let footprint = Footprint::of(std::slice::from_ref(&batch));
        self.checked(self.finish(batch, footprint)?)
    }

    /// Prepares batches of [`Self::stored_schema`] that were read together from the log. They may share one buffer: it is kept, and counts
    /// once, unless much of it is something else. What is in the log is not refused for its size: an empty table takes it all the same.
    ///
    /// # Errors
    /// As [`Self::put`], but for its size; also `InvalidData` for a null in the tombstone column.
    pub fn replay(&self, batches: &[RecordBatch]) -> Result<Vec<Prepared>> {
        let mut stored = Vec::with_capacity(batches.len());
        for batch in batches {
            check_count(batch.num_rows())?;
            check_columns(self.stored_schema(), batch.schema_ref())?;
            let tombstones = self.tombstones(batch);
            if tombstones.is_some_and(|tombstones| tombstones.null_count() > 0) {
                bail!(InvalidData, "the column '{}' has nulls", super::TOMBSTONE);
            }
            self.check_nulls(batch, tombstones)?;
            stored.push(rebuild(self.stored_schema(), batch.columns().to_vec(), batch.num_rows())?);
        }
        let mut together = Some(Footprint::of(&stored));
        if together.as_ref().is_some_and(Footprint::is_wasteful) {
            together = None;
            stored = stored.iter().map(compact).collect::<Result<_>>()?;
        }
        // Of one batch it is the same, and known.
        let mut known = together.filter(|_| stored.len() == 1);
        let finish = |batch: RecordBatch| {
            let footprint = known.take().unwrap_or_else(|| Footprint::of(std::slice::from_ref(&batch)));
            self.finish(batch, footprint)
        };
        stored.into_iter().map(finish).collect()
    }

    /// Encodes keys and what indexes need.
    fn finish(&self, batch: RecordBatch, footprint: Footprint) -> Result<Prepared> {
        let keys = self.key().map(|encoder| encoder.encode(&batch)).transpose()?;
        let tombstones = self.tombstones(&batch).filter(|tombstones| tombstones.has_true()).cloned();
        let mut overhead = footprint.overhead + keys.as_ref().map_or(0, Keys::memory_bytes);
        let mut indexes = 0;
        let mut inputs = Vec::with_capacity(self.indexes().len());
        for (_, index) in self.indexes() {
            let input = index.prepare(&batch, tombstones.as_ref())?;
            indexes += index.estimate(&input);
            inputs.push(input);
        }
        overhead += size_of_val::<[_]>(&inputs);
        let shareable = footprint.allocated() as u64;
        let cost = shareable + (overhead + indexes) as u64 + table::growth(self, batch.num_rows());
        let new = NewBatch { batch, keys, tombstones, inputs, allocations: footprint.allocations, overhead };
        Ok(Prepared { new, cost, shareable })
    }

    /// PITFALLS F6: what can never fit is refused here, and not after it was inserted.
    fn check_size(&self, bytes: u64) -> Result<()> {
        let max = self.limits().max_bytes - table::fixed_bytes(self);
        if bytes > max {
            return Err(too_large(format!("the batch takes {bytes} bytes in memory; a table has room for {max}"), bytes, max));
        }
        Ok(())
    }

    fn checked(&self, prepared: Prepared) -> Result<Prepared> {
        self.check_size(prepared.cost)?;
        Ok(prepared)
    }

    fn check_rows(&self, rows: usize) -> Result<()> {
        check_count(rows)?;
        let (rows, max) = (rows as u64, self.limits().max_rows);
        if rows > max {
            return Err(too_large(format!("the batch has {rows} rows; a table has room for {max}"), rows, max));
        }
        Ok(())
    }

    /// Refuses nulls in columns that allow none, but for those of deletions.
    fn check_nulls(&self, batch: &RecordBatch, tombstones: Option<&BooleanArray>) -> Result<()> {
        for (index, field) in self.schema().fields().iter().enumerate() {
            let column = batch.column(index);
            let is_key = self.key().is_some_and(|key| key.spec().contains(index));
            // The key's own nulls are refused when it is encoded.
            if field.is_nullable() || is_key || !column.is_nullable() {
                continue;
            }
            let Some(nulls) = column.logical_nulls() else { continue };
            let deleted = |row| tombstones.is_some_and(|tombstones| tombstones.value(row));
            if let Some(row) = (0..column.len()).find(|row| nulls.is_null(*row) && !deleted(*row)) {
                let name = field.name();
                return Err(err!(InvalidData, "row {row}: column '{name}' is null, and the schema allows no nulls in it")
                    .with_u64("row", row as u64)
                    .with_str("column", name));
            }
        }
        Ok(())
    }

    /// The tombstone column of a batch of the stored schema, if there is a primary key.
    fn tombstones<'b>(&self, batch: &'b RecordBatch) -> Option<&'b BooleanArray> {
        self.key()?;
        batch.columns().last()?.as_boolean_opt()
    }
}

/// Refuses what no table could number.
fn check_count(rows: usize) -> Result<()> {
    match rows as u64 {
        0 => bail!(InvalidData, "the batch has no rows"),
        1..=MAX_ROWS => Ok(()),
        rows => Err(too_large(format!("the batch has {rows} rows; a table has room for {MAX_ROWS}"), rows, MAX_ROWS)),
    }
}

fn too_large(message: String, requested: u64, max: u64) -> Error {
    err!(InvalidArgument, "{message}; put less at once or raise the limit").with_u64("requested", requested).with_u64("max", max)
}

/// Refuses columns of other names or types.
fn check_columns(want: &Schema, got: &Schema) -> Result<()> {
    if want.fields().len() != got.fields().len() {
        bail!(SchemaMismatch, "the batch has {} columns, the table {}", got.fields().len(), want.fields().len());
    }
    for (index, (want, got)) in want.fields().iter().zip(got.fields()).enumerate() {
        if Arc::ptr_eq(want, got) {
            continue;
        }
        if want.name() != got.name() {
            bail!(SchemaMismatch, "column {index} is called '{}' in the batch and '{}' in the table", got.name(), want.name());
        }
        if want.data_type() != got.data_type() {
            let (name, got, want) = (want.name(), got.data_type(), want.data_type());
            bail!(SchemaMismatch, "column '{name}' has the type {got} in the batch and {want} in the table");
        }
    }
    Ok(())
}

fn rebuild(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(|e| err!(InvalidData, "the batch is not valid: {e}"))
}

/// The bytes of a null of a type, at least: values of fixed-size types take their room even so.
fn null_bytes(data_type: &DataType) -> u64 {
    match data_type {
        DataType::FixedSizeBinary(size) => u64::try_from(*size).unwrap_or(0),
        DataType::FixedSizeList(field, size) => null_bytes(field.data_type()).saturating_mul(u64::try_from(*size).unwrap_or(0)),
        DataType::Struct(fields) => fields.iter().fold(0, |sum, field| sum.saturating_add(null_bytes(field.data_type()))),
        DataType::Union(fields, _) => fields.iter().fold(1, |sum, (_, field)| sum.saturating_add(null_bytes(field.data_type()))),
        DataType::Boolean | DataType::Null | DataType::RunEndEncoded(_, _) => 0,
        other => other.primitive_width().unwrap_or(4) as u64,
    }
}
