//! What handles share that are opened together: the settings of stores, the stores, the cache, the memory budget, the surroundings and
//! the metrics.

mod spill;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};

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
use crate::store::{self, RequestCounts, Settings, Store};
use crate::wal;

/// One place, opened with or without fsync.
type Key = (String, bool);

/// See the module's documentation. Shared as an `Arc` by all that is opened through it.
pub struct Session {
    settings: Settings,
    env: Env,
    stores: Mutex<HashMap<Key, Store>>,
    sources: Arc<Registry>,
    /// Made when it is first asked for, unless one was given.
    spill: Mutex<Option<SpillStore>>,
    cache: Mutex<Option<Shared>>,
    memory: Arc<MemoryBudget>,
}

/// The cache, and whether somebody chose it.
#[derive(Clone)]
struct Shared {
    cache: Cache,
    chosen: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Session {
    /// A session with real time and real threads.
    pub fn new(settings: Settings) -> Result<Arc<Self>> {
        Self::with_env(settings, runtime::env())
    }

    /// A session in the surroundings `env`.
    pub fn with_env(settings: Settings, env: Env) -> Result<Arc<Self>> {
        runtime::check_fork()?;
        let memory = MemoryBudget::new(Arc::clone(&env.clock));
        let (stores, sources, spill, cache) = (Mutex::default(), Arc::default(), Mutex::default(), Mutex::default());
        Ok(Arc::new(Self { settings, env, stores, sources, spill, cache, memory }))
    }

    /// The surroundings.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The store at `root_url`: one and the same for all that is opened at that place through this session, so that they share
    /// its connections and wake each other up. Local writes are made durable if `fsync` says so and the settings do not forbid
    /// it.
    pub fn store(&self, root_url: &str, fsync: bool) -> Result<Store> {
        let mut settings = self.settings.clone();
        settings.fsync = Some(fsync && settings.fsync.unwrap_or(true));
        // Opening makes no request, and only an open store knows where it really is.
        let store = store::open(root_url, &settings, &self.env)?;
        if !store.is_blocking() {
            // Its requests need the runtime's context from their first poll.
            runtime::handle()?;
        }
        Ok(self.stores.lock().entry((store.identity(), fsync)).or_insert(store).clone())
    }

    /// The spill store of all that is opened through this session: the one it was given, or a local one with the defaults.
    pub fn spill_store(self: &Arc<Self>) -> Result<SpillStore> {
        let mut spill = self.spill.lock();
        match &*spill {
            Some(store) => Ok(store.clone()),
            None => Ok(spill.insert(SpillStore::new(self, &SpillConfig::default())?).clone()),
        }
    }

    /// Has [`Session::spill_store`] give `store` from now on.
    pub fn set_spill_store(&self, store: SpillStore) {
        *self.spill.lock() = Some(store);
    }

    /// Has all that is opened from now on use `cache`.
    pub fn set_cache(&self, cache: Cache) {
        self.memory.set_cache(&cache);
        *self.cache.lock() = Some(Shared { cache, chosen: true });
    }

    /// The cache of all that is opened through this session: the one that it was given, or a built-in one, made when it is first asked
    /// for.
    #[must_use]
    pub fn cache(&self) -> Cache {
        self.shared().cache
    }

    fn shared(&self) -> Shared {
        let mut cache = self.cache.lock();
        let made = || {
            let made = Cache::builtin(cache::DEFAULT_CAPACITY, Arc::clone(&self.env.clock));
            self.memory.set_cache(&made);
            Shared { cache: made, chosen: false }
        };
        cache.get_or_insert_with(made).clone()
    }

    /// The cache for the entries of `store`. Those of a local one are in the system's page cache, and reading them again is cheap:
    /// they are cached in a cache that somebody chose, and not in the one that is there by default.
    #[must_use]
    pub fn entry_cache(&self, store: &Store) -> Option<Cache> {
        if store.is_blocking() {
            return self.cache.lock().as_ref().filter(|shared| shared.chosen).map(|shared| shared.cache.clone());
        }
        Some(self.cache())
    }

    /// To be told of a claim of `shard` under `epoch`: the first claim there is makes the shard, so what is cached of it was of one that
    /// was deleted.
    pub async fn opened(&self, store: &Store, shard: &ShardPath, epoch: u64) {
        let cache = self.cache.lock().as_ref().map(|shared| shared.cache.clone());
        if epoch == 1
            && let Some(cache) = cache
            && let Err(error) = wal::forget(&cache, store, shard).await
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

    /// Collects `source` for the last time and keeps what its counters reached: one that goes down is taken for one that
    /// began anew, and its value for what came since.
    pub fn retire(&self, source: &Arc<dyn MetricSource>) {
        self.sources.retire(source);
    }

    /// The figures of all that was opened through this session.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::default();
        let stores: Vec<_> = self.stores.lock().values().cloned().collect();
        for store in &stores {
            requests(&mut metrics, store.requests());
        }
        let cache = self.cache.lock().as_ref().map(|shared| shared.cache.clone());
        if let Some(cache) = &cache {
            cached(&mut metrics, cache);
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
    for (what, bytes) in [("queues", usage.queues), ("read_ahead", usage.read_ahead), ("cache", usage.cache)] {
        metrics.gauge("weir_memory_bytes", "Memory of the session, by its use.", &[("use", what)], bytes);
    }
    if let Some(limit) = usage.limit {
        metrics.gauge("weir_memory_limit_bytes", "The limit on the session's memory.", &[], limit);
    }
    metrics.gauge("weir_memory_waiting", "Writers that wait for room below the session's limit.", &[], usage.waiting);
    metrics.counter("weir_memory_waits_total", "Waits for room below the session's limit.", &[], usage.waits);
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
    fn one_store_per_place_and_fsync() {
        let session = session();
        let name = uuid::Uuid::new_v4().simple().to_string();
        let one = session.store(&format!("memory://{name}/a"), true).unwrap();
        let two = session.store(&format!("memory://{name}/a/"), true).unwrap();
        runtime::block_on(one.put("x", bytes::Bytes::from_static(b"1")), -1).unwrap();
        assert_eq!(two.requests().put, 1, "the counters are shared");
        let other = session.store(&format!("memory://{name}/a"), false).unwrap();
        assert_eq!(other.requests().put, 0);
        assert!(session.metrics().prometheus().contains("weir_store_requests_total{kind=\"put\"} 1\n"));
    }

    #[test]
    fn a_bad_root_is_an_error_of_the_call() {
        assert_eq!(session().store("nowhere://x", true).unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn one_spill_store_which_may_be_given() {
        let (one, two) = (session(), session());
        let store = one.spill_store().unwrap();
        let mut writer = one.spill_store().unwrap().begin(Default::default()).unwrap();
        assert_eq!(store.stats().open_writers, 1, "it is the same store");
        two.set_spill_store(store);
        assert_eq!(two.spill_store().unwrap().stats().open_writers, 1);
        assert!(writer.buffer(b"").unwrap());
        assert!(one.metrics().prometheus().contains("weir_spill_open"), "{}", one.metrics());
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
