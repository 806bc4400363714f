package io.weir;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Publishers of entries: the rules of java.util.concurrent.Flow. */
@Timeout(120)
class PublisherTest {
  private Fixture f;

  @BeforeEach
  void open() {
    f = new Fixture();
  }

  @AfterEach
  void close() {
    f.close();
  }

  @Test
  void aPublisherHasOneSubscriberAtATime() throws Exception {
    f.fill(3);
    try (Tailer tailer = f.tailer()) {
      assertThrows(NullPointerException.class, () -> tailer.publisher().subscribe(null));
      Collector first = new Collector(0);
      Collector second = new Collector(1);
      tailer.publisher().subscribe(first);
      tailer.publisher().subscribe(second);
      assertInstanceOf(IllegalStateException.class, second.ended.get(30, TimeUnit.SECONDS));
      second.subscription.request(1);
      second.subscription.cancel();
      first.subscription.request(1);
      Fixture.eventually(1, first.positions::size, "entries");
      first.subscription.cancel();
      Fixture.eventually(0, () -> tailer.subscribed.get() ? 1 : 0, "subscribers");
      Collector third = new Collector(Long.MAX_VALUE);
      tailer.publisher().subscribe(third);
      assertEquals("complete", third.ended.get(30, TimeUnit.SECONDS));
      assertEquals(List.of(2L, 3L), List.copyOf(third.positions));
    }
    Tailer closed = f.tailer();
    closed.close();
    Collector late = new Collector(1);
    closed.publisher().subscribe(late);
    assertInstanceOf(ClosedException.class, late.ended.get(30, TimeUnit.SECONDS));
  }

  @Test
  void anImpossibleDemandIsAnErrorOfTheSubscriber() throws Exception {
    f.fill(3);
    for (long demand : new long[] {0, -1, Long.MIN_VALUE}) {
      try (Tailer tailer = f.tailer()) {
        Collector collector = new Collector(0);
        tailer.publisher().subscribe(collector);
        collector.subscription.request(demand);
        assertInstanceOf(IllegalArgumentException.class, collector.ended.get(30, TimeUnit.SECONDS));
        collector.subscription.request(5);
        assertEquals(List.of(), List.copyOf(collector.positions));
      }
    }
  }

  @Test
  void errorsOfTheLogEndASubscription() throws Exception {
    try (Tailer missing = f.tailer()) {
      Collector collector = new Collector(1);
      missing.publisher().subscribe(collector);
      assertInstanceOf(NotFoundException.class, collector.ended.get(30, TimeUnit.SECONDS));
    }
    f.writer().close();
    Tailer tailer = f.follower();
    Collector collector = new Collector(5);
    tailer.publisher().subscribe(collector);
    tailer.close();
    assertInstanceOf(ClosedException.class, collector.ended.get(30, TimeUnit.SECONDS));
  }

  /** Signals come one at a time, also to a slow subscriber that asks for more on other threads. */
  @Test
  void signalsAreSerial() throws Exception {
    f.fill(300);
    AtomicInteger inside = new AtomicInteger();
    AtomicInteger overlaps = new AtomicInteger();
    List<Long> positions = new ArrayList<>(); // not thread-safe: serial signals make it so
    CompletableFuture<Void> done = new CompletableFuture<>();
    try (Tailer tailer = f.tailer()) {
      tailer
          .publisher()
          .subscribe(
              new Flow.Subscriber<>() {
                private Flow.Subscription subscription;

                @Override
                public void onSubscribe(Flow.Subscription given) {
                  subscription = given;
                  Thread.startVirtualThread(() -> given.request(1));
                  given.request(3);
                }

                @Override
                public void onNext(Entry entry) {
                  overlaps.addAndGet(inside.getAndIncrement());
                  try (entry) {
                    positions.add(entry.position());
                  }
                  Thread.yield();
                  inside.decrementAndGet();
                  Thread.startVirtualThread(() -> subscription.request(1));
                }

                @Override
                public void onError(Throwable error) {
                  done.completeExceptionally(error);
                }

                @Override
                public void onComplete() {
                  done.complete(null);
                }
              });
      done.get(60, TimeUnit.SECONDS);
    }
    assertEquals(0, overlaps.get());
    assertEquals(Fixture.range(1, 301), positions);
  }

  @Test
  void aSubscriberThatThrowsIsCancelled() {
    f.fill(10);
    AtomicInteger entries = new AtomicInteger();
    try (Tailer tailer = f.tailer()) {
      tailer
          .publisher()
          .subscribe(
              new Flow.Subscriber<>() {
                @Override
                public void onSubscribe(Flow.Subscription subscription) {
                  subscription.request(10);
                }

                @Override
                public void onNext(Entry entry) {
                  entry.close();
                  entries.incrementAndGet();
                  throw new IllegalStateException("a subscriber that breaks the rules, on purpose");
                }

                @Override
                public void onError(Throwable error) {}

                @Override
                public void onComplete() {}
              });
      Fixture.eventually(0, () -> tailer.subscribed.get() ? 1 : 0, "subscribers");
    }
    assertEquals(1, entries.get());
  }

  @Test
  void anExecutorThatRefusesEndsTheSubscription() throws Exception {
    f.fill(10);
    try (Tailer tailer = f.tailer()) {
      Collector collector = new Collector(10);
      tailer
          .publisher(
              task -> {
                throw new RejectedExecutionException("shut down");
              })
          .subscribe(collector);
      assertInstanceOf(RejectedExecutionException.class, collector.ended.get(30, TimeUnit.SECONDS));
      assertEquals(0, collector.positions.size());
    }
  }

  /** The last event may be faster than the call that makes the subscription: it comes on another thread. */
  @Test
  void aSubscriptionMayEndBeforeItIsMade() throws Exception {
    f.fill(1);
    try (Tailer tailer = f.tailer()) {
      Collector collector = new Collector(1);
      tailer.subscribed.set(true);
      EntryPublisher.Delivery delivery = new EntryPublisher(tailer, Runnable::run).new Delivery(collector);
      assertTrue(delivery.arrive(WeirException.of(Status.CLOSED, "the tailer was closed"), 0, null));
      delivery.open();
      delivery.begin();
      assertInstanceOf(ClosedException.class, collector.ended.get(30, TimeUnit.SECONDS));
      assertFalse(tailer.subscribed.get());
    }
  }

  @Test
  void aTailerThatIsClosedEndsItsSubscription() throws Exception {
    f.fill(1);
    for (int round = 0; round < 100; round++) {
      Tailer tailer = f.follower();
      Collector collector = new Collector(Long.MAX_VALUE);
      Thread closer = Thread.ofPlatform().start(tailer::close);
      tailer.publisher().subscribe(collector);
      closer.join();
      assertInstanceOf(ClosedException.class, collector.ended.get(30, TimeUnit.SECONDS));
      assertTrue(collector.positions.size() <= 1);
    }
  }
}
