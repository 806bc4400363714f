package io.weir;

/** How much is logged, and how grave a message is. */
public enum LogLevel {
  /** Nothing. */
  OFF(Native.WEIR_LOG_LEVEL_OFF, System.Logger.Level.OFF),
  /** What failed. */
  ERROR(Native.WEIR_LOG_LEVEL_ERROR, System.Logger.Level.ERROR),
  /** What may fail, or was overcome. */
  WARN(Native.WEIR_LOG_LEVEL_WARN, System.Logger.Level.WARNING),
  /** What changed, such as a claim. */
  INFO(Native.WEIR_LOG_LEVEL_INFO, System.Logger.Level.INFO),
  /** What was decided on the way. */
  DEBUG(Native.WEIR_LOG_LEVEL_DEBUG, System.Logger.Level.DEBUG),
  /** All. */
  TRACE(Native.WEIR_LOG_LEVEL_TRACE, System.Logger.Level.TRACE);

  final int code;
  private final System.Logger.Level level;

  LogLevel(int code, System.Logger.Level level) {
    this.code = code;
    this.level = level;
  }

  /**
   * The level of {@link System.Logger} that is closest.
   *
   * @return the level
   */
  public System.Logger.Level toSystemLevel() {
    return level;
  }

  static LogLevel of(int code) {
    for (LogLevel level : values()) {
      if (level.code == code) {
        return level;
      }
    }
    return code < OFF.code ? OFF : TRACE;
  }
}
