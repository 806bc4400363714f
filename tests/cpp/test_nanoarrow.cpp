// The adapter for nanoarrow: it builds a batch, weir stores it, nanoarrow reads it back.
#include <weir/nanoarrow.hpp>

#include "harness.hpp"

using test::new_root;
using test::shard_id;

namespace {

weir::Session session;

nanoarrow::UniqueSchema schema() {
  nanoarrow::UniqueSchema schema;
  ArrowSchemaInit(schema.get());
  CHECK(ArrowSchemaSetTypeStruct(schema.get(), 2) == NANOARROW_OK);
  CHECK(ArrowSchemaSetType(schema->children[0], NANOARROW_TYPE_INT64) == NANOARROW_OK);
  CHECK(ArrowSchemaSetName(schema->children[0], "id") == NANOARROW_OK);
  schema->children[0]->flags = 0;
  CHECK(ArrowSchemaSetType(schema->children[1], NANOARROW_TYPE_STRING) == NANOARROW_OK);
  CHECK(ArrowSchemaSetName(schema->children[1], "name") == NANOARROW_OK);
  return schema;
}

nanoarrow::UniqueArray batch(std::int64_t rows, std::int64_t first) {
  nanoarrow::UniqueArray array;
  auto type = schema();
  CHECK(ArrowArrayInitFromSchema(array.get(), type.get(), nullptr) == NANOARROW_OK);
  CHECK(ArrowArrayStartAppending(array.get()) == NANOARROW_OK);
  for (std::int64_t i = first; i < first + rows; i++) {
    const std::string name = "row " + std::to_string(i);
    CHECK(ArrowArrayAppendInt(array->children[0], i) == NANOARROW_OK);
    CHECK((i % 3 == 2 ? ArrowArrayAppendNull(array->children[1], 1)
                      : ArrowArrayAppendString(array->children[1], ArrowCharView(name.c_str()))) == NANOARROW_OK);
    CHECK(ArrowArrayFinishElement(array.get()) == NANOARROW_OK);
  }
  CHECK(ArrowArrayFinishBuildingDefault(array.get(), nullptr) == NANOARROW_OK);
  return array;
}

void batches_go_in_and_come_out() {
  const std::string root = new_root();
  const weir::Schema type = weir::from_nanoarrow(schema());
  auto writer = MUST(weir::Writer::open(session, root, shard_id, type, test::quick()));
  auto one = batch(10, 0);
  OK(writer.put(weir::from_nanoarrow(std::move(one))));
  CHECK(one->release == nullptr);  // NOLINT(bugprone-use-after-move)
  OK(writer.put(weir::from_nanoarrow(batch(10, 10))));
  auto tailer = test::tailer(session, root);
  nanoarrow::UniqueArrayStream stream = weir::to_nanoarrow(MUST(tailer.stream()));
  nanoarrow::UniqueSchema back;
  CHECK(ArrowArrayStreamGetSchema(stream.get(), back.get(), nullptr) == NANOARROW_OK);
  nanoarrow::UniqueArrayView view;
  CHECK(ArrowArrayViewInitFromSchema(view.get(), back.get(), nullptr) == NANOARROW_OK);
  for (std::int64_t first = 0; first < 20; first += 10) {
    nanoarrow::UniqueArray array;
    CHECK(ArrowArrayStreamGetNext(stream.get(), array.get(), nullptr) == NANOARROW_OK);
    CHECK(ArrowArrayViewSetArray(view.get(), array.get(), nullptr) == NANOARROW_OK);
    CHECK(ArrowArrayViewValidate(view.get(), NANOARROW_VALIDATION_LEVEL_FULL, nullptr) == NANOARROW_OK);
    for (std::int64_t i = 0; i < 10; i++) {
      CHECK_EQ(ArrowArrayViewGetIntUnsafe(view->children[0], i), first + i);
      CHECK_EQ(ArrowArrayViewIsNull(view->children[1], i) != 0, (first + i) % 3 == 2);
    }
    CHECK(test::is_batch(weir::from_nanoarrow(std::move(array)), 10, first));
  }
}

void rows_are_read_by_key_and_scanned() {
  const weir::Schema type = weir::from_nanoarrow(schema());
  auto options = test::quick();
  options.primary_key = {"id"};
  auto writer = MUST(weir::Writer::open(session, new_root(), shard_id, type, options));
  OK(writer.put(weir::from_nanoarrow(batch(10, 0))));
  OK(writer.delete_keys({weir::from_nanoarrow(batch(9, 1)), weir::from_nanoarrow(schema())}));  // a batch that has the key among others
  auto got = MUST(writer.get_rows({weir::from_nanoarrow(batch(2, 0)), type}));
  CHECK((got.states == std::vector<weir::KeyState>{weir::KeyState::found, weir::KeyState::deleted}));
  auto stream = weir::to_nanoarrow(MUST(MUST(writer.scan()).stream()));
  nanoarrow::UniqueArray array;
  CHECK(ArrowArrayStreamGetNext(stream.get(), array.get(), nullptr) == NANOARROW_OK);
  CHECK(test::is_batch(weir::from_nanoarrow(std::move(array)), 1, 0));
}

void owners_hand_over_what_they_own() {
  weir::Array array = weir::from_nanoarrow(batch(3, 0));
  CHECK(array && array.length() == 3);
  nanoarrow::UniqueArray back = weir::to_nanoarrow(std::move(array));
  CHECK(!array && back->release != nullptr);  // NOLINT(bugprone-use-after-move)
  const nanoarrow::UniqueSchema type = weir::to_nanoarrow(test::schema());
  CHECK(type->n_children == 2);
  const nanoarrow::UniqueArray none = weir::to_nanoarrow(weir::Array());
  CHECK(none->release == nullptr);
  CHECK(!weir::from_nanoarrow(nanoarrow::UniqueArrayStream()));
  weir::ArrayStream stream = weir::from_nanoarrow(weir::to_nanoarrow(test::stream({2, 10})));
  CHECK(test::is_batch(*MUST(stream.next()), 10, 0));
}

}  // namespace

#define RUN(name) test::run(#name, name, passed, failed)

int main(int, char **argv) {
  int passed = 0, failed = 0;
  test::start();
  session = test::session();
  RUN(batches_go_in_and_come_out);
  RUN(rows_are_read_by_key_and_scanned);
  RUN(owners_hand_over_what_they_own);
  session.reset();
  return test::finish(argv[0], passed, failed);
}
