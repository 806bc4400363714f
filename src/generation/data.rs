//! `data.arrow`: a generation's rows in insert order, as an Arrow IPC file that any Arrow program opens.
//!
//! Rows are regrouped into batches of about [`DataOptions::batch_bytes`], so that a look at one row reads little and a scan reads
//! well, whatever sizes were put. The table of batches goes into `index.weir`: where each lies, its rows, and the CRC-32C of its
//! message, which is checked before anything is decoded.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::{IpcSchemaEncoder, try_fb_to_schema};
use arrow_ipc::reader::{RecordBatchDecoder, read_dictionary_impl};
use arrow_ipc::writer::DictionaryTracker;
use arrow_ipc::{Block, FooterBuilder, MetadataVersion};
use arrow_schema::{DataType, Schema, SchemaRef};
use bytes::Bytes;
use flatbuffers::FlatBufferBuilder;
use prost::Message;

use super::container::{crc, crc_of};
use super::dictionary;
use crate::error::{Result, bail, err};
use crate::wal::entry::{BatchEncoder, Budget, Compression, aligned, check_batch, dictionary_types, parse_message, skip_validation};

/// What begins a file, padded so that the first message is aligned.
const MAGIC: &[u8; 6] = b"ARROW1";
const ALIGNMENT: usize = 64;
const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
/// The most rows of a batch that was regrouped.
const MAX_BATCH_ROWS: usize = 16 * 1024;

/// How `data.arrow` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataOptions {
    /// The size that batches are given, about.
    pub batch_bytes: usize,
    /// Arrow IPC's own compression of batches.
    pub compression: Compression,
}

impl Default for DataOptions {
    fn default() -> Self {
        Self { batch_bytes: 128 * 1024, compression: Compression::None }
    }
}

/// The table of messages in `data.arrow`, a section of `index.weir`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct DataTable {
    #[prost(message, repeated, tag = "1")]
    pub dictionaries: Vec<Place>,
    #[prost(message, repeated, tag = "2")]
    pub batches: Vec<Place>,
    /// CRC-32C of what comes before the first dictionary or batch.
    #[prost(fixed32, tag = "3")]
    pub head_crc: u32,
    /// CRC-32C of what comes behind the last batch: the footer.
    #[prost(fixed32, tag = "4")]
    pub tail_crc: u32,
}

/// Where a message lies.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Place {
    #[prost(uint64, tag = "1")]
    pub at: u64,
    #[prost(uint64, tag = "2")]
    pub len: u64,
    #[prost(uint64, tag = "3")]
    pub rows: u64,
    #[prost(fixed32, tag = "4")]
    pub crc: u32,
}

/// A file ready to be stored.
#[derive(Debug)]
pub(super) struct DataFile {
    pub parts: Vec<Bytes>,
    pub len: u64,
    pub table: DataTable,
    /// The framed schema message of the file.
    pub schema: Bytes,
}

/// Makes the file from `batches` of `schema`, in order; they may differ from it in nullability, metadata and names inside.
pub(super) fn build(schema: &SchemaRef, batches: Vec<RecordBatch>, options: &DataOptions) -> Result<DataFile> {
    let (stored, batches) = dictionary::unify(schema, batches)?;
    let encoder = BatchEncoder::new(&stored, options.compression)?;
    let mut writer = Writer { encoder, parts: Vec::new(), len: 0, table: DataTable::default(), blocks: (Vec::new(), Vec::new()) };
    let mut head = MAGIC.to_vec();
    head.resize(ALIGNMENT, 0);
    let message = writer.encoder.file_preamble()?;
    head.extend_from_slice(&message);
    writer.table.head_crc = crc(&head);
    writer.push(head.into());
    // Where keys were widened, rows of several batches may have more values than the narrow keys can count, so they stay apart.
    let join = stored.fields() == schema.fields();
    let mut pending = Regroup { options: *options, join, batches: Vec::new(), bytes: 0, rows: 0 };
    for batch in batches {
        writer.encoder.check_schema(batch.schema_ref())?;
        for piece in pending.split(batch) {
            if let Some(full) = pending.add(piece) {
                writer.batches(full)?;
            }
        }
    }
    writer.batches(pending.take())?;
    writer.finish(message)
}

/// Collects batches until they make a good one.
struct Regroup {
    options: DataOptions,
    join: bool,
    batches: Vec<RecordBatch>,
    bytes: usize,
    rows: usize,
}

impl Regroup {
    /// The batch in pieces of the size that is wanted.
    fn split(&self, batch: RecordBatch) -> Vec<RecordBatch> {
        let rows = batch.num_rows();
        let bytes = size(&batch).max(1);
        let wanted = self.options.batch_bytes.max(1);
        // Neither tiny batches for huge rows, nor twice what is wanted.
        let step = (wanted.saturating_mul(rows) / bytes).clamp(1, MAX_BATCH_ROWS);
        if rows <= step + step / 2 {
            return vec![batch];
        }
        (0..rows).step_by(step).map(|at| batch.slice(at, step.min(rows - at))).collect()
    }

    /// Takes the piece; gives those that are to be one batch, without it or with it.
    fn add(&mut self, piece: RecordBatch) -> Option<Vec<RecordBatch>> {
        let (bytes, rows) = (size(&piece), piece.num_rows());
        let fits = |last: &RecordBatch| last.columns().iter().zip(piece.columns()).all(|(a, b)| a.data_type() == b.data_type());
        let joins = self.join && self.batches.last().is_none_or(fits);
        let room = self.rows == 0 || (self.bytes + bytes <= self.options.batch_bytes * 3 / 2 && self.rows + rows <= MAX_BATCH_ROWS * 3 / 2);
        let full = (!joins || !room).then(|| self.take()).filter(|full| !full.is_empty());
        self.bytes += bytes;
        self.rows += rows;
        self.batches.push(piece);
        full
    }

    fn take(&mut self) -> Vec<RecordBatch> {
        (self.bytes, self.rows) = (0, 0);
        std::mem::take(&mut self.batches)
    }
}

/// About how many bytes the rows of the batch take.
fn size(batch: &RecordBatch) -> usize {
    let column = |column: &ArrayRef| {
        let data = column.to_data();
        data.get_slice_memory_size().unwrap_or_else(|_| data.get_buffer_memory_size())
    };
    batch.columns().iter().map(column).sum()
}

struct Writer {
    encoder: BatchEncoder,
    parts: Vec<Bytes>,
    len: u64,
    table: DataTable,
    /// The footer's blocks: of dictionaries and of batches.
    blocks: (Vec<Block>, Vec<Block>),
}

impl Writer {
    fn push(&mut self, part: Bytes) {
        self.len += part.len() as u64;
        self.parts.push(part);
    }

    /// Writes the batches as one; where arrow cannot join them, as they are.
    fn batches(&mut self, batches: Vec<RecordBatch>) -> Result<()> {
        let (Some(first), true) = (batches.first(), batches.len() > 1) else {
            return batches.iter().try_for_each(|batch| self.batch(batch));
        };
        let joined = catch_unwind(AssertUnwindSafe(|| arrow_select::concat::concat_batches(first.schema_ref(), &batches)));
        match joined {
            Ok(Ok(joined)) => self.batch(&joined),
            _ => batches.iter().try_for_each(|batch| self.batch(batch)),
        }
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let mut messages = self.encoder.encode_for_file(batch)?;
        let Some(message) = messages.pop() else { bail!(Internal, "a batch without a message") };
        // All batches have the same dictionaries, which the file has once.
        if self.table.batches.is_empty() {
            for message in messages {
                let (place, block) = self.message(message, 0)?;
                self.table.dictionaries.push(place);
                self.blocks.0.push(block);
            }
        }
        let (place, block) = self.message(message, batch.num_rows() as u64)?;
        self.table.batches.push(place);
        self.blocks.1.push(block);
        Ok(())
    }

    fn message(&mut self, parts: Vec<Bytes>, rows: u64) -> Result<(Place, Block)> {
        let at = self.len;
        let crc = crc_of(&parts);
        let metadata = parts.first().and_then(|part| part.get(4..8)).and_then(|len| <[u8; 4]>::try_from(len).ok());
        let Some(metadata) = metadata.map(|len| i32::from_le_bytes(len) + 8) else { bail!(Internal, "a message without metadata") };
        parts.into_iter().for_each(|part| self.push(part));
        let len = self.len - at;
        let block = Block::new(at as i64, metadata, len as i64 - i64::from(metadata));
        Ok((Place { at, len, rows, crc }, block))
    }

    fn finish(mut self, schema: Bytes) -> Result<DataFile> {
        let mut builder = FlatBufferBuilder::new();
        let dictionaries = builder.create_vector(&self.blocks.0);
        let batches = builder.create_vector(&self.blocks.1);
        let mut tracker = DictionaryTracker::new(false);
        let header = IpcSchemaEncoder::new().with_dictionary_tracker(&mut tracker).schema_to_fb_offset(&mut builder, self.encoder.schema());
        let mut footer = FooterBuilder::new(&mut builder);
        footer.add_version(MetadataVersion::V5);
        footer.add_schema(header);
        footer.add_dictionaries(dictionaries);
        footer.add_recordBatches(batches);
        let root = footer.finish();
        builder.finish(root, None);
        let footer = builder.finished_data();
        let Ok(len) = i32::try_from(footer.len()) else { bail!(InvalidArgument, "the footer of data.arrow has {} bytes", footer.len()) };
        let mut tail = END_OF_STREAM.to_vec();
        tail.extend_from_slice(footer);
        tail.extend_from_slice(&len.to_le_bytes());
        tail.extend_from_slice(MAGIC);
        self.table.tail_crc = crc(&tail);
        self.push(tail.into());
        Ok(DataFile { parts: self.parts, len: self.len, table: self.table, schema })
    }
}

/// What is needed to decode messages of `data.arrow`.
#[derive(Debug)]
pub(super) struct Decoder {
    /// The file's schema, which may have wider dictionary keys.
    stored: SchemaRef,
    /// The schema that readers get.
    schema: SchemaRef,
    types: HashMap<i64, DataType>,
}

type Decode<T> = std::result::Result<T, String>;

impl Decoder {
    /// The decoder for files of the framed schema messages `stored` and `schema`.
    pub(super) fn new(schema: &[u8], stored: &[u8]) -> Decode<Self> {
        guarded(|| {
            let schema = Arc::new(read_schema(schema)?);
            let stored = if stored.is_empty() { schema.clone() } else { Arc::new(read_schema(stored)?) };
            let types = dictionary_types(&stored)?;
            Ok(Self { stored, schema, types })
        })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The dictionaries in `messages`, each of which was checked.
    pub(super) fn dictionaries(&self, messages: Vec<Bytes>) -> Decode<HashMap<i64, ArrayRef>> {
        guarded(|| {
            let mut dictionaries = HashMap::new();
            for bytes in messages {
                let size = bytes.len();
                let (metadata, body) = split(bytes)?;
                let message = parse_message(&metadata)?;
                let dictionary = message.header_as_dictionary_batch().ok_or("a message has no dictionary")?;
                let value_type = self.types.get(&dictionary.id()).ok_or("a dictionary is not in the schema")?;
                let values = dictionary.data().ok_or("a dictionary has no values")?;
                check_batch(values, [value_type], &body, &mut Budget::new(size, true))?;
                let version = message.version();
                read_dictionary_impl(&body, dictionary, &self.stored, &mut dictionaries, &version, false, skip_validation(true))
                    .map_err(|e| format!("a dictionary cannot be read: {e}"))?;
            }
            Ok(dictionaries)
        })
    }

    /// The batch in `bytes`, which were checked, with the columns of `projection` in its order.
    pub(super) fn batch(&self, bytes: Bytes, dictionaries: &HashMap<i64, ArrayRef>, projection: Option<&[usize]>) -> Decode<RecordBatch> {
        guarded(|| {
            let size = bytes.len();
            let (metadata, body) = split(bytes)?;
            let message = parse_message(&metadata)?;
            let batch = message.header_as_record_batch().ok_or("a message has no batch")?;
            let types = self.stored.fields().iter().map(|field| field.data_type());
            check_batch(batch, types, &body, &mut Budget::new(size, true))?;
            let version = message.version();
            let read = RecordBatchDecoder::try_new(&body, batch, self.stored.clone(), dictionaries, &version)
                .map(|decoder| decoder.with_projection(projection).with_skip_validation(skip_validation(true)))
                .and_then(RecordBatchDecoder::read_record_batch)
                .map_err(|e| format!("a batch cannot be read: {e}"))?;
            self.narrow(read, projection)
        })
    }

    /// The schema of batches with the columns of `projection`.
    pub(super) fn projected(&self, projection: Option<&[usize]>) -> Result<SchemaRef> {
        match projection {
            None => Ok(self.schema.clone()),
            Some(columns) => self.schema.project(columns).map(Arc::new).map_err(|e| err!(InvalidArgument, "the projection: {e}")),
        }
    }

    fn narrow(&self, batch: RecordBatch, projection: Option<&[usize]>) -> Decode<RecordBatch> {
        if Arc::ptr_eq(&self.schema, &self.stored) {
            return Ok(batch);
        }
        let schema = self.projected(projection).map_err(|e| e.message().to_owned())?;
        let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| dictionary::narrowed(column, field.data_type()));
        let columns = columns.collect::<Result<Vec<_>>>().map_err(|e| e.message().to_owned())?;
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(schema, columns, &options).map_err(|e| e.to_string())
    }
}

/// Runs `read`. A panic of arrow's on data that it did not expect is the last line of defence.
fn guarded<T>(read: impl FnOnce() -> Decode<T>) -> Decode<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("it cannot be decoded: arrow panicked".into()))
}

/// The schema in a framed message.
fn read_schema(framed: &[u8]) -> Decode<Schema> {
    let metadata = framed.get(8..).ok_or("the schema's message is cut off")?;
    let message = parse_message(metadata)?;
    let header = message.header_as_schema().ok_or("the schema's message has no schema")?;
    try_fb_to_schema(header).map_err(|e| format!("the schema cannot be read: {e}"))
}

/// A framed message as its metadata and its body.
fn split(bytes: Bytes) -> Decode<(Buffer, Buffer)> {
    let buffer = aligned(bytes);
    let head = buffer.as_slice().first_chunk::<8>().ok_or("a message is cut off")?;
    let [a, b, c, d, len @ ..] = *head;
    let len = u32::from_le_bytes(len) as usize;
    if [a, b, c, d] != [0xff; 4] || len > buffer.len() - 8 {
        return Err("a message does not begin as one".into());
    }
    let body = buffer.len() - 8 - len;
    Ok((buffer.slice_with_length(8, len), buffer.slice_with_length(8 + len, body)))
}
