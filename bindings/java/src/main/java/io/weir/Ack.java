package io.weir;

import java.lang.foreign.MemorySegment;

/**
 * What a put came to.
 *
 * @param sequence how many puts the writer holds with this one: an exclusive count over the writer's life, for {@link
 *     Writer#waitDurable(long)}
 * @param position the position of the entry that holds the batch; 0 while that is not durable
 * @param epoch the epoch under which the writer holds the shard
 */
public record Ack(long sequence, long position, long epoch) {
  static Ack read(MemorySegment ack) {
    return new Ack(
        Decoder.number(ack, Native.WeirAck.sequence),
        Decoder.number(ack, Native.WeirAck.position),
        Decoder.number(ack, Native.WeirAck.epoch));
  }
}
