//! stand-in
#![allow(missing_docs, dead_code, clippy::all)]
use std::sync::Arc;
use crate::shard::{ShardPath, manifest::SsTable};
use crate::store::Store;
use crate::cache::Cache;
use crate::error::Result;
use crate::generation::Generation;
use crate::memtable::{TableSpec, Snapshot};
pub mod replay;
#[derive(Debug)]
pub struct GenerationHandle { table: SsTable }
impl GenerationHandle {
    pub fn new(_s: Store, _p: ShardPath, table: SsTable, _c: Option<Cache>) -> Arc<Self> { Arc::new(Self { table }) }
    pub fn table(&self) -> &SsTable { &self.table }
    pub async fn open(&self) -> Result<&Arc<Generation>> { todo!() }
}
#[derive(Debug)]
pub struct GenerationList(Vec<Arc<GenerationHandle>>);
impl GenerationList {
    pub fn new(h: Vec<Arc<GenerationHandle>>) -> Self { Self(h) }
    pub fn len(&self) -> usize { self.0.len() }
    pub fn handles(&self) -> impl ExactSizeIterator<Item = &Arc<GenerationHandle>> { self.0.iter() }
    pub fn pushed(&self, _h: Arc<GenerationHandle>) -> Self { todo!() }
    pub fn replaced(&self, _p: &[&str], _h: Option<Arc<GenerationHandle>>) -> Self { todo!() }
}
#[derive(Debug)]
pub struct View;
impl View { pub fn new(_s: Arc<TableSpec>, _t: Vec<Snapshot>, _g: Arc<GenerationList>) -> Self { Self } }
