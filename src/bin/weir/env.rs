//! The real clock, random numbers and background work, on one runtime that starts when it is first needed.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::runtime::Runtime;
use weir::env::{BoxFuture, Clock, Env, Random, Spawn};
use weir::error::{Error, ErrorKind, Result};

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Starts the runtime, and gives what the library takes from its surroundings.
pub fn env() -> Result<Env> {
    if RUNTIME.get().is_none() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("weir").build();
        let runtime = runtime.map_err(|e| Error::new(ErrorKind::Internal, format!("threads cannot be started: {e}")))?;
        RUNTIME.get_or_init(|| runtime);
    }
    Ok(Env { clock: Arc::new(SystemClock(Instant::now())), random: Arc::new(SystemRandom), spawn: Arc::new(OnRuntime) })
}

/// Runs `future` on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    match RUNTIME.get() {
        Some(runtime) => runtime.block_on(future),
        None => weir::env::block_on(future),
    }
}

#[derive(Debug)]
struct SystemClock(Instant);

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn unix(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            // A task of its own: the waiter need not be in the runtime's context.
            if let Some(runtime) = RUNTIME.get() {
                let _ = runtime.spawn(async move { tokio::time::sleep(duration).await }).await;
            }
        })
    }
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
struct OnRuntime;

impl Spawn for OnRuntime {
    fn spawn(&self, task: BoxFuture<'static, ()>, blocking: bool) {
        let Some(runtime) = RUNTIME.get() else { return };
        if blocking {
            runtime.spawn_blocking(move || weir::env::block_on(task));
        } else {
            runtime.spawn(task);
        }
    }
}
