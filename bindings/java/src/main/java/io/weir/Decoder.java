package io.weir;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** Makes what a call gives back into what the binding does. */
@FunctionalInterface
interface Decoder<T> {
  /** Nothing. */
  Decoder<Void> NOTHING = (raw, ack) -> null;

  /** A number. */
  Decoder<Long> NUMBER = (raw, ack) -> raw;

  /** A {@code WeirAck}. */
  Decoder<Ack> ACK = (raw, ack) -> Ack.read(ack);

  /** A {@code WeirBuffer *} with lines. */
  Decoder<List<String>> LINES = (raw, ack) -> Text.take(MemorySegment.ofAddress(raw)).lines().toList();

  /** A {@code WeirBuffer *} with text. */
  Decoder<String> TEXT = (raw, ack) -> Text.take(MemorySegment.ofAddress(raw));

  /** A {@code WeirManifest *}. */
  Decoder<Manifest> MANIFEST = (raw, ack) -> Manifest.take(MemorySegment.ofAddress(raw));

  /** A {@code WeirBuffer *} with bytes. */
  Decoder<byte[]> BYTES = (raw, ack) -> Text.takeBytes(MemorySegment.ofAddress(raw));

  /** Where, after the acknowledgement, the number is that comes with a pointer. */
  long VALUE = Native.WeirAck.SIZE;

  /** An owned pointer or a number, and an acknowledgement; which of them is filled depends on the call. */
  T decode(long raw, MemorySegment ack);

  /** Reads a number of a struct. */
  static long number(MemorySegment struct, long offset) {
    return struct.get(ValueLayout.JAVA_LONG, offset);
  }
}
