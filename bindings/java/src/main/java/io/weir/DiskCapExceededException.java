package io.weir;

/** A spill store's cap is reached. */
public final class DiskCapExceededException extends WeirException {
  private static final long serialVersionUID = 1;

  DiskCapExceededException(Failure failure) {
    super(failure);
  }

  /**
   * The cap.
   *
   * @return bytes; 0 if it is not known
   */
  public long capBytes() {
    return number("cap_bytes").orElse(0);
  }
}
