package io.weir;

/** The process forked after the library was used. */
public final class ForkedException extends WeirException {
  private static final long serialVersionUID = 1;

  ForkedException(Failure failure) {
    super(failure);
  }
}
