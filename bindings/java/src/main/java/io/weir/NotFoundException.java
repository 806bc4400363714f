package io.weir;

/** The root, shard, entry or object does not exist. */
public final class NotFoundException extends WeirException {
  private static final long serialVersionUID = 1;

  NotFoundException(Failure failure) {
    super(failure);
  }
}
