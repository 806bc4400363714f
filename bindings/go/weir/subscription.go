package weir

// #include "shim.h"
import "C"

import (
	"context"
	"io"
	"sync"
	"unsafe"
)

// A feed is where the events of a subscription arrive.
type feed struct {
	mu     sync.Mutex
	events []C.WeirEvent
	closed bool // nobody will take any more
	// news has a token when there may be something to take.
	news chan struct{}
	// over is closed at the last event, and so wakes all who wait.
	over chan struct{}
}

func newFeed() *feed { return &feed{news: make(chan struct{}, 1), over: make(chan struct{})} }

func (f *feed) push(event *C.WeirEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if event.result == nil {
		close(f.over)
	}
	if f.closed {
		C.weir_event_clear(event)
		return
	}
	f.events = append(f.events, *event)
	f.signal()
}

// signal wakes one who waits, as an event is for one.
func (f *feed) signal() {
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// pop takes the next event; false if there is none now.
func (f *feed) pop() (C.WeirEvent, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.events) == 0 {
		return C.WeirEvent{}, false
	}
	event := f.events[0]
	f.events = f.events[1:]
	if len(f.events) > 0 {
		f.signal()
	}
	return event, true
}

// close gives up what is there and what is to come.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for i := range f.events {
		C.weir_event_clear(&f.events[i])
	}
	f.events = nil
}

// A Subscription has a tailer push its entries, as far as it is given credit: they are read ahead of whoever takes them. It may be used
// from any goroutine.
type Subscription struct {
	h       *handle
	feed    *feed
	shard   string
	schemas *schemaCache

	mu   sync.Mutex
	last error // how it ended
}

// Subscribe has the tailer push its entries, up to credit of them before Request gives more. Do not read from the tailer otherwise
// meanwhile. It is ErrInvalidArgument while a call of Next is under way, or was given up and not made again.
func (t *Tailer) Subscribe(credit uint64) (*Subscription, error) {
	p, err := t.use()
	if err != nil {
		return nil, err
	}
	defer t.h.put()
	if err := t.enter(); err != nil {
		return nil, err
	}
	defer t.pull.leave()
	f := newFeed()
	e := t.h.engine
	token := e.enter(nil, f)
	done := e.post
	done.token = C.uint64_t(token)
	var s *C.WeirSubscription
	var cErr *C.WeirError
	if status := C.weir_tailer_subscribe(p, done, C.uint64_t(credit), &s, &cErr); status != C.WEIR_STATUS_OK {
		e.leave(token)
		return nil, takeError(status, cErr)
	}
	e.use()
	sub := &Subscription{
		h: &handle{pointer: unsafe.Pointer(s), engine: e, name: "subscription to shard " + t.shard, free: func(p unsafe.Pointer) {
			C.weir_subscription_free((*C.WeirSubscription)(p))
		}},
		feed: f, shard: t.shard, schemas: t.schemas,
	}
	watch(sub, sub.h, sub.h.name)
	return sub, nil
}

// Request allows n more entries to be pushed.
func (s *Subscription) Request(n uint64) error {
	p, err := s.h.take()
	if err != nil {
		return err
	}
	defer s.h.put()
	var cErr *C.WeirError
	return takeError(C.weir_subscription_request((*C.WeirSubscription)(p), C.uint64_t(n), &cErr), cErr)
}

// Next takes the next entry that was pushed, waiting for it; it is to be released. After the last entry, it returns io.EOF at the end of
// the log, or else the error that ended the subscription, ErrCancelled after Cancel.
func (s *Subscription) Next(ctx context.Context) (*Entry, error) {
	for {
		if ctx.Err() != nil {
			return nil, s.contextError(ctx)
		}
		if _, err := s.h.take(); err != nil {
			return nil, err
		}
		entry, err, ok := s.next()
		s.h.put()
		if ok {
			return entry, err
		}
		select {
		case <-s.feed.news:
		case <-s.feed.over: // from now on next has an answer, unless Close took it
		case <-ctx.Done():
		}
	}
}

func (s *Subscription) contextError(ctx context.Context) error {
	return contextError(ctx, "the wait for an entry of shard "+s.shard)
}

func (s *Subscription) next() (*Entry, error, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	event, ok := s.feed.pop()
	switch {
	case ok && event.result != nil:
		return newEntry(event.result, s.h.engine, s.schemas), nil, true
	case ok:
		s.last = takeError(C.WeirStatus(event.status), event.error)
		if s.last == nil {
			s.last = io.EOF
		}
	}
	return nil, s.last, s.last != nil
}

// Cancel ends the subscription: after what was pushed already, Next returns ErrCancelled.
func (s *Subscription) Cancel() {
	if p, err := s.h.take(); err == nil {
		C.weir_subscription_cancel((*C.WeirSubscription)(p))
		s.h.put()
	}
}

// Close ends the subscription and gives up what was pushed and not taken. It waits for the end, after which the tailer may be read
// otherwise again. Closing again does nothing.
func (s *Subscription) Close() error {
	p, err := s.h.take()
	s.h.close()
	s.feed.close() // before the cancelling, of which nobody is to be told
	if err == nil {
		C.weir_subscription_cancel((*C.WeirSubscription)(p))
		s.h.put()
	}
	<-s.feed.over
	return nil
}
