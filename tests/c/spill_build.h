/* What the tests of spills need: stores, writers and spills of bytes whose values tell where they are. */
#ifndef WEIR_TEST_SPILL_BUILD_H
#define WEIR_TEST_SPILL_BUILD_H

#include "arrow_build.h"

#include <dirent.h>

static WeirSession *session;

UNUSED static WeirSpillStore *store_at(const char *directory, uint64_t cap) {
  WeirSpillStoreOptions options = WEIR_SPILL_STORE_OPTIONS_INIT;
  WeirSpillStore *store = NULL;
  options.backend = directory != NULL ? WEIR_SPILL_BACKEND_LOCAL : WEIR_SPILL_BACKEND_MEMORY;
  options.location = directory;
  options.cap_bytes = cap;
  OK(weir_spill_store_new(session, &options, &store, &err));
  return store;
}

UNUSED static WeirSpillWriter *begin(WeirSpillStore *store) {
  WeirSpillWriter *writer = NULL;
  OK(weir_spill_begin(store, NULL, &writer, &err));
  return writer;
}

UNUSED static WeirSpillWriter *begin_batches(WeirSpillStore *store, int32_t compression) {
  WeirSpillWriter *writer = NULL;
  WeirSpillOptions options = WEIR_SPILL_OPTIONS_INIT;
  struct ArrowSchema schema = batch_schema();
  options.compression = compression;
  OK(weir_spill_begin_batches(store, &schema, &options, &writer, &err));
  CHECK(schema.release != NULL); /* borrowed */
  schema.release(&schema);
  return writer;
}

UNUSED static WeirSpill *finish(WeirSpillWriter *writer) {
  WeirSpill *spill = NULL;
  OK(weir_spill_writer_finish(writer, -1, &spill, &err));
  weir_spill_writer_free(writer);
  return spill;
}

/* The byte at `i` of what the tests write. */
UNUSED static uint8_t byte_at(uint64_t i) { return (uint8_t)(i * 7 + i / 251); }

UNUSED static void fill(uint8_t *bytes, size_t len, uint64_t from) {
  for (size_t i = 0; i < len; i++) bytes[i] = byte_at(from + i);
}

UNUSED static bool is_filled(const uint8_t *bytes, size_t len, uint64_t from) {
  for (size_t i = 0; i < len; i++) {
    if (bytes[i] != byte_at(from + i)) return CHECK_EQ(bytes[i], byte_at(from + i));
  }
  return true;
}

/* Writes `len` bytes in chunks of `chunk`. */
UNUSED static void write_bytes(WeirSpillWriter *writer, size_t len, size_t chunk) {
  uint8_t *bytes = malloc(chunk);
  if (bytes == NULL) abort();
  for (size_t at = 0; at < len; at += chunk) {
    size_t n = len - at < chunk ? len - at : chunk;
    fill(bytes, n, at);
    OK(weir_spill_writer_write(writer, bytes, n, -1, &err));
  }
  free(bytes);
}

UNUSED static WeirSpill *spill_of(WeirSpillStore *store, size_t len) {
  WeirSpillWriter *writer = begin(store);
  write_bytes(writer, len, 10007);
  return finish(writer);
}

UNUSED static int files_below(const char *path) {
  int files = 0;
  DIR *dir = opendir(path);
  if (dir == NULL) return 0;
  for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
    char below[512];
    struct stat st;
    if (entry->d_name[0] == '.') continue;
    snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
    if (stat(below, &st) != 0) continue;
    files += S_ISDIR(st.st_mode) ? files_below(below) : 1;
  }
  closedir(dir);
  return files;
}

UNUSED static uint64_t detail(const WeirError *error, const char *name) {
  uint64_t value = UINT64_MAX - 1;
  CHECK(weir_error_detail_u64(error, name, &value));
  return value;
}

UNUSED static WeirSpillReadOptions mapping(uint8_t verify) {
  WeirSpillReadOptions options = WEIR_SPILL_READ_OPTIONS_INIT;
  options.map = 1;
  options.verify = verify;
  return options;
}

/* Batches of 10 rows, ids from 0 on, with an empty one and a slice in the end. */
UNUSED static WeirSpill *spill_batches(WeirSpillStore *store, int n, int32_t compression) {
  WeirSpillWriter *writer = begin_batches(store, compression);
  for (int i = 0; i < n; i++) {
    struct ArrowArray batch = batch_new(10, i * 10);
    OK(weir_spill_writer_write_batch(writer, &batch, -1, &err));
    CHECK(batch.release == NULL);
  }
  struct ArrowArray empty = batch_new(0, 0), sliced = batch_new(1000, 0);
  OK(weir_spill_writer_write_batch(writer, &empty, -1, &err));
  sliced.offset = 500;
  sliced.length = 3;
  OK(weir_spill_writer_write_batch(writer, &sliced, -1, &err));
  CHECK_EQ(atomic_load(&arrays_live), 0); /* written, and let go */
  CHECK(weir_spill_writer_len(writer) < (uint64_t)(n + 1) * 1024); /* the slice without its parent */
  return finish(writer);
}

/* Waits for the next event. */
UNUSED static WeirEvent next_event(WeirQueue *queue) {
  WeirEvent event = {0};
  size_t n = 0;
  OK(weir_queue_next(queue, &event, 1, 30000, &n, &err));
  CHECK_EQ(n, 1);
  return event;
}

/* The call is accepted, and completes with this status; its result is the caller's. */
UNUSED static void *completes(WeirQueue *queue, WeirStatus accepted, WeirStatus expected, int32_t kind, const char *what, int line) {
  if (accepted != WEIR_STATUS_OK) {
    fail_at(__FILE__, line, "%s was refused: %s", what, weir_status_name(accepted));
    return NULL;
  }
  WeirEvent event = next_event(queue);
  if (event.status != expected || event.result_kind != kind)
    fail_at(__FILE__, line, "%s came to %s (%s), kind %d", what, weir_status_name(event.status), weir_error_message(event.error), event.result_kind);
  weir_error_free(event.error);
  return event.result;
}
#define COMPLETES(call, code, kind) completes(queue, (call), WEIR_STATUS_##code, WEIR_RESULT_##kind, #call, __LINE__)
#define TO(token) weir_queue_completion(queue, (token))

#endif
