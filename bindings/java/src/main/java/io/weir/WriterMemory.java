package io.weir;

/**
 * The memory that a writer holds, in bytes.
 *
 * @param pendingBytes admitted and not yet taken into an entry
 * @param inFlightBytes in the entry that is being appended
 * @param reservedBytes granted to puts that were waiting for room
 * @param limitBytes the limit on the sum
 */
public record WriterMemory(
    long pendingBytes,
    long inFlightBytes,
    long reservedBytes,
    long limitBytes) {}
