/* Sorts more rows than fit into its memory: an external merge sort of Arrow batches through weir's spills.
 *
 *   external_sort [ROWS [MEMORY_KIB]]      default: 1,000,000 rows in 4,096 KiB
 *
 * Rows of a key and a text come in no order. As many as fit are sorted and spilled as a run of batches; then runs are merged, as many
 * at once as memory allows, until one is left. A run that was merged is freed, and its space on disk is there again at once. In the
 * end the result is read back: every row is there, once, in order. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir.h"

#define BATCH_ROWS 2048
#define TEXT_BYTES 24                  /* the longest text */
#define STREAM_BYTES ((size_t)512 << 10) /* what reading a spill as a stream takes: two reads of 256 KiB */
#define MAX_RUNS 4096

static void die(const char *what, const char *why) {
  fprintf(stderr, "external_sort: %s: %s\n", what, why);
  exit(1);
}

/* Ends the program with weir's own account of the failure. Takes the error's place, as the call that fills it is an argument too. */
static void check(WeirStatus status, const char *what, WeirError *const *error) {
  if (status != WEIR_STATUS_OK) die(what, weir_error_message(*error));
}

static void *allocate(size_t size) {
  void *memory = malloc(size);
  if (memory == NULL) die("malloc", "there is no memory");
  return memory;
}

/* ---- Rows, in no order --------------------------------------------------------------------------------------------- */

typedef struct {
  int64_t key;
  uint8_t len;
  char text[TEXT_BYTES];
} Row;

static uint64_t mixed(uint64_t x) { /* splitmix64 */
  x += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

static Row row_at(uint64_t i) {
  Row row;
  row.key = (int64_t)(mixed(i) % 1000000007);
  row.len = (uint8_t)snprintf(row.text, sizeof row.text, "row %" PRIu64, i);
  return row;
}

/* What rows come to, whatever their order. */
typedef struct {
  uint64_t rows, sum;
} Total;

static void add(Total *total, int64_t key, const char *text, size_t len) {
  uint64_t hash = mixed((uint64_t)key);
  for (size_t i = 0; i < len; i++) hash = mixed(hash ^ (uint8_t)text[i]);
  total->rows++;
  total->sum += hash;
}

static int compare(int64_t a, const char *text, size_t len, int64_t b, const char *other, size_t other_len) {
  if (a != b) return a < b ? -1 : 1;
  int order = memcmp(text, other, len < other_len ? len : other_len);
  return order != 0 ? order : (len > other_len) - (len < other_len);
}

static int by_key(const void *a, const void *b) {
  const Row *x = a, *y = b;
  return compare(x->key, x->text, x->len, y->key, y->text, y->len);
}

/* ---- Batches, into weir --------------------------------------------------------------------------------------------- */

/* A batch of two columns in one piece of memory, released with it. */
typedef struct {
  int64_t keys[BATCH_ROWS];
  int32_t offsets[BATCH_ROWS + 1];
  char text[BATCH_ROWS * TEXT_BYTES];
  struct ArrowArray columns[2], *children[2];
  const void *no_nulls[1], *key_buffers[2], *text_buffers[3];
} Batch;

static void release_column(struct ArrowArray *column) { column->release = NULL; } /* the batch has its memory */

static void release_batch(struct ArrowArray *array) {
  Batch *batch = array->private_data;
  for (int i = 0; i < 2; i++)
    if (array->children[i]->release != NULL) array->children[i]->release(array->children[i]);
  free(batch);
  array->release = NULL;
}

/* Collects rows and writes them, batch by batch. */
typedef struct {
  WeirSpillWriter *writer;
  Batch *batch;
  int64_t rows;
} Output;

static void keep_schema(struct ArrowSchema *schema) { schema->release = NULL; } /* it is borrowed for a call, and no memory of its own */

static void begin(Output *output, WeirSpillStore *store) {
  struct ArrowSchema columns[] = {{.format = "l", .name = "key"}, {.format = "u", .name = "text"}};
  struct ArrowSchema *children[] = {&columns[0], &columns[1]}, schema = {.format = "+s", .name = "", .n_children = 2, .children = children};
  WeirError *error = NULL;
  schema.release = columns[0].release = columns[1].release = keep_schema;
  *output = (Output){NULL, NULL, 0};
  check(weir_spill_begin_batches(store, &schema, NULL, &output->writer, &error), "beginning a run", &error);
}

static void flush(Output *output) {
  Batch *batch = output->batch;
  WeirError *error = NULL;
  if (batch == NULL) return;
  batch->key_buffers[0] = batch->text_buffers[0] = batch->no_nulls[0] = NULL;
  batch->key_buffers[1] = batch->keys;
  batch->text_buffers[1] = batch->offsets;
  batch->text_buffers[2] = batch->text;
  batch->columns[0] = (struct ArrowArray){.length = output->rows, .n_buffers = 2, .buffers = batch->key_buffers, .release = release_column};
  batch->columns[1] = (struct ArrowArray){.length = output->rows, .n_buffers = 3, .buffers = batch->text_buffers, .release = release_column};
  batch->children[0] = &batch->columns[0];
  batch->children[1] = &batch->columns[1];
  struct ArrowArray array = {.length = output->rows, .n_buffers = 1, .n_children = 2, .buffers = batch->no_nulls,
                             .children = batch->children, .release = release_batch, .private_data = batch};
  output->batch = NULL; /* weir consumes it, whatever comes of the call */
  output->rows = 0;
  check(weir_spill_writer_write_batch(output->writer, &array, -1, &error), "writing a batch", &error);
}

static void put(Output *output, int64_t key, const char *text, size_t len) {
  if (output->batch == NULL) {
    output->batch = allocate(sizeof *output->batch);
    output->batch->offsets[0] = 0;
  }
  Batch *batch = output->batch;
  int32_t at = batch->offsets[output->rows];
  batch->keys[output->rows] = key;
  memcpy(batch->text + at, text, len);
  batch->offsets[++output->rows] = at + (int32_t)len;
  if (output->rows == BATCH_ROWS) flush(output);
}

static WeirSpill *finish(Output *output) {
  WeirSpill *run = NULL;
  WeirError *error = NULL;
  flush(output);
  check(weir_spill_writer_finish(output->writer, -1, &run, &error), "finishing a run", &error);
  weir_spill_writer_free(output->writer);
  return run;
}

/* ---- Runs, out of weir ----------------------------------------------------------------------------------------------- */

/* Where a run is read. */
typedef struct {
  struct ArrowArrayStream stream;
  struct ArrowArray batch;
  int64_t row;
} Input;

static int64_t key_of(const Input *input) {
  const struct ArrowArray *column = input->batch.children[0];
  return ((const int64_t *)column->buffers[1])[input->batch.offset + column->offset + input->row];
}

static const char *text_of(const Input *input, size_t *len) {
  const struct ArrowArray *column = input->batch.children[1];
  const int32_t *offsets = (const int32_t *)column->buffers[1] + input->batch.offset + column->offset + input->row;
  *len = (size_t)(offsets[1] - offsets[0]);
  return (const char *)column->buffers[2] + offsets[0];
}

/* Makes the next row the current one; false at the end, when everything is released. */
static bool advance(Input *input) {
  input->row++;
  while (input->batch.release == NULL || input->row >= input->batch.length) {
    if (input->batch.release != NULL) input->batch.release(&input->batch);
    if (input->stream.get_next(&input->stream, &input->batch) != 0) die("reading a run", input->stream.get_last_error(&input->stream));
    if (input->batch.release == NULL) {
      input->stream.release(&input->stream);
      return false;
    }
    input->row = 0;
  }
  return true;
}

/* The stream keeps the run, which is deleted when it ends. */
static bool open_run(Input *input, WeirSpill *run) {
  WeirError *error = NULL;
  memset(input, 0, sizeof *input);
  check(weir_spill_stream(run, NULL, &input->stream, &error), "reading a run", &error);
  weir_spill_free(run);
  input->row = -1;
  return advance(input);
}

static bool before(const Input *a, const Input *b) {
  size_t len, other_len;
  const char *text = text_of(a, &len), *other = text_of(b, &other_len);
  return compare(key_of(a), text, len, key_of(b), other, other_len) < 0;
}

/* Lets the input at `i` sink in the heap to where it belongs. */
static void sink(Input **heap, size_t n, size_t i) {
  for (;;) {
    size_t least = i, left = 2 * i + 1, right = left + 1;
    if (left < n && before(heap[left], heap[least])) least = left;
    if (right < n && before(heap[right], heap[least])) least = right;
    if (least == i) return;
    Input *input = heap[i];
    heap[i] = heap[least];
    heap[least] = input;
    i = least;
  }
}

/* Merges runs, which are freed, into one. */
static WeirSpill *merge(WeirSpillStore *store, WeirSpill **runs, size_t n) {
  Input *inputs = allocate(n * sizeof *inputs), **heap = allocate(n * sizeof *heap);
  Output output;
  size_t live = 0;
  begin(&output, store);
  for (size_t i = 0; i < n; i++)
    if (open_run(&inputs[i], runs[i])) heap[live++] = &inputs[i];
  for (size_t i = live; i-- > 0;) sink(heap, live, i);
  while (live > 0) {
    size_t len;
    const char *text = text_of(heap[0], &len);
    put(&output, key_of(heap[0]), text, len);
    if (!advance(heap[0])) heap[0] = heap[--live];
    sink(heap, live, 0);
  }
  free(heap);
  free(inputs);
  return finish(&output);
}

/* ---- Sorting ----------------------------------------------------------------------------------------------------------- */

/* Sorts as many rows at once as fit into `memory` bytes; returns the number of runs. */
static size_t make_runs(WeirSpillStore *store, uint64_t rows, size_t memory, WeirSpill **runs, Total *total) {
  size_t room = (memory - sizeof(Batch)) / sizeof(Row), n = 0;
  Row *held = allocate(room * sizeof *held);
  for (uint64_t next = 0; next < rows; n++) {
    size_t count = 0;
    Output output;
    if (n == MAX_RUNS) die("sorting", "too many runs: give it more memory");
    for (; count < room && next < rows; count++, next++) {
      held[count] = row_at(next);
      add(total, held[count].key, held[count].text, held[count].len);
    }
    qsort(held, count, sizeof *held, by_key);
    begin(&output, store);
    for (size_t i = 0; i < count; i++) put(&output, held[i].key, held[i].text, held[i].len);
    runs[n] = finish(&output);
  }
  free(held);
  return n;
}

/* Reads the result: all rows, in order? */
static void verify(WeirSpill *sorted, Total expected) {
  Total total = {0, 0};
  Input input;
  Row last = {INT64_MIN, 0, ""};
  for (bool more = open_run(&input, sorted); more; more = advance(&input)) {
    size_t len;
    const char *text = text_of(&input, &len);
    int64_t key = key_of(&input);
    if (compare(last.key, last.text, last.len, key, text, len) > 0) die("verifying", "a row is out of order");
    add(&total, key, text, len);
    last.key = key;
    last.len = (uint8_t)len;
    memcpy(last.text, text, len);
  }
  if (total.rows != expected.rows || total.sum != expected.sum) die("verifying", "rows were lost, added or changed");
}

int main(int argc, char **argv) {
  uint64_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
  size_t memory = (argc > 2 ? (size_t)strtoull(argv[2], NULL, 10) : 4096) << 10;
  WeirSpill *runs[MAX_RUNS];
  WeirSpillStoreOptions options = WEIR_SPILL_STORE_OPTIONS_INIT;
  WeirSpillStore *store = NULL;
  WeirSpillStats stats = WEIR_SPILL_STATS_INIT;
  WeirError *error = NULL;
  Total total = {0, 0};

  if (memory < sizeof(Batch) + 2 * STREAM_BYTES) die("MEMORY_KIB", "two runs cannot be merged in so little");
  options.cap_bytes = rows * 128 + (1 << 20); /* whatever goes wrong, the disk is not filled */
  check(weir_spill_store_new(NULL, &options, &store, &error), "opening the spill store", &error);

  size_t n = make_runs(store, rows, memory, runs, &total), made = n, merges = 0;
  size_t width = (memory - sizeof(Batch)) / STREAM_BYTES; /* how many runs memory allows to be merged at once */
  for (; n > 1; merges++) {
    size_t take = n < width ? n : width;
    WeirSpill *merged = merge(store, runs, take);
    memmove(runs, runs + take, (n - take) * sizeof *runs);
    n -= take;
    runs[n++] = merged;
  }
  uint64_t size = n > 0 ? weir_spill_len(runs[0]) : 0;
  if (n > 0) verify(runs[0], total);

  check(weir_spill_store_stats(store, &stats, &error), "statistics", &error);
  printf("sorted %" PRIu64 " rows, %.1f MB, in %.1f MB of memory: %zu runs, %zu merges, %.1f MB spilled at once\n", total.rows,
         (double)size / 1e6, (double)memory / 1e6, made, merges, (double)stats.peak_bytes / 1e6);
  if (stats.live_bytes != 0) die("cleaning up", "spilled bytes are left");
  weir_spill_store_free(store);
  return 0;
}
