// The behaviours of the cache.
#ifndef WEIR_TEST_CONFORMANCE_CACHE_HPP
#define WEIR_TEST_CONFORMANCE_CACHE_HPP

#include "cache_table.hpp"
#include "conformance_writes.hpp"

namespace {

void use_cache(weir::Cache &cache) {
  using test::bytes, test::text_in;
  OK(cache.insert({"a", "1"}, bytes("one")));
  OK(cache.insert({"a", "2"}, bytes("")));
  OK(cache.insert({"a/b", "1"}, bytes("deeper")));
  OK(cache.insert({"b", "1"}, bytes("other")));
  OK(cache.insert({"a", "1", "type"}, bytes("typed")));  // PITFALLS K2
  CHECK_EQ(text_in(cache, {"a", "1"}), "one");
  CHECK_EQ(text_in(cache, {"a", "2"}), "");
  CHECK_EQ(text_in(cache, {"a", "1", "type"}), "typed");
  CHECK_EQ(text_in(cache, {"a", "3"}), "(none)");
  CHECK_EQ(text_in(cache, {}), "(none)");
  CHECK_EQ(MUST(cache.num_entries()).value_or(0), 5);
  CHECK(MUST(cache.size_bytes()).value_or(0) > 0);
  const auto lease = MUST(cache.get({"a", "1"}));
  OK(cache.insert({"a", "1"}, bytes("uno")));
  CHECK_EQ(text_in(cache, {"a", "1"}), "uno");
  CHECK_EQ(lease->bytes().text(), "one");  // as it was

  OK(cache.insert_batch({"batches", "1"}, batch(100, 7), test::schema()));
  const auto value = MUST(cache.get({"batches", "1"}));
  if (CHECK(value && value->kind() == weir::CacheKind::batch)) {
    const weir::CachedBatch held = MUST(value->batch());
    CHECK_EQ(held.schema.columns(), 2);
    test::is_batch(held.array, 100, 7);
  }
  FAILS(lease->batch(), invalid_argument);

  OK(cache.invalidate_prefix("a"));  // PITFALLS K3
  CHECK_EQ(text_in(cache, {"a", "1"}), "(none)");
  CHECK_EQ(text_in(cache, {"a/b", "1"}), "(none)");
  CHECK_EQ(text_in(cache, {"b", "1"}), "other");
  CHECK(MUST(cache.get({"batches", "1"})));
  OK(cache.clear());
  CHECK_EQ(text_in(cache, {"b", "1"}), "(none)");
  CHECK_EQ(lease->bytes().text(), "one");
}

void cache_roundtrip() {
  auto cache = MUST(weir::Cache::create());
  use_cache(cache);
  const weir::CacheStats stats = MUST(cache.stats());
  CHECK_EQ(stats.entries, 0);
  CHECK(stats.hits > 0 && stats.misses > 0);
}

void cache_flight() {  // PITFALLS K1
  constexpr int callers = 12;
  auto cache = MUST(weir::Cache::create());
  std::atomic<int> loads{0}, fresh{0}, arrived{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < callers; i++) {
    threads.emplace_back([&] {
      arrived++;
      while (arrived < callers) std::this_thread::yield();
      auto got = cache.get_or_insert({"p", "k"}, [&](const weir::CacheKey &key) -> Result<weir::CacheContent> {
        loads++;
        std::this_thread::sleep_for(20ms);  // for the others to come; it must come to the same if they do not
        return std::string("loaded ") + std::string(key.key);
      });
      if (!OK(got)) return;
      CHECK_EQ(got->value.bytes().text(), "loaded k");
      if (!got->was_cached) fresh++;
    });
  }
  for (std::thread &thread : threads) thread.join();
  CHECK_EQ(loads.load(), 1);
  CHECK_EQ(fresh.load(), 1);
  const weir::CacheStats stats = MUST(cache.stats());
  CHECK_EQ(stats.loads, 1);
  CHECK_EQ(stats.hits, callers - 1);

  // One that fails fails its own caller only.
  auto failed = cache.get_or_insert({"p", "other"}, [](const weir::CacheKey &) -> Result<weir::CacheContent> {
    return weir::Error(Status::not_found, weir::Action::fix, "no such block");
  });
  if (FAILS(failed, storage)) CHECK(std::strstr(failed.error().message(), "no such block") != nullptr);
  auto next = cache.get_or_insert({"p", "other"}, [](const weir::CacheKey &) -> Result<weir::CacheContent> { return std::string("here"); });
  CHECK(OK(next) && !next->was_cached && next->value.bytes().text() == "here");
}

// All that fails costs no more than the entries.
void failures_are_misses(test::Table &table, weir::Cache &cache, test::Wrong wrong) {
  OK(cache.insert({"kept", "k"}, test::bytes("v")));
  table.join();
  const std::uint64_t errors = MUST(cache.stats()).backend_errors;
  table.wrong = wrong;
  CHECK_EQ(test::text_in(cache, {"kept", "k"}), "(none)");
  OK(cache.insert({"lost", "k"}, test::bytes("v")));
  auto load = [](const weir::CacheKey &) -> Result<weir::CacheContent> { return std::string("loaded"); };
  auto loaded = cache.get_or_insert({"kept", "k"}, load);
  CHECK(OK(loaded) && !loaded->was_cached && loaded->value.bytes().text() == "loaded");
  FAILS(cache.clear(), storage);  // what may be left must be known
  CHECK(MUST(cache.stats()).backend_errors >= errors + 4);
  table.wrong = test::Wrong::nothing;
  CHECK_EQ(test::text_in(cache, {"kept", "k"}), "v");
  CHECK_EQ(test::text_in(cache, {"lost", "k"}), "(none)");
  OK(cache.clear());
}

void cache_backend() {
  for (bool later : {false, true}) {
    auto table = std::make_shared<test::Table>(later);
    OK(weir::check_cache_backend(*table));
    auto cache = test::cache_over(table);
    use_cache(cache);
    failures_are_misses(*table, cache, test::Wrong::fails);
    failures_are_misses(*table, cache, test::Wrong::drops);
#if WEIR_EXCEPTIONS
    failures_are_misses(*table, cache, test::Wrong::throws);
    failures_are_misses(*table, cache, test::Wrong::throws_an_int);
#endif
    // No read of a log fails for a backend that does.
    weir::SessionOptions options;
    options.cache = &cache;
    const auto own = MUST(weir::Session::create(options));
    const std::string root = new_root();
    auto writer = test::writer(own, root);
    put(writer, 3);
    for (auto wrong : {test::Wrong::nothing, test::Wrong::nothing, test::Wrong::fails}) {
      table->wrong = wrong;
      CHECK_EQ(rows_in_log(own, root), 30);
    }
  }
  test::Table broken;
  broken.wrong = test::Wrong::forgets_to_clear;
  auto found = weir::check_cache_backend(broken);
  if (FAILS(found, invalid_data)) CHECK_EQ(found.error().detail_u64("rule").value_or(0), 6);
  EVENTUALLY(test::Table::tables == 1);  // the caches let go of theirs
}

}  // namespace

#endif
