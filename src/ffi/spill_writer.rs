//! Writing spills.

use std::cell::Cell;
use std::io::IoSlice;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::SchemaRef;
use arrow_schema::ffi::FFI_ArrowSchema;

use super::args::{self, Out};
use super::arrow::{self, StreamReader, Taken};
use super::call::{self, Operation, operation};
use super::completion::WeirCompletion;
use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::{self, Handle, Opaque, Owned};
use super::open::compression;
use super::options::{self, Options, field_ends, flag};
use super::spill::WeirSpill;
use super::spill_store::WeirSpillStore;
use crate::error::{Result, bail, err};
use crate::runtime::{self, Deadline};
use crate::spill::{BatchSpillWriter, SharedWriter, SpillOptions, Turn};
use crate::wal::entry::Compression;

/// A spill that is being written. All functions may be called from any thread at once; writes take turns, in the order of their
/// calls, and nothing interleaves.
pub struct WeirSpillWriter {
    _opaque: [u8; 0],
}

/// What is inside.
pub(crate) struct Spilling {
    writer: SharedWriter,
    /// Of the batches; none for bytes.
    schema: Option<SchemaRef>,
    validate: bool,
    blocking: bool,
}

impl Opaque for WeirSpillWriter {
    type Core = Spilling;
    const MAGIC: u32 = u32::from_be_bytes(*b"spwr");
    const NAME: &'static str = "spill writer";
}

/// Options of weir_spill_begin() and weir_spill_begin_batches().
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirSpillOptions {
    /// `sizeof(WeirSpillOptions)`.
    pub struct_size: u32,
    /// Compression of batches, a `WEIR_COMPRESSION_*`; default none. Bytes are stored as they are.
    pub compression: i32,
    /// 1: what is stored is encrypted with a key that only this process's memory has; default 0.
    pub encrypt: u8,
    /// 1 (default): offsets, UTF-8 and keys of every batch are checked. 0 leaves that to whoever made the batches: if they are wrong,
    /// the process may read wild memory.
    pub validate: u8,
    /// Must be 0.
    pub reserved: [u8; 6],
}

// SAFETY: `repr(C)`, integers, no padding at the end.
unsafe impl Options for WeirSpillOptions {
    const NAME: &'static str = "WeirSpillOptions";
    const FROZEN: usize = size_of::<Self>();
    const ENDS: &'static [usize] = field_ends!(WeirSpillOptions: struct_size, compression, encrypt, validate, reserved);
    fn defaults() -> Self {
        Self { struct_size: size_of::<Self>() as u32, compression: 0, encrypt: 0, validate: 1, reserved: [0; 6] }
    }
}

/// Some bytes of the caller's.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirBytes {
    /// Where they begin; may be NULL if there are none.
    pub data: *const u8,
    /// How many there are.
    pub len: usize,
}

/// Fills options with their defaults.
///
/// @param options      the struct
/// @param struct_size  `sizeof(WeirSpillOptions)` as the caller knows it, in bytes: no more is written
///
/// # Safety
///
/// `options` is NULL or `struct_size` bytes there may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_options_init(options: *mut WeirSpillOptions, struct_size: u32) {
    // SAFETY: the caller's promise.
    unsafe { options::init(options, struct_size) };
}

impl WeirSpillOptions {
    fn decode(&self) -> Result<(SpillOptions, Compression, bool)> {
        if self.reserved != [0; 6] {
            bail!(InvalidArgument, "WeirSpillOptions.reserved is not 0");
        }
        let options = SpillOptions { encrypt: flag("encrypt", self.encrypt)? };
        Ok((options, compression(self.compression)?, flag("validate", self.validate)?))
    }
}

/// Begins a spill of bytes. Does no I/O.
///
/// @param store    the store; it may be freed before the writer
/// @param options  NULL for the defaults; `compression` must be none
/// @param writer   receives the writer; free it with weir_spill_writer_free()
/// @param error    receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_UNSUPPORTED
///
/// # Safety
///
/// `store` is NULL or a spill store that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_begin(
    store: *const WeirSpillStore,
    options: *const WeirSpillOptions,
    writer: *mut *mut WeirSpillWriter,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::<Owned<WeirSpillWriter>>::clear("writer", writer) };
    let body = |store: &Handle<WeirSpillStore>| {
        out.check()?;
        // SAFETY: the caller's promise.
        let (options, compression, validate) = unsafe { options::read(options) }?.decode()?;
        if compression != Compression::None {
            bail!(InvalidArgument, "compression is for batches: bytes are stored as they are");
        }
        let blocking = store.core.is_blocking();
        let writer = store.core.begin(options)?.into();
        out.set(Owned::new(Spilling { writer, schema: None, validate, blocking }));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(store, error, body) }
}

/// Begins a spill of Arrow batches, each of which can be read back by its number. Does no I/O.
///
/// @param store    the store; it may be freed before the writer
/// @param schema   the schema of every batch to come, a struct; borrowed. It may have no columns.
/// @param options  NULL for the defaults
/// @param writer   receives the writer; free it with weir_spill_writer_free()
/// @param error    receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_UNSUPPORTED; WEIR_STATUS_SCHEMA_MISMATCH if Arrow IPC cannot hold the
/// schema
///
/// # Safety
///
/// `store` is NULL or a spill store that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_begin_batches(
    store: *const WeirSpillStore,
    schema: *const FFI_ArrowSchema,
    options: *const WeirSpillOptions,
    writer: *mut *mut WeirSpillWriter,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::<Owned<WeirSpillWriter>>::clear("writer", writer) };
    let body = |store: &Handle<WeirSpillStore>| {
        out.check()?;
        // SAFETY: the caller's promise, here and below.
        let (options, compression, validate) = unsafe { options::read(options) }?.decode()?;
        // SAFETY: the same.
        let schema = unsafe { arrow::import_schema(schema) }?;
        let blocking = store.core.is_blocking();
        let writer = BatchSpillWriter::new(store.core.begin(options)?, &schema, compression)?;
        let schema = Some(Arc::clone(writer.schema()));
        out.set(Owned::new(Spilling { writer: writer.into(), schema, validate, blocking }));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(store, error, body) }
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
    fn may_wait(&self) -> Result<()> {
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
/// @return WEIR_STATUS_OK. Refused, the writer goes on: WEIR_STATUS_DISK_CAP_EXCEEDED (details `cap_bytes`, `used_bytes`,
/// `requested_bytes`), WEIR_STATUS_STORAGE_FULL for the floor of free space (details `free_bytes`, `floor_bytes`, `requested_bytes`),
/// WEIR_STATUS_TIMED_OUT, WEIR_STATUS_INVALID_ARGUMENT. The spill is lost, and every later call says the same: WEIR_STATUS_STORAGE_FULL for
/// a full disk, WEIR_STATUS_PERMISSION_DENIED, WEIR_STATUS_STORAGE. WEIR_STATUS_CLOSED after the end
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

/// weir_spill_writer_write() with a completion. The bytes are copied before it returns; those that fit into the
/// writer's buffer are written by then. Writes that are under way at once are done
/// in the order of their calls.
///
/// @param writer      the writer
/// @param data        the bytes; NULL if there are none
/// @param len         how many
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
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
        let waits = match written {
            Ok(false) => Some((handle.core.writer.queue(), copied(bytes)?)),
            _ => None,
        };
        let blocking = handle.core.blocking && waits.is_some();
        let future = async move {
            match waits {
                Some((turn, bytes)) => turn.wait().await?.write(&bytes).await,
                None => written.map(drop),
            }
        };
        Ok(operation(&handle, blocking, future))
    };
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, decode) }
}

fn copied(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).map_err(|_| err!(StorageFull, "there is no memory for a copy of {} bytes", bytes.len()))?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// The operation `run` on the writer, whose place in the queue is taken now.
fn in_turn<T, F>(handle: &Arc<Handle<WeirSpillWriter>>, run: impl FnOnce(Turn) -> F) -> Operation<F>
where
    F: Future<Output = Result<T>> + Send + 'static,
{
    operation(handle, handle.core.blocking, run(handle.core.writer.queue()))
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
        // SAFETY: the caller's promise, here and below.
        let parts = unsafe { args::slice("parts", parts, parts_len) }?;
        // SAFETY: the same.
        let slices = parts.iter().map(|part| Ok(IoSlice::new(unsafe { args::slice("parts[].data", part.data, part.len) }?)));
        let slices = slices.collect::<Result<Vec<_>>>()?;
        writer.core.may_wait()?;
        runtime::block_on(writer.core.write_vectored(&slices), timeout_ms)
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(writer, error, body) }
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
/// @return as weir_spill_writer_write(); WEIR_STATUS_INVALID_DATA
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
        Ok(in_turn(&handle, async move |turn: Turn| turn.wait().await?.write_batch(&batch).await))
    };
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, decode) }
}

/// Writes the batches of a stream, which is read on the thread that polls.
async fn write_stream(handle: Arc<Handle<WeirSpillWriter>>, mut reader: StreamReader, turn: Turn, timeout_ms: i64) -> Result<()> {
    let (core, deadline) = (&handle.core, Deadline::after(timeout_ms));
    let wanted = core.schema()?;
    let given = {
        let _streaming = Streaming::into(core);
        reader.schema()?
    };
    if given.fields() != wanted.fields() {
        let wrong = given.fields().iter().zip(wanted.fields()).find(|(given, wanted)| given != wanted);
        return Err(match wrong {
            Some((given, wanted)) => err!(SchemaMismatch, "the stream's column is {given}, the spill's {wanted}"),
            None => err!(SchemaMismatch, "the stream has {} columns, the spill {}", given.fields().len(), wanted.fields().len()),
        });
    }
    let mut lease = turn.wait().await?;
    let mut accepted = 0;
    loop {
        let next = {
            let _streaming = Streaming::into(core);
            reader.next()
        };
        let written = match next {
            Ok(None) => return Ok(()),
            Ok(Some(array)) if deadline.remaining().is_none_or(|left| !left.is_zero() || timeout_ms == 0) => {
                match arrow::import_batch(array, wanted, core.validate) {
                    Ok(batch) => lease.write_batch(&batch).await,
                    Err(error) => Err(error),
                }
            }
            Ok(Some(_)) => Err(err!(TimedOut, "the stream was not done within {timeout_ms} ms")),
            Err(error) => Err(error),
        };
        written.map_err(|error| error.with_u64("accepted", accepted))?;
        accepted += 1;
    }
}

/// Appends all batches of a stream. The stream must not write to the same writer.
///
/// @param writer      the writer, of weir_spill_begin_batches()
/// @param stream      the stream, of the writer's schema; consumed on every return
/// @param timeout_ms  for all together; < 0 = for ever
/// @param error       receives the error, unless NULL; its detail `accepted` says how many batches were written before
/// @return as weir_spill_writer_write_batch(); WEIR_STATUS_SCHEMA_MISMATCH
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
    let decode = || {
        // SAFETY: the caller's promise.
        let handle = unsafe { handle::share(writer) }?;
        let reader = StreamReader::new(stream.stream()?)?;
        handle.core.may_wait()?;
        let shared = Arc::clone(&handle);
        Ok(in_turn(&handle, |turn| write_stream(shared, reader, turn, timeout_ms)))
    };
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::none(), decode) }
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
        let turn = handle.core.writer.queue();
        // The caller's stream may block, so it is not read on a worker.
        Ok(operation(&handle, true, write_stream(Arc::clone(&handle), reader, turn, -1)))
    };
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, decode) }
}

/// The bytes that a writer took so far: of batches, as they are encoded. Before encryption. Also after the end; 0 for NULL.
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_writer_len(writer: *const WeirSpillWriter) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { handle::peek(writer) }.map_or(0, |handle| handle.core.writer.len())
}

unsafe fn finish(writer: *const WeirSpillWriter) -> Result<Operation<impl Future<Output = Result<Owned<WeirSpill>>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let handle = unsafe { handle::share(writer) }?;
    Ok(in_turn(&handle, async move |turn: Turn| Ok(WeirSpill::of(turn.wait().await?.finish().await?))))
}

/// Ends a spill and makes it readable. The writer is closed afterwards, whatever comes of it, and still to be freed. Never refused by
/// the cap: what was written counts already.
///
/// @param writer      the writer
/// @param timeout_ms  < 0 = for ever. When it passes while the store works, the spill is lost.
/// @param spill       receives the spill; free it with weir_spill_free()
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_CLOSED, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_STORAGE_FULL, WEIR_STATUS_STORAGE
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_writer_finish(
    writer: *const WeirSpillWriter,
    timeout_ms: i64,
    spill: *mut *mut WeirSpill,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise, here and below.
    let decode = || unsafe {
        handle::get(writer)?.core.may_wait()?;
        finish(writer)
    };
    // SAFETY: the same.
    unsafe { call::wait(error, timeout_ms, Out::clear("spill", spill), decode) }
}

/// weir_spill_writer_finish() with a completion: the event's `result` is the spill.
///
/// @param writer      the writer
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_writer_finish_async(
    writer: *const WeirSpillWriter,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || finish(writer)) }
}

/// Deletes what was written and returns its bytes. Does not wait: a write that is under way on another thread is the last. Does
/// nothing after weir_spill_writer_finish().
///
/// @param writer  the writer
/// @param error   receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `error` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_writer_abort(writer: *const WeirSpillWriter, error: *mut *mut WeirError) -> WeirStatus {
    let body = |writer: &Handle<WeirSpillWriter>| {
        writer.core.writer.abort();
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(writer, error, body) }
}

/// Frees a writer. One that was not finished is aborted, once what is under way is done. NULL is allowed.
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_writer_free(writer: *mut WeirSpillWriter) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(writer) };
}
