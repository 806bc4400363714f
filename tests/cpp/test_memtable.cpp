// MemTables from C++: options, keys and values made here, gets, scans, snapshots; asynchronous calls in all their forms.
#include <future>
#include <memory>

#include "memtable_build.hpp"

using namespace std::chrono_literals;
using test::get;
using test::Ids;
using test::ids_in;
using test::ids_of;
using test::names;
using test::names_in;
using test::new_root;
using test::put;
using test::range;
using test::saying;
using test::scan;
using test::shard_id;
using weir::Compare;
using weir::detail::Column;

namespace {

weir::Session session;

weir::Writer keyed_writer(const std::string &root) { return test::writer(session, root, test::keyed()); }

// The ids that a condition leaves.
Ids where(const weir::Writer &writer, weir::Filter filter) {
  weir::ScanOptions options;
  options.where = std::move(filter);
  return ids_in(scan(writer, options));
}

// ---- Options ----

void the_defaults_are_the_headers() {
  weir::Error bad;
  const WeirWriterOptions writer = weir::WriterOptions().c(bad), writer_default = WEIR_WRITER_OPTIONS_INIT;
  CHECK(!bad);
  CHECK_EQ(std::memcmp(&writer, &writer_default, sizeof writer), 0);
  const WeirSnapshotOptions snapshot = weir::SnapshotOptions().c(), snapshot_default = WEIR_SNAPSHOT_OPTIONS_INIT;
  CHECK_EQ(std::memcmp(&snapshot, &snapshot_default, sizeof snapshot), 0);
  const WeirScanOptions scan_default = WEIR_SCAN_OPTIONS_INIT;
  CHECK_EQ(std::memcmp(weir::detail::ScanCall({}).get(), &scan_default, sizeof scan_default), 0);
}

void every_option_arrives() {
  auto refused = [](auto set, const char *word) {
    auto options = test::keyed();
    options.compaction = true;
    set(options);
    auto opened = weir::Writer::open(session, new_root(), shard_id, test::schema(), options);
    FAILS(opened, invalid_argument);
    CHECK(std::strstr(opened.error().message(), word) != nullptr);
  };
  using Options = weir::WriterOptions;
  refused([](Options &o) { o.max_memtable_bytes = 1; }, "max_memtable_bytes");
  refused([](Options &o) { o.max_memtable_rows = 0; }, "max_memtable_rows");
  refused([](Options &o) { o.max_memtable_batches = 0; }, "max_memtable_batches");
  refused([](Options &o) { o.max_unflushed_bytes = 1; }, "max_unflushed_bytes");
  refused([](Options &o) { o.frozen_grace = 2h; }, "frozen grace");
  refused([](Options &o) { o.frozen_grace = -1ms; }, "frozen_grace");
  refused([](Options &o) { o.compaction_min_generations = 1; }, "merges 1 to 16");
  refused([](Options &o) { o.compaction_max_generations = 3; }, "merges 4 to 3");
  refused([](Options &o) { o.compaction_max_bytes = 0; }, "most bytes of a compaction");
  refused([](Options &o) { o.indexes = {{"no/name", "name"}}; }, "no/name");
  refused([](Options &o) { o.indexes = {{"by_name", "name", static_cast<weir::IndexKind>(7)}}; }, "kind");
  refused([](Options &o) { o.primary_key = {"id", "id"}; }, "id");
  const std::string nul("i\0d", 3);
  refused([&](Options &o) { o.primary_key = {nul}; }, "NUL");
  refused([&](Options &o) { o.indexes = {{nul, "name"}}; }, "NUL");
  refused([&](Options &o) { o.indexes = {{"by_name", nul}}; }, "NUL");

  auto options = test::keyed();
  options.max_memtable_rows = 10;
  options.frozen_grace = 1h;
  options.max_unflushed_bytes = 1u << 29;
  auto writer = test::writer(session, new_root(), options);
  put(writer, 3);  // 10 rows each
  OK(writer.wait_flushed(2));
  CHECK(MUST(writer.memtable_stats()).flushes >= 2);
  const weir::WriterMemory memory = MUST(writer.memory());
  CHECK(memory.kept_bytes > 0);
  CHECK_EQ(memory.unflushed_limit_bytes, 1u << 29);
}

void generations_are_merged_in_the_background() {
  auto options = test::keyed();
  options.compaction = true;
  options.compaction_min_generations = 2;
  options.compaction_max_generations = 2;
  auto writer = test::writer(session, new_root(), options);
  for (int i = 0; i < 4; i++) {
    OK(writer.put(saying("a", range(i * 10, i * 10 + 10))));
    test::flush_tables(writer);
  }
  EVENTUALLY(MUST(writer.memtable_stats()).compactions > 0);
  CHECK_EQ(names_in(scan(writer)), names("a", range(0, 40)));
}

void calls_on_nothing_are_refused() {
  weir::Writer none;
  FAILS(none.scan(), invalid_argument);
  FAILS(none.get_rows(ids_of({1})), invalid_argument);
  FAILS(none.key_schema(), invalid_argument);
  FAILS(none.read_schema(), invalid_argument);
  FAILS(none.delete_keys(ids_of({1})), invalid_argument);
  FAILS(none.freeze(), invalid_argument);
  FAILS(none.wait_flushed(1), invalid_argument);
  FAILS(none.compact(), invalid_argument);
  FAILS(none.memtable_stats(), invalid_argument);
  weir::Snapshot nothing;
  FAILS(nothing.scan(), invalid_argument);
  FAILS(nothing.get_rows(ids_of({1})), invalid_argument);
  FAILS(nothing.schema(), invalid_argument);
  FAILS(nothing.manifest(), invalid_argument);
  CHECK_EQ(nothing.cut_position(), 0);
  weir::Scan no_scan;
  FAILS(no_scan.next(), invalid_argument);
  FAILS(no_scan.next_async().future().get(), invalid_argument);
  FAILS(no_scan.schema(), invalid_argument);
  FAILS(no_scan.stream(), invalid_argument);
  CHECK(weir::Batch().key_states().empty());
  auto writer = keyed_writer(new_root());
  FAILS(writer.get_rows(weir::Array()), invalid_argument);
  FAILS(writer.delete_keys(weir::Array()), invalid_argument);
  auto negative = [] {
    weir::Array keys = saying("x", {1});
    keys.get()->length = -1;
    return keys;
  };
  FAILS(writer.get_rows({negative(), test::schema()}), invalid_data);
  FAILS(writer.get_rows_async({negative(), test::schema()}).future().get(), invalid_data);
  FAILS(weir::Snapshot::open(session, new_root(), "shard-1"), invalid_argument);
  FAILS(weir::Snapshot::open_async(session, new_root(), std::string("a\0b", 3)).future().get(), invalid_argument);
}

// ---- Keys ----

void keys_come_in_many_ways() {
  auto writer = keyed_writer(new_root());
  put(writer, 3);
  auto ids_found = [&](weir::Keys keys) {
    auto result = writer.get_rows(std::move(keys));
    std::vector<test::Row> rows;
    if (OK(result)) test::add_rows(rows, result->rows, MUST(writer.read_schema()));
    return ids_in(rows);
  };
  CHECK((ids_found(weir::keys<std::int64_t>("id", {7, 99, 3})) == Ids{7, 3}));
  CHECK(ids_found(weir::keys("id", Ids{})).empty());
  CHECK(ids_found(ids_of({})).empty());
  const weir::Schema wide = test::schema();
  CHECK((ids_found({saying("x", {4, 5}), wide}) == Ids{4, 5}));  // other columns than the key's are passed over
  CHECK((ids_found({saying("x", {4}), test::schema()}) == Ids{4}));
  weir::Keys moved = weir::keys<std::int64_t>("id", {1, 2});
  CHECK_EQ(moved.length(), 2);
  CHECK((ids_found(std::move(moved)) == Ids{1, 2}));
  FAILS(writer.get_rows(weir::keys<std::int32_t>("id", {1})), schema_mismatch);
  FAILS(writer.get_rows(weir::keys<std::int64_t>("other", {1})), schema_mismatch);
  CHECK_EQ(MUST(MUST(writer.get_rows(ids_of({1, 2}), {{"name"}})).rows.length() == 2 ? writer.read_schema({"name"}) : writer.read_schema()).columns(), 1);
  const std::string nul("i\0d", 3);
  FAILS(writer.get_rows(ids_of({1}), {{nul}}), invalid_argument);
  FAILS(writer.read_schema({nul}), invalid_argument);
  FAILS(writer.read_schema({"id", "id"}), invalid_argument);
  CHECK_EQ(MUST(writer.delete_keys(weir::keys<std::int64_t>("id", {7}))).sequence, 4);
  CHECK_EQ(MUST(writer.delete_keys({saying("x", {8}), wide})).sequence, 5);
  CHECK_EQ(names_in(get(writer, "ddf", {7, 8, 9})), "row 9");
}

void a_key_of_several_columns() {
  auto options = test::keyed();
  options.primary_key = {"name", "id"};
  auto writer = test::writer(session, new_root(), options);
  OK(writer.put(saying("a", {1, 2})));
  OK(writer.put(saying("b", {1})));
  const weir::Schema schema = MUST(writer.key_schema());
  CHECK(schema.columns() == 2 && std::string_view(schema->children[0]->name) == "name" && std::string_view(schema->children[1]->name) == "id");
  using Texts = std::vector<std::string>;
  auto result = MUST(writer.get_rows(weir::keys("id", Ids{1, 2, 2}, "name", Texts{"b1", "b2", "a2"})));  // by name, in any order
  CHECK((result.states == std::vector<weir::KeyState>{weir::KeyState::found, weir::KeyState::missing, weir::KeyState::found}));
  CHECK_EQ(result.rows.length(), 2);
  CHECK(!writer.get_rows(weir::keys("id", Ids{1, 2}, "name", Texts{"a1"})));  // not all of one length
  CHECK(!writer.get_rows(weir::keys("id", Ids{1}, "name", Texts{"a1", "a2"})));
  FAILS(writer.get_rows(weir::keys("id", Ids{1})), schema_mismatch);
}

// ---- Comparisons ----

void every_comparison() {
  auto options = test::keyed();
  options.indexes = {{"by_name", "name"}};
  auto writer = test::writer(session, new_root(), options);
  put(writer, 1);
  for (int flushed = 0; flushed < 2; flushed++) {
    CHECK(where(writer, weir::where("id") == 3) == Ids{3});
    CHECK(where(writer, weir::where("id") != 3).size() == 9);
    CHECK(where(writer, weir::where("id") < 3) == range(0, 3));
    CHECK(where(writer, weir::where("id") <= 3) == range(0, 4));
    CHECK(where(writer, weir::where("id") > 3) == range(4, 10));
    CHECK(where(writer, weir::where("id") >= 3) == range(3, 10));
    CHECK((where(writer, weir::where("name").is_null()) == Ids{2, 5, 8}));
    CHECK((where(writer, weir::where("name").is_not_null()).size() == 7));
    CHECK((where(writer, weir::where("name") > "row 5" && weir::where("name") <= std::string("row 7")) == Ids{6, 7}));
    CHECK(where(writer, weir::where("id") >= 3 && weir::where("name").is_not_null() && weir::where("id") < 6) == (Ids{3, 4}));
    weir::Filter filter;
    CHECK(where(writer, filter) == range(0, 10));
    filter &= weir::where("id") > std::int8_t{7};
    filter &= weir::where("id") < std::uint64_t{9};
    CHECK(where(writer, filter) == Ids{8});
    CHECK(where(writer, filter) == Ids{8});  // a filter can be used again
    test::flush_tables(writer);
  }
  weir::ScanOptions wrong;
  wrong.where = weir::where("id") > 1.5;
  FAILS(writer.scan(wrong), schema_mismatch);
  wrong.where = weir::where("id") == true;
  FAILS(writer.scan(wrong), schema_mismatch);
  wrong.where = weir::where(std::string("i\0d", 3)) == 1;
  FAILS(writer.scan(wrong), invalid_argument);
  wrong.where = weir::where("id").compare(Compare::ge);  // with nothing
  CHECK(!writer.scan(wrong));
  wrong.where = weir::where("id").compare(static_cast<Compare>(99));
  CHECK(!writer.scan(wrong));
  wrong.where = {};
  wrong.columns = {std::string("i\0d", 3)};
  FAILS(writer.scan(wrong), invalid_argument);
}

void values_as_arrow_data() {
  auto writer = keyed_writer(new_root());
  put(writer, 1);
  weir::ScanOptions options;
  options.where = weir::where("id").compare(Compare::ge) && weir::where("name").is_not_null();
  const weir::Schema type(test::field("+s", "", false, {test::field("l", "id", true)}));
  CHECK((ids_in(test::rows_of(MUST(writer.scan(options, ids_of({6}), type)))) == Ids{6, 7, 9}));
  CHECK(!writer.scan(options, ids_of({6, 7}), type));  // two rows
  options.where &= weir::where("id") < 9;
  FAILS(writer.scan(options, ids_of({6}), type), invalid_argument);  // one of its own, too
}

// A column of each type that values are made of, ten rows, by value builders alone.
std::vector<Column> many_columns() {
  const char *const names[] = {"id", "i8", "u64", "f32", "f64", "flag", "day", "at", "bytes", "text"};
  std::vector<Column> columns;
  for (const char *name : names) columns.emplace_back(name);
  for (int i = 0; i < 10; i++) {
    const std::int32_t day = i;
    const std::int64_t at = i * 1000;
    columns[0].append(static_cast<std::int64_t>(i));
    columns[1].append(static_cast<std::int8_t>(i - 5));
    columns[2].append(static_cast<std::uint64_t>(i) + (std::uint64_t{1} << 63));
    columns[3].append(static_cast<float>(i) / 2);
    columns[4].append(static_cast<double>(i) / 2);
    columns[5].append(i >= 7);
    columns[6].append("tdD", &day, sizeof day);
    columns[7].append("tsu:UTC", &at, sizeof at);
    columns[8].append("z", std::string(1, static_cast<char>(i)));
    columns[9].append(std::string("t") + std::to_string(i));
  }
  return columns;
}

void values_of_many_types() {
  auto columns = many_columns();
  const weir::Schema schema = weir::detail::schema_of(columns);
  auto writer = MUST(weir::Writer::open(session, new_root(), shard_id, schema, test::quick()));
  OK(writer.put(weir::detail::array_of(std::move(columns))));
  CHECK(where(writer, weir::where("i8") < 0) == range(0, 5));
  CHECK(where(writer, weir::where("i8") < std::int64_t{-4}) == range(0, 1));
  CHECK(where(writer, weir::where("u64") >= (std::uint64_t{1} << 63) + 8) == range(8, 10));
  CHECK(where(writer, weir::where("f32") > 4.0) == range(9, 10));
  CHECK(where(writer, weir::where("f64") > 3.5F) == range(8, 10));
  CHECK(where(writer, weir::where("flag") == true) == range(7, 10));
  CHECK(where(writer, weir::where("day") >= weir::Value::of("tdD", std::int32_t{6})) == range(6, 10));
  CHECK(where(writer, weir::where("at") < weir::Value::of("tsu:UTC", std::int64_t{3000})) == range(0, 3));
  CHECK(where(writer, weir::where("bytes") <= weir::Value::bytes(weir::ByteView(std::string_view("\x01", 1)))) == range(0, 2));
  CHECK(where(writer, weir::where("text") == "t4" && weir::where("flag") == false) == range(4, 5));
  weir::ScanOptions wrong;
  wrong.where = weir::where("at") < weir::Value::of("tss:UTC", std::int64_t{3});
  FAILS(writer.scan(wrong), schema_mismatch);
  wrong.where = weir::where("i8") == 1000;
  FAILS(writer.scan(wrong), schema_mismatch);
  wrong.where = weir::where("at") < weir::Value::of("no format", std::int64_t{3});
  CHECK(!writer.scan(wrong));
}

// A child that was moved out of a struct lives on, as the C data interface has it.
void children_may_be_moved_out() {
  weir::Array top = weir::detail::array_of(many_columns());
  weir::Array child(top.get()->children[4]);
  top.reset();
  CHECK_EQ(static_cast<const double *>(child->buffers[1])[9], 4.5);
  weir::Schema schema = weir::detail::schema_of(many_columns()), field(schema.get()->children[7]);
  schema.reset();
  CHECK(std::string_view(field->format) == "tsu:UTC" && std::string_view(field->name) == "at");
}

// ---- Scans ----

void a_scan_gives_what_was_asked_for() {
  auto writer = keyed_writer(new_root());
  OK(writer.put(saying("a", range(0, 10))));
  test::flush_tables(writer);
  OK(writer.put(saying("b", {4})));
  OK(writer.delete_keys(ids_of({7})));
  weir::ScanOptions all;
  all.with_position = all.with_generation = all.with_tombstones = true;
  const weir::Schema schema = MUST(MUST(writer.scan(all)).schema());
  CHECK_EQ(schema.columns(), 5);
  const auto rows = scan(writer, all);
  if (!CHECK_EQ(rows.size(), 10)) return;
  for (const test::Row &row : rows) {
    CHECK_EQ(row.generation, row.id == 4 || row.id == 7 ? 2 : 1);
    CHECK_EQ(row.tombstone, row.id == 7);
    if (row.generation == 1) CHECK_EQ(row.position, row.id);
  }
  weir::ScanOptions none;
  none.limit = 0;
  CHECK(scan(writer, none).empty());
}

void a_scan_outlives_what_it_was_begun_on() {
  auto writer = keyed_writer(new_root());
  put(writer, 3);
  weir::ScanOptions options;
  options.batch_rows = 10;
  int count = 0;
  for (auto &batch : MUST(writer.scan(options)).batches()) {  // owned by the range
    if (OK(batch)) CHECK(test::is_batch(MUST(batch->array()), 10, count * 10));
    if (count++ == 0) writer.reset();
  }
  CHECK_EQ(count, 3);
}

void threads_share_a_scan() {
  auto writer = keyed_writer(new_root());
  put(writer, 50);
  weir::ScanOptions options;
  options.batch_rows = 10;
  auto shared = MUST(writer.scan(options));
  std::atomic<std::uint64_t> rows{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&] {
      for (;;) {
        auto batch = shared.next();
        if (!OK(batch) || !*batch) return;
        rows += (*batch)->rows();
      }
    });
  }
  for (std::thread &thread : threads) thread.join();
  CHECK_EQ(rows.load(), 500);
}

// PITFALLS G3, X8: what was put is found at every moment, through freezes and flushes, until the writer closes.
void gets_while_all_else_goes_on() {
  auto writer = keyed_writer(new_root());
  OK(writer.put(saying("a", {1})));
  std::atomic<int> wrong{0}, found{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; i++) {
    threads.emplace_back([&] {
      for (;;) {
        auto result = writer.get_rows(weir::keys<std::int64_t>("id", {1}));
        if (result.status() == weir::Status::closed) return;
        if (!result || result->states.at(0) != weir::KeyState::found || result->rows.length() != 1) wrong++;
        found++;
      }
    });
  }
  for (int i = 0; i < 10; i++) {
    OK(writer.put(saying("b", {1, i + 2})));
    OK(writer.freeze());
  }
  OK(writer.wait_flushed(MUST(writer.freeze())));
  EVENTUALLY(found > 10);
  OK(writer.close());
  for (std::thread &thread : threads) thread.join();
  CHECK_EQ(wrong.load(), 0);
  OK(writer.memtable_stats());  // also after the close
}

// ---- Snapshots ----

void what_a_snapshot_knows() {
  const std::string root = new_root();
  auto writer = keyed_writer(root);
  const weir::Schema schema = test::schema();
  OK(writer.put(saying("a", range(0, 10))));
  test::flush_tables(writer);
  const std::uint64_t last = MUST(writer.put(saying("b", range(5, 15)))).position;

  auto snapshot = MUST(weir::Snapshot::open(session, root, shard_id, schema));
  CHECK_EQ(snapshot.cut_position(), last);
  CHECK_EQ(MUST(snapshot.schema()).columns(), 2);
  CHECK_EQ(MUST(snapshot.key_schema()).columns(), 1);
  CHECK_EQ(MUST(snapshot.read_schema({"name"})).columns(), 1);
  CHECK_EQ(MUST(snapshot.manifest()).sstable_count(), 1);
  CHECK_EQ(snapshot.get_rows(ids_of({1, 2}), {{"name"}})->rows->n_children, 1);

  weir::SnapshotOptions options;
  options.wal = false;
  CHECK_EQ(names_in(scan(MUST(weir::Snapshot::open(session, root, shard_id, options)))), names("a", range(0, 10)));
  options.wal = true;
  options.indexes = {{"by_name", "name"}};
  options.primary_key = {"id"};
  auto indexed = MUST(weir::Snapshot::open(session, root, shard_id, options));
  weir::ScanOptions b7;
  b7.where = weir::where("name") == "b7";
  CHECK(ids_in(scan(indexed, b7)) == Ids{7});
  options.max_bytes = 1;
  FAILS(weir::Snapshot::open(session, root, shard_id, options), backpressure);
  options = {};
  options.primary_key = {std::string("i\0d", 3)};
  FAILS(weir::Snapshot::open(session, root, shard_id, options), invalid_argument);
  FAILS(weir::Snapshot::open_async(session, root, shard_id, options).future().get(), invalid_argument);
  const weir::Schema other = test::schema("u");
  FAILS(weir::Snapshot::open(session, root, shard_id, other), schema_mismatch);
  auto rest = MUST(snapshot.scan());
  snapshot.reset();
  writer.reset();
  CHECK_EQ(test::rows_of(std::move(rest)).size(), 15);
}

// ---- Asynchronous calls ----

void every_call_as_a_future() {
  const std::string root = new_root();
  const auto schema = test::schema();
  // Options are gone when the operation starts.
  auto opening = [&] {
    auto options = test::keyed();
    options.primary_key = {"id"};
    options.indexes = {{"an_index_whose_name_is_too_long_for_a_short_string", "name"}};
    return weir::Writer::open_async(session, root, shard_id, schema, options);
  }();
  auto writer = MUST(std::move(opening).future().get());
  OK(writer.put_async(saying("a", range(0, 10))).future().get());
  const std::uint64_t generation = MUST(writer.freeze());
  OK(writer.wait_flushed_async(generation).future().get());
  FAILS(writer.wait_flushed_async(generation + 1).future().get(), invalid_argument);
  CHECK_EQ(MUST(writer.delete_keys_async(weir::keys<std::int64_t>("id", {3})).future().get()).sequence, 2);
  CHECK_EQ(MUST(writer.compact_async().future().get()), 0);

  auto asking = [&] { return writer.get_rows_async(ids_of({3, 4, 99}), {{"name", "a column whose name is too long for a short string"}}); }();
  FAILS(std::move(asking).future().get(), invalid_argument);
  auto result = MUST(writer.get_rows_async(ids_of({3, 4, 99}), {{"name"}}).future().get());
  CHECK((result.states == std::vector<weir::KeyState>{weir::KeyState::deleted, weir::KeyState::found, weir::KeyState::missing}));
  CHECK(result.rows->n_children == 1 && result.rows.length() == 1);
  FAILS(writer.get_rows_async(weir::keys<float>("id", {3})).future().get(), schema_mismatch);

  auto reading = MUST(writer.scan());
  std::vector<test::Row> rows;
  for (;;) {
    auto batch = MUST(reading.next_async().future().get());
    if (!batch) break;
    test::add_rows(rows, MUST(batch->array()), MUST(batch->schema()));
  }
  CHECK_EQ(names_in(rows), names("a", {0, 1, 2, 4, 5, 6, 7, 8, 9}));

  auto snapshot = MUST(weir::Snapshot::open_async(session, root, shard_id).future().get());
  auto again = MUST(weir::Snapshot::open_async(session, root, shard_id, schema, {}).future().get());
  CHECK_EQ(snapshot.cut_position(), again.cut_position());
  CHECK_EQ(MUST(again.get_rows_async(ids_of({1, 3})).future().get()).rows.length(), 1);
  FAILS(weir::Snapshot::open_async(session, root, test::other_shard_id).future().get(), not_found);
}

void events_of_a_queue() {
  auto writer = keyed_writer(new_root());
  put(writer, 1);
  auto queue = MUST(weir::Queue::create());
  auto reading = MUST(writer.scan());
  OK(writer.get_rows_async(ids_of({1, 77})).post(queue, 1));
  OK(reading.next_async().post(queue, 2));
  OK(reading.next_async().post(queue, 3));
  OK(writer.compact_async().post(queue, 4));
  int got = 0, batches = 0, ends = 0;
  for (int i = 0; i < 4; i++) {
    auto event = MUST(queue.next(20s));
    const std::uint64_t token = event.token();
    if (token == 1) {
      CHECK_EQ(event.result_kind(), WEIR_RESULT_BATCH);
      auto result = MUST(std::move(event).take<weir::GetResult>());
      got += result.states.size() == 2 && result.rows.length() == 1;
    } else if (token == 4) {
      CHECK_EQ(MUST(std::move(event).take<std::uint64_t>()), 0);
    } else {
      auto batch = MUST(std::move(event).take<std::optional<weir::Batch>>());
      (batch ? batches : ends)++;
      if (batch) CHECK(batch->key_states().empty());
    }
  }
  CHECK(got == 1 && batches == 1 && ends == 1);
}

void what_is_never_started_never_happens() {
  auto writer = keyed_writer(new_root());
  put(writer, 1);
  const long live = test::live;
  static_cast<void>(writer.delete_keys_async(ids_of({1})));
  static_cast<void>(writer.get_rows_async(weir::keys<std::int64_t>("id", {1})));
  CHECK_EQ(test::live.load(), live);
  CHECK_EQ(scan(writer).size(), 10);
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

Task upsert_and_read(std::string root, std::string *read) {
  const auto schema = test::schema();
  auto opened = co_await weir::Writer::open_async(session, root, shard_id, schema, test::keyed());
  if (!OK(opened)) co_return;
  auto writer = std::move(*opened);
  const Ids two{2}, zero{0}, three{0, 1, 2};  // g++ 12 cannot have such lists within expressions that await
  OK(co_await writer.put_async(saying("a", range(0, 4))));
  OK(co_await writer.wait_flushed_async(MUST(writer.freeze())));
  OK(co_await writer.put_async(saying("b", two)));
  OK(co_await writer.delete_keys_async(weir::keys("id", zero)));
  auto got = co_await writer.get_rows_async(ids_of(three));
  if (OK(got)) CHECK_EQ(got->rows.length(), 2);
  auto snapshot = co_await weir::Snapshot::open_async(session, root, shard_id);
  if (!OK(snapshot)) co_return;
  auto reading = MUST(snapshot->scan());
  std::vector<test::Row> rows;
  for (;;) {
    auto batch = co_await reading.next_async();
    if (!OK(batch) || !*batch) break;
    test::add_rows(rows, MUST((*batch)->array()), MUST((*batch)->schema()));
  }
  *read = names_in(rows);
}

void coroutines_read_and_write() {
  std::vector<std::string> read(5);
  std::vector<Task> tasks;
  for (std::string &each : read) tasks.push_back(upsert_and_read(new_root(), &each));
  for (Task &task : tasks) CHECK(task.done.wait_for(60s) == std::future_status::ready);
  for (const std::string &each : read) CHECK_EQ(each, "a1 a3 b2");
}
#endif

}  // namespace

#define RUN(name) test::run(#name, name, passed, failed)

int main(int, char **argv) {
  int passed = 0, failed = 0;
  test::start();
  session = test::session();
  RUN(the_defaults_are_the_headers);
  RUN(every_option_arrives);
  RUN(generations_are_merged_in_the_background);
  RUN(calls_on_nothing_are_refused);
  RUN(keys_come_in_many_ways);
  RUN(a_key_of_several_columns);
  RUN(every_comparison);
  RUN(values_as_arrow_data);
  RUN(values_of_many_types);
  RUN(children_may_be_moved_out);
  RUN(a_scan_gives_what_was_asked_for);
  RUN(a_scan_outlives_what_it_was_begun_on);
  RUN(threads_share_a_scan);
  RUN(gets_while_all_else_goes_on);
  RUN(what_a_snapshot_knows);
  RUN(every_call_as_a_future);
  RUN(events_of_a_queue);
  RUN(what_is_never_started_never_happens);
#ifdef WEIR_COROUTINES
  RUN(coroutines_read_and_write);
#endif
  session.reset();
  return test::finish(argv[0], passed, failed);
}
