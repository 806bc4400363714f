//! What a place for spilled data must do.

use std::fmt::Debug;
use std::io::IoSlice;
use std::sync::Arc;

use super::budget::Budget;
use super::spill::Mapping;
use crate::env::BoxFuture;
use crate::error::Result;

/// A place for spilled data.
pub(super) trait Backend: Send + Sync + Debug {
    /// A sink for one spill. Does no I/O. `memory` is what memory the spill's store may use, where that is limited.
    fn begin(&self, memory: Option<&Arc<Budget>>) -> Box<dyn Sink>;
    /// Whether every future completes at its first poll, its work done on the polling thread.
    fn is_blocking(&self) -> bool;
    /// Gives up the place that it keeps for spills to come, which then goes with the last spill in it. Another is made if one comes all the
    /// same.
    fn retire(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// One spill while it is written.
///
/// Whatever waits, waits in [`Sink::settle`], before bytes are accepted; a cancelled wait has accepted nothing.
pub(super) trait Sink: Send + Debug {
    /// Whether [`Sink::settle`] has something to do before more is accepted.
    fn is_pending(&self) -> bool {
        false
    }

    /// Does what must be waited for.
    fn settle(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether `bytes` more, which the budget granted, may be accepted without asking the system; `false` if that is not known.
    fn admit_now(&mut self, bytes: u64) -> bool;

    /// Whether `bytes` more may be accepted; may ask the system. An error takes nothing and is not final.
    fn admit(&mut self, bytes: u64) -> Result<()> {
        let _ = bytes;
        Ok(())
    }

    /// Whether [`Sink::write`] is nothing but a copy in memory: then nothing need be collected before it.
    fn is_memory(&self) -> bool {
        false
    }

    /// Whether the last [`Sink::admit`] left something for [`Sink::write`] to do at once, be it of no bytes.
    fn is_moving(&self) -> bool {
        false
    }

    /// Takes the bytes of all `parts`, `bytes` in all, which were admitted. An error is final; the caller then discards.
    fn write(&mut self, parts: &mut [IoSlice<'_>], bytes: u64) -> Result<()>;

    /// Ends writing. Afterwards, and after an error, the sink holds nothing or can still be discarded.
    fn finish(&mut self) -> BoxFuture<'_, Result<Box<dyn Stored>>>;

    /// Deletes what was written: at once, or by the future, which then wants to be run.
    fn discard(&mut self) -> Option<BoxFuture<'static, Result<()>>>;
}

/// One spill that was written.
pub(super) trait Stored: Send + Sync + Debug {
    /// Reads exactly the bytes from `offset`. The caller stays within what was written.
    fn read_exact_at<'a>(&'a self, offset: u64, out: &'a mut [u8]) -> BoxFuture<'a, Result<()>>;

    /// All bytes in memory, without copying.
    fn map(&self) -> Result<Mapping>;

    /// Deletes it: at once, or by the future, which then wants to be run.
    fn delete(&mut self) -> Option<BoxFuture<'static, Result<()>>>;
}
