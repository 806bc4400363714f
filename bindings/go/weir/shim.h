/* What cgo cannot say by itself: calls whose results are structs (so that nothing of Go's escapes to the heap for an output), and
 * batches in memory that weir may keep (see export.go). */
#ifndef WEIRGO_SHIM_H
#define WEIRGO_SHIM_H

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "weir.h"

#if WEIR_ABI_VERSION != 0
#error "this version of the Go binding is for ABI 0 of weir"
#endif

typedef struct {
  WeirStatus status;
  WeirError *error;
} WeirGoStatus;

typedef struct {
  WeirStatus status;
  WeirError *error;
  void *result;
} WeirGoResult;

typedef struct {
  WeirStatus status;
  WeirError *error;
  WeirAck ack;
} WeirGoPut;

/* ---- Errors ------------------------------------------------------------------------------------------------------- */

enum { WEIRGO_MAX_DETAILS = 40 };

typedef struct {
  const char *name;
  const char *text; /* NULL: `number` holds the value */
  uint64_t number;
} WeirGoDetail;

typedef struct {
  WeirStatus code;
  WeirAction action;
  const char *message;
  size_t details_len;
  WeirGoDetail details[WEIRGO_MAX_DETAILS];
} WeirGoError;

/* Reads all that an error says. What `out` points to is borrowed from the error. */
void weirgo_error_read(const WeirError *error, WeirGoError *out);

/* The names of the details that weirgo_error_read() asks for; NULL after the last. */
const char *weirgo_detail_name(size_t index);

/* ---- Batches in memory that weir may keep --------------------------------------------------------------------------- */

/* One allocation: this header, the arrays, their pointers, and the small buffers. It lives until each of its arrays was
 * released, as a consumer may move children out of their parent. */
typedef struct WeirGoBlock {
  _Atomic int64_t refs;     /* arrays that were not released */
  uint64_t keeper;          /* what Go keeps alive and pinned for it; 0 = nothing, and Go need not be told */
  WeirCompletion wake;      /* tells Go that blocks wait in the list of the released */
  struct WeirGoBlock *next; /* in that list */
} WeirGoBlock;

/* The `release` of all arrays in blocks. Never enters Go, as it may run on a thread of weir's. */
void weirgo_release(struct ArrowArray *array);

/* Makes the `n` arrays of a block releasable. */
void weirgo_arm(WeirGoBlock *block, struct ArrowArray *arrays, size_t n);

/* Takes the list of blocks that were released. */
WeirGoBlock *weirgo_take_released(void);

/* ---- Calls -------------------------------------------------------------------------------------------------------- */

static inline WeirCompletion weirgo_completion(WeirCompletion post, uint64_t token) {
  post.token = token;
  return post;
}

/* A put that does not wait, for writers whose puts are acknowledged when they are admitted. */
static inline WeirGoPut weirgo_put(uintptr_t writer, uintptr_t array) { /* as numbers, which cgo does not look up */
  WeirGoPut r = {0, NULL, {0, 0, 0}};
  r.status = weir_writer_put((const WeirWriter *)writer, (struct ArrowArray *)array, 0, &r.ack, &r.error);
  return r;
}

static inline WeirGoStatus weirgo_put_async(const WeirWriter *writer, struct ArrowArray *array, WeirCompletion post, uint64_t token) {
  WeirGoStatus r = {0, NULL};
  r.status = weir_writer_put_async(writer, array, weirgo_completion(post, token), &r.error);
  return r;
}

static inline WeirGoStatus weirgo_append_async(const WeirAppender *appender, struct ArrowArray *array, WeirCompletion post, uint64_t token) {
  WeirGoStatus r = {0, NULL};
  r.status = weir_appender_append_async(appender, array, weirgo_completion(post, token), &r.error);
  return r;
}

static inline WeirGoStatus weirgo_next_async(const WeirTailer *tailer, WeirCompletion post, uint64_t token) {
  WeirGoStatus r = {0, NULL};
  r.status = weir_tailer_next_async(tailer, weirgo_completion(post, token), &r.error);
  return r;
}

/* ---- Spills ------------------------------------------------------------------------------------------------------- */

typedef struct {
  WeirStatus status;
  WeirError *error;
  size_t n;
} WeirGoCount;

/* What does not wait: done at once on this thread, as it is in memory and on a local disk, or TIMED_OUT and not done at all. */

static inline WeirGoStatus weirgo_spill_write(const WeirSpillWriter *writer, const uint8_t *data, size_t len) {
  WeirGoStatus r = {0, NULL};
  r.status = weir_spill_writer_write(writer, data, len, 0, &r.error);
  return r;
}

static inline WeirGoStatus weirgo_spill_writev(const WeirSpillWriter *writer, const WeirBytes *parts, size_t n) {
  WeirGoStatus r = {0, NULL};
  r.status = weir_spill_writer_writev(writer, parts, n, 0, &r.error);
  return r;
}

static inline WeirGoStatus weirgo_spill_write_batch(const WeirSpillWriter *writer, struct ArrowArray *array) {
  WeirGoStatus r = {0, NULL};
  r.status = weir_spill_writer_write_batch(writer, array, 0, &r.error);
  return r;
}

static inline WeirGoCount weirgo_spill_read_at(const WeirSpill *spill, uint64_t offset, uint8_t *out, size_t len) {
  WeirGoCount r = {0, NULL, 0};
  r.status = weir_spill_read_at(spill, offset, out, len, 0, &r.n, &r.error);
  return r;
}

static inline WeirGoCount weirgo_spill_reader_read(const WeirSpillReader *reader, uint8_t *out, size_t len) {
  WeirGoCount r = {0, NULL, 0};
  r.status = weir_spill_reader_read(reader, out, len, 0, &r.n, &r.error);
  return r;
}

typedef struct {
  uint64_t len, stored, rows;
  size_t batches;
} WeirGoSpill;

static inline WeirGoSpill weirgo_spill(const WeirSpill *spill) {
  WeirGoSpill r = {weir_spill_len(spill), weir_spill_stored_bytes(spill), weir_spill_rows(spill), weir_spill_batch_count(spill)};
  return r;
}

/* ---- Cache -------------------------------------------------------------------------------------------------------- */

/* A key by its parts, so that cgo checks each pointer by itself. */
#define WEIRGO_KEY const uint8_t *prefix, size_t prefix_len, const uint8_t *key, size_t key_len, const char *type_name
#define WEIRGO_MAKE_KEY {prefix, prefix_len, key, key_len, type_name}

static inline WeirGoResult weirgo_cache_get(const WeirCache *cache, WEIRGO_KEY) {
  WeirGoResult r = {0, NULL, NULL};
  WeirCacheKey k = WEIRGO_MAKE_KEY;
  WeirCacheValue *value = NULL;
  r.status = weir_cache_get(cache, &k, 0, &value, &r.error);
  r.result = value;
  return r;
}

static inline WeirStatus weirgo_cache_get_async(const WeirCache *cache, WEIRGO_KEY, WeirCompletion done, WeirError **error) {
  WeirCacheKey k = WEIRGO_MAKE_KEY;
  return weir_cache_get_async(cache, &k, done, error);
}

static inline WeirGoStatus weirgo_cache_insert(const WeirCache *cache, WEIRGO_KEY, const uint8_t *data, size_t len) {
  WeirGoStatus r = {0, NULL};
  WeirCacheKey k = WEIRGO_MAKE_KEY;
  r.status = weir_cache_insert(cache, &k, data, len, -1, &r.error);
  return r;
}

static inline WeirStatus weirgo_cache_insert_async(const WeirCache *cache, WEIRGO_KEY, const uint8_t *data, size_t len, WeirCompletion done,
                                                   WeirError **error) {
  WeirCacheKey k = WEIRGO_MAKE_KEY;
  return weir_cache_insert_async(cache, &k, data, len, done, error);
}

static inline WeirGoStatus weirgo_cache_insert_batch(const WeirCache *cache, WEIRGO_KEY, struct ArrowArray *array,
                                                     const struct ArrowSchema *schema) {
  WeirGoStatus r = {0, NULL};
  WeirCacheKey k = WEIRGO_MAKE_KEY;
  r.status = weir_cache_insert_batch(cache, &k, array, schema, -1, &r.error);
  return r;
}

static inline WeirStatus weirgo_cache_insert_batch_async(const WeirCache *cache, WEIRGO_KEY, struct ArrowArray *array,
                                                         const struct ArrowSchema *schema, WeirCompletion done, WeirError **error) {
  WeirCacheKey k = WEIRGO_MAKE_KEY;
  return weir_cache_insert_batch_async(cache, &k, array, schema, done, error);
}

/* A call of a backend or of a loader that is written in Go. weir's thread leaves it in a list and goes on; a goroutine takes it from
 * there and answers. */
typedef struct WeirGoRequest {
  struct WeirGoRequest *next;
  uint64_t id; /* whose call it is */
  int32_t kind;
  WeirCacheReply *reply;
  WeirCacheValue *value;
  uint64_t size_bytes;
  size_t prefix_len, key_len, type_len;
  uint8_t text[]; /* prefix, key and type name */
} WeirGoRequest;

enum { WEIRGO_GET, WEIRGO_INSERT, WEIRGO_INVALIDATE, WEIRGO_CLEAR, WEIRGO_NUM_ENTRIES, WEIRGO_SIZE_BYTES, WEIRGO_LOAD, WEIRGO_RELEASED };

/* A backend or loader as C sees it: under which number Go knows it, and how to tell Go of a request. Freed with its release. */
typedef struct WeirGoServed WeirGoServed;

WeirGoServed *weirgo_served_new(uint64_t id, WeirCompletion wake, uint64_t token);
void weirgo_served_free(WeirGoServed *served);

/* Takes the list of requests, the first first. */
WeirGoRequest *weirgo_take_requests(void);

/* The rest as their namesakes, with the served as backend (if it is not NULL) or loader. */
WeirStatus weirgo_cache_new(uint64_t capacity_bytes, WeirGoServed *served, bool counts, int64_t timeout_ms, WeirCache **cache, WeirError **error);
WeirStatus weirgo_cache_backend_check(WeirGoServed *served, bool counts, WeirError **error);
WeirStatus weirgo_cache_get_or_insert_async(const WeirCache *cache, WEIRGO_KEY, WeirGoServed *served, WeirCompletion done, WeirError **error);

/* ---- Entries ------------------------------------------------------------------------------------------------------ */

typedef struct {
  uint64_t position, epoch, generation, rows, bytes, schema_id;
  size_t batches;
  bool sentinel;
} WeirGoEntry;

static inline WeirGoEntry weirgo_entry(const WeirEntry *entry) {
  WeirGoEntry r = {weir_entry_position(entry), weir_entry_epoch(entry),     weir_entry_generation(entry),  weir_entry_rows(entry),
                   weir_entry_bytes(entry),    weir_entry_schema_id(entry), weir_entry_batch_count(entry), weir_entry_is_sentinel(entry)};
  return r;
}

typedef struct {
  WeirStatus status;
  WeirError *error;
  WeirEntry *entry;
  WeirGoEntry fields; /* of the entry, if there is one */
} WeirGoNext;

/* The next entry if it is there at once, read on this thread; else TIMED_OUT, without an error to be freed. */
static inline WeirGoNext weirgo_next_now(const WeirTailer *tailer) {
  WeirGoNext r = {0};
  r.status = weir_tailer_next(tailer, 0, &r.entry, &r.error);
  if (r.entry != NULL) r.fields = weirgo_entry(r.entry);
  if (r.status == WEIR_STATUS_TIMED_OUT) {
    weir_error_free(r.error);
    r.error = NULL;
  }
  return r;
}

typedef struct {
  WeirStatus status;
  WeirError *error;
  struct ArrowArray array;
} WeirGoBatch;

static inline WeirGoBatch weirgo_entry_batch(const WeirEntry *entry, size_t index) {
  WeirGoBatch r;
  r.error = NULL;
  r.status = weir_entry_batch(entry, index, &r.array, &r.error);
  return r;
}

/* Releases what is not released. */
static inline void weirgo_release_array(struct ArrowArray *array) {
  if (array->release != NULL) array->release(array);
}

static inline void weirgo_release_schema(struct ArrowSchema *schema) {
  if (schema->release != NULL) schema->release(schema);
}

static inline void weirgo_release_stream(struct ArrowArrayStream *stream) {
  if (stream->release != NULL) stream->release(stream);
}

/* ---- Log ---------------------------------------------------------------------------------------------------------- */

/* Sends messages to Go's weirgoLog, with `handle` for the sink; weirgoLogRelease gets the handle after the last. */
WeirGoStatus weirgo_set_sink(uintptr_t handle);

#endif
