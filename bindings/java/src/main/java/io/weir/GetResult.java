package io.weir;

import java.util.List;
import org.apache.arrow.vector.VectorSchemaRoot;

/**
 * What a get came to. To be closed.
 *
 * @param states one for each key, in their order
 * @param rows the rows that were found, in the order of the keys: the n-th row is that of the n-th key that is {@link KeyState#FOUND}
 */
public record GetResult(List<KeyState> states, VectorSchemaRoot rows) implements AutoCloseable {
  /** Closes the rows. */
  @Override
  public void close() {
    rows.close();
  }
}
