package io.weir;

/** The store refused access. */
public final class PermissionDeniedException extends WeirException {
  private static final long serialVersionUID = 1;

  PermissionDeniedException(Failure failure) {
    super(failure);
  }
}
