//! The floor under a disk's free space.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::ops::Space;
use crate::error::{Error, Result, err};
use crate::store::local::io_error;

/// After a look at the disk, so much is accepted before the next, at most.
const GRANT: u64 = 4 << 20;
/// And no more than this share of the room that is left, so that near the floor every write looks.
const CAUTION: u64 = 16;
/// The default floor: 5 % of the file system or 1 GiB, whichever is less.
const DEFAULT_SHARE: u64 = 20;
const DEFAULT_MOST: u64 = 1 << 30;

/// Keeps bytes free on a disk that others fill, too. Asking the disk is amortised over many writes.
#[derive(Debug)]
pub(super) struct Floor {
    /// `None`: the default; 0: no floor.
    bytes: Option<u64>,
    /// What may be accepted before the disk is asked again.
    allowance: AtomicU64,
    asking: Mutex<()>,
}

impl Floor {
    pub fn new(bytes: Option<u64>) -> Self {
        Self { bytes, allowance: AtomicU64::new(0), asking: Mutex::new(()) }
    }

    /// Accepts `bytes` if the last look at the disk allows it.
    #[inline]
    pub fn admit_now(&self, bytes: u64) -> bool {
        let take = |allowance: u64| allowance.checked_sub(bytes);
        self.bytes == Some(0) || self.allowance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// Accepts `bytes` or says why not. `unwritten` is what was accepted, these bytes included, and is not on the disk yet.
    pub fn admit(&self, bytes: u64, unwritten: impl FnOnce() -> u64, ask: impl FnOnce() -> io::Result<Space>) -> Result<()> {
        let _one = self.asking.lock();
        if self.admit_now(bytes) {
            return Ok(());
        }
        let space = ask().map_err(|e| io_error("cannot find out how much space is free for spilled data", e))?;
        let floor = self.bytes.unwrap_or((space.total / DEFAULT_SHARE).min(DEFAULT_MOST));
        let Some(room) = space.available.checked_sub(floor).and_then(|room| room.checked_sub(unwritten().max(bytes))) else {
            self.allowance.store(0, Ordering::Relaxed);
            return Err(refusal(space.available, floor, bytes));
        };
        self.allowance.store((room / CAUTION).min(GRANT), Ordering::Relaxed);
        Ok(())
    }
}

#[cold]
fn refusal(free: u64, floor: u64, requested: u64) -> Error {
    err!(
        StorageFull,
        "the disk for spilled data has {free} bytes free, and {floor} are to stay free: {requested} more bytes cannot be accepted"
    )
    .with_u64("free_bytes", free)
    .with_u64("floor_bytes", floor)
    .with_u64("requested_bytes", requested)
}
