/* The cache from C: the built-in one, one over a locked hash table of the program's, and what both have in common; a session's cache and
 * its memory. */
#include "cache_use.h"

/* ---- What all caches do ---- */

static void use_cache(WeirCache *cache) {
  put(cache, "a", "1", "one");
  put(cache, "a", "2", "");
  put(cache, "a/b", "1", "deeper");
  put(cache, "b", "1", "other");
  CHECK(has(cache, "a", "1", "one") && has(cache, "a", "2", "") && has(cache, "a/b", "1", "deeper") && has(cache, "b", "1", "other"));
  CHECK(has(cache, "a", "3", NULL) && has(cache, "", "", NULL));
  put(cache, "a", "1", "uno");
  CHECK(has(cache, "a", "1", "uno"));
  uint64_t n = 0;
  OK(weir_cache_num_entries(cache, -1, &n, &err));
  CHECK_EQ(n, 4);
  OK(weir_cache_size_bytes(cache, -1, &n, &err));
  CHECK(n > 0 && n != WEIR_CACHE_UNKNOWN);

  /* PITFALLS K2: another type name is another entry. */
  WeirCacheKey k = key_of("a", "1");
  WeirCacheValue *value = NULL, *lease = NULL;
  k.type_name = "other";
  OK(weir_cache_get(cache, &k, -1, &value, &err));
  CHECK(value == NULL);
  k.type_name = NULL;
  OK(weir_cache_insert(cache, &k, NULL, 0, -1, &err));
  OK(weir_cache_get(cache, &k, -1, &value, &err));
  CHECK(value_is(value, ""));
  weir_cache_value_free(value);

  /* A batch, and a lease that outlives its entry. */
  struct ArrowArray batch = batch_new(100, 7), out;
  struct ArrowSchema schema = batch_schema(), out_schema;
  k = key_of("a", "batch");
  OK(weir_cache_insert_batch(cache, &k, &batch, &schema, -1, &err));
  CHECK(batch.release == NULL);
  OK(weir_cache_get(cache, &k, -1, &value, &err));
  CHECK_EQ(weir_cache_value_kind(value), WEIR_CACHE_KIND_BATCH);
  CHECK(weir_cache_value_data(value) == NULL && weir_cache_value_len(value) == 0);
  OK(weir_cache_get(cache, &(WeirCacheKey){(const uint8_t *)"a", 1, (const uint8_t *)"1", 1, "test"}, -1, &lease, &err));

  /* PITFALLS K3: gone when it returns. */
  OK(weir_cache_invalidate_prefix(cache, (const uint8_t *)"a", 1, -1, &err));
  CHECK(has(cache, "a", "1", NULL) && has(cache, "a", "batch", NULL) && has(cache, "a/b", "1", NULL) && has(cache, "b", "1", "other"));
  OK(weir_cache_clear(cache, -1, &err));
  CHECK(has(cache, "b", "1", NULL));
  OK(weir_cache_value_batch(value, &out, &out_schema, &err));
  weir_cache_value_free(value);
  CHECK(batch_is(&out, 100, 7));
  CHECK_STR(out_schema.format, "+s");
  out.release(&out);
  out_schema.release(&out_schema);
  schema.release(&schema);
  CHECK(value_is(lease, "uno"));
  FAILS(weir_cache_value_batch(lease, &out, &out_schema, &err), INVALID_ARGUMENT);
  CHECK(out.release == NULL && out_schema.release == NULL);
  weir_cache_value_free(lease);
  WeirCacheStats stats = stats_of(cache);
  CHECK(stats.hits >= 9 && stats.misses >= 7 && stats.inserts == 7 && stats.backend_errors == 0);
}

/* ---- Loaders ---- */

typedef struct {
  WeirCache *cache;
  Load *load;
  pthread_barrier_t *barrier;
  int cached;
} Asker;

static void *ask(void *ctx) {
  Asker *asker = ctx;
  WeirCacheKey k = key_of("p", "one");
  WeirCacheValue *value = NULL;
  uint8_t cached = 7;
  pthread_barrier_wait(asker->barrier);
  CHECK_EQ(weir_cache_get_or_insert(asker->cache, &k, loader_of(asker->load), -1, &value, &cached, NULL), WEIR_STATUS_OK);
  CHECK(value_is(value, "loaded"));
  asker->cached = cached;
  weir_cache_value_free(value);
  return NULL;
}

#define ASKERS 8

static void use_loaders(WeirCache *cache) {
  WeirCacheKey k = key_of("p", "k");
  WeirCacheValue *value = NULL;
  uint8_t cached = 7;
  /* PITFALLS K1: one that fails lets the next one load. */
  Load load = {.fails = true, .value = "loaded"};
  FAILS_SAYING(weir_cache_get_or_insert(cache, &k, loader_of(&load), -1, &value, &cached, &err), STORAGE, "the loader is broken");
  CHECK(value == NULL && cached == 0);
  load.fails = false, load.empty = true;
  FAILS(weir_cache_get_or_insert(cache, &k, loader_of(&load), -1, &value, &cached, &err), NOT_FOUND);
  load.empty = false;
  OK(weir_cache_get_or_insert(cache, &k, loader_of(&load), -1, &value, &cached, &err));
  CHECK(value_is(value, "loaded") && cached == 0);
  weir_cache_value_free(value);
  OK(weir_cache_get_or_insert(cache, &k, loader_of(&load), -1, &value, &cached, &err));
  CHECK(value_is(value, "loaded") && cached == 1);
  weir_cache_value_free(value);
  CHECK_EQ(atomic_load(&load.runs), 3);
  CHECK_EQ(atomic_load(&load.released), 4);

  /* It may use the cache, but for its own key. */
  Load inner = {.value = "loaded", .cache = cache};
  k = key_of("p", "re-entered");
  OK(weir_cache_get_or_insert(cache, &k, loader_of(&inner), -1, &value, NULL, &err));
  weir_cache_value_free(value);
  CHECK_EQ(inner.inner, WEIR_STATUS_WOULD_DEADLOCK);
  CHECK_EQ(atomic_load(&inner.runs), 1);
  CHECK(has(cache, "p", "other", "put by the loader"));

  /* PITFALLS K1: many at once. */
  Load once = {.value = "loaded", .later = true};
  pthread_t threads[ASKERS];
  Asker askers[ASKERS];
  pthread_barrier_t barrier;
  int fresh = 0;
  pthread_barrier_init(&barrier, NULL, ASKERS);
  for (int i = 0; i < ASKERS; i++) {
    askers[i] = (Asker){cache, &once, &barrier, 0};
    if (pthread_create(&threads[i], NULL, ask, &askers[i]) != 0) abort();
  }
  for (int i = 0; i < ASKERS; i++) {
    pthread_join(threads[i], NULL);
    fresh += !askers[i].cached;
  }
  pthread_join(once.thread, NULL);
  pthread_barrier_destroy(&barrier);
  CHECK_EQ(atomic_load(&once.runs), 1);
  CHECK_EQ(fresh, 1);
  CHECK_EQ(atomic_load(&once.released), ASKERS);

  /* Who gives up on a slow loader lets the next one load; the late answer is freed. */
  Load slow = {.value = "late", .later = true}, quick = {.value = "quick"};
  k = key_of("p", "slow");
  FAILS(weir_cache_get_or_insert(cache, &k, loader_of(&slow), 1, &value, &cached, &err), TIMED_OUT);
  OK(weir_cache_get_or_insert(cache, &k, loader_of(&quick), -1, &value, &cached, &err));
  CHECK(value_is(value, "quick") && cached == 0);
  weir_cache_value_free(value);
  pthread_join(slow.thread, NULL);
  CHECK_EQ(atomic_load(&slow.released), 1);
  CHECK(has(cache, "p", "slow", "quick"));
}

/* ---- With completions ---- */

static WeirEvent next_event(WeirQueue *queue) {
  WeirEvent event;
  size_t n = 0;
  memset(&event, 0, sizeof event);
  OK(weir_queue_next(queue, &event, 1, 20000, &n, &err));
  CHECK_EQ(n, 1);
  return event;
}

static void use_async(WeirCache *cache) {
  WeirQueue *queue = NULL;
  WeirCacheKey k = key_of("async", "k");
  WeirEvent event;
  Load load = {.value = "loaded"};
  OK(weir_queue_new(NULL, &queue, &err));
  OK(weir_cache_get_async(cache, &k, weir_queue_completion(queue, 1), &err));
  event = next_event(queue);
  CHECK(event.status == WEIR_STATUS_OK && event.result == NULL && event.token == 1);
  OK(weir_cache_insert_async(cache, &k, (const uint8_t *)"v", 1, weir_queue_completion(queue, 2), &err));
  event = next_event(queue);
  CHECK(event.status == WEIR_STATUS_OK);
  OK(weir_cache_get_async(cache, &k, weir_queue_completion(queue, 3), &err));
  event = next_event(queue);
  CHECK_EQ(event.result_kind, WEIR_RESULT_CACHE_VALUE);
  CHECK(value_is(event.result, "v"));
  weir_event_clear(&event);

  struct ArrowArray batch = batch_new(10, 0);
  struct ArrowSchema schema = batch_schema();
  k = key_of("async", "batch");
  OK(weir_cache_insert_batch_async(cache, &k, &batch, &schema, weir_queue_completion(queue, 4), &err));
  schema.release(&schema);
  event = next_event(queue);
  CHECK(event.status == WEIR_STATUS_OK && batch.release == NULL);

  k = key_of("async", "loaded");
  for (uint64_t cached = 0; cached < 2; cached++) {
    OK(weir_cache_get_or_insert_async(cache, &k, loader_of(&load), weir_queue_completion(queue, 5), &err));
    event = next_event(queue);
    CHECK(event.status == WEIR_STATUS_OK && event.value == cached && value_is(event.result, "loaded"));
    weir_event_clear(&event);
  }
  EVENTUALLY(atomic_load(&load.released) == 2);
  CHECK_EQ(atomic_load(&load.runs), 1);

  OK(weir_cache_num_entries_async(cache, weir_queue_completion(queue, 6), &err));
  event = next_event(queue);
  CHECK(event.status == WEIR_STATUS_OK && event.value >= 3);
  OK(weir_cache_size_bytes_async(cache, weir_queue_completion(queue, 7), &err));
  event = next_event(queue);
  CHECK(event.status == WEIR_STATUS_OK && event.value > 0);
  OK(weir_cache_invalidate_prefix_async(cache, (const uint8_t *)"async", 5, weir_queue_completion(queue, 8), &err));
  event = next_event(queue);
  CHECK(event.status == WEIR_STATUS_OK && has(cache, "async", "k", NULL));
  put(cache, "async", "k", "v");
  OK(weir_cache_clear_async(cache, weir_queue_completion(queue, 9), &err));
  event = next_event(queue);
  CHECK(event.status == WEIR_STATUS_OK && has(cache, "async", "k", NULL));

  /* Refused calls release the loader, consume the batch, and do not complete. */
  WeirCompletion none = {NULL, NULL, 0};
  batch = batch_new(10, 0);
  schema = batch_schema();
  FAILS(weir_cache_get_async(cache, &k, none, &err), INVALID_ARGUMENT);
  FAILS(weir_cache_insert_async(cache, NULL, NULL, 0, weir_queue_completion(queue, 0), &err), INVALID_ARGUMENT);
  FAILS(weir_cache_insert_batch_async(cache, &k, &batch, &schema, none, &err), INVALID_ARGUMENT);
  CHECK(batch.release == NULL);
  schema.release(&schema);
  FAILS(weir_cache_get_or_insert_async(NULL, &k, loader_of(&load), weir_queue_completion(queue, 0), &err), INVALID_ARGUMENT);
  CHECK_EQ(atomic_load(&load.released), 3);
  FAILS(weir_cache_invalidate_prefix_async(cache, NULL, 1, weir_queue_completion(queue, 0), &err), INVALID_ARGUMENT);
  FAILS(weir_cache_clear_async(NULL, weir_queue_completion(queue, 0), &err), INVALID_ARGUMENT);
  FAILS(weir_cache_num_entries_async(cache, none, &err), INVALID_ARGUMENT);
  FAILS(weir_cache_size_bytes_async(cache, none, &err), INVALID_ARGUMENT);
  weir_queue_free(queue);
}

static void test_builtin(void) {
  WeirCache *cache = cache_new(64 << 20);
  use_cache(cache);
  use_loaders(cache);
  use_async(cache);
  weir_cache_free(cache);
  check_all_released();
}

static void test_over_a_table(void) {
  for (int mode = 0; mode < 4; mode++) {
    Table table;
    table_init(&table, mode & 1, mode & 2);
    WeirCache *cache = cache_over(&table, -1);
    use_cache(cache);
    use_loaders(cache);
    use_async(cache);
    CHECK_EQ(stats_of(cache).entries, WEIR_CACHE_UNKNOWN);
    CHECK_EQ(atomic_load(&table.released), 0);
    weir_cache_free(cache);
    EVENTUALLY(atomic_load(&table.released) == 1);
    table_end(&table);
  }
  check_all_released();
}

/* ---- Sizes and nonsense ---- */

static void test_capacity(void) {
  WeirCache *cache = cache_new(1 << 20), *off = cache_new(0);
  uint8_t *large = calloc(1, 2 << 20);
  WeirCacheKey k = key_of("p", "large");
  char name[16];
  if (large == NULL) abort();
  for (int i = 0; i < 100; i++) {
    snprintf(name, sizeof name, "%d", i);
    put(cache, "p", name, "small");
  }
  /* PITFALLS K6: larger than the cache. */
  OK(weir_cache_insert(cache, &k, large, 2 << 20, -1, &err));
  CHECK(has(cache, "p", "large", NULL) && has(cache, "p", "0", "small") && has(cache, "p", "99", "small"));
  CHECK_EQ(stats_of(cache).refused, 1);
  /* PITFALLS K5: nearly as large. */
  OK(weir_cache_insert(cache, &k, large, (1 << 20) - 1000, -1, &err));
  WeirCacheValue *value = NULL;
  OK(weir_cache_get(cache, &k, 0, &value, &err));
  CHECK_EQ(weir_cache_value_len(value), (1 << 20) - 1000);
  weir_cache_value_free(value);
  CHECK(stats_of(cache).bytes <= 1 << 20);
  put(off, "p", "k", "v");
  CHECK(has(off, "p", "k", NULL));
  free(large);
  weir_cache_free(cache);
  weir_cache_free(off);
}

/* PITFALLS K6: slices of one parent that come one by one, each with the parent's buffer, of which they say no more than how far they go. */
static void test_slices_share_their_buffers(void) {
  enum { SLICES = 50, STEP = 100, ROWS = 10 };
  WeirCache *cache = cache_new(64 << 20);
  size_t rows = (SLICES - 1) * STEP + ROWS;
  int64_t *values = calloc(rows, sizeof *values);
  struct ArrowSchema schema = schema_new("+s", "", false);
  char name[16];
  if (values == NULL) abort();
  schema_child(&schema, schema_new("l", "id", false));
  for (int i = 0; i < SLICES; i++) {
    struct ArrowArray batch = array_new(ROWS, 0, 1), column = array_new(ROWS, 0, 2);
    parts_of(&column)->buffers[1] = values;
    column.offset = i * STEP;
    array_child(&batch, column);
    snprintf(name, sizeof name, "%d", i);
    WeirCacheKey k = key_of("p", name);
    OK(weir_cache_insert_batch(cache, &k, &batch, &schema, -1, &err));
  }
  WeirCacheStats stats = stats_of(cache);
  CHECK_EQ(stats.entries, SLICES);
  CHECK(stats.bytes >= rows * sizeof *values && stats.bytes < rows * sizeof *values + SLICES * 1000);
  /* The longest goes: the others do not go as far. */
  WeirCacheKey last = key_of("p", name);
  OK(weir_cache_insert(cache, &last, NULL, 0, -1, &err));
  CHECK(stats_of(cache).bytes <= stats.bytes - STEP * sizeof *values);
  OK(weir_cache_clear(cache, -1, &err));
  CHECK_EQ(stats_of(cache).bytes, 0);
  schema.release(&schema);
  check_all_released();
  free(values);
  weir_cache_free(cache);
}

static void test_nonsense_is_refused(void) {
  WeirCache *cache = NULL;
  WeirCacheOptions options = WEIR_CACHE_OPTIONS_INIT;
  WeirCacheBackend backend = WEIR_CACHE_BACKEND_INIT;
  WeirCacheKey k = key_of("p", "k"), bad = k;
  WeirCacheValue *value = (WeirCacheValue *)&k;
  WeirCacheStats stats = WEIR_CACHE_STATS_INIT;
  Load load = {.value = "never"};
  uint64_t n = 0;
  weir_cache_options_init(&options, sizeof options);
  CHECK_EQ(options.capacity_bytes, 128 << 20);
  weir_cache_options_init(NULL, 0);
  FAILS(weir_cache_new(NULL, NULL, &err), INVALID_ARGUMENT);
  options.backend = &backend;
  FAILS_SAYING(weir_cache_new(&options, &cache, &err), INVALID_ARGUMENT, "get is NULL");
  FAILS(weir_cache_backend_check(&backend, &err), INVALID_ARGUMENT);
  FAILS(weir_cache_backend_check(NULL, &err), INVALID_ARGUMENT);
  backend.struct_size = 7;
  FAILS_SAYING(weir_cache_new(&options, &cache, &err), INVALID_ARGUMENT, "WeirCacheBackend");
  options.backend = NULL, options.reserved = 1;
  FAILS(weir_cache_new(&options, &cache, &err), INVALID_ARGUMENT);
  options.struct_size = 3;
  FAILS(weir_cache_new(&options, &cache, &err), INVALID_ARGUMENT);
  OK(weir_cache_new(NULL, &cache, &err));

  FAILS(weir_cache_get(NULL, &k, -1, &value, &err), INVALID_ARGUMENT);
  CHECK(value == NULL);
  FAILS(weir_cache_get(cache, NULL, -1, &value, &err), INVALID_ARGUMENT);
  FAILS(weir_cache_get(cache, &k, -1, NULL, &err), INVALID_ARGUMENT);
  bad.prefix = NULL;
  FAILS(weir_cache_get(cache, &bad, -1, &value, &err), INVALID_ARGUMENT);
  bad = k, bad.type_name = "\xff";
  FAILS(weir_cache_get(cache, &bad, -1, &value, &err), INVALID_ARGUMENT);
  bad = k, bad.key_len = 1 << 20;
  uint8_t *long_key = calloc(1, 1 << 20);
  bad.key = long_key;
  FAILS_SAYING(weir_cache_insert(cache, &bad, NULL, 0, -1, &err), INVALID_ARGUMENT, "longer than");
  free(long_key);
  FAILS(weir_cache_insert(cache, &k, NULL, 5, -1, &err), INVALID_ARGUMENT);
  struct ArrowArray batch = batch_new(10, 0);
  FAILS(weir_cache_insert_batch(cache, &k, &batch, NULL, -1, &err), INVALID_ARGUMENT);
  CHECK(batch.release == NULL);
  FAILS(weir_cache_insert_batch(cache, &k, NULL, NULL, -1, &err), INVALID_ARGUMENT);
  /* The loader is released whatever happens, and a call with none is refused. */
  WeirCacheLoader none = {NULL, &load, load_release};
  FAILS(weir_cache_get_or_insert(cache, &k, none, -1, &value, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_cache_get_or_insert(NULL, &k, loader_of(&load), -1, &value, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_cache_get_or_insert(cache, NULL, loader_of(&load), -1, &value, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_cache_get_or_insert(cache, &k, loader_of(&load), -1, NULL, NULL, &err), INVALID_ARGUMENT);
  CHECK_EQ(atomic_load(&load.released), 4);
  CHECK_EQ(atomic_load(&load.runs), 0);
  FAILS(weir_cache_invalidate_prefix(cache, NULL, 3, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_cache_clear(NULL, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_cache_num_entries(cache, -1, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_cache_size_bytes(NULL, -1, &n, &err), INVALID_ARGUMENT);
  FAILS(weir_cache_stats(cache, NULL, &err), INVALID_ARGUMENT);
  stats.struct_size = 1;
  FAILS(weir_cache_stats(cache, &stats, &err), INVALID_ARGUMENT);
  CHECK_EQ(weir_cache_value_kind(NULL), WEIR_CACHE_KIND_NONE);
  CHECK(weir_cache_value_data(NULL) == NULL && weir_cache_value_len(NULL) == 0);
  weir_cache_value_free(NULL);
  weir_cache_free(cache);
  weir_cache_free(NULL);
  check_all_released();
}

/* ---- A session's ---- */

static uint64_t metric(WeirSession *session, const char *name) {
  WeirBuffer *buffer = NULL;
  uint64_t value = UINT64_MAX;
  OK(weir_metrics_prometheus(session, &buffer, &err));
  const char *at = weir_buffer_data(buffer), *line;
  for (line = at; line != NULL && (line = strstr(line, name)) != NULL; line++) {
    if (line == at || line[-1] == '\n') {
      value = strtoull(line + strlen(name) + 1, NULL, 10);
      break;
    }
  }
  weir_buffer_free(buffer);
  return value;
}

static WeirSession *session_with(const WeirCache *cache, uint64_t memory_bytes) {
  WeirSessionOptions options = WEIR_SESSION_OPTIONS_INIT;
  WeirSession *session = NULL;
  options.cache = cache;
  options.memory_bytes = memory_bytes;
  OK(weir_session_new(&options, &session, &err));
  return session;
}

/* Several tailers of one shard decode each entry once, over any backend. */
static void test_tailers_share_entries(void) {
  for (int mode = 0; mode < 3; mode++) {
    Table table;
    table_init(&table, mode == 2, mode == 2);
    WeirCache *cache = mode == 0 ? cache_new(64 << 20) : cache_over(&table, -1), *same = NULL;
    WeirSession *session = session_with(cache, 0);
    char *root = new_root();
    WeirWriterOptions options = quick_options();
    WeirWriter *writer = writer_new(session, root, &options);
    put_batches(writer, 10);
    OK(weir_writer_close(writer, -1, &err));
    weir_writer_free(writer);
    uint64_t rows = rows_in_log(session, root), gets = metric(session, "weir_store_requests_total{kind=\"get\"}");
    CHECK(rows > 0);
    WeirTailerOptions from = WEIR_TAILER_OPTIONS_INIT;
    from.from = 1;
    WeirTailer *tailer = tailer_new(session, root, &from);
    uint64_t again = 0;
    for (int i = 0; i < 10; i++) {
      WeirEntry *entry = NULL;
      OK(weir_tailer_next(tailer, -1, &entry, &err));
      again += weir_entry_rows(entry);
      weir_entry_free(entry);
    }
    CHECK(again > 0 && again <= rows);
    CHECK_EQ(metric(session, "weir_store_requests_total{kind=\"get\"}"), gets);
    CHECK(metric(session, "weir_cache_requests_total{result=\"hit\"}") >= 10);
    WeirSessionMemory memory = WEIR_SESSION_MEMORY_INIT;
    OK(weir_session_memory(session, &memory, &err));
    CHECK_EQ(memory.cache_bytes == WEIR_CACHE_UNKNOWN, mode > 0);
    weir_tailer_free(tailer);
    OK(weir_session_cache(session, &same, &err));
    CHECK_EQ(stats_of(same).hits, stats_of(cache).hits);
    weir_cache_free(same);
    weir_cache_free(cache);
    weir_session_free(session);
    free(root);
    if (mode > 0) EVENTUALLY(atomic_load(&table.released) == 1);
    table_end(&table);
  }
}

static void test_session_memory(void) {
  WeirSession *session = session_with(NULL, 10 << 20);
  WeirSessionMemory memory = WEIR_SESSION_MEMORY_INIT;
  WeirBuffer *text = NULL;
  WeirCache *cache = NULL;
  OK(weir_session_memory(session, &memory, &err));
  CHECK_EQ(memory.limit_bytes, 10 << 20);
  CHECK(memory.queue_bytes == 0 && memory.cache_bytes == 0 && memory.waiting == 0 && memory.memtable_bytes == 0);
  OK(weir_session_pressure(session, &text, &err));
  CHECK_EQ(weir_buffer_len(text), 0);
  weir_buffer_free(text);
  /* The default cache keeps to the session's limit. */
  OK(weir_session_cache(session, &cache, &err));
  uint8_t *bytes = calloc(1, 1 << 20);
  char name[16];
  if (bytes == NULL) abort();
  for (int i = 0; i < 30; i++) {
    snprintf(name, sizeof name, "%d", i);
    WeirCacheKey k = key_of("p", name);
    OK(weir_cache_insert(cache, &k, bytes, 1 << 20, -1, &err));
  }
  free(bytes);
  OK(weir_session_memory(session, &memory, &err));
  CHECK(memory.cache_bytes > 5 << 20 && memory.cache_bytes <= 10 << 20);
  weir_cache_free(cache);
  memory.struct_size = 2;
  FAILS(weir_session_memory(session, &memory, &err), INVALID_ARGUMENT);
  FAILS(weir_session_memory(NULL, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_session_memory(session, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_session_pressure(session, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_session_cache(session, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_session_cache(NULL, &cache, &err), INVALID_ARGUMENT);
  weir_session_free(session);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  RUN(test_builtin);
  RUN(test_over_a_table);
  RUN(test_capacity);
  RUN(test_slices_share_their_buffers);
  RUN(test_nonsense_is_refused);
  RUN(test_tailers_share_entries);
  RUN(test_session_memory);
  check_all_released();
  return harness_finish(argv[0]);
}
