//! The beginning and the end of spills that are written.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use arrow_schema::ffi::FFI_ArrowSchema;

use super::args::Out;
use super::arrow;
use super::call::{self, InTurn, in_turn};
use super::completion::WeirCompletion;
use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::{self, Handle, Opaque, Owned};
use super::open::compression;
use super::options::{self, Options, field_ends, flag};
use super::spill::WeirSpill;
use super::spill_store::WeirSpillStore;
use crate::env::BoxFuture;
use crate::error::{Result, bail};
use crate::spill::{BatchSpillWriter, Lease, SharedWriter, SpillOptions};
use crate::wal::entry::Compression;

/// A spill that is being written. All functions may be called from any thread at once; writes take turns, in the order of their
/// calls, and nothing interleaves.
pub struct WeirSpillWriter {
    _opaque: [u8; 0],
}

/// What is inside.
pub(crate) struct Spilling {
    pub(super) writer: SharedWriter,
    /// Of the batches; none for bytes.
    pub(super) schema: Option<SchemaRef>,
    pub(super) validate: bool,
    pub(super) blocking: bool,
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
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_UNSUPPORTED, WEIR_STATUS_CLOSED after weir_spill_store_close()
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
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_UNSUPPORTED, WEIR_STATUS_CLOSED after weir_spill_store_close();
/// WEIR_STATUS_SCHEMA_MISMATCH if Arrow IPC cannot hold the schema
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

unsafe fn finish(
    writer: *const WeirSpillWriter,
) -> Result<InTurn<impl Future<Output = Result<Lease>> + Send + 'static, impl FnOnce(Lease) -> Finishing + Send + 'static>> {
    // SAFETY: the caller's promise.
    let handle = unsafe { handle::share(writer) }?;
    let turn = handle.core.writer.queue();
    let run = |lease: Lease| Box::pin(async { Ok(WeirSpill::of(lease.finish().await?)) }) as Finishing;
    Ok(in_turn(&handle, handle.core.blocking, turn.wait(), run))
}

/// The end of a writer, to be awaited.
type Finishing = BoxFuture<'static, Result<Owned<WeirSpill>>>;

/// Ends a spill and makes it readable. The writer is closed afterwards, whatever comes of it, and still to be freed. Never refused by
/// the cap: what was written counts already.
///
/// @param writer      the writer
/// @param timeout_ms  < 0 = for ever. When it passes while the store works, the spill is lost.
/// @param spill       receives the spill; free it with weir_spill_free()
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_CLOSED, WEIR_STATUS_TIMED_OUT; WEIR_STATUS_STORAGE_FULL, WEIR_STATUS_PERMISSION_DENIED,
/// WEIR_STATUS_STORAGE, with the detail `spill_lost` = 1, also for what an earlier write lost it by
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
        Ok(finish(writer)?.on_one_thread())
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
    unsafe { call::defer_in_turn(error, completion, || finish(writer)) }
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
