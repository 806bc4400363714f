package io.weir;

/** An invariant of weir's does not hold: a bug. */
public final class InternalException extends WeirException {
  private static final long serialVersionUID = 1;

  InternalException(Failure failure) {
    super(failure);
  }
}
