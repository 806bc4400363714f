package io.weir;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
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
 * arrow-java's own import makes a vector of structs around them first. All buffers of a batch keep it alive; the last lets go of it.
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

  private final AtomicInteger buffers = new AtomicInteger(1);
  private final BufferAllocator allocator;

  /** The struct, which may lie anywhere when it is released. */
  private final byte[] moved;

  private FlatBatch(MemorySegment batch, BufferAllocator allocator) {
    this.allocator = allocator;
    moved = batch.toArray(ValueLayout.JAVA_BYTE);
    batch.set(ValueLayout.JAVA_LONG, RELEASE, 0);
  }

  /** Imports a batch, which is moved out of the struct; null, and nothing was done, if it is not one of this kind. */
  static VectorSchemaRoot take(ArrowArray array, Schema schema, BufferAllocator allocator) {
    MemorySegment batch = Batches.address(array).reinterpret(SIZE);
    List<Field> fields = schema.getFields();
    if (batch.get(ValueLayout.JAVA_LONG, N_CHILDREN) != fields.size() || batch.get(ValueLayout.JAVA_LONG, OFFSET) != 0) {
      return null;
    }
    MemorySegment children = batch.get(ValueLayout.ADDRESS, CHILDREN).reinterpret(8L * fields.size());
    int rows = Math.toIntExact(batch.get(ValueLayout.JAVA_LONG, LENGTH));
    for (int i = 0; i < fields.size(); i++) {
      if (!isFlat(fields.get(i), child(children, i), rows)) {
        return null;
      }
    }
    FlatBatch own = new FlatBatch(batch, allocator);
    List<FieldVector> vectors = new ArrayList<>(fields.size());
    try {
      for (int i = 0; i < fields.size(); i++) {
        FieldVector vector = fields.get(i).createVector(allocator);
        vectors.add(vector);
        own.load(vector, child(children, i));
      }
      return new VectorSchemaRoot(schema, vectors, rows);
    } catch (Throwable e) {
      vectors.forEach(FieldVector::close);
      throw e;
    } finally {
      own.release();
    }
  }

  private static MemorySegment child(MemorySegment children, int index) {
    return children.get(ValueLayout.ADDRESS, 8L * index).reinterpret(SIZE);
  }

  private static boolean isFlat(Field field, MemorySegment column, int rows) {
    ArrowTypeID type = field.getType().getTypeID();
    long expected = type == ArrowTypeID.Utf8 || type == ArrowTypeID.Binary ? 3 : 2;
    return FLAT.contains(type)
        && field.getDictionary() == null
        && column.get(ValueLayout.JAVA_LONG, LENGTH) == rows
        && column.get(ValueLayout.JAVA_LONG, OFFSET) == 0
        && column.get(ValueLayout.JAVA_LONG, N_BUFFERS) == expected;
  }

  private void load(FieldVector vector, MemorySegment column) {
    long rows = column.get(ValueLayout.JAVA_LONG, LENGTH);
    MemorySegment pointers = column.get(ValueLayout.ADDRESS, BUFFERS).reinterpret(8 * column.get(ValueLayout.JAVA_LONG, N_BUFFERS));
    List<ArrowBuf> loaded = new ArrayList<>(3);
    try {
      boolean all = pointers.get(ValueLayout.JAVA_LONG, 0) == 0;
      loaded.add(all ? null : buffer(pointers, 0, bits(rows)));
      if (vector instanceof BaseVariableWidthVector) {
        long offsets = 4 * (rows + 1);
        loaded.add(buffer(pointers, 1, offsets));
        int end = pointers.get(ValueLayout.ADDRESS, 8).reinterpret(offsets).get(ValueLayout.JAVA_INT_UNALIGNED, 4 * rows);
        loaded.add(buffer(pointers, 2, end));
      } else {
        boolean bit = vector instanceof BitVector;
        loaded.add(buffer(pointers, 1, bit ? bits(rows) : rows * ((BaseFixedWidthVector) vector).getTypeWidth()));
      }
      vector.loadFieldBuffers(new ArrowFieldNode(rows, column.get(ValueLayout.JAVA_LONG, NULL_COUNT)), loaded);
    } finally {
      for (ArrowBuf buffer : loaded) {
        if (buffer != null) {
          buffer.close(); // the vector has its own share
        }
      }
    }
  }

  private static long bits(long rows) {
    return (rows + 7) / 8;
  }

  private ArrowBuf buffer(MemorySegment pointers, int index, long size) {
    long address = pointers.get(ValueLayout.JAVA_LONG, 8L * index);
    if (size == 0) {
      return allocator.getEmpty();
    }
    if (address == 0) {
      throw new IllegalArgumentException("buffer " + index + " of a column has " + size + " bytes and is null");
    }
    buffers.incrementAndGet();
    Share share = new Share(size, address);
    try {
      return allocator.wrapForeignAllocation(share);
    } catch (Throwable e) { // which may have let go of it, or not
      share.release0();
      throw e;
    }
  }

  /** Of one buffer. */
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

  private void release() {
    if (buffers.decrementAndGet() == 0) {
      try (Scratch scratch = Scratch.take()) {
        MemorySegment.copy(moved, 0, scratch.array, ValueLayout.JAVA_BYTE, 0, moved.length);
        ArrowArray.wrap(scratch.array.address()).release();
      }
    }
  }
}
