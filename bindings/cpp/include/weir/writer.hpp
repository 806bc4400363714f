/// @file
/// Writers and appenders: the two kinds of owners that a shard can have.
#ifndef WEIR_WRITER_HPP
#define WEIR_WRITER_HPP

#include <weir.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "async.hpp"
#include "c_data.hpp"
#include "reads.hpp"
#include "session.hpp"
#include "shard.hpp"

namespace weir {

namespace detail {
inline constexpr WeirWriterOptions writer_defaults = WEIR_WRITER_OPTIONS_INIT;
inline constexpr WeirAppenderOptions appender_defaults = WEIR_APPENDER_OPTIONS_INIT;

/// The C functions of a writer's reads.
struct WriterCalls {
  static constexpr auto scan = &weir_writer_scan;
  static constexpr auto get = &weir_writer_get;
  static constexpr auto get_async = &weir_writer_get_async;
  static constexpr auto key_schema = &weir_writer_key_schema;
  static constexpr auto read_schema = &weir_writer_read_schema;
};
}  // namespace detail

/// Kinds of secondary indexes.
enum class IndexKind : std::int32_t {
  btree = WEIR_INDEX_BTREE  ///< Ordered: equality, ranges, order, nulls.
};

/// A secondary index over one column.
struct Index {
  std::string name;                  ///< Unique within the shard: 1 to 64 letters, digits, `-` and `_`.
  std::string column;                ///< The column that it is over.
  IndexKind kind = IndexKind::btree; ///< What it can do.
};

namespace detail {

/// A primary key and indexes, for options that point to them. A moved one's pointers stay good.
class KeyAndIndexes {
 public:
  /// `error` is set if a text cannot be C's.
  KeyAndIndexes(const std::vector<std::string> &primary_key, std::vector<Index> indexes, Error &error)
      : primary_key_(primary_key), indexes_(std::move(indexes)) {
    if (auto good = primary_key_.check(); !good) error = good.error();
    for (const Index &index : indexes_) {
      if (auto good = check_texts({index.name, index.column}); !good) error = good.error();
      raw_.push_back({index.name.c_str(), index.column.c_str(), static_cast<std::int32_t>(index.kind), 0});
    }
  }
  KeyAndIndexes(KeyAndIndexes &&) noexcept = default;
  KeyAndIndexes &operator=(KeyAndIndexes &&) noexcept = default;

  /// The options with them in it; they point here.
  template <class Raw>
  [[nodiscard]] Raw in(Raw options) const noexcept {
    options.primary_key = primary_key_.data();
    options.primary_key_len = primary_key_.size();
    options.indexes = raw_.empty() ? nullptr : raw_.data();
    options.indexes_len = raw_.size();
    return options;
  }

 private:
  Texts primary_key_;
  std::vector<Index> indexes_;
  std::vector<WeirIndexDefinition> raw_;
};

}  // namespace detail

/// What a writer has done since it was opened: the fields of the C struct.
using WriterStats = ::WeirWriterStats;
/// The memory that a writer holds, in bytes: the fields of the C struct.
using WriterMemory = ::WeirWriterMemory;
/// A writer's MemTables and generations: the fields of the C struct.
using MemTableStats = ::WeirMemTableStats;

/// Options of Writer::open(). Their defaults are the header's. With C++20, `{.durable = false, .compression = Compression::zstd}`.
struct WriterOptions {
  bool durable = detail::writer_defaults.durable != 0;    ///< A put returns when it is durable; else when it is admitted.
  bool fsync = detail::writer_defaults.fsync != 0;        ///< On a local disk, durable means that file and directory were synced.
  bool validate = detail::writer_defaults.validate != 0;  ///< Offsets and UTF-8 of every batch are checked.
  Compression compression = static_cast<Compression>(detail::writer_defaults.compression);  ///< Of entries.
  std::uint32_t max_retries = detail::writer_defaults.max_retries;  ///< Of a failed append, before the writer is poisoned.
  std::optional<std::chrono::microseconds> linger = {};  ///< How long a put may wait for others; default 0 if durable, else 100 ms.
  std::uint64_t max_buffer_bytes = detail::writer_defaults.max_buffer_bytes;    ///< Bytes at which pending puts are written at once.
  std::uint64_t max_pending_bytes = detail::writer_defaults.max_pending_bytes;  ///< Bytes not durable at which puts wait for room.
  std::chrono::milliseconds retry_base_delay{detail::writer_defaults.retry_base_delay_ms};  ///< Before the first retry; doubles.
  std::uint32_t manifest_probe_width = detail::writer_defaults.manifest_probe_width;        ///< Manifest versions asked for at once.
  std::optional<std::chrono::milliseconds> trim_age = {};  ///< Below which nothing of the shard is ever trimmed; default 24 hours.
  Timeout open_timeout = {};                               ///< How long opening may take; default for ever.

  /// What was put can be read at once, is flushed to generations in the background, and the log behind it may be trimmed. False: the writer
  /// writes the log and nothing else. All that follows is of writers with it.
  bool enable_memtable = detail::writer_defaults.enable_memtable != 0;
  std::uint64_t max_memtable_bytes = detail::writer_defaults.max_memtable_bytes;      ///< The memory at which a MemTable is frozen and flushed.
  std::uint64_t max_memtable_rows = detail::writer_defaults.max_memtable_rows;        ///< The rows at which it is.
  std::uint64_t max_memtable_batches = detail::writer_defaults.max_memtable_batches;  ///< The batches at which it is.
  std::uint64_t max_unflushed_bytes = detail::writer_defaults.max_unflushed_bytes;    ///< Bytes not flushed at which puts wait for room.
  std::chrono::milliseconds frozen_grace{detail::writer_defaults.frozen_grace_ms};    ///< How long a flushed MemTable stays in memory.
  std::vector<std::string> primary_key = {};  ///< The key's columns, in its order; empty = those that the schema's metadata marks, if any.
  std::vector<Index> indexes = {};            ///< Secondary indexes; scans use them where comparisons allow it.
  bool compaction = detail::writer_defaults.compaction != 0;  ///< Generations are merged in the background; else only by compact().
  std::uint32_t compaction_min_generations = detail::writer_defaults.compaction_min_generations;  ///< The fewest that are worth a merge.
  std::uint32_t compaction_max_generations = detail::writer_defaults.compaction_max_generations;  ///< The most of one merge.
  std::uint64_t compaction_max_bytes = detail::writer_defaults.compaction_max_bytes;              ///< What those of one merge may take together.

  /// As C has them, but without primary_key and indexes; `error` is set if that cannot be.
  [[nodiscard]] WeirWriterOptions c(Error &error) const {
    WeirWriterOptions raw = detail::writer_defaults;
    raw.durable = durable;
    raw.fsync = fsync;
    raw.validate = validate;
    raw.compression = static_cast<std::int32_t>(compression);
    raw.max_retries = max_retries;
    if (linger) detail::set_duration(raw.linger_us, *linger, "linger", error);
    raw.max_buffer_bytes = max_buffer_bytes;
    raw.max_pending_bytes = max_pending_bytes;
    detail::set_duration(raw.retry_base_delay_ms, retry_base_delay, "retry_base_delay", error);
    raw.manifest_probe_width = manifest_probe_width;
    if (trim_age) detail::set_duration(raw.trim_age_ms, *trim_age, "trim_age", error);
    raw.open_timeout_ms = open_timeout.milliseconds();
    raw.enable_memtable = enable_memtable;
    raw.max_memtable_bytes = max_memtable_bytes;
    raw.max_memtable_rows = max_memtable_rows;
    raw.max_memtable_batches = max_memtable_batches;
    raw.max_unflushed_bytes = max_unflushed_bytes;
    detail::set_duration(raw.frozen_grace_ms, frozen_grace, "frozen_grace", error);
    raw.compaction = compaction;
    raw.compaction_min_generations = compaction_min_generations;
    raw.compaction_max_generations = compaction_max_generations;
    raw.compaction_max_bytes = compaction_max_bytes;
    return raw;
  }
};

/// The owner of a shard. Destroying one that was not closed aborts it: puts that are not durable are lost. See Handle for threads.
/// What was put can be read from it at once (see Reads), unless WriterOptions::enable_memtable is false: then such calls are
/// Status::unsupported.
class Writer : public Handle<Writer, WeirWriter, weir_writer_free>, public Reads<Writer, detail::WriterCalls> {
 public:
  static constexpr WeirResult result_kind = WEIR_RESULT_WRITER;  ///< How events tell it.

  /// Opens a writer: claims the shard, which fences the writer before, and makes the shard if it does not exist. What is refused for its
  /// options or schema fences nobody.
  ///
  /// @param session  keeps nothing from being destroyed
  /// @param root     the URL or path below which the shard lies
  /// @param shard    the shard's UUID, lower case, hyphenated
  /// @param schema   of every batch to come
  /// @param options  how it works
  [[nodiscard]] static Result<Writer> open(const Session &session, const std::string &root, const std::string &shard, const Schema &schema,
                                           const WriterOptions &options = {}) {
    if (auto good = detail::check_texts({root, shard}); !good) return good.error();
    Error bad;
    const detail::KeyAndIndexes tables(options.primary_key, options.indexes, bad);
    const WeirWriterOptions raw = tables.in(options.c(bad));
    if (bad) return bad;
    return detail::make<Writer, WeirWriter>([&](WeirWriter **writer, WeirError **error) {
      return weir_writer_open(session.get(), root.c_str(), shard.c_str(), schema.get(), &raw, writer, error);
    });
  }

  /// open() as an Operation. The schema must live until it is started.
  [[nodiscard]] static auto open_async(const Session &session, const std::string &root, const std::string &shard, const Schema &schema,
                                       const WriterOptions &options = {}) {
    Error bad;
    auto call = [session = session.get(), schema = schema.get(), plain = options.c(bad),
                 tables = detail::KeyAndIndexes(options.primary_key, options.indexes, bad)](const char *at, const char *id,
                                                                                           WeirCompletion completion, WeirError **error) {
      const WeirWriterOptions raw = tables.in(plain);
      return weir_writer_open_async(session, at, id, schema, &raw, completion, error);
    };
    return shard::detail::named<Writer>(root, shard, std::move(call), std::move(bad));
  }

  /// Puts a batch, a struct array of the writer's schema; consumes it, whatever it returns. Gives its acknowledgement when it is
  /// durable (or admitted, without WriterOptions::durable).
  ///
  /// Nothing was accepted: Status::invalid_data, schema_mismatch, invalid_argument, backpressure (no room in time), closed. Accepted, and
  /// it still may become durable: outcome_unknown. For ever: fenced, poisoned. With a primary key its rows replace those of the same keys; a null
  /// in a key is invalid_data, with the details `row` and `column`.
  Result<Ack> put(Array &&batch, Timeout timeout = forever) { return put(batch.get(), timeout); }

  /// put() of a C struct, whose `release` is NULL afterwards.
  Result<Ack> put(ArrowArray *batch, Timeout timeout = forever) {
    WeirAck ack;
    WeirError *error = nullptr;
    const WeirStatus status = weir_writer_put(get(), batch, timeout.milliseconds(), &ack, &error);
    if (status != WEIR_STATUS_OK) return Error::adopt(status, error);
    return ack;
  }

  /// put() as an Operation. Never waits for room: see wait_capacity_async().
  [[nodiscard]] auto put_async(Array &&batch) {
    return detail::operation<Ack>([writer = get(), batch = std::move(batch)](WeirCompletion completion, WeirError **error) mutable {
      return weir_writer_put_async(writer, batch.get(), completion, error);
    });
  }

  /// Puts all batches of a stream, one after the other; consumes it. Gives the last one's acknowledgement, zeros if there is none. The
  /// error's detail `accepted` says how many batches were accepted before it.
  Result<Ack> put_stream(ArrayStream &&stream, Timeout timeout = forever) { return put_stream(stream.get(), timeout); }

  /// put_stream() of a C struct, whose `release` is NULL afterwards.
  Result<Ack> put_stream(ArrowArrayStream *stream, Timeout timeout = forever) {
    return detail::fill<Ack>(
        [&](WeirAck *ack, WeirError **error) { return weir_writer_put_stream(get(), stream, timeout.milliseconds(), ack, error); });
  }

  /// put_stream() as an Operation. The stream is read on a thread of weir's.
  [[nodiscard]] auto put_stream_async(ArrayStream &&stream) {
    return detail::operation<Ack>([writer = get(), stream = std::move(stream)](WeirCompletion completion, WeirError **error) mutable {
      return weir_writer_put_stream_async(writer, stream.get(), completion, error);
    });
  }

  /// Deletes the rows of some primary keys; consumes the keys, whatever it returns. Whether there are such rows is not looked at. A delete is
  /// a put of its own, ordered among the others, and comes to what a put does; Status::unsupported without MemTables or a primary key.
  Result<Ack> delete_keys(Keys keys, Timeout timeout = forever) {
    return detail::fill<Ack>([&](WeirAck *ack, WeirError **error) {
      return weir_writer_delete(get(), keys.array(), keys.schema(), timeout.milliseconds(), ack, error);
    });
  }

  /// delete_keys() as an Operation. Never waits for room: see wait_capacity_async().
  [[nodiscard]] auto delete_keys_async(Keys keys) {
    return detail::operation<Ack>([writer = get(), keys = std::move(keys)](WeirCompletion completion, WeirError **error) mutable {
      return weir_writer_delete_async(writer, keys.array(), keys.schema(), completion, error);
    });
  }

  /// Waits until every put admitted so far is durable.
  Result<void> flush(Timeout timeout = forever) {
    return detail::run([&](WeirError **error) { return weir_writer_flush(get(), timeout.milliseconds(), error); });
  }

  /// flush() as an Operation; its Ack says what is durable.
  [[nodiscard]] auto flush_async() {
    return detail::operation<Ack>(
        [writer = get()](WeirCompletion completion, WeirError **error) { return weir_writer_flush_async(writer, completion, error); });
  }

  /// Waits until a put, told by its acknowledgement's `sequence`, is durable.
  Result<void> wait_durable(std::uint64_t sequence, Timeout timeout = forever) {
    return detail::run([&](WeirError **error) { return weir_writer_wait_durable(get(), sequence, timeout.milliseconds(), error); });
  }

  /// wait_durable() as an Operation; its Ack says what is durable.
  [[nodiscard]] auto wait_durable_async(std::uint64_t sequence) {
    return detail::operation<Ack>([writer = get(), sequence](WeirCompletion completion, WeirError **error) {
      return weir_writer_wait_durable_async(writer, sequence, completion, error);
    });
  }

  /// Waits until a put of `bytes` would find room; others may take it first. Status::backpressure, with the breakdown in its
  /// details, if it does not in time.
  Result<void> wait_capacity(std::uint64_t bytes, Timeout timeout = forever) {
    return detail::run([&](WeirError **error) { return weir_writer_wait_capacity(get(), bytes, timeout.milliseconds(), error); });
  }

  /// wait_capacity() as an Operation.
  [[nodiscard]] auto wait_capacity_async(std::uint64_t bytes) {
    return detail::operation<void>([writer = get(), bytes](WeirCompletion completion, WeirError **error) {
      return weir_writer_wait_capacity_async(writer, bytes, completion, error);
    });
  }

  /// Freezes the MemTable that is filled, if it has rows, and has it flushed in the background. Does not wait. Gives the newest generation
  /// that is frozen or published then, 0 if there is none.
  Result<std::uint64_t> freeze() {
    return detail::fill<std::uint64_t>(
        [&](std::uint64_t *generation, WeirError **error) { return weir_writer_freeze(get(), generation, error); });
  }

  /// Waits until a generation, of freeze(), and all before it are published: readable by others, and no longer in need of the log.
  /// Status::timed_out says why flushing fails, if it does.
  Result<void> wait_flushed(std::uint64_t generation, Timeout timeout = forever) {
    return detail::run([&](WeirError **error) { return weir_writer_wait_flushed(get(), generation, timeout.milliseconds(), error); });
  }

  /// wait_flushed() as an Operation.
  [[nodiscard]] auto wait_flushed_async(std::uint64_t generation) {
    return detail::operation<void>([writer = get(), generation](WeirCompletion completion, WeirError **error) {
      return weir_writer_wait_flushed_async(writer, generation, completion, error);
    });
  }

  /// Merges generations now, as often as that is worth it by the `compaction_…` options, and gives how often that was. After
  /// Status::timed_out merging goes on.
  Result<std::uint64_t> compact(Timeout timeout = forever) {
    return detail::fill<std::uint64_t>(
        [&](std::uint64_t *merges, WeirError **error) { return weir_writer_compact(get(), timeout.milliseconds(), merges, error); });
  }

  /// compact() as an Operation.
  [[nodiscard]] auto compact_async() {
    return detail::operation<std::uint64_t>(
        [writer = get()](WeirCompletion completion, WeirError **error) { return weir_writer_compact_async(writer, completion, error); });
  }

  /// Asks the store whether the writer still owns the shard: Status::fenced if not.
  Result<void> check_fenced(Timeout timeout = forever) {
    return detail::run([&](WeirError **error) { return weir_writer_check_fenced(get(), timeout.milliseconds(), error); });
  }

  /// check_fenced() as an Operation.
  [[nodiscard]] auto check_fenced_async() {
    return detail::operation<void>(
        [writer = get()](WeirCompletion completion, WeirError **error) { return weir_writer_check_fenced_async(writer, completion, error); });
  }

  /// How many puts are durable: one is if its `sequence` is at most that. Never goes back.
  [[nodiscard]] std::uint64_t durable_position() const noexcept { return weir_writer_durable_position(get()); }
  /// The epoch under which the writer owns the shard, 1 or more.
  [[nodiscard]] std::uint64_t epoch() const noexcept { return weir_writer_epoch(get()); }

  /// The newest manifest that the writer has read or written, without asking the store.
  [[nodiscard]] Result<Manifest> manifest() const {
    return detail::make<Manifest, WeirManifest>(
        [&](WeirManifest **manifest, WeirError **error) { return weir_writer_manifest(get(), manifest, error); });
  }

  /// What the writer has done. Answers also after it failed or was closed.
  [[nodiscard]] Result<WriterStats> stats() const {
    return detail::fill<WriterStats>([&](WriterStats *stats, WeirError **error) { return weir_writer_stats(get(), stats, error); },
                                     WEIR_WRITER_STATS_INIT);
  }

  /// The memory that the writer holds. Answers also after it failed or was closed.
  [[nodiscard]] Result<WriterMemory> memory() const {
    return detail::fill<WriterMemory>([&](WriterMemory *memory, WeirError **error) { return weir_writer_memory(get(), memory, error); },
                                      WEIR_WRITER_MEMORY_INIT);
  }

  /// What the writer's MemTables hold and have done. Answers also after it failed or was closed.
  [[nodiscard]] Result<MemTableStats> memtable_stats() const {
    return detail::fill<MemTableStats>(
        [&](MemTableStats *stats, WeirError **error) { return weir_writer_memtable_stats(get(), stats, error); }, WEIR_MEM_TABLE_STATS_INIT);
  }

  /// Refuses further puts, waits until all are durable and all MemTables flushed, and lets go of the shard. May be called again: after
  /// Status::timed_out to wait on, after success to no effect. From any thread. Status::storage if a MemTable could not be flushed: its rows
  /// are in the log, and come back when the shard is opened again.
  Result<void> close(Timeout timeout = forever) {
    return detail::run([&](WeirError **error) { return weir_writer_close(get(), timeout.milliseconds(), error); });
  }

  /// close() as an Operation.
  [[nodiscard]] auto close_async() {
    return detail::operation<void>(
        [writer = get()](WeirCompletion completion, WeirError **error) { return weir_writer_close_async(writer, completion, error); });
  }

  /// Refuses further puts and forgets what is not durable, without I/O; who waits gets Status::closed. From any thread.
  Result<void> abort() {
    return detail::run([&](WeirError **error) { return weir_writer_abort(get(), error); });
  }
};

/// Options of Appender::open(). Their defaults are the header's.
struct AppenderOptions {
  bool fsync = detail::appender_defaults.fsync != 0;        ///< On a local disk, file and directory of each entry are synced.
  bool validate = detail::appender_defaults.validate != 0;  ///< Offsets and UTF-8 of every batch are checked.
  Compression compression = static_cast<Compression>(detail::appender_defaults.compression);  ///< Of entries.
  std::uint32_t max_retries = detail::appender_defaults.max_retries;                           ///< Of a failed append.
  std::chrono::milliseconds retry_base_delay{detail::appender_defaults.retry_base_delay_ms};   ///< Before the first retry; doubles.
  std::uint32_t manifest_probe_width = detail::appender_defaults.manifest_probe_width;         ///< Manifest versions asked for at once.
  std::optional<std::chrono::milliseconds> trim_age = {};  ///< Below which nothing of the shard is ever trimmed; default 24 hours.
  Timeout open_timeout = {};                               ///< How long opening may take; default for ever.

  /// As C has them; `error` is set if that cannot be.
  [[nodiscard]] WeirAppenderOptions c(Error &error) const {
    WeirAppenderOptions raw = detail::appender_defaults;
    raw.fsync = fsync;
    raw.validate = validate;
    raw.compression = static_cast<std::int32_t>(compression);
    raw.max_retries = max_retries;
    detail::set_duration(raw.retry_base_delay_ms, retry_base_delay, "retry_base_delay", error);
    raw.manifest_probe_width = manifest_probe_width;
    if (trim_age) detail::set_duration(raw.trim_age_ms, *trim_age, "trim_age", error);
    raw.open_timeout_ms = open_timeout.milliseconds();
    return raw;
  }
};

/// The owner of a shard, which appends one entry per call and buffers nothing. See Handle for threads; appends take turns.
class Appender : public Handle<Appender, WeirAppender, weir_appender_free> {
 public:
  static constexpr WeirResult result_kind = WEIR_RESULT_APPENDER;  ///< How events tell it.

  /// Opens an appender: claims the shard, which fences the writer before, and makes the shard if it does not exist.
  [[nodiscard]] static Result<Appender> open(const Session &session, const std::string &root, const std::string &shard, const Schema &schema,
                                             const AppenderOptions &options = {}) {
    if (auto good = detail::check_texts({root, shard}); !good) return good.error();
    Error bad;
    const WeirAppenderOptions raw = options.c(bad);
    if (bad) return bad;
    return detail::make<Appender, WeirAppender>([&](WeirAppender **appender, WeirError **error) {
      return weir_appender_open(session.get(), root.c_str(), shard.c_str(), schema.get(), &raw, appender, error);
    });
  }

  /// open() as an Operation. The schema must live until it is started.
  [[nodiscard]] static auto open_async(const Session &session, const std::string &root, const std::string &shard, const Schema &schema,
                                       const AppenderOptions &options = {}) {
    Error bad;
    auto call = [session = session.get(), schema = schema.get(), raw = options.c(bad)](const char *at, const char *id,
                                                                                       WeirCompletion completion, WeirError **error) {
      return weir_appender_open_async(session, at, id, schema, &raw, completion, error);
    };
    return shard::detail::named<Appender>(root, shard, std::move(call), std::move(bad));
  }

  /// Appends a batch as one entry; consumes it, whatever it returns. Gives the entry's position when it is durable. After
  /// Status::timed_out the entry may be in the log or still appear in it.
  Result<std::uint64_t> append(Array &&batch, Timeout timeout = forever) { return append(batch.get(), timeout); }

  /// append() of a C struct, whose `release` is NULL afterwards.
  Result<std::uint64_t> append(ArrowArray *batch, Timeout timeout = forever) {
    return detail::fill<std::uint64_t>([&](std::uint64_t *position, WeirError **error) {
      return weir_appender_append(get(), batch, timeout.milliseconds(), position, error);
    });
  }

  /// append() as an Operation.
  [[nodiscard]] auto append_async(Array &&batch) {
    return detail::operation<std::uint64_t>(
        [appender = get(), batch = std::move(batch)](WeirCompletion completion, WeirError **error) mutable {
          return weir_appender_append_async(appender, batch.get(), completion, error);
        });
  }

  /// Asks the store whether the appender still owns the shard: Status::fenced if not.
  Result<void> check_fenced(Timeout timeout = forever) {
    return detail::run([&](WeirError **error) { return weir_appender_check_fenced(get(), timeout.milliseconds(), error); });
  }

  /// check_fenced() as an Operation.
  [[nodiscard]] auto check_fenced_async() {
    return detail::operation<void>([appender = get()](WeirCompletion completion, WeirError **error) {
      return weir_appender_check_fenced_async(appender, completion, error);
    });
  }

  /// The epoch under which the appender owns the shard, 1 or more.
  [[nodiscard]] std::uint64_t epoch() const noexcept { return weir_appender_epoch(get()); }

  /// Waits for an append that is under way, then refuses later ones and lets go of the shard. May be called again, from any thread.
  Result<void> close(Timeout timeout = forever) {
    return detail::run([&](WeirError **error) { return weir_appender_close(get(), timeout.milliseconds(), error); });
  }

  /// close() as an Operation.
  [[nodiscard]] auto close_async() {
    return detail::operation<void>(
        [appender = get()](WeirCompletion completion, WeirError **error) { return weir_appender_close_async(appender, completion, error); });
  }
};

}  // namespace weir

#endif
