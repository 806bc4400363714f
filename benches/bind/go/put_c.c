/* The put of the benchmark in C alone, in this process: what the binding's is held against. It is the same as the C program's, in turns with
 * Go's, so that both have the same surroundings. */
#include "put_c.h"

#if __has_include("../common.h")
#include "../common.h"

static WeirSession *session;
static WeirWriter *writer;
static Values values;

int put_c_open(void) {
  WeirError *error = NULL;
  WeirWriterOptions options = WEIR_WRITER_OPTIONS_INIT;
  Type type;
  options.durable = 0;
  options.enable_memtable = 0; /* what is measured is the way to the log */
  options.max_pending_bytes = UINT64_C(1) << 30;
  values = values_of(20);
  check(weir_session_new(NULL, &session, &error), "session", error);
  check(weir_writer_open(session, "memory://bench-c", SHARD, type_of(&type), &options, &writer, &error), "writer", error);
  return 1;
}

double put_c_chunk(void) {
  static struct ArrowArray ready[CHUNK];
  WeirError *error = NULL;
  for (int i = 0; i < CHUNK; i++) ready[i] = export_of(&values);
  double began = now_ns();
  for (int i = 0; i < CHUNK; i++) {
    WeirAck ack;
    WeirStatus status = weir_writer_put(writer, &ready[i], -1, &ack, &error);
    if (status != WEIR_STATUS_OK) check(status, "put", error);
  }
  double each = per_put(began);
  check(weir_writer_flush(writer, -1, &error), "flush", error);
  return each;
}

void put_c_close(void) {
  WeirError *error = NULL;
  check(weir_writer_close(writer, -1, &error), "close", error);
  weir_writer_free(writer);
  weir_session_free(session);
  values_free(&values);
}

#else /* without the C program's source, there is nothing to be held against here */

int put_c_open(void) { return 0; }
double put_c_chunk(void) { return 0; }
void put_c_close(void) {}

#endif
