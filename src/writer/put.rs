//! The way of a put: encode, admit, number, queue; then wait or not. In MemTable mode its rows go into a table on that way, and are
//! indexed by the thread that puts, beside the append; nobody hears of a put whose rows are not indexed.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use parking_lot::MutexGuard;

use super::backpressure::Need;
use super::state::{Pending, State};
use super::stats::nanos;
use super::tables::{Place, Tables};
use super::waiter::{Callback, Parked, Waiter, deadline};
use super::{Ack, ShardWriter, Shared};
use crate::error::{Result, err};
use crate::memtable::Prepared;
use crate::wal::entry::EncodedBatch;

/// A batch that can be admitted: all that can be wrong with it was looked for.
pub(super) struct Ready {
    batch: EncodedBatch,
    /// In MemTable mode.
    rows: Option<Prepared>,
}

impl Ready {
    fn need(&self) -> Need {
        Need { queue: self.batch.len() as u64, tables: self.rows.as_ref().map_or(0, Prepared::bytes) }
    }
}

/// What came of admitting.
pub(super) struct Admitted<'a> {
    state: MutexGuard<'a, State>,
    ack: Ack,
    /// Where its rows are.
    place: Option<Place>,
}

impl ShardWriter {
    /// Puts `batch`. A durable writer's put returns when its entry is durable; any other's when it is admitted.
    ///
    /// # Errors
    /// `InvalidData`, `SchemaMismatch`, `InvalidArgument`: nothing was accepted. `Backpressure`: no room within `timeout`, nothing was
    /// accepted. `OutcomeUnknown`: accepted, and not durable within `timeout`; it still may become so. The terminal error.
    pub fn put(&self, batch: &RecordBatch, timeout: Option<Duration>) -> Result<Ack> {
        let began = self.0.env.clock.now();
        self.0.put_ready(self.0.ready(batch)?, began, timeout)
    }

    /// Deletes the rows whose primary keys are in `keys`, which has the key's columns (others are ignored); whether there are such rows
    /// is not looked at. A delete is a put of its own, ordered among the others.
    ///
    /// # Errors
    /// `Unsupported`: the writer has no MemTable, or the shard no primary key. Else as [`Self::put`].
    pub fn delete(&self, keys: &RecordBatch, timeout: Option<Duration>) -> Result<Ack> {
        let began = self.0.env.clock.now();
        self.0.put_ready(self.0.ready_delete(keys)?, began, timeout)
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
                .and_then(|batch| shared.ready(&batch))
                .and_then(|ready| shared.admit(ready, shared.env.clock.now(), || None, left()))
                .map_err(|error| error.with_u64("accepted", accepted as u64))?;
            last = admitted.ack;
            shared.go_on(admitted, None)?;
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
        let began = self.0.env.clock.now();
        self.0.put_ready_async(self.0.ready(batch)?, began, done)
    }

    /// [`Self::delete`] as [`Self::put_async_with`].
    ///
    /// # Errors
    /// As [`Self::delete`]; then `done` is not called.
    pub fn delete_async_with(&self, keys: &RecordBatch, done: impl FnOnce() -> Callback) -> Result<()> {
        let began = self.0.env.clock.now();
        self.0.put_ready_async(self.0.ready_delete(keys)?, began, done)
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

    fn ready(&self, batch: &RecordBatch) -> Result<Ready> {
        let Some((spec, config)) = self.spec.as_ref().zip(self.config.memtable.as_ref()) else {
            return Ok(Ready { batch: self.encoder.encode(batch)?, rows: None });
        };
        self.ready_rows(spec.put(batch, config.buffers)?)
    }

    fn ready_delete(&self, keys: &RecordBatch) -> Result<Ready> {
        self.ready_rows(self.spec()?.delete(keys)?)
    }

    fn ready_rows(&self, rows: Prepared) -> Result<Ready> {
        Ok(Ready { batch: self.encoder.encode(rows.batch())?, rows: Some(rows) })
    }

    fn put_ready(self: &Arc<Self>, ready: Ready, began: Duration, timeout: Option<Duration>) -> Result<Ack> {
        let deadline = deadline(timeout);
        if !self.config.durable {
            let mut admitted = self.admit(ready, began, || None, timeout)?;
            admitted.state.recorder.put_ns.record(nanos(self.env.clock.now().saturating_sub(began)));
            let ack = admitted.ack;
            self.go_on(admitted, None)?;
            return Ok(ack);
        }
        let parked = Parked::new(deadline.is_none() && self.store.is_blocking());
        let admitted = self.admit(ready, began, || Some(Waiter::Thread(Arc::clone(&parked))), timeout)?;
        let ack = admitted.ack;
        // An error is the terminal one, which the wait ends with.
        let _ = self.go_on(admitted, Some(&parked));
        self.wait(&parked, deadline).unwrap_or_else(|| {
            Err(err!(OutcomeUnknown, "put {} was accepted and is not durable yet; it may still become so", ack.sequence)
                .with_u64("sequence", ack.sequence))
        })
    }

    fn put_ready_async(self: &Arc<Self>, ready: Ready, began: Duration, done: impl FnOnce() -> Callback) -> Result<()> {
        if self.config.durable {
            let admitted = self.admit(ready, began, || Some(Waiter::Callback(done())), Some(Duration::ZERO))?;
            // An error is the terminal one, which the callback gets.
            let _ = self.go_on(admitted, None);
        } else {
            let admitted = self.admit(ready, began, || None, Some(Duration::ZERO))?;
            let (ack, done) = (admitted.ack, done());
            done(self.go_on(admitted, None).map(|()| ack));
        }
        Ok(())
    }

    /// Has an admitted put written, and indexes its rows beside that.
    fn go_on(self: &Arc<Self>, admitted: Admitted<'_>, me: Option<&Arc<Parked>>) -> Result<()> {
        let Admitted { mut state, place, .. } = admitted;
        // Who waits may have found nothing to flush before these rows were there.
        if state.room.waits_for_flush(state.unflushed()) {
            state.relieve(true);
        }
        let flushable = state.is_flushable();
        let behind: Vec<_> = state.tables.iter().flat_map(Tables::unindexed).collect();
        self.dispatch(state, me);
        if flushable {
            self.start_flush();
        }
        // Rows of older tables that another thread still indexes come first, so that nobody sees these and not those (PITFALLS I8).
        let mut tables = behind.into_iter().chain(place.map(|place| place.table));
        if self.config.durable {
            // Whoever has made them durable indexes what is left, before anybody hears of it: callers need not wait for each other.
            return tables.try_for_each(|table| table.try_index().inspect_err(|error| self.fail(error.clone())));
        }
        tables.try_for_each(|table| self.index(&table))
    }

    /// Queues the batch, waiting for room if there is none, and returns with the lock held.
    fn admit(
        self: &Arc<Self>,
        ready: Ready,
        began: Duration,
        waiter: impl FnOnce() -> Option<Waiter>,
        timeout: Option<Duration>,
    ) -> Result<Admitted<'_>> {
        let need = ready.need();
        self.check_size(need.queue)?;
        if let Some(memory) = &self.memory {
            memory.make_room(need.queue + need.tables);
        }
        let mut state = self.state.lock();
        self.check_open(&state)?;
        if !state.try_admit(need) {
            if timeout == Some(Duration::ZERO) {
                let error = self.no_room(&state, need);
                // If others wait before it, it is theirs that matters.
                let unflushed = state.unflushed();
                let flush =
                    if state.room.waiting() > 0 { state.room.waits_for_flush(unflushed) } else { state.room.flush_helps(need, unflushed) };
                self.relieve(state, flush);
                return Err(error);
            }
            drop(state);
            self.wait_for_room(need, true, timeout)?;
            state = self.state.lock();
            if let Err(error) = self.check_open(&state) {
                state.room.release_reserved(need);
                return Err(error);
            }
            state.room.admit_reserved(need);
        }
        let Ready { batch, rows } = ready;
        let sequence = state.admitted + 1;
        let place = match (rows, &mut state.tables) {
            (Some(rows), Some(tables)) => match tables.append(rows, sequence) {
                Ok(place) => Some(place),
                Err(error) => {
                    state.room.release_pending(need.queue);
                    drop(state);
                    self.fail(error.clone());
                    return Err(error);
                }
            },
            _ => None,
        };
        state.admitted = sequence;
        state.hurry_frozen();
        if self.config.linger().is_zero() {
            state.urgent = sequence;
        }
        state.recorder.puts += 1;
        state.recorder.rows += batch.rows() as u64;
        state.recorder.bytes += need.queue;
        let pending = Pending { batch, bytes: need.queue, place: place.clone(), sequence, admitted_at: began, waiter: waiter() };
        state.pending.push_back(pending);
        Ok(Admitted { state, ack: self.ack(sequence, 0), place })
    }
}
