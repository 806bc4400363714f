//! Snapshots: the merged view of a shard, from any process, without its writer.

use std::ffi::c_char;
use std::sync::Arc;

use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;

use super::args::{self, Out};
use super::arrow;
use super::arrow_out::ArrowOut;
use super::call::{self, Operation, operation};
use super::completion::{WeirCompletion, WeirResult};
use super::error::{WeirError, WeirStatus};
use super::get::{WeirGetOptions, get, get_async};
use super::guard::guard_on;
use super::handle::{self, Handle, Opaque, Owned};
use super::manifest::WeirManifest;
use super::open::within;
use super::options::{self, Options, field_ends, flag};
use super::reads::{self, KeyShape, Source};
use super::scan::{WeirScan, WeirScanOptions, scan};
use super::session::WeirSession;
use super::writer_open::{WeirIndexDefinition, indexes, primary_key};
use crate::error::{Result, bail};
use crate::scan::View;
use crate::scan::snapshot::{Snapshot, SnapshotOptions};
use crate::session::Session;
use crate::shard::ShardPath;

/// One moment of a shard: its generations, and the rows that only its log has. All functions may be called from any thread at once.
pub struct WeirSnapshot {
    _opaque: [u8; 0],
}

/// What is inside: the snapshot, and the session that it keeps alive.
pub(crate) struct Snapped {
    snapshot: Arc<Snapshot>,
    shape: KeyShape,
    blocking: bool,
    _session: Arc<Session>,
}

impl Opaque for WeirSnapshot {
    type Core = Snapped;
    const MAGIC: u32 = u32::from_be_bytes(*b"snap");
    const NAME: &'static str = "snapshot";
    const RESULT: i32 = WeirResult::Snapshot as i32;
}

impl Source for Snapped {
    fn view(&self) -> Result<View> {
        Ok(self.snapshot.view().clone())
    }

    fn shape(&self) -> Result<&KeyShape> {
        Ok(&self.shape)
    }

    fn validates(&self) -> bool {
        true
    }

    fn is_blocking(&self) -> bool {
        self.blocking
    }
}

/// Options of weir_snapshot_open().
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirSnapshotOptions {
    /// `sizeof(WeirSnapshotOptions)`.
    pub struct_size: u32,
    /// 1 (default): with the rows that only the log has. 0: the generations alone.
    pub wal: u8,
    /// Must be 0.
    pub reserved: [u8; 3],
    /// The names of the columns that are the primary key; NULL (default) = those that the schema's metadata marks, else the key of the newest
    /// generation, if there is one.
    pub primary_key: *const *const c_char,
    /// How many there are.
    pub primary_key_len: usize,
    /// Secondary indexes to be made of the rows that only the log has; NULL (default) = none.
    pub indexes: *const WeirIndexDefinition,
    /// How many there are.
    pub indexes_len: usize,
    /// The most memory that rows may take that only the log has; default 1073741824 (1 GiB).
    pub max_bytes: u64,
    /// Milliseconds that opening may take; < 0 (default) = for ever.
    pub open_timeout_ms: i64,
}

// SAFETY: `repr(C)`, integers and pointers, no padding at the end.
unsafe impl Options for WeirSnapshotOptions {
    const NAME: &'static str = "WeirSnapshotOptions";
    const FROZEN: usize = size_of::<Self>();
    const ENDS: &'static [usize] = field_ends!(WeirSnapshotOptions: struct_size, wal, reserved, primary_key, primary_key_len, indexes, indexes_len,
        max_bytes, open_timeout_ms);
    fn defaults() -> Self {
        let core = SnapshotOptions::default();
        Self {
            struct_size: size_of::<Self>() as u32,
            wal: core.wal.into(),
            reserved: [0; 3],
            primary_key: std::ptr::null(),
            primary_key_len: 0,
            indexes: std::ptr::null(),
            indexes_len: 0,
            max_bytes: core.max_bytes,
            open_timeout_ms: -1,
        }
    }
}

impl WeirSnapshotOptions {
    /// # Safety
    ///
    /// Pointers are NULL or as the header describes them.
    unsafe fn decode(&self, schema: *const FFI_ArrowSchema) -> Result<SnapshotOptions> {
        if self.reserved != [0; 3] {
            bail!(InvalidArgument, "WeirSnapshotOptions.reserved is not 0");
        }
        // SAFETY: the caller's promise, here and below.
        let schema = if schema.is_null() { None } else { Some(unsafe { arrow::import_schema(schema) }?) };
        // SAFETY: the same.
        let (primary_key, indexes) =
            unsafe { (primary_key(self.primary_key, self.primary_key_len)?, indexes(self.indexes, self.indexes_len)?) };
        Ok(SnapshotOptions {
            schema,
            primary_key,
            indexes,
            max_bytes: self.max_bytes,
            wal: flag("wal", self.wal)?,
            ..SnapshotOptions::default()
        })
    }
}

/// Fills options with their defaults.
///
/// @param options      the struct
/// @param struct_size  `sizeof(WeirSnapshotOptions)` as the caller knows it, in bytes: no more is written
///
/// # Safety
///
/// `options` is NULL or `struct_size` bytes there may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_snapshot_options_init(options: *mut WeirSnapshotOptions, struct_size: u32) {
    // SAFETY: the caller's promise.
    unsafe { options::init(options, struct_size) };
}

unsafe fn open(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    schema: *const FFI_ArrowSchema,
    options: *const WeirSnapshotOptions,
) -> Result<Operation<impl Future<Output = Result<Owned<WeirSnapshot>>> + Send + 'static>> {
    // SAFETY: the caller's promise, here and below.
    let options = unsafe { options::read(options) }?;
    // SAFETY: the same.
    let (mut decoded, handle) = unsafe { (options.decode(schema)?, handle::share(session)?) };
    // SAFETY: the same.
    let (root, id) = unsafe { (args::text("root", root)?, args::text("shard_id", shard_id)?) };
    let (store, shard) = (handle.core.store(root, true)?, ShardPath::new(id)?);
    let (session, blocking) = (Arc::clone(&handle.core), store.is_blocking());
    let (env, cache) = (session.env().clone(), session.cache());
    decoded.cache_local_entries = session.entry_cache(&store).is_some();
    let opening = async move {
        let snapshot = Snapshot::open(store, shard, session.env().clone(), Some(&cache), decoded).await?;
        let shape = KeyShape::of(snapshot.view().spec());
        Ok(Owned::new(Snapped { snapshot, shape, blocking, _session: session }))
    };
    Ok(operation(&handle, blocking, within(env, options.open_timeout_ms, opening)))
}

/// Opens a snapshot: what of a shard is durable now, without a claim on it, so its writer goes on undisturbed. Rows that only the log has are
/// read into memory; generations are read when they are needed.
///
/// @param session   the session; the snapshot keeps what it needs of it
/// @param root      the URL or path below which the shard lies
/// @param shard_id  the shard's UUID, lower case, hyphenated
/// @param schema    the schema to read the rows as, a struct; borrowed. NULL: the shard's own, as its newest rows have it
/// @param options   NULL for the defaults
/// @param snapshot  receives the snapshot; free it with weir_snapshot_free()
/// @param error     receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_SCHEMA_MISMATCH, WEIR_STATUS_NOT_FOUND if there is no such shard, or no schema is
/// given and it has no rows; WEIR_STATUS_BACKPRESSURE if the log has more rows than `max_bytes`, WEIR_STATUS_CORRUPTION, WEIR_STATUS_STORAGE,
/// WEIR_STATUS_TIMED_OUT
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_snapshot_open(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    schema: *const FFI_ArrowSchema,
    options: *const WeirSnapshotOptions,
    snapshot: *mut *mut WeirSnapshot,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, -1, Out::clear("snapshot", snapshot), || open(session, root, shard_id, schema, options)) }
}

/// weir_snapshot_open() with a completion: the event's `result` is the snapshot.
///
/// @param session     the session
/// @param root        the URL or path
/// @param shard_id    the shard's UUID
/// @param schema      the schema to read the rows as; borrowed for the call. NULL: the shard's own
/// @param options     NULL for the defaults
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_snapshot_open_async(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    schema: *const FFI_ArrowSchema,
    options: *const WeirSnapshotOptions,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || open(session, root, shard_id, schema, options)) }
}

/// Exports the schema of a snapshot's rows, the primary key marked in it.
///
/// @param snapshot  the snapshot
/// @param schema    receives the schema; call its `release`
/// @param error     receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `snapshot` is NULL or a snapshot that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_snapshot_schema(
    snapshot: *const WeirSnapshot,
    schema: *mut FFI_ArrowSchema,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { ArrowOut::clear("schema", schema) };
    let body = |snapshot: &Handle<WeirSnapshot>| {
        out.check()?;
        out.set(arrow::export_schema(snapshot.core.shape.spec().schema())?);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(snapshot, error, body) }
}

/// The schema of keys, as weir_writer_key_schema().
///
/// @param snapshot  the snapshot
/// @param schema    receives the schema; call its `release`
/// @param error     receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_UNSUPPORTED without a primary key, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `snapshot` is NULL or a snapshot that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_snapshot_key_schema(
    snapshot: *const WeirSnapshot,
    schema: *mut FFI_ArrowSchema,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { reads::key_schema(snapshot, schema, error) }
}

/// The schema of the rows that weir_snapshot_get() gives for these columns, as weir_writer_read_schema().
///
/// @param snapshot     the snapshot
/// @param columns      the names of the columns, in the order in which they are wanted; NULL = all
/// @param columns_len  how many there are
/// @param schema       receives the schema; call its `release`
/// @param error        receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT naming a column that is not there or twice
///
/// # Safety
///
/// `snapshot` is NULL or a snapshot that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_snapshot_read_schema(
    snapshot: *const WeirSnapshot,
    columns: *const *const c_char,
    columns_len: usize,
    schema: *mut FFI_ArrowSchema,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { reads::read_schema(snapshot, columns, columns_len, schema, error) }
}

/// The last position of the log that a snapshot covers: a tailer from the position after it continues without gap or overlap. 0 for NULL.
///
/// # Safety
///
/// `snapshot` is NULL or a snapshot that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_snapshot_cut_position(snapshot: *const WeirSnapshot) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { handle::peek(snapshot) }.map_or(0, |handle| handle.core.snapshot.cut())
}

/// The manifest that a snapshot was made of.
///
/// @param snapshot  the snapshot
/// @param manifest  receives the manifest; free it with weir_manifest_free()
/// @param error     receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `snapshot` is NULL or a snapshot that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_snapshot_manifest(
    snapshot: *const WeirSnapshot,
    manifest: *mut *mut WeirManifest,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { Out::<Owned<WeirManifest>>::clear("manifest", manifest) };
    let body = |snapshot: &Handle<WeirSnapshot>| {
        out.check()?;
        out.set(Owned::new(snapshot.core.snapshot.manifest().clone()));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(snapshot, error, body) }
}

/// Begins a scan of a snapshot's rows, as weir_writer_scan().
///
/// @param snapshot       the snapshot; it may be freed before the scan
/// @param options        what is wanted; NULL for all
/// @param values         what columns are compared with, as of weir_writer_scan(); consumed on every return
/// @param values_schema  its schema, borrowed; NULL: of the compared columns' types
/// @param scan           receives the scan; free it with weir_scan_free()
/// @param error          receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_INVALID_DATA, WEIR_STATUS_SCHEMA_MISMATCH if a value is none of its column's
///
/// # Safety
///
/// `snapshot` is NULL or a snapshot that was not freed; `values` is NULL or an array to be consumed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_snapshot_scan(
    snapshot: *const WeirSnapshot,
    options: *const WeirScanOptions,
    values: *mut FFI_ArrowArray,
    values_schema: *const FFI_ArrowSchema,
    scan: *mut *mut WeirScan,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { self::scan(snapshot, options, values, values_schema, scan, error) }
}

/// The newest rows of some primary keys, as weir_writer_get().
///
/// @param snapshot     the snapshot, of a shard with a primary key
/// @param keys         the keys, a struct array; consumed on every return
/// @param keys_schema  its schema, borrowed; NULL: exactly weir_snapshot_key_schema()
/// @param options      NULL for all columns
/// @param timeout_ms   < 0 = for ever, 0 = do not wait for what is not in memory
/// @param states       receives a `WEIR_KEY_*` for each key, in their order; NULL if not wanted
/// @param states_len   how many bytes are there: the number of keys; 0 if `states` is NULL
/// @param rows         receives the rows that were found, in the order of the keys, as a struct array of weir_snapshot_read_schema(); call its
/// `release`
/// @param error        receives the error, unless NULL
/// @return as weir_writer_get()
///
/// # Safety
///
/// `snapshot` is NULL or a snapshot that was not freed; `keys` is NULL or an array to be consumed; `states` is NULL or `states_len` bytes there
/// may be written; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_snapshot_get(
    snapshot: *const WeirSnapshot,
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
    unsafe { get(snapshot, keys, keys_schema, options, timeout_ms, states, states_len, rows, error) }
}

/// weir_snapshot_get() with a completion, as weir_writer_get_async().
///
/// @param snapshot     the snapshot
/// @param keys         the keys, a struct array; consumed on every return
/// @param keys_schema  its schema, borrowed for the call; NULL: exactly weir_snapshot_key_schema()
/// @param options      NULL for all columns
/// @param completion   what to complete
/// @param error        receives the error, unless NULL
/// @return as weir_writer_get_async()
///
/// # Safety
///
/// `snapshot` is NULL or a snapshot that was not freed; `keys` is NULL or an array to be consumed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_snapshot_get_async(
    snapshot: *const WeirSnapshot,
    keys: *mut FFI_ArrowArray,
    keys_schema: *const FFI_ArrowSchema,
    options: *const WeirGetOptions,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { get_async(snapshot, keys, keys_schema, options, completion, error) }
}

/// Frees a snapshot. Calls and scans under way go on to their end. NULL is allowed.
///
/// # Safety
///
/// `snapshot` is NULL or a snapshot that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_snapshot_free(snapshot: *mut WeirSnapshot) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(snapshot) };
}
