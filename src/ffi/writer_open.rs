//! Opening writers: what they are told, and the claim.

use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::ffi::FFI_ArrowSchema;

use super::args::{self, Out};
use super::call::{self, Operation, operation};
use super::completion::WeirCompletion;
use super::error::{WeirError, WeirStatus};
use super::handle::Owned;
use super::open::{OpenOptions, compression, timeout, within};
use super::options::{self, Options, field_ends, flag};
use super::reads::KeyShape;
use super::session::WeirSession;
use super::writer::{WeirWriter, Writing};
use super::writer_stats::Figures;
use crate::env::Retry;
use crate::error::{Result, bail};
use crate::generation::compact::CompactOptions;
use crate::memtable::index::{IndexDefinition, IndexKind};
use crate::memtable::{Buffers, Limits};
use crate::writer::{MemTableConfig, ShardWriter, Within, WriterConfig};

/// Kinds of secondary indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum WeirIndex {
    /// Ordered: equality, ranges, order, nulls.
    Btree = 0,
}

/// A secondary index over one column.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirIndexDefinition {
    /// Its name, unique within the shard: 1 to 64 letters, digits, `-` and `_`.
    pub name: *const c_char,
    /// The column that it is over.
    pub column: *const c_char,
    /// A `WEIR_INDEX_*`.
    pub kind: i32,
    /// Must be 0.
    pub reserved: i32,
}

/// The `len` definitions at `pointer`.
///
/// # Safety
///
/// `pointer` is NULL or `len` definitions, whose texts are NULL or NUL-terminated.
pub(crate) unsafe fn indexes(pointer: *const WeirIndexDefinition, len: usize) -> Result<Vec<IndexDefinition>> {
    // SAFETY: the caller's promise.
    let definitions = unsafe { args::slice("indexes", pointer, len) }?;
    let decode = |(at, definition): (usize, &WeirIndexDefinition)| {
        if definition.kind != WeirIndex::Btree as i32 {
            bail!(InvalidArgument, "indexes[{at}].kind is {}, must be a WEIR_INDEX_*", definition.kind);
        }
        if definition.reserved != 0 {
            bail!(InvalidArgument, "indexes[{at}].reserved is not 0");
        }
        // SAFETY: the caller's promise.
        let text = |field: &str, text| unsafe { args::text(&format!("indexes[{at}].{field}"), text) };
        let (name, column) = (text("name", definition.name)?.to_owned(), text("column", definition.column)?.to_owned());
        Ok(IndexDefinition { name, kind: IndexKind::BTree, column })
    };
    definitions.iter().enumerate().map(decode).collect()
}

/// The names of the primary key's columns; none for (NULL, 0).
///
/// # Safety
///
/// `pointer` is NULL or `len` texts, NULL or NUL-terminated.
pub(crate) unsafe fn primary_key(pointer: *const *const c_char, len: usize) -> Result<Option<Vec<String>>> {
    // SAFETY: the caller's promise.
    let names = unsafe { args::texts("primary_key", pointer, len) }?;
    Ok(if names.is_empty() { None } else { Some(names) })
}

/// Options of weir_writer_open().
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirWriterOptions {
    /// `sizeof(WeirWriterOptions)`.
    pub struct_size: u32,
    /// 1 (default): a put returns when it is durable. 0: when it is admitted; it becomes durable within the linger.
    pub durable: u8,
    /// 1 (default): on a local disk, durable means that file and directory were synced. 0: what the kernel holds is lost with the
    /// machine's power, though not with the process. Other stores are durable anyway.
    pub fsync: u8,
    /// 1 (default): offsets and UTF-8 of every batch are checked. 0: the caller vouches for them; what is wrong is undefined behaviour.
    pub validate: u8,
    /// 1 (default): what was put can be read at once (weir_writer_scan(), weir_writer_get()), is flushed to generations in the background, and
    /// the log behind it may be trimmed. 0: the writer writes the log and nothing else.
    pub enable_memtable: u8,
    /// Compression of entries, a `WEIR_COMPRESSION_*`; default none. Lance reads compressed entries only if it is built for it.
    pub compression: i32,
    /// Retries of a failed append, at the same position, before the writer is poisoned; default 3.
    pub max_retries: u32,
    /// Microseconds that an admitted put may wait for others to share its entry; < 0 (default) = 0 if durable, else 100000.
    pub linger_us: i64,
    /// Bytes at which pending puts are written at once, and at which an entry is full; default 8388608 (8 MiB).
    pub max_buffer_bytes: u64,
    /// Bytes admitted and not durable at which puts wait for room; default 67108864 (64 MiB).
    pub max_pending_bytes: u64,
    /// Milliseconds before the first retry, doubling with each; default 50.
    pub retry_base_delay_ms: u32,
    /// Manifest versions that are asked for at once, 1 to 64; default 2.
    pub manifest_probe_width: u32,
    /// Milliseconds below which nothing of the shard is ever trimmed, by anyone; < 0 (default) = 24 hours.
    pub trim_age_ms: i64,
    /// Milliseconds that opening may take; < 0 (default) = for ever.
    pub open_timeout_ms: i64,
    /// The memory at which a MemTable is frozen and flushed, its indexes included; default 268435456 (256 MiB). This and all that follows is
    /// of writers with `enable_memtable`.
    pub max_memtable_bytes: u64,
    /// The rows at which it is; default 4000000.
    pub max_memtable_rows: u64,
    /// The batches at which it is; default 262144.
    pub max_memtable_batches: u64,
    /// Bytes in MemTables that are not flushed at which puts wait for room; default 1073741824 (1 GiB).
    pub max_unflushed_bytes: u64,
    /// Milliseconds for which a MemTable stays in memory after it was flushed, so that reads need no storage; default 0, at most an hour.
    pub frozen_grace_ms: i64,
    /// The names of the columns that are the primary key, in the key's order; NULL (default) = those that the schema's metadata marks
    /// (`lance-schema:unenforced-primary-key`), if any. Without a key, every row stays: nothing is replaced, deleted or got by key.
    pub primary_key: *const *const c_char,
    /// How many there are.
    pub primary_key_len: usize,
    /// Secondary indexes; NULL (default) = none. Scans use them where comparisons allow it.
    pub indexes: *const WeirIndexDefinition,
    /// How many there are.
    pub indexes_len: usize,
    /// 1 (default): generations are merged in the background. 0: only by weir_writer_compact().
    pub compaction: u8,
    /// Must be 0.
    pub reserved2: [u8; 3],
    /// The fewest generations that are worth a merge, at least 2; default 4.
    pub compaction_min_generations: u32,
    /// The most generations of one merge; default 16.
    pub compaction_max_generations: u32,
    /// Must be 0.
    pub reserved3: u32,
    /// The most that the generations of one merge may take on storage together, in bytes; default 268435456 (256 MiB). A merge takes about this
    /// much memory.
    pub compaction_max_bytes: u64,
}

// SAFETY: `repr(C)`, integers and pointers, no padding at the end.
unsafe impl Options for WeirWriterOptions {
    const NAME: &'static str = "WeirWriterOptions";
    const FROZEN: usize = std::mem::offset_of!(Self, max_memtable_bytes);
    const ENDS: &'static [usize] = field_ends!(WeirWriterOptions: struct_size, durable, fsync, validate, enable_memtable, compression, max_retries,
        linger_us, max_buffer_bytes, max_pending_bytes, retry_base_delay_ms, manifest_probe_width, trim_age_ms, open_timeout_ms,
        max_memtable_bytes, max_memtable_rows, max_memtable_batches, max_unflushed_bytes, frozen_grace_ms, primary_key, primary_key_len,
        indexes, indexes_len, compaction, reserved2, compaction_min_generations, compaction_max_generations, reserved3, compaction_max_bytes);
    fn defaults() -> Self {
        let core = WriterConfig::default();
        let (memtable, compact) = (MemTableConfig::default(), CompactOptions::default());
        Self {
            struct_size: size_of::<Self>() as u32,
            durable: core.durable.into(),
            fsync: 1,
            validate: 1,
            enable_memtable: 1,
            compression: 0,
            max_retries: core.retry.max_retries,
            linger_us: -1,
            max_buffer_bytes: core.max_buffer_bytes,
            max_pending_bytes: core.max_pending_bytes,
            retry_base_delay_ms: core.retry.base_delay.as_millis() as u32,
            manifest_probe_width: core.manifest_probe_width,
            trim_age_ms: -1,
            open_timeout_ms: -1,
            max_memtable_bytes: memtable.limits.max_bytes,
            max_memtable_rows: memtable.limits.max_rows,
            max_memtable_batches: memtable.limits.max_batches,
            max_unflushed_bytes: memtable.max_unflushed_bytes,
            frozen_grace_ms: 0,
            primary_key: std::ptr::null(),
            primary_key_len: 0,
            indexes: std::ptr::null(),
            indexes_len: 0,
            compaction: 1,
            reserved2: [0; 3],
            compaction_min_generations: compact.min_inputs as u32,
            compaction_max_generations: compact.max_inputs as u32,
            reserved3: 0,
            compaction_max_bytes: compact.max_bytes,
        }
    }
}

impl WeirWriterOptions {
    /// # Safety
    ///
    /// Pointers are NULL or as the header describes them.
    unsafe fn decode(&self) -> Result<WriterConfig> {
        if self.reserved2 != [0; 3] || self.reserved3 != 0 {
            bail!(InvalidArgument, "a reserved field of WeirWriterOptions is not 0");
        }
        let config = WriterConfig {
            durable: flag("durable", self.durable)?,
            linger: u64::try_from(self.linger_us).ok().map(Duration::from_micros),
            max_buffer_bytes: self.max_buffer_bytes,
            max_pending_bytes: self.max_pending_bytes,
            compression: compression(self.compression)?,
            retry: Retry { max_retries: self.max_retries, base_delay: Duration::from_millis(self.retry_base_delay_ms.into()) },
            manifest_probe_width: self.manifest_probe_width,
            trim_age: timeout(self.trim_age_ms).unwrap_or(WriterConfig::default().trim_age),
            // SAFETY: the caller's promise.
            memtable: unsafe { self.memtable() }?,
        };
        config.validate()?;
        Ok(config)
    }

    /// # Safety
    ///
    /// As for [`Self::decode`].
    unsafe fn memtable(&self) -> Result<Option<MemTableConfig>> {
        // SAFETY: the caller's promise.
        let (key, indexes) = unsafe { (primary_key(self.primary_key, self.primary_key_len)?, indexes(self.indexes, self.indexes_len)?) };
        let compaction = flag("compaction", self.compaction)?;
        if !flag("enable_memtable", self.enable_memtable)? {
            for (option, given) in [("primary_key", key.is_some()), ("indexes", !indexes.is_empty())] {
                if given {
                    bail!(InvalidArgument, "{option} is given, and enable_memtable is 0: a writer that writes the log alone has none");
                }
            }
            return Ok(None);
        }
        let Some(frozen_grace) = timeout(self.frozen_grace_ms) else {
            bail!(InvalidArgument, "frozen_grace_ms is {}, must be at least 0", self.frozen_grace_ms);
        };
        Ok(Some(MemTableConfig {
            primary_key: key,
            indexes,
            limits: Limits { max_bytes: self.max_memtable_bytes, max_rows: self.max_memtable_rows, max_batches: self.max_memtable_batches },
            max_unflushed_bytes: self.max_unflushed_bytes,
            frozen_grace,
            compaction: compaction.then(|| self.compact()),
            // What C's arrays keep alive cannot be known.
            buffers: Buffers::Foreign,
            ..MemTableConfig::default()
        }))
    }

    /// How generations are merged, in the background or when asked to.
    fn compact(&self) -> CompactOptions {
        CompactOptions {
            max_bytes: self.compaction_max_bytes,
            min_inputs: self.compaction_min_generations as usize,
            max_inputs: self.compaction_max_generations as usize,
            ..CompactOptions::default()
        }
    }
}

/// Fills options with their defaults.
///
/// @param options      the struct
/// @param struct_size  `sizeof(WeirWriterOptions)` as the caller knows it, in bytes: no more is written
///
/// # Safety
///
/// `options` is NULL or `struct_size` bytes there may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_options_init(options: *mut WeirWriterOptions, struct_size: u32) {
    // SAFETY: the caller's promise.
    unsafe { options::init(options, struct_size) };
}

unsafe fn open(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    schema: *const FFI_ArrowSchema,
    options: *const WeirWriterOptions,
) -> Result<Operation<impl Future<Output = Result<Owned<WeirWriter>>> + Send + 'static>> {
    // SAFETY: the caller's promise, here and below.
    let options = unsafe { options::read(options) }?;
    // SAFETY: the same.
    let config = unsafe { options.decode() }?;
    let (validate, fsync, compact) = (flag("validate", options.validate)?, flag("fsync", options.fsync)?, options.compact());
    // SAFETY: the same.
    let OpenOptions { handle, store, shard, schema } = unsafe { OpenOptions::decode(session, root, shard_id, schema, fsync) }?;
    let session = Arc::clone(&handle.core);
    let (blocking, open_timeout_ms) = (store.is_blocking(), options.open_timeout_ms);
    let env = session.env().clone();
    let opening = async move {
        let within = Within { memory: Some(Arc::clone(session.memory())), cache: Some(session.cache()) };
        let env = session.env().clone();
        let writer = Arc::new(ShardWriter::open_within(store.clone(), shard.clone(), &schema, config, env, within).await?);
        session.opened(&store, &shard, writer.epoch()).await;
        let figures = Figures::register(&session, &writer);
        let keys = writer.table_spec().map(KeyShape::of);
        Ok(Owned::new(Writing { writer, validate, blocking, keys, compact, figures, session }))
    };
    Ok(operation(&handle, blocking, within(env, open_timeout_ms, opening)))
}

/// Opens a writer: claims the shard, which fences the writer before, and makes the shard if it does not exist. Options and schema
/// are checked first, so a call that is refused for them fences nobody. With `enable_memtable`, rows that the log has and no generation
/// are read back into memory. A schema may differ from the one before: columns may be added (nullable), dropped and renamed (by their
/// metadata `lance:field_id`).
///
/// @param session   the session; the writer keeps what it needs of it
/// @param root      the URL or path below which the shard lies
/// @param shard_id  the shard's UUID, lower case, hyphenated
/// @param schema    the schema of every batch to come, a struct; borrowed. Metadata keys that the log reserves are left out.
/// @param options   NULL for the defaults
/// @param writer    receives the writer; free it with weir_writer_free()
/// @param error     receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_SCHEMA_MISMATCH, WEIR_STATUS_SEALED, WEIR_STATUS_CONFLICT or WEIR_STATUS_FENCED if
/// another claims at the same time, WEIR_STATUS_UNSUPPORTED for a store without create-if-absent, WEIR_STATUS_PERMISSION_DENIED,
/// WEIR_STATUS_STORAGE, WEIR_STATUS_CORRUPTION, WEIR_STATUS_TIMED_OUT (the claim may have been made)
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_open(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    schema: *const FFI_ArrowSchema,
    options: *const WeirWriterOptions,
    writer: *mut *mut WeirWriter,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, -1, Out::clear("writer", writer), || open(session, root, shard_id, schema, options)) }
}

/// weir_writer_open() with a completion: the event's `result` is the writer.
///
/// @param session     the session
/// @param root        the URL or path
/// @param shard_id    the shard's UUID
/// @param schema      the schema of every batch; borrowed for the call
/// @param options     NULL for the defaults
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_SCHEMA_MISMATCH
///
/// # Safety
///
/// `session` is NULL or a session that was not freed; `completion` and pointers are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_open_async(
    session: *const WeirSession,
    root: *const c_char,
    shard_id: *const c_char,
    schema: *const FFI_ArrowSchema,
    options: *const WeirWriterOptions,
    completion: WeirCompletion,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || open(session, root, shard_id, schema, options)) }
}
