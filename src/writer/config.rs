//! What a writer can be told.

use std::time::Duration;

use crate::env::Retry;
use crate::error::{Result, bail};
use crate::generation::DataOptions;
use crate::generation::compact::CompactOptions;
use crate::memtable::index::IndexDefinition;
use crate::memtable::{Buffers, Limits};
use crate::shard::manifest::{DEFAULT_TRIM_AGE, ManifestOptions};
use crate::wal::AppenderOptions;
use crate::wal::entry::Compression;

/// The linger of a writer whose puts do not wait for durability.
const BUFFERED_LINGER: Duration = Duration::from_millis(100);

/// What a writer in MemTable mode is told beside.
#[derive(Debug, Clone)]
pub struct MemTableConfig {
    /// The columns of the primary key; `None`: those that the schema's metadata marks, if any.
    pub primary_key: Option<Vec<String>>,
    /// Secondary indexes.
    pub indexes: Vec<IndexDefinition>,
    /// When a table is frozen.
    pub limits: Limits,
    /// Bytes in tables that are not flushed at which puts wait.
    pub max_unflushed_bytes: u64,
    /// How long a table stays in memory after it was flushed, for reads.
    pub frozen_grace: Duration,
    /// How generations are merged in the background; `None`: not at all.
    pub compaction: Option<CompactOptions>,
    /// How generations are written.
    pub data: DataOptions,
    /// Whose buffers the batches have that are put.
    pub buffers: Buffers,
}

impl Default for MemTableConfig {
    fn default() -> Self {
        Self {
            primary_key: None,
            indexes: Vec::new(),
            limits: Limits::default(),
            max_unflushed_bytes: 1 << 30,
            frozen_grace: Duration::ZERO,
            compaction: Some(CompactOptions::default()),
            data: DataOptions::default(),
            buffers: Buffers::Own,
        }
    }
}

impl MemTableConfig {
    fn validate(&self) -> Result<()> {
        if self.max_unflushed_bytes < self.limits.max_bytes {
            bail!(
                InvalidArgument,
                "max_unflushed_bytes ({}) is below max_memtable_bytes ({}): a full table could never be reached",
                self.max_unflushed_bytes,
                self.limits.max_bytes
            );
        }
        if self.frozen_grace > Duration::from_secs(3600) {
            bail!(InvalidArgument, "the frozen grace is {:?}, must be at most an hour", self.frozen_grace);
        }
        if let Some(compaction) = &self.compaction {
            let (min, max) = (compaction.min_inputs, compaction.max_inputs);
            if min < 2 || max < min {
                bail!(
                    InvalidArgument,
                    "compaction merges {min} to {max} generations, must be at least 2, and the most no less than the fewest"
                );
            }
            if compaction.max_bytes == 0 {
                bail!(InvalidArgument, "the most bytes of a compaction are 0, must be at least 1");
            }
        }
        Ok(())
    }
}

/// How a [`super::ShardWriter`] works.
#[derive(Debug, Clone)]
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
    /// What was put is readable at once, by key, and flushed to generations; `None`: the writer writes the log and nothing else.
    pub memtable: Option<MemTableConfig>,
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
            memtable: None,
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
        self.memtable.as_ref().map_or(Ok(()), MemTableConfig::validate)
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
