//! What kind of thread this is, and how many of weir's there are.

use std::cell::Cell;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::block::Deadline;
use crate::error::{Result, bail};

/// What a thread is to weir.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A thread of the host's: may block.
    Foreign,
    /// A worker of the async runtime: must not block.
    Worker,
    /// A thread of the runtime's that is there to block.
    Blocking,
    /// A thread that runs the caller's callbacks: may block.
    Dispatcher,
    /// Any thread while it calls a log sink: must not block, as locks may be held around it.
    Sink,
}

thread_local! {
    static KIND: Cell<Kind> = const { Cell::new(Kind::Foreign) };
}

static LIVE: Mutex<usize> = Mutex::new(0);
static CHANGED: Condvar = Condvar::new();

/// What this thread is.
pub(super) fn kind() -> Kind {
    // While the thread ends, it may be gone: then nothing of weir's runs on it that could block others.
    KIND.try_with(Cell::get).unwrap_or(Kind::Foreign)
}

/// Whether this thread runs weir's own code alone.
pub(crate) fn is_own_thread() -> bool {
    matches!(kind(), Kind::Worker | Kind::Blocking)
}

/// Makes the thread of `kind` until the guard is dropped.
pub(crate) fn enter(kind: Kind) -> impl Drop {
    struct Restore(Kind);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = KIND.try_with(|cell| cell.set(self.0));
        }
    }
    Restore(KIND.try_with(|cell| cell.replace(kind)).unwrap_or(Kind::Foreign))
}

/// Refuses threads that must not block.
pub fn may_block() -> Result<()> {
    super::check_fork()?;
    match kind() {
        Kind::Foreign | Kind::Blocking | Kind::Dispatcher => Ok(()),
        Kind::Worker => bail!(
            WouldDeadlock,
            "a blocking call on a worker thread of weir's runtime; use the _async form, or call from a completion or a thread of your own"
        ),
        Kind::Sink => bail!(WouldDeadlock, "a blocking call from within a log sink"),
    }
}

/// To be called first on each thread of weir's.
pub(super) fn started(kind: Kind) {
    *LIVE.lock() += 1;
    KIND.with(|cell| cell.set(kind));
    if let Some(hook) = &super::config().on_thread_start {
        hook();
    }
}

/// To be called last on each thread of weir's.
pub(super) fn stopping() {
    if let Some(hook) = &super::config().on_thread_stop {
        hook();
    }
    *LIVE.lock() -= 1;
    CHANGED.notify_all();
}

/// The threads of weir's that run now.
pub fn live_threads() -> usize {
    *LIVE.lock()
}

/// Waits until no thread of weir's is left; returns how many are at the deadline.
pub(super) fn wait_for_none(deadline: Deadline) -> usize {
    let mut live = LIVE.lock();
    while *live > 0 {
        match deadline.instant() {
            None => CHANGED.wait(&mut live),
            Some(at) if Instant::now() >= at => break,
            Some(at) => {
                CHANGED.wait_until(&mut live, at);
            }
        }
    }
    *live
}
