/// @file
/// Snapshots: one moment of a shard, read by those who do not own it.
#ifndef WEIR_SNAPSHOT_HPP
#define WEIR_SNAPSHOT_HPP

#include <weir.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "reads.hpp"
#include "session.hpp"
#include "shard.hpp"
#include "writer.hpp"

namespace weir {

namespace detail {
inline constexpr WeirSnapshotOptions snapshot_defaults = WEIR_SNAPSHOT_OPTIONS_INIT;

/// The C functions of a snapshot's reads.
struct SnapshotCalls {
  static constexpr auto scan = &weir_snapshot_scan;
  static constexpr auto get = &weir_snapshot_get;
  static constexpr auto get_async = &weir_snapshot_get_async;
  static constexpr auto key_schema = &weir_snapshot_key_schema;
  static constexpr auto read_schema = &weir_snapshot_read_schema;
};
}  // namespace detail

/// Options of Snapshot::open(). Their defaults are the header's.
struct SnapshotOptions {
  bool wal = detail::snapshot_defaults.wal != 0;  ///< With the rows that only the log has; else the generations alone.
  /// The key's columns; empty = those that the schema's metadata marks, else the key of the newest generation, if there is one.
  std::vector<std::string> primary_key = {};
  std::vector<Index> indexes = {};                ///< Secondary indexes over the rows that only the log has.
  std::uint64_t max_bytes = detail::snapshot_defaults.max_bytes;  ///< The most memory that rows may take that only the log has.
  Timeout open_timeout = {};                                      ///< How long opening may take; default for ever.

  /// As C has them, but without primary_key and indexes.
  [[nodiscard]] WeirSnapshotOptions c() const {
    WeirSnapshotOptions raw = detail::snapshot_defaults;
    raw.wal = wal;
    raw.max_bytes = max_bytes;
    raw.open_timeout_ms = open_timeout.milliseconds();
    return raw;
  }
};

/// One moment of a shard: its generations, and the rows that only its log has. Immutable. See Handle for threads.
class Snapshot : public Handle<Snapshot, WeirSnapshot, weir_snapshot_free>, public Reads<Snapshot, detail::SnapshotCalls> {
 private:
  static Result<Snapshot> open_as(const Session &session, const std::string &root, const std::string &shard, const ArrowSchema *schema,
                                  const SnapshotOptions &options) {
    if (auto good = detail::check_texts({root, shard}); !good) return good.error();
    Error bad;
    const detail::KeyAndIndexes tables(options.primary_key, options.indexes, bad);
    if (bad) return bad;
    const WeirSnapshotOptions raw = tables.in(options.c());
    return detail::make<Snapshot, WeirSnapshot>([&](WeirSnapshot **snapshot, WeirError **error) {
      return weir_snapshot_open(session.get(), root.c_str(), shard.c_str(), schema, &raw, snapshot, error);
    });
  }

  static auto open_as_async(const Session &session, const std::string &root, const std::string &shard, const ArrowSchema *schema,
                            const SnapshotOptions &options) {
    Error bad;
    auto call = [session = session.get(), schema, plain = options.c(),
                 tables = detail::KeyAndIndexes(options.primary_key, options.indexes, bad)](const char *at, const char *id,
                                                                                           WeirCompletion completion, WeirError **error) {
      const WeirSnapshotOptions raw = tables.in(plain);
      return weir_snapshot_open_async(session, at, id, schema, &raw, completion, error);
    };
    return shard::detail::named<Snapshot>(root, shard, std::move(call), std::move(bad));
  }

 public:
  static constexpr WeirResult result_kind = WEIR_RESULT_SNAPSHOT;  ///< How events tell it.

  /// Opens a snapshot of what is durable now, without a claim on the shard: its writer goes on undisturbed. Rows that only the log has are
  /// read into memory; generations are read when they are needed. Status::not_found if there is no such shard, or it has no rows yet;
  /// Status::backpressure if the log has more than SnapshotOptions::max_bytes.
  [[nodiscard]] static Result<Snapshot> open(const Session &session, const std::string &root, const std::string &shard,
                                             const SnapshotOptions &options = {}) {
    return open_as(session, root, shard, nullptr, options);
  }

  /// open() with the schema to read the rows as, instead of the shard's own.
  [[nodiscard]] static Result<Snapshot> open(const Session &session, const std::string &root, const std::string &shard, const Schema &schema,
                                             const SnapshotOptions &options = {}) {
    return open_as(session, root, shard, schema.get(), options);
  }

  /// open() as an Operation.
  [[nodiscard]] static auto open_async(const Session &session, const std::string &root, const std::string &shard,
                                       const SnapshotOptions &options = {}) {
    return open_as_async(session, root, shard, nullptr, options);
  }

  /// open() with a schema as an Operation. The schema must live until it is started.
  [[nodiscard]] static auto open_async(const Session &session, const std::string &root, const std::string &shard, const Schema &schema,
                                       const SnapshotOptions &options = {}) {
    return open_as_async(session, root, shard, schema.get(), options);
  }

  /// The schema of the rows, the primary key marked in it.
  [[nodiscard]] Result<Schema> schema() const {
    return detail::exported<Schema>([&](auto *out, WeirError **error) { return weir_snapshot_schema(get(), out, error); });
  }

  /// The last position of the log that the snapshot covers: a tailer from the position after it continues without gap or overlap.
  [[nodiscard]] std::uint64_t cut_position() const noexcept { return weir_snapshot_cut_position(get()); }

  /// The manifest that the snapshot was made of.
  [[nodiscard]] Result<Manifest> manifest() const {
    return detail::make<Manifest, WeirManifest>(
        [&](WeirManifest **manifest, WeirError **error) { return weir_snapshot_manifest(get(), manifest, error); });
  }
};

}  // namespace weir

#endif
