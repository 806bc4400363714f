//! Reading ahead of a tailer on stores where a request takes long.
//!
//! The window opens with every entry found from the second in a row on, and closes when the end of the log is reached, so that a
//! tailer that keeps up asks for one entry at a time. Bytes are reserved in the order of positions, before they are fetched: what is held is always
//! a run that the tailer can consume, so the limit cannot lock up.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{AbortHandle, abortable};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::tailer::Log;
use crate::error::{Result, err};

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
    result: oneshot::Receiver<Result<Option<(Bytes, Reserved)>>>,
    abort: AbortHandle,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

impl Prefetch {
    pub fn new(max_entries: u32, max_bytes: u64) -> Self {
        Self { max_entries: max_entries as usize, window: 1, found: false, budget: Budget::new(max_bytes), running: VecDeque::new() }
    }

    /// Forgets what was read ahead.
    pub fn clear(&mut self) {
        self.running.clear();
        self.window = 1;
        self.found = false;
        self.budget = Budget::new(self.budget.limit);
    }

    /// The bytes of the entry at `position`, fetched ahead or now; `None` if it is not there.
    pub async fn take(&mut self, log: &Log, position: u64) -> Result<Option<Bytes>> {
        // On a store that answers at once a hand-over costs more than the read.
        if self.max_entries == 1 || log.store.is_blocking() {
            return log.fetch(position).await;
        }
        if self.running.front().is_some_and(|fetch| fetch.position != position) {
            self.clear();
        }
        let read_ahead = !self.running.is_empty();
        self.fill(log, position);
        let front = self.running.front_mut().ok_or_else(|| err!(Internal, "nothing is being fetched"))?;
        let result = (&mut front.result).await.unwrap_or_else(|_| Err(err!(Closed, "the runtime was shut down")));
        match result {
            Ok(Some((bytes, _reserved))) => {
                self.running.pop_front();
                if std::mem::replace(&mut self.found, true) {
                    self.window = (self.window * 2).min(self.max_entries);
                    self.fill(log, position + 1);
                }
                Ok(Some(bytes))
            }
            // The end of the log, or a failure: what was fetched beyond it is worthless. If that was seen before this call, the
            // entry may have been acknowledged since.
            other => {
                self.clear();
                if read_ahead {
                    return log.fetch(position).await;
                }
                Ok(other?.map(|(bytes, _)| bytes))
            }
        }
    }

    fn fill(&mut self, log: &Log, position: u64) {
        let mut next = self.running.back().map_or(position, |fetch| fetch.position + 1);
        if self.running.is_empty() {
            self.budget = Budget::starting_at(self.budget.limit, position);
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

async fn fetch(log: &Log, position: u64, budget: &Arc<Budget>) -> Result<Option<(Bytes, Reserved)>> {
    let object = log.store.get(&log.shard.entry(position)).await;
    let size = object.as_ref().ok().and_then(Option::as_ref).map_or(0, |object| object.size);
    let reserved = budget.reserve(position, size).await;
    match object? {
        Some(object) => Ok(Some((object.body.await?, reserved))),
        None => Ok(None),
    }
}

/// The bytes that may be held, given out in the order of positions.
#[derive(Debug)]
struct Budget {
    limit: u64,
    state: Mutex<Granted>,
    changed: Notify,
}

#[derive(Debug)]
struct Granted {
    next: u64,
    held: u64,
}

#[derive(Debug)]
struct Reserved {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    fn new(limit: u64) -> Arc<Self> {
        Self::starting_at(limit, 0)
    }

    fn starting_at(limit: u64, next: u64) -> Arc<Self> {
        Arc::new(Self { limit, state: Mutex::new(Granted { next, held: 0 }), changed: Notify::new() })
    }

    async fn reserve(self: &Arc<Self>, position: u64, bytes: u64) -> Reserved {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut granted = self.state.lock();
                if granted.next == position && (granted.held == 0 || granted.held.saturating_add(bytes) <= self.limit) {
                    granted.next += 1;
                    granted.held += bytes;
                    self.changed.notify_waiters();
                    return Reserved { budget: Arc::clone(self), bytes };
                }
            }
            changed.await;
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.budget.state.lock().held -= self.bytes;
        self.budget.changed.notify_waiters();
    }
}
