// Spills in the C++ binding's own ways: options, stores and children, writers that are consumed, mapped bytes, every call as an Operation.
#include <future>

#include "spill_build.hpp"

using namespace std::chrono_literals;
using test::batch;
using test::bytes_at;
using test::new_root;

namespace {

weir::Session session;

// In memory and in files. An operation that has completed may hold its spill for a moment longer.
void with_stores(const std::function<void(const weir::SpillStore &)> &body) {
  const std::string directory = new_root();
  for (const std::string &at : {std::string(), directory}) {
    const weir::SpillStore store = test::store(at);
    body(store);
    EVENTUALLY(store.used_bytes() == 0);
    EVENTUALLY(MUST(store.stats()).open_writers == 0);
  }
  EVENTUALLY(test::files_below(directory) == 0);
}

void default_options_are_the_librarys() {
  WeirSpillStoreOptions store{};
  weir_spill_store_options_init(&store, sizeof store);
  weir::Error bad;
  const WeirSpillStoreOptions own = weir::SpillStoreOptions().c(bad);
  CHECK(!bad);
  CHECK(std::memcmp(&own, &store, sizeof own) == 0);
  WeirSpillOptions spill{};
  weir_spill_options_init(&spill, sizeof spill);
  const WeirSpillOptions of_spill = weir::SpillOptions().c();
  CHECK(std::memcmp(&of_spill, &spill, sizeof spill) == 0);
  WeirSpillReadOptions read{};
  weir_spill_read_options_init(&read, sizeof read);
  const WeirSpillReadOptions of_read = weir::SpillReadOptions().c();
  CHECK(std::memcmp(&of_read, &read, sizeof read) == 0);
}

void options_that_do_not_fit_are_refused() {
  const std::string directory = new_root();
  auto refused = [&](const std::function<void(weir::SpillStoreOptions &)> &change, const char *word) {
    weir::SpillStoreOptions options;
    options.location = directory;
    change(options);
    auto store = weir::SpillStore::create(session, options);
    if (FAILS(store, invalid_argument) && std::strstr(store.error().message(), word) == nullptr)
      test::fail(__FILE__, __LINE__, std::string(store.error().message()) + " does not say " + word);
  };
  refused([](auto &o) { o.min_free_bytes = UINT64_MAX; }, "min_free_bytes");
  refused([](auto &o) { o.reclaim_age = -1ms; }, "reclaim_age");
  refused([](auto &o) { o.location = std::string("a\0b", 3); }, "NUL");
  refused([](auto &o) { o.backend = static_cast<weir::SpillBackend>(99); }, "backend");
  refused([](auto &o) { o.backend = weir::SpillBackend::memory; }, "location");
  CHECK(!std::filesystem::exists(directory));
  const auto store = test::store("");
  weir::SpillOptions compressed;
  compressed.compression = weir::Compression::lz4;
  FAILS(store.begin(compressed), invalid_argument);  // batches only
  FAILS(store.begin_batches(weir::Schema()), invalid_argument);
}

void empty_handles_refuse() {
  weir::SpillStore store;
  weir::SpillWriter writer;
  weir::Spill spill;
  weir::SpillReader reader;
  FAILS(store.begin(), invalid_argument);
  FAILS(store.child(), invalid_argument);
  FAILS(store.stats(), invalid_argument);
  FAILS(writer.write(bytes_at(1)), invalid_argument);
  FAILS(std::move(writer).finish(), invalid_argument);
  FAILS(spill.batch(0), invalid_argument);
  FAILS(spill.map(), invalid_argument);
  FAILS(std::move(spill).map(), invalid_argument);
  FAILS(spill.reader(), invalid_argument);
  FAILS(reader.seek(0), invalid_argument);
  FAILS(weir::Batch().array(), invalid_argument);
  CHECK_EQ(spill.len() + spill.rows() + spill.batch_count() + store.used_bytes(), 0);
}

void stores_nest_and_tell_their_caps() {
  const auto process = test::store("", 1000);
  const auto tenant = MUST(process.child());
  const auto query = MUST(tenant.child(100));
  CHECK_EQ(process.cap_bytes().value_or(0), 1000);
  CHECK(!tenant.cap_bytes());
  CHECK_EQ(query.cap_bytes().value_or(0), 100);
  const auto spill = test::spill(query, 100);
  CHECK_EQ(MUST(tenant.stats()).live_bytes, 100);
  CHECK_EQ(MUST(query.stats()).open_spills, 1);
  CHECK_EQ(process.used_bytes(), 100);
  CHECK(test::store("", 0).cap_bytes() == 0u);  // which is a cap
}

void errors_tell_what_a_cap_refused() {
  const auto store = test::store("", 10);
  auto writer = MUST(store.begin());
  const weir::Error error = writer.write(bytes_at(11)).error();
  const auto exceeded = error.cap_exceeded();
  CHECK(exceeded && exceeded->cap_bytes == 10 && exceeded->used_bytes == 0 && exceeded->requested_bytes == 11);
  CHECK(!weir::Error().cap_exceeded());
  CHECK(!MUST(store.begin()).abort().error().cap_exceeded());
  CHECK(!weir::Error(weir::Status::disk_cap_exceeded, weir::Action::fix, "of the program's own").cap_exceeded());
}

void a_session_has_a_spill_store() {
  const auto given = test::store("", 4321);
  weir::SessionOptions options;
  options.spill = &given;
  auto own = MUST(weir::Session::create(options));
  auto got = MUST(own.spill_store());
  CHECK_EQ(got.cap_bytes().value_or(0), 4321);
  {
    const auto spill = test::spill(got, 1000);
    own.reset();
    got.reset();
    CHECK_EQ(given.used_bytes(), 1000);  // one and the same
    test::reads_back(spill, 1000, 0);
  }
  CHECK_EQ(given.used_bytes(), 0);
  CHECK(!MUST(session.spill_store()).cap_bytes());
  const auto with = MUST(weir::SpillStore::create(session));
  CHECK(MUST(session.metrics()).find("weir_spill_live_bytes") != std::string::npos);
}

void a_writer_is_consumed() {
  with_stores([](const weir::SpillStore &store) {
    auto writer = MUST(store.begin());
    OK(writer.write(bytes_at(300000)));
    OK(writer.write({}));
    const auto spill = MUST(std::move(writer).finish());
    CHECK(!writer);
    FAILS(writer.write(bytes_at(1)), invalid_argument);
    test::reads_back(spill, 300000, 0);
  });
}

void bytes_in_parts_are_written_together() {
  with_stores([](const weir::SpillStore &store) {
    auto writer = MUST(store.begin());
    const test::Bytes bytes = bytes_at(200000);
    OK(writer.writev({{bytes.data(), 10}, {}, {bytes.data() + 10, 99990}}));
    std::vector<weir::ByteView> many;
    for (std::size_t at = 100000; at < 180000; at += 1000) many.emplace_back(bytes.data() + at, 1000);
    OK(writer.writev(many.data(), many.size()));
    OK(writer.writev({}));
    many = {{bytes.data() + 180000, 1}, {bytes.data() + 180001, 9999}};
    OK(writer.writev_async(many.data(), many.size()).future().get());
    OK(writer.writev_async({{bytes.data() + 190000, 5}, {bytes.data() + 190005, 9995}}).future().get());
    const auto spill = MUST(std::move(writer).finish());
    test::reads_back(spill, bytes.size(), 0);
  });
}

void mapped_bytes_own_their_spill() {
  with_stores([](const weir::SpillStore &store) {
    weir::Spill whole = test::spill(store, 100000);
    OK(whole.map_async().future().get());
    const weir::MappedBytes mapped = MUST(std::move(whole).map());
    CHECK_EQ(store.used_bytes(), 100000);
    test::are_bytes(mapped.bytes(), 100000);
    CHECK_EQ(mapped.spill().len(), 100000);
    weir::SpillOptions options;
    options.encrypt = true;
    auto writer = MUST(store.begin(options));
    OK(writer.write(bytes_at(10)));
    auto spill = MUST(std::move(writer).finish());
    FAILS(std::move(spill).map(), unsupported);
    CHECK_EQ(spill.len(), 10);  // still there
  });
  const weir::MappedBytes none = MUST(test::spill(test::store(""), 0).map());  // PITFALLS X6
  CHECK(none.bytes().empty() && none.bytes().data() == nullptr);
}

void readers_seek_and_outlive_their_spill() {
  with_stores([](const weir::SpillStore &store) {
    auto reader = MUST(test::spill(store, 100000).reader());
    test::Bytes out(1000);
    OK(reader.seek(99900));
    CHECK_EQ(MUST(reader.read(out.data(), out.size())), 100);
    CHECK_EQ(MUST(reader.read(out.data(), out.size())), 0);
    OK(reader.seek(5));
    CHECK_EQ(MUST(reader.read(out.data(), out.size())), 1000);
    test::are_bytes(out, 1000, 5);
    CHECK_EQ(store.used_bytes(), 100000);
  });
}

void batches_are_written_mapped_and_streamed() {
  with_stores([](const weir::SpillStore &store) {
    auto writer = MUST(store.begin_batches(test::schema()));
    OK(writer.write_batch(batch(10, 0)));
    OK(writer.write_stream(test::stream({3, 10})));
    auto failed = writer.write_stream(test::stream({3, 10, 2}));  // after two
    CHECK(!failed && failed.error().detail_u64("accepted").value_or(0) == 2);
    FAILS(writer.write_stream(test::stream({1, 10, -1, "u"})), schema_mismatch);
    FAILS(writer.write(bytes_at(1)), invalid_argument);
    CHECK_EQ(test::live.load(), 0);
    auto spill = MUST(std::move(writer).finish());
    CHECK_EQ(spill.batch_count(), 6);
    weir::SpillReadOptions mapping;
    mapping.map = mapping.verify = true;
    auto mapped = MUST(spill.batch(3, mapping));
    auto stream = MUST(spill.stream(mapping));
    spill.reset();
    test::is_batch(mapped, 10, 20);
    CHECK_EQ(MUST(stream.schema()).columns(), 2);
    int batches = 0;
    for (auto &each : std::move(stream).batches()) batches += OK(each) && each->length() == 10;
    CHECK_EQ(batches, 6);
  });
}

void every_call_as_a_future() {
  with_stores([](const weir::SpillStore &store) {
    auto writer = MUST(store.begin());
    test::Bytes bytes = bytes_at(100000);
    OK(writer.write_async(bytes).future().get());
    static_cast<void>(writer.write_async(bytes));  // dropped: never happens
    CHECK_EQ(writer.len(), 100000);
    auto spill = MUST(std::move(writer).finish_async().future().get());
    CHECK(!writer);
    auto read = MUST(spill.read_at_async(99990, 1000).future().get());
    test::are_bytes(read.bytes(), 10, 99990);
    auto reader = MUST(spill.reader());
    std::vector<std::future<weir::Result<weir::Buffer>>> reads;
    for (int i = 0; i < 8; i++) reads.push_back(reader.read_async(100).future());
    for (std::size_t i = 0; i < 8; i++) test::are_bytes(MUST(reads[i].get()).bytes(), 100, i * 100);

    auto batches = MUST(store.begin_batches(test::schema()));
    OK(batches.write_batch_async(batch(10, 0)).future().get());
    OK(batches.write_stream_async(test::stream({3, 10})).future().get());
    auto spilled = MUST(std::move(batches).finish_async().future().get());
    auto got = MUST(spilled.batch_async(3).future().get());
    CHECK_EQ(got.rows(), 10);
    CHECK_EQ(MUST(got.schema()).columns(), 2);
    auto array = MUST(got.array());
    got.reset();
    test::is_batch(array, 10, 20);
    FAILS(spilled.batch_async(4).future().get(), invalid_argument);
  });
}

void a_finish_that_never_starts_aborts() {
  with_stores([](const weir::SpillStore &store) {
    auto writer = MUST(store.begin());
    OK(writer.write(bytes_at(100000)));
    { auto never = std::move(writer).finish_async(); }
    CHECK_EQ(store.used_bytes(), 0);  // at once
  });
}

void spills_come_as_events() {
  with_stores([](const weir::SpillStore &store) {
    auto queue = MUST(weir::Queue::create());
    auto writer = MUST(store.begin());
    OK(writer.write(bytes_at(100000)));
    OK(std::move(writer).finish_async().post(queue, 7));
    auto event = MUST(queue.next(20s));
    CHECK_EQ(event.token(), 7);
    CHECK_EQ(event.result_kind(), WEIR_RESULT_SPILL);
    const auto spill = MUST(std::move(event).take<weir::Spill>());
    test::reads_back(spill, 100000, 0);
    OK(spill.read_at_async(0, 10).post(queue, 8));
    auto other = MUST(queue.next(20s));
    FAILS(std::move(other).take<weir::Spill>(), invalid_argument);  // a buffer, which is freed
  });
}

void writers_of_many_threads_share_a_cap() {  // PITFALLS S5
  const auto store = test::store(new_root(), 100000);
  std::atomic<std::uint64_t> taken{0};
  std::vector<std::thread> threads;
  std::vector<weir::Spill> spills(4);
  for (std::size_t i = 0; i < spills.size(); i++) {
    threads.emplace_back([&, i] {
      auto writer = MUST(store.begin());
      weir::Result<void> done;
      while ((done = writer.write(bytes_at(999)))) taken += 999;
      CHECK(done.error().cap_exceeded());
      spills[i] = MUST(std::move(writer).finish());
    });
  }
  for (std::thread &thread : threads) thread.join();
  CHECK_EQ(taken.load(), 100000 / 999 * 999);
  CHECK_EQ(store.used_bytes(), taken.load());
  spills.clear();
  CHECK_EQ(store.used_bytes(), 0);
}

#ifdef WEIR_COROUTINES
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

Task spill_and_read(const weir::SpillStore &store, int *good) {
  auto writer = MUST(store.begin());
  const test::Bytes bytes = bytes_at(200000);
  OK(co_await writer.write_async(bytes));
  auto spill = MUST(co_await std::move(writer).finish_async());
  auto read = MUST(co_await spill.read_at_async(100, 1000));
  *good += test::are_bytes(read.bytes(), 1000, 100);
}

void coroutines_spill() {
  with_stores([](const weir::SpillStore &store) {
    int good = 0;
    Task task = spill_and_read(store, &good);
    CHECK(task.done.wait_for(60s) == std::future_status::ready);
    CHECK_EQ(good, 1);
  });
}
#endif

}  // namespace

#define RUN(name) test::run(#name, name, passed, failed)

int main(int, char **argv) {
  int passed = 0, failed = 0;
  test::start();
  session = test::session();
  RUN(default_options_are_the_librarys);
  RUN(options_that_do_not_fit_are_refused);
  RUN(empty_handles_refuse);
  RUN(stores_nest_and_tell_their_caps);
  RUN(errors_tell_what_a_cap_refused);
  RUN(a_session_has_a_spill_store);
  RUN(a_writer_is_consumed);
  RUN(bytes_in_parts_are_written_together);
  RUN(mapped_bytes_own_their_spill);
  RUN(readers_seek_and_outlive_their_spill);
  RUN(batches_are_written_mapped_and_streamed);
  RUN(every_call_as_a_future);
  RUN(a_finish_that_never_starts_aborts);
  RUN(spills_come_as_events);
  RUN(writers_of_many_threads_share_a_cap);
#ifdef WEIR_COROUTINES
  RUN(coroutines_spill);
#endif
  session.reset();
  return test::finish(argv[0], passed, failed);
}
