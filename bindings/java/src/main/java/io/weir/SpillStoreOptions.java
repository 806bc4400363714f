package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** Options of a {@link SpillStore}: where its bytes are kept, and how many. Immutable; what is not set is as the library has it. */
public final class SpillStoreOptions extends Options<SpillStoreOptions> {
  /** As a cap: none. */
  public static final long NO_CAP = -1;

  private final String location;

  private SpillStoreOptions(List<Setting> settings, String location) {
    super(Native.WeirSpillStoreOptions.LAYOUT, Native::weir_spill_store_options_init, settings);
    this.location = location;
  }

  @Override
  SpillStoreOptions with(List<Setting> settings) {
    return new SpillStoreOptions(settings, location);
  }

  private static SpillStoreOptions of(int backend, String location) {
    return new SpillStoreOptions(List.of(), location).set("backend", backend);
  }

  /**
   * Files of a directory below the operating system's for temporary files.
   *
   * @return options
   */
  public static SpillStoreOptions local() {
    return of(Native.WEIR_SPILL_BACKEND_LOCAL, null);
  }

  /**
   * Files of a local directory.
   *
   * @param directory made when it is first written to
   * @return options
   */
  public static SpillStoreOptions local(Path directory) {
    return of(Native.WEIR_SPILL_BACKEND_LOCAL, directory.toString());
  }

  /**
   * Memory of the library's.
   *
   * @return options
   */
  public static SpillStoreOptions memory() {
    return of(Native.WEIR_SPILL_BACKEND_MEMORY, null);
  }

  /**
   * Objects of an object store.
   *
   * @param url the URL below which they are
   * @return options
   */
  public static SpillStoreOptions object(String url) {
    return of(Native.WEIR_SPILL_BACKEND_OBJECT, url);
  }

  /**
   * Memory of the library's up to a size, then files below the operating system's directory for temporary files.
   *
   * @param memoryBytes the most bytes that are kept in memory
   * @return options
   */
  public static SpillStoreOptions tiered(long memoryBytes) {
    return of(Native.WEIR_SPILL_BACKEND_TIERED, null).setBytes("memory_bytes", memoryBytes, 0);
  }

  /**
   * Memory of the library's up to a size, then files of a local directory.
   *
   * @param memoryBytes the most bytes that are kept in memory
   * @param directory made when it is first written to
   * @return options
   */
  public static SpillStoreOptions tiered(long memoryBytes, Path directory) {
    return of(Native.WEIR_SPILL_BACKEND_TIERED, directory.toString()).setBytes("memory_bytes", memoryBytes, 0);
  }

  /**
   * The most bytes that may be held at once (default: {@link #NO_CAP}). With 0 nothing may be written.
   *
   * @param value the value
   * @return options with it
   */
  public SpillStoreOptions withCapBytes(long value) {
    return setBytes("cap_bytes", value, NO_CAP);
  }

  /**
   * A write that would leave less free on a local file system is refused with {@link StorageFullException} (default: 5 % of it or 1 GiB,
   * whichever is smaller). 0 is no such floor.
   *
   * @param value the value
   * @return options with it
   */
  public SpillStoreOptions withMinFreeBytes(long value) {
    return setBytes("min_free_bytes", value, -1);
  }

  /**
   * In an object store, what a store that is gone left behind is deleted after so long: a minute or more (default: 24 hours). A store
   * that is stopped or cut off for longer is taken for gone.
   *
   * @param value the value
   * @return options with it
   */
  public SpillStoreOptions withReclaimAge(Duration value) {
    return set("reclaim_age_ms", Waiting.millis(value));
  }

  /**
   * The buffer of each writer (default: 64 KiB).
   *
   * @param value the value
   * @return options with it
   */
  public SpillStoreOptions withBufferBytes(int value) {
    return setBytes("buffer_bytes", value, 0);
  }

  @Override
  void point(Arena arena, MemorySegment struct) {
    if (location != null) {
      struct.set(ValueLayout.ADDRESS, Native.WeirSpillStoreOptions.location, Text.of(arena, "the location", location));
    }
  }
}
