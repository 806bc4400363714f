//! The cache that all handles of a session share, over a pluggable backend.
//!
//! [`Cache`] is what is used: by raw [`Key`] and [`Value`], or through a [`View`] by a [`CacheKey`] that knows the type of its value.
//! [`CacheBackend`] is what may be plugged in beneath; [`builtin`] is there by default, and its documentation says why it is what it
//! is. [`conformance`] tests any backend.
//!
//! Guarantees, whatever the backend does:
//!
//! * A key that many ask for at once is loaded once (PITFALLS K1). A loader that fails, panics or goes away lets the next one load.
//! * When an invalidation or clear has succeeded, nothing that was inserted or began to load before it is there (PITFALLS K3, K4).
//! * A value comes out as the type that it went in as (PITFALLS K2).
//! * A backend that fails, answers too late or gives garbage is a miss, which is counted and logged: never an error of a read.
//!   Invalidations are another matter: one that failed says so. So is what a program put there itself: a value of another type than
//!   a load wants is an error of that load, but for the loads of weir's own.
//! * A cache of capacity 0 is off: it holds nothing, and loaders run without regard to each other.

mod backend;
pub mod builtin;
pub mod conformance;
mod flight;
mod footprint;
mod key;
mod ledger;
mod stats;
mod value;
mod view;
mod weighed;

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use parking_lot::Mutex;

pub use backend::{CacheBackend, Pressure};
pub use builtin::Builtin;
pub use flight::Loading;
pub use footprint::Footprint;
pub use key::{Key, OwnedKey};
pub use stats::CacheStats;
pub use value::{Cached, Kind, Object, Value};
pub use view::{CacheKey, View};

use crate::env::Clock;
use crate::error::{Error, Result, bail, err};
use flight::{Flights, Joined, Lead};
use stats::{Recorder, count};

/// How long a backend may take by default.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// The capacity of a built-in cache that nobody chose, in bytes.
pub const DEFAULT_CAPACITY: u64 = 128 << 20;

/// A cache: see the module's documentation. Clones are handles on the same one.
#[derive(Clone)]
pub struct Cache(Arc<Inner>);

struct Inner {
    /// `None`: off.
    backend: Option<Arc<dyn CacheBackend>>,
    flights: Arc<Flights>,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    timeout: Option<Duration>,
    capacity: Mutex<Capacity>,
}

/// How many bytes it may hold: by its own measure, and for the sake of others, by their numbers.
struct Capacity {
    own: u64,
    limits: BTreeMap<u64, u64>,
    numbers: u64,
    /// How many calls are letting go of values, and will see to it that what counts in the end is what holds.
    lowering: u32,
}

impl Capacity {
    fn least(&self) -> u64 {
        self.limits.values().fold(self.own, |least, limit| least.min(*limit))
    }
}

/// A limit on what a cache holds for the sake of somebody, until it is dropped. Of several the least counts.
pub(crate) struct CapacityLimit {
    cache: WeakCache,
    number: u64,
}

impl CapacityLimit {
    /// The cache, if it is still there.
    pub(crate) fn cache(&self) -> Option<Cache> {
        self.cache.upgrade()
    }

    /// Lets the cache hold `bytes`, if it may not hold more already: lets go of nothing.
    pub(crate) fn raise(&self, bytes: u64) {
        if let Some(cache) = self.cache() {
            cache.resize(|capacity| {
                capacity.limits.entry(self.number).and_modify(|limit| *limit = bytes.max(*limit));
            });
        }
    }

    /// Has the cache hold `bytes` at most, or what else it may if that is less.
    pub(crate) fn set(&self, bytes: u64) {
        if let Some(cache) = self.cache() {
            cache.resize(|capacity| {
                capacity.limits.insert(self.number, bytes);
            });
        }
    }
}

impl Drop for CapacityLimit {
    fn drop(&mut self) {
        if let Some(cache) = self.cache() {
            cache.resize(|capacity| {
                capacity.limits.remove(&self.number);
            });
        }
    }
}

/// A handle that does not keep the cache: for what lives in it, or longer.
#[derive(Clone)]
pub struct WeakCache(Weak<Inner>);

impl WeakCache {
    /// The cache, if it is still there.
    #[must_use]
    pub fn upgrade(&self) -> Option<Cache> {
        self.0.upgrade().map(Cache)
    }
}

/// What is wanted of a value, and how it is made one.
pub(crate) trait Access {
    type Wanted;
    /// What the value is to the caller; `None` if it cannot be made that.
    fn open(&self, value: &Value) -> Result<Option<Self::Wanted>>;
    /// The value of what was loaded.
    fn wrap(&self, loaded: &Self::Wanted) -> Value;
}

pub(crate) struct Raw;

impl Access for Raw {
    type Wanted = Value;

    fn open(&self, value: &Value) -> Result<Option<Value>> {
        Ok(Some(value.clone()))
    }

    fn wrap(&self, loaded: &Value) -> Value {
        loaded.clone()
    }
}

impl Cache {
    /// The built-in cache, of `capacity` bytes; 0 = off.
    #[must_use]
    pub fn builtin(capacity: u64, clock: Arc<dyn Clock>) -> Self {
        let backend = (capacity > 0).then(|| Arc::new(Builtin::new(capacity)) as _);
        Self::of(backend, clock, None, capacity)
    }

    /// A cache over `backend`, which may take `timeout` for an answer; `None` = as long as it likes.
    pub fn new(backend: Arc<dyn CacheBackend>, clock: Arc<dyn Clock>, timeout: Option<Duration>) -> Self {
        Self::of(Some(backend), clock, timeout, u64::MAX)
    }

    fn of(backend: Option<Arc<dyn CacheBackend>>, clock: Arc<dyn Clock>, timeout: Option<Duration>, own: u64) -> Self {
        let capacity = Mutex::new(Capacity { own, limits: BTreeMap::new(), numbers: 0, lowering: 0 });
        Self(Arc::new(Inner { backend, flights: Arc::default(), recorder: Recorder::default(), clock, timeout, capacity }))
    }

    /// A handle that does not keep it.
    #[must_use]
    pub fn downgrade(&self) -> WeakCache {
        WeakCache(Arc::downgrade(&self.0))
    }

    /// Whether it holds nothing, ever.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.0.backend.is_none()
    }

    /// Whether both are handles on the same cache.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The value under `key`.
    pub async fn get(&self, key: Key<'_>) -> Option<Value> {
        self.get_as(key, &Raw).await
    }

    /// [`Self::get`] where the backend answers at once; `None` where it does not.
    #[must_use]
    pub fn get_now(&self, key: Key<'_>) -> Option<Option<Value>> {
        let found = match &self.0.backend {
            Some(backend) => backend.get_now(key)?,
            None => None,
        };
        self.count(found.is_some());
        Some(found)
    }

    /// The value under `key` if it can be had at once; else nothing is counted, as the caller will ask again.
    pub(crate) fn peek_now<A: Access>(&self, key: Key<'_>, access: &A) -> Option<A::Wanted> {
        let value = self.0.backend.as_ref()?.get_now(key).flatten()?;
        let found = access.open(&value).ok().flatten()?;
        self.count(true);
        Some(found)
    }

    /// [`Self::peek_now`] for any backend; what cannot be used is counted.
    pub(crate) async fn peek<A: Access>(&self, key: Key<'_>, access: &A) -> Option<A::Wanted> {
        let value = self.lookup(key).await?;
        let found = self.open(&value, access).ok().flatten()?;
        self.count(true);
        Some(found)
    }

    /// Whether calls of the backend may block the thread that polls them.
    pub(crate) fn may_block(&self) -> bool {
        self.0.backend.as_ref().is_some_and(|backend| backend.may_block())
    }

    pub(crate) async fn get_as<A: Access>(&self, key: Key<'_>, access: &A) -> Option<A::Wanted> {
        let found = self.lookup(key).await;
        // PITFALLS K2: another type is a miss.
        let found = found.and_then(|value| self.open(&value, access).unwrap_or(None));
        self.count(found.is_some());
        found
    }

    /// Puts `value` under `key`, in the place of what was there.
    ///
    /// # Errors
    /// `InvalidArgument` if the key is too long. That the backend does not take the value is no error.
    pub async fn insert(&self, key: Key<'_>, value: Value) -> Result<()> {
        key.check()?;
        self.store(key, value).await;
        Ok(())
    }

    /// The value under `key`; if there is none, the one that `loader` brings, which is kept. Also says whether it was there, or came
    /// from another call's loader. Of calls at the same time, one runs its loader.
    ///
    /// # Errors
    /// The loader's own; `InvalidArgument` if the key is too long; `WouldDeadlock` if the loader asks for the same key, or for one
    /// whose loader waits for this one.
    pub async fn get_or_insert(&self, key: Key<'_>, loader: impl Future<Output = Result<Value>>) -> Result<(Value, bool)> {
        self.get_or_load(key, &Raw, |_| loader).await
    }

    pub(crate) async fn get_or_load<A, L, F>(&self, key: Key<'_>, access: &A, loader: L) -> Result<(A::Wanted, bool)>
    where
        A: Access,
        L: FnOnce(Loading) -> F,
        F: Future<Output = Result<A::Wanted>>,
    {
        key.check()?;
        if let Some(found) = self.peek_now(key, access) {
            return Ok((found, true));
        }
        while !self.is_off() {
            let waiting = match self.0.flights.join(key)? {
                Joined::Lead(lead) => return self.load(key, access, loader, lead).await,
                Joined::Wait(waiting) => waiting,
            };
            let Some(value) = waiting.landing().await else { continue };
            let Some(found) = self.open(&value, access)? else { break };
            count(&self.0.recorder.joined);
            self.count(true);
            return Ok((found, true));
        }
        // There is no cache, or what another one loaded under the key is nothing that we can use.
        self.count(false);
        Ok((self.timed(loader(Loading::alone())).await?, false))
    }

    /// Leads the load of `key`.
    async fn load<A, L, F>(&self, key: Key<'_>, access: &A, loader: L, lead: Lead) -> Result<(A::Wanted, bool)>
    where
        A: Access,
        L: FnOnce(Loading) -> F,
        F: Future<Output = Result<A::Wanted>>,
    {
        // Another load may have ended between the look and the lead. Those who wait look for themselves: an invalidation may have been
        // done between our look and their coming.
        if let Some(value) = self.lookup(key).await
            && let Some(found) = self.open(&value, access)?
        {
            drop(lead);
            self.count(true);
            return Ok((found, true));
        }
        self.count(false);
        let loaded = lead.run(self.timed(loader(lead.loading()))).await?;
        let value = access.wrap(&loaded);
        if lead.may_store() {
            self.store(key, value.clone()).await;
        } else {
            count(&self.0.recorder.stale);
        }
        lead.land(value);
        Ok((loaded, false))
    }

    async fn timed<T>(&self, loader: impl Future<Output = Result<T>>) -> Result<T> {
        let began = self.0.clock.now();
        let loaded = loader.await;
        self.0.recorder.loaded(self.0.clock.now().saturating_sub(began), loaded.is_err());
        loaded
    }

    /// Removes all entries whose prefix begins with `prefix`. When it succeeds they are gone, and loaders that run put none back.
    ///
    /// # Errors
    /// The backend's: then entries may be left. `TimedOut`.
    pub async fn invalidate_prefix(&self, prefix: &[u8]) -> Result<()> {
        let Some(backend) = &self.0.backend else { return Ok(()) };
        self.0.flights.overtake(|key| key.is_under(prefix)).await;
        self.within("invalidate_prefix", || backend.invalidate_prefix(prefix)).await
    }

    /// [`Self::invalidate_prefix`] for the sake of a read, which does not fail if that does.
    pub(crate) async fn forget_prefix(&self, prefix: &[u8]) {
        if let Err(error) = self.invalidate_prefix(prefix).await {
            self.degrade(&error);
        }
    }

    /// Removes all entries. When it succeeds they are gone, and loaders that run put none back.
    ///
    /// # Errors
    /// As [`Self::invalidate_prefix`].
    pub async fn clear(&self) -> Result<()> {
        let Some(backend) = &self.0.backend else { return Ok(()) };
        self.0.flights.overtake(|_| true).await;
        self.within("clear", || backend.clear()).await
    }

    /// How many entries there are; `None` if the backend cannot tell.
    ///
    /// # Errors
    /// The backend's.
    pub async fn num_entries(&self) -> Result<Option<u64>> {
        let Some(backend) = &self.0.backend else { return Ok(Some(0)) };
        self.within("num_entries", || backend.num_entries()).await
    }

    /// How many bytes they take; `None` if the backend cannot tell.
    ///
    /// # Errors
    /// The backend's.
    pub async fn size_bytes(&self) -> Result<Option<u64>> {
        let Some(backend) = &self.0.backend else { return Ok(Some(0)) };
        self.within("size_bytes", || backend.size_bytes()).await
    }

    /// About how many bytes the entries take of this process's memory, as known at once; `None` if that is not known.
    #[must_use]
    pub fn approx_size_bytes(&self) -> Option<u64> {
        self.0.backend.as_ref().map_or(Some(0), |backend| backend.approx_size_bytes())
    }

    /// Has it hold `bytes` at most from now on, where the backend has such a limit.
    pub fn set_capacity(&self, bytes: u64) {
        self.resize(|capacity| capacity.own = bytes);
    }

    /// A limit for the sake of somebody, which does not limit it yet.
    pub(crate) fn limit(&self) -> CapacityLimit {
        let mut capacity = self.0.capacity.lock();
        capacity.numbers += 1;
        CapacityLimit { cache: self.downgrade(), number: capacity.numbers }
    }

    /// With less than before, lets go of values, whose owners may call us: without the lock, and again if others changed it meanwhile.
    /// With more, lets go of nothing.
    fn resize(&self, change: impl FnOnce(&mut Capacity)) {
        let Some(backend) = &self.0.backend else { return };
        let mut capacity = self.0.capacity.lock();
        let before = capacity.least();
        change(&mut capacity);
        let mut bytes = capacity.least();
        if bytes >= before {
            if capacity.lowering == 0 {
                backend.set_capacity(bytes);
            }
            return;
        }
        capacity.lowering += 1;
        loop {
            drop(capacity);
            backend.set_capacity(bytes);
            capacity = self.0.capacity.lock();
            if capacity.least() == bytes {
                break;
            }
            bytes = capacity.least();
        }
        capacity.lowering -= 1;
    }

    /// What it has done.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let mut stats = self.0.recorder.snapshot();
        match &self.0.backend {
            None => (stats.entries, stats.bytes) = (Some(0), Some(0)),
            Some(backend) => {
                let pressure = backend.pressure().unwrap_or_default();
                (stats.evictions, stats.refused) = (pressure.evictions, pressure.refused);
                (stats.entries, stats.bytes) = (backend.approx_num_entries(), backend.approx_size_bytes());
            }
        }
        stats
    }

    fn count(&self, hit: bool) {
        if hit { self.0.recorder.hit() } else { self.0.recorder.miss() }
    }

    /// What the value is to the caller; counted if it is nothing that the caller can use.
    fn open<A: Access>(&self, value: &Value, access: &A) -> Result<Option<A::Wanted>> {
        let opened = access.open(value);
        if !matches!(opened, Ok(Some(_))) && (count(&self.0.recorder.unusable) + 1).is_power_of_two() {
            let so_far = self.0.recorder.unusable.load(Ordering::Relaxed);
            tracing::warn!(so_far, "a cached value is of another type or key than was asked for, or damaged, and is not used");
        }
        opened
    }

    /// What the backend has; a failure is a miss.
    async fn lookup(&self, key: Key<'_>) -> Option<Value> {
        let backend = self.0.backend.as_ref()?;
        if let Some(found) = backend.get_now(key) {
            return found;
        }
        match self.within("get", || backend.get(key)).await {
            Ok(found) => found,
            Err(error) => {
                self.degrade(&error);
                None
            }
        }
    }

    async fn store(&self, key: Key<'_>, value: Value) {
        let Some(backend) = &self.0.backend else { return };
        count(&self.0.recorder.inserts);
        let size = value.size();
        if let Err(error) = self.within("insert", || backend.insert(key, value, size)).await {
            self.degrade(&error);
        }
    }

    fn degrade(&self, error: &Error) {
        // A broken backend fails every call: told now and then.
        if (count(&self.0.recorder.backend_errors) + 1).is_power_of_two() {
            let so_far = self.0.recorder.backend_errors.load(Ordering::Relaxed);
            tracing::warn!(%error, so_far, "the cache's backend failed; the read goes on without it");
        }
    }

    /// The backend's answer, if it comes in time.
    async fn within<'a, T, F>(&self, call: &str, ask: impl FnOnce() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>> + 'a,
    {
        let answer = AssertUnwindSafe(async { ask().await }).catch_unwind();
        let answer = async move { answer.await.unwrap_or_else(|_| Err(err!(Internal, "the cache's backend panicked in {call}"))) };
        let Some(timeout) = self.0.timeout else { return answer.await };
        let answer = std::pin::pin!(answer);
        match select(answer, self.0.clock.sleep(timeout)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => bail!(TimedOut, "the cache's backend did not answer {call} within {timeout:?}"),
        }
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
