// Asynchronous calls in all their forms: callbacks, futures, queues, subscriptions, and coroutines where the compiler has them.
#include <poll.h>

#include <future>
#include <memory>

#include "harness.hpp"

using namespace std::chrono_literals;
using test::batch;
using test::new_root;
using test::shard_id;
using weir::Ack;
using weir::Result;

namespace {

weir::Session session;

void every_call_as_a_future() {
  const std::string root = new_root();
  const auto schema = test::schema();
  auto writer = MUST(weir::Writer::open_async(session, root, shard_id, schema, test::quick()).future().get());
  CHECK_EQ(MUST(writer.put_async(batch(10, 0)).future().get()).sequence, 1);
  CHECK_EQ(MUST(writer.put_stream_async(test::stream({3, 10})).future().get()).sequence, 4);
  CHECK_EQ(MUST(writer.flush_async().future().get()).sequence, 4);
  OK(writer.wait_durable_async(4).future().get());
  FAILS(writer.wait_durable_async(99).future().get(), invalid_argument);
  OK(writer.wait_capacity_async(100).future().get());
  OK(writer.check_fenced_async().future().get());

  auto tailer = test::tailer(session, root);
  CHECK_EQ(MUST(tailer.first_position_async().future().get()), 1);
  const std::uint64_t end = MUST(tailer.next_position_async().future().get());
  CHECK_EQ(MUST(tailer.read_async(1).future().get()).rows(), 10);
  FAILS(tailer.read_async(end).future().get(), not_found);
  std::uint64_t rows = 0;
  for (;;) {
    auto entry = MUST(tailer.next_async().future().get());
    if (!entry) break;
    rows += entry->rows();
  }
  CHECK_EQ(rows, 40);
  OK(writer.close_async().future().get());

  weir::AppenderOptions options;
  options.fsync = false;
  auto appender = MUST(weir::Appender::open_async(session, root, shard_id, schema, options).future().get());
  CHECK_EQ(appender.epoch(), 2);
  CHECK(MUST(appender.append_async(batch(10, 0)).future().get()) > end);
  OK(appender.check_fenced());
  OK(appender.check_fenced_async().future().get());
  OK(appender.close_async().future().get());
}

void every_shard_call_as_a_future() {
  const std::string root = new_root();
  OK(weir::shard::init_async(session, root, shard_id, {7, {{"bucket", "1"}}}).future().get());
  CHECK_EQ(MUST(weir::shard::list_async(session, root).future().get()).at(0), shard_id);
  CHECK_EQ(MUST(weir::shard::manifest_async(session, root, shard_id).future().get()).shard_spec_id(), 7);
  OK(weir::shard::seal_async(session, root, shard_id).future().get());
  CHECK(MUST(weir::shard::manifest(session, root, shard_id)).is_sealed());
  OK(weir::shard::unseal_async(session, root, shard_id).future().get());
  CHECK_EQ(MUST(weir::shard::trim_async(session, root, shard_id, 4).future().get()), 0);  // an empty log
  FAILS(weir::shard::manifest_async(session, root, test::other_shard_id).future().get(), not_found);
}

void a_callback_comes_once_and_is_destroyed() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  auto alive = std::make_shared<int>(0);
  std::atomic<int> calls{0};
  for (int i = 0; i < 100; i++) {
    OK(writer.put_async(batch(1, i)).then([alive, &calls](Result<Ack> ack) {
      OK(ack);
      calls++;
    }));
  }
  EVENTUALLY(calls == 100 && alive.use_count() == 1);
  // One of a refused call is destroyed, and does not come.
  FAILS(weir::Writer().put_async(batch(1, 0)).then([alive, &calls](const Result<Ack> &) { calls++; }), invalid_argument);
  CHECK_EQ(alive.use_count(), 1);
  CHECK_EQ(calls.load(), 100);
  CHECK_EQ(test::rows_in_log(session, root), 100);
}

void callbacks_may_call_weir_and_keep_what_they_are_given() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  test::put(writer, 1);
  auto tailer = test::tailer(session, root);
  std::promise<weir::Entry> kept;
  OK(tailer.next_async().then([&](Result<std::optional<weir::Entry>> entry) {
    OK(writer.put(batch(10, 10)));  // a call that blocks
    kept.set_value(std::move(**entry));
  }));
  const weir::Entry entry = kept.get_future().get();
  CHECK(test::is_batch(MUST(entry.batch(0)), 10, 0));
  CHECK_EQ(test::rows_in_log(session, root), 20);
}

void operations_outlive_their_handle() {  // PITFALLS X4
  const std::string root = new_root();
  test::writer(session, root).reset();
  std::future<Result<std::optional<weir::Entry>>> waiting;
  std::future<Result<Ack>> put;
  {
    auto tailer = test::follower(session, root);
    waiting = tailer.next_async().future();
    auto writer = test::writer(session, root);
    put = writer.put_async(batch(10, 0)).future();
  }
  auto ack = put.get();  // durable, or forgotten when the writer was destroyed
  if (!ack) FAILS(ack, closed);
  auto writer = test::writer(session, root);
  test::put(writer, 1);
  CHECK(MUST(waiting.get()));  // the destroyed tailer's wait goes on to its end
}

void a_queue_is_drained_in_batches() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  auto queue = MUST(weir::Queue::create());
  for (std::uint64_t i = 0; i < 200; i++) OK(writer.put_async(batch(1, 0)).post(queue, i));
  std::vector<int> times(200, 0);
  std::vector<weir::Event> events;
  std::size_t taken = 0;
  while (taken < 200 && OK(queue.next(events, 20s))) {
    CHECK(!events.empty() && events.size() <= 64);
    for (weir::Event &event : events) {
      times.at(event.token())++;
      CHECK(event.status() == weir::Status::ok);
      CHECK(MUST(std::move(event).take<Ack>()).sequence > 0);
    }
    taken += events.size();
  }
  CHECK(times == std::vector<int>(200, 1));
  FAILS(queue.next(events, weir::no_wait), timed_out);
  CHECK(events.empty());
}

void events_have_the_result_that_is_asked_for() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  test::put(writer, 2);
  auto tailer = test::tailer(session, root);
  auto queue = MUST(weir::Queue::create());
  pollfd ready{queue.fd(), POLLIN, 0};
  CHECK_EQ(::poll(&ready, 1, 0), 0);
  OK(tailer.next_async().post(queue, 1));
  CHECK_EQ(::poll(&ready, 1, 20000), 1);
  CHECK(MUST(MUST(queue.next()).take<std::optional<weir::Entry>>())->position() == 1);
  OK(tailer.next_async().post(queue, 2));
  auto other = MUST(queue.next());
  CHECK_EQ(other.result_kind(), WEIR_RESULT_ENTRY);
  FAILS(std::move(other).take<weir::Writer>(), invalid_argument);
  OK(tailer.read_async(99).post(queue, 3));
  FAILS(MUST(queue.next()).take<weir::Entry>(), not_found);
  OK(tailer.read_async(1).post(queue, 4));
  weir::Event unread = MUST(queue.next());
  unread = weir::Event();  // what was in it is freed
  OK(tailer.read_async(1).post(queue, 5));
  EVENTUALLY(::poll(&ready, 1, 0) == 1);
  queue.reset();  // with an event in it
}

void a_subscription_by_queue() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  test::put(writer, 3);
  auto tailer = test::tailer(session, root);
  auto queue = MUST(weir::Queue::create());
  auto subscription = MUST(tailer.subscribe(queue, 42, 100));
  for (std::uint64_t i = 1; i <= 3; i++) {
    auto event = MUST(queue.next());
    CHECK_EQ(event.token(), 42);
    CHECK_EQ(MUST(std::move(event).take<weir::Entry>()).position(), i);
  }
  CHECK(!MUST(MUST(queue.next()).take<std::optional<weir::Entry>>()));
}

void a_subscription_can_end_itself_and_is_freed() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  test::put(writer, 5);
  auto tailer = test::follower(session, root);
  auto alive = std::make_shared<int>(0);
  weir::Subscription subscription;
  std::promise<void> subscribed;
  std::atomic<int> entries{0}, ends{0};
  auto ready = subscribed.get_future();
  subscription = MUST(tailer.subscribe(
      [&, alive](const weir::Entry &) {
        if (++entries == 1) ready.wait();
        if (entries == 3) subscription.cancel();
      },
      [&, alive](const Result<void> &end) {
        FAILS(end, cancelled);
        ends++;
      },
      100));
  subscribed.set_value();
  EVENTUALLY(ends == 1 && alive.use_count() == 1);
  CHECK_EQ(entries.load(), 3);
  CHECK(!weir::Tailer().subscribe([alive](const weir::Entry &) {}, [](const Result<void> &) {}, 1));
  CHECK_EQ(alive.use_count(), 1);
}

#ifdef WEIR_COROUTINES
// A coroutine that starts at once and tells a promise of its end.
struct Task {
  struct promise_type {
    std::promise<void> done;
    Task get_return_object() { return {done.get_future()}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() { done.set_value(); }
    void unhandled_exception() { std::abort(); }
  };
  std::future<void> done;
};

Task write_and_read(std::string root, std::uint64_t *rows, bool *refused) {
  const auto schema = test::schema();
  auto opened = co_await weir::Writer::open_async(session, root, shard_id, schema, test::quick());
  if (!OK(opened)) co_return;
  auto writer = std::move(*opened);
  for (int i = 0; i < 20; i++) OK(co_await writer.put_async(batch(10, i * 10)));
  OK(co_await writer.close_async());
  auto late = co_await writer.put_async(batch(10, 0));  // refused: does not suspend
  *refused = late.status() == weir::Status::closed;
  auto tailer = test::tailer(session, root);
  for (;;) {
    auto entry = co_await tailer.next_async();
    if (!OK(entry) || !*entry) break;
    *rows += (*entry)->rows();
  }
}

void coroutines_await_operations() {
  std::vector<std::uint64_t> rows(10, 0);
  std::vector<Task> tasks;
  bool refused[10] = {};
  for (std::size_t i = 0; i < rows.size(); i++) tasks.push_back(write_and_read(new_root(), &rows[i], &refused[i]));
  for (Task &task : tasks) CHECK(task.done.wait_for(60s) == std::future_status::ready);
  for (std::size_t i = 0; i < rows.size(); i++) {
    CHECK_EQ(rows[i], 200);
    CHECK(refused[i]);
  }
}

Task wait_for_news(weir::Tailer *tailer, weir::Status *status) { *status = (co_await tailer->next_async()).status(); }

void a_suspended_coroutine_is_resumed_by_close() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  auto tailer = test::follower(session, root);
  weir::Status status = weir::Status::ok;
  Task waiting = wait_for_news(&tailer, &status);
  OK(tailer.close());
  waiting.done.wait();
  CHECK(status == weir::Status::closed);
}
#endif

void shutdown_completes_what_was_accepted() {  // PITFALLS X4
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  auto tailer = test::follower(session, root);
  auto waiting = tailer.next_async().future();
  OK(writer.close());
  OK(weir::runtime::shutdown(20s));
  if (CHECK(waiting.wait_for(20s) == std::future_status::ready)) FAILS(waiting.get(), cancelled);
  CHECK(!tailer.next_async().future().get());
  session.reset();
}

}  // namespace

#define RUN(name) test::run(#name, name, passed, failed)

int main(int, char **argv) {
  int passed = 0, failed = 0;
  test::start();
  session = test::session();
  RUN(every_call_as_a_future);
  RUN(every_shard_call_as_a_future);
  RUN(a_callback_comes_once_and_is_destroyed);
  RUN(callbacks_may_call_weir_and_keep_what_they_are_given);
  RUN(operations_outlive_their_handle);
  RUN(a_queue_is_drained_in_batches);
  RUN(events_have_the_result_that_is_asked_for);
  RUN(a_subscription_by_queue);
  RUN(a_subscription_can_end_itself_and_is_freed);
#ifdef WEIR_COROUTINES
  RUN(coroutines_await_operations);
  RUN(a_suspended_coroutine_is_resumed_by_close);
#endif
  RUN(shutdown_completes_what_was_accepted);
  return test::finish(argv[0], passed, failed);
}
