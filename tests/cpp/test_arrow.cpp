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

weir::ArrowWriter writer(const std::string &root, const weir::WriterOptions &options = test::quick()) {
  return MUST(weir::ArrowWriter::open(session, root, shard_id, schema(), options));
}

// The same columns under another schema.
std::shared_ptr<arrow::RecordBatch> renamed(const arrow::RecordBatch &from, std::vector<std::shared_ptr<arrow::Field>> fields) {
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (int i = 0; i < from.num_columns(); i++) {
    columns.push_back(from.column_data(i)->Copy());
    columns.back()->type = fields[static_cast<std::size_t>(i)]->type();
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), from.num_rows(), std::move(columns));
}

// A batch of another schema, each of the same layout as schema(), which the library could not tell by their arrays.
std::vector<std::shared_ptr<arrow::RecordBatch>> others_of_the_same_layout(const arrow::RecordBatch &from) {
  const auto fields = schema()->fields();
  const auto with = [&](std::size_t at, std::shared_ptr<arrow::Field> field) {
    auto changed = fields;
    changed[at] = std::move(field);
    return renamed(from, changed);
  };
  return {with(0, fields[0]->WithName("key")),                      // another name
          with(0, fields[0]->WithType(arrow::uint64())),            // another meaning of the same bytes
          with(0, fields[0]->WithType(arrow::timestamp(arrow::TimeUnit::MICRO))),
          with(1, fields[1]->WithType(arrow::binary())),            // bytes that need not be UTF-8
          with(2, fields[2]->WithType(arrow::list(arrow::field("item", arrow::uint32())))),
          with(2, fields[2]->WithType(arrow::list(arrow::field("item", arrow::int32(), false))))};
}

void batches_go_in_and_come_out() {
  const std::string root = new_root();
  auto own = writer(root);
  CHECK_EQ(MUST(own.put(*batch(10, 0))).position, 1);
  OK(own.put(*batch(10, 10)->Slice(2, 5)));
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
  auto options = test::quick();
  options.primary_key = {"id"};
  auto own = writer(root, options);
  OK(own.put(*batch(10, 0)));
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
  auto own = MUST(weir::ArrowAppender::open(session, root, shard_id, schema()));
  CHECK_EQ(MUST(own.append(*batch(3, 0))), 1);
  for (const auto &other : others_of_the_same_layout(*batch(3, 3))) {
    FAILS(own.append(*other), schema_mismatch);
    FAILS(own.append_async(*other).future().get(), schema_mismatch);
  }
  CHECK_EQ(MUST(own.append_async(*batch(3, 0)).future().get()), 2);
}

void spills_take_batches() {
  auto store = MUST(session.spill_store());
  auto own = MUST(weir::ArrowSpillWriter::begin(store, schema()));
  OK(own.write_batch(*batch(3, 0)));
  for (const auto &other : others_of_the_same_layout(*batch(3, 3))) {
    FAILS(own.write_batch(*other), schema_mismatch);
    FAILS(own.write_batch_async(*other).future().get(), schema_mismatch);
  }
  OK(own.write_batch_async(*batch(3, 3)).future().get());
  auto spill = MUST(std::move(own).finish());
  auto table = MUST(weir::to_arrow(MUST(spill.stream())))->ToTable();
  if (CHECK(table.ok())) CHECK((*table)->Equals(**arrow::Table::FromRecordBatches({batch(6, 0)})));
}

void a_batch_of_another_schema_is_refused() {
  const std::string root = new_root();
  auto own = writer(root);
  auto others = others_of_the_same_layout(*batch(3, 0));
  others.push_back(*batch(3, 0)->SelectColumns({0, 1}));
  others.push_back(*batch(3, 0)->SelectColumns({1, 0, 2}));
  for (const auto &other : others) {
    FAILS(own.put(*other), schema_mismatch);
    FAILS(own.put_async(*other).future().get(), schema_mismatch);
    FAILS(own.put_stream(MUST(weir::from_arrow(*arrow::RecordBatchReader::Make({other})))), schema_mismatch);
    FAILS(weir::from_arrow(*other, schema()), schema_mismatch);
  }
  // Metadata and top-level nullability are no matter of the batch's: the library looks for nulls itself.
  auto fields = schema()->fields();
  fields[0] = fields[0]->WithNullable(true)->WithMetadata(arrow::key_value_metadata({"a"}, {"b"}));
  CHECK_EQ(MUST(own.put(*renamed(*batch(3, 0), fields))).sequence, 1);
  auto with_null = batch(3, 3)->SetColumn(0, fields[0], *arrow::MakeArrayOfNull(arrow::int64(), 3));
  FAILS(own.put(**with_null), invalid_data);
  CHECK_EQ(MUST(own.put_async(*batch(3, 6)).future().get()).sequence, 2);
  CHECK_EQ(MUST(own.memtable_stats()).active_rows, 6);
}

void a_schema_must_be_there() {
  const std::shared_ptr<arrow::Schema> none;
  FAILS(weir::ArrowWriter::open(session, new_root(), shard_id, none), invalid_argument);
  FAILS(weir::from_arrow(*batch(1, 0), none), invalid_argument);
  auto own = writer(new_root());
  const auto moved = std::move(own);
  FAILS(own.put(*batch(1, 0)), invalid_argument);  // NOLINT(bugprone-use-after-move)
  CHECK(moved.schema()->Equals(*schema()));
}

void errors_are_of_both_kinds() {
  auto own = writer(new_root());
  auto other = arrow::RecordBatch::Make(arrow::schema({arrow::field("x", arrow::int64())}), 0, {*arrow::MakeArrayOfNull(arrow::int64(), 0)});
  const auto refused = own.put(*other);
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
  RUN(spills_take_batches);
  RUN(a_batch_of_another_schema_is_refused);
  RUN(a_schema_must_be_there);
  RUN(errors_are_of_both_kinds);
  CHECK_EQ(arrow::default_memory_pool()->bytes_allocated(), before);  // Arrow's own count of what leaked
  session.reset();
  return test::finish(argv[0], passed, failed);
}
