//! Operations: decoded once, then run on the caller's thread or in the background.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use super::args::Out;
use super::completion::{Offered, Outcome, WeirCompletion};
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
    let body = || {
        out.check()?;
        runtime::may_block()?;
        let Operation { future, handle, .. } = decode()?;
        let value = protect(|| runtime::block_on(future, timeout_ms)).inspect_err(|failure| handle.poison(failure))?;
        out.set(value);
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
    let body = || {
        // SAFETY: the caller's promise.
        let offered = unsafe { Offered::new(completion) }?;
        // Started before anything is accepted: this may fail.
        runtime::handle()?;
        let Operation { future, blocking, handle } = decode()?;
        let completion = offered.accept();
        let task = async move {
            let outcome = AssertUnwindSafe(future).catch_unwind().await;
            let outcome = outcome.unwrap_or_else(|panic| Err(caught(&*panic)));
            if let Err(failure) = &outcome {
                handle.poison(failure);
            }
            // Whoever frees the handle because of the completion finds that it was the last to hold it.
            drop(handle);
            completion.complete(outcome);
        };
        runtime::env().spawn.spawn(Box::pin(task), blocking);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, body) }
}
