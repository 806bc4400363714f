package weir

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
)

// A store with latency is waited for without a thread, and a wait ends with its context.
func TestSpillsWithLatency(t *testing.T) {
	s := newSession(t, slowSession(10*time.Millisecond))
	store := val(NewSpillStore(s, InObjectStore(memoryRoot()), WithReclaimAge(time.Hour)))(t)
	defer store.Close()
	data := filled(9 << 20) // more than a part
	raw := val(store.Begin(soon(t)))(t)
	val(raw.Write(data[:3<<20]))(t)
	val(raw.WriteParts(data[3<<20:8<<20], nil, data[8<<20:len(data)-5]))(t)
	equal(t, val(raw.WriteParts(data[len(data)-5:len(data)-3], data[len(data)-3:]))(t), 5) // after a part that is to be uploaded first
	spill := val(raw.Finish())(t)
	defer spill.Close()
	back := make([]byte, len(data))
	val(spill.ReadAt(back, 0))(t)
	equal(t, bytes.Equal(back, data), true)

	// A read ends with its context, and the next one is none the worse for it.
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := spill.ReadAtContext(ctx, back, 0)
	is(t, err, context.DeadlineExceeded)
	reader := val(spill.NewReader(soon(t)))(t)
	defer reader.Close()
	equal(t, bytes.Equal(val(io.ReadAll(reader))(t), data), true)
	equal(t, val(reader.Seek(-5, io.SeekEnd))(t), int64(len(data)-5))
	equal(t, len(val(io.ReadAll(reader))(t)), 5)

	w := val(store.BeginBatches(soon(t), testSchema, WithValidation(true)))(t)
	var records []arrow.RecordBatch
	for i := range int64(10) {
		records = append(records, newRecord(t, i*10, 10))
		ok(t, w.WriteBatch(records[i]))
	}
	batches := val(w.Finish())(t)
	defer batches.Close()
	for range 2 {
		i := 0
		for record, err := range batches.Batches(soon(t)) {
			ok(t, err)
			equal(t, array.RecordEqual(record, records[i]), true)
			i++
			if i == 3 {
				break // with some asked for ahead
			}
		}
		equal(t, i, 3)
	}
	all := val(batches.Reader(soon(t)))(t)
	defer all.Release()
	for i := 0; all.Next(); i++ {
		equal(t, array.RecordEqual(all.RecordBatch(), records[i]), true)
	}
	ok(t, all.Err())
}

func TestSpillWriterErrors(t *testing.T) {
	store := newSpills(t, InMemory())
	raw := val(store.Begin(soon(t)))(t)
	defer raw.Close()
	is(t, raw.WriteBatch(newRecord(t, 0, 1)), ErrInvalidArgument)
	equal(t, val(raw.Write(nil))(t), 0) // PITFALLS X6
	equal(t, val(raw.WriteParts())(t), 0)
	equal(t, val(raw.WriteParts(nil, []byte{}))(t), 0)
	empty := val(raw.Finish())(t)
	defer empty.Close()
	equal(t, val(empty.ReadAt(nil, 0))(t), 0)
	ok(t, empty.View(func(data []byte) error { equal(t, len(data), 0); return nil }))
	reader := val(empty.NewReader(soon(t)))(t)
	_, err := reader.Read(make([]byte, 1))
	equal(t, err, io.EOF)
	_, err = reader.Seek(-1, io.SeekCurrent)
	is(t, err, ErrInvalidArgument)
	_, err = reader.Seek(0, 9)
	is(t, err, ErrInvalidArgument)
	ok(t, reader.Close())
	_, err = reader.Read(make([]byte, 1))
	is(t, err, ErrClosed)

	w := val(store.BeginBatches(soon(t), testSchema))(t)
	defer w.Close()
	_, err = w.Write([]byte("no batch"))
	is(t, err, ErrInvalidArgument)
	other := array.NewRecordBatch(arrow.NewSchema(nil, nil), nil, 1)
	is(t, w.WriteBatch(other), ErrSchemaMismatch)
	other.Release()
	broken := errors.New("the source broke")
	accepted, _ := is(t, w.WriteReader(&readerOf{records: []arrow.RecordBatch{newRecord(t, 0, 5)}, err: broken}), broken).Details.Uint64("accepted")
	equal(t, accepted, 1)
	from, _ := spilledBatches(t, store)
	var stream cdata.CArrowArrayStream
	ok(t, from.Stream(&stream))
	ok(t, w.WriteStream(&stream))
	is(t, w.WriteStream(&stream), ErrInvalidArgument) // it is consumed
	spill := val(w.Finish())(t)
	equal(t, spill.NumBatches(), 10)
	ok(t, spill.Close())
	_, err = store.BeginBatches(soon(t), nil)
	is(t, err, ErrInvalidArgument)
	_, err = store.Begin(soon(t), WithCompression(CompressionZstd)) // bytes are stored as they are
	is(t, err, ErrInvalidArgument)
	_, err = NewSpillStore(nil, InObjectStore(""))
	is(t, err, ErrInvalidArgument)
	_, err = NewSpillStore(nil, OnLocalDisk("a\x00b"))
	is(t, err, ErrInvalidArgument)
}

// PITFALLS X8: each call that runs while its handle is closed returns its result or ErrClosed.
func TestSpillCloseRace(t *testing.T) {
	store := newSpills(t, OnLocalDisk(t.TempDir()))
	for range 20 {
		spill, _ := spilledBatches(t, store)
		w := val(store.Begin(soon(t)))(t)
		reader := val(spill.NewReader(soon(t)))(t)
		var group sync.WaitGroup
		loop := func(call func() error) {
			group.Go(func() {
				for {
					if err := call(); err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		page := make([]byte, 100_000)
		loop(func() error { _, err := w.Write(page); return err })
		loop(func() error { _, err := spill.ReadAt(make([]byte, 10), 0); return err })
		loop(func() error {
			record, err := spill.Batch(t.Context(), 3)
			if err == nil {
				record.Release()
			}
			return err
		})
		loop(func() error { return spill.View(func(data []byte) error { _ = data[len(data)-1]; return nil }) })
		loop(func() error {
			if _, err := reader.Seek(0, io.SeekStart); err != nil {
				return err
			}
			_, err := reader.Read(make([]byte, 10))
			return err
		})
		time.Sleep(time.Millisecond)
		for _, c := range []io.Closer{w, spill, reader} {
			group.Go(func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
	eventually(t, "all is deleted", func() bool { return store.UsedBytes() == 0 })
}

// A session has what it was given, and one limit on memory for all.
func TestSessionResources(t *testing.T) {
	store, cache := newSpills(t, InMemory(), WithCap(1000)), newTestCache(t)
	s := newSession(t, WithSpillStore(store), WithCache(cache), WithMemoryBytes(1<<20))
	of := val(s.SpillStore())(t)
	equal(t, of.CapBytes(), 1000)
	spill := spilled(t, of, filled(600), 600)
	equal(t, store.UsedBytes(), 600)
	ok(t, spill.Close())
	ok(t, of.Close())
	equal(t, of.CapBytes(), 0)
	_, err := of.Child(NoCap)
	is(t, err, ErrClosed)
	cached := val(s.Cache())(t)
	ok(t, cached.Insert(soon(t), CacheKey{Key: "k"}, make([]byte, 5000)))
	has(t, cache, CacheKey{Key: "k"}, string(make([]byte, 5000)))
	ok(t, cached.Close())
	_, _, err = cached.Get(soon(t), CacheKey{})
	is(t, err, ErrClosed)
	f := fixture{s, memoryRoot(), newShard()}
	w := f.writer(t, Buffered(), WithLinger(time.Hour))
	val(w.Put(soon(t), newRecord(t, 0, 100)))(t)
	memory := val(s.Memory())(t)
	equal(t, memory.Limit, 1<<20)
	equal(t, memory.Queue > 0 && memory.Cache >= 5000 && memory.Waiting == 0, true)
	equal(t, val(s.Pressure())(t), "")
	plain := newSession(t)
	own := val(plain.SpillStore())(t)
	equal(t, own.CapBytes(), NoCap)
	ok(t, own.Close())
	ok(t, val(plain.Cache())(t).Close())
	gone := val(NewCache())(t)
	ok(t, gone.Close())
	_, err = NewSession(WithCache(gone))
	is(t, err, ErrClosed)
}
