// A cache backend as a program might bring it: a locked map of leases, which answers at once or later from a thread of its own, and can be
// told to fail in the ways that C++ can.
#ifndef WEIR_TEST_CACHE_TABLE_HPP
#define WEIR_TEST_CACHE_TABLE_HPP

#include <map>
#include <stdexcept>
#include <tuple>

#include "harness.hpp"

namespace test {

enum class Wrong { nothing, fails, throws, throws_an_int, drops, forgets_to_clear };

class Table : public weir::CacheBackend {
 public:
  explicit Table(bool later = false) : later_(later) { tables++; }
  Table(const Table &) = delete;
  Table &operator=(const Table &) = delete;
  ~Table() override {
    join();
    tables--;
  }

  void get(const weir::CacheKey &key, weir::CacheReply &&reply) override {
    answer(std::move(reply), [this, own = owned(key)](weir::CacheReply &to) {
      const auto found = entries_.find(own);
      if (found == entries_.end()) to.miss();
      else OK(to.value(found->second));
    });
  }
  void insert(const weir::CacheKey &key, weir::CacheValue &&value, std::uint64_t size_bytes, weir::CacheReply &&reply) override {
    CHECK(size_bytes >= value.bytes().size());
    auto held = std::make_shared<weir::CacheValue>(std::move(value));  // std::function wants to be copied
    answer(std::move(reply), [this, own = owned(key), held](weir::CacheReply &to) {
      entries_[own] = std::move(*held);
      to.done();
    });
  }
  void invalidate_prefix(std::string_view prefix, weir::CacheReply &&reply) override {
    answer(std::move(reply), [this, own = std::string(prefix)](weir::CacheReply &to) {
      for (auto at = entries_.begin(); at != entries_.end();) {
        at = std::get<0>(at->first).compare(0, own.size(), own) == 0 ? entries_.erase(at) : std::next(at);
      }
      to.done();
    });
  }
  void clear(weir::CacheReply &&reply) override {
    answer(std::move(reply), [this](weir::CacheReply &to) {
      if (wrong != Wrong::forgets_to_clear) entries_.clear();
      to.done();
    });
  }
  bool counts() const noexcept override { return true; }
  void num_entries(weir::CacheReply &&reply) override {
    answer(std::move(reply), [this](weir::CacheReply &to) { to.done(entries_.size()); });
  }
  void size_bytes(weir::CacheReply &&reply) override {
    answer(std::move(reply), [this](weir::CacheReply &to) {
      std::uint64_t bytes = 0;
      for (const auto &[key, value] : entries_) bytes += std::get<1>(key).size() + value.bytes().size();
      to.done(bytes);
    });
  }

  // Waits until all has been answered.
  void join() {
    std::vector<std::thread> threads;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      threads.swap(threads_);
    }
    for (std::thread &thread : threads) thread.join();
  }

  std::atomic<Wrong> wrong{Wrong::nothing};
  static inline std::atomic<int> tables{0};  // that are alive

 private:
  using Key = std::tuple<std::string, std::string, std::string>;
  static Key owned(const weir::CacheKey &key) { return {std::string(key.prefix), std::string(key.key), std::string(key.type_name())}; }

  void answer(weir::CacheReply &&reply, std::function<void(weir::CacheReply &)> how) {
    switch (wrong.load()) {
      case Wrong::fails: return reply.error("the table is broken");
      case Wrong::drops: return weir::CacheReply(std::move(reply)).reset();
#if WEIR_EXCEPTIONS
      case Wrong::throws: throw std::runtime_error("the table is on fire");
      case Wrong::throws_an_int: throw 42;
#endif
      default: break;
    }
    if (!later_) {
      std::lock_guard<std::mutex> lock(mutex_);
      return how(reply);
    }
    auto held = std::make_shared<weir::CacheReply>(std::move(reply));
    std::lock_guard<std::mutex> lock(mutex_);
    threads_.emplace_back([this, held, how = std::move(how)] {
      std::lock_guard<std::mutex> own(mutex_);
      how(*held);
    });
  }

  const bool later_;
  std::mutex mutex_;
  std::map<Key, weir::CacheValue> entries_;
  std::vector<std::thread> threads_;
};

inline weir::Cache cache_over(const std::shared_ptr<Table> &table) {
  weir::CacheOptions options;
  options.backend = table;
  return MUST(weir::Cache::create(options));
}

// The text under a key; "(none)" for a miss.
inline std::string text_in(const weir::Cache &cache, const weir::CacheKey &key) {
  const auto value = MUST(cache.get(key));
  return value ? std::string(value->bytes().text()) : "(none)";
}

inline weir::ByteView bytes(std::string_view text) { return weir::ByteView(text); }

}  // namespace test

#endif
