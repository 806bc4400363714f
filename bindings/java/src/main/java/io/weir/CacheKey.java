package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Objects;

/**
 * A key of a {@link Cache}. Two keys are equal if all three parts are: a value that is asked for under another type name is not found.
 * Immutable.
 */
public final class CacheKey {
  private final byte[] prefix;
  private final byte[] key;
  private final String typeName;

  private CacheKey(byte[] prefix, byte[] key, String typeName) {
    this.prefix = prefix;
    this.key = key;
    this.typeName = Objects.requireNonNull(typeName, "typeName");
  }

  /**
   * A key.
   *
   * @param prefix what {@link Cache#invalidatePrefix(byte[])} goes by, such as a table's name; any bytes
   * @param key the key within the prefix; any bytes
   * @param typeName the name of the value's type; names that begin with {@code weir.} are weir's own
   * @return the key
   */
  public static CacheKey of(byte[] prefix, byte[] key, String typeName) {
    return new CacheKey(prefix.clone(), key.clone(), typeName);
  }

  /**
   * A key of texts, whose value's type has no name.
   *
   * @param prefix what {@link Cache#invalidatePrefix(String)} goes by, such as a table's name
   * @param key the key within the prefix
   * @return the key
   */
  public static CacheKey of(String prefix, String key) {
    return new CacheKey(prefix.getBytes(StandardCharsets.UTF_8), key.getBytes(StandardCharsets.UTF_8), "");
  }

  /**
   * What {@link Cache#invalidatePrefix(byte[])} goes by.
   *
   * @return a copy
   */
  public byte[] prefix() {
    return prefix.clone();
  }

  /**
   * The key within the prefix.
   *
   * @return a copy
   */
  public byte[] key() {
    return key.clone();
  }

  /**
   * The name of the value's type.
   *
   * @return the name; empty if it has none
   */
  public String typeName() {
    return typeName;
  }

  /**
   * Whether the key's prefix begins with some bytes: whether {@link CacheBackend#invalidatePrefix} removes it.
   *
   * @param bytes the bytes
   * @return whether it does
   */
  public boolean hasPrefix(byte[] bytes) {
    return bytes.length <= prefix.length && Arrays.equals(prefix, 0, bytes.length, bytes, 0, bytes.length);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof CacheKey that && Arrays.equals(prefix, that.prefix) && Arrays.equals(key, that.key) && typeName.equals(that.typeName);
  }

  @Override
  public int hashCode() {
    return (Arrays.hashCode(prefix) * 31 + Arrays.hashCode(key)) * 31 + typeName.hashCode();
  }

  @Override
  public String toString() {
    HexFormat hex = HexFormat.of();
    return "CacheKey[" + hex.formatHex(prefix) + ", " + hex.formatHex(key) + ", " + typeName + "]";
  }

  MemorySegment encode(Arena arena) {
    MemorySegment struct = arena.allocate(Native.WeirCacheKey.LAYOUT);
    struct.set(ValueLayout.ADDRESS, Native.WeirCacheKey.prefix, encode(arena, prefix));
    struct.set(ValueLayout.JAVA_LONG, Native.WeirCacheKey.prefix_len, prefix.length);
    struct.set(ValueLayout.ADDRESS, Native.WeirCacheKey.key, encode(arena, key));
    struct.set(ValueLayout.JAVA_LONG, Native.WeirCacheKey.key_len, key.length);
    struct.set(ValueLayout.ADDRESS, Native.WeirCacheKey.type_name, Text.of(arena, "the type's name", typeName));
    return struct;
  }

  static MemorySegment encode(Arena arena, byte[] bytes) {
    return bytes.length == 0 ? MemorySegment.NULL : arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
  }

  /** Copies one that is borrowed. */
  static CacheKey read(MemorySegment pointer) {
    MemorySegment struct = pointer.reinterpret(Native.WeirCacheKey.SIZE);
    return new CacheKey(
        Text.bytes(struct.get(ValueLayout.ADDRESS, Native.WeirCacheKey.prefix), Decoder.number(struct, Native.WeirCacheKey.prefix_len)),
        Text.bytes(struct.get(ValueLayout.ADDRESS, Native.WeirCacheKey.key), Decoder.number(struct, Native.WeirCacheKey.key_len)),
        Text.at(struct.get(ValueLayout.ADDRESS, Native.WeirCacheKey.type_name)));
  }
}
