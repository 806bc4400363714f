package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * What is shared by all that is opened through it: object stores with their settings, and metrics. A shard is named by a root, which is a
 * URL ({@code file:///var/lib/events}, {@code s3://bucket/prefix}, {@code memory://name}) or a path, and a UUID. Any thread may use it.
 *
 * <p>Calls without a timeout wait for ever. On a virtual thread a call that waits leaves its carrier free, and interrupting the thread ends
 * it with {@link CancelledException}; on any other thread it is one call into the library.
 */
public final class Session extends OpenHandle implements AutoCloseable {
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
    return Batches.withSchema(schema, struct -> openWriter(root, shard, struct, options));
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
    try (Arena arena = Arena.ofConfined()) {
      Place place = new Place(arena, root, shard);
      MemorySegment settings = options.encode(arena);
      return run(
          "opening a writer",
          Waiting.FOREVER,
          Writer.decoder(settings),
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
                      Writer.decoder(settings),
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
    return Batches.withSchema(schema, struct -> openAppender(root, shard, struct, options));
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
    try (Arena arena = Arena.ofConfined()) {
      Place place = new Place(arena, root, shard);
      MemorySegment settings = options.encode(arena);
      return run(
          "opening an appender",
          Waiting.FOREVER,
          Appender.DECODER,
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
                      Appender.DECODER,
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

  // ---- Shards ----

  /**
   * Lists the shards below a root. One that does not exist has none.
   *
   * @param root the URL or path
   * @param timeout how long to wait
   * @return the shards, sorted
   */
  public List<UUID> shards(String root, Duration timeout) {
    return shards(root, Waiting.millis(timeout));
  }

  /**
   * Lists the shards below a root. One that does not exist has none.
   *
   * @param root the URL or path
   * @return the shards, sorted
   */
  public List<UUID> shards(String root) {
    return shards(root, Waiting.FOREVER);
  }

  private List<UUID> shards(String root, long timeoutMs) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment url = Text.of(arena, "the root", root);
      List<String> ids =
          run(
              "listing shards",
              timeoutMs,
              Decoder.LINES,
              (session, timeout, s) -> Native.weir_shard_list(session, url, timeout, s.out, s.error),
              (session, completion, error) -> Native.weir_shard_list_async(session, url, completion, error));
      return ids.stream().map(UUID::fromString).toList();
    }
  }

  /**
   * {@link #shards(String)} that does not wait.
   *
   * @param root the URL or path
   * @return the shards, sorted
   */
  public CompletableFuture<List<UUID>> shardsAsync(String root) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment url = Text.of(arena, "the root", root);
      Decoder<List<UUID>> decoder = (raw, ack) -> Decoder.LINES.decode(raw, ack).stream().map(UUID::fromString).toList();
      return start(decoder, (session, completion, error) -> Native.weir_shard_list_async(session, url, completion, error));
    } catch (WeirException e) {
      return CompletableFuture.failedFuture(e);
    }
  }

  /**
   * Reads a shard's newest manifest.
   *
   * @param root the URL or path
   * @param shard the shard
   * @param timeout how long to wait
   * @return the manifest
   * @throws NotFoundException if there is no such shard
   */
  public Manifest manifest(String root, UUID shard, Duration timeout) {
    return manifest(root, shard, Waiting.millis(timeout));
  }

  /**
   * Reads a shard's newest manifest.
   *
   * @param root the URL or path
   * @param shard the shard
   * @return the manifest
   * @throws NotFoundException if there is no such shard
   */
  public Manifest manifest(String root, UUID shard) {
    return manifest(root, shard, Waiting.FOREVER);
  }

  private Manifest manifest(String root, UUID shard, long timeoutMs) {
    try (Arena arena = Arena.ofConfined()) {
      Place place = new Place(arena, root, shard);
      return run(
          "reading a manifest",
          timeoutMs,
          Decoder.MANIFEST,
          (session, timeout, s) -> Native.weir_shard_manifest(session, place.root, place.shard, timeout, s.out, s.error),
          (session, completion, error) -> Native.weir_shard_manifest_async(session, place.root, place.shard, completion, error));
    }
  }

  /**
   * {@link #manifest(String, UUID)} that does not wait.
   *
   * @param root the URL or path
   * @param shard the shard
   * @return the manifest
   */
  public CompletableFuture<Manifest> manifestAsync(String root, UUID shard) {
    return Place.with(
        root,
        shard,
        (arena, place) ->
            start(
                Decoder.MANIFEST,
                (session, completion, error) ->
                    Native.weir_shard_manifest_async(session, place.root, place.shard, completion, error)));
  }

  /**
   * Makes a shard that does not exist yet, with the values of its spec's fields, unclaimed. Not needed for a shard without a spec: the first
   * writer makes it.
   *
   * @param root the URL or path
   * @param shard the shard
   * @param specId the shard spec; 0 = none
   * @param fields the spec's fields
   * @param timeout how long to wait
   * @throws AlreadyExistsException if the shard exists
   */
  public void init(String root, UUID shard, int specId, List<ShardField> fields, Duration timeout) {
    init(root, shard, specId, fields, Waiting.millis(timeout));
  }

  /**
   * Makes a shard that does not exist yet, with the values of its spec's fields, unclaimed. Not needed for a shard without a spec: the first
   * writer makes it.
   *
   * @param root the URL or path
   * @param shard the shard
   * @param specId the shard spec; 0 = none
   * @param fields the spec's fields
   * @throws AlreadyExistsException if the shard exists
   */
  public void init(String root, UUID shard, int specId, List<ShardField> fields) {
    init(root, shard, specId, fields, Waiting.FOREVER);
  }

  private void init(String root, UUID shard, int specId, List<ShardField> fields, long timeoutMs) {
    try (Arena arena = Arena.ofConfined()) {
      Place place = new Place(arena, root, shard);
      MemorySegment values = encode(arena, fields);
      int n = fields.size();
      run(
          "making a shard",
          timeoutMs,
          Decoder.NOTHING,
          (session, timeout, s) -> Native.weir_shard_init(session, place.root, place.shard, specId, values, n, timeout, s.error),
          (session, completion, error) ->
              Native.weir_shard_init_async(session, place.root, place.shard, specId, values, n, completion, error));
    }
  }

  /**
   * {@link #init(String, UUID, int, List)} that does not wait.
   *
   * @param root the URL or path
   * @param shard the shard
   * @param specId the shard spec; 0 = none
   * @param fields the spec's fields
   * @return completes when it is made
   */
  public CompletableFuture<Void> initAsync(String root, UUID shard, int specId, List<ShardField> fields) {
    return Place.with(
        root,
        shard,
        (arena, place) -> {
          MemorySegment values = encode(arena, fields);
          return start(
              Decoder.NOTHING,
              (session, completion, error) ->
                  Native.weir_shard_init_async(session, place.root, place.shard, specId, values, fields.size(), completion, error));
        });
  }

  private static MemorySegment encode(Arena arena, List<ShardField> fields) {
    if (fields.isEmpty()) {
      return MemorySegment.NULL;
    }
    MemorySegment structs = arena.allocate(Native.WeirShardField.LAYOUT, fields.size());
    long at = 0;
    for (ShardField field : fields) {
      byte[] value = field.value();
      MemorySegment bytes = value.length == 0 ? MemorySegment.NULL : arena.allocateFrom(ValueLayout.JAVA_BYTE, value);
      structs.set(ValueLayout.ADDRESS, at + Native.WeirShardField.field_id, Text.of(arena, "a field's id", field.id()));
      structs.set(ValueLayout.ADDRESS, at + Native.WeirShardField.value, bytes);
      structs.set(ValueLayout.JAVA_LONG, at + Native.WeirShardField.value_len, value.length);
      at += Native.WeirShardField.SIZE;
    }
    return structs;
  }

  /**
   * Seals a shard against writers: fences the present one and refuses later ones with {@link SealedException}. Reading goes on.
   *
   * @param root the URL or path
   * @param shard the shard
   * @param timeout how long to wait
   */
  public void seal(String root, UUID shard, Duration timeout) {
    seal(root, shard, Waiting.millis(timeout));
  }

  /**
   * Seals a shard against writers: fences the present one and refuses later ones with {@link SealedException}. Reading goes on.
   *
   * @param root the URL or path
   * @param shard the shard
   */
  public void seal(String root, UUID shard) {
    seal(root, shard, Waiting.FOREVER);
  }

  private void seal(String root, UUID shard, long timeoutMs) {
    try (Arena arena = Arena.ofConfined()) {
      Place place = new Place(arena, root, shard);
      run(
          "sealing a shard",
          timeoutMs,
          Decoder.NOTHING,
          (session, timeout, s) -> Native.weir_shard_seal(session, place.root, place.shard, timeout, s.error),
          (session, completion, error) -> Native.weir_shard_seal_async(session, place.root, place.shard, completion, error));
    }
  }

  /**
   * {@link #seal(String, UUID)} that does not wait.
   *
   * @param root the URL or path
   * @param shard the shard
   * @return completes when it is sealed
   */
  public CompletableFuture<Void> sealAsync(String root, UUID shard) {
    return Place.with(
        root,
        shard,
        (arena, place) ->
            start(
                Decoder.NOTHING,
                (session, completion, error) -> Native.weir_shard_seal_async(session, place.root, place.shard, completion, error)));
  }

  /**
   * Opens a sealed shard for writers again. Does nothing to one that is not sealed.
   *
   * @param root the URL or path
   * @param shard the shard
   * @param timeout how long to wait
   */
  public void unseal(String root, UUID shard, Duration timeout) {
    unseal(root, shard, Waiting.millis(timeout));
  }

  /**
   * Opens a sealed shard for writers again. Does nothing to one that is not sealed.
   *
   * @param root the URL or path
   * @param shard the shard
   */
  public void unseal(String root, UUID shard) {
    unseal(root, shard, Waiting.FOREVER);
  }

  private void unseal(String root, UUID shard, long timeoutMs) {
    try (Arena arena = Arena.ofConfined()) {
      Place place = new Place(arena, root, shard);
      run(
          "unsealing a shard",
          timeoutMs,
          Decoder.NOTHING,
          (session, timeout, s) -> Native.weir_shard_unseal(session, place.root, place.shard, timeout, s.error),
          (session, completion, error) -> Native.weir_shard_unseal_async(session, place.root, place.shard, completion, error));
    }
  }

  /**
   * {@link #unseal(String, UUID)} that does not wait.
   *
   * @param root the URL or path
   * @param shard the shard
   * @return completes when it is open
   */
  public CompletableFuture<Void> unsealAsync(String root, UUID shard) {
    return Place.with(
        root,
        shard,
        (arena, place) ->
            start(
                Decoder.NOTHING,
                (session, completion, error) -> Native.weir_shard_unseal_async(session, place.root, place.shard, completion, error)));
  }

  /**
   * Removes the oldest entries of a shard's log, up to and including a position, as far as they are old enough; the newest entry always
   * stays. Safe while writers and tailers are at work: a tailer that is behind gets {@link TrimmedException}.
   *
   * @param root the URL or path
   * @param shard the shard
   * @param upTo the last position that may go
   * @param options the options
   * @param timeout how long to wait
   * @return the oldest position that is left; 0 if the log is empty
   */
  public long trim(String root, UUID shard, long upTo, TrimOptions options, Duration timeout) {
    return trim(root, shard, upTo, options, Waiting.millis(timeout));
  }

  /**
   * Removes the oldest entries of a shard's log, up to and including a position, as far as they are old enough; the newest entry always
   * stays. Safe while writers and tailers are at work: a tailer that is behind gets {@link TrimmedException}.
   *
   * @param root the URL or path
   * @param shard the shard
   * @param upTo the last position that may go
   * @param options the options
   * @return the oldest position that is left; 0 if the log is empty
   */
  public long trim(String root, UUID shard, long upTo, TrimOptions options) {
    return trim(root, shard, upTo, options, Waiting.FOREVER);
  }

  private long trim(String root, UUID shard, long upTo, TrimOptions options, long timeoutMs) {
    try (Arena arena = Arena.ofConfined()) {
      Place place = new Place(arena, root, shard);
      MemorySegment settings = options.encode(arena);
      return run(
          "trimming a shard",
          timeoutMs,
          Decoder.NUMBER,
          (session, timeout, s) ->
              Native.weir_shard_trim(session, place.root, place.shard, upTo, settings, timeout, s.out, s.error),
          (session, completion, error) ->
              Native.weir_shard_trim_async(session, place.root, place.shard, upTo, settings, completion, error));
    }
  }

  /**
   * {@link #trim(String, UUID, long, TrimOptions)} that does not wait.
   *
   * @param root the URL or path
   * @param shard the shard
   * @param upTo the last position that may go
   * @param options the options
   * @return the oldest position that is left; 0 if the log is empty
   */
  public CompletableFuture<Long> trimAsync(String root, UUID shard, long upTo, TrimOptions options) {
    return Place.with(
        root,
        shard,
        (arena, place) -> {
          MemorySegment settings = options.encode(arena);
          return start(
              Decoder.NUMBER,
              (session, completion, error) ->
                  Native.weir_shard_trim_async(session, place.root, place.shard, upTo, settings, completion, error));
        });
  }

  /** Which shard, as C strings that live for the call. */
  private static final class Place {
    final MemorySegment root;
    final MemorySegment shard;

    Place(Arena arena, String root, UUID shard) {
      this.root = Text.of(arena, "the root", Objects.requireNonNull(root, "root"));
      this.shard = arena.allocateFrom(shard.toString());
    }

    interface Body<T> {
      CompletableFuture<T> call(Arena arena, Place place);
    }

    /** What is wrong with the arguments is in the future, too. */
    static <T> CompletableFuture<T> with(String root, UUID shard, Body<T> body) {
      try (Arena arena = Arena.ofConfined()) {
        return body.call(arena, new Place(arena, root, shard));
      } catch (WeirException e) {
        return CompletableFuture.failedFuture(e);
      }
    }
  }
}
