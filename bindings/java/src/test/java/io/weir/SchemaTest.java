package io.weir;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.c.Data;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.GenerateSampleData;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.VarBinaryVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.complex.ListVector;
import org.apache.arrow.vector.dictionary.Dictionary;
import org.apache.arrow.vector.dictionary.DictionaryProvider;
import org.apache.arrow.vector.types.TimeUnit;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.DictionaryEncoding;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Batches of another schema, whose buffers look like those of the right one. */
@Timeout(120)
class SchemaTest {
  private static final ArrowType LONG = new ArrowType.Int(64, true);
  private static final ArrowType TIME = new ArrowType.Timestamp(TimeUnit.MILLISECOND, null);
  private static final Field ID = Field.nullable("id", LONG);

  private Fixture f;

  @BeforeEach
  void open() {
    f = new Fixture();
  }

  @AfterEach
  void close() {
    f.close();
  }

  private static Schema schema(Field... fields) {
    return new Schema(List.of(fields));
  }

  private static Field with(String name, ArrowType type, Field... children) {
    return new Field(name, FieldType.nullable(type), List.of(children));
  }

  /** Three rows of any schema. */
  private VectorSchemaRoot rows(Schema schema) {
    VectorSchemaRoot root = VectorSchemaRoot.create(schema, f.allocator);
    root.allocateNew();
    for (FieldVector vector : root.getFieldVectors()) {
      if (vector instanceof ListVector list) {
        for (int row = 0; row < 3; row++) {
          list.startNewValue(row);
          ((IntVector) list.getDataVector()).setSafe(row, row);
          list.endValue(row, 1);
        }
        list.getDataVector().setValueCount(3);
      } else {
        GenerateSampleData.generateTestData(vector, 3);
      }
      vector.setValueCount(3);
    }
    root.setRowCount(3);
    return root;
  }

  /** What has another schema is refused by all that writes, in each form, and all goes on as if it had not been there. */
  private void refused(Schema wanted, Schema other, String named) {
    try (VectorSchemaRoot good = rows(wanted);
        VectorSchemaRoot bad = rows(other)) {
      try (Writer writer = f.session.openWriter(f.root(), Fixture.SHARD, wanted, Rows.logOnly())) {
        assertRefused(() -> writer.put(bad), named);
        assertRefused(() -> writer.put(bad, Fixture.LONG), named);
        assertInstanceOf(SchemaMismatchException.class, WriterBehaviours.failure(writer.putAsync(bad)));
        assertEquals(0, writer.stats().puts());
        assertEquals(1, writer.put(good).sequence());
      }
      try (Appender appender = f.session.openAppender(f.root(), Fixture.SHARD, wanted, AppenderOptions.defaults().withFsync(false))) {
        assertRefused(() -> appender.append(bad), named);
        assertInstanceOf(SchemaMismatchException.class, WriterBehaviours.failure(appender.appendAsync(bad)));
        appender.append(good);
      }
      try (SpillStore store = f.session.spillStore();
          SpillWriter writer = store.beginBatches(wanted)) {
        assertRefused(() -> writer.write(bad), named);
        assertInstanceOf(SchemaMismatchException.class, WriterBehaviours.failure(writer.writeAsync(bad)));
        writer.write(good);
        try (Spill spill = writer.finish()) {
          assertEquals(1, spill.batchCount());
        }
      }
    }
    long rows = 0;
    try (Tailer tailer = f.tailer()) {
      for (Entry entry : tailer) {
        try (entry) {
          rows += entry.rows();
        }
      }
    }
    assertEquals(6, rows);
  }

  private static void assertRefused(Runnable write, String named) {
    SchemaMismatchException e = assertThrows(SchemaMismatchException.class, write::run);
    assertTrue(e.getMessage().contains(named), e.getMessage());
    assertEquals(Action.FIX, e.action());
  }

  @Test
  void anotherTypeOfTheSameLayoutIsRefused() {
    refused(schema(ID, with("at", LONG)), schema(ID, with("at", TIME)), "at");
  }

  @Test
  void anotherNameIsRefused() {
    refused(schema(ID, with("one", LONG)), schema(ID, with("two", LONG)), "two");
  }

  @Test
  void columnsInAnotherOrderAreRefused() {
    refused(schema(ID, with("one", LONG)), schema(with("one", LONG), ID), "one");
  }

  @Test
  void fewerColumnsAreRefused() {
    refused(schema(ID, with("one", LONG)), schema(ID), "columns");
  }

  @Test
  void whatIsInsideOfAColumnCounts() {
    refused(schema(with("s", ArrowType.Struct.INSTANCE, ID)), schema(with("s", ArrowType.Struct.INSTANCE, with("id", TIME))), "s");
  }

  @Test
  void aNameInsideOfAStructCounts() {
    refused(schema(with("s", ArrowType.Struct.INSTANCE, ID)), schema(with("s", ArrowType.Struct.INSTANCE, with("other", LONG))), "s");
  }

  /** What is the same but for metadata, for whether nulls are allowed, or for how lists call their items, is the same. */
  @Test
  void theSameColumnsAreTakenFromAnyInstance() {
    ArrowType small = new ArrowType.Int(32, true);
    Schema wanted = schema(new Field("id", FieldType.notNullable(LONG), null), with("list", ArrowType.List.INSTANCE, with("item", small)));
    Field told = new Field("id", new FieldType(true, LONG, null, Map.of("key", "value")), null);
    List<Schema> same =
        List.of(
            new Schema(wanted.getFields()),
            new Schema(wanted.getFields(), Map.of("made", "by a test")),
            schema(told, with("list", ArrowType.List.INSTANCE, with(ListVector.DATA_VECTOR_NAME, small))));
    onEachWriter(
        wanted,
        writer -> {
          for (Schema schema : same) {
            VectorSchemaRoot root = VectorSchemaRoot.create(schema, f.allocator);
            try (root;
                VectorSchemaRoot rows = rows(wanted)) {
              for (int i = 0; i < 2; i++) {
                rows.getVector(i).makeTransferPair(root.getVector(i)).transfer();
              }
              root.setRowCount(3);
              writer.put(root);
              writer.put(root); // an instance that is known by now
            }
          }
          assertEquals(2 * same.size(), writer.stats().puts());
        });
  }

  /** A schema that was exported is checked against as well as one of Java's. */
  private void onEachWriter(Schema schema, Consumer<Writer> body) {
    try (Writer writer = f.session.openWriter(f.root(), Fixture.SHARD, schema, Rows.logOnly())) {
      body.accept(writer);
    }
    try (Writer writer = f.session.openWriterAsync(f.root(), Fixture.SHARD, schema, Rows.logOnly()).join()) {
      body.accept(writer);
    }
    try (Writer writer = withExported(schema, null, struct -> f.session.openWriter(f.root(), Fixture.SHARD, struct, Rows.logOnly()))) {
      body.accept(writer);
    }
  }

  private <T> T withExported(Schema schema, DictionaryProvider dictionaries, Function<ArrowSchema, T> body) {
    try (ArrowSchema struct = ArrowSchema.allocateNew(f.allocator)) {
      Data.exportSchema(f.allocator, schema, dictionaries, struct);
      try {
        return body.apply(struct);
      } finally {
        struct.release();
      }
    }
  }

  @Test
  void aSchemaThatWasExportedIsCheckedAgainst() {
    Schema wanted = schema(ID, with("at", LONG));
    try (VectorSchemaRoot good = rows(wanted);
        VectorSchemaRoot bad = rows(schema(ID, with("at", TIME)))) {
      onEachWriter(
          wanted,
          writer -> {
            for (int i = 0; i < 2; i++) {
              assertRefused(() -> writer.put(bad), "at");
              writer.put(good);
            }
            assertEquals(2, writer.stats().puts());
          });
      try (Appender appender =
          withExported(
              wanted, null, struct -> f.session.openAppender(f.root(), Fixture.SHARD, struct, AppenderOptions.defaults().withFsync(false)))) {
        assertRefused(() -> appender.append(bad), "at");
        appender.append(good);
      }
      try (SpillStore store = f.session.spillStore();
          SpillWriter writer = withExported(wanted, null, struct -> store.beginBatches(struct, SpillOptions.defaults()))) {
        assertRefused(() -> writer.write(bad), "at");
        writer.write(good);
      }
    }
  }

  /** Dictionaries are of the schema, too: their values may not be of another type, though the numbers look the same. */
  @Test
  void dictionariesOfAnotherTypeAreRefused() {
    DictionaryEncoding encoding = new DictionaryEncoding(7, false, new ArrowType.Int(32, true));
    Field column = new Field("d", new FieldType(true, new ArrowType.Int(32, true), encoding), null);
    try (VarCharVector texts = new VarCharVector("values", f.allocator);
        VarBinaryVector bytes = new VarBinaryVector("values", f.allocator);
        VectorSchemaRoot encoded = VectorSchemaRoot.create(schema(column), f.allocator);
        VectorSchemaRoot plain = rows(schema(with("d", new ArrowType.Int(32, true))))) {
      texts.setSafe(0, "zero".getBytes());
      texts.setValueCount(1);
      bytes.setSafe(0, "zero".getBytes());
      bytes.setValueCount(1);
      ((IntVector) encoded.getVector(0)).setSafe(0, 0);
      encoded.setRowCount(1);
      DictionaryProvider good = new DictionaryProvider.MapDictionaryProvider(new Dictionary(texts, encoding));
      DictionaryProvider bad = new DictionaryProvider.MapDictionaryProvider(new Dictionary(bytes, encoding));
      try (Writer writer =
          withExported(encoded.getSchema(), good, struct -> f.session.openWriter(f.root(), Fixture.SHARD, struct, Rows.logOnly()))) {
        assertEquals(1, writer.put(encoded, good).sequence());
        assertRefused(() -> writer.put(encoded, bad), "d");
        assertRefused(() -> writer.put(plain), "d");
        assertThrows(InvalidArgumentException.class, () -> writer.put(encoded)); // without its dictionaries
        assertEquals(2, writer.put(encoded, good).sequence());
      }
      try (Writer writer = f.session.openWriter(f.root(), Fixture.SHARD, plain.getSchema(), Rows.logOnly())) {
        assertRefused(() -> writer.put(encoded, good), "d");
        assertThrows(InvalidArgumentException.class, () -> writer.put(encoded));
        assertThrows(InvalidArgumentException.class, () -> writer.put(encoded, new DictionaryProvider.MapDictionaryProvider()));
        assertEquals(1, writer.put(plain).sequence());
      }
      assertThrows(
          InvalidArgumentException.class, () -> f.session.openWriter(f.root(), Fixture.SHARD, encoded.getSchema(), Rows.logOnly()));
      assertInstanceOf(
          InvalidArgumentException.class,
          WriterBehaviours.failure(f.session.openWriterAsync(f.root(), Fixture.SHARD, encoded.getSchema(), Rows.logOnly())));
      try (Writer writer = f.session.openWriter(f.root(), UUID.randomUUID(), Fixture.SCHEMA, Rows.keyed())) {
        assertThrows(WeirException.class, () -> writer.delete(encoded));
      }
    }
  }
}
