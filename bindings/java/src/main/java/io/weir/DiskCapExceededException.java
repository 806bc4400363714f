package io.weir;

/** A spill store's cap is reached. Nothing of the write was taken, and the writer goes on. */
public final class DiskCapExceededException extends WeirException {
  private static final long serialVersionUID = 1;

  DiskCapExceededException(Failure failure) {
    super(failure);
  }

  /**
   * The cap of the store that refused: the writer's, or one above it.
   *
   * @return bytes; 0 if it is not known
   */
  public long capBytes() {
    return number("cap_bytes").orElse(0);
  }

  /**
   * What the store that refused held.
   *
   * @return bytes; 0 if it is not known
   */
  public long usedBytes() {
    return number("used_bytes").orElse(0);
  }

  /**
   * What was wanted in addition.
   *
   * @return bytes; 0 if it is not known
   */
  public long requestedBytes() {
    return number("requested_bytes").orElse(0);
  }
}
