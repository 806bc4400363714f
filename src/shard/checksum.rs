//! The checksum of a manifest: protobuf finds few damages by itself, and a changed epoch would let a fenced writer go on.
//!
//! weir writes a field of its own before all others, `fixed32 = 7002`: the CRC-32C of all bytes after it. Other readers skip it,
//! and manifests of other writers have none. It stands first so that a manifest which is cut off still has it.

use bytes::Bytes;
use prost::Message;

/// The key of field 7002, of 32 bits.
const KEY: [u8; 3] = [0xd5, 0xb5, 0x03];
const LEN: usize = KEY.len() + size_of::<u32>();

/// The message with its checksum before it.
pub(super) fn seal(message: &impl Message) -> Bytes {
    let mut bytes = Vec::with_capacity(LEN + message.encoded_len());
    bytes.extend_from_slice(&KEY);
    bytes.extend_from_slice(&[0; size_of::<u32>()]);
    message.encode_raw(&mut bytes);
    let crc = crc_fast::crc32_iscsi(&bytes[LEN..]);
    bytes[KEY.len()..LEN].copy_from_slice(&crc.to_le_bytes());
    bytes.into()
}

/// Whether the checksum at the beginning of `bytes` is right; `None` if there is none.
pub(super) fn check(bytes: &[u8]) -> Option<bool> {
    let rest = bytes.strip_prefix(&KEY)?;
    let Some((crc, message)) = rest.split_first_chunk::<4>() else { return Some(false) };
    Some(crc_fast::crc32_iscsi(message) == u32::from_le_bytes(*crc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, PartialEq, Message)]
    struct Plain {
        #[prost(uint64, tag = "1")]
        version: u64,
        #[prost(string, tag = "2")]
        text: String,
    }

    #[derive(Clone, PartialEq, Message)]
    struct WithChecksum {
        #[prost(uint64, tag = "1")]
        version: u64,
        #[prost(fixed32, optional, tag = "7002")]
        checksum: Option<u32>,
    }

    #[test]
    fn it_is_a_field_that_others_skip() {
        let plain = Plain { version: 300, text: "text".into() };
        let bytes = seal(&plain);
        assert_eq!(check(&bytes), Some(true));
        assert_eq!(Plain::decode(&*bytes).unwrap(), plain);
        let crc = crc_fast::crc32_iscsi(&plain.encode_to_vec());
        assert_eq!(WithChecksum::decode(&*bytes).unwrap(), WithChecksum { version: 300, checksum: Some(crc) });
        assert_eq!(check(&plain.encode_to_vec()), None);
    }

    #[test]
    fn every_flip_and_cut_is_found() {
        let bytes = seal(&Plain { version: 300, text: "text".into() });
        for at in KEY.len()..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.to_vec();
                bad[at] ^= 1 << bit;
                assert_eq!(check(&bad), Some(false), "bit {bit} of byte {at}");
            }
            assert_eq!(check(&bytes[..at]), Some(false), "cut to {at} bytes");
        }
    }
}
