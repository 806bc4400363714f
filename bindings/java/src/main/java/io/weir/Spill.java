package io.weir;

import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
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
 * What was spilled: bytes, or batches. Deleted, and its bytes returned to the budget, when it is closed and no reader, stream, map or mapped
 * batch of it is left. Any thread may use it, also while another closes it.
 */
public final class Spill extends OpenHandle implements AutoCloseable {
  static final Decoder<Spill> DECODER = (raw, ack) -> new Spill(MemorySegment.ofAddress(raw));

  private final Staging staging = new Staging();
  private volatile Schema schema;

  Spill(MemorySegment pointer) {
    super(pointer);
  }

  @Override
  String kind() {
    return "spill";
  }

  @Override
  void freeNative(MemorySegment pointer) {
    Native.weir_spill_free(pointer);
  }

  /** Closes the spill. Its readers, streams and mapped batches go on; the last of them deletes it. Closing again does nothing. */
  @Override
  public void close() {
    shut();
  }

  private interface Number {
    long of(MemorySegment spill);
  }

  private long number(Number number) {
    MemorySegment spill = acquire();
    try {
      return number.of(spill);
    } finally {
      release();
    }
  }

  /**
   * The bytes of the spill, as they were written; of batches, as they were encoded.
   *
   * @return bytes
   */
  public long length() {
    return number(Native::weir_spill_len);
  }

  /**
   * The bytes that the spill takes of its store's budget: more than {@link #length()} if it is encrypted.
   *
   * @return bytes
   */
  public long storedBytes() {
    return number(Native::weir_spill_stored_bytes);
  }

  /**
   * The rows of all batches.
   *
   * @return how many; 0 if the spill has bytes
   */
  public long rows() {
    return number(Native::weir_spill_rows);
  }

  /**
   * The number of batches: as many as were written.
   *
   * @return how many; 0 if the spill has bytes
   */
  public int batchCount() {
    return Math.toIntExact(number(Native::weir_spill_batch_count));
  }

  // ---- Bytes ----

  /**
   * Reads bytes.
   *
   * @param offset where to begin
   * @param out receives the bytes
   * @return how many there are: fewer than {@code out} takes only at the end of the spill, 0 beyond it
   */
  public int readAt(long offset, byte[] out) {
    return (int) readAt(offset, MemorySegment.ofArray(out), Waiting.FOREVER);
  }

  /**
   * Reads as many bytes as remain in a buffer, and moves its position past them. Straight into one that is direct.
   *
   * @param offset where to begin
   * @param out receives the bytes
   * @return how many there are: fewer only at the end of the spill, 0 beyond it
   */
  public int readAt(long offset, ByteBuffer out) {
    int count = (int) readAt(offset, MemorySegment.ofBuffer(out), Waiting.FOREVER);
    out.position(out.position() + count);
    return count;
  }

  /**
   * Reads bytes. Straight into native memory.
   *
   * @param offset where to begin
   * @param out receives the bytes
   * @return how many there are: fewer than {@code out} takes only at the end of the spill, 0 beyond it
   */
  public long readAt(long offset, MemorySegment out) {
    return readAt(offset, out, Waiting.FOREVER);
  }

  /**
   * Reads bytes, and waits so long at most.
   *
   * @param offset where to begin
   * @param out receives the bytes
   * @param timeout how long
   * @return how many there are
   * @throws TimedOutException if they were not read in time
   */
  public long readAt(long offset, MemorySegment out, Duration timeout) {
    return readAt(offset, out, Waiting.millis(timeout));
  }

  private long readAt(long offset, MemorySegment out, long timeoutMs) {
    checkOffset(offset);
    Waiting.Deadline deadline = new Waiting.Deadline(timeoutMs);
    return staging.read(
        out,
        (at, piece) -> {
          long from = offset + at;
          long left = deadline.left();
          if (Waiting.parks(left)) {
            return Staging.fill(piece, Waiting.await(readAtAsync(from, piece.byteSize()), left, Status.TIMED_OUT, "reading a spill"));
          }
          return block(
              left,
              Decoder.NUMBER,
              (spill, timeout, s) -> Native.weir_spill_read_at(spill, from, piece, piece.byteSize(), timeout, s.out, s.error));
        });
  }

  /**
   * Reads bytes without waiting.
   *
   * @param offset where to begin
   * @param length how many are wanted
   * @return the bytes: fewer only at the end of the spill, none beyond it
   */
  public CompletableFuture<byte[]> readAtAsync(long offset, int length) {
    checkOffset(offset);
    if (length < 0) {
      throw WeirException.of(Status.INVALID_ARGUMENT, "the length is negative: " + length);
    }
    return readAtAsync(offset, (long) length);
  }

  private CompletableFuture<byte[]> readAtAsync(long offset, long length) {
    return start(
        Decoder.BYTES, (spill, completion, error) -> Native.weir_spill_read_at_async(spill, offset, length, completion, error));
  }

  private static void checkOffset(long offset) {
    if (offset < 0) {
      throw WeirException.of(Status.INVALID_ARGUMENT, "the offset is negative: " + offset);
    }
  }

  /**
   * A reader that begins at the first byte; of batches, their encoded bytes are read. There may be many at once.
   *
   * @return the reader, to be closed; it may outlive the spill
   */
  public SpillReader reader() {
    long length = length();
    return get(
        (raw, ack) -> new SpillReader(MemorySegment.ofAddress(raw), length),
        (spill, timeout, s) -> Native.weir_spill_reader(spill, s.out, s.error));
  }

  /**
   * The bytes as a stream. An error of weir's is the cause of its {@link java.io.IOException}.
   *
   * @return the stream, to be closed; it may outlive the spill
   */
  public InputStream inputStream() {
    return Channels.newInputStream(reader());
  }

  /**
   * Shows all bytes without copying them: those of a file are mapped. They stay while the arena lives; the spill is deleted when it is closed
   * and the arena is.
   *
   * @param arena the arena that the bytes live in
   * @return the bytes
   * @throws UnsupportedException if the spill is encrypted or in an object store
   */
  public MemorySegment map(Arena arena) {
    if (Thread.currentThread().isVirtual()) {
      // So that opening the file does not hold the carrier: what follows finds it mapped.
      Waiting.await(start(Decoder.NOTHING, Native::weir_spill_map_async), Waiting.FOREVER, Status.TIMED_OUT, "mapping a spill");
    }
    MemorySegment spill = acquire();
    try (Scratch scratch = Scratch.take()) {
      MemorySegment length = scratch.ack;
      scratch.check(Native.weir_spill_map(spill, scratch.out, length, scratch.error));
      long size = length.get(ValueLayout.JAVA_LONG, 0);
      if (size > 0) {
        // The arena's lease on the spill is taken over by its cleanup.
        MemorySegment mapped = scratch.outPointer().reinterpret(size, arena, gone -> release()).asReadOnly();
        spill = null;
        return mapped;
      }
      return MemorySegment.NULL;
    } finally {
      if (spill != null) {
        release();
      }
    }
  }

  // ---- Batches ----

  /**
   * The schema of the batches.
   *
   * @return the schema
   * @throws InvalidArgumentException if the spill has bytes
   */
  public Schema schema() {
    Schema known = schema;
    if (known == null) {
      known = importSchema(Batches.own(), null);
      schema = known;
    }
    return known;
  }

  private Schema importSchema(BufferAllocator allocator, CDataDictionaryProvider dictionaries) {
    return Batches.schemaOf(this, allocator, dictionaries, Native::weir_spill_schema);
  }

  /**
   * Reads one batch.
   *
   * @param index which batch, from 0, in the order in which they were written
   * @param allocator what the batch is accounted to while it lives
   * @return the batch, to be closed; it may outlive the spill
   * @throws InvalidArgumentException if there is no such batch
   * @throws CorruptionException if it is damaged; the detail {@code batch} says which
   */
  public VectorSchemaRoot batch(int index, BufferAllocator allocator) {
    return batch(index, allocator, SpillReadOptions.defaults());
  }

  /**
   * Reads or maps one batch.
   *
   * @param index which batch, from 0
   * @param allocator what the batch is accounted to while it lives
   * @param options how it is read
   * @return the batch, to be closed; it may outlive the spill
   */
  public VectorSchemaRoot batch(int index, BufferAllocator allocator, SpillReadOptions options) {
    return batch(index, allocator, options, schema(), null);
  }

  /**
   * Reads or maps one batch that has dictionaries.
   *
   * @param index which batch, from 0
   * @param allocator what the batch is accounted to while it lives
   * @param options how it is read
   * @param dictionaries receives the dictionaries; to be closed after the batch
   * @return the batch, to be closed; it may outlive the spill
   */
  public VectorSchemaRoot batch(int index, BufferAllocator allocator, SpillReadOptions options, CDataDictionaryProvider dictionaries) {
    return batch(index, allocator, options, importSchema(allocator, dictionaries), dictionaries);
  }

  private VectorSchemaRoot batch(
      int index, BufferAllocator allocator, SpillReadOptions options, Schema schema, CDataDictionaryProvider dictionaries) {
    if (Thread.currentThread().isVirtual()) {
      return Waiting.await(
          batchAsync(index, allocator, options, schema, dictionaries), Waiting.FOREVER, Status.TIMED_OUT, "reading a batch of a spill");
    }
    try (Scratch scratch = Scratch.take()) {
      ArrowArray array = ArrowArray.wrap(scratch.array.address());
      exportBlocking(index, array, options);
      return Batches.importBatch(array, schema, allocator, dictionaries);
    }
  }

  private void exportBlocking(int index, ArrowArray out, SpillReadOptions options) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment settings = options.encode(arena);
      block(
          Waiting.FOREVER,
          Decoder.NOTHING,
          (spill, timeout, s) -> Native.weir_spill_batch(spill, index, settings, timeout, Batches.address(out), s.error));
    }
  }

  /**
   * {@link #batch(int, BufferAllocator, SpillReadOptions)} that does not wait. Should the future be cancelled, a batch that comes nevertheless
   * is closed.
   *
   * @param index which batch, from 0
   * @param allocator what the batch is accounted to while it lives
   * @param options how it is read
   * @return the batch, to be closed; it may outlive the spill
   */
  public CompletableFuture<VectorSchemaRoot> batchAsync(int index, BufferAllocator allocator, SpillReadOptions options) {
    try {
      return batchAsync(index, allocator, options, schema(), null);
    } catch (WeirException e) {
      return CompletableFuture.failedFuture(e);
    }
  }

  private CompletableFuture<VectorSchemaRoot> batchAsync(
      int index, BufferAllocator allocator, SpillReadOptions options, Schema schema, CDataDictionaryProvider dictionaries) {
    Decoder<VectorSchemaRoot> decoder = Batches.decoder(schema, allocator, dictionaries);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment settings = options.encode(arena);
      return start(decoder, (spill, completion, error) -> Native.weir_spill_batch_async(spill, index, settings, completion, error));
    }
  }

  /**
   * The batches one after the other, with read-ahead.
   *
   * @param allocator what they are accounted to
   * @return a reader, to be closed; it may outlive the spill
   */
  public ArrowReader batches(BufferAllocator allocator) {
    return batches(allocator, SpillReadOptions.defaults());
  }

  /**
   * The batches one after the other, with read-ahead.
   *
   * @param allocator what they are accounted to
   * @param options how they are read
   * @return a reader, to be closed; it may outlive the spill
   */
  public ArrowReader batches(BufferAllocator allocator, SpillReadOptions options) {
    try (ArrowArrayStream stream = ArrowArrayStream.allocateNew(allocator)) {
      exportStream(stream, options);
      return Data.importArrayStream(allocator, stream);
    }
  }

  /**
   * Exports one batch to a C struct.
   *
   * @param index which batch, from 0
   * @param out receives the batch, to be released or imported
   * @param options how it is read
   */
  public void exportBatch(int index, ArrowArray out, SpillReadOptions options) {
    exportBlocking(index, out, options);
  }

  /**
   * Exports the schema to a C struct.
   *
   * @param out receives the schema, to be released or imported
   */
  public void exportSchema(ArrowSchema out) {
    get(Decoder.NOTHING, (spill, timeout, s) -> Native.weir_spill_schema(spill, Batches.address(out), s.error));
  }

  /**
   * Exports the batches to a C struct.
   *
   * @param out receives the stream, to be released or imported
   * @param options how they are read
   */
  public void exportStream(ArrowArrayStream out, SpillReadOptions options) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment settings = options.encode(arena);
      get(Decoder.NOTHING, (spill, timeout, s) -> Native.weir_spill_stream(spill, settings, Batches.address(out), s.error));
    }
  }
}
