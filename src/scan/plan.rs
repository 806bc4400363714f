//! What a scan is asked for, and what of it can be found without looking at every row.

use std::ops::Bound;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::filter::{CompareOp, Comparison, Filter};
use super::output::Output;
use crate::error::Result;
use crate::generation::KeyRange;
use crate::memtable::index::IndexKind;
use crate::memtable::index::btree::{BTreeQuery, Nulls};
use crate::memtable::key::encode_value;
use crate::memtable::{TOMBSTONE, TableSpec};

/// The column of [`ScanRequest::with_position`].
pub const POSITION: &str = "_position";
/// The column of [`ScanRequest::with_generation`].
pub const GENERATION: &str = "_generation";
/// The rows of a batch where none were asked for.
pub const DEFAULT_BATCH_ROWS: usize = 8192;

/// Whether comparisons are used to find rows, and not only to choose among them. What is found is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pushdown {
    /// Where that looks cheaper.
    #[default]
    Auto,
    /// Never: every row is looked at.
    Never,
    /// Wherever it can be done.
    Always,
}

/// What a scan gives.
#[derive(Debug, Clone, Default)]
pub struct ScanRequest {
    /// The columns, in this order; `None`: all.
    pub columns: Option<Vec<String>>,
    /// What must hold for a row, all of it. A deletion is compared as what it is: its key, and nulls.
    pub filter: Vec<Comparison>,
    /// The most rows that are given.
    pub limit: Option<u64>,
    /// Whether the column [`POSITION`] is wanted: the row's number in its generation or table, from 0.
    pub with_position: bool,
    /// Whether the column [`GENERATION`] is wanted: the generation that has the row, or that its table will be. Together with the
    /// position it names a version of a row until generations are compacted.
    pub with_generation: bool,
    /// Whether keys whose newest version is a deletion are given too. They are told apart by the column `_tombstone`, which is then behind
    /// the others, and all columns outside of the key may be null.
    pub tombstones: bool,
    /// The rows that a batch has at most; smaller ones are joined to about this. 0: [`DEFAULT_BATCH_ROWS`].
    pub batch_rows: usize,
    /// Whether comparisons are used to find rows.
    pub pushdown: Pushdown,
}

/// Values of an indexed column that a filter allows, at most.
#[derive(Debug, Clone)]
pub(super) struct Search {
    /// The index's name in tables.
    pub name: String,
    /// The column in the schema.
    pub column: usize,
    /// What tables are asked.
    pub query: BTreeQuery,
    /// The same as a range of a generation's entries.
    pub entries: KeyRange,
}

/// A scan's request, checked against the schema.
#[derive(Debug)]
pub(super) struct Plan {
    pub spec: Arc<TableSpec>,
    pub output: Output,
    /// The output's columns, and behind them those that the scan makes.
    pub schema: SchemaRef,
    pub filter: Filter,
    pub tombstones: bool,
    pub with_position: bool,
    pub with_generation: bool,
    pub limit: Option<u64>,
    pub batch_rows: usize,
    pub pushdown: Pushdown,
    /// The columns of the stored schema that are read, ascending.
    pub columns: Vec<usize>,
    /// These and the key's, ascending.
    pub columns_and_key: Vec<usize>,
    /// The only key that can be found.
    pub point: Option<Vec<u8>>,
    /// Outside of which no key can be found.
    pub range: Option<KeyRange>,
    pub searches: Vec<Search>,
}

impl Plan {
    pub fn new(spec: &Arc<TableSpec>, request: ScanRequest) -> Result<Self> {
        let ScanRequest { columns, filter, limit, with_position, with_generation, tombstones, batch_rows, pushdown } = request;
        let output = Output::new(spec, columns.as_deref(), tombstones)?;
        let filter = Filter::new(spec, &filter)?;
        let mut fields = output.schema.fields().to_vec();
        let extra = |name: &str, data_type| Arc::new(Field::new(name, data_type, false));
        fields.extend(tombstones.then(|| extra(TOMBSTONE, DataType::Boolean)));
        fields.extend(with_position.then(|| extra(POSITION, DataType::UInt64)));
        fields.extend(with_generation.then(|| extra(GENERATION, DataType::UInt64)));
        let schema = Arc::new(Schema::new_with_metadata(fields, output.schema.metadata().clone()));

        let mut read = output.columns.clone();
        read.extend(filter.terms.iter().map(|term| term.column));
        if tombstones && spec.key().is_some() {
            read.push(spec.stored_schema().fields().len() - 1);
        }
        let with_key = spec.key().into_iter().flat_map(|key| key.spec().columns()).map(|column| column.index());
        let columns_and_key = ascending(read.iter().copied().chain(with_key).collect());
        let (mut point, mut range, mut searches) = (None, None, Vec::new());
        if pushdown != Pushdown::Never {
            (point, range) = key_range(spec, &filter)?;
            // An index knows no deletions.
            searches = if tombstones { Vec::new() } else { index_searches(spec, &filter)? };
        }
        let batch_rows = if batch_rows == 0 { DEFAULT_BATCH_ROWS } else { batch_rows };
        Ok(Self {
            spec: Arc::clone(spec),
            output,
            schema,
            filter,
            tombstones,
            with_position,
            with_generation,
            limit,
            batch_rows,
            pushdown,
            columns: ascending(read),
            columns_and_key,
            point,
            range,
            searches,
        })
    }

    /// Whether finding `candidates` of `rows` one by one is worth it.
    pub fn is_worth(&self, candidates: u64, rows: u64) -> bool {
        self.pushdown == Pushdown::Always || candidates.saturating_mul(8) <= rows
    }
}

fn ascending(mut columns: Vec<usize>) -> Vec<usize> {
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// The least bytes that are greater than all that begin with `bytes`, if there are any.
fn beyond(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = bytes.pop() {
        if last < u8::MAX {
            bytes.push(last + 1);
            return Some(bytes);
        }
    }
    None
}

/// What comparisons say of one column: the encoded values between which it is, at most.
#[derive(Debug, Default)]
struct Bounds {
    equal: Option<(Vec<u8>, ArrayRef)>,
    /// The greatest lower bound, and whether it is itself allowed.
    lower: Option<(Vec<u8>, ArrayRef, bool)>,
    upper: Option<(Vec<u8>, ArrayRef, bool)>,
    null: bool,
}

impl Bounds {
    fn of(filter: &Filter, column: usize) -> Result<Self> {
        let mut bounds = Self::default();
        for term in filter.terms.iter().filter(|term| term.column == column) {
            let Some(value) = &term.value else {
                bounds.null |= term.op == CompareOp::IsNull;
                continue;
            };
            let encoded = encode_value(value)?;
            let value = Arc::clone(value);
            match term.op {
                CompareOp::Eq => bounds.equal = Some((encoded, value)),
                CompareOp::Gt | CompareOp::GtEq => {
                    let new = (encoded, value, term.op == CompareOp::GtEq);
                    let is_tighter = |old: &(Vec<u8>, _, bool)| (&new.0, !new.2) > (&old.0, !old.2);
                    if bounds.lower.as_ref().is_none_or(is_tighter) {
                        bounds.lower = Some(new);
                    }
                }
                CompareOp::Lt | CompareOp::LtEq => {
                    let new = (encoded, value, term.op == CompareOp::LtEq);
                    let is_tighter = |old: &(Vec<u8>, _, bool)| (&new.0, new.2) < (&old.0, old.2);
                    if bounds.upper.as_ref().is_none_or(is_tighter) {
                        bounds.upper = Some(new);
                    }
                }
                CompareOp::NotEq | CompareOp::IsNull | CompareOp::IsNotNull => {}
            }
        }
        Ok(bounds)
    }

    /// The range of what begins with `prefix` and goes on with a value within the bounds. Encoded values are prefix-free and in order, so
    /// whatever begins with one is between it and the bytes beyond it (PITFALLS I7).
    fn range(&self, prefix: &[u8]) -> KeyRange {
        let with = |value: &[u8]| [prefix, value].concat();
        let whole = if prefix.is_empty() { None } else { beyond(prefix.to_vec()) };
        let upto = |end: Option<Vec<u8>>| end.map_or(Bound::Unbounded, Bound::Excluded);
        let from = match &self.lower {
            None => Bound::Included(prefix.to_vec()),
            Some((value, _, true)) => Bound::Included(with(value)),
            // Beyond the last value of all there is nothing.
            Some((value, _, false)) => {
                beyond(with(value)).map_or_else(|| Bound::Excluded(vec![u8::MAX; value.len() + prefix.len() + 1]), Bound::Included)
            }
        };
        let to = match &self.upper {
            None => upto(whole),
            Some((value, _, false)) => Bound::Excluded(with(value)),
            Some((value, _, true)) => upto(beyond(with(value))),
        };
        KeyRange { from, to }
    }
}

/// The one key, or the range of keys, that comparisons with the first columns of the key allow.
fn key_range(spec: &TableSpec, filter: &Filter) -> Result<(Option<Vec<u8>>, Option<KeyRange>)> {
    let Some(key) = spec.key() else { return Ok((None, None)) };
    let mut prefix = Vec::new();
    for column in key.spec().columns() {
        let bounds = Bounds::of(filter, column.index())?;
        if let Some((value, _)) = &bounds.equal {
            prefix.extend_from_slice(value);
            continue;
        }
        let bounded = bounds.lower.is_some() || bounds.upper.is_some() || !prefix.is_empty();
        return Ok((None, bounded.then(|| bounds.range(&prefix))));
    }
    let range = KeyRange { from: Bound::Included(prefix.clone()), to: Bound::Included(prefix.clone()) };
    Ok((Some(prefix), Some(range)))
}

/// What indexes can be asked, the most promising first.
fn index_searches(spec: &TableSpec, filter: &Filter) -> Result<Vec<Search>> {
    let mut searches = Vec::new();
    for (definition, _) in spec.indexes() {
        let Ok(column) = super::output::find(spec.schema(), &definition.column) else { continue };
        let bounds = Bounds::of(filter, column)?;
        let search = |query, entries| Search { name: definition.name.clone(), column, query, entries };
        match definition.kind {
            IndexKind::BTree => {}
            #[allow(unreachable_patterns, reason = "kinds to come")]
            _ => continue,
        }
        if bounds.null {
            let entries = KeyRange { from: Bound::Included(vec![0]), to: Bound::Excluded(vec![1]) };
            searches.push((1, search(BTreeQuery { nulls: Nulls::Only, ..BTreeQuery::default() }, entries)));
        } else if let Some((value, array)) = &bounds.equal {
            let entry = [&[1], &value[..]].concat();
            let entries = KeyRange { from: Bound::Included(entry.clone()), to: Bound::Included(entry) };
            searches.push((0, search(BTreeQuery::equals(Arc::clone(array)), entries)));
        } else if bounds.lower.is_some() || bounds.upper.is_some() {
            let bound = |bound: &Option<(Vec<u8>, ArrayRef, bool)>| match bound {
                None => Bound::Unbounded,
                Some((_, value, true)) => Bound::Included(Arc::clone(value)),
                Some((_, value, false)) => Bound::Excluded(Arc::clone(value)),
            };
            let query = BTreeQuery { lower: bound(&bounds.lower), upper: bound(&bounds.upper), ..BTreeQuery::default() };
            let both = bounds.lower.is_some() && bounds.upper.is_some();
            searches.push((if both { 2 } else { 3 }, search(query, bounds.range(&[1]))));
        }
    }
    searches.sort_by_key(|(order, _)| *order);
    Ok(searches.into_iter().map(|(_, search)| search).collect())
}
