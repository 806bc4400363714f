package io.weir;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.DictionaryProvider;

/** A batch, or keys, on the way into the library; one of Java's may be handed in again and again. What does not get there is released. */
interface Source {
  /** A call that consumes the array. */
  interface Body<T> {
    T call(MemorySegment array, MemorySegment schema);
  }

  /** Makes a call with the array as a C struct. */
  <T> T with(Body<T> body);

  /** Makes a call that does not wait; what is wrong with the batch is in the future, too. */
  default <T> CompletableFuture<T> start(Body<CompletableFuture<T>> body) {
    try {
      return with(body);
    } catch (WeirException e) {
      return CompletableFuture.failedFuture(e);
    }
  }

  /** A batch of Java's, without its schema, which is checked; null for what has none to check against. */
  static Source of(VectorSchemaRoot root, DictionaryProvider dictionaries, SchemaCheck schema) {
    return new Source() {
      @Override
      public <T> T with(Body<T> body) {
        if (schema != null) {
          schema.check(root, dictionaries);
        }
        try (Scratch scratch = Scratch.take()) {
          MemorySegment array = Batches.export(root, dictionaries, scratch);
          try {
            return body.call(array, MemorySegment.NULL);
          } finally {
            Batches.discard(array);
          }
        }
      }
    };
  }

  /** A batch that was exported, without its schema. */
  static Source of(ArrowArray array) {
    return new Source() {
      @Override
      public <T> T with(Body<T> body) {
        try {
          return body.call(Batches.address(array), MemorySegment.NULL);
        } finally {
          Batches.discard(array);
        }
      }
    };
  }
}
