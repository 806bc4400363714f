//! Encryption of spilled data where it lies.
//!
//! AES-256-GCM over chunks of 64 KiB. Each spill has a random key of its own, which never leaves the process's memory and is
//! wiped when the spill ends: what a dead process leaves on a disk cannot be read by anybody. A chunk's nonce is its number and
//! its last-chunk flag is authenticated, so that chunks that are changed, moved or missing are found when they are read.

use crate::error::Result;

/// What is encrypted at once.
pub(super) const CHUNK: usize = 64 << 10;
/// What each chunk grows by.
pub(super) const TAG: usize = 16;

/// The bytes that `plain` bytes take where they are stored; saturating, as a budget refuses what is so large.
pub(super) fn stored_len(plain: u64) -> u64 {
    plain.saturating_add(plain.div_ceil(CHUNK as u64).saturating_mul(TAG as u64))
}

#[cfg(feature = "encryption")]
pub(super) use with_library::Cipher;
#[cfg(not(feature = "encryption"))]
pub(super) use without_library::Cipher;

#[cfg(feature = "encryption")]
mod with_library {
    use std::fmt;

    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
    use zeroize::Zeroizing;

    use crate::error::{Result, bail, err};

    /// The key of one spill.
    pub(in super::super) struct Cipher(LessSafeKey);

    impl fmt::Debug for Cipher {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Cipher(…)")
        }
    }

    impl Cipher {
        /// A fresh key.
        pub fn new() -> Result<Self> {
            let mut key = Zeroizing::new([0_u8; 32]);
            aws_lc_rs::rand::fill(&mut *key).map_err(|_| err!(Internal, "the system gives no random numbers for a key"))?;
            let key = UnboundKey::new(&AES_256_GCM, &*key).map_err(|_| err!(Internal, "a key of the right size was refused"))?;
            Ok(Self(LessSafeKey::new(key)))
        }

        /// Encrypts a chunk in place and appends its tag.
        pub fn seal(&self, number: u64, last: bool, chunk: &mut Vec<u8>) -> Result<()> {
            let sealed = self.0.seal_in_place_append_tag(nonce(number), Aad::from([u8::from(last)]), chunk);
            sealed.map_err(|_| err!(Internal, "a chunk of {} bytes cannot be encrypted", chunk.len()))
        }

        /// Decrypts a chunk with its tag in place; what is left in front is as it was written.
        pub fn open<'a>(&self, number: u64, last: bool, sealed: &'a mut [u8]) -> Result<&'a [u8]> {
            match self.0.open_in_place(nonce(number), Aad::from([u8::from(last)]), sealed) {
                Ok(plain) => Ok(plain),
                Err(_) => bail!(Corruption, "chunk {number} of the encrypted spill is not what was written"),
            }
        }
    }

    /// A key seals each chunk once, so its number is a nonce that never comes again.
    fn nonce(number: u64) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[NONCE_LEN - 8..].copy_from_slice(&number.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

#[cfg(not(feature = "encryption"))]
mod without_library {
    use crate::error::{Result, bail};

    /// There is none.
    #[derive(Debug)]
    pub(in super::super) enum Cipher {}

    impl Cipher {
        pub fn new() -> Result<Self> {
            bail!(Unsupported, "this build of weir has no encryption (feature `encryption`)")
        }

        pub fn seal(&self, _number: u64, _last: bool, _chunk: &mut Vec<u8>) -> Result<()> {
            match *self {}
        }

        pub fn open<'a>(&self, _number: u64, _last: bool, _sealed: &'a mut [u8]) -> Result<&'a [u8]> {
            match *self {}
        }
    }
}

/// What a spill of `len` bytes consists of, by the numbers of its chunks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunks {
    len: u64,
}

impl Chunks {
    pub fn of(len: u64) -> Self {
        Self { len }
    }

    fn last(self) -> u64 {
        self.len.div_ceil(CHUNK as u64).saturating_sub(1)
    }

    /// The plain bytes of chunk `number`.
    fn plain(self, number: u64) -> usize {
        (self.len - number * CHUNK as u64).min(CHUNK as u64) as usize
    }

    /// The chunks that `wanted` bytes from `offset` lie in, at most `most` of them: the first, and how many bytes they take where
    /// they are stored. `offset` is within the spill.
    pub fn around(self, offset: u64, wanted: usize, most: u64) -> (u64, usize) {
        let first = offset / CHUNK as u64;
        let end = offset.saturating_add(wanted as u64).min(self.len).div_ceil(CHUNK as u64);
        let count = (end - first).clamp(1, most);
        let stored = (first..first + count).map(|number| self.plain(number) + TAG).sum();
        (first, stored)
    }

    /// Decrypts the stored chunks from `first` on and copies what of them lies from `offset` on to `out`; says how much.
    pub fn open(self, cipher: &Cipher, first: u64, stored: &mut [u8], offset: u64, out: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        for (number, sealed) in (first..).zip(stored.chunks_mut(CHUNK + TAG)) {
            let plain = cipher.open(number, number == self.last(), sealed)?;
            let skip = usize::try_from(offset.saturating_sub(number * CHUNK as u64)).unwrap_or(usize::MAX);
            let from = plain.get(skip..).unwrap_or_default();
            let to = &mut out[done..];
            let len = from.len().min(to.len());
            to[..len].copy_from_slice(&from[..len]);
            done += len;
        }
        Ok(done)
    }
}

#[cfg(all(test, feature = "encryption"))]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_is_changed_moved_or_cut_is_found() {
        let cipher = Cipher::new().unwrap();
        let mut sealed = b"scratch".to_vec();
        cipher.seal(3, false, &mut sealed).unwrap();
        assert_eq!(sealed.len(), 7 + TAG);
        assert_eq!(cipher.open(3, false, &mut sealed.clone()).unwrap(), b"scratch");
        let refused = |cipher: &Cipher, number, last, sealed: &[u8]| {
            assert_eq!(cipher.open(number, last, &mut sealed.to_vec()).unwrap_err().kind(), ErrorKind::Corruption);
        };
        refused(&cipher, 4, false, &sealed);
        refused(&cipher, 3, true, &sealed);
        refused(&Cipher::new().unwrap(), 3, false, &sealed);
        for cut in 0..sealed.len() {
            refused(&cipher, 3, false, &sealed[..cut]);
        }
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            refused(&cipher, 3, false, &flipped);
        }
    }

    #[test]
    fn stored_lengths() {
        let chunk = CHUNK as u64;
        for (plain, stored) in [(0, 0), (1, 17), (chunk, chunk + 16), (chunk + 1, chunk + 33), (3 * chunk, 3 * chunk + 48)] {
            assert_eq!(stored_len(plain), stored);
        }
        assert_eq!(stored_len(u64::MAX), u64::MAX);
    }
}
