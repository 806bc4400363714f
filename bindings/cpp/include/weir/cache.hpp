/// @file
/// The cache: values by key, in memory or in a backend of the program's.
#ifndef WEIR_CACHE_HPP
#define WEIR_CACHE_HPP

#include <weir.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "async.hpp"
#include "c_data.hpp"
#include "cache_backend.hpp"

namespace weir {

/// What a cache has done and what it holds: the fields of the C struct.
using CacheStats = ::WeirCacheStats;

namespace detail {
inline constexpr WeirCacheOptions cache_defaults = WEIR_CACHE_OPTIONS_INIT;

/// A number that a backend may not be able to tell.
inline std::optional<std::uint64_t> known(std::uint64_t number) noexcept {
  return number == WEIR_CACHE_UNKNOWN ? std::nullopt : std::optional(number);
}

/// A key with bytes of its own, for calls that start later.
class OwnedCacheKey {
 public:
  explicit OwnedCacheKey(const CacheKey &key) : prefix_(key.prefix), key_(key.key), type_(key.type_name()) {}
  [[nodiscard]] CacheKey view() const noexcept { return {prefix_, key_, type_.c_str()}; }

 private:
  std::string prefix_, key_, type_;
};

/// An Operation of T on a key, whose bytes it keeps until it is started.
template <class T, class Call>
auto on_key(const WeirCache *cache, const CacheKey &key, Call call) {
  return operation<T>([cache, own = OwnedCacheKey(key), call = std::move(call)](WeirCompletion completion, WeirError **error) mutable {
    const WeirCacheKey raw = own.view().c();
    return call(cache, &raw, completion, error);
  });
}
}  // namespace detail

/// Options of Cache::create(). Their defaults are the header's.
struct CacheOptions {
  /// The bytes that it may hold: keys, values and what it takes to hold them; memory that several values share counts once. 0 = the cache
  /// is off: it holds nothing, and every loader runs. Not for a backend.
  std::uint64_t capacity_bytes = detail::cache_defaults.capacity_bytes;
  std::shared_ptr<CacheBackend> backend = {};  ///< Instead of the built-in one. The cache keeps it for as long as it may be used.
  /// How long the backend may take for an answer; `forever` is allowed.
  Timeout backend_timeout = std::chrono::milliseconds(detail::cache_defaults.backend_timeout_ms);
};

/// What Cache::get_or_insert() came to.
struct Cached {
  CacheValue value;  ///< A lease on the value.
  bool was_cached;   ///< Whether it was there, or came from another call's loader.
};

namespace detail {
template <>
struct Decode<Cached> {
  static Result<Cached> from(WeirEvent &event) {
    const bool was_cached = event.value != 0;
    return Decode<CacheValue>::from(event).transform([was_cached](CacheValue value) { return Cached{std::move(value), was_cached}; });
  }
};

/// A count of entries or bytes.
template <>
struct Decode<std::optional<std::uint64_t>> {
  static Result<std::optional<std::uint64_t>> from(WeirEvent &event) { return known(event.value); }
};
}  // namespace detail

/// Values by key: bytes or batches, in memory or in a backend of the program's. With the built-in backend nothing ever waits but for
/// loaders. A timeout is how long to wait for a backend, beside its own deadline.
class Cache : public Handle<Cache, WeirCache, weir_cache_free> {
 public:
  /// Makes a cache, which belongs to no session until it is given to one: SessionOptions::cache.
  [[nodiscard]] static Result<Cache> create(const CacheOptions &options = {}) {
    if (auto good = check_abi(); !good) return good.error();
    WeirCacheOptions raw = detail::cache_defaults;
    raw.capacity_bytes = options.capacity_bytes;
    raw.backend_timeout_ms = options.backend_timeout.milliseconds();
    using Held = std::shared_ptr<CacheBackend>;
    std::unique_ptr<Held> held;
    WeirCacheBackend backend = WEIR_CACHE_BACKEND_INIT;
    if (options.backend) {
      held = std::make_unique<Held>(options.backend);
      backend = detail::c_backend(held.get());
      backend.release = [](void *context) noexcept { delete static_cast<Held *>(context); };
      raw.backend = &backend;
    }
    auto cache =
        detail::make<Cache, WeirCache>([&raw](WeirCache **out, WeirError **error) { return weir_cache_new(&raw, out, error); });
    if (cache) static_cast<void>(held.release());  // the library's, which calls `release`
    return cache;
  }

  /// Looks for the value under a key; nullopt if there is none, also if the backend failed.
  [[nodiscard]] Result<std::optional<CacheValue>> get(const CacheKey &key, Timeout timeout = forever) const {
    const WeirCacheKey raw = key.c();
    WeirCacheValue *value = nullptr;
    auto done = detail::run([&](WeirError **error) { return weir_cache_get(get(), &raw, timeout.milliseconds(), &value, error); });
    if (!done) return done.error();
    return value != nullptr ? std::optional(CacheValue::adopt(value)) : std::nullopt;
  }

  /// get() as an Operation.
  [[nodiscard]] auto get_async(const CacheKey &key) const {
    return detail::on_key<std::optional<CacheValue>>(get(), key, weir_cache_get_async);
  }

  /// Puts bytes, which are copied, under a key, in the place of what is there. The cache need not take them: a value larger than all of it
  /// is not kept, and neither is what it was to replace. A backend's failure is no error.
  Result<void> insert(const CacheKey &key, ByteView bytes, Timeout timeout = forever) {
    const WeirCacheKey raw = key.c();
    return detail::run([&](WeirError **error) {
      return weir_cache_insert(get(), &raw, bytes.data(), bytes.size(), timeout.milliseconds(), error);
    });
  }

  /// insert() as an Operation. The bytes must live until it is started, and are copied then.
  [[nodiscard]] auto insert_async(const CacheKey &key, ByteView bytes) {
    auto call = [bytes](const WeirCache *cache, const WeirCacheKey *raw, WeirCompletion completion, WeirError **error) {
      return weir_cache_insert_async(cache, raw, bytes.data(), bytes.size(), completion, error);
    };
    return detail::on_key<void>(get(), key, std::move(call));
  }

  /// Puts a batch, a struct array, under a key without copying it; consumes it, whatever it returns. Else as insert().
  Result<void> insert_batch(const CacheKey &key, Array &&batch, const Schema &schema, Timeout timeout = forever) {
    const WeirCacheKey raw = key.c();
    Array own = std::move(batch);
    return detail::run([&](WeirError **error) {
      return weir_cache_insert_batch(get(), &raw, own.get(), schema.get(), timeout.milliseconds(), error);
    });
  }

  /// insert_batch() as an Operation. The schema must live until it is started.
  [[nodiscard]] auto insert_batch_async(const CacheKey &key, Array &&batch, const Schema &schema) {
    auto call = [batch = std::move(batch), schema = schema.get()](const WeirCache *cache, const WeirCacheKey *raw,
                                                                  WeirCompletion completion, WeirError **error) mutable {
      return weir_cache_insert_batch_async(cache, raw, batch.get(), schema, completion, error);
    };
    return detail::on_key<void>(get(), key, std::move(call));
  }

  /// Looks for the value under a key; if there is none, has `loader` bring it, and keeps it. Of calls for one key at the same time, one
  /// runs its loader and the others wait for that; if it fails, or its caller gives up, the next one runs its own.
  ///
  /// A loader is called with the CacheKey and returns what it brings, or an Error:
  /// @code
  /// auto block = cache.get_or_insert({"table", "block 7"}, [&](const weir::CacheKey &) -> weir::Result<weir::CacheContent> {
  ///   return read_block(7);  // a std::string, a std::vector<std::uint8_t>, a CachedBatch, a CacheValue
  /// });
  /// @endcode
  /// or is called with the CacheKey and a `CacheReply &&`, answers through that, now or later, and returns nothing. It may use the
  /// cache, but for the key itself: Status::would_deadlock. If it fails or throws, its caller gets Status::storage with its
  /// message; Status::not_found if it answers CacheReply::miss(). It is moved away from here, and destroyed soon if not at once.
  template <class F>
  [[nodiscard]] Result<Cached> get_or_insert(const CacheKey &key, F &&loader, Timeout timeout = forever) {
    const WeirCacheKey raw = key.c();
    const WeirCacheLoader own = detail::c_loader(std::make_unique<std::decay_t<F>>(std::forward<F>(loader)));
    WeirCacheValue *value = nullptr;
    std::uint8_t was_cached = 0;
    auto done = detail::run([&](WeirError **error) {
      return weir_cache_get_or_insert(get(), &raw, own, timeout.milliseconds(), &value, &was_cached, error);
    });
    if (!done) return done.error();
    return Cached{CacheValue::adopt(value), was_cached != 0};
  }

  /// get_or_insert() as an Operation. The loader runs on a thread of weir's, and may block.
  template <class F>
  [[nodiscard]] auto get_or_insert_async(const CacheKey &key, F &&loader) {
    auto held = std::make_unique<std::decay_t<F>>(std::forward<F>(loader));
    auto call = [held = std::move(held)](const WeirCache *cache, const WeirCacheKey *raw, WeirCompletion completion,
                                         WeirError **error) mutable {
      return weir_cache_get_or_insert_async(cache, raw, detail::c_loader(std::move(held)), completion, error);
    };
    return detail::on_key<Cached>(get(), key, std::move(call));
  }

  /// Removes all entries whose prefix begins with these bytes. When it succeeds they are gone, and what loaders bring that began before is
  /// not kept. Status::storage if the backend failed, timed_out: then entries may be left.
  Result<void> invalidate_prefix(std::string_view prefix, Timeout timeout = forever) {
    const ByteView bytes(prefix);
    return detail::run([&](WeirError **error) {
      return weir_cache_invalidate_prefix(get(), bytes.data(), bytes.size(), timeout.milliseconds(), error);
    });
  }

  /// invalidate_prefix() as an Operation.
  [[nodiscard]] auto invalidate_prefix_async(std::string_view prefix) {
    return detail::operation<void>([cache = get(), own = std::string(prefix)](WeirCompletion completion, WeirError **error) {
      const ByteView bytes{std::string_view(own)};
      return weir_cache_invalidate_prefix_async(cache, bytes.data(), bytes.size(), completion, error);
    });
  }

  /// Removes all entries, as invalidate_prefix() with no bytes.
  Result<void> clear(Timeout timeout = forever) {
    return detail::run([&](WeirError **error) { return weir_cache_clear(get(), timeout.milliseconds(), error); });
  }

  /// clear() as an Operation.
  [[nodiscard]] auto clear_async() {
    return detail::operation<void>(
        [cache = get()](WeirCompletion completion, WeirError **error) { return weir_cache_clear_async(cache, completion, error); });
  }

  /// What the cache has done, and what it holds. Asks no backend.
  [[nodiscard]] Result<CacheStats> stats() const {
    return detail::fill<CacheStats>([&](CacheStats *stats, WeirError **error) { return weir_cache_stats(get(), stats, error); },
                                    WEIR_CACHE_STATS_INIT);
  }

  /// How many entries there are; nullopt if the backend cannot tell.
  [[nodiscard]] Result<std::optional<std::uint64_t>> num_entries(Timeout timeout = forever) const {
    return detail::fill<std::uint64_t>([&](std::uint64_t *number, WeirError **error) {
             return weir_cache_num_entries(get(), timeout.milliseconds(), number, error);
           })
        .transform(detail::known);
  }

  /// num_entries() as an Operation.
  [[nodiscard]] auto num_entries_async() const {
    return detail::operation<std::optional<std::uint64_t>>(
        [cache = get()](WeirCompletion completion, WeirError **error) { return weir_cache_num_entries_async(cache, completion, error); });
  }

  /// How many bytes the entries take; nullopt if the backend cannot tell.
  [[nodiscard]] Result<std::optional<std::uint64_t>> size_bytes(Timeout timeout = forever) const {
    return detail::fill<std::uint64_t>([&](std::uint64_t *number, WeirError **error) {
             return weir_cache_size_bytes(get(), timeout.milliseconds(), number, error);
           })
        .transform(detail::known);
  }

  /// size_bytes() as an Operation.
  [[nodiscard]] auto size_bytes_async() const {
    return detail::operation<std::optional<std::uint64_t>>(
        [cache = get()](WeirCompletion completion, WeirError **error) { return weir_cache_size_bytes_async(cache, completion, error); });
  }

  using Handle::get;  // the C handle, borrowed
};

}  // namespace weir

#endif
