//! MemTables: the rows that were put and are not yet flushed to a generation, in memory and readable.
//!
//! A [`TableSpec`] is what all tables of one writer have in common: schema, primary key, secondary indexes, limits. A batch goes its
//! way in three steps, so that nothing is refused after it was accepted and nothing is seen before its time:
//!
//! 1. [`TableSpec::put`], [`TableSpec::delete`] or [`TableSpec::replay`] checks it and makes a [`Prepared`] of it: the rows as they are
//!    logged and stored, their encoded keys, what the indexes need. This is where a put can fail; no lock is held.
//! 2. [`MemTable::append`] takes it into a table, or hands it back if the table is full or frozen.
//! 3. [`MemTable::index`] feeds the indexes, beside the log's append; [`MemTable::set_durable`] says how far the log is.
//!
//! A row is visible when it is indexed and, in a durable table, in the log. A [`Snapshot`] is a count of visible rows: everything that is
//! read through it is what was visible at that one moment (PITFALLS I8), whatever is put meanwhile. Counts are writer-global and exclusive
//! (PITFALLS E2, E3): they go on from one table to the next, and `n` means the first `n` rows.
//!
//! **Deletes** are rows too: a row whose [`TOMBSTONE`] column is true has the key of what it deletes, and nulls. Reads of one table
//! return tombstones as such, since they hide rows of older tables and generations (PITFALLS I3); only who merges all sources may drop them.
//! That is also why a get tells "deleted" from "never written" (PITFALLS I4).

pub mod batch_store;
mod chunks;
pub mod evolve;
pub mod index;
pub mod key;
mod memory;
mod prepare;
mod snapshot;
mod spec;
mod table;

pub use prepare::{Buffers, Prepared};
pub use snapshot::{Lookup, Row, Snapshot, SnapshotBatch};
pub use spec::{Limits, TOMBSTONE, TableSpec};
pub use table::{Appended, MemTable, Refusal, Refused, Visibility};
