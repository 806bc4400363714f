//! weir makes Arrow batches durable on object storage: written ahead, fenced, ordered and replayable.
//!
//! The crate is a safe Rust core and a thin C ABI over it (`include/weir.h`). One *shard* is one log: a
//! [`writer::ShardWriter`] holds it under an epoch and appends with group commit, any number of
//! [`wal::WalTailer`]s read it in order from anywhere. The bytes on storage are those of Lance's MemWAL.
//!
//! Modules point one way: `ffi → session → writer → scan → generation → memtable → wal → shard → store → error`; `memory → cache →
//! error` is beneath `shard`. Beside them, [`spill`] is scratch storage that never leaks and never fills the disk, beneath `session`.

#[cfg(not(panic = "unwind"))]
compile_error!("weir must be built with panic = \"unwind\": panics are caught at the C boundary");

pub mod cache;
pub mod env;
pub mod error;
pub mod ffi;
pub mod generation;
pub mod ipc_file;
pub mod memory;
pub mod memtable;
pub mod metrics;
pub mod runtime;
pub mod scan;
pub mod session;
pub mod shard;
pub mod spill;
pub mod store;
pub mod wal;
pub mod writer;
