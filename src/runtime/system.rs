//! The real clock, random numbers and background work.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;

use super::threads::{self, Kind};
use crate::env::{BoxFuture, Clock, Env, Random, Spawn};

/// What the core takes from a real process. The runtime starts when something is first spawned, or sleeps.
#[must_use]
pub fn env() -> Env {
    static ENV: OnceLock<Env> = OnceLock::new();
    ENV.get_or_init(|| Env {
        clock: Arc::new(SystemClock { start: Instant::now() }),
        random: Arc::new(SystemRandom),
        spawn: Arc::new(SystemSpawn),
    })
    .clone()
}

#[derive(Debug)]
struct SystemClock {
    start: Instant,
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn unix(&self) -> Duration {
        // A clock before 1970 is as good as none.
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(sleep(duration))
    }
}

/// On a worker, its own timer. Elsewhere a task that sleeps, as a bare timer panics when its runtime is shut down. After a
/// shutdown it never ends: returning early would make loops spin, and `block_on` ends the wait.
async fn sleep(duration: Duration) {
    /// Ends the task with its waiter.
    struct Abort(tokio::task::JoinHandle<()>);
    impl Drop for Abort {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    if threads::kind() == Kind::Worker {
        return tokio::time::sleep(duration).await;
    }
    if let Ok(handle) = super::handle() {
        // Made within the task: outside of a runtime's context, as before its first use, a timer panics when it is made.
        let until = tokio::time::Instant::now() + duration;
        let mut task = Abort(handle.spawn(async move { tokio::time::sleep_until(until).await }));
        if (&mut task.0).await.is_ok() {
            return;
        }
    }
    std::future::pending().await
}

#[derive(Debug)]
struct SystemRandom;

impl Random for SystemRandom {
    fn next(&self) -> u128 {
        // A UUID has six fixed bits; two, the one turned by half, cover each other's.
        uuid::Uuid::new_v4().as_u128() ^ uuid::Uuid::new_v4().as_u128().rotate_left(64)
    }
}

#[derive(Debug)]
struct SystemSpawn;

impl Spawn for SystemSpawn {
    fn spawn(&self, task: BoxFuture<'static, ()>, blocking: bool) {
        let handle = match super::handle() {
            Ok(handle) => handle,
            // Dropping the task tells whoever waits for it.
            Err(error) => return tracing::warn!(%error, "background work is dropped"),
        };
        let task = async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                tracing::error!("a panic in background work was caught");
            }
        };
        if blocking {
            handle.spawn_blocking(move || {
                let _kind = threads::enter(Kind::Blocking);
                // An error: the runtime was shut down, and the task is dropped with it.
                let _ = super::block_on(task.map(Ok), -1);
            });
        } else {
            handle.spawn(task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{block_on, live_threads};
    use super::*;
    use crate::error::ErrorKind;
    use std::sync::mpsc;

    #[test]
    fn sleeps_on_any_thread() {
        let env = env();
        let start = env.clock.now();
        block_on(env.clock.sleep(Duration::from_millis(5)).map(Ok), -1).unwrap();
        assert!(env.clock.now() - start >= Duration::from_millis(5));
        assert!(live_threads() > 0);
        let (send, receive) = mpsc::channel();
        let clock = Arc::clone(&env.clock);
        let task = async move {
            clock.sleep(Duration::from_millis(1)).await;
            send.send(()).unwrap();
        };
        env.spawn.spawn(Box::pin(task), false);
        receive.recv().unwrap();
    }

    /// PITFALLS X9: a blocking call from a runtime worker is refused, on a blocking thread it works.
    #[test]
    fn blocking_is_refused_on_workers_alone() {
        for (blocking, refused) in [(false, true), (true, false)] {
            let (send, receive) = mpsc::channel();
            env().spawn.spawn(Box::pin(async move { send.send(block_on(std::future::ready(Ok(())), -1)).unwrap() }), blocking);
            let outcome = receive.recv().unwrap();
            assert_eq!(outcome.err().map(|e| e.kind()), refused.then_some(ErrorKind::WouldDeadlock));
        }
    }

    #[test]
    fn random_numbers_use_all_their_bits() {
        let (mut ones, mut zeros) = (0, 0);
        for _ in 0..64 {
            let number = SystemRandom.next();
            ones |= number;
            zeros |= !number;
        }
        assert_eq!((ones, zeros), (u128::MAX, u128::MAX));
    }

    #[test]
    fn a_panicking_task_is_caught() {
        env().spawn.spawn(Box::pin(async { panic!("in the background") }), false);
        env().spawn.spawn(Box::pin(async { panic!("in the background") }), true);
        let (send, receive) = mpsc::channel();
        env().spawn.spawn(Box::pin(async move { send.send(()).unwrap() }), false);
        receive.recv().unwrap();
    }
}
