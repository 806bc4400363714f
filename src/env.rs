//! Time, randomness and background work, injected so that tests control them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The passing of time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Monotonic time since an arbitrary start.
    fn now(&self) -> Duration;
    /// Time since the Unix epoch, to compare with what stores say of their objects.
    fn unix(&self) -> Duration;
    /// Completes after `duration`. Works on any thread, inside or outside an async runtime.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// A source of random numbers.
pub trait Random: Send + Sync + fmt::Debug {
    /// 128 random bits.
    fn next(&self) -> u128;
}

/// Background work.
pub trait Spawn: Send + Sync + fmt::Debug {
    /// Runs `task` to its end in the background. With `blocking`, the task may block its thread.
    fn spawn(&self, task: BoxFuture<'static, ()>, blocking: bool);
}

/// What the core takes from its surroundings.
#[derive(Clone, Debug)]
pub struct Env {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Random numbers for entry ids and jitter.
    pub random: Arc<dyn Random>,
    /// Background work.
    pub spawn: Arc<dyn Spawn>,
}

/// How often and how soon something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Tries after the first.
    pub max_retries: u32,
    /// The pause before the second try; it doubles with each further one.
    pub base_delay: Duration,
}

impl Retry {
    /// The longest pause.
    const MAX_DELAY: Duration = Duration::from_secs(5);

    /// Waits before the try that follows `failures` failed ones: exponential, with the upper half of it random.
    pub async fn pause(&self, env: &Env, failures: u32) {
        let full = self.base_delay.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(Self::MAX_DELAY);
        let jitter = (env.random.next() % 1024) as u32;
        env.clock.sleep(full / 2 + full / 2 * jitter / 1024).await;
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_retries: 3, base_delay: Duration::from_millis(50) }
    }
}

/// Drives `future` on this thread, parking it while there is nothing to do.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = std::pin::pin!(future);
    // A future that is ready at once, as on a local store, costs no waker.
    if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        return value;
    }
    let waker = std::task::Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park();
    }
}
