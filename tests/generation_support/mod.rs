//! What the tests of generations share: tables with a key, a shard to put them in, and what is to be read of them.
#![allow(dead_code, unused_imports, reason = "each test uses a part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use weir::env::{Env, Retry};
use weir::error::{ErrorKind, Result};
use weir::generation::{
    DataOptions, Encoded, Generation, Got, KeyRange, ScanOptions, SecondarySpec, TOMBSTONE, TableInput, Written, encode,
};
use weir::memtable::key::{KeyEncoder, KeySpec};
use weir::shard::ShardPath;
use weir::shard::manifest::{Manifest, ManifestOptions, ManifestStore, SsTable};
use weir::store::Store;
use weir::store::memory::MemoryBackend;

use crate::support::{FaultStore, Sim, SimClock};

pub const SHARD: &str = "00000000-0000-4000-8000-00000000000b";
pub const DAY: Duration = Duration::from_secs(24 * 3600);

pub fn shard() -> ShardPath {
    ShardPath::new(SHARD).unwrap()
}

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("text", DataType::Utf8, true),
        Field::new(TOMBSTONE, DataType::Boolean, false),
    ]))
}

/// A row: its key and its text, or that the key is deleted.
pub type Row = (i64, Option<String>);

pub fn put(id: i64, text: impl Into<String>) -> Row {
    (id, Some(text.into()))
}

pub fn delete(id: i64) -> Row {
    (id, None)
}

pub fn batch(rows: &[Row]) -> RecordBatch {
    let ids = Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id));
    let texts: StringArray = rows.iter().map(|(_, text)| text.clone()).collect();
    let tombstones = BooleanArray::from(rows.iter().map(|(_, text)| text.is_none()).collect::<Vec<_>>());
    RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(texts), Arc::new(tombstones)]).unwrap()
}

/// The rows of a batch with all columns.
pub fn rows(batch: &RecordBatch) -> Vec<Row> {
    let (ids, texts) = (batch["id"].as_primitive::<Int64Type>(), batch["text"].as_string::<i32>());
    let tombstones = batch[TOMBSTONE].as_boolean();
    let row = |i: usize| (ids.value(i), (!tombstones.value(i)).then(|| texts.value(i).to_owned()));
    (0..batch.num_rows()).map(row).collect()
}

pub fn key_spec() -> KeySpec {
    KeySpec::resolve(&schema(), Some(&["id".to_owned()])).unwrap().unwrap()
}

/// An encoded key.
pub fn key(id: i64) -> Vec<u8> {
    KeyEncoder::new(key_spec()).encode_arrays(&[Arc::new(Int64Array::from(vec![id])) as ArrayRef]).unwrap().key(0).to_vec()
}

pub fn input(generation: u64, batches: Vec<RecordBatch>) -> TableInput {
    TableInput { generation, schema: schema(), key: Some(key_spec()), batches, secondary: Vec::new(), in_memory_bytes: 1000 }
}

pub fn by_text() -> SecondarySpec {
    SecondarySpec { name: "by text?".to_owned(), columns: vec!["text".to_owned()] }
}

/// Small batches, so that few rows make several.
pub fn small() -> DataOptions {
    DataOptions { batch_bytes: 256, ..DataOptions::default() }
}

pub fn encoded(generation: u64, rows: &[Row]) -> Encoded {
    let batches = rows.chunks(7).map(batch).collect();
    encode(TableInput { secondary: vec![by_text()], ..input(generation, batches) }, &small()).unwrap()
}

pub fn kind<T>(result: Result<T>) -> ErrorKind {
    result.err().expect("an error").kind()
}

pub fn no_retry() -> Retry {
    Retry { max_retries: 0, base_delay: Duration::from_millis(50) }
}

/// A machine, a store that fails on demand, one shard.
pub struct World {
    pub sim: Sim,
    pub faults: FaultStore,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let sim = Sim::new(seed);
        let faults = FaultStore::new(Arc::new(MemoryBackend::new(Arc::new(sim.clock()))), Arc::new(sim.clock()));
        Self { sim, faults }
    }

    /// A handle as another process has it.
    pub fn store(&self) -> Store {
        Store::new("memory://test", Arc::new(self.faults.clone()))
    }

    /// A handle that meets no faults.
    pub fn truth(&self) -> Store {
        Store::new("memory://truth", self.faults.inner())
    }

    pub fn env(&self) -> Env {
        self.sim.env()
    }

    pub fn manifests(&self) -> ManifestStore {
        ManifestStore::new(self.store(), shard(), self.env(), ManifestOptions::default())
    }

    /// The newest manifest, as it is.
    pub async fn manifest(&self) -> Manifest {
        ManifestStore::new(self.truth(), shard(), self.env(), ManifestOptions::default()).latest().await.unwrap().unwrap()
    }

    /// The names of the generations' directories with what is in each.
    pub async fn directories(&self) -> BTreeMap<String, Vec<String>> {
        let truth = self.truth();
        let mut found = BTreeMap::new();
        for name in truth.list_dirs(shard().dir()).await.unwrap() {
            if name.contains("_gen_") {
                let objects = truth.list(&format!("{}/{name}", shard().dir())).await.unwrap();
                let mut names: Vec<String> = objects.into_iter().map(|object| object.name).collect();
                names.sort();
                found.insert(name, names);
            }
        }
        found
    }

    pub async fn open(&self, table: &SsTable) -> Result<Arc<Generation>> {
        Generation::open(&self.truth(), &shard(), table).await
    }

    /// What a reader of the newest manifest sees: newest generation first, tombstones applied after the merge.
    pub async fn contents(&self) -> BTreeMap<i64, String> {
        let mut seen: BTreeMap<i64, Option<String>> = BTreeMap::new();
        for table in self.manifest().await.sstables.iter().rev() {
            for (id, text) in all_rows(&self.open(table).await.unwrap()).await {
                seen.entry(id).or_insert(text);
            }
        }
        seen.into_iter().filter_map(|(id, text)| Some((id, text?))).collect()
    }
}

/// The newest rows of a generation, tombstones included, in insert order.
pub async fn all_rows(generation: &Arc<Generation>) -> Vec<Row> {
    let mut scan = generation.scan(ScanOptions { tombstones: true, ..ScanOptions::default() }).unwrap();
    let mut found = Vec::new();
    while let Some(some) = scan.next().await.unwrap() {
        assert_eq!(some.rows.len(), some.batch.num_rows());
        found.extend(rows(&some.batch));
    }
    found
}

/// What the rows, in insert order, mean: the newest of each key, in insert order.
pub fn newest(rows: &[Row]) -> Vec<Row> {
    let is_newest = |at: usize| rows[at + 1..].iter().all(|(id, _)| *id != rows[at].0);
    (0..rows.len()).filter(|at| is_newest(*at)).map(|at| rows[at].clone()).collect()
}
