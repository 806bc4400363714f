package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * What is shared by all that is opened through it: object stores with their settings, and metrics. A shard is named by a root, which is a
 * URL ({@code file:///var/lib/events}, {@code s3://bucket/prefix}, {@code memory://name}) or a path, and a UUID. Any thread may use it.
 *
 * <p>Calls without a timeout wait for ever. On a virtual thread a call that waits leaves its carrier free, and interrupting the thread ends
 * it with {@link CancelledException}, or with {@link OutcomeUnknownException} where something was accepted that still may become durable; on any
 * other thread it is one call into the library.
 */
public final class Session extends Shards implements AutoCloseable {
  Session(MemorySegment pointer) {
    super(pointer);
  }

  @Override
  String kind() {
    return "session";
  }

  @Override
  void freeNative(MemorySegment pointer) {
    Native.weir_session_free(pointer);
  }

  /** Closes the session. What was opened through it goes on and keeps what it needs. Closing again does nothing. */
  @Override
  public void close() {
    shut();
  }

  /**
   * The metrics of all that was opened through the session, in the text format of Prometheus.
   *
   * @return the text
   */
  public String metrics() {
    return get(Decoder.TEXT, (session, timeout, s) -> Native.weir_metrics_prometheus(session, s.out, s.error));
  }

  /**
   * The memory of all that was opened through the session, by its use.
   *
   * @return the memory
   */
  public SessionMemory memory() {
    return Records.get(this, SessionMemory.class, Native.WeirSessionMemory.LAYOUT, Native::weir_session_memory);
  }

  /**
   * What waits for room below the session's limit, {@link SessionOptions#memoryBytes}: for how many bytes, and how long it has.
   *
   * @return a line each, the first to get room first; none if nothing waits
   */
  public List<String> pressure() {
    return get(Decoder.LINES, (session, timeout, s) -> Native.weir_session_pressure(session, s.out, s.error));
  }

  /**
   * The session's spill store: the one of its options, or a local one without a cap. Makes no directory.
   *
   * @return the store, to be closed
   */
  public SpillStore spillStore() {
    return get(SpillStore.DECODER, (session, timeout, s) -> Native.weir_session_spill_store(session, s.out, s.error));
  }

  /**
   * Makes another spill store, whose metrics the session shows, and which the session's settings of object stores reach. Makes no request, no
   * directory and no thread: that is left to the first write.
   *
   * @param options its options
   * @return the store, to be closed
   */
  public SpillStore spillStore(SpillStoreOptions options) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment settings = options.encode(arena);
      return get(SpillStore.DECODER, (session, timeout, s) -> Native.weir_spill_store_new(session, settings, s.out, s.error));
    }
  }

  /**
   * The session's cache: the one of its options, or the built-in one.
   *
   * @return a handle on it, to be closed
   */
  public Cache cache() {
    return get(Cache.DECODER, (session, timeout, s) -> Native.weir_session_cache(session, s.out, s.error));
  }

  // ---- Opening ----

  /**
   * Opens a writer: claims the shard, which fences the writer before, and makes the shard if it does not exist. Options and schema are
   * checked first, so a call that is refused for them fences nobody.
   *
   * @param root the URL or path below which the shard lies
   * @param shard the shard
   * @param schema the schema of every batch to come
   * @param options the options
   * @return the writer, to be closed
   */
  public Writer openWriter(String root, UUID shard, Schema schema, WriterOptions options) {
    return Batches.withSchema(schema, struct -> openWriter(root, shard, new SchemaCheck("writer", schema, struct), struct, options));
  }

  /**
   * Opens a writer with the default options: its puts return when they are durable.
   *
   * @param root the URL or path below which the shard lies
   * @param shard the shard
   * @param schema the schema of every batch to come
   * @return the writer, to be closed
   */
  public Writer openWriter(String root, UUID shard, Schema schema) {
    return openWriter(root, shard, schema, WriterOptions.defaults());
  }

  /**
   * As {@link #openWriter(String, UUID, Schema, WriterOptions)}, with a schema that was exported, such as one with dictionaries.
   *
   * @param root the URL or path below which the shard lies
   * @param shard the shard
   * @param schema the schema of every batch to come; borrowed for the call
   * @param options the options
   * @return the writer, to be closed
   */
  public Writer openWriter(String root, UUID shard, ArrowSchema schema, WriterOptions options) {
    return openWriter(root, shard, new SchemaCheck("writer", null, schema), schema, options);
  }

  private Writer openWriter(String root, UUID shard, SchemaCheck check, ArrowSchema schema, WriterOptions options) {
    try (Arena arena = Arena.ofConfined()) {
      Place place = new Place(arena, root, shard);
      MemorySegment settings = options.encode(arena);
      return run(
          "opening a writer",
          Waiting.FOREVER,
          Writer.decoder(settings, check),
          (session, timeout, s) ->
              Native.weir_writer_open(session, place.root, place.shard, Batches.address(schema), settings, s.out, s.error),
          (session, completion, error) ->
              Native.weir_writer_open_async(session, place.root, place.shard, Batches.address(schema), settings, completion, error));
    }
  }

  /**
   * {@link #openWriter(String, UUID, Schema, WriterOptions)} that does not wait. Should the future be cancelled, a writer that is opened
   * nevertheless is closed.
   *
   * @param root the URL or path below which the shard lies
   * @param shard the shard
   * @param schema the schema of every batch to come
   * @param options the options
   * @return the writer, to be closed
   */
  public CompletableFuture<Writer> openWriterAsync(String root, UUID shard, Schema schema, WriterOptions options) {
    return Place.with(
        root,
        shard,
        (arena, place) -> {
          MemorySegment settings = options.encode(arena);
          return Batches.withSchema(
              schema,
              struct ->
                  start(
                      Writer.decoder(settings, new SchemaCheck("writer", schema, struct)),
                      (session, completion, error) ->
                          Native.weir_writer_open_async(
                              session, place.root, place.shard, Batches.address(struct), settings, completion, error)));
        });
  }

  /**
   * Opens an appender: claims the shard as {@link #openWriter(String, UUID, Schema, WriterOptions)} does.
   *
   * @param root the URL or path below which the shard lies
   * @param shard the shard
   * @param schema the schema of every batch to come
   * @param options the options
   * @return the appender, to be closed
   */
  public Appender openAppender(String root, UUID shard, Schema schema, AppenderOptions options) {
    return Batches.withSchema(schema, struct -> openAppender(root, shard, new SchemaCheck("appender", schema, struct), struct, options));
  }

  /**
   * As {@link #openAppender(String, UUID, Schema, AppenderOptions)}, with a schema that was exported.
   *
   * @param root the URL or path below which the shard lies
   * @param shard the shard
   * @param schema the schema of every batch to come; borrowed for the call
   * @param options the options
   * @return the appender, to be closed
   */
  public Appender openAppender(String root, UUID shard, ArrowSchema schema, AppenderOptions options) {
    return openAppender(root, shard, new SchemaCheck("appender", null, schema), schema, options);
  }

  private Appender openAppender(String root, UUID shard, SchemaCheck check, ArrowSchema schema, AppenderOptions options) {
    try (Arena arena = Arena.ofConfined()) {
      Place place = new Place(arena, root, shard);
      MemorySegment settings = options.encode(arena);
      return run(
          "opening an appender",
          Waiting.FOREVER,
          Appender.decoder(check),
          (session, timeout, s) ->
              Native.weir_appender_open(session, place.root, place.shard, Batches.address(schema), settings, s.out, s.error),
          (session, completion, error) ->
              Native.weir_appender_open_async(session, place.root, place.shard, Batches.address(schema), settings, completion, error));
    }
  }

  /**
   * {@link #openAppender(String, UUID, Schema, AppenderOptions)} that does not wait.
   *
   * @param root the URL or path below which the shard lies
   * @param shard the shard
   * @param schema the schema of every batch to come
   * @param options the options
   * @return the appender, to be closed
   */
  public CompletableFuture<Appender> openAppenderAsync(String root, UUID shard, Schema schema, AppenderOptions options) {
    return Place.with(
        root,
        shard,
        (arena, place) -> {
          MemorySegment settings = options.encode(arena);
          return Batches.withSchema(
              schema,
              struct ->
                  start(
                      Appender.decoder(new SchemaCheck("appender", schema, struct)),
                      (session, completion, error) ->
                          Native.weir_appender_open_async(
                              session, place.root, place.shard, Batches.address(struct), settings, completion, error)));
        });
  }

  /**
   * Opens a tailer of one shard's log. Makes no request: whether the shard exists shows at the first read.
   *
   * @param root the URL or path below which the shard lies
   * @param shard the shard
   * @param options the options
   * @return the tailer, to be closed
   */
  public Tailer openTailer(String root, UUID shard, TailerOptions options) {
    try (Arena arena = Arena.ofConfined()) {
      Place place = new Place(arena, root, shard);
      MemorySegment settings = options.encode(arena);
      return get(
          Tailer.DECODER,
          (session, timeout, s) -> Native.weir_tailer_open(session, place.root, place.shard, settings, s.out, s.error));
    }
  }

  /**
   * Opens a tailer with the default options: from the oldest entry to the end.
   *
   * @param root the URL or path below which the shard lies
   * @param shard the shard
   * @return the tailer, to be closed
   */
  public Tailer openTailer(String root, UUID shard) {
    return openTailer(root, shard, TailerOptions.defaults());
  }

  /**
   * Opens a snapshot: what of a shard is durable now, without a claim on it, so its writer goes on undisturbed. Rows that only the log has are
   * read into memory; generations are read when they are needed.
   *
   * @param root the URL or path below which the shard lies
   * @param shard the shard
   * @param schema the schema to read the rows as; null for the shard's own, as its newest rows have it
   * @param options the options
   * @return the snapshot, to be closed
   * @throws NotFoundException if there is no such shard, or no schema is given and it has no rows
   * @throws BackpressureException if the log has more rows than {@link SnapshotOptions#withMaxBytes} allows
   */
  public Snapshot openSnapshot(String root, UUID shard, Schema schema, SnapshotOptions options) {
    try (Arena arena = Arena.ofConfined()) {
      Place place = new Place(arena, root, shard);
      MemorySegment settings = options.encode(arena);
      return Batches.withSchema(
          schema,
          struct ->
              run(
                  "opening a snapshot",
                  Waiting.FOREVER,
                  Snapshot.DECODER,
                  (session, timeout, s) ->
                      Native.weir_snapshot_open(session, place.root, place.shard, Batches.address(struct), settings, s.out, s.error),
                  (session, completion, error) ->
                      Native.weir_snapshot_open_async(
                          session, place.root, place.shard, Batches.address(struct), settings, completion, error)));
    }
  }

  /**
   * Opens a snapshot of the shard's own schema, as {@link #openSnapshot(String, UUID, Schema, SnapshotOptions)}.
   *
   * @param root the URL or path below which the shard lies
   * @param shard the shard
   * @param options the options
   * @return the snapshot, to be closed
   */
  public Snapshot openSnapshot(String root, UUID shard, SnapshotOptions options) {
    return openSnapshot(root, shard, null, options);
  }

  /**
   * Opens a snapshot of the shard's own schema with the default options, as {@link #openSnapshot(String, UUID, Schema, SnapshotOptions)}.
   *
   * @param root the URL or path below which the shard lies
   * @param shard the shard
   * @return the snapshot, to be closed
   */
  public Snapshot openSnapshot(String root, UUID shard) {
    return openSnapshot(root, shard, null, SnapshotOptions.defaults());
  }

  /**
   * {@link #openSnapshot(String, UUID, Schema, SnapshotOptions)} that does not wait. Should the future be cancelled, a snapshot that is opened
   * nevertheless is closed.
   *
   * @param root the URL or path below which the shard lies
   * @param shard the shard
   * @param schema the schema to read the rows as; null for the shard's own, as its newest rows have it
   * @param options the options
   * @return the snapshot, to be closed
   */
  public CompletableFuture<Snapshot> openSnapshotAsync(String root, UUID shard, Schema schema, SnapshotOptions options) {
    return Place.with(
        root,
        shard,
        (arena, place) -> {
          MemorySegment settings = options.encode(arena);
          return Batches.withSchema(
              schema,
              struct ->
                  start(
                      Snapshot.DECODER,
                      (session, completion, error) ->
                          Native.weir_snapshot_open_async(
                              session, place.root, place.shard, Batches.address(struct), settings, completion, error)));
        });
  }
}
