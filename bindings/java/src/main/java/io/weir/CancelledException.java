package io.weir;

/** The call was cancelled or interrupted. The handle stays usable. */
public final class CancelledException extends WeirException {
  private static final long serialVersionUID = 1;

  CancelledException(Failure failure) {
    super(failure);
  }
}
