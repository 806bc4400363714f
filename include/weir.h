/*
 * weir: write-ahead shards of Arrow batches on object storage.
 *
 * Generated from src/ffi by cbindgen. Do not edit: run `WEIR_BLESS=1 cargo test --test ffi_header`.
 *
 * What holds of every function:
 *
 *  - Fallible ones return a WeirStatus (0 is success) and take a `WeirError **error` last. It may be NULL; else it is set to
 *    NULL on entry, and to an error that the caller frees when the call fails.
 *  - Outputs are cleared on entry and filled only on success. A NULL handle, output or required argument is
 *    WEIR_STATUS_INVALID_ARGUMENT.
 *  - Any function of a handle but its `free` may run at once on several threads. `free` accepts NULL and is the last use.
 *  - Timeouts are in milliseconds: negative waits for ever, 0 does not wait.
 *  - `f_async` is `f` that returns at once and completes exactly once (see WeirCompletion). After an error of the call itself
 *    it does not complete.
 *  - Options begin with `struct_size`: start from WEIR_..._OPTIONS_INIT, or pass NULL for the defaults. Booleans are 0 or 1.
 *  - An ArrowArray or ArrowArrayStream passed in is consumed on every return, errors included. An ArrowSchema is borrowed.
 *  - Texts are UTF-8. What is passed in is copied; what is borrowed out says for how long.
 *  - After `fork`, a child of a process that used weir gets WEIR_STATUS_FORKED.
 */

#ifndef WEIR_H
#define WEIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The Arrow C data and stream interfaces, https://arrow.apache.org/docs/format/CDataInterface.html */
#ifdef __cplusplus
extern "C" {
#endif

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
  const char *format;
  const char *name;
  const char *metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema **children;
  struct ArrowSchema *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};

#endif /* ARROW_C_DATA_INTERFACE */

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
  int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
  int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
  const char *(*get_last_error)(struct ArrowArrayStream *);
  void (*release)(struct ArrowArrayStream *);
  void *private_data;
};

#endif /* ARROW_C_STREAM_INTERFACE */

#ifdef __cplusplus
}
#endif


/**
 * The major version of this header. Another major version is another ABI.
 */
#define WEIR_VERSION_MAJOR 0

/**
 * The minor version of this header.
 */
#define WEIR_VERSION_MINOR 1

/**
 * The patch version of this header.
 */
#define WEIR_VERSION_PATCH 0

/**
 * The version of the ABI that this header describes; a library with the same number serves it. See weir_abi_version().
 */
#define WEIR_ABI_VERSION 0

/**
 * What a call came to. The numbers are never reused; a later version may add some.
 */
enum WeirStatus
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Success.
   */
  WEIR_STATUS_OK = 0,
  /**
   * An argument, option or URL is not valid.
   */
  WEIR_STATUS_INVALID_ARGUMENT = 1,
  /**
   * A batch does not have the writer's schema, or a schema cannot be stored.
   */
  WEIR_STATUS_SCHEMA_MISMATCH = 2,
  /**
   * Arrow data handed in breaks the format's rules (counts, offsets, UTF-8, nulls).
   */
  WEIR_STATUS_INVALID_DATA = 3,
  /**
   * The root, shard, entry or object does not exist.
   */
  WEIR_STATUS_NOT_FOUND = 4,
  /**
   * What was to be created exists.
   */
  WEIR_STATUS_ALREADY_EXISTS = 5,
  /**
   * The store, scheme, format or feature is not supported by this build or that server.
   */
  WEIR_STATUS_UNSUPPORTED = 6,
  /**
   * The store failed; for a write, the outcome may be unknown (see the message).
   */
  WEIR_STATUS_STORAGE = 7,
  /**
   * The store has no room left.
   */
  WEIR_STATUS_STORAGE_FULL = 8,
  /**
   * The store refused access.
   */
  WEIR_STATUS_PERMISSION_DENIED = 9,
  /**
   * Bytes on storage are not what was written.
   */
  WEIR_STATUS_CORRUPTION = 10,
  /**
   * Another writer claimed the shard with a higher epoch.
   */
  WEIR_STATUS_FENCED = 11,
  /**
   * An append failed for good; memory may be ahead of the log.
   */
  WEIR_STATUS_POISONED = 12,
  /**
   * The shard is sealed against writers.
   */
  WEIR_STATUS_SEALED = 13,
  /**
   * The position was trimmed from the log.
   */
  WEIR_STATUS_TRIMMED = 14,
  /**
   * The limit on pending bytes is reached.
   */
  WEIR_STATUS_BACKPRESSURE = 15,
  /**
   * The deadline passed. Nothing was accepted unless the message says so.
   */
  WEIR_STATUS_TIMED_OUT = 16,
  /**
   * The call was cancelled or interrupted.
   */
  WEIR_STATUS_CANCELLED = 17,
  /**
   * The operation was accepted, and whether it took effect is not known.
   */
  WEIR_STATUS_OUTCOME_UNKNOWN = 18,
  /**
   * The handle is closed.
   */
  WEIR_STATUS_CLOSED = 19,
  /**
   * The process forked after the library was used.
   */
  WEIR_STATUS_FORKED = 20,
  /**
   * A panic was caught: a bug in weir.
   */
  WEIR_STATUS_PANIC = 21,
  /**
   * A blocking call was made from one of weir's own runtime threads.
   */
  WEIR_STATUS_WOULD_DEADLOCK = 22,
  /**
   * Lost a race for the shard to another claimer.
   */
  WEIR_STATUS_CONFLICT = 23,
  /**
   * A spill store's cap is reached.
   */
  WEIR_STATUS_DISK_CAP_EXCEEDED = 24,
  /**
   * An invariant of weir's does not hold: a bug.
   */
  WEIR_STATUS_INTERNAL = 25,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum WeirStatus WeirStatus;
#else
typedef int32_t WeirStatus;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What the caller should do about an error.
 */
enum WeirAction
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * There is no error.
   */
  WEIR_ACTION_NONE = 0,
  /**
   * The same call may succeed later.
   */
  WEIR_ACTION_RETRY = 1,
  /**
   * Open the handle again; what was acknowledged is safe.
   */
  WEIR_ACTION_REOPEN = 2,
  /**
   * Correct the argument, the data or the environment.
   */
  WEIR_ACTION_FIX = 3,
  /**
   * Stop: someone else owns the shard, or its data is damaged.
   */
  WEIR_ACTION_STOP = 4,
  /**
   * Report a bug.
   */
  WEIR_ACTION_REPORT = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum WeirAction WeirAction;
#else
typedef int32_t WeirAction;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What the `result` of an event is.
 */
enum WeirResult
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Nothing: `result` is NULL.
   */
  WEIR_RESULT_NONE = 0,
  /**
   * A `WeirWriter *`.
   */
  WEIR_RESULT_WRITER = 1,
  /**
   * A `WeirAppender *`.
   */
  WEIR_RESULT_APPENDER = 2,
  /**
   * A `WeirTailer *`.
   */
  WEIR_RESULT_TAILER = 3,
  /**
   * A `WeirEntry *`.
   */
  WEIR_RESULT_ENTRY = 4,
  /**
   * A `WeirBuffer *`.
   */
  WEIR_RESULT_BUFFER = 5,
  /**
   * A `WeirManifest *`.
   */
  WEIR_RESULT_MANIFEST = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum WeirResult WeirResult;
#else
typedef int32_t WeirResult;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How much is logged, and how grave a message is.
 */
enum WeirLogLevel
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Nothing.
   */
  WEIR_LOG_LEVEL_OFF = 0,
  /**
   * What failed.
   */
  WEIR_LOG_LEVEL_ERROR = 1,
  /**
   * What may fail, or was overcome.
   */
  WEIR_LOG_LEVEL_WARN = 2,
  /**
   * What changed, such as a claim (the default).
   */
  WEIR_LOG_LEVEL_INFO = 3,
  /**
   * What was decided on the way.
   */
  WEIR_LOG_LEVEL_DEBUG = 4,
  /**
   * All.
   */
  WEIR_LOG_LEVEL_TRACE = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum WeirLogLevel WeirLogLevel;
#else
typedef int32_t WeirLogLevel;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Bytes that the library gives away, text as a rule. Owned by whoever received it; free it with weir_buffer_free().
 */
typedef struct WeirBuffer WeirBuffer;

/**
 * An error: a code, what to do about it, a message and typed details. Owned by whoever received it; free it with
 * weir_error_free(). Its functions may be called from any thread.
 */
typedef struct WeirError WeirError;

/**
 * A queue of events: `_async` calls post to it, any thread drains it, so no thread of weir's enters the program. It may be
 * used from any thread.
 */
typedef struct WeirQueue WeirQueue;

/**
 * What is shared by all that is opened through it: object stores with their settings, and metrics. It may be used from any
 * thread.
 */
typedef struct WeirSession WeirSession;

/**
 * A function that is called on a thread of weir's, with the `ctx` of the options.
 */
typedef void (*WeirThreadFn)(void *ctx);

/**
 * Options of weir_runtime_configure().
 */
typedef struct {
  /**
   * `sizeof(WeirRuntimeOptions)`.
   */
  uint32_t struct_size;
  /**
   * Threads that drive requests to object stores; 0 = one per core (default).
   */
  uint32_t worker_threads;
  /**
   * The most threads that call completions, started on demand; 0 = 4 (default).
   */
  uint32_t dispatcher_threads;
  /**
   * Must be 0.
   */
  uint32_t reserved;
  /**
   * What threads' names begin with, copied; NULL = `weir` (default). Linux shows 15 bytes of a name.
   */
  const char *thread_name;
  /**
   * Called first on each thread that weir starts, e.g. to attach it to a virtual machine; may be NULL (default).
   */
  WeirThreadFn on_thread_start;
  /**
   * Called last on each thread that weir started; may be NULL (default).
   */
  WeirThreadFn on_thread_stop;
  /**
   * Passed to both; must be valid until the process ends.
   */
  void *ctx;
} WeirRuntimeOptions;

/**
 * Called with a message: its level (WEIR_LOG_LEVEL_*), the part of weir or of its libraries that it comes from, and the text,
 * both NUL-terminated UTF-8, borrowed for the call. Any thread may call it, several at once. It must not unwind, and must not
 * make blocking calls of weir's.
 */
typedef void (*WeirLogFn)(void *ctx, int32_t level, const char *target, const char *message);

/**
 * Called once, after the last use of what `ctx` is.
 */
typedef void (*WeirReleaseFn)(void *ctx);

/**
 * Where messages go.
 */
typedef struct {
  /**
   * `sizeof(WeirLogSink)`.
   */
  uint32_t struct_size;
  /**
   * Must be 0.
   */
  uint32_t reserved;
  /**
   * Called with each message; required.
   */
  WeirLogFn log;
  /**
   * Passed to both functions.
   */
  void *ctx;
  /**
   * Called with `ctx` once `log` will not be called any more; may be NULL.
   */
  WeirReleaseFn release;
} WeirLogSink;

/**
 * What a put came to.
 */
typedef struct {
  /**
   * How many puts the writer holds with this one: an exclusive count over the writer's life, for weir_writer_wait_durable().
   */
  uint64_t sequence;
  /**
   * The position of the WAL entry that holds the batch; 0 while that is not durable.
   */
  uint64_t position;
  /**
   * The epoch under which the writer holds the shard.
   */
  uint64_t epoch;
} WeirAck;

/**
 * What an `_async` call came to.
 *
 * The struct itself is borrowed for the call of the callback, or the caller's own array for a queue. What it owns, that is
 * `error` and `result`, passes to the receiver: free them, or all with weir_event_clear().
 */
typedef struct {
  /**
   * The token of the completion.
   */
  uint64_t token;
  /**
   * A `WEIR_STATUS_*` code.
   */
  int32_t status;
  /**
   * A `WEIR_RESULT_*`: what `result` is.
   */
  int32_t result_kind;
  /**
   * The error, owned by the receiver; NULL if `status` is WEIR_STATUS_OK.
   */
  WeirError *error;
  /**
   * What the call gives back as a pointer, owned by the receiver; NULL if there is none.
   */
  void *result;
  /**
   * What a put or an append gives back.
   */
  WeirAck ack;
  /**
   * What a call gives back as a number, such as a position.
   */
  uint64_t value;
} WeirEvent;

/**
 * Options of weir_queue_new().
 */
typedef struct {
  /**
   * `sizeof(WeirQueueOptions)`.
   */
  uint32_t struct_size;
  /**
   * Must be 0.
   */
  uint32_t reserved;
} WeirQueueOptions;

/**
 * A function that is called with the event of an `_async` call. It runs on a dispatcher thread of weir's, may block and may
 * call weir. It must not throw or unwind.
 */
typedef void (*WeirCompletionFn)(void *ctx, const WeirEvent *event);

/**
 * How an `_async` call completes: `fn(ctx, event)` is called exactly once, with `token` in the event, also when the handle is
 * closed, the runtime is shut down, or weir panics. If the `_async` call itself returns an error, nothing was accepted and
 * `fn` will not be called. No order holds among completions.
 */
typedef struct {
  /**
   * The function to call; required.
   */
  WeirCompletionFn fn;
  /**
   * Passed to `fn`; must be valid until then.
   */
  void *ctx;
  /**
   * Passed in the event.
   */
  uint64_t token;
} WeirCompletion;

/**
 * A setting. Both texts are NUL-terminated UTF-8 and are copied.
 */
typedef struct {
  /**
   * One of weir_store_settings_list(), in any case.
   */
  const char *key;
  /**
   * Its value.
   */
  const char *value;
} WeirKeyValue;

/**
 * Options of weir_session_new().
 */
typedef struct {
  /**
   * `sizeof(WeirSessionOptions)`.
   */
  uint32_t struct_size;
  /**
   * Must be 0.
   */
  uint32_t reserved;
  /**
   * Settings of object stores, such as credentials; NULL for none (default). An unknown key is an error.
   */
  const WeirKeyValue *store_settings;
  /**
   * How many there are.
   */
  size_t store_settings_len;
} WeirSessionOptions;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Fills options with their defaults.
 *
 * @param options      the struct
 * @param struct_size  `sizeof(WeirRuntimeOptions)` as the caller knows it, in bytes: no more is written
 */
void weir_runtime_options_init(WeirRuntimeOptions *options, uint32_t struct_size);

/**
 * Sets how many threads weir may start in this process, their names and hooks. To be called before anything else needs a
 * thread, at most once; without it, defaults hold. Starts none itself.
 *
 * @param options  NULL for the defaults
 * @param error    receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_ALREADY_EXISTS if it was configured or used before
 */
WeirStatus weir_runtime_configure(const WeirRuntimeOptions *options,
                                  WeirError **error);

/**
 * Ends weir in this process, for good: operations that still run are dropped, so that their completions run with
 * WEIR_STATUS_CANCELLED; waiting calls return WEIR_STATUS_CLOSED; callbacks that are due run; all threads are joined. Close
 * writers before. Handles must still be freed. Calling again is no error.
 *
 * @param timeout_ms  how long to wait for the threads, in milliseconds: negative for ever, 0 not at all
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT if threads are left (call again to wait on), WEIR_STATUS_WOULD_DEADLOCK on a
 *         thread of weir's, such as in a completion
 */
WeirStatus weir_runtime_shutdown(int64_t timeout_ms,
                                 WeirError **error);

/**
 * The version of the library, such as `0.1.0`. A constant.
 */
const char *weir_version(void);

/**
 * The version of the library's ABI. A program or binding refuses a library whose number is not the WEIR_ABI_VERSION that it
 * was built against.
 */
uint32_t weir_abi_version(void);

/**
 * Sets where messages go, instead of where they went. The `release` of a sink is called once, when its last message has
 * arrived: within this call, or soon after it on another thread if that is in `log` now. After an error it is not called.
 *
 * @param sink   copied; NULL for nowhere
 * @param error  receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_ALREADY_EXISTS if a Rust program collects the log itself
 */
WeirStatus weir_log_set_sink(const WeirLogSink *sink,
                             WeirError **error);

/**
 * Sets how much is logged.
 *
 * @param level  a WEIR_LOG_LEVEL_*; WEIR_LOG_LEVEL_INFO at first
 * @param error  receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_log_set_level(int32_t level, WeirError **error);

/**
 * The code of an error, WEIR_STATUS_OK for NULL.
 */
WeirStatus weir_error_code(const WeirError *error);

/**
 * The message of an error: NUL-terminated UTF-8 that names the object, position, epoch or counts concerned. Borrowed for
 * the error's life; an empty text for NULL.
 */
const char *weir_error_message(const WeirError *error);

/**
 * What to do about an error, WEIR_ACTION_NONE for NULL.
 */
WeirAction weir_error_action(const WeirError *error);

/**
 * Looks up the number that an error carries under `name`, such as `position` or `epoch`.
 *
 * @param name   the detail's name, NUL-terminated
 * @param value  receives the number; untouched if there is none
 * @return whether there is such a number
 */
bool weir_error_detail_u64(const WeirError *error, const char *name, uint64_t *value);

/**
 * Looks up the text that an error carries under `name`, such as `path` or `shard`.
 *
 * @param name   the detail's name, NUL-terminated
 * @param value  receives the text, NUL-terminated, borrowed for the error's life; untouched if there is none
 * @return whether there is such a text
 */
bool weir_error_detail_str(const WeirError *error, const char *name, const char **value);

/**
 * Frees an error. NULL is allowed.
 */
void weir_error_free(WeirError *error);

/**
 * The name of a status code, such as `WEIR_STATUS_FENCED`; `WEIR_STATUS_UNKNOWN` for a number that is none. A constant.
 */
const char *weir_status_name(int32_t status);

/**
 * The bytes of a buffer, borrowed for its life; NULL if it is empty. One NUL follows them, so text can be printed as it is.
 */
const char *weir_buffer_data(const WeirBuffer *buffer);

/**
 * The number of bytes in a buffer; 0 for NULL.
 */
size_t weir_buffer_len(const WeirBuffer *buffer);

/**
 * Frees a buffer. NULL is allowed.
 */
void weir_buffer_free(WeirBuffer *buffer);

/**
 * Frees what an event owns, that is its error and its result, and sets them to NULL. NULL is allowed, and so is an event that
 * was cleared.
 */
void weir_event_clear(WeirEvent *event);

/**
 * Fills options with their defaults.
 *
 * @param options      the struct
 * @param struct_size  `sizeof(WeirQueueOptions)` as the caller knows it, in bytes: no more is written
 */
void weir_queue_options_init(WeirQueueOptions *options, uint32_t struct_size);

/**
 * Makes a completion queue.
 *
 * @param options  NULL for the defaults
 * @param queue    receives the queue; free it with weir_queue_free()
 * @param error    receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_queue_new(const WeirQueueOptions *options, WeirQueue **queue, WeirError **error);

/**
 * A completion that posts to `queue`. It costs nothing unless an `_async` call accepts it; such a call holds the queue, so it
 * may be freed at any time. The result must not be used after that. With NULL, `fn` is NULL and `_async` calls refuse it.
 *
 * @param queue  the queue
 * @param token  comes back in the event
 */
WeirCompletion weir_queue_completion(WeirQueue *queue,
                                     uint64_t token);

/**
 * Takes events from a queue, waiting for the first. Several threads may do so at once; an event goes to one of them.
 *
 * @param queue       the queue
 * @param events      receives the events; what they own is the receiver's (see weir_event_clear())
 * @param max         the length of `events`, at least 1
 * @param timeout_ms  how long to wait for an event, in milliseconds: negative for ever, 0 not at all
 * @param count       receives the number of events, at least 1 on success, else 0
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_CLOSED when the queue is closed and drained,
 *         WEIR_STATUS_WOULD_DEADLOCK on a runtime thread
 */
WeirStatus weir_queue_next(WeirQueue *queue,
                           WeirEvent *events,
                           size_t max,
                           int64_t timeout_ms,
                           size_t *count,
                           WeirError **error);

/**
 * A file descriptor that is readable while events wait or the queue is closed, for poll, select or epoll (an eventfd on Linux,
 * else a pipe). Do not read from it or close it: weir_queue_next() resets it. Valid until weir_queue_free().
 *
 * @return the descriptor, or -1 if there is none to be had
 */
int weir_queue_fd(WeirQueue *queue);

/**
 * Closes a queue: `_async` calls refuse its completions, waiting threads return, what is in it can still be drained, and so
 * can the events of calls that were accepted before. Closing again is no error.
 *
 * @param queue  the queue
 * @param error  receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_queue_close(WeirQueue *queue,
                            WeirError **error);

/**
 * Frees a queue, and the events in it. Calls that were accepted go on; their events are dropped. NULL is allowed. No other
 * call on the queue may run.
 */
void weir_queue_free(WeirQueue *queue);

/**
 * Fills options with their defaults.
 *
 * @param options      the struct
 * @param struct_size  `sizeof(WeirSessionOptions)` as the caller knows it, in bytes: no more is written
 */
void weir_session_options_init(WeirSessionOptions *options, uint32_t struct_size);

/**
 * Makes a session. Makes no request and starts no thread.
 *
 * @param options  NULL for the defaults
 * @param session  receives the session; free it with weir_session_free()
 * @param error    receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT naming an unknown setting or a bad value
 */
WeirStatus weir_session_new(const WeirSessionOptions *options, WeirSession **session, WeirError **error);

/**
 * Frees a session. What was opened through it goes on and keeps what it needs. NULL is allowed.
 */
void weir_session_free(WeirSession *session);

/**
 * Lists the keys of store settings that this build knows, one per line.
 *
 * @param keys   receives the text; free it with weir_buffer_free()
 * @param error  receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_store_settings_list(WeirBuffer **keys, WeirError **error);

/**
 * The metrics of all that was opened through a session, in the text format of Prometheus.
 *
 * @param session  the session
 * @param text     receives the text; free it with weir_buffer_free()
 * @param error    receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_metrics_prometheus(const WeirSession *session, WeirBuffer **text, WeirError **error);

/**
 * The number of objects that the library has given out and that were not freed yet: handles, errors, buffers, entries and
 * manifests. A program that frees all that it gets ends with 0.
 */
uint64_t weir_live_handles(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* WEIR_H */

/* Options with their defaults: `WeirSessionOptions options = WEIR_SESSION_OPTIONS_INIT;` */
#define WEIR_RUNTIME_OPTIONS_INIT {(uint32_t)sizeof(WeirRuntimeOptions), 0, 0, 0, NULL, NULL, NULL, NULL}
#define WEIR_LOG_SINK_INIT {(uint32_t)sizeof(WeirLogSink), 0, NULL, NULL, NULL}
#define WEIR_QUEUE_OPTIONS_INIT {(uint32_t)sizeof(WeirQueueOptions), 0}
#define WEIR_SESSION_OPTIONS_INIT {(uint32_t)sizeof(WeirSessionOptions), 0, NULL, 0}
