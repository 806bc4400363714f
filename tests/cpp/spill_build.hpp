// What the tests of spills need: bytes whose values tell where they are, stores, what is on the disk.
#ifndef WEIR_TEST_SPILL_BUILD_HPP
#define WEIR_TEST_SPILL_BUILD_HPP

#include "harness.hpp"

namespace test {

using Bytes = std::vector<std::uint8_t>;

// Bytes as they stand at `from` of what the tests write.
inline Bytes bytes_at(std::size_t size, std::size_t from = 0) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; i++) bytes[i] = static_cast<std::uint8_t>((from + i) * 7 + (from + i) / 251);
  return bytes;
}

inline bool are_bytes(weir::ByteView view, std::size_t size, std::size_t from = 0) {
  return CHECK_EQ(view.size(), size) && CHECK(Bytes(view.begin(), view.end()) == bytes_at(size, from));
}

// A store in a directory, or in memory if there is none.
inline weir::SpillStore store(const std::string &directory, std::optional<std::uint64_t> cap = {}) {
  weir::SpillStoreOptions options;
  options.backend = directory.empty() ? weir::SpillBackend::memory : weir::SpillBackend::local;
  options.location = directory;
  options.cap_bytes = cap;
  return MUST(weir::SpillStore::create(options));
}

inline weir::Spill spill(const weir::SpillStore &store, std::size_t size) {
  auto writer = MUST(store.begin());
  OK(writer.write(bytes_at(size)));
  return MUST(std::move(writer).finish());
}

// Batches of 10 rows, ids from 0 on.
inline weir::Spill spill_batches(const weir::SpillStore &store, int batches, const weir::SpillOptions &options = {}) {
  auto writer = MUST(store.begin_batches(schema(), options));
  for (int i = 0; i < batches; i++) OK(writer.write_batch(batch(10, i * 10)));
  return MUST(std::move(writer).finish());
}

inline bool reads_back(const weir::Spill &spill, std::size_t size, std::size_t from) {
  Bytes out(size);
  const std::size_t count = MUST(spill.read_at(from, out.data(), out.size()));
  return CHECK_EQ(count, size) && are_bytes(out, size, from);
}

inline int files_below(const std::string &directory) {
  std::error_code none;
  int files = 0;
  for (const auto &entry : std::filesystem::recursive_directory_iterator(directory, none)) files += entry.is_regular_file();
  return files;
}

}  // namespace test

#endif
