package io.weir;

/** Bytes on storage are not what was written. */
public final class CorruptionException extends WeirException {
  private static final long serialVersionUID = 1;

  CorruptionException(Failure failure) {
    super(failure);
  }
}
