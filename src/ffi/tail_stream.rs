//! A tailer as an `ArrowArrayStream`.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};

use super::arrow::BatchSource;
use super::handle::Handle;
use super::tailer::WeirTailer;
use crate::error::{Result, bail};
use crate::runtime;

/// The batches of all entries from the tailer's position on. A log's schema is known when its first entry is read.
pub(crate) struct TailSource {
    tailer: Arc<Handle<WeirTailer>>,
    /// Of the first entry that has batches.
    schema: Option<SchemaRef>,
    ready: VecDeque<RecordBatch>,
    /// No more entries: the end of the log was reached.
    ended: bool,
}

impl TailSource {
    pub(crate) fn new(tailer: Arc<Handle<WeirTailer>>) -> Self {
        Self { tailer, schema: None, ready: VecDeque::new(), ended: false }
    }

    /// Reads entries until there is a batch, or no more.
    fn fill(&mut self) -> Result<()> {
        while self.ready.is_empty() && !self.ended {
            runtime::may_block()?;
            let Some(entry) = runtime::block_on(self.tailer.core.tailer.next(), -1)? else {
                self.ended = true;
                break;
            };
            if entry.batches.is_empty() {
                continue;
            }
            match &self.schema {
                None => self.schema = Some(entry.schema),
                Some(schema) if *schema != entry.schema => {
                    self.ended = true;
                    bail!(SchemaMismatch, "entry {} has another schema than the stream; open a new stream from there", entry.position);
                }
                Some(_) => {}
            }
            self.ready.extend(entry.batches);
        }
        Ok(())
    }
}

impl BatchSource for TailSource {
    fn schema(&mut self) -> Result<SchemaRef> {
        if self.schema.is_none() {
            self.fill()?;
        }
        Ok(Arc::clone(self.schema.get_or_insert_with(|| Arc::new(Schema::empty()))))
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        self.fill()?;
        Ok(self.ready.pop_front())
    }
}
