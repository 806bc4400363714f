/* What weir promises, shown on real data: a child process puts batches durably and is killed with SIGKILL half-way; the
 * parent opens the shard again, finds every acknowledged row (and at most the one batch that was under way), puts the rest, reads
 * everything back and compares checksums with the source. Then a second shard shows what a primary key gives: upserts, deletes, gets and
 * scans.
 *
 *   quickstart [FILE.arrow [DIRECTORY]]      the directory is a fresh one, removed at the end, unless one is given
 *
 * The parent spawns its child before it uses weir itself: after fork, weir refuses to work in the child. */
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "checksum.h"
#include "weir.h"

#define DEFAULT_FILE "examples/data/flights.arrow"
#define MAX_BATCHES 4096

extern char **environ;

/* ---- Small things ------------------------------------------------------------------------------------------------- */

static char scratch[4096]; /* the directory to remove at exit; empty: none */
static const char *bold = "", *dim = "", *good = "", *bad = "", *plain = "";

static void die(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fflush(stdout);
  fputs("quickstart: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(1);
}

/* Ends the program with weir's own account of the failure. Takes the error's place, as the call that fills it is an argument too. */
static void check(WeirStatus status, const char *what, WeirError *const *error) {
  if (status == WEIR_STATUS_OK) return;
  die("%s: %s (%s)", what, weir_error_message(*error), weir_status_name(status));
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* 1234567 → "1,234,567". Eight results live at once. */
static const char *commas(uint64_t n) {
  static char results[8][32];
  static unsigned next;
  char digits[24];
  char *out = results[next++ % 8];
  int len = snprintf(digits, sizeof digits, "%" PRIu64, n), j = 0;
  for (int i = 0; i < len; i++) {
    if (i > 0 && (len - i) % 3 == 0) out[j++] = ',';
    out[j++] = digits[i];
  }
  out[j] = '\0';
  return out;
}

static int by_value(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static void print_times(int64_t *ns, size_t n) {
  if (n == 0) return;
  qsort(ns, n, sizeof *ns, by_value);
  printf("   %sone durable put: median %.2f ms, slowest %.2f ms%s\n", dim, (double)ns[n / 2] / 1e6, (double)ns[n - 1] / 1e6, plain);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)st, (void)type, (void)ftw;
  return remove(path);
}

static void remove_scratch(void) {
  if (scratch[0] != '\0') nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A new random UUID (version 4): every run has a shard of its own. */
static void new_shard_id(char out[37]) {
  unsigned char b[16];
  FILE *random = fopen("/dev/urandom", "rb");
  if (random == NULL || fread(b, sizeof b, 1, random) != 1) die("/dev/urandom: %s", strerror(errno));
  fclose(random);
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  for (int i = 0, j = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out[j++] = '-';
    j += snprintf(out + j, 3, "%02x", b[i]);
  }
}

/* ---- The source: an Arrow file ------------------------------------------------------------------------------------ */

typedef struct {
  struct ArrowArrayStream stream;
  struct ArrowSchema schema;
} Source;

static Source source_open(const char *file) {
  Source s = {0};
  WeirError *error = NULL;
  check(weir_ipc_open_file(file, &s.stream, &error), "source", &error);
  if (s.stream.get_schema(&s.stream, &s.schema) != 0) die("%s: %s", file, s.stream.get_last_error(&s.stream));
  return s;
}

/* The next batch, to be released or handed on; false at the end. */
static bool source_next(Source *s, struct ArrowArray *batch) {
  if (s->stream.get_next(&s->stream, batch) != 0) die("cannot read the source: %s", s->stream.get_last_error(&s->stream));
  return batch->release != NULL;
}

static void source_close(Source *s) {
  s->schema.release(&s->schema);
  s->stream.release(&s->stream);
}

static ColumnSum *new_sums(int64_t columns) {
  static const ColumnSum init = COLUMN_SUM_INIT;
  ColumnSum *sums = malloc(sizeof *sums * (size_t)(columns + 1));
  if (sums == NULL) die("out of memory");
  for (int64_t c = 0; c < columns; c++) sums[c] = init;
  return sums;
}

static void add_batch(ColumnSum *sums, const struct ArrowSchema *schema, const struct ArrowArray *batch) {
  int64_t unknown = batch_sums(sums, schema, batch);
  if (unknown != 0)
    die("column \"%s\" has a type that this example has no checksum for: %s", schema->children[unknown - 1]->name,
        schema->children[unknown - 1]->format);
}

/* Sums over the source's first `batches` batches (fewer if it has fewer); says how many rows and batches these are. */
static ColumnSum *source_sums(const char *file, uint64_t batches, uint64_t *rows, uint64_t *read) {
  Source s = source_open(file);
  ColumnSum *sums = new_sums(s.schema.n_children);
  struct ArrowArray batch;
  *rows = 0;
  for (*read = 0; *read < batches && source_next(&s, &batch); ++*read) {
    add_batch(sums, &s.schema, &batch);
    *rows += (uint64_t)batch.length;
    batch.release(&batch);
  }
  source_close(&s);
  return sums;
}

/* ---- Writing ------------------------------------------------------------------------------------------------------ */

static WeirSession *new_session(void) {
  WeirSession *session = NULL;
  WeirError *error = NULL;
  check(weir_session_new(NULL, &session, &error), "session", &error);
  return session;
}

static WeirWriter *open_writer(WeirSession *session, const char *root, const char *shard, const struct ArrowSchema *schema) {
  WeirWriter *writer = NULL;
  WeirError *error = NULL;
  check(weir_writer_open(session, root, shard, schema, NULL, &writer, &error), "open", &error); /* durable by default */
  return writer;
}

static WeirAck put(WeirWriter *writer, struct ArrowArray *batch, int64_t *ns) {
  WeirAck ack;
  WeirError *error = NULL;
  int64_t start = now_ns();
  check(weir_writer_put(writer, batch, -1, &ack, &error), "put", &error); /* returns when the batch is on disk */
  *ns = now_ns() - start;
  return ack;
}

/* The child: puts the whole file and tells the parent of every acknowledgement, until it is killed. */
static int ingest(const char *file, const char *root, const char *shard) {
  uint64_t batches, rows, n = 0;
  free(source_sums(file, UINT64_MAX, &rows, &batches));
  WeirSession *session = new_session();
  Source source = source_open(file);
  WeirWriter *writer = open_writer(session, root, shard, &source.schema);
  struct ArrowArray batch;
  int64_t ns;
  printf("open %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", weir_writer_epoch(writer), batches, rows);
  fflush(stdout);
  while (source_next(&source, &batch)) {
    int64_t batch_rows = batch.length;
    WeirAck ack = put(writer, &batch, &ns);
    printf("ack %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 "\n", ++n, ack.position, batch_rows, ns);
    fflush(stdout);
  }
  for (;;) { /* the parent was slower than the disk: its kill is on the way. Should it have died, the pipe says so */
    sleep(1);
    printf("done\n");
    if (fflush(stdout) != 0) return 1;
  }
}

typedef struct {
  uint64_t batches, rows, position, epoch; /* acknowledged to the child before it died */
  uint64_t source_batches, source_rows;
} Killed;

/* Spawns the child, kills it as soon as half of the batches were acknowledged, and says what it was told by then. */
static Killed ingest_and_kill(char *self, const char *file, const char *root, const char *shard) {
  Killed k = {0};
  int out[2], status;
  pid_t pid;
  posix_spawn_file_actions_t actions;
  char *args[] = {self, "--ingest", (char *)file, (char *)root, (char *)shard, NULL}; /* exec does not write to them */
  if (pipe(out) != 0) die("pipe: %s", strerror(errno));
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, out[0]);
  posix_spawn_file_actions_addclose(&actions, out[1]);
  int failed = posix_spawnp(&pid, self, &actions, NULL, args, environ);
  if (failed != 0) die("cannot run %s: %s", self, strerror(failed));
  posix_spawn_file_actions_destroy(&actions);
  close(out[1]);

  char line[256];
  int64_t times[MAX_BATCHES], ns;
  size_t n = 0;
  bool killed = false;
  FILE *in = fdopen(out[0], "r");
  while (in != NULL && fgets(line, sizeof line, in) != NULL) {
    uint64_t rows;
    if (sscanf(line, "open %" SCNu64 " %" SCNu64 " %" SCNu64, &k.epoch, &k.source_batches, &k.source_rows) == 3) {
      printf("   process %ld opened the shard: epoch %" PRIu64 "\n", (long)pid, k.epoch);
      if (k.source_batches == 0) killed = kill(pid, SIGKILL) == 0;
    } else if (sscanf(line, "ack %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64, &k.batches, &k.position, &rows, &ns) == 4) {
      k.rows += rows;
      if (n < MAX_BATCHES) times[n++] = ns;
      if (!killed && k.batches * 2 >= k.source_batches) killed = kill(pid, SIGKILL) == 0;
    }
  }
  if (in != NULL) fclose(in);
  if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) die("the child failed");
  if (k.source_batches == 0) die("%s has no batches", file);
  printf("   %s of %s rows were acknowledged (%" PRIu64 " of %" PRIu64 " batches), the last at position %" PRIu64 "\n", commas(k.rows),
         commas(k.source_rows), k.batches, k.source_batches, k.position);
  print_times(times, n);
  printf("   %skilled by SIGKILL%s\n", bad, plain);
  return k;
}

/* Puts the source's batches from number `skip` on. */
static void put_rest(WeirWriter *writer, Source *source, uint64_t skip) {
  struct ArrowArray batch;
  int64_t times[MAX_BATCHES], ns;
  size_t n = 0;
  uint64_t rows = 0, first = 0, last = 0;
  for (uint64_t i = 0; source_next(source, &batch); i++) {
    if (i < skip) {
      batch.release(&batch);
      continue;
    }
    rows += (uint64_t)batch.length;
    last = put(writer, &batch, &ns).position; /* consumes the batch */
    if (first == 0) first = last;
    if (n < MAX_BATCHES) times[n++] = ns;
  }
  if (last == 0) {
    printf("   nothing: the child was faster than the kill\n");
    return;
  }
  printf("   %s rows, positions %" PRIu64 " to %" PRIu64 "\n", commas(rows), first, last);
  print_times(times, n);
}

/* ---- Reading ------------------------------------------------------------------------------------------------------ */

/* Neighbouring entries of one epoch and kind. */
typedef struct {
  uint64_t first, last, epoch, entries, rows, bytes;
  bool sentinel;
} Run;

typedef struct {
  ColumnSum *sums;
  uint64_t rows, entries;
  Run runs[64];
  size_t n_runs;
} Log;

static void log_run(Log *log, const WeirEntry *entry) {
  uint64_t position = weir_entry_position(entry), epoch = weir_entry_epoch(entry);
  bool sentinel = weir_entry_is_sentinel(entry);
  Run *run = log->n_runs > 0 ? &log->runs[log->n_runs - 1] : NULL;
  if (run == NULL || run->epoch != epoch || run->sentinel != sentinel) {
    if (log->n_runs == sizeof log->runs / sizeof log->runs[0]) die("more epochs than this example shows");
    run = &log->runs[log->n_runs++];
    *run = (Run){.first = position, .epoch = epoch, .sentinel = sentinel};
  }
  run->last = position;
  run->entries += 1;
  run->rows += weir_entry_rows(entry);
  run->bytes += weir_entry_bytes(entry);
}

static void log_entry(Log *log, const WeirEntry *entry, const struct ArrowSchema *schema) {
  WeirError *error = NULL;
  struct ArrowSchema stored = {0};
  log_run(log, entry);
  if (weir_entry_is_sentinel(entry)) return; /* has no columns and no batches */
  check(weir_entry_schema(entry, &stored, &error), "schema of an entry", &error);
  if (!same_columns(&stored, schema)) die("position %" PRIu64 " has other columns than the source", weir_entry_position(entry));
  stored.release(&stored);
  for (size_t i = 0; i < weir_entry_batch_count(entry); i++) {
    struct ArrowArray batch = {0};
    check(weir_entry_batch(entry, i, &batch, &error), "batch of an entry", &error);
    add_batch(log->sums, schema, &batch);
    batch.release(&batch); /* the memory is the entry's, shared: nothing was copied */
  }
  log->rows += weir_entry_rows(entry);
  log->entries += 1;
}

/* Reads the log from its first position to its end. */
static Log read_log(WeirSession *session, const char *root, const char *shard, const struct ArrowSchema *schema) {
  Log log = {.sums = new_sums(schema->n_children)};
  WeirTailerOptions options = WEIR_TAILER_OPTIONS_INIT;
  WeirTailer *tailer = NULL;
  WeirEntry *entry = NULL;
  WeirError *error = NULL;
  options.from = 1;
  check(weir_tailer_open(session, root, shard, &options, &tailer, &error), "tail", &error);
  for (;;) {
    check(weir_tailer_next(tailer, -1, &entry, &error), "tail", &error);
    if (entry == NULL) break; /* the end: this tailer does not follow */
    log_entry(&log, entry, schema);
    weir_entry_free(entry);
  }
  weir_tailer_free(tailer);
  return log;
}

static void print_runs(const Log *log) {
  printf("   %s%-11s %5s  %s%s\n", dim, "positions", "epoch", "what", plain);
  for (size_t i = 0; i < log->n_runs; i++) {
    const Run *run = &log->runs[i];
    char positions[64];
    if (run->first == run->last) snprintf(positions, sizeof positions, "%" PRIu64, run->first);
    else snprintf(positions, sizeof positions, "%" PRIu64 " to %" PRIu64, run->first, run->last);
    printf("   %-11s %5" PRIu64 "  ", positions, run->epoch);
    if (run->sentinel) printf("fence sentinel: an older writer that appends collides here and learns that it is fenced\n");
    else printf("%s rows in %s entries, %s bytes\n", commas(run->rows), commas(run->entries), commas(run->bytes));
  }
}

static bool print_sums(const struct ArrowSchema *schema, const ColumnSum *source, const ColumnSum *log) {
  bool equal = true;
  printf("\n   %s%-16s %-9s %6s %6s  %-16s   %s%s\n", dim, "column", "type", "rows", "nulls", "source", "log", plain);
  for (int64_t c = 0; c < schema->n_children; c++) {
    bool same = sums_equal(&source[c], &log[c], 1);
    equal = equal && same;
    printf("   %-16s %-9s %6s %6s  %016" PRIx64 " %s %016" PRIx64 "\n", schema->children[c]->name, schema->children[c]->format,
           commas((uint64_t)log[c].rows), commas((uint64_t)log[c].nulls), source[c].hash, same ? "=" : "DIFFERS FROM", log[c].hash);
  }
  return equal;
}

/* ---- A table ------------------------------------------------------------------------------------------------------ */

static void not_owned(struct ArrowArray *array) { array->release = NULL; }

/* A batch of one row and one column, of the two buffers that a number has or the three that a text has. All is static, so there is nothing to
 * free: it is to be used before the next is made. */
static struct ArrowArray one_value(const void *values, const void *bytes) {
  static struct ArrowArray column, *children[1] = {&column};
  static const void *buffers[3], *valid[1];
  buffers[1] = values;
  buffers[2] = bytes;
  column = (struct ArrowArray){.length = 1, .n_buffers = bytes ? 3 : 2, .buffers = buffers, .release = not_owned};
  return (struct ArrowArray){.length = 1, .n_buffers = 1, .buffers = valid, .n_children = 1, .children = children, .release = not_owned};
}

static struct ArrowArray one_text(const char *text) {
  static int32_t offsets[2];
  offsets[1] = (int32_t)strlen(text);
  return one_value(offsets, text);
}

static bool has_columns(const struct ArrowSchema *schema, const char *const *names, size_t n) {
  for (size_t i = 0; i < n; i++) {
    bool found = false;
    for (int64_t c = 0; c < schema->n_children; c++) found = found || strcmp(schema->children[c]->name, names[i]) == 0;
    if (!found) return false;
  }
  return true;
}

/* The rows of carriers and flight numbers that a scan gives: printed, and counted. */
static uint64_t print_flights(WeirScan *scan) {
  WeirError *error = NULL;
  WeirBatch *batch = NULL;
  uint64_t rows = 0;
  printf("  ");
  for (;;) {
    struct ArrowArray array = {0};
    check(weir_scan_next(scan, -1, &batch, &error), "scan", &error);
    if (batch == NULL) break;
    check(weir_batch_array(batch, &array, &error), "batch", &error);
    const struct ArrowArray *carrier = array.children[0], *flight = array.children[1];
    const int32_t *ends = (const int32_t *)carrier->buffers[1] + carrier->offset;
    for (int64_t i = 0; i < array.length; i++)
      printf(" %.*s %u ", ends[i + 1] - ends[i], (const char *)carrier->buffers[2] + ends[i], ((const uint16_t *)flight->buffers[1] + flight->offset)[i]);
    rows += (uint64_t)array.length;
    array.release(&array);
    weir_batch_free(batch);
  }
  weir_scan_free(scan);
  printf("\n");
  return rows;
}

/* With a primary key a shard is a table: a put replaces rows of the same key, rows can be deleted, got and scanned at once. */
static void table(WeirSession *session, const char *file, const char *root) {
  static const char *const key[] = {"carrier"}, *const columns[] = {"carrier", "flight", "distance"};
  static const WeirComparison far = {"distance", WEIR_COMPARE_GE, 0};
  char shard[37];
  WeirWriter *writer = NULL;
  WeirScan *scan = NULL;
  WeirError *error = NULL;
  Source source = source_open(file);
  if (!has_columns(&source.schema, columns, 3)) {
    printf("   not shown: the file has no carriers, flights and distances\n");
    source_close(&source);
    return;
  }
  new_shard_id(shard);
  WeirWriterOptions options = WEIR_WRITER_OPTIONS_INIT;
  options.primary_key = key;
  options.primary_key_len = 1;
  check(weir_writer_open(session, root, shard, &source.schema, &options, &writer, &error), "open", &error);

  WeirAck ack;
  check(weir_writer_put_stream(writer, &source.stream, -1, &ack, &error), "put", &error); /* consumes the stream */
  WeirScanOptions wanted = WEIR_SCAN_OPTIONS_INIT;
  wanted.columns = columns;
  wanted.columns_len = 2;
  check(weir_writer_scan(writer, &wanted, NULL, NULL, &scan, &error), "scan", &error);
  printf("   upsert: the file's last flight of each carrier is what is left\n");
  uint64_t rows = print_flights(scan);

  struct ArrowArray carrier = one_text("US"), found = {0};
  uint8_t state = WEIR_KEY_MISSING;
  check(weir_writer_delete(writer, &carrier, NULL, -1, &ack, &error), "delete", &error); /* NULL: it is just the key's columns */
  carrier = one_text("US");
  check(weir_writer_get(writer, &carrier, NULL, NULL, -1, &state, 1, &found, &error), "get", &error);
  printf("   delete US: a get says %s, with %s rows\n", state == WEIR_KEY_DELETED ? "deleted" : "something else", commas((uint64_t)found.length));
  if (state != WEIR_KEY_DELETED || found.length != 0) die("a row that was deleted is still there");
  found.release(&found);

  int64_t miles = 2000;
  struct ArrowArray value = one_value(&miles, NULL);
  wanted.comparisons = &far;
  wanted.comparisons_len = 1;
  check(weir_writer_scan(writer, &wanted, &value, NULL, &scan, &error), "scan", &error);
  printf("   scan where distance >= 2000\n");
  if (print_flights(scan) >= rows) die("the scan gave too much");
  check(weir_writer_close(writer, 10000, &error), "close", &error); /* what is in memory becomes a generation, which outlives the log */
  weir_writer_free(writer);
  source.schema.release(&source.schema);
}

/* ---- The story ---------------------------------------------------------------------------------------------------- */

/* What the killed process left must be a prefix of the source, made of whole batches, with all that was acknowledged. */
static uint64_t check_landed(const char *file, const struct ArrowSchema *schema, const Killed *killed, const Log *log) {
  uint64_t rows, batches;
  ColumnSum *prefix = source_sums(file, log->entries, &rows, &batches);
  bool lost = log->rows < killed->rows;
  bool torn = rows != log->rows || !sums_equal(prefix, log->sums, schema->n_children);
  free(prefix);
  if (lost) die("LOST: %s rows were acknowledged, %s are in the log", commas(killed->rows), commas(log->rows));
  if (torn) die("TORN: the %s rows in the log are not the source's first", commas(log->rows));
  printf("   found %s rows: all that were acknowledged%s. They are the source's first %s, checked by their sums\n", commas(log->rows),
         log->rows > killed->rows ? ", and a batch that landed before its acknowledgement could" : "", commas(log->rows));
  return batches;
}

static int story(char *self, const char *file, const char *root) {
  char shard[37];
  new_shard_id(shard);
  printf("%sweir %s%s  %s\n", bold, weir_version(), plain, file);
  printf("%s      %s/_mem_wal/%s%s\n\n", dim, root, shard, plain);

  printf("%s1  A process puts batches durably, and is killed half-way%s\n", bold, plain);
  fflush(stdout);
  Killed killed = ingest_and_kill(self, file, root, shard);

  printf("\n%s2  The shard is opened again%s\n", bold, plain);
  WeirSession *session = new_session();
  Source source = source_open(file);
  int64_t start = now_ns();
  WeirWriter *writer = open_writer(session, root, shard, &source.schema);
  printf("   epoch %" PRIu64 ", in %.1f ms: the killed writer could no longer append, were it still alive\n", weir_writer_epoch(writer),
         (double)(now_ns() - start) / 1e6);
  if (weir_writer_epoch(writer) <= killed.epoch) die("the epoch did not rise");
  Log log = read_log(session, root, shard, &source.schema);
  uint64_t landed = check_landed(file, &source.schema, &killed, &log);
  free(log.sums);

  printf("\n%s3  The rest is put%s\n", bold, plain);
  put_rest(writer, &source, landed);
  WeirError *error = NULL;
  check(weir_writer_close(writer, 10000, &error), "close", &error);
  weir_writer_free(writer);

  printf("\n%s4  Everything is read back%s\n", bold, plain);
  uint64_t rows, batches;
  ColumnSum *sums = source_sums(file, UINT64_MAX, &rows, &batches);
  log = read_log(session, root, shard, &source.schema);
  print_runs(&log);
  bool equal = print_sums(&source.schema, sums, log.sums) && log.rows == rows;
  if (equal)
    printf("\n%sEqual: %s rows of %" PRId64 " columns, none lost, none doubled, none torn.%s\n", good, commas(rows),
           source.schema.n_children, plain);
  else
    printf("\n%sDIFFERENT: the source has %s rows, the log %s.%s\n", bad, commas(rows), commas(log.rows), plain);

  printf("\n%s5  The same rows as a table, by carrier%s\n", bold, plain);
  table(session, file, root);

  free(sums);
  free(log.sums);
  source_close(&source);
  weir_session_free(session);
  return equal ? 0 : 1;
}

int main(int argc, char **argv) {
  if (argc == 5 && strcmp(argv[1], "--ingest") == 0) return ingest(argv[2], argv[3], argv[4]);
  if (argc > 3 || (argc > 1 && argv[1][0] == '-')) {
    fprintf(stderr, "usage: %s [FILE.arrow [DIRECTORY]]\n", argv[0]);
    return 2;
  }
  if (isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL) {
    bold = "\033[1m", dim = "\033[2m", good = "\033[1;32m", bad = "\033[31m", plain = "\033[0m";
  }
  const char *root = argc > 2 ? argv[2] : NULL, *tmp = getenv("TMPDIR");
  if (root == NULL) {
    snprintf(scratch, sizeof scratch, "%s/weir-quickstart-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    root = mkdtemp(scratch);
    if (root == NULL) {
      scratch[0] = '\0';
      die("cannot make a temporary directory: %s", strerror(errno));
    }
    atexit(remove_scratch);
  }
  return story(argv[0], argc > 1 ? argv[1] : DEFAULT_FILE, root);
}
