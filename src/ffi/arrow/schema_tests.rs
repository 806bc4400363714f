use std::collections::HashMap;
use std::ffi::c_char;
use std::sync::Arc;

use arrow_array::ffi::FFI_ArrowSchema;
use arrow_schema::{DataType, Field, Fields, IntervalUnit, Schema, TimeUnit, UnionFields, UnionMode};

use super::raw::RawSchema;
use super::{export_schema, import_schema};
use crate::error::{ErrorKind, Result};

fn fields() -> Vec<Field> {
    let item = || Arc::new(Field::new("item", DataType::Utf8, true));
    let entries = Fields::from(vec![Field::new("keys", DataType::Utf8, false), Field::new("values", DataType::Int32, true)]);
    let union: UnionFields = [(1, item()), (7, item())].into_iter().collect();
    let types = vec![
        DataType::Null,
        DataType::Boolean,
        DataType::Float16,
        DataType::Decimal32(9, 2),
        DataType::Decimal64(18, -2),
        DataType::Decimal128(38, 38),
        DataType::Decimal256(76, 0),
        DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/Berlin".into())),
        DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::FixedSizeBinary(16),
        DataType::Utf8View,
        DataType::List(item()),
        DataType::LargeListView(item()),
        DataType::FixedSizeList(item(), 3),
        DataType::Struct(Fields::from(vec![Field::new("a", DataType::Int8, false)])),
        DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false),
        DataType::Union(union.clone(), UnionMode::Dense),
        DataType::Union(union, UnionMode::Sparse),
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
        DataType::RunEndEncoded(Arc::new(Field::new("run_ends", DataType::Int32, false)), item()),
    ];
    types.into_iter().enumerate().map(|(index, data_type)| Field::new(format!("c{index}"), data_type, true)).collect()
}

fn import(schema: &FFI_ArrowSchema) -> Result<Schema> {
    // SAFETY: a reference.
    unsafe { import_schema(schema) }
}

#[test]
fn every_type_comes_through_with_its_metadata() {
    let metadata = HashMap::from([("k".to_owned(), "v".to_owned()), ("ä".to_owned(), String::new())]);
    let fields: Vec<_> = fields().into_iter().map(|field| field.with_metadata(metadata.clone())).collect();
    let schema = Schema::new(fields).with_metadata(metadata);
    assert_eq!(import(&export_schema(&schema).unwrap()).unwrap(), schema);
    assert_eq!(import(&export_schema(&Schema::empty()).unwrap()).unwrap(), Schema::empty());
}

/// PITFALLS X6.
#[test]
fn an_exported_schema_has_no_dangling_pointers() {
    fn check(raw: &RawSchema) {
        assert_eq!(raw.children.is_null(), raw.n_children == 0);
        for index in 0..raw.n_children as usize {
            // SAFETY: there are as many.
            check(unsafe { &**raw.children.add(index) });
        }
    }
    let schema = export_schema(&Schema::new(fields())).unwrap();
    // SAFETY: the same struct.
    check(unsafe { &*(&raw const schema).cast() });
}

fn column(raw: &mut RawSchema) -> &mut RawSchema {
    // SAFETY: there is one.
    unsafe { &mut **raw.children }
}

fn text(text: &'static std::ffi::CStr) -> *const c_char {
    text.as_ptr()
}

fn metadata(parts: &[&[u8]]) -> *const c_char {
    parts.concat().leak().as_ptr().cast()
}

type Bend = fn(&mut RawSchema);

/// What a producer may get wrong, and what the error says of it.
fn wrongs() -> Vec<(DataType, Bend, &'static str)> {
    let list = || DataType::List(Arc::new(Field::new("item", DataType::Int32, true)));
    let dictionary = || DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    let entries = |key: Field, more: bool| {
        let mut fields = vec![key, Field::new("v", DataType::Int8, true)];
        fields.extend(more.then(|| Field::new("w", DataType::Int8, true)));
        DataType::Map(Arc::new(Field::new("entries", DataType::Struct(fields.into()), false)), false)
    };
    let runs = |ends: DataType, nullable| {
        let values = Arc::new(Field::new("values", DataType::Utf8, true));
        DataType::RunEndEncoded(Arc::new(Field::new("run_ends", ends, nullable)), values)
    };
    vec![
        (list(), |raw| raw.format = std::ptr::null(), "the schema: its format is NULL"),
        (list(), |raw| raw.format = text(c"i"), "a batch's is \"+s\""),
        (list(), |raw| raw.n_children = -1, "it has -1 children"),
        (list(), |raw| raw.n_children = i64::MAX, "children"),
        (list(), |raw| raw.children = std::ptr::null_mut(), "its children are NULL"),
        (list(), |raw| column(raw).format = std::ptr::null(), "column \"c\": its format is NULL"),
        (list(), |raw| column(raw).format = text(c"\xff"), "column \"c\": its format is NULL or not UTF-8"),
        (DataType::Int8, |raw| column(raw).format = text(c"nonsense"), "cannot be imported"),
        (list(), |raw| column(raw).format = text(c"+L:"), "it has 1 children, and its format \"+L:\" has 0"),
        (list(), |raw| column(raw).name = text(c"\xff"), "its name is not UTF-8"),
        (list(), |raw| column(raw).n_children = 0, "it has 0 children, and its format \"+l\" has 1"),
        (list(), |raw| column(raw).n_children = 2, "it has 2 children, and its format \"+l\" has 1"),
        (list(), |raw| column(raw).children = std::ptr::null_mut(), "its children are NULL"),
        (list(), |raw| column(raw).children = vec![std::ptr::null_mut()].leak().as_mut_ptr(), "column \"c.[0]\": the pointer to it is 0x0"),
        (list(), |raw| column(raw).format = text(c"+r"), "it has 1 children, and its format \"+r\" has 2"),
        (list(), |raw| column(raw).format = text(c"+ud"), "has no type ids"),
        (list(), |raw| column(raw).format = text(c"+us:"), "has no type ids"),
        (list(), |raw| column(raw).format = text(c"+ud:1,2"), "it has 1 children"),
        (list(), |raw| column(raw).format = text(c"+ud:900"), "cannot be imported"),
        (list(), |raw| column(raw).format = text(c"+w:-3"), "its size is -3"),
        (list(), |raw| column(raw).format = text(c"+w:x"), "cannot be imported"),
        (list(), |raw| column(raw).format = text(c"+m"), "the entries of a map are Int32"),
        (DataType::Int8, |raw| column(raw).format = text(c"w:-1"), "its size is -1"),
        (DataType::Int8, |raw| column(raw).format = text(c"w:99999999999"), "cannot be imported"),
        (DataType::Int8, |raw| column(raw).format = text(c"d:0,0"), "a decimal of 0 digits"),
        (DataType::Int8, |raw| column(raw).format = text(c"d:39,0"), "a decimal of 39 digits with scale 0 is none of up to 38"),
        (DataType::Int8, |raw| column(raw).format = text(c"d:5,9"), "a decimal of 5 digits with scale 9"),
        (DataType::Int8, |raw| column(raw).format = text(c"d:300,9"), "cannot be imported"),
        (DataType::Int8, |raw| column(raw).format = text(c""), "cannot be imported"),
        (DataType::Int8, |raw| column(raw).metadata = metadata(&[&(-1i32).to_ne_bytes()]), "the count of its metadata is -1"),
        (DataType::Int8, |raw| column(raw).metadata = metadata(&[&i32::MAX.to_ne_bytes()]), "its metadata says that it has 2147483647"),
        (
            DataType::Int8,
            |raw| column(raw).metadata = metadata(&[&1i32.to_ne_bytes(), &(-5i32).to_ne_bytes()]),
            "the key length of its metadata is -5",
        ),
        (
            DataType::Int8,
            |raw| raw.metadata = metadata(&[&1i32.to_ne_bytes(), &1i32.to_ne_bytes(), b"\xff", &0i32.to_ne_bytes()]),
            "its metadata is not UTF-8",
        ),
        (dictionary(), |raw| column(raw).format = text(c"u"), "keys of the format \"u\""),
        (dictionary(), |raw| column(raw).dictionary = std::ptr::without_provenance_mut(8), "\"c.dictionary\": the pointer to it is 0x8"),
        (entries(Field::new("k", DataType::Utf8, true), false), |_| (), "keys of a map must not be nullable"),
        (entries(Field::new("k", DataType::Utf8, false), true), |_| (), "have 3 fields instead of 2"),
        (runs(DataType::Utf8, false), |_| (), "its run ends are Utf8"),
        (runs(DataType::Int32, true), |_| (), "its run ends are Int32"),
    ]
}

#[test]
fn what_is_wrong_is_named() {
    for (index, (data_type, bend, expected)) in wrongs().into_iter().enumerate() {
        let schema = Schema::new(vec![Field::new("c", data_type, true)]);
        let mut exported = export_schema(&schema).unwrap();
        // SAFETY: the same struct.
        let raw = unsafe { &mut *(&raw mut exported).cast::<RawSchema>() };
        // SAFETY: there is a column.
        let whole = unsafe { (std::ptr::read(raw), std::ptr::read(column(raw))) };
        bend(raw);
        let outcome = import(&exported);
        // arrow-rs frees texts through the fields, so what was bent is restored.
        // SAFETY: the same structs.
        unsafe {
            let raw = &mut *(&raw mut exported).cast::<RawSchema>();
            std::ptr::write(raw, whole.0);
            std::ptr::write(column(raw), whole.1);
        }
        let error = outcome.expect_err(&format!("case {index}: {expected}"));
        assert_eq!(error.kind(), ErrorKind::InvalidData, "case {index}: {error}");
        assert!(error.message().contains(expected), "case {index}: {error} does not say {expected}");
    }
}

#[test]
fn types_must_not_nest_for_ever() {
    let nested = |depth| (0..depth).fold(DataType::Int8, |inner, _| DataType::List(Arc::new(Field::new("item", inner, true))));
    for (depth, ok) in [(60, true), (70, false)] {
        let schema = export_schema(&Schema::new(vec![Field::new("c", nested(depth), true)])).unwrap();
        assert_eq!(import(&schema).is_ok(), ok, "{depth}");
    }
}

#[test]
fn what_is_not_there_is_an_error() {
    assert_eq!(import(&FFI_ArrowSchema::empty()).unwrap_err().kind(), ErrorKind::InvalidArgument);
    // SAFETY: NULL is allowed.
    assert_eq!(unsafe { import_schema(std::ptr::null()) }.unwrap_err().kind(), ErrorKind::InvalidArgument);
}

/// A column that is described by itself, as for weir_bucket_of.
#[test]
fn types_are_imported_by_themselves() {
    let import = |schema: &FFI_ArrowSchema| {
        // SAFETY: a reference.
        unsafe { super::import_type(schema) }
    };
    for field in fields() {
        let schema = FFI_ArrowSchema::try_from(&field).unwrap();
        assert_eq!(&import(&schema).unwrap(), field.data_type());
    }
    assert_eq!(import(&FFI_ArrowSchema::empty()).unwrap_err().kind(), ErrorKind::InvalidArgument);
}
