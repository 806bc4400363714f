package io.weir;

import static io.weir.Fixture.LONG;
import static io.weir.Fixture.SCHEMA;
import static io.weir.Fixture.eventually;
import static io.weir.Fixture.range;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.vector.VectorSchemaRoot;

/** Spill and cache; see {@link ConformanceTest}. */
final class StoreBehaviours {
  private static final int SIZE = 3 << 20;

  private static byte[] pattern(int length) {
    byte[] bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      bytes[i] = (byte) (i * 31 + (i >> 8));
    }
    return bytes;
  }

  private static SpillStoreOptions local(Fixture f) {
    return SpillStoreOptions.local(f.directory.resolve("spill")).withMinFreeBytes(0);
  }

  /** Writes the pattern in every form that there is. */
  private static Spill write(SpillWriter writer, byte[] all) throws IOException {
    ByteBuffer direct = ByteBuffer.allocateDirect(1000).put(all, 1000, 1000).flip();
    writer.write(Arrays.copyOf(all, 1000));
    writer.write(direct);
    assertFalse(direct.hasRemaining());
    ByteBuffer[] parts = {ByteBuffer.wrap(all, 2000, 500), ByteBuffer.allocateDirect(500).put(all, 2500, 500).flip(), ByteBuffer.wrap(all, 3000, 7)};
    writer.write(parts);
    assertFalse(parts[2].hasRemaining());
    writer.write(all, 3007, 93);
    writer.write(MemorySegment.ofArray(all).asSlice(3100, 900), LONG);
    writer.write(new byte[0]);
    writer.writeAsync(Arrays.copyOfRange(all, 4000, 4600)).join();
    ByteBuffer[] more = {ByteBuffer.wrap(all, 4600, 300), ByteBuffer.allocateDirect(100).put(all, 4900, 100).flip()};
    writer.writeAsync(more).join();
    assertEquals(300, more[0].remaining());
    writer.outputStream().write(all, 5000, 1000);
    writer.outputStream().write(all[6000]);
    writer.write(all, 6001, all.length - 6001);
    assertEquals(all.length, writer.length());
    return writer.finish();
  }

  private static void readBack(Spill spill, byte[] all) throws IOException {
    assertEquals(all.length, spill.length());
    byte[] whole = new byte[all.length + 10];
    assertEquals(all.length, spill.readAt(0, whole));
    assertArrayEquals(all, Arrays.copyOf(whole, all.length));
    byte[] part = new byte[100];
    assertEquals(100, spill.readAt(123_456, part));
    assertArrayEquals(Arrays.copyOfRange(all, 123_456, 123_556), part);
    assertEquals(1, spill.readAt(all.length - 1, part));
    assertEquals(0, spill.readAt(all.length + 5L, part));
    assertThrows(InvalidArgumentException.class, () -> spill.readAt(-1, part));
    ByteBuffer direct = ByteBuffer.allocateDirect(70);
    assertEquals(70, spill.readAt(7, direct));
    assertEquals(all[76], direct.get(69));
    assertArrayEquals(Arrays.copyOfRange(all, 9, 29), spill.readAtAsync(9, 20).join());
    try (InputStream in = spill.inputStream()) {
      assertArrayEquals(all, in.readAllBytes());
    }
    ByteBuffer two = ByteBuffer.allocate(2);
    SpillReader closed = spill.reader();
    try (SpillReader reader = closed) {
      assertEquals(all.length, reader.size());
      assertEquals(2, reader.position(all.length - 3L).read(two));
      assertEquals(all.length - 1, reader.position());
      assertEquals(1, reader.read(two.clear()));
      assertEquals(-1, reader.read(two.clear()));
    }
    assertThrows(ClosedChannelException.class, () -> closed.read(two));
    assertThrows(ClosedChannelException.class, closed::position);
  }

  void spillRoundtrip(Fixture f) throws IOException {
    byte[] all = pattern(SIZE);
    List<SpillStoreOptions> places = List.of(local(f), SpillStoreOptions.memory(), SpillStoreOptions.tiered(1 << 20, f.directory.resolve("spill")));
    for (SpillStoreOptions place : places) {
      try (SpillStore store = f.session.spillStore(place)) {
        try (SpillWriter writer = store.begin();
            Spill spill = write(writer, all)) {
          assertThrows(ClosedException.class, () -> writer.write(new byte[1]));
          readBack(spill, all);
          assertEquals(all.length, store.usedBytes());
        }
        eventually(0, store::usedBytes, "used bytes");
        batches(f, store, SpillOptions.defaults());
        batches(f, store, SpillOptions.defaults().withCompression(Compression.ZSTD).withEncrypt(true).withValidate(true));
        eventually(0, store::usedBytes, "used bytes");
      }
    }
    try (SpillStore store = Weir.spillStore(local(f));
        SpillWriter writer = store.begin(SpillOptions.defaults().withEncrypt(true));
        Spill spill = write(writer, all)) {
      readBack(spill, all);
      assertTrue(spill.storedBytes() > spill.length());
      try (Arena arena = Arena.ofConfined()) {
        assertThrows(UnsupportedException.class, () -> spill.map(arena));
      }
    }
    mapped(f, all);
  }

  /** PITFALLS X11: what is mapped stays while its arena does, also after the spill is closed. */
  private static void mapped(Fixture f, byte[] all) throws IOException {
    try (SpillStore store = Weir.spillStore(local(f))) {
      try (Arena arena = Arena.ofShared()) {
        MemorySegment bytes;
        try (SpillWriter writer = store.begin();
            Spill spill = write(writer, all)) {
          bytes = spill.map(arena);
        }
        assertArrayEquals(all, bytes.toArray(ValueLayout.JAVA_BYTE));
        assertEquals(all.length, store.usedBytes());
      }
      eventually(0, store::usedBytes, "used bytes");
    }
  }

  private static void batches(Fixture f, SpillStore store, SpillOptions options) throws IOException {
    Spill spill;
    try (SpillWriter writer = store.beginBatches(SCHEMA, options)) {
      try (VectorSchemaRoot root = f.batch(0, 100)) {
        writer.write(root);
      }
      try (ArrowArray array = f.exported(100, 100)) {
        writer.write(array, LONG);
      }
      try (VectorSchemaRoot root = f.batch(200, 100)) {
        writer.writeAsync(root).join();
      }
      writer.writeStream(f.reader(300, 2, 50), f.allocator);
      try (ArrowArrayStream stream = f.stream(400, 2, 50)) {
        writer.writeStreamAsync(stream).join();
      }
      try (VectorSchemaRoot other = f.other()) {
        assertThrows(WeirException.class, () -> writer.write(other)); // takes nothing
      }
      WeirException half = assertThrows(WeirException.class, () -> writer.writeStream(f.failing(500, 1, 10), f.allocator));
      assertEquals(1, half.number("accepted").orElseThrow());
      spill = writer.finishAsync().join();
    }
    VectorSchemaRoot kept;
    try (spill) {
      assertEquals(8, spill.batchCount());
      assertEquals(510, spill.rows());
      assertEquals(SCHEMA, spill.schema());
      try (VectorSchemaRoot root = spill.batch(1, f.allocator)) {
        assertEquals(range(100, 200), Fixture.ids(root));
      }
      try (VectorSchemaRoot root = spill.batchAsync(3, f.allocator, SpillReadOptions.defaults()).join()) {
        assertEquals(range(300, 350), Fixture.ids(root));
      }
      assertThrows(InvalidArgumentException.class, () -> spill.batch(8, f.allocator));
      assertEquals(range(0, 510), f.drain(spill.batches(f.allocator)));
      if (options.toString().contains("encrypt")) {
        assertThrows(UnsupportedException.class, () -> spill.batch(0, f.allocator, SpillReadOptions.mapped()));
      } else {
        assertEquals(range(0, 510), f.drain(spill.batches(f.allocator, SpillReadOptions.mapped().withVerify(true))));
      }
      kept = spill.batch(2, f.allocator);
    }
    try (kept) { // it outlives the spill
      assertEquals(range(200, 300), Fixture.ids(kept));
    }
  }

  void spillCap(Fixture f) {
    try (SpillStore store = Weir.spillStore(local(f).withCapBytes(10_000));
        SpillStore child = store.child(4_000)) {
      assertEquals(10_000, store.capBytes());
      try (SpillWriter writer = store.begin()) {
        writer.write(pattern(6_000));
        DiskCapExceededException e = assertThrows(DiskCapExceededException.class, () -> writer.write(pattern(5_000)));
        assertEquals(List.of(10_000L, 6_000L, 5_000L), List.of(e.capBytes(), e.usedBytes(), e.requestedBytes()));
        assertThrows(DiskCapExceededException.class, () -> writer.write(new ByteBuffer[] {ByteBuffer.allocate(5_000)}));
        assertEquals(6_000, writer.length());
        try (SpillWriter nested = child.begin()) {
          // The child's own cap, and its parent's.
          assertEquals(4_000, assertThrows(DiskCapExceededException.class, () -> nested.write(pattern(4_001))).capBytes());
          nested.write(pattern(3_000));
          assertEquals(9_000, store.usedBytes());
          assertEquals(10_000, assertThrows(DiskCapExceededException.class, () -> writer.write(pattern(1_001))).capBytes());
        }
        eventually(0, child::usedBytes, "used bytes");
        writer.write(pattern(4_000));
        try (Spill spill = writer.finish(LONG)) {
          assertEquals(10_000, spill.length());
          assertEquals(10_000, store.usedBytes());
        }
      }
      eventually(0, store::usedBytes, "used bytes");
      SpillStats stats = store.stats();
      assertEquals(10_000, stats.capBytes());
      assertEquals(10_000, stats.peakBytes());
      assertTrue(stats.capRefusals() >= 4, stats.toString());
    }
    assertThrows(InvalidArgumentException.class, () -> local(f).withCapBytes(-2));
    assertEquals(SpillStoreOptions.NO_CAP, capOf(f.session));
  }

  private static long capOf(Session session) {
    try (SpillStore store = session.spillStore()) {
      return store.capBytes();
    }
  }

  private static List<Path> files(Path directory) throws IOException {
    if (!Files.exists(directory)) {
      return List.of();
    }
    try (Stream<Path> all = Files.walk(directory)) {
      return all.filter(Files::isRegularFile).toList();
    }
  }

  void spillReclaim(Fixture f) throws IOException {
    Path directory = f.directory.resolve("spill");
    SpillStore store = f.session.spillStore(local(f).withBufferBytes(4096));
    SpillWriter closed = store.begin();
    closed.write(pattern(SIZE));
    assertFalse(files(directory).isEmpty());
    closed.close();
    closed.close();
    assertThrows(ClosedException.class, closed::finish);
    SpillWriter aborted = store.beginBatches(SCHEMA);
    try (VectorSchemaRoot root = f.batch(0, 10_000)) {
      aborted.write(root);
    }
    aborted.abort();
    eventually(0, store::usedBytes, "used bytes");
    SpillWriter written = store.begin();
    written.write(pattern(SIZE));
    Spill spill = written.finish();
    SpillReader reader = spill.reader();
    spill.close();
    spill.close();
    assertThrows(ClosedException.class, () -> spill.readAt(0, new byte[1]));
    assertEquals(SIZE, store.usedBytes()); // the reader's
    assertEquals(2, reader.read(ByteBuffer.allocate(2)));
    reader.close();
    eventually(0, store::usedBytes, "used bytes");
    assertEquals(List.of(), files(directory));
    // A spill that comes when nobody waits any more, and a writer that outlives its store.
    SpillWriter late = store.begin();
    late.write(pattern(SIZE));
    CompletableFuture<Spill> future = late.finishAsync();
    if (!future.cancel(false)) {
      future.join().close();
    }
    eventually(0, store::usedBytes, "used bytes");
    SpillWriter left = store.begin();
    left.write(pattern(SIZE));
    store.close();
    left.close();
    eventually(
        0,
        () -> {
          try (Stream<Path> all = Files.list(directory)) {
            return all.count();
          } catch (IOException e) {
            return -1;
          }
        },
        "directories of the store");
  }

  void spillClose(Fixture f) throws IOException {
    Path directory = Files.createDirectory(f.directory.resolve("objects"));
    try (SpillStore store = f.session.spillStore(SpillStoreOptions.object("file://" + directory));
        SpillStore child = store.child(SpillStoreOptions.NO_CAP)) {
      SpillWriter first = child.begin();
      first.write(pattern(SIZE));
      Spill freed = first.finish();
      SpillWriter second = store.begin();
      second.write(pattern(SIZE));
      Spill alive = second.finish();
      SpillWriter abandoned = store.begin();
      abandoned.write(new byte[9 << 20]); // more than an object holds
      abandoned.write(new byte[1]);
      abandoned.close();
      freed.close();
      store.shutdown(Duration.ofSeconds(60));
      assertEquals(2, files(directory).size()); // the living one's, and a sign of life
      assertEquals(SIZE, store.usedBytes());
      byte[] back = new byte[SIZE];
      assertEquals(SIZE, alive.readAt(0, back));
      assertArrayEquals(pattern(SIZE), back);
      assertThrows(ClosedException.class, store::begin);
      assertThrows(ClosedException.class, child::begin);
      alive.close();
      store.shutdownAsync().join();
      assertEquals(0, store.usedBytes());
      try (Stream<Path> all = Files.list(directory)) {
        assertEquals(0, all.count());
      }
    }
  }

  void cacheRoundtrip(Fixture f) {
    CacheKey apples = CacheKey.of("fruit/apples", "1");
    CacheKey pears = CacheKey.of("fruit/pears", "1");
    CacheKey roots = CacheKey.of("roots", "1");
    try (Cache cache = Weir.cache(CacheOptions.defaults().withCapacityBytes(8 << 20))) {
      assertNull(cache.get(apples));
      assertNull(cache.getAsync(apples).join());
      cache.insert(apples, new byte[] {1, 2, 3});
      cache.insertAsync(pears, new byte[0]).join();
      try (VectorSchemaRoot root = f.batch(0, 100)) {
        cache.insert(roots, root);
      }
      CacheValue lease = cache.get(apples, LONG);
      try (CacheValue empty = cache.getAsync(pears).join();
          CacheValue batch = cache.get(roots);
          Arena arena = Arena.ofConfined()) {
        assertEquals(CacheKind.BYTES, lease.holds());
        assertTrue(lease.wasCached());
        assertArrayEquals(new byte[] {1, 2, 3}, lease.bytes());
        assertArrayEquals(new byte[] {1, 2, 3}, lease.map(arena).toArray(ValueLayout.JAVA_BYTE));
        assertArrayEquals(new byte[0], empty.bytes());
        assertThrows(InvalidArgumentException.class, () -> lease.batch(f.allocator));
        assertEquals(CacheKind.BATCH, batch.holds());
        assertThrows(InvalidArgumentException.class, batch::bytes);
        try (VectorSchemaRoot root = batch.batch(f.allocator)) {
          assertEquals(range(0, 100), Fixture.ids(root));
        }
      }
      // Another type is another key.
      assertNull(cache.get(CacheKey.of("fruit/apples".getBytes(), "1".getBytes(), "int")));
      assertEquals(OptionalLong.of(3), cache.countEntries());
      assertTrue(cache.countBytesAsync().join().orElseThrow() > 3);
      cache.invalidatePrefix("fruit/a");
      assertNull(cache.get(apples));
      assertArrayEquals(new byte[] {1, 2, 3}, lease.bytes()); // a lease stays as it is
      lease.close();
      assertThrows(ClosedException.class, lease::bytes);
      cache.get(pears).close();
      cache.get(roots).close();
      cache.invalidatePrefixAsync("fruit/".getBytes()).join();
      assertNull(cache.get(pears));
      cache.get(roots).close();
      cache.clear();
      assertNull(cache.get(roots));
      CacheStats stats = cache.stats();
      assertEquals(List.of(3L, 0L), List.of(stats.inserts(), stats.entries()));
      // A session's cache is the one that it was given.
      cache.insert(apples, new byte[] {4});
      try (Session session = Weir.session(SessionOptions.defaults().withCache(cache).withMemoryBytes(64 << 20));
          Cache same = session.cache();
          CacheValue value = same.get(apples)) {
        assertArrayEquals(new byte[] {4}, value.bytes());
        assertEquals(64 << 20, session.memory().limitBytes());
        assertTrue(session.memory().cacheBytes() > 0);
        assertEquals(List.of(), session.pressure());
      }
    }
  }

  void cacheFlight(Fixture f) throws InterruptedException {
    CacheKey key = CacheKey.of("p", "k");
    int callers = 32;
    try (Cache cache = Weir.cache(CacheOptions.defaults())) {
      AtomicInteger loads = new AtomicInteger();
      CompletableFuture<CacheContent> answer = new CompletableFuture<>();
      CacheLoader loader =
          asked -> {
            assertEquals(key, asked);
            loads.incrementAndGet();
            return CacheContent.later(answer);
          };
      List<CompletableFuture<CacheValue>> values = new ArrayList<>();
      for (int i = 0; i < callers; i++) {
        values.add(cache.getOrInsertAsync(key, loader));
      }
      CountDownLatch done = new CountDownLatch(2);
      for (Thread.Builder builder : List.of(Thread.ofPlatform(), Thread.ofVirtual())) {
        builder.start(
            () -> {
              try (CacheValue value = cache.getOrInsert(key, loader)) {
                assertArrayEquals(new byte[] {7}, value.bytes());
                done.countDown();
              }
            });
      }
      eventually(1, loads::get, "loads");
      answer.complete(CacheContent.bytes(new byte[] {7}));
      int loaded = 0;
      for (CompletableFuture<CacheValue> future : values) {
        try (CacheValue value = future.join()) {
          assertArrayEquals(new byte[] {7}, value.bytes());
          loaded += value.wasCached() ? 0 : 1;
        }
      }
      done.await();
      assertEquals(1, loads.get());
      assertTrue(loaded <= 1, "values that were loaded: " + loaded);
      // A loader's failure is its caller's, with what it threw as the cause; and the next call runs its own.
      CacheKey other = CacheKey.of("p", "other");
      IOException thrown = new IOException("no such luck");
      StorageException e =
          assertThrows(
              StorageException.class,
              () ->
                  cache.getOrInsert(
                      other,
                      asked -> {
                        throw thrown;
                      }));
      assertTrue(e.getMessage().contains("no such luck"), e.getMessage());
      Throwable cause = e.getCause() instanceof StorageException first ? first.getCause() : e.getCause(); // of a virtual thread's wait
      assertEquals(thrown, cause);
      assertThrows(NotFoundException.class, () -> cache.getOrInsert(other, asked -> CacheContent.none()));
      assertThrows(WeirException.class, () -> cache.getOrInsert(other, asked -> null));
      try (CacheValue value = cache.getOrInsert(other, asked -> CacheContent.batch(f.batch(0, 10)));
          VectorSchemaRoot root = value.batch(f.allocator)) {
        assertFalse(value.wasCached());
        assertEquals(range(0, 10), Fixture.ids(root));
      }
      // A loader may answer with what another cache has; asking for its own key would wait for itself.
      try (Cache second = Weir.cache(CacheOptions.defaults());
          CacheValue value =
              second.getOrInsert(
                  key,
                  asked -> {
                    try (CacheValue found = cache.get(key)) {
                      return CacheContent.value(found);
                    }
                  })) {
        assertArrayEquals(new byte[] {7}, value.bytes());
      }
    }
    eventually(0, CacheUpcalls::known, "loaders and backends");
  }

  /** Keeps values as they are; fails, or answers later, when told to. */
  private static final class MapBackend implements CacheBackend.Counting {
    final Map<CacheKey, CacheValue> values = new ConcurrentHashMap<>();
    final AtomicInteger closes = new AtomicInteger();
    volatile Throwable failure;
    volatile boolean later;

    private <T> CompletionStage<T> done(T result) throws Exception {
      Throwable fails = failure;
      if (fails instanceof Exception e && !later) {
        throw e;
      }
      if (fails instanceof Error e && !later) {
        throw e;
      }
      if (!later) {
        return CompletableFuture.completedFuture(result);
      }
      return CompletableFuture.supplyAsync(
          () -> {
            if (fails != null) {
              throw new IllegalStateException(fails);
            }
            return result;
          });
    }

    @Override
    public CacheContent get(CacheKey key) throws Exception {
      CacheContent[] found = {CacheContent.none()};
      values.computeIfPresent(
          key,
          (same, value) -> {
            if (failure == null) {
              found[0] = CacheContent.value(value);
            }
            return value;
          });
      return CacheContent.later(done(found[0]));
    }

    private static void drop(CacheValue value) {
      if (value != null) {
        value.close();
      }
    }

    @Override
    public CompletionStage<?> insert(CacheKey key, CacheValue value, long sizeBytes) throws Exception {
      CompletionStage<?> stage = done(null);
      if (failure == null) {
        drop(values.put(key, value));
      }
      return stage;
    }

    @Override
    public CompletionStage<?> invalidatePrefix(byte[] prefix) throws Exception {
      for (CacheKey key : values.keySet()) {
        if (key.hasPrefix(prefix)) {
          drop(values.remove(key));
        }
      }
      return done(null);
    }

    @Override
    public CompletionStage<?> clear() throws Exception {
      return invalidatePrefix(new byte[0]);
    }

    @Override
    public CompletionStage<Long> countEntries() throws Exception {
      return done((long) values.size());
    }

    @Override
    public CompletionStage<Long> countBytes() throws Exception {
      return done(values.values().stream().mapToLong(value -> value.hasBytes() ? value.bytes().length : 1).sum());
    }

    @Override
    public void close() {
      closes.incrementAndGet();
      values.values().forEach(CacheValue::close);
    }
  }

  /** PITFALLS X11: whatever a backend throws, the virtual machine goes on, and so does the cache. */
  void cacheBackend(Fixture f) {
    CacheKey key = CacheKey.of("p", "k");
    MapBackend backend = new MapBackend();
    try (Cache cache = Weir.cache(CacheOptions.defaults().withBackend(backend).withBackendTimeout(LONG))) {
      for (boolean later : List.of(false, true)) {
        backend.later = later;
        backend.failure = null;
        assertNull(cache.get(key));
        cache.insert(key, new byte[] {1});
        try (VectorSchemaRoot root = f.batch(0, 10)) {
          cache.insert(CacheKey.of("q", "k"), root);
        }
        assertEquals(2, backend.values.size());
        try (CacheValue value = cache.get(key);
            CacheValue batch = cache.getAsync(CacheKey.of("q", "k")).join();
            VectorSchemaRoot root = batch.batch(f.allocator)) {
          assertArrayEquals(new byte[] {1}, value.bytes());
          assertEquals(range(0, 10), Fixture.ids(root));
        }
        assertEquals(OptionalLong.of(2), cache.countEntries());
        assertEquals(OptionalLong.of(2), cache.countBytes());
        assertEquals(Cache.UNKNOWN, cache.stats().entries());
        try (Session session = Weir.session(SessionOptions.defaults().withCache(cache))) {
          assertEquals(Cache.UNKNOWN, session.memory().cacheBytes());
        }
        // A failure is a miss; of what has to be sure, it is an error.
        long errors = cache.stats().backendErrors();
        for (Throwable failure : List.of(new IOException("broken"), new AssertionError("worse"), new StackOverflowError())) {
          backend.failure = failure;
          assertNull(cache.get(key));
          cache.insert(CacheKey.of("p", "new"), new byte[] {2});
          try (CacheValue value = cache.getOrInsert(key, asked -> CacheContent.bytes(new byte[] {3}))) {
            assertArrayEquals(new byte[] {3}, value.bytes());
          }
          assertThrows(StorageException.class, () -> cache.invalidatePrefix("nothing"));
          assertThrows(StorageException.class, cache::countEntries);
        }
        assertTrue(cache.stats().backendErrors() >= errors + 9, cache.stats().toString());
        backend.failure = null;
        cache.get(key).close();
        cache.clear();
        assertTrue(backend.values.isEmpty());
      }
      assertEquals(0, backend.closes.get());
    }
    eventually(1, backend.closes::get, "closes of the backend");
    eventually(0, CacheUpcalls::known, "backends that the library holds");
  }
}
