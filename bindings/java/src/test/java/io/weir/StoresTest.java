package io.weir;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.c.Data;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.DictionaryProvider;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What spills and caches do in Java beyond {@link StoreBehaviours}. */
@Timeout(120)
class StoresTest {
  private static final CacheKey KEY = CacheKey.of("p", "k");

  private Fixture f;

  @BeforeEach
  void open() {
    f = new Fixture();
  }

  @AfterEach
  void close() {
    f.close();
    Fixture.eventually(0, CacheUpcalls::known, "loaders and backends");
  }

  private static WeirException failure(CompletableFuture<?> future) {
    return (WeirException) assertThrows(CompletionException.class, future::join).getCause();
  }

  /** PITFALLS X2, X3: what is handed in is consumed, also by a handle that is closed. */
  @Test
  void whatIsHandedInIsConsumed() {
    SpillStore store = Weir.spillStore(SpillStoreOptions.memory());
    SpillWriter writer = store.beginBatches(Fixture.SCHEMA);
    SpillWriter bytes = store.begin();
    store.close();
    try (ArrowArray array = f.exported(0, 10)) {
      assertThrows(InvalidArgumentException.class, () -> bytes.write(array));
      assertEquals(0, array.snapshot().release);
    }
    writer.close();
    bytes.close();
    for (SpillWriter closed : List.of(writer, bytes)) {
      try (ArrowArray array = f.exported(0, 10)) {
        assertThrows(ClosedException.class, () -> closed.write(array));
        assertEquals(0, array.snapshot().release);
      }
      try (ArrowArray array = f.exported(0, 10)) {
        assertInstanceOf(ClosedException.class, failure(closed.writeAsync(array)));
        assertEquals(0, array.snapshot().release);
      }
      try (ArrowArrayStream stream = f.stream(0, 1, 10)) {
        assertThrows(ClosedException.class, () -> closed.writeStream(stream));
      }
      try (ArrowArrayStream stream = f.stream(0, 1, 10)) {
        assertInstanceOf(ClosedException.class, failure(closed.writeStreamAsync(stream)));
      }
    }
    Cache cache = Weir.cache(CacheOptions.defaults());
    cache.close();
    try (VectorSchemaRoot root = f.batch(0, 10);
        ArrowSchema schema = ArrowSchema.allocateNew(f.allocator);
        ArrowArray array = ArrowArray.allocateNew(f.allocator)) {
      assertThrows(ClosedException.class, () -> cache.insert(KEY, root));
      Data.exportVectorSchemaRoot(f.allocator, root, (DictionaryProvider) null, array, schema);
      assertInstanceOf(ClosedException.class, failure(cache.insertAsync(KEY, array, schema)));
      assertEquals(0, array.snapshot().release);
      schema.release();
    }
  }

  /** A spill, and a batch, that come when their futures were given up are freed: nothing is left, which the fixture checks. */
  @Test
  void whatComesTooLateIsFreed() {
    try (SpillStore store = Weir.spillStore(SpillStoreOptions.local(f.directory).withMinFreeBytes(0))) {
      for (int i = 0; i < 20; i++) {
        SpillWriter writer = store.beginBatches(Fixture.SCHEMA);
        writer.writeStream(f.reader(0, 2, 10), f.allocator);
        Spill spill = writer.finish();
        CompletableFuture<VectorSchemaRoot> batch = spill.batchAsync(1, f.allocator, SpillReadOptions.defaults());
        if (!batch.cancel(false)) {
          batch.join().close();
        }
        spill.close();
      }
      Fixture.eventually(0, store::usedBytes, "used bytes");
    }
    try (Cache cache = Weir.cache(CacheOptions.defaults())) {
      CompletableFuture<CacheContent> answer = new CompletableFuture<>();
      CompletableFuture<CacheValue> value = cache.getOrInsertAsync(KEY, key -> CacheContent.later(answer));
      assertTrue(value.cancel(false));
      answer.complete(CacheContent.bytes(new byte[] {1}));
    }
  }

  /** PITFALLS X8: writes, reads and closes at once; each call comes to something. */
  @Test
  void closesDuringCallsAreSafe() throws InterruptedException {
    byte[] bytes = new byte[4096];
    for (int round = 0; round < 30; round++) {
      Cache cache = Weir.cache(CacheOptions.defaults());
      try (SpillStore store = Weir.spillStore(SpillStoreOptions.memory())) {
        SpillWriter full = store.begin();
        full.write(bytes);
        Spill spill = full.finish();
        SpillWriter writer = store.begin();
        List<Thread> threads = new ArrayList<>();
        for (Runnable call : List.<Runnable>of(() -> writer.write(bytes), () -> spill.readAt(0, bytes.clone()), () -> cache.get(KEY))) {
          for (Thread.Builder builder : List.of(Thread.ofPlatform(), Thread.ofVirtual())) {
            threads.add(
                builder.start(
                    () -> {
                      try {
                        while (true) {
                          call.run();
                        }
                      } catch (ClosedException closed) {
                        // as it should be
                      }
                    }));
          }
        }
        writer.close();
        spill.close();
        cache.close();
        for (Thread thread : threads) {
          thread.join();
        }
        Fixture.eventually(0, store::usedBytes, "used bytes");
      }
    }
  }

  /** Keeps what it is given; the rules may be broken. */
  private static class Kept implements CacheBackend {
    final ConcurrentHashMap<CacheKey, CacheValue> values = new ConcurrentHashMap<>();
    final AtomicLong calls = new AtomicLong();

    @Override
    public CacheContent get(CacheKey key) throws Exception {
      calls.incrementAndGet();
      CacheContent[] found = {CacheContent.none()};
      values.computeIfPresent(
          key,
          (same, value) -> {
            found[0] = CacheContent.value(value);
            return value;
          });
      return found[0];
    }

    @Override
    public CompletionStage<?> insert(CacheKey key, CacheValue value, long sizeBytes) throws Exception {
      CacheValue old = values.put(key, value);
      if (old != null) {
        old.close();
      }
      return null;
    }

    @Override
    public CompletionStage<?> invalidatePrefix(byte[] prefix) throws Exception {
      for (CacheKey key : values.keySet()) {
        CacheValue gone = key.hasPrefix(prefix) ? values.remove(key) : null; // first out of the map, so that no lease is taken on it any more
        if (gone != null) {
          gone.close();
        }
      }
      return null;
    }

    @Override
    public CompletionStage<?> clear() throws Exception {
      return invalidatePrefix(new byte[0]);
    }

    @Override
    public void close() {
      values.values().forEach(CacheValue::close);
    }
  }

  @Test
  void backendsAreChecked() {
    Kept good = new Kept();
    Cache.checkBackend(good);
    assertTrue(good.calls.get() > 0 && good.values.isEmpty());
    WeirException e =
        assertThrows(
            InvalidDataException.class,
            () ->
                Cache.checkBackend(
                    new Kept() {
                      @Override
                      public CompletionStage<?> invalidatePrefix(byte[] prefix) {
                        return null; // removes nothing
                      }
                    }));
    assertTrue(e.number("rule").orElseThrow() > 0, e.getMessage());
  }

  /** PITFALLS X11: a backend that answers nothing, garbage, or twice costs a miss, no more; the last of its uses closes it, even if that throws. */
  @Test
  void aBackendMayDoAnything() {
    byte[] one = {1};
    CacheContent used = CacheContent.later(CompletableFuture.completedFuture(CacheContent.bytes(one)));
    AtomicLong closes = new AtomicLong();
    AtomicLong turn = new AtomicLong();
    CompletableFuture<CacheContent> never = new CompletableFuture<>();
    Kept odd =
        new Kept() {
          @Override
          public CacheContent get(CacheKey key) {
            return switch ((int) turn.getAndIncrement()) {
              case 0 -> null;
              case 1, 2 -> used;
              case 3 -> CacheContent.later(CompletableFuture.completedFuture(null));
              default -> CacheContent.later(never);
            };
          }

          @Override
          public void close() {
            super.close();
            closes.incrementAndGet();
            throw new RuntimeException("a backend that cannot even close, as a test wants it", null, false, false) {};
          }
        };
    try (Cache cache = Weir.cache(CacheOptions.defaults().withBackend(odd).withBackendTimeout(Duration.ofMillis(500)))) {
      assertNull(cache.get(KEY));
      try (CacheValue value = cache.get(KEY)) {
        assertArrayEquals(one, value.bytes());
      }
      assertNull(cache.get(KEY)); // what was used before
      assertNull(cache.get(KEY));
      assertNull(cache.get(KEY)); // the deadline
      assertEquals(4, cache.stats().backendErrors());
      never.complete(CacheContent.none()); // too late, which does no harm
    }
    Fixture.eventually(1, closes::get, "closes");
  }

  @Test
  void aRefusedBackendIsNotClosed() {
    Kept backend =
        new Kept() {
          @Override
          public void close() {
            throw new AssertionError("closed");
          }
        };
    AtomicReference<WeirException> refused = new AtomicReference<>();
    Weir.logTo(
        (level, target, message) -> { // where nothing may block
          try {
            Cache.checkBackend(backend);
          } catch (WeirException e) {
            refused.compareAndSet(null, e);
          }
        });
    f.writer().close(); // logs the claim
    Weir.logTo(null);
    Fixture.eventually(1, () -> refused.get() == null ? 0 : 1, "refusals");
    assertInstanceOf(WouldDeadlockException.class, refused.get());
    assertEquals(0, CacheUpcalls.known());
  }

  /** The loader runs on the thread that asks, so the library sees that it would wait for itself. */
  @Test
  void aLoaderMustNotAskForItsOwnKey() {
    try (Cache cache = Weir.cache(CacheOptions.defaults())) {
      StorageException e =
          assertThrows(
              StorageException.class,
              () ->
                  cache.getOrInsert(
                      KEY,
                      key -> {
                        cache.getOrInsert(key, same -> CacheContent.bytes(new byte[1])).close();
                        return CacheContent.none();
                      }));
      assertInstanceOf(WouldDeadlockException.class, e.getCause());
      try (CacheValue value =
          cache.getOrInsert(
              KEY,
              key -> {
                cache.insert(CacheKey.of("p", "other"), new byte[] {2}); // another is fine
                return CacheContent.bytes(new byte[] {3});
              })) {
        assertArrayEquals(new byte[] {3}, value.bytes());
      }
    }
  }

  @Test
  void aSessionTakesItsStoresFromItsOptions() {
    Session session;
    SessionOptions options;
    try (SpillStore store = Weir.spillStore(SpillStoreOptions.memory().withCapBytes(1234));
        Cache cache = Weir.cache(CacheOptions.defaults())) {
      options = SessionOptions.defaults().withSpillStore(store).withCache(cache).withMemoryBytes(1 << 20);
      session = Weir.session(options);
    }
    assertThrows(ClosedException.class, () -> Weir.session(options));
    assertThrows(InvalidArgumentException.class, () -> SessionOptions.defaults().withMemoryBytes(-1));
    try (session;
        SpillStore store = session.spillStore();
        Cache cache = session.cache()) {
      assertEquals(1234, store.capBytes());
      cache.insert(KEY, new byte[10]);
      cache.get(KEY).close();
      assertEquals(1 << 20, session.memory().limitBytes());
      assertEquals(0, session.memory().waiting());
      assertEquals(List.of(), session.pressure());
    }
  }
}
