/// @file
/// Errors: what a call came to, what to do about it, and its typed details.
#ifndef WEIR_ERROR_HPP
#define WEIR_ERROR_HPP

#include <weir.h>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

/// 1 where `value()` may throw; define it as 0 to have it end the program instead. By default as the compiler is set.
#ifndef WEIR_EXCEPTIONS
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define WEIR_EXCEPTIONS 1
#else
#define WEIR_EXCEPTIONS 0
#endif
#endif

namespace weir {

/// What a call came to. See `enum WeirStatus` in weir.h for when each is returned; a later library may add some.
enum class Status : std::int32_t {
  ok = WEIR_STATUS_OK,                                    ///< Success.
  invalid_argument = WEIR_STATUS_INVALID_ARGUMENT,        ///< An argument, option or URL is not valid.
  schema_mismatch = WEIR_STATUS_SCHEMA_MISMATCH,          ///< A batch does not have the writer's schema, or a schema cannot be stored.
  invalid_data = WEIR_STATUS_INVALID_DATA,                ///< Arrow data handed in breaks the format's rules.
  not_found = WEIR_STATUS_NOT_FOUND,                      ///< The root, shard, entry or object does not exist.
  already_exists = WEIR_STATUS_ALREADY_EXISTS,            ///< What was to be created exists.
  unsupported = WEIR_STATUS_UNSUPPORTED,                  ///< The store, scheme, format or feature is not supported.
  storage = WEIR_STATUS_STORAGE,                          ///< The store failed; for a write, the outcome may be unknown.
  storage_full = WEIR_STATUS_STORAGE_FULL,                ///< The store has no room left.
  permission_denied = WEIR_STATUS_PERMISSION_DENIED,      ///< The store refused access.
  corruption = WEIR_STATUS_CORRUPTION,                    ///< Bytes on storage are not what was written.
  fenced = WEIR_STATUS_FENCED,                            ///< Another writer claimed the shard with a higher epoch.
  poisoned = WEIR_STATUS_POISONED,                        ///< An append failed for good.
  sealed = WEIR_STATUS_SEALED,                            ///< The shard is sealed against writers.
  trimmed = WEIR_STATUS_TRIMMED,                          ///< The position was trimmed from the log.
  backpressure = WEIR_STATUS_BACKPRESSURE,                ///< The limit on pending bytes is reached.
  timed_out = WEIR_STATUS_TIMED_OUT,                      ///< The deadline passed.
  cancelled = WEIR_STATUS_CANCELLED,                      ///< The call was cancelled or interrupted.
  outcome_unknown = WEIR_STATUS_OUTCOME_UNKNOWN,          ///< Accepted, and whether it took effect is not known.
  closed = WEIR_STATUS_CLOSED,                            ///< The handle is closed.
  forked = WEIR_STATUS_FORKED,                            ///< The process forked after the library was used.
  panic = WEIR_STATUS_PANIC,                              ///< A panic was caught: a bug in weir.
  would_deadlock = WEIR_STATUS_WOULD_DEADLOCK,            ///< A blocking call on one of weir's own runtime threads.
  conflict = WEIR_STATUS_CONFLICT,                        ///< Lost a race for the shard to another claimer.
  disk_cap_exceeded = WEIR_STATUS_DISK_CAP_EXCEEDED,      ///< A spill store's cap is reached.
  internal = WEIR_STATUS_INTERNAL                         ///< An invariant of weir's does not hold: a bug.
};

/// What the caller should do about an error.
enum class Action : std::int32_t {
  none = WEIR_ACTION_NONE,      ///< There is no error.
  retry = WEIR_ACTION_RETRY,    ///< The same call may succeed later.
  reopen = WEIR_ACTION_REOPEN,  ///< Open the handle again; what was acknowledged is safe.
  fix = WEIR_ACTION_FIX,        ///< Correct the argument, the data or the environment.
  stop = WEIR_ACTION_STOP,      ///< Stop: someone else owns the shard, or its data is damaged.
  report = WEIR_ACTION_REPORT   ///< Report a bug.
};

/// The name of a status as the C header has it, such as `WEIR_STATUS_FENCED`.
[[nodiscard]] inline std::string_view to_string(Status status) noexcept { return weir_status_name(static_cast<std::int32_t>(status)); }

/// What a spill store's cap refused: the details of an error with Status::disk_cap_exceeded.
struct CapExceeded {
  std::uint64_t cap_bytes;        ///< The cap that refused: the store's, or that of one above it.
  std::uint64_t used_bytes;       ///< What was held below it.
  std::uint64_t requested_bytes;  ///< What the write wanted.
};

/// An error: a status, what to do about it, a message and typed details. Immutable and cheap to copy; a default one is "no error".
class Error {
 public:
  /// No error.
  Error() noexcept = default;

  /// An error of the program's own, or of this binding's.
  Error(Status status, Action action, std::string message) : rep_(std::make_shared<Rep>(status, action, std::move(message))) {}

  /// Takes ownership of a C error. `status` is what the call returned; it counts where `raw` is NULL.
  [[nodiscard]] static Error adopt(WeirStatus status, WeirError *raw) {
    Error error;
    error.rep_ = std::make_shared<Rep>(static_cast<Status>(status), raw);
    return error;
  }

  /// Takes ownership of a C error; NULL is no error.
  [[nodiscard]] static Error adopt(WeirError *raw) { return raw != nullptr ? adopt(weir_error_code(raw), raw) : Error(); }

  /// What went wrong; Status::ok if there is no error.
  [[nodiscard]] Status status() const noexcept { return rep_ ? rep_->status : Status::ok; }

  /// Whether it is this that went wrong.
  [[nodiscard]] bool is(Status status) const noexcept { return this->status() == status; }

  /// What to do about it.
  [[nodiscard]] Action action() const noexcept {
    if (!rep_) return Action::none;
    return rep_->raw ? static_cast<Action>(weir_error_action(rep_->raw)) : rep_->action;
  }

  /// What happened, naming the object, position, epoch or counts concerned. NUL-terminated; lives as long as a copy of the error.
  [[nodiscard]] const char *message() const noexcept {
    if (!rep_) return "";
    return rep_->raw ? weir_error_message(rep_->raw) : rep_->text.c_str();
  }

  /// The number that the error carries under `name`, such as `position`, `epoch`, `limit_bytes`.
  [[nodiscard]] std::optional<std::uint64_t> detail_u64(const char *name) const noexcept {
    std::uint64_t value = 0;
    if (rep_ && weir_error_detail_u64(rep_->raw, name, &value)) return value;
    return std::nullopt;
  }

  /// The text that the error carries under `name`, such as `object` or `shard`. Lives as long as a copy of the error.
  [[nodiscard]] std::optional<std::string_view> detail_str(const char *name) const noexcept {
    const char *value = nullptr;
    if (rep_ && weir_error_detail_str(rep_->raw, name, &value)) return std::string_view(value);
    return std::nullopt;
  }

  /// What the cap of a spill store refused; nullopt if the error is another one.
  [[nodiscard]] std::optional<CapExceeded> cap_exceeded() const noexcept {
    if (!is(Status::disk_cap_exceeded)) return std::nullopt;
    const auto cap = detail_u64("cap_bytes"), used = detail_u64("used_bytes"), requested = detail_u64("requested_bytes");
    if (!cap || !used || !requested) return std::nullopt;
    return CapExceeded{*cap, *used, *requested};
  }

  /// Whether there is an error.
  [[nodiscard]] explicit operator bool() const noexcept { return rep_ != nullptr; }

 private:
  struct Rep {
    Rep(Status s, Action a, std::string t) : status(s), action(a), raw(nullptr), text(std::move(t)) {}
    Rep(Status s, WeirError *r) : status(s), action(Action::report), raw(r), text(r ? "" : weir_status_name(static_cast<std::int32_t>(s))) {}
    ~Rep() { weir_error_free(raw); }
    Rep(const Rep &) = delete;
    Rep &operator=(const Rep &) = delete;
    Status status;
    Action action;
    WeirError *raw;  // NULL: the error was not made by the library
    std::string text;
  };

  std::shared_ptr<const Rep> rep_;
};

/// What Result::value() throws: an Error as an exception. `what()` is the error's message.
class Exception : public std::exception {
 public:
  /// Wraps an error.
  explicit Exception(Error error) noexcept : error_(std::move(error)) {}

  /// The error's message.
  [[nodiscard]] const char *what() const noexcept override { return error_.message(); }

  /// The error, with its status and details.
  [[nodiscard]] const Error &error() const noexcept { return error_; }

  /// The error's status.
  [[nodiscard]] Status status() const noexcept { return error_.status(); }

 private:
  Error error_;
};

/// Throws the error; ends the program where exceptions are off (see WEIR_EXCEPTIONS).
[[noreturn]] inline void raise(const Error &error) {
#if WEIR_EXCEPTIONS
  throw Exception(error);
#else
  static_cast<void>(error);
  std::abort();
#endif
}

}  // namespace weir

#endif
