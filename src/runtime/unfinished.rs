//! Work in the background that a shutdown lets finish, if there is time for it.

use parking_lot::{Condvar, Mutex};

use super::block::Deadline;

static COUNT: Mutex<usize> = Mutex::new(0);
static CHANGED: Condvar = Condvar::new();

/// Such work, until it is dropped.
#[derive(Debug)]
pub(crate) struct Unfinished(());

impl Unfinished {
    pub(crate) fn new() -> Self {
        *COUNT.lock() += 1;
        Self(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        *COUNT.lock() -= 1;
        CHANGED.notify_all();
    }
}

/// Waits until there is none, or the deadline.
pub(super) fn wait_for_none(deadline: Deadline) {
    let mut count = COUNT.lock();
    while *count > 0 {
        match deadline.instant() {
            None => CHANGED.wait(&mut count),
            Some(at) => {
                if CHANGED.wait_until(&mut count, at).timed_out() {
                    return;
                }
            }
        }
    }
}
