package io.weir;

import java.time.Duration;
import java.util.List;

/** Options of {@link Session#openTailer}. Immutable; what is not set is as the library has it. */
public final class TailerOptions extends Options<TailerOptions> {
  private TailerOptions(List<Setting> settings) {
    super(Native.WeirTailerOptions.LAYOUT, Native::weir_tailer_options_init, settings);
  }

  @Override
  TailerOptions with(List<Setting> settings) {
    return new TailerOptions(settings);
  }

  /**
   * The defaults.
   *
   * @return options
   */
  public static TailerOptions defaults() {
    return new TailerOptions(List.of());
  }

  /**
   * Waits at the end of the log for new entries.
   *
   * @return options
   */
  public static TailerOptions follow() {
    return defaults().withFollow(true);
  }

  /**
   * Starts at a position.
   *
   * @param position the position; 0 is the oldest there is
   * @return options
   */
  public static TailerOptions from(long position) {
    return defaults().withFrom(position);
  }

  /**
   * Whether to wait at the end of the log for new entries, or to report the end (default).
   *
   * @param value the value
   * @return options with it
   */
  public TailerOptions withFollow(boolean value) {
    return set("follow", value ? 1 : 0);
  }

  /**
   * The position to start at; 0 (default) is the oldest there is.
   *
   * @param value the value
   * @return options with it
   */
  public TailerOptions withFrom(long value) {
    return set("from", value);
  }

  /**
   * How many bytes of entries may be held that were read ahead.
   *
   * @param value the value
   * @return options with it
   */
  public TailerOptions withPrefetchBytes(long value) {
    return set("prefetch_bytes", value);
  }

  /**
   * How many entries are fetched at once from a store with latency, 1 to 4096.
   *
   * @param value the value
   * @return options with it
   */
  public TailerOptions withPrefetchEntries(int value) {
    return set("prefetch_entries", value);
  }

  /**
   * The pause until the log's end is looked at again after news, doubling up to the longest.
   *
   * @param value the value
   * @return options with it
   */
  public TailerOptions withPollMin(Duration value) {
    return set("poll_min_ms", Waiting.millis(value));
  }

  /**
   * The longest pause between two looks. A writer in this process wakes its tailers at once.
   *
   * @param value the value
   * @return options with it
   */
  public TailerOptions withPollMax(Duration value) {
    return set("poll_max_ms", Waiting.millis(value));
  }
}
