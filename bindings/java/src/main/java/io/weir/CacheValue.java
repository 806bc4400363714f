package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.c.CDataDictionaryProvider;
import org.apache.arrow.c.Data;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * A lease on a cached value: what it holds stays valid and as it is, also after the entry is evicted, replaced or invalidated, until the lease
 * is closed. Immutable; any thread may use it.
 */
public final class CacheValue extends Handle implements AutoCloseable {
  private final boolean cached;

  CacheValue(MemorySegment pointer, boolean cached) {
    super(pointer);
    this.cached = cached;
  }

  /** A value, or null for a miss. */
  static CacheValue orNull(long raw, boolean cached) {
    return raw == 0 ? null : new CacheValue(MemorySegment.ofAddress(raw), cached);
  }

  @Override
  String kind() {
    return "cached value";
  }

  @Override
  void free(MemorySegment pointer) {
    Native.weir_cache_value_free(pointer);
  }

  /** Ends the lease. Batches that were taken from it stay valid. Closing again does nothing. */
  @Override
  public void close() {
    shut();
  }

  /**
   * Whether the value was in the cache or came from another call's loader. Not so if {@link Cache#getOrInsert} ran its own.
   *
   * @return whether it was
   */
  public boolean wasCached() {
    return cached;
  }

  /**
   * What the value is.
   *
   * @return bytes, a batch, or an object of weir's
   */
  public CacheKind holds() {
    MemorySegment value = acquire();
    try {
      return CacheKind.of(Native.weir_cache_value_kind(value));
    } finally {
      release();
    }
  }

  /**
   * Whether the value has bytes: those that were inserted, or those that an object encodes to.
   *
   * @return whether it has
   */
  public boolean hasBytes() {
    MemorySegment value = acquire();
    try {
      return Native.weir_cache_value_kind(value) == Native.WEIR_CACHE_KIND_BYTES || Native.weir_cache_value_data(value).address() != 0;
    } finally {
      release();
    }
  }

  /**
   * The bytes of the value.
   *
   * @return a copy
   * @throws InvalidArgumentException if it has none
   */
  public byte[] bytes() {
    checkBytes();
    MemorySegment value = acquire();
    try {
      return Text.bytes(Native.weir_cache_value_data(value), Native.weir_cache_value_len(value));
    } finally {
      release();
    }
  }

  /**
   * The bytes of the value, without copying them. They stay while the arena lives, which holds the lease also after it is closed.
   *
   * @param arena the arena that the bytes live in
   * @return the bytes, read-only
   * @throws InvalidArgumentException if it has none
   */
  public MemorySegment map(Arena arena) {
    checkBytes();
    MemorySegment value = acquire();
    boolean kept = false;
    try {
      long length = Native.weir_cache_value_len(value);
      if (length == 0) {
        return MemorySegment.NULL;
      }
      MemorySegment mapped = Native.weir_cache_value_data(value).reinterpret(length, arena, gone -> release()).asReadOnly();
      kept = true;
      return mapped;
    } finally {
      if (!kept) {
        release();
      }
    }
  }

  private void checkBytes() {
    if (!hasBytes()) {
      throw WeirException.of(Status.INVALID_ARGUMENT, "the cached value has no bytes: it is of kind " + holds());
    }
  }

  /**
   * The batch of the value, without copying it.
   *
   * @param allocator what it is accounted to while it lives
   * @return the batch, to be closed; it may outlive the lease
   * @throws InvalidArgumentException if the value is not a batch
   */
  public VectorSchemaRoot batch(BufferAllocator allocator) {
    return batch(allocator, null);
  }

  /**
   * The batch of the value, one that has dictionaries, without copying it.
   *
   * @param allocator what it is accounted to while it lives
   * @param dictionaries receives the dictionaries; to be closed after the batch
   * @return the batch, to be closed; it may outlive the lease
   */
  public VectorSchemaRoot batch(BufferAllocator allocator, CDataDictionaryProvider dictionaries) {
    try (Arena arena = Arena.ofConfined();
        Scratch scratch = Scratch.take()) {
      ArrowArray array = ArrowArray.wrap(scratch.array.address());
      ArrowSchema struct = ArrowSchema.wrap(arena.allocate(SchemaMemo.SIZE, 8).address());
      exportBatch(array, struct);
      Schema schema;
      try {
        schema = Data.importSchema(dictionaries == null ? Batches.own() : allocator, struct, dictionaries);
      } catch (Throwable e) {
        Batches.discard(array);
        throw e;
      }
      return Batches.importBatch(array, schema, allocator, dictionaries);
    }
  }

  /**
   * Exports the batch of the value to C structs, without copying it.
   *
   * @param array receives the batch, to be released or imported
   * @param schema receives its schema, to be released or imported
   */
  public void exportBatch(ArrowArray array, ArrowSchema schema) {
    get(Decoder.NOTHING, (value, timeout, s) -> Native.weir_cache_value_batch(value, Batches.address(array), Batches.address(schema), s.error));
  }
}
