/* Tailing: order, ends, seeking, following, interrupting, streams, subscriptions with credit, and entries. */
#include "arrow_build.h"

static WeirSession *session;

static void check_entry(WeirEntry *entry, uint64_t position, uint64_t epoch, int64_t first) {
  struct ArrowArray batch = {0};
  if (!CHECK(entry != NULL)) return;
  CHECK_EQ(weir_entry_position(entry), position);
  CHECK_EQ(weir_entry_epoch(entry), epoch);
  CHECK_EQ(weir_entry_generation(entry), 1); /* that its MemTable becomes */
  CHECK(!weir_entry_is_sentinel(entry));
  CHECK_EQ(weir_entry_rows(entry), 10);
  CHECK_EQ(weir_entry_batch_count(entry), 1);
  CHECK(weir_entry_bytes(entry) > 0);
  OK(weir_entry_batch(entry, 0, &batch, &err));
  CHECK(batch_is(&batch, 10, first));
  if (batch.release != NULL) batch.release(&batch);
}

static void test_entries_come_in_order_then_the_end(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 5);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  for (uint64_t i = 1; i <= 5; i++) {
    OK(weir_tailer_next(tailer, -1, &entry, &err));
    check_entry(entry, i, 1, (int64_t)(i - 1) * 10);
    weir_entry_free(entry);
    CHECK_EQ(weir_tailer_position(tailer), i + 1);
  }
  for (int i = 0; i < 2; i++) {
    entry = (WeirEntry *)(uintptr_t)8;
    OK(weir_tailer_next(tailer, -1, &entry, &err));
    CHECK(entry == NULL);
  }
  put_batches(writer, 1); /* the end was not for ever */
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  check_entry(entry, 6, 1, 0);
  weir_entry_free(entry);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void test_sentinels_are_shown(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 1);
  weir_writer_free(writer);
  writer = writer_new(session, root, NULL);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  struct ArrowArrayStream stream = {0};
  OK(weir_tailer_read(tailer, 2, -1, &entry, &err));
  CHECK(weir_entry_is_sentinel(entry));
  CHECK_EQ(weir_entry_epoch(entry), 2);
  CHECK_EQ(weir_entry_rows(entry), 0);
  CHECK_EQ(weir_entry_batch_count(entry), 0);
  OK(weir_entry_schema(entry, &schema, &err));
  CHECK_EQ(schema.n_children, 0);
  schema.release(&schema);
  FAILS(weir_entry_batch(entry, 0, &batch, &err), INVALID_ARGUMENT);
  OK(weir_entry_stream(entry, &stream, &err));
  CHECK_EQ(stream.get_next(&stream, &batch), 0);
  CHECK(batch.release == NULL);
  stream.release(&stream);
  weir_entry_free(entry);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void test_equal_schema_ids_mean_equal_schemas(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 3);
  weir_writer_free(writer);
  writer = writer_new(session, root, NULL); /* whose sentinel has no columns */
  put_batches(writer, 2);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  uint64_t ids[6] = {0};
  for (int i = 0; i < 6; i++) {
    OK(weir_tailer_next(tailer, -1, &entry, &err));
    CHECK_EQ(weir_entry_is_sentinel(entry), i == 3);
    ids[i] = weir_entry_schema_id(entry);
    CHECK(ids[i] != 0);
    weir_entry_free(entry);
  }
  CHECK(ids[0] == ids[1] && ids[1] == ids[2]);
  CHECK(ids[3] != ids[2] && ids[3] != ids[4]);
  CHECK_EQ(ids[4], ids[5]);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void test_positions_reads_and_seeks(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 4);
  WeirTailerOptions options = WEIR_TAILER_OPTIONS_INIT;
  options.from = 3;
  WeirTailer *tailer = tailer_new(session, root, &options);
  WeirEntry *entry = NULL;
  uint64_t position = 0;
  CHECK_EQ(weir_tailer_position(tailer), 3);
  OK(weir_tailer_first_position(tailer, -1, &position, &err));
  CHECK_EQ(position, 1);
  OK(weir_tailer_next_position(tailer, -1, &position, &err));
  CHECK_EQ(position, 5);
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  check_entry(entry, 3, 1, 20);
  weir_entry_free(entry);
  OK(weir_tailer_read(tailer, 1, -1, &entry, &err)); /* does not move the cursor */
  check_entry(entry, 1, 1, 0);
  weir_entry_free(entry);
  CHECK_EQ(weir_tailer_position(tailer), 4);
  FAILS(weir_tailer_read(tailer, 0, -1, &entry, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_read(tailer, 5, -1, &entry, &err), NOT_FOUND);
  CHECK(entry == NULL);
  OK(weir_tailer_seek(tailer, 2, &err));
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  check_entry(entry, 2, 1, 10);
  weir_entry_free(entry);
  OK(weir_tailer_seek(tailer, 0, &err)); /* the oldest */
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  check_entry(entry, 1, 1, 0);
  weir_entry_free(entry);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void test_options_are_validated(void) {
  char *root = new_root();
  WeirTailer *tailer = NULL;
  WeirTailerOptions good = WEIR_TAILER_OPTIONS_INIT, options;
#define WITH(field, value)                                                                           \
  options = good;                                                                                    \
  options.field = value;                                                                             \
  FAILS(weir_tailer_open(session, root, SHARD, &options, &tailer, &err), INVALID_ARGUMENT); \
  CHECK(tailer == NULL)
  WITH(follow, 2);
  WITH(prefetch_entries, 0);
  WITH(prefetch_bytes, 0);
  WITH(poll_min_ms, 0);
  WITH(poll_max_ms, 1);
  WITH(struct_size, 4);
  FAILS(weir_tailer_open(session, root, "nonsense", NULL, &tailer, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_open(session, NULL, SHARD, NULL, &tailer, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_open(session, root, NULL, NULL, &tailer, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_open(NULL, root, SHARD, NULL, &tailer, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_open(session, root, SHARD, NULL, NULL, &err), INVALID_ARGUMENT);
  free(root);
}

static void test_a_tailer_writes_nothing(void) { /* PITFALLS D10 */
  char *root = new_root();
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  uint64_t position = 0;
  FAILS(weir_tailer_next(tailer, -1, &entry, &err), NOT_FOUND); /* no such shard */
  OK(weir_tailer_next_position(tailer, -1, &position, &err));
  CHECK_EQ(position, 1);
  weir_tailer_free(tailer);
  CHECK(access(root, F_OK) != 0);
  free(root);
}

/* ---- Following ---- */

static WeirTailer *follower(const char *root) {
  WeirTailerOptions options = WEIR_TAILER_OPTIONS_INIT;
  options.follow = 1;
  options.poll_min_ms = options.poll_max_ms = 600000; /* what ends a wait here is news, and never the next look */
  return tailer_new(session, root, &options);
}

typedef struct {
  WeirTailer *tailer;
  WeirStatus status;
  uint64_t position;
  atomic_bool done;
} Waiting;

static void *next_in_thread(void *arg) {
  Waiting *waiting = arg;
  WeirEntry *entry = NULL;
  WeirError *error = NULL;
  waiting->status = weir_tailer_next(waiting->tailer, -1, &entry, &error);
  waiting->position = entry ? weir_entry_position(entry) : 0;
  weir_entry_free(entry);
  weir_error_free(error);
  atomic_store(&waiting->done, true);
  return NULL;
}

static void test_following_waits_for_what_is_put(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  WeirTailer *tailer = follower(root);
  WeirEntry *entry = (WeirEntry *)(uintptr_t)8;
  Waiting waiting = {.tailer = tailer};
  pthread_t thread;
  FAILS(weir_tailer_next(tailer, 0, &entry, &err), TIMED_OUT);
  CHECK(entry == NULL);
  int64_t start = now_ms();
  FAILS(weir_tailer_next(tailer, 30, &entry, &err), TIMED_OUT);
  CHECK(now_ms() - start >= 29);
  pthread_create(&thread, NULL, next_in_thread, &waiting);
  put_batches(writer, 1);
  pthread_join(thread, NULL);
  CHECK_EQ(waiting.status, WEIR_STATUS_OK);
  CHECK_EQ(waiting.position, 1);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void test_interrupt_and_close_end_a_wait(void) {
  for (int close = 0; close < 2; close++) {
    char *root = new_root();
    WeirWriter *writer = writer_new(session, root, NULL);
    WeirTailer *tailer = follower(root);
    Waiting waiting = {.tailer = tailer};
    pthread_t thread;
    pthread_create(&thread, NULL, next_in_thread, &waiting);
    if (close) sleep_ms(30); /* it waits by then, as a rule; test_close_races_with_many_waiters comes in all orders */
    if (close) OK(weir_tailer_close(tailer, &err));
    else weir_tailer_interrupt(tailer); /* remembered, if the thread does not wait yet */
    pthread_join(thread, NULL);
    CHECK_EQ(waiting.status, close ? WEIR_STATUS_CLOSED : WEIR_STATUS_CANCELLED);
    WeirEntry *entry = NULL;
    if (close) {
      OK(weir_tailer_close(tailer, &err));
      FAILS(weir_tailer_next(tailer, -1, &entry, &err), CLOSED);
      FAILS(weir_tailer_read(tailer, 1, -1, &entry, &err), CLOSED);
    } else {
      put_batches(writer, 1);
      OK(weir_tailer_next(tailer, -1, &entry, &err)); /* it goes on */
      check_entry(entry, 1, 1, 0);
      weir_entry_free(entry);
    }
    weir_tailer_free(tailer);
    weir_writer_free(writer);
    free(root);
  }
}

static void test_close_races_with_many_waiters(void) { /* PITFALLS X8 */
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  for (int round = 0; round < 20; round++) {
    WeirTailer *tailer = follower(root);
    Waiting waiting[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
      waiting[i] = (Waiting){.tailer = tailer};
      pthread_create(&threads[i], NULL, next_in_thread, &waiting[i]);
    }
    if (round % 2) sleep_ms(round);
    OK(weir_tailer_close(tailer, &err));
    for (int i = 0; i < 4; i++) {
      pthread_join(threads[i], NULL);
      CHECK_EQ(waiting[i].status, WEIR_STATUS_CLOSED);
    }
    weir_tailer_free(tailer);
  }
  weir_writer_free(writer);
  free(root);
}

/* ---- As a stream ---- */

static void test_the_log_as_one_arrow_stream(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 3);
  weir_writer_free(writer);
  writer = writer_new(session, root, NULL); /* a sentinel in between, which the stream leaves out */
  put_batches(writer, 2);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  struct ArrowArrayStream stream = {0};
  struct ArrowSchema schema = {0};
  struct ArrowArray batch = {0};
  OK(weir_tailer_stream(tailer, &stream, &err));
  CHECK_EQ(stream.get_schema(&stream, &schema), 0);
  CHECK_EQ(schema.n_children, 2);
  schema.release(&schema);
  for (int i = 0; i < 5; i++) {
    CHECK_EQ(stream.get_next(&stream, &batch), 0);
    CHECK(batch_is(&batch, 10, i < 3 ? i * 10 : (i - 3) * 10));
    if (batch.release != NULL) batch.release(&batch);
  }
  CHECK_EQ(stream.get_next(&stream, &batch), 0);
  CHECK(batch.release == NULL);
  stream.release(&stream);
  FAILS(weir_tailer_stream(tailer, NULL, &err), INVALID_ARGUMENT);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

/* ---- Subscriptions ---- */

/* What a subscription has sent. */
typedef struct {
  pthread_mutex_t lock;
  uint64_t positions[64];
  int entries, ends, after_the_end, wrong_token, overlapping;
  WeirStatus last; /* of the event that ended it */
  atomic_int inside;
} Seen;

#define SEEN_INIT {.lock = PTHREAD_MUTEX_INITIALIZER}

static void on_event(void *ctx, const WeirEvent *event) {
  Seen *seen = ctx;
  bool alone = atomic_fetch_add(&seen->inside, 1) == 0;
  if (event->result != NULL) sleep_ms(2); /* gives the next event the time to overtake, were it not to wait */
  pthread_mutex_lock(&seen->lock);
  if (!alone) seen->overlapping++;
  if (event->token != 42) seen->wrong_token++;
  if (seen->ends > 0) seen->after_the_end++;
  if (event->result == NULL) {
    seen->ends++;
    seen->last = event->status;
    if ((event->error == NULL) != (event->status == WEIR_STATUS_OK)) seen->wrong_token++;
    weir_error_free(event->error);
  } else {
    WeirEntry *entry = event->result;
    if (event->result_kind != WEIR_RESULT_ENTRY) seen->wrong_token++;
    if (seen->entries < 64) seen->positions[seen->entries] = weir_entry_position(entry); /* a callback may call weir */
    seen->entries++;
    weir_entry_free(entry);
  }
  atomic_fetch_sub(&seen->inside, 1);
  pthread_mutex_unlock(&seen->lock);
}

static WeirCompletion tell(Seen *seen) { return (WeirCompletion){on_event, seen, 42}; }

static int seen_count(Seen *seen, const int *what) {
  pthread_mutex_lock(&seen->lock);
  int n = *what;
  pthread_mutex_unlock(&seen->lock);
  return n;
}

static void check_ended_once(Seen *seen, WeirStatus expected) {
  EVENTUALLY(seen_count(seen, &seen->ends) == 1);
  CHECK_EQ(seen->last, expected);
  CHECK_EQ(seen->after_the_end, 0);
  CHECK_EQ(seen->overlapping, 0);
  CHECK_EQ(seen->wrong_token, 0);
}

static void test_a_subscription_sends_as_much_as_it_has_credit_for(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 5);
  Seen seen = SEEN_INIT;
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirSubscription *subscription = NULL;
  OK(weir_tailer_subscribe(tailer, tell(&seen), 2, &subscription, &err));
  EVENTUALLY(seen_count(&seen, &seen.entries) == 2);
  sleep_ms(20); /* a third would be an error, seen now or below */
  CHECK_EQ(seen_count(&seen, &seen.entries), 2);
  CHECK_EQ(weir_tailer_position(tailer), 3); /* nothing was taken that was not sent */
  OK(weir_subscription_request(subscription, 1, &err));
  EVENTUALLY(seen_count(&seen, &seen.entries) == 3);
  OK(weir_subscription_request(subscription, UINT64_MAX, &err)); /* more than can be counted: does not wrap */
  OK(weir_subscription_request(subscription, UINT64_MAX, &err));
  check_ended_once(&seen, WEIR_STATUS_OK);
  CHECK_EQ(seen.entries, 5);
  for (int i = 0; i < 5; i++) CHECK_EQ(seen.positions[i], i + 1);
  weir_subscription_cancel(subscription); /* too late, and harmless */
  OK(weir_subscription_request(subscription, 1, &err));
  weir_subscription_free(subscription);
  CHECK_EQ(seen.ends, 1);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

/* The last event is the last: the subscriber frees what the callback works on in it, and a later callback would be a use after free
 * that the sanitizers see (PITFALLS X5). */
typedef struct {
  atomic_int *ended;
  uint64_t *guard;
} Mortal;

static void on_event_of_mortal(void *ctx, const WeirEvent *event) {
  Mortal *mortal = ctx;
  *mortal->guard += 1;
  if (event->result != NULL) {
    weir_entry_free(event->result);
    return;
  }
  atomic_int *ended = mortal->ended;
  weir_error_free(event->error);
  free(mortal->guard);
  free(mortal);
  atomic_fetch_add(ended, 1);
}

static void test_free_ends_a_subscription_and_its_last_event_is_the_last(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  atomic_int ended = 0;
  enum { ROUNDS = 20 };
  for (int round = 0; round < ROUNDS; round++) {
    WeirTailer *tailer = follower(root);
    Mortal *mortal = malloc(sizeof *mortal);
    WeirSubscription *subscription = NULL;
    *mortal = (Mortal){&ended, calloc(1, sizeof(uint64_t))};
    OK(weir_tailer_subscribe(tailer, (WeirCompletion){on_event_of_mortal, mortal, 1}, 1000, &subscription, &err));
    put_batches(writer, 2);
    if (round % 4 == 1) weir_subscription_cancel(subscription);
    if (round % 4 == 2) weir_tailer_free(tailer); /* the subscription does not need it */
    if (round % 4 == 3) OK(weir_tailer_close(tailer, &err));
    weir_subscription_free(subscription);
    put_batches(writer, 1);
    if (round % 4 != 2) weir_tailer_free(tailer);
  }
  EVENTUALLY(atomic_load(&ended) == ROUNDS);
  weir_writer_free(writer);
  free(root);
}

static void test_a_cancelled_subscription_says_so(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  for (int credit = 0; credit < 2; credit++) { /* waiting for credit, waiting for an entry */
    Seen seen = SEEN_INIT;
    WeirTailer *tailer = follower(root);
    WeirSubscription *subscription = NULL;
    OK(weir_tailer_subscribe(tailer, tell(&seen), (uint64_t)credit, &subscription, &err));
    weir_subscription_cancel(subscription);
    weir_subscription_cancel(subscription);
    check_ended_once(&seen, WEIR_STATUS_CANCELLED);
    CHECK_EQ(seen.entries, 0);
    weir_subscription_free(subscription);
    weir_tailer_free(tailer);
  }
  weir_writer_free(writer);
  free(root);
}

/* Through a queue: the same events, for programs that no thread of weir's may enter. */
static void test_a_subscription_by_queue(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  WeirQueue *queue = NULL;
  WeirSubscription *subscription = NULL;
  WeirEvent event;
  size_t n = 0;
  uint64_t expected = 1;
  put_batches(writer, 5);
  OK(weir_queue_new(NULL, &queue, &err));
  WeirTailer *tailer = tailer_new(session, root, NULL);
  OK(weir_tailer_subscribe(tailer, weir_queue_completion(queue, 9), 1, &subscription, &err));
  while (OK(weir_queue_next(queue, &event, 1, 20000, &n, &err)) && event.result != NULL) {
    CHECK_EQ(event.token, 9);
    CHECK_EQ(weir_entry_position(event.result), expected++);
    weir_event_clear(&event);
    OK(weir_subscription_request(subscription, 1, &err));
  }
  CHECK_EQ(event.status, WEIR_STATUS_OK);
  CHECK_EQ(expected, 6);
  FAILS(weir_queue_next(queue, &event, 1, 0, &n, &err), TIMED_OUT); /* nothing after the last */
  weir_subscription_free(subscription);
  weir_tailer_free(tailer);

  /* The queue may go first: the rest of the events, entries and all, goes nowhere. */
  tailer = follower(root);
  OK(weir_tailer_subscribe(tailer, weir_queue_completion(queue, 9), 1000, &subscription, &err));
  OK(weir_queue_next(queue, &event, 1, 20000, &n, &err));
  weir_event_clear(&event);
  weir_queue_free(queue);
  put_batches(writer, 3);
  weir_subscription_free(subscription);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void test_a_subscription_needs_a_function(void) {
  char *root = new_root();
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirSubscription *subscription = (WeirSubscription *)(uintptr_t)8;
  Seen seen = SEEN_INIT;
  FAILS(weir_tailer_subscribe(tailer, (WeirCompletion){NULL, &seen, 42}, 1, &subscription, &err), INVALID_ARGUMENT);
  CHECK(subscription == NULL);
  FAILS(weir_tailer_subscribe(NULL, tell(&seen), 1, &subscription, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_subscribe(tailer, tell(&seen), 1, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_subscription_request(NULL, 1, &err), INVALID_ARGUMENT);
  CHECK_EQ(seen.entries + seen.ends, 0);
  OK(weir_tailer_close(tailer, &err));
  OK(weir_tailer_subscribe(tailer, tell(&seen), 1, &subscription, &err)); /* accepted, and ends at once */
  check_ended_once(&seen, WEIR_STATUS_CLOSED);
  weir_subscription_free(subscription);
  weir_subscription_cancel(NULL);
  weir_subscription_free(NULL);
  weir_tailer_free(tailer);
  free(root);
}

/* A following subscription sees the writer's new entries, and the tailer's close ends it. */
static void test_closing_the_tailer_ends_its_subscription(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  WeirTailer *tailer = follower(root);
  Seen seen = SEEN_INIT;
  WeirSubscription *subscription = NULL;
  OK(weir_tailer_subscribe(tailer, tell(&seen), 1000, &subscription, &err));
  put_batches(writer, 3);
  EVENTUALLY(seen_count(&seen, &seen.entries) == 3);
  OK(weir_tailer_close(tailer, &err));
  check_ended_once(&seen, WEIR_STATUS_CLOSED);
  weir_subscription_free(subscription);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

/* ---- Damage ---- */

static void test_a_damaged_entry_is_named(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 2);
  char path[512];
  /* Position 1: bit-reversed, a one and 63 zeros. */
  snprintf(path, sizeof path, "%s/_mem_wal/" SHARD "/wal/1%063d.arrow", root, 0);
  FILE *file = fopen(path, "r+b");
  if (CHECK(file != NULL)) {
    fseek(file, 300, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, 300, SEEK_SET);
    fputc(byte ^ 1, file);
    fclose(file);
  }
  WeirTailer *tailer = tailer_new(session, root, NULL);
  WeirEntry *entry = NULL;
  FAILS_SAYING(weir_tailer_next(tailer, -1, &entry, &err), CORRUPTION, ".arrow");
  CHECK(entry == NULL);
  OK(weir_tailer_seek(tailer, 2, &err)); /* past it, if that is what one wants */
  OK(weir_tailer_next(tailer, -1, &entry, &err));
  check_entry(entry, 2, 1, 10);
  weir_entry_free(entry);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

static void test_null_handles_and_outputs(void) {
  WeirEntry *entry = NULL;
  uint64_t position;
  struct ArrowArray batch = {0};
  struct ArrowSchema schema = {0};
  struct ArrowArrayStream stream = {0};
  FAILS(weir_tailer_next(NULL, -1, &entry, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_read(NULL, 1, -1, &entry, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_first_position(NULL, -1, &position, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_next_position(NULL, -1, &position, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_seek(NULL, 1, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_stream(NULL, &stream, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_close(NULL, &err), INVALID_ARGUMENT);
  CHECK_EQ(weir_tailer_position(NULL), 0);
  weir_tailer_interrupt(NULL);
  weir_tailer_free(NULL);
  FAILS(weir_entry_batch(NULL, 0, &batch, &err), INVALID_ARGUMENT);
  FAILS(weir_entry_schema(NULL, &schema, &err), INVALID_ARGUMENT);
  FAILS(weir_entry_stream(NULL, &stream, &err), INVALID_ARGUMENT);
  CHECK_EQ(weir_entry_position(NULL) + weir_entry_epoch(NULL) + weir_entry_generation(NULL) + weir_entry_rows(NULL) + weir_entry_bytes(NULL), 0);
  CHECK_EQ(weir_entry_schema_id(NULL), 0);
  CHECK_EQ(weir_entry_batch_count(NULL), 0);
  CHECK(!weir_entry_is_sentinel(NULL));
  weir_entry_free(NULL);

  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  put_batches(writer, 1);
  WeirTailer *tailer = tailer_new(session, root, NULL);
  FAILS(weir_tailer_next(tailer, -1, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_read(tailer, 1, -1, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_first_position(tailer, -1, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_tailer_next_position(tailer, -1, NULL, &err), INVALID_ARGUMENT);
  OK(weir_tailer_next(tailer, -1, &entry, &err)); /* the failed call took nothing */
  check_entry(entry, 1, 1, 0);
  FAILS(weir_entry_batch(entry, 1, &batch, &err), INVALID_ARGUMENT);
  FAILS(weir_entry_batch(entry, SIZE_MAX, &batch, &err), INVALID_ARGUMENT);
  FAILS(weir_entry_batch(entry, 0, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_entry_schema(entry, NULL, &err), INVALID_ARGUMENT);
  FAILS(weir_entry_stream(entry, NULL, &err), INVALID_ARGUMENT);
  CHECK(batch.release == NULL);
  weir_entry_free(entry);
  weir_tailer_free(tailer);
  weir_writer_free(writer);
  free(root);
}

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  session = session_new();
  RUN(test_entries_come_in_order_then_the_end);
  RUN(test_sentinels_are_shown);
  RUN(test_equal_schema_ids_mean_equal_schemas);
  RUN(test_positions_reads_and_seeks);
  RUN(test_options_are_validated);
  RUN(test_a_tailer_writes_nothing);
  RUN(test_following_waits_for_what_is_put);
  RUN(test_interrupt_and_close_end_a_wait);
  RUN(test_close_races_with_many_waiters);
  RUN(test_the_log_as_one_arrow_stream);
  RUN(test_a_subscription_sends_as_much_as_it_has_credit_for);
  RUN(test_free_ends_a_subscription_and_its_last_event_is_the_last);
  RUN(test_a_cancelled_subscription_says_so);
  RUN(test_a_subscription_by_queue);
  RUN(test_a_subscription_needs_a_function);
  RUN(test_closing_the_tailer_ends_its_subscription);
  RUN(test_a_damaged_entry_is_named);
  RUN(test_null_handles_and_outputs);
  weir_session_free(session);
  check_all_released();
  return harness_finish(argv[0]);
}
