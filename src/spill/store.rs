//! A store of spills: one place, one budget, its children.

use std::fmt;
use std::sync::Arc;

use super::backend::Backend;
use super::budget::{Budget, Reservation};
use super::closing::Closing;
use super::config::{SpillBackend, SpillConfig, SpillOptions};
use super::local::{FileOps, LocalBackend};
use super::memory::MemoryBackend;
use super::object::ObjectBackend;
use super::stats::{SpillStats, Stats, Swept};
use super::tiered::TieredBackend;
use super::writer::SpillWriter;
use crate::env::{BoxFuture, Env};
use crate::error::Result;
use crate::metrics::{MetricSource, Registry};
use crate::store::Store;

/// What a store shares with its children, writers and spills.
pub(super) struct Core {
    pub env: Env,
    pub backend: Box<dyn Backend>,
    pub buffer_bytes: usize,
    stats: Arc<Stats>,
    figures: Arc<Registry>,
}

impl Drop for Core {
    fn drop(&mut self) {
        let source: Arc<dyn MetricSource> = self.stats.clone();
        self.figures.retire(&source);
    }
}

/// A store or a child of one.
pub(super) struct Node {
    pub budget: Arc<Budget>,
    pub stats: Arc<Stats>,
    pub memory: Option<Arc<Budget>>,
    closing: Arc<Closing>,
    // Last: its end collects the figures.
    pub core: Arc<Core>,
}

impl Node {
    /// Does in the background what is left to do of a deletion. Its bytes return after they are gone from storage, not before.
    pub fn delete_later(&self, task: BoxFuture<'static, Result<()>>, held: Option<Reservation>) {
        let deletion = self.closing.deletion();
        let task = async move {
            let outcome = task.await;
            drop(held);
            deletion.end(outcome);
        };
        self.core.env.spawn.spawn(Box::pin(task), self.core.backend.is_blocking());
    }
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
    /// A store in the surroundings `env`, which shows its figures in `figures`; `open` opens the URL of a store of objects.
    pub(crate) fn build(
        config: &SpillConfig,
        env: &Env,
        figures: &Arc<Registry>,
        ops: Arc<dyn FileOps>,
        open: impl FnOnce(&str) -> Result<Store>,
    ) -> Result<Self> {
        config.validate()?;
        let budget = Budget::new(config.cap_bytes, None);
        let (swept, closing) = (Arc::<Swept>::default(), Closing::new(None));
        let (backend, memory): (Box<dyn Backend>, Option<Arc<Budget>>) = match &config.backend {
            SpillBackend::Local { directory } => {
                let min_free = config.min_free_bytes;
                (Box::new(LocalBackend::new(directory.as_deref(), min_free, ops, &budget, None, &swept)?), None)
            }
            SpillBackend::Memory => (Box::new(MemoryBackend), Some(budget.clone())),
            SpillBackend::Object { url } => {
                (Box::new(ObjectBackend::new(open(url)?, env.clone(), config.reclaim_age, &swept, &closing)), None)
            }
            SpillBackend::Tiered { directory, memory_bytes } => {
                let memory = Budget::new(Some(*memory_bytes), None);
                let disk = LocalBackend::new(directory.as_deref(), config.min_free_bytes, ops, &budget, Some(&memory), &swept)?;
                (Box::new(TieredBackend { disk, memory: memory.clone() }), Some(memory))
            }
        };
        let stats = Stats::new(None, budget.clone(), memory.clone(), swept);
        let source: Arc<dyn MetricSource> = stats.clone();
        figures.register(Arc::downgrade(&source));
        let core = Core { env: env.clone(), backend, buffer_bytes: config.buffer_bytes, stats: stats.clone(), figures: figures.clone() };
        Ok(Self(Arc::new(Node { budget, stats, memory, closing, core: Arc::new(core) })))
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
        let closing = Closing::new(Some(parent.closing.clone()));
        Self(Arc::new(Node { budget, stats, memory, closing, core: parent.core.clone() }))
    }

    /// Begins a spill. Does no I/O.
    ///
    /// # Errors
    /// `Closed` if this store or one above it is closed; `Unsupported` if this build cannot encrypt.
    pub fn begin(&self, options: SpillOptions) -> Result<SpillWriter> {
        self.0.closing.check_open()?;
        SpillWriter::begin(self.0.clone(), options)
    }

    /// Refuses spills from now on, here and in children; the future waits until what was deleted is gone from storage: freed spills and aborted
    /// writers of this store and its children, on object stores. What is alive goes on. With nothing alive, a store's own place on storage
    /// is gone as well; else that goes with the last of them, for which another call waits, and on a disk with that call or the store.
    ///
    /// # Errors
    /// That of a deletion that failed; what it left is removed with the place, or else by a later store's sweep. `Cancelled` if the runtime
    /// was shut down before all was deleted.
    pub fn close(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        let node = Arc::clone(&self.0);
        // At once: the future may wait for its thread.
        node.closing.close();
        async move {
            if node.closing.is_root() {
                node.core.backend.retire().await;
            }
            node.closing.deleted().await
        }
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
