package io.weir;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Iterator;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.c.Data;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.ipc.ArrowReader;

/**
 * A reader of one shard's log. Any thread may use it, also while another closes it; calls of {@link #next()} take turns.
 *
 * <pre>{@code
 * for (Entry entry : tailer) {
 *   try (entry) {
 *     …
 *   }
 * }
 * }</pre>
 */
public final class Tailer extends OpenHandle implements AutoCloseable, Iterable<Entry> {
  static final Decoder<Tailer> DECODER = (raw, ack) -> new Tailer(MemorySegment.ofAddress(raw));

  /** Imports the schemas of the entries. */
  final SchemaMemo schemas = new SchemaMemo();

  /** A {@code WeirEntry *}, or null at the end of the log. */
  final Decoder<Entry> entries = (raw, ack) -> raw == 0 ? null : new Entry(MemorySegment.ofAddress(raw), schemas);

  private final Reads<Entry> reads =
      new Reads<>(
          new Reads.Origin<>() {
            @Override
            public CompletableFuture<Entry> read() {
              return start(entries, (tailer, completion, error) -> Native.weir_tailer_next_async(tailer, completion, error));
            }

            @Override
            public boolean isShut() {
              return Tailer.this.isShut();
            }

            @Override
            public void discard(Entry entry) {
              entry.close();
            }

            @Override
            public void seek(long position) {
              seekNow(position);
            }
          });

  /** Whether a publisher has a subscriber. */
  final AtomicBoolean subscribed = new AtomicBoolean();

  Tailer(MemorySegment pointer) {
    super(pointer);
  }

  @Override
  String kind() {
    return "tailer";
  }

  @Override
  void freeNative(MemorySegment pointer) {
    Native.weir_tailer_free(pointer);
  }

  // ---- Reading in order ----

  /**
   * Reads the next entry, in order. A following tailer waits for it.
   *
   * @return the entry, to be closed; null at the end of the log when not following
   * @throws TrimmedException if the position is gone
   * @throws CorruptionException naming the object
   * @throws CancelledException after {@link #interrupt()}, or if the virtual thread was interrupted
   * @throws NotFoundException if there is no such shard
   */
  public Entry next() {
    return next(Waiting.FOREVER);
  }

  /**
   * Reads the next entry, and waits so long at most.
   *
   * @param timeout how long to wait at the end of the log when following
   * @return the entry, to be closed; null at the end of the log when not following
   * @throws TimedOutException if there was none in time; nothing is lost
   */
  public Entry next(Duration timeout) {
    return next(Waiting.millis(timeout));
  }

  private Entry next(long timeoutMs) {
    if (Waiting.parks(timeoutMs) || reads.busy()) {
      return Waiting.await(reads.next(), timeoutMs, Status.TIMED_OUT, "reading the next entry");
    }
    return block(timeoutMs, entries, (tailer, timeout, s) -> Native.weir_tailer_next(tailer, timeout, s.out, s.error));
  }

  /**
   * {@link #next()} that does not wait. Nothing is lost when the future is cancelled: the entry goes to the next call.
   *
   * @return the entry, to be closed; null at the end of the log when not following
   */
  public CompletableFuture<Entry> nextAsync() {
    return reads.next();
  }

  /**
   * The entries from the tailer's position on: to the end of the log, or without end when following. Each is the receiver's to close.
   *
   * @return an iterator, whose methods throw what {@link #next()} does
   */
  @Override
  public Iterator<Entry> iterator() {
    return Spliterators.iterator(spliterator());
  }

  /**
   * The entries from the tailer's position on, in order.
   *
   * @return a spliterator that is not to be split
   */
  @Override
  public Spliterator<Entry> spliterator() {
    return new Spliterators.AbstractSpliterator<>(Long.MAX_VALUE, Spliterator.ORDERED | Spliterator.NONNULL) {
      @Override
      public boolean tryAdvance(Consumer<? super Entry> action) {
        Entry entry = next();
        if (entry != null) {
          action.accept(entry);
        }
        return entry != null;
      }

      @Override
      public Spliterator<Entry> trySplit() {
        return null; // it would read ahead without bound
      }
    };
  }

  /**
   * The entries from the tailer's position on: to the end of the log, or without end when following. Each is the receiver's to close.
   *
   * @return a sequential stream
   */
  public Stream<Entry> stream() {
    return StreamSupport.stream(spliterator(), false);
  }

  /**
   * The batches of all entries from the tailer's position on, sentinels left out. Shares the tailer's position: use one or the other. {@link
   * #interrupt()} and {@link #close()} end a call that waits.
   *
   * @param allocator what the batches are accounted to
   * @return a reader, to be closed
   */
  public ArrowReader reader(BufferAllocator allocator) {
    try (ArrowArrayStream stream = ArrowArrayStream.allocateNew(allocator)) {
      get(Decoder.NOTHING, (tailer, timeout, s) -> Native.weir_tailer_stream(tailer, Batches.address(stream), s.error));
      return Data.importArrayStream(allocator, stream);
    }
  }

  /**
   * The entries from the tailer's position on as a publisher, with the back-pressure of {@link Flow}: no more are read than were requested.
   * Each is the subscriber's to close. It completes at the end of the log when not following. There may be one subscriber at a time, and the
   * tailer must not be read from otherwise meanwhile. The subscriber is called on virtual threads, and may block.
   *
   * @return the publisher
   */
  public Flow.Publisher<Entry> publisher() {
    return publisher(Thread::startVirtualThread);
  }

  /**
   * As {@link #publisher()}, with the subscriber called by an executor.
   *
   * @param executor runs the subscriber
   * @return the publisher
   */
  public Flow.Publisher<Entry> publisher(Executor executor) {
    return new EntryPublisher(this, executor);
  }

  // ---- Positions ----

  /**
   * Reads the entry at a position, without moving the tailer.
   *
   * @param position the position, 1 or more
   * @return the entry, to be closed
   * @throws NotFoundException if it is not written yet
   * @throws TrimmedException if it is gone
   */
  public Entry read(long position) {
    return read(position, Waiting.FOREVER);
  }

  /**
   * Reads the entry at a position, and waits so long at most.
   *
   * @param position the position, 1 or more
   * @param timeout how long
   * @return the entry, to be closed
   */
  public Entry read(long position, Duration timeout) {
    return read(position, Waiting.millis(timeout));
  }

  private Entry read(long position, long timeoutMs) {
    return run(
        "reading position " + position,
        timeoutMs,
        entries,
        (tailer, timeout, s) -> Native.weir_tailer_read(tailer, position, timeout, s.out, s.error),
        (tailer, completion, error) -> Native.weir_tailer_read_async(tailer, position, completion, error));
  }

  /**
   * {@link #read(long)} that does not wait.
   *
   * @param position the position, 1 or more
   * @return the entry, to be closed
   */
  public CompletableFuture<Entry> readAsync(long position) {
    return start(entries, (tailer, completion, error) -> Native.weir_tailer_read_async(tailer, position, completion, error));
  }

  /**
   * The oldest position in the log; of an empty log, the first to be written.
   *
   * @return the position
   */
  public long firstPosition() {
    return firstPosition(Waiting.FOREVER);
  }

  /**
   * {@link #firstPosition()} that waits so long at most.
   *
   * @param timeout how long
   * @return the position
   */
  public long firstPosition(Duration timeout) {
    return firstPosition(Waiting.millis(timeout));
  }

  private long firstPosition(long timeoutMs) {
    return run(
        "looking for the first position",
        timeoutMs,
        Decoder.NUMBER,
        (tailer, timeout, s) -> Native.weir_tailer_first_position(tailer, timeout, s.out, s.error),
        (tailer, completion, error) -> Native.weir_tailer_first_position_async(tailer, completion, error));
  }

  /**
   * {@link #firstPosition()} that does not wait.
   *
   * @return the position
   */
  public CompletableFuture<Long> firstPositionAsync() {
    return start(Decoder.NUMBER, (tailer, completion, error) -> Native.weir_tailer_first_position_async(tailer, completion, error));
  }

  /**
   * The position after the newest entry: where the next one will be.
   *
   * @return the position
   */
  public long nextPosition() {
    return nextPosition(Waiting.FOREVER);
  }

  /**
   * {@link #nextPosition()} that waits so long at most.
   *
   * @param timeout how long
   * @return the position
   */
  public long nextPosition(Duration timeout) {
    return nextPosition(Waiting.millis(timeout));
  }

  private long nextPosition(long timeoutMs) {
    return run(
        "looking for the next position",
        timeoutMs,
        Decoder.NUMBER,
        (tailer, timeout, s) -> Native.weir_tailer_next_position(tailer, timeout, s.out, s.error),
        (tailer, completion, error) -> Native.weir_tailer_next_position_async(tailer, completion, error));
  }

  /**
   * {@link #nextPosition()} that does not wait.
   *
   * @return the position
   */
  public CompletableFuture<Long> nextPositionAsync() {
    return start(Decoder.NUMBER, (tailer, completion, error) -> Native.weir_tailer_next_position_async(tailer, completion, error));
  }

  /**
   * The position that {@link #next()} will read.
   *
   * @return the position; 0 = the oldest, not looked up yet
   */
  public long position() {
    MemorySegment tailer = acquire();
    try {
      return reads.position(Entry::position, () -> Native.weir_tailer_position(tailer));
    } finally {
      release();
    }
  }

  /**
   * Makes a position the next to be read, also for a call that waits.
   *
   * @param position the position; 0 = the oldest there is
   */
  public void seek(long position) {
    reads.seek(position, () -> seekNow(position));
  }

  private void seekNow(long position) {
    get(Decoder.NOTHING, (tailer, timeout, s) -> Native.weir_tailer_seek(tailer, position, s.error));
  }

  // ---- Ending ----

  /** Ends a call of {@link #next()} that waits with {@link CancelledException}; if none waits, the next one that would. */
  public void interrupt() {
    MemorySegment tailer;
    try {
      tailer = acquire();
    } catch (ClosedException e) {
      return;
    }
    try {
      Native.weir_tailer_interrupt(tailer);
    } finally {
      release();
    }
  }

  /** Ends calls that wait with {@link ClosedException}, and frees the tailer. Entries and readers stay valid. Closing again does nothing. */
  @Override
  public void close() {
    try {
      get(Decoder.NOTHING, (tailer, timeout, s) -> Native.weir_tailer_close(tailer, s.error));
    } catch (ClosedException e) {
      // it was closed before
    } finally {
      shut();
      reads.close();
    }
  }
}
