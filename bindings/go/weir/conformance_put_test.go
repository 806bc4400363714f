package weir

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
	"github.com/apache/arrow-go/v18/arrow/memory/mallocator"
)

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
