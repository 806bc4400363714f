package io.weir;

/** Another writer claimed the shard with a higher epoch. For ever: this handle will not write again. */
public final class FencedException extends WeirException {
  private static final long serialVersionUID = 1;

  FencedException(Failure failure) {
    super(failure);
  }

  /**
   * The epoch of the writer that took over.
   *
   * @return the epoch; 0 if it is not known
   */
  public long fencedByEpoch() {
    return number("fenced_by_epoch").orElse(0);
  }
}
