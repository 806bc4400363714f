package io.weir;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.OutOfMemoryException;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.BitVector;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.GenerateSampleData;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.complex.ListVector;
import org.apache.arrow.vector.types.DateUnit;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.TimeUnit;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Batches of entries, whatever their columns are. */
@Timeout(120)
class BatchTest {
  private static final List<ArrowType> FLAT =
      List.of(
          new ArrowType.Int(8, true),
          new ArrowType.Int(16, false),
          new ArrowType.Int(32, true),
          new ArrowType.FloatingPoint(FloatingPointPrecision.SINGLE),
          new ArrowType.FloatingPoint(FloatingPointPrecision.DOUBLE),
          ArrowType.Bool.INSTANCE,
          new ArrowType.Date(DateUnit.DAY),
          new ArrowType.Time(TimeUnit.MICROSECOND, 64),
          new ArrowType.Timestamp(TimeUnit.NANOSECOND, null),
          ArrowType.Utf8.INSTANCE,
          ArrowType.Binary.INSTANCE);

  private static final Field LIST =
      new Field("list", FieldType.nullable(ArrowType.List.INSTANCE), List.of(Field.nullable("item", new ArrowType.Int(32, true))));

  private Fixture f;

  @BeforeEach
  void open() {
    f = new Fixture();
  }

  @AfterEach
  void close() {
    f.close();
  }

  /** A column of each type with nulls among its values, and one of numbers that has none. */
  private static List<Field> flat() {
    List<Field> fields = new ArrayList<>();
    fields.add(new Field("id", FieldType.notNullable(new ArrowType.Int(64, true)), null));
    for (ArrowType type : FLAT) {
      fields.add(Field.nullable("column " + fields.size(), type));
    }
    return fields;
  }

  private static void fill(FieldVector vector, int rows) {
    if (vector instanceof BigIntVector id) {
      for (int row = 0; row < rows; row++) {
        id.setSafe(row, row);
      }
    } else if (vector instanceof ListVector list) {
      for (int row = 0; row < rows; row++) {
        list.startNewValue(row);
        ((IntVector) list.getDataVector()).setSafe(row, row);
        list.endValue(row, 1);
      }
      list.getDataVector().setValueCount(rows);
    } else {
      GenerateSampleData.generateTestData(vector, rows);
    }
    vector.setValueCount(rows);
  }

  private static List<List<String>> values(VectorSchemaRoot root) {
    List<List<String>> all = new ArrayList<>();
    for (FieldVector vector : root.getFieldVectors()) {
      List<String> column = new ArrayList<>();
      for (int row = 0; row < root.getRowCount(); row++) {
        column.add(vector.getObject(row) instanceof byte[] bytes ? Arrays.toString(bytes) : String.valueOf(vector.getObject(row)));
      }
      all.add(column);
    }
    return all;
  }

  /** What is put comes back, value by value, and outlives its entry. */
  private void comesBack(List<Field> fields, int rows) {
    List<List<String>> put;
    try (VectorSchemaRoot root = VectorSchemaRoot.create(new Schema(fields), f.allocator)) {
      root.allocateNew();
      root.getFieldVectors().forEach(vector -> fill(vector, rows));
      root.setRowCount(rows);
      put = values(root);
      try (Writer writer = f.session.openWriter(f.root(), Fixture.SHARD, root.getSchema(), Fixture.quick())) {
        writer.put(root);
      }
    }
    try (Tailer tailer = f.tailer()) {
      Entry entry = tailer.next();
      VectorSchemaRoot batch = entry.batch(0, f.allocator);
      entry.close();
      try (batch) {
        assertEquals(fields, batch.getSchema().getFields());
        assertEquals(rows, batch.getRowCount());
        assertEquals(put, values(batch));
      }
    }
  }

  @Test
  void flatColumnsComeBack() {
    comesBack(flat(), 1000);
  }

  @Test
  void fewRowsComeBack() {
    comesBack(flat(), 1);
  }

  /** Columns without nulls have no validity in the log; their batch has one for all of them. */
  @Test
  void columnsWithoutNullsComeBack() {
    Schema schema = new Schema(List.of(Field.nullable("id", new ArrowType.Int(64, true)), Field.nullable("bit", ArrowType.Bool.INSTANCE),
        Field.nullable("text", ArrowType.Utf8.INSTANCE)));
    try (Writer writer = f.session.openWriter(f.root(), Fixture.SHARD, schema, Fixture.quick())) {
      for (int rows : new int[] {1, 7, 8, 9, 1003}) {
        try (VectorSchemaRoot root = VectorSchemaRoot.create(schema, f.allocator)) {
          for (int row = 0; row < rows; row++) {
            ((BigIntVector) root.getVector(0)).setSafe(row, row);
            ((BitVector) root.getVector(1)).setSafe(row, row % 3 == 0 ? 1 : 0);
            ((VarCharVector) root.getVector(2)).setSafe(row, ("text " + row).getBytes());
          }
          root.setRowCount(rows);
          List<List<String>> put = values(root);
          long position = writer.put(root).position();
          try (Tailer tailer = f.tailer();
              Entry entry = tailer.read(position)) {
            VectorSchemaRoot batch = entry.batch(0, f.allocator);
            FieldVector bits = (FieldVector) batch.getVector(1).getTransferPair(f.allocator).getTo();
            try (bits) {
              assertEquals(put, values(batch));
              for (FieldVector vector : batch.getFieldVectors()) {
                assertEquals(0, vector.getNullCount());
              }
              batch.getVector(1).makeTransferPair(bits).transfer();
              batch.close();
              assertEquals(true, bits.getObject(0)); // its validity was all columns'
              assertEquals(rows, bits.getValueCount());
            }
          }
        }
      }
    }
  }

  @Test
  void nestedColumnsComeBackAmongFlatOnes() {
    List<Field> fields = flat();
    fields.add(3, LIST);
    comesBack(fields, 100);
  }

  /** Columns may be taken out of their batch: each keeps what it needs. */
  @Test
  void aColumnOutlivesItsBatch() {
    try (Writer writer = f.writer();
        VectorSchemaRoot root = f.batch(5, 100)) {
      writer.put(root);
    }
    FieldVector id;
    try (Tailer tailer = f.tailer();
        Entry entry = tailer.next();
        VectorSchemaRoot batch = entry.batch(0, f.allocator)) {
      id = (FieldVector) batch.getVector("id").getTransferPair(f.allocator).getTo();
      batch.getVector("id").makeTransferPair(id).transfer();
    }
    try (id) {
      assertEquals(100, id.getValueCount());
      assertEquals(104L, id.getObject(99));
    }
  }

  /** Whatever of an export's structs does not fit any more, its allocator has back what it had. */
  @Test
  void anExportThatDoesNotFitLeavesNothingBehind() {
    try (Writer writer = f.writer()) {
      leavesNothing(writer::put);
    }
    try (Writer writer = f.writer()) {
      leavesNothing(root -> writer.putAsync(root).join());
    }
  }

  private void leavesNothing(Consumer<VectorSchemaRoot> write) {
    try (BufferAllocator small = f.allocator.newChildAllocator("small", 0, Long.MAX_VALUE)) {
      try (VectorSchemaRoot root = VectorSchemaRoot.create(Fixture.SCHEMA, small)) {
        root.allocateNew();
        ((BigIntVector) root.getVector("id")).setSafe(0, 1);
        root.setRowCount(1);
        long held = small.getAllocatedMemory();
        int refused = 0;
        for (long more = 64; ; more += 8) { // below that, it is arrow-java's own copy of the root that does not fit, and leaks
          small.setLimit(held + more);
          try {
            write.accept(root);
            break;
          } catch (OutOfMemoryException e) {
            refused++;
            assertEquals(held, small.getAllocatedMemory(), "with room for " + more);
          }
        }
        assertTrue(refused > 10, refused + " exports did not fit");
      }
      Fixture.eventually(0, small::getAllocatedMemory, "bytes of the batch"); // which the library may have had last
    }
  }

  /** However many of a batch's buffers fit, nothing of it is left with the allocator, and it can be taken again. */
  @Test
  void aBatchThatDoesNotFitLeavesNothingBehind() {
    try (Writer writer = f.writer();
        VectorSchemaRoot root = f.batch(0, 1000)) {
      writer.put(root);
    }
    try (Tailer tailer = f.tailer();
        Entry entry = tailer.next()) {
      for (int limit = 0; limit < 24_000; limit += 3000) {
        try (BufferAllocator small = f.allocator.newChildAllocator("small", 0, limit)) {
          assertThrows(OutOfMemoryException.class, () -> entry.batch(0, small), "a limit of " + limit);
          assertEquals(0, small.getAllocatedMemory());
        }
      }
      try (VectorSchemaRoot batch = entry.batch(0, f.allocator)) {
        assertEquals(1000, batch.getRowCount());
      }
    }
  }
}
