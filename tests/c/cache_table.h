/* A cache backend as a program might bring it: a plain locked hash table. It keeps values as the leases that it is given, or as bytes of
 * its own as a store outside of the process would; it answers at once, or later from a thread of its own; and it can be told to fail, or
 * to block whoever calls it. */
#ifndef WEIR_TEST_CACHE_TABLE_H
#define WEIR_TEST_CACHE_TABLE_H

#include "arrow_build.h"

#define TABLE_BUCKETS 64

typedef struct Entry {
  struct Entry *next;
  uint8_t *key; /* the three parts with their lengths before them */
  size_t key_len, prefix_len;
  WeirCacheValue *lease; /* or else bytes */
  uint8_t *data;
  size_t len;
} Entry;

typedef enum { NOTHING_WRONG, FAILS_ALWAYS, HANGS, GIVES_GARBAGE, FORGETS_LONG_PREFIXES, KEEPS_ON_CLEAR, BLOCKS } Wrong;

/* What is to be done, by the caller's thread or by the table's own. */
typedef struct Job {
  struct Job *next;
  enum { GET, INSERT, INVALIDATE, CLEAR, COUNT, SIZE } what;
  Entry entry; /* its key, or the prefix; its value */
  WeirCacheReply *reply;
} Job;

typedef struct {
  pthread_mutex_t lock;
  Entry *buckets[TABLE_BUCKETS];
  uint64_t count, bytes;
  bool as_bytes, later;
  atomic_int wrong, gets, inserts, released, blocked; /* blocked: calls that are */
  pthread_cond_t unblocked;
  WeirCacheReply *hung[64];
  int n_hung;
  /* The table's own thread. */
  pthread_t thread;
  pthread_cond_t more;
  Job *first, *last;
  bool ending;
} Table;

static uint8_t *table_key(const WeirCacheKey *key, size_t *len) {
  size_t name = strlen(key->type_name), lens[3] = {key->prefix_len, key->key_len, name};
  *len = sizeof lens + lens[0] + lens[1] + lens[2];
  uint8_t *bytes = malloc(*len), *at = bytes + sizeof lens;
  if (bytes == NULL) abort();
  memcpy(bytes, lens, sizeof lens);
  if (lens[0] > 0) memcpy(at, key->prefix, lens[0]);
  if (lens[1] > 0) memcpy(at + lens[0], key->key, lens[1]);
  memcpy(at + lens[0] + lens[1], key->type_name, lens[2]);
  return bytes;
}

static Entry **table_find(Table *table, const uint8_t *key, size_t len) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < len; i++) hash = (hash ^ key[i]) * 16777619u;
  Entry **at = &table->buckets[hash % TABLE_BUCKETS];
  while (*at != NULL && ((*at)->key_len != len || memcmp((*at)->key, key, len) != 0)) at = &(*at)->next;
  return at;
}

static void table_free(Entry *entry) {
  weir_cache_value_free(entry->lease);
  free(entry->data);
  free(entry->key);
}

static uint64_t table_size(const Entry *entry) { return entry->key_len + (entry->lease ? weir_cache_value_len(entry->lease) : entry->len); }

static void table_remove(Table *table, Entry **at) {
  Entry *entry = *at;
  *at = entry->next;
  table->count--;
  table->bytes -= table_size(entry);
  table_free(entry);
  free(entry);
}

static void table_remove_prefix(Table *table, const uint8_t *prefix, size_t len) {
  for (int i = 0; i < TABLE_BUCKETS; i++) {
    for (Entry **at = &table->buckets[i]; *at != NULL;) {
      size_t own = (*at)->prefix_len;
      bool under = own >= len && (len == 0 || memcmp((*at)->key + 3 * sizeof(size_t), prefix, len) == 0);
      if (under) table_remove(table, at);
      else at = &(*at)->next;
    }
  }
}

/* A value as the table keeps it; false if it has no bytes to keep. */
static bool table_keep(Table *table, Entry *entry) {
  if (!table->as_bytes || weir_cache_value_kind(entry->lease) == WEIR_CACHE_KIND_BATCH) return true;
  size_t len = weir_cache_value_len(entry->lease);
  bool bytes = len > 0 || weir_cache_value_kind(entry->lease) == WEIR_CACHE_KIND_BYTES;
  if (bytes) {
    entry->data = malloc(len + 1);
    if (entry->data == NULL) abort();
    if (len > 0) memcpy(entry->data, weir_cache_value_data(entry->lease), len);
    entry->len = len;
  }
  weir_cache_value_free(entry->lease);
  entry->lease = NULL;
  return bytes;
}

static void table_answer(Table *table, const Entry *entry, WeirCacheReply *reply) {
  if (entry == NULL) {
    weir_cache_reply_miss(reply);
  } else if (entry->lease == NULL) {
    weir_cache_reply_bytes(reply, entry->data, entry->len, NULL);
  } else if (table->as_bytes) {
    struct ArrowArray array;
    struct ArrowSchema schema;
    if (weir_cache_value_batch(entry->lease, &array, &schema, NULL) != WEIR_STATUS_OK) abort();
    weir_cache_reply_batch(reply, &array, &schema, NULL);
    schema.release(&schema);
  } else {
    weir_cache_reply_value(reply, entry->lease, NULL);
  }
}

static void table_do(Table *table, Job *job) {
  int wrong = atomic_load(&table->wrong);
  if (wrong == FAILS_ALWAYS) {
    table_free(&job->entry);
    weir_cache_reply_error(job->reply, "the table is broken");
    return;
  }
  pthread_mutex_lock(&table->lock);
  if (wrong == BLOCKS) {
    atomic_fetch_add(&table->blocked, 1);
    while (atomic_load(&table->wrong) == BLOCKS) pthread_cond_wait(&table->unblocked, &table->lock);
    atomic_fetch_sub(&table->blocked, 1);
    wrong = atomic_load(&table->wrong);
  }
  if (wrong == HANGS && table->n_hung < 64) {
    table_free(&job->entry);
    table->hung[table->n_hung++] = job->reply;
    pthread_mutex_unlock(&table->lock);
    return;
  }
  if (wrong == GIVES_GARBAGE) {
    table_free(&job->entry);
    if (job->what == GET) weir_cache_reply_done(job->reply, 7);
    else weir_cache_reply_bytes(job->reply, (const uint8_t *)"?", 1, NULL);
    pthread_mutex_unlock(&table->lock);
    return;
  }
  switch (job->what) {
    case GET:
      atomic_fetch_add(&table->gets, 1);
      table_answer(table, *table_find(table, job->entry.key, job->entry.key_len), job->reply);
      table_free(&job->entry);
      break;
    case INSERT: {
      atomic_fetch_add(&table->inserts, 1);
      Entry **at = table_find(table, job->entry.key, job->entry.key_len);
      if (*at != NULL) table_remove(table, at);
      Entry *entry = malloc(sizeof *entry);
      if (entry == NULL) abort();
      *entry = job->entry;
      if (table_keep(table, entry)) {
        at = table_find(table, entry->key, entry->key_len);
        entry->next = *at;
        *at = entry;
        table->count++;
        table->bytes += table_size(entry);
      } else {
        table_free(entry);
        free(entry);
      }
      weir_cache_reply_done(job->reply, 0);
      break;
    }
    case INVALIDATE:
      if (wrong != FORGETS_LONG_PREFIXES || job->entry.len < 3) table_remove_prefix(table, job->entry.data, job->entry.len);
      table_free(&job->entry);
      weir_cache_reply_done(job->reply, 0);
      break;
    case CLEAR:
      if (wrong != KEEPS_ON_CLEAR || table->count < 40) table_remove_prefix(table, NULL, 0);
      weir_cache_reply_done(job->reply, 0);
      break;
    case COUNT: weir_cache_reply_done(job->reply, table->count); break;
    case SIZE: weir_cache_reply_done(job->reply, table->bytes); break;
  }
  pthread_mutex_unlock(&table->lock);
}

static void *table_thread(void *ctx) {
  Table *table = ctx;
  pthread_mutex_lock(&table->lock);
  for (;;) {
    while (table->first == NULL && !table->ending) pthread_cond_wait(&table->more, &table->lock);
    Job *job = table->first;
    if (job == NULL) break;
    table->first = job->next;
    pthread_mutex_unlock(&table->lock);
    table_do(table, job);
    free(job);
    pthread_mutex_lock(&table->lock);
  }
  pthread_mutex_unlock(&table->lock);
  return NULL;
}

static void table_ask(Table *table, Job job) {
  if (!table->later) {
    table_do(table, &job);
    return;
  }
  Job *own = malloc(sizeof *own);
  if (own == NULL) abort();
  *own = job;
  pthread_mutex_lock(&table->lock);
  if (table->first == NULL) table->first = own;
  else table->last->next = own;
  table->last = own;
  pthread_cond_signal(&table->more);
  pthread_mutex_unlock(&table->lock);
}

static void table_get(void *ctx, const WeirCacheKey *key, WeirCacheReply *reply) {
  Job job = {.what = GET, .reply = reply};
  job.entry.key = table_key(key, &job.entry.key_len);
  table_ask(ctx, job);
}

static void table_insert(void *ctx, const WeirCacheKey *key, WeirCacheValue *value, uint64_t size_bytes, WeirCacheReply *reply) {
  Job job = {.what = INSERT, .reply = reply};
  (void)size_bytes;
  job.entry.key = table_key(key, &job.entry.key_len);
  job.entry.prefix_len = key->prefix_len;
  job.entry.lease = value;
  table_ask(ctx, job);
}

static void table_invalidate(void *ctx, const uint8_t *prefix, size_t prefix_len, WeirCacheReply *reply) {
  Job job = {.what = INVALIDATE, .reply = reply};
  job.entry.data = malloc(prefix_len + 1);
  if (job.entry.data == NULL) abort();
  if (prefix_len > 0) memcpy(job.entry.data, prefix, prefix_len);
  job.entry.len = prefix_len;
  table_ask(ctx, job);
}

static void table_clear(void *ctx, WeirCacheReply *reply) { table_ask(ctx, (Job){.what = CLEAR, .reply = reply}); }
static void table_count(void *ctx, WeirCacheReply *reply) { table_ask(ctx, (Job){.what = COUNT, .reply = reply}); }
static void table_bytes(void *ctx, WeirCacheReply *reply) { table_ask(ctx, (Job){.what = SIZE, .reply = reply}); }

/* The last use: what is there is freed by who made the table. */
static void table_release(void *ctx) {
  Table *table = ctx;
  atomic_fetch_add(&table->released, 1);
}

static void table_init(Table *table, bool as_bytes, bool later) {
  memset(table, 0, sizeof *table);
  pthread_mutex_init(&table->lock, NULL);
  pthread_cond_init(&table->more, NULL);
  pthread_cond_init(&table->unblocked, NULL);
  table->as_bytes = as_bytes;
  table->later = later;
  if (later && pthread_create(&table->thread, NULL, table_thread, table) != 0) abort();
}

static WeirCacheBackend table_backend(Table *table) {
  WeirCacheBackend backend = WEIR_CACHE_BACKEND_INIT;
  backend.ctx = table;
  backend.release = table_release;
  backend.get = table_get;
  backend.insert = table_insert;
  backend.invalidate_prefix = table_invalidate;
  backend.clear = table_clear;
  backend.num_entries = table_count;
  backend.size_bytes = table_bytes;
  return backend;
}

/* Lets those go on that it blocks. */
UNUSED static void table_unblock(Table *table) {
  pthread_mutex_lock(&table->lock);
  atomic_store(&table->wrong, NOTHING_WRONG);
  pthread_cond_broadcast(&table->unblocked);
  pthread_mutex_unlock(&table->lock);
}

/* Answers, far too late, what it hung on; ends its thread; frees what it has. */
static void table_end(Table *table) {
  if (table->later) {
    pthread_mutex_lock(&table->lock);
    table->ending = true;
    pthread_cond_signal(&table->more);
    pthread_mutex_unlock(&table->lock);
    pthread_join(table->thread, NULL);
  }
  for (int i = 0; i < table->n_hung; i++) weir_cache_reply_miss(table->hung[i]);
  table_remove_prefix(table, NULL, 0);
  CHECK_EQ(table->count, 0);
  CHECK_EQ(table->bytes, 0);
}

#endif
