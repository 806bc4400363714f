package io.weir;

/** The store failed. For a write, the outcome may be unknown: see the message. */
public final class StorageException extends WeirException {
  private static final long serialVersionUID = 1;

  StorageException(Failure failure) {
    super(failure);
  }
}
