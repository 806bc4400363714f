//! Import of a schema. arrow-rs panics where a producer is wrong, so all that it takes for granted is checked before.

use std::ffi::{CStr, c_char};

use arrow_array::ffi::FFI_ArrowSchema;
use arrow_schema::{DataType, FieldRef, Schema};

use super::path::Path;
use super::raw::{FIRST_PAGE, RawSchema};
use crate::error::{Error, Result, bail, err};

/// How deeply types may nest: beyond, recursion would end the process.
const MAX_DEPTH: usize = 64;
/// More children, or entries of metadata, than any schema has: a count beyond is garbage.
const MAX_COUNT: usize = 1 << 20;

/// The schema at `pointer`, which is borrowed.
///
/// # Safety
///
/// `pointer` is NULL, or points to a schema that is valid or released.
pub(crate) unsafe fn import_schema(pointer: *const FFI_ArrowSchema) -> Result<Schema> {
    if pointer.is_null() || !pointer.is_aligned() {
        bail!(InvalidArgument, "the schema is NULL");
    }
    // SAFETY: the caller's promise.
    let schema = unsafe { &*pointer };
    // SAFETY: both are the `ArrowSchema` of the specification, `repr(C)`.
    let raw = unsafe { &*pointer.cast::<RawSchema>() };
    if raw.release.is_none() {
        bail!(InvalidArgument, "the schema was released, or moved, before");
    }
    // SAFETY: the caller's promise.
    match unsafe { text(raw.format) } {
        Some(format) if format != "+s" => {
            return Err(invalid(&Path::Root, format_args!("its format is {format:?}; a batch's is \"+s\", a struct")));
        }
        // SAFETY: the caller's promise.
        _ => unsafe { check(raw, &Path::Root, 0) }?,
    }
    let schema = Schema::try_from(schema).map_err(|e| err!(InvalidData, "the schema cannot be imported: {e}"))?;
    for field in schema.fields() {
        check_type(field.data_type(), &Path::Root.child(field.name()))?;
    }
    Ok(schema)
}

/// The type of a column that is described by itself.
///
/// # Safety
///
/// `pointer` is NULL or a schema as the specification has it.
pub(crate) unsafe fn import_type(pointer: *const FFI_ArrowSchema) -> Result<DataType> {
    if pointer.is_null() || !pointer.is_aligned() {
        bail!(InvalidArgument, "the schema is NULL");
    }
    // SAFETY: the caller's promise; both are the `ArrowSchema` of the specification, `repr(C)`.
    let (schema, raw) = unsafe { (&*pointer, &*pointer.cast::<RawSchema>()) };
    if raw.release.is_none() {
        bail!(InvalidArgument, "the schema was released, or moved, before");
    }
    // SAFETY: the caller's promise.
    unsafe { check(raw, &Path::Root, 0) }?;
    let data_type = DataType::try_from(schema).map_err(|e| err!(InvalidData, "the schema cannot be imported: {e}"))?;
    check_type(&data_type, &Path::Root)?;
    Ok(data_type)
}

#[cold]
fn invalid(path: &Path<'_>, what: impl std::fmt::Display) -> Error {
    match path {
        Path::Root => err!(InvalidData, "the schema: {what}"),
        Path::Child(..) => err!(InvalidData, "the schema's {path}: {what}").with_str("field", path.to_string()),
    }
}

/// Checks what arrow-rs's conversion takes for granted of a node and all below it.
///
/// # Safety
///
/// The producer's promise: pointers are NULL or valid, texts are NUL-terminated.
unsafe fn check(raw: &RawSchema, path: &Path<'_>, depth: usize) -> Result<()> {
    if depth > MAX_DEPTH {
        bail!(InvalidData, "the schema's types nest more than {MAX_DEPTH} deep");
    }
    // SAFETY: the caller's promise.
    let format = unsafe { text(raw.format) }.ok_or_else(|| invalid(path, "its format is NULL or not UTF-8"))?;
    let count = usize::try_from(raw.n_children).ok().filter(|count| *count <= MAX_COUNT);
    let count = count.ok_or_else(|| invalid(path, format_args!("it has {} children", raw.n_children)))?;
    check_format(format, count, path)?;
    if !raw.dictionary.is_null() && !matches!(format, "c" | "C" | "s" | "S" | "i" | "I" | "l" | "L") {
        return Err(invalid(path, format_args!("it has a dictionary, and keys of the format {format:?} instead of integers")));
    }
    // SAFETY: the caller's promise.
    unsafe { check_metadata(raw.metadata, path) }?;
    if count > 0 && raw.children.is_null() {
        return Err(invalid(path, format_args!("its children are NULL, and it says that it has {count}")));
    }
    for index in 0..count {
        // SAFETY: `children` points to as many pointers as there are said to be.
        let child = unsafe { raw.children.add(index).read_unaligned() };
        // SAFETY: the caller's promise.
        unsafe { check_below(child, &format!("[{index}]"), path, depth) }?;
    }
    if !raw.dictionary.is_null() {
        // SAFETY: the caller's promise.
        unsafe { check_below(raw.dictionary, "dictionary", path, depth) }?;
    }
    Ok(())
}

/// Checks a child, or a dictionary; `place` is what to call it if it has no name.
///
/// # Safety
///
/// As for [`check`].
unsafe fn check_below(raw: *mut RawSchema, place: &str, parent: &Path<'_>, depth: usize) -> Result<()> {
    let path = parent.child(place);
    if raw.addr() < FIRST_PAGE || !raw.is_aligned() {
        return Err(invalid(&path, format_args!("the pointer to it is {raw:p}")));
    }
    // SAFETY: the caller's promise.
    let raw = unsafe { &*raw };
    if raw.release.is_none() {
        return Err(invalid(&path, "it was released, or moved, before"));
    }
    let name = if raw.name.is_null() {
        None
    } else {
        // SAFETY: the caller's promise.
        Some(unsafe { text(raw.name) }.ok_or_else(|| invalid(&path, "its name is not UTF-8"))?)
    };
    let path = parent.child(name.filter(|name| !name.is_empty()).unwrap_or(place));
    // SAFETY: the caller's promise.
    unsafe { check(raw, &path, depth + 1) }
}

/// # Safety
///
/// `pointer` is NULL or NUL-terminated.
unsafe fn text<'a>(pointer: *const c_char) -> Option<&'a str> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(pointer) }.to_str().ok()
}

/// Refuses numbers of children that do not go with `format`. Formats that arrow-rs does not know, it refuses itself.
fn check_format(format: &str, children: usize, path: &Path<'_>) -> Result<()> {
    let wanted = match format {
        "+s" => return Ok(()),
        "+l" | "+L" | "+vl" | "+vL" | "+m" => 1,
        "+r" => 2,
        _ if format.starts_with("+w:") => 1,
        _ if format.starts_with("+u") => match format.split_once(':') {
            // arrow-rs makes no union without fields.
            Some((_, "")) | None => return Err(invalid(path, format_args!("its format {format:?} has no type ids"))),
            Some((_, ids)) => ids.split(',').count(),
        },
        _ => 0,
    };
    if children == wanted {
        return Ok(());
    }
    Err(invalid(path, format_args!("it has {children} children, and its format {format:?} has {wanted}")))
}

/// Reads metadata, whose size is known only from what it says itself.
struct Metadata<'a> {
    at: *const u8,
    path: &'a Path<'a>,
}

impl Metadata<'_> {
    /// # Safety
    ///
    /// The producer's promise: a number is there.
    unsafe fn number(&mut self, what: &str) -> Result<usize> {
        // SAFETY: the caller's promise.
        let number = unsafe { self.at.cast::<i32>().read_unaligned() };
        // SAFETY: the same.
        self.at = unsafe { self.at.add(size_of::<i32>()) };
        usize::try_from(number).map_err(|_| invalid(self.path, format_args!("the {what} of its metadata is {number}")))
    }

    /// # Safety
    ///
    /// The producer's promise: a length is there, and as many bytes.
    unsafe fn text(&mut self, what: &str) -> Result<()> {
        // SAFETY: the caller's promise.
        let len = unsafe { self.number(what) }?;
        // SAFETY: the same.
        let bytes = unsafe { std::slice::from_raw_parts(self.at, len) };
        // SAFETY: the same.
        self.at = unsafe { self.at.add(len) };
        std::str::from_utf8(bytes).map(drop).map_err(|_| invalid(self.path, "its metadata is not UTF-8"))
    }
}

/// # Safety
///
/// As for [`check`].
unsafe fn check_metadata(start: *const c_char, path: &Path<'_>) -> Result<()> {
    if start.is_null() {
        return Ok(());
    }
    let mut metadata = Metadata { at: start.cast(), path };
    // SAFETY: the caller's promise.
    let count = unsafe { metadata.number("count") }?;
    if count > MAX_COUNT {
        return Err(invalid(path, format_args!("its metadata says that it has {count} entries")));
    }
    for _ in 0..count {
        // SAFETY: the caller's promise.
        unsafe {
            metadata.text("key length")?;
            metadata.text("value length")?;
        }
    }
    Ok(())
}

/// Checks what a type's parameters and parts must be, which arrow-rs finds out only when an array is made, if then.
fn check_type(data_type: &DataType, path: &Path<'_>) -> Result<()> {
    let child = |field: &FieldRef| check_type(field.data_type(), &path.child(field.name()));
    match data_type {
        DataType::FixedSizeBinary(size) | DataType::FixedSizeList(_, size) if *size < 0 => {
            Err(invalid(path, format_args!("its size is {size}")))
        }
        DataType::Decimal32(precision, scale) => check_decimal(*precision, *scale, 9, path),
        DataType::Decimal64(precision, scale) => check_decimal(*precision, *scale, 18, path),
        DataType::Decimal128(precision, scale) => check_decimal(*precision, *scale, 38, path),
        DataType::Decimal256(precision, scale) => check_decimal(*precision, *scale, 76, path),
        DataType::Map(entries, _) => check_map(entries, path).and_then(|()| child(entries)),
        DataType::RunEndEncoded(ends, values) => {
            if !matches!(ends.data_type(), DataType::Int16 | DataType::Int32 | DataType::Int64) || ends.is_nullable() {
                let ends = ends.data_type();
                return Err(invalid(path, format_args!("its run ends are {ends}; they must be signed integers, and not nullable")));
            }
            child(values)
        }
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => child(field),
        DataType::Struct(fields) => fields.iter().try_for_each(child),
        DataType::Union(fields, _) => fields.iter().try_for_each(|(_, field)| child(field)),
        DataType::Dictionary(_, values) => check_type(values, &path.child("dictionary")),
        _ => Ok(()),
    }
}

fn check_map(entries: &FieldRef, path: &Path<'_>) -> Result<()> {
    let DataType::Struct(parts) = entries.data_type() else {
        return Err(invalid(path, format_args!("the entries of a map are {} instead of a struct", entries.data_type())));
    };
    match parts.as_ref() {
        [key, _] if key.is_nullable() => Err(invalid(path, "the keys of a map must not be nullable")),
        [_, _] => Ok(()),
        _ => Err(invalid(path, format_args!("the entries of a map have {} fields instead of 2", parts.len()))),
    }
}

fn check_decimal(precision: u8, scale: i8, most: u8, path: &Path<'_>) -> Result<()> {
    if precision == 0 || precision > most || i16::from(scale) > i16::from(precision) {
        return Err(invalid(path, format_args!("a decimal of {precision} digits with scale {scale} is none of up to {most} digits")));
    }
    Ok(())
}
