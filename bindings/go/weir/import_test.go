package weir

import (
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Each form of column comes back from C by itself, by the way that is for flat ones or by arrow-go's; a column may outlive its record.
func TestImportsEachForm(t *testing.T) {
	e := val(acquireEngine())(t)
	defer e.unuse()
	flat := []string{"bool", "int8", "float64", "decimal", "time", "fixed", "string", "large"}
	for _, rows := range []int{1, 8, 9, 3000} {
		whole := zoo(t, rows)
		slice := whole.NewSlice(1, int64(rows))
		for _, record := range []arrow.RecordBatch{whole, slice} {
			for i, column := range record.Columns() {
				name := record.ColumnName(i)
				schema := arrow.NewSchema([]arrow.Field{record.Schema().Field(i)}, nil)
				one := array.NewRecordBatch(schema, []arrow.Array{column}, record.NumRows())
				exported := val(exportRecord(one, e))(t)
				one.Release()
				known := newKnownSchema(0, schema)
				if got, want := known.isFlat(exported), slices.Contains(flat, name) && record == whole; got != want {
					t.Errorf("column %s of %d rows is flat: %t", name, record.NumRows(), got)
				}
				back := val(importRecord(exported, known))(t)
				if back.NumRows() != record.NumRows() || !back.Schema().Equal(schema) {
					t.Errorf("column %s came back with %d rows as %v", name, back.NumRows(), back.Schema())
				}
				kept := back.Column(0)
				kept.Retain()
				back.Release()
				if !array.Equal(kept, column) || kept.NullN() != column.NullN() {
					t.Errorf("column %s came back as %v, want %v", name, kept, column)
				}
				kept.Release()
			}
		}
		slice.Release()
	}
}

// Columns of no bytes at all, and no columns.
func TestImportsEmptyValues(t *testing.T) {
	e := val(acquireEngine())(t)
	defer e.unuse()
	schema := arrow.NewSchema([]arrow.Field{{Name: "a", Type: arrow.BinaryTypes.String}, {Name: "b", Type: arrow.BinaryTypes.LargeString, Nullable: true}}, nil)
	b := array.NewRecordBuilder(counted, schema)
	defer b.Release()
	for range 3 {
		b.Field(0).(*array.StringBuilder).Append("")
		b.Field(1).AppendNull()
	}
	empty := b.NewRecordBatch()
	defer empty.Release()
	none := array.NewRecordBatch(arrow.NewSchema(nil, nil), nil, 5)
	defer none.Release()
	for _, record := range []arrow.RecordBatch{empty, none} {
		back := val(importRecord(val(exportRecord(record, e))(t), newKnownSchema(0, record.Schema())))(t)
		if !array.RecordEqual(back, record) || back.NumRows() != record.NumRows() {
			t.Errorf("%v came back as %v", record, back)
		}
		back.Release()
	}
}
