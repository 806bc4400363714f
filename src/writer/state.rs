//! What a writer knows, all under one lock.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::WriterMemory;
use super::backpressure::{Need, Room};
use super::group_commit::Committer;
use super::stats::Recorder;
use super::tables::{Holdings, Place, Tables};
use super::waiter::Waiter;
use crate::error::Error;
use crate::wal::entry::EncodedBatch;

/// A put that was admitted and is not in an entry yet.
pub(super) struct Pending {
    pub batch: EncodedBatch,
    pub bytes: u64,
    /// In MemTable mode: where its rows are.
    pub place: Option<Place>,
    pub sequence: u64,
    pub admitted_at: Duration,
    pub waiter: Option<Waiter>,
}

impl Pending {
    /// The generation that its entry is of.
    pub fn generation(&self) -> Option<u64> {
        self.place.as_ref().map(|place| place.table.generation())
    }
}

pub(super) struct State {
    /// The right to append, when nobody is using it.
    pub committer: Option<Box<Committer>>,
    pub pending: VecDeque<Pending>,
    /// Who waits for room, and the bytes in use.
    pub room: Room,
    /// In MemTable mode.
    pub tables: Option<Tables>,
    /// Puts admitted, ever.
    pub admitted: u64,
    /// Puts durable, ever; always a prefix of those admitted.
    pub durable: u64,
    /// The position of the newest durable entry.
    pub durable_position: u64,
    /// Puts up to this sequence are written without lingering.
    pub urgent: u64,
    /// Who waits for a number of puts to be durable.
    pub barriers: BTreeMap<(u64, u64), Waiter>,
    /// The error that ended it.
    pub terminal: Option<Error>,
    /// Further puts are refused.
    pub closing: bool,
    /// A timer for the linger runs.
    pub timer: bool,
    /// The number of pending puts that a committer is gathering for.
    pub gathering: Option<usize>,
    pub recorder: Recorder,
    keys: u64,
}

impl State {
    pub fn new(committer: Committer, room: Room, tables: Option<Tables>) -> Self {
        Self {
            committer: Some(Box::new(committer)),
            pending: VecDeque::new(),
            room,
            tables,
            admitted: 0,
            durable: 0,
            durable_position: 0,
            urgent: 0,
            barriers: BTreeMap::new(),
            terminal: None,
            closing: false,
            timer: false,
            gathering: None,
            recorder: Recorder::new(),
            keys: 0,
        }
    }

    /// A key for `barriers`, ordered by sequence.
    pub fn new_key(&mut self, sequence: u64) -> (u64, u64) {
        self.keys += 1;
        (sequence, self.keys)
    }

    /// Takes everybody who waits for a group that will not come, and what they wait for.
    pub fn drain(&mut self) -> Vec<Waiter> {
        let pending = std::mem::take(&mut self.pending);
        self.room.release_pending(pending.iter().map(|put| put.bytes).sum());
        let mut waiters: Vec<Waiter> = pending.into_iter().filter_map(|put| put.waiter).collect();
        waiters.extend(std::mem::take(&mut self.barriers).into_values());
        waiters.extend(self.tables.iter_mut().flat_map(Tables::drain));
        waiters.extend(self.room.drain());
        waiters
    }

    pub fn memory(&self) -> WriterMemory {
        let Holdings { active_bytes, frozen_bytes, kept_bytes } = self.tables.as_ref().map(Tables::holdings).unwrap_or_default();
        WriterMemory { active: active_bytes, frozen: frozen_bytes, kept: kept_bytes, ..self.room.memory() }
    }

    /// The bytes in tables that are not flushed.
    pub fn unflushed(&self) -> u64 {
        self.tables.as_ref().map_or(0, Tables::unflushed_bytes)
    }

    /// Has the rows of frozen tables written without lingering: a table is flushed when the log has it.
    pub fn hurry_frozen(&mut self) {
        if let Some(frozen) = self.tables.as_ref().and_then(|tables| tables.frozen().back()) {
            self.urgent = self.urgent.max(frozen.last_sequence);
        }
    }

    /// Has what is queued written, and with `flush` freezes the table that is filled, unless one waits to be flushed.
    pub fn relieve(&mut self, flush: bool) {
        self.urgent = self.admitted;
        if let Some(tables) = self.tables.as_mut().filter(|_| flush)
            && tables.frozen().is_empty()
        {
            tables.freeze();
        }
    }

    /// Whether a frozen table can be flushed.
    pub fn is_flushable(&self) -> bool {
        self.tables.as_ref().is_some_and(|tables| tables.flushable(self.durable).is_some())
    }

    /// Takes what a put needs if there is room and nobody waits for it.
    pub fn try_admit(&mut self, need: Need) -> bool {
        self.room.try_admit(need, self.unflushed())
    }

    /// Those for whom there is room now.
    pub fn grant(&mut self) -> Vec<Waiter> {
        self.room.grant(self.unflushed())
    }

    /// Puts that wait for room now.
    pub fn blocked(&self) -> u64 {
        self.room.waiting()
    }
}
