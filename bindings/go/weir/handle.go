package weir

// #include "shim.h"
import "C"

import (
	"sync/atomic"
	"unsafe"
)

// A handle is a pointer into C that may be closed while others use it: it is freed by the last of them (PITFALLS X8).
//
// Leases are taken for the time that a C function runs, which is never long, as all waiting is asynchronous; and by who reads on and on,
// such as Next, as long as it does.
type handle struct {
	pointer unsafe.Pointer
	free    func(unsafe.Pointer)
	// leases that are out, plus closedBit once it is closed.
	leases atomic.Int64
	engine *engine
	name   string
	alarm  leakAlarm
}

const closedBit = 1 << 62

// take gives the pointer for a call of C's, until put.
func (h *handle) take() (unsafe.Pointer, error) {
	if h.leases.Add(1)&closedBit != 0 {
		h.put()
		return nil, h.closed()
	}
	return h.pointer, nil
}

// put ends a take.
func (h *handle) put() {
	if h.leases.Add(-1) == closedBit {
		h.release()
	}
}

// close refuses later takes, and frees the pointer when those that are out have been put; false if it was closed before.
func (h *handle) close() bool {
	for {
		n := h.leases.Load()
		if n&closedBit != 0 {
			return false
		}
		// Closing takes a lease itself, so that put is what frees.
		if h.leases.CompareAndSwap(n, n+closedBit+1) {
			h.alarm.stop()
			h.put()
			return true
		}
	}
}

func (h *handle) isClosed() bool { return h.leases.Load()&closedBit != 0 }

// release runs exactly once: a late take adds to the count and takes it away again, and must not free a second time.
func (h *handle) release() {
	if !h.leases.CompareAndSwap(closedBit, closedBit|freedBit) {
		return
	}
	h.free(h.pointer)
	h.pointer = nil
	h.engine.unuse()
}

const freedBit = 1 << 61

func (h *handle) closed() error {
	return newError(CodeClosed, ActionReopen, "the "+h.name+" is closed")
}
