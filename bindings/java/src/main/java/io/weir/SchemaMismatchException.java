package io.weir;

/** A batch does not have the writer's schema, or a schema cannot be stored. Nothing was accepted. */
public final class SchemaMismatchException extends WeirException {
  private static final long serialVersionUID = 1;

  SchemaMismatchException(Failure failure) {
    super(failure);
  }
}
