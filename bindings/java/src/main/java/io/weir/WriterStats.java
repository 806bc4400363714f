package io.weir;

/**
 * What a writer has done since it was opened.
 *
 * @param puts puts admitted
 * @param rows their rows
 * @param bytes their bytes as encoded
 * @param entries entries appended
 * @param entryBytes the bytes of their objects
 * @param pendingPuts puts admitted and not durable
 * @param pendingBytes bytes of those that wait or are being written
 * @param requestsCreate create-if-absent requests to the store, by all that share it through the session
 * @param requestsPut plain writes
 * @param requestsGet reads
 * @param requestsHead questions whether an object exists
 * @param requestsList listings
 * @param requestsDelete deletions
 * @param retries appends tried again after a failure
 * @param conflicts positions found taken by others
 * @param settled appends whose answer was lost and that turned out to have landed
 * @param blockedNs nanoseconds that puts spent waiting for room
 * @param blockedWaits how many puts waited for room
 * @param blockedNow puts waiting for room now
 * @param putP50Ns nanoseconds from a put's call to its acknowledgement: the median
 * @param putP99Ns nanoseconds from a put's call to its acknowledgement: the 99th percentile
 * @param putMaxNs nanoseconds from a put's call to its acknowledgement: the longest
 * @param appendP50Ns nanoseconds of an append: the median
 * @param appendP99Ns nanoseconds of an append: the 99th percentile
 * @param appendMaxNs nanoseconds of an append: the longest
 * @param groupP50 puts per entry: the median
 * @param groupP99 puts per entry: the 99th percentile
 * @param groupMax puts per entry: the most
 */
public record WriterStats(
    long puts,
    long rows,
    long bytes,
    long entries,
    long entryBytes,
    long pendingPuts,
    long pendingBytes,
    long requestsCreate,
    long requestsPut,
    long requestsGet,
    long requestsHead,
    long requestsList,
    long requestsDelete,
    long retries,
    long conflicts,
    long settled,
    long blockedNs,
    long blockedWaits,
    long blockedNow,
    long putP50Ns,
    long putP99Ns,
    long putMaxNs,
    long appendP50Ns,
    long appendP99Ns,
    long appendMaxNs,
    long groupP50,
    long groupP99,
    long groupMax) {}
