//! Stands in for scan::snapshot until that is merged.
#![allow(missing_docs)]
use crate::cache::Cache;
use crate::env::Env;
use crate::error::{Result, bail};
use crate::memtable::index::IndexDefinition;
use crate::scan::View;
use crate::shard::ShardPath;
use crate::shard::manifest::Manifest;
use crate::store::Store;
use arrow_schema::{Schema, SchemaRef};
use std::sync::Arc;
#[derive(Debug, Clone)]
pub struct SnapshotOptions {
    pub schema: Option<Schema>,
    pub primary_key: Option<Vec<String>>,
    pub indexes: Vec<IndexDefinition>,
    pub max_bytes: u64,
    pub wal: bool,
}
impl Default for SnapshotOptions {
    fn default() -> Self {
        Self { schema: None, primary_key: None, indexes: vec![], max_bytes: 1 << 30, wal: true }
    }
}
#[derive(Debug)]
pub struct Snapshot {
    view: View,
    manifest: Manifest,
    schema: SchemaRef,
}
impl Snapshot {
    pub async fn open(_: Store, _: ShardPath, _: Env, _: Option<&Cache>, _: SnapshotOptions) -> Result<Arc<Self>> {
        bail!(Unsupported, "not there yet")
    }
    pub fn view(&self) -> &View {
        &self.view
    }
    pub fn cut(&self) -> u64 {
        0
    }
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}
