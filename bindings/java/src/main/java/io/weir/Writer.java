package io.weir;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.c.Data;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.DictionaryProvider;
import org.apache.arrow.vector.ipc.ArrowReader;

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
public final class Writer extends OpenHandle implements AutoCloseable {
  private final boolean durable;

  Writer(MemorySegment pointer, boolean durable) {
    super(pointer);
    this.durable = durable;
  }

  static Decoder<Writer> decoder(MemorySegment options) {
    boolean durable = options.get(ValueLayout.JAVA_BYTE, Native.WeirWriterOptions.durable) != 0;
    return (raw, ack) -> new Writer(MemorySegment.ofAddress(raw), durable);
  }

  @Override
  String kind() {
    return "writer";
  }

  @Override
  void freeNative(MemorySegment pointer) {
    Native.weir_writer_free(pointer);
  }

  // ---- Putting ----

  /**
   * Puts a batch. A durable writer's put returns when the batch's entry is durable; any other's when it is admitted.
   *
   * @param root the batch, of the writer's schema
   * @return sequence, position and epoch
   * @throws InvalidDataException and {@link SchemaMismatchException}: nothing was accepted, and the writer goes on
   * @throws FencedException and {@link PoisonedException}: for ever
   */
  public Ack put(VectorSchemaRoot root) {
    return put(root, null, Waiting.FOREVER);
  }

  /**
   * Puts a batch and waits so long at most.
   *
   * @param root the batch, of the writer's schema
   * @param timeout how long to wait for room and for durability
   * @return sequence, position and epoch
   * @throws BackpressureException if there was no room in time; nothing was accepted
   * @throws OutcomeUnknownException if the batch was accepted and was not durable in time; it still may become so
   */
  public Ack put(VectorSchemaRoot root, Duration timeout) {
    return put(root, null, Waiting.millis(timeout));
  }

  /**
   * Puts a batch that has dictionaries.
   *
   * @param root the batch, of the writer's schema
   * @param dictionaries its dictionaries
   * @return sequence, position and epoch
   */
  public Ack put(VectorSchemaRoot root, DictionaryProvider dictionaries) {
    return put(root, dictionaries, Waiting.FOREVER);
  }

  private Ack put(VectorSchemaRoot root, DictionaryProvider dictionaries, long timeoutMs) {
    if (Thread.currentThread().isVirtual()) {
      return new Offer() {
        @Override
        Ack put(long timeoutMs) {
          try (Scratch scratch = Scratch.take()) {
            return putBlocking(Batches.export(root, dictionaries, scratch), timeoutMs, null);
          }
        }

        @Override
        CompletableFuture<Ack> start() {
          return putAsync(root, dictionaries);
        }
      }.settle(timeoutMs);
    }
    Waiting.check();
    try (Scratch scratch = Scratch.take()) {
      return putBlocking(Batches.export(root, dictionaries, scratch), timeoutMs, null);
    }
  }

  /**
   * Puts a batch that was exported.
   *
   * <p>On a virtual thread it waits for room as {@link #put(VectorSchemaRoot)} does, but cannot be offered twice: when other threads take
   * the room just then, it is refused with {@link BackpressureException}.
   *
   * @param array the batch; consumed
   * @return sequence, position and epoch
   */
  public Ack put(ArrowArray array) {
    return put(array, Waiting.FOREVER);
  }

  /**
   * Puts a batch that was exported, and waits so long at most.
   *
   * @param array the batch; consumed
   * @param timeout how long to wait for room and for durability
   * @return sequence, position and epoch
   */
  public Ack put(ArrowArray array, Duration timeout) {
    return put(array, Waiting.millis(timeout));
  }

  private Ack put(ArrowArray array, long timeoutMs) {
    if (Thread.currentThread().isVirtual()) {
      return putOnVirtualThread(array, timeoutMs);
    }
    try {
      Waiting.check();
    } catch (WeirException e) {
      Batches.discard(array);
      throw e;
    }
    return putBlocking(Batches.address(array), timeoutMs, array);
  }

  /** One call of the library's, on this thread. */
  private Ack putBlocking(MemorySegment array, long timeoutMs, ArrowArray owner) {
    MemorySegment writer;
    try {
      writer = acquire();
    } catch (ClosedException e) {
      Batches.discard(owner != null ? owner : ArrowArray.wrap(array.address()));
      throw e;
    }
    try (Scratch scratch = Scratch.take()) {
      int status = Native.weir_writer_put(writer, array, timeoutMs, scratch.ack, scratch.error);
      if (status != Native.WEIR_STATUS_OK) {
        throw WeirException.take(status, scratch.errorPointer());
      }
      return Ack.read(scratch.ack);
    } finally {
      release();
    }
  }

  private Ack putOnVirtualThread(ArrowArray array, long timeoutMs) {
    try {
      Waiting.Deadline deadline = new Waiting.Deadline(timeoutMs);
      long limit = crowded();
      if (limit > 0 && timeoutMs != 0) {
        Waiting.await(waitCapacityAsync(limit / 2), timeoutMs, Status.BACKPRESSURE, "waiting for room");
      }
      timeoutMs = deadline.left();
    } catch (WeirException e) {
      Batches.discard(array);
      throw e;
    }
    return durable ? awaitDurable(putAsync(array), timeoutMs) : putBlocking(Batches.address(array), 0, array);
  }

  /** The limit on pending bytes, if more than half of it is taken; else 0. */
  private long crowded() {
    MemorySegment writer = acquire();
    try (Scratch scratch = Scratch.take()) {
      MemorySegment memory = scratch.array;
      memory.set(ValueLayout.JAVA_INT, Native.WeirWriterMemory.struct_size, (int) Native.WeirWriterMemory.SIZE);
      scratch.check(Native.weir_writer_memory(writer, memory, scratch.error));
      long limit = Decoder.number(memory, Native.WeirWriterMemory.limit_bytes);
      long used =
          Decoder.number(memory, Native.WeirWriterMemory.pending_bytes)
              + Decoder.number(memory, Native.WeirWriterMemory.in_flight_bytes)
              + Decoder.number(memory, Native.WeirWriterMemory.reserved_bytes);
      return used > limit / 2 ? limit : 0;
    } finally {
      release();
    }
  }

  private static Ack awaitDurable(CompletableFuture<Ack> future, long timeoutMs) {
    return Waiting.await(future, timeoutMs, Status.OUTCOME_UNKNOWN, "a put was accepted and may still become durable");
  }

  /**
   * A put on a virtual thread: one that does not wait for room, and where it finds none, waits for that in a way that does not hold the
   * carrier, and is offered again.
   */
  private abstract class Offer {
    /** A call that returns when the batch is admitted. */
    abstract Ack put(long timeoutMs);

    /** A call whose future completes when the batch is durable. */
    abstract CompletableFuture<Ack> start();

    final Ack settle(long timeoutMs) {
      Waiting.Deadline deadline = new Waiting.Deadline(timeoutMs);
      while (true) {
        try {
          return durable ? awaitDurable(start(), deadline.left()) : put(0);
        } catch (BackpressureException refused) {
          if (deadline.left() == 0) {
            throw refused;
          }
          try {
            Waiting.await(waitCapacityAsync(refused.bytes()), deadline.left(), Status.TIMED_OUT, "waiting for room");
          } catch (TimedOutException late) {
            throw refused;
          }
        }
      }
    }
  }

  /**
   * Puts a batch and returns at once. The future completes as {@link #put(VectorSchemaRoot)} returns. Never waits for room: where there is
   * none, the future fails with {@link BackpressureException}, see {@link #waitCapacityAsync}.
   *
   * @param root the batch, of the writer's schema
   * @return sequence, position and epoch
   */
  public CompletableFuture<Ack> putAsync(VectorSchemaRoot root) {
    return putAsync(root, null);
  }

  /**
   * Puts a batch that has dictionaries, as {@link #putAsync(VectorSchemaRoot)}.
   *
   * @param root the batch, of the writer's schema
   * @param dictionaries its dictionaries
   * @return sequence, position and epoch
   */
  public CompletableFuture<Ack> putAsync(VectorSchemaRoot root, DictionaryProvider dictionaries) {
    try (Scratch scratch = Scratch.take()) {
      return putAsync(ArrowArray.wrap(Batches.export(root, dictionaries, scratch).address()));
    }
  }

  /**
   * Puts a batch that was exported, as {@link #putAsync(VectorSchemaRoot)}.
   *
   * @param array the batch; consumed
   * @return sequence, position and epoch
   */
  public CompletableFuture<Ack> putAsync(ArrowArray array) {
    CompletableFuture<Ack> future =
        start(
            Decoder.ACK,
            (writer, completion, error) -> Native.weir_writer_put_async(writer, Batches.address(array), completion, error));
    if (future.isCompletedExceptionally()) {
      Batches.discard(array); // if it did not come to the call
    }
    return future;
  }

  /**
   * Puts all batches of a reader, one after the other. A durable writer's call returns when the last is durable, which takes far fewer
   * entries than as many puts.
   *
   * @param reader the reader, of the writer's schema; closed on every return
   * @param allocator what the batches are accounted to while they are handed over
   * @return the last batch's acknowledgement; zeros if there were none
   * @throws WeirException as of a put; its detail {@code accepted} says how many batches were accepted before
   */
  public Ack putStream(ArrowReader reader, BufferAllocator allocator) {
    try (ArrowArrayStream stream = ArrowArrayStream.allocateNew(allocator)) {
      Data.exportArrayStream(allocator, reader, stream);
      return putStream(stream);
    }
  }

  /**
   * Puts all batches of a stream that was exported, as {@link #putStream(ArrowReader, BufferAllocator)}.
   *
   * @param stream the stream; consumed
   * @return the last batch's acknowledgement
   */
  public Ack putStream(ArrowArrayStream stream) {
    return putStream(stream, Waiting.FOREVER);
  }

  /**
   * Puts all batches of a stream that was exported, and waits so long at most.
   *
   * @param stream the stream; consumed
   * @param timeout for all of them together
   * @return the last batch's acknowledgement
   * @throws TimedOutException if what was accepted was not durable in time
   */
  public Ack putStream(ArrowArrayStream stream, Duration timeout) {
    return putStream(stream, Waiting.millis(timeout));
  }

  private Ack putStream(ArrowArrayStream stream, long timeoutMs) {
    try {
      return run(
          "putting a stream",
          timeoutMs,
          Decoder.ACK,
          (writer, timeout, s) -> Native.weir_writer_put_stream(writer, Batches.address(stream), timeout, s.ack, s.error),
          (writer, completion, error) -> Native.weir_writer_put_stream_async(writer, Batches.address(stream), completion, error));
    } finally {
      Batches.discard(stream); // if it did not come to the call
    }
  }

  /**
   * {@link #putStream(ArrowArrayStream)} that does not wait. The stream is read on a thread of the library's.
   *
   * @param stream the stream; consumed
   * @return the last batch's acknowledgement
   */
  public CompletableFuture<Ack> putStreamAsync(ArrowArrayStream stream) {
    CompletableFuture<Ack> future =
        start(
            Decoder.ACK,
            (writer, completion, error) -> Native.weir_writer_put_stream_async(writer, Batches.address(stream), completion, error));
    Batches.discard(stream); // if it did not come to the call: the library moves it before it returns
    return future;
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

  // ---- Ending ----

  /**
   * Refuses further puts, waits until all are durable, lets go of the shard, and frees the writer, also if that fails. Closing again does
   * nothing.
   *
   * @throws FencedException and {@link PoisonedException}: what was not durable may be lost
   * @throws CancelledException if the virtual thread was interrupted: what was not durable may be lost
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
   * @throws TimedOutException if not all is durable; puts are refused from now on, and closing may be called again to wait on
   */
  public void close(Duration timeout) {
    close(Waiting.millis(timeout));
  }

  private void close(long timeoutMs) {
    try {
      run(
          "closing a writer",
          timeoutMs,
          Decoder.NOTHING,
          (writer, timeout, s) -> Native.weir_writer_close(writer, timeout, s.error),
          (writer, completion, error) -> Native.weir_writer_close_async(writer, completion, error));
      shut();
    } catch (FencedException | PoisonedException e) {
      shut();
      throw e;
    } catch (ClosedException e) {
      if (!isShut()) {
        throw e; // the library's, after abort()
      }
    }
  }

  /**
   * {@link #close()} that does not wait. The writer is freed when the future completes, however it does.
   *
   * @return completes when all is durable
   */
  public CompletableFuture<Void> closeAsync() {
    if (isShut()) {
      return CompletableFuture.completedFuture(null);
    }
    return start(Decoder.NOTHING, (writer, completion, error) -> Native.weir_writer_close_async(writer, completion, error))
        .whenComplete((nothing, error) -> shut());
  }

  /**
   * Refuses further puts, forgets what is not durable, without I/O, and frees the writer; who waits gets {@link ClosedException}. Closing
   * after it does nothing.
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
