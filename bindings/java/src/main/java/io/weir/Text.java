package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Texts that cross the boundary. */
final class Text {
  private Text() {}

  /** A copy of a NUL-terminated text. */
  static String at(MemorySegment pointer) {
    return pointer.address() == 0 ? "" : pointer.reinterpret(Long.MAX_VALUE).getString(0);
  }

  /** A copy of `length` bytes of text. */
  static String at(MemorySegment pointer, long length) {
    return new String(bytes(pointer, length), StandardCharsets.UTF_8);
  }

  static byte[] bytes(MemorySegment pointer, long length) {
    return length == 0 ? new byte[0] : pointer.reinterpret(length).toArray(ValueLayout.JAVA_BYTE);
  }

  /** A NUL-terminated copy for a call. A text with a NUL in it would be cut there, so it is refused. */
  static MemorySegment of(Arena arena, String what, String text) {
    if (text.indexOf('\0') >= 0) {
      throw WeirException.of(Status.INVALID_ARGUMENT, what + " has a NUL character in it");
    }
    return arena.allocateFrom(text);
  }

  /** Pointers to NUL-terminated copies for a call; NULL for none. */
  static MemorySegment list(Arena arena, String what, List<String> texts) {
    if (texts.isEmpty()) {
      return MemorySegment.NULL;
    }
    MemorySegment pointers = arena.allocate(ValueLayout.ADDRESS, texts.size());
    for (int i = 0; i < texts.size(); i++) {
      pointers.setAtIndex(ValueLayout.ADDRESS, i, of(arena, what, texts.get(i)));
    }
    return pointers;
  }

  /** Copies and frees a buffer of the library's. */
  static String take(MemorySegment buffer) {
    return new String(takeBytes(buffer), StandardCharsets.UTF_8);
  }

  /** Copies and frees a buffer of the library's. */
  static byte[] takeBytes(MemorySegment buffer) {
    try {
      return bytes(Native.weir_buffer_data(buffer), Native.weir_buffer_len(buffer));
    } finally {
      Native.weir_buffer_free(buffer);
    }
  }
}
