/* Subscriptions: tailers that push, with credit. */
#include "arrow_build.h"

static WeirSession *session;

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
    WeirTailer *tailer = follower(session, root);
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
    WeirTailer *tailer = follower(session, root);
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

/* Also where it has no credit, and would wait for ever. */
static void test_closing_the_tailer_ends_one_that_waits(void) {
  char *root = new_root();
  WeirWriter *writer = writer_new(session, root, NULL);
  for (int round = 0; round < 4; round++) { /* waiting for credit, waiting for an entry; subscribed before and after */
    Seen seen = SEEN_INIT;
    WeirTailer *tailer = follower(session, root);
    WeirSubscription *subscription = NULL;
    if (round >= 2) OK(weir_tailer_close(tailer, &err));
    OK(weir_tailer_subscribe(tailer, tell(&seen), (uint64_t)(round % 2), &subscription, &err));
    OK(weir_tailer_close(tailer, &err));
    check_ended_once(&seen, WEIR_STATUS_CLOSED);
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
  tailer = follower(session, root);
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
  WeirTailer *tailer = follower(session, root);
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

int main(int argc, char **argv) {
  (void)argc;
  harness_start();
  session = session_new();
  RUN(test_a_subscription_sends_as_much_as_it_has_credit_for);
  RUN(test_free_ends_a_subscription_and_its_last_event_is_the_last);
  RUN(test_a_cancelled_subscription_says_so);
  RUN(test_closing_the_tailer_ends_one_that_waits);
  RUN(test_a_subscription_by_queue);
  RUN(test_a_subscription_needs_a_function);
  RUN(test_closing_the_tailer_ends_its_subscription);
  weir_session_free(session);
  check_all_released();
  return harness_finish(argv[0]);
}
