/// @file
/// Spills: scratch space for what does not fit into memory, below a cap.
#ifndef WEIR_SPILL_HPP
#define WEIR_SPILL_HPP

#include <weir.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "async.hpp"
#include "c_data.hpp"

namespace weir {

class Session;

/// Where a spill store keeps its bytes.
enum class SpillBackend : std::int32_t {
  local = WEIR_SPILL_BACKEND_LOCAL,    ///< In files of a local directory.
  memory = WEIR_SPILL_BACKEND_MEMORY,  ///< In memory.
  object = WEIR_SPILL_BACKEND_OBJECT,  ///< In objects of an object store.
  tiered = WEIR_SPILL_BACKEND_TIERED   ///< In memory up to `memory_bytes`, then in files of a local directory.
};

/// What a spill store holds and did: the fields of the C struct.
using SpillStats = ::WeirSpillStats;

namespace detail {
inline constexpr WeirSpillStoreOptions spill_store_defaults = WEIR_SPILL_STORE_OPTIONS_INIT;
inline constexpr WeirSpillOptions spill_defaults = WEIR_SPILL_OPTIONS_INIT;
inline constexpr WeirSpillReadOptions spill_read_defaults = WEIR_SPILL_READ_OPTIONS_INIT;
inline constexpr std::uint64_t no_cap = spill_store_defaults.cap_bytes;

/// A cap as C has it.
inline std::uint64_t cap_of(std::optional<std::uint64_t> cap) noexcept { return cap.value_or(no_cap); }
}  // namespace detail

/// Options of SpillStore::create(). Their defaults are the header's.
struct SpillStoreOptions {
  SpillBackend backend = static_cast<SpillBackend>(detail::spill_store_defaults.backend);  ///< Where the bytes are kept.
  /// `local` and `tiered`: the directory, made when it is first written to; empty = one below the operating system's for temporary
  /// files. `object`: the URL. `memory`: empty.
  std::string location = {};
  std::optional<std::uint64_t> cap_bytes = {};  ///< The most bytes held at once; default no cap, 0 = nothing may be written.
  std::uint64_t memory_bytes = detail::spill_store_defaults.memory_bytes;  ///< `tiered`: the most bytes kept in memory.
  /// `local` and `tiered`: a write that would leave less free on the file system is refused; default 5 % of it or 1 GiB, whichever is
  /// smaller; 0 = no such floor.
  std::optional<std::uint64_t> min_free_bytes = {};
  /// `object`: what a store that is gone left behind is deleted after so long, a minute or more; default 24 hours.
  std::optional<std::chrono::milliseconds> reclaim_age = {};
  std::uint32_t buffer_bytes = detail::spill_store_defaults.buffer_bytes;  ///< The buffer of each writer.

  /// As C has them, borrowing the location; `error` is set if that cannot be.
  [[nodiscard]] WeirSpillStoreOptions c(Error &error) const {
    WeirSpillStoreOptions raw = detail::spill_store_defaults;
    if (auto good = detail::check_texts({location}); !good) error = good.error();
    raw.backend = static_cast<std::int32_t>(backend);
    raw.location = location.empty() ? nullptr : location.c_str();
    raw.cap_bytes = detail::cap_of(cap_bytes);
    raw.memory_bytes = memory_bytes;
    if (min_free_bytes) detail::set_count(raw.min_free_bytes, *min_free_bytes, "min_free_bytes", error);
    if (reclaim_age) detail::set_duration(raw.reclaim_age_ms, *reclaim_age, "reclaim_age", error);
    raw.buffer_bytes = buffer_bytes;
    return raw;
  }
};

/// Options of SpillStore::begin() and SpillStore::begin_batches(). Their defaults are the header's.
struct SpillOptions {
  Compression compression = static_cast<Compression>(detail::spill_defaults.compression);  ///< Of batches; bytes are stored as they are.
  bool encrypt = detail::spill_defaults.encrypt != 0;    ///< With a key that only this process's memory has.
  bool validate = detail::spill_defaults.validate != 0;  ///< Offsets, UTF-8 and keys of every batch are checked.

  /// As C has them.
  [[nodiscard]] WeirSpillOptions c() const noexcept {
    WeirSpillOptions raw = detail::spill_defaults;
    raw.compression = static_cast<std::int32_t>(compression);
    raw.encrypt = encrypt;
    raw.validate = validate;
    return raw;
  }
};

/// How batches of a spill are read. The defaults are the header's.
struct SpillReadOptions {
  /// Batches are not copied, but lie in the mapped file. Not for spills that are compressed, encrypted, or in an object store:
  /// Status::unsupported.
  bool map = detail::spill_read_defaults.map != 0;
  /// The first map of each batch compares it with its checksum, which reads all of it. Batches that are read are always compared.
  bool verify = detail::spill_read_defaults.verify != 0;

  /// As C has them.
  [[nodiscard]] WeirSpillReadOptions c() const noexcept {
    WeirSpillReadOptions raw = detail::spill_read_defaults;
    raw.map = map;
    raw.verify = verify;
    return raw;
  }
};

/// A position in a spill, from which its bytes are read one after the other. Keeps the spill. Reads take turns.
class SpillReader : public Handle<SpillReader, WeirSpillReader, weir_spill_reader_free> {
 public:
  /// Reads the next bytes into the caller's memory. Gives how many there are: fewer than `size` at the end only, 0 when all were read.
  /// After an error, the reader is where it was.
  Result<std::size_t> read(std::uint8_t *out, std::size_t size, Timeout timeout = forever) {
    return detail::fill<std::size_t>([&](std::size_t *count, WeirError **error) {
      return weir_spill_reader_read(get(), out, size, timeout.milliseconds(), count, error);
    });
  }

  /// read() as an Operation; the buffer is empty when all were read.
  [[nodiscard]] auto read_async(std::size_t size) {
    return detail::operation<Buffer>([reader = get(), size](WeirCompletion completion, WeirError **error) {
      return weir_spill_reader_read_async(reader, size, completion, error);
    });
  }

  /// Sets where the next read begins, once the reads before it are done. Beyond the end nothing is read. When the timeout passes, the reader
  /// is where it was.
  Result<void> seek(std::uint64_t offset, Timeout timeout = forever) {
    return detail::run([&](WeirError **error) { return weir_spill_reader_seek(get(), offset, timeout.milliseconds(), error); });
  }
};

class MappedBytes;

/// What was spilled: bytes, or batches. Deleted, and its bytes returned to the budget, when it is destroyed and no reader, stream or
/// mapped batch of it is left.
class Spill : public Handle<Spill, WeirSpill, weir_spill_free> {
 public:
  static constexpr WeirResult result_kind = WEIR_RESULT_SPILL;  ///< How events tell it.

  /// The bytes, as they were written; of batches, as they were encoded.
  [[nodiscard]] std::uint64_t len() const noexcept { return weir_spill_len(get()); }
  /// The bytes of the store's budget that it takes: more than len() if it is encrypted.
  [[nodiscard]] std::uint64_t stored_bytes() const noexcept { return weir_spill_stored_bytes(get()); }
  /// The rows of all batches; 0 if it has bytes.
  [[nodiscard]] std::uint64_t rows() const noexcept { return weir_spill_rows(get()); }
  /// How many batches were written; 0 if it has bytes.
  [[nodiscard]] std::size_t batch_count() const noexcept { return weir_spill_batch_count(get()); }

  /// The schema of the batches.
  [[nodiscard]] Result<Schema> schema() const {
    return detail::exported<Schema>([&](auto *out, WeirError **error) { return weir_spill_schema(get(), out, error); });
  }

  /// Reads bytes into the caller's memory. Gives how many there are: fewer than `size` at the end only, 0 beyond it.
  Result<std::size_t> read_at(std::uint64_t offset, std::uint8_t *out, std::size_t size, Timeout timeout = forever) const {
    return detail::fill<std::size_t>([&](std::size_t *count, WeirError **error) {
      return weir_spill_read_at(get(), offset, out, size, timeout.milliseconds(), count, error);
    });
  }

  /// read_at() as an Operation.
  [[nodiscard]] auto read_at_async(std::uint64_t offset, std::size_t size) const {
    return detail::operation<Buffer>([spill = get(), offset, size](WeirCompletion completion, WeirError **error) {
      return weir_spill_read_at_async(spill, offset, size, completion, error);
    });
  }

  /// All bytes without copying them: those of a file are mapped. They live as long as the spill. Status::unsupported if it is encrypted or
  /// in an object store.
  [[nodiscard]] Result<ByteView> map() const & {
    const std::uint8_t *data = nullptr;
    std::size_t size = 0;
    auto done = detail::run([&](WeirError **error) { return weir_spill_map(get(), &data, &size, error); });
    if (!done) return done.error();
    return ByteView(data, size);
  }

  /// Maps the spill as an Operation: map() then does no I/O.
  [[nodiscard]] auto map_async() const {
    return detail::operation<void>(
        [spill = get()](WeirCompletion completion, WeirError **error) { return weir_spill_map_async(spill, completion, error); });
  }

  /// All bytes without copying them, as an owner of the spill. After an error the spill is still there.
  [[nodiscard]] Result<MappedBytes> map() &&;

  /// One batch, from 0, in the order in which they were written. Stays valid after the spill is gone. The error's detail `batch` says
  /// which one is damaged.
  [[nodiscard]] Result<Array> batch(std::size_t index, const SpillReadOptions &options = {}, Timeout timeout = forever) const {
    const WeirSpillReadOptions raw = options.c();
    return detail::exported<Array>(
        [&](auto *out, WeirError **error) { return weir_spill_batch(get(), index, &raw, timeout.milliseconds(), out, error); });
  }

  /// batch() as an Operation.
  [[nodiscard]] auto batch_async(std::size_t index, const SpillReadOptions &options = {}) const {
    return detail::operation<Batch>([spill = get(), index, raw = options.c()](WeirCompletion completion, WeirError **error) {
      return weir_spill_batch_async(spill, index, &raw, completion, error);
    });
  }

  /// The batches in order as a stream, with read-ahead: `for (Result<Array> &batch : (*spill.stream()).batches())`. A reader of its own:
  /// the spill may be destroyed before it. A damaged batch is an error of the stream's next().
  [[nodiscard]] Result<ArrayStream> stream(const SpillReadOptions &options = {}) const {
    const WeirSpillReadOptions raw = options.c();
    return detail::exported<ArrayStream>([&](auto *out, WeirError **error) { return weir_spill_stream(get(), &raw, out, error); });
  }

  /// A reader that begins at the first byte; of batches, it reads their encoded bytes. There may be many at once.
  [[nodiscard]] Result<SpillReader> reader() const {
    return detail::make<SpillReader, WeirSpillReader>(
        [&](WeirSpillReader **reader, WeirError **error) { return weir_spill_reader(get(), reader, error); });
  }
};

/// All bytes of a spill, mapped, and the spill that they lie in.
class MappedBytes {
 public:
  /// From a spill and its bytes.
  MappedBytes(Spill &&spill, ByteView bytes) noexcept : spill_(std::move(spill)), bytes_(bytes) {}

  /// The bytes, which live as long as this.
  [[nodiscard]] ByteView bytes() const noexcept { return bytes_; }
  /// The spill that they lie in.
  [[nodiscard]] const Spill &spill() const noexcept { return spill_; }

 private:
  Spill spill_;
  ByteView bytes_;
};

inline Result<MappedBytes> Spill::map() && {
  const Spill &self = *this;
  Result<ByteView> bytes = self.map();
  if (!bytes) return bytes.error();
  return MappedBytes(std::move(*this), *bytes);
}

/// A spill that is being written. Writes take turns and nothing interleaves. Destroying one that was not finished aborts it.
///
/// After an error nothing was written and the writer goes on, as after Status::disk_cap_exceeded (see Error::cap_exceeded()) or
/// Status::storage_full for the floor of free space (details `free_bytes`, `floor_bytes`, `requested_bytes`), unless the error's detail
/// `spill_lost` is 1: then the spill is lost, and later calls say the same. Status::storage, storage_full and permission_denied have that detail.
class SpillWriter : public Handle<SpillWriter, WeirSpillWriter, weir_spill_writer_free> {
 public:
  /// Appends bytes. What fits into the writer's buffer is copied and costs no I/O.
  Result<void> write(ByteView bytes, Timeout timeout = forever) {
    return detail::run([&](WeirError **error) {
      return weir_spill_writer_write(get(), bytes.data(), bytes.size(), timeout.milliseconds(), error);
    });
  }

  /// write() as an Operation. The bytes must live until it is started, and are copied then.
  [[nodiscard]] auto write_async(ByteView bytes) {
    return detail::operation<void>([writer = get(), bytes](WeirCompletion completion, WeirError **error) {
      return weir_spill_writer_write_async(writer, bytes.data(), bytes.size(), completion, error);
    });
  }

  /// Appends bytes that lie in several places, all or none of them.
  Result<void> writev(const ByteView *parts, std::size_t count, Timeout timeout = forever) {
    constexpr std::size_t few = 16;
    if (count > few) {
      std::vector<WeirBytes> many(count);
      return writev(parts, many.data(), count, timeout);
    }
    std::array<WeirBytes, few> raw{};
    return writev(parts, raw.data(), count, timeout);
  }

  /// @copydoc writev
  Result<void> writev(std::initializer_list<ByteView> parts, Timeout timeout = forever) {
    return writev(parts.begin(), parts.size(), timeout);
  }

  /// writev() as an Operation. The bytes must live until it is started, and are copied then.
  [[nodiscard]] auto writev_async(const ByteView *parts, std::size_t count) {
    std::vector<WeirBytes> raw(count);
    for (std::size_t i = 0; i < count; i++) raw[i] = {parts[i].data(), parts[i].size()};
    return detail::operation<void>([writer = get(), raw = std::move(raw)](WeirCompletion completion, WeirError **error) {
      return weir_spill_writer_writev_async(writer, raw.data(), raw.size(), completion, error);
    });
  }

  /// @copydoc writev_async
  [[nodiscard]] auto writev_async(std::initializer_list<ByteView> parts) { return writev_async(parts.begin(), parts.size()); }

  /// Appends a batch, a struct array of the writer's schema; consumes it, whatever it returns. Only its own rows are written, not the
  /// parents of a slice.
  Result<void> write_batch(Array &&batch, Timeout timeout = forever) { return write_batch(batch.get(), timeout); }

  /// write_batch() of a C struct, whose `release` is NULL afterwards.
  Result<void> write_batch(ArrowArray *batch, Timeout timeout = forever) {
    return detail::run([&](WeirError **error) { return weir_spill_writer_write_batch(get(), batch, timeout.milliseconds(), error); });
  }

  /// write_batch() as an Operation. The batch is kept until it is written.
  [[nodiscard]] auto write_batch_async(Array &&batch) {
    return detail::operation<void>([writer = get(), batch = std::move(batch)](WeirCompletion completion, WeirError **error) mutable {
      return weir_spill_writer_write_batch_async(writer, batch.get(), completion, error);
    });
  }

  /// Appends all batches of a stream; consumes it. The stream must not write to the same writer. The error's detail `accepted` says
  /// how many batches were written before it.
  Result<void> write_stream(ArrayStream &&stream, Timeout timeout = forever) { return write_stream(stream.get(), timeout); }

  /// write_stream() of a C struct, whose `release` is NULL afterwards.
  Result<void> write_stream(ArrowArrayStream *stream, Timeout timeout = forever) {
    return detail::run([&](WeirError **error) { return weir_spill_writer_write_stream(get(), stream, timeout.milliseconds(), error); });
  }

  /// write_stream() as an Operation. The stream is read on a thread of weir's.
  [[nodiscard]] auto write_stream_async(ArrayStream &&stream) {
    return detail::operation<void>([writer = get(), stream = std::move(stream)](WeirCompletion completion, WeirError **error) mutable {
      return weir_spill_writer_write_stream_async(writer, stream.get(), completion, error);
    });
  }

  /// The bytes that it took so far: of batches, as they are encoded. Before encryption.
  [[nodiscard]] std::uint64_t len() const noexcept { return weir_spill_writer_len(get()); }

  /// Ends the spill and makes it readable: `std::move(writer).finish()`. The writer is empty afterwards, whatever comes of it; no other
  /// thread may be in a call of it. Never refused by the cap. When the timeout passes while the store works, the spill is lost.
  [[nodiscard]] Result<Spill> finish(Timeout timeout = forever) && {
    const SpillWriter own = std::move(*this);
    return detail::make<Spill, WeirSpill>([&](WeirSpill **spill, WeirError **error) {
      return weir_spill_writer_finish(own.get(), timeout.milliseconds(), spill, error);
    });
  }

  /// finish() as an Operation, which owns the writer from now on: dropped without being started, it aborts it.
  [[nodiscard]] auto finish_async() && {
    return detail::operation<Spill>([own = std::move(*this)](WeirCompletion completion, WeirError **error) {
      return weir_spill_writer_finish_async(own.get(), completion, error);
    });
  }

  /// Deletes what was written and returns its bytes, as destroying the writer does; later calls give Status::closed. Does not wait: a
  /// write that is under way on another thread is the last.
  Result<void> abort() {
    return detail::run([&](WeirError **error) { return weir_spill_writer_abort(get(), error); });
  }

 private:
  Result<void> writev(const ByteView *parts, WeirBytes *raw, std::size_t count, Timeout timeout) {
    for (std::size_t i = 0; i < count; i++) raw[i] = {parts[i].data(), parts[i].size()};
    return detail::run(
        [&](WeirError **error) { return weir_spill_writer_writev(get(), raw, count, timeout.milliseconds(), error); });
  }
};

/// Scratch space for sort runs, partitions, hash tables. What is written is deleted when its last reader lets go of it, and reclaimed
/// by the same user's next process at that place if this one is killed. All that is written through a store obeys its cap together.
class SpillStore : public Handle<SpillStore, WeirSpillStore, weir_spill_store_free> {
 public:
  /// Makes a store. Makes no request, no directory and no thread: that is left to the first write.
  ///
  /// @param session  whose metrics show the store, and whose settings reach its object store
  /// @param options  where the bytes go, and how many may be held
  [[nodiscard]] static Result<SpillStore> create(const Session &session, const SpillStoreOptions &options = {});

  /// Makes a store with a session of its own.
  [[nodiscard]] static Result<SpillStore> create(const SpillStoreOptions &options = {}) {
    if (auto good = check_abi(); !good) return good.error();
    return create(nullptr, options);
  }

  /// Makes a store whose spills count against its own cap and against this one's, such as one per tenant or per query. It shares the place
  /// of this one and has statistics of its own. May be nested, and outlive this one.
  [[nodiscard]] Result<SpillStore> child(std::optional<std::uint64_t> cap_bytes = {}) const {
    return detail::make<SpillStore, WeirSpillStore>([&](WeirSpillStore **child, WeirError **error) {
      return weir_spill_store_child(get(), detail::cap_of(cap_bytes), child, error);
    });
  }

  /// Begins a spill of bytes. Does no I/O.
  [[nodiscard]] Result<SpillWriter> begin(const SpillOptions &options = {}) const {
    const WeirSpillOptions raw = options.c();
    return detail::make<SpillWriter, WeirSpillWriter>(
        [&](WeirSpillWriter **writer, WeirError **error) { return weir_spill_begin(get(), &raw, writer, error); });
  }

  /// Begins a spill of batches of one schema, each of which can be read back by its number. Does no I/O.
  [[nodiscard]] Result<SpillWriter> begin_batches(const Schema &schema, const SpillOptions &options = {}) const {
    const WeirSpillOptions raw = options.c();
    return detail::make<SpillWriter, WeirSpillWriter>([&](WeirSpillWriter **writer, WeirError **error) {
      return weir_spill_begin_batches(get(), schema.get(), &raw, writer, error);
    });
  }

  /// Ends the store for all that share it: no spill begins from now on, neither in it nor in its children (Status::closed). Spills and writers
  /// that are alive go on. Waits until what was destroyed before is gone from storage: an object store deletes in the background, so a program
  /// that ends without this leaves objects behind for a later store to reclaim. If nothing of the store is alive, its own directory is gone
  /// as well, else that goes with the last of them. When the timeout passes, deletion goes on; may be called again.
  Result<void> close(Timeout timeout = forever) const {
    return detail::run([&](WeirError **error) { return weir_spill_store_close(get(), timeout.milliseconds(), error); });
  }

  /// close() as an Operation.
  [[nodiscard]] auto close_async() const {
    return detail::operation<void>(
        [store = get()](WeirCompletion completion, WeirError **error) { return weir_spill_store_close_async(store, completion, error); });
  }

  /// The bytes that the store holds now, its children's included.
  [[nodiscard]] std::uint64_t used_bytes() const noexcept { return weir_spill_store_used_bytes(get()); }

  /// The store's own cap; nullopt if it has none.
  [[nodiscard]] std::optional<std::uint64_t> cap_bytes() const noexcept {
    const std::uint64_t cap = weir_spill_store_cap_bytes(get());
    return cap == detail::no_cap ? std::nullopt : std::optional(cap);
  }

  /// What the store holds and did; its children's figures included, but for `cap_bytes`.
  [[nodiscard]] Result<SpillStats> stats() const {
    return detail::fill<SpillStats>([&](SpillStats *stats, WeirError **error) { return weir_spill_store_stats(get(), stats, error); },
                                    WEIR_SPILL_STATS_INIT);
  }

 private:
  static Result<SpillStore> create(const WeirSession *session, const SpillStoreOptions &options) {
    Error bad;
    const WeirSpillStoreOptions raw = options.c(bad);
    if (bad) return bad;
    return detail::make<SpillStore, WeirSpillStore>(
        [&](WeirSpillStore **store, WeirError **error) { return weir_spill_store_new(session, &raw, store, error); });
  }
};

}  // namespace weir

#include "session.hpp"  // has SpillStore::create(const Session &, …)

#endif
