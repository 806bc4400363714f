#include "shim.h"

#include "_cgo_export.h"

/* ---- Errors ------------------------------------------------------------------------------------------------------- */

/* All names of details that weir gives; errors cannot be asked which they have. A test compares with weir's sources. */
static const char *const detail_names[] = {
    "accepted",        "bytes",        "cap_bytes",      "durable",       "epoch",   "fenced_by_epoch", "first_position",
    "floor_bytes",     "free_bytes",   "in_flight_bytes", "limit_bytes",   "memory_bytes", "pending_bytes", "position",
    "replay_after",    "requested_bytes", "reserved_bytes", "sequence",    "used_bytes", "version",
    "call",            "cause",        "field",          "file",          "key",     "object",          "path",
    "root",            "shard",
};

enum { DETAIL_NAMES = sizeof detail_names / sizeof detail_names[0] };

_Static_assert(DETAIL_NAMES <= WEIRGO_MAX_DETAILS, "room for all details");

const char *weirgo_detail_name(size_t index) { return index < DETAIL_NAMES ? detail_names[index] : NULL; }

void weirgo_error_read(const WeirError *error, WeirGoError *out) {
  out->code = weir_error_code(error);
  out->action = weir_error_action(error);
  out->message = weir_error_message(error);
  out->details_len = 0;
  for (size_t i = 0; i < DETAIL_NAMES; i++) {
    WeirGoDetail detail = {detail_names[i], NULL, 0};
    if (weir_error_detail_u64(error, detail.name, &detail.number) || weir_error_detail_str(error, detail.name, &detail.text))
      out->details[out->details_len++] = detail;
  }
}

/* ---- Batches in memory that weir may keep --------------------------------------------------------------------------- */

static _Atomic(WeirGoBlock *) released;

/* The last array of a block is gone. */
static void block_released(WeirGoBlock *block) {
  if (block->keeper == 0) {
    free(block);
    return;
  }
  /* Only who finds the list empty tells Go, once for all that come until Go takes the list. A thread of weir's must not
   * enter Go here: it would wait for one of Go's processors, and everybody who waits for the entry with it. Who pushed
   * onto a list that was not empty must not touch its block any more: it is Go's. */
  WeirCompletion wake = block->wake;
  WeirGoBlock *head = atomic_load_explicit(&released, memory_order_relaxed);
  do {
    block->next = head;
  } while (!atomic_compare_exchange_weak_explicit(&released, &head, block, memory_order_release, memory_order_relaxed));
  if (head == NULL) {
    WeirEvent event = {.token = wake.token};
    wake.fn(wake.ctx, &event);
  }
}

/* Marks an array and what is still below it as released; returns how many arrays that were. */
static int64_t mark_released(struct ArrowArray *array) {
  int64_t n = 1;
  for (int64_t i = 0; i < array->n_children; i++)
    if (array->children[i]->release != NULL) n += mark_released(array->children[i]);
  if (array->dictionary != NULL && array->dictionary->release != NULL) n += mark_released(array->dictionary);
  array->release = NULL;
  return n;
}

void weirgo_release(struct ArrowArray *array) {
  WeirGoBlock *block = array->private_data;
  int64_t n = mark_released(array);
  if (atomic_fetch_sub_explicit(&block->refs, n, memory_order_acq_rel) == n) block_released(block);
}

void weirgo_arm(WeirGoBlock *block, struct ArrowArray *arrays, size_t n) {
  atomic_store_explicit(&block->refs, (int64_t)n, memory_order_relaxed);
  for (size_t i = 0; i < n; i++) {
    arrays[i].private_data = block;
    arrays[i].release = weirgo_release;
  }
}

WeirGoBlock *weirgo_take_released(void) { return atomic_exchange_explicit(&released, NULL, memory_order_acquire); }

/* ---- Schemas ------------------------------------------------------------------------------------------------------ */

static size_t metadata_size(const char *metadata) {
  int32_t pairs, length;
  const char *p = metadata;
  if (metadata == NULL) return 0;
  memcpy(&pairs, p, sizeof pairs);
  p += sizeof pairs;
  for (int64_t i = 0; i < 2 * (int64_t)pairs; i++) {
    memcpy(&length, p, sizeof length);
    p += sizeof length + (size_t)length;
  }
  return (size_t)(p - metadata);
}

static bool same_text(const char *a, const char *b) { return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0; }

bool weirgo_same_schema(const struct ArrowSchema *a, const struct ArrowSchema *b) {
  if (a == NULL || b == NULL) return a == b;
  size_t metadata = metadata_size(a->metadata);
  if (!same_text(a->format, b->format) || !same_text(a->name, b->name) || a->flags != b->flags || a->n_children != b->n_children ||
      metadata != metadata_size(b->metadata) || (metadata > 0 && memcmp(a->metadata, b->metadata, metadata) != 0))
    return false;
  for (int64_t i = 0; i < a->n_children; i++)
    if (!weirgo_same_schema(a->children[i], b->children[i])) return false;
  return weirgo_same_schema(a->dictionary, b->dictionary);
}

/* ---- Log ---------------------------------------------------------------------------------------------------------- */

static void on_log(void *ctx, int32_t level, const char *target, const char *message) {
  weirgoLog((uintptr_t)ctx, level, (char *)target, (char *)message);
}

static void on_log_release(void *ctx) { weirgoLogRelease((uintptr_t)ctx); }

WeirGoStatus weirgo_set_sink(uintptr_t handle) {
  WeirGoStatus r = {0, NULL};
  WeirLogSink sink = WEIR_LOG_SINK_INIT;
  sink.log = on_log;
  sink.ctx = (void *)handle;
  sink.release = on_log_release;
  r.status = weir_log_set_sink(handle != 0 ? &sink : NULL, &r.error);
  return r;
}
