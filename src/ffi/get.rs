//! Rows by primary key, of a writer's shard or of a snapshot.

use std::ffi::c_char;

use arrow_array::RecordBatch;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;

use super::args;
use super::arrow::{self, Taken};
use super::arrow_out::ArrowOut;
use super::batch::WeirBatch;
use super::call::{self, operation};
use super::completion::{Offered, WeirCompletion};
use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::{self, Handle, Opaque};
use super::options::{self, Options, field_ends};
use super::reads::{self, Source};
use super::writer::WeirWriter;
use crate::error::{Result, bail};
use crate::runtime;
use crate::scan::{GetResult, KeyState, View};

/// What there is under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum WeirKey {
    /// It was never put, or what was known of it was merged away with its deletion.
    Missing = 0,
    /// A row.
    Found = 1,
    /// It was deleted.
    Deleted = 2,
}

impl From<KeyState> for WeirKey {
    fn from(state: KeyState) -> Self {
        match state {
            KeyState::Missing => Self::Missing,
            KeyState::Found => Self::Found,
            KeyState::Deleted => Self::Deleted,
        }
    }
}

/// Options of weir_writer_get() and weir_snapshot_get().
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirGetOptions {
    /// `sizeof(WeirGetOptions)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// The names of the columns, in the order in which they are wanted; NULL (default) = all.
    pub columns: *const *const c_char,
    /// How many there are.
    pub columns_len: usize,
}

// SAFETY: `repr(C)`, integers and pointers, no padding at the end.
unsafe impl Options for WeirGetOptions {
    const NAME: &'static str = "WeirGetOptions";
    const FROZEN: usize = size_of::<Self>();
    const ENDS: &'static [usize] = field_ends!(WeirGetOptions: struct_size, reserved, columns, columns_len);
    fn defaults() -> Self {
        Self { struct_size: size_of::<Self>() as u32, reserved: 0, columns: std::ptr::null(), columns_len: 0 }
    }
}

/// Fills options with their defaults.
///
/// @param options      the struct
/// @param struct_size  `sizeof(WeirGetOptions)` as the caller knows it, in bytes: no more is written
///
/// # Safety
///
/// `options` is NULL or `struct_size` bytes there may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_get_options_init(options: *mut WeirGetOptions, struct_size: u32) {
    // SAFETY: the caller's promise.
    unsafe { options::init(options, struct_size) };
}

/// A get that is decoded.
struct Question {
    view: View,
    keys: RecordBatch,
    columns: Option<Vec<String>>,
}

impl Question {
    /// # Safety
    ///
    /// Pointers are NULL or as the header describes them.
    unsafe fn decode(
        source: &impl Source,
        keys: Taken<FFI_ArrowArray>,
        keys_schema: *const FFI_ArrowSchema,
        options: *const WeirGetOptions,
    ) -> Result<Self> {
        // SAFETY: the caller's promise, here and below.
        let options = unsafe { options::read(options) }?;
        if options.reserved != 0 {
            bail!(InvalidArgument, "WeirGetOptions.reserved is not 0");
        }
        // SAFETY: the same.
        let columns = unsafe { reads::columns(options.columns, options.columns_len) }?;
        // SAFETY: the same.
        let keys = unsafe { source.shape()?.import(keys, keys_schema, source.validates()) }?;
        Ok(Self { view: source.view()?, keys, columns })
    }

    /// The answer, if it is in memory: then no thread has to be asked for it.
    fn now(&self) -> Result<Option<GetResult>> {
        self.view.try_get_in_memory(&self.keys, self.columns.as_deref())
    }

    async fn answer(&self) -> Result<GetResult> {
        self.view.get(&self.keys, self.columns.as_deref()).await
    }
}

/// The whole of a blocking get.
///
/// # Safety
///
/// `source` is NULL or a handle that was not freed; pointers are NULL or as the header describes them.
#[expect(clippy::too_many_arguments, reason = "those of the export")]
pub(crate) unsafe fn get<O: Opaque<Core: Source>>(
    source: *const O,
    keys: *mut FFI_ArrowArray,
    keys_schema: *const FFI_ArrowSchema,
    options: *const WeirGetOptions,
    timeout_ms: i64,
    states: *mut u8,
    states_len: usize,
    rows: *mut FFI_ArrowArray,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let (keys, out) = unsafe { (arrow::take(keys), ArrowOut::clear("rows", rows)) };
    if !states.is_null() {
        // SAFETY: the caller's promise.
        unsafe { states.write_bytes(WeirKey::Missing as u8, states_len) };
    }
    let body = |source: &Handle<O>| {
        out.check()?;
        runtime::may_block()?;
        // SAFETY: the caller's promise, here and below.
        let question = unsafe { Question::decode(&source.core, keys, keys_schema, options) }?;
        let count = question.keys.num_rows();
        if !states.is_null() && states_len != count {
            bail!(InvalidArgument, "states_len is {states_len}, and there are {count} keys: one state is given for each");
        }
        let found = match question.now()? {
            Some(found) => found,
            None => runtime::block_on(question.answer(), timeout_ms)?,
        };
        if !states.is_null() {
            // SAFETY: the same; nobody else uses them meanwhile.
            let states = unsafe { args::slice_mut("states", states, states_len) }?;
            states.iter_mut().zip(found.states).for_each(|(to, state)| *to = WeirKey::from(state) as u8);
        }
        out.set(arrow::export_batch(found.rows));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(source, error, body) }
}

/// The whole of a get with a completion.
///
/// # Safety
///
/// As for [`get`]; `completion` is as its type demands.
pub(crate) unsafe fn get_async<O: Opaque<Core: Source>>(
    source: *const O,
    keys: *mut FFI_ArrowArray,
    keys_schema: *const FFI_ArrowSchema,
    options: *const WeirGetOptions,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let keys = unsafe { arrow::take(keys) };
    let mut late = None;
    let body = |handle: &Handle<O>| {
        // SAFETY: the caller's promise, here and below.
        let offered = unsafe { Offered::new(completion) }?;
        runtime::handle()?;
        // SAFETY: the same.
        let question = unsafe { Question::decode(&handle.core, keys, keys_schema, options) }?;
        match question.now()? {
            Some(found) => offered.accept().complete(Ok(WeirBatch::of_get(found))),
            None => late = Some(question),
        }
        Ok(())
    };
    // SAFETY: the caller's promise.
    let status = unsafe { guard_on(source, error, body) };
    let Some(question) = late else { return status };
    let decode = || {
        // SAFETY: the caller's promise.
        let handle = unsafe { handle::share(source) }?;
        Ok(operation(&handle, handle.core.is_blocking(), async move { question.answer().await.map(WeirBatch::of_get) }))
    };
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, decode) }
}

/// The newest rows of some primary keys. An answer that is in memory takes no other thread.
///
/// @param writer       the writer, with MemTables and a primary key
/// @param keys         the keys, a struct array; consumed on every return. A key may be asked for more than once
/// @param keys_schema  its schema, with the key's columns by name, whatever others it has; borrowed. NULL, which is the fastest: exactly
/// weir_writer_key_schema()
/// @param options      NULL for all columns
/// @param timeout_ms   < 0 = for ever, 0 = do not wait for what is not in memory
/// @param states       receives a `WEIR_KEY_*` for each key, in their order; NULL if not wanted
/// @param states_len   how many bytes are there: the number of keys; 0 if `states` is NULL
/// @param rows         receives the rows that were found, in the order of the keys, as a struct array of weir_writer_read_schema(); call its
/// `release`
/// @param error        receives the error, unless NULL
/// @return WEIR_STATUS_OK, also where nothing is found; WEIR_STATUS_INVALID_DATA for a key that is null, WEIR_STATUS_SCHEMA_MISMATCH,
/// WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_UNSUPPORTED without MemTables or without a primary key, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_CORRUPTION,
/// WEIR_STATUS_STORAGE, WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `keys` is NULL or an array to be consumed; `states` is NULL or `states_len` bytes there may
/// be written; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_get(
    writer: *const WeirWriter,
    keys: *mut FFI_ArrowArray,
    keys_schema: *const FFI_ArrowSchema,
    options: *const WeirGetOptions,
    timeout_ms: i64,
    states: *mut u8,
    states_len: usize,
    rows: *mut FFI_ArrowArray,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { get(writer, keys, keys_schema, options, timeout_ms, states, states_len, rows, error) }
}

/// weir_writer_get() with a completion: the event's `result` is a batch with the rows, whose weir_batch_states() are the keys'.
///
/// @param writer       the writer
/// @param keys         the keys, a struct array; consumed on every return
/// @param keys_schema  its schema, borrowed for the call; NULL: exactly weir_writer_key_schema()
/// @param options      NULL for all columns
/// @param completion   what to complete
/// @param error        receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted; what is wrong with the keys or the options, as weir_writer_get()
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `keys` is NULL or an array to be consumed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_get_async(
    writer: *const WeirWriter,
    keys: *mut FFI_ArrowArray,
    keys_schema: *const FFI_ArrowSchema,
    options: *const WeirGetOptions,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { get_async(writer, keys, keys_schema, options, completion, error) }
}
