/* The first half of the conformance tests: errors, putting, ownership, waiting, limits, closing. */
#ifndef WEIR_TEST_CONFORMANCE_WRITES_H
#define WEIR_TEST_CONFORMANCE_WRITES_H

#include "conformance.h"

/* ---- Errors ---- */

static void error_fields(void) {
  char *root = new_root();
  WeirWriter *old = writer_new(session, root, NULL), *owner = writer_new(session, root, NULL);
  struct ArrowArray batch = batch_new(10, 0);
  WeirError *error = NULL;
  const char *shard = NULL;
  uint64_t none = 77;
  CHECK_EQ(weir_writer_put(old, &batch, -1, NULL, &error), WEIR_STATUS_FENCED);
  CHECK_EQ(weir_error_code(error), WEIR_STATUS_FENCED);
  CHECK(strstr(weir_error_message(error), SHARD) != NULL);
  CHECK_EQ(weir_error_action(error), WEIR_ACTION_STOP);
  CHECK_EQ(detail(error, "epoch"), 1);
  CHECK_EQ(detail(error, "fenced_by_epoch"), 2);
  CHECK(weir_error_detail_str(error, "shard", &shard));
  CHECK_STR(shard, SHARD);
  CHECK(!weir_error_detail_u64(error, "no such detail", &none));
  CHECK_EQ(none, 77);
  weir_error_free(error);
  weir_writer_free(old);
  weir_writer_free(owner);
  free(root);
}

static void error_argument(void) {
  char *root = new_root();
  struct ArrowSchema schema = batch_schema(), no_struct = schema_new("l", "id", false);
  WeirWriterOptions options = quick_options();
  WeirWriter *writer = NULL;
  WeirTailer *tailer = NULL;
  FAILS_EITHER(weir_writer_open(session, "ftp://host/path", SHARD, &schema, NULL, &writer, &err), UNSUPPORTED, INVALID_ARGUMENT);
  FAILS(weir_writer_open(session, "", SHARD, &schema, NULL, &writer, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_open(session, root, "shard-1", &schema, NULL, &writer, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_open(session, root, "../../etc", &schema, NULL, &writer, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_open(session, root, SHARD, &no_struct, NULL, &writer, &err), INVALID_DATA); /* of Arrow data, the library says so */
  no_struct.release(&no_struct);
  FAILS(weir_writer_open(session, root, SHARD, &no_struct, NULL, &writer, &err), INVALID_ARGUMENT); /* released */
  options.max_buffer_bytes = 0;
  FAILS(weir_writer_open(session, root, SHARD, &schema, &options, &writer, &err), INVALID_ARGUMENT);
  options = quick_options();
  options.compression = 99;
  FAILS(weir_writer_open(session, root, SHARD, &schema, &options, &writer, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_open(session, root, "shard-1", NULL, &tailer, &err), INVALID_ARGUMENT);
  CHECK(access(root, F_OK) != 0);
  schema.release(&schema);
  free(root);
}

static void error_schema(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  struct ArrowArray batch = wrong_batch();
  WeirAck ack;
  CHECK(is_about_data(weir_writer_put(writer, &batch, -1, NULL, NULL)));
  batch = batch_new(10, 0);
  OK(weir_writer_put(writer, &batch, -1, &ack, &err));
  CHECK_EQ(ack.position, 1);
  CHECK_EQ(rows_in_log(session, root), 10);
  weir_writer_free(writer);
  free(root);
}

/* ---- Putting ---- */

static void put_durable(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  struct ArrowArray batch = batch_new(10, 70);
  WeirAck ack;
  OK(weir_writer_put(writer, &batch, -1, &ack, &err));
  CHECK_EQ(ack.position, 1);
  CHECK_EQ(ack.epoch, 1);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  CHECK_EQ(next_is(tailer, 10, 70), 1);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void put_async(void) {
  static Done done;
  static int64_t put_of[1001]; /* by sequence */
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  for (int i = 0; i < 1000; i++) {
    struct ArrowArray batch = batch_new(1, i);
    OK(weir_writer_put_async(writer, &batch, to(&done, (uint64_t)i), &err));
    CHECK(batch.release == NULL);
  }
  EVENTUALLY(atomic_load(&done.total) == 1000);
  CHECK_EQ(atomic_load(&done.ok), 1000);
  for (int64_t i = 0; i < 1000; i++) {
    uint64_t sequence = atomic_load(&done.sequences[i]);
    if (CHECK(sequence >= 1 && sequence <= 1000)) CHECK_EQ(put_of[sequence], 0), put_of[sequence] = i + 1;
  }
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  uint64_t sequence = 0;
  while (OK(weir_tailer_next(tailer, -1, &entry, &err)) && entry != NULL) {
    for (size_t i = 0; i < weir_entry_batch_count(entry) && CHECK(sequence < 1000); i++) {
      struct ArrowArray batch = {0};
      OK(weir_entry_batch(entry, i, &batch, &err));
      CHECK(batch_is(&batch, 1, put_of[++sequence] - 1));
      if (batch.release != NULL) batch.release(&batch);
    }
    weir_entry_free(entry);
  }
  CHECK_EQ(sequence, 1000);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void put_buffered(void) {
  char *root = new_root();
  WeirWriterOptions options = buffered_options();
  WeirWriter *writer = writer_new(session, root, &options);
  WeirAck ack = {0};
  for (int i = 0; i < 4; i++) {
    struct ArrowArray batch = batch_new(10, i * 10);
    OK(weir_writer_put(writer, &batch, -1, &ack, &err));
  }
  CHECK_EQ(ack.position, 0);
  CHECK_EQ(rows_in_log(session, root), 0);
  OK(weir_writer_flush(writer, -1, &err));
  OK(weir_writer_wait_durable(writer, ack.sequence, 0, &err));
  CHECK_EQ(weir_writer_durable_position(writer), ack.sequence);
  CHECK_EQ(rows_in_log(session, root), 40);
  weir_writer_free(writer);
  free(root);
}

static void put_stream(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  struct ArrowArrayStream stream = stream_new(7, 10, 0);
  WeirError *error = NULL;
  WeirAck ack;
  OK(weir_writer_put_stream(writer, &stream, -1, &ack, &err));
  CHECK_EQ(ack.sequence, 7);
  CHECK_EQ(weir_writer_durable_position(writer), 7);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  OK(weir_tailer_stream(tailer, &stream, &err));
  weir_tailer_free(tailer);
  for (int64_t first = 0; first < 70; first += 10) { /* the batches are there, in the stream's order */
    struct ArrowArray batch = {0};
    CHECK_EQ(stream.get_next(&stream, &batch), 0);
    CHECK(batch_is(&batch, 10, first));
    if (batch.release != NULL) batch.release(&batch);
  }
  stream.release(&stream);
  CHECK_EQ(rows_in_log(session, root), 70);
  stream = stream_new(7, 10, 0);
  ((StreamParts *)stream.private_data)->other_schema = true;
  CHECK(is_about_data(weir_writer_put_stream(writer, &stream, -1, NULL, NULL)));
  CHECK_EQ(rows_in_log(session, root), 70);
  stream = stream_new(7, 10, 0); /* one that fails half-way says how many of its batches are in the log */
  ((StreamParts *)stream.private_data)->fail_at = 3;
  CHECK(weir_writer_put_stream(writer, &stream, -1, NULL, &error) != WEIR_STATUS_OK);
  CHECK(strstr(weir_error_message(error), "the dog ate it") != NULL);
  OK(weir_writer_flush(writer, -1, &err));
  CHECK_EQ(rows_in_log(session, root), 70 + 10 * detail(error, "accepted"));
  weir_error_free(error);
  weir_writer_free(writer);
  free(root);
}

static void fencing(void) {
  char *root = new_root();
  WeirWriter *first = writer_new(session, root, NULL);
  put_batches(first, 3);
  WeirWriter *second = writer_new(session, root, NULL);
  put_batches(second, 2);
  struct ArrowArray batch = batch_new(10, 30);
  WeirError *error = NULL;
  CHECK_EQ(weir_writer_put(first, &batch, -1, NULL, &error), WEIR_STATUS_FENCED);
  CHECK_EQ(detail(error, "fenced_by_epoch"), weir_writer_epoch(second));
  weir_error_free(error);
  FAILS(weir_writer_check_fenced(first, -1, &err), FENCED);
  FAILS(weir_writer_flush(first, -1, &err), FENCED);
  OK(weir_writer_check_fenced(second, -1, &err));
  put_batches(second, 2);
  CHECK_EQ(rows_in_log(session, root), 70);
  weir_writer_free(first);
  weir_writer_free(second);
  free(root);
}

/* ---- Ownership ---- */

/* PITFALLS X2: every call takes what it is given, whatever it comes to. */
static void ownership_input(void) {
  static Done done;
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  struct ArrowSchema schema = batch_schema();
  long arrays = atomic_load(&arrays_live), streams = atomic_load(&streams_live), released = atomic_load(&tops_released);
  long given = 0;
  int32_t bucket[10];
#define TAKES(make, call)             \
  do {                                \
    struct ArrowArray batch = (make); \
    given++;                          \
    (void)(call);                     \
    CHECK(batch.release == NULL);     \
  } while (0)
#define TAKES_STREAM(call)                                   \
  do {                                                       \
    struct ArrowArrayStream stream = stream_new(2, 10, 0);   \
    (void)(call);                                            \
    CHECK(stream.release == NULL);                           \
  } while (0)
  TAKES(batch_new(10, 0), weir_writer_put(writer, &batch, -1, NULL, NULL));
  TAKES(batch_new(10, 0), weir_writer_put_async(writer, &batch, to(&done, 0), NULL));
  TAKES(batch_new(10, 0), weir_writer_put_async(writer, &batch, (WeirCompletion){NULL, NULL, 0}, NULL));
  TAKES(batch_new(10, 0), weir_writer_put(NULL, &batch, -1, NULL, NULL));
  TAKES(batch_new(10, 0), weir_writer_put_async(NULL, &batch, to(&done, 0), NULL));
  TAKES(wrong_batch(), weir_writer_put(writer, &batch, -1, NULL, NULL));
  TAKES(batch_new(10, 0), weir_bucket_of(&batch, &schema, 8, bucket, 10, NULL));
  TAKES(batch_new(10, 0), weir_appender_append(NULL, &batch, -1, NULL, NULL));
  TAKES_STREAM(weir_writer_put_stream(writer, &stream, -1, NULL, NULL));
  TAKES_STREAM(weir_writer_put_stream_async(writer, &stream, to(&done, 1), NULL));
  given += 4;
  TAKES_STREAM(weir_writer_put_stream(NULL, &stream, -1, NULL, NULL));
  EVENTUALLY(atomic_load(&done.total) == 2);
  CHECK_EQ(atomic_load(&done.ok), 2);
  OK(weir_writer_close(writer, -1, &err));
  TAKES(batch_new(10, 0), weir_writer_put(writer, &batch, -1, NULL, NULL));
  TAKES(batch_new(10, 0), weir_writer_put_async(writer, &batch, to(&done, 2), NULL));
  TAKES_STREAM(weir_writer_put_stream(writer, &stream, -1, NULL, NULL));
  weir_writer_free(writer);
  EVENTUALLY(atomic_load(&arrays_live) == arrays && atomic_load(&streams_live) == streams);
  CHECK(atomic_load(&tops_released) - released >= given); /* the refused streams' batches may have been made, or not */
  schema.release(&schema);
  free(root);
}

static void ownership_output(void) {
  char *root = new_root();
  WeirSession *own = session_new();
  WeirWriter *writer = writer_new(own, root, NULL);
  put_batches(writer, 1);
  WeirTailer *tailer = tailer_new(own, root, NULL);
  WeirEntry *entry = NULL;
  struct ArrowArray batch = {0}, again = {0};
  struct ArrowArrayStream stream = {0};
  struct ArrowSchema schema = {0};
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  OK(weir_entry_batch(entry, 0, &batch, &err));
  OK(weir_entry_stream(entry, &stream, &err));
  OK(weir_entry_schema(entry, &schema, &err));
  weir_entry_free(entry);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  weir_session_free(own);
  CHECK(batch_is(&batch, 10, 0));
  batch.release(&batch);
  CHECK_EQ(schema.n_children, 2);
  schema.release(&schema);
  CHECK_EQ(stream.get_next(&stream, &again), 0);
  CHECK(batch_is(&again, 10, 0));
  if (again.release != NULL) again.release(&again);
  stream.release(&stream);
  free(root);
}

/* ---- Waiting, limits, closing ---- */

static void cancel_wait(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  WeirTailer *tailer = follower(session, root);
  WeirEntry *entry = NULL;
  WeirQueue *queue = NULL;
  WeirEvent event;
  Waiting waiting;
  size_t count = 0;
  FAILS(weir_tailer_next(tailer, 0, &entry, &err), TIMED_OUT);
  int64_t start = now_ms();
  FAILS(weir_tailer_next(tailer, 30, &entry, &err), TIMED_OUT);
  CHECK(now_ms() - start >= 29);
  wait_start(&waiting, tailer, false);
  weir_tailer_interrupt(tailer);
  pthread_join(waiting.thread, NULL);
  CHECK_EQ(waiting.status, WEIR_STATUS_CANCELLED);
  OK(weir_queue_new(NULL, &queue, &err));
  FAILS(weir_queue_next(queue, &event, 1, 20, &count, &err), TIMED_OUT);
  OK(weir_writer_flush_async(writer, weir_queue_completion(queue, 5), &err));
  OK(weir_queue_next(queue, &event, 1, -1, &count, &err));
  CHECK_EQ(event.token, 5);
  weir_event_clear(&event);
  put_batches(writer, 1);
  CHECK_EQ(next_is(tailer, 10, 0), 1);
  weir_queue_free(queue);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void backpressure(void) {
  static Done done;
  char *root = new_root();
  WeirWriterOptions options = buffered_options();
  int accepted = 0;
  WeirError *error = NULL;
  options.max_buffer_bytes = options.max_pending_bytes = 32 * 1024;
  WeirWriter *writer = writer_new(session, root, &options);
  for (int64_t give_up = now_ms() + 20000; now_ms() < give_up; accepted++) {
    struct ArrowArray batch = batch_new(100, 0);
    if (weir_writer_put_async(writer, &batch, to(&done, 0), &error) != WEIR_STATUS_OK) break;
  }
  CHECK_EQ(weir_error_code(error), WEIR_STATUS_BACKPRESSURE);
  CHECK_EQ(weir_error_action(error), WEIR_ACTION_RETRY);
  CHECK_EQ(detail(error, "limit_bytes"), 32 * 1024);
  CHECK(detail(error, "bytes") > 0);
  CHECK(detail(error, "pending_bytes") + detail(error, "in_flight_bytes") > 0);
  weir_error_free(error);
  OK(weir_writer_flush(writer, -1, &err));
  struct ArrowArray batch = batch_new(100, 0);
  OK(weir_writer_put_async(writer, &batch, to(&done, 0), &err));
  OK(weir_writer_close(writer, -1, &err));
  EVENTUALLY(atomic_load(&done.total) == accepted + 1);
  CHECK_EQ(atomic_load(&done.ok), accepted + 1);
  CHECK_EQ(rows_in_log(session, root), (uint64_t)(accepted + 1) * 100);
  weir_writer_free(writer);
  free(root);
}

typedef struct {
  WeirWriter *writer;
  pthread_t thread;
  uint64_t acknowledged;
  WeirStatus ended;
} Putting;

static void *put_until_closed(void *arg) {
  Putting *putting = arg;
  while ((putting->ended = put_one(putting->writer, 10, 0)) == WEIR_STATUS_OK) putting->acknowledged++;
  return NULL;
}

static void close_race(void) { /* PITFALLS X8 */
  for (int round = 0; round < 4; round++) {
    char *root = new_root();
    WeirWriter *writer = writer_new(session, root, NULL);
    WeirTailer *tailer = follower(session, root);
    Putting putting[3] = {{0}};
    Waiting waiting[3];
    uint64_t acknowledged = 0;
    for (int i = 0; i < 3; i++) {
      putting[i].writer = writer;
      pthread_create(&putting[i].thread, NULL, put_until_closed, &putting[i]);
      wait_start(&waiting[i], tailer, true);
    }
    EVENTUALLY(weir_writer_durable_position(writer) >= 10);
    OK(weir_writer_close(writer, -1, &err));
    OK(weir_tailer_close(tailer, &err));
    for (int i = 0; i < 3; i++) {
      pthread_join(putting[i].thread, NULL);
      pthread_join(waiting[i].thread, NULL);
      CHECK_EQ(putting[i].ended, WEIR_STATUS_CLOSED);
      CHECK_EQ(waiting[i].status, WEIR_STATUS_CLOSED);
      acknowledged += putting[i].acknowledged;
    }
    CHECK_EQ(rows_in_log(session, root), acknowledged * 10);
    weir_tailer_free(tailer);
    weir_writer_free(writer);
    free(root);
  }
}

static void close_twice(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirQueue *queue = NULL;
  WeirEntry *entry = NULL;
  WeirEvent event;
  size_t count;
  put_batches(writer, 1);
  OK(weir_queue_new(NULL, &queue, &err));
  for (int i = 0; i < 2; i++) {
    OK(weir_writer_close(writer, -1, &err));
    OK(weir_tailer_close(tailer, &err));
    OK(weir_queue_close(queue, &err));
  }
  CHECK_EQ(put_one(writer, 10, 0), WEIR_STATUS_CLOSED);
  FAILS(weir_tailer_next(tailer, -1, &entry, &err), CLOSED);
  FAILS(weir_tailer_read(tailer, 1, -1, &entry, &err), CLOSED);
  FAILS(weir_queue_next(queue, &event, 1, -1, &count, &err), CLOSED);
  WeirAppender *appender = appender_new(root);
  for (int i = 0; i < 2; i++) OK(weir_appender_close(appender, -1, &err));
  struct ArrowArray batch = batch_new(10, 0);
  FAILS(weir_appender_append(appender, &batch, -1, NULL, &err), CLOSED);
  weir_appender_free(appender);
  weir_queue_free(queue);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

#endif
