//! Frozen tables become generations, strictly in order, by one background task; another merges generations.
//!
//! A flush is repeated until it succeeds or the writer ends: the rows are in the log and in memory all the while, so nothing is lost by
//! that (PITFALLS G1, G4, G5). What was stored is published again until that is known to have succeeded, and only then merged, so that a
//! lost answer never makes a second generation of one table (PITFALLS G2).

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use super::Shared;
use super::tables::{Slot, Tables};
use super::waiter::{Callback, Parked, Waiter, deadline};
use super::{Ack, MemTableConfig, ShardWriter};
use crate::error::{Error, ErrorKind, Result, err};
use crate::generation::compact::{self, CompactOptions};
use crate::generation::publish;
use crate::generation::sweep::sweep;
use crate::generation::{Encoded, SecondarySpec, TableInput, Written, encode};
use crate::memtable::MemTable;
use crate::scan::GenerationHandle;
use crate::shard::manifest::SsTable;

impl ShardWriter {
    /// Freezes the table that is filled, if it has rows, and has it flushed. Returns the newest generation that is frozen or published then:
    /// what [`Self::wait_flushed`] takes; 0 if there is none.
    ///
    /// # Errors
    /// `Unsupported`: the writer has no MemTable. The terminal error.
    pub fn freeze(&self) -> Result<u64> {
        let mut state = self.0.state.lock();
        self.0.check_open(&state)?;
        let generation = self.0.freeze(&mut state)?;
        self.0.dispatch(state, None);
        self.0.start_flush();
        Ok(generation)
    }

    /// Waits until `generation`, and all before it, are published.
    ///
    /// # Errors
    /// `InvalidArgument` if it is not frozen; the terminal error; `TimedOut`, with the flush's last failure.
    pub fn wait_flushed(&self, generation: u64, timeout: Option<std::time::Duration>) -> Result<()> {
        let parked = Parked::new(false);
        let key = self.0.add_flush_waiter(generation, Waiter::Thread(Arc::clone(&parked)));
        let outcome = self.0.wait(&parked, deadline(timeout));
        if outcome.is_none()
            && let Some(tables) = &mut self.0.state.lock().tables
            && tables.waiters.remove(&key).is_some()
        {
            let why = tables.failing();
            return Err(err!(TimedOut, "generations up to {} of {generation} are published{why}", tables.published)
                .with_u64("published", tables.published));
        }
        // Without an outcome, it came at the last moment: the signal is there.
        outcome.or_else(|| self.0.wait(&parked, None)).map_or(Ok(()), |outcome| outcome.map(|_| ()))
    }

    /// [`Self::wait_flushed`] with a callback, whose acknowledgement says nothing.
    pub fn wait_flushed_async(&self, generation: u64, done: Callback) {
        self.0.add_flush_waiter(generation, Waiter::Callback(done));
    }

    /// Merges generations, as often as that is worth it by `options`; returns how often.
    ///
    /// # Errors
    /// `Unsupported`: the writer has no MemTable. The terminal error; `Corruption`; the store's.
    pub async fn compact(&self, options: &CompactOptions) -> Result<u64> {
        self.0.spec()?;
        let mut merges = 0;
        while self.0.compact_once(options).await? {
            merges += 1;
        }
        Ok(merges)
    }
}

impl Shared {
    /// Freezes the table that is filled, and has what the log lacks of it written.
    pub(super) fn freeze(&self, state: &mut super::state::State) -> Result<u64> {
        let generation = state.tables.as_mut().ok_or_else(|| self.no_memtable())?.freeze();
        state.hurry_frozen();
        Ok(generation)
    }

    pub(super) fn add_flush_waiter(self: &Arc<Self>, generation: u64, waiter: Waiter) -> (u64, u64) {
        let mut state = self.state.lock();
        let key = state.new_key(generation);
        let terminal = state.terminal.clone();
        let outcome = match (&mut state.tables, terminal) {
            (None, _) => Err(self.no_memtable()),
            (Some(tables), _) if tables.published >= generation => Ok(Ack::default()),
            (_, Some(terminal)) => Err(terminal),
            (Some(tables), None) if tables.newest_frozen() < generation => {
                Err(err!(InvalidArgument, "generation {generation} is not frozen"))
            }
            (Some(tables), None) => {
                tables.waiters.insert(key, waiter);
                drop(state);
                // A flush that was given up when somebody closed is tried again.
                self.start_flush();
                return key;
            }
        };
        drop(state);
        waiter.complete(outcome);
        key
    }

    /// Has the oldest frozen table flushed, if the log has all of it and nobody flushes.
    pub(super) fn start_flush(self: &Arc<Self>) {
        {
            let mut state = self.state.lock();
            let durable = state.durable;
            let ended = state.terminal.is_some();
            let Some(tables) = &mut state.tables else { return };
            if ended || tables.flushing || tables.flushable(durable).is_none() {
                return;
            }
            tables.flushing = true;
        }
        let turn = FlushTurn { shared: Arc::clone(self), over: false };
        self.env.spawn.spawn(Box::pin(turn.run()), true);
    }

    /// Has generations merged in the background, if nobody does that.
    pub(super) fn start_compaction(self: &Arc<Self>) {
        let Some(options) = self.config.memtable.as_ref().and_then(|config| config.compaction) else { return };
        {
            let mut state = self.state.lock();
            let ended = state.terminal.is_some();
            let Some(tables) = &mut state.tables else { return };
            if ended || tables.compacting || tables.generations().len() < options.min_inputs {
                return;
            }
            tables.compacting = true;
        }
        let turn = CompactTurn(Arc::clone(self));
        self.env.spawn.spawn(Box::pin(turn.run(options)), true);
    }

    async fn compact_once(&self, options: &CompactOptions) -> Result<bool> {
        let _one = self.compaction_turn.lock().await;
        let list = {
            let state = self.state.lock();
            self.check_running(&state)?;
            state.tables.as_ref().ok_or_else(|| self.no_memtable())?.generations().clone()
        };
        let mut handles: Vec<_> = list.handles().cloned().collect();
        // The oldest first.
        handles.reverse();
        let mut generations = Vec::with_capacity(handles.len());
        for handle in &handles {
            generations.push(compact::mergeable(handle.open().await.cloned())?);
        }
        let merged = compact::write(&self.store, &self.shard, &self.env, self.config.retry, &generations, options).await?;
        let Some((chosen, written)) = merged else { return Ok(false) };
        let inputs: Vec<SsTable> = handles[chosen].iter().map(|handle| handle.table().clone()).collect();
        self.publish_merge(&inputs, written.as_ref()).await?;
        let output = written.map(|written| self.handle(written.table));
        if let Some(tables) = &mut self.state.lock().tables {
            tables.replace(&inputs, output);
        }
        Ok(true)
    }

    /// Publishes a merge, until the outcome is known.
    async fn publish_merge(&self, inputs: &[SsTable], merged: Option<&Written>) -> Result<()> {
        let mut failures = 0;
        loop {
            self.check_running(&self.state.lock())?;
            match publish::replace(&self.store, &self.shard, &self.manifests, self.epoch, inputs, merged).await {
                Err(error) if is_passing(&error) => {
                    failures += 1;
                    self.config.retry.pause(&self.env, failures).await;
                }
                outcome => return outcome.map(|_| ()),
            }
        }
    }

    pub(super) fn handle(&self, table: SsTable) -> Arc<GenerationHandle> {
        GenerationHandle::new(self.store.clone(), self.shard.clone(), table, self.cache.clone())
    }

    fn check_running(&self, state: &super::state::State) -> Result<()> {
        state.terminal.clone().map_or(Ok(()), Err)
    }
}

/// Whether an operation on the manifest may succeed if it is repeated, and its outcome is not known.
fn is_passing(error: &Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::Fenced
            | ErrorKind::Sealed
            | ErrorKind::Conflict
            | ErrorKind::NotFound
            | ErrorKind::Corruption
            | ErrorKind::InvalidArgument
            | ErrorKind::InvalidData
            | ErrorKind::SchemaMismatch
            | ErrorKind::Unsupported
            | ErrorKind::Internal
    )
}

/// Whether what was stored is not there any more, and has to be stored again.
fn is_gone(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound && error.detail("object").is_some()
}

/// The objects of the generation that `table` becomes.
pub(super) fn encode_table(table: &Arc<MemTable>, config: &MemTableConfig) -> Result<Encoded> {
    let spec = table.spec();
    let input = TableInput {
        generation: table.generation(),
        schema: Arc::clone(spec.stored_schema()),
        key: spec.key().map(|key| key.spec().clone()),
        batches: table.store().batches(u32::MAX).map(|stored| stored.batch().clone()).collect(),
        secondary: spec
            .indexes()
            .iter()
            .map(|(index, _)| SecondarySpec { name: index.name.clone(), columns: vec![index.column.clone()] })
            .collect(),
        in_memory_bytes: table.memory_bytes(),
    };
    encode(input, &config.data)
}

/// A spell of flushing. Dropped in the midst of it (a panic, a runtime that shuts down), it ends the writer rather than leave anybody
/// waiting (PITFALLS G5).
struct FlushTurn {
    shared: Arc<Shared>,
    over: bool,
}

impl FlushTurn {
    async fn run(mut self) {
        let flushed = AssertUnwindSafe(self.flush_all()).catch_unwind().await;
        self.over = true;
        match flushed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.shared.fail(error),
            Err(_) => self.shared.fail(err!(Panic, "{}: a panic was caught while flushing a table", self.shared.place())),
        }
    }

    /// Flushes table after table; an error ends the writer.
    async fn flush_all(&self) -> Result<()> {
        while let Some(slot) = self.next() {
            if !self.flush(&slot).await? {
                return Ok(());
            }
            self.shared.start_compaction();
        }
        Ok(())
    }

    /// The next table; `None`, and nobody flushes from then on, if there is none.
    fn next(&self) -> Option<Slot> {
        let mut state = self.shared.state.lock();
        let (durable, ended) = (state.durable, state.terminal.is_some());
        let tables = state.tables.as_mut()?;
        let slot = tables.flushable(durable).filter(|_| !ended).cloned();
        tables.flushing = slot.is_some();
        slot
    }

    /// Flushes one table, however often that takes; `false` if the writer ended meanwhile.
    async fn flush(&self, slot: &Slot) -> Result<bool> {
        let shared = &self.shared;
        let Some(config) = &shared.config.memtable else { return Ok(false) };
        let encoded = encode_table(&slot.table, config)?;
        let mut failures = 0;
        loop {
            match self.attempt(slot, &encoded).await {
                Ok(written) => {
                    self.install(written, encoded.bytes());
                    return Ok(true);
                }
                Err(error) => {
                    failures += 1;
                    if !self.survives(error, failures)? {
                        return Ok(false);
                    }
                    shared.config.retry.pause(&shared.env, failures).await;
                }
            }
        }
    }

    /// Takes note of a failed attempt; `false` if there is to be no other, an error if that ends the writer.
    fn survives(&self, error: Error, failures: u32) -> Result<bool> {
        let shared = &self.shared;
        tracing::warn!(%error, shard = %shard_of(shared), failures, "flushing a table failed");
        // Many lost races in a row pass; another's turn does not.
        let raced = error.kind() == ErrorKind::Conflict && error.detail("next_generation").is_none();
        if !is_gone(&error) && !raced && !is_passing(&error) {
            return Err(error);
        }
        let mut state = shared.state.lock();
        if state.terminal.is_some() {
            return Ok(false);
        }
        // Who closes is told after as many tries as an append gets: the log has the rows (PITFALLS G8).
        let give_up = state.closing && failures > shared.config.retry.max_retries;
        let Some(tables) = &mut state.tables else { return Ok(false) };
        tables.counts.flush_failures += 1;
        tables.failure = Some(error.clone());
        if !give_up {
            return Ok(true);
        }
        tables.flushing = false;
        let waiters: Vec<Waiter> = tables.drain().collect();
        drop(state);
        waiters.into_iter().for_each(|waiter| waiter.complete(Err(error.clone())));
        Ok(false)
    }

    /// Stores the table, unless that is done, and publishes it.
    async fn attempt(&self, slot: &Slot, encoded: &Encoded) -> Result<Written> {
        let shared = &self.shared;
        let stored = shared.state.lock().tables.as_ref().and_then(Tables::stored);
        let written = match stored {
            Some(written) => written,
            None => {
                let written = encoded.store(&shared.store, &shared.shard, &shared.env, shared.config.retry).await?;
                self.set_stored(Some(written.clone()));
                written
            }
        };
        let Shared { store, shard, manifests, epoch, .. } = &**shared;
        match publish::publish_in_turn(store, shard, manifests, *epoch, &written, slot.covers, slot.turn).await {
            Ok(_) => Ok(written),
            Err(error) => {
                if is_gone(&error) {
                    self.set_stored(None);
                }
                Err(error)
            }
        }
    }

    fn set_stored(&self, written: Option<Written>) {
        if let Some(tables) = &mut self.shared.state.lock().tables {
            tables.set_stored(written);
        }
    }

    fn install(&self, written: Written, bytes: u64) {
        let shared = &self.shared;
        let handle = shared.handle(written.table);
        let grace = shared.config.memtable.as_ref().map(|config| config.frozen_grace).filter(|grace| !grace.is_zero());
        let until = grace.map(|grace| shared.env.clock.now() + grace);
        let mut state = shared.state.lock();
        let (waiters, flushed) = match &mut state.tables {
            Some(tables) => {
                tables.counts.flushed_bytes += bytes;
                tables.publish(handle, until)
            }
            None => (Vec::new(), None),
        };
        let granted = state.grant();
        // Who waits still, and came when this table was the one to be flushed, waits for the one that is filled.
        shared.relieve_next(state);
        // The memory of a whole table goes here, outside of the lock.
        drop(flushed);
        waiters.into_iter().chain(granted).for_each(|waiter| waiter.complete(Ok(Ack::default())));
        if let Some(grace) = grace {
            shared.expire_after(grace);
        }
    }
}

impl Drop for FlushTurn {
    fn drop(&mut self) {
        if !self.over {
            self.shared.fail(self.shared.abandoned());
        }
    }
}

impl Shared {
    /// Lets go of tables whose time in memory is over, after `pause`.
    fn expire_after(self: &Arc<Self>, pause: std::time::Duration) {
        let sleep = self.env.clock.sleep(pause);
        let (writer, clock) = (Arc::downgrade(self), Arc::clone(&self.env.clock));
        let task = async move {
            sleep.await;
            if let Some(shared) = writer.upgrade() {
                if let Some(tables) = &mut shared.state.lock().tables {
                    tables.expire(clock.now());
                }
                shared.start_compaction();
            }
        };
        self.env.spawn.spawn(Box::pin(task), false);
    }
}

/// A spell of merging generations in the background.
struct CompactTurn(Arc<Shared>);

impl CompactTurn {
    async fn run(self, options: CompactOptions) {
        let merged = AssertUnwindSafe(self.merge_all(&options)).catch_unwind().await;
        let failure = match merged {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(_) => err!(Panic, "a panic was caught while generations were merged"),
        };
        let shared = &self.0;
        if failure.kind() == ErrorKind::Fenced {
            return shared.fail(failure);
        }
        // The generations are as they were; the next flush has it tried again.
        tracing::warn!(error = %failure, shard = %shard_of(shared), "merging generations failed");
        if let Some(tables) = &mut shared.state.lock().tables {
            tables.counts.compaction_failures += 1;
        }
    }

    async fn merge_all(&self, options: &CompactOptions) -> Result<()> {
        let shared = &self.0;
        let mut merges = 0;
        while shared.compact_once(options).await? {
            merges += 1;
        }
        if merges > 0 {
            let swept = sweep(&shared.store, &shared.shard, &shared.env, shared.config.trim_age).await?;
            tracing::debug!(shard = %shard_of(shared), merges, swept.directories, "merged generations");
        }
        Ok(())
    }
}

impl Drop for CompactTurn {
    fn drop(&mut self) {
        if let Some(tables) = &mut self.0.state.lock().tables {
            tables.compacting = false;
        }
    }
}

fn shard_of(shared: &Shared) -> uuid::Uuid {
    shared.shard.id()
}
