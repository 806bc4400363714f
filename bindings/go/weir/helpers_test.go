package weir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/uuid"
)

// TestMain holds the whole suite to what a program that closes all ends with: nothing.
func TestMain(m *testing.M) {
	code := m.Run()
	for range 1000 { // calls that were given up may still have to end
		if LiveHandles() == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := LiveHandles(); code == 0 && n != 0 {
		fmt.Fprintf(os.Stderr, "%d of weir's handles were not freed\n", n)
		if e := current.engine; e != nil {
			fmt.Fprintf(os.Stderr, "the engine has %d users\n", e.users.Load())
		}
		code = 1
	}
	if keepers.Lock(); code == 0 && len(keepers.of) != 0 {
		fmt.Fprintf(os.Stderr, "%d exported batches were not released\n", len(keepers.of))
		code = 1
	}
	keepers.Unlock()
	if n := counted.CurrentAlloc(); code == 0 && n != 0 {
		fmt.Fprintf(os.Stderr, "%d bytes of arrow-go's were not released\n", n)
		code = 1
	}
	os.Exit(code)
}

// counted counts what the tests' records hold.
var counted = memory.NewCheckedAllocator(memory.NewGoAllocator())

var testSchema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
}, nil)

// newRecord has rows with the ids from first on; every third name is null.
func newRecord(t testing.TB, first int64, rows int) arrow.RecordBatch {
	b := array.NewRecordBuilder(counted, testSchema)
	defer b.Release()
	for i := range int64(rows) {
		b.Field(0).(*array.Int64Builder).Append(first + i)
		if (first+i)%3 == 0 {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("name %d", first+i))
		}
	}
	r := b.NewRecordBatch()
	t.Cleanup(r.Release)
	return r
}

func newShard() string { return uuid.NewString() }

func newSession(t testing.TB, options ...SessionOption) *Session {
	t.Helper()
	s, err := NewSession(options...)
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	return s
}

func memoryRoot() string { return "memory://" + uuid.NewString() }

type fixture struct {
	s           *Session
	root, shard string
}

func onMemory(t testing.TB, options ...SessionOption) fixture {
	return fixture{newSession(t, options...), memoryRoot(), newShard()}
}

func onDisk(t testing.TB) fixture { return fixture{newSession(t), t.TempDir(), newShard()} }

func (f fixture) writer(t testing.TB, options ...WriterOption) *Writer {
	t.Helper()
	w, err := OpenWriter(t.Context(), f.s, f.root, f.shard, testSchema, options...)
	ok(t, err)
	t.Cleanup(func() { w.Abort() }) // does nothing to one that was closed
	return w
}

func (f fixture) appender(t testing.TB, options ...AppenderOption) *Appender {
	t.Helper()
	a, err := OpenAppender(t.Context(), f.s, f.root, f.shard, testSchema, options...)
	ok(t, err)
	t.Cleanup(func() { a.Close() })
	return a
}

func (f fixture) tailer(t testing.TB, options ...TailerOption) *Tailer {
	t.Helper()
	tl, err := OpenTailer(f.s, f.root, f.shard, options...)
	ok(t, err)
	t.Cleanup(func() { ok(t, tl.Close()) })
	return tl
}

// ids reads the ids of all rows of the log.
func (f fixture) ids(t testing.TB) (ids []int64) {
	t.Helper()
	for entry, err := range Tail(t.Context(), f.s, f.root, f.shard) {
		ok(t, err)
		ids = append(ids, entryIDs(t, entry)...)
	}
	return ids
}

func entryIDs(t testing.TB, entry *Entry) (ids []int64) {
	t.Helper()
	for record, err := range entry.Batches() {
		ok(t, err)
		ids = append(ids, record.Column(0).(*array.Int64).Int64Values()...)
	}
	return ids
}

func upTo(n int64) (ids []int64) {
	for i := range n {
		ids = append(ids, i)
	}
	return ids
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func val[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		ok(t, err)
		return v
	}
}

func equal[T comparable](t testing.TB, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func is(t testing.TB, err, want error) *Error {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got the error %v, want %v", err, want)
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T is not an *Error", err)
	}
	return e
}

// eventually waits for what another thread is about to do.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

// soon is a context for what must not hang.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// slowSession has stores that take that long for each request.
func slowSession(d time.Duration) SessionOption {
	return WithStoreSetting("weir_simulated_latency_ms", fmt.Sprint(d.Milliseconds()))
}

// A syncBuffer is a buffer that many write to.
type syncBuffer struct {
	mu  chan struct{}
	buf bytes.Buffer
	n   atomic.Int64
}

func newSyncBuffer() *syncBuffer { return &syncBuffer{mu: make(chan struct{}, 1)} }

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu <- struct{}{}
	defer func() { <-b.mu }()
	b.n.Add(1)
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu <- struct{}{}
	defer func() { <-b.mu }()
	return b.buf.String()
}
