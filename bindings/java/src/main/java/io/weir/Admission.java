package io.weir;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CompletableFuture;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowArrayStream;

/** How a writer is given batches to put and keys to delete: in the form that suits the thread. */
final class Admission {
  /** What is to be done with what is given. */
  enum Verb {
    PUT {
      @Override
      int call(MemorySegment writer, MemorySegment array, MemorySegment schema, long timeoutMs, Scratch s) {
        return Native.weir_writer_put(writer, array, timeoutMs, s.ack, s.error);
      }

      @Override
      int callAsync(MemorySegment writer, MemorySegment array, MemorySegment schema, MemorySegment completion, MemorySegment error) {
        return Native.weir_writer_put_async(writer, array, completion, error);
      }
    },
    DELETE {
      @Override
      int call(MemorySegment writer, MemorySegment array, MemorySegment schema, long timeoutMs, Scratch s) {
        return Native.weir_writer_delete(writer, array, schema, timeoutMs, s.ack, s.error);
      }

      @Override
      int callAsync(MemorySegment writer, MemorySegment array, MemorySegment schema, MemorySegment completion, MemorySegment error) {
        return Native.weir_writer_delete_async(writer, array, schema, completion, error);
      }
    };

    abstract int call(MemorySegment writer, MemorySegment array, MemorySegment schema, long timeoutMs, Scratch s);

    abstract int callAsync(MemorySegment writer, MemorySegment array, MemorySegment schema, MemorySegment completion, MemorySegment error);
  }

  private final Putting writer;
  private final boolean durable;

  Admission(Putting writer, boolean durable) {
    this.writer = writer;
    this.durable = durable;
  }

  /** What can be given again, if there is no room for it. */
  Ack settle(Verb verb, Source source, long timeoutMs) {
    if (!Waiting.parks(timeoutMs)) {
      Waiting.check();
      return block(verb, source, timeoutMs);
    }
    Waiting.Deadline deadline = new Waiting.Deadline(timeoutMs);
    while (true) { // without holding the carrier
      try {
        return durable ? awaitDurable(verb, source, deadline.left()) : block(verb, source, 0);
      } catch (BackpressureException refused) {
        if (deadline.left() == 0) {
          throw refused;
        }
        try {
          Waiting.await(waitCapacity(refused.bytes()), deadline.left(), Status.TIMED_OUT, "waiting for room");
        } catch (TimedOutException late) {
          throw refused;
        }
      }
    }
  }

  /** What can be given once: on a virtual thread, when there seems to be room. */
  Ack settle(Verb verb, ArrowArray array, long timeoutMs) {
    try {
      Waiting.check();
      if (Waiting.parks(timeoutMs)) {
        Waiting.Deadline deadline = new Waiting.Deadline(timeoutMs);
        long limit = crowded();
        if (limit > 0) {
          Waiting.await(waitCapacity(limit / 2), timeoutMs, Status.BACKPRESSURE, "waiting for room");
        }
        return durable ? awaitDurable(verb, Source.of(array), deadline.left()) : block(verb, Source.of(array), 0);
      }
      return block(verb, Batches.address(array), MemorySegment.NULL, timeoutMs);
    } finally {
      Batches.discard(array); // if it did not come to the call
    }
  }

  private Ack block(Verb verb, Source source, long timeoutMs) {
    return source.with((array, schema) -> block(verb, array, schema, timeoutMs));
  }

  /** One call of the library's, on this thread. */
  private Ack block(Verb verb, MemorySegment array, MemorySegment schema, long timeoutMs) {
    MemorySegment pointer = writer.acquire();
    try (Scratch scratch = Scratch.take()) {
      int status = verb.call(pointer, array, schema, timeoutMs, scratch);
      if (status != Native.WEIR_STATUS_OK) {
        throw WeirException.take(status, scratch.errorPointer());
      }
      return Ack.read(scratch.ack);
    } finally {
      writer.release();
    }
  }

  /** The future completes when it is durable. */
  CompletableFuture<Ack> start(Verb verb, Source source) {
    return source.start(
        (array, schema) ->
            writer.start(Decoder.ACK, (pointer, completion, error) -> verb.callAsync(pointer, array, schema, completion, error)));
  }

  /** A stream is read by the library, which waits for room by itself. */
  Ack settle(ArrowArrayStream stream, long timeoutMs) {
    if (Waiting.parks(timeoutMs)) {
      Waiting.checkInterrupted("nothing was put");
      return Waiting.await(
          start(stream), timeoutMs, Status.TIMED_OUT, Status.OUTCOME_UNKNOWN, "batches of a stream were accepted or may still be");
    }
    return writer.block(
        timeoutMs,
        Decoder.ACK,
        (pointer, timeout, s) -> Native.weir_writer_put_stream(pointer, Batches.address(stream), timeout, s.ack, s.error));
  }

  CompletableFuture<Ack> start(ArrowArrayStream stream) {
    return writer.start(
        Decoder.ACK,
        (pointer, completion, error) -> Native.weir_writer_put_stream_async(pointer, Batches.address(stream), completion, error));
  }

  private CompletableFuture<Void> waitCapacity(long bytes) {
    return writer.start(
        Decoder.NOTHING, (pointer, completion, error) -> Native.weir_writer_wait_capacity_async(pointer, bytes, completion, error));
  }

  /** The limit on pending bytes, if more than half of it is taken; else 0. */
  private long crowded() {
    MemorySegment pointer = writer.acquire();
    try (Scratch scratch = Scratch.take()) {
      MemorySegment memory = scratch.array;
      memory.set(ValueLayout.JAVA_INT, Native.WeirWriterMemory.struct_size, (int) Native.WeirWriterMemory.SIZE);
      scratch.check(Native.weir_writer_memory(pointer, memory, scratch.error));
      long limit = Decoder.number(memory, Native.WeirWriterMemory.limit_bytes);
      long used =
          Decoder.number(memory, Native.WeirWriterMemory.pending_bytes)
              + Decoder.number(memory, Native.WeirWriterMemory.in_flight_bytes)
              + Decoder.number(memory, Native.WeirWriterMemory.reserved_bytes);
      return used > limit / 2 ? limit : 0;
    } finally {
      writer.release();
    }
  }

  /** Whose wait ends after it was accepted is told so, also if it is by an interrupt. */
  private Ack awaitDurable(Verb verb, Source source, long timeoutMs) {
    Waiting.checkInterrupted("nothing was accepted");
    return Waiting.await(
        start(verb, source),
        timeoutMs,
        Status.OUTCOME_UNKNOWN,
        Status.OUTCOME_UNKNOWN,
        "what was given was accepted and may still become durable");
  }
}
