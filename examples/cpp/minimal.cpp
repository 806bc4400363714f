// Puts an Arrow file's batches durably and reads them back.
// c++ -std=c++17 minimal.cpp -lweir && ./a.out flights.arrow /var/lib/events
#include <iostream>
#include <weir/weir.hpp>

int main(int argc, char **argv) try {
  const std::string file = argc > 1 ? argv[1] : "examples/data/flights.arrow", root = argc > 2 ? argv[2] : "memory://minimal";
  const std::string shard = "6f1e8f0a-54c2-4c1e-9d55-0b1e7c2a9a10";
  auto session = weir::Session::create().value();  // value() throws what went wrong; without it, nothing throws
  auto source = weir::open_ipc_file(file).value();
  auto writer = weir::Writer::open(session, root, shard, source.schema().value()).value();  // fences any older writer
  for (auto &batch : source.batches()) {
    const weir::Ack ack = writer.put(std::move(batch).value()).value();  // durable on return
    std::cout << "put   position " << ack.position << ", epoch " << ack.epoch << '\n';
  }
  auto tailer = weir::Tailer::open(session, root, shard).value();  // from the oldest entry on
  for (auto &entry : tailer.entries()) {  // its batches: entry->batches()
    std::cout << "tail  position " << entry.value().position() << ", " << entry->rows() << " rows\n";
  }
} catch (const weir::Exception &failed) {  // the message says what, where, and what to do about it
  std::cerr << failed.what() << '\n';
  return 1;
}
