//! The limits on bytes that were admitted and are not durable yet, and on those in tables that are not flushed, and who waits for room
//! below them.
//!
//! Room is granted in the order of asking, so a large put is not starved by small ones. Where the session has a limit on its memory,
//! bytes are taken from that, too.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::MutexGuard;

use super::state::State;
use super::tables::Tables;
use super::waiter::{Callback, Parked, Waiter, deadline};
use super::{Ack, ShardWriter, Shared, WriterMemory};
use crate::error::{Error, Result, err};
use crate::memory::Share;

/// The bytes that a put takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Need {
    /// Until it is durable.
    pub queue: u64,
    /// In its table, until that is flushed.
    pub tables: u64,
}

/// The bytes in use and the queue for more.
pub(super) struct Room {
    memory: WriterMemory,
    /// What a table takes before it has rows.
    empty_table: u64,
    /// Of the tables' room, granted to puts that were waiting for it.
    reserved_tables: u64,
    queue: VecDeque<Request>,
    ids: u64,
    /// The bytes in use, as the session counts them.
    share: Option<Share>,
    /// A task waits for the session to have room.
    watched: bool,
}

struct Request {
    id: u64,
    need: Need,
    /// Whether the bytes are kept for the one who asked.
    reserve: bool,
    waiter: Waiter,
}

impl Room {
    pub fn new(limit: u64, (unflushed_limit, empty_table): (u64, u64), share: Option<Share>) -> Self {
        let memory = WriterMemory { limit, unflushed_limit, ..WriterMemory::default() };
        Self { memory, empty_table, reserved_tables: 0, queue: VecDeque::new(), ids: 0, share, watched: false }
    }

    pub fn memory(&self) -> WriterMemory {
        self.memory
    }

    pub fn waiting(&self) -> u64 {
        self.queue.len() as u64
    }

    /// Whether there is room for it where the tables have `unflushed` bytes.
    fn fits(&self, need: Need, unflushed: u64) -> bool {
        self.fits_queue(need) && self.fits_tables(need, unflushed)
    }

    fn fits_queue(&self, need: Need) -> bool {
        let used = self.memory.pending + self.memory.in_flight + self.memory.reserved;
        used.saturating_add(need.queue) <= self.memory.limit
    }

    /// An empty table takes what its limits allow, so nothing waits where there is nothing to flush.
    fn fits_tables(&self, need: Need, unflushed: u64) -> bool {
        let used = unflushed + self.reserved_tables;
        // It may take a new table.
        used == 0 || used.saturating_add(need.tables).saturating_add(self.empty_table) <= self.memory.unflushed_limit
    }

    /// Whether flushing a table would help the first in the queue.
    pub fn waits_for_flush(&self, unflushed: u64) -> bool {
        self.queue.front().is_some_and(|request| self.flush_helps(request.need, unflushed))
    }

    /// Whether flushing a table would make room.
    pub fn flush_helps(&self, need: Need, unflushed: u64) -> bool {
        let limited = self.share.as_ref().is_some_and(|share| share.budget().is_limited());
        !self.fits_tables(need, unflushed) || limited && self.fits_queue(need)
    }

    /// Takes `bytes` of the session's memory, if there are any to be had; else, with `wait`, waits for them.
    fn take(&mut self, bytes: u64, wait: bool) -> bool {
        self.share.as_mut().is_none_or(|share| share.try_take(bytes, wait))
    }

    fn give(&mut self, bytes: u64) {
        if let Some(share) = &mut self.share {
            share.give(bytes);
        }
    }

    /// Whether it is the session that lacks room.
    fn waits_for_memory(&self) -> bool {
        self.share.as_ref().is_some_and(Share::waits)
    }

    /// Takes what a pending put needs if there is room and nobody waits for it.
    pub fn try_admit(&mut self, need: Need, unflushed: u64) -> bool {
        let admitted = self.queue.is_empty() && self.fits(need, unflushed) && self.take(need.queue, false);
        if admitted {
            self.memory.pending += need.queue;
        }
        admitted
    }

    /// Turns reserved bytes into those of a pending put, whose rows go into a table now.
    pub fn admit_reserved(&mut self, need: Need) {
        self.memory.reserved -= need.queue;
        self.memory.pending += need.queue;
        self.reserved_tables -= need.tables;
    }

    pub fn take_in_flight(&mut self, bytes: u64) {
        self.memory.pending -= bytes;
        self.memory.in_flight += bytes;
    }

    pub fn release_pending(&mut self, bytes: u64) {
        self.memory.pending -= bytes;
        self.give(bytes);
    }

    pub fn release_reserved(&mut self, need: Need) {
        self.memory.reserved -= need.queue;
        self.reserved_tables -= need.tables;
        self.give(need.queue);
    }

    pub fn release_in_flight(&mut self, bytes: u64) {
        self.memory.in_flight -= bytes;
        self.give(bytes);
    }

    /// Those at the front of the queue for whom there is room now.
    pub fn grant(&mut self, unflushed: u64) -> Vec<Waiter> {
        let mut granted = Vec::new();
        while let Some((need, reserve)) = self.queue.front().map(|request| (request.need, request.reserve)) {
            if !self.fits(need, unflushed) {
                // Its own limit is what it waits for.
                self.leave();
                break;
            }
            if !self.take(need.queue, true) {
                break;
            }
            if reserve {
                self.memory.reserved += need.queue;
                self.reserved_tables += need.tables;
            } else {
                self.give(need.queue);
            }
            granted.extend(self.queue.pop_front().map(|request| request.waiter));
        }
        if self.queue.is_empty() {
            self.leave();
        }
        granted
    }

    fn leave(&mut self) {
        if let Some(share) = &mut self.share {
            share.leave();
        }
    }

    pub fn drain(&mut self) -> impl Iterator<Item = Waiter> + use<> {
        self.leave();
        std::mem::take(&mut self.queue).into_iter().map(|request| request.waiter)
    }

    fn enqueue(&mut self, need: Need, reserve: bool, waiter: Waiter) -> u64 {
        self.ids += 1;
        self.queue.push_back(Request { id: self.ids, need, reserve, waiter });
        self.ids
    }

    /// Whether the request was still waiting.
    fn withdraw(&mut self, id: u64) -> bool {
        let before = self.queue.len();
        self.queue.retain(|request| request.id != id);
        self.queue.len() < before
    }
}

impl ShardWriter {
    /// Waits until a put of `bytes`, or one that was refused with `Backpressure` and this detail, would not have to wait. Other putters may
    /// take the room first.
    ///
    /// # Errors
    /// `InvalidArgument` if it never fits; the terminal error; `Backpressure` at the deadline.
    pub fn wait_capacity(&self, bytes: u64, timeout: Option<Duration>) -> Result<()> {
        let need = self.0.need(bytes)?;
        self.0.wait_for_room(need, false, timeout)
    }

    /// [`Self::wait_capacity`] with a callback.
    pub fn wait_capacity_async(&self, bytes: u64, done: Callback) {
        match self.0.need(bytes) {
            Ok(need) => drop(self.0.request_room(need, false, Waiter::Callback(done))),
            Err(error) => done(Err(error)),
        }
    }
}

impl Shared {
    /// What a put needs of which one number is known: what it takes in the queue, or what a refusal said that it takes in a table, where it
    /// may be more than may be pending.
    fn need(&self, bytes: u64) -> Result<Need> {
        let Some(memtable) = &self.config.memtable else {
            self.check_size(bytes)?;
            return Ok(Need { queue: bytes, tables: 0 });
        };
        if bytes > memtable.max_unflushed_bytes {
            self.check_size(bytes)?;
        }
        Ok(Need { queue: if bytes > self.config.max_pending_bytes { 0 } else { bytes }, tables: bytes })
    }

    /// Refuses a put that could never be admitted (PITFALLS F6).
    pub(super) fn check_size(&self, bytes: u64) -> Result<()> {
        let limit = self.config.max_pending_bytes;
        if bytes > limit {
            return Err(err!(
                InvalidArgument,
                "a put of {bytes} bytes is larger than max_pending_bytes ({limit}) and could never be admitted"
            )
            .with_u64("bytes", bytes)
            .with_u64("limit_bytes", limit));
        }
        Ok(())
    }

    /// Waits for room; with `reserve`, the bytes are kept for the caller, who must use or release them.
    pub(super) fn wait_for_room(self: &Arc<Self>, need: Need, reserve: bool, timeout: Option<Duration>) -> Result<()> {
        let parked = Parked::new(false);
        let began = self.env.clock.now();
        let id = self.request_room(need, reserve, Waiter::Thread(Arc::clone(&parked)));
        let outcome = self.wait(&parked, deadline(timeout));
        let mut state = self.state.lock();
        state.recorder.blocked += self.env.clock.now().saturating_sub(began);
        match outcome {
            Some(outcome) => outcome.map(|_| ()),
            None if state.room.withdraw(id) => {
                let error = self.no_room(&state, need);
                // Those behind us may fit where we did not.
                let granted = state.grant();
                self.relieve_next(state);
                granted.into_iter().for_each(|waiter| waiter.complete(Ok(Ack::default())));
                Err(error)
            }
            // Granted, or ended, at the last moment: the signal is there.
            None => {
                drop(state);
                self.wait(&parked, None).map_or(Ok(()), |outcome| outcome.map(|_| ()))
            }
        }
    }

    fn request_room(self: &Arc<Self>, need: Need, reserve: bool, waiter: Waiter) -> u64 {
        let mut state = self.state.lock();
        if let Err(error) = self.check_open(&state) {
            drop(state);
            waiter.complete(Err(error));
            return 0;
        }
        let id = state.room.enqueue(need, reserve, waiter);
        let granted = state.grant();
        if state.room.waiting() > 0 {
            state.recorder.blocked_waits += 1;
            let flush = state.room.waits_for_flush(state.unflushed());
            self.relieve(state, flush);
        } else {
            drop(state);
        }
        granted.into_iter().for_each(|waiter| waiter.complete(Ok(Ack::default())));
        self.watch_memory();
        id
    }

    /// Sees to it that what could make room is on its way (PITFALLS F3): what is queued is written, and with `flush` the table that is filled
    /// is frozen, unless one is being flushed.
    pub(super) fn relieve(self: &Arc<Self>, mut state: MutexGuard<'_, State>, flush: bool) {
        state.relieve(flush);
        self.dispatch(state, None);
        self.start_flush();
    }

    /// [`Self::relieve`] if it is a flush that the first in the queue waits for. To be called wherever the first one may have changed, or rows
    /// have come into the table that is filled, while somebody waits (PITFALLS F3).
    pub(super) fn relieve_next(self: &Arc<Self>, state: MutexGuard<'_, State>) {
        if state.room.waits_for_flush(state.unflushed()) {
            self.relieve(state, true);
        }
    }

    /// Has everybody make room below the session's limit, and a task wait for it, if it is that what this writer lacks.
    fn watch_memory(self: &Arc<Self>) {
        let Some(memory) = self.memory.clone() else { return };
        {
            let mut state = self.state.lock();
            if !state.room.waits_for_memory() || std::mem::replace(&mut state.room.watched, true) {
                return;
            }
        }
        let writer = Arc::downgrade(self);
        let task = async move {
            loop {
                let changed = memory.changed();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if writer.upgrade().is_none_or(|writer| !writer.grant_memory()) {
                    return;
                }
                memory.press();
                changed.await;
            }
        };
        self.env.spawn.spawn(Box::pin(task), false);
    }

    /// Grants what the session has room for now; says whether somebody still waits for that.
    fn grant_memory(self: &Arc<Self>) -> bool {
        let mut state = self.state.lock();
        let granted = state.grant();
        let waits = state.room.waits_for_memory();
        state.room.watched = waits;
        self.relieve_next(state);
        granted.into_iter().for_each(|waiter| waiter.complete(Ok(Ack::default())));
        waits
    }

    pub(super) fn no_room(&self, state: &State, need: Need) -> Error {
        let memory = state.memory();
        let Need { queue: bytes, tables } = need;
        if !state.room.fits_tables(need, state.unflushed()) {
            let why = state.tables.as_ref().map(Tables::failing).unwrap_or_default();
            return err!(
                Backpressure,
                "no room for a put that takes {tables} bytes in a table: {} are filled and {} frozen, not flushed, of at most {}{why}",
                memory.active,
                memory.frozen,
                memory.unflushed_limit
            )
            .with_u64("bytes", tables.min(memory.unflushed_limit))
            .with_u64("memtable_bytes", memory.active)
            .with_u64("frozen_bytes", memory.frozen)
            .with_u64("limit_bytes", memory.unflushed_limit);
        }
        if state.room.fits_queue(need)
            && let Some(usage) = self.memory.as_ref().map(|session| session.usage())
            && let Some(limit) = usage.limit
        {
            return err!(
                Backpressure,
                "no room for a put of {bytes} bytes below the session's memory limit: {} queued by its writers, {} in their tables, {} read \
                 ahead by its tailers, of at most {limit}",
                usage.queues,
                usage.tables,
                usage.read_ahead
            )
            .with_u64("bytes", bytes)
            .with_u64("session_queued_bytes", usage.queues)
            .with_u64("session_memtable_bytes", usage.tables)
            .with_u64("session_read_ahead_bytes", usage.read_ahead)
            .with_u64("session_limit_bytes", limit);
        }
        err!(
            Backpressure,
            "no room for a put of {bytes} bytes: {} pending, {} in the entry being written, {} reserved, of at most {}; {} wait before it",
            memory.pending,
            memory.in_flight,
            memory.reserved,
            memory.limit,
            state.room.waiting()
        )
        .with_u64("bytes", bytes)
        .with_u64("pending_bytes", memory.pending)
        .with_u64("in_flight_bytes", memory.in_flight)
        .with_u64("reserved_bytes", memory.reserved)
        .with_u64("limit_bytes", memory.limit)
    }
}
