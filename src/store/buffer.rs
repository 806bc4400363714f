//! Buffers that objects are read into: aligned so that Arrow data is used in place.

use bytes::Bytes;

/// The alignment that Arrow asks for.
const ALIGNMENT: usize = 64;

/// A buffer of a known length, filled from the front by code that appends to a vector. Its first byte is aligned to 64.
pub(crate) struct AlignedBuffer {
    bytes: Vec<u8>,
    /// Bytes before the first one that counts.
    padding: usize,
    len: usize,
}

impl AlignedBuffer {
    /// An empty buffer for `len` bytes; `None` if there is no memory for it.
    pub(crate) fn new(len: usize) -> Option<Self> {
        let mut bytes: Vec<u8> = Vec::new();
        bytes.try_reserve_exact(len.checked_add(ALIGNMENT)?).ok()?;
        // The vector never grows past its capacity, so its address, and with it the alignment, stays.
        let padding = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        bytes.resize(padding, 0);
        Some(Self { bytes, padding, len })
    }

    /// The vector to append to, without growing it.
    pub(crate) fn vec(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// How many bytes have been appended; more than its length only if a file grew.
    pub(crate) fn filled(&self) -> usize {
        self.bytes.len() - self.padding
    }

    /// The bytes, cut to the length asked for.
    pub(crate) fn into_bytes(self) -> Bytes {
        let end = self.bytes.len().min(self.padding + self.len);
        Bytes::from(self.bytes).slice(self.padding..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_aligned_and_cut_to_its_length() {
        for len in [0, 1, 63, 64, 65, 4096, 1 << 20] {
            let mut buffer = AlignedBuffer::new(len).unwrap();
            buffer.vec().extend((0..len).map(|i| i as u8));
            assert_eq!(buffer.filled(), len);
            let bytes = buffer.into_bytes();
            assert_eq!(bytes.len(), len);
            assert!(len == 0 || (bytes.as_ptr() as usize).is_multiple_of(ALIGNMENT));
            assert!(bytes.iter().enumerate().all(|(i, b)| *b == i as u8));
        }
    }

    #[test]
    fn an_absurd_length_is_refused_not_aborted_on() {
        assert!(AlignedBuffer::new(usize::MAX).is_none());
        assert!(AlignedBuffer::new(usize::MAX / 2 - 100).is_none());
    }
}
