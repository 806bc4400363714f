/* Writers with MemTables: upserts, deletes, gets, flushing, reopening, merging. */
#include "memtable_build.h"

static WeirSession *session;
static WeirQueue *queue;

/* ---- Rows by key ---- */

static void test_the_newest_row_of_a_key_counts(void) {
  char *root = new_root();
  WeirWriter *writer = keyed_writer(session, root);
  PUT(writer, "a", 1, 2, 3, 4);
  PUT(writer, "b", 2, 4);
  PUT(writer, "c", 4, 5, 4); /* within one batch, the last */
  Read rows = GET(writer, "fffff", 1, 2, 3, 4, 5);
  CHECK_EQ(rows.n, 5);
  CHECK_STR(rows.names[0], "a1");
  CHECK_STR(rows.names[1], "b2");
  CHECK_STR(rows.names[2], "a3");
  CHECK_STR(rows.names[3], "c4");
  rows = scan_all(writer, NULL);
  IDS_ARE(rows, NULL, 1, 3, 2, 5, 4);
  weir_writer_free(writer);
  free(root);
}

static void test_get_tells_found_deleted_and_missing(void) {
  char *root = new_root();
  WeirWriter *writer = keyed_writer(session, root);
  for (int flushed = 0; flushed < 2; flushed++) { /* of a MemTable, and then of a generation */
    PUT(writer, "a", 1, 2, 3);
    DELETE(writer, 2, 77);
    if (flushed) flush_tables(writer);
    Read rows = GET(writer, "fdmdf", 3, 2, 4, 77, 1);
    IDS_ARE(rows, "a", 3, 1);
    rows = GET(writer, "ffdf", 3, 3, 2, 3); /* a key may be asked for more than once */
    IDS_ARE(rows, "a", 3, 3, 3);
    rows = GET(writer, "m", 9);
    CHECK_EQ(rows.n, 0);
  }
  PUT(writer, "b", 2);
  Read rows = GET(writer, "f", 2);
  IDS_ARE(rows, "b", 2);
  struct ArrowArray none = keys_of(0, NULL), found = {0};
  OK(weir_writer_get(writer, &none, NULL, NULL, -1, NULL, 0, &found, &err));
  CHECK_EQ(found.length, 0);
  found.release(&found);
  weir_writer_free(writer);
  free(root);
}

static void test_get_gives_the_columns_that_are_wanted(void) {
  char *root = new_root();
  WeirWriter *writer = keyed_writer(session, root);
  PUT(writer, "a", 1, 2);
  const char *const columns[] = {"name", "id"};
  WeirGetOptions options = WEIR_GET_OPTIONS_INIT;
  options.columns = columns;
  struct ArrowSchema schema = {0}, named = batch_schema();
  for (size_t n = 1; n <= 2; n++) {
    options.columns_len = n;
    struct ArrowArray keys = rows_of(1, IDS(2), NULL), rows = {0}; /* other columns than the key's are passed over */
    uint8_t state = 9;
    OK(weir_writer_read_schema(writer, columns, n, &schema, &err));
    CHECK_EQ(schema.n_children, n);
    CHECK_STR(schema.children[0]->name, "name");
    schema.release(&schema);
    OK(weir_writer_get(writer, &keys, &named, &options, -1, &state, 1, &rows, &err));
    CHECK_EQ(state, WEIR_KEY_FOUND);
    CHECK_EQ(rows.n_children, n);
    CHECK(memcmp(rows.children[0]->buffers[2], "a2", 2) == 0);
    rows.release(&rows);
  }
  named.release(&named);
  const char *const wrong[][2] = {{"nam", NULL}, {"id", "id"}, {NULL, NULL}, {"\xff", NULL}};
  for (size_t i = 0; i < 4; i++) {
    struct ArrowArray keys = keys_of(1, IDS(2)), rows = {0};
    options.columns = wrong[i];
    options.columns_len = i == 1 ? 2 : 1;
    FAILS(weir_writer_get(writer, &keys, NULL, &options, -1, NULL, 0, &rows, &err), INVALID_ARGUMENT);
    CHECK(keys.release == NULL && rows.release == NULL);
    FAILS(weir_writer_read_schema(writer, wrong[i], options.columns_len, &schema, &err), INVALID_ARGUMENT);
    CHECK(schema.release == NULL);
  }
  weir_writer_free(writer);
  free(root);
}

static atomic_int callbacks;
static void on_get(void *ctx, const WeirEvent *event) {
  const uint8_t *states = NULL;
  size_t len = 0;
  WeirEvent own = *event;
  CHECK_EQ(event->status, WEIR_STATUS_OK);
  CHECK_EQ(event->result_kind, WEIR_RESULT_BATCH);
  weir_batch_states(event->result, &states, &len);
  CHECK_EQ(len, 2);
  CHECK(states != NULL && states[0] == WEIR_KEY_MISSING && states[1] == WEIR_KEY_FOUND);
  CHECK_EQ(weir_batch_rows(event->result), 1);
  weir_event_clear(&own);
  atomic_fetch_add((atomic_int *)ctx, 1);
}

static void test_gets_by_completion(void) {
  char *root = new_root();
  WeirWriter *writer = keyed_writer(session, root);
  PUT(writer, "a", 1, 2);
  for (int flushed = 0; flushed < 2; flushed++) {
    struct ArrowArray keys = keys_of(2, IDS(5, 2));
    OK(weir_writer_get_async(writer, &keys, NULL, NULL, weir_queue_completion(queue, 3), &err));
    CHECK(keys.release == NULL);
    WeirEvent event = event_of(queue, 3);
    CHECK_EQ(event.status, WEIR_STATUS_OK);
    on_get(&callbacks, &event);
    keys = keys_of(2, IDS(5, 2));
    int before = atomic_load(&callbacks);
    OK(weir_writer_get_async(writer, &keys, NULL, NULL, (WeirCompletion){on_get, &callbacks, 4}, &err));
    EVENTUALLY(atomic_load(&callbacks) == before + 1);
    flush_tables(writer);
    /* A writer that has it on storage alone, and not read yet. */
    weir_writer_free(writer);
    writer = keyed_writer(session, root);
  }
  /* The batch of a scan has no states. */
  WeirScan *scan = NULL;
  WeirBatch *batch = NULL;
  const uint8_t *states = (const uint8_t *)"";
  size_t len = 7;
  OK(weir_writer_scan(writer, NULL, NULL, NULL, &scan, &err));
  OK(weir_scan_next(scan, -1, &batch, &err));
  weir_batch_states(batch, &states, &len);
  CHECK(states == NULL && len == 0);
  weir_batch_states(NULL, &states, NULL);
  weir_batch_states(batch, NULL, &len);
  weir_batch_free(batch);
  weir_scan_free(scan);
  weir_writer_free(writer);
  free(root);
}

static void test_deletes_are_puts_of_their_own(void) {
  char *root = new_root();
  WeirWriter *writer = keyed_writer(session, root);
  struct ArrowSchema schema = batch_schema();
  WeirAck ack = {0};
  PUT(writer, "a", 1, 2, 3);
  struct ArrowArray keys = rows_of(1, IDS(1), "x"); /* with a schema of more than the key */
  OK(weir_writer_delete(writer, &keys, &schema, -1, &ack, &err));
  CHECK_EQ(ack.sequence, 2);
  CHECK_EQ(ack.position, 2);
  keys = keys_of(1, IDS(2));
  OK(weir_writer_delete_async(writer, &keys, NULL, weir_queue_completion(queue, 5), &err));
  CHECK(keys.release == NULL);
  WeirEvent event = event_of(queue, 5);
  CHECK_EQ(event.ack.sequence, 3);
  Read rows = scan_all(writer, NULL);
  IDS_ARE(rows, "a", 3);
  PUT(writer, "b", 1);
  rows = scan_all(writer, NULL);
  CHECK_EQ(rows.n, 2);
  schema.release(&schema);

  /* A null is no key. */
  uint64_t row = 9;
  WeirError *error = NULL;
  struct ArrowArray null = keys_of(2, IDS(1, 2));
  struct ArrowArray *column = parts_of(&null)->children[0];
  *(uint8_t *)array_buffer(column, 0, 1) = 1;
  column->null_count = 1;
  CHECK_EQ(weir_writer_delete(writer, &null, NULL, -1, NULL, &error), WEIR_STATUS_INVALID_DATA);
  CHECK(weir_error_detail_u64(error, "row", &row));
  CHECK_EQ(row, 1);
  weir_error_free(error);
  keys = keys_of(0, NULL);
  FAILS(weir_writer_delete(writer, &keys, NULL, -1, NULL, &err), INVALID_DATA);
  weir_writer_free(writer);
  free(root);
}

static void test_a_key_of_several_columns(void) {
  char *root = new_root();
  const char *const names[] = {"name", "id"};
  WeirWriterOptions options = keyed_options();
  struct ArrowSchema schema = {0};
  options.primary_key = names;
  options.primary_key_len = 2;
  WeirWriter *writer = writer_new(session, root, &options);
  OK(weir_writer_key_schema(writer, &schema, &err));
  CHECK_EQ(schema.n_children, 2);
  CHECK_STR(schema.children[0]->name, "name");
  CHECK_STR(schema.children[0]->format, "u");
  CHECK_STR(schema.children[1]->name, "id");
  CHECK_EQ(schema.children[1]->flags & ARROW_FLAG_NULLABLE, 0);
  schema.release(&schema);
  PUT(writer, "a", 1, 2);
  PUT(writer, "b", 1);
  struct ArrowArray keys = array_new(2, 0, 1), rows = {0};
  parts_of(&keys)->top = true;
  array_child(&keys, names_array(2, IDS(1, 2), "b"));
  array_child(&keys, ids_array(2, IDS(1, 2)));
  uint8_t states[2];
  OK(weir_writer_get(writer, &keys, NULL, NULL, -1, states, 2, &rows, &err));
  CHECK(states[0] == WEIR_KEY_FOUND && states[1] == WEIR_KEY_MISSING);
  rows.release(&rows);
  struct ArrowArray nulls = rows_of(1, IDS(3), NULL);
  FAILS_SAYING(weir_writer_put(writer, &nulls, -1, NULL, &err), INVALID_DATA, "name");
  weir_writer_free(writer);
  free(root);
}

/* The key is marked in the stored schema, so a stream without marks must still fit. */
static void test_streams_need_no_marks_of_the_key(void) {
  char *root = new_root();
  WeirWriter *writer = keyed_writer(session, root);
  struct ArrowArrayStream stream = stream_new(3, 10, 0);
  WeirAck ack;
  OK(weir_writer_put_stream(writer, &stream, -1, &ack, &err));
  Read rows = GET(writer, "fm", 29, 30);
  CHECK_EQ(rows.n, 1);
  weir_writer_free(writer);
  free(root);
}

/* ---- Tables become generations ---- */

static void test_freezing_and_flushing(void) {
  char *root = new_root();
  WeirWriter *writer = keyed_writer(session, root);
  uint64_t generation = 99;
  OK(weir_writer_freeze(writer, &generation, &err)); /* nothing to freeze */
  CHECK_EQ(generation, 0);
  OK(weir_writer_wait_flushed(writer, 0, 0, &err));
  FAILS_SAYING(weir_writer_wait_flushed(writer, 1, 0, &err), INVALID_ARGUMENT, "1");
  PUT(writer, "a", 1, 2, 3);
  WeirMemTableStats stats = table_stats(writer);
  CHECK_EQ(stats.active_generation, 1);
  CHECK_EQ(stats.active_rows, 3);
  CHECK_EQ(stats.active_batches, 1);
  CHECK(stats.active_bytes > 0);
  CHECK_EQ(flush_tables(writer), 1);
  stats = table_stats(writer);
  CHECK_EQ(stats.active_generation, 2);
  CHECK_EQ(stats.active_rows, 0);
  CHECK_EQ(stats.frozen_tables, 0);
  CHECK_EQ(stats.published_generation, 1);
  CHECK_EQ(stats.generations, 1);
  CHECK_EQ(stats.flushes, 1);
  CHECK_EQ(stats.flush_failures, 0);
  CHECK_EQ(stats.flushed_rows, 3);
  CHECK(stats.flushed_bytes > 0);
  PUT(writer, "b", 2);
  OK(weir_writer_freeze(writer, NULL, &err)); /* who does not want the number need not take it */
  OK(weir_writer_wait_flushed_async(writer, 2, weir_queue_completion(queue, 6), &err));
  CHECK_EQ(event_of(queue, 6).status, WEIR_STATUS_OK);
  OK(weir_writer_wait_flushed_async(writer, 3, weir_queue_completion(queue, 7), &err));
  WeirEvent event = event_of(queue, 7);
  CHECK_EQ(event.status, WEIR_STATUS_INVALID_ARGUMENT);
  weir_event_clear(&event);
  Read rows = scan_all(writer, NULL);
  CHECK_EQ(rows.n, 3);
  WeirManifest *manifest = NULL;
  OK(weir_writer_manifest(writer, &manifest, &err));
  CHECK_EQ(weir_manifest_replay_after(manifest), 2);
  weir_manifest_free(manifest);
  weir_writer_free(writer);
  free(root);
}

static void test_a_full_table_is_flushed_by_itself(void) {
  char *root = new_root();
  WeirWriterOptions options = keyed_options();
  options.max_memtable_rows = 10;
  WeirWriter *writer = writer_new(session, root, &options);
  for (int64_t i = 0; i < 8; i++) PUT(writer, "a", i * 3, i * 3 + 1, i * 3 + 2);
  struct ArrowArray large = batch_new(11, 0);
  FAILS_SAYING(weir_writer_put(writer, &large, -1, NULL, &err), INVALID_ARGUMENT, "11 rows"); /* PITFALLS F6 */
  EVENTUALLY(table_stats(writer).flushes >= 2);
  Read rows = scan_all(writer, NULL);
  CHECK_EQ(rows.n, 24);
  weir_writer_free(writer);
  free(root);
}

static void test_reopening_brings_the_log_back(void) {
  char *root = new_root();
  WeirWriter *writer = keyed_writer(session, root);
  PUT(writer, "a", 1, 2, 3);
  flush_tables(writer);
  PUT(writer, "b", 2, 4);
  DELETE(writer, 3);
  OK(weir_writer_abort(writer, &err));
  weir_writer_free(writer);
  writer = keyed_writer(session, root);
  WeirMemTableStats stats = table_stats(writer);
  CHECK_EQ(stats.replayed_entries, 2);
  CHECK_EQ(stats.replayed_rows, 3);
  CHECK_EQ(stats.generations, 1);
  Read rows = GET(writer, "ffdf", 1, 2, 3, 4);
  CHECK_EQ(rows.n, 3);
  CHECK_STR(rows.names[1], "b2");
  OK(weir_writer_close(writer, -1, &err)); /* which flushes */
  CHECK_EQ(table_stats(writer).published_generation, 2);
  weir_writer_free(writer);
  writer = keyed_writer(session, root);
  CHECK_EQ(table_stats(writer).replayed_rows, 0);
  rows = scan_all(writer, NULL);
  IDS_ARE(rows, NULL, 1, 2, 4);

  /* Another key cannot be read into what is there; nobody is fenced by the attempt (PITFALLS B4). */
  WeirWriterOptions options = keyed_options();
  const char *const names[] = {"name"};
  options.primary_key = names;
  struct ArrowSchema schema = batch_schema();
  WeirWriter *other = NULL;
  FAILS(weir_writer_open(session, root, SHARD, &schema, &options, &other, &err), SCHEMA_MISMATCH);
  schema.release(&schema);
  OK(weir_writer_check_fenced(writer, -1, &err));
  weir_writer_free(writer);
  free(root);
}

static void test_compaction(void) {
  char *root = new_root();
  WeirWriterOptions options = keyed_options();
  options.compaction_min_generations = 2;
  WeirWriter *writer = writer_new(session, root, &options);
  uint64_t merges = 99;
  OK(weir_writer_compact(writer, -1, &merges, &err));
  CHECK_EQ(merges, 0);
  for (int64_t i = 0; i < 4; i++) {
    PUT(writer, "a", i, i + 1, 100);
    flush_tables(writer);
  }
  Read before = scan_all(writer, NULL);
  CHECK_EQ(table_stats(writer).generations, 4);
  OK(weir_writer_compact(writer, -1, &merges, &err));
  CHECK_EQ(merges, 1);
  WeirMemTableStats stats = table_stats(writer);
  CHECK_EQ(stats.generations, 1);
  CHECK_EQ(stats.compactions, 1);
  CHECK_EQ(stats.compacted_generations, 4);
  Read after = scan_all(writer, NULL);
  CHECK_EQ(after.n, before.n);
  CHECK(memcmp(after.ids, before.ids, sizeof after.ids) == 0);
  OK(weir_writer_compact_async(writer, weir_queue_completion(queue, 8), &err));
  WeirEvent event = event_of(queue, 8);
  CHECK_EQ(event.status, WEIR_STATUS_OK);
  CHECK_EQ(event.value, 0);
  OK(weir_writer_compact(writer, -1, NULL, &err));
  weir_writer_free(writer);

  /* In the background. */
  options.compaction = 1;
  writer = writer_new(session, root, &options);
  PUT(writer, "b", 5);
  flush_tables(writer);
  EVENTUALLY(table_stats(writer).compactions == 1);
  EVENTUALLY(table_stats(writer).generations == 1);
  after = scan_all(writer, NULL);
  CHECK_EQ(after.n, before.n + 1);
  weir_writer_free(writer);
  free(root);
}

/* ---- Figures ---- */

static void test_memory_and_metrics(void) {
  char *root = new_root();
  WeirSession *own = session_new();
  WeirWriterOptions options = keyed_options();
  options.max_unflushed_bytes = 1 << 29;
  options.frozen_grace_ms = 3600 * 1000;
  WeirWriter *writer = writer_new(own, root, &options);
  WeirWriterMemory memory = WEIR_WRITER_MEMORY_INIT;
  WeirSessionMemory all = WEIR_SESSION_MEMORY_INIT;
  PUT(writer, "a", 1, 2, 3);
  OK(weir_writer_memory(writer, &memory, &err));
  CHECK(memory.memtable_bytes > 0);
  CHECK_EQ(memory.unflushed_limit_bytes, 1 << 29);
  CHECK_EQ(memory.kept_bytes, 0);
  OK(weir_session_memory(own, &all, &err));
  CHECK_EQ(all.memtable_bytes, memory.memtable_bytes);
  flush_tables(writer);
  OK(weir_writer_memory(writer, &memory, &err));
  CHECK(memory.kept_bytes > 0 && memory.frozen_bytes == 0);
  WeirBuffer *text = NULL;
  OK(weir_metrics_prometheus(own, &text, &err));
  const char *const lines[] = {"weir_memtable_active_rows ", "weir_memtable_kept_bytes ", "weir_memtable_flushes_total 1", "weir_memtable_flushed_rows_total 3",
                               "weir_memtable_replayed_rows_total 0", "weir_generation_open 1", "weir_generation_compactions_total 0"};
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
    if (strstr(weir_buffer_data(text), lines[i]) == NULL) fail_at(__FILE__, __LINE__, "no %s in the metrics", lines[i]);
  weir_buffer_free(text);
  WeirMemTableStats stats = WEIR_MEM_TABLE_STATS_INIT;
  stats.struct_size = 16; /* an older program's */
  stats.active_rows = 77;
  OK(weir_writer_memtable_stats(writer, &stats, &err));
  CHECK_EQ(stats.active_rows, 77);
  stats.struct_size = 3;
  FAILS(weir_writer_memtable_stats(writer, &stats, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_memtable_stats(writer, NULL, &err), INVALID_ARGUMENT);
  weir_writer_free(writer);
  OK(weir_session_memory(own, &all, &err));
  CHECK_EQ(all.memtable_bytes, 0);
  weir_session_free(own);
  free(root);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  session = session_new();
  OK(weir_queue_new(NULL, &queue, &err));
  RUN(test_the_newest_row_of_a_key_counts);
  RUN(test_get_tells_found_deleted_and_missing);
  RUN(test_get_gives_the_columns_that_are_wanted);
  RUN(test_gets_by_completion);
  RUN(test_deletes_are_puts_of_their_own);
  RUN(test_a_key_of_several_columns);
  RUN(test_streams_need_no_marks_of_the_key);
  RUN(test_freezing_and_flushing);
  RUN(test_a_full_table_is_flushed_by_itself);
  RUN(test_reopening_brings_the_log_back);
  RUN(test_compaction);
  RUN(test_memory_and_metrics);
  weir_queue_free(queue);
  weir_session_free(session);
  check_all_released();
  return harness_finish(argv[0]);
}
