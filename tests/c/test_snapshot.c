/* Snapshots: a shard as it is at one moment, read by another session, without a claim. */
#include "memtable_build.h"

static WeirSession *session, *other; /* the writer's, and a reader's */
static WeirQueue *queue;

static WeirSnapshot *snapshot_of(const char *root, const WeirSnapshotOptions *options) {
  WeirSnapshot *snapshot = NULL;
  OK(weir_snapshot_open(other, root, SHARD, NULL, options, &snapshot, &err));
  return snapshot;
}

static Read scan_snapshot(WeirSnapshot *snapshot, const WeirScanOptions *options) {
  WeirScan *scan = NULL;
  OK(weir_snapshot_scan(snapshot, options, NULL, NULL, &scan, &err));
  return read_scan(scan);
}

/* 1 to 3 in a generation, 2 and 4 newer in the log alone, 3 deleted there. */
static WeirWriter *filled(const char *root) {
  WeirWriter *writer = keyed_writer(session, root);
  PUT(writer, "a", 1, 2, 3);
  flush_tables(writer);
  PUT(writer, "b", 2, 4);
  DELETE(writer, 3);
  return writer;
}

static void test_what_is_durable_is_seen_without_a_claim(void) {
  char *root = new_root();
  WeirWriter *writer = filled(root);
  WeirSnapshot *snapshot = snapshot_of(root, NULL);
  Read rows = scan_snapshot(snapshot, NULL);
  IDS_ARE(rows, NULL, 1, 2, 4);
  CHECK_STR(rows.names[0], "a1");
  CHECK_STR(rows.names[1], "b2");
  CHECK_EQ(weir_snapshot_cut_position(snapshot), 3);
  WeirManifest *manifest = NULL;
  OK(weir_snapshot_manifest(snapshot, &manifest, &err));
  CHECK_EQ(weir_manifest_writer_epoch(manifest), 1);
  CHECK_EQ(weir_manifest_replay_after(manifest), 1);
  weir_manifest_free(manifest);
  struct ArrowSchema schema = {0};
  OK(weir_snapshot_schema(snapshot, &schema, &err));
  CHECK_EQ(schema.n_children, 2);
  CHECK_STR(schema.children[1]->name, "name");
  schema.release(&schema);
  OK(weir_writer_check_fenced(writer, -1, &err)); /* nobody was fenced */

  /* What comes later is not in it. */
  PUT(writer, "c", 1, 5);
  flush_tables(writer);
  rows = scan_snapshot(snapshot, NULL);
  IDS_ARE(rows, NULL, 1, 2, 4);
  weir_snapshot_free(snapshot);
  snapshot = snapshot_of(root, NULL);
  rows = scan_snapshot(snapshot, NULL);
  IDS_ARE(rows, NULL, 2, 4, 1, 5);
  weir_snapshot_free(snapshot);
  weir_writer_free(writer);
  free(root);
}

static void test_gets(void) {
  char *root = new_root();
  WeirWriter *writer = filled(root);
  WeirSnapshot *snapshot = snapshot_of(root, NULL);
  struct ArrowSchema key = {0}, schema = {0}, named = batch_schema();
  OK(weir_snapshot_key_schema(snapshot, &key, &err));
  CHECK_EQ(key.n_children, 1);
  CHECK_STR(key.children[0]->name, "id");
  OK(weir_snapshot_read_schema(snapshot, NULL, 0, &schema, &err));
  const struct ArrowSchema *schemas[] = {NULL, &key, &named};
  for (int i = 0; i < 3; i++) {
    struct ArrowArray keys = i == 2 ? rows_of(4, IDS(2, 9, 3, 1), "x") : keys_of(4, IDS(2, 9, 3, 1)), rows = {0};
    uint8_t states[4];
    OK(weir_snapshot_get(snapshot, &keys, schemas[i], NULL, -1, states, 4, &rows, &err));
    CHECK(keys.release == NULL);
    const uint8_t wanted[] = {WEIR_KEY_FOUND, WEIR_KEY_MISSING, WEIR_KEY_DELETED, WEIR_KEY_FOUND};
    CHECK(memcmp(states, wanted, 4) == 0);
    Read read = {0};
    read_rows(&read, &schema, &rows);
    IDS_ARE(read, NULL, 2, 1);
    keys = keys_of(4, IDS(2, 9, 3, 1));
    OK(weir_snapshot_get_async(snapshot, &keys, NULL, NULL, weir_queue_completion(queue, 1), &err));
    CHECK(keys.release == NULL);
    WeirEvent event = {0};
    size_t n = 0, len = 0;
    const uint8_t *given = NULL;
    OK(weir_queue_next(queue, &event, 1, 20000, &n, &err));
    CHECK_EQ(event.status, WEIR_STATUS_OK);
    weir_batch_states(event.result, &given, &len);
    CHECK(len == 4 && memcmp(given, wanted, 4) == 0);
    weir_event_clear(&event);
  }
  key.release(&key);
  schema.release(&schema);
  named.release(&named);
  weir_snapshot_free(snapshot);
  weir_writer_free(writer);
  free(root);
}

static void test_a_tailer_goes_on_from_the_cut(void) {
  char *root = new_root();
  WeirWriter *writer = filled(root);
  WeirSnapshot *snapshot = snapshot_of(root, NULL);
  WeirTailerOptions options = WEIR_TAILER_OPTIONS_INIT;
  WeirEntry *entry = NULL;
  options.from = weir_snapshot_cut_position(snapshot) + 1;
  WeirTailer *tailer = NULL;
  OK(weir_tailer_open(other, root, SHARD, &options, &tailer, &err));
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  CHECK(entry == NULL); /* nothing yet */
  PUT(writer, "c", 7);
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  CHECK_EQ(weir_entry_position(entry), 4);
  CHECK_EQ(weir_entry_rows(entry), 1);
  weir_entry_free(entry);
  weir_tailer_free(tailer);
  weir_snapshot_free(snapshot);
  weir_writer_free(writer);
  free(root);
}

static void test_the_generations_alone(void) {
  char *root = new_root();
  WeirWriter *writer = filled(root);
  WeirSnapshotOptions options = WEIR_SNAPSHOT_OPTIONS_INIT;
  options.wal = 0;
  WeirSnapshot *snapshot = snapshot_of(root, &options);
  Read rows = scan_snapshot(snapshot, NULL);
  IDS_ARE(rows, "a", 1, 2, 3);
  CHECK_EQ(weir_snapshot_cut_position(snapshot), 1);
  weir_snapshot_free(snapshot);
  weir_writer_free(writer);
  free(root);
}

static void test_comparisons_and_streams(void) {
  char *root = new_root();
  WeirWriter *writer = filled(root);
  const WeirIndexDefinition by_name = {"by_name", "name", WEIR_INDEX_BTREE, 0};
  const WeirComparison comparison = {"name", WEIR_COMPARE_GE, 0};
  WeirSnapshotOptions options = WEIR_SNAPSHOT_OPTIONS_INIT;
  WeirScanOptions wanted = WEIR_SCAN_OPTIONS_INIT;
  options.indexes = &by_name;
  options.indexes_len = 1;
  wanted.comparisons = &comparison;
  wanted.comparisons_len = 1;
  WeirSnapshot *snapshot = snapshot_of(root, &options);
  WeirScan *scan = NULL, *streamed = NULL;
  struct ArrowArray values = name_value("b"), array = {0};
  struct ArrowArrayStream stream = {0};
  OK(weir_snapshot_scan(snapshot, &wanted, &values, NULL, &scan, &err));
  CHECK(values.release == NULL);
  OK(weir_snapshot_scan(snapshot, NULL, NULL, NULL, &streamed, &err));
  OK(weir_scan_stream(streamed, &stream, &err));
  weir_snapshot_free(snapshot); /* both outlive it, and the stream its scan */
  weir_scan_free(streamed);
  weir_writer_free(writer);
  Read rows = read_scan(scan);
  IDS_ARE(rows, "b", 2, 4);
  int64_t n = 0;
  while (stream.get_next(&stream, &array) == 0 && array.release != NULL) {
    n += array.length;
    array.release(&array);
  }
  CHECK_EQ(n, 3);
  stream.release(&stream);
  free(root);
}

static void test_opening_by_completion(void) {
  char *root = new_root();
  WeirWriter *writer = filled(root);
  struct ArrowSchema schema = batch_schema();
  WeirEvent event = {0};
  size_t n = 0;
  OK(weir_snapshot_open_async(other, root, SHARD, &schema, NULL, weir_queue_completion(queue, 4), &err));
  schema.release(&schema);
  OK(weir_queue_next(queue, &event, 1, 20000, &n, &err));
  CHECK_EQ(event.status, WEIR_STATUS_OK);
  CHECK_EQ(event.result_kind, WEIR_RESULT_SNAPSHOT);
  Read rows = scan_snapshot(event.result, NULL);
  CHECK_EQ(rows.n, 3);
  weir_event_clear(&event);
  OK(weir_snapshot_open_async(other, root, SHARD2, NULL, NULL, weir_queue_completion(queue, 4), &err));
  OK(weir_queue_next(queue, &event, 1, 20000, &n, &err));
  CHECK_EQ(event.status, WEIR_STATUS_NOT_FOUND);
  CHECK(event.result == NULL);
  weir_event_clear(&event);
  weir_writer_free(writer);
  free(root);
}

/* The log of a writer without MemTables, read by a key that only the reader knows. */
static void test_a_log_alone_can_be_read_by_key(void) {
  char *root = new_root();
  WeirWriterOptions log_only = log_options();
  WeirWriter *writer = writer_new(session, root, &log_only);
  PUT(writer, "a", 1, 2);
  PUT(writer, "b", 2);
  WeirSnapshot *snapshot = snapshot_of(root, NULL);
  struct ArrowArray keys = keys_of(1, IDS(1)), rows = {0};
  struct ArrowSchema schema = {0};
  FAILS(weir_snapshot_get(snapshot, &keys, NULL, NULL, -1, NULL, 0, &rows, &err), UNSUPPORTED);
  CHECK(keys.release == NULL);
  FAILS(weir_snapshot_key_schema(snapshot, &schema, &err), UNSUPPORTED);
  CHECK_EQ(scan_snapshot(snapshot, NULL).n, 3);
  weir_snapshot_free(snapshot);
  WeirSnapshotOptions options = WEIR_SNAPSHOT_OPTIONS_INIT;
  options.primary_key = KEY_ID;
  options.primary_key_len = 1;
  snapshot = snapshot_of(root, &options);
  CHECK_EQ(scan_snapshot(snapshot, NULL).n, 2);
  weir_snapshot_free(snapshot);
  weir_writer_free(writer);
  free(root);
}

static void test_what_cannot_be_opened(void) {
  char *root = new_root();
  WeirSnapshot *snapshot = NULL;
  WeirSnapshotOptions options = WEIR_SNAPSHOT_OPTIONS_INIT;
  WeirCompletion none = {0};
  FAILS_SAYING(weir_snapshot_open(other, root, SHARD, NULL, NULL, &snapshot, &err), NOT_FOUND, SHARD);
  CHECK(access(root, F_OK) != 0); /* nothing was made */
  WeirWriter *writer = keyed_writer(session, root);
  FAILS_SAYING(weir_snapshot_open(other, root, SHARD, NULL, NULL, &snapshot, &err), NOT_FOUND, "schema");
  PUT(writer, "a", 1);
#define REFUSED(code, words) FAILS_SAYING(weir_snapshot_open(other, root, SHARD, NULL, &options, &snapshot, &err), code, words)
#define WITH(field, value, code, words)                        \
  do {                                                         \
    options = (WeirSnapshotOptions)WEIR_SNAPSHOT_OPTIONS_INIT; \
    options.field = value;                                     \
    REFUSED(code, words);                                      \
    CHECK(snapshot == NULL);                                   \
  } while (0)
  WITH(struct_size, 4, INVALID_ARGUMENT, "struct_size");
  WITH(wal, 2, INVALID_ARGUMENT, "wal");
  WITH(reserved[1], 1, INVALID_ARGUMENT, "reserved");
  WITH(primary_key_len, 1, INVALID_ARGUMENT, "primary_key");
  WITH(indexes_len, 1, INVALID_ARGUMENT, "indexes");
  WITH(max_bytes, 1, BACKPRESSURE, "1 bytes");
  const WeirIndexDefinition wrong = {"x", "name", 3, 0};
  weir_snapshot_options_init(&options, sizeof options);
  options.indexes = &wrong;
  options.indexes_len = 1;
  REFUSED(INVALID_ARGUMENT, "kind is 3");
  weir_snapshot_options_init(NULL, 0);
  FAILS(weir_snapshot_open(NULL, root, SHARD, NULL, NULL, &snapshot, &err), INVALID_ARGUMENT);
  FAILS(weir_snapshot_open(other, NULL, SHARD, NULL, NULL, &snapshot, &err), INVALID_ARGUMENT);
  FAILS(weir_snapshot_open(other, root, NULL, NULL, NULL, &snapshot, &err), INVALID_ARGUMENT);
  FAILS(weir_snapshot_open(other, root, "shard-1", NULL, NULL, &snapshot, &err), INVALID_ARGUMENT);
  FAILS(weir_snapshot_open(other, root, SHARD, NULL, NULL, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_snapshot_open_async(NULL, root, SHARD, NULL, NULL, weir_queue_completion(queue, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_snapshot_open_async(other, root, SHARD, NULL, NULL, none, &err), INVALID_ARGUMENT);
  struct ArrowSchema schema = schema_new("+s", "", false);
  schema_child(&schema, schema_new("u", "id", false)); /* a number, and now a text? */
  FAILS(weir_snapshot_open(other, root, SHARD, &schema, NULL, &snapshot, &err), SCHEMA_MISMATCH);
  schema.release(&schema);
  FAILS(weir_snapshot_open(other, root, SHARD, &schema, NULL, &snapshot, &err), INVALID_ARGUMENT); /* released */
  CHECK(snapshot == NULL);
  weir_writer_free(writer);
  free(root);
}

static void test_nulls(void) {
  char *root = new_root();
  WeirWriter *writer = filled(root);
  WeirSnapshot *snapshot = snapshot_of(root, NULL);
  struct ArrowSchema schema = {0};
  struct ArrowArray keys, rows = {0};
  WeirManifest *manifest = NULL;
  WeirScan *scan = NULL;
  WeirCompletion none = {0}, completion = weir_queue_completion(queue, 1);
  uint8_t states[2];
#define RELEASED(call)                       \
  do {                                       \
    keys = keys_of(1, IDS(1));               \
    FAILS(call, INVALID_ARGUMENT);           \
    CHECK(keys.release == NULL);             \
    CHECK_EQ(atomic_load(&arrays_live), 0);  \
  } while (0)
  RELEASED(weir_snapshot_get(NULL, &keys, NULL, NULL, -1, NULL, 0, &rows, &err));
  RELEASED(weir_snapshot_get(snapshot, &keys, NULL, NULL, -1, NULL, 0, NULL, &err));
  RELEASED(weir_snapshot_get(snapshot, &keys, NULL, NULL, -1, states, 2, &rows, &err));
  RELEASED(weir_snapshot_get_async(NULL, &keys, NULL, NULL, completion, &err));
  RELEASED(weir_snapshot_get_async(snapshot, &keys, NULL, NULL, none, &err));
  RELEASED(weir_snapshot_scan(NULL, NULL, &keys, NULL, &scan, &err));
  RELEASED(weir_snapshot_scan(snapshot, NULL, &keys, NULL, &scan, &err)); /* nothing takes a value */
  RELEASED(weir_snapshot_scan(snapshot, NULL, &keys, NULL, NULL, &err));
  FAILS(weir_snapshot_get(snapshot, NULL, NULL, NULL, -1, NULL, 0, &rows, &err), INVALID_ARGUMENT);
  FAILS(weir_snapshot_get_async(snapshot, NULL, NULL, NULL, completion, &err), INVALID_ARGUMENT);
  FAILS(weir_snapshot_schema(NULL, &schema, &err), INVALID_ARGUMENT);
  FAILS(weir_snapshot_schema(snapshot, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_snapshot_key_schema(NULL, &schema, &err), INVALID_ARGUMENT);
  FAILS(weir_snapshot_key_schema(snapshot, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_snapshot_read_schema(NULL, NULL, 0, &schema, &err), INVALID_ARGUMENT);
  FAILS(weir_snapshot_read_schema(snapshot, NULL, 1, &schema, &err), INVALID_ARGUMENT);
  FAILS(weir_snapshot_read_schema(snapshot, NULL, 0, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_snapshot_manifest(NULL, &manifest, &err), INVALID_ARGUMENT);
  FAILS(weir_snapshot_manifest(snapshot, NULL, &err), INVALID_ARGUMENT);
  CHECK_EQ(weir_snapshot_cut_position(NULL), 0);
  weir_snapshot_free(NULL);
  weir_snapshot_free(snapshot);
  weir_writer_free(writer);
  free(root);
}

/* Whatever a session opened goes on without it: only the handle on the session is freed. */
static void test_what_was_opened_outlives_its_session(void) {
  WeirSessionOptions options = WEIR_SESSION_OPTIONS_INIT;
  WeirSession *own = NULL;
  options.memory_bytes = 64 << 20;
  OK(weir_session_new(&options, &own, &err));
  char *root = new_root();
  WeirWriter *writer = keyed_writer(own, root);
  PUT(writer, "a", 1, 2, 3);
  flush_tables(writer);
  struct ArrowSchema schema = batch_schema();
  WeirAppender *appender = NULL;
  OK(weir_appender_open(own, root, SHARD2, &schema, NULL, &appender, &err));
  schema.release(&schema);
  WeirTailer *tailer = tailer_new(own, root, NULL);
  WeirSnapshot *snapshot = NULL;
  OK(weir_snapshot_open(own, root, SHARD, NULL, NULL, &snapshot, &err));
  WeirSpillStore *store = NULL;
  WeirSpillWriter *spilling = NULL;
  OK(weir_session_spill_store(own, &store, &err));
  OK(weir_spill_begin(store, NULL, &spilling, &err));
  WeirCache *cache = NULL;
  OK(weir_session_cache(own, &cache, &err));
  weir_session_free(own);

  PUT(writer, "b", 2, 4);
  flush_tables(writer);
  Read rows = scan_all(writer, NULL);
  CHECK_EQ(rows.n, 4);
  for (int i = 0; i < 3; i++) {
    struct ArrowArray batch = batch_new(10, i);
    uint64_t position = 0;
    OK(weir_appender_append(appender, &batch, -1, &position, &err));
    CHECK_EQ(position, 1 + i);
  }
  OK(weir_appender_check_fenced(appender, -1, &err));
  rows = scan_snapshot(snapshot, NULL);
  IDS_ARE(rows, "a", 1, 2, 3);
  uint64_t seen = 0;
  WeirEntry *entry = NULL;
  while (OK(weir_tailer_next(tailer, -1, &entry, &err)) && entry != NULL) {
    seen += weir_entry_rows(entry);
    weir_entry_free(entry);
  }
  CHECK_EQ(seen, 5);
  uint8_t bytes[5] = {0};
  size_t n = 0;
  OK(weir_spill_writer_write(spilling, (const uint8_t *)"spill", 5, -1, &err));
  WeirSpill *spill = NULL;
  OK(weir_spill_writer_finish(spilling, -1, &spill, &err));
  OK(weir_spill_read_at(spill, 0, bytes, sizeof bytes, -1, &n, &err));
  CHECK(n == 5 && memcmp(bytes, "spill", 5) == 0);
  WeirCacheKey key = {.key = (const uint8_t *)"k", .key_len = 1};
  WeirCacheValue *value = NULL;
  OK(weir_cache_insert(cache, &key, bytes, n, -1, &err));
  OK(weir_cache_get(cache, &key, -1, &value, &err));
  CHECK(value != NULL);

  weir_cache_value_free(value);
  weir_cache_free(cache);
  weir_spill_free(spill);
  weir_spill_writer_free(spilling);
  weir_spill_store_free(store);
  OK(weir_tailer_close(tailer, &err));
  weir_tailer_free(tailer);
  weir_snapshot_free(snapshot);
  OK(weir_appender_close(appender, -1, &err));
  weir_appender_free(appender);
  OK(weir_writer_close(writer, -1, &err));
  weir_writer_free(writer);
  free(root);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  session = session_new();
  other = session_new();
  OK(weir_queue_new(NULL, &queue, &err));
  RUN(test_what_is_durable_is_seen_without_a_claim);
  RUN(test_gets);
  RUN(test_a_tailer_goes_on_from_the_cut);
  RUN(test_the_generations_alone);
  RUN(test_comparisons_and_streams);
  RUN(test_opening_by_completion);
  RUN(test_a_log_alone_can_be_read_by_key);
  RUN(test_what_cannot_be_opened);
  RUN(test_nulls);
  RUN(test_what_was_opened_outlives_its_session);
  weir_queue_free(queue);
  weir_session_free(session);
  weir_session_free(other);
  check_all_released();
  return harness_finish(argv[0]);
}
