//! What opening a writer and opening an appender have in common.

use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::Schema;
use arrow_schema::ffi::FFI_ArrowSchema;
use futures_util::future::{Either, select};

use super::args;
use super::arrow;
use super::handle::{self, Handle};
use super::session::WeirSession;
use crate::env::Env;
use crate::error::{Result, bail};
use crate::shard::ShardPath;
use crate::store::Store;
use crate::wal::entry::Compression;

/// How the bodies of entries are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum WeirCompression {
    /// Not at all.
    None = 0,
    /// LZ4 frames: fast.
    Lz4 = 1,
    /// Zstandard: small.
    Zstd = 2,
}

/// The compression of that number.
pub(crate) fn compression(number: i32) -> Result<Compression> {
    match number {
        0 => Ok(Compression::None),
        1 => Ok(Compression::Lz4),
        2 => Ok(Compression::Zstd),
        _ => bail!(InvalidArgument, "compression is {number}, must be a WEIR_COMPRESSION_*"),
    }
}

/// The C ABI's milliseconds; `None` if negative.
pub(crate) fn timeout(ms: i64) -> Option<Duration> {
    u64::try_from(ms).ok().map(Duration::from_millis)
}

/// What both are told.
pub(crate) struct OpenOptions {
    pub handle: Arc<Handle<WeirSession>>,
    pub store: Store,
    pub shard: ShardPath,
    pub schema: Schema,
}

impl OpenOptions {
    /// # Safety
    ///
    /// Pointers are NULL or as the header describes them.
    pub(crate) unsafe fn decode(
        session: *const WeirSession,
        root: *const c_char,
        shard_id: *const c_char,
        schema: *const FFI_ArrowSchema,
        fsync: bool,
    ) -> Result<Self> {
        // SAFETY: the caller's promise, here and below.
        let handle = unsafe { handle::share(session) }?;
        // SAFETY: the same.
        let (root, id) = unsafe { (args::text("root", root)?, args::text("shard_id", shard_id)?) };
        // SAFETY: the same.
        let schema = unsafe { arrow::import_schema(schema) }?;
        let store = handle.core.store(root, fsync)?;
        Ok(Self { store, shard: ShardPath::new(id)?, schema, handle })
    }
}

/// `future`, unless it takes longer than `timeout_ms`; < 0 = however long.
pub(crate) async fn within<T>(env: Env, timeout_ms: i64, future: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(limit) = timeout(timeout_ms) else { return future.await };
    let future = std::pin::pin!(future);
    match select(future, env.clock.sleep(limit)).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => bail!(TimedOut, "not open within {timeout_ms} ms; the shard may have been claimed"),
    }
}
