package weir

// #include "shim.h"
import "C"

import (
	"sync/atomic"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// importSchema takes over a schema from C.
func importSchema(s *C.struct_ArrowSchema) (*arrow.Schema, error) {
	schema, err := cdata.ImportCArrowSchema((*cdata.CArrowSchema)(unsafe.Pointer(s)))
	if err != nil {
		return nil, notTaken("schema", err)
	}
	return schema, nil
}

func notTaken(what string, err error) error {
	e := newError(CodeUnsupported, ActionReport, "arrow-go cannot take the "+what+": "+err.Error())
	e.cause = err
	return e
}

// A knownSchema is what is made of a schema once, to import many batches of it.
type knownSchema struct {
	id     uint64
	schema *arrow.Schema
	record *arrow.StructType // what a batch of it is in C
	flat   []flatColumn      // nil unless all columns are such
}

func newKnownSchema(id uint64, schema *arrow.Schema) *knownSchema {
	return &knownSchema{id, schema, arrow.StructOf(schema.Fields()...), flatColumns(schema)}
}

// importRecord takes over a struct array from C.
func importRecord(a *C.struct_ArrowArray, known *knownSchema) (arrow.RecordBatch, error) {
	if known.isFlat(a) {
		return importFlat(a, known), nil
	}
	imported, err := cdata.ImportCArrayWithType((*cdata.CArrowArray)(unsafe.Pointer(a)), known.record)
	if err != nil {
		C.weirgo_release_array(a)
		return nil, notTaken("batch", err)
	}
	defer imported.Release()
	columns := make([]arrow.Array, known.record.NumFields())
	for i := range columns {
		columns[i] = imported.(*array.Struct).Field(i)
	}
	return array.NewRecordBatch(known.schema, columns, int64(imported.Len())), nil
}

// ---- Flat batches: columns without children and dictionaries, as most are. arrow-go's own import of them takes twice as long, as it is for all
// types: a struct array is made around them and taken apart again, and C is entered five times. ----

// A flatColumn is how the values of a column lie in memory: of bits each, or, if those are 0, bytes behind offsets of offset bytes.
type flatColumn struct {
	bits, offset int
}

// flatColumns is nil if there is a column that is not flat.
func flatColumns(schema *arrow.Schema) []flatColumn {
	columns := make([]flatColumn, 0, schema.NumFields())
	for _, field := range schema.Fields() {
		switch id := field.Type.ID(); {
		case id == arrow.STRING || id == arrow.BINARY:
			columns = append(columns, flatColumn{offset: arrow.Int32SizeBytes})
		case id == arrow.LARGE_STRING || id == arrow.LARGE_BINARY:
			columns = append(columns, flatColumn{offset: arrow.Int64SizeBytes})
		case arrow.IsPrimitive(id) || arrow.IsFixedSizeBinary(id):
			columns = append(columns, flatColumn{bits: field.Type.(arrow.FixedWidthDataType).BitWidth()})
		default:
			return nil
		}
	}
	return columns
}

func (c flatColumn) buffers() int {
	if c.bits == 0 {
		return 3
	}
	return 2
}

// isFlat reports whether importFlat can take a batch. What it says no to, arrow-go's import takes or has an error for.
func (k *knownSchema) isFlat(a *C.struct_ArrowArray) bool {
	if k.flat == nil || a.length == 0 || a.offset != 0 || a.null_count != 0 || int(a.n_children) != len(k.flat) {
		return false
	}
	for i, child := range unsafe.Slice(a.children, len(k.flat)) {
		column := k.flat[i]
		if child.length != a.length || child.offset != 0 || int(child.n_buffers) != column.buffers() {
			return false
		}
		buffers := unsafe.Slice(child.buffers, column.buffers())
		if buffers[0] == nil && child.null_count > 0 || buffers[1] == nil {
			return false
		}
		if column.bits == 0 && buffers[2] == nil && column.end(buffers[1], int(child.length)) != 0 {
			return false
		}
	}
	return true
}

// end is where the values end that n+1 offsets are of.
func (c flatColumn) end(offsets unsafe.Pointer, n int) int {
	last := unsafe.Add(offsets, n*c.offset)
	if c.offset == arrow.Int32SizeBytes {
		return int(*(*int32)(last))
	}
	return int(*(*int64)(last))
}

func importFlat(a *C.struct_ArrowArray, known *knownSchema) arrow.RecordBatch {
	batch := &flatBatch{array: *a}
	a.release = nil
	batch.shares.Store(1)
	defer batch.Free(nil)
	columns := make([]arrow.Array, len(known.flat))
	for i, child := range unsafe.Slice(batch.array.children, len(columns)) {
		data := batch.column(child, known.schema.Field(i).Type, known.flat[i])
		columns[i] = array.MakeFromData(data)
		data.Release()
	}
	record := array.NewRecordBatch(known.schema, columns, int64(batch.array.length))
	for _, column := range columns {
		column.Release() // the record has its own share
	}
	return record
}

// A flatBatch owns a struct array of C's for the buffers that point into it, and is released with the last of them.
type flatBatch struct {
	array  C.struct_ArrowArray
	shares atomic.Int64
}

var _ memory.Allocator = (*flatBatch)(nil)

func (b *flatBatch) Allocate(int) []byte           { panic("a batch of C's does not grow") }
func (b *flatBatch) Reallocate(int, []byte) []byte { panic("a batch of C's does not grow") }

func (b *flatBatch) Free([]byte) {
	if b.shares.Add(-1) == 0 {
		C.weirgo_release_array(&b.array)
	}
}

func (b *flatBatch) buffer(p unsafe.Pointer, size int) *memory.Buffer {
	if size == 0 {
		return memory.NewBufferBytes([]byte{})
	}
	b.shares.Add(1)
	return memory.NewBufferWithAllocator(unsafe.Slice((*byte)(p), size), b)
}

func (b *flatBatch) column(child *C.struct_ArrowArray, of arrow.DataType, layout flatColumn) arrow.ArrayData {
	rows := int(child.length)
	from := unsafe.Slice(child.buffers, layout.buffers())
	buffers := make([]*memory.Buffer, len(from))
	if from[0] != nil {
		buffers[0] = b.buffer(from[0], bitBytes(rows))
	}
	if layout.bits == 0 {
		buffers[1] = b.buffer(from[1], (rows+1)*layout.offset)
		buffers[2] = b.buffer(from[2], layout.end(from[1], rows))
	} else {
		buffers[1] = b.buffer(from[1], bitBytes(rows*layout.bits))
	}
	data := array.NewData(of, rows, buffers, nil, int(child.null_count), 0)
	for _, buffer := range buffers {
		if buffer != nil {
			buffer.Release()
		}
	}
	return data
}

func bitBytes(bits int) int { return (bits + 7) / 8 }
