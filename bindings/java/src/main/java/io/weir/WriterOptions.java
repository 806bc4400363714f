package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;

/** Options of {@link Session#openWriter}. Immutable; what is not set is as the library has it. */
public final class WriterOptions extends Options<WriterOptions> {
  private final List<String> primaryKey;
  private final List<IndexDefinition> indexes;

  private WriterOptions(List<Setting> settings, List<String> primaryKey, List<IndexDefinition> indexes) {
    super(Native.WeirWriterOptions.LAYOUT, Native::weir_writer_options_init, settings);
    this.primaryKey = primaryKey;
    this.indexes = indexes;
  }

  @Override
  WriterOptions with(List<Setting> settings) {
    return new WriterOptions(settings, primaryKey, indexes);
  }

  @Override
  void point(Arena arena, MemorySegment struct) {
    setList(struct, Native.WeirWriterOptions.primary_key, Text.list(arena, "a column of the primary key", primaryKey), primaryKey.size());
    setList(struct, Native.WeirWriterOptions.indexes, IndexDefinition.encode(arena, indexes), indexes.size());
  }

  @Override
  String more() {
    return (primaryKey.isEmpty() ? "" : " primary key " + primaryKey) + (indexes.isEmpty() ? "" : " indexes " + indexes);
  }

  /**
   * The defaults.
   *
   * @return options
   */
  public static WriterOptions defaults() {
    return new WriterOptions(List.of(), List.of(), List.of());
  }

  /**
   * The defaults: a put returns when it is durable.
   *
   * @return options
   */
  public static WriterOptions durable() {
    return defaults().withDurable(true);
  }

  /**
   * A put returns when it is admitted; {@link Writer#flush()} makes all of them durable, and so does the linger.
   *
   * @return options
   */
  public static WriterOptions buffered() {
    return defaults().withDurable(false);
  }

  /**
   * Whether a put returns when it is durable (default), or when it is admitted and becomes durable within the linger.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withDurable(boolean value) {
    return set("durable", value ? 1 : 0);
  }

  /**
   * How long an admitted put may wait for others to share its entry.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withLinger(Duration value) {
    return set("linger_us", Math.max(0, Options.micros(value)));
  }

  /**
   * Bytes at which pending puts are written at once, and at which an entry is full.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withMaxBufferBytes(long value) {
    return set("max_buffer_bytes", value);
  }

  /**
   * Bytes admitted and not durable at which puts wait for room.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withMaxPendingBytes(long value) {
    return set("max_pending_bytes", value);
  }

  /**
   * Whether, on a local disk, file and directory are synced before a write counts as durable (default: yes). Without, what the kernel holds
   * is lost with the power, though not with the process. Other stores are durable anyway.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withFsync(boolean value) {
    return set("fsync", value ? 1 : 0);
  }

  /**
   * Whether offsets and UTF-8 of every batch are checked (default: yes). Without, the caller vouches for them: what is wrong is undefined
   * behaviour.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withValidate(boolean value) {
    return set("validate", value ? 1 : 0);
  }

  /**
   * How entries are compressed (default: not).
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withCompression(Compression value) {
    return set("compression", value.code);
  }

  /**
   * How often a failed append is tried again, at the same position.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withMaxRetries(int value) {
    return set("max_retries", value);
  }

  /**
   * The pause before the first retry, doubling with each.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withRetryBaseDelay(Duration value) {
    return set("retry_base_delay_ms", Waiting.millis(value));
  }

  /**
   * How many manifest versions are asked for at once, 1 to 64.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withManifestProbeWidth(int value) {
    return set("manifest_probe_width", value);
  }

  /**
   * The age below which nothing of the shard is ever trimmed, by anyone (default: 24 hours).
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withTrimAge(Duration value) {
    return set("trim_age_ms", Waiting.millis(value));
  }

  /**
   * How long opening may take (default: for ever).
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withOpenTimeout(Duration value) {
    return set("open_timeout_ms", Waiting.millis(value));
  }

  // ---- MemTables ----

  /**
   * Whether what was put can be read at once ({@link Writer#scan}, {@link Writer#get}), is flushed to generations in the background, and the
   * log behind it may be trimmed (default: yes). Without, the writer writes the log and nothing else.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withMemTables(boolean value) {
    return set("enable_memtable", value ? 1 : 0);
  }

  /**
   * The columns that are the primary key, in the key's order. A put replaces rows of the same key. By default those that the schema's metadata
   * marks ({@code lance-schema:unenforced-primary-key}), if any; without a key every row stays, and nothing is replaced, deleted or got by key.
   *
   * @param columns the columns' names; none for the default
   * @return options with them
   */
  public WriterOptions withPrimaryKey(String... columns) {
    return new WriterOptions(settings(), List.of(columns), indexes);
  }

  /**
   * Secondary indexes. Scans use them where comparisons allow it.
   *
   * @param definitions the indexes; none for none, which is the default
   * @return options with them
   */
  public WriterOptions withIndexes(IndexDefinition... definitions) {
    return new WriterOptions(settings(), primaryKey, List.of(definitions));
  }

  /**
   * The memory at which a MemTable is frozen and flushed, its indexes included (default: 256 MiB).
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withMaxMemTableBytes(long value) {
    return setBytes("max_memtable_bytes", value, 0);
  }

  /**
   * The rows at which a MemTable is frozen and flushed (default: 4,000,000).
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withMaxMemTableRows(long value) {
    return setBytes("max_memtable_rows", value, 0);
  }

  /**
   * The batches at which a MemTable is frozen and flushed (default: 262,144).
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withMaxMemTableBatches(long value) {
    return setBytes("max_memtable_batches", value, 0);
  }

  /**
   * Bytes in MemTables that are not flushed at which puts wait for room (default: 1 GiB).
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withMaxUnflushedBytes(long value) {
    return setBytes("max_unflushed_bytes", value, 0);
  }

  /**
   * How long a MemTable stays in memory after it was flushed, so that reads need no storage (default: not at all), at most an hour.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withFrozenGrace(Duration value) {
    return set("frozen_grace_ms", Waiting.millis(value));
  }

  /**
   * Whether generations are merged in the background (default: yes). Without, only by {@link Writer#compact()}.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withCompaction(boolean value) {
    return set("compaction", value ? 1 : 0);
  }

  /**
   * The fewest generations that are worth a merge, at least 2 (default: 4).
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withCompactionMinGenerations(int value) {
    return set("compaction_min_generations", value);
  }

  /**
   * The most generations of one merge (default: 16).
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withCompactionMaxGenerations(int value) {
    return set("compaction_max_generations", value);
  }

  /**
   * The most that the generations of one merge may take on storage together, in bytes (default: 256 MiB). A merge takes about this much memory.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withCompactionMaxBytes(long value) {
    return setBytes("compaction_max_bytes", value, 0);
  }
}
