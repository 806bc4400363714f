//! One entry of a shard's log: batches of one schema as one object, an Arrow IPC stream followed by weir's trailer.
//!
//! Writing: a [`BatchEncoder`] turns each batch into IPC messages while it is being put (so that a bad batch is refused
//! before it is queued), and [`assemble`] joins the encoded batches of a group commit into one [`EncodedEntry`]. Column
//! buffers of [`SHARED_BYTES`] and more are not copied on the way.
//!
//! Reading: [`decode`] gives batches that borrow the object's bytes. It guarantees that
//!
//! 1. an entry with weir's trailer is either exactly what its writer made, or a `CORRUPTION` error;
//! 2. an entry without one (Lance's) is decoded, or a `CORRUPTION` error: never a panic, an abort, a hang or an allocation
//!    that the object's size does not warrant;
//! 3. the reserved keys of the schema's metadata never reach a reader, nor come from a caller.

mod batch;
mod body;
mod check;
mod decode;
mod encode;
mod memory;
mod schema;
mod trailer;
mod walk;

use std::fmt;

use bytes::Bytes;

use crate::error::Result;

pub(crate) use batch::BatchDecoder;
pub(crate) use check::{Budget, check_batch};
pub use decode::{Entry, SchemaCache, decode};
pub(crate) use decode::{aligned, dictionary_types, parse_message, skip_validation};
pub use encode::{BatchEncoder, EncodedBatch};
pub use memory::allocated_bytes;
pub use schema::RESERVED_KEYS;
pub(crate) use schema::same_type;
pub use trailer::entry_id;
pub(crate) use trailer::{Crc, crc32c};

/// Buffers of this size and more are handed to the store as they are; smaller ones are copied together.
pub const SHARED_BYTES: usize = 4096;

/// Every message and every buffer of an entry begins at a multiple of this, so that readers need not copy.
const ALIGNMENT: usize = 64;

/// What begins an encapsulated message of the IPC stream format.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// The end of the stream: a message of length 0.
const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// Identifies an entry: new for every entry, the same over all attempts to store that entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntryId(pub [u8; 16]);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&uuid::Uuid::from_bytes(self.0), f)
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How the bodies of an entry's messages are compressed: Arrow IPC's own buffer compression.
///
/// Lance reads compressed entries only if it was built with the codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// LZ4 frames (feature `lz4`).
    Lz4,
    /// Zstandard at its default level (feature `zstd`).
    Zstd,
}

/// An entry ready to be stored: the object is the concatenation of its parts.
#[derive(Debug, Clone)]
pub struct EncodedEntry {
    /// Its id, as in the trailer.
    pub id: EntryId,
    /// The object's bytes, in order.
    pub parts: Vec<Bytes>,
    /// The object's size.
    pub len: u64,
    /// How many batches it holds.
    pub batches: usize,
    /// How many rows they have together.
    pub rows: u64,
}

/// Joins encoded batches into an entry. `preamble` comes from the encoder that made the batches.
pub fn assemble<'a>(preamble: &Bytes, batches: impl IntoIterator<Item = &'a EncodedBatch>, id: EntryId) -> EncodedEntry {
    let mut parts = vec![preamble];
    let (mut count, mut rows) = (0, 0);
    for batch in batches {
        parts.extend(batch.parts());
        count += 1;
        rows += batch.rows() as u64;
    }
    let (parts, len) = join(&parts, id);
    EncodedEntry { id, parts, len, batches: count, rows }
}

/// The entry that tells a predecessor of its fence: an empty schema with the claimer's epoch, and no batches.
pub fn sentinel(epoch: u64, id: EntryId) -> Result<EncodedEntry> {
    Ok(assemble(&schema::sentinel_preamble(epoch)?, [], id))
}

/// The stream of `parts` with its end and its trailer: small parts copied together, large ones shared.
fn join(parts: &[&Bytes], id: EntryId) -> (Vec<Bytes>, u64) {
    let small: usize = parts.iter().map(|part| part.len()).filter(|len| *len < SHARED_BYTES).sum();
    let mut copied = Vec::with_capacity(small + END_OF_STREAM.len() + trailer::MAX_WRITTEN);
    let mut shared = Vec::new();
    let (mut crc, mut stream_len, mut summed) = (trailer::Crc::new(), 0, 0);
    for part in parts {
        stream_len += part.len() as u64;
        if part.len() < SHARED_BYTES {
            copied.extend_from_slice(part);
        } else {
            crc.update(&copied[summed..]);
            crc.update(part);
            summed = copied.len();
            shared.push((copied.len(), Bytes::clone(part)));
        }
    }
    copied.extend_from_slice(&END_OF_STREAM);
    crc.update(&copied[summed..]);
    stream_len += END_OF_STREAM.len() as u64;
    let written = trailer::append(&mut copied, id, stream_len, crc.finish());
    (body::interleave(Bytes::from(copied), shared), stream_len + written as u64)
}
