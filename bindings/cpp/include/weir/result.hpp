/// @file
/// Result<T>: a value, or the error instead of it.
#ifndef WEIR_RESULT_HPP
#define WEIR_RESULT_HPP

#include <cassert>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "error.hpp"

namespace weir {

template <class T>
class Result;

namespace detail {
template <class T>
struct IsResult : std::false_type {};
template <class T>
struct IsResult<Result<T>> : std::true_type {};
}  // namespace detail

/// A value or an error, in the manner of `std::expected`: test it, then use `*result`, `result->…` or `result.error()`. Nothing here
/// throws but value(), so exceptions are the caller's choice, call by call.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;     ///< What it holds on success.
  using error_type = Error; ///< What it holds else.

  /// Success.
  template <class U = T, class = std::enable_if_t<std::is_convertible_v<U &&, T> && !detail::IsResult<std::decay_t<U>>::value &&
                                                  !std::is_same_v<std::decay_t<U>, Error>>>
  Result(U &&value) : value_(std::in_place, std::forward<U>(value)) {}  // NOLINT(google-explicit-constructor)

  /// Failure. `error` is one: not a default-constructed Error.
  Result(Error error) noexcept : error_(std::move(error)) { assert(error_); }  // NOLINT(google-explicit-constructor)

  /// Whether there is a value.
  [[nodiscard]] bool has_value() const noexcept { return value_.has_value(); }
  /// Whether there is a value.
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

  /// The value, which must be there.
  [[nodiscard]] T &operator*() & noexcept { return assert(has_value()), *value_; }
  /// @copydoc operator*
  [[nodiscard]] const T &operator*() const & noexcept { return assert(has_value()), *value_; }
  /// @copydoc operator*
  [[nodiscard]] T &&operator*() && noexcept { return assert(has_value()), std::move(*value_); }
  /// A member of the value, which must be there.
  [[nodiscard]] T *operator->() noexcept { return assert(has_value()), &*value_; }
  /// @copydoc operator->
  [[nodiscard]] const T *operator->() const noexcept { return assert(has_value()), &*value_; }

  /// The value; throws Exception if there is none.
  T &value() & { return check(), *value_; }
  /// @copydoc value
  const T &value() const & { return check(), *value_; }
  /// @copydoc value
  T &&value() && { return check(), std::move(*value_); }

  /// The value, or `other` if there is none.
  template <class U>
  [[nodiscard]] T value_or(U &&other) && {
    return has_value() ? std::move(*value_) : static_cast<T>(std::forward<U>(other));
  }

  /// The error; no error if there is a value.
  [[nodiscard]] const Error &error() const noexcept { return error_; }
  /// The error's status; Status::ok if there is a value.
  [[nodiscard]] Status status() const noexcept { return error_.status(); }

  /// What `f(value)` gives, itself a Result; or this error.
  template <class F>
  [[nodiscard]] auto and_then(F &&f) && -> std::invoke_result_t<F, T &&> {
    if (!has_value()) return error_;
    return std::invoke(std::forward<F>(f), std::move(*value_));
  }

  /// A Result of what `f(value)` gives; or this error.
  template <class F>
  [[nodiscard]] auto transform(F &&f) && -> Result<std::invoke_result_t<F, T &&>>;

  /// This value; or what `f(error)` gives, itself a Result of the same type.
  template <class F>
  [[nodiscard]] Result or_else(F &&f) && {
    if (has_value()) return std::move(*this);
    return std::invoke(std::forward<F>(f), error_);
  }

 private:
  void check() const {
    if (!has_value()) raise(error_);
  }

  std::optional<T> value_;
  Error error_;
};

/// Success or an error.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;  ///< Nothing.
  using error_type = Error; ///< What it holds on failure.

  /// Success.
  Result() noexcept = default;
  /// Failure. `error` is one: not a default-constructed Error.
  Result(Error error) noexcept : error_(std::move(error)) { assert(error_); }  // NOLINT(google-explicit-constructor)

  /// Whether it succeeded.
  [[nodiscard]] bool has_value() const noexcept { return !error_; }
  /// Whether it succeeded.
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }
  /// Throws Exception if it failed.
  void value() const {
    if (error_) raise(error_);
  }
  /// The error, or no error.
  [[nodiscard]] const Error &error() const noexcept { return error_; }
  /// The error's status; Status::ok on success.
  [[nodiscard]] Status status() const noexcept { return error_.status(); }

  /// What `f()` gives, itself a Result; or this error.
  template <class F>
  [[nodiscard]] auto and_then(F &&f) const -> std::invoke_result_t<F> {
    if (error_) return error_;
    return std::invoke(std::forward<F>(f));
  }

 private:
  Error error_;
};

template <class T>
template <class F>
auto Result<T>::transform(F &&f) && -> Result<std::invoke_result_t<F, T &&>> {
  if (!has_value()) return error_;
  if constexpr (std::is_void_v<std::invoke_result_t<F, T &&>>) {
    std::invoke(std::forward<F>(f), std::move(*value_));
    return {};
  } else {
    return std::invoke(std::forward<F>(f), std::move(*value_));
  }
}

}  // namespace weir

#endif
