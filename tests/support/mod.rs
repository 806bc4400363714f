//! What the integration tests share: a fault-injecting store, a simulated clock and executor, an S3 server and a proxy
//! before it.

// Each test binary uses its own part of this.
#![allow(dead_code, unused_imports)]

pub mod child;
pub mod fault;
pub mod proxy;
#[cfg(feature = "s3")]
pub mod s3;
pub mod seeds;
pub mod sim;
pub mod spill;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use weir::env::{BoxFuture, Clock, Env, Random, Spawn};

pub use fault::{Chaos, Fault, FaultStore, Gate, Op};
pub use sim::{Process, SeededRandom, Sim, SimClock};

/// The real clock, for tests of real stores. Its `sleep` wants a tokio runtime.
#[derive(Debug)]
pub struct RealClock(Instant);

impl Clock for RealClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn unix(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async move { tokio::time::sleep(duration).await })
    }
}

#[derive(Debug)]
struct TokioSpawn;

impl Spawn for TokioSpawn {
    fn spawn(&self, task: BoxFuture<'static, ()>, blocking: bool) {
        if blocking {
            let handle = tokio::runtime::Handle::current();
            tokio::task::spawn_blocking(move || handle.block_on(task));
        } else {
            tokio::spawn(task);
        }
    }
}

#[derive(Debug)]
struct RealRandom;

impl Random for RealRandom {
    fn next(&self) -> u128 {
        rand::random()
    }
}

/// An environment of the real world, inside a tokio runtime.
pub fn real_env() -> Env {
    Env { clock: Arc::new(RealClock(Instant::now())), random: Arc::new(RealRandom), spawn: Arc::new(TokioSpawn) }
}

/// Runs a future that completes at its first poll, as those of a blocking store do.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the future did not complete at its first poll"),
    }
}
