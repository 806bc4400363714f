//! What a cache must do underneath: hold values by key.

use super::key::Key;
use super::value::Value;
use crate::env::BoxFuture;
use crate::error::Result;

/// Holds values by key. [`super::Cache`] adds to it what a backend need not get right itself: loading each value once, values of
/// loaders that an invalidation overtook, deadlines, errors, statistics, types.
///
/// Rules, which [`super::conformance::check`] checks:
///
/// 1. A key that was never inserted is a miss.
/// 2. What was inserted comes back whole and of its kind, or not at all. Bytes may come back for an object that has a codec. A small
///    value comes back right after its insertion.
/// 3. Keys are equal if prefix, key and type name are, byte by byte; any of them may be empty or hold any bytes.
/// 4. An insertion replaces what was there.
/// 5. `invalidate_prefix` removes the entries whose prefix begins with the bytes given, and no others; no bytes: all. They are gone
///    when it is done.
/// 6. `clear` removes all entries. They are gone when it is done.
///    Both also concern insertions whose future was dropped before: these must not take effect afterwards.
/// 7. Counts are right or unknown (`None`), which 0 does not say.
/// 8. A value that was handed out stays whole after its entry is replaced or removed.
/// 9. All functions may be called from any thread at once; a `get` sees one insertion whole or another.
///
/// Functions that take long return a future that waits; none may block the polling thread for long.
pub trait CacheBackend: Send + Sync + 'static {
    /// The value under `key`; `None` if there is none.
    fn get<'a>(&'a self, key: Key<'a>) -> BoxFuture<'a, Result<Option<Value>>>;

    /// Whether [`Self::get_now`] answers, and the other functions are done when their futures are first polled, without blocking.
    fn is_immediate(&self) -> bool {
        false
    }

    /// Whether its functions may block the thread that polls their futures, because others wrote them.
    fn may_block(&self) -> bool {
        false
    }

    /// [`Self::get`] without a future; `None` if the backend is not immediate.
    fn get_now(&self, key: Key<'_>) -> Option<Option<Value>> {
        let _ = key;
        None
    }

    /// Puts `value`, which holds `size` bytes of memory, under `key`. The backend may refuse it silently.
    fn insert<'a>(&'a self, key: Key<'a>, value: Value, size: u64) -> BoxFuture<'a, Result<()>>;

    /// Removes all entries whose prefix begins with `prefix`.
    fn invalidate_prefix<'a>(&'a self, prefix: &'a [u8]) -> BoxFuture<'a, Result<()>>;

    /// Removes all entries.
    fn clear(&self) -> BoxFuture<'_, Result<()>>;

    /// How many entries there are; `None` if it cannot tell.
    fn num_entries(&self) -> BoxFuture<'_, Result<Option<u64>>>;

    /// How many bytes they take; `None` if it cannot tell.
    fn size_bytes(&self) -> BoxFuture<'_, Result<Option<u64>>>;

    /// About how many entries there are, where that is known at once.
    fn approx_num_entries(&self) -> Option<u64> {
        None
    }

    /// About how many bytes they take, where that is known at once.
    fn approx_size_bytes(&self) -> Option<u64> {
        None
    }

    /// How many entries were removed to make room, and how many were refused as too large, so far; `None` if that is not counted.
    fn pressure(&self) -> Option<Pressure> {
        None
    }

    /// Limits the bytes that it holds from now on, where they are of this process's memory; without effect elsewhere.
    fn set_capacity(&self, bytes: u64) {
        let _ = bytes;
    }
}

/// What a backend did for want of room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Entries removed to make room.
    pub evictions: u64,
    /// Values not taken, because they are larger than the whole cache.
    pub refused: u64,
}
