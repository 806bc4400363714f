//! Continuous group commit: whoever holds the committer takes what is pending, writes it as one entry, tells everybody, and
//! goes on while there is more.
//!
//! A lone put is written at once. Under load a committer that starts a group waits a moment, a fraction of what an append takes,
//! for those whom the last group has just released, because they are about to put again: without that, callers split into
//! two halves that wait for each other.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::select;
use parking_lot::MutexGuard;

use super::Shared;
use super::state::{Pending, State};
use super::stats::nanos;
use super::waiter::{Parked, Signal, Waiter};
use crate::env;
use crate::error::{Result, err};
use crate::wal::Appender;
use crate::wal::entry::{self, BatchEncoder, EntryId};

/// The part of an append's duration that a group is gathered for.
const GATHER_PART: u32 = 8;
/// The longest that a group is gathered for.
const MAX_GATHER: Duration = Duration::from_millis(5);

/// The right to append, and what it needs.
pub(super) struct Committer {
    appender: Appender,
    /// What an entry of a generation begins with.
    preamble: Preamble,
    /// How long an append takes, smoothed.
    append_time: Duration,
    /// How many callers the last group released.
    released: usize,
}

struct Preamble {
    generation: Option<u64>,
    bytes: Bytes,
}

impl Committer {
    /// The committer of `appender`, whose next entry is of `generation`.
    pub fn new(appender: Appender, encoder: &BatchEncoder, generation: Option<u64>) -> Result<Self> {
        let preamble = Preamble { generation, bytes: encoder.preamble(appender.epoch(), generation)? };
        Ok(Self { appender, preamble, append_time: Duration::ZERO, released: 0 })
    }

    /// What the next entry begins with.
    fn preamble(&mut self, encoder: &BatchEncoder, generation: Option<u64>) -> Result<&Bytes> {
        if self.preamble.generation != generation {
            self.preamble = Preamble { generation, bytes: encoder.preamble(self.appender.epoch(), generation)? };
        }
        Ok(&self.preamble.bytes)
    }
}

impl Shared {
    /// Sees to it that pending work is done: by `me` if that thread may lead, by another that waits, by a background task, or
    /// when the linger ends. Call it last after every change that may make work due; it takes the lock's guard, because
    /// nothing may be handed on under the lock.
    pub(super) fn dispatch(self: &Arc<Self>, mut state: MutexGuard<'_, State>, me: Option<&Arc<Parked>>) {
        if state.gathering.is_some_and(|target| state.pending.len() >= target) {
            state.gathering = None;
            self.end_gathering();
        }
        if state.committer.is_none() || state.pending.is_empty() || state.terminal.is_some() {
            return;
        }
        if !self.is_due(&state) {
            return self.arm_timer(state);
        }
        let Some(committer) = state.committer.take() else { return };
        let waiting = || state.pending.iter().find_map(|put| put.waiter.as_ref()?.leader());
        match me.filter(|me| me.may_lead()).or_else(waiting).cloned() {
            Some(leader) => leader.signal(Signal::Lead(committer)),
            None => {
                drop(state);
                self.spawn(committer);
            }
        }
    }

    /// Has a committer that gathers go on with what there is.
    pub(super) fn end_gathering(&self) {
        self.gathered.notify_one();
        self.gathered_async.notify_one();
    }

    /// Whether pending puts are to be written now rather than after lingering.
    fn is_due(&self, state: &State) -> bool {
        let Some(oldest) = state.pending.front() else { return false };
        oldest.sequence <= state.urgent
            || state.closing
            || state.memory().pending >= self.config.max_buffer_bytes
            || self.env.clock.now().saturating_sub(oldest.admitted_at) >= self.config.linger()
    }

    fn arm_timer(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let Some(oldest) = state.pending.front() else { return };
        let age = self.env.clock.now().saturating_sub(oldest.admitted_at);
        if std::mem::replace(&mut state.timer, true) {
            return;
        }
        drop(state);
        let sleep = self.env.clock.sleep(self.config.linger().saturating_sub(age));
        let timer = Timer(Some(Arc::downgrade(self)));
        let task = async move {
            sleep.await;
            timer.ring();
        };
        self.env.spawn.spawn(Box::pin(task), false);
    }

    fn spawn(self: &Arc<Self>, committer: Box<Committer>) {
        let mut turn = Turn { shared: Arc::clone(self), committer: Some(committer), group: Vec::new() };
        let task = async move {
            while turn.commit().await {}
            turn.hand_back();
        };
        self.env.spawn.spawn(Box::pin(task), self.store.is_blocking());
    }

    /// Writes groups on this thread until `me` has its outcome, then leaves the rest to others.
    pub(super) fn lead(self: &Arc<Self>, committer: Box<Committer>, me: &Arc<Parked>) -> Option<Result<super::Ack>> {
        let mut turn = Turn { shared: Arc::clone(self), committer: Some(committer), group: Vec::new() };
        let outcome = loop {
            let more = env::block_on(turn.commit());
            match me.take() {
                Some(Signal::Done(outcome)) => break Some(outcome),
                Some(Signal::Lead(_)) | None if more => {}
                _ => break None,
            }
        };
        turn.hand_back();
        outcome
    }
}

/// The end of a linger. Dropped before it rings (a runtime that shuts down), it ends the writer rather than leave anybody
/// waiting.
struct Timer(Option<Weak<Shared>>);

impl Timer {
    fn ring(mut self) {
        if let Some(shared) = self.0.take().and_then(|shared| shared.upgrade()) {
            let mut state = shared.state.lock();
            state.timer = false;
            shared.dispatch(state, None);
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let Some(shared) = self.0.take().and_then(|shared| shared.upgrade()) else { return };
        let mut state = shared.state.lock();
        state.timer = false;
        let stranded = !state.pending.is_empty();
        drop(state);
        if stranded {
            shared.fail(shared.abandoned());
        }
    }
}

/// A spell of holding the committer. Dropped in the midst of it (a panic, a runtime that shuts down), it ends the writer rather
/// than leave anybody waiting (PITFALLS G5, X4).
struct Turn {
    shared: Arc<Shared>,
    committer: Option<Box<Committer>>,
    group: Vec<Pending>,
}

impl Turn {
    /// Writes one group; `false` if nothing is due. A panic underneath ends the writer and goes no further (PITFALLS G5, X4).
    async fn commit(&mut self) -> bool {
        let committed = AssertUnwindSafe(self.commit_group()).catch_unwind().await;
        committed.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            let text = text.unwrap_or("no message");
            let place = self.shared.place();
            self.end(&err!(
                Panic,
                "{place}: a panic was caught while appending ({text}); what was being written may or may not be in the log"
            ));
            false
        })
    }

    async fn commit_group(&mut self) -> bool {
        let Some(committer) = self.committer.as_deref_mut() else { return false };
        let shared = &self.shared;
        gather(shared, committer).await;
        self.group = {
            let mut state = shared.state.lock();
            if state.terminal.is_some() || !shared.is_due(&state) {
                return false;
            }
            take_group(&mut state, shared.config.max_buffer_bytes)
        };
        let id = EntryId(shared.env.random.next().to_be_bytes());
        let generation = self.group.first().and_then(Pending::generation);
        let entry = match committer.preamble(&shared.encoder, generation) {
            Ok(preamble) => entry::assemble(preamble, self.group.iter().map(|put| &put.batch), id),
            Err(error) => {
                self.end(&error);
                return false;
            }
        };
        let began = shared.env.clock.now();
        let appended = committer.appender.append(&entry).await;
        let took = shared.env.clock.now().saturating_sub(began);
        drop(entry.parts);
        committer.append_time = if committer.append_time.is_zero() { took } else { (committer.append_time * 7 + took) / 8 };
        // Nobody hears of a put before its rows can be read. A panic in it finds the group where it was.
        let indexed = self.group.last().and_then(|put| put.place.as_ref()).map_or(Ok(()), |place| shared.index(&place.table));
        let group = std::mem::take(&mut self.group);
        committer.released = group.iter().filter(|put| put.waiter.is_some()).count();
        match appended.and_then(|position| indexed.map(|()| position)) {
            Ok(position) => self.publish(group, position, entry.len, took),
            Err(error) => {
                self.group = group;
                self.end(&error);
                return false;
            }
        }
        true
    }

    fn publish(&self, group: Vec<Pending>, position: u64, bytes: u64, took: Duration) {
        let shared = &self.shared;
        let now = shared.env.clock.now();
        let mut state = shared.state.lock();
        state.room.release_in_flight(group.iter().map(|put| put.bytes).sum());
        state.recorder.entries += 1;
        state.recorder.entry_bytes += bytes;
        state.recorder.append_ns.record(nanos(took));
        state.recorder.group.record(group.len() as u64);
        state.durable += group.len() as u64;
        state.durable_position = position;
        let place = group.last().and_then(|put| put.place.as_ref());
        if let (Some(tables), Some(place)) = (&mut state.tables, place) {
            tables.set_durable(place.table.generation(), position, place.end_row);
        }
        shared.durable.store(state.durable, std::sync::atomic::Ordering::Release);
        let mut done: Vec<(Waiter, u64)> = Vec::with_capacity(group.len());
        for put in group {
            if let Some(waiter) = put.waiter {
                state.recorder.put_ns.record(nanos(now.saturating_sub(put.admitted_at)));
                done.push((waiter, put.sequence));
            }
        }
        let beyond = (state.durable + 1, 0);
        let later = state.barriers.split_off(&beyond);
        let reached = std::mem::replace(&mut state.barriers, later);
        done.extend(reached.into_iter().map(|((sequence, _), waiter)| (waiter, sequence)));
        let granted = state.grant();
        if state.room.waits_for_flush(state.unflushed()) {
            state.relieve(true);
        }
        let flushable = state.is_flushable();
        drop(state);
        if flushable {
            shared.start_flush();
        }
        for (waiter, sequence) in done {
            waiter.complete(Ok(shared.ack(sequence, position)));
        }
        granted.into_iter().for_each(|waiter| waiter.complete(Ok(super::Ack::default())));
    }

    /// Gives the committer back, from where it goes on to somebody else when work is due already.
    fn hand_back(mut self) {
        let committer = self.committer.take();
        let mut state = self.shared.state.lock();
        if state.terminal.is_some() {
            // The appender of a writer that ended goes here, outside the lock.
            drop(state);
            return drop(committer);
        }
        state.committer = committer;
        self.shared.dispatch(state, None);
    }

    /// Ends the writer with `error` and tells the group in hand as well.
    fn end(&mut self, error: &crate::error::Error) {
        let group = std::mem::take(&mut self.group);
        self.shared.state.lock().room.release_in_flight(group.iter().map(|put| put.bytes).sum());
        self.shared.fail(error.clone());
        for waiter in group.into_iter().filter_map(|put| put.waiter) {
            waiter.complete(Err(error.clone()));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.committer.is_some() {
            let error = self.shared.abandoned();
            self.end(&error);
        }
    }
}

/// The next entry's puts: up to `max_bytes`, at least one (PITFALLS E9), all of one generation.
fn take_group(state: &mut State, max_bytes: u64) -> Vec<Pending> {
    let mut bytes = 0_u64;
    let generation = state.pending.front().and_then(Pending::generation);
    let count = state
        .pending
        .iter()
        .take_while(|put| {
            bytes = bytes.saturating_add(put.bytes);
            bytes <= max_bytes && put.generation() == generation
        })
        .count();
    let group: Vec<Pending> = state.pending.drain(..count.max(1)).collect();
    state.room.take_in_flight(group.iter().map(|put| put.bytes).sum());
    group
}

/// Waits a moment for those whom the last group released.
async fn gather(shared: &Shared, committer: &Committer) {
    let limit = (committer.append_time / GATHER_PART).min(MAX_GATHER);
    if committer.released <= 1 || limit.is_zero() {
        return;
    }
    {
        let mut state = shared.state.lock();
        if state.pending.len() >= committer.released || state.closing || state.terminal.is_some() {
            return;
        }
        state.gathering = Some(committer.released);
        if shared.store.is_blocking() {
            shared.gathered.wait_for(&mut state, limit);
            state.gathering = None;
            return;
        }
    }
    let full = shared.gathered_async.notified();
    tokio::pin!(full);
    select(full, shared.env.clock.sleep(limit)).await;
    shared.state.lock().gathering = None;
}
