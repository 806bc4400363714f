package weir

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// keyed are the options of a writer with the key id, whose generations are merged by nobody else.
func keyed(more ...WriterOption) []WriterOption {
	return append([]WriterOption{WithPrimaryKey("id"), WithoutCompaction(), WithFsync(false)}, more...)
}

func upToFrom(first, end int64) (ids []int64) {
	for id := first; id < end; id++ {
		ids = append(ids, id)
	}
	return ids
}

// saying has rows of these ids, whose names are the tag and the id.
func saying(t testing.TB, tag string, ids ...int64) arrow.RecordBatch {
	b := array.NewRecordBuilder(counted, testSchema)
	defer b.Release()
	for _, id := range ids {
		b.Field(0).(*array.Int64Builder).Append(id)
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprint(tag, id))
	}
	r := b.NewRecordBatch()
	t.Cleanup(r.Release)
	return r
}

// says are the names that saying gives.
func says(tag string, ids ...int64) (names []string) {
	for _, id := range ids {
		names = append(names, fmt.Sprint(tag, id))
	}
	return names
}

var keySchema = arrow.NewSchema([]arrow.Field{testSchema.Field(0)}, nil)

func keysOf(t testing.TB, ids ...int64) arrow.RecordBatch {
	b := array.NewRecordBuilder(counted, keySchema)
	defer b.Release()
	b.Field(0).(*array.Int64Builder).AppendValues(ids, nil)
	r := b.NewRecordBatch()
	t.Cleanup(r.Release)
	return r
}

// A reading is what has rows: a writer or a snapshot.
type reading interface {
	OpenScan(...ScanOption) (*Scan, error)
}

// collect adds the names of a batch, "-" for null.
func collect(names []string, record arrow.RecordBatch) []string {
	column := record.Column(record.Schema().FieldIndices("name")[0]).(*array.String)
	for i := range column.Len() {
		if column.IsNull(i) {
			names = append(names, "-")
		} else {
			names = append(names, strings.Clone(column.Value(i)))
		}
	}
	return names
}

// namesIn scans, and gives the names.
func namesIn(t testing.TB, from reading, options ...ScanOption) (names []string) {
	t.Helper()
	s := val(from.OpenScan(options...))(t)
	defer s.Close()
	for record, err := range s.Batches(soon(t)) {
		ok(t, err)
		names = collect(names, record)
	}
	return names
}

// idsIn scans, and gives the ids.
func idsIn(t testing.TB, from reading, options ...ScanOption) (ids []int64) {
	t.Helper()
	s := val(from.OpenScan(options...))(t)
	defer s.Close()
	for record, err := range s.Batches(soon(t)) {
		ok(t, err)
		ids = append(ids, record.Column(record.Schema().FieldIndices("id")[0]).(*array.Int64).Int64Values()...)
	}
	return ids
}

// got takes what Get gives apart: the states as letters, and the names.
func got(states []KeyState, rows arrow.RecordBatch, err error) func(t testing.TB, want string, names ...string) {
	return func(t testing.TB, want string, names ...string) {
		t.Helper()
		ok(t, err)
		defer rows.Release()
		letters := ""
		for _, state := range states {
			letters += state.String()[:1]
		}
		equal(t, letters, want)
		same(t, collect(nil, rows), names)
	}
}

func same[T comparable](t testing.TB, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
}

// flush ends the MemTable, waits until it is published, and gives the newest generation.
func flush(t testing.TB, w *Writer) uint64 {
	t.Helper()
	generation := val(w.Freeze())(t)
	ok(t, w.WaitFlushed(soon(t), generation))
	return generation
}

func upsertNewestWins(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t, keyed()...)
	val(w.Put(soon(t), saying(t, "old", upTo(10)...)))(t)
	val(w.Put(soon(t), saying(t, "new", upToFrom(5, 15)...)))(t)
	want := append(says("old", upTo(5)...), says("new", upToFrom(5, 15)...)...)
	for range 2 { // in memory, and flushed
		same(t, namesIn(t, w), want)
		got(w.Get(soon(t), keysOf(t, 5, 20, 4, 5)))(t, "fmff", "new5", "old4", "new5")
		flush(t, w)
	}
	other := f
	other.shard = newShard()
	keyless := other.writer(t)
	val(keyless.Put(soon(t), saying(t, "old", upTo(10)...)))(t)
	val(keyless.Put(soon(t), saying(t, "new", upToFrom(5, 15)...)))(t)
	same(t, namesIn(t, keyless), append(says("old", upTo(10)...), says("new", upToFrom(5, 15)...)...))
	_, _, err := keyless.Get(soon(t), keysOf(t, 1))
	is(t, err, ErrUnsupported)
	_, err = keyless.Delete(soon(t), keysOf(t, 1))
	is(t, err, ErrUnsupported)
	_, err = keyless.KeySchema()
	is(t, err, ErrUnsupported)
}

func deleteAndStates(t *testing.T) {
	w := onMemory(t).writer(t, keyed()...)
	put := val(w.Put(soon(t), saying(t, "a", upTo(10)...)))(t)
	gone := val(w.Delete(soon(t), keysOf(t, 3, 7)))(t)
	equal(t, gone.Sequence > put.Sequence && gone.Position > put.Position, true)
	for range 2 {
		same(t, namesIn(t, w), says("a", 0, 1, 2, 4, 5, 6, 8, 9))
		got(w.Get(soon(t), keysOf(t, 7, 2, 50, 7)))(t, "dfmd", "a2")
		rows := 0
		for record, err := range w.Scan(soon(t), WithTombstones()) {
			ok(t, err)
			last := int(record.NumCols()) - 1
			equal(t, record.ColumnName(last), "_tombstone")
			for i := range int(record.NumRows()) {
				id := record.Column(0).(*array.Int64).Value(i)
				equal(t, record.Column(last).(*array.Boolean).Value(i), id == 3 || id == 7)
				rows++
			}
		}
		equal(t, rows, 10)
		flush(t, w)
	}
	val(w.Put(soon(t), saying(t, "b", 3)))(t)
	got(w.Get(soon(t), keysOf(t, 3, 7)))(t, "fd", "b3")

	b := array.NewRecordBuilder(counted, arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true}}, nil))
	defer b.Release()
	b.Field(0).(*array.Int64Builder).AppendValues([]int64{0, 1, 2}, []bool{true, false, true})
	withNull := b.NewRecordBatch()
	defer withNull.Release()
	_, err := w.Delete(soon(t), withNull)
	is(t, err, ErrInvalidData)
	_, err = w.DeleteAsync(withNull)
	is(t, err, ErrInvalidData)
	got(w.Get(soon(t), keysOf(t, 0, 1, 2)))(t, "fff", "a0", "a1", "a2")
}

func scanFilterLimit(t *testing.T) {
	for _, options := range [][]WriterOption{keyed(), keyed(WithIndex("by_name", "name"))} {
		w := onMemory(t).writer(t, options...)
		for first := int64(0); first < 100; first += 10 {
			b := array.NewRecordBuilder(counted, testSchema)
			for id := first; id < first+10; id++ {
				b.Field(0).(*array.Int64Builder).Append(id)
				if id%3 == 2 {
					b.Field(1).AppendNull()
				} else {
					b.Field(1).(*array.StringBuilder).Append(fmt.Sprint("row ", id))
				}
			}
			record := b.NewRecordBatch()
			b.Release()
			val(w.Put(soon(t), record))(t)
			record.Release()
		}
		between := []ScanOption{Where("id", GE, 20), Where("id", LT, 40)}
		same(t, idsIn(t, w, between...), upToFrom(20, 40))
		same(t, idsIn(t, w, append(between, Limit(7))...), upToFrom(20, 27))
		rows := int64(0)
		for record, err := range w.Scan(soon(t), Columns("name", "id"), BatchRows(30)) {
			ok(t, err)
			equal(t, record.NumCols(), 2)
			equal(t, record.ColumnName(0)+" "+record.ColumnName(1), "name id")
			equal(t, record.NumRows() <= 30, true)
			rows += record.NumRows()
		}
		equal(t, rows, 100)
		same(t, idsIn(t, w, Where("name", EQ, "row 42")), []int64{42})
		same(t, idsIn(t, w, WhereNull("name"), Where("id", LT, 10)), []int64{2, 5, 8})
		_, err := w.OpenScan(Columns("nothing"))
		is(t, err, ErrInvalidArgument)
		_, err = w.OpenScan(Where("nothing", EQ, 1))
		is(t, err, ErrInvalidArgument)
		_, err = w.OpenScan(Where("id", EQ, "20"))
		is(t, err, ErrSchemaMismatch)
	}
}

func scanMoment(t *testing.T) {
	w := onMemory(t).writer(t, keyed()...)
	val(w.Put(soon(t), saying(t, "a", upTo(30)...)))(t)
	moment := val(w.OpenScan(BatchRows(10)))(t)
	defer moment.Close()
	val(w.Put(soon(t), saying(t, "b", upToFrom(20, 40)...)))(t)
	val(w.Delete(soon(t), keysOf(t, 0, 29)))(t)
	flush(t, w)
	first := val(moment.Next(soon(t)))(t)
	names := collect(nil, first)
	first.Release()
	equal(t, len(names), 10)
	var stream cdata.CArrowArrayStream
	ok(t, moment.Stream(&stream))
	_, err := moment.Next(soon(t))
	is(t, err, ErrClosed)
	is(t, moment.Stream(new(cdata.CArrowArrayStream)), ErrClosed)
	ok(t, moment.Close())
	ok(t, w.Close())
	rest := val(cdata.ImportCRecordReader(&stream, nil))(t).(array.RecordReader)
	defer rest.Release()
	for rest.Next() {
		names = collect(names, rest.RecordBatch())
	}
	ok(t, rest.Err())
	same(t, names, says("a", upTo(30)...))
}

func freezeFlushRead(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t, keyed(WithCompactionLimits(2, 16, 256<<20))...)
	sstables := func() int { return val(f.s.Manifest(soon(t), f.root, f.shard))(t).SSTables }
	val(w.Put(soon(t), saying(t, "a", upTo(10)...)))(t)
	equal(t, val(w.Freeze())(t), 1)
	ok(t, w.WaitFlushed(soon(t), 1))
	equal(t, sstables(), 1)
	stats := val(w.MemTableStats())(t)
	equal(t, stats.PublishedGeneration, 1)
	equal(t, stats.ActiveRows, 0)
	same(t, namesIn(t, w), says("a", upTo(10)...))
	got(w.Get(soon(t), keysOf(t, 9, 10, 0)))(t, "fmf", "a9", "a0")
	equal(t, val(w.Freeze())(t), 1)
	is(t, w.WaitFlushed(soon(t), 2), ErrInvalidArgument)
	for i := int64(1); i < 4; i++ {
		val(w.Put(soon(t), saying(t, "a", upToFrom(10*i, 10*i+10)...)))(t)
		equal(t, flush(t, w), uint64(i)+1)
	}
	equal(t, sstables(), 4)
	equal(t, val(w.Compact(soon(t)))(t) >= 1, true)
	equal(t, sstables() < 4, true)
	same(t, namesIn(t, w), says("a", upTo(40)...))
}

func reopenReplays(t *testing.T) {
	f := onDisk(t)
	w := f.writer(t, keyed()...)
	val(w.Put(soon(t), saying(t, "flushed", upTo(10)...)))(t)
	flush(t, w)
	val(w.Put(soon(t), saying(t, "logged", upToFrom(10, 20)...)))(t)
	val(w.Delete(soon(t), keysOf(t, 4, 14)))(t)
	ok(t, w.Abort())
	want := append(says("flushed", 0, 1, 2, 3, 5, 6, 7, 8, 9), says("logged", 10, 11, 12, 13, 15, 16, 17, 18, 19)...)
	for _, replayed := range []uint64{12, 0} {
		w = f.writer(t, keyed()...)
		equal(t, val(w.MemTableStats())(t).ReplayedRows, replayed)
		same(t, namesIn(t, w), want)
		got(w.Get(soon(t), keysOf(t, 3, 4, 13, 14, 20)))(t, "fdfdm", "flushed3", "logged13")
		ok(t, w.Close())
	}
}

func snapshotThenTail(t *testing.T) {
	f := onDisk(t)
	w := f.writer(t, keyed()...)
	own := newSession(t)
	_, err := OpenSnapshot(soon(t), own, f.root, newShard())
	is(t, err, ErrNotFound)
	val(w.Put(soon(t), saying(t, "a", upTo(10)...)))(t)
	flush(t, w)
	val(w.Put(soon(t), saying(t, "b", upToFrom(5, 15)...)))(t)
	s := val(OpenSnapshot(soon(t), own, f.root, f.shard))(t)
	defer s.Close()
	val(w.Put(soon(t), saying(t, "c", upToFrom(15, 20)...)))(t)
	ok(t, w.CheckFenced(soon(t)))
	same(t, namesIn(t, s), append(says("a", upTo(5)...), says("b", upToFrom(5, 15)...)...))
	got(s.Get(soon(t), keysOf(t, 15, 14, 0)))(t, "mff", "b14", "a0")
	var names []string
	for entry, err := range Tail(soon(t), own, f.root, f.shard, From(s.CutPosition()+1)) {
		ok(t, err)
		for record, err := range entry.Batches() {
			ok(t, err)
			names = collect(names, record)
		}
	}
	same(t, names, says("c", upToFrom(15, 20)...))
}

func memTableOff(t *testing.T) {
	f := onDisk(t)
	w := f.writer(t, WithoutMemTable(), WithFsync(false))
	ctx := soon(t)
	_, err := w.OpenScan()
	is(t, err, ErrUnsupported)
	for _, err := range w.Scan(ctx) {
		is(t, err, ErrUnsupported)
	}
	_, err = w.ScanReader(ctx)
	is(t, err, ErrUnsupported)
	_, _, err = w.Get(ctx, keysOf(t, 1))
	is(t, err, ErrUnsupported)
	_, err = w.Delete(ctx, keysOf(t, 1))
	is(t, err, ErrUnsupported)
	_, err = w.Freeze()
	is(t, err, ErrUnsupported)
	is(t, w.WaitFlushed(ctx, 0), ErrUnsupported)
	_, err = w.Compact(ctx)
	is(t, err, ErrUnsupported)
	_, err = w.MemTableStats()
	is(t, err, ErrUnsupported)
	val(w.Put(ctx, newRecord(t, 0, 20)))(t)
	ok(t, w.Close())
	_, err = w.MemTableStats()
	is(t, err, ErrUnsupported)
	same(t, f.ids(t), upTo(20))

	root := filepath.Join(t.TempDir(), "untouched")
	for about, options := range map[string][]WriterOption{
		"primary_key": {WithoutMemTable(), WithPrimaryKey("id")},
		"indexes":     {WithoutMemTable(), WithIndex("by_name", "name")},
		"nothing":     {WithPrimaryKey("nothing")},
		"nowhere":     {WithIndex("by_nowhere", "nowhere")},
	} {
		_, err := OpenWriter(ctx, f.s, root, f.shard, testSchema, options...)
		if e := is(t, err, ErrInvalidArgument); !strings.Contains(e.Message, about) {
			t.Fatalf("the message does not name %s: %v", about, e)
		}
	}
	_, err = os.Stat(root)
	equal(t, os.IsNotExist(err), true)
}

func readOwnership(t *testing.T) {
	// Large keys are shared with C rather than copied: each is held until C has released it, and then no more.
	own := memory.NewCheckedAllocator(memory.NewGoAllocator())
	b := array.NewRecordBuilder(own, keySchema)
	b.Field(0).(*array.Int64Builder).AppendValues(upTo(5000), nil)
	keys := b.NewRecordBatch()
	b.Release()
	text := array.NewStringBuilder(own)
	text.Append(strings.Repeat("x", 10_000))
	large := text.NewArray()
	text.Release()
	other := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.BinaryTypes.String}}, nil), []arrow.Array{large}, 1)

	s := val(NewSession())(t)
	f := fixture{s, memoryRoot(), newShard()}
	w := val(OpenWriter(soon(t), s, f.root, f.shard, testSchema, keyed()...))(t)
	val(w.Put(soon(t), newRecord(t, 0, 5000)))(t)
	ctx := soon(t)
	_, fromGet, err := w.Get(ctx, keys)
	ok(t, err)
	_, _, err = w.Get(ctx, keys, "nothing")
	is(t, err, ErrInvalidArgument)
	_, _, err = w.Get(ctx, other)
	is(t, err, ErrSchemaMismatch)
	_, err = w.Delete(ctx, other)
	is(t, err, ErrSchemaMismatch)
	_, err = w.DeleteAsync(other)
	is(t, err, ErrSchemaMismatch)
	_, err = w.OpenScan(Where("id", EQ, large))
	is(t, err, ErrSchemaMismatch)
	_, err = w.OpenScan(Where("name", EQ, large), Where("nothing", EQ, 1))
	is(t, err, ErrInvalidArgument)
	same(t, idsIn(t, w, Where("name", EQ, large)), nil)
	scan := val(w.OpenScan(Where("id", LT, 10)))(t)
	fromScan := val(scan.Next(ctx))(t)
	_, err = scan.Next(ctx)
	equal(t, err, io.EOF)
	ok(t, scan.Close())
	snapshot := val(OpenSnapshot(ctx, s, f.root, f.shard))(t)
	_, fromSnapshot, err := snapshot.Get(ctx, keys, "name")
	ok(t, err)
	val(w.Delete(ctx, keys))(t)
	val(val(w.DeleteAsync(keys))(t).Wait(ctx))(t)
	ok(t, w.Close())
	_, _, err = w.Get(ctx, keys)
	is(t, err, ErrClosed)
	_, err = w.Delete(ctx, keys)
	is(t, err, ErrClosed)
	_, err = w.DeleteAsync(keys)
	is(t, err, ErrClosed)
	_, err = w.OpenScan(Where("name", EQ, large))
	is(t, err, ErrClosed)
	ok(t, snapshot.Close())
	ok(t, s.Close())
	want := newRecord(t, 0, 5000)
	equal(t, array.RecordEqual(fromGet, want), true)
	ten := want.NewSlice(0, 10)
	defer ten.Release()
	equal(t, array.RecordEqual(fromScan, ten), true)
	equal(t, array.Equal(fromSnapshot.Column(0), want.Column(1)), true)
	for _, r := range []arrow.RecordBatch{fromGet, fromScan, fromSnapshot, keys, other} {
		r.Release()
	}
	large.Release()
	eventually(t, "all keys and values are released", func() bool { return own.CurrentAlloc() == 0 })
}
