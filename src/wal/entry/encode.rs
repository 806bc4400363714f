//! Encoding: a batch becomes the IPC messages that stand for it in an entry.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::{
    BodyCompressionBuilder, BodyCompressionMethod, CompressionType, DictionaryBatchBuilder, MessageBuilder, MessageHeader, MetadataVersion,
    RecordBatchBuilder,
};
use arrow_schema::{Schema, SchemaRef};
use bytes::Bytes;
use flatbuffers::FlatBufferBuilder;
use parking_lot::Mutex;

use super::body::{Body, Compressor, check_compression};
use super::walk::{Dictionary, Walker};
use super::{Compression, schema};
use crate::error::{Result, bail};

/// The most rows that one batch may have: readers count them with 32 bits in places.
pub(super) const MAX_ROWS: usize = i32::MAX as usize;

/// A batch as it will stand in an entry: whole IPC messages, to be followed by others or by the end of the stream.
#[derive(Debug, Clone)]
pub struct EncodedBatch {
    parts: Vec<Bytes>,
    len: usize,
    rows: usize,
}

impl EncodedBatch {
    /// How many bytes it takes in the stream.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a batch always has rows")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// How many rows it has: at least one.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Its bytes, in order. Large ones belong to the arrays that were encoded.
    #[must_use]
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }
}

/// The messages of a batch: those of its dictionaries, inner ones first, and its own.
#[derive(Default)]
struct Messages {
    parts: Vec<Bytes>,
    /// For each dictionary, the number of parts up to its end.
    dictionary_ends: Vec<usize>,
}

/// Encodes batches of one schema.
pub struct BatchEncoder {
    schema: SchemaRef,
    compression: Compression,
    /// The codec's state, for one caller at a time; another makes its own.
    compressor: Mutex<Option<Compressor>>,
}

impl fmt::Debug for BatchEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchEncoder").field("schema", &self.schema).field("compression", &self.compression).finish_non_exhaustive()
    }
}

/// What one thread keeps from batch to batch, so that a small batch takes one allocation.
#[derive(Default)]
struct Scratch {
    builder: FlatBufferBuilder<'static>,
    body: Body,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl BatchEncoder {
    /// An encoder of batches of `schema`, without the reserved keys of its metadata.
    ///
    /// # Errors
    ///
    /// `SCHEMA_MISMATCH` if the schema has no columns, or cannot be stored and read back as Arrow IPC; `UNSUPPORTED` if
    /// the build lacks the compression.
    pub fn new(schema: &Schema, compression: Compression) -> Result<Self> {
        check_compression(compression)?;
        let schema = schema::strip(schema);
        schema::check_storable(&schema)?;
        Ok(Self { schema: Arc::new(schema), compression, compressor: Mutex::default() })
    }

    /// The schema as it is stored, without reserved keys.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The compression of the bodies.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The schema message that begins an entry, to be kept by the caller while epoch and generation last.
    pub fn preamble(&self, epoch: u64, generation: Option<u64>) -> Result<Bytes> {
        schema::preamble(&self.schema, epoch, generation)
    }

    /// Whether batches of `schema` can be encoded: names and types are equal to those of the encoder's own.
    ///
    /// # Errors
    ///
    /// `SCHEMA_MISMATCH` naming the first column that differs.
    pub fn check_schema(&self, schema: &Schema) -> Result<()> {
        schema::check_same(&self.schema, schema)
    }

    /// The schema message that begins an Arrow IPC file of such batches.
    pub(crate) fn file_preamble(&self) -> Result<Bytes> {
        schema::frame_schema(&self.schema)
    }

    /// Encodes a batch. Where it differs from the encoder's schema in nullability and metadata only, it is stored under the
    /// encoder's schema.
    ///
    /// # Errors
    ///
    /// `INVALID_DATA` if it has no rows or a null where the schema allows none; `SCHEMA_MISMATCH` if its columns differ.
    pub fn encode(&self, batch: &RecordBatch) -> Result<EncodedBatch> {
        let Messages { parts, .. } = self.encode_with(batch, false)?;
        Ok(EncodedBatch { len: parts.iter().map(Bytes::len).sum(), parts, rows: batch.num_rows() })
    }

    /// Encodes a batch for an Arrow IPC file, which has each dictionary once: the messages of its dictionaries, as they are and
    /// inner ones first, and then its own.
    pub(crate) fn encode_for_file(&self, batch: &RecordBatch) -> Result<Vec<Vec<Bytes>>> {
        let Messages { mut parts, dictionary_ends } = self.encode_with(batch, true)?;
        let mut messages = Vec::with_capacity(dictionary_ends.len() + 1);
        for end in dictionary_ends.into_iter().rev() {
            messages.push(parts.split_off(end));
        }
        messages.push(parts);
        messages.reverse();
        Ok(messages)
    }

    /// `whole`: with all values of the batch's dictionaries, used or not.
    fn encode_with(&self, batch: &RecordBatch, whole: bool) -> Result<Messages> {
        let rows = batch.num_rows();
        if rows == 0 {
            bail!(InvalidData, "the batch has no rows");
        }
        if rows > MAX_ROWS {
            bail!(InvalidData, "the batch has {rows} rows: more than {MAX_ROWS}");
        }
        if !Arc::ptr_eq(batch.schema_ref(), &self.schema) {
            schema::check_same(&self.schema, batch.schema_ref())?;
        }
        let mut compressor = match self.compression {
            Compression::None => Compressor::default(),
            _ => self.compressor.lock().take().unwrap_or_default(),
        };
        let messages = with_scratch(|scratch| self.messages(batch, whole, scratch, &mut compressor));
        if self.compression != Compression::None {
            *self.compressor.lock() = Some(compressor);
        }
        messages
    }

    fn messages(&self, batch: &RecordBatch, whole: bool, scratch: &mut Scratch, compressor: &mut Compressor) -> Result<Messages> {
        scratch.body.clear();
        let mut walker = Walker::new(&mut scratch.body, self.compression, compressor, 0).with_whole_dictionaries(whole);
        for (field, column) in self.schema.fields().iter().zip(batch.columns()) {
            walker.field(field, column, 0, batch.num_rows(), None)?;
        }
        let dictionaries = std::mem::take(&mut walker.dictionaries);
        let mut messages = Messages::default();
        if dictionaries.is_empty() {
            scratch.write(batch.num_rows(), None, self.compression, &mut messages.parts)?;
        } else {
            // The batch's message is made before those of its dictionaries, but goes behind them.
            let mut last = Vec::new();
            scratch.write(batch.num_rows(), None, self.compression, &mut last)?;
            self.dictionaries(dictionaries, whole, scratch, compressor, &mut messages)?;
            messages.parts.append(&mut last);
        }
        Ok(messages)
    }

    /// Appends the messages of the dictionaries, each behind those that its own values refer to.
    fn dictionaries(
        &self,
        dictionaries: Vec<Dictionary<'_>>,
        whole: bool,
        scratch: &mut Scratch,
        compressor: &mut Compressor,
        out: &mut Messages,
    ) -> Result<()> {
        for dictionary in dictionaries {
            scratch.body.clear();
            let mut walker =
                Walker::new(&mut scratch.body, self.compression, compressor, dictionary.first_inner).with_whole_dictionaries(whole);
            walker.dictionary_values(&dictionary)?;
            let inner = std::mem::take(&mut walker.dictionaries);
            let mut last = Vec::new();
            scratch.write(dictionary.values.len(), Some(dictionary.id), self.compression, &mut last)?;
            self.dictionaries(inner, whole, scratch, compressor, out)?;
            out.parts.append(&mut last);
            out.dictionary_ends.push(out.parts.len());
        }
        Ok(())
    }
}

/// Runs `f` with this thread's scratch space, or with a new one where that is in use or gone.
fn with_scratch<T>(mut f: impl FnMut(&mut Scratch) -> T) -> T {
    let reused = SCRATCH.try_with(|scratch| scratch.try_borrow_mut().ok().map(|mut scratch| f(&mut scratch)));
    match reused {
        Ok(Some(result)) => result,
        _ => f(&mut Scratch::default()),
    }
}

impl Scratch {
    /// Moves the body, with its metadata before it, into `out`: a dictionary's message if there is an id.
    fn write(&mut self, rows: usize, dictionary: Option<i64>, compression: Compression, out: &mut Vec<Bytes>) -> Result<()> {
        let Self { builder, body } = self;
        builder.reset();
        let codec = match compression {
            Compression::None => None,
            Compression::Lz4 => Some(CompressionType::LZ4_FRAME),
            Compression::Zstd => Some(CompressionType::ZSTD),
        };
        let codec = codec.map(|codec| {
            let mut compression = BodyCompressionBuilder::new(builder);
            compression.add_method(BodyCompressionMethod::BUFFER);
            compression.add_codec(codec);
            compression.finish()
        });
        let buffers = builder.create_vector(&body.buffers);
        let nodes = builder.create_vector(&body.nodes);
        let variadic = (!body.variadic.is_empty()).then(|| builder.create_vector(&body.variadic));
        let mut batch = RecordBatchBuilder::new(builder);
        batch.add_length(rows as i64);
        batch.add_nodes(nodes);
        batch.add_buffers(buffers);
        if let Some(codec) = codec {
            batch.add_compression(codec);
        }
        if let Some(variadic) = variadic {
            batch.add_variadicBufferCounts(variadic);
        }
        let batch = batch.finish();
        let (kind, header) = match dictionary {
            None => (MessageHeader::RecordBatch, batch.as_union_value()),
            Some(id) => {
                let mut dictionary = DictionaryBatchBuilder::new(builder);
                dictionary.add_id(id);
                dictionary.add_data(batch);
                (MessageHeader::DictionaryBatch, dictionary.finish().as_union_value())
            }
        };
        let mut message = MessageBuilder::new(builder);
        message.add_version(MetadataVersion::V5);
        message.add_header_type(kind);
        message.add_bodyLength(body.len() as i64);
        message.add_header(header);
        let root = message.finish();
        builder.finish(root, None);
        let metadata = builder.finished_data();
        let mut head = Vec::with_capacity(body.room_for(metadata.len()));
        schema::frame(&mut head, metadata)?;
        body.take_parts(head, out);
        Ok(())
    }
}
