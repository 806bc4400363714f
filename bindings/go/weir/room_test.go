package weir

import (
	"context"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

// A put that waits for room is told why when its context ends, and goes on when there is room.
func TestPutWaitsForRoom(t *testing.T) {
	f := onMemory(t, slowSession(50*time.Millisecond))
	w := f.writer(t, Buffered(), WithMaxPendingBytes(10_000), WithMaxBufferBytes(10_000), WithLinger(time.Hour))
	record := newRecord(t, 0, 300)
	val(w.Put(soon(t), record))(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	_, err := w.Put(ctx, record)
	e := is(t, err, ErrBackpressure)
	is(t, err, context.DeadlineExceeded)
	equal(t, e.Timeout(), true)
	for range 5 {
		val(w.Put(soon(t), record))(t)
	}
	ok(t, w.Close())
	equal(t, len(f.ids(t)), 6*300)
	over := f.writer(t, WithMaxPendingBytes(1000), WithMaxBufferBytes(1000))
	_, err = over.Put(soon(t), record)
	is(t, err, ErrInvalidArgument)
}

// A put waits for room in the MemTables also if it takes more of that than may be pending, as it does with an index.
func TestPutWaitsForTables(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t, Buffered(), WithPrimaryKey("id"), WithIndex("names", "name"), WithMaxPendingBytes(6_000), WithMaxBufferBytes(6_000),
		WithMaxMemTableBytes(300_000), WithMaxUnflushedBytes(650_000))
	const puts, rows = 100, 100
	for i := range int64(puts) {
		val(w.Put(soon(t), newRecord(t, i*rows, rows)))(t)
	}
	val(w.Delete(soon(t), keysOf(t, 1, 2, 3)))(t)
	read := &readerOf{records: []arrow.RecordBatch{newRecord(t, puts*rows, rows), newRecord(t, (puts+1)*rows, rows)}}
	val(w.PutReader(soon(t), read))(t)
	equal(t, len(idsIn(t, w)), (puts+2)*rows-3)
	if flushes := val(w.MemTableStats())(t).Flushes; flushes < 10 {
		t.Fatalf("there were only %d flushes to wait for", flushes)
	}
}
