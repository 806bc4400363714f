package io.weir;

import java.util.List;

/** How batches of a spill are read. Immutable; what is not set is as the library has it. */
public final class SpillReadOptions extends Options<SpillReadOptions> {
  private SpillReadOptions(List<Setting> settings) {
    super(Native.WeirSpillReadOptions.LAYOUT, Native::weir_spill_read_options_init, settings);
  }

  @Override
  SpillReadOptions with(List<Setting> settings) {
    return new SpillReadOptions(settings);
  }

  /**
   * The defaults: batches are read, and compared with their checksums.
   *
   * @return options
   */
  public static SpillReadOptions defaults() {
    return new SpillReadOptions(List.of());
  }

  /**
   * Batches lie in the mapped file and are not copied. Not for spills that are compressed, encrypted, or in an object store.
   *
   * @return options
   */
  public static SpillReadOptions mapped() {
    return defaults().withMap(true);
  }

  /**
   * Whether batches lie in the mapped file and are not copied (default: no). Not for spills that are compressed, encrypted, or in an object
   * store.
   *
   * @param value the value
   * @return options with it
   */
  public SpillReadOptions withMap(boolean value) {
    return set("map", value ? 1 : 0);
  }

  /**
   * Whether the first map of each batch compares it with its checksum, which reads all of it (default: no). Batches that are read are always
   * compared.
   *
   * @param value the value
   * @return options with it
   */
  public SpillReadOptions withVerify(boolean value) {
    return set("verify", value ? 1 : 0);
  }
}
