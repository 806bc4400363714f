package weir

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/arrow/memory/mallocator"
)

// behaviours are what every language's binding shows, by the ids of tests/conformance/behaviours.txt.
var behaviours = map[string]func(*testing.T){
	"error-fields":     errorFields,
	"error-argument":   errorArgument,
	"error-schema":     errorSchema,
	"put-durable":      putDurable,
	"put-async":        putAsync,
	"put-buffered":     putBuffered,
	"put-stream":       putStream,
	"fencing":          fencing,
	"ownership-input":  ownershipInput,
	"ownership-output": ownershipOutput,
	"cancel-wait":      cancelWait,
	"backpressure":     backpressure,
	"close-race":       closeRace,
	"close-twice":      closeTwice,
	"tail-order":       tailOrder,
	"tail-follow":      tailFollow,
	"tail-seek":        tailSeek,
	"tail-interrupt":   tailInterrupt,
	"tail-stream":      tailStream,
	"tail-subscribe":   tailSubscribe,
	"append":           appendOne,

	"upsert-newest-wins": upsertNewestWins,
	"delete-and-states":  deleteAndStates,
	"scan-filter-limit":  scanFilterLimit,
	"scan-moment":        scanMoment,
	"freeze-flush-read":  freezeFlushRead,
	"reopen-replays":     reopenReplays,
	"snapshot-then-tail": snapshotThenTail,
	"memtable-off":       memTableOff,
	"read-ownership":     readOwnership,

	"shard-admin":     shardAdmin,
	"routing":         routing,
	"metrics":         metrics,
	"log-sink":        logSink,
	"spill-roundtrip": spillRoundtrip,
	"spill-cap":       spillCap,
	"spill-reclaim":   spillReclaim,
	"spill-close":     spillClose,
	"cache-roundtrip": cacheRoundtrip,
	"cache-flight":    cacheFlight,
	"cache-backend":   cacheBackend,
}

// TestConformance runs the table: a behaviour that is listed and not shown fails, and so does one that is shown and not listed.
func TestConformance(t *testing.T) {
	top := filepath.Join("..", "..", "..")
	file, err := os.Open(filepath.Join(top, "tests", "conformance", "behaviours.txt"))
	ok(t, err)
	defer file.Close()
	listed := map[string]bool{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		id, _, found := strings.Cut(lines.Text(), ":")
		if !found || strings.HasPrefix(id, "#") {
			continue
		}
		listed[id] = true
		t.Run(id, func(t *testing.T) {
			show := behaviours[id]
			if show == nil {
				t.Fatal("this behaviour is not shown")
			}
			show(t)
		})
	}
	if len(listed) == 0 {
		t.Fatal("no behaviour is listed")
	}
	for id := range behaviours {
		if !listed[id] {
			t.Errorf("%s is shown and not listed", id)
		}
	}
}

func errorFields(t *testing.T) {
	f := onMemory(t)
	first := f.writer(t)
	f.writer(t)
	_, err := first.Put(soon(t), newRecord(t, 0, 1))
	e := is(t, err, ErrFenced)
	equal(t, e.Code, CodeFenced)
	equal(t, e.Action, ActionStop)
	if !strings.Contains(e.Error(), f.shard) {
		t.Fatalf("the message does not name the shard: %v", e)
	}
	epoch, found := e.Details.Uint64("fenced_by_epoch")
	equal(t, found, true)
	equal(t, epoch, 2)
	_, found = e.Details.Uint64("no such detail")
	equal(t, found, false)
	equal(t, errors.Is(err, ErrPoisoned), false)
}

func errorArgument(t *testing.T) {
	ctx, dir := soon(t), t.TempDir()
	s := newSession(t)
	refused := func(err error) {
		t.Helper()
		if !errors.Is(err, ErrInvalidArgument) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrInvalidData) {
			t.Fatalf("got %v", err)
		}
	}
	open := func(root, shard string, schema *arrow.Schema, options ...WriterOption) error {
		_, err := OpenWriter(ctx, s, root, shard, schema, options...)
		return err
	}
	refused(open("nosuchscheme://x", newShard(), testSchema))
	refused(open("", newShard(), testSchema))
	refused(open(dir, "not a shard", testSchema))
	refused(open(dir, "", testSchema))
	refused(open(dir+"\x00", newShard(), testSchema))
	refused(open(dir, newShard(), testSchema, WithCompression(77)))
	refused(open(dir, newShard(), testSchema, WithManifestProbeWidth(0)))
	refused(open(dir, newShard(), nil))
	refused(open(dir, newShard(), arrow.NewSchema([]arrow.Field{{Name: "x", Type: &unknownType{}}}, nil)))
	_, err := NewSession(WithStoreSetting("no_such_setting", "1"))
	e := is(t, err, ErrInvalidArgument)
	if !strings.Contains(e.Message, "no_such_setting") {
		t.Fatal(e)
	}
	left := val(os.ReadDir(dir))(t)
	equal(t, len(left), 0)
}

// unknownType is a type that the C data interface does not have.
type unknownType struct{ arrow.NullType }

func (*unknownType) ID() arrow.Type { return arrow.Type(1000) }

func errorSchema(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t)
	build := func(fields ...arrow.Field) arrow.RecordBatch {
		b := array.NewRecordBuilder(counted, arrow.NewSchema(fields, nil))
		defer b.Release()
		for i := range fields {
			b.Field(i).AppendEmptyValue()
		}
		r := b.NewRecordBatch()
		t.Cleanup(r.Release)
		return r
	}
	name := testSchema.Field(1)
	for _, bad := range []arrow.RecordBatch{
		build(name),
		build(arrow.Field{Name: "other", Type: arrow.PrimitiveTypes.Int64}, name),
		build(arrow.Field{Name: "id", Type: arrow.PrimitiveTypes.Float64}, name), // has the same form
	} {
		_, err := w.Put(soon(t), bad)
		is(t, err, ErrSchemaMismatch)
		batch := val(Export(bad))(t)
		if bad.NumCols() == 1 { // what the form shows
			if _, err = w.PutBatch(soon(t), batch); !errors.Is(err, ErrSchemaMismatch) && !errors.Is(err, ErrInvalidData) {
				t.Fatal(err)
			}
		}
		batch.Release()
	}
	null := build(arrow.Field{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, name)
	column := array.MakeArrayOfNull(counted, arrow.PrimitiveTypes.Int64, 1)
	defer column.Release()
	withNull := val(null.SetColumn(0, column))(t)
	defer withNull.Release()
	if _, err := w.Put(soon(t), withNull); !errors.Is(err, ErrSchemaMismatch) && !errors.Is(err, ErrInvalidData) {
		t.Fatal(err)
	}
	val(w.Put(soon(t), newRecord(t, 0, 3)))(t)
	equal(t, slices.Equal(f.ids(t), upTo(3)), true)
}

func putDurable(t *testing.T) {
	f := onDisk(t)
	w := f.writer(t)
	record := newRecord(t, 0, 20)
	ack := val(w.Put(soon(t), record))(t)
	equal(t, ack, Ack{Sequence: 1, Position: 1, Epoch: 1})
	equal(t, w.DurablePosition(), 1)
	entry := val(f.tailer(t).Read(soon(t), ack.Position))(t)
	defer entry.Release()
	got := val(entry.Batch(0))(t)
	defer got.Release()
	equal(t, array.RecordEqual(got, record), true)
	equal(t, got.Schema().Equal(testSchema), true)
}

func putAsync(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t)
	const n = 1000
	pendings := make([]*Pending, n)
	for i := range pendings {
		pendings[i] = val(w.PutAsync(newRecord(t, int64(i), 1)))(t)
	}
	seen := map[uint64]bool{}
	for i, p := range pendings {
		<-p.Done()
		ack := val(p.Wait(soon(t)))(t)
		equal(t, val(p.Wait(soon(t)))(t), ack) // once, however often it is asked for
		equal(t, ack.Sequence, uint64(i)+1)
		seen[ack.Sequence] = true
	}
	equal(t, len(seen), n)
	equal(t, slices.Equal(f.ids(t), upTo(n)), true)
}

func putBuffered(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t, Buffered(), WithLinger(time.Hour))
	var last Ack
	for i := range int64(10) {
		last = val(w.Put(soon(t), newRecord(t, i, 1)))(t)
		equal(t, last.Position, 0)
	}
	equal(t, w.DurablePosition(), 0)
	equal(t, len(f.ids(t)), 0)
	durable := val(w.Flush(soon(t)))(t)
	equal(t, durable.Sequence, last.Sequence)
	equal(t, val(w.WaitDurable(soon(t), last.Sequence))(t).Sequence, last.Sequence)
	equal(t, slices.Equal(f.ids(t), upTo(10)), true)
	_, err := w.WaitDurable(soon(t), 11)
	is(t, err, ErrInvalidArgument)
}

// readerOf reads records, and then fails with err.
type readerOf struct {
	array.RecordReader
	records []arrow.RecordBatch
	err     error
	at      int
}

func (r *readerOf) Next() bool                     { r.at++; return r.at <= len(r.records) }
func (r *readerOf) RecordBatch() arrow.RecordBatch { return r.records[r.at-1] }
func (r *readerOf) Schema() *arrow.Schema          { return testSchema }
func (r *readerOf) Retain()                        {}
func (r *readerOf) Release()                       {}
func (r *readerOf) Err() error {
	if r.at > len(r.records) {
		return r.err
	}
	return nil
}

func putStream(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t)
	var records []arrow.RecordBatch
	for i := range int64(5) {
		records = append(records, newRecord(t, 10*i, 10))
	}
	ack := val(w.PutReader(soon(t), &readerOf{records: records}))(t)
	equal(t, ack.Sequence, 5)
	equal(t, w.DurablePosition(), 5)
	equal(t, slices.Equal(f.ids(t), upTo(50)), true)

	// A stream of C's, here an entry's, into another shard.
	other := f
	other.shard = newShard()
	to := other.writer(t)
	for entry, err := range Tail(soon(t), f.s, f.root, f.shard) {
		ok(t, err)
		var stream cdata.CArrowArrayStream
		ok(t, entry.Stream(&stream))
		if entry.IsSentinel() {
			cdata.ReleaseCArrowArrayStream(&stream)
			continue
		}
		val(to.PutStream(soon(t), &stream))(t)
		_, err := to.PutStream(soon(t), &stream) // it is consumed
		is(t, err, ErrInvalidArgument)
	}
	equal(t, slices.Equal(other.ids(t), upTo(50)), true)

	// What fails on the way says how much went before.
	broken := errors.New("the source broke")
	_, err := w.PutReader(soon(t), &readerOf{records: records[:2], err: broken})
	e := is(t, err, broken)
	accepted, _ := e.Details.Uint64("accepted")
	equal(t, accepted, 2)
	val(w.Flush(soon(t)))(t) // they are put, and under way
	equal(t, slices.Equal(f.ids(t), append(upTo(50), upTo(20)...)), true)
	malloc := mallocator.NewMallocator() // what cdata exports must not be Go's memory
	foreign := &readerOf{err: broken}
	for range 3 {
		b := array.NewRecordBuilder(malloc, testSchema)
		b.Field(0).AppendEmptyValue()
		b.Field(1).AppendEmptyValue()
		foreign.records = append(foreign.records, b.NewRecordBatch())
		b.Release()
	}
	var failing cdata.CArrowArrayStream
	cdata.ExportRecordReader(foreign, &failing)
	_, err = to.PutStream(soon(t), &failing)
	if e = err.(*Error); !strings.Contains(e.Message, broken.Error()) {
		t.Fatal(e)
	}
	accepted, _ = e.Details.Uint64("accepted")
	equal(t, accepted, 3)
	val(to.Flush(soon(t)))(t)
	equal(t, slices.Equal(other.ids(t), append(upTo(50), 0, 0, 0)), true)
	for _, record := range foreign.records {
		record.Release()
	}
	eventually(t, "the batches are released", func() bool { return malloc.AllocatedBytes() == 0 })
	equal(t, val(w.PutReader(soon(t), &readerOf{}))(t).Sequence, 0)
}

func fencing(t *testing.T) {
	f := onDisk(t)
	first := f.writer(t)
	val(first.Put(soon(t), newRecord(t, 0, 2)))(t)
	second := f.writer(t)
	equal(t, second.Epoch(), first.Epoch()+1)
	_, err := first.Put(soon(t), newRecord(t, 100, 1))
	e := is(t, err, ErrFenced)
	by, _ := e.Details.Uint64("fenced_by_epoch")
	equal(t, by, second.Epoch())
	is(t, first.CheckFenced(soon(t)), ErrFenced)
	ok(t, second.CheckFenced(soon(t)))
	val(second.Put(soon(t), newRecord(t, 2, 2)))(t)
	equal(t, slices.Equal(f.ids(t), upTo(4)), true)
	is(t, first.Close(), ErrFenced)
	ok(t, second.Close())
}

func ownershipInput(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t)
	buffered := fixture{f.s, f.root, newShard()}.writer(t, Buffered(), WithMaxPendingBytes(100_000), WithMaxBufferBytes(100_000), WithLinger(time.Hour))
	a := fixture{f.s, f.root, newShard()}.appender(t)
	closed := fixture{f.s, f.root, newShard()}.writer(t)
	ok(t, closed.Close())
	fenced := fixture{f.s, f.root, newShard()}
	old := fenced.writer(t)
	fenced.writer(t)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	wide := func(in memory.Allocator) arrow.RecordBatch { // larger than what is copied
		b := array.NewRecordBuilder(in, testSchema)
		defer b.Release()
		b.Field(0).(*array.Int64Builder).AppendValues(make([]int64, 5000), nil)
		b.Field(1).(*array.StringBuilder).AppendValues(make([]string, 5000), nil)
		return b.NewRecordBatch()
	}
	for _, use := range []struct {
		name string
		want error
		call func(*Batch) error
	}{
		{"put", nil, func(b *Batch) error { _, err := w.PutBatch(soon(t), b); return err }},
		{"append", nil, func(b *Batch) error { _, err := a.AppendBatch(soon(t), b); return err }},
		{"buffered", nil, func(b *Batch) error { _, err := buffered.PutBatch(soon(t), b); return err }},
		{"backpressure", ErrBackpressure, func(b *Batch) error { _, err := buffered.PutBatch(soon(t), b); return err }},
		{"closed", ErrClosed, func(b *Batch) error { _, err := closed.PutBatch(soon(t), b); return err }},
		{"fenced", ErrFenced, func(b *Batch) error { _, err := old.PutBatch(soon(t), b); return err }},
		{"cancelled", ErrCancelled, func(b *Batch) error { _, err := w.PutBatch(cancelled, b); return err }},
		{"cancelled append", ErrCancelled, func(b *Batch) error { _, err := a.AppendBatch(cancelled, b); return err }},
		{"release", nil, func(b *Batch) error { b.Release(); return nil }},
	} {
		record := wide(counted)
		batch := val(Export(record))(t)
		record.Release() // weir has its own share
		if err := use.call(batch); !errors.Is(err, use.want) {
			t.Fatalf("%s: %v", use.name, err)
		}
		if _, err := w.PutBatch(soon(t), batch); !errors.Is(err, ErrInvalidArgument) {
			t.Fatalf("%s: it was not consumed: %v", use.name, err)
		}
		batch.Release()
	}
	val(buffered.Flush(soon(t)))(t)
	// A foreign array: its own release runs, once.
	malloc := mallocator.NewMallocator() // what cdata exports must not be Go's memory
	record := wide(malloc)
	var c cdata.CArrowArray
	cdata.ExportArrowRecordBatch(record, &c, nil)
	record.Release()
	val(w.PutBatch(soon(t), val(BatchFromC(&c))(t)))(t)
	_, err := BatchFromC(&c)
	is(t, err, ErrInvalidArgument)
	eventually(t, "all batches are released", func() bool {
		keepers.Lock()
		defer keepers.Unlock()
		return len(keepers.of) == 0 && malloc.AllocatedBytes() == 0
	})
}

func ownershipOutput(t *testing.T) {
	s := val(NewSession())(t)
	f := fixture{s, t.TempDir(), newShard()}
	record := newRecord(t, 0, 2000)
	w := f.writer(t)
	val(w.Put(soon(t), record))(t)
	ok(t, w.Close())
	tailer := val(OpenTailer(s, f.root, f.shard))(t)
	entry := val(tailer.Read(soon(t), 1))(t)
	kept := val(entry.Batch(0))(t)
	entry.Release()
	entry.Release()
	_, err := entry.Batch(0)
	is(t, err, ErrClosed)
	ok(t, tailer.Close())
	ok(t, s.Close())
	equal(t, array.RecordEqual(kept, record), true)
	kept.Release()
}

func cancelWait(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t)
	tailer := f.tailer(t, Follow())
	// Who waits for it has a put written at once, which takes a while here.
	slow := onMemory(t, slowSession(250*time.Millisecond)).writer(t, Buffered(), WithLinger(time.Hour), WithMaxPendingBytes(10_000), WithMaxBufferBytes(10_000))
	val(slow.Put(soon(t), newRecord(t, 0, 300)))(t)
	for name, call := range map[string]func(context.Context) error{
		"next":     func(ctx context.Context) error { _, err := tailer.Next(ctx); return err },
		"durable":  func(ctx context.Context) error { _, err := slow.WaitDurable(ctx, 1); return err },
		"capacity": func(ctx context.Context) error { return slow.WaitCapacity(ctx, 9_000) },
	} {
		deadline, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		err := call(deadline)
		cancel()
		is(t, err, ErrTimedOut)
		is(t, err, context.DeadlineExceeded)

		reason := errors.New("the reason of " + name)
		ctx, stop := context.WithCancelCause(t.Context())
		done := make(chan error)
		go func() { done <- call(ctx) }()
		time.Sleep(time.Millisecond) // as a rule it waits by then; if not, the same must hold
		stop(reason)
		err = <-done
		is(t, err, ErrCancelled)
		is(t, err, context.Canceled)
		is(t, err, reason)
	}
	// The handles are as they were, and nothing was lost.
	val(slow.WaitDurable(soon(t), 1))(t)
	val(w.Put(soon(t), newRecord(t, 0, 300)))(t)
	ok(t, slow.WaitCapacity(soon(t), 9_000))
	entry := val(tailer.Next(soon(t)))(t)
	defer entry.Release()
	equal(t, len(entryIDs(t, entry)), 300)
}

func backpressure(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t, Buffered(), WithLinger(time.Hour), WithMaxPendingBytes(20_000), WithMaxBufferBytes(20_000))
	record := newRecord(t, 0, 300)
	var e *Error
	for range 100 {
		_, err := w.PutAsync(record)
		if err != nil {
			e = is(t, err, ErrBackpressure)
			break
		}
	}
	if e == nil {
		t.Fatal("it was never refused")
	}
	equal(t, e.Action, ActionRetry)
	for _, name := range []string{"bytes", "pending_bytes", "in_flight_bytes", "reserved_bytes", "limit_bytes"} {
		if _, found := e.Details.Uint64(name); !found {
			t.Fatalf("the detail %s is missing from %v", name, e.Details)
		}
	}
	val(w.Flush(soon(t)))(t)
	p := val(w.PutAsync(record))(t)
	val(p.Wait(soon(t)))(t)
}

func closeRace(t *testing.T) {
	for range 20 {
		f := onMemory(t)
		w := f.writer(t, Buffered())
		tailer := f.tailer(t, Follow())
		record := newRecord(t, 0, 5)
		var group sync.WaitGroup
		fine := func(err error) {
			if err != nil && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
		start := make(chan struct{})
		loop := func(call func() error) {
			group.Go(func() {
				<-start
				for {
					err := call()
					fine(err)
					if err != nil {
						return
					}
				}
			})
		}
		ctx := soon(t)
		for range 3 {
			loop(func() error { _, err := w.Put(ctx, record); return err })
			loop(func() error { _, err := w.Flush(ctx); return err })
			loop(func() error { return w.CheckFenced(ctx) })
			loop(func() error {
				entry, err := tailer.Next(ctx)
				if err == nil {
					entry.Release()
				}
				return err
			})
			loop(func() error { _, err := tailer.NextPosition(ctx); return err })
		}
		close(start)
		time.Sleep(time.Millisecond)
		group.Go(func() { ok(t, w.Close()) })
		group.Go(func() { ok(t, tailer.Close()) })
		group.Wait()
	}
}

func closeTwice(t *testing.T) {
	f := onMemory(t)
	w, a, tailer := f.writer(t), fixture{f.s, f.root, newShard()}.appender(t), f.tailer(t)
	val(w.Put(soon(t), newRecord(t, 0, 1)))(t)
	sub := val(f.tailer(t, Follow()).Subscribe(1))(t)
	for range 2 {
		ok(t, w.Close())
		ok(t, w.Abort())
		ok(t, a.Close())
		ok(t, tailer.Close())
		ok(t, sub.Close())
	}
	_, err := w.Put(soon(t), newRecord(t, 0, 1))
	is(t, err, ErrClosed)
	_, err = w.PutAsync(newRecord(t, 0, 1))
	is(t, err, ErrClosed)
	_, err = w.Flush(soon(t))
	is(t, err, ErrClosed)
	_, err = a.Append(soon(t), newRecord(t, 0, 1))
	is(t, err, ErrClosed)
	_, err = tailer.Next(soon(t))
	is(t, err, ErrClosed)
	is(t, tailer.Seek(1), ErrClosed)
	_, err = sub.Next(soon(t))
	is(t, err, ErrClosed)
	equal(t, val(w.Stats())(t).Puts, 1) // what it did is still known
	equal(t, w.DurablePosition(), 1)
	equal(t, val(w.Manifest())(t).WriterEpoch, 1)
	s := val(NewSession())(t)
	ok(t, s.Close())
	ok(t, s.Close())
	_, err = s.Metrics()
	is(t, err, ErrClosed)
	_, err = OpenWriter(soon(t), s, f.root, f.shard, testSchema)
	is(t, err, ErrClosed)
}

func tailOrder(t *testing.T) {
	f := onMemory(t)
	for first := int64(0); first < 20; first += 10 { // by two owners: a sentinel between them
		a := f.appender(t)
		for i := range int64(10) {
			val(a.Append(soon(t), newRecord(t, first+i, 1)))(t)
		}
		ok(t, a.Close())
	}
	tailer := f.tailer(t)
	equal(t, tailer.Position(), 0)
	id := int64(0)
	for position := uint64(1); position <= 21; position++ {
		entry := val(tailer.Next(soon(t)))(t)
		equal(t, tailer.Position(), position+1)
		equal(t, entry.Position(), position)
		equal(t, entry.Epoch(), map[bool]uint64{true: 1, false: 2}[position <= 10])
		equal(t, entry.IsSentinel(), position == 11)
		equal(t, entry.Generation(), 0)
		equal(t, entry.Bytes() > 0, true)
		if entry.IsSentinel() {
			equal(t, entry.NumBatches(), 0)
			equal(t, val(entry.Schema())(t).NumFields(), 0)
		} else {
			equal(t, entry.NumBatches(), 1)
			equal(t, entry.Rows(), 1)
			equal(t, val(entry.Schema())(t).Equal(testSchema), true)
			equal(t, slices.Equal(entryIDs(t, entry), []int64{id}), true)
			id++
			_, err := entry.Batch(1)
			is(t, err, ErrInvalidArgument)
			_, err = entry.Batch(-1)
			is(t, err, ErrInvalidArgument)
		}
		entry.Release()
	}
	for range 2 {
		_, err := tailer.Next(soon(t))
		equal(t, err, io.EOF)
	}
	equal(t, val(tailer.FirstPosition(soon(t)))(t), 1)
	equal(t, val(tailer.NextPosition(soon(t)))(t), 22)
}

func tailFollow(t *testing.T) {
	f := onDisk(t)
	w := f.writer(t)
	tailer := f.tailer(t, Follow())
	got := make(chan []int64)
	go func() {
		entry, err := tailer.Next(soon(t))
		if err != nil {
			t.Error(err)
			close(got)
			return
		}
		defer entry.Release()
		got <- entryIDs(t, entry)
	}()
	time.Sleep(2 * time.Millisecond) // as a rule it waits by then
	val(w.Put(soon(t), newRecord(t, 0, 4)))(t)
	equal(t, slices.Equal(<-got, upTo(4)), true)
}

// trimAge is the shortest that weir allows.
const trimAge = time.Second

// trimTo trims when the entries are old enough.
func trimTo(t *testing.T, f fixture, upTo uint64) {
	eventually(t, "the entries are old enough", func() bool {
		return val(f.s.Trim(soon(t), f.root, f.shard, upTo, trimAge))(t) == upTo+1
	})
}

func tailSeek(t *testing.T) {
	f := onMemory(t)
	a := f.appender(t, WithTrimAge(trimAge))
	for i := range int64(6) {
		val(a.Append(soon(t), newRecord(t, i, 1)))(t)
	}
	tailer := f.tailer(t)
	next := func() uint64 {
		t.Helper()
		entry := val(tailer.Next(soon(t)))(t)
		defer entry.Release()
		return entry.Position()
	}
	ok(t, tailer.Seek(4))
	equal(t, next(), 4)
	equal(t, next(), 5)
	ok(t, tailer.Seek(2))
	equal(t, next(), 2)
	entry := val(tailer.Read(soon(t), 6))(t)
	equal(t, entry.Position(), 6)
	entry.Release()
	equal(t, tailer.Position(), 3) // reading does not move it
	_, err := tailer.Read(soon(t), 7)
	is(t, err, ErrNotFound)
	trimTo(t, f, 3)
	_, err = tailer.Read(soon(t), 1)
	e := is(t, err, ErrTrimmed)
	first, _ := e.Details.Uint64("first_position")
	equal(t, first, 4)
	ok(t, tailer.Seek(0))
	equal(t, next(), 4)
}

func tailInterrupt(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t)
	tailer := f.tailer(t, Follow())
	done := make(chan error)
	go func() { _, err := tailer.Next(soon(t)); done <- err }()
	time.Sleep(time.Millisecond)
	tailer.Interrupt()
	is(t, <-done, ErrCancelled)
	val(w.Put(soon(t), newRecord(t, 0, 1)))(t)
	entry := val(tailer.Next(soon(t)))(t)
	equal(t, entry.Position(), 1)
	entry.Release()
}

func tailStream(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t)
	for i := range int64(30) {
		val(w.Put(soon(t), newRecord(t, i*10, 10)))(t)
	}
	check := func(reader array.RecordReader) {
		t.Helper()
		defer reader.Release()
		equal(t, reader.Schema().Equal(testSchema), true)
		var ids []int64
		for reader.Next() {
			ids = append(ids, reader.RecordBatch().Column(0).(*array.Int64).Int64Values()...)
		}
		ok(t, reader.Err())
		equal(t, slices.Equal(ids, upTo(300)), true)
	}
	check(val(f.tailer(t).Reader(soon(t)))(t))
	var stream cdata.CArrowArrayStream
	ok(t, f.tailer(t).Stream(&stream))
	check(val(cdata.ImportCRecordReader(&stream, nil))(t).(array.RecordReader))
}

func tailSubscribe(t *testing.T) {
	f := onMemory(t)
	a := f.appender(t)
	for i := range int64(10) {
		val(a.Append(soon(t), newRecord(t, i, 1)))(t)
	}
	tailer := f.tailer(t, Follow())
	sub := val(tailer.Subscribe(3))(t)
	take := func(position uint64) {
		t.Helper()
		entry := val(sub.Next(soon(t)))(t)
		equal(t, entry.Position(), position)
		entry.Release()
	}
	for p := range uint64(3) {
		take(p + 1)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	_, err := sub.Next(short) // its credit is used up
	cancel()
	is(t, err, ErrTimedOut)
	ok(t, sub.Request(2))
	take(4)
	take(5)
	sub.Cancel()
	for range 2 {
		_, err = sub.Next(soon(t))
		is(t, err, ErrCancelled)
	}
	ok(t, sub.Close())
	// The tailer can be read otherwise again, and a subscription ends at the end of the log.
	plain := f.tailer(t, From(9))
	sub = val(plain.Subscribe(100))(t)
	take(9)
	take(10)
	_, err = sub.Next(soon(t))
	equal(t, err, io.EOF)
	ok(t, sub.Close())
}

func appendOne(t *testing.T) {
	f := onDisk(t)
	a := f.appender(t)
	equal(t, a.Epoch(), 1)
	for i := range int64(5) {
		equal(t, val(a.Append(soon(t), newRecord(t, i, 1)))(t), uint64(i)+1)
	}
	ok(t, a.CheckFenced(soon(t)))
	equal(t, slices.Equal(f.ids(t), upTo(5)), true)
	f.appender(t)
	_, err := a.Append(soon(t), newRecord(t, 9, 1))
	is(t, err, ErrFenced)
	is(t, a.CheckFenced(soon(t)), ErrFenced)
}

func shardAdmin(t *testing.T) {
	f := onDisk(t)
	ctx := soon(t)
	equal(t, len(val(f.s.ListShards(ctx, f.root))(t)), 0)
	_, err := f.s.Manifest(ctx, f.root, f.shard)
	is(t, err, ErrNotFound)
	fields := []ShardField{{"bucket", []byte{1, 0, 255}}, {"region", nil}}
	ok(t, f.s.InitShard(ctx, f.root, f.shard, 7, fields...))
	is(t, f.s.InitShard(ctx, f.root, f.shard, 7, fields...), os.ErrExist)
	other := newShard()
	ok(t, f.s.InitShard(ctx, f.root, other, 0))
	want := []string{f.shard, other}
	slices.Sort(want)
	equal(t, slices.Equal(val(f.s.ListShards(ctx, f.root))(t), want), true)
	m := val(f.s.Manifest(ctx, f.root, f.shard))(t)
	equal(t, m.WriterEpoch, 0)
	equal(t, m.Version, 1)
	equal(t, m.ShardSpecID, 7)
	equal(t, m.SSTables, 0)
	slices.SortFunc(m.Fields, func(a, b ShardField) int { return strings.Compare(a.ID, b.ID) })
	equal(t, fmt.Sprint(m.Fields), fmt.Sprint(fields))
	w := f.writer(t, WithTrimAge(trimAge))
	equal(t, val(f.s.Manifest(ctx, f.root, f.shard))(t).WriterEpoch, 1)
	for i := range int64(3) {
		val(w.Put(ctx, newRecord(t, i, 1)))(t)
	}
	ok(t, f.s.Seal(ctx, f.root, f.shard))
	equal(t, val(f.s.Manifest(ctx, f.root, f.shard))(t).Sealed, true)
	_, err = OpenWriter(ctx, f.s, f.root, f.shard, testSchema)
	is(t, err, ErrSealed)
	ok(t, f.s.Unseal(ctx, f.root, f.shard))
	ok(t, f.writer(t, WithTrimAge(trimAge)).Close())
	trimTo(t, f, 2)
	equal(t, val(f.tailer(t).FirstPosition(ctx))(t), 3)
	equal(t, val(f.s.Trim(ctx, f.root, f.shard, 3, DefaultTrimAge))(t), 3) // nothing is a day old
}

func routing(t *testing.T) {
	ints := array.NewInt32Builder(counted)
	ints.AppendValues([]int32{1, 2, 3, 0}, []bool{true, true, true, false})
	strs := array.NewStringBuilder(counted)
	strs.AppendValues([]string{"a", "b"}, nil)
	views := array.NewStringViewBuilder(counted)
	views.AppendValues([]string{"a", "b"}, nil)
	bools := array.NewBooleanBuilder(counted)
	bools.Append(true)
	floats := array.NewFloat64Builder(counted)
	floats.Append(1.25)
	empty := array.NewInt32Builder(counted)
	for _, c := range []struct {
		builder array.Builder
		want    []int32
	}{{ints, []int32{2, 7, 1, 0}}, {strs, []int32{1, 5}}, {views, []int32{1, 5}}, {bools, []int32{2}}, {floats, []int32{0}}, {empty, nil}} {
		column := c.builder.NewArray()
		c.builder.Release()
		got, err := Buckets(column, 8)
		ok(t, err)
		if !slices.Equal(got, c.want) {
			t.Fatalf("%v: %v, want %v", column, got, c.want)
		}
		for _, n := range []int{0, 1025, -1} {
			_, err = Buckets(column, n)
			is(t, err, ErrInvalidArgument)
		}
		column.Release()
	}
}

func metrics(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t)
	for i := range int64(3) {
		val(w.Put(soon(t), newRecord(t, i, 1)))(t)
	}
	text := val(f.s.Metrics())(t)
	found := false
	for line := range strings.Lines(text) {
		found = found || strings.HasPrefix(line, "weir_") && strings.Contains(line, "put") && strings.HasSuffix(line, " 3\n")
	}
	if !found {
		t.Fatalf("no metric says that there were 3 puts:\n%s", text)
	}
	keys := val(StoreSettings())(t)
	equal(t, slices.Contains(keys, "weir_fsync"), true)
	stats, memory := val(w.Stats())(t), val(w.Memory())(t)
	equal(t, stats.Puts, 3)
	equal(t, stats.Rows, 3)
	equal(t, stats.PutMax >= stats.PutP50 && stats.PutP50 > 0, true)
	equal(t, memory.Limit, 64<<20)
	equal(t, memory.Pending, 0)
}

func logSink(t *testing.T) {
	out := newSyncBuffer()
	ok(t, SetLogger(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: LevelTrace}))))
	f := onMemory(t)
	ok(t, f.writer(t).Close())
	if text := out.String(); !strings.Contains(text, "level=INFO") || !strings.Contains(text, "target=weir") || !strings.Contains(text, f.shard) {
		t.Fatalf("a claim was not logged: %q", text)
	}
	ok(t, SetLogLevel(LogOff))
	n := out.n.Load()
	ok(t, f.writer(t).Close())
	equal(t, out.n.Load(), n)
	ok(t, SetLogLevel(LogInfo))
	is(t, SetLogLevel(99), ErrInvalidArgument)
	ok(t, SetLogger(nil))
	ok(t, f.writer(t).Close())
	equal(t, out.n.Load(), n)
	// A handler that panics does no harm.
	ok(t, SetLogger(slog.New(panicHandler{slog.DiscardHandler})))
	ok(t, f.writer(t).Close())
	ok(t, SetLogger(nil))
}

type panicHandler struct{ slog.Handler }

func (panicHandler) Enabled(context.Context, slog.Level) bool { panic("a handler of the program's") }
