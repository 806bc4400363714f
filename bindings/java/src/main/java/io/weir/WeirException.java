package io.weir;

import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * An error of weir's: what happened, what to do about it, a message that names the object concerned, and typed details. Each status has a
 * class of its own, such as {@link FencedException}.
 */
public class WeirException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final transient Failure failure;

  /** The code: what is left of the failure after serialisation, with the message. */
  private final int code;

  WeirException(Failure failure) {
    super(failure.message(), failure.cause());
    this.failure = failure;
    this.code = failure.code();
  }

  /** The exception for an error that the caller owns; the error is freed. */
  static WeirException take(int code, MemorySegment error) {
    return Failure.take(code, error).toException();
  }

  static WeirException of(Status status, String message) {
    return Failure.of(status, message).toException();
  }

  /** The same with a cause that the library does not know. */
  WeirException withCause(Throwable cause) {
    return cause == null ? this : failure().causedBy(cause).toException();
  }

  /** The same for the thread that waited: with its stack, and the original as the cause. */
  WeirException rethrown() {
    return failure().causedBy(this).toException();
  }

  private Failure failure() {
    return failure != null ? failure : new Failure(code, getMessage(), Action.NONE, Map.of(), getCause());
  }

  /**
   * What happened.
   *
   * @return the status; {@link Status#UNKNOWN} for one that only a newer library knows
   */
  public Status status() {
    return Status.of(code);
  }

  /**
   * What happened, as the number of the C ABI.
   *
   * @return the code, a {@code WEIR_STATUS_*}
   */
  public int code() {
    return code;
  }

  /**
   * What to do about it.
   *
   * @return the action
   */
  public Action action() {
    return failure().action();
  }

  /**
   * What the error says about itself, such as {@code position}, {@code epoch}, {@code shard}, {@code limit_bytes}. The values are of type
   * {@link Long} or {@link String}.
   *
   * @return names and values, unmodifiable
   */
  public Map<String, Object> details() {
    return failure().details();
  }

  /**
   * A detail that is a number.
   *
   * @param name its name
   * @return the number, if there is one
   */
  public OptionalLong number(String name) {
    return details().get(name) instanceof Long value ? OptionalLong.of(value) : OptionalLong.empty();
  }

  /**
   * A detail that is a text.
   *
   * @param name its name
   * @return the text, if there is one
   */
  public Optional<String> text(String name) {
    return details().get(name) instanceof String value ? Optional.of(value) : Optional.empty();
  }
}
