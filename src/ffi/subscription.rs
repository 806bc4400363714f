//! Subscriptions: a tailer that pushes its entries, as many as it was given credit for.

use std::sync::Arc;

use futures_util::future::{Either, select};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::args::Out;
use super::completion::{Offered, Repeated, WeirCompletion};
use super::entry::WeirEntry;
use super::error::{WeirError, WeirStatus};
use super::guard::{guard_on, protect};
use super::handle::{self, Handle, Opaque, Owned};
use super::tailer::WeirTailer;
use crate::error::{Result, bail, err};
use crate::runtime;

/// A tailer that pushes. It may be used from any thread, also from within its own callback.
pub struct WeirSubscription {
    _opaque: [u8; 0],
}

/// What the subscriber and the task share.
pub(crate) struct Subscription {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    credit: u64,
    cancelled: bool,
}

impl Opaque for WeirSubscription {
    type Core = Arc<Subscription>;
    const MAGIC: u32 = u32::from_be_bytes(*b"subs");
    const NAME: &'static str = "subscription";
}

impl Subscription {
    fn request(&self, credit: u64) {
        let mut state = self.state.lock();
        state.credit = state.credit.saturating_add(credit);
        drop(state);
        self.changed.notify_one();
    }

    fn cancel(&self) {
        self.state.lock().cancelled = true;
        self.changed.notify_one();
    }

    /// Waits for credit and takes one.
    async fn credit(&self) -> Result<()> {
        loop {
            {
                let mut state = self.state.lock();
                if state.cancelled {
                    bail!(Cancelled, "the subscription was cancelled");
                }
                if state.credit > 0 {
                    state.credit -= 1;
                    return Ok(());
                }
            }
            self.changed.notified().await;
        }
    }

    async fn cancelled(&self) {
        while !self.state.lock().cancelled {
            self.changed.notified().await;
        }
    }

    /// Delivers entries one after the other until the log ends, fails, or the subscriber cancels.
    async fn run(self: Arc<Self>, tailer: Arc<Handle<WeirTailer>>, mut subscriber: Repeated) {
        let outcome = loop {
            let granted = {
                let closed = std::pin::pin!(tailer.core.tailer.until_closed());
                let credit = std::pin::pin!(self.credit());
                match select(credit, closed).await {
                    Either::Left((granted, _)) => granted,
                    Either::Right((closed, _)) => Err(closed),
                }
            };
            if let Err(error) = granted {
                break Err(error);
            }
            let next = {
                let next = std::pin::pin!(tailer.core.tailer.next());
                let cancelled = std::pin::pin!(self.cancelled());
                match select(cancelled, next).await {
                    Either::Left(_) => Err(err!(Cancelled, "the subscription was cancelled")),
                    Either::Right((entry, _)) => entry,
                }
            };
            match next {
                Ok(Some(entry)) => subscriber.deliver(Owned::<WeirEntry>::new(entry)).await,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        subscriber.finish(outcome);
    }
}

/// Has a tailer push its entries: each is one event, whose `result` is the entry, in order, the next only after the callback of
/// the one before has returned. The last event has no entry: with WEIR_STATUS_OK at the end of the log, else with the error that
/// ended it, WEIR_STATUS_CANCELLED after weir_subscription_cancel() and WEIR_STATUS_CLOSED after weir_tailer_close().
///
/// @param tailer        the tailer; do not read from it otherwise meanwhile
/// @param completion    what to call, or a queue to post to, once per entry and once at the end
/// @param credit        how many entries may be pushed before weir_subscription_request() gives more; 0 = none yet
/// @param subscription  receives the subscription; free it with weir_subscription_free()
/// @param error         receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `tailer` is NULL or a tailer that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_tailer_subscribe(
    tailer: *const WeirTailer,
    completion: WeirCompletion,
    credit: u64,
    subscription: *mut *mut WeirSubscription,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::<Owned<WeirSubscription>>::clear("subscription", subscription) };
    let body = |handle: &Handle<WeirTailer>| {
        out.check()?;
        // SAFETY: the caller's promise.
        let (offered, tailer) = unsafe { (Offered::new(completion)?, handle::share(tailer)?) };
        runtime::handle()?;
        let state = Mutex::new(State { credit, cancelled: false });
        let shared = Arc::new(Subscription { state, changed: Notify::new() });
        out.set(Owned::new(Arc::clone(&shared)));
        let task = shared.run(tailer, offered.accept_repeated());
        runtime::env().spawn.spawn(Box::pin(task), handle.core.blocking);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(tailer, error, body) }
}

/// Allows `n` more entries to be pushed.
///
/// @param subscription  the subscription
/// @param n             how many
/// @param error         receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `subscription` is NULL or a subscription that was not freed; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_subscription_request(
    subscription: *const WeirSubscription,
    n: u64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let body = |subscription: &Handle<WeirSubscription>| {
        subscription.core.request(n);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(subscription, error, body) }
}

/// Ends a subscription. Its last event comes later, with WEIR_STATUS_CANCELLED unless it had ended. NULL is allowed.
///
/// # Safety
///
/// `subscription` is NULL or a subscription that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_subscription_cancel(subscription: *const WeirSubscription) {
    // SAFETY: the caller's promise.
    if let Ok(handle) = unsafe { handle::peek(subscription) } {
        let _ = protect(|| {
            handle.core.cancel();
            Ok(())
        });
    }
}

/// Frees a subscription, which ends it as weir_subscription_cancel() does: its last event still comes. NULL is allowed.
///
/// # Safety
///
/// `subscription` is NULL or a subscription that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_subscription_free(subscription: *mut WeirSubscription) {
    // SAFETY: the caller's promise, here and below.
    unsafe { weir_subscription_cancel(subscription) };
    // SAFETY: the same.
    unsafe { handle::free(subscription) };
}
