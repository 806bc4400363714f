//! How many descriptors of spilled files are kept open: thousands of spills must not take all that the process may have.

use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Of the descriptors that the process may have, spills keep one in so many.
const SHARE: u64 = 2;
/// What is kept in any case.
const LEAST: u64 = 16;

static KEPT: AtomicU64 = AtomicU64::new(0);

/// A descriptor that is kept open.
#[derive(Debug)]
pub(super) struct Kept {
    fd: OwnedFd,
    _counted: Counted,
}

impl Kept {
    pub fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// It is kept no more.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

/// One of the descriptors that are kept.
#[derive(Debug)]
struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        KEPT.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Keeps `fd` open, or gives it back if enough are.
pub(super) fn keep(fd: OwnedFd) -> Result<Kept, OwnedFd> {
    let more = |kept: u64| (kept < most()).then_some(kept + 1);
    match KEPT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
        Ok(_) => Ok(Kept { fd, _counted: Counted }),
        Err(_) => Err(fd),
    }
}

/// The limit, from that of the process when it is first asked for.
fn most() -> u64 {
    static MOST: OnceLock<u64> = OnceLock::new();
    *MOST.get_or_init(|| match rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        Some(limit) => (limit / SHARE).max(LEAST),
        None => u64::MAX,
    })
}
