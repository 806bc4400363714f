/* Spills of Arrow batches: what comes back and how, who keeps what alive, damage. */
#include "spill_build.h"

static void check_batch(WeirSpill *spill, size_t index, const WeirSpillReadOptions *options, int64_t rows, int64_t first) {
  struct ArrowArray batch = {0};
  OK(weir_spill_batch(spill, index, options, -1, &batch, &err));
  if (rows > 0) batch_is(&batch, rows, first);
  else CHECK_EQ(batch.length, 0);
  if (batch.release != NULL) batch.release(&batch);
}

static void check_stream(WeirSpill *spill, const WeirSpillReadOptions *options, int n) {
  struct ArrowArrayStream stream = {0};
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  OK(weir_spill_stream(spill, options, &stream, &err));
  CHECK_EQ(stream.get_schema(&stream, &schema), 0);
  CHECK_EQ(schema.n_children, 2);
  schema.release(&schema);
  for (int i = 0; i < n; i++) {
    CHECK_EQ(stream.get_next(&stream, &batch), 0);
    batch_is(&batch, 10, i * 10);
    batch.release(&batch);
  }
  CHECK_EQ(stream.get_next(&stream, &batch), 0);
  CHECK_EQ(batch.length, 0);
  batch.release(&batch);
  CHECK_EQ(stream.get_next(&stream, &batch), 0);
  batch_is(&batch, 3, 500);
  batch.release(&batch);
  CHECK_EQ(stream.get_next(&stream, &batch), 0);
  CHECK(batch.release == NULL);
  stream.release(&stream);
}

static void test_batches_come_back(void) {
  char *dir = new_root();
  WeirSpillStore *stores[] = {store_at(NULL, UINT64_MAX), store_at(dir, UINT64_MAX)};
  const WeirSpillReadOptions map = mapping(0), verified = mapping(1);
  for (int i = 0; i < 6; i++) {
    int32_t compression = i % 3; /* none, lz4, zstd */
    WeirSpill *spill = spill_batches(stores[i / 3], 7, compression);
    CHECK_EQ(weir_spill_batch_count(spill), 9);
    CHECK_EQ(weir_spill_rows(spill), 73);
    struct ArrowSchema schema = {0};
    struct ArrowArray batch = {0};
    OK(weir_spill_schema(spill, &schema, &err));
    CHECK_STR(schema.children[1]->format, "u");
    schema.release(&schema);
    for (size_t b = 7; b-- > 0;) check_batch(spill, b, NULL, 10, (int64_t)b * 10);
    check_batch(spill, 7, NULL, 0, 0);
    check_batch(spill, 8, NULL, 3, 500);
    check_stream(spill, NULL, 7);
    if (compression == WEIR_COMPRESSION_NONE) {
      check_batch(spill, 3, &map, 10, 30);
      check_batch(spill, 8, &verified, 3, 500);
      check_batch(spill, 8, &verified, 3, 500);
      check_stream(spill, &map, 7);
    } else {
      FAILS_SAYING(weir_spill_batch(spill, 0, &map, -1, &batch, &err), UNSUPPORTED, "compressed");
    }
    FAILS_SAYING(weir_spill_batch(spill, 9, NULL, -1, &batch, &err), INVALID_ARGUMENT, "9");
    FAILS_EITHER(weir_spill_batch(spill, SIZE_MAX, &map, -1, &batch, &err), UNSUPPORTED, INVALID_ARGUMENT);
    FAILS(weir_spill_batch(spill, 0, NULL, -1, NULL, &err), INVALID_ARGUMENT);
    FAILS(weir_spill_stream(spill, NULL, NULL, &err), INVALID_ARGUMENT);
    FAILS(weir_spill_schema(spill, NULL, &err), INVALID_ARGUMENT);
    CHECK(batch.release == NULL);
    weir_spill_free(spill);
    CHECK_EQ(weir_spill_store_used_bytes(stores[i / 3]), 0);
  }
  for (int i = 0; i < 2; i++) weir_spill_store_free(stores[i]);
  CHECK_EQ(files_below(dir), 0);
  free(dir);
}

static void test_read_options_are_validated(void) {
  WeirSpillStore *store = store_at(NULL, UINT64_MAX);
  WeirSpill *spill = spill_batches(store, 1, 0);
  struct ArrowArray batch = {0};
  struct ArrowArrayStream stream = {0};
#define WITH(field, value)                                                                   \
  do {                                                                                       \
    WeirSpillReadOptions options = WEIR_SPILL_READ_OPTIONS_INIT;                             \
    options.field = value;                                                                   \
    FAILS(weir_spill_batch(spill, 0, &options, -1, &batch, &err), INVALID_ARGUMENT);         \
    FAILS(weir_spill_stream(spill, &options, &stream, &err), INVALID_ARGUMENT);              \
    FAILS(weir_spill_batch_async(spill, 0, &options, (WeirCompletion){0}, &err), INVALID_ARGUMENT); \
  } while (0)
  WITH(struct_size, 0);
  WITH(struct_size, 7);
  WITH(map, 2);
  WITH(verify, 9);
  WITH(reserved[1], 1);
#undef WITH
  CHECK(batch.release == NULL && stream.release == NULL);
  weir_spill_free(spill);
  weir_spill_store_free(store);
}

static void test_writers_take_what_they_were_begun_for(void) {
  WeirSpillStore *store = store_at(NULL, UINT64_MAX);
  WeirSpillWriter *batches = begin_batches(store, 0), *bytes = begin(store);
  WeirBytes part = {(const uint8_t *)"abc", 3};
  FAILS_SAYING(weir_spill_writer_write(batches, part.data, 3, -1, &err), INVALID_ARGUMENT, "batches");
  FAILS_SAYING(weir_spill_writer_writev(batches, &part, 1, -1, &err), INVALID_ARGUMENT, "batches");
  struct ArrowArrayStream stream = stream_new(1, 1, 0);
  FAILS_SAYING(weir_spill_writer_write_stream(bytes, &stream, -1, &err), INVALID_ARGUMENT, "bytes");
  CHECK(stream.release == NULL);
  CHECK_EQ(weir_spill_store_used_bytes(store), 0);
  weir_spill_writer_free(batches);
  weir_spill_writer_free(bytes);
  weir_spill_store_free(store);
}

static void test_a_schema_without_columns_keeps_its_rows(void) {
  WeirSpillStore *store = store_at(NULL, UINT64_MAX);
  WeirSpillWriter *writer = NULL;
  struct ArrowSchema schema = schema_new("+s", "", false);
  struct ArrowArray batch = array_new(5, 0, 1), back = {0};
  OK(weir_spill_begin_batches(store, &schema, NULL, &writer, &err));
  OK(weir_spill_writer_write_batch(writer, &batch, -1, &err));
  WeirSpill *spill = finish(writer);
  OK(weir_spill_batch(spill, 0, NULL, -1, &back, &err));
  CHECK_EQ(back.length, 5);
  CHECK_EQ(weir_spill_len(spill), 0);
  back.release(&back);
  schema.release(&schema);
  weir_spill_free(spill);
  weir_spill_store_free(store);
}

/* Batches, streams and schemas live on their own: after the spill, the store and the session are gone. */
static void test_what_is_exported_outlives_its_handles(void) {
  char *dir = new_root();
  const WeirSpillReadOptions map = mapping(0);
  WeirSession *own = session_new();
  WeirSpillStoreOptions options = WEIR_SPILL_STORE_OPTIONS_INIT;
  WeirSpillStore *store = NULL;
  options.location = dir;
  OK(weir_spill_store_new(own, &options, &store, &err));
  WeirSpillWriter *writer = begin_batches(store, 0);
  weir_spill_store_free(store);
  weir_session_free(own);
  struct ArrowArrayStream in = stream_new(4, 10, 0), out = {0}, mapped_out = {0};
  struct ArrowArray copied = {0}, mapped = {0}, next = {0};
  OK(weir_spill_writer_write_stream(writer, &in, -1, &err));
  CHECK(in.release == NULL);
  WeirSpill *spill = finish(writer);
  OK(weir_spill_batch(spill, 1, NULL, -1, &copied, &err));
  OK(weir_spill_batch(spill, 2, &map, -1, &mapped, &err));
  OK(weir_spill_stream(spill, NULL, &out, &err));
  OK(weir_spill_stream(spill, &map, &mapped_out, &err));
  weir_spill_free(spill);
  CHECK_EQ(files_below(dir), 1);
  batch_is(&copied, 10, 10);
  batch_is(&mapped, 10, 20);
  CHECK((uintptr_t)mapped.children[0]->buffers[1] % 64 == 0);
  for (int i = 0; i < 4; i++) {
    CHECK_EQ(out.get_next(&out, &next), 0);
    batch_is(&next, 10, i * 10);
    next.release(&next);
    CHECK_EQ(mapped_out.get_next(&mapped_out, &next), 0);
    batch_is(&next, 10, i * 10);
    next.release(&next);
  }
  out.release(&out);
  mapped_out.release(&mapped_out);
  copied.release(&copied);
  CHECK_EQ(files_below(dir), 1); /* the mapped batch keeps it */
  batch_is(&mapped, 10, 20);
  mapped.release(&mapped);
  CHECK_EQ(files_below(dir), 0);
  free(dir);
}

static WeirSpillWriter *under_way; /* what a stream writes to while it is read: itself */
static WeirStatus from_within;

static void write_within(struct ArrowArray *array) {
  struct ArrowArray batch = batch_new(1, 0);
  WeirError *error = NULL;
  (void)array;
  from_within = weir_spill_writer_write_batch(under_way, &batch, -1, &error);
  weir_error_free(error);
}

static int schema_that_writes(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  write_within(NULL);
  return stream_schema(stream, out);
}

static void test_a_stream_that_writes_to_its_own_writer_is_no_deadlock(void) { /* PITFALLS X9 */
  WeirSpillStore *store = store_at(NULL, UINT64_MAX);
  under_way = begin_batches(store, 0);
  struct ArrowArrayStream stream = stream_new(2, 10, 0);
  ((StreamParts *)stream.private_data)->damage = write_within;
  OK(weir_spill_writer_write_stream(under_way, &stream, -1, &err));
  CHECK_EQ(from_within, WEIR_STATUS_WOULD_DEADLOCK);
  from_within = WEIR_STATUS_OK;
  stream = stream_new(0, 10, 0);
  stream.get_schema = schema_that_writes;
  OK(weir_spill_writer_write_stream(under_way, &stream, -1, &err));
  CHECK_EQ(from_within, WEIR_STATUS_WOULD_DEADLOCK);
  CHECK_EQ(atomic_load(&arrays_live), 0);
  WeirSpill *spill = finish(under_way);
  CHECK_EQ(weir_spill_rows(spill), 20);
  weir_spill_free(spill);
  weir_spill_store_free(store);
}

static void test_a_stream_that_fails_says_how_far_it_came(void) {
  WeirSpillStore *store = store_at(NULL, UINT64_MAX);
  WeirSpillWriter *writer = begin_batches(store, 0);
  struct ArrowArrayStream stream = stream_new(9, 10, 0);
  ((StreamParts *)stream.private_data)->fail_at = 4;
  CHECK_EQ(weir_spill_writer_write_stream(writer, &stream, -1, &err), WEIR_STATUS_INVALID_DATA);
  CHECK_EQ(detail(err, "accepted"), 4);
  weir_error_free(err);
  err = NULL;
  WeirSpill *spill = finish(writer);
  CHECK_EQ(weir_spill_rows(spill), 40);
  weir_spill_free(spill);
  weir_spill_store_free(store);
}

static void flip(const char *path, long at) {
  FILE *file = fopen(path, "r+");
  if (!CHECK(file != NULL)) return;
  fseek(file, at, SEEK_SET);
  int byte = fgetc(file);
  fseek(file, at, SEEK_SET);
  fputc(byte ^ 0x10, file);
  fclose(file);
}

static void find_file(const char *path, char *found, size_t size) {
  DIR *dir = opendir(path);
  if (dir == NULL) return;
  for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
    char below[512];
    struct stat st;
    if (entry->d_name[0] == '.') continue;
    snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
    if (stat(below, &st) != 0) continue;
    if (S_ISDIR(st.st_mode)) find_file(below, found, size);
    else snprintf(found, size, "%s", below);
  }
  closedir(dir);
}

static void test_damage_is_corruption_that_names_the_batch(void) {
  char *dir = new_root(), file[512] = "";
  WeirSpillStore *store = store_at(dir, UINT64_MAX);
  WeirSpill *spill = spill_batches(store, 4, 0);
  long len = (long)weir_spill_len(spill);
  find_file(dir, file, sizeof file);
  flip(file, len / 5 * 2);
  struct ArrowArray batch = {0};
  struct ArrowArrayStream stream = {0};
  int damaged = -1;
  for (int i = 0; i < 4; i++) {
    if (weir_spill_batch(spill, (size_t)i, NULL, -1, &batch, &err) == WEIR_STATUS_OK) {
      batch.release(&batch);
      continue;
    }
    CHECK_EQ(weir_error_code(err), WEIR_STATUS_CORRUPTION);
    CHECK_EQ(detail(err, "batch"), i);
    CHECK_EQ(weir_error_action(err), WEIR_ACTION_STOP);
    weir_error_free(err);
    err = NULL;
    CHECK_EQ(damaged, -1);
    damaged = i;
  }
  CHECK(damaged >= 0);
  const WeirSpillReadOptions verified = mapping(1);
  FAILS(weir_spill_batch(spill, (size_t)damaged, &verified, -1, &batch, &err), CORRUPTION);
  OK(weir_spill_stream(spill, NULL, &stream, &err));
  for (int i = 0; i < damaged; i++) {
    CHECK_EQ(stream.get_next(&stream, &batch), 0);
    batch.release(&batch);
  }
  CHECK(stream.get_next(&stream, &batch) != 0);
  CHECK(strstr(stream.get_last_error(&stream), "damaged") != NULL);
  stream.release(&stream);
  weir_spill_free(spill);
  weir_spill_store_free(store);
  free(dir);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  session = session_new();
  RUN(test_batches_come_back);
  RUN(test_read_options_are_validated);
  RUN(test_writers_take_what_they_were_begun_for);
  RUN(test_a_schema_without_columns_keeps_its_rows);
  RUN(test_what_is_exported_outlives_its_handles);
  RUN(test_a_stream_that_writes_to_its_own_writer_is_no_deadlock);
  RUN(test_a_stream_that_fails_says_how_far_it_came);
  RUN(test_damage_is_corruption_that_names_the_batch);
  weir_session_free(session);
  check_all_released();
  return harness_finish(argv[0]);
}
