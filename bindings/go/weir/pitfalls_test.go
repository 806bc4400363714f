package weir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
)

// PITFALLS X1: the error of an asynchronous call is the caller's, whatever threads its goroutine ran on.
func TestEachCallerGetsItsOwnError(t *testing.T) {
	f := onMemory(t)
	f.writer(t)
	tailer := f.tailer(t)
	var group sync.WaitGroup
	for i := range 500 {
		group.Go(func() {
			position := uint64(1000 + i)
			for range 5 {
				_, err := tailer.Read(soon(t), position)
				var e *Error
				if !errors.As(err, &e) || e.Code != CodeNotFound {
					t.Errorf("got %v", err)
					return
				}
				if got, _ := e.Details.Uint64("position"); got != position || !strings.Contains(e.Message, fmt.Sprint(position)) {
					t.Errorf("asked for %d, was told of %d: %v", position, got, e)
				}
				runtime.Gosched()
			}
		})
	}
	group.Wait()
}

// PITFALLS X6: what is empty is NULL in C, never a pointer to nothing.
func TestEmptySlices(t *testing.T) {
	f := onMemory(t)
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "text", Type: arrow.BinaryTypes.String},
		{Name: "bytes", Type: arrow.BinaryTypes.LargeBinary, Nullable: true},
		{Name: "list", Type: arrow.ListOf(arrow.PrimitiveTypes.Int8), Nullable: true},
		{Name: "null", Type: arrow.Null, Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(counted, schema)
	defer b.Release()
	for i := range 3 { // no text, no bytes, no elements
		b.Field(0).(*array.StringBuilder).Append("")
		b.Field(1).(*array.BinaryBuilder).Append(nil)
		b.Field(2).(*array.ListBuilder).Append(true)
		b.Field(3).AppendNull()
		_ = i
	}
	record := b.NewRecordBatch()
	defer record.Release()
	w := val(OpenWriter(soon(t), f.s, f.root, f.shard, schema))(t)
	val(w.Put(soon(t), record))(t)
	none := b.NewRecordBatch() // not even rows
	defer none.Release()
	_, err := w.Put(soon(t), none)
	is(t, err, ErrInvalidData)
	ok(t, w.Close())
	for entry, err := range Tail(soon(t), f.s, f.root, f.shard) {
		ok(t, err)
		for got, err := range entry.Batches() {
			ok(t, err)
			equal(t, array.RecordEqual(got, record), true)
		}
	}
	a := val(exportRecord(record, f.s.h.engine))(t)
	for _, child := range unsafe.Slice(a.children, a.n_children)[:2] {
		equal(t, unsafe.Slice(child.buffers, child.n_buffers)[2] == nil, true)
	}
	releaseForTest(unsafe.Pointer(a))
	ok(t, f.s.InitShard(soon(t), f.root, newShard(), 1, ShardField{ID: "empty", Value: []byte{}}))
	column := array.MakeArrayOfNull(counted, arrow.PrimitiveTypes.Int32, 0)
	defer column.Release()
	equal(t, len(val(Buckets(column, 4))(t)), 0)
}

// PITFALLS X10: calls whose contexts ended complete later, into nothing of Go's: not into their callers' memory, which is collected and
// used again meanwhile, and what they bring is freed.
func TestLateCompletions(t *testing.T) {
	handles := LiveHandles()
	s := val(NewSession(slowSession(20 * time.Millisecond)))(t)
	f := fixture{s, memoryRoot(), newShard()}
	w := val(OpenWriter(t.Context(), s, f.root, f.shard, testSchema))(t)
	tailer := val(OpenTailer(s, f.root, f.shard, Follow()))(t)
	record := newRecord(t, 0, 2000) // pinned
	var late atomic.Int64
	var group sync.WaitGroup
	for i := range 200 {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%5)*time.Millisecond)
			defer cancel()
			var err error
			switch i % 5 {
			case 0:
				_, err = w.Put(ctx, record)
			case 1:
				_, err = tailer.Read(ctx, 1)
			case 2:
				_, err = OpenWriter(ctx, s, f.root, newShard(), testSchema)
			case 3:
				_, err = s.ListShards(ctx, f.root)
			case 4:
				_, err = tailer.Next(ctx)
			}
			if err != nil {
				late.Add(1)
			}
			churn()
		})
	}
	group.Wait()
	if late.Load() < 100 {
		t.Fatalf("only %d calls of 200 were given up", late.Load())
	}
	for range 20 {
		churn()
		runtime.GC()
		time.Sleep(2 * time.Millisecond) // completions arrive meanwhile
	}
	ok(t, tailer.Close())
	ok(t, w.Close())
	ok(t, s.Close())
	eventually(t, "all that came late is freed", func() bool { return LiveHandles() <= handles })
}

// churn takes and drops memory, so that what was freed is used again.
func churn() {
	var kept [][]byte
	for i := range 100 {
		kept = append(kept, make([]byte, 8+i*16))
		for j := range kept[i] {
			kept[i][j] = 0xab
		}
	}
	runtime.KeepAlive(kept)
}

func threads(t testing.TB) int { return len(val(os.ReadDir("/proc/self/task"))(t)) }

// Ten thousand goroutines put durably, and few threads do it.
func TestManyGoroutinesFewThreads(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("counts threads in /proc")
	}
	f := onDisk(t)
	before := threads(t)
	w := f.writer(t)
	const n = 10_000
	record := newRecord(t, 7, 1)
	start := make(chan struct{})
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			<-start
			if _, err := w.Put(t.Context(), record); err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	most := 0
	for running := true; running; {
		most = max(most, threads(t))
		select {
		case <-done:
			running = false
		case <-time.After(time.Millisecond):
		}
	}
	stats := val(w.Stats())(t)
	equal(t, stats.Puts, n)
	if limit := runtime.NumCPU() + 8; most-before > limit {
		t.Fatalf("%d threads more than before, of at most %d", most-before, limit)
	}
	if stats.Entries > n/10 {
		t.Fatalf("%d entries for %d puts: they did not share", stats.Entries, n)
	}
	ok(t, w.Close())
	equal(t, len(f.ids(t)), n)
}

// A goroutine may be in C for long in a foreign reader only: the batches of a Go reader are put one by one, and its context is obeyed
// between them.
func TestPutReaderObeysItsContext(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t, Buffered())
	ctx, cancel := context.WithCancel(t.Context())
	reader := &endless{record: newRecord(t, 0, 1), after: 3, cancel: cancel}
	_, err := w.PutReader(ctx, reader)
	e := is(t, err, context.Canceled)
	accepted, _ := e.Details.Uint64("accepted")
	equal(t, accepted, 2)
	val(w.Flush(soon(t)))(t)
	equal(t, len(f.ids(t)), 2)
}

type endless struct {
	array.RecordReader
	record    arrow.RecordBatch
	at, after int
	cancel    func()
}

func (r *endless) Next() bool {
	if r.at++; r.at == r.after {
		r.cancel()
	}
	return true
}
func (r *endless) RecordBatch() arrow.RecordBatch { return r.record }
func (r *endless) Err() error                     { return nil }

// Nothing is lost or read twice by a Next whose context ends, nor is a later call ended in its stead.
func TestNextGivenUp(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t)
	tailer := f.tailer(t, Follow())
	var ids []int64
	stop := make(chan struct{})
	var group sync.WaitGroup
	const n = 200
	group.Go(func() {
		for i := range int64(n) {
			val(w.Put(t.Context(), newRecord(t, i, 1)))(t)
			if i%10 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		close(stop)
	})
	for given := 0; len(ids) < n; {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(given%7)*50*time.Microsecond)
		entry, err := tailer.Next(ctx)
		cancel()
		if err != nil {
			is(t, err, ErrTimedOut)
			given++
			continue
		}
		ids = append(ids, entryIDs(t, entry)...)
		entry.Release()
	}
	group.Wait()
	equal(t, slices.Equal(ids, upTo(n)), true)
	// A seek undoes what a call that was given up may have read.
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { _, err := tailer.Next(ctx); done <- err }()
	time.Sleep(time.Millisecond)
	cancel()
	is(t, <-done, ErrCancelled)
	val(w.Put(soon(t), newRecord(t, n, 1)))(t)
	ok(t, tailer.Seek(3))
	equal(t, tailer.Position(), 3)
	entry := val(tailer.Next(soon(t)))(t)
	equal(t, entry.Position(), 3)
	entry.Release()
	// Interrupting is still told apart from that.
	ok(t, tailer.Seek(n+2))
	tailer.Interrupt()
	_, err := tailer.Next(soon(t))
	is(t, err, ErrCancelled)
}

// Where a tailer is, is what its reader was given: not what came for a Next that had given up by then, which the next one returns.
func TestPositionAfterNextGaveUp(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t)
	tailer := f.tailer(t, Follow(), From(1))
	giveUp := func() {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { _, err := tailer.Next(ctx); done <- err }()
		for len(tailer.pull.turn) > 0 {
			runtime.Gosched()
		}
		time.Sleep(time.Millisecond) // as a rule it waits by then
		cancel()
		is(t, <-done, ErrCancelled)
	}
	for position := uint64(1); position <= 20; position++ {
		giveUp()
		equal(t, tailer.Position(), position)
		val(w.Put(soon(t), newRecord(t, int64(position), 1)))(t)
		eventually(t, "the entry came for the call that was given up", func() bool {
			return tailer.pull.left.state.Load() == completed
		})
		equal(t, tailer.Position(), position)
		// Others that would read from the tailer must not skip it.
		_, err := tailer.Subscribe(1)
		is(t, err, ErrInvalidArgument)
		var stream cdata.CArrowArrayStream
		is(t, tailer.Stream(&stream), ErrInvalidArgument)
		entry := val(tailer.Next(soon(t)))(t)
		equal(t, entry.Position(), position)
		entry.Release()
		equal(t, tailer.Position(), position+1)
	}
	// A subscription is not ended by a context that ended before it.
	sub := val(tailer.Subscribe(1))(t)
	val(w.Put(soon(t), newRecord(t, 21, 1)))(t)
	entry := val(sub.Next(soon(t)))(t)
	equal(t, entry.Position(), 21)
	entry.Release()
	ok(t, sub.Close())
	equal(t, tailer.Position(), 22)
	// Nor is what was sought meanwhile forgotten.
	giveUp()
	ok(t, tailer.Seek(3))
	equal(t, tailer.Position(), 3)
	entry = val(tailer.Next(soon(t)))(t)
	equal(t, entry.Position(), 3)
	entry.Release()
}

// A tailer that is closed while a Next gives up leaves nothing behind.
func TestCloseWhileNextGivesUp(t *testing.T) {
	f := onMemory(t)
	w := f.writer(t)
	val(w.Put(soon(t), newRecord(t, 0, 1)))(t)
	for i := range 200 {
		tailer := val(OpenTailer(f.s, f.root, f.shard, Follow(), From(uint64(1+i%2))))(t)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			if entry, err := tailer.Next(ctx); err == nil {
				entry.Release()
			}
		})
		group.Go(cancel)
		group.Go(func() { ok(t, tailer.Close()) })
		group.Wait()
	}
}

// A loop over a tail may be left at any time.
func TestLeavingALoop(t *testing.T) {
	f := onMemory(t)
	a := f.appender(t)
	for i := range int64(50) {
		val(a.Append(soon(t), newRecord(t, i, 1)))(t)
	}
	for entry, err := range Tail(soon(t), f.s, f.root, f.shard, Follow()) {
		ok(t, err)
		if entry.Position() == 3 {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := 0
	for _, err := range Tail(ctx, f.s, f.root, f.shard, Follow()) {
		if err != nil {
			is(t, err, context.Canceled)
			break
		}
		if seen++; seen == 50 {
			cancel()
		}
	}
	equal(t, seen, 50)
	tailer := f.tailer(t)
	for entry, err := range tailer.Entries(soon(t)) {
		ok(t, err)
		if entry.Position() == 7 {
			break
		}
	}
	equal(t, tailer.Position(), 8)
	for _, err := range Tail(soon(t), f.s, f.root, newShard()) {
		is(t, err, ErrNotFound)
	}
	for _, err := range Tail(soon(t), f.s, f.root, "no shard") {
		is(t, err, ErrInvalidArgument)
	}
}

// A handle that is forgotten is told of, by name, and not closed behind the program's back.
func TestLeakAlarm(t *testing.T) {
	told := make(chan string, 10)
	OnLeak(func(what string) { told <- what })
	defer OnLeak(nil)
	f := onMemory(t)
	forgotten := forget(t, f)
	for len(told) == 0 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if what := <-told; what != "tailer of shard "+f.shard {
		t.Fatalf("told of the %q", what)
	}
	if _, err := forgotten.take(); err != nil {
		t.Fatal("it was closed")
	}
	forgotten.put()
	forgotten.close()
	// One that is closed is not told of.
	ok(t, val(OpenTailer(f.s, f.root, f.shard))(t).Close())
	runtime.GC()
	runtime.GC()
	equal(t, len(told), 0)
}

//go:noinline
func forget(t *testing.T, f fixture) *handle { return val(OpenTailer(f.s, f.root, f.shard))(t).h }
