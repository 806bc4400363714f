package io.weir;

/** The deadline passed. Nothing was accepted unless the message says so. */
public final class TimedOutException extends WeirException {
  private static final long serialVersionUID = 1;

  TimedOutException(Failure failure) {
    super(failure);
  }
}
