#include "shim.h"

#include "_cgo_export.h"

/* ---- Errors ------------------------------------------------------------------------------------------------------- */

/* All names of details that weir gives; errors cannot be asked which they have. A test compares with weir's sources. */
static const char *const detail_names[] = {
    "accepted",        "bytes",        "cap_bytes",      "durable",       "epoch",   "fenced_by_epoch", "first_position",
    "floor_bytes",     "free_bytes",   "in_flight_bytes", "limit_bytes",   "memory_bytes", "pending_bytes", "position",
    "replay_after",    "requested_bytes", "reserved_bytes", "sequence",    "used_bytes", "version",
    "call",            "cause",        "field",          "file",          "key",     "object",          "path",
    "root",            "shard",        "batch",          "rule",          "session_limit_bytes", "session_queued_bytes",
    "session_read_ahead_bytes", "generation",  "next_generation", "row",     "column",  "requested",       "max",
    "frozen_bytes",    "memtable_bytes", "published", "session_memtable_bytes", "spill_lost",
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

/* ---- Backends and loaders of caches ------------------------------------------------------------------------------- */

struct WeirGoServed {
  uint64_t id;
  WeirCompletion wake;
  WeirGoRequest *last; /* says that it was released: made before, as there must be memory for it */
};

static _Atomic(WeirGoRequest *) requests;

WeirGoServed *weirgo_served_new(uint64_t id, WeirCompletion wake, uint64_t token) {
  WeirGoServed *served = malloc(sizeof *served);
  WeirGoRequest *last = calloc(1, sizeof *last);
  if (served == NULL || last == NULL) {
    free(served);
    free(last);
    return NULL;
  }
  last->id = id;
  last->kind = WEIRGO_RELEASED;
  wake.token = token;
  *served = (WeirGoServed){id, wake, last};
  return served;
}

void weirgo_served_free(WeirGoServed *served) {
  free(served->last);
  free(served);
}

/* Leaves a request for Go. As with the released blocks: who finds the list empty tells Go, and a request is Go's once it is in the
 * list. weir's thread never enters Go. */
static void leave(WeirGoRequest *request, WeirCompletion wake) {
  WeirGoRequest *head = atomic_load_explicit(&requests, memory_order_relaxed);
  do {
    request->next = head;
  } while (!atomic_compare_exchange_weak_explicit(&requests, &head, request, memory_order_release, memory_order_relaxed));
  if (head == NULL) {
    WeirEvent event = {.token = wake.token};
    wake.fn(wake.ctx, &event);
  }
}

WeirGoRequest *weirgo_take_requests(void) {
  WeirGoRequest *first = NULL, *next;
  for (WeirGoRequest *request = atomic_exchange_explicit(&requests, NULL, memory_order_acquire); request != NULL; request = next) {
    next = request->next;
    request->next = first;
    first = request;
  }
  return first;
}

static void ask(const WeirGoServed *served, int32_t kind, const WeirCacheKey *key, WeirCacheValue *value, uint64_t size, WeirCacheReply *reply) {
  size_t type_len = key->type_name != NULL ? strlen(key->type_name) : 0;
  WeirGoRequest *request = malloc(sizeof *request + key->prefix_len + key->key_len + type_len);
  if (request == NULL) {
    weir_cache_value_free(value);
    weir_cache_reply_error(reply, "there is no memory for a request");
    return;
  }
  *request = (WeirGoRequest){NULL, served->id, kind, reply, value, size, key->prefix_len, key->key_len, type_len};
  uint8_t *text = request->text;
  if (key->prefix_len > 0) memcpy(text, key->prefix, key->prefix_len);
  if (key->key_len > 0) memcpy(text + key->prefix_len, key->key, key->key_len);
  if (type_len > 0) memcpy(text + key->prefix_len + key->key_len, key->type_name, type_len);
  leave(request, served->wake);
}

static const WeirCacheKey no_key;

static void ask_get(void *ctx, const WeirCacheKey *key, WeirCacheReply *reply) { ask(ctx, WEIRGO_GET, key, NULL, 0, reply); }
static void ask_load(void *ctx, const WeirCacheKey *key, WeirCacheReply *reply) { ask(ctx, WEIRGO_LOAD, key, NULL, 0, reply); }
static void ask_clear(void *ctx, WeirCacheReply *reply) { ask(ctx, WEIRGO_CLEAR, &no_key, NULL, 0, reply); }
static void ask_entries(void *ctx, WeirCacheReply *reply) { ask(ctx, WEIRGO_NUM_ENTRIES, &no_key, NULL, 0, reply); }
static void ask_bytes(void *ctx, WeirCacheReply *reply) { ask(ctx, WEIRGO_SIZE_BYTES, &no_key, NULL, 0, reply); }

static void ask_insert(void *ctx, const WeirCacheKey *key, WeirCacheValue *value, uint64_t size, WeirCacheReply *reply) {
  ask(ctx, WEIRGO_INSERT, key, value, size, reply);
}

static void ask_invalidate(void *ctx, const uint8_t *prefix, size_t prefix_len, WeirCacheReply *reply) {
  WeirCacheKey key = {prefix, prefix_len, NULL, 0, NULL};
  ask(ctx, WEIRGO_INVALIDATE, &key, NULL, 0, reply);
}

static void served_release(void *ctx) {
  WeirGoServed *served = ctx;
  leave(served->last, served->wake);
  free(served);
}

static WeirCacheBackend backend_of(WeirGoServed *served, bool counts) {
  WeirCacheBackend backend = WEIR_CACHE_BACKEND_INIT;
  backend.ctx = served;
  backend.release = served_release;
  backend.get = ask_get;
  backend.insert = ask_insert;
  backend.invalidate_prefix = ask_invalidate;
  backend.clear = ask_clear;
  if (counts) {
    backend.num_entries = ask_entries;
    backend.size_bytes = ask_bytes;
  }
  return backend;
}

WeirStatus weirgo_cache_new(uint64_t capacity_bytes, WeirGoServed *served, bool counts, int64_t timeout_ms, WeirCache **cache, WeirError **error) {
  WeirCacheOptions options;
  WeirCacheBackend backend;
  weir_cache_options_init(&options, sizeof options);
  options.capacity_bytes = capacity_bytes;
  options.backend_timeout_ms = timeout_ms;
  if (served != NULL) {
    backend = backend_of(served, counts);
    options.backend = &backend;
  }
  return weir_cache_new(&options, cache, error);
}

WeirStatus weirgo_cache_backend_check(WeirGoServed *served, bool counts, WeirError **error) {
  WeirCacheBackend backend = backend_of(served, counts);
  return weir_cache_backend_check(&backend, error);
}

WeirStatus weirgo_cache_get_or_insert_async(const WeirCache *cache, WEIRGO_KEY, WeirGoServed *served, WeirCompletion done, WeirError **error) {
  WeirCacheKey k = WEIRGO_MAKE_KEY;
  WeirCacheLoader loader = {ask_load, served, served_release};
  return weir_cache_get_or_insert_async(cache, &k, loader, done, error);
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
