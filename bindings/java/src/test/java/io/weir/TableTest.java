package io.weir;

import static io.weir.Comparison.column;
import static io.weir.Fixture.LONG;
import static io.weir.Fixture.SCHEMA;
import static io.weir.Fixture.SHARD;
import static io.weir.Rows.get;
import static io.weir.Rows.keyed;
import static io.weir.Rows.keys;
import static io.weir.Rows.names;
import static io.weir.Rows.put;
import static io.weir.Rows.range;
import static io.weir.Rows.scan;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.c.Data;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.BitVector;
import org.apache.arrow.vector.DateDayVector;
import org.apache.arrow.vector.DecimalVector;
import org.apache.arrow.vector.DurationVector;
import org.apache.arrow.vector.Float4Vector;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.TimeMilliVector;
import org.apache.arrow.vector.TimeStampMicroTZVector;
import org.apache.arrow.vector.TimeStampSecVector;
import org.apache.arrow.vector.TinyIntVector;
import org.apache.arrow.vector.UInt8Vector;
import org.apache.arrow.vector.VarBinaryVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.DateUnit;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.TimeUnit;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What is the binding's own about tables, scans and snapshots; {@link TableBehaviours} has what all bindings have. */
class TableTest {
  private Fixture f;

  @BeforeEach
  void open() {
    f = new Fixture();
  }

  @AfterEach
  void close() {
    f.close();
  }

  private static Field nullable(String name, ArrowType type) {
    return new Field(name, FieldType.nullable(type), null);
  }

  /** One row of every type, and a second of nulls. */
  private static final Schema TYPES =
      new Schema(
          List.of(
              new Field("id", FieldType.notNullable(new ArrowType.Int(32, true)), null),
              nullable("i8", new ArrowType.Int(8, true)),
              nullable("u64", new ArrowType.Int(64, false)),
              nullable("f32", new ArrowType.FloatingPoint(FloatingPointPrecision.SINGLE)),
              nullable("bit", ArrowType.Bool.INSTANCE),
              nullable("bytes", ArrowType.Binary.INSTANCE),
              nullable("decimal", new ArrowType.Decimal(10, 2, 128)),
              nullable("date", new ArrowType.Date(DateUnit.DAY)),
              nullable("time", new ArrowType.Time(TimeUnit.MILLISECOND, 32)),
              nullable("took", new ArrowType.Duration(TimeUnit.MILLISECOND)),
              nullable("instant", new ArrowType.Timestamp(TimeUnit.MICROSECOND, "UTC")),
              nullable("local", new ArrowType.Timestamp(TimeUnit.SECOND, null))));

  private static final Instant INSTANT = Instant.parse("2026-01-02T03:04:05.000006Z");

  private VectorSchemaRoot types() {
    VectorSchemaRoot root = VectorSchemaRoot.create(TYPES, f.allocator);
    root.allocateNew();
    ((IntVector) root.getVector("id")).setSafe(0, 0);
    ((IntVector) root.getVector("id")).setSafe(1, 1);
    ((TinyIntVector) root.getVector("i8")).setSafe(0, -5);
    ((UInt8Vector) root.getVector("u64")).setSafe(0, 7);
    ((Float4Vector) root.getVector("f32")).setSafe(0, 1.5f);
    ((BitVector) root.getVector("bit")).setSafe(0, 1);
    ((VarBinaryVector) root.getVector("bytes")).setSafe(0, new byte[] {1, 2});
    ((DecimalVector) root.getVector("decimal")).setSafe(0, new BigDecimal("12.50"));
    ((DateDayVector) root.getVector("date")).setSafe(0, (int) LocalDate.of(2026, 1, 2).toEpochDay());
    ((TimeMilliVector) root.getVector("time")).setSafe(0, 3_600_001);
    ((DurationVector) root.getVector("took")).setSafe(0, 1500);
    ((TimeStampMicroTZVector) root.getVector("instant")).setSafe(0, INSTANT.getEpochSecond() * 1_000_000 + 6);
    ((TimeStampSecVector) root.getVector("local")).setSafe(0, INSTANT.getEpochSecond());
    root.setRowCount(2);
    return root;
  }

  @Test
  void valuesOfJavaAreComparedWithColumnsOfTheirTypes() {
    try (Writer writer = f.session.openWriter(f.root(), SHARD, TYPES, Fixture.quick());
        VectorSchemaRoot root = types()) {
      writer.put(root);
      Map<String, Object> equal =
          Map.ofEntries(
              Map.entry("id", (short) 0), Map.entry("i8", -5L), Map.entry("u64", (byte) 7), Map.entry("f32", 1.5), Map.entry("bit", true),
              Map.entry("bytes", new byte[] {1, 2}), Map.entry("decimal", new BigDecimal("12.5")), Map.entry("date", LocalDate.of(2026, 1, 2)),
              Map.entry("time", LocalTime.of(1, 0, 0, 1_000_000)), Map.entry("took", Duration.ofMillis(1500)), Map.entry("instant", INSTANT),
              Map.entry("local", LocalDateTime.of(2026, 1, 2, 3, 4, 5)));
      assertEquals(TYPES.getFields().size(), equal.size());
      equal.forEach(
          (name, value) -> {
            assertEquals(List.of(0), scan(f, writer, ScanOptions.where(column(name).eq(value)), "id"), name);
            assertEquals(List.of(0), scan(f, writer, ScanOptions.where(column(name).le(value), column(name).ge(value)), "id"), name);
            assertEquals(name.equals("id") ? List.of(1) : List.of(), scan(f, writer, ScanOptions.where(column(name).ne(value)), "id"), name);
            assertEquals(List.of(), scan(f, writer, ScanOptions.where(column(name).lt(value)), "id"), name);
            assertEquals(name.equals("id") ? List.of(1) : List.of(), scan(f, writer, ScanOptions.where(column(name).gt(value)), "id"), name);
          });
      assertEquals(List.of(1), scan(f, writer, ScanOptions.where(column("date").isNull()), "id"));
      assertEquals(List.of(0), scan(f, writer, ScanOptions.where(column("date").isNotNull()), "id"));

      Map<String, List<Object>> wrong =
          Map.of(
              "i8", List.of(1000, 1.5, "1"),
              "u64", List.of(-1),
              "f32", List.of(0.1, 1, true),
              "decimal", List.of(new BigDecimal("1.234"), new BigDecimal("123456789"), 1),
              "date", List.of(INSTANT, 5, LocalDate.MAX),
              "time", List.of(LocalTime.of(1, 0, 0, 1), 7),
              "took", List.of(Duration.ofNanos(1), Duration.ofSeconds(Long.MAX_VALUE)),
              "instant", List.of(LocalDateTime.of(2026, 1, 2, 3, 4, 5), INSTANT.plusNanos(1), Instant.MAX),
              "local", List.of(INSTANT, LocalDateTime.of(2026, 1, 2, 3, 4, 5, 1)),
              "bytes", List.of(List.of()));
      wrong.forEach(
          (name, values) ->
              values.forEach(
                  value -> {
                    ScanOptions options = ScanOptions.where(column("id").ge(0), column(name).eq(value));
                    SchemaMismatchException e = assertThrows(SchemaMismatchException.class, () -> writer.scan(options, f.allocator), name + value);
                    assertTrue(e.getMessage().contains("'" + name + "'"), e.getMessage());
                  }));
      ScanOptions unknown = ScanOptions.where(column("nothing").eq(INSTANT));
      assertThrows(InvalidArgumentException.class, () -> writer.scan(unknown, f.allocator));
      assertThrows(NullPointerException.class, () -> column("id").eq(null));
      assertEquals("ScanOptions[] where [id ≥ 0, name is null]", ScanOptions.where(column("id").ge(0), column("name").isNull()).toString());
    }
  }

  @Test
  void aVectorOfOneRowIsComparedWithAsItIs() {
    try (Writer writer = f.writer(keyed());
        VectorSchemaRoot keys = keys(f, 7)) {
      put(f, writer, "a", range(0, 10));
      Scan scan = writer.scan(ScanOptions.where(column("id").gt(keys.getVector("id"))), f.allocator);
      keys.clear(); // the scan has what it needs
      try (scan) {
        assertEquals(names("a", 8, 10), names(scan.stream()));
      }
    }
  }

  /** By name, whatever else is there and in which order; of other types they are refused. */
  @Test
  void keysOfOtherSchemasAreFoundByName() {
    try (Writer writer = f.writer(Fixture.quick().withPrimaryKey("name", "id"));
        VectorSchemaRoot whole = Rows.saying(f, "a", 3, 4, 99)) {
      put(f, writer, "a", range(0, 10));
      assertEquals(List.of("name", "id"), Rows.columns(writer.keySchema()));
      assertEquals("ffm: a3 a4", Rows.text(writer.get(whole, f.allocator))); // columns in another order, and more of them
      Schema exact = new Schema(List.of(SCHEMA.findField("name"), SCHEMA.findField("id")));
      Schema swapped = new Schema(List.of(SCHEMA.findField("id"), SCHEMA.findField("name")));
      for (Schema schema : List.of(exact, swapped, exact)) {
        try (VectorSchemaRoot keys = VectorSchemaRoot.create(schema, f.allocator)) {
          ((BigIntVector) keys.getVector("id")).setSafe(0, 5);
          ((VarCharVector) keys.getVector("name")).setSafe(0, "a5".getBytes());
          keys.setRowCount(1);
          assertEquals("f: a5", Rows.text(writer.get(keys, f.allocator)));
          try (GetResult result = writer.get(keys, List.of("v", "id"), f.allocator, LONG)) {
            assertEquals(List.of("v", "id"), Rows.columns(result.rows().getSchema()));
            assertEquals(5.0, result.rows().getVector("v").getObject(0));
          }
        }
      }
      assertThrows(SchemaMismatchException.class, () -> get(f, writer, 5)); // half a key
      assertThrows(InvalidArgumentException.class, () -> writer.get(whole, List.of("v", "v"), f.allocator));
      assertThrows(InvalidArgumentException.class, () -> writer.get(whole, List.of("v\0"), f.allocator));
      writer.delete(whole);
      assertEquals("ddd: ", Rows.text(writer.get(whole, f.allocator)));
      try (VectorSchemaRoot none = VectorSchemaRoot.create(exact, f.allocator)) {
        assertEquals(": ", Rows.text(writer.get(none, f.allocator)));
      }
    }
  }

  /** What is on storage takes another thread; a virtual one that waits for it is none of the carriers'. */
  @Test
  void virtualThreadsGetWhatIsOnStorage() throws Exception {
    try (Writer writer = f.writer(keyed())) {
      for (int i = 0; i < 5; i++) {
        put(f, writer, "a", range(i * 10, i * 10 + 10));
        Rows.flush(writer);
      }
    }
    try (Snapshot snapshot = f.session.openSnapshot(f.root(), SHARD)) {
      AtomicReference<Throwable> thrown = new AtomicReference<>();
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < 20; i++) {
        long id = i * 2L;
        threads.add(
            Thread.startVirtualThread(
                () -> {
                  try {
                    assertEquals("fm: a" + id, get(f, snapshot, id, 77));
                    assertEquals(names("a", 0, 50), scan(f, snapshot));
                  } catch (Throwable e) {
                    thrown.set(e);
                  }
                }));
      }
      for (Thread thread : threads) {
        thread.join();
      }
      assertNull(thrown.get());
    }
  }

  @Test
  void nothingIsLostToCancelledReadsOfAScan() throws Exception {
    try (Writer writer = f.writer(keyed())) {
      put(f, writer, "a", range(0, 100));
      for (int round = 0; round < 50; round++) {
        List<String> read = new ArrayList<>();
        try (Scan scan = writer.scan(ScanOptions.defaults().withBatchRows(10), f.allocator)) {
          while (true) {
            CompletableFuture<VectorSchemaRoot> given = scan.nextAsync();
            if (!given.cancel(false)) { // it was faster
              VectorSchemaRoot rows = given.join();
              if (rows != null) {
                read.add(names(List.of(rows).stream()));
              }
            }
            VectorSchemaRoot rows = scan.next(LONG);
            if (rows == null) {
              break;
            }
            read.add(names(List.of(rows).stream()));
          }
          assertNull(scan.next());
          assertNull(scan.nextAsync().join());
        }
        assertEquals(names("a", 0, 100), String.join(" ", read));
      }
      // What comes when scan or future were given up is closed: the fixture counts.
      for (int i = 0; i < 50; i++) {
        Scan scan = writer.scan(f.allocator);
        CompletableFuture<VectorSchemaRoot> rows = scan.nextAsync();
        if (!rows.cancel(false)) {
          rows.join().close();
        }
        scan.close();
        try (VectorSchemaRoot keys = keys(f, 1, 2, 3)) {
          CompletableFuture<GetResult> result = writer.getAsync(keys, List.of(), f.allocator);
          if (!result.cancel(false)) {
            result.join().close();
          }
        }
      }
    }
  }

  /** PITFALLS X8, X11. */
  @Test
  void closingRacesWithReads() throws Exception {
    for (int round = 0; round < 10; round++) {
      UUID shard = UUID.randomUUID();
      Writer writer = f.session.openWriter(f.root(), shard, SCHEMA, keyed());
      put(f, writer, "a", range(0, 100));
      Rows.flush(writer);
      put(f, writer, "b", range(50, 150));
      Snapshot snapshot = f.session.openSnapshot(f.root(), shard);
      Scan shared = snapshot.scan(ScanOptions.defaults().withBatchRows(1), f.allocator);
      List<Runnable> calls =
          List.of(
              () -> get(f, writer, 1, 60, 200),
              () -> get(f, snapshot, 1, 60, 200),
              () -> scan(f, writer),
              () -> scan(f, snapshot, ScanOptions.where(column("id").lt(70)), "id"),
              () -> {
                VectorSchemaRoot rows = shared.next();
                if (rows != null) {
                  rows.close();
                }
              },
              () -> {
                Rows.delete(f, writer, 149);
                writer.freeze();
                writer.memTableStats();
                snapshot.cutPosition();
              });
      ConcurrentLinkedQueue<Throwable> wrong = new ConcurrentLinkedQueue<>();
      CountDownLatch started = new CountDownLatch(calls.size());
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < calls.size(); i++) {
        Runnable call = calls.get(i);
        threads.add(
            ((i + round) % 2 == 0 ? Thread.ofPlatform() : Thread.ofVirtual())
                .start(
                    () -> {
                      try {
                        call.run();
                        started.countDown();
                        while (true) {
                          call.run();
                        }
                      } catch (ClosedException closed) {
                        // as it should
                      } catch (Throwable e) {
                        // A future's is wrapped.
                        if (!(e.getCause() instanceof ClosedException)) {
                          wrong.add(e);
                        }
                      } finally {
                        started.countDown();
                      }
                    }));
      }
      started.await();
      shared.close();
      snapshot.close();
      if (round % 2 == 0) {
        writer.close();
      } else {
        writer.abort();
      }
      for (Thread thread : threads) {
        assertTrue(thread.join(LONG), "a call hangs");
      }
      assertEquals(List.of(), List.copyOf(wrong));
      for (int i = 0; i < 2; i++) {
        shared.close();
        snapshot.close();
      }
      assertThrows(ClosedException.class, shared::next);
      assertThrows(ClosedException.class, snapshot::cutPosition);
      assertThrows(ClosedException.class, snapshot::manifest);
      assertThrows(ClosedException.class, () -> snapshot.scan(f.allocator));
    }
  }

  @Test
  void positionsAndGenerationsNameRows() {
    try (Writer writer = f.writer(keyed())) {
      put(f, writer, "a", 1, 2);
      Rows.flush(writer);
      put(f, writer, "b", 2, 3);
      ScanOptions named = ScanOptions.defaults().withColumns("id").withGeneration(true).withPosition(true);
      try (Scan scan = writer.scan(named, f.allocator)) {
        assertEquals(List.of("_generation", "_position", "id"), Rows.columns(scan.schema()).stream().sorted().toList());
      }
      assertEquals(List.of(1L, 2L, 2L), scan(f, writer, named, "_generation"));
      assertEquals(List.of(0L, 0L, 1L), scan(f, writer, named, "_position"));
      assertEquals(List.of(1L, 2L, 3L), scan(f, writer, named, "id"));
    }
  }

  @Test
  void limitsFreezeAndMemoryIsTold() {
    WriterOptions options = keyed().withMaxMemTableRows(10).withMaxUnflushedBytes(64 << 20).withMaxMemTableBytes(1 << 20).withMaxMemTableBatches(100);
    try (Writer writer = f.writer(options.withFrozenGrace(Duration.ofMinutes(1)))) {
      assertEquals(64 << 20, writer.memory().unflushedLimitBytes());
      put(f, writer, "a", range(0, 5));
      assertTrue(writer.memory().memtableBytes() > 0);
      assertTrue(f.session.memory().memtableBytes() > 0);
      for (int id = 5; id < 30; id += 5) {
        put(f, writer, "a", range(id, id + 5));
      }
      put(f, writer, "a", 30);
      assertThrows(InvalidArgumentException.class, () -> put(f, writer, "too many", range(0, 11)));
      Rows.flush(writer);
      MemTableStats stats = writer.memTableStats();
      assertTrue(stats.flushes() >= 2, stats.toString());
      assertEquals(31, stats.flushedRows());
      assertTrue(writer.memory().keptBytes() > 0); // for a minute
    }
    assertThrows(InvalidArgumentException.class, () -> keyed().withMaxMemTableRows(-1));
    assertThrows(InvalidArgumentException.class, () -> f.writer(keyed().withMaxMemTableRows(0)));
    assertThrows(InvalidArgumentException.class, () -> f.writer(keyed().withCompaction(true).withCompactionMinGenerations(1)));
    assertThrows(InvalidArgumentException.class, () -> f.writer(keyed().withPrimaryKey("id\0")));
    assertTrue(keyed().withIndexes(IndexDefinition.btree("n", "name")).toString().contains("primary key [id]"));
  }

  @Test
  void aSnapshotOfTooManyRowsOrOfAnotherSchemaIsRefused() {
    try (Writer writer = f.writer(keyed())) {
      put(f, writer, "a", range(0, 1000));
      assertThrows(
          BackpressureException.class, () -> f.session.openSnapshot(f.root(), SHARD, SnapshotOptions.defaults().withMaxBytes(1000)));
      Schema other = new Schema(List.of(new Field("id", FieldType.notNullable(ArrowType.Utf8.INSTANCE), null)));
      assertThrows(SchemaMismatchException.class, () -> f.session.openSnapshot(f.root(), SHARD, other, SnapshotOptions.defaults()));
      SnapshotOptions options =
          SnapshotOptions.defaults().withIndexes(IndexDefinition.btree("by_name", "name")).withPrimaryKey("id").withOpenTimeout(LONG);
      try (Snapshot snapshot = f.session.openSnapshot(f.root(), SHARD, options)) {
        assertEquals(List.of(42L), scan(f, snapshot, ScanOptions.where(column("name").eq("a42")), "id"));
      }
    }
  }

  @Test
  void scansAreExported() {
    try (Writer writer = f.writer(keyed());
        Scan scan = writer.scan(f.allocator);
        ArrowSchema schema = ArrowSchema.allocateNew(f.allocator);
        ArrowArrayStream stream = ArrowArrayStream.allocateNew(f.allocator)) {
      scan.exportSchema(schema);
      assertEquals(Rows.columns(SCHEMA), Rows.columns(Data.importSchema(f.allocator, schema, null)));
      scan.exportStream(stream);
      assertEquals(List.of(), f.drain(Data.importArrayStream(f.allocator, stream)));
    }
  }

  /** On both kinds of threads, where there is no room at first. */
  @Test
  void deletesWaitForRoom() throws Exception {
    WriterOptions options = keyed().withLinger(Duration.ofMillis(5)).withMaxBufferBytes(4 << 10).withMaxPendingBytes(4 << 10);
    try (Writer writer = f.writer(options)) {
      for (int id = 0; id < 200; id += 20) {
        put(f, writer, "a", range(id, id + 20));
      }
      ConcurrentLinkedQueue<Throwable> wrong = new ConcurrentLinkedQueue<>();
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < 20; i++) {
        long first = i * 10L;
        threads.add(
            (i % 2 == 0 ? Thread.ofPlatform() : Thread.ofVirtual())
                .start(
                    () -> {
                      try {
                        for (long id = first; id < first + 10; id++) {
                          if (id % 2 == 0) {
                            assertTrue(Rows.delete(f, writer, id).position() > 0);
                          }
                        }
                      } catch (Throwable e) {
                        wrong.add(e);
                      }
                    }));
      }
      for (Thread thread : threads) {
        assertTrue(thread.join(LONG));
      }
      assertEquals(List.of(), List.copyOf(wrong));
      assertEquals(100, scan(f, writer, ScanOptions.defaults(), "id").size());
    }
  }

  @Test
  void aBlockingReadInACompletionIsRefused() {
    try (Writer writer = f.writer(keyed())) {
      put(f, writer, "a", 1);
      CompletableFuture<Throwable> seen = new CompletableFuture<>();
      writer.flushAsync().thenRun(() -> {
        try {
          get(f, writer, 1);
          seen.complete(null);
        } catch (Throwable e) {
          seen.complete(e);
        }
      });
      Throwable e = seen.join();
      if (e != null) { // else the flush was done before
        assertInstanceOf(WouldDeadlockException.class, e);
      }
    }
  }
}
