//! What all MemTables of a writer have in common.

use std::sync::Arc;

use arrow_array::{Array, BooleanArray};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::batch_store::MAX_ROWS;
use super::index::{IndexDefinition, IndexType};
use super::key::{KeyEncoder, KeySpec};
use super::memory::Footprint;
use super::table;
use crate::error::{Result, bail};

/// The column that marks deletions: boolean, not null, last. Tables with a primary key have it.
pub const TOMBSTONE: &str = "_tombstone";
/// Names that reads give to columns of their own.
const RESERVED: [&str; 3] = [TOMBSTONE, "_position", "_generation"];
/// Room for rows that any table must have beside what an empty one takes.
const LEAST_ROOM: u64 = 64 * 1024;
/// Batches up to this share one column that says that none of their rows is a deletion.
pub(super) const SHARED_ROWS: usize = 64 * 1024;

/// When a table is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The memory that it may take, with its indexes.
    pub max_bytes: u64,
    /// The rows that it may have, at most [`MAX_ROWS`].
    pub max_rows: u64,
    /// The batches that it may have.
    pub max_batches: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 256 << 20, max_rows: 4_000_000, max_batches: 262_144 }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub struct TableSpec {
    schema: SchemaRef,
    stored: SchemaRef,
    key: Option<KeyEncoder>,
    indexes: Vec<(IndexDefinition, Arc<dyn IndexType>)>,
    limits: Limits,
    no_tombstones: BooleanBuffer,
}

impl TableSpec {
    /// Tables of rows of `schema`, whose primary key is the columns `key`, or what the schema's metadata marks, or none.
    ///
    /// # Errors
    /// `InvalidArgument`: a key, index or limit that makes no sense, or a column of a name that is reserved. Nothing is written or claimed
    /// before this is known.
    pub fn new(schema: &Schema, key: Option<&[String]>, indexes: &[IndexDefinition], limits: Limits) -> Result<Arc<Self>> {
        for name in RESERVED {
            if schema.fields().iter().any(|field| field.name() == name) {
                bail!(InvalidArgument, "the column name '{name}' is reserved");
            }
        }
        let key = KeySpec::resolve(schema, key)?;
        let mut resolved = Vec::with_capacity(indexes.len());
        for definition in indexes {
            if resolved.iter().any(|(other, _): &(IndexDefinition, _)| other.name == definition.name) {
                bail!(InvalidArgument, "two indexes are called '{}'", definition.name);
            }
            resolved.push((definition.clone(), definition.resolve(schema)?));
        }
        let spec = Self {
            stored: stored_schema(schema, key.as_ref()),
            schema: Arc::new(schema.clone()),
            key: key.map(KeyEncoder::new),
            indexes: resolved,
            limits,
            no_tombstones: BooleanBuffer::new_unset(SHARED_ROWS),
        };
        spec.check_limits()?;
        Ok(Arc::new(spec))
    }

    fn check_limits(&self) -> Result<()> {
        let Limits { max_bytes, max_rows, max_batches } = self.limits;
        if max_rows == 0 || max_rows > MAX_ROWS {
            bail!(InvalidArgument, "max_memtable_rows is {max_rows}: it must be in 1..={MAX_ROWS}");
        }
        if max_batches == 0 || max_batches > u64::from(u32::MAX) {
            bail!(InvalidArgument, "max_memtable_batches is {max_batches}: it must be in 1..={}", u32::MAX);
        }
        let least = table::fixed_bytes(self) + LEAST_ROOM;
        if max_bytes < least {
            bail!(InvalidArgument, "max_memtable_bytes is {max_bytes}: at least {least} are needed");
        }
        Ok(())
    }

    /// The schema of what is put and read.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The schema of what is logged and stored. With a primary key: other columns are nullable, since they are null in a deletion, and
    /// the column [`TOMBSTONE`] is behind them. Without one: the same as [`Self::schema`].
    #[must_use]
    pub fn stored_schema(&self) -> &SchemaRef {
        &self.stored
    }

    /// The primary key, if there is one.
    #[must_use]
    pub fn key(&self) -> Option<&KeyEncoder> {
        self.key.as_ref()
    }

    /// The secondary indexes, in the order of their definition.
    #[must_use]
    pub fn indexes(&self) -> &[(IndexDefinition, Arc<dyn IndexType>)] {
        &self.indexes
    }

    /// The memory that a table takes before it has rows.
    #[must_use]
    pub fn empty_bytes(&self) -> u64 {
        table::fixed_bytes(self)
    }

    /// When a table is full.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The tombstone column of `rows` rows that are not deletions, added to `footprint`.
    pub(super) fn no_tombstones(&self, rows: usize, footprint: &mut Footprint) -> BooleanArray {
        if rows <= SHARED_ROWS {
            footprint.add_shared_array();
            return BooleanArray::new(self.no_tombstones.slice(0, rows), None);
        }
        let own = BooleanArray::new(BooleanBuffer::new_unset(rows), None);
        footprint.add(&own.to_data());
        own
    }
}

fn stored_schema(schema: &Schema, key: Option<&KeySpec>) -> SchemaRef {
    let Some(key) = key else {
        return Arc::new(schema.clone());
    };
    let column = |(index, field): (usize, &Arc<Field>)| match key.contains(index) {
        true => Arc::clone(field),
        false => Arc::new(field.as_ref().clone().with_nullable(true)),
    };
    let mut fields: Vec<_> = schema.fields().iter().enumerate().map(column).collect();
    fields.push(Arc::new(Field::new(TOMBSTONE, DataType::Boolean, false)));
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}
