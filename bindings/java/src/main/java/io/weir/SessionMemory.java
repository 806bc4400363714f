package io.weir;

/**
 * The memory of all that was opened through a session, by its use, and who waits for some.
 *
 * @param limitBytes the limit, {@link SessionOptions#memoryBytes}; 0 = none
 * @param queueBytes what its writers have queued and is not durable yet
 * @param memtableBytes what its MemTables hold
 * @param readAheadBytes what its tailers have read ahead
 * @param cacheBytes what its cache holds; {@link Cache#UNKNOWN} if the backend is the caller's
 * @param waiting writers whose puts wait for room below the limit: {@link Session#pressure} names them
 * @param waitingBytes the bytes that the puts at the head of their queues want
 * @param longestWaitNs how long the first of them has waited, in nanoseconds
 * @param waits how often a writer waited
 * @param waitedNs how long they waited together, in nanoseconds, of waits that are over
 */
public record SessionMemory(
    long limitBytes,
    long queueBytes,
    long memtableBytes,
    long readAheadBytes,
    long cacheBytes,
    long waiting,
    long waitingBytes,
    long longestWaitNs,
    long waits,
    long waitedNs) {}
