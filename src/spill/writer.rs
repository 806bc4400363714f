//! Writing a spill.

use std::io::IoSlice;
use std::sync::Arc;

use super::backend::Sink;
use super::budget::Reservation;
use super::config::SpillOptions;
use super::memory::no_memory;
use super::spill::Spill;
use super::stats::Open as OpenWriter;
use super::store::Node;
use crate::error::{Error, Result, bail, err};

/// Writes one spill, from its first byte to its last.
///
/// Guarantees: bytes are reserved when they are accepted, so that [`SpillWriter::finish`] never meets a cap; a refused or cancelled
/// write has taken nothing, and the writer goes on; an I/O error deletes the partial spill, returns its bytes, and is the
/// answer of every later call. Dropping an unfinished writer aborts it.
#[derive(Debug)]
pub struct SpillWriter {
    node: Arc<Node>,
    state: State,
    /// Bytes accepted.
    len: u64,
    _open: OpenWriter,
}

#[derive(Debug)]
enum State {
    Open(Active),
    Failed(Error),
}

#[derive(Debug)]
struct Active {
    sink: Box<dyn Sink>,
    reservation: Reservation,
    /// Accepted and not yet in the sink.
    buffer: Vec<u8>,
    /// How far the buffer may grow.
    capacity: usize,
}

impl SpillWriter {
    pub(super) fn begin(node: Arc<Node>, options: SpillOptions) -> Result<Self> {
        if options.encrypt {
            bail!(Unsupported, "this build of weir has no encryption (feature `encryption`)");
        }
        let sink = node.core.backend.begin(node.memory.as_ref());
        let active = Active { sink, reservation: node.budget.reserve(0)?, buffer: Vec::new(), capacity: node.core.buffer_bytes };
        Ok(Self { _open: node.stats.writer(), node, state: State::Open(active), len: 0 })
    }

    /// The bytes accepted so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was accepted yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Accepts `data` if that needs neither I/O nor waiting; `false` says that it does, and that nothing was taken.
    #[inline]
    pub fn buffer(&mut self, data: &[u8]) -> Result<bool> {
        let active = match &mut self.state {
            State::Open(active) => active,
            State::Failed(error) => return Err(error.clone()),
        };
        if active.sink.is_memory() {
            self.accept(&[IoSlice::new(data)], data.len() as u64)?;
            return Ok(true);
        }
        if data.len() > active.capacity - active.buffer.len() || active.sink.is_pending() {
            return Ok(false);
        }
        reserve_memory(&mut active.buffer, data.len())?;
        let bytes = data.len() as u64;
        active.reservation.grow(bytes).inspect_err(|error| self.node.stats.refused(error))?;
        if !active.sink.admit_now(bytes) {
            active.reservation.shrink(bytes);
            return Ok(false);
        }
        active.buffer.extend_from_slice(data);
        self.len += bytes;
        Ok(true)
    }

    /// Writes all of `data`, or nothing.
    pub async fn write(&mut self, data: &[u8]) -> Result<()> {
        if self.buffer(data)? {
            return Ok(());
        }
        self.settle().await?;
        self.accept(&[IoSlice::new(data)], data.len() as u64)
    }

    /// Writes all of `parts`, one after the other, or nothing.
    pub async fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<()> {
        let bytes = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.len() as u64));
        let bytes = bytes.ok_or_else(|| err!(InvalidArgument, "the parts of a write sum to more than a file can have"))?;
        self.settle().await?;
        self.accept(parts, bytes)
    }

    /// Ends writing: what was accepted is the spill. An error is one of I/O, and leaves nothing.
    pub async fn finish(mut self) -> Result<Spill> {
        self.settle().await?;
        self.flush()?;
        let stored = match &mut self.state {
            State::Open(active) => active.sink.finish().await,
            State::Failed(error) => Err(error.clone()),
        };
        let stored = stored.or_else(|error| self.fail(error))?;
        let State::Open(active) = std::mem::replace(&mut self.state, State::Failed(finished())) else {
            return Err(finished());
        };
        Ok(Spill::new(self.node.clone(), stored, active.reservation, self.len))
    }

    /// Deletes what was written and returns its bytes, as dropping the writer does.
    pub fn abort(self) {}

    /// Waits for what must be done before more is accepted.
    async fn settle(&mut self) -> Result<()> {
        let State::Open(active) = &mut self.state else { return self.failed() };
        if !active.sink.is_pending() {
            return Ok(());
        }
        match active.sink.settle().await {
            // Nothing was lost: the next call tries again.
            Err(error) if active.reservation.bytes() == 0 => Err(error),
            Err(error) => self.fail(error),
            Ok(()) => Ok(()),
        }
    }

    /// Takes `parts`, `bytes` in all, if cap and disk allow it.
    fn accept(&mut self, parts: &[IoSlice<'_>], bytes: u64) -> Result<()> {
        let State::Open(active) = &mut self.state else { return self.failed() };
        let fits = usize::try_from(bytes).is_ok_and(|bytes| bytes <= active.capacity - active.buffer.len());
        let buffered = fits && !active.sink.is_memory();
        if buffered {
            reserve_memory(&mut active.buffer, bytes as usize)?;
        }
        admit(active, bytes).inspect_err(|error| self.node.stats.refused(error))?;
        self.len += bytes;
        if buffered {
            parts.iter().for_each(|part| active.buffer.extend_from_slice(part));
            return Ok(());
        }
        self.write_through(parts)
    }

    /// Has the sink write what is buffered and then `parts`, without copying them together.
    fn write_through(&mut self, parts: &[IoSlice<'_>]) -> Result<()> {
        let State::Open(active) = &mut self.state else { return self.failed() };
        let buffered = IoSlice::new(&active.buffer);
        let bytes = buffered.len() as u64 + parts.iter().map(|part| part.len() as u64).sum::<u64>();
        if bytes == 0 {
            return Ok(());
        }
        let clock = (!active.sink.is_memory()).then_some(&self.node.core.env.clock);
        let start = clock.map(|clock| clock.now());
        let written = match parts {
            [] => active.sink.write(&mut [buffered], bytes),
            [part] if buffered.is_empty() => active.sink.write(&mut [IoSlice::new(part)], bytes),
            [part] => active.sink.write(&mut [buffered, IoSlice::new(part)], bytes),
            parts => {
                let mut all: Vec<IoSlice<'_>> = Vec::with_capacity(1 + parts.len());
                all.extend(std::iter::once(&buffered).chain(parts).filter(|part| !part.is_empty()).map(|part| IoSlice::new(part)));
                active.sink.write(&mut all, bytes)
            }
        };
        if let Err(error) = written {
            return self.fail(error);
        }
        active.buffer.clear();
        let time = clock.zip(start).map(|(clock, start)| clock.now().saturating_sub(start)).unwrap_or_default();
        self.node.stats.wrote(bytes, time);
        Ok(())
    }

    /// Empties the buffer into the sink.
    fn flush(&mut self) -> Result<()> {
        self.write_through(&[])
    }

    fn failed<T>(&self) -> Result<T> {
        match &self.state {
            State::Failed(error) => Err(error.clone()),
            State::Open(_) => Err(err!(Internal, "an open spill writer says that it failed")),
        }
    }

    /// Ends the writer with `error`: what it wrote is deleted, what it took returns.
    #[cold]
    fn fail<T>(&mut self, error: Error) -> Result<T> {
        self.discard(error.clone());
        Err(error)
    }

    fn discard(&mut self, reason: Error) {
        if let State::Open(mut active) = std::mem::replace(&mut self.state, State::Failed(reason))
            && let Some(task) = active.sink.discard()
        {
            let reservation = active.reservation;
            self.node.core.delete_later(Box::pin(async move {
                task.await;
                drop(reservation);
            }));
        }
    }
}

impl Drop for SpillWriter {
    fn drop(&mut self) {
        if let State::Open(_) = self.state {
            self.discard(finished());
        }
    }
}

/// Reserves `bytes` in the budget and has the sink agree, or takes nothing.
fn admit(active: &mut Active, bytes: u64) -> Result<()> {
    active.reservation.grow(bytes)?;
    if active.sink.admit_now(bytes) {
        return Ok(());
    }
    active.sink.admit(bytes).inspect_err(|_| active.reservation.shrink(bytes))
}

#[inline]
fn reserve_memory(buffer: &mut Vec<u8>, bytes: usize) -> Result<()> {
    buffer.try_reserve(bytes).map_err(|_| no_memory(bytes as u64))
}

#[cold]
fn finished() -> Error {
    err!(Closed, "the spill writer is finished or aborted")
}
