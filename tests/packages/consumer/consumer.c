/* A program as a user of an installed weir would write it: `write` puts ROWS rows durably and kills itself, `tail` counts what is there.
 * Plain enough for C and C++ alike. */
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir.h>

#define SHARD "0c8f7a52-7c58-4d0e-9a52-3e9f2a6b1c44"
#define ROWS 100

static int fail(WeirError *error) {
  fprintf(stderr, "%s\n", error ? weir_error_message(error) : "no error given");
  weir_error_free(error);
  return 1;
}

static void release_schema(struct ArrowSchema *schema) {
  int64_t i;
  for (i = 0; i < schema->n_children; i++) {
    if (schema->children[i]->release) schema->children[i]->release(schema->children[i]);
  }
  schema->release = NULL;
}

static void release_array(struct ArrowArray *array) {
  int64_t i;
  for (i = 0; i < array->n_children; i++) {
    if (array->children[i]->release) array->children[i]->release(array->children[i]);
  }
  array->release = NULL;
}

static int write_rows(WeirSession *session, const char *root) {
  static int64_t value;
  static const void *column_buffers[2] = {NULL, &value}, *row_buffers[1] = {NULL};
  struct ArrowSchema column, schema, *columns = &column;
  struct ArrowArray numbers, batch, *children = &numbers;
  WeirWriter *writer = NULL;
  WeirError *error = NULL;
  WeirAck ack;
  memset(&column, 0, sizeof column);
  memset(&schema, 0, sizeof schema);
  column.format = "l";
  column.name = "n";
  column.release = release_schema;
  schema.format = "+s";
  schema.n_children = 1;
  schema.children = &columns;
  schema.release = release_schema;
  if (weir_writer_open(session, root, SHARD, &schema, NULL, &writer, &error)) return fail(error);
  schema.release(&schema);
  for (value = 0; value < ROWS; value++) {
    memset(&numbers, 0, sizeof numbers);
    memset(&batch, 0, sizeof batch);
    numbers.length = batch.length = 1;
    numbers.n_buffers = 2;
    numbers.buffers = column_buffers;
    numbers.release = release_array;
    batch.n_buffers = 1;
    batch.buffers = row_buffers;
    batch.n_children = 1;
    batch.children = &children;
    batch.release = release_array;
    if (weir_writer_put(writer, &batch, -1, &ack, &error)) return fail(error);
  }
  raise(SIGKILL);
  return 1;
}

static int tail(WeirSession *session, const char *root) {
  WeirTailer *tailer = NULL;
  WeirEntry *entry = NULL;
  WeirError *error = NULL;
  unsigned long long rows = 0;
  if (weir_tailer_open(session, root, SHARD, NULL, &tailer, &error)) return fail(error);
  while (weir_tailer_next(tailer, -1, &entry, &error) == WEIR_STATUS_OK && entry) {
    rows += weir_entry_rows(entry);
    weir_entry_free(entry);
  }
  if (error) return fail(error);
  weir_tailer_free(tailer);
  printf("%llu rows by weir %s\n", rows, weir_version());
  return rows == ROWS ? 0 : 1;
}

int main(int argc, char **argv) {
  WeirSession *session = NULL;
  WeirError *error = NULL;
  int code;
  if (argc != 3) return 2;
  if (weir_session_new(NULL, &session, &error)) return fail(error);
  code = strcmp(argv[1], "write") == 0 ? write_rows(session, argv[2]) : tail(session, argv[2]);
  weir_session_free(session);
  return code;
}
