//! Decoding: an object becomes an entry whose batches borrow its bytes.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_data::UnsafeFlag;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{RecordBatchDecoder, read_dictionary_impl};
use arrow_ipc::{CompressionType, Endianness, Message, MessageHeader, MetadataVersion, root_as_message_with_opts};
use arrow_schema::{DataType, Schema, SchemaRef};
use bytes::Bytes;
use flatbuffers::VerifierOptions;

use super::check::{Budget, check_batch};
use super::schema::{self, FENCE_SENTINEL, GENERATION, WRITER_EPOCH};
use super::{CONTINUATION, EntryId, trailer};
use crate::error::{Error, Result, err};

/// The strictest alignment of any array's values.
const VALUE_ALIGNMENT: usize = 16;

/// How deep a message's tables may be nested; the same as other readers allow.
const MAX_DEPTH: usize = 64;

/// An entry as it was read.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its position in the log.
    pub position: u64,
    /// The epoch of its writer.
    pub epoch: u64,
    /// The MemTable generation that it belongs to, if its writer had one.
    pub generation: Option<u64>,
    /// Whether it only tells of a fence: it then has neither columns nor batches.
    pub is_sentinel: bool,
    /// Its id; `None` where another implementation wrote it, which is then not checked against a checksum either.
    pub id: Option<EntryId>,
    /// The schema of its batches, without reserved keys.
    pub schema: SchemaRef,
    /// Entries with the same one have the same schema; 1 or more. The same schema may have several.
    pub schema_id: u64,
    /// Its batches, which borrow the object's bytes.
    pub batches: Vec<RecordBatch>,
    /// The object's size.
    pub bytes: u64,
}

impl Entry {
    /// How many rows its batches have together.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.batches.iter().map(|batch| batch.num_rows() as u64).sum()
    }
}

/// What a schema message says.
#[derive(Debug)]
struct Header {
    message: Box<[u8]>,
    schema: SchemaRef,
    /// Of no other header in this process.
    id: u64,
    /// The types of the dictionaries' values, by id.
    dictionaries: HashMap<i64, DataType>,
    epoch: u64,
    generation: Option<u64>,
    is_sentinel: bool,
}

/// The last entry's schema message: the entries of one writer have the same, so it is parsed once.
#[derive(Debug, Default, Clone)]
pub struct SchemaCache(Option<Arc<Header>>);

/// Decodes the entry at `position` from its whole object; `object` is its path, for messages.
///
/// # Errors
///
/// `CORRUPTION`, naming the object and the position, if the bytes are not those of a whole entry; `UNSUPPORTED` if they are
/// compressed in a way that this build lacks.
pub fn decode(object: &str, position: u64, bytes: Bytes, cache: &mut SchemaCache) -> Result<Entry> {
    guarded(|| decode_object(position, bytes, cache)).map_err(|fault| fault.into_error(object, position))
}

/// Runs `decode`. Arrow's own panics on data that it did not expect are the last line of defence; nothing is left half-changed
/// by them.
pub(super) fn guarded<T>(decode: impl FnOnce() -> Decode<T>) -> Decode<T> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|panic| Err(Fault::Damaged(format!("it cannot be decoded: {}", panic_message(&*panic)))))
}

/// What is wrong with an object.
pub(super) enum Fault {
    Damaged(String),
    Unsupported(String),
}

impl From<String> for Fault {
    fn from(what: String) -> Self {
        Self::Damaged(what)
    }
}

impl From<&str> for Fault {
    fn from(what: &str) -> Self {
        Self::Damaged(what.to_owned())
    }
}

impl Fault {
    fn into_error(self, object: &str, position: u64) -> Error {
        let error = match self {
            Self::Damaged(what) => err!(Corruption, "the entry at position {position} is damaged: {what} ({object})"),
            Self::Unsupported(what) => err!(Unsupported, "the entry at position {position} cannot be read: {what} ({object})"),
        };
        error.with_str("object", object).with_u64("position", position)
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("arrow panicked")
}

pub(super) type Decode<T> = std::result::Result<T, Fault>;

fn decode_object(position: u64, bytes: Bytes, cache: &mut SchemaCache) -> Decode<Entry> {
    let size = bytes.len();
    let trailer = trailer::read(&bytes)?;
    let stream_len = match &trailer {
        Some(trailer) => {
            trailer.check(&bytes)?;
            size - trailer.len
        }
        None => size,
    };
    let object = aligned(bytes);
    let mut stream = Stream { object: &object, at: 0, end: stream_len };
    let Some(metadata) = stream.metadata()? else { return Err("the stream has no schema".into()) };
    let header = cache.header(metadata)?;
    let mut reader = Reader::new(&header.schema, &header.dictionaries, size, trailer.is_some());
    while let Some(metadata) = stream.metadata()? {
        let message = parse(metadata)?;
        reader.message(&message, &stream.body(&message)?)?;
    }
    if !stream.rest().is_empty() {
        return Err(format!("{} bytes follow the end of the stream", stream.rest().len()).into());
    }
    let batches = reader.batches;
    if header.is_sentinel != batches.is_empty() {
        return Err(if batches.is_empty() { "it has no batches".into() } else { "a fence sentinel has batches".into() });
    }
    Ok(Entry {
        position,
        epoch: header.epoch,
        generation: header.generation,
        is_sentinel: header.is_sentinel,
        id: trailer.map(|trailer| trailer.id),
        schema: header.schema.clone(),
        schema_id: header.id,
        batches,
        bytes: size as u64,
    })
}

/// The object as one arrow buffer: its own bytes, or a copy if they are not aligned as arrays need them.
pub(crate) fn aligned(bytes: Bytes) -> Buffer {
    if (bytes.as_ptr() as usize).is_multiple_of(VALUE_ALIGNMENT) {
        return Buffer::from(bytes);
    }
    let mut copy = MutableBuffer::with_capacity(bytes.len());
    copy.extend_from_slice(&bytes);
    copy.into()
}

/// The messages of an IPC stream that is all there.
pub(super) struct Stream<'b> {
    pub(super) object: &'b Buffer,
    pub(super) at: usize,
    pub(super) end: usize,
}

impl<'b> Stream<'b> {
    pub(super) fn rest(&self) -> &'b [u8] {
        &self.object.as_slice()[self.at..self.end]
    }

    /// The next message's metadata; `None` at the end of the stream, which must be there.
    pub(super) fn metadata(&mut self) -> Decode<Option<&'b [u8]>> {
        let Some((head, rest)) = self.rest().split_first_chunk::<8>() else {
            return Err("the stream is cut off".into());
        };
        let [a, b, c, d, len @ ..] = *head;
        if [a, b, c, d] != CONTINUATION {
            return Err("a message does not begin as one".into());
        }
        let len = u32::from_le_bytes(len) as usize;
        if len > rest.len() || !len.is_multiple_of(8) {
            return Err(format!("a message's metadata has {len} bytes, {} are there", rest.len()).into());
        }
        self.at += 8 + len;
        Ok((len > 0).then_some(&rest[..len]))
    }

    /// The body of the message whose metadata came last.
    pub(super) fn body(&mut self, message: &Message<'_>) -> Decode<Buffer> {
        let (len, there) = (message.bodyLength(), self.end - self.at);
        let Some(len) = usize::try_from(len).ok().filter(|len| *len <= there) else {
            return Err(format!("a message's body has {len} bytes, {there} are there").into());
        };
        let body = self.object.slice_with_length(self.at, len);
        self.at += len;
        Ok(body)
    }
}

/// The message in `metadata`, of any version of the format.
pub(crate) fn parse_message(metadata: &[u8]) -> Result<Message<'_>, String> {
    // No writer shares tables, so there cannot be more of them than fit.
    let options = VerifierOptions { max_depth: MAX_DEPTH, max_tables: metadata.len() / 4 + 1, ..Default::default() };
    root_as_message_with_opts(&options, metadata).map_err(|e| format!("a message cannot be read: {e}"))
}

/// The types of the values of the dictionaries that `schema` speaks of, by id. Refuses types that arrow would panic on.
pub(crate) fn dictionary_types(schema: &Schema) -> Result<HashMap<i64, DataType>, String> {
    let mut dictionaries = HashMap::new();
    for field in schema.fields() {
        schema::check_type(field.data_type(), MAX_DEPTH).map_err(|e| format!("column '{}': {e}", field.name()))?;
    }
    for field in schema.flattened_fields() {
        #[expect(deprecated, reason = "the ids are how a stream's dictionaries find their columns")]
        if let (Some(id), DataType::Dictionary(_, value)) = (field.dict_id(), field.data_type())
            && dictionaries.insert(id, (**value).clone()).is_some_and(|other| other != **value)
        {
            return Err(format!("dictionary {id} has two types"));
        }
    }
    Ok(dictionaries)
}

pub(super) fn parse(metadata: &[u8]) -> Decode<Message<'_>> {
    let message = parse_message(metadata)?;
    if message.version() != MetadataVersion::V5 {
        return Err(format!("a message has the version {:?}", message.version()).into());
    }
    Ok(message)
}

impl SchemaCache {
    fn header(&mut self, metadata: &[u8]) -> Decode<Arc<Header>> {
        if let Some(header) = self.0.as_ref().filter(|header| *header.message == *metadata) {
            return Ok(header.clone());
        }
        let header = Arc::new(Header::read(metadata)?);
        self.0 = Some(header.clone());
        Ok(header)
    }
}

impl Header {
    fn read(metadata: &[u8]) -> Decode<Self> {
        static READ: AtomicU64 = AtomicU64::new(0);
        let message = parse(metadata)?;
        let header = message.header_as_schema().ok_or("the stream does not begin with a schema")?;
        if header.endianness() != Endianness::Little {
            return Err("the stream is not little endian".into());
        }
        if message.bodyLength() != 0 {
            return Err("the schema's message has a body".into());
        }
        let schema = try_fb_to_schema(header).map_err(|e| format!("the schema cannot be read: {e}"))?;
        let dictionaries = dictionary_types(&schema)?;
        let number = |key: &str| match schema.metadata().get(key) {
            None => Ok(None),
            Some(text) => match text.parse::<u64>() {
                Ok(number) if *text == number.to_string() => Ok(Some(number)),
                _ => Err(format!("its {key} is {text:?}")),
            },
        };
        let epoch = number(WRITER_EPOCH)?.ok_or("it has no writer_epoch")?;
        let generation = number(GENERATION)?;
        let is_sentinel = match schema.metadata().get(FENCE_SENTINEL).map(String::as_str) {
            None => false,
            Some("true") if schema.fields().is_empty() => true,
            Some("true") => return Err("a fence sentinel has columns".into()),
            Some(other) => return Err(format!("its {FENCE_SENTINEL} is {other:?}").into()),
        };
        if schema.fields().is_empty() && !is_sentinel {
            return Err("its schema has no columns".into());
        }
        let schema: SchemaRef = Arc::new(schema::strip(&schema));
        let id = READ.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Self { message: metadata.into(), schema, id, dictionaries, epoch, generation, is_sentinel })
    }
}

fn check_codec(batch: arrow_ipc::RecordBatch<'_>) -> Decode<()> {
    let codec = batch.compression().map(|compression| compression.codec());
    match codec {
        Some(CompressionType::LZ4_FRAME) if !cfg!(feature = "lz4") => Err(Fault::Unsupported("this build of weir has no lz4".into())),
        Some(CompressionType::ZSTD) if !cfg!(feature = "zstd") => Err(Fault::Unsupported("this build of weir has no zstd".into())),
        _ => Ok(()),
    }
}

/// Decodes the messages behind the schema.
pub(super) struct Reader<'h> {
    schema: &'h SchemaRef,
    /// The types of the dictionaries' values, by id.
    types: &'h HashMap<i64, DataType>,
    /// Whether a checksum vouches for the bytes.
    trusted: bool,
    budget: Budget,
    dictionaries: HashMap<i64, ArrayRef>,
    pub(super) batches: Vec<RecordBatch>,
}

impl<'h> Reader<'h> {
    /// For messages of `size` bytes in all.
    pub(super) fn new(schema: &'h SchemaRef, types: &'h HashMap<i64, DataType>, size: usize, trusted: bool) -> Self {
        let budget = Budget::new(size, trusted);
        Self { schema, types, trusted, budget, dictionaries: HashMap::new(), batches: Vec::new() }
    }

    pub(super) fn message(&mut self, message: &Message<'_>, body: &Buffer) -> Decode<()> {
        match message.header_type() {
            MessageHeader::RecordBatch => self.batch(message, body),
            MessageHeader::DictionaryBatch => self.dictionary(message, body),
            other => Err(format!("the stream has a message of type {other:?} behind its schema").into()),
        }
    }

    fn batch(&mut self, message: &Message<'_>, body: &Buffer) -> Decode<()> {
        let batch = message.header_as_record_batch().ok_or("a message has no batch")?;
        let schema: &Schema = self.schema;
        check_codec(batch)?;
        check_batch(batch, schema.fields().iter().map(|field| field.data_type()), body, &mut self.budget)?;
        let version = message.version();
        let read = RecordBatchDecoder::try_new(body, batch, Arc::clone(self.schema), &self.dictionaries, &version)
            .and_then(|decoder| decoder.with_skip_validation(self.skip_validation()).read_record_batch());
        self.batches.push(read.map_err(|e| format!("a batch cannot be read: {e}"))?);
        Ok(())
    }

    fn dictionary(&mut self, message: &Message<'_>, body: &Buffer) -> Decode<()> {
        let dictionary = message.header_as_dictionary_batch().ok_or("a message has no dictionary")?;
        let id = dictionary.id();
        let value_type = self.types.get(&id).ok_or_else(|| format!("dictionary {id} is not in the schema"))?;
        let values = dictionary.data().ok_or("a dictionary has no values")?;
        check_codec(values)?;
        check_batch(values, [value_type], body, &mut self.budget)?;
        let (version, skip) = (message.version(), self.skip_validation());
        read_dictionary_impl(body, dictionary, self.schema, &mut self.dictionaries, &version, false, skip)
            .map_err(|e| format!("dictionary {id} cannot be read: {e}").into())
    }

    fn skip_validation(&self) -> UnsafeFlag {
        skip_validation(self.trusted)
    }
}

/// Whether arrow need not validate what it decodes: where a checksum vouches (`trusted`) for what a weir writer encoded.
#[expect(unsafe_code, reason = "arrow has no safe way to say that data was validated before")]
pub(crate) fn skip_validation(trusted: bool) -> UnsafeFlag {
    let mut flag = UnsafeFlag::new();
    if trusted {
        // SAFETY: the checksum says that these are the bytes that a weir writer stored, and that writer encoded them from
        // validated arrays.
        unsafe { flag.set(true) };
    }
    flag
}
