package io.weir;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.DictionaryProvider;

/**
 * The owner of a shard, which appends one entry per call and buffers nothing. Any thread may use it, also while another closes it; appends
 * take turns. What {@link Writer} says of batches holds here, too.
 */
public final class Appender extends OpenHandle implements AutoCloseable {
  static final Decoder<Appender> DECODER = (raw, ack) -> new Appender(MemorySegment.ofAddress(raw));

  Appender(MemorySegment pointer) {
    super(pointer);
  }

  @Override
  String kind() {
    return "appender";
  }

  @Override
  void freeNative(MemorySegment pointer) {
    Native.weir_appender_free(pointer);
  }

  /**
   * Appends a batch as one entry, and returns when it is durable.
   *
   * @param root the batch, of the appender's schema
   * @return the entry's position
   * @throws InvalidDataException and {@link SchemaMismatchException}: nothing was written, and the appender goes on
   * @throws FencedException and {@link PoisonedException}: for ever
   */
  public long append(VectorSchemaRoot root) {
    return append(root, null, Waiting.FOREVER);
  }

  /**
   * Appends a batch as one entry, and waits so long at most.
   *
   * @param root the batch, of the appender's schema
   * @param timeout how long
   * @return the entry's position
   * @throws TimedOutException if it took longer: the entry may be in the log or still appear in it; later appends go after it
   */
  public long append(VectorSchemaRoot root, Duration timeout) {
    return append(root, null, Waiting.millis(timeout));
  }

  /**
   * Appends a batch that has dictionaries.
   *
   * @param root the batch, of the appender's schema
   * @param dictionaries its dictionaries
   * @return the entry's position
   */
  public long append(VectorSchemaRoot root, DictionaryProvider dictionaries) {
    return append(root, dictionaries, Waiting.FOREVER);
  }

  private long append(VectorSchemaRoot root, DictionaryProvider dictionaries, long timeoutMs) {
    if (Thread.currentThread().isVirtual()) { // the scratch must not stay taken while the thread waits
      return Waiting.await(appendAsync(root, dictionaries), timeoutMs, Status.TIMED_OUT, "appending");
    }
    try (Scratch scratch = Scratch.take()) {
      return append(ArrowArray.wrap(Batches.export(root, dictionaries, scratch).address()), timeoutMs);
    }
  }

  /**
   * Appends a batch that was exported.
   *
   * @param array the batch; consumed
   * @return the entry's position
   */
  public long append(ArrowArray array) {
    return append(array, Waiting.FOREVER);
  }

  /**
   * Appends a batch that was exported, and waits so long at most.
   *
   * @param array the batch; consumed
   * @param timeout how long
   * @return the entry's position
   */
  public long append(ArrowArray array, Duration timeout) {
    return append(array, Waiting.millis(timeout));
  }

  private long append(ArrowArray array, long timeoutMs) {
    try {
      return run(
          "appending",
          timeoutMs,
          Decoder.NUMBER,
          (appender, timeout, s) -> Native.weir_appender_append(appender, Batches.address(array), timeout, s.out, s.error),
          (appender, completion, error) -> Native.weir_appender_append_async(appender, Batches.address(array), completion, error));
    } catch (WeirException e) {
      Batches.discard(array); // if it did not come to the call
      throw e;
    }
  }

  /**
   * {@link #append(VectorSchemaRoot)} that does not wait.
   *
   * @param root the batch, of the appender's schema
   * @return the entry's position
   */
  public CompletableFuture<Long> appendAsync(VectorSchemaRoot root) {
    return appendAsync(root, null);
  }

  private CompletableFuture<Long> appendAsync(VectorSchemaRoot root, DictionaryProvider dictionaries) {
    try (Scratch scratch = Scratch.take()) {
      return appendAsync(ArrowArray.wrap(Batches.export(root, dictionaries, scratch).address()));
    }
  }

  /**
   * {@link #append(ArrowArray)} that does not wait.
   *
   * @param array the batch; consumed
   * @return the entry's position
   */
  public CompletableFuture<Long> appendAsync(ArrowArray array) {
    CompletableFuture<Long> future =
        start(
            Decoder.NUMBER,
            (appender, completion, error) -> Native.weir_appender_append_async(appender, Batches.address(array), completion, error));
    if (future.isCompletedExceptionally()) {
      Batches.discard(array); // if it did not come to the call
    }
    return future;
  }

  /**
   * Asks the store whether the appender still owns the shard.
   *
   * @throws FencedException if it does not
   */
  public void checkFenced() {
    checkFenced(Waiting.FOREVER);
  }

  /**
   * Asks the store whether the appender still owns the shard, and waits so long at most.
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
        (appender, timeout, s) -> Native.weir_appender_check_fenced(appender, timeout, s.error),
        (appender, completion, error) -> Native.weir_appender_check_fenced_async(appender, completion, error));
  }

  /**
   * {@link #checkFenced()} that does not wait.
   *
   * @return completes if the appender owns the shard
   */
  public CompletableFuture<Void> checkFencedAsync() {
    return start(Decoder.NOTHING, (appender, completion, error) -> Native.weir_appender_check_fenced_async(appender, completion, error));
  }

  /**
   * The epoch under which the appender owns the shard.
   *
   * @return the epoch, 1 or more
   */
  public long epoch() {
    MemorySegment appender = acquire();
    try {
      return Native.weir_appender_epoch(appender);
    } finally {
      release();
    }
  }

  /** Waits for an append that is under way, lets go of the shard, and frees the appender. Closing again does nothing. */
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
   * @throws TimedOutException if an append is still under way; closing may be called again to wait on
   */
  public void close(Duration timeout) {
    close(Waiting.millis(timeout));
  }

  private void close(long timeoutMs) {
    try {
      run(
          "closing an appender",
          timeoutMs,
          Decoder.NOTHING,
          (appender, timeout, s) -> Native.weir_appender_close(appender, timeout, s.error),
          (appender, completion, error) -> Native.weir_appender_close_async(appender, completion, error));
      shut();
    } catch (ClosedException e) {
      if (!isShut()) {
        throw e;
      }
    }
  }

  /**
   * {@link #close()} that does not wait. The appender is freed when the future completes, however it does.
   *
   * @return completes when it is closed
   */
  public CompletableFuture<Void> closeAsync() {
    if (isShut()) {
      return CompletableFuture.completedFuture(null);
    }
    return start(Decoder.NOTHING, (appender, completion, error) -> Native.weir_appender_close_async(appender, completion, error))
        .whenComplete((nothing, error) -> shut());
  }
}
