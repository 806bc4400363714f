// The little that the C++ tests need: checks that go on after a failure, scratch directories, batches that count their releases. No
// exceptions, so that the same tests run where those are off.
#ifndef WEIR_TEST_HARNESS_HPP
#define WEIR_TEST_HARNESS_HPP

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/weir.hpp>

namespace test {

inline std::atomic<int> failures{0};
inline std::string running = "(start)";

inline void fail(const char *file, int line, const std::string &what) {
  std::fprintf(stderr, "%s:%d: %s: %s\n", file, line, running.c_str(), what.c_str());
  failures++;
}

inline bool check(bool condition, const char *what, const char *file, int line) {
  if (!condition) fail(file, line, std::string("not so: ") + what);
  return condition;
}

template <class T>
std::string show(const T &value) {
  if constexpr (std::is_same_v<T, weir::Status>) return std::string(weir::to_string(value));
  else if constexpr (std::is_enum_v<T>) return std::to_string(static_cast<long long>(value));
  else if constexpr (std::is_arithmetic_v<T>) return std::to_string(value);
  else return std::string(value);
}

// Numbers are compared as numbers and texts as texts, whatever their types.
template <class A, class B>
bool same(const A &a, const B &b) {
  if constexpr (std::is_integral_v<A> && std::is_integral_v<B>) return static_cast<long long>(a) == static_cast<long long>(b);
  else if constexpr (std::is_convertible_v<A, std::string_view>) return std::string_view(a) == std::string_view(b);
  else return a == b;
}

template <class A, class B>
bool check_eq(const A &actual, const B &expected, const char *what, const char *file, int line) {
  if (same(actual, expected)) return true;
  fail(file, line, std::string(what) + " is " + show(actual) + ", not " + show(expected));
  return false;
}

template <class T>
bool check_ok(const weir::Result<T> &result, const char *what, const char *file, int line) {
  if (result) return true;
  fail(file, line, std::string(what) + " failed: " + show(result.status()) + ": " + result.error().message());
  return false;
}

// A failure is whole: its status, a message, an action.
template <class T>
bool check_fails(const weir::Result<T> &result, weir::Status status, const char *what, const char *file, int line) {
  if (result.status() != status) {
    fail(file, line, std::string(what) + " is " + show(result.status()) + ", not " + show(status) + " (" + result.error().message() + ")");
    return false;
  }
  if (result.error().message()[0] != '\0' && result.error().action() != weir::Action::none) return true;
  fail(file, line, std::string(what) + ": an error without a message or an action");
  return false;
}

// The value; without it the test cannot go on.
template <class T>
T must(weir::Result<T> result, const char *what, const char *file, int line) {
  if (!check_ok(result, what, file, line)) std::exit(1);
  return std::move(*result);
}

#define CHECK(condition) ::test::check(static_cast<bool>(condition), #condition, __FILE__, __LINE__)
#define CHECK_EQ(actual, expected) ::test::check_eq((actual), (expected), #actual, __FILE__, __LINE__)
#define OK(call) ::test::check_ok((call), #call, __FILE__, __LINE__)
#define FAILS(call, code) ::test::check_fails((call), ::weir::Status::code, #call, __FILE__, __LINE__)
#define MUST(call) ::test::must((call), #call, __FILE__, __LINE__)
// Waits until the condition holds; gives up, and fails, after 20 s.
#define EVENTUALLY(condition) ::test::eventually([&] { return static_cast<bool>(condition); }, #condition, __FILE__, __LINE__)

inline bool eventually(const std::function<bool()> &condition, const char *what, const char *file, int line) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) {
      fail(file, line, std::string("not so after 20 s: ") + what);
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

inline const char *const shard_id = "00000000-0000-4000-8000-00000000c0de";
inline const char *const other_shard_id = "00000000-0000-4000-8000-00000000beef";

inline std::filesystem::path &scratch() {
  static std::filesystem::path path;
  return path;
}

// A directory that does not exist yet, below one that is removed at the end.
inline std::string new_root() {
  static std::atomic<int> count{0};
  return (scratch() / ("root" + std::to_string(count++))).string();
}

inline void start() {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // the sanitizers' exit does not flush
  std::string name = (std::filesystem::temp_directory_path() / "weir-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    std::perror("mkdtemp");
    std::exit(2);
  }
  scratch() = name;
}

// ---- Arrow data ----

// Structs of any kind that are alive, and top-level arrays that were released.
inline std::atomic<long> live{0}, released{0};

struct ArrayParts {
  std::vector<std::uint8_t> validity;
  std::vector<std::int32_t> offsets;
  std::vector<std::int64_t> ids;
  std::string text;
  std::vector<ArrowArray> columns;
  std::vector<ArrowArray *> children;
  std::vector<const void *> buffers;
};

inline void release_array(ArrowArray *array) {
  if (array->release == nullptr) return fail(__FILE__, __LINE__, "release was set to NULL before it was called");  // PITFALLS X3
  auto *parts = static_cast<ArrayParts *>(array->private_data);
  for (ArrowArray &column : parts->columns) {
    if (column.release != nullptr) column.release(&column);
  }
  if (!parts->columns.empty()) released++;
  delete parts;
  array->release = nullptr;
  live--;
}

inline ArrowArray array_of(ArrayParts *parts, std::int64_t length, std::int64_t nulls = 0) {
  live++;
  for (ArrowArray &column : parts->columns) parts->children.push_back(&column);
  ArrowArray array{};
  array.length = length;
  array.null_count = nulls;
  array.n_buffers = static_cast<std::int64_t>(parts->buffers.size());
  array.buffers = parts->buffers.data();
  array.n_children = static_cast<std::int64_t>(parts->children.size());
  array.children = parts->children.data();
  array.release = release_array;
  array.private_data = parts;
  return array;
}

// The standard batch has two columns: id (int64, not nullable), counting from `first` on, and name (utf8, nullable: "row <id>", null
// where id % 3 is 2).
inline weir::Array batch(std::int64_t rows, std::int64_t first) {
  auto *ids = new ArrayParts, *names = new ArrayParts, *top = new ArrayParts;
  names->validity.resize(static_cast<std::size_t>(rows + 7) / 8);
  names->offsets.push_back(0);
  std::int64_t nulls = 0;
  for (std::int64_t i = 0; i < rows; i++) {
    ids->ids.push_back(first + i);
    if ((first + i) % 3 == 2) {
      nulls++;
    } else {
      auto &byte = names->validity[static_cast<std::size_t>(i / 8)];
      byte = static_cast<std::uint8_t>(byte | 1u << (i % 8));
      names->text += "row " + std::to_string(first + i);
    }
    names->offsets.push_back(static_cast<std::int32_t>(names->text.size()));
  }
  ids->buffers = {nullptr, ids->ids.data()};
  names->buffers = {names->validity.data(), names->offsets.data(), names->text.data()};
  top->buffers = {nullptr};
  top->columns = {array_of(ids, rows), array_of(names, rows, nulls)};
  return weir::Array(array_of(top, rows));
}

struct SchemaParts {
  std::string format, name;
  std::vector<ArrowSchema> columns;
  std::vector<ArrowSchema *> children;
};

inline void release_schema(ArrowSchema *schema) {
  auto *parts = static_cast<SchemaParts *>(schema->private_data);
  for (ArrowSchema &column : parts->columns) {
    if (column.release != nullptr) column.release(&column);
  }
  delete parts;
  schema->release = nullptr;
  live--;
}

inline ArrowSchema field(const char *format, const char *name, bool nullable, std::vector<ArrowSchema> columns = {}) {
  auto *parts = new SchemaParts{format, name, std::move(columns), {}};
  for (ArrowSchema &column : parts->columns) parts->children.push_back(&column);
  live++;
  ArrowSchema schema{};
  schema.format = parts->format.c_str();
  schema.name = parts->name.c_str();
  schema.flags = nullable ? ARROW_FLAG_NULLABLE : 0;
  schema.n_children = static_cast<std::int64_t>(parts->children.size());
  schema.children = parts->children.data();
  schema.release = release_schema;
  schema.private_data = parts;
  return schema;
}

// The standard batch's schema, or one with another type of its first column.
inline weir::Schema schema(const char *id_format = "l") {
  return weir::Schema(field("+s", "", false, {field(id_format, "id", false), field("u", "name", true)}));
}

// A stream of standard batches, which may fail at one of them or have another schema.
struct StreamParts {
  std::int64_t batches, rows, fail_at = -1;
  const char *id_format = "l";
  std::int64_t next = 0;
};

inline weir::ArrayStream stream(StreamParts parts) {
  live++;
  ArrowArrayStream stream{};
  stream.private_data = new StreamParts(parts);
  stream.get_schema = [](ArrowArrayStream *self, ArrowSchema *out) {
    *out = schema(static_cast<StreamParts *>(self->private_data)->id_format).detach();
    return 0;
  };
  stream.get_next = [](ArrowArrayStream *self, ArrowArray *out) {
    auto *own = static_cast<StreamParts *>(self->private_data);
    *out = ArrowArray{};
    if (own->next == own->fail_at) return 5;  // EIO
    if (own->next < own->batches) {
      *out = batch(own->rows, own->next * own->rows).detach();
      own->next++;
    }
    return 0;
  };
  stream.get_last_error = [](ArrowArrayStream *) { return "the dog ate it"; };
  stream.release = [](ArrowArrayStream *self) {
    delete static_cast<StreamParts *>(self->private_data);
    self->release = nullptr;
    live--;
  };
  return weir::ArrayStream(&stream);
}

// Whether the batch (one that weir handed out, say) holds the standard rows from `first` on.
inline bool is_batch(const weir::Array &batch, std::int64_t rows, std::int64_t first) {
  const ArrowArray *top = batch.get();
  if (!CHECK(batch) || !CHECK_EQ(top->length, rows) || !CHECK_EQ(top->n_children, 2)) return false;
  const ArrowArray *id = top->children[0], *name = top->children[1];
  const auto *ids = static_cast<const std::int64_t *>(id->buffers[1]);
  const auto *valid = static_cast<const std::uint8_t *>(name->buffers[0]);
  const auto *offsets = static_cast<const std::int32_t *>(name->buffers[1]);
  const auto *text = static_cast<const char *>(name->buffers[2]);
  for (std::int64_t i = 0; i < rows; i++) {
    const std::int64_t at = top->offset + name->offset + i;
    const bool is_valid = valid == nullptr || (valid[at / 8] >> (at % 8) & 1) != 0;
    if (!CHECK_EQ(ids[top->offset + id->offset + i], first + i) || !CHECK_EQ(is_valid, (first + i) % 3 != 2)) return false;
    if (!is_valid) continue;
    const std::string value(text + offsets[at], static_cast<std::size_t>(offsets[at + 1] - offsets[at]));
    if (!CHECK_EQ(value, "row " + std::to_string(first + i))) return false;
  }
  return true;
}

// ---- Handles that most tests need ----

inline weir::Session session() { return MUST(weir::Session::create()); }

// With fsync off: what is tested here does not depend on the disk.
inline weir::WriterOptions quick() {
  weir::WriterOptions options;
  options.fsync = false;
  return options;
}

// Puts become durable when they are told to only.
inline weir::WriterOptions buffered() {
  weir::WriterOptions options = quick();
  options.durable = false;
  options.linger = std::chrono::hours(1);
  return options;
}

inline weir::Writer writer(const weir::Session &session, const std::string &root, const weir::WriterOptions &options = quick()) {
  return MUST(weir::Writer::open(session, root, shard_id, schema(), options));
}

inline weir::Tailer tailer(const weir::Session &session, const std::string &root, const weir::TailerOptions &options = {}) {
  return MUST(weir::Tailer::open(session, root, shard_id, options));
}

inline weir::Tailer follower(const weir::Session &session, const std::string &root) {
  weir::TailerOptions options;
  options.follow = true;
  return tailer(session, root, options);
}

// Puts `count` standard batches of 10 rows, durably: ids from 0 on.
inline void put(weir::Writer &writer, int count) {
  for (int i = 0; i < count; i++) OK(writer.put(batch(10, i * 10)));
}

// All rows from the first position to the end of the log.
inline std::uint64_t rows_in_log(const weir::Session &session, const std::string &root) {
  weir::Tailer all = tailer(session, root);
  std::uint64_t rows = 0;
  for (weir::Result<weir::Entry> &entry : all.entries()) {
    if (OK(entry)) rows += entry->rows();
  }
  return rows;
}

inline void run(const std::string &name, const std::function<void()> &body, int &passed, int &failed) {
  const int before = failures;
  running = name;
  body();
  (failures == before ? passed : failed)++;
}

// Nothing of weir's and nothing made here may be alive, and weir's threads must end. Returns the program's exit code.
inline int finish(const char *program, int passed, int failed) {
  const int before = failures;
  running = "(end)";
  OK(weir::runtime::shutdown(std::chrono::seconds(20)));
  CHECK_EQ(weir::live_handles(), 0);
  CHECK_EQ(live.load(), 0);
  if (failures != before) failed++;
  std::error_code ignored;
  std::filesystem::remove_all(scratch(), ignored);
  std::printf("    %s: %d passed, %d failed\n", std::filesystem::path(program).filename().c_str(), passed, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace test

#endif
