package io.weir;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What an error says, copied out of the library's, which is freed at once. */
record Failure(int code, String message, Action action, Map<String, Object> details, Throwable cause) {
  /** The names of details; the C ABI looks them up by name. A test compares them with the library's source. */
  static final List<String> NUMBERS =
      List.of(
          "accepted", "batch", "bytes", "cap_bytes", "durable", "epoch", "fenced_by_epoch", "first_position", "floor_bytes", "free_bytes",
          "frozen_bytes", "generation", "in_flight_bytes", "limit_bytes", "max", "memtable_bytes", "next_generation", "pending_bytes",
          "position", "published", "replay_after", "requested", "requested_bytes", "reserved_bytes", "row", "rule", "sequence",
          "session_limit_bytes", "session_memtable_bytes", "session_queued_bytes", "session_read_ahead_bytes", "spill_lost", "used_bytes",
          "version");

  static final List<String> TEXTS = List.of("call", "cause", "column", "field", "file", "object", "path", "root", "shard");

  /** Copies and frees an error that the caller owns. */
  static Failure take(int code, MemorySegment error) {
    if (error.address() == 0) {
      return of(Status.of(code), "the library gave no account of its error " + code);
    }
    try (Scratch scratch = Scratch.take()) {
      Map<String, Object> details = new LinkedHashMap<>();
      for (String name : TEXTS) {
        if (Native.weir_error_detail_str(error, Names.of(name), scratch.out)) {
          details.put(name, Text.at(scratch.outPointer()));
        }
      }
      for (String name : NUMBERS) {
        if (Native.weir_error_detail_u64(error, Names.of(name), scratch.out)) {
          details.put(name, scratch.outValue());
        }
      }
      Action action = Action.of(Native.weir_error_action(error));
      return new Failure(code, Text.at(Native.weir_error_message(error)), action, Map.copyOf(details), null);
    } finally {
      Native.weir_error_free(error);
    }
  }

  /** An error of the binding's own, with the action that the library gives to such. */
  static Failure of(Status status, String message) {
    Action action =
        switch (status) {
          case TIMED_OUT, BACKPRESSURE -> Action.RETRY;
          case CANCELLED, CLOSED, OUTCOME_UNKNOWN -> Action.REOPEN;
          case INTERNAL -> Action.REPORT;
          default -> Action.FIX;
        };
    return new Failure(status.code(), message, action, Map.of(), null);
  }

  Failure causedBy(Throwable cause) {
    return new Failure(code, message, action, details, cause);
  }

  /** The exception for it. */
  WeirException toException() {
    return switch (Status.of(code)) {
      case INVALID_ARGUMENT -> new InvalidArgumentException(this);
      case SCHEMA_MISMATCH -> new SchemaMismatchException(this);
      case INVALID_DATA -> new InvalidDataException(this);
      case NOT_FOUND -> new NotFoundException(this);
      case ALREADY_EXISTS -> new AlreadyExistsException(this);
      case UNSUPPORTED -> new UnsupportedException(this);
      case STORAGE -> new StorageException(this);
      case STORAGE_FULL -> new StorageFullException(this);
      case PERMISSION_DENIED -> new PermissionDeniedException(this);
      case CORRUPTION -> new CorruptionException(this);
      case FENCED -> new FencedException(this);
      case POISONED -> new PoisonedException(this);
      case SEALED -> new SealedException(this);
      case TRIMMED -> new TrimmedException(this);
      case BACKPRESSURE -> new BackpressureException(this);
      case TIMED_OUT -> new TimedOutException(this);
      case CANCELLED -> new CancelledException(this);
      case OUTCOME_UNKNOWN -> new OutcomeUnknownException(this);
      case CLOSED -> new ClosedException(this);
      case FORKED -> new ForkedException(this);
      case PANIC -> new PanicException(this);
      case WOULD_DEADLOCK -> new WouldDeadlockException(this);
      case CONFLICT -> new ConflictException(this);
      case DISK_CAP_EXCEEDED -> new DiskCapExceededException(this);
      case INTERNAL -> new InternalException(this);
      case OK, UNKNOWN -> new WeirException(this);
    };
  }

  /** The names as C strings, made once. */
  private static final class Names {
    private static final Map<String, MemorySegment> SEGMENTS = new HashMap<>();

    static {
      for (List<String> names : List.of(NUMBERS, TEXTS)) {
        for (String name : names) {
          SEGMENTS.put(name, Arena.global().allocateFrom(name));
        }
      }
    }

    static MemorySegment of(String name) {
      return SEGMENTS.get(name);
    }
  }
}
