//! The body of one IPC message while it is built: small buffers are copied together, large ones shared, and all of them
//! begin at a multiple of 64 bytes.

use std::collections::HashMap;

use arrow_buffer::Buffer;
use arrow_ipc::FieldNode;
use bytes::Bytes;

use super::{ALIGNMENT, Compression, SHARED_BYTES};
use crate::error::Result;

/// A shared buffer is copied instead where its allocation is this many times larger than what is logged of it: else a slice
/// would keep its whole parent in memory (PITFALLS C6).
const PINNED_FACTOR: usize = 2;

/// Smaller buffers than this are stored as they are: a frame's own bytes would eat up what it saves.
const WORTH_COMPRESSING: usize = 64;

/// The scratch space that a thread keeps for its next batch at most.
const KEPT_BYTES: usize = 256 * 1024;

#[derive(Default)]
pub(super) struct Body {
    pub(super) nodes: Vec<FieldNode>,
    pub(super) buffers: Vec<arrow_ipc::Buffer>,
    pub(super) variadic: Vec<i64>,
    /// The small buffers and all padding, in order.
    copied: Vec<u8>,
    /// The large buffers, each with the position in `copied` that it goes before.
    shared: Vec<(usize, Buffer)>,
    /// The body's length so far.
    len: usize,
}

impl Body {
    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.buffers.clear();
        self.variadic.clear();
        self.copied.clear();
        self.copied.shrink_to(KEPT_BYTES);
        self.shared.clear();
        self.len = 0;
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn node(&mut self, len: usize, nulls: usize) {
        self.nodes.push(FieldNode::new(len as i64, nulls as i64));
    }

    /// Appends a buffer that is not there.
    pub(super) fn push_empty(&mut self) {
        self.buffers.push(arrow_ipc::Buffer::new(self.len as i64, 0));
    }

    /// Appends bytes that are copied in any case.
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) {
        self.copied.extend_from_slice(bytes);
        self.close(bytes.len());
    }

    /// Appends `len` bytes of `buffer` from `start`.
    pub(super) fn push(&mut self, buffer: &Buffer, start: usize, len: usize) {
        if len < SHARED_BYTES {
            self.push_bytes(&buffer.as_slice()[start..start + len]);
        } else {
            self.shared.push((self.copied.len(), buffer.slice_with_length(start, len)));
            self.close(len);
        }
    }

    /// Notes the buffer of `len` bytes that was just appended, and pads it.
    fn close(&mut self, len: usize) {
        self.buffers.push(arrow_ipc::Buffer::new(self.len as i64, len as i64));
        let padded = len.next_multiple_of(ALIGNMENT);
        self.copied.resize(self.copied.len() + padded - len, 0);
        self.len += padded;
    }

    /// How many bytes a message's metadata of `metadata` bytes and the copied part of the body take.
    pub(super) fn room_for(&self, metadata: usize) -> usize {
        (8 + metadata).next_multiple_of(ALIGNMENT) + self.copied.len()
    }

    /// Moves the body behind `head`, the message's framed metadata, as parts.
    pub(super) fn take_parts(&mut self, head: Vec<u8>, out: &mut Vec<Bytes>) {
        let head_len = head.len();
        let mut copied = head;
        copied.extend_from_slice(&self.copied);
        if self.shared.is_empty() {
            out.push(Bytes::from(copied));
            return;
        }
        let pinned = pinned(&self.shared);
        let shared = self.shared.drain(..).map(|(position, buffer)| {
            let bytes = match pinned.get(&(buffer.data_ptr().as_ptr() as usize)) {
                Some((capacity, used)) if *capacity <= used * PINNED_FACTOR => Bytes::from_owner(buffer),
                _ => Bytes::copy_from_slice(&buffer),
            };
            (head_len + position, bytes)
        });
        interleave_into(Bytes::from(copied), shared, out);
    }
}

/// For each allocation behind the buffers: its size, and how many bytes of it are used.
fn pinned(shared: &[(usize, Buffer)]) -> HashMap<usize, (usize, usize)> {
    let mut allocations = HashMap::with_capacity(shared.len());
    for (_, buffer) in shared {
        let (_, used) = allocations.entry(buffer.data_ptr().as_ptr() as usize).or_insert((buffer.capacity(), 0));
        *used += buffer.len();
    }
    allocations
}

/// The bytes of `copied` with each of `shared` put in at its position, in order.
pub(super) fn interleave(copied: Bytes, shared: Vec<(usize, Bytes)>) -> Vec<Bytes> {
    let mut out = Vec::with_capacity(shared.len() * 2 + 1);
    interleave_into(copied, shared, &mut out);
    out
}

fn interleave_into(mut copied: Bytes, shared: impl IntoIterator<Item = (usize, Bytes)>, out: &mut Vec<Bytes>) {
    let mut taken = 0;
    for (position, bytes) in shared {
        if position > taken {
            out.push(copied.split_to(position - taken));
            taken = position;
        }
        out.push(bytes);
    }
    if !copied.is_empty() {
        out.push(copied);
    }
}

/// Compresses buffers as Arrow IPC does: the uncompressed length, then the data, or -1 and the raw bytes if that is smaller.
#[derive(Default)]
pub(super) struct Compressor {
    #[cfg(feature = "lz4")]
    lz4: Option<lz4_flex::frame::FrameEncoder<Vec<u8>>>,
    #[cfg(feature = "zstd")]
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

impl Compressor {
    pub(super) fn compress(&mut self, bytes: &[u8], compression: Compression) -> Result<Vec<u8>> {
        let mut out = (bytes.len() as i64).to_le_bytes().to_vec();
        match compression {
            _ if bytes.len() < WORTH_COMPRESSING => {}
            Compression::None => {}
            Compression::Lz4 => self.lz4(bytes, &mut out)?,
            Compression::Zstd => self.zstd(bytes, &mut out)?,
        }
        if out.len() == 8 || out.len() >= bytes.len() + 8 {
            out.clear();
            out.extend_from_slice(&(-1_i64).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        Ok(out)
    }

    #[cfg(feature = "lz4")]
    fn lz4(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        use lz4_flex::frame::{BlockSize, Error, FrameEncoder, FrameInfo};
        use std::io::Write;
        // An encoder allocates more than most buffers have, so one is kept; a block size of its own choosing would not do
        // for the next buffer.
        let info = || FrameInfo::new().block_size(BlockSize::Max64KB);
        let mut encoder = self.lz4.take().unwrap_or_else(|| FrameEncoder::with_frame_info(info(), Vec::new()));
        *encoder.get_mut() = std::mem::take(out);
        let written = encoder.write_all(bytes).map_err(Error::from).and_then(|()| encoder.try_finish());
        written.map_err(|e| crate::error::err!(Internal, "cannot compress {} bytes: {e}", bytes.len()))?;
        *out = std::mem::take(encoder.get_mut());
        self.lz4 = Some(encoder);
        Ok(())
    }

    #[cfg(not(feature = "lz4"))]
    fn lz4(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<()> {
        crate::error::bail!(Unsupported, "this build of weir has no lz4")
    }

    #[cfg(feature = "zstd")]
    fn zstd(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let fault = |e| crate::error::err!(Internal, "cannot compress {} bytes: {e}", bytes.len());
        let compressor = match &mut self.zstd {
            Some(compressor) => compressor,
            None => self.zstd.insert(zstd::bulk::Compressor::new(zstd::DEFAULT_COMPRESSION_LEVEL).map_err(fault)?),
        };
        out.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        let mut cursor = std::io::Cursor::new(out);
        cursor.set_position(8);
        compressor.compress_to_buffer(bytes, &mut cursor).map_err(fault)?;
        Ok(())
    }

    #[cfg(not(feature = "zstd"))]
    fn zstd(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<()> {
        crate::error::bail!(Unsupported, "this build of weir has no zstd")
    }
}

/// Refuses a codec that this build does not have.
pub(super) fn check_compression(compression: Compression) -> Result<()> {
    let (name, built) = match compression {
        Compression::None => return Ok(()),
        Compression::Lz4 => ("lz4", cfg!(feature = "lz4")),
        Compression::Zstd => ("zstd", cfg!(feature = "zstd")),
    };
    if !built {
        crate::error::bail!(Unsupported, "this build of weir has no {name}");
    }
    Ok(())
}
