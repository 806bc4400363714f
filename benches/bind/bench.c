/* Figures of the C ABI as C programs use it: what the bindings are held against.
 *
 *   bench DIR [put|durable|tail …]      prints a line `name value` for each figure */
#define _XOPEN_SOURCE 700
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common.h"

static WeirSession *new_session(void) {
  WeirSession *session = NULL;
  WeirError *error = NULL;
  check(weir_session_new(NULL, &session, &error), "session", error);
  return session;
}

/* ---- A put of a prepared batch that is only admitted ---- */

static void put(void) {
  WeirSession *session = new_session();
  WeirWriter *writer = NULL;
  WeirError *error = NULL;
  WeirWriterOptions options = WEIR_WRITER_OPTIONS_INIT;
  Values values = values_of(20);
  Type type;
  static struct ArrowArray ready[CHUNK];
  static double times[PUTS / CHUNK];
  options.durable = 0;
  options.enable_memtable = 0; /* what is measured is the way to the log */
  options.max_pending_bytes = UINT64_C(1) << 30;
  check(weir_writer_open(session, "memory://bench", SHARD, type_of(&type), &options, &writer, &error), "writer", error);
  for (int round = 0; round < PUTS / CHUNK; round++) {
    for (int i = 0; i < CHUNK; i++) ready[i] = export_of(&values);
    double began = now_ns();
    for (int i = 0; i < CHUNK; i++) {
      WeirAck ack;
      WeirStatus status = weir_writer_put(writer, &ready[i], -1, &ack, &error);
      if (status != WEIR_STATUS_OK) check(status, "put", error);
    }
    times[round] = per_put(began);
    check(weir_writer_flush(writer, -1, &error), "flush", error);
  }
  printf("put_ns %.1f\n", median(times, PUTS / CHUNK));
  check(weir_writer_close(writer, -1, &error), "close", error);
  weir_writer_free(writer);
  weir_session_free(session);
  values_free(&values);
}

/* ---- Durable puts of many callers ---- */

static atomic_bool stop;
static atomic_uint_least64_t puts_done;

typedef struct {
  WeirWriter *writer;
  const Values *values;
} Caller;

static void *call_until_stopped(void *arg) {
  const Caller *caller = arg;
  while (!atomic_load(&stop)) {
    WeirError *error = NULL;
    struct ArrowArray batch = export_of(caller->values);
    check(weir_writer_put(caller->writer, &batch, -1, NULL, &error), "put", error);
    atomic_fetch_add(&puts_done, 1);
  }
  return NULL;
}

static void pause_ms(long ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&t, NULL);
}

static void durable(const char *dir, int idle) {
  char root[4096];
  pthread_t threads[CALLERS];
  Values values = values_of(20);
  Type type;
  WeirWriter *writer = NULL;
  WeirError *error = NULL;
  WeirWriterOptions options = WEIR_WRITER_OPTIONS_INIT;
  int most = 0;
  options.enable_memtable = 0;
  snprintf(root, sizeof root, "%s/durable", dir);
  WeirSession *session = new_session();
  check(weir_writer_open(session, root, SHARD, type_of(&type), &options, &writer, &error), "writer", error);
  Caller caller = {writer, &values};
  for (int i = 0; i < CALLERS; i++) pthread_create(&threads[i], NULL, call_until_stopped, &caller);
  pause_ms(1000);
  uint64_t before = atomic_load(&puts_done);
  double began = now_ns();
  while (now_ns() - began < 3e9) {
    pause_ms(50);
    int now = threads_now();
    if (now > most) most = now;
  }
  double rate = (double)(atomic_load(&puts_done) - before) / ((now_ns() - began) / 1e9);
  atomic_store(&stop, true);
  for (int i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
  check(weir_writer_close(writer, -1, &error), "close", error);
  weir_writer_free(writer);
  weir_session_free(session);
  values_free(&values);
  printf("durable_per_s %.0f\ndurable_threads %d\n", rate, most - idle);
}

/* ---- Tailing ---- */

static void tail(const char *dir) {
  char root[4096];
  double rates[TAIL_ROUNDS];
  uint64_t sum = 0;
  snprintf(root, sizeof root, "%s/tail", dir);
  write_log(root);
  WeirSession *session = new_session();
  for (int round = -TAIL_WARM_UP; round < TAIL_ROUNDS; round++) {
    WeirTailer *tailer = NULL;
    WeirEntry *entry = NULL;
    WeirError *error = NULL;
    uint64_t rows = 0;
    double began = now_ns();
    check(weir_tailer_open(session, root, SHARD, NULL, &tailer, &error), "tailer", error);
    for (;;) {
      check(weir_tailer_next(tailer, -1, &entry, &error), "next", error);
      if (entry == NULL) break;
      for (size_t i = 0; i < weir_entry_batch_count(entry); i++) {
        struct ArrowArray batch;
        check(weir_entry_batch(entry, i, &batch, &error), "batch", error);
        sum += touch(&batch);
        rows += (uint64_t)batch.length;
        batch.release(&batch);
      }
      weir_entry_free(entry);
    }
    if (round >= 0) rates[round] = (double)rows / ((now_ns() - began) / 1e9);
    weir_tailer_free(tailer);
    if (rows != TAIL_ROWS || sum == 0) {
      fprintf(stderr, "%llu rows came back\n", (unsigned long long)rows);
      exit(1);
    }
  }
  weir_session_free(session);
  printf("tail_rows_per_s %.0f\n", median(rates, TAIL_ROUNDS));
}

int main(int argc, char **argv) {
  int idle = threads_now();
  if (argc < 2) {
    fprintf(stderr, "usage: %s DIR [put|durable|tail …]\n", argv[0]);
    return 2;
  }
  if (wants(argc, argv, "durable")) durable(argv[1], idle); /* first: it counts threads */
  if (wants(argc, argv, "put")) put();
  if (wants(argc, argv, "tail")) tail(argv[1]);
  return 0;
}
