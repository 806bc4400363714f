package io.weir;

import java.time.Duration;
import java.util.List;

/** Options of {@link Session#openWriter}. Immutable; what is not set is as the library has it. */
public final class WriterOptions extends Options<WriterOptions> {
  private WriterOptions(List<Setting> settings) {
    super(Native.WeirWriterOptions.LAYOUT, Native::weir_writer_options_init, settings);
  }

  @Override
  WriterOptions with(List<Setting> settings) {
    return new WriterOptions(settings);
  }

  /**
   * The defaults.
   *
   * @return options
   */
  public static WriterOptions defaults() {
    return new WriterOptions(List.of());
  }

  /**
   * The defaults: a put returns when it is durable.
   *
   * @return options
   */
  public static WriterOptions durable() {
    return defaults().withDurable(true);
  }

  /**
   * A put returns when it is admitted; {@link Writer#flush()} makes all of them durable, and so does the linger.
   *
   * @return options
   */
  public static WriterOptions buffered() {
    return defaults().withDurable(false);
  }

  /**
   * Whether a put returns when it is durable (default), or when it is admitted and becomes durable within the linger.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withDurable(boolean value) {
    return set("durable", value ? 1 : 0);
  }

  /**
   * How long an admitted put may wait for others to share its entry.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withLinger(Duration value) {
    return set("linger_us", Math.max(0, Options.micros(value)));
  }

  /**
   * Bytes at which pending puts are written at once, and at which an entry is full.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withMaxBufferBytes(long value) {
    return set("max_buffer_bytes", value);
  }

  /**
   * Bytes admitted and not durable at which puts wait for room.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withMaxPendingBytes(long value) {
    return set("max_pending_bytes", value);
  }

  /**
   * Whether, on a local disk, file and directory are synced before a write counts as durable (default: yes). Without, what the kernel holds
   * is lost with the power, though not with the process. Other stores are durable anyway.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withFsync(boolean value) {
    return set("fsync", value ? 1 : 0);
  }

  /**
   * Whether offsets and UTF-8 of every batch are checked (default: yes). Without, the caller vouches for them: what is wrong is undefined
   * behaviour.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withValidate(boolean value) {
    return set("validate", value ? 1 : 0);
  }

  /**
   * How entries are compressed (default: not).
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withCompression(Compression value) {
    return set("compression", value.code);
  }

  /**
   * How often a failed append is tried again, at the same position.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withMaxRetries(int value) {
    return set("max_retries", value);
  }

  /**
   * The pause before the first retry, doubling with each.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withRetryBaseDelay(Duration value) {
    return set("retry_base_delay_ms", Waiting.millis(value));
  }

  /**
   * How many manifest versions are asked for at once, 1 to 64.
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withManifestProbeWidth(int value) {
    return set("manifest_probe_width", value);
  }

  /**
   * The age below which nothing of the shard is ever trimmed, by anyone (default: 24 hours).
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withTrimAge(Duration value) {
    return set("trim_age_ms", Waiting.millis(value));
  }

  /**
   * How long opening may take (default: for ever).
   *
   * @param value the value
   * @return options with it
   */
  public WriterOptions withOpenTimeout(Duration value) {
    return set("open_timeout_ms", Waiting.millis(value));
  }
}
