/// @file
/// Values given one by one, as Arrow data: what columns are compared with, and primary keys.
#ifndef WEIR_VALUE_HPP
#define WEIR_VALUE_HPP

#include <weir.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "c_data.hpp"

namespace weir {

namespace detail {

template <class T>
inline constexpr bool is_text = std::is_convertible_v<const T &, std::string_view>;

/// The format of a type in the C data interface.
template <class T>
constexpr const char *format_of() noexcept {
  static_assert(std::is_arithmetic_v<T> || is_text<T>, "a bool, an integer, a float, a double or a text");
  static_assert(!std::is_floating_point_v<T> || sizeof(T) <= 8, "a float or a double");
  if constexpr (is_text<T>) return "u";
  else if constexpr (std::is_same_v<T, bool>) return "b";
  else if constexpr (std::is_floating_point_v<T>) return sizeof(T) == 4 ? "f" : "g";
  else if constexpr (std::is_signed_v<T>) return sizeof(T) == 1 ? "c" : sizeof(T) == 2 ? "s" : sizeof(T) == 4 ? "i" : "l";
  else return sizeof(T) == 1 ? "C" : sizeof(T) == 2 ? "S" : sizeof(T) == 4 ? "I" : "L";
}

/// A column of values without nulls: bits, values of a fixed width, or texts and bytes with their offsets.
class Column {
 public:
  Column() = default;
  explicit Column(std::string name) : name_(std::move(name)) {}

  /// Sets the type, for there may be no value.
  template <class T>
  void be() {
    format_ = format_of<T>();
    if constexpr (is_text<T>) offsets_ = {0};
  }

  template <class T>
  void append(const T &value) {
    if constexpr (is_text<T>) append(format_of<T>(), std::string_view(value));
    else if constexpr (std::is_same_v<T, bool>) append_bit(value);
    else append(format_of<T>(), &value, sizeof value);
  }

  /// Of a type whose values have a fixed width of whole bytes.
  void append(std::string format, const void *value, std::size_t size) {
    format_ = std::move(format);
    const std::size_t at = bytes_.size();
    bytes_.resize(at + size);
    std::memcpy(bytes_.data() + at, value, size);
    length_++;
  }

  /// Of a type with offsets of 32 bits.
  void append(std::string format, std::string_view value) {
    format_ = std::move(format);
    if (offsets_.empty()) offsets_.push_back(0);
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    offsets_.push_back(static_cast<std::int32_t>(bytes_.size()));
    length_++;
  }

  [[nodiscard]] std::int64_t length() const noexcept { return length_; }
  [[nodiscard]] const std::string &format() const noexcept { return format_; }
  [[nodiscard]] const std::string &name() const noexcept { return name_; }
  void rename(std::string name) { name_ = std::move(name); }

  /// As a C struct, which owns the column.
  [[nodiscard]] ArrowArray array() &&;

 private:
  struct Owned;

  void append_bit(bool value) {
    format_ = "b";
    if (length_ % 8 == 0) bytes_.push_back(0);
    if (value) bytes_.back() = static_cast<std::uint8_t>(bytes_.back() | 1u << (length_ % 8));
    length_++;
  }

  std::string name_, format_;
  std::int64_t length_ = 0;
  std::vector<std::uint8_t> bytes_;
  std::vector<std::int32_t> offsets_;
};

struct Column::Owned {
  Column column;
  std::array<const void *, 3> buffers;
};

inline ArrowArray Column::array() && {
  auto own = std::make_unique<Owned>(Owned{std::move(*this), {}});
  own->column.bytes_.reserve(8);  // so that there is a pointer
  ArrowArray raw{};
  raw.length = own->column.length_;
  own->buffers = {nullptr, own->column.bytes_.data(), nullptr};
  raw.n_buffers = 2;
  if (!own->column.offsets_.empty()) {
    own->buffers = {nullptr, own->column.offsets_.data(), own->column.bytes_.data()};
    raw.n_buffers = 3;
  }
  raw.buffers = own->buffers.data();
  raw.release = [](ArrowArray *array) {
    delete static_cast<Owned *>(array->private_data);
    array->release = nullptr;
  };
  raw.private_data = own.release();
  return raw;
}

/// What a C struct with children owns. A child may be moved out of it, and is then not released with it.
template <class C>
struct Children {
  explicit Children(std::vector<C> own) : children(std::move(own)) {
    for (C &child : children) pointers.push_back(&child);
  }
  ~Children() {
    for (C &child : children) {
      if (child.release != nullptr) child.release(&child);
    }
  }
  Children(const Children &) = delete;
  Children &operator=(const Children &) = delete;

  static void release(C *raw) {
    delete static_cast<Children *>(raw->private_data);
    raw->release = nullptr;
  }

  std::vector<C> children;
  std::vector<C *> pointers;
  const void *validity = nullptr;
};

template <class C>
void adopt_children(C &raw, std::vector<C> children) {
  auto own = std::make_unique<Children<C>>(std::move(children));
  raw.n_children = static_cast<std::int64_t>(own->pointers.size());
  raw.children = own->pointers.data();
  raw.release = &Children<C>::release;
  raw.private_data = own.release();
}

/// Columns as a struct array. It is as long as the longest: the library refuses shorter ones.
[[nodiscard]] inline Array array_of(std::vector<Column> columns) {
  std::vector<ArrowArray> children;
  children.reserve(columns.size());
  ArrowArray raw{};
  for (Column &column : columns) {
    raw.length = raw.length < column.length() ? column.length() : raw.length;
    children.push_back(std::move(column).array());
  }
  adopt_children(raw, std::move(children));
  raw.n_buffers = 1;
  raw.buffers = &static_cast<Children<ArrowArray> *>(raw.private_data)->validity;
  return Array(&raw);
}

/// A field without children, which may be null.
[[nodiscard]] inline ArrowSchema field_of(const Column &column) {
  using Texts = std::pair<std::string, std::string>;
  auto own = std::make_unique<Texts>(column.name(), column.format());
  ArrowSchema raw{};
  raw.name = own->first.c_str();
  raw.format = own->second.c_str();
  raw.flags = ARROW_FLAG_NULLABLE;
  raw.release = [](ArrowSchema *schema) {
    delete static_cast<Texts *>(schema->private_data);
    schema->release = nullptr;
  };
  raw.private_data = own.release();
  return raw;
}

/// The schema of array_of() the same columns.
[[nodiscard]] inline Schema schema_of(const std::vector<Column> &columns) {
  std::vector<ArrowSchema> children;
  children.reserve(columns.size());
  for (const Column &column : columns) children.push_back(field_of(column));
  ArrowSchema raw{};
  adopt_children(raw, std::move(children));
  raw.format = "+s";
  raw.name = "";
  return Schema(&raw);
}

}  // namespace detail

// ---- Comparisons ----

/// How a column is compared with a value. A null is equal to nothing, less than nothing and greater than nothing; −0 is 0, and every NaN is
/// one value above all others.
enum class Compare : std::int32_t {
  eq = WEIR_COMPARE_EQ,                    ///< Equal to the value.
  ne = WEIR_COMPARE_NE,                    ///< Not equal to the value, and not null.
  lt = WEIR_COMPARE_LT,                    ///< Less than the value.
  le = WEIR_COMPARE_LE,                    ///< Less than the value or equal to it.
  gt = WEIR_COMPARE_GT,                    ///< Greater than the value.
  ge = WEIR_COMPARE_GE,                    ///< Greater than the value or equal to it.
  is_null = WEIR_COMPARE_IS_NULL,          ///< Null. Takes no value.
  is_not_null = WEIR_COMPARE_IS_NOT_NULL   ///< Not null. Takes no value.
};

/// One value to compare a column with. Numbers of another width than the column's and texts of another layout are cast if that loses nothing.
class Value {
 public:
  /// A bool, an integer, a float, a double or a text.
  template <class T, class = std::enable_if_t<std::is_arithmetic_v<T> || detail::is_text<T>>>
  Value(const T &value) {  // NOLINT(google-explicit-constructor)
    column_.append(value);
  }

  /// A value of a type of a fixed width, by its format in the C data interface: `Value::of("tsu:UTC", microseconds)`, `Value::of("tdD", days)`.
  template <class T, class = std::enable_if_t<std::is_trivially_copyable_v<T>>>
  [[nodiscard]] static Value of(std::string format, const T &value) {
    Value made;
    made.column_.append(std::move(format), &value, sizeof value);
    return made;
  }

  /// Bytes, as a binary column has them.
  [[nodiscard]] static Value bytes(ByteView bytes) {
    Value made;
    made.column_.append("z", bytes.text());
    return made;
  }

  /// What it is as a column of one row.
  [[nodiscard]] const detail::Column &column() const noexcept { return column_; }

 private:
  Value() = default;
  detail::Column column_;
};

/// A condition on one column.
struct Comparison {
  std::string column;                ///< Its name.
  Compare op = Compare::is_not_null; ///< How it is compared.
  std::optional<Value> value = {};   ///< With what, unless that comes as Arrow data; none for nulls.
};

/// Conditions that must all hold; none is all rows. Made by where(), joined by `&&`.
class Filter {
 public:
  /// All rows.
  Filter() = default;
  /// One condition.
  Filter(Comparison comparison) { comparisons_.push_back(std::move(comparison)); }  // NOLINT(google-explicit-constructor)

  /// The conditions.
  [[nodiscard]] const std::vector<Comparison> &comparisons() const noexcept { return comparisons_; }
  /// Adds conditions.
  Filter &operator&=(Filter other) {
    for (Comparison &each : other.comparisons_) comparisons_.push_back(std::move(each));
    return *this;
  }
  /// Both; both sides are evaluated, as they are conditions to come.
  [[nodiscard]] friend Filter operator&&(Filter left, Filter right) { return std::move(left &= std::move(right)); }

 private:
  std::vector<Comparison> comparisons_;
};

/// A column, to be compared.
class Where {
 public:
  /// The column's name.
  explicit Where(std::string column) : column_(std::move(column)) {}

  [[nodiscard]] Filter operator==(Value value) const { return with(Compare::eq, std::move(value)); }  ///< Compare::eq
  [[nodiscard]] Filter operator!=(Value value) const { return with(Compare::ne, std::move(value)); }  ///< Compare::ne
  [[nodiscard]] Filter operator<(Value value) const { return with(Compare::lt, std::move(value)); }   ///< Compare::lt
  [[nodiscard]] Filter operator<=(Value value) const { return with(Compare::le, std::move(value)); }  ///< Compare::le
  [[nodiscard]] Filter operator>(Value value) const { return with(Compare::gt, std::move(value)); }   ///< Compare::gt
  [[nodiscard]] Filter operator>=(Value value) const { return with(Compare::ge, std::move(value)); }  ///< Compare::ge
  [[nodiscard]] Filter is_null() const { return with(Compare::is_null, std::nullopt); }               ///< Compare::is_null
  [[nodiscard]] Filter is_not_null() const { return with(Compare::is_not_null, std::nullopt); }       ///< Compare::is_not_null
  /// A condition whose value comes as Arrow data with the scan.
  [[nodiscard]] Filter compare(Compare op) const { return with(op, std::nullopt); }

 private:
  [[nodiscard]] Filter with(Compare op, std::optional<Value> value) const { return Comparison{column_, op, std::move(value)}; }
  std::string column_;
};

/// A column to be compared: `weir::where("id") >= 20 && weir::where("id") < 40 && weir::where("name").is_not_null()`.
[[nodiscard]] inline Where where(std::string column) { return Where(std::move(column)); }

// ---- Keys ----

/// Primary keys: a struct array, and what its schema is. Move-only.
class Keys {
 public:
  /// Keys of exactly the reader's `key_schema()`: the fastest.
  Keys(Array &&keys) noexcept : array_(std::move(keys)) {}  // NOLINT(google-explicit-constructor)
  /// Keys of a schema that has the key's columns by name, whatever others it has. The schema is borrowed: for the call, or until an
  /// Operation is started.
  Keys(Array &&keys, const Schema &schema) noexcept : array_(std::move(keys)), borrowed_(schema.get()) {}
  /// The same, with a schema of their own.
  Keys(Array &&keys, Schema &&schema) noexcept : array_(std::move(keys)), own_(std::move(schema)) {}

  /// How many.
  [[nodiscard]] std::int64_t length() const noexcept { return array_.length(); }
  /// The array, which a call consumes.
  [[nodiscard]] ArrowArray *array() noexcept { return array_.get(); }
  /// Its schema; nullptr for the reader's own.
  [[nodiscard]] const ArrowSchema *schema() const noexcept { return own_ ? own_.get() : borrowed_; }

 private:
  Array array_;
  Schema own_;
  const ArrowSchema *borrowed_ = nullptr;
};

namespace detail {
inline void add_columns(std::vector<Column> &) {}

template <class T, class... More>
void add_columns(std::vector<Column> &columns, std::string name, const std::vector<T> &values, const More &...more) {
  Column &column = columns.emplace_back(std::move(name));
  column.be<T>();
  for (const T &value : values) column.append(value);
  add_columns(columns, more...);
}
}  // namespace detail

/// Keys from values: `weir::keys<std::int64_t>("id", {4, 7})`. The types must be the key columns': bool, integers, float, double, texts. More
/// columns follow as names and vectors, all of one length: `weir::keys("tenant", tenants, "id", ids)`.
template <class T, class... More>
[[nodiscard]] Keys keys(std::string name, const std::vector<T> &values, const More &...more) {
  std::vector<detail::Column> columns;
  detail::add_columns(columns, std::move(name), values, more...);
  Schema schema = detail::schema_of(columns);
  return Keys(detail::array_of(std::move(columns)), std::move(schema));
}

}  // namespace weir

#endif
