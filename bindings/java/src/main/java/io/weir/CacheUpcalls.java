package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.ToLongFunction;

/**
 * The calls of a cache into Java, to backends and loaders. An exception that left such a call would end the virtual machine, so all of them
 * become errors of the backend or loader; the stubs live for ever, so none is gone under a running call (PITFALLS X11).
 */
final class CacheUpcalls {
  /** Backends and {@link Loading}s by the number that the library knows them under, until it lets go of them. */
  private static final ConcurrentHashMap<Long, Object> KNOWN = new ConcurrentHashMap<>();

  private static final AtomicLong NUMBERS = new AtomicLong();

  /** Made when they are first needed. */
  private static final class Stubs {
    static final MemorySegment RELEASE = stub("release", Native.WeirReleaseFn);
    static final MemorySegment GET = stub("get", Native.WeirCacheBackend_get);
    static final MemorySegment INSERT = stub("insert", Native.WeirCacheBackend_insert);
    static final MemorySegment INVALIDATE = stub("invalidatePrefix", Native.WeirCacheBackend_invalidate_prefix);
    static final MemorySegment CLEAR = stub("clear", Native.WeirCacheBackend_clear);
    static final MemorySegment ENTRIES = stub("countEntries", Native.WeirCacheBackend_num_entries);
    static final MemorySegment BYTES = stub("countBytes", Native.WeirCacheBackend_size_bytes);
    static final MemorySegment LOAD = stub("load", Native.WeirCacheLoader_load);
  }

  private CacheUpcalls() {}

  /** A call of a loader, and what it threw, which the library knows only as a text. */
  static final class Loading {
    private final CacheLoader loader;
    private volatile Throwable failure;

    Loading(CacheLoader loader) {
      this.loader = loader;
    }

    /** The error with the loader's own as its cause. */
    WeirException explain(WeirException error) {
      return error.withCause(failure);
    }
  }

  /** How many backends and loaders the library holds. */
  static int known() {
    return KNOWN.size();
  }

  /** A {@code WeirCacheLoader}, to be handed over. */
  static MemorySegment encode(Arena arena, Loading loading) {
    MemorySegment struct = arena.allocate(Native.WeirCacheLoader.LAYOUT);
    struct.set(ValueLayout.ADDRESS, Native.WeirCacheLoader.load, Stubs.LOAD);
    struct.set(ValueLayout.ADDRESS, Native.WeirCacheLoader.ctx, MemorySegment.ofAddress(know(loading)));
    struct.set(ValueLayout.ADDRESS, Native.WeirCacheLoader.release, Stubs.RELEASE);
    return struct;
  }

  /** A {@code WeirCacheBackend}; to be {@link #forget forgotten} if the library does not take it. */
  static MemorySegment encode(Arena arena, CacheBackend backend) {
    boolean counts = backend instanceof CacheBackend.Counting;
    MemorySegment struct = arena.allocate(Native.WeirCacheBackend.LAYOUT);
    struct.set(ValueLayout.JAVA_INT, Native.WeirCacheBackend.struct_size, (int) Native.WeirCacheBackend.SIZE);
    struct.set(ValueLayout.ADDRESS, Native.WeirCacheBackend.ctx, MemorySegment.ofAddress(know(backend)));
    struct.set(ValueLayout.ADDRESS, Native.WeirCacheBackend.release, Stubs.RELEASE);
    struct.set(ValueLayout.ADDRESS, Native.WeirCacheBackend.get, Stubs.GET);
    struct.set(ValueLayout.ADDRESS, Native.WeirCacheBackend.insert, Stubs.INSERT);
    struct.set(ValueLayout.ADDRESS, Native.WeirCacheBackend.invalidate_prefix, Stubs.INVALIDATE);
    struct.set(ValueLayout.ADDRESS, Native.WeirCacheBackend.clear, Stubs.CLEAR);
    struct.set(ValueLayout.ADDRESS, Native.WeirCacheBackend.num_entries, counts ? Stubs.ENTRIES : MemorySegment.NULL);
    struct.set(ValueLayout.ADDRESS, Native.WeirCacheBackend.size_bytes, counts ? Stubs.BYTES : MemorySegment.NULL);
    return struct;
  }

  private static long know(Object what) {
    long number = NUMBERS.incrementAndGet();
    KNOWN.put(number, what);
    return number;
  }

  /** Undoes the encoding of a backend that was refused. */
  static void forget(MemorySegment struct) {
    KNOWN.remove(struct.get(ValueLayout.ADDRESS, Native.WeirCacheBackend.ctx).address());
  }

  private static MemorySegment stub(String method, FunctionDescriptor descriptor) {
    try {
      MethodHandle target = MethodHandles.lookup().findStatic(CacheUpcalls.class, method, descriptor.toMethodType());
      return Linker.nativeLinker().upcallStub(target, descriptor, Arena.global());
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  // ---- What the library calls ----

  /** What an upcall does for a backend. */
  private interface Call {
    void on(CacheBackend backend, CacheReply reply) throws Exception;
  }

  /** Whatever is thrown becomes the answer. Should even that fail, for want of memory, the library gives up at its deadline. */
  private static void answer(MemorySegment ctx, MemorySegment pointer, Call call) {
    try {
      CacheReply reply = new CacheReply(pointer, error -> {});
      try {
        call.on((CacheBackend) KNOWN.get(ctx.address()), reply);
      } catch (Throwable e) {
        reply.error(e);
      }
    } catch (Throwable dropped) {
      // There is nobody left to tell.
    }
  }

  private static void get(MemorySegment ctx, MemorySegment key, MemorySegment reply) {
    answer(ctx, reply, (backend, to) -> CacheContent.send(backend.get(CacheKey.read(key)), to));
  }

  private static void insert(MemorySegment ctx, MemorySegment key, MemorySegment pointer, long sizeBytes, MemorySegment reply) {
    answer(
        ctx,
        reply,
        (backend, to) -> {
          CacheValue value = new CacheValue(pointer, true);
          try {
            CompletionStage<?> stage = backend.insert(CacheKey.read(key), value, sizeBytes);
            if (stage != null) {
              stage.whenComplete(
                  (done, error) -> {
                    if (error != null) {
                      value.close();
                    }
                  });
            }
            whenDone(stage, to, done -> 0);
          } catch (Throwable e) {
            value.close();
            throw e;
          }
        });
  }

  private static void invalidatePrefix(MemorySegment ctx, MemorySegment prefix, long length, MemorySegment reply) {
    answer(ctx, reply, (backend, to) -> whenDone(backend.invalidatePrefix(Text.bytes(prefix, length)), to, done -> 0));
  }

  private static void clear(MemorySegment ctx, MemorySegment reply) {
    answer(ctx, reply, (backend, to) -> whenDone(backend.clear(), to, done -> 0));
  }

  private static void countEntries(MemorySegment ctx, MemorySegment reply) {
    answer(ctx, reply, (backend, to) -> count(((CacheBackend.Counting) backend).countEntries(), to));
  }

  private static void countBytes(MemorySegment ctx, MemorySegment reply) {
    answer(ctx, reply, (backend, to) -> count(((CacheBackend.Counting) backend).countBytes(), to));
  }

  private static void count(CompletionStage<Long> stage, CacheReply reply) {
    if (stage == null) {
      throw new NullPointerException("the count is null");
    }
    whenDone(stage, reply, Long::longValue);
  }

  private static <T> void whenDone(CompletionStage<T> stage, CacheReply reply, ToLongFunction<T> number) {
    if (stage == null) {
      reply.done(0);
      return;
    }
    stage.whenComplete(
        (done, error) -> {
          if (error != null) {
            reply.error(error instanceof CompletionException && error.getCause() != null ? error.getCause() : error);
            return;
          }
          try {
            reply.done(number.applyAsLong(done));
          } catch (Throwable e) {
            reply.error(e);
          }
        });
  }

  private static void load(MemorySegment ctx, MemorySegment key, MemorySegment pointer) {
    try {
      Loading loading = (Loading) KNOWN.get(ctx.address());
      CacheReply reply = new CacheReply(pointer, error -> loading.failure = error);
      try {
        CacheContent.send(loading.loader.load(CacheKey.read(key)), reply);
      } catch (Throwable e) {
        reply.error(e);
      }
    } catch (Throwable dropped) {
      // There is nobody left to tell.
    }
  }

  private static void release(MemorySegment ctx) {
    try {
      if (KNOWN.remove(ctx.address()) instanceof CacheBackend backend) {
        backend.close();
      }
    } catch (Throwable thrown) {
      warn(thrown);
    }
  }

  private static void warn(Throwable thrown) {
    try {
      Weir.LOGGER.log(System.Logger.Level.WARNING, "a cache's backend failed to close", thrown);
    } catch (Throwable dropped) {
      // There is nobody left to tell.
    }
  }
}
