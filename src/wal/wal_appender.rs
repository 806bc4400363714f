//! [`WalAppender`]: the lowest-level way to write a shard, one entry per call, nothing buffered.

use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use bytes::Bytes;
use tokio::sync::Mutex;

use super::appender::Appender;
use super::entry::{self, BatchEncoder, Compression, EntryId};
use crate::env::{Env, Retry};
use crate::error::{Result, bail};
use crate::shard::ShardPath;
use crate::shard::manifest::{DEFAULT_TRIM_AGE, Manifest, ManifestOptions};
use crate::store::Store;

/// How a [`WalAppender`] is opened.
#[derive(Debug, Clone, Copy)]
pub struct AppenderOptions {
    /// Compression of the entries' bodies.
    pub compression: Compression,
    /// Retries of a failed append or commit.
    pub retry: Retry,
    /// How many manifest versions are asked for at once.
    pub manifest_probe_width: u32,
    /// The age below which nothing of the shard is removed; the same for everybody who uses the shard.
    pub trim_age: Duration,
}

impl Default for AppenderOptions {
    fn default() -> Self {
        let manifest = ManifestOptions::default();
        Self {
            compression: Compression::None,
            retry: manifest.retry,
            manifest_probe_width: manifest.probe_width,
            trim_age: DEFAULT_TRIM_AGE,
        }
    }
}

impl AppenderOptions {
    pub(crate) fn manifest(&self) -> ManifestOptions {
        ManifestOptions { retry: self.retry, probe_width: self.manifest_probe_width, trim_age: self.trim_age }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        if self.manifest_probe_width == 0 || self.manifest_probe_width > 64 {
            bail!(InvalidArgument, "manifest_probe_width is {}, must be 1 to 64", self.manifest_probe_width);
        }
        if self.retry.max_retries > 100 {
            bail!(InvalidArgument, "max_retries is {}, must be at most 100", self.retry.max_retries);
        }
        if self.trim_age < Duration::from_secs(1) {
            bail!(
                InvalidArgument,
                "trim_age is {} ms, must be at least 1000: stalled writers are told from live ones by it",
                self.trim_age.as_millis()
            );
        }
        Ok(())
    }
}

/// Owns a shard and appends to it, one entry per call.
#[derive(Debug)]
pub struct WalAppender {
    encoder: BatchEncoder,
    preamble: Bytes,
    epoch: u64,
    env: Env,
    appender: Mutex<Option<Appender>>,
}

impl WalAppender {
    /// Claims the shard for batches of `schema`.
    ///
    /// # Errors
    /// `InvalidArgument`, `SchemaMismatch` before anything is claimed; then as [`Appender::open`].
    pub async fn open(store: Store, shard: ShardPath, schema: &Schema, options: AppenderOptions, env: Env) -> Result<Self> {
        options.validate()?;
        let encoder = BatchEncoder::new(schema, options.compression)?;
        let appender = Appender::open(store, shard, env.clone(), options.manifest()).await?;
        let epoch = appender.epoch();
        let preamble = encoder.preamble(epoch, None)?;
        Ok(Self { encoder, preamble, epoch, env, appender: Mutex::new(Some(appender)) })
    }

    /// The schema that every batch must have: the one given at open, without reserved metadata keys.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        self.encoder.schema()
    }

    /// The epoch under which the shard is owned.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Appends `batches` as one entry and returns its position. Concurrent calls take turns.
    ///
    /// # Errors
    /// `InvalidData`, `SchemaMismatch`: nothing was written and the appender goes on. `Fenced`, `Poisoned`: for ever. `Closed`.
    pub async fn append(&self, batches: &[RecordBatch]) -> Result<u64> {
        if batches.is_empty() {
            bail!(InvalidData, "an entry needs at least one batch");
        }
        let encoded = batches.iter().map(|batch| self.encoder.encode(batch)).collect::<Result<Vec<_>>>()?;
        let entry = entry::assemble(&self.preamble, &encoded, EntryId(self.env.random.next().to_be_bytes()));
        let mut appender = self.appender.lock().await;
        match appender.as_mut() {
            Some(appender) => appender.append(&entry).await,
            None => bail!(Closed, "the appender of epoch {} is closed", self.epoch),
        }
    }

    /// Asks the store whether the shard is still owned.
    ///
    /// # Errors
    /// `Fenced`; `Closed`; the store's.
    pub async fn check_fenced(&self) -> Result<Manifest> {
        match self.appender.lock().await.as_mut() {
            Some(appender) => appender.check_fenced().await,
            None => bail!(Closed, "the appender of epoch {} is closed", self.epoch),
        }
    }

    /// Waits for a running append and refuses later ones. The epoch stays claimed until the next writer's.
    pub async fn close(&self) {
        self.appender.lock().await.take();
    }
}
