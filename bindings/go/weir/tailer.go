package weir

// #include "shim.h"
// #cgo noescape weirgo_next_async
// #cgo noescape weirgo_next_now
import "C"

import (
	"context"
	"io"
	"iter"
	"sync"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow/cdata"
)

// A Tailer reads one shard's log. All its methods may be called from any goroutine at once; calls of Next take turns.
type Tailer struct {
	h       *handle
	shard   string
	schemas *schemaCache
	pull    *pull

	mu sync.Mutex
	// asked is set while a call for the next entry is under way, or was left, and place is where the tailer is meanwhile: C's may be past an
	// entry that Next did not give yet.
	asked bool
	place uint64
	// sought is set by a Seek while asked: the call may have read before.
	sought bool
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
	pull := newPull()
	t := &Tailer{
		h: &handle{pointer: unsafe.Pointer(p), engine: s.h.engine, name: "tailer of shard " + shard, free: func(p unsafe.Pointer) {
			C.weir_tailer_free((*C.WeirTailer)(p))
			pull.giveUp()
		}},
		shard:   shard,
		schemas: new(schemaCache),
		pull:    pull,
	}
	watch(t, t.h, t.h.name)
	return t, nil
}

func (t *Tailer) use() (*C.WeirTailer, error) {
	p, err := t.h.take()
	return (*C.WeirTailer)(p), err
}

// Next reads the next entry, in order, which is to be released. At the end of the log it returns io.EOF; a tailer that follows waits there
// instead. After an error, also that of a context that ended, the tailer is where it was; the entry goes on being waited for, and is given
// by the next Next.
func (t *Tailer) Next(ctx context.Context) (*Entry, error) {
	if !t.pull.enter(ctx) {
		return nil, t.contextError(ctx)
	}
	defer t.pull.leave()
	p, err := t.use()
	if err != nil {
		return nil, err
	}
	defer t.h.put() // Close ends the wait
	for {
		if entry, err, found := t.now(p); found {
			return entry, err
		}
		c, err := t.pull.wait(ctx, func() (*call, error) { return t.ask(p) })
		if err != nil {
			return nil, err
		}
		if c == nil {
			return nil, t.contextError(ctx)
		}
		again, err := t.answered(p)
		// What was read elsewhere is not what is next; that it was interrupted is told all the same.
		if err != nil || again && c.event.status != C.WEIR_STATUS_CANCELLED {
			C.weir_event_clear(&c.event)
			c.recycle()
			if err != nil {
				return nil, err
			}
			continue
		}
		out, err := c.outcome()
		switch {
		case err != nil:
			return nil, err
		case out.result == nil:
			return nil, io.EOF
		}
		return newEntry(out.result, t.h.engine, t.schemas), nil
	}
}

func (t *Tailer) contextError(ctx context.Context) error {
	return contextError(ctx, "the wait for an entry of shard "+t.shard)
}

// now reads the next entry on this thread if it is there at once; false if it is not, or was not lately.
func (t *Tailer) now(p *C.WeirTailer) (*Entry, error, bool) {
	if !t.pull.look() {
		return nil, nil, false
	}
	defer t.pull.looks.end()
	next := C.weirgo_next_now(p)
	switch {
	case next.status == C.WEIR_STATUS_TIMED_OUT:
		t.pull.looks.missed()
		return nil, nil, false
	case next.status != C.WEIR_STATUS_OK:
		return nil, takeError(next.status, next.error), true
	case next.entry == nil:
		return nil, io.EOF, true
	}
	t.pull.looks.found()
	return newEntryOf(unsafe.Pointer(next.entry), next.fields, t.h.engine, t.schemas), nil, true
}

// ask makes the call for the next entry.
func (t *Tailer) ask(p *C.WeirTailer) (*call, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	place := uint64(C.weir_tailer_position(p))
	e := t.h.engine
	c := calls.Get().(*call)
	token := e.enter(c, nil)
	if err := e.accepted(c, token, C.weirgo_next_async(p, e.post, C.uint64_t(token))); err != nil {
		return nil, err
	}
	t.asked, t.place = true, place
	return c, nil
}

// answered ends what ask began. If it may have read elsewhere than where it was to since, the tailer goes there again.
func (t *Tailer) answered(p *C.WeirTailer) (again bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	again = t.sought
	t.asked, t.sought = false, false
	if again {
		err = seek(p, t.place)
	}
	return again, err
}

// Entries iterates over the entries from the tailer's position on, until the end of the log, or for ever when following; an error ends it.
// An entry is released when the loop goes on: take its batches. A loop that is left leaves the tailer after the last entry it got.
func (t *Tailer) Entries(ctx context.Context) iter.Seq2[*Entry, error] {
	return each(func() (*Entry, error) { return t.Next(ctx) }, (*Entry).Release)
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
	p, err := t.use()
	if err != nil {
		return 0
	}
	defer t.h.put()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asked {
		return t.place
	}
	return uint64(C.weir_tailer_position(p))
}

// Seek makes position the next to be read, also for a call of Next that waits; 0 is the oldest there is.
func (t *Tailer) Seek(position uint64) error {
	p, err := t.use()
	if err != nil {
		return err
	}
	defer t.h.put()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asked {
		t.place, t.sought = position, true
	}
	return seek(p, position)
}

func seek(p *C.WeirTailer, position uint64) error {
	var cErr *C.WeirError
	return takeError(C.weir_tailer_seek(p, C.uint64_t(position), &cErr), cErr)
}

// Interrupt ends a waiting Next with ErrCancelled; if none waits, the next one that would. A context that ends needs no such help.
func (t *Tailer) Interrupt() {
	if p, err := t.use(); err == nil {
		C.weir_tailer_interrupt(p)
		t.h.put()
	}
}

// enter takes the turn from Next for what else reads from the tailer; pull.leave ends it.
func (t *Tailer) enter() error {
	if t.pull.enterIdle() {
		return nil
	}
	return newError(CodeInvalidArgument, ActionFix, "a call of Next of the "+t.h.name+
		" is under way or was given up, and its entry is not to be lost: let Next return it first, or open another tailer from Position")
}

// Stream exports the batches of all entries from the tailer's position on as a stream in the C stream interface, for another library: see
// Reader, which is the one for Go. Its calls block the thread that makes them; Interrupt and Close end one that waits. The receiver is to
// release it. It is ErrInvalidArgument while a call of Next is under way, or was given up and not made again.
func (t *Tailer) Stream(out *cdata.CArrowArrayStream) error {
	p, err := t.use()
	if err != nil {
		return err
	}
	defer t.h.put()
	if err := t.enter(); err != nil {
		return err
	}
	defer t.pull.leave()
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
	return err
}
