package io.weir;

/** Kinds of secondary indexes. */
public enum IndexKind {
  /** Ordered: equality, ranges, order, nulls. */
  BTREE(Native.WEIR_INDEX_BTREE);

  final int code;

  IndexKind(int code) {
    this.code = code;
  }
}
