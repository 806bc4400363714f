package io.weir;

/** What was to be created exists. */
public final class AlreadyExistsException extends WeirException {
  private static final long serialVersionUID = 1;

  AlreadyExistsException(Failure failure) {
    super(failure);
  }
}
