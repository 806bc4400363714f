package io.weir;

/**
 * The memory that a writer holds, in bytes.
 *
 * @param pendingBytes admitted and not yet taken into an entry
 * @param inFlightBytes in the entry that is being appended
 * @param reservedBytes granted to puts that were waiting for room
 * @param limitBytes the limit on the sum of these three
 * @param memtableBytes in the MemTable that is filled
 * @param frozenBytes in MemTables that are frozen and not flushed
 * @param keptBytes in MemTables that were flushed and stay for a while
 * @param unflushedLimitBytes the limit on what is filled and frozen; 0 without MemTables
 */
public record WriterMemory(
    long pendingBytes,
    long inFlightBytes,
    long reservedBytes,
    long limitBytes,
    long memtableBytes,
    long frozenBytes,
    long keptBytes,
    long unflushedLimitBytes) {}
