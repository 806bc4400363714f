package weir

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// zoo has columns of as many forms as there are, rows of each, some null.
func zoo(t testing.TB, rows int) arrow.RecordBatch {
	random := rand.New(rand.NewPCG(1, 2))
	point := arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int32, Nullable: true}, arrow.Field{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true})
	fields := []arrow.Field{
		{Name: "bool", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "int8", Type: arrow.PrimitiveTypes.Int8, Nullable: true},
		{Name: "float64", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "decimal", Type: &arrow.Decimal128Type{Precision: 20, Scale: 3}, Nullable: true},
		{Name: "time", Type: arrow.FixedWidthTypes.Timestamp_us, Nullable: true},
		{Name: "fixed", Type: &arrow.FixedSizeBinaryType{ByteWidth: 7}, Nullable: true},
		{Name: "string", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "large", Type: arrow.BinaryTypes.LargeBinary, Nullable: true},
		{Name: "view", Type: arrow.BinaryTypes.StringView, Nullable: true},
		{Name: "list", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
		{Name: "largelist", Type: arrow.LargeListOf(arrow.PrimitiveTypes.Int64), Nullable: true},
		{Name: "fixedlist", Type: arrow.FixedSizeListOf(3, arrow.PrimitiveTypes.Int16), Nullable: true},
		{Name: "struct", Type: point, Nullable: true},
		{Name: "map", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int32), Nullable: true},
		{Name: "dict", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int16, ValueType: arrow.BinaryTypes.String}, Nullable: true},
		{Name: "null", Type: arrow.Null, Nullable: true},
		{Name: "deep", Type: arrow.ListOf(arrow.StructOf(arrow.Field{Name: "p", Type: point, Nullable: true})), Nullable: true},
	}
	b := array.NewRecordBuilder(counted, arrow.NewSchema(fields, nil))
	defer b.Release()
	for i := range fields {
		for range rows {
			fill(b.Field(i), random)
		}
	}
	r := b.NewRecordBatch()
	t.Cleanup(r.Release)
	return r
}

// fill appends a value, or null.
func fill(b array.Builder, random *rand.Rand) {
	if random.IntN(4) == 0 {
		b.AppendNull()
		return
	}
	text := fmt.Sprintf("text %0*d", random.IntN(30)+2, random.IntN(9))
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(random.IntN(2) == 0)
	case *array.Int8Builder:
		b.Append(int8(random.IntN(100)))
	case *array.Int16Builder:
		b.Append(int16(random.IntN(100)))
	case *array.Int32Builder:
		b.Append(random.Int32())
	case *array.Int64Builder:
		b.Append(random.Int64())
	case *array.Float64Builder:
		b.Append(random.Float64())
	case *array.FixedSizeBinaryBuilder:
		b.Append([]byte(text)[:7])
	case *array.StringBuilder:
		b.Append(text)
	case *array.BinaryBuilder:
		b.Append([]byte(text))
	case *array.StringViewBuilder:
		b.Append(text)
	case *array.BinaryDictionaryBuilder:
		if err := b.AppendString(text[:6]); err != nil {
			panic(err)
		}
	case *array.StructBuilder:
		b.Append(true)
		for i := range b.NumField() {
			fill(b.FieldBuilder(i), random)
		}
	case *array.FixedSizeListBuilder:
		b.Append(true)
		for range 3 {
			fill(b.ValueBuilder(), random)
		}
	case *array.MapBuilder:
		b.Append(true)
		for i := range random.IntN(3) {
			b.KeyBuilder().(*array.StringBuilder).Append(fmt.Sprint(i))
			fill(b.ItemBuilder(), random)
		}
	case array.ListLikeBuilder:
		b.(interface{ Append(bool) }).Append(true)
		for range random.IntN(4) {
			fill(b.ValueBuilder(), random)
		}
	default:
		b.AppendEmptyValue()
	}
}

// All forms of columns, whole and sliced, copied and pinned, go to C and back.
func TestExportsAllForms(t *testing.T) {
	e := val(acquireEngine())(t)
	defer e.unuse()
	for _, rows := range []int{1, 10, 3000} {
		whole := zoo(t, rows)
		records := []arrow.RecordBatch{whole}
		if rows > 5 {
			records = append(records, whole.NewSlice(3, int64(rows)-1), whole.NewSlice(2, 2))
		}
		for _, record := range records {
			back := val(importRecord(val(exportRecord(record, e))(t), newKnownSchema(0, record.Schema())))(t)
			for i, column := range record.Columns() {
				if !array.Equal(back.Column(i), column) {
					t.Errorf("%d rows, column %s:\n%v\nwant\n%v", record.NumRows(), record.ColumnName(i), back.Column(i), column)
				}
			}
			back.Release()
			if record != whole {
				record.Release()
			}
		}
	}
}

// The log takes them all and gives them back.
func TestLogsAllForms(t *testing.T) {
	f := onMemory(t)
	record := zoo(t, 1000)
	slice := record.NewSlice(100, 200)
	defer slice.Release()
	w := val(OpenWriter(soon(t), f.s, f.root, f.shard, record.Schema()))(t)
	val(w.Put(soon(t), record))(t)
	val(w.Put(soon(t), slice))(t)
	ok(t, w.Close())
	want := []arrow.RecordBatch{record, slice}
	for entry, err := range Tail(soon(t), f.s, f.root, f.shard) {
		ok(t, err)
		for got, err := range entry.Batches() {
			ok(t, err)
			for i, column := range want[0].Columns() {
				if !array.Equal(got.Column(i), column) {
					t.Errorf("column %s differs", got.ColumnName(i))
				}
			}
			want = want[1:]
		}
	}
	equal(t, len(want), 0)
}

// A tagged is text that is tagged.
type tagged struct{ arrow.ExtensionBase }

func newTagged() *tagged {
	return &tagged{arrow.ExtensionBase{Storage: arrow.BinaryTypes.String}}
}

func (*tagged) ArrayType() reflect.Type { return reflect.TypeFor[taggedArray]() }
func (*tagged) ExtensionName() string   { return "weir.tagged" }
func (*tagged) Serialize() string       { return "a tag" }
func (t *tagged) ExtensionEquals(o arrow.ExtensionType) bool {
	return o.ExtensionName() == t.ExtensionName()
}
func (*tagged) Deserialize(arrow.DataType, string) (arrow.ExtensionType, error) {
	return newTagged(), nil
}

type taggedArray struct{ array.ExtensionArrayBase }

// Extension types travel as what they are stored as, with their metadata in the schema.
func TestLogsExtensions(t *testing.T) {
	f := onMemory(t)
	schema := arrow.NewSchema([]arrow.Field{{Name: "tag", Type: newTagged()}}, nil)
	b := array.NewRecordBuilder(counted, schema)
	defer b.Release()
	b.Field(0).(*array.ExtensionBuilder).StorageBuilder().(*array.StringBuilder).Append("text")
	record := b.NewRecordBatch()
	defer record.Release()
	w := val(OpenWriter(soon(t), f.s, f.root, f.shard, schema))(t)
	val(w.Put(soon(t), record))(t)
	ok(t, w.Close())
	for entry, err := range Tail(soon(t), f.s, f.root, f.shard) {
		ok(t, err)
		field := val(entry.Schema())(t).Field(0)
		tag, _ := field.Metadata.GetValue("ARROW:extension:metadata")
		equal(t, tag, "a tag")
		for got, err := range entry.Batches() {
			ok(t, err)
			equal(t, got.Column(0).(*array.String).Value(0), "text")
		}
	}
}

// What the buffers do not hold is refused, as C could not tell.
func TestRefusesShortBuffers(t *testing.T) {
	f := onMemory(t)
	bytes := func(n int) *memory.Buffer { return memory.NewBufferBytes(make([]byte, n)) }
	offsets := func(o ...int32) *memory.Buffer { return memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(o)) }
	wide := func(o ...int64) *memory.Buffer { return memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(o)) }
	item := array.NewData(arrow.PrimitiveTypes.Int8, 1, []*memory.Buffer{nil, bytes(1)}, nil, 0, 0)
	for _, bad := range []struct {
		kind     arrow.DataType
		rows     int
		buffers  []*memory.Buffer
		children []arrow.ArrayData
	}{
		{arrow.PrimitiveTypes.Int64, 1000, []*memory.Buffer{nil, bytes(7999)}, nil},
		{arrow.PrimitiveTypes.Int64, 1000, []*memory.Buffer{nil, nil}, nil},
		{arrow.PrimitiveTypes.Int64, 1000, []*memory.Buffer{nil}, nil},
		{arrow.PrimitiveTypes.Int8, 1000, []*memory.Buffer{bytes(124), bytes(1000)}, nil},
		{arrow.FixedWidthTypes.Boolean, 1000, []*memory.Buffer{nil, bytes(124)}, nil},
		{&arrow.FixedSizeBinaryType{ByteWidth: 5}, 3, []*memory.Buffer{nil, bytes(14)}, nil},
		{arrow.BinaryTypes.String, 2, []*memory.Buffer{nil, offsets(0, 1), bytes(9)}, nil},
		{arrow.BinaryTypes.String, 2, []*memory.Buffer{nil, offsets(0, 1, 10), bytes(9)}, nil},
		{arrow.BinaryTypes.String, 2, []*memory.Buffer{nil, offsets(0, 1, -1), bytes(9)}, nil},
		{arrow.BinaryTypes.String, 2, []*memory.Buffer{nil, offsets(0, 1, 1), nil}, nil},
		{arrow.BinaryTypes.LargeString, 2, []*memory.Buffer{nil, wide(0, 1, 1<<60), bytes(9)}, nil},
		{arrow.BinaryTypes.StringView, 2, []*memory.Buffer{nil, bytes(31)}, nil},
		{arrow.ListOf(arrow.PrimitiveTypes.Int8), 1, []*memory.Buffer{nil, offsets(0)}, []arrow.ArrayData{item}},
		{arrow.ListOf(arrow.PrimitiveTypes.Int8), 1, []*memory.Buffer{nil, offsets(0, 2)}, []arrow.ArrayData{item}}, // C's to see
	} {
		column := &shortArray{data: array.NewData(bad.kind, bad.rows, bad.buffers, bad.children, 0, 0)}
		schema := arrow.NewSchema([]arrow.Field{{Name: "c", Type: bad.kind, Nullable: true}}, nil)
		w := val(OpenWriter(soon(t), f.s, f.root, newShard(), schema))(t)
		record := shortRecord{schema: schema, column: column}
		_, err := w.Put(soon(t), record)
		is(t, err, ErrInvalidData)
		_, err = w.PutAsync(record)
		is(t, err, ErrInvalidData)
		if batch, err := Export(record); err != nil {
			is(t, err, ErrInvalidData)
		} else {
			_, err = w.PutBatch(soon(t), batch)
			is(t, err, ErrInvalidData)
		}
		ok(t, w.Close())
	}
}

// A shortArray is one that arrow-go itself would not make, or fail over.
type shortArray struct {
	arrow.Array
	data arrow.ArrayData
}

func (a *shortArray) Data() arrow.ArrayData { return a.data }

type shortRecord struct {
	arrow.RecordBatch
	schema *arrow.Schema
	column arrow.Array
}

func (r shortRecord) Schema() *arrow.Schema  { return r.schema }
func (r shortRecord) Columns() []arrow.Array { return []arrow.Array{r.column} }
func (r shortRecord) NumRows() int64         { return int64(r.column.Data().Len()) }
func (r shortRecord) Retain()                {}
func (r shortRecord) Release()               {}

// A consumer may take a child out of its parent and release it later (PITFALLS X2, X3).
func TestChildMovedOutOfItsParent(t *testing.T) {
	e := val(acquireEngine())(t)
	defer e.unuse()
	for _, rows := range []int{5, 5000} {
		record := newRecord(t, 1, rows)
		root := val(exportRecord(record, e))(t)
		from := unsafe.Slice(root.children, root.n_children)[0]
		child := *from
		from.release = nil
		releaseForTest(unsafe.Pointer(root))
		values := unsafe.Slice(child.buffers, child.n_buffers)[1]
		equal(t, *(*int64)(values), 1) // still there
		releaseForTest(unsafe.Pointer(&child))
	}
}

func releaseForTest(a unsafe.Pointer) { cdata.ReleaseCArrowArray((*cdata.CArrowArray)(a)) }
