package io.weir;

/** Arrow data handed in breaks the format's rules. Nothing was accepted. */
public final class InvalidDataException extends WeirException {
  private static final long serialVersionUID = 1;

  InvalidDataException(Failure failure) {
    super(failure);
  }
}
