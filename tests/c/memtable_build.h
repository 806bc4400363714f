/* What the tests of MemTables share: writers with the key `id`, batches and keys of chosen ids, and reading back what a scan or a get
 * gives. */
#ifndef WEIR_TEST_MEMTABLE_BUILD_H
#define WEIR_TEST_MEMTABLE_BUILD_H

#include "arrow_build.h"

#define IDS(...) (const int64_t[]){__VA_ARGS__}
#define COUNT(...) ((int64_t)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)))

static const char *const KEY_ID[] = {"id"};

UNUSED static WeirWriterOptions keyed_options(void) {
  WeirWriterOptions options = quick_options();
  options.primary_key = KEY_ID;
  options.primary_key_len = 1;
  options.compaction = 0;
  return options;
}

UNUSED static WeirWriter *keyed_writer(WeirSession *session, const char *root) {
  WeirWriterOptions options = keyed_options();
  return writer_new(session, root, &options);
}

UNUSED static struct ArrowArray ids_array(int64_t n, const int64_t *ids) {
  struct ArrowArray array = array_new(n, 0, 2);
  int64_t *values = array_buffer(&array, 1, (size_t)n * 8);
  for (int64_t i = 0; i < n; i++) values[i] = ids[i];
  return array;
}

/* "<tag><id>" each; all null for a NULL tag. */
UNUSED static struct ArrowArray names_array(int64_t n, const int64_t *ids, const char *tag) {
  struct ArrowArray array = array_new(n, tag ? 0 : n, 3);
  int32_t *offsets = array_buffer(&array, 1, (size_t)(n + 1) * 4), end = 0;
  char *text = malloc((size_t)n * 48 + 1);
  if (text == NULL) abort();
  for (int64_t i = 0; i < n; i++) {
    offsets[i] = end;
    if (tag != NULL) end += snprintf(text + end, 48, "%s%" PRId64, tag, ids[i]);
  }
  offsets[n] = end;
  memcpy(array_buffer(&array, 2, (size_t)end), text, (size_t)end);
  if (tag == NULL) array_buffer(&array, 0, (size_t)(n + 7) / 8);
  free(text);
  return array;
}

/* Rows of the standard schema. */
UNUSED static struct ArrowArray rows_of(int64_t n, const int64_t *ids, const char *tag) {
  struct ArrowArray batch = array_new(n, 0, 1);
  parts_of(&batch)->top = true;
  array_child(&batch, ids_array(n, ids));
  array_child(&batch, names_array(n, ids, tag));
  return batch;
}

UNUSED static struct ArrowArray keys_of(int64_t n, const int64_t *ids) {
  struct ArrowArray keys = array_new(n, 0, 1);
  parts_of(&keys)->top = true;
  array_child(&keys, ids_array(n, ids));
  return keys;
}

UNUSED static void put_rows(WeirWriter *writer, int64_t n, const int64_t *ids, const char *tag) {
  struct ArrowArray batch = rows_of(n, ids, tag);
  WeirAck ack;
  OK(weir_writer_put(writer, &batch, -1, &ack, &err));
  CHECK(batch.release == NULL);
}
#define PUT(writer, tag, ...) put_rows(writer, COUNT(__VA_ARGS__), IDS(__VA_ARGS__), tag)

UNUSED static void delete_keys(WeirWriter *writer, int64_t n, const int64_t *ids) {
  struct ArrowArray keys = keys_of(n, ids);
  WeirAck ack;
  OK(weir_writer_delete(writer, &keys, NULL, -1, &ack, &err));
  CHECK(keys.release == NULL);
}
#define DELETE(writer, ...) delete_keys(writer, COUNT(__VA_ARGS__), IDS(__VA_ARGS__))

/* Freezes and waits until all is published; returns the newest generation. */
UNUSED static uint64_t flush_tables(WeirWriter *writer) {
  uint64_t generation = 0;
  OK(weir_writer_freeze(writer, &generation, &err));
  OK(weir_writer_wait_flushed(writer, generation, -1, &err));
  return generation;
}

UNUSED static WeirMemTableStats table_stats(WeirWriter *writer) {
  WeirMemTableStats stats = WEIR_MEM_TABLE_STATS_INIT;
  OK(weir_writer_memtable_stats(writer, &stats, &err));
  return stats;
}

/* The one event that is due. */
UNUSED static WeirEvent event_of(WeirQueue *queue, uint64_t token) {
  WeirEvent event = {0};
  size_t n = 0;
  OK(weir_queue_next(queue, &event, 1, 20000, &n, &err));
  CHECK_EQ(n, 1);
  CHECK_EQ(event.token, token);
  return event;
}

/* ---- Values to compare with ---- */

UNUSED static struct ArrowArray values_of(void) {
  struct ArrowArray values = array_new(1, 0, 1);
  parts_of(&values)->top = true;
  return values;
}

UNUSED static struct ArrowArray id_value(int64_t id) {
  struct ArrowArray values = values_of();
  array_child(&values, ids_array(1, &id));
  return values;
}

UNUSED static struct ArrowArray text_array(const char *text) {
  struct ArrowArray array = array_new(1, 0, 3);
  size_t len = strlen(text);
  ((int32_t *)array_buffer(&array, 1, 8))[1] = (int32_t)len;
  memcpy(array_buffer(&array, 2, len), text, len);
  return array;
}

UNUSED static struct ArrowArray name_value(const char *name) {
  struct ArrowArray values = values_of();
  array_child(&values, text_array(name));
  return values;
}

/* ---- What comes back ---- */

typedef struct {
  int64_t n, batches;
  int64_t ids[256];
  char names[256][40]; /* "-" for null */
  uint64_t positions[256], generations[256];
  bool tombstones[256];
} Read;

static bool is_set(const struct ArrowArray *array, int64_t at) {
  const uint8_t *bits = array->buffers[0];
  return bits == NULL || (bits[at / 8] >> (at % 8) & 1) != 0;
}

/* Adds the rows of a batch, whose columns are told apart by their names. Releases it. */
UNUSED static void read_rows(Read *read, const struct ArrowSchema *schema, struct ArrowArray *batch) {
  if (!CHECK(batch->release != NULL) || !CHECK_EQ(batch->n_children, schema->n_children)) return;
  for (int64_t row = 0; row < batch->length && read->n < 256; row++, read->n++) {
    for (int64_t c = 0; c < schema->n_children; c++) {
      const struct ArrowArray *column = batch->children[c];
      const char *name = schema->children[c]->name;
      int64_t at = batch->offset + column->offset + row;
      if (strcmp(name, "id") == 0) read->ids[read->n] = ((const int64_t *)column->buffers[1])[at];
      else if (strcmp(name, "_position") == 0) read->positions[read->n] = ((const uint64_t *)column->buffers[1])[at];
      else if (strcmp(name, "_generation") == 0) read->generations[read->n] = ((const uint64_t *)column->buffers[1])[at];
      else if (strcmp(name, "_tombstone") == 0) read->tombstones[read->n] = (((const uint8_t *)column->buffers[1])[at / 8] >> (at % 8) & 1) != 0;
      else if (!is_set(column, at)) snprintf(read->names[read->n], sizeof read->names[0], "-");
      else {
        const int32_t *offsets = column->buffers[1];
        snprintf(read->names[read->n], sizeof read->names[0], "%.*s", offsets[at + 1] - offsets[at], (const char *)column->buffers[2] + offsets[at]);
      }
    }
  }
  read->batches++;
  batch->release(batch);
}

/* What is left of a scan, batch by batch; frees the scan. */
UNUSED static Read read_scan(WeirScan *scan) {
  Read read = {0};
  struct ArrowSchema schema = {0};
  WeirBatch *batch = NULL;
  OK(weir_scan_schema(scan, &schema, &err));
  while (OK(weir_scan_next(scan, -1, &batch, &err)) && batch != NULL) {
    struct ArrowArray array = {0};
    CHECK(weir_batch_rows(batch) > 0);
    OK(weir_batch_array(batch, &array, &err));
    weir_batch_free(batch);
    read_rows(&read, &schema, &array);
  }
  if (schema.release != NULL) schema.release(&schema);
  weir_scan_free(scan);
  return read;
}

UNUSED static Read scan_all(WeirWriter *writer, const WeirScanOptions *options) {
  WeirScan *scan = NULL;
  OK(weir_writer_scan(writer, options, NULL, NULL, &scan, &err));
  return read_scan(scan);
}

/* The rows are those of these ids, in this order; their names are "<tag><id>" for a tag. */
UNUSED static bool ids_are(const Read *read, int64_t n, const int64_t *ids, const char *tag, int line) {
  bool good = read->n == n;
  for (int64_t i = 0; good && i < n; i++) {
    char name[40];
    snprintf(name, sizeof name, "%s%" PRId64, tag ? tag : "", ids[i]);
    good = read->ids[i] == ids[i] && (tag == NULL || strcmp(read->names[i], name) == 0);
  }
  if (good) return true;
  char got[512] = "", *at = got;
  for (int64_t i = 0; i < read->n && at < got + 440; i++) at += snprintf(at, 64, " %" PRId64 "=%s", read->ids[i], read->names[i]);
  fail_at(__FILE__, line, "%" PRId64 " rows instead of %" PRId64 ":%s", read->n, n, got);
  return false;
}
#define IDS_ARE(read, tag, ...) ids_are(&(read), COUNT(__VA_ARGS__), IDS(__VA_ARGS__), tag, __LINE__)

/* Gets the rows of some ids; `states` has one letter for each: m(issing), f(ound), d(eleted). */
UNUSED static Read get_ids(WeirWriter *writer, int64_t n, const int64_t *ids, const char *states, int line) {
  Read read = {0};
  struct ArrowArray keys = keys_of(n, ids), rows = {0};
  struct ArrowSchema schema = {0};
  uint8_t got[64] = {9, 9, 9};
  OK(weir_writer_read_schema(writer, NULL, 0, &schema, &err));
  OK(weir_writer_get(writer, &keys, NULL, NULL, -1, got, (size_t)n, &rows, &err));
  CHECK(keys.release == NULL);
  for (int64_t i = 0; i < n; i++)
    if ("mfd"[got[i] % 3] != states[i] || got[i] > 2) fail_at(__FILE__, line, "key %" PRId64 " has the state %d, not %c", ids[i], got[i], states[i]);
  if (rows.release != NULL) read_rows(&read, &schema, &rows);
  if (schema.release != NULL) schema.release(&schema);
  return read;
}
#define GET(writer, states, ...) get_ids(writer, COUNT(__VA_ARGS__), IDS(__VA_ARGS__), states, __LINE__)

#endif
