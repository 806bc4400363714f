//! Who waits for the outcome of a put or a barrier: a thread, or a callback.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::Thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Ack;
use super::group_commit::Committer;
use crate::error::Result;

/// Called once with the outcome, on the thread that came to know it: it may call the writer, but must not wait for it.
pub type Callback = Box<dyn FnOnce(Result<Ack>) + Send>;

pub(super) enum Waiter {
    Thread(Arc<Parked>),
    Callback(Callback),
}

impl Waiter {
    /// Delivers the outcome. Call it with no lock held: a callback may call the writer.
    pub fn complete(self, outcome: Result<Ack>) {
        match self {
            Self::Thread(parked) => parked.signal(Signal::Done(outcome)),
            // A callback that panics must not take the outcomes of others with it (PITFALLS X4).
            Self::Callback(callback) => {
                if catch_unwind(AssertUnwindSafe(|| callback(outcome))).is_err() {
                    tracing::error!("the callback of a put or a barrier panicked");
                }
            }
        }
    }

    /// The waiting thread, if it may do the writing itself.
    pub fn leader(&self) -> Option<&Arc<Parked>> {
        match self {
            Self::Thread(parked) if parked.may_lead => Some(parked),
            _ => None,
        }
    }
}

/// What a waiting thread is woken with.
pub(super) enum Signal {
    /// The outcome.
    Done(Result<Ack>),
    /// It is to write the next groups itself.
    Lead(Box<Committer>),
}

/// A thread that waits.
pub(super) struct Parked {
    thread: Thread,
    may_lead: bool,
    signal: Mutex<Option<Signal>>,
}

impl Parked {
    pub fn new(may_lead: bool) -> Arc<Self> {
        Arc::new(Self { thread: std::thread::current(), may_lead, signal: Mutex::new(None) })
    }

    /// Whether it may be woken with [`Signal::Lead`].
    pub fn may_lead(&self) -> bool {
        self.may_lead
    }

    pub fn signal(&self, signal: Signal) {
        *self.signal.lock() = Some(signal);
        self.thread.unpark();
    }

    /// The signal, if it is there already.
    pub fn take(&self) -> Option<Signal> {
        self.signal.lock().take()
    }

    /// Waits for the signal; `None` when `deadline` passed first.
    pub fn wait(&self, deadline: Option<Instant>) -> Option<Signal> {
        loop {
            if let Some(signal) = self.take() {
                return Some(signal);
            }
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => std::thread::park(),
                Some(Duration::ZERO) => return None,
                Some(left) => std::thread::park_timeout(left),
            }
        }
    }
}

/// The instant at which `timeout` ends; `None` = never.
pub(super) fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}
