package io.weir;

/** The limit on pending bytes is reached, and nothing was accepted. The details say what holds the room. */
public final class BackpressureException extends WeirException {
  private static final long serialVersionUID = 1;

  BackpressureException(Failure failure) {
    super(failure);
  }

  /**
   * The size of the put that found no room.
   *
   * @return bytes; 0 if it is not known
   */
  public long bytes() {
    return number("bytes").orElse(0);
  }

  /**
   * The limit on pending bytes.
   *
   * @return bytes; 0 if it is not known
   */
  public long limitBytes() {
    return number("limit_bytes").orElse(0);
  }
}
