/// @file
/// Reading a shard's log: tailers, their entries, subscriptions.
#ifndef WEIR_TAILER_HPP
#define WEIR_TAILER_HPP

#include <weir.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "async.hpp"
#include "c_data.hpp"
#include "session.hpp"

namespace weir {

/// One entry of a shard's log. Immutable. Its batches share one buffer, which lives until the entry and all that was exported from it
/// are gone.
class Entry : public Handle<Entry, WeirEntry, weir_entry_free> {
 public:
  static constexpr WeirResult result_kind = WEIR_RESULT_ENTRY;  ///< How events tell it.

  /// The position in the log, 1 or more.
  [[nodiscard]] std::uint64_t position() const noexcept { return weir_entry_position(get()); }
  /// The epoch of the writer that appended it.
  [[nodiscard]] std::uint64_t epoch() const noexcept { return weir_entry_epoch(get()); }
  /// The generation that the rows belong to; 0 if the writer kept none.
  [[nodiscard]] std::uint64_t generation() const noexcept { return weir_entry_generation(get()); }
  /// Whether it is a fence sentinel, which has no batches: a new owner's, to fence the one before.
  [[nodiscard]] bool is_sentinel() const noexcept { return weir_entry_is_sentinel(get()); }
  /// The rows of all batches.
  [[nodiscard]] std::uint64_t rows() const noexcept { return weir_entry_rows(get()); }
  /// The size of its object on storage.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return weir_entry_bytes(get()); }
  /// How many batches there are: as many as puts shared the entry.
  [[nodiscard]] std::size_t batch_count() const noexcept { return weir_entry_batch_count(get()); }

  /// One batch, from 0, as a struct array, without copying. Stays valid after the entry is gone.
  [[nodiscard]] Result<Array> batch(std::size_t index) const {
    return detail::exported<Array>([&](auto *out, WeirError **error) { return weir_entry_batch(get(), index, out, error); });
  }

  /// The schema of the batches.
  [[nodiscard]] Result<Schema> schema() const {
    return detail::exported<Schema>([&](auto *out, WeirError **error) { return weir_entry_schema(get(), out, error); });
  }

  /// What stands for the schema in this process: entries with the same number have the same, so that it need be taken only once. The same
  /// schema may have several numbers.
  [[nodiscard]] std::uint64_t schema_id() const noexcept { return weir_entry_schema_id(get()); }

  /// All batches as a stream, without copying. Stays valid after the entry is gone.
  [[nodiscard]] Result<ArrayStream> stream() const {
    return detail::exported<ArrayStream>([&](auto *out, WeirError **error) { return weir_entry_stream(get(), out, error); });
  }

 private:
  template <class Own>
  struct Source {
    Own entry;
    std::size_t next = 0;
    std::optional<Result<Array>> pull() {
      const Entry &from = detail::held(entry);
      if (next >= from.batch_count()) return std::nullopt;
      return from.batch(next++);
    }
  };

 public:
  /// All batches: `for (Result<Array> &batch : entry.batches())`. The batches may outlive entry and range; the entry must outlive the range,
  /// unless it is moved into it: `std::move(entry).batches()`.
  [[nodiscard]] detail::InputRange<Source<const Entry *>> batches() const & { return detail::InputRange<Source<const Entry *>>({this}); }
  /// @copydoc batches
  [[nodiscard]] detail::InputRange<Source<Entry>> batches() && { return detail::InputRange<Source<Entry>>({std::move(*this)}); }
};

namespace detail {
inline constexpr WeirTailerOptions tailer_defaults = WEIR_TAILER_OPTIONS_INIT;

/// What a subscription calls: deleted after its last event, or where there was none.
template <class OnEntry, class OnEnd>
struct Subscriber {
  OnEntry on_entry;
  OnEnd on_end;

  static void call(void *context, const WeirEvent *event) noexcept {
    auto *self = static_cast<Subscriber *>(context);
    WeirEvent own = *event;
    auto next = take<std::optional<Entry>>(own);
    if (next && *next) return self->on_entry(std::move(**next));
    std::unique_ptr<Subscriber> last(self);
    last->on_end(next ? Result<void>() : Result<void>(next.error()));
  }
};
}  // namespace detail

/// A tailer that pushes. Destroying it ends it as cancel() does: its last event still comes.
class Subscription : public Handle<Subscription, WeirSubscription, weir_subscription_free> {
 public:
  /// Allows `n` more entries to be pushed.
  Result<void> request(std::uint64_t n) {
    return detail::run([&](WeirError **error) { return weir_subscription_request(get(), n, error); });
  }
  /// Ends it. The last event comes later, with Status::cancelled unless it had ended. Also from within its own callbacks.
  void cancel() noexcept { weir_subscription_cancel(get()); }
};

/// Options of Tailer::open(). Their defaults are the header's.
struct TailerOptions {
  bool follow = detail::tailer_defaults.follow != 0;                    ///< Wait at the end of the log; else report the end.
  std::uint64_t from = detail::tailer_defaults.from;                    ///< Where to start; 0 = the oldest there is.
  std::uint64_t prefetch_bytes = detail::tailer_defaults.prefetch_bytes;      ///< Bytes of entries that may be held, read ahead.
  std::uint32_t prefetch_entries = detail::tailer_defaults.prefetch_entries;  ///< Fetched at once from a store with latency.
  std::chrono::milliseconds poll_min{detail::tailer_defaults.poll_min_ms};    ///< Until the end is looked at again after news; doubles …
  std::chrono::milliseconds poll_max{detail::tailer_defaults.poll_max_ms};    ///< … up to this.

  /// As C has them; `error` is set if that cannot be.
  [[nodiscard]] WeirTailerOptions c(Error &error) const {
    WeirTailerOptions raw = detail::tailer_defaults;
    raw.follow = follow;
    raw.from = from;
    raw.prefetch_bytes = prefetch_bytes;
    raw.prefetch_entries = prefetch_entries;
    detail::set_duration(raw.poll_min_ms, poll_min, "poll_min", error);
    detail::set_duration(raw.poll_max_ms, poll_max, "poll_max", error);
    return raw;
  }
};

/// A reader of one shard's log. See Handle for threads; next() calls take turns.
class Tailer : public Handle<Tailer, WeirTailer, weir_tailer_free> {
 public:
  static constexpr WeirResult result_kind = WEIR_RESULT_TAILER;  ///< How events tell it.

  /// Opens a tailer. Makes no request: whether the shard exists shows at the first read.
  [[nodiscard]] static Result<Tailer> open(const Session &session, const std::string &root, const std::string &shard,
                                           const TailerOptions &options = {}) {
    if (auto good = detail::check_texts({root, shard}); !good) return good.error();
    Error bad;
    const WeirTailerOptions raw = options.c(bad);
    if (bad) return bad;
    return detail::make<Tailer, WeirTailer>([&](WeirTailer **tailer, WeirError **error) {
      return weir_tailer_open(session.get(), root.c_str(), shard.c_str(), &raw, tailer, error);
    });
  }

  /// The next entry, in order; nullopt at the end of the log when not following. Status::trimmed (detail `first_position`) if the position
  /// is gone, cancelled after interrupt(), timed_out, closed. After an error the tailer is where it was.
  Result<std::optional<Entry>> next(Timeout timeout = forever) {
    WeirEntry *raw = nullptr;
    WeirError *error = nullptr;
    const WeirStatus status = weir_tailer_next(get(), timeout.milliseconds(), &raw, &error);
    if (status != WEIR_STATUS_OK) return Error::adopt(status, error);
    if (raw == nullptr) return std::optional<Entry>();
    return std::optional<Entry>(Entry::adopt(raw));
  }

  /// next() as an Operation.
  [[nodiscard]] auto next_async() {
    return detail::operation<std::optional<Entry>>(
        [tailer = get()](WeirCompletion completion, WeirError **error) { return weir_tailer_next_async(tailer, completion, error); });
  }

  /// The entry at a position, without moving the tailer. Status::not_found if it is not written yet.
  [[nodiscard]] Result<Entry> read(std::uint64_t position, Timeout timeout = forever) {
    return detail::make<Entry, WeirEntry>(
        [&](WeirEntry **entry, WeirError **error) { return weir_tailer_read(get(), position, timeout.milliseconds(), entry, error); });
  }

  /// read() as an Operation.
  [[nodiscard]] auto read_async(std::uint64_t position) {
    return detail::operation<Entry>([tailer = get(), position](WeirCompletion completion, WeirError **error) {
      return weir_tailer_read_async(tailer, position, completion, error);
    });
  }

  /// The oldest position in the log; of an empty log, the first to be written.
  [[nodiscard]] Result<std::uint64_t> first_position(Timeout timeout = forever) {
    return detail::fill<std::uint64_t>([&](std::uint64_t *position, WeirError **error) {
      return weir_tailer_first_position(get(), timeout.milliseconds(), position, error);
    });
  }

  /// first_position() as an Operation.
  [[nodiscard]] auto first_position_async() {
    return detail::operation<std::uint64_t>([tailer = get()](WeirCompletion completion, WeirError **error) {
      return weir_tailer_first_position_async(tailer, completion, error);
    });
  }

  /// Where the next entry to be written will be.
  [[nodiscard]] Result<std::uint64_t> next_position(Timeout timeout = forever) {
    return detail::fill<std::uint64_t>([&](std::uint64_t *position, WeirError **error) {
      return weir_tailer_next_position(get(), timeout.milliseconds(), position, error);
    });
  }

  /// next_position() as an Operation.
  [[nodiscard]] auto next_position_async() {
    return detail::operation<std::uint64_t>(
        [tailer = get()](WeirCompletion completion, WeirError **error) { return weir_tailer_next_position_async(tailer, completion, error); });
  }

  /// The position that next() will read; 0 = the oldest, not looked up yet.
  [[nodiscard]] std::uint64_t position() const noexcept { return weir_tailer_position(get()); }

  /// Makes `position` the next to be read, also for a call that waits; 0 = the oldest there is.
  Result<void> seek(std::uint64_t position) {
    return detail::run([&](WeirError **error) { return weir_tailer_seek(get(), position, error); });
  }

  /// Ends a waiting next() with Status::cancelled; if none waits, the next one that would. From any thread.
  void interrupt() noexcept { weir_tailer_interrupt(get()); }

  /// The batches of all entries from here on as one stream, which shares the tailer's position: use one or the other.
  [[nodiscard]] Result<ArrayStream> stream() {
    return detail::exported<ArrayStream>([&](auto *out, WeirError **error) { return weir_tailer_stream(get(), out, error); });
  }

  /// Pushes entries, in order, one at a time, `credit` of them until Subscription::request() gives more. Then the end, once.
  ///
  /// @param on_entry  called with each Entry, on a dispatcher thread of weir's; may block and call weir, must not throw
  /// @param on_end    called last, with a Result<void>: success at the end of the log, Status::cancelled after Subscription::cancel()
  /// @param credit    how many entries may be pushed at first
  template <class OnEntry, class OnEnd, class = std::enable_if_t<std::is_invocable_v<std::decay_t<OnEntry> &, Entry>>>
  [[nodiscard]] Result<Subscription> subscribe(OnEntry &&on_entry, OnEnd &&on_end, std::uint64_t credit) {
    using Subscriber = detail::Subscriber<std::decay_t<OnEntry>, std::decay_t<OnEnd>>;
    std::unique_ptr<Subscriber> held(new Subscriber{std::forward<OnEntry>(on_entry), std::forward<OnEnd>(on_end)});
    Result<Subscription> made = subscribe(WeirCompletion{&Subscriber::call, held.get(), 0}, credit);
    if (made) static_cast<void>(held.release());  // its last event's; which may have come
    return made;
  }

  /// subscribe() to a queue: each Event has an Entry, but the last, of which `take<std::optional<Entry>>()` gives nullopt or an error.
  [[nodiscard]] Result<Subscription> subscribe(const Queue &queue, std::uint64_t token, std::uint64_t credit) {
    return subscribe(queue.completion(token), credit);
  }

  /// Refuses later calls and ends those that wait with Status::closed. May be called again, from any thread.
  Result<void> close() {
    return detail::run([&](WeirError **error) { return weir_tailer_close(get(), error); });
  }

 private:
  template <class Own>
  struct Source {
    Own tailer;
    Timeout timeout;
    std::optional<Result<Entry>> pull() { return detail::pulled(detail::held(tailer).next(timeout)); }
  };

  Result<Subscription> subscribe(WeirCompletion completion, std::uint64_t credit) {
    return detail::make<Subscription, WeirSubscription>([&](WeirSubscription **subscription, WeirError **error) {
      return weir_tailer_subscribe(get(), completion, credit, subscription, error);
    });
  }

 public:
  /// The entries from here on: `for (Result<Entry> &entry : tailer.entries())`. Ends at the end of the log (never, when
  /// following), or after an error, such as Status::timed_out when an entry does not come in time. The tailer must outlive the range, unless
  /// it is moved into it: `std::move(tailer).entries()`.
  [[nodiscard]] detail::InputRange<Source<Tailer *>> entries(Timeout timeout = forever) & {
    return detail::InputRange<Source<Tailer *>>({this, timeout});
  }
  /// @copydoc entries
  [[nodiscard]] detail::InputRange<Source<Tailer>> entries(Timeout timeout = forever) && {
    return detail::InputRange<Source<Tailer>>({std::move(*this), timeout});
  }
};

}  // namespace weir

#endif
