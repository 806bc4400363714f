package io.weir;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Iterator;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.c.Data;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.ArrowReader;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * Rows of one moment, read as they are asked for. Any thread may use it, also while another closes it; calls of {@link #next()} take turns.
 *
 * <pre>{@code
 * try (Scan scan = writer.scan(ScanOptions.where(column("id").ge(20)), allocator)) {
 *   for (VectorSchemaRoot rows : scan) {
 *     try (rows) {
 *       …
 *     }
 *   }
 * }
 * }</pre>
 *
 * <p>Columns with dictionaries come by {@link #reader()} or {@link #exportStream}.
 */
public final class Scan extends OpenHandle implements AutoCloseable, Iterable<VectorSchemaRoot> {
  private final BufferAllocator allocator;
  private final Reads<VectorSchemaRoot> reads =
      new Reads<>(
          new Reads.Origin<>() {
            @Override
            public CompletableFuture<VectorSchemaRoot> read() {
              return start(batches(), (scan, completion, error) -> Native.weir_scan_next_async(scan, completion, error));
            }

            @Override
            public boolean isShut() {
              return Scan.this.isShut();
            }

            @Override
            public void discard(VectorSchemaRoot rows) {
              rows.close();
            }
          });
  private volatile Schema schema;

  Scan(MemorySegment pointer, BufferAllocator allocator) {
    super(pointer);
    this.allocator = allocator;
  }

  @Override
  String kind() {
    return "scan";
  }

  @Override
  void freeNative(MemorySegment pointer) {
    Native.weir_scan_free(pointer);
  }

  /**
   * The schema of the batches.
   *
   * @return the schema
   * @throws UnsupportedException if a column has a dictionary
   */
  public Schema schema() {
    Schema known = schema;
    if (known == null) {
      known = Batches.plainSchemaOf(this, Native::weir_scan_schema);
      schema = known;
    }
    return known;
  }

  /** A {@code WeirBatch *}, or null at the end. */
  private Decoder<VectorSchemaRoot> batches() {
    return Batches.decoder(schema(), allocator);
  }

  /**
   * Reads the next rows.
   *
   * @return the rows, at least one, to be closed; null at the end
   * @throws NotFoundException if what it reads was merged and removed meanwhile: begin anew
   * @throws ClosedException after {@link #reader()} or {@link #exportStream}
   */
  public VectorSchemaRoot next() {
    return next(Waiting.FOREVER);
  }

  /**
   * Reads the next rows, and waits so long at most.
   *
   * @param timeout how long
   * @return the rows, at least one, to be closed; null at the end
   * @throws TimedOutException if they were not read in time; they come with the next call
   */
  public VectorSchemaRoot next(Duration timeout) {
    return next(Waiting.millis(timeout));
  }

  private VectorSchemaRoot next(long timeoutMs) {
    if (Waiting.parks(timeoutMs) || reads.busy()) {
      schema();
      return Waiting.await(reads.next(), timeoutMs, Status.TIMED_OUT, "reading the next rows");
    }
    return block(timeoutMs, batches(), (scan, timeout, s) -> Native.weir_scan_next(scan, timeout, s.out, s.error));
  }

  /**
   * {@link #next()} that does not wait. Nothing is lost when the future is cancelled: the rows go to the next call.
   *
   * @return the rows, at least one, to be closed; null at the end
   */
  public CompletableFuture<VectorSchemaRoot> nextAsync() {
    try {
      schema();
    } catch (WeirException e) {
      return CompletableFuture.failedFuture(e);
    }
    return reads.next();
  }

  /**
   * The rest of the rows. Each batch is the receiver's to close.
   *
   * @return an iterator, whose methods throw what {@link #next()} does
   */
  @Override
  public Iterator<VectorSchemaRoot> iterator() {
    return Spliterators.iterator(spliterator());
  }

  /**
   * The rest of the rows, in order.
   *
   * @return a spliterator that is not to be split
   */
  @Override
  public Spliterator<VectorSchemaRoot> spliterator() {
    return new Spliterators.AbstractSpliterator<>(Long.MAX_VALUE, Spliterator.ORDERED | Spliterator.NONNULL) {
      @Override
      public boolean tryAdvance(Consumer<? super VectorSchemaRoot> action) {
        VectorSchemaRoot rows = next();
        if (rows != null) {
          action.accept(rows);
        }
        return rows != null;
      }

      @Override
      public Spliterator<VectorSchemaRoot> trySplit() {
        return null; // it would read ahead without bound
      }
    };
  }

  /**
   * The rest of the rows. Each batch is the receiver's to close.
   *
   * @return a sequential stream
   */
  public Stream<VectorSchemaRoot> stream() {
    return StreamSupport.stream(spliterator(), false);
  }

  /**
   * The rest of the rows as a reader of Arrow's, which has them from then on: a later {@link #next()} is {@link ClosedException}. The scan may
   * be closed before it.
   *
   * @return a reader, to be closed
   */
  public ArrowReader reader() {
    try (ArrowArrayStream stream = ArrowArrayStream.allocateNew(allocator)) {
      exportStream(stream);
      return Data.importArrayStream(allocator, stream);
    }
  }

  /**
   * Exports the rest of the rows to a C struct, which has them from then on, as {@link #reader()}.
   *
   * @param out receives the stream, to be released or imported
   */
  public void exportStream(ArrowArrayStream out) {
    get(Decoder.NOTHING, (scan, timeout, s) -> Native.weir_scan_stream(scan, Batches.address(out), s.error));
  }

  /**
   * Exports the schema to a C struct.
   *
   * @param out receives the schema, to be released or imported
   */
  public void exportSchema(ArrowSchema out) {
    get(Decoder.NOTHING, (scan, timeout, s) -> Native.weir_scan_schema(scan, Batches.address(out), s.error));
  }

  /** Closes the scan. Calls under way go on to their end, and rows and the reader stay valid. Closing again does nothing. */
  @Override
  public void close() {
    shut();
    reads.close();
  }
}
