package io.weir;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.c.Data;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.Float8Vector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorLoader;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.VectorUnloader;
import org.apache.arrow.vector.ipc.ArrowReader;
import org.apache.arrow.vector.ipc.ArrowStreamReader;
import org.apache.arrow.vector.ipc.ArrowStreamWriter;
import org.apache.arrow.vector.ipc.message.ArrowRecordBatch;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;

/** A directory, an allocator and a session for one test; on close, nothing may be left of what was made with them. */
final class Fixture implements AutoCloseable {
  static final Duration LONG = Duration.ofSeconds(30);
  private static final Duration SOON = Duration.ofSeconds(10);
  static final UUID SHARD = UUID.fromString("6f1e8f0a-54c2-4c1e-9d55-0b1e7c2a9a10");

  static final Schema SCHEMA =
      new Schema(
          List.of(
              new Field("id", FieldType.notNullable(new ArrowType.Int(64, true)), null),
              new Field("ts", FieldType.nullable(new ArrowType.Int(64, true)), null),
              new Field("v", FieldType.nullable(new ArrowType.FloatingPoint(FloatingPointPrecision.DOUBLE)), null),
              new Field("name", FieldType.nullable(new ArrowType.Utf8()), null)));

  /** A schema that is not the writers'. */
  static final Schema OTHER = new Schema(List.of(new Field("other", FieldType.nullable(new ArrowType.Int(32, true)), null)));

  /** What an earlier test left behind is its failure, not this one's. */
  private final long handlesBefore = Weir.liveHandles();

  final BufferAllocator allocator = new RootAllocator();
  final Path directory;
  final Session session;

  Fixture() {
    try {
      directory = Files.createTempDirectory("weir-test-");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    session = Weir.session();
  }

  String root() {
    return directory.toUri().toString();
  }

  /** Durable, without the syncs that cost the time. */
  static WriterOptions quick() {
    return WriterOptions.durable().withFsync(false);
  }

  /** One that writes nothing by itself for as long as a test takes. */
  static WriterOptions buffered() {
    return WriterOptions.buffered().withFsync(false).withLinger(Duration.ofHours(1));
  }

  Writer writer() {
    return session.openWriter(root(), SHARD, SCHEMA, quick());
  }

  Writer writer(WriterOptions options) {
    return session.openWriter(root(), SHARD, SCHEMA, options);
  }

  Tailer tailer() {
    return session.openTailer(root(), SHARD);
  }

  Tailer follower() {
    return session.openTailer(root(), SHARD, TailerOptions.follow());
  }

  /** Rows with ids from {@code first} on; every seventh name is null. */
  VectorSchemaRoot batch(long first, int rows) {
    VectorSchemaRoot root = VectorSchemaRoot.create(SCHEMA, allocator);
    BigIntVector id = (BigIntVector) root.getVector("id");
    BigIntVector ts = (BigIntVector) root.getVector("ts");
    Float8Vector v = (Float8Vector) root.getVector("v");
    VarCharVector name = (VarCharVector) root.getVector("name");
    for (int i = 0; i < rows; i++) {
      id.setSafe(i, first + i);
      ts.setSafe(i, 1_700_000_000_000L + first + i);
      v.setSafe(i, (first + i) / 2.0);
      if ((first + i) % 7 != 0) {
        name.setSafe(i, ("name-" + (first + i)).getBytes());
      }
    }
    root.setRowCount(rows);
    return root;
  }

  /** A batch of the other schema. */
  VectorSchemaRoot other() {
    VectorSchemaRoot root = VectorSchemaRoot.create(OTHER, allocator);
    root.allocateNew();
    root.setRowCount(3);
    return root;
  }

  /** A batch as a C struct, to be closed. */
  ArrowArray exported(VectorSchemaRoot root) {
    ArrowArray array = ArrowArray.allocateNew(allocator);
    try (root) {
      Data.exportVectorSchemaRoot(allocator, root, null, array);
    }
    return array;
  }

  ArrowArray exported(long first, int rows) {
    return exported(batch(first, rows));
  }

  /** A reader of batches of {@code rows} rows each. */
  ArrowReader reader(long first, int batches, int rows) {
    List<VectorSchemaRoot> roots = new ArrayList<>();
    for (int i = 0; i < batches; i++) {
      roots.add(batch(first + (long) i * rows, rows));
    }
    return reader(SCHEMA, roots);
  }

  /** A reader of batches, which are closed. */
  ArrowReader reader(Schema schema, List<VectorSchemaRoot> batches) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (VectorSchemaRoot root = VectorSchemaRoot.create(schema, allocator);
        ArrowStreamWriter writer = new ArrowStreamWriter(root, null, bytes)) {
      writer.start();
      for (VectorSchemaRoot batch : batches) {
        try (batch;
            ArrowRecordBatch record = new VectorUnloader(batch).getRecordBatch()) {
          new VectorLoader(root).load(record);
        }
        writer.writeBatch();
      }
      writer.end();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return new ArrowStreamReader(new ByteArrayInputStream(bytes.toByteArray()), allocator);
  }

  /** A reader that fails after so many batches. */
  ArrowReader failing(long first, int batches, int rows) {
    return new ArrowReader(allocator) {
      private int loaded;

      @Override
      public boolean loadNextBatch() throws IOException {
        if (loaded == batches) {
          throw new IOException("the source broke");
        }
        prepareLoadNextBatch();
        try (VectorSchemaRoot batch = batch(first + (long) loaded++ * rows, rows);
            ArrowRecordBatch record = new VectorUnloader(batch).getRecordBatch()) {
          new VectorLoader(getVectorSchemaRoot()).load(record);
        }
        return true;
      }

      @Override
      public long bytesRead() {
        return 0;
      }

      @Override
      protected void closeReadSource() {}

      @Override
      protected Schema readSchema() {
        return SCHEMA;
      }
    };
  }

  /** A reader as a C struct, to be closed. */
  ArrowArrayStream exported(ArrowReader reader) {
    ArrowArrayStream stream = ArrowArrayStream.allocateNew(allocator);
    Data.exportArrayStream(allocator, reader, stream);
    return stream;
  }

  /** Batches as a C struct, to be closed. */
  ArrowArrayStream stream(long first, int batches, int rows) {
    return exported(reader(first, batches, rows));
  }

  /** All ids of a reader, which is closed. */
  List<Long> drain(ArrowReader reader) {
    List<Long> ids = new ArrayList<>();
    try (reader) {
      while (reader.loadNextBatch()) {
        ids.addAll(ids(reader.getVectorSchemaRoot()));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return ids;
  }

  Ack put(Writer writer, long first, int rows) {
    try (VectorSchemaRoot root = batch(first, rows)) {
      return writer.put(root);
    }
  }

  /** A log of so many entries of one row. */
  void fill(int entries) {
    try (Writer writer = writer()) {
      for (int i = 0; i < entries; i++) {
        put(writer, i, 1);
      }
    }
  }

  /** The ids in an entry, whose other columns are checked against them. */
  List<Long> ids(Entry entry) {
    List<Long> ids = new ArrayList<>();
    for (int i = 0; i < entry.batchCount(); i++) {
      try (VectorSchemaRoot root = entry.batch(i, allocator)) {
        ids.addAll(ids(root));
      }
    }
    assertEquals(entry.rows(), ids.size());
    return ids;
  }

  static List<Long> ids(VectorSchemaRoot root) {
    List<Long> ids = new ArrayList<>();
    for (int row = 0; row < root.getRowCount(); row++) {
      long id = (long) root.getVector("id").getObject(row);
      assertEquals(1_700_000_000_000L + id, root.getVector("ts").getObject(row));
      assertEquals(id / 2.0, root.getVector("v").getObject(row));
      Object name = root.getVector("name").getObject(row);
      assertEquals(id % 7 == 0 ? null : "name-" + id, name == null ? null : name.toString());
      ids.add(id);
    }
    return ids;
  }

  /** All ids in the log, in order. */
  List<Long> log() {
    List<Long> ids = new ArrayList<>();
    try (Tailer tailer = tailer()) {
      for (Entry entry : tailer) {
        try (entry) {
          ids.addAll(ids(entry));
        }
      }
    }
    return ids;
  }

  static List<Long> range(long first, long end) {
    return LongStream.range(first, end).boxed().toList();
  }

  /** Waits until a number is what it should become. */
  static void eventually(long expected, LongSupplier actual, String what) {
    long end = System.nanoTime() + SOON.toNanos();
    while (actual.getAsLong() != expected) {
      if (System.nanoTime() > end) {
        fail(what + ": " + actual.getAsLong() + ", expected " + expected);
      }
      LockSupport.parkNanos(100_000);
    }
  }

  static void eventuallyAtLeast(long least, LongSupplier actual, String what) {
    long end = System.nanoTime() + LONG.toNanos();
    while (actual.getAsLong() < least) {
      if (System.nanoTime() > end) {
        fail(what + ": " + actual.getAsLong() + ", expected at least " + least);
      }
      LockSupport.parkNanos(100_000);
    }
  }

  /** PITFALLS X2: nothing is left, of Arrow's memory or of the library's. What its threads hold comes back soon. */
  @Override
  public void close() {
    session.close();
    eventually(0, allocator::getAllocatedMemory, "bytes of Arrow's that are still allocated");
    eventually(0, Batches.own()::getAllocatedMemory, "bytes of the binding's own allocator");
    eventually(handlesBefore, Weir::liveHandles, "handles of the library's that are still alive");
    allocator.close();
    long end = System.nanoTime() + SOON.toNanos();
    while (!removed()) { // a request that was under way when its writer was aborted may still land
      assertTrue(System.nanoTime() < end, "something still writes to " + directory);
    }
  }

  private boolean removed() {
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
      return true;
    } catch (DirectoryNotEmptyException | NoSuchFileException changed) {
      return false;
    } catch (UncheckedIOException e) { // of the walk
      if (e.getCause() instanceof NoSuchFileException) {
        return false;
      }
      throw e;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
