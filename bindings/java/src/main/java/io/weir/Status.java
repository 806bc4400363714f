package io.weir;

/** What a call came to: the codes of {@code WeirStatus}. */
public enum Status {
  /** Success. */
  OK(Native.WEIR_STATUS_OK),
  /** An argument, option or URL is not valid. */
  INVALID_ARGUMENT(Native.WEIR_STATUS_INVALID_ARGUMENT),
  /** A batch does not have the writer's schema, or a schema cannot be stored. */
  SCHEMA_MISMATCH(Native.WEIR_STATUS_SCHEMA_MISMATCH),
  /** Arrow data handed in breaks the format's rules. */
  INVALID_DATA(Native.WEIR_STATUS_INVALID_DATA),
  /** The root, shard, entry or object does not exist. */
  NOT_FOUND(Native.WEIR_STATUS_NOT_FOUND),
  /** What was to be created exists. */
  ALREADY_EXISTS(Native.WEIR_STATUS_ALREADY_EXISTS),
  /** The store, scheme, format or feature is not supported by this build or that server. */
  UNSUPPORTED(Native.WEIR_STATUS_UNSUPPORTED),
  /** The store failed. */
  STORAGE(Native.WEIR_STATUS_STORAGE),
  /** The store has no room left. */
  STORAGE_FULL(Native.WEIR_STATUS_STORAGE_FULL),
  /** The store refused access. */
  PERMISSION_DENIED(Native.WEIR_STATUS_PERMISSION_DENIED),
  /** Bytes on storage are not what was written. */
  CORRUPTION(Native.WEIR_STATUS_CORRUPTION),
  /** Another writer claimed the shard with a higher epoch. */
  FENCED(Native.WEIR_STATUS_FENCED),
  /** An append failed for good. */
  POISONED(Native.WEIR_STATUS_POISONED),
  /** The shard is sealed against writers. */
  SEALED(Native.WEIR_STATUS_SEALED),
  /** The position was trimmed from the log. */
  TRIMMED(Native.WEIR_STATUS_TRIMMED),
  /** The limit on pending bytes is reached, and nothing was accepted. */
  BACKPRESSURE(Native.WEIR_STATUS_BACKPRESSURE),
  /** The deadline passed. */
  TIMED_OUT(Native.WEIR_STATUS_TIMED_OUT),
  /** The call was cancelled or interrupted. */
  CANCELLED(Native.WEIR_STATUS_CANCELLED),
  /** The operation was accepted, and whether it took effect is not known yet. */
  OUTCOME_UNKNOWN(Native.WEIR_STATUS_OUTCOME_UNKNOWN),
  /** The handle is closed. */
  CLOSED(Native.WEIR_STATUS_CLOSED),
  /** The process forked after the library was used. */
  FORKED(Native.WEIR_STATUS_FORKED),
  /** A panic was caught in the library: a bug in weir. */
  PANIC(Native.WEIR_STATUS_PANIC),
  /** A blocking call was made from a thread that other calls need in order to complete. */
  WOULD_DEADLOCK(Native.WEIR_STATUS_WOULD_DEADLOCK),
  /** Lost a race for the shard to another claimer. */
  CONFLICT(Native.WEIR_STATUS_CONFLICT),
  /** A spill store's cap is reached. */
  DISK_CAP_EXCEEDED(Native.WEIR_STATUS_DISK_CAP_EXCEEDED),
  /** An invariant of weir's does not hold: a bug. */
  INTERNAL(Native.WEIR_STATUS_INTERNAL),
  /** A code that a newer library knows and this binding does not. */
  UNKNOWN(-1);

  private static final Status[] BY_CODE = new Status[values().length - 1];

  static {
    for (Status status : values()) {
      if (status != UNKNOWN) {
        BY_CODE[status.code] = status;
      }
    }
  }

  private final int code;

  Status(int code) {
    this.code = code;
  }

  /**
   * The number of the C ABI.
   *
   * @return the code; -1 for {@link #UNKNOWN}
   */
  public int code() {
    return code;
  }

  static Status of(int code) {
    return code >= 0 && code < BY_CODE.length ? BY_CODE[code] : UNKNOWN;
  }
}
