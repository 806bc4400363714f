//! Shards as a whole: listing, the manifest, sealing, trimming, routing.

use std::collections::BTreeSet;
use std::ffi::c_char;
use std::time::Duration;

use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;
use bytes::Bytes;

use super::args::{self, Out};
use super::arrow;
use super::buffer::WeirBuffer;
use super::call::{self, Operation, operation};
use super::completion::WeirCompletion;
use super::error::{WeirError, WeirStatus};
use super::guard::guard;
use super::handle::{self, Owned};
use super::manifest::WeirManifest;
use super::options::{self, Options, field_ends};
use super::session::WeirSession;
use crate::cache::Cache;
use crate::env::Env;
use crate::error::{Result, bail, err};
use crate::shard::layout::MEM_WAL;
use crate::shard::manifest::{DEFAULT_TRIM_AGE, ManifestOptions, ShardFieldEntry};
use crate::shard::routing;
use crate::shard::{ManifestStore, ShardPath};
use crate::store::Store;
use crate::wal::{Appender, trim};

/// A shard below a root, opened through a session.
struct Shard {
    store: Store,
    path: ShardPath,
    env: Env,
    cache: Option<Cache>,
}

impl Shard {
    /// For those who write, what decides about ownership.
    fn manifests(&self) -> ManifestStore {
        ManifestStore::new(self.store.clone(), self.path.clone(), self.env.clone(), ManifestOptions::default())
    }

    /// For those who read.
    fn shown(&self) -> ManifestStore {
        match &self.cache {
            Some(cache) => self.manifests().with_cache(cache),
            None => self.manifests(),
        }
    }
}

/// Decodes what every operation on a shard begins with, and makes an operation of `run`.
///
/// # Safety
///
/// Pointers are NULL or as the header describes them.
unsafe fn on_shard<T, F>(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    run: impl FnOnce(Shard) -> F,
) -> Result<Operation<impl Future<Output = Result<T>> + Send + 'static>>
where
    F: Future<Output = Result<T>> + Send + 'static,
{
    // SAFETY: the caller's promise.
    let (handle, root, id) = unsafe { (handle::share(session)?, args::text("root", root)?, args::text("shard_id", shard_id)?) };
    let store = handle.core.store(root, true)?;
    let blocking = store.is_blocking();
    let cache = handle.core.entry_cache(&store);
    let shard = Shard { store, path: ShardPath::new(id)?, env: handle.core.env().clone(), cache };
    Ok(operation(&handle, blocking, run(shard)))
}

unsafe fn list(
    session: *const WeirSession,
    root: *const c_char,
) -> Result<Operation<impl Future<Output = Result<Owned<WeirBuffer>>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let (handle, root) = unsafe { (handle::share(session)?, args::text("root", root)?) };
    let store = handle.core.store(root, true)?;
    let blocking = store.is_blocking();
    let future = async move {
        let mut ids = store.list_dirs(MEM_WAL).await?;
        ids.retain(|id| ShardPath::new(id).is_ok());
        ids.sort_unstable();
        Ok(WeirBuffer::of(ids.iter().map(|id| format!("{id}\n")).collect::<String>()))
    };
    Ok(operation(&handle, blocking, future))
}

/// Lists the shards below a root.
///
/// @param session     the session
/// @param root        the URL or path
/// @param timeout_ms  < 0 = for ever
/// @param ids         receives the shards' ids, one per line, sorted; free it with weir_buffer_free()
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK (also if the root does not exist: no shards), WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_STORAGE
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_shard_list(
    session: *const WeirSession,
    root: *const c_char,
    timeout_ms: i64,
    ids: *mut *mut WeirBuffer,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::clear("ids", ids), || list(session, root)) }
}

/// weir_shard_list() with a completion: the event's `result` is the buffer.
///
/// @param session     the session
/// @param root        the URL or path
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_shard_list_async(
    session: *const WeirSession,
    root: *const c_char,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || list(session, root)) }
}

async fn manifest(shard: Shard) -> Result<Owned<WeirManifest>> {
    match shard.shown().latest().await? {
        Some(manifest) => Ok(Owned::new(manifest)),
        None => Err(err!(NotFound, "there is no shard {} at {}", shard.path.id(), shard.store.url())),
    }
}

/// Reads a shard's newest manifest.
///
/// @param session     the session
/// @param root        the URL or path
/// @param shard_id    the shard's UUID, lower case, hyphenated
/// @param timeout_ms  < 0 = for ever
/// @param result      receives the manifest; free it with weir_manifest_free()
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_NOT_FOUND, WEIR_STATUS_CORRUPTION, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_STORAGE
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_shard_manifest(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    timeout_ms: i64,
    result: *mut *mut WeirManifest,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::clear("result", result), || on_shard(session, root, shard_id, manifest)) }
}

/// weir_shard_manifest() with a completion: the event's `result` is the manifest.
///
/// @param session     the session
/// @param root        the URL or path
/// @param shard_id    the shard's UUID
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_shard_manifest_async(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || on_shard(session, root, shard_id, manifest)) }
}

/// A field of the shard spec and its value, for weir_shard_init(). Both are copied.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirShardField {
    /// The field, NUL-terminated UTF-8.
    pub field_id: *const c_char,
    /// Its value; NULL if empty.
    pub value: *const u8,
    /// The value's length in bytes.
    pub value_len: usize,
}

unsafe fn init(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    spec_id: u32,
    fields: *const WeirShardField,
    fields_len: usize,
) -> Result<Operation<impl Future<Output = Result<()>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let fields = unsafe { args::slice("fields", fields, fields_len) }?;
    let fields = fields.iter().map(|field| {
        // SAFETY: the caller's promise.
        let (id, value) = unsafe { (args::text("field_id", field.field_id)?, args::slice("value", field.value, field.value_len)?) };
        Ok(ShardFieldEntry { field_id: id.into(), value: Bytes::copy_from_slice(value) })
    });
    let fields = fields.collect::<Result<Vec<ShardFieldEntry>>>()?;
    let mut known = BTreeSet::new();
    if let Some(twice) = fields.iter().find(|field| !known.insert(field.field_id.as_str())) {
        bail!(InvalidArgument, "the field {:?} is given twice", twice.field_id);
    }
    let run = move |shard: Shard| async move { shard.manifests().init(spec_id, fields).await.map(drop) };
    // SAFETY: the caller's promise.
    unsafe { on_shard(session, root, shard_id, run) }
}

/// Makes a shard that does not exist yet, with the values of its spec's fields, unclaimed. Not needed for a shard without a spec:
/// the first writer makes it.
///
/// @param session     the session
/// @param root        the URL or path
/// @param shard_id    the shard's UUID, lower case, hyphenated
/// @param spec_id     the shard spec; 0 = none
/// @param fields      the spec's fields; NULL if there are none
/// @param fields_len  how many
/// @param timeout_ms  < 0 = for ever
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_ALREADY_EXISTS, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_STORAGE
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_shard_init(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    spec_id: u32,
    fields: *const WeirShardField,
    fields_len: usize,
    timeout_ms: i64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::none(), || init(session, root, shard_id, spec_id, fields, fields_len)) }
}

/// weir_shard_init() with a completion.
///
/// @param session     the session
/// @param root        the URL or path
/// @param shard_id    the shard's UUID
/// @param spec_id     the shard spec; 0 = none
/// @param fields      the spec's fields; NULL if there are none
/// @param fields_len  how many
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_shard_init_async(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    spec_id: u32,
    fields: *const WeirShardField,
    fields_len: usize,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || init(session, root, shard_id, spec_id, fields, fields_len)) }
}

async fn seal(shard: Shard) -> Result<()> {
    Appender::seal(shard.store, shard.path, shard.env, ManifestOptions::default()).await.map(drop)
}

/// Seals a shard against writers: fences the present one and refuses later ones with WEIR_STATUS_SEALED. Reading goes on.
///
/// @param session     the session
/// @param root        the URL or path
/// @param shard_id    the shard's UUID, lower case, hyphenated
/// @param timeout_ms  < 0 = for ever
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, also if it is sealed; WEIR_STATUS_NOT_FOUND, WEIR_STATUS_CONFLICT, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_STORAGE
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_shard_seal(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    timeout_ms: i64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::none(), || on_shard(session, root, shard_id, seal)) }
}

/// weir_shard_seal() with a completion.
///
/// @param session     the session
/// @param root        the URL or path
/// @param shard_id    the shard's UUID
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_shard_seal_async(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || on_shard(session, root, shard_id, seal)) }
}

async fn unseal(shard: Shard) -> Result<()> {
    shard.manifests().unseal().await.map(drop)
}

/// Opens a sealed shard for writers again. Does nothing to one that is not sealed.
///
/// @param session     the session
/// @param root        the URL or path
/// @param shard_id    the shard's UUID, lower case, hyphenated
/// @param timeout_ms  < 0 = for ever
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_NOT_FOUND, WEIR_STATUS_CONFLICT, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_STORAGE
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_shard_unseal(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    timeout_ms: i64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::none(), || on_shard(session, root, shard_id, unseal)) }
}

/// weir_shard_unseal() with a completion.
///
/// @param session     the session
/// @param root        the URL or path
/// @param shard_id    the shard's UUID
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_shard_unseal_async(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || on_shard(session, root, shard_id, unseal)) }
}

/// Options of weir_shard_trim().
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirTrimOptions {
    /// `sizeof(WeirTrimOptions)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Nothing younger is removed, in milliseconds by the store's clock: it must exceed by far how long a writer may be stalled.
    /// The writers' `trim_age_ms` must not be larger. < 0 (default) = 24 hours.
    pub trim_age_ms: i64,
}

// SAFETY: `repr(C)`, integers, no padding at the end.
unsafe impl Options for WeirTrimOptions {
    const NAME: &'static str = "WeirTrimOptions";
    const FROZEN: usize = size_of::<Self>();
    const ENDS: &'static [usize] = field_ends!(WeirTrimOptions: struct_size, reserved, trim_age_ms);
    fn defaults() -> Self {
        Self { struct_size: size_of::<Self>() as u32, reserved: 0, trim_age_ms: -1 }
    }
}

/// Fills options with their defaults.
///
/// @param options      the struct
/// @param struct_size  `sizeof(WeirTrimOptions)` as the caller knows it, in bytes: no more is written
///
/// # Safety
///
/// `options` is NULL or `struct_size` bytes there may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_trim_options_init(options: *mut WeirTrimOptions, struct_size: u32) {
    // SAFETY: the caller's promise.
    unsafe { options::init(options, struct_size) };
}

unsafe fn trim_up_to(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    up_to: u64,
    options: *const WeirTrimOptions,
) -> Result<Operation<impl Future<Output = Result<u64>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let options = unsafe { options::read(options) }?;
    if options.reserved != 0 {
        bail!(InvalidArgument, "WeirTrimOptions.reserved is not 0");
    }
    let age = u64::try_from(options.trim_age_ms).map_or(DEFAULT_TRIM_AGE, Duration::from_millis);
    let run = move |shard: Shard| async move {
        let trimmed = trim::trim(&shard.store, &shard.path, &shard.env, up_to, age).await?;
        Ok(trimmed.first_position)
    };
    // SAFETY: the caller's promise.
    unsafe { on_shard(session, root, shard_id, run) }
}

/// Removes the oldest entries of a shard's log, up to and including a position, as far as they are old enough; the newest entry
/// always stays. Safe while writers and tailers are at work: a tailer that is behind gets WEIR_STATUS_TRIMMED.
///
/// @param session         the session
/// @param root            the URL or path
/// @param shard_id        the shard's UUID, lower case, hyphenated
/// @param up_to           the last position that may go
/// @param options         NULL for the defaults
/// @param timeout_ms      < 0 = for ever
/// @param first_position  receives the oldest position that is left, 0 if the log is empty; NULL if not wanted
/// @param error           receives the error, unless NULL
/// @return WEIR_STATUS_OK, also if nothing was old enough; WEIR_STATUS_NOT_FOUND; WEIR_STATUS_INVALID_ARGUMENT, also where entries hold rows that
/// are nowhere else yet; WEIR_STATUS_TIMED_OUT; WEIR_STATUS_STORAGE. After an error what is left is still without a hole.
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_shard_trim(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    up_to: u64,
    options: *const WeirTrimOptions,
    timeout_ms: i64,
    first_position: *mut u64,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise, here and below.
    let out = unsafe { Out::clear("first_position", first_position) }.or_null();
    // SAFETY: the same.
    unsafe { call::wait(error, timeout_ms, out, || trim_up_to(session, root, shard_id, up_to, options)) }
}

/// weir_shard_trim() with a completion: the event's `value` is the oldest position that is left, 0 if the log is empty.
///
/// @param session     the session
/// @param root        the URL or path
/// @param shard_id    the shard's UUID
/// @param up_to       the last position that may go
/// @param options     NULL for the defaults
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_shard_trim_async(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    up_to: u64,
    options: *const WeirTrimOptions,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || trim_up_to(session, root, shard_id, up_to, options)) }
}

/// The bucket of every value of a column, for routing rows to shards: Lance's hash. Null goes to bucket 0.
///
/// @param array    the column; consumed on every return
/// @param schema   the column's type; borrowed
/// @param buckets  how many there are, 1 to 1024
/// @param out      receives a bucket in 0 … buckets-1 per value
/// @param out_len  how many fit there; at least the array's length
/// @param error    receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_INVALID_DATA
///
/// # Safety
///
/// `array` is NULL or an array to be consumed; `schema` is NULL or a schema; `out_len` values may be written to `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_bucket_of(
    array: *mut FFI_ArrowArray,
    schema: *const FFI_ArrowSchema,
    buckets: i32,
    out: *mut i32,
    out_len: usize,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let taken = unsafe { arrow::take(array) };
    let body = || {
        // SAFETY: the caller's promise.
        let data_type = unsafe { arrow::import_type(schema) }?;
        let column = arrow::import_values(taken.array()?, &data_type)?;
        let found = routing::buckets_of(&column, buckets)?;
        if out_len < found.len() || (out.is_null() && !found.is_empty()) {
            bail!(InvalidArgument, "{} values do not fit an output of {out_len} (or NULL)", found.len());
        }
        // SAFETY: the caller's promise, and as long as was checked.
        unsafe { std::ptr::copy_nonoverlapping(found.as_ptr(), out, found.len()) };
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, body) }
}
