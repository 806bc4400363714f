/// @file
/// Asynchronous calls: one Operation, to be awaited as a coroutine, a future, a callback or an event of a queue.
#ifndef WEIR_ASYNC_HPP
#define WEIR_ASYNC_HPP

#include <weir.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "handle.hpp"

#if defined(__cpp_impl_coroutine) && __cpp_impl_coroutine >= 201902L && defined(__has_include)
#if __has_include(<coroutine>)
#include <coroutine>
/// Defined where Operations can be awaited with `co_await`.
#define WEIR_COROUTINES 1
#endif
#endif

namespace weir {

/// What a put came to: `sequence`, `position` (0 while it is not durable) and `epoch`.
using Ack = ::WeirAck;

namespace detail {

/// What an event's payload is as a T. Takes what it uses out of the event.
template <class T, class = void>
struct Decode {  // handles
  static Result<T> from(WeirEvent &event) {
    if (event.result_kind != T::result_kind || event.result == nullptr)
      return Error(Status::invalid_argument, Action::fix, "the event does not have the result that was asked for");
    return T::adopt(static_cast<std::remove_pointer_t<decltype(std::declval<T &>().get())> *>(std::exchange(event.result, nullptr)));
  }
};

template <>
struct Decode<void> {
  static Result<void> from(WeirEvent &) { return {}; }
};

template <>
struct Decode<Ack> {
  static Result<Ack> from(WeirEvent &event) { return event.ack; }
};

template <>
struct Decode<std::uint64_t> {
  static Result<std::uint64_t> from(WeirEvent &event) { return event.value; }
};

template <class T>
struct Decode<std::optional<T>> {  // a handle, or none at the end of something
  static Result<std::optional<T>> from(WeirEvent &event) {
    if (event.result == nullptr) return std::optional<T>();
    return Decode<T>::from(event).transform([](T value) { return std::optional<T>(std::move(value)); });
  }
};

template <>
struct Decode<std::vector<std::string>> {
  static Result<std::vector<std::string>> from(WeirEvent &event) {
    return Decode<Buffer>::from(event).transform([](Buffer text) { return lines(text.text()); });
  }
};

/// What an event came to; leaves nothing in it that would have to be freed.
template <class T>
Result<T> take(WeirEvent &event) {
  if (event.status != WEIR_STATUS_OK) {
    Error error = Error::adopt(static_cast<WeirStatus>(event.status), std::exchange(event.error, nullptr));
    weir_event_clear(&event);
    return error;
  }
  Result<T> result = Decode<T>::from(event);
  weir_event_clear(&event);
  return result;
}

}  // namespace detail

/// What an operation that was posted to a Queue came to. Move-only; frees what was not taken.
class Event {
 public:
  /// None.
  Event() noexcept : raw_{} {}
  /// Takes over what the event owns, and clears it.
  explicit Event(WeirEvent &raw) noexcept : raw_(std::exchange(raw, WeirEvent{})) {}
  /// Moves, and leaves the other one empty.
  Event(Event &&other) noexcept : Event(other.raw_) {}
  /// Moves; frees what was not taken from this one.
  Event &operator=(Event &&other) noexcept {
    if (this != &other) {
      weir_event_clear(&raw_);
      raw_ = std::exchange(other.raw_, WeirEvent{});
    }
    return *this;
  }
  ~Event() { weir_event_clear(&raw_); }

  /// The token that the operation was posted with.
  [[nodiscard]] std::uint64_t token() const noexcept { return raw_.token; }
  /// What it came to.
  [[nodiscard]] Status status() const noexcept { return static_cast<Status>(raw_.status); }
  /// What `result` is, a WEIR_RESULT_*.
  [[nodiscard]] std::int32_t result_kind() const noexcept { return raw_.result_kind; }
  /// The operation's result: `T` is the Operation's `value_type`. Another handle than the event has is Status::invalid_argument.
  template <class T = void>
  [[nodiscard]] Result<T> take() && {
    return detail::take<T>(raw_);
  }

 private:
  WeirEvent raw_;
};

/// A queue of events, for programs with an event loop: operations are posted to it, any thread drains it, and no thread of weir's
/// runs the program's code.
class Queue : public Handle<Queue, WeirQueue, weir_queue_free> {
 public:
  /// Makes a queue.
  [[nodiscard]] static Result<Queue> create() {
    return detail::make<Queue, WeirQueue>([](WeirQueue **queue, WeirError **error) { return weir_queue_new(nullptr, queue, error); });
  }

  /// A C completion that posts to the queue.
  [[nodiscard]] WeirCompletion completion(std::uint64_t token) const noexcept { return weir_queue_completion(get(), token); }

  /// Takes one event, waiting for it. Status::timed_out if none came, Status::closed if the queue is closed and drained.
  [[nodiscard]] Result<Event> next(Timeout timeout = forever) {
    WeirEvent raw{};
    return drain(&raw, 1, timeout).transform([&raw](std::size_t) { return Event(raw); });
  }

  /// Takes all events that wait, 64 at most, waiting for the first. `events` is replaced, and keeps its room.
  [[nodiscard]] Result<void> next(std::vector<Event> &events, Timeout timeout = forever) {
    std::array<WeirEvent, 64> raw{};
    events.clear();
    events.reserve(raw.size());  // so that nothing can fail between taking the events and owning them
    auto count = drain(raw.data(), raw.size(), timeout);
    if (!count) return count.error();
    std::for_each_n(raw.begin(), *count, [&events](WeirEvent &event) { events.emplace_back(event); });
    return {};
  }

  /// A file descriptor that is readable while events wait or the queue is closed, for poll or epoll; -1 if there is none. Not to
  /// be read from or closed.
  [[nodiscard]] int fd() const noexcept { return weir_queue_fd(get()); }

  /// Refuses further operations and wakes who waits; what is in the queue can still be drained.
  Result<void> close() {
    return detail::run([this](WeirError **error) { return weir_queue_close(get(), error); });
  }

 private:
  Result<std::size_t> drain(WeirEvent *events, std::size_t max, Timeout timeout) {
    return detail::fill<std::size_t>([&](std::size_t *count, WeirError **error) {
      return weir_queue_next(get(), events, max, timeout.milliseconds(), count, error);
    });
  }
};

/// An asynchronous call that was not started yet. Choose how it is awaited:
///
/// @code
/// Result<Ack> ack = co_await writer.put_async(std::move(batch));                 // C++20; allocates nothing
/// std::future<Result<Ack>> ack = writer.put_async(std::move(batch)).future();
/// Result<void> accepted = writer.put_async(std::move(batch)).then([](Result<Ack> ack) { … });
/// Result<void> accepted = writer.put_async(std::move(batch)).post(queue, token);
/// @endcode
///
/// What is dropped without being started never happens; a batch that it holds is released. Handles and schemas that it was made
/// from must live until it is started, and need not live longer. It completes exactly once, also when the handle is closed or
/// destroyed, or the runtime is shut down. Callbacks and resumed coroutines run on a dispatcher thread of weir's: they may block and call
/// weir, and must not throw. A coroutine that waits for an operation must not be destroyed: its completion comes, and resumes it. Have it waited for
/// instead, or end the wait: close the handle, say.
template <class T, class Start>
class [[nodiscard]] Operation {
 public:
  using value_type = T;  ///< What it gives.

  /// From what starts it: a callable that takes a WeirCompletion and gives a Result<void>.
  explicit Operation(Start start) : start_(std::move(start)) {}

  /// Starts, and calls `callback(Result<T>)` once. If the call is refused (an error is returned), nothing was accepted and the callback
  /// is not called.
  template <class F>
  Result<void> then(F &&callback) && {
    using Callback = std::decay_t<F>;
    auto held = std::make_unique<Callback>(std::forward<F>(callback));
    Result<void> accepted = start_(WeirCompletion{&call<Callback>, held.get(), 0});
    if (accepted) static_cast<void>(held.release());  // owned by the call that comes; it may have come
    return accepted;
  }

  /// Starts, and gives a future. If the call is refused, it is ready and has the error.
  [[nodiscard]] std::future<Result<T>> future() && {
    auto promise = std::make_shared<std::promise<Result<T>>>();  // shared with the callback, to be here still for a refusal
    std::future<Result<T>> future = promise->get_future();
    Result<void> accepted = std::move(*this).then([promise](Result<T> result) { promise->set_value(std::move(result)); });
    if (!accepted) promise->set_value(accepted.error());
    return future;
  }

  /// Starts; the event comes to `queue` with `token`. If the call is refused, nothing was accepted and no event comes.
  Result<void> post(const Queue &queue, std::uint64_t token) && { return start_(queue.completion(token)); }

  /// Starts with a completion of the C interface.
  Result<void> start(WeirCompletion completion) && { return start_(completion); }

#ifdef WEIR_COROUTINES
  /// Awaits an operation; lives in the coroutine's frame, which the completion writes into: see Operation.
  class Awaiter {
   public:
    /// From what starts the operation.
    explicit Awaiter(Start start) : start_(std::move(start)) {}
    /// Never: the operation was not started.
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    /// Does not suspend if the call is refused. Once it is accepted, the coroutine may run on, elsewhere, and this be gone.
    bool await_suspend(std::coroutine_handle<> waiting) {
      waiting_ = waiting;
      Start start = std::move(start_);
      Result<void> accepted = start(WeirCompletion{&resume, this, 0});
      if (!accepted) result_.emplace(accepted.error());
      return accepted.has_value();
    }
    /// What the operation came to.
    [[nodiscard]] Result<T> await_resume() { return std::move(*result_); }

   private:
    static void resume(void *context, const WeirEvent *event) noexcept {
      auto *self = static_cast<Awaiter *>(context);
      WeirEvent own = *event;
      self->result_.emplace(detail::take<T>(own));
      self->waiting_.resume();
    }
    Start start_;
    std::coroutine_handle<> waiting_;
    std::optional<Result<T>> result_;
  };

  /// Starts, and resumes the coroutine on a dispatcher thread with a Result<T>. If the call is refused, it goes on at once.
  [[nodiscard]] Awaiter operator co_await() && { return Awaiter(std::move(start_)); }
#endif

 private:
  template <class Callback>
  static void call(void *context, const WeirEvent *event) noexcept {
    std::unique_ptr<Callback> callback(static_cast<Callback *>(context));
    WeirEvent own = *event;
    (*callback)(detail::take<T>(own));
  }

  Start start_;
};

namespace detail {

/// An Operation of T from a callable that takes a completion and the error and makes the C call.
template <class T, class Call>
auto operation(Call call) {
  auto start = [call = std::move(call)](WeirCompletion completion) mutable -> Result<void> {
    return run([&](WeirError **error) { return call(completion, error); });
  };
  return Operation<T, decltype(start)>(std::move(start));
}

}  // namespace detail

}  // namespace weir

#endif
