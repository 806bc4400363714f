//! Writing bytes and batches to spills.

use std::cell::Cell;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::SchemaRef;

use super::args::{self, Out};
use super::arrow::{self, StreamReader, Taken};
use super::call::{self, InTurn, in_turn};
use super::completion::WeirCompletion;
use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::{self, Handle};
use super::spill_writer::{Spilling, WeirSpillWriter};
use crate::error::{Error, Result, bail, err};
use crate::runtime::{self, Deadline};
use crate::spill::Lease;

/// Some bytes of the caller's.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirBytes {
    /// Where they begin; may be NULL if there are none.
    pub data: *const u8,
    /// How many there are.
    pub len: usize,
}

thread_local! {
    /// The writer that takes a stream of the caller's on this thread: one that writes to the same would wait for itself.
    static STREAMING: Cell<*const Spilling> = const { Cell::new(std::ptr::null()) };
}

/// Marks that the thread takes a stream into a writer, until it is dropped.
struct Streaming(*const Spilling);

impl Streaming {
    fn into(writer: &Spilling) -> Self {
        Self(STREAMING.try_with(|current| current.replace(writer)).unwrap_or(std::ptr::null()))
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        let _ = STREAMING.try_with(|current| current.set(self.0));
    }
}

impl Spilling {
    /// Refuses to wait for a turn that cannot come.
    pub(super) fn may_wait(&self) -> Result<()> {
        runtime::may_block()?;
        if STREAMING.try_with(Cell::get).is_ok_and(|current| std::ptr::eq(current, self)) {
            bail!(WouldDeadlock, "the writer takes a stream on this thread, which must not write to it itself");
        }
        Ok(())
    }

    fn schema(&self) -> Result<&SchemaRef> {
        self.schema.as_ref().ok_or_else(|| err!(InvalidArgument, "the spill takes bytes: write bytes, not batches"))
    }

    async fn write(&self, bytes: &[u8]) -> Result<()> {
        self.writer.turn().await?.write(bytes).await
    }

    async fn write_vectored(&self, parts: &[IoSlice<'_>]) -> Result<()> {
        self.writer.turn().await?.write_vectored(parts).await
    }

    async fn write_batch(&self, batch: &RecordBatch) -> Result<()> {
        self.writer.turn().await?.write_batch(batch).await
    }
}

/// Appends bytes. What fits into the writer's buffer is copied and costs no I/O.
///
/// @param writer      the writer
/// @param data        the bytes; NULL if there are none
/// @param len         how many
/// @param timeout_ms  < 0 = for ever. When it passes, nothing was written.
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK. After an error nothing was written and the writer goes on, unless the error's detail `spill_lost` is 1: then the
/// spill is lost, and every later call says the same. Errors of the first two lines have that detail, 0 or 1.
///  - WEIR_STATUS_STORAGE_FULL: 1 for a full disk; 0 for the floor of free space (details `free_bytes`, `floor_bytes`, `requested_bytes`) and
///    for want of memory
///  - WEIR_STATUS_STORAGE, WEIR_STATUS_PERMISSION_DENIED: 1 for a failed write; 0 if the place to write to could not be made, or asked
///    for its free space
///  - WEIR_STATUS_DISK_CAP_EXCEEDED (details `cap_bytes`, `used_bytes`, `requested_bytes`)
///  - WEIR_STATUS_UNSUPPORTED, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_NOT_FOUND if the first write finds that the store's location is none:
///    a file system without locks, a path through a file, a bucket that does not exist
///  - WEIR_STATUS_INVALID_ARGUMENT if it is a writer of batches
///  - WEIR_STATUS_TIMED_OUT
///  - WEIR_STATUS_CLOSED after the end
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `len` bytes at `data` may be read; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_writer_write(
    writer: *const WeirSpillWriter,
    data: *const u8,
    len: usize,
    timeout_ms: i64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let body = |writer: &Handle<WeirSpillWriter>| {
        // SAFETY: the caller's promise.
        let bytes = unsafe { args::slice("data", data, len) }?;
        runtime::may_block()?;
        if writer.core.writer.buffer(bytes)? {
            return Ok(());
        }
        writer.core.may_wait()?;
        runtime::block_on(writer.core.write(bytes), timeout_ms)
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(writer, error, body) }
}

/// weir_spill_writer_write() with a completion. The bytes are copied before it returns; those that fit into the writer's buffer are written
/// by then. Writes that are under way at once are done in the order of their calls. Copies of those that wait count against no limit: who
/// does not wait for completions bounds them.
///
/// @param writer      the writer
/// @param data        the bytes; NULL if there are none
/// @param len         how many
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_STORAGE_FULL if there is no memory for the copy
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `len` bytes at `data` may be read; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_writer_write_async(
    writer: *const WeirSpillWriter,
    data: *const u8,
    len: usize,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let decode = || {
        // SAFETY: the caller's promise, here and below.
        let handle = unsafe { handle::share(writer) }?;
        // SAFETY: the same.
        let bytes = unsafe { args::slice("data", data, len) }?;
        let written = handle.core.writer.buffer(bytes);
        let rest = if matches!(written, Ok(false)) { joined(&[IoSlice::new(bytes)])? } else { Vec::new() };
        Ok(write_rest(&handle, written, rest))
    };
    // SAFETY: the caller's promise.
    unsafe { call::defer_in_turn(error, completion, decode) }
}

/// A copy of all `parts`.
fn joined(parts: &[IoSlice<'_>]) -> Result<Vec<u8>> {
    let len = parts.iter().try_fold(0_usize, |sum, part| sum.checked_add(part.len()));
    let len = len.ok_or_else(|| err!(InvalidArgument, "the parts of a write sum to more than memory can have"))?;
    let mut copy = Vec::new();
    let reserved = copy.try_reserve_exact(len);
    reserved.map_err(|_| err!(StorageFull, "there is no memory for a copy of {len} bytes").with_u64("spill_lost", 0))?;
    parts.iter().for_each(|part| copy.extend_from_slice(part));
    Ok(copy)
}

/// The write of `bytes`, which is over if `written` says that it was done or refused.
fn write_rest(
    handle: &Arc<Handle<WeirSpillWriter>>,
    written: Result<bool>,
    bytes: Vec<u8>,
) -> InTurn<impl Future<Output = Result<Option<Lease>>> + Send + use<>, impl FnOnce(Option<Lease>) -> Written + Send + use<>> {
    let waits = matches!(written, Ok(false));
    let turn = waits.then(|| handle.core.writer.queue());
    let place = async move {
        match turn {
            Some(turn) => Ok(Some(turn.wait().await?)),
            None => written.map(|_| None),
        }
    };
    let run = |lease: Option<Lease>| {
        let write = async move {
            match lease {
                Some(mut lease) => lease.write(&bytes).await,
                None => Ok(()),
            }
        };
        Box::pin(write) as Written
    };
    in_turn(handle, handle.core.blocking && waits, place, run)
}

/// A write, to be awaited.
type Written = crate::env::BoxFuture<'static, Result<()>>;

/// The bytes of all parts.
///
/// # Safety
///
/// As weir_spill_writer_writev() says of `parts`; the result is used only while that holds.
unsafe fn slices<'a>(parts: *const WeirBytes, parts_len: usize) -> Result<Vec<IoSlice<'a>>> {
    // SAFETY: the caller's promise, here and below.
    let parts = unsafe { args::slice("parts", parts, parts_len) }?;
    // SAFETY: the same.
    parts.iter().map(|part| Ok(IoSlice::new(unsafe { args::slice("parts[].data", part.data, part.len) }?))).collect()
}

/// Appends bytes that lie in several places, all or none of them.
///
/// @param writer      the writer
/// @param parts       where the bytes lie; NULL if there are none
/// @param parts_len   how many places
/// @param timeout_ms  < 0 = for ever. When it passes, nothing was written.
/// @param error       receives the error, unless NULL
/// @return as weir_spill_writer_write()
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `parts_len` structs at `parts`, and the bytes that they speak of, may be read;
/// `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_writer_writev(
    writer: *const WeirSpillWriter,
    parts: *const WeirBytes,
    parts_len: usize,
    timeout_ms: i64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let body = |writer: &Handle<WeirSpillWriter>| {
        // SAFETY: the caller's promise.
        let slices = unsafe { slices(parts, parts_len) }?;
        writer.core.may_wait()?;
        runtime::block_on(writer.core.write_vectored(&slices), timeout_ms)
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(writer, error, body) }
}

/// weir_spill_writer_writev() with a completion, as weir_spill_writer_write_async(): the bytes are copied before it returns.
///
/// @param writer      the writer
/// @param parts       where the bytes lie; NULL if there are none
/// @param parts_len   how many places
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return as weir_spill_writer_write_async()
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `parts_len` structs at `parts`, and the bytes that they speak of, may be read;
/// `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_writer_writev_async(
    writer: *const WeirSpillWriter,
    parts: *const WeirBytes,
    parts_len: usize,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let decode = || {
        // SAFETY: the caller's promise, here and below.
        let handle = unsafe { handle::share(writer) }?;
        // SAFETY: the same.
        let bytes = joined(&unsafe { slices(parts, parts_len) }?)?;
        let written = handle.core.writer.buffer(&bytes);
        Ok(write_rest(&handle, written, bytes))
    };
    // SAFETY: the caller's promise.
    unsafe { call::defer_in_turn(error, completion, decode) }
}

/// The batch in `array`.
fn import(writer: &Spilling, array: Taken<FFI_ArrowArray>) -> Result<RecordBatch> {
    arrow::import_batch(array.array()?, writer.schema()?, writer.validate)
}

/// Appends a batch. Only its own rows are written, not the parents of a slice. It may have no rows.
///
/// @param writer      the writer, of weir_spill_begin_batches()
/// @param array       the batch, a struct array of the writer's schema; consumed on every return
/// @param timeout_ms  < 0 = for ever. When it passes, nothing was written.
/// @param error       receives the error, unless NULL
/// @return as weir_spill_writer_write(); WEIR_STATUS_INVALID_DATA, WEIR_STATUS_SCHEMA_MISMATCH; WEIR_STATUS_INVALID_ARGUMENT if it is a writer
/// of bytes
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `array` is NULL or an array to be consumed; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_writer_write_batch(
    writer: *const WeirSpillWriter,
    array: *mut FFI_ArrowArray,
    timeout_ms: i64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let array = unsafe { arrow::take(array) };
    let body = |writer: &Handle<WeirSpillWriter>| {
        let batch = import(&writer.core, array)?;
        writer.core.may_wait()?;
        runtime::block_on(writer.core.write_batch(&batch), timeout_ms)
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(writer, error, body) }
}

/// weir_spill_writer_write_batch() with a completion. The batch is kept until it is written.
///
/// @param writer      the writer, of weir_spill_begin_batches()
/// @param array       the batch, a struct array of the writer's schema; consumed on every return
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_DATA, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `array` is NULL or an array to be consumed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_writer_write_batch_async(
    writer: *const WeirSpillWriter,
    array: *mut FFI_ArrowArray,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let array = unsafe { arrow::take(array) };
    let decode = || {
        // SAFETY: the caller's promise.
        let handle = unsafe { handle::share(writer) }?;
        let batch = import(&handle.core, array)?;
        let turn = handle.core.writer.queue();
        Ok(in_turn(&handle, handle.core.blocking, turn.wait(), async move |mut lease: Lease| lease.write_batch(&batch).await))
    };
    // SAFETY: the caller's promise.
    unsafe { call::defer_in_turn(error, completion, decode) }
}

/// A stream to be written.
struct Streamed {
    handle: Arc<Handle<WeirSpillWriter>>,
    reader: StreamReader,
    timeout_ms: i64,
    /// Counts the batches that were written: known also to who gives up.
    accepted: Arc<AtomicU64>,
}

impl Streamed {
    /// Refuses a stream of another schema.
    fn check_schema(&mut self) -> Result<()> {
        let core = &self.handle.core;
        let wanted = core.schema()?;
        let given = {
            let _streaming = Streaming::into(core);
            self.reader.schema()?
        };
        if given.fields() == wanted.fields() {
            return Ok(());
        }
        let wrong = given.fields().iter().zip(wanted.fields()).find(|(given, wanted)| given != wanted);
        Err(match wrong {
            Some((given, wanted)) => err!(SchemaMismatch, "the stream's column is {given}, the spill's {wanted}"),
            None => err!(SchemaMismatch, "the stream has {} columns, the spill {}", given.fields().len(), wanted.fields().len()),
        })
    }

    /// The next batch, read on the thread that polls.
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let core = &self.handle.core;
        let array = {
            let _streaming = Streaming::into(core);
            self.reader.next()?
        };
        array.map(|array| arrow::import_batch(array, core.schema()?, core.validate)).transpose()
    }

    async fn write(mut self, mut lease: Lease) -> Result<()> {
        let deadline = Deadline::after(self.timeout_ms);
        self.check_schema()?;
        while let Some(batch) = self.next()? {
            if self.timeout_ms != 0 && deadline.remaining().is_some_and(|left| left.is_zero()) {
                bail!(TimedOut, "the stream was not done within {} ms", self.timeout_ms);
            }
            lease.write_batch(&batch).await?;
            self.accepted.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Says in `failure` how many batches were written before it.
fn counted(failure: Error, accepted: &AtomicU64) -> Error {
    failure.with_u64("accepted", accepted.load(Ordering::Relaxed))
}

/// Appends all batches of a stream. The stream must not write to the same writer.
///
/// @param writer      the writer, of weir_spill_begin_batches()
/// @param stream      the stream, of the writer's schema; consumed on every return
/// @param timeout_ms  for all together; < 0 = for ever
/// @param error       receives the error, unless NULL; its detail `accepted` says how many batches were written before, also if time is up
/// @return as weir_spill_writer_write_batch(); what the stream failed with
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `stream` is NULL or a stream to be consumed; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_writer_write_stream(
    writer: *const WeirSpillWriter,
    stream: *mut FFI_ArrowArrayStream,
    timeout_ms: i64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let stream = unsafe { arrow::take_stream(stream) };
    let accepted = Arc::<AtomicU64>::default();
    let decode = || {
        // SAFETY: the caller's promise.
        let handle = unsafe { handle::share(writer) }?;
        let reader = StreamReader::new(stream.stream()?)?;
        handle.core.may_wait()?;
        let stream = Streamed { handle: Arc::clone(&handle), reader, timeout_ms, accepted: Arc::clone(&accepted) };
        let turn = handle.core.writer.queue();
        Ok(in_turn(&handle, handle.core.blocking, turn.wait(), |lease| stream.write(lease)).on_one_thread())
    };
    // SAFETY: the caller's promise.
    unsafe { call::wait_explained(error, timeout_ms, Out::none(), decode, |failure| counted(failure, &accepted)) }
}

/// weir_spill_writer_write_stream() with a completion. The stream is read on a thread of weir's.
///
/// @param writer      the writer, of weir_spill_begin_batches()
/// @param stream      the stream, of the writer's schema; consumed on every return
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `stream` is NULL or a stream to be consumed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_writer_write_stream_async(
    writer: *const WeirSpillWriter,
    stream: *mut FFI_ArrowArrayStream,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let stream = unsafe { arrow::take_stream(stream) };
    let decode = || {
        // SAFETY: the caller's promise.
        let handle = unsafe { handle::share(writer) }?;
        let reader = StreamReader::new(stream.stream()?)?;
        let accepted = Arc::<AtomicU64>::default();
        let stream = Streamed { handle: Arc::clone(&handle), reader, timeout_ms: -1, accepted: Arc::clone(&accepted) };
        let turn = handle.core.writer.queue();
        let place = async { turn.wait().await.map_err(|failure| failure.with_u64("accepted", 0)) };
        let run = async move |lease: Lease| stream.write(lease).await.map_err(|failure| counted(failure, &accepted));
        // The caller's stream may block, so it is not read on a worker.
        Ok(in_turn(&handle, true, place, run))
    };
    // SAFETY: the caller's promise.
    unsafe { call::defer_in_turn(error, completion, decode) }
}
