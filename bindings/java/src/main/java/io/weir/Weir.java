package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.c.Data;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.ipc.ArrowReader;

/**
 * weir, a write-ahead log for Arrow batches on object storage: what concerns the process as a whole. Everything else begins with a {@link
 * #session()}.
 */
public final class Weir {
  static final System.Logger LOGGER = System.getLogger("io.weir");

  private Weir() {}

  /**
   * The version of the native library.
   *
   * @return the version, such as {@code 0.1.0}
   */
  public static String version() {
    NativeLibrary.require();
    return Text.at(Native.weir_version());
  }

  /**
   * Makes a session without settings. Makes no request and starts no thread.
   *
   * @return the session, to be closed
   */
  public static Session session() {
    return session(SessionOptions.defaults());
  }

  /**
   * Makes a session. Makes no request and starts no thread.
   *
   * @param options its options
   * @return the session, to be closed
   * @throws InvalidArgumentException naming an unknown setting or a bad value
   */
  public static Session session(SessionOptions options) {
    NativeLibrary.require();
    RuntimeOptions.applyDefaults();
    try (Arena arena = Arena.ofConfined();
        Scratch scratch = Scratch.take()) {
      options.with(arena, struct -> scratch.check(Native.weir_session_new(struct, scratch.out, scratch.error)));
      return new Session(scratch.outPointer());
    }
  }

  /**
   * Makes a spill store of its own, such as one for {@link SessionOptions#withSpillStore}; one whose metrics a session shows is made by {@link
   * Session#spillStore(SpillStoreOptions)}. Makes no request, no directory and no thread: that is left to the first write.
   *
   * @param options its options
   * @return the store, to be closed
   */
  public static SpillStore spillStore(SpillStoreOptions options) {
    NativeLibrary.require();
    RuntimeOptions.applyDefaults();
    try (Arena arena = Arena.ofConfined();
        Scratch scratch = Scratch.take()) {
      scratch.check(Native.weir_spill_store_new(MemorySegment.NULL, options.encode(arena), scratch.out, scratch.error));
      return new SpillStore(scratch.outPointer());
    }
  }

  /**
   * Makes a cache, which belongs to no session until it is given to one: {@link SessionOptions#withCache}.
   *
   * @param options its options
   * @return the cache, to be closed
   */
  public static Cache cache(CacheOptions options) {
    NativeLibrary.require();
    RuntimeOptions.applyDefaults();
    try (Arena arena = Arena.ofConfined();
        Scratch scratch = Scratch.take()) {
      MemorySegment struct = options.encode(arena);
      if (options.backend() == null) {
        scratch.check(Native.weir_cache_new(struct, scratch.out, scratch.error));
        return new Cache(scratch.outPointer());
      }
      MemorySegment backend = CacheUpcalls.encode(arena, options.backend());
      struct.set(ValueLayout.ADDRESS, Native.WeirCacheOptions.backend, backend);
      try {
        scratch.check(Native.weir_cache_new(struct, scratch.out, scratch.error));
      } catch (WeirException e) {
        CacheUpcalls.forget(backend);
        throw e;
      }
      return new Cache(scratch.outPointer());
    }
  }

  /**
   * Sets how many threads the library may start, and their names. To be called before anything else of weir's but {@link
   * NativeLibrary#load}, at most once.
   *
   * @param options the options
   * @throws AlreadyExistsException if it was configured or used before
   */
  public static void configure(RuntimeOptions options) {
    NativeLibrary.require();
    options.apply();
  }

  /**
   * Ends weir in this process, for good: operations that still run complete with {@link CancelledException}, and all threads of the library
   * are joined. Close writers before.
   *
   * @param timeout how long to wait for the threads
   * @throws TimedOutException if threads are left; call again to wait on
   */
  public static void shutdown(Duration timeout) {
    NativeLibrary.require();
    Waiting.check();
    try (Scratch scratch = Scratch.take()) {
      scratch.check(Native.weir_runtime_shutdown(Waiting.millis(timeout), scratch.error));
    }
  }

  /**
   * The number of objects that the native library has given out to this process and that were not freed yet. While anything is open, one of
   * them is the completion queue of this binding. A program that closes all that it opens comes to 0.
   *
   * @return how many
   */
  public static long liveHandles() {
    NativeLibrary.require();
    return Native.weir_live_handles();
  }

  /**
   * The keys of store settings that this build knows, for {@link SessionOptions#withStoreSetting}.
   *
   * @return the keys
   */
  public static List<String> storeSettings() {
    NativeLibrary.require();
    try (Scratch scratch = Scratch.take()) {
      scratch.check(Native.weir_store_settings_list(scratch.out, scratch.error));
      return Text.take(scratch.outPointer()).lines().toList();
    }
  }

  /**
   * Sets where messages of the library go, instead of where they went.
   *
   * @param sink the sink; null for nowhere
   * @throws AlreadyExistsException if a Rust program that this process runs collects the log itself
   */
  public static void logTo(LogSink sink) {
    NativeLibrary.require();
    Logging.setSink(sink);
  }

  /**
   * Sets how much is logged; {@link LogLevel#INFO} at first.
   *
   * @param level the level
   */
  public static void logLevel(LogLevel level) {
    NativeLibrary.require();
    try (Scratch scratch = Scratch.take()) {
      scratch.check(Native.weir_log_set_level(level.code, scratch.error));
    }
  }

  /**
   * The bucket of every value of a column, for routing rows to shards: Lance's hash. Null goes to bucket 0.
   *
   * @param column the column
   * @param buckets how many buckets there are, 1 to 1024
   * @return a bucket per value, from 0 to {@code buckets - 1}
   * @throws InvalidArgumentException if there cannot be so many, or the column's type is not hashed
   */
  public static int[] bucketOf(FieldVector column, int buckets) {
    NativeLibrary.require();
    int count = column.getValueCount();
    BufferAllocator allocator = column.getAllocator();
    try (ArrowArray array = ArrowArray.allocateNew(allocator);
        ArrowSchema schema = ArrowSchema.allocateNew(allocator);
        Arena arena = Arena.ofConfined();
        Scratch scratch = Scratch.take()) {
      try {
        Data.exportVector(allocator, column, null, array, schema);
        MemorySegment out = arena.allocate(ValueLayout.JAVA_INT, Math.max(count, 1));
        MemorySegment values = MemorySegment.ofAddress(array.memoryAddress());
        MemorySegment type = MemorySegment.ofAddress(schema.memoryAddress());
        scratch.check(Native.weir_bucket_of(values, type, buckets, out, count, scratch.error));
        return out.asSlice(0, 4L * count).toArray(ValueLayout.JAVA_INT);
      } finally {
        Batches.discard(array); // if it did not come to the call
        Batches.discard(schema);
      }
    }
  }

  /**
   * Opens an Arrow IPC file or IPC stream on a local disk. Every byte of it is checked: a damaged file is an error, here or of the reader.
   *
   * @param file the file
   * @param allocator what the batches are accounted to
   * @return a reader, to be closed
   * @throws NotFoundException if there is no such file
   * @throws InvalidDataException if it is none
   */
  public static ArrowReader openIpc(Path file, BufferAllocator allocator) {
    NativeLibrary.require();
    try (ArrowArrayStream stream = ArrowArrayStream.allocateNew(allocator);
        Arena arena = Arena.ofConfined();
        Scratch scratch = Scratch.take()) {
      MemorySegment path = Text.of(arena, "the path", file.toString());
      scratch.check(Native.weir_ipc_open_file(path, MemorySegment.ofAddress(stream.memoryAddress()), scratch.error));
      return Data.importArrayStream(allocator, stream);
    }
  }
}
