// What the tests of MemTables need: writers with the key `id`, batches and keys of chosen ids, and what scans and gets give as plain rows.
#ifndef WEIR_TEST_MEMTABLE_BUILD_HPP
#define WEIR_TEST_MEMTABLE_BUILD_HPP

#include "harness.hpp"

namespace test {

using Ids = std::vector<std::int64_t>;

// With the key `id`; generations are merged by nobody.
inline weir::WriterOptions keyed() {
  weir::WriterOptions options = quick();
  options.primary_key = {"id"};
  options.compaction = false;
  return options;
}

inline weir::WriterOptions log_only() {
  weir::WriterOptions options = quick();
  options.enable_memtable = false;
  return options;
}

inline Ids range(std::int64_t first, std::int64_t end) {
  Ids ids;
  for (std::int64_t id = first; id < end; id++) ids.push_back(id);
  return ids;
}

inline ArrowArray ids_array(const Ids &ids) {
  auto *parts = new ArrayParts;
  parts->ids = ids;
  parts->ids.reserve(1);
  parts->buffers = {nullptr, parts->ids.data()};
  return array_of(parts, static_cast<std::int64_t>(ids.size()));
}

// Rows of the standard schema, whose names are "<tag><id>".
inline weir::Array saying(const std::string &tag, const Ids &ids) {
  auto *names = new ArrayParts, *top = new ArrayParts;
  const auto rows = static_cast<std::int64_t>(ids.size());
  names->offsets.push_back(0);
  for (const std::int64_t id : ids) {
    names->text += tag + std::to_string(id);
    names->offsets.push_back(static_cast<std::int32_t>(names->text.size()));
  }
  names->buffers = {nullptr, names->offsets.data(), names->text.data()};
  top->buffers = {nullptr};
  top->columns = {ids_array(ids), array_of(names, rows)};
  return weir::Array(array_of(top, rows));
}

// A struct array of the ids alone: keys, or values to compare with.
inline weir::Array ids_of(const Ids &ids) {
  auto *top = new ArrayParts;
  top->buffers = {nullptr};
  top->columns = {ids_array(ids)};
  return weir::Array(array_of(top, static_cast<std::int64_t>(ids.size())));
}

// Freezes, waits until all is published, and gives the newest generation.
inline std::uint64_t flush_tables(weir::Writer &writer) {
  const std::uint64_t generation = MUST(writer.freeze());
  OK(writer.wait_flushed(generation));
  return generation;
}

struct Row {
  std::int64_t id = -1;
  std::string name = "-";  // that is null
  std::uint64_t position = 0, generation = 0;
  bool tombstone = false;
};

// Adds the rows of a batch, whose columns are told apart by their names.
inline void add_rows(std::vector<Row> &rows, const weir::Array &batch, const weir::Schema &schema) {
  if (!CHECK(batch && schema) || !CHECK_EQ(batch->n_children, schema->n_children)) return;
  for (std::int64_t i = 0; i < batch->length; i++) {
    Row &row = rows.emplace_back();
    for (std::int64_t c = 0; c < batch->n_children; c++) {
      const ArrowArray *column = batch->children[c];
      const std::string_view name = schema->children[c]->name;
      const std::int64_t at = batch->offset + column->offset + i;
      auto bit = [&](const void *bits) { return bits == nullptr || (static_cast<const std::uint8_t *>(bits)[at / 8] >> (at % 8) & 1) != 0; };
      if (name == "id") row.id = static_cast<const std::int64_t *>(column->buffers[1])[at];
      else if (name == "_position") row.position = static_cast<const std::uint64_t *>(column->buffers[1])[at];
      else if (name == "_generation") row.generation = static_cast<const std::uint64_t *>(column->buffers[1])[at];
      else if (name == "_tombstone") row.tombstone = bit(column->buffers[1]);
      else if (name == "name" && bit(column->buffers[0])) {
        const auto *offsets = static_cast<const std::int32_t *>(column->buffers[1]);
        row.name.assign(static_cast<const char *>(column->buffers[2]) + offsets[at], static_cast<std::size_t>(offsets[at + 1] - offsets[at]));
      }
    }
  }
}

// What is left of a scan.
inline std::vector<Row> rows_of(weir::Scan scan) {
  std::vector<Row> rows;
  const weir::Schema schema = MUST(scan.schema());
  for (weir::Result<weir::Batch> &batch : scan.batches()) {
    if (OK(batch) && CHECK(batch->rows() > 0)) add_rows(rows, MUST(batch->array()), schema);
  }
  return rows;
}

template <class Reader>
std::vector<Row> scan(const Reader &reader, const weir::ScanOptions &options = {}) {
  return rows_of(MUST(reader.scan(options)));
}

// Gets the rows of some ids; `states` has one letter for each: m(issing), f(ound), d(eleted).
template <class Reader>
std::vector<Row> get(const Reader &reader, const std::string &states, const Ids &ids) {
  std::vector<Row> rows;
  auto result = reader.get_rows(ids_of(ids));
  if (!OK(result)) return rows;
  std::string got;
  for (const weir::KeyState state : result->states) got += "mfd"[static_cast<int>(state)];
  CHECK_EQ(got, states);
  add_rows(rows, result->rows, MUST(reader.read_schema()));
  return rows;
}

inline Ids ids_in(const std::vector<Row> &rows) {
  Ids ids;
  for (const Row &row : rows) ids.push_back(row.id);
  return ids;
}

// The rows as a text, for comparisons: "old0 old1 …".
inline std::string names_in(const std::vector<Row> &rows) {
  std::string names;
  for (const Row &row : rows) names += (names.empty() ? "" : " ") + row.name;
  return names;
}

inline std::string names(const std::string &tag, const Ids &ids) {
  std::string names;
  for (const std::int64_t id : ids) names += (names.empty() ? "" : " ") + tag + std::to_string(id);
  return names;
}

}  // namespace test

#endif
