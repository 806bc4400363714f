package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.vector.VectorSchemaRoot;

/**
 * A cache: values by key, in memory or in a {@link CacheBackend}. Values are bytes or batches, and are given out as leases, {@link CacheValue}.
 * Any thread may use it, also while another closes it.
 *
 * <p>With the built-in backend only loaders are waited for. One is made by {@link Weir#cache}, or is a session's: {@link Session#cache()}.
 */
public final class Cache extends OpenHandle implements AutoCloseable {
  /** A number that is not known. */
  public static final long UNKNOWN = Native.WEIR_CACHE_UNKNOWN;

  static final Decoder<Cache> DECODER = (raw, ack) -> new Cache(MemorySegment.ofAddress(raw));

  private static final Decoder<CacheValue> VALUE = (raw, ack) -> CacheValue.orNull(raw, true);
  private static final Decoder<CacheValue> LOADED =
      (raw, ack) -> CacheValue.orNull(raw, ack.get(ValueLayout.JAVA_LONG, Decoder.VALUE) != 0);
  private static final Decoder<OptionalLong> COUNT = (raw, ack) -> raw == UNKNOWN ? OptionalLong.empty() : OptionalLong.of(raw);

  Cache(MemorySegment pointer) {
    super(pointer);
  }

  @Override
  String kind() {
    return "cache";
  }

  @Override
  void freeNative(MemorySegment pointer) {
    Native.weir_cache_free(pointer);
  }

  /** Closes this handle. Entries go with the last: a session that was given the cache keeps it. Closing again does nothing. */
  @Override
  public void close() {
    shut();
  }

  /** A call whose arguments are encoded. */
  private interface Encoded<T> {
    T call(Arena arena, MemorySegment key);
  }

  private static <T> T with(CacheKey key, Encoded<T> call) {
    try (Arena arena = Arena.ofConfined()) {
      return call.call(arena, key.encode(arena));
    }
  }

  /** What is wrong with the arguments is in the future, too. */
  private static <T> CompletableFuture<T> withAsync(CacheKey key, Encoded<CompletableFuture<T>> call) {
    try {
      return with(key, call);
    } catch (WeirException e) {
      return CompletableFuture.failedFuture(e);
    }
  }

  // ---- Looking ----

  /**
   * Looks for the value under a key.
   *
   * @param key the key
   * @return a lease on the value, to be closed; null if there is none, also if the backend failed
   */
  public CacheValue get(CacheKey key) {
    return get(key, Waiting.FOREVER);
  }

  /**
   * Looks for the value under a key, and waits so long at most.
   *
   * @param key the key
   * @param timeout how long to wait for a backend of the caller's, beside its own deadline
   * @return a lease on the value, to be closed; null if there is none, also if the backend failed
   */
  public CacheValue get(CacheKey key, Duration timeout) {
    return get(key, Waiting.millis(timeout));
  }

  private CacheValue get(CacheKey key, long timeoutMs) {
    return with(
        key,
        (arena, struct) ->
            run(
                "looking into a cache",
                timeoutMs,
                VALUE,
                (cache, timeout, s) -> Native.weir_cache_get(cache, struct, timeout, s.out, s.error),
                (cache, completion, error) -> Native.weir_cache_get_async(cache, struct, completion, error)));
  }

  /**
   * {@link #get(CacheKey)} that does not wait.
   *
   * @param key the key
   * @return a lease on the value, to be closed; null if there is none
   */
  public CompletableFuture<CacheValue> getAsync(CacheKey key) {
    return withAsync(
        key,
        (arena, struct) -> start(VALUE, (cache, completion, error) -> Native.weir_cache_get_async(cache, struct, completion, error)));
  }

  /**
   * Looks for the value under a key; if there is none, has a loader bring it, and keeps it. Of calls for one key at the same time, one runs its
   * loader and the others wait for that; if it fails, or its caller gives up, the next one runs its own. What an invalidation overtakes is given
   * to those who wait, and not kept.
   *
   * @param key the key
   * @param loader brings the value
   * @return a lease on the value, to be closed
   * @throws StorageException if the loader failed; what it threw is the cause
   * @throws NotFoundException if the loader has no value
   * @throws WouldDeadlockException if it is the loader of that key that calls, on its own thread
   */
  public CacheValue getOrInsert(CacheKey key, CacheLoader loader) {
    return getOrInsert(key, loader, Waiting.FOREVER);
  }

  /**
   * As {@link #getOrInsert(CacheKey, CacheLoader)}, and waits so long at most for a loader that answers later or is another call's.
   *
   * @param key the key
   * @param loader brings the value
   * @param timeout how long to wait
   * @return a lease on the value, to be closed
   */
  public CacheValue getOrInsert(CacheKey key, CacheLoader loader, Duration timeout) {
    return getOrInsert(key, loader, Waiting.millis(timeout));
  }

  private CacheValue getOrInsert(CacheKey key, CacheLoader loader, long timeoutMs) {
    if (Waiting.parks(timeoutMs)) {
      return Waiting.await(getOrInsertAsync(key, loader), timeoutMs, Status.TIMED_OUT, "loading a value");
    }
    CacheUpcalls.Loading loading = new CacheUpcalls.Loading(Objects.requireNonNull(loader, "loader"));
    try {
      return with(
          key,
          (arena, struct) ->
              block(
                  timeoutMs,
                  LOADED,
                  (cache, timeout, s) -> {
                    MemorySegment flag = s.ack.asSlice(Decoder.VALUE);
                    flag.set(ValueLayout.JAVA_LONG, 0, 0);
                    MemorySegment given = CacheUpcalls.encode(arena, loading);
                    int status = Native.weir_cache_get_or_insert(cache, struct, given, timeout, s.out, flag, s.error);
                    flag.set(ValueLayout.JAVA_LONG, 0, flag.get(ValueLayout.JAVA_BYTE, 0));
                    return status;
                  }));
    } catch (WeirException e) {
      throw loading.explain(e);
    }
  }

  /**
   * {@link #getOrInsert(CacheKey, CacheLoader)} that does not wait. The loader runs on a thread of the library's.
   *
   * @param key the key
   * @param loader brings the value
   * @return a lease on the value, to be closed
   */
  public CompletableFuture<CacheValue> getOrInsertAsync(CacheKey key, CacheLoader loader) {
    CacheUpcalls.Loading loading = new CacheUpcalls.Loading(Objects.requireNonNull(loader, "loader"));
    return withAsync(
        key,
        (arena, struct) ->
            start(
                LOADED,
                loading::explain,
                (cache, completion, error) ->
                    Native.weir_cache_get_or_insert_async(cache, struct, CacheUpcalls.encode(arena, loading), completion, error)));
  }

  // ---- Inserting ----

  /**
   * Puts bytes under a key, in the place of what is there. The cache need not take them: a value larger than the whole cache is not kept, and
   * neither is what it was to replace; nor does the failure of a backend show here.
   *
   * @param key the key
   * @param value the bytes, which are copied
   */
  public void insert(CacheKey key, byte[] value) {
    insert(key, value, Waiting.FOREVER);
  }

  /**
   * As {@link #insert(CacheKey, byte[])}, and waits so long at most.
   *
   * @param key the key
   * @param value the bytes, which are copied
   * @param timeout how long to wait for a backend of the caller's, beside its own deadline
   */
  public void insert(CacheKey key, byte[] value, Duration timeout) {
    insert(key, value, Waiting.millis(timeout));
  }

  private void insert(CacheKey key, byte[] value, long timeoutMs) {
    with(
        key,
        (arena, struct) -> {
          MemorySegment data = CacheKey.encode(arena, value);
          return run(
              "inserting into a cache",
              timeoutMs,
              Decoder.NOTHING,
              (cache, timeout, s) -> Native.weir_cache_insert(cache, struct, data, value.length, timeout, s.error),
              (cache, completion, error) -> Native.weir_cache_insert_async(cache, struct, data, value.length, completion, error));
        });
  }

  /**
   * {@link #insert(CacheKey, byte[])} that does not wait.
   *
   * @param key the key
   * @param value the bytes, which are copied
   * @return completes when it is done
   */
  public CompletableFuture<Void> insertAsync(CacheKey key, byte[] value) {
    return withAsync(
        key,
        (arena, struct) -> {
          MemorySegment data = CacheKey.encode(arena, value);
          return start(
              Decoder.NOTHING,
              (cache, completion, error) -> Native.weir_cache_insert_async(cache, struct, data, value.length, completion, error));
        });
  }

  /**
   * Puts a batch under a key, without copying it, in the place of what is there. Its buffers must not be changed any more.
   *
   * @param key the key
   * @param root the batch, which stays the caller's to close
   */
  public void insert(CacheKey key, VectorSchemaRoot root) {
    try (Arena arena = Arena.ofConfined();
        Scratch scratch = Scratch.take()) {
      ArrowSchema schema = ArrowSchema.wrap(arena.allocate(SchemaMemo.SIZE, 8).address());
      ArrowArray array = ArrowArray.wrap(Batches.export(root, null, scratch, schema).address());
      try {
        insert(key, array, schema);
      } finally {
        schema.release();
      }
    }
  }

  /**
   * Puts a batch under a key that was exported, such as one with dictionaries, as {@link #insert(CacheKey, VectorSchemaRoot)}.
   *
   * @param key the key
   * @param array the batch; consumed
   * @param schema its schema; borrowed for the call
   */
  public void insert(CacheKey key, ArrowArray array, ArrowSchema schema) {
    try {
      with(
          key,
          (arena, struct) ->
              run(
                  "inserting into a cache",
                  Waiting.FOREVER,
                  Decoder.NOTHING,
                  (cache, timeout, s) ->
                      Native.weir_cache_insert_batch(cache, struct, Batches.address(array), Batches.address(schema), timeout, s.error),
                  (cache, completion, error) ->
                      Native.weir_cache_insert_batch_async(
                          cache, struct, Batches.address(array), Batches.address(schema), completion, error)));
    } finally {
      Batches.discard(array); // if it did not come to the call
    }
  }

  /**
   * {@link #insert(CacheKey, ArrowArray, ArrowSchema)} that does not wait.
   *
   * @param key the key
   * @param array the batch; consumed
   * @param schema its schema; borrowed for the call
   * @return completes when it is done
   */
  public CompletableFuture<Void> insertAsync(CacheKey key, ArrowArray array, ArrowSchema schema) {
    try {
      return withAsync(
          key,
          (arena, struct) ->
              start(
                  Decoder.NOTHING,
                  (cache, completion, error) ->
                      Native.weir_cache_insert_batch_async(
                          cache, struct, Batches.address(array), Batches.address(schema), completion, error)));
    } finally {
      Batches.discard(array); // if it did not come to the call
    }
  }

  // ---- Removing ----

  /**
   * Removes all entries whose prefix begins with some bytes. When it returns they are gone, and what loaders bring that began before is not
   * kept.
   *
   * @param prefix the bytes; none for all entries
   * @throws StorageException if the backend failed: then entries may be left
   */
  public void invalidatePrefix(byte[] prefix) {
    invalidatePrefix(prefix, Waiting.FOREVER);
  }

  /**
   * As {@link #invalidatePrefix(byte[])}, and waits so long at most.
   *
   * @param prefix the bytes; none for all entries
   * @param timeout how long to wait for a backend of the caller's, beside its own deadline
   * @throws TimedOutException if it took longer: then entries may be left
   */
  public void invalidatePrefix(byte[] prefix, Duration timeout) {
    invalidatePrefix(prefix, Waiting.millis(timeout));
  }

  /**
   * Removes all entries whose prefix begins with a text, as {@link #invalidatePrefix(byte[])}.
   *
   * @param prefix the text; empty for all entries
   */
  public void invalidatePrefix(String prefix) {
    invalidatePrefix(prefix.getBytes(StandardCharsets.UTF_8));
  }

  private void invalidatePrefix(byte[] prefix, long timeoutMs) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = CacheKey.encode(arena, prefix);
      run(
          "invalidating a prefix",
          timeoutMs,
          Decoder.NOTHING,
          (cache, timeout, s) -> Native.weir_cache_invalidate_prefix(cache, bytes, prefix.length, timeout, s.error),
          (cache, completion, error) -> Native.weir_cache_invalidate_prefix_async(cache, bytes, prefix.length, completion, error));
    }
  }

  /**
   * {@link #invalidatePrefix(byte[])} that does not wait.
   *
   * @param prefix the bytes; none for all entries
   * @return completes when they are gone
   */
  public CompletableFuture<Void> invalidatePrefixAsync(byte[] prefix) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = CacheKey.encode(arena, prefix);
      return start(
          Decoder.NOTHING,
          (cache, completion, error) -> Native.weir_cache_invalidate_prefix_async(cache, bytes, prefix.length, completion, error));
    }
  }

  /**
   * Removes all entries. When it returns they are gone, and what loaders bring that began before is not kept.
   *
   * @throws StorageException if the backend failed: then entries may be left
   */
  public void clear() {
    run(
        "clearing a cache",
        Waiting.FOREVER,
        Decoder.NOTHING,
        (cache, timeout, s) -> Native.weir_cache_clear(cache, timeout, s.error),
        (cache, completion, error) -> Native.weir_cache_clear_async(cache, completion, error));
  }

  /**
   * {@link #clear()} that does not wait.
   *
   * @return completes when they are gone
   */
  public CompletableFuture<Void> clearAsync() {
    return start(Decoder.NOTHING, (cache, completion, error) -> Native.weir_cache_clear_async(cache, completion, error));
  }

  // ---- Counting ----

  /**
   * What the cache has done, and what it holds. Asks no backend and never waits.
   *
   * @return the statistics
   */
  public CacheStats stats() {
    return Records.get(this, CacheStats.class, Native.WeirCacheStats.LAYOUT, Native::weir_cache_stats);
  }

  /**
   * Asks the backend how many entries it has.
   *
   * @return how many; empty if it cannot tell
   */
  public OptionalLong countEntries() {
    return run(
        "counting a cache's entries",
        Waiting.FOREVER,
        COUNT,
        (cache, timeout, s) -> Native.weir_cache_num_entries(cache, timeout, s.out, s.error),
        (cache, completion, error) -> Native.weir_cache_num_entries_async(cache, completion, error));
  }

  /**
   * {@link #countEntries()} that does not wait.
   *
   * @return how many; empty if it cannot tell
   */
  public CompletableFuture<OptionalLong> countEntriesAsync() {
    return start(COUNT, (cache, completion, error) -> Native.weir_cache_num_entries_async(cache, completion, error));
  }

  /**
   * Asks the backend how many bytes its entries take.
   *
   * @return how many; empty if it cannot tell
   */
  public OptionalLong countBytes() {
    return run(
        "counting a cache's bytes",
        Waiting.FOREVER,
        COUNT,
        (cache, timeout, s) -> Native.weir_cache_size_bytes(cache, timeout, s.out, s.error),
        (cache, completion, error) -> Native.weir_cache_size_bytes_async(cache, completion, error));
  }

  /**
   * {@link #countBytes()} that does not wait.
   *
   * @return how many; empty if it cannot tell
   */
  public CompletableFuture<OptionalLong> countBytesAsync() {
    return start(COUNT, (cache, completion, error) -> Native.weir_cache_size_bytes_async(cache, completion, error));
  }

  // ---- Backends ----

  /**
   * Checks an empty backend against the rules that a cache relies on, and leaves it empty; it is closed. It must have room for 4 MiB, and
   * answer each call within 10 seconds. For tests of backends: blocks the thread, a virtual one too.
   *
   * @param backend the backend
   * @throws InvalidDataException naming the rule that does not hold, whose number is the detail {@code rule}
   */
  public static void checkBackend(CacheBackend backend) {
    NativeLibrary.require();
    RuntimeOptions.applyDefaults();
    Waiting.check();
    try (Arena arena = Arena.ofConfined();
        Scratch scratch = Scratch.take()) {
      MemorySegment struct = CacheUpcalls.encode(arena, Objects.requireNonNull(backend, "backend"));
      try {
        scratch.check(Native.weir_cache_backend_check(struct, scratch.error));
      } finally {
        CacheUpcalls.forget(struct); // if it was refused
      }
    }
  }
}
