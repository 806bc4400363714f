//! The memory that batches hold.

use arrow_array::{Array, RecordBatch};
use arrow_data::ArrayData;

/// The memory behind `batches`, by distinct allocations: what several arrays or batches share counts once, and a slice
/// counts as all that it keeps alive (PITFALLS C6).
#[must_use]
pub fn allocated_bytes(batches: &[RecordBatch]) -> usize {
    let mut ranges = Vec::new();
    for column in batches.iter().flat_map(RecordBatch::columns) {
        collect(&column.to_data(), &mut ranges);
    }
    // Ranges may overlap where the same bytes were wrapped more than once.
    ranges.sort_unstable();
    let (mut total, mut end) = (0, 0);
    for (from, to) in ranges {
        let from = from.max(end);
        if to > from {
            total += to - from;
            end = to;
        }
    }
    total
}

fn collect(data: &ArrayData, ranges: &mut Vec<(usize, usize)>) {
    let nulls = data.nulls().map(|nulls| nulls.buffer());
    for buffer in data.buffers().iter().chain(nulls) {
        let start = buffer.data_ptr().as_ptr() as usize;
        ranges.push((start, start + buffer.capacity()));
    }
    for child in data.child_data() {
        collect(child, ranges);
    }
}
