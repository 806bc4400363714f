//! A scan under way.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow_buffer::BooleanBuffer;
use arrow_schema::SchemaRef;
use arrow_select::filter::FilterBuilder;

use super::coalesce::Coalescer;
use super::plan::Plan;
use super::source::{GenerationSource, Piece, TableSource};
use super::view::View;
use crate::error::{Result, err};
use crate::generation::Rows;

/// The rows of a [`View::scan`], batch by batch. It holds one generation's scan, which reads a few megabytes ahead, and what makes one
/// batch; the view stays alive with it. Dropping it ends the scan.
///
/// A call of [`Self::next`] that failed or was dropped left it as it was: the next one goes on from there.
#[derive(Debug)]
pub struct ScanStream {
    view: View,
    plan: Plan,
    /// How many sources are done: the generations, the oldest first, then the tables, the oldest first.
    done: usize,
    source: Option<Source>,
    /// Rows that are being looked at.
    piece: Option<Piece>,
    /// How many more rows are wanted.
    left: u64,
    out: Coalescer,
}

#[derive(Debug)]
enum Source {
    Generation(Box<GenerationSource>),
    Table(TableSource),
}

impl ScanStream {
    pub(super) fn new(view: View, plan: Plan) -> Self {
        let (left, out) = (plan.limit.unwrap_or(u64::MAX), Coalescer::new(plan.batch_rows));
        Self { view, plan, done: 0, source: None, piece: None, left, out }
    }

    /// The schema of the batches.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.plan.schema
    }

    /// The next rows, at least one; `None` at the end.
    ///
    /// # Errors
    /// The store's; `NotFound` if a generation was compacted away and removed meanwhile; `SchemaMismatch` if one is not of a schema that
    /// can be read as today's; `Corruption`.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.out.pop() {
                return Ok(Some(batch));
            }
            if self.left == 0 || !self.fetch().await? {
                self.out.flush();
                return Ok(self.out.pop());
            }
            if let (Some(piece), Some(Source::Generation(source))) = (&mut self.piece, &mut self.source) {
                source.hide(&self.plan, piece).await?;
            }
            if let Some(piece) = &self.piece
                && let Some(batch) = select(&self.plan, piece, self.left)?
            {
                self.left -= batch.num_rows() as u64;
                self.out.push(batch);
            }
            self.piece = None;
        }
    }

    /// Has a piece, if there is one more.
    async fn fetch(&mut self) -> Result<bool> {
        loop {
            if self.piece.is_some() {
                return Ok(true);
            }
            match &mut self.source {
                None => {
                    let generations = self.view.generations().len();
                    if self.done >= generations + self.view.tables().len() {
                        return Ok(false);
                    }
                    self.source = if self.done < generations {
                        let source = GenerationSource::start(&self.view, &self.plan, generations - 1 - self.done).await?;
                        source.map(|source| Source::Generation(Box::new(source)))
                    } else {
                        let at = self.view.tables().len() - 1 - (self.done - generations);
                        TableSource::new(&self.view, &self.plan, at)?.map(Source::Table)
                    };
                    self.done += usize::from(self.source.is_none());
                    continue;
                }
                Some(Source::Generation(source)) => self.piece = source.next(&self.plan).await?,
                Some(Source::Table(source)) => self.piece = source.next(&self.plan)?,
            }
            if self.piece.is_none() {
                self.source = None;
                self.done += 1;
            }
        }
    }
}

/// The rows of `piece` that are given, at most `left`; `None` if there are none.
fn select(plan: &Plan, piece: &Piece, left: u64) -> Result<Option<RecordBatch>> {
    let columns = if piece.with_key { &plan.columns_and_key } else { &plan.columns };
    let place = |column: usize| columns.binary_search(&column).ok();
    // PITFALLS I2: what is hidden is out before the limit is applied; whether the filter comes before or after that is all the same.
    let keep = match (piece.keep.clone(), plan.filter.apply(&piece.batch, place)?) {
        (Some(keep), Some(filter)) => Some(&keep & &filter),
        (keep, filter) => keep.or(filter),
    };
    let rows = piece.batch.num_rows();
    let kept = keep.as_ref().map_or(rows, BooleanBuffer::count_set_bits);
    if kept == 0 {
        return Ok(None);
    }
    let predicate = keep.filter(|_| kept < rows).map(|keep| FilterBuilder::new(&BooleanArray::new(keep, None)).optimize().build());
    let given = kept.min(usize::try_from(left).unwrap_or(usize::MAX));
    let chosen = |array: &ArrayRef| -> Result<ArrayRef> {
        let array = match &predicate {
            Some(predicate) => predicate.filter(array).map_err(|e| err!(Internal, "rows cannot be filtered: {e}"))?,
            None => Arc::clone(array),
        };
        Ok(if given < kept { array.slice(0, given) } else { array })
    };
    let read = |column: usize| {
        let array = place(column).and_then(|at| piece.batch.columns().get(at));
        array.ok_or_else(|| err!(Internal, "column {column} was not read"))
    };
    let mut arrays = Vec::with_capacity(plan.schema.fields().len());
    for column in &plan.output.columns {
        arrays.push(chosen(read(*column)?)?);
    }
    if plan.tombstones {
        arrays.push(match plan.spec.key() {
            Some(_) => chosen(read(plan.spec.stored_schema().fields().len() - 1)?)?,
            None => Arc::new(BooleanArray::new(BooleanBuffer::new_unset(given), None)),
        });
    }
    if plan.with_position {
        let numbers: UInt64Array = match &piece.rows {
            Rows::Range(range) => UInt64Array::from_iter_values(range.clone()),
            Rows::Picked(rows) => UInt64Array::from(rows.clone()),
        };
        arrays.push(chosen(&(Arc::new(numbers) as ArrayRef))?);
    }
    if plan.with_generation {
        arrays.push(Arc::new(UInt64Array::from_value(piece.generation, given)));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(given));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&plan.schema), arrays, &options);
    batch.map(Some).map_err(|e| err!(InvalidData, "rows do not fit the table's schema: {e}"))
}
