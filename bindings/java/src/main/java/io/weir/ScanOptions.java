package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.pojo.Schema;

/** Options of {@link Table#scan}: what of the rows is wanted. Immutable; what is not set is as the library has it. */
public final class ScanOptions extends Options<ScanOptions> {
  private final List<String> columns;
  private final List<Comparison> comparisons;

  private ScanOptions(List<Setting> settings, List<String> columns, List<Comparison> comparisons) {
    super(Native.WeirScanOptions.LAYOUT, Native::weir_scan_options_init, settings);
    this.columns = columns;
    this.comparisons = comparisons;
  }

  @Override
  ScanOptions with(List<Setting> settings) {
    return new ScanOptions(settings, columns, comparisons);
  }

  @Override
  void point(Arena arena, MemorySegment struct) {
    setList(struct, Native.WeirScanOptions.columns, Text.list(arena, "a column", columns), columns.size());
    if (!comparisons.isEmpty()) {
      MemorySegment structs = arena.allocate(Native.WeirComparison.LAYOUT, comparisons.size());
      long at = 0;
      for (Comparison comparison : comparisons) {
        structs.set(ValueLayout.ADDRESS, at + Native.WeirComparison.column, Text.of(arena, "a column", comparison.column()));
        structs.set(ValueLayout.JAVA_INT, at + Native.WeirComparison.op, comparison.op());
        at += Native.WeirComparison.SIZE;
      }
      setList(struct, Native.WeirScanOptions.comparisons, structs, comparisons.size());
    }
  }

  @Override
  String more() {
    return (columns.isEmpty() ? "" : " columns " + columns) + (comparisons.isEmpty() ? "" : " where " + comparisons);
  }

  /**
   * The defaults: all columns of all rows.
   *
   * @return options
   */
  public static ScanOptions defaults() {
    return new ScanOptions(List.of(), List.of(), List.of());
  }

  /**
   * The rows for which all of these hold, and no others: {@code where(column("id").ge(20), column("id").lt(40))}.
   *
   * @param comparisons what must hold
   * @return options
   */
  public static ScanOptions where(Comparison... comparisons) {
    return defaults().and(comparisons);
  }

  /**
   * The same, and more that must hold.
   *
   * @param comparisons what must hold besides
   * @return options with it
   */
  public ScanOptions and(Comparison... comparisons) {
    List<Comparison> all = new ArrayList<>(this.comparisons);
    all.addAll(Arrays.asList(comparisons));
    return new ScanOptions(settings(), columns, List.copyOf(all));
  }

  /**
   * The columns that are wanted, in this order (default: all).
   *
   * @param names the columns' names; none for all
   * @return options with them
   */
  public ScanOptions withColumns(String... names) {
    return new ScanOptions(settings(), List.of(names), comparisons);
  }

  /**
   * The most rows that are given (default: all).
   *
   * @param value the value
   * @return options with it
   */
  public ScanOptions withLimit(long value) {
    return setBytes("limit", value, 0);
  }

  /**
   * The rows that a batch has at most, smaller ones being joined to about this (default: 8192).
   *
   * @param value the value
   * @return options with it
   */
  public ScanOptions withBatchRows(int value) {
    return set("batch_rows", value);
  }

  /**
   * Whether the column {@code _position} (uint64) comes, too (default: no): the row's number in its generation or MemTable, from 0.
   *
   * @param value the value
   * @return options with it
   */
  public ScanOptions withPosition(boolean value) {
    return set("with_position", value ? 1 : 0);
  }

  /**
   * Whether the column {@code _generation} (uint64) comes, too (default: no): the generation that has the row, or that its MemTable will be.
   * Together with the position it names a version of a row until generations are merged.
   *
   * @param value the value
   * @return options with it
   */
  public ScanOptions withGeneration(boolean value) {
    return set("with_generation", value ? 1 : 0);
  }

  /**
   * Whether keys whose newest version is a deletion come, too (default: no), told apart by the column {@code _tombstone} (boolean), which is
   * behind the others; all columns outside of the key may be null then.
   *
   * @param value the value
   * @return options with it
   */
  public ScanOptions withTombstones(boolean value) {
    return set("with_tombstones", value ? 1 : 0);
  }

  /** What the columns are compared with, in the comparisons' order. */
  static final class Values implements AutoCloseable {
    private final List<FieldVector> own = new ArrayList<>();
    private final List<FieldVector> all = new ArrayList<>();

    /** A row of them; null if there are none. Its vectors are not to be closed. */
    VectorSchemaRoot row() {
      return all.isEmpty() ? null : new VectorSchemaRoot(all.stream().map(FieldVector::getField).toList(), all, 1);
    }

    @Override
    public void close() {
      own.forEach(FieldVector::close);
    }
  }

  /**
   * What the columns are compared with.
   *
   * @param schema gives the columns' types, where they matter
   */
  Values values(Supplier<Schema> schema, BufferAllocator allocator) {
    Values values = new Values();
    try {
      for (Comparison comparison : comparisons) {
        if (comparison.value() instanceof FieldVector vector) {
          if (vector.getValueCount() != 1) {
            throw WeirException.of(
                Status.INVALID_ARGUMENT,
                "column '" + comparison.column() + "' is compared with a vector of " + vector.getValueCount() + " rows: it has to be one");
          }
          values.all.add(vector);
        } else if (comparison.value() != null) {
          FieldVector vector = Comparand.of(comparison.column(), comparison.value(), schema, allocator);
          values.own.add(vector);
          values.all.add(vector);
        }
      }
      return values;
    } catch (Throwable e) {
      values.close();
      throw e;
    }
  }
}
