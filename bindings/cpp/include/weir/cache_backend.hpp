/// @file
/// What a program brings to a cache: loaders, and backends of its own. Their exceptions never cross into the library.
#ifndef WEIR_CACHE_BACKEND_HPP
#define WEIR_CACHE_BACKEND_HPP

#include <weir.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "c_data.hpp"
#include "handle.hpp"

namespace weir {

/// A key: any bytes but for the type, borrowed from the caller. Two keys are equal if all three parts are.
struct CacheKey {
  std::string_view prefix = {};  ///< What Cache::invalidate_prefix() goes by, such as a table's name.
  std::string_view key = {};     ///< The key within the prefix.
  /// The name of the value's type, NUL-terminated: a value that is asked for under another one is not found. Names that begin with `weir.`
  /// are weir's own.
  const char *type = "";

  /// Whether prefix, key and type are equal.
  [[nodiscard]] friend bool operator==(const CacheKey &a, const CacheKey &b) noexcept {
    return a.prefix == b.prefix && a.key == b.key && a.type_name() == b.type_name();
  }
  /// Whether prefix, key or type differ.
  [[nodiscard]] friend bool operator!=(const CacheKey &a, const CacheKey &b) noexcept { return !(a == b); }

  /// The type's name; empty if `type` is NULL.
  [[nodiscard]] std::string_view type_name() const noexcept { return type != nullptr ? std::string_view(type) : std::string_view(); }

  /// As C has it, borrowing the same.
  [[nodiscard]] WeirCacheKey c() const noexcept {
    const ByteView a(prefix), b(key);
    return {a.data(), a.size(), b.data(), b.size(), type};
  }
  /// From C's, borrowing the same.
  [[nodiscard]] static CacheKey from(const WeirCacheKey &raw) noexcept {
    return {ByteView(raw.prefix, raw.prefix_len).text(), ByteView(raw.key, raw.key_len).text(), raw.type_name};
  }
};

/// What a cached value is.
enum class CacheKind : std::int32_t {
  none = WEIR_CACHE_KIND_NONE,     ///< Nothing: the handle is empty.
  bytes = WEIR_CACHE_KIND_BYTES,   ///< Opaque bytes.
  batch = WEIR_CACHE_KIND_BATCH,   ///< An Arrow batch.
  object = WEIR_CACHE_KIND_OBJECT  ///< An object of weir's own. A backend keeps it as it is, or its bytes if it has some.
};

/// A batch and its schema.
struct CachedBatch {
  Array array;    ///< The batch, a struct array.
  Schema schema;  ///< Its schema.
};

/// A lease on a cached value: what it holds stays valid and as it is until the lease is destroyed, also after the entry is evicted,
/// replaced or invalidated. Immutable.
class CacheValue : public Handle<CacheValue, WeirCacheValue, weir_cache_value_free> {
 public:
  static constexpr WeirResult result_kind = WEIR_RESULT_CACHE_VALUE;  ///< How events tell it.

  /// What it is.
  [[nodiscard]] CacheKind kind() const noexcept { return static_cast<CacheKind>(weir_cache_value_kind(get())); }
  /// The bytes that were inserted, or those that an object encodes to; empty for a batch. They live as long as the lease.
  [[nodiscard]] ByteView bytes() const noexcept { return {weir_cache_value_data(get()), weir_cache_value_len(get())}; }
  /// The batch, without copying. Stays valid after the lease is gone. Status::invalid_argument if it is none.
  [[nodiscard]] Result<CachedBatch> batch() const {
    CachedBatch batch;
    auto done = detail::run(
        [&](WeirError **error) { return weir_cache_value_batch(get(), batch.array.out(), batch.schema.out(), error); });
    if (!done) return done.error();
    return batch;
  }
};

/// What a loader brings: bytes, a batch, or a value of another cache's.
using CacheContent = std::variant<std::string, std::vector<std::uint8_t>, CachedBatch, CacheValue>;

namespace detail {
/// Answers for whom does not.
inline void drop_reply(WeirCacheReply *reply) noexcept { weir_cache_reply_error(reply, "a cache backend or loader dropped its reply"); }
}  // namespace detail

/// The way in which a backend or a loader answers, once, now or later and from any thread: each answer uses it up and leaves it
/// empty. One that is destroyed without an answer answers that it failed. An answer that comes too late changes nothing.
class CacheReply : public Handle<CacheReply, WeirCacheReply, detail::drop_reply> {
 public:
  /// Answers with bytes, which are copied.
  Result<void> bytes(ByteView bytes) {
    return detail::run([&](WeirError **error) { return weir_cache_reply_bytes(release(), bytes.data(), bytes.size(), error); });
  }
  /// Answers with a batch; consumes it, whatever it returns.
  Result<void> batch(Array &&batch, const Schema &schema) {
    Array own = std::move(batch);
    return detail::run([&](WeirError **error) { return weir_cache_reply_batch(release(), own.get(), schema.get(), error); });
  }
  /// Answers with a value that was handed to `insert`, or that was got from any cache. It stays the caller's.
  Result<void> value(const CacheValue &value) {
    return detail::run([&](WeirError **error) { return weir_cache_reply_value(release(), value.get(), error); });
  }
  /// Answers that there is no value.
  void miss() noexcept { weir_cache_reply_miss(release()); }
  /// Answers that it is done, with the number that `num_entries` or `size_bytes` ask for.
  void done(std::uint64_t number = 0) noexcept { weir_cache_reply_done(release(), number); }
  /// Answers that it failed. A loader's message is what its caller gets, with Status::storage.
  void error(const char *message) noexcept { weir_cache_reply_error(release(), message); }
  /// Answers with what a loader brought.
  Result<void> content(CacheContent &&content) {
    if (auto *text = std::get_if<std::string>(&content)) return bytes(ByteView(std::string_view(*text)));
    if (auto *blob = std::get_if<std::vector<std::uint8_t>>(&content)) return bytes(*blob);
    if (auto *own = std::get_if<CachedBatch>(&content)) return batch(std::move(own->array), own->schema);
    if (auto *lease = std::get_if<CacheValue>(&content)) return value(*lease);
    error("the loader brought nothing");  // a variant that lost its value to an exception
    return {};
  }
};

/// A cache's backend in the program's own code. Its functions may be called from any thread at once, and each answers `reply` once,
/// before it returns or later: they take it with `std::move(reply)` then. They must not wait for long; with a deadline, one that does not
/// return in time is given up as one that does not answer. Keys and prefixes are borrowed for the call. What a function throws is an answer
/// that it failed, and so is a reply that it drops. Until an insertion is answered, nothing can be invalidated or cleared.
///
/// The rules that a backend keeps are those that check_cache_backend() checks. One that fails, answers too late or with garbage costs its
/// entries, and no read fails for it.
class CacheBackend {
 public:
  virtual ~CacheBackend() = default;

  /// Looks for the value under a key: CacheReply::bytes(), batch(), value(), miss() or error().
  virtual void get(const CacheKey &key, CacheReply &&reply) = 0;
  /// Puts a value under a key, in the place of what is there: CacheReply::done() or error(). It may be kept as it is, and be the answer
  /// later. `size_bytes` is the memory that it holds.
  virtual void insert(const CacheKey &key, CacheValue &&value, std::uint64_t size_bytes, CacheReply &&reply) = 0;
  /// Removes all entries whose prefix begins with these bytes: CacheReply::done() or error().
  virtual void invalidate_prefix(std::string_view prefix, CacheReply &&reply) = 0;
  /// Removes all entries: CacheReply::done() or error().
  virtual void clear(CacheReply &&reply) = 0;
  /// Whether num_entries() and size_bytes() can tell. Asked once.
  [[nodiscard]] virtual bool counts() const noexcept { return false; }
  /// Counts the entries: CacheReply::done() or error(). Called only if counts().
  virtual void num_entries(CacheReply &&reply) { reply.error("the backend does not count"); }
  /// Counts the bytes that they take: CacheReply::done() or error(). Called only if counts().
  virtual void size_bytes(CacheReply &&reply) { reply.error("the backend does not count"); }

 protected:
  CacheBackend() = default;
  CacheBackend(const CacheBackend &) = default;
  CacheBackend &operator=(const CacheBackend &) = default;
};

namespace detail {

/// Runs what the program wrote. What it throws becomes its answer, unless it has answered or taken the reply with it.
template <class F>
void answered(WeirCacheReply *raw, F &&body) noexcept {
  CacheReply reply = CacheReply::adopt(raw);
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
  try {
    std::forward<F>(body)(reply);
  } catch (const std::exception &thrown) {
    if (reply) reply.error(thrown.what());
  } catch (...) {
    if (reply) reply.error("it threw something that is no std::exception");
  }
#else
  std::forward<F>(body)(reply);
#endif
}

/// The backend that a context of C's points to, through a pointer that owns it or not.
template <class Context>
CacheBackend &backend_of(void *context) noexcept {
  return **static_cast<Context *>(context);
}

/// A backend as C has it; `context` is a pointer to it.
template <class Context>
WeirCacheBackend c_backend(Context *context) noexcept {
  WeirCacheBackend raw = WEIR_CACHE_BACKEND_INIT;
  raw.ctx = context;
  raw.get = [](void *own, const WeirCacheKey *key, WeirCacheReply *reply) noexcept {
    answered(reply, [&](CacheReply &to) { backend_of<Context>(own).get(CacheKey::from(*key), std::move(to)); });
  };
  raw.insert = [](void *own, const WeirCacheKey *key, WeirCacheValue *value, std::uint64_t size, WeirCacheReply *reply) noexcept {
    CacheValue lease = CacheValue::adopt(value);
    answered(reply, [&](CacheReply &to) { backend_of<Context>(own).insert(CacheKey::from(*key), std::move(lease), size, std::move(to)); });
  };
  raw.invalidate_prefix = [](void *own, const std::uint8_t *prefix, std::size_t size, WeirCacheReply *reply) noexcept {
    answered(reply, [&](CacheReply &to) { backend_of<Context>(own).invalidate_prefix(ByteView(prefix, size).text(), std::move(to)); });
  };
  raw.clear = [](void *own, WeirCacheReply *reply) noexcept {
    answered(reply, [&](CacheReply &to) { backend_of<Context>(own).clear(std::move(to)); });
  };
  if ((*context)->counts()) {
    raw.num_entries = [](void *own, WeirCacheReply *reply) noexcept {
      answered(reply, [&](CacheReply &to) { backend_of<Context>(own).num_entries(std::move(to)); });
    };
    raw.size_bytes = [](void *own, WeirCacheReply *reply) noexcept {
      answered(reply, [&](CacheReply &to) { backend_of<Context>(own).size_bytes(std::move(to)); });
    };
  }
  return raw;
}

/// Whether a loader answers through a reply; else it returns what it brings.
template <class F>
inline constexpr bool replies = std::is_invocable_v<F &, const CacheKey &, CacheReply &&>;

/// A loader as C has it. Its `release` deletes it.
template <class F>
WeirCacheLoader c_loader(std::unique_ptr<F> loader) noexcept {
  WeirCacheLoader raw{};
  raw.ctx = loader.release();
  raw.load = [](void *own, const WeirCacheKey *key, WeirCacheReply *reply) noexcept {
    F &load = *static_cast<F *>(own);
    answered(reply, [&](CacheReply &to) {
      if constexpr (replies<F>) {
        load(CacheKey::from(*key), std::move(to));
      } else {
        Result<CacheContent> brought = load(CacheKey::from(*key));
        if (!brought) return to.error(brought.error().message());
        static_cast<void>(to.content(std::move(*brought)));  // who waits gets its error, too
      }
    });
  };
  raw.release = [](void *own) noexcept { delete static_cast<F *>(own); };
  return raw;
}

}  // namespace detail

/// Checks an empty backend against the rules that a cache relies on, and leaves it empty: weir_cache_backend_check() lists them.
/// Status::invalid_data names the rule that does not hold, whose number is the detail `rule`. The backend needs room for 4 MiB, and
/// must answer each call within 10 seconds. Blocks the calling thread.
inline Result<void> check_cache_backend(CacheBackend &backend) {
  CacheBackend *context = &backend;
  const WeirCacheBackend raw = detail::c_backend(&context);
  return detail::run([&raw](WeirError **error) { return weir_cache_backend_check(&raw, error); });
}

}  // namespace weir

#endif
