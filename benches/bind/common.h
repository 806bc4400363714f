/* What the benchmarks of the bindings share in C and C++: the batch, clocks, medians, threads. The batch is made by hand, as the figures are
 * of weir's calls and not of an Arrow library. */
#ifndef WEIR_BENCH_COMMON_H
#define WEIR_BENCH_COMMON_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "weir.h"

enum { CHUNK = 100, PUTS = 20000, CALLERS = 16, TAIL_ROWS = 1000000, TAIL_BATCH = 10000, TAIL_WARM_UP = 300, TAIL_ROUNDS = 101, PAGE = 4096 };

#define SHARD "00000000-0000-4000-8000-00000000be9c"

/* ---- Clocks, figures ---- */

static inline double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nanoseconds of each put of a chunk that began then. */
static inline double per_put(double began) { return (now_ns() - began) / (double)CHUNK; }

static inline int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static inline double median(double *values, size_t n) {
  qsort(values, n, sizeof *values, by_value);
  return values[n / 2];
}

static inline void check(WeirStatus status, const char *what, WeirError *error) {
  if (status == WEIR_STATUS_OK) return;
  fprintf(stderr, "%s: %s\n", what, weir_error_message(error));
  exit(1);
}

/* Threads of this process. */
static inline int threads_now(void) {
  DIR *tasks = opendir("/proc/self/task");
  int n = -2; /* . and .. */
  if (tasks == NULL) return 0;
  while (readdir(tasks) != NULL) n++;
  closedir(tasks);
  return n;
}

static inline int wants(int argc, char **argv, const char *part) {
  int i;
  for (i = 2; i < argc; i++)
    if (strcmp(argv[i], part) == 0) return 1;
  return argc <= 2;
}

/* ---- The batch: id int64, ts int64, v float64, name utf8 ---- */

enum { COLUMNS = 4 };

/* The values, which all batches of a size share. */
typedef struct {
  int64_t rows;
  int64_t *ids, *times;
  double *values;
  int32_t *offsets;
  char *names;
} Values;

/* One exported batch: a single block, which its release frees. */
typedef struct {
  struct ArrowArray columns[COLUMNS];
  struct ArrowArray *children[COLUMNS];
  const void *buffers[COLUMNS][3];
  const void *none[1];
} Export;

static inline void *bytes_of(size_t size) {
  void *bytes = calloc(1, size);
  if (bytes == NULL) abort();
  return bytes;
}

static inline Values values_of(int64_t rows) {
  Values v;
  int64_t i;
  size_t n = (size_t)rows;
  v.rows = rows;
  v.ids = (int64_t *)bytes_of(n * 8);
  v.times = (int64_t *)bytes_of(n * 8);
  v.values = (double *)bytes_of(n * 8);
  v.offsets = (int32_t *)bytes_of((n + 1) * 4);
  v.names = (char *)bytes_of(n * 11 + 1);
  for (i = 0; i < rows; i++) {
    v.ids[i] = i;
    v.times[i] = i * 1000;
    v.values[i] = (double)i / 3;
    v.offsets[i + 1] = v.offsets[i] + snprintf(v.names + v.offsets[i], 12, "name-%06d", (int)i % 1000000);
  }
  return v;
}

static inline void values_free(Values *v) {
  free(v->ids);
  free(v->times);
  free(v->values);
  free(v->offsets);
  free(v->names);
}

static inline void release_column(struct ArrowArray *column) { column->release = NULL; }

static inline void release_export(struct ArrowArray *batch) {
  int i;
  for (i = 0; i < COLUMNS; i++)
    if (batch->children[i]->release != NULL) batch->children[i]->release(batch->children[i]);
  free(batch->private_data);
  batch->release = NULL;
}

static inline struct ArrowArray export_of(const Values *v) {
  struct ArrowArray batch;
  Export *own = (Export *)bytes_of(sizeof *own);
  const void *data[COLUMNS];
  int i;
  memset(&batch, 0, sizeof batch);
  data[0] = v->ids, data[1] = v->times, data[2] = v->values, data[3] = v->offsets;
  for (i = 0; i < COLUMNS; i++) {
    own->buffers[i][1] = data[i];
    own->columns[i].length = v->rows;
    own->columns[i].n_buffers = i == 3 ? 3 : 2;
    own->columns[i].buffers = own->buffers[i];
    own->columns[i].release = release_column;
    own->children[i] = &own->columns[i];
  }
  own->buffers[3][2] = v->names;
  batch.length = v->rows;
  batch.n_buffers = 1;
  batch.buffers = own->none;
  batch.n_children = COLUMNS;
  batch.children = own->children;
  batch.release = release_export;
  batch.private_data = own;
  return batch;
}

static inline void release_type(struct ArrowSchema *schema) { schema->release = NULL; }

/* The schema, made of constants: filled into storage of the caller's. */
typedef struct {
  struct ArrowSchema top, columns[COLUMNS];
  struct ArrowSchema *children[COLUMNS];
} Type;

static inline struct ArrowSchema *type_of(Type *type) {
  static const char *const formats[COLUMNS] = {"l", "l", "g", "u"}, *const names[COLUMNS] = {"id", "ts", "v", "name"};
  int i;
  memset(type, 0, sizeof *type);
  for (i = 0; i < COLUMNS; i++) {
    type->columns[i].format = formats[i];
    type->columns[i].name = names[i];
    type->columns[i].release = release_type;
    type->children[i] = &type->columns[i];
  }
  type->top.format = "+s";
  type->top.name = "";
  type->top.n_children = COLUMNS;
  type->top.children = type->children;
  type->top.release = release_type;
  return &type->top;
}

/* Reads a byte of each page of all buffers. */
static inline uint64_t touch(const struct ArrowArray *batch) {
  uint64_t sum = 0;
  int64_t c, at, n = batch->length;
  for (c = 0; c < batch->n_children; c++) {
    const struct ArrowArray *column = batch->children[c];
    const uint8_t *data = (const uint8_t *)column->buffers[1];
    const int text = column->n_buffers == 3;
    const int64_t size = text ? (n + 1) * 4 : n * 8;
    for (at = 0; at < size; at += PAGE) sum += data[at];
    if (text) {
      const int32_t *offsets = (const int32_t *)column->buffers[1] + batch->offset + column->offset;
      const uint8_t *chars = (const uint8_t *)column->buffers[2];
      for (at = offsets[0]; at < offsets[n]; at += PAGE) sum += chars[at];
    }
  }
  return sum;
}

/* ---- The log that is tailed ---- */

static inline void write_log(const char *root) {
  WeirSession *session = NULL;
  WeirAppender *appender = NULL;
  WeirError *error = NULL;
  WeirAppenderOptions options = WEIR_APPENDER_OPTIONS_INIT;
  Values values = values_of(TAIL_BATCH);
  Type type;
  int i;
  options.fsync = 0;
  check(weir_session_new(NULL, &session, &error), "session", error);
  check(weir_appender_open(session, root, SHARD, type_of(&type), &options, &appender, &error), "appender", error);
  for (i = 0; i < TAIL_ROWS / TAIL_BATCH; i++) {
    struct ArrowArray batch = export_of(&values);
    check(weir_appender_append(appender, &batch, -1, NULL, &error), "append", error);
  }
  check(weir_appender_close(appender, -1, &error), "close", error);
  weir_appender_free(appender);
  weir_session_free(session);
  values_free(&values);
}

#endif
