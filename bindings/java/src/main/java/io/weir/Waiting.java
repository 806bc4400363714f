package io.weir;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** How threads of Java wait. */
final class Waiting {
  /** A timeout that never comes. */
  static final long FOREVER = -1;

  private Waiting() {}

  /** A timeout that several calls share. */
  static final class Deadline {
    private final long timeoutMs;
    private final long start = System.nanoTime();

    Deadline(long timeoutMs) {
      this.timeoutMs = timeoutMs;
    }

    /** What is left of it. */
    long left() {
      return timeoutMs <= 0 ? timeoutMs : Math.max(0, timeoutMs - TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start));
    }
  }

  /** The timeout of the C ABI: none negative, and none of less than a millisecond taken for none. */
  static long millis(Duration timeout) {
    if (timeout.isNegative() || timeout.isZero()) {
      return 0;
    }
    try {
      return timeout.plusNanos(999_999).toMillis();
    } catch (ArithmeticException e) {
      return Long.MAX_VALUE;
    }
  }

  /** Refuses to block the thread that completes what is waited for (PITFALLS X9). */
  static void check() {
    if (Thread.currentThread() instanceof Completions.Drain) {
      throw WeirException.of(
          Status.WOULD_DEADLOCK,
          "a blocking call was made in a completion, on the thread that runs them all: use the call's Async form, or thenApplyAsync and its like");
    }
  }

  /**
   * Waits for a future of this binding's. One that is given up is cancelled, so that what comes after all is freed.
   *
   * @param late what the deadline is reported as
   */
  static <T> T await(CompletableFuture<T> future, long timeoutMs, Status late, String what) {
    return await(future, timeoutMs, late, Status.CANCELLED, what);
  }

  /** The same; {@code left} is what an interrupt is reported as. */
  static <T> T await(CompletableFuture<T> future, long timeoutMs, Status late, Status left, String what) {
    check();
    boolean interrupted = false;
    try {
      return timeoutMs < 0 ? future.get() : future.get(timeoutMs, TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      throw unwrap(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      interrupted = true;
    } catch (TimeoutException e) {
      // below
    }
    if (future.cancel(false)) {
      throw interrupted
          ? WeirException.of(left, what + ": the thread was interrupted")
          : WeirException.of(late, what + ": not done within " + timeoutMs + " ms");
    }
    return join(future); // it was done after all
  }

  /** Waits for a future whatever comes; an interrupt is kept for later. */
  static <T> T join(CompletableFuture<T> future) {
    check();
    try {
      return future.join();
    } catch (CompletionException e) {
      throw unwrap(e.getCause());
    }
  }

  /** Whether the calling thread leaves its carrier free while it waits; one that may not wait has no need to. */
  static boolean parks(long timeoutMs) {
    return timeoutMs != 0 && Thread.currentThread().isVirtual();
  }

  /** Before something is accepted on a thread that parks: one that was interrupted has nothing done. */
  static void checkInterrupted(String what) {
    if (Thread.currentThread().isInterrupted()) {
      throw WeirException.of(Status.CANCELLED, what + ": the thread was interrupted before");
    }
  }

  /** Whatever went wrong, as an error of weir's. */
  static WeirException asWeir(Throwable error) {
    return error instanceof WeirException e ? e : Failure.of(Status.INTERNAL, "the binding failed: " + error).causedBy(error).toException();
  }

  private static RuntimeException unwrap(Throwable cause) {
    if (cause instanceof WeirException e) {
      return e.rethrown();
    }
    if (cause instanceof Error e) {
      throw e;
    }
    return cause instanceof RuntimeException e ? e : new IllegalStateException(cause);
  }
}
