package weir

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/arrow/memory/mallocator"
)

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
