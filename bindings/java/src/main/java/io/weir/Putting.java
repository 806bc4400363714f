package io.weir;

import io.weir.Admission.Verb;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.c.Data;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.DictionaryProvider;
import org.apache.arrow.vector.ipc.ArrowReader;

/** What a writer is given: batches to put and keys to delete. */
abstract sealed class Putting extends Table permits Writer {
  private final Admission admission;
  private final SchemaCheck schema;

  Putting(MemorySegment pointer, boolean durable, SchemaCheck schema) {
    super(pointer);
    this.schema = schema;
    admission = new Admission(this, durable);
  }

  /**
   * Puts a batch. A durable writer's put returns when the batch's entry is durable; any other's when it is admitted. With MemTables it can be
   * read from then on, and with a primary key its rows replace those of the same keys.
   *
   * @param root the batch, of the writer's schema
   * @return sequence, position and epoch
   * @throws InvalidDataException also for a key that is null, with the details {@code row} and {@code column}, and {@link
   *     SchemaMismatchException}: nothing was accepted, and the writer goes on
   * @throws FencedException and {@link PoisonedException}: for ever
   * @throws CancelledException if the virtual thread was interrupted and nothing was accepted
   * @throws OutcomeUnknownException if the virtual thread was interrupted after the batch was accepted; it still may become durable
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
    return admission.settle(Verb.PUT, Source.of(root, dictionaries, schema), timeoutMs);
  }

  /**
   * Puts a batch that was exported. It has no schema with it: that it is of the writer's is checked as far as its buffers show it.
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
    return admission.settle(Verb.PUT, array, timeoutMs);
  }

  /**
   * Puts a batch and returns at once. The future completes as {@link #put(VectorSchemaRoot)} returns. Never waits for room: where there is
   * none, the future fails with {@link BackpressureException}, see {@link Writer#waitCapacityAsync}.
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
    return admission.start(Verb.PUT, Source.of(root, dictionaries, schema));
  }

  /**
   * Puts a batch that was exported, as {@link #putAsync(VectorSchemaRoot)}.
   *
   * @param array the batch; consumed
   * @return sequence, position and epoch
   */
  public CompletableFuture<Ack> putAsync(ArrowArray array) {
    return admission.start(Verb.PUT, Source.of(array));
  }

  /**
   * Puts all batches of a reader, one after the other. A durable writer's call returns when the last is durable, which takes far fewer
   * entries than as many puts.
   *
   * @param reader the reader, of the writer's schema; closed on every return
   * @param allocator what the batches are accounted to while they are handed over
   * @return the last batch's acknowledgement; zeros if there were none
   * @throws OutcomeUnknownException if the virtual thread was interrupted while batches were accepted
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
      return admission.settle(stream, timeoutMs);
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
    CompletableFuture<Ack> future = admission.start(stream);
    Batches.discard(stream); // if it did not come to the call: the library moves it before it returns
    return future;
  }

  // ---- Deleting ----

  /**
   * Deletes the rows of some primary keys; whether there are such rows is not looked at. A delete is a put of its own, ordered among the
   * others: what was put before it is gone, what is put after it stays. It returns when a put would.
   *
   * @param keys the keys
   * @return sequence, position and epoch
   * @throws InvalidDataException for a key that is null; none is deleted
   * @throws UnsupportedException without MemTables or without a primary key
   */
  public Ack delete(VectorSchemaRoot keys) {
    return delete(keys, Waiting.FOREVER);
  }

  /**
   * Deletes the rows of some primary keys, and waits so long at most.
   *
   * @param keys the keys
   * @param timeout how long to wait for room and for durability
   * @return sequence, position and epoch
   * @throws BackpressureException if there was no room in time; nothing was accepted
   * @throws OutcomeUnknownException if the delete was accepted and was not durable in time; it still may become so
   */
  public Ack delete(VectorSchemaRoot keys, Duration timeout) {
    return delete(keys, Waiting.millis(timeout));
  }

  private Ack delete(VectorSchemaRoot keys, long timeoutMs) {
    return admission.settle(Verb.DELETE, keys(keys), timeoutMs);
  }

  /**
   * Deletes the rows of keys that were exported. On a virtual thread it waits for room as {@link #put(ArrowArray)} does.
   *
   * @param keys the keys, of exactly {@link #keySchema()}; consumed
   * @return sequence, position and epoch
   */
  public Ack delete(ArrowArray keys) {
    return admission.settle(Verb.DELETE, keys, Waiting.FOREVER);
  }

  /**
   * Deletes the rows of some primary keys and returns at once, as {@link #putAsync(VectorSchemaRoot)}.
   *
   * @param keys the keys, whose buffers must not be changed until the future completes
   * @return sequence, position and epoch
   */
  public CompletableFuture<Ack> deleteAsync(VectorSchemaRoot keys) {
    return admission.start(Verb.DELETE, keys(keys));
  }

  /**
   * Deletes the rows of keys that were exported and returns at once, as {@link #putAsync(ArrowArray)}.
   *
   * @param keys the keys, of exactly {@link #keySchema()}; consumed
   * @return sequence, position and epoch
   */
  public CompletableFuture<Ack> deleteAsync(ArrowArray keys) {
    return admission.start(Verb.DELETE, Source.of(keys));
  }
}
