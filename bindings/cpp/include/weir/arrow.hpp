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

#include <cstdint>
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

/// Status::schema_mismatch if `got` has other columns than `want`: another number of them, other names, other types. Metadata and whether a column
/// may have nulls do not count: the library refuses a null where there may be none.
[[nodiscard]] inline Result<void> check_schema(const ::arrow::Schema &got, const ::arrow::Schema &want) {
  const auto mismatch = [](std::string message) { return Error(Status::schema_mismatch, Action::fix, std::move(message)); };
  if (&got == &want) return {};
  if (got.num_fields() != want.num_fields())
    return mismatch("the batch has " + std::to_string(got.num_fields()) + " columns, where " + std::to_string(want.num_fields()) + " are wanted");
  for (int i = 0; i < want.num_fields(); i++) {
    const ::arrow::Field &a = *got.field(i), &b = *want.field(i);
    if (a.name() != b.name()) return mismatch("column " + std::to_string(i) + " of the batch is '" + a.name() + "', where '" + b.name() + "' is wanted");
    if (!a.type()->Equals(*b.type()))
      return mismatch("column '" + b.name() + "' of the batch is " + a.type()->ToString() + ", where " + b.type()->ToString() + " is wanted");
  }
  return {};
}

/// Exports a batch that must be of a schema: see check_schema(). The library gets no schema with a batch and takes another one of the same
/// layout for its own, so this is for whoever hands batches to a Writer, Appender or SpillWriter as Arrays; ArrowWriter, ArrowAppender and
/// ArrowSpillWriter do it by themselves.
[[nodiscard]] inline Result<Array> from_arrow(const ::arrow::RecordBatch &batch, const std::shared_ptr<::arrow::Schema> &schema) {
  if (schema == nullptr) return Error(Status::invalid_argument, Action::fix, "the schema is null");
  if (auto same = check_schema(*batch.schema(), *schema); !same) return same.error();
  return from_arrow(batch);
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

// ---- Owners that know the schema of what they take ----

namespace detail {

/// An owner that takes batches, and the Arrow schema that it was opened with.
template <class Owner>
class OfSchema : public Owner {
 public:
  /// An owner that was opened with this schema.
  OfSchema(Owner &&owner, std::shared_ptr<::arrow::Schema> schema) : Owner(std::move(owner)), schema_(std::move(schema)) {}
  /// The schema of the batches that it takes.
  [[nodiscard]] const std::shared_ptr<::arrow::Schema> &schema() const noexcept { return schema_; }

 protected:
  /// `open`, with the schema exported, as one that remembers it.
  template <class Self, class Open>
  static Result<Self> open_as(std::shared_ptr<::arrow::Schema> schema, Open &&open) {
    if (schema == nullptr) return Error(Status::invalid_argument, Action::fix, "the schema is null");
    return weir::from_arrow(*schema)
        .and_then([&](const Schema &exported) { return open(exported); })
        .transform([&](Owner owner) { return Self(std::move(owner), std::move(schema)); });
  }
  /// `call`, which consumes an array, as an Operation on a batch. It is not made if the batch is of another schema.
  template <class T, class Call>
  auto on_batch(const ::arrow::RecordBatch &batch, Call call) const {
    auto start = [owner = this->get(), batch = weir::from_arrow(batch, schema_), call](WeirCompletion completion) mutable -> Result<void> {
      if (!batch) return batch.error();
      return run([&](WeirError **error) { return call(owner, batch->get(), completion, error); });
    };
    return Operation<T, decltype(start)>(std::move(start));
  }

 private:
  std::shared_ptr<::arrow::Schema> schema_;
};

}  // namespace detail

/// A Writer that takes Arrow batches of the schema that it was opened with: others are Status::schema_mismatch, see check_schema().
class ArrowWriter : public detail::OfSchema<Writer> {
 public:
  using OfSchema::OfSchema;

  /// As Writer::open().
  [[nodiscard]] static Result<ArrowWriter> open(const Session &session, const std::string &root, const std::string &shard,
                                                std::shared_ptr<::arrow::Schema> schema, const WriterOptions &options = {}) {
    return open_as<ArrowWriter>(std::move(schema), [&](const Schema &own) { return Writer::open(session, root, shard, own, options); });
  }

  using Writer::put;
  /// Writer::put() of an Arrow batch.
  Result<Ack> put(const ::arrow::RecordBatch &batch, Timeout timeout = forever) {
    return from_arrow(batch, schema()).and_then([&](Array exported) { return put(std::move(exported), timeout); });
  }

  using Writer::put_async;
  /// put() as an Operation. Never waits for room: see wait_capacity_async().
  [[nodiscard]] auto put_async(const ::arrow::RecordBatch &batch) { return on_batch<Ack>(batch, weir_writer_put_async); }
};

/// An Appender that takes Arrow batches of the schema that it was opened with: others are Status::schema_mismatch, see check_schema().
class ArrowAppender : public detail::OfSchema<Appender> {
 public:
  using OfSchema::OfSchema;

  /// As Appender::open().
  [[nodiscard]] static Result<ArrowAppender> open(const Session &session, const std::string &root, const std::string &shard,
                                                  std::shared_ptr<::arrow::Schema> schema, const AppenderOptions &options = {}) {
    return open_as<ArrowAppender>(std::move(schema), [&](const Schema &own) { return Appender::open(session, root, shard, own, options); });
  }

  using Appender::append;
  /// Appender::append() of an Arrow batch.
  Result<std::uint64_t> append(const ::arrow::RecordBatch &batch, Timeout timeout = forever) {
    return from_arrow(batch, schema()).and_then([&](Array exported) { return append(std::move(exported), timeout); });
  }

  using Appender::append_async;
  /// append() as an Operation.
  [[nodiscard]] auto append_async(const ::arrow::RecordBatch &batch) { return on_batch<std::uint64_t>(batch, weir_appender_append_async); }
};

/// A SpillWriter that takes Arrow batches of the schema that it was begun with: others are Status::schema_mismatch, see check_schema().
class ArrowSpillWriter : public detail::OfSchema<SpillWriter> {
 public:
  using OfSchema::OfSchema;

  /// As SpillStore::begin_batches().
  [[nodiscard]] static Result<ArrowSpillWriter> begin(const SpillStore &store, std::shared_ptr<::arrow::Schema> schema,
                                                      const SpillOptions &options = {}) {
    return open_as<ArrowSpillWriter>(std::move(schema), [&](const Schema &own) { return store.begin_batches(own, options); });
  }

  using SpillWriter::write_batch;
  /// SpillWriter::write_batch() of an Arrow batch.
  Result<void> write_batch(const ::arrow::RecordBatch &batch, Timeout timeout = forever) {
    return from_arrow(batch, schema()).and_then([&](Array exported) { return write_batch(std::move(exported), timeout); });
  }

  using SpillWriter::write_batch_async;
  /// write_batch() as an Operation.
  [[nodiscard]] auto write_batch_async(const ::arrow::RecordBatch &batch) {
    return on_batch<void>(batch, weir_spill_writer_write_batch_async);
  }
};

}  // namespace weir

#endif
