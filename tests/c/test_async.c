/* The asynchronous half: every operation completes exactly once — also under close, cancel and shutdown — by callback and by
 * queue; callbacks may block and may call weir; a refused call never completes. */
#include "arrow_build.h"

#include <poll.h>

static WeirSession *session;

/* ---- Completions ---- */

#define MAX_TOKENS 4096

/* How often each token completed, and how. */
typedef struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int times[MAX_TOKENS];
  WeirStatus status[MAX_TOKENS];
  WeirEvent last; /* owned: what the last event carried */
  int total, ok, twice;
} Completions;

static void completions_init(Completions *c) {
  memset(c, 0, sizeof *c);
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->changed, NULL);
}

static void on_complete(void *ctx, const WeirEvent *event) {
  Completions *c = ctx;
  pthread_mutex_lock(&c->lock);
  if (event->token >= MAX_TOKENS || c->times[event->token]++ > 0) c->twice++;
  else c->status[event->token] = event->status;
  c->total++;
  c->ok += event->status == WEIR_STATUS_OK;
  weir_event_clear(&c->last);
  c->last = *event; /* what it owns is ours now */
  pthread_cond_broadcast(&c->changed);
  pthread_mutex_unlock(&c->lock);
}

static WeirCompletion to(Completions *c, uint64_t token) { return (WeirCompletion){on_complete, c, token}; }

static bool await(Completions *c, int total) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 30;
  pthread_mutex_lock(&c->lock);
  while (c->total < total && pthread_cond_timedwait(&c->changed, &c->lock, &until) == 0) {
  }
  bool good = c->total == total && c->twice == 0;
  pthread_mutex_unlock(&c->lock);
  CHECK_EQ(c->total, total);
  CHECK_EQ(c->twice, 0);
  return good;
}

/* One operation's outcome: the call is accepted, and completes once with this status. */
static void *await_one(Completions *c, WeirStatus accepted, WeirStatus expected, int32_t kind, const char *what, int line) {
  if (accepted != WEIR_STATUS_OK) {
    fail_at(__FILE__, line, "%s was refused: %s", what, weir_status_name(accepted));
    return NULL;
  }
  if (!await(c, 1)) return NULL;
  if (c->last.status != expected)
    fail_at(__FILE__, line, "%s came to %s (%s), not %s", what, weir_status_name(c->last.status), weir_error_message(c->last.error),
            weir_status_name(expected));
  if ((c->last.status == WEIR_STATUS_OK) != (c->last.error == NULL)) fail_at(__FILE__, line, "%s: status and error do not match", what);
  if (c->last.status == WEIR_STATUS_OK && c->last.result_kind != kind)
    fail_at(__FILE__, line, "%s: result of kind %d", what, c->last.result_kind);
  return c->last.result;
}
#define AWAIT(c, call, code, kind) (completions_init(c), await_one((c), (call), WEIR_STATUS_##code, WEIR_RESULT_##kind, #call, __LINE__))

/* Frees what the last event owns and readies for the next. */
static void forget(Completions *c) { weir_event_clear(&c->last); }

static void test_every_operation_by_callback(void) {
  char *root = new_root();
  Completions c;
  struct ArrowSchema schema = batch_schema();
  WeirWriterOptions options = quick_options();
  WeirWriter *writer = AWAIT(&c, weir_writer_open_async(session, root, SHARD, &schema, &options, to(&c, 1), NULL), OK, WRITER);
  CHECK_EQ(c.last.token, 1);
  schema.release(&schema);
  if (writer == NULL) return;
  struct ArrowArray batch = batch_new(10, 0);
  AWAIT(&c, weir_writer_put_async(writer, &batch, to(&c, 2), NULL), OK, NONE);
  CHECK_EQ(c.last.ack.sequence, 1);
  CHECK_EQ(c.last.ack.position, 1);
  CHECK_EQ(c.last.ack.epoch, 1);
  forget(&c);
  struct ArrowArrayStream stream = stream_new(3, 10, 10);
  AWAIT(&c, weir_writer_put_stream_async(writer, &stream, to(&c, 3), NULL), OK, NONE);
  CHECK_EQ(c.last.ack.sequence, 4);
  forget(&c);
  AWAIT(&c, weir_writer_flush_async(writer, to(&c, 4), NULL), OK, NONE);
  AWAIT(&c, weir_writer_wait_durable_async(writer, 4, to(&c, 5), NULL), OK, NONE);
  AWAIT(&c, weir_writer_wait_durable_async(writer, 99, to(&c, 6), NULL), INVALID_ARGUMENT, NONE);
  forget(&c);
  AWAIT(&c, weir_writer_check_fenced_async(writer, to(&c, 7), NULL), OK, NONE);
  AWAIT(&c, weir_writer_wait_capacity_async(writer, 100, to(&c, 8), NULL), OK, NONE);

  WeirTailer *tailer = tailer_new(session, root, NULL);
  AWAIT(&c, weir_tailer_first_position_async(tailer, to(&c, 10), NULL), OK, NONE);
  CHECK_EQ(c.last.value, 1);
  AWAIT(&c, weir_tailer_next_position_async(tailer, to(&c, 11), NULL), OK, NONE);
  CHECK(c.last.value >= 3);
  uint64_t end = c.last.value;
  WeirEntry *entry = AWAIT(&c, weir_tailer_next_async(tailer, to(&c, 12), NULL), OK, ENTRY);
  CHECK_EQ(weir_entry_position(entry), 1);
  forget(&c);
  entry = AWAIT(&c, weir_tailer_read_async(tailer, 1, to(&c, 13), NULL), OK, ENTRY);
  CHECK_EQ(weir_entry_rows(entry), 10);
  forget(&c);
  AWAIT(&c, weir_tailer_read_async(tailer, end, to(&c, 14), NULL), NOT_FOUND, NONE);
  forget(&c);

  AWAIT(&c, weir_writer_close_async(writer, to(&c, 15), NULL), OK, NONE);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void test_the_appender_by_callback(void) {
  char *root = new_root();
  Completions c;
  struct ArrowSchema schema = batch_schema();
  WeirAppender *appender = AWAIT(&c, weir_appender_open_async(session, root, SHARD, &schema, NULL, to(&c, 1), NULL), OK, APPENDER);
  schema.release(&schema);
  for (uint64_t i = 1; i <= 3; i++) {
    struct ArrowArray batch = batch_new(10, 0);
    AWAIT(&c, weir_appender_append_async(appender, &batch, to(&c, i), NULL), OK, NONE);
    CHECK_EQ(c.last.value, i);
  }
  AWAIT(&c, weir_appender_check_fenced_async(appender, to(&c, 5), NULL), OK, NONE);
  AWAIT(&c, weir_appender_close_async(appender, to(&c, 6), NULL), OK, NONE);
  weir_appender_free(appender);
  free(root);
}

static void test_shards_by_callback(void) {
  char *root = new_root();
  Completions c;
  const uint8_t value[] = {1, 2};
  const WeirShardField field = {"bucket", value, sizeof value};
  AWAIT(&c, weir_shard_manifest_async(session, root, SHARD, to(&c, 1), NULL), NOT_FOUND, NONE);
  forget(&c);
  AWAIT(&c, weir_shard_init_async(session, root, SHARD, 3, &field, 1, to(&c, 2), NULL), OK, NONE);
  AWAIT(&c, weir_shard_init_async(session, root, SHARD, 3, &field, 1, to(&c, 3), NULL), ALREADY_EXISTS, NONE);
  forget(&c);
  WeirBuffer *ids = AWAIT(&c, weir_shard_list_async(session, root, to(&c, 4), NULL), OK, BUFFER);
  CHECK_STR(weir_buffer_data(ids), SHARD "\n");
  forget(&c);
  WeirManifest *manifest = AWAIT(&c, weir_shard_manifest_async(session, root, SHARD, to(&c, 5), NULL), OK, MANIFEST);
  CHECK_EQ(weir_manifest_shard_spec_id(manifest), 3);
  forget(&c);
  AWAIT(&c, weir_shard_seal_async(session, root, SHARD, to(&c, 6), NULL), OK, NONE);
  struct ArrowSchema schema = batch_schema();
  AWAIT(&c, weir_writer_open_async(session, root, SHARD, &schema, NULL, to(&c, 7), NULL), SEALED, NONE);
  CHECK(c.last.result == NULL);
  forget(&c);
  AWAIT(&c, weir_appender_open_async(session, root, SHARD, &schema, NULL, to(&c, 7), NULL), SEALED, NONE);
  forget(&c);
  schema.release(&schema);
  AWAIT(&c, weir_shard_unseal_async(session, root, SHARD, to(&c, 8), NULL), OK, NONE);
  AWAIT(&c, weir_shard_trim_async(session, root, SHARD, 1, NULL, to(&c, 9), NULL), OK, NONE);
  CHECK_EQ(c.last.value, 0); /* an empty log */

  /* What is wrong with the arguments is said at once, and completes nothing. */
  completions_init(&c);
  const WeirShardField twice[] = {field, field};
  FAILS(weir_shard_init_async(session, root, SHARD2, 3, twice, 2, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_shard_init_async(NULL, root, SHARD, 3, NULL, 0, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_shard_manifest_async(session, root, "nonsense", to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_shard_list_async(session, NULL, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_shard_seal_async(session, root, NULL, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_shard_unseal_async(session, "", SHARD, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_shard_trim_async(session, root, SHARD, 1, NULL, (WeirCompletion){0}, &err), INVALID_ARGUMENT);
  CHECK_EQ(c.total, 0);
  free(root);
}

static void test_null_handles_complete_nothing(void) {
  Completions c;
  WeirCompletion none = {0};
  struct ArrowSchema schema = batch_schema();
  char *root = new_root();
  completions_init(&c);
  FAILS(weir_writer_open_async(NULL, root, SHARD, &schema, NULL, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_writer_open_async(session, root, SHARD, &schema, NULL, none, &err), INVALID_ARGUMENT);
  FAILS(weir_writer_open_async(session, root, "nonsense", &schema, NULL, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_writer_flush_async(NULL, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_writer_wait_durable_async(NULL, 1, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_writer_check_fenced_async(NULL, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_writer_wait_capacity_async(NULL, 1, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_writer_close_async(NULL, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_appender_open_async(NULL, root, SHARD, &schema, NULL, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_appender_check_fenced_async(NULL, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_appender_close_async(NULL, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_next_async(NULL, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_read_async(NULL, 1, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_first_position_async(NULL, to(&c, 1), &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_next_position_async(NULL, to(&c, 1), &err), INVALID_ARGUMENT);
  WeirWriter *writer = writer_new(session, root, NULL);
  FAILS(weir_writer_flush_async(writer, none, &err), INVALID_ARGUMENT);
  weir_writer_free(writer);
  CHECK_EQ(c.total, 0);
  schema.release(&schema);
  free(root);
}

static void test_many_puts_complete_once_each_and_in_order(void) {
  enum { PUTS = 1000 };
  char *root = new_root();
  Completions *c = malloc(sizeof *c);
  completions_init(c);
  WeirWriter *writer = writer_new(session, root, NULL);
  for (int i = 0; i < PUTS; i++) {
    struct ArrowArray batch = batch_new(10, i * 10);
    OK(weir_writer_put_async(writer, &batch, to(c, (uint64_t)i), &err));
  }
  await(c, PUTS);
  CHECK_EQ(c->ok, PUTS);
  CHECK_EQ(weir_writer_durable_position(writer), PUTS);
  CHECK_EQ(rows_in_log(session, root), PUTS * 10);
  forget(c);
  weir_writer_free(writer);
  free(c);
  free(root);
}

/* put_async never waits: at the limit it refuses, and what it refused does not complete. */
static void test_backpressure_is_immediate(void) {
  char *root = new_root();
  Completions *c = malloc(sizeof *c);
  WeirWriterOptions options = quick_options();
  int accepted = 0, refused = 0;
  completions_init(c);
  options.linger_us = 1000000; /* durable, and slow to start */
  options.max_buffer_bytes = options.max_pending_bytes = 32 * 1024;
  WeirWriter *writer = writer_new(session, root, &options);
  for (int i = 0; i < 400; i++) {
    struct ArrowArray batch = batch_new(100, i * 100);
    WeirError *error = NULL;
    WeirStatus status = weir_writer_put_async(writer, &batch, to(c, (uint64_t)i), &error);
    CHECK(batch.release == NULL);
    if (status == WEIR_STATUS_OK) accepted++;
    else if (status == WEIR_STATUS_BACKPRESSURE) refused++;
    else fail_at(__FILE__, __LINE__, "put_async: %s", weir_status_name(status));
    weir_error_free(error);
  }
  CHECK(accepted > 0);
  CHECK(refused > 0);
  OK(weir_writer_flush(writer, -1, &err));
  await(c, accepted);
  CHECK_EQ(c->ok, accepted);
  CHECK_EQ(rows_in_log(session, root), accepted * 100);
  forget(c);
  weir_writer_free(writer);
  free(c);
  free(root);
}

/* PITFALLS X4, X8: whatever ends the writer, each accepted put completes once; those that say OK are in the log. */
static void ends_under_fire(int how) {
  enum { PUTS = 300 };
  char *root = new_root();
  Completions *c = malloc(sizeof *c);
  int accepted = 0;
  completions_init(c);
  WeirWriter *writer = writer_new(session, root, NULL), *successor = NULL;
  for (int i = 0; i < PUTS; i++) {
    struct ArrowArray batch = batch_new(10, i * 10);
    if (i == PUTS / 2 && how == 0) OK(weir_writer_close_async(writer, to(c, PUTS), &err));
    if (i == PUTS / 2 && how == 1) OK(weir_writer_abort(writer, &err));
    if (i == PUTS / 2 && how == 2) successor = writer_new(session, root, NULL);
    accepted += weir_writer_put_async(writer, &batch, to(c, (uint64_t)i), NULL) == WEIR_STATUS_OK;
    CHECK(batch.release == NULL);
  }
  if (how == 3) { /* the handle goes while its puts are under way */
    weir_writer_free(writer);
    writer = NULL;
  }
  await(c, accepted + (how == 0));
  uint64_t rows = rows_in_log(session, root);
  int ok = c->ok - (how == 0);
  CHECK(rows >= (uint64_t)ok * 10);
  if (how == 0) CHECK_EQ(rows, accepted * 10); /* close waits for all of them */
  forget(c);
  weir_writer_free(writer);
  weir_writer_free(successor);
  free(c);
  free(root);
}

static void test_close_under_fire(void) { ends_under_fire(0); }
static void test_abort_under_fire(void) { ends_under_fire(1); }
static void test_fencing_under_fire(void) { ends_under_fire(2); }
static void test_free_under_fire(void) { ends_under_fire(3); }

/* A waiting tailer: interrupted, closed, given what it waits for; and freed, which ends nothing: the entry still comes. */
static void test_a_waiting_next_completes_however_it_ends(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  static const int expected[] = {WEIR_STATUS_CANCELLED, WEIR_STATUS_CLOSED, WEIR_STATUS_OK, WEIR_STATUS_OK};
  uint64_t written = 0;
  for (int how = 0; how < 4; how++) {
    WeirTailerOptions options = WEIR_TAILER_OPTIONS_INIT;
    Completions c;
    options.follow = 1;
    options.from = written + 1;
    WeirTailer *tailer = tailer_new(session, root, &options);
    completions_init(&c);
    OK(weir_tailer_next_async(tailer, to(&c, 1), &err));
    if (how == 0) weir_tailer_interrupt(tailer);
    if (how == 1) OK(weir_tailer_close(tailer, &err));
    if (how == 3) weir_tailer_free(tailer);
    if (how >= 2) put_batches(writer, 1), written++;
    await(&c, 1);
    CHECK_EQ(c.last.status, expected[how]);
    if (how >= 2 && CHECK_EQ(c.last.result_kind, WEIR_RESULT_ENTRY)) CHECK_EQ(weir_entry_position(c.last.result), written);
    forget(&c);
    if (how != 3) weir_tailer_free(tailer);
  }
  weir_writer_free(writer);
  free(root);
}

/* ---- Callbacks that use weir (PITFALLS X9) ---- */

typedef struct {
  WeirWriter *writer;
  Completions *completions;
  char *root;
  atomic_int left, failed;
} Chain;

/* Each completion makes blocking calls, and the next put. */
static void on_chain(void *ctx, const WeirEvent *event) {
  Chain *chain = ctx;
  WeirAck ack;
  struct ArrowArray batch = batch_new(10, 0);
  if (event->status != WEIR_STATUS_OK) atomic_fetch_add(&chain->failed, 1);
  if (weir_writer_put(chain->writer, &batch, -1, &ack, NULL) != WEIR_STATUS_OK) atomic_fetch_add(&chain->failed, 1);
  if (weir_writer_flush(chain->writer, -1, NULL) != WEIR_STATUS_OK) atomic_fetch_add(&chain->failed, 1);
  if (weir_writer_check_fenced(chain->writer, -1, NULL) != WEIR_STATUS_OK) atomic_fetch_add(&chain->failed, 1);
  batch = batch_new(10, 0);
  if (atomic_fetch_sub(&chain->left, 1) > 1) {
    WeirCompletion next = {on_chain, chain, 0};
    if (weir_writer_put_async(chain->writer, &batch, next, NULL) != WEIR_STATUS_OK) atomic_fetch_add(&chain->failed, 1);
  } else if (weir_writer_put_async(chain->writer, &batch, to(chain->completions, 0), NULL) != WEIR_STATUS_OK) {
    atomic_fetch_add(&chain->failed, 1);
  }
}

static void test_callbacks_may_block_and_call_weir(void) {
  enum { LENGTH = 20, CHAINS = 8 };
  char *root = new_root();
  Completions c;
  Chain chains[CHAINS];
  completions_init(&c);
  WeirWriter *writer = writer_new(session, root, NULL);
  for (int i = 0; i < CHAINS; i++) {
    struct ArrowArray batch = batch_new(10, 0);
    chains[i] = (Chain){.writer = writer, .completions = &c, .root = root};
    atomic_store(&chains[i].left, LENGTH);
    OK(weir_writer_put_async(writer, &batch, (WeirCompletion){on_chain, &chains[i], 0}, &err));
  }
  EVENTUALLY(c.total == CHAINS);
  for (int i = 0; i < CHAINS; i++) CHECK_EQ(atomic_load(&chains[i].failed), 0);
  CHECK_EQ(rows_in_log(session, root), (LENGTH * 2 + 1) * CHAINS * 10);
  forget(&c);
  weir_writer_free(writer);
  free(root);
}

/* ---- Queues ---- */

static void test_a_queue_drains_in_batches(void) {
  enum { PUTS = 500 };
  char *root = new_root();
  WeirQueue *queue = NULL;
  WeirEvent events[64];
  int seen[PUTS] = {0}, total = 0;
  OK(weir_queue_new(NULL, &queue, &err));
  WeirWriter *writer = writer_new(session, root, NULL);
  for (int i = 0; i < PUTS; i++) {
    struct ArrowArray batch = batch_new(10, i * 10);
    OK(weir_writer_put_async(writer, &batch, weir_queue_completion(queue, (uint64_t)i), &err));
  }
  while (total < PUTS) {
    size_t n = 0;
    if (!OK(weir_queue_next(queue, events, 64, 20000, &n, &err))) break;
    CHECK(n >= 1 && n <= 64);
    for (size_t i = 0; i < n; i++) {
      CHECK_EQ(events[i].status, WEIR_STATUS_OK);
      if (CHECK(events[i].token < PUTS)) seen[events[i].token]++;
      weir_event_clear(&events[i]);
    }
    total += (int)n;
  }
  for (int i = 0; i < PUTS; i++) CHECK_EQ(seen[i], 1);
  weir_writer_free(writer);
  weir_queue_free(queue);
  free(root);
}

static void test_the_queues_descriptor_can_be_polled(void) {
  char *root = new_root();
  WeirQueue *queue = NULL;
  WeirEvent events[2];
  size_t n = 0;
  OK(weir_queue_new(NULL, &queue, &err));
  WeirWriter *writer = writer_new(session, root, NULL);
  struct pollfd fd = {.fd = weir_queue_fd(queue), .events = POLLIN};
  CHECK_EQ(poll(&fd, 1, 0), 0);
  for (int i = 0; i < 3; i++) {
    struct ArrowArray batch = batch_new(10, i * 10);
    OK(weir_writer_put_async(writer, &batch, weir_queue_completion(queue, 1), &err));
  }
  OK(weir_writer_flush(writer, -1, &err));
  int drained = 0;
  while (drained < 3) {
    if (!CHECK_EQ(poll(&fd, 1, 20000), 1)) break; /* readable as long as events wait */
    if (!OK(weir_queue_next(queue, events, 2, 0, &n, &err))) break;
    drained += (int)n;
  }
  CHECK_EQ(drained, 3);
  CHECK_EQ(poll(&fd, 1, 0), 0);
  weir_writer_free(writer);
  weir_queue_free(queue);
  free(root);
}

/* What came before the close can still be drained, and what was accepted before it, when it comes; a queue that is closed never
 * waits. What a queue still holds when it is freed is freed with it. */
static void test_a_closed_queue_can_be_drained_and_a_full_one_freed(void) {
  for (int drain = 0; drain < 2; drain++) {
    char *root = new_root();
    WeirQueue *queue = NULL;
    WeirEvent event;
    size_t n = 0;
    OK(weir_queue_new(NULL, &queue, &err));
    WeirWriter *writer = writer_new(session, root, NULL);
    put_batches(writer, 3);
    WeirTailer *tailer = tailer_new(session, root, NULL);
    int fd = weir_queue_fd(queue);
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    for (int i = 0; i < 3; i++) {
      OK(weir_tailer_next_async(tailer, weir_queue_completion(queue, 1), &err)); /* events that own entries */
      OK(weir_tailer_read_async(tailer, 99, weir_queue_completion(queue, 2), &err)); /* and errors */
    }
    CHECK_EQ(poll(&pollfd, 1, 20000), 1);
    if (drain) {
      OK(weir_queue_close(queue, &err));
      int drained = 0;
      for (int64_t give_up = now_ms() + 20000; drained < 6 && now_ms() < give_up;) {
        WeirStatus status = weir_queue_next(queue, &event, 1, -1, &n, NULL);
        if (status == WEIR_STATUS_OK) weir_event_clear(&event), drained++;
        else if (CHECK_EQ(status, WEIR_STATUS_CLOSED)) sleep_ms(1);
      }
      CHECK_EQ(drained, 6);
      FAILS(weir_tailer_next_async(tailer, weir_queue_completion(queue, 1), &err), CLOSED);
      FAILS(weir_queue_next(queue, &event, 1, -1, &n, &err), CLOSED);
    }
    weir_queue_free(queue);
    weir_tailer_free(tailer);
    weir_writer_free(writer);
    free(root);
  }
}

/* Operations that are under way keep their queue alive: freeing it first is allowed. */
static void test_a_queue_freed_before_its_operations_end(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  for (int round = 0; round < 20; round++) {
    WeirQueue *queue = NULL;
    OK(weir_queue_new(NULL, &queue, &err));
    for (int i = 0; i < 10; i++) {
      struct ArrowArray batch = batch_new(10, i * 10);
      OK(weir_writer_put_async(writer, &batch, weir_queue_completion(queue, 1), &err));
    }
    weir_queue_free(queue);
  }
  OK(weir_writer_flush(writer, -1, &err));
  CHECK_EQ(rows_in_log(session, root), 20 * 10 * 10);
  weir_writer_free(writer);
  free(root);
}

/* ---- Shutdown: the last test of the program ---- */

typedef struct {
  WeirTailer *tailer;
  WeirQueue *queue;
  WeirStatus status;
  atomic_bool waiting;
} Waiter;

static void *wait_for_an_entry(void *arg) {
  Waiter *waiter = arg;
  WeirEntry *entry = NULL;
  atomic_store(&waiter->waiting, true);
  waiter->status = weir_tailer_next(waiter->tailer, -1, &entry, NULL);
  weir_entry_free(entry);
  return NULL;
}

static void *wait_for_an_event(void *arg) {
  Waiter *waiter = arg;
  WeirEvent event;
  size_t n;
  atomic_store(&waiter->waiting, true);
  waiter->status = weir_queue_next(waiter->queue, &event, 1, -1, &n, NULL);
  return NULL;
}

static void on_shutdown_from_callback(void *ctx, const WeirEvent *event) {
  Waiter *waiter = ctx;
  if (event->status == WEIR_STATUS_OK) waiter->status = weir_runtime_shutdown(-1, NULL);
  atomic_store(&waiter->waiting, false);
}

/* PITFALLS X9: what would wait for itself is refused. */
static void test_shutdown_from_a_callback_is_refused(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  Waiter waiter = {.waiting = true};
  struct ArrowArray batch = batch_new(10, 0);
  OK(weir_writer_put_async(writer, &batch, (WeirCompletion){on_shutdown_from_callback, &waiter, 0}, &err));
  EVENTUALLY(!atomic_load(&waiter.waiting));
  CHECK_EQ(waiter.status, WEIR_STATUS_WOULD_DEADLOCK);
  put_batches(writer, 1); /* and nothing was shut down */
  weir_writer_free(writer);
  free(root);
}

/* PITFALLS X4. */
static void test_shutdown_completes_what_was_accepted(void) {
  enum { PUTS = 200 };
  char *root = new_root();
  Completions *c = malloc(sizeof *c);
  WeirTailerOptions options = WEIR_TAILER_OPTIONS_INIT;
  int accepted = 0;
  completions_init(c);
  options.follow = 1;
  WeirWriter *writer = writer_new(session, root, NULL);
  WeirTailer *tailer = tailer_new(session, root, &options);
  OK(weir_tailer_seek(tailer, 100000, &err));
  Waiter for_entry = {.tailer = tailer_new(session, root, &options)}, for_event = {0};
  WeirQueue *queue = NULL;
  pthread_t threads[2];
  OK(weir_queue_new(NULL, &queue, &err));
  OK(weir_tailer_seek(for_entry.tailer, 100000, &err));
  for_event.queue = queue;
  pthread_create(&threads[0], NULL, wait_for_an_entry, &for_entry);
  pthread_create(&threads[1], NULL, wait_for_an_event, &for_event);
  EVENTUALLY(atomic_load(&for_entry.waiting) && atomic_load(&for_event.waiting));
  accepted += weir_tailer_next_async(tailer, to(c, PUTS), NULL) == WEIR_STATUS_OK; /* would wait for ever */
  for (int i = 0; i < PUTS; i++) {
    struct ArrowArray batch = batch_new(10, i * 10);
    accepted += weir_writer_put_async(writer, &batch, to(c, (uint64_t)i), NULL) == WEIR_STATUS_OK;
  }
  OK(weir_runtime_shutdown(20000, &err));
  CHECK_EQ(c->total, accepted); /* all came before it returned */
  await(c, accepted);
  CHECK(rows_in_log(session, root) >= (uint64_t)c->ok * 10);
  pthread_join(threads[0], NULL);
  CHECK_EQ(for_entry.status, WEIR_STATUS_CLOSED);
  OK(weir_queue_close(queue, &err)); /* a queue is the program's: it ends when the program says so, shut down or not */
  pthread_join(threads[1], NULL);
  CHECK_EQ(for_event.status, WEIR_STATUS_CLOSED);
  struct ArrowArray batch = batch_new(10, 0);
  FAILS(weir_writer_put_async(writer, &batch, to(c, 1), &err), CLOSED); /* no more, and no crash */
  CHECK(batch.release == NULL);
  WeirEntry *entry = NULL;
  FAILS(weir_tailer_next_async(tailer, to(c, 1), &err), CLOSED);
  FAILS(weir_tailer_next(tailer, -1, &entry, &err), CLOSED);
  OK(weir_runtime_shutdown(0, &err)); /* again: no error */
  CHECK_EQ(c->total, accepted);
  forget(c);
  weir_queue_free(queue);
  weir_tailer_free(for_entry.tailer);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(c);
  free(root);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  session = session_new();
  RUN(test_every_operation_by_callback);
  RUN(test_the_appender_by_callback);
  RUN(test_shards_by_callback);
  RUN(test_null_handles_complete_nothing);
  RUN(test_many_puts_complete_once_each_and_in_order);
  RUN(test_backpressure_is_immediate);
  RUN(test_close_under_fire);
  RUN(test_abort_under_fire);
  RUN(test_fencing_under_fire);
  RUN(test_free_under_fire);
  RUN(test_a_waiting_next_completes_however_it_ends);
  RUN(test_callbacks_may_block_and_call_weir);
  RUN(test_a_queue_drains_in_batches);
  RUN(test_the_queues_descriptor_can_be_polled);
  RUN(test_a_closed_queue_can_be_drained_and_a_full_one_freed);
  RUN(test_a_queue_freed_before_its_operations_end);
  RUN(test_shutdown_from_a_callback_is_refused);
  RUN(test_shutdown_completes_what_was_accepted);
  weir_session_free(session);
  check_all_released();
  return harness_finish(argv[0]);
}
