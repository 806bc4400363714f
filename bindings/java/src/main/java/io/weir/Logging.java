package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The few calls from the library into Java: messages, and the start of its threads. An exception that left such a call would end the
 * virtual machine, so none does; their stubs live for ever, so none is gone under a running call (PITFALLS X11).
 */
final class Logging {
  /** Sinks by the number that the library knows them under, until it lets go of them. */
  private static final ConcurrentHashMap<Long, LogSink> SINKS = new ConcurrentHashMap<>();

  private static final AtomicLong NUMBERS = new AtomicLong();

  /** Made when they are first needed. */
  private static final class Stubs {
    static final MemorySegment LOG = stub("log", Native.WeirLogFn);
    static final MemorySegment RELEASE = stub("release", Native.WeirReleaseFn);
    static final MemorySegment THREAD_STARTED = stub("threadStarted", Native.WeirThreadFn);
  }

  private Logging() {}

  static void setSink(LogSink sink) {
    try (Arena arena = Arena.ofConfined();
        Scratch scratch = Scratch.take()) {
      if (sink == null) {
        scratch.check(Native.weir_log_set_sink(MemorySegment.NULL, scratch.error));
        return;
      }
      long number = NUMBERS.incrementAndGet();
      MemorySegment struct = arena.allocate(Native.WeirLogSink.LAYOUT);
      struct.set(ValueLayout.JAVA_INT, Native.WeirLogSink.struct_size, (int) Native.WeirLogSink.SIZE);
      struct.set(ValueLayout.ADDRESS, Native.WeirLogSink.log, Stubs.LOG);
      struct.set(ValueLayout.ADDRESS, Native.WeirLogSink.ctx, MemorySegment.ofAddress(number));
      struct.set(ValueLayout.ADDRESS, Native.WeirLogSink.release, Stubs.RELEASE);
      SINKS.put(number, sink);
      int status = Native.weir_log_set_sink(struct, scratch.error);
      if (status != Native.WEIR_STATUS_OK) {
        SINKS.remove(number);
        scratch.check(status);
      }
    }
  }

  /** How many sinks the library holds. */
  static int sinks() {
    return SINKS.size();
  }

  /**
   * A function for the library to call first on each of its threads. It does nothing but to have been called: the virtual machine knows the
   * thread from then on, and a batch that is released there later does not have to make itself known each time.
   */
  static MemorySegment threadStarted() {
    return Stubs.THREAD_STARTED;
  }

  private static MemorySegment stub(String method, FunctionDescriptor descriptor) {
    try {
      MethodHandle target = MethodHandles.lookup().findStatic(Logging.class, method, descriptor.toMethodType());
      return Linker.nativeLinker().upcallStub(target, descriptor, Arena.global());
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private static void log(MemorySegment ctx, int level, MemorySegment target, MemorySegment message) {
    try {
      LogSink sink = SINKS.get(ctx.address());
      if (sink != null) {
        sink.log(LogLevel.of(level), Text.at(target), Text.at(message));
      }
    } catch (Throwable dropped) {
      // Whatever a sink throws: there is nobody to tell.
    }
  }

  private static void release(MemorySegment ctx) {
    try {
      SINKS.remove(ctx.address());
    } catch (Throwable dropped) {
      // Such as a lack of memory: the sink stays in the table.
    }
  }

  private static void threadStarted(MemorySegment ctx) {}
}
