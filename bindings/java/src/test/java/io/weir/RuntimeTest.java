package io.weir;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.c.CDataDictionaryProvider;
import org.apache.arrow.c.Data;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.UInt8Vector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.Dictionary;
import org.apache.arrow.vector.dictionary.DictionaryEncoder;
import org.apache.arrow.vector.dictionary.DictionaryProvider;
import org.apache.arrow.vector.ipc.ArrowReader;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.DictionaryEncoding;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Threads, completions, publishers and the process as a whole. */
@Timeout(120)
class RuntimeTest {
  private Fixture f;

  @BeforeEach
  void open() {
    f = new Fixture();
  }

  @AfterEach
  void close() {
    f.close();
  }

  private static long threads(String name) {
    return Thread.getAllStackTraces().keySet().stream().filter(thread -> thread.getName().equals(name)).count();
  }

  /** One daemon drains; it is there when it is needed, and gone when nothing is open. */
  @Test
  void oneThreadDrainsAndEndsWhenNothingIsOpen() {
    Fixture.eventually(0, () -> threads("weir-completions"), "threads");
    try (Writer writer = f.writer()) {
      assertEquals(0, threads("weir-completions"));
      writer.flushAsync().join();
      try (Session other = Weir.session();
          Writer second = other.openWriter("memory://second", Fixture.SHARD, Fixture.SCHEMA)) {
        second.flushAsync().join();
        assertEquals(1, threads("weir-completions"));
      }
      writer.flushAsync().join();
    }
    assertEquals(1, threads("weir-completions")); // the session
    f.session.close();
    Fixture.eventually(0, () -> threads("weir-completions"), "threads");
    f.close();
    open(); // and again
    f.session.shardsAsync(f.root()).join();
  }

  /** PITFALLS X9: a completion must not block the thread that runs completions. */
  @Test
  void aBlockingCallInACompletionIsRefused() {
    try (Writer writer = f.writer()) {
      CompletableFuture<Long> flushed =
          writer.flushAsync().thenApply(ack -> 0L).whenComplete((zero, error) -> {}).thenCombine(writer.flushAsync(), (zero, ack) -> 1L);
      assertEquals(1, flushed.join());
      CompletableFuture<Throwable> blocked = new CompletableFuture<>();
      CompletableFuture<Entry> waiting;
      try (Tailer tailer = f.follower()) {
        waiting = tailer.nextAsync();
        waiting.whenComplete(
            (entry, error) -> {
              entry.close();
              blocked.complete(assertThrows(WouldDeadlockException.class, writer::flush));
            });
        f.put(writer, 0, 1);
        assertInstanceOf(WouldDeadlockException.class, blocked.join());
      }
      // On another thread it is fine.
      assertEquals(2L, writer.flushAsync().thenApplyAsync(ack -> f.put(writer, 1, 1).sequence()).join());
    }
  }

  /** A thousand virtual threads wait at once, and carriers are left over: no wait holds one. */
  @Test
  void virtualThreadsThatWaitHoldNoCarrier() throws Exception {
    int count = 1000;
    List<Thread> threads = new ArrayList<>();
    AtomicInteger interrupted = new AtomicInteger();
    AtomicInteger timedOut = new AtomicInteger();
    f.writer().close();
    try (Tailer tailer = f.follower()) {
      CountDownLatch started = new CountDownLatch(count);
      for (int i = 0; i < count; i++) {
        boolean tails = i % 2 == 0;
        threads.add(
            Thread.startVirtualThread(
                () -> {
                  started.countDown();
                  try {
                    if (tails) {
                      tailer.next();
                    } else {
                      tailer.next(Duration.ofMillis(1));
                    }
                  } catch (CancelledException e) {
                    interrupted.incrementAndGet();
                  } catch (TimedOutException e) {
                    timedOut.incrementAndGet();
                  } catch (ClosedException e) {
                    // an interrupt that came too late for the wait
                  }
                }));
      }
      started.await();
      // If waits held their carriers, this one would never run.
      CountDownLatch ran = new CountDownLatch(1);
      Thread.startVirtualThread(ran::countDown);
      assertTrue(ran.await(30, TimeUnit.SECONDS));
      Fixture.eventually(count / 2, timedOut::get, "timeouts");
      threads.forEach(Thread::interrupt);
      Fixture.eventually(count / 2, interrupted::get, "interrupts");
      assertNull(nullable(tailer.nextAsync()));
    }
    for (Thread thread : threads) {
      thread.join();
    }
  }

  private static Object nullable(CompletableFuture<Entry> future) {
    return future.cancel(false) ? null : future.join();
  }

  /** What is opened for nobody is closed: nothing of it is left, which the fixture checks. */
  @Test
  void aHandleThatComesTooLateIsFreed() {
    for (int i = 0; i < 50; i++) {
      CompletableFuture<Writer> writer = f.session.openWriterAsync(f.root(), Fixture.SHARD, Fixture.SCHEMA, Fixture.quick());
      if (!writer.cancel(false)) {
        try {
          writer.join().close();
        } catch (RuntimeException e) {
          // the next one fenced it
        }
      }
    }
  }

  /** An abandoned wait's entry goes to the next reader, whatever form either has. */
  @Test
  void nothingIsLostToCancelledReads() {
    List<Long> read = new ArrayList<>();
    try (Writer writer = f.writer();
        Tailer tailer = f.follower()) {
      for (int i = 0; i < 200; i++) {
        CompletableFuture<Entry> future = tailer.nextAsync();
        CompletableFuture<Ack> put;
        try (VectorSchemaRoot root = f.batch(i, 1)) {
          put = writer.putAsync(root);
        }
        if (i % 3 == 0) {
          Thread.onSpinWait();
        } else {
          put.join();
        }
        if (!future.cancel(false)) {
          try (Entry entry = future.join()) {
            read.addAll(f.ids(entry));
          }
        }
        put.join();
      }
      while (read.size() < 200) {
        try (Entry entry = tailer.next(Fixture.LONG)) {
          read.addAll(f.ids(entry));
        }
      }
    }
    assertEquals(Fixture.range(0, 200), read);
  }

  /** Neighbouring entries may have other schemas, however little they differ: each is its own, remembered or not. */
  @Test
  void entriesHaveTheirOwnSchemas() {
    List<Schema> schemas = new ArrayList<>();
    for (FieldType type :
        List.of(
            FieldType.notNullable(new ArrowType.Int(64, true)),
            FieldType.notNullable(new ArrowType.Int(64, true)),
            FieldType.nullable(new ArrowType.Int(64, true)),
            FieldType.nullable(new ArrowType.Int(64, false)),
            new FieldType(true, new ArrowType.Int(64, false), null, Map.of("key", "one")),
            new FieldType(true, new ArrowType.Int(64, false), null, Map.of("key", "two")))) {
      for (String name : List.of("a", "ab")) {
        schemas.add(new Schema(List.of(new Field(name, type, null), new Field("b", type, null))));
      }
    }
    for (Schema schema : schemas) {
      try (Writer writer = f.session.openWriter(f.root(), Fixture.SHARD, schema, Rows.logOnly()); // a table's schema may not change like this
          VectorSchemaRoot root = VectorSchemaRoot.create(schema, f.allocator)) {
        for (FieldVector vector : root.getFieldVectors()) {
          for (int row = 0; row < 2; row++) {
            if (vector instanceof BigIntVector signed) {
              signed.setSafe(row, row);
            } else {
              ((UInt8Vector) vector).setSafe(row, row);
            }
          }
        }
        root.setRowCount(2);
        writer.put(root);
      }
    }
    List<Schema> read = new ArrayList<>();
    try (Tailer tailer = f.tailer()) {
      for (Entry entry : tailer) {
        try (entry) {
          if (!entry.isSentinel()) {
            read.add(entry.schema());
            try (VectorSchemaRoot batch = entry.batch(0, f.allocator)) {
              assertEquals(entry.schema(), batch.getSchema());
              assertEquals(2, batch.getRowCount());
            }
          }
        }
      }
    }
    assertEquals(schemas, read);
  }

  @Test
  void dictionariesCrossBothWays() {
    DictionaryEncoding encoding = new DictionaryEncoding(7, false, new ArrowType.Int(32, true));
    List<String> read = new ArrayList<>();
    try (VarCharVector values = new VarCharVector("values", f.allocator);
        VarCharVector plain = new VarCharVector("plain", f.allocator);
        CDataDictionaryProvider received = new CDataDictionaryProvider()) {
      values.setSafe(0, "zero".getBytes());
      values.setSafe(1, "one".getBytes());
      values.setValueCount(2);
      for (int i = 0; i < 5; i++) {
        plain.setSafe(i, (i % 2 == 0 ? "zero" : "one").getBytes());
      }
      plain.setValueCount(5);
      Dictionary dictionary = new Dictionary(values, encoding);
      DictionaryProvider given = new DictionaryProvider.MapDictionaryProvider(dictionary);
      try (VectorSchemaRoot root = VectorSchemaRoot.of((FieldVector) DictionaryEncoder.encode(plain, dictionary));
          ArrowSchema schema = ArrowSchema.allocateNew(f.allocator)) {
        root.setRowCount(5);
        Data.exportSchema(f.allocator, root.getSchema(), given, schema);
        try (Writer writer = f.session.openWriter(f.root(), Fixture.SHARD, schema, Fixture.quick())) {
          schema.release();
          assertEquals(1, writer.put(root, given).position());
          assertEquals(2, writer.putAsync(root, given).join().position());
          assertEquals(10, scanned(writer));
        }
      }
      try (Tailer tailer = f.tailer();
          Entry entry = tailer.next();
          VectorSchemaRoot batch = entry.batch(0, f.allocator, received)) {
        FieldVector encoded = batch.getVector(0);
        Dictionary back = received.lookup(encoded.getField().getDictionary().getId());
        try (FieldVector decoded = (FieldVector) DictionaryEncoder.decode(encoded, back)) {
          for (int i = 0; i < 5; i++) {
            read.add(decoded.getObject(i).toString());
          }
        }
      }
    }
    assertEquals(List.of("zero", "one", "zero", "one", "zero"), read);
  }

  /** How many rows a scan gives, whose columns have dictionaries. */
  private int scanned(Writer writer) {
    int rows = 0;
    try (Scan scan = writer.scan(f.allocator)) {
      WeirException e = assertThrows(UnsupportedException.class, scan::next);
      assertTrue(e.getMessage().contains("dictionar"), e.getMessage());
      try (ArrowReader reader = scan.reader()) {
        while (reader.loadNextBatch()) {
          VectorSchemaRoot batch = reader.getVectorSchemaRoot();
          FieldVector encoded = batch.getVector(0);
          Dictionary dictionary = reader.lookup(encoded.getField().getDictionary().getId());
          try (FieldVector decoded = (FieldVector) DictionaryEncoder.decode(encoded, dictionary)) {
            assertEquals("zero", decoded.getObject(0).toString());
            rows += decoded.getValueCount();
          }
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return rows;
  }

  /** An exception has the stack of who waited, and the original as its cause. */
  @Test
  void exceptionsShowWhoWaited() throws Exception {
    CompletableFuture<WeirException> thrown = new CompletableFuture<>();
    Thread.startVirtualThread(
        () -> thrown.complete(assertThrows(NotFoundException.class, () -> f.session.manifest(f.root(), Fixture.SHARD))));
    WeirException e = thrown.get(30, TimeUnit.SECONDS);
    assertTrue(List.of(e.getStackTrace()).toString().contains("RuntimeTest"), "the stack of who waited");
    assertInstanceOf(NotFoundException.class, e.getCause());
    assertNotSame(e, e.getCause());
    assertEquals(e.getMessage(), e.getCause().getMessage());
  }

  /** A call that fails in the binding leaves nothing expected: the thread and the queue end as ever, which the fixture checks. */
  @Test
  void aCallThatDoesNotReachTheLibraryIsForgotten() {
    Fixture.eventually(0, () -> threads("weir-completions"), "threads");
    try (Writer writer = f.writer()) {
      ArrowArrayStream stream = f.stream(0, 1, 10);
      stream.release();
      stream.close();
      assertThrows(RuntimeException.class, () -> writer.putStreamAsync(stream));
      writer.flushAsync().join();
    }
    f.session.close();
    Fixture.eventually(0, () -> threads("weir-completions"), "threads");
  }

  // ---- The process ----

  @Test
  void theLibraryIsWhereItWasSaidToBe() {
    assertFalse(Weir.version().isEmpty());
    assertTrue(NativeLibrary.origin().endsWith("libweir.so") || NativeLibrary.origin().endsWith("libweir.dylib"), NativeLibrary.origin());
    assertThrows(IllegalStateException.class, () -> NativeLibrary.load(Path.of("/nowhere/libweir.so")));
    assertTrue(NativeLibrary.platform().matches("[a-z0-9]+-[a-z0-9_]+"), NativeLibrary.platform());
  }

  @Test
  void theRuntimeIsConfiguredOnce() {
    assertThrows(AlreadyExistsException.class, () -> Weir.configure(RuntimeOptions.defaults().withThreadName("other").withWorkerThreads(1)));
  }

  @Test
  void settingsAreKnownAndSecretsNotShown() {
    assertTrue(Weir.storeSettings().contains("aws_access_key_id"), Weir.storeSettings().toString());
    SessionOptions options = SessionOptions.defaults().withStoreSetting("aws_secret_access_key", "hush");
    assertFalse(options.toString().contains("hush"));
    Weir.session(options).close();
  }

  @Test
  void anIpcFileIsRead() throws IOException {
    long rows = 0;
    try (ArrowReader reader = Weir.openIpc(ConformanceTest.Repository.file("examples/data/flights.arrow"), f.allocator)) {
      while (reader.loadNextBatch()) {
        rows += reader.getVectorSchemaRoot().getRowCount();
      }
    }
    assertEquals(4000, rows);
    assertThrows(NotFoundException.class, () -> Weir.openIpc(f.directory.resolve("none.arrow"), f.allocator));
    assertThrows(WeirException.class, () -> Weir.openIpc(Path.of("pom.xml"), f.allocator));
  }

  @Test
  void timeoutsAreNeitherShortenedToNoneNorOverflow() {
    assertEquals(0, Waiting.millis(Duration.ZERO));
    assertEquals(0, Waiting.millis(Duration.ofSeconds(-1)));
    assertEquals(1, Waiting.millis(Duration.ofNanos(1)));
    assertEquals(2, Waiting.millis(Duration.ofNanos(1_000_001)));
    assertEquals(Long.MAX_VALUE, Waiting.millis(Duration.ofSeconds(Long.MAX_VALUE)));
    assertNotEquals(0, new Waiting.Deadline(Waiting.FOREVER).left());
  }

  /** Handles are used and closed by many threads at once; each is freed once, and never under a call (PITFALLS X8). */
  @Test
  void leasesKeepAHandleForItsCalls() throws Exception {
    ConcurrentHashMap<Long, Long> seen = new ConcurrentHashMap<>();
    f.fill(1);
    try (Tailer tailer = f.tailer()) {
      for (int round = 0; round < 200; round++) {
        Entry entry = tailer.read(1);
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
          threads.add(
              Thread.ofPlatform()
                  .start(
                      () -> {
                        try {
                          while (true) {
                            seen.merge(entry.position(), 1L, Long::sum);
                          }
                        } catch (ClosedException closed) {
                          entry.close();
                        }
                      }));
        }
        entry.close();
        for (Thread thread : threads) {
          thread.join();
        }
      }
    }
    assertTrue(seen.isEmpty() || seen.keySet().equals(Set.of(1L)), seen.toString());
  }
}
