package io.weir;

/**
 * A writer's MemTables and generations.
 *
 * @param activeGeneration the generation that the MemTable becomes that is filled
 * @param activeRows its rows, with superseded ones and deletions
 * @param activeBatches its batches
 * @param activeBytes the memory that it takes
 * @param frozenTables MemTables that are frozen and not flushed
 * @param frozenRows their rows
 * @param frozenBytes the memory that they take
 * @param keptBytes the memory of MemTables that were flushed and stay for a while
 * @param publishedGeneration the newest generation that this writer knows as published; 0 = none
 * @param generations generations that reads look into
 * @param flushes MemTables flushed by this writer
 * @param flushFailures attempts at that which failed
 * @param flushedRows rows flushed
 * @param flushedBytes bytes of their objects
 * @param compactions merges of generations
 * @param compactionFailures merges in the background that failed
 * @param compactedGenerations generations that were merged
 * @param replayedEntries entries of the log whose rows came back when the writer was opened
 * @param replayedRows those rows
 */
public record MemTableStats(
    long activeGeneration,
    long activeRows,
    long activeBatches,
    long activeBytes,
    long frozenTables,
    long frozenRows,
    long frozenBytes,
    long keptBytes,
    long publishedGeneration,
    long generations,
    long flushes,
    long flushFailures,
    long flushedRows,
    long flushedBytes,
    long compactions,
    long compactionFailures,
    long compactedGenerations,
    long replayedEntries,
    long replayedRows) {}
