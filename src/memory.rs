//! The memory of a session: one limit over what its writers have queued and hold in MemTables, what its tailers have read ahead, and its
//! cache.
//!
//! The cache yields: it gets what the others leave, and is made smaller before anybody waits. What tailers hold that was read ahead is
//! bounded by their own limits; it is counted, and never waited for, as it goes only when somebody reads. Puts wait. They do so in the
//! order of their asking over all writers, and while one waits every writer writes what it has without lingering and flushes its MemTables
//! (PITFALLS F3). A put is admitted in any case when nothing else is queued or in tables, so that no limit is too small to make progress.
//!
//! What is counted belongs to a share, which gives it back when it goes: no counter drifts (PITFALLS F2).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::cache::{Cache, CapacityLimit};
use crate::env::Clock;

/// The cache's capacity changes in so many steps of the limit.
const STEPS: u64 = 64;

/// What memory is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Puts that are not durable yet.
    Queues,
    /// Entries that tailers have read ahead.
    ReadAhead,
    /// Rows of MemTables.
    Tables,
}

/// Somebody who can make room by writing what he has queued.
pub trait Flush: Send + Sync {
    /// Writes without lingering. Must not wait.
    fn flush_now(self: Arc<Self>);
}

/// A session's memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryUsage {
    /// The limit on the sum; `None` if there is none.
    pub limit: Option<u64>,
    /// Puts that are not durable yet.
    pub queues: u64,
    /// Entries that tailers have read ahead.
    pub read_ahead: u64,
    /// Rows of MemTables.
    pub tables: u64,
    /// What the cache holds; `None` if its backend does not know. 0 if there is no cache.
    pub cache: Option<u64>,
    /// What the cache may hold, for the sake of the limit; `None` if nothing limits it but its own capacity.
    pub cache_limit: Option<u64>,
    /// How many writers have puts that wait for room below the limit.
    pub waiting: u64,
    /// The bytes that those at the head of their queues want.
    pub waiting_bytes: u64,
    /// How long the first of them has waited.
    pub longest_wait: Duration,
    /// How often somebody waited.
    pub waits: u64,
    /// How long, together, of those that are over.
    pub waited: Duration,
}

/// Somebody who waits: what for, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Who.
    pub who: String,
    /// The bytes that he wants.
    pub bytes: u64,
    /// How long he has waited.
    pub waited: Duration,
}

/// See the module's documentation.
pub struct MemoryBudget {
    clock: Arc<dyn Clock>,
    /// `u64::MAX` = none.
    limit: AtomicU64,
    queues: AtomicU64,
    read_ahead: AtomicU64,
    tables: AtomicU64,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    cache: Option<Arc<CapacityLimit>>,
    /// What the cache was last given.
    cache_limit: Option<u64>,
    tickets: u64,
    waiting: BTreeMap<u64, Ticket>,
    waits: u64,
    waited: Duration,
    flushers: Vec<Weak<dyn Flush>>,
}

impl State {
    fn cache(&self) -> Option<Cache> {
        self.cache.as_ref().and_then(|limit| limit.cache())
    }
}

struct Ticket {
    who: String,
    bytes: u64,
    since: Duration,
}

impl std::fmt::Debug for MemoryBudget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.usage().fmt(f)
    }
}

impl MemoryBudget {
    /// A budget without a limit.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            limit: AtomicU64::new(u64::MAX),
            queues: AtomicU64::new(0),
            read_ahead: AtomicU64::new(0),
            tables: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Limits the sum from now on; `None` = not at all.
    pub fn set_limit(&self, limit: Option<u64>) {
        self.limit.store(limit.unwrap_or(u64::MAX), Ordering::Release);
        self.give_back();
        self.make_room(0);
        self.changed.notify_waiters();
    }

    fn limit(&self) -> u64 {
        self.limit.load(Ordering::Acquire)
    }

    /// Has `cache` get what the others leave, for as long as the budget lives, and no other one any more.
    pub(crate) fn set_cache(&self, cache: &Cache) {
        let mut state = self.state.lock();
        let before = state.cache.replace(Arc::new(cache.limit()));
        state.cache_limit = None;
        drop(state);
        drop(before);
        self.make_room(0);
    }

    /// Has `flusher` asked to make room when somebody waits, for as long as it lives.
    pub(crate) fn register(&self, flusher: Weak<dyn Flush>) {
        let mut state = self.state.lock();
        state.flushers.retain(|flusher| flusher.strong_count() > 0);
        state.flushers.push(flusher);
    }

    /// A share for `what`, with nothing in it. `who` is told of if it waits.
    pub(crate) fn share(self: &Arc<Self>, what: Use, who: impl Into<String>) -> Share {
        Share { budget: Arc::clone(self), what, who: who.into(), held: 0, ticket: None }
    }

    /// Completes at the first change that may let somebody have room, after this call.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Has everybody write who can make room by it. Call it without a lock that they take.
    pub(crate) fn press(&self) {
        let flushers: Vec<_> = self.state.lock().flushers.iter().filter_map(Weak::upgrade).collect();
        flushers.into_iter().for_each(Flush::flush_now);
    }

    fn counter(&self, what: Use) -> &AtomicU64 {
        match what {
            Use::Queues => &self.queues,
            Use::ReadAhead => &self.read_ahead,
            Use::Tables => &self.tables,
        }
    }

    /// Whether there is a limit.
    pub(crate) fn is_limited(&self) -> bool {
        self.limit() != u64::MAX
    }

    fn held_by_puts(&self) -> u64 {
        self.queues.load(Ordering::Acquire) + self.tables.load(Ordering::Acquire)
    }

    fn used(&self) -> u64 {
        [&self.queues, &self.read_ahead, &self.tables].iter().map(|counter| counter.load(Ordering::Acquire)).sum()
    }

    /// Has the cache leave room for `bytes` more. Lets go of values: call it without a lock that those who own them may take.
    pub(crate) fn make_room(&self, bytes: u64) {
        if self.limit() == u64::MAX {
            return;
        }
        let mut state = self.state.lock();
        let left = self.left(bytes);
        if state.cache.is_none() || state.cache_limit.is_some_and(|limit| limit <= left) {
            return;
        }
        state.cache_limit = Some(left);
        drop(state);
        self.tell_cache();
    }

    /// Gives the cache what others do not use: more than it has, which lets go of nothing. Under the lock, so that who lowers the limit
    /// at the same time, and tells the cache without it, sees that it was raised and tells it again.
    fn give_back(&self) {
        let mut state = self.state.lock();
        let left = if self.limit() == u64::MAX { u64::MAX } else { self.left(0) };
        if state.cache.is_none() || state.cache_limit.is_none_or(|limit| limit >= left) {
            return;
        }
        state.cache_limit = (left != u64::MAX).then_some(left);
        if let Some(cache) = &state.cache {
            cache.raise(left);
        }
    }

    /// Tells the cache what it may hold, again if that changed meanwhile.
    fn tell_cache(&self) {
        loop {
            let state = self.state.lock();
            let (Some(cache), given) = (state.cache.clone(), state.cache_limit) else { return };
            drop(state);
            cache.set(given.unwrap_or(u64::MAX));
            let state = self.state.lock();
            if state.cache_limit == given && state.cache.as_ref().is_some_and(|now| Arc::ptr_eq(now, &cache)) {
                return;
            }
        }
    }

    /// What there is for the cache beside `more` bytes.
    fn left(&self, more: u64) -> u64 {
        let (limit, used) = (self.limit(), self.used().saturating_add(more));
        let step = (limit / STEPS).max(1);
        if used == 0 { limit } else { limit.saturating_sub(used) / step * step }
    }

    /// What is used, and for what, and who waits.
    #[must_use]
    pub fn usage(&self) -> MemoryUsage {
        let state = self.state.lock();
        let (limit, now) = (self.limit(), self.clock.now());
        let cache = state.cache();
        MemoryUsage {
            limit: (limit != u64::MAX).then_some(limit),
            queues: self.queues.load(Ordering::Acquire),
            read_ahead: self.read_ahead.load(Ordering::Acquire),
            tables: self.tables.load(Ordering::Acquire),
            cache: cache.map_or(Some(0), |cache| cache.approx_size_bytes()),
            cache_limit: state.cache_limit,
            waiting: state.waiting.len() as u64,
            waiting_bytes: state.waiting.values().map(|ticket| ticket.bytes).sum(),
            longest_wait: state.waiting.values().map(|ticket| now.saturating_sub(ticket.since)).max().unwrap_or_default(),
            waits: state.waits,
            waited: state.waited,
        }
    }

    /// Who waits for room below the limit, the first to get it first.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        let now = self.clock.now();
        let waiting = |ticket: &Ticket| Waiting { who: ticket.who.clone(), bytes: ticket.bytes, waited: now.saturating_sub(ticket.since) };
        self.state.lock().waiting.values().map(waiting).collect()
    }
}

/// Memory that somebody holds of a session's, given back when dropped.
pub(crate) struct Share {
    budget: Arc<MemoryBudget>,
    what: Use,
    who: String,
    held: u64,
    /// His place among those who wait.
    ticket: Option<u64>,
}

impl Share {
    pub fn budget(&self) -> &Arc<MemoryBudget> {
        &self.budget
    }

    /// Takes `bytes`, whatever the limit says.
    pub fn take(&mut self, bytes: u64) {
        self.held = self.held.saturating_add(bytes);
        self.budget.counter(self.what).fetch_add(bytes, Ordering::AcqRel);
    }

    /// Takes `bytes` if there is room and nobody came before; else, with `wait`, joins those who wait, if not there yet.
    pub fn try_take(&mut self, bytes: u64, wait: bool) -> bool {
        if self.budget.limit() == u64::MAX {
            self.leave();
            self.take(bytes);
            return true;
        }
        let budget = Arc::clone(&self.budget);
        let mut state = budget.state.lock();
        let first = state.waiting.keys().next().copied();
        let turn = first.is_none() || first == self.ticket;
        let fits = budget.used().saturating_add(bytes) <= budget.limit() || budget.held_by_puts() == 0;
        if turn && fits {
            self.take(bytes);
            drop(state);
            self.leave();
            return true;
        }
        if wait {
            if self.ticket.is_none() {
                state.tickets += 1;
                state.waits += 1;
                self.ticket = Some(state.tickets);
                tracing::debug!(who = %self.who, bytes, "waits for room below the session's memory limit");
            }
            let (who, since) = (self.who.clone(), budget.clock.now());
            if let Some(ticket) = self.ticket {
                state.waiting.entry(ticket).or_insert(Ticket { who, bytes, since }).bytes = bytes;
            }
        }
        false
    }

    /// Whether it is among those who wait.
    pub fn waits(&self) -> bool {
        self.ticket.is_some()
    }

    /// Waits no longer.
    pub fn leave(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut state = self.budget.state.lock();
        if let Some(ticket) = state.waiting.remove(&ticket) {
            state.waited += self.budget.clock.now().saturating_sub(ticket.since);
        }
        drop(state);
        self.budget.changed.notify_waiters();
    }

    /// Takes or gives back what it takes to hold `bytes`, whatever the limit says.
    pub fn hold(&mut self, bytes: u64) {
        match bytes.checked_sub(self.held) {
            Some(more) => self.take(more),
            None => self.give(self.held - bytes),
        }
    }

    /// Gives `bytes` of what it holds back.
    pub fn give(&mut self, bytes: u64) {
        let bytes = bytes.min(self.held);
        self.held -= bytes;
        self.budget.counter(self.what).fetch_sub(bytes, Ordering::AcqRel);
        if bytes > 0 && self.budget.limit() != u64::MAX {
            // Room goes to those who wait first, and to the cache when nobody does.
            if self.budget.state.lock().waiting.is_empty() {
                self.budget.give_back();
            }
            self.budget.changed.notify_waiters();
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.leave();
        self.give(self.held);
    }
}
