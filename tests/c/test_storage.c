/* Storage that goes wrong, as a C program sees it: no room, no permission, sealed, damaged or foreign objects, hints that lie, roots
 * that are none. Each is a clear typed error that names the thing; what was acknowledged stays; and the handle, or the next one,
 * goes on. (The same over an injected store, request by request: the Rust tests.) */
#define _GNU_SOURCE /* unshare */
#include "arrow_build.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#ifdef __linux__
#include <sched.h>
#include <sys/mount.h>
#endif

static WeirSession *session;

/* ---- Files of a shard ---- */

static const char *wal_file(const char *root, uint64_t position) {
  static char path[600];
  int len = snprintf(path, sizeof path, "%s/_mem_wal/" SHARD "/wal/", root);
  for (int bit = 0; bit < 64; bit++) path[len++] = (position >> bit & 1) ? '1' : '0';
  snprintf(path + len, sizeof path - (size_t)len, ".arrow");
  return path;
}

static const char *manifest_file(const char *root, uint64_t version) {
  static char path[600];
  int len = snprintf(path, sizeof path, "%s/_mem_wal/" SHARD "/manifest/", root);
  for (int bit = 0; bit < 64; bit++) path[len++] = (version >> bit & 1) ? '1' : '0';
  snprintf(path + len, sizeof path - (size_t)len, ".binpb");
  return path;
}

static const char *shard_file(const char *root, const char *name) {
  static char path[600];
  snprintf(path, sizeof path, "%s/_mem_wal/" SHARD "/%s", root, name);
  return path;
}

static void write_file(const char *path, const char *text, size_t len) {
  FILE *file = fopen(path, "wb");
  if (!CHECK(file != NULL)) return;
  CHECK_EQ(fwrite(text, 1, len, file), len);
  fclose(file);
}

static long file_size(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

static void flip_byte(const char *path, long at) {
  FILE *file = fopen(path, "r+b");
  if (!CHECK(file != NULL)) return;
  fseek(file, at, SEEK_SET);
  int byte = fgetc(file);
  fseek(file, at, SEEK_SET);
  fputc(byte ^ 1, file);
  fclose(file);
}

/* The files in a shard's directory. */
static int files_in(const char *root, const char *dir) {
  DIR *d = opendir(shard_file(root, dir));
  int n = 0;
  if (!CHECK(d != NULL)) return -1;
  for (struct dirent *e; (e = readdir(d)) != NULL;) n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

static WeirWriterOptions impatient_options(void) {
  WeirWriterOptions options = quick_options();
  options.max_retries = 1;
  options.retry_base_delay_ms = 1;
  return options;
}

/* ---- No room ---- */

#ifdef __linux__
/* A file system of half a megabyte at `path`, if this process may make one: it is seen by this process alone. */
static bool mount_small(const char *path) {
  static bool unshared, tried;
  mkdir(path, 0700);
  if (!tried) unshared = unshare(CLONE_NEWNS) == 0 && mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0;
  tried = true;
  return unshared && mount("weir-test", path, "tmpfs", 0, "size=512k") == 0;
}

/* Takes what room is left but `spare` bytes. */
static void fill(const char *root, long spare) {
  char path[600], block[4096];
  snprintf(path, sizeof path, "%s/ballast", root);
  memset(block, 7, sizeof block);
  int fd = open(path, O_WRONLY | O_CREAT, 0600);
  long size = 0;
  for (ssize_t n; (n = write(fd, block, sizeof block)) > 0;) size += n;
  CHECK_EQ(errno, ENOSPC);
  CHECK_EQ(ftruncate(fd, size > spare ? size - spare : 0), 0);
  close(fd);
}

static void make_room(const char *root) {
  char path[600];
  snprintf(path, sizeof path, "%s/ballast", root);
  CHECK_EQ(unlink(path), 0);
}

static void test_a_full_disk(void) {
  char *root = new_root();
  if (!mount_small(root)) {
    printf("    test_a_full_disk: skipped, as this process may not mount a small file system (%s)\n", strerror(errno));
    free(root);
    return;
  }
  WeirWriterOptions options = impatient_options();
  struct ArrowSchema schema = batch_schema();
  WeirWriter *writer = writer_new(session, root, &options), *none = NULL;
  WeirWriterStats stats = WEIR_WRITER_STATS_INIT;
  WeirError *error = NULL;
  WeirAck ack;
  const char *cause = NULL;
  uint64_t rows = 0, position = 0;
  put_batches(writer, 3);
  fill(root, 64 * 1024);
  WeirStatus status = WEIR_STATUS_OK;
  while (status == WEIR_STATUS_OK && rows < 100000) {
    struct ArrowArray batch = batch_new(500, 0);
    status = weir_writer_put(writer, &batch, -1, &ack, &error);
    if (status == WEIR_STATUS_OK) rows += 500;
    CHECK(batch.release == NULL);
  }
  /* Whether the last append landed, only a new owner can tell: this one stops. */
  CHECK_EQ(status, WEIR_STATUS_POISONED);
  CHECK_EQ(weir_error_action(error), WEIR_ACTION_REOPEN);
  CHECK(weir_error_detail_str(error, "cause", &cause));
  CHECK_STR(cause, "STORAGE_FULL");
  CHECK(weir_error_detail_u64(error, "position", &position));
  CHECK_EQ(position, 4 + rows / 500);
  CHECK(strstr(weir_error_message(error), root) != NULL);
  weir_error_free(error);
  FAILS(weir_writer_flush(writer, -1, &err), POISONED);
  OK(weir_writer_stats(writer, &stats, &err));
  CHECK_EQ(stats.rows, 30 + rows + 500);
  FAILS(weir_writer_close(writer, -1, &err), POISONED);
  weir_writer_free(writer);

  CHECK_EQ(rows_in_log(session, root), 30 + rows); /* reading needs no room */
  int files = files_in(root, "wal");
  CHECK_EQ(files, 3 + (int)(rows / 500)); /* and nothing half-written is left */
  make_room(root);
  fill(root, 0);
  FAILS_SAYING(weir_writer_open(session, root, SHARD, &schema, &options, &none, &err), STORAGE_FULL, root);
  CHECK(none == NULL);
  CHECK_EQ(files_in(root, "wal"), files);

  make_room(root);
  writer = writer_new(session, root, &options);
  put_batches(writer, 2);
  OK(weir_writer_close(writer, -1, &err));
  weir_writer_free(writer);
  CHECK_EQ(rows_in_log(session, root), 30 + rows + 20);
  umount(root);
  schema.release(&schema);
  free(root);
}

/* What was admitted and not yet durable is lost when it cannot be written; whoever asks is told. */
static void test_a_full_disk_behind_a_buffered_writer(void) {
  char *root = new_root();
  if (!mount_small(root)) { /* said above */
    free(root);
    return;
  }
  WeirWriterOptions options = impatient_options();
  WeirAck ack;
  options.durable = 0;
  options.linger_us = 3600 * INT64_C(1000000);
  WeirWriter *writer = writer_new(session, root, &options);
  fill(root, 0);
  struct ArrowArray batch = batch_new(2000, 0);
  OK(weir_writer_put(writer, &batch, -1, &ack, &err));
  FAILS(weir_writer_flush(writer, -1, &err), POISONED);
  FAILS(weir_writer_wait_durable(writer, ack.sequence, -1, &err), POISONED);
  batch = batch_new(10, 0);
  FAILS(weir_writer_put(writer, &batch, -1, &ack, &err), POISONED);
  CHECK_EQ(weir_writer_durable_position(writer), 0);
  FAILS(weir_writer_close(writer, -1, &err), POISONED);
  weir_writer_free(writer);
  CHECK_EQ(rows_in_log(session, root), 0);
  umount(root);
  free(root);
}

/* The appender has one entry per call and no one waiting: the same rules. */
static void test_a_full_disk_under_an_appender(void) {
  char *root = new_root();
  if (!mount_small(root)) {
    free(root);
    return;
  }
  struct ArrowSchema schema = batch_schema();
  WeirAppenderOptions options = WEIR_APPENDER_OPTIONS_INIT;
  WeirAppender *appender = NULL;
  uint64_t position = 99;
  options.max_retries = 1;
  options.retry_base_delay_ms = 1;
  OK(weir_appender_open(session, root, SHARD, &schema, &options, &appender, &err));
  fill(root, 0);
  struct ArrowArray batch = batch_new(2000, 0);
  FAILS(weir_appender_append(appender, &batch, -1, &position, &err), POISONED);
  CHECK_EQ(position, 0);
  make_room(root);
  batch = batch_new(10, 0);
  FAILS(weir_appender_append(appender, &batch, -1, &position, &err), POISONED); /* for ever */
  weir_appender_free(appender);
  OK(weir_appender_open(session, root, SHARD, &schema, &options, &appender, &err));
  batch = batch_new(10, 0);
  OK(weir_appender_append(appender, &batch, -1, &position, &err));
  weir_appender_free(appender);
  CHECK_EQ(rows_in_log(session, root), 10);
  schema.release(&schema);
  umount(root);
  free(root);
}
#else
static void test_a_full_disk(void) { printf("    test_a_full_disk: skipped, Linux only\n"); }
static void test_a_full_disk_behind_a_buffered_writer(void) {}
static void test_a_full_disk_under_an_appender(void) {}
#endif

/* ---- No permission ---- */

/* As someone who is not root, who may do everything. */
static void test_a_directory_that_may_not_be_written(void) {
  char *root = new_root();
  bool is_root = geteuid() == 0;
  struct ArrowSchema schema = batch_schema();
  WeirWriterOptions options = impatient_options();
  WeirWriter *writer = NULL;
  WeirManifest *manifest = NULL;
  WeirAck ack;
  CHECK_EQ(chmod(harness_dir, 0755), 0);
  CHECK_EQ(mkdir(root, 0555), 0);
  if (is_root) CHECK_EQ(seteuid(65534), 0);
  FAILS_SAYING(weir_writer_open(session, root, SHARD, &schema, &options, &writer, &err), PERMISSION_DENIED, root);
  CHECK(writer == NULL);
  FAILS_SAYING(weir_shard_init(session, root, SHARD, 0, NULL, 0, -1, &err), PERMISSION_DENIED, root);
  if (is_root) CHECK_EQ(seteuid(0), 0);
  CHECK_EQ(chmod(root, 0777), 0);

  if (is_root) CHECK_EQ(seteuid(65534), 0);
  writer = writer_new(session, root, &options);
  put_batches(writer, 2);
  CHECK_EQ(chmod(shard_file(root, "wal"), 0555), 0); /* its directory is taken away from a writer at work */
  struct ArrowArray batch = batch_new(10, 0);
  FAILS_SAYING(weir_writer_put(writer, &batch, -1, &ack, &err), POISONED, root);
  CHECK_EQ(rows_in_log(session, root), 20);
  CHECK_EQ(chmod(shard_file(root, "wal"), 0755), 0);
  weir_writer_free(writer);
  writer = writer_new(session, root, &options);
  put_batches(writer, 1);
  weir_writer_free(writer);

  CHECK_EQ(chmod(manifest_file(root, 2), 0), 0); /* the newest */
  FAILS_SAYING(weir_shard_manifest(session, root, SHARD, -1, &manifest, &err), PERMISSION_DENIED, ".binpb");
  CHECK_EQ(chmod(manifest_file(root, 2), 0644), 0);
  CHECK_EQ(rows_in_log(session, root), 30);
  if (is_root) CHECK_EQ(seteuid(0), 0);
  schema.release(&schema);
  free(root);
}

/* ---- Damage ---- */

static void reads(const char *root, uint64_t position, WeirStatus expected, const char *words) {
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = (WeirEntry *)(uintptr_t)8;
  err = ERR_GARBAGE;
  check_status(weir_tailer_read(tailer, position, -1, &entry, &err), expected, words, "weir_tailer_read", __FILE__, __LINE__);
  CHECK((entry != NULL) == (expected == WEIR_STATUS_OK));
  weir_entry_free(entry);
  weir_tailer_free(tailer);
}

/* PITFALLS C10, as far as it is seen from here: every byte and every length are tried in the Rust tests. */
static void test_a_damaged_entry_is_an_error_that_names_it(void) {
  char *root = new_root();
  WeirWriterOptions log_only = log_options(); /* whose opening reads no entries */
  WeirWriter *writer = writer_new(session, root, &log_only);
  put_batches(writer, 5);
  long size = file_size(wal_file(root, 3));
  const long cuts[] = {size - 1, size / 2, 40, 1, 0};
  char name[600];
  snprintf(name, sizeof name, "%s", strrchr(wal_file(root, 3), '/') + 1);
  for (long at = 0; at < size; at += 97) {
    flip_byte(wal_file(root, 3), at);
    reads(root, 3, WEIR_STATUS_CORRUPTION, name);
    flip_byte(wal_file(root, 3), at);
  }
  reads(root, 3, WEIR_STATUS_OK, NULL);
  for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
    CHECK_EQ(truncate(wal_file(root, 3), cuts[i]), 0);
    reads(root, 3, WEIR_STATUS_CORRUPTION, name);
  }
  /* A tailer stops there, every time, and goes on where it is told to. */
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  WeirError *error = NULL;
  uint64_t position = 0;
  for (int i = 0; i < 2; i++) {
    OK(weir_tailer_next(tailer, -1, &entry, &err));
    weir_entry_free(entry);
  }
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(weir_tailer_next(tailer, -1, &entry, &error), WEIR_STATUS_CORRUPTION);
    CHECK(weir_error_detail_u64(error, "position", &position));
    CHECK_EQ(position, 3);
    CHECK_EQ(weir_error_action(error), WEIR_ACTION_STOP);
    weir_error_free(error);
  }
  struct ArrowArrayStream stream = {0};
  struct ArrowArray batch = {0};
  OK(weir_tailer_stream(tailer, &stream, &err));
  CHECK(stream.get_next(&stream, &batch) != 0); /* a stream says the same, in its way */
  CHECK(batch.release == NULL);
  const char *why = stream.get_last_error(&stream);
  CHECK(why != NULL && strstr(why, name) != NULL);
  stream.release(&stream);
  OK(weir_tailer_seek(tailer, 4, &err));
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  CHECK_EQ(weir_entry_position(entry), 4);
  weir_entry_free(entry);
  put_batches(writer, 1); /* the writer does not mind */
  weir_writer_free(writer);
  WeirWriterOptions quick = quick_options(); /* one that would read it back into MemTables must not pass over it */
  struct ArrowSchema schema = batch_schema();
  FAILS_SAYING(weir_writer_open(session, root, SHARD, &schema, &quick, &writer, &err), CORRUPTION, name);
  schema.release(&schema);
  writer = writer_new(session, root, &log_only); /* nor does the next: it reads nothing of the log */
  put_batches(writer, 1);
  weir_writer_free(writer);
  weir_tailer_free(tailer);
  free(root);
}

static void test_an_entry_of_another_kind(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  static const char text[] = "This is no Arrow stream, however long it may be; a text that someone has put into the way of the log.";
  put_batches(writer, 1);
  CHECK_EQ(unlink(wal_file(root, 1)), 0);
  write_file(wal_file(root, 1), text, sizeof text);
  reads(root, 1, WEIR_STATUS_CORRUPTION, ".arrow");
  CHECK_EQ(unlink(wal_file(root, 1)), 0);
  CHECK_EQ(mkdir(wal_file(root, 1), 0755), 0); /* a directory with the name of an entry is none */
  reads(root, 1, WEIR_STATUS_NOT_FOUND, "position 1");
  CHECK_EQ(mkdir(wal_file(root, 2), 0755), 0); /* and where the next is to be, it is in the way */
  struct ArrowArray batch = batch_new(10, 0);
  FAILS_SAYING(weir_writer_put(writer, &batch, -1, NULL, &err), POISONED, root);
  weir_writer_free(writer);
  free(root);
}

/* The newest manifest decides who owns the shard: if it cannot be read, nobody may become the owner. */
static void test_a_damaged_manifest_is_an_error_that_names_it(void) {
  char *root = new_root();
  struct ArrowSchema schema = batch_schema();
  WeirWriterOptions options = quick_options();
  WeirWriter *writer = writer_new(session, root, NULL), *none = NULL;
  WeirManifest *manifest = NULL;
  char kept[4096], name[600];
  put_batches(writer, 2);
  weir_writer_free(writer);
  snprintf(name, sizeof name, "%s", strrchr(manifest_file(root, 1), '/') + 1);
  long size = file_size(manifest_file(root, 1));
  FILE *file = fopen(manifest_file(root, 1), "rb");
  if (!CHECK(file != NULL) || !CHECK(size > 0 && size < (long)sizeof kept)) return;
  CHECK_EQ(fread(kept, 1, (size_t)size, file), size);
  fclose(file);
  const struct {
    const char *bytes;
    size_t len;
  } damaged[] = {{kept, 0}, {kept, (size_t)size / 2}, {"no protobuf at all", 18}, {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11}};
  for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
    WeirSession *fresh = session_new(); /* which remembers nothing */
    write_file(manifest_file(root, 1), damaged[i].bytes, damaged[i].len);
    FAILS_SAYING(weir_shard_manifest(fresh, root, SHARD, -1, &manifest, &err), CORRUPTION, name);
    CHECK(manifest == NULL);
    FAILS_SAYING(weir_writer_open(fresh, root, SHARD, &schema, &options, &none, &err), CORRUPTION, name);
    CHECK(none == NULL);
    FAILS_SAYING(weir_shard_seal(fresh, root, SHARD, -1, &err), CORRUPTION, name);
    CHECK_EQ(files_in(root, "wal"), 2); /* no sentinel: nobody was fenced */
    weir_session_free(fresh);
  }
  write_file(manifest_file(root, 1), kept, (size_t)size);
  writer = writer_new(session, root, NULL);
  CHECK_EQ(weir_writer_epoch(writer), 2);
  weir_writer_free(writer);
  CHECK_EQ(rows_in_log(session, root), 20);
  schema.release(&schema);
  free(root);
}

/* PITFALLS D7: a hint is a hint. */
static void test_a_hint_that_lies(void) {
  static const char *const hints[] = {"{\"version\":1}",     "{\"version\":999999}", "{\"version\":18446744073709551615}",
                                      "{\"version\":-3}",    "{\"version\":0}",      "{}",
                                      "not even JSON",       "",                     "{\"version\":99999999999999999999999}"};
  char *root = new_root();
  uint64_t epoch = 0;
  for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
    WeirSession *fresh = session_new();
    WeirManifest *manifest = NULL;
    WeirWriter *writer = writer_new(fresh, root, NULL);
    CHECK_EQ(weir_writer_epoch(writer), ++epoch);
    put_batches(writer, 1);
    weir_writer_free(writer);
    weir_session_free(fresh);
    write_file(shard_file(root, "manifest/version_hint.json"), hints[i], strlen(hints[i]));
    fresh = session_new();
    OK(weir_shard_manifest(fresh, root, SHARD, -1, &manifest, &err));
    CHECK_EQ(weir_manifest_writer_epoch(manifest), epoch);
    weir_manifest_free(manifest);
    weir_session_free(fresh);
  }
  CHECK_EQ(rows_in_log(session, root), epoch * 10);
  free(root);
}

/* PITFALLS C11: what crashed writers leave, ours and Lance's, and what people put anywhere. */
static void test_foreign_files(void) {
  static const char *const files[] = {"wal/README.txt", "wal/.hidden", "wal/0.arrow", "manifest/notes", "manifest/1.binpb", "elsewhere.txt"};
  char *root = new_root(), path[700];
  WeirBuffer *ids = NULL;
  WeirWriter *writer = writer_new(session, root, NULL);
  uint64_t position = 0;
  put_batches(writer, 2);
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) write_file(shard_file(root, files[i]), "x", 1);
  snprintf(path, sizeof path, "%s.tmp.5e9ae9ae-7d5b-4d0c-9a3c-0b6ff8a1a001", wal_file(root, 3)); /* would be the next */
  write_file(path, "half", 4);
  snprintf(path, sizeof path, "%s#1", wal_file(root, 4));
  write_file(path, "half", 4);
  snprintf(path, sizeof path, "%s.tmp.5e9ae9ae-7d5b-4d0c-9a3c-0b6ff8a1a002", manifest_file(root, 2));
  write_file(path, "half", 4);
  CHECK_EQ(mkdir(shard_file(root, "wal/a directory"), 0755), 0);
  snprintf(path, sizeof path, "%s/_mem_wal/not-a-shard", root);
  CHECK_EQ(mkdir(path, 0755), 0);
  snprintf(path, sizeof path, "%s/_mem_wal/0000", root);
  write_file(path, "x", 1);

  put_batches(writer, 1);
  weir_writer_free(writer);
  writer = writer_new(session, root, NULL); /* position 4 is its sentinel */
  CHECK_EQ(weir_writer_epoch(writer), 2);
  put_batches(writer, 1);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  OK(weir_tailer_next_position(tailer, -1, &position, &err));
  CHECK_EQ(position, 6);
  CHECK_EQ(rows_in_log(session, root), 40);
  OK(weir_shard_list(session, root, -1, &ids, &err));
  CHECK_STR(weir_buffer_data(ids), SHARD "\n");
  weir_buffer_free(ids);
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) CHECK_EQ(file_size(shard_file(root, files[i])), 1); /* not ours to remove */
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

/* What someone takes out of the middle of the log is missed, not skipped (PITFALLS C8). */
static void test_a_hole(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 6);
  CHECK_EQ(unlink(wal_file(root, 3)), 0);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  for (int i = 0; i < 2; i++) {
    OK(weir_tailer_next(tailer, -1, &entry, &err));
    weir_entry_free(entry);
  }
  WeirStatus status = weir_tailer_next(tailer, -1, &entry, &err);
  CHECK(status == WEIR_STATUS_CORRUPTION || status == WEIR_STATUS_TRIMMED); /* and surely neither OK nor "not written yet" */
  CHECK(entry == NULL);
  check_error(&err, status, NULL, "weir_tailer_next over a hole", __FILE__, __LINE__);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

/* ---- Sealed under a writer at work (PITFALLS B9) ---- */

static void test_sealing_stops_the_writer_at_work(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  WeirAck ack;
  put_batches(writer, 2);
  OK(weir_shard_seal(session, root, SHARD, -1, &err));
  struct ArrowArray batch = batch_new(10, 0);
  WeirError *error = NULL;
  WeirStatus status = weir_writer_put(writer, &batch, -1, &ack, &error);
  CHECK(status == WEIR_STATUS_FENCED || status == WEIR_STATUS_SEALED);
  CHECK_EQ(weir_error_action(error), WEIR_ACTION_STOP);
  weir_error_free(error);
  CHECK_EQ(rows_in_log(session, root), 20);
  weir_writer_free(writer);
  free(root);
}

/* ---- Roots ---- */

static void test_roots_that_are_none(void) {
  static const struct {
    const char *root;
    WeirStatus status;
    const char *words; /* in the message */
  } roots[] = {
      {"", WEIR_STATUS_INVALID_ARGUMENT, ""},
      {"ftp://host/path", WEIR_STATUS_UNSUPPORTED, "ftp"},
      {"http://host/path", WEIR_STATUS_UNSUPPORTED, "http"},
      {"memory://", WEIR_STATUS_INVALID_ARGUMENT, "memory://"},
      {"s3://", WEIR_STATUS_INVALID_ARGUMENT, "s3://"},
      {"s3:///key", WEIR_STATUS_INVALID_ARGUMENT, "s3:///key"},
      {"s3://bucket/a?b=c", WEIR_STATUS_INVALID_ARGUMENT, "query"},
      {"s3://bucket/a#b", WEIR_STATUS_INVALID_ARGUMENT, "fragment"},
      {"s3://bucket/a/../b", WEIR_STATUS_INVALID_ARGUMENT, ".."},
      {"s3://bucket/%zz", WEIR_STATUS_INVALID_ARGUMENT, "%zz"},
      {"s3://bucket/%00", WEIR_STATUS_INVALID_ARGUMENT, "NUL"},
      {"file://host/path", WEIR_STATUS_INVALID_ARGUMENT, "host"},
      {"s3://user:secret@bucket/a", WEIR_STATUS_INVALID_ARGUMENT, "credentials"},
      {"s3:/bucket/a", WEIR_STATUS_INVALID_ARGUMENT, "s3:/bucket/a"}, /* not the directory "s3:" here */
  };
  for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
    struct ArrowSchema schema = batch_schema();
    WeirWriter *writer = NULL;
    WeirTailer *tailer = NULL;
    WeirBuffer *ids = NULL;
    char what[128];
    snprintf(what, sizeof what, "the root \"%s\"", roots[i].root);
    const char *before = harness_test;
    harness_test = what;
    WeirStatus status = weir_writer_open(session, roots[i].root, SHARD, &schema, NULL, &writer, &err);
    CHECK_EQ(status, roots[i].status);
    CHECK(err != NULL && strstr(weir_error_message(err), "secret") == NULL);
    check_error(&err, status, roots[i].words, what, __FILE__, __LINE__);
    CHECK_EQ(weir_tailer_open(session, roots[i].root, SHARD, NULL, &tailer, NULL), roots[i].status);
    CHECK_EQ(weir_shard_list(session, roots[i].root, -1, &ids, NULL), roots[i].status);
    CHECK(writer == NULL && tailer == NULL && ids == NULL);
    schema.release(&schema);
    harness_test = before;
  }
}

/* PITFALLS G9: characters that mean something in a URL mean nothing in a path, and one place has one name. */
static void test_odd_names_of_one_place(void) {
  char *root = new_root(), odd[300], url[400], slash[400];
  snprintf(odd, sizeof odd, "%s a?b#c%%20 \xc3\xbc", root);
  snprintf(url, sizeof url, "file://%s%%20a%%3Fb%%23c%%2520%%20%%C3%%BC", root);
  snprintf(slash, sizeof slash, "%s//", odd);
  WeirWriter *writer = writer_new(session, odd, NULL);
  put_batches(writer, 2);
  CHECK_EQ(rows_in_log(session, url), 20);
  CHECK_EQ(rows_in_log(session, slash), 20);
  WeirWriter *successor = writer_new(session, url, NULL);
  CHECK_EQ(weir_writer_epoch(successor), 2);
  weir_writer_free(successor);
  weir_writer_free(writer);
  CHECK_EQ(access(odd, F_OK), 0);
  free(root);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  session = session_new();
  RUN(test_a_full_disk);
  RUN(test_a_full_disk_behind_a_buffered_writer);
  RUN(test_a_full_disk_under_an_appender);
  RUN(test_a_directory_that_may_not_be_written);
  RUN(test_a_damaged_entry_is_an_error_that_names_it);
  RUN(test_an_entry_of_another_kind);
  RUN(test_a_damaged_manifest_is_an_error_that_names_it);
  RUN(test_a_hint_that_lies);
  RUN(test_foreign_files);
  RUN(test_a_hole);
  RUN(test_sealing_stops_the_writer_at_work);
  RUN(test_roots_that_are_none);
  RUN(test_odd_names_of_one_place);
  weir_session_free(session);
  check_all_released();
  return harness_finish(argv[0]);
}
