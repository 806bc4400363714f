// Generated from include/weir.h by tools/NativeGenerator.java. Do not edit: run `make java-native`.
package io.weir;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BOOLEAN;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;

/** What include/weir.h declares, one for one: constants, layouts, functions. Nothing here checks anything. */
@SuppressWarnings({"unused", "checkstyle:all"})
final class Native {
  private Native() {}

  static final int WEIR_VERSION_MAJOR = 0;
  static final int WEIR_VERSION_MINOR = 1;
  static final int WEIR_VERSION_PATCH = 0;
  static final int WEIR_ABI_VERSION = 0;
  static final int WEIR_STATUS_OK = 0;
  static final int WEIR_STATUS_INVALID_ARGUMENT = 1;
  static final int WEIR_STATUS_SCHEMA_MISMATCH = 2;
  static final int WEIR_STATUS_INVALID_DATA = 3;
  static final int WEIR_STATUS_NOT_FOUND = 4;
  static final int WEIR_STATUS_ALREADY_EXISTS = 5;
  static final int WEIR_STATUS_UNSUPPORTED = 6;
  static final int WEIR_STATUS_STORAGE = 7;
  static final int WEIR_STATUS_STORAGE_FULL = 8;
  static final int WEIR_STATUS_PERMISSION_DENIED = 9;
  static final int WEIR_STATUS_CORRUPTION = 10;
  static final int WEIR_STATUS_FENCED = 11;
  static final int WEIR_STATUS_POISONED = 12;
  static final int WEIR_STATUS_SEALED = 13;
  static final int WEIR_STATUS_TRIMMED = 14;
  static final int WEIR_STATUS_BACKPRESSURE = 15;
  static final int WEIR_STATUS_TIMED_OUT = 16;
  static final int WEIR_STATUS_CANCELLED = 17;
  static final int WEIR_STATUS_OUTCOME_UNKNOWN = 18;
  static final int WEIR_STATUS_CLOSED = 19;
  static final int WEIR_STATUS_FORKED = 20;
  static final int WEIR_STATUS_PANIC = 21;
  static final int WEIR_STATUS_WOULD_DEADLOCK = 22;
  static final int WEIR_STATUS_CONFLICT = 23;
  static final int WEIR_STATUS_DISK_CAP_EXCEEDED = 24;
  static final int WEIR_STATUS_INTERNAL = 25;
  static final int WEIR_ACTION_NONE = 0;
  static final int WEIR_ACTION_RETRY = 1;
  static final int WEIR_ACTION_REOPEN = 2;
  static final int WEIR_ACTION_FIX = 3;
  static final int WEIR_ACTION_STOP = 4;
  static final int WEIR_ACTION_REPORT = 5;
  static final int WEIR_RESULT_NONE = 0;
  static final int WEIR_RESULT_WRITER = 1;
  static final int WEIR_RESULT_APPENDER = 2;
  static final int WEIR_RESULT_TAILER = 3;
  static final int WEIR_RESULT_ENTRY = 4;
  static final int WEIR_RESULT_BUFFER = 5;
  static final int WEIR_RESULT_MANIFEST = 6;
  static final int WEIR_LOG_LEVEL_OFF = 0;
  static final int WEIR_LOG_LEVEL_ERROR = 1;
  static final int WEIR_LOG_LEVEL_WARN = 2;
  static final int WEIR_LOG_LEVEL_INFO = 3;
  static final int WEIR_LOG_LEVEL_DEBUG = 4;
  static final int WEIR_LOG_LEVEL_TRACE = 5;
  static final int WEIR_COMPRESSION_NONE = 0;
  static final int WEIR_COMPRESSION_LZ4 = 1;
  static final int WEIR_COMPRESSION_ZSTD = 2;

  /** {@code WeirRuntimeOptions} */
  static final class WeirRuntimeOptions {
    private WeirRuntimeOptions() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_INT.withName("worker_threads"),
            JAVA_INT.withName("dispatcher_threads"),
            JAVA_INT.withName("reserved"),
            ADDRESS.withName("thread_name"),
            ADDRESS.withName("on_thread_start"),
            ADDRESS.withName("on_thread_stop"),
            ADDRESS.withName("ctx"))
            .withName("WeirRuntimeOptions");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long worker_threads = LAYOUT.byteOffset(PathElement.groupElement("worker_threads"));
    static final long dispatcher_threads = LAYOUT.byteOffset(PathElement.groupElement("dispatcher_threads"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long thread_name = LAYOUT.byteOffset(PathElement.groupElement("thread_name"));
    static final long on_thread_start = LAYOUT.byteOffset(PathElement.groupElement("on_thread_start"));
    static final long on_thread_stop = LAYOUT.byteOffset(PathElement.groupElement("on_thread_stop"));
    static final long ctx = LAYOUT.byteOffset(PathElement.groupElement("ctx"));
  }

  /** {@code WeirLogSink} */
  static final class WeirLogSink {
    private WeirLogSink() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_INT.withName("reserved"),
            ADDRESS.withName("log"),
            ADDRESS.withName("ctx"),
            ADDRESS.withName("release"))
            .withName("WeirLogSink");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long log = LAYOUT.byteOffset(PathElement.groupElement("log"));
    static final long ctx = LAYOUT.byteOffset(PathElement.groupElement("ctx"));
    static final long release = LAYOUT.byteOffset(PathElement.groupElement("release"));
  }

  /** {@code WeirAck} */
  static final class WeirAck {
    private WeirAck() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_LONG.withName("sequence"),
            JAVA_LONG.withName("position"),
            JAVA_LONG.withName("epoch"))
            .withName("WeirAck");
    static final long SIZE = LAYOUT.byteSize();
    static final long sequence = LAYOUT.byteOffset(PathElement.groupElement("sequence"));
    static final long position = LAYOUT.byteOffset(PathElement.groupElement("position"));
    static final long epoch = LAYOUT.byteOffset(PathElement.groupElement("epoch"));
  }

  /** {@code WeirEvent} */
  static final class WeirEvent {
    private WeirEvent() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_LONG.withName("token"),
            JAVA_INT.withName("status"),
            JAVA_INT.withName("result_kind"),
            ADDRESS.withName("error"),
            ADDRESS.withName("result"),
            WeirAck.LAYOUT.withName("ack"),
            JAVA_LONG.withName("value"))
            .withName("WeirEvent");
    static final long SIZE = LAYOUT.byteSize();
    static final long token = LAYOUT.byteOffset(PathElement.groupElement("token"));
    static final long status = LAYOUT.byteOffset(PathElement.groupElement("status"));
    static final long result_kind = LAYOUT.byteOffset(PathElement.groupElement("result_kind"));
    static final long error = LAYOUT.byteOffset(PathElement.groupElement("error"));
    static final long result = LAYOUT.byteOffset(PathElement.groupElement("result"));
    static final long ack = LAYOUT.byteOffset(PathElement.groupElement("ack"));
    static final long value = LAYOUT.byteOffset(PathElement.groupElement("value"));
  }

  /** {@code WeirQueueOptions} */
  static final class WeirQueueOptions {
    private WeirQueueOptions() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_INT.withName("reserved"))
            .withName("WeirQueueOptions");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
  }

  /** {@code WeirCompletion} */
  static final class WeirCompletion {
    private WeirCompletion() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            ADDRESS.withName("fn"),
            ADDRESS.withName("ctx"),
            JAVA_LONG.withName("token"))
            .withName("WeirCompletion");
    static final long SIZE = LAYOUT.byteSize();
    static final long fn = LAYOUT.byteOffset(PathElement.groupElement("fn"));
    static final long ctx = LAYOUT.byteOffset(PathElement.groupElement("ctx"));
    static final long token = LAYOUT.byteOffset(PathElement.groupElement("token"));
  }

  /** {@code WeirKeyValue} */
  static final class WeirKeyValue {
    private WeirKeyValue() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            ADDRESS.withName("key"),
            ADDRESS.withName("value"))
            .withName("WeirKeyValue");
    static final long SIZE = LAYOUT.byteSize();
    static final long key = LAYOUT.byteOffset(PathElement.groupElement("key"));
    static final long value = LAYOUT.byteOffset(PathElement.groupElement("value"));
  }

  /** {@code WeirSessionOptions} */
  static final class WeirSessionOptions {
    private WeirSessionOptions() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_INT.withName("reserved"),
            ADDRESS.withName("store_settings"),
            JAVA_LONG.withName("store_settings_len"))
            .withName("WeirSessionOptions");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long store_settings = LAYOUT.byteOffset(PathElement.groupElement("store_settings"));
    static final long store_settings_len = LAYOUT.byteOffset(PathElement.groupElement("store_settings_len"));
  }

  /** {@code WeirShardField} */
  static final class WeirShardField {
    private WeirShardField() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            ADDRESS.withName("field_id"),
            ADDRESS.withName("value"),
            JAVA_LONG.withName("value_len"))
            .withName("WeirShardField");
    static final long SIZE = LAYOUT.byteSize();
    static final long field_id = LAYOUT.byteOffset(PathElement.groupElement("field_id"));
    static final long value = LAYOUT.byteOffset(PathElement.groupElement("value"));
    static final long value_len = LAYOUT.byteOffset(PathElement.groupElement("value_len"));
  }

  /** {@code WeirTrimOptions} */
  static final class WeirTrimOptions {
    private WeirTrimOptions() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_INT.withName("reserved"),
            JAVA_LONG.withName("trim_age_ms"))
            .withName("WeirTrimOptions");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long trim_age_ms = LAYOUT.byteOffset(PathElement.groupElement("trim_age_ms"));
  }

  /** {@code WeirWriterOptions} */
  static final class WeirWriterOptions {
    private WeirWriterOptions() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_BYTE.withName("durable"),
            JAVA_BYTE.withName("fsync"),
            JAVA_BYTE.withName("validate"),
            JAVA_BYTE.withName("reserved"),
            JAVA_INT.withName("compression"),
            JAVA_INT.withName("max_retries"),
            JAVA_LONG.withName("linger_us"),
            JAVA_LONG.withName("max_buffer_bytes"),
            JAVA_LONG.withName("max_pending_bytes"),
            JAVA_INT.withName("retry_base_delay_ms"),
            JAVA_INT.withName("manifest_probe_width"),
            JAVA_LONG.withName("trim_age_ms"),
            JAVA_LONG.withName("open_timeout_ms"))
            .withName("WeirWriterOptions");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long durable = LAYOUT.byteOffset(PathElement.groupElement("durable"));
    static final long fsync = LAYOUT.byteOffset(PathElement.groupElement("fsync"));
    static final long validate = LAYOUT.byteOffset(PathElement.groupElement("validate"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long compression = LAYOUT.byteOffset(PathElement.groupElement("compression"));
    static final long max_retries = LAYOUT.byteOffset(PathElement.groupElement("max_retries"));
    static final long linger_us = LAYOUT.byteOffset(PathElement.groupElement("linger_us"));
    static final long max_buffer_bytes = LAYOUT.byteOffset(PathElement.groupElement("max_buffer_bytes"));
    static final long max_pending_bytes = LAYOUT.byteOffset(PathElement.groupElement("max_pending_bytes"));
    static final long retry_base_delay_ms = LAYOUT.byteOffset(PathElement.groupElement("retry_base_delay_ms"));
    static final long manifest_probe_width = LAYOUT.byteOffset(PathElement.groupElement("manifest_probe_width"));
    static final long trim_age_ms = LAYOUT.byteOffset(PathElement.groupElement("trim_age_ms"));
    static final long open_timeout_ms = LAYOUT.byteOffset(PathElement.groupElement("open_timeout_ms"));
  }

  /** {@code WeirWriterStats} */
  static final class WeirWriterStats {
    private WeirWriterStats() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_INT.withName("reserved"),
            JAVA_LONG.withName("puts"),
            JAVA_LONG.withName("rows"),
            JAVA_LONG.withName("bytes"),
            JAVA_LONG.withName("entries"),
            JAVA_LONG.withName("entry_bytes"),
            JAVA_LONG.withName("pending_puts"),
            JAVA_LONG.withName("pending_bytes"),
            JAVA_LONG.withName("requests_create"),
            JAVA_LONG.withName("requests_put"),
            JAVA_LONG.withName("requests_get"),
            JAVA_LONG.withName("requests_head"),
            JAVA_LONG.withName("requests_list"),
            JAVA_LONG.withName("requests_delete"),
            JAVA_LONG.withName("retries"),
            JAVA_LONG.withName("conflicts"),
            JAVA_LONG.withName("settled"),
            JAVA_LONG.withName("blocked_ns"),
            JAVA_LONG.withName("blocked_waits"),
            JAVA_LONG.withName("blocked_now"),
            JAVA_LONG.withName("put_p50_ns"),
            JAVA_LONG.withName("put_p99_ns"),
            JAVA_LONG.withName("put_max_ns"),
            JAVA_LONG.withName("append_p50_ns"),
            JAVA_LONG.withName("append_p99_ns"),
            JAVA_LONG.withName("append_max_ns"),
            JAVA_LONG.withName("group_p50"),
            JAVA_LONG.withName("group_p99"),
            JAVA_LONG.withName("group_max"))
            .withName("WeirWriterStats");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long puts = LAYOUT.byteOffset(PathElement.groupElement("puts"));
    static final long rows = LAYOUT.byteOffset(PathElement.groupElement("rows"));
    static final long bytes = LAYOUT.byteOffset(PathElement.groupElement("bytes"));
    static final long entries = LAYOUT.byteOffset(PathElement.groupElement("entries"));
    static final long entry_bytes = LAYOUT.byteOffset(PathElement.groupElement("entry_bytes"));
    static final long pending_puts = LAYOUT.byteOffset(PathElement.groupElement("pending_puts"));
    static final long pending_bytes = LAYOUT.byteOffset(PathElement.groupElement("pending_bytes"));
    static final long requests_create = LAYOUT.byteOffset(PathElement.groupElement("requests_create"));
    static final long requests_put = LAYOUT.byteOffset(PathElement.groupElement("requests_put"));
    static final long requests_get = LAYOUT.byteOffset(PathElement.groupElement("requests_get"));
    static final long requests_head = LAYOUT.byteOffset(PathElement.groupElement("requests_head"));
    static final long requests_list = LAYOUT.byteOffset(PathElement.groupElement("requests_list"));
    static final long requests_delete = LAYOUT.byteOffset(PathElement.groupElement("requests_delete"));
    static final long retries = LAYOUT.byteOffset(PathElement.groupElement("retries"));
    static final long conflicts = LAYOUT.byteOffset(PathElement.groupElement("conflicts"));
    static final long settled = LAYOUT.byteOffset(PathElement.groupElement("settled"));
    static final long blocked_ns = LAYOUT.byteOffset(PathElement.groupElement("blocked_ns"));
    static final long blocked_waits = LAYOUT.byteOffset(PathElement.groupElement("blocked_waits"));
    static final long blocked_now = LAYOUT.byteOffset(PathElement.groupElement("blocked_now"));
    static final long put_p50_ns = LAYOUT.byteOffset(PathElement.groupElement("put_p50_ns"));
    static final long put_p99_ns = LAYOUT.byteOffset(PathElement.groupElement("put_p99_ns"));
    static final long put_max_ns = LAYOUT.byteOffset(PathElement.groupElement("put_max_ns"));
    static final long append_p50_ns = LAYOUT.byteOffset(PathElement.groupElement("append_p50_ns"));
    static final long append_p99_ns = LAYOUT.byteOffset(PathElement.groupElement("append_p99_ns"));
    static final long append_max_ns = LAYOUT.byteOffset(PathElement.groupElement("append_max_ns"));
    static final long group_p50 = LAYOUT.byteOffset(PathElement.groupElement("group_p50"));
    static final long group_p99 = LAYOUT.byteOffset(PathElement.groupElement("group_p99"));
    static final long group_max = LAYOUT.byteOffset(PathElement.groupElement("group_max"));
  }

  /** {@code WeirWriterMemory} */
  static final class WeirWriterMemory {
    private WeirWriterMemory() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_INT.withName("reserved"),
            JAVA_LONG.withName("pending_bytes"),
            JAVA_LONG.withName("in_flight_bytes"),
            JAVA_LONG.withName("reserved_bytes"),
            JAVA_LONG.withName("limit_bytes"))
            .withName("WeirWriterMemory");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long pending_bytes = LAYOUT.byteOffset(PathElement.groupElement("pending_bytes"));
    static final long in_flight_bytes = LAYOUT.byteOffset(PathElement.groupElement("in_flight_bytes"));
    static final long reserved_bytes = LAYOUT.byteOffset(PathElement.groupElement("reserved_bytes"));
    static final long limit_bytes = LAYOUT.byteOffset(PathElement.groupElement("limit_bytes"));
  }

  /** {@code WeirAppenderOptions} */
  static final class WeirAppenderOptions {
    private WeirAppenderOptions() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_BYTE.withName("fsync"),
            JAVA_BYTE.withName("validate"),
            MemoryLayout.sequenceLayout(2, JAVA_BYTE).withName("reserved"),
            JAVA_INT.withName("compression"),
            JAVA_INT.withName("max_retries"),
            JAVA_INT.withName("retry_base_delay_ms"),
            JAVA_INT.withName("manifest_probe_width"),
            JAVA_LONG.withName("trim_age_ms"),
            JAVA_LONG.withName("open_timeout_ms"))
            .withName("WeirAppenderOptions");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long fsync = LAYOUT.byteOffset(PathElement.groupElement("fsync"));
    static final long validate = LAYOUT.byteOffset(PathElement.groupElement("validate"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long compression = LAYOUT.byteOffset(PathElement.groupElement("compression"));
    static final long max_retries = LAYOUT.byteOffset(PathElement.groupElement("max_retries"));
    static final long retry_base_delay_ms = LAYOUT.byteOffset(PathElement.groupElement("retry_base_delay_ms"));
    static final long manifest_probe_width = LAYOUT.byteOffset(PathElement.groupElement("manifest_probe_width"));
    static final long trim_age_ms = LAYOUT.byteOffset(PathElement.groupElement("trim_age_ms"));
    static final long open_timeout_ms = LAYOUT.byteOffset(PathElement.groupElement("open_timeout_ms"));
  }

  /** {@code WeirTailerOptions} */
  static final class WeirTailerOptions {
    private WeirTailerOptions() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_BYTE.withName("follow"),
            MemoryLayout.sequenceLayout(3, JAVA_BYTE).withName("reserved"),
            JAVA_LONG.withName("from"),
            JAVA_LONG.withName("prefetch_bytes"),
            JAVA_INT.withName("prefetch_entries"),
            JAVA_INT.withName("poll_min_ms"),
            JAVA_INT.withName("poll_max_ms"),
            JAVA_INT.withName("reserved2"))
            .withName("WeirTailerOptions");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long follow = LAYOUT.byteOffset(PathElement.groupElement("follow"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long from = LAYOUT.byteOffset(PathElement.groupElement("from"));
    static final long prefetch_bytes = LAYOUT.byteOffset(PathElement.groupElement("prefetch_bytes"));
    static final long prefetch_entries = LAYOUT.byteOffset(PathElement.groupElement("prefetch_entries"));
    static final long poll_min_ms = LAYOUT.byteOffset(PathElement.groupElement("poll_min_ms"));
    static final long poll_max_ms = LAYOUT.byteOffset(PathElement.groupElement("poll_max_ms"));
    static final long reserved2 = LAYOUT.byteOffset(PathElement.groupElement("reserved2"));
  }

  /** {@code WeirThreadFn} */
  static final FunctionDescriptor WeirThreadFn =
      FunctionDescriptor.ofVoid(ADDRESS);

  /** {@code WeirLogFn} */
  static final FunctionDescriptor WeirLogFn =
      FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT, ADDRESS, ADDRESS);

  /** {@code WeirReleaseFn} */
  static final FunctionDescriptor WeirReleaseFn =
      FunctionDescriptor.ofVoid(ADDRESS);

  /** {@code WeirCompletionFn} */
  static final FunctionDescriptor WeirCompletionFn =
      FunctionDescriptor.ofVoid(ADDRESS, ADDRESS);

  /** {@code void weir_runtime_options_init(WeirRuntimeOptions *options, uint32_t struct_size)} */
  static void weir_runtime_options_init(MemorySegment options, int struct_size) {
    try {
      weir_runtime_options_init.HANDLE.invokeExact(options, struct_size);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_runtime_options_init {
    static final MethodHandle HANDLE =
        handle("weir_runtime_options_init", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT));
  }

  /** {@code WeirStatus weir_runtime_configure(const WeirRuntimeOptions *options, WeirError **error)} */
  static int weir_runtime_configure(MemorySegment options, MemorySegment error) {
    try {
      return (int) weir_runtime_configure.HANDLE.invokeExact(options, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_runtime_configure {
    static final MethodHandle HANDLE =
        handle("weir_runtime_configure", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_runtime_shutdown(int64_t timeout_ms, WeirError **error)} */
  static int weir_runtime_shutdown(long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_runtime_shutdown.HANDLE.invokeExact(timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_runtime_shutdown {
    static final MethodHandle HANDLE =
        handle("weir_runtime_shutdown", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, ADDRESS));
  }

  /** {@code const char *weir_version(void)} */
  static MemorySegment weir_version() {
    try {
      return (MemorySegment) weir_version.HANDLE.invokeExact();
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_version {
    static final MethodHandle HANDLE =
        handle("weir_version", FunctionDescriptor.of(ADDRESS), Linker.Option.critical(false));
  }

  /** {@code uint32_t weir_abi_version(void)} */
  static int weir_abi_version() {
    try {
      return (int) weir_abi_version.HANDLE.invokeExact();
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_abi_version {
    static final MethodHandle HANDLE =
        handle("weir_abi_version", FunctionDescriptor.of(JAVA_INT), Linker.Option.critical(false));
  }

  /** {@code WeirStatus weir_log_set_sink(const WeirLogSink *sink, WeirError **error)} */
  static int weir_log_set_sink(MemorySegment sink, MemorySegment error) {
    try {
      return (int) weir_log_set_sink.HANDLE.invokeExact(sink, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_log_set_sink {
    static final MethodHandle HANDLE =
        handle("weir_log_set_sink", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_log_set_level(int32_t level, WeirError **error)} */
  static int weir_log_set_level(int level, MemorySegment error) {
    try {
      return (int) weir_log_set_level.HANDLE.invokeExact(level, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_log_set_level {
    static final MethodHandle HANDLE =
        handle("weir_log_set_level", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS));
  }

  /** {@code WeirStatus weir_error_code(const WeirError *error)} */
  static int weir_error_code(MemorySegment error) {
    try {
      return (int) weir_error_code.HANDLE.invokeExact(error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_error_code {
    static final MethodHandle HANDLE =
        handle("weir_error_code", FunctionDescriptor.of(JAVA_INT, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code const char *weir_error_message(const WeirError *error)} */
  static MemorySegment weir_error_message(MemorySegment error) {
    try {
      return (MemorySegment) weir_error_message.HANDLE.invokeExact(error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_error_message {
    static final MethodHandle HANDLE =
        handle("weir_error_message", FunctionDescriptor.of(ADDRESS, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code WeirAction weir_error_action(const WeirError *error)} */
  static int weir_error_action(MemorySegment error) {
    try {
      return (int) weir_error_action.HANDLE.invokeExact(error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_error_action {
    static final MethodHandle HANDLE =
        handle("weir_error_action", FunctionDescriptor.of(JAVA_INT, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code bool weir_error_detail_u64(const WeirError *error, const char *name, uint64_t *value)} */
  static boolean weir_error_detail_u64(MemorySegment error, MemorySegment name, MemorySegment value) {
    try {
      return (boolean) weir_error_detail_u64.HANDLE.invokeExact(error, name, value);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_error_detail_u64 {
    static final MethodHandle HANDLE =
        handle("weir_error_detail_u64", FunctionDescriptor.of(JAVA_BOOLEAN, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code bool weir_error_detail_str(const WeirError *error, const char *name, const char **value)} */
  static boolean weir_error_detail_str(MemorySegment error, MemorySegment name, MemorySegment value) {
    try {
      return (boolean) weir_error_detail_str.HANDLE.invokeExact(error, name, value);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_error_detail_str {
    static final MethodHandle HANDLE =
        handle("weir_error_detail_str", FunctionDescriptor.of(JAVA_BOOLEAN, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code void weir_error_free(WeirError *error)} */
  static void weir_error_free(MemorySegment error) {
    try {
      weir_error_free.HANDLE.invokeExact(error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_error_free {
    static final MethodHandle HANDLE =
        handle("weir_error_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code const char *weir_status_name(int32_t status)} */
  static MemorySegment weir_status_name(int status) {
    try {
      return (MemorySegment) weir_status_name.HANDLE.invokeExact(status);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_status_name {
    static final MethodHandle HANDLE =
        handle("weir_status_name", FunctionDescriptor.of(ADDRESS, JAVA_INT), Linker.Option.critical(false));
  }

  /** {@code const char *weir_buffer_data(const WeirBuffer *buffer)} */
  static MemorySegment weir_buffer_data(MemorySegment buffer) {
    try {
      return (MemorySegment) weir_buffer_data.HANDLE.invokeExact(buffer);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_buffer_data {
    static final MethodHandle HANDLE =
        handle("weir_buffer_data", FunctionDescriptor.of(ADDRESS, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code size_t weir_buffer_len(const WeirBuffer *buffer)} */
  static long weir_buffer_len(MemorySegment buffer) {
    try {
      return (long) weir_buffer_len.HANDLE.invokeExact(buffer);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_buffer_len {
    static final MethodHandle HANDLE =
        handle("weir_buffer_len", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code void weir_buffer_free(WeirBuffer *buffer)} */
  static void weir_buffer_free(MemorySegment buffer) {
    try {
      weir_buffer_free.HANDLE.invokeExact(buffer);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_buffer_free {
    static final MethodHandle HANDLE =
        handle("weir_buffer_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code void weir_event_clear(WeirEvent *event)} */
  static void weir_event_clear(MemorySegment event) {
    try {
      weir_event_clear.HANDLE.invokeExact(event);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_event_clear {
    static final MethodHandle HANDLE =
        handle("weir_event_clear", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code void weir_queue_options_init(WeirQueueOptions *options, uint32_t struct_size)} */
  static void weir_queue_options_init(MemorySegment options, int struct_size) {
    try {
      weir_queue_options_init.HANDLE.invokeExact(options, struct_size);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_queue_options_init {
    static final MethodHandle HANDLE =
        handle("weir_queue_options_init", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT));
  }

  /** {@code WeirStatus weir_queue_new(const WeirQueueOptions *options, WeirQueue **queue, WeirError **error)} */
  static int weir_queue_new(MemorySegment options, MemorySegment queue, MemorySegment error) {
    try {
      return (int) weir_queue_new.HANDLE.invokeExact(options, queue, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_queue_new {
    static final MethodHandle HANDLE =
        handle("weir_queue_new", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirCompletion weir_queue_completion(WeirQueue *queue, uint64_t token)} */
  static MemorySegment weir_queue_completion(SegmentAllocator allocator, MemorySegment queue, long token) {
    try {
      return (MemorySegment) weir_queue_completion.HANDLE.invokeExact(allocator, queue, token);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_queue_completion {
    static final MethodHandle HANDLE =
        handle("weir_queue_completion", FunctionDescriptor.of(WeirCompletion.LAYOUT, ADDRESS, JAVA_LONG), Linker.Option.critical(false));
  }

  /** {@code WeirStatus weir_queue_next(WeirQueue *queue, WeirEvent *events, size_t max, int64_t timeout_ms, size_t *count, WeirError **error)} */
  static int weir_queue_next(MemorySegment queue, MemorySegment events, long max, long timeout_ms, MemorySegment count, MemorySegment error) {
    try {
      return (int) weir_queue_next.HANDLE.invokeExact(queue, events, max, timeout_ms, count, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_queue_next {
    static final MethodHandle HANDLE =
        handle("weir_queue_next", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code int weir_queue_fd(WeirQueue *queue)} */
  static int weir_queue_fd(MemorySegment queue) {
    try {
      return (int) weir_queue_fd.HANDLE.invokeExact(queue);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_queue_fd {
    static final MethodHandle HANDLE =
        handle("weir_queue_fd", FunctionDescriptor.of(JAVA_INT, ADDRESS));
  }

  /** {@code WeirStatus weir_queue_close(WeirQueue *queue, WeirError **error)} */
  static int weir_queue_close(MemorySegment queue, MemorySegment error) {
    try {
      return (int) weir_queue_close.HANDLE.invokeExact(queue, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_queue_close {
    static final MethodHandle HANDLE =
        handle("weir_queue_close", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS));
  }

  /** {@code void weir_queue_free(WeirQueue *queue)} */
  static void weir_queue_free(MemorySegment queue) {
    try {
      weir_queue_free.HANDLE.invokeExact(queue);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_queue_free {
    static final MethodHandle HANDLE =
        handle("weir_queue_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code void weir_session_options_init(WeirSessionOptions *options, uint32_t struct_size)} */
  static void weir_session_options_init(MemorySegment options, int struct_size) {
    try {
      weir_session_options_init.HANDLE.invokeExact(options, struct_size);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_session_options_init {
    static final MethodHandle HANDLE =
        handle("weir_session_options_init", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT));
  }

  /** {@code WeirStatus weir_session_new(const WeirSessionOptions *options, WeirSession **session, WeirError **error)} */
  static int weir_session_new(MemorySegment options, MemorySegment session, MemorySegment error) {
    try {
      return (int) weir_session_new.HANDLE.invokeExact(options, session, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_session_new {
    static final MethodHandle HANDLE =
        handle("weir_session_new", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code void weir_session_free(WeirSession *session)} */
  static void weir_session_free(MemorySegment session) {
    try {
      weir_session_free.HANDLE.invokeExact(session);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_session_free {
    static final MethodHandle HANDLE =
        handle("weir_session_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code WeirStatus weir_store_settings_list(WeirBuffer **keys, WeirError **error)} */
  static int weir_store_settings_list(MemorySegment keys, MemorySegment error) {
    try {
      return (int) weir_store_settings_list.HANDLE.invokeExact(keys, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_store_settings_list {
    static final MethodHandle HANDLE =
        handle("weir_store_settings_list", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_metrics_prometheus(const WeirSession *session, WeirBuffer **text, WeirError **error)} */
  static int weir_metrics_prometheus(MemorySegment session, MemorySegment text, MemorySegment error) {
    try {
      return (int) weir_metrics_prometheus.HANDLE.invokeExact(session, text, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_metrics_prometheus {
    static final MethodHandle HANDLE =
        handle("weir_metrics_prometheus", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code uint64_t weir_manifest_version(const WeirManifest *manifest)} */
  static long weir_manifest_version(MemorySegment manifest) {
    try {
      return (long) weir_manifest_version.HANDLE.invokeExact(manifest);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_manifest_version {
    static final MethodHandle HANDLE =
        handle("weir_manifest_version", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code uint64_t weir_manifest_writer_epoch(const WeirManifest *manifest)} */
  static long weir_manifest_writer_epoch(MemorySegment manifest) {
    try {
      return (long) weir_manifest_writer_epoch.HANDLE.invokeExact(manifest);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_manifest_writer_epoch {
    static final MethodHandle HANDLE =
        handle("weir_manifest_writer_epoch", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code uint64_t weir_manifest_replay_after(const WeirManifest *manifest)} */
  static long weir_manifest_replay_after(MemorySegment manifest) {
    try {
      return (long) weir_manifest_replay_after.HANDLE.invokeExact(manifest);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_manifest_replay_after {
    static final MethodHandle HANDLE =
        handle("weir_manifest_replay_after", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code uint64_t weir_manifest_last_seen(const WeirManifest *manifest)} */
  static long weir_manifest_last_seen(MemorySegment manifest) {
    try {
      return (long) weir_manifest_last_seen.HANDLE.invokeExact(manifest);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_manifest_last_seen {
    static final MethodHandle HANDLE =
        handle("weir_manifest_last_seen", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code uint64_t weir_manifest_current_generation(const WeirManifest *manifest)} */
  static long weir_manifest_current_generation(MemorySegment manifest) {
    try {
      return (long) weir_manifest_current_generation.HANDLE.invokeExact(manifest);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_manifest_current_generation {
    static final MethodHandle HANDLE =
        handle("weir_manifest_current_generation", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code bool weir_manifest_is_sealed(const WeirManifest *manifest)} */
  static boolean weir_manifest_is_sealed(MemorySegment manifest) {
    try {
      return (boolean) weir_manifest_is_sealed.HANDLE.invokeExact(manifest);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_manifest_is_sealed {
    static final MethodHandle HANDLE =
        handle("weir_manifest_is_sealed", FunctionDescriptor.of(JAVA_BOOLEAN, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code uint32_t weir_manifest_shard_spec_id(const WeirManifest *manifest)} */
  static int weir_manifest_shard_spec_id(MemorySegment manifest) {
    try {
      return (int) weir_manifest_shard_spec_id.HANDLE.invokeExact(manifest);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_manifest_shard_spec_id {
    static final MethodHandle HANDLE =
        handle("weir_manifest_shard_spec_id", FunctionDescriptor.of(JAVA_INT, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code size_t weir_manifest_sstable_count(const WeirManifest *manifest)} */
  static long weir_manifest_sstable_count(MemorySegment manifest) {
    try {
      return (long) weir_manifest_sstable_count.HANDLE.invokeExact(manifest);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_manifest_sstable_count {
    static final MethodHandle HANDLE =
        handle("weir_manifest_sstable_count", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code size_t weir_manifest_field_count(const WeirManifest *manifest)} */
  static long weir_manifest_field_count(MemorySegment manifest) {
    try {
      return (long) weir_manifest_field_count.HANDLE.invokeExact(manifest);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_manifest_field_count {
    static final MethodHandle HANDLE =
        handle("weir_manifest_field_count", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code WeirStatus weir_manifest_field(const WeirManifest *manifest, size_t index, const char **id, size_t *id_len, const uint8_t **value, size_t *value_len, WeirError **error)} */
  static int weir_manifest_field(MemorySegment manifest, long index, MemorySegment id, MemorySegment id_len, MemorySegment value, MemorySegment value_len, MemorySegment error) {
    try {
      return (int) weir_manifest_field.HANDLE.invokeExact(manifest, index, id, id_len, value, value_len, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_manifest_field {
    static final MethodHandle HANDLE =
        handle("weir_manifest_field", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code void weir_manifest_free(WeirManifest *manifest)} */
  static void weir_manifest_free(MemorySegment manifest) {
    try {
      weir_manifest_free.HANDLE.invokeExact(manifest);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_manifest_free {
    static final MethodHandle HANDLE =
        handle("weir_manifest_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code WeirStatus weir_shard_list(const WeirSession *session, const char *root, int64_t timeout_ms, WeirBuffer **ids, WeirError **error)} */
  static int weir_shard_list(MemorySegment session, MemorySegment root, long timeout_ms, MemorySegment ids, MemorySegment error) {
    try {
      return (int) weir_shard_list.HANDLE.invokeExact(session, root, timeout_ms, ids, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_shard_list {
    static final MethodHandle HANDLE =
        handle("weir_shard_list", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_shard_list_async(const WeirSession *session, const char *root, WeirCompletion completion, WeirError **error)} */
  static int weir_shard_list_async(MemorySegment session, MemorySegment root, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_shard_list_async.HANDLE.invokeExact(session, root, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_shard_list_async {
    static final MethodHandle HANDLE =
        handle("weir_shard_list_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_shard_manifest(const WeirSession *session, const char *root, const char *shard_id, int64_t timeout_ms, WeirManifest **result, WeirError **error)} */
  static int weir_shard_manifest(MemorySegment session, MemorySegment root, MemorySegment shard_id, long timeout_ms, MemorySegment result, MemorySegment error) {
    try {
      return (int) weir_shard_manifest.HANDLE.invokeExact(session, root, shard_id, timeout_ms, result, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_shard_manifest {
    static final MethodHandle HANDLE =
        handle("weir_shard_manifest", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_shard_manifest_async(const WeirSession *session, const char *root, const char *shard_id, WeirCompletion completion, WeirError **error)} */
  static int weir_shard_manifest_async(MemorySegment session, MemorySegment root, MemorySegment shard_id, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_shard_manifest_async.HANDLE.invokeExact(session, root, shard_id, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_shard_manifest_async {
    static final MethodHandle HANDLE =
        handle("weir_shard_manifest_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_shard_init(const WeirSession *session, const char *root, const char *shard_id, uint32_t spec_id, const WeirShardField *fields, size_t fields_len, int64_t timeout_ms, WeirError **error)} */
  static int weir_shard_init(MemorySegment session, MemorySegment root, MemorySegment shard_id, int spec_id, MemorySegment fields, long fields_len, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_shard_init.HANDLE.invokeExact(session, root, shard_id, spec_id, fields, fields_len, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_shard_init {
    static final MethodHandle HANDLE =
        handle("weir_shard_init", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_shard_init_async(const WeirSession *session, const char *root, const char *shard_id, uint32_t spec_id, const WeirShardField *fields, size_t fields_len, WeirCompletion completion, WeirError **error)} */
  static int weir_shard_init_async(MemorySegment session, MemorySegment root, MemorySegment shard_id, int spec_id, MemorySegment fields, long fields_len, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_shard_init_async.HANDLE.invokeExact(session, root, shard_id, spec_id, fields, fields_len, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_shard_init_async {
    static final MethodHandle HANDLE =
        handle("weir_shard_init_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, JAVA_INT, ADDRESS, JAVA_LONG, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_shard_seal(const WeirSession *session, const char *root, const char *shard_id, int64_t timeout_ms, WeirError **error)} */
  static int weir_shard_seal(MemorySegment session, MemorySegment root, MemorySegment shard_id, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_shard_seal.HANDLE.invokeExact(session, root, shard_id, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_shard_seal {
    static final MethodHandle HANDLE =
        handle("weir_shard_seal", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_shard_seal_async(const WeirSession *session, const char *root, const char *shard_id, WeirCompletion completion, WeirError **error)} */
  static int weir_shard_seal_async(MemorySegment session, MemorySegment root, MemorySegment shard_id, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_shard_seal_async.HANDLE.invokeExact(session, root, shard_id, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_shard_seal_async {
    static final MethodHandle HANDLE =
        handle("weir_shard_seal_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_shard_unseal(const WeirSession *session, const char *root, const char *shard_id, int64_t timeout_ms, WeirError **error)} */
  static int weir_shard_unseal(MemorySegment session, MemorySegment root, MemorySegment shard_id, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_shard_unseal.HANDLE.invokeExact(session, root, shard_id, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_shard_unseal {
    static final MethodHandle HANDLE =
        handle("weir_shard_unseal", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_shard_unseal_async(const WeirSession *session, const char *root, const char *shard_id, WeirCompletion completion, WeirError **error)} */
  static int weir_shard_unseal_async(MemorySegment session, MemorySegment root, MemorySegment shard_id, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_shard_unseal_async.HANDLE.invokeExact(session, root, shard_id, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_shard_unseal_async {
    static final MethodHandle HANDLE =
        handle("weir_shard_unseal_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code void weir_trim_options_init(WeirTrimOptions *options, uint32_t struct_size)} */
  static void weir_trim_options_init(MemorySegment options, int struct_size) {
    try {
      weir_trim_options_init.HANDLE.invokeExact(options, struct_size);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_trim_options_init {
    static final MethodHandle HANDLE =
        handle("weir_trim_options_init", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT));
  }

  /** {@code WeirStatus weir_shard_trim(const WeirSession *session, const char *root, const char *shard_id, uint64_t up_to, const WeirTrimOptions *options, int64_t timeout_ms, uint64_t *first_position, WeirError **error)} */
  static int weir_shard_trim(MemorySegment session, MemorySegment root, MemorySegment shard_id, long up_to, MemorySegment options, long timeout_ms, MemorySegment first_position, MemorySegment error) {
    try {
      return (int) weir_shard_trim.HANDLE.invokeExact(session, root, shard_id, up_to, options, timeout_ms, first_position, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_shard_trim {
    static final MethodHandle HANDLE =
        handle("weir_shard_trim", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_shard_trim_async(const WeirSession *session, const char *root, const char *shard_id, uint64_t up_to, const WeirTrimOptions *options, WeirCompletion completion, WeirError **error)} */
  static int weir_shard_trim_async(MemorySegment session, MemorySegment root, MemorySegment shard_id, long up_to, MemorySegment options, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_shard_trim_async.HANDLE.invokeExact(session, root, shard_id, up_to, options, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_shard_trim_async {
    static final MethodHandle HANDLE =
        handle("weir_shard_trim_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_bucket_of(struct ArrowArray *array, const struct ArrowSchema *schema, int32_t buckets, int32_t *out, size_t out_len, WeirError **error)} */
  static int weir_bucket_of(MemorySegment array, MemorySegment schema, int buckets, MemorySegment out, long out_len, MemorySegment error) {
    try {
      return (int) weir_bucket_of.HANDLE.invokeExact(array, schema, buckets, out, out_len, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_bucket_of {
    static final MethodHandle HANDLE =
        handle("weir_bucket_of", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS));
  }

  /** {@code void weir_writer_options_init(WeirWriterOptions *options, uint32_t struct_size)} */
  static void weir_writer_options_init(MemorySegment options, int struct_size) {
    try {
      weir_writer_options_init.HANDLE.invokeExact(options, struct_size);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_options_init {
    static final MethodHandle HANDLE =
        handle("weir_writer_options_init", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT));
  }

  /** {@code WeirStatus weir_writer_open(const WeirSession *session, const char *root, const char *shard_id, const struct ArrowSchema *schema, const WeirWriterOptions *options, WeirWriter **writer, WeirError **error)} */
  static int weir_writer_open(MemorySegment session, MemorySegment root, MemorySegment shard_id, MemorySegment schema, MemorySegment options, MemorySegment writer, MemorySegment error) {
    try {
      return (int) weir_writer_open.HANDLE.invokeExact(session, root, shard_id, schema, options, writer, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_open {
    static final MethodHandle HANDLE =
        handle("weir_writer_open", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_open_async(const WeirSession *session, const char *root, const char *shard_id, const struct ArrowSchema *schema, const WeirWriterOptions *options, WeirCompletion completion, WeirError **error)} */
  static int weir_writer_open_async(MemorySegment session, MemorySegment root, MemorySegment shard_id, MemorySegment schema, MemorySegment options, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_writer_open_async.HANDLE.invokeExact(session, root, shard_id, schema, options, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_open_async {
    static final MethodHandle HANDLE =
        handle("weir_writer_open_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_put(const WeirWriter *writer, struct ArrowArray *array, int64_t timeout_ms, WeirAck *ack, WeirError **error)} */
  static int weir_writer_put(MemorySegment writer, MemorySegment array, long timeout_ms, MemorySegment ack, MemorySegment error) {
    try {
      return (int) weir_writer_put.HANDLE.invokeExact(writer, array, timeout_ms, ack, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_put {
    static final MethodHandle HANDLE =
        handle("weir_writer_put", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_put_async(const WeirWriter *writer, struct ArrowArray *array, WeirCompletion completion, WeirError **error)} */
  static int weir_writer_put_async(MemorySegment writer, MemorySegment array, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_writer_put_async.HANDLE.invokeExact(writer, array, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_put_async {
    static final MethodHandle HANDLE =
        handle("weir_writer_put_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_put_stream(const WeirWriter *writer, struct ArrowArrayStream *stream, int64_t timeout_ms, WeirAck *ack, WeirError **error)} */
  static int weir_writer_put_stream(MemorySegment writer, MemorySegment stream, long timeout_ms, MemorySegment ack, MemorySegment error) {
    try {
      return (int) weir_writer_put_stream.HANDLE.invokeExact(writer, stream, timeout_ms, ack, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_put_stream {
    static final MethodHandle HANDLE =
        handle("weir_writer_put_stream", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_put_stream_async(const WeirWriter *writer, struct ArrowArrayStream *stream, WeirCompletion completion, WeirError **error)} */
  static int weir_writer_put_stream_async(MemorySegment writer, MemorySegment stream, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_writer_put_stream_async.HANDLE.invokeExact(writer, stream, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_put_stream_async {
    static final MethodHandle HANDLE =
        handle("weir_writer_put_stream_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_flush(const WeirWriter *writer, int64_t timeout_ms, WeirError **error)} */
  static int weir_writer_flush(MemorySegment writer, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_writer_flush.HANDLE.invokeExact(writer, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_flush {
    static final MethodHandle HANDLE =
        handle("weir_writer_flush", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_flush_async(const WeirWriter *writer, WeirCompletion completion, WeirError **error)} */
  static int weir_writer_flush_async(MemorySegment writer, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_writer_flush_async.HANDLE.invokeExact(writer, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_flush_async {
    static final MethodHandle HANDLE =
        handle("weir_writer_flush_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_wait_durable(const WeirWriter *writer, uint64_t sequence, int64_t timeout_ms, WeirError **error)} */
  static int weir_writer_wait_durable(MemorySegment writer, long sequence, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_writer_wait_durable.HANDLE.invokeExact(writer, sequence, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_wait_durable {
    static final MethodHandle HANDLE =
        handle("weir_writer_wait_durable", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_wait_durable_async(const WeirWriter *writer, uint64_t sequence, WeirCompletion completion, WeirError **error)} */
  static int weir_writer_wait_durable_async(MemorySegment writer, long sequence, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_writer_wait_durable_async.HANDLE.invokeExact(writer, sequence, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_wait_durable_async {
    static final MethodHandle HANDLE =
        handle("weir_writer_wait_durable_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_wait_capacity(const WeirWriter *writer, uint64_t bytes, int64_t timeout_ms, WeirError **error)} */
  static int weir_writer_wait_capacity(MemorySegment writer, long bytes, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_writer_wait_capacity.HANDLE.invokeExact(writer, bytes, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_wait_capacity {
    static final MethodHandle HANDLE =
        handle("weir_writer_wait_capacity", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_wait_capacity_async(const WeirWriter *writer, uint64_t bytes, WeirCompletion completion, WeirError **error)} */
  static int weir_writer_wait_capacity_async(MemorySegment writer, long bytes, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_writer_wait_capacity_async.HANDLE.invokeExact(writer, bytes, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_wait_capacity_async {
    static final MethodHandle HANDLE =
        handle("weir_writer_wait_capacity_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code uint64_t weir_writer_durable_position(const WeirWriter *writer)} */
  static long weir_writer_durable_position(MemorySegment writer) {
    try {
      return (long) weir_writer_durable_position.HANDLE.invokeExact(writer);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_durable_position {
    static final MethodHandle HANDLE =
        handle("weir_writer_durable_position", FunctionDescriptor.of(JAVA_LONG, ADDRESS));
  }

  /** {@code uint64_t weir_writer_epoch(const WeirWriter *writer)} */
  static long weir_writer_epoch(MemorySegment writer) {
    try {
      return (long) weir_writer_epoch.HANDLE.invokeExact(writer);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_epoch {
    static final MethodHandle HANDLE =
        handle("weir_writer_epoch", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code WeirStatus weir_writer_check_fenced(const WeirWriter *writer, int64_t timeout_ms, WeirError **error)} */
  static int weir_writer_check_fenced(MemorySegment writer, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_writer_check_fenced.HANDLE.invokeExact(writer, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_check_fenced {
    static final MethodHandle HANDLE =
        handle("weir_writer_check_fenced", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_check_fenced_async(const WeirWriter *writer, WeirCompletion completion, WeirError **error)} */
  static int weir_writer_check_fenced_async(MemorySegment writer, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_writer_check_fenced_async.HANDLE.invokeExact(writer, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_check_fenced_async {
    static final MethodHandle HANDLE =
        handle("weir_writer_check_fenced_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_manifest(const WeirWriter *writer, WeirManifest **manifest, WeirError **error)} */
  static int weir_writer_manifest(MemorySegment writer, MemorySegment manifest, MemorySegment error) {
    try {
      return (int) weir_writer_manifest.HANDLE.invokeExact(writer, manifest, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_manifest {
    static final MethodHandle HANDLE =
        handle("weir_writer_manifest", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_close(const WeirWriter *writer, int64_t timeout_ms, WeirError **error)} */
  static int weir_writer_close(MemorySegment writer, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_writer_close.HANDLE.invokeExact(writer, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_close {
    static final MethodHandle HANDLE =
        handle("weir_writer_close", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_close_async(const WeirWriter *writer, WeirCompletion completion, WeirError **error)} */
  static int weir_writer_close_async(MemorySegment writer, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_writer_close_async.HANDLE.invokeExact(writer, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_close_async {
    static final MethodHandle HANDLE =
        handle("weir_writer_close_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_abort(const WeirWriter *writer, WeirError **error)} */
  static int weir_writer_abort(MemorySegment writer, MemorySegment error) {
    try {
      return (int) weir_writer_abort.HANDLE.invokeExact(writer, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_abort {
    static final MethodHandle HANDLE =
        handle("weir_writer_abort", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS));
  }

  /** {@code void weir_writer_free(WeirWriter *writer)} */
  static void weir_writer_free(MemorySegment writer) {
    try {
      weir_writer_free.HANDLE.invokeExact(writer);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_free {
    static final MethodHandle HANDLE =
        handle("weir_writer_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code WeirStatus weir_writer_stats(const WeirWriter *writer, WeirWriterStats *stats, WeirError **error)} */
  static int weir_writer_stats(MemorySegment writer, MemorySegment stats, MemorySegment error) {
    try {
      return (int) weir_writer_stats.HANDLE.invokeExact(writer, stats, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_stats {
    static final MethodHandle HANDLE =
        handle("weir_writer_stats", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_memory(const WeirWriter *writer, WeirWriterMemory *memory, WeirError **error)} */
  static int weir_writer_memory(MemorySegment writer, MemorySegment memory, MemorySegment error) {
    try {
      return (int) weir_writer_memory.HANDLE.invokeExact(writer, memory, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_memory {
    static final MethodHandle HANDLE =
        handle("weir_writer_memory", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code void weir_appender_options_init(WeirAppenderOptions *options, uint32_t struct_size)} */
  static void weir_appender_options_init(MemorySegment options, int struct_size) {
    try {
      weir_appender_options_init.HANDLE.invokeExact(options, struct_size);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_appender_options_init {
    static final MethodHandle HANDLE =
        handle("weir_appender_options_init", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT));
  }

  /** {@code WeirStatus weir_appender_open(const WeirSession *session, const char *root, const char *shard_id, const struct ArrowSchema *schema, const WeirAppenderOptions *options, WeirAppender **appender, WeirError **error)} */
  static int weir_appender_open(MemorySegment session, MemorySegment root, MemorySegment shard_id, MemorySegment schema, MemorySegment options, MemorySegment appender, MemorySegment error) {
    try {
      return (int) weir_appender_open.HANDLE.invokeExact(session, root, shard_id, schema, options, appender, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_appender_open {
    static final MethodHandle HANDLE =
        handle("weir_appender_open", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_appender_open_async(const WeirSession *session, const char *root, const char *shard_id, const struct ArrowSchema *schema, const WeirAppenderOptions *options, WeirCompletion completion, WeirError **error)} */
  static int weir_appender_open_async(MemorySegment session, MemorySegment root, MemorySegment shard_id, MemorySegment schema, MemorySegment options, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_appender_open_async.HANDLE.invokeExact(session, root, shard_id, schema, options, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_appender_open_async {
    static final MethodHandle HANDLE =
        handle("weir_appender_open_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_appender_append(const WeirAppender *appender, struct ArrowArray *array, int64_t timeout_ms, uint64_t *position, WeirError **error)} */
  static int weir_appender_append(MemorySegment appender, MemorySegment array, long timeout_ms, MemorySegment position, MemorySegment error) {
    try {
      return (int) weir_appender_append.HANDLE.invokeExact(appender, array, timeout_ms, position, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_appender_append {
    static final MethodHandle HANDLE =
        handle("weir_appender_append", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_appender_append_async(const WeirAppender *appender, struct ArrowArray *array, WeirCompletion completion, WeirError **error)} */
  static int weir_appender_append_async(MemorySegment appender, MemorySegment array, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_appender_append_async.HANDLE.invokeExact(appender, array, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_appender_append_async {
    static final MethodHandle HANDLE =
        handle("weir_appender_append_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_appender_check_fenced(const WeirAppender *appender, int64_t timeout_ms, WeirError **error)} */
  static int weir_appender_check_fenced(MemorySegment appender, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_appender_check_fenced.HANDLE.invokeExact(appender, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_appender_check_fenced {
    static final MethodHandle HANDLE =
        handle("weir_appender_check_fenced", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_appender_check_fenced_async(const WeirAppender *appender, WeirCompletion completion, WeirError **error)} */
  static int weir_appender_check_fenced_async(MemorySegment appender, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_appender_check_fenced_async.HANDLE.invokeExact(appender, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_appender_check_fenced_async {
    static final MethodHandle HANDLE =
        handle("weir_appender_check_fenced_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code uint64_t weir_appender_epoch(const WeirAppender *appender)} */
  static long weir_appender_epoch(MemorySegment appender) {
    try {
      return (long) weir_appender_epoch.HANDLE.invokeExact(appender);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_appender_epoch {
    static final MethodHandle HANDLE =
        handle("weir_appender_epoch", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code WeirStatus weir_appender_close(const WeirAppender *appender, int64_t timeout_ms, WeirError **error)} */
  static int weir_appender_close(MemorySegment appender, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_appender_close.HANDLE.invokeExact(appender, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_appender_close {
    static final MethodHandle HANDLE =
        handle("weir_appender_close", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_appender_close_async(const WeirAppender *appender, WeirCompletion completion, WeirError **error)} */
  static int weir_appender_close_async(MemorySegment appender, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_appender_close_async.HANDLE.invokeExact(appender, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_appender_close_async {
    static final MethodHandle HANDLE =
        handle("weir_appender_close_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code void weir_appender_free(WeirAppender *appender)} */
  static void weir_appender_free(MemorySegment appender) {
    try {
      weir_appender_free.HANDLE.invokeExact(appender);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_appender_free {
    static final MethodHandle HANDLE =
        handle("weir_appender_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code void weir_tailer_options_init(WeirTailerOptions *options, uint32_t struct_size)} */
  static void weir_tailer_options_init(MemorySegment options, int struct_size) {
    try {
      weir_tailer_options_init.HANDLE.invokeExact(options, struct_size);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_tailer_options_init {
    static final MethodHandle HANDLE =
        handle("weir_tailer_options_init", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT));
  }

  /** {@code WeirStatus weir_tailer_open(const WeirSession *session, const char *root, const char *shard_id, const WeirTailerOptions *options, WeirTailer **tailer, WeirError **error)} */
  static int weir_tailer_open(MemorySegment session, MemorySegment root, MemorySegment shard_id, MemorySegment options, MemorySegment tailer, MemorySegment error) {
    try {
      return (int) weir_tailer_open.HANDLE.invokeExact(session, root, shard_id, options, tailer, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_tailer_open {
    static final MethodHandle HANDLE =
        handle("weir_tailer_open", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_tailer_next(const WeirTailer *tailer, int64_t timeout_ms, WeirEntry **entry, WeirError **error)} */
  static int weir_tailer_next(MemorySegment tailer, long timeout_ms, MemorySegment entry, MemorySegment error) {
    try {
      return (int) weir_tailer_next.HANDLE.invokeExact(tailer, timeout_ms, entry, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_tailer_next {
    static final MethodHandle HANDLE =
        handle("weir_tailer_next", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_tailer_next_async(const WeirTailer *tailer, WeirCompletion completion, WeirError **error)} */
  static int weir_tailer_next_async(MemorySegment tailer, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_tailer_next_async.HANDLE.invokeExact(tailer, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_tailer_next_async {
    static final MethodHandle HANDLE =
        handle("weir_tailer_next_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_tailer_read(const WeirTailer *tailer, uint64_t position, int64_t timeout_ms, WeirEntry **entry, WeirError **error)} */
  static int weir_tailer_read(MemorySegment tailer, long position, long timeout_ms, MemorySegment entry, MemorySegment error) {
    try {
      return (int) weir_tailer_read.HANDLE.invokeExact(tailer, position, timeout_ms, entry, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_tailer_read {
    static final MethodHandle HANDLE =
        handle("weir_tailer_read", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_tailer_read_async(const WeirTailer *tailer, uint64_t position, WeirCompletion completion, WeirError **error)} */
  static int weir_tailer_read_async(MemorySegment tailer, long position, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_tailer_read_async.HANDLE.invokeExact(tailer, position, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_tailer_read_async {
    static final MethodHandle HANDLE =
        handle("weir_tailer_read_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_tailer_first_position(const WeirTailer *tailer, int64_t timeout_ms, uint64_t *position, WeirError **error)} */
  static int weir_tailer_first_position(MemorySegment tailer, long timeout_ms, MemorySegment position, MemorySegment error) {
    try {
      return (int) weir_tailer_first_position.HANDLE.invokeExact(tailer, timeout_ms, position, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_tailer_first_position {
    static final MethodHandle HANDLE =
        handle("weir_tailer_first_position", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_tailer_first_position_async(const WeirTailer *tailer, WeirCompletion completion, WeirError **error)} */
  static int weir_tailer_first_position_async(MemorySegment tailer, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_tailer_first_position_async.HANDLE.invokeExact(tailer, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_tailer_first_position_async {
    static final MethodHandle HANDLE =
        handle("weir_tailer_first_position_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_tailer_next_position(const WeirTailer *tailer, int64_t timeout_ms, uint64_t *position, WeirError **error)} */
  static int weir_tailer_next_position(MemorySegment tailer, long timeout_ms, MemorySegment position, MemorySegment error) {
    try {
      return (int) weir_tailer_next_position.HANDLE.invokeExact(tailer, timeout_ms, position, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_tailer_next_position {
    static final MethodHandle HANDLE =
        handle("weir_tailer_next_position", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_tailer_next_position_async(const WeirTailer *tailer, WeirCompletion completion, WeirError **error)} */
  static int weir_tailer_next_position_async(MemorySegment tailer, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_tailer_next_position_async.HANDLE.invokeExact(tailer, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_tailer_next_position_async {
    static final MethodHandle HANDLE =
        handle("weir_tailer_next_position_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code uint64_t weir_tailer_position(const WeirTailer *tailer)} */
  static long weir_tailer_position(MemorySegment tailer) {
    try {
      return (long) weir_tailer_position.HANDLE.invokeExact(tailer);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_tailer_position {
    static final MethodHandle HANDLE =
        handle("weir_tailer_position", FunctionDescriptor.of(JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_tailer_seek(const WeirTailer *tailer, uint64_t position, WeirError **error)} */
  static int weir_tailer_seek(MemorySegment tailer, long position, MemorySegment error) {
    try {
      return (int) weir_tailer_seek.HANDLE.invokeExact(tailer, position, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_tailer_seek {
    static final MethodHandle HANDLE =
        handle("weir_tailer_seek", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS));
  }

  /** {@code void weir_tailer_interrupt(const WeirTailer *tailer)} */
  static void weir_tailer_interrupt(MemorySegment tailer) {
    try {
      weir_tailer_interrupt.HANDLE.invokeExact(tailer);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_tailer_interrupt {
    static final MethodHandle HANDLE =
        handle("weir_tailer_interrupt", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code WeirStatus weir_tailer_stream(const WeirTailer *tailer, struct ArrowArrayStream *stream, WeirError **error)} */
  static int weir_tailer_stream(MemorySegment tailer, MemorySegment stream, MemorySegment error) {
    try {
      return (int) weir_tailer_stream.HANDLE.invokeExact(tailer, stream, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_tailer_stream {
    static final MethodHandle HANDLE =
        handle("weir_tailer_stream", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_tailer_close(const WeirTailer *tailer, WeirError **error)} */
  static int weir_tailer_close(MemorySegment tailer, MemorySegment error) {
    try {
      return (int) weir_tailer_close.HANDLE.invokeExact(tailer, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_tailer_close {
    static final MethodHandle HANDLE =
        handle("weir_tailer_close", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS));
  }

  /** {@code void weir_tailer_free(WeirTailer *tailer)} */
  static void weir_tailer_free(MemorySegment tailer) {
    try {
      weir_tailer_free.HANDLE.invokeExact(tailer);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_tailer_free {
    static final MethodHandle HANDLE =
        handle("weir_tailer_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code WeirStatus weir_tailer_subscribe(const WeirTailer *tailer, WeirCompletion completion, uint64_t credit, WeirSubscription **subscription, WeirError **error)} */
  static int weir_tailer_subscribe(MemorySegment tailer, MemorySegment completion, long credit, MemorySegment subscription, MemorySegment error) {
    try {
      return (int) weir_tailer_subscribe.HANDLE.invokeExact(tailer, completion, credit, subscription, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_tailer_subscribe {
    static final MethodHandle HANDLE =
        handle("weir_tailer_subscribe", FunctionDescriptor.of(JAVA_INT, ADDRESS, WeirCompletion.LAYOUT, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_subscription_request(const WeirSubscription *subscription, uint64_t n, WeirError **error)} */
  static int weir_subscription_request(MemorySegment subscription, long n, MemorySegment error) {
    try {
      return (int) weir_subscription_request.HANDLE.invokeExact(subscription, n, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_subscription_request {
    static final MethodHandle HANDLE =
        handle("weir_subscription_request", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS));
  }

  /** {@code void weir_subscription_cancel(const WeirSubscription *subscription)} */
  static void weir_subscription_cancel(MemorySegment subscription) {
    try {
      weir_subscription_cancel.HANDLE.invokeExact(subscription);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_subscription_cancel {
    static final MethodHandle HANDLE =
        handle("weir_subscription_cancel", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code void weir_subscription_free(WeirSubscription *subscription)} */
  static void weir_subscription_free(MemorySegment subscription) {
    try {
      weir_subscription_free.HANDLE.invokeExact(subscription);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_subscription_free {
    static final MethodHandle HANDLE =
        handle("weir_subscription_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code uint64_t weir_entry_position(const WeirEntry *entry)} */
  static long weir_entry_position(MemorySegment entry) {
    try {
      return (long) weir_entry_position.HANDLE.invokeExact(entry);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_entry_position {
    static final MethodHandle HANDLE =
        handle("weir_entry_position", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code uint64_t weir_entry_epoch(const WeirEntry *entry)} */
  static long weir_entry_epoch(MemorySegment entry) {
    try {
      return (long) weir_entry_epoch.HANDLE.invokeExact(entry);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_entry_epoch {
    static final MethodHandle HANDLE =
        handle("weir_entry_epoch", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code uint64_t weir_entry_generation(const WeirEntry *entry)} */
  static long weir_entry_generation(MemorySegment entry) {
    try {
      return (long) weir_entry_generation.HANDLE.invokeExact(entry);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_entry_generation {
    static final MethodHandle HANDLE =
        handle("weir_entry_generation", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code bool weir_entry_is_sentinel(const WeirEntry *entry)} */
  static boolean weir_entry_is_sentinel(MemorySegment entry) {
    try {
      return (boolean) weir_entry_is_sentinel.HANDLE.invokeExact(entry);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_entry_is_sentinel {
    static final MethodHandle HANDLE =
        handle("weir_entry_is_sentinel", FunctionDescriptor.of(JAVA_BOOLEAN, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code uint64_t weir_entry_rows(const WeirEntry *entry)} */
  static long weir_entry_rows(MemorySegment entry) {
    try {
      return (long) weir_entry_rows.HANDLE.invokeExact(entry);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_entry_rows {
    static final MethodHandle HANDLE =
        handle("weir_entry_rows", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code uint64_t weir_entry_bytes(const WeirEntry *entry)} */
  static long weir_entry_bytes(MemorySegment entry) {
    try {
      return (long) weir_entry_bytes.HANDLE.invokeExact(entry);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_entry_bytes {
    static final MethodHandle HANDLE =
        handle("weir_entry_bytes", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code size_t weir_entry_batch_count(const WeirEntry *entry)} */
  static long weir_entry_batch_count(MemorySegment entry) {
    try {
      return (long) weir_entry_batch_count.HANDLE.invokeExact(entry);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_entry_batch_count {
    static final MethodHandle HANDLE =
        handle("weir_entry_batch_count", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code WeirStatus weir_entry_batch(const WeirEntry *entry, size_t index, struct ArrowArray *array, WeirError **error)} */
  static int weir_entry_batch(MemorySegment entry, long index, MemorySegment array, MemorySegment error) {
    try {
      return (int) weir_entry_batch.HANDLE.invokeExact(entry, index, array, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_entry_batch {
    static final MethodHandle HANDLE =
        handle("weir_entry_batch", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_entry_schema(const WeirEntry *entry, struct ArrowSchema *schema, WeirError **error)} */
  static int weir_entry_schema(MemorySegment entry, MemorySegment schema, MemorySegment error) {
    try {
      return (int) weir_entry_schema.HANDLE.invokeExact(entry, schema, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_entry_schema {
    static final MethodHandle HANDLE =
        handle("weir_entry_schema", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_entry_stream(const WeirEntry *entry, struct ArrowArrayStream *stream, WeirError **error)} */
  static int weir_entry_stream(MemorySegment entry, MemorySegment stream, MemorySegment error) {
    try {
      return (int) weir_entry_stream.HANDLE.invokeExact(entry, stream, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_entry_stream {
    static final MethodHandle HANDLE =
        handle("weir_entry_stream", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code void weir_entry_free(WeirEntry *entry)} */
  static void weir_entry_free(MemorySegment entry) {
    try {
      weir_entry_free.HANDLE.invokeExact(entry);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_entry_free {
    static final MethodHandle HANDLE =
        handle("weir_entry_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code WeirStatus weir_ipc_open_file(const char *path, struct ArrowArrayStream *stream, WeirError **error)} */
  static int weir_ipc_open_file(MemorySegment path, MemorySegment stream, MemorySegment error) {
    try {
      return (int) weir_ipc_open_file.HANDLE.invokeExact(path, stream, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_ipc_open_file {
    static final MethodHandle HANDLE =
        handle("weir_ipc_open_file", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code uint64_t weir_live_handles(void)} */
  static long weir_live_handles() {
    try {
      return (long) weir_live_handles.HANDLE.invokeExact();
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_live_handles {
    static final MethodHandle HANDLE =
        handle("weir_live_handles", FunctionDescriptor.of(JAVA_LONG), Linker.Option.critical(false));
  }

  private static MethodHandle handle(String name, FunctionDescriptor descriptor, Linker.Option... options) {
    return Linker.nativeLinker().downcallHandle(NativeLibrary.symbol(name), descriptor, options);
  }

  /** A call itself throws nothing but what the virtual machine does, such as a stack overflow. */
  private static RuntimeException unexpected(Throwable thrown) {
    if (thrown instanceof Error error) {
      throw error;
    }
    return thrown instanceof RuntimeException e ? e : new IllegalStateException(thrown);
  }
}
