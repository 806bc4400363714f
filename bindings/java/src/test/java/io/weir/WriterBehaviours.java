package io.weir;

import static io.weir.Fixture.LONG;
import static io.weir.Fixture.OTHER;
import static io.weir.Fixture.SCHEMA;
import static io.weir.Fixture.SHARD;
import static io.weir.Fixture.buffered;
import static io.weir.Fixture.eventually;
import static io.weir.Fixture.quick;
import static io.weir.Fixture.range;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.c.Data;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.ArrowReader;
import org.apache.arrow.vector.types.TimeUnit;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;

/** See {@link ConformanceTest}. */
final class WriterBehaviours {
  void errorFields(Fixture f) {
    try (Tailer tailer = f.tailer()) {
      NotFoundException e = assertThrows(NotFoundException.class, tailer::next);
      assertEquals(Status.NOT_FOUND, e.status());
      assertEquals(4, e.code());
      assertEquals(Action.FIX, e.action());
      assertTrue(e.getMessage().contains(SHARD.toString()), e.getMessage());
    }
    try (Writer first = f.writer();
        Writer second = f.writer()) {
      FencedException e = assertThrows(FencedException.class, first::checkFenced);
      assertEquals(SHARD.toString(), e.text("shard").orElseThrow());
      assertEquals(second.epoch(), e.number("fenced_by_epoch").orElseThrow());
      assertTrue(e.number("shard").isEmpty());
      assertTrue(e.text("fenced_by_epoch").isEmpty());
      assertThrows(FencedException.class, first::close);
    }
    try (Writer writer = f.writer(buffered())) {
      InvalidArgumentException e = assertThrows(InvalidArgumentException.class, () -> writer.waitCapacity(Long.MAX_VALUE, LONG));
      assertEquals(Long.MAX_VALUE, e.number("bytes").orElseThrow());
      assertTrue(e.details().containsKey("limit_bytes"), e.details().toString());
      // The same through a future, for which the exception is the cause.
      WeirException later = failure(writer.waitCapacityAsync(Long.MAX_VALUE));
      assertEquals(e.details(), later.details());
      assertEquals(e.getMessage(), later.getMessage());
    }
  }

  void errorArgument(Fixture f) throws IOException {
    WeirException scheme = assertThrows(WeirException.class, () -> f.session.openTailer("nosuch://bucket/x", SHARD));
    assertTrue(scheme instanceof UnsupportedException || scheme instanceof InvalidArgumentException, scheme.toString());
    assertThrows(InvalidArgumentException.class, () -> f.session.openTailer("", SHARD));
    assertThrows(InvalidArgumentException.class, () -> f.session.openTailer("memory://x\0y", SHARD));
    assertThrows(InvalidArgumentException.class, () -> f.writer(quick().withManifestProbeWidth(0)));
    assertThrows(InvalidArgumentException.class, () -> f.writer(quick().withMaxPendingBytes(0)));
    assertThrows(InvalidArgumentException.class, () -> quick().withMaxRetries(1).withRetryBaseDelay(Duration.ofDays(100)));
    assertThrows(
        InvalidArgumentException.class, () -> f.session.openTailer(f.root(), SHARD, TailerOptions.defaults().withPrefetchEntries(0)).close());
    assertInstanceOf(
        InvalidArgumentException.class, failure(f.session.openWriterAsync(f.root(), SHARD, SCHEMA, quick().withManifestProbeWidth(0))));
    InvalidArgumentException setting =
        assertThrows(
            InvalidArgumentException.class, () -> Weir.session(SessionOptions.defaults().withStoreSetting("no_such_setting", "1")));
    assertTrue(setting.getMessage().contains("no_such_setting"), setting.getMessage());
    // A shard's id that is none: the binding takes UUIDs only, and the library refuses the rest.
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment root = arena.allocateFrom(f.root());
      MemorySegment shard = arena.allocateFrom("not-a-shard");
      InvalidArgumentException id =
          assertThrows(
              InvalidArgumentException.class,
              () ->
                  f.session.get(
                      Tailer.DECODER,
                      (session, timeout, s) -> Native.weir_tailer_open(session, root, shard, MemorySegment.NULL, s.out, s.error)));
      assertTrue(id.getMessage().contains("not-a-shard"), id.getMessage());
    }
    // A schema that is none.
    try (ArrowSchema schema = ArrowSchema.allocateNew(f.allocator)) {
      Data.exportSchema(f.allocator, SCHEMA, null, schema);
      schema.release();
      WeirException e = assertThrows(WeirException.class, () -> f.session.openWriter(f.root(), SHARD, schema, quick()));
      assertTrue(e instanceof InvalidArgumentException || e instanceof InvalidDataException, e.toString());
    }
    Field column = new Field("c", FieldType.nullable(new ArrowType.Int(64, true)), null);
    try (ArrowSchema schema = ArrowSchema.allocateNew(f.allocator)) { // a column, no struct of columns
      Data.exportField(f.allocator, column, null, schema);
      try {
        WeirException e = assertThrows(WeirException.class, () -> f.session.openWriter(f.root(), SHARD, schema, quick()));
        assertTrue(e instanceof InvalidArgumentException || e instanceof InvalidDataException, e.toString());
      } finally {
        schema.release();
      }
    }
    try (Stream<Path> files = Files.list(f.directory)) {
      assertEquals(0, files.count());
    }
  }

  void errorSchema(Fixture f) {
    try (Writer writer = f.writer();
        VectorSchemaRoot other = f.other()) {
      for (int i = 0; i < 3; i++) {
        WeirException e = assertThrows(WeirException.class, () -> writer.put(other));
        assertTrue(e instanceof SchemaMismatchException || e instanceof InvalidDataException, e.toString());
        WeirException later = failure(writer.putAsync(other));
        assertEquals(e.status(), later.status());
      }
      // One whose buffers look the same: "ts" as a time, which is 64 bits wide, too.
      List<Field> fields = new ArrayList<>(SCHEMA.getFields());
      fields.set(1, Field.nullable("ts", new ArrowType.Timestamp(TimeUnit.MILLISECOND, null)));
      try (VectorSchemaRoot good = f.batch(0, 10);
          VectorSchemaRoot alike = VectorSchemaRoot.create(new Schema(fields), f.allocator)) {
        for (int i = 0; i < fields.size(); i++) {
          if (i != 1) {
            good.getVector(i).makeTransferPair(alike.getVector(i)).transfer();
          }
        }
        alike.setRowCount(10);
        assertThrows(SchemaMismatchException.class, () -> writer.put(alike));
        assertInstanceOf(SchemaMismatchException.class, failure(writer.putAsync(alike)));
      }
      assertEquals(1, f.put(writer, 0, 10).sequence());
    }
    assertEquals(range(0, 10), f.log());
  }

  void putDurable(Fixture f) {
    try (Writer writer = f.writer()) {
      assertEquals(new Ack(1, 1, writer.epoch()), f.put(writer, 0, 10));
      assertEquals(new Ack(2, 2, writer.epoch()), f.put(writer, 10, 10));
      assertEquals(1, writer.epoch());
      assertEquals(2, writer.durablePosition());
      assertEquals(range(0, 20), f.log());
      try (VectorSchemaRoot root = f.batch(20, 5)) {
        assertEquals(3, writer.put(root, LONG).position());
      }
      try (ArrowArray array = f.exported(25, 5)) {
        assertEquals(4, writer.put(array, LONG).position());
      }
    }
    assertEquals(range(0, 30), f.log());
    try (Tailer tailer = f.tailer();
        Entry entry = tailer.next()) {
      assertEquals(SCHEMA, entry.schema());
    }
  }

  void putAsync(Fixture f) {
    int puts = 1000;
    List<CompletableFuture<Ack>> acks = new ArrayList<>();
    AtomicInteger completions = new AtomicInteger();
    try (Writer writer = f.writer()) {
      for (int i = 0; i < puts; i++) {
        try (VectorSchemaRoot root = f.batch(i * 3L, 3)) {
          CompletableFuture<Ack> ack = writer.putAsync(root);
          ack.whenComplete((done, error) -> completions.incrementAndGet());
          acks.add(ack);
        }
      }
      writer.flush();
      for (int i = 0; i < puts; i++) {
        Ack ack = acks.get(i).join();
        assertEquals(i + 1, ack.sequence());
        assertTrue(ack.position() > 0);
      }
    }
    eventually(puts, completions::get, "completions");
    assertEquals(range(0, puts * 3), f.log());
  }

  void putBuffered(Fixture f) {
    try (Writer writer = f.writer(buffered())) {
      Ack last = null;
      for (int i = 0; i < 10; i++) {
        last = f.put(writer, i * 10, 10);
        assertEquals(0, last.position());
      }
      assertEquals(0, writer.durablePosition());
      long sequence = last.sequence();
      writer.flush();
      writer.waitDurable(sequence);
      writer.waitDurable(sequence, LONG);
      assertEquals(10, writer.durablePosition());
      assertThrows(InvalidArgumentException.class, () -> writer.waitDurable(sequence + 1, LONG));
      assertEquals(range(0, 100), f.log());
      f.put(writer, 100, 10);
      assertEquals(11, writer.flushAsync().join().sequence());
    } // closing makes all durable, too
    assertEquals(range(0, 110), f.log());
  }

  void putStream(Fixture f) {
    try (Writer writer = f.writer()) {
      Ack ack = writer.putStream(f.reader(0, 5, 10), f.allocator);
      assertEquals(5, ack.sequence());
      assertTrue(ack.position() > 0);
      try (ArrowArrayStream stream = f.stream(50, 5, 10)) {
        assertEquals(10, writer.putStream(stream, LONG).sequence());
      }
      try (ArrowArrayStream stream = f.stream(100, 5, 10)) {
        assertEquals(15, writer.putStreamAsync(stream).join().sequence());
      }
      assertEquals(range(0, 150), f.log());
      // One of another schema: nothing of it is accepted.
      ArrowReader other = f.reader(OTHER, List.of(f.other(), f.other()));
      WeirException e = assertThrows(WeirException.class, () -> writer.putStream(other, f.allocator));
      assertTrue(e instanceof SchemaMismatchException || e instanceof InvalidDataException, e.toString());
      assertEquals(15, writer.stats().puts());
      f.put(writer, 150, 1);
      // One that fails half-way: what came before is in, and the error says how much that is.
      WeirException half = assertThrows(WeirException.class, () -> writer.putStream(f.failing(151, 2, 10), f.allocator));
      assertEquals(2, half.number("accepted").orElseThrow());
      try (ArrowArrayStream stream = f.exported(f.failing(171, 3, 10))) {
        assertEquals(3, failure(writer.putStreamAsync(stream)).number("accepted").orElseThrow());
      }
      writer.flush();
    }
    assertEquals(range(0, 201), f.log());
  }

  void fencing(Fixture f) {
    try (Writer first = f.writer()) {
      f.put(first, 0, 10);
      first.checkFenced();
      try (Writer second = f.writer()) {
        assertEquals(first.epoch() + 1, second.epoch());
        FencedException e = assertThrows(FencedException.class, () -> f.put(first, 999, 1));
        assertEquals(second.epoch(), e.fencedByEpoch());
        assertEquals(Action.STOP, e.action());
        assertInstanceOf(FencedException.class, failure(first.checkFencedAsync()));
        assertThrows(FencedException.class, () -> first.checkFenced(LONG));
        f.put(second, 10, 10);
      }
      assertThrows(FencedException.class, () -> first.close(LONG));
    }
    assertEquals(range(0, 20), f.log());
  }

  /** PITFALLS X2, X3: the allocators of the fixture count what was not released, and a double release would end below 0 or crash. */
  void ownershipInput(Fixture f) {
    Writer writer = f.writer();
    Appender appender;
    try (ArrowArray array = f.exported(0, 10)) {
      writer.put(array);
      assertReleased(array);
    }
    try (ArrowArray array = f.exported(f.other())) {
      assertThrows(WeirException.class, () -> writer.put(array));
      assertReleased(array);
      assertThrows(WeirException.class, () -> writer.put(array)); // one that was released
    }
    try (ArrowArray array = f.exported(f.other())) {
      failure(writer.putAsync(array));
      assertReleased(array);
    }
    writer.close();
    try (ArrowArray array = f.exported(0, 10)) {
      assertThrows(ClosedException.class, () -> writer.put(array));
      assertReleased(array);
    }
    try (ArrowArray array = f.exported(0, 10)) {
      assertInstanceOf(ClosedException.class, failure(writer.putAsync(array)));
      assertReleased(array);
    }
    try (VectorSchemaRoot root = f.batch(0, 10)) {
      assertThrows(ClosedException.class, () -> writer.put(root));
      assertInstanceOf(ClosedException.class, failure(writer.putAsync(root)));
    }
    try (ArrowArrayStream stream = f.stream(0, 3, 10)) {
      assertThrows(ClosedException.class, () -> writer.putStream(stream));
    }
    try (ArrowArrayStream stream = f.stream(0, 3, 10)) {
      assertInstanceOf(ClosedException.class, failure(writer.putStreamAsync(stream)));
    }
    appender = f.session.openAppender(f.root(), SHARD, SCHEMA, AppenderOptions.defaults().withFsync(false));
    try (ArrowArray array = f.exported(f.other())) {
      assertThrows(WeirException.class, () -> appender.append(array));
      assertReleased(array);
    }
    appender.close();
    try (ArrowArray array = f.exported(0, 10)) {
      assertThrows(ClosedException.class, () -> appender.append(array));
      assertReleased(array);
    }
    try (ArrowArray array = f.exported(0, 10)) {
      assertInstanceOf(ClosedException.class, failure(appender.appendAsync(array)));
      assertReleased(array);
    }
  }

  private static void assertReleased(ArrowArray array) {
    assertEquals(0, array.snapshot().release);
  }

  void ownershipOutput(Fixture f) {
    try (Writer writer = f.writer()) {
      f.put(writer, 0, 1000);
    }
    Session session = Weir.session();
    Tailer tailer = session.openTailer(f.root(), SHARD);
    Entry entry = tailer.next();
    VectorSchemaRoot root = entry.batch(0, f.allocator);
    ArrowReader reader = entry.reader(f.allocator);
    entry.close();
    tailer.close();
    session.close();
    assertThrows(ClosedException.class, entry::position);
    assertThrows(ClosedException.class, () -> entry.batch(0, f.allocator));
    assertEquals(range(0, 1000), Fixture.ids(root));
    root.close();
    assertEquals(range(0, 1000), f.drain(reader));
  }


  void cancelWait(Fixture f) throws Exception {
    try (Writer writer = f.writer();
        Tailer tailer = f.follower()) {
      f.put(writer, 0, 1);
      tailer.next().close();
      assertThrows(TimedOutException.class, () -> tailer.next(Duration.ofMillis(20)));
      assertThrows(TimedOutException.class, () -> tailer.next(Duration.ZERO));

      // A virtual thread that is interrupted gives up its wait.
      AtomicReference<Throwable> thrown = new AtomicReference<>();
      CountDownLatch waits = new CountDownLatch(1);
      Thread waiter =
          Thread.startVirtualThread(
              () -> {
                waits.countDown();
                try {
                  tailer.next().close();
                } catch (CancelledException e) {
                  thrown.set(Thread.currentThread().isInterrupted() ? e : new AssertionError("the interrupt was swallowed"));
                }
              });
      waits.await();
      waiter.interrupt();
      waiter.join();
      assertInstanceOf(CancelledException.class, thrown.get());

      // So does a future that is cancelled; what comes later is not lost with either.
      CompletableFuture<Entry> future = tailer.nextAsync();
      assertTrue(future.cancel(true));
      f.put(writer, 1, 1);
      f.put(writer, 2, 1);
      for (long id = 1; id <= 2; id++) {
        try (Entry entry = tailer.next(LONG)) {
          assertEquals(id + 1, entry.position());
          assertEquals(range(id, id + 1), f.ids(entry));
        }
      }
      assertEquals(4, tailer.position());
    }
  }

  void backpressure(Fixture f) {
    WriterOptions options = quick().withLinger(Duration.ofSeconds(1)).withMaxBufferBytes(32 << 10).withMaxPendingBytes(32 << 10);
    List<CompletableFuture<Ack>> accepted = new ArrayList<>();
    List<BackpressureException> refused = new ArrayList<>();
    try (Writer writer = f.writer(options)) {
      for (int i = 0; i < 400; i++) {
        try (VectorSchemaRoot root = f.batch(accepted.size() * 100L, 100)) {
          CompletableFuture<Ack> ack = writer.putAsync(root);
          if (ack.isCompletedExceptionally() && ack.exceptionNow() instanceof BackpressureException e) {
            refused.add(e);
          } else {
            accepted.add(ack);
          }
        }
      }
      assertFalse(accepted.isEmpty());
      assertFalse(refused.isEmpty());
      for (BackpressureException e : refused) {
        assertEquals(32 << 10, e.limitBytes());
        assertEquals(Action.RETRY, e.action());
        long used = e.number("pending_bytes").orElseThrow() + e.number("in_flight_bytes").orElseThrow() + e.number("reserved_bytes").orElseThrow();
        assertTrue(used + e.bytes() > e.limitBytes(), e.getMessage());
      }
      writer.flush();
      accepted.forEach(CompletableFuture::join);
      writer.waitCapacity(1024, LONG);
      assertEquals(accepted.size() + 1, f.put(writer, accepted.size() * 100L, 1).sequence());
    }
    // One that waits for room finds it, on any thread, in either form.
    try (Writer writer = f.writer(options.withLinger(Duration.ofMillis(10)))) {
      for (int i = 0; i < 40; i++) {
        long first = (accepted.size() + i) * 100L + 1;
        if (i % 2 == 0) {
          f.put(writer, first, 100);
        } else {
          try (ArrowArray array = f.exported(first, 100)) {
            writer.put(array);
          }
        }
      }
    }
    assertEquals(range(0, (accepted.size() + 40) * 100L + 1), f.log());
  }

  /** PITFALLS X8, X11: handles are closed while calls run on them; nothing hangs, crashes or is freed under a call. */
  void closeRace(Fixture f) throws Exception {
    for (int round = 0; round < 20; round++) {
      UUID shard = UUID.randomUUID();
      Writer writer = f.session.openWriter(f.root(), shard, SCHEMA, quick());
      Tailer tailer = f.session.openTailer(f.root(), shard, TailerOptions.follow());
      ConcurrentLinkedQueue<Throwable> wrong = new ConcurrentLinkedQueue<>();
      CountDownLatch started = new CountDownLatch(6);
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < 6; i++) {
        int role = i;
        Thread.Builder builder = i % 2 == 0 ? Thread.ofPlatform() : Thread.ofVirtual();
        threads.add(
            builder.start(
                () -> {
                  started.countDown();
                  try {
                    while (true) {
                      call(f, role / 2, writer, tailer);
                    }
                  } catch (ClosedException closed) {
                    // as it should
                  } catch (Throwable e) {
                    wrong.add(e);
                  }
                }));
      }
      started.await();
      if (round % 2 == 0) {
        writer.close();
        tailer.close();
      } else {
        tailer.close();
        writer.abort();
      }
      for (Thread thread : threads) {
        assertTrue(thread.join(LONG), "a call hangs");
      }
      assertEquals(List.of(), List.copyOf(wrong));
    }
  }

  private static void call(Fixture f, int role, Writer writer, Tailer tailer) {
    switch (role) {
      case 0 -> f.put(writer, 0, 10);
      case 1 -> {
        writer.stats();
        writer.flush();
        writer.durablePosition();
      }
      default -> {
        try (Entry entry = tailer.next()) {
          entry.rows();
        }
      }
    }
  }

  void closeTwice(Fixture f) {
    Session session = Weir.session();
    Writer writer = session.openWriter(f.root(), SHARD, SCHEMA, quick());
    Tailer tailer = session.openTailer(f.root(), SHARD);
    f.put(writer, 0, 1);
    Entry entry = tailer.next();
    for (int i = 0; i < 2; i++) {
      entry.close();
      writer.close();
      writer.close(LONG);
      writer.closeAsync().join();
      writer.abort();
      tailer.close();
      session.close();
    }
    assertThrows(ClosedException.class, entry::rows);
    assertThrows(ClosedException.class, () -> f.put(writer, 1, 1));
    assertThrows(ClosedException.class, writer::flush);
    assertThrows(ClosedException.class, writer::epoch);
    assertInstanceOf(ClosedException.class, failure(writer.flushAsync()));
    assertThrows(ClosedException.class, tailer::next);
    assertInstanceOf(ClosedException.class, failure(tailer.nextAsync()));
    assertThrows(ClosedException.class, () -> tailer.seek(1));
    tailer.interrupt(); // nothing to wake
    assertThrows(ClosedException.class, session::metrics);
    Appender appender = f.session.openAppender(f.root(), SHARD, SCHEMA, AppenderOptions.defaults().withFsync(false));
    appender.closeAsync().join();
    appender.close();
    appender.close(LONG);
    assertThrows(ClosedException.class, appender::epoch);
  }

  /** What a future failed with. */
  static WeirException failure(CompletableFuture<?> future) {
    CompletionException e = assertThrows(CompletionException.class, future::join);
    return assertInstanceOf(WeirException.class, e.getCause());
  }
}
