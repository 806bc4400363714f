package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Objects;

/**
 * A secondary index over one column. Scans use it where comparisons allow it.
 *
 * @param name its name, unique within the shard: 1 to 64 letters, digits, {@code -} and {@code _}
 * @param column the column that it is over
 * @param kind its kind
 */
public record IndexDefinition(String name, String column, IndexKind kind) {
  /**
   * An index with these values.
   *
   * @param name its name
   * @param column the column that it is over
   * @param kind its kind
   */
  public IndexDefinition {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(column, "column");
    Objects.requireNonNull(kind, "kind");
  }

  /**
   * An ordered index.
   *
   * @param name its name, unique within the shard
   * @param column the column that it is over
   * @return the definition
   */
  public static IndexDefinition btree(String name, String column) {
    return new IndexDefinition(name, column, IndexKind.BTREE);
  }

  static MemorySegment encode(Arena arena, List<IndexDefinition> indexes) {
    if (indexes.isEmpty()) {
      return MemorySegment.NULL;
    }
    MemorySegment structs = arena.allocate(Native.WeirIndexDefinition.LAYOUT, indexes.size());
    long at = 0;
    for (IndexDefinition index : indexes) {
      structs.set(ValueLayout.ADDRESS, at + Native.WeirIndexDefinition.name, Text.of(arena, "an index's name", index.name));
      structs.set(ValueLayout.ADDRESS, at + Native.WeirIndexDefinition.column, Text.of(arena, "an index's column", index.column));
      structs.set(ValueLayout.JAVA_INT, at + Native.WeirIndexDefinition.kind, index.kind.code);
      at += Native.WeirIndexDefinition.SIZE;
    }
    return structs;
  }
}
