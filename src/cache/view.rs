//! Type-safe access: a key that knows the type of its value.

use std::borrow::Cow;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use super::flight::Loading;
use super::key::Key;
use super::value::{Cached, Value};
use super::{Access, Cache};
use crate::error::Result;

/// A key and the type of the value under it.
pub trait CacheKey {
    /// The type of the value.
    type Value: Cached;

    /// The key within the view's prefix.
    fn key(&self) -> Cow<'_, [u8]>;

    /// Whether `value` is what was put under this key, where values can tell. One that is not is a miss: a backend may confuse them.
    fn accepts(&self, value: &Self::Value) -> bool {
        let _ = value;
        true
    }
}

/// The entries of a cache with one prefix and one type of keys.
pub struct View<K> {
    cache: Cache,
    prefix: Arc<[u8]>,
    /// A value of another type is a miss, also where one is loaded.
    lenient: bool,
    keys: PhantomData<fn(K)>,
}

impl<K> Clone for View<K> {
    fn clone(&self) -> Self {
        Self { cache: self.cache.clone(), prefix: Arc::clone(&self.prefix), lenient: self.lenient, keys: PhantomData }
    }
}

impl<K> std::fmt::Debug for View<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("prefix", &self.prefix.escape_ascii().to_string()).finish_non_exhaustive()
    }
}

/// The value of `key`, of its type.
struct Typed<'k, K> {
    key: &'k K,
    lenient: bool,
}

impl<K: CacheKey> Access for Typed<'_, K> {
    type Wanted = Arc<K::Value>;

    fn open(&self, value: &Value) -> Result<Option<Arc<K::Value>>> {
        match value.decode::<K::Value>() {
            Err(_) if self.lenient => Ok(None),
            opened => Ok(opened?.filter(|value| self.key.accepts(value))),
        }
    }

    fn wrap(&self, loaded: &Arc<K::Value>) -> Value {
        Value::object(Arc::clone(loaded))
    }
}

impl<K: CacheKey> View<K> {
    /// The entries of `cache` under `prefix`.
    pub fn new(cache: Cache, prefix: impl Into<Arc<[u8]>>) -> Self {
        Self { cache, prefix: prefix.into(), lenient: false, keys: PhantomData }
    }

    /// The same for weir's own values, which nobody else has any business with: one of another type is a fault of the backend's, and a
    /// miss for loads, too.
    pub(crate) fn lenient(cache: Cache, prefix: impl Into<Arc<[u8]>>) -> Self {
        Self { lenient: true, ..Self::new(cache, prefix) }
    }

    /// The cache.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The value under `key`.
    pub async fn get(&self, key: &K) -> Option<Arc<K::Value>> {
        self.cache.get_as(self.of(&key.key()), &self.typed(key)).await
    }

    /// The value under `key`; that there is none is not counted, as the caller will ask again.
    pub(crate) async fn peek(&self, key: &K) -> Option<Arc<K::Value>> {
        self.cache.peek(self.of(&key.key()), &self.typed(key)).await
    }

    /// [`Self::peek`] where the backend answers at once.
    pub(crate) fn peek_now(&self, key: &K) -> Option<Arc<K::Value>> {
        self.cache.peek_now(self.of(&key.key()), &self.typed(key))
    }

    /// Puts `value` under `key`.
    ///
    /// # Errors
    /// `InvalidArgument` if the key is too long.
    pub async fn insert(&self, key: &K, value: Arc<K::Value>) -> Result<()> {
        self.cache.insert(self.of(&key.key()), Value::object(value)).await
    }

    /// As [`Cache::get_or_insert`].
    ///
    /// # Errors
    /// As [`Cache::get_or_insert`]; `InvalidArgument` if a value of another type is under the key (PITFALLS K2).
    pub async fn get_or_insert(&self, key: &K, loader: impl Future<Output = Result<K::Value>>) -> Result<(Arc<K::Value>, bool)> {
        self.get_or_load(key, |_| async { loader.await.map(Arc::new) }).await
    }

    /// [`Self::get_or_insert`] with a loader that may let go of those who wait for it.
    ///
    /// # Errors
    /// As [`Self::get_or_insert`].
    pub async fn get_or_load<F>(&self, key: &K, loader: impl FnOnce(Loading) -> F) -> Result<(Arc<K::Value>, bool)>
    where
        F: Future<Output = Result<Arc<K::Value>>>,
    {
        self.cache.get_or_load(self.of(&key.key()), &self.typed(key), loader).await
    }

    /// Removes all entries whose prefix begins with the view's, of whatever type.
    ///
    /// # Errors
    /// As [`Cache::invalidate_prefix`].
    pub async fn invalidate(&self) -> Result<()> {
        self.cache.invalidate_prefix(&self.prefix).await
    }

    /// [`Self::invalidate`] for the sake of a read, which does not fail if that does.
    pub(crate) async fn forget(&self) {
        self.cache.forget_prefix(&self.prefix).await;
    }

    fn typed<'k>(&self, key: &'k K) -> Typed<'k, K> {
        Typed { key, lenient: self.lenient }
    }

    fn of<'a>(&'a self, key: &'a [u8]) -> Key<'a> {
        Key::new(&self.prefix, key, K::Value::TYPE_NAME)
    }
}
