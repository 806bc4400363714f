package io.weir;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.dictionary.DictionaryProvider;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * Refuses batches of another schema than the one that something was opened with: the library is given their buffers alone, and those of a
 * date and of a number look the same. Names and types are compared. Metadata is not: what is written has that of the opening. Nor is whether
 * there may be nulls: the library looks for the nulls themselves.
 */
final class SchemaCheck {
  private static final long FORMAT = 0;
  private static final long NAME = 8;
  private static final long N_CHILDREN = 32;
  private static final long CHILDREN = 40;
  private static final long DICTIONARY = 48;
  private static final long RELEASE = 56;

  /** A column as Arrow's C interface tells it, in which all types are told apart, those of dictionaries' values too. */
  private record Column(String name, String format, Column dictionary, List<Column> children) {
    /** Names inside of lists and maps are no part of their types, and everybody has others: they are left out. */
    static Column read(MemorySegment pointer, String parent) {
      MemorySegment struct = pointer.reinterpret(SchemaMemo.SIZE);
      String format = Text.at(struct.get(ValueLayout.ADDRESS, FORMAT));
      boolean named = parent.equals("+s") || parent.startsWith("+u");
      String name = named ? Text.at(struct.get(ValueLayout.ADDRESS, NAME)) : "";
      MemorySegment dictionary = struct.get(ValueLayout.ADDRESS, DICTIONARY);
      return new Column(
          name,
          format.startsWith("d:") && format.endsWith(",128") ? format.substring(0, format.length() - 4) : format, // the width may be left out
          dictionary.address() == 0 ? null : read(dictionary, ""),
          children(struct, parent.equals("+m") ? parent : format));
    }

    static List<Column> children(MemorySegment struct, String format) {
      long count = struct.get(ValueLayout.JAVA_LONG, N_CHILDREN);
      if (count <= 0) {
        return List.of();
      }
      MemorySegment pointers = struct.get(ValueLayout.ADDRESS, CHILDREN).reinterpret(8 * count);
      List<Column> children = new ArrayList<>();
      for (long i = 0; i < count; i++) {
        children.add(read(pointers.getAtIndex(ValueLayout.ADDRESS, i), format));
      }
      return children;
    }

    @Override
    public String toString() {
      String inside = children.isEmpty() ? "" : children.toString();
      return (name.isEmpty() ? "" : name + ": ") + format + inside + (dictionary == null ? "" : " with a dictionary of " + dictionary);
    }
  }

  /** One that was compared. The types of dictionaries' values are the provider's. */
  private record Known(Schema schema, DictionaryProvider dictionaries) {}

  private final String what;
  private final List<Column> wanted;

  /** The last that was found to be the same: as a rule there is no other. */
  private volatile Known known;

  /**
   * A check of what is opened with a schema.
   *
   * @param what what is opened, for messages
   * @param schema the schema; null if it is known as a C struct only
   * @param struct the same, which is read now; one that is no schema is left to the library to refuse
   */
  SchemaCheck(String what, Schema schema, ArrowSchema struct) {
    this.what = what;
    wanted = columns(struct);
    known = new Known(schema, null);
  }

  private static List<Column> columns(ArrowSchema schema) {
    MemorySegment struct = Batches.address(schema);
    if (struct.address() == 0 || struct.reinterpret(SchemaMemo.SIZE).get(ValueLayout.JAVA_LONG, RELEASE) == 0) {
      return List.of();
    }
    return Column.children(struct.reinterpret(SchemaMemo.SIZE), "+s");
  }

  /** Throws {@link SchemaMismatchException} for a batch of another schema. */
  void check(VectorSchemaRoot root, DictionaryProvider dictionaries) {
    Known last = known;
    if (root.getSchema() != last.schema || dictionaries != last.dictionaries) {
      compare(root.getSchema(), dictionaries, last);
    }
  }

  private void compare(Schema schema, DictionaryProvider dictionaries, Known last) {
    if (!schema.equals(last.schema) || dictionaries != last.dictionaries) {
      List<Column> given = Batches.withSchema(schema, dictionaries, SchemaCheck::columns);
      if (given.size() != wanted.size()) {
        throw refused("the batch has " + given.size() + " columns, the schema of the " + what + " has " + wanted.size(), Map.of());
      }
      for (int i = 0; i < given.size(); i++) {
        Column column = wanted.get(i);
        if (!given.get(i).equals(column)) {
          String both = "column " + i + " of the batch is " + schema.getFields().get(i) + " (" + given.get(i) + "), ";
          throw refused(both + "that of the " + what + "'s schema is (" + column + ")", Map.of("field", column.name));
        }
      }
    }
    known = new Known(schema, dictionaries);
  }

  private static WeirException refused(String message, Map<String, Object> details) {
    return new Failure(Status.SCHEMA_MISMATCH.code(), message, Action.FIX, details, null).toException();
  }
}
