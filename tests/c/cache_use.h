/* What the tests of the cache have in common: caches over either backend, keys and values of text, and a loader. */
#ifndef WEIR_TEST_CACHE_USE_H
#define WEIR_TEST_CACHE_USE_H

#include "cache_table.h"

UNUSED static WeirCacheKey key_of(const char *prefix, const char *key) {
  return (WeirCacheKey){(const uint8_t *)prefix, strlen(prefix), (const uint8_t *)key, strlen(key), "test"};
}

UNUSED static WeirCache *cache_new(uint64_t capacity) {
  WeirCacheOptions options = WEIR_CACHE_OPTIONS_INIT;
  WeirCache *cache = NULL;
  options.capacity_bytes = capacity;
  OK(weir_cache_new(&options, &cache, &err));
  return cache;
}

UNUSED static WeirCache *cache_over(Table *table, int64_t timeout_ms) {
  WeirCacheOptions options = WEIR_CACHE_OPTIONS_INIT;
  WeirCacheBackend backend = table_backend(table);
  WeirCache *cache = NULL;
  options.backend = &backend;
  options.backend_timeout_ms = timeout_ms;
  OK(weir_cache_new(&options, &cache, &err));
  return cache;
}

UNUSED static void put(WeirCache *cache, const char *prefix, const char *key, const char *value) {
  WeirCacheKey k = key_of(prefix, key);
  OK(weir_cache_insert(cache, &k, (const uint8_t *)value, strlen(value), -1, &err));
}

UNUSED static bool value_is(const WeirCacheValue *value, const char *text) {
  size_t len = strlen(text);
  return weir_cache_value_kind(value) == WEIR_CACHE_KIND_BYTES && weir_cache_value_len(value) == len &&
         (len == 0 ? weir_cache_value_data(value) == NULL : memcmp(weir_cache_value_data(value), text, len) == 0);
}

/* Whether the key has that value; NULL: whether it is a miss. */
UNUSED static bool has(WeirCache *cache, const char *prefix, const char *key, const char *text) {
  WeirCacheKey k = key_of(prefix, key);
  WeirCacheValue *value = (WeirCacheValue *)&k;
  OK(weir_cache_get(cache, &k, -1, &value, &err));
  bool good = text == NULL ? value == NULL : value != NULL && value_is(value, text);
  weir_cache_value_free(value);
  return good;
}

UNUSED static WeirCacheStats stats_of(const WeirCache *cache) {
  WeirCacheStats stats = WEIR_CACHE_STATS_INIT;
  OK(weir_cache_stats(cache, &stats, &err));
  return stats;
}

/* A loader, which may fail, answer later, or use the cache. */
typedef struct {
  atomic_int runs, released;
  WeirCache *cache; /* to be re-entered */
  const char *value;
  bool fails, later, empty;
  WeirStatus inner;
  pthread_t thread;
  WeirCacheReply *reply;
} Load;

UNUSED static void *load_later(void *ctx) {
  Load *load = ctx;
  sleep_ms(30);
  weir_cache_reply_bytes(load->reply, (const uint8_t *)load->value, strlen(load->value), NULL);
  return NULL;
}

UNUSED static void load_bytes(void *ctx, const WeirCacheKey *key, WeirCacheReply *reply) {
  Load *load = ctx;
  atomic_fetch_add(&load->runs, 1);
  if (load->cache != NULL) {
    WeirCacheValue *value = NULL;
    WeirCacheLoader again = {load_bytes, load, NULL};
    load->inner = weir_cache_get_or_insert(load->cache, key, again, -1, &value, NULL, NULL);
    weir_cache_value_free(value);
    put(load->cache, "p", "other", "put by the loader");
  }
  if (load->fails) weir_cache_reply_error(reply, "the loader is broken");
  else if (load->empty) weir_cache_reply_miss(reply);
  else if (!load->later) weir_cache_reply_bytes(reply, (const uint8_t *)load->value, strlen(load->value), NULL);
  else {
    load->reply = reply;
    if (pthread_create(&load->thread, NULL, load_later, load) != 0) abort();
  }
}

UNUSED static void load_release(void *ctx) { atomic_fetch_add(&((Load *)ctx)->released, 1); }

UNUSED static WeirCacheLoader loader_of(Load *load) { return (WeirCacheLoader){load_bytes, load, load_release}; }

#endif
