package weir

import (
	"context"
	"sync"
)

// A closing is how a writer or an appender ends: one call of C's, which is left to the next Close when a context ends, and whose outcome is
// that of every Close.
type closing struct {
	mu   sync.Mutex
	call *Pending // nil until the first Close
	kept sync.Once
}

// close begins to close h, unless that was begun, and waits for it as long as the context allows. What h still answers afterwards is kept
// by keep.
func (c *closing) close(ctx context.Context, h *handle, issue issue, keep func()) error {
	call := c.begin(h, issue)
	if call == nil {
		return nil // it was aborted
	}
	if !call.wait(ctx) {
		return contextError(ctx, "the closing of the "+h.name)
	}
	c.finish(h, keep)
	return call.err
}

// begin makes the call, also if the caller's context has ended: from then on, C refuses what comes.
func (c *closing) begin(h *handle, issue issue) *Pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.call != nil {
		return c.call
	}
	p, err := h.take()
	if err != nil {
		return nil
	}
	defer h.put()
	c.call = &Pending{done: make(chan struct{})}
	if err := h.begin(p, &call{pending: c.call}, issue); err != nil { // else the call may have completed by now
		c.call.err = err
		close(c.call.done)
	}
	return c.call
}

// finish keeps what h answers, once, and frees it when the last call has returned.
func (c *closing) finish(h *handle, keep func()) {
	c.kept.Do(func() {
		keep()
		h.close()
	})
}
