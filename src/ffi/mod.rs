//! The C ABI (`include/weir.h`): a thin layer over the safe core, one file per section of the header.
//!
//! An export is guard → decode → one call into the core → encode, and nothing else:
//!
//! * `guard` clears `*error`, refuses forked children, catches panics and reports; `guard_on` also checks the
//!   handle and poisons it, alone, when a panic is caught.
//! * An operation that does I/O is one function that decodes and yields a `call::Operation`; `call::wait` and
//!   `call::defer` make its blocking and its `_async` export of it.
//! * What the caller gives away is taken first (`arrow::take`), what he gets is cleared first (`args::Out`): both hold
//!   on every return.
//!
//! Exports are written out, not made by macros: cbindgen reads the source.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

pub mod appender;
pub(crate) mod args;
pub(crate) mod arrow;
pub(crate) mod arrow_out;
pub mod batch;
pub mod buffer;
pub mod cache;
pub mod cache_backend;
pub(crate) mod cache_calls;
pub mod cache_loader;
pub mod cache_reply;
pub mod cache_stats;
pub mod cache_value;
pub(crate) mod call;
pub(crate) mod comparand;
pub mod completion;
pub mod entry;
pub mod error;
pub mod get;
pub(crate) mod guard;
pub(crate) mod handle;
pub mod ipc;
pub mod log;
pub mod manifest;
pub mod memtable;
pub mod memtable_stats;
pub mod open;
pub(crate) mod options;
#[cfg(test)]
mod process_tests;
pub mod queue;
pub(crate) mod reads;
pub mod runtime;
pub mod scan;
pub mod session;
pub mod shard;
pub(crate) mod sized_out;
pub mod snapshot;
pub mod spill;
pub mod spill_reader;
pub mod spill_store;
pub mod spill_write;
pub mod spill_writer;
pub mod subscription;
pub(crate) mod tail_stream;
pub mod tailer;
pub mod writer;
pub mod writer_open;
pub mod writer_stats;
