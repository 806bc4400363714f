//! Reading a spill from front to back, ahead of who reads it.

use futures_util::future::{Either, select};
use tokio::sync::oneshot;

use super::memory::no_memory;
use super::spill::Spill;
use crate::error::Result;

/// How much is read at once for smaller reads of what is on this machine; its kernel reads ahead by itself.
const NEAR: usize = 64 << 10;
/// How much is read at once from an object store, where the next is fetched while this is read.
const FAR: usize = 1 << 20;

/// A position in a spill, with read-ahead. A share of the spill.
#[derive(Debug)]
pub struct SpillReader {
    spill: Spill,
    position: u64,
    block: Block,
    /// The block that is being fetched in the background, and where it begins.
    next: Option<(u64, oneshot::Receiver<Result<Block>>)>,
}

/// Bytes of a spill from `start` on.
#[derive(Debug, Default)]
struct Block {
    start: u64,
    bytes: Vec<u8>,
}

impl Block {
    /// Copies what it has of the bytes from `position`; says how much.
    fn copy(&self, position: u64, out: &mut [u8]) -> usize {
        let offset = position.checked_sub(self.start).and_then(|offset| usize::try_from(offset).ok());
        let from = offset.and_then(|offset| self.bytes.get(offset..)).unwrap_or_default();
        let len = from.len().min(out.len());
        out[..len].copy_from_slice(&from[..len]);
        len
    }

    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl SpillReader {
    pub(super) fn new(spill: Spill) -> Self {
        Self { spill, position: 0, block: Block::default(), next: None }
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

    /// Reads into `out` and says how much: less than `out` only at the end of the spill. After an error or when cancelled, the
    /// position is where it was.
    pub async fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while done < out.len() {
            let position = self.position.saturating_add(done as u64);
            if position >= self.spill.len() {
                break;
            }
            let rest = &mut out[done..];
            done += match self.block.copy(position, rest) {
                0 if self.spill.is_blocking() && rest.len() >= NEAR => self.spill.read_at(position, rest).await?,
                0 => {
                    self.fetch(position).await?;
                    continue;
                }
                copied => copied,
            };
        }
        self.position += done as u64;
        Ok(done)
    }

    /// Makes the block that begins at `position` the current one.
    async fn fetch(&mut self, position: u64) -> Result<()> {
        if self.spill.is_blocking() {
            let bytes = std::mem::take(&mut self.block.bytes);
            self.block = fetch(&self.spill, position, NEAR, bytes).await?;
            return Ok(());
        }
        let fetched = match &mut self.next {
            // No answer: the background work was dropped.
            Some((start, block)) if *start == position => block.await.ok(),
            _ => None,
        };
        self.next = None;
        self.block = match fetched {
            Some(block) => block?,
            None => fetch(&self.spill, position, FAR, Vec::new()).await?,
        };
        self.fetch_next();
        Ok(())
    }

    /// Begins to fetch what follows the current block. Ends when the reader does.
    fn fetch_next(&mut self) {
        let start = self.block.end();
        if start >= self.spill.len() {
            return;
        }
        let (mut sender, receiver) = oneshot::channel();
        let spill = self.spill.clone();
        self.spill.spawn(Box::pin(async move {
            let fetched = {
                let fetch = std::pin::pin!(fetch(&spill, start, FAR, Vec::new()));
                let gone = std::pin::pin!(sender.closed());
                match select(fetch, gone).await {
                    Either::Left((fetched, _)) => fetched,
                    Either::Right(_) => return,
                }
            };
            // The spill's share first: who has the answer may end the spill.
            drop(spill);
            let _ = sender.send(fetched);
        }));
        self.next = Some((start, receiver));
    }
}

/// Reads at most `most` bytes from `start` into `bytes`.
async fn fetch(spill: &Spill, start: u64, most: usize, mut bytes: Vec<u8>) -> Result<Block> {
    let left = spill.len().saturating_sub(start);
    let wanted = usize::try_from(left).unwrap_or(most).min(most);
    bytes.clear();
    bytes.try_reserve_exact(wanted).map_err(|_| no_memory(wanted as u64))?;
    bytes.resize(wanted, 0);
    let read = spill.read_at(start, &mut bytes).await?;
    bytes.truncate(read);
    Ok(Block { start, bytes })
}
