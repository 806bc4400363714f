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

#include "handle.hpp"

namespace weir {

/// Options of Session::create().
struct SessionOptions {
  /// Settings of object stores, such as credentials, by key; see store_settings(). An unknown key is an error.
  std::vector<std::pair<std::string, std::string>> store_settings = {};
};

/// What is shared by all that is opened through it: object stores with their settings, and metrics. What was opened through it
/// keeps what it needs: a session may be destroyed first.
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
    return detail::make<Session, WeirSession>(
        [&raw](WeirSession **session, WeirError **error) { return weir_session_new(&raw, session, error); });
  }

  /// The metrics of all that was opened through the session, in the text format of Prometheus.
  [[nodiscard]] Result<std::string> metrics() const {
    return detail::make<Buffer, WeirBuffer>([this](WeirBuffer **text, WeirError **error) { return weir_metrics_prometheus(get(), text, error); })
        .transform([](const Buffer &text) { return std::string(text.text()); });
  }
};

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
