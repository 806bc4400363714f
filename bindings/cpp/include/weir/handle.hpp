/// @file
/// What all handles share: ownership, timeouts, bytes, texts.
#ifndef WEIR_HANDLE_HPP
#define WEIR_HANDLE_HPP

#include <weir.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "result.hpp"

namespace weir {

/// How long a call may wait: any std::chrono duration, rounded up to milliseconds; nothing or less does not wait at all. A default
/// one waits for ever.
class Timeout {
 public:
  /// For ever.
  constexpr Timeout() noexcept = default;

  /// As long as a duration. One that does not fit is for ever.
  template <class Rep, class Period>
  constexpr Timeout(std::chrono::duration<Rep, Period> duration) noexcept  // NOLINT(google-explicit-constructor)
      : milliseconds_(from(duration)) {}

  /// Until a point in time.
  template <class Clock, class Duration>
  [[nodiscard]] static Timeout until(std::chrono::time_point<Clock, Duration> time) {
    return Timeout(time - Clock::now());
  }

  /// As the C functions take it: negative for ever.
  [[nodiscard]] constexpr std::int64_t milliseconds() const noexcept { return milliseconds_; }

 private:
  template <class Rep, class Period>
  static constexpr std::int64_t from(std::chrono::duration<Rep, Period> duration) noexcept {
    using Millis = std::chrono::duration<std::int64_t, std::milli>;
    const double seconds = std::chrono::duration<double>(duration).count();
    if (!(seconds > 0)) return 0;  // also not a number
    return seconds > 9e12 ? -1 : std::chrono::ceil<Millis>(duration).count();
  }

  std::int64_t milliseconds_ = -1;
};

/// Waits for ever.
inline constexpr Timeout forever{};
/// Does not wait.
inline constexpr Timeout no_wait{std::chrono::milliseconds(0)};

/// Bytes that are someone else's; empty is (nullptr, 0). Converts to std::span<const uint8_t>.
class ByteView {
 public:
  /// Empty.
  constexpr ByteView() noexcept = default;
  /// `size` bytes from `data` on.
  constexpr ByteView(const std::uint8_t *data, std::size_t size) noexcept : data_(size ? data : nullptr), size_(size) {}
  /// The bytes of a container of bytes, such as a std::vector<std::uint8_t>.
  template <class C, class = std::enable_if_t<std::is_convertible_v<decltype(std::declval<const C &>().data()), const std::uint8_t *>>>
  ByteView(const C &bytes) noexcept : ByteView(bytes.data(), bytes.size()) {}  // NOLINT(google-explicit-constructor)
  /// The bytes of a text.
  explicit ByteView(std::string_view text) noexcept : ByteView(reinterpret_cast<const std::uint8_t *>(text.data()), text.size()) {}

  /// The first byte; nullptr if empty.
  [[nodiscard]] constexpr const std::uint8_t *data() const noexcept { return data_; }
  /// How many.
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  /// Whether there are none.
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
  /// For ranges.
  [[nodiscard]] constexpr const std::uint8_t *begin() const noexcept { return data_; }
  /// For ranges.
  [[nodiscard]] constexpr const std::uint8_t *end() const noexcept { return data_ + size_; }
  /// The bytes as text.
  [[nodiscard]] std::string_view text() const noexcept { return {reinterpret_cast<const char *>(data_), size_}; }

 private:
  const std::uint8_t *data_ = nullptr;
  std::size_t size_ = 0;
};

/// Owns a C handle: move-only; a default or moved-from one is empty, and calls on it give Status::invalid_argument.
///
/// All calls on one handle but its destruction (and moves from or to it) may run at once on several threads. Share it as
/// `std::shared_ptr<Writer>` or by reference from a place that outlives the calls; close() from any thread ends them.
template <class Self, class C, void (*Free)(C *)>
class Handle {
 public:
  /// Takes ownership.
  [[nodiscard]] static Self adopt(C *raw) noexcept {
    Self self;
    self.raw_.reset(raw);
    return self;
  }
  /// The C handle, borrowed.
  [[nodiscard]] C *get() const noexcept { return raw_.get(); }
  /// Gives the C handle away; the receiver frees it.
  [[nodiscard]] C *release() noexcept { return raw_.release(); }
  /// Frees the C handle.
  void reset() noexcept { raw_.reset(); }
  /// Whether there is a C handle.
  [[nodiscard]] explicit operator bool() const noexcept { return raw_ != nullptr; }

 protected:
  Handle() noexcept = default;
  ~Handle() = default;
  /// Moves, and leaves the other one empty.
  Handle(Handle &&) noexcept = default;
  /// Moves; frees what this one had.
  Handle &operator=(Handle &&) noexcept = default;

 private:
  struct Deleter {
    void operator()(C *raw) const noexcept { Free(raw); }
  };
  std::unique_ptr<C, Deleter> raw_;
};

namespace detail {

/// Runs a fallible C call that takes only the error besides.
template <class Call>
Result<void> run(Call &&call) {
  WeirError *error = nullptr;
  const WeirStatus status = call(&error);
  if (status != WEIR_STATUS_OK) return Error::adopt(status, error);
  return {};
}

/// Runs a fallible C call that gives a handle.
template <class H, class C, class Call>
Result<H> make(Call &&call) {
  C *raw = nullptr;
  WeirError *error = nullptr;
  const WeirStatus status = call(&raw, &error);
  if (status != WEIR_STATUS_OK) return Error::adopt(status, error);
  return H::adopt(raw);
}

/// Runs a fallible C call that fills a struct of the C data interface, for what owns such: a Schema, an Array, an ArrayStream.
template <class Owner, class Call>
Result<Owner> exported(Call &&call) {
  Owner owner;
  WeirError *error = nullptr;
  const WeirStatus status = call(owner.out(), &error);
  if (status != WEIR_STATUS_OK) return Error::adopt(status, error);
  return owner;
}

/// Runs a fallible C call that fills a plain value.
template <class T, class Call>
Result<T> fill(Call &&call, T value = {}) {
  WeirError *error = nullptr;
  const WeirStatus status = call(&value, &error);
  if (status != WEIR_STATUS_OK) return Error::adopt(status, error);
  return value;
}

/// C takes NUL-terminated texts: one with a NUL inside would be cut silently.
inline Result<void> check_texts(std::initializer_list<std::string_view> texts) {
  for (std::string_view text : texts) {
    if (text.find('\0') != std::string_view::npos)
      return Error(Status::invalid_argument, Action::fix, "a text has a NUL inside: \"" + std::string(text.substr(0, text.find('\0'))) + "\"");
  }
  return {};
}

/// Puts a duration, counted in its own unit, into a field of a C struct; one that is negative or does not fit is an error that names it.
template <class Field, class Duration>
void set_duration(Field &field, Duration duration, const char *name, Error &error) {
  const auto count = duration.count();
  using Widest = std::common_type_t<decltype(count), std::int64_t>;
  if (count >= 0 && static_cast<Widest>(count) <= static_cast<Widest>(std::numeric_limits<Field>::max())) {
    field = static_cast<Field>(count);
  } else {
    error = Error(Status::invalid_argument, Action::fix, std::string(name) + " is out of range: " + std::to_string(count));
  }
}

/// Puts a count into a field of a C struct; one that does not fit is an error that names it.
template <class Field>
void set_count(Field &field, std::uint64_t count, const char *name, Error &error) {
  if (count <= static_cast<std::uint64_t>(std::numeric_limits<Field>::max())) {
    field = static_cast<Field>(count);
  } else {
    error = Error(Status::invalid_argument, Action::fix, std::string(name) + " is out of range: " + std::to_string(count));
  }
}

/// The lines of a text, each of which ends with a newline or the text.
inline std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

}  // namespace detail

/// Bytes that the library gives away, text as a rule.
class Buffer : public Handle<Buffer, WeirBuffer, weir_buffer_free> {
 public:
  static constexpr WeirResult result_kind = WEIR_RESULT_BUFFER;  ///< How events tell it.

  /// The bytes, which live as long as the buffer.
  [[nodiscard]] ByteView bytes() const noexcept {
    return {reinterpret_cast<const std::uint8_t *>(weir_buffer_data(get())), weir_buffer_len(get())};
  }
  /// The bytes as text, which lives as long as the buffer.
  [[nodiscard]] std::string_view text() const noexcept { return bytes().text(); }
};

/// The version of the library, such as `0.1.0`.
[[nodiscard]] inline std::string_view version() noexcept { return weir_version(); }

/// How many objects the library has given out that were not freed yet; 0 at the end of a program that leaks none.
[[nodiscard]] inline std::uint64_t live_handles() noexcept { return weir_live_handles(); }

/// Whether the library serves the ABI that this header was made for; Session::create() checks it.
inline Result<void> check_abi() {
  if (weir_abi_version() == WEIR_ABI_VERSION) return {};
  return Error(Status::unsupported, Action::fix,
               "libweir " + std::string(version()) + " has ABI " + std::to_string(weir_abi_version()) + ", and the program was built for ABI " +
                   std::to_string(WEIR_ABI_VERSION));
}

}  // namespace weir

#endif
