/* The behaviours of the cache. Its backend is the locked hash table of cache_table.h. */
#ifndef WEIR_TEST_CONFORMANCE_CACHE_H
#define WEIR_TEST_CONFORMANCE_CACHE_H

#include "cache_table.h"
#include "conformance.h"

static WeirCacheKey key_of(const char *prefix, const char *key) {
  return (WeirCacheKey){(const uint8_t *)prefix, strlen(prefix), (const uint8_t *)key, strlen(key), NULL};
}

static void cache_put(WeirCache *cache, WeirCacheKey key, const char *text) {
  OK(weir_cache_insert(cache, &key, (const uint8_t *)text, strlen(text), -1, &err));
}

static WeirCacheValue *cache_lease(WeirCache *cache, WeirCacheKey key) {
  WeirCacheValue *value = (WeirCacheValue *)(uintptr_t)8;
  OK(weir_cache_get(cache, &key, -1, &value, &err));
  return value;
}

static bool is_text(const WeirCacheValue *value, const char *text) {
  size_t len = strlen(text);
  return weir_cache_value_kind(value) == WEIR_CACHE_KIND_BYTES && weir_cache_value_len(value) == len &&
         (len == 0 || memcmp(weir_cache_value_data(value), text, len) == 0);
}

/* Whether the key has that text; NULL: whether it is a miss. */
static bool has(WeirCache *cache, WeirCacheKey key, const char *text) {
  WeirCacheValue *value = cache_lease(cache, key);
  bool good = text == NULL ? value == NULL : value != NULL && is_text(value, text);
  weir_cache_value_free(value);
  return good;
}

static void use_cache(WeirCache *cache) {
  WeirCacheKey typed = key_of("a", "1"), batches = key_of("batches", "1");
  uint64_t n = 0;
  typed.type_name = "type";
  cache_put(cache, key_of("a", "1"), "one");
  cache_put(cache, key_of("a", "2"), "");
  cache_put(cache, key_of("a/b", "1"), "deeper");
  cache_put(cache, key_of("b", "1"), "other");
  cache_put(cache, typed, "typed"); /* PITFALLS K2 */
  CHECK(has(cache, key_of("a", "1"), "one"));
  CHECK(has(cache, key_of("a", "2"), ""));
  CHECK(has(cache, typed, "typed"));
  CHECK(has(cache, key_of("a", "3"), NULL));
  CHECK(has(cache, key_of("", ""), NULL));
  OK(weir_cache_num_entries(cache, -1, &n, &err));
  CHECK_EQ(n, 5);
  OK(weir_cache_size_bytes(cache, -1, &n, &err));
  CHECK(n > 0 && n != WEIR_CACHE_UNKNOWN);
  WeirCacheValue *lease = cache_lease(cache, key_of("a", "1"));
  cache_put(cache, key_of("a", "1"), "uno");
  CHECK(has(cache, key_of("a", "1"), "uno"));
  CHECK(is_text(lease, "one")); /* as it was */

  struct ArrowArray batch = batch_new(100, 7);
  struct ArrowSchema schema = batch_schema();
  OK(weir_cache_insert_batch(cache, &batches, &batch, &schema, -1, &err));
  CHECK(batch.release == NULL);
  schema.release(&schema);
  WeirCacheValue *value = cache_lease(cache, batches);
  CHECK_EQ(weir_cache_value_kind(value), WEIR_CACHE_KIND_BATCH);
  if (OK(weir_cache_value_batch(value, &batch, &schema, &err))) {
    CHECK(batch_is(&batch, 100, 7));
    CHECK_EQ(schema.n_children, 2);
    batch.release(&batch);
    schema.release(&schema);
  }
  weir_cache_value_free(value);

  OK(weir_cache_invalidate_prefix(cache, (const uint8_t *)"a", 1, -1, &err)); /* PITFALLS K3 */
  CHECK(has(cache, key_of("a", "1"), NULL));
  CHECK(has(cache, key_of("a/b", "1"), NULL));
  CHECK(has(cache, key_of("b", "1"), "other"));
  value = cache_lease(cache, batches);
  CHECK(value != NULL);
  weir_cache_value_free(value);
  OK(weir_cache_clear(cache, -1, &err));
  CHECK(has(cache, key_of("b", "1"), NULL));
  CHECK(is_text(lease, "one"));
  weir_cache_value_free(lease);
}

static WeirCacheStats cache_stats(const WeirCache *cache) {
  WeirCacheStats stats = WEIR_CACHE_STATS_INIT;
  OK(weir_cache_stats(cache, &stats, &err));
  return stats;
}

static void cache_roundtrip(void) {
  WeirCache *cache = NULL;
  OK(weir_cache_new(NULL, &cache, &err));
  use_cache(cache);
  WeirCacheStats stats = cache_stats(cache);
  CHECK_EQ(stats.entries, 0);
  CHECK(stats.hits > 0 && stats.misses > 0);
  weir_cache_free(cache);
}

/* Loads, and those who call for it at once. */
enum { CALLERS = 12 };
typedef struct {
  WeirCache *cache;
  pthread_barrier_t barrier;
  atomic_int loads, fresh, released;
  bool fails;
} Flight;

static void flight_load(void *ctx, const WeirCacheKey *key, WeirCacheReply *reply) {
  Flight *flight = ctx;
  (void)key;
  atomic_fetch_add(&flight->loads, 1);
  if (flight->fails) {
    weir_cache_reply_error(reply, "no such block");
    return;
  }
  sleep_ms(20); /* for the others to come; it must come to the same if they do not */
  weir_cache_reply_bytes(reply, (const uint8_t *)"loaded", 6, NULL);
}

static void flight_release(void *ctx) { atomic_fetch_add(&((Flight *)ctx)->released, 1); }

static WeirCacheLoader flight_loader(Flight *flight) { return (WeirCacheLoader){flight_load, flight, flight_release}; }

static void *flight_call(void *ctx) {
  Flight *flight = ctx;
  WeirCacheKey key = key_of("p", "k");
  WeirCacheValue *value = NULL;
  uint8_t was_cached = 7;
  pthread_barrier_wait(&flight->barrier);
  CHECK_EQ(weir_cache_get_or_insert(flight->cache, &key, flight_loader(flight), -1, &value, &was_cached, NULL), WEIR_STATUS_OK);
  CHECK(is_text(value, "loaded"));
  if (was_cached == 0) atomic_fetch_add(&flight->fresh, 1);
  weir_cache_value_free(value);
  return NULL;
}

static void cache_flight(void) { /* PITFALLS K1 */
  Flight flight = {.fails = false};
  pthread_t threads[CALLERS];
  OK(weir_cache_new(NULL, &flight.cache, &err));
  pthread_barrier_init(&flight.barrier, NULL, CALLERS);
  for (int i = 0; i < CALLERS; i++) pthread_create(&threads[i], NULL, flight_call, &flight);
  for (int i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
  CHECK_EQ(atomic_load(&flight.loads), 1);
  CHECK_EQ(atomic_load(&flight.fresh), 1);
  EVENTUALLY(atomic_load(&flight.released) == CALLERS);
  CHECK_EQ(cache_stats(flight.cache).hits, CALLERS - 1);

  /* One that fails fails its own caller only. */
  WeirCacheKey key = key_of("p", "other");
  WeirCacheValue *value = NULL;
  uint8_t was_cached = 7;
  flight.fails = true;
  FAILS_SAYING(weir_cache_get_or_insert(flight.cache, &key, flight_loader(&flight), -1, &value, NULL, &err), STORAGE, "no such block");
  flight.fails = false;
  OK(weir_cache_get_or_insert(flight.cache, &key, flight_loader(&flight), -1, &value, &was_cached, &err));
  CHECK(is_text(value, "loaded") && was_cached == 0);
  weir_cache_value_free(value);
  pthread_barrier_destroy(&flight.barrier);
  weir_cache_free(flight.cache);
  EVENTUALLY(atomic_load(&flight.released) == CALLERS + 2);
}

/* All that fails costs no more than the entries. */
static void failures_are_misses(Table *table, WeirCache *cache, int wrong) {
  Flight flight = {.cache = cache};
  WeirCacheKey kept = key_of("kept", "k");
  WeirCacheValue *value = NULL;
  uint8_t was_cached = 7;
  cache_put(cache, kept, "v");
  uint64_t errors = cache_stats(cache).backend_errors;
  atomic_store(&table->wrong, wrong);
  CHECK(has(cache, kept, NULL));
  cache_put(cache, key_of("lost", "k"), "v");
  OK(weir_cache_get_or_insert(cache, &kept, flight_loader(&flight), -1, &value, &was_cached, &err));
  CHECK(is_text(value, "loaded") && was_cached == 0);
  weir_cache_value_free(value);
  FAILS_EITHER(weir_cache_clear(cache, -1, &err), STORAGE, INVALID_DATA); /* what may be left must be known */
  CHECK(cache_stats(cache).backend_errors >= errors + 4);
  atomic_store(&table->wrong, NOTHING_WRONG);
  CHECK(has(cache, kept, "v"));
  CHECK(has(cache, key_of("lost", "k"), NULL));
  OK(weir_cache_clear(cache, -1, &err));
  EVENTUALLY(atomic_load(&flight.released) == 1);
}

static uint64_t rows_through(WeirSession *own, const char *root) {
  WeirTailer *tailer = tailer_new(own, root, NULL);
  WeirEntry *entry = NULL;
  uint64_t rows = 0;
  while (OK(weir_tailer_next(tailer, -1, &entry, &err)) && entry != NULL) {
    rows += weir_entry_rows(entry);
    weir_entry_free(entry);
  }
  weir_tailer_free(tailer);
  return rows;
}

static void cache_over_a_table(bool as_bytes, bool later) {
  Table table;
  WeirCacheOptions options = WEIR_CACHE_OPTIONS_INIT;
  WeirCache *cache = NULL;
  table_init(&table, as_bytes, later);
  WeirCacheBackend backend = table_backend(&table);
  OK(weir_cache_backend_check(&backend, &err));
  CHECK_EQ(atomic_load(&table.released), 1);
  options.backend = &backend;
  OK(weir_cache_new(&options, &cache, &err));
  use_cache(cache);
  failures_are_misses(&table, cache, FAILS_ALWAYS);
  failures_are_misses(&table, cache, GIVES_GARBAGE);

  /* No read of a log fails for a backend that does. */
  WeirSessionOptions of_session = WEIR_SESSION_OPTIONS_INIT;
  WeirSession *own = NULL;
  char *root = new_root();
  of_session.cache = cache;
  OK(weir_session_new(&of_session, &own, &err));
  WeirWriter *writer = writer_new(own, root, NULL);
  put_batches(writer, 3);
  for (int i = 0; i < 3; i++) {
    if (i == 2) atomic_store(&table.wrong, FAILS_ALWAYS);
    CHECK_EQ(rows_through(own, root), 30);
  }
  weir_writer_free(writer);
  weir_session_free(own);
  weir_cache_free(cache);
  EVENTUALLY(atomic_load(&table.released) == 2);
  table_end(&table);
  free(root);
}

static void cache_backend(void) {
  cache_over_a_table(false, false);
  cache_over_a_table(true, true);
  Table broken;
  WeirError *error = NULL;
  table_init(&broken, false, false);
  atomic_store(&broken.wrong, KEEPS_ON_CLEAR);
  WeirCacheBackend backend = table_backend(&broken);
  if (CHECK_EQ(weir_cache_backend_check(&backend, &error), WEIR_STATUS_INVALID_DATA)) CHECK_EQ(detail(error, "rule"), 6);
  weir_error_free(error);
  table_end(&broken);
}

#endif
