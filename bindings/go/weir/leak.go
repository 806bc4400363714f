package weir

import (
	"log/slog"
	"runtime"
	"sync/atomic"
)

// A leakAlarm goes off when its handle was garbage collected and never closed. It frees nothing: when a collector gets to it is no
// time to close a writer, and a program that relied on it would run out of what it does not see.
type leakAlarm struct {
	cleanup runtime.Cleanup
	set     bool
}

func (a *leakAlarm) stop() {
	if a.set {
		a.cleanup.Stop()
	}
}

var leakHandler atomic.Pointer[func(what string)]

// OnLeak sets what is called when a session, writer, appender, tailer, subscription, scan, snapshot, cache, or something of spills was garbage
// collected without having been closed: a bug of the program, whose resources are lost until the process ends. What names the handle. At
// first, and with nil, a warning is logged through log/slog. The function runs on a goroutine of the runtime's and must not block.
func OnLeak(f func(what string)) {
	if f == nil {
		leakHandler.Store(nil)
		return
	}
	leakHandler.Store(&f)
}

func leaked(what string) {
	if f := leakHandler.Load(); f != nil {
		(*f)(what)
		return
	}
	slog.Warn("weir: the " + what + " was garbage collected and never closed")
}

// watch sets the alarm of owner's handle.
func watch[T any](owner *T, h *handle, what string) {
	h.alarm = leakAlarm{runtime.AddCleanup(owner, leaked, what), true}
}
