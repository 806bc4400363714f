//! The way of a put: encode, admit, number, queue; then wait or not.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use parking_lot::MutexGuard;

use super::state::{Pending, State};
use super::stats::nanos;
use super::waiter::{Callback, Parked, Waiter, deadline};
use super::{Ack, ShardWriter, Shared};
use crate::error::{Result, err};
use crate::wal::entry::EncodedBatch;

impl ShardWriter {
    /// Puts `batch`. A durable writer's put returns when its entry is durable; any other's when it is admitted.
    ///
    /// # Errors
    /// `InvalidData`, `SchemaMismatch`, `InvalidArgument`: nothing was accepted. `Backpressure`: no room within `timeout`, nothing was
    /// accepted. `OutcomeUnknown`: accepted, and not durable within `timeout`; it still may become so. The terminal error.
    pub fn put(&self, batch: &RecordBatch, timeout: Option<Duration>) -> Result<Ack> {
        let shared = &self.0;
        let began = shared.env.clock.now();
        let batch = shared.encoder.encode(batch)?;
        let deadline = deadline(timeout);
        if !shared.config.durable {
            let (mut state, ack) = shared.admit(batch, began, || None, timeout)?;
            state.recorder.put_ns.record(nanos(shared.env.clock.now().saturating_sub(began)));
            shared.dispatch(state, None);
            return Ok(ack);
        }
        let parked = Parked::new(deadline.is_none() && shared.store.is_blocking());
        let (state, ack) = shared.admit(batch, began, || Some(Waiter::Thread(Arc::clone(&parked))), timeout)?;
        shared.dispatch(state, Some(&parked));
        shared.wait(&parked, deadline).unwrap_or_else(|| {
            Err(err!(OutcomeUnknown, "put {} was accepted and is not durable yet; it may still become so", ack.sequence)
                .with_u64("sequence", ack.sequence))
        })
    }

    /// Puts `batches` one after the other; a durable writer's call returns when the last is durable, which costs far fewer
    /// entries than as many puts. The acknowledgement is the last one's.
    ///
    /// # Errors
    /// As [`Self::put`]. The batches before the one that failed were accepted (detail `accepted`).
    pub fn put_all(&self, batches: impl IntoIterator<Item = Result<RecordBatch>>, timeout: Option<Duration>) -> Result<Ack> {
        let shared = &self.0;
        let deadline = deadline(timeout);
        let left = || deadline.map(|deadline| deadline.saturating_duration_since(std::time::Instant::now()));
        let mut last = shared.ack(0, 0);
        for (accepted, batch) in batches.into_iter().enumerate() {
            let admitted = batch
                .and_then(|batch| shared.encoder.encode(&batch))
                .and_then(|batch| shared.admit(batch, shared.env.clock.now(), || None, left()))
                .map_err(|error| error.with_u64("accepted", accepted as u64))?;
            let (state, ack) = admitted;
            shared.dispatch(state, None);
            last = ack;
        }
        if shared.config.durable && last.sequence > 0 { self.wait_durable(last.sequence, left()) } else { Ok(last) }
    }

    /// Puts `batch` and returns at once; `done` is called with the outcome that [`Self::put`] would have. Never waits for room.
    ///
    /// # Errors
    /// As [`Self::put`]; then `done` is not called.
    pub fn put_async(&self, batch: &RecordBatch, done: Callback) -> Result<()> {
        self.put_async_with(batch, || done)
    }

    /// [`Self::put_async`] whose callback is made when the put is admitted, for one that must not even be dropped uncalled.
    /// `done` runs with the writer's lock held: let it only make the callback.
    ///
    /// # Errors
    /// As [`Self::put`]; then `done` is not called.
    pub fn put_async_with(&self, batch: &RecordBatch, done: impl FnOnce() -> Callback) -> Result<()> {
        let shared = &self.0;
        let began = shared.env.clock.now();
        let batch = shared.encoder.encode(batch)?;
        if shared.config.durable {
            let (state, _) = shared.admit(batch, began, || Some(Waiter::Callback(done())), Some(Duration::ZERO))?;
            shared.dispatch(state, None);
        } else {
            let (state, ack) = shared.admit(batch, began, || None, Some(Duration::ZERO))?;
            shared.dispatch(state, None);
            done()(Ok(ack));
        }
        Ok(())
    }
}

impl Shared {
    pub(super) fn check_open(&self, state: &State) -> Result<()> {
        if let Some(terminal) = &state.terminal {
            return Err(terminal.clone());
        }
        if state.closing {
            return Err(self.closing());
        }
        Ok(())
    }

    /// Queues the batch, waiting for room if there is none, and returns with the lock held.
    fn admit(
        self: &Arc<Self>,
        batch: EncodedBatch,
        began: Duration,
        waiter: impl FnOnce() -> Option<Waiter>,
        timeout: Option<Duration>,
    ) -> Result<(MutexGuard<'_, State>, Ack)> {
        let bytes = batch.len() as u64;
        self.check_size(bytes)?;
        if let Some(memory) = &self.memory {
            memory.make_room(bytes);
        }
        let mut state = self.state.lock();
        self.check_open(&state)?;
        if !state.room.try_admit(bytes) {
            if timeout == Some(Duration::ZERO) {
                state.urgent = state.admitted;
                let error = self.no_room(&state.room, bytes);
                self.dispatch(state, None);
                return Err(error);
            }
            drop(state);
            self.wait_for_room(bytes, true, timeout)?;
            state = self.state.lock();
            if let Err(error) = self.check_open(&state) {
                state.room.release_reserved(bytes);
                return Err(error);
            }
            state.room.admit_reserved(bytes);
        }
        state.admitted += 1;
        let sequence = state.admitted;
        if self.config.linger().is_zero() {
            state.urgent = sequence;
        }
        state.recorder.puts += 1;
        state.recorder.rows += batch.rows() as u64;
        state.recorder.bytes += bytes;
        state.pending.push_back(Pending { batch, bytes, sequence, admitted_at: began, waiter: waiter() });
        Ok((state, self.ack(sequence, 0)))
    }
}
