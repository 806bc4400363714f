package weir

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
)

// filled are bytes that say where they are.
func filled(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

func newSpills(t testing.TB, options ...SpillStoreOption) *SpillStore {
	t.Helper()
	s := val(NewSpillStore(nil, options...))(t)
	t.Cleanup(func() { ok(t, s.Close()) })
	return s
}

// spilled writes pieces and finishes them.
func spilled(t testing.TB, s *SpillStore, data []byte, piece int, options ...SpillOption) *Spill {
	t.Helper()
	w := val(s.Begin(soon(t), options...))(t)
	for len(data) > 0 {
		n := min(piece, len(data))
		equal(t, val(w.Write(data[:n]))(t), n)
		data = data[n:]
	}
	spill := val(w.Finish())(t)
	t.Cleanup(func() { ok(t, spill.Close()) })
	return spill
}

// spilledBatches has 7 batches of 10 rows, an empty one and a slice.
func spilledBatches(t testing.TB, s *SpillStore, options ...SpillOption) (*Spill, []arrow.RecordBatch) {
	t.Helper()
	w := val(s.BeginBatches(soon(t), testSchema, options...))(t)
	defer w.Close()
	var records []arrow.RecordBatch
	for i := range int64(7) {
		records = append(records, newRecord(t, 10*i, 10))
	}
	slice := newRecord(t, 490, 2000).NewSlice(10, 13)
	t.Cleanup(slice.Release)
	records = append(records, newRecord(t, 0, 0), slice)
	for _, record := range records[:3] {
		ok(t, w.WriteBatch(record))
	}
	ok(t, w.WriteReader(&readerOf{records: records[3:]}))
	spill := val(w.Finish())(t)
	t.Cleanup(func() { ok(t, spill.Close()) })
	return spill, records
}

func spillRoundtrip(t *testing.T) {
	for name, place := range map[string]SpillStoreOption{
		"memory": InMemory(), "disk": OnLocalDisk(t.TempDir()), "tiered": Tiered(100_000, t.TempDir()), "object": InObjectStore(memoryRoot()),
	} {
		t.Run(name, func(t *testing.T) {
			store := newSpills(t, place)
			bytesComeBack(t, store, name == "memory" || name == "disk")
			bytesComeBack(t, store, false, Encrypted())
			for _, compression := range []Compression{CompressionNone, CompressionLZ4, CompressionZstd} {
				batchesComeBack(t, store, WithCompression(compression))
			}
			eventually(t, "the bytes return", func() bool { return store.UsedBytes() == 0 })
		})
	}
}

func bytesComeBack(t *testing.T, store *SpillStore, mapped bool, options ...SpillOption) {
	data := filled(200_001)
	spill := spilled(t, store, data, 70_000, options...)
	defer spill.Close()
	equal(t, spill.Len(), uint64(len(data)))
	equal(t, spill.StoredBytes() > spill.Len(), len(options) > 0) // encrypted
	at := make([]byte, 90_000)
	equal(t, val(spill.ReadAt(at, 65_530))(t), len(at))
	equal(t, bytes.Equal(at, data[65_530:][:len(at)]), true)
	n, err := spill.ReadAt(at[:17], int64(len(data))-5)
	equal(t, n, 5)
	equal(t, err, io.EOF)
	n, err = spill.ReadAt(at[:17], int64(len(data)))
	equal(t, n, 0)
	equal(t, err, io.EOF)
	_, err = spill.ReadAt(at, -1)
	is(t, err, ErrInvalidArgument)
	reader := val(spill.NewReader(soon(t)))(t)
	ok(t, iotest.TestReader(reader, data)) // Read, Seek
	ok(t, reader.Close())
	if mapped {
		ok(t, spill.View(func(all []byte) error {
			equal(t, bytes.Equal(all, data), true)
			return nil
		}))
		broken := errors.New("the viewer broke")
		equal(t, spill.View(func([]byte) error { return broken }), broken)
	} else if len(options) > 0 {
		is(t, spill.View(func([]byte) error { return nil }), errors.ErrUnsupported)
	}
	_, err = spill.Batch(soon(t), 0)
	is(t, err, ErrInvalidArgument)
}

func batchesComeBack(t *testing.T, store *SpillStore, options ...SpillOption) {
	spill, records := spilledBatches(t, store, options...)
	equal(t, spill.NumBatches(), 9)
	equal(t, spill.Rows(), 73)
	equal(t, val(spill.Schema())(t).Equal(testSchema), true)
	for _, i := range []int{6, 0, 7, 8} {
		record := val(spill.Batch(soon(t), i))(t)
		equal(t, array.RecordEqual(record, records[i]), true)
		record.Release()
	}
	for _, i := range []int{-1, 9} {
		_, err := spill.Batch(soon(t), i)
		is(t, err, ErrInvalidArgument)
	}
	i := 0
	for record, err := range spill.Batches(soon(t)) {
		ok(t, err)
		equal(t, array.RecordEqual(record, records[i]), true)
		i++
	}
	equal(t, i, 9)
	for range spill.Batches(soon(t)) { // a loop that is left
		break
	}
	var stream cdata.CArrowArrayStream
	ok(t, spill.Stream(&stream))
	readers := []array.RecordReader{val(spill.Reader(soon(t)))(t), val(cdata.ImportCRecordReader(&stream, nil))(t).(array.RecordReader)}
	ok(t, spill.Close()) // they read on
	for _, reader := range readers {
		equal(t, reader.Schema().Equal(testSchema), true)
		for i := 0; reader.Next(); i++ {
			equal(t, array.RecordEqual(reader.RecordBatch(), records[i]), true)
		}
		ok(t, reader.Err())
		reader.Release()
	}
}

// PITFALLS S1, S3
func spillCap(t *testing.T) {
	for name, place := range map[string]SpillStoreOption{"memory": InMemory(), "disk": OnLocalDisk(t.TempDir())} {
		t.Run(name, func(t *testing.T) {
			store := newSpills(t, place, WithCap(100_000))
			child := val(store.Child(50_000))(t)
			defer child.Close()
			equal(t, child.CapBytes(), 50_000)
			w, other := val(child.Begin(soon(t)))(t), val(store.Begin(soon(t)))(t)
			refused := func(w *SpillWriter, n int, limit, used uint64) {
				t.Helper()
				wrote, err := w.Write(make([]byte, n))
				equal(t, wrote, 0)
				equal(t, is(t, err, ErrDiskCapExceeded).Action, ActionFix)
				var by *CapExceededError
				equal(t, errors.As(err, &by), true)
				equal(t, [3]uint64{by.Cap, by.Used, by.Requested}, [3]uint64{limit, used, uint64(n)})
				is(t, by, ErrDiskCapExceeded)
			}
			data := filled(50_000)
			val(w.Write(data[:40_000]))(t)
			refused(w, 10_001, 50_000, 40_000)
			equal(t, w.Len(), 40_000)
			equal(t, val(w.WriteParts(data[40_000:45_000], nil, data[45_000:]))(t), 10_000) // to the last byte
			refused(other, 50_001, 100_000, 50_000)                                         // by the cap above
			spill := val(w.Finish())(t)
			equal(t, w.Len(), 50_000)
			back := make([]byte, len(data))
			val(spill.ReadAt(back, 0))(t)
			equal(t, bytes.Equal(back, data), true)
			equal(t, child.UsedBytes(), 50_000)
			equal(t, store.UsedBytes(), 50_000)
			ok(t, spill.Close())
			equal(t, child.UsedBytes(), 0)
			equal(t, store.UsedBytes(), 0)
			val(other.Write(make([]byte, 100_000)))(t)
			ok(t, other.Close())
			equal(t, val(store.Stats())(t).CapRefusals, 2)
		})
	}
}

func filesBelow(t testing.TB, dir string) (n int) {
	ok(t, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	}))
	return n
}

// PITFALLS S1, S8
func spillReclaim(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made when it is written to")
	store := val(NewSpillStore(nil, OnLocalDisk(dir)))(t)
	_, err := os.Stat(dir)
	is(t, wrapped(err), fs.ErrNotExist) // PITFALLS S9
	nothingLeft := func() {
		t.Helper()
		stats := val(store.Stats())(t)
		equal(t, [4]uint64{store.UsedBytes(), stats.LiveBytes, stats.OpenSpills, stats.OpenWriters}, [4]uint64{})
		equal(t, filesBelow(t, dir), 0)
	}
	abandoned := val(store.Begin(soon(t)))(t)
	val(abandoned.Write(filled(300_000)))(t) // more than a buffer: there is a file
	equal(t, store.UsedBytes(), 300_000)
	equal(t, filesBelow(t, dir), 1)
	ok(t, abandoned.Close())
	nothingLeft()
	ok(t, abandoned.Close())
	equal(t, abandoned.Len(), 300_000)
	_, err = abandoned.Write([]byte("x"))
	is(t, err, ErrClosed)
	_, err = abandoned.Finish()
	is(t, err, ErrClosed)
	// So does what its context ends.
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := val(store.Begin(ctx))(t)
	val(cancelled.Write(filled(300_000)))(t)
	cancel()
	_, err = cancelled.Write([]byte("x"))
	is(t, err, context.Canceled)
	_, err = cancelled.Finish()
	is(t, err, ErrCancelled)
	eventually(t, "it is deleted", func() bool { return store.UsedBytes() == 0 })
	nothingLeft()
	// A reader and a mapped batch outlive their spills, and hold their bytes.
	spill := spilled(t, store, filled(300_000), 100_000)
	batches, records := spilledBatches(t, store)
	reader := val(spill.NewReader(soon(t)))(t)
	mapped := val(batches.Batch(soon(t), 2, Mapped(), Verified()))(t)
	held := batches.StoredBytes()
	ok(t, spill.Close())
	ok(t, batches.Close())
	_, err = spill.ReadAt(make([]byte, 1), 0)
	is(t, err, ErrClosed)
	equal(t, store.UsedBytes(), 300_000+held)
	ok(t, reader.Close())
	equal(t, store.UsedBytes(), held)
	equal(t, array.RecordEqual(mapped, records[2]), true)
	mapped.Release()
	nothingLeft()
	ok(t, store.Close())
	ok(t, os.Remove(dir)) // nothing is left in it
}

// wrapped makes an *Error of another one, for is.
func wrapped(err error) error {
	e := newError(CodeInternal, ActionNone, "wrapped")
	e.cause = err
	return e
}

// PITFALLS S6
func spillClose(t *testing.T) {
	dir := t.TempDir()
	store := newSpills(t, InObjectStore("file://"+dir))
	child := val(store.Child(NoCap))(t)
	defer child.Close()
	data := filled(200_001)
	freed, alive := spilled(t, child, data, 70_000), spilled(t, store, data, 70_000)
	abandoned := val(store.Begin(soon(t)))(t)
	val(abandoned.Write(filled(9 << 20)))(t) // more than an object holds
	val(abandoned.Write([]byte("x")))(t)
	ok(t, abandoned.Close())
	ok(t, freed.Close())
	ok(t, store.Shutdown(soon(t)))
	equal(t, filesBelow(t, dir), 2) // the living one's, and a sign of life
	equal(t, store.UsedBytes(), uint64(len(data)))
	back := make([]byte, len(data))
	val(alive.ReadAt(back, 0))(t)
	equal(t, bytes.Equal(back, data), true)
	for _, s := range []*SpillStore{store, child} {
		_, err := s.Begin(soon(t))
		is(t, err, ErrClosed)
	}
	ok(t, alive.Close())
	ok(t, store.Shutdown(soon(t)))
	equal(t, store.UsedBytes(), 0)
	equal(t, len(val(os.ReadDir(dir))(t)), 0)
}
