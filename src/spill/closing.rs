//! How a store ends: whether it is closed, and which deletions of it are still under way in the background.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use crate::error::{Error, Result, bail, err};
use crate::runtime::Unfinished;

/// The end of one level, a store or a child of one.
#[derive(Debug)]
pub(super) struct Closing {
    parent: Option<Arc<Self>>,
    closed: AtomicBool,
    deletions: watch::Sender<Deletions>,
}

/// Those of a level and of the levels below it.
#[derive(Debug, Default)]
struct Deletions {
    pending: usize,
    /// Of the last one that failed, until its place was removed as a whole.
    failure: Option<Error>,
}

impl Closing {
    pub fn new(parent: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self { parent, closed: AtomicBool::new(false), deletions: watch::Sender::new(Deletions::default()) })
    }

    fn levels(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |level| level.parent.as_deref())
    }

    /// Whether it is the store itself, not a child.
    pub fn is_root(&self) -> bool {
        self.parent.is_none()
    }

    /// Refuses what begins from now on, here and in the levels below.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub fn check_open(&self) -> Result<()> {
        if self.levels().any(|level| level.closed.load(Ordering::SeqCst)) {
            bail!(Closed, "the spill store is closed");
        }
        Ok(())
    }

    /// Counts a deletion.
    pub fn deletion(self: &Arc<Self>) -> Deletion {
        self.levels().for_each(|level| level.deletions.send_modify(|deletions| deletions.pending += 1));
        let lost = err!(Cancelled, "a deletion of spilled data was dropped before it was done, as the runtime was shut down");
        Deletion { level: Arc::clone(self), outcome: Err(lost), _unfinished: Unfinished::new() }
    }

    /// Waits until no deletion is under way; the error is one that failed.
    pub async fn deleted(&self) -> Result<()> {
        match self.deletions.subscribe().wait_for(|deletions| deletions.pending == 0).await {
            Ok(deletions) => deletions.failure.clone().map_or(Ok(()), Err),
            // Whoever counts is `self`.
            Err(_) => Ok(()),
        }
    }
}

/// A deletion that is under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Deletion {
    level: Arc<Closing>,
    outcome: Result<()>,
    _unfinished: Unfinished,
}

impl Deletion {
    /// It came to `outcome`.
    pub fn end(mut self, outcome: Result<()>) {
        self.outcome = outcome;
    }

    /// It removed the whole place, or failed to: with that goes what earlier ones could not delete.
    pub fn end_of_place(mut self, outcome: Result<()>) {
        if outcome.is_ok() {
            self.level.deletions.send_modify(|deletions| deletions.failure = None);
        }
        self.outcome = outcome;
    }
}

impl Drop for Deletion {
    fn drop(&mut self) {
        self.level.levels().for_each(|level| {
            level.deletions.send_modify(|deletions| {
                deletions.pending -= 1;
                if let Err(error) = &self.outcome {
                    deletions.failure = Some(error.clone());
                }
            });
        });
    }
}
