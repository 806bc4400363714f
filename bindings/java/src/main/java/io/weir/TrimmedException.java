package io.weir;

/** The position was trimmed from the log. */
public final class TrimmedException extends WeirException {
  private static final long serialVersionUID = 1;

  TrimmedException(Failure failure) {
    super(failure);
  }

  /**
   * The oldest position that is left.
   *
   * @return the position; 0 if it is not known
   */
  public long firstPosition() {
    return number("first_position").orElse(0);
  }
}
