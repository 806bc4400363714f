//! The surroundings in which a process runs weir: one lazy async runtime, threads for the caller's callbacks, blocking on
//! futures, and what is left of all that after `fork`.
//!
//! Guarantees: no thread is started before something needs one; a caller's callback never runs on a runtime worker; a call
//! that would block a runtime worker is refused ([`ErrorKind::WouldDeadlock`](crate::error::ErrorKind::WouldDeadlock)); a child of `fork` is told so at once
//! ([`ErrorKind::Forked`](crate::error::ErrorKind::Forked)); [`shutdown`] lets deletions finish, drops what else runs, which completes it,
//! and joins every thread.

mod block;
mod dispatcher;
mod system;
mod threads;
mod unfinished;

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Once, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use crate::error::{Result, bail, err};

pub use block::{Deadline, block_on};
pub(crate) use dispatcher::call_backend;
pub use dispatcher::dispatch;
pub use system::env;
pub(crate) use threads::{Kind, enter, is_own_thread};
pub use threads::{live_threads, may_block};
pub(crate) use unfinished::Unfinished;

/// Runs when a thread of weir's starts or ends, on that thread.
pub type Hook = Arc<dyn Fn() + Send + Sync>;

/// How weir's threads are to be. See [`configure`].
#[derive(Clone)]
pub struct Config {
    /// Worker threads of the async runtime; 0 = one per core.
    pub worker_threads: usize,
    /// The most threads that run the caller's callbacks, started on demand; 0 = 4.
    pub dispatcher_threads: usize,
    /// What threads are called, up to a number behind it. Linux shows the first 15 bytes.
    pub thread_name: String,
    /// Runs first on each thread of weir's.
    pub on_thread_start: Option<Hook>,
    /// Runs last on each thread of weir's.
    pub on_thread_stop: Option<Hook>,
}

impl Default for Config {
    fn default() -> Self {
        Self { worker_threads: 0, dispatcher_threads: 0, thread_name: "weir".into(), on_thread_start: None, on_thread_stop: None }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("worker_threads", &self.worker_threads)
            .field("dispatcher_threads", &self.dispatcher_threads)
            .field("thread_name", &self.thread_name)
            .finish_non_exhaustive()
    }
}

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const STOPPED: u8 = 2;

static PHASE: AtomicU8 = AtomicU8::new(IDLE);
static CONFIG: OnceLock<Config> = OnceLock::new();
static HANDLE: OnceLock<tokio::runtime::Handle> = OnceLock::new();
static RUNTIME: Mutex<Option<tokio::runtime::Runtime>> = Mutex::new(None);

/// How often the process was forked on the way to this one, since forks are watched.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Sets how weir's threads are to be. Only before the first of them starts, and once.
pub fn configure(config: Config) -> Result<()> {
    check_fork()?;
    if config.thread_name.is_empty() || config.thread_name.contains('\0') {
        bail!(InvalidArgument, "the thread name must have characters, and no NUL among them");
    }
    if config.worker_threads > 1024 || config.dispatcher_threads > 1024 {
        bail!(
            InvalidArgument,
            "{} worker and {} dispatcher threads were asked for; the most are 1024 each",
            config.worker_threads,
            config.dispatcher_threads
        );
    }
    if CONFIG.set(config).is_err() {
        bail!(AlreadyExists, "the runtime is configured already, or was used before it was");
    }
    Ok(())
}

/// The configuration, which cannot change from now on.
fn config() -> &'static Config {
    CONFIG.get_or_init(Config::default)
}

/// The runtime, started if it was not.
pub fn handle() -> Result<&'static tokio::runtime::Handle> {
    check_fork()?;
    match PHASE.load(Ordering::Acquire) {
        IDLE => start(),
        RUNNING => HANDLE.get().ok_or_else(|| err!(Internal, "the runtime runs and has no handle")),
        _ => Err(stopped()),
    }
}

/// The runtime if it runs: for the context in which futures are polled.
fn running() -> Option<&'static tokio::runtime::Handle> {
    if PHASE.load(Ordering::Acquire) == RUNNING { HANDLE.get() } else { None }
}

fn is_stopped() -> bool {
    PHASE.load(Ordering::Acquire) == STOPPED
}

fn stopped() -> crate::error::Error {
    err!(Closed, "weir's runtime was shut down in this process")
}

#[cold]
fn start() -> Result<&'static tokio::runtime::Handle> {
    watch_fork();
    let mut slot = RUNTIME.lock();
    match PHASE.load(Ordering::Acquire) {
        IDLE => {}
        RUNNING => return HANDLE.get().ok_or_else(|| err!(Internal, "the runtime runs and has no handle")),
        _ => return Err(stopped()),
    }
    let config = config();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if config.worker_threads > 0 {
        builder.worker_threads(config.worker_threads);
    }
    let runtime = builder
        .enable_all()
        .thread_name(format!("{}-worker", config.thread_name))
        .on_thread_start(|| threads::started(Kind::Worker))
        .on_thread_stop(threads::stopping)
        .build()
        .map_err(|e| err!(Internal, "the runtime's threads cannot be started: {e}"))?;
    let handle = HANDLE.get_or_init(|| runtime.handle().clone());
    *slot = Some(runtime);
    PHASE.store(RUNNING, Ordering::Release);
    Ok(handle)
}

/// Ends the runtime for good: what cleans up in the background is waited for (`Unfinished`), what else runs is dropped and thereby
/// completes as cancelled, callbacks still run, and every thread is joined. `timeout_ms` < 0 waits for ever. An error
/// [`TimedOut`](crate::error::ErrorKind::TimedOut) says that threads are left; the call may be repeated to wait on.
pub fn shutdown(timeout_ms: i64) -> Result<()> {
    /// What tokio's clock surely can add to the present.
    const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
    check_fork()?;
    if threads::kind() != Kind::Foreign {
        bail!(WouldDeadlock, "weir cannot be shut down from one of its own threads or callbacks");
    }
    let deadline = Deadline::after(timeout_ms);
    if PHASE.load(Ordering::Acquire) == RUNNING {
        unfinished::wait_for_none(deadline);
    }
    let runtime = {
        let mut slot = RUNTIME.lock();
        PHASE.store(STOPPED, Ordering::Release);
        slot.take()
    };
    block::wake_all();
    if let Some(runtime) = runtime {
        runtime.shutdown_timeout(deadline.remaining().unwrap_or(FOR_EVER));
    }
    dispatcher::stop(deadline);
    let left = threads::wait_for_none(deadline);
    if left > 0 {
        bail!(TimedOut, "{left} of weir's threads still run {timeout_ms} ms after the shutdown began");
    }
    Ok(())
}

/// Refuses the child of a `fork`: threads and locks of the parent are not there.
#[inline]
pub fn check_fork() -> Result<()> {
    if is_forked() { Err(forked()) } else { Ok(()) }
}

/// Whether this process is the child of a `fork` after weir was used in its parent.
#[inline]
pub(crate) fn is_forked() -> bool {
    forks() > 0
}

/// How many forks made this process since [`watch_fork`]: what was made under another number is another process's.
#[inline]
pub(crate) fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

#[cold]
fn forked() -> crate::error::Error {
    err!(Forked, "the process forked after weir was used; start a new process (exec), or fork before the first use")
}

/// From now on, a `fork` counts as one after use.
pub fn watch_fork() {
    extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler is a function of this library, which is never unloaded (`-z nodelete`); it is async-signal-safe.
        #[cfg(unix)]
        let failed = unsafe { libc::pthread_atfork(None, None, Some(in_child)) } != 0;
        #[cfg(unix)]
        if failed {
            tracing::warn!("no memory to watch for forks: a forked child will hang instead of being refused");
        }
    });
}
