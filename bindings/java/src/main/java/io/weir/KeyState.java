package io.weir;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** What there is under a key. */
public enum KeyState {
  /** It was never put, or what was known of it was merged away with its deletion. */
  MISSING(Native.WEIR_KEY_MISSING),
  /** A row. */
  FOUND(Native.WEIR_KEY_FOUND),
  /** It was deleted. */
  DELETED(Native.WEIR_KEY_DELETED);

  private static final KeyState[] BY_CODE = new KeyState[3];

  static {
    for (KeyState state : values()) {
      BY_CODE[state.code] = state;
    }
  }

  private final int code;

  KeyState(int code) {
    this.code = code;
  }

  static List<KeyState> list(MemorySegment codes, long count) {
    KeyState[] states = new KeyState[Math.toIntExact(count)];
    for (int i = 0; i < states.length; i++) {
      states[i] = BY_CODE[codes.get(ValueLayout.JAVA_BYTE, i)];
    }
    return List.of(states);
  }
}
