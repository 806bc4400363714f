/* Spill stores and spills of bytes: what comes back, what is refused and how, and that nothing is left. */
#include "spill_build.h"

/* ---- Stores ---- */

static void new_fails(const WeirSpillStoreOptions *options, int line) {
  WeirSpillStore *store = (WeirSpillStore *)(uintptr_t)8;
  err = ERR_GARBAGE;
  check_status(weir_spill_store_new(session, options, &store, &err), WEIR_STATUS_INVALID_ARGUMENT, NULL, "weir_spill_store_new", __FILE__, line);
  CHECK(store == NULL);
}

static void test_options_are_validated(void) {
#define WITH(kind, field, value)                                     \
  do {                                                               \
    WeirSpillStoreOptions options = WEIR_SPILL_STORE_OPTIONS_INIT;   \
    options.backend = WEIR_SPILL_BACKEND_##kind;                     \
    if (options.backend == WEIR_SPILL_BACKEND_OBJECT) options.location = "memory://spills"; \
    options.field = value;                                           \
    new_fails(&options, __LINE__);                                   \
  } while (0)
  WITH(LOCAL, backend, -1);
  WITH(LOCAL, backend, 4);
  WITH(LOCAL, backend, INT32_MAX);
  WITH(LOCAL, reserved, 1);
  WITH(LOCAL, struct_size, 0);
  WITH(LOCAL, struct_size, (uint32_t)sizeof(WeirSpillStoreOptions) - 1);
  WITH(LOCAL, struct_size, UINT32_MAX);
  WITH(LOCAL, location, "");
  WITH(LOCAL, location, "\xff");
  WITH(LOCAL, min_free_bytes, -2);
  WITH(LOCAL, min_free_bytes, INT64_MIN);
  WITH(LOCAL, memory_bytes, 1);
  WITH(LOCAL, buffer_bytes, UINT32_MAX);
  WITH(MEMORY, location, "somewhere");
  WITH(MEMORY, min_free_bytes, 5);
  WITH(MEMORY, memory_bytes, 5);
  WITH(OBJECT, location, NULL);
  WITH(OBJECT, reclaim_age_ms, -2);
  WITH(OBJECT, reclaim_age_ms, 0);
#undef WITH
  WeirSpillStoreOptions options = WEIR_SPILL_STORE_OPTIONS_INIT;
  FAILS(weir_spill_store_new(session, &options, NULL, &err), INVALID_ARGUMENT);
  WeirSpillStore *store = NULL;
  FAILS(weir_spill_store_new((WeirSession *)(uintptr_t)3, NULL, &store, &err), INVALID_ARGUMENT);
  weir_spill_store_options_init(NULL, 56);
  weir_spill_options_init(NULL, 16);
  weir_spill_read_options_init(NULL, 8);
  struct {
    WeirSpillStoreOptions options;
    uint8_t tail[16];
  } longer;
  memset(&longer, 0, sizeof longer);
  weir_spill_store_options_init(&longer.options, sizeof longer);
  CHECK_EQ(longer.options.struct_size, sizeof longer);
  OK(weir_spill_store_new(NULL, &longer.options, &store, &err));
  weir_spill_store_free(store);
  longer.tail[9] = 1;
  new_fails(&longer.options, __LINE__);
}

static void test_options_of_a_spill_are_validated(void) {
  WeirSpillStore *store = store_at(NULL, UINT64_MAX);
  struct ArrowSchema schema = batch_schema();
#define WITH(field, value)                                                                                  \
  do {                                                                                                      \
    WeirSpillOptions options = WEIR_SPILL_OPTIONS_INIT;                                                     \
    WeirSpillWriter *writer = (WeirSpillWriter *)(uintptr_t)8;                                              \
    options.field = value;                                                                                  \
    FAILS(weir_spill_begin(store, &options, &writer, &err), INVALID_ARGUMENT);                              \
    CHECK(writer == NULL);                                                                                  \
    writer = (WeirSpillWriter *)(uintptr_t)8;                                                               \
    FAILS(weir_spill_begin_batches(store, &schema, &options, &writer, &err), INVALID_ARGUMENT);             \
    CHECK(writer == NULL);                                                                                  \
  } while (0)
  WITH(struct_size, 0);
  WITH(struct_size, 15);
  WITH(compression, -1);
  WITH(compression, 3);
  WITH(encrypt, 2);
  WITH(validate, 255);
  WITH(reserved[5], 1);
#undef WITH
  WeirSpillOptions options = WEIR_SPILL_OPTIONS_INIT;
  WeirSpillWriter *writer = NULL;
  options.compression = WEIR_COMPRESSION_LZ4;
  FAILS_SAYING(weir_spill_begin(store, &options, &writer, &err), INVALID_ARGUMENT, "batches");
  FAILS(weir_spill_begin(NULL, NULL, &writer, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_begin(store, NULL, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_begin_batches(NULL, &schema, NULL, &writer, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_begin_batches(store, NULL, NULL, &writer, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_begin_batches(store, &schema, NULL, NULL, &err), INVALID_ARGUMENT);
  CHECK(schema.release != NULL);
  schema.release(&schema);
  WeirSpillStats stats = WEIR_SPILL_STATS_INIT;
  OK(weir_spill_store_stats(store, &stats, &err));
  CHECK_EQ(stats.open_writers, 0);
  weir_spill_store_free(store);
}

static void test_a_store_counts_what_it_holds(void) {
  char *dir = new_root();
  WeirSpillStore *store = store_at(dir, 1000000), *child = NULL;
  CHECK_EQ(weir_spill_store_cap_bytes(store), 1000000);
  OK(weir_spill_store_child(store, UINT64_MAX, &child, &err));
  CHECK(weir_spill_store_cap_bytes(child) == UINT64_MAX);
  CHECK(access(dir, F_OK) != 0); /* PITFALLS S9: not before it is used */
  WeirSpill *spill = spill_of(child, 300000);
  WeirSpillWriter *writer = begin(store);
  write_bytes(writer, 100, 100);
  WeirSpillStats stats = WEIR_SPILL_STATS_INIT;
  OK(weir_spill_store_stats(store, &stats, &err));
  CHECK_EQ(stats.live_bytes, 300100);
  CHECK_EQ(stats.cap_bytes, 1000000);
  CHECK_EQ(stats.open_spills, 1);
  CHECK_EQ(stats.open_writers, 1);
  CHECK_EQ(stats.spills_total, 1);
  CHECK(stats.written_bytes >= 300000);
  CHECK_EQ(weir_spill_store_used_bytes(child), 300000);
  OK(weir_spill_store_stats(child, &stats, &err));
  CHECK_EQ(stats.live_bytes, 300000);
  WeirBuffer *text = NULL;
  OK(weir_metrics_prometheus(session, &text, &err));
  CHECK(strstr(weir_buffer_data(text), "weir_spill_live_bytes") != NULL);
  weir_buffer_free(text);
  weir_spill_free(spill);
  weir_spill_writer_free(writer);
  OK(weir_spill_store_stats(store, &stats, &err));
  CHECK_EQ(stats.live_bytes, 0);
  CHECK(stats.peak_bytes >= 300100);
  CHECK_EQ(stats.open_writers, 0);
  CHECK_EQ(files_below(dir), 0);

  stats.struct_size = 12; /* an older caller's: as much as fits */
  stats.peak_bytes = 77;
  OK(weir_spill_store_stats(store, &stats, &err));
  CHECK_EQ(stats.peak_bytes, 77);
  stats.struct_size = 0;
  FAILS(weir_spill_store_stats(store, &stats, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_store_stats(store, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_store_stats(NULL, &stats, &err), INVALID_ARGUMENT);
  weir_spill_store_free(child);
  FAILS(weir_spill_store_child(NULL, 1, &child, &err), INVALID_ARGUMENT);
  CHECK(child == NULL);
  FAILS(weir_spill_store_child(store, 1, NULL, &err), INVALID_ARGUMENT);
  weir_spill_store_free(store);
  CHECK_EQ(weir_spill_store_used_bytes(NULL), 0);
  CHECK_EQ(weir_spill_store_cap_bytes(NULL), 0);
  weir_spill_store_free(NULL);
  free(dir);
}

static void test_a_session_has_a_spill_store(void) {
  WeirSpillStoreOptions in_memory = WEIR_SPILL_STORE_OPTIONS_INIT;
  WeirSpillStore *given = NULL, *got = NULL;
  in_memory.backend = WEIR_SPILL_BACKEND_MEMORY;
  in_memory.cap_bytes = 4321;
  OK(weir_spill_store_new(NULL, &in_memory, &given, &err));
  WeirSessionOptions options = WEIR_SESSION_OPTIONS_INIT;
  WeirSession *with = NULL, *without = session_new();
  options.spill = given;
  OK(weir_session_new(&options, &with, &err));
  OK(weir_session_spill_store(with, &got, &err));
  CHECK_EQ(weir_spill_store_cap_bytes(got), 4321);
  WeirSpill *spill = spill_of(got, 1000);
  CHECK_EQ(weir_spill_store_used_bytes(given), 1000); /* one and the same */
  WeirBuffer *metrics = NULL; /* it is shown by the session that it was given to, though it was made without one */
  OK(weir_metrics_prometheus(with, &metrics, &err));
  CHECK(strstr(weir_buffer_data(metrics), "\nweir_spill_live_bytes 1000\n") != NULL);
  weir_buffer_free(metrics);
  weir_spill_store_free(got);
  weir_session_free(with);
  CHECK_EQ(weir_spill_store_used_bytes(given), 1000);
  weir_spill_free(spill);
  OK(weir_session_spill_store(without, &got, &err));
  CHECK(weir_spill_store_cap_bytes(got) == UINT64_MAX);
  weir_spill_store_free(got);
  FAILS(weir_session_spill_store(without, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_session_spill_store(NULL, &got, &err), INVALID_ARGUMENT);
  options.spill = (const WeirSpillStore *)without; /* a handle of another type */
  with = (WeirSession *)(uintptr_t)8;
  FAILS(weir_session_new(&options, &with, &err), INVALID_ARGUMENT);
  CHECK(with == NULL);
  weir_session_free(without);
  weir_spill_store_free(given);
}

/* ---- Bytes ---- */

static void bytes_round_trip(WeirSpillStore *store, size_t len, size_t chunk) {
  WeirSpillWriter *writer = begin(store);
  write_bytes(writer, len, chunk);
  CHECK_EQ(weir_spill_writer_len(writer), len);
  WeirSpill *spill = NULL;
  OK(weir_spill_writer_finish(writer, -1, &spill, &err));
  CHECK_EQ(weir_spill_writer_len(writer), len); /* also after the end */
  weir_spill_writer_free(writer);
  CHECK_EQ(weir_spill_len(spill), len);
  CHECK_EQ(weir_spill_stored_bytes(spill), len);
  CHECK_EQ(weir_spill_rows(spill), 0);
  CHECK_EQ(weir_spill_batch_count(spill), 0);
  CHECK_EQ(weir_spill_store_used_bytes(store), len);

  uint8_t *bytes = malloc(len + 100);
  if (bytes == NULL) abort();
  size_t n = 99;
  OK(weir_spill_read_at(spill, 0, bytes, len + 100, -1, &n, &err));
  CHECK_EQ(n, len);
  is_filled(bytes, n, 0);
  for (uint64_t offset = 0; offset <= len + 1; offset += len / 3 + 1) {
    OK(weir_spill_read_at(spill, offset, bytes, 17, -1, &n, &err));
    CHECK_EQ(n, offset >= len ? 0 : len - offset < 17 ? len - offset : 17);
    is_filled(bytes, n, offset);
  }
  OK(weir_spill_read_at(spill, UINT64_MAX, bytes, 17, -1, &n, &err));
  CHECK_EQ(n, 0);

  WeirSpillReader *reader = NULL;
  OK(weir_spill_reader(spill, &reader, &err));
  uint64_t at = 0;
  for (size_t want = 1;; want = want * 3 % 5000 + 1) {
    memset(bytes, 0, want < len ? want : len);
    OK(weir_spill_reader_read(reader, bytes, want < len + 100 ? want : len + 100, -1, &n, &err));
    is_filled(bytes, n, at);
    at += n;
    if (n == 0) break;
  }
  CHECK_EQ(at, len);
  OK(weir_spill_reader_seek(reader, len / 2, 0, &err));
  OK(weir_spill_reader_read(reader, bytes, len + 100, -1, &n, &err));
  CHECK_EQ(n, len - len / 2);
  is_filled(bytes, n, len / 2);
  OK(weir_spill_reader_seek(reader, UINT64_MAX, -1, &err));
  OK(weir_spill_reader_read(reader, bytes, 1, -1, &n, &err));
  CHECK_EQ(n, 0);

  const uint8_t *data = (const uint8_t *)(uintptr_t)8, *again = NULL;
  OK(weir_spill_map(spill, &data, &n, &err));
  CHECK_EQ(n, len);
  CHECK((data == NULL) == (len == 0)); /* PITFALLS X6 */
  is_filled(data, n, 0);
  OK(weir_spill_map(spill, &again, &n, &err));
  CHECK(again == data);

  weir_spill_free(spill); /* the reader keeps the bytes */
  CHECK_EQ(weir_spill_store_used_bytes(store), len);
  OK(weir_spill_reader_seek(reader, 0, -1, &err));
  OK(weir_spill_reader_read(reader, bytes, len + 100, -1, &n, &err));
  CHECK_EQ(n, len);
  is_filled(bytes, n, 0);
  weir_spill_reader_free(reader);
  CHECK_EQ(weir_spill_store_used_bytes(store), 0);
  free(bytes);
}

static void test_bytes_come_back(void) {
  char *dir = new_root();
  WeirSpillStore *stores[] = {store_at(NULL, UINT64_MAX), store_at(dir, UINT64_MAX)};
  for (int i = 0; i < 2; i++) {
    bytes_round_trip(stores[i], 0, 1);
    bytes_round_trip(stores[i], 1, 1);
    bytes_round_trip(stores[i], 65536, 4096);
    bytes_round_trip(stores[i], 200001, 70000);
    bytes_round_trip(stores[i], 300000, 4099);
    weir_spill_store_free(stores[i]);
  }
  CHECK_EQ(files_below(dir), 0);
  free(dir);
}

static void test_bytes_in_parts(void) {
  char *dir = new_root();
  WeirSpillStore *store = store_at(dir, UINT64_MAX);
  WeirSpillWriter *writer = begin(store);
  enum { LEN = 250000 };
  uint8_t *bytes = malloc(LEN), *back = malloc(LEN);
  if (bytes == NULL || back == NULL) abort();
  fill(bytes, LEN, 0);
  size_t at = 0;
  for (size_t i = 1; at < LEN; i++) {
    WeirBytes parts[4] = {{NULL, 0}};
    for (size_t p = 1; p < 4; p++) {
      size_t n = i * 977 * p % 30000;
      if (n > LEN - at) n = LEN - at;
      parts[p] = (WeirBytes){bytes + at, n};
      at += n;
    }
    OK(weir_spill_writer_writev(writer, parts, 4, -1, &err));
  }
  OK(weir_spill_writer_writev(writer, NULL, 0, -1, &err));
  WeirBytes wrong[] = {{bytes, 1}, {NULL, 1}};
  FAILS(weir_spill_writer_writev(writer, wrong, 2, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_writer_writev(writer, NULL, 1, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_writer_writev(NULL, wrong, 1, -1, &err), INVALID_ARGUMENT);
  wrong[0].len = SIZE_MAX;
  FAILS(weir_spill_writer_writev(writer, wrong, 1, -1, &err), INVALID_ARGUMENT);
  CHECK_EQ(weir_spill_writer_len(writer), LEN);
  WeirSpill *spill = finish(writer);
  size_t n;
  OK(weir_spill_read_at(spill, 0, back, LEN, -1, &n, &err));
  CHECK(n == LEN && memcmp(bytes, back, LEN) == 0);
  weir_spill_free(spill);
  weir_spill_store_free(store);
  free(bytes);
  free(back);
  free(dir);
}

static void test_the_cap_is_a_typed_error_and_the_writer_goes_on(void) { /* PITFALLS S1, S3 */
  char *dir = new_root();
  WeirSpillStore *stores[] = {store_at(NULL, 100000), store_at(dir, 100000)};
  uint8_t *bytes = calloc(1, 200000);
  if (bytes == NULL) abort();
  for (int i = 0; i < 2; i++) {
    WeirSpillStore *child = NULL;
    OK(weir_spill_store_child(stores[i], 50000, &child, &err));
    WeirSpillWriter *writer = begin(child);
    WeirBytes parts[] = {{bytes, 30000}, {bytes, 30000}};
    CHECK_EQ(weir_spill_writer_write(writer, bytes, 200000, -1, &err), WEIR_STATUS_DISK_CAP_EXCEEDED);
    CHECK_EQ(detail(err, "cap_bytes"), 50000);
    CHECK_EQ(detail(err, "used_bytes"), 0);
    CHECK_EQ(detail(err, "requested_bytes"), 200000);
    CHECK_EQ(weir_error_action(err), WEIR_ACTION_FIX);
    weir_error_free(err);
    OK(weir_spill_writer_write(writer, bytes, 20000, -1, &err));
    FAILS(weir_spill_writer_writev(writer, parts, 2, -1, &err), DISK_CAP_EXCEEDED); /* all or none */
    FAILS(weir_spill_writer_write(writer, bytes, 30001, -1, &err), DISK_CAP_EXCEEDED);
    OK(weir_spill_writer_write(writer, bytes, 30000, -1, &err)); /* to the last byte */
    FAILS(weir_spill_writer_write(writer, bytes, 1, -1, &err), DISK_CAP_EXCEEDED);
    OK(weir_spill_writer_write(writer, NULL, 0, -1, &err));
    CHECK_EQ(weir_spill_writer_len(writer), 50000);
    WeirSpillWriter *other = begin(stores[i]); /* the parent has room left: 50,000 */
    CHECK_EQ(weir_spill_writer_write(other, bytes, 50001, -1, &err), WEIR_STATUS_DISK_CAP_EXCEEDED);
    CHECK_EQ(detail(err, "cap_bytes"), 100000);
    CHECK_EQ(detail(err, "used_bytes"), 50000);
    weir_error_free(err);
    err = NULL;
    WeirSpill *spill = finish(writer);
    CHECK_EQ(weir_spill_len(spill), 50000);
    OK(weir_spill_writer_write(other, bytes, 50000, -1, &err));
    OK(weir_spill_writer_abort(other, &err));
    CHECK_EQ(weir_spill_store_used_bytes(stores[i]), 50000);
    weir_spill_writer_free(other);
    WeirSpillStats stats = WEIR_SPILL_STATS_INIT;
    OK(weir_spill_store_stats(stores[i], &stats, &err));
    CHECK_EQ(stats.cap_refusals, 5);
    weir_spill_free(spill);
    CHECK_EQ(weir_spill_store_used_bytes(stores[i]), 0);
    weir_spill_store_free(child);
    weir_spill_store_free(stores[i]);
  }
  WeirSpillStore *nothing = store_at(NULL, 0);
  WeirSpillWriter *writer = begin(nothing);
  FAILS(weir_spill_writer_write(writer, bytes, 1, -1, &err), DISK_CAP_EXCEEDED);
  weir_spill_free(finish(writer));
  weir_spill_store_free(nothing);
  free(bytes);
  free(dir);
}

/* A floor of free space that no disk has: the error says what is free and what is wanted. */
static void test_the_floor_of_free_space_is_a_typed_error(void) {
  char *dir = new_root();
  WeirSpillStoreOptions options = WEIR_SPILL_STORE_OPTIONS_INIT;
  WeirSpillStore *store = NULL;
  options.location = dir;
  options.min_free_bytes = INT64_MAX;
  OK(weir_spill_store_new(session, &options, &store, &err));
  WeirSpillWriter *writer = begin(store);
  CHECK_EQ(weir_spill_writer_write(writer, (const uint8_t *)"abc", 3, -1, &err), WEIR_STATUS_STORAGE_FULL);
  CHECK_EQ(detail(err, "floor_bytes"), INT64_MAX);
  CHECK(detail(err, "free_bytes") < INT64_MAX);
  CHECK_EQ(detail(err, "requested_bytes"), 3);
  CHECK_EQ(detail(err, "spill_lost"), 0);
  weir_error_free(err);
  err = NULL;
  FAILS(weir_spill_writer_write(writer, (const uint8_t *)"abc", 3, -1, &err), STORAGE_FULL);
  WeirSpillStats stats = WEIR_SPILL_STATS_INIT;
  OK(weir_spill_store_stats(store, &stats, &err));
  CHECK_EQ(stats.live_bytes, 0);
  CHECK_EQ(stats.floor_refusals, 2);
  weir_spill_free(finish(writer)); /* still finishable */
  weir_spill_store_free(store);
  free(dir);
}

static void test_an_unusable_directory_is_an_error_of_the_first_write(void) {
  char *file = new_root(), below[128];
  FILE *f = fopen(file, "w");
  fclose(f);
  snprintf(below, sizeof below, "%s/below", file);
  WeirSpillStore *store = store_at(below, UINT64_MAX); /* PITFALLS S9 */
  WeirSpillWriter *writer = begin(store);
  uint8_t *bytes = calloc(1, 100000);
  if (bytes == NULL) abort();
  FAILS_SAYING(weir_spill_writer_write(writer, bytes, 100000, -1, &err), INVALID_ARGUMENT, below); /* names the place */
  CHECK_EQ(weir_spill_writer_len(writer), 0);
  CHECK_EQ(weir_spill_store_used_bytes(store), 0);
  /* Nothing was accepted, so nothing is lost: the writer goes on once there is a place. */
  CHECK_EQ(remove(file), 0);
  OK(weir_spill_writer_write(writer, bytes, 100000, -1, &err));
  WeirSpill *spill = finish(writer);
  CHECK_EQ(weir_spill_len(spill), 100000);
  weir_spill_free(spill);
  CHECK_EQ(weir_spill_store_used_bytes(store), 0);
  weir_spill_store_free(store);
  free(bytes);
  free(file);
}

static void test_a_writer_is_closed_after_its_end(void) { /* PITFALLS S4 */
  char *dir = new_root();
  WeirSpillStore *stores[] = {store_at(NULL, UINT64_MAX), store_at(dir, UINT64_MAX)};
  uint8_t *bytes = calloc(1, 100000);
  if (bytes == NULL) abort();
  for (int i = 0; i < 4; i++) {
    WeirSpillWriter *writer = begin(stores[i / 2]);
    WeirSpill *spill = NULL, *none = (WeirSpill *)(uintptr_t)8;
    OK(weir_spill_writer_write(writer, bytes, 100000, -1, &err));
    if (i % 2 == 0) OK(weir_spill_writer_finish(writer, -1, &spill, &err));
    else OK(weir_spill_writer_abort(writer, &err));
    CHECK_EQ(weir_spill_store_used_bytes(stores[i / 2]), i % 2 == 0 ? 100000 : 0);
    WeirBytes part = {bytes, 5};
    FAILS(weir_spill_writer_write(writer, bytes, 5, -1, &err), CLOSED);
    FAILS(weir_spill_writer_write(writer, bytes, 100000, -1, &err), CLOSED);
    FAILS(weir_spill_writer_writev(writer, &part, 1, -1, &err), CLOSED);
    FAILS(weir_spill_writer_finish(writer, -1, &none, &err), CLOSED);
    CHECK(none == NULL);
    OK(weir_spill_writer_abort(writer, &err)); /* does nothing, as often as one likes */
    OK(weir_spill_writer_abort(writer, &err));
    CHECK_EQ(weir_spill_writer_len(writer), 100000);
    weir_spill_writer_free(writer);
    CHECK_EQ(weir_spill_len(spill), i % 2 == 0 ? 100000 : 0);
    weir_spill_free(spill);
  }
  weir_spill_store_free(stores[0]);
  weir_spill_store_free(stores[1]);
  CHECK_EQ(files_below(dir), 0);
  free(bytes);
  free(dir);
}

static void test_null_and_foreign_arguments(void) {
  WeirSpillStore *store = store_at(NULL, UINT64_MAX);
  WeirSpillWriter *writer = begin(store), *foreign = (WeirSpillWriter *)store;
  WeirSpill *spill, *no_spill = (WeirSpill *)(uintptr_t)8;
  WeirSpillReader *reader = NULL, *no_reader = (WeirSpillReader *)(uintptr_t)8;
  WeirCompletion none = {0};
  struct ArrowArray array = {0};
  struct ArrowSchema schema = {0};
  struct ArrowArrayStream stream = {0};
  const uint8_t *data;
  uint8_t bytes[8];
  size_t n;
  FAILS(weir_spill_writer_write(NULL, bytes, 1, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_writer_write(foreign, bytes, 1, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_writer_write(writer, NULL, 1, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_writer_write(writer, bytes, SIZE_MAX, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_writer_write_async(writer, NULL, 1, none, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_writer_write_async(writer, bytes, 1, none, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_writer_write_async(NULL, bytes, 1, none, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_writer_writev_async(NULL, NULL, 0, none, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_writer_writev_async(writer, NULL, 0, none, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_store_close(NULL, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_store_close((WeirSpillStore *)writer, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_store_close_async(NULL, none, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_store_close_async(store, none, &err), INVALID_ARGUMENT); /* it is not closed */
  FAILS(weir_spill_writer_finish(writer, -1, NULL, &err), INVALID_ARGUMENT); /* not even then is it closed */
  FAILS(weir_spill_writer_finish(NULL, -1, &no_spill, &err), INVALID_ARGUMENT);
  CHECK(no_spill == NULL);
  FAILS(weir_spill_writer_finish_async(NULL, none, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_writer_finish_async(writer, none, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_writer_abort(NULL, &err), INVALID_ARGUMENT);
  spill = finish(writer);
  CHECK_EQ(weir_spill_writer_len(NULL), 0);
  CHECK_EQ(weir_spill_len(NULL) + weir_spill_stored_bytes(NULL) + weir_spill_rows(NULL) + weir_spill_batch_count(NULL), 0);
  FAILS(weir_spill_read_at(NULL, 0, bytes, 1, -1, &n, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_read_at(spill, 0, NULL, 1, -1, &n, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_read_at(spill, 0, bytes, 1, -1, NULL, &err), INVALID_ARGUMENT);
  OK(weir_spill_read_at(spill, 0, NULL, 0, -1, &n, &err));
  FAILS(weir_spill_read_at_async(NULL, 0, 1, none, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_read_at_async(spill, 0, 1, none, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_map(NULL, &data, &n, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_map(spill, NULL, &n, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_map(spill, &data, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_map_async(NULL, none, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_map_async(spill, none, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_schema(spill, &schema, &err), INVALID_ARGUMENT); /* it has bytes */
  FAILS(weir_spill_schema(NULL, &schema, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_batch(spill, 0, NULL, -1, &array, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_batch(NULL, 0, NULL, -1, &array, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_batch_async(spill, 0, NULL, none, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_stream(spill, NULL, &stream, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_stream(NULL, NULL, &stream, &err), INVALID_ARGUMENT);
  CHECK(array.release == NULL && schema.release == NULL && stream.release == NULL);
  FAILS(weir_spill_reader(NULL, &no_reader, &err), INVALID_ARGUMENT);
  CHECK(no_reader == NULL);
  OK(weir_spill_reader(spill, &reader, &err));
  FAILS(weir_spill_reader(spill, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_reader_read(NULL, bytes, 1, -1, &n, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_reader_read(reader, NULL, 1, -1, &n, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_reader_read(reader, bytes, 1, -1, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_reader_read_async(reader, 1, none, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_reader_read_async(NULL, 1, none, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_reader_seek(NULL, 1, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_batch_array(NULL, &array, &err), INVALID_ARGUMENT);
  FAILS(weir_batch_schema(NULL, &schema, &err), INVALID_ARGUMENT);
  CHECK_EQ(weir_batch_rows(NULL), 0);
  weir_batch_free(NULL);
  weir_spill_writer_free(NULL);
  weir_spill_reader_free(NULL);
  weir_spill_free(NULL);
  weir_spill_reader_free(reader);
  weir_spill_free(spill);
  weir_spill_store_free(store);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  session = session_new();
  RUN(test_options_are_validated);
  RUN(test_options_of_a_spill_are_validated);
  RUN(test_a_store_counts_what_it_holds);
  RUN(test_a_session_has_a_spill_store);
  RUN(test_bytes_come_back);
  RUN(test_bytes_in_parts);
  RUN(test_the_cap_is_a_typed_error_and_the_writer_goes_on);
  RUN(test_the_floor_of_free_space_is_a_typed_error);
  RUN(test_an_unusable_directory_is_an_error_of_the_first_write);
  RUN(test_a_writer_is_closed_after_its_end);
  RUN(test_null_and_foreign_arguments);
  weir_session_free(session);
  check_all_released();
  return harness_finish(argv[0]);
}
