package io.weir;

/** Brings the value of a key that is not in a {@link Cache}. */
@FunctionalInterface
public interface CacheLoader {
  /**
   * Brings the value. On a platform thread it runs on the thread that asks, else on one of the library's, and may take its time; {@link
   * CacheContent#later} frees that thread. It may use the cache, but for the key itself.
   *
   * @param key the key
   * @return the value; {@link CacheContent#none()} if there is none: who asks gets {@link NotFoundException}
   * @throws Exception whatever went wrong: who asks gets it as the cause of a {@link StorageException}
   */
  CacheContent load(CacheKey key) throws Exception;
}
