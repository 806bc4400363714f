// The behaviours of spills.
#ifndef WEIR_TEST_CONFORMANCE_SPILL_HPP
#define WEIR_TEST_CONFORMANCE_SPILL_HPP

#include "spill_build.hpp"

namespace {

void spill_bytes_come_back(const weir::SpillStore &store, bool encrypt) {
  constexpr std::size_t size = 200001;
  weir::SpillOptions options;
  options.encrypt = encrypt;
  auto writer = MUST(store.begin(options));
  const test::Bytes bytes = test::bytes_at(size);
  const weir::ByteView all(bytes);
  for (std::size_t at = 0; at < size; at += 70000) {
    OK(writer.write({all.data() + at, std::min<std::size_t>(70000, size - at)}));
  }
  CHECK_EQ(writer.len(), size);
  const weir::Spill spill = MUST(std::move(writer).finish());
  CHECK_EQ(spill.len(), size);
  CHECK(encrypt ? spill.stored_bytes() > size : spill.stored_bytes() == size);
  test::reads_back(spill, 100, 0);
  test::reads_back(spill, 90000, 65530);
  std::uint8_t end[17];
  CHECK_EQ(MUST(spill.read_at(size - 5, end, sizeof end)), 5);  // short at the end only
  CHECK_EQ(MUST(spill.read_at(size, end, sizeof end)), 0);

  auto reader = MUST(spill.reader());
  test::Bytes read, chunk(4099);
  while (const std::size_t count = MUST(reader.read(chunk.data(), chunk.size()))) {
    read.insert(read.end(), chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(count));
  }
  test::are_bytes(read, size);
  if (encrypt) FAILS(spill.map(), unsupported);
  else test::are_bytes(MUST(spill.map()), size);
}

void spill_batches_come_back(const weir::SpillStore &store, const weir::SpillOptions &options) {
  weir::Spill spill = test::spill_batches(store, 7, options);
  CHECK_EQ(spill.batch_count(), 7);
  CHECK_EQ(spill.rows(), 70);
  CHECK_EQ(MUST(spill.schema()).columns(), 2);
  for (std::size_t i : {6u, 0u, 3u}) test::is_batch(MUST(spill.batch(i)), 10, static_cast<std::int64_t>(i) * 10);
  FAILS(spill.batch(7), invalid_argument);
  auto stream = MUST(spill.stream());
  spill.reset();  // the stream reads on
  std::int64_t first = 0;
  for (auto &batch : stream.batches()) {
    if (OK(batch)) test::is_batch(*batch, 10, first);
    first += 10;
  }
  CHECK_EQ(first, 70);
}

void spill_roundtrip() {
  const std::string directory = test::new_root();
  for (const std::string &at : {std::string(), directory}) {
    const weir::SpillStore store = test::store(at);
    weir::SpillOptions plain, lz4, zstd, encrypted;
    lz4.compression = weir::Compression::lz4;
    zstd.compression = weir::Compression::zstd;
    encrypted.encrypt = true;
    spill_bytes_come_back(store, false);
    spill_bytes_come_back(store, true);
    for (const weir::SpillOptions &options : {plain, lz4, zstd, encrypted}) spill_batches_come_back(store, options);
    CHECK_EQ(store.used_bytes(), 0);
  }
}

void spill_cap() {  // PITFALLS S1, S3
  const std::string directory = test::new_root();
  for (const std::string &at : {std::string(), directory}) {
    const weir::SpillStore process = test::store(at, 100000), query = MUST(process.child(50000));
    auto writer = MUST(query.begin());
    OK(writer.write(test::bytes_at(40000)));
    auto refused = writer.write(test::bytes_at(10001));
    FAILS(refused, disk_cap_exceeded);
    CHECK(refused.error().action() == weir::Action::fix);
    const auto exceeded = refused.error().cap_exceeded();
    if (CHECK(exceeded)) {
      CHECK_EQ(exceeded->cap_bytes, 50000);
      CHECK_EQ(exceeded->used_bytes, 40000);
      CHECK_EQ(exceeded->requested_bytes, 10001);
    }
    CHECK_EQ(writer.len(), 40000);
    OK(writer.write(test::bytes_at(10000, 40000)));  // to the last byte
    auto other = MUST(process.begin());
    auto above = other.write(test::bytes_at(50001));  // the cap of the store above
    if (FAILS(above, disk_cap_exceeded)) CHECK_EQ(above.error().cap_exceeded()->cap_bytes, 100000);
    {
      const weir::Spill spill = MUST(std::move(writer).finish());
      test::reads_back(spill, 50000, 0);
      CHECK_EQ(query.used_bytes(), 50000);
      CHECK_EQ(process.used_bytes(), 50000);
      CHECK_EQ(MUST(query.stats()).cap_refusals, 1);
    }
    CHECK_EQ(query.used_bytes(), 0);
    CHECK_EQ(process.used_bytes(), 0);
    OK(other.write(test::bytes_at(100000)));
  }
}

void spill_reclaim() {  // PITFALLS S1, S8
  const std::string directory = test::new_root();
  {
    const weir::SpillStore store = test::store(directory);
    CHECK(!std::filesystem::exists(directory));  // PITFALLS S9
    constexpr std::size_t size = 300000;         // more than a buffer: there is a file
    {
      auto abandoned = MUST(store.begin());
      OK(abandoned.write(test::bytes_at(size)));
      CHECK_EQ(store.used_bytes(), size);
      CHECK_EQ(test::files_below(directory), 1);
    }
    CHECK_EQ(store.used_bytes(), 0);
    CHECK_EQ(test::files_below(directory), 0);

    auto aborted = MUST(store.begin());
    OK(aborted.write(test::bytes_at(size)));
    OK(aborted.abort());
    CHECK_EQ(store.used_bytes(), 0);
    CHECK_EQ(test::files_below(directory), 0);
    FAILS(aborted.write(test::bytes_at(1)), closed);
    FAILS(std::move(aborted).finish(), closed);

    weir::Spill spill = test::spill(store, size), batches = test::spill_batches(store, 5);
    auto reader = MUST(spill.reader());
    weir::SpillReadOptions mapping;
    mapping.map = true;
    weir::Array mapped = MUST(batches.batch(2, mapping));
    const std::uint64_t bytes = batches.stored_bytes();
    spill.reset();
    batches.reset();
    CHECK_EQ(store.used_bytes(), size + bytes);  // a reader and a mapped batch are left
    reader.reset();
    CHECK_EQ(store.used_bytes(), bytes);
    test::is_batch(mapped, 10, 20);
    mapped.reset();
    CHECK_EQ(store.used_bytes(), 0);
    CHECK_EQ(test::files_below(directory), 0);
    const weir::SpillStats stats = MUST(store.stats());
    CHECK_EQ(stats.live_bytes, 0);
    CHECK_EQ(stats.open_spills, 0);
    CHECK_EQ(stats.open_writers, 0);
    CHECK_EQ(stats.spills_total, 2);
    CHECK(stats.peak_bytes >= size + bytes);
  }
  CHECK(std::filesystem::is_empty(directory));
}

void spill_close() {  // PITFALLS S6
  const std::string directory = test::new_root();
  std::filesystem::create_directory(directory);
  weir::SpillStoreOptions options;
  options.backend = weir::SpillBackend::object;
  options.location = "file://" + directory;
  const weir::SpillStore store = MUST(weir::SpillStore::create(options));
  const weir::SpillStore child = MUST(store.child());
  constexpr std::size_t size = 200001;
  weir::Spill freed = test::spill(child, size), alive = test::spill(store, size);
  {
    auto abandoned = MUST(store.begin());
    OK(abandoned.write(test::bytes_at(9 << 20)));  // more than an object holds
    OK(abandoned.write(test::bytes_at(1)));
  }
  freed.reset();
  OK(store.close());
  CHECK_EQ(test::files_below(directory), 2);  // the living one's, and a sign of life
  CHECK_EQ(store.used_bytes(), size);
  std::vector<std::uint8_t> bytes(size);
  CHECK_EQ(MUST(alive.read_at(0, bytes.data(), size)), size);
  CHECK(bytes == test::bytes_at(size));
  FAILS(store.begin(), closed);
  FAILS(child.begin(), closed);
  alive.reset();
  OK(store.close_async().future().get());
  CHECK_EQ(store.used_bytes(), 0);
  CHECK(std::filesystem::is_empty(directory));
}

}  // namespace

#endif
