/* Arrow at the boundary: who releases what and when, and a table of malformed arrays, schemas and streams that every function
 * that takes Arrow must refuse, releasing them exactly once (PITFALLS X2, X3). */
#include "arrow_build.h"

/* ---- Ways to break a batch ---- */

static ArrayParts *column_parts(struct ArrowArray *batch, int i) { return parts_of(parts_of(batch)->children[i]); }
static struct ArrowArray *column(struct ArrowArray *batch, int i) { return parts_of(batch)->children[i]; }

static struct ArrowArray *short_list[4]; /* in place of an array's children, where these must stay to be released */

static void too_few_children(struct ArrowArray *b) { b->n_children = 1; }
static void too_many_children(struct ArrowArray *b) {
  array_child(b, int64_array(b->length, 0));
}
static void negative_children(struct ArrowArray *b) { b->n_children = -1; }
static void null_children(struct ArrowArray *b) { b->children = NULL; }
static void null_child(struct ArrowArray *b) {
  short_list[0] = column(b, 0);
  short_list[1] = NULL;
  b->children = short_list;
}
static void released_child(struct ArrowArray *b) { column(b, 1)->release(column(b, 1)); }
static void negative_length(struct ArrowArray *b) { b->length = -5; }
static void negative_child_length(struct ArrowArray *b) { column(b, 0)->length = -1; }
static void short_child(struct ArrowArray *b) { column(b, 0)->length = b->length - 1; }
static void huge_length(struct ArrowArray *b) { b->length = column(b, 0)->length = column(b, 1)->length = INT64_MAX; }
static void overflowing_length(struct ArrowArray *b) { b->length = column(b, 0)->length = column(b, 1)->length = INT64_MAX / 8 + 1; }
static void negative_offset(struct ArrowArray *b) { b->offset = -1; }
static void negative_child_offset(struct ArrowArray *b) { column(b, 1)->offset = -8; }
static void huge_offset(struct ArrowArray *b) { column(b, 0)->offset = INT64_MAX; }
static void offset_beyond_children(struct ArrowArray *b) { b->offset = 1; } /* the children would have to be one longer */
static void null_buffers(struct ArrowArray *b) { column(b, 0)->buffers = NULL; }
static void null_values(struct ArrowArray *b) { column_parts(b, 0)->buffers[1] = NULL; }
static void null_offsets(struct ArrowArray *b) { column_parts(b, 1)->buffers[1] = NULL; }
static void null_text(struct ArrowArray *b) { column_parts(b, 1)->buffers[2] = NULL; }
static void too_many_buffers(struct ArrowArray *b) { column(b, 0)->n_buffers = 3; }
static void too_few_buffers(struct ArrowArray *b) { column(b, 1)->n_buffers = 2; }
static void no_buffers(struct ArrowArray *b) { column(b, 0)->n_buffers = 0; }
static void negative_buffers(struct ArrowArray *b) { column(b, 0)->n_buffers = -2; }
static void huge_buffers(struct ArrowArray *b) { column(b, 0)->n_buffers = INT64_MAX; }
static void struct_buffers(struct ArrowArray *b) { b->n_buffers = 2; }
static void null_count_too_low(struct ArrowArray *b) { column(b, 1)->null_count = -2; }
static void null_count_too_high(struct ArrowArray *b) { column(b, 1)->null_count = b->length + 1; }
static void null_count_wrong(struct ArrowArray *b) { column(b, 1)->null_count = b->length; }
static void nulls_without_bitmap(struct ArrowArray *b) {
  column(b, 1)->null_count = 1;
  column_parts(b, 1)->buffers[0] = NULL;
}
static void nulls_in_a_column_without(struct ArrowArray *b) {
  array_buffer(column(b, 0), 0, (size_t)(b->length + 7) / 8); /* all null */
  column(b, 0)->null_count = b->length;
}
static void nulls_in_the_batch(struct ArrowArray *b) {
  array_buffer(b, 0, (size_t)(b->length + 7) / 8);
  b->null_count = b->length;
}
static int32_t *text_offsets(struct ArrowArray *b) { return parts_of(column(b, 1))->owned[1]; }
static void falling_offsets(struct ArrowArray *b) { text_offsets(b)[1] = text_offsets(b)[b->length] + 1; }
static void negative_first_offset(struct ArrowArray *b) { text_offsets(b)[0] = -1; }
static void negative_last_offset(struct ArrowArray *b) { text_offsets(b)[b->length] = -1; }
static void invalid_utf8(struct ArrowArray *b) { ((char *)parts_of(column(b, 1))->owned[2])[1] = (char)0xff; }
static void split_character(struct ArrowArray *b) {
  /* Valid as a whole, but a two-byte character lies across the end of the first value. */
  char *text = parts_of(column(b, 1))->owned[2];
  int32_t end = text_offsets(b)[1];
  text[end - 1] = (char)0xc3;
  text[end] = (char)0xbc;
}
static void unexpected_dictionary(struct ArrowArray *b) {
  struct ArrowArray *dictionary = malloc(sizeof *dictionary);
  if (dictionary == NULL) abort();
  *dictionary = utf8_array(3, 0);
  column_parts(b, 0)->dictionary = dictionary;
  column(b, 0)->dictionary = dictionary;
}
static void children_of_a_number(struct ArrowArray *b) { array_child(column(b, 0), int64_array(b->length, 0)); }

static const struct {
  const char *what;
  void (*damage)(struct ArrowArray *);
} MALFORMED[] = {
#define CASE(f) {#f, f}
    CASE(too_few_children), CASE(too_many_children), CASE(negative_children), CASE(null_children), CASE(null_child), CASE(released_child),
    CASE(negative_length), CASE(negative_child_length), CASE(short_child), CASE(huge_length), CASE(overflowing_length), CASE(negative_offset),
    CASE(negative_child_offset), CASE(huge_offset), CASE(offset_beyond_children), CASE(null_buffers), CASE(null_values), CASE(null_offsets),
    CASE(null_text), CASE(too_many_buffers), CASE(too_few_buffers), CASE(no_buffers), CASE(negative_buffers), CASE(huge_buffers),
    CASE(struct_buffers), CASE(null_count_too_low), CASE(null_count_too_high), CASE(null_count_wrong), CASE(nulls_without_bitmap),
    CASE(nulls_in_a_column_without), CASE(nulls_in_the_batch), CASE(falling_offsets), CASE(negative_first_offset), CASE(negative_last_offset),
    CASE(invalid_utf8), CASE(split_character), CASE(unexpected_dictionary), CASE(children_of_a_number),
#undef CASE
};
#define N_MALFORMED (sizeof MALFORMED / sizeof MALFORMED[0])

/* ---- Whoever takes a batch ---- */

static WeirSession *session;
static WeirWriter *writer, *keyed; /* the second with the primary key `id` */
static WeirSnapshot *snapshot;     /* of the second's */
static struct ArrowSchema standard;
static WeirAppender *appender;
static WeirQueue *queue;
static WeirSpillStore *spills;
static WeirSpillWriter *spilling;

static WeirStatus completed(WeirStatus accepted, WeirError **error) {
  WeirEvent event;
  size_t n = 0;
  if (accepted != WEIR_STATUS_OK) {
    size_t none = 0;
    WeirError *ignored = NULL;
    CHECK_EQ(weir_queue_next(queue, &event, 1, 0, &none, &ignored), WEIR_STATUS_TIMED_OUT); /* refused: no completion */
    weir_error_free(ignored);
    return accepted;
  }
  WeirStatus status = weir_queue_next(queue, &event, 1, 20000, &n, error);
  if (status != WEIR_STATUS_OK) return status;
  if (event.error != NULL) *error = event.error;
  event.error = NULL;
  weir_event_clear(&event);
  return event.status;
}

static WeirStatus by_put(struct ArrowArray *b, WeirError **error) {
  WeirAck ack;
  return weir_writer_put(writer, b, -1, &ack, error);
}
static WeirStatus by_put_async(struct ArrowArray *b, WeirError **error) {
  return completed(weir_writer_put_async(writer, b, weir_queue_completion(queue, 1), error), error);
}
static WeirStatus by_append(struct ArrowArray *b, WeirError **error) {
  uint64_t position;
  return weir_appender_append(appender, b, -1, &position, error);
}
static WeirStatus by_append_async(struct ArrowArray *b, WeirError **error) {
  return completed(weir_appender_append_async(appender, b, weir_queue_completion(queue, 1), error), error);
}

static WeirStatus by_spill(struct ArrowArray *b, WeirError **error) { return weir_spill_writer_write_batch(spilling, b, -1, error); }
static WeirStatus by_spill_async(struct ArrowArray *b, WeirError **error) {
  return completed(weir_spill_writer_write_batch_async(spilling, b, weir_queue_completion(queue, 1), error), error);
}

/* Who takes keys imports all columns that come with them. */
static WeirStatus by_delete(struct ArrowArray *b, WeirError **error) { return weir_writer_delete(keyed, b, &standard, -1, NULL, error); }
static WeirStatus by_delete_async(struct ArrowArray *b, WeirError **error) {
  return completed(weir_writer_delete_async(keyed, b, &standard, weir_queue_completion(queue, 1), error), error);
}
static WeirStatus got(WeirStatus status, struct ArrowArray *rows) {
  if (status != WEIR_STATUS_OK) CHECK(rows->release == NULL);
  if (rows->release != NULL) rows->release(rows);
  return status;
}
static WeirStatus by_get(struct ArrowArray *b, WeirError **error) {
  struct ArrowArray rows;
  return got(weir_writer_get(keyed, b, &standard, NULL, -1, NULL, 0, &rows, error), &rows);
}
static WeirStatus by_get_async(struct ArrowArray *b, WeirError **error) {
  return completed(weir_writer_get_async(keyed, b, &standard, NULL, weir_queue_completion(queue, 1), error), error);
}
static WeirStatus by_snapshot_get(struct ArrowArray *b, WeirError **error) {
  struct ArrowArray rows;
  return got(weir_snapshot_get(snapshot, b, &standard, NULL, -1, NULL, 0, &rows, error), &rows);
}
static WeirStatus by_snapshot_get_async(struct ArrowArray *b, WeirError **error) {
  return completed(weir_snapshot_get_async(snapshot, b, &standard, NULL, weir_queue_completion(queue, 1), error), error);
}
static const struct {
  const char *name;
  WeirStatus (*take)(struct ArrowArray *, WeirError **);
  bool takes_empty;
} TAKERS[] = {{"put", by_put, false},       {"put_async", by_put_async, false}, {"append", by_append, false}, {"append_async", by_append_async, false},
              {"spill", by_spill, true}, {"spill_async", by_spill_async, true}, {"delete", by_delete, false},
              {"delete_async", by_delete_async, false}, {"get", by_get, true}, {"get_async", by_get_async, true},
              {"snapshot_get", by_snapshot_get, true}, {"snapshot_get_async", by_snapshot_get_async, true}};
#define N_TAKERS (sizeof TAKERS / sizeof TAKERS[0])

static void take_must(size_t taker, const char *what, struct ArrowArray batch, bool succeed) {
  char name[96];
  long released = atomic_load(&tops_released);
  snprintf(name, sizeof name, "%s of %s", TAKERS[taker].name, what);
  const char *before = harness_test;
  harness_test = name;
  if (succeed) OK(TAKERS[taker].take(&batch, &err));
  else FAILS_EITHER(TAKERS[taker].take(&batch, &err), INVALID_DATA, SCHEMA_MISMATCH);
  CHECK(batch.release == NULL); /* the caller's is marked released */
  CHECK_EQ(atomic_load(&tops_released) - released, 1);
  CHECK_EQ(atomic_load(&arrays_live), 0);
  harness_test = before;
}

static void test_malformed_batches_are_refused_and_released_once(void) {
  for (size_t taker = 0; taker < N_TAKERS; taker++) {
    for (size_t i = 0; i < N_MALFORMED; i++) {
      struct ArrowArray batch = batch_new(20, 0);
      MALFORMED[i].damage(&batch);
      take_must(taker, MALFORMED[i].what, batch, false);
    }
    take_must(taker, "a good batch after all those", batch_new(20, 0), true);
  }
}

/* The values that a scan compares with are one row, so no batch here is right; all are released once. */
static void test_malformed_values_are_refused_and_released_once(void) {
  const WeirComparison both[] = {{"id", WEIR_COMPARE_EQ, 0}, {"name", WEIR_COMPARE_EQ, 0}};
  WeirScanOptions options = WEIR_SCAN_OPTIONS_INIT;
  options.comparisons = both;
  options.comparisons_len = 2;
  for (size_t i = 0; i < 2 * N_MALFORMED; i++) {
    struct ArrowArray batch = batch_new(20, 0);
    WeirScan *scan = NULL;
    long released = atomic_load(&tops_released);
    MALFORMED[i / 2].damage(&batch);
    WeirStatus status = i % 2 ? weir_writer_scan(keyed, &options, &batch, &standard, &scan, &err)
                              : weir_snapshot_scan(snapshot, &options, &batch, NULL, &scan, &err);
    CHECK(status == WEIR_STATUS_INVALID_DATA || status == WEIR_STATUS_INVALID_ARGUMENT);
    CHECK(batch.release == NULL && scan == NULL);
    CHECK_EQ(atomic_load(&tops_released) - released, 1);
    CHECK_EQ(atomic_load(&arrays_live), 0);
    weir_error_free(err);
    err = NULL;
  }
}

static void test_an_empty_batch_is_refused_where_it_makes_no_sense(void) {
  for (size_t taker = 0; taker < N_TAKERS; taker++) take_must(taker, "an empty batch", batch_new(0, 0), TAKERS[taker].takes_empty);
}

static void test_a_released_batch_is_refused(void) {
  struct ArrowArray batch = batch_new(3, 0);
  WeirAck ack;
  uint64_t position;
  batch.release(&batch);
  FAILS_EITHER(weir_writer_put(writer, &batch, -1, &ack, &err), INVALID_ARGUMENT, INVALID_DATA);
  FAILS_EITHER(weir_appender_append(appender, &batch, -1, &position, &err), INVALID_ARGUMENT, INVALID_DATA);
  FAILS_EITHER(weir_spill_writer_write_batch(spilling, &batch, -1, &err), INVALID_ARGUMENT, INVALID_DATA);
}

/* On every return: also where another argument is what is wrong, and where the handle does not work any more. */
static void test_arrays_are_released_whatever_else_is_wrong(void) {
  WeirCompletion none = {0};
  WeirAck ack;
  uint64_t position;
  int32_t buckets[3];
  struct ArrowSchema schema = schema_new("l", "id", false);
  struct ArrowArray b;
#define RELEASED(call, code)       \
  do {                             \
    FAILS(call, code);             \
    CHECK(b.release == NULL);      \
    CHECK_EQ(atomic_load(&arrays_live), 0); \
  } while (0)
  b = batch_new(3, 0);
  RELEASED(weir_writer_put(NULL, &b, -1, &ack, &err), INVALID_ARGUMENT);
  b = batch_new(3, 0);
  RELEASED(weir_writer_put_async(NULL, &b, weir_queue_completion(queue, 1), &err), INVALID_ARGUMENT);
  b = batch_new(3, 0);
  RELEASED(weir_writer_put_async(writer, &b, none, &err), INVALID_ARGUMENT); /* no fn */
  b = batch_new(3, 0);
  RELEASED(weir_appender_append(NULL, &b, -1, &position, &err), INVALID_ARGUMENT);
  b = batch_new(3, 0);
  RELEASED(weir_appender_append_async(NULL, &b, weir_queue_completion(queue, 1), &err), INVALID_ARGUMENT);
  b = batch_new(3, 0);
  RELEASED(weir_appender_append_async(appender, &b, none, &err), INVALID_ARGUMENT);
  b = batch_new(3, 0);
  RELEASED(weir_spill_writer_write_batch(NULL, &b, -1, &err), INVALID_ARGUMENT);
  b = batch_new(3, 0);
  RELEASED(weir_spill_writer_write_batch_async(NULL, &b, weir_queue_completion(queue, 1), &err), INVALID_ARGUMENT);
  b = batch_new(3, 0);
  RELEASED(weir_spill_writer_write_batch_async(spilling, &b, none, &err), INVALID_ARGUMENT);
  b = int64_array(3, 0);
  RELEASED(weir_bucket_of(&b, NULL, 8, buckets, 3, &err), INVALID_ARGUMENT);
  b = int64_array(3, 0);
  RELEASED(weir_bucket_of(&b, &schema, 0, buckets, 3, &err), INVALID_ARGUMENT);
  b = int64_array(3, 0);
  RELEASED(weir_bucket_of(&b, &schema, 1025, buckets, 3, &err), INVALID_ARGUMENT);
  b = int64_array(3, 0);
  RELEASED(weir_bucket_of(&b, &schema, 8, buckets, 2, &err), INVALID_ARGUMENT);
  b = int64_array(3, 0);
  RELEASED(weir_bucket_of(&b, &schema, 8, NULL, 3, &err), INVALID_ARGUMENT);
  b = int64_array(3, 0);
  b.n_buffers = 7;
  RELEASED(weir_bucket_of(&b, &schema, 8, buckets, 3, &err), INVALID_DATA);
  FAILS(weir_writer_put(writer, NULL, -1, &ack, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_put_async(writer, NULL, weir_queue_completion(queue, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_appender_append(appender, NULL, -1, &position, &err), INVALID_ARGUMENT);
  FAILS(weir_appender_append_async(appender, NULL, weir_queue_completion(queue, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_bucket_of(NULL, &schema, 8, buckets, 3, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_put_stream(writer, NULL, -1, &ack, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_put_stream_async(writer, NULL, weir_queue_completion(queue, 1), &err), INVALID_ARGUMENT);

  FAILS(weir_spill_writer_write_batch(spilling, NULL, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_writer_write_batch_async(spilling, NULL, weir_queue_completion(queue, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_spill_writer_write_stream(spilling, NULL, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_spill_writer_write_stream_async(spilling, NULL, weir_queue_completion(queue, 1), &err), INVALID_ARGUMENT);

  /* A writer of bytes takes no batch, and an aborted one nothing. */
  WeirSpillWriter *bytes = NULL;
  OK(weir_spill_begin(spills, NULL, &bytes, &err));
  b = batch_new(3, 0);
  RELEASED(weir_spill_writer_write_batch(bytes, &b, -1, &err), INVALID_ARGUMENT);
  b = batch_new(3, 0);
  RELEASED(weir_spill_writer_write_batch_async(bytes, &b, weir_queue_completion(queue, 1), &err), INVALID_ARGUMENT);
  weir_spill_writer_free(bytes);
  struct ArrowSchema columns = batch_schema();
  WeirSpillWriter *aborted = NULL;
  OK(weir_spill_begin_batches(spills, &columns, NULL, &aborted, &err));
  OK(weir_spill_writer_abort(aborted, &err));
  b = batch_new(3, 0);
  RELEASED(weir_spill_writer_write_batch(aborted, &b, -1, &err), CLOSED);
  weir_spill_writer_free(aborted);
  columns.release(&columns);

  char *root = new_root();
  WeirWriter *closed = writer_new(session, root, NULL);
  OK(weir_writer_close(closed, -1, &err));
  b = batch_new(3, 0);
  RELEASED(weir_writer_put(closed, &b, -1, &ack, &err), CLOSED);
  b = batch_new(3, 0);
  RELEASED(weir_writer_put_async(closed, &b, weir_queue_completion(queue, 1), &err), CLOSED);
  weir_writer_free(closed);
  schema.release(&schema);
  free(root);
}

/* What a caller may legally do and seldom does. */
static void test_odd_but_good_batches_are_taken(void) {
  for (size_t taker = 0; taker < N_TAKERS; taker++) {
    struct ArrowArray b = batch_new(20, 0);
    column(&b, 1)->null_count = -1; /* not counted */
    take_must(taker, "uncounted nulls", b, true);

    b = batch_new(20, 0);
    b.offset = 3; /* a slice of the whole batch */
    b.length = 10;
    take_must(taker, "a slice", b, true);

    b = batch_new(20, 0);
    b.length = 9;
    for (int i = 0; i < 2; i++) column(&b, i)->offset = 11, column(&b, i)->length = 9, column(&b, i)->null_count = -1;
    take_must(taker, "slices of its columns", b, true);

    b = batch_new(20, 0);
    b.n_buffers = 0; /* producers before 2020 left the struct's validity out */
    b.buffers = NULL;
    long released = atomic_load(&tops_released);
    WeirStatus status = TAKERS[taker].take(&b, &err);
    CHECK(status == WEIR_STATUS_OK || status == WEIR_STATUS_INVALID_DATA); /* either, but defined */
    weir_error_free(err);
    err = NULL;
    CHECK_EQ(atomic_load(&tops_released) - released, 1);

    b = batch_new(7, 0);
    ArrayParts *id = column_parts(&b, 0);
    char *shifted = malloc(8 * 7 + 1); /* values at an odd address */
    if (shifted == NULL) abort();
    memcpy(shifted + 1, id->owned[1], 8 * 7);
    free(id->owned[1]);
    id->owned[1] = shifted;
    id->buffers[1] = shifted + 1;
    take_must(taker, "unaligned values", b, true);

    b = batch_new(1, 2); /* one row, its name null: no byte of text */
    column_parts(&b, 1)->buffers[2] = NULL;
    take_must(taker, "no text at all", b, true);
  }
}

/* With validation off, contents are the caller's word; structure is still checked. */
static void test_validation_can_be_turned_off_for_contents_only(void) {
  char *root = new_root();
  WeirWriterOptions options = quick_options();
  options.validate = 0;
  WeirWriter *trusting = writer_new(session, root, &options);
  WeirAck ack;
  struct ArrowArray b = batch_new(20, 0);
  too_many_buffers(&b);
  FAILS_EITHER(weir_writer_put(trusting, &b, -1, &ack, &err), INVALID_DATA, SCHEMA_MISMATCH);
  b = batch_new(20, 0);
  null_values(&b);
  FAILS_EITHER(weir_writer_put(trusting, &b, -1, &ack, &err), INVALID_DATA, SCHEMA_MISMATCH);
  b = batch_new(20, 0);
  nulls_in_a_column_without(&b);
  FAILS(weir_writer_put(trusting, &b, -1, &ack, &err), INVALID_DATA);
  b = batch_new(20, 0);
  OK(weir_writer_put(trusting, &b, -1, &ack, &err));
  CHECK_EQ(atomic_load(&arrays_live), 0);
  weir_writer_free(trusting);
  free(root);
}

/* ---- Schemas ---- */

typedef struct {
  const char *what;
  void (*damage)(struct ArrowSchema *);
} BadSchema;

static struct ArrowSchema *field(struct ArrowSchema *s, int i) { return ((SchemaParts *)s->private_data)->children[i]; }
static void set_format(struct ArrowSchema *s, const char *format) { snprintf(((SchemaParts *)s->private_data)->format, 32, "%s", format); }

static struct ArrowSchema *short_fields[4];
static void not_a_struct(struct ArrowSchema *s) { set_format(s, "l"); }
static void unknown_format(struct ArrowSchema *s) { set_format(field(s, 0), "?!"); }
static void empty_format(struct ArrowSchema *s) { set_format(field(s, 0), ""); }
static void null_format(struct ArrowSchema *s) { field(s, 0)->format = NULL; }
static void invalid_format(struct ArrowSchema *s) { set_format(field(s, 0), "\xff\xfe"); }
static void invalid_name(struct ArrowSchema *s) { field(s, 0)->name = "\xff\xfe"; }
static void negative_width(struct ArrowSchema *s) { set_format(field(s, 0), "w:-4"); }
static void width_no_number(struct ArrowSchema *s) { set_format(field(s, 0), "w:wide"); }
static void huge_width(struct ArrowSchema *s) { set_format(field(s, 0), "w:99999999999999999999"); }
static void bad_decimal(struct ArrowSchema *s) { set_format(field(s, 0), "d:99,2"); }
static void empty_decimal(struct ArrowSchema *s) { set_format(field(s, 0), "d:"); }
static void bad_time(struct ArrowSchema *s) { set_format(field(s, 0), "tsq:UTC"); }
static void list_without_items(struct ArrowSchema *s) { set_format(field(s, 0), "+l"); }
static void map_without_entries(struct ArrowSchema *s) { set_format(field(s, 0), "+m"); }
static void union_without_codes(struct ArrowSchema *s) { set_format(field(s, 0), "+us:x"); }
static void fields_of_a_number(struct ArrowSchema *s) { schema_child(field(s, 0), schema_new("l", "x", true)); }
static void negative_fields(struct ArrowSchema *s) { s->n_children = -1; }
static void null_fields(struct ArrowSchema *s) { s->children = NULL; }
static void null_field(struct ArrowSchema *s) {
  short_fields[0] = field(s, 0);
  short_fields[1] = NULL;
  s->children = short_fields;
}
static void released_field(struct ArrowSchema *s) { field(s, 1)->release(field(s, 1)); }
static void float_dictionary(struct ArrowSchema *s) {
  static struct ArrowSchema dictionary;
  dictionary = (struct ArrowSchema){.format = "u", .name = "", .release = NULL};
  set_format(field(s, 0), "g"); /* indices must be integers */
  field(s, 0)->dictionary = &dictionary;
}
static void negative_metadata(struct ArrowSchema *s) {
  static const int32_t pairs = -3;
  s->metadata = (const char *)&pairs;
}

static const BadSchema BAD_SCHEMAS[] = {
#define CASE(f) {#f, f}
    CASE(not_a_struct), CASE(unknown_format), CASE(empty_format), CASE(null_format), CASE(invalid_format), CASE(invalid_name),
    CASE(negative_width), CASE(width_no_number), CASE(huge_width), CASE(bad_decimal), CASE(empty_decimal), CASE(bad_time),
    CASE(list_without_items), CASE(map_without_entries), CASE(union_without_codes), CASE(fields_of_a_number), CASE(negative_fields),
    CASE(null_fields), CASE(null_field), CASE(released_field),
    CASE(float_dictionary), CASE(negative_metadata),
#undef CASE
};

/* Which of these it is depends on what is wrong with the schema. */
static bool refused(WeirStatus status) {
  return status == WEIR_STATUS_INVALID_DATA || status == WEIR_STATUS_INVALID_ARGUMENT || status == WEIR_STATUS_SCHEMA_MISMATCH ||
         status == WEIR_STATUS_UNSUPPORTED;
}

static void open_must_fail(const char *what, struct ArrowSchema *schema, const char *root) {
  WeirWriterOptions options = quick_options();
  WeirWriter *w = (WeirWriter *)(uintptr_t)8;
  WeirAppender *a = (WeirAppender *)(uintptr_t)8;
  const char *before = harness_test;
  harness_test = what;
  WeirStatus status = weir_writer_open(session, root, SHARD2, schema, &options, &w, &err);
  CHECK(refused(status));
  CHECK(w == NULL);
  check_error(&err, status, NULL, what, __FILE__, __LINE__);
  CHECK_EQ(weir_appender_open(session, root, SHARD2, schema, NULL, &a, NULL), status);
  CHECK(a == NULL);
  WeirSpillWriter *s = (WeirSpillWriter *)(uintptr_t)8;
  CHECK_EQ(weir_spill_begin_batches(spills, schema, NULL, &s, NULL), status);
  CHECK(s == NULL);
  /* A refusal here is immediate: the call itself fails, and nothing completes later. */
  CHECK_EQ(weir_writer_open_async(session, root, SHARD2, schema, &options, weir_queue_completion(queue, 1), NULL), status);
  CHECK_EQ(weir_appender_open_async(session, root, SHARD2, schema, NULL, weir_queue_completion(queue, 1), NULL), status);
  harness_test = before;
}

static void test_malformed_schemas_are_refused_and_stay_the_callers(void) {
  char *root = new_root();
  long before = atomic_load(&schemas_live);
  for (size_t i = 0; i < sizeof BAD_SCHEMAS / sizeof BAD_SCHEMAS[0]; i++) {
    struct ArrowSchema schema = batch_schema();
    BAD_SCHEMAS[i].damage(&schema);
    open_must_fail(BAD_SCHEMAS[i].what, &schema, root);
    CHECK(schema.release != NULL);
    schema.release(&schema);
  }
  struct ArrowSchema released = batch_schema();
  released.release(&released);
  open_must_fail("a released schema", &released, root);
  open_must_fail("no schema", NULL, root);
  CHECK_EQ(atomic_load(&schemas_live), before);
  CHECK(access(root, F_OK) != 0); /* PITFALLS B4: nothing was claimed, not even a directory made */
  free(root);
}

/* 3,000 structs, one in the other: a clear answer, not a stack overflow. */
static void test_deeply_nested_schema(void) {
  enum { DEPTH = 3000 };
  struct ArrowSchema *levels = calloc(DEPTH + 1, sizeof *levels), **links = calloc(DEPTH + 1, sizeof *links);
  struct ArrowSchema owner = schema_new("+s", "", false); /* lends the deep ones its release */
  if (levels == NULL || links == NULL) abort();
  for (int i = 0; i <= DEPTH; i++) {
    levels[i] = (struct ArrowSchema){.format = i == DEPTH ? "l" : "+s", .name = "x", .flags = ARROW_FLAG_NULLABLE, .release = owner.release};
    links[i] = &levels[i];
    if (i < DEPTH) levels[i].n_children = 1, levels[i].children = &links[i + 1];
  }
  WeirWriter *w = NULL;
  WeirStatus status = weir_writer_open(session, "memory://deep", SHARD, &levels[0], NULL, &w, &err);
  CHECK(refused(status));
  weir_writer_free(w);
  weir_error_free(err);
  err = NULL;
  owner.release(&owner);
  free(levels);
  free(links);
}

/* ---- Streams ---- */

static WeirStatus stream_by_put(struct ArrowArrayStream *stream, WeirError **error) {
  WeirAck ack;
  return weir_writer_put_stream(writer, stream, -1, &ack, error);
}
static WeirStatus stream_by_spill(struct ArrowArrayStream *stream, WeirError **error) {
  return weir_spill_writer_write_stream(spilling, stream, -1, error);
}
static WeirStatus stream_by_spill_async(struct ArrowArrayStream *stream, WeirError **error) {
  return completed(weir_spill_writer_write_stream_async(spilling, stream, weir_queue_completion(queue, 1), error), error);
}
typedef WeirStatus StreamTaker(struct ArrowArrayStream *, WeirError **);

static void stream_must(StreamTaker *take, const char *what, struct ArrowArrayStream stream, WeirStatus expected, const char *words) {
  const char *before = harness_test;
  harness_test = what;
  err = ERR_GARBAGE;
  check_status(take(&stream, &err), expected, words, what, __FILE__, __LINE__);
  CHECK(stream.release == NULL);
  CHECK_EQ(atomic_load(&streams_live), 0);
  CHECK_EQ(atomic_load(&arrays_live), 0);
  harness_test = before;
}

static StreamParts *stream_parts(struct ArrowArrayStream *stream) { return stream->private_data; }

static void streams_are_released_once(StreamTaker *take) {
  struct ArrowArrayStream s = stream_new(5, 20, 0);
  stream_must(take, "a good stream", s, WEIR_STATUS_OK, NULL);
  s = stream_new(5, 20, 0);
  stream_parts(&s)->fail_schema = true;
  stream_must(take, "a stream without a schema", s, WEIR_STATUS_INVALID_DATA, "the dog ate it");
  s = stream_new(5, 20, 0);
  stream_parts(&s)->other_schema = true;
  stream_must(take, "a stream of another schema", s, WEIR_STATUS_SCHEMA_MISMATCH, NULL);
  s = stream_new(5, 20, 0);
  stream_parts(&s)->fail_at = 3;
  stream_must(take, "a stream that fails midway", s, WEIR_STATUS_INVALID_DATA, "the dog ate it");
  for (size_t i = 0; i < N_MALFORMED; i++) {
    s = stream_new(2, 20, 0);
    stream_parts(&s)->damage = MALFORMED[i].damage;
    FAILS_EITHER(take(&s, &err), INVALID_DATA, SCHEMA_MISMATCH);
    CHECK_EQ(atomic_load(&streams_live), 0);
    CHECK_EQ(atomic_load(&arrays_live), 0);
  }
  s = stream_new(1, 20, 0);
  s.get_next = NULL;
  stream_must(take, "a stream without get_next", s, WEIR_STATUS_INVALID_ARGUMENT, NULL);
}

static void test_streams_are_released_once_whatever_happens(void) {
  streams_are_released_once(stream_by_put);
  streams_are_released_once(stream_by_spill);
  streams_are_released_once(stream_by_spill_async);
  WeirAck ack;
  struct ArrowArrayStream s = stream_new(1, 20, 0);
  FAILS(weir_writer_put_stream(NULL, &s, -1, &ack, &err), INVALID_ARGUMENT);
  CHECK(s.release == NULL);
  s = stream_new(1, 20, 0);
  FAILS(weir_writer_put_stream_async(NULL, &s, weir_queue_completion(queue, 1), &err), INVALID_ARGUMENT);
  CHECK(s.release == NULL);
  s = stream_new(1, 20, 0);
  FAILS(weir_writer_put_stream_async(writer, &s, (WeirCompletion){0}, &err), INVALID_ARGUMENT);
  CHECK(s.release == NULL);
  s = stream_new(1, 20, 0);
  FAILS(weir_spill_writer_write_stream(NULL, &s, -1, &err), INVALID_ARGUMENT);
  CHECK(s.release == NULL);
  s = stream_new(1, 20, 0);
  FAILS(weir_spill_writer_write_stream_async(NULL, &s, weir_queue_completion(queue, 1), &err), INVALID_ARGUMENT);
  CHECK(s.release == NULL);
  s = stream_new(1, 20, 0);
  FAILS(weir_spill_writer_write_stream_async(spilling, &s, (WeirCompletion){0}, &err), INVALID_ARGUMENT);
  CHECK(s.release == NULL);
  s = stream_new(4, 20, 0);
  OK(completed(weir_writer_put_stream_async(writer, &s, weir_queue_completion(queue, 1), &err), &err));
  CHECK(s.release == NULL);
  CHECK_EQ(atomic_load(&streams_live), 0);
}

/* ---- Out of weir ---- */

/* Batches, schemas and streams that weir hands out live on their own: after the entry, the tailer and the session are gone. */
static void test_what_weir_exports_outlives_its_handles(void) {
  char *root = new_root();
  WeirSession *own = session_new();
  WeirWriter *w = writer_new(own, root, NULL);
  put_batches(w, 3);
  WeirTailer *tailer = tailer_new(own, root, NULL);
  WeirEntry *entry = NULL;
  struct ArrowArray batch = {0}, again = {0};
  struct ArrowSchema schema = {0};
  struct ArrowArrayStream entry_stream = {0}, log_stream = {0};
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  OK(weir_entry_batch(entry, 0, &batch, &err));
  OK(weir_entry_batch(entry, 0, &again, &err)); /* as often as one likes */
  OK(weir_entry_schema(entry, &schema, &err));
  OK(weir_entry_stream(entry, &entry_stream, &err));
  OK(weir_tailer_stream(tailer, &log_stream, &err));
  CHECK(batch.children[0]->buffers[1] == again.children[0]->buffers[1]); /* shared, not copied */
  weir_entry_free(entry);
  weir_tailer_free(tailer);
  weir_writer_free(w);
  weir_session_free(own);

  CHECK(batch_is(&batch, 10, 0));
  batch.release(&batch);
  CHECK(batch_is(&again, 10, 0));
  again.release(&again);
  CHECK_EQ(schema.n_children, 2);
  CHECK_STR(schema.children[0]->format, "l");
  CHECK((schema.children[0]->flags & ARROW_FLAG_NULLABLE) == 0);
  CHECK((schema.children[1]->flags & ARROW_FLAG_NULLABLE) != 0);
  schema.release(&schema);

  CHECK_EQ(entry_stream.get_next(&entry_stream, &batch), 0);
  CHECK(batch_is(&batch, 10, 0));
  batch.release(&batch);
  CHECK_EQ(entry_stream.get_next(&entry_stream, &batch), 0);
  CHECK(batch.release == NULL);
  entry_stream.release(&entry_stream);

  for (int i = 1; i < 3; i++) { /* the first entry was taken before the stream was */
    CHECK_EQ(log_stream.get_next(&log_stream, &batch), 0);
    CHECK(batch_is(&batch, 10, i * 10));
    if (batch.release != NULL) batch.release(&batch);
  }
  CHECK_EQ(log_stream.get_next(&log_stream, &batch), 0);
  CHECK(batch.release == NULL);
  log_stream.release(&log_stream);
  free(root);
}

/* Children may be moved out of a batch and outlive it, as the interface allows. */
static void test_an_exported_child_can_be_moved_out(void) {
  char *root = new_root();
  WeirWriter *w = writer_new(session, root, NULL);
  put_batches(w, 1);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  struct ArrowArray batch = {0};
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  OK(weir_entry_batch(entry, 0, &batch, &err));
  struct ArrowArray id = *batch.children[0];
  batch.children[0]->release = NULL;
  batch.release(&batch);
  weir_entry_free(entry);
  weir_tailer_free(tailer);
  weir_writer_free(w);
  CHECK_EQ(((const int64_t *)id.buffers[1])[9], 9);
  id.release(&id);
  free(root);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  session = session_new();
  char *root = new_root(), *appended = new_root(), *tables = new_root();
  struct ArrowSchema schema = batch_schema();
  const char *const key[] = {"id"};
  WeirWriterOptions with_key = quick_options();
  with_key.primary_key = key;
  with_key.primary_key_len = 1;
  standard = batch_schema();
  keyed = writer_new(session, tables, &with_key);
  put_batches(keyed, 3);
  OK(weir_snapshot_open(session, tables, SHARD, NULL, NULL, &snapshot, &err));
  WeirAppenderOptions options = WEIR_APPENDER_OPTIONS_INIT;
  options.fsync = 0;
  writer = writer_new(session, root, NULL);
  OK(weir_appender_open(session, appended, SHARD, &schema, &options, &appender, &err));
  OK(weir_queue_new(NULL, &queue, &err));
  WeirSpillStoreOptions memory = WEIR_SPILL_STORE_OPTIONS_INIT;
  memory.backend = WEIR_SPILL_BACKEND_MEMORY;
  OK(weir_spill_store_new(session, &memory, &spills, &err));
  OK(weir_spill_begin_batches(spills, &schema, NULL, &spilling, &err));
  schema.release(&schema);

  RUN(test_malformed_batches_are_refused_and_released_once);
  RUN(test_malformed_values_are_refused_and_released_once);
  RUN(test_an_empty_batch_is_refused_where_it_makes_no_sense);
  RUN(test_a_released_batch_is_refused);
  RUN(test_arrays_are_released_whatever_else_is_wrong);
  RUN(test_odd_but_good_batches_are_taken);
  RUN(test_validation_can_be_turned_off_for_contents_only);
  RUN(test_malformed_schemas_are_refused_and_stay_the_callers);
  RUN(test_deeply_nested_schema);
  RUN(test_streams_are_released_once_whatever_happens);
  RUN(test_what_weir_exports_outlives_its_handles);
  RUN(test_an_exported_child_can_be_moved_out);

  weir_queue_free(queue);
  weir_spill_writer_free(spilling);
  CHECK_EQ(weir_spill_store_used_bytes(spills), 0);
  weir_spill_store_free(spills);
  weir_appender_free(appender);
  weir_writer_free(writer);
  weir_writer_free(keyed);
  weir_snapshot_free(snapshot);
  standard.release(&standard);
  weir_session_free(session);
  check_all_released();
  free(root);
  free(appended);
  free(tables);
  return harness_finish(argv[0]);
}
