//! Reading Arrow IPC files and streams that others wrote.
//!
//! [`IpcFile`] tells the two formats apart by their first bytes and hands out batches one at a time, so that a file larger than
//! memory can be read. It trusts nothing: the metadata of every batch is checked against the bytes at hand before arrow sees it,
//! and the arrays are validated. Whatever is wrong with a file is an `InvalidData` error that names it: never a panic, an abort,
//! or an allocation that the bytes at hand do not warrant.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchReader};
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_data::UnsafeFlag;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{RecordBatchDecoder, read_dictionary_impl};
use arrow_ipc::{Block, Endianness, Message, MessageHeader, MetadataVersion, root_as_footer_with_opts};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use flatbuffers::VerifierOptions;

use crate::error::{Error, Result, err};
use crate::wal::entry::{Budget, check_batch, dictionary_types, parse_message};

/// What begins and ends a file; after the first, two bytes of padding.
const MAGIC: &[u8; 6] = b"ARROW1";
/// What begins a message, since version 0.15 of the format.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// The footer's length and the magic, at the end of a file.
const TAIL: u64 = 10;
/// The most that writers align a file's first message to.
const MAX_PADDING: u64 = 512;
/// What is read at once of a body whose length nothing vouches for.
const STEP: usize = 16 << 20;
/// Metadata longer than this at the beginning of something is no metadata.
const MAX_FIRST: usize = 64 << 20;
/// How deep the footer's tables may be nested.
const MAX_DEPTH: usize = 64;

/// An Arrow IPC file or stream as an iterator of batches. After an error, and after the last batch, there are no more.
pub struct IpcFile {
    name: String,
    size: Option<u64>,
    read: u64,
    schema: SchemaRef,
    /// The types of the dictionaries' values.
    types: HashMap<i64, DataType>,
    dictionaries: HashMap<i64, ArrayRef>,
    source: Source,
}

enum Source {
    /// A file with a footer that says where its batches are.
    Blocks { file: File, size: u64, blocks: std::vec::IntoIter<Block> },
    /// Messages one after the other.
    Stream(Box<dyn Read + Send>),
    /// Nothing more.
    Done,
}

impl std::fmt::Debug for IpcFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IpcFile").field("name", &self.name).field("read", &self.read).finish_non_exhaustive()
    }
}

/// Why something cannot be read.
enum Fault {
    Io(io::Error),
    Data(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<String> for Fault {
    fn from(what: String) -> Self {
        Self::Data(what)
    }
}

impl From<&str> for Fault {
    fn from(what: &str) -> Self {
        Self::Data(what.into())
    }
}

impl Fault {
    fn named(self, name: &str) -> Error {
        match self {
            Self::Data(what) => err!(InvalidData, "{name}: {what}").with_str("file", name),
            Self::Io(error) => match error.kind() {
                io::ErrorKind::NotFound => err!(NotFound, "{name}: there is no such file"),
                io::ErrorKind::PermissionDenied => err!(PermissionDenied, "{name}: {error}"),
                io::ErrorKind::IsADirectory => err!(InvalidArgument, "{name}: is a directory, not a file"),
                io::ErrorKind::UnexpectedEof => err!(InvalidData, "{name}: is cut off"),
                _ => err!(Storage, "{name}: {error}"),
            }
            .with_str("file", name),
        }
    }
}

type Step<T> = std::result::Result<T, Fault>;

impl IpcFile {
    /// Opens the file or stream at `path` and reads its schema. What cannot be sought in, such as a pipe, is read as a stream.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied`, `InvalidArgument` for a directory; `InvalidData` if it is not Arrow IPC or damaged; `Storage`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        guarded(|| Self::open_named(path, &name)).map_err(|fault| fault.named(&name))
    }

    /// Reads from `reader`, called `name` in errors.
    ///
    /// # Errors
    /// `InvalidData` if it is not Arrow IPC or damaged; `Storage`.
    pub fn from_reader(name: impl Into<String>, reader: impl Read + Send + 'static) -> Result<Self> {
        let name = name.into();
        guarded(|| Self::open_stream(&name, Box::new(reader), None)).map_err(|fault| fault.named(&name))
    }

    /// What it is called in errors: its path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its size in bytes, if that is known beforehand.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// How many bytes were read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.read
    }

    /// The next batch, which may have no rows; `None` at the end.
    ///
    /// # Errors
    /// `InvalidData`, `Storage`, naming the file.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let outcome = guarded(|| self.advance());
        if !matches!(outcome, Ok(Some(_))) {
            self.source = Source::Done;
        }
        outcome.map_err(|fault| fault.named(&self.name))
    }

    fn open_named(path: &Path, name: &str) -> Step<Self> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
        }
        if !metadata.is_file() {
            return Self::open_stream(name, Box::new(file), None);
        }
        let mut first = [0; MAGIC.len()];
        let is_file = file.read_exact(&mut first).is_ok() && first == *MAGIC;
        if is_file {
            return Self::open_file(name, file, metadata.len());
        }
        file.seek(SeekFrom::Start(0))?;
        Self::open_stream(name, Box::new(BufReader::new(file)), Some(metadata.len()))
    }

    /// A file: its footer has the schema and says where the batches are.
    fn open_file(name: &str, mut file: File, size: u64) -> Step<Self> {
        const UNFINISHED: &str = "the Arrow file has no footer: it is cut off, or its writer did not finish it";
        let start = size.checked_sub(TAIL).filter(|start| *start >= 8).ok_or(UNFINISHED)?;
        let tail = read_at(&mut file, start, TAIL as usize)?;
        let Some(length) = tail.strip_suffix(MAGIC).and_then(|length| <[u8; 4]>::try_from(length).ok()) else {
            return Err(UNFINISHED.into());
        };
        let length = i32::from_le_bytes(length);
        let footer_start = u64::try_from(length).ok().and_then(|length| start.checked_sub(length)).filter(|start| *start >= 8);
        let footer_start = footer_start.ok_or_else(|| format!("the footer has {length} bytes by its own account"))?;
        let footer = read_at(&mut file, footer_start, (start - footer_start) as usize)?;
        let options = VerifierOptions { max_depth: MAX_DEPTH, max_tables: footer.len() / 4 + 1, ..Default::default() };
        let footer = root_as_footer_with_opts(&options, &footer).map_err(|e| format!("the footer cannot be read: {e}"))?;
        let (schema, types) = schema(footer.schema().ok_or("the footer has no schema")?)?;
        let blocks = |blocks: Option<flatbuffers::Vector<'_, Block>>| blocks.iter().flatten().copied().collect::<Vec<_>>();
        let dictionaries = blocks(footer.dictionaries());
        let mut opened = Self {
            name: name.to_owned(),
            size: Some(size),
            read: 0,
            schema,
            types,
            dictionaries: HashMap::new(),
            source: Source::Blocks { file, size: footer_start, blocks: dictionaries.into_iter() },
        };
        // The dictionaries come first, wherever they are.
        if opened.advance()?.is_some() {
            return Err("the footer takes a batch for a dictionary".into());
        }
        if let Source::Blocks { blocks: left, .. } = &mut opened.source {
            *left = blocks(footer.recordBatches()).into_iter();
        }
        opened.read += TAIL + (start - footer_start);
        Ok(opened)
    }

    fn open_stream(name: &str, mut reader: Box<dyn Read + Send>, size: Option<u64>) -> Step<Self> {
        const NEITHER: &str = "is neither an Arrow IPC file nor an Arrow IPC stream";
        let mut first = Vec::with_capacity(8);
        (&mut reader).take(8).read_to_end(&mut first)?;
        if first.is_empty() {
            return Err("is empty".into());
        }
        // A file's messages can also be read in the order in which they were written, after the magic and its padding.
        let mut before = 0;
        if first.starts_with(MAGIC) {
            let padding = |first: &[u8]| first.starts_with(MAGIC) || first == [0; 8];
            while padding(&first) && before < MAX_PADDING {
                before += first.len() as u64;
                first.clear();
                (&mut reader).take(8).read_to_end(&mut first)?;
            }
        }
        let reader: Box<dyn Read + Send> = Box::new(Cursor::new(first).chain(reader));
        let mut opened = Self {
            name: name.to_owned(),
            size,
            read: before,
            schema: Arc::new(Schema::empty()),
            types: HashMap::new(),
            dictionaries: HashMap::new(),
            source: Source::Stream(reader),
        };
        let Some(metadata) = opened.stream_metadata(MAX_FIRST).map_err(|_| NEITHER)? else { return Err(NEITHER.into()) };
        let message = parse_message(&metadata).map_err(|_| NEITHER)?;
        let header = message.header_as_schema().ok_or(NEITHER)?;
        check_version(&message)?;
        if message.bodyLength() != 0 {
            return Err("the schema's message has a body".into());
        }
        (opened.schema, opened.types) = schema(header)?;
        Ok(opened)
    }

    /// The next batch, with the dictionaries before it taken in.
    fn advance(&mut self) -> Step<Option<RecordBatch>> {
        loop {
            let Some((metadata, body)) = self.next_message()? else { return Ok(None) };
            if let Some(batch) = self.decode(&metadata, &body)? {
                return Ok(Some(batch));
            }
        }
    }

    fn next_message(&mut self) -> Step<Option<(Vec<u8>, Buffer)>> {
        match &mut self.source {
            Source::Done => Ok(None),
            Source::Blocks { file, size, blocks } => {
                let Some(block) = blocks.next() else { return Ok(None) };
                let (metadata, body) = read_block(file, *size, &block)?;
                self.read += (metadata.len() + body.len()) as u64;
                Ok(Some((metadata, body)))
            }
            Source::Stream(_) => {
                let Some(metadata) = self.stream_metadata(i32::MAX as usize)? else { return Ok(None) };
                let length = parse_message(&metadata)?.bodyLength();
                let body = self.stream_bytes(usize::try_from(length).map_err(|_| format!("a message's body has {length} bytes"))?)?;
                Ok(Some((metadata, body)))
            }
        }
    }

    /// The metadata of a stream's next message, of at most `limit` bytes; `None` at the end of the stream.
    fn stream_metadata(&mut self, limit: usize) -> Step<Option<Vec<u8>>> {
        let Source::Stream(reader) = &mut self.source else { return Ok(None) };
        let mut prefix = [0; 4];
        if !read_or_end(reader, &mut prefix)? {
            return Ok(None);
        }
        self.read += 4;
        if prefix == CONTINUATION {
            reader.read_exact(&mut prefix)?;
            self.read += 4;
        }
        let length = i32::from_le_bytes(prefix);
        if length == 0 {
            return Ok(None);
        }
        let length = usize::try_from(length).ok().filter(|length| *length <= limit && self.has(*length));
        let length = length.ok_or_else(|| format!("a message's metadata has {} bytes", i32::from_le_bytes(prefix)))?;
        Ok(Some(self.stream_bytes(length)?.as_slice().to_vec()))
    }

    /// Whether `length` more bytes may be there.
    fn has(&self, length: usize) -> bool {
        self.size.is_none_or(|size| length as u64 <= size.saturating_sub(self.read))
    }

    fn stream_bytes(&mut self, length: usize) -> Step<Buffer> {
        if !self.has(length) {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let known = self.size.is_some();
        let Source::Stream(reader) = &mut self.source else { return Ok(Buffer::default()) };
        let bytes = read_growing(reader, length, known)?;
        self.read += length as u64;
        Ok(bytes)
    }

    /// What a message says: a batch, or a dictionary, which is kept.
    fn decode(&mut self, metadata: &[u8], body: &Buffer) -> Step<Option<RecordBatch>> {
        let message = parse_message(metadata)?;
        check_version(&message)?;
        let mut budget = Budget::new(body.len(), false);
        match message.header_type() {
            MessageHeader::RecordBatch => {
                let batch = message.header_as_record_batch().ok_or("a message has no batch")?;
                self.check_union(&message)?;
                check_batch(batch, self.schema.fields().iter().map(|field| field.data_type()), body, &mut budget)?;
                let version = message.version();
                let read = RecordBatchDecoder::try_new(body, batch, Arc::clone(&self.schema), &self.dictionaries, &version)
                    .and_then(RecordBatchDecoder::read_record_batch);
                Ok(Some(read.map_err(|e| format!("a batch cannot be read: {e}"))?))
            }
            MessageHeader::DictionaryBatch => {
                let dictionary = message.header_as_dictionary_batch().ok_or("a message has no dictionary")?;
                let id = dictionary.id();
                self.check_union(&message)?;
                let value_type = self.types.get(&id).ok_or_else(|| format!("dictionary {id} is not in the schema"))?;
                check_batch(dictionary.data().ok_or("a dictionary has no values")?, [value_type], body, &mut budget)?;
                let version = message.version();
                read_dictionary_impl(body, dictionary, &self.schema, &mut self.dictionaries, &version, false, UnsafeFlag::new())
                    .map_err(|e| format!("dictionary {id} cannot be read: {e}"))?;
                Ok(None)
            }
            other => Err(format!("it has a message of type {other:?} behind its schema").into()),
        }
    }

    /// Before version 5 unions had one buffer more, which the check of a batch's buffers does not know.
    fn check_union(&self, message: &Message<'_>) -> Step<()> {
        if message.version() == MetadataVersion::V4
            && self.schema.flattened_fields().iter().any(|field| matches!(field.data_type(), DataType::Union(_, _)))
        {
            return Err("it has a union as version 4 of the format laid them out, which is not supported".into());
        }
        Ok(())
    }
}

/// Runs `read`. Arrow's own panics on data that it did not expect are faults of the data: the last line of defence, after which
/// nothing more is read.
fn guarded<T>(read: impl FnOnce() -> Step<T>) -> Step<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Fault::Data(format!("it cannot be decoded: {}", text.unwrap_or("arrow panicked"))))
    })
}

/// The schema of a header, and the types of its dictionaries.
fn schema(header: arrow_ipc::Schema<'_>) -> Step<(SchemaRef, HashMap<i64, DataType>)> {
    if header.endianness() != Endianness::Little {
        return Err("it is not little endian, which is not supported".into());
    }
    let schema = try_fb_to_schema(header).map_err(|e| format!("the schema cannot be read: {e}"))?;
    let types = dictionary_types(&schema)?;
    Ok((Arc::new(schema), types))
}

fn check_version(message: &Message<'_>) -> Step<()> {
    match message.version() {
        MetadataVersion::V4 | MetadataVersion::V5 => Ok(()),
        other => Err(format!("it has the version {other:?} of the format, which is not supported").into()),
    }
}

fn read_at(file: &mut File, start: u64, length: usize) -> Step<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The metadata, without what goes before it, and the body of a block before `end`.
fn read_block(file: &mut File, end: u64, block: &Block) -> Step<(Vec<u8>, Buffer)> {
    let bad = || Fault::Data(format!("a block of {} + {} bytes at {}", block.metaDataLength(), block.bodyLength(), block.offset()));
    let start = u64::try_from(block.offset()).map_err(|_| bad())?;
    let metadata = u64::try_from(block.metaDataLength()).map_err(|_| bad())?;
    let body = u64::try_from(block.bodyLength()).map_err(|_| bad())?;
    let fits = start.checked_add(metadata).and_then(|at| at.checked_add(body)).is_some_and(|at| at <= end);
    if !fits || metadata < 8 {
        return Err(bad());
    }
    let mut framed = read_at(file, start, metadata as usize)?;
    framed.drain(..if framed.starts_with(&CONTINUATION) { 8 } else { 4 });
    let body = usize::try_from(body).map_err(|_| bad())?;
    Ok((framed, read_growing(file, body, true)?))
}

/// Exactly `length` bytes; unless they are `known` to be there, the buffer grows as they arrive.
fn read_growing(reader: &mut impl Read, length: usize, known: bool) -> Step<Buffer> {
    let no_memory = |_| Fault::Io(io::Error::from(io::ErrorKind::OutOfMemory));
    let mut bytes = MutableBuffer::try_from_len_zeroed(if known { length } else { length.min(STEP) }).map_err(no_memory)?;
    let mut filled = 0;
    while filled < length {
        let target = bytes.len();
        reader.read_exact(&mut bytes.as_slice_mut()[filled..target])?;
        filled = target;
        if filled < length {
            bytes.try_resize(length.min(target.saturating_mul(2)), 0).map_err(no_memory)?;
        }
    }
    Ok(bytes.into())
}

/// Fills `bytes`; `false` if there is nothing more.
fn read_or_end(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < bytes.len() {
        match reader.read(&mut bytes[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

impl Iterator for IpcFile {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().map_err(|error| ArrowError::ExternalError(Box::new(error))).transpose()
    }
}

impl RecordBatchReader for IpcFile {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use arrow_array::types::Int32Type;
    use arrow_array::{DictionaryArray, Int64Array, StringArray};
    use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
    use arrow_schema::Field;

    fn batch(start: i64) -> RecordBatch {
        let ids: Int64Array = (start..start + 4).map(Some).collect();
        let texts: StringArray = (start..start + 4).map(|i| (i % 3 != 0).then(|| format!("row {i}"))).collect();
        let keys: DictionaryArray<Int32Type> = ["a", "b", "a", "c"].into_iter().collect();
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("text", DataType::Utf8, true),
            Field::new("key", keys.data_type().clone(), true),
        ]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(ids), Arc::new(texts), Arc::new(keys)]).unwrap()
    }

    use arrow_array::Array as _;

    fn options(legacy: bool) -> IpcWriteOptions {
        if legacy { IpcWriteOptions::try_new(8, true, MetadataVersion::V4).unwrap() } else { IpcWriteOptions::default() }
    }

    fn file(legacy: bool) -> Vec<u8> {
        let mut writer = FileWriter::try_new_with_options(Vec::new(), &batch(0).schema(), options(legacy)).unwrap();
        writer.write(&batch(0)).unwrap();
        writer.write(&batch(4)).unwrap();
        writer.into_inner().unwrap()
    }

    fn stream(legacy: bool) -> Vec<u8> {
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch(0).schema(), options(legacy)).unwrap();
        writer.write(&batch(0)).unwrap();
        writer.write(&batch(4)).unwrap();
        writer.into_inner().unwrap()
    }

    fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    /// All batches, or the error.
    fn read(mut file: IpcFile) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        while let Some(batch) = file.next_batch()? {
            batches.push(batch);
        }
        Ok(batches)
    }

    #[test]
    fn files_and_streams_are_told_apart_and_read() {
        for legacy in [false, true] {
            for bytes in [file(legacy), stream(legacy)] {
                let on_disk = written(&bytes);
                let opened = IpcFile::open(on_disk.path()).unwrap();
                assert_eq!(opened.schema().fields(), batch(0).schema().fields());
                assert_eq!(opened.size(), Some(bytes.len() as u64));
                assert_eq!(read(opened).unwrap(), [batch(0), batch(4)], "legacy {legacy}");
                // The same bytes, where nobody can seek.
                let piped = IpcFile::from_reader("pipe", Cursor::new(bytes)).unwrap();
                assert_eq!(read(piped).unwrap(), [batch(0), batch(4)], "legacy {legacy}");
            }
        }
    }

    #[test]
    fn an_iterator_ends_with_the_last_batch() {
        let on_disk = written(&stream(false));
        let mut opened = IpcFile::open(on_disk.path()).unwrap();
        assert_eq!(opened.by_ref().map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 8);
        assert!(opened.next().is_none());
        assert_eq!(opened.bytes_read(), opened.size().unwrap());
    }

    #[test]
    fn what_is_no_arrow_is_named() {
        let cases: [(&[u8], &str); 5] = [
            (b"", "is empty"),
            (b"a,b\n1,2\n", "neither an Arrow IPC file nor an Arrow IPC stream"),
            (b"PAR1 and much more than eight bytes", "neither an Arrow IPC file nor an Arrow IPC stream"),
            (b"ARROW1\0\0", "no footer"),
            (b"ARROW1", "no footer"),
        ];
        for (bytes, what) in cases {
            let on_disk = written(bytes);
            let error = IpcFile::open(on_disk.path()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
            assert!(error.message().contains(what), "{error}");
            assert!(error.message().contains(&on_disk.path().display().to_string()), "{error}");
        }
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(IpcFile::open(dir.path()).unwrap_err().kind(), ErrorKind::InvalidArgument);
        let error = IpcFile::open(dir.path().join("missing.arrow")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains("missing.arrow"), "{error}");
    }

    #[test]
    fn a_text_of_many_bytes_is_not_read_as_one_message() {
        struct Endless(u64);
        impl Read for Endless {
            fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
                self.0 += bytes.len() as u64;
                assert!(self.0 < 1 << 20, "read on and on");
                bytes.fill(b'x');
                Ok(bytes.len())
            }
        }
        assert_eq!(IpcFile::from_reader("text", Endless(0)).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn a_cut_file_is_an_error_wherever_it_is_cut() {
        let whole = file(false);
        for len in 0..whole.len() {
            let on_disk = written(&whole[..len]);
            let error = IpcFile::open(on_disk.path()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{len}: {error}");
        }
    }

    /// A stream may end without its end marker; inside a message it may not.
    #[test]
    fn a_cut_stream_gives_whole_batches_or_an_error() {
        let whole = stream(false);
        let mut clean_ends = 0;
        for len in 1..whole.len() {
            let on_disk = written(&whole[..len]);
            match IpcFile::open(on_disk.path()).and_then(read) {
                Ok(batches) => {
                    clean_ends += 1;
                    assert!(batches.iter().zip([batch(0), batch(4)]).all(|(got, want)| *got == want), "{len}");
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidData, "{len}: {error}"),
            }
        }
        assert!((1..=6).contains(&clean_ends), "{clean_ends}");
    }

    // PITFALLS C10, for files of others: whatever bit is flipped, there is data or an error, and no huge allocation.
    #[test]
    fn every_flipped_bit_gives_data_or_an_error() {
        for whole in [file(false), stream(false)] {
            for byte in 0..whole.len() {
                for bit in 0..8 {
                    let mut bytes = whole.clone();
                    bytes[byte] ^= 1 << bit;
                    let outcome = IpcFile::from_reader("flipped", Cursor::new(bytes.clone())).and_then(read);
                    if let Err(error) = outcome {
                        assert!(matches!(error.kind(), ErrorKind::InvalidData), "byte {byte}, bit {bit}: {error}");
                    }
                }
            }
        }
        let whole = file(false);
        let on_disk = written(&whole);
        // The footer, which only a reader that seeks uses.
        for byte in whole.len() - 600..whole.len() {
            let mut bytes = whole.clone();
            bytes[byte] ^= 0x40;
            std::fs::write(on_disk.path(), bytes).unwrap();
            if let Err(error) = IpcFile::open(on_disk.path()).and_then(read) {
                assert_eq!(error.kind(), ErrorKind::InvalidData, "byte {byte}: {error}");
            }
        }
    }

    #[test]
    fn an_error_ends_the_iteration() {
        let mut bytes = stream(false);
        let len = bytes.len() - 20;
        bytes.truncate(len);
        let mut opened = IpcFile::from_reader("cut", Cursor::new(bytes)).unwrap();
        assert!(opened.next().unwrap().is_ok());
        assert!(opened.next().unwrap().is_err());
        assert!(opened.next().is_none());
    }

    #[cfg(feature = "zstd")]
    #[test]
    fn compressed_bodies_are_read() {
        let options = IpcWriteOptions::default().try_with_compression(Some(arrow_ipc::CompressionType::ZSTD)).unwrap();
        let mut writer = FileWriter::try_new_with_options(Vec::new(), &batch(0).schema(), options).unwrap();
        writer.write(&batch(0)).unwrap();
        let on_disk = written(&writer.into_inner().unwrap());
        assert_eq!(IpcFile::open(on_disk.path()).and_then(read).unwrap(), [batch(0)]);
    }
}
