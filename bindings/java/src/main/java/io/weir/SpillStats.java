package io.weir;

/**
 * What a spill store holds and did. The figures include those of its children, but for {@code capBytes}.
 *
 * @param liveBytes bytes held now, by unfinished writers and by spills
 * @param peakBytes the most bytes that were held at once
 * @param capBytes the cap; {@link SpillStoreOptions#NO_CAP} if there is none
 * @param memoryBytes bytes of {@code liveBytes} that are held in memory
 * @param openSpills spills that were finished and still have a reader
 * @param openWriters writers that are not finished
 * @param spillsTotal spills that were finished, ever
 * @param writtenBytes bytes written, ever
 * @param readBytes bytes read, ever
 * @param capRefusals writes refused by the cap
 * @param floorRefusals writes refused by the floor of free space
 * @param writeNs nanoseconds spent writing
 * @param readNs nanoseconds spent reading
 * @param sweptDirectories directories of dead processes that were deleted
 * @param sweptBytes the bytes that were in them
 */
public record SpillStats(
    long liveBytes,
    long peakBytes,
    long capBytes,
    long memoryBytes,
    long openSpills,
    long openWriters,
    long spillsTotal,
    long writtenBytes,
    long readBytes,
    long capRefusals,
    long floorRefusals,
    long writeNs,
    long readNs,
    long sweptDirectories,
    long sweptBytes) {}
