package io.weir;

import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import java.util.function.ToLongFunction;

/**
 * The asynchronous reads of one tailer or scan. The library reads one item, an entry or a batch, at a time for as many futures as wait, in their
 * order. One that comes when its future was given up is kept for the next: cancelling a wait loses nothing.
 */
final class Reads<T> {
  /** What is read from. */
  interface Origin<T> {
    /** Starts to read the next item. */
    CompletableFuture<T> read();

    boolean isShut();

    /** Closes an item that nobody gets. */
    void discard(T item);

    /** Goes elsewhere. */
    default void seek(long position) {
      throw new IllegalStateException("there are no positions");
    }
  }

  private record Outcome<T>(T item, WeirException error) {}

  private final ReentrantLock lock = new ReentrantLock();
  private final Origin<T> origin;
  private final ArrayDeque<CompletableFuture<T>> waiting = new ArrayDeque<>();

  /** Whether the library reads, or what it read is being handed over. */
  private volatile boolean running;

  /** What was read and nobody waited for any more. */
  private volatile Outcome<T> kept;

  /** A position that was sought while the library read: what that comes to is stale. -1 for none. */
  private long sought = -1;

  Reads(Origin<T> origin) {
    this.origin = origin;
  }

  /** Whether a read outside of this would be out of turn. */
  boolean busy() {
    return running || kept != null;
  }

  CompletableFuture<T> next() {
    CompletableFuture<T> future = new CompletableFuture<>();
    Outcome<T> ready;
    boolean start = false;
    lock.lock();
    try {
      ready = kept;
      kept = null;
      if (ready == null) {
        waiting.add(future);
        start = !running;
        running = true;
      }
    } finally {
      lock.unlock();
    }
    if (ready != null) {
      complete(future, ready);
    } else {
      future.whenComplete((item, error) -> forget(future));
      if (start) {
        read();
      }
    }
    return future;
  }

  /** A future that was cancelled does not wait any more. */
  private void forget(CompletableFuture<T> future) {
    if (future.isCancelled()) {
      lock.lock();
      try {
        waiting.remove(future);
      } finally {
        lock.unlock();
      }
    }
  }

  private void read() {
    CompletableFuture<T> read = origin.read();
    read.whenComplete((item, error) -> {
      if (error instanceof ClosedException || error instanceof ForkedException) {
        refused((WeirException) error);
      } else {
        arrived(new Outcome<>(item, error == null ? null : Waiting.asWeir(error)));
      }
    });
  }

  /** All who wait get an error after which there are no reads. */
  private void refused(WeirException error) {
    List<CompletableFuture<T>> all;
    lock.lock();
    try {
      all = List.copyOf(waiting);
      waiting.clear();
      running = false;
    } finally {
      lock.unlock();
    }
    all.forEach(future -> future.completeExceptionally(error));
  }

  private void arrived(Outcome<T> outcome) {
    CompletableFuture<T> first;
    boolean more = false;
    do {
      lock.lock();
      try {
        if (sought >= 0) {
          outcome = drop(outcome);
        }
        first = outcome == null ? null : waiting.poll();
        if (first == null) {
          keep(outcome);
          more = !waiting.isEmpty();
          running = more;
        }
      } finally {
        lock.unlock();
      }
    } while (first != null && !complete(first, outcome));
    if (first != null) {
      lock.lock();
      try {
        more = !waiting.isEmpty();
        running = more;
      } finally {
        lock.unlock();
      }
    }
    if (more) {
      read();
    }
  }

  /** What was read before a seek is not what is next: the origin is moved again, and read again. That it was interrupted is told all the same. */
  private Outcome<T> drop(Outcome<T> outcome) {
    long position = sought;
    sought = -1;
    if (outcome.item != null) {
      origin.discard(outcome.item);
    }
    try {
      origin.seek(position);
      return outcome.error instanceof CancelledException ? outcome : null;
    } catch (WeirException e) {
      return new Outcome<>(null, e);
    }
  }

  /** Keeps what the next call is to get: an entry, or that it was interrupted. Other errors and the end show again when it reads. */
  private void keep(Outcome<T> outcome) {
    if (outcome == null) {
      return;
    }
    if (outcome.item != null && origin.isShut()) {
      origin.discard(outcome.item);
    } else if (outcome.item != null || outcome.error instanceof CancelledException) {
      kept = outcome;
    }
  }

  private boolean complete(CompletableFuture<T> future, Outcome<T> outcome) {
    return outcome.error != null ? future.completeExceptionally(outcome.error) : future.complete(outcome.item);
  }

  /** The position of what is kept, or else another. */
  long position(ToLongFunction<T> ofKept, LongSupplier position) {
    lock.lock();
    try {
      return kept != null && kept.item != null ? ofKept.applyAsLong(kept.item) : position.getAsLong();
    } finally {
      lock.unlock();
    }
  }

  void seek(long position, Runnable seek) {
    lock.lock();
    try {
      seek.run();
      dropKept();
      if (running) {
        sought = position;
      }
    } finally {
      lock.unlock();
    }
  }

  /** To be called when the origin is shut. */
  void close() {
    lock.lock();
    try {
      dropKept();
    } finally {
      lock.unlock();
    }
  }

  private void dropKept() {
    if (kept != null && kept.item != null) {
      origin.discard(kept.item);
      kept = null;
    }
  }
}
