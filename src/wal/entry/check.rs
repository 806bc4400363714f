//! The check of a batch's metadata against the bytes at hand, before arrow sees it: every buffer lies inside the body,
//! none overlaps another, each is as long as its array needs, and nothing inflates beyond reason. What arrow allocates is then
//! bounded by the size of the object, whatever bits were flipped (PITFALLS C10).

use arrow_ipc::{CompressionType, FieldNode, RecordBatch};
use arrow_schema::{DataType, UnionMode};
use flatbuffers::VectorIter;

use super::encode::MAX_ROWS;

/// LZ4 makes at most 255 bytes of one.
const LZ4_RATIO: u64 = 256;
/// Zstandard makes at most 128 KiB of a block of four bytes.
const ZSTD_RATIO: u64 = 32 * 1024 + 64;
/// What a small buffer may inflate to in any case.
const FREE_BYTES: u64 = 64 * 1024;
/// How much the buffers of an entry that no checksum vouches for may inflate to together, or this many times its size.
const FOREIGN_BYTES: u64 = 1 << 30;
const FOREIGN_RATIO: u64 = 1024;

type Check<T> = Result<T, String>;

/// What an entry may inflate to in all, and how long an array below the top may be.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: u64,
    children: u64,
}

impl Budget {
    /// The budget of an object of `len` bytes; unlimited, but for the ratio of each buffer, if a checksum vouches for it.
    pub(crate) fn new(len: usize, trusted: bool) -> Self {
        let len = len as u64;
        if trusted {
            return Self { bytes: u64::MAX, children: 1 << 40 };
        }
        Self { bytes: FOREIGN_BYTES.max(len.saturating_mul(FOREIGN_RATIO)), children: (MAX_ROWS as u64).max(len * 8) }
    }
}

/// Checks the metadata of a record batch, or of a dictionary's values, whose columns have the types `columns`.
pub(crate) fn check_batch<'t>(
    batch: RecordBatch<'_>,
    columns: impl IntoIterator<Item = &'t DataType>,
    body: &[u8],
    budget: &mut Budget,
) -> Check<()> {
    let codec = match batch.compression() {
        None => None,
        Some(compression) => match compression.codec() {
            codec @ (CompressionType::LZ4_FRAME | CompressionType::ZSTD) => Some(codec),
            other => return Err(format!("the compression {other:?} is not known")),
        },
    };
    let rows = length(batch.length(), "the batch")?;
    let mut checker = Checker {
        nodes: batch.nodes().ok_or("the batch has no nodes")?.iter(),
        buffers: batch.buffers().ok_or("the batch has no buffers")?.iter(),
        variadic: batch.variadicBufferCounts().map(|counts| counts.iter()),
        body,
        codec,
        end: 0,
        budget,
    };
    for column in columns {
        checker.array(column, Some(rows))?;
    }
    if checker.nodes.len() > 0 || checker.buffers.len() > 0 || checker.variadic.is_some_and(|counts| counts.len() > 0) {
        return Err("the batch has more arrays than its schema".into());
    }
    Ok(())
}

struct Checker<'a, 'b> {
    nodes: VectorIter<'a, FieldNode>,
    buffers: VectorIter<'a, arrow_ipc::Buffer>,
    variadic: Option<VectorIter<'a, i64>>,
    body: &'b [u8],
    codec: Option<CompressionType>,
    /// Where the last buffer ended: buffers lie in order, so that no byte is inflated twice.
    end: u64,
    budget: &'b mut Budget,
}

fn length(value: i64, what: &str) -> Check<u64> {
    match u64::try_from(value) {
        Ok(len) if len <= MAX_ROWS as u64 => Ok(len),
        _ => Err(format!("{what} has {value} rows")),
    }
}

/// `a * b`, where both come from an array's length and its type.
fn times(a: u64, b: u64) -> Check<u64> {
    a.checked_mul(b).ok_or_else(|| "an array's size overflows".into())
}

impl Checker<'_, '_> {
    /// Checks the next array, of `expected` rows if that is known; returns its length.
    fn array(&mut self, data_type: &DataType, expected: Option<u64>) -> Check<u64> {
        let node = self.nodes.next().ok_or("an array of the schema is missing")?;
        let len = u64::try_from(node.length()).unwrap_or(u64::MAX);
        if len > self.budget.children {
            return Err(format!("an array has {} rows", node.length()));
        }
        if expected.is_some_and(|expected| expected != len) {
            return Err(format!("an array has {len} rows instead of {}", expected.unwrap_or(0)));
        }
        let nulls = u64::try_from(node.null_count()).unwrap_or(u64::MAX);
        if nulls > len {
            return Err(format!("an array of {len} rows has {} nulls", node.null_count()));
        }
        match data_type {
            DataType::Null | DataType::Union(_, _) | DataType::RunEndEncoded(_, _) => {}
            _ => {
                let needed = if nulls > 0 { len.div_ceil(8) } else { 0 };
                self.buffer(needed)?;
            }
        }
        self.contents(data_type, len)?;
        Ok(len)
    }

    fn contents(&mut self, data_type: &DataType, len: u64) -> Check<()> {
        match data_type {
            DataType::Null => Ok(()),
            DataType::Boolean => self.buffer(len.div_ceil(8)),
            DataType::Utf8 | DataType::Binary => self.offsets(len, 4).and_then(|()| self.buffer(0)),
            DataType::LargeUtf8 | DataType::LargeBinary => self.offsets(len, 8).and_then(|()| self.buffer(0)),
            DataType::Utf8View | DataType::BinaryView => {
                self.fixed(len, 16)?;
                let count = self.variadic.as_mut().and_then(Iterator::next).ok_or("a view array's count of buffers is missing")?;
                let count = usize::try_from(count).ok().filter(|count| *count <= self.buffers.len());
                let count = count.ok_or("a view array has more buffers than there are")?;
                (0..count).try_for_each(|_| self.buffer(0))
            }
            DataType::FixedSizeBinary(width) => self.buffer(times(len, u64::try_from(*width).unwrap_or(0))?),
            DataType::List(field) | DataType::Map(field, _) => {
                self.offsets(len, 4)?;
                self.array(field.data_type(), None).map(drop)
            }
            DataType::LargeList(field) => {
                self.offsets(len, 8)?;
                self.array(field.data_type(), None).map(drop)
            }
            DataType::ListView(field) | DataType::LargeListView(field) => {
                let width = if matches!(data_type, DataType::ListView(_)) { 4 } else { 8 };
                self.fixed(len, width)?;
                self.fixed(len, width)?;
                self.array(field.data_type(), None).map(drop)
            }
            DataType::FixedSizeList(field, size) => {
                let children = times(len, u64::try_from(*size).unwrap_or(0))?;
                self.array(field.data_type(), Some(children)).map(drop)
            }
            DataType::Struct(fields) => fields.iter().try_for_each(|field| self.array(field.data_type(), Some(len)).map(drop)),
            DataType::Union(fields, mode) => {
                self.buffer(len)?;
                let children = match mode {
                    UnionMode::Dense => {
                        self.fixed(len, 4)?;
                        None
                    }
                    UnionMode::Sparse => Some(len),
                };
                fields.iter().try_for_each(|(_, field)| self.array(field.data_type(), children).map(drop))
            }
            DataType::RunEndEncoded(ends, values) => {
                let runs = self.array(ends.data_type(), None)?;
                if runs > len || (runs == 0 && len > 0) {
                    return Err(format!("a run-end array of {len} rows has {runs} runs"));
                }
                self.array(values.data_type(), Some(runs)).map(drop)
            }
            DataType::Dictionary(key, _) => self.fixed(len, width(key)?),
            other => self.fixed(len, width(other)?),
        }
    }

    /// Offsets: one more than rows, or none at all where there are no rows.
    fn offsets(&mut self, len: u64, width: u64) -> Check<()> {
        self.fixed(if len == 0 { 0 } else { len + 1 }, width)
    }

    /// Checks the next buffer, which must hold `needed` bytes once inflated.
    fn buffer(&mut self, needed: u64) -> Check<()> {
        self.values(needed, 1)
    }

    /// Checks the next buffer, of `len` values of `width` bytes each.
    fn fixed(&mut self, len: u64, width: u64) -> Check<()> {
        self.values(times(len, width)?, width)
    }

    /// Checks the next buffer: at least `needed` bytes, in whole units.
    fn values(&mut self, needed: u64, unit: u64) -> Check<()> {
        let buffer = self.buffers.next().ok_or("a buffer of the schema is missing")?;
        let (Ok(offset), Ok(len)) = (u64::try_from(buffer.offset()), u64::try_from(buffer.length())) else {
            return Err(format!("a buffer has {} bytes at {}", buffer.length(), buffer.offset()));
        };
        let end = offset.checked_add(len).filter(|end| *end <= self.body.len() as u64);
        let Some(end) = end else {
            return Err(format!("a buffer of {len} bytes at {offset} goes beyond its message's body of {}", self.body.len()));
        };
        if offset % 8 != 0 || (len > 0 && offset < self.end) {
            return Err(format!("a buffer at {offset} is not aligned or overlaps the one before it"));
        }
        self.end = self.end.max(end);
        let holds = match self.codec {
            Some(codec) if len > 0 => self.inflated(codec, &self.body[offset as usize..end as usize])?,
            _ => len,
        };
        if holds < needed {
            return Err(format!("a buffer has {holds} bytes instead of {needed}"));
        }
        if holds % unit != 0 {
            return Err(format!("a buffer of values of {unit} bytes has {holds} bytes"));
        }
        Ok(())
    }

    /// The size of a compressed buffer once inflated, which must be believable.
    fn inflated(&mut self, codec: CompressionType, bytes: &[u8]) -> Check<u64> {
        let Some((claim, data)) = bytes.split_first_chunk::<8>() else {
            return Err(format!("a compressed buffer has {} bytes", bytes.len()));
        };
        let claim = i64::from_le_bytes(*claim);
        if claim == -1 {
            return Ok(data.len() as u64);
        }
        let ratio = if codec == CompressionType::ZSTD { ZSTD_RATIO } else { LZ4_RATIO };
        let bound = FREE_BYTES + ratio * data.len() as u64;
        let Some(claim) = u64::try_from(claim).ok().filter(|claim| *claim <= bound && *claim <= self.budget.bytes) else {
            return Err(format!("a compressed buffer of {} bytes claims to hold {claim}", data.len()));
        };
        if codec == CompressionType::ZSTD && frame_content(data).is_some_and(|content| content != claim) {
            return Err(format!("a compressed buffer claims to hold {claim} bytes and holds another number"));
        }
        self.budget.bytes -= claim;
        Ok(claim)
    }
}

/// How much a Zstandard frame says that it holds.
#[cfg(feature = "zstd")]
fn frame_content(frame: &[u8]) -> Option<u64> {
    zstd::zstd_safe::get_frame_content_size(frame).ok().flatten()
}

#[cfg(not(feature = "zstd"))]
fn frame_content(_: &[u8]) -> Option<u64> {
    None
}

/// The bytes that one value of a fixed-width type takes.
fn width(data_type: &DataType) -> Check<u64> {
    data_type.primitive_width().map(|width| width as u64).ok_or_else(|| format!("the type {data_type} is not known"))
}
