/* How spills, writers and stores end: lost by a full disk, given up while they wait, closed with deletions under way. */
#include "spill_build.h"

#include <signal.h>
#include <sys/resource.h>

/* A store of objects that waits before every request. */
static WeirSpillStore *slow_store(const char *url, const char *latency_ms) {
  const WeirKeyValue latency = {"weir_simulated_latency_ms", latency_ms};
  WeirSessionOptions session_options = WEIR_SESSION_OPTIONS_INIT;
  WeirSpillStoreOptions options = WEIR_SPILL_STORE_OPTIONS_INIT;
  WeirSession *slow = NULL;
  WeirSpillStore *store = NULL;
  session_options.store_settings = &latency;
  session_options.store_settings_len = 1;
  OK(weir_session_new(&session_options, &slow, &err));
  options.backend = WEIR_SPILL_BACKEND_OBJECT;
  options.location = url;
  OK(weir_spill_store_new(slow, &options, &store, &err));
  weir_session_free(slow);
  return store;
}

static char *file_url(const char *dir) {
  char *url = malloc(strlen(dir) + 8);
  if (url == NULL) abort();
  sprintf(url, "file://%s", dir);
  return url;
}

/* What is in a directory, hidden or not. */
static int entries_of(const char *path) {
  int entries = -2; /* . and .. */
  DIR *dir = opendir(path);
  if (dir == NULL) return -1;
  while (readdir(dir) != NULL) entries++;
  closedir(dir);
  return entries;
}

/* ---- A full disk ---- */

/* The error of a spill that is lost: the same from now on, whoever asks. */
static void is_lost(WeirSpillWriter *writer, bool batches) {
  WeirSpill *none = NULL;
  struct ArrowArray batch = {0};
  if (batches) batch = batch_new(1, 0);
  WeirStatus status =
      batches ? weir_spill_writer_write_batch(writer, &batch, -1, &err) : weir_spill_writer_write(writer, (const uint8_t *)"x", 1, -1, &err);
  CHECK_EQ(status, WEIR_STATUS_STORAGE_FULL);
  CHECK_EQ(detail(err, "spill_lost"), 1);
  weir_error_free(err);
  CHECK_EQ(weir_spill_writer_finish(writer, -1, &none, &err), WEIR_STATUS_STORAGE_FULL);
  CHECK_EQ(detail(err, "spill_lost"), 1);
  weir_error_free(err);
  err = NULL;
  CHECK(none == NULL);
  weir_spill_writer_free(writer);
}

/* PITFALLS S7: where files may not grow any more, as on a full disk: a clear error, the partial file is gone, its bytes are back, the others
 * work on. */
static void test_a_full_disk(void) {
  enum { MOST = 1 << 20, PIECE = 100000 };
  struct rlimit before, limited;
  char *dir = new_root();
  WeirSpillStore *store = store_at(dir, UINT64_MAX);
  uint8_t *bytes = calloc(1, PIECE);
  if (bytes == NULL) abort();
  WeirSpill *neighbour = spill_of(store, 300000);
  CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
  CHECK_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  limited = before;
  limited.rlim_cur = MOST;
  CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limited), 0);
  for (int batches = 0; batches < 2; batches++) {
    WeirSpillWriter *writer = batches ? begin_batches(store, 0) : begin(store);
    WeirStatus status = WEIR_STATUS_OK;
    uint64_t accepted = 0;
    for (int i = 0; i < 100 && status == WEIR_STATUS_OK; i++) {
      struct ArrowArray batch = {0};
      if (batches) batch = batch_new(4000, 0);
      accepted = weir_spill_writer_len(writer);
      status = batches ? weir_spill_writer_write_batch(writer, &batch, -1, &err) : weir_spill_writer_write(writer, bytes, PIECE, -1, &err);
    }
    CHECK_EQ(status, WEIR_STATUS_STORAGE_FULL);
    CHECK(accepted > MOST / 2 && accepted <= MOST + 65536);
    CHECK_EQ(detail(err, "spill_lost"), 1);
    CHECK(strstr(weir_error_message(err), dir) != NULL); /* names the file */
    weir_error_free(err);
    err = NULL;
    CHECK_EQ(weir_spill_store_used_bytes(store), 300000);
    CHECK_EQ(files_below(dir), 1);
    is_lost(writer, batches);
    WeirSpill *next = spill_of(store, 500000);
    CHECK_EQ(weir_spill_len(next), 500000);
    weir_spill_free(next);
  }
  CHECK_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, SIG_DFL);
  weir_spill_free(spill_of(store, 3 * MOST));
  weir_spill_free(neighbour);
  CHECK_EQ(weir_spill_store_used_bytes(store), 0);
  CHECK_EQ(files_below(dir), 0);
  weir_spill_store_free(store);
  free(bytes);
  free(dir);
}

/* ---- Waits that are given up ---- */

static void times_out_after(WeirSpillWriter *writer, int64_t batches, int64_t rows, uint64_t accepted) {
  struct ArrowArrayStream stream = stream_new(batches, rows, 0);
  CHECK_EQ(weir_spill_writer_write_stream(writer, &stream, 0, &err), WEIR_STATUS_TIMED_OUT);
  CHECK_EQ(detail(err, "accepted"), accepted);
  weir_error_free(err);
  err = NULL;
  CHECK(stream.release == NULL);
}

/* Also where the store is what is waited for, it is known how far a stream came. */
static void test_a_stream_that_is_given_up_says_how_far_it_came(void) {
  enum { ROWS = 500000 }; /* more than the part of an object, 8 MiB */
  WeirSpillStore *store = slow_store("memory://test-spill-ends/stream", "100");
  WeirSpillWriter *writer = begin_batches(store, 0);
  times_out_after(writer, 1, 10, 0); /* the store's place is not made yet */
  CHECK_EQ(weir_spill_writer_len(writer), 0);
  struct ArrowArray first = batch_new(10, 0);
  OK(weir_spill_writer_write_batch(writer, &first, -1, &err));
  times_out_after(writer, 3, ROWS, 1); /* its second batch waits for the first one's part */
  WeirSpill *spill = finish(writer);
  CHECK_EQ(weir_spill_rows(spill), 10 + ROWS);
  CHECK_EQ(weir_spill_batch_count(spill), 2);
  weir_spill_free(spill);
  /* A stream of other columns comes to nothing, and says so. */
  struct ArrowArrayStream other = stream_new(1, 1, 0);
  ((StreamParts *)other.private_data)->other_schema = true;
  writer = begin_batches(store, 0);
  CHECK_EQ(weir_spill_writer_write_stream(writer, &other, -1, &err), WEIR_STATUS_SCHEMA_MISMATCH);
  CHECK_EQ(detail(err, "accepted"), 0);
  weir_error_free(err);
  err = NULL;
  weir_spill_writer_free(writer);
  OK(weir_spill_store_close(store, -1, &err));
  weir_spill_store_free(store);
}

/* A seek waits for the reads before it, and not longer than it may. */
static void test_a_seek_that_is_given_up_leaves_the_reader_where_it_was(void) {
  WeirSpillStore *store = slow_store("memory://test-spill-ends/seek", "300");
  WeirSpill *spill = spill_of(store, 5000);
  WeirSpillReader *reader = NULL;
  WeirQueue *queue = NULL;
  uint8_t bytes[100];
  size_t n = 0;
  OK(weir_queue_new(NULL, &queue, &err));
  OK(weir_spill_reader(spill, &reader, &err));
  OK(weir_spill_reader_read_async(reader, 1000, TO(1), &err));
  FAILS(weir_spill_reader_seek(reader, 7, 0, &err), TIMED_OUT);
  WeirBuffer *first = COMPLETES(WEIR_STATUS_OK, OK, BUFFER);
  CHECK_EQ(weir_buffer_len(first), 1000);
  weir_buffer_free(first);
  OK(weir_spill_reader_read(reader, bytes, sizeof bytes, -1, &n, &err));
  is_filled(bytes, n, 1000);
  OK(weir_spill_reader_seek(reader, 7, 0, &err));
  OK(weir_spill_reader_read(reader, bytes, sizeof bytes, -1, &n, &err));
  is_filled(bytes, n, 7);
  weir_spill_reader_free(reader);
  weir_spill_free(spill);
  weir_queue_free(queue);
  weir_spill_store_free(store);
}

static atomic_bool gate_reached, gate_open;

static void wait_at_the_gate(struct ArrowArray *array) {
  (void)array;
  atomic_store(&gate_reached, true);
  while (!atomic_load(&gate_open)) sleep_ms(1);
}

/* However many calls wait for their turn, they take no threads: only who has it works. */
static void test_calls_that_wait_for_their_turn_take_no_threads(void) {
  enum { WAITING = 300, FEW = 100 };
  char *dir = new_root();
  WeirSpillStore *store = store_at(dir, UINT64_MAX);
  WeirSpillWriter *writer = begin_batches(store, 0);
  struct ArrowArrayStream stream = stream_new(1, 10, 0);
  WeirQueue *queue = NULL;
  OK(weir_queue_new(NULL, &queue, &err));
  ((StreamParts *)stream.private_data)->damage = wait_at_the_gate;
  OK(weir_spill_writer_write_stream_async(writer, &stream, TO(0), &err));
  EVENTUALLY(atomic_load(&gate_reached));
  for (uint64_t i = 1; i <= WAITING; i++) {
    struct ArrowArray batch = batch_new(10, (int64_t)i * 10);
    OK(weir_spill_writer_write_batch_async(writer, &batch, TO(i), &err));
  }
  OK(weir_spill_writer_finish_async(writer, TO(WAITING + 1), &err));
  CHECK(entries_of("/proc/self/task") < FEW); /* -1 where there is no such directory */
  atomic_store(&gate_open, true);
  WeirSpill *spill = NULL;
  for (int i = 0; i < WAITING + 2; i++) {
    WeirEvent event = next_event(queue);
    CHECK_EQ(event.status, WEIR_STATUS_OK);
    if (event.token == WAITING + 1) spill = event.result;
  }
  CHECK_EQ(weir_spill_batch_count(spill), WAITING + 1);
  for (size_t i = 0; i <= WAITING; i += 50) {
    struct ArrowArray batch = {0};
    OK(weir_spill_batch(spill, i, NULL, -1, &batch, &err));
    batch_is(&batch, 10, (int64_t)i * 10); /* in the order of the calls */
    batch.release(&batch);
  }
  weir_spill_free(spill);
  weir_spill_writer_free(writer);
  weir_queue_free(queue);
  weir_spill_store_free(store);
  free(dir);
}

/* ---- Stores that are closed ---- */

static void begins_nothing(WeirSpillStore *store) {
  struct ArrowSchema schema = batch_schema();
  WeirSpillWriter *none = (WeirSpillWriter *)(uintptr_t)8;
  FAILS(weir_spill_begin(store, NULL, &none, &err), CLOSED);
  CHECK(none == NULL);
  FAILS(weir_spill_begin_batches(store, &schema, NULL, &none, &err), CLOSED);
  CHECK(none == NULL);
  schema.release(&schema);
}

/* PITFALLS S6: objects are deleted in the background; who closes the store before he leaves leaves nothing behind. */
static void test_a_close_waits_for_deletions(void) {
  char *dir = new_root(), *url = file_url(dir);
  CHECK_EQ(mkdir(dir, 0700), 0);
  WeirSpillStore *store = slow_store(url, "100"), *child = NULL;
  OK(weir_spill_store_child(store, UINT64_MAX, &child, &err));
  WeirSpill *freed = spill_of(child, 5000), *alive = spill_of(store, 5000);
  WeirSpillWriter *unfinished = begin(store);
  write_bytes(unfinished, 9 << 20, 1 << 20); /* more than a part */
  CHECK_EQ(entries_of(dir), 1);
  weir_spill_free(freed);
  weir_spill_writer_free(unfinished);
  FAILS(weir_spill_store_close(store, 0, &err), TIMED_OUT);
  begins_nothing(store);
  begins_nothing(child);
  OK(weir_spill_store_close(store, -1, &err));
  CHECK_EQ(files_below(dir), 2); /* the living spill's, and the one that says so */
  CHECK_EQ(weir_spill_store_used_bytes(store), 5000);
  uint8_t bytes[5000];
  size_t n = 0;
  OK(weir_spill_read_at(alive, 0, bytes, sizeof bytes, -1, &n, &err));
  CHECK_EQ(n, 5000);
  is_filled(bytes, n, 0);
  weir_spill_free(alive);
  WeirQueue *queue = NULL;
  OK(weir_queue_new(NULL, &queue, &err));
  COMPLETES(weir_spill_store_close_async(store, TO(1), NULL), OK, NONE);
  CHECK_EQ(entries_of(dir), 0);
  CHECK_EQ(weir_spill_store_used_bytes(store), 0);
  OK(weir_spill_store_close(child, -1, &err));
  weir_queue_free(queue);
  weir_spill_store_free(child);
  weir_spill_store_free(store);
  free(url);
  free(dir);
}

/* Where all is deleted at once, a close waits for nothing. */
static void test_a_close_of_a_local_store(void) {
  char *dir = new_root();
  WeirSpillStore *stores[] = {store_at(NULL, UINT64_MAX), store_at(dir, UINT64_MAX)};
  for (int i = 0; i < 2; i++) {
    WeirSpill *alive = spill_of(stores[i], 100000);
    OK(weir_spill_store_close(stores[i], 0, &err));
    begins_nothing(stores[i]);
    CHECK_EQ(weir_spill_store_used_bytes(stores[i]), 100000);
    weir_spill_free(alive);
    OK(weir_spill_store_close(stores[i], 0, &err)); /* again */
    CHECK_EQ(weir_spill_store_used_bytes(stores[i]), 0);
    if (i == 1) CHECK_EQ(entries_of(dir), 0);
    weir_spill_store_free(stores[i]);
  }
  free(dir);
}

/* What a program frees just before it shuts weir down is deleted as well. */
static void test_a_shutdown_waits_for_deletions(void) {
  char *dir = new_root(), *url = file_url(dir);
  CHECK_EQ(mkdir(dir, 0700), 0);
  WeirSpillStore *store = slow_store(url, "100");
  weir_spill_free(spill_of(store, 5000));
  weir_spill_store_free(store);
  CHECK_EQ(entries_of(dir), 1);
  OK(weir_runtime_shutdown(20000, &err));
  CHECK_EQ(entries_of(dir), 0);
  free(url);
  free(dir);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  session = session_new();
  RUN(test_a_full_disk);
  RUN(test_a_stream_that_is_given_up_says_how_far_it_came);
  RUN(test_a_seek_that_is_given_up_leaves_the_reader_where_it_was);
  RUN(test_calls_that_wait_for_their_turn_take_no_threads);
  RUN(test_a_close_waits_for_deletions);
  RUN(test_a_close_of_a_local_store);
  RUN(test_a_shutdown_waits_for_deletions); /* the last */
  weir_session_free(session);
  check_all_released();
  return harness_finish(argv[0]);
}
