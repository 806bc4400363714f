package io.weir;

/** How the bodies of entries are compressed. */
public enum Compression {
  /** Not at all. */
  NONE(Native.WEIR_COMPRESSION_NONE),
  /** LZ4 frames: fast. */
  LZ4(Native.WEIR_COMPRESSION_LZ4),
  /** Zstandard: small. */
  ZSTD(Native.WEIR_COMPRESSION_ZSTD);

  final int code;

  Compression(int code) {
    this.code = code;
  }
}
