package io.weir;

import java.lang.foreign.MemorySegment;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * One moment of a shard, without a claim on it, so its writer goes on undisturbed: its generations, and the rows that only its log has. A {@link
 * Tailer} from {@link #cutPosition()} + 1 continues without gap or overlap.
 */
public final class Snapshot extends Table implements AutoCloseable {
  static final Decoder<Snapshot> DECODER = (raw, ack) -> new Snapshot(MemorySegment.ofAddress(raw));

  private static final Calls CALLS =
      new Calls() {
        @Override
        public int keySchema(MemorySegment table, MemorySegment schema, MemorySegment error) {
          return Native.weir_snapshot_key_schema(table, schema, error);
        }

        @Override
        public int readSchema(MemorySegment table, MemorySegment columns, long count, MemorySegment schema, MemorySegment error) {
          return Native.weir_snapshot_read_schema(table, columns, count, schema, error);
        }

        @Override
        public int scan(
            MemorySegment table, MemorySegment options, MemorySegment values, MemorySegment schema, MemorySegment scan, MemorySegment error) {
          return Native.weir_snapshot_scan(table, options, values, schema, scan, error);
        }

        @Override
        public int get(
            MemorySegment table, MemorySegment keys, MemorySegment schema, MemorySegment options, long timeoutMs, MemorySegment states,
            long count, MemorySegment rows, MemorySegment error) {
          return Native.weir_snapshot_get(table, keys, schema, options, timeoutMs, states, count, rows, error);
        }

        @Override
        public int getAsync(
            MemorySegment table, MemorySegment keys, MemorySegment schema, MemorySegment options, MemorySegment completion,
            MemorySegment error) {
          return Native.weir_snapshot_get_async(table, keys, schema, options, completion, error);
        }
      };

  private volatile Schema schema;

  Snapshot(MemorySegment pointer) {
    super(pointer);
  }

  @Override
  String kind() {
    return "snapshot";
  }

  @Override
  void freeNative(MemorySegment pointer) {
    Native.weir_snapshot_free(pointer);
  }

  @Override
  Calls calls() {
    return CALLS;
  }

  /**
   * The schema of the rows, with the primary key marked in it.
   *
   * @return the schema
   */
  public Schema schema() {
    Schema known = schema;
    if (known == null) {
      known = Batches.schemaOf(this, Native::weir_snapshot_schema);
      schema = known;
    }
    return known;
  }

  /**
   * The last position of the log that the snapshot covers: {@link TailerOptions#from} the position after it, a tailer continues without gap or
   * overlap.
   *
   * @return the position; 0 if the log had no entry
   */
  public long cutPosition() {
    MemorySegment snapshot = acquire();
    try {
      return Native.weir_snapshot_cut_position(snapshot);
    } finally {
      release();
    }
  }

  /**
   * The manifest that the snapshot was made of.
   *
   * @return the manifest
   */
  public Manifest manifest() {
    return get(Decoder.MANIFEST, (snapshot, timeout, s) -> Native.weir_snapshot_manifest(snapshot, s.out, s.error));
  }

  /** Frees the snapshot. Calls and scans under way go on to their end, and rows stay valid. Closing again does nothing. */
  @Override
  public void close() {
    shut();
  }
}
