package io.weir;

/** What the caller should do about an error. */
public enum Action {
  /** There is no error, or the library knows an action that this binding does not. */
  NONE(Native.WEIR_ACTION_NONE),
  /** The same call may succeed later. */
  RETRY(Native.WEIR_ACTION_RETRY),
  /** Open the handle again; what was acknowledged is safe. */
  REOPEN(Native.WEIR_ACTION_REOPEN),
  /** Correct the argument, the data or the environment. */
  FIX(Native.WEIR_ACTION_FIX),
  /** Stop: someone else owns the shard, or its data is damaged. */
  STOP(Native.WEIR_ACTION_STOP),
  /** Report a bug. */
  REPORT(Native.WEIR_ACTION_REPORT);

  private final int code;

  Action(int code) {
    this.code = code;
  }

  /**
   * The number of the C ABI.
   *
   * @return the code
   */
  public int code() {
    return code;
  }

  static Action of(int code) {
    for (Action action : values()) {
      if (action.code == code) {
        return action;
      }
    }
    return NONE;
  }
}
