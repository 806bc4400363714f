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
 * A number that is not known.
 */
#define WEIR_CACHE_UNKNOWN UINT64_MAX

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
  /**
   * A `WeirSpill *`.
   */
  WEIR_RESULT_SPILL = 7,
  /**
   * A `WeirBatch *`.
   */
  WEIR_RESULT_BATCH = 8,
  /**
   * A `WeirCacheValue *`.
   */
  WEIR_RESULT_CACHE_VALUE = 9,
  /**
   * A `WeirSnapshot *`.
   */
  WEIR_RESULT_SNAPSHOT = 10,
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
 * How the bodies of entries are compressed.
 */
enum WeirCompression
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Not at all.
   */
  WEIR_COMPRESSION_NONE = 0,
  /**
   * LZ4 frames: fast.
   */
  WEIR_COMPRESSION_LZ4 = 1,
  /**
   * Zstandard: small.
   */
  WEIR_COMPRESSION_ZSTD = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum WeirCompression WeirCompression;
#else
typedef int32_t WeirCompression;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Where a spill store keeps its bytes.
 */
enum WeirSpillBackend
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * In files of a local directory.
   */
  WEIR_SPILL_BACKEND_LOCAL = 0,
  /**
   * In memory.
   */
  WEIR_SPILL_BACKEND_MEMORY = 1,
  /**
   * In objects of an object store.
   */
  WEIR_SPILL_BACKEND_OBJECT = 2,
  /**
   * In memory up to `memory_bytes`, then in files of a local directory.
   */
  WEIR_SPILL_BACKEND_TIERED = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum WeirSpillBackend WeirSpillBackend;
#else
typedef int32_t WeirSpillBackend;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What a cached value is.
 */
enum WeirCacheKind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Nothing: the value is NULL.
   */
  WEIR_CACHE_KIND_NONE = 0,
  /**
   * Opaque bytes.
   */
  WEIR_CACHE_KIND_BYTES = 1,
  /**
   * An Arrow batch.
   */
  WEIR_CACHE_KIND_BATCH = 2,
  /**
   * An object of weir's own, such as a decoded entry. A backend keeps it as it is, or its bytes if it has some.
   */
  WEIR_CACHE_KIND_OBJECT = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum WeirCacheKind WeirCacheKind;
#else
typedef int32_t WeirCacheKind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Kinds of secondary indexes.
 */
enum WeirIndex
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Ordered: equality, ranges, order, nulls.
   */
  WEIR_INDEX_BTREE = 0,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum WeirIndex WeirIndex;
#else
typedef int32_t WeirIndex;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How a column is compared with a value. A null is equal to nothing, less than nothing and greater than nothing; −0 is 0, and every NaN
 * is one value above all others.
 */
enum WeirCompare
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Equal to the value.
   */
  WEIR_COMPARE_EQ = 0,
  /**
   * Not equal to the value, and not null.
   */
  WEIR_COMPARE_NE = 1,
  /**
   * Less than the value.
   */
  WEIR_COMPARE_LT = 2,
  /**
   * Less than the value or equal to it.
   */
  WEIR_COMPARE_LE = 3,
  /**
   * Greater than the value.
   */
  WEIR_COMPARE_GT = 4,
  /**
   * Greater than the value or equal to it.
   */
  WEIR_COMPARE_GE = 5,
  /**
   * Null. Takes no value.
   */
  WEIR_COMPARE_IS_NULL = 6,
  /**
   * Not null. Takes no value.
   */
  WEIR_COMPARE_IS_NOT_NULL = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum WeirCompare WeirCompare;
#else
typedef int32_t WeirCompare;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What there is under a key.
 */
enum WeirKey
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * It was never put, or what was known of it was merged away with its deletion.
   */
  WEIR_KEY_MISSING = 0,
  /**
   * A row.
   */
  WEIR_KEY_FOUND = 1,
  /**
   * It was deleted.
   */
  WEIR_KEY_DELETED = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum WeirKey WeirKey;
#else
typedef uint8_t WeirKey;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The owner of a shard, which appends one entry per call and buffers nothing. All functions may be called from any thread at
 * once; appends take turns.
 */
typedef struct WeirAppender WeirAppender;

/**
 * A batch, as `_async` calls and scans give it. Immutable; it may be used from any thread.
 */
typedef struct WeirBatch WeirBatch;

/**
 * Bytes that the library gives away, text as a rule. Owned by whoever received it; free it with weir_buffer_free().
 */
typedef struct WeirBuffer WeirBuffer;

/**
 * A cache: values by key, in memory or in a backend of the caller's. It may be used from any thread.
 */
typedef struct WeirCache WeirCache;

/**
 * The way in which a backend or a loader answers, once, now or later and from any thread: each weir_cache_reply_*() function
 * consumes it. An answer that comes after the deadline, or to a call that was given up, is freed and changes nothing.
 */
typedef struct WeirCacheReply WeirCacheReply;

/**
 * A lease on a cached value: what it holds stays valid and as it is, also after the entry is evicted, replaced or invalidated, until
 * the lease is freed. Immutable; it may be used from any thread.
 */
typedef struct WeirCacheValue WeirCacheValue;

/**
 * One entry of a shard's log: its batches share one buffer, which lives until the entry and all that was exported from it are
 * gone. Immutable; it may be used from any thread.
 */
typedef struct WeirEntry WeirEntry;

/**
 * An error: a code, what to do about it, a message and typed details. Owned by whoever received it; free it with
 * weir_error_free(). Its functions may be called from any thread.
 */
typedef struct WeirError WeirError;

/**
 * One version of a shard's manifest, as read. Immutable; it may be used from any thread.
 */
typedef struct WeirManifest WeirManifest;

/**
 * A queue of events: `_async` calls post to it, any thread drains it, so no thread of weir's enters the program. It may be
 * used from any thread.
 */
typedef struct WeirQueue WeirQueue;

/**
 * A scan: rows of one moment, read as they are asked for. All functions may be called from any thread at once; weir_scan_next() calls
 * take turns.
 */
typedef struct WeirScan WeirScan;

/**
 * What is shared by all that is opened through it: object stores with their settings, one client for each bucket; the cache; the spill
 * store; one memory limit; and metrics. What is opened keeps it alive. The runtime and the threads that run callbacks are the process's
 * (weir_runtime_configure()), and all sessions share them. It may be used from any thread.
 */
typedef struct WeirSession WeirSession;

/**
 * One moment of a shard: its generations, and the rows that only its log has. All functions may be called from any thread at once.
 */
typedef struct WeirSnapshot WeirSnapshot;

/**
 * What was spilled: bytes, or batches. Deleted, and its bytes returned to the budget, when it is freed and no reader, stream or mapped
 * batch of it is left. All functions may be called from any thread at once.
 */
typedef struct WeirSpill WeirSpill;

/**
 * A position in a spill, from which its bytes are read one after the other. All functions may be called from any thread at once;
 * they take turns, in the order of their calls.
 */
typedef struct WeirSpillReader WeirSpillReader;

/**
 * Scratch space for what does not fit into memory: sort runs, partitions, hash tables. What is written is deleted when its last
 * reader lets go of it, and reclaimed by the same user's next process at that place if this one is killed. All that is written
 * through a store obeys its cap together. All functions may be called from any thread at once.
 */
typedef struct WeirSpillStore WeirSpillStore;

/**
 * A spill that is being written. All functions may be called from any thread at once; writes take turns, in the order of their
 * calls, and nothing interleaves.
 */
typedef struct WeirSpillWriter WeirSpillWriter;

/**
 * A tailer that pushes. It may be used from any thread, also from within its own callback.
 */
typedef struct WeirSubscription WeirSubscription;

/**
 * A reader of one shard's log. All functions may be called from any thread at once; weir_tailer_next() calls take turns.
 */
typedef struct WeirTailer WeirTailer;

/**
 * The owner of a shard. All functions may be called from any thread at once.
 */
typedef struct WeirWriter WeirWriter;

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
  /**
   * The spill store of all that is opened through the session; NULL (default) for a local one, made when it is first asked for. The
   * session keeps what it needs of it, and shows its figures in its metrics.
   */
  const WeirSpillStore *spill;
  /**
   * The cache of all that is opened through the session; NULL (default) = a built-in one, made when it is first needed. The session
   * keeps it. Entries of a store with latency are cached in either; those of a local one only in one that is given here.
   */
  const WeirCache *cache;
  /**
   * The limit, in bytes, on what the session's writers have queued and hold in MemTables, what its tailers have read ahead, and its
   * cache together; 0 (default) = none. The cache yields, and puts wait. See weir_session_memory().
   */
  uint64_t memory_bytes;
} WeirSessionOptions;

/**
 * The memory of a session, in bytes, and who waits for some. Set `struct_size` before the call.
 */
typedef struct {
  /**
   * `sizeof(WeirSessionMemory)` as the caller knows it: no more is written.
   */
  uint32_t struct_size;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * The limit; 0 = none.
   */
  uint64_t limit_bytes;
  /**
   * What its writers have queued and is not durable yet.
   */
  uint64_t queue_bytes;
  /**
   * What its MemTables hold.
   */
  uint64_t memtable_bytes;
  /**
   * What its tailers have read ahead.
   */
  uint64_t read_ahead_bytes;
  /**
   * What its cache holds; WEIR_CACHE_UNKNOWN if the backend is the caller's.
   */
  uint64_t cache_bytes;
  /**
   * Writers whose puts wait for room below the limit: weir_session_pressure() names them.
   */
  uint64_t waiting;
  /**
   * The bytes that the puts at the head of their queues want.
   */
  uint64_t waiting_bytes;
  /**
   * How long the first of them has waited, in nanoseconds.
   */
  uint64_t longest_wait_ns;
  /**
   * How often a writer waited.
   */
  uint64_t waits;
  /**
   * How long they waited together, in nanoseconds, of waits that are over.
   */
  uint64_t waited_ns;
} WeirSessionMemory;

/**
 * A field of the shard spec and its value, for weir_shard_init(). Both are copied.
 */
typedef struct {
  /**
   * The field, NUL-terminated UTF-8.
   */
  const char *field_id;
  /**
   * Its value; NULL if empty.
   */
  const uint8_t *value;
  /**
   * The value's length in bytes.
   */
  size_t value_len;
} WeirShardField;

/**
 * Options of weir_shard_trim().
 */
typedef struct {
  /**
   * `sizeof(WeirTrimOptions)`.
   */
  uint32_t struct_size;
  /**
   * Must be 0.
   */
  uint32_t reserved;
  /**
   * Nothing younger is removed, in milliseconds by the store's clock: it must exceed by far how long a writer may be stalled.
   * The writers' `trim_age_ms` must not be larger. < 0 (default) = 24 hours.
   */
  int64_t trim_age_ms;
} WeirTrimOptions;

/**
 * A secondary index over one column.
 */
typedef struct {
  /**
   * Its name, unique within the shard: 1 to 64 letters, digits, `-` and `_`.
   */
  const char *name;
  /**
   * The column that it is over.
   */
  const char *column;
  /**
   * A `WEIR_INDEX_*`.
   */
  int32_t kind;
  /**
   * Must be 0.
   */
  int32_t reserved;
} WeirIndexDefinition;

/**
 * Options of weir_writer_open().
 */
typedef struct {
  /**
   * `sizeof(WeirWriterOptions)`.
   */
  uint32_t struct_size;
  /**
   * 1 (default): a put returns when it is durable. 0: when it is admitted; it becomes durable within the linger.
   */
  uint8_t durable;
  /**
   * 1 (default): on a local disk, durable means that file and directory were synced. 0: what the kernel holds is lost with the
   * machine's power, though not with the process. Other stores are durable anyway.
   */
  uint8_t fsync;
  /**
   * 1 (default): offsets and UTF-8 of every batch are checked. 0: the caller vouches for them; what is wrong is undefined behaviour.
   */
  uint8_t validate;
  /**
   * 1 (default): what was put can be read at once (weir_writer_scan(), weir_writer_get()), is flushed to generations in the background, and
   * the log behind it may be trimmed. 0: the writer writes the log and nothing else.
   */
  uint8_t enable_memtable;
  /**
   * Compression of entries, a `WEIR_COMPRESSION_*`; default none. Lance reads compressed entries only if it is built for it.
   */
  int32_t compression;
  /**
   * Retries of a failed append, at the same position, before the writer is poisoned; default 3.
   */
  uint32_t max_retries;
  /**
   * Microseconds that an admitted put may wait for others to share its entry; < 0 (default) = 0 if durable, else 100000.
   */
  int64_t linger_us;
  /**
   * Bytes at which pending puts are written at once, and at which an entry is full; default 8388608 (8 MiB).
   */
  uint64_t max_buffer_bytes;
  /**
   * Bytes admitted and not durable at which puts wait for room; default 67108864 (64 MiB).
   */
  uint64_t max_pending_bytes;
  /**
   * Milliseconds before the first retry, doubling with each; default 50.
   */
  uint32_t retry_base_delay_ms;
  /**
   * Manifest versions that are asked for at once, 1 to 64; default 2.
   */
  uint32_t manifest_probe_width;
  /**
   * Milliseconds below which nothing of the shard is ever trimmed, by anyone; < 0 (default) = 24 hours.
   */
  int64_t trim_age_ms;
  /**
   * Milliseconds that opening may take; < 0 (default) = for ever.
   */
  int64_t open_timeout_ms;
  /**
   * The memory at which a MemTable is frozen and flushed, its indexes included; default 268435456 (256 MiB). This and all that follows is
   * of writers with `enable_memtable`.
   */
  uint64_t max_memtable_bytes;
  /**
   * The rows at which it is; default 4000000.
   */
  uint64_t max_memtable_rows;
  /**
   * The batches at which it is; default 262144.
   */
  uint64_t max_memtable_batches;
  /**
   * Bytes in MemTables that are not flushed at which puts wait for room; default 1073741824 (1 GiB).
   */
  uint64_t max_unflushed_bytes;
  /**
   * Milliseconds for which a MemTable stays in memory after it was flushed, so that reads need no storage; default 0, at most an hour.
   */
  int64_t frozen_grace_ms;
  /**
   * The names of the columns that are the primary key, in the key's order; NULL (default) = those that the schema's metadata marks
   * (`lance-schema:unenforced-primary-key`), if any. Without a key, every row stays: nothing is replaced, deleted or got by key.
   */
  const char *const *primary_key;
  /**
   * How many there are.
   */
  size_t primary_key_len;
  /**
   * Secondary indexes; NULL (default) = none. Scans use them where comparisons allow it.
   */
  const WeirIndexDefinition *indexes;
  /**
   * How many there are.
   */
  size_t indexes_len;
  /**
   * 1 (default): generations are merged in the background. 0: only by weir_writer_compact().
   */
  uint8_t compaction;
  /**
   * Must be 0.
   */
  uint8_t reserved2[3];
  /**
   * The fewest generations that are worth a merge, at least 2; default 4.
   */
  uint32_t compaction_min_generations;
  /**
   * The most generations of one merge; default 16.
   */
  uint32_t compaction_max_generations;
  /**
   * Must be 0.
   */
  uint32_t reserved3;
  /**
   * The most that the generations of one merge may take on storage together, in bytes; default 268435456 (256 MiB). A merge takes about this
   * much memory.
   */
  uint64_t compaction_max_bytes;
} WeirWriterOptions;

/**
 * What a writer has done since it was opened. Set `struct_size` before the call.
 */
typedef struct {
  /**
   * `sizeof(WeirWriterStats)` as the caller knows it: no more is written.
   */
  uint32_t struct_size;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * Puts admitted.
   */
  uint64_t puts;
  /**
   * Their rows.
   */
  uint64_t rows;
  /**
   * Their bytes as encoded.
   */
  uint64_t bytes;
  /**
   * Entries appended.
   */
  uint64_t entries;
  /**
   * The bytes of their objects.
   */
  uint64_t entry_bytes;
  /**
   * Puts admitted and not durable.
   */
  uint64_t pending_puts;
  /**
   * Bytes of those that wait or are being written.
   */
  uint64_t pending_bytes;
  /**
   * Create-if-absent requests to the store, by all that share it through the session.
   */
  uint64_t requests_create;
  /**
   * Plain writes.
   */
  uint64_t requests_put;
  /**
   * Reads.
   */
  uint64_t requests_get;
  /**
   * Questions whether an object exists.
   */
  uint64_t requests_head;
  /**
   * Listings.
   */
  uint64_t requests_list;
  /**
   * Deletions.
   */
  uint64_t requests_delete;
  /**
   * Appends tried again after a failure.
   */
  uint64_t retries;
  /**
   * Positions found taken by others.
   */
  uint64_t conflicts;
  /**
   * Appends whose answer was lost and that turned out to have landed.
   */
  uint64_t settled;
  /**
   * Nanoseconds that puts spent waiting for room.
   */
  uint64_t blocked_ns;
  /**
   * How many puts waited for room.
   */
  uint64_t blocked_waits;
  /**
   * Puts waiting for room now.
   */
  uint64_t blocked_now;
  /**
   * Nanoseconds from a put's call to its acknowledgement: the median …
   */
  uint64_t put_p50_ns;
  /**
   * … the 99th percentile …
   */
  uint64_t put_p99_ns;
  /**
   * … and the longest.
   */
  uint64_t put_max_ns;
  /**
   * Nanoseconds of an append: the median …
   */
  uint64_t append_p50_ns;
  /**
   * … the 99th percentile …
   */
  uint64_t append_p99_ns;
  /**
   * … and the longest.
   */
  uint64_t append_max_ns;
  /**
   * Puts per entry: the median …
   */
  uint64_t group_p50;
  /**
   * … the 99th percentile …
   */
  uint64_t group_p99;
  /**
   * … and the most.
   */
  uint64_t group_max;
} WeirWriterStats;

/**
 * The memory that a writer holds, in bytes. Set `struct_size` before the call.
 */
typedef struct {
  /**
   * `sizeof(WeirWriterMemory)` as the caller knows it: no more is written.
   */
  uint32_t struct_size;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * Admitted and not yet taken into an entry.
   */
  uint64_t pending_bytes;
  /**
   * In the entry that is being appended.
   */
  uint64_t in_flight_bytes;
  /**
   * Granted to puts that were waiting for room.
   */
  uint64_t reserved_bytes;
  /**
   * The limit on the sum of these three.
   */
  uint64_t limit_bytes;
  /**
   * In the MemTable that is filled.
   */
  uint64_t memtable_bytes;
  /**
   * In MemTables that are frozen and not flushed.
   */
  uint64_t frozen_bytes;
  /**
   * In MemTables that were flushed and stay for a while.
   */
  uint64_t kept_bytes;
  /**
   * The limit on what is filled and frozen; 0 without MemTables.
   */
  uint64_t unflushed_limit_bytes;
} WeirWriterMemory;

/**
 * A writer's MemTables and generations. Set `struct_size` before the call.
 */
typedef struct {
  /**
   * `sizeof(WeirMemTableStats)` as the caller knows it: no more is written.
   */
  uint32_t struct_size;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * The generation that the MemTable becomes that is filled.
   */
  uint64_t active_generation;
  /**
   * Its rows, with superseded ones and deletions.
   */
  uint64_t active_rows;
  /**
   * Its batches.
   */
  uint64_t active_batches;
  /**
   * The memory that it takes, in bytes.
   */
  uint64_t active_bytes;
  /**
   * MemTables that are frozen and not flushed.
   */
  uint64_t frozen_tables;
  /**
   * Their rows.
   */
  uint64_t frozen_rows;
  /**
   * The memory that they take.
   */
  uint64_t frozen_bytes;
  /**
   * The memory of MemTables that were flushed and stay for a while.
   */
  uint64_t kept_bytes;
  /**
   * The newest generation that this writer knows as published; 0 = none.
   */
  uint64_t published_generation;
  /**
   * Generations that reads look into.
   */
  uint64_t generations;
  /**
   * MemTables flushed by this writer.
   */
  uint64_t flushes;
  /**
   * Attempts at that which failed.
   */
  uint64_t flush_failures;
  /**
   * Rows flushed.
   */
  uint64_t flushed_rows;
  /**
   * Bytes of their objects.
   */
  uint64_t flushed_bytes;
  /**
   * Merges of generations.
   */
  uint64_t compactions;
  /**
   * Merges in the background that failed.
   */
  uint64_t compaction_failures;
  /**
   * Generations that were merged.
   */
  uint64_t compacted_generations;
  /**
   * Entries of the log whose rows came back when the writer was opened.
   */
  uint64_t replayed_entries;
  /**
   * Those rows.
   */
  uint64_t replayed_rows;
} WeirMemTableStats;

/**
 * A condition on one column. What it is compared with is in the `values` of weir_writer_scan().
 */
typedef struct {
  /**
   * The column's name.
   */
  const char *column;
  /**
   * A `WEIR_COMPARE_*`.
   */
  int32_t op;
  /**
   * Must be 0.
   */
  int32_t reserved;
} WeirComparison;

/**
 * Options of weir_writer_scan() and weir_snapshot_scan().
 */
typedef struct {
  /**
   * `sizeof(WeirScanOptions)`.
   */
  uint32_t struct_size;
  /**
   * 1: the column `_position` (uint64) comes, too: the row's number in its generation or MemTable, from 0. Default 0.
   */
  uint8_t with_position;
  /**
   * 1: the column `_generation` (uint64) comes, too: the generation that has the row, or that its MemTable will be. Together with the
   * position it names a version of a row until generations are merged. Default 0.
   */
  uint8_t with_generation;
  /**
   * 1: keys whose newest version is a deletion come, too, told apart by the column `_tombstone` (boolean), which is behind the others; all
   * columns outside of the key may be null then. Default 0.
   */
  uint8_t with_tombstones;
  /**
   * Must be 0.
   */
  uint8_t reserved;
  /**
   * The names of the columns, in the order in which they are wanted; NULL (default) = all.
   */
  const char *const *columns;
  /**
   * How many there are.
   */
  size_t columns_len;
  /**
   * What must hold for a row, all of it; NULL (default) = nothing.
   */
  const WeirComparison *comparisons;
  /**
   * How many there are.
   */
  size_t comparisons_len;
  /**
   * The most rows that are given; UINT64_MAX (default) = all.
   */
  uint64_t limit;
  /**
   * The rows that a batch has at most, smaller ones being joined to about this; default 8192.
   */
  uint32_t batch_rows;
  /**
   * Must be 0.
   */
  uint32_t reserved2;
} WeirScanOptions;

/**
 * Options of weir_writer_get() and weir_snapshot_get().
 */
typedef struct {
  /**
   * `sizeof(WeirGetOptions)`.
   */
  uint32_t struct_size;
  /**
   * Must be 0.
   */
  uint32_t reserved;
  /**
   * The names of the columns, in the order in which they are wanted; NULL (default) = all.
   */
  const char *const *columns;
  /**
   * How many there are.
   */
  size_t columns_len;
} WeirGetOptions;

/**
 * Options of weir_snapshot_open().
 */
typedef struct {
  /**
   * `sizeof(WeirSnapshotOptions)`.
   */
  uint32_t struct_size;
  /**
   * 1 (default): with the rows that only the log has. 0: the generations alone.
   */
  uint8_t wal;
  /**
   * Must be 0.
   */
  uint8_t reserved[3];
  /**
   * The names of the columns that are the primary key; NULL (default) = those that the schema's metadata marks, else the key of the newest
   * generation, if there is one.
   */
  const char *const *primary_key;
  /**
   * How many there are.
   */
  size_t primary_key_len;
  /**
   * Secondary indexes to be made of the rows that only the log has; NULL (default) = none.
   */
  const WeirIndexDefinition *indexes;
  /**
   * How many there are.
   */
  size_t indexes_len;
  /**
   * The most memory that rows may take that only the log has; default 1073741824 (1 GiB).
   */
  uint64_t max_bytes;
  /**
   * Milliseconds that opening may take; < 0 (default) = for ever.
   */
  int64_t open_timeout_ms;
} WeirSnapshotOptions;

/**
 * Options of weir_appender_open().
 */
typedef struct {
  /**
   * `sizeof(WeirAppenderOptions)`.
   */
  uint32_t struct_size;
  /**
   * 1 (default): on a local disk, file and directory of each entry are synced. See WeirWriterOptions.
   */
  uint8_t fsync;
  /**
   * 1 (default): offsets and UTF-8 of every batch are checked. See WeirWriterOptions.
   */
  uint8_t validate;
  /**
   * Must be 0.
   */
  uint8_t reserved[2];
  /**
   * Compression of entries, a `WEIR_COMPRESSION_*`; default none.
   */
  int32_t compression;
  /**
   * Retries of a failed append, at the same position; default 3.
   */
  uint32_t max_retries;
  /**
   * Milliseconds before the first retry, doubling with each; default 50.
   */
  uint32_t retry_base_delay_ms;
  /**
   * Manifest versions that are asked for at once, 1 to 64; default 2.
   */
  uint32_t manifest_probe_width;
  /**
   * Milliseconds below which nothing of the shard is ever trimmed, by anyone; < 0 (default) = 24 hours.
   */
  int64_t trim_age_ms;
  /**
   * Milliseconds that opening may take; < 0 (default) = for ever.
   */
  int64_t open_timeout_ms;
} WeirAppenderOptions;

/**
 * Options of weir_tailer_open().
 */
typedef struct {
  /**
   * `sizeof(WeirTailerOptions)`.
   */
  uint32_t struct_size;
  /**
   * 1: wait at the end of the log for new entries. 0 (default): report the end.
   */
  uint8_t follow;
  /**
   * Must be 0.
   */
  uint8_t reserved[3];
  /**
   * The position to start at; 0 (default) = the oldest there is.
   */
  uint64_t from;
  /**
   * Bytes of entries that may be held that were read ahead; default 67108864 (64 MiB).
   */
  uint64_t prefetch_bytes;
  /**
   * Entries that are fetched at once from a store with latency, 1 to 4096; default 32. Local stores are read directly.
   */
  uint32_t prefetch_entries;
  /**
   * Milliseconds until the log's end is looked at again after news, doubling up to `poll_max_ms`; default 2.
   */
  uint32_t poll_min_ms;
  /**
   * The longest pause between two looks, in milliseconds; default 1000. A writer in this process wakes its tailers at once.
   */
  uint32_t poll_max_ms;
  /**
   * Must be 0.
   */
  uint32_t reserved2;
} WeirTailerOptions;

/**
 * Options of weir_spill_store_new().
 */
typedef struct {
  /**
   * `sizeof(WeirSpillStoreOptions)`.
   */
  uint32_t struct_size;
  /**
   * A `WEIR_SPILL_BACKEND_*`; default WEIR_SPILL_BACKEND_LOCAL.
   */
  int32_t backend;
  /**
   * LOCAL and TIERED: the directory, which is made when it is first written to, with its parents and for this user alone (mode 0700);
   * any number of stores may share it. NULL (default) = `weir-spill` below the operating system's directory for temporary files, for
   * all users (mode 1777), or `weir-spill-<user id>` where that was made by neither root nor this user. Each store makes a locked
   * directory of its own in it, and removes those that killed processes of the same user left (as root: of any user); other users'
   * are left alone. On network file systems, FUSE and folders shared with a host, where a living owner's lock may not be seen,
   * nothing is removed but what is the store's own. OBJECT: the URL. MEMORY: NULL.
   */
  const char *location;
  /**
   * The most bytes that may be held at once; UINT64_MAX (default) = no cap, 0 = nothing may be written.
   */
  uint64_t cap_bytes;
  /**
   * TIERED: the most bytes that are kept in memory.
   */
  uint64_t memory_bytes;
  /**
   * LOCAL and TIERED: a write that would leave less free on the file system is refused; -1 (default) = 5 % of it or 1 GiB, whichever
   * is smaller; 0 = no such floor.
   */
  int64_t min_free_bytes;
  /**
   * OBJECT: what a store that is gone left behind is deleted after so many milliseconds, 60,000 or more; -1 (default) = 24 hours. A
   * store that is stopped or cut off for longer is taken for gone.
   */
  int64_t reclaim_age_ms;
  /**
   * The buffer of each writer, in bytes; default 64 KiB.
   */
  uint32_t buffer_bytes;
  /**
   * Must be 0.
   */
  uint32_t reserved;
} WeirSpillStoreOptions;

/**
 * What a spill store holds and did. Set `struct_size` before the call. A store's figures include those of its children, but
 * for `cap_bytes`.
 */
typedef struct {
  /**
   * `sizeof(WeirSpillStats)` as the caller knows it: no more is written.
   */
  uint32_t struct_size;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * Bytes held now, by unfinished writers and by spills.
   */
  uint64_t live_bytes;
  /**
   * The most bytes that were held at once.
   */
  uint64_t peak_bytes;
  /**
   * The cap; UINT64_MAX = none.
   */
  uint64_t cap_bytes;
  /**
   * Bytes of `live_bytes` that are held in memory.
   */
  uint64_t memory_bytes;
  /**
   * Spills that were finished and still have a reader.
   */
  uint64_t open_spills;
  /**
   * Writers that are not finished.
   */
  uint64_t open_writers;
  /**
   * Spills that were finished, ever.
   */
  uint64_t spills_total;
  /**
   * Bytes written, ever.
   */
  uint64_t written_bytes;
  /**
   * Bytes read, ever.
   */
  uint64_t read_bytes;
  /**
   * Writes refused by the cap.
   */
  uint64_t cap_refusals;
  /**
   * Writes refused by the floor of free space.
   */
  uint64_t floor_refusals;
  /**
   * Nanoseconds spent writing.
   */
  uint64_t write_ns;
  /**
   * Nanoseconds spent reading.
   */
  uint64_t read_ns;
  /**
   * Directories of dead processes that were deleted.
   */
  uint64_t swept_directories;
  /**
   * The bytes that were in them.
   */
  uint64_t swept_bytes;
} WeirSpillStats;

/**
 * Options of weir_spill_begin() and weir_spill_begin_batches().
 */
typedef struct {
  /**
   * `sizeof(WeirSpillOptions)`.
   */
  uint32_t struct_size;
  /**
   * Compression of batches, a `WEIR_COMPRESSION_*`; default none. Bytes are stored as they are.
   */
  int32_t compression;
  /**
   * 1: what is stored is encrypted with a key that only this process's memory has; default 0.
   */
  uint8_t encrypt;
  /**
   * 1 (default): offsets, UTF-8 and keys of every batch are checked. 0 leaves that to whoever made the batches: if they are wrong,
   * the process may read wild memory.
   */
  uint8_t validate;
  /**
   * Must be 0.
   */
  uint8_t reserved[6];
} WeirSpillOptions;

/**
 * How batches are read.
 */
typedef struct {
  /**
   * `sizeof(WeirSpillReadOptions)`.
   */
  uint32_t struct_size;
  /**
   * 1: batches are not copied, but lie where the spill does: in the mapped file, or in the memory of a spill that was kept there. In a
   * file their buffers are aligned to 64 bytes; in memory only as far as that memory is, and what Arrow needs aligned and is not is
   * copied. Not for spills that are compressed, encrypted, or in an object store (WEIR_STATUS_UNSUPPORTED). Default 0.
   */
  uint8_t map;
  /**
   * With `map`, 1: the first map of each batch compares it with its checksum, which reads all of it; default 0: only its structure is
   * checked, offsets, UTF-8 and keys included. Batches that are read are always compared.
   */
  uint8_t verify;
  /**
   * Must be 0.
   */
  uint8_t reserved[2];
} WeirSpillReadOptions;

/**
 * A key. Two keys are equal if all three parts are. A value that is asked for under another type name is not found.
 */
typedef struct {
  /**
   * What weir_cache_invalidate_prefix() goes by, such as a table's name; any bytes, NULL if there are none.
   */
  const uint8_t *prefix;
  /**
   * How many.
   */
  size_t prefix_len;
  /**
   * The key within the prefix; any bytes, NULL if there are none.
   */
  const uint8_t *key;
  /**
   * How many.
   */
  size_t key_len;
  /**
   * The name of the value's type, NUL-terminated UTF-8; NULL = "". Names that begin with `weir.` are weir's own.
   */
  const char *type_name;
} WeirCacheKey;

/**
 * A cache's backend. It is copied; its functions may be called from any thread at once, and each answers once through `reply`, before
 * it returns or later. Keys are borrowed for the call. Answers: weir_cache_reply_bytes(), _batch(), _value() and _miss() to `get`;
 * _done() to the others, with the number that `num_entries` and `size_bytes` ask for; _error() to all.
 *
 * Where backends have a deadline (WeirCacheOptions.backend_timeout_ms), functions are called on threads of weir's, 16 at once: one that
 * does not return in time is given up as one that does not answer, and while 16 do not return, none is called. Without a deadline they are
 * called on whatever thread wants the answer, which may be one of weir's that must not wait: then they must not wait either, blocking
 * calls of weir fail with WEIR_STATUS_WOULD_DEADLOCK, and what takes long is answered later, from elsewhere.
 *
 * An answer to `insert` says that it is over, with or without effect. Until it comes, also after the deadline, later calls of
 * `invalidate_prefix` and `clear` are held back, for as long as their own deadline allows.
 *
 * The rules that a backend keeps are those that weir_cache_backend_check() checks. One that fails, answers too late or with garbage
 * costs its entries, and no read fails for it.
 */
typedef struct {
  /**
   * `sizeof(WeirCacheBackend)`.
   */
  uint32_t struct_size;
  /**
   * Must be 0.
   */
  uint32_t reserved;
  /**
   * Passed to all functions.
   */
  void *ctx;
  /**
   * Called with `ctx` once, after the last use; may be NULL.
   */
  WeirReleaseFn release;
  /**
   * Looks for the value under a key; required.
   */
  void (*get)(void *ctx, const WeirCacheKey *key, WeirCacheReply *reply);
  /**
   * Puts a value under a key, in the place of what is there; required. The value is the backend's to free: it may keep it as it is,
   * and answer with it later. `size_bytes` is the memory that it holds.
   */
  void (*insert)(void *ctx, const WeirCacheKey *key, WeirCacheValue *value, uint64_t size_bytes, WeirCacheReply *reply);
  /**
   * Removes all entries whose prefix begins with these bytes; required.
   */
  void (*invalidate_prefix)(void *ctx, const uint8_t *prefix, size_t prefix_len, WeirCacheReply *reply);
  /**
   * Removes all entries; required.
   */
  void (*clear)(void *ctx, WeirCacheReply *reply);
  /**
   * Counts the entries; NULL if the backend cannot tell.
   */
  void (*num_entries)(void *ctx, WeirCacheReply *reply);
  /**
   * Counts the bytes that they take; NULL if the backend cannot tell.
   */
  void (*size_bytes)(void *ctx, WeirCacheReply *reply);
} WeirCacheBackend;

/**
 * Options of weir_cache_new().
 */
typedef struct {
  /**
   * `sizeof(WeirCacheOptions)`.
   */
  uint32_t struct_size;
  /**
   * Must be 0.
   */
  uint32_t reserved;
  /**
   * The bytes that the cache may hold: keys, values and what it takes to hold them; memory that several values share counts once.
   * Default 134217728 (128 MiB); 0 = the cache is off: it holds nothing, and every loader runs. Not for a backend of the caller's.
   */
  uint64_t capacity_bytes;
  /**
   * A backend of the caller's, in the place of the built-in one; NULL (default) = the built-in one. Copied.
   */
  const WeirCacheBackend *backend;
  /**
   * How long that backend may take for an answer, in milliseconds; default 1000, < 0 = as long as it likes. With a deadline, its
   * functions are called on threads of their own, which costs some microseconds per call (see WeirCacheBackend).
   */
  int64_t backend_timeout_ms;
} WeirCacheOptions;

/**
 * What a cache has done since it was made, and what it holds. Set `struct_size` before the call.
 */
typedef struct {
  /**
   * `sizeof(WeirCacheStats)` as the caller knows it: no more is written.
   */
  uint32_t struct_size;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * Calls that found a value, or got it from another call's loader.
   */
  uint64_t hits;
  /**
   * Calls that did not.
   */
  uint64_t misses;
  /**
   * Loaders that ran to their end.
   */
  uint64_t loads;
  /**
   * Those of them that failed.
   */
  uint64_t load_errors;
  /**
   * The nanoseconds that they took together.
   */
  uint64_t load_ns;
  /**
   * Calls that got their value from another call's loader; they are among the hits.
   */
  uint64_t joined;
  /**
   * Values given to the backend.
   */
  uint64_t inserts;
  /**
   * Loaded values that were not kept, because an invalidation came between.
   */
  uint64_t stale;
  /**
   * Entries removed to make room; 0 if the backend is the caller's.
   */
  uint64_t evictions;
  /**
   * Values not kept, because they are larger than the whole cache; 0 if the backend is the caller's.
   */
  uint64_t refused;
  /**
   * Calls of the backend that failed or took too long.
   */
  uint64_t backend_errors;
  /**
   * Values from the backend that were of another type or could not be decoded.
   */
  uint64_t unusable;
  /**
   * About how many entries there are; WEIR_CACHE_UNKNOWN if the backend is the caller's.
   */
  uint64_t entries;
  /**
   * About how many bytes they take; WEIR_CACHE_UNKNOWN if the backend is the caller's.
   */
  uint64_t bytes;
} WeirCacheStats;

/**
 * A loader: brings the value of a key that is not in the cache. `load` answers with weir_cache_reply_bytes(), _batch(), _value(), or
 * _error(), before it returns or later and from any thread. It may use the cache, but for the key itself and for keys whose loaders
 * wait for this one.
 */
typedef struct {
  /**
   * Brings the value; required. The key is borrowed for the call.
   */
  void (*load)(void *ctx, const WeirCacheKey *key, WeirCacheReply *reply);
  /**
   * Passed to both functions.
   */
  void *ctx;
  /**
   * Called with `ctx` once, after the last use, whether `load` was called or not and whatever the call comes to; may be NULL.
   */
  WeirReleaseFn release;
} WeirCacheLoader;

/**
 * Some bytes of the caller's.
 */
typedef struct {
  /**
   * Where they begin; may be NULL if there are none.
   */
  const uint8_t *data;
  /**
   * How many there are.
   */
  size_t len;
} WeirBytes;

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
 * Ends weir in this process, for good: what is deleted of spills in object stores is waited for, until the time is up; operations that still
 * run are dropped, so that their completions run with WEIR_STATUS_CANCELLED; waiting calls return WEIR_STATUS_CLOSED; callbacks that are due
 * run; all threads are joined. Close writers before. Handles must still be freed. Calling again is no error.
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
 * The spill store of a session: the one of its options, or a local one without a cap. Makes no directory.
 *
 * @param session  the session
 * @param store    receives the store; free it with weir_spill_store_free()
 * @param error    receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_session_spill_store(const WeirSession *session, WeirSpillStore **store, WeirError **error);

/**
 * Frees a session. What was opened through it goes on and keeps what it needs. NULL is allowed.
 */
void weir_session_free(WeirSession *session);

/**
 * The cache of a session: the one of its options, or the built-in one.
 *
 * @param session  the session
 * @param cache    receives a handle on the cache; free it with weir_cache_free()
 * @param error    receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_session_cache(const WeirSession *session, WeirCache **cache, WeirError **error);

/**
 * The memory of all that was opened through a session, by its use.
 *
 * @param session  the session
 * @param memory   receives the figures; set its `struct_size`
 * @param error    receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_session_memory(const WeirSession *session,
                               WeirSessionMemory *memory,
                               WeirError **error);

/**
 * What waits for room below a session's memory limit, for how many bytes, and how long it has: one line each, the first to get room
 * first. Empty if nothing does.
 *
 * @param session  the session
 * @param text     receives the text; free it with weir_buffer_free()
 * @param error    receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_session_pressure(const WeirSession *session,
                                 WeirBuffer **text,
                                 WeirError **error);

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
 * The version, 1 or more; 0 for NULL.
 */
uint64_t weir_manifest_version(const WeirManifest *manifest);

/**
 * The epoch of the writer that owns the shard; 0 before the first claim.
 */
uint64_t weir_manifest_writer_epoch(const WeirManifest *manifest);

/**
 * The position up to which generations cover the log; replay starts after it.
 */
uint64_t weir_manifest_replay_after(const WeirManifest *manifest);

/**
 * A position that was in the log when the version was written: a hint.
 */
uint64_t weir_manifest_last_seen(const WeirManifest *manifest);

/**
 * The generation that the owner fills.
 */
uint64_t weir_manifest_current_generation(const WeirManifest *manifest);

/**
 * Whether the shard is sealed against writers.
 */
bool weir_manifest_is_sealed(const WeirManifest *manifest);

/**
 * The shard spec that the shard belongs to; 0 = none.
 */
uint32_t weir_manifest_shard_spec_id(const WeirManifest *manifest);

/**
 * The number of published generations.
 */
size_t weir_manifest_sstable_count(const WeirManifest *manifest);

/**
 * The number of the shard spec's fields.
 */
size_t weir_manifest_field_count(const WeirManifest *manifest);

/**
 * One of the shard spec's fields. The bytes are borrowed for the manifest's life.
 *
 * @param manifest   the manifest
 * @param index      which field, from 0
 * @param id         receives the field's id, UTF-8, not NUL-terminated; NULL if empty
 * @param id_len     receives its length in bytes
 * @param value      receives the field's value; NULL if empty
 * @param value_len  receives its length in bytes
 * @param error      receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT if there is no such field
 */
WeirStatus weir_manifest_field(const WeirManifest *manifest,
                               size_t index,
                               const char **id,
                               size_t *id_len,
                               const uint8_t **value,
                               size_t *value_len,
                               WeirError **error);

/**
 * Frees a manifest. NULL is allowed.
 */
void weir_manifest_free(WeirManifest *manifest);

/**
 * Lists the shards below a root.
 *
 * @param session     the session
 * @param root        the URL or path
 * @param timeout_ms  < 0 = for ever
 * @param ids         receives the shards' ids, one per line, sorted; free it with weir_buffer_free()
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK (also if the root does not exist: no shards), WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_STORAGE
 */
WeirStatus weir_shard_list(const WeirSession *session,
                           const char *root,
                           int64_t timeout_ms,
                           WeirBuffer **ids,
                           WeirError **error);

/**
 * weir_shard_list() with a completion: the event's `result` is the buffer.
 *
 * @param session     the session
 * @param root        the URL or path
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_shard_list_async(const WeirSession *session,
                                 const char *root,
                                 WeirCompletion completion,
                                 WeirError **error);

/**
 * Reads a shard's newest manifest.
 *
 * @param session     the session
 * @param root        the URL or path
 * @param shard_id    the shard's UUID, lower case, hyphenated
 * @param timeout_ms  < 0 = for ever
 * @param result      receives the manifest; free it with weir_manifest_free()
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_NOT_FOUND, WEIR_STATUS_CORRUPTION, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_STORAGE
 */
WeirStatus weir_shard_manifest(const WeirSession *session,
                               const char *root,
                               const char *shard_id,
                               int64_t timeout_ms,
                               WeirManifest **result,
                               WeirError **error);

/**
 * weir_shard_manifest() with a completion: the event's `result` is the manifest.
 *
 * @param session     the session
 * @param root        the URL or path
 * @param shard_id    the shard's UUID
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_shard_manifest_async(const WeirSession *session,
                                     const char *root,
                                     const char *shard_id,
                                     WeirCompletion completion,
                                     WeirError **error);

/**
 * Makes a shard that does not exist yet, with the values of its spec's fields, unclaimed. Not needed for a shard without a spec:
 * the first writer makes it.
 *
 * @param session     the session
 * @param root        the URL or path
 * @param shard_id    the shard's UUID, lower case, hyphenated
 * @param spec_id     the shard spec; 0 = none
 * @param fields      the spec's fields; NULL if there are none
 * @param fields_len  how many
 * @param timeout_ms  < 0 = for ever
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_ALREADY_EXISTS, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_STORAGE
 */
WeirStatus weir_shard_init(const WeirSession *session,
                           const char *root,
                           const char *shard_id,
                           uint32_t spec_id,
                           const WeirShardField *fields,
                           size_t fields_len,
                           int64_t timeout_ms,
                           WeirError **error);

/**
 * weir_shard_init() with a completion.
 *
 * @param session     the session
 * @param root        the URL or path
 * @param shard_id    the shard's UUID
 * @param spec_id     the shard spec; 0 = none
 * @param fields      the spec's fields; NULL if there are none
 * @param fields_len  how many
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_shard_init_async(const WeirSession *session,
                                 const char *root,
                                 const char *shard_id,
                                 uint32_t spec_id,
                                 const WeirShardField *fields,
                                 size_t fields_len,
                                 WeirCompletion completion,
                                 WeirError **error);

/**
 * Seals a shard against writers: fences the present one and refuses later ones with WEIR_STATUS_SEALED. Reading goes on.
 *
 * @param session     the session
 * @param root        the URL or path
 * @param shard_id    the shard's UUID, lower case, hyphenated
 * @param timeout_ms  < 0 = for ever
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, also if it is sealed; WEIR_STATUS_NOT_FOUND, WEIR_STATUS_CONFLICT, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_STORAGE
 */
WeirStatus weir_shard_seal(const WeirSession *session,
                           const char *root,
                           const char *shard_id,
                           int64_t timeout_ms,
                           WeirError **error);

/**
 * weir_shard_seal() with a completion.
 *
 * @param session     the session
 * @param root        the URL or path
 * @param shard_id    the shard's UUID
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_shard_seal_async(const WeirSession *session,
                                 const char *root,
                                 const char *shard_id,
                                 WeirCompletion completion,
                                 WeirError **error);

/**
 * Opens a sealed shard for writers again. Does nothing to one that is not sealed.
 *
 * @param session     the session
 * @param root        the URL or path
 * @param shard_id    the shard's UUID, lower case, hyphenated
 * @param timeout_ms  < 0 = for ever
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_NOT_FOUND, WEIR_STATUS_CONFLICT, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_STORAGE
 */
WeirStatus weir_shard_unseal(const WeirSession *session,
                             const char *root,
                             const char *shard_id,
                             int64_t timeout_ms,
                             WeirError **error);

/**
 * weir_shard_unseal() with a completion.
 *
 * @param session     the session
 * @param root        the URL or path
 * @param shard_id    the shard's UUID
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_shard_unseal_async(const WeirSession *session,
                                   const char *root,
                                   const char *shard_id,
                                   WeirCompletion completion,
                                   WeirError **error);

/**
 * Fills options with their defaults.
 *
 * @param options      the struct
 * @param struct_size  `sizeof(WeirTrimOptions)` as the caller knows it, in bytes: no more is written
 */
void weir_trim_options_init(WeirTrimOptions *options, uint32_t struct_size);

/**
 * Removes the oldest entries of a shard's log, up to and including a position, as far as they are old enough; the newest entry
 * always stays. Safe while writers and tailers are at work: a tailer that is behind gets WEIR_STATUS_TRIMMED.
 *
 * @param session         the session
 * @param root            the URL or path
 * @param shard_id        the shard's UUID, lower case, hyphenated
 * @param up_to           the last position that may go
 * @param options         NULL for the defaults
 * @param timeout_ms      < 0 = for ever
 * @param first_position  receives the oldest position that is left, 0 if the log is empty; NULL if not wanted
 * @param error           receives the error, unless NULL
 * @return WEIR_STATUS_OK, also if nothing was old enough; WEIR_STATUS_NOT_FOUND; WEIR_STATUS_INVALID_ARGUMENT, also where entries hold rows that
 * are nowhere else yet; WEIR_STATUS_TIMED_OUT; WEIR_STATUS_STORAGE. After an error what is left is still without a hole.
 */
WeirStatus weir_shard_trim(const WeirSession *session,
                           const char *root,
                           const char *shard_id,
                           uint64_t up_to,
                           const WeirTrimOptions *options,
                           int64_t timeout_ms,
                           uint64_t *first_position,
                           WeirError **error);

/**
 * weir_shard_trim() with a completion: the event's `value` is the oldest position that is left, 0 if the log is empty.
 *
 * @param session     the session
 * @param root        the URL or path
 * @param shard_id    the shard's UUID
 * @param up_to       the last position that may go
 * @param options     NULL for the defaults
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_shard_trim_async(const WeirSession *session,
                                 const char *root,
                                 const char *shard_id,
                                 uint64_t up_to,
                                 const WeirTrimOptions *options,
                                 WeirCompletion completion,
                                 WeirError **error);

/**
 * The bucket of every value of a column, for routing rows to shards: Lance's hash. Null goes to bucket 0.
 *
 * @param array    the column; consumed on every return
 * @param schema   the column's type; borrowed
 * @param buckets  how many there are, 1 to 1024
 * @param out      receives a bucket in 0 … buckets-1 per value
 * @param out_len  how many fit there; at least the array's length
 * @param error    receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_INVALID_DATA
 */
WeirStatus weir_bucket_of(struct ArrowArray *array,
                          const struct ArrowSchema *schema,
                          int32_t buckets,
                          int32_t *out,
                          size_t out_len,
                          WeirError **error);

/**
 * Fills options with their defaults.
 *
 * @param options      the struct
 * @param struct_size  `sizeof(WeirWriterOptions)` as the caller knows it, in bytes: no more is written
 */
void weir_writer_options_init(WeirWriterOptions *options, uint32_t struct_size);

/**
 * Opens a writer: claims the shard, which fences the writer before, and makes the shard if it does not exist. Options and schema
 * are checked first, so a call that is refused for them fences nobody. With `enable_memtable`, rows that the log has and no generation
 * are read back into memory. A schema may differ from the one before: columns may be added (nullable), dropped and renamed (by their
 * metadata `lance:field_id`).
 *
 * @param session   the session; the writer keeps what it needs of it
 * @param root      the URL or path below which the shard lies
 * @param shard_id  the shard's UUID, lower case, hyphenated
 * @param schema    the schema of every batch to come, a struct; borrowed. Metadata keys that the log reserves are left out.
 * @param options   NULL for the defaults
 * @param writer    receives the writer; free it with weir_writer_free()
 * @param error     receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_SCHEMA_MISMATCH, WEIR_STATUS_SEALED, WEIR_STATUS_CONFLICT or WEIR_STATUS_FENCED if
 * another claims at the same time, WEIR_STATUS_UNSUPPORTED for a store without create-if-absent, WEIR_STATUS_PERMISSION_DENIED,
 * WEIR_STATUS_STORAGE, WEIR_STATUS_CORRUPTION, WEIR_STATUS_TIMED_OUT (the claim may have been made)
 */
WeirStatus weir_writer_open(const WeirSession *session,
                            const char *root,
                            const char *shard_id,
                            const struct ArrowSchema *schema,
                            const WeirWriterOptions *options,
                            WeirWriter **writer,
                            WeirError **error);

/**
 * weir_writer_open() with a completion: the event's `result` is the writer.
 *
 * @param session     the session
 * @param root        the URL or path
 * @param shard_id    the shard's UUID
 * @param schema      the schema of every batch; borrowed for the call
 * @param options     NULL for the defaults
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_SCHEMA_MISMATCH
 */
WeirStatus weir_writer_open_async(const WeirSession *session,
                                  const char *root,
                                  const char *shard_id,
                                  const struct ArrowSchema *schema,
                                  const WeirWriterOptions *options,
                                  WeirCompletion completion,
                                  WeirError **error);

/**
 * Puts a batch. With `durable`, returns when its entry is durable; else when it is admitted. With MemTables it can be read from then on, and
 * with a primary key its rows replace those of the same keys; null in a key is WEIR_STATUS_INVALID_DATA, with the details `row` and `column`.
 *
 * @param writer      the writer
 * @param array       the batch, a struct array of the writer's schema; consumed on every return
 * @param timeout_ms  how long to wait for room and for durability; < 0 = for ever, which on a local store is also the fastest, 0 = not
 * at all
 * @param ack         receives sequence, position and epoch; NULL if not wanted
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK. Nothing was accepted: WEIR_STATUS_INVALID_DATA, WEIR_STATUS_SCHEMA_MISMATCH, WEIR_STATUS_INVALID_ARGUMENT,
 * WEIR_STATUS_BACKPRESSURE (no room in time), WEIR_STATUS_CLOSED. Accepted, and it still may become durable: WEIR_STATUS_OUTCOME_UNKNOWN. For
 * ever: WEIR_STATUS_FENCED, WEIR_STATUS_POISONED
 */
WeirStatus weir_writer_put(const WeirWriter *writer,
                           struct ArrowArray *array,
                           int64_t timeout_ms,
                           WeirAck *ack,
                           WeirError **error);

/**
 * weir_writer_put() with a completion: the event's `ack` is filled. Never waits for room.
 *
 * @param writer      the writer
 * @param array       the batch, a struct array of the writer's schema; consumed on every return
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted; WEIR_STATUS_BACKPRESSURE: see weir_writer_wait_capacity_async(); otherwise as weir_writer_put()
 */
WeirStatus weir_writer_put_async(const WeirWriter *writer,
                                 struct ArrowArray *array,
                                 WeirCompletion completion,
                                 WeirError **error);

/**
 * Puts all batches of a stream, one after the other. With `durable`, returns when the last is durable, which takes far fewer
 * entries than as many weir_writer_put() calls.
 *
 * @param writer      the writer
 * @param stream      the stream, of the writer's schema; consumed on every return
 * @param timeout_ms  for all together; < 0 = for ever
 * @param ack         receives the last batch's acknowledgement, zeros if the stream was empty; NULL if not wanted
 * @param error       receives the error, unless NULL; its detail `accepted` says how many batches were accepted before
 * @return as weir_writer_put(); WEIR_STATUS_TIMED_OUT if what was accepted is not durable in time
 */
WeirStatus weir_writer_put_stream(const WeirWriter *writer,
                                  struct ArrowArrayStream *stream,
                                  int64_t timeout_ms,
                                  WeirAck *ack,
                                  WeirError **error);

/**
 * weir_writer_put_stream() with a completion: the event's `ack` is filled. The stream is read on a thread of weir's.
 *
 * @param writer      the writer
 * @param stream      the stream, of the writer's schema; consumed on every return
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_writer_put_stream_async(const WeirWriter *writer,
                                        struct ArrowArrayStream *stream,
                                        WeirCompletion completion,
                                        WeirError **error);

/**
 * Waits until every put admitted so far is durable.
 *
 * @param writer      the writer
 * @param timeout_ms  < 0 = for ever, 0 = do not wait
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED
 */
WeirStatus weir_writer_flush(const WeirWriter *writer, int64_t timeout_ms, WeirError **error);

/**
 * weir_writer_flush() with a completion: the event's `ack` says what is durable.
 *
 * @param writer      the writer
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_writer_flush_async(const WeirWriter *writer, WeirCompletion completion, WeirError **error);

/**
 * Waits until a put is durable.
 *
 * @param writer      the writer
 * @param sequence    the put's `sequence` from its acknowledgement
 * @param timeout_ms  < 0 = for ever, 0 = do not wait
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_INVALID_ARGUMENT if there was no such put, WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED
 */
WeirStatus weir_writer_wait_durable(const WeirWriter *writer,
                                    uint64_t sequence,
                                    int64_t timeout_ms,
                                    WeirError **error);

/**
 * weir_writer_wait_durable() with a completion: the event's `ack` says what is durable.
 *
 * @param writer      the writer
 * @param sequence    the put's `sequence` from its acknowledgement
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_writer_wait_durable_async(const WeirWriter *writer,
                                          uint64_t sequence,
                                          WeirCompletion completion,
                                          WeirError **error);

/**
 * Waits until a put of `bytes` would find room. Others may take it first.
 *
 * @param writer      the writer
 * @param bytes       the put's size in bytes, about that of its buffers; or the detail `bytes` of the WEIR_STATUS_BACKPRESSURE that it got
 * @param timeout_ms  < 0 = for ever, 0 = do not wait
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_BACKPRESSURE with the breakdown in its details, WEIR_STATUS_INVALID_ARGUMENT if it never fits,
 * WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED
 */
WeirStatus weir_writer_wait_capacity(const WeirWriter *writer,
                                     uint64_t bytes,
                                     int64_t timeout_ms,
                                     WeirError **error);

/**
 * weir_writer_wait_capacity() with a completion.
 *
 * @param writer      the writer
 * @param bytes       the put's size in bytes
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_writer_wait_capacity_async(const WeirWriter *writer,
                                           uint64_t bytes,
                                           WeirCompletion completion,
                                           WeirError **error);

/**
 * How many puts of this writer are durable; a put is if its `sequence` is at most that. Never goes back. 0 for NULL.
 */
uint64_t weir_writer_durable_position(const WeirWriter *writer);

/**
 * The epoch under which the writer owns the shard, 1 or more; 0 for NULL.
 */
uint64_t weir_writer_epoch(const WeirWriter *writer);

/**
 * Asks the store whether the writer still owns the shard.
 *
 * @param writer      the writer
 * @param timeout_ms  < 0 = for ever
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_STORAGE
 */
WeirStatus weir_writer_check_fenced(const WeirWriter *writer,
                                    int64_t timeout_ms,
                                    WeirError **error);

/**
 * weir_writer_check_fenced() with a completion.
 *
 * @param writer      the writer
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_writer_check_fenced_async(const WeirWriter *writer, WeirCompletion completion, WeirError **error);

/**
 * The newest manifest that the writer has read or written, without asking the store.
 *
 * @param writer    the writer
 * @param manifest  receives the manifest; free it with weir_manifest_free()
 * @param error     receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_writer_manifest(const WeirWriter *writer, WeirManifest **manifest, WeirError **error);

/**
 * Refuses further puts, waits until all are durable and all MemTables flushed, and lets go of the shard. May be called again: after
 * WEIR_STATUS_TIMED_OUT to wait on, after success to no effect.
 *
 * @param writer      the writer
 * @param timeout_ms  < 0 = for ever, 0 = do not wait
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT; WEIR_STATUS_FENCED or WEIR_STATUS_POISONED: what was not durable may be lost; WEIR_STATUS_STORAGE if a
 * MemTable could not be flushed: its rows are in the log, and come back when the shard is opened again
 */
WeirStatus weir_writer_close(const WeirWriter *writer,
                             int64_t timeout_ms,
                             WeirError **error);

/**
 * weir_writer_close() with a completion.
 *
 * @param writer      the writer
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_writer_close_async(const WeirWriter *writer, WeirCompletion completion, WeirError **error);

/**
 * Refuses further puts and forgets what is not durable, without I/O; who waits gets WEIR_STATUS_CLOSED. An append that is under
 * way still ends.
 *
 * @param writer  the writer
 * @param error   receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_writer_abort(const WeirWriter *writer,
                             WeirError **error);

/**
 * Frees a writer. One that was not closed is aborted: puts that are not durable are lost. What is durable and in no generation yet is in the
 * log, and comes back when the shard is opened again. Scans, batches and arrays of it stay valid. NULL is allowed.
 */
void weir_writer_free(WeirWriter *writer);

/**
 * What a writer has done. Answers also after it failed or was closed.
 *
 * @param writer  the writer
 * @param stats   its `struct_size` is set; receives the rest
 * @param error   receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_writer_stats(const WeirWriter *writer,
                             WeirWriterStats *stats,
                             WeirError **error);

/**
 * The memory that a writer holds. Answers also after it failed or was closed.
 *
 * @param writer  the writer
 * @param memory  its `struct_size` is set; receives the rest
 * @param error   receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_writer_memory(const WeirWriter *writer,
                              WeirWriterMemory *memory,
                              WeirError **error);

/**
 * Deletes the rows of some primary keys; whether there are such rows is not looked at. A delete is a put of its own, ordered among the
 * others: what was put before it is gone, what is put after it stays.
 *
 * @param writer       the writer, with MemTables and a primary key
 * @param keys         the keys, a struct array; consumed on every return
 * @param keys_schema  its schema, with the key's columns by name, whatever others it has; borrowed. NULL: exactly weir_writer_key_schema()
 * @param timeout_ms   as of weir_writer_put()
 * @param ack          receives sequence, position and epoch; NULL if not wanted
 * @param error        receives the error, unless NULL
 * @return as weir_writer_put(); WEIR_STATUS_UNSUPPORTED without MemTables or without a primary key
 */
WeirStatus weir_writer_delete(const WeirWriter *writer,
                              struct ArrowArray *keys,
                              const struct ArrowSchema *keys_schema,
                              int64_t timeout_ms,
                              WeirAck *ack,
                              WeirError **error);

/**
 * weir_writer_delete() with a completion: the event's `ack` is filled. Never waits for room.
 *
 * @param writer       the writer
 * @param keys         the keys, a struct array; consumed on every return
 * @param keys_schema  its schema, borrowed for the call; NULL: exactly weir_writer_key_schema()
 * @param completion   what to complete
 * @param error        receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted; WEIR_STATUS_BACKPRESSURE: see weir_writer_wait_capacity_async(); otherwise as weir_writer_delete()
 */
WeirStatus weir_writer_delete_async(const WeirWriter *writer,
                                    struct ArrowArray *keys,
                                    const struct ArrowSchema *keys_schema,
                                    WeirCompletion completion,
                                    WeirError **error);

/**
 * The schema of keys: the primary key's columns, in the key's order and of its types.
 *
 * @param writer  the writer
 * @param schema  receives the schema; call its `release`
 * @param error   receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_UNSUPPORTED without MemTables or without a primary key, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_writer_key_schema(const WeirWriter *writer,
                                  struct ArrowSchema *schema,
                                  WeirError **error);

/**
 * The schema of the rows that weir_writer_get() gives for these columns: they come as bare arrays, so that no schema crosses with each.
 *
 * @param writer       the writer
 * @param columns      the names of the columns, in the order in which they are wanted; NULL = all
 * @param columns_len  how many there are
 * @param schema       receives the schema; call its `release`
 * @param error        receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT naming a column that is not there or twice, WEIR_STATUS_UNSUPPORTED without MemTables
 */
WeirStatus weir_writer_read_schema(const WeirWriter *writer,
                                   const char *const *columns,
                                   size_t columns_len,
                                   struct ArrowSchema *schema,
                                   WeirError **error);

/**
 * Freezes the MemTable that is filled, if it has rows, and has it flushed in the background. Does not wait.
 *
 * @param writer      the writer
 * @param generation  receives the newest generation that is frozen or published then, for weir_writer_wait_flushed(); 0 if there is none.
 * NULL if not wanted
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_UNSUPPORTED without MemTables, WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED
 */
WeirStatus weir_writer_freeze(const WeirWriter *writer,
                              uint64_t *generation,
                              WeirError **error);

/**
 * Waits until a generation, and all before it, are published: readable by others, and no longer in need of the log.
 *
 * @param writer      the writer
 * @param generation  the generation, from weir_writer_freeze(); 0 is at once
 * @param timeout_ms  < 0 = for ever, 0 = do not wait
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK; WEIR_STATUS_TIMED_OUT, with why flushing fails if it does; WEIR_STATUS_INVALID_ARGUMENT if it is not frozen;
 * WEIR_STATUS_UNSUPPORTED without MemTables, WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED
 */
WeirStatus weir_writer_wait_flushed(const WeirWriter *writer,
                                    uint64_t generation,
                                    int64_t timeout_ms,
                                    WeirError **error);

/**
 * weir_writer_wait_flushed() with a completion.
 *
 * @param writer      the writer
 * @param generation  the generation
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_writer_wait_flushed_async(const WeirWriter *writer,
                                          uint64_t generation,
                                          WeirCompletion completion,
                                          WeirError **error);

/**
 * Merges generations now, as often as that is worth it by the `compaction_*` options of weir_writer_open().
 *
 * @param writer      the writer
 * @param timeout_ms  < 0 = for ever; merging goes on behind it
 * @param merges      receives how many merges there were; NULL if not wanted
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_UNSUPPORTED without MemTables, WEIR_STATUS_CORRUPTION, WEIR_STATUS_STORAGE,
 * WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED
 */
WeirStatus weir_writer_compact(const WeirWriter *writer,
                               int64_t timeout_ms,
                               uint64_t *merges,
                               WeirError **error);

/**
 * weir_writer_compact() with a completion: the event's `value` is how many merges there were.
 *
 * @param writer      the writer
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_UNSUPPORTED, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_writer_compact_async(const WeirWriter *writer, WeirCompletion completion, WeirError **error);

/**
 * What a writer's MemTables hold and have done. Answers also after the writer failed or was closed.
 *
 * @param writer  the writer
 * @param stats   its `struct_size` is set; receives the rest
 * @param error   receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_UNSUPPORTED without MemTables, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_writer_memtable_stats(const WeirWriter *writer,
                                      WeirMemTableStats *stats,
                                      WeirError **error);

/**
 * Fills options with their defaults.
 *
 * @param options      the struct
 * @param struct_size  `sizeof(WeirScanOptions)` as the caller knows it, in bytes: no more is written
 */
void weir_scan_options_init(WeirScanOptions *options, uint32_t struct_size);

/**
 * Begins a scan of the newest rows: every put that was acknowledged, and in a writer that is not durable every put that was admitted. It
 * sees one moment, however long it takes and whatever is put meanwhile. Nothing is read yet. Rows come in the order in which they were put;
 * of rows of one primary key, the newest.
 *
 * @param writer         the writer
 * @param options        what is wanted; NULL for all
 * @param values         what columns are compared with: a struct array of one row, with one child for each comparison that takes a value, in
 * their order; consumed on every return. NULL if none does
 * @param values_schema  its schema, borrowed; NULL: of the compared columns' types. Integers and floats of another width and texts of another
 * layout are cast if that loses nothing
 * @param scan           receives the scan; free it with weir_scan_free()
 * @param error          receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_INVALID_DATA, WEIR_STATUS_SCHEMA_MISMATCH if a value is none of its column's,
 * WEIR_STATUS_UNSUPPORTED without MemTables, WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED
 */
WeirStatus weir_writer_scan(const WeirWriter *writer,
                            const WeirScanOptions *options,
                            struct ArrowArray *values,
                            const struct ArrowSchema *values_schema,
                            WeirScan **scan,
                            WeirError **error);

/**
 * Exports the schema of a scan's batches.
 *
 * @param scan    the scan
 * @param schema  receives the schema; call its `release`
 * @param error   receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_scan_schema(const WeirScan *scan, struct ArrowSchema *schema, WeirError **error);

/**
 * The next rows of a scan, at least one.
 *
 * @param scan        the scan
 * @param timeout_ms  < 0 = for ever. What came too late comes with the next call
 * @param batch       receives the batch, NULL at the end; free it with weir_batch_free()
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_CLOSED after weir_scan_stream(), WEIR_STATUS_NOT_FOUND if what it reads was merged and
 * removed meanwhile: begin anew; WEIR_STATUS_CORRUPTION, WEIR_STATUS_STORAGE. After an error the scan is where it was.
 */
WeirStatus weir_scan_next(const WeirScan *scan,
                          int64_t timeout_ms,
                          WeirBatch **batch,
                          WeirError **error);

/**
 * weir_scan_next() with a completion: the event's `result` is the batch, or NULL at the end.
 *
 * @param scan        the scan
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_scan_next_async(const WeirScan *scan, WeirCompletion completion, WeirError **error);

/**
 * Exports the rest of a scan as a stream, which has the rows from then on: later weir_scan_next() calls are WEIR_STATUS_CLOSED. The scan may be
 * freed before the stream.
 *
 * @param scan    the scan
 * @param stream  receives the stream; call its `release`. Errors of its calls have weir's message in `get_last_error`.
 * @param error   receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_CLOSED if a stream has it already, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_scan_stream(const WeirScan *scan,
                            struct ArrowArrayStream *stream,
                            WeirError **error);

/**
 * Frees a scan. Calls under way go on to their end, and batches and the stream stay valid. NULL is allowed.
 */
void weir_scan_free(WeirScan *scan);

/**
 * Fills options with their defaults.
 *
 * @param options      the struct
 * @param struct_size  `sizeof(WeirGetOptions)` as the caller knows it, in bytes: no more is written
 */
void weir_get_options_init(WeirGetOptions *options, uint32_t struct_size);

/**
 * The newest rows of some primary keys. An answer that is in memory takes no other thread.
 *
 * @param writer       the writer, with MemTables and a primary key
 * @param keys         the keys, a struct array; consumed on every return. A key may be asked for more than once
 * @param keys_schema  its schema, with the key's columns by name, whatever others it has; borrowed. NULL, which is the fastest: exactly
 * weir_writer_key_schema()
 * @param options      NULL for all columns
 * @param timeout_ms   < 0 = for ever, 0 = do not wait for what is not in memory
 * @param states       receives a `WEIR_KEY_*` for each key, in their order; NULL if not wanted
 * @param states_len   how many bytes are there: the number of keys; 0 if `states` is NULL
 * @param rows         receives the rows that were found, in the order of the keys, as a struct array of weir_writer_read_schema(); call its
 * `release`
 * @param error        receives the error, unless NULL
 * @return WEIR_STATUS_OK, also where nothing is found; WEIR_STATUS_INVALID_DATA for a key that is null, WEIR_STATUS_SCHEMA_MISMATCH,
 * WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_UNSUPPORTED without MemTables or without a primary key, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_CORRUPTION,
 * WEIR_STATUS_STORAGE, WEIR_STATUS_FENCED, WEIR_STATUS_POISONED, WEIR_STATUS_CLOSED
 */
WeirStatus weir_writer_get(const WeirWriter *writer,
                           struct ArrowArray *keys,
                           const struct ArrowSchema *keys_schema,
                           const WeirGetOptions *options,
                           int64_t timeout_ms,
                           uint8_t *states,
                           size_t states_len,
                           struct ArrowArray *rows,
                           WeirError **error);

/**
 * weir_writer_get() with a completion: the event's `result` is a batch with the rows, whose weir_batch_states() are the keys'.
 *
 * @param writer       the writer
 * @param keys         the keys, a struct array; consumed on every return
 * @param keys_schema  its schema, borrowed for the call; NULL: exactly weir_writer_key_schema()
 * @param options      NULL for all columns
 * @param completion   what to complete
 * @param error        receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted; what is wrong with the keys or the options, as weir_writer_get()
 */
WeirStatus weir_writer_get_async(const WeirWriter *writer,
                                 struct ArrowArray *keys,
                                 const struct ArrowSchema *keys_schema,
                                 const WeirGetOptions *options,
                                 WeirCompletion completion,
                                 WeirError **error);

/**
 * Fills options with their defaults.
 *
 * @param options      the struct
 * @param struct_size  `sizeof(WeirSnapshotOptions)` as the caller knows it, in bytes: no more is written
 */
void weir_snapshot_options_init(WeirSnapshotOptions *options, uint32_t struct_size);

/**
 * Opens a snapshot: what of a shard is durable now, without a claim on it, so its writer goes on undisturbed. Rows that only the log has are
 * read into memory; generations are read when they are needed.
 *
 * @param session   the session; the snapshot keeps what it needs of it
 * @param root      the URL or path below which the shard lies
 * @param shard_id  the shard's UUID, lower case, hyphenated
 * @param schema    the schema to read the rows as, a struct; borrowed. NULL: the shard's own, as its newest rows have it
 * @param options   NULL for the defaults
 * @param snapshot  receives the snapshot; free it with weir_snapshot_free()
 * @param error     receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_SCHEMA_MISMATCH, WEIR_STATUS_NOT_FOUND if there is no such shard, or no schema is
 * given and it has no rows; WEIR_STATUS_BACKPRESSURE if the log has more rows than `max_bytes`, WEIR_STATUS_CORRUPTION, WEIR_STATUS_STORAGE,
 * WEIR_STATUS_TIMED_OUT
 */
WeirStatus weir_snapshot_open(const WeirSession *session,
                              const char *root,
                              const char *shard_id,
                              const struct ArrowSchema *schema,
                              const WeirSnapshotOptions *options,
                              WeirSnapshot **snapshot,
                              WeirError **error);

/**
 * weir_snapshot_open() with a completion: the event's `result` is the snapshot.
 *
 * @param session     the session
 * @param root        the URL or path
 * @param shard_id    the shard's UUID
 * @param schema      the schema to read the rows as; borrowed for the call. NULL: the shard's own
 * @param options     NULL for the defaults
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_snapshot_open_async(const WeirSession *session,
                                    const char *root,
                                    const char *shard_id,
                                    const struct ArrowSchema *schema,
                                    const WeirSnapshotOptions *options,
                                    WeirCompletion completion,
                                    WeirError **error);

/**
 * Exports the schema of a snapshot's rows, the primary key marked in it.
 *
 * @param snapshot  the snapshot
 * @param schema    receives the schema; call its `release`
 * @param error     receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_snapshot_schema(const WeirSnapshot *snapshot, struct ArrowSchema *schema, WeirError **error);

/**
 * The schema of keys, as weir_writer_key_schema().
 *
 * @param snapshot  the snapshot
 * @param schema    receives the schema; call its `release`
 * @param error     receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_UNSUPPORTED without a primary key, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_snapshot_key_schema(const WeirSnapshot *snapshot, struct ArrowSchema *schema, WeirError **error);

/**
 * The schema of the rows that weir_snapshot_get() gives for these columns, as weir_writer_read_schema().
 *
 * @param snapshot     the snapshot
 * @param columns      the names of the columns, in the order in which they are wanted; NULL = all
 * @param columns_len  how many there are
 * @param schema       receives the schema; call its `release`
 * @param error        receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT naming a column that is not there or twice
 */
WeirStatus weir_snapshot_read_schema(const WeirSnapshot *snapshot,
                                     const char *const *columns,
                                     size_t columns_len,
                                     struct ArrowSchema *schema,
                                     WeirError **error);

/**
 * The last position of the log that a snapshot covers: a tailer from the position after it continues without gap or overlap. 0 for NULL.
 */
uint64_t weir_snapshot_cut_position(const WeirSnapshot *snapshot);

/**
 * The manifest that a snapshot was made of.
 *
 * @param snapshot  the snapshot
 * @param manifest  receives the manifest; free it with weir_manifest_free()
 * @param error     receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_snapshot_manifest(const WeirSnapshot *snapshot, WeirManifest **manifest, WeirError **error);

/**
 * Begins a scan of a snapshot's rows, as weir_writer_scan().
 *
 * @param snapshot       the snapshot; it may be freed before the scan
 * @param options        what is wanted; NULL for all
 * @param values         what columns are compared with, as of weir_writer_scan(); consumed on every return
 * @param values_schema  its schema, borrowed; NULL: of the compared columns' types
 * @param scan           receives the scan; free it with weir_scan_free()
 * @param error          receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_INVALID_DATA, WEIR_STATUS_SCHEMA_MISMATCH if a value is none of its column's
 */
WeirStatus weir_snapshot_scan(const WeirSnapshot *snapshot,
                              const WeirScanOptions *options,
                              struct ArrowArray *values,
                              const struct ArrowSchema *values_schema,
                              WeirScan **scan,
                              WeirError **error);

/**
 * The newest rows of some primary keys, as weir_writer_get().
 *
 * @param snapshot     the snapshot, of a shard with a primary key
 * @param keys         the keys, a struct array; consumed on every return
 * @param keys_schema  its schema, borrowed; NULL: exactly weir_snapshot_key_schema()
 * @param options      NULL for all columns
 * @param timeout_ms   < 0 = for ever, 0 = do not wait for what is not in memory
 * @param states       receives a `WEIR_KEY_*` for each key, in their order; NULL if not wanted
 * @param states_len   how many bytes are there: the number of keys; 0 if `states` is NULL
 * @param rows         receives the rows that were found, in the order of the keys, as a struct array of weir_snapshot_read_schema(); call its
 * `release`
 * @param error        receives the error, unless NULL
 * @return as weir_writer_get()
 */
WeirStatus weir_snapshot_get(const WeirSnapshot *snapshot,
                             struct ArrowArray *keys,
                             const struct ArrowSchema *keys_schema,
                             const WeirGetOptions *options,
                             int64_t timeout_ms,
                             uint8_t *states,
                             size_t states_len,
                             struct ArrowArray *rows,
                             WeirError **error);

/**
 * weir_snapshot_get() with a completion, as weir_writer_get_async().
 *
 * @param snapshot     the snapshot
 * @param keys         the keys, a struct array; consumed on every return
 * @param keys_schema  its schema, borrowed for the call; NULL: exactly weir_snapshot_key_schema()
 * @param options      NULL for all columns
 * @param completion   what to complete
 * @param error        receives the error, unless NULL
 * @return as weir_writer_get_async()
 */
WeirStatus weir_snapshot_get_async(const WeirSnapshot *snapshot,
                                   struct ArrowArray *keys,
                                   const struct ArrowSchema *keys_schema,
                                   const WeirGetOptions *options,
                                   WeirCompletion completion,
                                   WeirError **error);

/**
 * Frees a snapshot. Calls and scans under way go on to their end. NULL is allowed.
 */
void weir_snapshot_free(WeirSnapshot *snapshot);

/**
 * Fills options with their defaults.
 *
 * @param options      the struct
 * @param struct_size  `sizeof(WeirAppenderOptions)` as the caller knows it, in bytes: no more is written
 */
void weir_appender_options_init(WeirAppenderOptions *options, uint32_t struct_size);

/**
 * Opens an appender: claims the shard, which fences the writer before, and makes the shard if it does not exist. Options and
 * schema are checked first.
 *
 * @param session   the session; the appender keeps what it needs of it
 * @param root      the URL or path below which the shard lies
 * @param shard_id  the shard's UUID, lower case, hyphenated
 * @param schema    the schema of every batch to come, a struct; borrowed
 * @param options   NULL for the defaults
 * @param appender  receives the appender; free it with weir_appender_free()
 * @param error     receives the error, unless NULL
 * @return as weir_writer_open()
 */
WeirStatus weir_appender_open(const WeirSession *session,
                              const char *root,
                              const char *shard_id,
                              const struct ArrowSchema *schema,
                              const WeirAppenderOptions *options,
                              WeirAppender **appender,
                              WeirError **error);

/**
 * weir_appender_open() with a completion: the event's `result` is the appender.
 *
 * @param session     the session
 * @param root        the URL or path
 * @param shard_id    the shard's UUID
 * @param schema      the schema of every batch; borrowed for the call
 * @param options     NULL for the defaults
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_appender_open_async(const WeirSession *session,
                                    const char *root,
                                    const char *shard_id,
                                    const struct ArrowSchema *schema,
                                    const WeirAppenderOptions *options,
                                    WeirCompletion completion,
                                    WeirError **error);

/**
 * Appends a batch as one entry, and returns when it is durable.
 *
 * @param appender    the appender
 * @param array       the batch, a struct array of the appender's schema; consumed on every return
 * @param timeout_ms  < 0 = for ever. When it passes, the entry may be in the log or still appear in it; later appends go after it.
 * @param position    receives the entry's position; NULL if not wanted
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK. Nothing was written: WEIR_STATUS_INVALID_DATA, WEIR_STATUS_SCHEMA_MISMATCH, WEIR_STATUS_INVALID_ARGUMENT,
 * WEIR_STATUS_CLOSED. Unknown: WEIR_STATUS_TIMED_OUT. For ever: WEIR_STATUS_FENCED, WEIR_STATUS_POISONED
 */
WeirStatus weir_appender_append(const WeirAppender *appender,
                                struct ArrowArray *array,
                                int64_t timeout_ms,
                                uint64_t *position,
                                WeirError **error);

/**
 * weir_appender_append() with a completion: the event's `value` is the position.
 *
 * @param appender    the appender
 * @param array       the batch, a struct array of the appender's schema; consumed on every return
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_DATA, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_appender_append_async(const WeirAppender *appender,
                                      struct ArrowArray *array,
                                      WeirCompletion completion,
                                      WeirError **error);

/**
 * Asks the store whether the appender still owns the shard.
 *
 * @param appender    the appender
 * @param timeout_ms  < 0 = for ever
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_FENCED, WEIR_STATUS_CLOSED, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_STORAGE
 */
WeirStatus weir_appender_check_fenced(const WeirAppender *appender, int64_t timeout_ms, WeirError **error);

/**
 * weir_appender_check_fenced() with a completion.
 *
 * @param appender    the appender
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_appender_check_fenced_async(const WeirAppender *appender, WeirCompletion completion, WeirError **error);

/**
 * The epoch under which the appender owns the shard, 1 or more; 0 for NULL.
 */
uint64_t weir_appender_epoch(const WeirAppender *appender);

/**
 * Waits for an append that is under way, then refuses later ones and lets go of the shard. May be called again.
 *
 * @param appender    the appender
 * @param timeout_ms  < 0 = for ever
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_appender_close(const WeirAppender *appender, int64_t timeout_ms, WeirError **error);

/**
 * weir_appender_close() with a completion.
 *
 * @param appender    the appender
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_appender_close_async(const WeirAppender *appender, WeirCompletion completion, WeirError **error);

/**
 * Frees an appender. NULL is allowed.
 */
void weir_appender_free(WeirAppender *appender);

/**
 * Fills options with their defaults.
 *
 * @param options      the struct
 * @param struct_size  `sizeof(WeirTailerOptions)` as the caller knows it, in bytes: no more is written
 */
void weir_tailer_options_init(WeirTailerOptions *options, uint32_t struct_size);

/**
 * Opens a tailer of one shard's log. Makes no request: whether the shard exists shows at the first read.
 *
 * @param session   the session; the tailer keeps what it needs of it
 * @param root      the URL or path below which the shard lies
 * @param shard_id  the shard's UUID, lower case, hyphenated
 * @param options   NULL for the defaults
 * @param tailer    receives the tailer; free it with weir_tailer_free()
 * @param error     receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_UNSUPPORTED for a scheme that this build does not know
 */
WeirStatus weir_tailer_open(const WeirSession *session,
                            const char *root,
                            const char *shard_id,
                            const WeirTailerOptions *options,
                            WeirTailer **tailer,
                            WeirError **error);

/**
 * Reads the next entry, in order.
 *
 * @param tailer      the tailer
 * @param timeout_ms  how long to wait at the end of the log when following; < 0 = for ever, 0 = not at all
 * @param entry       receives the entry, or NULL at the end of the log when not following; free it with weir_entry_free()
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK; WEIR_STATUS_TIMED_OUT; WEIR_STATUS_TRIMMED if the position is gone (detail `first_position` = the oldest);
 * WEIR_STATUS_CORRUPTION naming the object; WEIR_STATUS_CANCELLED after weir_tailer_interrupt(); WEIR_STATUS_NOT_FOUND if there is no
 * such shard; WEIR_STATUS_CLOSED; WEIR_STATUS_STORAGE. After an error the tailer is where it was.
 */
WeirStatus weir_tailer_next(const WeirTailer *tailer,
                            int64_t timeout_ms,
                            WeirEntry **entry,
                            WeirError **error);

/**
 * weir_tailer_next() with a completion: the event's `result` is the entry, or NULL at the end of the log.
 *
 * @param tailer      the tailer
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_tailer_next_async(const WeirTailer *tailer, WeirCompletion completion, WeirError **error);

/**
 * Reads the entry at a position, without moving the tailer.
 *
 * @param tailer      the tailer
 * @param position    the position, 1 or more
 * @param timeout_ms  < 0 = for ever
 * @param entry       receives the entry; free it with weir_entry_free()
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK; WEIR_STATUS_NOT_FOUND if it is not written yet; otherwise as weir_tailer_next()
 */
WeirStatus weir_tailer_read(const WeirTailer *tailer,
                            uint64_t position,
                            int64_t timeout_ms,
                            WeirEntry **entry,
                            WeirError **error);

/**
 * weir_tailer_read() with a completion: the event's `result` is the entry.
 *
 * @param tailer      the tailer
 * @param position    the position, 1 or more
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_tailer_read_async(const WeirTailer *tailer,
                                  uint64_t position,
                                  WeirCompletion completion,
                                  WeirError **error);

/**
 * The oldest position in the log; of an empty log, the first to be written.
 *
 * @param tailer      the tailer
 * @param timeout_ms  < 0 = for ever
 * @param position    receives the position
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_CLOSED, WEIR_STATUS_STORAGE
 */
WeirStatus weir_tailer_first_position(const WeirTailer *tailer,
                                      int64_t timeout_ms,
                                      uint64_t *position,
                                      WeirError **error);

/**
 * weir_tailer_first_position() with a completion: the event's `value` is the position.
 *
 * @param tailer      the tailer
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_tailer_first_position_async(const WeirTailer *tailer, WeirCompletion completion, WeirError **error);

/**
 * The position after the newest entry: where the next one will be.
 *
 * @param tailer      the tailer
 * @param timeout_ms  < 0 = for ever
 * @param position    receives the position
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_CLOSED, WEIR_STATUS_STORAGE
 */
WeirStatus weir_tailer_next_position(const WeirTailer *tailer,
                                     int64_t timeout_ms,
                                     uint64_t *position,
                                     WeirError **error);

/**
 * weir_tailer_next_position() with a completion: the event's `value` is the position.
 *
 * @param tailer      the tailer
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_tailer_next_position_async(const WeirTailer *tailer, WeirCompletion completion, WeirError **error);

/**
 * The position that weir_tailer_next() will read; 0 = the oldest, not looked up yet, or NULL.
 */
uint64_t weir_tailer_position(const WeirTailer *tailer);

/**
 * Makes `position` the next to be read, also for a call that waits.
 *
 * @param tailer    the tailer
 * @param position  the position; 0 = the oldest there is
 * @param error     receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_tailer_seek(const WeirTailer *tailer, uint64_t position, WeirError **error);

/**
 * Ends a waiting weir_tailer_next() with WEIR_STATUS_CANCELLED; if none waits, the next one that would. NULL is allowed.
 */
void weir_tailer_interrupt(const WeirTailer *tailer);

/**
 * The batches of all entries from the tailer's position on as one stream, sentinels left out. The stream takes its schema from
 * the first entry that has batches, and waits for one when following; an entry of another schema ends it with an error.
 * The stream shares the tailer's position and keeps it alive: use one or the other. weir_tailer_interrupt() and
 * weir_tailer_close() end a call of the stream that waits.
 *
 * @param tailer  the tailer
 * @param stream  receives the stream; call its `release`. Errors of its calls have weir's message in `get_last_error`.
 * @param error   receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_tailer_stream(const WeirTailer *tailer,
                              struct ArrowArrayStream *stream,
                              WeirError **error);

/**
 * Refuses later calls and ends those that wait with WEIR_STATUS_CLOSED. May be called again.
 *
 * @param tailer  the tailer
 * @param error   receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_tailer_close(const WeirTailer *tailer, WeirError **error);

/**
 * Frees a tailer. Operations that are under way go on to their end, and streams, subscriptions and entries stay valid: call
 * weir_tailer_close() first to end them. NULL is allowed.
 */
void weir_tailer_free(WeirTailer *tailer);

/**
 * Has a tailer push its entries: each is one event, whose `result` is the entry, in order, the next only after the callback of
 * the one before has returned. The last event has no entry: with WEIR_STATUS_OK at the end of the log, else with the error that
 * ended it, WEIR_STATUS_CANCELLED after weir_subscription_cancel() and WEIR_STATUS_CLOSED after weir_tailer_close().
 *
 * @param tailer        the tailer; do not read from it otherwise meanwhile
 * @param completion    what to call, or a queue to post to, once per entry and once at the end
 * @param credit        how many entries may be pushed before weir_subscription_request() gives more; 0 = none yet
 * @param subscription  receives the subscription; free it with weir_subscription_free()
 * @param error         receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_tailer_subscribe(const WeirTailer *tailer,
                                 WeirCompletion completion,
                                 uint64_t credit,
                                 WeirSubscription **subscription,
                                 WeirError **error);

/**
 * Allows `n` more entries to be pushed.
 *
 * @param subscription  the subscription
 * @param n             how many
 * @param error         receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_subscription_request(const WeirSubscription *subscription, uint64_t n, WeirError **error);

/**
 * Ends a subscription. Its last event comes later, with WEIR_STATUS_CANCELLED unless it had ended. NULL is allowed.
 */
void weir_subscription_cancel(const WeirSubscription *subscription);

/**
 * Frees a subscription, which ends it as weir_subscription_cancel() does: its last event still comes. NULL is allowed.
 */
void weir_subscription_free(WeirSubscription *subscription);

/**
 * The entry's position in the log, 1 or more; 0 for NULL.
 */
uint64_t weir_entry_position(const WeirEntry *entry);

/**
 * The epoch of the writer that appended the entry.
 */
uint64_t weir_entry_epoch(const WeirEntry *entry);

/**
 * The generation that the entry's rows belong to; 0 if the writer kept none (WAL-only mode).
 */
uint64_t weir_entry_generation(const WeirEntry *entry);

/**
 * Whether the entry is a fence sentinel: written by a new owner of the shard to fence the one before, without batches.
 */
bool weir_entry_is_sentinel(const WeirEntry *entry);

/**
 * The number of rows in all batches of the entry.
 */
uint64_t weir_entry_rows(const WeirEntry *entry);

/**
 * The size of the entry's object on storage, in bytes.
 */
uint64_t weir_entry_bytes(const WeirEntry *entry);

/**
 * The number of batches in the entry: as many as puts shared it; 0 for a sentinel.
 */
size_t weir_entry_batch_count(const WeirEntry *entry);

/**
 * Exports one batch of an entry, without copying. It stays valid after the entry is freed.
 *
 * @param entry  the entry
 * @param index  which batch, from 0
 * @param array  receives the batch as a struct array; call its `release`
 * @param error  receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT if there is no such batch
 */
WeirStatus weir_entry_batch(const WeirEntry *entry, size_t index, struct ArrowArray *array, WeirError **error);

/**
 * Exports the schema of an entry's batches: the writer's, without the metadata keys that the log reserves. With a primary key, columns outside of
 * it are nullable, and there is one more, the last: `_tombstone` (boolean), true in rows that delete their key. A sentinel's has no columns.
 *
 * @param entry   the entry
 * @param schema  receives the schema; call its `release`
 * @param error   receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_entry_schema(const WeirEntry *entry,
                             struct ArrowSchema *schema,
                             WeirError **error);

/**
 * What stands for the schema of an entry's batches in this process, so that it need be exported and imported only once: entries
 * with the same number have the same schema. The same schema may have several numbers, as one of each writer. 0 for NULL.
 */
uint64_t weir_entry_schema_id(const WeirEntry *entry);

/**
 * Exports an entry's batches as a stream, without copying. It stays valid after the entry is freed.
 *
 * @param entry   the entry
 * @param stream  receives the stream; call its `release`
 * @param error   receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_entry_stream(const WeirEntry *entry, struct ArrowArrayStream *stream, WeirError **error);

/**
 * Frees an entry. NULL is allowed.
 */
void weir_entry_free(WeirEntry *entry);

/**
 * Fills options with their defaults.
 *
 * @param options      the struct
 * @param struct_size  `sizeof(WeirSpillStoreOptions)` as the caller knows it, in bytes: no more is written
 */
void weir_spill_store_options_init(WeirSpillStoreOptions *options, uint32_t struct_size);

/**
 * Makes a spill store. Makes no request, no directory and no thread: that is left to the first write.
 *
 * @param session  whose metrics show the store, and whose settings reach its object store; NULL for a session of its own
 * @param options  NULL for the defaults: local, without a cap
 * @param store    receives the store; free it with weir_spill_store_free()
 * @param error    receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_UNSUPPORTED
 */
WeirStatus weir_spill_store_new(const WeirSession *session,
                                const WeirSpillStoreOptions *options,
                                WeirSpillStore **store,
                                WeirError **error);

/**
 * Makes a store whose spills count against its own cap and against that of `store`, such as one per tenant or per query. It
 * shares the place of `store` and has statistics of its own. May be nested.
 *
 * @param store      the store; it may be freed before its child
 * @param cap_bytes  the child's cap; UINT64_MAX = none but those above
 * @param child      receives the child; free it with weir_spill_store_free()
 * @param error      receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_store_child(const WeirSpillStore *store,
                                  uint64_t cap_bytes,
                                  WeirSpillStore **child,
                                  WeirError **error);

/**
 * The bytes that a spill store holds now, its children's included; 0 for NULL.
 */
uint64_t weir_spill_store_used_bytes(const WeirSpillStore *store);

/**
 * The cap of a spill store; UINT64_MAX if it has none of its own, 0 for NULL.
 */
uint64_t weir_spill_store_cap_bytes(const WeirSpillStore *store);

/**
 * What a spill store holds and did.
 *
 * @param store  the store
 * @param stats  its `struct_size` is set; receives the rest
 * @param error  receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_store_stats(const WeirSpillStore *store,
                                  WeirSpillStats *stats,
                                  WeirError **error);

/**
 * Ends a spill store: no spill begins from now on, neither here nor in its children (WEIR_STATUS_CLOSED). Spills and writers that are alive
 * go on. Waits until what was freed and aborted before, of this store and of its children, is gone from storage. On object stores deletion
 * is in the background, so who ends its process without closing the store, or before this has returned, leaves objects behind until a later
 * store finds them older than `reclaim_age_ms`; elsewhere nothing is waited for. If no writer, spill, reader or mapped batch of the store is
 * left, its own directory is gone as well, else that goes with the last of them, on a disk with the next close or the store itself. May be
 * called again to wait on.
 *
 * @param store       the store, which is still to be freed
 * @param timeout_ms  < 0 = for ever. When it passes, the store is closed and the deletion goes on.
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT; what a deletion failed with after several tries: WEIR_STATUS_STORAGE,
 * WEIR_STATUS_PERMISSION_DENIED; WEIR_STATUS_CANCELLED if the runtime was shut down before all was deleted. What is left then is deleted by
 * a later store.
 */
WeirStatus weir_spill_store_close(const WeirSpillStore *store,
                                  int64_t timeout_ms,
                                  WeirError **error);

/**
 * weir_spill_store_close() with a completion. The store is closed when it returns.
 *
 * @param store       the store, which is still to be freed
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_store_close_async(const WeirSpillStore *store, WeirCompletion completion, WeirError **error);

/**
 * Frees a spill store. Its writers and spills go on and keep what they need of it. Does not wait for what is deleted in the background: see
 * weir_spill_store_close(). NULL is allowed.
 */
void weir_spill_store_free(WeirSpillStore *store);

/**
 * Fills options with their defaults.
 *
 * @param options      the struct
 * @param struct_size  `sizeof(WeirSpillOptions)` as the caller knows it, in bytes: no more is written
 */
void weir_spill_options_init(WeirSpillOptions *options, uint32_t struct_size);

/**
 * Begins a spill of bytes. Does no I/O.
 *
 * @param store    the store; it may be freed before the writer
 * @param options  NULL for the defaults; `compression` must be none
 * @param writer   receives the writer; free it with weir_spill_writer_free()
 * @param error    receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_UNSUPPORTED, WEIR_STATUS_CLOSED after weir_spill_store_close()
 */
WeirStatus weir_spill_begin(const WeirSpillStore *store,
                            const WeirSpillOptions *options,
                            WeirSpillWriter **writer,
                            WeirError **error);

/**
 * Begins a spill of Arrow batches, each of which can be read back by its number. Does no I/O.
 *
 * @param store    the store; it may be freed before the writer
 * @param schema   the schema of every batch to come, a struct; borrowed. It may have no columns.
 * @param options  NULL for the defaults
 * @param writer   receives the writer; free it with weir_spill_writer_free()
 * @param error    receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_UNSUPPORTED, WEIR_STATUS_CLOSED after weir_spill_store_close();
 * WEIR_STATUS_SCHEMA_MISMATCH if Arrow IPC cannot hold the schema
 */
WeirStatus weir_spill_begin_batches(const WeirSpillStore *store,
                                    const struct ArrowSchema *schema,
                                    const WeirSpillOptions *options,
                                    WeirSpillWriter **writer,
                                    WeirError **error);

/**
 * The bytes that a writer took so far: of batches, as they are encoded. Before encryption. Also after the end; 0 for NULL.
 */
uint64_t weir_spill_writer_len(const WeirSpillWriter *writer);

/**
 * Ends a spill and makes it readable. The writer is closed afterwards, whatever comes of it, and still to be freed. Never refused by
 * the cap: what was written counts already.
 *
 * @param writer      the writer
 * @param timeout_ms  < 0 = for ever. When it passes while the store works, the spill is lost.
 * @param spill       receives the spill; free it with weir_spill_free()
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_CLOSED, WEIR_STATUS_TIMED_OUT; WEIR_STATUS_STORAGE_FULL, WEIR_STATUS_PERMISSION_DENIED,
 * WEIR_STATUS_STORAGE, with the detail `spill_lost` = 1, also for what an earlier write lost it by
 */
WeirStatus weir_spill_writer_finish(const WeirSpillWriter *writer,
                                    int64_t timeout_ms,
                                    WeirSpill **spill,
                                    WeirError **error);

/**
 * weir_spill_writer_finish() with a completion: the event's `result` is the spill.
 *
 * @param writer      the writer
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_writer_finish_async(const WeirSpillWriter *writer, WeirCompletion completion, WeirError **error);

/**
 * Deletes what was written and returns its bytes. Does not wait: a write that is under way on another thread is the last. Does
 * nothing after weir_spill_writer_finish().
 *
 * @param writer  the writer
 * @param error   receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_writer_abort(const WeirSpillWriter *writer,
                                   WeirError **error);

/**
 * Frees a writer. One that was not finished is aborted, once what is under way is done. NULL is allowed.
 */
void weir_spill_writer_free(WeirSpillWriter *writer);

/**
 * Fills options with their defaults.
 *
 * @param options      the struct
 * @param struct_size  `sizeof(WeirSpillReadOptions)` as the caller knows it, in bytes: no more is written
 */
void weir_spill_read_options_init(WeirSpillReadOptions *options, uint32_t struct_size);

/**
 * The bytes of a spill, as they were written; of batches, as they were encoded. 0 for NULL.
 */
uint64_t weir_spill_len(const WeirSpill *spill);

/**
 * The bytes that a spill takes of its store's budget: more than weir_spill_len() if it is encrypted. 0 for NULL.
 */
uint64_t weir_spill_stored_bytes(const WeirSpill *spill);

/**
 * The rows of all batches of a spill; 0 if it has bytes, and for NULL.
 */
uint64_t weir_spill_rows(const WeirSpill *spill);

/**
 * The number of batches of a spill: as many as were written. 0 if it has bytes, and for NULL.
 */
size_t weir_spill_batch_count(const WeirSpill *spill);

/**
 * Exports the schema of a spill's batches.
 *
 * @param spill   the spill, of batches
 * @param schema  receives the schema; call its `release`
 * @param error   receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_schema(const WeirSpill *spill, struct ArrowSchema *schema, WeirError **error);

/**
 * Reads bytes, straight into the caller's memory.
 *
 * @param spill       the spill
 * @param offset      where to begin
 * @param out         receives the bytes; NULL if `len` is 0
 * @param len         how many bytes are wanted
 * @param timeout_ms  < 0 = for ever
 * @param n           receives how many there are: less than `len` only at the end of the spill, 0 beyond it
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_CORRUPTION, WEIR_STATUS_STORAGE, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_read_at(const WeirSpill *spill,
                              uint64_t offset,
                              uint8_t *out,
                              size_t len,
                              int64_t timeout_ms,
                              size_t *n,
                              WeirError **error);

/**
 * weir_spill_read_at() with a completion: the event's `result` is a buffer with the bytes.
 *
 * @param spill       the spill
 * @param offset      where to begin
 * @param len         how many bytes are wanted; fewer come only at the end of the spill
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_read_at_async(const WeirSpill *spill,
                                    uint64_t offset,
                                    size_t len,
                                    WeirCompletion completion,
                                    WeirError **error);

/**
 * Shows all bytes of a spill without copying them: those of a file are mapped. The first call opens and maps the file on the calling
 * thread, which waits for nobody, so there is no timeout; weir_spill_map_async() does that elsewhere.
 *
 * @param spill  the spill, in memory or on a local disk, and not encrypted
 * @param data   receives where they begin, borrowed until the spill is freed; NULL if there are none
 * @param len    receives how many there are
 * @param error  receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_UNSUPPORTED, WEIR_STATUS_CORRUPTION, WEIR_STATUS_STORAGE, WEIR_STATUS_PERMISSION_DENIED,
 * WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_map(const WeirSpill *spill,
                          const uint8_t **data,
                          size_t *len,
                          WeirError **error);

/**
 * Maps a spill in the background: weir_spill_map() then does no I/O.
 *
 * @param spill       the spill, in memory or on a local disk, and not encrypted
 * @param completion  what to complete; errors are those of weir_spill_map()
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_map_async(const WeirSpill *spill, WeirCompletion completion, WeirError **error);

/**
 * Reads one batch of a spill. It stays valid after the spill is freed.
 *
 * @param spill       the spill, of batches
 * @param index       which batch, from 0, in the order in which they were written
 * @param options     NULL for the defaults
 * @param timeout_ms  < 0 = for ever
 * @param array       receives the batch as a struct array of the spill's schema; call its `release`
 * @param error       receives the error, unless NULL; its detail `batch` says which batch is damaged
 * @return WEIR_STATUS_OK, WEIR_STATUS_CORRUPTION, WEIR_STATUS_UNSUPPORTED, WEIR_STATUS_STORAGE, WEIR_STATUS_TIMED_OUT;
 * WEIR_STATUS_INVALID_ARGUMENT if there is no such batch
 */
WeirStatus weir_spill_batch(const WeirSpill *spill,
                            size_t index,
                            const WeirSpillReadOptions *options,
                            int64_t timeout_ms,
                            struct ArrowArray *array,
                            WeirError **error);

/**
 * weir_spill_batch() with a completion: the event's `result` is the batch.
 *
 * @param spill       the spill, of batches
 * @param index       which batch, from 0
 * @param options     NULL for the defaults
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_batch_async(const WeirSpill *spill,
                                  size_t index,
                                  const WeirSpillReadOptions *options,
                                  WeirCompletion completion,
                                  WeirError **error);

/**
 * Exports the batches of a spill in order as a stream, with read-ahead. It is a reader of its own: the spill may be freed before it. A
 * damaged batch is an error of the stream's `get_next`. Small batches are read together, 256 KiB at a time: beyond what its consumer
 * keeps, a stream holds twice that in memory, or twice the largest batch.
 *
 * @param spill    the spill, of batches
 * @param options  NULL for the defaults
 * @param stream   receives the stream; call its `release`
 * @param error    receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_stream(const WeirSpill *spill,
                             const WeirSpillReadOptions *options,
                             struct ArrowArrayStream *stream,
                             WeirError **error);

/**
 * Frees a spill. Its readers, streams and mapped batches go on; the last of them deletes it and returns its bytes to the budget.
 * NULL is allowed.
 */
void weir_spill_free(WeirSpill *spill);

/**
 * Makes a reader that begins at the first byte. There may be many at once. It keeps the spill, which may be freed before it.
 *
 * @param spill   the spill; of batches, their encoded bytes are read
 * @param reader  receives the reader; free it with weir_spill_reader_free()
 * @param error   receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_reader(const WeirSpill *spill,
                             WeirSpillReader **reader,
                             WeirError **error);

/**
 * Reads the next bytes, straight into the caller's memory if they are many.
 *
 * @param reader      the reader
 * @param out         receives the bytes; NULL if `len` is 0
 * @param len         how many bytes are wanted
 * @param timeout_ms  < 0 = for ever
 * @param n           receives how many there are: fewer than `len` only at the end of the spill, 0 when all were read
 * @param error       receives the error, unless NULL; the reader is where it was then
 * @return WEIR_STATUS_OK, WEIR_STATUS_CORRUPTION, WEIR_STATUS_STORAGE, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_reader_read(const WeirSpillReader *reader,
                                  uint8_t *out,
                                  size_t len,
                                  int64_t timeout_ms,
                                  size_t *n,
                                  WeirError **error);

/**
 * weir_spill_reader_read() with a completion: the event's `result` is a buffer with the bytes, empty when all were read. Reads that
 * are under way at once are done in the order of their calls.
 *
 * @param reader      the reader
 * @param len         how many bytes are wanted; fewer come only at the end of the spill
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_reader_read_async(const WeirSpillReader *reader,
                                        size_t len,
                                        WeirCompletion completion,
                                        WeirError **error);

/**
 * Sets where the next read begins, once the reads before it are done. Does no I/O, and waits only for those.
 *
 * @param reader      the reader
 * @param offset      from the beginning of the spill, in bytes; beyond its end nothing is read
 * @param timeout_ms  < 0 = for ever. When it passes, the reader is where it was.
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_reader_seek(const WeirSpillReader *reader,
                                  uint64_t offset,
                                  int64_t timeout_ms,
                                  WeirError **error);

/**
 * Frees a reader, once what is under way is done. NULL is allowed.
 */
void weir_spill_reader_free(WeirSpillReader *reader);

/**
 * Exports a batch, without copying. It stays valid after the batch is freed.
 *
 * @param batch  the batch
 * @param array  receives the batch as a struct array; call its `release`
 * @param error  receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_batch_array(const WeirBatch *batch, struct ArrowArray *array, WeirError **error);

/**
 * Exports the schema of a batch.
 *
 * @param batch   the batch
 * @param schema  receives the schema; call its `release`
 * @param error   receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_batch_schema(const WeirBatch *batch, struct ArrowSchema *schema, WeirError **error);

/**
 * The number of rows of a batch; 0 for NULL.
 */
uint64_t weir_batch_rows(const WeirBatch *batch);

/**
 * The states of the keys that were asked for, of a batch that weir_writer_get_async() or weir_snapshot_get_async() gave.
 *
 * @param batch   the batch
 * @param states  receives a `WEIR_KEY_*` for each key, in their order, borrowed until the batch is freed; NULL if it is no get's, or NULL
 * @param len     receives how many there are; 0 if it is no get's
 */
void weir_batch_states(const WeirBatch *batch,
                       const uint8_t **states,
                       size_t *len);

/**
 * Frees a batch. NULL is allowed.
 */
void weir_batch_free(WeirBatch *batch);

/**
 * Fills options with their defaults.
 *
 * @param options      the struct
 * @param struct_size  `sizeof(WeirCacheOptions)` as the caller knows it, in bytes: no more is written
 */
void weir_cache_options_init(WeirCacheOptions *options, uint32_t struct_size);

/**
 * Makes a cache, which belongs to no session until it is given to one (WeirSessionOptions.cache).
 *
 * @param options  NULL for the defaults. After an error, the backend's `release` is not called.
 * @param cache    receives the cache; free it with weir_cache_free()
 * @param error    receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_cache_new(const WeirCacheOptions *options, WeirCache **cache, WeirError **error);

/**
 * Frees a handle on a cache. Its entries go with the last: a session that was given it keeps it. NULL is allowed.
 */
void weir_cache_free(WeirCache *cache);

/**
 * Looks for the value under a key. With the built-in backend it never waits, and may be called from anywhere.
 *
 * @param cache       the cache
 * @param key         the key
 * @param timeout_ms  how long to wait for a backend of the caller's, beside its own deadline; < 0 = for ever
 * @param value       receives a lease on the value, or NULL if there is none; free it with weir_cache_value_free()
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, also if there is none and if the backend failed; WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_TIMED_OUT; with a
 * backend of the caller's WEIR_STATUS_WOULD_DEADLOCK where weir must not wait; WEIR_STATUS_FORKED
 */
WeirStatus weir_cache_get(const WeirCache *cache,
                          const WeirCacheKey *key,
                          int64_t timeout_ms,
                          WeirCacheValue **value,
                          WeirError **error);

/**
 * weir_cache_get() with a completion: the event's `result` is the value, or NULL if there is none.
 *
 * @param cache       the cache
 * @param key         the key; copied
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_cache_get_async(const WeirCache *cache,
                                const WeirCacheKey *key,
                                WeirCompletion completion,
                                WeirError **error);

/**
 * Puts bytes under a key, in the place of what is there. The cache need not take them: a value larger than the whole cache is not
 * kept, and neither is what it was to replace.
 *
 * @param cache       the cache
 * @param key         the key
 * @param data        the bytes, which are copied; NULL if there are none
 * @param len         how many
 * @param timeout_ms  how long to wait for a backend of the caller's, beside its own deadline; < 0 = for ever
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, also if the backend failed; WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_TIMED_OUT, WEIR_STATUS_WOULD_DEADLOCK
 * where weir must not wait, WEIR_STATUS_FORKED
 */
WeirStatus weir_cache_insert(const WeirCache *cache,
                             const WeirCacheKey *key,
                             const uint8_t *data,
                             size_t len,
                             int64_t timeout_ms,
                             WeirError **error);

/**
 * weir_cache_insert() with a completion.
 *
 * @param cache       the cache
 * @param key         the key; copied
 * @param data        the bytes; copied
 * @param len         how many
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_cache_insert_async(const WeirCache *cache,
                                   const WeirCacheKey *key,
                                   const uint8_t *data,
                                   size_t len,
                                   WeirCompletion completion,
                                   WeirError **error);

/**
 * Puts a batch under a key, without copying it, in the place of what is there. As weir_cache_insert().
 *
 * @param cache       the cache
 * @param key         the key
 * @param array       the batch, a struct array; consumed on every return
 * @param schema      its schema; borrowed
 * @param timeout_ms  how long to wait for a backend of the caller's, beside its own deadline; < 0 = for ever
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK, also if the backend failed; WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_INVALID_DATA, WEIR_STATUS_TIMED_OUT,
 * WEIR_STATUS_WOULD_DEADLOCK, WEIR_STATUS_FORKED
 */
WeirStatus weir_cache_insert_batch(const WeirCache *cache,
                                   const WeirCacheKey *key,
                                   struct ArrowArray *array,
                                   const struct ArrowSchema *schema,
                                   int64_t timeout_ms,
                                   WeirError **error);

/**
 * weir_cache_insert_batch() with a completion.
 *
 * @param cache       the cache
 * @param key         the key; copied
 * @param array       the batch, a struct array; consumed on every return
 * @param schema      its schema; borrowed for the call
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_INVALID_DATA
 */
WeirStatus weir_cache_insert_batch_async(const WeirCache *cache,
                                         const WeirCacheKey *key,
                                         struct ArrowArray *array,
                                         const struct ArrowSchema *schema,
                                         WeirCompletion completion,
                                         WeirError **error);

/**
 * Removes all entries whose prefix begins with these bytes. When it succeeds they are gone, and what loaders bring that began before
 * is not kept.
 *
 * @param cache       the cache
 * @param prefix      the bytes; NULL if there are none: all entries
 * @param prefix_len  how many
 * @param timeout_ms  how long to wait for a backend of the caller's, beside its own deadline; < 0 = for ever
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK; WEIR_STATUS_STORAGE if the backend failed, WEIR_STATUS_INVALID_DATA if it answered with garbage,
 * WEIR_STATUS_TIMED_OUT, also while an insertion has no answer that began before: then entries may be left; WEIR_STATUS_INVALID_ARGUMENT,
 * WEIR_STATUS_WOULD_DEADLOCK where weir must not wait, WEIR_STATUS_FORKED
 */
WeirStatus weir_cache_invalidate_prefix(const WeirCache *cache,
                                        const uint8_t *prefix,
                                        size_t prefix_len,
                                        int64_t timeout_ms,
                                        WeirError **error);

/**
 * weir_cache_invalidate_prefix() with a completion.
 *
 * @param cache       the cache
 * @param prefix      the bytes; copied
 * @param prefix_len  how many
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_cache_invalidate_prefix_async(const WeirCache *cache,
                                              const uint8_t *prefix,
                                              size_t prefix_len,
                                              WeirCompletion completion,
                                              WeirError **error);

/**
 * Removes all entries. When it succeeds they are gone, and what loaders bring that began before is not kept.
 *
 * @param cache       the cache
 * @param timeout_ms  how long to wait for a backend of the caller's, beside its own deadline; < 0 = for ever
 * @param error       receives the error, unless NULL
 * @return as weir_cache_invalidate_prefix()
 */
WeirStatus weir_cache_clear(const WeirCache *cache, int64_t timeout_ms, WeirError **error);

/**
 * weir_cache_clear() with a completion.
 *
 * @param cache       the cache
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_cache_clear_async(const WeirCache *cache, WeirCompletion completion, WeirError **error);

/**
 * What the value is: a `WEIR_CACHE_KIND_*`; WEIR_CACHE_KIND_NONE for NULL.
 */
int32_t weir_cache_value_kind(const WeirCacheValue *value);

/**
 * The bytes of a value, borrowed until it is freed: those that were inserted, or those that an object encodes to. NULL if there are
 * none, as for a batch.
 */
const uint8_t *weir_cache_value_data(const WeirCacheValue *value);

/**
 * The number of bytes at weir_cache_value_data(); 0 for NULL.
 */
size_t weir_cache_value_len(const WeirCacheValue *value);

/**
 * Exports the batch of a value, without copying. It stays valid after the value is freed.
 *
 * @param value   the value
 * @param array   receives the batch as a struct array; call its `release`
 * @param schema  receives its schema; call its `release`
 * @param error   receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT if it is not a batch
 */
WeirStatus weir_cache_value_batch(const WeirCacheValue *value,
                                  struct ArrowArray *array,
                                  struct ArrowSchema *schema,
                                  WeirError **error);

/**
 * Frees a value. NULL is allowed.
 */
void weir_cache_value_free(WeirCacheValue *value);

/**
 * Checks an empty backend against the rules that a cache relies on, and leaves it empty:
 *
 *  1. A key that was never inserted is a miss.
 *  2. What was inserted comes back whole and of its kind. Bytes may come back for an object that has some; one that has none may be
 *     refused.
 *  3. Keys are equal if prefix, key and type name are, byte by byte; any of them may be empty.
 *  4. An insertion replaces what was there.
 *  5. Invalidating a prefix removes the entries whose prefix begins with it and no others. When it is answered they are gone.
 *  6. Clearing removes all entries. When it is answered they are gone.
 *  7. Counts are right, or their function is NULL.
 *  8. A value that was handed out stays whole.
 *  9. All functions may be called by several threads at once.
 *
 * It must have room for 4 MiB, and answer each call within 10 seconds. Blocks the calling thread, on which functions are called.
 *
 * @param backend  the backend; its `release` is called before this returns, unless the call is refused: WEIR_STATUS_INVALID_ARGUMENT,
 * WEIR_STATUS_WOULD_DEADLOCK, WEIR_STATUS_FORKED
 * @param error    receives the error, unless NULL
 * @return WEIR_STATUS_OK; WEIR_STATUS_INVALID_DATA naming the rule that does not hold, whose number is the detail `rule`;
 * WEIR_STATUS_STORAGE if it failed, WEIR_STATUS_TIMED_OUT; WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_cache_backend_check(const WeirCacheBackend *backend,
                                    WeirError **error);

/**
 * What a cache has done, and what it holds. Asks no backend and never waits.
 *
 * @param cache  the cache
 * @param stats  receives the figures; set its `struct_size`
 * @param error  receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_cache_stats(const WeirCache *cache,
                            WeirCacheStats *stats,
                            WeirError **error);

/**
 * Asks the backend how many entries it has.
 *
 * @param cache       the cache
 * @param timeout_ms  how long to wait for a backend of the caller's, beside its own deadline; < 0 = for ever
 * @param number      receives the number; WEIR_CACHE_UNKNOWN if the backend cannot tell
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK; WEIR_STATUS_STORAGE if the backend failed, WEIR_STATUS_TIMED_OUT; WEIR_STATUS_INVALID_ARGUMENT,
 * WEIR_STATUS_WOULD_DEADLOCK where weir must not wait, WEIR_STATUS_FORKED
 */
WeirStatus weir_cache_num_entries(const WeirCache *cache,
                                  int64_t timeout_ms,
                                  uint64_t *number,
                                  WeirError **error);

/**
 * weir_cache_num_entries() with a completion: the event's `value` is the number.
 *
 * @param cache       the cache
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_cache_num_entries_async(const WeirCache *cache, WeirCompletion completion, WeirError **error);

/**
 * Asks the backend how many bytes its entries take.
 *
 * @param cache       the cache
 * @param timeout_ms  how long to wait for a backend of the caller's, beside its own deadline; < 0 = for ever
 * @param number      receives the number; WEIR_CACHE_UNKNOWN if the backend cannot tell
 * @param error       receives the error, unless NULL
 * @return as weir_cache_num_entries()
 */
WeirStatus weir_cache_size_bytes(const WeirCache *cache, int64_t timeout_ms, uint64_t *number, WeirError **error);

/**
 * weir_cache_size_bytes() with a completion: the event's `value` is the number.
 *
 * @param cache       the cache
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_cache_size_bytes_async(const WeirCache *cache, WeirCompletion completion, WeirError **error);

/**
 * Opens an Arrow IPC file or IPC stream on a local disk as a stream of batches. Every byte of it is checked: a damaged file is
 * an error, here or of the stream's `get_next`.
 *
 * @param path    the file, a path of the operating system in UTF-8
 * @param stream  receives the stream; call its `release`
 * @param error   receives the error, unless NULL
 * @return WEIR_STATUS_OK, WEIR_STATUS_NOT_FOUND, WEIR_STATUS_PERMISSION_DENIED, WEIR_STATUS_INVALID_DATA, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_STORAGE
 */
WeirStatus weir_ipc_open_file(const char *path,
                              struct ArrowArrayStream *stream,
                              WeirError **error);

/**
 * The number of objects that the library has given out and that were not freed yet: handles, errors, buffers, entries and
 * manifests. A program that frees all that it gets ends with 0.
 */
uint64_t weir_live_handles(void);

/**
 * Looks for the value under a key; if there is none, has `loader` bring it, and keeps it. Of calls for one key at the same time, one
 * runs its loader and the others wait for that; if it fails, or its caller gives up, the next one runs its own. What an invalidation
 * overtakes is given to those who wait, and not kept.
 *
 * @param cache       the cache
 * @param key         the key
 * @param loader      brings the value; its `release` is called on every return, soon if not at once
 * @param timeout_ms  how long to wait; < 0 = for ever
 * @param value       receives a lease on the value; free it with weir_cache_value_free()
 * @param was_cached  receives 1 if the value was there or came from another call's loader, else 0; NULL if not wanted
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK; the loader's error: WEIR_STATUS_STORAGE with its message, WEIR_STATUS_NOT_FOUND if it has no value,
 * WEIR_STATUS_INVALID_DATA; WEIR_STATUS_WOULD_DEADLOCK if it is the loader of that key that calls, or one that this one waits for;
 * also where weir must not wait; WEIR_STATUS_TIMED_OUT, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_FORKED
 */
WeirStatus weir_cache_get_or_insert(const WeirCache *cache,
                                    const WeirCacheKey *key,
                                    WeirCacheLoader loader,
                                    int64_t timeout_ms,
                                    WeirCacheValue **value,
                                    uint8_t *was_cached,
                                    WeirError **error);

/**
 * weir_cache_get_or_insert() with a completion: the event's `result` is the value, its `value` whether it was there.
 *
 * @param cache       the cache
 * @param key         the key; copied
 * @param loader      brings the value; its `release` is called on every return, after an error of this call at once
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_cache_get_or_insert_async(const WeirCache *cache,
                                          const WeirCacheKey *key,
                                          WeirCacheLoader loader,
                                          WeirCompletion completion,
                                          WeirError **error);

/**
 * Answers with bytes, which are copied.
 *
 * @param reply  the reply; consumed
 * @param data   the bytes; NULL if there are none
 * @param len    how many
 * @param error  receives the error, unless NULL; who waits gets it, too
 * @return WEIR_STATUS_OK, also if it comes too late; WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_cache_reply_bytes(WeirCacheReply *reply, const uint8_t *data, size_t len, WeirError **error);

/**
 * Answers with a batch.
 *
 * @param reply   the reply; consumed
 * @param array   the batch, a struct array; consumed on every return
 * @param schema  its schema; borrowed
 * @param error   receives the error, unless NULL; who waits gets it, too
 * @return WEIR_STATUS_OK, also if it comes too late; WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_INVALID_DATA
 */
WeirStatus weir_cache_reply_batch(WeirCacheReply *reply,
                                  struct ArrowArray *array,
                                  const struct ArrowSchema *schema,
                                  WeirError **error);

/**
 * Answers with a value that was handed to `insert`, or that was got from any cache.
 *
 * @param reply  the reply; consumed
 * @param value  the value; borrowed: it stays the backend's
 * @param error  receives the error, unless NULL; who waits gets it, too
 * @return WEIR_STATUS_OK, also if it comes too late; WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_cache_reply_value(WeirCacheReply *reply,
                                  const WeirCacheValue *value,
                                  WeirError **error);

/**
 * Answers that there is no value. NULL is allowed.
 *
 * @param reply  the reply; consumed
 */
void weir_cache_reply_miss(WeirCacheReply *reply);

/**
 * Answers that it is done. NULL is allowed.
 *
 * @param reply   the reply; consumed
 * @param number  what `num_entries` or `size_bytes` ask for; else 0
 */
void weir_cache_reply_done(WeirCacheReply *reply, uint64_t number);

/**
 * Answers that it failed. NULL is allowed.
 *
 * @param reply    the reply; consumed
 * @param message  what happened, NUL-terminated UTF-8, copied; NULL if there is nothing to say. A loader's is what its caller gets,
 * with WEIR_STATUS_STORAGE.
 */
void weir_cache_reply_error(WeirCacheReply *reply,
                            const char *message);

/**
 * Appends bytes. What fits into the writer's buffer is copied and costs no I/O.
 *
 * @param writer      the writer
 * @param data        the bytes; NULL if there are none
 * @param len         how many
 * @param timeout_ms  < 0 = for ever. When it passes, nothing was written.
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK. After an error nothing was written and the writer goes on, unless the error's detail `spill_lost` is 1: then the
 * spill is lost, and every later call says the same. Errors of the first two lines have that detail, 0 or 1.
 *  - WEIR_STATUS_STORAGE_FULL: 1 for a full disk; 0 for the floor of free space (details `free_bytes`, `floor_bytes`, `requested_bytes`) and
 *    for want of memory
 *  - WEIR_STATUS_STORAGE, WEIR_STATUS_PERMISSION_DENIED: 1 for a failed write; 0 if the place to write to could not be made, or asked
 *    for its free space
 *  - WEIR_STATUS_DISK_CAP_EXCEEDED (details `cap_bytes`, `used_bytes`, `requested_bytes`)
 *  - WEIR_STATUS_UNSUPPORTED, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_NOT_FOUND if the first write finds that the store's location is none:
 *    a file system without locks, a path through a file, a bucket that does not exist
 *  - WEIR_STATUS_INVALID_ARGUMENT if it is a writer of batches
 *  - WEIR_STATUS_TIMED_OUT
 *  - WEIR_STATUS_CLOSED after the end
 */
WeirStatus weir_spill_writer_write(const WeirSpillWriter *writer,
                                   const uint8_t *data,
                                   size_t len,
                                   int64_t timeout_ms,
                                   WeirError **error);

/**
 * weir_spill_writer_write() with a completion. The bytes are copied before it returns; those that fit into the writer's buffer are written
 * by then. Writes that are under way at once are done in the order of their calls. Copies of those that wait count against no limit: who
 * does not wait for completions bounds them.
 *
 * @param writer      the writer
 * @param data        the bytes; NULL if there are none
 * @param len         how many
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT, WEIR_STATUS_STORAGE_FULL if there is no memory for the copy
 */
WeirStatus weir_spill_writer_write_async(const WeirSpillWriter *writer,
                                         const uint8_t *data,
                                         size_t len,
                                         WeirCompletion completion,
                                         WeirError **error);

/**
 * Appends bytes that lie in several places, all or none of them.
 *
 * @param writer      the writer
 * @param parts       where the bytes lie; NULL if there are none
 * @param parts_len   how many places
 * @param timeout_ms  < 0 = for ever. When it passes, nothing was written.
 * @param error       receives the error, unless NULL
 * @return as weir_spill_writer_write()
 */
WeirStatus weir_spill_writer_writev(const WeirSpillWriter *writer,
                                    const WeirBytes *parts,
                                    size_t parts_len,
                                    int64_t timeout_ms,
                                    WeirError **error);

/**
 * weir_spill_writer_writev() with a completion, as weir_spill_writer_write_async(): the bytes are copied before it returns.
 *
 * @param writer      the writer
 * @param parts       where the bytes lie; NULL if there are none
 * @param parts_len   how many places
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return as weir_spill_writer_write_async()
 */
WeirStatus weir_spill_writer_writev_async(const WeirSpillWriter *writer,
                                          const WeirBytes *parts,
                                          size_t parts_len,
                                          WeirCompletion completion,
                                          WeirError **error);

/**
 * Appends a batch. Only its own rows are written, not the parents of a slice. It may have no rows.
 *
 * @param writer      the writer, of weir_spill_begin_batches()
 * @param array       the batch, a struct array of the writer's schema; consumed on every return
 * @param timeout_ms  < 0 = for ever. When it passes, nothing was written.
 * @param error       receives the error, unless NULL
 * @return as weir_spill_writer_write(); WEIR_STATUS_INVALID_DATA, WEIR_STATUS_SCHEMA_MISMATCH; WEIR_STATUS_INVALID_ARGUMENT if it is a writer
 * of bytes
 */
WeirStatus weir_spill_writer_write_batch(const WeirSpillWriter *writer,
                                         struct ArrowArray *array,
                                         int64_t timeout_ms,
                                         WeirError **error);

/**
 * weir_spill_writer_write_batch() with a completion. The batch is kept until it is written.
 *
 * @param writer      the writer, of weir_spill_begin_batches()
 * @param array       the batch, a struct array of the writer's schema; consumed on every return
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_DATA, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_writer_write_batch_async(const WeirSpillWriter *writer,
                                               struct ArrowArray *array,
                                               WeirCompletion completion,
                                               WeirError **error);

/**
 * Appends all batches of a stream. The stream must not write to the same writer.
 *
 * @param writer      the writer, of weir_spill_begin_batches()
 * @param stream      the stream, of the writer's schema; consumed on every return
 * @param timeout_ms  for all together; < 0 = for ever
 * @param error       receives the error, unless NULL; its detail `accepted` says how many batches were written before, also if time is up
 * @return as weir_spill_writer_write_batch(); what the stream failed with
 */
WeirStatus weir_spill_writer_write_stream(const WeirSpillWriter *writer,
                                          struct ArrowArrayStream *stream,
                                          int64_t timeout_ms,
                                          WeirError **error);

/**
 * weir_spill_writer_write_stream() with a completion. The stream is read on a thread of weir's.
 *
 * @param writer      the writer, of weir_spill_begin_batches()
 * @param stream      the stream, of the writer's schema; consumed on every return
 * @param completion  what to complete
 * @param error       receives the error, unless NULL
 * @return WEIR_STATUS_OK if accepted, WEIR_STATUS_INVALID_ARGUMENT
 */
WeirStatus weir_spill_writer_write_stream_async(const WeirSpillWriter *writer,
                                                struct ArrowArrayStream *stream,
                                                WeirCompletion completion,
                                                WeirError **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* WEIR_H */

/* Options with their defaults: `WeirSessionOptions options = WEIR_SESSION_OPTIONS_INIT;` */
#define WEIR_RUNTIME_OPTIONS_INIT {(uint32_t)sizeof(WeirRuntimeOptions), 0, 0, 0, NULL, NULL, NULL, NULL}
#define WEIR_LOG_SINK_INIT {(uint32_t)sizeof(WeirLogSink), 0, NULL, NULL, NULL}
#define WEIR_QUEUE_OPTIONS_INIT {(uint32_t)sizeof(WeirQueueOptions), 0}
#define WEIR_SESSION_OPTIONS_INIT {(uint32_t)sizeof(WeirSessionOptions), 0, NULL, 0, NULL, NULL, 0}
#define WEIR_TRIM_OPTIONS_INIT {(uint32_t)sizeof(WeirTrimOptions), 0, -1}
#define WEIR_WRITER_OPTIONS_INIT {(uint32_t)sizeof(WeirWriterOptions), 1, 1, 1, 1, 0, 3, -1, 8388608u, 67108864u, 50, 2, -1, -1, \
  268435456u, 4000000u, 262144u, 1073741824u, 0, NULL, 0, NULL, 0, 1, {0, 0, 0}, 4, 16, 0, 268435456u}
#define WEIR_SCAN_OPTIONS_INIT {(uint32_t)sizeof(WeirScanOptions), 0, 0, 0, 0, NULL, 0, NULL, 0, UINT64_MAX, 8192, 0}
#define WEIR_GET_OPTIONS_INIT {(uint32_t)sizeof(WeirGetOptions), 0, NULL, 0}
#define WEIR_SNAPSHOT_OPTIONS_INIT {(uint32_t)sizeof(WeirSnapshotOptions), 1, {0, 0, 0}, NULL, 0, NULL, 0, 1073741824u, -1}
#define WEIR_APPENDER_OPTIONS_INIT {(uint32_t)sizeof(WeirAppenderOptions), 1, 1, {0, 0}, 0, 3, 50, 2, -1, -1}
#define WEIR_TAILER_OPTIONS_INIT {(uint32_t)sizeof(WeirTailerOptions), 0, {0, 0, 0}, 0, 67108864u, 32, 2, 1000, 0}
#define WEIR_SPILL_STORE_OPTIONS_INIT {(uint32_t)sizeof(WeirSpillStoreOptions), 0, NULL, UINT64_MAX, 0, -1, -1, 65536u, 0}
#define WEIR_SPILL_OPTIONS_INIT {(uint32_t)sizeof(WeirSpillOptions), 0, 0, 1, {0, 0, 0, 0, 0, 0}}
#define WEIR_SPILL_READ_OPTIONS_INIT {(uint32_t)sizeof(WeirSpillReadOptions), 0, 0, {0, 0}}
#define WEIR_CACHE_OPTIONS_INIT {(uint32_t)sizeof(WeirCacheOptions), 0, 134217728u, NULL, 1000}
#define WEIR_CACHE_BACKEND_INIT {(uint32_t)sizeof(WeirCacheBackend), 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL}

/* Results: only their size is told to the library. */
#define WEIR_WRITER_STATS_INIT {(uint32_t)sizeof(WeirWriterStats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
#define WEIR_CACHE_STATS_INIT {(uint32_t)sizeof(WeirCacheStats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
#define WEIR_SESSION_MEMORY_INIT {(uint32_t)sizeof(WeirSessionMemory), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
#define WEIR_WRITER_MEMORY_INIT {(uint32_t)sizeof(WeirWriterMemory), 0, 0, 0, 0, 0, 0, 0, 0, 0}
#define WEIR_MEM_TABLE_STATS_INIT {(uint32_t)sizeof(WeirMemTableStats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
#define WEIR_SPILL_STATS_INIT {(uint32_t)sizeof(WeirSpillStats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
