package io.weir;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Flow;

/** A subscriber that notes the positions of what it gets. */
final class Collector implements Flow.Subscriber<Entry> {
  private final long demand;
  final ConcurrentLinkedQueue<Long> positions = new ConcurrentLinkedQueue<>();

  /** How it ended: "complete", or the error. */
  final CompletableFuture<Object> ended = new CompletableFuture<>();

  volatile Flow.Subscription subscription;

  Collector(long demand) {
    this.demand = demand;
  }

  @Override
  public void onSubscribe(Flow.Subscription given) {
    subscription = given;
    if (demand != 0) {
      given.request(demand);
    }
  }

  @Override
  public void onNext(Entry entry) {
    try (entry) {
      positions.add(entry.position());
    }
  }

  @Override
  public void onError(Throwable error) {
    if (!ended.complete(error)) {
      throw new IllegalStateException("ended twice", error);
    }
  }

  @Override
  public void onComplete() {
    if (!ended.complete("complete")) {
      throw new IllegalStateException("ended twice");
    }
  }
}
