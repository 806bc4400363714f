package io.weir;

import java.time.Duration;
import java.util.List;

/** Options of a {@link Cache}. Immutable; what is not set is as the library has it. */
public final class CacheOptions extends Options<CacheOptions> {
  private final CacheBackend backend;

  private CacheOptions(List<Setting> settings, CacheBackend backend) {
    super(Native.WeirCacheOptions.LAYOUT, Native::weir_cache_options_init, settings);
    this.backend = backend;
  }

  @Override
  CacheOptions with(List<Setting> settings) {
    return new CacheOptions(settings, backend);
  }

  /**
   * The defaults: the built-in backend, 128 MiB.
   *
   * @return options
   */
  public static CacheOptions defaults() {
    return new CacheOptions(List.of(), null);
  }

  /**
   * The bytes that the cache may hold: keys, values and what it takes to hold them (default: 128 MiB). With 0 the cache is off: it holds
   * nothing, and every loader runs. Not for a backend of the caller's.
   *
   * @param value the value
   * @return options with it
   */
  public CacheOptions withCapacityBytes(long value) {
    return setBytes("capacity_bytes", value, 0);
  }

  /**
   * A backend in the place of the built-in one.
   *
   * @param value the backend; null for the built-in one
   * @return options with it
   */
  public CacheOptions withBackend(CacheBackend value) {
    return new CacheOptions(settings(), value);
  }

  /**
   * How long that backend may take for an answer (default: a second).
   *
   * @param value the value; null for as long as it likes
   * @return options with it
   */
  public CacheOptions withBackendTimeout(Duration value) {
    return set("backend_timeout_ms", value == null ? Waiting.FOREVER : Waiting.millis(value));
  }

  CacheBackend backend() {
    return backend;
  }
}
