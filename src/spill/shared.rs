//! A spill writer that any thread may use: calls take turns, in the order in which they came.
//!
//! Guarantees:
//!
//! 1. Nothing interleaves: a call has the writer to itself from its first byte to its last.
//! 2. A write that is given up (its future is dropped while it waits, for its turn or for an object store) has written nothing. A
//!    finish that is given up aborts the spill.
//! 3. An abort is heard at once: the call under way is its last, and those that wait are refused.
//! 4. What fits into the writer's buffer needs no future, no queue and no allocation.

use std::fmt;
use std::io::IoSlice;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow_array::RecordBatch;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::turns::Queued;
use super::{BatchSpill, BatchSpillWriter, Spill, SpillWriter};
use crate::error::{Error, Result, bail, err};

/// See the module's documentation. Clones are the same writer.
#[derive(Clone)]
pub struct SharedWriter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    slot: Arc<Mutex<Slot>>,
    aborted: AtomicBool,
    /// What the writer took so far.
    len: AtomicU64,
}

#[derive(Debug)]
enum Slot {
    Bytes(SpillWriter),
    Batches(BatchSpillWriter),
    /// Why there is no writer any more.
    Gone(Error),
}

/// What a writer became.
#[derive(Debug)]
pub enum Finished {
    /// A spill of bytes.
    Bytes(Spill),
    /// A spill of batches.
    Batches(BatchSpill),
}

impl fmt::Debug for SharedWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedWriter").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl From<SpillWriter> for SharedWriter {
    fn from(writer: SpillWriter) -> Self {
        Self::new(Slot::Bytes(writer))
    }
}

impl From<BatchSpillWriter> for SharedWriter {
    fn from(writer: BatchSpillWriter) -> Self {
        Self::new(Slot::Batches(writer))
    }
}

impl SharedWriter {
    fn new(slot: Slot) -> Self {
        Self(Arc::new(Inner { slot: Arc::new(Mutex::new(slot)), aborted: AtomicBool::new(false), len: AtomicU64::new(0) }))
    }

    /// How many bytes were taken so far, also after the end.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len.load(Ordering::Acquire)
    }

    /// Whether none were.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes `bytes` if nobody else writes and they fit into the buffer; `false` if not, and then nothing was done.
    ///
    /// # Errors
    /// Those of [`SpillWriter::buffer`].
    pub fn buffer(&self, bytes: &[u8]) -> Result<bool> {
        let buffered = self.0.buffer(bytes);
        // Whatever came of it: an abort that came meanwhile met the lock.
        self.0.hear_abort();
        buffered
    }

    /// Takes a place in the queue, now.
    #[must_use]
    pub fn queue(&self) -> Turn {
        Turn { place: Queued::new(&self.0.slot), inner: Hearing(Arc::clone(&self.0)) }
    }

    /// Waits for its turn.
    ///
    /// # Errors
    /// `Closed` if the writer was finished, aborted or given up; the error that ended it.
    pub async fn turn(&self) -> Result<Lease> {
        let inner = Hearing(Arc::clone(&self.0));
        let guard = Arc::clone(&inner.slot).lock_owned().await;
        Lease::new(inner, guard)
    }

    /// Deletes what was written. A call that is under way may go on until it is done, and then it is deleted.
    pub fn abort(&self) {
        self.0.aborted.store(true, Ordering::SeqCst);
        self.0.hear_abort();
    }
}

impl Inner {
    fn buffer(&self, bytes: &[u8]) -> Result<bool> {
        let Ok(mut slot) = self.slot.try_lock() else { return Ok(false) };
        let Slot::Bytes(writer) = &mut *slot else { return Ok(false) };
        if self.aborted.load(Ordering::SeqCst) || !writer.buffer(bytes)? {
            return Ok(false);
        }
        self.len.store(writer.len(), Ordering::Release);
        Ok(true)
    }

    /// Ends an aborted writer, unless a call is under way: that ends it when it is done.
    fn hear_abort(&self) {
        if self.aborted.load(Ordering::SeqCst)
            && let Ok(mut slot) = self.slot.try_lock()
        {
            slot.end(aborted);
        }
    }
}

/// The writer for those who hold its lock or wait for it. An abort that comes meanwhile cannot end the writer itself, so their end
/// does, whatever it is; they declare it behind what they hold.
struct Hearing(Arc<Inner>);

impl Deref for Hearing {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.hear_abort();
    }
}

impl Slot {
    fn end(&mut self, why: impl FnOnce() -> Error) {
        if !matches!(self, Self::Gone(_)) {
            *self = Self::Gone(why());
        }
    }
}

#[cold]
fn aborted() -> Error {
    err!(Closed, "the spill was aborted")
}

#[cold]
fn given_up() -> Error {
    err!(Closed, "the spill was aborted, as its finish was given up before it was done")
}

/// A place in the queue. Dropping it leaves the queue.
pub struct Turn {
    place: Queued<Slot>,
    // Last: it hears what came while there was a place.
    inner: Hearing,
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Turn {
    /// Waits until those before it are done.
    ///
    /// # Errors
    /// As [`SharedWriter::turn`].
    pub async fn wait(self) -> Result<Lease> {
        let Self { place, inner } = self;
        let guard = place.wait().await;
        Lease::new(inner, guard)
    }
}

/// The writer, for one call alone.
pub struct Lease {
    guard: OwnedMutexGuard<Slot>,
    // Last: it hears what came while there was a lock.
    inner: Hearing,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

impl Lease {
    fn new(inner: Hearing, guard: OwnedMutexGuard<Slot>) -> Result<Self> {
        let mut lease = Self { guard, inner };
        lease.slot()?;
        Ok(lease)
    }

    fn slot(&mut self) -> Result<&mut Slot> {
        let slot = &mut *self.guard;
        if self.inner.aborted.load(Ordering::SeqCst) {
            slot.end(aborted);
        }
        match slot {
            Slot::Gone(why) => Err(why.clone()),
            slot => Ok(slot),
        }
    }

    fn bytes(&mut self) -> Result<&mut SpillWriter> {
        match self.slot()? {
            Slot::Bytes(writer) => Ok(writer),
            _ => bail!(InvalidArgument, "the spill takes batches: write batches, not bytes"),
        }
    }

    fn batches(&mut self) -> Result<&mut BatchSpillWriter> {
        match self.slot()? {
            Slot::Batches(writer) => Ok(writer),
            _ => bail!(InvalidArgument, "the spill takes bytes: write bytes, not batches"),
        }
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// `InvalidArgument` if it is a writer of batches; those of [`SpillWriter::write`]; `Closed` once the spill was aborted.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let writer = self.bytes()?;
        writer.write(bytes).await?;
        let len = writer.len();
        self.inner.len.store(len, Ordering::Release);
        Ok(())
    }

    /// Writes bytes that lie in several places.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<()> {
        let writer = self.bytes()?;
        writer.write_vectored(parts).await?;
        let len = writer.len();
        self.inner.len.store(len, Ordering::Release);
        Ok(())
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// `InvalidArgument` if it is a writer of bytes; those of [`BatchSpillWriter::write`]; `Closed` once the spill was aborted.
    pub async fn write_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let writer = self.batches()?;
        writer.write(batch).await?;
        let len = writer.len();
        self.inner.len.store(len, Ordering::Release);
        Ok(())
    }

    /// Ends the spill and makes it readable. The writer is closed afterwards, whatever comes of it.
    ///
    /// # Errors
    /// Those of [`SpillWriter::finish`], which every later call gets too.
    pub async fn finish(mut self) -> Result<Finished> {
        let slot = std::mem::replace(self.slot()?, Slot::Gone(given_up()));
        let finished = match slot {
            Slot::Bytes(writer) => writer.finish().await.map(Finished::Bytes),
            Slot::Batches(writer) => writer.finish().await.map(Finished::Batches),
            Slot::Gone(why) => Err(why),
        };
        *self.guard = Slot::Gone(match &finished {
            Ok(_) => err!(Closed, "the spill is finished already"),
            Err(error) => error.clone(),
        });
        finished
    }
}
