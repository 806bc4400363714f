package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Native memory for what a call gives back: its error, its output, its acknowledgement. Taken for a call and given back after it, without
 * an allocation as a rule; a virtual thread cannot be unmounted meanwhile, so there are about as many as there are processors.
 */
final class Scratch implements AutoCloseable {
  private static final int SLOTS = 128;
  private static final AtomicReferenceArray<Scratch> FREE = new AtomicReferenceArray<>(SLOTS);
  private static final long ARROW_ARRAY = 80;

  /** A {@code WeirError *}. */
  final MemorySegment error;

  /** A pointer or a number that a call gives back. */
  final MemorySegment out;

  /** A {@code WeirAck}, and a number after it, as in an event: see {@link Decoder#VALUE}. */
  final MemorySegment ack;

  /** A struct ArrowArray to export to. */
  final MemorySegment array;

  /** Gives memory for one {@code WeirCompletion}. */
  final SegmentAllocator completion;

  private Scratch() {
    MemorySegment memory = Arena.ofAuto().allocate(256, 16);
    error = memory.asSlice(0, 8);
    out = memory.asSlice(8, 8);
    ack = memory.asSlice(16, Native.WeirAck.SIZE + 8);
    MemorySegment posted = memory.asSlice(96, Native.WeirCompletion.SIZE);
    completion = (size, alignment) -> posted;
    array = memory.asSlice(128, ARROW_ARRAY);
  }

  /** Each thread has two places, which it may share with others: a call within another finds one, too. */
  private static int place() {
    return (int) Thread.currentThread().threadId() * 2 & SLOTS - 1;
  }

  static Scratch take() {
    int place = place();
    Scratch found = FREE.getAndSet(place, null);
    if (found == null) {
      found = FREE.getAndSet(place + 1, null);
    }
    return found != null ? found : new Scratch();
  }

  /** Gives it back; where both places are taken, the collector gets one. */
  @Override
  public void close() {
    int place = place();
    if (!FREE.compareAndSet(place, null, this)) {
      FREE.lazySet(place + 1, this);
    }
  }

  MemorySegment errorPointer() {
    return error.get(ValueLayout.ADDRESS, 0);
  }

  MemorySegment outPointer() {
    return out.get(ValueLayout.ADDRESS, 0);
  }

  long outValue() {
    return out.get(ValueLayout.JAVA_LONG, 0);
  }

  /** Throws what a call came to, unless it succeeded. */
  void check(int status) {
    if (status != Native.WEIR_STATUS_OK) {
      throw WeirException.take(status, errorPointer());
    }
  }
}
