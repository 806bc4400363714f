package io.weir;

import java.lang.foreign.MemorySegment;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.c.CDataDictionaryProvider;
import org.apache.arrow.c.Data;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.ArrowReader;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * One entry of a shard's log. Its batches share one buffer, which is not copied: it lives until the entry and all batches of it are closed,
 * in any order. Immutable; any thread may use it. To be closed.
 */
public final class Entry extends Handle implements AutoCloseable {
  private final SchemaMemo memo;
  private volatile Schema schema;

  Entry(MemorySegment pointer, SchemaMemo memo) {
    super(pointer);
    this.memo = memo;
  }

  @Override
  String kind() {
    return "entry";
  }

  @Override
  void free(MemorySegment pointer) {
    Native.weir_entry_free(pointer);
  }

  /** Frees the entry. Batches of it stay valid. Closing again does nothing. */
  @Override
  public void close() {
    shut();
  }

  private interface Number {
    long of(MemorySegment entry);
  }

  private long number(Number number) {
    MemorySegment entry = acquire();
    try {
      return number.of(entry);
    } finally {
      release();
    }
  }

  /**
   * The entry's position in the log.
   *
   * @return the position, 1 or more
   */
  public long position() {
    return number(Native::weir_entry_position);
  }

  /**
   * The epoch of the writer that appended the entry.
   *
   * @return the epoch
   */
  public long epoch() {
    return number(Native::weir_entry_epoch);
  }

  /**
   * The generation that the entry's rows belong to.
   *
   * @return the generation; 0 if the writer kept none
   */
  public long generation() {
    return number(Native::weir_entry_generation);
  }

  /**
   * Whether the entry is a fence sentinel: written by a new owner of the shard to fence the one before, without batches.
   *
   * @return whether it is
   */
  public boolean isSentinel() {
    return number(entry -> Native.weir_entry_is_sentinel(entry) ? 1 : 0) != 0;
  }

  /**
   * The number of rows in all batches of the entry.
   *
   * @return how many
   */
  public long rows() {
    return number(Native::weir_entry_rows);
  }

  /**
   * The size of the entry's object on storage.
   *
   * @return bytes
   */
  public long bytes() {
    return number(Native::weir_entry_bytes);
  }

  /**
   * The number of batches in the entry: as many as puts shared it; 0 for a sentinel.
   *
   * @return how many
   */
  public int batchCount() {
    return (int) number(Native::weir_entry_batch_count);
  }

  /**
   * The schema of the entry's batches: the writer's. With a primary key, columns outside of it are nullable, and there is one more, the last:
   * {@code _tombstone} (boolean), true in rows that delete their key. A sentinel's has no columns.
   *
   * @return the schema
   */
  public Schema schema() {
    Schema known = schema;
    if (known == null) {
      long id = number(Native::weir_entry_schema_id);
      known = memo.of(id);
      if (known == null) {
        known = importSchema(Batches.own(), null);
        memo.keep(id, known);
      }
      schema = known;
    }
    return known;
  }

  private Schema importSchema(BufferAllocator allocator, CDataDictionaryProvider dictionaries) {
    return Batches.schemaOf(this, allocator, dictionaries, Native::weir_entry_schema);
  }

  /**
   * One batch of the entry, without copying. It is not to be changed: its columns may share memory with each other and with other batches.
   *
   * @param index which batch, from 0
   * @param allocator what the batch is accounted to while it lives
   * @return the batch, to be closed; it may outlive the entry
   * @throws InvalidArgumentException if there is no such batch
   */
  public VectorSchemaRoot batch(int index, BufferAllocator allocator) {
    return importBatch(index, allocator, schema(), null);
  }

  /**
   * One batch of an entry that has dictionaries.
   *
   * @param index which batch, from 0
   * @param allocator what the batch is accounted to while it lives
   * @param dictionaries receives the dictionaries; to be closed after the batch
   * @return the batch, to be closed; it may outlive the entry
   */
  public VectorSchemaRoot batch(int index, BufferAllocator allocator, CDataDictionaryProvider dictionaries) {
    return importBatch(index, allocator, importSchema(allocator, dictionaries), dictionaries);
  }

  private VectorSchemaRoot importBatch(int index, BufferAllocator allocator, Schema schema, CDataDictionaryProvider dictionaries) {
    try (Scratch scratch = Scratch.take()) {
      ArrowArray array = ArrowArray.wrap(scratch.array.address());
      get(Decoder.NOTHING, (entry, timeout, s) -> Native.weir_entry_batch(entry, index, scratch.array, s.error));
      return Batches.importBatch(array, schema, allocator, dictionaries);
    }
  }

  /**
   * The entry's batches one after the other, without copying.
   *
   * @param allocator what they are accounted to
   * @return a reader, to be closed; it may outlive the entry
   */
  public ArrowReader reader(BufferAllocator allocator) {
    try (ArrowArrayStream stream = ArrowArrayStream.allocateNew(allocator)) {
      exportStream(stream);
      return Data.importArrayStream(allocator, stream);
    }
  }

  /**
   * Exports one batch to a C struct, without copying.
   *
   * @param index which batch, from 0
   * @param out receives the batch, to be released or imported
   */
  public void exportBatch(int index, ArrowArray out) {
    get(Decoder.NOTHING, (entry, timeout, s) -> Native.weir_entry_batch(entry, index, Batches.address(out), s.error));
  }

  /**
   * Exports the schema to a C struct.
   *
   * @param out receives the schema, to be released or imported
   */
  public void exportSchema(ArrowSchema out) {
    get(Decoder.NOTHING, (entry, timeout, s) -> Native.weir_entry_schema(entry, Batches.address(out), s.error));
  }

  /**
   * Exports the batches to a C struct, without copying.
   *
   * @param out receives the stream, to be released or imported
   */
  public void exportStream(ArrowArrayStream out) {
    get(Decoder.NOTHING, (entry, timeout, s) -> Native.weir_entry_stream(entry, Batches.address(out), s.error));
  }
}
