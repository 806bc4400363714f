package io.weir;

import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.c.Data;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.DictionaryProvider;
import org.apache.arrow.vector.ipc.ArrowReader;

/**
 * A spill that is being written: bytes, or batches. {@link #finish} makes it readable and ends the writer; closing one that was not finished
 * deletes what was written. Any thread may use it; writes take turns, in the order of their calls, and nothing interleaves.
 *
 * <p>A write that is refused by a cap ({@link DiskCapExceededException}) or for want of free space ({@link StorageFullException}) took
 * nothing, and the writer goes on. Exceptions of the storage have the detail {@code spill_lost}: if it is 1, the spill is lost, and every later
 * call says the same; if it is 0, the writer goes on.
 *
 * <p>On a virtual thread a write is an asynchronous call that is waited for: if that wait is given up, the write may still be done.
 */
public final class SpillWriter extends OpenHandle implements AutoCloseable {
  private final Staging staging = new Staging();
  private final SchemaCheck schema;

  private SpillWriter(MemorySegment pointer, SchemaCheck schema) {
    super(pointer);
    this.schema = schema;
  }

  /** The schema is that of its batches; null for bytes. */
  static Decoder<SpillWriter> decoder(SchemaCheck schema) {
    return (raw, ack) -> new SpillWriter(MemorySegment.ofAddress(raw), schema);
  }

  @Override
  String kind() {
    return "spill writer";
  }

  @Override
  void freeNative(MemorySegment pointer) {
    Native.weir_spill_writer_free(pointer);
  }

  // ---- Bytes ----

  /**
   * Appends bytes. What fits into the writer's buffer is copied and costs no I/O.
   *
   * @param bytes the bytes
   * @throws DiskCapExceededException if there is no room below a cap; nothing was written
   */
  public void write(byte[] bytes) {
    write(MemorySegment.ofArray(bytes), Waiting.FOREVER);
  }

  /**
   * Appends bytes.
   *
   * @param bytes where they are
   * @param offset where they begin
   * @param length how many
   */
  public void write(byte[] bytes, int offset, int length) {
    write(MemorySegment.ofArray(bytes).asSlice(offset, length), Waiting.FOREVER);
  }

  /**
   * Appends what remains of a buffer, all of it, and moves its position to its limit. One that is direct is not copied on the way.
   *
   * @param bytes the buffer
   */
  public void write(ByteBuffer bytes) {
    write(MemorySegment.ofBuffer(bytes), Waiting.FOREVER);
    bytes.position(bytes.limit());
  }

  /**
   * Appends bytes. Native memory is not copied on the way.
   *
   * @param bytes the bytes
   */
  public void write(MemorySegment bytes) {
    write(bytes, Waiting.FOREVER);
  }

  /**
   * Appends bytes, and waits so long at most.
   *
   * @param bytes the bytes
   * @param timeout how long
   * @throws TimedOutException if they were not written in time
   */
  public void write(MemorySegment bytes, Duration timeout) {
    write(bytes, Waiting.millis(timeout));
  }

  private void write(MemorySegment bytes, long timeoutMs) {
    long length = bytes.byteSize();
    try (Staging.Piece piece = staging.copy(bytes)) {
      MemorySegment data = piece.memory();
      run(
          "writing to a spill",
          timeoutMs,
          Decoder.NOTHING,
          (writer, timeout, s) -> Native.weir_spill_writer_write(writer, data, length, timeout, s.error),
          (writer, completion, error) -> Native.weir_spill_writer_write_async(writer, data, length, completion, error));
    }
  }

  /**
   * Appends what remains of several buffers, one after the other: all of it or, after an exception, nothing. Moves their positions to their
   * limits.
   *
   * @param parts the buffers
   */
  public void write(ByteBuffer[] parts) {
    gathered(
        parts,
        structs ->
            run(
                "writing to a spill",
                Waiting.FOREVER,
                Decoder.NOTHING,
                (writer, timeout, s) -> Native.weir_spill_writer_writev(writer, structs, parts.length, timeout, s.error),
                (writer, completion, error) ->
                    Native.weir_spill_writer_writev_async(writer, structs, parts.length, completion, error)));
    for (ByteBuffer part : parts) {
      part.position(part.limit());
    }
  }

  /**
   * Appends what remains of several buffers, one after the other, all of it or nothing, and returns at once. It is copied before; the buffers'
   * positions stay where they are.
   *
   * @param parts the buffers
   * @return completes when they are written
   */
  public CompletableFuture<Void> writeAsync(ByteBuffer[] parts) {
    return gathered(
        parts,
        structs ->
            start(
                Decoder.NOTHING,
                (writer, completion, error) ->
                    Native.weir_spill_writer_writev_async(writer, structs, parts.length, completion, error)));
  }

  /** Calls with an array of `WeirBytes`, which say where the parts are in native memory. */
  private <T> T gathered(ByteBuffer[] parts, Function<MemorySegment, T> call) {
    long onHeap = 0;
    for (ByteBuffer part : parts) {
      onHeap += part.isDirect() ? 0 : part.remaining();
    }
    try (Arena arena = Arena.ofConfined();
        Staging.Piece piece = staging.take(onHeap)) {
      MemorySegment structs = arena.allocate(Native.WeirBytes.LAYOUT, Math.max(parts.length, 1));
      long at = 0;
      for (int i = 0; i < parts.length; i++) {
        MemorySegment data = MemorySegment.ofBuffer(parts[i]);
        if (!data.isNative()) {
          data = piece.memory().asSlice(at, data.byteSize()).copyFrom(data);
          at += data.byteSize();
        }
        structs.set(ValueLayout.ADDRESS, i * Native.WeirBytes.SIZE + Native.WeirBytes.data, data);
        structs.set(ValueLayout.JAVA_LONG, i * Native.WeirBytes.SIZE + Native.WeirBytes.len, data.byteSize());
      }
      return call.apply(structs);
    }
  }

  /**
   * Appends bytes and returns at once. They are copied before.
   *
   * @param bytes the bytes
   * @return completes when they are written
   */
  public CompletableFuture<Void> writeAsync(byte[] bytes) {
    return writeAsync(MemorySegment.ofArray(bytes));
  }

  /**
   * Appends bytes and returns at once. They are copied before.
   *
   * @param bytes the bytes
   * @return completes when they are written
   */
  public CompletableFuture<Void> writeAsync(MemorySegment bytes) {
    long length = bytes.byteSize();
    try (Staging.Piece piece = staging.copy(bytes)) {
      MemorySegment data = piece.memory();
      return start(
          Decoder.NOTHING,
          (writer, completion, error) -> Native.weir_spill_writer_write_async(writer, data, length, completion, error));
    }
  }

  /**
   * The writer as a stream. Closing that does nothing: {@link #finish} the writer, or close it. An error of weir's is the cause of its {@link
   * IOException}.
   *
   * @return the stream
   */
  public OutputStream outputStream() {
    return new OutputStream() {
      @Override
      public void write(int value) throws IOException {
        write(new byte[] {(byte) value}, 0, 1);
      }

      @Override
      public void write(byte[] bytes, int offset, int length) throws IOException {
        try {
          SpillWriter.this.write(bytes, offset, length);
        } catch (WeirException e) {
          throw new IOException(e.getMessage(), e);
        }
      }
    };
  }

  // ---- Batches ----

  /**
   * Appends a batch. Only its own rows are written, not what it is a slice of.
   *
   * @param root the batch, of the writer's schema
   * @throws SchemaMismatchException if it has another schema
   * @throws DiskCapExceededException if there is no room below a cap; nothing was written
   */
  public void write(VectorSchemaRoot root) {
    write(root, null);
  }

  /**
   * Appends a batch that has dictionaries.
   *
   * @param root the batch, of the writer's schema
   * @param dictionaries its dictionaries
   */
  public void write(VectorSchemaRoot root, DictionaryProvider dictionaries) {
    write(Source.of(root, dictionaries, schema), Waiting.FOREVER);
  }

  /**
   * Appends a batch that was exported. It has no schema with it: that it is of the writer's is checked as far as its buffers show it.
   *
   * @param array the batch; consumed
   */
  public void write(ArrowArray array) {
    write(Source.of(array), Waiting.FOREVER);
  }

  /**
   * Appends a batch that was exported, and waits so long at most.
   *
   * @param array the batch; consumed
   * @param timeout how long
   * @throws TimedOutException if it was not written in time
   */
  public void write(ArrowArray array, Duration timeout) {
    write(Source.of(array), Waiting.millis(timeout));
  }

  private void write(Source batch, long timeoutMs) {
    if (Waiting.parks(timeoutMs)) {
      Waiting.await(writeAsync(batch), timeoutMs, Status.TIMED_OUT, "writing a batch to a spill");
      return;
    }
    batch.with(
        (array, none) ->
            block(
                timeoutMs,
                Decoder.NOTHING,
                (writer, timeout, s) -> Native.weir_spill_writer_write_batch(writer, array, timeout, s.error)));
  }

  /**
   * Appends a batch and returns at once. It is shared, not copied, until it is written.
   *
   * @param root the batch, of the writer's schema
   * @return completes when it is written
   */
  public CompletableFuture<Void> writeAsync(VectorSchemaRoot root) {
    return writeAsync(root, null);
  }

  /**
   * Appends a batch that has dictionaries, as {@link #writeAsync(VectorSchemaRoot)}.
   *
   * @param root the batch, of the writer's schema
   * @param dictionaries its dictionaries
   * @return completes when it is written
   */
  public CompletableFuture<Void> writeAsync(VectorSchemaRoot root, DictionaryProvider dictionaries) {
    return writeAsync(Source.of(root, dictionaries, schema));
  }

  /**
   * Appends a batch that was exported, as {@link #writeAsync(VectorSchemaRoot)}.
   *
   * @param array the batch; consumed
   * @return completes when it is written
   */
  public CompletableFuture<Void> writeAsync(ArrowArray array) {
    return writeAsync(Source.of(array));
  }

  private CompletableFuture<Void> writeAsync(Source batch) {
    return batch.start(
        (array, none) ->
            start(
                Decoder.NOTHING,
                (writer, completion, error) -> Native.weir_spill_writer_write_batch_async(writer, array, completion, error)));
  }

  /**
   * Appends all batches of a reader.
   *
   * @param reader the reader, of the writer's schema; closed on every return
   * @param allocator what the batches are accounted to while they are handed over
   * @throws WeirException as of a write; its detail {@code accepted} says how many batches were written before
   */
  public void writeStream(ArrowReader reader, BufferAllocator allocator) {
    try (ArrowArrayStream stream = ArrowArrayStream.allocateNew(allocator)) {
      Data.exportArrayStream(allocator, reader, stream);
      writeStream(stream);
    }
  }

  /**
   * Appends all batches of a stream that was exported.
   *
   * @param stream the stream; consumed
   */
  public void writeStream(ArrowArrayStream stream) {
    writeStream(stream, Waiting.FOREVER);
  }

  /**
   * Appends all batches of a stream that was exported, and waits so long at most.
   *
   * @param stream the stream; consumed
   * @param timeout for all of them together
   */
  public void writeStream(ArrowArrayStream stream, Duration timeout) {
    writeStream(stream, Waiting.millis(timeout));
  }

  private void writeStream(ArrowArrayStream stream, long timeoutMs) {
    try {
      run(
          "writing a stream to a spill",
          timeoutMs,
          Decoder.NOTHING,
          (writer, timeout, s) -> Native.weir_spill_writer_write_stream(writer, Batches.address(stream), timeout, s.error),
          (writer, completion, error) -> Native.weir_spill_writer_write_stream_async(writer, Batches.address(stream), completion, error));
    } finally {
      Batches.discard(stream); // if it did not come to the call
    }
  }

  /**
   * {@link #writeStream(ArrowArrayStream)} that does not wait. The stream is read on a thread of the library's.
   *
   * @param stream the stream; consumed
   * @return completes when all is written
   */
  public CompletableFuture<Void> writeStreamAsync(ArrowArrayStream stream) {
    CompletableFuture<Void> future =
        start(
            Decoder.NOTHING,
            (writer, completion, error) -> Native.weir_spill_writer_write_stream_async(writer, Batches.address(stream), completion, error));
    Batches.discard(stream); // if it did not come to the call
    return future;
  }

  // ---- Ending ----

  /**
   * The bytes that the writer took so far: of batches, as they are encoded.
   *
   * @return bytes
   */
  public long length() {
    MemorySegment writer = acquire();
    try {
      return Native.weir_spill_writer_len(writer);
    } finally {
      release();
    }
  }

  /**
   * Ends the spill and makes it readable. The writer is closed afterwards, whatever comes of it. Never refused by a cap: what was written
   * counts already.
   *
   * @return the spill, to be closed
   */
  public Spill finish() {
    return finish(Waiting.FOREVER);
  }

  /**
   * As {@link #finish()}, and waits so long at most.
   *
   * @param timeout how long
   * @return the spill, to be closed
   * @throws TimedOutException if it was not done in time: the spill is lost
   */
  public Spill finish(Duration timeout) {
    return finish(Waiting.millis(timeout));
  }

  private Spill finish(long timeoutMs) {
    Waiting.check();
    try {
      return run(
          "finishing a spill",
          timeoutMs,
          Spill.DECODER,
          (writer, timeout, s) -> Native.weir_spill_writer_finish(writer, timeout, s.out, s.error),
          (writer, completion, error) -> Native.weir_spill_writer_finish_async(writer, completion, error));
    } finally {
      shut();
    }
  }

  /**
   * {@link #finish()} that does not wait. Should the future be cancelled, the spill is deleted.
   *
   * @return the spill, to be closed
   */
  public CompletableFuture<Spill> finishAsync() {
    CompletableFuture<Spill> future =
        start(Spill.DECODER, (writer, completion, error) -> Native.weir_spill_writer_finish_async(writer, completion, error));
    future.whenComplete((spill, error) -> shut());
    return future;
  }

  /** Deletes what was written, returns its bytes to the budget, and closes the writer. Does nothing after {@link #finish}, or again. */
  public void abort() {
    if (isShut()) {
      return;
    }
    try {
      get(Decoder.NOTHING, (writer, timeout, s) -> Native.weir_spill_writer_abort(writer, s.error));
    } catch (ClosedException e) {
      // somebody else was faster
    } finally {
      shut();
    }
  }

  /** {@link #abort() Aborts} a spill that was not finished. */
  @Override
  public void close() {
    abort();
  }
}
