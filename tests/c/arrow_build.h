/* Arrow arrays, schemas and streams made by hand, that count how often they are released and notice when that is done wrong. The
 * standard batch has two columns: id (int64, not nullable) and name (utf8, nullable, null in every third row). Buffers have exactly
 * the bytes that the format asks for, so that valgrind sees any read beyond. */
#ifndef WEIR_TEST_ARROW_BUILD_H
#define WEIR_TEST_ARROW_BUILD_H

#include "harness.h"

static atomic_long arrays_live, schemas_live, streams_live; /* top-level ones and children alike */
static atomic_long tops_released;                           /* top-level arrays released */

/* What an array owns, whatever a test makes of its public fields. */
typedef struct {
  void *owned[3];
  const void *buffers[4];
  struct ArrowArray *children[4];
  struct ArrowArray *dictionary;
  int64_t n_children;
  bool top;
} ArrayParts;

UNUSED static void array_release(struct ArrowArray *array) {
  ArrayParts *parts = array->private_data;
  if (array->release == NULL) { /* PITFALLS X3 */
    fail_at(__FILE__, __LINE__, "release was set to NULL before it was called");
    return;
  }
  for (int i = 0; i < 3; i++) free(parts->owned[i]);
  for (int64_t i = 0; i < parts->n_children; i++) {
    if (parts->children[i]->release != NULL) parts->children[i]->release(parts->children[i]);
    free(parts->children[i]);
  }
  if (parts->dictionary != NULL) {
    if (parts->dictionary->release != NULL) parts->dictionary->release(parts->dictionary);
    free(parts->dictionary);
  }
  if (parts->top) atomic_fetch_add(&tops_released, 1);
  free(parts);
  array->release = NULL;
  atomic_fetch_sub(&arrays_live, 1);
}

UNUSED static struct ArrowArray array_new(int64_t length, int64_t null_count, int n_buffers) {
  ArrayParts *parts = calloc(1, sizeof *parts);
  if (parts == NULL) abort();
  atomic_fetch_add(&arrays_live, 1);
  return (struct ArrowArray){.length = length, .null_count = null_count, .n_buffers = n_buffers, .buffers = parts->buffers,
                             .release = array_release, .private_data = parts};
}

UNUSED static ArrayParts *parts_of(struct ArrowArray *array) { return array->private_data; }

/* Gives the array a buffer of its own. */
UNUSED static void *array_buffer(struct ArrowArray *array, int i, size_t size) {
  ArrayParts *parts = parts_of(array);
  void *bytes = calloc(size ? size : 1, 1);
  if (bytes == NULL) abort();
  free(parts->owned[i]);
  parts->owned[i] = bytes;
  parts->buffers[i] = bytes;
  return bytes;
}

UNUSED static struct ArrowArray *array_child(struct ArrowArray *parent, struct ArrowArray child) {
  ArrayParts *parts = parts_of(parent);
  struct ArrowArray *own = malloc(sizeof *own);
  if (own == NULL || parts->n_children == 4) abort();
  *own = child;
  parts->children[parts->n_children++] = own;
  parent->n_children = parts->n_children;
  parent->children = parts->children;
  return own;
}

UNUSED static struct ArrowArray int64_array(int64_t length, int64_t first) {
  struct ArrowArray array = array_new(length, 0, 2);
  int64_t *values = array_buffer(&array, 1, (size_t)length * 8);
  for (int64_t i = 0; i < length; i++) values[i] = first + i;
  return array;
}

/* "row <first + i>", null where (first + i) % 3 is 2. */
UNUSED static struct ArrowArray utf8_array(int64_t length, int64_t first) {
  struct ArrowArray array = array_new(length, 0, 3);
  uint8_t *valid = array_buffer(&array, 0, (size_t)(length + 7) / 8);
  int32_t *offsets = array_buffer(&array, 1, (size_t)(length + 1) * 4);
  char *text = malloc((size_t)length * 28 + 1);
  if (text == NULL) abort();
  int32_t end = 0;
  for (int64_t i = 0; i < length; i++) {
    bool is_null = (first + i) % 3 == 2;
    offsets[i] = end;
    if (is_null) array.null_count++;
    else {
      valid[i / 8] = (uint8_t)(valid[i / 8] | 1u << (i % 8));
      end += snprintf(text + end, 28, "row %" PRId64, first + i);
    }
  }
  offsets[length] = end;
  memcpy(array_buffer(&array, 2, (size_t)end), text, (size_t)end);
  free(text);
  return array;
}

/* The standard batch: ids from `first` on. */
UNUSED static struct ArrowArray batch_new(int64_t rows, int64_t first) {
  struct ArrowArray batch = array_new(rows, 0, 1);
  parts_of(&batch)->top = true;
  array_child(&batch, int64_array(rows, first));
  array_child(&batch, utf8_array(rows, first));
  return batch;
}

typedef struct {
  struct ArrowSchema *children[4];
  char format[32], name[32];
  int64_t n_children;
} SchemaParts;

UNUSED static void schema_release(struct ArrowSchema *schema) {
  SchemaParts *parts = schema->private_data;
  if (schema->release == NULL) {
    fail_at(__FILE__, __LINE__, "a schema's release was set to NULL before it was called");
    return;
  }
  for (int64_t i = 0; i < parts->n_children; i++) {
    if (parts->children[i]->release != NULL) parts->children[i]->release(parts->children[i]);
    free(parts->children[i]);
  }
  free(parts);
  schema->release = NULL;
  atomic_fetch_sub(&schemas_live, 1);
}

UNUSED static struct ArrowSchema schema_new(const char *format, const char *name, bool nullable) {
  SchemaParts *parts = calloc(1, sizeof *parts);
  if (parts == NULL) abort();
  snprintf(parts->format, sizeof parts->format, "%s", format);
  snprintf(parts->name, sizeof parts->name, "%s", name);
  atomic_fetch_add(&schemas_live, 1);
  return (struct ArrowSchema){.format = parts->format, .name = parts->name, .flags = nullable ? ARROW_FLAG_NULLABLE : 0,
                              .release = schema_release, .private_data = parts};
}

UNUSED static struct ArrowSchema *schema_child(struct ArrowSchema *parent, struct ArrowSchema child) {
  SchemaParts *parts = parent->private_data;
  struct ArrowSchema *own = malloc(sizeof *own);
  if (own == NULL || parts->n_children == 4) abort();
  *own = child;
  parts->children[parts->n_children++] = own;
  parent->n_children = parts->n_children;
  parent->children = parts->children;
  return own;
}

/* The standard batch's schema. */
UNUSED static struct ArrowSchema batch_schema(void) {
  struct ArrowSchema schema = schema_new("+s", "", false);
  schema_child(&schema, schema_new("l", "id", false));
  schema_child(&schema, schema_new("u", "name", true));
  return schema;
}

/* A stream of `batches` standard batches of `rows` rows, that can be told to go wrong. */
typedef struct {
  int64_t batches, rows, next, first;
  int64_t fail_at;        /* get_next fails at this batch; -1: never */
  bool fail_schema;       /* get_schema fails */
  bool other_schema;      /* its schema is another one */
  void (*damage)(struct ArrowArray *); /* of each batch */
} StreamParts;

UNUSED static int stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  StreamParts *parts = stream->private_data;
  if (parts->fail_schema) return 5; /* EIO */
  *out = batch_schema();
  if (parts->other_schema) snprintf(((SchemaParts *)out->children[0]->private_data)->format, 32, "i");
  return 0;
}

UNUSED static int stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  StreamParts *parts = stream->private_data;
  memset(out, 0, sizeof *out);
  if (parts->next == parts->fail_at) return 5;
  if (parts->next == parts->batches) return 0;
  *out = batch_new(parts->rows, parts->first + parts->next * parts->rows);
  if (parts->damage != NULL) parts->damage(out);
  parts->next++;
  return 0;
}

UNUSED static const char *stream_error(struct ArrowArrayStream *stream) {
  (void)stream;
  return "the dog ate it";
}

UNUSED static void stream_release(struct ArrowArrayStream *stream) {
  if (stream->release == NULL) fail_at(__FILE__, __LINE__, "a stream's release was set to NULL before it was called");
  free(stream->private_data);
  stream->release = NULL;
  atomic_fetch_sub(&streams_live, 1);
}

UNUSED static struct ArrowArrayStream stream_new(int64_t batches, int64_t rows, int64_t first) {
  StreamParts *parts = calloc(1, sizeof *parts);
  if (parts == NULL) abort();
  *parts = (StreamParts){.batches = batches, .rows = rows, .first = first, .fail_at = -1};
  atomic_fetch_add(&streams_live, 1);
  return (struct ArrowArrayStream){stream_schema, stream_next, stream_error, stream_release, parts};
}

/* Whether the batch (one that weir handed out, say) holds the standard rows from `first` on. */
UNUSED static bool batch_is(const struct ArrowArray *batch, int64_t rows, int64_t first) {
  if (!CHECK(batch->release != NULL) || !CHECK_EQ(batch->length, rows) || !CHECK_EQ(batch->n_children, 2)) return false;
  const struct ArrowArray *id = batch->children[0], *name = batch->children[1];
  const int64_t *ids = id->buffers[1];
  const int32_t *offsets = name->buffers[1];
  const uint8_t *valid = name->buffers[0];
  for (int64_t i = 0; i < rows; i++) {
    int64_t at = batch->offset + name->offset + i;
    char text[28];
    bool is_null = (first + i) % 3 == 2;
    if (!CHECK_EQ(ids[batch->offset + id->offset + i], first + i)) return false;
    bool is_valid = valid == NULL || (valid[at / 8] >> (at % 8) & 1) != 0;
    if (!CHECK(is_valid == !is_null)) return false;
    if (is_null) continue;
    int len = snprintf(text, sizeof text, "row %" PRId64, first + i);
    if (!CHECK_EQ(offsets[at + 1] - offsets[at], len)) return false;
    if (!CHECK(memcmp((const char *)name->buffers[2] + offsets[at], text, (size_t)len) == 0)) return false;
  }
  return true;
}

/* All that was made here was released. */
UNUSED static void check_all_released(void) {
  CHECK_EQ(atomic_load(&arrays_live), 0);
  CHECK_EQ(atomic_load(&schemas_live), 0);
  CHECK_EQ(atomic_load(&streams_live), 0);
}

/* ---- Handles that most tests need ---- */

UNUSED static WeirSession *session_new(void) {
  WeirSession *session = NULL;
  OK(weir_session_new(NULL, &session, &err));
  return session;
}

/* A writer of the standard batch with fsync off: what is tested here does not depend on the disk. */
UNUSED static WeirWriterOptions quick_options(void) {
  WeirWriterOptions options = WEIR_WRITER_OPTIONS_INIT;
  options.fsync = 0;
  return options;
}

/* The same, of a writer that writes the log and nothing else. */
UNUSED static WeirWriterOptions log_options(void) {
  WeirWriterOptions options = quick_options();
  options.enable_memtable = 0;
  return options;
}

UNUSED static WeirWriter *writer_new(WeirSession *session, const char *root, const WeirWriterOptions *options) {
  WeirWriterOptions quick = quick_options();
  WeirWriter *writer = NULL;
  struct ArrowSchema schema = batch_schema();
  OK(weir_writer_open(session, root, SHARD, &schema, options ? options : &quick, &writer, &err));
  CHECK(schema.release != NULL); /* a schema is borrowed */
  schema.release(&schema);
  return writer;
}

/* Puts `n` batches of 10 rows, durably: ids from 0 on. */
UNUSED static void put_batches(WeirWriter *writer, int n) {
  for (int i = 0; i < n; i++) {
    struct ArrowArray batch = batch_new(10, i * 10);
    WeirAck ack;
    OK(weir_writer_put(writer, &batch, -1, &ack, &err));
    CHECK(batch.release == NULL);
  }
}

UNUSED static WeirTailer *tailer_new(WeirSession *session, const char *root, const WeirTailerOptions *options) {
  WeirTailer *tailer = NULL;
  OK(weir_tailer_open(session, root, SHARD, options, &tailer, &err));
  return tailer;
}

UNUSED static WeirTailer *follower(WeirSession *session, const char *root) {
  WeirTailerOptions options = WEIR_TAILER_OPTIONS_INIT;
  options.follow = 1;
  options.poll_min_ms = options.poll_max_ms = 600000; /* what ends a wait here is news, and never the next look */
  return tailer_new(session, root, &options);
}

/* The rows of all entries from the first to the end. */
UNUSED static uint64_t rows_in_log(WeirSession *session, const char *root) {
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  uint64_t rows = 0;
  while (OK(weir_tailer_next(tailer, -1, &entry, &err)) && entry != NULL) {
    rows += weir_entry_rows(entry);
    weir_entry_free(entry);
  }
  weir_tailer_free(tailer);
  return rows;
}

#endif
