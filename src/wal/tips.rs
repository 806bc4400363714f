//! How tailers learn at once of entries that a writer in the same process appended.
//!
//! One [`Tip`] per log and process, found by the store's identity and the shard's directory, alive as long as somebody
//! holds it. It carries news, never truth: a tailer still reads the entry from storage.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::shard::ShardPath;
use crate::store::Store;

static TIPS: LazyLock<Mutex<HashMap<String, Weak<Tip>>>> = LazyLock::new(Mutex::default);

/// The newest position that this process appended to one log.
#[derive(Debug, Default)]
pub struct Tip {
    newest: AtomicU64,
    writers: AtomicUsize,
    appended: Notify,
}

impl Tip {
    /// The tip of `shard` on `store`.
    pub fn of(store: &Store, shard: &ShardPath) -> Arc<Self> {
        let mut tips = TIPS.lock();
        let key = format!("{}\0{}", store.identity(), shard.dir());
        if let Some(tip) = tips.get(&key).and_then(Weak::upgrade) {
            return tip;
        }
        tips.retain(|_, tip| tip.strong_count() > 0);
        let tip = Arc::new(Self::default());
        tips.insert(key, Arc::downgrade(&tip));
        tip
    }

    /// Tells everybody who waits that `position` is there.
    pub fn publish(&self, position: u64) {
        self.newest.fetch_max(position, Ordering::AcqRel);
        self.appended.notify_waiters();
    }

    /// The newest position published, 0 if none.
    pub fn newest(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    /// Completes at the first [`Self::publish`] after this call.
    pub fn appended(&self) -> Notified<'_> {
        self.appended.notified()
    }

    /// Whether a writer of this process has the log open, so that news will come.
    pub fn has_writer(&self) -> bool {
        self.writers.load(Ordering::Acquire) > 0
    }

    /// Counts a writer for as long as the guard lives.
    pub fn attach(self: &Arc<Self>) -> Attached {
        self.writers.fetch_add(1, Ordering::AcqRel);
        Attached(Arc::clone(self))
    }
}

/// A writer's hold on a [`Tip`].
#[derive(Debug)]
pub struct Attached(Arc<Tip>);

impl Attached {
    /// The tip itself.
    pub fn tip(&self) -> &Tip {
        &self.0
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.writers.fetch_sub(1, Ordering::AcqRel);
        // A follower that relied on our news goes back to polling.
        self.0.appended.notify_waiters();
    }
}
