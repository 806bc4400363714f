// The behaviours of tests/conformance/behaviours.txt, one test each, by its id: what is in one and not in the other fails.
#include <fstream>
#include <set>

#include "conformance_cache.hpp"
#include "conformance_reads.hpp"
#include "conformance_spill.hpp"
#include "conformance_writes.hpp"

namespace {

// ---- Tailing ----

void tail_order() {
  const std::string root = new_root();
  auto first = test::writer(session, root);
  put(first, 3);
  auto second = test::writer(session, root);
  put(second, 2);
  auto tailer = test::tailer(session, root);
  std::uint64_t position = 0;
  for (auto &entry : tailer.entries()) {
    if (!OK(entry)) break;
    CHECK_EQ(entry->position(), ++position);
    CHECK_EQ(entry->epoch(), position <= 3 ? 1 : 2);
    CHECK_EQ(entry->is_sentinel(), position == 4);
    if (position != 4) CHECK(test::is_batch(MUST(entry->batch(0)), 10, static_cast<std::int64_t>(position <= 3 ? position - 1 : position - 5) * 10));
  }
  CHECK_EQ(position, 6);
  CHECK(!MUST(tailer.next()));
}

void tail_follow() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  auto tailer = test::follower(session, root);
  put(writer, 1);
  CHECK(MUST(tailer.next()));
  auto waiting = std::async(std::launch::async, [&] { return tailer.next(); });
  CHECK(waiting.wait_for(20ms) == std::future_status::timeout);  // an end here would be wrong at any time
  OK(writer.put(batch(10, 50)));
  auto entry = waiting.get();
  if (OK(entry) && CHECK(*entry)) CHECK(test::is_batch(MUST((*entry)->batch(0)), 10, 50));
}

// Trims up to a position as soon as the entries are old enough.
void trim(const std::string &root, std::uint64_t up_to) {
  weir::shard::TrimOptions options;
  options.trim_age = 1ms;
  EVENTUALLY(MUST(weir::shard::trim(session, root, shard_id, up_to, options)) == up_to + 1);
}

void tail_seek() {
  const std::string root = new_root();
  auto writer = test::writer(session, root, test::log_only());  // whose entries no generation has to cover before they may go
  put(writer, 6);
  auto tailer = test::tailer(session, root);
  OK(tailer.seek(3));
  CHECK_EQ(MUST(tailer.next())->position(), 3);
  CHECK_EQ(MUST(tailer.read(5)).position(), 5);
  CHECK_EQ(tailer.position(), 4);
  FAILS(tailer.read(7), not_found);
  CHECK_EQ(MUST(tailer.next_position()), 7);
  trim(root, 4);
  auto gone = tailer.read(2);
  FAILS(gone, trimmed);
  CHECK_EQ(gone.error().detail_u64("first_position").value_or(0), 5);
  OK(tailer.seek(0));
  CHECK_EQ(MUST(tailer.next())->position(), 5);
}

void tail_interrupt() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  auto tailer = test::follower(session, root);
  for (int round = 0; round < 10; round++) {  // before, while and after it begins to wait
    auto waiting = std::async(std::launch::async, [&] { return tailer.next(); });
    if (round % 2) std::this_thread::sleep_for(std::chrono::milliseconds(round));
    tailer.interrupt();
    FAILS(waiting.get(), cancelled);
  }
  put(writer, 1);
  CHECK_EQ(MUST(tailer.next())->position(), 1);
}

void tail_stream() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  put(writer, 3);
  writer = test::writer(session, root);  // a sentinel in between, which the stream leaves out
  put(writer, 2);
  auto tailer = test::tailer(session, root);
  auto stream = MUST(tailer.stream());
  CHECK_EQ(MUST(stream.schema()).columns(), 2);
  int batches = 0;
  for (auto &each : stream.batches()) {
    if (OK(each)) CHECK(test::is_batch(*each, 10, batches < 3 ? batches * 10 : (batches - 3) * 10));
    batches++;
  }
  CHECK_EQ(batches, 5);
}

void tail_subscribe() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  put(writer, 5);
  auto tailer = test::follower(session, root);
  std::atomic<std::uint64_t> seen{0};
  std::atomic<int> ends{0}, wrong{0};
  auto subscription = MUST(tailer.subscribe(
      [&](const weir::Entry &entry) {
        if (entry.position() != ++seen || ends > 0) wrong++;
      },
      [&](Result<void> end) {
        if (!FAILS(end, cancelled)) wrong++;
        ends++;
      },
      2));
  EVENTUALLY(seen == 2);
  std::this_thread::sleep_for(20ms);  // a third would be wrong, seen now or below
  CHECK_EQ(seen.load(), 2);
  CHECK_EQ(tailer.position(), 3);
  OK(subscription.request(1));
  EVENTUALLY(seen == 3);
  subscription.cancel();
  EVENTUALLY(ends == 1);
  OK(subscription.request(1));
  subscription.reset();
  CHECK_EQ(seen.load(), 3);
  CHECK_EQ(ends.load(), 1);
  CHECK_EQ(wrong.load(), 0);
}

// ---- Appenders, shards, routing ----

void append() {
  const std::string root = new_root();
  weir::AppenderOptions options;
  options.fsync = false;
  auto appender = MUST(weir::Appender::open(session, root, shard_id, test::schema(), options));
  auto tailer = test::tailer(session, root);
  for (std::uint64_t i = 1; i <= 5; i++) {
    CHECK_EQ(MUST(appender.append(batch(10, static_cast<std::int64_t>(i)))), i);
    auto entry = MUST(tailer.next());  // durable by now
    if (!CHECK(entry)) break;
    CHECK_EQ(entry->position(), i);
    CHECK_EQ(entry->batch_count(), 1);
    CHECK(test::is_batch(MUST(entry->batch(0)), 10, static_cast<std::int64_t>(i)));
  }
}

void shard_admin() {
  const std::string root = new_root();
  CHECK(MUST(weir::shard::list(session, root)).empty());
  FAILS(weir::shard::manifest(session, root, shard_id), not_found);
  OK(weir::shard::init(session, root, test::other_shard_id, {7, {{"bucket", std::string("\x01\x00\xff", 3)}, {"region", ""}}}));
  auto writer = test::writer(session, root);
  put(writer, 4);
  CHECK((MUST(weir::shard::list(session, root)) == std::vector<std::string>{test::other_shard_id, shard_id}));
  auto made = MUST(weir::shard::manifest(session, root, test::other_shard_id));
  CHECK_EQ(made.shard_spec_id(), 7);
  CHECK_EQ(made.field_count(), 2);
  const auto field = MUST(made.field(0));
  CHECK(field.id == "bucket" && field.value.text() == std::string("\x01\x00\xff", 3));
  CHECK_EQ(MUST(weir::shard::manifest(session, root, shard_id)).writer_epoch(), 1);
  OK(weir::shard::seal(session, root, shard_id));
  CHECK(MUST(weir::shard::manifest(session, root, shard_id)).is_sealed());
  FAILS(weir::Writer::open(session, root, shard_id, test::schema()), sealed);
  OK(weir::shard::unseal(session, root, shard_id));
  writer = test::writer(session, root);
  put(writer, 1);
  test::flush_tables(writer);
  trim(root, 2);
  CHECK_EQ(MUST(test::tailer(session, root).first_position()), 3);
}

// A column of plain values. Their release counts nothing of its own: the parts do.
weir::Array column(std::vector<const void *> buffers, std::int64_t length, std::int64_t nulls = 0) {
  auto *parts = new test::ArrayParts;
  parts->buffers = std::move(buffers);
  return weir::Array(test::array_of(parts, length, nulls));
}

void routing() {  // the vectors of the format's description
  using Buckets = std::vector<std::int32_t>;
  const std::int32_t ints[] = {1, 2, 3}, offsets[] = {0, 1, 2};
  const float single = 1.25F;
  const double twice = 1.25;
  const std::uint8_t yes = 1, not_the_second = 5;
  auto buckets = [](const char *format, weir::Array values) {
    return MUST(weir::bucket_of(std::move(values), weir::Schema(test::field(format, "column", true)), 8));
  };
  CHECK((buckets("i", column({nullptr, ints}, 3)) == Buckets{2, 7, 1}));
  CHECK((buckets("i", column({&not_the_second, ints}, 3, 1)) == Buckets{2, 0, 1}));
  CHECK((buckets("f", column({nullptr, &single}, 1)) == Buckets{0}));
  CHECK((buckets("g", column({nullptr, &twice}, 1)) == Buckets{0}));
  CHECK((buckets("b", column({nullptr, &yes}, 1)) == Buckets{2}));
  CHECK((buckets("u", column({nullptr, offsets, "ab"}, 2)) == Buckets{1, 5}));
  CHECK(buckets("i", column({nullptr, ints}, 0)).empty());
}

// ---- What is told ----

void metrics() {
  auto own = test::session();
  auto writer = test::writer(own, new_root());
  put(writer, 3);
  const std::string text = MUST(own.metrics());
  CHECK(text.find("\nweir_writer_puts_total 3\n") != std::string::npos);
}

void log_sink() {
  std::atomic<int> lines{0}, after{0};
  std::atomic<bool> gone{false};
  OK(weir::log::set_level(weir::log::Level::debug));
  // Lives as long as the sink does.
  auto alive = std::shared_ptr<void>(nullptr, [&](void *) { gone = true; });
  OK(weir::log::set_sink([&, alive](weir::log::Level level, std::string_view target, std::string_view message) {
    if (level != weir::log::Level::off && !target.empty() && !message.empty()) lines++;
    if (gone) after++;
  }));
  alive.reset();
  test::writer(session, new_root()).reset();
  CHECK(lines > 0);
  CHECK(!gone);
  OK(weir::log::set_sink(nullptr));
  EVENTUALLY(gone.load());
  const int seen = lines;
  test::writer(session, new_root()).reset();
  CHECK_EQ(lines.load(), seen);
  CHECK_EQ(after.load(), 0);
  OK(weir::log::set_level(weir::log::Level::info));
}

const std::map<std::string, void (*)()> tests = {
    {"error-fields", error_fields},
    {"error-argument", error_argument},
    {"error-schema", error_schema},
    {"put-durable", put_durable},
    {"put-async", put_async},
    {"put-buffered", put_buffered},
    {"put-stream", put_stream},
    {"fencing", fencing},
    {"ownership-input", ownership_input},
    {"ownership-output", ownership_output},
    {"cancel-wait", cancel_wait},
    {"backpressure", backpressure},
    {"close-race", close_race},
    {"close-twice", close_twice},
    {"tail-order", tail_order},
    {"tail-follow", tail_follow},
    {"tail-seek", tail_seek},
    {"tail-interrupt", tail_interrupt},
    {"tail-stream", tail_stream},
    {"tail-subscribe", tail_subscribe},
    {"upsert-newest-wins", upsert_newest_wins},
    {"delete-and-states", delete_and_states},
    {"scan-filter-limit", scan_filter_limit},
    {"scan-moment", scan_moment},
    {"freeze-flush-read", freeze_flush_read},
    {"reopen-replays", reopen_replays},
    {"snapshot-then-tail", snapshot_then_tail},
    {"memtable-off", memtable_off},
    {"read-ownership", read_ownership},
    {"append", append},
    {"shard-admin", shard_admin},
    {"routing", routing},
    {"metrics", metrics},
    {"log-sink", log_sink},
    {"spill-roundtrip", spill_roundtrip},
    {"spill-cap", spill_cap},
    {"spill-reclaim", spill_reclaim},
    {"spill-close", spill_close},
    {"cache-roundtrip", cache_roundtrip},
    {"cache-flight", cache_flight},
    {"cache-backend", cache_backend},
};

std::string text_of(const char *path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The ids of the file, in its order.
std::vector<std::string> ids() {
  std::vector<std::string> ids;
  for (const std::string &line : weir::detail::lines(text_of(WEIR_TEST_BEHAVIOURS))) {
    if (!line.empty() && line[0] != '#') ids.push_back(line.substr(0, line.find(':')));
  }
  return ids;
}

}  // namespace

int main(int, char **argv) {
  int passed = 0, failed = 0;
  test::start();
  session = test::session();
  std::set<std::string> listed;
  for (const std::string &id : ids()) {
    listed.insert(id);
    const auto found = tests.find(id);
    if (found != tests.end()) {
      test::run(id, found->second, passed, failed);
    } else {
      test::run(id, [] { test::fail(__FILE__, __LINE__, "listed, and not tested"); }, passed, failed);
    }
  }
  for (const auto &[id, body] : tests) {
    if (listed.count(id) == 0) test::run(id, [] { test::fail(__FILE__, __LINE__, "tested, and not listed"); }, passed, failed);
  }
  session.reset();
  return test::finish(argv[0], passed, failed);
}
