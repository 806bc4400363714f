/// @file
/// Owners of the Arrow C data and stream interfaces' structs, and ranges over what is read one by one.
#ifndef WEIR_C_DATA_HPP
#define WEIR_C_DATA_HPP

#include <weir.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "handle.hpp"

namespace weir {

/// How entries and spilled batches are compressed.
enum class Compression : std::int32_t {
  none = WEIR_COMPRESSION_NONE,  ///< Not at all.
  lz4 = WEIR_COMPRESSION_LZ4,    ///< LZ4 frames: fast.
  zstd = WEIR_COMPRESSION_ZSTD   ///< Zstandard: small.
};

namespace detail {

/// Owns one of the C structs: releases it unless it was moved out. Move-only.
template <class C>
class CData {
 public:
  /// Empty.
  CData() noexcept : raw_{} {}
  /// Takes over what the struct owns, and marks the struct as released.
  explicit CData(C *from) noexcept : CData() { std::swap(raw_, *from); }
  /// Takes over what the struct owns.
  explicit CData(C &&from) noexcept : CData(&from) {}
  CData(CData &&other) noexcept : raw_(other.detach()) {}
  CData &operator=(CData &&other) noexcept {
    if (this != &other) {
      reset();
      raw_ = other.detach();
    }
    return *this;
  }
  ~CData() { reset(); }

  /// The struct, borrowed. A callee that consumes it leaves it empty.
  [[nodiscard]] C *get() noexcept { return &raw_; }
  /// @copydoc get
  [[nodiscard]] const C *get() const noexcept { return &raw_; }
  /// A field of the struct.
  [[nodiscard]] const C *operator->() const noexcept { return &raw_; }
  /// The struct to be filled by a producer; what was in it is released.
  [[nodiscard]] C *out() noexcept {
    reset();
    return &raw_;
  }
  /// The struct and what it owns, to be released by the receiver. This one is empty then.
  [[nodiscard]] C detach() noexcept {
    C moved = raw_;
    raw_ = C{};
    return moved;
  }
  /// Releases what there is.
  void reset() noexcept {
    if (raw_.release != nullptr) raw_.release(&raw_);
    raw_ = C{};
  }
  /// Whether there is something.
  [[nodiscard]] explicit operator bool() const noexcept { return raw_.release != nullptr; }

 private:
  C raw_;
};

/// A single-pass range over what `Source::pull()` gives, each a Result<Item>: ends at its nullopt, or after an error. A range
/// can be gone through once.
template <class Source>
class InputRange {
  using Pulled = decltype(std::declval<Source &>().pull());  // std::optional<Result<Item>>

 public:
  using value_type = typename Pulled::value_type;  ///< Result<Item>

  /// Over a source.
  explicit InputRange(Source source) : source_(std::move(source)) {}

  /// Goes through the range; two are equal at its end only.
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;  ///< Single pass.
    using value_type = InputRange::value_type;          ///< Result<Item>
    using difference_type = std::ptrdiff_t;             ///< As iterators must say.
    using pointer = value_type *;                       ///< As iterators must say.
    using reference = value_type &;                     ///< May be moved from.

    iterator() noexcept = default;
    explicit iterator(InputRange *range) : range_(range) { advance(); }
    [[nodiscard]] reference operator*() const { return *range_->current_; }
    [[nodiscard]] pointer operator->() const { return &*range_->current_; }
    iterator &operator++() {
      advance();
      return *this;
    }
    void operator++(int) { advance(); }
    [[nodiscard]] friend bool operator==(const iterator &a, const iterator &b) noexcept { return a.range_ == b.range_; }
    [[nodiscard]] friend bool operator!=(const iterator &a, const iterator &b) noexcept { return a.range_ != b.range_; }

   private:
    void advance() {
      if (!range_->next()) range_ = nullptr;
    }
    InputRange *range_ = nullptr;
  };

  /// Pulls the first. May be called once.
  [[nodiscard]] iterator begin() { return iterator(this); }
  /// The end.
  [[nodiscard]] iterator end() noexcept { return iterator(); }

 private:
  bool next() {
    const bool failed = current_ && !*current_;
    current_.reset();
    if (!failed) {
      Pulled pulled = source_.pull();
      if (pulled) current_.emplace(std::move(*pulled));
    }
    return current_.has_value();
  }

  Source source_;
  std::optional<value_type> current_;
};

/// Room for one thing per value of an array. The library refuses a length below 0; no room is made for it.
inline std::size_t room_for(std::int64_t length) noexcept { return length > 0 ? static_cast<std::size_t>(length) : 0; }

/// What a range reads from: a pointer to it, or it itself, moved into the range.
template <class T>
T &held(T *own) noexcept {
  return *own;
}
template <class T>
T &held(T &own) noexcept {
  return own;
}

/// Makes what a source gives on `next()`, a Result<std::optional<Item>>, fit for InputRange.
template <class Item>
std::optional<Result<Item>> pulled(Result<std::optional<Item>> next) {
  if (!next) return Result<Item>(next.error());
  if (!*next) return std::nullopt;
  return Result<Item>(std::move(**next));
}

}  // namespace detail

/// Owns an ArrowSchema.
class Schema : public detail::CData<ArrowSchema> {
 public:
  using CData::CData;
  /// How many columns a batch of the schema has.
  [[nodiscard]] std::int64_t columns() const noexcept { return get()->n_children; }
};

/// Owns an ArrowArray: a batch as a struct array, or a column.
class Array : public detail::CData<ArrowArray> {
 public:
  using CData::CData;
  /// Rows, or values.
  [[nodiscard]] std::int64_t length() const noexcept { return get()->length; }
};

/// Owns an ArrowArrayStream.
class ArrayStream : public detail::CData<ArrowArrayStream> {
 public:
  using CData::CData;

  /// The schema of the stream's batches.
  [[nodiscard]] Result<Schema> schema() {
    Schema schema;
    if (!*this) return empty();
    if (const int code = get()->get_schema(get(), schema.out()); code != 0) return failed(code);
    return schema;
  }

  /// The next batch; nullopt at the end.
  [[nodiscard]] Result<std::optional<Array>> next() {
    Array array;
    if (!*this) return empty();
    if (const int code = get()->get_next(get(), array.out()); code != 0) return failed(code);
    if (!array) return std::optional<Array>();
    return std::optional<Array>(std::move(array));
  }

 private:
  template <class Own>
  struct Source {
    Own stream;
    std::optional<Result<Array>> pull() { return detail::pulled(detail::held(stream).next()); }
  };

 public:
  /// The batches from here on: `for (Result<Array> &batch : stream.batches())`. The stream must outlive the range, unless it is moved into
  /// it: `std::move(stream).batches()`.
  [[nodiscard]] detail::InputRange<Source<ArrayStream *>> batches() & { return detail::InputRange<Source<ArrayStream *>>({this}); }
  /// @copydoc batches
  [[nodiscard]] detail::InputRange<Source<ArrayStream>> batches() && { return detail::InputRange<Source<ArrayStream>>({std::move(*this)}); }

 private:
  static Error empty() { return Error(Status::invalid_argument, Action::fix, "the stream is empty or was released"); }

  /// A stream tells no more than an errno and a text.
  [[nodiscard]] Error failed(int code) {
    const char *text = get()->get_last_error(get());
    std::string message = text != nullptr ? text : "the stream failed with errno " + std::to_string(code);
    return Error(status_of(code), Action::fix, std::move(message));
  }

  static Status status_of(int code) noexcept {
    switch (code) {
      case EINVAL:
        return Status::invalid_data;
      case ENOENT:
        return Status::not_found;
      case ENOTSUP:
        return Status::unsupported;
      case EACCES:
        return Status::permission_denied;
      case ETIMEDOUT:
        return Status::timed_out;
      case ECANCELED:
        return Status::cancelled;
      case EBADF:
        return Status::closed;
      case EDEADLK:
        return Status::would_deadlock;
      default:
        return Status::storage;
    }
  }
};

/// What there is under a primary key.
enum class KeyState : std::uint8_t {
  missing = WEIR_KEY_MISSING,  ///< It was never put, or what was known of it was merged away with its deletion.
  found = WEIR_KEY_FOUND,      ///< A row.
  deleted = WEIR_KEY_DELETED   ///< It was deleted.
};

/// A batch, as `…_async` calls and scans give it. Immutable.
class Batch : public Handle<Batch, WeirBatch, weir_batch_free> {
 public:
  static constexpr WeirResult result_kind = WEIR_RESULT_BATCH;  ///< How events tell it.

  /// The batch as a struct array, without copying. Stays valid after the batch is gone.
  [[nodiscard]] Result<Array> array() const {
    return detail::exported<Array>([&](auto *out, WeirError **error) { return weir_batch_array(get(), out, error); });
  }

  /// Its schema.
  [[nodiscard]] Result<Schema> schema() const {
    return detail::exported<Schema>([&](auto *out, WeirError **error) { return weir_batch_schema(get(), out, error); });
  }

  /// The number of rows.
  [[nodiscard]] std::uint64_t rows() const noexcept { return weir_batch_rows(get()); }

  /// The states of the keys that were asked for, in their order; none if it is no get's.
  [[nodiscard]] std::vector<KeyState> key_states() const {
    const std::uint8_t *states = nullptr;
    std::size_t len = 0;
    weir_batch_states(get(), &states, &len);
    std::vector<KeyState> own(len);
    for (std::size_t i = 0; i < len; i++) own[i] = static_cast<KeyState>(states[i]);
    return own;
  }
};

/// Opens an Arrow IPC file or IPC stream on a local disk as a stream of batches. Every byte of it is checked: a damaged file is
/// an error, here or of the stream's next().
[[nodiscard]] inline Result<ArrayStream> open_ipc_file(const std::string &path) {
  if (auto good = detail::check_texts({path}); !good) return good.error();
  return detail::exported<ArrayStream>([&](auto *out, WeirError **error) { return weir_ipc_open_file(path.c_str(), out, error); });
}

}  // namespace weir

#endif
