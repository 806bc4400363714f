//! What handles share that are opened together: stores and their settings, the cache, the spill store, the memory budget, the surroundings
//! and the metrics. Each may be given to [`Session::builder`]. The runtime and the threads of callbacks are the process's, and all sessions
//! share them.

mod spill;

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;

use crate::cache::{self, Cache};
use crate::env::Env;
use crate::error::Result;
use crate::memory::{MemoryBudget, MemoryUsage};
use crate::metrics::Registry;
pub use crate::metrics::{MetricSource, Metrics};
use crate::runtime;
use crate::shard::ShardPath;
use crate::spill::{SpillConfig, SpillStore};
use crate::store::{Backend, RequestCounts, Settings, Store, Stores};
use crate::wal;

/// See the module's documentation. Shared as an `Arc` by all that is opened through it.
pub struct Session {
    stores: Stores,
    env: Env,
    /// Made when it is first asked for, unless one was given.
    spill: Mutex<Option<SpillStore>>,
    /// The same.
    cache: OnceLock<Shared>,
    memory: Arc<MemoryBudget>,
    sources: Arc<Registry>,
}

/// The cache, and whether somebody chose it.
struct Shared {
    cache: Cache,
    chosen: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("stores", &self.stores).finish_non_exhaustive()
    }
}

/// What a session is to be made of. What is not given, it makes itself when it is first needed.
///
/// The runtime and the threads that run callbacks are none of it: a process has them once, and
/// [`runtime::configure`] says how they are to be. A session's [`Env`] says what of them it uses.
#[derive(Default)]
#[must_use]
pub struct SessionBuilder {
    settings: Settings,
    env: Option<Env>,
    stores: Vec<(String, Arc<dyn Backend>)>,
    cache: Option<Cache>,
    spill: Option<SpillStore>,
    memory_limit: Option<u64>,
    registry: Arc<Registry>,
}

impl SessionBuilder {
    /// Settings of stores, in the place of the defaults.
    pub fn with_settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// The surroundings, in the place of real time and real threads.
    pub fn with_env(self, env: Env) -> Self {
        Self { env: Some(env), ..self }
    }

    /// Has `backend` serve `url`, which is its root, and all that is below it: no store is opened there.
    pub fn with_store(mut self, url: impl Into<String>, backend: Arc<dyn Backend>) -> Self {
        self.stores.push((url.into(), backend));
        self
    }

    /// The cache of all that is opened through the session. It may be that of other sessions, too.
    pub fn with_cache(self, cache: Cache) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// The session's spill store. Its figures are in the session's metrics, whichever session it was made with.
    pub fn with_spill_store(self, spill: SpillStore) -> Self {
        Self { spill: Some(spill), ..self }
    }

    /// The limit on the session's memory, in bytes.
    pub fn with_memory_limit(self, bytes: u64) -> Self {
        Self { memory_limit: Some(bytes), ..self }
    }

    /// Collects what is opened through the session in `registry`, whose sources then all are in the session's metrics: those of other
    /// sessions that have it, and of the program's own. The requests, cache and memory of each session are in its own metrics only.
    pub fn with_metrics(self, registry: Arc<Registry>) -> Self {
        Self { registry, ..self }
    }

    /// The session. Makes no request.
    ///
    /// # Errors
    /// `InvalidArgument`, `Unsupported`: a URL that cannot be; `Forked`.
    pub fn build(self) -> Result<Arc<Session>> {
        runtime::check_fork()?;
        let env = self.env.unwrap_or_else(runtime::env);
        let mut stores = Stores::new(self.settings, env.clone());
        for (url, backend) in self.stores {
            stores.give(&url, backend)?;
        }
        let memory = MemoryBudget::new(Arc::clone(&env.clock));
        memory.set_limit(self.memory_limit);
        let cache = OnceLock::new();
        if let Some(given) = self.cache {
            memory.set_cache(&given);
            cache.get_or_init(|| Shared { cache: given, chosen: true });
        }
        if let Some(spill) = &self.spill {
            self.registry.register(Arc::downgrade(&spill.source()));
        }
        Ok(Arc::new(Session { stores, env, spill: Mutex::new(self.spill), cache, memory, sources: self.registry }))
    }
}

impl Session {
    /// What a session is to be made of, to be said.
    pub fn builder() -> SessionBuilder {
        SessionBuilder::default()
    }

    /// A session with real time and real threads.
    ///
    /// # Errors
    /// `Forked`.
    pub fn new(settings: Settings) -> Result<Arc<Self>> {
        Self::builder().with_settings(settings).build()
    }

    /// The surroundings.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The store at `root_url`: one and the same for all that is opened at that place through this session, so that they wake each other
    /// up. All places in one bucket share its client, and so its connections. Local writes are made durable if `fsync` says so and the
    /// settings do not forbid it.
    pub fn store(&self, root_url: &str, fsync: bool) -> Result<Store> {
        let store = self.stores.open(root_url, fsync)?;
        if !store.is_blocking() {
            // Its requests need the runtime's context from their first poll.
            runtime::handle()?;
        }
        Ok(store)
    }

    /// The spill store of all that is opened through this session: the one it was given, or a local one with the defaults.
    pub fn spill_store(self: &Arc<Self>) -> Result<SpillStore> {
        let mut spill = self.spill.lock();
        match &*spill {
            Some(store) => Ok(store.clone()),
            None => Ok(spill.insert(SpillStore::new(self, &SpillConfig::default())?).clone()),
        }
    }

    /// The cache of all that is opened through this session: the one that it was given, or a built-in one, made when it is first asked
    /// for.
    #[must_use]
    pub fn cache(&self) -> Cache {
        let made = || {
            let cache = Cache::builtin(cache::DEFAULT_CAPACITY, Arc::clone(&self.env.clock));
            self.memory.set_cache(&cache);
            Shared { cache, chosen: false }
        };
        self.cache.get_or_init(made).cache.clone()
    }

    /// The cache for the entries of `store`. Those of a local one are in the system's page cache, and reading them again is cheap:
    /// they are cached in a cache that somebody chose, and not in the one that is there by default.
    #[must_use]
    pub fn entry_cache(&self, store: &Store) -> Option<Cache> {
        if store.is_blocking() {
            return self.cache.get().filter(|shared| shared.chosen).map(|shared| shared.cache.clone());
        }
        Some(self.cache())
    }

    /// To be told of a claim of `shard` under `epoch`: the first claim there is makes the shard, so what is cached of it was of one that
    /// was deleted.
    pub async fn opened(&self, store: &Store, shard: &ShardPath, epoch: u64) {
        if epoch == 1
            && let Some(shared) = self.cache.get()
            && let Err(error) = wal::forget(&shared.cache, store, shard).await
        {
            tracing::warn!(%error, shard = %shard.id(), "what is cached of a shard that was made anew may be served for a minute");
        }
    }

    /// The memory of all that is opened through this session, and its limit.
    #[must_use]
    pub fn memory(&self) -> &Arc<MemoryBudget> {
        &self.memory
    }

    /// Has `source` collected for [`Session::metrics`], for as long as it lives.
    pub fn register(&self, source: Weak<dyn MetricSource>) {
        self.sources.register(source);
    }

    /// Collects `source` for the last time and keeps what its counters reached.
    pub fn retire(&self, source: &Arc<dyn MetricSource>) {
        self.sources.retire(source);
    }

    /// The figures of all that was opened through this session.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::default();
        for counts in self.stores.requests() {
            requests(&mut metrics, counts);
        }
        if let Some(shared) = self.cache.get() {
            cached(&mut metrics, &shared.cache);
        }
        memory(&mut metrics, &self.memory.usage());
        self.sources.collect(&mut metrics);
        metrics
    }
}

fn requests(metrics: &mut Metrics, counts: RequestCounts) {
    let RequestCounts { create, put, get, head, list, delete } = counts;
    for (kind, count) in [("create", create), ("put", put), ("get", get), ("head", head), ("list", list), ("delete", delete)] {
        metrics.counter("weir_store_requests_total", "Requests made to object stores.", &[("kind", kind)], count);
    }
}

fn memory(metrics: &mut Metrics, usage: &MemoryUsage) {
    let uses = [("queues", usage.queues), ("tables", usage.tables), ("read_ahead", usage.read_ahead)];
    // What is not known is left out: 0 would say something else.
    for (what, bytes) in uses.into_iter().chain(usage.cache.map(|bytes| ("cache", bytes))) {
        metrics.gauge("weir_memory_bytes", "Memory of the session, by its use.", &[("use", what)], bytes);
    }
    if let Some(limit) = usage.limit {
        metrics.gauge("weir_memory_limit_bytes", "The limit on the session's memory.", &[], limit);
    }
    metrics.gauge("weir_memory_waiting", "Writers that wait for room below the session's limit.", &[], usage.waiting);
    metrics.counter("weir_memory_waits_total", "Waits for room below the session's limit.", &[], usage.waits);
    metrics.seconds("weir_memory_waited_seconds_total", "Time in such waits that are over.", &[], usage.waited);
}

fn cached(metrics: &mut Metrics, cache: &Cache) {
    let stats = cache.stats();
    for (result, count) in [("hit", stats.hits), ("miss", stats.misses)] {
        metrics.counter("weir_cache_requests_total", "Lookups in the cache, by what they found.", &[("result", result)], count);
    }
    for (outcome, count) in [("ok", stats.loads - stats.load_errors), ("error", stats.load_errors)] {
        metrics.counter("weir_cache_loads_total", "Loaders that were run, by their outcome.", &[("outcome", outcome)], count);
    }
    metrics.counter("weir_cache_joined_total", "Lookups that were served by another one's loader.", &[], stats.joined);
    metrics.counter("weir_cache_load_nanoseconds_total", "Time that loaders took.", &[], stats.load_time.as_nanos() as u64);
    metrics.counter("weir_cache_inserts_total", "Values given to the cache.", &[], stats.inserts);
    metrics.counter("weir_cache_evictions_total", "Entries removed from the cache to make room.", &[], stats.evictions);
    metrics.counter("weir_cache_refused_total", "Values larger than the whole cache.", &[], stats.refused);
    metrics.counter("weir_cache_stale_total", "Loaded values that were overtaken and not kept.", &[], stats.stale);
    metrics.counter(
        "weir_cache_backend_errors_total",
        "Calls of the cache's backend that failed or took too long.",
        &[],
        stats.backend_errors,
    );
    metrics.counter("weir_cache_unusable_total", "Cached values of another type, or that could not be decoded.", &[], stats.unusable);
    // What is not known is left out: 0 would say something else.
    if let Some(entries) = stats.entries {
        metrics.gauge("weir_cache_entries", "Entries in the cache.", &[], entries);
    }
    if let Some(bytes) = stats.bytes {
        metrics.gauge("weir_cache_bytes", "Bytes that the cache holds.", &[], bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn session() -> Arc<Session> {
        Session::new(Settings::default()).unwrap()
    }

    #[test]
    fn one_store_per_place() {
        let session = session();
        let name = uuid::Uuid::new_v4().simple().to_string();
        let one = session.store(&format!("memory://{name}/a"), true).unwrap();
        runtime::block_on(one.put("x", bytes::Bytes::from_static(b"1")), -1).unwrap();
        for fsync in [true, false] {
            let same = session.store(&format!("memory://{name}/a/"), fsync).unwrap();
            assert_eq!(same.requests().put, 1, "the counters are shared");
        }
        assert!(session.metrics().prometheus().contains("weir_store_requests_total{kind=\"put\"} 1\n"));
    }

    #[test]
    fn local_stores_differ_by_fsync() {
        let dir = tempfile::tempdir().unwrap();
        let (path, session) = (dir.path().to_str().unwrap(), session());
        let put = |fsync| {
            let store = session.store(path, fsync).unwrap();
            runtime::block_on(store.put("x", bytes::Bytes::new()), -1).unwrap();
            store.requests().put
        };
        assert_eq!([put(true), put(false), put(true)], [1, 1, 2]);
    }

    #[test]
    fn a_bad_root_is_an_error_of_the_call() {
        assert_eq!(session().store("nowhere://x", true).unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn one_spill_store_which_may_be_given() {
        let one = session();
        let store = one.spill_store().unwrap();
        let mut writer = one.spill_store().unwrap().begin(Default::default()).unwrap();
        assert_eq!(store.stats().open_writers, 1, "it is the same store");
        let two = Session::builder().with_spill_store(store).build().unwrap();
        assert_eq!(two.spill_store().unwrap().stats().open_writers, 1);
        assert!(writer.buffer(b"").unwrap());
        for session in [&one, &two] {
            assert!(session.metrics().prometheus().contains("weir_spill_open"), "{}", session.metrics());
        }
        // It outlives the session that it was made with, and is still shown.
        drop(one);
        assert!(two.metrics().prometheus().contains("weir_spill_open"), "{}", two.metrics());
    }

    #[test]
    fn figures_are_summed_over_living_sources() {
        struct Source(u64);
        impl MetricSource for Source {
            fn collect(&self, metrics: &mut Metrics) {
                metrics.counter("weir_puts_total", "Puts.", &[], self.0);
                metrics.gauge("weir_pending", "Pending.", &[("shard", "a\"b\\")], self.0);
            }
        }
        let session = session();
        let sources: Vec<Arc<dyn MetricSource>> = vec![Arc::new(Source(1)), Arc::new(Source(2))];
        for source in &sources {
            session.register(Arc::downgrade(source));
        }
        let expected = "# HELP weir_puts_total Puts.\n# TYPE weir_puts_total counter\nweir_puts_total 3\n\
            # HELP weir_pending Pending.\n# TYPE weir_pending gauge\nweir_pending{shard=\"a\\\"b\\\\\"} 3\n";
        // After what the session has by itself.
        assert!(session.metrics().prometheus().ends_with(expected));
        session.retire(&sources[0]);
        session.retire(&sources[0]);
        drop(sources);
        let text = session.metrics().prometheus();
        assert!(text.contains("# TYPE weir_puts_total counter\nweir_puts_total 1\n") && !text.contains("weir_pending"));
    }
}
