/* The behaviours of MemTables: upserts, deletes, gets, scans, generations, replay, snapshots. */
#ifndef WEIR_TEST_CONFORMANCE_READS_H
#define WEIR_TEST_CONFORMANCE_READS_H

#include "memtable_build.h"

/* Puts the ids from `first` up to, not including, `end` as one batch. */
static void put_range(WeirWriter *writer, int64_t first, int64_t end, const char *tag) {
  int64_t ids[256];
  for (int64_t i = first; i < end; i++) ids[i - first] = i;
  put_rows(writer, end - first, ids, tag);
}

/* The rows from `at` on are the ids from `first` up to `end` with their names; returns where they end. */
#define RANGE_IS(read, at, first, end, tag) range_is(&(read), at, first, end, tag, __LINE__)
static int64_t range_is(const Read *read, int64_t at, int64_t first, int64_t end, const char *tag, int line) {
  for (int64_t id = first; id < end; id++, at++) {
    char name[40];
    snprintf(name, sizeof name, "%s%" PRId64, tag, id);
    if (at < read->n && read->ids[at] == id && strcmp(read->names[at], name) == 0) continue;
    fail_at(__FILE__, line, "row %" PRId64 " of %" PRId64 " is %" PRId64 " \"%s\", not \"%s\"", at, read->n, read->ids[at], read->names[at], name);
    return end;
  }
  return at;
}

static void upsert_newest_wins(void) {
  char *root = new_root(), *keyless = new_root();
  WeirWriter *writer = keyed_writer(session, root);
  put_range(writer, 0, 10, "old");
  put_range(writer, 5, 15, "new");
  for (int flushed = 0; flushed < 2; flushed++) {
    Read rows = scan_all(writer, NULL);
    CHECK_EQ(rows.n, 15);
    RANGE_IS(rows, RANGE_IS(rows, 0, 0, 5, "old"), 5, 15, "new");
    rows = GET(writer, "fmff", 5, 20, 4, 5);
    CHECK_EQ(rows.n, 3);
    CHECK_STR(rows.names[0], "new5");
    CHECK_STR(rows.names[1], "old4");
    CHECK_STR(rows.names[2], "new5");
    flush_tables(writer);
  }
  weir_writer_free(writer);

  writer = writer_new(session, keyless, NULL);
  put_range(writer, 0, 10, "old");
  put_range(writer, 5, 15, "new");
  Read rows = scan_all(writer, NULL);
  CHECK_EQ(rows.n, 20);
  RANGE_IS(rows, RANGE_IS(rows, 0, 0, 10, "old"), 5, 15, "new");
  struct ArrowArray keys = keys_of(1, IDS(1)), found = {0};
  FAILS(weir_writer_get(writer, &keys, NULL, NULL, -1, NULL, 0, &found, &err), UNSUPPORTED);
  keys = keys_of(1, IDS(1));
  FAILS(weir_writer_delete(writer, &keys, NULL, -1, NULL, &err), UNSUPPORTED);
  weir_writer_free(writer);
  free(root);
  free(keyless);
}

static void delete_and_states(void) {
  char *root = new_root();
  WeirWriter *writer = keyed_writer(session, root);
  WeirScanOptions all = WEIR_SCAN_OPTIONS_INIT;
  WeirAck put = {0}, gone = {0};
  struct ArrowArray batch = rows_of(10, IDS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), "a"), keys = keys_of(2, IDS(3, 7));
  OK(weir_writer_put(writer, &batch, -1, &put, &err));
  OK(weir_writer_delete(writer, &keys, NULL, -1, &gone, &err));
  CHECK(gone.sequence > put.sequence && gone.position > put.position);
  all.with_tombstones = 1;
  for (int flushed = 0; flushed < 2; flushed++) {
    Read rows = scan_all(writer, NULL);
    IDS_ARE(rows, "a", 0, 1, 2, 4, 5, 6, 8, 9);
    rows = GET(writer, "dfmd", 7, 2, 50, 7);
    IDS_ARE(rows, "a", 2);
    rows = scan_all(writer, &all);
    CHECK_EQ(rows.n, 10);
    for (int64_t i = 0; i < rows.n; i++) CHECK_EQ(rows.tombstones[i], rows.ids[i] == 3 || rows.ids[i] == 7);
    flush_tables(writer);
  }
  PUT(writer, "b", 3);
  Read rows = GET(writer, "fd", 3, 7);
  IDS_ARE(rows, "b", 3);

  keys = keys_of(3, IDS(0, 1, 2));
  struct ArrowArray *column = parts_of(&keys)->children[0];
  *(uint8_t *)array_buffer(column, 0, 1) = 5; /* the second is null */
  column->null_count = 1;
  FAILS(weir_writer_delete(writer, &keys, NULL, -1, NULL, &err), INVALID_DATA);
  rows = GET(writer, "fff", 0, 1, 2);
  IDS_ARE(rows, "a", 0, 1, 2);
  weir_writer_free(writer);
  free(root);
}

/* Ten standard batches of ten rows, with an index on name or without. */
static WeirWriter *hundred_rows(const char *root, bool indexed) {
  WeirIndexDefinition index = {"by_name", "name", WEIR_INDEX_BTREE, 0};
  WeirWriterOptions options = keyed_options();
  options.indexes = &index;
  options.indexes_len = indexed ? 1 : 0;
  WeirWriter *writer = writer_new(session, root, &options);
  put_batches(writer, 10);
  return writer;
}

/* A scan with these comparisons and one row of values of these columns: int64 by default, a text where there is one. */
static Read compare(WeirWriter *writer, WeirScanOptions options, const WeirComparison *comparisons, size_t n, const int64_t *ids,
                    const char *text) {
  struct ArrowSchema schema = schema_new("+s", "", false);
  struct ArrowArray values = values_of();
  WeirScan *scan = NULL;
  for (size_t i = 0; i < n; i++) {
    if (comparisons[i].op >= WEIR_COMPARE_IS_NULL) continue;
    bool is_text = strcmp(comparisons[i].column, "name") == 0;
    schema_child(&schema, schema_new(is_text ? "u" : "l", comparisons[i].column, true));
    array_child(&values, is_text ? text_array(text) : ids_array(1, &ids[i]));
  }
  options.comparisons = comparisons;
  options.comparisons_len = n;
  OK(weir_writer_scan(writer, &options, &values, &schema, &scan, &err));
  CHECK(values.release == NULL);
  schema.release(&schema);
  return read_scan(scan);
}

static void scan_filter_limit_of(bool indexed) {
  char *root = new_root();
  WeirWriter *writer = hundred_rows(root, indexed);
  const WeirComparison between[] = {{"id", WEIR_COMPARE_GE, 0}, {"id", WEIR_COMPARE_LT, 0}}, named = {"name", WEIR_COMPARE_EQ, 0},
                       null[] = {{"name", WEIR_COMPARE_IS_NULL, 0}, {"id", WEIR_COMPARE_LT, 0}};
  const char *const columns[] = {"name", "id"};
  WeirScanOptions options = WEIR_SCAN_OPTIONS_INIT;
  Read rows = compare(writer, options, between, 2, IDS(20, 40), NULL);
  CHECK_EQ(rows.n, 20);
  for (int64_t i = 0; i < rows.n; i++) CHECK_EQ(rows.ids[i], 20 + i);
  options.limit = 7;
  rows = compare(writer, options, between, 2, IDS(20, 40), NULL);
  IDS_ARE(rows, NULL, 20, 21, 22, 23, 24, 25, 26);
  options.limit = UINT64_MAX;

  WeirScan *scan = NULL;
  struct ArrowSchema schema = {0};
  options.columns = columns;
  options.columns_len = 2;
  OK(weir_writer_scan(writer, &options, NULL, NULL, &scan, &err));
  OK(weir_scan_schema(scan, &schema, &err));
  CHECK_EQ(schema.n_children, 2);
  CHECK_STR(schema.children[0]->name, "name");
  CHECK_STR(schema.children[1]->name, "id");
  schema.release(&schema);
  rows = read_scan(scan);
  CHECK_EQ(rows.n, 100);
  CHECK(rows.ids[98] == 98 && strcmp(rows.names[98], "-") == 0 && strcmp(rows.names[99], "row 99") == 0);

  options = (WeirScanOptions)WEIR_SCAN_OPTIONS_INIT;
  rows = compare(writer, options, &named, 1, NULL, "row 42");
  IDS_ARE(rows, NULL, 42);
  rows = compare(writer, options, null, 2, IDS(0, 10), NULL);
  IDS_ARE(rows, NULL, 2, 5, 8);
  options.batch_rows = 30;
  rows = scan_all(writer, &options);
  CHECK(rows.n == 100 && rows.batches >= 4);

  const char *const none[] = {"nothing"};
  options.columns = none;
  options.columns_len = 1;
  FAILS(weir_writer_scan(writer, &options, NULL, NULL, &scan, &err), INVALID_ARGUMENT);
  options = (WeirScanOptions)WEIR_SCAN_OPTIONS_INIT;
  options.comparisons = between;
  options.comparisons_len = 1;
  struct ArrowArray text = name_value("20");
  struct ArrowSchema texts = schema_new("+s", "", false);
  schema_child(&texts, schema_new("u", "id", true));
  FAILS(weir_writer_scan(writer, &options, &text, &texts, &scan, &err), SCHEMA_MISMATCH);
  texts.release(&texts);
  weir_writer_free(writer);
  free(root);
}

static void scan_filter_limit(void) {
  scan_filter_limit_of(false);
  scan_filter_limit_of(true);
}

static void scan_moment(void) {
  char *root = new_root();
  WeirWriter *writer = keyed_writer(session, root);
  struct ArrowSchema schema = {0};
  struct ArrowArray array = {0};
  struct ArrowArrayStream stream = {0};
  WeirScan *scan = NULL;
  WeirBatch *batch = NULL;
  WeirScanOptions options = WEIR_SCAN_OPTIONS_INIT;
  Read rows = {0};
  options.batch_rows = 10;
  put_range(writer, 0, 30, "a");
  OK(weir_writer_scan(writer, &options, NULL, NULL, &scan, &err));
  put_range(writer, 20, 40, "b");
  DELETE(writer, 0, 29);
  flush_tables(writer);
  OK(weir_scan_schema(scan, &schema, &err));
  OK(weir_scan_next(scan, -1, &batch, &err));
  OK(weir_batch_array(batch, &array, &err));
  read_rows(&rows, &schema, &array);
  weir_batch_free(batch);
  CHECK_EQ(rows.n, 10);
  OK(weir_scan_stream(scan, &stream, &err));
  FAILS(weir_scan_next(scan, -1, &batch, &err), CLOSED);
  weir_scan_free(scan);
  weir_writer_free(writer);
  while (CHECK_EQ(stream.get_next(&stream, &array), 0) && array.release != NULL) read_rows(&rows, &schema, &array);
  stream.release(&stream);
  CHECK_EQ(rows.n, 30);
  RANGE_IS(rows, 0, 0, 30, "a");
  schema.release(&schema);
  free(root);
}

static size_t generations_of(const char *root) {
  WeirManifest *manifest = NULL;
  OK(weir_shard_manifest(session, root, SHARD, -1, &manifest, &err));
  size_t n = weir_manifest_sstable_count(manifest);
  weir_manifest_free(manifest);
  return n;
}

static void freeze_flush_read(void) {
  char *root = new_root();
  WeirWriterOptions options = keyed_options();
  options.compaction_min_generations = 2;
  WeirWriter *writer = writer_new(session, root, &options);
  uint64_t generation = 0, merges = 0;
  put_range(writer, 0, 10, "a");
  OK(weir_writer_freeze(writer, &generation, &err));
  CHECK_EQ(generation, 1);
  OK(weir_writer_wait_flushed(writer, generation, -1, &err));
  CHECK_EQ(generations_of(root), 1);
  WeirMemTableStats stats = table_stats(writer);
  CHECK_EQ(stats.published_generation, 1);
  CHECK_EQ(stats.active_rows, 0);
  Read rows = scan_all(writer, NULL);
  CHECK_EQ(rows.n, 10);
  RANGE_IS(rows, 0, 0, 10, "a");
  rows = GET(writer, "fmf", 9, 10, 0);
  IDS_ARE(rows, "a", 9, 0);
  OK(weir_writer_freeze(writer, &generation, &err));
  CHECK_EQ(generation, 1);
  FAILS(weir_writer_wait_flushed(writer, 2, -1, &err), INVALID_ARGUMENT);

  for (int64_t i = 1; i < 4; i++) {
    put_range(writer, i * 10, i * 10 + 10, "a");
    CHECK_EQ(flush_tables(writer), i + 1);
  }
  CHECK_EQ(generations_of(root), 4);
  OK(weir_writer_compact(writer, -1, &merges, &err));
  CHECK(merges >= 1);
  CHECK(generations_of(root) < 4);
  rows = scan_all(writer, NULL);
  CHECK_EQ(rows.n, 40);
  RANGE_IS(rows, 0, 0, 40, "a");
  weir_writer_free(writer);
  free(root);
}

static void reopen_replays(void) {
  char *root = new_root();
  WeirWriter *writer = keyed_writer(session, root);
  put_range(writer, 0, 10, "flushed");
  flush_tables(writer);
  put_range(writer, 10, 20, "logged");
  DELETE(writer, 4, 14);
  OK(weir_writer_abort(writer, &err));
  weir_writer_free(writer);
  for (int closed = 0; closed < 2; closed++) {
    writer = keyed_writer(session, root);
    CHECK_EQ(table_stats(writer).replayed_rows, closed ? 0 : 12);
    Read rows = scan_all(writer, NULL);
    CHECK_EQ(rows.n, 18);
    int64_t at = RANGE_IS(rows, RANGE_IS(rows, 0, 0, 4, "flushed"), 5, 10, "flushed");
    RANGE_IS(rows, RANGE_IS(rows, at, 10, 14, "logged"), 15, 20, "logged");
    rows = GET(writer, "fdfdm", 3, 4, 13, 14, 20);
    CHECK_EQ(rows.n, 2);
    OK(weir_writer_close(writer, -1, &err));
    weir_writer_free(writer);
  }
  free(root);
}

static void snapshot_then_tail(void) {
  char *root = new_root();
  WeirSession *own = session_new();
  WeirWriter *writer = keyed_writer(session, root);
  WeirSnapshot *snapshot = NULL;
  WeirScan *scan = NULL;
  WeirEntry *entry = NULL;
  FAILS(weir_snapshot_open(own, root, SHARD2, NULL, NULL, &snapshot, &err), NOT_FOUND);
  put_range(writer, 0, 10, "a");
  flush_tables(writer);
  put_range(writer, 5, 15, "b");
  OK(weir_snapshot_open(own, root, SHARD, NULL, NULL, &snapshot, &err));
  put_range(writer, 15, 20, "c");
  OK(weir_writer_check_fenced(writer, -1, &err));

  OK(weir_snapshot_scan(snapshot, NULL, NULL, NULL, &scan, &err));
  Read rows = read_scan(scan);
  CHECK_EQ(rows.n, 15);
  RANGE_IS(rows, RANGE_IS(rows, 0, 0, 5, "a"), 5, 15, "b");
  struct ArrowArray keys = keys_of(3, IDS(15, 14, 0)), found = {0};
  uint8_t states[3] = {9, 9, 9};
  OK(weir_snapshot_get(snapshot, &keys, NULL, NULL, -1, states, 3, &found, &err));
  CHECK(states[0] == WEIR_KEY_MISSING && states[1] == WEIR_KEY_FOUND && states[2] == WEIR_KEY_FOUND);
  CHECK_EQ(found.length, 2);
  found.release(&found);

  WeirTailerOptions behind = WEIR_TAILER_OPTIONS_INIT;
  behind.from = weir_snapshot_cut_position(snapshot) + 1;
  WeirTailer *tailer = tailer_new(own, root, &behind);
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  CHECK_EQ(weir_entry_rows(entry), 5);
  if (OK(weir_entry_batch(entry, 0, &found, &err))) {
    CHECK_EQ(((const int64_t *)found.children[0]->buffers[1])[found.offset + found.children[0]->offset], 15);
    found.release(&found);
  }
  weir_entry_free(entry);
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  CHECK(entry == NULL);
  weir_tailer_free(tailer);
  weir_snapshot_free(snapshot);
  weir_writer_free(writer);
  weir_session_free(own);
  free(root);
}

static void memtable_off(void) {
  char *root = new_root(), *untouched = new_root();
  WeirWriterOptions options = log_options();
  WeirWriter *writer = writer_new(session, root, &options);
  struct ArrowArray keys = keys_of(1, IDS(1)), rows = {0};
  WeirMemTableStats stats = WEIR_MEM_TABLE_STATS_INIT;
  WeirScan *scan = NULL;
  uint64_t number = 0;
  FAILS(weir_writer_scan(writer, NULL, NULL, NULL, &scan, &err), UNSUPPORTED);
  FAILS(weir_writer_get(writer, &keys, NULL, NULL, -1, NULL, 0, &rows, &err), UNSUPPORTED);
  keys = keys_of(1, IDS(1));
  FAILS(weir_writer_delete(writer, &keys, NULL, -1, NULL, &err), UNSUPPORTED);
  FAILS(weir_writer_freeze(writer, &number, &err), UNSUPPORTED);
  FAILS(weir_writer_wait_flushed(writer, 0, -1, &err), UNSUPPORTED);
  FAILS(weir_writer_compact(writer, -1, &number, &err), UNSUPPORTED);
  FAILS(weir_writer_memtable_stats(writer, &stats, &err), UNSUPPORTED);
  put_batches(writer, 2);
  OK(weir_writer_close(writer, -1, &err));
  weir_writer_free(writer);
  CHECK_EQ(rows_in_log(session, root), 20);

  struct ArrowSchema schema = batch_schema();
  const char *none[] = {"nothing"};
  WeirIndexDefinition index = {"by_nothing", "nothing", WEIR_INDEX_BTREE, 0};
  options.primary_key = KEY_ID;
  options.primary_key_len = 1;
  FAILS_SAYING(weir_writer_open(session, untouched, SHARD, &schema, &options, &writer, &err), INVALID_ARGUMENT, "primary_key");
  options.primary_key_len = 0;
  options.indexes = &index;
  options.indexes_len = 1;
  FAILS_SAYING(weir_writer_open(session, untouched, SHARD, &schema, &options, &writer, &err), INVALID_ARGUMENT, "indexes");
  options.enable_memtable = 1;
  FAILS_SAYING(weir_writer_open(session, untouched, SHARD, &schema, &options, &writer, &err), INVALID_ARGUMENT, "nothing");
  options.indexes_len = 0;
  options.primary_key = none;
  options.primary_key_len = 1;
  FAILS_SAYING(weir_writer_open(session, untouched, SHARD, &schema, &options, &writer, &err), INVALID_ARGUMENT, "nothing");
  schema.release(&schema);
  CHECK(access(untouched, F_OK) != 0);
  free(root);
  free(untouched);
}

static void read_ownership(void) {
  char *root = new_root();
  WeirSession *own = session_new();
  WeirWriter *writer = keyed_writer(own, root);
  WeirSnapshot *snapshot = NULL;
  WeirScan *scan = NULL;
  WeirBatch *batch = NULL;
  const char *const none[] = {"nothing"};
  const WeirComparison at_least = {"id", WEIR_COMPARE_GE, 0};
  WeirGetOptions of_none = WEIR_GET_OPTIONS_INIT;
  WeirScanOptions few = WEIR_SCAN_OPTIONS_INIT;
  of_none.columns = none;
  of_none.columns_len = 1;
  few.comparisons = &at_least;
  few.comparisons_len = 1;
  put_batches(writer, 2);

  struct ArrowArray in, got = {0}, scanned = {0}, snapped = {0};
  long released = atomic_load(&tops_released), calls = 0;
#define TAKEN(array, call)                                    \
  do {                                                        \
    in = (array);                                             \
    call;                                                     \
    CHECK(in.release == NULL);                                \
    calls++;                                                  \
    CHECK_EQ(atomic_load(&tops_released) - released, calls);   \
  } while (0)
  TAKEN(keys_of(1, IDS(1)), OK(weir_writer_get(writer, &in, NULL, NULL, -1, NULL, 0, &got, &err)));
  TAKEN(keys_of(1, IDS(1)), FAILS(weir_writer_get(writer, &in, NULL, &of_none, -1, NULL, 0, &scanned, &err), INVALID_ARGUMENT));
  TAKEN(keys_of(1, IDS(1)), FAILS(weir_writer_get(NULL, &in, NULL, NULL, -1, NULL, 0, &scanned, &err), INVALID_ARGUMENT));
  TAKEN(id_value(10), { /* which the scan may keep */
    OK(weir_writer_scan(writer, &few, &in, NULL, &scan, &err));
    OK(weir_scan_next(scan, -1, &batch, &err));
    OK(weir_batch_array(batch, &scanned, &err));
    weir_batch_free(batch);
    weir_scan_free(scan);
  });
  TAKEN(id_value(10), FAILS(weir_writer_scan(NULL, &few, &in, NULL, &scan, &err), INVALID_ARGUMENT));
  few.comparisons_len = 0;
  TAKEN(id_value(10), FAILS(weir_writer_scan(writer, &few, &in, NULL, &scan, &err), INVALID_DATA)); /* compared with nothing */
  OK(weir_snapshot_open(own, root, SHARD, NULL, NULL, &snapshot, &err));
  TAKEN(keys_of(1, IDS(2)), OK(weir_snapshot_get(snapshot, &in, NULL, NULL, -1, NULL, 0, &snapped, &err)));
  TAKEN(keys_of(1, IDS(2)), OK(weir_writer_delete(writer, &in, NULL, -1, NULL, &err)));
  OK(weir_writer_close(writer, -1, &err));
  TAKEN(keys_of(1, IDS(1)), FAILS(weir_writer_delete(writer, &in, NULL, -1, NULL, &err), CLOSED));
#undef TAKEN
  weir_snapshot_free(snapshot);
  weir_writer_free(writer);
  weir_session_free(own);
  CHECK(batch_is(&got, 1, 1));
  CHECK(batch_is(&scanned, 10, 10));
  CHECK(batch_is(&snapped, 1, 2));
  got.release(&got);
  scanned.release(&scanned);
  snapped.release(&snapped);
  free(root);
}

#endif
