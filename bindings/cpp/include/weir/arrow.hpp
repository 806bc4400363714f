/// @file
/// Arrow C++ in and out of weir, without copying: `arrow::RecordBatch`, `arrow::Schema`, `arrow::RecordBatchReader`. Included by those who use
/// Arrow C++, which they link themselves (and whose headers say which C++ they need).
#ifndef WEIR_ARROW_HPP
#define WEIR_ARROW_HPP

#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "weir.hpp"

namespace weir {

/// An Arrow status as an Error; its message is Arrow's.
[[nodiscard]] inline Error from_arrow(const ::arrow::Status &status) {
  const Status kind = status.IsNotImplemented() ? Status::unsupported : status.IsIOError() ? Status::storage : Status::invalid_data;
  return Error(kind, Action::fix, status.ToString());
}

/// An Error as an Arrow status, for `ARROW_RETURN_NOT_OK` and its like.
[[nodiscard]] inline ::arrow::Status to_arrow(const Error &error) {
  switch (error.status()) {
    case Status::ok:
      return ::arrow::Status::OK();
    case Status::invalid_argument:
    case Status::schema_mismatch:
    case Status::invalid_data:
      return ::arrow::Status::Invalid(error.message());
    case Status::unsupported:
      return ::arrow::Status::NotImplemented(error.message());
    case Status::already_exists:
      return ::arrow::Status::AlreadyExists(error.message());
    case Status::not_found:
      return ::arrow::Status::KeyError(error.message());
    case Status::cancelled:
      return ::arrow::Status::Cancelled(error.message());
    default:
      return ::arrow::Status::IOError(error.message());
  }
}

/// Exports a schema.
[[nodiscard]] inline Result<Schema> from_arrow(const ::arrow::Schema &schema) {
  Schema exported;
  if (auto status = ::arrow::ExportSchema(schema, exported.out()); !status.ok()) return from_arrow(status);
  return exported;
}

/// Exports a batch; its buffers live until weir releases the array.
[[nodiscard]] inline Result<Array> from_arrow(const ::arrow::RecordBatch &batch) {
  Array exported;
  if (auto status = ::arrow::ExportRecordBatch(batch, exported.out()); !status.ok()) return from_arrow(status);
  return exported;
}

/// Exports a reader as a stream of its batches.
[[nodiscard]] inline Result<ArrayStream> from_arrow(std::shared_ptr<::arrow::RecordBatchReader> reader) {
  if (reader == nullptr) return Error(Status::invalid_argument, Action::fix, "the reader is null");
  ArrayStream exported;
  if (auto status = ::arrow::ExportRecordBatchReader(std::move(reader), exported.out()); !status.ok()) return from_arrow(status);
  return exported;
}

/// Imports a schema; consumes it.
[[nodiscard]] inline Result<std::shared_ptr<::arrow::Schema>> to_arrow(Schema &&schema) {
  Schema own = std::move(schema);
  if (!own) return Error(Status::invalid_argument, Action::fix, "the schema is empty or was released");
  auto imported = ::arrow::ImportSchema(own.get());
  if (!imported.ok()) return from_arrow(imported.status());
  return std::move(imported).ValueUnsafe();
}

/// Imports a batch of a known schema, without copying; consumes it.
[[nodiscard]] inline Result<std::shared_ptr<::arrow::RecordBatch>> to_arrow(Array &&batch, const std::shared_ptr<::arrow::Schema> &schema) {
  Array own = std::move(batch);
  if (!own || schema == nullptr) return Error(Status::invalid_argument, Action::fix, "the batch is empty or was released, or its schema is null");
  auto imported = ::arrow::ImportRecordBatch(own.get(), schema);
  if (!imported.ok()) return from_arrow(imported.status());
  return std::move(imported).ValueUnsafe();
}

/// Imports a stream as a reader of batches; consumes it.
[[nodiscard]] inline Result<std::shared_ptr<::arrow::RecordBatchReader>> to_arrow(ArrayStream &&stream) {
  ArrayStream own = std::move(stream);
  if (!own) return Error(Status::invalid_argument, Action::fix, "the stream is empty or was released");
  auto imported = ::arrow::ImportRecordBatchReader(own.get());
  if (!imported.ok()) return from_arrow(imported.status());
  return std::move(imported).ValueUnsafe();
}

/// All batches of an entry, without copying; they stay valid after the entry is gone. None of a fence sentinel.
[[nodiscard]] inline Result<std::vector<std::shared_ptr<::arrow::RecordBatch>>> to_arrow(const Entry &entry) {
  auto schema = entry.schema().and_then([](Schema exported) { return to_arrow(std::move(exported)); });
  if (!schema) return schema.error();
  std::vector<std::shared_ptr<::arrow::RecordBatch>> batches;
  batches.reserve(entry.batch_count());
  for (Result<Array> &batch : entry.batches()) {
    if (!batch) return batch.error();
    auto imported = to_arrow(std::move(*batch), *schema);
    if (!imported) return imported.error();
    batches.push_back(std::move(*imported));
  }
  return batches;
}

/// A batch of a scan or of a get, without copying; it stays valid after `batch` is gone.
[[nodiscard]] inline Result<std::shared_ptr<::arrow::RecordBatch>> to_arrow(const Batch &batch) {
  auto schema = batch.schema().and_then([](Schema exported) { return to_arrow(std::move(exported)); });
  if (!schema) return schema.error();
  return batch.array().and_then([&](Array exported) { return to_arrow(std::move(exported), *schema); });
}

/// The rest of a scan as a reader of batches; consumes it.
[[nodiscard]] inline Result<std::shared_ptr<::arrow::RecordBatchReader>> to_arrow(Scan &&scan) {
  Scan own = std::move(scan);
  return own.stream().and_then([](ArrayStream stream) { return to_arrow(std::move(stream)); });
}

/// Keys of an Arrow batch, which has the primary key's columns by name, whatever others it has.
[[nodiscard]] inline Result<Keys> keys(const ::arrow::RecordBatch &batch) {
  auto schema = from_arrow(*batch.schema());
  if (!schema) return schema.error();
  return from_arrow(batch).transform([&](Array exported) { return Keys(std::move(exported), std::move(*schema)); });
}

/// What a get came to, for Arrow C++.
struct ArrowGetResult {
  std::shared_ptr<::arrow::RecordBatch> rows;  ///< The rows that were found, in the order of the keys.
  std::vector<KeyState> states;                ///< One for each key, in their order.
};

/// get_rows() of a Writer or Snapshot, by the keys of an Arrow batch.
template <class Reader>
[[nodiscard]] Result<ArrowGetResult> get_rows(const Reader &reader, const ::arrow::RecordBatch &batch, const GetOptions &options = {},
                                              Timeout timeout = forever) {
  auto schema = reader.read_schema(options.columns).and_then([](Schema exported) { return to_arrow(std::move(exported)); });
  if (!schema) return schema.error();
  auto result = keys(batch).and_then([&](Keys exported) { return reader.get_rows(std::move(exported), options, timeout); });
  if (!result) return result.error();
  auto rows = to_arrow(std::move(result->rows), *schema);
  if (!rows) return rows.error();
  return ArrowGetResult{std::move(*rows), std::move(result->states)};
}

/// Writer::delete_keys() of the keys of an Arrow batch.
inline Result<Ack> delete_keys(Writer &writer, const ::arrow::RecordBatch &batch, Timeout timeout = forever) {
  return keys(batch).and_then([&](Keys exported) { return writer.delete_keys(std::move(exported), timeout); });
}

/// Writer::put() of an Arrow batch.
inline Result<Ack> put(Writer &writer, const ::arrow::RecordBatch &batch, Timeout timeout = forever) {
  return from_arrow(batch).and_then([&](Array exported) { return writer.put(std::move(exported), timeout); });
}

/// Appender::append() of an Arrow batch.
inline Result<std::uint64_t> append(Appender &appender, const ::arrow::RecordBatch &batch, Timeout timeout = forever) {
  return from_arrow(batch).and_then([&](Array exported) { return appender.append(std::move(exported), timeout); });
}

}  // namespace weir

#endif
