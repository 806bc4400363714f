package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;

/** What a session does with shards as a whole. */
abstract sealed class Shards extends OpenHandle permits Session {
  Shards(MemorySegment pointer) {
    super(pointer);
  }

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
}
