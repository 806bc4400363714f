// The binding itself: results, errors, timeouts, options, handles, ranges.
#include <limits>
#include <memory>

#include "harness.hpp"

#if __cplusplus >= 202002L
#include <iterator>
#include <ranges>
#include <span>
#endif

using namespace std::chrono_literals;
using test::batch;
using test::new_root;
using test::shard_id;
using weir::Error;
using weir::Result;
using weir::Status;
using weir::Timeout;

namespace {

weir::Session session;

// ---- Results and errors ----

Error some_error() { return Error(Status::conflict, weir::Action::retry, "it did not work"); }

void results_hold_a_value_or_an_error() {
  using Owned = std::unique_ptr<int>;
  Result<Owned> good = std::make_unique<int>(7), bad = some_error();
  CHECK(good && good.has_value() && **good == 7);
  CHECK(good.status() == Status::ok && !good.error());
  CHECK(!bad);
  CHECK(bad.status() == Status::conflict);
  CHECK_EQ(bad.error().message(), "it did not work");
  CHECK_EQ(*std::move(bad).value_or(std::make_unique<int>(3)), 3);
  const Owned taken = std::move(good).value();
  CHECK_EQ(*taken, 7);
  Result<void> nothing, failed = some_error();
  CHECK(nothing && !failed);
  nothing.value();
}

void results_can_be_chained() {
  auto half = [](int n) -> Result<int> {
    if (n % 2) return some_error();
    return n / 2;
  };
  CHECK_EQ(*Result<int>(12).and_then(half).and_then(half), 3);
  FAILS(Result<int>(6).and_then(half).and_then(half), conflict);
  CHECK_EQ(*Result<int>(6).transform([](int n) { return std::to_string(n); }), "6");
  int seen = 0;
  OK(Result<int>(6).transform([&](int n) { seen = n; }));
  CHECK_EQ(seen, 6);
  FAILS(Result<int>(some_error()).transform([&](int n) { seen += n; }), conflict);
  CHECK_EQ(seen, 6);
  CHECK_EQ(*Result<int>(some_error()).or_else([](const Error &error) -> Result<int> { return static_cast<int>(error.status()); }), 23);
  CHECK_EQ(*Result<int>(5).or_else([](const Error &) -> Result<int> { return 0; }), 5);
  FAILS(Result<void>().and_then([]() -> Result<void> { return some_error(); }), conflict);
  FAILS(Result<void>(some_error()).and_then([&]() -> Result<void> { return seen = 9, Result<void>(); }), conflict);
  CHECK_EQ(seen, 6);
}

void errors_are_copied_and_outlive_what_failed() {
  Error copy;
  CHECK(!copy);
  CHECK(copy.status() == Status::ok && copy.action() == weir::Action::none);
  CHECK_EQ(copy.message(), "");
  CHECK(!copy.detail_u64("epoch") && !copy.detail_str("shard"));
  {
    const std::string root = new_root();
    auto writer = test::writer(session, root);
    test::put(writer, 1);
    const auto failed = test::tailer(session, root).read(99);
    FAILS(failed, not_found);
    copy = failed.error();
  }
  const Error another = copy;
  CHECK(another && another.is(Status::not_found));
  CHECK(std::strstr(another.message(), "99") != nullptr);
  CHECK_EQ(another.detail_u64("position").value_or(0), 99);
  CHECK_EQ(weir::to_string(another.status()), "WEIR_STATUS_NOT_FOUND");
}

void errors_of_the_c_interface_are_adopted() {
  WeirError *raw = nullptr;
  CHECK(weir_log_set_level(99, &raw) == WEIR_STATUS_INVALID_ARGUMENT);
  const Error error = Error::adopt(raw);
  CHECK(error.is(Status::invalid_argument) && error.action() == weir::Action::fix && error.message()[0] != '\0');
  CHECK(!Error::adopt(nullptr));
  const Error bare = Error::adopt(WEIR_STATUS_CLOSED, nullptr);  // a status without an error
  CHECK(bare.is(Status::closed));
  CHECK_EQ(bare.message(), "WEIR_STATUS_CLOSED");
}

#if WEIR_EXCEPTIONS
template <class F>
Status thrown(F &&f) {
  try {
    f();
  } catch (const std::exception &caught) {
    const auto *own = dynamic_cast<const weir::Exception *>(&caught);
    if (!CHECK(own != nullptr)) return Status::ok;
    CHECK_EQ(caught.what(), own->error().message());
    return own->status();
  }
  return Status::ok;
}

void value_throws() {
  CHECK(thrown([] { static_cast<void>(weir::Tailer::open(session, new_root(), "nonsense").value()); }) == Status::invalid_argument);
  CHECK(thrown([] { Result<void>(some_error()).value(); }) == Status::conflict);
  const Result<int> bad = some_error();
  CHECK(thrown([&] { static_cast<void>(bad.value()); }) == Status::conflict);
  CHECK(thrown([] { static_cast<void>(Result<int>(1).value()); }) == Status::ok);
}
#endif

// ---- Timeouts, options, texts ----

void timeouts_come_from_any_duration() {
  CHECK_EQ(Timeout().milliseconds(), -1);
  CHECK_EQ(weir::forever.milliseconds(), -1);
  CHECK_EQ(weir::no_wait.milliseconds(), 0);
  CHECK_EQ(Timeout(2s).milliseconds(), 2000);
  CHECK_EQ(Timeout(1ns).milliseconds(), 1);  // never less than was asked for
  CHECK_EQ(Timeout(std::chrono::duration<double>(0.0105)).milliseconds(), 11);
  CHECK_EQ(Timeout(-5s).milliseconds(), 0);  // a deadline that has passed is not for ever
  CHECK_EQ(Timeout(std::chrono::hours::max()).milliseconds(), -1);
  CHECK_EQ(Timeout(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())).milliseconds(), 0);
  CHECK_EQ(Timeout::until(std::chrono::steady_clock::now() - 1h).milliseconds(), 0);
  const auto hour = Timeout::until(std::chrono::steady_clock::now() + 1h).milliseconds();
  CHECK(hour > 3590000 && hour <= 3600000);
}

template <class C>
bool same_bytes(const C &a, const C &b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

void default_options_are_the_libraries() {
  Error bad;
  WeirWriterOptions writer;
  std::memset(&writer, 0, sizeof writer);
  weir_writer_options_init(&writer, sizeof writer);
  CHECK(same_bytes(weir::WriterOptions().c(bad), writer));
  WeirAppenderOptions appender;
  std::memset(&appender, 0, sizeof appender);
  weir_appender_options_init(&appender, sizeof appender);
  CHECK(same_bytes(weir::AppenderOptions().c(bad), appender));
  WeirTailerOptions tailer;
  std::memset(&tailer, 0, sizeof tailer);
  weir_tailer_options_init(&tailer, sizeof tailer);
  CHECK(same_bytes(weir::TailerOptions().c(bad), tailer));
  WeirTrimOptions trim;
  weir_trim_options_init(&trim, sizeof trim);
  CHECK(same_bytes(weir::shard::TrimOptions().c(bad), trim));
  CHECK(!bad);
}

void options_that_do_not_fit_are_refused() {
  const std::string root = new_root();
  const auto schema = test::schema();
  weir::WriterOptions options;
  options.trim_age = -1ms;
  auto refused = weir::Writer::open(session, root, shard_id, schema, options);
  FAILS(refused, invalid_argument);
  CHECK(std::strstr(refused.error().message(), "trim_age") != nullptr);
  FAILS(weir::Writer::open_async(session, root, shard_id, schema, options).future().get(), invalid_argument);
  options = {};
  options.retry_base_delay = 365 * 24h;
  FAILS(weir::Writer::open(session, root, shard_id, schema, options), invalid_argument);
  weir::AppenderOptions appender;
  appender.retry_base_delay = -1ms;
  FAILS(weir::Appender::open(session, root, shard_id, schema, appender), invalid_argument);
  FAILS(weir::Appender::open_async(session, root, shard_id, schema, appender).future().get(), invalid_argument);
  weir::TailerOptions tailer;
  tailer.poll_max = -1ms;
  FAILS(weir::Tailer::open(session, root, shard_id, tailer), invalid_argument);
  weir::shard::TrimOptions trim;
  trim.trim_age = -1ms;
  FAILS(weir::shard::trim(session, root, shard_id, 1, trim), invalid_argument);
  FAILS(weir::shard::trim_async(session, root, shard_id, 1, trim).future().get(), invalid_argument);
  CHECK(!std::filesystem::exists(root));
}

void texts_with_a_nul_are_refused() {  // they would be cut: another root, another key
  const std::string root = new_root(), cut = root + std::string("\0x", 2);
  const auto schema = test::schema();
  FAILS(weir::Writer::open(session, cut, shard_id, schema), invalid_argument);
  FAILS(weir::Writer::open_async(session, cut, shard_id, schema).future().get(), invalid_argument);
  FAILS(weir::Appender::open(session, cut, shard_id, schema), invalid_argument);
  FAILS(weir::Tailer::open(session, cut, shard_id), invalid_argument);
  FAILS(weir::shard::list(session, cut), invalid_argument);
  FAILS(weir::shard::manifest(session, cut, shard_id), invalid_argument);
  FAILS(weir::shard::init(session, root, shard_id, {0, {{std::string("a\0b", 3), ""}}}), invalid_argument);
  FAILS(weir::shard::init_async(session, cut, shard_id, {}).future().get(), invalid_argument);
  FAILS(weir::shard::seal(session, cut, shard_id), invalid_argument);
  FAILS(weir::shard::unseal(session, cut, shard_id), invalid_argument);
  FAILS(weir::shard::trim(session, cut, shard_id, 1), invalid_argument);
  FAILS(weir::Session::create({{{"aws_region", std::string("a\0b", 3)}}}), invalid_argument);
  FAILS(weir::open_ipc_file(cut), invalid_argument);
  weir::runtime::Options options;
  options.thread_name = std::string("a\0b", 3);
  FAILS(weir::runtime::configure(options), invalid_argument);
  CHECK(!std::filesystem::exists(root));
}

void sessions_know_their_settings() {
  const auto keys = MUST(weir::store_settings());
  CHECK(std::find(keys.begin(), keys.end(), "weir_fsync") != keys.end());
  OK(weir::Session::create({{{"weir_fsync", "false"}}}));
  auto refused = weir::Session::create({{{"no_such_key", "x"}}});
  FAILS(refused, invalid_argument);
  CHECK(std::strstr(refused.error().message(), "no_such_key") != nullptr);
  OK(weir::check_abi());
  CHECK(weir::version().find('.') != std::string_view::npos);
}

// ---- Handles ----

void handles_move_and_free() {
  const auto before = weir::live_handles();
  auto one = test::session();
  CHECK_EQ(weir::live_handles(), before + 1);
  weir::Session two = std::move(one);
  CHECK(two && !one);  // NOLINT(bugprone-use-after-move)
  one = std::move(two);
  WeirSession *raw = one.release();
  CHECK(!one);
  two = weir::Session::adopt(raw);
  CHECK(two.get() == raw);
  two = test::session();  // frees the old one
  CHECK_EQ(weir::live_handles(), before + 1);
  two.reset();
  CHECK_EQ(weir::live_handles(), before);
  static_assert(!std::is_copy_constructible_v<weir::Writer> && std::is_nothrow_move_constructible_v<weir::Writer>);
  static_assert(sizeof(weir::Writer) == sizeof(void *));
}

void empty_handles_refuse() {
  weir::Writer writer;
  weir::Tailer tailer;
  const weir::Entry entry;
  FAILS(writer.put(batch(1, 0)), invalid_argument);
  FAILS(writer.close(), invalid_argument);
  FAILS(writer.flush_async().future().get(), invalid_argument);
  FAILS(writer.stats(), invalid_argument);
  FAILS(tailer.next(), invalid_argument);
  FAILS(tailer.stream(), invalid_argument);
  FAILS(entry.batch(0), invalid_argument);
  FAILS(weir::Queue().next(), invalid_argument);
  FAILS(weir::Subscription().request(1), invalid_argument);
  FAILS(weir::Manifest().field(0), invalid_argument);
  CHECK_EQ(writer.epoch() + writer.durable_position() + tailer.position() + entry.rows() + weir::Manifest().version(), 0);
  tailer.interrupt();
  weir::Subscription().cancel();
  CHECK(weir::Buffer().bytes().empty() && weir::Buffer().bytes().data() == nullptr);  // PITFALLS X6
  weir::ArrayStream stream;
  FAILS(stream.schema(), invalid_argument);
  FAILS(stream.next(), invalid_argument);
}

void a_writer_tells_of_itself() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  test::put(writer, 3);
  CHECK_EQ(writer.epoch(), 1);
  const auto stats = MUST(writer.stats());
  CHECK_EQ(stats.puts, 3);
  CHECK_EQ(stats.rows, 30);
  CHECK_EQ(MUST(writer.memory()).limit_bytes, weir::WriterOptions().max_pending_bytes);
  CHECK_EQ(MUST(writer.manifest()).writer_epoch(), 1);
  OK(writer.wait_capacity(100));
  OK(writer.abort());
  FAILS(writer.put(batch(1, 0)), closed);
  CHECK_EQ(MUST(writer.stats()).puts, 3);
}

void c_structs_are_owned_and_given_away() {
  const long live = test::live;
  weir::Array one = batch(10, 0);
  CHECK_EQ(one.length(), 10);
  weir::Array two = std::move(one);
  CHECK(two && !one);  // NOLINT(bugprone-use-after-move)
  ArrowArray raw = two.detach();
  CHECK(!two && raw.release != nullptr);
  two = weir::Array(&raw);
  CHECK(two && raw.release == nullptr);
  two = batch(5, 0);  // releases the old one
  CHECK_EQ(test::live - live, 3);
  weir::Array &alias = two;
  two = std::move(alias);
  CHECK(two);
  two.reset();
  CHECK_EQ(test::live.load(), live);
  ArrowArray raw_batch = batch(10, 0).detach();
  auto writer = test::writer(session, new_root());
  OK(writer.put(&raw_batch));
  CHECK(raw_batch.release == nullptr);
  FAILS(writer.put(static_cast<ArrowArray *>(nullptr)), invalid_argument);
  const weir::ByteView bytes(std::string_view("ab"));
  CHECK(bytes.text() == "ab" && bytes.size() == 2 && *bytes.begin() == 'a');
#if __cplusplus >= 202002L
  CHECK_EQ(std::span<const std::uint8_t>(bytes).size(), 2);
#endif
}

// ---- Ranges ----

#if __cplusplus >= 202002L
static_assert(std::input_iterator<decltype(std::declval<weir::Tailer &>().entries().begin())>);
static_assert(std::ranges::input_range<decltype(std::declval<weir::Tailer &>().entries())>);
static_assert(std::ranges::input_range<decltype(std::declval<const weir::Entry &>().batches())>);
static_assert(std::ranges::input_range<decltype(std::declval<weir::ArrayStream &>().batches())>);
#endif

void ranges_end_at_the_end_and_after_an_error() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  test::put(writer, 3);
  auto tailer = test::tailer(session, root);
  for (auto &entry : tailer.entries()) {
    CHECK_EQ(entry->position(), 1);
    break;  // what was not pulled is still there
  }
  CHECK_EQ(tailer.position(), 2);
  auto rest = tailer.entries();
  CHECK_EQ(std::distance(rest.begin(), rest.end()), 2);
  auto none = tailer.entries();
  CHECK(none.begin() == none.end());

  auto follower = test::follower(session, root);
  int good = 0, bad = 0;
  for (auto &entry : follower.entries(1ms)) {
    if (entry) good++;
    else bad++, FAILS(entry, timed_out);
  }
  CHECK_EQ(good, 3);
  CHECK_EQ(bad, 1);

  auto broken = test::stream({5, 10, 2});
  good = bad = 0;
  for (auto &each : broken.batches()) {
    if (each) CHECK(test::is_batch(*each, 10, good++ * 10));
    else bad++, CHECK_EQ(each.error().message(), "the dog ate it");
  }
  CHECK_EQ(good, 2);
  CHECK_EQ(bad, 1);
}

void ranges_can_own_what_they_read() {  // so that a range over a temporary does not dangle
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  test::put(writer, 3);
  std::int64_t first = 0;
  for (auto &entry : test::tailer(session, root).entries()) {
    for (auto &each : MUST(std::move(entry)).batches()) {
      CHECK(OK(each) && test::is_batch(*each, 10, first));
      first += 10;
    }
  }
  CHECK_EQ(first, 30);
  first = 0;
  for (auto &each : test::stream({4, 10}).batches()) {
    CHECK(OK(each) && test::is_batch(*each, 10, first));
    first += 10;
  }
  CHECK_EQ(first, 40);
}

void entries_can_be_kept() {
  const std::string root = new_root();
  auto writer = test::writer(session, root);
  test::put(writer, 5);
  std::vector<weir::Entry> kept;
  {
    auto tailer = test::tailer(session, root);
    for (auto &entry : tailer.entries()) kept.push_back(MUST(std::move(entry)));
  }
  CHECK_EQ(kept.size(), 5);
  for (std::size_t i = 0; i < kept.size(); i++) {
    CHECK_EQ(kept[i].position(), i + 1);
    CHECK_EQ(kept[i].batch_count(), 1);
    CHECK_EQ(kept[i].generation(), 1);  // that its MemTable becomes
    CHECK(kept[i].bytes() > 0);
    CHECK(kept[i].schema_id() != 0);
    CHECK_EQ(kept[i].schema_id(), kept[0].schema_id());
    for (auto &each : kept[i].batches()) CHECK(OK(each) && test::is_batch(*each, 10, static_cast<std::int64_t>(i) * 10));
    FAILS(kept[i].batch(1), invalid_argument);
  }
}

void files_are_opened_as_streams() {
  auto flights = MUST(weir::open_ipc_file(WEIR_TEST_DATA));
  CHECK_EQ(MUST(flights.schema()).columns(), 14);
  std::int64_t rows = 0;
  for (auto &each : flights.batches()) rows += OK(each) ? each->length() : 0;
  CHECK_EQ(rows, 4000);
  auto missing = weir::open_ipc_file("/nonexistent/file.arrow");
  FAILS(missing, not_found);
  CHECK(std::strstr(missing.error().message(), "/nonexistent/file.arrow") != nullptr);
}

std::atomic<int> threads_started{0}, threads_stopped{0};

void the_runtime_is_configured_before_use() {
  weir::runtime::Options options;
  options.worker_threads = 1;
  options.dispatcher_threads = 2;
  options.thread_name = "cpp-test";
  options.on_thread_start = [] { threads_started++; };
  options.on_thread_stop = [] { threads_stopped++; };
  OK(weir::runtime::configure(options));
  FAILS(weir::runtime::configure(options), already_exists);
}

void the_runtimes_hooks_were_called() {
  session.reset();
  OK(weir::runtime::shutdown());
  CHECK(threads_started > 0);
  CHECK_EQ(threads_started.load(), threads_stopped.load());
}

}  // namespace

#define RUN(name) test::run(#name, name, passed, failed)

int main(int, char **argv) {
  int passed = 0, failed = 0;
  test::start();
  RUN(the_runtime_is_configured_before_use);
  session = test::session();
  RUN(results_hold_a_value_or_an_error);
  RUN(results_can_be_chained);
  RUN(errors_are_copied_and_outlive_what_failed);
  RUN(errors_of_the_c_interface_are_adopted);
#if WEIR_EXCEPTIONS
  RUN(value_throws);
#endif
  RUN(timeouts_come_from_any_duration);
  RUN(default_options_are_the_libraries);
  RUN(options_that_do_not_fit_are_refused);
  RUN(texts_with_a_nul_are_refused);
  RUN(sessions_know_their_settings);
  RUN(handles_move_and_free);
  RUN(empty_handles_refuse);
  RUN(a_writer_tells_of_itself);
  RUN(c_structs_are_owned_and_given_away);
  RUN(ranges_end_at_the_end_and_after_an_error);
  RUN(ranges_can_own_what_they_read);
  RUN(entries_can_be_kept);
  RUN(files_are_opened_as_streams);
  RUN(the_runtimes_hooks_were_called);
  return test::finish(argv[0], passed, failed);
}
