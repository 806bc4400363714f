package io.weir;

/**
 * What a cache has done since it was made, and what it holds.
 *
 * @param hits calls that found a value, or got it from another call's loader
 * @param misses calls that did not
 * @param loads loaders that ran to their end
 * @param loadErrors those of them that failed
 * @param loadNs the nanoseconds that they took together
 * @param joined calls that got their value from another call's loader; they are among the hits
 * @param inserts values given to the backend
 * @param stale loaded values that were not kept, because an invalidation came between
 * @param evictions entries removed to make room; 0 if the backend is the caller's
 * @param refused values not kept, because they are larger than the whole cache; 0 if the backend is the caller's
 * @param backendErrors calls of the backend that failed or took too long
 * @param unusable values from the backend that were of another type or could not be decoded
 * @param entries about how many entries there are; {@link Cache#UNKNOWN} if the backend is the caller's
 * @param bytes about how many bytes they take; {@link Cache#UNKNOWN} if the backend is the caller's
 */
public record CacheStats(
    long hits,
    long misses,
    long loads,
    long loadErrors,
    long loadNs,
    long joined,
    long inserts,
    long stale,
    long evictions,
    long refused,
    long backendErrors,
    long unusable,
    long entries,
    long bytes) {}
