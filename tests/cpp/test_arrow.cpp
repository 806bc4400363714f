// The adapter for Arrow C++: batches, schemas and readers in and out, without copying.
#include <arrow/api.h>

#include <weir/arrow.hpp>

#include "harness.hpp"

using test::new_root;
using test::shard_id;

namespace {

weir::Session session;

std::shared_ptr<arrow::Schema> schema() {
  return arrow::schema({arrow::field("id", arrow::int64(), false), arrow::field("name", arrow::utf8()),
                        arrow::field("tags", arrow::list(arrow::field("item", arrow::int32())))});
}

std::shared_ptr<arrow::RecordBatch> batch(std::int64_t rows, std::int64_t first) {
  arrow::Int64Builder ids;
  arrow::StringBuilder names;
  arrow::ListBuilder tags(arrow::default_memory_pool(), std::make_shared<arrow::Int32Builder>(), schema()->field(2)->type());
  auto &items = static_cast<arrow::Int32Builder &>(*tags.value_builder());
  for (std::int64_t i = first; i < first + rows; i++) {
    CHECK(ids.Append(i).ok());
    CHECK((i % 3 == 2 ? names.AppendNull() : names.Append("row " + std::to_string(i))).ok());
    CHECK(tags.Append().ok() && items.AppendValues(std::vector<std::int32_t>(static_cast<std::size_t>(i % 4), 7)).ok());
  }
  return arrow::RecordBatch::Make(schema(), rows, {*ids.Finish(), *names.Finish(), *tags.Finish()});
}

weir::Writer writer(const std::string &root) {
  const auto exported = MUST(weir::from_arrow(*schema()));
  return MUST(weir::Writer::open(session, root, shard_id, exported, test::quick()));
}

void batches_go_in_and_come_out() {
  const std::string root = new_root();
  auto own = writer(root);
  CHECK_EQ(MUST(weir::put(own, *batch(10, 0))).position, 1);
  OK(weir::put(own, *batch(10, 10)->Slice(2, 5)));
  OK(own.close());
  std::vector<std::shared_ptr<arrow::RecordBatch>> kept;
  {
    auto tailer = test::tailer(session, root);
    for (auto &entry : tailer.entries()) {
      for (auto &each : MUST(weir::to_arrow(MUST(std::move(entry))))) kept.push_back(each);
    }
  }
  if (!CHECK_EQ(kept.size(), 2)) return;  // alive after entry and tailer
  CHECK(kept[0]->ValidateFull().ok() && kept[0]->Equals(*batch(10, 0)));
  CHECK(kept[1]->ValidateFull().ok() && kept[1]->Equals(*batch(5, 12)));
}

void readers_go_in_and_come_out() {
  const std::string root = new_root();
  auto own = writer(root);
  auto reader = arrow::RecordBatchReader::Make({batch(10, 0), batch(10, 10), batch(10, 20)}, schema());
  CHECK_EQ(MUST(own.put_stream(MUST(weir::from_arrow(*reader)))).sequence, 3);
  auto tailer = test::tailer(session, root);
  auto back = MUST(weir::to_arrow(MUST(tailer.stream())));
  auto table = back->ToTable();
  if (CHECK(table.ok())) CHECK((*table)->num_rows() == 30 && (*table)->schema()->Equals(*schema()));
  auto flights = MUST(weir::to_arrow(MUST(weir::open_ipc_file(WEIR_TEST_DATA))))->ToTable();
  if (CHECK(flights.ok())) CHECK_EQ((*flights)->num_rows(), 4000);
}

void rows_are_read_by_key_and_scanned() {
  const std::string root = new_root();
  const auto exported = MUST(weir::from_arrow(*schema()));
  auto options = test::quick();
  options.primary_key = {"id"};
  auto own = MUST(weir::Writer::open(session, root, shard_id, exported, options));
  OK(weir::put(own, *batch(10, 0)));
  OK(weir::delete_keys(own, *batch(1, 4)));  // a batch that has the key among others
  auto keys = batch(3, 3)->SelectColumns({0});
  auto got = MUST(weir::get_rows(own, **keys));
  using weir::KeyState;
  CHECK((got.states == std::vector<KeyState>{KeyState::found, KeyState::deleted, KeyState::found}));
  CHECK(got.rows->ValidateFull().ok() && got.rows->num_rows() == 2 && got.rows->Slice(1)->Equals(*batch(1, 5)));
  auto snapshot = MUST(weir::Snapshot::open(session, root, shard_id));
  CHECK(MUST(weir::get_rows(snapshot, **keys, {{"tags", "id"}})).rows->schema()->field(0)->name() == "tags");
  FAILS(weir::get_rows(own, *batch(1, 0)->SelectColumns({1}).ValueOrDie()), schema_mismatch);
  FAILS(weir::get_rows(own, **keys, {{"nothing"}}), invalid_argument);

  weir::ScanOptions some;
  some.where = weir::where("id") >= 5;
  auto table = MUST(weir::to_arrow(MUST(own.scan(some))))->ToTable();
  if (CHECK(table.ok())) CHECK((*table)->num_rows() == 5 && (*table)->ValidateFull().ok());
  auto scan = MUST(snapshot.scan(some));
  std::shared_ptr<arrow::RecordBatch> kept;
  if (auto first = MUST(scan.next()); CHECK(first)) kept = MUST(weir::to_arrow(*first));
  scan.reset();
  CHECK(kept->Equals(*batch(5, 5)));
  FAILS(weir::to_arrow(weir::Scan()), invalid_argument);
}

void appenders_take_batches() {
  const std::string root = new_root();
  const auto exported = MUST(weir::from_arrow(*schema()));
  auto own = MUST(weir::Appender::open(session, root, shard_id, exported));
  CHECK_EQ(MUST(weir::append(own, *batch(3, 0))), 1);
  CHECK_EQ(MUST(weir::append(own, *batch(3, 0))), 2);
}

void errors_are_of_both_kinds() {
  auto own = writer(new_root());
  auto other = arrow::RecordBatch::Make(arrow::schema({arrow::field("x", arrow::int64())}), 0, {*arrow::MakeArrayOfNull(arrow::int64(), 0)});
  const auto refused = weir::put(own, *other);
  CHECK(!refused);
  const arrow::Status status = weir::to_arrow(refused.error());
  CHECK(status.IsInvalid() && status.message() == refused.error().message());
  CHECK(weir::to_arrow(weir::Error()).ok());
  CHECK(weir::to_arrow(weir::shard::manifest(session, new_root(), shard_id).error()).IsKeyError());
  FAILS(weir::to_arrow(weir::Schema()), invalid_argument);
  FAILS(weir::to_arrow(weir::ArrayStream()), invalid_argument);
  FAILS(weir::to_arrow(weir::Array(), schema()), invalid_argument);
  FAILS(weir::to_arrow(test::batch(1, 0), schema()), invalid_data);  // two columns, where the schema has three
  FAILS(weir::from_arrow(std::shared_ptr<arrow::RecordBatchReader>()), invalid_argument);
}

}  // namespace

#define RUN(name) test::run(#name, name, passed, failed)

int main(int, char **argv) {
  int passed = 0, failed = 0;
  test::start();
  session = test::session();
  const auto before = arrow::default_memory_pool()->bytes_allocated();
  RUN(batches_go_in_and_come_out);
  RUN(readers_go_in_and_come_out);
  RUN(rows_are_read_by_key_and_scanned);
  RUN(appenders_take_batches);
  RUN(errors_are_of_both_kinds);
  CHECK_EQ(arrow::default_memory_pool()->bytes_allocated(), before);  // Arrow's own count of what leaked
  session.reset();
  return test::finish(argv[0], passed, failed);
}
