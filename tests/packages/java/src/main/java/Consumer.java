import io.weir.Entry;
import io.weir.Session;
import io.weir.Tailer;
import io.weir.Weir;
import io.weir.Writer;
import java.util.List;
import java.util.UUID;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;

/** {@code write} puts 100 rows durably and kills itself, {@code tail} counts what is there. */
public final class Consumer {
  private static final UUID SHARD = UUID.fromString("0c8f7a52-7c58-4d0e-9a52-3e9f2a6b1c44");
  private static final int ROWS = 100;

  private Consumer() {}

  private static void write(Session session, BufferAllocator allocator, String root) throws Exception {
    Schema schema = new Schema(List.of(Field.nullable("n", new ArrowType.Int(64, true))));
    try (Writer writer = session.openWriter(root, SHARD, schema); VectorSchemaRoot batch = VectorSchemaRoot.create(schema, allocator)) {
      for (int n = 0; n < ROWS; n++) {
        BigIntVector column = (BigIntVector) batch.getVector(0);
        column.allocateNew(1);
        column.set(0, n);
        batch.setRowCount(1);
        writer.put(batch);
      }
      // What ProcessHandle would do to another process, it refuses to do to its own.
      new ProcessBuilder("kill", "-9", Long.toString(ProcessHandle.current().pid())).start().waitFor();
      Thread.sleep(60_000);
    }
  }

  private static long tail(Session session, String root) throws Exception {
    long rows = 0;
    try (Tailer tailer = session.openTailer(root, SHARD)) {
      for (Entry entry = tailer.next(); entry != null; entry = tailer.next()) {
        rows += entry.rows();
        entry.close();
      }
    }
    return rows;
  }

  public static void main(String[] args) throws Exception {
    try (BufferAllocator allocator = new RootAllocator(); Session session = Weir.session()) {
      if (args[0].equals("write")) {
        write(session, allocator, args[1]);
      }
      long rows = tail(session, args[1]);
      System.out.println(rows + " rows by weir " + Weir.version());
      if (rows != ROWS) {
        System.exit(1);
      }
    }
  }
}
