//! Reading a spill from front to back.

use super::memory::no_memory;
use super::spill::Spill;
use crate::error::Result;

/// How much is read at once for reads that are smaller.
const AHEAD: usize = 64 << 10;

/// A position in a spill, with read-ahead for small reads. A share of the spill.
#[derive(Debug)]
pub struct SpillReader {
    spill: Spill,
    position: u64,
    /// Bytes read ahead: those of the spill from `start`.
    ahead: Vec<u8>,
    start: u64,
}

impl SpillReader {
    pub(super) fn new(spill: Spill) -> Self {
        Self { spill, position: 0, ahead: Vec::new(), start: 0 }
    }

    /// Where the next read begins.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Sets where the next read begins; beyond the end, reads give nothing.
    pub fn seek(&mut self, position: u64) {
        self.position = position;
    }

    /// Reads into `out` and says how much: less than `out` only at the end of the spill. After an error the position is where it
    /// was.
    pub async fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let mut done = self.take_ahead(self.position, out);
        if done < out.len() {
            let position = self.position.saturating_add(done as u64);
            let rest = &mut out[done..];
            done += if rest.len() >= AHEAD {
                self.spill.read_at(position, rest).await?
            } else {
                self.fetch(position).await?;
                self.take_ahead(position, rest)
            };
        }
        self.position += done as u64;
        Ok(done)
    }

    /// Copies what was read ahead of what lies at `position`.
    fn take_ahead(&self, position: u64, out: &mut [u8]) -> usize {
        let offset = position.checked_sub(self.start).and_then(|offset| usize::try_from(offset).ok());
        let Some(ahead) = offset.and_then(|offset| self.ahead.get(offset..)) else { return 0 };
        let len = ahead.len().min(out.len());
        out[..len].copy_from_slice(&ahead[..len]);
        len
    }

    async fn fetch(&mut self, position: u64) -> Result<()> {
        let left = self.spill.len().saturating_sub(position);
        let wanted = usize::try_from(left).unwrap_or(AHEAD).min(AHEAD);
        let mut ahead = std::mem::take(&mut self.ahead);
        ahead.clear();
        ahead.try_reserve(wanted).map_err(|_| no_memory(wanted as u64))?;
        ahead.resize(wanted, 0);
        let read = self.spill.read_at(position, &mut ahead).await?;
        ahead.truncate(read);
        self.ahead = ahead;
        self.start = position;
        Ok(())
    }
}
