//! One shard's log: the bytes of an entry, finding positions, appending and reading in order.

mod appender;
mod cached;
pub mod entry;
pub mod positions;
mod prefetch;
mod tailer;
mod tips;
pub mod trim;
mod wal_appender;

pub use appender::{AppendStats, Appender};
pub use cached::forget;
pub use tailer::{TailerOptions, WalTailer};
pub use wal_appender::{AppenderOptions, WalAppender};
