//! One moment of a shard.

use std::sync::Arc;

use super::list::GenerationList;
use super::plan::{Plan, ScanRequest};
use super::stream::ScanStream;
use crate::error::Result;
use crate::memtable::{Snapshot, TableSpec};

/// See the module's documentation.
#[derive(Debug, Clone)]
pub struct View {
    spec: Arc<TableSpec>,
    /// Newest first.
    tables: Vec<Snapshot>,
    generations: Arc<GenerationList>,
}

impl View {
    /// What `tables`, newest first, and `generations` have together. All must be of one moment (PITFALLS I8): every row of the writer up
    /// to the snapshots is in exactly one of the tables or in the generations, and each generation is older than every table.
    #[must_use]
    pub fn new(spec: Arc<TableSpec>, tables: Vec<Snapshot>, generations: Arc<GenerationList>) -> Self {
        Self { spec, tables, generations }
    }

    /// What its rows have in common.
    #[must_use]
    pub fn spec(&self) -> &Arc<TableSpec> {
        &self.spec
    }

    /// The tables, newest first.
    #[must_use]
    pub fn tables(&self) -> &[Snapshot] {
        &self.tables
    }

    /// The generations.
    #[must_use]
    pub fn generations(&self) -> &Arc<GenerationList> {
        &self.generations
    }

    /// The newest versions of the rows in the order in which they were put: oldest generation first. Nothing is read yet.
    ///
    /// # Errors
    /// `InvalidArgument`: a column that is not there or wanted twice, a comparison that cannot be.
    pub fn scan(&self, request: ScanRequest) -> Result<ScanStream> {
        Ok(ScanStream::new(self.clone(), Plan::new(&self.spec, request)?))
    }
}
