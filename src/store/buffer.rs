//! Buffers that objects are read into: aligned so that Arrow data is used in place.

use std::os::fd::AsFd;

use bytes::Bytes;
use rustix::io::retry_on_intr;

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

    /// Appends the next `len` bytes of `file` at most; returns how many there were, 0 at its end.
    pub(crate) fn read_from(&mut self, file: impl AsFd, len: usize) -> rustix::io::Result<usize> {
        let room = self.bytes.spare_capacity_mut();
        let len = len.min(room.len());
        let read = retry_on_intr(|| rustix::io::read(&file, &mut room[..len]).map(|(read, _)| read.len()))?;
        // SAFETY: the kernel wrote as many bytes there, within the capacity.
        unsafe { self.bytes.set_len(self.bytes.len() + read) };
        Ok(read)
    }

    /// How many bytes have been appended; more than its length only if a file grew.
    pub(crate) fn filled(&self) -> usize {
        self.bytes.len() - self.padding
    }

    /// The last `len` bytes that were appended.
    pub(crate) fn last(&self, len: usize) -> &[u8] {
        &self.bytes[self.bytes.len() - len.min(self.filled())..]
    }

    /// The bytes, cut to the length asked for.
    pub(crate) fn into_bytes(self) -> Bytes {
        let end = self.bytes.len().min(self.padding + self.len);
        Bytes::from(self.bytes).slice(self.padding..end)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    #[test]
    fn is_aligned_and_cut_to_its_length() {
        for len in [0, 1, 63, 64, 65, 4096, 1 << 20] {
            let mut buffer = AlignedBuffer::new(len).unwrap();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&(0..len).map(|i| i as u8).collect::<Vec<_>>()).unwrap();
            file.rewind().unwrap();
            while buffer.filled() < len {
                assert_ne!(buffer.read_from(&file, len.div_ceil(3)).unwrap(), 0);
            }
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
