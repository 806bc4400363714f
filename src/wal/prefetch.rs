//! Reading ahead of a tailer on stores where a request takes long.
//!
//! The window opens with every entry found from the second in a row on, and closes when the end of the log is reached, so that a
//! tailer that keeps up asks for one entry at a time. Bytes are reserved in the order of positions, before they are fetched: what is held is always
//! a run that the tailer can consume, so the limit cannot lock up.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::future::{AbortHandle, abortable};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::cached::EntryCache;
use super::tailer::{Log, Read};
use crate::cache::Loading;
use crate::error::{Result, err};
use crate::memory::{MemoryBudget, Share, Use};

#[derive(Debug)]
pub(super) struct Prefetch {
    max_entries: usize,
    /// How many entries are fetched at once.
    window: usize,
    /// Whether the last entry asked for was there.
    found: bool,
    budget: Arc<Budget>,
    running: VecDeque<Fetch>,
}

#[derive(Debug)]
struct Fetch {
    position: u64,
    result: oneshot::Receiver<Result<Option<(Read, Reserved)>>>,
    abort: AbortHandle,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

impl Prefetch {
    pub fn new(max_entries: u32, max_bytes: u64) -> Self {
        let budget = Budget::starting_at(max_bytes, 0, None);
        Self { max_entries: max_entries as usize, window: 1, found: false, budget, running: VecDeque::new() }
    }

    /// Has what is read ahead counted in `memory`.
    pub fn count_in(&mut self, memory: &Arc<MemoryBudget>) {
        self.running.clear();
        self.budget = Budget::starting_at(self.budget.limit, 0, Some(memory));
    }

    /// Forgets what was read ahead.
    pub fn clear(&mut self) {
        self.running.clear();
        self.window = 1;
        self.found = false;
        self.budget = self.budget.renewed(0);
    }

    /// The entry at `position`, fetched ahead or now; `None` if it is not there.
    pub async fn take(&mut self, log: &Log, position: u64) -> Result<Option<Read>> {
        // On a store that answers at once a hand-over costs more than the read.
        if self.max_entries == 1 || log.store.is_blocking() {
            return log.read(position).await;
        }
        // So does one of an entry that is there already.
        if self.running.is_empty()
            && let Some(cache) = &log.cache
            && let Some(cached) = cache.peek(log, position).await?
        {
            return Ok(Some(Read::Entry(cached.entry.clone())));
        }
        if self.running.front().is_some_and(|fetch| fetch.position != position) {
            self.clear();
        }
        let read_ahead = !self.running.is_empty();
        self.fill(log, position);
        let front = self.running.front_mut().ok_or_else(|| err!(Internal, "nothing is being fetched"))?;
        let result = (&mut front.result).await.unwrap_or_else(|_| Err(err!(Closed, "the runtime was shut down")));
        match result {
            Ok(Some((read, _reserved))) => {
                self.running.pop_front();
                if std::mem::replace(&mut self.found, true) {
                    self.window = (self.window * 2).min(self.max_entries);
                    self.fill(log, position + 1);
                }
                Ok(Some(read))
            }
            // The end of the log, or a failure: what was fetched beyond it is worthless. If that was seen before this call, the
            // entry may have been acknowledged since.
            other => {
                self.clear();
                if read_ahead {
                    return log.read(position).await;
                }
                Ok(other?.map(|(read, _)| read))
            }
        }
    }

    fn fill(&mut self, log: &Log, position: u64) {
        let mut next = self.running.back().map_or(position, |fetch| fetch.position + 1);
        if self.running.is_empty() {
            self.budget = self.budget.renewed(position);
        }
        // Position u64::MAX is never written.
        while self.running.len() < self.window && next < u64::MAX {
            self.running.push_back(start(log.clone(), next, Arc::clone(&self.budget)));
            next += 1;
        }
    }
}

fn start(log: Log, position: u64, budget: Arc<Budget>) -> Fetch {
    let (sender, result) = oneshot::channel();
    let spawn = Arc::clone(&log.env.spawn);
    let (task, abort) = abortable(async move {
        let _ = sender.send(fetch(&log, position, &budget).await);
    });
    spawn.spawn(
        Box::pin(async move {
            let _ = task.await;
        }),
        false,
    );
    Fetch { position, result, abort }
}

async fn fetch(log: &Log, position: u64, budget: &Arc<Budget>) -> Result<Option<(Read, Reserved)>> {
    if let Some(cache) = &log.cache {
        return fetch_shared(log, cache, position, budget).await;
    }
    let object = log.store.get(&log.shard.entry(position)).await;
    let size = object.as_ref().ok().and_then(Option::as_ref).map_or(0, |object| object.size);
    let reserved = budget.reserve(position, size, || {}).await;
    match object? {
        Some(object) => Ok(Some((Read::Bytes(object.body.await?), reserved))),
        None => Ok(None),
    }
}

/// As [`fetch`], where others may be fetching the same. Who waits for room because its consumer is slow has nobody else wait for it.
async fn fetch_shared(log: &Log, cache: &EntryCache, position: u64, budget: &Arc<Budget>) -> Result<Option<(Read, Reserved)>> {
    let reserved = Mutex::new(None);
    let load = |loading: Loading| {
        let reserved = &reserved;
        async move {
            let object = log.store.get(&log.shard.entry(position)).await;
            let size = object.as_ref().ok().and_then(Option::as_ref).map_or(0, |object| object.size);
            let granted = budget.reserve(position, size, || loading.release()).await;
            *reserved.lock() = Some(granted);
            match object? {
                Some(object) => object.body.await.map(Some),
                None => Ok(None),
            }
        }
    };
    let outcome = cache.get_or_load(log, position, load).await;
    // What another one fetched is not held by this one alone. Its turn must pass in any case.
    let reserved = match reserved.into_inner() {
        Some(reserved) => reserved,
        None => budget.reserve(position, 0, || {}).await,
    };
    Ok(outcome?.map(|cached| (Read::Entry(cached.entry.clone()), reserved)))
}

/// The bytes that may be held, given out in the order of positions.
struct Budget {
    limit: u64,
    state: Mutex<Granted>,
    changed: Notify,
}

struct Granted {
    next: u64,
    held: u64,
    /// The one whose turn it is waits for room.
    starved: bool,
    /// What is held, as the session counts it.
    share: Option<Share>,
}

#[derive(Debug)]
struct Reserved {
    budget: Arc<Budget>,
    bytes: u64,
}

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Budget {
    fn starting_at(limit: u64, next: u64, memory: Option<&Arc<MemoryBudget>>) -> Arc<Self> {
        let share = memory.map(|memory| memory.share(Use::ReadAhead, "a tailer"));
        Arc::new(Self { limit, state: Mutex::new(Granted { next, held: 0, starved: false, share }), changed: Notify::new() })
    }

    /// Another of the same limit. What this one has given out stays counted until it is given back.
    fn renewed(&self, next: u64) -> Arc<Self> {
        let memory = self.memory();
        Self::starting_at(self.limit, next, memory.as_ref())
    }

    fn memory(&self) -> Option<Arc<MemoryBudget>> {
        self.state.lock().share.as_ref().map(|share| Arc::clone(share.budget()))
    }

    /// Calls `starving` when it, or one before it, waits for room rather than for answers.
    async fn reserve(self: &Arc<Self>, position: u64, bytes: u64, starving: impl Fn()) -> Reserved {
        let memory = self.memory();
        let reserved = self.granted(position, bytes, starving).await;
        if let Some(memory) = memory {
            // The session's cache yields.
            memory.make_room(0);
        }
        reserved
    }

    async fn granted(self: &Arc<Self>, position: u64, bytes: u64, starving: impl Fn()) -> Reserved {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut granted = self.state.lock();
                let turn = granted.next == position;
                if turn && (granted.held == 0 || granted.held.saturating_add(bytes) <= self.limit) {
                    granted.next += 1;
                    granted.held += bytes;
                    granted.starved = false;
                    if let Some(share) = &mut granted.share {
                        share.take(bytes);
                    }
                    self.changed.notify_waiters();
                    return Reserved { budget: Arc::clone(self), bytes };
                }
                if turn && !std::mem::replace(&mut granted.starved, true) {
                    self.changed.notify_waiters();
                    drop(granted);
                    starving();
                    // Others' wake-up was ours, too.
                    continue;
                }
                if granted.starved {
                    drop(granted);
                    starving();
                }
            }
            changed.await;
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut granted = self.budget.state.lock();
        granted.held -= self.bytes;
        if let Some(share) = &mut granted.share {
            share.give(self.bytes);
        }
        drop(granted);
        self.budget.changed.notify_waiters();
    }
}
