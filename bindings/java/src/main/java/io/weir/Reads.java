package io.weir;

import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;

/**
 * The asynchronous reads of one tailer. The library reads one entry at a time for as many futures as wait, in their order. An entry that
 * comes when its future was given up is kept for the next: cancelling a wait loses nothing.
 */
final class Reads {
  private record Outcome(Entry entry, WeirException error) {}

  private final ReentrantLock lock = new ReentrantLock();
  private final Tailer tailer;
  private final ArrayDeque<CompletableFuture<Entry>> waiting = new ArrayDeque<>();

  /** Whether the library reads, or what it read is being handed over. */
  private volatile boolean running;

  /** What was read and nobody waited for any more. */
  private volatile Outcome kept;

  /** A position that was sought while the library read: what that comes to is stale. -1 for none. */
  private long sought = -1;

  Reads(Tailer tailer) {
    this.tailer = tailer;
  }

  /** Whether a read outside of this would be out of turn. */
  boolean busy() {
    return running || kept != null;
  }

  CompletableFuture<Entry> next() {
    CompletableFuture<Entry> future = new CompletableFuture<>();
    Outcome ready;
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
      future.whenComplete((entry, error) -> forget(future));
      if (start) {
        read();
      }
    }
    return future;
  }

  /** A future that was cancelled does not wait any more. */
  private void forget(CompletableFuture<Entry> future) {
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
    CompletableFuture<Entry> read =
        tailer.start(tailer.entries, (handle, completion, error) -> Native.weir_tailer_next_async(handle, completion, error));
    read.whenComplete((entry, error) -> {
      if (error instanceof ClosedException || error instanceof ForkedException) {
        refused((WeirException) error);
      } else {
        arrived(new Outcome(entry, error == null ? null : Waiting.asWeir(error)));
      }
    });
  }

  /** All who wait get an error after which there are no reads. */
  private void refused(WeirException error) {
    List<CompletableFuture<Entry>> all;
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

  private void arrived(Outcome outcome) {
    CompletableFuture<Entry> first;
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

  /** What was read before a seek is not what is next: the tailer is moved again, and reads again. */
  private Outcome drop(Outcome outcome) {
    long position = sought;
    sought = -1;
    if (outcome.entry != null) {
      outcome.entry.close();
    }
    try {
      tailer.seekNow(position);
      return null;
    } catch (WeirException e) {
      return new Outcome(null, e);
    }
  }

  /** Keeps what the next call is to get: an entry, or that it was interrupted. Other errors and the end show again when it reads. */
  private void keep(Outcome outcome) {
    if (outcome == null) {
      return;
    }
    if (outcome.entry != null && tailer.isShut()) {
      outcome.entry.close();
    } else if (outcome.entry != null || outcome.error instanceof CancelledException) {
      kept = outcome;
    }
  }

  private static boolean complete(CompletableFuture<Entry> future, Outcome outcome) {
    return outcome.error != null ? future.completeExceptionally(outcome.error) : future.complete(outcome.entry);
  }

  long position(LongSupplier position) {
    lock.lock();
    try {
      return kept != null && kept.entry != null ? kept.entry.position() : position.getAsLong();
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

  /** To be called when the tailer is shut. */
  void close() {
    lock.lock();
    try {
      dropKept();
    } finally {
      lock.unlock();
    }
  }

  private void dropKept() {
    if (kept != null && kept.entry != null) {
      kept.entry.close();
      kept = null;
    }
  }
}
