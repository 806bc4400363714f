package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The library's threads, for {@link Weir#configure}.
 *
 * @param workerThreads threads that drive requests to object stores; 0 = one per core
 * @param dispatcherThreads the most threads that call completions, which this binding has no use for; 0 = 4
 * @param threadName what threads' names begin with; null = {@code weir}
 */
public record RuntimeOptions(int workerThreads, int dispatcherThreads, String threadName) {
  private static boolean applied;

  /**
   * The defaults.
   *
   * @return options
   */
  public static RuntimeOptions defaults() {
    return new RuntimeOptions(0, 0, null);
  }

  /**
   * The same with another number of worker threads.
   *
   * @param value threads that drive requests to object stores; 0 = one per core
   * @return options with it
   */
  public RuntimeOptions withWorkerThreads(int value) {
    return new RuntimeOptions(value, dispatcherThreads, threadName);
  }

  /**
   * The same with other names.
   *
   * @param value what threads' names begin with; null = {@code weir}
   * @return options with it
   */
  public RuntimeOptions withThreadName(String value) {
    return new RuntimeOptions(workerThreads, dispatcherThreads, value);
  }

  /** Configures the runtime for Java, unless that was done, or somebody else in this process was first. */
  static synchronized void applyDefaults() {
    if (!applied) {
      try {
        defaults().apply();
      } catch (AlreadyExistsException e) {
        applied = true; // its threads make themselves known to the virtual machine each time: slower, no more
      }
    }
  }

  void apply() {
    synchronized (RuntimeOptions.class) {
      try (Arena arena = Arena.ofConfined();
          Scratch scratch = Scratch.take()) {
        MemorySegment struct = arena.allocate(Native.WeirRuntimeOptions.LAYOUT);
        Native.weir_runtime_options_init(struct, (int) Native.WeirRuntimeOptions.SIZE);
        struct.set(ValueLayout.JAVA_INT, Native.WeirRuntimeOptions.worker_threads, workerThreads);
        struct.set(ValueLayout.JAVA_INT, Native.WeirRuntimeOptions.dispatcher_threads, dispatcherThreads);
        struct.set(ValueLayout.ADDRESS, Native.WeirRuntimeOptions.on_thread_start, Logging.threadStarted());
        if (threadName != null) {
          MemorySegment name = Text.of(arena, "the thread name", threadName);
          struct.set(ValueLayout.ADDRESS, Native.WeirRuntimeOptions.thread_name, name);
        }
        scratch.check(Native.weir_runtime_configure(struct, scratch.error));
        applied = true;
      }
    }
  }
}
