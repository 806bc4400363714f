//! How functions of a cache's backend are called that may hold up their thread, and what is known of insertions under way.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, oneshot};

use crate::error::{Result, bail, err};
use crate::runtime;

/// How many functions of a backend are called at once.
const MOST: usize = 16;

/// Threads on which functions are called that may not return: so many at once, and while all of them are held up, none.
pub(super) struct Lanes {
    room: Arc<Semaphore>,
    /// Somebody waited in vain while there was no room, and nothing returned since.
    jammed: Arc<AtomicBool>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(MOST)), jammed: Arc::default() }
    }
}

/// A wait, which was in vain if it is dropped while `waits`.
struct Patience<'l> {
    lanes: &'l Lanes,
    waits: bool,
}

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        if self.waits && self.lanes.room.available_permits() == 0 {
            self.lanes.jammed.store(true, Ordering::Release);
        }
    }
}

impl Lanes {
    /// Makes the call elsewhere; waits until it has returned, and for the answer. Whoever has a deadline drops the future then.
    ///
    /// # Errors
    /// The answer's; `TimedOut` at once if it seems to be in vain, unless the call is to be `tried` all the same.
    pub async fn run<T>(&self, tried: bool, call: impl FnOnce() + Send + 'static, answer: impl Future<Output = Result<T>>) -> Result<T> {
        if !tried && self.jammed.load(Ordering::Acquire) && self.room.available_permits() == 0 {
            bail!(TimedOut, "{MOST} calls of the cache's backend have not returned, so no more are made");
        }
        let mut patience = Patience { lanes: self, waits: true };
        let outcome = self.waiting(call, answer).await;
        patience.waits = false;
        outcome
    }

    async fn waiting<T>(&self, call: impl FnOnce() + Send + 'static, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| err!(Internal, "the lanes are closed"))?;
        let (returns, returned) = oneshot::channel();
        let jammed = Arc::clone(&self.jammed);
        let job = move || {
            // Nobody may wait any more: then it has not begun, and need not.
            if !returns.is_closed() {
                call();
            }
            jammed.store(false, Ordering::Release);
            drop(room);
            let _ = returns.send(());
        };
        runtime::call_backend(Box::new(job));
        // An error: the function panicked; then there is no answer either.
        let _ = returned.await;
        answer.await
    }
}

/// The insertions that have no answer yet. One may take effect until it has, though nobody waits for it any more; so who removes entries
/// waits for those that began before (PITFALLS K3).
#[derive(Default)]
pub(super) struct Inserts {
    running: Mutex<Running>,
    ended: Notify,
}

#[derive(Default)]
struct Running {
    begun: u64,
    numbers: BTreeSet<u64>,
}

/// An insertion, until it is dropped.
struct Insert {
    of: Arc<Inserts>,
    number: u64,
}

impl Inserts {
    pub fn begin(self: &Arc<Self>) -> impl Send + Sync + use<> {
        let mut running = self.running.lock();
        running.begun += 1;
        let number = running.begun;
        running.numbers.insert(number);
        Insert { of: Arc::clone(self), number }
    }

    /// Waits for the end of those that have begun.
    pub async fn ended(&self) {
        let last = self.running.lock().begun;
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.running.lock().numbers.first().is_none_or(|first| *first > last) {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Insert {
    fn drop(&mut self) {
        self.of.running.lock().numbers.remove(&self.number);
        self.of.ended.notify_waiters();
    }
}

#[cfg(test)]
#[path = "cache_calls_tests.rs"]
mod tests;
