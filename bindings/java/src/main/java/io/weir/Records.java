package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.Locale;

/** Reads structs of numbers into records whose components are called like the fields, in Java's way of writing names. */
final class Records {
  private Records() {}

  /** A call that fills a struct whose size is set. */
  interface Call {
    int fill(MemorySegment handle, MemorySegment struct, MemorySegment error);
  }

  static <T extends Record> T get(Handle handle, Class<T> type, StructLayout layout, Call call) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment struct = arena.allocate(layout);
      struct.set(ValueLayout.JAVA_INT, 0, (int) layout.byteSize());
      return handle.get((raw, ack) -> read(type, layout, struct), (pointer, timeout, s) -> call.fill(pointer, struct, s.error));
    }
  }

  static <T extends Record> T read(Class<T> type, StructLayout layout, MemorySegment struct) {
    RecordComponent[] components = type.getRecordComponents();
    Object[] values = new Object[components.length];
    for (int i = 0; i < components.length; i++) {
      PathElement field = PathElement.groupElement(fieldName(components[i].getName()));
      values[i] = struct.get(ValueLayout.JAVA_LONG, layout.byteOffset(field));
    }
    Class<?>[] types = Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
    try {
      return type.getDeclaredConstructor(types).newInstance(values);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }

  /** {@code putP50Ns} → {@code put_p50_ns} */
  static String fieldName(String component) {
    return component.replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
  }
}
