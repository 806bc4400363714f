// The behaviours of writing: errors, putting, ownership, waiting, limits, closing.
#ifndef WEIR_TEST_CONFORMANCE_WRITES_HPP
#define WEIR_TEST_CONFORMANCE_WRITES_HPP

#include <future>
#include <map>
#include <memory>

#include "harness.hpp"

using namespace std::chrono_literals;
using test::batch;
using test::new_root;
using test::put;
using test::rows_in_log;
using test::shard_id;
using weir::Ack;
using weir::Result;
using weir::Status;

namespace {

weir::Session session;

// ---- Errors ----

void error_fields() {
  const std::string root = new_root();
  auto old = test::writer(session, root), owner = test::writer(session, root);
  auto refused = old.put(batch(10, 0));
  FAILS(refused, fenced);
  const weir::Error error = refused.error();
  CHECK(std::strstr(error.message(), shard_id) != nullptr);
  CHECK(error.action() == weir::Action::stop);
  CHECK_EQ(error.detail_u64("epoch").value_or(0), 1);
  CHECK_EQ(error.detail_u64("fenced_by_epoch").value_or(0), 2);
  CHECK(error.detail_str("shard") == shard_id);
  CHECK(!error.detail_u64("no such detail") && !error.detail_str("no such detail"));
}

void error_argument() {
  const std::string root = new_root();
  const weir::Schema schema = test::schema(), no_struct(test::field("l", "id", false));
  auto refused = [](const auto &result, const char *what) {
    if (result.status() != Status::invalid_argument && result.status() != Status::unsupported)
      test::fail(__FILE__, __LINE__, std::string(what) + " is " + test::show(result.status()));
  };
  refused(weir::Writer::open(session, "ftp://host/path", shard_id, schema), "a URL of an unknown scheme");
  refused(weir::Writer::open(session, "", shard_id, schema), "an empty URL");
  refused(weir::Writer::open(session, root, "shard-1", schema), "a shard id that is no UUID");
  refused(weir::Writer::open(session, root, "../../etc", schema), "a shard id that is a path");
  FAILS(weir::Writer::open(session, root, shard_id, no_struct), invalid_data);  // of Arrow data, the library says so
  refused(weir::Writer::open(session, root, shard_id, weir::Schema()), "a schema that was released");
  auto options = test::quick();
  options.max_buffer_bytes = 0;
  refused(weir::Writer::open(session, root, shard_id, schema, options), "a buffer of no size");
  options = test::quick();
  options.compression = static_cast<weir::Compression>(99);
  refused(weir::Writer::open(session, root, shard_id, schema, options), "a compression that is none");
  refused(weir::Tailer::open(session, root, "shard-1"), "a tailer of no shard");
  CHECK(!std::filesystem::exists(root));
}

void error_schema() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  weir::Array other = batch(10, 0);
  ArrowArray column = other.detach();
  std::swap(column.children[0], column.children[1]);  // a text where numbers must be
  const Status status = writer.put(&column).status();
  CHECK(status == Status::schema_mismatch || status == Status::invalid_data);
  auto good = writer.put(batch(10, 0));
  if (OK(good)) CHECK_EQ(good->position, 1);
  CHECK_EQ(rows_in_log(session, root), 10);
}

// ---- Putting ----

void put_durable() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  const Ack ack = MUST(writer.put(batch(10, 70)));
  CHECK_EQ(ack.position, 1);
  CHECK_EQ(ack.epoch, 1);
  auto tailer = test::tailer(session, root);
  const auto entry = MUST(tailer.next());
  if (CHECK(entry)) CHECK(test::is_batch(MUST(entry->batch(0)), 10, 70));
}

void put_async() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  std::vector<std::future<Result<Ack>>> acks;
  for (int i = 0; i < 1000; i++) acks.push_back(writer.put_async(batch(1, i)).future());
  std::map<std::uint64_t, int> by_sequence;
  for (int i = 0; i < 1000; i++) {
    auto ack = acks[static_cast<std::size_t>(i)].get();
    if (OK(ack)) by_sequence[ack->sequence] = i;
  }
  CHECK_EQ(by_sequence.size(), 1000);
  auto tailer = test::tailer(session, root);
  auto expected = by_sequence.begin();
  for (auto &entry : tailer.entries()) {
    if (!OK(entry)) break;
    for (auto &put : entry->batches()) {
      if (OK(put) && CHECK(expected != by_sequence.end())) test::is_batch(*put, 1, (expected++)->second);
    }
  }
  CHECK(expected == by_sequence.end());
}

void put_buffered() {
  const std::string root = new_root();
  auto writer = test::writer(session, root, test::buffered());
  Ack last{};
  for (int i = 0; i < 4; i++) last = MUST(writer.put(batch(10, i * 10)));
  CHECK_EQ(last.position, 0);
  CHECK_EQ(rows_in_log(session, root), 0);
  OK(writer.flush());
  OK(writer.wait_durable(last.sequence, weir::no_wait));
  CHECK_EQ(writer.durable_position(), last.sequence);
  CHECK_EQ(rows_in_log(session, root), 40);
}

void put_stream() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  const Ack ack = MUST(writer.put_stream(test::stream({7, 10})));
  CHECK_EQ(ack.sequence, 7);
  CHECK_EQ(writer.durable_position(), 7);
  std::int64_t first = 0;  // the batches are there, in the stream's order
  for (auto &each : MUST(test::tailer(session, root).stream()).batches()) {
    if (OK(each)) CHECK(test::is_batch(*each, 10, first));
    first += 10;
  }
  CHECK_EQ(first, 70);
  const Status other = writer.put_stream(test::stream({7, 10, -1, "i"})).status();
  CHECK(other == Status::schema_mismatch || other == Status::invalid_data);
  CHECK_EQ(rows_in_log(session, root), 70);
  // One that fails half-way says how many of its batches are in the log.
  auto broken = writer.put_stream(test::stream({7, 10, 3}));
  CHECK(!broken);
  CHECK(std::strstr(broken.error().message(), "the dog ate it") != nullptr);
  OK(writer.flush());
  CHECK_EQ(rows_in_log(session, root), 70 + 10 * broken.error().detail_u64("accepted").value_or(99));
}

void fencing() {
  const std::string root = new_root();
  auto first = test::writer(session, root);
  put(first, 3);
  auto second = test::writer(session, root);
  put(second, 2);
  auto refused = first.put(batch(10, 30));
  FAILS(refused, fenced);
  CHECK_EQ(refused.error().detail_u64("fenced_by_epoch").value_or(0), second.epoch());
  FAILS(first.check_fenced(), fenced);
  FAILS(first.flush(), fenced);
  OK(second.check_fenced());
  put(second, 2);
  CHECK_EQ(rows_in_log(session, root), 70);
}

// ---- Ownership ----

void ownership_input() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  const long live = test::live, released = test::released;
  long arrays = 0;
  auto taken = [&](auto &&call) {  // whatever it comes to
    weir::Array one = batch(10, 0);
    arrays++;
    call(one);
    CHECK(!one);
  };
  taken([&](weir::Array &one) { OK(writer.put(std::move(one))); });
  taken([&](weir::Array &one) { OK(writer.put_async(std::move(one)).future().get()); });
  taken([&](weir::Array &one) { FAILS(weir::Writer().put(std::move(one)), invalid_argument); });
  taken([&](weir::Array &one) { FAILS(weir::Writer().put_async(std::move(one)).future().get(), invalid_argument); });
  taken([&](weir::Array &one) { static_cast<void>(writer.put_async(std::move(one))); });  // never started
  taken([&](weir::Array &one) {
    std::swap(one.get()->children[0], one.get()->children[1]);
    CHECK(!writer.put(std::move(one)));
  });
  taken([&](weir::Array &one) { CHECK(!weir::bucket_of(std::move(one), test::schema(), 8)); });  // a struct has no hash
  taken([&](weir::Array &one) { FAILS(weir::Appender().append(std::move(one)), invalid_argument); });
  OK(writer.put_stream(test::stream({2, 10})));
  OK(writer.put_stream_async(test::stream({2, 10})).future().get());
  arrays += 4;
  CHECK(!writer.put_stream(test::stream({2, 10, -1, "i"})));
  FAILS(weir::Writer().put_stream(test::stream({2, 10})), invalid_argument);
  OK(writer.close());
  taken([&](weir::Array &one) { FAILS(writer.put(std::move(one)), closed); });
  taken([&](weir::Array &one) { FAILS(writer.put_async(std::move(one)).future().get(), closed); });
  FAILS(writer.put_stream(test::stream({2, 10})), closed);
  writer.reset();
  CHECK_EQ(test::live.load(), live);
  CHECK(test::released - released >= arrays);  // the refused streams' batches may or may not have been made
}

void ownership_output() {
  const std::string root = new_root();
  weir::Array array;
  weir::ArrayStream stream;
  weir::Schema schema;
  {
    auto own = test::session();
    auto writer = test::writer(own, root);
    put(writer, 1);
    auto tailer = test::tailer(own, root);
    auto entry = MUST(tailer.next());
    array = MUST(entry->batch(0));
    stream = MUST(entry->stream());
    schema = MUST(entry->schema());
  }
  CHECK(test::is_batch(array, 10, 0));
  CHECK_EQ(schema.columns(), 2);
  auto again = MUST(stream.next());
  if (CHECK(again)) CHECK(test::is_batch(*again, 10, 0));
  CHECK(!MUST(stream.next()));
}

// ---- Waiting, limits, closing ----

void cancel_wait() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  auto tailer = test::follower(session, root);
  FAILS(tailer.next(weir::no_wait), timed_out);
  const auto start = std::chrono::steady_clock::now();
  FAILS(tailer.next(30ms), timed_out);
  CHECK(std::chrono::steady_clock::now() - start >= 29ms);
  auto waiting = std::async(std::launch::async, [&] { return tailer.next(); });
  tailer.interrupt();
  FAILS(waiting.get(), cancelled);
  auto queue = MUST(weir::Queue::create());
  FAILS(queue.next(20ms), timed_out);
  OK(writer.flush_async().post(queue, 5));
  CHECK_EQ(MUST(queue.next()).token(), 5);
  put(writer, 1);
  auto entry = MUST(tailer.next());
  if (CHECK(entry)) CHECK_EQ(entry->position(), 1);
}

void backpressure() {
  const std::string root = new_root();
  auto options = test::buffered();
  options.max_buffer_bytes = options.max_pending_bytes = 32 * 1024;
  auto writer = test::writer(session, root, options);
  std::uint64_t accepted = 0;
  weir::Error refusal;
  EVENTUALLY([&] {
    auto put = writer.put_async(batch(100, 0)).then([](Result<Ack> ack) { OK(ack); });
    if (put) accepted++;
    refusal = put.error();
    return !put;
  }());
  CHECK(refusal.is(Status::backpressure));
  CHECK(refusal.action() == weir::Action::retry);
  CHECK_EQ(refusal.detail_u64("limit_bytes").value_or(0), 32 * 1024);
  CHECK(refusal.detail_u64("bytes").value_or(0) > 0);
  CHECK(refusal.detail_u64("pending_bytes").value_or(0) + refusal.detail_u64("in_flight_bytes").value_or(0) > 0);
  OK(writer.flush());
  OK(writer.put_async(batch(100, 0)).future().get());
  OK(writer.close());
  CHECK_EQ(rows_in_log(session, root), (accepted + 1) * 100);
}

void close_race() {  // PITFALLS X8
  for (int round = 0; round < 4; round++) {
    const std::string root = new_root();
    auto writer = test::writer(session, root);
    auto tailer = test::follower(session, root);
    std::atomic<std::uint64_t> acknowledged{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++) {
      threads.emplace_back([&] {
        Result<Ack> ack = writer.put(batch(10, 0));
        for (; ack; ack = writer.put(batch(10, 0))) acknowledged++;
        FAILS(ack, closed);
      });
      threads.emplace_back([&] {
        auto entry = tailer.next();
        while (entry) entry = tailer.next();
        FAILS(entry, closed);
      });
    }
    EVENTUALLY(writer.durable_position() >= 10);
    OK(writer.close());
    OK(tailer.close());
    for (std::thread &thread : threads) thread.join();
    CHECK_EQ(rows_in_log(session, root), acknowledged * 10);
  }
}

void close_twice() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  auto tailer = test::tailer(session, root);
  auto queue = MUST(weir::Queue::create());
  put(writer, 1);
  for (int i = 0; i < 2; i++) {
    OK(writer.close());
    OK(tailer.close());
    OK(queue.close());
  }
  FAILS(writer.put(batch(10, 0)), closed);
  FAILS(tailer.next(), closed);
  FAILS(tailer.read(1), closed);
  FAILS(queue.next(), closed);
  auto appender = MUST(weir::Appender::open(session, root, shard_id, test::schema()));
  for (int i = 0; i < 2; i++) OK(appender.close());
  FAILS(appender.append(batch(10, 0)), closed);
}

}  // namespace

#endif
