//! Indexes over the rows of a MemTable.
//!
//! The [`primary`] key's index finds the newest version of a key; a table with a primary key has it. Secondary indexes are defined
//! by the user, and there may be several kinds: [`btree`] is the first. To add one, write its file here and name it in
//! [`IndexKind`] and [`IndexDefinition::resolve`]; nothing outside of this folder needs to know it.
//!
//! A secondary index works in two steps, because a batch must not be refused once it is in the log:
//!
//! 1. [`IndexType::prepare`] looks at a batch before it is accepted, on the caller's thread, and may refuse it;
//! 2. [`Index::feed`] takes what the first step made, when the batch is in the table. It cannot fail for what the batch contains.
//!
//! Feeding runs beside the log's append. It never makes rows visible: a reader asks with a count of visible rows, and an index
//! does not answer with rows beyond it. Indexes know neither newer versions nor deletions by other rows of the same key; whoever asks
//! drops what is superseded, *after* the index has answered (PITFALLS I2).

pub mod btree;
pub mod primary;

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::Schema;

use crate::error::{Result, bail};

/// The kinds of secondary indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexKind {
    /// Ordered: equality, ranges, order, nulls.
    BTree,
}

/// A secondary index that the user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexDefinition {
    /// Its name, unique within a table: letters, digits, `-` and `_`, at most 64.
    pub name: String,
    /// Its kind.
    pub kind: IndexKind,
    /// The column that it is over.
    pub column: String,
}

impl IndexDefinition {
    /// The definition applied to a schema.
    ///
    /// # Errors
    /// `InvalidArgument`: a name that is not valid, an unknown or ambiguous column, or a type that the kind cannot index.
    pub fn resolve(&self, schema: &Schema) -> Result<Arc<dyn IndexType>> {
        let name = &self.name;
        // Index names become part of file names.
        if name.is_empty() || name.len() > 64 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            bail!(InvalidArgument, "the index name {name:?} is not valid: 1 to 64 letters, digits, '-' and '_'");
        }
        let mut columns = schema.fields().iter().enumerate().filter(|(_, field)| *field.name() == self.column);
        let Some((column, field)) = columns.next() else {
            bail!(InvalidArgument, "index '{name}': the schema has no column '{}'", self.column);
        };
        if columns.next().is_some() {
            bail!(InvalidArgument, "index '{name}': several columns are called '{}'", self.column);
        }
        Ok(match self.kind {
            IndexKind::BTree => Arc::new(btree::BTreeType::new(name, column, field)?),
        })
    }
}

/// What an index makes of a batch before it is accepted, and takes when it is fed.
pub type IndexInput = Box<dyn Any + Send + Sync>;

/// A definition that was applied to a schema. All tables of one writer share it.
pub trait IndexType: Send + Sync + Debug {
    /// What the index needs of `batch`, whose rows marked in `tombstones` are deletions and are not to be found.
    ///
    /// # Errors
    /// `InvalidArgument`: the index cannot hold the batch.
    fn prepare(&self, batch: &RecordBatch, tombstones: Option<&BooleanArray>) -> Result<IndexInput>;

    /// An empty index, for one table.
    fn create(&self) -> Arc<dyn Index>;

    /// About how many bytes the index takes, at most, for what was prepared.
    fn estimate(&self, input: &IndexInput) -> usize;
}

/// The index of one table.
pub trait Index: Send + Sync + Debug {
    /// Takes in a batch whose first row is numbered `first`. Called once for each batch, in order, by one thread at a time.
    ///
    /// # Errors
    /// `Internal` if `input` is not this kind's.
    fn feed(&self, input: IndexInput, first: u32) -> Result<()>;

    /// The memory that it takes.
    fn memory_bytes(&self) -> usize;

    /// Itself, for who wants to ask it.
    fn as_any(&self) -> &dyn Any;
}
