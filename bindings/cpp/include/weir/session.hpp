/// @file
/// The session, the log sink and the runtime.
#ifndef WEIR_SESSION_HPP
#define WEIR_SESSION_HPP

#include <weir.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cache.hpp"
#include "handle.hpp"
#include "spill.hpp"

namespace weir {

/// The memory of a session, by its use, and who waits for some: the fields of the C struct. Of the caller's own backend of a cache,
/// `cache_bytes` is `WEIR_CACHE_UNKNOWN`.
using SessionMemory = ::WeirSessionMemory;

/// Options of Session::create().
struct SessionOptions {
  /// Settings of object stores, such as credentials, by key; see store_settings(). An unknown key is an error.
  std::vector<std::pair<std::string, std::string>> store_settings = {};
  /// The spill store of all that is opened through the session; default a local one, made when it is first asked for. Borrowed for the
  /// call: the session keeps what it needs of it.
  const SpillStore *spill = nullptr;
  /// The cache of all that is opened through the session; default a built-in one, made when it is first needed. Borrowed for the call: the
  /// session keeps what it needs of it. Entries of a local store are cached only in one that is given here.
  const Cache *cache = nullptr;
  /// The limit on what the session's writers have queued and hold in MemTables, what its tailers have read ahead, and its cache together;
  /// 0 = none. The cache yields, and puts wait.
  std::uint64_t memory_bytes = 0;
};

/// What is shared by all that is opened through it: object stores with their settings, one client for each bucket; the cache; the spill
/// store; one memory limit; and metrics. What was opened through it keeps what it needs: a session may be destroyed first.
class Session : public Handle<Session, WeirSession, weir_session_free> {
 public:
  /// Makes a session. Makes no request and starts no thread. Fails with Status::unsupported if the library has another ABI.
  [[nodiscard]] static Result<Session> create(const SessionOptions &options = {}) {
    if (auto good = check_abi(); !good) return good.error();
    std::vector<WeirKeyValue> settings;
    settings.reserve(options.store_settings.size());
    for (const auto &[key, value] : options.store_settings) {
      if (auto good = detail::check_texts({key, value}); !good) return good.error();
      settings.push_back({key.c_str(), value.c_str()});
    }
    WeirSessionOptions raw = WEIR_SESSION_OPTIONS_INIT;
    raw.store_settings = settings.empty() ? nullptr : settings.data();
    raw.store_settings_len = settings.size();
    raw.spill = options.spill != nullptr ? options.spill->get() : nullptr;
    raw.cache = options.cache != nullptr ? options.cache->get() : nullptr;
    raw.memory_bytes = options.memory_bytes;
    return detail::make<Session, WeirSession>(
        [&raw](WeirSession **session, WeirError **error) { return weir_session_new(&raw, session, error); });
  }

  /// The metrics of all that was opened through the session, in the text format of Prometheus.
  [[nodiscard]] Result<std::string> metrics() const {
    return detail::make<Buffer, WeirBuffer>([this](WeirBuffer **text, WeirError **error) { return weir_metrics_prometheus(get(), text, error); })
        .transform([](const Buffer &text) { return std::string(text.text()); });
  }

  /// The session's spill store: the one of its options, or a local one without a cap. Makes no directory.
  [[nodiscard]] Result<SpillStore> spill_store() const {
    return detail::make<SpillStore, WeirSpillStore>(
        [this](WeirSpillStore **store, WeirError **error) { return weir_session_spill_store(get(), store, error); });
  }

  /// The session's cache: the one of its options, or the built-in one.
  [[nodiscard]] Result<Cache> cache() const {
    return detail::make<Cache, WeirCache>([this](WeirCache **cache, WeirError **error) { return weir_session_cache(get(), cache, error); });
  }

  /// The memory of all that was opened through the session, by its use.
  [[nodiscard]] Result<SessionMemory> memory() const {
    return detail::fill<SessionMemory>([this](SessionMemory *memory, WeirError **error) { return weir_session_memory(get(), memory, error); },
                                       WEIR_SESSION_MEMORY_INIT);
  }

  /// What waits for room below the limit on memory, for how many bytes, and how long it has: a text each, the first to get room first.
  [[nodiscard]] Result<std::vector<std::string>> pressure() const {
    return detail::make<Buffer, WeirBuffer>([this](WeirBuffer **text, WeirError **error) { return weir_session_pressure(get(), text, error); })
        .transform([](const Buffer &text) { return detail::lines(text.text()); });
  }
};

inline Result<SpillStore> SpillStore::create(const Session &session, const SpillStoreOptions &options) {
  return create(session.get(), options);
}

/// The keys of store settings that this build of the library knows.
[[nodiscard]] inline Result<std::vector<std::string>> store_settings() {
  return detail::make<Buffer, WeirBuffer>(weir_store_settings_list).transform([](const Buffer &text) { return detail::lines(text.text()); });
}

/// Where weir's messages go, and how many.
namespace log {

/// How much is logged, and how grave a message is.
enum class Level : std::int32_t {
  off = WEIR_LOG_LEVEL_OFF,      ///< Nothing.
  error = WEIR_LOG_LEVEL_ERROR,  ///< What failed.
  warn = WEIR_LOG_LEVEL_WARN,    ///< What may fail, or was overcome.
  info = WEIR_LOG_LEVEL_INFO,    ///< What changed, such as a claim (the default).
  debug = WEIR_LOG_LEVEL_DEBUG,  ///< What was decided on the way.
  trace = WEIR_LOG_LEVEL_TRACE   ///< All.
};

/// Called with a message: its level, the part that it comes from, the text; both borrowed for the call. On any thread, several at
/// once. Must not throw, nor make blocking calls of weir's.
using Sink = std::function<void(Level level, std::string_view target, std::string_view message)>;

/// Sets where messages go, instead of where they went; an empty function is nowhere. The old sink is destroyed when its last message
/// has arrived: within this call, or soon after it on another thread if that is in the sink now.
inline Result<void> set_sink(Sink sink) {
  if (!sink) return detail::run([](WeirError **error) { return weir_log_set_sink(nullptr, error); });
  auto held = std::make_unique<Sink>(std::move(sink));
  WeirLogSink raw = WEIR_LOG_SINK_INIT;
  raw.ctx = held.get();
  raw.log = [](void *context, std::int32_t level, const char *target, const char *message) noexcept {
    (*static_cast<Sink *>(context))(static_cast<Level>(level), target, message);
  };
  raw.release = [](void *context) noexcept { delete static_cast<Sink *>(context); };
  Result<void> set = detail::run([&raw](WeirError **error) { return weir_log_set_sink(&raw, error); });
  if (set) static_cast<void>(held.release());  // the library's, which calls `release`
  return set;
}

/// Sets how much is logged.
inline Result<void> set_level(Level level) {
  return detail::run([level](WeirError **error) { return weir_log_set_level(static_cast<std::int32_t>(level), error); });
}

}  // namespace log

/// The threads of weir in this process.
namespace runtime {

/// Options of configure().
struct Options {
  std::uint32_t worker_threads = 0;               ///< Threads that drive requests to object stores; 0 = one per core.
  std::uint32_t dispatcher_threads = 0;           ///< The most threads that call completions, started on demand; 0 = 4.
  std::string thread_name = {};                   ///< What threads' names begin with; empty = `weir`.
  std::function<void()> on_thread_start = {};     ///< Called first on each thread that weir starts. Must not throw.
  std::function<void()> on_thread_stop = {};      ///< Called last on each. Must not throw.
};

/// Sets how many threads weir may start, their names and hooks: before anything else needs a thread, at most once.
inline Result<void> configure(const Options &options) {
  if (auto good = detail::check_texts({options.thread_name}); !good) return good;
  struct Hooks {
    std::function<void()> start, stop;
  };
  auto hooks = std::make_unique<Hooks>(Hooks{options.on_thread_start, options.on_thread_stop});
  WeirRuntimeOptions raw = WEIR_RUNTIME_OPTIONS_INIT;
  raw.worker_threads = options.worker_threads;
  raw.dispatcher_threads = options.dispatcher_threads;
  raw.thread_name = options.thread_name.empty() ? nullptr : options.thread_name.c_str();
  raw.ctx = hooks.get();
  if (hooks->start) raw.on_thread_start = [](void *context) noexcept { static_cast<Hooks *>(context)->start(); };
  if (hooks->stop) raw.on_thread_stop = [](void *context) noexcept { static_cast<Hooks *>(context)->stop(); };
  Result<void> configured = detail::run([&raw](WeirError **error) { return weir_runtime_configure(&raw, error); });
  if (configured) static_cast<void>(hooks.release());  // needed until the process ends
  return configured;
}

/// Ends weir in this process, for good: what still runs completes with Status::cancelled, threads are joined. Close writers before.
/// Status::timed_out if threads are left: call again to wait on.
inline Result<void> shutdown(Timeout timeout = forever) {
  return detail::run([timeout](WeirError **error) { return weir_runtime_shutdown(timeout.milliseconds(), error); });
}

}  // namespace runtime

}  // namespace weir

#endif
