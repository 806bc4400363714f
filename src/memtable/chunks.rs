//! A list that grows without moving what is in it, so that readers need no lock.

use std::sync::OnceLock;

/// How many chunks there may be; each is twice as large as the one before.
const CHUNKS: usize = 32;

/// Elements in chunks of `BASE`, `2·BASE`, `4·BASE` … that are made when first used and stay where they are.
///
/// An element is `T::default()` until someone changes it through its own interior mutability: an atomic or a `OnceLock`. Whoever
/// writes publishes by other means (a count, stored with release) which elements are to be read.
#[derive(Debug)]
pub(super) struct Chunks<T, const BASE: usize> {
    chunks: [OnceLock<Box<[T]>>; CHUNKS],
}

impl<T, const BASE: usize> Default for Chunks<T, BASE> {
    fn default() -> Self {
        Self { chunks: [const { OnceLock::new() }; CHUNKS] }
    }
}

impl<T: Default, const BASE: usize> Chunks<T, BASE> {
    /// The chunk of an element and its place in it.
    fn locate(index: usize) -> (usize, usize) {
        let chunk = (index / BASE + 1).ilog2() as usize;
        (chunk, index - BASE * ((1 << chunk) - 1))
    }

    /// The element at `index`, if its chunk was made.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        let (chunk, offset) = Self::locate(index);
        self.chunks.get(chunk)?.get()?.get(offset)
    }

    /// The element at `index`, whose chunk is made if it is not there.
    ///
    /// # Panics
    /// Beyond `BASE · (2³² − 1)`, which the limits of a table rule out.
    #[inline]
    pub(super) fn at(&self, index: usize) -> &T {
        let (chunk, offset) = Self::locate(index);
        &self.made(chunk)[offset]
    }

    /// The elements from `index` on, at least one, as far as they lie together; their chunk is made if it is not there.
    ///
    /// # Panics
    /// As [`Self::at`].
    pub(super) fn from(&self, index: usize) -> &[T] {
        let (chunk, offset) = Self::locate(index);
        &self.made(chunk)[offset..]
    }

    #[inline]
    fn made(&self, chunk: usize) -> &[T] {
        self.chunks[chunk].get_or_init(|| (0..BASE << chunk).map(|_| T::default()).collect())
    }

    /// The memory that the chunks take.
    pub(super) fn memory_bytes(&self) -> usize {
        self.chunks.iter().filter_map(OnceLock::get).map(|chunk| size_of_val::<[T]>(chunk)).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn every_index_has_its_own_place() {
        let list = Chunks::<AtomicU32, 4>::default();
        assert!(list.get(0).is_none());
        for index in 0..1000 {
            list.at(index).store(index as u32 + 1, Ordering::Relaxed);
        }
        for index in 0..1000 {
            assert_eq!(list.get(index).unwrap().load(Ordering::Relaxed), index as u32 + 1);
        }
        assert_eq!(list.get(1019).unwrap().load(Ordering::Relaxed), 0, "made with its chunk");
        assert!(list.get(1020).is_none() && list.get(usize::MAX / 2).is_none());
        assert_eq!(list.memory_bytes(), 1020 * 4);
    }

    #[test]
    fn runs_end_with_their_chunks() {
        let list = Chunks::<AtomicU32, 4>::default();
        for (index, len) in [(0, 4), (3, 1), (4, 8), (11, 1), (12, 16)] {
            let run = list.from(index);
            assert_eq!(run.len(), len);
            assert_eq!(std::ptr::from_ref(&run[0]), std::ptr::from_ref(list.at(index)));
        }
    }

    #[test]
    fn elements_do_not_move() {
        let list = Chunks::<AtomicU32, 2>::default();
        let first: *const _ = list.at(0);
        (0..10_000).for_each(|index| list.at(index).store(1, Ordering::Relaxed));
        assert_eq!(first, std::ptr::from_ref(list.at(0)));
    }
}
