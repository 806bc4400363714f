package weir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// The options of tables reach C: each by what it refuses or does.
func TestTableOptions(t *testing.T) {
	f := onMemory(t)
	for _, bad := range []WriterOption{
		WithMaxMemTableBytes(0), WithMaxMemTableRows(0), WithMaxMemTableBatches(0), WithMaxUnflushedBytes(1), WithFrozenGrace(2 * time.Hour),
		WithCompactionLimits(1, 16, 1<<20), WithCompactionLimits(4, 3, 1<<20), WithPrimaryKey("id", "id"), WithPrimaryKey("a\x00b"),
		WithIndex("by\x00name", "name"), WithIndex("", "name"),
	} {
		_, err := OpenWriter(soon(t), f.s, f.root, f.shard, testSchema, bad)
		is(t, err, ErrInvalidArgument)
	}
	equal(t, len(val(f.s.ListShards(soon(t), f.root))(t)), 0)

	for limit, option := range map[string]WriterOption{"rows": WithMaxMemTableRows(10), "batches": WithMaxMemTableBatches(1)} {
		f.shard = newShard()
		w := f.writer(t, keyed(option)...)
		for i := range int64(3) {
			val(w.Put(soon(t), saying(t, "a", upToFrom(10*i, 10*i+10)...)))(t)
		}
		eventually(t, limit+" end MemTables", func() bool { return val(w.MemTableStats())(t).Flushes >= 2 })
	}

	f.shard = newShard()
	w := f.writer(t, keyed(WithFrozenGrace(time.Minute), WithMaxUnflushedBytes(1<<30))...)
	val(w.Put(soon(t), saying(t, "a", 1, 2, 3)))(t)
	held := val(w.Memory())(t)
	equal(t, held.UnflushedLimit, 1<<30)
	equal(t, held.MemTable > 0 && held.Kept == 0, true)
	equal(t, val(f.s.Memory())(t).MemTables >= held.MemTable, true)
	flush(t, w)
	equal(t, val(w.Memory())(t).Kept > 0, true) // for its grace
	stats := val(w.MemTableStats())(t)
	equal(t, stats.FlushedRows, 3)
	equal(t, stats.KeptBytes > 0 && stats.FlushedBytes > 0, true)
	equal(t, stats.Flushes, 1)
	equal(t, stats.ActiveGeneration, 2)
	ok(t, w.Close())
	equal(t, val(w.MemTableStats())(t).FlushedRows, 3) // what it did is still known
	text := val(f.s.Metrics())(t)
	equal(t, strings.Contains(text, "weir_memtable_") && strings.Contains(text, "weir_generation"), true)

	// The key may be what the schema says.
	f.shard = newShard()
	id := testSchema.Field(0)
	id.Metadata = arrow.NewMetadata([]string{"lance-schema:unenforced-primary-key"}, []string{"true"})
	marked := arrow.NewSchema([]arrow.Field{id, testSchema.Field(1)}, nil)
	w = val(OpenWriter(soon(t), f.s, f.root, f.shard, marked))(t)
	equal(t, val(w.KeySchema())(t).Field(0).Name, "id")
	ok(t, w.Close())
}

// What is read besides the rows: where they are, and in which order columns come.
func TestScanColumns(t *testing.T) {
	w := onMemory(t).writer(t, keyed()...)
	val(w.Put(soon(t), saying(t, "a", 1, 2, 3)))(t)
	flush(t, w)
	val(w.Put(soon(t), saying(t, "b", 2, 4)))(t)
	reader := val(w.ScanReader(soon(t), Columns("id"), WithPosition(), WithGeneration()))(t)
	defer reader.Release()
	var rows []string
	for reader.Next() {
		r := reader.RecordBatch()
		equal(t, r.Schema().Equal(reader.Schema()), true)
		at := func(name string) int { return r.Schema().FieldIndices(name)[0] }
		for i := range int(r.NumRows()) {
			id, generation, position := r.Column(at("id")), r.Column(at("_generation")), r.Column(at("_position"))
			rows = append(rows, id.ValueStr(i)+"@"+generation.ValueStr(i)+"."+position.ValueStr(i))
		}
	}
	ok(t, reader.Err())
	same(t, rows, []string{"1@1.0", "3@1.2", "2@2.0", "4@2.1"})
	equal(t, len(idsIn(t, w, Limit(0))), 0)
	equal(t, len(idsIn(t, w, WhereNotNull("name"), WhereNull("id"))), 0)
	_, err := w.OpenScan(BatchRows(0))
	is(t, err, ErrInvalidArgument)
	_, err = w.OpenScan(Columns("a\x00"))
	is(t, err, ErrInvalidArgument)
	states, found, err := w.Get(soon(t), keysOf(t, 2, 9), "name")
	ok(t, err)
	equal(t, found.NumCols(), 1)
	equal(t, found.Column(0).ValueStr(0), "b2")
	same(t, states, []KeyState{KeyFound, KeyMissing})
	found.Release()
	for _, none := range [][]int64{nil, {7, 8}} { // nothing is asked for, nothing is found
		states, found, err := w.Get(soon(t), keysOf(t, none...))
		ok(t, err)
		equal(t, len(states), len(none))
		equal(t, found.NumRows(), 0)
		found.Release()
	}
	// Keys are found by the names of their columns, among others, and as other types of the same values are not.
	got(w.Get(soon(t), saying(t, "whatever", 4, 1)))(t, "ff", "b4", "a1")
	equal(t, KeyDeleted.String()+" "+KeyState(9).String(), "deleted KeyState(9)")
}

// All kinds of values that a column may be compared with.
func TestComparands(t *testing.T) {
	day := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	fields := []arrow.Field{
		{Name: "i8", Type: arrow.PrimitiveTypes.Int8}, {Name: "u64", Type: arrow.PrimitiveTypes.Uint64},
		{Name: "f32", Type: arrow.PrimitiveTypes.Float32}, {Name: "large", Type: arrow.BinaryTypes.LargeString},
		{Name: "view", Type: arrow.BinaryTypes.StringView}, {Name: "bytes", Type: arrow.BinaryTypes.Binary},
		{Name: "bool", Type: arrow.FixedWidthTypes.Boolean}, {Name: "ms", Type: arrow.FixedWidthTypes.Timestamp_ms},
		{Name: "day", Type: arrow.FixedWidthTypes.Date32}, {Name: "day64", Type: arrow.FixedWidthTypes.Date64},
		{Name: "fixed", Type: &arrow.FixedSizeBinaryType{ByteWidth: 2}}, {Name: "time", Type: arrow.FixedWidthTypes.Time32s},
		{Name: "span", Type: arrow.FixedWidthTypes.Duration_ms}, {Name: "fine", Type: arrow.FixedWidthTypes.Time64us},
	}
	schema := arrow.NewSchema(fields, nil)
	b := array.NewRecordBuilder(counted, schema)
	defer b.Release()
	for i := range 3 {
		at := day.AddDate(0, 0, i)
		b.Field(0).(*array.Int8Builder).Append(int8(i))
		b.Field(1).(*array.Uint64Builder).Append(uint64(i))
		b.Field(2).(*array.Float32Builder).Append(float32(i) + 0.1)
		b.Field(3).(*array.LargeStringBuilder).Append(fmt.Sprint(i))
		b.Field(4).(*array.StringViewBuilder).Append(fmt.Sprint(i))
		b.Field(5).(*array.BinaryBuilder).Append([]byte{byte(i)})
		b.Field(6).(*array.BooleanBuilder).Append(i == 1)
		b.Field(7).(*array.TimestampBuilder).Append(arrow.Timestamp(at.UnixMilli()))
		b.Field(8).(*array.Date32Builder).Append(arrow.Date32FromTime(at))
		b.Field(9).(*array.Date64Builder).Append(arrow.Date64FromTime(at))
		b.Field(10).(*array.FixedSizeBinaryBuilder).Append([]byte{7, byte(i)})
		b.Field(11).(*array.Time32Builder).Append(arrow.Time32(i))
		b.Field(12).(*array.DurationBuilder).Append(arrow.Duration(i))
		b.Field(13).(*array.Time64Builder).Append(arrow.Time64(i))
	}
	record := b.NewRecordBatch()
	defer record.Release()
	f := onMemory(t)
	w := val(OpenWriter(soon(t), f.s, f.root, f.shard, schema))(t)
	defer w.Close()
	val(w.Put(soon(t), record))(t)
	snapshot := val(OpenSnapshot(soon(t), f.s, f.root, f.shard))(t)
	defer snapshot.Close()
	fixed := array.NewFixedSizeBinaryBuilder(memory.DefaultAllocator, fields[10].Type.(*arrow.FixedSizeBinaryType))
	defer fixed.Release()
	fixed.Append([]byte{7, 1})
	array1 := fixed.NewArray()
	defer array1.Release()
	type small int8
	type text string
	next := day.AddDate(0, 0, 1)
	for column, values := range map[string][]any{
		"i8": {1, int8(1), int64(1), uint16(1), small(1)}, "u64": {1, uint64(1), uint8(1)}, "f32": {float32(1.1)}, "large": {"1", text("1")}, "view": {"1"},
		"bytes": {[]byte{1}}, "bool": {true}, "ms": {next, next.In(time.FixedZone("far", 3600)), arrow.Timestamp(next.UnixMilli())},
		"day": {next, arrow.Date32FromTime(next)}, "day64": {next, arrow.Date64FromTime(next)}, "time": {arrow.Time32(1)}, "span": {arrow.Duration(1)}, "fine": {arrow.Time64(1)}, "fixed": {array1},
	} {
		for _, value := range values {
			for _, from := range []reading{w, snapshot} {
				s, err := from.OpenScan(Where(column, EQ, value))
				if err != nil {
					t.Fatalf("%s = %T: %v", column, value, err)
				}
				rows := ""
				for r, err := range s.Batches(soon(t)) {
					ok(t, err)
					rows += fmt.Sprint(r.Column(0))
				}
				equal(t, rows, "[1]")
				ok(t, s.Close())
			}
		}
	}
	for op, want := range map[Compare]string{EQ: "[1]", NE: "[0 2]", LT: "[0]", LE: "[0 1]", GT: "[2]", GE: "[1 2]"} {
		for r, err := range w.Scan(soon(t), Where("i8", op, 1)) {
			ok(t, err)
			equal(t, fmt.Sprint(r.Column(0)), want)
		}
	}
	two := array.NewSlice(record.Column(0), 0, 2)
	defer two.Release()
	for _, bad := range []struct {
		column string
		value  any
		is     error
	}{
		{"i8", 300, ErrSchemaMismatch}, {"i8", -200, ErrSchemaMismatch}, {"u64", -1, ErrSchemaMismatch}, {"f32", 1.1, ErrSchemaMismatch},
		{"i8", "1", ErrSchemaMismatch}, {"i8", day, ErrSchemaMismatch}, {"ms", day.Add(time.Microsecond), ErrSchemaMismatch},
		{"day", day.Add(time.Hour), ErrSchemaMismatch}, {"day64", day.Add(time.Hour), ErrSchemaMismatch},
		{"i8", nil, ErrInvalidArgument}, {"i8", struct{}{}, ErrInvalidArgument}, {"day", arrow.Timestamp(1), ErrSchemaMismatch}, {"ms", arrow.Date32(1), ErrSchemaMismatch}, {"none", arrow.Timestamp(1), ErrInvalidArgument},
		{"i8", arrow.MonthInterval(1), ErrInvalidArgument},
		{"i8", two, ErrInvalidArgument}, {"i8", uintptr(1), ErrInvalidArgument}, {"none", day, ErrInvalidArgument},
	} {
		_, err := w.OpenScan(Where(bad.column, EQ, bad.value))
		if !errors.Is(err, bad.is) {
			t.Errorf("%s = %v (%T): %v", bad.column, bad.value, bad.value, err)
		}
	}
	_, err := w.OpenScan(Where("i8", 77, 1))
	is(t, err, ErrInvalidArgument)
}

// slowRows is a flushed shard on a slow store, which a fresh session has to read.
func slowRows(t *testing.T, rows int64) (*Snapshot, []int64) {
	f := onMemory(t)
	w := f.writer(t, keyed()...)
	for first := int64(0); first < rows; first += 1000 {
		val(w.Put(soon(t), newRecord(t, first, 1000)))(t)
	}
	ok(t, w.Close())
	slow := newSession(t, slowSession(5*time.Millisecond))
	s := val(OpenSnapshot(soon(t), slow, f.root, f.shard))(t)
	t.Cleanup(func() { ok(t, s.Close()) })
	return s, upTo(rows)
}

// Of a store with latency, gets and scans are waited for, and give the same.
func TestReadsOfASlowStore(t *testing.T) {
	s, ids := slowRows(t, 20_000)
	states, rows, err := s.Get(soon(t), keysOf(t, 7, -1, 19_999))
	ok(t, err)
	same(t, states, []KeyState{KeyFound, KeyMissing, KeyFound})
	same(t, rows.Column(0).(*array.Int64).Int64Values(), []int64{7, 19_999})
	rows.Release()
	same(t, idsIn(t, s, BatchRows(1000)), ids)
	reader := val(s.ScanReader(soon(t), BatchRows(1000), Where("id", LT, 5000)))(t)
	reader.Retain()
	reader.Release()
	n := int64(0)
	for reader.Next() {
		n += reader.RecordBatch().NumRows()
	}
	ok(t, reader.Err())
	equal(t, n, 5000)
	reader.Release()
}

// Nothing is lost or read twice by a Next whose context ends.
func TestScanNextGivenUp(t *testing.T) {
	s, want := slowRows(t, 20_000)
	scan := val(s.OpenScan(BatchRows(500)))(t)
	defer scan.Close()
	var ids []int64
	given := 0
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(given%7)*500*time.Microsecond)
		record, err := scan.Next(ctx)
		cancel()
		if err == io.EOF {
			break
		}
		if err != nil {
			is(t, err, ErrTimedOut)
			if given++; scan.pull.left != nil {
				is(t, scan.Stream(new(cdata.CArrowArrayStream)), ErrInvalidArgument)
			}
			continue
		}
		ids = append(ids, record.Column(0).(*array.Int64).Int64Values()...)
		record.Release()
	}
	same(t, ids, want)
	if given == 0 {
		t.Fatal("no call was given up")
	}
	// One that is closed while a call was given up leaves nothing behind.
	for range 20 {
		scan := val(s.OpenScan(BatchRows(500)))(t)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			if record, err := scan.Next(ctx); err == nil {
				record.Release()
			}
		})
		group.Go(cancel)
		group.Go(func() { ok(t, scan.Close()) })
		group.Wait()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := s.Get(ctx, keysOf(t, 1))
	is(t, err, context.Canceled)
	for _, err := range s.Scan(ctx) {
		is(t, err, context.Canceled)
	}
	reader := val(s.ScanReader(ctx))(t)
	equal(t, reader.Next(), false)
	is(t, reader.Err(), context.Canceled)
	reader.Release()
}

// A get whose context ends is given up; what comes later is freed.
func TestGetGivenUp(t *testing.T) {
	s, _ := slowRows(t, 1000)
	late := 0
	for i := range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%3)*time.Millisecond)
		_, rows, err := s.Get(ctx, keysOf(t, int64(i)))
		cancel()
		if err != nil {
			is(t, err, ErrTimedOut)
			late++
			continue
		}
		rows.Release()
	}
	equal(t, late > 0, true)
}

// Close during reads and deletes is safe: each returns its result or ErrClosed.
func TestCloseDuringReads(t *testing.T) {
	for range 10 {
		f := onMemory(t)
		w := f.writer(t, keyed()...)
		val(w.Put(soon(t), newRecord(t, 0, 100)))(t)
		s := val(OpenSnapshot(soon(t), f.s, f.root, f.shard))(t)
		keys, record := keysOf(t, 1, 2, 3), newRecord(t, 0, 100)
		ctx := soon(t)
		get := func(_ []KeyState, rows arrow.RecordBatch, err error) error {
			if err == nil {
				rows.Release()
			}
			return err
		}
		scan := func(from reading) error {
			scan, err := from.OpenScan(Where("id", GE, 50), BatchRows(10))
			if err != nil {
				return err
			}
			defer scan.Close()
			for _, err := range scan.Batches(ctx) {
				if err != nil && !errors.Is(err, ErrClosed) {
					return err
				}
			}
			return nil
		}
		var group sync.WaitGroup
		start := make(chan struct{})
		for _, call := range []func() error{
			func() error { return get(w.Get(ctx, keys)) },
			func() error { return get(s.Get(ctx, keys, "name")) },
			func() error { return scan(w) },
			func() error { return scan(s) },
			func() error { _, err := w.Put(ctx, record); return err },
			func() error { _, err := w.Delete(ctx, keys); return err },
			func() error { _, err := w.Freeze(); return err },
			func() error { _, err := w.Compact(ctx); return err },
			func() error { _, err := w.MemTableStats(); return err },
		} {
			group.Go(func() {
				<-start
				for range 10_000 {
					if err := call(); err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Error(err)
						}
						return
					}
					if s.h.isClosed() && w.h.isClosed() {
						return
					}
				}
			})
		}
		close(start)
		time.Sleep(time.Millisecond)
		group.Go(func() { ok(t, w.Close()) })
		group.Go(func() { ok(t, s.Close()) })
		group.Wait()
		ok(t, s.Close())
		_, _, err := s.Get(ctx, keys)
		is(t, err, ErrClosed)
		_, err = s.OpenScan(Where("id", EQ, 1))
		is(t, err, ErrClosed)
		equal(t, s.Schema().NumFields(), 2)
		_, err = s.Manifest()
		is(t, err, ErrClosed)
	}
}

// What was begun outlives what it came from, and a reader the scan.
func TestScanOutlivesItsSource(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t, keyed()...)
	val(w.Put(soon(t), saying(t, "a", upTo(100)...)))(t)
	s := val(OpenSnapshot(soon(t), f.s, f.root, f.shard))(t)
	of, scan := val(w.OpenScan())(t), val(s.OpenScan(BatchRows(40)))(t)
	ok(t, w.Abort())
	ok(t, s.Close())
	first := val(scan.Next(soon(t)))(t)
	rows := first.NumRows()
	first.Release()
	reader := val(scan.Reader(soon(t)))(t)
	ok(t, scan.Close())
	ok(t, scan.Close())
	_, err := scan.Next(soon(t))
	is(t, err, ErrClosed)
	_, err = scan.Reader(soon(t))
	is(t, err, ErrClosed)
	is(t, scan.Stream(new(cdata.CArrowArrayStream)), ErrClosed)
	for reader.Next() {
		rows += reader.RecordBatch().NumRows()
	}
	ok(t, reader.Err())
	reader.Release()
	equal(t, rows, 100)
	record := val(of.Next(soon(t)))(t)
	equal(t, record.NumRows(), 100)
	record.Release()
	ok(t, of.Close())
	equal(t, of.Schema().Equal(record.Schema()), true)
}

// A snapshot reads the rows as another schema, or the generations alone, and says what it is of.
func TestSnapshotOptions(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t, keyed()...)
	_, err := OpenSnapshot(soon(t), f.s, f.root, f.shard)
	is(t, err, ErrNotFound) // it has no rows, so that nobody knows their schema
	val(w.Put(soon(t), saying(t, "a", 1, 2)))(t)
	flush(t, w)
	val(w.Put(soon(t), saying(t, "b", 2, 3)))(t)
	open := func(options ...SnapshotOption) *Snapshot {
		t.Helper()
		s := val(OpenSnapshot(soon(t), f.s, f.root, f.shard, options...))(t)
		t.Cleanup(func() { ok(t, s.Close()) })
		return s
	}
	same(t, namesIn(t, open(WithoutLog())), says("a", 1, 2))
	whole := open(WithIndex("by_name", "name"), WithMaxLogBytes(1<<20))
	same(t, namesIn(t, whole, Where("name", GE, "b")), says("b", 2, 3))
	equal(t, val(whole.Manifest())(t).SSTables, 1)
	equal(t, val(whole.KeySchema())(t).Field(0).Name, "id")
	wider := arrow.NewSchema(append(testSchema.Fields(), arrow.Field{Name: "more", Type: arrow.PrimitiveTypes.Int32, Nullable: true}), nil)
	as := open(WithReadSchema(wider), WithPrimaryKey("id"))
	equal(t, as.Schema().NumFields(), 3)
	for record, err := range as.Scan(soon(t)) {
		ok(t, err)
		equal(t, record.Column(2).NullN(), int(record.NumRows()))
	}
	_, err = OpenSnapshot(soon(t), f.s, f.root, f.shard, WithMaxLogBytes(1))
	is(t, err, ErrBackpressure)
	_, err = OpenSnapshot(soon(t), f.s, f.root, f.shard, WithPrimaryKey("nothing"))
	is(t, err, ErrInvalidArgument)
	_, err = OpenSnapshot(soon(t), f.s, f.root, "no shard")
	is(t, err, ErrInvalidArgument)
	_, err = OpenSnapshot(soon(t), f.s, f.root, f.shard, WithIndex("a\x00", "name"))
	is(t, err, ErrInvalidArgument)
	late, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = OpenSnapshot(late, newSession(t, slowSession(100*time.Millisecond)), f.root, f.shard)
	is(t, err, context.DeadlineExceeded)
}

// Puts and deletes wait for MemTables to be flushed, and all that was acknowledged is there.
func TestWaitsForFlushes(t *testing.T) {
	f := onMemory(t, slowSession(2*time.Millisecond))
	w := f.writer(t, WithPrimaryKey("id"), WithMaxMemTableBytes(1<<20), WithMaxUnflushedBytes(3<<20), Buffered())
	for first := int64(0); first < 100_000; first += 2000 {
		val(w.Put(soon(t), newRecord(t, first, 2000)))(t)
		val(w.Delete(soon(t), keysOf(t, first)))(t)
		memory := val(w.Memory())(t)
		if memory.MemTable+memory.Frozen > memory.UnflushedLimit {
			t.Fatalf("%+v", memory)
		}
	}
	equal(t, val(w.MemTableStats())(t).Flushes > 0, true)
	ids := idsIn(t, w)
	slices.Sort(ids)
	equal(t, len(ids), 100_000-50)
	equal(t, ids[0], 1)
}

// Goroutines get at once, each its own rows.
func TestManyGets(t *testing.T) {
	w := onMemory(t).writer(t, keyed()...)
	val(w.Put(soon(t), newRecord(t, 0, 1000)))(t)
	var group sync.WaitGroup
	for i := range int64(200) {
		keys := keysOf(t, i, 5000+i, i+1)
		group.Go(func() {
			for range 5 {
				states, rows, err := w.Get(t.Context(), keys)
				if err != nil {
					t.Error(err)
					return
				}
				ids := rows.Column(0).(*array.Int64).Int64Values()
				if !slices.Equal(states, []KeyState{KeyFound, KeyMissing, KeyFound}) || !slices.Equal(ids, []int64{i, i + 1}) {
					t.Errorf("%d: %v %v", i, states, rows)
				}
				rows.Release()
			}
		})
	}
	group.Wait()
	// Beyond the most threads that may read, weir's own do.
	readingNow.Add(mostReadingNow)
	defer readingNow.Add(-mostReadingNow)
	got(w.Get(soon(t), keysOf(t, 3, -3, 5)))(t, "fmf", "-", "name 5")
	same(t, idsIn(t, w), upTo(1000))
}

// Scans and snapshots that are forgotten are told of.
func TestLeakAlarmOfReads(t *testing.T) {
	told := make(chan string, 10)
	OnLeak(func(what string) { told <- what })
	defer OnLeak(nil)
	f := onMemory(t)
	w := f.writer(t)
	val(w.Put(soon(t), newRecord(t, 0, 3)))(t)
	scan, snapshot := forgetReads(t, f, w)
	var names []string
	for len(names) < 2 {
		runtime.GC()
		select {
		case what := <-told:
			names = append(names, what)
		case <-time.After(time.Millisecond):
		}
	}
	slices.Sort(names)
	same(t, names, []string{"scan of shard " + f.shard, "snapshot of shard " + f.shard})
	scan.close()
	snapshot.close()
}

//go:noinline
func forgetReads(t *testing.T, f fixture, w *Writer) (scan, snapshot *handle) {
	return val(w.OpenScan())(t).h, val(OpenSnapshot(soon(t), f.s, f.root, f.shard))(t).h
}

// A MemTable has its own copy of what was put: when that is durable, nothing of Go's is held or pinned any more, whatever is written to it.
func TestMemTablesHaveCopies(t *testing.T) {
	own := memory.NewCheckedAllocator(memory.NewGoAllocator())
	b := array.NewRecordBuilder(own, keySchema)
	b.Field(0).(*array.Int64Builder).AppendValues(upTo(5000), nil)
	record := b.NewRecordBatch()
	b.Release()
	f := onMemory(t)
	w := val(OpenWriter(soon(t), f.s, f.root, f.shard, keySchema, keyed()...))(t)
	defer w.Close()
	val(w.Put(soon(t), record))(t)
	values := record.Column(0).(*array.Int64).Int64Values()
	record.Release()
	eventually(t, "the record is released", func() bool { return own.CurrentAlloc() == 0 })
	clear(values)
	same(t, idsIn(t, w), upTo(5000))
}

// A delete waits no longer than its context; what the error is says whether it was accepted.
func TestDeleteObeysItsContext(t *testing.T) {
	f := onMemory(t, slowSession(50*time.Millisecond))
	w := f.writer(t, keyed(WithMaxPendingBytes(100_000), WithMaxBufferBytes(100_000))...)
	val(w.Put(soon(t), saying(t, "a", 1, 2, 3)))(t)
	short := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	_, err := w.Delete(short(), keysOf(t, 1))
	is(t, err, ErrOutcomeUnknown)
	is(t, err, context.DeadlineExceeded)
	pending := val(w.PutAsync(newRecord(t, 1000, 3500)))(t)
	many := keysOf(t, upToFrom(1000, 6000)...)
	_, err = w.DeleteAsync(many)
	is(t, err, ErrBackpressure)
	_, err = w.Delete(short(), many)
	is(t, err, ErrBackpressure)
	is(t, err, context.DeadlineExceeded)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = w.Delete(cancelled, keysOf(t, 2))
	is(t, err, ErrCancelled)
	val(w.Delete(soon(t), many))(t) // waits for room
	val(pending.Wait(soon(t)))(t)
	same(t, idsIn(t, w), []int64{2, 3})
}
