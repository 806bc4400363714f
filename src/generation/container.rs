//! The container of an index file: a prelude, a header that says what follows, and sections.
//!
//! ```text
//! prelude    "WEIRIDX1" · version u32 · header_len u32 · header_crc u32 · 8 zero bytes · CRC-32C of the prelude so far u32
//! header     protobuf [`Header`]
//! sections   in the order and of the lengths that the header says, without a gap to the end of the file
//! ```
//!
//! All is little endian. The header vouches for every section by its CRC-32C; the last section is blocks of sorted keys, whose
//! checksums stand in the section before them, so that one block can be read and checked alone. What comes before the blocks is
//! read when the file is opened, and kept. A file that is cut, or of which any bit is not as it was written, is `Corruption`;
//! nothing is allocated that the file's size does not warrant (PITFALLS C10).

use bytes::Bytes;
use prost::Message;

use super::cached::alone;
use crate::error::{Error, Result, bail, err};
use crate::store::Store;

/// The first bytes of an index file.
const MAGIC: [u8; 8] = *b"WEIRIDX1";
/// The version of the format that this code writes, and reads.
const VERSION: u32 = 1;
const PRELUDE: usize = 32;
/// What is read first: enough for all that is kept of a small file.
const FIRST_READ: u64 = 64 * 1024;

/// What an index file says of itself, and an index of its generation.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Header {
    /// 1: of a generation; 2: a secondary index.
    #[prost(uint32, tag = "1")]
    pub kind: u32,
    #[prost(message, repeated, tag = "2")]
    pub sections: Vec<Section>,
    /// How many keys the blocks hold; for a secondary index, entries.
    #[prost(uint64, tag = "3")]
    pub entries: u64,
    #[prost(message, optional, tag = "4")]
    pub table: Option<Table>,
}

/// What `index.weir` says of its generation.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Table {
    #[prost(uint64, tag = "1")]
    pub generation: u64,
    #[prost(uint64, tag = "2")]
    pub rows: u64,
    #[prost(uint64, tag = "3")]
    pub tombstones: u64,
    #[prost(uint64, tag = "4")]
    pub superseded: u64,
    #[prost(uint64, tag = "5")]
    pub key_bytes: u64,
    #[prost(uint64, tag = "6")]
    pub in_memory_bytes: u64,
    /// The schema that readers get, as an Arrow IPC schema message. `data.arrow` may have wider dictionary keys.
    #[prost(bytes = "bytes", tag = "7")]
    pub schema: Bytes,
    /// CRC-64 (NVME) of the schema message: equal schemas have equal ones.
    #[prost(fixed64, tag = "8")]
    pub schema_fingerprint: u64,
    /// The primary key's columns, in order; none: there is no key.
    #[prost(string, repeated, tag = "9")]
    pub key_columns: Vec<String>,
    #[prost(bytes = "bytes", tag = "10")]
    pub first_key: Bytes,
    #[prost(bytes = "bytes", tag = "11")]
    pub last_key: Bytes,
    /// The object `data.arrow`.
    #[prost(uint64, tag = "12")]
    pub data_len: u64,
    /// The schema that `data.arrow` has, if it is not the one above.
    #[prost(bytes = "bytes", tag = "13")]
    pub stored_schema: Bytes,
    #[prost(message, repeated, tag = "14")]
    pub secondary: Vec<Secondary>,
    /// The compression of the batches: 0 none, 1 LZ4 frames, 2 Zstandard.
    #[prost(uint32, tag = "15")]
    pub compression: u32,
}

/// A secondary index of a generation.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Secondary {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, repeated, tag = "2")]
    pub columns: Vec<String>,
    /// Its object, in the generation's directory.
    #[prost(string, tag = "3")]
    pub object: String,
    #[prost(uint64, tag = "4")]
    pub len: u64,
    /// CRC-32C of its prelude and header, which vouch for the rest of it.
    #[prost(fixed32, tag = "5")]
    pub front_crc: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Section {
    #[prost(uint32, tag = "1")]
    pub kind: u32,
    #[prost(uint64, tag = "2")]
    pub len: u64,
    /// Of all but the blocks.
    #[prost(fixed32, tag = "3")]
    pub crc: u32,
}

/// The kinds of sections. Readers skip those that they do not know.
pub(super) mod kind {
    /// Where the batches of `data.arrow` lie.
    pub const DATA: u32 = 1;
    /// The first key, length and checksum of every block.
    pub const SPARSE: u32 = 2;
    /// The bloom filter.
    pub const BLOOM: u32 = 3;
    /// One bit per row: set where a later row of the same generation has the same key.
    pub const MASK: u32 = 4;
    /// Sorted keys.
    pub const BLOCKS: u32 = 5;
}

/// CRC-32C over bytes that come in parts.
pub(super) fn crc_of(parts: &[Bytes]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    parts.iter().filter(|part| !part.is_empty()).for_each(|part| digest.update(part));
    digest.finalize() as u32
}

pub(super) fn crc(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// The object's parts: `sections` in order, of which the last are the blocks.
pub(super) fn assemble(mut header: Header, sections: Vec<(u32, Bytes)>, blocks: Vec<Bytes>) -> Result<Vec<Bytes>> {
    header.sections = sections.iter().map(|(kind, bytes)| Section { kind: *kind, len: bytes.len() as u64, crc: crc(bytes) }).collect();
    let len = blocks.iter().map(|block| block.len() as u64).sum();
    header.sections.push(Section { kind: kind::BLOCKS, len, crc: 0 });
    let header = header.encode_to_vec();
    let Ok(header_len) = u32::try_from(header.len()) else { bail!(InvalidArgument, "an index header of {} bytes", header.len()) };
    let mut front = Vec::with_capacity(PRELUDE + header.len());
    front.extend_from_slice(&MAGIC);
    for number in [VERSION, header_len, crc(&header), 0, 0] {
        front.extend_from_slice(&number.to_le_bytes());
    }
    let check = crc(&front);
    front.extend_from_slice(&check.to_le_bytes());
    front.extend_from_slice(&header);
    let mut parts = vec![Bytes::from(front)];
    parts.extend(sections.into_iter().map(|(_, bytes)| bytes));
    parts.extend(blocks);
    Ok(parts)
}

/// An index file that was opened: what is kept of it.
#[derive(Debug)]
pub(super) struct Container {
    /// The path of its object.
    pub path: String,
    pub header: Header,
    /// Its size.
    pub size: u64,
    /// Where the blocks begin; they go to the end.
    pub blocks_at: u64,
    /// CRC-32C of the prelude and the header.
    pub front_crc: u32,
    /// All before the blocks, in an allocation of its own.
    pub(super) front: Bytes,
    /// Parts of it.
    sections: Vec<(u32, Bytes)>,
}

impl Container {
    /// Reads and checks all but the blocks of the object at `path`; `None` if it does not exist. `expected` is its size, if that
    /// is known.
    pub(super) async fn open(store: &Store, path: &str, expected: Option<u64>) -> Result<Option<Self>> {
        let Some(first) = store.get_range(path, 0..FIRST_READ).await? else { return Ok(None) };
        let size = first.size;
        whole(store, path, first.bytes.len() as u64, FIRST_READ.min(size))?;
        if let Some(expected) = expected.filter(|expected| *expected != size) {
            return Err(damaged(store, path, format!("it has {size} bytes instead of {expected}")));
        }
        let bad = |what: String| damaged(store, path, what);
        let prelude = Prelude::read(&first.bytes).map_err(bad)?;
        if prelude.version != VERSION {
            bail!(Unsupported, "{}: version {} of the index format is not known to this weir", store.url_of(path), prelude.version);
        }
        let header_end = PRELUDE as u64 + u64::from(prelude.header_len);
        let front = extend(store, path, size, first.bytes, header_end).await?;
        let header = prelude.header(&front[PRELUDE..header_end as usize]).map_err(bad)?;
        let blocks_at = check_sections(&header, header_end, size).map_err(bad)?;
        let front = extend(store, path, size, front, blocks_at).await?;
        // What was read along with it is not to be kept.
        let front = alone(front.slice(..blocks_at as usize), front.len());
        Self::read(path, size, front).map(Some).map_err(bad)
    }

    /// Checks `front`, which is all but the blocks of the object at `path` of `size` bytes.
    pub(super) fn read(path: &str, size: u64, front: Bytes) -> Result<Self, String> {
        let prelude = Prelude::read(&front)?;
        let header_end = PRELUDE + prelude.header_len as usize;
        let header = front.get(PRELUDE..header_end).filter(|_| prelude.version == VERSION).ok_or("it is no front of an index file")?;
        let header = prelude.header(header)?;
        let blocks_at = check_sections(&header, header_end as u64, size)?;
        if blocks_at != front.len() as u64 {
            return Err(format!("{} bytes before the blocks instead of {blocks_at}", front.len()));
        }
        let mut at = header_end;
        let mut sections = Vec::new();
        for section in header.sections.iter().filter(|section| section.kind != kind::BLOCKS) {
            let bytes = front.slice(at..at + section.len as usize);
            if crc(&bytes) != section.crc {
                return Err(format!("the checksum of section {} is wrong", section.kind));
            }
            at += bytes.len();
            sections.push((section.kind, bytes));
        }
        let front_crc = crc(&front[..header_end]);
        Ok(Self { path: path.to_owned(), header, size, blocks_at, front_crc, front, sections })
    }

    /// The section of this kind; an error says that there is none.
    pub(super) fn section(&self, kind: u32) -> Result<Bytes, String> {
        self.optional(kind).ok_or_else(|| format!("section {kind} is missing"))
    }

    pub(super) fn optional(&self, kind: u32) -> Option<Bytes> {
        self.sections.iter().find(|(one, _)| *one == kind).map(|(_, bytes)| bytes.clone())
    }

    /// How many bytes the header has.
    pub(super) fn header_len(&self) -> usize {
        self.front.len() - self.sections.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() - PRELUDE
    }

    /// The bytes that are kept.
    pub(super) fn resident_bytes(&self) -> u64 {
        self.blocks_at
    }
}

struct Prelude {
    version: u32,
    header_len: u32,
    header_crc: u32,
}

impl Prelude {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let Some(prelude) = bytes.first_chunk::<PRELUDE>() else { return Err(format!("it has only {} bytes", bytes.len())) };
        let number = |at: usize| u32::from_le_bytes([prelude[at], prelude[at + 1], prelude[at + 2], prelude[at + 3]]);
        if prelude[..8] != MAGIC {
            return Err("it does not begin as an index file of weir's".into());
        }
        if crc(&prelude[..PRELUDE - 4]) != number(PRELUDE - 4) {
            return Err("its prelude's checksum is wrong".into());
        }
        Ok(Self { version: number(8), header_len: number(12), header_crc: number(16) })
    }

    fn header(&self, bytes: &[u8]) -> Result<Header, String> {
        if crc(bytes) != self.header_crc {
            return Err("its header's checksum is wrong".into());
        }
        Header::decode(bytes).map_err(|e| format!("its header cannot be read: {e}"))
    }
}

/// The sections fill the file, the blocks last; says where those begin.
fn check_sections(header: &Header, header_end: u64, size: u64) -> Result<u64, String> {
    let Some((blocks, others)) = header.sections.split_last().filter(|(last, _)| last.kind == kind::BLOCKS) else {
        return Err("its last section is not the blocks".into());
    };
    let at = others.iter().try_fold(header_end, |at, section| at.checked_add(section.len).filter(|_| section.kind != kind::BLOCKS));
    let at = at.ok_or("its sections cannot be")?;
    if at.checked_add(blocks.len) != Some(size) {
        return Err(format!("it has {size} bytes, its sections speak of {}", at.saturating_add(blocks.len)));
    }
    Ok(at)
}

/// `front`, the beginning of the object, made longer so that it goes up to `end` at least.
async fn extend(store: &Store, path: &str, size: u64, front: Bytes, end: u64) -> Result<Bytes> {
    let have = front.len() as u64;
    if end <= have {
        return Ok(front);
    }
    if end > size {
        return Err(damaged(store, path, format!("it has {size} bytes and speaks of {end}")));
    }
    let rest = fetch(store, path, have..end, size).await?;
    let mut all = Vec::with_capacity(end as usize);
    all.extend_from_slice(&front);
    all.extend_from_slice(&rest);
    Ok(all.into())
}

/// Bytes `range` of the object at `path`, which has `size` bytes.
pub(super) async fn fetch(store: &Store, path: &str, range: std::ops::Range<u64>, size: u64) -> Result<Bytes> {
    let Some(part) = store.get_range(path, range.clone()).await? else { return Err(missing(store, path)) };
    if part.size != size {
        return Err(damaged(store, path, format!("it has {} bytes instead of {size}", part.size)));
    }
    whole(store, path, part.bytes.len() as u64, range.end - range.start)?;
    Ok(part.bytes)
}

/// Refuses an answer that is shorter than the object is: the store's fault, not the object's.
fn whole(store: &Store, path: &str, got: u64, wanted: u64) -> Result<()> {
    if got == wanted {
        return Ok(());
    }
    Err(err!(Storage, "{}: the store sent {got} bytes of a part of {wanted}", store.url_of(path)).with_str("object", path))
}

/// The object at `path` is not what was written.
pub(super) fn damaged(store: &Store, path: &str, what: impl std::fmt::Display) -> Error {
    err!(Corruption, "{} is damaged: {what}", store.url_of(path)).with_str("object", path)
}

/// The object at `path` is not there.
pub(super) fn missing(store: &Store, path: &str) -> Error {
    err!(NotFound, "{} is not there: its generation was compacted away and removed, or never written whole", store.url_of(path))
        .with_str("object", path)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::env::block_on;
    use crate::error::ErrorKind;
    use crate::store::Backend;
    use crate::store::memory::MemoryBackend;

    #[derive(Debug)]
    struct Still;

    impl crate::env::Clock for Still {
        fn now(&self) -> std::time::Duration {
            std::time::Duration::ZERO
        }
        fn unix(&self) -> std::time::Duration {
            std::time::Duration::ZERO
        }
        fn sleep(&self, _: std::time::Duration) -> crate::env::BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    fn open(bytes: Vec<u8>) -> Result<Container> {
        let backend = MemoryBackend::new(Arc::new(Still));
        block_on(backend.put("x", bytes.into())).unwrap();
        block_on(Container::open(&Store::new("memory://x", Arc::new(backend)), "x", None)).map(Option::unwrap)
    }

    /// A front whose checksums are right, whatever it says.
    fn front(version: u32, header: &Header) -> Vec<u8> {
        let header = header.encode_to_vec();
        let mut front = MAGIC.to_vec();
        for number in [version, header.len() as u32, crc(&header), 0, 0] {
            front.extend_from_slice(&number.to_le_bytes());
        }
        front.extend_from_slice(&crc(&front).to_le_bytes());
        front.extend_from_slice(&header);
        front
    }

    fn section(kind: u32, len: u64) -> Section {
        Section { kind, len, crc: 0 }
    }

    #[test]
    fn what_is_put_together_is_taken_apart() {
        // Larger than what is read first, in each of its parts.
        for (header, kept, blocks) in [(10, 10, 10), (100_000, 10, 0), (10, 200_000, 5), (70_000, 70_000, 70_000), (0, 0, 0)] {
            let one = Header { kind: 1, table: Some(Table { first_key: vec![7; header].into(), ..Table::default() }), ..Header::default() };
            let sections = vec![(kind::SPARSE, Bytes::from(vec![1; kept])), (99, Bytes::from_static(b"of a later version"))];
            let parts = assemble(one, sections, vec![vec![2; blocks].into(), vec![3; blocks].into()]).unwrap();
            let container = open(parts.concat()).unwrap();
            assert_eq!(container.header.table.as_ref().unwrap().first_key.len(), header);
            assert_eq!(container.section(kind::SPARSE).unwrap(), vec![1; kept]);
            assert_eq!(container.optional(kind::MASK), None);
            assert!(container.section(kind::BLOOM).is_err());
            assert_eq!(container.size - container.blocks_at, blocks as u64 * 2);
        }
    }

    // PITFALLS C10: what a header says is believed only as far as the object goes.
    #[test]
    fn absurd_headers_with_right_checksums_are_corruption() {
        let blocks = || section(kind::BLOCKS, 0);
        for sections in [
            vec![],
            vec![section(kind::SPARSE, 1)],
            vec![section(kind::SPARSE, 1), blocks()],
            vec![section(kind::SPARSE, u64::MAX), blocks()],
            vec![section(kind::SPARSE, u64::MAX), section(kind::BLOOM, u64::MAX), blocks()],
            vec![section(kind::BLOCKS, u64::MAX)],
            vec![section(kind::BLOCKS, 1 << 50)],
            vec![blocks(), blocks()],
            vec![blocks(), section(kind::SPARSE, 0)],
        ] {
            let bytes = front(VERSION, &Header { kind: 1, sections: sections.clone(), ..Header::default() });
            assert_eq!(open(bytes).unwrap_err().kind(), ErrorKind::Corruption, "{sections:?}");
        }
        let mut long = MAGIC.to_vec();
        for number in [VERSION, u32::MAX, 0, 0, 0] {
            long.extend_from_slice(&number.to_le_bytes());
        }
        long.extend_from_slice(&crc(&long).to_le_bytes());
        assert_eq!(open(long).unwrap_err().kind(), ErrorKind::Corruption);
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let header = Header { kind: 1, sections: vec![section(kind::BLOCKS, 0)], ..Header::default() };
        assert!(open(front(VERSION, &header)).is_ok());
        let error = open(front(VERSION + 1, &header)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("version 2"), "{error}");
    }
}
