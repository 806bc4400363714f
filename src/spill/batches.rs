//! Spills of Arrow batches.
//!
//! A [`BatchSpillWriter`] encodes each batch as the Arrow IPC messages of its dictionaries and of itself, hands these to the
//! writer of bytes without copying large buffers, and keeps in memory where each batch lies. A [`BatchSpill`] gives them back:
//! any one, all in order with read-ahead, or mapped.
//!
//! Guarantees:
//!
//! 1. Every batch comes back equal, under the schema that the writer was given. Exactly its own rows are stored, not the parent of a
//!    slice nor unused values of a dictionary. Each batch has its dictionaries with it, so they may differ from batch to batch,
//!    and any batch can be read alone.
//! 2. A batch that was refused leaves no trace, and the writer goes on.
//! 3. Bytes that storage damaged are a `CORRUPTION` error: what is read is compared with a checksum that never leaves memory. What is
//!    mapped is validated as data of others is, and compared if that is asked for.
//! 4. Every batch begins at a multiple of 64 bytes, and so does each of its buffers.

mod reading;

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};

use super::SpillWriter;
use crate::error::{Result, bail, err};
use crate::wal::entry::{BatchDecoder, BatchEncoder, Compression, Crc};

pub use reading::{BatchSpill, BatchStream, MapOptions};

/// Where a batch lies.
#[derive(Debug)]
struct Place {
    offset: u64,
    /// 0 for a batch without rows or columns, of which nothing is stored.
    len: usize,
    rows: usize,
    crc: u32,
    /// Whether the mapped bytes were compared with the checksum.
    compared: AtomicBool,
}

/// What batches of a schema are stored as.
#[derive(Debug)]
struct Format {
    schema: SchemaRef,
    compression: Compression,
    /// None for a schema without columns: then the numbers of rows are all there is.
    codec: Option<(BatchEncoder, BatchDecoder)>,
}

impl Format {
    fn new(schema: &Schema, compression: Compression) -> Result<Self> {
        let schema = SchemaRef::new(schema.clone());
        if schema.fields().is_empty() {
            return Ok(Self { schema, compression, codec: None });
        }
        let encoder = BatchEncoder::new(&schema, compression)?;
        let decoder = BatchDecoder::new(&encoder, Arc::clone(&schema))?;
        Ok(Self { schema, compression, codec: Some((encoder, decoder)) })
    }

    fn check_schema(&self, given: &SchemaRef) -> Result<()> {
        if Arc::ptr_eq(given, &self.schema) {
            return Ok(());
        }
        match &self.codec {
            Some((encoder, _)) => encoder.check_schema(given),
            None if given.fields().is_empty() => Ok(()),
            None => bail!(SchemaMismatch, "the batch has {} columns, and the spill's schema has none", given.fields().len()),
        }
    }
}

/// Writes batches of one schema to a spill. Dropping it unfinished deletes what was written.
#[derive(Debug)]
pub struct BatchSpillWriter {
    writer: SpillWriter,
    format: Arc<Format>,
    places: Vec<Place>,
    rows: u64,
}

impl BatchSpillWriter {
    /// A writer of batches of `schema` into `writer`, which has taken nothing yet. Batches that differ from `schema` in nullability and
    /// metadata only are stored under it.
    ///
    /// # Errors
    /// `SchemaMismatch` if Arrow IPC cannot store the schema; `Unsupported` if this build lacks the compression;
    /// `InvalidArgument` if the writer has bytes already.
    pub fn new(writer: SpillWriter, schema: &Schema, compression: Compression) -> Result<Self> {
        if !writer.is_empty() {
            bail!(InvalidArgument, "the spill has {} bytes already, and batches must be all there is in it", writer.len());
        }
        let format = Arc::new(Format::new(schema, compression)?);
        Ok(Self { writer, format, places: Vec::new(), rows: 0 })
    }

    /// The schema of every batch.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.format.schema
    }

    /// How many batches it holds.
    #[must_use]
    pub fn batch_count(&self) -> usize {
        self.places.len()
    }

    /// How many rows they have together.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many bytes they take, before encryption.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a batch may take no bytes")]
    pub fn len(&self) -> u64 {
        self.writer.len()
    }

    /// Writes `batch`, which may have no rows.
    ///
    /// # Errors
    /// `SchemaMismatch`; `InvalidData` if a column has nulls that the schema forbids; those of [`SpillWriter::write`]. The batch is then
    /// not in the spill.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        let offset = self.writer.len();
        let mut place = Place { offset, len: 0, rows, crc: 0, compared: AtomicBool::new(false) };
        let total = self.rows.checked_add(rows as u64).ok_or_else(|| err!(InvalidData, "a spill cannot hold as many rows"))?;
        match &self.format.codec {
            Some((encoder, _)) if rows > 0 => {
                let encoded = encoder.encode(batch)?;
                let mut crc = Crc::new();
                let slices: Vec<_> = encoded.parts().iter().map(|part| IoSlice::new(part)).collect();
                encoded.parts().iter().for_each(|part| crc.update(part));
                (place.len, place.crc) = (encoded.len(), crc.finish());
                self.writer.write_vectored(&slices).await?;
            }
            _ => self.format.check_schema(batch.schema_ref())?,
        }
        self.places.push(place);
        self.rows = total;
        Ok(())
    }

    /// Ends the spill and makes it readable.
    ///
    /// # Errors
    /// Those of [`SpillWriter::finish`]; nothing is left then.
    pub async fn finish(self) -> Result<BatchSpill> {
        let Self { writer, format, places, rows } = self;
        let spill = writer.finish().await?;
        Ok(BatchSpill::new(spill, format, places, rows))
    }

    /// Deletes what was written and returns its bytes, as dropping it does.
    pub fn abort(self) {
        self.writer.abort();
    }
}
