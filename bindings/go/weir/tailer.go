package weir

// #include "shim.h"
// #cgo noescape weirgo_next_async
// #cgo noescape weirgo_next_now
import "C"

import (
	"context"
	"errors"
	"io"
	"iter"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow/cdata"
)

// A Tailer reads one shard's log. All its methods may be called from any goroutine at once; calls of Next take turns.
type Tailer struct {
	h       *handle
	shard   string
	schemas *schemaCache

	// turn holds a token while nobody is in Next.
	turn chan struct{}
	// left is a call that Next gave up; under turn. Its entry is not lost: the next Next takes it.
	left *call
	// pauses is how many calls are made without a look whether the entry is there at once, and misses how often in a row it was not; under
	// turn.
	pauses, misses int
	// sought is set by Seek while a call was left.
	sought atomic.Bool
	target atomic.Uint64
	// interrupted is set by Interrupt until a Next has ended with it.
	interrupted atomic.Bool
}

// OpenTailer opens a tailer of one shard's log. It makes no request: whether the shard exists shows at the first read.
func OpenTailer(s *Session, root, shard string, options ...TailerOption) (*Tailer, error) {
	var set tailerOptions
	C.weir_tailer_options_init(&set.c, C.sizeof_WeirTailerOptions)
	for _, option := range options {
		option(&set)
	}
	names, err := newTexts(root, shard)
	if err != nil {
		return nil, err
	}
	defer names.free()
	session, err := s.use()
	if err != nil {
		return nil, err
	}
	defer s.h.put()
	var p *C.WeirTailer
	var cErr *C.WeirError
	if err := takeError(C.weir_tailer_open(session, names.root, names.shard, &set.c, &p, &cErr), cErr); err != nil {
		return nil, err
	}
	s.h.engine.use()
	t := &Tailer{
		h: &handle{pointer: unsafe.Pointer(p), engine: s.h.engine, name: "tailer of shard " + shard, free: func(p unsafe.Pointer) {
			C.weir_tailer_free((*C.WeirTailer)(p))
		}},
		shard:   shard,
		schemas: new(schemaCache),
		turn:    make(chan struct{}, 1),
	}
	t.turn <- struct{}{}
	watch(t, t.h, t.h.name)
	return t, nil
}

func (t *Tailer) use() (*C.WeirTailer, error) {
	p, err := t.h.take()
	return (*C.WeirTailer)(p), err
}

// Next reads the next entry, in order, which is to be released. At the end of the log it returns io.EOF; a tailer that follows waits there
// instead. After an error, also that of a context that ended, the tailer is where it was.
func (t *Tailer) Next(ctx context.Context) (*Entry, error) {
	if ctx.Err() != nil {
		return nil, t.contextError(ctx)
	}
	select {
	case <-t.turn:
	case <-ctx.Done():
		return nil, t.contextError(ctx)
	}
	defer func() {
		t.turn <- struct{}{}
		if t.h.isClosed() {
			t.giveUp() // there will be no next one
		}
	}()
	for {
		if entry, err, ok := t.now(); ok {
			if errors.Is(err, ErrCancelled) && !t.interrupted.Swap(false) {
				continue // by the end of an earlier call's context
			}
			return entry, err
		}
		c, err := t.begin()
		if err != nil {
			return nil, err
		}
		if !c.waitOn(ctx) {
			// Nothing may be lost, and waiting until C has noticed may take as long as a request: the call is left to the next
			// Next. If it waits at the log's end, it ends, and so do its looks at the store.
			t.left = c
			t.interrupt()
			return nil, t.contextError(ctx)
		}
		t.left = nil
		if t.sought.Swap(false) { // it may have read before the seek
			C.weir_event_clear(&c.event)
			c.recycle()
			if err := t.seek(t.target.Load()); err != nil {
				return nil, err
			}
			continue
		}
		out, err := c.outcome()
		switch {
		case err == nil && out.result == nil:
			return nil, io.EOF
		case err == nil:
			return newEntry(out.result, t.h.engine, t.schemas), nil
		case errors.Is(err, ErrCancelled) && !t.interrupted.Swap(false):
			continue // by the end of an earlier call's context
		}
		return nil, err
	}
}

func (t *Tailer) contextError(ctx context.Context) error {
	return contextError(ctx, "the wait for an entry of shard "+t.shard)
}

// maxPauses is how many calls go by at most until Next looks again whether an entry is there at once.
const maxPauses = 64

// readingNow is how many threads are in now, and mostReadingNow how many may be: beyond them, weir's own threads read.
var (
	readingNow     atomic.Int32
	mostReadingNow = int32(max(4, runtime.NumCPU()))
)

// now reads the next entry on this thread if it is there at once, as it is in memory, on a local disk, and where it was read ahead: that takes
// less than half of what handing it over from another thread does. False if it is not, or was not lately: where entries are waited
// for, whether at the log's end or for a store with latency, looking twice would only cost.
func (t *Tailer) now() (*Entry, error, bool) {
	if t.left != nil {
		return nil, nil, false
	}
	if t.pauses > 0 {
		t.pauses--
		return nil, nil, false
	}
	defer readingNow.Add(-1)
	if readingNow.Add(1) > mostReadingNow {
		return nil, nil, false
	}
	p, err := t.use()
	if err != nil {
		return nil, err, true
	}
	defer t.h.put()
	next := C.weirgo_next_now(p)
	switch {
	case next.status == C.WEIR_STATUS_TIMED_OUT:
		t.pauses = min(1<<t.misses-1, maxPauses)
		t.misses = min(t.misses+1, 16)
		return nil, nil, false
	case next.status != C.WEIR_STATUS_OK:
		return nil, takeError(next.status, next.error), true
	case next.entry == nil:
		return nil, io.EOF, true
	}
	t.misses = 0
	return newEntryOf(unsafe.Pointer(next.entry), next.fields, t.h.engine, t.schemas), nil, true
}

// begin makes the call for the next entry, or takes the one that was left.
func (t *Tailer) begin() (*call, error) {
	if t.left != nil {
		return t.left, nil
	}
	p, err := t.h.take()
	if err != nil {
		return nil, err
	}
	defer t.h.put()
	e := t.h.engine
	c := calls.Get().(*call)
	token := e.enter(c, nil)
	status := C.weirgo_next_async((*C.WeirTailer)(p), e.post, C.uint64_t(token))
	if status.status != C.WEIR_STATUS_OK {
		e.leave(token)
		c.recycle()
		return nil, takeError(status.status, status.error)
	}
	return c, nil
}

// Entries iterates over the entries from the tailer's position on, until the end of the log, or for ever when following; an error ends it.
// An entry is released when the loop goes on: take its batches. A loop that is left leaves the tailer after the last entry it got.
func (t *Tailer) Entries(ctx context.Context) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		for {
			entry, err := t.Next(ctx)
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			more := yield(entry, nil)
			entry.Release()
			if !more {
				return
			}
		}
	}
}

// Tail iterates over the entries of one shard's log, until its end, or with Follow for ever; an error ends it. An entry is released when
// the loop goes on: take its batches. OpenTailer gives more control; the subscription of one reads ahead of a loop that has much to do.
func Tail(ctx context.Context, s *Session, root, shard string, options ...TailerOption) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		t, err := OpenTailer(s, root, shard, options...)
		if err != nil {
			yield(nil, err)
			return
		}
		defer t.Close()
		t.Entries(ctx)(yield)
	}
}

// Read reads the entry at a position, 1 or more, without moving the tailer. It is ErrNotFound if it is not written yet, ErrTrimmed if it
// is gone.
func (t *Tailer) Read(ctx context.Context, position uint64) (*Entry, error) {
	out, err := t.wait(ctx, "the reading", func(p *C.WeirTailer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_tailer_read_async(p, C.uint64_t(position), done, cErr)
	})
	if err != nil {
		return nil, err
	}
	return newEntry(out.result, t.h.engine, t.schemas), nil
}

// FirstPosition returns the oldest position in the log; of an empty log, the first to be written.
func (t *Tailer) FirstPosition(ctx context.Context) (uint64, error) {
	out, err := t.wait(ctx, "the look for the first position", func(p *C.WeirTailer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_tailer_first_position_async(p, done, cErr)
	})
	return out.value, err
}

// NextPosition returns the position after the newest entry: where the next one will be.
func (t *Tailer) NextPosition(ctx context.Context) (uint64, error) {
	out, err := t.wait(ctx, "the look for the next position", func(p *C.WeirTailer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_tailer_next_position_async(p, done, cErr)
	})
	return out.value, err
}

func (t *Tailer) wait(ctx context.Context, what string, issue func(*C.WeirTailer, C.WeirCompletion, **C.WeirError) C.WeirStatus) (outcome, error) {
	return t.h.run(ctx, what+" of shard "+t.shard, func(p unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return issue((*C.WeirTailer)(p), done, cErr)
	})
}

// Position returns the position that Next will read; 0 = the oldest, not looked up yet, or the tailer is closed.
func (t *Tailer) Position() uint64 {
	if t.sought.Load() {
		return t.target.Load()
	}
	p, err := t.use()
	if err != nil {
		return 0
	}
	defer t.h.put()
	return uint64(C.weir_tailer_position(p))
}

// Seek makes position the next to be read, also for a call of Next that waits; 0 is the oldest there is.
func (t *Tailer) Seek(position uint64) error {
	select {
	case <-t.turn: // nobody is in Next
		if t.left != nil {
			t.target.Store(position)
			t.sought.Store(true)
		}
		defer func() { t.turn <- struct{}{} }()
	default:
	}
	return t.seek(position)
}

func (t *Tailer) seek(position uint64) error {
	p, err := t.use()
	if err != nil {
		return err
	}
	defer t.h.put()
	var cErr *C.WeirError
	return takeError(C.weir_tailer_seek(p, C.uint64_t(position), &cErr), cErr)
}

// Interrupt ends a waiting Next with ErrCancelled; if none waits, the next one that would. Contexts do this by themselves.
func (t *Tailer) Interrupt() {
	t.interrupted.Store(true)
	t.interrupt()
}

func (t *Tailer) interrupt() {
	if p, err := t.use(); err == nil {
		C.weir_tailer_interrupt(p)
		t.h.put()
	}
}

// giveUp drops the call that was left, if nobody is in Next; who is does it on leaving. For a tailer that is closed.
func (t *Tailer) giveUp() {
	select {
	case <-t.turn:
		if c := t.left; c != nil {
			t.left = nil
			c.giveUp()
		}
		t.turn <- struct{}{}
	default:
	}
}

// Stream exports the batches of all entries from the tailer's position on as a stream in the C stream interface, for another library: see
// Reader, which is the one for Go. Its calls block the thread that makes them; Interrupt and Close end one that waits. The receiver is to
// release it.
func (t *Tailer) Stream(out *cdata.CArrowArrayStream) error {
	p, err := t.use()
	if err != nil {
		return err
	}
	defer t.h.put()
	s := newStream()
	defer freeStream(s)
	var cErr *C.WeirError
	if err := takeError(C.weir_tailer_stream(p, s, &cErr), cErr); err != nil {
		return err
	}
	giveStream(s, out)
	return nil
}

// Close refuses later calls, ends those that wait with ErrClosed, and frees the tailer. Its entries stay valid. Closing again does
// nothing.
func (t *Tailer) Close() error {
	p, err := t.use()
	if err != nil {
		return nil
	}
	var cErr *C.WeirError
	err = takeError(C.weir_tailer_close(p, &cErr), cErr)
	t.h.put()
	t.h.close()
	t.giveUp()
	return err
}
