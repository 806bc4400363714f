package io.weir;

/** The operation was accepted, and whether it took effect is not known yet. */
public final class OutcomeUnknownException extends WeirException {
  private static final long serialVersionUID = 1;

  OutcomeUnknownException(Failure failure) {
    super(failure);
  }
}
