/* Scans: comparisons, columns, limits, what a scan sees, streams of it, and all that is wrong with asking for one. */
#include "memtable_build.h"

static WeirSession *session;
static WeirQueue *queue;
static WeirWriter *table; /* ids 0 to 9, in a generation, a second one, and a MemTable; 3 and 8 have no name; 12 was deleted */

static void fill(WeirWriter *writer) {
  PUT(writer, "old", 0, 1, 2);
  PUT(writer, NULL, 3);
  PUT(writer, "n", 4);
  flush_tables(writer);
  PUT(writer, "n", 5, 0, 12);
  flush_tables(writer);
  PUT(writer, "n", 1, 6, 7, 2);
  PUT(writer, NULL, 8);
  PUT(writer, "n", 9);
  DELETE(writer, 12);
}

/* The ids for which a comparison holds, in ascending order. */
static bool found(const WeirComparison *comparisons, size_t n, struct ArrowArray values, const struct ArrowSchema *schema, int64_t count,
                  const int64_t *ids, int line) {
  WeirScanOptions options = WEIR_SCAN_OPTIONS_INIT;
  WeirScan *scan = NULL;
  options.comparisons = comparisons;
  options.comparisons_len = n;
  if (!OK(weir_writer_scan(table, &options, values.release ? &values : NULL, schema, &scan, &err))) return false;
  CHECK(values.release == NULL);
  Read read = read_scan(scan);
  for (int64_t i = 0; i < read.n; i++)
    for (int64_t j = i; j-- > 0 && read.ids[j] > read.ids[j + 1];) {
      int64_t swap = read.ids[j];
      read.ids[j] = read.ids[j + 1];
      read.ids[j + 1] = swap;
    }
  return ids_are(&read, count, ids, NULL, line);
}
#define FOUND(comparisons, values, schema, ...) \
  found(comparisons, sizeof(comparisons) / sizeof(WeirComparison), values, schema, COUNT(__VA_ARGS__), IDS(__VA_ARGS__), __LINE__)

#define FOUND_NONE(comparisons, values) found(comparisons, 1, values, NULL, 0, NULL, __LINE__)

static const struct ArrowArray NOTHING = {0};

static void test_every_comparison_of_the_key(void) {
  WeirComparison one[] = {{"id", WEIR_COMPARE_EQ, 0}};
  FOUND(one, id_value(4), NULL, 4);
  FOUND(one, id_value(1), NULL, 1);
  FOUND_NONE(one, id_value(12));
  one[0].op = WEIR_COMPARE_NE;
  FOUND(one, id_value(4), NULL, 0, 1, 2, 3, 5, 6, 7, 8, 9);
  one[0].op = WEIR_COMPARE_LT;
  FOUND(one, id_value(2), NULL, 0, 1);
  one[0].op = WEIR_COMPARE_LE;
  FOUND(one, id_value(2), NULL, 0, 1, 2);
  one[0].op = WEIR_COMPARE_GT;
  FOUND(one, id_value(7), NULL, 8, 9);
  one[0].op = WEIR_COMPARE_GE;
  FOUND(one, id_value(7), NULL, 7, 8, 9);
  FOUND_NONE(one, id_value(INT64_MAX));
  one[0].op = WEIR_COMPARE_IS_NULL;
  FOUND_NONE(one, NOTHING);
  one[0].op = WEIR_COMPARE_IS_NOT_NULL;
  FOUND(one, NOTHING, NULL, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
}

/* The column with an index. What is superseded is not found by what it was (PITFALLS I2). */
static void test_every_comparison_of_a_text(void) {
  WeirComparison one[] = {{"name", WEIR_COMPARE_EQ, 0}};
  FOUND(one, name_value("n4"), NULL, 4);
  FOUND_NONE(one, name_value("old0"));
  FOUND_NONE(one, name_value("old1"));
  one[0].op = WEIR_COMPARE_NE;
  FOUND(one, name_value("n4"), NULL, 0, 1, 2, 5, 6, 7, 9); /* a null is not unequal */
  one[0].op = WEIR_COMPARE_LT;
  FOUND(one, name_value("n2"), NULL, 0, 1);
  one[0].op = WEIR_COMPARE_LE;
  FOUND(one, name_value("n2"), NULL, 0, 1, 2);
  one[0].op = WEIR_COMPARE_GT;
  FOUND(one, name_value("n7"), NULL, 9);
  one[0].op = WEIR_COMPARE_GE;
  FOUND(one, name_value("n7"), NULL, 7, 9);
  one[0].op = WEIR_COMPARE_IS_NULL;
  FOUND(one, NOTHING, NULL, 3, 8);
  one[0].op = WEIR_COMPARE_IS_NOT_NULL;
  FOUND(one, NOTHING, NULL, 0, 1, 2, 4, 5, 6, 7, 9);
}

static void test_comparisons_must_all_hold(void) {
  const WeirComparison range[] = {{"id", WEIR_COMPARE_GE, 0}, {"id", WEIR_COMPARE_LT, 0}};
  const WeirComparison mixed[] = {{"name", WEIR_COMPARE_IS_NOT_NULL, 0}, {"id", WEIR_COMPARE_GT, 0}, {"name", WEIR_COMPARE_LT, 0}};
  struct ArrowArray values = id_value(2);
  array_child(&values, ids_array(1, IDS(6)));
  FOUND(range, values, NULL, 2, 3, 4, 5);
  values = id_value(2);
  array_child(&values, text_array("n7"));
  FOUND(mixed, values, NULL, 4, 5, 6);
}

static struct ArrowArray number_value(size_t width, int64_t number) {
  struct ArrowArray values = values_of(), one = array_new(1, 0, 2);
  memcpy(array_buffer(&one, 1, width), &number, width); /* little endian */
  array_child(&values, one);
  return values;
}

static void test_values_of_other_widths_are_cast_without_loss(void) {
  const WeirComparison id[] = {{"id", WEIR_COMPARE_EQ, 0}}, name[] = {{"name", WEIR_COMPARE_EQ, 0}};
  const struct {
    const char *format;
    size_t width;
  } widths[] = {{"c", 1}, {"C", 1}, {"s", 2}, {"S", 2}, {"i", 4}, {"I", 4}, {"l", 8}, {"L", 8}};
  for (size_t i = 0; i < 8; i++) {
    struct ArrowSchema schema = schema_new("+s", "", false);
    schema_child(&schema, schema_new(widths[i].format, "whatever", true));
    FOUND(id, number_value(widths[i].width, 5), &schema, 5);
    schema.release(&schema);
  }
  struct ArrowSchema schema = schema_new("+s", "", false);
  struct ArrowArray values = values_of(), text = array_new(1, 0, 3);
  schema_child(&schema, schema_new("U", "", false)); /* large_utf8 */
  ((int64_t *)array_buffer(&text, 1, 16))[1] = 2;
  memcpy(array_buffer(&text, 2, 2), "n6", 2);
  array_child(&values, text);
  FOUND(name, values, &schema, 6);

  /* Where it would lose something, or is something else, it is refused. */
  WeirScanOptions options = WEIR_SCAN_OPTIONS_INIT;
  WeirScan *scan = NULL;
  options.comparisons = id;
  options.comparisons_len = 1;
  values = name_value("5");
  struct ArrowSchema utf8 = schema_new("+s", "", false);
  schema_child(&utf8, schema_new("u", "", false));
  FAILS_SAYING(weir_writer_scan(table, &options, &values, &utf8, &scan, &err), SCHEMA_MISMATCH, "'id'");
  CHECK(values.release == NULL);
  struct ArrowSchema wide = schema_new("+s", "", false);
  schema_child(&wide, schema_new("L", "", false)); /* uint64, beyond what the column holds */
  values = number_value(8, -1);
  FAILS_SAYING(weir_writer_scan(table, &options, &values, &wide, &scan, &err), SCHEMA_MISMATCH, "18446744073709551615");
  CHECK(values.release == NULL);
  schema.release(&schema);
  utf8.release(&utf8);
  wide.release(&wide);
}

static void test_columns_positions_generations(void) {
  const char *const columns[] = {"name", "id"};
  WeirScanOptions options = WEIR_SCAN_OPTIONS_INIT;
  struct ArrowSchema schema = {0};
  WeirScan *scan = NULL;
  options.columns = columns;
  options.columns_len = 2;
  options.with_position = options.with_generation = 1;
  OK(weir_writer_scan(table, &options, NULL, NULL, &scan, &err));
  OK(weir_scan_schema(scan, &schema, &err));
  CHECK_EQ(schema.n_children, 4);
  const char *const wanted[] = {"name", "id", "_position", "_generation"};
  for (int i = 0; i < 4; i++) CHECK_STR(schema.children[i]->name, wanted[i]);
  schema.release(&schema);
  Read read = read_scan(scan);
  IDS_ARE(read, NULL, 3, 4, 5, 0, 1, 6, 7, 2, 8, 9); /* in the order in which they were put */
  const uint64_t positions[] = {3, 4, 0, 1, 0, 1, 2, 3, 4, 5}, generations[] = {1, 1, 2, 2, 3, 3, 3, 3, 3, 3};
  for (int i = 0; i < 10; i++) {
    CHECK_EQ(read.positions[i], positions[i]);
    CHECK_EQ(read.generations[i], generations[i]);
  }
  options.columns_len = 1;
  read = scan_all(table, &options);
  CHECK_EQ(read.n, 10);
  CHECK_STR(read.names[0], "-");
  CHECK_STR(read.names[1], "n4");
}

static void test_limits_and_batches(void) {
  WeirScanOptions options = WEIR_SCAN_OPTIONS_INIT;
  for (uint64_t limit = 0; limit <= 12; limit++) {
    options.limit = limit;
    CHECK_EQ(scan_all(table, &options).n, limit < 10 ? limit : 10);
  }
  options.limit = UINT64_MAX;
  CHECK_EQ(scan_all(table, &options).batches, 1);
  options.batch_rows = 3;
  Read read = scan_all(table, &options);
  CHECK_EQ(read.n, 10);
  CHECK(read.batches >= 4);
}

static void test_deletions_come_if_they_are_wanted(void) {
  WeirScanOptions options = WEIR_SCAN_OPTIONS_INIT;
  options.with_tombstones = 1;
  Read read = scan_all(table, &options);
  CHECK_EQ(read.n, 11);
  for (int64_t i = 0; i < read.n; i++) CHECK(read.tombstones[i] == (read.ids[i] == 12));
  CHECK_EQ(read.ids[10], 12);
  CHECK_STR(read.names[10], "-");
}

/* PITFALLS I8 */
static void test_a_scan_sees_one_moment(void) {
  char *root = new_root();
  WeirWriter *writer = keyed_writer(session, root);
  WeirScan *scan = NULL;
  PUT(writer, "a", 1, 2, 3);
  OK(weir_writer_scan(writer, NULL, NULL, NULL, &scan, &err));
  PUT(writer, "b", 2, 4);
  DELETE(writer, 1);
  flush_tables(writer);
  OK(weir_writer_close(writer, -1, &err));
  weir_writer_free(writer); /* a scan goes on without its writer */
  Read read = read_scan(scan);
  IDS_ARE(read, "a", 1, 2, 3);
  free(root);
}

static void test_next_by_completion_and_the_end(void) {
  WeirScanOptions options = WEIR_SCAN_OPTIONS_INIT;
  WeirScan *scan = NULL;
  options.batch_rows = 4;
  OK(weir_writer_scan(table, &options, NULL, NULL, &scan, &err));
  uint64_t rows = 0;
  for (bool end = false; !end;) {
    WeirEvent event = {0};
    size_t n = 0;
    OK(weir_scan_next_async(scan, weir_queue_completion(queue, 1), &err));
    OK(weir_queue_next(queue, &event, 1, 20000, &n, &err));
    CHECK_EQ(event.status, WEIR_STATUS_OK);
    end = event.result == NULL;
    CHECK_EQ(event.result_kind, end ? WEIR_RESULT_NONE : WEIR_RESULT_BATCH);
    rows += weir_batch_rows(event.result);
    weir_event_clear(&event);
  }
  CHECK_EQ(rows, 10);
  WeirBatch *batch = (WeirBatch *)(uintptr_t)8;
  OK(weir_scan_next(scan, 0, &batch, &err)); /* the end stays the end */
  CHECK(batch == NULL);
  weir_scan_free(scan);
}

static void test_the_rest_as_a_stream(void) {
  WeirScanOptions options = WEIR_SCAN_OPTIONS_INIT;
  WeirScan *scan = NULL;
  WeirBatch *batch = NULL;
  struct ArrowArrayStream stream = {0}, second = {0};
  struct ArrowSchema schema = {0};
  struct ArrowArray array = {0};
  Read read = {0};
  options.batch_rows = 4;
  OK(weir_writer_scan(table, &options, NULL, NULL, &scan, &err));
  OK(weir_scan_next(scan, -1, &batch, &err));
  uint64_t before = weir_batch_rows(batch);
  weir_batch_free(batch);
  OK(weir_scan_stream(scan, &stream, &err));
  FAILS(weir_scan_next(scan, -1, &batch, &err), CLOSED);
  OK(weir_scan_next_async(scan, weir_queue_completion(queue, 1), &err));
  WeirEvent event = {0};
  size_t n = 0;
  OK(weir_queue_next(queue, &event, 1, 20000, &n, &err));
  CHECK_EQ(event.status, WEIR_STATUS_CLOSED);
  weir_event_clear(&event);
  FAILS(weir_scan_stream(scan, &second, &err), CLOSED);
  CHECK(second.release == NULL);
  OK(weir_scan_schema(scan, &schema, &err));
  weir_scan_free(scan);
  struct ArrowSchema streamed = {0};
  CHECK_EQ(stream.get_schema(&stream, &streamed), 0);
  CHECK_EQ(streamed.n_children, schema.n_children);
  streamed.release(&streamed);
  while (stream.get_next(&stream, &array) == 0 && array.release != NULL) read_rows(&read, &schema, &array);
  CHECK_EQ(read.n + (int64_t)before, 10);
  CHECK_EQ(stream.get_next(&stream, &array), 0);
  CHECK(array.release == NULL);
  stream.release(&stream);
  schema.release(&schema);
}

typedef struct {
  WeirScan *scan;
  uint64_t rows;
} Reader;

static void *read_some(void *arg) {
  Reader *reader = arg;
  WeirBatch *batch = NULL;
  while (weir_scan_next(reader->scan, -1, &batch, NULL) == WEIR_STATUS_OK && batch != NULL) {
    reader->rows += weir_batch_rows(batch);
    weir_batch_free(batch);
  }
  return NULL;
}

/* Every row comes once, whoever asks. */
static void test_several_threads_share_a_scan(void) {
  WeirScanOptions options = WEIR_SCAN_OPTIONS_INIT;
  WeirScan *scan = NULL;
  Reader readers[4];
  pthread_t threads[4];
  uint64_t rows = 0;
  options.batch_rows = 1;
  OK(weir_writer_scan(table, &options, NULL, NULL, &scan, &err));
  for (int i = 0; i < 4; i++) {
    readers[i] = (Reader){scan, 0};
    pthread_create(&threads[i], NULL, read_some, &readers[i]);
  }
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
    rows += readers[i].rows;
  }
  CHECK_EQ(rows, 10);
  weir_scan_free(scan);
}

/* A scan that is freed while it is asked still answers. */
static void test_free_while_next_is_under_way(void) {
  for (int round = 0; round < 20; round++) {
    WeirScan *scan = NULL;
    WeirEvent event = {0};
    size_t n = 0;
    OK(weir_writer_scan(table, NULL, NULL, NULL, &scan, &err));
    OK(weir_scan_next_async(scan, weir_queue_completion(queue, 1), &err));
    weir_scan_free(scan);
    OK(weir_queue_next(queue, &event, 1, 20000, &n, &err));
    CHECK_EQ(event.status, WEIR_STATUS_OK);
    CHECK_EQ(weir_batch_rows(event.result), 10);
    weir_event_clear(&event);
  }
}

static void refused(const WeirScanOptions *options, struct ArrowArray values, const char *words, int line) {
  WeirScan *scan = (WeirScan *)(uintptr_t)8;
  err = ERR_GARBAGE;
  check_status(weir_writer_scan(table, options, values.release ? &values : NULL, NULL, &scan, &err), WEIR_STATUS_INVALID_ARGUMENT, words,
               "weir_writer_scan", __FILE__, line);
  CHECK(scan == NULL && values.release == NULL);
  CHECK_EQ(atomic_load(&arrays_live), 0);
}
#define REFUSED(values, words) refused(&options, values, words, __LINE__)

static void test_options_that_make_no_sense(void) {
  WeirScanOptions options = WEIR_SCAN_OPTIONS_INIT;
#define WITH(field, value, words)                       \
  do {                                                  \
    options = (WeirScanOptions)WEIR_SCAN_OPTIONS_INIT;  \
    options.field = value;                              \
    REFUSED(id_value(1), words);                        \
  } while (0)
  WITH(struct_size, 0, "struct_size");
  WITH(struct_size, (uint32_t)sizeof options - 1, "struct_size");
  WITH(with_position, 2, "with_position");
  WITH(with_generation, 255, "with_generation");
  WITH(with_tombstones, 7, "with_tombstones");
  WITH(reserved, 1, "reserved");
  WITH(reserved2, 1, "reserved");
  WITH(batch_rows, 0, "batch_rows");
  WITH(columns_len, 1, "columns");
  WITH(comparisons_len, 1, "comparisons");
  WITH(comparisons_len, SIZE_MAX, "comparisons");
  WITH(limit, 1, "1 values, and 0 comparisons"); /* a value that nothing takes */

  const char *columns[] = {"nam", "id"};
  weir_scan_options_init(&options, sizeof options);
  options.columns = columns;
  options.columns_len = 1;
  REFUSED(NOTHING, "nam");
  columns[0] = "id";
  options.columns_len = 2;
  REFUSED(NOTHING, "id");
  columns[0] = NULL;
  REFUSED(NOTHING, "columns[0]");

  WeirComparison comparisons[] = {{"id", 8, 0}, {"id", WEIR_COMPARE_LT, 0}};
  weir_scan_options_init(&options, sizeof options);
  options.comparisons = comparisons;
  options.comparisons_len = 1;
  REFUSED(id_value(1), "op is 8");
  comparisons[0].op = -1;
  REFUSED(id_value(1), "op is -1");
  comparisons[0] = (WeirComparison){"id", WEIR_COMPARE_EQ, 1};
  REFUSED(id_value(1), "reserved");
  comparisons[0] = (WeirComparison){NULL, WEIR_COMPARE_EQ, 0};
  REFUSED(id_value(1), "comparisons[0].column");
  comparisons[0].column = "none";
  REFUSED(id_value(1), "none");
  comparisons[0].op = WEIR_COMPARE_IS_NULL;
  REFUSED(NOTHING, "none");
  comparisons[0] = (WeirComparison){"id", WEIR_COMPARE_EQ, 0};
  REFUSED(NOTHING, "values"); /* it takes one */
  REFUSED(keys_of(2, IDS(1, 2)), "one row");
  REFUSED(keys_of(0, NULL), "one row");
  options.comparisons_len = 2;
  comparisons[0].op = WEIR_COMPARE_IS_NULL;
  struct ArrowArray null = id_value(1);
  struct ArrowArray *column = parts_of(&null)->children[0];
  array_buffer(column, 0, 1);
  column->null_count = 1;
  REFUSED(null, "null");
  weir_scan_options_init(NULL, 0);

  /* Fewer children than the comparisons need. */
  comparisons[0] = comparisons[1];
  struct ArrowArray few = id_value(1);
  WeirScan *scan = NULL;
  FAILS_SAYING(weir_writer_scan(table, &options, &few, NULL, &scan, &err), INVALID_ARGUMENT, "1 values, and 2 comparisons");
  CHECK(few.release == NULL);
}

static void test_nulls_and_released_things(void) {
  const WeirComparison comparison = {"id", WEIR_COMPARE_EQ, 0};
  WeirScanOptions options = WEIR_SCAN_OPTIONS_INIT;
  struct ArrowSchema released = {0};
  struct ArrowArrayStream stream = {0};
  WeirScan *scan = NULL;
  WeirBatch *batch = NULL;
  WeirCompletion none = {0};
  options.comparisons = &comparison;
  options.comparisons_len = 1;
  struct ArrowArray values = id_value(1);
  FAILS(weir_writer_scan(NULL, &options, &values, NULL, &scan, &err), INVALID_ARGUMENT);
  CHECK(values.release == NULL);
  values = id_value(1);
  FAILS(weir_writer_scan(table, &options, &values, NULL, NULL, &err), INVALID_ARGUMENT);
  CHECK(values.release == NULL);
  values = id_value(1);
  FAILS(weir_writer_scan(table, &options, &values, &released, &scan, &err), INVALID_ARGUMENT);
  CHECK(values.release == NULL);
  FAILS(weir_writer_scan(table, &options, &values, NULL, &scan, &err), INVALID_ARGUMENT); /* released */
  values = id_value(1);
  values.length = -1;
  FAILS(weir_writer_scan(table, &options, &values, NULL, &scan, &err), INVALID_DATA);
  CHECK(values.release == NULL);
  CHECK_EQ(atomic_load(&arrays_live), 0);
  FAILS(weir_scan_schema(NULL, &released, &err), INVALID_ARGUMENT);
  FAILS(weir_scan_next(NULL, -1, &batch, &err), INVALID_ARGUMENT);
  FAILS(weir_scan_next_async(NULL, weir_queue_completion(queue, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_scan_stream(NULL, &stream, &err), INVALID_ARGUMENT);
  weir_scan_free(NULL);
  OK(weir_writer_scan(table, NULL, NULL, NULL, &scan, &err));
  FAILS(weir_scan_schema(scan, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_scan_next(scan, -1, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_scan_next_async(scan, none, &err), INVALID_ARGUMENT);
  FAILS(weir_scan_stream(scan, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_scan_next((WeirScan *)table, -1, &batch, &err), INVALID_ARGUMENT); /* of another type */
  OK(weir_scan_next(scan, -1, &batch, &err)); /* none of that took its rows */
  CHECK_EQ(weir_batch_rows(batch), 10);
  weir_batch_free(batch);
  weir_scan_free(scan);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  session = session_new();
  OK(weir_queue_new(NULL, &queue, &err));
  for (int indexed = 0; indexed < 2; indexed++) { /* what a scan finds does not depend on how */
    char *root = new_root();
    const WeirIndexDefinition by_name = {"by_name", "name", WEIR_INDEX_BTREE, 0};
    WeirWriterOptions options = keyed_options();
    options.indexes = &by_name;
    options.indexes_len = (size_t)indexed;
    table = writer_new(session, root, &options);
    fill(table);
    RUN(test_every_comparison_of_the_key);
    RUN(test_every_comparison_of_a_text);
    RUN(test_comparisons_must_all_hold);
    RUN(test_values_of_other_widths_are_cast_without_loss);
    RUN(test_columns_positions_generations);
    RUN(test_limits_and_batches);
    RUN(test_deletions_come_if_they_are_wanted);
    if (!indexed) {
      RUN(test_a_scan_sees_one_moment);
      RUN(test_next_by_completion_and_the_end);
      RUN(test_the_rest_as_a_stream);
      RUN(test_several_threads_share_a_scan);
      RUN(test_free_while_next_is_under_way);
      RUN(test_options_that_make_no_sense);
      RUN(test_nulls_and_released_things);
    }
    weir_writer_free(table);
    free(root);
  }
  weir_queue_free(queue);
  weir_session_free(session);
  check_all_released();
  return harness_finish(argv[0]);
}
