//! A published generation that a reader may want: opened when it is first looked into.

use std::sync::{Arc, OnceLock};

use tokio::sync::OnceCell;

use crate::cache::Cache;
use crate::error::Result;
use crate::generation::Generation;
use crate::memtable::TableSpec;
use crate::memtable::evolve::Evolution;
use crate::shard::ShardPath;
use crate::shard::manifest::SsTable;
use crate::store::Store;

/// See the module's documentation. One is shared by all views that know the generation, so that it is opened once.
#[derive(Debug)]
pub struct GenerationHandle {
    store: Store,
    shard: ShardPath,
    table: SsTable,
    cache: Option<Cache>,
    opened: OnceCell<Arc<Generation>>,
    /// How its rows become those of the spec that asked first, which is the writer's and so mostly the only one.
    evolution: OnceLock<(Arc<TableSpec>, Arc<Evolution>)>,
}

impl GenerationHandle {
    /// The generation that a manifest of `shard` calls `table`. Nothing is read yet. Blocks that are read go through `cache`, if there is
    /// one.
    #[must_use]
    pub fn new(store: Store, shard: ShardPath, table: SsTable, cache: Option<Cache>) -> Arc<Self> {
        Arc::new(Self { store, shard, table, cache, opened: OnceCell::new(), evolution: OnceLock::new() })
    }

    /// What the manifest says of it.
    #[must_use]
    pub fn table(&self) -> &SsTable {
        &self.table
    }

    /// Its number.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.table.generation
    }

    /// The memory that it takes while it is open, about; 0 before.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        self.opened().map_or(0, |generation| generation.resident_bytes())
    }

    /// The generation, if it was opened.
    #[must_use]
    pub fn opened(&self) -> Option<&Arc<Generation>> {
        self.opened.get()
    }

    /// The generation, opened now if it was not.
    ///
    /// # Errors
    /// As [`Generation::open`]; the next call tries again.
    pub async fn open(&self) -> Result<&Arc<Generation>> {
        self.opened.get_or_try_init(|| Generation::open_cached(&self.store, &self.shard, &self.table, self.cache.as_ref())).await
    }

    /// How the rows of `generation`, which is this one, are read in tables of `spec`.
    ///
    /// # Errors
    /// `SchemaMismatch`: they cannot be.
    pub(super) fn evolution(&self, generation: &Generation, spec: &Arc<TableSpec>) -> Result<Arc<Evolution>> {
        if let Some((known, evolution)) = self.evolution.get()
            && Arc::ptr_eq(known, spec)
        {
            return Ok(Arc::clone(evolution));
        }
        let evolution = Evolution::plan_generation(generation.schema(), generation.key(), spec);
        let evolution = evolution.map(Arc::new).map_err(|e| e.context(format_args!("generation {}", self.table.generation)))?;
        // Another thread may have been first, with this spec or another.
        let _ = self.evolution.set((Arc::clone(spec), Arc::clone(&evolution)));
        Ok(evolution)
    }
}
