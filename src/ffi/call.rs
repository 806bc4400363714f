//! Operations: decoded once, then run on the caller's thread or in the background.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use super::args::Out;
use super::completion::{Completion, Offered, Outcome, WeirCompletion};
use super::error::{WeirError, WeirStatus};
use super::guard::{caught, guard, protect};
use super::handle::{Handle, Opaque};
use crate::error::{Error, Result};
use crate::runtime;

/// A handle that a panic poisons.
trait Poison: Send + Sync {
    fn poison(&self, failure: &Error);
}

impl<O: Opaque> Poison for Handle<O> {
    fn poison(&self, failure: &Error) {
        self.poison_if_panic(failure);
    }
}

/// A call that is decoded and ready to run.
pub(crate) struct Operation<F> {
    future: F,
    blocking: bool,
    handle: Arc<dyn Poison>,
}

/// A call that first waits for its place in a queue, which blocks no thread, and then does `run` with what that gave it.
pub(crate) struct InTurn<P, R> {
    place: P,
    run: R,
    blocking: bool,
    handle: Arc<dyn Poison>,
}

/// The operation on `handle` that waits for `place` and then does `run`. `blocking` says whether that blocks the thread that polls it.
pub(crate) fn in_turn<O, P, L, R, F, T>(handle: &Arc<Handle<O>>, blocking: bool, place: P, run: R) -> InTurn<P, R>
where
    O: Opaque,
    P: Future<Output = Result<L>> + Send + 'static,
    R: FnOnce(L) -> F + Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    InTurn { place, run, blocking, handle: Arc::clone(handle) as _ }
}

impl<P, R> InTurn<P, R> {
    /// The same for [`wait`].
    pub(crate) fn on_one_thread<L, F, T>(self) -> Operation<impl Future<Output = Result<T>> + Send + 'static>
    where
        P: Future<Output = Result<L>> + Send + 'static,
        L: Send,
        R: FnOnce(L) -> F + Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let Self { place, run, blocking, handle } = self;
        Operation { future: async move { run(place.await?).await }, blocking, handle }
    }
}

impl<F> Operation<F> {
    /// The same, which blocks the thread that polls it.
    pub(crate) fn that_blocks(self) -> Self {
        Self { blocking: true, ..self }
    }
}

/// The operation `future` on `handle`, which is poisoned if it panics. `blocking` says whether the future blocks the thread that
/// polls it, as those of local stores do.
pub(crate) fn operation<O, F, T>(handle: &Arc<Handle<O>>, blocking: bool, future: F) -> Operation<F>
where
    O: Opaque,
    F: Future<Output = Result<T>> + Send + 'static,
{
    Operation { future, blocking, handle: Arc::clone(handle) as _ }
}

/// The whole of a blocking export: decodes with `decode`, runs the operation on this thread for `timeout_ms` at most, gives its
/// result to `out`.
///
/// # Safety
///
/// `error` is NULL or may be written.
pub(crate) unsafe fn wait<T, F>(
    error: *mut *mut WeirError,
    timeout_ms: i64,
    out: Out<T>,
    decode: impl FnOnce() -> Result<Operation<F>>,
) -> WeirStatus
where
    T: Outcome,
    F: Future<Output = Result<T>> + Send + 'static,
{
    // SAFETY: the caller's promise.
    unsafe { wait_explained(error, timeout_ms, out, decode, |failure| failure) }
}

/// [`wait`] that has `explain` say more about a failure of the operation, also if time is up.
///
/// # Safety
///
/// As for [`wait`].
pub(crate) unsafe fn wait_explained<T, F>(
    error: *mut *mut WeirError,
    timeout_ms: i64,
    out: Out<T>,
    decode: impl FnOnce() -> Result<Operation<F>>,
    explain: impl FnOnce(Error) -> Error,
) -> WeirStatus
where
    T: Outcome,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let body = || {
        out.check()?;
        runtime::may_block()?;
        let Operation { future, handle, .. } = decode()?;
        let value = protect(|| runtime::block_on(future, timeout_ms)).inspect_err(|failure| handle.poison(failure));
        out.set(value.map_err(explain)?);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, body) }
}

/// The whole of an `_async` export: decodes with `decode`, runs the operation in the background, completes `completion` with its
/// result. After an error, nothing was accepted.
///
/// # Safety
///
/// `error` is NULL or may be written; `completion` is as its type demands.
pub(crate) unsafe fn defer<T, F>(
    error: *mut *mut WeirError,
    completion: WeirCompletion,
    decode: impl FnOnce() -> Result<Operation<F>>,
) -> WeirStatus
where
    T: Outcome,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let start = |Operation { future, blocking, handle }, completion| spawn(completed(future, handle, completion), blocking);
    // SAFETY: the caller's promise.
    unsafe { accept(error, completion, decode, start) }
}

/// [`defer`] for an operation that waits for its turn: however many wait, none of them takes a thread.
///
/// # Safety
///
/// As for [`defer`].
pub(crate) unsafe fn defer_in_turn<T, P, L, R, F>(
    error: *mut *mut WeirError,
    completion: WeirCompletion,
    decode: impl FnOnce() -> Result<InTurn<P, R>>,
) -> WeirStatus
where
    T: Outcome,
    P: Future<Output = Result<L>> + Send + 'static,
    L: Send + 'static,
    R: FnOnce(L) -> F + Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let start = |InTurn { place, run, blocking, handle }: InTurn<P, R>, completion| {
        let rest = move |place: Result<L>| spawn(completed(async move { run(place?).await }, handle, completion), blocking);
        let mut place = Box::pin(place);
        // Most find nobody before them.
        match place.as_mut().now_or_never() {
            Some(place) => rest(place),
            None => spawn(async move { rest(place.await) }, false),
        }
    };
    // SAFETY: the caller's promise.
    unsafe { accept(error, completion, decode, start) }
}

fn spawn(task: impl Future<Output = ()> + Send + 'static, blocking: bool) {
    runtime::env().spawn.spawn(Box::pin(task), blocking);
}

/// Runs `future`, whose outcome completes `completion`.
async fn completed<T: Outcome>(future: impl Future<Output = Result<T>>, handle: Arc<dyn Poison>, completion: Completion) {
    let outcome = AssertUnwindSafe(future).catch_unwind().await;
    let outcome = outcome.unwrap_or_else(|panic| Err(caught(&*panic)));
    if let Err(failure) = &outcome {
        handle.poison(failure);
    }
    // Whoever frees the handle because of the completion finds that it was the last to hold it.
    drop(handle);
    completion.complete(outcome);
}

/// Decodes with `decode`, and has `start` see to the completion of what came of it.
///
/// # Safety
///
/// As for [`defer`].
unsafe fn accept<D>(
    error: *mut *mut WeirError,
    completion: WeirCompletion,
    decode: impl FnOnce() -> Result<D>,
    start: impl FnOnce(D, Completion),
) -> WeirStatus {
    let body = || {
        // SAFETY: the caller's promise.
        let offered = unsafe { Offered::new(completion) }?;
        // Started before anything is accepted: this may fail.
        runtime::handle()?;
        let decoded = decode()?;
        start(decoded, offered.accept());
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, body) }
}
