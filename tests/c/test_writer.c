/* The writer and the appender: options, acknowledgements, durability, limits, fencing, closing under fire. */
#include "arrow_build.h"

#include <stddef.h>

static WeirSession *session;

/* ---- Opening ---- */

static void open_fails(const char *root, const char *shard, const WeirWriterOptions *options, WeirStatus expected, int line) {
  struct ArrowSchema schema = batch_schema();
  WeirWriter *writer = (WeirWriter *)(uintptr_t)8;
  err = ERR_GARBAGE;
  check_status(weir_writer_open(session, root, shard, &schema, options, &writer, &err), expected, NULL, "weir_writer_open", __FILE__, line);
  CHECK(writer == NULL);
  schema.release(&schema);
}
#define OPEN_FAILS(root, shard, options, code) open_fails(root, shard, options, WEIR_STATUS_##code, __LINE__)

static void test_bad_roots_and_shards_are_refused(void) {
  char *root = new_root(), *below = NULL;
  size_t len = strlen(root) + 16;
  OPEN_FAILS(NULL, SHARD, NULL, INVALID_ARGUMENT);
  OPEN_FAILS(root, NULL, NULL, INVALID_ARGUMENT);
  OPEN_FAILS("", SHARD, NULL, INVALID_ARGUMENT);
  OPEN_FAILS("\xff", SHARD, NULL, INVALID_ARGUMENT);
  OPEN_FAILS(root, "", NULL, INVALID_ARGUMENT);
  OPEN_FAILS(root, "shard-1", NULL, INVALID_ARGUMENT);
  OPEN_FAILS(root, "../../etc", NULL, INVALID_ARGUMENT);
  CHECK(access(root, F_OK) != 0);
  struct ArrowSchema schema = batch_schema();
  WeirWriter *writer = NULL;
  FAILS_EITHER(weir_writer_open(session, "ftp://host/path", SHARD, &schema, NULL, &writer, &err), UNSUPPORTED, INVALID_ARGUMENT);
  FAILS(weir_writer_open(NULL, root, SHARD, &schema, NULL, &writer, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_open(session, root, SHARD, &schema, NULL, NULL, &err), INVALID_ARGUMENT);
  /* Below a file nothing can be made. */
  FILE *file = fopen(root, "w");
  fclose(file);
  below = malloc(len);
  snprintf(below, len, "%s/below", root);
  WeirStatus status = weir_writer_open(session, below, SHARD, &schema, NULL, &writer, &err);
  CHECK(status != WEIR_STATUS_OK && status != WEIR_STATUS_PANIC && status != WEIR_STATUS_INTERNAL);
  if (CHECK(err != NULL)) CHECK(strstr(weir_error_message(err), root) != NULL); /* names the place */
  weir_error_free(err);
  err = NULL;
  schema.release(&schema);
  free(below);
  free(root);
}

static void test_options_are_validated_before_anything_is_claimed(void) {
  char *root = new_root();
#define WITH(field, value)                           \
  do {                                               \
    WeirWriterOptions options = quick_options();     \
    options.field = value;                           \
    OPEN_FAILS(root, SHARD, &options, INVALID_ARGUMENT); \
  } while (0)
  WITH(durable, 2);
  WITH(fsync, 255);
  WITH(validate, 7);
  WITH(compression, -1);
  WITH(compression, 99);
  WITH(max_buffer_bytes, 0);
  WITH(max_pending_bytes, 1); /* PITFALLS F5: a full buffer could never be admitted */
  WITH(linger_us, INT64_MAX);
  WITH(enable_memtable, 2);
  WITH(compaction, 2);
  WITH(reserved2[1], 1);
  WITH(reserved3, 1);
  WITH(frozen_grace_ms, -1);
  WITH(frozen_grace_ms, 3600 * 1000 + 1);
  WITH(max_memtable_bytes, 1);
  WITH(max_memtable_rows, 0);
  WITH(max_memtable_batches, 0);
  WITH(max_unflushed_bytes, 1); /* PITFALLS F5: no table could be filled */
  WITH(compaction_min_generations, 1);
  WITH(compaction_max_generations, 3);
  WITH(compaction_max_bytes, 0);
  WITH(primary_key_len, 1);
  WITH(indexes_len, SIZE_MAX);
  WITH(manifest_probe_width, 0);
  WITH(struct_size, 0);
  WITH(struct_size, (uint32_t)offsetof(WeirWriterOptions, max_memtable_bytes) - 1); /* where its first version ended */
  CHECK(access(root, F_OK) != 0);

  struct {
    WeirWriterOptions options;
    uint8_t tail[32];
  } longer;
  memset(&longer, 0, sizeof longer);
  longer.options = quick_options();
  longer.options.struct_size = sizeof longer;
  longer.tail[31] = 9; /* something that this version does not know */
  OPEN_FAILS(root, SHARD, &longer.options, INVALID_ARGUMENT);
  longer.tail[31] = 0;
  WeirWriter *writer = writer_new(session, root, &longer.options);
  CHECK_EQ(weir_writer_epoch(writer), 1);
  weir_writer_free(writer);
  free(root);
}

static void test_null_options_are_the_defaults(void) {
  char *root = new_root();
  struct ArrowSchema schema = batch_schema();
  WeirWriter *writer = NULL;
  WeirAck ack;
  OK(weir_writer_open(session, root, SHARD, &schema, NULL, &writer, &err));
  struct ArrowArray batch = batch_new(10, 0);
  OK(weir_writer_put(writer, &batch, -1, &ack, &err));
  CHECK_EQ(ack.position, 1); /* durable */
  weir_writer_free(writer);
  schema.release(&schema);
  free(root);
}

/* ---- Putting ---- */

static void test_durable_puts_are_acknowledged_in_order(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  CHECK_EQ(weir_writer_durable_position(writer), 0);
  for (uint64_t i = 0; i < 5; i++) {
    struct ArrowArray batch = batch_new(10, (int64_t)i * 10);
    WeirAck ack = {99, 99, 99};
    OK(weir_writer_put(writer, &batch, i % 2 ? 60000 : -1, &ack, &err));
    CHECK_EQ(ack.sequence, i + 1);
    CHECK_EQ(ack.position, i + 1);
    CHECK_EQ(ack.epoch, 1);
    CHECK_EQ(weir_writer_durable_position(writer), i + 1);
  }
  OK(weir_writer_flush(writer, 0, &err)); /* nothing to wait for */
  OK(weir_writer_wait_durable(writer, 5, 0, &err));
  FAILS(weir_writer_wait_durable(writer, 6, 0, &err), INVALID_ARGUMENT); /* never put */
  CHECK_EQ(rows_in_log(session, root), 50);
  weir_writer_free(writer);
  free(root);
}

static void test_buffered_puts_become_durable_at_the_barrier(void) {
  char *root = new_root();
  WeirWriterOptions options = quick_options();
  options.durable = 0;
  options.linger_us = 3600 * INT64_C(1000000); /* never by itself, while this test runs */
  WeirWriter *writer = writer_new(session, root, &options);
  WeirAck ack;
  for (int i = 0; i < 4; i++) {
    struct ArrowArray batch = batch_new(10, i * 10);
    OK(weir_writer_put(writer, &batch, -1, &ack, &err));
    CHECK_EQ(ack.position, 0); /* not durable yet */
    CHECK_EQ(ack.sequence, i + 1);
  }
  CHECK_EQ(weir_writer_durable_position(writer), 0);
  CHECK_EQ(rows_in_log(session, root), 0);
  WeirWriterMemory memory = WEIR_WRITER_MEMORY_INIT;
  OK(weir_writer_memory(writer, &memory, &err));
  OK(weir_writer_flush(writer, -1, &err));
  CHECK_EQ(weir_writer_durable_position(writer), 4);
  CHECK_EQ(rows_in_log(session, root), 40);
  struct ArrowArray batch = batch_new(10, 40);
  OK(weir_writer_put(writer, &batch, -1, &ack, &err));
  OK(weir_writer_wait_durable(writer, ack.sequence, -1, &err));
  CHECK_EQ(rows_in_log(session, root), 50);
  weir_writer_free(writer);
  free(root);
}

static void test_a_stream_is_put_as_one(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  struct ArrowArrayStream stream = stream_new(7, 10, 0), empty = stream_new(0, 10, 0);
  WeirAck ack;
  OK(weir_writer_put_stream(writer, &stream, -1, &ack, &err));
  CHECK_EQ(ack.sequence, 7);
  CHECK(ack.position >= 1);
  CHECK_EQ(weir_writer_durable_position(writer), 7);
  OK(weir_writer_put_stream(writer, &empty, -1, &ack, &err)); /* no batch: nothing to do */
  CHECK_EQ(rows_in_log(session, root), 70);
  weir_writer_free(writer);
  free(root);
}

static void test_compressed_entries_read_back(void) {
  for (int32_t compression = 0; compression <= 2; compression++) {
    char *root = new_root();
    WeirWriterOptions options = quick_options();
    WeirEntry *entry = NULL;
    struct ArrowArray batch = {0};
    options.compression = compression;
    WeirWriter *writer = writer_new(session, root, &options);
    put_batches(writer, 1);
    WeirTailer *tailer = tailer_new(session, root, NULL);
    OK(weir_tailer_next(tailer, -1, &entry, &err));
    OK(weir_entry_batch(entry, 0, &batch, &err));
    CHECK(batch_is(&batch, 10, 0));
    batch.release(&batch);
    weir_entry_free(entry);
    weir_tailer_free(tailer);
    weir_writer_free(writer);
    free(root);
  }
}

static void test_the_limit_on_pending_bytes(void) {
  char *root = new_root();
  WeirWriterOptions options = quick_options();
  WeirAck ack;
  WeirWriterMemory memory = WEIR_WRITER_MEMORY_INIT;
  options.durable = 0;
  options.linger_us = 3600 * INT64_C(1000000);
  options.max_buffer_bytes = options.max_pending_bytes = 64 * 1024;
  WeirWriter *writer = writer_new(session, root, &options);
  struct ArrowArray big = batch_new(20000, 0); /* PITFALLS F6: never fits, refused up front */
  FAILS(weir_writer_put(writer, &big, 0, &ack, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_wait_capacity(writer, UINT64_MAX, 0, &err), INVALID_ARGUMENT);
  OK(weir_writer_wait_capacity(writer, 64 * 1024, -1, &err));
  int refused = 0;
  for (int i = 0; i < 400 && !refused; i++) {
    struct ArrowArray batch = batch_new(100, i * 100);
    WeirError *error = NULL;
    WeirStatus status = weir_writer_put(writer, &batch, 0, &ack, &error);
    CHECK(batch.release == NULL);
    OK(weir_writer_memory(writer, &memory, &err));
    if (status == WEIR_STATUS_BACKPRESSURE) {
      uint64_t limit = 0;
      refused = 1;
      CHECK(weir_error_detail_u64(error, "limit_bytes", &limit));
      CHECK_EQ(limit, 64 * 1024);
      CHECK_EQ(weir_error_action(error), WEIR_ACTION_RETRY);
    } else {
      CHECK_EQ(status, WEIR_STATUS_OK);
    }
    weir_error_free(error);
  }
  CHECK(refused || weir_writer_durable_position(writer) > 0); /* at the limit the writer writes by itself */
  struct ArrowArray batch = batch_new(100, 0);
  OK(weir_writer_put(writer, &batch, -1, &ack, &err)); /* waits for room */
  OK(weir_writer_flush(writer, -1, &err));
  CHECK_EQ(rows_in_log(session, root), ack.sequence * 100);
  weir_writer_free(writer);
  free(root);
}

static void test_statistics(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  WeirWriterStats stats = WEIR_WRITER_STATS_INIT;
  WeirWriterMemory memory = WEIR_WRITER_MEMORY_INIT;
  WeirManifest *manifest = NULL;
  put_batches(writer, 6);
  OK(weir_writer_stats(writer, &stats, &err));
  CHECK_EQ(stats.puts, 6);
  CHECK_EQ(stats.rows, 60);
  CHECK_EQ(stats.entries, 6);
  CHECK_EQ(stats.pending_puts, 0);
  CHECK_EQ(stats.pending_bytes, 0);
  CHECK(stats.bytes > 0 && stats.entry_bytes >= stats.bytes);
  CHECK(stats.requests_create >= 6);
  CHECK(stats.put_p50_ns > 0 && stats.put_p50_ns <= stats.put_p99_ns && stats.put_p99_ns <= stats.put_max_ns);
  CHECK(stats.append_max_ns > 0);
  CHECK_EQ(stats.group_max, 1);
  OK(weir_writer_memory(writer, &memory, &err));
  OK(weir_writer_manifest(writer, &manifest, &err));
  CHECK_EQ(weir_manifest_writer_epoch(manifest), 1);
  weir_manifest_free(manifest);
  stats.struct_size = 3;
  FAILS(weir_writer_stats(writer, &stats, &err), INVALID_ARGUMENT);
  memory.struct_size = 0;
  FAILS(weir_writer_memory(writer, &memory, &err), INVALID_ARGUMENT);
  weir_writer_free(writer);
  free(root);
}

/* ---- Fencing and closing ---- */

static void test_a_fenced_writer_is_told_and_stays_so(void) {
  char *root = new_root();
  WeirWriter *old = writer_new(session, root, NULL);
  WeirAck ack;
  put_batches(old, 3);
  OK(weir_writer_check_fenced(old, -1, &err));
  WeirWriter *new = writer_new(session, root, NULL);
  CHECK_EQ(weir_writer_epoch(new), 2);
  CHECK_EQ(weir_writer_epoch(old), 1);
  struct ArrowArray batch = batch_new(10, 30);
  WeirError *error = NULL;
  CHECK_EQ(weir_writer_put(old, &batch, -1, &ack, &error), WEIR_STATUS_FENCED);
  CHECK_EQ(weir_error_action(error), WEIR_ACTION_STOP);
  weir_error_free(error);
  FAILS(weir_writer_check_fenced(old, -1, &err), FENCED);
  FAILS(weir_writer_flush(old, -1, &err), FENCED);
  FAILS(weir_writer_close(old, -1, &err), FENCED);
  batch = batch_new(10, 30);
  OK(weir_writer_put(new, &batch, -1, &ack, &err));
  CHECK_EQ(ack.epoch, 2);
  CHECK_EQ(ack.position, 5); /* three puts and the sentinel before it */
  CHECK_EQ(rows_in_log(session, root), 40);
  weir_writer_free(old);
  weir_writer_free(new);
  free(root);
}

static void test_close_is_idempotent_and_later_calls_are_told(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  WeirAck ack;
  put_batches(writer, 2);
  OK(weir_writer_close(writer, 10000, &err));
  OK(weir_writer_close(writer, 0, &err));
  struct ArrowArray batch = batch_new(10, 20);
  FAILS(weir_writer_put(writer, &batch, -1, &ack, &err), CLOSED);
  CHECK_EQ(weir_writer_epoch(writer), 1); /* getters still answer */
  CHECK_EQ(weir_writer_durable_position(writer), 2);
  weir_writer_free(writer);
  free(root);
}

static void test_close_makes_buffered_puts_durable_and_abort_does_not(void) {
  for (int abort = 0; abort < 2; abort++) {
    char *root = new_root();
    WeirWriterOptions options = quick_options();
    WeirAck ack;
    options.durable = 0;
    options.linger_us = 3600 * INT64_C(1000000);
    WeirWriter *writer = writer_new(session, root, &options);
    struct ArrowArray batch = batch_new(10, 0);
    OK(weir_writer_put(writer, &batch, -1, &ack, &err));
    if (abort) OK(weir_writer_abort(writer, &err));
    else OK(weir_writer_close(writer, -1, &err));
    CHECK_EQ(rows_in_log(session, root), abort ? 0 : 10);
    batch = batch_new(10, 0);
    FAILS(weir_writer_put(writer, &batch, -1, &ack, &err), CLOSED);
    OK(weir_writer_abort(writer, &err));
    weir_writer_free(writer);
    free(root);
  }
}

typedef struct {
  WeirWriter *writer;
  uint64_t acknowledged;
  int other; /* outcomes that are neither OK nor CLOSED */
} Putter;

static void *put_until_closed(void *arg) {
  Putter *putter = arg;
  for (int i = 0; i < 100000; i++) {
    struct ArrowArray batch = batch_new(10, 0);
    WeirAck ack;
    WeirError *error = NULL;
    WeirStatus status = weir_writer_put(putter->writer, &batch, -1, &ack, &error);
    if (batch.release != NULL) putter->other++;
    if (status == WEIR_STATUS_OK) putter->acknowledged++;
    else if (status != WEIR_STATUS_CLOSED) putter->other++;
    weir_error_free(error);
    if (status != WEIR_STATUS_OK) return NULL;
  }
  return NULL;
}

/* PITFALLS X8. Every put that was acknowledged is in the log, and no other. */
static void test_close_while_others_put(void) {
  for (int round = 0; round < 8; round++) {
    char *root = new_root();
    WeirWriter *writer = writer_new(session, root, NULL);
    Putter putters[4] = {{0}};
    pthread_t threads[4];
    uint64_t acknowledged = 0;
    for (int i = 0; i < 4; i++) {
      putters[i].writer = writer;
      pthread_create(&threads[i], NULL, put_until_closed, &putters[i]);
    }
    EVENTUALLY(weir_writer_durable_position(writer) >= 20);
    OK(weir_writer_close(writer, -1, &err));
    for (int i = 0; i < 4; i++) {
      pthread_join(threads[i], NULL);
      CHECK_EQ(putters[i].other, 0);
      acknowledged += putters[i].acknowledged;
    }
    CHECK_EQ(rows_in_log(session, root), acknowledged * 10);
    weir_writer_free(writer);
    CHECK_EQ(atomic_load(&arrays_live), 0);
    free(root);
  }
}

/* An abort under fire: every caller gets an answer, acknowledged puts are in the log. */
static void test_abort_while_others_put(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  Putter putters[4] = {{0}};
  pthread_t threads[4];
  uint64_t acknowledged = 0;
  for (int i = 0; i < 4; i++) {
    putters[i].writer = writer;
    pthread_create(&threads[i], NULL, put_until_closed, &putters[i]);
  }
  EVENTUALLY(weir_writer_durable_position(writer) >= 20);
  OK(weir_writer_abort(writer, &err));
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
    CHECK_EQ(putters[i].other, 0);
    acknowledged += putters[i].acknowledged;
  }
  CHECK(rows_in_log(session, root) >= acknowledged * 10);
  weir_writer_free(writer);
  free(root);
}

/* ---- The appender ---- */

static void test_appender(void) {
  char *root = new_root();
  struct ArrowSchema schema = batch_schema();
  WeirAppenderOptions options = WEIR_APPENDER_OPTIONS_INIT;
  WeirAppender *appender = NULL, *next = NULL;
  uint64_t position = 0;
  options.fsync = 0;
  OK(weir_appender_open(session, root, SHARD, &schema, &options, &appender, &err));
  CHECK_EQ(weir_appender_epoch(appender), 1);
  for (uint64_t i = 1; i <= 3; i++) {
    struct ArrowArray batch = batch_new(10, (int64_t)i * 10);
    OK(weir_appender_append(appender, &batch, -1, &position, &err));
    CHECK_EQ(position, i);
  }
  OK(weir_appender_check_fenced(appender, -1, &err));
  OK(weir_appender_open(session, root, SHARD, &schema, &options, &next, &err));
  struct ArrowArray batch = batch_new(10, 0);
  FAILS(weir_appender_append(appender, &batch, -1, &position, &err), FENCED);
  FAILS(weir_appender_check_fenced(appender, -1, &err), FENCED);
  OK(weir_appender_close(next, 1000, &err));
  OK(weir_appender_close(next, 1000, &err));
  batch = batch_new(10, 0);
  FAILS(weir_appender_append(next, &batch, -1, &position, &err), CLOSED);
  CHECK(batch.release == NULL);
  CHECK_EQ(rows_in_log(session, root), 30);

  WeirAppender *none = NULL;
  options.compression = 12;
  FAILS(weir_appender_open(session, root, SHARD, &schema, &options, &none, &err), INVALID_ARGUMENT);
  options.compression = 0;
  options.struct_size = 5;
  FAILS(weir_appender_open(session, root, SHARD, &schema, &options, &none, &err), INVALID_ARGUMENT);
  FAILS(weir_appender_open(NULL, root, SHARD, &schema, NULL, &none, &err), INVALID_ARGUMENT);
  FAILS(weir_appender_open(session, root, SHARD, NULL, NULL, &none, &err), INVALID_ARGUMENT);
  FAILS(weir_appender_open(session, root, SHARD, &schema, NULL, NULL, &err), INVALID_ARGUMENT);
  CHECK(none == NULL);
  weir_appender_free(appender);
  weir_appender_free(next);
  schema.release(&schema);
  free(root);
}

static void test_null_handles_and_outputs(void) {
  WeirWriterStats stats = WEIR_WRITER_STATS_INIT;
  WeirWriterMemory memory = WEIR_WRITER_MEMORY_INIT;
  WeirManifest *manifest = NULL;
  FAILS(weir_writer_flush(NULL, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_wait_durable(NULL, 1, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_check_fenced(NULL, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_wait_capacity(NULL, 1, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_stats(NULL, &stats, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_memory(NULL, &memory, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_manifest(NULL, &manifest, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_close(NULL, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_abort(NULL, &err), INVALID_ARGUMENT);
  CHECK_EQ(weir_writer_durable_position(NULL), 0);
  CHECK_EQ(weir_writer_epoch(NULL), 0);
  weir_writer_free(NULL);
  FAILS(weir_appender_check_fenced(NULL, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_appender_close(NULL, -1, &err), INVALID_ARGUMENT);
  CHECK_EQ(weir_appender_epoch(NULL), 0);
  weir_appender_free(NULL);

  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  struct ArrowArray batch = batch_new(3, 0);
  FAILS(weir_writer_stats(writer, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_memory(writer, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_manifest(writer, NULL, &err), INVALID_ARGUMENT);
  OK(weir_writer_put(writer, &batch, -1, NULL, &err)); /* who does not want the acknowledgement need not take it */
  CHECK(batch.release == NULL);
  weir_writer_free(writer);
  free(root);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  session = session_new();
  RUN(test_bad_roots_and_shards_are_refused);
  RUN(test_options_are_validated_before_anything_is_claimed);
  RUN(test_null_options_are_the_defaults);
  RUN(test_durable_puts_are_acknowledged_in_order);
  RUN(test_buffered_puts_become_durable_at_the_barrier);
  RUN(test_a_stream_is_put_as_one);
  RUN(test_compressed_entries_read_back);
  RUN(test_the_limit_on_pending_bytes);
  RUN(test_statistics);
  RUN(test_a_fenced_writer_is_told_and_stays_so);
  RUN(test_close_is_idempotent_and_later_calls_are_told);
  RUN(test_close_makes_buffered_puts_durable_and_abort_does_not);
  RUN(test_close_while_others_put);
  RUN(test_abort_while_others_put);
  RUN(test_appender);
  RUN(test_null_handles_and_outputs);
  weir_session_free(session);
  check_all_released();
  return harness_finish(argv[0]);
}
