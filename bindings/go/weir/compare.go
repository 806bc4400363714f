package weir

// #include "shim.h"
import "C"

import (
	"fmt"
	"reflect"
	"time"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// A Compare says how Where compares a column with a value. A null is equal to nothing, less than nothing and greater than nothing; -0 is 0,
// and every NaN is one value above all others.
type Compare int32

// The comparisons.
const (
	// EQ: equal to the value.
	EQ Compare = C.WEIR_COMPARE_EQ
	// NE: not equal to the value, and not null.
	NE Compare = C.WEIR_COMPARE_NE
	// LT: less than the value.
	LT Compare = C.WEIR_COMPARE_LT
	// LE: less than the value or equal to it.
	LE Compare = C.WEIR_COMPARE_LE
	// GT: greater than the value.
	GT Compare = C.WEIR_COMPARE_GT
	// GE: greater than the value or equal to it.
	GE Compare = C.WEIR_COMPARE_GE
)

// A comparison is a condition on one column.
type comparison struct {
	column string
	op     int32
	value  any // of one that takes a value
}

func (c comparison) takesValue() bool {
	return c.op != C.WEIR_COMPARE_IS_NULL && c.op != C.WEIR_COMPARE_IS_NOT_NULL
}

// Where has a scan give only rows whose column compares like this with a value; given more than once, all must hold. The value is a Go
// integer, float, string, []byte, bool or time.Time, an arrow.Timestamp or its like in the column's unit, or an arrow.Array of one row. It is
// to be one of the column's type: integers and floats of another width and texts of another layout are cast if that loses nothing, else the
// scan is ErrSchemaMismatch.
func Where(column string, op Compare, value any) ScanOption {
	return func(o *scanOptions) { o.where = append(o.where, comparison{column, int32(op), value}) }
}

// WhereNull has a scan give only rows whose column is null.
func WhereNull(column string) ScanOption {
	return func(o *scanOptions) { o.where = append(o.where, comparison{column, C.WEIR_COMPARE_IS_NULL, nil}) }
}

// WhereNotNull has a scan give only rows whose column is not null.
func WhereNotNull(column string) ScanOption {
	return func(o *scanOptions) { o.where = append(o.where, comparison{column, C.WEIR_COMPARE_IS_NOT_NULL, nil}) }
}

// comparisons makes the C form of conditions.
func (a *arena) comparisons(where []comparison) (*C.WeirComparison, C.size_t) {
	if len(where) == 0 {
		return nil, 0
	}
	first := (*C.WeirComparison)(a.alloc(len(where), C.sizeof_WeirComparison))
	for i, w := range where {
		c := &unsafe.Slice(first, len(where))[i]
		c.column, c.op = a.text(w.column), C.int32_t(w.op)
	}
	return first, C.size_t(len(where))
}

// comparands makes one row of what columns are compared with; nil if there is nothing. It is to be released.
func comparands(where []comparison, schema *arrow.Schema) (arrow.RecordBatch, error) {
	var fields []arrow.Field
	var values []arrow.Array
	defer func() {
		for _, v := range values {
			v.Release()
		}
	}()
	for _, w := range where {
		if !w.takesValue() {
			continue
		}
		value, err := comparand(w, typeOf(schema, w.column))
		if err != nil {
			return nil, err
		}
		values = append(values, value)
		fields = append(fields, arrow.Field{Name: w.column, Type: value.DataType(), Nullable: true})
	}
	if len(values) == 0 {
		return nil, nil
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), values, 1), nil
}

// typeOf is the type of a column's values; nil if there is no such column, which is C's to say.
func typeOf(schema *arrow.Schema, column string) arrow.DataType {
	at := schema.FieldIndices(column)
	if len(at) != 1 {
		return nil
	}
	switch t := schema.Field(at[0]).Type.(type) {
	case *arrow.DictionaryType:
		return t.ValueType
	case *arrow.RunEndEncodedType:
		return t.Encoded()
	default:
		return t
	}
}

// comparand makes an array of one value, of the column's type where Go's does not say which of Arrow's it is.
func comparand(w comparison, column arrow.DataType) (arrow.Array, error) {
	switch v := w.value.(type) {
	case arrow.Array:
		if v.Len() != 1 {
			return nil, newError(CodeInvalidArgument, ActionFix,
				fmt.Sprintf("column %q is compared with an array of %d rows, and not with one of one", w.column, v.Len())).with("column", w.column)
		}
		v.Retain()
		return v, nil
	case []byte:
		return one(arrow.BinaryTypes.Binary, func(b *array.BinaryBuilder) { b.Append(v) }), nil
	case time.Time:
		return moment(w, v, column)
	case nil:
		return nil, newError(CodeInvalidArgument, ActionFix,
			fmt.Sprintf("column %q is compared with nil: WhereNull tells what is null", w.column)).with("column", w.column)
	}
	v := reflect.ValueOf(w.value)
	switch {
	case isArrows(v.Type()): // Date32, Timestamp …, which are integers only to Go
		return ticks(w, column)
	case v.CanInt():
		return one(arrow.PrimitiveTypes.Int64, func(b *array.Int64Builder) { b.Append(v.Int()) }), nil
	case v.CanUint() && v.Kind() != reflect.Uintptr:
		return one(arrow.PrimitiveTypes.Uint64, func(b *array.Uint64Builder) { b.Append(v.Uint()) }), nil
	case v.CanFloat():
		return one(arrow.PrimitiveTypes.Float64, func(b *array.Float64Builder) { b.Append(v.Float()) }), nil
	case v.Kind() == reflect.String:
		return one(arrow.BinaryTypes.String, func(b *array.StringBuilder) { b.Append(v.String()) }), nil
	case v.Kind() == reflect.Bool:
		return one(arrow.FixedWidthTypes.Boolean, func(b *array.BooleanBuilder) { b.Append(v.Bool()) }), nil
	}
	return nil, w.unfit()
}

// isArrows reports whether arrow-go defines the type.
func isArrows(t reflect.Type) bool {
	return t.PkgPath() == reflect.TypeFor[arrow.Timestamp]().PkgPath()
}

func one[B array.Builder](t arrow.DataType, append func(B)) arrow.Array {
	b := array.NewBuilder(memory.DefaultAllocator, t)
	defer b.Release()
	append(b.(B))
	return b.NewArray()
}

// ticks makes a value of a column whose values are of the same type of arrow-go's: a number of its unit.
func ticks(w comparison, column arrow.DataType) (arrow.Array, error) {
	switch v := w.value.(type) {
	case arrow.Timestamp:
		if t, ok := column.(*arrow.TimestampType); ok {
			return one(t, func(b *array.TimestampBuilder) { b.Append(v) }), nil
		}
	case arrow.Date32:
		return one(arrow.FixedWidthTypes.Date32, func(b *array.Date32Builder) { b.Append(v) }), nil
	case arrow.Date64:
		return one(arrow.FixedWidthTypes.Date64, func(b *array.Date64Builder) { b.Append(v) }), nil
	case arrow.Time32:
		if t, ok := column.(*arrow.Time32Type); ok {
			return one(t, func(b *array.Time32Builder) { b.Append(v) }), nil
		}
	case arrow.Time64:
		if t, ok := column.(*arrow.Time64Type); ok {
			return one(t, func(b *array.Time64Builder) { b.Append(v) }), nil
		}
	case arrow.Duration:
		if t, ok := column.(*arrow.DurationType); ok {
			return one(t, func(b *array.DurationBuilder) { b.Append(v) }), nil
		}
	default:
		return nil, w.unfit()
	}
	if column == nil { // C says that it is not there
		return array.MakeArrayOfNull(memory.DefaultAllocator, arrow.Null, 1), nil
	}
	return nil, w.mismatch(column)
}

func (c comparison) unfit() error {
	return newError(CodeInvalidArgument, ActionFix,
		fmt.Sprintf("column %q is compared with a %T: give it as an arrow.Array of one row", c.column, c.value)).with("column", c.column)
}

func (c comparison) mismatch(column arrow.DataType) error {
	return newError(CodeSchemaMismatch, ActionFix,
		fmt.Sprintf("column %q of type %v is compared with the %T %v, which is none of the column's", c.column, column, c.value, c.value)).
		with("column", c.column)
}

// moment makes a time of the column's type, if that has it: not one between two of the column's ticks.
func moment(w comparison, at time.Time, column arrow.DataType) (arrow.Array, error) {
	switch t := column.(type) {
	case *arrow.TimestampType:
		if ts, err := arrow.TimestampFromTime(at, t.Unit); err == nil && ts.ToTime(t.Unit).Equal(at) {
			return one(t, func(b *array.TimestampBuilder) { b.Append(ts) }), nil
		}
	case *arrow.Date32Type:
		if d := arrow.Date32FromTime(at); d.ToTime().Equal(at) {
			return one(t, func(b *array.Date32Builder) { b.Append(d) }), nil
		}
	case *arrow.Date64Type:
		if d := arrow.Date64FromTime(at); d.ToTime().Equal(at) {
			return one(t, func(b *array.Date64Builder) { b.Append(d) }), nil
		}
	case nil:
		return array.MakeArrayOfNull(memory.DefaultAllocator, arrow.Null, 1), nil // C says that it is not there
	}
	return nil, w.mismatch(column)
}
