package io.weir;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.Function;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.c.CDataDictionaryProvider;
import org.apache.arrow.c.Data;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.complex.AbstractStructVector.ConflictPolicy;
import org.apache.arrow.vector.complex.StructVector;
import org.apache.arrow.vector.dictionary.DictionaryProvider;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;

/** Arrow data on its way into the library. */
final class Batches {
  private static final long STREAM_RELEASE = 24;
  private static final long ARRAY_LENGTH = 0;
  private static final long ARRAY_RELEASE = 64;
  private static final long SCHEMA_N_CHILDREN = 32;
  private static final long SCHEMA_CHILDREN = 40;
  private static final long SCHEMA_DICTIONARY = 48;
  private static final long SCHEMA_RELEASE = 56;

  private static final FieldType STRUCT = FieldType.notNullable(ArrowType.Struct.INSTANCE);

  private Batches() {}

  /** For what belongs to no allocator of the caller's: schemas while a handle is opened, batches without columns. Empty otherwise. */
  static BufferAllocator own() {
    return Own.ALLOCATOR;
  }

  private static final class Own {
    static final RootAllocator ALLOCATOR = new RootAllocator();
  }

  /** Calls `body` with the schema as a C struct; with null for null. */
  static <T> T withSchema(Schema schema, Function<ArrowSchema, T> body) {
    return schema == null ? body.apply(null) : withSchema(schema, null, body);
  }

  /** The same of a schema that may have dictionaries. */
  static <T> T withSchema(Schema schema, DictionaryProvider dictionaries, Function<ArrowSchema, T> body) {
    needDictionaries(schema.getFields(), dictionaries);
    try (ArrowSchema struct = ArrowSchema.allocateNew(own())) {
      try {
        Data.exportSchema(own(), schema, dictionaries, struct);
        return body.apply(struct);
      } finally {
        discard(struct);
      }
    }
  }

  /** Of a struct, or NULL. */
  static MemorySegment address(ArrowSchema schema) {
    return schema == null ? MemorySegment.NULL : MemorySegment.ofAddress(schema.memoryAddress());
  }

  static MemorySegment address(ArrowArray array) {
    return MemorySegment.ofAddress(array.memoryAddress());
  }

  static MemorySegment address(ArrowArrayStream stream) {
    return MemorySegment.ofAddress(stream.memoryAddress());
  }

  /** Exports a batch, zero-copy, to the struct of the scratch. */
  static MemorySegment export(VectorSchemaRoot root, DictionaryProvider dictionaries, Scratch scratch) {
    return export(root, dictionaries, scratch, null);
  }

  /** The same with its schema, which is to be released. What fails half-way, for want of memory, is given back. */
  static MemorySegment export(VectorSchemaRoot root, DictionaryProvider dictionaries, Scratch scratch, ArrowSchema schema) {
    scratch.array.set(ValueLayout.JAVA_LONG, ARRAY_RELEASE, 0);
    BufferAllocator allocator = root.getFieldVectors().isEmpty() ? own() : root.getFieldVectors().getFirst().getAllocator();
    try {
      Data.exportVectorSchemaRoot(allocator, root, dictionaries, ArrowArray.wrap(scratch.array.address()), schema);
      return scratch.array;
    } catch (Throwable e) {
      discard(scratch.array);
      discard(schema);
      needDictionaries(root.getSchema().getFields(), dictionaries);
      throw e;
    }
  }

  private static void needDictionaries(List<Field> fields, DictionaryProvider dictionaries) {
    for (Field field : fields) {
      if (field.getDictionary() != null && (dictionaries == null || dictionaries.lookup(field.getDictionary().getId()) == null)) {
        throw WeirException.of(Status.INVALID_ARGUMENT, "column \"" + field.getName() + "\" has a dictionary, which was not given with it");
      }
      needDictionaries(field.getChildren(), dictionaries);
    }
  }

  /** Imports a batch, which is moved out of the struct. */
  static VectorSchemaRoot importBatch(ArrowArray array, Schema schema, BufferAllocator allocator, CDataDictionaryProvider dictionaries) {
    VectorSchemaRoot flat;
    try {
      flat = FlatBatch.take(array, schema, allocator);
    } catch (Throwable e) {
      discard(array);
      throw e;
    }
    return flat != null ? flat : importNested(array, schema, allocator, dictionaries);
  }

  /**
   * Has arrow-java import a batch of any columns. The vectors of arrow-java's struct vector become the root's own; arrow-java's import of a
   * root makes all of them twice.
   */
  private static VectorSchemaRoot importNested(
      ArrowArray array, Schema schema, BufferAllocator allocator, CDataDictionaryProvider dictionaries) {
    StructVector batch = new StructVector("", allocator, STRUCT, null, ConflictPolicy.CONFLICT_APPEND, false);
    try {
      batch.initializeChildrenFromFields(schema.getFields());
      Data.importIntoVector(allocator, array, batch, dictionaries);
    } catch (Throwable e) {
      batch.close();
      discard(array);
      throw e;
    }
    batch.getValidityBuffer().close(); // all that is the struct's alone
    return new VectorSchemaRoot(schema, batch.getChildrenFromFields(), batch.getValueCount());
  }

  /** A call that exports a schema. */
  interface SchemaCall {
    int export(MemorySegment handle, MemorySegment schema, MemorySegment error);
  }

  /** The schema that a handle exports. */
  static Schema schemaOf(Handle handle, SchemaCall call) {
    return schemaOf(handle, own(), null, call);
  }

  static Schema schemaOf(Handle handle, BufferAllocator allocator, CDataDictionaryProvider dictionaries, SchemaCall call) {
    try (Scratch scratch = Scratch.take()) {
      MemorySegment struct = scratch.array.asSlice(0, SchemaMemo.SIZE);
      handle.get(Decoder.NOTHING, (pointer, timeout, s) -> call.export(pointer, struct, s.error));
      return Data.importSchema(allocator, ArrowSchema.wrap(struct.address()), dictionaries);
    }
  }

  /** As {@link #schemaOf(Handle, SchemaCall)}, of rows that are imported without dictionaries: what has some would come as bare numbers. */
  static Schema plainSchemaOf(Handle handle, SchemaCall call) {
    return schemaOf(
        handle,
        (pointer, schema, error) -> {
          int status = call.export(pointer, schema, error);
          if (status == Native.WEIR_STATUS_OK && hasDictionary(schema)) {
            ArrowSchema.wrap(schema.address()).release();
            throw WeirException.of(
                Status.UNSUPPORTED, "a column has a dictionary: leave it out, or read it by Scan.reader() or exportStream()");
          }
          return status;
        });
  }

  private static boolean hasDictionary(MemorySegment schema) {
    MemorySegment struct = schema.reinterpret(SchemaMemo.SIZE);
    if (struct.get(ValueLayout.JAVA_LONG, SCHEMA_DICTIONARY) != 0) {
      return true;
    }
    long count = struct.get(ValueLayout.JAVA_LONG, SCHEMA_N_CHILDREN);
    MemorySegment children = struct.get(ValueLayout.ADDRESS, SCHEMA_CHILDREN).reinterpret(8 * count);
    for (long i = 0; i < count; i++) {
      if (hasDictionary(children.getAtIndex(ValueLayout.ADDRESS, i))) {
        return true;
      }
    }
    return false;
  }

  /** Takes over a {@code WeirBatch *}, or null. */
  static Decoder<VectorSchemaRoot> decoder(Schema schema, BufferAllocator allocator) {
    return decoder(schema, allocator, null);
  }

  static Decoder<VectorSchemaRoot> decoder(Schema schema, BufferAllocator allocator, CDataDictionaryProvider dictionaries) {
    return (raw, ack) -> {
      if (raw == 0) {
        return null;
      }
      MemorySegment batch = MemorySegment.ofAddress(raw);
      try (Scratch scratch = Scratch.take()) {
        scratch.check(Native.weir_batch_array(batch, scratch.array, scratch.error));
        return importBatch(ArrowArray.wrap(scratch.array.address()), schema, allocator, dictionaries);
      } finally {
        Native.weir_batch_free(batch);
      }
    };
  }

  /** How many rows an array has; none if it was released, or is none at all. */
  static long length(MemorySegment array) {
    MemorySegment struct = array.reinterpret(ARRAY_RELEASE + 8);
    return struct.get(ValueLayout.JAVA_LONG, ARRAY_RELEASE) == 0 ? 0 : Math.max(0, struct.get(ValueLayout.JAVA_LONG, ARRAY_LENGTH));
  }

  /** Releases an array that no call of the library's was made with: an array that is handed in is consumed, whatever happens. */
  static void discard(ArrowArray array) {
    discard(address(array));
  }

  /** As {@link #discard(ArrowArray)}. */
  static void discard(MemorySegment array) {
    if (array.reinterpret(ARRAY_RELEASE + 8).get(ValueLayout.JAVA_LONG, ARRAY_RELEASE) != 0) {
      ArrowArray.wrap(array.address()).release();
    }
  }

  /** As {@link #discard(ArrowArray)}; of null, nothing. */
  static void discard(ArrowSchema schema) {
    if (schema != null && address(schema).reinterpret(SchemaMemo.SIZE).get(ValueLayout.JAVA_LONG, SCHEMA_RELEASE) != 0) {
      schema.release();
    }
  }

  /** As {@link #discard(ArrowArray)}. */
  static void discard(ArrowArrayStream stream) {
    if (address(stream).reinterpret(STREAM_RELEASE + 8).get(ValueLayout.JAVA_LONG, STREAM_RELEASE) != 0) {
      stream.release();
    }
  }
}
