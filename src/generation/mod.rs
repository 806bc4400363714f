//! Generations: what a MemTable held, as an immutable, sorted-by-key-indexed run on storage.
//!
//! A generation is a directory `{8 hex digits}_gen_{N}` below its shard's with
//!
//! * `data.arrow`: the rows in insert order, an Arrow IPC file that any Arrow program opens;
//! * `index.{i}.weir`: secondary indexes, if there are any;
//! * `index.weir`: the primary key's index, a bloom filter over the keys, which rows are superseded by later ones, where each batch
//!   lies, and the checksums of all of it. It is written last, so a directory without it is incomplete.
//!
//! `docs/format.md` has the layout. What this module guarantees:
//!
//! 1. A generation is readable only once it is published in the manifest, and only a whole one is ([`encode`], [`publish`]).
//! 2. Generations are published strictly in order, once, whatever answers are lost (PITFALLS G1, G2, G6).
//! 3. Whatever is read was checked: bytes that are not as they were written are `Corruption`, and cost no more memory than the
//!    object is long (PITFALLS C10).
//! 4. Within a generation the last row of a key is the one (PITFALLS I1); that a key was deleted is told apart from that it is not
//!    there (PITFALLS I3, I4). Keys are compared, never only their hashes (PITFALLS I5).
//! 5. What is removed was not in any manifest for as long as the age that was asked for, and was nobody's to publish ([`sweep`]).
//!
//! Writing: [`encode`] makes the objects of a table's rows, [`Encoded::store`] puts them on storage, [`publish::publish`] makes
//! them the shard's. Reading: [`Generation::open`], or [`Generation::open_cached`] so that blocks are kept in a cache.
//! Merging: [`compact`].

mod block;
mod bloom;
mod cached;
pub mod compact;
mod container;
mod data;
mod dictionary;
mod index;
pub mod publish;
mod read;
mod rows;
mod scan;
mod secondary;
pub mod sweep;
mod write;

pub use crate::memtable::TOMBSTONE;
pub use cached::CachedBatch;
pub use data::DataOptions;
pub use index::{Cursor, KeyRange};
pub use read::{Generation, Got};
pub use scan::{CacheUse, Rows, Scan, ScanBatch, ScanOptions};
pub use secondary::{SecondaryEncoder, SecondarySpec};
pub use write::{Encoded, TableInput, Written, encode};

/// The object of the rows.
pub const DATA: &str = "data.arrow";
/// The object of the index, which is written last.
pub const INDEX: &str = "index.weir";

/// Where a key leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// The row, counted from the generation's first.
    pub row: u64,
    /// Whether that row is a deletion.
    pub tombstone: bool,
}

/// The name of a directory for an attempt to write `generation`.
#[must_use]
pub fn directory(random: u128, generation: u64) -> String {
    format!("{:08x}_gen_{generation}", random as u32)
}

/// The generation that a directory's name says, if it is the name of one.
#[must_use]
pub fn parse_directory(name: &str) -> Option<u64> {
    let (random, generation) = name.split_once("_gen_")?;
    let is_random = random.len() == 8 && random.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let number: u64 = generation.parse().ok()?;
    (is_random && number > 0 && number.to_string() == generation).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    // PITFALLS G9: what is in a manifest is a name of ours, or nothing is read or removed by it.
    #[test]
    fn directories_have_one_spelling() {
        assert_eq!(directory(0xabcd_0000_0012, 7), "00000012_gen_7");
        for generation in [1, 42, u64::MAX] {
            assert_eq!(parse_directory(&directory(u128::MAX, generation)), Some(generation));
        }
        for bad in [
            "",
            "_gen_1",
            "1234567_gen_1",
            "123456789_gen_1",
            "1234567G_gen_1",
            "1234567A_gen_1",
            "12345678_gen_0",
            "12345678_gen_01",
            "12345678_gen_+1",
            "12345678_gen_",
            "12345678_gen_18446744073709551616",
            "../12345678_gen_1",
            "12345678_gen_1/",
            "12345678_gen_1?x",
            "12345678_gen_1 ",
            "wal",
        ] {
            assert_eq!(parse_directory(bad), None, "{bad:?}");
        }
    }
}
