package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicReference;

/** Native memory for bytes that are on Java's heap, one piece of which is kept from call to call. */
final class Staging {
  /** No larger piece is kept, so reads of more are cut into several. */
  static final int MOST = 1 << 20;

  private final AtomicReference<MemorySegment> kept = new AtomicReference<>();

  /** Native memory for a call. */
  record Piece(MemorySegment memory, Staging owner, Arena arena) implements AutoCloseable {
    @Override
    public void close() {
      if (arena != null) {
        arena.close();
      } else if (owner != null) {
        owner.kept.lazySet(memory);
      }
    }
  }

  /** Memory of at least this size. */
  Piece take(long size) {
    if (size > MOST) {
      Arena arena = Arena.ofConfined();
      return new Piece(arena.allocate(size), null, arena);
    }
    MemorySegment found = kept.getAndSet(null);
    boolean fits = found != null && found.byteSize() >= size;
    return new Piece(fits ? found : Arena.ofAuto().allocate(Math.max(size, 4096)), this, null);
  }

  /** The bytes themselves if they are native, else a copy. */
  Piece copy(MemorySegment bytes) {
    if (bytes.isNative()) {
      return new Piece(bytes, null, null);
    }
    Piece piece = take(bytes.byteSize());
    MemorySegment.copy(bytes, 0, piece.memory, 0, bytes.byteSize());
    return piece;
  }

  /** Reads up to so many bytes as the piece takes, from so many bytes after the beginning. */
  interface Read {
    long read(long at, MemorySegment piece);
  }

  /** Fills `out`, piece by piece where it is on the heap, until it is full or there is no more. */
  long read(MemorySegment out, Read read) {
    if (out.isReadOnly()) {
      throw new IllegalArgumentException("the memory to read into is read-only");
    }
    if (out.isNative()) {
      return read.read(0, out);
    }
    long done = 0;
    try (Piece piece = take(Math.min(out.byteSize(), MOST))) {
      while (true) {
        long wanted = Math.min(out.byteSize() - done, MOST);
        long count = read.read(done, piece.memory.asSlice(0, wanted));
        MemorySegment.copy(piece.memory, 0, out, done, count);
        done += count;
        if (count < wanted || done == out.byteSize()) {
          return done;
        }
      }
    }
  }

  /** What an asynchronous read came to. */
  static long fill(MemorySegment piece, byte[] bytes) {
    MemorySegment.copy(MemorySegment.ofArray(bytes), 0, piece, 0, bytes.length);
    return bytes.length;
  }
}
