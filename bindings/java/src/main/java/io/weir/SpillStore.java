package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * Scratch space for what does not fit into memory: sort runs, partitions, hash tables. What is written is deleted when its last reader lets go
 * of it, and reclaimed by the same user's next process at that place if this one is killed. All that is written through a store obeys its
 * cap together. Any thread may use it.
 *
 * <p>One is made by {@link Weir#spillStore}, {@link Session#spillStore()} or {@link #child}.
 */
public final class SpillStore extends OpenHandle implements AutoCloseable {
  static final Decoder<SpillStore> DECODER = (raw, ack) -> new SpillStore(MemorySegment.ofAddress(raw));

  SpillStore(MemorySegment pointer) {
    super(pointer);
  }

  @Override
  String kind() {
    return "spill store";
  }

  @Override
  void freeNative(MemorySegment pointer) {
    Native.weir_spill_store_free(pointer);
  }

  /**
   * Closes the store. Its writers, spills and children go on and keep what they need of it; what an object store deletes is not waited for, see
   * {@link #shutdown}. Closing again does nothing.
   */
  @Override
  public void close() {
    shut();
  }

  /**
   * Ends the store for all that share it: no spill begins from now on, neither in it nor in its children ({@link ClosedException}). Spills and
   * writers that are open go on. Waits until what was closed before is gone from storage: an object store deletes in the background, so a program
   * that ends without this leaves objects behind for a later store to reclaim. If nothing of the store is open, its own directory is gone as well,
   * else that goes with the last of them. The store is still to be closed.
   *
   * @param timeout how long to wait
   * @throws TimedOutException if not all is gone by then; call again to wait on
   */
  public void shutdown(Duration timeout) {
    run(
        "shutting down a spill store",
        Waiting.millis(timeout),
        Decoder.NOTHING,
        (store, time, s) -> Native.weir_spill_store_close(store, time, s.error),
        (store, completion, error) -> Native.weir_spill_store_close_async(store, completion, error));
  }

  /**
   * {@link #shutdown} that does not wait.
   *
   * @return completes when all is gone
   */
  public CompletableFuture<Void> shutdownAsync() {
    return start(Decoder.NOTHING, (store, completion, error) -> Native.weir_spill_store_close_async(store, completion, error));
  }

  /**
   * Makes a store whose spills count against its own cap and against this one's, such as one per tenant or per query. It shares the place of
   * this one and has statistics of its own.
   *
   * @param capBytes the child's cap; {@link SpillStoreOptions#NO_CAP} = none but those above
   * @return the child, to be closed, also after this one
   */
  public SpillStore child(long capBytes) {
    if (capBytes < 0 && capBytes != SpillStoreOptions.NO_CAP) {
      throw WeirException.of(Status.INVALID_ARGUMENT, "the cap is negative: " + capBytes);
    }
    return get(DECODER, (store, timeout, s) -> Native.weir_spill_store_child(store, capBytes, s.out, s.error));
  }

  /**
   * Begins a spill of bytes. Does no I/O.
   *
   * @return the writer, to be finished or closed
   */
  public SpillWriter begin() {
    return begin(SpillOptions.defaults());
  }

  /**
   * Begins a spill of bytes. Does no I/O.
   *
   * @param options the options
   * @return the writer, to be finished or closed
   */
  public SpillWriter begin(SpillOptions options) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment settings = options.encode(arena);
      return get(SpillWriter.decoder(null), (store, timeout, s) -> Native.weir_spill_begin(store, settings, s.out, s.error));
    }
  }

  /**
   * Begins a spill of batches, each of which can be read back by its number. Does no I/O.
   *
   * @param schema the schema of every batch to come
   * @return the writer, to be finished or closed
   */
  public SpillWriter beginBatches(Schema schema) {
    return beginBatches(schema, SpillOptions.defaults());
  }

  /**
   * Begins a spill of batches, each of which can be read back by its number. Does no I/O.
   *
   * @param schema the schema of every batch to come
   * @param options the options
   * @return the writer, to be finished or closed
   */
  public SpillWriter beginBatches(Schema schema, SpillOptions options) {
    return Batches.withSchema(schema, struct -> beginBatches(new SchemaCheck("spill", schema, struct), struct, options));
  }

  /**
   * Begins a spill of batches with a schema that was exported, such as one with dictionaries.
   *
   * @param schema the schema of every batch to come; borrowed for the call
   * @param options the options
   * @return the writer, to be finished or closed
   */
  public SpillWriter beginBatches(ArrowSchema schema, SpillOptions options) {
    return beginBatches(new SchemaCheck("spill", null, schema), schema, options);
  }

  private SpillWriter beginBatches(SchemaCheck check, ArrowSchema schema, SpillOptions options) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment settings = options.encode(arena);
      return get(
          SpillWriter.decoder(check),
          (store, timeout, s) -> Native.weir_spill_begin_batches(store, Batches.address(schema), settings, s.out, s.error));
    }
  }

  /**
   * The bytes that the store holds now, its children's included.
   *
   * @return bytes
   */
  public long usedBytes() {
    MemorySegment store = acquire();
    try {
      return Native.weir_spill_store_used_bytes(store);
    } finally {
      release();
    }
  }

  /**
   * The store's own cap.
   *
   * @return bytes; {@link SpillStoreOptions#NO_CAP} if it has none
   */
  public long capBytes() {
    MemorySegment store = acquire();
    try {
      return Native.weir_spill_store_cap_bytes(store);
    } finally {
      release();
    }
  }

  /**
   * What the store holds and did.
   *
   * @return the statistics
   */
  public SpillStats stats() {
    return Records.get(this, SpillStats.class, Native.WeirSpillStats.LAYOUT, Native::weir_spill_store_stats);
  }
}
