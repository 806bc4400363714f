/* What the conformance tests need beside the harness: completions that are counted, waits in threads of their own, checks of entries. */
#ifndef WEIR_TEST_CONFORMANCE_H
#define WEIR_TEST_CONFORMANCE_H

#include "spill_build.h"

static WeirWriterOptions buffered_options(void) {
  WeirWriterOptions options = quick_options();
  options.durable = 0;
  options.linger_us = 3600 * INT64_C(1000000); /* durable when told to only */
  return options;
}

static WeirAppender *appender_new(const char *root) {
  WeirAppenderOptions options = WEIR_APPENDER_OPTIONS_INIT;
  WeirAppender *appender = NULL;
  struct ArrowSchema schema = batch_schema();
  options.fsync = 0;
  OK(weir_appender_open(session, root, SHARD, &schema, &options, &appender, &err));
  schema.release(&schema);
  return appender;
}

/* The next entry's batch has these rows; returns the entry's position, 0 if there is none. */
static uint64_t next_is(WeirTailer *tailer, int64_t rows, int64_t first) {
  WeirEntry *entry = NULL;
  struct ArrowArray batch = {0};
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  uint64_t position = weir_entry_position(entry);
  if (entry != NULL && OK(weir_entry_batch(entry, 0, &batch, &err))) {
    CHECK(batch_is(&batch, rows, first));
    if (batch.release != NULL) batch.release(&batch);
  }
  weir_entry_free(entry);
  return position;
}

static WeirStatus put_one(WeirWriter *writer, int64_t rows, int64_t first) {
  struct ArrowArray batch = batch_new(rows, first);
  WeirStatus status = weir_writer_put(writer, &batch, -1, NULL, NULL);
  CHECK(batch.release == NULL);
  return status;
}

/* A batch whose columns are the other way round: a text where numbers must be. */
static struct ArrowArray wrong_batch(void) {
  struct ArrowArray batch = batch_new(10, 0), *first = batch.children[0];
  batch.children[0] = batch.children[1];
  batch.children[1] = first;
  return batch;
}

static bool is_about_data(WeirStatus status) { return status == WEIR_STATUS_SCHEMA_MISMATCH || status == WEIR_STATUS_INVALID_DATA; }

/* Counts completions, by outcome. */
typedef struct {
  atomic_int total, ok, closed, other;
  atomic_uint_least64_t sequences[1000]; /* of each token's put */
} Done;

static void on_done(void *ctx, const WeirEvent *event) {
  Done *done = ctx;
  if (event->status == WEIR_STATUS_OK) atomic_fetch_add(&done->ok, 1);
  else if (event->status == WEIR_STATUS_CLOSED) atomic_fetch_add(&done->closed, 1);
  else atomic_fetch_add(&done->other, 1);
  if (event->token < 1000) atomic_fetch_add(&done->sequences[event->token], event->ack.sequence); /* twice shows as a wrong one */
  weir_error_free(event->error);
  atomic_fetch_add(&done->total, 1);
}

static WeirCompletion to(Done *done, uint64_t token) { return (WeirCompletion){on_done, done, token}; }

/* A waiting weir_tailer_next() in a thread of its own. */
typedef struct {
  WeirTailer *tailer;
  pthread_t thread;
  bool to_the_end; /* reads on until it is told to stop */
  WeirStatus status;
  uint64_t position, rows; /* of the last entry */
} Waiting;

static void *wait_in_thread(void *arg) {
  Waiting *waiting = arg;
  WeirEntry *entry = NULL;
  do {
    weir_entry_free(entry);
    waiting->status = weir_tailer_next(waiting->tailer, -1, &entry, NULL);
    waiting->position = weir_entry_position(entry);
    waiting->rows = weir_entry_rows(entry);
  } while (waiting->to_the_end && waiting->status == WEIR_STATUS_OK);
  weir_entry_free(entry);
  return NULL;
}

static void wait_start(Waiting *waiting, WeirTailer *tailer, bool to_the_end) {
  *waiting = (Waiting){.tailer = tailer, .to_the_end = to_the_end};
  pthread_create(&waiting->thread, NULL, wait_in_thread, waiting);
}

#endif
