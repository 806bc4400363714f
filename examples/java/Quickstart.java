import static io.weir.Comparison.column;

import io.weir.Ack;
import io.weir.Entry;
import io.weir.GetResult;
import io.weir.KeyState;
import io.weir.Scan;
import io.weir.ScanOptions;
import io.weir.Session;
import io.weir.Snapshot;
import io.weir.Table;
import io.weir.Tailer;
import io.weir.TailerOptions;
import io.weir.Weir;
import io.weir.Writer;
import io.weir.WriterOptions;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.ArrowReader;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * What weir promises, shown on real data, from Java: a child process puts batches durably and is killed with SIGKILL half-way; the parent
 * opens the shard again, finds every acknowledged row (and at most the one batch that was under way), puts the rest, tails everything back
 * and compares checksums with the source. Then a shard with a primary key is used as a table: rows are replaced, deleted, got by key and scanned.
 *
 * <pre>java … Quickstart [FILE.arrow [DIRECTORY]]      the directory is a fresh one, removed at the end, unless one is given</pre>
 */
public final class Quickstart {
  private Quickstart() {}

  public static void main(String[] args) throws Exception {
    if (args.length == 4 && args[0].equals("--ingest")) {
      ingest(Path.of(args[1]), args[2], UUID.fromString(args[3]));
      return;
    }
    if (args.length > 2 || args.length > 0 && args[0].startsWith("-")) {
      System.err.println("usage: Quickstart [FILE.arrow [DIRECTORY]]");
      System.exit(2);
    }
    Path file = Path.of(args.length > 0 ? args[0] : "examples/data/flights.arrow");
    Path directory = args.length > 1 ? Path.of(args[1]) : Files.createTempDirectory("weir-quickstart-");
    boolean equal;
    try {
      equal = story(file, directory.toUri().toString());
    } finally {
      if (args.length < 2) {
        remove(directory);
      }
    }
    System.exit(equal ? 0 : 1);
  }

  private static void remove(Path directory) throws IOException {
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }

  /** A hash of each column's values, in order, however they are cut into batches. */
  private static final class Sums {
    private final List<Long> hashes = new ArrayList<>();
    private long rows;

    void add(VectorSchemaRoot batch) {
      List<FieldVector> columns = batch.getFieldVectors();
      for (int c = 0; c < columns.size(); c++) {
        if (hashes.size() <= c) {
          hashes.add(1L);
        }
        long hash = hashes.get(c);
        for (int row = 0; row < batch.getRowCount(); row++) {
          Object value = columns.get(c).getObject(row);
          hash = hash * 0x100000001b3L + (value == null ? 0 : 1 + value.hashCode());
        }
        hashes.set(c, hash);
      }
      rows += batch.getRowCount();
    }

    boolean equal(Sums other) {
      return rows == other.rows && hashes.equals(other.hashes);
    }
  }

  // ---- The child ----

  /** Puts the whole file and tells of every acknowledgement, until it is killed. */
  private static void ingest(Path file, String root, UUID shard) throws Exception {
    try (BufferAllocator allocator = new RootAllocator();
        ArrowReader source = Weir.openIpc(file, allocator);
        Session session = Weir.session();
        Writer writer = session.openWriter(root, shard, source.getVectorSchemaRoot().getSchema())) { // durable by default
      while (source.loadNextBatch()) {
        VectorSchemaRoot batch = source.getVectorSchemaRoot();
        Ack ack = writer.put(batch); // returns when the batch is on disk
        System.out.println("ack " + ack.position() + " " + batch.getRowCount());
      }
      Thread.sleep(60_000); // the parent was slower than the disk: its kill is on the way
    }
  }

  // ---- The parent ----

  private record Killed(long batches, long rows) {}

  private static Killed ingestAndKill(Path file, String root, UUID shard, long batches) throws Exception {
    List<String> command = new ArrayList<>(List.of(ProcessHandle.current().info().command().orElse("java")));
    command.addAll(Arrays.asList(
        "--add-opens=java.base/java.nio=ALL-UNNAMED", "--enable-native-access=ALL-UNNAMED",
        "-Dweir.library.path=" + System.getProperty("weir.library.path", ""), "-cp", System.getProperty("java.class.path"),
        Quickstart.class.getName(), "--ingest", file.toString(), root, shard.toString()));
    Process child = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    long acked = 0;
    long rows = 0;
    try (BufferedReader lines = child.inputReader()) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        acked++;
        rows += Long.parseLong(line.split(" ")[2]);
        if (acked * 2 >= batches) {
          child.toHandle().destroyForcibly(); // SIGKILL; what it said before can still be read
        }
      }
    }
    int code = child.waitFor();
    if (code != 128 + 9) {
      throw new IllegalStateException("the child was not killed, but ended with " + code);
    }
    return new Killed(acked, rows);
  }

  private static boolean story(Path file, String root) throws Exception {
    UUID shard = UUID.randomUUID();
    System.out.printf("weir %s  %s%n      %s_mem_wal/%s%n%n", Weir.version(), file, root, shard);
    try (BufferAllocator allocator = new RootAllocator();
        Session session = Weir.session()) {
      List<Sums> prefixes = new ArrayList<>(); // of the source's first 0, 1, 2 … batches
      Schema schema = prefixes(file, allocator, prefixes);
      long total = prefixes.getLast().rows;

      System.out.println("1  A process puts batches durably, and is killed half-way");
      Killed killed = ingestAndKill(file, root, shard, prefixes.size() - 1);
      System.out.printf("   %,d of %,d rows were acknowledged; killed by SIGKILL%n%n", killed.rows, total);

      System.out.println("2  The shard is opened again");
      try (Writer writer = session.openWriter(root, shard, schema)) {
        System.out.printf("   epoch %d: the killed writer could no longer append, were it still alive%n", writer.epoch());
        Sums landed = new Sums();
        int entries = tail(session, root, shard, allocator, landed);
        if (landed.rows < killed.rows) {
          throw new IllegalStateException("LOST: " + killed.rows + " rows were acknowledged, " + landed.rows + " are in the log");
        }
        if (!landed.equal(prefixes.get(entries))) {
          throw new IllegalStateException("TORN: the " + landed.rows + " rows in the log are not the source's first");
        }
        System.out.printf("   found %,d rows: all that were acknowledged, checked by their sums%n%n", landed.rows);

        System.out.println("3  The rest is put");
        System.out.printf("   %,d rows, asynchronously%n%n", putRest(file, allocator, writer, entries));
      }

      System.out.println("4  Everything is tailed back");
      Sums log = new Sums();
      tail(session, root, shard, allocator, log);
      boolean equal = log.equal(prefixes.getLast());
      System.out.printf(
          equal ? "   Equal: %,d rows of %d columns, none lost, none doubled, none torn.%n" : "   DIFFERENT: %,d rows of %d columns%n",
          log.rows, log.hashes.size());

      System.out.printf("%n5  A shard with a primary key is a table%n");
      return table(session, root, allocator) && equal;
    }
  }

  private static Schema prefixes(Path file, BufferAllocator allocator, List<Sums> prefixes) throws IOException {
    Sums sums = new Sums();
    prefixes.add(sums);
    try (ArrowReader source = Weir.openIpc(file, allocator)) {
      while (source.loadNextBatch()) {
        Sums next = new Sums();
        next.hashes.addAll(sums.hashes);
        next.rows = sums.rows;
        next.add(source.getVectorSchemaRoot());
        prefixes.add(next);
        sums = next;
      }
      return source.getVectorSchemaRoot().getSchema();
    }
  }

  /** Puts the batches from number {@code skip} on, without waiting for each. */
  private static long putRest(Path file, BufferAllocator allocator, Writer writer, int skip) throws IOException {
    long rows = 0;
    try (ArrowReader source = Weir.openIpc(file, allocator)) {
      for (int i = 0; source.loadNextBatch(); i++) {
        if (i >= skip) {
          writer.putAsync(source.getVectorSchemaRoot()).exceptionally(error -> {
            throw new IllegalStateException("a put failed", error);
          });
          rows += source.getVectorSchemaRoot().getRowCount();
        }
      }
    }
    writer.flush(); // all of them are durable
    return rows;
  }

  /** Reads the log from its first position to its end; says how many entries have rows. */
  private static int tail(Session session, String root, UUID shard, BufferAllocator allocator, Sums sums) {
    int entries = 0;
    try (Tailer tailer = session.openTailer(root, shard, TailerOptions.from(1))) {
      for (Entry entry : tailer) {
        try (entry) {
          for (int i = 0; i < entry.batchCount(); i++) {
            try (VectorSchemaRoot batch = entry.batch(i, allocator)) {
              sums.add(batch);
              entries++; // a batch of ours is a batch of the source, whether or not others share its entry
            }
          }
        }
      }
    }
    return entries;
  }

  // ---- A table ----

  private static final Schema PLANES =
      new Schema(
          List.of(
              new Field("tail", FieldType.notNullable(ArrowType.Utf8.INSTANCE), null),
              new Field("seats", FieldType.nullable(new ArrowType.Int(32, true)), null)));

  /** Puts planes and their seats: a row replaces the one of the same tail number. */
  private static void put(Writer writer, BufferAllocator allocator, Map<String, Integer> planes) {
    try (VectorSchemaRoot batch = VectorSchemaRoot.create(PLANES, allocator)) {
      int row = 0;
      for (Map.Entry<String, Integer> plane : planes.entrySet()) {
        ((VarCharVector) batch.getVector("tail")).setSafe(row, plane.getKey().getBytes(StandardCharsets.UTF_8));
        ((IntVector) batch.getVector("seats")).setSafe(row++, plane.getValue());
      }
      batch.setRowCount(row);
      writer.put(batch);
    }
  }

  /** The planes that a batch has the tail numbers of. */
  private static VectorSchemaRoot keys(BufferAllocator allocator, String... tails) {
    VarCharVector tail = (VarCharVector) PLANES.findField("tail").createVector(allocator);
    for (int i = 0; i < tails.length; i++) {
      tail.setSafe(i, tails[i].getBytes(StandardCharsets.UTF_8));
    }
    tail.setValueCount(tails.length);
    return VectorSchemaRoot.of(tail);
  }

  /** What a scan gives. */
  private static Map<String, Integer> scan(Table table, BufferAllocator allocator, ScanOptions options) {
    Map<String, Integer> planes = new TreeMap<>();
    try (Scan scan = table.scan(options, allocator)) {
      for (VectorSchemaRoot rows : scan) {
        try (rows) {
          for (int row = 0; row < rows.getRowCount(); row++) {
            planes.put(rows.getVector("tail").getObject(row).toString(), (Integer) rows.getVector("seats").getObject(row));
          }
        }
      }
    }
    return planes;
  }

  /** Upserts, a delete, a get, scans, and a snapshot for those who do not own the shard. */
  private static boolean table(Session session, String root, BufferAllocator allocator) {
    UUID shard = UUID.randomUUID();
    boolean right;
    try (Writer writer = session.openWriter(root, shard, PLANES, WriterOptions.defaults().withPrimaryKey("tail"))) {
      put(writer, allocator, Map.of("N101", 140, "N202", 180, "N303", 200));
      put(writer, allocator, Map.of("N202", 186)); // replaces
      try (VectorSchemaRoot keys = keys(allocator, "N303")) {
        writer.delete(keys);
      }
      writer.waitFlushed(writer.freeze()); // what follows is in memory only, and in the log
      put(writer, allocator, Map.of("N404", 90));

      Map<String, Integer> all = scan(writer, allocator, ScanOptions.defaults());
      Map<String, Integer> large = scan(writer, allocator, ScanOptions.where(column("seats").ge(140)));
      System.out.printf("   scan                 %s%n   with 140 seats       %s%n", all, large);
      right = all.equals(Map.of("N101", 140, "N202", 186, "N404", 90)) && large.equals(Map.of("N101", 140, "N202", 186));

      try (VectorSchemaRoot keys = keys(allocator, "N202", "N303", "N999");
          GetResult found = writer.get(keys, allocator)) {
        System.out.printf("   N202, N303, N999     %s, %s seats%n", found.states(), found.rows().getVector("seats").getObject(0));
        right &= found.states().equals(List.of(KeyState.FOUND, KeyState.DELETED, KeyState.MISSING));
      }
      try (Snapshot snapshot = session.openSnapshot(root, shard)) { // from any process; the writer goes on
        put(writer, allocator, Map.of("N505", 50));
        Map<String, Integer> then = scan(snapshot, allocator, ScanOptions.defaults());
        System.out.printf("   snapshot             %s, up to position %d of the log%n", then, snapshot.cutPosition());
        right &= then.equals(all);
      }
    }
    System.out.println(right ? "   As it should be." : "   WRONG");
    return right;
  }
}
