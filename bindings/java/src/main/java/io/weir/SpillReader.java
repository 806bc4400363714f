package io.weir;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.SeekableByteChannel;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A position in a spill, from which its bytes are read one after the other, with read-ahead. Any thread may use it; reads take turns. An
 * error of weir's is the cause of its {@link IOException}, and the position stays where it was. To be closed: the spill is kept until then.
 */
public final class SpillReader extends OpenHandle implements SeekableByteChannel {
  private final Staging staging = new Staging();
  private final ReentrantLock turns = new ReentrantLock();
  private final long length;
  private long position;

  SpillReader(MemorySegment pointer, long length) {
    super(pointer);
    this.length = length;
  }

  @Override
  String kind() {
    return "spill reader";
  }

  @Override
  void freeNative(MemorySegment pointer) {
    Native.weir_spill_reader_free(pointer);
  }

  /** Closes the reader, once the read that is under way is done. Closing again does nothing. */
  @Override
  public void close() {
    shut();
  }

  @Override
  public boolean isOpen() {
    return !isShut();
  }

  /**
   * Reads the next bytes, as many as remain in the buffer, or fewer at the end of the spill.
   *
   * @param out receives the bytes
   * @return how many, or -1 if all were read
   */
  @Override
  public int read(ByteBuffer out) throws IOException {
    turns.lock();
    try {
      long before = position;
      MemorySegment memory = MemorySegment.ofBuffer(out);
      long count;
      try {
        count = staging.read(memory, (at, piece) -> next(piece));
        position = before + count;
      } catch (WeirException e) {
        back(before);
        throw translated(e);
      }
      out.position(out.position() + (int) count);
      return count == 0 && out.hasRemaining() ? -1 : (int) count;
    } finally {
      turns.unlock();
    }
  }

  private long next(MemorySegment piece) {
    if (!Thread.currentThread().isVirtual()) {
      return block(
          Waiting.FOREVER,
          Decoder.NUMBER,
          (reader, timeout, s) -> Native.weir_spill_reader_read(reader, piece, piece.byteSize(), timeout, s.out, s.error));
    }
    CompletableFuture<byte[]> bytes =
        start(
            Decoder.BYTES,
            (reader, completion, error) -> Native.weir_spill_reader_read_async(reader, piece.byteSize(), completion, error));
    return Staging.fill(piece, Waiting.await(bytes, Waiting.FOREVER, Status.TIMED_OUT, "reading a spill"));
  }

  /** Undoes the part of a read before that which failed. */
  private void back(long position) {
    try {
      seek(position);
    } catch (WeirException e) {
      // closed: there is no position any more
    }
  }

  private void seek(long position) {
    get(Decoder.NOTHING, (reader, timeout, s) -> Native.weir_spill_reader_seek(reader, position, Waiting.FOREVER, s.error));
  }

  private static IOException translated(WeirException e) {
    if (e instanceof ClosedException) {
      IOException closed = new ClosedChannelException();
      closed.initCause(e);
      return closed;
    }
    return new IOException(e.getMessage(), e);
  }

  private void checkOpen() throws ClosedChannelException {
    if (isShut()) {
      throw new ClosedChannelException();
    }
  }

  @Override
  public long position() throws IOException {
    checkOpen();
    turns.lock();
    try {
      return position;
    } finally {
      turns.unlock();
    }
  }

  /**
   * Sets where the next read begins.
   *
   * @param newPosition from the beginning of the spill; beyond its end nothing is read
   * @return this
   */
  @Override
  public SpillReader position(long newPosition) throws IOException {
    if (newPosition < 0) {
      throw new IllegalArgumentException("the position is negative: " + newPosition);
    }
    turns.lock();
    try {
      seek(newPosition);
      position = newPosition;
      return this;
    } catch (WeirException e) {
      throw translated(e);
    } finally {
      turns.unlock();
    }
  }

  @Override
  public long size() throws IOException {
    checkOpen();
    return length;
  }

  /** Not possible: a spill is not changed any more. */
  @Override
  public int write(ByteBuffer in) {
    throw new NonWritableChannelException();
  }

  /** Not possible: a spill is not changed any more. */
  @Override
  public SeekableByteChannel truncate(long size) {
    throw new NonWritableChannelException();
  }
}
