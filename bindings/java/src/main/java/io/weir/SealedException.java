package io.weir;

/** The shard is sealed against writers. */
public final class SealedException extends WeirException {
  private static final long serialVersionUID = 1;

  SealedException(Failure failure) {
    super(failure);
  }
}
