//! Dictionaries in `data.arrow`.
//!
//! An Arrow IPC file has one dictionary per column for all its batches, while batches come with their own. So the dictionaries
//! that differ are made one. Where that one is longer than the column's type of keys can count, the file has wider keys;
//! readers of the generation get the column's own type back, which is possible because each batch by itself came in it.
//!
//! Dictionaries are found at any depth, in the order in which their fields stand; those inside of another dictionary's values belong to
//! these values.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_buffer::{ArrowNativeType, Buffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef, UnionFields};

use crate::error::{Error, Result, err};
use crate::memtable::key::{KeyEncoder, KeySpec};

/// Whether any column holds a dictionary.
pub(super) fn any(schema: &Schema) -> bool {
    let mut found = false;
    for field in schema.fields() {
        retyped(field.data_type(), &mut |key, _| {
            found = true;
            key.clone()
        });
    }
    found
}

/// The batches with one dictionary for each column, and the schema that they then have; equal to `schema` unless keys were widened.
pub(super) fn unify(schema: &SchemaRef, batches: Vec<RecordBatch>) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    if !any(schema) {
        return Ok((schema.clone(), batches));
    }
    let mut merged: Vec<Merged> = Vec::new();
    for batch in &batches {
        let mut next = 0;
        for column in batch.columns() {
            visit(&column.to_data(), &mut |dictionary| {
                if next == merged.len() {
                    merged.push(Merged::default());
                }
                merged[next].add(&dictionary.child_data()[0]);
                next += 1;
            });
        }
    }
    let merged = merged.into_iter().map(Merged::finish).collect::<Result<Vec<_>>>()?;
    let mut next = merged.iter();
    let stored = with_types(schema, |data_type| {
        retyped(data_type, &mut |key, _| next.next().map_or_else(|| key.clone(), |merged| wide_enough(key, merged.len)))
    });
    let batches = batches.iter().map(|batch| {
        let mut next = merged.iter();
        let columns = batch.columns().iter().zip(stored.fields()).map(|(column, field)| {
            let data = rebuilt(&column.to_data(), field.data_type(), &mut |dictionary, target| match next.next() {
                Some(merged) => merged.apply(dictionary, target),
                None => Err(err!(Internal, "a dictionary appeared")),
            })?;
            Ok(make_array(data))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new(stored.clone(), columns).map_err(|e| internal(&e))
    });
    Ok((stored.clone(), batches.collect::<Result<_>>()?))
}

/// A column of the file as one of `data_type`, which differs from its own in the width of dictionaries' keys at most.
pub(super) fn narrowed(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if column.data_type() == data_type {
        return Ok(column.clone());
    }
    let data = rebuilt(&column.to_data(), data_type, &mut |dictionary, target| {
        if dictionary.data_type() == target {
            return Ok(dictionary.clone());
        }
        let array = make_array(dictionary.clone());
        let used = arrow_select::dictionary::garbage_collect_any_dictionary(array.as_any_dictionary()).map_err(|e| internal(&e))?;
        let used = used.as_any_dictionary();
        let rows = if used.values().is_empty() { vec![0; used.len()] } else { used.normalized_keys() };
        with_keys(dictionary, target, rows.into_iter(), used.values().to_data())
    })?;
    Ok(make_array(data))
}

fn internal(error: &arrow_schema::ArrowError) -> Error {
    err!(Internal, "dictionaries cannot be converted: {error}")
}

/// The dictionaries of one column of all batches, becoming one.
#[derive(Default)]
struct Merged {
    sources: Vec<ArrayData>,
}

struct Unified {
    values: ArrayData,
    len: usize,
    /// For each source, its values and where each of them is now.
    sources: Vec<(ArrayData, Map)>,
}

enum Map {
    Offset(usize),
    Each(Vec<usize>),
}

impl Merged {
    fn add(&mut self, values: &ArrayData) {
        // Most batches share their dictionary with others, so the last one comes first.
        if !self.sources.iter().rev().any(|source| source.ptr_eq(values)) {
            self.sources.push(values.clone());
        }
    }

    fn finish(self) -> Result<Unified> {
        if let [only] = &self.sources[..] {
            let (values, len) = (only.clone(), only.len());
            return Ok(Unified { values, len, sources: vec![(only.clone(), Map::Offset(0))] });
        }
        let arrays: Vec<ArrayRef> = self.sources.iter().cloned().map(make_array).collect();
        let refs: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        let all = arrow_select::concat::concat(&refs)
            .map_err(|e| err!(InvalidData, "the dictionaries of several batches cannot be made one: {e}"))?;
        let mut starts = self.sources.iter().scan(0, |end, source| {
            *end += source.len();
            Some(*end - source.len())
        });
        let Some((places, firsts)) = distinct(&all)? else {
            let sources = self.sources.iter().cloned().zip(starts.by_ref().map(Map::Offset)).collect();
            return Ok(Unified { len: all.len(), values: all.to_data(), sources });
        };
        let indices = arrow_array::UInt64Array::from_iter_values(firsts.iter().map(|first| *first as u64));
        let values = arrow_select::take::take(&all, &indices, None).map_err(|e| internal(&e))?.to_data();
        let maps = starts.zip(&self.sources).map(|(start, source)| Map::Each(places[start..start + source.len()].to_vec()));
        Ok(Unified { len: values.len(), values, sources: self.sources.iter().cloned().zip(maps).collect() })
    }
}

/// For each value of `all`, which of the distinct ones it is, and where each distinct one comes first; `None` for values that are
/// not compared: nested ones, and floats, of which the bits count.
fn distinct(all: &ArrayRef) -> Result<Option<(Vec<usize>, Vec<usize>)>> {
    let schema = Schema::new(vec![Field::new("value", all.data_type().clone(), true)]);
    if all.data_type().is_floating() || all.logical_null_count() > 0 {
        return Ok(None);
    }
    let Ok(Some(spec)) = KeySpec::resolve(&schema, Some(&["value".to_owned()])) else { return Ok(None) };
    let keys = KeyEncoder::new(spec).encode_arrays(std::slice::from_ref(all))?;
    let (mut seen, mut firsts): (HashMap<&[u8], usize>, Vec<usize>) = (HashMap::with_capacity(all.len()), Vec::new());
    let place = |row: usize| {
        *seen.entry(keys.key(row)).or_insert_with(|| {
            firsts.push(row);
            firsts.len() - 1
        })
    };
    let places = (0..all.len()).map(place).collect();
    Ok(Some((places, firsts)))
}

impl Unified {
    /// The dictionary array `dictionary`, one of those merged, over the merged values.
    fn apply(&self, dictionary: &ArrayData, target: &DataType) -> Result<ArrayData> {
        let values = &dictionary.child_data()[0];
        let source = self.sources.iter().rev().find(|(source, _)| source.ptr_eq(values));
        let Some((_, map)) = source else { return Err(err!(Internal, "a dictionary appeared")) };
        if let Map::Offset(0) = map
            && dictionary.data_type() == target
        {
            // All that changes is the rest of the dictionary's values.
            let data = dictionary.clone().into_builder().child_data(vec![self.values.clone()]).build();
            return data.map_err(|e| internal(&e));
        }
        let array = make_array(dictionary.clone());
        let array = array.as_any_dictionary();
        let rows = if values.is_empty() { vec![0; array.len()] } else { array.normalized_keys() };
        let moved = rows.into_iter().map(|row| match map {
            Map::Offset(offset) => offset + row,
            Map::Each(places) => places.get(row).copied().unwrap_or(0),
        });
        with_keys(dictionary, target, moved, self.values.clone())
    }
}

/// The dictionary array with other keys, of the type `target`, and other values.
fn with_keys(dictionary: &ArrayData, target: &DataType, keys: impl Iterator<Item = usize>, values: ArrayData) -> Result<ArrayData> {
    let DataType::Dictionary(key, _) = target else { return Err(err!(Internal, "{target} is no dictionary")) };
    let nulls = dictionary.nulls().cloned();
    // A null's key means nothing and must fit all the same.
    let keys = keys.enumerate().map(|(row, key)| if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) { 0 } else { key });
    fn buffer<T: ArrowNativeType>(keys: impl Iterator<Item = usize>) -> Option<Buffer> {
        keys.map(T::from_usize).collect::<Option<Vec<T>>>().map(Buffer::from_vec)
    }
    let buffer = match **key {
        DataType::Int8 => buffer::<i8>(keys),
        DataType::Int16 => buffer::<i16>(keys),
        DataType::Int32 => buffer::<i32>(keys),
        DataType::Int64 => buffer::<i64>(keys),
        DataType::UInt8 => buffer::<u8>(keys),
        DataType::UInt16 => buffer::<u16>(keys),
        DataType::UInt32 => buffer::<u32>(keys),
        _ => buffer::<u64>(keys),
    };
    let Some(buffer) = buffer else { return Err(err!(InvalidData, "a dictionary has more values than keys of type {key} can count")) };
    let builder = ArrayData::builder(target.clone()).len(dictionary.len()).nulls(nulls).add_buffer(buffer).add_child_data(values);
    builder.build().map_err(|e| internal(&e))
}

/// The type of keys that counts `len` values: `key` if it does.
fn wide_enough(key: &DataType, len: usize) -> DataType {
    let largest: u64 = match key {
        DataType::Int8 => i8::MAX as u64,
        DataType::UInt8 => u8::MAX.into(),
        DataType::Int16 => i16::MAX as u64,
        DataType::UInt16 => u16::MAX.into(),
        DataType::Int32 => i32::MAX as u64,
        DataType::UInt32 => u32::MAX.into(),
        _ => u64::MAX,
    };
    match len as u64 {
        len if len == 0 || len - 1 <= largest => key.clone(),
        len if len - 1 <= i32::MAX as u64 => DataType::Int32,
        _ => DataType::Int64,
    }
}

/// Calls `found` with each outermost dictionary in `data`.
fn visit(data: &ArrayData, found: &mut impl FnMut(&ArrayData)) {
    if matches!(data.data_type(), DataType::Dictionary(_, _)) {
        found(data);
    } else {
        data.child_data().iter().for_each(|child| visit(child, found));
    }
}

/// `data` as `target`, with each outermost dictionary made anew by `made`.
fn rebuilt(data: &ArrayData, target: &DataType, made: &mut impl FnMut(&ArrayData, &DataType) -> Result<ArrayData>) -> Result<ArrayData> {
    if matches!(data.data_type(), DataType::Dictionary(_, _)) {
        return made(data, target);
    }
    if data.child_data().is_empty() {
        return Ok(data.clone());
    }
    let children = data.child_data().iter().zip(child_types(target)).map(|(child, target)| rebuilt(child, target, made));
    let children = children.collect::<Result<Vec<_>>>()?;
    let built = data.clone().into_builder().data_type(target.clone()).child_data(children).build();
    built.map_err(|e| internal(&e))
}

fn child_types(data_type: &DataType) -> Vec<&DataType> {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => vec![field.data_type()],
        DataType::Struct(fields) => fields.iter().map(|field| field.data_type()).collect(),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| field.data_type()).collect(),
        DataType::RunEndEncoded(ends, values) => vec![ends.data_type(), values.data_type()],
        _ => Vec::new(),
    }
}

/// The type with the keys of each outermost dictionary as `keys` says, given the type of its keys and of its values.
fn retyped(data_type: &DataType, keys: &mut impl FnMut(&DataType, &DataType) -> DataType) -> DataType {
    let mut field = |field: &FieldRef| -> FieldRef {
        let data_type = retyped(field.data_type(), keys);
        if data_type == *field.data_type() { field.clone() } else { Arc::new(field.as_ref().clone().with_data_type(data_type)) }
    };
    match data_type {
        DataType::Dictionary(key, value) => DataType::Dictionary(Box::new(keys(key, value)), value.clone()),
        DataType::List(inner) => DataType::List(field(inner)),
        DataType::LargeList(inner) => DataType::LargeList(field(inner)),
        DataType::ListView(inner) => DataType::ListView(field(inner)),
        DataType::LargeListView(inner) => DataType::LargeListView(field(inner)),
        DataType::FixedSizeList(inner, size) => DataType::FixedSizeList(field(inner), *size),
        DataType::Map(inner, sorted) => DataType::Map(field(inner), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        DataType::RunEndEncoded(ends, values) => DataType::RunEndEncoded(ends.clone(), field(values)),
        DataType::Union(fields, mode) => {
            let fields: UnionFields = fields.iter().map(|(id, inner)| (id, field(inner))).collect();
            DataType::Union(fields, *mode)
        }
        other => other.clone(),
    }
}

fn with_types(schema: &SchemaRef, mut data_type: impl FnMut(&DataType) -> DataType) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let data_type = data_type(field.data_type());
        if data_type == *field.data_type() { field.clone() } else { Arc::new(field.as_ref().clone().with_data_type(data_type)) }
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}
