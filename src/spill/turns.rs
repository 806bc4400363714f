//! Places in the queue of a mutex: who calls first is served first, also if he waits elsewhere and later.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::sync::{Mutex, OwnedMutexGuard};

/// A place in the queue. Dropping it leaves the queue.
pub(crate) enum Queued<T> {
    /// Its turn has come.
    Served(OwnedMutexGuard<T>),
    /// There are others before it.
    Waiting(Pin<Box<dyn Future<Output = OwnedMutexGuard<T>> + Send>>),
}

impl<T> fmt::Debug for Queued<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Served(_)) { "Served" } else { "Waiting" })
    }
}

impl<T: Send + 'static> Queued<T> {
    /// Takes a place, now.
    pub(crate) fn new(mutex: &Arc<Mutex<T>>) -> Self {
        if let Ok(guard) = Arc::clone(mutex).try_lock_owned() {
            return Self::Served(guard);
        }
        let mut lock: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(Arc::clone(mutex).lock_owned());
        // The first poll takes the place; whoever waits polls again, with a waker.
        match lock.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(guard) => Self::Served(guard),
            Poll::Pending => Self::Waiting(lock),
        }
    }

    /// Waits until those before it are done.
    pub(crate) async fn wait(self) -> OwnedMutexGuard<T> {
        match self {
            Self::Served(guard) => guard,
            Self::Waiting(lock) => lock.await,
        }
    }
}
