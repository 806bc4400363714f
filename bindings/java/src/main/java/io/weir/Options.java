package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Options as a list of what was set; the library fills in the rest, so that no default is written down here. */
abstract sealed class Options<T extends Options<T>>
    permits WriterOptions, AppenderOptions, TailerOptions, TrimOptions, ScanOptions, SnapshotOptions, SpillStoreOptions, SpillOptions,
        SpillReadOptions, CacheOptions {
  record Setting(String field, long value) {}

  /** A {@code weir_..._options_init}. */
  interface Defaults {
    void fill(MemorySegment options, int structSize);
  }

  private final StructLayout layout;
  private final Defaults defaults;
  private final List<Setting> settings;

  Options(StructLayout layout, Defaults defaults, List<Setting> settings) {
    this.layout = layout;
    this.defaults = defaults;
    this.settings = settings;
  }

  abstract T with(List<Setting> settings);

  final T set(String field, long value) {
    long bytes = layout.select(PathElement.groupElement(field)).byteSize();
    if (bytes == 4 && value != (int) value && value != (value & 0xffff_ffffL)) {
      throw WeirException.of(Status.INVALID_ARGUMENT, field + " is out of range: " + value);
    }
    List<Setting> more = new ArrayList<>(settings);
    more.removeIf(setting -> setting.field.equals(field));
    more.add(new Setting(field, value));
    return with(List.copyOf(more));
  }

  /** Microseconds, as many as fit. */
  static long micros(Duration value) {
    try {
      return value.toNanos() / 1000;
    } catch (ArithmeticException e) {
      return value.isNegative() ? 0 : Long.MAX_VALUE;
    }
  }

  /** A whole number that the C ABI has as an unsigned one: of the negative ones, only what stands for none. */
  final T setBytes(String field, long value, long none) {
    if (value < 0 && value != none) {
      throw WeirException.of(Status.INVALID_ARGUMENT, field + " is negative: " + value);
    }
    return set(field, value);
  }

  /** What was set so far. */
  final List<Setting> settings() {
    return settings;
  }

  /** What was set besides, for messages. */
  String more() {
    return "";
  }

  final MemorySegment encode(Arena arena) {
    MemorySegment struct = arena.allocate(layout);
    defaults.fill(struct, (int) layout.byteSize());
    for (Setting setting : settings) {
      long offset = layout.byteOffset(PathElement.groupElement(setting.field));
      switch ((int) layout.select(PathElement.groupElement(setting.field)).byteSize()) {
        case 1 -> struct.set(ValueLayout.JAVA_BYTE, offset, (byte) setting.value);
        case 4 -> struct.set(ValueLayout.JAVA_INT, offset, (int) setting.value);
        case 8 -> struct.set(ValueLayout.JAVA_LONG, offset, setting.value);
        default -> throw new IllegalStateException(setting.field);
      }
    }
    point(arena, struct);
    return struct;
  }

  /** Sets what points to something. */
  void point(Arena arena, MemorySegment struct) {}

  /** Sets a pointer to elements, and after it how many there are. */
  static void setList(MemorySegment struct, long field, MemorySegment elements, int count) {
    struct.set(ValueLayout.ADDRESS, field, elements);
    struct.set(ValueLayout.JAVA_LONG, field + 8, count);
  }

  /** What was set. */
  @Override
  public final String toString() {
    return getClass().getSimpleName() + settings + more();
  }
}
