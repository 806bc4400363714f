package io.weir;

/** An argument, option or URL is not valid. Nothing was done. */
public final class InvalidArgumentException extends WeirException {
  private static final long serialVersionUID = 1;

  InvalidArgumentException(Failure failure) {
    super(failure);
  }
}
