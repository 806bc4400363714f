//! The limit on bytes that were admitted and are not durable yet, and who waits for room below it.
//!
//! Room is granted in the order of asking, so a large put is not starved by small ones. Where the session has a limit on its memory,
//! bytes are taken from that, too.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::waiter::{Callback, Parked, Waiter, deadline};
use super::{Ack, ShardWriter, Shared, WriterMemory};
use crate::error::{Error, Result, err};
use crate::memory::Share;

/// The bytes in use and the queue for more.
pub(super) struct Room {
    memory: WriterMemory,
    queue: VecDeque<Request>,
    ids: u64,
    /// The bytes in use, as the session counts them.
    share: Option<Share>,
    /// A task waits for the session to have room.
    watched: bool,
}

struct Request {
    id: u64,
    bytes: u64,
    /// Whether the bytes are kept for the one who asked.
    reserve: bool,
    waiter: Waiter,
}

impl Room {
    pub fn new(limit: u64, share: Option<Share>) -> Self {
        Self { memory: WriterMemory { limit, ..WriterMemory::default() }, queue: VecDeque::new(), ids: 0, share, watched: false }
    }

    pub fn memory(&self) -> WriterMemory {
        self.memory
    }

    pub fn waiting(&self) -> u64 {
        self.queue.len() as u64
    }

    fn fits(&self, bytes: u64) -> bool {
        let used = self.memory.pending + self.memory.in_flight + self.memory.reserved;
        used.saturating_add(bytes) <= self.memory.limit
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

    /// Takes `bytes` for a pending put if there is room and nobody waits for it.
    pub fn try_admit(&mut self, bytes: u64) -> bool {
        let admitted = self.queue.is_empty() && self.fits(bytes) && self.take(bytes, false);
        if admitted {
            self.memory.pending += bytes;
        }
        admitted
    }

    /// Turns reserved bytes into those of a pending put.
    pub fn admit_reserved(&mut self, bytes: u64) {
        self.memory.reserved -= bytes;
        self.memory.pending += bytes;
    }

    pub fn take_in_flight(&mut self, bytes: u64) {
        self.memory.pending -= bytes;
        self.memory.in_flight += bytes;
    }

    pub fn release_pending(&mut self, bytes: u64) {
        self.memory.pending -= bytes;
        self.give(bytes);
    }

    pub fn release_reserved(&mut self, bytes: u64) {
        self.memory.reserved -= bytes;
        self.give(bytes);
    }

    pub fn release_in_flight(&mut self, bytes: u64) {
        self.memory.in_flight -= bytes;
        self.give(bytes);
    }

    /// Those at the front of the queue for whom there is room now.
    pub fn grant(&mut self) -> Vec<Waiter> {
        let mut granted = Vec::new();
        while let Some((bytes, reserve)) = self.queue.front().map(|request| (request.bytes, request.reserve)) {
            if !self.fits(bytes) {
                // Its own limit is what it waits for.
                self.leave();
                break;
            }
            if !self.take(bytes, true) {
                break;
            }
            if reserve {
                self.memory.reserved += bytes;
            } else {
                self.give(bytes);
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

    fn enqueue(&mut self, bytes: u64, reserve: bool, waiter: Waiter) -> u64 {
        self.ids += 1;
        self.queue.push_back(Request { id: self.ids, bytes, reserve, waiter });
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
    /// Waits until a put of `bytes` would not have to wait. Other putters may take the room first.
    ///
    /// # Errors
    /// `InvalidArgument` if it never fits; the terminal error; `Backpressure` at the deadline.
    pub fn wait_capacity(&self, bytes: u64, timeout: Option<Duration>) -> Result<()> {
        self.0.check_size(bytes)?;
        self.0.wait_for_room(bytes, false, timeout)
    }

    /// [`Self::wait_capacity`] with a callback.
    pub fn wait_capacity_async(&self, bytes: u64, done: Callback) {
        if let Err(error) = self.0.check_size(bytes) {
            return done(Err(error));
        }
        self.0.request_room(bytes, false, Waiter::Callback(done));
    }
}

impl Shared {
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
    pub(super) fn wait_for_room(self: &Arc<Self>, bytes: u64, reserve: bool, timeout: Option<Duration>) -> Result<()> {
        let parked = Parked::new(false);
        let began = self.env.clock.now();
        let id = self.request_room(bytes, reserve, Waiter::Thread(Arc::clone(&parked)));
        let outcome = self.wait(&parked, deadline(timeout));
        let mut state = self.state.lock();
        state.recorder.blocked += self.env.clock.now().saturating_sub(began);
        match outcome {
            Some(outcome) => outcome.map(|_| ()),
            None if state.room.withdraw(id) => {
                let error = self.no_room(&state.room, bytes);
                // Those behind us may fit where we did not.
                let granted = state.room.grant();
                drop(state);
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

    fn request_room(self: &Arc<Self>, bytes: u64, reserve: bool, waiter: Waiter) -> u64 {
        let mut state = self.state.lock();
        if let Err(error) = self.check_open(&state) {
            drop(state);
            waiter.complete(Err(error));
            return 0;
        }
        let id = state.room.enqueue(bytes, reserve, waiter);
        let granted = state.room.grant();
        if state.room.waiting() > 0 {
            state.recorder.blocked_waits += 1;
            // What could make room must be on its way (PITFALLS F3).
            state.urgent = state.admitted;
            self.dispatch(state, None);
        } else {
            drop(state);
        }
        granted.into_iter().for_each(|waiter| waiter.complete(Ok(Ack::default())));
        self.watch_memory();
        id
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
    fn grant_memory(&self) -> bool {
        let mut state = self.state.lock();
        let granted = state.room.grant();
        let waits = state.room.waits_for_memory();
        state.room.watched = waits;
        drop(state);
        granted.into_iter().for_each(|waiter| waiter.complete(Ok(Ack::default())));
        waits
    }

    pub(super) fn no_room(&self, room: &Room, bytes: u64) -> Error {
        let memory = room.memory();
        if room.fits(bytes)
            && let Some(session) = &self.memory
        {
            let usage = session.usage();
            let limit = usage.limit.unwrap_or(u64::MAX);
            return err!(
                Backpressure,
                "no room for a put of {bytes} bytes below the session's memory limit: {} queued by its writers, {} read ahead by its \
                 tailers, of at most {limit}",
                usage.queues,
                usage.read_ahead
            )
            .with_u64("bytes", bytes)
            .with_u64("session_queued_bytes", usage.queues)
            .with_u64("session_read_ahead_bytes", usage.read_ahead)
            .with_u64("session_limit_bytes", limit);
        }
        err!(
            Backpressure,
            "no room for a put of {bytes} bytes: {} pending, {} in the entry being written, {} reserved, of at most {}",
            memory.pending,
            memory.in_flight,
            memory.reserved,
            memory.limit
        )
        .with_u64("bytes", bytes)
        .with_u64("pending_bytes", memory.pending)
        .with_u64("in_flight_bytes", memory.in_flight)
        .with_u64("reserved_bytes", memory.reserved)
        .with_u64("limit_bytes", memory.limit)
    }
}
