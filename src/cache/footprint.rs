//! The memory that a value holds, by distinct allocations.

use arrow_array::{Array, RecordBatch};
use arrow_data::ArrayData;

/// What a value holds: bytes that are its own, and allocations that others may hold too.
///
/// An allocation is known by where it begins and ends. What several values of a cache share is counted once, for as long as one of
/// them is there; a slice holds all of its parent's allocation (PITFALLS K6, C6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footprint {
    own: u64,
    shared: Vec<(usize, usize)>,
}

impl Footprint {
    /// Adds `bytes` that nobody else holds.
    pub fn add(&mut self, bytes: usize) {
        self.own += bytes as u64;
    }

    /// Adds an allocation that others may hold too.
    pub fn add_allocation(&mut self, start: *const u8, len: usize) {
        if len > 0 {
            self.shared.push((start as usize, start as usize + len));
        }
    }

    /// Adds the buffers of `batch`.
    pub fn add_batch(&mut self, batch: &RecordBatch) {
        self.add(size_of::<RecordBatch>() + batch.num_columns() * PER_COLUMN);
        self.add_buffers(batch);
    }

    /// Adds the buffers of `batch` and not what it needs to hold them.
    pub fn add_buffers(&mut self, batch: &RecordBatch) {
        batch.columns().iter().for_each(|column| self.add_array(&column.to_data()));
    }

    fn add_array(&mut self, data: &ArrayData) {
        let nulls = data.nulls().map(|nulls| nulls.buffer());
        for buffer in data.buffers().iter().chain(nulls) {
            self.add_allocation(buffer.data_ptr().as_ptr(), buffer.capacity());
        }
        data.child_data().iter().for_each(|child| self.add_array(child));
    }

    /// The allocations, each once, those within others left out.
    #[must_use]
    pub fn allocations(mut self) -> Box<[(usize, usize)]> {
        // The longer of two with the same start first.
        self.shared.sort_unstable_by_key(|(start, end)| (*start, usize::MAX - end));
        let mut covered = 0;
        self.shared.retain(|(_, end)| {
            let more = *end > covered;
            covered = covered.max(*end);
            more
        });
        self.shared.into_boxed_slice()
    }

    /// The bytes of its own.
    #[must_use]
    pub fn own(&self) -> u64 {
        self.own
    }

    /// All bytes, where nobody else holds any of them. Overlapping allocations count where they do not overlap.
    #[must_use]
    pub fn total(&self) -> u64 {
        let mut shared = self.shared.clone();
        shared.sort_unstable();
        let (mut total, mut reached) = (0, 0);
        for (start, end) in shared {
            let start = start.max(reached);
            if end > start {
                total += (end - start) as u64;
                reached = end;
            }
        }
        self.own + total
    }
}

/// About what an array takes beside its buffers.
const PER_COLUMN: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_count_once() {
        let memory = [0u8; 100];
        let at = |from: usize| memory[from..].as_ptr();
        let mut footprint = Footprint::default();
        footprint.add(7);
        for (from, len) in [(0, 40), (0, 40), (10, 20), (0, 10), (40, 10), (45, 15), (90, 0)] {
            footprint.add_allocation(at(from), len);
        }
        assert_eq!((footprint.own(), footprint.total()), (7, 67));
        let base = memory.as_ptr() as usize;
        let ranges: Vec<_> = footprint.allocations().iter().map(|(start, end)| (start - base, end - base)).collect();
        assert_eq!(ranges, [(0, 40), (40, 50), (45, 60)]);
    }
}
