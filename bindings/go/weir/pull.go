package weir

import (
	"context"
	"runtime"
	"sync/atomic"
)

// A pull is how what comes next is read of something that is read one after the other, as a tailer and a scan are: by one caller at a time,
// at once where it is there, else by a call that is left to the next caller if a context ends, so that nothing is lost. It does not refer
// to what is read, whose handle gives it up when it is freed.
type pull struct {
	// turn holds a token while nobody reads.
	turn  chan struct{}
	left  *call // under turn
	looks looks
}

func newPull() *pull {
	p := &pull{turn: make(chan struct{}, 1)}
	p.turn <- struct{}{}
	return p
}

// enter waits for the caller's turn, which leave ends; false if the context ends first.
func (p *pull) enter(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case <-p.turn:
		return true
	case <-ctx.Done():
		return false
	}
}

// enterIdle takes the turn, which leave ends, if nobody reads and no call was left.
func (p *pull) enterIdle() bool {
	select {
	case <-p.turn:
	default:
		return false
	}
	if p.left != nil {
		p.leave()
		return false
	}
	return true
}

func (p *pull) leave() { p.turn <- struct{}{} }

// look reports whether to look if the next is there at once; then looks.end is to be called.
func (p *pull) look() bool { return p.left == nil && p.looks.begin() }

// wait makes the call for the next, or takes the one that was left, and waits for it. The call is nil if the context ends first: it is left.
func (p *pull) wait(ctx context.Context, start func() (*call, error)) (*call, error) {
	if p.left == nil {
		c, err := start()
		if err != nil {
			return nil, err
		}
		p.left = c
	}
	if !p.left.waitOn(ctx) {
		return nil, nil
	}
	c := p.left
	p.left = nil
	return c, nil
}

// giveUp gives up the call that was left. Nobody reads, and nobody will.
func (p *pull) giveUp() {
	if p.left != nil {
		p.left.giveUp()
	}
}

// maxPauses is how many times are waited at most until the next look whether something is there at once.
const maxPauses = 64

// readingNow is how many threads read at once what is there, and mostReadingNow how many may: beyond them, weir's own threads read.
var (
	readingNow     atomic.Int32
	mostReadingNow = int32(max(4, runtime.NumCPU()))
)

// looks says when to look whether something is there at once, as it is in memory, on a local disk, and where it was read ahead: it is read on
// the caller's thread then, which takes less than half of what handing it over from another thread does. Where it has to be waited for,
// whether at a log's end or for a store with latency, looking each time would ask for it twice.
type looks struct{ pauses, misses atomic.Int32 }

// begin reports whether to look; then end is to be called.
func (l *looks) begin() bool {
	if n := l.pauses.Load(); n > 0 {
		l.pauses.Store(n - 1) // an estimate: others may count at the same time
		return false
	}
	if readingNow.Add(1) > mostReadingNow {
		readingNow.Add(-1)
		return false
	}
	return true
}

func (l *looks) end() { readingNow.Add(-1) }

func (l *looks) found() {
	if l.misses.Load() != 0 {
		l.misses.Store(0)
	}
}

func (l *looks) missed() {
	n := min(l.misses.Load(), 16)
	l.pauses.Store(min(int32(1)<<n-1, maxPauses))
	l.misses.Store(n + 1)
}
