//! What is read by key or scanned: writers and snapshots, which their exports treat alike.

use std::ffi::c_char;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{Field, Schema, SchemaRef};

use super::args;
use super::arrow::{self, Taken};
use super::arrow_out::ArrowOut;
use super::error::{WeirError, WeirStatus};
use super::guard::guard_on;
use super::handle::{Handle, Opaque};
use crate::error::{Result, err};
use crate::memtable::TableSpec;
use crate::scan::{GenerationList, ScanRequest, View};

/// What can be read from.
pub(crate) trait Source: Send + Sync + 'static {
    /// What is visible now.
    fn view(&self) -> Result<View>;
    /// What its tables and keys are.
    fn shape(&self) -> Result<&KeyShape>;
    /// Whether the arrays that come in are checked value by value.
    fn validates(&self) -> bool;
    /// Whether reading blocks the thread that does it.
    fn is_blocking(&self) -> bool;
}

/// How keys come in, found out once.
#[derive(Debug)]
pub(crate) struct KeyShape {
    spec: Arc<TableSpec>,
    /// The key's columns in its order. They may be null here: where keys are encoded a null is refused with its row and column.
    schema: Option<SchemaRef>,
}

impl KeyShape {
    /// That of a table.
    pub(crate) fn of(spec: &Arc<TableSpec>) -> Self {
        let field = |name: &str, column: &Field| Field::new(name, column.data_type().clone(), true);
        let schema = spec.key().map(|key| {
            let columns =
                key.spec().columns().iter().filter_map(|column| Some(field(column.name(), spec.schema().fields().get(column.index())?)));
            Arc::new(Schema::new(columns.collect::<Vec<_>>()))
        });
        Self { spec: Arc::clone(spec), schema }
    }

    /// What all tables have in common.
    pub(crate) fn spec(&self) -> &Arc<TableSpec> {
        &self.spec
    }

    fn keys(&self) -> Result<&SchemaRef> {
        self.schema.as_ref().ok_or_else(|| err!(Unsupported, "the shard has no primary key"))
    }

    /// The key's columns in its order, none of them nullable.
    fn key_schema(&self) -> Result<Schema> {
        let fields = self.keys()?.fields().iter().map(|field| field.as_ref().clone().with_nullable(false));
        Ok(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The keys in `array`, of the type `schema`; of the key's own if that is NULL.
    ///
    /// # Safety
    ///
    /// `schema` is NULL or a schema as the specification has it.
    pub(crate) unsafe fn import(
        &self,
        array: Taken<FFI_ArrowArray>,
        schema: *const FFI_ArrowSchema,
        validate: bool,
    ) -> Result<RecordBatch> {
        let own = self.keys()?;
        let array = array.array()?;
        if schema.is_null() {
            return arrow::import_batch(array, own, validate);
        }
        // SAFETY: the caller's promise.
        let given = unsafe { arrow::import_schema(schema) }?;
        arrow::import_batch(array, &Arc::new(given), validate)
    }

    /// The schema of what `request` gives.
    fn schema_of(&self, request: ScanRequest) -> Result<SchemaRef> {
        let nothing = View::new(Arc::clone(&self.spec), Vec::new(), Arc::new(GenerationList::new(Vec::new())));
        Ok(Arc::clone(nothing.scan(request)?.schema()))
    }
}

/// The names at `pointer`; all columns for (NULL, 0).
///
/// # Safety
///
/// `pointer` is NULL or `len` texts, NULL or NUL-terminated.
pub(crate) unsafe fn columns(pointer: *const *const c_char, len: usize) -> Result<Option<Vec<String>>> {
    // SAFETY: the caller's promise.
    let names = unsafe { args::texts("columns", pointer, len) }?;
    Ok(if names.is_empty() { None } else { Some(names) })
}

/// The whole of an export that gives the key's schema.
///
/// # Safety
///
/// `source` is NULL or a handle that was not freed; pointers are NULL or may be written.
pub(crate) unsafe fn key_schema<O: Opaque<Core: Source>>(
    source: *const O,
    schema: *mut FFI_ArrowSchema,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { ArrowOut::clear("schema", schema) };
    let body = |source: &Handle<O>| {
        out.check()?;
        out.set(arrow::export_schema(&source.core.shape()?.key_schema()?)?);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(source, error, body) }
}

/// The whole of an export that gives the schema of the rows that a get gives.
///
/// # Safety
///
/// As for [`key_schema`]; `names` is NULL or `len` texts.
pub(crate) unsafe fn read_schema<O: Opaque<Core: Source>>(
    source: *const O,
    names: *const *const c_char,
    len: usize,
    schema: *mut FFI_ArrowSchema,
    error: *mut *mut WeirError,
) -> WeirStatus {
    // SAFETY: the caller's promise.
    let out = unsafe { ArrowOut::clear("schema", schema) };
    let body = |source: &Handle<O>| {
        out.check()?;
        // SAFETY: the caller's promise.
        let columns = unsafe { columns(names, len) }?;
        let rows = source.core.shape()?.schema_of(ScanRequest { columns, ..ScanRequest::default() })?;
        out.set(arrow::export_schema(&rows)?);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guard_on(source, error, body) }
}
