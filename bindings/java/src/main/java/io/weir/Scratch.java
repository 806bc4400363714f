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
  private static final int SLOTS = 64;
  private static final AtomicReferenceArray<Scratch> FREE = new AtomicReferenceArray<>(SLOTS);
  private static final long ARROW_ARRAY = 80;

  /** A {@code WeirError *}. */
  final MemorySegment error;

  /** A pointer or a number that a call gives back. */
  final MemorySegment out;

  /** A {@code WeirAck}. */
  final MemorySegment ack;

  /** A struct ArrowArray to export to. */
  final MemorySegment array;

  /** Gives memory for one {@code WeirCompletion}. */
  final SegmentAllocator completion;

  private Scratch() {
    MemorySegment memory = Arena.ofAuto().allocate(256, 16);
    error = memory.asSlice(0, 8);
    out = memory.asSlice(8, 8);
    ack = memory.asSlice(16, Native.WeirAck.SIZE);
    MemorySegment posted = memory.asSlice(96, Native.WeirCompletion.SIZE);
    completion = (size, alignment) -> posted;
    array = memory.asSlice(128, ARROW_ARRAY);
  }

  static Scratch take() {
    Scratch found = FREE.getAndSet((int) Thread.currentThread().threadId() & SLOTS - 1, null);
    return found != null ? found : new Scratch();
  }

  /** Gives it back; where two threads share a slot, the collector takes one. */
  @Override
  public void close() {
    FREE.lazySet((int) Thread.currentThread().threadId() & SLOTS - 1, this);
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
