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
  static final int WEIR_RESULT_SPILL = 7;
  static final int WEIR_RESULT_BATCH = 8;
  static final int WEIR_RESULT_CACHE_VALUE = 9;
  static final int WEIR_RESULT_SNAPSHOT = 10;
  static final int WEIR_LOG_LEVEL_OFF = 0;
  static final int WEIR_LOG_LEVEL_ERROR = 1;
  static final int WEIR_LOG_LEVEL_WARN = 2;
  static final int WEIR_LOG_LEVEL_INFO = 3;
  static final int WEIR_LOG_LEVEL_DEBUG = 4;
  static final int WEIR_LOG_LEVEL_TRACE = 5;
  static final int WEIR_COMPRESSION_NONE = 0;
  static final int WEIR_COMPRESSION_LZ4 = 1;
  static final int WEIR_COMPRESSION_ZSTD = 2;
  static final int WEIR_SPILL_BACKEND_LOCAL = 0;
  static final int WEIR_SPILL_BACKEND_MEMORY = 1;
  static final int WEIR_SPILL_BACKEND_OBJECT = 2;
  static final int WEIR_SPILL_BACKEND_TIERED = 3;
  static final int WEIR_CACHE_KIND_NONE = 0;
  static final int WEIR_CACHE_KIND_BYTES = 1;
  static final int WEIR_CACHE_KIND_BATCH = 2;
  static final int WEIR_CACHE_KIND_OBJECT = 3;
  static final int WEIR_INDEX_BTREE = 0;
  static final int WEIR_COMPARE_EQ = 0;
  static final int WEIR_COMPARE_NE = 1;
  static final int WEIR_COMPARE_LT = 2;
  static final int WEIR_COMPARE_LE = 3;
  static final int WEIR_COMPARE_GT = 4;
  static final int WEIR_COMPARE_GE = 5;
  static final int WEIR_COMPARE_IS_NULL = 6;
  static final int WEIR_COMPARE_IS_NOT_NULL = 7;
  static final int WEIR_KEY_MISSING = 0;
  static final int WEIR_KEY_FOUND = 1;
  static final int WEIR_KEY_DELETED = 2;
  static final long WEIR_CACHE_UNKNOWN = -1L;

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
            JAVA_LONG.withName("store_settings_len"),
            ADDRESS.withName("spill"),
            ADDRESS.withName("cache"),
            JAVA_LONG.withName("memory_bytes"))
            .withName("WeirSessionOptions");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long store_settings = LAYOUT.byteOffset(PathElement.groupElement("store_settings"));
    static final long store_settings_len = LAYOUT.byteOffset(PathElement.groupElement("store_settings_len"));
    static final long spill = LAYOUT.byteOffset(PathElement.groupElement("spill"));
    static final long cache = LAYOUT.byteOffset(PathElement.groupElement("cache"));
    static final long memory_bytes = LAYOUT.byteOffset(PathElement.groupElement("memory_bytes"));
  }

  /** {@code WeirSessionMemory} */
  static final class WeirSessionMemory {
    private WeirSessionMemory() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_INT.withName("reserved"),
            JAVA_LONG.withName("limit_bytes"),
            JAVA_LONG.withName("queue_bytes"),
            JAVA_LONG.withName("memtable_bytes"),
            JAVA_LONG.withName("read_ahead_bytes"),
            JAVA_LONG.withName("cache_bytes"),
            JAVA_LONG.withName("waiting"),
            JAVA_LONG.withName("waiting_bytes"),
            JAVA_LONG.withName("longest_wait_ns"),
            JAVA_LONG.withName("waits"),
            JAVA_LONG.withName("waited_ns"))
            .withName("WeirSessionMemory");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long limit_bytes = LAYOUT.byteOffset(PathElement.groupElement("limit_bytes"));
    static final long queue_bytes = LAYOUT.byteOffset(PathElement.groupElement("queue_bytes"));
    static final long memtable_bytes = LAYOUT.byteOffset(PathElement.groupElement("memtable_bytes"));
    static final long read_ahead_bytes = LAYOUT.byteOffset(PathElement.groupElement("read_ahead_bytes"));
    static final long cache_bytes = LAYOUT.byteOffset(PathElement.groupElement("cache_bytes"));
    static final long waiting = LAYOUT.byteOffset(PathElement.groupElement("waiting"));
    static final long waiting_bytes = LAYOUT.byteOffset(PathElement.groupElement("waiting_bytes"));
    static final long longest_wait_ns = LAYOUT.byteOffset(PathElement.groupElement("longest_wait_ns"));
    static final long waits = LAYOUT.byteOffset(PathElement.groupElement("waits"));
    static final long waited_ns = LAYOUT.byteOffset(PathElement.groupElement("waited_ns"));
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

  /** {@code WeirIndexDefinition} */
  static final class WeirIndexDefinition {
    private WeirIndexDefinition() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            ADDRESS.withName("name"),
            ADDRESS.withName("column"),
            JAVA_INT.withName("kind"),
            JAVA_INT.withName("reserved"))
            .withName("WeirIndexDefinition");
    static final long SIZE = LAYOUT.byteSize();
    static final long name = LAYOUT.byteOffset(PathElement.groupElement("name"));
    static final long column = LAYOUT.byteOffset(PathElement.groupElement("column"));
    static final long kind = LAYOUT.byteOffset(PathElement.groupElement("kind"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
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
            JAVA_BYTE.withName("enable_memtable"),
            JAVA_INT.withName("compression"),
            JAVA_INT.withName("max_retries"),
            JAVA_LONG.withName("linger_us"),
            JAVA_LONG.withName("max_buffer_bytes"),
            JAVA_LONG.withName("max_pending_bytes"),
            JAVA_INT.withName("retry_base_delay_ms"),
            JAVA_INT.withName("manifest_probe_width"),
            JAVA_LONG.withName("trim_age_ms"),
            JAVA_LONG.withName("open_timeout_ms"),
            JAVA_LONG.withName("max_memtable_bytes"),
            JAVA_LONG.withName("max_memtable_rows"),
            JAVA_LONG.withName("max_memtable_batches"),
            JAVA_LONG.withName("max_unflushed_bytes"),
            JAVA_LONG.withName("frozen_grace_ms"),
            ADDRESS.withName("primary_key"),
            JAVA_LONG.withName("primary_key_len"),
            ADDRESS.withName("indexes"),
            JAVA_LONG.withName("indexes_len"),
            JAVA_BYTE.withName("compaction"),
            MemoryLayout.sequenceLayout(3, JAVA_BYTE).withName("reserved2"),
            JAVA_INT.withName("compaction_min_generations"),
            JAVA_INT.withName("compaction_max_generations"),
            JAVA_INT.withName("reserved3"),
            JAVA_LONG.withName("compaction_max_bytes"))
            .withName("WeirWriterOptions");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long durable = LAYOUT.byteOffset(PathElement.groupElement("durable"));
    static final long fsync = LAYOUT.byteOffset(PathElement.groupElement("fsync"));
    static final long validate = LAYOUT.byteOffset(PathElement.groupElement("validate"));
    static final long enable_memtable = LAYOUT.byteOffset(PathElement.groupElement("enable_memtable"));
    static final long compression = LAYOUT.byteOffset(PathElement.groupElement("compression"));
    static final long max_retries = LAYOUT.byteOffset(PathElement.groupElement("max_retries"));
    static final long linger_us = LAYOUT.byteOffset(PathElement.groupElement("linger_us"));
    static final long max_buffer_bytes = LAYOUT.byteOffset(PathElement.groupElement("max_buffer_bytes"));
    static final long max_pending_bytes = LAYOUT.byteOffset(PathElement.groupElement("max_pending_bytes"));
    static final long retry_base_delay_ms = LAYOUT.byteOffset(PathElement.groupElement("retry_base_delay_ms"));
    static final long manifest_probe_width = LAYOUT.byteOffset(PathElement.groupElement("manifest_probe_width"));
    static final long trim_age_ms = LAYOUT.byteOffset(PathElement.groupElement("trim_age_ms"));
    static final long open_timeout_ms = LAYOUT.byteOffset(PathElement.groupElement("open_timeout_ms"));
    static final long max_memtable_bytes = LAYOUT.byteOffset(PathElement.groupElement("max_memtable_bytes"));
    static final long max_memtable_rows = LAYOUT.byteOffset(PathElement.groupElement("max_memtable_rows"));
    static final long max_memtable_batches = LAYOUT.byteOffset(PathElement.groupElement("max_memtable_batches"));
    static final long max_unflushed_bytes = LAYOUT.byteOffset(PathElement.groupElement("max_unflushed_bytes"));
    static final long frozen_grace_ms = LAYOUT.byteOffset(PathElement.groupElement("frozen_grace_ms"));
    static final long primary_key = LAYOUT.byteOffset(PathElement.groupElement("primary_key"));
    static final long primary_key_len = LAYOUT.byteOffset(PathElement.groupElement("primary_key_len"));
    static final long indexes = LAYOUT.byteOffset(PathElement.groupElement("indexes"));
    static final long indexes_len = LAYOUT.byteOffset(PathElement.groupElement("indexes_len"));
    static final long compaction = LAYOUT.byteOffset(PathElement.groupElement("compaction"));
    static final long reserved2 = LAYOUT.byteOffset(PathElement.groupElement("reserved2"));
    static final long compaction_min_generations = LAYOUT.byteOffset(PathElement.groupElement("compaction_min_generations"));
    static final long compaction_max_generations = LAYOUT.byteOffset(PathElement.groupElement("compaction_max_generations"));
    static final long reserved3 = LAYOUT.byteOffset(PathElement.groupElement("reserved3"));
    static final long compaction_max_bytes = LAYOUT.byteOffset(PathElement.groupElement("compaction_max_bytes"));
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
            JAVA_LONG.withName("limit_bytes"),
            JAVA_LONG.withName("memtable_bytes"),
            JAVA_LONG.withName("frozen_bytes"),
            JAVA_LONG.withName("kept_bytes"),
            JAVA_LONG.withName("unflushed_limit_bytes"))
            .withName("WeirWriterMemory");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long pending_bytes = LAYOUT.byteOffset(PathElement.groupElement("pending_bytes"));
    static final long in_flight_bytes = LAYOUT.byteOffset(PathElement.groupElement("in_flight_bytes"));
    static final long reserved_bytes = LAYOUT.byteOffset(PathElement.groupElement("reserved_bytes"));
    static final long limit_bytes = LAYOUT.byteOffset(PathElement.groupElement("limit_bytes"));
    static final long memtable_bytes = LAYOUT.byteOffset(PathElement.groupElement("memtable_bytes"));
    static final long frozen_bytes = LAYOUT.byteOffset(PathElement.groupElement("frozen_bytes"));
    static final long kept_bytes = LAYOUT.byteOffset(PathElement.groupElement("kept_bytes"));
    static final long unflushed_limit_bytes = LAYOUT.byteOffset(PathElement.groupElement("unflushed_limit_bytes"));
  }

  /** {@code WeirMemTableStats} */
  static final class WeirMemTableStats {
    private WeirMemTableStats() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_INT.withName("reserved"),
            JAVA_LONG.withName("active_generation"),
            JAVA_LONG.withName("active_rows"),
            JAVA_LONG.withName("active_batches"),
            JAVA_LONG.withName("active_bytes"),
            JAVA_LONG.withName("frozen_tables"),
            JAVA_LONG.withName("frozen_rows"),
            JAVA_LONG.withName("frozen_bytes"),
            JAVA_LONG.withName("kept_bytes"),
            JAVA_LONG.withName("published_generation"),
            JAVA_LONG.withName("generations"),
            JAVA_LONG.withName("flushes"),
            JAVA_LONG.withName("flush_failures"),
            JAVA_LONG.withName("flushed_rows"),
            JAVA_LONG.withName("flushed_bytes"),
            JAVA_LONG.withName("compactions"),
            JAVA_LONG.withName("compaction_failures"),
            JAVA_LONG.withName("compacted_generations"),
            JAVA_LONG.withName("replayed_entries"),
            JAVA_LONG.withName("replayed_rows"))
            .withName("WeirMemTableStats");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long active_generation = LAYOUT.byteOffset(PathElement.groupElement("active_generation"));
    static final long active_rows = LAYOUT.byteOffset(PathElement.groupElement("active_rows"));
    static final long active_batches = LAYOUT.byteOffset(PathElement.groupElement("active_batches"));
    static final long active_bytes = LAYOUT.byteOffset(PathElement.groupElement("active_bytes"));
    static final long frozen_tables = LAYOUT.byteOffset(PathElement.groupElement("frozen_tables"));
    static final long frozen_rows = LAYOUT.byteOffset(PathElement.groupElement("frozen_rows"));
    static final long frozen_bytes = LAYOUT.byteOffset(PathElement.groupElement("frozen_bytes"));
    static final long kept_bytes = LAYOUT.byteOffset(PathElement.groupElement("kept_bytes"));
    static final long published_generation = LAYOUT.byteOffset(PathElement.groupElement("published_generation"));
    static final long generations = LAYOUT.byteOffset(PathElement.groupElement("generations"));
    static final long flushes = LAYOUT.byteOffset(PathElement.groupElement("flushes"));
    static final long flush_failures = LAYOUT.byteOffset(PathElement.groupElement("flush_failures"));
    static final long flushed_rows = LAYOUT.byteOffset(PathElement.groupElement("flushed_rows"));
    static final long flushed_bytes = LAYOUT.byteOffset(PathElement.groupElement("flushed_bytes"));
    static final long compactions = LAYOUT.byteOffset(PathElement.groupElement("compactions"));
    static final long compaction_failures = LAYOUT.byteOffset(PathElement.groupElement("compaction_failures"));
    static final long compacted_generations = LAYOUT.byteOffset(PathElement.groupElement("compacted_generations"));
    static final long replayed_entries = LAYOUT.byteOffset(PathElement.groupElement("replayed_entries"));
    static final long replayed_rows = LAYOUT.byteOffset(PathElement.groupElement("replayed_rows"));
  }

  /** {@code WeirComparison} */
  static final class WeirComparison {
    private WeirComparison() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            ADDRESS.withName("column"),
            JAVA_INT.withName("op"),
            JAVA_INT.withName("reserved"))
            .withName("WeirComparison");
    static final long SIZE = LAYOUT.byteSize();
    static final long column = LAYOUT.byteOffset(PathElement.groupElement("column"));
    static final long op = LAYOUT.byteOffset(PathElement.groupElement("op"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
  }

  /** {@code WeirScanOptions} */
  static final class WeirScanOptions {
    private WeirScanOptions() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_BYTE.withName("with_position"),
            JAVA_BYTE.withName("with_generation"),
            JAVA_BYTE.withName("with_tombstones"),
            JAVA_BYTE.withName("reserved"),
            ADDRESS.withName("columns"),
            JAVA_LONG.withName("columns_len"),
            ADDRESS.withName("comparisons"),
            JAVA_LONG.withName("comparisons_len"),
            JAVA_LONG.withName("limit"),
            JAVA_INT.withName("batch_rows"),
            JAVA_INT.withName("reserved2"))
            .withName("WeirScanOptions");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long with_position = LAYOUT.byteOffset(PathElement.groupElement("with_position"));
    static final long with_generation = LAYOUT.byteOffset(PathElement.groupElement("with_generation"));
    static final long with_tombstones = LAYOUT.byteOffset(PathElement.groupElement("with_tombstones"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long columns = LAYOUT.byteOffset(PathElement.groupElement("columns"));
    static final long columns_len = LAYOUT.byteOffset(PathElement.groupElement("columns_len"));
    static final long comparisons = LAYOUT.byteOffset(PathElement.groupElement("comparisons"));
    static final long comparisons_len = LAYOUT.byteOffset(PathElement.groupElement("comparisons_len"));
    static final long limit = LAYOUT.byteOffset(PathElement.groupElement("limit"));
    static final long batch_rows = LAYOUT.byteOffset(PathElement.groupElement("batch_rows"));
    static final long reserved2 = LAYOUT.byteOffset(PathElement.groupElement("reserved2"));
  }

  /** {@code WeirGetOptions} */
  static final class WeirGetOptions {
    private WeirGetOptions() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_INT.withName("reserved"),
            ADDRESS.withName("columns"),
            JAVA_LONG.withName("columns_len"))
            .withName("WeirGetOptions");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long columns = LAYOUT.byteOffset(PathElement.groupElement("columns"));
    static final long columns_len = LAYOUT.byteOffset(PathElement.groupElement("columns_len"));
  }

  /** {@code WeirSnapshotOptions} */
  static final class WeirSnapshotOptions {
    private WeirSnapshotOptions() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_BYTE.withName("wal"),
            MemoryLayout.sequenceLayout(3, JAVA_BYTE).withName("reserved"),
            ADDRESS.withName("primary_key"),
            JAVA_LONG.withName("primary_key_len"),
            ADDRESS.withName("indexes"),
            JAVA_LONG.withName("indexes_len"),
            JAVA_LONG.withName("max_bytes"),
            JAVA_LONG.withName("open_timeout_ms"))
            .withName("WeirSnapshotOptions");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long wal = LAYOUT.byteOffset(PathElement.groupElement("wal"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long primary_key = LAYOUT.byteOffset(PathElement.groupElement("primary_key"));
    static final long primary_key_len = LAYOUT.byteOffset(PathElement.groupElement("primary_key_len"));
    static final long indexes = LAYOUT.byteOffset(PathElement.groupElement("indexes"));
    static final long indexes_len = LAYOUT.byteOffset(PathElement.groupElement("indexes_len"));
    static final long max_bytes = LAYOUT.byteOffset(PathElement.groupElement("max_bytes"));
    static final long open_timeout_ms = LAYOUT.byteOffset(PathElement.groupElement("open_timeout_ms"));
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

  /** {@code WeirSpillStoreOptions} */
  static final class WeirSpillStoreOptions {
    private WeirSpillStoreOptions() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_INT.withName("backend"),
            ADDRESS.withName("location"),
            JAVA_LONG.withName("cap_bytes"),
            JAVA_LONG.withName("memory_bytes"),
            JAVA_LONG.withName("min_free_bytes"),
            JAVA_LONG.withName("reclaim_age_ms"),
            JAVA_INT.withName("buffer_bytes"),
            JAVA_INT.withName("reserved"))
            .withName("WeirSpillStoreOptions");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long backend = LAYOUT.byteOffset(PathElement.groupElement("backend"));
    static final long location = LAYOUT.byteOffset(PathElement.groupElement("location"));
    static final long cap_bytes = LAYOUT.byteOffset(PathElement.groupElement("cap_bytes"));
    static final long memory_bytes = LAYOUT.byteOffset(PathElement.groupElement("memory_bytes"));
    static final long min_free_bytes = LAYOUT.byteOffset(PathElement.groupElement("min_free_bytes"));
    static final long reclaim_age_ms = LAYOUT.byteOffset(PathElement.groupElement("reclaim_age_ms"));
    static final long buffer_bytes = LAYOUT.byteOffset(PathElement.groupElement("buffer_bytes"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
  }

  /** {@code WeirSpillStats} */
  static final class WeirSpillStats {
    private WeirSpillStats() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_INT.withName("reserved"),
            JAVA_LONG.withName("live_bytes"),
            JAVA_LONG.withName("peak_bytes"),
            JAVA_LONG.withName("cap_bytes"),
            JAVA_LONG.withName("memory_bytes"),
            JAVA_LONG.withName("open_spills"),
            JAVA_LONG.withName("open_writers"),
            JAVA_LONG.withName("spills_total"),
            JAVA_LONG.withName("written_bytes"),
            JAVA_LONG.withName("read_bytes"),
            JAVA_LONG.withName("cap_refusals"),
            JAVA_LONG.withName("floor_refusals"),
            JAVA_LONG.withName("write_ns"),
            JAVA_LONG.withName("read_ns"),
            JAVA_LONG.withName("swept_directories"),
            JAVA_LONG.withName("swept_bytes"))
            .withName("WeirSpillStats");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long live_bytes = LAYOUT.byteOffset(PathElement.groupElement("live_bytes"));
    static final long peak_bytes = LAYOUT.byteOffset(PathElement.groupElement("peak_bytes"));
    static final long cap_bytes = LAYOUT.byteOffset(PathElement.groupElement("cap_bytes"));
    static final long memory_bytes = LAYOUT.byteOffset(PathElement.groupElement("memory_bytes"));
    static final long open_spills = LAYOUT.byteOffset(PathElement.groupElement("open_spills"));
    static final long open_writers = LAYOUT.byteOffset(PathElement.groupElement("open_writers"));
    static final long spills_total = LAYOUT.byteOffset(PathElement.groupElement("spills_total"));
    static final long written_bytes = LAYOUT.byteOffset(PathElement.groupElement("written_bytes"));
    static final long read_bytes = LAYOUT.byteOffset(PathElement.groupElement("read_bytes"));
    static final long cap_refusals = LAYOUT.byteOffset(PathElement.groupElement("cap_refusals"));
    static final long floor_refusals = LAYOUT.byteOffset(PathElement.groupElement("floor_refusals"));
    static final long write_ns = LAYOUT.byteOffset(PathElement.groupElement("write_ns"));
    static final long read_ns = LAYOUT.byteOffset(PathElement.groupElement("read_ns"));
    static final long swept_directories = LAYOUT.byteOffset(PathElement.groupElement("swept_directories"));
    static final long swept_bytes = LAYOUT.byteOffset(PathElement.groupElement("swept_bytes"));
  }

  /** {@code WeirSpillOptions} */
  static final class WeirSpillOptions {
    private WeirSpillOptions() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_INT.withName("compression"),
            JAVA_BYTE.withName("encrypt"),
            JAVA_BYTE.withName("validate"),
            MemoryLayout.sequenceLayout(6, JAVA_BYTE).withName("reserved"))
            .withName("WeirSpillOptions");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long compression = LAYOUT.byteOffset(PathElement.groupElement("compression"));
    static final long encrypt = LAYOUT.byteOffset(PathElement.groupElement("encrypt"));
    static final long validate = LAYOUT.byteOffset(PathElement.groupElement("validate"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
  }

  /** {@code WeirSpillReadOptions} */
  static final class WeirSpillReadOptions {
    private WeirSpillReadOptions() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_BYTE.withName("map"),
            JAVA_BYTE.withName("verify"),
            MemoryLayout.sequenceLayout(2, JAVA_BYTE).withName("reserved"))
            .withName("WeirSpillReadOptions");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long map = LAYOUT.byteOffset(PathElement.groupElement("map"));
    static final long verify = LAYOUT.byteOffset(PathElement.groupElement("verify"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
  }

  /** {@code WeirCacheKey} */
  static final class WeirCacheKey {
    private WeirCacheKey() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            ADDRESS.withName("prefix"),
            JAVA_LONG.withName("prefix_len"),
            ADDRESS.withName("key"),
            JAVA_LONG.withName("key_len"),
            ADDRESS.withName("type_name"))
            .withName("WeirCacheKey");
    static final long SIZE = LAYOUT.byteSize();
    static final long prefix = LAYOUT.byteOffset(PathElement.groupElement("prefix"));
    static final long prefix_len = LAYOUT.byteOffset(PathElement.groupElement("prefix_len"));
    static final long key = LAYOUT.byteOffset(PathElement.groupElement("key"));
    static final long key_len = LAYOUT.byteOffset(PathElement.groupElement("key_len"));
    static final long type_name = LAYOUT.byteOffset(PathElement.groupElement("type_name"));
  }

  /** {@code WeirCacheBackend} */
  static final class WeirCacheBackend {
    private WeirCacheBackend() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_INT.withName("reserved"),
            ADDRESS.withName("ctx"),
            ADDRESS.withName("release"),
            ADDRESS.withName("get"),
            ADDRESS.withName("insert"),
            ADDRESS.withName("invalidate_prefix"),
            ADDRESS.withName("clear"),
            ADDRESS.withName("num_entries"),
            ADDRESS.withName("size_bytes"))
            .withName("WeirCacheBackend");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long ctx = LAYOUT.byteOffset(PathElement.groupElement("ctx"));
    static final long release = LAYOUT.byteOffset(PathElement.groupElement("release"));
    static final long get = LAYOUT.byteOffset(PathElement.groupElement("get"));
    static final long insert = LAYOUT.byteOffset(PathElement.groupElement("insert"));
    static final long invalidate_prefix = LAYOUT.byteOffset(PathElement.groupElement("invalidate_prefix"));
    static final long clear = LAYOUT.byteOffset(PathElement.groupElement("clear"));
    static final long num_entries = LAYOUT.byteOffset(PathElement.groupElement("num_entries"));
    static final long size_bytes = LAYOUT.byteOffset(PathElement.groupElement("size_bytes"));
  }

  /** {@code WeirCacheOptions} */
  static final class WeirCacheOptions {
    private WeirCacheOptions() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_INT.withName("reserved"),
            JAVA_LONG.withName("capacity_bytes"),
            ADDRESS.withName("backend"),
            JAVA_LONG.withName("backend_timeout_ms"))
            .withName("WeirCacheOptions");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long capacity_bytes = LAYOUT.byteOffset(PathElement.groupElement("capacity_bytes"));
    static final long backend = LAYOUT.byteOffset(PathElement.groupElement("backend"));
    static final long backend_timeout_ms = LAYOUT.byteOffset(PathElement.groupElement("backend_timeout_ms"));
  }

  /** {@code WeirCacheStats} */
  static final class WeirCacheStats {
    private WeirCacheStats() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            JAVA_INT.withName("struct_size"),
            JAVA_INT.withName("reserved"),
            JAVA_LONG.withName("hits"),
            JAVA_LONG.withName("misses"),
            JAVA_LONG.withName("loads"),
            JAVA_LONG.withName("load_errors"),
            JAVA_LONG.withName("load_ns"),
            JAVA_LONG.withName("joined"),
            JAVA_LONG.withName("inserts"),
            JAVA_LONG.withName("stale"),
            JAVA_LONG.withName("evictions"),
            JAVA_LONG.withName("refused"),
            JAVA_LONG.withName("backend_errors"),
            JAVA_LONG.withName("unusable"),
            JAVA_LONG.withName("entries"),
            JAVA_LONG.withName("bytes"))
            .withName("WeirCacheStats");
    static final long SIZE = LAYOUT.byteSize();
    static final long struct_size = LAYOUT.byteOffset(PathElement.groupElement("struct_size"));
    static final long reserved = LAYOUT.byteOffset(PathElement.groupElement("reserved"));
    static final long hits = LAYOUT.byteOffset(PathElement.groupElement("hits"));
    static final long misses = LAYOUT.byteOffset(PathElement.groupElement("misses"));
    static final long loads = LAYOUT.byteOffset(PathElement.groupElement("loads"));
    static final long load_errors = LAYOUT.byteOffset(PathElement.groupElement("load_errors"));
    static final long load_ns = LAYOUT.byteOffset(PathElement.groupElement("load_ns"));
    static final long joined = LAYOUT.byteOffset(PathElement.groupElement("joined"));
    static final long inserts = LAYOUT.byteOffset(PathElement.groupElement("inserts"));
    static final long stale = LAYOUT.byteOffset(PathElement.groupElement("stale"));
    static final long evictions = LAYOUT.byteOffset(PathElement.groupElement("evictions"));
    static final long refused = LAYOUT.byteOffset(PathElement.groupElement("refused"));
    static final long backend_errors = LAYOUT.byteOffset(PathElement.groupElement("backend_errors"));
    static final long unusable = LAYOUT.byteOffset(PathElement.groupElement("unusable"));
    static final long entries = LAYOUT.byteOffset(PathElement.groupElement("entries"));
    static final long bytes = LAYOUT.byteOffset(PathElement.groupElement("bytes"));
  }

  /** {@code WeirCacheLoader} */
  static final class WeirCacheLoader {
    private WeirCacheLoader() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            ADDRESS.withName("load"),
            ADDRESS.withName("ctx"),
            ADDRESS.withName("release"))
            .withName("WeirCacheLoader");
    static final long SIZE = LAYOUT.byteSize();
    static final long load = LAYOUT.byteOffset(PathElement.groupElement("load"));
    static final long ctx = LAYOUT.byteOffset(PathElement.groupElement("ctx"));
    static final long release = LAYOUT.byteOffset(PathElement.groupElement("release"));
  }

  /** {@code WeirBytes} */
  static final class WeirBytes {
    private WeirBytes() {}

    static final StructLayout LAYOUT =
        MemoryLayout.structLayout(
            ADDRESS.withName("data"),
            JAVA_LONG.withName("len"))
            .withName("WeirBytes");
    static final long SIZE = LAYOUT.byteSize();
    static final long data = LAYOUT.byteOffset(PathElement.groupElement("data"));
    static final long len = LAYOUT.byteOffset(PathElement.groupElement("len"));
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

  /** {@code WeirCacheBackend_get} */
  static final FunctionDescriptor WeirCacheBackend_get =
      FunctionDescriptor.ofVoid(ADDRESS, ADDRESS, ADDRESS);

  /** {@code WeirCacheBackend_insert} */
  static final FunctionDescriptor WeirCacheBackend_insert =
      FunctionDescriptor.ofVoid(ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS);

  /** {@code WeirCacheBackend_invalidate_prefix} */
  static final FunctionDescriptor WeirCacheBackend_invalidate_prefix =
      FunctionDescriptor.ofVoid(ADDRESS, ADDRESS, JAVA_LONG, ADDRESS);

  /** {@code WeirCacheBackend_clear} */
  static final FunctionDescriptor WeirCacheBackend_clear =
      FunctionDescriptor.ofVoid(ADDRESS, ADDRESS);

  /** {@code WeirCacheBackend_num_entries} */
  static final FunctionDescriptor WeirCacheBackend_num_entries =
      FunctionDescriptor.ofVoid(ADDRESS, ADDRESS);

  /** {@code WeirCacheBackend_size_bytes} */
  static final FunctionDescriptor WeirCacheBackend_size_bytes =
      FunctionDescriptor.ofVoid(ADDRESS, ADDRESS);

  /** {@code WeirCacheLoader_load} */
  static final FunctionDescriptor WeirCacheLoader_load =
      FunctionDescriptor.ofVoid(ADDRESS, ADDRESS, ADDRESS);

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

  /** {@code WeirStatus weir_session_spill_store(const WeirSession *session, WeirSpillStore **store, WeirError **error)} */
  static int weir_session_spill_store(MemorySegment session, MemorySegment store, MemorySegment error) {
    try {
      return (int) weir_session_spill_store.HANDLE.invokeExact(session, store, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_session_spill_store {
    static final MethodHandle HANDLE =
        handle("weir_session_spill_store", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
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

  /** {@code WeirStatus weir_session_cache(const WeirSession *session, WeirCache **cache, WeirError **error)} */
  static int weir_session_cache(MemorySegment session, MemorySegment cache, MemorySegment error) {
    try {
      return (int) weir_session_cache.HANDLE.invokeExact(session, cache, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_session_cache {
    static final MethodHandle HANDLE =
        handle("weir_session_cache", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_session_memory(const WeirSession *session, WeirSessionMemory *memory, WeirError **error)} */
  static int weir_session_memory(MemorySegment session, MemorySegment memory, MemorySegment error) {
    try {
      return (int) weir_session_memory.HANDLE.invokeExact(session, memory, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_session_memory {
    static final MethodHandle HANDLE =
        handle("weir_session_memory", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_session_pressure(const WeirSession *session, WeirBuffer **text, WeirError **error)} */
  static int weir_session_pressure(MemorySegment session, MemorySegment text, MemorySegment error) {
    try {
      return (int) weir_session_pressure.HANDLE.invokeExact(session, text, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_session_pressure {
    static final MethodHandle HANDLE =
        handle("weir_session_pressure", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
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

  /** {@code WeirStatus weir_writer_delete(const WeirWriter *writer, struct ArrowArray *keys, const struct ArrowSchema *keys_schema, int64_t timeout_ms, WeirAck *ack, WeirError **error)} */
  static int weir_writer_delete(MemorySegment writer, MemorySegment keys, MemorySegment keys_schema, long timeout_ms, MemorySegment ack, MemorySegment error) {
    try {
      return (int) weir_writer_delete.HANDLE.invokeExact(writer, keys, keys_schema, timeout_ms, ack, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_delete {
    static final MethodHandle HANDLE =
        handle("weir_writer_delete", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_delete_async(const WeirWriter *writer, struct ArrowArray *keys, const struct ArrowSchema *keys_schema, WeirCompletion completion, WeirError **error)} */
  static int weir_writer_delete_async(MemorySegment writer, MemorySegment keys, MemorySegment keys_schema, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_writer_delete_async.HANDLE.invokeExact(writer, keys, keys_schema, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_delete_async {
    static final MethodHandle HANDLE =
        handle("weir_writer_delete_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_key_schema(const WeirWriter *writer, struct ArrowSchema *schema, WeirError **error)} */
  static int weir_writer_key_schema(MemorySegment writer, MemorySegment schema, MemorySegment error) {
    try {
      return (int) weir_writer_key_schema.HANDLE.invokeExact(writer, schema, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_key_schema {
    static final MethodHandle HANDLE =
        handle("weir_writer_key_schema", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_read_schema(const WeirWriter *writer, const char *const *columns, size_t columns_len, struct ArrowSchema *schema, WeirError **error)} */
  static int weir_writer_read_schema(MemorySegment writer, MemorySegment columns, long columns_len, MemorySegment schema, MemorySegment error) {
    try {
      return (int) weir_writer_read_schema.HANDLE.invokeExact(writer, columns, columns_len, schema, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_read_schema {
    static final MethodHandle HANDLE =
        handle("weir_writer_read_schema", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_freeze(const WeirWriter *writer, uint64_t *generation, WeirError **error)} */
  static int weir_writer_freeze(MemorySegment writer, MemorySegment generation, MemorySegment error) {
    try {
      return (int) weir_writer_freeze.HANDLE.invokeExact(writer, generation, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_freeze {
    static final MethodHandle HANDLE =
        handle("weir_writer_freeze", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_wait_flushed(const WeirWriter *writer, uint64_t generation, int64_t timeout_ms, WeirError **error)} */
  static int weir_writer_wait_flushed(MemorySegment writer, long generation, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_writer_wait_flushed.HANDLE.invokeExact(writer, generation, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_wait_flushed {
    static final MethodHandle HANDLE =
        handle("weir_writer_wait_flushed", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_wait_flushed_async(const WeirWriter *writer, uint64_t generation, WeirCompletion completion, WeirError **error)} */
  static int weir_writer_wait_flushed_async(MemorySegment writer, long generation, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_writer_wait_flushed_async.HANDLE.invokeExact(writer, generation, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_wait_flushed_async {
    static final MethodHandle HANDLE =
        handle("weir_writer_wait_flushed_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_compact(const WeirWriter *writer, int64_t timeout_ms, uint64_t *merges, WeirError **error)} */
  static int weir_writer_compact(MemorySegment writer, long timeout_ms, MemorySegment merges, MemorySegment error) {
    try {
      return (int) weir_writer_compact.HANDLE.invokeExact(writer, timeout_ms, merges, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_compact {
    static final MethodHandle HANDLE =
        handle("weir_writer_compact", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_compact_async(const WeirWriter *writer, WeirCompletion completion, WeirError **error)} */
  static int weir_writer_compact_async(MemorySegment writer, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_writer_compact_async.HANDLE.invokeExact(writer, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_compact_async {
    static final MethodHandle HANDLE =
        handle("weir_writer_compact_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_memtable_stats(const WeirWriter *writer, WeirMemTableStats *stats, WeirError **error)} */
  static int weir_writer_memtable_stats(MemorySegment writer, MemorySegment stats, MemorySegment error) {
    try {
      return (int) weir_writer_memtable_stats.HANDLE.invokeExact(writer, stats, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_memtable_stats {
    static final MethodHandle HANDLE =
        handle("weir_writer_memtable_stats", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code void weir_scan_options_init(WeirScanOptions *options, uint32_t struct_size)} */
  static void weir_scan_options_init(MemorySegment options, int struct_size) {
    try {
      weir_scan_options_init.HANDLE.invokeExact(options, struct_size);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_scan_options_init {
    static final MethodHandle HANDLE =
        handle("weir_scan_options_init", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT));
  }

  /** {@code WeirStatus weir_writer_scan(const WeirWriter *writer, const WeirScanOptions *options, struct ArrowArray *values, const struct ArrowSchema *values_schema, WeirScan **scan, WeirError **error)} */
  static int weir_writer_scan(MemorySegment writer, MemorySegment options, MemorySegment values, MemorySegment values_schema, MemorySegment scan, MemorySegment error) {
    try {
      return (int) weir_writer_scan.HANDLE.invokeExact(writer, options, values, values_schema, scan, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_scan {
    static final MethodHandle HANDLE =
        handle("weir_writer_scan", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_scan_schema(const WeirScan *scan, struct ArrowSchema *schema, WeirError **error)} */
  static int weir_scan_schema(MemorySegment scan, MemorySegment schema, MemorySegment error) {
    try {
      return (int) weir_scan_schema.HANDLE.invokeExact(scan, schema, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_scan_schema {
    static final MethodHandle HANDLE =
        handle("weir_scan_schema", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_scan_next(const WeirScan *scan, int64_t timeout_ms, WeirBatch **batch, WeirError **error)} */
  static int weir_scan_next(MemorySegment scan, long timeout_ms, MemorySegment batch, MemorySegment error) {
    try {
      return (int) weir_scan_next.HANDLE.invokeExact(scan, timeout_ms, batch, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_scan_next {
    static final MethodHandle HANDLE =
        handle("weir_scan_next", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_scan_next_async(const WeirScan *scan, WeirCompletion completion, WeirError **error)} */
  static int weir_scan_next_async(MemorySegment scan, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_scan_next_async.HANDLE.invokeExact(scan, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_scan_next_async {
    static final MethodHandle HANDLE =
        handle("weir_scan_next_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_scan_stream(const WeirScan *scan, struct ArrowArrayStream *stream, WeirError **error)} */
  static int weir_scan_stream(MemorySegment scan, MemorySegment stream, MemorySegment error) {
    try {
      return (int) weir_scan_stream.HANDLE.invokeExact(scan, stream, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_scan_stream {
    static final MethodHandle HANDLE =
        handle("weir_scan_stream", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code void weir_scan_free(WeirScan *scan)} */
  static void weir_scan_free(MemorySegment scan) {
    try {
      weir_scan_free.HANDLE.invokeExact(scan);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_scan_free {
    static final MethodHandle HANDLE =
        handle("weir_scan_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code void weir_get_options_init(WeirGetOptions *options, uint32_t struct_size)} */
  static void weir_get_options_init(MemorySegment options, int struct_size) {
    try {
      weir_get_options_init.HANDLE.invokeExact(options, struct_size);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_get_options_init {
    static final MethodHandle HANDLE =
        handle("weir_get_options_init", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT));
  }

  /** {@code WeirStatus weir_writer_get(const WeirWriter *writer, struct ArrowArray *keys, const struct ArrowSchema *keys_schema, const WeirGetOptions *options, int64_t timeout_ms, uint8_t *states, size_t states_len, struct ArrowArray *rows, WeirError **error)} */
  static int weir_writer_get(MemorySegment writer, MemorySegment keys, MemorySegment keys_schema, MemorySegment options, long timeout_ms, MemorySegment states, long states_len, MemorySegment rows, MemorySegment error) {
    try {
      return (int) weir_writer_get.HANDLE.invokeExact(writer, keys, keys_schema, options, timeout_ms, states, states_len, rows, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_get {
    static final MethodHandle HANDLE =
        handle("weir_writer_get", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_writer_get_async(const WeirWriter *writer, struct ArrowArray *keys, const struct ArrowSchema *keys_schema, const WeirGetOptions *options, WeirCompletion completion, WeirError **error)} */
  static int weir_writer_get_async(MemorySegment writer, MemorySegment keys, MemorySegment keys_schema, MemorySegment options, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_writer_get_async.HANDLE.invokeExact(writer, keys, keys_schema, options, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_writer_get_async {
    static final MethodHandle HANDLE =
        handle("weir_writer_get_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code void weir_snapshot_options_init(WeirSnapshotOptions *options, uint32_t struct_size)} */
  static void weir_snapshot_options_init(MemorySegment options, int struct_size) {
    try {
      weir_snapshot_options_init.HANDLE.invokeExact(options, struct_size);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_snapshot_options_init {
    static final MethodHandle HANDLE =
        handle("weir_snapshot_options_init", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT));
  }

  /** {@code WeirStatus weir_snapshot_open(const WeirSession *session, const char *root, const char *shard_id, const struct ArrowSchema *schema, const WeirSnapshotOptions *options, WeirSnapshot **snapshot, WeirError **error)} */
  static int weir_snapshot_open(MemorySegment session, MemorySegment root, MemorySegment shard_id, MemorySegment schema, MemorySegment options, MemorySegment snapshot, MemorySegment error) {
    try {
      return (int) weir_snapshot_open.HANDLE.invokeExact(session, root, shard_id, schema, options, snapshot, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_snapshot_open {
    static final MethodHandle HANDLE =
        handle("weir_snapshot_open", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_snapshot_open_async(const WeirSession *session, const char *root, const char *shard_id, const struct ArrowSchema *schema, const WeirSnapshotOptions *options, WeirCompletion completion, WeirError **error)} */
  static int weir_snapshot_open_async(MemorySegment session, MemorySegment root, MemorySegment shard_id, MemorySegment schema, MemorySegment options, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_snapshot_open_async.HANDLE.invokeExact(session, root, shard_id, schema, options, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_snapshot_open_async {
    static final MethodHandle HANDLE =
        handle("weir_snapshot_open_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_snapshot_schema(const WeirSnapshot *snapshot, struct ArrowSchema *schema, WeirError **error)} */
  static int weir_snapshot_schema(MemorySegment snapshot, MemorySegment schema, MemorySegment error) {
    try {
      return (int) weir_snapshot_schema.HANDLE.invokeExact(snapshot, schema, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_snapshot_schema {
    static final MethodHandle HANDLE =
        handle("weir_snapshot_schema", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_snapshot_key_schema(const WeirSnapshot *snapshot, struct ArrowSchema *schema, WeirError **error)} */
  static int weir_snapshot_key_schema(MemorySegment snapshot, MemorySegment schema, MemorySegment error) {
    try {
      return (int) weir_snapshot_key_schema.HANDLE.invokeExact(snapshot, schema, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_snapshot_key_schema {
    static final MethodHandle HANDLE =
        handle("weir_snapshot_key_schema", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_snapshot_read_schema(const WeirSnapshot *snapshot, const char *const *columns, size_t columns_len, struct ArrowSchema *schema, WeirError **error)} */
  static int weir_snapshot_read_schema(MemorySegment snapshot, MemorySegment columns, long columns_len, MemorySegment schema, MemorySegment error) {
    try {
      return (int) weir_snapshot_read_schema.HANDLE.invokeExact(snapshot, columns, columns_len, schema, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_snapshot_read_schema {
    static final MethodHandle HANDLE =
        handle("weir_snapshot_read_schema", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code uint64_t weir_snapshot_cut_position(const WeirSnapshot *snapshot)} */
  static long weir_snapshot_cut_position(MemorySegment snapshot) {
    try {
      return (long) weir_snapshot_cut_position.HANDLE.invokeExact(snapshot);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_snapshot_cut_position {
    static final MethodHandle HANDLE =
        handle("weir_snapshot_cut_position", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code WeirStatus weir_snapshot_manifest(const WeirSnapshot *snapshot, WeirManifest **manifest, WeirError **error)} */
  static int weir_snapshot_manifest(MemorySegment snapshot, MemorySegment manifest, MemorySegment error) {
    try {
      return (int) weir_snapshot_manifest.HANDLE.invokeExact(snapshot, manifest, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_snapshot_manifest {
    static final MethodHandle HANDLE =
        handle("weir_snapshot_manifest", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_snapshot_scan(const WeirSnapshot *snapshot, const WeirScanOptions *options, struct ArrowArray *values, const struct ArrowSchema *values_schema, WeirScan **scan, WeirError **error)} */
  static int weir_snapshot_scan(MemorySegment snapshot, MemorySegment options, MemorySegment values, MemorySegment values_schema, MemorySegment scan, MemorySegment error) {
    try {
      return (int) weir_snapshot_scan.HANDLE.invokeExact(snapshot, options, values, values_schema, scan, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_snapshot_scan {
    static final MethodHandle HANDLE =
        handle("weir_snapshot_scan", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_snapshot_get(const WeirSnapshot *snapshot, struct ArrowArray *keys, const struct ArrowSchema *keys_schema, const WeirGetOptions *options, int64_t timeout_ms, uint8_t *states, size_t states_len, struct ArrowArray *rows, WeirError **error)} */
  static int weir_snapshot_get(MemorySegment snapshot, MemorySegment keys, MemorySegment keys_schema, MemorySegment options, long timeout_ms, MemorySegment states, long states_len, MemorySegment rows, MemorySegment error) {
    try {
      return (int) weir_snapshot_get.HANDLE.invokeExact(snapshot, keys, keys_schema, options, timeout_ms, states, states_len, rows, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_snapshot_get {
    static final MethodHandle HANDLE =
        handle("weir_snapshot_get", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_snapshot_get_async(const WeirSnapshot *snapshot, struct ArrowArray *keys, const struct ArrowSchema *keys_schema, const WeirGetOptions *options, WeirCompletion completion, WeirError **error)} */
  static int weir_snapshot_get_async(MemorySegment snapshot, MemorySegment keys, MemorySegment keys_schema, MemorySegment options, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_snapshot_get_async.HANDLE.invokeExact(snapshot, keys, keys_schema, options, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_snapshot_get_async {
    static final MethodHandle HANDLE =
        handle("weir_snapshot_get_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code void weir_snapshot_free(WeirSnapshot *snapshot)} */
  static void weir_snapshot_free(MemorySegment snapshot) {
    try {
      weir_snapshot_free.HANDLE.invokeExact(snapshot);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_snapshot_free {
    static final MethodHandle HANDLE =
        handle("weir_snapshot_free", FunctionDescriptor.ofVoid(ADDRESS));
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

  /** {@code uint64_t weir_entry_schema_id(const WeirEntry *entry)} */
  static long weir_entry_schema_id(MemorySegment entry) {
    try {
      return (long) weir_entry_schema_id.HANDLE.invokeExact(entry);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_entry_schema_id {
    static final MethodHandle HANDLE =
        handle("weir_entry_schema_id", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
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

  /** {@code void weir_spill_store_options_init(WeirSpillStoreOptions *options, uint32_t struct_size)} */
  static void weir_spill_store_options_init(MemorySegment options, int struct_size) {
    try {
      weir_spill_store_options_init.HANDLE.invokeExact(options, struct_size);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_store_options_init {
    static final MethodHandle HANDLE =
        handle("weir_spill_store_options_init", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT));
  }

  /** {@code WeirStatus weir_spill_store_new(const WeirSession *session, const WeirSpillStoreOptions *options, WeirSpillStore **store, WeirError **error)} */
  static int weir_spill_store_new(MemorySegment session, MemorySegment options, MemorySegment store, MemorySegment error) {
    try {
      return (int) weir_spill_store_new.HANDLE.invokeExact(session, options, store, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_store_new {
    static final MethodHandle HANDLE =
        handle("weir_spill_store_new", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_store_child(const WeirSpillStore *store, uint64_t cap_bytes, WeirSpillStore **child, WeirError **error)} */
  static int weir_spill_store_child(MemorySegment store, long cap_bytes, MemorySegment child, MemorySegment error) {
    try {
      return (int) weir_spill_store_child.HANDLE.invokeExact(store, cap_bytes, child, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_store_child {
    static final MethodHandle HANDLE =
        handle("weir_spill_store_child", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code uint64_t weir_spill_store_used_bytes(const WeirSpillStore *store)} */
  static long weir_spill_store_used_bytes(MemorySegment store) {
    try {
      return (long) weir_spill_store_used_bytes.HANDLE.invokeExact(store);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_store_used_bytes {
    static final MethodHandle HANDLE =
        handle("weir_spill_store_used_bytes", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code uint64_t weir_spill_store_cap_bytes(const WeirSpillStore *store)} */
  static long weir_spill_store_cap_bytes(MemorySegment store) {
    try {
      return (long) weir_spill_store_cap_bytes.HANDLE.invokeExact(store);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_store_cap_bytes {
    static final MethodHandle HANDLE =
        handle("weir_spill_store_cap_bytes", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code WeirStatus weir_spill_store_stats(const WeirSpillStore *store, WeirSpillStats *stats, WeirError **error)} */
  static int weir_spill_store_stats(MemorySegment store, MemorySegment stats, MemorySegment error) {
    try {
      return (int) weir_spill_store_stats.HANDLE.invokeExact(store, stats, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_store_stats {
    static final MethodHandle HANDLE =
        handle("weir_spill_store_stats", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_store_close(const WeirSpillStore *store, int64_t timeout_ms, WeirError **error)} */
  static int weir_spill_store_close(MemorySegment store, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_spill_store_close.HANDLE.invokeExact(store, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_store_close {
    static final MethodHandle HANDLE =
        handle("weir_spill_store_close", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_store_close_async(const WeirSpillStore *store, WeirCompletion completion, WeirError **error)} */
  static int weir_spill_store_close_async(MemorySegment store, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_spill_store_close_async.HANDLE.invokeExact(store, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_store_close_async {
    static final MethodHandle HANDLE =
        handle("weir_spill_store_close_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code void weir_spill_store_free(WeirSpillStore *store)} */
  static void weir_spill_store_free(MemorySegment store) {
    try {
      weir_spill_store_free.HANDLE.invokeExact(store);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_store_free {
    static final MethodHandle HANDLE =
        handle("weir_spill_store_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code void weir_spill_options_init(WeirSpillOptions *options, uint32_t struct_size)} */
  static void weir_spill_options_init(MemorySegment options, int struct_size) {
    try {
      weir_spill_options_init.HANDLE.invokeExact(options, struct_size);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_options_init {
    static final MethodHandle HANDLE =
        handle("weir_spill_options_init", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT));
  }

  /** {@code WeirStatus weir_spill_begin(const WeirSpillStore *store, const WeirSpillOptions *options, WeirSpillWriter **writer, WeirError **error)} */
  static int weir_spill_begin(MemorySegment store, MemorySegment options, MemorySegment writer, MemorySegment error) {
    try {
      return (int) weir_spill_begin.HANDLE.invokeExact(store, options, writer, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_begin {
    static final MethodHandle HANDLE =
        handle("weir_spill_begin", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_begin_batches(const WeirSpillStore *store, const struct ArrowSchema *schema, const WeirSpillOptions *options, WeirSpillWriter **writer, WeirError **error)} */
  static int weir_spill_begin_batches(MemorySegment store, MemorySegment schema, MemorySegment options, MemorySegment writer, MemorySegment error) {
    try {
      return (int) weir_spill_begin_batches.HANDLE.invokeExact(store, schema, options, writer, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_begin_batches {
    static final MethodHandle HANDLE =
        handle("weir_spill_begin_batches", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code uint64_t weir_spill_writer_len(const WeirSpillWriter *writer)} */
  static long weir_spill_writer_len(MemorySegment writer) {
    try {
      return (long) weir_spill_writer_len.HANDLE.invokeExact(writer);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_writer_len {
    static final MethodHandle HANDLE =
        handle("weir_spill_writer_len", FunctionDescriptor.of(JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_writer_finish(const WeirSpillWriter *writer, int64_t timeout_ms, WeirSpill **spill, WeirError **error)} */
  static int weir_spill_writer_finish(MemorySegment writer, long timeout_ms, MemorySegment spill, MemorySegment error) {
    try {
      return (int) weir_spill_writer_finish.HANDLE.invokeExact(writer, timeout_ms, spill, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_writer_finish {
    static final MethodHandle HANDLE =
        handle("weir_spill_writer_finish", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_writer_finish_async(const WeirSpillWriter *writer, WeirCompletion completion, WeirError **error)} */
  static int weir_spill_writer_finish_async(MemorySegment writer, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_spill_writer_finish_async.HANDLE.invokeExact(writer, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_writer_finish_async {
    static final MethodHandle HANDLE =
        handle("weir_spill_writer_finish_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_writer_abort(const WeirSpillWriter *writer, WeirError **error)} */
  static int weir_spill_writer_abort(MemorySegment writer, MemorySegment error) {
    try {
      return (int) weir_spill_writer_abort.HANDLE.invokeExact(writer, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_writer_abort {
    static final MethodHandle HANDLE =
        handle("weir_spill_writer_abort", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS));
  }

  /** {@code void weir_spill_writer_free(WeirSpillWriter *writer)} */
  static void weir_spill_writer_free(MemorySegment writer) {
    try {
      weir_spill_writer_free.HANDLE.invokeExact(writer);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_writer_free {
    static final MethodHandle HANDLE =
        handle("weir_spill_writer_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code void weir_spill_read_options_init(WeirSpillReadOptions *options, uint32_t struct_size)} */
  static void weir_spill_read_options_init(MemorySegment options, int struct_size) {
    try {
      weir_spill_read_options_init.HANDLE.invokeExact(options, struct_size);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_read_options_init {
    static final MethodHandle HANDLE =
        handle("weir_spill_read_options_init", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT));
  }

  /** {@code uint64_t weir_spill_len(const WeirSpill *spill)} */
  static long weir_spill_len(MemorySegment spill) {
    try {
      return (long) weir_spill_len.HANDLE.invokeExact(spill);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_len {
    static final MethodHandle HANDLE =
        handle("weir_spill_len", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code uint64_t weir_spill_stored_bytes(const WeirSpill *spill)} */
  static long weir_spill_stored_bytes(MemorySegment spill) {
    try {
      return (long) weir_spill_stored_bytes.HANDLE.invokeExact(spill);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_stored_bytes {
    static final MethodHandle HANDLE =
        handle("weir_spill_stored_bytes", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code uint64_t weir_spill_rows(const WeirSpill *spill)} */
  static long weir_spill_rows(MemorySegment spill) {
    try {
      return (long) weir_spill_rows.HANDLE.invokeExact(spill);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_rows {
    static final MethodHandle HANDLE =
        handle("weir_spill_rows", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code size_t weir_spill_batch_count(const WeirSpill *spill)} */
  static long weir_spill_batch_count(MemorySegment spill) {
    try {
      return (long) weir_spill_batch_count.HANDLE.invokeExact(spill);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_batch_count {
    static final MethodHandle HANDLE =
        handle("weir_spill_batch_count", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code WeirStatus weir_spill_schema(const WeirSpill *spill, struct ArrowSchema *schema, WeirError **error)} */
  static int weir_spill_schema(MemorySegment spill, MemorySegment schema, MemorySegment error) {
    try {
      return (int) weir_spill_schema.HANDLE.invokeExact(spill, schema, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_schema {
    static final MethodHandle HANDLE =
        handle("weir_spill_schema", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_read_at(const WeirSpill *spill, uint64_t offset, uint8_t *out, size_t len, int64_t timeout_ms, size_t *n, WeirError **error)} */
  static int weir_spill_read_at(MemorySegment spill, long offset, MemorySegment out, long len, long timeout_ms, MemorySegment n, MemorySegment error) {
    try {
      return (int) weir_spill_read_at.HANDLE.invokeExact(spill, offset, out, len, timeout_ms, n, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_read_at {
    static final MethodHandle HANDLE =
        handle("weir_spill_read_at", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_read_at_async(const WeirSpill *spill, uint64_t offset, size_t len, WeirCompletion completion, WeirError **error)} */
  static int weir_spill_read_at_async(MemorySegment spill, long offset, long len, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_spill_read_at_async.HANDLE.invokeExact(spill, offset, len, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_read_at_async {
    static final MethodHandle HANDLE =
        handle("weir_spill_read_at_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_map(const WeirSpill *spill, const uint8_t **data, size_t *len, WeirError **error)} */
  static int weir_spill_map(MemorySegment spill, MemorySegment data, MemorySegment len, MemorySegment error) {
    try {
      return (int) weir_spill_map.HANDLE.invokeExact(spill, data, len, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_map {
    static final MethodHandle HANDLE =
        handle("weir_spill_map", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_map_async(const WeirSpill *spill, WeirCompletion completion, WeirError **error)} */
  static int weir_spill_map_async(MemorySegment spill, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_spill_map_async.HANDLE.invokeExact(spill, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_map_async {
    static final MethodHandle HANDLE =
        handle("weir_spill_map_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_batch(const WeirSpill *spill, size_t index, const WeirSpillReadOptions *options, int64_t timeout_ms, struct ArrowArray *array, WeirError **error)} */
  static int weir_spill_batch(MemorySegment spill, long index, MemorySegment options, long timeout_ms, MemorySegment array, MemorySegment error) {
    try {
      return (int) weir_spill_batch.HANDLE.invokeExact(spill, index, options, timeout_ms, array, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_batch {
    static final MethodHandle HANDLE =
        handle("weir_spill_batch", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_batch_async(const WeirSpill *spill, size_t index, const WeirSpillReadOptions *options, WeirCompletion completion, WeirError **error)} */
  static int weir_spill_batch_async(MemorySegment spill, long index, MemorySegment options, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_spill_batch_async.HANDLE.invokeExact(spill, index, options, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_batch_async {
    static final MethodHandle HANDLE =
        handle("weir_spill_batch_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_stream(const WeirSpill *spill, const WeirSpillReadOptions *options, struct ArrowArrayStream *stream, WeirError **error)} */
  static int weir_spill_stream(MemorySegment spill, MemorySegment options, MemorySegment stream, MemorySegment error) {
    try {
      return (int) weir_spill_stream.HANDLE.invokeExact(spill, options, stream, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_stream {
    static final MethodHandle HANDLE =
        handle("weir_spill_stream", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code void weir_spill_free(WeirSpill *spill)} */
  static void weir_spill_free(MemorySegment spill) {
    try {
      weir_spill_free.HANDLE.invokeExact(spill);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_free {
    static final MethodHandle HANDLE =
        handle("weir_spill_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code WeirStatus weir_spill_reader(const WeirSpill *spill, WeirSpillReader **reader, WeirError **error)} */
  static int weir_spill_reader(MemorySegment spill, MemorySegment reader, MemorySegment error) {
    try {
      return (int) weir_spill_reader.HANDLE.invokeExact(spill, reader, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_reader {
    static final MethodHandle HANDLE =
        handle("weir_spill_reader", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_reader_read(const WeirSpillReader *reader, uint8_t *out, size_t len, int64_t timeout_ms, size_t *n, WeirError **error)} */
  static int weir_spill_reader_read(MemorySegment reader, MemorySegment out, long len, long timeout_ms, MemorySegment n, MemorySegment error) {
    try {
      return (int) weir_spill_reader_read.HANDLE.invokeExact(reader, out, len, timeout_ms, n, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_reader_read {
    static final MethodHandle HANDLE =
        handle("weir_spill_reader_read", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_reader_read_async(const WeirSpillReader *reader, size_t len, WeirCompletion completion, WeirError **error)} */
  static int weir_spill_reader_read_async(MemorySegment reader, long len, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_spill_reader_read_async.HANDLE.invokeExact(reader, len, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_reader_read_async {
    static final MethodHandle HANDLE =
        handle("weir_spill_reader_read_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_reader_seek(const WeirSpillReader *reader, uint64_t offset, int64_t timeout_ms, WeirError **error)} */
  static int weir_spill_reader_seek(MemorySegment reader, long offset, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_spill_reader_seek.HANDLE.invokeExact(reader, offset, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_reader_seek {
    static final MethodHandle HANDLE =
        handle("weir_spill_reader_seek", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS));
  }

  /** {@code void weir_spill_reader_free(WeirSpillReader *reader)} */
  static void weir_spill_reader_free(MemorySegment reader) {
    try {
      weir_spill_reader_free.HANDLE.invokeExact(reader);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_reader_free {
    static final MethodHandle HANDLE =
        handle("weir_spill_reader_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code WeirStatus weir_batch_array(const WeirBatch *batch, struct ArrowArray *array, WeirError **error)} */
  static int weir_batch_array(MemorySegment batch, MemorySegment array, MemorySegment error) {
    try {
      return (int) weir_batch_array.HANDLE.invokeExact(batch, array, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_batch_array {
    static final MethodHandle HANDLE =
        handle("weir_batch_array", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_batch_schema(const WeirBatch *batch, struct ArrowSchema *schema, WeirError **error)} */
  static int weir_batch_schema(MemorySegment batch, MemorySegment schema, MemorySegment error) {
    try {
      return (int) weir_batch_schema.HANDLE.invokeExact(batch, schema, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_batch_schema {
    static final MethodHandle HANDLE =
        handle("weir_batch_schema", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code uint64_t weir_batch_rows(const WeirBatch *batch)} */
  static long weir_batch_rows(MemorySegment batch) {
    try {
      return (long) weir_batch_rows.HANDLE.invokeExact(batch);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_batch_rows {
    static final MethodHandle HANDLE =
        handle("weir_batch_rows", FunctionDescriptor.of(JAVA_LONG, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code void weir_batch_states(const WeirBatch *batch, const uint8_t **states, size_t *len)} */
  static void weir_batch_states(MemorySegment batch, MemorySegment states, MemorySegment len) {
    try {
      weir_batch_states.HANDLE.invokeExact(batch, states, len);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_batch_states {
    static final MethodHandle HANDLE =
        handle("weir_batch_states", FunctionDescriptor.ofVoid(ADDRESS, ADDRESS, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code void weir_batch_free(WeirBatch *batch)} */
  static void weir_batch_free(MemorySegment batch) {
    try {
      weir_batch_free.HANDLE.invokeExact(batch);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_batch_free {
    static final MethodHandle HANDLE =
        handle("weir_batch_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code void weir_cache_options_init(WeirCacheOptions *options, uint32_t struct_size)} */
  static void weir_cache_options_init(MemorySegment options, int struct_size) {
    try {
      weir_cache_options_init.HANDLE.invokeExact(options, struct_size);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_options_init {
    static final MethodHandle HANDLE =
        handle("weir_cache_options_init", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT));
  }

  /** {@code WeirStatus weir_cache_new(const WeirCacheOptions *options, WeirCache **cache, WeirError **error)} */
  static int weir_cache_new(MemorySegment options, MemorySegment cache, MemorySegment error) {
    try {
      return (int) weir_cache_new.HANDLE.invokeExact(options, cache, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_new {
    static final MethodHandle HANDLE =
        handle("weir_cache_new", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code void weir_cache_free(WeirCache *cache)} */
  static void weir_cache_free(MemorySegment cache) {
    try {
      weir_cache_free.HANDLE.invokeExact(cache);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_free {
    static final MethodHandle HANDLE =
        handle("weir_cache_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code WeirStatus weir_cache_get(const WeirCache *cache, const WeirCacheKey *key, int64_t timeout_ms, WeirCacheValue **value, WeirError **error)} */
  static int weir_cache_get(MemorySegment cache, MemorySegment key, long timeout_ms, MemorySegment value, MemorySegment error) {
    try {
      return (int) weir_cache_get.HANDLE.invokeExact(cache, key, timeout_ms, value, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_get {
    static final MethodHandle HANDLE =
        handle("weir_cache_get", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_get_async(const WeirCache *cache, const WeirCacheKey *key, WeirCompletion completion, WeirError **error)} */
  static int weir_cache_get_async(MemorySegment cache, MemorySegment key, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_cache_get_async.HANDLE.invokeExact(cache, key, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_get_async {
    static final MethodHandle HANDLE =
        handle("weir_cache_get_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_insert(const WeirCache *cache, const WeirCacheKey *key, const uint8_t *data, size_t len, int64_t timeout_ms, WeirError **error)} */
  static int weir_cache_insert(MemorySegment cache, MemorySegment key, MemorySegment data, long len, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_cache_insert.HANDLE.invokeExact(cache, key, data, len, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_insert {
    static final MethodHandle HANDLE =
        handle("weir_cache_insert", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_insert_async(const WeirCache *cache, const WeirCacheKey *key, const uint8_t *data, size_t len, WeirCompletion completion, WeirError **error)} */
  static int weir_cache_insert_async(MemorySegment cache, MemorySegment key, MemorySegment data, long len, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_cache_insert_async.HANDLE.invokeExact(cache, key, data, len, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_insert_async {
    static final MethodHandle HANDLE =
        handle("weir_cache_insert_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_insert_batch(const WeirCache *cache, const WeirCacheKey *key, struct ArrowArray *array, const struct ArrowSchema *schema, int64_t timeout_ms, WeirError **error)} */
  static int weir_cache_insert_batch(MemorySegment cache, MemorySegment key, MemorySegment array, MemorySegment schema, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_cache_insert_batch.HANDLE.invokeExact(cache, key, array, schema, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_insert_batch {
    static final MethodHandle HANDLE =
        handle("weir_cache_insert_batch", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_insert_batch_async(const WeirCache *cache, const WeirCacheKey *key, struct ArrowArray *array, const struct ArrowSchema *schema, WeirCompletion completion, WeirError **error)} */
  static int weir_cache_insert_batch_async(MemorySegment cache, MemorySegment key, MemorySegment array, MemorySegment schema, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_cache_insert_batch_async.HANDLE.invokeExact(cache, key, array, schema, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_insert_batch_async {
    static final MethodHandle HANDLE =
        handle("weir_cache_insert_batch_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_invalidate_prefix(const WeirCache *cache, const uint8_t *prefix, size_t prefix_len, int64_t timeout_ms, WeirError **error)} */
  static int weir_cache_invalidate_prefix(MemorySegment cache, MemorySegment prefix, long prefix_len, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_cache_invalidate_prefix.HANDLE.invokeExact(cache, prefix, prefix_len, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_invalidate_prefix {
    static final MethodHandle HANDLE =
        handle("weir_cache_invalidate_prefix", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_invalidate_prefix_async(const WeirCache *cache, const uint8_t *prefix, size_t prefix_len, WeirCompletion completion, WeirError **error)} */
  static int weir_cache_invalidate_prefix_async(MemorySegment cache, MemorySegment prefix, long prefix_len, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_cache_invalidate_prefix_async.HANDLE.invokeExact(cache, prefix, prefix_len, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_invalidate_prefix_async {
    static final MethodHandle HANDLE =
        handle("weir_cache_invalidate_prefix_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_clear(const WeirCache *cache, int64_t timeout_ms, WeirError **error)} */
  static int weir_cache_clear(MemorySegment cache, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_cache_clear.HANDLE.invokeExact(cache, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_clear {
    static final MethodHandle HANDLE =
        handle("weir_cache_clear", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_clear_async(const WeirCache *cache, WeirCompletion completion, WeirError **error)} */
  static int weir_cache_clear_async(MemorySegment cache, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_cache_clear_async.HANDLE.invokeExact(cache, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_clear_async {
    static final MethodHandle HANDLE =
        handle("weir_cache_clear_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code int32_t weir_cache_value_kind(const WeirCacheValue *value)} */
  static int weir_cache_value_kind(MemorySegment value) {
    try {
      return (int) weir_cache_value_kind.HANDLE.invokeExact(value);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_value_kind {
    static final MethodHandle HANDLE =
        handle("weir_cache_value_kind", FunctionDescriptor.of(JAVA_INT, ADDRESS), Linker.Option.critical(false));
  }

  /** {@code const uint8_t *weir_cache_value_data(const WeirCacheValue *value)} */
  static MemorySegment weir_cache_value_data(MemorySegment value) {
    try {
      return (MemorySegment) weir_cache_value_data.HANDLE.invokeExact(value);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_value_data {
    static final MethodHandle HANDLE =
        handle("weir_cache_value_data", FunctionDescriptor.of(ADDRESS, ADDRESS));
  }

  /** {@code size_t weir_cache_value_len(const WeirCacheValue *value)} */
  static long weir_cache_value_len(MemorySegment value) {
    try {
      return (long) weir_cache_value_len.HANDLE.invokeExact(value);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_value_len {
    static final MethodHandle HANDLE =
        handle("weir_cache_value_len", FunctionDescriptor.of(JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_value_batch(const WeirCacheValue *value, struct ArrowArray *array, struct ArrowSchema *schema, WeirError **error)} */
  static int weir_cache_value_batch(MemorySegment value, MemorySegment array, MemorySegment schema, MemorySegment error) {
    try {
      return (int) weir_cache_value_batch.HANDLE.invokeExact(value, array, schema, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_value_batch {
    static final MethodHandle HANDLE =
        handle("weir_cache_value_batch", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code void weir_cache_value_free(WeirCacheValue *value)} */
  static void weir_cache_value_free(MemorySegment value) {
    try {
      weir_cache_value_free.HANDLE.invokeExact(value);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_value_free {
    static final MethodHandle HANDLE =
        handle("weir_cache_value_free", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code WeirStatus weir_cache_backend_check(const WeirCacheBackend *backend, WeirError **error)} */
  static int weir_cache_backend_check(MemorySegment backend, MemorySegment error) {
    try {
      return (int) weir_cache_backend_check.HANDLE.invokeExact(backend, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_backend_check {
    static final MethodHandle HANDLE =
        handle("weir_cache_backend_check", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_stats(const WeirCache *cache, WeirCacheStats *stats, WeirError **error)} */
  static int weir_cache_stats(MemorySegment cache, MemorySegment stats, MemorySegment error) {
    try {
      return (int) weir_cache_stats.HANDLE.invokeExact(cache, stats, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_stats {
    static final MethodHandle HANDLE =
        handle("weir_cache_stats", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_num_entries(const WeirCache *cache, int64_t timeout_ms, uint64_t *number, WeirError **error)} */
  static int weir_cache_num_entries(MemorySegment cache, long timeout_ms, MemorySegment number, MemorySegment error) {
    try {
      return (int) weir_cache_num_entries.HANDLE.invokeExact(cache, timeout_ms, number, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_num_entries {
    static final MethodHandle HANDLE =
        handle("weir_cache_num_entries", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_num_entries_async(const WeirCache *cache, WeirCompletion completion, WeirError **error)} */
  static int weir_cache_num_entries_async(MemorySegment cache, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_cache_num_entries_async.HANDLE.invokeExact(cache, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_num_entries_async {
    static final MethodHandle HANDLE =
        handle("weir_cache_num_entries_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_size_bytes(const WeirCache *cache, int64_t timeout_ms, uint64_t *number, WeirError **error)} */
  static int weir_cache_size_bytes(MemorySegment cache, long timeout_ms, MemorySegment number, MemorySegment error) {
    try {
      return (int) weir_cache_size_bytes.HANDLE.invokeExact(cache, timeout_ms, number, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_size_bytes {
    static final MethodHandle HANDLE =
        handle("weir_cache_size_bytes", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_size_bytes_async(const WeirCache *cache, WeirCompletion completion, WeirError **error)} */
  static int weir_cache_size_bytes_async(MemorySegment cache, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_cache_size_bytes_async.HANDLE.invokeExact(cache, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_size_bytes_async {
    static final MethodHandle HANDLE =
        handle("weir_cache_size_bytes_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
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

  /** {@code WeirStatus weir_cache_get_or_insert(const WeirCache *cache, const WeirCacheKey *key, WeirCacheLoader loader, int64_t timeout_ms, WeirCacheValue **value, uint8_t *was_cached, WeirError **error)} */
  static int weir_cache_get_or_insert(MemorySegment cache, MemorySegment key, MemorySegment loader, long timeout_ms, MemorySegment value, MemorySegment was_cached, MemorySegment error) {
    try {
      return (int) weir_cache_get_or_insert.HANDLE.invokeExact(cache, key, loader, timeout_ms, value, was_cached, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_get_or_insert {
    static final MethodHandle HANDLE =
        handle("weir_cache_get_or_insert", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, WeirCacheLoader.LAYOUT, JAVA_LONG, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_get_or_insert_async(const WeirCache *cache, const WeirCacheKey *key, WeirCacheLoader loader, WeirCompletion completion, WeirError **error)} */
  static int weir_cache_get_or_insert_async(MemorySegment cache, MemorySegment key, MemorySegment loader, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_cache_get_or_insert_async.HANDLE.invokeExact(cache, key, loader, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_get_or_insert_async {
    static final MethodHandle HANDLE =
        handle("weir_cache_get_or_insert_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, WeirCacheLoader.LAYOUT, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_reply_bytes(WeirCacheReply *reply, const uint8_t *data, size_t len, WeirError **error)} */
  static int weir_cache_reply_bytes(MemorySegment reply, MemorySegment data, long len, MemorySegment error) {
    try {
      return (int) weir_cache_reply_bytes.HANDLE.invokeExact(reply, data, len, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_reply_bytes {
    static final MethodHandle HANDLE =
        handle("weir_cache_reply_bytes", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_reply_batch(WeirCacheReply *reply, struct ArrowArray *array, const struct ArrowSchema *schema, WeirError **error)} */
  static int weir_cache_reply_batch(MemorySegment reply, MemorySegment array, MemorySegment schema, MemorySegment error) {
    try {
      return (int) weir_cache_reply_batch.HANDLE.invokeExact(reply, array, schema, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_reply_batch {
    static final MethodHandle HANDLE =
        handle("weir_cache_reply_batch", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_cache_reply_value(WeirCacheReply *reply, const WeirCacheValue *value, WeirError **error)} */
  static int weir_cache_reply_value(MemorySegment reply, MemorySegment value, MemorySegment error) {
    try {
      return (int) weir_cache_reply_value.HANDLE.invokeExact(reply, value, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_reply_value {
    static final MethodHandle HANDLE =
        handle("weir_cache_reply_value", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
  }

  /** {@code void weir_cache_reply_miss(WeirCacheReply *reply)} */
  static void weir_cache_reply_miss(MemorySegment reply) {
    try {
      weir_cache_reply_miss.HANDLE.invokeExact(reply);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_reply_miss {
    static final MethodHandle HANDLE =
        handle("weir_cache_reply_miss", FunctionDescriptor.ofVoid(ADDRESS));
  }

  /** {@code void weir_cache_reply_done(WeirCacheReply *reply, uint64_t number)} */
  static void weir_cache_reply_done(MemorySegment reply, long number) {
    try {
      weir_cache_reply_done.HANDLE.invokeExact(reply, number);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_reply_done {
    static final MethodHandle HANDLE =
        handle("weir_cache_reply_done", FunctionDescriptor.ofVoid(ADDRESS, JAVA_LONG));
  }

  /** {@code void weir_cache_reply_error(WeirCacheReply *reply, const char *message)} */
  static void weir_cache_reply_error(MemorySegment reply, MemorySegment message) {
    try {
      weir_cache_reply_error.HANDLE.invokeExact(reply, message);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_cache_reply_error {
    static final MethodHandle HANDLE =
        handle("weir_cache_reply_error", FunctionDescriptor.ofVoid(ADDRESS, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_writer_write(const WeirSpillWriter *writer, const uint8_t *data, size_t len, int64_t timeout_ms, WeirError **error)} */
  static int weir_spill_writer_write(MemorySegment writer, MemorySegment data, long len, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_spill_writer_write.HANDLE.invokeExact(writer, data, len, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_writer_write {
    static final MethodHandle HANDLE =
        handle("weir_spill_writer_write", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_writer_write_async(const WeirSpillWriter *writer, const uint8_t *data, size_t len, WeirCompletion completion, WeirError **error)} */
  static int weir_spill_writer_write_async(MemorySegment writer, MemorySegment data, long len, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_spill_writer_write_async.HANDLE.invokeExact(writer, data, len, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_writer_write_async {
    static final MethodHandle HANDLE =
        handle("weir_spill_writer_write_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_writer_writev(const WeirSpillWriter *writer, const WeirBytes *parts, size_t parts_len, int64_t timeout_ms, WeirError **error)} */
  static int weir_spill_writer_writev(MemorySegment writer, MemorySegment parts, long parts_len, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_spill_writer_writev.HANDLE.invokeExact(writer, parts, parts_len, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_writer_writev {
    static final MethodHandle HANDLE =
        handle("weir_spill_writer_writev", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_writer_writev_async(const WeirSpillWriter *writer, const WeirBytes *parts, size_t parts_len, WeirCompletion completion, WeirError **error)} */
  static int weir_spill_writer_writev_async(MemorySegment writer, MemorySegment parts, long parts_len, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_spill_writer_writev_async.HANDLE.invokeExact(writer, parts, parts_len, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_writer_writev_async {
    static final MethodHandle HANDLE =
        handle("weir_spill_writer_writev_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_writer_write_batch(const WeirSpillWriter *writer, struct ArrowArray *array, int64_t timeout_ms, WeirError **error)} */
  static int weir_spill_writer_write_batch(MemorySegment writer, MemorySegment array, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_spill_writer_write_batch.HANDLE.invokeExact(writer, array, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_writer_write_batch {
    static final MethodHandle HANDLE =
        handle("weir_spill_writer_write_batch", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_writer_write_batch_async(const WeirSpillWriter *writer, struct ArrowArray *array, WeirCompletion completion, WeirError **error)} */
  static int weir_spill_writer_write_batch_async(MemorySegment writer, MemorySegment array, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_spill_writer_write_batch_async.HANDLE.invokeExact(writer, array, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_writer_write_batch_async {
    static final MethodHandle HANDLE =
        handle("weir_spill_writer_write_batch_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_writer_write_stream(const WeirSpillWriter *writer, struct ArrowArrayStream *stream, int64_t timeout_ms, WeirError **error)} */
  static int weir_spill_writer_write_stream(MemorySegment writer, MemorySegment stream, long timeout_ms, MemorySegment error) {
    try {
      return (int) weir_spill_writer_write_stream.HANDLE.invokeExact(writer, stream, timeout_ms, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_writer_write_stream {
    static final MethodHandle HANDLE =
        handle("weir_spill_writer_write_stream", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS));
  }

  /** {@code WeirStatus weir_spill_writer_write_stream_async(const WeirSpillWriter *writer, struct ArrowArrayStream *stream, WeirCompletion completion, WeirError **error)} */
  static int weir_spill_writer_write_stream_async(MemorySegment writer, MemorySegment stream, MemorySegment completion, MemorySegment error) {
    try {
      return (int) weir_spill_writer_write_stream_async.HANDLE.invokeExact(writer, stream, completion, error);
    } catch (Throwable thrown) {
      throw unexpected(thrown);
    }
  }

  private static final class weir_spill_writer_write_stream_async {
    static final MethodHandle HANDLE =
        handle("weir_spill_writer_write_stream_async", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, WeirCompletion.LAYOUT, ADDRESS));
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
