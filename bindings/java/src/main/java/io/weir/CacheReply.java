package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.DictionaryProvider;

/** The way in which an upcall is answered. The first answer counts; it consumes the library's reply. */
final class CacheReply {
  private final MemorySegment pointer;
  private final AtomicBoolean answered = new AtomicBoolean();

  /** Told what went wrong, which the library knows only as a text. */
  private final Consumer<Throwable> failed;

  CacheReply(MemorySegment pointer, Consumer<Throwable> failed) {
    this.pointer = pointer;
    this.failed = failed;
  }

  private boolean first() {
    return answered.compareAndSet(false, true);
  }

  void bytes(byte[] value) {
    try (Arena arena = Arena.ofConfined();
        Scratch scratch = Scratch.take()) {
      MemorySegment data = CacheKey.encode(arena, value);
      if (first()) {
        freeError(Native.weir_cache_reply_bytes(pointer, data, value.length, scratch.error), scratch);
      }
    }
  }

  void batch(VectorSchemaRoot root, DictionaryProvider dictionaries) {
    try (Arena arena = Arena.ofConfined();
        Scratch scratch = Scratch.take()) {
      ArrowSchema schema = ArrowSchema.wrap(arena.allocate(SchemaMemo.SIZE, 8).address());
      MemorySegment array = Batches.export(root, dictionaries, scratch, schema);
      try {
        if (first()) {
          freeError(Native.weir_cache_reply_batch(pointer, array, Batches.address(schema), scratch.error), scratch);
        }
      } finally {
        schema.release();
        Batches.discard(ArrowArray.wrap(array.address())); // if it did not come to the call
      }
    }
  }

  void value(MemorySegment value) {
    try (Scratch scratch = Scratch.take()) {
      if (first()) {
        freeError(Native.weir_cache_reply_value(pointer, value, scratch.error), scratch);
      }
    }
  }

  void miss() {
    if (first()) {
      Native.weir_cache_reply_miss(pointer);
    }
  }

  void done(long number) {
    if (first()) {
      Native.weir_cache_reply_done(pointer, number);
    }
  }

  /** Throws nothing: it is what is left to do when something was thrown. */
  void error(Throwable error) {
    if (first()) {
      MemorySegment message = MemorySegment.NULL;
      try (Arena arena = Arena.ofConfined()) {
        try {
          failed.accept(error);
          message = arena.allocateFrom(error.toString().replace('\0', ' '));
        } catch (Throwable e) {
          // Then it fails without a word.
        }
        Native.weir_cache_reply_error(pointer, message);
      }
    }
  }

  /** Who waits gets the error, too. */
  private static void freeError(int status, Scratch scratch) {
    if (status != Native.WEIR_STATUS_OK) {
      Native.weir_error_free(scratch.errorPointer());
    }
  }
}
