package io.weir;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.vector.VectorSchemaRoot;

/**
 * The owner of a shard. Any thread may use it, also while another closes it.
 *
 * <p><b>Batches are not copied.</b> The library holds on to a batch's buffers until it is durable, or was refused, and then gives them back
 * to their allocator. Until then their content must not be changed; a root may be {@link VectorSchemaRoot#clear() cleared} and {@link
 * VectorSchemaRoot#allocateNew() allocated} anew at once.
 *
 * <p>A prepared {@link ArrowArray} that is handed in is consumed: it is released on every return, exceptions included. Its struct remains
 * the caller's to close.
 */
public final class Writer extends Putting implements AutoCloseable {
  private static final Calls CALLS =
      new Calls() {
        @Override
        public int keySchema(MemorySegment table, MemorySegment schema, MemorySegment error) {
          return Native.weir_writer_key_schema(table, schema, error);
        }

        @Override
        public int readSchema(MemorySegment table, MemorySegment columns, long count, MemorySegment schema, MemorySegment error) {
          return Native.weir_writer_read_schema(table, columns, count, schema, error);
        }

        @Override
        public int scan(
            MemorySegment table, MemorySegment options, MemorySegment values, MemorySegment schema, MemorySegment scan, MemorySegment error) {
          return Native.weir_writer_scan(table, options, values, schema, scan, error);
        }

        @Override
        public int get(
            MemorySegment table, MemorySegment keys, MemorySegment schema, MemorySegment options, long timeoutMs, MemorySegment states,
            long count, MemorySegment rows, MemorySegment error) {
          return Native.weir_writer_get(table, keys, schema, options, timeoutMs, states, count, rows, error);
        }

        @Override
        public int getAsync(
            MemorySegment table, MemorySegment keys, MemorySegment schema, MemorySegment options, MemorySegment completion,
            MemorySegment error) {
          return Native.weir_writer_get_async(table, keys, schema, options, completion, error);
        }
      };

  private Writer(MemorySegment pointer, boolean durable, SchemaCheck schema) {
    super(pointer, durable, schema);
  }

  static Decoder<Writer> decoder(MemorySegment options, SchemaCheck schema) {
    boolean durable = options.get(ValueLayout.JAVA_BYTE, Native.WeirWriterOptions.durable) != 0;
    return (raw, ack) -> new Writer(MemorySegment.ofAddress(raw), durable, schema);
  }

  @Override
  String kind() {
    return "writer";
  }

  @Override
  void freeNative(MemorySegment pointer) {
    Native.weir_writer_free(pointer);
  }

  @Override
  Calls calls() {
    return CALLS;
  }

  // ---- Generations ----

  /**
   * Freezes the MemTable that is filled, if it has rows, and has it flushed in the background. Does not wait.
   *
   * @return the newest generation that is frozen or published then, for {@link #waitFlushed(long)}; 0 if there is none
   * @throws UnsupportedException without MemTables
   */
  public long freeze() {
    return get(Decoder.NUMBER, (writer, timeout, s) -> Native.weir_writer_freeze(writer, s.out, s.error));
  }

  /**
   * Waits until a generation, and all before it, are published: readable by others, and no longer in need of the log.
   *
   * @param generation the generation, from {@link #freeze()}; 0 is at once
   * @throws InvalidArgumentException if it is not frozen
   * @throws UnsupportedException without MemTables
   */
  public void waitFlushed(long generation) {
    waitFlushed(generation, Waiting.FOREVER);
  }

  /**
   * {@link #waitFlushed(long)} that waits so long at most.
   *
   * @param generation the generation, from {@link #freeze()}; 0 is at once
   * @param timeout how long
   * @throws TimedOutException with why flushing fails, if it does
   */
  public void waitFlushed(long generation, Duration timeout) {
    waitFlushed(generation, Waiting.millis(timeout));
  }

  private void waitFlushed(long generation, long timeoutMs) {
    Blocking blocking = (writer, timeout, s) -> Native.weir_writer_wait_flushed(writer, generation, timeout, s.error);
    try {
      run(
          "waiting for generation " + generation,
          timeoutMs,
          Decoder.NOTHING,
          blocking,
          (writer, completion, error) -> Native.weir_writer_wait_flushed_async(writer, generation, completion, error));
    } catch (TimedOutException late) {
      get(Decoder.NOTHING, blocking); // the library says why flushing fails
    }
  }

  /**
   * {@link #waitFlushed(long)} that does not wait.
   *
   * @param generation the generation, from {@link #freeze()}; 0 is at once
   * @return completes when it is published
   */
  public CompletableFuture<Void> waitFlushedAsync(long generation) {
    return start(
        Decoder.NOTHING, (writer, completion, error) -> Native.weir_writer_wait_flushed_async(writer, generation, completion, error));
  }

  /**
   * Merges generations now, as often as that is worth it by the writer's options.
   *
   * @return how many merges there were
   * @throws UnsupportedException without MemTables
   */
  public long compact() {
    return compact(Waiting.FOREVER);
  }

  /**
   * {@link #compact()} that waits so long at most.
   *
   * @param timeout how long
   * @return how many merges there were
   * @throws TimedOutException if they were not done in time; merging goes on
   */
  public long compact(Duration timeout) {
    return compact(Waiting.millis(timeout));
  }

  private long compact(long timeoutMs) {
    return run(
        "merging generations",
        timeoutMs,
        Decoder.NUMBER,
        (writer, timeout, s) -> Native.weir_writer_compact(writer, timeout, s.out, s.error),
        (writer, completion, error) -> Native.weir_writer_compact_async(writer, completion, error));
  }

  /**
   * {@link #compact()} that does not wait.
   *
   * @return how many merges there were
   */
  public CompletableFuture<Long> compactAsync() {
    return start(Decoder.NUMBER, (writer, completion, error) -> Native.weir_writer_compact_async(writer, completion, error));
  }

  // ---- Waiting ----

  /** Waits until every put admitted so far is durable. */
  public void flush() {
    flush(Waiting.FOREVER);
  }

  /**
   * Waits until every put admitted so far is durable, so long at most.
   *
   * @param timeout how long
   * @throws TimedOutException if they are not
   */
  public void flush(Duration timeout) {
    flush(Waiting.millis(timeout));
  }

  private void flush(long timeoutMs) {
    run(
        "flushing",
        timeoutMs,
        Decoder.NOTHING,
        (writer, timeout, s) -> Native.weir_writer_flush(writer, timeout, s.error),
        (writer, completion, error) -> Native.weir_writer_flush_async(writer, completion, error));
  }

  /**
   * {@link #flush()} that does not wait.
   *
   * @return says what is durable
   */
  public CompletableFuture<Ack> flushAsync() {
    return start(Decoder.ACK, (writer, completion, error) -> Native.weir_writer_flush_async(writer, completion, error));
  }

  /**
   * Waits until a put is durable.
   *
   * @param sequence the put's {@link Ack#sequence()}
   * @throws InvalidArgumentException if there was no such put
   */
  public void waitDurable(long sequence) {
    waitDurable(sequence, Waiting.FOREVER);
  }

  /**
   * Waits until a put is durable, so long at most.
   *
   * @param sequence the put's {@link Ack#sequence()}
   * @param timeout how long
   * @throws TimedOutException if it is not
   */
  public void waitDurable(long sequence, Duration timeout) {
    waitDurable(sequence, Waiting.millis(timeout));
  }

  private void waitDurable(long sequence, long timeoutMs) {
    run(
        "waiting for put " + sequence,
        timeoutMs,
        Decoder.NOTHING,
        (writer, timeout, s) -> Native.weir_writer_wait_durable(writer, sequence, timeout, s.error),
        (writer, completion, error) -> Native.weir_writer_wait_durable_async(writer, sequence, completion, error));
  }

  /**
   * {@link #waitDurable(long)} that does not wait.
   *
   * @param sequence the put's {@link Ack#sequence()}
   * @return says what is durable
   */
  public CompletableFuture<Ack> waitDurableAsync(long sequence) {
    return start(Decoder.ACK, (writer, completion, error) -> Native.weir_writer_wait_durable_async(writer, sequence, completion, error));
  }

  /**
   * Waits until a put of so many bytes would find room. Others may take it first.
   *
   * @param bytes the put's size, about that of its buffers
   * @throws InvalidArgumentException if it never fits
   */
  public void waitCapacity(long bytes) {
    waitCapacity(bytes, Waiting.FOREVER);
  }

  /**
   * Waits until a put of so many bytes would find room, so long at most.
   *
   * @param bytes the put's size, about that of its buffers
   * @param timeout how long
   * @throws BackpressureException if there was none in time
   */
  public void waitCapacity(long bytes, Duration timeout) {
    waitCapacity(bytes, Waiting.millis(timeout));
  }

  private void waitCapacity(long bytes, long timeoutMs) {
    Blocking blocking = (writer, timeout, s) -> Native.weir_writer_wait_capacity(writer, bytes, timeout, s.error);
    try {
      run(
          "waiting for room",
          timeoutMs,
          Decoder.NOTHING,
          blocking,
          (writer, completion, error) -> Native.weir_writer_wait_capacity_async(writer, bytes, completion, error));
    } catch (TimedOutException late) {
      get(Decoder.NOTHING, blocking); // the library says what holds the room
    }
  }

  /**
   * {@link #waitCapacity(long)} that does not wait.
   *
   * @param bytes the put's size, about that of its buffers
   * @return completes when there is room
   */
  public CompletableFuture<Void> waitCapacityAsync(long bytes) {
    return start(Decoder.NOTHING, (writer, completion, error) -> Native.weir_writer_wait_capacity_async(writer, bytes, completion, error));
  }

  // ---- Looking ----

  /**
   * How many puts of this writer are durable; a put is if its sequence is at most that. Never goes back.
   *
   * @return how many
   */
  public long durablePosition() {
    MemorySegment writer = acquire();
    try {
      return Native.weir_writer_durable_position(writer);
    } finally {
      release();
    }
  }

  /**
   * The epoch under which the writer owns the shard.
   *
   * @return the epoch, 1 or more
   */
  public long epoch() {
    MemorySegment writer = acquire();
    try {
      return Native.weir_writer_epoch(writer);
    } finally {
      release();
    }
  }

  /**
   * Asks the store whether the writer still owns the shard.
   *
   * @throws FencedException if it does not
   */
  public void checkFenced() {
    checkFenced(Waiting.FOREVER);
  }

  /**
   * Asks the store whether the writer still owns the shard, and waits so long at most.
   *
   * @param timeout how long
   * @throws FencedException if it does not
   */
  public void checkFenced(Duration timeout) {
    checkFenced(Waiting.millis(timeout));
  }

  private void checkFenced(long timeoutMs) {
    run(
        "checking for a fence",
        timeoutMs,
        Decoder.NOTHING,
        (writer, timeout, s) -> Native.weir_writer_check_fenced(writer, timeout, s.error),
        (writer, completion, error) -> Native.weir_writer_check_fenced_async(writer, completion, error));
  }

  /**
   * {@link #checkFenced()} that does not wait.
   *
   * @return completes if the writer owns the shard
   */
  public CompletableFuture<Void> checkFencedAsync() {
    return start(Decoder.NOTHING, (writer, completion, error) -> Native.weir_writer_check_fenced_async(writer, completion, error));
  }

  /**
   * The newest manifest that the writer has read or written, without asking the store.
   *
   * @return the manifest
   */
  public Manifest manifest() {
    return get(Decoder.MANIFEST, (writer, timeout, s) -> Native.weir_writer_manifest(writer, s.out, s.error));
  }

  /**
   * What the writer has done. Answers also after it failed.
   *
   * @return the statistics
   */
  public WriterStats stats() {
    return Records.get(this, WriterStats.class, Native.WeirWriterStats.LAYOUT, Native::weir_writer_stats);
  }

  /**
   * The memory that the writer holds. Answers also after it failed.
   *
   * @return the memory
   */
  public WriterMemory memory() {
    return Records.get(this, WriterMemory.class, Native.WeirWriterMemory.LAYOUT, Native::weir_writer_memory);
  }

  /**
   * What the writer's MemTables hold and have done. Answers also after it failed.
   *
   * @return the statistics
   * @throws UnsupportedException without MemTables
   */
  public MemTableStats memTableStats() {
    return Records.get(this, MemTableStats.class, Native.WeirMemTableStats.LAYOUT, Native::weir_writer_memtable_stats);
  }

  // ---- Ending ----

  /**
   * Refuses further puts, waits until all are durable and all MemTables flushed, lets go of the shard, and frees the writer, also if that
   * fails. An interrupt does not end the wait: what was admitted would be lost. Closing again does nothing.
   *
   * @throws StorageException if a MemTable could not be flushed: its rows are in the log, and come back when the shard is opened again
   * @throws FencedException and {@link PoisonedException}: what was not durable may be lost
   */
  @Override
  public void close() {
    Waiting.check();
    try {
      close(Waiting.FOREVER);
    } finally {
      shut();
    }
  }

  /**
   * As {@link #close()}, and waits so long at most.
   *
   * @param timeout how long
   * @throws TimedOutException if not all is durable and flushed; puts are refused from now on, and closing may be called again to wait on
   * @throws CancelledException if the virtual thread was interrupted; the same holds
   */
  public void close(Duration timeout) {
    close(Waiting.millis(timeout));
  }

  private void close(long timeoutMs) {
    finish(
        "closing a writer",
        timeoutMs,
        (writer, timeout, s) -> Native.weir_writer_close(writer, timeout, s.error),
        (writer, completion, error) -> Native.weir_writer_close_async(writer, completion, error));
  }

  /**
   * {@link #close()} that does not wait. The writer is freed when the future completes, however it does.
   *
   * @return completes when all is durable and flushed
   */
  public CompletableFuture<Void> closeAsync() {
    if (isShut()) {
      return CompletableFuture.completedFuture(null);
    }
    return start(Decoder.NOTHING, (writer, completion, error) -> Native.weir_writer_close_async(writer, completion, error))
        .whenComplete((nothing, error) -> shut());
  }

  /**
   * Refuses further puts, forgets what is not durable, without I/O, and frees the writer; who waits gets {@link ClosedException}. What is
   * durable and in no generation yet is in the log, and comes back when the shard is opened again. Closing after it does nothing.
   */
  public void abort() {
    if (isShut()) {
      return;
    }
    try {
      get(Decoder.NOTHING, (writer, timeout, s) -> Native.weir_writer_abort(writer, s.error));
    } catch (ClosedException e) {
      // somebody else was faster
    } finally {
      shut();
    }
  }
}
