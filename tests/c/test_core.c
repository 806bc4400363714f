/* Version, errors, log, runtime, session, buffers, queue without work: all that needs no shard. */
#include "arrow_build.h"

#include <poll.h>

static void test_version_is_the_headers(void) {
  CHECK(weir_version() != NULL && weir_version()[0] != '\0');
  CHECK_EQ(weir_abi_version(), WEIR_ABI_VERSION);
  char version[64];
  snprintf(version, sizeof version, "%d.%d.%d", WEIR_VERSION_MAJOR, WEIR_VERSION_MINOR, WEIR_VERSION_PATCH);
  CHECK_STR(weir_version(), version);
}

static void test_status_names(void) {
  static const struct {
    WeirStatus status;
    const char *name;
  } known[] = {{WEIR_STATUS_OK, "OK"},
               {WEIR_STATUS_INVALID_ARGUMENT, "INVALID_ARGUMENT"},
               {WEIR_STATUS_FENCED, "FENCED"},
               {WEIR_STATUS_OUTCOME_UNKNOWN, "OUTCOME_UNKNOWN"},
               {WEIR_STATUS_INTERNAL, "INTERNAL"}};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) CHECK(strstr(weir_status_name(known[i].status), known[i].name) != NULL);
  for (int32_t s = 0; s <= WEIR_STATUS_INTERNAL; s++) CHECK(weir_status_name(s) != NULL && weir_status_name(s)[0] != '\0');
  CHECK(weir_status_name(-1) != NULL);
  CHECK(weir_status_name(INT32_MAX) != NULL);
}

static void test_error_is_whole_and_errors_are_optional(void) {
  WeirSession *session = session_new();
  WeirManifest *manifest = NULL;
  uint64_t number = 77;
  const char *text = NULL;
  WeirError *error = NULL;
  CHECK_EQ(weir_shard_manifest(session, "memory://core", "no uuid", -1, &manifest, &error), WEIR_STATUS_INVALID_ARGUMENT);
  CHECK(manifest == NULL);
  if (CHECK(error != NULL)) {
    CHECK_EQ(weir_error_code(error), WEIR_STATUS_INVALID_ARGUMENT);
    CHECK_EQ(weir_error_action(error), WEIR_ACTION_FIX);
    CHECK(strstr(weir_error_message(error), "no uuid") != NULL);
    CHECK(!weir_error_detail_u64(error, "no such detail", &number));
    CHECK(!weir_error_detail_str(error, "no such detail", &text));
    CHECK(!weir_error_detail_u64(error, NULL, &number));
    CHECK(!weir_error_detail_u64(error, "no such detail", NULL));
  }
  weir_error_free(error);
  weir_error_free(NULL);
  /* NULL instead of an error's place is fine, on success and on failure. */
  CHECK_EQ(weir_shard_manifest(session, "memory://core", "no uuid", -1, &manifest, NULL), WEIR_STATUS_INVALID_ARGUMENT);
  WeirSession *other = NULL;
  CHECK_EQ(weir_session_new(NULL, &other, NULL), WEIR_STATUS_OK);
  weir_session_free(other);
  weir_session_free(session);
}

static void test_error_getters_take_null(void) {
  CHECK_EQ(weir_error_code(NULL), WEIR_STATUS_OK);
  CHECK(weir_error_message(NULL) != NULL);
  (void)weir_error_action(NULL);
  CHECK(!weir_error_detail_u64(NULL, "x", NULL));
  CHECK(!weir_error_detail_str(NULL, "x", NULL));
}

/* A typed detail of each kind: what a backpressure error carries is tested in test_writer.c; here the plain getters. */
static void test_error_details(void) {
  WeirSession *session = session_new();
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 1);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  WeirError *error = NULL;
  uint64_t position = 0;
  CHECK_EQ(weir_tailer_read(tailer, 99, -1, &entry, &error), WEIR_STATUS_NOT_FOUND);
  CHECK(entry == NULL);
  CHECK(weir_error_detail_u64(error, "position", &position));
  CHECK_EQ(position, 99);
  const char *text = NULL;
  CHECK(!weir_error_detail_str(error, "position", &text)); /* a number is no text */
  weir_error_free(error);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  weir_session_free(session);
  free(root);
}

/* ---- Log ---- */

typedef struct {
  atomic_int lines, released, bad;
} LogSeen;

static void log_line(void *ctx, int32_t level, const char *target, const char *message) {
  LogSeen *seen = ctx;
  if (level < WEIR_LOG_LEVEL_ERROR || level > WEIR_LOG_LEVEL_TRACE || target == NULL || message == NULL) atomic_fetch_add(&seen->bad, 1);
  if (atomic_load(&seen->released) > 0) atomic_fetch_add(&seen->bad, 1); /* PITFALLS X5 */
  if (weir_version() == NULL) atomic_fetch_add(&seen->bad, 1); /* a sink may call weir */
  atomic_fetch_add(&seen->lines, 1);
}

static void log_release(void *ctx) { atomic_fetch_add(&((LogSeen *)ctx)->released, 1); }

static void test_log_sink(void) {
  LogSeen first = {0}, second = {0};
  WeirLogSink sink = WEIR_LOG_SINK_INIT;
  sink.log = log_line;
  sink.ctx = &first;
  sink.release = log_release;
  OK(weir_log_set_level(WEIR_LOG_LEVEL_DEBUG, &err));
  OK(weir_log_set_sink(&sink, &err));
  WeirSession *session = session_new();
  char *root = new_root(), hint[256];
  WeirWriter *writer = writer_new(session, root, NULL);
  weir_writer_free(writer);
  /* A hint that cannot be read: of no consequence, but for the log. */
  snprintf(hint, sizeof hint, "%s/_mem_wal/" SHARD "/manifest/version_hint.json", root);
  unlink(hint);
  CHECK_EQ(mkdir(hint, 0700), 0);
  writer = writer_new(session, root, NULL);
  CHECK_EQ(weir_writer_epoch(writer), 2);
  CHECK(atomic_load(&first.lines) > 0);
  weir_writer_free(writer);
  int lines = atomic_load(&first.lines);
  OK(weir_log_set_level(WEIR_LOG_LEVEL_OFF, &err));
  writer = writer_new(session, root, NULL);
  weir_writer_free(writer);
  CHECK_EQ(atomic_load(&first.lines), lines);
  weir_session_free(session);

  sink.ctx = &second;
  OK(weir_log_set_sink(&sink, &err));
  EVENTUALLY(atomic_load(&first.released) == 1);
  OK(weir_log_set_sink(NULL, &err));
  EVENTUALLY(atomic_load(&second.released) == 1);
  CHECK_EQ(atomic_load(&first.bad) + atomic_load(&second.bad), 0);
  OK(weir_log_set_sink(NULL, &err));
  CHECK_EQ(atomic_load(&first.released), 1);
  CHECK_EQ(atomic_load(&second.released), 1);
  free(root);
}

static void test_log_refuses_nonsense(void) {
  LogSeen seen = {0};
  WeirLogSink sink = {.struct_size = sizeof sink, .log = NULL, .ctx = &seen, .release = log_release};
  FAILS(weir_log_set_level(-1, &err), INVALID_ARGUMENT);
  FAILS(weir_log_set_level(6, &err), INVALID_ARGUMENT);
  FAILS(weir_log_set_sink(&sink, &err), INVALID_ARGUMENT);
  sink.log = log_line;
  sink.struct_size = 2;
  FAILS(weir_log_set_sink(&sink, &err), INVALID_ARGUMENT);
}

/* ---- Runtime ---- */

static atomic_int threads_started, threads_stopped;
static void count_up(void *ctx) { atomic_fetch_add((atomic_int *)ctx, 1); }
static void on_start(void *ctx) { (void)ctx, count_up(&threads_started); }
static void on_stop(void *ctx) { (void)ctx, count_up(&threads_stopped); }

static void test_runtime_is_configured_once_before_use(void) {
  WeirRuntimeOptions options = WEIR_RUNTIME_OPTIONS_INIT;
  options.struct_size = 1;
  FAILS(weir_runtime_configure(&options, &err), INVALID_ARGUMENT);
  options.struct_size = sizeof options;
  options.worker_threads = 1000000;
  FAILS(weir_runtime_configure(&options, &err), INVALID_ARGUMENT);
  options.worker_threads = 1;
  options.dispatcher_threads = 2;
  options.thread_name = "\xff";
  FAILS(weir_runtime_configure(&options, &err), INVALID_ARGUMENT);
  options.thread_name = "weir-test";
  options.on_thread_start = on_start;
  options.on_thread_stop = on_stop;
  OK(weir_runtime_configure(&options, &err));
}

/* Blocking calls on a local store need no thread; the first `_async` call does. */
static void test_runtime_starts_no_thread_before_use_and_is_fixed_then(void) {
  WeirSession *session = session_new();
  char *root = new_root();
  WeirTailer *tailer = NULL;
  WeirEntry *entry = NULL;
  WeirQueue *queue = NULL;
  WeirEvent event;
  size_t n = 0;
  OK(weir_tailer_open(session, root, SHARD, NULL, &tailer, &err));
  FAILS(weir_tailer_next(tailer, -1, &entry, &err), NOT_FOUND);
  CHECK_EQ(atomic_load(&threads_started), 0);
  OK(weir_queue_new(NULL, &queue, &err));
  OK(weir_tailer_next_async(tailer, weir_queue_completion(queue, 1), &err));
  OK(weir_queue_next(queue, &event, 1, 20000, &n, &err));
  CHECK_EQ(event.status, WEIR_STATUS_NOT_FOUND);
  weir_event_clear(&event);
  CHECK(atomic_load(&threads_started) > 0);
  weir_queue_free(queue);
  weir_tailer_free(tailer);
  WeirRuntimeOptions options = WEIR_RUNTIME_OPTIONS_INIT;
  FAILS(weir_runtime_configure(&options, &err), ALREADY_EXISTS);
  FAILS(weir_runtime_configure(NULL, &err), ALREADY_EXISTS);
  weir_session_free(session);
  free(root);
}

/* ---- Options ---- */

/* weir_x_options_init() and WEIR_X_OPTIONS_INIT say the same, and the function writes no byte beyond the size it is told. */
#define SAME_DEFAULTS(Type, INIT, init)                                                   \
  do {                                                                                    \
    static const Type macro = INIT; /* static: its padding is zero */                     \
    struct {                                                                              \
      Type options;                                                                       \
      uint8_t guard[8];                                                                   \
    } made;                                                                               \
    memset(&made, 0xa5, sizeof made);                                                     \
    init(&made.options, sizeof made.options);                                             \
    CHECK_EQ(made.options.struct_size, sizeof(Type));                                     \
    CHECK_EQ(macro.struct_size, sizeof(Type));                                            \
    CHECK(memcmp(&macro, &made.options, sizeof macro) == 0);                              \
    for (size_t i = 0; i < sizeof made.guard; i++) CHECK_EQ(made.guard[i], 0xa5);         \
    init(NULL, sizeof(Type));                                                             \
  } while (0)

static void test_defaults(void) {
  SAME_DEFAULTS(WeirRuntimeOptions, WEIR_RUNTIME_OPTIONS_INIT, weir_runtime_options_init);
  SAME_DEFAULTS(WeirQueueOptions, WEIR_QUEUE_OPTIONS_INIT, weir_queue_options_init);
  SAME_DEFAULTS(WeirSessionOptions, WEIR_SESSION_OPTIONS_INIT, weir_session_options_init);
  SAME_DEFAULTS(WeirTrimOptions, WEIR_TRIM_OPTIONS_INIT, weir_trim_options_init);
  SAME_DEFAULTS(WeirWriterOptions, WEIR_WRITER_OPTIONS_INIT, weir_writer_options_init);
  SAME_DEFAULTS(WeirAppenderOptions, WEIR_APPENDER_OPTIONS_INIT, weir_appender_options_init);
  SAME_DEFAULTS(WeirTailerOptions, WEIR_TAILER_OPTIONS_INIT, weir_tailer_options_init);
}

/* ---- Session ---- */

static void test_session_settings(void) {
  WeirSession *session = NULL;
  WeirBuffer *buffer = NULL;
  WeirKeyValue unknown = {"no_such_setting", "1"}, broken = {NULL, "1"}, no_text = {"aws_region", "\xff\xfe"};
  WeirKeyValue region = {"aws_region", "eu-west-1"};
  WeirSessionOptions options = WEIR_SESSION_OPTIONS_INIT;
  options.store_settings = &unknown;
  options.store_settings_len = 1;
  FAILS_SAYING(weir_session_new(&options, &session, &err), INVALID_ARGUMENT, "no_such_setting");
  CHECK(session == NULL);
  options.store_settings = &broken;
  FAILS(weir_session_new(&options, &session, &err), INVALID_ARGUMENT);
  options.store_settings = &no_text;
  FAILS(weir_session_new(&options, &session, &err), INVALID_ARGUMENT);
  options.store_settings = NULL;
  FAILS(weir_session_new(&options, &session, &err), INVALID_ARGUMENT); /* one setting, nowhere */
  options.store_settings_len = 0;
  OK(weir_session_new(&options, &session, &err));
  weir_session_free(session);

  OK(weir_store_settings_list(&buffer, &err));
  if (buffer != NULL && strstr((const char *)weir_buffer_data(buffer), "aws_region\n") != NULL) {
    options.store_settings = &region;
    options.store_settings_len = 1;
    OK(weir_session_new(&options, &session, &err));
    weir_session_free(session);
  }
  weir_buffer_free(buffer);
  FAILS(weir_session_new(NULL, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_store_settings_list(NULL, &err), INVALID_ARGUMENT);
  weir_session_free(NULL);
}

/* Options of another length than ours: a shorter one is an older caller's, a longer one a newer caller's. */
static void test_session_options_sizes(void) {
  struct {
    WeirSessionOptions options;
    uint8_t tail[16];
  } longer;
  WeirSession *session = NULL;
  memset(&longer, 0, sizeof longer);
  longer.options = (WeirSessionOptions)WEIR_SESSION_OPTIONS_INIT;
  longer.options.struct_size = sizeof longer;
  OK(weir_session_new(&longer.options, &session, &err));
  weir_session_free(session);
  session = NULL;
  longer.tail[15] = 1;
  FAILS(weir_session_new(&longer.options, &session, &err), INVALID_ARGUMENT);
  /* The first version ended with store_settings_len: programs built against it go on working. */
  const uint32_t frozen = offsetof(WeirSessionOptions, store_settings_len) + sizeof longer.options.store_settings_len;
  for (uint32_t size = 0; size < frozen; size++) {
    longer.options.struct_size = size;
    FAILS(weir_session_new(&longer.options, &session, &err), INVALID_ARGUMENT);
  }
  CHECK(session == NULL);
  longer.options.memory_bytes = 1; /* beyond the size given: not read */
  for (uint32_t size = frozen; size < sizeof(WeirSessionOptions); size++) {
    WeirSessionMemory memory = WEIR_SESSION_MEMORY_INIT;
    longer.options.struct_size = size;
    OK(weir_session_new(&longer.options, &session, &err));
    OK(weir_session_memory(session, &memory, &err));
    CHECK_EQ(memory.limit_bytes, 0);
    weir_session_free(session);
  }
  longer.options.struct_size = frozen; /* what lies behind is not its caller's */
  memset((uint8_t *)&longer + frozen, 0x5a, sizeof longer - frozen);
  OK(weir_session_new(&longer.options, &session, &err));
  weir_session_free(session);
}

static void test_metrics_and_buffers(void) {
  WeirSession *session = session_new();
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 3);
  WeirBuffer *buffer = NULL;
  OK(weir_metrics_prometheus(session, &buffer, &err));
  const char *text = (const char *)weir_buffer_data(buffer);
  if (CHECK(text != NULL)) {
    CHECK(weir_buffer_len(buffer) > 0);
    CHECK_EQ(text[weir_buffer_len(buffer)], '\0'); /* so that it can be printed */
    CHECK_EQ(strlen(text), weir_buffer_len(buffer));
    CHECK(strstr(text, "# TYPE weir_") != NULL);
  }
  weir_buffer_free(buffer);
  weir_buffer_free(NULL);
  CHECK(weir_buffer_data(NULL) == NULL);
  CHECK_EQ(weir_buffer_len(NULL), 0);
  FAILS(weir_metrics_prometheus(NULL, &buffer, &err), INVALID_ARGUMENT);
  CHECK(buffer == NULL);
  FAILS(weir_metrics_prometheus(session, NULL, &err), INVALID_ARGUMENT);
  weir_writer_free(writer);
  weir_session_free(session);
  free(root);
}

static void test_handles_are_counted(void) {
  uint64_t before = weir_live_handles();
  WeirSession *session = session_new();
  CHECK(weir_live_handles() > before);
  weir_session_free(session);
  CHECK_EQ(weir_live_handles(), before);
}

/* ---- Queue without work ---- */

static void test_queue_empty_and_closed(void) {
  WeirQueue *queue = NULL;
  WeirEvent events[4];
  size_t n = 99;
  OK(weir_queue_new(NULL, &queue, &err));
  int fd = weir_queue_fd(queue);
  struct pollfd pollfd = {.fd = fd, .events = POLLIN};
  CHECK(fd >= 0);
  CHECK_EQ(poll(&pollfd, 1, 0), 0);
  FAILS(weir_queue_next(queue, events, 4, 0, &n, &err), TIMED_OUT);
  CHECK_EQ(n, 0);
  int64_t start = now_ms();
  FAILS(weir_queue_next(queue, events, 4, 30, &n, &err), TIMED_OUT);
  CHECK(now_ms() - start >= 29);
  FAILS(weir_queue_next(queue, events, 0, 0, &n, &err), INVALID_ARGUMENT);
  FAILS(weir_queue_next(queue, NULL, 4, 0, &n, &err), INVALID_ARGUMENT);
  FAILS(weir_queue_next(queue, events, 4, 0, NULL, &err), INVALID_ARGUMENT);
  WeirCompletion completion = weir_queue_completion(queue, 7); /* unused: costs nothing */
  CHECK(completion.fn != NULL);
  CHECK_EQ(completion.token, 7);
  OK(weir_queue_close(queue, &err));
  OK(weir_queue_close(queue, &err));
  FAILS(weir_queue_next(queue, events, 4, -1, &n, &err), CLOSED);
  weir_queue_free(queue);
}

static void *wait_on_queue(void *arg) {
  WeirEvent event;
  size_t n;
  WeirError *error = NULL;
  WeirStatus status = weir_queue_next(arg, &event, 1, -1, &n, &error);
  weir_error_free(error);
  return (void *)(intptr_t)status;
}

static void test_queue_close_wakes_its_waiters(void) {
  WeirQueue *queue = NULL;
  pthread_t threads[3];
  void *status;
  OK(weir_queue_new(NULL, &queue, &err));
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, wait_on_queue, queue);
  sleep_ms(20); /* not needed for the outcome: lets the waiters wait first, mostly */
  OK(weir_queue_close(queue, &err));
  for (int i = 0; i < 3; i++) {
    pthread_join(threads[i], &status);
    CHECK_EQ((intptr_t)status, WEIR_STATUS_CLOSED);
  }
  weir_queue_free(queue);
}

static void test_queue_takes_null(void) {
  WeirQueue *queue = NULL;
  WeirEvent event;
  size_t n;
  FAILS(weir_queue_new(NULL, NULL, &err), INVALID_ARGUMENT);
  WeirQueueOptions options = {.struct_size = 1};
  FAILS(weir_queue_new(&options, &queue, &err), INVALID_ARGUMENT);
  CHECK(queue == NULL);
  FAILS(weir_queue_next(NULL, &event, 1, 0, &n, &err), INVALID_ARGUMENT);
  FAILS(weir_queue_close(NULL, &err), INVALID_ARGUMENT);
  CHECK_EQ(weir_queue_fd(NULL), -1);
  CHECK(weir_queue_completion(NULL, 1).fn == NULL);
  weir_queue_free(NULL);
  weir_event_clear(NULL);
  memset(&event, 0, sizeof event);
  weir_event_clear(&event);
}

/* ---- The reader of Arrow files ---- */

static void test_ipc_open_file(void) {
  struct ArrowArrayStream stream = {0};
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  int64_t rows = 0;
  OK(weir_ipc_open_file(WEIR_TEST_DATA, &stream, &err));
  if (CHECK(stream.release != NULL)) {
    CHECK_EQ(stream.get_schema(&stream, &schema), 0);
    CHECK_EQ(schema.n_children, 14);
    while (stream.get_next(&stream, &batch) == 0 && batch.release != NULL) {
      rows += batch.length;
      batch.release(&batch);
    }
    CHECK_EQ(rows, 4000);
    schema.release(&schema);
    stream.release(&stream);
  }
  memset(&stream, 0xff, sizeof stream);
  FAILS_SAYING(weir_ipc_open_file("/no/such/file.arrow", &stream, &err), NOT_FOUND, "/no/such/file.arrow");
  CHECK(stream.release == NULL); /* an output is zeroed on entry */
  FAILS(weir_ipc_open_file(NULL, &stream, &err), INVALID_ARGUMENT);
  FAILS(weir_ipc_open_file(WEIR_TEST_DATA, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_ipc_open_file("\xff", &stream, &err), INVALID_ARGUMENT);
  char *text = new_root();
  FILE *file = fopen(text, "w");
  fputs("this is no Arrow file, long as it may be, by any stretch of the imagination", file);
  fclose(file);
  FAILS_EITHER(weir_ipc_open_file(text, &stream, &err), INVALID_DATA, CORRUPTION);
  CHECK(stream.release == NULL);
  free(text);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  RUN(test_version_is_the_headers);
  RUN(test_status_names);
  RUN(test_runtime_is_configured_once_before_use);
  RUN(test_runtime_starts_no_thread_before_use_and_is_fixed_then);
  RUN(test_error_is_whole_and_errors_are_optional);
  RUN(test_error_getters_take_null);
  RUN(test_error_details);
  RUN(test_log_sink);
  RUN(test_log_refuses_nonsense);
  RUN(test_defaults);
  RUN(test_session_settings);
  RUN(test_session_options_sizes);
  RUN(test_metrics_and_buffers);
  RUN(test_handles_are_counted);
  RUN(test_queue_empty_and_closed);
  RUN(test_queue_close_wakes_its_waiters);
  RUN(test_queue_takes_null);
  RUN(test_ipc_open_file);
  check_all_released();
  int code = harness_finish(argv[0]);
  if (atomic_load(&threads_started) != atomic_load(&threads_stopped) || atomic_load(&threads_started) == 0) {
    printf("    thread hooks: %d started, %d stopped\n", atomic_load(&threads_started), atomic_load(&threads_stopped));
    return 1;
  }
  return code;
}
