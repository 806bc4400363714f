package io.weir;

import java.lang.foreign.MemorySegment;

/** A handle that asynchronous calls may be made on: while one is open, the completion queue stays. */
abstract class OpenHandle extends Handle {
  OpenHandle(MemorySegment pointer) {
    super(pointer);
    Completions.join();
  }

  abstract void freeNative(MemorySegment pointer);

  @Override
  final void free(MemorySegment pointer) {
    try {
      freeNative(pointer);
    } finally {
      Completions.leave();
    }
  }
}
