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

typedef struct {
  uint64_t position, epoch, generation, rows, bytes;
  size_t batches;
  bool sentinel;
} WeirGoEntry;

static inline WeirGoEntry weirgo_entry(const WeirEntry *entry) {
  WeirGoEntry r = {weir_entry_position(entry), weir_entry_epoch(entry),       weir_entry_generation(entry), weir_entry_rows(entry),
                   weir_entry_bytes(entry),    weir_entry_batch_count(entry), weir_entry_is_sentinel(entry)};
  return r;
}

/* Whether two schemas are the same to the last flag and key. */
bool weirgo_same_schema(const struct ArrowSchema *a, const struct ArrowSchema *b);

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
