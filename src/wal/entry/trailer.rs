//! The trailer behind an entry's stream: who wrote it, how long the stream is and its checksum (FORMAT.md, "Trailer").

use crc_fast::{CrcAlgorithm, Digest};
use prost::Message;

use super::EntryId;

/// The last bytes of an entry that weir wrote.
const MAGIC: [u8; 8] = *b"WEIRWAL1";

/// What follows the payload: its length, its checksum and the magic.
const TAIL: usize = 16;

/// More than any trailer that this version writes.
pub(super) const MAX_WRITTEN: usize = 64;

/// The payload. Later fields are added by number, and unknown ones are skipped.
#[derive(Clone, PartialEq, Eq, Message)]
struct EntryTrailer {
    #[prost(bytes = "vec", tag = "1")]
    entry_id: Vec<u8>,
    #[prost(uint64, tag = "2")]
    stream_len: u64,
    #[prost(fixed32, tag = "3")]
    stream_crc: u32,
}

/// CRC-32C over bytes that come in parts.
pub(crate) struct Crc(Digest);

impl Crc {
    pub(crate) fn new() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc32Iscsi))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.0.update(bytes);
        }
    }

    pub(crate) fn finish(&self) -> u32 {
        // The algorithm is 32 bits wide.
        self.0.finalize() as u32
    }
}

pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// Appends the trailer to the stream's last bytes; returns how many bytes it takes.
pub(super) fn append(out: &mut Vec<u8>, id: EntryId, stream_len: u64, stream_crc: u32) -> usize {
    let start = out.len();
    EntryTrailer { entry_id: id.0.to_vec(), stream_len, stream_crc }.encode_raw(out);
    let payload = &out[start..];
    let (len, crc) = (payload.len() as u32, crc32c(payload));
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&MAGIC);
    out.len() - start
}

/// What a trailer says of its entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    pub(super) id: EntryId,
    pub(super) stream_len: u64,
    pub(super) stream_crc: u32,
    /// The trailer's own size.
    pub(super) len: usize,
}

impl Trailer {
    /// Whether `object`, which ends with this trailer, holds the stream that it describes; an error says what is wrong.
    pub(super) fn check(&self, object: &[u8]) -> Result<(), String> {
        let stream = &object[..object.len() - self.len];
        if self.stream_len != stream.len() as u64 {
            return Err(format!("the trailer speaks of {} bytes, there are {}", self.stream_len, stream.len()));
        }
        let crc = crc32c(stream);
        if crc != self.stream_crc {
            return Err(format!("the checksum is {crc:08x} instead of {:08x}", self.stream_crc));
        }
        Ok(())
    }
}

/// Reads the trailer at the end of `bytes`; `None` if there is no magic, an error if there is one and anything is wrong.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Trailer>, String> {
    let Some(rest) = bytes.strip_suffix(&MAGIC) else { return Ok(None) };
    let Some((rest, crc)) = rest.split_last_chunk::<4>() else { return Err("the trailer is cut off".into()) };
    let Some((rest, len)) = rest.split_last_chunk::<4>() else { return Err("the trailer is cut off".into()) };
    let payload_len = u32::from_le_bytes(*len) as usize;
    if payload_len > rest.len() {
        return Err(format!("the trailer has {payload_len} bytes by its own account, {} are there", rest.len()));
    }
    let payload = &rest[rest.len() - payload_len..];
    if crc32c(payload) != u32::from_le_bytes(*crc) {
        return Err("the trailer's checksum is wrong".into());
    }
    let trailer = EntryTrailer::decode(payload).map_err(|e| format!("the trailer cannot be read: {e}"))?;
    let Ok(id) = <[u8; 16]>::try_from(trailer.entry_id.as_slice()) else {
        return Err(format!("the trailer's entry id has {} bytes", trailer.entry_id.len()));
    };
    let (stream_len, stream_crc) = (trailer.stream_len, trailer.stream_crc);
    Ok(Some(Trailer { id: EntryId(id), stream_len, stream_crc, len: payload_len + TAIL }))
}

/// The entry's id, from the trailer alone: `None` where another writer's entry has none, or the trailer is damaged.
///
/// `bytes` is the object, or at least its end. The stream is not checked.
#[must_use]
pub fn entry_id(bytes: &[u8]) -> Option<EntryId> {
    read(bytes).ok().flatten().map(|trailer| trailer.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(stream: &[u8]) -> Vec<u8> {
        let mut out = stream.to_vec();
        let len = append(&mut out, EntryId([7; 16]), stream.len() as u64, crc32c(stream));
        assert!(len <= MAX_WRITTEN, "{len}");
        out
    }

    #[test]
    fn the_checksum_is_crc32c() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        let mut parts = Crc::new();
        parts.update(b"1234");
        parts.update(b"");
        parts.update(b"56789");
        assert_eq!(parts.finish(), 0xe306_9283);
    }

    #[test]
    fn a_trailer_is_laid_out_as_the_format_says() {
        let bytes = object(b"stream");
        let tail = &bytes[bytes.len() - TAIL..];
        assert_eq!(&tail[8..], b"WEIRWAL1");
        let payload_len = u32::from_le_bytes(tail[..4].try_into().unwrap()) as usize;
        let payload = &bytes[6..bytes.len() - TAIL];
        assert_eq!(payload.len(), payload_len);
        assert_eq!(u32::from_le_bytes(tail[4..8].try_into().unwrap()), crc32c(payload));
        let mut expected = vec![0x0a, 16];
        expected.extend([7; 16]);
        expected.extend([0x10, 6, 0x1d]);
        expected.extend(crc32c(b"stream").to_le_bytes());
        assert_eq!(payload, expected);
    }

    #[test]
    fn it_reads_back_and_checks() {
        let bytes = object(b"stream");
        let trailer = read(&bytes).unwrap().unwrap();
        assert_eq!((trailer.id, trailer.stream_len), (EntryId([7; 16]), 6));
        trailer.check(&bytes).unwrap();
        assert_eq!(entry_id(&bytes), Some(EntryId([7; 16])));
        assert_eq!(read(b"stream"), Ok(None));
        assert_eq!(entry_id(b"stream"), None);
        assert!(trailer.check(&object(b"strean")).is_err());
        assert!(trailer.check(&object(b"streams")).is_err());
    }

    #[test]
    fn fields_of_later_versions_are_skipped() {
        let mut payload = EntryTrailer { entry_id: vec![9; 16], stream_len: 3, stream_crc: crc32c(b"abc") }.encode_to_vec();
        payload.extend([0x22, 2, b'h', b'i', 0xf8, 0x01, 5]); // field 4, a string; field 31, a number
        let mut bytes = b"abc".to_vec();
        bytes.extend(&payload);
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(crc32c(&payload).to_le_bytes());
        bytes.extend(MAGIC);
        let trailer = read(&bytes).unwrap().unwrap();
        assert_eq!((trailer.id, trailer.len), (EntryId([9; 16]), payload.len() + TAIL));
        trailer.check(&bytes).unwrap();
    }

    #[test]
    fn a_damaged_trailer_is_an_error_and_has_no_id() {
        let bytes = object(b"stream");
        for position in 6..bytes.len() - MAGIC.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[position] ^= 1 << bit;
                assert!(read(&bad).is_err(), "byte {position}, bit {bit}");
                assert_eq!(entry_id(&bad), None);
            }
        }
        for len in 0..TAIL {
            assert!(!matches!(read(&bytes[bytes.len() - len..]), Ok(Some(_))), "{len}");
        }
    }
}
