//! Decoding of one batch by itself: what [`BatchEncoder::encode`](super::BatchEncoder::encode) made of it, without an entry around.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_schema::{DataType, SchemaRef};

use super::BatchEncoder;
use super::decode::{Decode, Fault, Reader, Stream, dictionary_types, guarded, parse};
use crate::error::{Result, err};

/// Decodes batches of one schema.
#[derive(Debug)]
pub(crate) struct BatchDecoder {
    /// What the batches are to have.
    schema: SchemaRef,
    /// The same with the dictionaries numbered as the encoder numbers them.
    numbered: SchemaRef,
    /// The types of the dictionaries' values, by number.
    types: HashMap<i64, DataType>,
}

impl BatchDecoder {
    /// A decoder of what `encoder` makes; its batches have `schema`, which differs from the encoder's in metadata at most.
    pub(crate) fn new(encoder: &BatchEncoder, schema: SchemaRef) -> Result<Self> {
        let preamble = encoder.preamble(0, None)?;
        let framed = preamble.get(8..).unwrap_or_default();
        let numbered = parse(framed).and_then(|message| {
            let header = message.header_as_schema().ok_or("the schema's message has no schema")?;
            Ok(try_fb_to_schema(header).map_err(|e| e.to_string())?)
        });
        let described = numbered.and_then(|numbered| Ok((dictionary_types(&numbered)?, numbered)));
        let (types, numbered) =
            described.map_err(|fault| err!(Internal, "the encoder's own schema cannot be read: {}", fault.message()))?;
        Ok(Self { schema, numbered: numbered.into(), types })
    }

    /// The batch in `bytes`, which borrows them. With `trusted`, a checksum says that these are the encoder's bytes; else they
    /// are validated whole.
    ///
    /// # Errors
    /// `CORRUPTION` if they are not those of a batch of the schema with `rows` rows; `UNSUPPORTED` if this build lacks their codec.
    pub(crate) fn decode(&self, bytes: &Buffer, rows: usize, trusted: bool) -> Result<RecordBatch> {
        guarded(|| self.read(bytes, rows, trusted)).map_err(|fault| match fault {
            Fault::Damaged(what) => err!(Corruption, "{what}"),
            Fault::Unsupported(what) => err!(Unsupported, "{what}"),
        })
    }

    fn read(&self, bytes: &Buffer, rows: usize, trusted: bool) -> Decode<RecordBatch> {
        let mut stream = Stream { object: bytes, at: 0, end: bytes.len() };
        let mut reader = Reader::new(&self.numbered, &self.types, bytes.len(), trusted);
        while reader.batches.is_empty() {
            let metadata = stream.metadata()?.ok_or("the stream ends before its batch")?;
            let message = parse(metadata)?;
            reader.message(&message, &stream.body(&message)?)?;
        }
        if !stream.rest().is_empty() {
            return Err(format!("{} bytes follow the batch", stream.rest().len()).into());
        }
        let batch = reader.batches.pop().ok_or("there is no batch")?;
        if batch.num_rows() != rows {
            return Err(format!("it has {} rows instead of {rows}", batch.num_rows()).into());
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let columns = batch.columns().to_vec();
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(|e| e.to_string())?)
    }
}

impl Fault {
    fn message(self) -> String {
        match self {
            Self::Damaged(what) | Self::Unsupported(what) => what,
        }
    }
}
