/* Tailing: order, ends, seeking, following, interrupting, streams, and entries. */
#include "arrow_build.h"

static WeirSession *session;

static void check_entry(WeirEntry *entry, uint64_t position, uint64_t epoch, int64_t first) {
  struct ArrowArray batch = {0};
  if (!CHECK(entry != NULL)) return;
  CHECK_EQ(weir_entry_position(entry), position);
  CHECK_EQ(weir_entry_epoch(entry), epoch);
  CHECK_EQ(weir_entry_generation(entry), 1); /* that its MemTable becomes */
  CHECK(!weir_entry_is_sentinel(entry));
  CHECK_EQ(weir_entry_rows(entry), 10);
  CHECK_EQ(weir_entry_batch_count(entry), 1);
  CHECK(weir_entry_bytes(entry) > 0);
  OK(weir_entry_batch(entry, 0, &batch, &err));
  CHECK(batch_is(&batch, 10, first));
  if (batch.release != NULL) batch.release(&batch);
}

static void test_entries_come_in_order_then_the_end(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 5);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  for (uint64_t i = 1; i <= 5; i++) {
    OK(weir_tailer_next(tailer, -1, &entry, &err));
    check_entry(entry, i, 1, (int64_t)(i - 1) * 10);
    weir_entry_free(entry);
    CHECK_EQ(weir_tailer_position(tailer), i + 1);
  }
  for (int i = 0; i < 2; i++) {
    entry = (WeirEntry *)(uintptr_t)8;
    OK(weir_tailer_next(tailer, -1, &entry, &err));
    CHECK(entry == NULL);
  }
  put_batches(writer, 1); /* the end was not for ever */
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  check_entry(entry, 6, 1, 0);
  weir_entry_free(entry);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void test_sentinels_are_shown(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 1);
  weir_writer_free(writer);
  writer = writer_new(session, root, NULL);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  struct ArrowArrayStream stream = {0};
  OK(weir_tailer_read(tailer, 2, -1, &entry, &err));
  CHECK(weir_entry_is_sentinel(entry));
  CHECK_EQ(weir_entry_epoch(entry), 2);
  CHECK_EQ(weir_entry_rows(entry), 0);
  CHECK_EQ(weir_entry_batch_count(entry), 0);
  OK(weir_entry_schema(entry, &schema, &err));
  CHECK_EQ(schema.n_children, 0);
  schema.release(&schema);
  FAILS(weir_entry_batch(entry, 0, &batch, &err), INVALID_ARGUMENT);
  OK(weir_entry_stream(entry, &stream, &err));
  CHECK_EQ(stream.get_next(&stream, &batch), 0);
  CHECK(batch.release == NULL);
  stream.release(&stream);
  weir_entry_free(entry);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void test_equal_schema_ids_mean_equal_schemas(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 3);
  weir_writer_free(writer);
  writer = writer_new(session, root, NULL); /* whose sentinel has no columns */
  put_batches(writer, 2);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  uint64_t ids[6] = {0};
  for (int i = 0; i < 6; i++) {
    OK(weir_tailer_next(tailer, -1, &entry, &err));
    CHECK_EQ(weir_entry_is_sentinel(entry), i == 3);
    ids[i] = weir_entry_schema_id(entry);
    CHECK(ids[i] != 0);
    weir_entry_free(entry);
  }
  CHECK(ids[0] == ids[1] && ids[1] == ids[2]);
  CHECK(ids[3] != ids[2] && ids[3] != ids[4]);
  CHECK_EQ(ids[4], ids[5]);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void test_positions_reads_and_seeks(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 4);
  WeirTailerOptions options = WEIR_TAILER_OPTIONS_INIT;
  options.from = 3;
  WeirTailer *tailer = tailer_new(session, root, &options);
  WeirEntry *entry = NULL;
  uint64_t position = 0;
  CHECK_EQ(weir_tailer_position(tailer), 3);
  OK(weir_tailer_first_position(tailer, -1, &position, &err));
  CHECK_EQ(position, 1);
  OK(weir_tailer_next_position(tailer, -1, &position, &err));
  CHECK_EQ(position, 5);
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  check_entry(entry, 3, 1, 20);
  weir_entry_free(entry);
  OK(weir_tailer_read(tailer, 1, -1, &entry, &err)); /* does not move the cursor */
  check_entry(entry, 1, 1, 0);
  weir_entry_free(entry);
  CHECK_EQ(weir_tailer_position(tailer), 4);
  FAILS(weir_tailer_read(tailer, 0, -1, &entry, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_read(tailer, 5, -1, &entry, &err), NOT_FOUND);
  CHECK(entry == NULL);
  OK(weir_tailer_seek(tailer, 2, &err));
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  check_entry(entry, 2, 1, 10);
  weir_entry_free(entry);
  OK(weir_tailer_seek(tailer, 0, &err)); /* the oldest */
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  check_entry(entry, 1, 1, 0);
  weir_entry_free(entry);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void test_options_are_validated(void) {
  char *root = new_root();
  WeirTailer *tailer = NULL;
  WeirTailerOptions good = WEIR_TAILER_OPTIONS_INIT, options;
#define WITH(field, value)                                                                           \
  options = good;                                                                                    \
  options.field = value;                                                                             \
  FAILS(weir_tailer_open(session, root, SHARD, &options, &tailer, &err), INVALID_ARGUMENT); \
  CHECK(tailer == NULL)
  WITH(follow, 2);
  WITH(prefetch_entries, 0);
  WITH(prefetch_bytes, 0);
  WITH(poll_min_ms, 0);
  WITH(poll_max_ms, 1);
  WITH(struct_size, 4);
  FAILS(weir_tailer_open(session, root, "nonsense", NULL, &tailer, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_open(session, NULL, SHARD, NULL, &tailer, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_open(session, root, NULL, NULL, &tailer, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_open(NULL, root, SHARD, NULL, &tailer, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_open(session, root, SHARD, NULL, NULL, &err), INVALID_ARGUMENT);
  free(root);
}

static void test_a_tailer_writes_nothing(void) { /* PITFALLS D10 */
  char *root = new_root();
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  uint64_t position = 0;
  FAILS(weir_tailer_next(tailer, -1, &entry, &err), NOT_FOUND); /* no such shard */
  OK(weir_tailer_next_position(tailer, -1, &position, &err));
  CHECK_EQ(position, 1);
  weir_tailer_free(tailer);
  CHECK(access(root, F_OK) != 0);
  free(root);
}

/* ---- Following ---- */

typedef struct {
  WeirTailer *tailer;
  WeirStatus status;
  uint64_t position;
  atomic_bool done;
} Waiting;

static void *next_in_thread(void *arg) {
  Waiting *waiting = arg;
  WeirEntry *entry = NULL;
  WeirError *error = NULL;
  waiting->status = weir_tailer_next(waiting->tailer, -1, &entry, &error);
  waiting->position = entry ? weir_entry_position(entry) : 0;
  weir_entry_free(entry);
  weir_error_free(error);
  atomic_store(&waiting->done, true);
  return NULL;
}

static void test_following_waits_for_what_is_put(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  WeirTailer *tailer = follower(session, root);
  WeirEntry *entry = (WeirEntry *)(uintptr_t)8;
  Waiting waiting = {.tailer = tailer};
  pthread_t thread;
  FAILS(weir_tailer_next(tailer, 0, &entry, &err), TIMED_OUT);
  CHECK(entry == NULL);
  int64_t start = now_ms();
  FAILS(weir_tailer_next(tailer, 30, &entry, &err), TIMED_OUT);
  CHECK(now_ms() - start >= 29);
  pthread_create(&thread, NULL, next_in_thread, &waiting);
  put_batches(writer, 1);
  pthread_join(thread, NULL);
  CHECK_EQ(waiting.status, WEIR_STATUS_OK);
  CHECK_EQ(waiting.position, 1);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void test_interrupt_and_close_end_a_wait(void) {
  for (int close = 0; close < 2; close++) {
    char *root = new_root();
    WeirWriter *writer = writer_new(session, root, NULL);
    WeirTailer *tailer = follower(session, root);
    Waiting waiting = {.tailer = tailer};
    pthread_t thread;
    pthread_create(&thread, NULL, next_in_thread, &waiting);
    if (close) sleep_ms(30); /* it waits by then, as a rule; test_close_races_with_many_waiters comes in all orders */
    if (close) OK(weir_tailer_close(tailer, &err));
    else weir_tailer_interrupt(tailer); /* remembered, if the thread does not wait yet */
    pthread_join(thread, NULL);
    CHECK_EQ(waiting.status, close ? WEIR_STATUS_CLOSED : WEIR_STATUS_CANCELLED);
    WeirEntry *entry = NULL;
    if (close) {
      OK(weir_tailer_close(tailer, &err));
      FAILS(weir_tailer_next(tailer, -1, &entry, &err), CLOSED);
      FAILS(weir_tailer_read(tailer, 1, -1, &entry, &err), CLOSED);
    } else {
      put_batches(writer, 1);
      OK(weir_tailer_next(tailer, -1, &entry, &err)); /* it goes on */
      check_entry(entry, 1, 1, 0);
      weir_entry_free(entry);
    }
    weir_tailer_free(tailer);
    weir_writer_free(writer);
    free(root);
  }
}

static void test_close_races_with_many_waiters(void) { /* PITFALLS X8 */
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  for (int round = 0; round < 20; round++) {
    WeirTailer *tailer = follower(session, root);
    Waiting waiting[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
      waiting[i] = (Waiting){.tailer = tailer};
      pthread_create(&threads[i], NULL, next_in_thread, &waiting[i]);
    }
    if (round % 2) sleep_ms(round);
    OK(weir_tailer_close(tailer, &err));
    for (int i = 0; i < 4; i++) {
      pthread_join(threads[i], NULL);
      CHECK_EQ(waiting[i].status, WEIR_STATUS_CLOSED);
    }
    weir_tailer_free(tailer);
  }
  weir_writer_free(writer);
  free(root);
}

/* ---- As a stream ---- */

static void test_the_log_as_one_arrow_stream(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 3);
  weir_writer_free(writer);
  writer = writer_new(session, root, NULL); /* a sentinel in between, which the stream leaves out */
  put_batches(writer, 2);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  struct ArrowArrayStream stream = {0};
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  OK(weir_tailer_stream(tailer, &stream, &err));
  CHECK_EQ(stream.get_schema(&stream, &schema), 0);
  CHECK_EQ(schema.n_children, 2);
  schema.release(&schema);
  for (int i = 0; i < 5; i++) {
    CHECK_EQ(stream.get_next(&stream, &batch), 0);
    CHECK(batch_is(&batch, 10, i < 3 ? i * 10 : (i - 3) * 10));
    if (batch.release != NULL) batch.release(&batch);
  }
  CHECK_EQ(stream.get_next(&stream, &batch), 0);
  CHECK(batch.release == NULL);
  stream.release(&stream);
  FAILS(weir_tailer_stream(tailer, NULL, &err), INVALID_ARGUMENT);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

/* ---- Damage ---- */

static void test_a_damaged_entry_is_named(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 2);
  char path[512];
  /* Position 1: bit-reversed, a one and 63 zeros. */
  snprintf(path, sizeof path, "%s/_mem_wal/" SHARD "/wal/1%063d.arrow", root, 0);
  FILE *file = fopen(path, "r+b");
  if (CHECK(file != NULL)) {
    fseek(file, 300, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, 300, SEEK_SET);
    fputc(byte ^ 1, file);
    fclose(file);
  }
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  FAILS_SAYING(weir_tailer_next(tailer, -1, &entry, &err), CORRUPTION, ".arrow");
  CHECK(entry == NULL);
  OK(weir_tailer_seek(tailer, 2, &err)); /* past it, if that is what one wants */
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  check_entry(entry, 2, 1, 10);
  weir_entry_free(entry);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void test_null_handles_and_outputs(void) {
  WeirEntry *entry = NULL;
  uint64_t position;
  struct ArrowArray batch = {0};
  struct ArrowSchema schema = {0};
  struct ArrowArrayStream stream = {0};
  FAILS(weir_tailer_next(NULL, -1, &entry, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_read(NULL, 1, -1, &entry, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_first_position(NULL, -1, &position, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_next_position(NULL, -1, &position, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_seek(NULL, 1, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_stream(NULL, &stream, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_close(NULL, &err), INVALID_ARGUMENT);
  CHECK_EQ(weir_tailer_position(NULL), 0);
  weir_tailer_interrupt(NULL);
  weir_tailer_free(NULL);
  FAILS(weir_entry_batch(NULL, 0, &batch, &err), INVALID_ARGUMENT);
  FAILS(weir_entry_schema(NULL, &schema, &err), INVALID_ARGUMENT);
  FAILS(weir_entry_stream(NULL, &stream, &err), INVALID_ARGUMENT);
  CHECK_EQ(weir_entry_position(NULL) + weir_entry_epoch(NULL) + weir_entry_generation(NULL) + weir_entry_rows(NULL) + weir_entry_bytes(NULL), 0);
  CHECK_EQ(weir_entry_schema_id(NULL), 0);
  CHECK_EQ(weir_entry_batch_count(NULL), 0);
  CHECK(!weir_entry_is_sentinel(NULL));
  weir_entry_free(NULL);

  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 1);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  FAILS(weir_tailer_next(tailer, -1, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_read(tailer, 1, -1, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_first_position(tailer, -1, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_next_position(tailer, -1, NULL, &err), INVALID_ARGUMENT);
  OK(weir_tailer_next(tailer, -1, &entry, &err)); /* the failed call took nothing */
  check_entry(entry, 1, 1, 0);
  FAILS(weir_entry_batch(entry, 1, &batch, &err), INVALID_ARGUMENT);
  FAILS(weir_entry_batch(entry, SIZE_MAX, &batch, &err), INVALID_ARGUMENT);
  FAILS(weir_entry_batch(entry, 0, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_entry_schema(entry, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_entry_stream(entry, NULL, &err), INVALID_ARGUMENT);
  CHECK(batch.release == NULL);
  weir_entry_free(entry);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  session = session_new();
  RUN(test_entries_come_in_order_then_the_end);
  RUN(test_sentinels_are_shown);
  RUN(test_equal_schema_ids_mean_equal_schemas);
  RUN(test_positions_reads_and_seeks);
  RUN(test_options_are_validated);
  RUN(test_a_tailer_writes_nothing);
  RUN(test_following_waits_for_what_is_put);
  RUN(test_interrupt_and_close_end_a_wait);
  RUN(test_close_races_with_many_waiters);
  RUN(test_the_log_as_one_arrow_stream);
  RUN(test_a_damaged_entry_is_named);
  RUN(test_null_handles_and_outputs);
  weir_session_free(session);
  check_all_released();
  return harness_finish(argv[0]);
}
