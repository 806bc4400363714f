package io.weir;

/** The handle is closed. */
public final class ClosedException extends WeirException {
  private static final long serialVersionUID = 1;

  ClosedException(Failure failure) {
    super(failure);
  }
}
