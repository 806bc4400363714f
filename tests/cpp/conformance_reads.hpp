// The behaviours of MemTables: upserts, deletes, gets, scans, generations, replay, snapshots.
#ifndef WEIR_TEST_CONFORMANCE_READS_HPP
#define WEIR_TEST_CONFORMANCE_READS_HPP

#include "conformance_writes.hpp"
#include "memtable_build.hpp"

namespace {

using test::get;
using test::Ids;
using test::ids_in;
using test::names;
using test::names_in;
using test::range;
using test::saying;
using test::scan;

void upsert_newest_wins() {
  auto writer = test::writer(session, new_root(), test::keyed());
  OK(writer.put(saying("old", range(0, 10))));
  OK(writer.put(saying("new", range(5, 15))));
  for (int flushed = 0; flushed < 2; flushed++) {
    CHECK_EQ(names_in(scan(writer)), names("old", range(0, 5)) + " " + names("new", range(5, 15)));
    CHECK_EQ(names_in(get(writer, "fmff", {5, 20, 4, 5})), "new5 old4 new5");
    test::flush_tables(writer);
  }
  auto keyless = test::writer(session, new_root());
  OK(keyless.put(saying("old", range(0, 10))));
  OK(keyless.put(saying("new", range(5, 15))));
  CHECK_EQ(names_in(scan(keyless)), names("old", range(0, 10)) + " " + names("new", range(5, 15)));
  FAILS(keyless.get_rows(test::ids_of({1})), unsupported);
  FAILS(keyless.delete_keys(test::ids_of({1})), unsupported);
}

void delete_and_states() {
  auto writer = test::writer(session, new_root(), test::keyed());
  const Ack put = MUST(writer.put(saying("a", range(0, 10)))), gone = MUST(writer.delete_keys(test::ids_of({3, 7})));
  CHECK(gone.sequence > put.sequence && gone.position > put.position);
  weir::ScanOptions all;
  all.with_tombstones = true;
  for (int flushed = 0; flushed < 2; flushed++) {
    CHECK_EQ(names_in(scan(writer)), "a0 a1 a2 a4 a5 a6 a8 a9");
    CHECK_EQ(names_in(get(writer, "dfmd", {7, 2, 50, 7})), "a2");
    const auto rows = scan(writer, all);
    CHECK_EQ(rows.size(), 10);
    for (const test::Row &row : rows) CHECK_EQ(row.tombstone, row.id == 3 || row.id == 7);
    const weir::Schema schema = MUST(MUST(writer.scan(all)).schema());
    CHECK_EQ(std::string_view(schema->children[schema.columns() - 1]->name), "_tombstone");
    test::flush_tables(writer);
  }
  OK(writer.put(saying("b", {3})));
  CHECK_EQ(names_in(get(writer, "fd", {3, 7})), "b3");

  weir::Array keys = test::ids_of({0, 1, 2});
  const std::uint8_t not_the_second = 5;
  keys.get()->children[0]->buffers[0] = &not_the_second;
  keys.get()->children[0]->null_count = 1;
  FAILS(writer.delete_keys(std::move(keys)), invalid_data);
  CHECK_EQ(names_in(get(writer, "fff", {0, 1, 2})), "a0 a1 a2");
}

void scan_filter_limit_of(bool indexed) {
  auto options = test::keyed();
  if (indexed) options.indexes = {{"by_name", "name"}};
  auto writer = test::writer(session, new_root(), options);
  put(writer, 10);
  weir::ScanOptions between;
  between.where = weir::where("id") >= 20 && weir::where("id") < 40;
  CHECK(ids_in(scan(writer, between)) == range(20, 40));
  between.limit = 7;
  CHECK(ids_in(scan(writer, between)) == range(20, 27));

  weir::ScanOptions two, named, null, small, wrong;
  two.columns = {"name", "id"};
  const weir::Schema schema = MUST(MUST(writer.scan(two)).schema());
  CHECK_EQ(schema.columns(), 2);
  CHECK(std::string_view(schema->children[0]->name) == "name" && std::string_view(schema->children[1]->name) == "id");
  const auto rows = scan(writer, two);
  if (CHECK_EQ(rows.size(), 100)) CHECK(rows[98].id == 98 && rows[98].name == "-" && rows[99].name == "row 99");
  named.where = weir::where("name") == "row 42";
  CHECK(ids_in(scan(writer, named)) == Ids{42});
  null.where = weir::where("name").is_null() && weir::where("id") < 10;
  CHECK((ids_in(scan(writer, null)) == Ids{2, 5, 8}));
  small.batch_rows = 30;
  std::uint64_t total = 0;
  auto batches = MUST(writer.scan(small));
  for (auto &batch : batches.batches()) {
    if (OK(batch)) CHECK(batch->rows() <= 30), total += batch->rows();
  }
  CHECK_EQ(total, 100);

  wrong.columns = {"nothing"};
  FAILS(writer.scan(wrong), invalid_argument);
  wrong.columns = {};
  wrong.where = weir::where("nothing") == 1;
  FAILS(writer.scan(wrong), invalid_argument);
  wrong.where = weir::where("id") == "20";
  FAILS(writer.scan(wrong), schema_mismatch);
}

void scan_filter_limit() {
  scan_filter_limit_of(false);
  scan_filter_limit_of(true);
}

void scan_moment() {
  auto writer = test::writer(session, new_root(), test::keyed());
  weir::ScanOptions options;
  options.batch_rows = 10;
  OK(writer.put(saying("a", range(0, 30))));
  auto moment = MUST(writer.scan(options));
  OK(writer.put(saying("b", range(20, 40))));
  OK(writer.delete_keys(test::ids_of({0, 29})));
  test::flush_tables(writer);
  std::vector<test::Row> rows;
  const weir::Schema schema = MUST(moment.schema());
  if (auto first = MUST(moment.next()); CHECK(first)) test::add_rows(rows, MUST(first->array()), schema);
  CHECK_EQ(rows.size(), 10);
  auto rest = MUST(moment.stream());
  FAILS(moment.next(), closed);
  moment.reset();
  writer.reset();
  for (auto &batch : rest.batches()) {
    if (OK(batch)) test::add_rows(rows, *batch, schema);
  }
  CHECK_EQ(names_in(rows), names("a", range(0, 30)));
}

void freeze_flush_read() {
  const std::string root = new_root();
  auto options = test::keyed();
  options.compaction_min_generations = 2;
  auto writer = test::writer(session, root, options);
  OK(writer.put(saying("a", range(0, 10))));
  CHECK_EQ(MUST(writer.freeze()), 1);
  OK(writer.wait_flushed(1));
  CHECK_EQ(MUST(weir::shard::manifest(session, root, shard_id)).sstable_count(), 1);
  const weir::MemTableStats stats = MUST(writer.memtable_stats());
  CHECK_EQ(stats.published_generation, 1);
  CHECK_EQ(stats.active_rows, 0);
  CHECK_EQ(names_in(scan(writer)), names("a", range(0, 10)));
  CHECK_EQ(names_in(get(writer, "fmf", {9, 10, 0})), "a9 a0");
  CHECK_EQ(MUST(writer.freeze()), 1);
  FAILS(writer.wait_flushed(2), invalid_argument);

  for (std::int64_t i = 1; i < 4; i++) {
    OK(writer.put(saying("a", range(i * 10, i * 10 + 10))));
    CHECK_EQ(test::flush_tables(writer), i + 1);
  }
  CHECK_EQ(MUST(weir::shard::manifest(session, root, shard_id)).sstable_count(), 4);
  CHECK(MUST(writer.compact()) >= 1);
  CHECK(MUST(weir::shard::manifest(session, root, shard_id)).sstable_count() < 4);
  CHECK_EQ(names_in(scan(writer)), names("a", range(0, 40)));
}

void reopen_replays() {
  const std::string root = new_root();
  auto writer = test::writer(session, root, test::keyed());
  OK(writer.put(saying("flushed", range(0, 10))));
  test::flush_tables(writer);
  OK(writer.put(saying("logged", range(10, 20))));
  OK(writer.delete_keys(test::ids_of({4, 14})));
  OK(writer.abort());
  const std::string left =
      names("flushed", {0, 1, 2, 3, 5, 6, 7, 8, 9}) + " " + names("logged", {10, 11, 12, 13, 15, 16, 17, 18, 19});
  for (const std::uint64_t replayed : {12u, 0u}) {
    writer = test::writer(session, root, test::keyed());
    CHECK_EQ(MUST(writer.memtable_stats()).replayed_rows, replayed);
    CHECK_EQ(names_in(scan(writer)), left);
    CHECK_EQ(names_in(get(writer, "fdfdm", {3, 4, 13, 14, 20})), "flushed3 logged13");
    OK(writer.close());
  }
}

void snapshot_then_tail() {
  const std::string root = new_root();
  auto own = test::session();
  auto writer = test::writer(session, root, test::keyed());
  FAILS(weir::Snapshot::open(own, root, test::other_shard_id), not_found);
  OK(writer.put(saying("a", range(0, 10))));
  test::flush_tables(writer);
  OK(writer.put(saying("b", range(5, 15))));
  auto snapshot = MUST(weir::Snapshot::open(own, root, shard_id));
  OK(writer.put(saying("c", range(15, 20))));
  OK(writer.check_fenced());
  CHECK_EQ(names_in(scan(snapshot)), names("a", range(0, 5)) + " " + names("b", range(5, 15)));
  CHECK_EQ(names_in(get(snapshot, "mff", {15, 14, 0})), "b14 a0");

  weir::TailerOptions behind;
  behind.from = snapshot.cut_position() + 1;
  auto tailer = test::tailer(own, root, behind);
  std::vector<test::Row> rows;
  for (auto &entry : tailer.entries()) {
    if (!OK(entry)) break;
    const weir::Schema schema = MUST(entry->schema());
    for (auto &batch : entry->batches()) {
      if (OK(batch)) test::add_rows(rows, *batch, schema);
    }
  }
  CHECK_EQ(names_in(rows), names("c", range(15, 20)));
}

void memtable_off() {
  const std::string root = new_root(), untouched = new_root();
  auto writer = test::writer(session, root, test::log_only());
  FAILS(writer.scan(), unsupported);
  FAILS(writer.get_rows(test::ids_of({1})), unsupported);
  FAILS(writer.delete_keys(test::ids_of({1})), unsupported);
  FAILS(writer.freeze(), unsupported);
  FAILS(writer.wait_flushed(0), unsupported);
  FAILS(writer.compact(), unsupported);
  FAILS(writer.memtable_stats(), unsupported);
  put(writer, 2);
  OK(writer.close());
  CHECK_EQ(rows_in_log(session, root), 20);

  auto refused = [&](const weir::WriterOptions &options, const char *word) {
    auto opened = weir::Writer::open(session, untouched, shard_id, test::schema(), options);
    FAILS(opened, invalid_argument);
    CHECK(std::strstr(opened.error().message(), word) != nullptr);
  };
  auto keyed = test::log_only(), indexed = test::log_only(), no_key = test::keyed(), no_index = test::keyed();
  keyed.primary_key = {"id"};
  refused(keyed, "primary_key");
  indexed.indexes = {{"by_name", "name"}};
  refused(indexed, "indexes");
  no_key.primary_key = {"nothing"};
  refused(no_key, "nothing");
  no_index.indexes = {{"by_nothing", "nothing"}};
  refused(no_index, "nothing");
  CHECK(!std::filesystem::exists(untouched));
}

void read_ownership() {
  const std::string root = new_root();
  auto own = test::session();
  auto writer = test::writer(own, root, test::keyed());
  put(writer, 2);
  const long live = test::live, released = test::released;
  long arrays = 0;
  auto taken = [&](auto &&call) {  // whatever it comes to
    weir::Array one = test::ids_of({1});
    arrays++;
    call(one);
    CHECK(!one);
  };
  weir::Array got, scanned, snapped;
  weir::GetOptions nothing;
  nothing.columns = {"nothing"};
  weir::ScanOptions from, all;
  from.where = weir::where("id").compare(weir::Compare::ge);
  const weir::Schema type(test::field("+s", "", false, {test::field("l", "id", true)}));
  taken([&](weir::Array &one) { got = std::move(MUST(writer.get_rows(std::move(one))).rows); });
  taken([&](weir::Array &one) { OK(writer.get_rows_async(std::move(one)).future().get()); });
  taken([&](weir::Array &one) { static_cast<void>(writer.get_rows_async(std::move(one))); });  // never started
  taken([&](weir::Array &one) { FAILS(writer.get_rows(std::move(one), nothing), invalid_argument); });
  taken([&](weir::Array &one) { FAILS(weir::Writer().get_rows(std::move(one)), invalid_argument); });
  taken([&](weir::Array &one) { FAILS(weir::Writer().get_rows_async(std::move(one)).future().get(), invalid_argument); });
  taken([&](weir::Array &one) {
    auto scan = MUST(writer.scan(from, std::move(one), type));
    if (auto batch = MUST(scan.next()); CHECK(batch)) scanned = MUST(batch->array());
  });
  taken([&](weir::Array &one) { FAILS(weir::Writer().scan(from, std::move(one), type), invalid_argument); });
  taken([&](weir::Array &one) { CHECK(!writer.scan(all, std::move(one), type)); });  // compared with nothing
  auto snapshot = MUST(weir::Snapshot::open(own, root, shard_id));
  taken([&](weir::Array &one) { snapped = std::move(MUST(snapshot.get_rows(std::move(one))).rows); });
  taken([&](weir::Array &one) { OK(writer.delete_keys(std::move(one))); });
  taken([&](weir::Array &one) { OK(writer.delete_keys_async(std::move(one)).future().get()); });
  OK(writer.close());
  taken([&](weir::Array &one) { FAILS(writer.delete_keys(std::move(one)), closed); });
  taken([&](weir::Array &one) { FAILS(writer.delete_keys_async(std::move(one)).future().get(), closed); });
  snapshot.reset();
  writer.reset();
  own.reset();
  CHECK(test::is_batch(got, 1, 1));
  CHECK(test::is_batch(scanned, 19, 1));
  CHECK(test::is_batch(snapped, 1, 1));
  CHECK_EQ(test::released - released, arrays);
  CHECK_EQ(test::live.load(), live + 2);  // the schema of the values
}

}  // namespace

#endif
