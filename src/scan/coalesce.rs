//! Small batches joined to larger ones, large ones passed on as they are.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::{Array, RecordBatch};

/// Batches of this many bytes are not worth a copy.
const LARGE: usize = 64 * 1024;
/// What waits to be joined is passed on when it has this many bytes, however few rows it has.
const MOST: usize = 4 << 20;

/// Joins batches to about `rows` rows. Order is kept.
#[derive(Debug)]
pub(super) struct Coalescer {
    rows: usize,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    pending_bytes: usize,
    ready: VecDeque<RecordBatch>,
}

impl Coalescer {
    pub fn new(rows: usize) -> Self {
        Self { rows: rows.max(1), pending: Vec::new(), pending_rows: 0, pending_bytes: 0, ready: VecDeque::new() }
    }

    /// Takes a batch, which has rows.
    pub fn push(&mut self, batch: RecordBatch) {
        let rows = batch.num_rows();
        if rows > self.rows {
            self.flush();
            self.ready.extend((0..rows).step_by(self.rows).map(|at| batch.slice(at, self.rows.min(rows - at))));
            return;
        }
        let bytes = size(&batch);
        if bytes >= LARGE || rows * 2 > self.rows {
            self.flush();
            self.ready.push_back(batch);
            return;
        }
        if self.pending_rows + rows > self.rows {
            self.flush();
        }
        self.pending_rows += rows;
        self.pending_bytes += bytes;
        self.pending.push(batch);
        if self.pending_rows == self.rows || self.pending_bytes >= MOST {
            self.flush();
        }
    }

    /// Passes on what waits.
    pub fn flush(&mut self) {
        (self.pending_rows, self.pending_bytes) = (0, 0);
        let pending = std::mem::take(&mut self.pending);
        if let [first, _, ..] = &pending[..] {
            // Where arrow cannot join them, such as dictionaries with too many values together, they go as they are.
            let joined = catch_unwind(AssertUnwindSafe(|| arrow_select::concat::concat_batches(first.schema_ref(), &pending)));
            if let Ok(Ok(joined)) = joined {
                self.ready.push_back(joined);
                return;
            }
        }
        self.ready.extend(pending);
    }

    /// A batch that is to be passed on.
    pub fn pop(&mut self) -> Option<RecordBatch> {
        self.ready.pop_front()
    }
}

/// About how many bytes the rows of the batch take.
fn size(batch: &RecordBatch) -> usize {
    let column = |column: &arrow_array::ArrayRef| {
        let data = column.to_data();
        data.get_slice_memory_size().unwrap_or_else(|_| column.get_buffer_memory_size())
    };
    batch.columns().iter().map(column).sum()
}
