package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Options of {@link Weir#session(SessionOptions)}. Immutable.
 *
 * @param storeSettings settings of object stores, such as credentials; {@link Weir#storeSettings()} lists the keys
 * @param spillStore the spill store of all that is opened through the session, which keeps what it needs of it; null for a local one, made when
 *     it is first asked for
 * @param cache the cache of all that is opened through the session, which keeps it; null for a built-in one, made when it is first needed.
 *     Entries of a store with latency are cached in either; those of a local one only in one that is given here.
 * @param memoryBytes the limit, in bytes, on what the session's writers have queued and hold in MemTables, what its tailers have read ahead, and
 *     its cache together; 0 for none. The cache yields, and puts wait.
 */
public record SessionOptions(Map<String, String> storeSettings, SpillStore spillStore, Cache cache, long memoryBytes) {
  /**
   * Options with these values.
   *
   * @param storeSettings settings of object stores, such as credentials
   * @param spillStore the spill store; null for a local one
   * @param cache the cache; null for a built-in one
   * @param memoryBytes the limit on memory; 0 for none
   */
  public SessionOptions {
    storeSettings = Map.copyOf(storeSettings);
    if (memoryBytes < 0) {
      throw WeirException.of(Status.INVALID_ARGUMENT, "memory_bytes is negative: " + memoryBytes);
    }
  }

  /**
   * The defaults: no settings, a spill store and a cache of the session's own, no limit on memory.
   *
   * @return options
   */
  public static SessionOptions defaults() {
    return new SessionOptions(Map.of(), null, null, 0);
  }

  /**
   * The same with another spill store.
   *
   * @param value the store, which may be closed once the session is made; null for a local one
   * @return options with it
   */
  public SessionOptions withSpillStore(SpillStore value) {
    return new SessionOptions(storeSettings, value, cache, memoryBytes);
  }

  /**
   * The same with another cache.
   *
   * @param value the cache, which may be closed once the session is made; null for a built-in one
   * @return options with it
   */
  public SessionOptions withCache(Cache value) {
    return new SessionOptions(storeSettings, spillStore, value, memoryBytes);
  }

  /**
   * The same with another limit on memory.
   *
   * @param value bytes; 0 for none
   * @return options with it
   */
  public SessionOptions withMemoryBytes(long value) {
    return new SessionOptions(storeSettings, spillStore, cache, value);
  }

  /**
   * The same with one more setting.
   *
   * @param key one of {@link Weir#storeSettings()}
   * @param value its value
   * @return options with it
   */
  public SessionOptions withStoreSetting(String key, String value) {
    Map<String, String> settings = new LinkedHashMap<>(storeSettings);
    settings.put(key, value);
    return new SessionOptions(settings, spillStore, cache, memoryBytes);
  }

  /** The keys: the values may be secrets. */
  @Override
  public String toString() {
    return "SessionOptions" + storeSettings.keySet();
  }

  /** Calls `body` with the C struct, while what it points to cannot be freed. */
  void with(Arena arena, Consumer<MemorySegment> body) {
    MemorySegment struct = encode(arena);
    try (Lease spill = Lease.on(spillStore);
        Lease cached = Lease.on(cache)) {
      struct.set(ValueLayout.ADDRESS, Native.WeirSessionOptions.spill, spill.pointer);
      struct.set(ValueLayout.ADDRESS, Native.WeirSessionOptions.cache, cached.pointer);
      body.accept(struct);
    }
  }

  /** On a handle, or on none. */
  private record Lease(Handle handle, MemorySegment pointer) implements AutoCloseable {
    static Lease on(Handle handle) {
      return new Lease(handle, handle == null ? MemorySegment.NULL : handle.acquire());
    }

    @Override
    public void close() {
      if (handle != null) {
        handle.release();
      }
    }
  }

  private MemorySegment encode(Arena arena) {
    MemorySegment pairs = arena.allocate(Native.WeirKeyValue.LAYOUT, Math.max(storeSettings.size(), 1));
    long at = 0;
    for (Map.Entry<String, String> setting : storeSettings.entrySet()) {
      pairs.set(ValueLayout.ADDRESS, at + Native.WeirKeyValue.key, Text.of(arena, "a setting's key", setting.getKey()));
      pairs.set(ValueLayout.ADDRESS, at + Native.WeirKeyValue.value, Text.of(arena, "the value of " + setting.getKey(), setting.getValue()));
      at += Native.WeirKeyValue.SIZE;
    }
    MemorySegment struct = arena.allocate(Native.WeirSessionOptions.LAYOUT);
    Native.weir_session_options_init(struct, (int) Native.WeirSessionOptions.SIZE);
    struct.set(ValueLayout.JAVA_LONG, Native.WeirSessionOptions.memory_bytes, memoryBytes);
    if (!storeSettings.isEmpty()) {
      struct.set(ValueLayout.ADDRESS, Native.WeirSessionOptions.store_settings, pairs);
      struct.set(ValueLayout.JAVA_LONG, Native.WeirSessionOptions.store_settings_len, storeSettings.size());
    }
    return struct;
  }
}
