//! Shards with generations, made through the library.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use weir::runtime;
use weir::shard::ShardPath;
use weir::shard::manifest::{Manifest, ManifestOptions, ManifestStore};
use weir::store::{self, Settings, Store};
use weir::writer::{MemTableConfig, ShardWriter, WriterConfig};

use crate::support::*;

impl Dir {
    pub fn store(&self) -> Store {
        std::fs::create_dir_all(self.root()).unwrap();
        store::open(&self.root(), &Settings::new(Vec::<(String, String)>::new()).unwrap(), &runtime::env()).unwrap()
    }

    /// A writer with the key `key`, whose generations nobody merges.
    pub fn writer(&self, schema: &Schema, key: &[&str]) -> ShardWriter {
        let primary_key = (!key.is_empty()).then(|| key.iter().map(|name| (*name).to_owned()).collect());
        let memtable = MemTableConfig { primary_key, compaction: None, ..MemTableConfig::default() };
        let config = WriterConfig { memtable: Some(memtable), ..WriterConfig::default() };
        let open = ShardWriter::open(self.store(), ShardPath::new(SHARD).unwrap(), schema, config, runtime::env());
        runtime::block_on(open, -1).unwrap()
    }

    /// A shard with the key `id`: generation 1 with the rows 0 to 9, generation 2 in which 5 to 7 say "new" and 0 and 1 are deleted; and
    /// behind them, in the log only, the rows 10 and 11, and 9 is deleted.
    pub fn generations() -> Self {
        let dir = Self::new();
        let writer = dir.writer(batch(0, 1).schema_ref(), &["id"]);
        writer.put(&batch(0, 10), None).unwrap();
        flush(&writer);
        writer.put(&saying(5, 3, "new"), None).unwrap();
        writer.delete(&ids(&[0, 1]), None).unwrap();
        flush(&writer);
        writer.put(&batch(10, 2), None).unwrap();
        writer.delete(&ids(&[9]), None).unwrap();
        writer.abort();
        dir
    }

    /// The directories of the published generations, oldest first.
    pub fn published(&self) -> Vec<PathBuf> {
        self.manifest_now().sstables.iter().map(|table| self.shard_dir().join(&table.path)).collect()
    }

    fn manifests(&self) -> ManifestStore {
        ManifestStore::new(self.store(), ShardPath::new(SHARD).unwrap(), runtime::env(), ManifestOptions::default())
    }

    pub fn manifest_now(&self) -> Manifest {
        runtime::block_on(self.manifests().latest(), -1).unwrap().unwrap()
    }

    /// Writes another version of the manifest.
    pub fn change_manifest(&self, change: impl Fn(&mut Manifest) + Send + Sync) {
        let manifests = self.manifests();
        let change = |manifest: &mut Manifest| {
            change(manifest);
            Ok(())
        };
        runtime::block_on(manifests.update(change), -1).unwrap();
    }
}

pub fn flush(writer: &ShardWriter) {
    writer.wait_flushed(writer.freeze().unwrap(), None).unwrap();
}

/// The ids that the rows of the last `weir scan --json` have.
pub fn scanned_ids(dir: &Dir, args: &[&str]) -> Vec<i64> {
    let ran = weir([&["scan", &dir.root(), SHARD, "--json"], args].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{args:?}");
    ran.json().iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

/// Rows as of [`batch`], with another text.
pub fn saying(start: i64, rows: i64, text: &str) -> RecordBatch {
    let batch = batch(start, rows);
    let texts: ArrayRef = Arc::new(StringArray::from(vec![text; rows as usize]));
    RecordBatch::try_new(batch.schema(), vec![batch.column(0).clone(), texts, batch.column(2).clone()]).unwrap()
}

pub fn ids(ids: &[i64]) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, false)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(ids.to_vec())) as ArrayRef]).unwrap()
}
