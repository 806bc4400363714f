package io.weir;

/** Lost a race for the shard to another claimer. */
public final class ConflictException extends WeirException {
  private static final long serialVersionUID = 1;

  ConflictException(Failure failure) {
    super(failure);
  }
}
