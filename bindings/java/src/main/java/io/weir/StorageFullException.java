package io.weir;

/** The store has no room left. */
public final class StorageFullException extends WeirException {
  private static final long serialVersionUID = 1;

  StorageFullException(Failure failure) {
    super(failure);
  }

  /**
   * What is free on the file system, if a spill store's floor of free space refused a write.
   *
   * @return bytes; 0 if it is not known
   */
  public long freeBytes() {
    return number("free_bytes").orElse(0);
  }

  /**
   * What must stay free on the file system, if a spill store's floor of free space refused a write.
   *
   * @return bytes; 0 if it is not known
   */
  public long floorBytes() {
    return number("floor_bytes").orElse(0);
  }
}
