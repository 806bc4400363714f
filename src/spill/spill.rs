//! A spill that was written: read by many at once, deleted with the last of them.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use memmap2::Mmap;

use super::backend::Stored;
use super::budget::Reservation;
use super::crypt::{CHUNK, Chunks, Cipher, TAG};
use super::memory::no_memory;
use super::reader::SpillReader;
use super::stats::Open;
use super::store::Node;
use crate::env::BoxFuture;
use crate::error::{Result, bail, err};

/// How many encrypted chunks are read at once.
const CHUNKS: u64 = 16;

/// One share of a spill. The last share (clones, readers and mappings are shares) deletes it and returns its bytes: at once, or in
/// the background where it is made of objects.
#[derive(Clone, Debug)]
pub struct Spill(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    node: Arc<Node>,
    stored: Box<dyn Stored>,
    /// `Some` until the spill ends.
    reservation: Option<Reservation>,
    len: u64,
    stored_bytes: u64,
    /// What it is encrypted with.
    cipher: Option<Cipher>,
    _open: Open,
}

impl Drop for Shared {
    fn drop(&mut self) {
        let reservation = self.reservation.take();
        if let Some(task) = self.stored.delete() {
            self.node.delete_later(task, reservation);
        }
    }
}

impl Spill {
    pub(super) fn new(node: Arc<Node>, stored: Box<dyn Stored>, reservation: Reservation, len: u64, cipher: Option<Cipher>) -> Self {
        let stored_bytes = reservation.bytes();
        let open = node.stats.spill();
        Self(Arc::new(Shared { node, stored, reservation: Some(reservation), len, stored_bytes, cipher, _open: open }))
    }

    /// Its bytes, as they were written.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// Its bytes as they are stored and counted: more than [`Spill::len`] if it is encrypted.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.0.stored_bytes
    }

    /// Whether reading completes at its first poll, its work done on the polling thread.
    #[must_use]
    pub fn is_blocking(&self) -> bool {
        self.0.node.core.backend.is_blocking()
    }

    /// Runs what reads ahead of a reader in the background.
    pub(super) fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.node.core.env.spawn.spawn(task, false);
    }

    /// Reads from `offset` into `out` and says how much: less than `out` only at the end of the spill.
    pub async fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<usize> {
        let left = usize::try_from(self.0.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = out.len().min(left);
        if wanted == 0 {
            return Ok(0);
        }
        let clock = &self.0.node.core.env.clock;
        let start = clock.now();
        match &self.0.cipher {
            None => self.0.stored.read_exact_at(offset, &mut out[..wanted]).await?,
            Some(cipher) => self.decrypt_at(cipher, offset, &mut out[..wanted]).await?,
        }
        self.0.node.stats.read(wanted as u64, clock.now().saturating_sub(start));
        Ok(wanted)
    }

    /// Reads exactly the bytes from `offset`, which are within the spill.
    async fn decrypt_at(&self, cipher: &Cipher, offset: u64, out: &mut [u8]) -> Result<()> {
        let chunks = Chunks::of(self.0.len);
        let mut sealed = Vec::new();
        let mut done = 0;
        while done < out.len() {
            let at = offset + done as u64;
            let (first, bytes) = chunks.around(at, out.len() - done, CHUNKS);
            sealed.try_reserve(bytes.saturating_sub(sealed.len())).map_err(|_| no_memory(bytes as u64))?;
            sealed.resize(bytes, 0);
            self.0.stored.read_exact_at(first * (CHUNK + TAG) as u64, &mut sealed).await?;
            match chunks.open(cipher, first, &mut sealed, at, &mut out[done..])? {
                0 => bail!(Internal, "no bytes at {at} of an encrypted spill of {}", self.0.len),
                read => done += read,
            }
        }
        Ok(())
    }

    /// Reads it from its beginning.
    #[must_use]
    pub fn reader(&self) -> SpillReader {
        SpillReader::new(self.clone())
    }

    /// All its bytes without copying: a file is mapped. `UNSUPPORTED` for encrypted spills and for objects.
    pub fn map(&self) -> Result<MappedBytes> {
        if self.0.cipher.is_some() {
            bail!(Unsupported, "an encrypted spill cannot be mapped: read it instead");
        }
        let bytes = if self.0.len == 0 { Mapping::Memory(Bytes::new()) } else { self.0.stored.map()? };
        if bytes.as_ref().len() as u64 != self.0.len {
            return Err(err!(Corruption, "the spill had {} bytes and now has {}", self.0.len, bytes.as_ref().len()));
        }
        Ok(MappedBytes(Arc::new((bytes, self.clone()))))
    }
}

/// Bytes that a backend shows without copying.
pub(super) enum Mapping {
    File(Mmap),
    Memory(Bytes),
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::File(map) => map,
            Self::Memory(bytes) => bytes,
        }
    }
}

/// The bytes of a spill in memory. A share of the spill: it lives as long as this.
#[derive(Clone)]
pub struct MappedBytes(Arc<(Mapping, Spill)>);

impl Deref for MappedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.0.as_ref()
    }
}

impl AsRef<[u8]> for MappedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for MappedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedBytes").field("len", &self.len()).finish_non_exhaustive()
    }
}
