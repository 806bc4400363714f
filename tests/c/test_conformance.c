/* The behaviours of tests/conformance/behaviours.txt, one test each, by its id: what is in one and not in the other fails. Run from the
 * root of the repository, as run.sh does. */
#include "conformance_cache.h"
#include "conformance_reads.h"
#include "conformance_spill.h"
#include "conformance_writes.h"

#define BEHAVIOURS "tests/conformance/behaviours.txt"

/* ---- Tailing ---- */

static void tail_order(void) {
  char *root = new_root();
  WeirWriter *first = writer_new(session, root, NULL);
  put_batches(first, 3);
  WeirWriter *second = writer_new(session, root, NULL);
  put_batches(second, 2);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  for (uint64_t position = 1; position <= 6; position++) {
    struct ArrowArray batch = {0};
    if (!OK(weir_tailer_next(tailer, -1, &entry, &err)) || !CHECK(entry != NULL)) break;
    CHECK_EQ(weir_entry_position(entry), position);
    CHECK_EQ(weir_entry_epoch(entry), position <= 3 ? 1 : 2);
    CHECK_EQ(weir_entry_is_sentinel(entry), position == 4);
    if (position != 4 && OK(weir_entry_batch(entry, 0, &batch, &err))) {
      CHECK(batch_is(&batch, 10, (int64_t)(position <= 3 ? position - 1 : position - 5) * 10));
      batch.release(&batch);
    }
    weir_entry_free(entry);
  }
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  CHECK(entry == NULL);
  weir_tailer_free(tailer);
  weir_writer_free(first);
  weir_writer_free(second);
  free(root);
}

static void tail_follow(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  WeirTailer *tailer = follower(session, root);
  Waiting waiting;
  put_batches(writer, 1);
  CHECK_EQ(next_is(tailer, 10, 0), 1);
  wait_start(&waiting, tailer, false);
  sleep_ms(20); /* it waits by then, as a rule; it must come to the same if it does not */
  CHECK_EQ(put_one(writer, 7, 50), WEIR_STATUS_OK);
  pthread_join(waiting.thread, NULL);
  CHECK_EQ(waiting.status, WEIR_STATUS_OK);
  CHECK_EQ(waiting.position, 2);
  CHECK_EQ(waiting.rows, 7);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

/* Trims up to a position as soon as the entries are old enough. */
static void trim(const char *root, uint64_t up_to) {
  WeirTrimOptions options = WEIR_TRIM_OPTIONS_INIT;
  uint64_t first = 0;
  options.trim_age_ms = 1;
  EVENTUALLY((OK(weir_shard_trim(session, root, SHARD, up_to, &options, -1, &first, &err)), first == up_to + 1));
}

static void tail_seek(void) {
  char *root = new_root();
  WeirWriterOptions log_only = log_options(); /* whose entries no generation has to cover before they may go */
  WeirWriter *writer = writer_new(session, root, &log_only);
  put_batches(writer, 6);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  WeirError *error = NULL;
  uint64_t position = 0;
  OK(weir_tailer_seek(tailer, 3, &err));
  CHECK_EQ(next_is(tailer, 10, 20), 3);
  OK(weir_tailer_read(tailer, 5, -1, &entry, &err));
  CHECK_EQ(weir_entry_position(entry), 5);
  weir_entry_free(entry);
  CHECK_EQ(weir_tailer_position(tailer), 4);
  FAILS(weir_tailer_read(tailer, 7, -1, &entry, &err), NOT_FOUND);
  OK(weir_tailer_next_position(tailer, -1, &position, &err));
  CHECK_EQ(position, 7);
  trim(root, 4);
  CHECK_EQ(weir_tailer_read(tailer, 2, -1, &entry, &error), WEIR_STATUS_TRIMMED);
  CHECK_EQ(detail(error, "first_position"), 5);
  weir_error_free(error);
  OK(weir_tailer_seek(tailer, 0, &err));
  CHECK_EQ(next_is(tailer, 10, 40), 5);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void tail_interrupt(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  WeirTailer *tailer = follower(session, root);
  for (int round = 0; round < 10; round++) { /* before, while and after it begins to wait */
    Waiting waiting;
    wait_start(&waiting, tailer, false);
    if (round % 2) sleep_ms(round);
    weir_tailer_interrupt(tailer);
    pthread_join(waiting.thread, NULL);
    CHECK_EQ(waiting.status, WEIR_STATUS_CANCELLED);
  }
  put_batches(writer, 1);
  CHECK_EQ(next_is(tailer, 10, 0), 1);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void tail_stream(void) {
  char *root = new_root();
  WeirWriter *first = writer_new(session, root, NULL);
  put_batches(first, 3);
  WeirWriter *second = writer_new(session, root, NULL); /* a sentinel in between, which the stream leaves out */
  put_batches(second, 2);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  struct ArrowArrayStream stream = {0};
  struct ArrowArray batch = {0};
  OK(weir_tailer_stream(tailer, &stream, &err));
  for (int i = 0; i < 5; i++) {
    CHECK_EQ(stream.get_next(&stream, &batch), 0);
    CHECK(batch_is(&batch, 10, i < 3 ? i * 10 : (i - 3) * 10));
    if (batch.release != NULL) batch.release(&batch);
  }
  CHECK_EQ(stream.get_next(&stream, &batch), 0);
  CHECK(batch.release == NULL);
  stream.release(&stream);
  weir_tailer_free(tailer);
  weir_writer_free(first);
  weir_writer_free(second);
  free(root);
}

/* What a subscription has sent. */
typedef struct {
  atomic_int entries, ends, wrong;
} Pushed;

static void on_push(void *ctx, const WeirEvent *event) {
  Pushed *pushed = ctx;
  if (atomic_load(&pushed->ends) > 0) atomic_fetch_add(&pushed->wrong, 1);
  if (event->result == NULL) {
    if (event->status != WEIR_STATUS_CANCELLED) atomic_fetch_add(&pushed->wrong, 1);
    weir_error_free(event->error);
    atomic_fetch_add(&pushed->ends, 1);
    return;
  }
  int position = atomic_load(&pushed->entries) + 1;
  if (weir_entry_position(event->result) != (uint64_t)position) atomic_fetch_add(&pushed->wrong, 1);
  weir_entry_free(event->result);
  atomic_store(&pushed->entries, position);
}

static void tail_subscribe(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  WeirTailer *tailer = follower(session, root);
  WeirSubscription *subscription = NULL;
  Pushed pushed = {0};
  put_batches(writer, 5);
  OK(weir_tailer_subscribe(tailer, (WeirCompletion){on_push, &pushed, 0}, 2, &subscription, &err));
  EVENTUALLY(atomic_load(&pushed.entries) == 2);
  sleep_ms(20); /* a third would be wrong, seen now or below */
  CHECK_EQ(atomic_load(&pushed.entries), 2);
  OK(weir_subscription_request(subscription, 1, &err));
  EVENTUALLY(atomic_load(&pushed.entries) == 3);
  weir_subscription_cancel(subscription);
  EVENTUALLY(atomic_load(&pushed.ends) == 1);
  weir_subscription_free(subscription);
  CHECK_EQ(atomic_load(&pushed.entries), 3);
  CHECK_EQ(atomic_load(&pushed.ends), 1);
  CHECK_EQ(atomic_load(&pushed.wrong), 0);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

/* ---- Appenders, shards, routing ---- */

static void append(void) {
  char *root = new_root();
  WeirAppender *appender = appender_new(root);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  for (int64_t i = 1; i <= 5; i++) {
    struct ArrowArray batch = batch_new(10, i);
    uint64_t position = 0;
    OK(weir_appender_append(appender, &batch, -1, &position, &err));
    CHECK_EQ(position, i);
    CHECK_EQ(next_is(tailer, 10, i), i); /* durable by now */
  }
  weir_tailer_free(tailer);
  weir_appender_free(appender);
  free(root);
}

static void shard_admin(void) {
  char *root = new_root();
  const uint8_t value[] = {1, 0, 255};
  const WeirShardField field = {"bucket", value, sizeof value};
  struct ArrowSchema schema = batch_schema();
  WeirManifest *manifest = NULL;
  WeirWriter *refused = NULL;
  WeirBuffer *ids = NULL;
  uint64_t first = 0;
  FAILS(weir_shard_manifest(session, root, SHARD, -1, &manifest, &err), NOT_FOUND);
  OK(weir_shard_init(session, root, SHARD2, 7, &field, 1, -1, &err));
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 4);
  OK(weir_shard_list(session, root, -1, &ids, &err));
  CHECK_STR(weir_buffer_data(ids), SHARD2 "\n" SHARD "\n");
  weir_buffer_free(ids);
  OK(weir_shard_manifest(session, root, SHARD, -1, &manifest, &err));
  CHECK_EQ(weir_manifest_writer_epoch(manifest), 1);
  CHECK(!weir_manifest_is_sealed(manifest));
  weir_manifest_free(manifest);
  OK(weir_shard_seal(session, root, SHARD, -1, &err));
  OK(weir_shard_manifest(session, root, SHARD, -1, &manifest, &err));
  CHECK(weir_manifest_is_sealed(manifest));
  weir_manifest_free(manifest);
  FAILS(weir_writer_open(session, root, SHARD, &schema, NULL, &refused, &err), SEALED);
  OK(weir_shard_unseal(session, root, SHARD, -1, &err));
  weir_writer_free(writer);
  writer = writer_new(session, root, NULL);
  put_batches(writer, 1);
  uint64_t generation = 0;
  OK(weir_writer_freeze(writer, &generation, &err));
  OK(weir_writer_wait_flushed(writer, generation, -1, &err));
  trim(root, 2);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  OK(weir_tailer_first_position(tailer, -1, &first, &err));
  CHECK_EQ(first, 3);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  schema.release(&schema);
  free(root);
}

static void buckets_are(const char *format, const void *buffers[], int64_t n_buffers, int64_t length, int64_t nulls, const int32_t *expected) {
  struct ArrowSchema schema = schema_new(format, "column", true);
  struct ArrowArray column = array_new(length, nulls, (int)n_buffers);
  int32_t out[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
  for (int64_t i = 0; i < n_buffers; i++) parts_of(&column)->buffers[i] = buffers[i];
  OK(weir_bucket_of(&column, &schema, 8, out, 8, &err));
  CHECK(column.release == NULL);
  for (int64_t i = 0; i < length; i++) CHECK_EQ(out[i], expected[i]);
  schema.release(&schema);
}

static void routing(void) { /* the vectors of the format's description */
  const int32_t ints[] = {1, 2, 3}, offsets[] = {0, 1, 2};
  const float single = 1.25f;
  const double twice = 1.25;
  const uint8_t yes = 1, not_the_second = 5;
#define BUFFERS(...) (const void *[]){__VA_ARGS__}
#define BUCKETS(...) (const int32_t[]){__VA_ARGS__}
  buckets_are("i", BUFFERS(NULL, ints), 2, 3, 0, BUCKETS(2, 7, 1));
  buckets_are("i", BUFFERS(&not_the_second, ints), 2, 3, 1, BUCKETS(2, 0, 1));
  buckets_are("f", BUFFERS(NULL, &single), 2, 1, 0, BUCKETS(0));
  buckets_are("g", BUFFERS(NULL, &twice), 2, 1, 0, BUCKETS(0));
  buckets_are("b", BUFFERS(NULL, &yes), 2, 1, 0, BUCKETS(2));
  buckets_are("u", BUFFERS(NULL, offsets, "ab"), 3, 2, 0, BUCKETS(1, 5));
  buckets_are("i", BUFFERS(NULL, ints), 2, 0, 0, BUCKETS(0));
}

/* ---- What is told ---- */

static void metrics(void) {
  char *root = new_root();
  WeirSession *own = session_new();
  WeirWriter *writer = writer_new(own, root, NULL);
  WeirBuffer *text = NULL;
  put_batches(writer, 3);
  OK(weir_metrics_prometheus(own, &text, &err));
  CHECK(text != NULL && strstr(weir_buffer_data(text), "\nweir_writer_puts_total 3\n") != NULL);
  weir_buffer_free(text);
  weir_writer_free(writer);
  weir_session_free(own);
  free(root);
}

typedef struct {
  atomic_int lines, released, after;
} Logged;

static void on_log(void *ctx, int32_t level, const char *target, const char *message) {
  Logged *logged = ctx;
  if (level > WEIR_LOG_LEVEL_OFF && target[0] != '\0' && message[0] != '\0') atomic_fetch_add(&logged->lines, 1);
  if (atomic_load(&logged->released) > 0) atomic_fetch_add(&logged->after, 1);
}

static void on_log_release(void *ctx) { atomic_fetch_add(&((Logged *)ctx)->released, 1); }

static void log_sink(void) {
  char *root = new_root();
  Logged logged = {0};
  WeirLogSink sink = WEIR_LOG_SINK_INIT;
  sink.log = on_log;
  sink.ctx = &logged;
  sink.release = on_log_release;
  OK(weir_log_set_level(WEIR_LOG_LEVEL_DEBUG, &err));
  OK(weir_log_set_sink(&sink, &err));
  weir_writer_free(writer_new(session, root, NULL));
  CHECK(atomic_load(&logged.lines) > 0);
  CHECK_EQ(atomic_load(&logged.released), 0);
  OK(weir_log_set_sink(NULL, &err));
  EVENTUALLY(atomic_load(&logged.released) == 1);
  int lines = atomic_load(&logged.lines);
  weir_writer_free(writer_new(session, root, NULL));
  CHECK_EQ(atomic_load(&logged.lines), lines);
  CHECK_EQ(atomic_load(&logged.after), 0);
  OK(weir_log_set_level(WEIR_LOG_LEVEL_INFO, &err));
  free(root);
}

/* ---- The table, held against the list ---- */

static const struct {
  const char *id;
  void (*test)(void);
} tests[] = {
    {"error-fields", error_fields},
    {"error-argument", error_argument},
    {"error-schema", error_schema},
    {"put-durable", put_durable},
    {"put-async", put_async},
    {"put-buffered", put_buffered},
    {"put-stream", put_stream},
    {"fencing", fencing},
    {"ownership-input", ownership_input},
    {"ownership-output", ownership_output},
    {"cancel-wait", cancel_wait},
    {"backpressure", backpressure},
    {"close-race", close_race},
    {"close-twice", close_twice},
    {"tail-order", tail_order},
    {"tail-follow", tail_follow},
    {"tail-seek", tail_seek},
    {"tail-interrupt", tail_interrupt},
    {"tail-stream", tail_stream},
    {"tail-subscribe", tail_subscribe},
    {"upsert-newest-wins", upsert_newest_wins},
    {"delete-and-states", delete_and_states},
    {"scan-filter-limit", scan_filter_limit},
    {"scan-moment", scan_moment},
    {"freeze-flush-read", freeze_flush_read},
    {"reopen-replays", reopen_replays},
    {"snapshot-then-tail", snapshot_then_tail},
    {"memtable-off", memtable_off},
    {"read-ownership", read_ownership},
    {"append", append},
    {"shard-admin", shard_admin},
    {"routing", routing},
    {"metrics", metrics},
    {"log-sink", log_sink},
    {"spill-roundtrip", spill_roundtrip},
    {"spill-cap", spill_cap},
    {"spill-reclaim", spill_reclaim},
    {"spill-close", spill_close},
    {"cache-roundtrip", cache_roundtrip},
    {"cache-flight", cache_flight},
    {"cache-backend", cache_backend},
};
#define TESTS (sizeof tests / sizeof tests[0])

/* A whole file as text; freed with free(). */
static char *text_of(const char *path) {
  FILE *file = fopen(path, "rb");
  char *text = calloc(1, 1 << 20);
  if (file == NULL || text == NULL) {
    perror(path);
    exit(2);
  }
  CHECK(fread(text, 1, (1 << 20) - 1, file) > 0);
  CHECK(feof(file));
  fclose(file);
  return text;
}

static void test_that_every_test_is_listed_and_every_behaviour_tested(void) {
  char *list = text_of(BEHAVIOURS);
  bool listed[TESTS] = {false};
  for (char *line = strtok(list, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    size_t i = 0;
    if (line[0] == '#') continue;
    line[strcspn(line, ":")] = '\0';
    while (i < TESTS && strcmp(tests[i].id, line) != 0) i++;
    if (i < TESTS) listed[i] = true;
    else fail_at(__FILE__, __LINE__, "%s is listed, and not tested", line);
  }
  for (size_t i = 0; i < TESTS; i++)
    if (!listed[i]) fail_at(__FILE__, __LINE__, "%s is tested, and not listed", tests[i].id);
  free(list);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  session = session_new();
  for (size_t i = 0; i < TESTS; i++) harness_run(tests[i].test, tests[i].id);
  RUN(test_that_every_test_is_listed_and_every_behaviour_tested);
  check_all_released();
  weir_session_free(session);
  return harness_finish(argv[0]);
}
