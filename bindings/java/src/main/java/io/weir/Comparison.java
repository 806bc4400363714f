package io.weir;

import java.util.Objects;
import org.apache.arrow.vector.FieldVector;

/**
 * A condition on one column, made by {@link #column}: {@code column("id").ge(20)}. A null is equal to nothing, less than nothing and greater
 * than nothing; −0 is 0, and every NaN is one value above all others.
 *
 * <p>A column is compared with a value of Java's that suits its type:
 *
 * <ul>
 *   <li>{@link Byte}, {@link Short}, {@link Integer} or {@link Long} for integers of any width, if they have the value
 *   <li>{@link Float} or {@link Double} for floats of any width, if they have the value
 *   <li>{@link Boolean}, {@link String}, {@code byte[]}, {@link java.math.BigDecimal}
 *   <li>{@link java.time.LocalDate} for dates, {@link java.time.LocalTime} for times of the day, {@link java.time.Duration} for durations
 *   <li>{@link java.time.Instant} for timestamps with a time zone, {@link java.time.LocalDateTime} for those without
 *   <li>a {@link FieldVector} of one row, for all that there is: it is the caller's, and must live until the scan has begun
 * </ul>
 *
 * A value that the column's type does not have is refused when the scan begins, with {@link SchemaMismatchException}.
 */
public final class Comparison {
  private final String column;
  private final int op;
  private final Object value;

  private Comparison(String column, int op, Object value) {
    this.column = column;
    this.op = op;
    this.value = value;
  }

  /**
   * Begins a comparison.
   *
   * @param name the column's name
   * @return the column, to be compared with something
   */
  public static Column column(String name) {
    return new Column(Objects.requireNonNull(name, "name"));
  }

  String column() {
    return column;
  }

  int op() {
    return op;
  }

  /** What it is compared with; null if that is no value. */
  Object value() {
    return value;
  }

  @Override
  public String toString() {
    return switch (op) {
      case Native.WEIR_COMPARE_EQ -> column + " = " + value;
      case Native.WEIR_COMPARE_NE -> column + " ≠ " + value;
      case Native.WEIR_COMPARE_LT -> column + " < " + value;
      case Native.WEIR_COMPARE_LE -> column + " ≤ " + value;
      case Native.WEIR_COMPARE_GT -> column + " > " + value;
      case Native.WEIR_COMPARE_GE -> column + " ≥ " + value;
      case Native.WEIR_COMPARE_IS_NULL -> column + " is null";
      default -> column + " is not null";
    };
  }

  /** A column that is to be compared. */
  public static final class Column {
    private final String name;

    private Column(String name) {
      this.name = name;
    }

    private Comparison compare(int op, Object value) {
      return new Comparison(name, op, Objects.requireNonNull(value, "a column is compared with null: use isNull() or isNotNull()"));
    }

    /**
     * Equal to the value.
     *
     * @param value the value
     * @return the comparison
     */
    public Comparison eq(Object value) {
      return compare(Native.WEIR_COMPARE_EQ, value);
    }

    /**
     * Not equal to the value, and not null.
     *
     * @param value the value
     * @return the comparison
     */
    public Comparison ne(Object value) {
      return compare(Native.WEIR_COMPARE_NE, value);
    }

    /**
     * Less than the value.
     *
     * @param value the value
     * @return the comparison
     */
    public Comparison lt(Object value) {
      return compare(Native.WEIR_COMPARE_LT, value);
    }

    /**
     * Less than the value or equal to it.
     *
     * @param value the value
     * @return the comparison
     */
    public Comparison le(Object value) {
      return compare(Native.WEIR_COMPARE_LE, value);
    }

    /**
     * Greater than the value.
     *
     * @param value the value
     * @return the comparison
     */
    public Comparison gt(Object value) {
      return compare(Native.WEIR_COMPARE_GT, value);
    }

    /**
     * Greater than the value or equal to it.
     *
     * @param value the value
     * @return the comparison
     */
    public Comparison ge(Object value) {
      return compare(Native.WEIR_COMPARE_GE, value);
    }

    /**
     * Null.
     *
     * @return the comparison
     */
    public Comparison isNull() {
      return new Comparison(name, Native.WEIR_COMPARE_IS_NULL, null);
    }

    /**
     * Not null.
     *
     * @return the comparison
     */
    public Comparison isNotNull() {
      return new Comparison(name, Native.WEIR_COMPARE_IS_NOT_NULL, null);
    }
  }
}
