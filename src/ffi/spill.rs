//! Reading spills.

use std::sync::{Arc, OnceLock};

use arrow_array::RecordBatch;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::SchemaRef;
use arrow_schema::ffi::FFI_ArrowSchema;

use super::args::{self, Out};
use super::arrow::{self, BatchSource};
use super::arrow_out::ArrowOut;
use super::batch::WeirBatch;
use super::buffer::WeirBuffer;
use super::call::{self, Operation, operation};
use super::completion::{WeirCompletion, WeirResult};
use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::{self, Handle, Opaque, Owned};
use super::options::{self, Options, field_ends, flag};
use crate::error::{Result, bail, err};
use crate::runtime;
use crate::spill::{BatchSpill, BatchStream, Finished, MapOptions, MappedBytes, Spill};

/// What was spilled: bytes, or batches. Deleted, and its bytes returned to the budget, when it is freed and no reader, stream or mapped
/// batch of it is left. All functions may be called from any thread at once.
pub struct WeirSpill {
    _opaque: [u8; 0],
}

/// What is inside.
pub(crate) struct Spilled {
    pub(crate) spill: Spill,
    batches: Option<BatchSpill>,
    /// Lent to the caller until the spill is freed.
    mapped: OnceLock<MappedBytes>,
}

impl Opaque for WeirSpill {
    type Core = Spilled;
    const MAGIC: u32 = u32::from_be_bytes(*b"spil");
    const NAME: &'static str = "spill";
    const RESULT: i32 = WeirResult::Spill as i32;
}

impl WeirSpill {
    /// What a writer became.
    pub(crate) fn of(finished: Finished) -> Owned<Self> {
        let (spill, batches) = match finished {
            Finished::Bytes(spill) => (spill, None),
            Finished::Batches(batches) => (batches.spill().clone(), Some(batches)),
        };
        Owned::new(Spilled { spill, batches, mapped: OnceLock::new() })
    }
}

impl Spilled {
    fn batches(&self) -> Result<&BatchSpill> {
        self.batches.as_ref().ok_or_else(|| err!(InvalidArgument, "the spill has bytes, and no batches"))
    }

    /// Its bytes, mapped by the first call.
    fn map(&self) -> Result<&MappedBytes> {
        if let Some(bytes) = self.mapped.get() {
            return Ok(bytes);
        }
        // Of several at once, one stays.
        let bytes = self.spill.map()?;
        Ok(self.mapped.get_or_init(|| bytes))
    }
}

/// How batches are read.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirSpillReadOptions {
    /// `sizeof(WeirSpillReadOptions)`.
    pub struct_size: u32,
    /// 1: batches are not copied, but lie where the spill does: in the mapped file, or in the memory of a spill that was kept there. In a
    /// file their buffers are aligned to 64 bytes; in memory only as far as that memory is, and what Arrow needs aligned and is not is
    /// copied. Not for spills that are compressed, encrypted, or in an object store (WEIR_STATUS_UNSUPPORTED). Default 0.
    pub map: u8,
    /// With `map`, 1: the first map of each batch compares it with its checksum, which reads all of it; default 0: only its structure is
    /// checked, offsets, UTF-8 and keys included. Batches that are read are always compared.
    pub verify: u8,
    /// Must be 0.
    pub reserved: [u8; 2],
}

// SAFETY: `repr(C)`, integers, no padding at the end.
unsafe impl Options for WeirSpillReadOptions {
    const NAME: &'static str = "WeirSpillReadOptions";
    const FROZEN: usize = size_of::<Self>();
    const ENDS: &'static [usize] = field_ends!(WeirSpillReadOptions: struct_size, map, verify, reserved);
    fn defaults() -> Self {
        Self { struct_size: size_of::<Self>() as u32, map: 0, verify: 0, reserved: [0; 2] }
    }
}

impl WeirSpillReadOptions {
    /// None if batches are not mapped.
    fn decode(&self) -> Result<Option<MapOptions>> {
        if self.reserved != [0; 2] {
            bail!(InvalidArgument, "WeirSpillReadOptions.reserved is not 0");
        }
        let options = MapOptions { verify: flag("verify", self.verify)? };
        Ok(flag("map", self.map)?.then_some(options))
    }
}

/// Fills options with their defaults.
///
/// @param options      the struct
/// @param struct_size  `sizeof(WeirSpillReadOptions)` as the caller knows it, in bytes: no more is written
///
/// # Safety
///
/// `options` is NULL or `struct_size` bytes there may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_read_options_init(options: *mut WeirSpillReadOptions, struct_size: u32) {
    // SAFETY: the caller's promise.
    unsafe { options::init(options, struct_size) };
}

/// What `get` says of the spill; 0 for NULL.
unsafe fn number(spill: *const WeirSpill, get: impl FnOnce(&Spilled) -> u64) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { handle::peek(spill) }.map_or(0, |handle| get(&handle.core))
}

/// The bytes of a spill, as they were written; of batches, as they were encoded. 0 for NULL.
///
/// # Safety
///
/// `spill` is NULL or a spill that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_len(spill: *const WeirSpill) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { number(spill, |spill| spill.spill.len()) }
}

/// The bytes that a spill takes of its store's budget: more than weir_spill_len() if it is encrypted. 0 for NULL.
///
/// # Safety
///
/// `spill` is NULL or a spill that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_stored_bytes(spill: *const WeirSpill) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { number(spill, |spill| spill.spill.stored_bytes()) }
}

/// The rows of all batches of a spill; 0 if it has bytes, and for NULL.
///
/// # Safety
///
/// `spill` is NULL or a spill that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_rows(spill: *const WeirSpill) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { number(spill, |spill| spill.batches.as_ref().map_or(0, BatchSpill::rows)) }
}

/// The number of batches of a spill: as many as were written. 0 if it has bytes, and for NULL.
///
/// # Safety
///
/// `spill` is NULL or a spill that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_batch_count(spill: *const WeirSpill) -> usize {
    // SAFETY: the caller's promise.
    unsafe { number(spill, |spill| spill.batches.as_ref().map_or(0, BatchSpill::batch_count) as u64) as usize }
}

/// Exports the schema of a spill's batches.
///
/// @param spill   the spill, of batches
/// @param schema  receives the schema; call its `release`
/// @param error   receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `spill` is NULL or a spill that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_schema(
    spill: *const WeirSpill,
    schema: *mut FFI_ArrowSchema,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { ArrowOut::clear("schema", schema) };
    let body = |spill: &Handle<WeirSpill>| {
        out.check()?;
        out.set(arrow::export_schema(spill.core.batches()?.schema())?);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(spill, error, body) }
}

/// Reads bytes, straight into the caller's memory.
///
/// @param spill       the spill
/// @param offset      where to begin
/// @param out         receives the bytes; NULL if `len` is 0
/// @param len         how many bytes are wanted
/// @param timeout_ms  < 0 = for ever
/// @param n           receives how many there are: less than `len` only at the end of the spill, 0 beyond it
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_CORRUPTION, WEIR_STATUS_STORAGE, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `spill` is NULL or a spill that was not freed; `len` bytes at `out` may be written; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_read_at(
    spill: *const WeirSpill,
    offset: u64,
    out: *mut u8,
    len: usize,
    timeout_ms: i64,
    n: *mut usize,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let count = unsafe { Out::<usize>::clear("n", n) };
    let body = |spill: &Handle<WeirSpill>| {
        count.check()?;
        // SAFETY: the caller's promise.
        let out = unsafe { args::slice_mut("out", out, len) }?;
        count.set(runtime::block_on(spill.core.spill.read_at(offset, out), timeout_ms)?);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(spill, error, body) }
}

/// `len` bytes to read into, of which there are `left` at most, and room for the NUL of a buffer.
pub(super) fn room(len: usize, left: u64) -> Result<Vec<u8>> {
    let len = len.min(usize::try_from(left).unwrap_or(usize::MAX));
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len.saturating_add(1)).map_err(|_| err!(Storage, "there is no memory for {len} bytes of a spill"))?;
    bytes.resize(len, 0);
    Ok(bytes)
}

/// weir_spill_read_at() with a completion: the event's `result` is a buffer with the bytes.
///
/// @param spill       the spill
/// @param offset      where to begin
/// @param len         how many bytes are wanted; fewer come only at the end of the spill
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `spill` is NULL or a spill that was not freed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_read_at_async(
    spill: *const WeirSpill,
    offset: u64,
    len: usize,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let decode = || {
        // SAFETY: the caller's promise.
        let handle = unsafe { handle::share(spill) }?;
        let shared = Arc::clone(&handle);
        let future = async move {
            let spill = &shared.core.spill;
            let mut bytes = room(len, spill.len().saturating_sub(offset))?;
            let read = spill.read_at(offset, &mut bytes).await?;
            bytes.truncate(read);
            Ok(WeirBuffer::of(bytes))
        };
        Ok(operation(&handle, handle.core.spill.is_blocking(), future))
    };
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, decode) }
}

/// Shows all bytes of a spill without copying them: those of a file are mapped. The first call opens and maps the file on the calling
/// thread, which waits for nobody, so there is no timeout; weir_spill_map_async() does that elsewhere.
///
/// @param spill  the spill, in memory or on a local disk, and not encrypted
/// @param data   receives where they begin, borrowed until the spill is freed; NULL if there are none
/// @param len    receives how many there are
/// @param error  receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_UNSUPPORTED, WEIR_STATUS_CORRUPTION, WEIR_STATUS_STORAGE, WEIR_STATUS_PERMISSION_DENIED,
/// WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `spill` is NULL or a spill that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_map(
    spill: *const WeirSpill,
    data: *mut *const u8,
    len: *mut usize,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let (data, len) = unsafe { (Out::<*const u8>::clear("data", data), Out::<usize>::clear("len", len)) };
    let body = |spill: &Handle<WeirSpill>| {
        data.check()?;
        len.check()?;
        if spill.core.mapped.get().is_none() {
            runtime::may_block()?;
        }
        let bytes = spill.core.map()?;
        // PITFALLS X6: empty is (NULL, 0).
        data.set(if bytes.is_empty() { std::ptr::null() } else { bytes.as_ptr() });
        len.set(bytes.len());
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(spill, error, body) }
}

/// Maps a spill in the background: weir_spill_map() then does no I/O.
///
/// @param spill       the spill, in memory or on a local disk, and not encrypted
/// @param completion  what to complete; errors are those of weir_spill_map()
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `spill` is NULL or a spill that was not freed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_map_async(
    spill: *const WeirSpill,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    let decode = || {
        // SAFETY: the caller's promise.
        let handle = unsafe { handle::share(spill) }?;
        let shared = Arc::clone(&handle);
        let map = async move { shared.core.map().map(drop) };
        Ok(operation(&handle, handle.core.spill.is_blocking(), map))
    };
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, decode) }
}

async fn read_batch(batches: &BatchSpill, index: usize, mapped: Option<MapOptions>) -> Result<RecordBatch> {
    match mapped {
        Some(options) => batches.mapped(index, options),
        None => batches.batch(index).await,
    }
}

/// Reads one batch of a spill. It stays valid after the spill is freed.
///
/// @param spill       the spill, of batches
/// @param index       which batch, from 0, in the order in which they were written
/// @param options     NULL for the defaults
/// @param timeout_ms  < 0 = for ever
/// @param array       receives the batch as a struct array of the spill's schema; call its `release`
/// @param error       receives the error, unless NULL; its detail `batch` says which batch is damaged
/// @return WEIR_STATUS_OK, WEIR_STATUS_CORRUPTION, WEIR_STATUS_UNSUPPORTED, WEIR_STATUS_STORAGE, WEIR_STATUS_TIMED_OUT;
/// WEIR_STATUS_INVALID_ARGUMENT if there is no such batch
///
/// # Safety
///
/// `spill` is NULL or a spill that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_batch(
    spill: *const WeirSpill,
    index: usize,
    options: *const WeirSpillReadOptions,
    timeout_ms: i64,
    array: *mut FFI_ArrowArray,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { ArrowOut::clear("array", array) };
    let body = |spill: &Handle<WeirSpill>| {
        out.check()?;
        // SAFETY: the caller's promise.
        let mapped = unsafe { options::read(options) }?.decode()?;
        let batch = runtime::block_on(read_batch(spill.core.batches()?, index, mapped), timeout_ms)?;
        out.set(arrow::export_batch(batch));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(spill, error, body) }
}

/// weir_spill_batch() with a completion: the event's `result` is the batch.
///
/// @param spill       the spill, of batches
/// @param index       which batch, from 0
/// @param options     NULL for the defaults
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `spill` is NULL or a spill that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_batch_async(
    spill: *const WeirSpill,
    index: usize,
    options: *const WeirSpillReadOptions,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || batch(spill, index, options)) }
}

unsafe fn batch(
    spill: *const WeirSpill,
    index: usize,
    options: *const WeirSpillReadOptions,
) -> Result<Operation<impl Future<Output = Result<Owned<WeirBatch>>> + Send + 'static>> {
    // SAFETY: the caller's promise, here and below.
    let handle = unsafe { handle::share(spill) }?;
    // SAFETY: the same.
    let mapped = unsafe { options::read(options) }?.decode()?;
    let batches = handle.core.batches()?.clone();
    let future = async move { Ok(WeirBatch::of(read_batch(&batches, index, mapped).await?)) };
    Ok(operation(&handle, handle.core.spill.is_blocking(), future))
}

/// A spill's batches as a stream.
struct SpillSource(BatchStream);

impl BatchSource for SpillSource {
    fn schema(&mut self) -> Result<SchemaRef> {
        Ok(Arc::clone(self.0.schema()))
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        runtime::block_on(self.0.next(), -1)
    }
}

/// Exports the batches of a spill in order as a stream, with read-ahead. It is a reader of its own: the spill may be freed before it. A
/// damaged batch is an error of the stream's `get_next`. Small batches are read together, 256 KiB at a time: beyond what its consumer
/// keeps, a stream holds twice that in memory, or twice the largest batch.
///
/// @param spill    the spill, of batches
/// @param options  NULL for the defaults
/// @param stream   receives the stream; call its `release`
/// @param error    receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `spill` is NULL or a spill that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_stream(
    spill: *const WeirSpill,
    options: *const WeirSpillReadOptions,
    stream: *mut FFI_ArrowArrayStream,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { ArrowOut::clear("stream", stream) };
    let body = |spill: &Handle<WeirSpill>| {
        out.check()?;
        // SAFETY: the caller's promise.
        let mapped = unsafe { options::read(options) }?.decode()?;
        let batches = spill.core.batches()?;
        let batches = mapped.map_or_else(|| batches.stream(), |options| batches.mapped_stream(options));
        out.set(arrow::export_stream(SpillSource(batches)));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(spill, error, body) }
}

/// Frees a spill. Its readers, streams and mapped batches go on; the last of them deletes it and returns its bytes to the budget.
/// NULL is allowed.
///
/// # Safety
///
/// `spill` is NULL or a spill that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_spill_free(spill: *mut WeirSpill) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(spill) };
}
