/// @file
/// Reading a shard's rows: scans, and gets by primary key. What Writer and Snapshot have in common.
#ifndef WEIR_READS_HPP
#define WEIR_READS_HPP

#include <weir.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "async.hpp"
#include "c_data.hpp"
#include "value.hpp"

namespace weir {

/// What a get came to.
struct GetResult {
  Array rows;                     ///< The rows that were found, in the order of the keys, of `read_schema()`.
  std::vector<KeyState> states;   ///< One for each key, in their order.
};

/// What there is to be read by key, and how: see Writer::get_rows().
struct GetOptions {
  std::vector<std::string> columns = {};  ///< Those that are wanted, in this order; empty = all.
};

namespace detail {
inline constexpr WeirScanOptions scan_defaults = WEIR_SCAN_OPTIONS_INIT;
inline constexpr WeirGetOptions get_defaults = WEIR_GET_OPTIONS_INIT;
}  // namespace detail

/// Options of Writer::scan() and Snapshot::scan(). With C++20, `{.columns = {"id"}, .where = weir::where("id") >= 5, .limit = 10}`.
struct ScanOptions {
  std::vector<std::string> columns = {};  ///< Those that are wanted, in this order; empty = all.
  Filter where = {};                      ///< What must hold for a row.
  std::optional<std::uint64_t> limit = {};  ///< The most rows that are given; default all.
  bool with_position = false;    ///< The column `_position` (uint64) comes, too: the row's number in its generation or MemTable.
  bool with_generation = false;  ///< The column `_generation` (uint64) comes, too: that of the row, or that its MemTable will be.
  bool with_tombstones = false;  ///< Deleted keys come, too, told apart by the column `_tombstone` (bool), behind the others.
  std::uint32_t batch_rows = detail::scan_defaults.batch_rows;  ///< The rows that a batch has at most.
};

namespace detail {

/// Texts, and pointers to them. A moved one's pointers stay good.
class Texts {
 public:
  Texts() = default;
  explicit Texts(std::vector<std::string> texts) : texts_(std::move(texts)) {
    pointers_.reserve(texts_.size());
    for (const std::string &text : texts_) pointers_.push_back(text.c_str());
  }
  Texts(Texts &&) noexcept = default;
  Texts &operator=(Texts &&) noexcept = default;

  [[nodiscard]] const char *const *data() const noexcept { return pointers_.empty() ? nullptr : pointers_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return pointers_.size(); }
  /// As check_texts().
  [[nodiscard]] Result<void> check() const {
    for (const std::string &text : texts_) {
      if (auto good = check_texts({text}); !good) return good;
    }
    return {};
  }

 private:
  std::vector<std::string> texts_;
  std::vector<const char *> pointers_;
};

/// Options of a scan as C has them, with what they point to. They borrow from the options.
class ScanCall {
 public:
  explicit ScanCall(const ScanOptions &options) : columns_(options.columns), raw_(scan_defaults) {
    for (const Comparison &each : options.where.comparisons()) {
      comparisons_.push_back({each.column.c_str(), static_cast<std::int32_t>(each.op), 0});
      names_.push_back(each.column);
    }
    raw_.with_position = options.with_position;
    raw_.with_generation = options.with_generation;
    raw_.with_tombstones = options.with_tombstones;
    raw_.columns = columns_.data();
    raw_.columns_len = columns_.size();
    raw_.comparisons = comparisons_.empty() ? nullptr : comparisons_.data();
    raw_.comparisons_len = comparisons_.size();
    raw_.limit = options.limit.value_or(UINT64_MAX);
    raw_.batch_rows = options.batch_rows;
  }
  ScanCall(const ScanCall &) = delete;
  ScanCall &operator=(const ScanCall &) = delete;

  [[nodiscard]] const WeirScanOptions *get() const noexcept { return &raw_; }
  [[nodiscard]] Result<void> check() const {
    if (auto good = columns_.check(); !good) return good;
    for (std::string_view name : names_) {
      if (auto good = check_texts({name}); !good) return good;
    }
    return {};
  }

 private:
  Texts columns_;
  std::vector<std::string_view> names_;
  std::vector<WeirComparison> comparisons_;
  WeirScanOptions raw_;
};

/// The values of a filter, one column for each comparison that has one; none if there are none.
inline std::vector<Column> values_of(const Filter &filter) {
  std::vector<Column> columns;
  for (const Comparison &each : filter.comparisons()) {
    if (each.value) columns.push_back(each.value->column());
  }
  return columns;
}

/// What a get gives with a completion.
template <>
struct Decode<GetResult> {
  static Result<GetResult> from(WeirEvent &event) {
    return Decode<Batch>::from(event).and_then([](Batch batch) -> Result<GetResult> {
      auto rows = batch.array();
      if (!rows) return rows.error();
      return GetResult{std::move(*rows), batch.key_states()};
    });
  }
};

}  // namespace detail

/// A scan: rows of one moment, read as they are asked for. See Handle for threads; next() calls take turns. It may outlive what it was
/// begun on.
class Scan : public Handle<Scan, WeirScan, weir_scan_free> {
 public:
  /// The schema of the batches.
  [[nodiscard]] Result<Schema> schema() const {
    return detail::exported<Schema>([&](auto *out, WeirError **error) { return weir_scan_schema(get(), out, error); });
  }

  /// The next rows, at least one; nullopt at the end. After an error, such as Status::timed_out, the scan is where it was;
  /// Status::not_found if what it reads was merged and removed meanwhile: begin anew.
  Result<std::optional<Batch>> next(Timeout timeout = forever) {
    WeirBatch *raw = nullptr;
    WeirError *error = nullptr;
    const WeirStatus status = weir_scan_next(get(), timeout.milliseconds(), &raw, &error);
    if (status != WEIR_STATUS_OK) return Error::adopt(status, error);
    if (raw == nullptr) return std::optional<Batch>();
    return std::optional<Batch>(Batch::adopt(raw));
  }

  /// next() as an Operation.
  [[nodiscard]] auto next_async() {
    return detail::operation<std::optional<Batch>>(
        [scan = get()](WeirCompletion completion, WeirError **error) { return weir_scan_next_async(scan, completion, error); });
  }

  /// The rest of the rows as a stream, which has them from then on: a later next() is Status::closed. The scan may be destroyed before it.
  [[nodiscard]] Result<ArrayStream> stream() {
    return detail::exported<ArrayStream>([&](auto *out, WeirError **error) { return weir_scan_stream(get(), out, error); });
  }

 private:
  template <class Own>
  struct Source {
    Own scan;
    Timeout timeout;
    std::optional<Result<Batch>> pull() { return detail::pulled(detail::held(scan).next(timeout)); }
  };

 public:
  /// The batches from here on: `for (Result<Batch> &batch : scan.batches())`. Ends after an error. The scan must outlive the range, unless it
  /// is moved into it: `std::move(scan).batches()`.
  [[nodiscard]] detail::InputRange<Source<Scan *>> batches(Timeout timeout = forever) & {
    return detail::InputRange<Source<Scan *>>({this, timeout});
  }
  /// @copydoc batches
  [[nodiscard]] detail::InputRange<Source<Scan>> batches(Timeout timeout = forever) && {
    return detail::InputRange<Source<Scan>>({std::move(*this), timeout});
  }
};

/// The reads of `Self`, a handle; `Calls` are its C functions.
template <class Self, class Calls>
class Reads {
 public:
  /// Begins a scan of the newest rows: all that were acknowledged (admitted, without WriterOptions::durable). It sees one moment, however
  /// long it takes. Rows come in the order in which they were put; of rows of one primary key, the newest. Nothing is read yet.
  [[nodiscard]] Result<Scan> scan(const ScanOptions &options = {}) const {
    std::vector<detail::Column> columns = detail::values_of(options.where);
    if (columns.empty()) return begin(options, nullptr, nullptr);
    const Schema schema = detail::schema_of(columns);
    Array values = detail::array_of(std::move(columns));
    return begin(options, values.get(), schema.get());
  }

  /// scan() with the values to compare with as Arrow data: a struct array of one row, with a child for each comparison of Where::compare(), in
  /// their order; consumed, whatever it returns. No comparison has a value of its own.
  [[nodiscard]] Result<Scan> scan(const ScanOptions &options, Array &&values, const Schema &values_schema) const {
    Array own = std::move(values);
    if (!detail::values_of(options.where).empty())
      return Error(Status::invalid_argument, Action::fix, "the values come as Arrow data, and a comparison has one of its own");
    return begin(options, own.get(), values_schema.get());
  }

  /// The newest rows of some primary keys, and the state of each key; consumes the keys, whatever it returns. A key may be asked for more than
  /// once. An answer that is in memory takes no other thread. Status::invalid_data for a key that is null, unsupported without MemTables or
  /// without a primary key.
  [[nodiscard]] Result<GetResult> get_rows(Keys keys, const GetOptions &options = {}, Timeout timeout = forever) const {
    const detail::Texts columns(options.columns);
    if (auto good = columns.check(); !good) return good.error();
    const WeirGetOptions raw = get_options(columns);
    GetResult result{Array(), std::vector<KeyState>(detail::room_for(keys.length()))};
    WeirError *error = nullptr;
    const WeirStatus status = Calls::get(handle(), keys.array(), keys.schema(), &raw, timeout.milliseconds(),
                                         reinterpret_cast<std::uint8_t *>(result.states.data()), result.states.size(), result.rows.out(), &error);
    if (status != WEIR_STATUS_OK) return Error::adopt(status, error);
    return result;
  }

  /// get_rows() as an Operation.
  [[nodiscard]] auto get_rows_async(Keys keys, const GetOptions &options = {}) const {
    return detail::operation<GetResult>(
        [reader = handle(), keys = std::move(keys), columns = detail::Texts(options.columns)](WeirCompletion completion, WeirError **error) mutable {
          const WeirGetOptions raw = get_options(columns);
          return Calls::get_async(reader, keys.array(), keys.schema(), &raw, completion, error);
        });
  }

  /// The schema of keys: the primary key's columns, in the key's order. Status::unsupported without one.
  [[nodiscard]] Result<Schema> key_schema() const {
    return detail::exported<Schema>([&](auto *out, WeirError **error) { return Calls::key_schema(handle(), out, error); });
  }

  /// The schema of the rows that get_rows() gives for these columns; empty = all.
  [[nodiscard]] Result<Schema> read_schema(const std::vector<std::string> &columns = {}) const {
    const detail::Texts names(columns);
    if (auto good = names.check(); !good) return good.error();
    return detail::exported<Schema>(
        [&](auto *out, WeirError **error) { return Calls::read_schema(handle(), names.data(), names.size(), out, error); });
  }

 protected:
  Reads() noexcept = default;
  ~Reads() = default;
  Reads(Reads &&) noexcept = default;             ///< Has nothing of its own.
  Reads &operator=(Reads &&) noexcept = default;  ///< Has nothing of its own.

 private:
  [[nodiscard]] auto handle() const noexcept { return static_cast<const Self *>(this)->get(); }

  [[nodiscard]] static WeirGetOptions get_options(const detail::Texts &columns) noexcept {
    WeirGetOptions raw = detail::get_defaults;
    raw.columns = columns.data();
    raw.columns_len = columns.size();
    return raw;
  }

  [[nodiscard]] Result<Scan> begin(const ScanOptions &options, ArrowArray *values, const ArrowSchema *schema) const {
    const detail::ScanCall call(options);
    if (auto good = call.check(); !good) return good.error();
    return detail::make<Scan, WeirScan>(
        [&](WeirScan **scan, WeirError **error) { return Calls::scan(handle(), call.get(), values, schema, scan, error); });
  }
};

}  // namespace weir

#endif
