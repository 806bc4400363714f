package io.weir;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;

/**
 * A handle of the library's. Calls hold a lease on it: it is freed when it was closed and the last of them has returned, so closing
 * during a call is safe (PITFALLS X8, X11).
 */
abstract class Handle {
  private static final int CLOSED = 1 << 30;
  private static final int FREED = 1 << 31;
  private static final VarHandle STATE;

  static {
    try {
      STATE = MethodHandles.lookup().findVarHandle(Handle.class, "state", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final MemorySegment pointer;

  /** How many leases there are, and whether it was closed and freed. */
  @SuppressWarnings("unused") // through STATE
  private volatile int state;

  Handle(MemorySegment pointer) {
    this.pointer = pointer;
  }

  /** What it is, for messages. */
  abstract String kind();

  /** Frees it. Called once. */
  abstract void free(MemorySegment pointer);

  /** Takes a lease, to be ended with {@link #release}. */
  final MemorySegment acquire() {
    if (((int) STATE.getAndAdd(this, 1) & CLOSED) != 0) {
      release();
      throw WeirException.of(Status.CLOSED, "the " + kind() + " is closed");
    }
    return pointer;
  }

  final void release() {
    if ((int) STATE.getAndAdd(this, -1) == (CLOSED | 1)) {
      freeIfUnused();
    }
  }

  /** Refuses calls from now on, and frees it once those that run have returned. May be called again. */
  final void shut() {
    STATE.getAndBitwiseOr(this, CLOSED);
    freeIfUnused();
  }

  private void freeIfUnused() {
    if (STATE.compareAndSet(this, CLOSED, CLOSED | FREED)) {
      free(pointer);
    }
  }

  final boolean isShut() {
    return (state & CLOSED) != 0;
  }

  /** What a blocking call fills, besides its error: {@code out} or {@code ack} of the scratch. */
  interface Blocking {
    int call(MemorySegment handle, long timeoutMs, Scratch scratch);
  }

  /** The `_async` form of a call. */
  interface Async {
    int call(MemorySegment handle, MemorySegment completion, MemorySegment error);
  }

  /** Calls the blocking form on this thread. */
  final <T> T block(long timeoutMs, Decoder<T> decoder, Blocking blocking) {
    Waiting.check();
    MemorySegment handle = acquire();
    try (Scratch scratch = Scratch.take()) {
      scratch.check(blocking.call(handle, timeoutMs, scratch));
      return decoder.decode(scratch.outValue(), scratch.ack);
    } finally {
      release();
    }
  }

  /** Starts the `_async` form; what it is refused for is in the future. */
  final <T> CompletableFuture<T> start(Decoder<T> decoder, Async async) {
    return start(decoder, UnaryOperator.identity(), async);
  }

  /** The same; `errors` completes what comes later with what the binding knows. */
  final <T> CompletableFuture<T> start(Decoder<T> decoder, UnaryOperator<WeirException> errors, Async async) {
    CompletableFuture<T> future = new CompletableFuture<>();
    MemorySegment handle;
    try {
      handle = acquire();
    } catch (ClosedException e) {
      return CompletableFuture.failedFuture(e);
    }
    try (Scratch scratch = Scratch.take()) {
      Completions completions = Completions.current();
      long token = completions.expect(new Completions.Single<>(future, decoder, errors));
      int status;
      try {
        status = async.call(handle, completions.completion(scratch, token), scratch.error);
      } catch (Throwable e) { // it did not come to the call
        completions.forget(token);
        throw e;
      }
      if (status != Native.WEIR_STATUS_OK) {
        completions.forget(token);
        future.completeExceptionally(WeirException.take(status, scratch.errorPointer()));
      }
    } catch (WeirException e) {
      future.completeExceptionally(e);
    } finally {
      release();
    }
    return future;
  }

  /**
   * A blocking call in the form that suits the thread: a virtual one waits for the future, so that its carrier is free; any other, and one
   * that may not wait, calls straight, which is fastest.
   */
  final <T> T run(String what, long timeoutMs, Decoder<T> decoder, Blocking blocking, Async async) {
    if (!Waiting.parks(timeoutMs)) {
      return block(timeoutMs, decoder, blocking);
    }
    return Waiting.await(start(decoder, async), timeoutMs, Status.TIMED_OUT, what);
  }

  /** Calls what neither waits nor completes. */
  final <T> T get(Decoder<T> decoder, Blocking call) {
    MemorySegment handle = acquire();
    try (Scratch scratch = Scratch.take()) {
      scratch.check(call.call(handle, 0, scratch));
      return decoder.decode(scratch.outValue(), scratch.ack);
    } finally {
      release();
    }
  }
}
