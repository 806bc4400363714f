package io.weir;

import java.util.List;

/** Options of one spill. Immutable; what is not set is as the library has it. */
public final class SpillOptions extends Options<SpillOptions> {
  private SpillOptions(List<Setting> settings) {
    super(Native.WeirSpillOptions.LAYOUT, Native::weir_spill_options_init, settings);
  }

  @Override
  SpillOptions with(List<Setting> settings) {
    return new SpillOptions(settings);
  }

  /**
   * The defaults: neither compressed nor encrypted.
   *
   * @return options
   */
  public static SpillOptions defaults() {
    return new SpillOptions(List.of());
  }

  /**
   * How batches are compressed (default: not at all). Bytes are stored as they are.
   *
   * @param value the value
   * @return options with it
   */
  public SpillOptions withCompression(Compression value) {
    return set("compression", value.code);
  }

  /**
   * Whether what is stored is encrypted with a key that only this process's memory has (default: no).
   *
   * @param value the value
   * @return options with it
   */
  public SpillOptions withEncrypt(boolean value) {
    return set("encrypt", value ? 1 : 0);
  }

  /**
   * Whether offsets, UTF-8 and keys of every batch are checked (default: yes). Without it, batches that are wrong make the process read wild
   * memory.
   *
   * @param value the value
   * @return options with it
   */
  public SpillOptions withValidate(boolean value) {
    return set("validate", value ? 1 : 0);
  }
}
