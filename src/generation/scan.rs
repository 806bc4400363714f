//! A scan of a generation's rows in insert order.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use futures_util::future::try_join_all;

use super::cached::CachedBatch;
use super::index::KeyRange;
use super::read::Generation;
use crate::error::{Result, bail, err};

/// How many reads are under way at once.
const CONCURRENT: u64 = 4;

/// What a scan does with the cache of its generation, if that has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheUse {
    /// Nothing: all is read from storage.
    #[default]
    Bypass,
    /// What is there is not read again.
    Read,
    /// What is read is put there, too.
    Fill,
}

/// What a scan gives.
#[derive(Debug, Clone)]
pub struct ScanOptions {
    /// The columns, in this order; `None`: all.
    pub projection: Option<Vec<usize>>,
    /// The keys whose rows are wanted: only each one's newest.
    pub keys: KeyRange,
    /// Rows to be left out: a mask over all rows.
    pub skip: Option<BooleanBuffer>,
    /// Whether rows that a later one of the same key supersedes are given too (PITFALLS I2: only who resolves keys wants them).
    pub superseded: bool,
    /// Whether deletions are given too, as who merges generations needs it (PITFALLS I3).
    pub tombstones: bool,
    /// About how many bytes are read ahead.
    pub read_bytes: u64,
    /// What becomes of the cache.
    pub cache: CacheUse,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            projection: None,
            keys: KeyRange::default(),
            skip: None,
            superseded: false,
            tombstones: false,
            read_bytes: 4 << 20,
            cache: CacheUse::Bypass,
        }
    }
}

/// The numbers of a batch's rows in its generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// One after the other.
    Range(Range<u64>),
    /// Some, ascending.
    Picked(Vec<u64>),
}

impl Rows {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Range(range) => (range.end - range.start) as usize,
            Self::Picked(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the row at `at`, if there is one.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<u64> {
        match self {
            Self::Range(range) => range.start.checked_add(at as u64).filter(|row| *row < range.end),
            Self::Picked(rows) => rows.get(at).copied(),
        }
    }
}

/// Some rows of a scan: at least one.
#[derive(Debug, Clone)]
pub struct ScanBatch {
    /// The rows.
    pub batch: RecordBatch,
    /// Their numbers.
    pub rows: Rows,
}

/// A scan under way. It holds at most about [`ScanOptions::read_bytes`] and one batch.
#[derive(Debug)]
pub struct Scan {
    generation: Arc<Generation>,
    options: ScanOptions,
    schema: SchemaRef,
    /// The columns that are decoded: those wanted, and the tombstones last where they are needed and not wanted.
    decoded: Option<Vec<usize>>,
    /// Which column of those the tombstones are, where they must be looked at.
    tombstones: Option<usize>,
    /// The rows whose key is in the range, once that is known.
    in_range: Option<BooleanBuffer>,
    prepared: bool,
    /// The next stored batch that was not read.
    next: usize,
    read: VecDeque<(usize, Stored)>,
}

/// A stored batch.
#[derive(Debug)]
enum Stored {
    /// To be decoded.
    Message(Bytes),
    /// With all columns.
    Batch(Arc<CachedBatch>),
}

/// Batches from the cache that are looked for together with those that are read.
const FROM_CACHE: usize = 64;

impl Scan {
    pub(super) fn new(generation: Arc<Generation>, options: ScanOptions) -> Result<Self> {
        generation.check_projection(options.projection.as_deref())?;
        if options.skip.as_ref().is_some_and(|skip| skip.len() as u64 != generation.rows()) {
            bail!(InvalidArgument, "a mask that is not one of {} rows", generation.rows());
        }
        if !options.keys.is_all() && (options.superseded || generation.key().is_none()) {
            bail!(InvalidArgument, "a range of keys needs a primary key, and gives newest rows only");
        }
        let schema = generation.projected(options.projection.as_deref())?;
        let last = generation.schema().fields().len() - 1;
        let looks = generation.key().is_some() && !options.tombstones && (generation.tombstones() > 0 || options.superseded);
        let (decoded, tombstones) = match (&options.projection, looks) {
            (projection, false) => (projection.clone(), None),
            (None, true) => (None, Some(last)),
            (Some(columns), true) => match columns.iter().position(|column| *column == last) {
                Some(at) => (Some(columns.clone()), Some(at)),
                None => (Some(columns.iter().copied().chain([last]).collect()), Some(columns.len())),
            },
        };
        let prepared = options.keys.is_all();
        Ok(Self { generation, options, schema, decoded, tombstones, in_range: None, prepared, next: 0, read: VecDeque::new() })
    }

    /// The schema of the batches.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next rows; `None` at the end.
    ///
    /// # Errors
    /// The store's; `NotFound` if the generation is gone; `Corruption`.
    pub async fn next(&mut self) -> Result<Option<ScanBatch>> {
        if !self.prepared {
            self.find_range().await?;
        }
        loop {
            // Taken out only when it is done, so that a call that was dropped or failed has lost nothing.
            let Some((index, stored)) = self.read.front() else {
                if !self.fill().await? {
                    return Ok(None);
                }
                continue;
            };
            let index = *index;
            let wanted = self.wanted(index);
            if wanted.as_ref().is_some_and(|wanted| wanted.count_set_bits() == 0) {
                self.read.pop_front();
                continue;
            }
            let batch = match stored {
                Stored::Message(message) if self.options.cache == CacheUse::Fill => {
                    self.project(&*self.generation.keep(index, message).await?)?
                }
                Stored::Message(message) => self.generation.decode(index, message.clone(), self.decoded.as_deref()).await?,
                Stored::Batch(batch) => self.project(batch)?,
            };
            self.read.pop_front();
            if let Some(batch) = self.select(index, &batch, wanted)? {
                return Ok(Some(batch));
            }
        }
    }

    /// Finds the rows whose key is in the range: one bit for each row.
    async fn find_range(&mut self) -> Result<()> {
        let rows = usize::try_from(self.generation.rows()).map_err(|_| err!(Unsupported, "more rows than this machine can count"))?;
        let mut bits = BooleanBufferBuilder::new(rows);
        bits.append_n(rows, false);
        let mut cursor = self.generation.keys(&self.options.keys)?;
        while let Some(hit) = cursor.advance().await? {
            if hit.row < rows as u64 {
                bits.set_bit(hit.row as usize, true);
            }
        }
        self.in_range = Some(bits.finish());
        self.prepared = true;
        Ok(())
    }

    /// Reads stored batches that have rows that are wanted; `false` at the end.
    async fn fill(&mut self) -> Result<bool> {
        let most = (self.options.read_bytes / CONCURRENT).max(1);
        let (mut runs, mut cached, mut next) = (Vec::new(), Vec::new(), self.next);
        while next < self.generation.batches() && cached.len() < FROM_CACHE {
            if self.wanted(next).is_none_or(|wanted| wanted.count_set_bits() > 0) {
                let known = if self.options.cache == CacheUse::Bypass { None } else { self.generation.peek(next).await };
                match known {
                    Some(batch) => cached.push((next, Stored::Batch(batch))),
                    None => self.generation.add_to_runs(&mut runs, next, most),
                }
                if runs.len() as u64 > CONCURRENT {
                    runs.pop();
                    break;
                }
            }
            next += 1;
        }
        let generation = &self.generation;
        let read = try_join_all(runs.iter().map(|run| generation.read(run.clone()))).await?;
        let messages = runs.into_iter().zip(read).flat_map(|(run, messages)| run.zip(messages));
        let mut all: Vec<_> = messages.map(|(index, message)| (index, Stored::Message(message))).collect();
        // A run may have read a batch along that the cache has.
        all.retain(|(index, _)| cached.binary_search_by_key(index, |(index, _)| *index).is_err());
        all.extend(cached);
        all.sort_by_key(|(index, _)| *index);
        self.read = all.into();
        self.next = next;
        Ok(!self.read.is_empty())
    }

    fn project(&self, batch: &CachedBatch) -> Result<RecordBatch> {
        let Some(columns) = &self.decoded else { return Ok(batch.batch().clone()) };
        batch.batch().project(columns).map_err(|e| err!(Internal, "columns cannot be chosen: {e}"))
    }

    /// The rows of the stored batch that are wanted, as far as is known without reading it; `None`: all of them.
    fn wanted(&self, index: usize) -> Option<BooleanBuffer> {
        let rows = self.generation.rows_of(index);
        let (start, len) = (rows.start as usize, (rows.end - rows.start) as usize);
        let superseded = self.generation.superseded().filter(|_| !self.options.superseded);
        let out = [superseded, self.options.skip.as_ref()].into_iter().flatten();
        let masks = out.map(|mask| !&mask.slice(start, len)).chain(self.in_range.as_ref().map(|range| range.slice(start, len)));
        masks.reduce(|a, b| &a & &b).filter(|wanted| wanted.count_set_bits() < len)
    }

    /// The wanted rows of the batch; `None` if there are none.
    fn select(&self, index: usize, batch: &RecordBatch, wanted: Option<BooleanBuffer>) -> Result<Option<ScanBatch>> {
        let live = self.tombstones.map(|column| !batch.column(column).as_boolean().values());
        let wanted = match (wanted, live) {
            (Some(wanted), Some(live)) => Some(&wanted & &live),
            (wanted, live) => wanted.or(live),
        };
        let wanted = wanted.filter(|wanted| wanted.count_set_bits() < batch.num_rows());
        let extra = self.decoded.as_ref().map_or(0, Vec::len) > self.options.projection.as_ref().map_or(0, Vec::len);
        let batch = if extra { self.without_last(batch)? } else { batch.clone() };
        let all = self.generation.rows_of(index);
        let Some(wanted) = wanted else { return Ok(Some(ScanBatch { batch, rows: Rows::Range(all) })) };
        if wanted.count_set_bits() == 0 {
            return Ok(None);
        }
        let rows = wanted.set_indices().map(|row| all.start + row as u64).collect();
        let batch = arrow_select::filter::filter_record_batch(&batch, &BooleanArray::new(wanted, None));
        let batch = batch.map_err(|e| err!(Internal, "rows cannot be filtered: {e}"))?;
        Ok(Some(ScanBatch { batch, rows: Rows::Picked(rows) }))
    }

    fn without_last(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns: Vec<usize> = (0..batch.num_columns() - 1).collect();
        batch.project(&columns).map_err(|e| err!(Internal, "a column cannot be left out: {e}"))
    }
}
