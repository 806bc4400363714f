//! What a writer can be told.

use std::time::Duration;

use crate::env::Retry;
use crate::error::{Result, bail};
use crate::shard::manifest::{DEFAULT_TRIM_AGE, ManifestOptions};
use crate::wal::AppenderOptions;
use crate::wal::entry::Compression;

/// The linger of a writer whose puts do not wait for durability.
const BUFFERED_LINGER: Duration = Duration::from_millis(100);

/// How a [`super::ShardWriter`] works.
#[derive(Debug, Clone, Copy)]
pub struct WriterConfig {
    /// Whether a put returns only when its entry is durable.
    pub durable: bool,
    /// How long an admitted put may wait for others to share its entry. `None`: not at all if `durable`, else 100 ms.
    pub linger: Option<Duration>,
    /// Bytes at which what is pending is written without waiting longer, and at which an entry is full (a single larger put
    /// makes an entry of its own).
    pub max_buffer_bytes: u64,
    /// Bytes admitted and not yet durable at which further puts wait.
    pub max_pending_bytes: u64,
    /// Compression of the entries' bodies.
    pub compression: Compression,
    /// Retries of a failed append or commit.
    pub retry: Retry,
    /// How many manifest versions are asked for at once.
    pub manifest_probe_width: u32,
    /// The age below which nothing of the shard is removed; the same for everybody who uses the shard.
    pub trim_age: Duration,
}

impl Default for WriterConfig {
    fn default() -> Self {
        let manifest = ManifestOptions::default();
        Self {
            durable: true,
            linger: None,
            max_buffer_bytes: 8 << 20,
            max_pending_bytes: 64 << 20,
            compression: Compression::None,
            retry: manifest.retry,
            manifest_probe_width: manifest.probe_width,
            trim_age: DEFAULT_TRIM_AGE,
        }
    }
}

impl WriterConfig {
    /// Refuses what can never work, before anything is claimed (PITFALLS B4, F5).
    ///
    /// # Errors
    /// `InvalidArgument` naming the option.
    pub fn validate(&self) -> Result<()> {
        self.appender().validate()?;
        if self.max_buffer_bytes == 0 {
            bail!(InvalidArgument, "max_buffer_bytes is 0, must be at least 1");
        }
        if self.max_pending_bytes < self.max_buffer_bytes {
            bail!(
                InvalidArgument,
                "max_pending_bytes ({}) is below max_buffer_bytes ({}): a full buffer could never be admitted",
                self.max_pending_bytes,
                self.max_buffer_bytes
            );
        }
        if self.linger() > Duration::from_secs(3600) {
            bail!(InvalidArgument, "linger is {:?}, must be at most an hour", self.linger());
        }
        Ok(())
    }

    /// The linger in force.
    #[must_use]
    pub fn linger(&self) -> Duration {
        self.linger.unwrap_or(if self.durable { Duration::ZERO } else { BUFFERED_LINGER })
    }

    pub(super) fn appender(&self) -> AppenderOptions {
        AppenderOptions {
            compression: self.compression,
            retry: self.retry,
            manifest_probe_width: self.manifest_probe_width,
            trim_age: self.trim_age,
        }
    }
}
