//! The schema message of an entry: reserved metadata, what can be stored, and which batches fit.

use arrow_ipc::convert::IpcSchemaEncoder;
use arrow_ipc::writer::DictionaryTracker;
use arrow_ipc::{Endianness, MessageBuilder, MessageHeader, MetadataVersion};
use arrow_schema::{DataType, Field, FieldRef, Fields, IntervalUnit, Schema, TimeUnit};
use bytes::Bytes;
use flatbuffers::FlatBufferBuilder;

use super::{ALIGNMENT, CONTINUATION};
use crate::error::{Result, bail, err};

/// The epoch of the entry's writer.
pub(super) const WRITER_EPOCH: &str = "writer_epoch";
/// The MemTable generation that the entry belongs to.
pub(super) const GENERATION: &str = "generation";
/// Marks an entry that only tells of a fence.
pub(super) const FENCE_SENTINEL: &str = "fence_sentinel";

/// The keys of schema metadata that belong to the log: stripped from what a caller gives, and from what a reader gets.
pub const RESERVED_KEYS: [&str; 8] = [
    WRITER_EPOCH,
    GENERATION,
    FENCE_SENTINEL,
    "mem_wal_target_generation",
    "mem_wal_target_generation_dir",
    "mem_wal_target_data_file",
    "mem_wal_target_creator_epoch",
    "mem_wal_target_batch_capacity",
];

/// How deep types may be nested; readers' verifiers of the message format allow little more.
const MAX_DEPTH: usize = 48;

/// `schema` without the reserved keys.
pub(super) fn strip(schema: &Schema) -> Schema {
    let mut metadata = schema.metadata.clone();
    for key in RESERVED_KEYS {
        metadata.remove(key);
    }
    Schema { fields: schema.fields.clone(), metadata }
}

/// The framed schema message of an entry of `epoch` and `generation`.
pub(super) fn preamble(schema: &Schema, epoch: u64, generation: Option<u64>) -> Result<Bytes> {
    let mut metadata = schema.metadata.clone();
    metadata.insert(WRITER_EPOCH, epoch.to_string());
    if let Some(generation) = generation {
        metadata.insert(GENERATION, generation.to_string());
    }
    frame_schema(&Schema { fields: schema.fields.clone(), metadata })
}

/// The framed schema message of a fence sentinel.
pub(super) fn sentinel_preamble(epoch: u64) -> Result<Bytes> {
    let metadata = [(WRITER_EPOCH, epoch.to_string()), (FENCE_SENTINEL, "true".to_owned())];
    frame_schema(&Schema::new_with_metadata(Fields::empty(), metadata))
}

pub(super) fn frame_schema(schema: &Schema) -> Result<Bytes> {
    let mut builder = FlatBufferBuilder::new();
    let mut dictionaries = DictionaryTracker::new(false);
    let header = IpcSchemaEncoder::new().with_dictionary_tracker(&mut dictionaries).schema_to_fb_offset(&mut builder, schema);
    let mut message = MessageBuilder::new(&mut builder);
    message.add_version(MetadataVersion::V5);
    message.add_header_type(MessageHeader::Schema);
    message.add_bodyLength(0);
    message.add_header(header.as_union_value());
    let root = message.finish();
    builder.finish(root, None);
    let mut framed = Vec::new();
    frame(&mut framed, builder.finished_data())?;
    Ok(Bytes::from(framed))
}

/// Appends a message's metadata with what goes before and after it, so that the body that follows is aligned.
pub(super) fn frame(out: &mut Vec<u8>, metadata: &[u8]) -> Result<()> {
    let framed = (8 + metadata.len()).next_multiple_of(ALIGNMENT);
    let Ok(len) = i32::try_from(framed - 8) else {
        bail!(InvalidData, "the message's metadata has {} bytes: more than the Arrow format allows", metadata.len())
    };
    let start = out.len();
    out.extend_from_slice(&CONTINUATION);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(metadata);
    out.resize(start + framed, 0);
    Ok(())
}

/// Refuses a schema that an entry cannot hold, or that its readers would not read back as it is.
pub(super) fn check_storable(schema: &Schema) -> Result<()> {
    if schema.fields.is_empty() {
        bail!(SchemaMismatch, "the schema has no columns");
    }
    for field in &schema.fields {
        check_type(field.data_type(), MAX_DEPTH).map_err(|e| err!(SchemaMismatch, "column '{}': {e}", field.name()))?;
    }
    let framed = frame_schema(schema)?;
    let message = arrow_ipc::root_as_message(&framed[8..])
        .map_err(|e| err!(SchemaMismatch, "the schema is too large or too deeply nested for Arrow IPC readers: {e}"))?;
    let header = message.header_as_schema().ok_or_else(|| err!(Internal, "the schema's message has no schema"))?;
    let read =
        arrow_ipc::convert::try_fb_to_schema(header).map_err(|e| err!(SchemaMismatch, "the schema cannot be stored as Arrow IPC: {e}"))?;
    if read != *schema || header.endianness() != Endianness::Little {
        bail!(SchemaMismatch, "the schema does not survive Arrow IPC: it reads back as {read:?}");
    }
    Ok(())
}

/// Refuses types that Arrow IPC does not have, or that arrow would panic on.
pub(super) fn check_type(data_type: &DataType, depth: usize) -> Result<(), String> {
    let depth = depth.checked_sub(1).ok_or("it is nested too deeply")?;
    let child = |field: &FieldRef| check_type(field.data_type(), depth);
    match data_type {
        DataType::List(field) | DataType::LargeList(field) | DataType::ListView(field) | DataType::LargeListView(field) => child(field),
        DataType::FixedSizeList(field, size) if *size >= 0 => child(field),
        DataType::FixedSizeBinary(size) if *size >= 0 => Ok(()),
        DataType::FixedSizeList(_, size) | DataType::FixedSizeBinary(size) => Err(format!("a size of {size} is not valid")),
        DataType::Struct(fields) => fields.iter().try_for_each(child),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 && !entries.is_nullable() && !fields[0].is_nullable() => child(entries),
            _ => Err("a map's entries must be non-null structs of a non-null key and a value".into()),
        },
        DataType::Union(fields, _) => {
            if fields.iter().any(|(id, _)| id < 0) {
                return Err("a union's type ids must not be negative".into());
            }
            fields.iter().try_for_each(|(_, field)| child(field))
        }
        DataType::Dictionary(_, value) if matches!(**value, DataType::Dictionary(_, _)) => {
            Err("Arrow IPC has no dictionaries of dictionaries".into())
        }
        DataType::Dictionary(key, _) if !key.is_dictionary_key_type() => Err(format!("{key} is not a type of dictionary keys")),
        DataType::Dictionary(_, value) => check_type(value, depth),
        DataType::RunEndEncoded(ends, values) => match ends.data_type() {
            DataType::Int16 | DataType::Int32 | DataType::Int64 if !ends.is_nullable() => child(values),
            other => Err(format!("{other} is not a type of run ends, which are not null")),
        },
        DataType::Time32(TimeUnit::Microsecond | TimeUnit::Nanosecond) | DataType::Time64(TimeUnit::Second | TimeUnit::Millisecond) => {
            Err(format!("{data_type} does not exist"))
        }
        DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano) => Ok(()),
        _ => Ok(()),
    }
}

/// Whether batches of the schema `got` can be stored under `want`: names and types are equal, while nullability, metadata
/// and the names inside lists and maps may differ. The error names the first field that differs.
pub(super) fn check_same(want: &Schema, got: &Schema) -> Result<()> {
    if want.fields.len() != got.fields.len() {
        bail!(SchemaMismatch, "the batch has {} columns, the log's schema has {}", got.fields.len(), want.fields.len());
    }
    for (index, (want, got)) in want.fields.iter().zip(&got.fields).enumerate() {
        if std::sync::Arc::ptr_eq(want, got) {
            continue;
        }
        if want.name() != got.name() {
            bail!(SchemaMismatch, "column {index} is called '{}' in the batch and '{}' in the log's schema", got.name(), want.name());
        }
        if !same_type(want.data_type(), got.data_type()) {
            let (name, got, want) = (want.name(), got.data_type(), want.data_type());
            bail!(SchemaMismatch, "column '{name}' has the type {got} in the batch and {want} in the log's schema");
        }
    }
    Ok(())
}

/// Whether two types differ in names, nullability and metadata inside of them at most.
pub(crate) fn same_type(a: &DataType, b: &DataType) -> bool {
    let same = |x: &Field, y: &Field| same_type(x.data_type(), y.data_type());
    match (a, b) {
        (DataType::List(x), DataType::List(y))
        | (DataType::LargeList(x), DataType::LargeList(y))
        | (DataType::ListView(x), DataType::ListView(y))
        | (DataType::LargeListView(x), DataType::LargeListView(y)) => same(x, y),
        (DataType::FixedSizeList(x, n), DataType::FixedSizeList(y, m)) => n == m && same(x, y),
        (DataType::Struct(x), DataType::Struct(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| x.name() == y.name() && same(x, y))
        }
        (DataType::Map(x, sorted), DataType::Map(y, also)) => match (x.data_type(), y.data_type()) {
            (DataType::Struct(x), DataType::Struct(y)) => sorted == also && x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
            _ => false,
        },
        (DataType::Union(x, mode), DataType::Union(y, other)) => {
            let mut pairs = x.iter().zip(y.iter());
            mode == other && x.len() == y.len() && pairs.all(|((i, x), (j, y))| i == j && x.name() == y.name() && same(x, y))
        }
        (DataType::Dictionary(k, x), DataType::Dictionary(l, y)) => k == l && same_type(x, y),
        (DataType::RunEndEncoded(r, x), DataType::RunEndEncoded(s, y)) => r.data_type() == s.data_type() && same(x, y),
        (a, b) => a == b,
    }
}

/// How many dictionaries the type has: they are numbered depth first, inner ones before the one that holds them.
pub(super) fn dictionaries(data_type: &DataType) -> i64 {
    match data_type {
        DataType::Dictionary(_, value) => dictionaries(value) + 1,
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _)
        | DataType::RunEndEncoded(_, field) => dictionaries(field.data_type()),
        DataType::Struct(fields) => fields.iter().map(|field| dictionaries(field.data_type())).sum(),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| dictionaries(field.data_type())).sum(),
        _ => 0,
    }
}
