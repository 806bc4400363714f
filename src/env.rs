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
