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
  private final SchemaCheck schema;

  private Appender(MemorySegment pointer, SchemaCheck schema) {
    super(pointer);
    this.schema = schema;
  }

  static Decoder<Appender> decoder(SchemaCheck schema) {
    return (raw, ack) -> new Appender(MemorySegment.ofAddress(raw), schema);
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
   * @throws OutcomeUnknownException if the virtual thread was interrupted while it waited: the entry may be in the log or still appear in it
   * @throws FencedException and {@link PoisonedException}: for ever
   */
  public long append(VectorSchemaRoot root) {
    return append(Source.of(root, null, schema), Waiting.FOREVER);
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
    return append(Source.of(root, null, schema), Waiting.millis(timeout));
  }

  /**
   * Appends a batch that has dictionaries.
   *
   * @param root the batch, of the appender's schema
   * @param dictionaries its dictionaries
   * @return the entry's position
   */
  public long append(VectorSchemaRoot root, DictionaryProvider dictionaries) {
    return append(Source.of(root, dictionaries, schema), Waiting.FOREVER);
  }

  /**
   * Appends a batch that was exported. It has no schema with it: that it is of the appender's is checked as far as its buffers show it.
   *
   * @param array the batch; consumed
   * @return the entry's position
   */
  public long append(ArrowArray array) {
    return append(Source.of(array), Waiting.FOREVER);
  }

  /**
   * Appends a batch that was exported, and waits so long at most.
   *
   * @param array the batch; consumed
   * @param timeout how long
   * @return the entry's position
   */
  public long append(ArrowArray array, Duration timeout) {
    return append(Source.of(array), Waiting.millis(timeout));
  }

  private long append(Source batch, long timeoutMs) {
    if (Waiting.parks(timeoutMs)) {
      CompletableFuture<Long> future =
          batch.with(
              (array, none) -> {
                Waiting.checkInterrupted("nothing was appended");
                return start(array);
              });
      return Waiting.await(
          future, timeoutMs, Status.TIMED_OUT, Status.OUTCOME_UNKNOWN, "an entry was handed to the appender and may be in the log");
    }
    return batch.with(
        (array, none) ->
            block(
                timeoutMs,
                Decoder.NUMBER,
                (appender, timeout, s) -> Native.weir_appender_append(appender, array, timeout, s.out, s.error)));
  }

  private CompletableFuture<Long> start(MemorySegment array) {
    return start(
        Decoder.NUMBER, (appender, completion, error) -> Native.weir_appender_append_async(appender, array, completion, error));
  }

  /**
   * {@link #append(VectorSchemaRoot)} that does not wait.
   *
   * @param root the batch, of the appender's schema
   * @return the entry's position
   */
  public CompletableFuture<Long> appendAsync(VectorSchemaRoot root) {
    return Source.of(root, null, schema).start((array, none) -> start(array));
  }

  /**
   * {@link #append(ArrowArray)} that does not wait.
   *
   * @param array the batch; consumed
   * @return the entry's position
   */
  public CompletableFuture<Long> appendAsync(ArrowArray array) {
    return Source.of(array).start((given, none) -> start(given));
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

  /**
   * Waits for an append that is under way, lets go of the shard, and frees the appender. An interrupt does not end the wait. Closing again does
   * nothing.
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
   * @throws TimedOutException if an append is still under way; closing may be called again to wait on
   */
  public void close(Duration timeout) {
    close(Waiting.millis(timeout));
  }

  private void close(long timeoutMs) {
    finish(
        "closing an appender",
        timeoutMs,
        (appender, timeout, s) -> Native.weir_appender_close(appender, timeout, s.error),
        (appender, completion, error) -> Native.weir_appender_close_async(appender, completion, error));
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
