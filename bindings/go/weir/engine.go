package weir

// #include "shim.h"
import "C"

import (
	"context"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// The engine carries all waiting: every call that may wait is asynchronous in C and completes into one queue, which one goroutine
// drains. However many goroutines wait, none of them holds a thread. The goroutine itself holds none either: it waits for the
// queue's file descriptor in the runtime's network poller. (Measured against blocking in C on a thread of its own: a seventh more
// durable puts from 1,000 goroutines, three quarters more rows tailed, and a third of the threads, as no processor is handed on and back.)
//
// What C is handed of a call is a number. A completion that comes after its caller has gone finds the number's slot marked, and is
// cleared; no memory of Go's is ever written to by C after a call returned (PITFALLS X10).
//
// The engine lives as long as something may still complete into it: each handle, each call under way and each exported batch that
// weir holds counts as a user of it. After the last, its queue is freed; the next handle starts another.
type engine struct {
	queue *C.WeirQueue
	post  C.WeirCompletion // its token is to be set
	users atomic.Int64
	ended chan struct{}

	mu    sync.Mutex
	slots []slot
	free  []uint32
}

// A slot is what a token stands for: the slot's index and 1. A token is free again after its last event.
type slot struct {
	call *call
	feed *feed
}

// wakeToken is the token of the event that says that exported batches were released.
const wakeToken = 0

// serveToken is the token of the event that says that a backend or a loader is asked for something.
const serveToken = ^uint64(0)

// drainAtOnce is how many events are taken from the queue with one call.
const drainAtOnce = 256

var current struct {
	sync.Mutex
	engine *engine
}

// acquireEngine returns the engine with one more user, starting it if there is none.
func acquireEngine() (*engine, error) {
	if err := checkABI(); err != nil {
		return nil, err
	}
	current.Lock()
	defer current.Unlock()
	if e := current.engine; e != nil && e.tryUse() {
		return e, nil
	}
	e := &engine{ended: make(chan struct{})}
	var cErr *C.WeirError
	if err := takeError(C.weir_queue_new(nil, &e.queue, &cErr), cErr); err != nil {
		return nil, err
	}
	e.post = C.weir_queue_completion(e.queue, wakeToken)
	poller, err := e.poller()
	if err != nil {
		C.weir_queue_free(e.queue)
		return nil, err
	}
	e.users.Store(1)
	current.engine = e
	go e.drain(poller)
	return e, nil
}

// poller wraps the queue's file descriptor for the runtime's poller.
func (e *engine) poller() (*os.File, error) {
	fd := int(C.weir_queue_fd(e.queue))
	if fd >= 0 {
		// A duplicate, because a File closes its descriptor.
		syscall.ForkLock.RLock()
		own, err := syscall.Dup(fd)
		if err == nil {
			syscall.CloseOnExec(own)
		}
		syscall.ForkLock.RUnlock()
		if err == nil {
			return os.NewFile(uintptr(own), "weir completion queue"), nil
		}
	}
	return nil, newError(CodeStorage, ActionRetry, "no file descriptor is left for weir's completion queue")
}

// tryUse adds a user unless there is none left.
func (e *engine) tryUse() bool {
	for {
		n := e.users.Load()
		if n == 0 {
			return false
		}
		if e.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// use adds a user on behalf of one that there is.
func (e *engine) use() { e.users.Add(1) }

// unuse takes a user away. After the last it waits until the queue is freed, so that a program that has closed all that it opened
// has nothing of weir's left.
func (e *engine) unuse() {
	if e.drop() {
		<-e.ended
	}
}

// drop is unuse for the draining goroutine, which cannot wait for itself.
func (e *engine) drop() bool {
	if e.users.Add(-1) > 0 {
		return false
	}
	C.weir_queue_close(e.queue, nil)
	return true
}

// drain is the one goroutine that takes events from the queue, until it is closed and empty.
func (e *engine) drain(poller *os.File) {
	defer close(e.ended)
	defer C.weir_queue_free(e.queue)
	defer poller.Close()
	events := (*C.WeirEvent)(C.calloc(drainAtOnce, C.sizeof_WeirEvent))
	defer C.free(unsafe.Pointer(events))
	batch := unsafe.Slice(events, drainAtOnce)
	ready := make([]*call, 0, drainAtOnce)
	var n C.size_t
	var status C.WeirStatus
	poll := func(uintptr) bool {
		status = C.weir_queue_next(e.queue, events, drainAtOnce, 0, &n, nil)
		return status != C.WEIR_STATUS_TIMED_OUT
	}
	conn, err := poller.SyscallConn()
	for {
		if err == nil {
			err = conn.Read(poll)
		}
		if err != nil { // the poller cannot take the descriptor: wait in C, on one thread
			status = C.weir_queue_next(e.queue, events, drainAtOnce, -1, &n, nil)
		}
		if status != C.WEIR_STATUS_OK {
			return // CLOSED: nobody uses the engine any more
		}
		ready = e.deliver(batch[:n], ready[:0])
		// Let those who were waiting go on, and gather more events meanwhile.
		if len(ready) > 1 {
			runtime.Gosched()
		}
	}
}

// deliver hands events to those who wait for them.
func (e *engine) deliver(events []C.WeirEvent, ready []*call) []*call {
	gone, released, asked := 0, false, false
	e.mu.Lock()
	for i := range events {
		ready = append(ready, nil)
		token := uint64(events[i].token)
		if token == wakeToken {
			released = true
			continue
		}
		if token == serveToken {
			asked = true
			continue
		}
		s := &e.slots[token-1]
		if s.feed != nil {
			last := events[i].result == nil // before push, which may clear the event
			s.feed.push(&events[i])
			if !last {
				continue
			}
		}
		ready[i] = s.call
		gone++
		*s = slot{}
		e.free = append(e.free, uint32(token-1))
	}
	e.mu.Unlock()
	for i, c := range ready {
		if c != nil {
			c.complete(&events[i])
		}
	}
	if released {
		releaseExports()
	}
	if asked {
		serveRequests()
	}
	for range gone { // the last of them may end the engine
		e.drop()
	}
	return ready
}

// enter gives a call or a feed a token, and counts it as a user.
func (e *engine) enter(c *call, f *feed) uint64 {
	e.use()
	e.mu.Lock()
	defer e.mu.Unlock()
	var index uint32
	if n := len(e.free); n > 0 {
		index = e.free[n-1]
		e.free = e.free[:n-1]
	} else {
		index = uint32(len(e.slots))
		e.slots = append(e.slots, slot{})
	}
	e.slots[index] = slot{c, f}
	return uint64(index) + 1
}

// leave takes a token back that C did not accept.
func (e *engine) leave(token uint64) {
	e.mu.Lock()
	e.slots[token-1] = slot{}
	e.free = append(e.free, uint32(token-1))
	e.mu.Unlock()
	e.unuse()
}

// accepted takes a call back, and its token, if C did not accept it.
func (e *engine) accepted(c *call, token uint64, status C.WeirGoStatus) error {
	if status.status == C.WEIR_STATUS_OK {
		return nil
	}
	e.leave(token)
	c.recycle()
	return takeError(status.status, status.error)
}

// A call is one asynchronous call under way.
type call struct {
	state atomic.Uint32
	done  chan struct{}
	event C.WeirEvent
	// pending is set if many may look for the outcome, or nobody.
	pending *Pending
}

const (
	pending   = 0
	completed = 1
	abandoned = 2
)

var calls = sync.Pool{New: func() any { return &call{done: make(chan struct{}, 1)} }}

// complete stores the event and wakes who waits; clears the event if nobody does any more.
func (c *call) complete(event *C.WeirEvent) {
	c.event = *event
	if p := c.pending; p != nil {
		p.ack, p.err = ackOf(event.ack), takeError(C.WeirStatus(event.status), event.error)
		close(p.done)
		return
	}
	if !c.state.CompareAndSwap(pending, completed) {
		C.weir_event_clear(event)
		return
	}
	c.done <- struct{}{}
}

// wait returns true once the event is there, false if the context ended first; then the call is given up, and its event will be
// cleared when it comes.
func (c *call) wait(ctx context.Context) bool {
	if c.waitOn(ctx) {
		return true
	}
	if c.state.CompareAndSwap(pending, abandoned) {
		return false
	}
	<-c.done
	return true
}

// giveUp ends the wait for a call: its event is cleared, now or when it comes.
func (c *call) giveUp() {
	if !c.state.CompareAndSwap(pending, abandoned) {
		<-c.done
		C.weir_event_clear(&c.event)
		c.recycle()
	}
}

// waitOn is wait that does not give the call up.
func (c *call) waitOn(ctx context.Context) bool {
	cancelled := ctx.Done()
	if cancelled == nil {
		<-c.done
		return true
	}
	select {
	case <-c.done:
		return true
	case <-cancelled:
		return false
	}
}

// recycle makes room for the next call. Only for one that completed, or was not made.
func (c *call) recycle() {
	if c.pending != nil {
		return
	}
	c.event = C.WeirEvent{}
	c.state.Store(pending)
	calls.Put(c)
}

// outcome takes the call's event: its error, or what it gives back.
func (c *call) outcome() (outcome, error) {
	event := c.event
	c.recycle()
	if err := takeError(C.WeirStatus(event.status), event.error); err != nil {
		return outcome{}, err
	}
	return outcome{result: event.result, ack: ackOf(event.ack), value: uint64(event.value)}, nil
}

// An outcome is what a call gives back.
type outcome struct {
	result unsafe.Pointer
	ack    Ack
	value  uint64
}

// An issue makes an asynchronous call on the handle p with the completion done.
type issue func(p unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus

// begin makes the asynchronous call c on a handle that is held as p.
func (h *handle) begin(p unsafe.Pointer, c *call, issue issue) error {
	e := h.engine
	token := e.enter(c, nil)
	done := e.post
	done.token = C.uint64_t(token)
	var cErr *C.WeirError
	status := issue(p, done, &cErr)
	return e.accepted(c, token, C.WeirGoStatus{status, cErr})
}

// start is begin with a call that only its caller waits for.
func (h *handle) start(p unsafe.Pointer, issue issue) (*call, error) {
	c := calls.Get().(*call)
	return c, h.begin(p, c, issue)
}

// run makes an asynchronous call on a handle and waits for it. What says what it was, for the error if the context ends first.
func (h *handle) run(ctx context.Context, what string, issue issue) (outcome, error) {
	if ctx.Err() != nil {
		return outcome{}, contextError(ctx, what)
	}
	p, err := h.take()
	if err != nil {
		return outcome{}, err
	}
	c, err := h.start(p, issue)
	h.put() // held while C runs, not while its outcome is waited for
	if err != nil {
		return outcome{}, err
	}
	if !c.wait(ctx) {
		return outcome{}, contextError(ctx, what)
	}
	return c.outcome()
}
