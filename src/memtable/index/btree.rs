//! An ordered index over one column: equality, ranges, order, nulls.
//!
//! A lock-free skip list of the encoded value (see [`crate::memtable::key`]: its order is the values' order, −0 is 0, every NaN is one
//! value above +∞) followed by the row's number, so that equal values come in the order in which they were put. Rows whose value is null
//! are in a list of their own.

use std::any::Any;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field};
use crossbeam_skiplist::SkipSet;

use super::{Index, IndexInput, IndexType};
use crate::error::{Result, bail, err};
use crate::memtable::chunks::Chunks;
use crate::memtable::key::Keys;
use crate::memtable::key::column::{self, Column};
use crate::memtable::key::{check_type, value_type};

/// What a row's number takes at the end of an entry.
const ROW: usize = size_of::<u32>();
/// What the skip list takes for an entry beside its bytes: the node with its tower, and the allocations' own rounding.
const NODE_BYTES: usize = 80;

/// Where rows with a null go, or whether they are wanted at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nulls {
    /// They are left out, as in a comparison.
    #[default]
    Exclude,
    /// Before all values.
    First,
    /// After all values.
    Last,
    /// Only they are wanted, whatever the bounds.
    Only,
}

/// What to look for: values between two bounds, in order. Each bound is an array of one value of the column's type, or of the type
/// of the values if the column is a dictionary or run-end encoded.
#[derive(Debug, Clone)]
pub struct BTreeQuery {
    /// Where values begin.
    pub lower: Bound<ArrayRef>,
    /// Where values end.
    pub upper: Bound<ArrayRef>,
    /// What becomes of nulls.
    pub nulls: Nulls,
    /// From the greatest value to the least, and of equal values the latest row first. Does not change where nulls go.
    pub descending: bool,
}

impl Default for BTreeQuery {
    /// All values, ascending, without nulls.
    fn default() -> Self {
        Self { lower: Bound::Unbounded, upper: Bound::Unbounded, nulls: Nulls::Exclude, descending: false }
    }
}

impl BTreeQuery {
    /// The rows whose value is the one in `value`.
    #[must_use]
    pub fn equals(value: ArrayRef) -> Self {
        Self { lower: Bound::Included(value.clone()), upper: Bound::Included(value), ..Self::default() }
    }
}

/// The definition of a [`BTreeIndex`] over a column of a schema.
#[derive(Debug)]
pub struct BTreeType {
    name: Arc<str>,
    column: usize,
    data_type: DataType,
}

/// What a batch gives to the index.
struct Input {
    keys: Keys,
    nulls: Option<NullBuffer>,
    tombstones: Option<BooleanArray>,
}

impl BTreeType {
    /// An index called `name` over the column number `column`, which is `field`.
    ///
    /// # Errors
    /// `InvalidArgument`: values of the column's type have no order.
    pub fn new(name: &str, column: usize, field: &Field) -> Result<Self> {
        let data_type = field.data_type().clone();
        check_type(&data_type)
            .map_err(|why| err!(InvalidArgument, "index '{name}': column '{}' of type {data_type} has no order: {why}", field.name()))?;
        Ok(Self { name: name.into(), column, data_type })
    }
}

impl IndexType for BTreeType {
    fn prepare(&self, batch: &RecordBatch, tombstones: Option<&BooleanArray>) -> Result<IndexInput> {
        let array = batch.column(self.column);
        let keys = column::encode(&[Column::new(array)?], array.len()).map_err(|e| e.context(format!("index '{}'", self.name)))?;
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        Ok(Box::new(Input { keys, nulls, tombstones: tombstones.filter(|t| t.has_true()).cloned() }))
    }

    fn create(&self) -> Arc<dyn Index> {
        Arc::new(BTreeIndex {
            name: Arc::clone(&self.name),
            data_type: self.data_type.clone(),
            values: SkipSet::new(),
            value_bytes: AtomicUsize::new(0),
            nulls: Chunks::default(),
            null_count: AtomicU32::new(0),
        })
    }

    fn estimate(&self, input: &IndexInput) -> usize {
        let Some(input) = input.downcast_ref::<Input>() else { return 0 };
        // While it waits to be fed, the input is there too.
        input.keys.memory_bytes() + input.keys.data_len() + input.keys.len() * (ROW + NODE_BYTES) + 2 * 256 * ROW
    }
}

/// See the module's documentation.
pub struct BTreeIndex {
    name: Arc<str>,
    data_type: DataType,
    values: SkipSet<Box<[u8]>>,
    value_bytes: AtomicUsize,
    /// The rows whose value is null, in order.
    nulls: Chunks<AtomicU32, 256>,
    null_count: AtomicU32,
}

impl std::fmt::Debug for BTreeIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BTreeIndex").field("name", &self.name).field("data_type", &self.data_type).finish_non_exhaustive()
    }
}

impl Index for BTreeIndex {
    fn feed(&self, input: IndexInput, first: u32) -> Result<()> {
        let Ok(input) = input.downcast::<Input>() else { bail!(Internal, "index '{}' was fed with what is not its own", self.name) };
        let Input { keys, nulls, tombstones } = *input;
        let mut bytes = 0;
        for (index, key) in keys.iter().enumerate() {
            let row = first + index as u32;
            if tombstones.as_ref().is_some_and(|tombstones| tombstones.value(index)) {
                continue;
            }
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(index)) {
                let count = self.null_count.load(Ordering::Relaxed);
                self.nulls.at(count as usize).store(row, Ordering::Relaxed);
                self.null_count.store(count + 1, Ordering::Release);
                continue;
            }
            let entry = entry(key, row);
            bytes += entry.len() + NODE_BYTES;
            self.values.insert(entry);
        }
        self.value_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        self.value_bytes.load(Ordering::Relaxed) + self.nulls.memory_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A value with the number of its row.
fn entry(value: &[u8], row: u32) -> Box<[u8]> {
    let mut entry = Vec::with_capacity(value.len() + ROW);
    entry.extend_from_slice(value);
    entry.extend_from_slice(&row.to_be_bytes());
    entry.into_boxed_slice()
}

fn row_of(entry: &[u8]) -> Option<u32> {
    entry.last_chunk().map(|row| u32::from_be_bytes(*row))
}

impl BTreeIndex {
    /// The rows that `query` asks for among the first `visible`, in its order. Rows that were superseded or deleted are among them.
    ///
    /// # Errors
    /// `InvalidArgument`: a bound that is not one value of the column's type.
    pub fn search(&self, query: &BTreeQuery, visible: u32) -> Result<Box<dyn Iterator<Item = u32> + '_>> {
        let lower = self.bound(&query.lower)?;
        let upper = self.bound(&query.upper)?;
        // No row has the greatest number: a bound beyond all rows of its value, and one before them.
        let lower = match lower {
            Bound::Included(value) => Bound::Included(entry(&value, 0)),
            Bound::Excluded(value) => Bound::Excluded(entry(&value, u32::MAX)),
            Bound::Unbounded => Bound::Unbounded,
        };
        let upper = match upper {
            Bound::Included(value) => Bound::Included(entry(&value, u32::MAX)),
            Bound::Excluded(value) => Bound::Excluded(entry(&value, 0)),
            Bound::Unbounded => Bound::Unbounded,
        };
        let values = self.values.range::<Box<[u8]>, _>((lower, upper));
        let values: Box<dyn Iterator<Item = u32> + '_> = match query.descending {
            false => Box::new(values.filter_map(|entry| row_of(&entry))),
            true => Box::new(values.rev().filter_map(|entry| row_of(&entry))),
        };
        let values = values.filter(move |row| *row < visible);
        let nulls = self.null_rows(visible, query.descending);
        Ok(match query.nulls {
            Nulls::Exclude => Box::new(values),
            Nulls::First => Box::new(nulls.chain(values)),
            Nulls::Last => Box::new(values.chain(nulls)),
            Nulls::Only => Box::new(nulls),
        })
    }

    fn null_rows(&self, visible: u32, descending: bool) -> impl Iterator<Item = u32> {
        let count = self.null_count.load(Ordering::Acquire);
        let row = move |index: u32| self.nulls.get(index as usize).map_or(u32::MAX, |row| row.load(Ordering::Relaxed));
        let rows = (0..count).map(move |index| row(if descending { count - 1 - index } else { index }));
        rows.filter(move |row| *row < visible)
    }

    fn bound(&self, bound: &Bound<ArrayRef>) -> Result<Bound<Box<[u8]>>> {
        let encode = |value: &ArrayRef| {
            let (name, got) = (&self.name, value.data_type());
            if got != &self.data_type && got != value_type(&self.data_type) {
                bail!(InvalidArgument, "index '{name}': a bound has the type {got}, the column {}", self.data_type);
            }
            if value.len() != 1 {
                bail!(InvalidArgument, "index '{name}': a bound has {} values, not 1", value.len());
            }
            if column::first_null(value).is_some() {
                bail!(InvalidArgument, "index '{name}': a bound is null; ask for nulls by the query's own option");
            }
            Ok(column::encode(&[Column::new(value)?], 1)?.key(0).into())
        };
        Ok(match bound {
            Bound::Included(value) => Bound::Included(encode(value)?),
            Bound::Excluded(value) => Bound::Excluded(encode(value)?),
            Bound::Unbounded => Bound::Unbounded,
        })
    }
}
