package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * The newest rows of a shard: what a {@link Writer} with MemTables and a {@link Snapshot} have in common. Any thread may use it, also while
 * another closes it.
 *
 * <p>Keys are batches that have the primary key's columns, by name, whatever others they have. Those of exactly {@link #keySchema()} are the
 * fastest. A prepared {@link ArrowArray} of keys has to be of exactly that schema, and is consumed: released on every return, exceptions
 * included. Its struct remains the caller's to close.
 */
public abstract sealed class Table extends OpenHandle permits Putting, Snapshot {
  private final Staging staging = new Staging();
  private volatile Schema keySchema;

  /** A schema that was found to be that of the keys: most callers have one and the same. */
  private volatile Schema asKeys;

  /** What is known of the rows that have these columns; options that say so. */
  private record Shape(List<String> columns, MemorySegment options, Schema schema) {}

  private volatile Shape shape;

  Table(MemorySegment pointer) {
    super(pointer);
  }

  /** The library's functions for it. */
  interface Calls {
    int keySchema(MemorySegment table, MemorySegment schema, MemorySegment error);

    int readSchema(MemorySegment table, MemorySegment columns, long count, MemorySegment schema, MemorySegment error);

    int scan(
        MemorySegment table, MemorySegment options, MemorySegment values, MemorySegment schema, MemorySegment scan, MemorySegment error);

    int get(
        MemorySegment table, MemorySegment keys, MemorySegment schema, MemorySegment options, long timeoutMs, MemorySegment states, long count,
        MemorySegment rows, MemorySegment error);

    int getAsync(
        MemorySegment table, MemorySegment keys, MemorySegment schema, MemorySegment options, MemorySegment completion, MemorySegment error);
  }

  abstract Calls calls();

  // ---- Schemas ----

  /**
   * The schema of keys: the primary key's columns, in the key's order and of its types.
   *
   * @return the schema
   * @throws UnsupportedException without MemTables or without a primary key
   */
  public Schema keySchema() {
    Schema known = keySchema;
    if (known == null) {
      known = Batches.schemaOf(this, calls()::keySchema);
      keySchema = known;
    }
    return known;
  }

  private Shape shape(List<String> columns) {
    Shape known = shape;
    if (known != null && known.columns.equals(columns)) {
      return known;
    }
    Arena arena = Arena.ofAuto();
    MemorySegment names = Text.list(arena, "a column", columns);
    Schema schema =
        Batches.plainSchemaOf(this, (table, out, error) -> calls().readSchema(table, names, columns.size(), out, error));
    MemorySegment options = MemorySegment.NULL;
    if (!columns.isEmpty()) {
      options = arena.allocate(Native.WeirGetOptions.LAYOUT);
      Native.weir_get_options_init(options, (int) Native.WeirGetOptions.SIZE);
      Options.setList(options, Native.WeirGetOptions.columns, names, columns.size());
    }
    Shape found = new Shape(List.copyOf(columns), options, schema);
    shape = found;
    return found;
  }

  // ---- Keys ----

  /** Keys that are exported with their schema, unless that is the one that the library expects anyway. */
  final Source keys(VectorSchemaRoot keys) {
    return new Source() {
      @Override
      public <T> T with(Body<T> body) {
        try (Scratch scratch = Scratch.take()) {
          if (isKeySchema(keys.getSchema())) {
            MemorySegment array = Batches.export(keys, null, scratch);
            try {
              return body.call(array, MemorySegment.NULL);
            } finally {
              Batches.discard(array);
            }
          }
          try (ArrowSchema schema = ArrowSchema.allocateNew(Batches.own())) {
            MemorySegment array = Batches.export(keys, null, scratch, schema);
            try {
              return body.call(array, Batches.address(schema));
            } finally {
              Batches.discard(array);
              schema.release();
            }
          }
        }
      }
    };
  }

  private boolean isKeySchema(Schema schema) {
    if (schema == asKeys) {
      return true;
    }
    List<Field> fields = schema.getFields();
    List<Field> wanted = keySchema().getFields();
    if (fields.size() != wanted.size()) {
      return false;
    }
    for (int i = 0; i < fields.size(); i++) {
      Field field = fields.get(i);
      Field key = wanted.get(i);
      if (!field.getName().equals(key.getName())
          || !field.getType().equals(key.getType())
          || field.getDictionary() != null
          || key.getDictionary() != null
          || !field.getChildren().equals(key.getChildren())) {
        return false;
      }
    }
    asKeys = schema;
    return true;
  }

  // ---- Getting ----

  /**
   * The newest rows of some primary keys. A key may be asked for more than once. An answer that is in memory takes no other thread.
   *
   * @param keys the keys
   * @param allocator what the rows are accounted to while they live
   * @return a state for each key, and the rows that were found; to be closed
   * @throws InvalidDataException for a key that is null
   * @throws UnsupportedException without MemTables or without a primary key
   */
  public GetResult get(VectorSchemaRoot keys, BufferAllocator allocator) {
    return get(keys, List.of(), allocator, Waiting.FOREVER);
  }

  /**
   * Some columns of the newest rows of some primary keys.
   *
   * @param keys the keys
   * @param columns the names of the columns, in the order in which they are wanted; none for all
   * @param allocator what the rows are accounted to while they live
   * @return a state for each key, and the rows that were found; to be closed
   * @throws InvalidArgumentException naming a column that is not there or twice
   */
  public GetResult get(VectorSchemaRoot keys, List<String> columns, BufferAllocator allocator) {
    return get(keys, columns, allocator, Waiting.FOREVER);
  }

  /**
   * Some columns of the newest rows of some primary keys, for which it waits so long at most.
   *
   * @param keys the keys
   * @param columns the names of the columns, in the order in which they are wanted; none for all
   * @param allocator what the rows are accounted to while they live
   * @param timeout how long; zero does not wait for what is not in memory
   * @return a state for each key, and the rows that were found; to be closed
   * @throws TimedOutException if they were not read in time
   */
  public GetResult get(VectorSchemaRoot keys, List<String> columns, BufferAllocator allocator, Duration timeout) {
    return get(keys, columns, allocator, Waiting.millis(timeout));
  }

  private GetResult get(VectorSchemaRoot keys, List<String> columns, BufferAllocator allocator, long timeoutMs) {
    Waiting.check();
    if (!Waiting.parks(timeoutMs)) {
      return getBlocking(keys(keys), columns, allocator, timeoutMs);
    }
    try { // what is in memory is here at once
      return getBlocking(keys(keys), columns, allocator, 0);
    } catch (TimedOutException notInMemory) {
      return Waiting.await(getAsync(keys, columns, allocator), timeoutMs, Status.TIMED_OUT, "reading rows by key");
    }
  }

  /**
   * Some columns of the newest rows of keys that were exported.
   *
   * @param keys the keys, of exactly {@link #keySchema()}; consumed
   * @param columns the names of the columns, in the order in which they are wanted; none for all
   * @param allocator what the rows are accounted to while they live
   * @return a state for each key, and the rows that were found; to be closed
   */
  public GetResult get(ArrowArray keys, List<String> columns, BufferAllocator allocator) {
    Source source = Source.of(keys);
    if (Thread.currentThread().isVirtual()) {
      return Waiting.await(startGet(source, columns, allocator), Waiting.FOREVER, Status.TIMED_OUT, "reading rows by key");
    }
    return getBlocking(source, columns, allocator, Waiting.FOREVER);
  }

  /** One call of the library's, on this thread. */
  private GetResult getBlocking(Source keys, List<String> columns, BufferAllocator allocator, long timeoutMs) {
    return keys.with(
        (array, schema) -> {
          Waiting.check();
          Shape shape = shape(columns);
          long count = Batches.length(array);
          MemorySegment table = acquire();
          try (Scratch scratch = Scratch.take();
              Staging.Piece states = staging.take(Math.max(count, 1))) {
            scratch.check(
                calls().get(table, array, schema, shape.options, timeoutMs, states.memory(), count, scratch.array, scratch.error));
            ArrowArray rows = ArrowArray.wrap(scratch.array.address());
            return new GetResult(KeyState.list(states.memory(), count), Batches.importBatch(rows, shape.schema, allocator, null));
          } finally {
            release();
          }
        });
  }

  /**
   * {@link #get(VectorSchemaRoot, List, BufferAllocator)} that does not wait. Should the future be cancelled, rows that come nevertheless are
   * closed.
   *
   * @param keys the keys, which are the caller's again at once
   * @param columns the names of the columns, in the order in which they are wanted; none for all
   * @param allocator what the rows are accounted to while they live
   * @return a state for each key, and the rows that were found; to be closed
   */
  public CompletableFuture<GetResult> getAsync(VectorSchemaRoot keys, List<String> columns, BufferAllocator allocator) {
    return startGet(keys(keys), columns, allocator);
  }

  /**
   * {@link #get(ArrowArray, List, BufferAllocator)} that does not wait.
   *
   * @param keys the keys, of exactly {@link #keySchema()}; consumed
   * @param columns the names of the columns, in the order in which they are wanted; none for all
   * @param allocator what the rows are accounted to while they live
   * @return a state for each key, and the rows that were found; to be closed
   */
  public CompletableFuture<GetResult> getAsync(ArrowArray keys, List<String> columns, BufferAllocator allocator) {
    return startGet(Source.of(keys), columns, allocator);
  }

  private CompletableFuture<GetResult> startGet(Source keys, List<String> columns, BufferAllocator allocator) {
    return keys.start(
        (array, schema) -> {
          Shape shape = shape(columns);
          return start(
              (raw, ack) -> result(MemorySegment.ofAddress(raw), shape, allocator),
              (table, completion, error) -> calls().getAsync(table, array, schema, shape.options, completion, error));
        });
  }

  /** Takes over a {@code WeirBatch *} of a get's. */
  private static GetResult result(MemorySegment batch, Shape shape, BufferAllocator allocator) {
    try (Scratch scratch = Scratch.take()) {
      MemorySegment count = scratch.ack;
      Native.weir_batch_states(batch, scratch.out, count);
      long keys = count.get(ValueLayout.JAVA_LONG, 0);
      List<KeyState> states = KeyState.list(scratch.outPointer().reinterpret(keys), keys);
      scratch.check(Native.weir_batch_array(batch, scratch.array, scratch.error));
      ArrowArray rows = ArrowArray.wrap(scratch.array.address());
      return new GetResult(states, Batches.importBatch(rows, shape.schema, allocator, null));
    } finally {
      Native.weir_batch_free(batch);
    }
  }

  // ---- Scanning ----

  /**
   * Begins a scan of all columns of the newest rows. It sees one moment, however long it takes and whatever is put meanwhile: every put that
   * was acknowledged, and of a writer that is not durable every put that was admitted. Rows come in the order in which they were put; of rows
   * of one primary key, the newest. Nothing is read yet.
   *
   * @param allocator what the batches are accounted to while they live
   * @return the scan, to be closed; it may outlive what it was begun on
   * @throws UnsupportedException without MemTables
   */
  public Scan scan(BufferAllocator allocator) {
    return scan(ScanOptions.defaults(), allocator);
  }

  /**
   * Begins a scan of the newest rows, as {@link #scan(BufferAllocator)}.
   *
   * @param options what is wanted
   * @param allocator what the batches are accounted to while they live
   * @return the scan, to be closed; it may outlive what it was begun on
   * @throws InvalidArgumentException naming a column that is not there or twice
   * @throws SchemaMismatchException if a value is none of its column's
   */
  public Scan scan(ScanOptions options, BufferAllocator allocator) {
    try (Arena arena = Arena.ofConfined();
        ScanOptions.Values values = options.values(() -> shape(List.of()).schema, Batches.own())) {
      MemorySegment settings = options.encode(arena);
      VectorSchemaRoot row = values.row();
      if (row == null) {
        return beginScan(settings, MemorySegment.NULL, MemorySegment.NULL, allocator);
      }
      try (Scratch scratch = Scratch.take();
          ArrowSchema schema = ArrowSchema.allocateNew(Batches.own())) {
        MemorySegment array = Batches.export(row, null, scratch, schema);
        try {
          return beginScan(settings, array, Batches.address(schema), allocator);
        } finally {
          Batches.discard(array);
          schema.release();
        }
      }
    }
  }

  private Scan beginScan(MemorySegment settings, MemorySegment values, MemorySegment schema, BufferAllocator allocator) {
    return get(
        (raw, ack) -> new Scan(MemorySegment.ofAddress(raw), allocator),
        (table, timeout, s) -> calls().scan(table, settings, values, schema, s.out, s.error));
  }
}
