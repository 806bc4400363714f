package io.weir;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneOffset;
import java.util.function.Supplier;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.BitVector;
import org.apache.arrow.vector.DateDayVector;
import org.apache.arrow.vector.DateMilliVector;
import org.apache.arrow.vector.Decimal256Vector;
import org.apache.arrow.vector.DecimalVector;
import org.apache.arrow.vector.DurationVector;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.Float4Vector;
import org.apache.arrow.vector.Float8Vector;
import org.apache.arrow.vector.TimeMicroVector;
import org.apache.arrow.vector.TimeMilliVector;
import org.apache.arrow.vector.TimeNanoVector;
import org.apache.arrow.vector.TimeSecVector;
import org.apache.arrow.vector.TimeStampVector;
import org.apache.arrow.vector.VarBinaryVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.types.TimeUnit;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;

/**
 * Values of Java's that columns are compared with, as vectors of one row. Numbers and texts come as Java has them: the library fits them to
 * the column. What has a unit or a scale is made in the column's.
 */
final class Comparand {
  private static final long NANOS = 1_000_000_000;

  private Comparand() {}

  /**
   * A vector of one row with a value that is no vector.
   *
   * @param schema gives the columns' types, where they matter
   */
  static FieldVector of(String column, Object value, Supplier<Schema> schema, BufferAllocator allocator) {
    FieldVector vector =
        switch (value) {
          case Byte number -> integer(column, number, allocator);
          case Short number -> integer(column, number, allocator);
          case Integer number -> integer(column, number, allocator);
          case Long number -> integer(column, number, allocator);
          case Float number -> {
            Float4Vector one = new Float4Vector(column, allocator);
            one.setSafe(0, number);
            yield one;
          }
          case Double number -> {
            Float8Vector one = new Float8Vector(column, allocator);
            one.setSafe(0, number);
            yield one;
          }
          case Boolean bit -> {
            BitVector one = new BitVector(column, allocator);
            one.setSafe(0, bit ? 1 : 0);
            yield one;
          }
          case String text -> {
            VarCharVector one = new VarCharVector(column, allocator);
            one.setSafe(0, text.getBytes(StandardCharsets.UTF_8));
            yield one;
          }
          case byte[] bytes -> {
            VarBinaryVector one = new VarBinaryVector(column, allocator);
            one.setSafe(0, bytes);
            yield one;
          }
          default -> ofType(column, value, schema.get(), allocator);
        };
    vector.setValueCount(1);
    return vector;
  }

  private static FieldVector integer(String column, long number, BufferAllocator allocator) {
    BigIntVector one = new BigIntVector(column, allocator);
    one.setSafe(0, number);
    return one;
  }

  private static FieldVector ofType(String column, Object value, Schema schema, BufferAllocator allocator) {
    Field field = schema.getFields().stream().filter(each -> each.getName().equals(column)).findFirst().orElse(null);
    if (field == null) {
      throw WeirException.of(Status.INVALID_ARGUMENT, "there is no column '" + column + "' to compare with");
    }
    FieldVector one = field.createVector(allocator);
    boolean fits;
    try {
      fits = set(one, field.getType(), value);
    } catch (ArithmeticException e) {
      fits = false; // it would have to be rounded, or is beyond the type's range
    } catch (Throwable e) {
      one.close();
      throw e;
    }
    if (!fits) {
      one.close();
      throw WeirException.of(
          Status.SCHEMA_MISMATCH,
          "column '" + column + "' of type " + field.getType() + " is compared with " + value + " of " + value.getClass().getName()
              + ", a value that is none of the column's");
    }
    return one;
  }

  /** Whether the vector can have the value, and then it has. */
  private static boolean set(FieldVector vector, ArrowType type, Object value) {
    switch (value) {
      case BigDecimal number when vector instanceof DecimalVector one -> one.setSafe(0, scaled(number, one.getScale(), one.getPrecision()));
      case BigDecimal number when vector instanceof Decimal256Vector one -> one.setSafe(0, scaled(number, one.getScale(), one.getPrecision()));
      case LocalDate date when vector instanceof DateDayVector one -> one.setSafe(0, Math.toIntExact(date.toEpochDay()));
      case LocalDate date when vector instanceof DateMilliVector one -> one.setSafe(0, Math.multiplyExact(date.toEpochDay(), 86_400_000L));
      case LocalTime time when vector instanceof TimeSecVector one -> one.setSafe(0, (int) units(time, TimeUnit.SECOND));
      case LocalTime time when vector instanceof TimeMilliVector one -> one.setSafe(0, (int) units(time, TimeUnit.MILLISECOND));
      case LocalTime time when vector instanceof TimeMicroVector one -> one.setSafe(0, units(time, TimeUnit.MICROSECOND));
      case LocalTime time when vector instanceof TimeNanoVector one -> one.setSafe(0, time.toNanoOfDay());
      case Duration duration when vector instanceof DurationVector one ->
          one.setSafe(0, units(duration.getSeconds(), duration.getNano(), ((ArrowType.Duration) type).getUnit()));
      case Instant instant when vector instanceof TimeStampVector one && ((ArrowType.Timestamp) type).getTimezone() != null ->
          one.setSafe(0, units(instant.getEpochSecond(), instant.getNano(), ((ArrowType.Timestamp) type).getUnit()));
      case LocalDateTime time when vector instanceof TimeStampVector one && ((ArrowType.Timestamp) type).getTimezone() == null ->
          one.setSafe(0, units(time.toEpochSecond(ZoneOffset.UTC), time.getNano(), ((ArrowType.Timestamp) type).getUnit()));
      default -> {
        return false;
      }
    }
    return true;
  }

  private static BigDecimal scaled(BigDecimal number, int scale, int precision) {
    BigDecimal scaled = number.setScale(scale); // or it throws
    if (scaled.precision() > precision) {
      throw new ArithmeticException("beyond the precision");
    }
    return scaled;
  }

  private static long units(LocalTime time, TimeUnit unit) {
    return units(time.toSecondOfDay(), time.getNano(), unit);
  }

  /** Exactly, in units. */
  private static long units(long seconds, int nanos, TimeUnit unit) {
    long size =
        switch (unit) {
          case SECOND -> NANOS;
          case MILLISECOND -> 1_000_000;
          case MICROSECOND -> 1_000;
          case NANOSECOND -> 1;
        };
    if (nanos % size != 0) {
      throw new ArithmeticException("between two units");
    }
    return BigInteger.valueOf(seconds).multiply(BigInteger.valueOf(NANOS / size)).add(BigInteger.valueOf(nanos / size)).longValueExact();
  }
}
