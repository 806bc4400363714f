//! What the tests of reads share: a shard whose tables and generations are made by hand, and a plain model of what is in them.
#![allow(dead_code, unused_imports, reason = "each test uses a part of it")]

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int8Type, Int32Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use weir::cache::Cache;
use weir::env::Retry;
use weir::error::{Error, ErrorKind, Result};
use weir::generation::compact::{self, CompactOptions};
use weir::generation::{DataOptions, Generation, SecondarySpec, TableInput, encode};
use weir::memtable::index::{IndexDefinition, IndexKind};
use weir::memtable::{Buffers, Limits, MemTable, Snapshot, TableSpec, Visibility};
use weir::scan::{
    CompareOp, Comparison, GENERATION, GenerationHandle, GenerationList, GetResult, KeyState, POSITION, Pushdown, ScanRequest, View,
};
use weir::shard::ShardPath;
use weir::store::Store;
use weir::store::memory::MemoryBackend;

use crate::support::{FaultStore, Sim, now};

pub const SHARD: &str = "00000000-0000-4000-8000-00000000000c";
pub const COLUMNS: [&str; 5] = ["name", "number", "value", "score", "tag"];

/// A row: two columns that may be keys, and three that may be null, one of them of floats and one encoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Null only in deletions.
    pub name: Option<String>,
    pub number: Option<i32>,
    pub value: Option<i64>,
    pub score: Option<f64>,
    pub tag: Option<String>,
    pub deleted: bool,
}

pub fn row(name: &str, number: i32, value: impl Into<Option<i64>>) -> Row {
    Row { name: Some(name.into()), number: Some(number), value: value.into(), score: None, tag: None, deleted: false }
}

pub fn schema() -> Schema {
    let tag = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    Schema::new(vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("number", DataType::Int32, false),
        Field::new("value", DataType::Int64, true),
        Field::new("score", DataType::Float64, true),
        Field::new("tag", tag, true),
    ])
}

pub fn batch(rows: &[Row]) -> RecordBatch {
    let tags: DictionaryArray<Int8Type> = rows.iter().map(|row| row.tag.as_deref()).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.name.as_ref()))),
        Arc::new(Int32Array::from_iter(rows.iter().map(|row| row.number))),
        Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.value))),
        Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.score))),
        Arc::new(tags),
    ];
    RecordBatch::try_new(Arc::new(schema()), columns).unwrap()
}

pub fn index(column: &str) -> IndexDefinition {
    IndexDefinition { name: format!("by-{column}"), kind: IndexKind::BTree, column: column.into() }
}

pub fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub fn spec(key: &[&str], indexed: &[&str]) -> Arc<TableSpec> {
    let key = (!key.is_empty()).then(|| strings(key));
    let indexes: Vec<_> = indexed.iter().map(|column| index(column)).collect();
    TableSpec::new(&schema(), key.as_deref(), &indexes, Limits::default()).unwrap()
}

pub fn shard() -> ShardPath {
    ShardPath::new(SHARD).unwrap()
}

/// The rows of one table or generation, in order.
#[derive(Debug, Clone)]
pub struct Part {
    pub generation: u64,
    pub rows: Vec<Row>,
}

/// What is in a shard, the oldest first.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub key: Vec<String>,
    pub parts: Vec<Part>,
}

impl Model {
    pub fn key_of(&self, row: &Row) -> Vec<String> {
        self.key.iter().map(|column| row.cell(column)).collect()
    }

    /// The newest versions, deletions among them, in the order in which they were put: generation, position, row.
    pub fn newest(&self) -> Vec<(u64, u64, &Row)> {
        let parts = self.parts.iter().flat_map(|part| (0..).zip(&part.rows).map(|(at, row)| (part.generation, at, row)));
        let all: Vec<_> = parts.collect();
        if self.key.is_empty() {
            return all;
        }
        let mut last = std::collections::HashMap::new();
        for (at, (_, _, row)) in all.iter().enumerate() {
            last.insert(self.key_of(row), at);
        }
        all.iter().enumerate().filter(|(at, (_, _, row))| last[&self.key_of(row)] == *at).map(|(_, known)| *known).collect()
    }

    /// What a scan gives, one text for each row.
    pub fn scan(&self, request: &ScanRequest) -> Vec<String> {
        let newest = self.newest().into_iter().filter(|(_, _, row)| request.tombstones || !row.deleted);
        let fits = newest.filter(|(_, _, row)| request.filter.iter().all(|comparison| holds(row, comparison)));
        let limit = request.limit.map_or(usize::MAX, |limit| limit as usize);
        let names = request.columns.clone().unwrap_or_else(|| strings(&COLUMNS));
        let text = |(generation, position, row): (u64, u64, &Row)| {
            let mut cells: Vec<String> = names.iter().map(|name| row.cell(name)).collect();
            cells.extend(request.tombstones.then(|| row.deleted.to_string()));
            cells.extend(request.with_position.then(|| position.to_string()));
            cells.extend(request.with_generation.then(|| generation.to_string()));
            cells.join("|")
        };
        fits.take(limit).map(text).collect()
    }

    pub fn state(&self, key: &[String]) -> (KeyState, Option<&Row>) {
        match self.newest().iter().find(|(_, _, row)| self.key_of(row) == key) {
            None => (KeyState::Missing, None),
            Some((_, _, row)) if row.deleted => (KeyState::Deleted, None),
            Some((_, _, row)) => (KeyState::Found, Some(*row)),
        }
    }
}

fn float(value: f64) -> f64 {
    if value == 0.0 {
        0.0
    } else if value.is_nan() {
        f64::NAN.abs()
    } else {
        value
    }
}

/// What a comparison says, without arrow.
pub fn holds(row: &Row, comparison: &Comparison) -> bool {
    let value = comparison.value.as_ref();
    let plain = |value: &ArrayRef| match value.data_type() {
        DataType::Dictionary(_, _) => {
            let dictionary = value.as_dictionary::<Int8Type>();
            dictionary.values().as_string::<i32>().value(dictionary.keys().value(0) as usize).to_owned()
        }
        _ => value.as_string::<i32>().value(0).to_owned(),
    };
    let order = value.and_then(|value| match comparison.column.as_str() {
        "name" => row.name.as_ref().map(|own| own.cmp(&plain(value))),
        "number" => row.number.map(|own| own.cmp(&value.as_primitive::<Int32Type>().value(0))),
        "value" => row.value.map(|own| own.cmp(&value.as_primitive::<Int64Type>().value(0))),
        "score" => row.score.map(|own| float(own).total_cmp(&float(value.as_primitive::<Float64Type>().value(0)))),
        _ => row.tag.as_ref().map(|own| own.cmp(&plain(value))),
    });
    let null = match comparison.column.as_str() {
        "name" => row.name.is_none(),
        "number" => row.number.is_none(),
        "value" => row.value.is_none(),
        "score" => row.score.is_none(),
        _ => row.tag.is_none(),
    };
    match comparison.op {
        CompareOp::IsNull => null,
        CompareOp::IsNotNull => !null,
        CompareOp::Eq => order == Some(Ordering::Equal),
        CompareOp::NotEq => order.is_some_and(Ordering::is_ne),
        CompareOp::Lt => order.is_some_and(Ordering::is_lt),
        CompareOp::LtEq => order.is_some_and(Ordering::is_le),
        CompareOp::Gt => order.is_some_and(Ordering::is_gt),
        CompareOp::GtEq => order.is_some_and(Ordering::is_ge),
    }
}

impl Row {
    pub fn cell(&self, column: &str) -> String {
        match column {
            "name" => format!("{:?}", self.name),
            "number" => format!("{:?}", self.number),
            "value" => format!("{:?}", self.value),
            "score" => format!("{:?}", self.score),
            _ => format!("{:?}", self.tag),
        }
    }
}

/// One text for each row of a batch.
pub fn texts(batch: &RecordBatch) -> Vec<String> {
    let cell = |name: &str, column: &ArrayRef, row: usize| match (name, column.data_type()) {
        ("value", _) => format!("{:?}", column.is_valid(row).then(|| column.as_primitive::<Int64Type>().value(row))),
        ("score", _) => format!("{:?}", column.is_valid(row).then(|| column.as_primitive::<Float64Type>().value(row))),
        ("tag", _) => {
            let tags = column.as_dictionary::<Int8Type>().downcast_dict::<StringArray>().unwrap();
            format!("{:?}", column.is_valid(row).then(|| tags.into_iter().nth(row).flatten().unwrap().to_owned()))
        }
        ("name", _) => format!("{:?}", column.is_valid(row).then(|| column.as_string::<i32>().value(row).to_owned())),
        ("number", _) => format!("{:?}", column.is_valid(row).then(|| column.as_primitive::<Int32Type>().value(row))),
        (_, DataType::UInt64) => column.as_primitive::<UInt64Type>().value(row).to_string(),
        (_, DataType::Boolean) => column.as_boolean().value(row).to_string(),
        (_, other) => panic!("a column of {other}"),
    };
    let text = |row: usize| {
        let cells = batch.schema_ref().fields().iter().zip(batch.columns()).map(|(field, column)| cell(field.name(), column, row));
        cells.collect::<Vec<_>>().join("|")
    };
    (0..batch.num_rows()).map(text).collect()
}

/// A shard in the making.
pub struct World {
    pub spec: Arc<TableSpec>,
    pub store: Store,
    pub faults: FaultStore,
    pub sim: Sim,
    pub cache: Option<Cache>,
    pub data: DataOptions,
    /// Oldest first; the last one is active.
    pub tables: Vec<Arc<MemTable>>,
    pub list: Arc<GenerationList>,
    pub model: Model,
}

impl World {
    pub fn new(spec: &Arc<TableSpec>) -> Self {
        let sim = Sim::new(7);
        let faults = FaultStore::new(Arc::new(MemoryBackend::new(Arc::new(sim.clock()))), Arc::new(sim.clock()));
        let key = spec.key().map_or(Vec::new(), |key| key.spec().columns().iter().map(|column| column.name().to_owned()).collect());
        let mut world = Self {
            spec: Arc::clone(spec),
            store: Store::new("memory://scan", faults.inner()),
            faults,
            sim,
            cache: None,
            data: DataOptions { batch_bytes: 300, ..DataOptions::default() },
            tables: Vec::new(),
            list: Arc::default(),
            model: Model { key, parts: Vec::new() },
        };
        world.rotate();
        world
    }

    pub fn cached(spec: &Arc<TableSpec>, capacity: u64) -> Self {
        let mut world = Self::new(spec);
        world.cache = Some(Cache::builtin(capacity, Arc::new(world.sim.clock())));
        world
    }

    /// Freezes the active table, and begins another.
    pub fn rotate(&mut self) {
        let generation = self.model.parts.last().map_or(1, |part| part.generation + 1);
        let first = self.tables.last().map_or(0, |table| table.end_row());
        if let Some(table) = self.tables.last() {
            table.freeze();
        }
        self.tables.push(MemTable::new(Arc::clone(&self.spec), generation, first, Visibility::Indexed));
        self.model.parts.push(Part { generation, rows: Vec::new() });
    }

    pub fn active(&self) -> &Arc<MemTable> {
        self.tables.last().unwrap()
    }

    pub fn put(&mut self, rows: &[Row]) {
        let prepared = self.spec.put(&batch(rows), Buffers::Own).unwrap();
        self.active().insert(prepared).unwrap().unwrap();
        self.model.parts.last_mut().unwrap().rows.extend_from_slice(rows);
    }

    /// Deletes the keys of `rows`.
    pub fn delete(&mut self, rows: &[Row]) {
        let prepared = self.spec.delete(&batch(rows)).unwrap();
        self.active().insert(prepared).unwrap().unwrap();
        let nothing = Row { value: None, score: None, tag: None, deleted: true, name: None, number: None };
        let is_key = |column: &str| self.model.key.iter().any(|key| key == column);
        let (name, number) = (is_key("name"), is_key("number"));
        let deleted = rows.iter().map(|row| Row {
            name: row.name.clone().filter(|_| name),
            number: row.number.filter(|_| number),
            ..nothing.clone()
        });
        let deleted: Vec<Row> = deleted.collect();
        self.model.parts.last_mut().unwrap().rows.extend(deleted);
    }

    /// Makes a generation of the oldest frozen table, if there is one that has rows.
    pub fn flush(&mut self) -> bool {
        if self.tables.len() < 2 {
            return false;
        }
        let table = self.tables.remove(0);
        if table.num_rows() == 0 {
            self.model.parts.retain(|part| part.generation != table.generation());
            return false;
        }
        let handle = self.handle(encode_table(&table, &self.data));
        self.list = Arc::new(self.list.pushed(handle));
        true
    }

    fn handle(&self, encoded: weir::generation::Encoded) -> Arc<GenerationHandle> {
        let retry = Retry { max_retries: 0, base_delay: std::time::Duration::from_millis(1) };
        let written = now(encoded.store(&self.store, &shard(), &self.sim.env(), retry)).unwrap();
        GenerationHandle::new(self.store.clone(), shard(), written.table, self.cache.clone())
    }

    /// Merges the generations from the `from`th oldest to before the `to`th.
    pub fn compact(&mut self, from: usize, to: usize) {
        let handles: Vec<_> = self.list.handles().rev().cloned().collect();
        let inputs: Vec<_> = handles[from..to].iter().map(|handle| now(handle.open()).unwrap().clone()).collect();
        let options = CompactOptions { data: self.data, ..CompactOptions::default() };
        let merged = now(compact::merge(&inputs, from == 0, &options)).unwrap();
        let handle = merged.map(|encoded| self.handle(encoded));
        let paths: Vec<String> = handles[from..to].iter().map(|handle| handle.table().path.clone()).collect();
        let gone: Vec<u64> = handles[from..to].iter().map(|handle| handle.generation()).collect();
        self.list = Arc::new(self.list.replaced(&paths, handle.clone()));
        // The same with the model.
        let inputs = Model {
            key: self.model.key.clone(),
            parts: self.model.parts.iter().filter(|part| gone.contains(&part.generation)).cloned().collect(),
        };
        let kept = inputs.newest().into_iter().filter(|(_, _, row)| from > 0 || !row.deleted).map(|(_, _, row)| row.clone());
        let rows: Vec<Row> = kept.collect();
        assert_eq!(handle.is_none(), rows.is_empty());
        let at = self.model.parts.iter().position(|part| gone.contains(&part.generation)).unwrap();
        self.model.parts.retain(|part| !gone.contains(&part.generation));
        if !rows.is_empty() {
            self.model.parts.insert(at, Part { generation: *gone.last().unwrap(), rows });
        }
    }

    pub fn view(&self) -> View {
        let tables = self.tables.iter().rev().map(|table| table.snapshot()).collect();
        View::new(Arc::clone(&self.spec), tables, Arc::clone(&self.list))
    }

    /// The same moment as if all were opened anew.
    pub fn fresh(&self) -> View {
        let fresh = |handle: &Arc<GenerationHandle>| GenerationHandle::new(self.store.clone(), shard(), handle.table().clone(), None);
        let list = GenerationList::new(self.list.handles().map(fresh).collect());
        let tables = self.tables.iter().rev().map(|table| table.snapshot()).collect();
        View::new(Arc::clone(&self.spec), tables, Arc::new(list))
    }
}

pub fn encode_table(table: &Arc<MemTable>, data: &DataOptions) -> weir::generation::Encoded {
    let spec = table.spec();
    let secondary =
        |(definition, _): &(IndexDefinition, _)| SecondarySpec { name: definition.name.clone(), columns: vec![definition.column.clone()] };
    let input = TableInput {
        generation: table.generation(),
        schema: spec.stored_schema().clone(),
        key: spec.key().map(|key| key.spec().clone()),
        batches: table.snapshot().batches().map(|some| some.batch).collect(),
        secondary: spec.indexes().iter().map(secondary).collect(),
        in_memory_bytes: table.memory_bytes(),
    };
    encode(input, data).unwrap()
}

/// All batches of a scan that completes at its first poll.
pub fn batches(view: &View, request: &ScanRequest) -> Vec<RecordBatch> {
    let mut stream = view.scan(request.clone()).unwrap();
    let mut found = Vec::new();
    while let Some(batch) = now(stream.next()).unwrap() {
        assert_eq!(batch.schema_ref(), stream.schema());
        assert!(batch.num_rows() > 0);
        let most = if request.batch_rows == 0 { weir::scan::DEFAULT_BATCH_ROWS } else { request.batch_rows };
        assert!(batch.num_rows() <= most);
        found.push(batch);
    }
    assert!(now(stream.next()).unwrap().is_none(), "and again");
    found
}

/// One text for each row of a scan.
pub fn scan(view: &View, request: &ScanRequest) -> Vec<String> {
    batches(view, request).iter().flat_map(texts).collect()
}

pub fn kind<T>(result: Result<T>) -> ErrorKind {
    result.err().expect("an error").kind()
}

pub fn compare(column: &str, op: CompareOp, value: impl Into<Option<ArrayRef>>) -> Comparison {
    Comparison { column: column.into(), op, value: value.into() }
}

pub fn text(value: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

pub fn int(value: i64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![value]))
}

pub fn int32(value: i32) -> ArrayRef {
    Arc::new(Int32Array::from(vec![value]))
}
