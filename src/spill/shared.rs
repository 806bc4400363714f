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
        let Ok(mut slot) = self.0.slot.try_lock() else { return Ok(false) };
        let Slot::Bytes(writer) = &mut *slot else { return Ok(false) };
        if self.0.aborted.load(Ordering::SeqCst) || !writer.buffer(bytes)? {
            return Ok(false);
        }
        self.0.len.store(writer.len(), Ordering::Release);
        drop(slot);
        self.0.hear_abort();
        Ok(true)
    }

    /// Takes a place in the queue, now.
    #[must_use]
    pub fn queue(&self) -> Turn {
        Turn { inner: Arc::clone(&self.0), place: Queued::new(&self.0.slot) }
    }

    /// Waits for its turn.
    ///
    /// # Errors
    /// `Closed` if the writer was finished, aborted or given up; the error that ended it.
    pub async fn turn(&self) -> Result<Lease> {
        let guard = Arc::clone(&self.0.slot).lock_owned().await;
        Lease::new(Arc::clone(&self.0), guard)
    }

    /// Deletes what was written. A call that is under way may go on until it is done, and then it is deleted.
    pub fn abort(&self) {
        self.0.aborted.store(true, Ordering::SeqCst);
        self.0.hear_abort();
    }
}

impl Inner {
    /// Ends an aborted writer, unless a call is under way: that ends it when it is done.
    fn hear_abort(&self) {
        if self.aborted.load(Ordering::SeqCst)
            && let Ok(mut slot) = self.slot.try_lock()
        {
            slot.end(aborted);
        }
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
#[derive(Debug)]
pub struct Turn {
    inner: Arc<Inner>,
    place: Queued<Slot>,
}

impl Turn {
    /// Waits until those before it are done.
    ///
    /// # Errors
    /// As [`SharedWriter::turn`].
    pub async fn wait(self) -> Result<Lease> {
        let guard = self.place.wait().await;
        Lease::new(self.inner, guard)
    }
}

/// The writer, for one call alone.
pub struct Lease {
    inner: Arc<Inner>,
    /// Taken when it is dropped only.
    guard: Option<OwnedMutexGuard<Slot>>,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

impl Lease {
    fn new(inner: Arc<Inner>, guard: OwnedMutexGuard<Slot>) -> Result<Self> {
        let mut lease = Self { inner, guard: Some(guard) };
        lease.slot()?;
        Ok(lease)
    }

    fn slot(&mut self) -> Result<&mut Slot> {
        let slot = self.guard.as_deref_mut().ok_or_else(|| err!(Internal, "the lease of a spill's writer was used after its end"))?;
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
        if let Some(slot) = self.guard.as_deref_mut() {
            *slot = Slot::Gone(match &finished {
                Ok(_) => err!(Closed, "the spill is finished already"),
                Err(error) => error.clone(),
            });
        }
        finished
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.guard.take());
        // An abort that came meanwhile could not end the writer itself.
        self.inner.hear_abort();
    }
}
