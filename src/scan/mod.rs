//! Reads of a shard: what is in memory, in generations and in the log, as one.

pub mod replay;
