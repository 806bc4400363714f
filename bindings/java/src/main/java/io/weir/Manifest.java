package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * One version of a shard's manifest, as read. A copy: there is nothing to close.
 *
 * @param version the version, 1 or more
 * @param writerEpoch the epoch of the writer that owns the shard; 0 before the first claim
 * @param replayAfter the position up to which generations cover the log; replay starts after it
 * @param lastSeen a position that was in the log when the version was written: a hint
 * @param currentGeneration the generation that the owner fills
 * @param sealed whether the shard is sealed against writers
 * @param shardSpecId the shard spec that the shard belongs to; 0 = none
 * @param sstableCount the number of published generations
 * @param fields the shard spec's fields
 */
public record Manifest(
    long version,
    long writerEpoch,
    long replayAfter,
    long lastSeen,
    long currentGeneration,
    boolean sealed,
    int shardSpecId,
    long sstableCount,
    List<ShardField> fields) {

  /** Copies and frees. */
  static Manifest take(MemorySegment manifest) {
    try {
      return new Manifest(
          Native.weir_manifest_version(manifest),
          Native.weir_manifest_writer_epoch(manifest),
          Native.weir_manifest_replay_after(manifest),
          Native.weir_manifest_last_seen(manifest),
          Native.weir_manifest_current_generation(manifest),
          Native.weir_manifest_is_sealed(manifest),
          Native.weir_manifest_shard_spec_id(manifest),
          Native.weir_manifest_sstable_count(manifest),
          readFields(manifest));
    } finally {
      Native.weir_manifest_free(manifest);
    }
  }

  private static List<ShardField> readFields(MemorySegment manifest) {
    List<ShardField> fields = new ArrayList<>();
    long count = Native.weir_manifest_field_count(manifest);
    try (Arena arena = Arena.ofConfined();
        Scratch scratch = Scratch.take()) {
      MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG, 4);
      MemorySegment idLength = out.asSlice(8);
      MemorySegment value = out.asSlice(16);
      MemorySegment valueLength = out.asSlice(24);
      for (long i = 0; i < count; i++) {
        scratch.check(Native.weir_manifest_field(manifest, i, out, idLength, value, valueLength, scratch.error));
        String id = Text.at(out.get(ValueLayout.ADDRESS, 0), idLength.get(ValueLayout.JAVA_LONG, 0));
        fields.add(new ShardField(id, Text.bytes(value.get(ValueLayout.ADDRESS, 0), valueLength.get(ValueLayout.JAVA_LONG, 0))));
      }
    }
    return List.copyOf(fields);
  }
}
