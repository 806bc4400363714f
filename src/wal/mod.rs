//! The write-ahead log of one shard: the entry format.

pub mod entry;
