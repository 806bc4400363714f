package io.weir;

/** Where messages of the library go. Any thread may call it, several at once. It must not make blocking calls of weir's. */
@FunctionalInterface
public interface LogSink {
  /**
   * Takes a message. What it throws is dropped.
   *
   * @param level how grave it is
   * @param target the part of weir or of its libraries that it comes from
   * @param message the text
   */
  void log(LogLevel level, String target, String message);

  /**
   * A sink that writes to a {@link System.Logger}.
   *
   * @param logger the logger
   * @return the sink
   */
  static LogSink to(System.Logger logger) {
    return (level, target, message) -> logger.log(level.toSystemLevel(), "{0}: {1}", target, message);
  }
}
