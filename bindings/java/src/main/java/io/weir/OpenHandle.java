package io.weir;

import java.lang.foreign.MemorySegment;

/** A handle that asynchronous calls may be made on: while one is open, the completion queue stays. */
abstract class OpenHandle extends Handle {
  OpenHandle(MemorySegment pointer) {
    super(pointer);
    Completions.join();
  }

  /**
   * The library's closing of what it has to finish first, and freeing then. Without a timeout an interrupt does not end the wait: who is freed
   * before it is done loses what is not.
   */
  final void finish(String what, long timeoutMs, Blocking blocking, Async async) {
    try {
      if (!Waiting.parks(timeoutMs)) {
        block(timeoutMs, Decoder.NOTHING, blocking);
      } else if (timeoutMs < 0) {
        Waiting.join(start(Decoder.NOTHING, async));
      } else {
        Waiting.await(start(Decoder.NOTHING, async), timeoutMs, Status.TIMED_OUT, what);
      }
      shut();
    } catch (FencedException | PoisonedException e) { // for ever
      shut();
      throw e;
    } catch (ClosedException e) {
      if (!isShut()) {
        throw e; // the library's, which was told to abort
      }
    }
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
