//! Encoded keys of a batch.

use twox_hash::XxHash3_64;

/// The 64-bit hash of an encoded key: XXH3 with the seed 0. It is stored in filters, so it never changes.
#[must_use]
pub fn hash_key(key: &[u8]) -> u64 {
    XxHash3_64::oneshot(key)
}

/// The encoded keys of some rows, in the rows' order, in one buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    data: Vec<u8>,
    ends: Ends,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Ends {
    /// Every key has this width; the number of keys.
    Fixed { width: usize, len: usize },
    /// Where each key ends.
    Each(Vec<u32>),
}

impl Keys {
    pub(super) fn fixed(data: Vec<u8>, width: usize, len: usize) -> Self {
        debug_assert_eq!(data.len(), width * len);
        Self { data, ends: Ends::Fixed { width, len } }
    }

    pub(super) fn each(data: Vec<u8>, ends: Vec<u32>) -> Self {
        debug_assert_eq!(ends.last().copied().unwrap_or(0) as usize, data.len());
        Self { data, ends: Ends::Each(ends) }
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.ends {
            Ends::Fixed { len, .. } => *len,
            Ends::Each(ends) => ends.len(),
        }
    }

    /// Whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The key of row `index`.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn key(&self, index: usize) -> &[u8] {
        match &self.ends {
            Ends::Fixed { width, len } => {
                assert!(index < *len, "key {index} of {len}");
                &self.data[index * width..(index + 1) * width]
            }
            Ends::Each(ends) => {
                let end = ends[index] as usize;
                let start = if index == 0 { 0 } else { ends[index - 1] as usize };
                &self.data[start..end]
            }
        }
    }

    /// The keys, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.key(index))
    }

    /// The hash of the key of row `index`.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn hash(&self, index: usize) -> u64 {
        hash_key(self.key(index))
    }

    /// The bytes of all keys together.
    #[must_use]
    pub fn data_len(&self) -> usize {
        self.data.len()
    }

    /// The memory it holds.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let ends = match &self.ends {
            Ends::Fixed { .. } => 0,
            Ends::Each(ends) => ends.capacity() * size_of::<u32>(),
        };
        self.data.capacity() + ends
    }
}
