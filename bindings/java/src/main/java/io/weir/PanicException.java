package io.weir;

/** A panic was caught in the library: a bug in weir. */
public final class PanicException extends WeirException {
  private static final long serialVersionUID = 1;

  PanicException(Failure failure) {
    super(failure);
  }
}
