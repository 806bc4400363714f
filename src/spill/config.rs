//! How a spill store is to be.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Result, bail};

/// The largest write buffer: beyond it lies a mistake.
const MAX_BUFFER: usize = 1 << 30;
/// Below it, keeping a directory of objects alive would be most of what a store does, and a slow answer could look like death.
const MIN_RECLAIM_AGE: Duration = Duration::from_secs(60);

/// Where spilled data goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpillBackend {
    /// Files below a directory, which may be many stores': each makes one of its own in it that nobody else can look into, and removes
    /// those that killed processes of the same user left (root: of all users). Other users' are left alone, and on file systems that
    /// several machines may share nothing is removed but one's own.
    Local {
        /// The directory, made at first use if missing, with its parents, for this user alone (mode 0700). `None`: `weir-spill` below the
        /// system's directory for temporary files, for all users (mode 1777) if root or this user made it; else `weir-spill-<user id>`.
        directory: Option<PathBuf>,
    },
    /// The process's memory.
    Memory,
    /// Objects below a URL that the session can open.
    Object {
        /// The URL.
        url: String,
    },
    /// Memory up to a limit, then files. A spill that outgrows what is left of the memory moves to disk as a whole.
    Tiered {
        /// As for [`SpillBackend::Local`].
        directory: Option<PathBuf>,
        /// How many bytes all spills together may hold in memory.
        memory_bytes: u64,
    },
}

impl SpillBackend {
    /// Whether it may write to a local disk.
    fn uses_disk(&self) -> bool {
        matches!(self, Self::Local { .. } | Self::Tiered { .. })
    }
}

/// The options of a spill store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpillConfig {
    /// Where spilled data goes.
    pub backend: SpillBackend,
    /// The most bytes that all spills together may take, in memory and on disk; `None`: no limit.
    pub cap_bytes: Option<u64>,
    /// What is to stay free on the file system, whoever fills it; `None`: 5 % of it or 1 GiB, whichever is less; 0: nothing.
    pub min_free_bytes: Option<u64>,
    /// How much a writer collects of small writes before it writes them; 0: nothing.
    pub buffer_bytes: usize,
    /// How long the objects of a dead process stay, at least, before another sweeps them; at least a minute. A living one says that it
    /// lives eight times within it, so one that is stopped or cut off from the store for longer is taken for dead, and loses its
    /// spills. Objects only: local directories are locked.
    pub reclaim_age: Duration,
}

impl Default for SpillConfig {
    fn default() -> Self {
        Self {
            backend: SpillBackend::Local { directory: None },
            cap_bytes: None,
            min_free_bytes: None,
            buffer_bytes: 64 << 10,
            reclaim_age: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl SpillConfig {
    /// Refuses what cannot work or contradicts itself.
    pub(super) fn validate(&self) -> Result<()> {
        if self.buffer_bytes > MAX_BUFFER {
            bail!(InvalidArgument, "a write buffer of {} bytes is too large: the most are {MAX_BUFFER}", self.buffer_bytes);
        }
        if let SpillBackend::Local { directory: Some(dir) } | SpillBackend::Tiered { directory: Some(dir), .. } = &self.backend
            && dir.as_os_str().is_empty()
        {
            bail!(InvalidArgument, "the spill directory's path is empty");
        }
        if !self.backend.uses_disk() && self.min_free_bytes.is_some_and(|bytes| bytes > 0) {
            bail!(InvalidArgument, "min_free_bytes is for spill stores on a local disk");
        }
        if matches!(self.backend, SpillBackend::Object { .. }) && self.reclaim_age < MIN_RECLAIM_AGE {
            bail!(InvalidArgument, "reclaim_age must be at least {MIN_RECLAIM_AGE:?}: younger objects may be a living process's");
        }
        Ok(())
    }
}

/// The options of one spill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpillOptions {
    /// Whether it is encrypted where it lies, with a key that only this process's memory has.
    pub encrypt: bool,
}
