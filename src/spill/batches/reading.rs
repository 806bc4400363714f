//! The readable half of a spill of batches.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parking_lot::Mutex;

use super::super::{Spill, SpillReader};
use super::{Format, Place};
use crate::error::{Error, Result, bail, err};
use crate::wal::entry::{Compression, crc32c};

/// Batches that lie next to each other are read together up to so many bytes; a larger batch is read by itself.
const TOGETHER: usize = 256 * 1024;
/// Buffers are made this much larger than needed, at most, so that the next batch, a little larger, fits too.
const ROUND: usize = 64 * 1024;

/// How batches are mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MapOptions {
    /// Whether the first map of each batch compares its bytes with the checksum, which reads them all.
    pub verify: bool,
}

struct Contents {
    spill: Spill,
    format: Arc<Format>,
    places: Vec<Place>,
    rows: u64,
    /// The whole spill, once it was mapped.
    mapped: Mutex<Option<Buffer>>,
}

/// A spill of batches, readable by any number of threads at once. Clones share it; the last one deletes it.
#[derive(Clone)]
pub struct BatchSpill(Arc<Contents>);

impl fmt::Debug for BatchSpill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchSpill").field("batches", &self.0.places.len()).field("rows", &self.0.rows).finish_non_exhaustive()
    }
}

impl BatchSpill {
    pub(super) fn new(spill: Spill, format: Arc<Format>, mut places: Vec<Place>, rows: u64) -> Self {
        places.shrink_to_fit();
        Self(Arc::new(Contents { spill, format, places, rows, mapped: Mutex::default() }))
    }

    /// The schema of every batch.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.0.format.schema
    }

    /// The bytes that the batches lie in.
    #[must_use]
    pub fn spill(&self) -> &Spill {
        &self.0.spill
    }

    /// How many batches there are.
    #[must_use]
    pub fn batch_count(&self) -> usize {
        self.0.places.len()
    }

    /// How many rows they have together.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.0.rows
    }

    /// Reads batch `index`, from 0.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such batch; `Corruption`; those of [`Spill::read_at`].
    pub async fn batch(&self, index: usize) -> Result<RecordBatch> {
        let place = self.0.place(index)?;
        if place.len == 0 {
            return self.0.decode(index, place, &Buffer::default(), true);
        }
        let mut bytes = zeroed(place.len)?;
        let read = self.0.spill.read_at(place.offset, bytes.as_slice_mut()).await;
        read.and_then(|read| whole(read, place.len, place.offset)).map_err(|error| named(index, &error))?;
        self.0.compare(index, place, &bytes)?;
        self.0.decode(index, place, &bytes.into(), true)
    }

    /// Batch `index` without copying it: its buffers lie in the mapped file, which stays until they are gone.
    ///
    /// # Errors
    /// `Unsupported` if the spill is compressed, encrypted or not on a local disk; as [`Self::batch`].
    pub fn mapped(&self, index: usize, options: MapOptions) -> Result<RecordBatch> {
        let place = self.0.place(index)?;
        if self.0.format.compression != Compression::None {
            bail!(Unsupported, "compressed batches cannot be mapped: read them");
        }
        if place.len == 0 {
            return self.0.decode(index, place, &Buffer::default(), true);
        }
        let whole = self.0.map()?;
        let bytes = usize::try_from(place.offset).ok().filter(|at| at.checked_add(place.len).is_some_and(|end| end <= whole.len()));
        let Some(offset) = bytes else {
            return Err(damaged(index, format_args!("the spill's file was cut off at {} bytes", whole.len())));
        };
        let bytes = whole.slice_with_length(offset, place.len);
        let compared = place.compared.load(Ordering::Relaxed);
        if options.verify && !compared {
            self.0.compare(index, place, &bytes)?;
            place.compared.store(true, Ordering::Relaxed);
        }
        // Not even then is it trusted: whoever may write the file can do so at any time.
        self.0.decode(index, place, &bytes, false)
    }

    /// The batches in order.
    #[must_use]
    pub fn stream(&self) -> BatchStream {
        let reader = self.0.spill.reader();
        BatchStream { spill: self.clone(), reader, next: 0, mapped: None, chunk: Chunk::default(), pool: Arc::default() }
    }

    /// The batches in order, each as [`Self::mapped`] gives it.
    #[must_use]
    pub fn mapped_stream(&self, options: MapOptions) -> BatchStream {
        BatchStream { mapped: Some(options), ..self.stream() }
    }
}

impl Contents {
    fn place(&self, index: usize) -> Result<&Place> {
        let count = self.places.len();
        self.places.get(index).ok_or_else(|| err!(InvalidArgument, "the spill has {count} batches, and no batch {index}"))
    }

    fn compare(&self, index: usize, place: &Place, bytes: &[u8]) -> Result<()> {
        let crc = crc32c(bytes);
        if crc != place.crc {
            return Err(damaged(index, format_args!("its checksum is {crc:08x} instead of {:08x}", place.crc)));
        }
        Ok(())
    }

    fn decode(&self, index: usize, place: &Place, bytes: &Buffer, trusted: bool) -> Result<RecordBatch> {
        let schema = &self.format.schema;
        match &self.format.codec {
            Some((_, decoder)) if place.rows > 0 => decoder.decode(bytes, place.rows, trusted).map_err(|error| named(index, &error)),
            Some(_) => Ok(RecordBatch::new_empty(Arc::clone(schema))),
            None => {
                let options = RecordBatchOptions::new().with_row_count(Some(place.rows));
                let batch = RecordBatch::try_new_with_options(Arc::clone(schema), Vec::new(), &options);
                batch.map_err(|e| err!(Internal, "batch {index} of the spill cannot be made: {e}"))
            }
        }
    }

    fn map(&self) -> Result<Buffer> {
        let mut mapped = self.mapped.lock();
        if let Some(buffer) = &*mapped {
            return Ok(buffer.clone());
        }
        let buffer = Buffer::from(Bytes::from_owner(self.spill.map()?));
        Ok(mapped.insert(buffer).clone())
    }
}

/// Refuses a read that fell short of what was written.
fn whole(read: usize, len: usize, offset: u64) -> Result<()> {
    if read != len {
        bail!(Corruption, "{read} of {len} bytes at {offset} are left of it");
    }
    Ok(())
}

#[cold]
fn damaged(index: usize, what: fmt::Arguments<'_>) -> Error {
    err!(Corruption, "batch {index} of the spill is damaged: {what}").with_u64("batch", index as u64)
}

/// `error` with the batch that it concerns.
#[cold]
fn named(index: usize, error: &Error) -> Error {
    error.clone().context(format_args!("batch {index} of the spill")).with_u64("batch", index as u64)
}

fn zeroed(len: usize) -> Result<MutableBuffer> {
    MutableBuffer::try_from_len_zeroed(len).map_err(|_| err!(Storage, "there is no memory for {len} bytes of a spill"))
}

/// Bytes that were read and of which some batches are still to be given out.
#[derive(Default)]
struct Chunk {
    /// Where they begin in the spill.
    offset: u64,
    bytes: Buffer,
}

/// The batches of a spill in order. See [`BatchSpill::stream`].
pub struct BatchStream {
    spill: BatchSpill,
    /// Reads ahead.
    reader: SpillReader,
    next: usize,
    mapped: Option<MapOptions>,
    chunk: Chunk,
    pool: Arc<Pool>,
}

impl fmt::Debug for BatchStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchStream").field("spill", &self.spill).field("next", &self.next).finish_non_exhaustive()
    }
}

impl BatchStream {
    /// The schema of every batch.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        self.spill.schema()
    }

    /// The next batch; none at the end. After an error the same batch is tried again.
    ///
    /// # Errors
    /// As [`BatchSpill::batch`], or [`BatchSpill::mapped`].
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let (index, contents) = (self.next, Arc::clone(&self.spill.0));
        let Some(place) = contents.places.get(index) else { return Ok(None) };
        let batch = match self.mapped {
            Some(options) => self.spill.mapped(index, options)?,
            None => {
                let bytes = self.bytes(index, place).await?;
                contents.compare(index, place, &bytes)?;
                contents.decode(index, place, &bytes, true)?
            }
        };
        self.next += 1;
        Ok(Some(batch))
    }

    /// The bytes of the batch.
    async fn bytes(&mut self, index: usize, place: &Place) -> Result<Buffer> {
        if place.len == 0 {
            return Ok(Buffer::default());
        }
        if let Some(bytes) = self.chunk.find(place) {
            return Ok(bytes);
        }
        // Let go before the next is taken, so that its memory can be used again.
        self.chunk = Chunk::default();
        self.fetch(index, place).await.map_err(|error| named(index, &error))?;
        self.chunk.find(place).ok_or_else(|| err!(Internal, "batch {index} of the spill is not where it was read"))
    }

    /// Reads the batch, and those behind it that are read along with it.
    async fn fetch(&mut self, index: usize, place: &Place) -> Result<()> {
        let mut len = place.len;
        for next in self.spill.0.places.iter().skip(index + 1) {
            match len.checked_add(next.len) {
                Some(more) if more <= TOGETHER => len = more,
                _ => break,
            }
        }
        let mut lent = Pool::take(&self.pool, len)?;
        let read = self.read(place.offset, lent.bytes.get_mut(..len).unwrap_or_default()).await?;
        whole(read, len, place.offset)?;
        let bytes = Buffer::from(Bytes::from_owner(lent)).slice_with_length(0, len);
        self.chunk = Chunk { offset: place.offset, bytes };
        Ok(())
    }

    /// What is on this machine is read straight into place: its kernel reads ahead. What is elsewhere was asked for before.
    async fn read(&mut self, offset: u64, out: &mut [u8]) -> Result<usize> {
        if self.spill.0.spill.is_blocking() {
            return self.spill.0.spill.read_at(offset, out).await;
        }
        self.reader.seek(offset);
        self.reader.read(out).await
    }
}

impl Chunk {
    /// The bytes of the batch, if they are here.
    fn find(&self, place: &Place) -> Option<Buffer> {
        let at = usize::try_from(place.offset.checked_sub(self.offset)?).ok()?;
        let end = at.checked_add(place.len)?;
        (end <= self.bytes.len()).then(|| self.bytes.slice_with_length(at, place.len))
    }
}

/// One buffer that came back and waits to be filled again: else each batch would be read into fresh memory, which the system has
/// to zero first, and that takes longer than reading.
#[derive(Default)]
struct Pool(Mutex<Option<MutableBuffer>>);

/// A buffer that goes back to its pool when the last array in it is gone.
struct Lent {
    bytes: MutableBuffer,
    home: Weak<Pool>,
}

impl Pool {
    /// A buffer of at least `len` bytes.
    fn take(self: &Arc<Self>, len: usize) -> Result<Lent> {
        let spare = self.0.lock().take().filter(|spare| spare.len() >= len && spare.len() / 4 <= len + ROUND);
        let bytes = match spare {
            Some(spare) => spare,
            None => zeroed(len.checked_next_multiple_of(ROUND).unwrap_or(len))?,
        };
        Ok(Lent { bytes, home: Arc::downgrade(self) })
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            let bytes = std::mem::replace(&mut self.bytes, MutableBuffer::new(0));
            home.0.lock().get_or_insert(bytes);
        }
    }
}
