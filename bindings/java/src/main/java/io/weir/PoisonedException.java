package io.weir;

/** An append failed for good. Open the writer again; what was acknowledged is safe. */
public final class PoisonedException extends WeirException {
  private static final long serialVersionUID = 1;

  PoisonedException(Failure failure) {
    super(failure);
  }
}
