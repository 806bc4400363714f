package io.weir;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.Float8Vector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;

/** What tests of tables need: writers with the key {@code id}, batches and keys of chosen ids, and what scans and gets give, as texts. */
final class Rows {
  static final Schema KEY = new Schema(List.of(Fixture.SCHEMA.findField("id")));

  private Rows() {}

  /** With the key {@code id}; generations are merged by nobody. */
  static WriterOptions keyed() {
    return Fixture.quick().withPrimaryKey("id").withCompaction(false);
  }

  static WriterOptions logOnly() {
    return Fixture.quick().withMemTables(false);
  }

  /** Rows whose names are the tag and the id. */
  static VectorSchemaRoot saying(Fixture f, String tag, long... ids) {
    VectorSchemaRoot root = VectorSchemaRoot.create(Fixture.SCHEMA, f.allocator);
    for (int i = 0; i < ids.length; i++) {
      ((BigIntVector) root.getVector("id")).setSafe(i, ids[i]);
      ((BigIntVector) root.getVector("ts")).setSafe(i, ids[i]);
      ((Float8Vector) root.getVector("v")).setSafe(i, ids[i]);
      ((VarCharVector) root.getVector("name")).setSafe(i, (tag + ids[i]).getBytes());
    }
    root.setRowCount(ids.length);
    return root;
  }

  static Ack put(Fixture f, Writer writer, String tag, long... ids) {
    try (VectorSchemaRoot root = saying(f, tag, ids)) {
      return writer.put(root);
    }
  }

  static VectorSchemaRoot keys(Fixture f, long... ids) {
    VectorSchemaRoot root = VectorSchemaRoot.create(KEY, f.allocator);
    for (int i = 0; i < ids.length; i++) {
      ((BigIntVector) root.getVector("id")).setSafe(i, ids[i]);
    }
    root.setRowCount(ids.length);
    return root;
  }

  static Ack delete(Fixture f, Writer writer, long... ids) {
    try (VectorSchemaRoot keys = keys(f, ids)) {
      return writer.delete(keys);
    }
  }

  /** Freezes, waits until all is published, and gives the newest generation. */
  static long flush(Writer writer) {
    long generation = writer.freeze();
    writer.waitFlushed(generation);
    return generation;
  }

  static long[] range(long first, long end) {
    return LongStream.range(first, end).toArray();
  }

  /** {@code old0 old1 …} */
  static String names(String tag, long... ids) {
    return Arrays.stream(ids).mapToObj(id -> tag + id).collect(Collectors.joining(" "));
  }

  static String names(String tag, long first, long end) {
    return names(tag, range(first, end));
  }

  private static List<String> namesIn(VectorSchemaRoot rows) {
    List<String> names = new ArrayList<>();
    FieldVector column = rows.getVector("name");
    for (int i = 0; i < rows.getRowCount(); i++) {
      Object name = column.getObject(i);
      names.add(name == null ? "-" : name.toString());
    }
    return names;
  }

  /** The names in some batches, which are closed. */
  static String names(Stream<VectorSchemaRoot> batches) {
    List<String> names = new ArrayList<>();
    batches.forEach(
        rows -> {
          try (rows) {
            assertTrue(rows.getRowCount() > 0);
            names.addAll(namesIn(rows));
          }
        });
    return String.join(" ", names);
  }

  /** The names that a scan gives. */
  static String scan(Fixture f, Table table) {
    try (Scan scan = table.scan(f.allocator)) {
      return names(scan.stream());
    }
  }

  /** The values of a column that a scan gives. */
  static List<Object> scan(Fixture f, Table table, ScanOptions options, String column) {
    List<Object> values = new ArrayList<>();
    try (Scan scan = table.scan(options, f.allocator)) {
      for (VectorSchemaRoot rows : scan) {
        try (rows) {
          assertEquals(scan.schema(), rows.getSchema());
          for (int i = 0; i < rows.getRowCount(); i++) {
            values.add(rows.getVector(column).getObject(i));
          }
        }
      }
    }
    return values;
  }

  /** The states, one letter each, and the names of the rows that a get gives, in both forms: {@code fmd: new5}. */
  static String get(Fixture f, Table table, long... ids) {
    try (VectorSchemaRoot keys = keys(f, ids)) {
      String blocking = text(table.get(keys, f.allocator));
      assertEquals(blocking, text(table.getAsync(keys, List.of(), f.allocator).join()));
      return blocking;
    }
  }

  static String text(GetResult result) {
    try (result) {
      String states = result.states().stream().map(state -> state.name().substring(0, 1).toLowerCase()).collect(Collectors.joining());
      return states + ": " + String.join(" ", namesIn(result.rows()));
    }
  }

  static List<String> columns(Schema schema) {
    return schema.getFields().stream().map(Field::getName).toList();
  }
}
