/// @file
/// nanoarrow in and out of weir: its owners and weir's hand each other the same C structs. Included by those who use nanoarrow, which they
/// link themselves.
#ifndef WEIR_NANOARROW_HPP
#define WEIR_NANOARROW_HPP

#include <weir.h>  // first: defines the structs of the C data interface, which nanoarrow then does not define again

#include <nanoarrow/nanoarrow.hpp>

#include <utility>

#include "weir.hpp"

namespace weir {

/// Takes over a schema.
[[nodiscard]] inline Schema from_nanoarrow(nanoarrow::UniqueSchema &&schema) noexcept { return Schema(schema.get()); }
/// Takes over an array.
[[nodiscard]] inline Array from_nanoarrow(nanoarrow::UniqueArray &&array) noexcept { return Array(array.get()); }
/// Takes over a stream.
[[nodiscard]] inline ArrayStream from_nanoarrow(nanoarrow::UniqueArrayStream &&stream) noexcept { return ArrayStream(stream.get()); }

/// Hands over a schema.
[[nodiscard]] inline nanoarrow::UniqueSchema to_nanoarrow(Schema &&schema) noexcept { return nanoarrow::UniqueSchema(schema.get()); }
/// Hands over an array.
[[nodiscard]] inline nanoarrow::UniqueArray to_nanoarrow(Array &&array) noexcept { return nanoarrow::UniqueArray(array.get()); }
/// Hands over a stream.
[[nodiscard]] inline nanoarrow::UniqueArrayStream to_nanoarrow(ArrayStream &&stream) noexcept {
  return nanoarrow::UniqueArrayStream(stream.get());
}

}  // namespace weir

#endif
