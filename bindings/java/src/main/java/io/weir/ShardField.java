package io.weir;

import java.util.Arrays;

/**
 * A field of a shard spec and its value.
 *
 * @param id the field
 * @param value its value, not to be changed
 */
public record ShardField(String id, byte[] value) {
  @Override
  public boolean equals(Object other) {
    return other instanceof ShardField field && field.id.equals(id) && Arrays.equals(field.value, value);
  }

  @Override
  public int hashCode() {
    return 31 * id.hashCode() + Arrays.hashCode(value);
  }

  @Override
  public String toString() {
    return id + "=" + Arrays.toString(value);
  }
}
