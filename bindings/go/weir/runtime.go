package weir

// #include "shim.h"
import "C"

import (
	"context"
	"errors"
	"strings"
	"unsafe"
)

// RuntimeOptions are the options of Configure; the zero value has the defaults.
type RuntimeOptions struct {
	// WorkerThreads drive requests to object stores; 0 = one per core.
	WorkerThreads uint32
	// DispatcherThreads are the most that call completions. This package needs none.
	DispatcherThreads uint32
	// ThreadName is what threads' names begin with; "" = "weir". Linux shows 15 bytes of a name.
	ThreadName string
}

// Configure sets how many threads weir may start in this process, and their names. To be called before anything else needs a thread, at
// most once: else it is ErrAlreadyExists. It starts none itself.
func Configure(options RuntimeOptions) error {
	if err := checkABI(); err != nil {
		return err
	}
	if strings.ContainsRune(options.ThreadName, 0) {
		return newError(CodeInvalidArgument, ActionFix, "the thread name contains a NUL")
	}
	var set C.WeirRuntimeOptions
	C.weir_runtime_options_init(&set, C.sizeof_WeirRuntimeOptions)
	set.worker_threads = C.uint32_t(options.WorkerThreads)
	set.dispatcher_threads = C.uint32_t(options.DispatcherThreads)
	if options.ThreadName != "" {
		set.thread_name = C.CString(options.ThreadName)
		defer C.free(unsafe.Pointer(set.thread_name))
	}
	var cErr *C.WeirError
	return takeError(C.weir_runtime_configure(&set, &cErr), cErr)
}

// shutdownSlice is how long Shutdown waits in C before it looks at its context.
const shutdownSlice = 50

// Shutdown ends weir in this process, for good: operations that still run are dropped, so that their calls return ErrCancelled, and all
// of weir's threads are joined. Close writers before. Handles must still be closed. If the context ends first, threads are left, and
// Shutdown may be called again.
func Shutdown(ctx context.Context) error {
	for {
		var cErr *C.WeirError
		err := takeError(C.weir_runtime_shutdown(shutdownSlice, &cErr), cErr)
		if err == nil || !errors.Is(err, ErrTimedOut) {
			return err
		}
		if ctx.Err() != nil {
			return contextError(ctx, err.(*Error).Message)
		}
	}
}
