package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Options of {@link Weir#session(SessionOptions)}. Immutable.
 *
 * @param storeSettings settings of object stores, such as credentials; {@link Weir#storeSettings()} lists the keys
 */
public record SessionOptions(Map<String, String> storeSettings) {
  /**
   * Options with these settings.
   *
   * @param storeSettings settings of object stores, such as credentials
   */
  public SessionOptions {
    storeSettings = Map.copyOf(storeSettings);
  }

  /**
   * The defaults: no settings.
   *
   * @return options
   */
  public static SessionOptions defaults() {
    return new SessionOptions(Map.of());
  }

  /**
   * The same with one more setting.
   *
   * @param key one of {@link Weir#storeSettings()}
   * @param value its value
   * @return options with it
   */
  public SessionOptions withStoreSetting(String key, String value) {
    Map<String, String> settings = new LinkedHashMap<>(storeSettings);
    settings.put(key, value);
    return new SessionOptions(settings);
  }

  /** The keys: the values may be secrets. */
  @Override
  public String toString() {
    return "SessionOptions" + storeSettings.keySet();
  }

  MemorySegment encode(Arena arena) {
    MemorySegment pairs = arena.allocate(Native.WeirKeyValue.LAYOUT, Math.max(storeSettings.size(), 1));
    long at = 0;
    for (Map.Entry<String, String> setting : storeSettings.entrySet()) {
      pairs.set(ValueLayout.ADDRESS, at + Native.WeirKeyValue.key, Text.of(arena, "a setting's key", setting.getKey()));
      pairs.set(ValueLayout.ADDRESS, at + Native.WeirKeyValue.value, Text.of(arena, "the value of " + setting.getKey(), setting.getValue()));
      at += Native.WeirKeyValue.SIZE;
    }
    MemorySegment struct = arena.allocate(Native.WeirSessionOptions.LAYOUT);
    Native.weir_session_options_init(struct, (int) Native.WeirSessionOptions.SIZE);
    if (!storeSettings.isEmpty()) {
      struct.set(ValueLayout.ADDRESS, Native.WeirSessionOptions.store_settings, pairs);
      struct.set(ValueLayout.JAVA_LONG, Native.WeirSessionOptions.store_settings_len, storeSettings.size());
    }
    return struct;
  }
}
