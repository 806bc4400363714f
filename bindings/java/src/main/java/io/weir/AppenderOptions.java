package io.weir;

import java.time.Duration;
import java.util.List;

/** Options of {@link Session#openAppender}. Immutable; what is not set is as the library has it. */
public final class AppenderOptions extends Options<AppenderOptions> {
  private AppenderOptions(List<Setting> settings) {
    super(Native.WeirAppenderOptions.LAYOUT, Native::weir_appender_options_init, settings);
  }

  @Override
  AppenderOptions with(List<Setting> settings) {
    return new AppenderOptions(settings);
  }

  /**
   * The defaults.
   *
   * @return options
   */
  public static AppenderOptions defaults() {
    return new AppenderOptions(List.of());
  }

  /**
   * Whether, on a local disk, file and directory are synced before a write counts as durable (default: yes). Without, what the kernel holds
   * is lost with the power, though not with the process. Other stores are durable anyway.
   *
   * @param value the value
   * @return options with it
   */
  public AppenderOptions withFsync(boolean value) {
    return set("fsync", value ? 1 : 0);
  }

  /**
   * Whether offsets and UTF-8 of every batch are checked (default: yes). Without, the caller vouches for them: what is wrong is undefined
   * behaviour.
   *
   * @param value the value
   * @return options with it
   */
  public AppenderOptions withValidate(boolean value) {
    return set("validate", value ? 1 : 0);
  }

  /**
   * How entries are compressed (default: not).
   *
   * @param value the value
   * @return options with it
   */
  public AppenderOptions withCompression(Compression value) {
    return set("compression", value.code);
  }

  /**
   * How often a failed append is tried again, at the same position.
   *
   * @param value the value
   * @return options with it
   */
  public AppenderOptions withMaxRetries(int value) {
    return set("max_retries", value);
  }

  /**
   * The pause before the first retry, doubling with each.
   *
   * @param value the value
   * @return options with it
   */
  public AppenderOptions withRetryBaseDelay(Duration value) {
    return set("retry_base_delay_ms", Waiting.millis(value));
  }

  /**
   * How many manifest versions are asked for at once, 1 to 64.
   *
   * @param value the value
   * @return options with it
   */
  public AppenderOptions withManifestProbeWidth(int value) {
    return set("manifest_probe_width", value);
  }

  /**
   * The age below which nothing of the shard is ever trimmed, by anyone (default: 24 hours).
   *
   * @param value the value
   * @return options with it
   */
  public AppenderOptions withTrimAge(Duration value) {
    return set("trim_age_ms", Waiting.millis(value));
  }

  /**
   * How long opening may take (default: for ever).
   *
   * @param value the value
   * @return options with it
   */
  public AppenderOptions withOpenTimeout(Duration value) {
    return set("open_timeout_ms", Waiting.millis(value));
  }
}
