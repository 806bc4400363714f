/* The behaviours of spills. */
#ifndef WEIR_TEST_CONFORMANCE_SPILL_H
#define WEIR_TEST_CONFORMANCE_SPILL_H

#include "conformance.h"

enum { SPILLED = 200001 };

static void reads_back(const WeirSpill *spill, size_t len, uint64_t from) {
  static uint8_t bytes[SPILLED];
  size_t n = 0;
  OK(weir_spill_read_at(spill, from, bytes, len, -1, &n, &err));
  CHECK_EQ(n, len);
  CHECK(is_filled(bytes, n, from));
}

static void spill_bytes_come_back(WeirSpillStore *store, bool encrypt) {
  WeirSpillOptions options = WEIR_SPILL_OPTIONS_INIT;
  WeirSpillWriter *writer = NULL;
  WeirSpillReader *reader = NULL;
  options.encrypt = encrypt;
  OK(weir_spill_begin(store, &options, &writer, &err));
  write_bytes(writer, SPILLED, 70000);
  WeirSpill *spill = finish(writer);
  CHECK_EQ(weir_spill_len(spill), SPILLED);
  CHECK(encrypt ? weir_spill_stored_bytes(spill) > SPILLED : weir_spill_stored_bytes(spill) == SPILLED);
  reads_back(spill, 100, 0);
  reads_back(spill, 90000, 65530);
  uint8_t chunk[4099];
  size_t n = 9;
  OK(weir_spill_read_at(spill, SPILLED - 5, chunk, 17, -1, &n, &err)); /* short at the end only */
  CHECK_EQ(n, 5);
  OK(weir_spill_read_at(spill, SPILLED, chunk, 17, -1, &n, &err));
  CHECK_EQ(n, 0);

  uint64_t at = 0;
  OK(weir_spill_reader(spill, &reader, &err));
  do {
    OK(weir_spill_reader_read(reader, chunk, sizeof chunk, -1, &n, &err));
    CHECK(is_filled(chunk, n, at));
    at += n;
  } while (n > 0);
  CHECK_EQ(at, SPILLED);
  weir_spill_reader_free(reader);
  const uint8_t *mapped = NULL;
  if (encrypt) {
    FAILS(weir_spill_map(spill, &mapped, &n, &err), UNSUPPORTED);
  } else if (OK(weir_spill_map(spill, &mapped, &n, &err)) && CHECK_EQ(n, SPILLED)) {
    CHECK(is_filled(mapped, n, 0));
  }
  weir_spill_free(spill);
}

static void spill_batches_come_back(WeirSpillStore *store, int32_t compression) {
  WeirSpill *spill = spill_batches(store, 7, compression); /* and an empty one and a slice */
  struct ArrowArrayStream stream;
  struct ArrowArray batch;
  CHECK_EQ(weir_spill_batch_count(spill), 9);
  CHECK_EQ(weir_spill_rows(spill), 73);
  for (int64_t i = 6; i >= 0; i -= 3) {
    if (!OK(weir_spill_batch(spill, (size_t)i, NULL, -1, &batch, &err))) continue;
    CHECK(batch_is(&batch, 10, i * 10));
    batch.release(&batch);
  }
  FAILS(weir_spill_batch(spill, 9, NULL, -1, &batch, &err), INVALID_ARGUMENT);
  OK(weir_spill_stream(spill, NULL, &stream, &err));
  weir_spill_free(spill); /* the stream reads on */
  for (int i = 0; i < 9; i++) {
    CHECK_EQ(stream.get_next(&stream, &batch), 0);
    if (!CHECK(batch.release != NULL)) break;
    CHECK(i < 7 ? batch_is(&batch, 10, i * 10) : i == 7 ? batch.length == 0 : batch_is(&batch, 3, 500));
    batch.release(&batch);
  }
  CHECK_EQ(stream.get_next(&stream, &batch), 0);
  CHECK(batch.release == NULL);
  stream.release(&stream);
}

static void spill_roundtrip(void) {
  char *directory = new_root();
  WeirSpillStore *stores[] = {store_at(NULL, UINT64_MAX), store_at(directory, UINT64_MAX)};
  for (int i = 0; i < 2; i++) {
    spill_bytes_come_back(stores[i], false);
    spill_bytes_come_back(stores[i], true);
    for (int32_t compression = WEIR_COMPRESSION_NONE; compression <= WEIR_COMPRESSION_ZSTD; compression++) {
      spill_batches_come_back(stores[i], compression);
    }
    CHECK_EQ(weir_spill_store_used_bytes(stores[i]), 0);
    weir_spill_store_free(stores[i]);
  }
  free(directory);
}

/* The write is refused by a cap, and the error says by which. */
static void refused_by(WeirSpillWriter *writer, size_t len, uint64_t cap, uint64_t used) {
  uint8_t *bytes = calloc(1, len);
  WeirError *error = NULL;
  if (bytes == NULL) abort();
  if (CHECK_EQ(weir_spill_writer_write(writer, bytes, len, -1, &error), WEIR_STATUS_DISK_CAP_EXCEEDED)) {
    CHECK_EQ(detail(error, "cap_bytes"), cap);
    CHECK_EQ(detail(error, "used_bytes"), used);
    CHECK_EQ(detail(error, "requested_bytes"), len);
    CHECK_EQ(weir_error_action(error), WEIR_ACTION_FIX);
  }
  weir_error_free(error);
  free(bytes);
}

static void spill_cap(void) { /* PITFALLS S1, S3 */
  char *directory = new_root();
  WeirSpillStore *stores[] = {store_at(NULL, 100000), store_at(directory, 100000)};
  for (int i = 0; i < 2; i++) {
    WeirSpillStore *child = NULL;
    OK(weir_spill_store_child(stores[i], 50000, &child, &err));
    WeirSpillWriter *writer = begin(child), *other = begin(stores[i]);
    uint8_t more[10000];
    write_bytes(writer, 40000, 40000);
    refused_by(writer, 10001, 50000, 40000);
    CHECK_EQ(weir_spill_writer_len(writer), 40000);
    fill(more, sizeof more, 40000);
    OK(weir_spill_writer_write(writer, more, sizeof more, -1, &err)); /* to the last byte */
    refused_by(other, 50001, 100000, 50000);                          /* by the cap of the store above */
    WeirSpill *spill = finish(writer);
    reads_back(spill, 50000, 0);
    CHECK_EQ(weir_spill_store_used_bytes(child), 50000);
    CHECK_EQ(weir_spill_store_used_bytes(stores[i]), 50000);
    weir_spill_free(spill);
    CHECK_EQ(weir_spill_store_used_bytes(child), 0);
    CHECK_EQ(weir_spill_store_used_bytes(stores[i]), 0);
    write_bytes(other, 100000, 50000);
    weir_spill_writer_free(other);
    weir_spill_store_free(child);
    weir_spill_store_free(stores[i]);
  }
  free(directory);
}

static void nothing_left(const WeirSpillStore *store, const char *directory) {
  WeirSpillStats stats = WEIR_SPILL_STATS_INIT;
  CHECK_EQ(weir_spill_store_used_bytes(store), 0);
  CHECK_EQ(files_below(directory), 0);
  OK(weir_spill_store_stats(store, &stats, &err));
  CHECK_EQ(stats.live_bytes, 0);
  CHECK_EQ(stats.open_spills, 0);
  CHECK_EQ(stats.open_writers, 0);
}

static void spill_reclaim(void) { /* PITFALLS S1, S8 */
  char *directory = new_root();
  WeirSpillStore *store = store_at(directory, UINT64_MAX);
  CHECK(access(directory, F_OK) != 0); /* PITFALLS S9 */
  WeirSpillWriter *abandoned = begin(store);
  write_bytes(abandoned, 300000, 100000); /* more than a buffer: there is a file */
  CHECK_EQ(weir_spill_store_used_bytes(store), 300000);
  CHECK_EQ(files_below(directory), 1);
  weir_spill_writer_free(abandoned);
  nothing_left(store, directory);

  WeirSpillWriter *aborted = begin(store);
  WeirSpill *spill = NULL;
  write_bytes(aborted, 300000, 100000);
  OK(weir_spill_writer_abort(aborted, &err));
  nothing_left(store, directory);
  FAILS(weir_spill_writer_write(aborted, (const uint8_t *)"x", 1, -1, &err), CLOSED);
  FAILS(weir_spill_writer_finish(aborted, -1, &spill, &err), CLOSED);
  weir_spill_writer_free(aborted);

  /* A reader and a mapped batch outlive their spills, and hold their bytes. */
  spill = spill_of(store, 300000);
  WeirSpill *batches = spill_batches(store, 5, WEIR_COMPRESSION_NONE);
  WeirSpillReader *reader = NULL;
  WeirSpillReadOptions options = mapping(1);
  struct ArrowArray mapped = {0};
  uint64_t bytes = weir_spill_stored_bytes(batches);
  OK(weir_spill_reader(spill, &reader, &err));
  OK(weir_spill_batch(batches, 2, &options, -1, &mapped, &err));
  weir_spill_free(spill);
  weir_spill_free(batches);
  CHECK_EQ(weir_spill_store_used_bytes(store), 300000 + bytes);
  weir_spill_reader_free(reader);
  CHECK_EQ(weir_spill_store_used_bytes(store), bytes);
  if (CHECK(mapped.release != NULL)) {
    CHECK(batch_is(&mapped, 10, 20));
    mapped.release(&mapped);
  }
  nothing_left(store, directory);
  weir_spill_store_free(store);
  CHECK_EQ(rmdir(directory), 0); /* nothing is left in it */
  free(directory);
}

static void spill_close(void) { /* PITFALLS S6 */
  char *directory = new_root(), url[256];
  WeirSpillStoreOptions options = WEIR_SPILL_STORE_OPTIONS_INIT;
  WeirSpillStore *store = NULL, *child = NULL;
  WeirSpillWriter *none = NULL;
  CHECK_EQ(mkdir(directory, 0700), 0);
  snprintf(url, sizeof url, "file://%s", directory);
  options.backend = WEIR_SPILL_BACKEND_OBJECT;
  options.location = url;
  OK(weir_spill_store_new(session, &options, &store, &err));
  OK(weir_spill_store_child(store, UINT64_MAX, &child, &err));
  WeirSpill *freed = spill_of(child, SPILLED), *alive = spill_of(store, SPILLED);
  WeirSpillWriter *abandoned = begin(store);
  write_bytes(abandoned, 9 << 20, 1 << 20); /* more than an object holds */
  weir_spill_writer_free(abandoned);
  weir_spill_free(freed);
  OK(weir_spill_store_close(store, -1, &err));
  CHECK_EQ(files_below(directory), 2); /* the living one's, and a sign of life */
  CHECK_EQ(weir_spill_store_used_bytes(store), SPILLED);
  reads_back(alive, SPILLED, 0);
  FAILS(weir_spill_begin(store, NULL, &none, &err), CLOSED);
  FAILS(weir_spill_begin(child, NULL, &none, &err), CLOSED);
  weir_spill_free(alive);
  OK(weir_spill_store_close(store, -1, &err));
  nothing_left(store, directory);
  weir_spill_store_free(child);
  weir_spill_store_free(store);
  CHECK_EQ(rmdir(directory), 0);
  free(directory);
}

#endif
