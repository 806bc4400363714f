package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;

/** Options of {@link Session#openSnapshot}. Immutable; what is not set is as the library has it. */
public final class SnapshotOptions extends Options<SnapshotOptions> {
  private final List<String> primaryKey;
  private final List<IndexDefinition> indexes;

  private SnapshotOptions(List<Setting> settings, List<String> primaryKey, List<IndexDefinition> indexes) {
    super(Native.WeirSnapshotOptions.LAYOUT, Native::weir_snapshot_options_init, settings);
    this.primaryKey = primaryKey;
    this.indexes = indexes;
  }

  @Override
  SnapshotOptions with(List<Setting> settings) {
    return new SnapshotOptions(settings, primaryKey, indexes);
  }

  @Override
  void point(Arena arena, MemorySegment struct) {
    setList(struct, Native.WeirSnapshotOptions.primary_key, Text.list(arena, "a column of the primary key", primaryKey), primaryKey.size());
    setList(struct, Native.WeirSnapshotOptions.indexes, IndexDefinition.encode(arena, indexes), indexes.size());
  }

  @Override
  String more() {
    return (primaryKey.isEmpty() ? "" : " primary key " + primaryKey) + (indexes.isEmpty() ? "" : " indexes " + indexes);
  }

  /**
   * The defaults: the generations, and the rows that only the log has.
   *
   * @return options
   */
  public static SnapshotOptions defaults() {
    return new SnapshotOptions(List.of(), List.of(), List.of());
  }

  /**
   * Whether the rows come, too, that only the log has (default: yes).
   *
   * @param value the value
   * @return options with it
   */
  public SnapshotOptions withWal(boolean value) {
    return set("wal", value ? 1 : 0);
  }

  /**
   * The columns that are the primary key, in the key's order; by default those that the schema's metadata marks, else the key of the newest
   * generation, if there is one.
   *
   * @param columns the columns' names; none for the default
   * @return options with them
   */
  public SnapshotOptions withPrimaryKey(String... columns) {
    return new SnapshotOptions(settings(), List.of(columns), indexes);
  }

  /**
   * Secondary indexes, to be made of the rows that only the log has.
   *
   * @param definitions the indexes; none for none, which is the default
   * @return options with them
   */
  public SnapshotOptions withIndexes(IndexDefinition... definitions) {
    return new SnapshotOptions(settings(), primaryKey, List.of(definitions));
  }

  /**
   * The most memory that rows may take that only the log has (default: 1 GiB).
   *
   * @param value the value
   * @return options with it
   */
  public SnapshotOptions withMaxBytes(long value) {
    return setBytes("max_bytes", value, 0);
  }

  /**
   * How long opening may take (default: for ever).
   *
   * @param value the value
   * @return options with it
   */
  public SnapshotOptions withOpenTimeout(Duration value) {
    return set("open_timeout_ms", Waiting.millis(value));
  }
}
