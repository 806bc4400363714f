//! MemTables: the rows that were put and are not yet flushed to a generation, in memory and readable.

pub mod key;
