/* Shards: listing, initialising, manifests, sealing, trimming; and the routing of rows to shards. */
#include "arrow_build.h"

static WeirSession *session;

static void test_listing(void) {
  char *root = new_root();
  WeirBuffer *ids = NULL;
  OK(weir_shard_list(session, root, -1, &ids, &err)); /* nothing there: no shards */
  CHECK_EQ(weir_buffer_len(ids), 0);
  weir_buffer_free(ids);
  OK(weir_shard_init(session, root, SHARD, 0, NULL, 0, -1, &err));
  OK(weir_shard_init(session, root, SHARD2, 0, NULL, 0, -1, &err));
  OK(weir_shard_list(session, root, -1, &ids, &err));
  const char *text = (const char *)weir_buffer_data(ids);
  if (CHECK(text != NULL)) {
    CHECK(strstr(text, SHARD "\n") != NULL);
    CHECK(strstr(text, SHARD2) != NULL);
  }
  weir_buffer_free(ids);
  ids = (WeirBuffer *)(uintptr_t)8;
  FAILS(weir_shard_list(NULL, root, -1, &ids, &err), INVALID_ARGUMENT);
  CHECK(ids == NULL);
  FAILS(weir_shard_list(session, NULL, -1, &ids, &err), INVALID_ARGUMENT);
  FAILS(weir_shard_list(session, root, -1, NULL, &err), INVALID_ARGUMENT);
  free(root);
}

static void test_init_and_manifest(void) {
  char *root = new_root();
  const uint8_t value[] = {1, 0, 255};
  const WeirShardField fields[] = {{"bucket", value, sizeof value}, {"region", NULL, 0}};
  WeirManifest *manifest = NULL;
  const char *id = NULL;
  const uint8_t *bytes = NULL;
  size_t id_len = 99, len = 99;
  FAILS(weir_shard_manifest(session, root, SHARD, -1, &manifest, &err), NOT_FOUND);
  CHECK(manifest == NULL);
  OK(weir_shard_init(session, root, SHARD, 7, fields, 2, -1, &err));
  FAILS(weir_shard_init(session, root, SHARD, 7, fields, 2, -1, &err), ALREADY_EXISTS); /* PITFALLS D8 */
  OK(weir_shard_manifest(session, root, SHARD, -1, &manifest, &err));
  CHECK_EQ(weir_manifest_version(manifest), 1);
  CHECK_EQ(weir_manifest_writer_epoch(manifest), 0);
  CHECK_EQ(weir_manifest_replay_after(manifest), 0);
  CHECK_EQ(weir_manifest_last_seen(manifest), 0);
  CHECK_EQ(weir_manifest_current_generation(manifest), 1);
  CHECK(!weir_manifest_is_sealed(manifest));
  CHECK_EQ(weir_manifest_shard_spec_id(manifest), 7);
  CHECK_EQ(weir_manifest_sstable_count(manifest), 0);
  CHECK_EQ(weir_manifest_field_count(manifest), 2);
  for (size_t i = 0; i < 2; i++) {
    if (!OK(weir_manifest_field(manifest, i, &id, &id_len, &bytes, &len, &err))) continue;
    CHECK_EQ(id_len, 6);
    if (memcmp(id, "bucket", 6) == 0) {
      CHECK_EQ(len, sizeof value);
      CHECK(memcmp(bytes, value, sizeof value) == 0);
    } else {
      CHECK(memcmp(id, "region", 6) == 0);
      CHECK_EQ(len, 0);
      CHECK(bytes == NULL); /* PITFALLS X6 */
    }
  }
  FAILS(weir_manifest_field(manifest, 2, &id, &id_len, &bytes, &len, &err), INVALID_ARGUMENT);
  CHECK(id == NULL && bytes == NULL); /* outputs are cleared */
  CHECK_EQ(id_len + len, 0);
  FAILS(weir_manifest_field(manifest, SIZE_MAX, &id, &id_len, &bytes, &len, &err), INVALID_ARGUMENT);
  FAILS(weir_manifest_field(NULL, 0, &id, &id_len, &bytes, &len, &err), INVALID_ARGUMENT);
  FAILS(weir_manifest_field(manifest, 0, NULL, &id_len, &bytes, &len, &err), INVALID_ARGUMENT);
  FAILS(weir_manifest_field(manifest, 0, &id, &id_len, &bytes, NULL, &err), INVALID_ARGUMENT);
  weir_manifest_free(manifest);

  WeirWriter *writer = writer_new(session, root, NULL);
  OK(weir_shard_manifest(session, root, SHARD, -1, &manifest, &err));
  CHECK_EQ(weir_manifest_version(manifest), 2);
  CHECK_EQ(weir_manifest_writer_epoch(manifest), 1);
  CHECK_EQ(weir_manifest_field_count(manifest), 2); /* a claim keeps what it does not change */
  weir_manifest_free(manifest);
  weir_writer_free(writer);
  free(root);
}

static void test_init_refuses_nonsense(void) {
  char *root = new_root();
  WeirManifest *manifest = NULL;
  const WeirShardField no_id = {NULL, NULL, 0}, no_value = {"x", NULL, 5}, twice[] = {{"x", NULL, 0}, {"x", NULL, 0}};
  FAILS(weir_shard_init(session, root, "nonsense", 0, NULL, 0, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_shard_init(session, NULL, SHARD, 0, NULL, 0, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_shard_init(NULL, root, SHARD, 0, NULL, 0, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_shard_init(session, root, SHARD, 0, NULL, 1, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_shard_init(session, root, SHARD, 0, &no_id, 1, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_shard_init(session, root, SHARD, 0, &no_value, 1, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_shard_init(session, root, SHARD, 0, twice, 2, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_shard_manifest(session, root, SHARD, -1, &manifest, &err), NOT_FOUND); /* none of these did a thing */
  FAILS(weir_shard_manifest(NULL, root, SHARD, -1, &manifest, &err), INVALID_ARGUMENT);
  FAILS(weir_shard_manifest(session, root, SHARD, -1, NULL, &err), INVALID_ARGUMENT);
  CHECK_EQ(weir_manifest_version(NULL) + weir_manifest_writer_epoch(NULL) + weir_manifest_replay_after(NULL) + weir_manifest_last_seen(NULL) +
               weir_manifest_current_generation(NULL),
           0);
  CHECK_EQ(weir_manifest_shard_spec_id(NULL), 0);
  CHECK(!weir_manifest_is_sealed(NULL));
  CHECK_EQ(weir_manifest_sstable_count(NULL) + weir_manifest_field_count(NULL), 0);
  weir_manifest_free(NULL);
  free(root);
}

static void test_a_sealed_shard_takes_no_writer(void) { /* PITFALLS B9 */
  char *root = new_root();
  struct ArrowSchema schema = batch_schema();
  WeirWriter *writer = writer_new(session, root, NULL), *refused = NULL;
  WeirManifest *manifest = NULL;
  put_batches(writer, 1);
  weir_writer_free(writer);
  OK(weir_shard_seal(session, root, SHARD, -1, &err));
  OK(weir_shard_seal(session, root, SHARD, -1, &err)); /* it is */
  FAILS(weir_writer_open(session, root, SHARD, &schema, NULL, &refused, &err), SEALED);
  CHECK(refused == NULL);
  OK(weir_shard_manifest(session, root, SHARD, -1, &manifest, &err));
  CHECK(weir_manifest_is_sealed(manifest));
  weir_manifest_free(manifest);
  CHECK_EQ(rows_in_log(session, root), 10); /* still readable */
  OK(weir_shard_unseal(session, root, SHARD, -1, &err));
  writer = writer_new(session, root, NULL);
  put_batches(writer, 1);
  weir_writer_free(writer);
  OK(weir_shard_unseal(session, root, SHARD, -1, &err)); /* is not sealed: nothing to do */
  FAILS(weir_shard_seal(session, root, SHARD2, -1, &err), NOT_FOUND);
  FAILS(weir_shard_unseal(session, root, SHARD2, -1, &err), NOT_FOUND);
  FAILS(weir_shard_seal(NULL, root, SHARD, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_shard_seal(session, root, NULL, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_shard_unseal(NULL, root, SHARD, -1, &err), INVALID_ARGUMENT);
  FAILS(weir_shard_unseal(session, NULL, SHARD, -1, &err), INVALID_ARGUMENT);
  schema.release(&schema);
  free(root);
}

/* PITFALLS D6, I9: what is young stays, and what was trimmed is told apart from what is not yet written. */
static void test_trimming(void) {
  char *root = new_root();
  WeirWriterOptions log_only = log_options();
  WeirWriter *writer = writer_new(session, root, &log_only);
  WeirTrimOptions options = WEIR_TRIM_OPTIONS_INIT;
  WeirEntry *entry = NULL;
  uint64_t first = 0, oldest = 0;
  put_batches(writer, 6);
  OK(weir_shard_trim(session, root, SHARD, 4, NULL, -1, &first, &err)); /* younger than a day */
  CHECK_EQ(first, 1);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirError *error = NULL;
  FAILS(weir_tailer_read(tailer, 7, -1, &entry, &err), NOT_FOUND);
  options.trim_age_ms = 1;
  sleep_ms(1100); /* file times may have whole seconds */
  OK(weir_shard_trim(session, root, SHARD, 4, &options, -1, &first, &err));
  CHECK_EQ(first, 5);
  CHECK_EQ(weir_tailer_read(tailer, 2, -1, &entry, &error), WEIR_STATUS_TRIMMED);
  CHECK(weir_error_detail_u64(error, "first_position", &oldest));
  CHECK_EQ(oldest, 5);
  weir_error_free(error);
  OK(weir_tailer_read(tailer, 5, -1, &entry, &err));
  weir_entry_free(entry);
  put_batches(writer, 1); /* the writer does not mind */
  options.struct_size = 1;
  FAILS(weir_shard_trim(session, root, SHARD, 4, &options, -1, &first, &err), INVALID_ARGUMENT);
  options = (WeirTrimOptions)WEIR_TRIM_OPTIONS_INIT;
  options.reserved = 1;
  FAILS(weir_shard_trim(session, root, SHARD, 4, &options, -1, &first, &err), INVALID_ARGUMENT);
  FAILS(weir_shard_trim(NULL, root, SHARD, 4, NULL, -1, &first, &err), INVALID_ARGUMENT);
  FAILS(weir_shard_trim(session, root, "nonsense", 4, NULL, -1, &first, &err), INVALID_ARGUMENT);
  FAILS(weir_shard_trim(session, root, SHARD2, 4, NULL, -1, &first, &err), NOT_FOUND);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

/* ---- Routing ---- */

static struct ArrowArray fixed_array(const void *values, size_t width, int64_t length) {
  struct ArrowArray array = array_new(length, 0, 2);
  parts_of(&array)->top = true;
  memcpy(array_buffer(&array, 1, width * (size_t)length), values, width * (size_t)length);
  return array;
}

static void buckets_are(const char *format, struct ArrowArray array, const int32_t *expected) {
  struct ArrowSchema schema = schema_new(format, "column", true);
  int32_t buckets[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
  size_t length = (size_t)array.length;
  OK(weir_bucket_of(&array, &schema, 8, buckets, length, &err));
  CHECK(array.release == NULL);
  for (size_t i = 0; i < length; i++) CHECK_EQ(buckets[i], expected[i]);
  schema.release(&schema);
}

/* The vectors of FORMAT.md. */
static void test_buckets(void) {
  const int32_t ints[] = {1, 2, 3}, int_buckets[] = {2, 7, 1}, zero = 0, one[] = {1, 5}, truth = 2;
  const float f = 1.25f;
  const double d = 1.25;
  const uint8_t yes = 1;
  buckets_are("i", fixed_array(ints, 4, 3), int_buckets);
  buckets_are("f", fixed_array(&f, 4, 1), &zero);
  buckets_are("g", fixed_array(&d, 8, 1), &zero);
  buckets_are("b", fixed_array(&yes, 1, 1), &truth);

  struct ArrowArray texts = array_new(2, 0, 3);
  int32_t *offsets = array_buffer(&texts, 1, 12);
  parts_of(&texts)->top = true;
  offsets[1] = 1;
  offsets[2] = 2;
  memcpy(array_buffer(&texts, 2, 2), "ab", 2);
  buckets_are("u", texts, one);

  struct ArrowArray nulls = fixed_array(ints, 4, 3); /* a null goes to bucket 0 */
  const int32_t null_buckets[] = {2, 0, 1};
  *(uint8_t *)array_buffer(&nulls, 0, 1) = 5;
  nulls.null_count = 1;
  buckets_are("i", nulls, null_buckets);

  struct ArrowArray slice = fixed_array(ints, 4, 3);
  slice.offset = 1;
  slice.length = 2;
  buckets_are("i", slice, int_buckets + 1);

  struct ArrowSchema list = schema_new("+l", "column", true);
  struct ArrowArray array = int64_array(1, 0);
  int32_t bucket;
  schema_child(&list, schema_new("i", "item", true));
  WeirStatus status = weir_bucket_of(&array, &list, 8, &bucket, 1, &err); /* lists have no hash */
  CHECK(status == WEIR_STATUS_UNSUPPORTED || status == WEIR_STATUS_INVALID_ARGUMENT || status == WEIR_STATUS_INVALID_DATA);
  weir_error_free(err);
  err = NULL;
  CHECK(array.release == NULL);
  list.release(&list);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  session = session_new();
  RUN(test_listing);
  RUN(test_init_and_manifest);
  RUN(test_init_refuses_nonsense);
  RUN(test_a_sealed_shard_takes_no_writer);
  RUN(test_trimming);
  RUN(test_buckets);
  weir_session_free(session);
  check_all_released();
  return harness_finish(argv[0]);
}
