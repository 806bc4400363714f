//! Random types and arrays, and what several tests of entries need.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::Cursor;
use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, StringViewBuilder};
use arrow_array::{
    Array, ArrayRef, BinaryArray, FixedSizeListArray, GenericListArray, GenericListViewArray, LargeBinaryArray, LargeStringArray, MapArray,
    OffsetSizeTrait, RecordBatch, StringArray, StructArray, UnionArray, make_array, new_empty_array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_ipc::reader::StreamReader;
use arrow_schema::{DataType, Field, FieldRef, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit, UnionFields, UnionMode};
use bytes::Bytes;
use weir::wal::entry::{BatchEncoder, Compression, EncodedEntry, Entry, EntryId, SchemaCache, assemble, decode};

/// splitmix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).take(len).collect()
    }

    pub fn text(&mut self) -> String {
        let len = if self.chance(10) { 30 } else { self.below(14) };
        (0..len).map(|_| ['a', 'b', 'c', 'd', ' ', 'é', '世', '🦀'][self.below(8)]).collect()
    }
}

/// Every type without children.
pub fn leaf_types() -> Vec<DataType> {
    use DataType::*;
    use TimeUnit::*;
    let mut types = vec![
        Null,
        Boolean,
        Int8,
        Int16,
        Int32,
        Int64,
        UInt8,
        UInt16,
        UInt32,
        UInt64,
        Float16,
        Float32,
        Float64,
        Date32,
        Date64,
        Binary,
        LargeBinary,
        BinaryView,
        Utf8,
        LargeUtf8,
        Utf8View,
    ];
    types.extend([Time32(Second), Time32(Millisecond), Time64(Microsecond), Time64(Nanosecond)]);
    for unit in [Second, Millisecond, Microsecond, Nanosecond] {
        types.extend([Timestamp(unit, None), Timestamp(unit, Some("Europe/Berlin".into())), Duration(unit)]);
    }
    types.extend([IntervalUnit::YearMonth, IntervalUnit::DayTime, IntervalUnit::MonthDayNano].map(Interval));
    types.extend([Decimal32(9, 2), Decimal64(18, -3), Decimal128(38, 10), Decimal256(76, 0)]);
    types.extend([FixedSizeBinary(0), FixedSizeBinary(1), FixedSizeBinary(17)]);
    types
}

fn list_field(inner: DataType) -> FieldRef {
    Arc::new(Field::new_list_field(inner, true))
}

/// One type of each kind with children, around `inner`.
pub fn wrappers(inner: &DataType, other: &DataType) -> Vec<DataType> {
    use DataType::*;
    let fields = vec![Field::new("x", inner.clone(), true), Field::new("y", other.clone(), true)];
    let pair = Struct(vec![Field::new("key", Utf8, false), Field::new("value", inner.clone(), true)].into());
    let union = || UnionFields::try_new([3, 7], fields.clone()).unwrap();
    let mut types = vec![
        List(list_field(inner.clone())),
        LargeList(list_field(inner.clone())),
        ListView(list_field(inner.clone())),
        LargeListView(list_field(inner.clone())),
        FixedSizeList(list_field(inner.clone()), 3),
        Struct(fields.clone().into()),
        Map(Arc::new(Field::new("entries", pair, false)), false),
        Union(union(), UnionMode::Sparse),
        Union(union(), UnionMode::Dense),
    ];
    for ends in [Int16, Int32, Int64] {
        let ends = Arc::new(Field::new("run_ends", ends, false));
        types.push(RunEndEncoded(ends, Arc::new(Field::new("values", inner.clone(), true))));
    }
    if !matches!(inner, Dictionary(_, _)) {
        types.push(Dictionary(Box::new(Int16), Box::new(inner.clone())));
    }
    types
}

pub fn random_type(rng: &mut Rng, depth: usize) -> DataType {
    let leaves = leaf_types();
    if depth == 0 || rng.chance(25) {
        return leaves[rng.below(leaves.len())].clone();
    }
    let (inner, other) = (random_type(rng, depth - 1), random_type(rng, depth - 1));
    let types = wrappers(&inner, &other);
    types[rng.below(types.len())].clone()
}

fn nulls(rng: &mut Rng, len: usize, nullable: bool) -> Option<NullBuffer> {
    let percent = [0, 20, 100][rng.below(3)];
    (nullable && percent > 0 && !rng.chance(30)).then(|| (0..len).map(|_| !rng.chance(percent)).collect::<Vec<bool>>().into())
}

/// A random array that is itself a slice of a longer one, now and then.
pub fn random_array(rng: &mut Rng, data_type: &DataType, len: usize, nullable: bool) -> ArrayRef {
    if rng.chance(50) {
        return whole_array(rng, data_type, len, nullable);
    }
    let (before, after) = (rng.below(12), rng.below(5));
    whole_array(rng, data_type, before + len + after, nullable).slice(before, len)
}

fn offsets<O: OffsetSizeTrait>(rng: &mut Rng, len: usize) -> OffsetBuffer<O> {
    OffsetBuffer::from_lengths((0..len).map(|_| rng.below(4)))
}

pub fn whole_array(rng: &mut Rng, data_type: &DataType, len: usize, nullable: bool) -> ArrayRef {
    use DataType::*;
    let nulls = nulls(rng, len, nullable);
    match data_type {
        Null => new_empty_array(&Null).to_data().into_builder().len(len).build().map(make_array).unwrap(),
        Boolean => {
            let bits = BooleanBuffer::new(Buffer::from_vec(rng.bytes(len.div_ceil(8) + 1)), rng.below(8), len);
            Arc::new(arrow_array::BooleanArray::new(bits, nulls))
        }
        Utf8 => with_nulls(&StringArray::from_iter_values((0..len).map(|_| rng.text())), nulls),
        LargeUtf8 => with_nulls(&LargeStringArray::from_iter_values((0..len).map(|_| rng.text())), nulls),
        Binary => with_nulls(&BinaryArray::from_iter_values((0..len).map(|_| rng.text())), nulls),
        LargeBinary => with_nulls(&LargeBinaryArray::from_iter_values((0..len).map(|_| rng.text())), nulls),
        Utf8View => {
            let mut builder = StringViewBuilder::new().with_fixed_block_size(64);
            (0..len).for_each(|i| builder.append_option(nulls.as_ref().is_none_or(|n| n.is_valid(i)).then(|| rng.text())));
            Arc::new(builder.finish())
        }
        BinaryView => {
            let mut builder = BinaryViewBuilder::new().with_fixed_block_size(64);
            (0..len).for_each(|i| builder.append_option(nulls.as_ref().is_none_or(|n| n.is_valid(i)).then(|| rng.text())));
            Arc::new(builder.finish())
        }
        FixedSizeBinary(width) => {
            let values = Buffer::from_vec(rng.bytes(len * *width as usize));
            make_array(ArrayData::builder(data_type.clone()).len(len).add_buffer(values).nulls(nulls).build().unwrap())
        }
        List(field) => list::<i32>(rng, field, len, nulls),
        LargeList(field) => list::<i64>(rng, field, len, nulls),
        ListView(field) => list_view::<i32>(rng, field, len, nulls),
        LargeListView(field) => list_view::<i64>(rng, field, len, nulls),
        FixedSizeList(field, size) => {
            let values = random_array(rng, field.data_type(), len * *size as usize, field.is_nullable());
            Arc::new(FixedSizeListArray::try_new_with_length(field.clone(), *size, values, nulls, len).unwrap())
        }
        Struct(fields) => {
            let columns = fields.iter().map(|field| random_array(rng, field.data_type(), len, field.is_nullable())).collect();
            Arc::new(StructArray::try_new(fields.clone(), columns, nulls).unwrap())
        }
        Map(entries, sorted) => {
            let offsets = offsets::<i32>(rng, len);
            let Struct(fields) = entries.data_type() else { unreachable!() };
            let count = offsets.last() as usize;
            let columns = fields.iter().map(|field| random_array(rng, field.data_type(), count, field.is_nullable())).collect();
            let entry_array = StructArray::try_new(fields.clone(), columns, None).unwrap();
            Arc::new(MapArray::try_new(entries.clone(), offsets, entry_array, nulls, *sorted).unwrap())
        }
        Union(fields, mode) => union(rng, fields, *mode, len),
        Dictionary(key, value) => {
            let size = 1 + rng.below(20);
            let values = random_array(rng, value, size, true);
            assert_eq!(**key, Int16);
            let keys = ScalarBuffer::from_iter((0..len).map(|_| rng.below(size) as i16));
            Arc::new(arrow_array::DictionaryArray::try_new(arrow_array::Int16Array::new(keys, nulls), values).unwrap())
        }
        RunEndEncoded(ends, values) => runs(rng, data_type, ends, values, len),
        primitive => {
            let values = Buffer::from_vec(values_of(rng, primitive, len));
            make_array(ArrayData::builder(data_type.clone()).len(len).add_buffer(values).nulls(nulls).align_buffers(true).build().unwrap())
        }
    }
}

/// Random values that are in their type's domain, which other readers may check.
fn values_of(rng: &mut Rng, data_type: &DataType, len: usize) -> Vec<u8> {
    let width = data_type.primitive_width().unwrap();
    let small = |value: i64| value.to_le_bytes().into_iter().chain([if value < 0 { 0xff } else { 0 }; 24]).take(width).collect::<Vec<u8>>();
    let value = |_| match data_type {
        DataType::Time32(_) | DataType::Time64(_) => small(rng.below(86_400) as i64),
        DataType::Date64 => small((rng.below(40_000) as i64 - 20_000) * 86_400_000),
        t if t.is_decimal() => small(rng.below(2_000_000_000) as i64 / 2 - 500_000_000),
        _ => rng.bytes(width),
    };
    (0..len).flat_map(value).collect()
}

fn with_nulls(array: &dyn Array, nulls: Option<NullBuffer>) -> ArrayRef {
    make_array(array.to_data().into_builder().nulls(nulls).build().unwrap())
}

fn list<O: OffsetSizeTrait>(rng: &mut Rng, field: &FieldRef, len: usize, nulls: Option<NullBuffer>) -> ArrayRef {
    let offsets = offsets::<O>(rng, len);
    let values = random_array(rng, field.data_type(), offsets.last().as_usize(), field.is_nullable());
    Arc::new(GenericListArray::<O>::try_new(field.clone(), offsets, values, nulls).unwrap())
}

fn list_view<O: OffsetSizeTrait>(rng: &mut Rng, field: &FieldRef, len: usize, nulls: Option<NullBuffer>) -> ArrayRef {
    let count = rng.below(40);
    let (mut offsets, mut sizes) = (Vec::new(), Vec::new());
    for _ in 0..len {
        let start = rng.below(count + 1);
        offsets.push(O::usize_as(start));
        sizes.push(O::usize_as(rng.below((count - start).min(4) + 1)));
    }
    let values = random_array(rng, field.data_type(), count, field.is_nullable());
    Arc::new(GenericListViewArray::<O>::try_new(field.clone(), offsets.into(), sizes.into(), values, nulls).unwrap())
}

fn union(rng: &mut Rng, fields: &UnionFields, mode: UnionMode, len: usize) -> ArrayRef {
    let ids: Vec<i8> = fields.iter().map(|(id, _)| id).collect();
    let type_ids: Vec<i8> = (0..len).map(|_| ids[rng.below(ids.len())]).collect();
    let spare = rng.below(4);
    let count = |id: i8| type_ids.iter().filter(|other| **other == id).count() + spare;
    let offsets = (mode == UnionMode::Dense).then(|| {
        let mut next = [spare as i32; 128];
        let at = |id: &i8| {
            next[*id as usize] += 1;
            next[*id as usize] - 1
        };
        type_ids.iter().map(at).collect::<ScalarBuffer<i32>>()
    });
    let children = fields.iter().map(|(id, field)| {
        let len = if mode == UnionMode::Dense { count(id) } else { len };
        random_array(rng, field.data_type(), len, true)
    });
    let children = children.collect();
    Arc::new(UnionArray::try_new(fields.clone(), type_ids.into(), offsets, children).unwrap())
}

fn runs(rng: &mut Rng, data_type: &DataType, ends: &FieldRef, values: &FieldRef, len: usize) -> ArrayRef {
    let mut list = Vec::new();
    let mut end = 0;
    while end < len {
        end += 1 + rng.below(4);
        list.push(end.min(len) as i64);
    }
    let values = random_array(rng, values.data_type(), list.len(), true);
    let buffer = match ends.data_type() {
        DataType::Int16 => Buffer::from_vec(list.iter().map(|end| *end as i16).collect::<Vec<_>>()),
        DataType::Int32 => Buffer::from_vec(list.iter().map(|end| *end as i32).collect::<Vec<_>>()),
        _ => Buffer::from_vec(list.clone()),
    };
    let ends = ArrayData::builder(ends.data_type().clone()).len(list.len()).add_buffer(buffer).build().unwrap();
    let data = ArrayData::builder(data_type.clone()).len(len).add_child_data(ends).add_child_data(values.to_data());
    make_array(data.build().unwrap())
}

/// A batch of one nullable column per type.
pub fn batch_of(rng: &mut Rng, types: &[DataType], rows: usize) -> RecordBatch {
    let fields: Fields = types.iter().enumerate().map(|(i, t)| Field::new(format!("c{i}"), t.clone(), true)).collect();
    let columns = types.iter().map(|t| random_array(rng, t, rows, true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// The compressions that this build has.
pub fn codecs() -> Vec<Compression> {
    let built = [(Compression::None, true), (Compression::Lz4, cfg!(feature = "lz4")), (Compression::Zstd, cfg!(feature = "zstd"))];
    built.into_iter().filter(|(_, built)| *built).map(|(codec, _)| codec).collect()
}

pub const ID: EntryId = EntryId(*b"0123456789abcdef");

pub fn encode(schema: &SchemaRef, batches: &[RecordBatch], compression: Compression) -> EncodedEntry {
    let encoder = BatchEncoder::new(schema, compression).unwrap();
    let encoded: Vec<_> = batches.iter().map(|batch| encoder.encode(batch).unwrap()).collect();
    for batch in &encoded {
        assert_eq!(batch.len(), batch.parts().iter().map(Bytes::len).sum::<usize>());
        assert_eq!(batch.len() % 64, 0);
    }
    let entry = assemble(&encoder.preamble(7, None).unwrap(), &encoded, ID);
    assert_eq!(entry.rows, batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
    entry
}

/// The object's bytes, aligned as an allocator gives them.
pub fn object(entry: &EncodedEntry) -> Vec<u8> {
    let bytes = entry.parts.concat();
    assert_eq!(bytes.len() as u64, entry.len);
    bytes
}

pub fn read(bytes: impl Into<Bytes>) -> weir::error::Result<Entry> {
    decode("wal/test.arrow", 5, bytes.into(), &mut SchemaCache::default())
}

/// Reads with arrow's own stream reader, which stops before the trailer.
pub fn read_with_arrow(bytes: &[u8]) -> (SchemaRef, Vec<RecordBatch>) {
    let reader = StreamReader::try_new(Cursor::new(bytes), None).unwrap();
    (reader.schema(), reader.map(Result::unwrap).collect())
}

/// Takes the trailer off, as if another implementation had written the entry.
pub fn foreign(mut bytes: Vec<u8>) -> Vec<u8> {
    let tail = bytes.len() - 16;
    let payload = u32::from_le_bytes(bytes[tail..tail + 4].try_into().unwrap()) as usize;
    bytes.truncate(tail - payload);
    bytes
}

/// A stream as arrow's own writer makes it, under the batch's schema with all its metadata.
pub fn stream_of(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}
