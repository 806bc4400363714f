// The cache in the C++ binding's own ways: loaders of all kinds, replies, backends that throw or answer later, every call as an Operation.
#include <future>

#include "cache_table.hpp"

using namespace std::chrono_literals;
using test::batch;
using test::bytes;
using test::text_in;
using weir::CacheContent;
using weir::CacheKey;
using weir::CacheReply;
using weir::Result;

namespace {

weir::Cache cache_of(std::uint64_t capacity) {
  weir::CacheOptions options;
  options.capacity_bytes = capacity;
  return MUST(weir::Cache::create(options));
}

void keys_are_compared_by_all_parts() {
  const std::string type = "t";
  const CacheKey key{"a", std::string_view("b\0c", 3), "t"};
  CHECK(key == (CacheKey{"a", std::string_view("b\0c", 3), type.c_str()}));
  CHECK(key != (CacheKey{"a", "b", "t"}));
  CHECK((CacheKey{"a", "b", nullptr}) == (CacheKey{"a", "b"}));
  CHECK(CacheKey::from(key.c()) == key);
  const WeirCacheKey empty = CacheKey{}.c();
  CHECK(empty.prefix == nullptr && empty.key == nullptr);  // PITFALLS X6
  auto cache = cache_of(1 << 20);
  OK(cache.insert(key, bytes("v")));
  CHECK_EQ(text_in(cache, key), "v");
  CHECK_EQ(text_in(cache, {"a", "b", "t"}), "(none)");
  FAILS(cache.insert({"a", "b", "\xff"}, bytes("v")), invalid_argument);  // a type's name is UTF-8
}

void a_cache_without_room_keeps_nothing() {
  auto off = cache_of(0);
  OK(off.insert({"a", "b"}, bytes("v")));
  CHECK_EQ(text_in(off, {"a", "b"}), "(none)");
  auto small = cache_of(100000);
  OK(small.insert({"a", "b"}, bytes(std::string(200000, 'x'))));
  CHECK_EQ(text_in(small, {"a", "b"}), "(none)");
  CHECK_EQ(MUST(small.stats()).refused, 1);
}

void empty_handles_refuse() {
  weir::Cache cache;
  int left = 0;
  auto counted = std::shared_ptr<void>(nullptr, [&](void *) { left++; });
  FAILS(cache.get({}), invalid_argument);
  FAILS(cache.insert({}, {}), invalid_argument);
  FAILS(cache.insert_batch({}, batch(1, 0), test::schema()), invalid_argument);
  FAILS(cache.get_or_insert({}, [counted](const CacheKey &) -> Result<CacheContent> { return std::string(); }), invalid_argument);
  FAILS(cache.get_or_insert_async({}, [counted](const CacheKey &) -> Result<CacheContent> { return std::string(); }).future().get(),
        invalid_argument);
  counted.reset();
  CHECK_EQ(left, 1);  // the loaders are gone
  FAILS(cache.clear(), invalid_argument);
  FAILS(cache.stats(), invalid_argument);
  FAILS(cache.num_entries(), invalid_argument);
  CHECK(weir::CacheValue().kind() == weir::CacheKind::none);
  CHECK(weir::CacheValue().bytes().empty());
  CacheReply reply;
  reply.miss();
  reply.done();
  reply.error("nobody hears it");
  FAILS(reply.bytes(bytes("x")), invalid_argument);
  CHECK_EQ(test::live.load(), 0);
}

// ---- Loaders ----

void loaders_bring_what_there_is() {
  auto cache = cache_of(1 << 20);
  auto load = [&cache](const char *key, auto loader) { return MUST(cache.get_or_insert({"p", key}, std::move(loader))); };
  auto text = load("text", [](const CacheKey &) -> Result<CacheContent> { return std::string("text"); });
  CHECK_EQ(text.value.bytes().text(), "text");
  auto blob = load("blob", [](const CacheKey &) -> Result<CacheContent> { return std::vector<std::uint8_t>{1, 2, 3}; });
  CHECK_EQ(blob.value.bytes().size(), 3);
  auto own = load("batch", [](const CacheKey &) -> Result<CacheContent> { return weir::CachedBatch{batch(10, 3), test::schema()}; });
  CHECK(own.value.kind() == weir::CacheKind::batch);
  test::is_batch(MUST(own.value.batch()).array, 10, 3);
  auto other = load("value", [&cache](const CacheKey &) -> Result<CacheContent> { return *MUST(cache.get({"p", "text"})); });
  CHECK_EQ(other.value.bytes().text(), "text");
  const std::function<Result<CacheContent>(const CacheKey &)> function = [](const CacheKey &key) { return std::string(key.key); };
  CHECK_EQ(load("function", function).value.bytes().text(), "function");
  CHECK(load("function", function).was_cached);
}

void loaders_answer_through_a_reply() {
  auto cache = cache_of(1 << 20);
  std::thread later;
  auto slow = MUST(cache.get_or_insert({"p", "later"}, [&later](const CacheKey &, CacheReply &&reply) {
    later = std::thread([own = std::move(reply)]() mutable {
      std::this_thread::sleep_for(20ms);
      OK(own.bytes(bytes("late")));
    });
  }));
  later.join();
  CHECK(!slow.was_cached && slow.value.bytes().text() == "late");
  FAILS(cache.get_or_insert({"p", "none"}, [](const CacheKey &, CacheReply &&reply) { reply.miss(); }), not_found);
  auto no_batch = [](const CacheKey &, CacheReply &&reply) { FAILS(reply.batch({}, test::schema()), invalid_argument); };
  FAILS(cache.get_or_insert({"p", "bad"}, no_batch), invalid_argument);
  auto dropped = cache.get_or_insert({"p", "dropped"}, [](const CacheKey &, CacheReply &&) {});
  if (FAILS(dropped, storage)) CHECK(std::strstr(dropped.error().message(), "dropped") != nullptr);
  FAILS(cache.get_or_insert({"p", "self"},
                            [&cache](const CacheKey &key, CacheReply &&reply) {
                              auto again = cache.get_or_insert(key, [](const CacheKey &, CacheReply &&inner) { inner.miss(); });
                              FAILS(again, would_deadlock);
                              reply.error(again.error().message());
                            }),
        storage);
}

void who_gives_up_lets_the_next_one_load() {  // PITFALLS K1
  auto cache = cache_of(1 << 20);
  CacheReply kept;
  FAILS(cache.get_or_insert({"p", "k"}, [&kept](const CacheKey &, CacheReply &&reply) { kept = std::move(reply); }, 5ms), timed_out);
  auto next = MUST(cache.get_or_insert({"p", "k"}, [](const CacheKey &) -> Result<CacheContent> { return std::string("quick"); }));
  CHECK(!next.was_cached);
  OK(kept.bytes(bytes("too late")));  // changes nothing
  CHECK(!kept);
  CHECK_EQ(text_in(cache, {"p", "k"}), "quick");
}

#if WEIR_EXCEPTIONS
void what_a_loader_throws_is_its_error() {
  auto cache = cache_of(1 << 20);
  auto thrown = cache.get_or_insert({"p", "k"}, [](const CacheKey &) -> Result<CacheContent> { throw std::runtime_error("out of luck"); });
  if (FAILS(thrown, storage)) CHECK(std::strstr(thrown.error().message(), "out of luck") != nullptr);
  FAILS(cache.get_or_insert({"p", "k"}, [](const CacheKey &, CacheReply &&) { throw 42; }), storage);
  auto taken = cache.get_or_insert({"p", "k"}, [](const CacheKey &, CacheReply &&reply) {
    CacheReply own = std::move(reply);
    throw std::runtime_error("with the reply in hand");
  });
  FAILS(taken, storage);
  auto answered = MUST(cache.get_or_insert({"p", "k"}, [](const CacheKey &, CacheReply &&reply) {
    OK(reply.bytes(bytes("answered")));
    throw std::runtime_error("too late");
  }));
  CHECK_EQ(answered.value.bytes().text(), "answered");
}
#endif

// ---- Backends ----

// The least that a backend may do: it cannot count, and forgets all.
class Forgetful : public weir::CacheBackend {
 public:
  void get(const CacheKey &, CacheReply &&reply) override { reply.miss(); }
  void insert(const CacheKey &, weir::CacheValue &&, std::uint64_t, CacheReply &&reply) override { reply.done(); }
  void invalidate_prefix(std::string_view, CacheReply &&reply) override { reply.done(); }
  void clear(CacheReply &&reply) override { reply.done(); }
};

void backends_need_not_count() {
  weir::CacheOptions options;
  options.backend = std::make_shared<Forgetful>();
  options.backend_timeout = weir::forever;
  auto cache = MUST(weir::Cache::create(options));
  CHECK(!MUST(cache.num_entries()));
  CHECK(!MUST(cache.size_bytes()));
  CHECK(!MUST(cache.num_entries_async().future().get()));
  OK(cache.insert({"a", "b"}, bytes("v")));
  CHECK_EQ(text_in(cache, {"a", "b"}), "(none)");
  weir::SessionOptions with;
  with.cache = &cache;
  CHECK_EQ(MUST(MUST(weir::Session::create(with)).memory()).cache_bytes, WEIR_CACHE_UNKNOWN);
  auto found = weir::check_cache_backend(*options.backend);
  if (FAILS(found, invalid_data)) CHECK_EQ(found.error().detail_u64("rule").value_or(0), 2);
}

void a_cache_lets_go_of_its_backend() {
  auto table = std::make_shared<test::Table>();
  weir::CacheOptions options;
  options.backend = table;
  {
    auto cache = MUST(weir::Cache::create(options));
    CHECK(table.use_count() > 2);
  }
  EVENTUALLY(table.use_count() == 2);
  WeirCacheBackend lacking = WEIR_CACHE_BACKEND_INIT;  // no functions
  FAILS(weir::detail::run([&](WeirError **error) { return weir_cache_backend_check(&lacking, error); }), invalid_argument);
}

void a_backend_that_hangs_is_a_miss() {
  class Hanging : public Forgetful {
   public:
    void get(const CacheKey &, CacheReply &&reply) override {
      std::lock_guard<std::mutex> lock(mutex);
      kept.push_back(std::move(reply));
    }
    std::mutex mutex;
    std::vector<CacheReply> kept;
  };
  auto hanging = std::make_shared<Hanging>();
  weir::CacheOptions options;
  options.backend = hanging;
  options.backend_timeout = 10ms;
  auto cache = MUST(weir::Cache::create(options));
  CHECK_EQ(text_in(cache, {"a", "b"}), "(none)");
  CHECK_EQ(MUST(cache.stats()).backend_errors, 1);
  hanging->kept.clear();  // answers, far too late
}

// ---- Operations ----

void use_async(weir::Cache &cache) {
  CHECK(!MUST(cache.get_async({"p", "k"}).future().get()));
  OK(cache.insert_async({"p", "k"}, bytes("v")).future().get());
  CHECK_EQ(MUST(cache.get_async({"p", "k"}).future().get())->bytes().text(), "v");
  const auto schema = test::schema();
  OK(cache.insert_batch_async({"p", "batch"}, batch(10, 0), schema).future().get());
  static_cast<void>(cache.insert_batch_async({"p", "batch"}, batch(10, 0), schema));  // dropped, and released
  CHECK(MUST(cache.get_async({"p", "batch"}).future().get())->kind() == weir::CacheKind::batch);
  for (bool was_cached : {false, true}) {
    std::string key = "loaded";
    auto loading = cache.get_or_insert_async({"p", key}, [](const CacheKey &of) -> Result<CacheContent> { return std::string(of.key); });
    key = "gone";  // the operation has its own
    const auto loaded = MUST(std::move(loading).future().get());
    CHECK_EQ(loaded.was_cached, was_cached);
    CHECK_EQ(loaded.value.bytes().text(), "loaded");
  }
  CHECK(MUST(cache.num_entries_async().future().get()).value_or(0) >= 3);
  CHECK(MUST(cache.size_bytes_async().future().get()).value_or(0) > 0);
  OK(cache.invalidate_prefix_async("p").future().get());
  CHECK_EQ(text_in(cache, {"p", "k"}), "(none)");
  OK(cache.insert({"p", "k"}, bytes("v")));
  auto queue = MUST(weir::Queue::create());
  OK(cache.get_async({"p", "k"}).post(queue, 5));
  auto event = MUST(queue.next(20s));
  CHECK_EQ(event.result_kind(), WEIR_RESULT_CACHE_VALUE);
  CHECK_EQ(MUST(std::move(event).take<std::optional<weir::CacheValue>>())->bytes().text(), "v");
  OK(cache.clear_async().future().get());
  CHECK_EQ(text_in(cache, {"p", "k"}), "(none)");
}

void every_call_as_a_future() {
  auto built_in = cache_of(1 << 20);
  use_async(built_in);
  for (bool later : {false, true}) {
    auto cache = test::cache_over(std::make_shared<test::Table>(later));
    use_async(cache);
  }
  EVENTUALLY(test::Table::tables == 0);
}

// ---- Sessions ----

void sessions_have_a_cache_and_a_limit() {
  auto given = cache_of(1 << 20);
  OK(given.insert({"a", "b"}, bytes("v")));
  weir::SessionOptions options;
  options.cache = &given;
  auto own = MUST(weir::Session::create(options));
  CHECK_EQ(text_in(MUST(own.cache()), {"a", "b"}), "v");  // one and the same
  given.reset();
  CHECK_EQ(text_in(MUST(own.cache()), {"a", "b"}), "v");

  weir::SessionOptions limited;
  limited.memory_bytes = 10 << 20;
  const auto narrow = MUST(weir::Session::create(limited));
  auto cache = MUST(narrow.cache());
  for (int i = 0; i < 20; i++) OK(cache.insert({"p", std::to_string(i)}, bytes(std::string(1 << 20, 'x'))));
  const weir::SessionMemory memory = MUST(narrow.memory());
  CHECK_EQ(memory.limit_bytes, 10 << 20);
  CHECK(memory.cache_bytes > 5 << 20 && memory.cache_bytes <= 10 << 20);
  CHECK_EQ(memory.waiting, 0);
  CHECK(MUST(narrow.pressure()).empty());
  FAILS(weir::Session().memory(), invalid_argument);
  FAILS(weir::Session().cache(), invalid_argument);
}

void a_put_that_waits_for_memory_is_named() {
  weir::SessionOptions limited;
  limited.memory_bytes = 200000;
  const auto narrow = MUST(weir::Session::create(limited));
  const std::string root = test::new_root();
  auto writer = test::writer(narrow, root, test::buffered());
  // A wait is over as soon as what is queued is written, so puts follow each other until one was seen to wait.
  std::atomic<bool> seen{false};
  std::thread putting([&] {
    for (int i = 0; !seen; i++) OK(writer.put(batch(1000, i * 1000)));
  });
  std::vector<std::string> waiting;
  CHECK(EVENTUALLY(!(waiting = MUST(narrow.pressure())).empty()));
  if (!waiting.empty()) CHECK(waiting[0].find(test::shard_id) != std::string::npos);
  CHECK(EVENTUALLY(MUST(narrow.memory()).waiting == 1));
  seen = true;
  OK(writer.flush());
  putting.join();
  CHECK_EQ(MUST(narrow.memory()).waiting, 0);
}

}  // namespace

#define RUN(name) test::run(#name, name, passed, failed)

int main(int, char **argv) {
  int passed = 0, failed = 0;
  test::start();
  RUN(keys_are_compared_by_all_parts);
  RUN(a_cache_without_room_keeps_nothing);
  RUN(empty_handles_refuse);
  RUN(loaders_bring_what_there_is);
  RUN(loaders_answer_through_a_reply);
  RUN(who_gives_up_lets_the_next_one_load);
#if WEIR_EXCEPTIONS
  RUN(what_a_loader_throws_is_its_error);
#endif
  RUN(backends_need_not_count);
  RUN(a_cache_lets_go_of_its_backend);
  RUN(a_backend_that_hangs_is_a_miss);
  RUN(every_call_as_a_future);
  RUN(sessions_have_a_cache_and_a_limit);
  RUN(a_put_that_waits_for_memory_is_named);
  return test::finish(argv[0], passed, failed);
}
