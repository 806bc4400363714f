//! Blocking on a future, with a deadline.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::{is_stopped, may_block, running, stopped};
use crate::error::{Result, bail};

/// When a wait ends: never, at once, or at some time.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// The C ABI's timeout: negative = never, 0 = at once.
    #[must_use]
    pub fn after(timeout_ms: i64) -> Self {
        // What the clock cannot add is as good as never.
        Self(u64::try_from(timeout_ms).ok().and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms))))
    }

    /// When; `None` = never.
    #[must_use]
    pub fn instant(self) -> Option<Instant> {
        self.0
    }

    /// How long until then; `None` = for ever.
    #[must_use]
    pub fn remaining(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(Instant::now()))
    }
}

/// Wakes one blocked thread. Not `std::thread::park`, whose token others on the thread may take.
struct Parker {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.woken.lock() = true;
        self.changed.notify_one();
    }
}

impl Parker {
    /// Waits to be woken, at most until `deadline`; says whether it was.
    fn park(&self, deadline: Deadline) -> bool {
        let mut woken = self.woken.lock();
        while !*woken {
            match deadline.instant() {
                None => self.changed.wait(&mut woken),
                Some(at) => {
                    if self.changed.wait_until(&mut woken, at).timed_out() && !*woken {
                        return false;
                    }
                }
            }
        }
        *woken = false;
        true
    }
}

thread_local! {
    /// Kept from call to call. Taken while in use, so that a nested wait does not eat the outer one's wake-up.
    static SPARE: Cell<Option<Arc<Parker>>> = const { Cell::new(None) };
}

/// Who is parked now, to be woken by a shutdown: nobody else may be left to do it.
static PARKED: Mutex<Vec<Arc<Parker>>> = Mutex::new(Vec::new());

/// Being on the list of those who are parked.
struct Listed(Arc<Parker>);

impl Listed {
    fn new(parker: &Arc<Parker>) -> Self {
        PARKED.lock().push(Arc::clone(parker));
        Self(Arc::clone(parker))
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut parked = PARKED.lock();
        if let Some(index) = parked.iter().position(|parker| Arc::ptr_eq(parker, &self.0)) {
            parked.swap_remove(index);
        }
    }
}

/// Has every wait looked at again whether the runtime was stopped.
pub(super) fn wake_all() {
    for parker in PARKED.lock().iter() {
        parker.wake_by_ref();
    }
}

/// Runs `future` on this thread until it is done, for `timeout_ms` at most (negative = for ever, 0 = polled once). Refused on
/// threads that must not block. A future that is ready at its first poll needs no runtime; where one runs, its context is
/// entered around each poll. When time is up the future is dropped.
pub fn block_on<T>(future: impl Future<Output = Result<T>>, timeout_ms: i64) -> Result<T> {
    may_block()?;
    let deadline = Deadline::after(timeout_ms);
    let parker = SPARE.try_with(Cell::take).ok().flatten();
    let parker = parker.unwrap_or_else(|| Arc::new(Parker { woken: Mutex::new(false), changed: Condvar::new() }));
    *parker.woken.lock() = false;
    let waker = Waker::from(Arc::clone(&parker));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let mut listed = None;
    let outcome = loop {
        let entered = running().map(tokio::runtime::Handle::enter);
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context)));
        drop(entered);
        match polled {
            Ok(Poll::Ready(outcome)) => break outcome,
            Ok(Poll::Pending) if is_stopped() => break Err(stopped()),
            Ok(Poll::Pending) => {}
            // Timers and sockets of a runtime that was shut down panic when they are polled.
            Err(_) if is_stopped() => break Err(stopped()),
            Err(panic) => resume_unwind(panic),
        }
        // Listed first and asked again then: a shutdown in between would wake nobody.
        if listed.is_none() && timeout_ms != 0 {
            listed = Some(Listed::new(&parker));
            if is_stopped() {
                continue;
            }
        }
        if !parker.park(deadline) {
            break timed_out(timeout_ms);
        }
    };
    // Wakers that are still held somewhere may wake it later; that costs its next user one poll.
    let _ = SPARE.try_with(|spare| spare.set(Some(parker)));
    outcome
}

fn timed_out<T>(timeout_ms: i64) -> Result<T> {
    if timeout_ms == 0 {
        bail!(TimedOut, "not done at once, and the call was not to wait");
    }
    bail!(TimedOut, "not done within {timeout_ms} ms");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use std::future::{pending, poll_fn, ready};

    #[test]
    fn a_ready_future_needs_no_time() {
        assert_eq!(block_on(ready(Ok(7)), 0).unwrap(), 7);
    }

    #[test]
    fn the_deadline_ends_the_wait() {
        for timeout in [0, 1, 20] {
            let error = block_on(pending::<Result<()>>(), timeout).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        }
    }

    #[test]
    fn a_wake_from_elsewhere_ends_the_park() {
        let (send, receive) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || send.send(3).unwrap());
        assert_eq!(block_on(async { Ok(receive.await.unwrap()) }, -1).unwrap(), 3);
        thread.join().unwrap();
    }

    /// A wait within a poll must not take the outer wait's wake-up.
    #[test]
    fn waits_nest() {
        let mut polls = 0;
        let outer = poll_fn(|context| {
            polls += 1;
            if polls == 1 {
                context.waker().wake_by_ref();
                block_on(ready(Ok(())), -1).unwrap();
                return Poll::Pending;
            }
            Poll::Ready(Ok(()))
        });
        block_on(outer, 5000).unwrap();
        assert_eq!(polls, 2);
    }

    #[test]
    fn negative_and_enormous_timeouts_are_for_ever() {
        assert!(Deadline::after(-1).instant().is_none());
        assert!(Deadline::after(i64::MIN).instant().is_none());
        assert!(Deadline::after(i64::MAX).remaining().is_none_or(|left| left > Duration::from_secs(1 << 32)));
    }
}
