// What weir promises, shown on real data: a child process puts batches durably and is killed with SIGKILL half-way; the parent opens the
// shard again, finds every acknowledged row (and at most the one batch that was under way), puts the rest, reads everything back, and compares
// checksums with the source. Then a second shard shows what a primary key gives: upserts, deletes, gets and scans.
//
//   quickstart [FILE.arrow [DIRECTORY]]      the directory is a fresh one, removed at the end, unless one is given
//
// The parent spawns its child before it uses weir itself: after fork, weir refuses to work in the child.
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <weir/weir.hpp>

#include "../c/checksum.h"

extern char **environ;

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void die(const std::string &why) { throw std::runtime_error(why); }

double milliseconds_since(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

// A new random UUID (version 4): every run has a shard of its own.
std::string new_shard_id() {
  std::random_device random;
  std::ostringstream id;
  id << std::hex << std::setfill('0');
  for (int i = 0; i < 16; i++) {
    unsigned byte = random() & 0xff;
    if (i == 6) byte = (byte & 0x0f) | 0x40;
    if (i == 8) byte = (byte & 0x3f) | 0x80;
    if (i == 4 || i == 6 || i == 8 || i == 10) id << '-';
    id << std::setw(2) << byte;
  }
  return id.str();
}

// ---- Checksums of what was written and of what is read --------------------------------------------------------------------

struct Sums {
  explicit Sums(const weir::Schema &of) : schema(&of), columns(static_cast<std::size_t>(of.columns()), ColumnSum COLUMN_SUM_INIT) {}

  void add(const weir::Array &batch) {
    if (const auto unknown = batch_sums(columns.data(), schema->get(), batch.get()); unknown != 0)
      die(std::string("column ") + schema->get()->children[unknown - 1]->name + " has a type that this example has no checksum for");
    rows += static_cast<std::uint64_t>(batch.length());
  }
  bool operator==(const Sums &other) const {
    return rows == other.rows && sums_equal(columns.data(), other.columns.data(), schema->columns()) != 0;
  }

  const weir::Schema *schema;
  std::vector<ColumnSum> columns;
  std::uint64_t rows = 0;
};

// The sums of the source's batches up to as many rows as are given, and how many batches these are. The rows end with a batch.
std::pair<Sums, std::size_t> sums_of_source(const std::string &file, const weir::Schema &schema, std::uint64_t rows) {
  Sums sums(schema);
  std::size_t batches = 0;
  for (auto &batch : weir::open_ipc_file(file).value().batches()) {
    if (sums.rows >= rows) break;
    sums.add(batch.value());
    batches++;
  }
  return {std::move(sums), batches};
}

// ---- The child: puts the whole file and tells of every acknowledgement, until it is killed -----------------------------------

int ingest(const std::string &file, const std::string &root, const std::string &shard) {
  auto session = weir::Session::create().value();
  auto source = weir::open_ipc_file(file).value();
  const auto schema = source.schema().value();
  const std::size_t batches = sums_of_source(file, schema, UINT64_MAX).second;
  auto writer = weir::Writer::open(session, root, shard, schema).value();
  std::cout << "open " << writer.epoch() << ' ' << batches << std::endl;
  for (auto &batch : source.batches()) {
    const auto rows = batch.value().length();
    const auto start = Clock::now();
    const weir::Ack ack = writer.put(std::move(*batch)).value();  // returns when the batch is on disk
    std::cout << "ack " << ack.position << ' ' << rows << ' ' << milliseconds_since(start) << std::endl;
  }
  // The parent was slower than the disk: its kill is on the way. Should it have died, the pipe says so.
  while (std::cout << "done" << std::endl) std::this_thread::sleep_for(std::chrono::seconds(1));
  return 1;
}

// What the child was told before it died.
struct Killed {
  std::uint64_t batches = 0, rows = 0, position = 0, epoch = 0;
  std::vector<double> times;  // in milliseconds
};

// Spawns the child, kills it as soon as half of the batches were acknowledged, and says what it was told by then.
Killed ingest_and_kill(std::string self, std::string file, std::string root, std::string shard) {
  int out[2];
  if (pipe(out) != 0) die("cannot make a pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, out[0]);
  posix_spawn_file_actions_addclose(&actions, out[1]);
  std::string how = "--ingest";
  char *args[] = {self.data(), how.data(), file.data(), root.data(), shard.data(), nullptr};
  pid_t child = 0;
  if (posix_spawnp(&child, self.c_str(), &actions, nullptr, args, environ) != 0) die("cannot run " + self);
  posix_spawn_file_actions_destroy(&actions);
  close(out[1]);

  Killed killed;
  bool shot = false;
  std::size_t of = 0;
  char line[256];
  std::FILE *in = fdopen(out[0], "r");
  while (in != nullptr && std::fgets(line, sizeof line, in) != nullptr) {
    std::istringstream words(line);
    std::string what;
    std::uint64_t rows = 0;
    double took = 0;
    words >> what;
    if (what == "open") {
      words >> killed.epoch >> of;
      if (of == 0) die(file + " has no batches");
    }
    if (what != "ack" || !(words >> killed.position >> rows >> took)) continue;
    killed.batches++;
    killed.rows += rows;
    killed.times.push_back(took);
    if (!shot && killed.batches * 2 >= of) shot = kill(child, SIGKILL) == 0;
  }
  if (in != nullptr) std::fclose(in);
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) die("the child failed");
  std::cout << "   process " << child << ", epoch " << killed.epoch << ": " << killed.rows << " rows in " << killed.batches
            << " batches were acknowledged, the last at position " << killed.position << ", then it was killed\n";
  if (killed.times.empty()) die("the child was told to die before it put anything");
  std::nth_element(killed.times.begin(), killed.times.begin() + static_cast<std::ptrdiff_t>(killed.times.size() / 2), killed.times.end());
  std::cout << "   one durable put: " << killed.times[killed.times.size() / 2] << " ms (median)\n";
  return killed;
}

// ---- The parent --------------------------------------------------------------------------------------------------------------

Sums sums_of_log(const weir::Session &session, const std::string &root, const std::string &shard, const weir::Schema &schema, bool tell) {
  Sums sums(schema);
  auto tailer = weir::Tailer::open(session, root, shard).value();
  for (auto &entry : tailer.entries()) {
    if (entry.value().is_sentinel()) {
      if (tell) std::cout << "   position " << entry->position() << ": epoch " << entry->epoch() << " fenced the writer before it\n";
      continue;
    }
    if (!same_columns(entry->schema().value().get(), schema.get())) die("an entry has other columns than the source");
    for (auto &batch : entry->batches()) sums.add(batch.value());  // nothing was copied
  }
  return sums;
}

bool has_columns(const weir::Schema &schema, const std::vector<std::string> &names) {
  return std::all_of(names.begin(), names.end(), [&](const std::string &name) {
    for (std::int64_t i = 0; i < schema.columns(); i++) {
      if (schema->children[i]->name == name) return true;
    }
    return false;
  });
}

// The rows of carriers and flight numbers that a scan gives: printed, and counted.
std::uint64_t print_flights(weir::Scan scan) {
  std::uint64_t rows = 0;
  std::cout << "  ";
  for (auto &batch : scan.batches()) {
    const weir::Array array = batch.value().array().value();
    const ArrowArray *carrier = array->children[0], *flight = array->children[1];
    const auto *ends = static_cast<const std::int32_t *>(carrier->buffers[1]) + carrier->offset;
    const auto *numbers = static_cast<const std::uint16_t *>(flight->buffers[1]) + flight->offset;
    for (std::int64_t i = 0; i < array.length(); i++) {
      std::cout << ' ';
      std::cout.write(static_cast<const char *>(carrier->buffers[2]) + ends[i], ends[i + 1] - ends[i]) << ' ' << numbers[i] << ' ';
    }
    rows += batch->rows();
  }
  std::cout << '\n';
  return rows;
}

// With a primary key a shard is a table: a put replaces rows of the same key, rows can be deleted, got and scanned at once.
void table(const weir::Session &session, const std::string &file, const std::string &root) {
  auto source = weir::open_ipc_file(file).value();
  const auto schema = source.schema().value();
  if (!has_columns(schema, {"carrier", "flight", "distance"})) {
    std::cout << "   not shown: the file has no carriers, flights and distances\n";
    return;
  }
  weir::WriterOptions options;
  options.primary_key = {"carrier"};
  auto writer = weir::Writer::open(session, root, new_shard_id(), schema, options).value();

  writer.put_stream(std::move(source)).value();
  weir::ScanOptions wanted;
  wanted.columns = {"carrier", "flight"};
  std::cout << "   upsert: the file's last flight of each carrier is what is left\n";
  const std::uint64_t rows = print_flights(writer.scan(wanted).value());

  const std::vector<std::string> us = {"US"};
  writer.delete_keys(weir::keys("carrier", us)).value();
  const auto got = writer.get_rows(weir::keys("carrier", us)).value();
  if (got.states[0] != weir::KeyState::deleted || got.rows.length() != 0) die("a row that was deleted is still there");
  std::cout << "   delete US: a get says deleted, with no row\n";

  wanted.where = weir::where("distance") >= 2000;
  std::cout << "   scan where distance >= 2000\n";
  if (print_flights(writer.scan(wanted).value()) >= rows) die("the scan gave too much");
  writer.close().value();  // what is in memory becomes a generation, which outlives the log
}

int story(const std::string &self, const std::string &file, const std::string &root) {
  const std::string shard = new_shard_id();
  std::cout << "weir " << weir::version() << "  " << file << "\n      " << root << "/_mem_wal/" << shard << "\n\n";
  std::cout << "1  A process puts batches durably, and is killed half-way" << std::endl;
  const Killed killed = ingest_and_kill(self, file, root, shard);

  std::cout << "\n2  The shard is opened again\n";
  auto session = weir::Session::create().value();
  const auto schema = weir::open_ipc_file(file).value().schema().value();
  const auto start = Clock::now();
  auto writer = weir::Writer::open(session, root, shard, schema).value();
  std::cout << "   epoch " << writer.epoch() << ", in " << milliseconds_since(start) << " ms\n";
  if (writer.epoch() <= killed.epoch) die("the epoch did not rise");
  const Sums landed = sums_of_log(session, root, shard, schema, false);
  const auto [prefix, batches] = sums_of_source(file, schema, landed.rows);
  if (landed.rows < killed.rows) die("LOST: fewer rows are in the log than were acknowledged");
  if (batches > killed.batches + 1 || !(landed == prefix)) die("TORN: the rows in the log are not the source's first");
  std::cout << "   " << landed.rows << " rows are there: all that were acknowledged, and the source's first\n";

  std::cout << "\n3  The rest is put\n";
  std::size_t index = 0;
  std::optional<weir::Ack> last;
  for (auto &batch : weir::open_ipc_file(file).value().batches()) {
    if (index++ >= batches) last = writer.put(std::move(batch).value()).value();
  }
  if (last) std::cout << "   up to position " << last->position << '\n';
  writer.close().value();

  std::cout << "\n4  Everything is read back\n";
  const Sums log = sums_of_log(session, root, shard, schema, true);
  const Sums all = sums_of_source(file, schema, UINT64_MAX).first;
  if (!(log == all)) die("DIFFERENT: the log does not have the source's rows");
  std::cout << "\nEqual: " << log.rows << " rows of " << schema.columns() << " columns, none lost, none doubled, none torn.\n";

  std::cout << "\n5  A shard with a primary key\n";
  table(session, file, root);
  return 0;
}

std::string temporary_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "weir-quickstart-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) die("cannot make a temporary directory");
  return name;
}

// Removes a directory at the end.
struct Scratch {
  std::string path;
  ~Scratch() {
    std::error_code ignored;
    if (!path.empty()) std::filesystem::remove_all(path, ignored);
  }
};

}  // namespace

int main(int argc, char **argv) try {
  if (argc == 5 && std::string(argv[1]) == "--ingest") return ingest(argv[2], argv[3], argv[4]);
  if (argc > 3 || (argc > 1 && argv[1][0] == '-')) {
    std::cerr << "usage: " << argv[0] << " [FILE.arrow [DIRECTORY]]\n";
    return 2;
  }
  const Scratch scratch{argc > 2 ? "" : temporary_directory()};
  return story(argv[0], argc > 1 ? argv[1] : "examples/data/flights.arrow", argc > 2 ? argv[2] : scratch.path);
} catch (const std::exception &failed) {  // weir::Exception among them
  std::cerr << "quickstart: " << failed.what() << '\n';
  return 1;
}
