package io.weir;

import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.DictionaryProvider;

/** What a {@link CacheLoader} or a {@link CacheBackend} answers with: bytes, a batch, a cached value, nothing, or any of these later. */
public final class CacheContent {
  /** Sends it. */
  private interface Answer {
    void to(CacheReply reply);
  }

  private static final CacheContent NONE = new CacheContent(CacheReply::miss, true);

  private final Answer answer;
  private final boolean reusable;
  private final AtomicBoolean used = new AtomicBoolean();

  private CacheContent(Answer answer, boolean reusable) {
    this.answer = answer;
    this.reusable = reusable;
  }

  /**
   * Bytes.
   *
   * @param value the bytes; copied when they are answered
   * @return the answer
   */
  public static CacheContent bytes(byte[] value) {
    Objects.requireNonNull(value, "value");
    return new CacheContent(reply -> reply.bytes(value), true);
  }

  /**
   * A batch, which is not copied.
   *
   * @param root the batch; closed when it was answered
   * @return the answer, for one call
   */
  public static CacheContent batch(VectorSchemaRoot root) {
    return batch(root, null);
  }

  /**
   * A batch that has dictionaries, as {@link #batch(VectorSchemaRoot)}.
   *
   * @param root the batch; closed when it was answered
   * @param dictionaries its dictionaries, which stay the caller's to close
   * @return the answer, for one call
   */
  public static CacheContent batch(VectorSchemaRoot root, DictionaryProvider dictionaries) {
    Objects.requireNonNull(root, "root");
    return new CacheContent(
        reply -> {
          try (root) {
            reply.batch(root, dictionaries);
          }
        },
        false);
  }

  /**
   * A value that a backend was given, or that was got from any cache. It may be closed, or taken out, as soon as this returns. Must be
   * answered with.
   *
   * @param value the value, which stays the caller's to close
   * @return the answer, for one call
   * @throws ClosedException if it is closed
   */
  public static CacheContent value(CacheValue value) {
    MemorySegment pointer = value.acquire();
    return new CacheContent(
        reply -> {
          try {
            reply.value(pointer);
          } finally {
            value.release();
          }
        },
        false);
  }

  /**
   * No value.
   *
   * @return the answer
   */
  public static CacheContent none() {
    return NONE;
  }

  /**
   * An answer that comes later, from any thread.
   *
   * @param stage completes with the answer, or with what went wrong
   * @return the answer, for one call
   */
  public static CacheContent later(CompletionStage<CacheContent> stage) {
    Objects.requireNonNull(stage, "stage");
    return new CacheContent(
        reply ->
            stage.whenComplete(
                (content, error) -> {
                  if (error != null) {
                    reply.error(error instanceof CompletionException && error.getCause() != null ? error.getCause() : error);
                  } else {
                    send(content, reply);
                  }
                }),
        false);
  }

  /** Answers with `content`, or with what is wrong with it. Throws nothing. */
  static void send(CacheContent content, CacheReply reply) {
    try {
      if (content == null) {
        throw new NullPointerException("the answer is null");
      }
      if (content.used.getAndSet(true) && !content.reusable) {
        throw new IllegalStateException("the answer was used for another call");
      }
      content.answer.to(reply);
    } catch (Throwable e) {
      reply.error(e);
    }
  }
}
