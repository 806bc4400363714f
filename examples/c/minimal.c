/* Puts an Arrow file's batches durably and reads them back.
 * cc minimal.c -lweir && ./a.out flights.arrow /var/lib/events */
#include <stdio.h>

#include "weir.h"

int main(int argc, char **argv) {
  const char *file = argc > 1 ? argv[1] : "examples/data/flights.arrow", *root = argc > 2 ? argv[2] : "memory://minimal";
  const char *shard = "6f1e8f0a-54c2-4c1e-9d55-0b1e7c2a9a10";
  WeirSession *session = NULL;
  WeirWriter *writer = NULL;
  WeirTailer *tailer = NULL;
  WeirEntry *entry = NULL;
  WeirError *error = NULL;
  struct ArrowArrayStream source = {0};
  struct ArrowSchema schema = {0};
  struct ArrowArray batch;
  WeirAck ack;
  int failed;

  if ((failed = weir_session_new(NULL, &session, &error)) || (failed = weir_ipc_open_file(file, &source, &error))) goto done;
  if ((failed = source.get_schema(&source, &schema))) goto done;
  if ((failed = weir_writer_open(session, root, shard, &schema, NULL, &writer, &error))) goto done; /* fences any older writer */
  while ((failed = source.get_next(&source, &batch)) == 0 && batch.release != NULL) {
    if ((failed = weir_writer_put(writer, &batch, -1, &ack, &error))) goto done; /* durable on return; consumes the batch, always */
    printf("put   position %llu, epoch %llu\n", (unsigned long long)ack.position, (unsigned long long)ack.epoch);
  }
  if (failed || (failed = weir_tailer_open(session, root, shard, NULL, &tailer, &error))) goto done; /* from the oldest entry on */
  while ((failed = weir_tailer_next(tailer, -1, &entry, &error)) == 0 && entry != NULL) {
    printf("tail  position %llu, %llu rows\n", (unsigned long long)weir_entry_position(entry), (unsigned long long)weir_entry_rows(entry));
    weir_entry_free(entry); /* its batches: weir_entry_batch(entry, i, &array, &error) */
  }
done: /* the message says what, where, and what to do about it */
  if (failed) fprintf(stderr, "%s\n", error ? weir_error_message(error) : source.get_last_error(&source));
  weir_error_free(error), weir_tailer_free(tailer), weir_writer_free(writer), weir_session_free(session);
  if (schema.release) schema.release(&schema);
  if (source.release) source.release(&source);
  return failed != 0;
}
