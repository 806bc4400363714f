package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;

/** Which shard, as C strings that live for the call. */
final class Place {
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
