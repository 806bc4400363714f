package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;
import org.apache.arrow.vector.VectorSchemaRoot;

/**
 * The completion queue of the process and the one platform thread, a daemon, that drains it, so that no thread of the library's enters
 * Java. Both are made when an asynchronous call first needs them, and end when nothing is open any more.
 */
final class Completions {
  private static final int EVENTS = 256;
  private static final Object LOCK = new Object();

  /** Handles that are open: while there are any, the queue stays. */
  private static final AtomicInteger USERS = new AtomicInteger();

  private static volatile Completions current;

  /** What an event is for. */
  interface Expected {
    /**
     * Takes an event, on the draining thread.
     *
     * @param error null on success
     * @param raw the result's pointer or number
     * @param ack the acknowledgement, and after it, at {@link Decoder#VALUE}, the number
     * @return whether it was the last
     */
    boolean arrive(WeirException error, long raw, MemorySegment ack);
  }

  /** A future that one event completes. */
  record Single<T>(CompletableFuture<T> future, Decoder<T> decoder, UnaryOperator<WeirException> errors) implements Expected {
    @Override
    public boolean arrive(WeirException error, long raw, MemorySegment ack) {
      if (error != null) {
        future.completeExceptionally(errors.apply(error));
        return true;
      }
      T value;
      try {
        value = decoder.decode(raw, ack);
      } catch (Throwable e) {
        future.completeExceptionally(e);
        return true;
      }
      if (!future.complete(value)) {
        drop(value);
      }
      return true;
    }

    /** Nobody waits for it any more. A handle's own close might block this thread. */
    private static void drop(Object value) {
      if (value instanceof Handle handle) {
        handle.shut();
      } else if (value instanceof VectorSchemaRoot batch) {
        batch.close();
      } else if (value instanceof GetResult result) {
        result.close();
      }
    }
  }

  private final MemorySegment queue;
  private final ConcurrentHashMap<Long, Expected> expected = new ConcurrentHashMap<>();
  private final AtomicLong tokens = new AtomicLong();

  private Completions(MemorySegment queue) {
    this.queue = queue;
  }

  /** Says that a handle is open, which {@link #leave} ends. */
  static void join() {
    USERS.incrementAndGet();
  }

  static void leave() {
    if (USERS.decrementAndGet() == 0) {
      Completions idle = current;
      if (idle != null) {
        idle.retireIfIdle();
      }
    }
  }

  /** The queue. To be called with a lease on a handle that has joined. */
  static Completions current() {
    Completions found = current;
    return found != null ? found : open();
  }

  private static Completions open() {
    synchronized (LOCK) {
      if (current == null) {
        try (Scratch scratch = Scratch.take()) {
          scratch.check(Native.weir_queue_new(MemorySegment.NULL, scratch.out, scratch.error));
          Completions made = new Completions(scratch.outPointer());
          new Drain(made).start();
          current = made;
        }
      }
      return current;
    }
  }

  /** Closes the queue if nothing is open and nothing under way; the thread sees that, frees it and ends. */
  private void retireIfIdle() {
    synchronized (LOCK) {
      if (current == this && USERS.get() == 0 && expected.isEmpty()) {
        current = null;
        try (Scratch scratch = Scratch.take()) {
          scratch.check(Native.weir_queue_close(queue, scratch.error));
        }
      }
    }
  }

  long expect(Expected what) {
    long token = tokens.incrementAndGet();
    expected.put(token, what);
    return token;
  }

  void forget(long token) {
    expected.remove(token);
  }

  /** A completion that posts here. Its memory is the scratch's. */
  MemorySegment completion(Scratch scratch, long token) {
    return Native.weir_queue_completion(scratch.completion, queue, token);
  }

  private void drain() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment events = arena.allocate(Native.WeirEvent.SIZE * EVENTS, 8);
      MemorySegment count = arena.allocate(ValueLayout.JAVA_LONG);
      MemorySegment error = arena.allocate(ValueLayout.ADDRESS);
      MemorySegment[] each = new MemorySegment[EVENTS];
      for (int i = 0; i < EVENTS; i++) {
        each[i] = events.asSlice(i * Native.WeirEvent.SIZE, Native.WeirEvent.SIZE);
      }
      while (Native.weir_queue_next(queue, events, EVENTS, Waiting.FOREVER, count, error) == Native.WEIR_STATUS_OK) {
        long n = count.get(ValueLayout.JAVA_LONG, 0);
        for (int i = 0; i < n; i++) {
          deliver(each[i]);
        }
        if (USERS.get() == 0) {
          retireIfIdle();
        }
      }
      Native.weir_error_free(error.get(ValueLayout.ADDRESS, 0)); // closed and drained, or forked
    } finally {
      Native.weir_queue_free(queue);
    }
  }

  /** Nothing that a receiver throws may end the thread. */
  private void deliver(MemorySegment event) {
    Long token = event.get(ValueLayout.JAVA_LONG, Native.WeirEvent.token);
    Expected receiver = expected.get(token);
    if (receiver == null) {
      Native.weir_event_clear(event);
      return;
    }
    boolean last = true;
    try {
      int status = event.get(ValueLayout.JAVA_INT, Native.WeirEvent.status);
      WeirException error = status == 0 ? null : WeirException.take(status, event.get(ValueLayout.ADDRESS, Native.WeirEvent.error));
      boolean number = event.get(ValueLayout.JAVA_INT, Native.WeirEvent.result_kind) == Native.WEIR_RESULT_NONE;
      long raw = event.get(ValueLayout.JAVA_LONG, number ? Native.WeirEvent.value : Native.WeirEvent.result);
      last = receiver.arrive(error, raw, event.asSlice(Native.WeirEvent.ack));
    } catch (Throwable thrown) {
      Weir.LOGGER.log(System.Logger.Level.ERROR, "a completion failed", thrown);
    } finally {
      if (last) {
        expected.remove(token);
      }
    }
  }

  /** The thread. */
  static final class Drain extends Thread {
    private final Completions completions;

    private Drain(Completions completions) {
      super("weir-completions");
      this.completions = completions;
      setDaemon(true);
    }

    @Override
    public void run() {
      completions.drain();
    }
  }
}
