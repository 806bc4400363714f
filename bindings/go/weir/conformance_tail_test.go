package weir

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
)

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
