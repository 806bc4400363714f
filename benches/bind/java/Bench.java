import io.weir.Entry;
import io.weir.Session;
import io.weir.Tailer;
import io.weir.Weir;
import io.weir.Writer;
import io.weir.WriterOptions;
import java.io.File;
import java.lang.foreign.Arena;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.Data;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.Float8Vector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * The Java binding beside C: {@code Bench DIR [put|durable|tail …]} prints lines {@code name value}. See benches/bind/run.sh, whose C program
 * does the same with the C ABI alone.
 */
public final class Bench {
  private static final UUID SHARD = UUID.fromString("00000000-0000-4000-8000-00000000be9c");
  private static final int CHUNK = 100;
  private static final int PUTS = 20_000;
  private static final int CALLERS = 1000;
  private static final int TAIL_ROWS = 1_000_000;
  private static final int TAIL_BATCH = 10_000;
  private static final int TAIL_ROUNDS = 101;
  private static final int PAGE = 4096;

  /** Rounds before those that count, until the compiler of the virtual machine is done with what is measured. */
  private static final int PUT_WARM_UP = 3000;

  private static final int TAIL_WARM_UP = 300;

  private static final Schema SCHEMA =
      new Schema(
          List.of(
              new Field("id", FieldType.notNullable(new ArrowType.Int(64, true)), null),
              new Field("ts", FieldType.notNullable(new ArrowType.Int(64, true)), null),
              new Field("v", FieldType.notNullable(new ArrowType.FloatingPoint(FloatingPointPrecision.DOUBLE)), null),
              new Field("name", FieldType.notNullable(new ArrowType.Utf8()), null)));

  private Bench() {}

  public static void main(String[] args) throws Exception {
    if (args.length < 1) {
      System.err.println("usage: Bench DIR [put|durable|tail …]");
      System.exit(2);
    }
    List<String> parts = args.length > 1 ? Arrays.asList(args).subList(1, args.length) : List.of("durable", "put", "tail");
    try (BufferAllocator allocator = new RootAllocator()) {
      if (parts.contains("durable")) {
        durable(args[0], allocator); // first: it counts threads
      }
      if (parts.contains("put")) {
        put(allocator);
      }
      if (parts.contains("tail")) {
        tail(args[0], allocator);
      }
    }
  }

  private static VectorSchemaRoot batch(BufferAllocator allocator, int rows) {
    VectorSchemaRoot root = VectorSchemaRoot.create(SCHEMA, allocator);
    for (int i = 0; i < rows; i++) {
      ((BigIntVector) root.getVector(0)).setSafe(i, i);
      ((BigIntVector) root.getVector(1)).setSafe(i, i * 1000L);
      ((Float8Vector) root.getVector(2)).setSafe(i, i / 3.0);
      ((VarCharVector) root.getVector(3)).setSafe(i, String.format("name-%06d", i).getBytes());
    }
    root.setRowCount(rows);
    return root;
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }

  /**
   * Puts of prepared batches that are only admitted. The call that puts a batch also releases it, by a function of who made it; so the batches
   * of {@code put_ns} are made by hand, as those of the C program are. {@code put_arrow_ns} is the same with batches that arrow-java exported,
   * and {@code put_export_ns} is arrow-java's own export and release of them, without a put.
   */
  private static void put(BufferAllocator allocator) {
    WriterOptions options = WriterOptions.buffered().withMemTables(false).withMaxPendingBytes(1 << 30);
    ArrowArray[] ready = new ArrowArray[CHUNK];
    try (Session session = Weir.session();
        Arena arena = Arena.ofShared();
        VectorSchemaRoot root = batch(allocator, 20);
        Writer writer = session.openWriter("memory://bench", SHARD, SCHEMA, options)) {
      ByHand byHand = new ByHand(arena, root);
      for (int i = 0; i < CHUNK; i++) {
        ready[i] = ArrowArray.allocateNew(allocator);
      }
      print("put_ns", ready, byHand::export, writer::put, writer::flush);
      Consumer<ArrowArray> export = array -> Data.exportVectorSchemaRoot(allocator, root, null, array);
      print("put_arrow_ns", ready, export, writer::put, writer::flush);
      print("put_export_ns", ready, array -> {}, array -> {
        export.accept(array);
        array.release();
      }, () -> {});
      for (ArrowArray array : ready) {
        array.close();
      }
    }
  }

  /** C structs of a batch that live as long as the arena, and whose release does nothing: it is a function of C's that has no effect. */
  private static final class ByHand {
    private static final long[] COUNTS = {2, 2, 2, 3};
    private final MemorySegment children;
    private final MemorySegment noBuffers;
    private final MemorySegment release;
    private final int rows;

    ByHand(Arena arena, VectorSchemaRoot root) {
      rows = root.getRowCount();
      release = Linker.nativeLinker().defaultLookup().find("labs").orElseThrow();
      noBuffers = arena.allocate(8, 8);
      children = arena.allocate(8L * COUNTS.length, 8);
      for (int i = 0; i < COUNTS.length; i++) {
        List<ArrowBuf> buffers = root.getVector(i).getFieldBuffers();
        MemorySegment pointers = arena.allocate(24, 8);
        for (int k = 1; k < buffers.size(); k++) {
          pointers.set(ValueLayout.JAVA_LONG, 8L * k, buffers.get(k).memoryAddress());
        }
        MemorySegment column = arena.allocate(80, 8);
        fill(column, COUNTS[i], pointers, 0, MemorySegment.NULL);
        children.set(ValueLayout.ADDRESS, 8L * i, column);
      }
    }

    private void fill(MemorySegment array, long buffers, MemorySegment pointers, long children, MemorySegment columns) {
      array.set(ValueLayout.JAVA_LONG, 0, rows);
      array.set(ValueLayout.JAVA_LONG, 8, 0); // nulls
      array.set(ValueLayout.JAVA_LONG, 16, 0); // offset
      array.set(ValueLayout.JAVA_LONG, 24, buffers);
      array.set(ValueLayout.JAVA_LONG, 32, children);
      array.set(ValueLayout.ADDRESS, 40, pointers);
      array.set(ValueLayout.ADDRESS, 48, columns);
      array.set(ValueLayout.JAVA_LONG, 56, 0); // dictionary
      array.set(ValueLayout.ADDRESS, 64, release);
      array.set(ValueLayout.JAVA_LONG, 72, 0); // private data
    }

    void export(ArrowArray array) {
      fill(MemorySegment.ofAddress(array.memoryAddress()).reinterpret(80), 1, noBuffers, COUNTS.length, children);
    }
  }

  private static void print(String name, ArrowArray[] ready, Consumer<ArrowArray> prepare, Consumer<ArrowArray> call, Runnable after) {
    double[] times = new double[PUTS / CHUNK];
    for (int round = -PUT_WARM_UP; round < times.length; round++) {
      for (ArrowArray array : ready) {
        prepare.accept(array);
      }
      long began = System.nanoTime();
      for (ArrowArray array : ready) {
        call.accept(array);
      }
      if (round >= 0) {
        times[round] = (double) (System.nanoTime() - began) / ready.length;
      }
      after.run();
    }
    System.out.printf("%s %.1f%n", name, median(times));
  }

  private static int threads() {
    String[] tasks = new File("/proc/self/task").list();
    return tasks == null ? 0 : tasks.length;
  }

  /** Durable puts of a thousand virtual threads. Idle is the machine's and the virtual threads' own, before weir is used. */
  private static void durable(String directory, BufferAllocator allocator) throws InterruptedException {
    for (int i = 0; i < CALLERS; i++) {
      Thread.startVirtualThread(Thread::yield).join();
    }
    int idle = threads();
    int most = 0;
    AtomicBoolean stop = new AtomicBoolean();
    LongAdder done = new LongAdder();
    try (Session session = Weir.session();
        Writer writer = session.openWriter(directory + "/durable", SHARD, SCHEMA, WriterOptions.durable().withMemTables(false));
        VectorSchemaRoot root = batch(allocator, 20)) {
      List<Thread> callers = new ArrayList<>();
      for (int i = 0; i < CALLERS; i++) {
        callers.add(
            Thread.startVirtualThread(
                () -> {
                  while (!stop.get()) {
                    writer.put(root);
                    done.increment();
                  }
                }));
      }
      Thread.sleep(1000);
      long before = done.sum();
      long began = System.nanoTime();
      while (System.nanoTime() - began < 3_000_000_000L) {
        Thread.sleep(50);
        most = Math.max(most, threads());
      }
      double rate = (done.sum() - before) / ((System.nanoTime() - began) / 1e9);
      stop.set(true);
      for (Thread caller : callers) {
        caller.join();
      }
      System.out.printf("durable_per_s %.0f%ndurable_threads %d%n", rate, most - idle);
    }
  }

  /** Tails a log of a million rows, reading a byte of each page of all buffers. */
  private static void tail(String directory, BufferAllocator allocator) {
    String root = directory + "/tail";
    double[] rates = new double[TAIL_ROUNDS];
    try (Session session = Weir.session()) {
      try (Writer writer = session.openWriter(root, SHARD, SCHEMA, WriterOptions.durable().withMemTables(false).withFsync(false));
          VectorSchemaRoot batch = batch(allocator, TAIL_BATCH)) {
        for (int i = 0; i < TAIL_ROWS / TAIL_BATCH; i++) {
          writer.put(batch);
        }
      }
      long sum = 0;
      for (int round = -TAIL_WARM_UP; round < TAIL_ROUNDS; round++) {
        long rows = 0;
        long began = System.nanoTime();
        try (Tailer tailer = session.openTailer(root, SHARD)) {
          for (Entry entry : tailer) {
            try (entry) {
              for (int i = 0; i < entry.batchCount(); i++) {
                try (VectorSchemaRoot batch = entry.batch(i, allocator)) {
                  sum += touch(batch);
                  rows += batch.getRowCount();
                }
              }
            }
          }
        }
        if (round >= 0) {
          rates[round] = rows / ((System.nanoTime() - began) / 1e9);
        }
        if (rows != TAIL_ROWS || sum == 0) {
          throw new IllegalStateException(rows + " rows came back");
        }
      }
    }
    System.out.printf("tail_rows_per_s %.0f%n", median(rates));
  }

  private static long touch(VectorSchemaRoot batch) {
    long sum = 0;
    for (FieldVector vector : batch.getFieldVectors()) {
      List<ArrowBuf> buffers = vector.getFieldBuffers();
      for (ArrowBuf buffer : buffers.subList(1, buffers.size())) {
        for (long at = 0; at < buffer.writerIndex(); at += PAGE) {
          sum += buffer.getByte(at);
        }
      }
    }
    return sum;
  }
}
