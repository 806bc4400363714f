package io.weir;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.ArrowReader;
import org.apache.arrow.vector.types.pojo.Schema;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** How threads of either kind wait, and how their waits end. */
@Timeout(120)
class WaitingTest {
  /** Puts of it wait for their entry until something flushes. */
  private static final WriterOptions LINGERING = Fixture.quick().withLinger(Duration.ofHours(1));

  private Fixture f;

  @BeforeEach
  void open() {
    f = new Fixture();
  }

  @AfterEach
  void close() {
    f.close();
  }

  /** Runs a body on a thread of each kind. */
  private static void onBoth(Callable<?> body) throws Exception {
    for (Thread.Builder builder : List.of(Thread.ofPlatform(), Thread.ofVirtual())) {
      FutureTask<?> task = new FutureTask<>(body);
      builder.start(task);
      task.get();
    }
  }

  /** Interrupts itself, closes, and says whether it is interrupted still. */
  private static boolean closeInterrupted(Runnable close) {
    Thread.currentThread().interrupt();
    close.run();
    return Thread.interrupted();
  }

  // ---- Interrupts ----

  /** An interrupt must not cost what was admitted, as that of a task in an executor does not end the executor's own close. */
  @Test
  void closingAnInterruptedWriterLosesNothing() throws Exception {
    int[] writers = {0};
    onBoth(
        () -> {
          Writer writer = f.writer(Fixture.buffered());
          f.put(writer, 10L * writers[0]++, 10);
          assertTrue(closeInterrupted(writer::close), "the interrupt was swallowed");
          assertThrows(ClosedException.class, writer::epoch);
          return null;
        });
    assertEquals(Fixture.range(0, 20), f.log());
  }

  /** An append that had begun is waited for; one that had not is refused. Either way what its future says is true when close returns. */
  @Test
  void closingAnInterruptedAppenderWaitsForItsAppend() throws Exception {
    List<Long> stored = new CopyOnWriteArrayList<>();
    for (int i = 0; i < 5; i++) {
      long first = 20L * i;
      onBoth(
          () -> {
            long from = Thread.currentThread().isVirtual() ? first + 10 : first;
            Appender appender = f.session.openAppender(f.root(), Fixture.SHARD, Fixture.SCHEMA, AppenderOptions.defaults().withFsync(false));
            CompletableFuture<Long> appended;
            try (VectorSchemaRoot root = f.batch(from, 10)) {
              appended = appender.appendAsync(root);
            }
            assertTrue(closeInterrupted(appender::close), "the interrupt was swallowed");
            assertThrows(ClosedException.class, appender::epoch);
            try {
              appended.join();
              stored.addAll(Fixture.range(from, from + 10));
            } catch (CompletionException e) {
              assertInstanceOf(ClosedException.class, e.getCause());
            }
            return null;
          });
    }
    assertEquals(List.copyOf(stored), f.log());
  }

  /** With a timeout it can be given up, and called again. */
  @Test
  void closingWithATimeoutCanBeInterrupted() throws Exception {
    Thread thread =
        Thread.startVirtualThread(
            () -> {
              Writer writer = f.writer(LINGERING);
              Thread.currentThread().interrupt();
              try {
                writer.close(Fixture.LONG);
              } catch (CancelledException e) {
                assertTrue(Thread.interrupted());
              }
              writer.close();
            });
    thread.join();
  }

  /** What was accepted is not what was not: C_ABI.md, 7. */
  @Test
  void anInterruptedPutThatWasAcceptedIsOfUnknownOutcome() throws Exception {
    try (Writer writer = f.writer(LINGERING)) {
      List<Runnable> puts =
          List.of(
              () -> f.put(writer, 0, 10),
              () -> {
                try (VectorSchemaRoot root = f.batch(10, 10)) {
                  writer.put(root, Fixture.LONG);
                }
              },
              () -> {
                try (ArrowArray array = f.exported(20, 10)) {
                  writer.put(array);
                }
              });
      for (int i = 0; i < puts.size(); i++) {
        FutureTask<OutcomeUnknownException> put = interruptible(puts.get(i));
        Thread thread = Thread.startVirtualThread(put);
        Fixture.eventually(i + 1, () -> writer.stats().puts(), "puts");
        thread.interrupt();
        OutcomeUnknownException e = put.get();
        assertEquals(Action.REOPEN, e.action());
        assertTrue(e.getMessage().contains("interrupted"), e.getMessage());
      }
      writer.flush();
    }
    assertEquals(Fixture.range(0, 30), f.log());
  }

  @Test
  void anInterruptedStreamIsOfUnknownOutcome() throws Exception {
    CountDownLatch reads = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    ArrowReader slow =
        new ArrowReader(f.allocator) {
          @Override
          public boolean loadNextBatch() throws IOException {
            reads.countDown();
            try {
              goOn.await();
            } catch (InterruptedException e) {
              throw new IOException(e);
            }
            return false;
          }

          @Override
          public long bytesRead() {
            return 0;
          }

          @Override
          protected void closeReadSource() {}

          @Override
          protected Schema readSchema() {
            return Fixture.SCHEMA;
          }
        };
    try (Writer writer = f.writer()) {
      FutureTask<OutcomeUnknownException> put = interruptible(() -> writer.putStream(slow, f.allocator));
      Thread thread = Thread.startVirtualThread(put);
      reads.await();
      thread.interrupt();
      put.get();
      goOn.countDown();
    }
  }

  @Test
  void anInterruptedDeleteThatWasAcceptedIsOfUnknownOutcome() throws Exception {
    try (Writer writer = f.writer(LINGERING.withPrimaryKey("id"))) {
      FutureTask<OutcomeUnknownException> delete = interruptible(() -> Rows.delete(f, writer, 1));
      Thread thread = Thread.startVirtualThread(delete);
      Fixture.eventually(1, () -> writer.stats().puts(), "puts");
      thread.interrupt();
      delete.get();
    }
  }

  private static FutureTask<OutcomeUnknownException> interruptible(Runnable call) {
    return new FutureTask<>(
        () -> {
          OutcomeUnknownException e = assertThrows(OutcomeUnknownException.class, call::run);
          assertTrue(Thread.currentThread().isInterrupted(), "the interrupt was swallowed");
          return e;
        });
  }

  /** Who is interrupted before it asks is told that nothing happened, and nothing does. */
  @Test
  void anInterruptedThreadPutsNothing() throws Exception {
    FutureTask<?> task =
        new FutureTask<>(
            () -> {
              try (Writer writer = f.writer();
                  ArrowArray array = f.exported(0, 10);
                  ArrowArrayStream stream = f.stream(0, 1, 10)) {
                Thread.currentThread().interrupt();
                assertThrows(CancelledException.class, () -> f.put(writer, 0, 10));
                assertThrows(CancelledException.class, () -> writer.put(array));
                assertEquals(0, array.snapshot().release);
                assertThrows(CancelledException.class, () -> writer.putStream(stream));
                assertTrue(Thread.interrupted());
                assertEquals(0, writer.stats().puts());
              }
              try (Appender appender =
                  f.session.openAppender(f.root(), Fixture.SHARD, Fixture.SCHEMA, AppenderOptions.defaults().withFsync(false))) {
                Thread.currentThread().interrupt();
                try (ArrowArray array = f.exported(0, 10)) {
                  assertThrows(CancelledException.class, () -> appender.append(array));
                  assertEquals(0, array.snapshot().release);
                }
                assertTrue(Thread.interrupted());
              }
              return null;
            });
    Thread.startVirtualThread(task);
    task.get();
    assertEquals(List.of(), f.log());
  }

  @Test
  void anInterruptedWaitIsCalledWhatItMeans() throws Exception {
    FutureTask<?> task =
        new FutureTask<>(
            () -> {
              Thread.currentThread().interrupt();
              assertInstanceOf(OutcomeUnknownException.class, given(Status.OUTCOME_UNKNOWN));
              assertInstanceOf(CancelledException.class, given(Status.CANCELLED));
              return null;
            });
    Thread.startVirtualThread(task);
    task.get();
  }

  private static WeirException given(Status interrupted) {
    CompletableFuture<Long> never = new CompletableFuture<>();
    return assertThrows(WeirException.class, () -> Waiting.await(never, Waiting.FOREVER, Status.TIMED_OUT, interrupted, "a test"));
  }

  // ---- Timeouts of zero ----

  /** What is in memory needs no wait, on any thread. */
  @Test
  void aTimeoutOfZeroGivesWhatIsThere() throws Exception {
    try (Writer writer = f.writer();
        Cache cache = Weir.cache(CacheOptions.defaults().withCapacityBytes(1 << 20))) {
      CacheKey key = CacheKey.of("table/", "key");
      cache.insert(key, new byte[] {1, 2, 3});
      long sequence = f.put(writer, 0, 10).sequence();
      onBoth(
          () -> {
            writer.flush(Duration.ZERO);
            writer.waitDurable(sequence, Duration.ZERO);
            writer.waitCapacity(1, Duration.ZERO);
            writer.waitFlushed(0, Duration.ZERO);
            try (CacheValue value = cache.get(key, Duration.ZERO)) {
              assertEquals(3, value.bytes().length);
            }
            try (CacheValue value = cache.getOrInsert(key, missing -> CacheContent.bytes(new byte[9]), Duration.ZERO)) {
              assertEquals(3, value.bytes().length);
            }
            CacheKey other = CacheKey.of("table/", Thread.currentThread().toString());
            try (CacheValue value = cache.getOrInsert(other, missing -> CacheContent.bytes(new byte[9]), Duration.ZERO)) {
              assertEquals(9, value.bytes().length);
            }
            try (Scan scan = writer.scan(f.allocator);
                VectorSchemaRoot rows = scan.next(Duration.ZERO)) {
              assertEquals(10, rows.getRowCount());
            }
            return null;
          });
    }
  }

  /** A tailer that read ahead has the entry. */
  @Test
  void aTailersTimeoutOfZeroGivesWhatItReadAhead() throws Exception {
    try (Writer writer = f.writer()) {
      f.put(writer, 0, 1);
      f.put(writer, 1, 1);
      onBoth(
          () -> {
            try (Tailer tailer = f.follower()) {
              tailer.next().close();
              long end = System.nanoTime() + Fixture.LONG.toNanos();
              while (true) { // until it has read ahead
                try (Entry entry = tailer.next(Duration.ZERO)) {
                  assertEquals(2, entry.position());
                  break;
                } catch (TimedOutException notYet) {
                  assertFalse(System.nanoTime() > end, "the entry never comes");
                  Thread.yield();
                }
              }
              assertThrows(TimedOutException.class, () -> tailer.next(Duration.ZERO));
            }
            return null;
          });
    }
  }

  /** On a thread of either kind a durable put that may not wait is accepted, if there is room, and of unknown outcome. */
  @Test
  void aPutWithATimeoutOfZeroIsAccepted() throws Exception {
    int[] puts = {0};
    try (Writer writer = f.writer(LINGERING)) {
      onBoth(
          () -> {
            try (VectorSchemaRoot root = f.batch(10L * puts[0]++, 10)) {
              assertThrows(OutcomeUnknownException.class, () -> writer.put(root, Duration.ZERO));
            }
            return null;
          });
      assertEquals(2, writer.stats().puts());
    }
    assertEquals(Fixture.range(0, 20), f.log());
  }

  /** Where there is no room, an interrupt tells by its code whether the put was accepted. */
  @Test
  void anInterruptSaysWhetherThePutWasAccepted() throws Exception {
    try (Writer writer = f.writer(LINGERING.withMaxBufferBytes(32 << 10).withMaxPendingBytes(32 << 10))) {
      for (int i = 0; i < 50; i++) {
        long before = writer.stats().puts();
        CountDownLatch begun = new CountDownLatch(1);
        FutureTask<Boolean> put =
            new FutureTask<>(
                () -> {
                  begun.countDown();
                  try {
                    f.put(writer, 0, 100);
                    return true;
                  } catch (OutcomeUnknownException e) {
                    return true;
                  } catch (CancelledException e) {
                    return false;
                  }
                });
        Thread thread = Thread.startVirtualThread(put);
        begun.await();
        thread.interrupt();
        assertEquals(put.get() ? 1 : 0, writer.stats().puts() - before);
      }
    }
  }
}
