package io.weir;

/** A blocking call was made from a thread that other calls need in order to complete. */
public final class WouldDeadlockException extends WeirException {
  private static final long serialVersionUID = 1;

  WouldDeadlockException(Failure failure) {
    super(failure);
  }
}
