//! Scans: the newest rows of a writer's shard, or of a snapshot, that meet some comparisons.

use std::ffi::c_char;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::RecordBatch;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{Field, Schema, SchemaRef};
use tokio::sync::Mutex;

use super::args::{self, Out};
use super::arrow::{self, BatchSource, Taken};
use super::arrow_out::ArrowOut;
use super::batch::WeirBatch;
use super::call::{self, Operation, operation};
use super::comparand;
use super::completion::WeirCompletion;
use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::{self, Handle, Opaque, Owned};
use super::options::{self, Options, field_ends, flag};
use super::reads::{self, Source};
use super::writer::WeirWriter;
use crate::error::{Result, bail};
use crate::memtable::TableSpec;
use crate::runtime;
use crate::scan::{CompareOp, Comparison, DEFAULT_BATCH_ROWS, ScanRequest, ScanStream};

/// How a column is compared with a value. A null is equal to nothing, less than nothing and greater than nothing; −0 is 0, and every NaN
/// is one value above all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum WeirCompare {
    /// Equal to the value.
    Eq = 0,
    /// Not equal to the value, and not null.
    Ne = 1,
    /// Less than the value.
    Lt = 2,
    /// Less than the value or equal to it.
    Le = 3,
    /// Greater than the value.
    Gt = 4,
    /// Greater than the value or equal to it.
    Ge = 5,
    /// Null. Takes no value.
    IsNull = 6,
    /// Not null. Takes no value.
    IsNotNull = 7,
}

/// A condition on one column. What it is compared with is in the `values` of weir_writer_scan().
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirComparison {
    /// The column's name.
    pub column: *const c_char,
    /// A `WEIR_COMPARE_*`.
    pub op: i32,
    /// Must be 0.
    pub reserved: i32,
}

/// Options of weir_writer_scan() and weir_snapshot_scan().
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WeirScanOptions {
    /// `sizeof(WeirScanOptions)`.
    pub struct_size: u32,
    /// 1: the column `_position` (uint64) comes, too: the row's number in its generation or MemTable, from 0. Default 0.
    pub with_position: u8,
    /// 1: the column `_generation` (uint64) comes, too: the generation that has the row, or that its MemTable will be. Together with the
    /// position it names a version of a row until generations are merged. Default 0.
    pub with_generation: u8,
    /// 1: keys whose newest version is a deletion come, too, told apart by the column `_tombstone` (boolean), which is behind the others; all
    /// columns outside of the key may be null then. Default 0.
    pub with_tombstones: u8,
    /// Must be 0.
    pub reserved: u8,
    /// The names of the columns, in the order in which they are wanted; NULL (default) = all.
    pub columns: *const *const c_char,
    /// How many there are.
    pub columns_len: usize,
    /// What must hold for a row, all of it; NULL (default) = nothing.
    pub comparisons: *const WeirComparison,
    /// How many there are.
    pub comparisons_len: usize,
    /// The most rows that are given; UINT64_MAX (default) = all.
    pub limit: u64,
    /// The rows that a batch has at most, smaller ones being joined to about this; default 8192.
    pub batch_rows: u32,
    /// Must be 0.
    pub reserved2: u32,
}

// SAFETY: `repr(C)`, integers and pointers, no padding at the end.
unsafe impl Options for WeirScanOptions {
    const NAME: &'static str = "WeirScanOptions";
    const FROZEN: usize = size_of::<Self>();
    const ENDS: &'static [usize] = field_ends!(WeirScanOptions: struct_size, with_position, with_generation, with_tombstones, reserved, columns,
        columns_len, comparisons, comparisons_len, limit, batch_rows, reserved2);
    fn defaults() -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            with_position: 0,
            with_generation: 0,
            with_tombstones: 0,
            reserved: 0,
            columns: std::ptr::null(),
            columns_len: 0,
            comparisons: std::ptr::null(),
            comparisons_len: 0,
            limit: u64::MAX,
            batch_rows: DEFAULT_BATCH_ROWS as u32,
            reserved2: 0,
        }
    }
}

/// Fills options with their defaults.
///
/// @param options      the struct
/// @param struct_size  `sizeof(WeirScanOptions)` as the caller knows it, in bytes: no more is written
///
/// # Safety
///
/// `options` is NULL or `struct_size` bytes there may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_scan_options_init(options: *mut WeirScanOptions, struct_size: u32) {
    // SAFETY: the caller's promise.
    unsafe { options::init(options, struct_size) };
}

fn compare(at: usize, op: i32) -> Result<CompareOp> {
    Ok(match op {
        0 => CompareOp::Eq,
        1 => CompareOp::NotEq,
        2 => CompareOp::Lt,
        3 => CompareOp::LtEq,
        4 => CompareOp::Gt,
        5 => CompareOp::GtEq,
        6 => CompareOp::IsNull,
        7 => CompareOp::IsNotNull,
        _ => bail!(InvalidArgument, "comparisons[{at}].op is {op}, must be a WEIR_COMPARE_*"),
    })
}

impl WeirScanOptions {
    /// What is asked for, the comparisons without their values yet.
    ///
    /// # Safety
    ///
    /// Pointers are NULL or as the header describes them.
    unsafe fn decode(&self) -> Result<ScanRequest> {
        if self.reserved != 0 || self.reserved2 != 0 {
            bail!(InvalidArgument, "a reserved field of WeirScanOptions is not 0");
        }
        if self.batch_rows == 0 {
            bail!(InvalidArgument, "batch_rows is 0, must be at least 1");
        }
        // SAFETY: the caller's promise.
        let (columns, comparisons) = unsafe {
            (reads::columns(self.columns, self.columns_len)?, args::slice("comparisons", self.comparisons, self.comparisons_len)?)
        };
        let comparison = |(at, comparison): (usize, &WeirComparison)| {
            if comparison.reserved != 0 {
                bail!(InvalidArgument, "comparisons[{at}].reserved is not 0");
            }
            // SAFETY: the caller's promise.
            let column = unsafe { args::text(&format!("comparisons[{at}].column"), comparison.column) }?.to_owned();
            Ok(Comparison { column, op: compare(at, comparison.op)?, value: None })
        };
        Ok(ScanRequest {
            columns,
            filter: comparisons.iter().enumerate().map(comparison).collect::<Result<_>>()?,
            limit: (self.limit != u64::MAX).then_some(self.limit),
            with_position: flag("with_position", self.with_position)?,
            with_generation: flag("with_generation", self.with_generation)?,
            tombstones: flag("with_tombstones", self.with_tombstones)?,
            batch_rows: self.batch_rows as usize,
            ..ScanRequest::default()
        })
    }
}

/// Gives the comparisons their values.
///
/// # Safety
///
/// `schema` is NULL or a schema as the specification has it.
unsafe fn fill(filter: &mut [Comparison], values: Taken<FFI_ArrowArray>, schema: *const FFI_ArrowSchema, spec: &TableSpec) -> Result<()> {
    let mut wanting: Vec<_> = filter.iter_mut().filter(|one| !matches!(one.op, CompareOp::IsNull | CompareOp::IsNotNull)).collect();
    if matches!(values, Taken::Nothing) && wanting.is_empty() {
        return Ok(());
    }
    let array = values.array().map_err(|error| error.context("values"))?;
    if array.num_children() != wanting.len() {
        let (given, wanted) = (array.num_children(), wanting.len());
        bail!(InvalidArgument, "there are {given} values, and {wanted} comparisons that take one");
    }
    let column = |name: &str| match spec.schema().column_with_name(name) {
        Some((_, field)) => Ok(field),
        None => bail!(InvalidArgument, "there is no column '{name}' to be compared"),
    };
    let types = wanting.iter().map(|one| column(&one.column).map(Field::data_type)).collect::<Result<Vec<_>>>()?;
    let schema = if schema.is_null() {
        Schema::new(types.iter().zip(&wanting).map(|(of, one)| Field::new(&one.column, (*of).clone(), true)).collect::<Vec<_>>())
    } else {
        // SAFETY: the caller's promise.
        unsafe { arrow::import_schema(schema) }?
    };
    let batch = arrow::import_batch(array, &Arc::new(schema), true)?;
    if batch.num_rows() != 1 {
        bail!(InvalidArgument, "the values are {} rows; one row is wanted", batch.num_rows());
    }
    for ((one, value), to) in wanting.iter_mut().zip(batch.columns()).zip(types) {
        one.value = Some(comparand::fit(&one.column, value, to)?);
    }
    Ok(())
}

/// A scan: rows of one moment, read as they are asked for. All functions may be called from any thread at once; weir_scan_next() calls
/// take turns.
pub struct WeirScan {
    _opaque: [u8; 0],
}

/// What is inside.
pub(crate) struct Scanning {
    rows: Mutex<ScanStream>,
    schema: SchemaRef,
    blocking: bool,
    /// A stream has the rest.
    streamed: AtomicBool,
}

impl Opaque for WeirScan {
    type Core = Arc<Scanning>;
    const MAGIC: u32 = u32::from_be_bytes(*b"scan");
    const NAME: &'static str = "scan";
}

/// The whole of an export that begins a scan.
///
/// # Safety
///
/// `source` is NULL or a handle that was not freed; pointers are NULL or as the header describes them.
pub(crate) unsafe fn scan<O: Opaque<Core: Source>>(
    source: *const O,
    options: *const WeirScanOptions,
    values: *mut FFI_ArrowArray,
    values_schema: *const FFI_ArrowSchema,
    scan: *mut *mut WeirScan,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let (values, out) = unsafe { (arrow::take(values), Out::<Owned<WeirScan>>::clear("scan", scan)) };
    let body = |source: &Handle<O>| {
        out.check()?;
        let shape = source.core.shape()?;
        // SAFETY: the caller's promise, here and below.
        let mut request = unsafe { options::read(options)?.decode() }?;
        // SAFETY: the same.
        unsafe { fill(&mut request.filter, values, values_schema, shape.spec()) }?;
        let rows = source.core.view()?.scan(request)?;
        let (schema, blocking) = (Arc::clone(rows.schema()), source.core.is_blocking());
        out.set(Owned::new(Arc::new(Scanning { rows: Mutex::new(rows), schema, blocking, streamed: AtomicBool::new(false) })));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(source, error, body) }
}

/// Begins a scan of the newest rows: every put that was acknowledged, and in a writer that is not durable every put that was admitted. It
/// sees one moment, however long it takes and whatever is put meanwhile. Nothing is read yet. Rows come in the order in which they were put;
/// of rows of one primary key, the newest.
///
/// @param writer         the writer
/// @param options        what is wanted; NULL for all
/// @param values         what columns are compared with: a struct array of one row, with one child for each comparison that takes a value, in
/// their order; consumed on every return. NULL if none does
/// @param values_schema  its schema, borrowed; NULL: of the compared columns' types. Integers and floats of another width and texts of another
/// layout are cast if that loses nothing
/// @param scan           receives the scan; free it with weir_scan_free()
/// @param error          receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_INVALID_DATA, WEIR_STATUS_SCHEMA_MISMATCH if a value is none of its column's,
/// WEIR_STATUS_UNSUPPORTED without MemTables, WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED
///
/// # Safety
///
/// `writer` is NULL or a writer that was not freed; `values` is NULL or an array to be consumed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_writer_scan(
    writer: *const WeirWriter,
    options: *const WeirScanOptions,
    values: *mut FFI_ArrowArray,
    values_schema: *const FFI_ArrowSchema,
    scan: *mut *mut WeirScan,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { self::scan(writer, options, values, values_schema, scan, error) }
}

/// Exports the schema of a scan's batches.
///
/// @param scan    the scan
/// @param schema  receives the schema; call its `release`
/// @param error   receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `scan` is NULL or a scan that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_scan_schema(scan: *const WeirScan, schema: *mut FFI_ArrowSchema, error: *mut *mut WeirError) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { ArrowOut::clear("schema", schema) };
    let body = |scan: &Handle<WeirScan>| {
        out.check()?;
        out.set(arrow::export_schema(&scan.core.schema)?);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(scan, error, body) }
}

unsafe fn next(scan: *const WeirScan) -> Result<Operation<impl Future<Output = Result<Option<Owned<WeirBatch>>>> + Send + 'static>> {
    // SAFETY: the caller's promise.
    let handle = unsafe { handle::share(scan) }?;
    let scanning = Arc::clone(&handle.core);
    let future = async move {
        let mut rows = scanning.rows.lock().await;
        // Asked when it is this call's turn: the stream may have come first.
        if scanning.streamed.load(Ordering::Acquire) {
            bail!(Closed, "a stream has the rest of the scan");
        }
        Ok(rows.next().await?.map(WeirBatch::of))
    };
    Ok(operation(&handle, handle.core.blocking, future))
}

/// The next rows of a scan, at least one.
///
/// @param scan        the scan
/// @param timeout_ms  < 0 = for ever. What came too late comes with the next call
/// @param batch       receives the batch, NULL at the end; free it with weir_batch_free()
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_CLOSED after weir_scan_stream(), WEIR_STATUS_NOT_FOUND if what it reads was merged and
/// removed meanwhile: begin anew; WEIR_STATUS_CORRUPTION, WEIR_STATUS_STORAGE. After an error the scan is where it was.
///
/// # Safety
///
/// `scan` is NULL or a scan that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_scan_next(
    scan: *const WeirScan,
    timeout_ms: i64,
    batch: *mut *mut WeirBatch,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::wait(error, timeout_ms, Out::clear("batch", batch), || next(scan)) }
}

/// weir_scan_next() with a completion: the event's `result` is the batch, or NULL at the end.
///
/// @param scan        the scan
/// @param completion  what to complete
/// @param error       receives the error, unless NULL
/// @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `scan` is NULL or a scan that was not freed; `completion` and `error` are as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_scan_next_async(scan: *const WeirScan, completion: WeirCompletion, error: *mut *mut WeirError) -> WeirStatus {
    // SAFETY: the caller's promise.
    unsafe { call::defer(error, completion, || next(scan)) }
}

/// The rest of a scan as a stream.
struct ScanSource(Arc<Scanning>);

impl BatchSource for ScanSource {
    fn schema(&mut self) -> Result<SchemaRef> {
        Ok(Arc::clone(&self.0.schema))
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        runtime::block_on(async { self.0.rows.lock().await.next().await }, -1)
    }
}

/// Exports the rest of a scan as a stream, which has the rows from then on: later weir_scan_next() calls are WEIR_STATUS_CLOSED. The scan may be
/// freed before the stream.
///
/// @param scan    the scan
/// @param stream  receives the stream; call its `release`. Errors of its calls have weir's message in `get_last_error`.
/// @param error   receives the error, unless NULL
/// @return WEIR_STATUS_OK, WEIR_STATUS_CLOSED if a stream has it already, WEIR_STATUS_INVALID_ARGUMENT
///
/// # Safety
///
/// `scan` is NULL or a scan that was not freed; pointers are NULL or as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_scan_stream(
    scan: *const WeirScan,
    stream: *mut FFI_ArrowArrayStream,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { ArrowOut::clear("stream", stream) };
    let body = |scan: &Handle<WeirScan>| {
        out.check()?;
        if scan.core.streamed.swap(true, Ordering::AcqRel) {
            bail!(Closed, "a stream has the rest of the scan already");
        }
        out.set(arrow::export_stream(ScanSource(Arc::clone(&scan.core))));
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(scan, error, body) }
}

/// Frees a scan. Calls under way go on to their end, and batches and the stream stay valid. NULL is allowed.
///
/// # Safety
///
/// `scan` is NULL or a scan that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_scan_free(scan: *mut WeirScan) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(scan) };
}
