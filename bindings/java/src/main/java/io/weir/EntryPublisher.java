package io.weir;

import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;

/** A tailer's entries as a publisher: demand is the credit of a subscription of the library's. */
final class EntryPublisher implements Flow.Publisher<Entry> {
  private final Tailer tailer;
  private final Executor executor;

  EntryPublisher(Tailer tailer, Executor executor) {
    this.tailer = tailer;
    this.executor = Objects.requireNonNull(executor, "executor");
  }

  @Override
  public void subscribe(Flow.Subscriber<? super Entry> subscriber) {
    Objects.requireNonNull(subscriber, "subscriber");
    if (!tailer.subscribed.compareAndSet(false, true)) {
      refuse(subscriber, new IllegalStateException("this tailer has a subscriber"));
      return;
    }
    Delivery delivery = new Delivery(subscriber);
    try {
      delivery.open();
    } catch (WeirException e) {
      tailer.subscribed.set(false);
      refuse(subscriber, e);
      return;
    }
    delivery.begin();
  }

  private static void refuse(Flow.Subscriber<?> subscriber, RuntimeException why) {
    subscriber.onSubscribe(
        new Flow.Subscription() {
          @Override
          public void request(long n) {}

          @Override
          public void cancel() {}
        });
    subscriber.onError(why);
  }

  /** A {@code WeirSubscription}. */
  private static final class Subscription extends OpenHandle {
    Subscription(MemorySegment pointer) {
      super(pointer);
    }

    @Override
    String kind() {
      return "subscription";
    }

    @Override
    void freeNative(MemorySegment pointer) {
      Native.weir_subscription_free(pointer);
    }
  }

  /** The end: error is null for the end of the log. */
  private record End(Throwable error) {}

  /** One subscriber: events come on the draining thread, and are handed on in order, one at a time, by the executor. */
  final class Delivery implements Flow.Subscription, Completions.Expected, Runnable {
    private final Flow.Subscriber<? super Entry> subscriber;
    private final ConcurrentLinkedQueue<Object> events = new ConcurrentLinkedQueue<>();

    /** How many reasons there are to look at the events; who raises it from 0 has them handed on. 1 at first: until onSubscribe. */
    private final AtomicInteger reasons = new AtomicInteger(1);

    /** There before the subscriber hears of anything; the library's last event may be faster. */
    private final CompletableFuture<Subscription> subscription = new CompletableFuture<>();

    /** Whether the subscriber wants nothing any more, or was told the end. */
    private volatile boolean done;

    Delivery(Flow.Subscriber<? super Entry> subscriber) {
      this.subscriber = subscriber;
    }

    void open() {
      MemorySegment handle = tailer.acquire();
      try (Scratch scratch = Scratch.take()) {
        Completions completions = Completions.current();
        long token = completions.expect(this);
        MemorySegment completion = completions.completion(scratch, token);
        int status = Native.weir_tailer_subscribe(handle, completion, 0, scratch.out, scratch.error);
        if (status != Native.WEIR_STATUS_OK) {
          completions.forget(token);
          scratch.check(status);
        }
        subscription.complete(new Subscription(scratch.outPointer()));
      } finally {
        tailer.release();
      }
    }

    void begin() {
      subscriber.onSubscribe(this);
      if (reasons.decrementAndGet() > 0) {
        dispatch();
      }
    }

    @Override
    public void request(long n) {
      if (done) {
        return;
      }
      if (n <= 0) {
        handOn(new End(new IllegalArgumentException("request(" + n + "): more than 0 must be requested")));
        stop();
        return;
      }
      call(pointer -> {
        try (Scratch scratch = Scratch.take()) {
          scratch.check(Native.weir_subscription_request(pointer, n, scratch.error));
        }
      });
    }

    @Override
    public void cancel() {
      done = true;
      stop();
    }

    private void stop() {
      call(Native::weir_subscription_cancel);
    }

    private interface Call {
      void on(MemorySegment subscription);
    }

    private void call(Call call) {
      Subscription made = subscription.join();
      MemorySegment pointer;
      try {
        pointer = made.acquire();
      } catch (ClosedException ended) {
        return;
      }
      try {
        call.on(pointer);
      } finally {
        made.release();
      }
    }

    @Override
    public boolean arrive(WeirException error, long raw, MemorySegment ack) {
      if (error == null && raw != 0) {
        handOn(new Entry(MemorySegment.ofAddress(raw), tailer.schemas));
        return false;
      }
      subscription.thenAccept(Subscription::shut);
      handOn(new End(error));
      return true;
    }

    private void handOn(Object event) {
      events.add(event);
      if (reasons.getAndIncrement() == 0) {
        dispatch();
      }
    }

    private void dispatch() {
      try {
        executor.execute(this);
      } catch (RejectedExecutionException e) { // nobody to call the subscriber any more: it hears of it here, and last
        boolean told = done;
        cancel();
        run();
        if (!told) {
          subscriber.onError(e);
        }
      }
    }

    @Override
    public void run() {
      int seen = reasons.get();
      do {
        for (Object event = events.poll(); event != null; event = events.poll()) {
          signal(event);
        }
        seen = reasons.addAndGet(-seen);
      } while (seen != 0);
    }

    private void signal(Object event) {
      try {
        if (event instanceof Entry entry) {
          if (done) {
            entry.close();
          } else {
            subscriber.onNext(entry);
          }
        } else {
          end((End) event);
        }
      } catch (Throwable thrown) { // the rules forbid it to throw
        cancel();
        Weir.LOGGER.log(System.Logger.Level.ERROR, "a subscriber threw; its subscription was cancelled", thrown);
      }
    }

    private void end(End end) {
      boolean told = done;
      done = true;
      if (subscription.join().isShut()) {
        tailer.subscribed.set(false);
      }
      if (told) {
        return;
      }
      if (end.error == null) {
        subscriber.onComplete();
      } else {
        subscriber.onError(end.error);
      }
    }
  }
}
