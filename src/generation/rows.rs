//! Single rows of a generation, through the cache if there is one.

use std::sync::Arc;

use arrow_array::{RecordBatch, UInt32Array};
use bytes::Bytes;
use futures_util::future::try_join_all;

use super::cached::CachedBatch;
use super::read::{CONCURRENT, Generation, READ_BYTES};
use crate::error::{Result, bail, err};

/// How many batches a look at single rows has at once.
const AT_ONCE: usize = 64;

impl Generation {
    /// The batch that has the row, with all columns, and the row's index in it, if that is in the cache.
    #[must_use]
    pub fn row_now(&self, row: u64) -> Option<(Arc<CachedBatch>, usize)> {
        let cached = self.cached.as_ref().filter(|_| row < self.rows())?;
        let index = self.batch_of(row);
        let batch = cached.batches.peek_now(&cached.batch(index))?;
        Some((batch, (row - self.rows_of(index).start) as usize))
    }

    /// The rows `rows`, sorted and each once, in their order: one batch for each stored batch that they come from.
    ///
    /// # Errors
    /// `InvalidArgument`: rows that are not sorted or not there, a projection that cannot be; as [`Self::find`].
    pub async fn take(&self, rows: &[u64], projection: Option<&[usize]>) -> Result<Vec<RecordBatch>> {
        self.check_projection(projection)?;
        if !rows.is_sorted_by(|a, b| a < b) || rows.last().is_some_and(|last| *last >= self.rows()) {
            bail!(InvalidArgument, "the rows wanted of a generation of {} are not sorted, or not in it", self.rows());
        }
        let mut wanted: Vec<usize> = rows.iter().map(|row| self.batch_of(*row)).collect();
        wanted.dedup();
        let (mut taken, mut rest) = (Vec::with_capacity(wanted.len()), rows);
        if self.cached.is_some() {
            for wanted in wanted.chunks(AT_ONCE) {
                for (index, batch) in wanted.iter().zip(self.through_cache(wanted).await?) {
                    let (mine, others) = rest.split_at(rest.partition_point(|row| *row < self.rows_of(*index).end));
                    rest = others;
                    let batch = match projection {
                        Some(columns) => batch.batch().project(columns).map_err(|e| err!(Internal, "columns cannot be chosen: {e}"))?,
                        None => batch.batch().clone(),
                    };
                    taken.push(self.pick(*index, &batch, mine)?);
                }
            }
            return Ok(taken);
        }
        let mut runs = Vec::new();
        wanted.iter().for_each(|index| self.add_to_runs(&mut runs, *index, READ_BYTES));
        for runs in runs.chunks(CONCURRENT) {
            let read = try_join_all(runs.iter().map(|run| self.read(run.clone()))).await?;
            for (run, messages) in runs.iter().zip(read) {
                for (index, message) in run.clone().zip(messages) {
                    let (mine, others) = rest.split_at(rest.partition_point(|row| *row < self.rows_of(index).end));
                    rest = others;
                    if !mine.is_empty() {
                        let batch = self.decode(index, message, projection).await?;
                        taken.push(self.pick(index, &batch, mine)?);
                    }
                }
            }
        }
        Ok(taken)
    }

    /// The stored batches `wanted`, with all columns: those that are not in the cache are read, and kept there.
    async fn through_cache(&self, wanted: &[usize]) -> Result<Vec<Arc<CachedBatch>>> {
        let Some(cached) = &self.cached else { bail!(Internal, "there is no cache") };
        if let [index] = wanted {
            let key = cached.batch(*index);
            let load = async {
                let message = self.read(*index..index + 1).await?.pop();
                let message = message.ok_or_else(|| self.damaged(format!("batch {index} is missing")))?;
                Ok(CachedBatch::new(self.decode(*index, message, None).await?, Some(key)))
            };
            return Ok(vec![cached.batches.get_or_insert(&key, load).await?.0]);
        }
        let mut batches = Vec::with_capacity(wanted.len());
        for index in wanted {
            batches.push(cached.batches.peek(&cached.batch(*index)).await);
        }
        let mut runs = Vec::new();
        let missing = wanted.iter().zip(&batches).filter(|(_, batch)| batch.is_none());
        missing.for_each(|(index, _)| self.add_to_runs(&mut runs, *index, READ_BYTES));
        for runs in runs.chunks(CONCURRENT) {
            let read = try_join_all(runs.iter().map(|run| self.read(run.clone()))).await?;
            for (index, message) in runs.iter().cloned().zip(read).flat_map(|(run, messages)| run.zip(messages)) {
                if let Some(batch) = wanted.binary_search(&index).ok().and_then(|at| batches.get_mut(at)).filter(|batch| batch.is_none()) {
                    *batch = Some(self.keep(index, &message).await?);
                }
            }
        }
        let batches: Option<Vec<_>> = batches.into_iter().collect();
        batches.ok_or_else(|| err!(Internal, "a batch was not read"))
    }

    /// The stored batch, if it is in the cache.
    pub(super) async fn peek(&self, index: usize) -> Option<Arc<CachedBatch>> {
        let cached = self.cached.as_ref()?;
        cached.batches.peek(&cached.batch(index)).await
    }

    /// The stored batch in its message, which was read with others, decoded whole and kept in the cache, if there is one.
    pub(super) async fn keep(&self, index: usize, message: &Bytes) -> Result<Arc<CachedBatch>> {
        let key = self.cached.as_ref().map(|cached| cached.batch(index));
        let batch = Arc::new(CachedBatch::new(self.decode(index, Bytes::copy_from_slice(message), None).await?, key));
        if let (Some(cached), Some(key)) = (&self.cached, key) {
            cached.batches.insert(&key, Arc::clone(&batch)).await?;
        }
        Ok(batch)
    }

    fn pick(&self, index: usize, batch: &RecordBatch, rows: &[u64]) -> Result<RecordBatch> {
        let first = self.rows_of(index).start;
        let picked = UInt32Array::from_iter_values(rows.iter().map(|row| (row - first) as u32));
        arrow_select::take::take_record_batch(batch, &picked).map_err(|e| err!(Internal, "rows cannot be taken: {e}"))
    }
}
