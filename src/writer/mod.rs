//! [`ShardWriter`]: owns a shard and makes batches durable in it, with group commit.
//!
//! Guarantees: puts become durable in the order of their sequence numbers, each exactly once; what was acknowledged as durable
//! survives a crash; the first terminal error (fenced, poisoned, closed) reaches everybody who waits and every later call; at
//! most `max_pending_bytes` plus one entry are held.
//!
//! In *MemTable mode* what is put can be read at once (see [`crate::memtable`]): rows go into a table, tables that are full are frozen and
//! flushed to generations in the background, and [`ShardWriter::view`] reads all of that as one. What an acknowledged put wrote is in every
//! later view. A writer that ended gives no views (PITFALLS A4). Opening brings back the rows that no generation has.
//!
//! There is one *committer*, the right to append. Whoever holds it writes groups: a waiting caller itself where the store
//! answers on the calling thread (a hand-over costs more than the write), else a background task. No tick, no idle work.

mod backpressure;
mod config;
mod flush;
mod group_commit;
mod open;
mod put;
mod state;
mod stats;
mod tables;
mod waiter;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arrow_schema::{Schema, SchemaRef};
use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

pub use config::{MemTableConfig, WriterConfig};
pub use stats::{MemTableStats, Quantiles, WriterStats};
pub use waiter::Callback;

use crate::cache::Cache;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result, err};
use crate::memory::{Flush, MemoryBudget, Use};
use crate::memtable::{MemTable, TableSpec};
use crate::scan::View;
use crate::shard::manifest::Manifest;
use crate::shard::{ManifestStore, ShardPath};
use crate::store::Store;
use crate::wal::entry::BatchEncoder;
use crate::wal::{AppendStats, Appender};
use backpressure::Room;
use group_commit::Committer;
use open::Opening;
use state::State;
use tables::{Replayed, Tables};
use waiter::{Parked, Signal, Waiter, deadline};

/// What a put gets back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ack {
    /// How many puts this writer has admitted, this one included: writer-global and exclusive.
    pub sequence: u64,
    /// The position of its entry; 0 if it is not durable yet.
    pub position: u64,
    /// The writer's epoch.
    pub epoch: u64,
}

/// The memory that a writer holds, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterMemory {
    /// Admitted and not yet taken into an entry.
    pub pending: u64,
    /// In the entry that is being appended.
    pub in_flight: u64,
    /// Granted to puts that were waiting for room.
    pub reserved: u64,
    /// The limit on the sum of these.
    pub limit: u64,
    /// In the table that is filled.
    pub active: u64,
    /// In frozen tables that are not flushed.
    pub frozen: u64,
    /// In tables that were flushed and stay for a while.
    pub kept: u64,
    /// The limit on what is filled and frozen; 0 without MemTables.
    pub unflushed_limit: u64,
}

/// What a writer shares with others of its session.
#[derive(Debug, Clone, Default)]
pub struct Within {
    /// What is queued and held is counted in it, and kept below its limit.
    pub memory: Option<Arc<MemoryBudget>>,
    /// What is read of generations is kept in it.
    pub cache: Option<Cache>,
}

/// Owns a shard: see the module's documentation. All methods may be called from any thread at once.
pub struct ShardWriter(Arc<Shared>);

pub(crate) struct Shared {
    config: WriterConfig,
    env: Env,
    store: Store,
    shard: ShardPath,
    epoch: u64,
    encoder: BatchEncoder,
    /// In MemTable mode.
    spec: Option<Arc<TableSpec>>,
    /// Tables of rows that came back at the opening and may not be indexed yet.
    replayed: Replayed,
    cache: Option<Cache>,
    /// The right to merge generations.
    compaction_turn: tokio::sync::Mutex<()>,
    manifests: Arc<ManifestStore>,
    append_stats: Arc<AppendStats>,
    state: Mutex<State>,
    memory: Option<Arc<MemoryBudget>>,
    /// Wakes a committer that gathers a group.
    gathered: Condvar,
    gathered_async: Notify,
    /// Puts known durable, readable without the lock.
    durable: AtomicU64,
}

impl std::fmt::Debug for ShardWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardWriter").field("shard", &self.0.shard.id()).field("epoch", &self.0.epoch).finish_non_exhaustive()
    }
}

impl ShardWriter {
    /// Claims `shard` on `store` for batches of `schema`.
    ///
    /// # Errors
    /// `InvalidArgument`, `SchemaMismatch` before anything is claimed (PITFALLS B4); then as [`Appender::open`].
    pub async fn open(store: Store, shard: ShardPath, schema: &Schema, config: WriterConfig, env: Env) -> Result<Self> {
        Self::open_within(store, shard, schema, config, env, Within::default()).await
    }

    /// [`Self::open`], sharing with others.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_within(
        store: Store,
        shard: ShardPath,
        schema: &Schema,
        config: WriterConfig,
        env: Env,
        within: Within,
    ) -> Result<Self> {
        config.validate()?;
        let plain = BatchEncoder::new(schema, config.compression)?;
        let spec = config.memtable.as_ref().map(|memtable| open::spec_of(plain.schema(), memtable)).transpose()?;
        let encoder = match &spec {
            Some(spec) => BatchEncoder::new(spec.stored_schema(), config.compression)?,
            None => plain,
        };
        let opening = config.memtable.as_ref().zip(spec.as_ref()).map(|(memtable, spec)| Opening {
            store: &store,
            shard: &shard,
            env: &env,
            config: &config,
            memtable,
            spec,
            within: &within,
        });
        let opened = match &opening {
            Some(opening) => opening.check_schema().await?,
            None => Vec::new(),
        };
        let appender = Appender::open(store.clone(), shard.clone(), env.clone(), config.appender().manifest()).await?;
        let tables = match &opening {
            Some(opening) => Some(opening.replay(&appender, &opened).await?),
            None => None,
        };
        let unflushed = opening.as_ref().map_or((0, 0), |opening| (opening.memtable.max_unflushed_bytes, opening.spec.empty_bytes()));
        let Within { memory, cache } = within;
        let who = || format!("the writer of shard {} at {}", shard.id(), store.url());
        let share = memory.as_ref().map(|memory| memory.share(Use::Queues, who()));
        let room = Room::new(config.max_pending_bytes, unflushed, share);
        let generation = tables.as_ref().map(|tables| tables.active().table.generation());
        let replayed = tables.iter().flat_map(Tables::unflushed).filter(|table| table.num_rows() > 0).cloned();
        let replayed = Replayed::new(replayed.collect());
        let shared = Arc::new(Shared {
            epoch: appender.epoch(),
            manifests: Arc::clone(appender.manifests()),
            append_stats: Arc::clone(appender.stats()),
            state: Mutex::new(State::new(Committer::new(appender, &encoder, generation)?, room, tables)),
            memory,
            spec,
            replayed,
            cache,
            compaction_turn: tokio::sync::Mutex::new(()),
            gathered: Condvar::new(),
            gathered_async: Notify::new(),
            durable: AtomicU64::new(0),
            config,
            env,
            store,
            shard,
            encoder,
        });
        if let Some(memory) = &shared.memory {
            let flusher: Weak<Shared> = Arc::downgrade(&shared);
            memory.register(flusher);
        }
        shared.start_indexing();
        shared.start_flush();
        shared.start_compaction();
        Ok(Self(shared))
    }

    /// The schema that every batch must have: the one given at open, without reserved metadata keys, and in MemTable mode with the key
    /// marked.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        self.0.spec.as_ref().map_or_else(|| self.0.encoder.schema(), |spec| spec.schema())
    }

    /// What the writer's tables have in common, in MemTable mode.
    #[must_use]
    pub fn table_spec(&self) -> Option<&Arc<TableSpec>> {
        self.0.spec.as_ref()
    }

    /// What is visible now, in MemTable mode: every put that was acknowledged, and in a writer that is not durable every put that was
    /// admitted.
    ///
    /// # Errors
    /// `Unsupported`: the writer has no MemTable. The terminal error; `Closed` once it closes.
    pub fn view(&self) -> Result<View> {
        self.0.index_replayed()?;
        let state = self.0.state.lock();
        self.0.check_open(&state)?;
        state.tables.as_ref().map(Tables::view).ok_or_else(|| self.0.no_memtable())
    }

    /// The epoch under which the shard is owned.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.0.epoch
    }

    /// The shard's id.
    #[must_use]
    pub fn shard_id(&self) -> uuid::Uuid {
        self.0.shard.id()
    }

    /// How the writer was configured.
    #[must_use]
    pub fn config(&self) -> &WriterConfig {
        &self.0.config
    }

    /// How many puts are durable: writer-global and exclusive, never going back.
    #[must_use]
    pub fn durable_position(&self) -> u64 {
        self.0.durable.load(Ordering::Acquire)
    }

    /// The newest manifest that this writer has read or written, without asking the store.
    #[must_use]
    pub fn manifest(&self) -> Option<Manifest> {
        self.0.manifests.known()
    }

    /// Asks the store whether the shard is still owned. If not, everybody who waits learns it.
    ///
    /// # Errors
    /// The terminal error if there is one; `Fenced`; the store's.
    pub async fn check_fenced(&self) -> Result<Manifest> {
        if let Some(terminal) = self.0.state.lock().terminal.clone() {
            return Err(terminal);
        }
        let checked = self.0.manifests.check_fenced(self.0.epoch).await;
        if let Err(error) = &checked
            && error.kind() == ErrorKind::Fenced
        {
            self.0.fail(error.clone());
        }
        checked
    }

    /// Waits until every put admitted so far is durable.
    ///
    /// # Errors
    /// As [`Self::wait_durable`].
    pub fn flush(&self, timeout: Option<Duration>) -> Result<Ack> {
        let admitted = self.0.state.lock().admitted;
        self.wait_durable(admitted, timeout)
    }

    /// [`Self::flush`] with a callback.
    pub fn flush_async(&self, done: Callback) {
        let admitted = self.0.state.lock().admitted;
        self.wait_durable_async(admitted, done);
    }

    /// Waits until `sequence` puts are durable, and has them written without lingering.
    ///
    /// # Errors
    /// `InvalidArgument` if there were never so many puts; the terminal error if it came first; `TimedOut`.
    pub fn wait_durable(&self, sequence: u64, timeout: Option<Duration>) -> Result<Ack> {
        let deadline = deadline(timeout);
        let parked = Parked::new(deadline.is_none() && self.0.store.is_blocking());
        let barrier = self.0.add_barrier(sequence, Waiter::Thread(Arc::clone(&parked)));
        match self.0.wait(&parked, deadline) {
            Some(outcome) => outcome,
            None => {
                self.0.state.lock().barriers.remove(&barrier);
                Err(err!(TimedOut, "{} of {sequence} puts are durable; the rest is still on its way", self.durable_position())
                    .with_u64("durable", self.durable_position()))
            }
        }
    }

    /// [`Self::wait_durable`] with a callback.
    pub fn wait_durable_async(&self, sequence: u64, done: Callback) {
        self.0.add_barrier(sequence, Waiter::Callback(done));
    }

    /// Refuses further puts, waits until all are durable and all tables flushed, and lets go of the shard. The epoch stays claimed until the
    /// next writer's. May be called again: after `TimedOut` it goes on waiting, after success it succeeds.
    ///
    /// # Errors
    /// The terminal error if there is one: then what was not durable is lost to this writer. `TimedOut`. What keeps a table from being
    /// flushed, after some tries: its rows are in the log, and come back when the shard is opened again.
    pub fn close(&self, timeout: Option<Duration>) -> Result<()> {
        let deadline = deadline(timeout);
        let left = || deadline.map(|deadline| deadline.saturating_duration_since(std::time::Instant::now()));
        let Some(closing) = self.0.begin_close()? else { return Ok(()) };
        self.wait_durable(closing.admitted, timeout)?;
        if let Some(generation) = closing.generation {
            self.wait_flushed(generation, left())?;
        }
        self.0.finish_close();
        Ok(())
    }

    /// [`Self::close`] with a callback.
    pub fn close_async(&self, done: Callback) {
        match self.0.begin_close() {
            Err(error) => done(Err(error)),
            Ok(None) => done(Ok(Ack { epoch: self.0.epoch, ..Ack::default() })),
            Ok(Some(closing)) => {
                let shared = Arc::clone(&self.0);
                let closed = move |shared: &Shared, ack, outcome: Result<Ack>| {
                    if outcome.is_ok() {
                        shared.finish_close();
                    }
                    done(outcome.map(|_| ack));
                };
                let durable = move |outcome: Result<Ack>| match (outcome, closing.generation) {
                    (Ok(ack), Some(generation)) => {
                        let flushing = Arc::clone(&shared);
                        let flushed = Box::new(move |outcome| closed(&shared, ack, outcome));
                        flushing.add_flush_waiter(generation, Waiter::Callback(flushed));
                    }
                    (outcome, _) => closed(&shared, *outcome.as_ref().unwrap_or(&Ack::default()), outcome),
                };
                self.wait_durable_async(closing.admitted, Box::new(durable));
            }
        }
    }

    /// Refuses further puts and forgets what is not durable, without I/O. An append that is under way still ends.
    pub fn abort(&self) {
        self.0.state.lock().closing = true;
        self.0.fail(err!(Closed, "the writer of epoch {} was aborted", self.0.epoch));
        drop(self.0.state.lock().committer.take());
    }

    /// What the writer has done.
    #[must_use]
    pub fn stats(&self) -> WriterStats {
        let requests = self.0.store.requests();
        let state = self.0.state.lock();
        WriterStats {
            pending_puts: state.admitted - state.durable,
            pending_bytes: state.memory().pending + state.memory().in_flight,
            blocked_now: state.blocked(),
            memtable: state.tables.as_ref().map(Tables::stats),
            ..state.recorder.snapshot(&self.0.append_stats, requests)
        }
    }

    /// The memory that the writer holds.
    #[must_use]
    pub fn memory(&self) -> WriterMemory {
        self.0.state.lock().memory()
    }
}

impl Drop for ShardWriter {
    fn drop(&mut self) {
        self.abort();
        // Background work may end a little later; what the tables took of the session's memory is given back now.
        let tables = self.0.state.lock().tables.take();
        drop(tables);
    }
}

impl Flush for Shared {
    fn flush_now(self: Arc<Self>) {
        let mut state = self.state.lock();
        if let Some(tables) = &mut state.tables {
            tables.expire(Duration::MAX);
        }
        self.relieve(state, true);
        self.end_gathering();
    }
}

/// What a writer that closes waits for.
struct Closing {
    /// So many puts are durable.
    admitted: u64,
    /// This generation is published.
    generation: Option<u64>,
}

impl Shared {
    /// Registers `waiter` for the moment when `sequence` puts are durable, and has them written.
    fn add_barrier(self: &Arc<Self>, sequence: u64, waiter: Waiter) -> (u64, u64) {
        let mut state = self.state.lock();
        let outcome = if sequence <= state.durable {
            Ok(self.ack(sequence, state.durable_position))
        } else if let Some(terminal) = &state.terminal {
            Err(terminal.clone())
        } else if sequence > state.admitted {
            Err(err!(InvalidArgument, "sequence {sequence} is beyond the {} puts that were admitted", state.admitted))
        } else {
            state.urgent = state.urgent.max(sequence);
            let key = state.new_key(sequence);
            let leader = waiter.leader().cloned();
            state.barriers.insert(key, waiter);
            self.dispatch(state, leader.as_ref());
            return key;
        };
        drop(state);
        waiter.complete(outcome);
        (0, 0)
    }

    /// Waits for the outcome, writing groups when told to; `None` at the deadline.
    fn wait(self: &Arc<Self>, parked: &Arc<Parked>, deadline: Option<std::time::Instant>) -> Option<Result<Ack>> {
        loop {
            match parked.wait(deadline)? {
                Signal::Done(outcome) => return Some(outcome),
                Signal::Lead(committer) => {
                    if let Some(outcome) = self.lead(committer, parked) {
                        return Some(outcome);
                    }
                }
            }
        }
    }

    fn ack(&self, sequence: u64, position: u64) -> Ack {
        Ack { sequence, position, epoch: self.epoch }
    }

    /// Latches `error` as the terminal one, unless there is one, and wakes everybody with it (PITFALLS B2, F4).
    fn fail(&self, error: Error) {
        let mut state = self.state.lock();
        let error = state.terminal.get_or_insert(error).clone();
        let waiters = state.drain();
        drop(state);
        self.end_gathering();
        for waiter in waiters {
            waiter.complete(Err(error.clone()));
        }
    }

    /// `None` if the writer is closed already; else what must come first.
    fn begin_close(self: &Arc<Self>) -> Result<Option<Closing>> {
        let mut state = self.state.lock();
        state.closing = true;
        match &state.terminal {
            Some(terminal) if terminal.kind() == ErrorKind::Closed && state.durable == state.admitted => Ok(None),
            Some(terminal) => Err(terminal.clone()),
            None => {
                // Who waits for room would be refused with it (PITFALLS F4).
                let blocked: Vec<Waiter> = state.room.drain().collect();
                // PITFALLS G8: what is not full is flushed, too.
                let generation = self.freeze(&mut state).ok();
                let admitted = state.admitted;
                drop(state);
                self.end_gathering();
                blocked.into_iter().for_each(|waiter| waiter.complete(Err(self.closing())));
                self.start_flush();
                Ok(Some(Closing { admitted, generation }))
            }
        }
    }

    /// Has what came back at the opening indexed in the background, as that takes many times as long as to read it.
    fn start_indexing(self: &Arc<Self>) {
        if self.replayed.is_done() {
            return;
        }
        let writer = Arc::downgrade(self);
        let task = async move {
            if let Some(shared) = writer.upgrade() {
                // An error is the terminal one.
                let _ = shared.index_replayed();
            }
        };
        self.env.spawn.spawn(Box::pin(task), true);
    }

    /// Sees to it that what came back at the opening is indexed.
    fn index_replayed(&self) -> Result<()> {
        self.replayed.each(|table| self.index(table))
    }

    /// Feeds the indexes of `table`; an error, which is a bug, ends the writer.
    fn index(&self, table: &MemTable) -> Result<()> {
        table.index().map(|_| ()).inspect_err(|error| self.fail(error.clone()))
    }

    fn spec(&self) -> Result<&Arc<TableSpec>> {
        self.spec.as_ref().ok_or_else(|| self.no_memtable())
    }

    fn no_memtable(&self) -> Error {
        err!(Unsupported, "the writer of shard {} was opened without a MemTable", self.shard.id())
    }

    fn place(&self) -> String {
        format!("shard {} at {}, epoch {}", self.shard.id(), self.store.url(), self.epoch)
    }

    /// Why a writer ends whose background tasks are dropped before they are done.
    fn abandoned(&self) -> Error {
        err!(
            Poisoned,
            "{}: the runtime stopped while puts were being written, which may or may not be in the log; reopen the shard to go on",
            self.place()
        )
        .with_u64("epoch", self.epoch)
        .with_str("shard", self.shard.id().to_string())
    }

    fn closing(&self) -> Error {
        err!(Closed, "the writer of epoch {} is closing", self.epoch)
    }

    fn finish_close(&self) {
        self.fail(err!(Closed, "the writer of epoch {} is closed", self.epoch));
        drop(self.state.lock().committer.take());
    }
}
