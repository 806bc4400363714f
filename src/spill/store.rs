//! A store of spills: one place, one budget, its children.

use std::fmt;
use std::sync::{Arc, Weak};

use super::backend::Backend;
use super::budget::Budget;
use super::config::{SpillBackend, SpillConfig, SpillOptions};
use super::local::{FileOps, LocalBackend, SystemOps};
use super::memory::MemoryBackend;
use super::object::ObjectBackend;
use super::stats::{SpillStats, Stats, Swept};
use super::tiered::TieredBackend;
use super::writer::SpillWriter;
use crate::env::{BoxFuture, Env};
use crate::error::Result;
use crate::session::{MetricSource, Session};
use crate::store::Store;

/// What a store shares with its children, writers and spills.
pub(super) struct Core {
    pub env: Env,
    pub backend: Box<dyn Backend>,
    pub buffer_bytes: usize,
    stats: Arc<Stats>,
    /// Weak: a session may own its spill store.
    session: Weak<Session>,
}

impl Core {
    /// Runs what a deletion left to do in the background.
    pub fn delete_later(&self, task: BoxFuture<'static, ()>) {
        self.env.spawn.spawn(task, self.backend.is_blocking());
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Some(session) = self.session.upgrade() {
            let source: Arc<dyn MetricSource> = self.stats.clone();
            session.retire(&source);
        }
    }
}

/// A store or a child of one.
pub(super) struct Node {
    pub budget: Arc<Budget>,
    pub stats: Arc<Stats>,
    pub memory: Option<Arc<Budget>>,
    // Last: its end collects the figures.
    pub core: Arc<Core>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("backend", &self.core.backend).field("budget", &self.budget).finish_non_exhaustive()
    }
}

/// Scratch storage: see the module's documentation. Clones are the same store. Writers and spills keep what they need of it, so
/// it may be dropped before them.
#[derive(Clone, Debug)]
pub struct SpillStore(Arc<Node>);

impl SpillStore {
    /// A store with the surroundings, the object stores and the metrics of `session`. Does no I/O: an error is one of `config`.
    pub fn new(session: &Arc<Session>, config: &SpillConfig) -> Result<Self> {
        Self::build(session, config, Arc::new(SystemOps), None)
    }

    /// The same with other file operations than the system's, for tests of what disks do.
    pub fn with_file_ops(session: &Arc<Session>, config: &SpillConfig, ops: Arc<dyn FileOps>) -> Result<Self> {
        Self::build(session, config, ops, None)
    }

    /// The same with objects in `objects`, whatever URL `config` names.
    pub fn with_objects(session: &Arc<Session>, config: &SpillConfig, objects: Store) -> Result<Self> {
        Self::build(session, config, Arc::new(SystemOps), Some(objects))
    }

    fn build(session: &Arc<Session>, config: &SpillConfig, ops: Arc<dyn FileOps>, objects: Option<Store>) -> Result<Self> {
        config.validate()?;
        let budget = Budget::new(config.cap_bytes, None);
        let swept = Arc::<Swept>::default();
        let (backend, memory): (Box<dyn Backend>, Option<Arc<Budget>>) = match &config.backend {
            SpillBackend::Local { directory } => {
                let min_free = config.min_free_bytes;
                (Box::new(LocalBackend::new(directory.as_deref(), min_free, ops, &budget, None, &swept)?), None)
            }
            SpillBackend::Memory => (Box::new(MemoryBackend), Some(budget.clone())),
            SpillBackend::Object { url } => {
                let store = objects.map_or_else(|| session.store(url, false), Ok)?;
                (Box::new(ObjectBackend::new(store, session.env().clone(), config.reclaim_age, &swept)), None)
            }
            SpillBackend::Tiered { directory, memory_bytes } => {
                let memory = Budget::new(Some(*memory_bytes), None);
                let disk = LocalBackend::new(directory.as_deref(), config.min_free_bytes, ops, &budget, Some(&memory), &swept)?;
                (Box::new(TieredBackend { disk, memory: memory.clone() }), Some(memory))
            }
        };
        let stats = Stats::new(None, budget.clone(), memory.clone(), swept);
        let source: Arc<dyn MetricSource> = stats.clone();
        session.register(Arc::downgrade(&source));
        let core = Core {
            env: session.env().clone(),
            backend,
            buffer_bytes: config.buffer_bytes,
            stats: stats.clone(),
            session: Arc::downgrade(session),
        };
        Ok(Self(Arc::new(Node { budget, stats, memory, core: Arc::new(core) })))
    }

    /// A store at the same place with a budget of its own within this one's (a tenant's, a query's) and its own statistics, which
    /// this one's include.
    #[must_use]
    pub fn child(&self, cap_bytes: Option<u64>) -> Self {
        let parent = &self.0;
        let budget = Budget::new(cap_bytes, Some(parent.budget.clone()));
        // In memory alone all bytes are the memory's.
        let memory = parent
            .memory
            .as_ref()
            .map(|memory| if Arc::ptr_eq(memory, &parent.budget) { budget.clone() } else { Budget::new(None, Some(memory.clone())) });
        let stats = Stats::new(Some(parent.stats.clone()), budget.clone(), memory.clone(), Arc::default());
        Self(Arc::new(Node { budget, stats, memory, core: parent.core.clone() }))
    }

    /// Begins a spill. Does no I/O.
    pub fn begin(&self, options: SpillOptions) -> Result<SpillWriter> {
        SpillWriter::begin(self.0.clone(), options)
    }

    /// The bytes reserved now: of spills and of what writers accepted, as they are stored.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.0.budget.used()
    }

    /// The cap of this store, not of those above it.
    #[must_use]
    pub fn cap_bytes(&self) -> Option<u64> {
        self.0.budget.cap()
    }

    /// What it has done.
    #[must_use]
    pub fn stats(&self) -> SpillStats {
        self.0.stats.snapshot()
    }

    /// What its figures are collected from.
    pub(crate) fn source(&self) -> Arc<dyn MetricSource> {
        self.0.stats.clone()
    }

    /// Whether every operation completes at its first poll, its work done on the polling thread: true for all but objects.
    #[must_use]
    pub fn is_blocking(&self) -> bool {
        self.0.core.backend.is_blocking()
    }
}
