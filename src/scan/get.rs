//! Rows by primary key.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_empty_array};

use super::gather::gather;
use super::output::Output;
use super::view::View;
use crate::error::{Result, bail, err};
use crate::generation::{Generation, Hit};
use crate::memtable::Lookup;
use crate::memtable::evolve::Evolution;
use crate::memtable::key::{Keys, hash_key};

/// What there is under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum KeyState {
    /// It was never put, or what is known of it was compacted away with its deletion.
    Missing = 0,
    /// A row.
    Found = 1,
    /// It was deleted (PITFALLS I4).
    Deleted = 2,
}

/// What a get found.
#[derive(Debug, Clone)]
pub struct GetResult {
    /// One state for each key, in the keys' order.
    pub states: Vec<KeyState>,
    /// The rows that were found, in the keys' order, in the schema of the table.
    pub rows: RecordBatch,
}

impl View {
    /// The newest rows of `keys`, whose columns are found by name, with the columns of `projection` in its order. A key may be asked for
    /// more than once.
    ///
    /// # Errors
    /// `Unsupported`: there is no primary key. `InvalidArgument`: a column that is not there or wanted twice. `SchemaMismatch`: a key
    /// column that is missing or of another type. `InvalidData`: a null in a key. The store's; `NotFound` if a generation was compacted
    /// away and removed meanwhile; `Corruption`.
    pub async fn get(&self, keys: &RecordBatch, projection: Option<&[String]>) -> Result<GetResult> {
        let mut search = Search::new(self, keys, projection)?;
        search.tables();
        if !search.generations_now()? {
            search.generations().await?;
        }
        search.finish()
    }

    /// [`Self::get`] where nothing has to be read: all keys are in tables, or the generations' blocks are in memory. `None` if some are
    /// not.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn try_get_in_memory(&self, keys: &RecordBatch, projection: Option<&[String]>) -> Result<Option<GetResult>> {
        let mut search = Search::new(self, keys, projection)?;
        search.tables();
        if search.generations_now()? { search.finish().map(Some) } else { Ok(None) }
    }
}

/// Up to this many keys are looked for one by one where that needs no read; more of them together.
const ONE_BY_ONE: usize = 16;

/// Rows that were found, in a batch.
enum Part<'v> {
    /// A table's, with all columns of the stored schema.
    Table(&'v RecordBatch),
    /// A generation's, with the columns that are wanted, in that order.
    Columns(Vec<ArrayRef>),
}

struct Search<'v> {
    view: &'v View,
    output: Output,
    keys: Keys,
    states: Vec<KeyState>,
    parts: Vec<Part<'v>>,
    /// Where the row of each key is: the part and its row.
    found: Vec<(usize, usize)>,
    /// The keys of which nothing is known yet.
    open: Vec<usize>,
}

impl<'v> Search<'v> {
    fn new(view: &'v View, keys: &RecordBatch, projection: Option<&[String]>) -> Result<Self> {
        let Some(encoder) = view.spec().key() else {
            bail!(Unsupported, "the shard has no primary key, so nothing can be got by it");
        };
        let output = Output::new(view.spec(), projection, false)?;
        let keys = encoder.encode(keys)?;
        let count = keys.len();
        Ok(Self {
            view,
            output,
            keys,
            states: vec![KeyState::Missing; count],
            parts: Vec::new(),
            found: vec![(0, 0); count],
            open: Vec::new(),
        })
    }

    fn tables(&mut self) {
        for at in 0..self.keys.len() {
            let key = self.keys.key(at);
            let known = self.view.tables().iter().map(|table| table.get(key)).find(|known| !matches!(known, Lookup::Missing));
            match known {
                Some(Lookup::Found(row)) => {
                    self.states[at] = KeyState::Found;
                    self.found[at] = (self.parts.len(), row.index());
                    self.parts.push(Part::Table(row.batch()));
                }
                Some(Lookup::Deleted(_)) => self.states[at] = KeyState::Deleted,
                Some(Lookup::Missing) | None => self.open.push(at),
            }
        }
    }

    /// Asks the generations for the keys that are open, as far as nothing has to be read; says whether that was all.
    fn generations_now(&mut self) -> Result<bool> {
        if self.open.len() > ONE_BY_ONE {
            return Ok(self.view.generations().is_empty());
        }
        let open = std::mem::take(&mut self.open);
        for at in open {
            if !self.one_now(at)? {
                self.open.push(at);
            }
        }
        Ok(self.open.is_empty())
    }

    /// Asks for one key; says whether the answer is known.
    fn one_now(&mut self, at: usize) -> Result<bool> {
        let key = self.keys.key(at);
        let hash = hash_key(key);
        for handle in self.view.generations().handles() {
            let Some(generation) = handle.opened() else { return Ok(false) };
            // A generation that cannot be read as today's is an error whether it has the key or not.
            let evolution = handle.evolution(generation, self.view.spec())?;
            if !generation.may_contain_hash(key, hash) {
                continue;
            }
            let Some(hit) = generation.find_now(key)? else { return Ok(false) };
            match hit {
                None => continue,
                Some(Hit { tombstone: true, .. }) => self.states[at] = KeyState::Deleted,
                Some(Hit { row, .. }) => {
                    let Some((batch, index)) = generation.row_now(row) else { return Ok(false) };
                    let columns = evolved(&evolution, &self.output.columns, batch.batch())?;
                    self.states[at] = KeyState::Found;
                    self.found[at] = (self.parts.len(), index);
                    self.parts.push(Part::Columns(columns));
                }
            }
            return Ok(true);
        }
        Ok(true)
    }

    /// Asks the generations for all keys that are open, the newest first.
    async fn generations(&mut self) -> Result<()> {
        let mut open = std::mem::take(&mut self.open);
        open.sort_unstable_by(|a, b| self.keys.key(*a).cmp(self.keys.key(*b)));
        let view = self.view;
        for handle in view.generations().handles() {
            if open.is_empty() {
                break;
            }
            let generation = handle.open().await?;
            let evolution = handle.evolution(generation, view.spec())?;
            let wanted: Vec<&[u8]> = open.iter().map(|at| self.keys.key(*at)).collect();
            let hits = generation.find_many(&wanted).await?;
            let mut rows = Vec::new();
            let mut still = Vec::new();
            for (at, hit) in open.iter().zip(hits) {
                match hit {
                    None => still.push(*at),
                    Some(hit) if hit.tombstone => self.states[*at] = KeyState::Deleted,
                    Some(hit) => rows.push((hit.row, *at)),
                }
            }
            open = still;
            self.take(generation, &evolution, rows).await?;
        }
        Ok(())
    }

    /// Takes rows of the generation, each for a key.
    async fn take(&mut self, generation: &Generation, evolution: &Evolution, mut rows: Vec<(u64, usize)>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        rows.sort_unstable();
        let mut wanted: Vec<u64> = rows.iter().map(|(row, _)| *row).collect();
        wanted.dedup();
        let sources = evolution.sources(&self.output.columns);
        let batches = generation.take(&wanted, Some(&sources)).await?;
        let mut places = Vec::with_capacity(wanted.len());
        for batch in &batches {
            let columns = evolution.apply_projected(batch, &self.output.columns)?.columns().to_vec();
            places.extend((0..batch.num_rows()).map(|row| (self.parts.len(), row)));
            self.parts.push(Part::Columns(columns));
        }
        for (row, at) in rows {
            let place = wanted.binary_search(&row).ok().and_then(|index| places.get(index));
            self.found[at] = *place.ok_or_else(|| err!(Internal, "row {row} of generation {} was not taken", generation.generation()))?;
            self.states[at] = KeyState::Found;
        }
        Ok(())
    }

    fn finish(self) -> Result<GetResult> {
        let Self { output, states, parts, found, .. } = self;
        let rows: Vec<(usize, usize)> = match &states[..] {
            [KeyState::Found] => found,
            _ => found.into_iter().zip(&states).filter(|(_, state)| **state == KeyState::Found).map(|(place, _)| place).collect(),
        };
        let mut columns = Vec::with_capacity(output.columns.len());
        let mut arrays: Vec<&ArrayRef> = Vec::with_capacity(parts.len());
        for (at, column) in output.columns.iter().enumerate() {
            if rows.is_empty() {
                columns.push(new_empty_array(output.schema.field(at).data_type()));
                continue;
            }
            arrays.clear();
            arrays.extend(parts.iter().map(|part| match part {
                Part::Table(batch) => batch.column(*column),
                Part::Columns(columns) => &columns[at],
            }));
            columns.push(gather(&arrays, &rows)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&output.schema), columns, &options);
        let rows = batch.map_err(|e| err!(InvalidData, "rows do not fit the table's schema: {e}"))?;
        Ok(GetResult { states, rows })
    }
}

/// The columns `columns` of the stored schema, from a generation's batch with all columns.
fn evolved(evolution: &Evolution, columns: &[usize], batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
    if evolution.is_identity() {
        return Ok(columns.iter().map(|column| Arc::clone(batch.column(*column))).collect());
    }
    let batch = batch.project(&evolution.sources(columns)).map_err(|e| err!(Internal, "columns cannot be chosen: {e}"))?;
    Ok(evolution.apply_projected(&batch, columns)?.columns().to_vec())
}
