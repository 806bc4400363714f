package io.weir;

import java.time.Duration;
import java.util.List;

/** Options of {@link Session#trim}. Immutable; what is not set is as the library has it. */
public final class TrimOptions extends Options<TrimOptions> {
  private TrimOptions(List<Setting> settings) {
    super(Native.WeirTrimOptions.LAYOUT, Native::weir_trim_options_init, settings);
  }

  @Override
  TrimOptions with(List<Setting> settings) {
    return new TrimOptions(settings);
  }

  /**
   * The defaults.
   *
   * @return options
   */
  public static TrimOptions defaults() {
    return new TrimOptions(List.of());
  }

  /**
   * Nothing younger is removed, by the store's clock (default: 24 hours): it must exceed by far how long a writer may be stalled. The
   * writers' trim age must not be larger.
   *
   * @param value the value
   * @return options with it
   */
  public TrimOptions withTrimAge(Duration value) {
    return set("trim_age_ms", Waiting.millis(value));
  }
}
