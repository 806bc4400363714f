// Figures of the C++ binding. What a put costs above the C call is some nanoseconds: both are measured here, in turns, in one process.
//
//   bench DIR [put|durable|tail …]      prints a line `name value` for each figure
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <weir/weir.hpp>

#include "common.h"

#ifdef BENCH_WITH_ARROW
#include <arrow/api.h>

#include <weir/arrow.hpp>
#endif

namespace {

template <class T>
T must(weir::Result<T> result, const char *what) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s: %s\n", what, result.error().message());
  std::exit(1);
}

void must(const weir::Result<void> &result, const char *what) {
  if (result) return;
  std::fprintf(stderr, "%s: %s\n", what, result.error().message());
  std::exit(1);
}

weir::Schema schema() {
  static Type type;
  return weir::Schema(type_of(&type));
}

double middle(std::vector<double> values) { return median(values.data(), values.size()); }

// ---- A put of a prepared batch that is only admitted ----

double chunk_in_c(const weir::Writer &writer, std::vector<weir::Array> &ready) {
  WeirError *error = nullptr;
  const double began = now_ns();
  for (weir::Array &batch : ready) {
    WeirAck ack;
    const WeirStatus status = weir_writer_put(writer.get(), batch.get(), -1, &ack, &error);
    if (status != WEIR_STATUS_OK) check(status, "put", error);
  }
  return per_put(began);
}

double chunk_in_cpp(weir::Writer &writer, std::vector<weir::Array> &ready) {
  const double began = now_ns();
  for (weir::Array &batch : ready) {
    const weir::Result<weir::Ack> ack = writer.put(std::move(batch));
    if (!ack) check(static_cast<WeirStatus>(ack.status()), ack.error().message(), nullptr);
  }
  return per_put(began);
}

void put() {
  const auto session = must(weir::Session::create(), "session");
  weir::WriterOptions options;
  options.durable = false;
  options.enable_memtable = false;  // what is measured is the way to the log
  options.max_pending_bytes = std::uint64_t{1} << 30;
  auto writer = must(weir::Writer::open(session, "memory://bench", SHARD, schema(), options), "writer");
  Values values = values_of(20);
  std::vector<weir::Array> ready(CHUNK);
  std::vector<double> in_c, in_cpp;
  for (int round = 0; round < 2 * PUTS / CHUNK; round++) {
    for (weir::Array &batch : ready) batch = weir::Array(export_of(&values));
    // Which of the two comes first changes, so that neither has what the other left behind.
    if (round % 4 == 0 || round % 4 == 3) in_c.push_back(chunk_in_c(writer, ready));
    else in_cpp.push_back(chunk_in_cpp(writer, ready));
    must(writer.flush(), "flush");
  }
  std::printf("put_ns %.1f\nput_c_ns %.1f\n", middle(in_cpp), middle(in_c));
  must(writer.close(), "close");
  writer.reset();
  values_free(&values);
}

#ifdef BENCH_WITH_ARROW
void put_export() {
  arrow::Int64Builder ids, times;
  arrow::DoubleBuilder numbers;
  arrow::StringBuilder names;
  for (int i = 0; i < 20; i++) {
    if (!ids.Append(i).ok() || !times.Append(i * 1000).ok() || !numbers.Append(i / 3.0).ok() || !names.Append("name-" + std::to_string(i)).ok())
      std::exit(1);
  }
  const auto type = arrow::schema({arrow::field("id", arrow::int64()), arrow::field("ts", arrow::int64()), arrow::field("v", arrow::float64()),
                                   arrow::field("name", arrow::utf8())});
  const auto batch = arrow::RecordBatch::Make(type, 20, {*ids.Finish(), *times.Finish(), *numbers.Finish(), *names.Finish()});
  std::vector<weir::Array> ready(CHUNK);
  std::vector<double> took;
  for (int round = 0; round < PUTS / CHUNK; round++) {
    const double began = now_ns();
    for (weir::Array &each : ready) {
      if (!arrow::ExportRecordBatch(*batch, each.get()).ok()) std::exit(1);
    }
    took.push_back(per_put(began));
    for (weir::Array &each : ready) each.reset();
  }
  std::printf("put_export_ns %.1f\n", middle(took));
}
#endif

// ---- Durable puts of many callers ----

void durable(const std::string &dir, int idle) {
  const auto session = must(weir::Session::create(), "session");
  weir::WriterOptions options;
  options.enable_memtable = false;
  auto writer = must(weir::Writer::open(session, dir + "/durable", SHARD, schema(), options), "writer");
  Values values = values_of(20);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> done{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < CALLERS; i++) {
    callers.emplace_back([&] {
      while (!stop) {
        must(writer.put(weir::Array(export_of(&values))), "put");
        done++;
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const std::uint64_t before = done;
  const double began = now_ns();
  int most = 0;
  while (now_ns() - began < 3e9) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    most = std::max(most, threads_now());
  }
  const double rate = static_cast<double>(done - before) / ((now_ns() - began) / 1e9);
  stop = true;
  for (std::thread &caller : callers) caller.join();
  must(writer.close(), "close");
  writer.reset();
  values_free(&values);
  std::printf("durable_per_s %.0f\ndurable_threads %d\n", rate, most - idle);
}

// ---- Tailing ----

void tail(const std::string &dir) {
  const std::string root = dir + "/tail";
  write_log(root.c_str());
  const auto session = must(weir::Session::create(), "session");
  std::vector<double> rates;
  std::uint64_t sum = 0;
  for (int round = -TAIL_WARM_UP; round < TAIL_ROUNDS; round++) {
    std::int64_t rows = 0;
    const double began = now_ns();
    auto tailer = must(weir::Tailer::open(session, root, SHARD), "tailer");
    for (auto &entry : tailer.entries()) {
      for (auto &each : must(std::move(entry), "next").batches()) {
        const weir::Array batch = must(std::move(each), "batch");
        sum += touch(batch.get());
        rows += batch.length();
      }
    }
    if (round >= 0) rates.push_back(static_cast<double>(rows) / ((now_ns() - began) / 1e9));
    if (rows != TAIL_ROWS || sum == 0) {
      std::fprintf(stderr, "%lld rows came back\n", static_cast<long long>(rows));
      std::exit(1);
    }
  }
  std::printf("tail_rows_per_s %.0f\n", middle(rates));
}

}  // namespace

int main(int argc, char **argv) {
  const int idle = threads_now();
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s DIR [put|durable|tail …]\n", argv[0]);
    return 2;
  }
  if (wants(argc, argv, "durable")) durable(argv[1], idle);  // first: it counts threads
  if (wants(argc, argv, "put")) put();
#ifdef BENCH_WITH_ARROW
  if (wants(argc, argv, "put")) put_export();
#endif
  if (wants(argc, argv, "tail")) tail(argv[1]);
  return 0;
}
