/* Spills by completion, from many threads, and ended under fire: exactly once, in order, whole. */
#include "spill_build.h"

/* ---- By completion ---- */

static void check_buffer(WeirBuffer *buffer, size_t len, uint64_t from) {
  CHECK_EQ(weir_buffer_len(buffer), len);
  is_filled((const uint8_t *)weir_buffer_data(buffer), len, from);
  weir_buffer_free(buffer);
}

static void every_operation_by_completion(WeirSpillStore *store) {
  enum { LEN = 100000 };
  WeirQueue *queue = NULL;
  uint8_t *bytes = malloc(LEN);
  if (bytes == NULL) abort();
  OK(weir_queue_new(NULL, &queue, &err));
  WeirSpillWriter *writer = begin(store);
  fill(bytes, LEN, 0);
  const WeirBytes few[] = {{bytes, 1000}, {NULL, 0}, {bytes + 1000, 3096}}, many[] = {{bytes + 4096, 70000}, {bytes + 74096, LEN - 74096}};
  COMPLETES(weir_spill_writer_writev_async(writer, few, 3, TO(1), NULL), OK, NONE);
  WeirStatus accepted = weir_spill_writer_writev_async(writer, many, 2, TO(2), NULL);
  memset(bytes, 0xee, LEN); /* they were copied */
  COMPLETES(accepted, OK, NONE);
  COMPLETES(weir_spill_writer_write_async(writer, NULL, 0, TO(3), NULL), OK, NONE);
  COMPLETES(weir_spill_writer_writev_async(writer, NULL, 0, TO(3), NULL), OK, NONE);
  const WeirBytes wrong[] = {{bytes, 1}, {NULL, 1}}, endless[] = {{bytes, SIZE_MAX}};
  FAILS(weir_spill_writer_writev_async(writer, wrong, 2, TO(3), &err), INVALID_ARGUMENT);
  FAILS(weir_spill_writer_writev_async(writer, endless, 1, TO(3), &err), INVALID_ARGUMENT);
  WeirSpill *spill = COMPLETES(weir_spill_writer_finish_async(writer, TO(4), NULL), OK, SPILL);
  COMPLETES(weir_spill_writer_finish_async(writer, TO(5), NULL), CLOSED, NONE);
  COMPLETES(weir_spill_writer_write_async(writer, bytes, 1, TO(6), NULL), CLOSED, NONE);
  COMPLETES(weir_spill_writer_writev_async(writer, few, 3, TO(6), NULL), CLOSED, NONE);
  weir_spill_writer_free(writer);
  check_buffer(COMPLETES(weir_spill_read_at_async(spill, 0, LEN, TO(7), NULL), OK, BUFFER), LEN, 0);
  const uint8_t *mapped = NULL;
  size_t mapped_len = 0;
  COMPLETES(weir_spill_map_async(spill, TO(7), NULL), OK, NONE);
  OK(weir_spill_map(spill, &mapped, &mapped_len, &err));
  CHECK_EQ(mapped_len, LEN);
  is_filled(mapped, mapped_len, 0);
  check_buffer(COMPLETES(weir_spill_read_at_async(spill, LEN - 5, SIZE_MAX, TO(8), NULL), OK, BUFFER), 5, LEN - 5);
  check_buffer(COMPLETES(weir_spill_read_at_async(spill, UINT64_MAX, SIZE_MAX, TO(9), NULL), OK, BUFFER), 0, 0);
  WeirSpillReader *reader = NULL;
  OK(weir_spill_reader(spill, &reader, &err));
  /* Several at once, in order. */
  for (uint64_t i = 0; i < 8; i++) OK(weir_spill_reader_read_async(reader, 1000 + i, TO(i), &err));
  WeirBuffer *parts[8] = {NULL};
  for (int i = 0; i < 8; i++) {
    WeirEvent event = next_event(queue);
    if (CHECK(event.token < 8 && parts[event.token] == NULL)) parts[event.token] = event.result;
  }
  uint64_t at = 0;
  for (uint64_t i = 0; i < 8; i++) {
    check_buffer(parts[i], 1000 + i, at);
    at += 1000 + i;
  }
  check_buffer(COMPLETES(weir_spill_reader_read_async(reader, SIZE_MAX, TO(10), NULL), OK, BUFFER), LEN - at, at);
  check_buffer(COMPLETES(weir_spill_reader_read_async(reader, 10, TO(11), NULL), OK, BUFFER), 0, 0);
  weir_spill_reader_free(reader);
  FAILS(weir_spill_batch_async(spill, 0, NULL, TO(12), &err), INVALID_ARGUMENT); /* it has no batches */
  weir_spill_free(spill);

  writer = begin_batches(store, 0);
  struct ArrowArray batch = batch_new(10, 0), out = {0};
  struct ArrowArrayStream stream = stream_new(3, 10, 10);
  struct ArrowSchema schema = {0};
  COMPLETES(weir_spill_writer_write_batch_async(writer, &batch, TO(13), NULL), OK, NONE);
  COMPLETES(weir_spill_writer_write_stream_async(writer, &stream, TO(14), NULL), OK, NONE);
  CHECK(batch.release == NULL && stream.release == NULL);
  CHECK_EQ(atomic_load(&arrays_live), 0);
  spill = COMPLETES(weir_spill_writer_finish_async(writer, TO(15), NULL), OK, SPILL);
  weir_spill_writer_free(writer);
  const WeirSpillReadOptions map = mapping(1);
  for (size_t i = 0; i < 8; i++) {
    WeirBatch *got = COMPLETES(weir_spill_batch_async(spill, i / 2, i % 2 ? &map : NULL, TO(16), NULL), OK, BATCH);
    CHECK_EQ(weir_batch_rows(got), 10);
    OK(weir_batch_schema(got, &schema, &err));
    CHECK_STR(schema.children[0]->name, "id");
    schema.release(&schema);
    OK(weir_batch_array(got, &out, &err));
    FAILS(weir_batch_array(got, NULL, &err), INVALID_ARGUMENT);
    FAILS(weir_batch_schema(got, NULL, &err), INVALID_ARGUMENT);
    weir_batch_free(got);
    batch_is(&out, 10, (int64_t)(i / 2) * 10);
    out.release(&out);
  }
  COMPLETES(weir_spill_batch_async(spill, 4, NULL, TO(17), NULL), INVALID_ARGUMENT, NONE);
  OK(weir_spill_batch_async(spill, 0, NULL, TO(18), &err));
  OK(weir_spill_batch_async(spill, 0, NULL, TO(19), &err));
  weir_spill_free(spill);
  WeirEvent event = next_event(queue);
  weir_event_clear(&event); /* frees the batch */
  event = next_event(queue);
  weir_event_clear(&event);
  EVENTUALLY(weir_spill_store_used_bytes(store) == 0);

  writer = begin(store);
  OK(weir_spill_writer_finish_async(writer, TO(20), &err));
  weir_spill_writer_free(writer); /* while it finishes */
  event = next_event(queue);
  CHECK_EQ(event.status, WEIR_STATUS_OK);
  CHECK_EQ(event.result_kind, WEIR_RESULT_SPILL);
  weir_event_clear(&event);
  weir_queue_free(queue);
  free(bytes);
}

static void test_every_operation_by_completion(void) {
  char *dir = new_root();
  WeirSpillStore *stores[] = {store_at(NULL, UINT64_MAX), store_at(dir, UINT64_MAX)};
  for (int i = 0; i < 2; i++) {
    every_operation_by_completion(stores[i]);
    EVENTUALLY(weir_spill_store_used_bytes(stores[i]) == 0);
    weir_spill_store_free(stores[i]);
  }
  free(dir);
}

/* Encrypted, in tiers, and in objects on a store that answers slowly: the same bytes; a wait that ends has done nothing. */
static void test_every_backend_and_time_that_is_up(void) {
  const WeirKeyValue latency = {"weir_simulated_latency_ms", "10"};
  char *dir = new_root();
  WeirSessionOptions session_options = WEIR_SESSION_OPTIONS_INIT;
  WeirSpillStoreOptions objects = WEIR_SPILL_STORE_OPTIONS_INIT, tiers = WEIR_SPILL_STORE_OPTIONS_INIT;
  WeirSession *slow = NULL;
  WeirSpillStore *stores[2] = {NULL, NULL};
  session_options.store_settings = &latency;
  session_options.store_settings_len = 1;
  OK(weir_session_new(&session_options, &slow, &err));
  objects.backend = WEIR_SPILL_BACKEND_OBJECT;
  objects.location = "memory://test-spill-async/spills";
  tiers.backend = WEIR_SPILL_BACKEND_TIERED;
  tiers.location = dir;
  tiers.memory_bytes = 1 << 20;
  OK(weir_spill_store_new(slow, &objects, &stores[0], &err));
  OK(weir_spill_store_new(slow, &tiers, &stores[1], &err));
  enum { LEN = 9 << 20 }; /* more than the part of an object */
  uint8_t *bytes = malloc(LEN);
  if (bytes == NULL) abort();
  for (int i = 0; i < 4; i++) {
    WeirSpillStore *store = stores[i % 2];
    WeirSpillOptions options = WEIR_SPILL_OPTIONS_INIT;
    WeirSpillWriter *writer = NULL;
    options.encrypt = i >= 2;
    OK(weir_spill_begin(store, &options, &writer, &err));
    fill(bytes, LEN, 0);
    OK(weir_spill_writer_write(writer, bytes, LEN, -1, &err));
    if (i % 2 == 0) FAILS(weir_spill_writer_write(writer, bytes, 200000, 0, &err), TIMED_OUT); /* a part is to be uploaded first */
    CHECK_EQ(weir_spill_writer_len(writer), LEN);
    WeirSpill *spill = finish(writer);
    CHECK_EQ(weir_spill_len(spill), LEN);
    CHECK(options.encrypt ? weir_spill_stored_bytes(spill) > LEN : weir_spill_stored_bytes(spill) == LEN);
    CHECK_EQ(weir_spill_store_used_bytes(store), weir_spill_stored_bytes(spill));
    size_t n = 99;
    if (i % 2 == 0) {
      FAILS(weir_spill_read_at(spill, 0, bytes, LEN, 0, &n, &err), TIMED_OUT);
      CHECK_EQ(n, 0);
    }
    memset(bytes, 0, LEN);
    OK(weir_spill_read_at(spill, 0, bytes, LEN, -1, &n, &err));
    CHECK_EQ(n, LEN);
    is_filled(bytes, n, 0);
    WeirSpillReader *reader = NULL;
    OK(weir_spill_reader(spill, &reader, &err));
    for (uint64_t at = 0; at < LEN; at += n) {
      OK(weir_spill_reader_read(reader, bytes, 700001, -1, &n, &err));
      if (!CHECK(n > 0)) break;
      is_filled(bytes, n, at);
    }
    weir_spill_reader_free(reader);
    const uint8_t *data = (const uint8_t *)(uintptr_t)8;
    if (options.encrypt || i % 2 == 0) {
      WeirQueue *queue = NULL;
      OK(weir_queue_new(NULL, &queue, &err));
      COMPLETES(weir_spill_map_async(spill, TO(1), NULL), UNSUPPORTED, NONE);
      weir_queue_free(queue);
      FAILS(weir_spill_map(spill, &data, &n, &err), UNSUPPORTED);
      CHECK(data == NULL && n == 0);
    }
    weir_spill_free(spill);
    EVENTUALLY(weir_spill_store_used_bytes(store) == 0);
  }
  /* A finish that is given up aborts: what would become of the spill is not known else. */
  WeirSpillWriter *writer = begin(stores[0]);
  WeirSpill *spill = NULL;
  OK(weir_spill_writer_write(writer, bytes, LEN, -1, &err));
  FAILS(weir_spill_writer_finish(writer, 0, &spill, &err), TIMED_OUT);
  FAILS_SAYING(weir_spill_writer_finish(writer, -1, &spill, &err), CLOSED, "given up");
  weir_spill_writer_free(writer);
  EVENTUALLY(weir_spill_store_used_bytes(stores[0]) == 0);
  weir_spill_store_free(stores[0]);
  weir_spill_store_free(stores[1]);
  weir_session_free(slow);
  free(bytes);
  free(dir);
}

/* Writes that are under way at once land in the order of their calls, whatever their sizes. */
static void test_asynchronous_writes_keep_their_order(void) {
  enum { WRITES = 200 };
  char *dir = new_root();
  WeirSpillStore *store = store_at(dir, UINT64_MAX);
  WeirSpillWriter *writer = begin(store);
  WeirQueue *queue = NULL;
  uint8_t *bytes = malloc(100000);
  if (bytes == NULL) abort();
  OK(weir_queue_new(NULL, &queue, &err));
  uint64_t at = 0;
  for (uint64_t i = 0; i < WRITES; i++) {
    size_t len = i * 7919 % 90001;
    fill(bytes, len, at);
    if (i % 5 == 4) OK(weir_spill_writer_write(writer, bytes, len, -1, &err)); /* waits for those before it */
    else if (i % 5 == 3) OK(weir_spill_writer_writev_async(writer, (WeirBytes[]){{bytes, len / 3}, {bytes + len / 3, len - len / 3}}, 2, TO(i), &err));
    else OK(weir_spill_writer_write_async(writer, bytes, len, TO(i), &err));
    at += len;
  }
  OK(weir_spill_writer_finish_async(writer, TO(WRITES), &err)); /* the last in the queue */
  WeirSpill *spill = NULL;
  bool seen[WRITES + 1] = {false};
  for (int i = 0; i < WRITES - WRITES / 5 + 1; i++) {
    WeirEvent event = next_event(queue);
    CHECK_EQ(event.status, WEIR_STATUS_OK);
    CHECK(event.token <= WRITES && !seen[event.token]); /* exactly once */
    seen[event.token] = true;
    if (event.token == WRITES) spill = event.result;
  }
  CHECK_EQ(weir_spill_len(spill), at);
  const uint8_t *data = NULL;
  size_t len = 0;
  OK(weir_spill_map(spill, &data, &len, &err));
  is_filled(data, len, 0);
  weir_spill_free(spill);
  weir_spill_writer_free(writer);
  weir_queue_free(queue);
  weir_spill_store_free(store);
  free(bytes);
  free(dir);
}

/* ---- Ends under fire ---- */

typedef struct {
  WeirSpillWriter *writer;
  int kind;
  atomic_int started;
  int ok, closed, other;
} Spiller;

static void *spill_on(void *argument) {
  Spiller *s = argument;
  uint8_t bytes[5000];
  memset(bytes, s->kind, sizeof bytes);
  for (int i = 0; i < 400; i++) {
    WeirError *error = NULL;
    WeirBytes parts[2] = {{bytes, 2000}, {bytes + 2000, 3000}};
    WeirStatus status = s->kind % 2 ? weir_spill_writer_write(s->writer, bytes, sizeof bytes, -1, &error)
                                    : weir_spill_writer_writev(s->writer, parts, 2, -1, &error);
    s->ok += status == WEIR_STATUS_OK;
    s->closed += status == WEIR_STATUS_CLOSED;
    s->other += status != WEIR_STATUS_OK && status != WEIR_STATUS_CLOSED;
    weir_error_free(error);
    atomic_store(&s->started, 1);
  }
  return NULL;
}

/* Several threads write; one finishes or aborts. Whole writes only, in one piece each, and none after the end. PITFALLS X8. */
static void writers_under_fire(const char *dir, bool aborted) {
  enum { THREADS = 4 };
  WeirSpillStore *store = store_at(dir, UINT64_MAX);
  WeirSpillWriter *writer = begin(store);
  Spiller spillers[THREADS];
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    memset(&spillers[i], 0, sizeof spillers[i]);
    spillers[i].writer = writer;
    spillers[i].kind = i + 1;
    pthread_create(&threads[i], NULL, spill_on, &spillers[i]);
  }
  EVENTUALLY(atomic_load(&spillers[0].started) && atomic_load(&spillers[THREADS - 1].started));
  WeirSpill *spill = NULL;
  if (aborted) OK(weir_spill_writer_abort(writer, &err));
  else OK(weir_spill_writer_finish(writer, -1, &spill, &err));
  int ok = 0;
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    ok += spillers[i].ok;
    CHECK_EQ(spillers[i].ok + spillers[i].closed, 400);
    CHECK_EQ(spillers[i].other, 0);
  }
  if (aborted) {
    CHECK_EQ(weir_spill_store_used_bytes(store), 0);
  } else {
    CHECK_EQ(weir_spill_len(spill), (int64_t)ok * 5000);
    const uint8_t *data = NULL;
    size_t len = 0;
    OK(weir_spill_map(spill, &data, &len, &err));
    for (size_t at = 0; at < len; at += 5000) {
      if (!CHECK(memcmp(data + at, data + at + 1, 4999) == 0)) break; /* all bytes the same */
    }
  }
  weir_spill_free(spill);
  weir_spill_writer_free(writer);
  CHECK_EQ(weir_spill_store_used_bytes(store), 0);
  weir_spill_store_free(store);
}

static void test_finish_and_abort_under_fire(void) {
  char *dir = new_root();
  writers_under_fire(NULL, false);
  writers_under_fire(NULL, true);
  writers_under_fire(dir, false);
  writers_under_fire(dir, true);
  CHECK_EQ(files_below(dir), 0);
  free(dir);
}

/* PITFALLS X4: what was accepted completes once, also when the writer is aborted or freed meanwhile. */
static void test_completions_come_once_however_the_writer_ends(void) {
  char *dir = new_root();
  WeirSpillStore *store = store_at(dir, UINT64_MAX);
  uint8_t *bytes = calloc(1, 70000);
  if (bytes == NULL) abort();
  for (int how = 0; how < 3; how++) {
    enum { WRITES = 60 };
    WeirQueue *queue = NULL;
    WeirSpillWriter *writer = begin(store);
    bool seen[WRITES] = {false};
    OK(weir_queue_new(NULL, &queue, &err));
    for (uint64_t i = 0; i < WRITES; i++) {
      OK(weir_spill_writer_write_async(writer, bytes, 70000, TO(i), &err));
      if (how == 0 && i == WRITES / 2) OK(weir_spill_writer_abort(writer, &err));
    }
    if (how == 1) OK(weir_spill_writer_abort(writer, &err));
    weir_spill_writer_free(writer);
    int ok = 0;
    for (int i = 0; i < WRITES; i++) {
      WeirEvent event = next_event(queue);
      CHECK(event.status == WEIR_STATUS_OK || event.status == WEIR_STATUS_CLOSED);
      CHECK(event.token < WRITES && !seen[event.token]);
      seen[event.token] = true;
      ok += event.status == WEIR_STATUS_OK;
      weir_event_clear(&event);
    }
    if (how == 0) CHECK(ok <= WRITES / 2 + 1);
    if (how == 2) CHECK_EQ(ok, WRITES); /* freed only: what was accepted is done before it is aborted */
    WeirEvent none;
    size_t n = 0;
    FAILS(weir_queue_next(queue, &none, 1, 0, &n, &err), TIMED_OUT);
    weir_queue_free(queue);
    EVENTUALLY(weir_spill_store_used_bytes(store) == 0 && files_below(dir) == 0);
  }
  weir_spill_store_free(store);
  free(bytes);
  free(dir);
}

static void *read_all(void *argument) {
  WeirSpill *spill = argument;
  const WeirSpillReadOptions map = mapping(1);
  for (int i = 0; i < 100; i++) {
    struct ArrowArray batch = {0};
    WeirError *error = NULL;
    if (weir_spill_batch(spill, (size_t)i % 7, i % 2 ? &map : NULL, -1, &batch, &error) == WEIR_STATUS_OK) {
      batch_is(&batch, 10, i % 7 * 10);
      batch.release(&batch);
    } else {
      fail_at(__FILE__, __LINE__, "%s", weir_error_message(error));
      weir_error_free(error);
    }
  }
  return NULL;
}

static void test_many_threads_read_one_spill(void) {
  char *dir = new_root();
  WeirSpillStore *store = store_at(dir, UINT64_MAX);
  WeirSpill *spill = spill_batches(store, 7, 0);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, read_all, spill);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  weir_spill_free(spill);
  CHECK_EQ(weir_spill_store_used_bytes(store), 0);
  weir_spill_store_free(store);
  free(dir);
}

/* PITFALLS X4: after the runtime was shut down nothing is accepted, and blocking calls on a local store still work. */
static void test_after_shutdown(void) {
  char *dir = new_root();
  WeirSpillStore *store = store_at(dir, UINT64_MAX);
  WeirSpillWriter *writer = begin(store);
  uint8_t bytes[100];
  size_t n;
  fill(bytes, sizeof bytes, 0);
  OK(weir_runtime_shutdown(20000, &err));
  WeirQueue *queue = NULL;
  OK(weir_queue_new(NULL, &queue, &err));
  FAILS(weir_spill_writer_write_async(writer, bytes, sizeof bytes, TO(1), &err), CLOSED);
  CHECK_EQ(weir_spill_writer_len(writer), 0);
  OK(weir_spill_writer_write(writer, bytes, sizeof bytes, -1, &err));
  WeirSpill *spill = finish(writer);
  OK(weir_spill_read_at(spill, 0, bytes, sizeof bytes, -1, &n, &err));
  is_filled(bytes, n, 0);
  weir_spill_free(spill);
  CHECK_EQ(weir_spill_store_used_bytes(store), 0);
  weir_queue_free(queue);
  weir_spill_store_free(store);
  free(dir);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  session = session_new();
  RUN(test_every_operation_by_completion);
  RUN(test_every_backend_and_time_that_is_up);
  RUN(test_asynchronous_writes_keep_their_order);
  RUN(test_finish_and_abort_under_fire);
  RUN(test_completions_come_once_however_the_writer_ends);
  RUN(test_many_threads_read_one_spill);
  RUN(test_after_shutdown); /* the last */
  weir_session_free(session);
  check_all_released();
  return harness_finish(argv[0]);
}
