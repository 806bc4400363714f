//! The bloom filter over a generation's keys: tells, without a read, that a key is not in it.
//!
//! A split block filter as in Parquet: a key's hash picks one block of 256 bits and one bit in each of its eight words, so that a
//! question touches one cache line. At [`BITS_PER_KEY`] about one absent key of a hundred is taken for a present one.

use bytes::Bytes;

/// The size of a filter.
pub(super) const BITS_PER_KEY: u64 = 10;

/// One block: eight words of 32 bits.
const BLOCK: usize = 32;

/// Odd constants that spread a hash over the words (Parquet's).
const SALT: [u32; 8] = [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// The filter's bytes: whole blocks, at least one.
#[derive(Debug, Clone)]
pub(super) struct Bloom(Bytes);

impl Bloom {
    /// The filter over keys of these hashes, of which there are `count`.
    pub(super) fn build(count: u64, hashes: impl Iterator<Item = u64>) -> Self {
        let blocks = count.saturating_mul(BITS_PER_KEY).div_ceil(BLOCK as u64 * 8).max(1) as usize;
        let mut bytes = vec![0; blocks * BLOCK];
        for hash in hashes {
            let block = &mut bytes[start(blocks, hash)..][..BLOCK];
            for (word, mask) in masks(hash).enumerate() {
                let at = word * 4;
                let bits = u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]) | mask;
                block[at..at + 4].copy_from_slice(&bits.to_le_bytes());
            }
        }
        Self(bytes.into())
    }

    /// The filter that `bytes` are; an error if they cannot be one.
    pub(super) fn read(bytes: Bytes) -> Result<Self, String> {
        if bytes.is_empty() || !bytes.len().is_multiple_of(BLOCK) {
            return Err(format!("a bloom filter has {} bytes", bytes.len()));
        }
        Ok(Self(bytes))
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Whether a key of this hash may be there. If not, it is not.
    pub(super) fn may_contain(&self, hash: u64) -> bool {
        let block = &self.0[start(self.0.len() / BLOCK, hash)..][..BLOCK];
        masks(hash).zip(block.chunks_exact(4)).all(|(mask, word)| u32::from_le_bytes([word[0], word[1], word[2], word[3]]) & mask != 0)
    }
}

/// Where the block of a hash begins: its upper half decides.
fn start(blocks: usize, hash: u64) -> usize {
    (((hash >> 32) * blocks as u64) >> 32) as usize * BLOCK
}

/// One bit in each word: the lower half decides.
fn masks(hash: u64) -> impl Iterator<Item = u32> {
    SALT.iter().map(move |salt| 1 << ((hash as u32).wrapping_mul(*salt) >> 27))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(i: u64) -> u64 {
        let mut z = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn what_is_there_is_found_and_little_else() {
        for count in [0, 1, 25, 26, 10_000] {
            let filter = Bloom::build(count, (0..count).map(hash));
            let read = Bloom::read(filter.bytes().clone()).unwrap();
            assert!((0..count).all(|i| read.may_contain(hash(i))));
            let wrong = (1_000_000..1_020_000).filter(|i| read.may_contain(hash(*i))).count();
            assert!(wrong < 400, "{wrong} of 20,000 with {count} keys");
            assert!(filter.bytes().len() as u64 * 8 <= count * BITS_PER_KEY + 256);
        }
    }

    #[test]
    fn no_filter_has_part_of_a_block() {
        for len in [0, 1, 31, 33] {
            assert!(Bloom::read(vec![0; len].into()).is_err());
        }
    }
}
