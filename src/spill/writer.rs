//! Writing a spill.

use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use super::backend::Sink;
use super::budget::Reservation;
use super::config::SpillOptions;
use super::crypt::{CHUNK, Cipher, TAG, stored_len};
use super::memory::no_memory;
use super::spill::Spill;
use super::stats::Open as OpenWriter;
use super::store::Node;
use crate::error::{Error, ErrorKind, Result, err};

/// Writes one spill, from its first byte to its last.
///
/// Guarantees: bytes are reserved when they are accepted, so that [`SpillWriter::finish`] never meets a cap; a refused or cancelled
/// write has taken nothing, and the writer goes on; an I/O error deletes the partial spill, returns its bytes, and is the
/// answer of every later call. Dropping an unfinished writer aborts it. Errors of storage tell which it was: their detail `spill_lost`
/// is 1 if the spill is lost, 0 if the writer goes on.
///
/// What must not be done does not compile (PITFALLS S4). A spill is not read before it is finished:
///
/// ```compile_fail,E0599
/// async fn early(writer: weir::spill::SpillWriter) {
///     writer.read_at(0, &mut [0; 8]).await;
/// }
/// ```
///
/// And it is not written, finished or aborted after it is:
///
/// ```compile_fail,E0382
/// async fn late(mut writer: weir::spill::SpillWriter) {
///     let spill = writer.finish().await;
///     writer.write(b"more").await;
/// }
/// ```
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
    crypt: Option<Sealing>,
}

/// The encryption of a spill that is written. The buffer collects a chunk of it.
#[derive(Debug)]
struct Sealing {
    cipher: Cipher,
    /// The number of the chunk in the buffer.
    chunk: u64,
}

impl Active {
    /// Whether the sink takes bytes by a mere copy: then the buffer would be another.
    fn copies_at_once(&self) -> bool {
        self.crypt.is_none() && self.sink.is_memory()
    }

    /// What storing `bytes` after `len` takes.
    fn growth(&self, len: u64, bytes: u64) -> Result<u64> {
        match (&self.crypt, len.checked_add(bytes)) {
            (_, None) => Err(err!(InvalidArgument, "a spill of {len} bytes cannot grow by {bytes}")),
            (None, _) => Ok(bytes),
            (Some(_), Some(sum)) => Ok(stored_len(sum) - stored_len(len)),
        }
    }

    fn reserve_buffer(&mut self, bytes: usize) -> Result<()> {
        let more = if self.crypt.is_some() { bytes + TAG } else { bytes };
        self.buffer.try_reserve(more).map_err(|_| no_memory(more as u64))
    }

    /// Reserves `bytes` in the budget and has the sink agree, or takes nothing.
    fn admit(&mut self, bytes: u64) -> Result<()> {
        self.reservation.grow(bytes)?;
        if self.sink.admit_now(bytes) {
            return Ok(());
        }
        self.sink.admit(bytes).inspect_err(|_| self.reservation.shrink(bytes))
    }
}

impl SpillWriter {
    pub(super) fn begin(node: Arc<Node>, options: SpillOptions) -> Result<Self> {
        let crypt = if options.encrypt { Some(Sealing { cipher: Cipher::new()?, chunk: 0 }) } else { None };
        let capacity = if crypt.is_some() { CHUNK } else { node.core.buffer_bytes };
        let sink = node.core.backend.begin(node.memory.as_ref());
        let active = Active { sink, reservation: node.budget.hold(), buffer: Vec::new(), capacity, crypt };
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
    ///
    /// # Errors
    /// As [`SpillWriter::write`].
    #[inline]
    pub fn buffer(&mut self, data: &[u8]) -> Result<bool> {
        self.try_buffer(data).map_err(told)
    }

    #[inline]
    fn try_buffer(&mut self, data: &[u8]) -> Result<bool> {
        let active = match &mut self.state {
            State::Open(active) => active,
            State::Failed(error) => return Err(error.clone()),
        };
        if data.is_empty() {
            return Ok(true);
        }
        if active.sink.is_pending() {
            return Ok(false);
        }
        if active.copies_at_once() {
            self.accept(&[IoSlice::new(data)], data.len() as u64)?;
            return Ok(true);
        }
        if data.len() > active.capacity - active.buffer.len() {
            return Ok(false);
        }
        active.reserve_buffer(data.len())?;
        let bytes = active.growth(self.len, data.len() as u64)?;
        active.reservation.grow(bytes).inspect_err(|error| self.node.stats.refused(error))?;
        if !active.sink.admit_now(bytes) {
            active.reservation.shrink(bytes);
            return Ok(false);
        }
        active.buffer.extend_from_slice(data);
        self.len += data.len() as u64;
        Ok(true)
    }

    /// Writes all of `data`, or nothing.
    ///
    /// # Errors
    /// With `spill_lost` = 1 or as every later call's, what storage failed with. The writer goes on after all others: `DiskCapExceeded`,
    /// `StorageFull` for the floor of free space or for want of memory, and what its place could not be made or asked with.
    pub async fn write(&mut self, data: &[u8]) -> Result<()> {
        if self.buffer(data)? {
            return Ok(());
        }
        self.settle().await.map_err(told)?;
        self.accept(&[IoSlice::new(data)], data.len() as u64).map_err(told)
    }

    /// Writes all of `parts`, one after the other, or nothing.
    ///
    /// # Errors
    /// As [`SpillWriter::write`].
    pub async fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<()> {
        let bytes = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.len() as u64));
        let bytes = bytes.ok_or_else(|| err!(InvalidArgument, "the parts of a write sum to more than a file can have"))?;
        if bytes == 0 {
            return if matches!(self.state, State::Open(_)) { Ok(()) } else { self.failed() };
        }
        self.settle().await.map_err(told)?;
        self.accept(parts, bytes).map_err(told)
    }

    /// Ends writing: what was accepted is the spill. An error is one of I/O, and leaves nothing.
    pub async fn finish(mut self) -> Result<Spill> {
        self.flush()?;
        let start = self.node.core.env.clock.now();
        let stored = match &mut self.state {
            State::Open(active) => active.sink.finish().await,
            State::Failed(error) => Err(error.clone()),
        };
        let stored = stored.or_else(|error| self.fail(error))?;
        self.node.stats.wrote(0, self.since(start));
        let State::Open(active) = std::mem::replace(&mut self.state, State::Failed(finished())) else {
            return Err(finished());
        };
        let cipher = active.crypt.map(|sealing| sealing.cipher);
        Ok(Spill::new(self.node.clone(), stored, active.reservation, self.len, cipher))
    }

    /// Deletes what was written and returns its bytes, as dropping the writer does.
    pub fn abort(self) {}

    /// Waits for what must be done before more is accepted.
    async fn settle(&mut self) -> Result<()> {
        let State::Open(active) = &mut self.state else { return self.failed() };
        if !active.sink.is_pending() {
            return Ok(());
        }
        let start = self.node.core.env.clock.now();
        match active.sink.settle().await {
            // Nothing was lost: the next call tries again.
            Err(error) if active.reservation.bytes() == 0 => Err(error),
            Err(error) => self.fail(error),
            Ok(()) => {
                self.node.stats.wrote(0, self.since(start));
                Ok(())
            }
        }
    }

    /// Takes `parts`, `bytes` in all, if cap and disk allow it.
    fn accept(&mut self, parts: &[IoSlice<'_>], bytes: u64) -> Result<()> {
        let State::Open(active) = &mut self.state else { return self.failed() };
        let growth = active.growth(self.len, bytes)?;
        let fits = usize::try_from(bytes).is_ok_and(|bytes| bytes <= active.capacity - active.buffer.len());
        let buffered = fits && !active.copies_at_once();
        if buffered {
            active.reserve_buffer(bytes as usize)?;
        } else if active.crypt.is_some() {
            active.reserve_buffer(CHUNK - active.buffer.len())?;
        }
        active.admit(growth).inspect_err(|error| self.node.stats.refused(error))?;
        self.len += bytes;
        if buffered && active.sink.is_moving() {
            // Without the buffer: what is not collected yet may be of a chunk to be encrypted.
            let start = self.node.core.env.clock.now();
            if let Err(error) = active.sink.write(&mut [], 0) {
                return self.fail(error);
            }
            self.node.stats.wrote(0, self.since(start));
        }
        let State::Open(active) = &mut self.state else { return self.failed() };
        if buffered {
            parts.iter().for_each(|part| active.buffer.extend_from_slice(part));
            Ok(())
        } else if active.crypt.is_some() {
            parts.iter().try_for_each(|part| self.seal_through(part))
        } else {
            self.write_through(parts)
        }
    }

    /// Encrypts and writes whole chunks of what is buffered and `data`; the rest is buffered. A whole chunk stays until more
    /// follows, as it may be the last.
    fn seal_through(&mut self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            let State::Open(active) = &mut self.state else { return self.failed() };
            let room = CHUNK - active.buffer.len();
            if room == 0 {
                self.seal_chunk(false)?;
                continue;
            }
            let (now, later) = data.split_at(data.len().min(room));
            active.buffer.extend_from_slice(now);
            data = later;
        }
        Ok(())
    }

    /// Encrypts the chunk in the buffer and writes it.
    fn seal_chunk(&mut self, last: bool) -> Result<()> {
        let State::Open(active) = &mut self.state else { return self.failed() };
        let Some(sealing) = &mut active.crypt else { return Ok(()) };
        if let Err(error) = sealing.cipher.seal(sealing.chunk, last, &mut active.buffer) {
            return self.fail(error);
        }
        sealing.chunk += 1;
        self.write_through(&[])
    }

    /// Has the sink write what is buffered and then `parts`, without copying them together.
    fn write_through(&mut self, parts: &[IoSlice<'_>]) -> Result<()> {
        let State::Open(active) = &mut self.state else { return self.failed() };
        let buffered = IoSlice::new(&active.buffer);
        let bytes = buffered.len() as u64 + parts.iter().map(|part| part.len() as u64).sum::<u64>();
        if bytes == 0 {
            return Ok(());
        }
        // A copy in memory is not worth asking the time for.
        let start = (!active.sink.is_memory()).then(|| self.node.core.env.clock.now());
        let written = match parts {
            [] => active.sink.write(&mut [buffered], bytes),
            [part] if buffered.is_empty() => active.sink.write(&mut [IoSlice::new(part)], bytes),
            [part] => active.sink.write(&mut [buffered, IoSlice::new(part)], bytes),
            parts => {
                let all = std::iter::once(&buffered).chain(parts).filter(|part| !part.is_empty());
                active.sink.write(&mut all.map(|part| IoSlice::new(part)).collect::<Vec<_>>(), bytes)
            }
        };
        if let Err(error) = written {
            return self.fail(error);
        }
        active.buffer.clear();
        let time = start.map_or(Duration::ZERO, |start| self.since(start));
        self.node.stats.wrote(bytes, time);
        Ok(())
    }

    /// Empties the buffer into the sink, for good.
    fn flush(&mut self) -> Result<()> {
        let State::Open(active) = &self.state else { return self.failed() };
        match &active.crypt {
            Some(_) if active.buffer.is_empty() => Ok(()),
            Some(_) => self.seal_chunk(true),
            None => self.write_through(&[]),
        }
    }

    fn since(&self, start: Duration) -> Duration {
        self.node.core.env.clock.now().saturating_sub(start)
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
        let error = error.with_u64("spill_lost", 1);
        self.discard(error.clone());
        Err(error)
    }

    fn discard(&mut self, reason: Error) {
        if let State::Open(mut active) = std::mem::replace(&mut self.state, State::Failed(reason))
            && let Some(task) = active.sink.discard()
        {
            self.node.delete_later(task, Some(active.reservation));
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

/// The same error, which tells whether the spill is lost if it is one of storage.
#[cold]
fn told(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Storage | ErrorKind::StorageFull | ErrorKind::PermissionDenied if error.detail("spill_lost").is_none() => {
            error.with_u64("spill_lost", 0)
        }
        _ => error,
    }
}

#[cold]
fn finished() -> Error {
    err!(Closed, "the spill writer is finished or aborted")
}
