/* Checksums of Arrow columns, computed straight from the C data interface: what an example or a test needs to say that
 * two streams hold the same rows, however they are cut into batches. C and C++. Not part of weir.
 *
 * FNV-1a/64 over each row's validity and, where valid, its value; texts are preceded by their length. */
#ifndef WEIR_EXAMPLE_CHECKSUM_H
#define WEIR_EXAMPLE_CHECKSUM_H

#include <stdint.h>
#include <string.h>

#include "weir.h"

typedef struct {
  uint64_t hash;
  int64_t rows;
  int64_t nulls;
} ColumnSum;

#define COLUMN_SUM_INIT {UINT64_C(0xcbf29ce484222325), 0, 0}

/* How a column's values lie in memory. */
typedef enum { LAYOUT_UNKNOWN, LAYOUT_BITS, LAYOUT_FIXED, LAYOUT_VAR32, LAYOUT_VAR64 } ColumnLayout;

static inline ColumnLayout column_layout(const char *format, size_t *width) {
  static const struct {
    const char *prefix;
    size_t width;
  } fixed[] = {{"c", 1},   {"C", 1},   {"s", 2},   {"S", 2},   {"i", 4},   {"I", 4},  {"l", 8},  {"L", 8},  {"e", 2},
               {"f", 4},   {"g", 8},   {"tdD", 4}, {"tdm", 8}, {"tts", 4}, {"ttm", 4}, {"ttu", 8}, {"ttn", 8}, {"tDs", 8},
               {"tDm", 8}, {"tDu", 8}, {"tDn", 8}, {"tss:", 8}, {"tsm:", 8}, {"tsu:", 8}, {"tsn:", 8}};
  *width = 0;
  if (strcmp(format, "b") == 0) return LAYOUT_BITS;
  if (strcmp(format, "u") == 0 || strcmp(format, "z") == 0) return LAYOUT_VAR32;
  if (strcmp(format, "U") == 0 || strcmp(format, "Z") == 0) return LAYOUT_VAR64;
  for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
    size_t n = strlen(fixed[i].prefix);
    /* Time stamps carry their zone after the colon; every other format is complete as it is. */
    if (strncmp(format, fixed[i].prefix, n) == 0 && (format[n] == '\0' || fixed[i].prefix[n - 1] == ':')) {
      *width = fixed[i].width;
      return LAYOUT_FIXED;
    }
  }
  return LAYOUT_UNKNOWN;
}

static inline void column_hash(ColumnSum *sum, const void *bytes, size_t len) {
  const unsigned char *p = (const unsigned char *)bytes;
  for (size_t i = 0; i < len; i++) sum->hash = (sum->hash ^ p[i]) * UINT64_C(0x100000001b3);
}

static inline int column_bit(const void *bits, int64_t i) { return (((const uint8_t *)bits)[i / 8] >> (i % 8)) & 1; }

static inline void column_hash_value(ColumnSum *sum, ColumnLayout layout, size_t width, const struct ArrowArray *column, int64_t row) {
  int64_t start = 0, len = 0;
  switch (layout) {
    case LAYOUT_BITS: {
      uint8_t bit = (uint8_t)column_bit(column->buffers[1], row);
      column_hash(sum, &bit, 1);
      return;
    }
    case LAYOUT_FIXED:
      column_hash(sum, (const uint8_t *)column->buffers[1] + (size_t)row * width, width);
      return;
    case LAYOUT_VAR32: {
      const int32_t *offsets = (const int32_t *)column->buffers[1];
      start = offsets[row];
      len = offsets[row + 1] - start;
      break;
    }
    case LAYOUT_VAR64: {
      const int64_t *offsets = (const int64_t *)column->buffers[1];
      start = offsets[row];
      len = offsets[row + 1] - start;
      break;
    }
    case LAYOUT_UNKNOWN:
      return;
  }
  column_hash(sum, &len, sizeof len);
  if (len > 0) column_hash(sum, (const uint8_t *)column->buffers[2] + start, (size_t)len);
}

/* Adds the batch's rows to the sums, one per column. Returns 0, or the number (from 1) of a column of a type that is not
 * known here. Respects the offsets of the batch and of its columns, so slices have the sums of their rows. */
static inline int64_t batch_sums(ColumnSum *sums, const struct ArrowSchema *schema, const struct ArrowArray *batch) {
  for (int64_t c = 0; c < schema->n_children; c++) {
    const struct ArrowArray *column = batch->children[c];
    const void *validity = column->buffers[0];
    size_t width;
    ColumnLayout layout = column_layout(schema->children[c]->format, &width);
    if (layout == LAYOUT_UNKNOWN) return c + 1;
    for (int64_t i = 0; i < batch->length; i++) {
      int64_t row = batch->offset + column->offset + i;
      uint8_t valid = validity == NULL || column_bit(validity, row);
      column_hash(&sums[c], &valid, 1);
      if (valid) column_hash_value(&sums[c], layout, width, column, row);
      sums[c].nulls += !valid;
    }
    sums[c].rows += batch->length;
  }
  return 0;
}

static inline int sums_equal(const ColumnSum *a, const ColumnSum *b, int64_t n) {
  for (int64_t c = 0; c < n; c++)
    if (a[c].hash != b[c].hash || a[c].rows != b[c].rows || a[c].nulls != b[c].nulls) return 0;
  return 1;
}

/* Whether two schemas name the same columns of the same types. */
static inline int same_columns(const struct ArrowSchema *a, const struct ArrowSchema *b) {
  if (a->n_children != b->n_children) return 0;
  for (int64_t c = 0; c < a->n_children; c++)
    if (strcmp(a->children[c]->name, b->children[c]->name) != 0 || strcmp(a->children[c]->format, b->children[c]->format) != 0) return 0;
  return 1;
}

#endif
