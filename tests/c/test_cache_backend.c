/* Backends of the cache from C: the rules that they keep, and what comes of those that fail, hang, block or answer with garbage. */
#include "cache_use.h"

static void test_a_plain_table_keeps_the_rules(void) {
  for (int mode = 0; mode < 4; mode++) {
    Table table;
    table_init(&table, mode & 1, mode & 2);
    WeirCacheBackend backend = table_backend(&table);
    OK(weir_cache_backend_check(&backend, &err));
    CHECK_EQ(atomic_load(&table.released), 1);
    CHECK_EQ(table.count, 0);
    backend.num_entries = NULL, backend.size_bytes = NULL;
    OK(weir_cache_backend_check(&backend, &err));
    table_end(&table);
  }
  check_all_released();
}

static void check_names_rule(Wrong wrong, WeirStatus status, uint64_t rule) {
  Table table;
  uint64_t named = 0;
  table_init(&table, false, false);
  atomic_store(&table.wrong, wrong);
  WeirCacheBackend backend = table_backend(&table);
  WeirError *error = NULL;
  CHECK_EQ(weir_cache_backend_check(&backend, &error), status);
  CHECK(weir_error_detail_u64(error, "rule", &named));
  CHECK_EQ(named, rule);
  weir_error_free(error);
  CHECK_EQ(atomic_load(&table.released), 1);
  atomic_store(&table.wrong, NOTHING_WRONG);
  table_end(&table);
}

static void test_a_broken_table_is_told_which_rule_it_breaks(void) {
  check_names_rule(FORGETS_LONG_PREFIXES, WEIR_STATUS_INVALID_DATA, 5);
  check_names_rule(KEEPS_ON_CLEAR, WEIR_STATUS_INVALID_DATA, 6);
  check_names_rule(FAILS_ALWAYS, WEIR_STATUS_STORAGE, 1);
  check_names_rule(GIVES_GARBAGE, WEIR_STATUS_INVALID_DATA, 1);
}

static atomic_int warnings;

static void on_log(void *ctx, int32_t level, const char *target, const char *message) {
  (void)ctx, (void)target;
  if (level <= WEIR_LOG_LEVEL_WARN && strstr(message, "cache") != NULL) atomic_fetch_add(&warnings, 1);
}

static bool put_comes_back(WeirCache *cache) {
  put(cache, "p", "k", "v");
  return has(cache, "p", "k", "v");
}

/* A read never fails for the backend's sake; what fails is counted and logged. */
static void test_a_backend_that_fails_is_a_miss(void) {
  WeirLogSink sink = WEIR_LOG_SINK_INIT;
  sink.log = on_log;
  OK(weir_log_set_sink(&sink, &err));
  for (int wrong = FAILS_ALWAYS; wrong <= GIVES_GARBAGE; wrong++) {
    Table table;
    table_init(&table, false, false);
    WeirCache *cache = cache_over(&table, wrong == HANGS ? 50 : -1);
    WeirCacheKey k = key_of("p", "k");
    WeirCacheValue *value = NULL;
    uint8_t cached = 7;
    Load load = {.value = "loaded"};
    atomic_store(&warnings, 0);
    atomic_store(&table.wrong, wrong);
    CHECK(has(cache, "p", "k", NULL));
    put(cache, "p", "k", "v");
    OK(weir_cache_get_or_insert(cache, &k, loader_of(&load), -1, &value, &cached, &err));
    CHECK(value_is(value, "loaded") && cached == 0);
    weir_cache_value_free(value);
    CHECK_EQ(stats_of(cache).backend_errors, 4);
    CHECK(atomic_load(&warnings) >= 1);
    /* An invalidation that did not happen is not passed over. */
    if (wrong == HANGS) FAILS(weir_cache_clear(cache, -1, &err), TIMED_OUT);
    else CHECK(weir_cache_clear(cache, -1, NULL) != WEIR_STATUS_OK);
    CHECK(weir_cache_invalidate_prefix(cache, NULL, 0, -1, NULL) != WEIR_STATUS_OK);
    atomic_store(&table.wrong, NOTHING_WRONG);
    EVENTUALLY(put_comes_back(cache));
    weir_cache_free(cache);
    table_end(&table);
  }
  OK(weir_log_set_sink(NULL, &err));
}

/* Answers of the wrong kind, twice, or by nobody. */
static void test_replies_take_null(void) {
  struct ArrowArray batch = batch_new(1, 0);
  weir_cache_reply_miss(NULL);
  weir_cache_reply_done(NULL, 1);
  weir_cache_reply_error(NULL, "x");
  FAILS(weir_cache_reply_bytes(NULL, NULL, 0, &err), INVALID_ARGUMENT);
  FAILS(weir_cache_reply_batch(NULL, &batch, NULL, &err), INVALID_ARGUMENT);
  CHECK(batch.release == NULL);
  FAILS(weir_cache_reply_value(NULL, NULL, &err), INVALID_ARGUMENT);
}

static void bad_answer(void *ctx, const WeirCacheKey *key, WeirCacheReply *reply) {
  struct ArrowArray batch = batch_new(10, 0);
  (void)key;
  if (*(int *)ctx == 0) FAILS(weir_cache_reply_bytes(reply, NULL, 5, &err), INVALID_ARGUMENT);
  else if (*(int *)ctx == 1) FAILS(weir_cache_reply_batch(reply, &batch, NULL, &err), INVALID_ARGUMENT);
  else FAILS(weir_cache_reply_value(reply, NULL, &err), INVALID_ARGUMENT);
  if (batch.release != NULL) batch.release(&batch);
}

static void test_a_bad_answer_is_an_error_of_the_load(void) {
  WeirCache *cache = cache_new(1 << 20);
  WeirCacheKey k = key_of("p", "k");
  for (int how = 0; how < 3; how++) {
    WeirCacheValue *value = NULL;
    WeirCacheLoader loader = {bad_answer, &how, NULL};
    WeirStatus status = weir_cache_get_or_insert(cache, &k, loader, -1, &value, NULL, NULL);
    CHECK(status == WEIR_STATUS_INVALID_ARGUMENT && value == NULL);
  }
  weir_cache_free(cache);
  check_all_released();
}

/* ---- Functions that do not return ---- */

static WeirSession *slow_session(const WeirCache *cache) {
  const WeirKeyValue latency = {"weir_simulated_latency_ms", "2"};
  WeirSessionOptions options = WEIR_SESSION_OPTIONS_INIT;
  WeirSession *session = NULL;
  options.store_settings = &latency;
  options.store_settings_len = 1;
  options.cache = cache;
  OK(weir_session_new(&options, &session, &err));
  return session;
}

static uint64_t rows_from_start(WeirSession *session, const char *root, int entries) {
  WeirTailerOptions from = WEIR_TAILER_OPTIONS_INIT;
  from.from = 1;
  WeirTailer *tailer = tailer_new(session, root, &from);
  uint64_t rows = 0;
  for (int i = 0; i < entries; i++) {
    WeirEntry *entry = NULL;
    OK(weir_tailer_next(tailer, -1, &entry, &err));
    rows += weir_entry_rows(entry);
    weir_entry_free(entry);
  }
  weir_tailer_free(tailer);
  return rows;
}

/* A backend that blocks within its functions costs their deadline, whoever calls, and then nothing: reads go on, also those that are ahead
 * of a tailer, on threads that all have in common. */
static void test_a_backend_that_blocks_is_a_miss(void) {
  Table table;
  table_init(&table, false, false);
  WeirCache *cache = cache_over(&table, 20);
  WeirSession *session = slow_session(cache);
  char *root = new_root();
  WeirWriterOptions options = quick_options();
  WeirWriter *writer = writer_new(session, root, &options);
  put_batches(writer, 40);
  OK(weir_writer_close(writer, -1, &err));
  weir_writer_free(writer);
  uint64_t rows = rows_from_start(session, root, 40);
  CHECK(rows > 0);
  put(cache, "p", "k", "v");
  uint64_t errors = stats_of(cache).backend_errors;
  atomic_store(&table.wrong, BLOCKS);
  CHECK(has(cache, "p", "k", NULL));
  CHECK_EQ(rows_from_start(session, root, 40), rows);
  CHECK(stats_of(cache).backend_errors > errors);
  /* No more calls than it may have threads. */
  CHECK(atomic_load(&table.blocked) >= 1 && atomic_load(&table.blocked) <= 16);
  CHECK(weir_cache_clear(cache, -1, NULL) == WEIR_STATUS_TIMED_OUT);
  /* And it recovers. */
  table_unblock(&table);
  EVENTUALLY(atomic_load(&table.blocked) == 0);
  EVENTUALLY(has(cache, "p", "k", "v") || weir_cache_clear(cache, -1, NULL) == WEIR_STATUS_OK);
  CHECK_EQ(rows_from_start(session, root, 40), rows);
  weir_session_free(session);
  weir_cache_free(cache);
  EVENTUALLY(atomic_load(&table.released) == 1);
  table_end(&table);
  free(root);
}

/* PITFALLS K3, K4: an insertion that nobody waits for any more takes effect when it likes; an invalidation that succeeds comes after it. */
static void test_a_late_insertion_does_not_survive_an_invalidation(void) {
  Table table;
  table_init(&table, false, true);
  WeirCache *cache = cache_over(&table, 20);
  atomic_store(&table.wrong, BLOCKS); /* its own thread, and not ours */
  put(cache, "p", "k", "late");
  CHECK_EQ(stats_of(cache).backend_errors, 1);
  FAILS(weir_cache_clear(cache, -1, &err), TIMED_OUT);
  table_unblock(&table);
  while (weir_cache_clear(cache, -1, NULL) != WEIR_STATUS_OK) {}
  CHECK(has(cache, "p", "k", NULL));
  CHECK_EQ(atomic_load(&table.inserts), 1);
  weir_cache_free(cache);
  EVENTUALLY(atomic_load(&table.released) == 1);
  table_end(&table);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  RUN(test_a_plain_table_keeps_the_rules);
  RUN(test_a_broken_table_is_told_which_rule_it_breaks);
  RUN(test_a_backend_that_fails_is_a_miss);
  RUN(test_replies_take_null);
  RUN(test_a_bad_answer_is_an_error_of_the_load);
  RUN(test_a_backend_that_blocks_is_a_miss);
  RUN(test_a_late_insertion_does_not_survive_an_invalidation);
  check_all_released();
  return harness_finish(argv[0]);
}
