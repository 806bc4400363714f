package io.weir;

/** The store, scheme, format or feature is not supported by this build or that server. */
public final class UnsupportedException extends WeirException {
  private static final long serialVersionUID = 1;

  UnsupportedException(Failure failure) {
    super(failure);
  }
}
