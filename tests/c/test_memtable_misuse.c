/* MemTables asked for what cannot be, asked by many at once, closed and freed under way; and writers without, which refuse all that. */
#include "memtable_build.h"

static WeirSession *session;
static WeirQueue *queue;

/* ---- What is refused ---- */

static void test_options_that_make_no_sense(void) {
  char *root = new_root();
  struct ArrowSchema schema = batch_schema();
  WeirWriter *writer = NULL;
  WeirWriterOptions options = keyed_options();
#define REFUSED(words) FAILS_SAYING(weir_writer_open(session, root, SHARD, &schema, &options, &writer, &err), INVALID_ARGUMENT, words)
  const char *names[] = {"none", "id"};
  options.primary_key = names;
  REFUSED("none");
  names[0] = "id";
  options.primary_key_len = 2;
  REFUSED("twice");
  names[0] = NULL;
  REFUSED("primary_key[0]");
  options = keyed_options();
  WeirIndexDefinition indexes[] = {{"by_name", "name", WEIR_INDEX_BTREE, 0}, {"by_name", "name", WEIR_INDEX_BTREE, 0}};
  options.indexes = indexes;
  options.indexes_len = 2;
  REFUSED("by_name");
  options.indexes_len = 1;
  indexes[0].kind = 1;
  REFUSED("kind is 1");
  indexes[0].kind = -1;
  REFUSED("kind is -1");
  indexes[0].kind = WEIR_INDEX_BTREE;
  indexes[0].reserved = 1;
  REFUSED("reserved");
  indexes[0].reserved = 0;
  indexes[0].column = "none";
  REFUSED("none");
  indexes[0].column = NULL;
  REFUSED("indexes[0].column");
  indexes[0] = (WeirIndexDefinition){"no/name", "name", 0, 0};
  REFUSED("no/name");
  indexes[0] = (WeirIndexDefinition){NULL, "name", 0, 0};
  REFUSED("indexes[0].name");
  indexes[0].name = "by_name";
  options.enable_memtable = 0;
  REFUSED("primary_key");
  options.primary_key_len = 0;
  REFUSED("indexes");
  options.indexes_len = 0;
  options.max_memtable_rows = 0; /* of no account */
  OK(weir_writer_open(session, root, SHARD, &schema, &options, &writer, &err));
  weir_writer_free(writer);
  schema.release(&schema);
  free(root);
}

/* All that needs MemTables, or a key, of a writer without. */
static void refuses(WeirWriter *writer, bool keyless) {
  struct ArrowSchema schema = {0};
  struct ArrowArray keys = keys_of(1, IDS(1)), rows = {0};
  WeirCompletion completion = weir_queue_completion(queue, 9);
  FAILS(weir_writer_delete(writer, &keys, NULL, -1, NULL, &err), UNSUPPORTED);
  CHECK(keys.release == NULL);
  keys = keys_of(1, IDS(1));
  FAILS(weir_writer_delete_async(writer, &keys, NULL, completion, &err), UNSUPPORTED);
  CHECK(keys.release == NULL);
  keys = keys_of(1, IDS(1));
  FAILS(weir_writer_get(writer, &keys, NULL, NULL, -1, NULL, 0, &rows, &err), UNSUPPORTED);
  CHECK(keys.release == NULL);
  keys = keys_of(1, IDS(1));
  FAILS(weir_writer_get_async(writer, &keys, NULL, NULL, completion, &err), UNSUPPORTED);
  CHECK(keys.release == NULL);
  FAILS(weir_writer_key_schema(writer, &schema, &err), UNSUPPORTED);
  if (keyless) return;
  WeirScan *scan = NULL;
  WeirMemTableStats stats = WEIR_MEM_TABLE_STATS_INIT;
  uint64_t number = 0;
  FAILS(weir_writer_read_schema(writer, NULL, 0, &schema, &err), UNSUPPORTED);
  FAILS(weir_writer_scan(writer, NULL, NULL, NULL, &scan, &err), UNSUPPORTED);
  FAILS_SAYING(weir_writer_freeze(writer, &number, &err), UNSUPPORTED, "MemTable");
  FAILS(weir_writer_wait_flushed(writer, 0, -1, &err), UNSUPPORTED);
  OK(weir_writer_wait_flushed_async(writer, 0, completion, &err));
  WeirEvent event = event_of(queue, 9);
  CHECK_EQ(event.status, WEIR_STATUS_UNSUPPORTED);
  weir_event_clear(&event);
  FAILS(weir_writer_compact(writer, -1, &number, &err), UNSUPPORTED);
  FAILS(weir_writer_compact_async(writer, completion, &err), UNSUPPORTED);
  FAILS(weir_writer_memtable_stats(writer, &stats, &err), UNSUPPORTED);
}

static void test_writers_of_the_log_alone_refuse(void) {
  char *root = new_root(), *keyless = new_root();
  WeirWriterOptions options = log_options();
  WeirWriter *writer = writer_new(session, root, &options);
  put_batches(writer, 2);
  refuses(writer, false);
  weir_writer_free(writer);
  /* As would a program that was built when there was nothing else. */
  options = (WeirWriterOptions)WEIR_WRITER_OPTIONS_INIT;
  options.struct_size = 64;
  options.enable_memtable = 0;
  writer = writer_new(session, root, &options);
  refuses(writer, false);
  weir_writer_free(writer);
  /* Without a key, every row stays. */
  writer = writer_new(session, keyless, NULL);
  refuses(writer, true);
  PUT(writer, "a", 1, 1, 2);
  PUT(writer, "b", 1);
  Read rows = scan_all(writer, NULL);
  IDS_ARE(rows, NULL, 1, 1, 2, 1);
  weir_writer_free(writer);
  free(root);
  free(keyless);
}

static void test_nulls_and_bad_arguments(void) {
  char *root = new_root();
  WeirWriter *writer = keyed_writer(session, root);
  struct ArrowSchema schema = {0}, wrong = schema_new("+s", "", false);
  struct ArrowArray keys, rows = {0};
  WeirCompletion none = {0}, completion = weir_queue_completion(queue, 1);
  WeirMemTableStats stats = WEIR_MEM_TABLE_STATS_INIT;
  uint8_t states[3] = {9, 9, 9};
  uint64_t number = 0;
  PUT(writer, "a", 1);
  schema_child(&wrong, schema_new("i", "id", false)); /* int32 */
#define RELEASED(call, code)                                                     \
  do {                                                                           \
    keys = keys_of(2, IDS(1, 2));                                                \
    FAILS(call, code);                                                           \
    CHECK(keys.release == NULL && rows.release == NULL && schema.release == NULL); \
    CHECK_EQ(atomic_load(&arrays_live), 0);                                      \
  } while (0)
  RELEASED(weir_writer_delete(NULL, &keys, NULL, -1, NULL, &err), INVALID_ARGUMENT);
  RELEASED(weir_writer_delete_async(NULL, &keys, NULL, completion, &err), INVALID_ARGUMENT);
  RELEASED(weir_writer_delete_async(writer, &keys, NULL, none, &err), INVALID_ARGUMENT);
  RELEASED(weir_writer_delete(writer, &keys, &schema, -1, NULL, &err), INVALID_ARGUMENT); /* released */
  RELEASED(weir_writer_get(NULL, &keys, NULL, NULL, -1, NULL, 0, &rows, &err), INVALID_ARGUMENT);
  RELEASED(weir_writer_get(writer, &keys, NULL, NULL, -1, NULL, 0, NULL, &err), INVALID_ARGUMENT);
  RELEASED(weir_writer_get(writer, &keys, &schema, NULL, -1, NULL, 0, &rows, &err), INVALID_ARGUMENT);
  RELEASED(weir_writer_get(writer, &keys, NULL, NULL, -1, states, 3, &rows, &err), INVALID_ARGUMENT);
  RELEASED(weir_writer_get(writer, &keys, NULL, NULL, -1, states, 1, &rows, &err), INVALID_ARGUMENT);
  RELEASED(weir_writer_get_async(NULL, &keys, NULL, NULL, completion, &err), INVALID_ARGUMENT);
  RELEASED(weir_writer_get_async(writer, &keys, NULL, NULL, none, &err), INVALID_ARGUMENT);
  WeirGetOptions options = WEIR_GET_OPTIONS_INIT;
  options.reserved = 1;
  RELEASED(weir_writer_get(writer, &keys, NULL, &options, -1, NULL, 0, &rows, &err), INVALID_ARGUMENT);
  options = (WeirGetOptions)WEIR_GET_OPTIONS_INIT;
  options.struct_size = 5;
  RELEASED(weir_writer_get_async(writer, &keys, NULL, &options, completion, &err), INVALID_ARGUMENT);
  weir_get_options_init(&options, sizeof options);
  options.columns_len = 1;
  RELEASED(weir_writer_get(writer, &keys, NULL, &options, -1, NULL, 0, &rows, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_get(writer, NULL, NULL, NULL, -1, NULL, 0, &rows, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_get_async(writer, NULL, NULL, NULL, completion, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_delete(writer, NULL, NULL, -1, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_delete_async(writer, NULL, NULL, completion, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_key_schema(NULL, &schema, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_key_schema(writer, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_read_schema(NULL, NULL, 0, &schema, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_read_schema(writer, NULL, 0, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_freeze(NULL, &number, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_wait_flushed(NULL, 0, 0, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_wait_flushed_async(NULL, 0, completion, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_wait_flushed_async(writer, 0, none, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_compact(NULL, 0, &number, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_compact_async(NULL, completion, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_compact_async(writer, none, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_memtable_stats(NULL, &stats, &err), INVALID_ARGUMENT);
  weir_get_options_init(NULL, 0);
  /* Keys of another type are none. */
  struct ArrowArray narrow = array_new(1, 0, 1);
  parts_of(&narrow)->top = true;
  struct ArrowArray value = array_new(1, 0, 2);
  *(int32_t *)array_buffer(&value, 1, 4) = 1;
  array_child(&narrow, value);
  FAILS(weir_writer_get(writer, &narrow, &wrong, NULL, -1, NULL, 0, &rows, &err), SCHEMA_MISMATCH);
  CHECK(narrow.release == NULL);
  wrong.release(&wrong);
  OK(weir_writer_close(writer, -1, &err));
  RELEASED(weir_writer_get(writer, &keys, NULL, NULL, -1, NULL, 0, &rows, &err), CLOSED);
  RELEASED(weir_writer_get_async(writer, &keys, NULL, NULL, completion, &err), CLOSED);
  RELEASED(weir_writer_delete(writer, &keys, NULL, -1, NULL, &err), CLOSED);
  FAILS(weir_writer_freeze(writer, &number, &err), CLOSED);
  weir_writer_free(writer);
  free(root);
}

/* ---- Under fire ---- */

typedef struct {
  WeirWriter *writer;
  int found, other;
} Getter;

static void *get_until_closed(void *arg) {
  Getter *getter = arg;
  for (int i = 0; i < 1000000; i++) {
    struct ArrowArray keys = keys_of(1, IDS(1)), rows = {0};
    uint8_t state = 9;
    WeirStatus status = weir_writer_get(getter->writer, &keys, NULL, NULL, -1, &state, 1, &rows, NULL);
    if (keys.release != NULL) getter->other++;
    if (status == WEIR_STATUS_CLOSED) return NULL;
    if (status != WEIR_STATUS_OK || state != WEIR_KEY_FOUND || rows.length != 1) getter->other++;
    else getter->found++;
    if (rows.release != NULL) rows.release(&rows);
  }
  return NULL;
}

/* PITFALLS X8, G3: a row that was put is found at every moment, through freezes, flushes and merges, until the writer closes. */
static void test_gets_while_all_else_goes_on(void) {
  char *root = new_root();
  WeirWriterOptions options = keyed_options();
  options.compaction = 1;
  options.compaction_min_generations = 2;
  WeirWriter *writer = writer_new(session, root, &options);
  Getter getters[3] = {{0}};
  pthread_t threads[3];
  PUT(writer, "a", 1);
  for (int i = 0; i < 3; i++) {
    getters[i].writer = writer;
    pthread_create(&threads[i], NULL, get_until_closed, &getters[i]);
  }
  for (int64_t i = 0; i < 12; i++) {
    PUT(writer, "b", 1, i + 2);
    OK(weir_writer_freeze(writer, NULL, &err));
  }
  flush_tables(writer);
  OK(weir_writer_compact(writer, -1, NULL, &err));
  OK(weir_writer_close(writer, -1, &err));
  for (int i = 0; i < 3; i++) {
    pthread_join(threads[i], NULL);
    CHECK_EQ(getters[i].other, 0);
  }
  weir_writer_free(writer);
  CHECK_EQ(atomic_load(&arrays_live), 0);
  free(root);
}

/* What is under way when its writer is freed still completes, once. */
static void test_free_while_calls_are_under_way(void) {
  char *root = new_root();
  for (int round = 0; round < 10; round++) {
    WeirWriter *writer = keyed_writer(session, root);
    PUT(writer, "a", 1, 2);
    OK(weir_writer_freeze(writer, NULL, &err));
    struct ArrowArray keys = keys_of(1, IDS(1));
    OK(weir_writer_compact_async(writer, weir_queue_completion(queue, 1), &err));
    OK(weir_writer_get_async(writer, &keys, NULL, NULL, weir_queue_completion(queue, 2), &err));
    weir_writer_free(writer);
    for (int i = 0; i < 2; i++) {
      WeirEvent event = {0};
      size_t n = 0;
      OK(weir_queue_next(queue, &event, 1, 20000, &n, &err));
      CHECK(event.token == 1 || event.status == WEIR_STATUS_OK);
      weir_event_clear(&event);
    }
  }
  free(root);
}

static void test_a_fenced_writer_gives_no_reads(void) {
  char *root = new_root();
  WeirWriter *old = keyed_writer(session, root);
  PUT(old, "a", 1);
  WeirWriter *new = keyed_writer(session, root);
  PUT(new, "b", 1);
  FAILS(weir_writer_check_fenced(old, -1, &err), FENCED);
  struct ArrowArray keys = keys_of(1, IDS(1)), rows = {0};
  WeirScan *scan = NULL;
  FAILS(weir_writer_get(old, &keys, NULL, NULL, -1, NULL, 0, &rows, &err), FENCED); /* PITFALLS A4 */
  FAILS(weir_writer_scan(old, NULL, NULL, NULL, &scan, &err), FENCED);
  FAILS(weir_writer_freeze(old, NULL, &err), FENCED);
  FAILS(weir_writer_compact(old, -1, NULL, &err), FENCED);
  Read read = GET(new, "f", 1);
  IDS_ARE(read, "b", 1);
  weir_writer_free(old);
  weir_writer_free(new);
  free(root);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  session = session_new();
  OK(weir_queue_new(NULL, &queue, &err));
  RUN(test_options_that_make_no_sense);
  RUN(test_writers_of_the_log_alone_refuse);
  RUN(test_nulls_and_bad_arguments);
  RUN(test_gets_while_all_else_goes_on);
  RUN(test_free_while_calls_are_under_way);
  RUN(test_a_fenced_writer_gives_no_reads);
  weir_queue_free(queue);
  weir_session_free(session);
  check_all_released();
  return harness_finish(argv[0]);
}
