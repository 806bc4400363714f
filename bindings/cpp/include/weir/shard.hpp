/// @file
/// Shards as a whole: listing, manifests, sealing, trimming; routing rows to shards.
#ifndef WEIR_SHARD_HPP
#define WEIR_SHARD_HPP

#include <weir.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "async.hpp"
#include "c_data.hpp"
#include "session.hpp"

namespace weir {

/// One version of a shard's manifest, as read. Immutable.
class Manifest : public Handle<Manifest, WeirManifest, weir_manifest_free> {
 public:
  static constexpr WeirResult result_kind = WEIR_RESULT_MANIFEST;  ///< How events tell it.

  /// A field of the shard spec and its value; both live as long as the manifest.
  struct Field {
    std::string_view id;  ///< The field.
    ByteView value;       ///< Its value.
  };

  /// The version, 1 or more.
  [[nodiscard]] std::uint64_t version() const noexcept { return weir_manifest_version(get()); }
  /// The epoch of the writer that owns the shard; 0 before the first claim.
  [[nodiscard]] std::uint64_t writer_epoch() const noexcept { return weir_manifest_writer_epoch(get()); }
  /// The position up to which generations cover the log; replay starts after it.
  [[nodiscard]] std::uint64_t replay_after() const noexcept { return weir_manifest_replay_after(get()); }
  /// A position that was in the log when the version was written: a hint.
  [[nodiscard]] std::uint64_t last_seen() const noexcept { return weir_manifest_last_seen(get()); }
  /// The generation that the owner fills.
  [[nodiscard]] std::uint64_t current_generation() const noexcept { return weir_manifest_current_generation(get()); }
  /// Whether the shard is sealed against writers.
  [[nodiscard]] bool is_sealed() const noexcept { return weir_manifest_is_sealed(get()); }
  /// The shard spec that the shard belongs to; 0 = none.
  [[nodiscard]] std::uint32_t shard_spec_id() const noexcept { return weir_manifest_shard_spec_id(get()); }
  /// The number of published generations.
  [[nodiscard]] std::size_t sstable_count() const noexcept { return weir_manifest_sstable_count(get()); }
  /// The number of the shard spec's fields.
  [[nodiscard]] std::size_t field_count() const noexcept { return weir_manifest_field_count(get()); }

  /// One of the shard spec's fields, from 0. Status::invalid_argument if there is no such field.
  [[nodiscard]] Result<Field> field(std::size_t index) const {
    const char *id = nullptr;
    const std::uint8_t *value = nullptr;
    std::size_t id_len = 0, value_len = 0;
    auto found = detail::run(
        [&](WeirError **error) { return weir_manifest_field(get(), index, &id, &id_len, &value, &value_len, error); });
    if (!found) return found.error();
    return Field{std::string_view(id, id_len), ByteView(value, value_len)};
  }
};

/// Functions of whole shards. A shard is named by the URL or path of its root and its id, a UUID, lower case, hyphenated. Each has a
/// form that waits and one that gives an Operation.
namespace shard {

namespace detail {
using weir::detail::operation;
using weir::detail::run;

/// A call that names a shard, as an Operation. `call` takes root, id, completion and error; it is not made if it is `refused`.
template <class T, class Call>
auto named(const std::string &root, const std::string &id, Call call, Error refused = {}) {
  auto start = [root, id, call = std::move(call), refused = std::move(refused)](WeirCompletion completion) mutable -> Result<void> {
    if (refused) return refused;
    if (auto good = weir::detail::check_texts({root, id}); !good) return good;
    return run([&](WeirError **error) { return call(root.c_str(), id.c_str(), completion, error); });
  };
  return Operation<T, decltype(start)>(std::move(start));
}
}  // namespace detail

/// The ids of the shards below a root, sorted; none if the root does not exist.
[[nodiscard]] inline Result<std::vector<std::string>> list(const Session &session, const std::string &root, Timeout timeout = forever) {
  if (auto good = weir::detail::check_texts({root}); !good) return good.error();
  return weir::detail::make<Buffer, WeirBuffer>([&](WeirBuffer **ids, WeirError **error) {
           return weir_shard_list(session.get(), root.c_str(), timeout.milliseconds(), ids, error);
         })
      .transform([](const Buffer &ids) { return weir::detail::lines(ids.text()); });
}

/// list() as an Operation.
[[nodiscard]] inline auto list_async(const Session &session, const std::string &root) {
  return detail::named<std::vector<std::string>>(
      root, "", [session = session.get()](const char *at, const char *, WeirCompletion completion, WeirError **error) {
        return weir_shard_list_async(session, at, completion, error);
      });
}

/// A shard's newest manifest.
[[nodiscard]] inline Result<Manifest> manifest(const Session &session, const std::string &root, const std::string &id,
                                               Timeout timeout = forever) {
  if (auto good = weir::detail::check_texts({root, id}); !good) return good.error();
  return weir::detail::make<Manifest, WeirManifest>([&](WeirManifest **manifest, WeirError **error) {
    return weir_shard_manifest(session.get(), root.c_str(), id.c_str(), timeout.milliseconds(), manifest, error);
  });
}

/// manifest() as an Operation.
[[nodiscard]] inline auto manifest_async(const Session &session, const std::string &root, const std::string &id) {
  return detail::named<Manifest>(root, id,
                                 [session = session.get()](const char *at, const char *shard, WeirCompletion completion, WeirError **error) {
                                   return weir_shard_manifest_async(session, at, shard, completion, error);
                                 });
}

/// What a shard is made with; see init().
struct Spec {
  std::uint32_t id = 0;                                      ///< The shard spec; 0 = none.
  std::vector<std::pair<std::string, std::string>> fields = {};  ///< The spec's fields and their values, bytes of any kind.
};

namespace detail {
/// The fields as C has them, borrowed from the spec.
inline Result<std::vector<WeirShardField>> fields_of(const Spec &spec) {
  std::vector<WeirShardField> fields;
  fields.reserve(spec.fields.size());
  for (const auto &[name, value] : spec.fields) {
    if (auto good = weir::detail::check_texts({name}); !good) return good.error();
    const ByteView bytes{std::string_view(value)};
    fields.push_back({name.c_str(), bytes.data(), bytes.size()});
  }
  return fields;
}
}  // namespace detail

/// Makes a shard that does not exist yet, unclaimed. Not needed for a shard without a spec: the first writer makes it.
inline Result<void> init(const Session &session, const std::string &root, const std::string &id, const Spec &spec, Timeout timeout = forever) {
  auto fields = detail::fields_of(spec);
  if (!fields) return fields.error();
  if (auto good = weir::detail::check_texts({root, id}); !good) return good;
  return detail::run([&](WeirError **error) {
    return weir_shard_init(session.get(), root.c_str(), id.c_str(), spec.id, fields->empty() ? nullptr : fields->data(), fields->size(),
                           timeout.milliseconds(), error);
  });
}

/// init() as an Operation.
[[nodiscard]] inline auto init_async(const Session &session, const std::string &root, const std::string &id, Spec spec) {
  auto start = [session = session.get(), root, id, spec = std::move(spec)](WeirCompletion completion) -> Result<void> {
    auto fields = detail::fields_of(spec);
    if (!fields) return fields.error();
    if (auto good = weir::detail::check_texts({root, id}); !good) return good;
    return detail::run([&](WeirError **error) {
      return weir_shard_init_async(session, root.c_str(), id.c_str(), spec.id, fields->empty() ? nullptr : fields->data(), fields->size(),
                                   completion, error);
    });
  };
  return Operation<void, decltype(start)>(std::move(start));
}

/// Seals a shard against writers: fences the present one and refuses later ones with Status::sealed. Reading goes on.
inline Result<void> seal(const Session &session, const std::string &root, const std::string &id, Timeout timeout = forever) {
  if (auto good = weir::detail::check_texts({root, id}); !good) return good;
  return detail::run(
      [&](WeirError **error) { return weir_shard_seal(session.get(), root.c_str(), id.c_str(), timeout.milliseconds(), error); });
}

/// seal() as an Operation.
[[nodiscard]] inline auto seal_async(const Session &session, const std::string &root, const std::string &id) {
  return detail::named<void>(root, id,
                             [session = session.get()](const char *at, const char *shard, WeirCompletion completion, WeirError **error) {
                               return weir_shard_seal_async(session, at, shard, completion, error);
                             });
}

/// Opens a sealed shard for writers again. Does nothing to one that is not sealed.
inline Result<void> unseal(const Session &session, const std::string &root, const std::string &id, Timeout timeout = forever) {
  if (auto good = weir::detail::check_texts({root, id}); !good) return good;
  return detail::run(
      [&](WeirError **error) { return weir_shard_unseal(session.get(), root.c_str(), id.c_str(), timeout.milliseconds(), error); });
}

/// unseal() as an Operation.
[[nodiscard]] inline auto unseal_async(const Session &session, const std::string &root, const std::string &id) {
  return detail::named<void>(root, id,
                             [session = session.get()](const char *at, const char *shard, WeirCompletion completion, WeirError **error) {
                               return weir_shard_unseal_async(session, at, shard, completion, error);
                             });
}

/// Options of trim().
struct TrimOptions {
  /// Nothing younger is removed, by the store's clock: it must exceed by far how long a writer may be stalled. Default 24 hours.
  std::optional<std::chrono::milliseconds> trim_age = {};

  /// As C has them; `error` is set if that cannot be.
  [[nodiscard]] WeirTrimOptions c(Error &error) const {
    WeirTrimOptions raw = WEIR_TRIM_OPTIONS_INIT;
    if (trim_age) weir::detail::set_duration(raw.trim_age_ms, *trim_age, "trim_age", error);
    return raw;
  }
};

/// Removes the oldest entries of a shard's log, up to and including a position, as far as they are old enough; the newest entry
/// always stays. Gives the oldest position that is left, 0 if the log is empty.
inline Result<std::uint64_t> trim(const Session &session, const std::string &root, const std::string &id, std::uint64_t up_to,
                                  const TrimOptions &options = {}, Timeout timeout = forever) {
  if (auto good = weir::detail::check_texts({root, id}); !good) return good.error();
  Error bad;
  const WeirTrimOptions raw = options.c(bad);
  if (bad) return bad;
  return weir::detail::fill<std::uint64_t>([&](std::uint64_t *first, WeirError **error) {
    return weir_shard_trim(session.get(), root.c_str(), id.c_str(), up_to, &raw, timeout.milliseconds(), first, error);
  });
}

/// trim() as an Operation.
[[nodiscard]] inline auto trim_async(const Session &session, const std::string &root, const std::string &id, std::uint64_t up_to,
                                     const TrimOptions &options = {}) {
  Error bad;
  auto call = [session = session.get(), up_to, raw = options.c(bad)](const char *at, const char *shard, WeirCompletion completion,
                                                                     WeirError **error) {
    return weir_shard_trim_async(session, at, shard, up_to, &raw, completion, error);
  };
  return detail::named<std::uint64_t>(root, id, std::move(call), std::move(bad));
}

}  // namespace shard

/// The bucket of every value of a column, for routing rows to shards: Lance's hash. Null goes to bucket 0.
///
/// @param column   the column; consumed
/// @param schema   the column's type
/// @param buckets  how many there are, 1 to 1024
[[nodiscard]] inline Result<std::vector<std::int32_t>> bucket_of(Array &&column, const Schema &schema, std::int32_t buckets) {
  Array own = std::move(column);
  std::vector<std::int32_t> out(detail::room_for(own.length()));
  std::int32_t none = 0;
  auto done = detail::run([&](WeirError **error) {
    return weir_bucket_of(own.get(), schema.get(), buckets, out.empty() ? &none : out.data(), out.size(), error);
  });
  if (!done) return done.error();
  return out;
}

}  // namespace weir

#endif
