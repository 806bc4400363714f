package io.weir;

/** What a cached value is. */
public enum CacheKind {
  /** Opaque bytes. */
  BYTES(Native.WEIR_CACHE_KIND_BYTES),
  /** An Arrow batch. */
  BATCH(Native.WEIR_CACHE_KIND_BATCH),
  /** An object of weir's own, such as a decoded entry. A backend keeps it as it is, or its bytes if it has some. */
  OBJECT(Native.WEIR_CACHE_KIND_OBJECT);

  private final int code;

  CacheKind(int code) {
    this.code = code;
  }

  static CacheKind of(int code) {
    for (CacheKind kind : values()) {
      if (kind.code == code) {
        return kind;
      }
    }
    return OBJECT; // of a newer library: whatever it is, it is not the caller's
  }
}
