package io.weir;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.memory.ArrowBuf;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.ForeignAllocation;
import org.apache.arrow.vector.BaseFixedWidthVector;
import org.apache.arrow.vector.BaseVariableWidthVector;
import org.apache.arrow.vector.BitVector;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.message.ArrowFieldNode;
import org.apache.arrow.vector.types.pojo.ArrowType.ArrowTypeID;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * A batch of C's whose columns have neither children nor dictionaries, as most have, taken over without copying: column by column, where
 * arrow-java's own import makes a vector of structs around them first. All buffers of a batch keep it alive; the last lets go of it. Those that
 * lie side by side, as all of an entry do, are one allocation to arrow-java, whose books cost more than the rest.
 */
final class FlatBatch {
  /** Types whose vectors have a width of their own, or offsets of 32 bits. */
  private static final EnumSet<ArrowTypeID> FLAT =
      EnumSet.of(
          ArrowTypeID.Int, ArrowTypeID.FloatingPoint, ArrowTypeID.Bool, ArrowTypeID.Decimal, ArrowTypeID.Date, ArrowTypeID.Time,
          ArrowTypeID.Timestamp, ArrowTypeID.Interval, ArrowTypeID.Duration, ArrowTypeID.FixedSizeBinary, ArrowTypeID.Utf8, ArrowTypeID.Binary);

  private static final long SIZE = 80;
  private static final long LENGTH = 0;
  private static final long NULL_COUNT = 8;
  private static final long OFFSET = 16;
  private static final long N_BUFFERS = 24;
  private static final long N_CHILDREN = 32;
  private static final long BUFFERS = 40;
  private static final long CHILDREN = 48;
  private static final long RELEASE = 64;

  /** What lies between buffers that lie side by side, at most: Arrow aligns to 64 bytes. */
  private static final long GAP = 64;

  private static final MemorySegment MEMORY = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

  private final AtomicInteger shares = new AtomicInteger(1);
  private final BufferAllocator allocator;

  /** The struct, which may lie anywhere when it is released. */
  private final byte[] moved;

  /** The buffers of all columns, each as its address and its size. */
  private final long[] buffers;

  private int used;

  /** What all buffers are slices of; null if they lie apart. */
  private ArrowBuf whole;

  /** The validity of columns without nulls that have none. */
  private ArrowBuf valid;

  private FlatBatch(long batch, int columns, BufferAllocator allocator) {
    this.allocator = allocator;
    buffers = new long[columns * 6];
    moved = new byte[(int) SIZE];
    MemorySegment.copy(MEMORY, ValueLayout.JAVA_BYTE, batch, moved, 0, moved.length);
    MEMORY.set(ValueLayout.JAVA_LONG, batch + RELEASE, 0);
  }

  private static long number(long struct, long field) {
    return MEMORY.get(ValueLayout.JAVA_LONG, struct + field);
  }

  /** Imports a batch, which is moved out of the struct; null, and nothing was done, if it is not one of this kind. */
  static VectorSchemaRoot take(ArrowArray array, Schema schema, BufferAllocator allocator) {
    long batch = array.memoryAddress();
    List<Field> fields = schema.getFields();
    int columns = fields.size();
    if (number(batch, N_CHILDREN) != columns || number(batch, OFFSET) != 0) {
      return null;
    }
    long children = number(batch, CHILDREN);
    int rows = Math.toIntExact(number(batch, LENGTH));
    for (int i = 0; i < columns; i++) {
      if (!isFlat(fields.get(i), number(children, 8L * i), rows)) {
        return null;
      }
    }
    FlatBatch own = new FlatBatch(batch, columns, allocator);
    List<FieldVector> vectors = new ArrayList<>(columns);
    try {
      for (int i = 0; i < columns; i++) {
        FieldVector vector = fields.get(i).createVector(allocator);
        vectors.add(vector);
        own.find(vector, number(children, 8L * i), rows);
      }
      own.wrap();
      for (int i = 0, at = 0; i < columns; i++) {
        at = own.load(vectors.get(i), number(number(children, 8L * i), NULL_COUNT), rows, at);
      }
      return new VectorSchemaRoot(schema, vectors, rows);
    } catch (Throwable e) {
      vectors.forEach(FieldVector::close);
      throw e;
    } finally {
      own.close();
    }
  }

  private static boolean isFlat(Field field, long column, int rows) {
    ArrowTypeID type = field.getType().getTypeID();
    long expected = type == ArrowTypeID.Utf8 || type == ArrowTypeID.Binary ? 3 : 2;
    return FLAT.contains(type)
        && field.getDictionary() == null
        && number(column, LENGTH) == rows
        && number(column, OFFSET) == 0
        && number(column, N_BUFFERS) == expected;
  }

  /** Notes where a column's buffers are. A size of 0 is that of one that is not there. */
  private void find(FieldVector vector, long column, long rows) {
    long pointers = number(column, BUFFERS);
    note(pointers, 0, number(pointers, 0) == 0 ? 0 : bits(rows));
    if (vector instanceof BaseVariableWidthVector) {
      note(pointers, 1, 4 * (rows + 1));
      note(pointers, 2, MEMORY.get(ValueLayout.JAVA_INT_UNALIGNED, number(pointers, 8) + 4 * rows));
    } else {
      note(pointers, 1, vector instanceof BitVector ? bits(rows) : rows * ((BaseFixedWidthVector) vector).getTypeWidth());
    }
  }

  private void note(long pointers, int index, long size) {
    long address = number(pointers, 8L * index);
    if (size != 0 && address == 0) {
      throw new IllegalArgumentException("buffer " + index + " of a column has " + size + " bytes and is null");
    }
    buffers[used++] = address;
    buffers[used++] = size;
  }

  private static long bits(long rows) {
    return (rows + 7) / 8;
  }

  /** Makes one allocation of all buffers, if nothing else lies between them. */
  private void wrap() {
    long first = Long.MAX_VALUE;
    long end = 0;
    long room = 0;
    for (int i = 0; i < used; i += 2) {
      if (buffers[i + 1] != 0) {
        first = Math.min(first, buffers[i]);
        end = Math.max(end, buffers[i] + buffers[i + 1]);
        room += buffers[i + 1] + GAP;
      }
    }
    if (room != 0 && end - first <= room) {
      whole = share(first, end - first);
    }
  }

  private ArrowBuf share(long address, long size) {
    shares.incrementAndGet();
    Share share = new Share(size, address);
    try {
      return allocator.wrapForeignAllocation(share);
    } catch (Throwable e) { // which may have let go of it, or not
      share.release0();
      throw e;
    }
  }

  /** Gives a vector its buffers, those from `at` on; where the next one's are. */
  private int load(FieldVector vector, long nulls, long rows, int at) {
    int end = at + (vector instanceof BaseVariableWidthVector ? 6 : 4);
    boolean full = buffers[at + 1] == 0;
    ArrowBuf[] loaded = new ArrowBuf[(end - at) / 2];
    try {
      loaded[0] = full ? allValid(rows) : buffer(at);
      for (int i = 1; i < loaded.length; i++) {
        loaded[i] = buffer(at + 2 * i);
      }
      vector.loadFieldBuffers(new ArrowFieldNode(rows, full ? 0 : nulls), Arrays.asList(loaded));
    } finally {
      for (int i = full ? 1 : 0; whole == null && i < loaded.length; i++) {
        if (loaded[i] != null) {
          loaded[i].close(); // the vector has its own share
        }
      }
    }
    return end;
  }

  private ArrowBuf buffer(int at) {
    long size = buffers[at + 1];
    if (size == 0) {
      return allocator.getEmpty();
    }
    return whole == null ? share(buffers[at], size) : whole.slice(buffers[at] - whole.memoryAddress(), size);
  }

  /** One for all columns of the batch; arrow-java would make one for each. */
  private ArrowBuf allValid(long rows) {
    if (valid == null && rows != 0) {
      valid = allocator.buffer(bits(rows));
      valid.setOne(0, bits(rows));
      if (rows % 8 != 0) {
        valid.setByte(rows / 8, (1 << rows % 8) - 1);
      }
      valid.writerIndex(bits(rows));
    }
    return valid;
  }

  /** Of what is allocated. */
  private final class Share extends ForeignAllocation {
    private boolean released;

    Share(long size, long address) {
      super(size, address);
    }

    @Override
    protected void release0() {
      if (!released) {
        released = true;
        release();
      }
    }
  }

  /** Gives up what the vectors have shares of by now. */
  private void close() {
    if (whole != null) {
      whole.close();
    }
    if (valid != null) {
      valid.close();
    }
    release();
  }

  private void release() {
    if (shares.decrementAndGet() == 0) {
      try (Scratch scratch = Scratch.take()) {
        MemorySegment.copy(moved, 0, scratch.array, ValueLayout.JAVA_BYTE, 0, moved.length);
        ArrowArray.wrap(scratch.array.address()).release();
      }
    }
  }
}
