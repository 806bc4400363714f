package io.weir;

/** The store has no room left. */
public final class StorageFullException extends WeirException {
  private static final long serialVersionUID = 1;

  StorageFullException(Failure failure) {
    super(failure);
  }
}
