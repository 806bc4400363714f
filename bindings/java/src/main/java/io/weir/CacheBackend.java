package io.weir;

import java.util.concurrent.CompletionStage;

/**
 * A cache's backend, for {@link CacheOptions#withBackend}. Threads of the library's call it, several at once, as do threads that call the
 * cache. Its methods must not wait for long, and make no blocking calls of weir's: what takes long is answered later. With a deadline
 * ({@link CacheOptions#withBackendTimeout}), one that does not return in time is given up as one that does not answer; sixteen at once
 * are called at most.
 *
 * <p>An insertion that is given up may still take effect: until it is answered, nothing can be invalidated or cleared.
 *
 * <p>One that fails costs its entries, and no read fails for it: whatever a method throws, or a stage completes with, is an error of the
 * backend's, which {@link CacheStats#backendErrors} counts; so is an answer that comes too late. A stage that never completes is never
 * forgotten. {@link Cache#checkBackend} checks the rules.
 */
public interface CacheBackend extends AutoCloseable {
  /**
   * Looks for the value under a key.
   *
   * @param key the key
   * @return the value; {@link CacheContent#none()} if there is none; {@link CacheContent#later} to answer later
   * @throws Exception if it fails
   */
  CacheContent get(CacheKey key) throws Exception;

  /**
   * Puts a value under a key, in the place of what is there.
   *
   * @param key the key
   * @param value the value, which is the backend's to close: it may keep it as it is, and answer with it later. It is closed if this fails.
   * @param sizeBytes the memory that it holds
   * @return completes when it is done; null if it is
   * @throws Exception if it fails
   */
  CompletionStage<?> insert(CacheKey key, CacheValue value, long sizeBytes) throws Exception;

  /**
   * Removes all entries whose prefix begins with some bytes, see {@link CacheKey#hasPrefix}.
   *
   * @param prefix the bytes
   * @return completes when they are gone; null if they are
   * @throws Exception if it fails
   */
  CompletionStage<?> invalidatePrefix(byte[] prefix) throws Exception;

  /**
   * Removes all entries.
   *
   * @return completes when they are gone; null if they are
   * @throws Exception if it fails
   */
  CompletionStage<?> clear() throws Exception;

  /** Called once, after the last use. Values that the backend keeps are closed here. */
  @Override
  default void close() {}

  /** A backend that can tell how much it holds. */
  interface Counting extends CacheBackend {
    /**
     * Counts the entries.
     *
     * @return how many
     * @throws Exception if it fails
     */
    CompletionStage<Long> countEntries() throws Exception;

    /**
     * Counts the bytes that they take.
     *
     * @return how many
     * @throws Exception if it fails
     */
    CompletionStage<Long> countBytes() throws Exception;
  }
}
