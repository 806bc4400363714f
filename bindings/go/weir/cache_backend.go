package weir

// #include "shim.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
)

// Backends and loaders are called on threads of weir's. These do not enter Go: they leave a request in a list (shim.c), the draining
// goroutine takes it from there, and a goroutine of its own answers it. A backend that takes its time so holds no thread at all.

// A CacheBackend keeps a cache's values. Its methods are called by several goroutines at once. One that fails, panics or answers too late
// costs the cache its entries, and no read of a log fails for it: a Get that fails is a miss. The rules that a backend keeps are those that
// CheckCacheBackend checks.
//
// The contexts end when an answer would come too late: see WithBackendTimeout.
//
// A backend that is also a CacheCounter is asked for its counts, and one that is an io.Closer is closed after its last use.
type CacheBackend interface {
	// Get looks for the value under a key. A miss is ErrNotFound. A value that Insert was given, as a ValueItem, costs the least.
	Get(ctx context.Context, key CacheKey) (CacheItem, error)
	// Insert puts a value under a key, in the place of what is there. It retains the value if it keeps it, until it lets go of it; size is
	// the memory that it holds.
	Insert(ctx context.Context, key CacheKey, value *CacheValue, size uint64) error
	// InvalidatePrefix removes all entries whose key's Prefix begins with these bytes. When it returns, they are gone.
	InvalidatePrefix(ctx context.Context, prefix string) error
	// Clear removes all entries. When it returns, they are gone.
	Clear(ctx context.Context) error
}

// A CacheCounter is a CacheBackend that can tell what it holds.
type CacheCounter interface {
	// NumEntries counts the entries.
	NumEntries(ctx context.Context) (uint64, error)
	// SizeBytes counts the bytes that they take.
	SizeBytes(ctx context.Context) (uint64, error)
}

// A CacheItem is what a backend finds and a loader brings: bytes, a batch or a value. The zero CacheItem is none.
type CacheItem struct {
	kind   CacheKind
	bytes  []byte
	record arrow.RecordBatch
	value  *CacheValue
}

// BytesItem is an item of bytes, which are copied.
func BytesItem(data []byte) CacheItem { return CacheItem{kind: CacheKindBytes, bytes: data} }

// BatchItem is an item of a batch, without copying its larger buffers, which must not be written to any more. It takes over one reference
// to the batch: who keeps it retains it first.
func BatchItem(record arrow.RecordBatch) CacheItem {
	return CacheItem{kind: CacheKindBatch, record: record}
}

// ValueItem is an item of a value that a backend was given, or that came from any cache. It takes over one reference to the value: who
// keeps it retains it first.
func ValueItem(value *CacheValue) CacheItem { return CacheItem{value: value} }

func (i CacheItem) release() {
	if i.record != nil {
		i.record.Release()
	}
	if i.value != nil {
		i.value.Release()
	}
}

// CheckCacheBackend checks an empty backend against the rules that a cache relies on, and leaves it empty; the error, ErrInvalidData,
// names the rule that does not hold. It is for tests: the backend must have room for 4 MiB. The backend is closed if it is an io.Closer.
//
//  1. A key that was never inserted is a miss.
//  2. What was inserted comes back whole and of its kind.
//  3. Keys are equal if prefix, key and type name are, byte by byte; any of them may be empty.
//  4. An insertion replaces what was there.
//  5. Invalidating a prefix removes the entries whose prefix begins with it and no others.
//  6. Clearing removes all entries.
//  7. Counts are right, if it is a CacheCounter.
//  8. A value that was handed out stays whole.
//  9. All methods may be called by several goroutines at once.
func CheckCacheBackend(backend CacheBackend) error {
	if backend == nil {
		return newError(CodeInvalidArgument, ActionFix, "there is no backend to check")
	}
	e, err := acquireEngine()
	if err != nil {
		return err
	}
	defer e.unuse()
	served, id, err := serve(e, newServedBackend(backend, e, 10*time.Second))
	if err != nil {
		return err
	}
	_, counts := backend.(CacheCounter)
	var cErr *C.WeirError
	err = takeError(C.weirgo_cache_backend_check(served, C.bool(counts), &cErr), cErr)
	for _, refused := range []error{ErrInvalidArgument, ErrWouldDeadlock, ErrForked} {
		if errors.Is(err, refused) {
			unserve(served, id)
		}
	}
	return err
}

// A server answers the requests to a backend or a loader.
type server interface {
	// begin is called before each answer, in order with released.
	begin()
	// answer answers one request, on a goroutine of its own.
	answer(r *request)
	// released is called after the last request; it must not wait.
	released()
}

var servers struct {
	sync.Mutex
	next uint64
	of   map[uint64]server
}

// serve makes a server known to C. It holds a use of the engine until it was released, and is to be given to a function that takes it
// over.
func serve(e *engine, s server) (*C.WeirGoServed, uint64, error) {
	e.use()
	servers.Lock()
	defer servers.Unlock()
	if servers.of == nil {
		servers.of = map[uint64]server{}
	}
	servers.next++
	served := C.weirgo_served_new(C.uint64_t(servers.next), e.post, C.uint64_t(serveToken))
	if served == nil {
		e.drop() // its caller uses it, too
		return nil, 0, newError(CodeStorage, ActionRetry, "there is no memory for a cache's backend or loader")
	}
	servers.of[servers.next] = s
	return served, servers.next, nil
}

// unserve takes back a server that C did not take over.
func unserve(served *C.WeirGoServed, id uint64) {
	C.weirgo_served_free(served)
	servers.Lock()
	s := servers.of[id]
	delete(servers.of, id)
	servers.Unlock()
	s.released()
}

// serveRequests starts the answers to all requests that were left. Runs on a draining goroutine.
func serveRequests() {
	for c := C.weirgo_take_requests(); c != nil; {
		next := c.next
		servers.Lock()
		s := servers.of[uint64(c.id)]
		if c.kind == C.WEIRGO_RELEASED {
			delete(servers.of, uint64(c.id))
		}
		servers.Unlock()
		if c.kind == C.WEIRGO_RELEASED {
			s.released()
		} else {
			r := newRequest(c)
			s.begin()
			go s.answer(r)
		}
		C.free(unsafe.Pointer(c))
		c = next
	}
}

// A request is what weir wants to know of a backend or a loader.
type request struct {
	kind  C.int32_t
	key   CacheKey
	value *C.WeirCacheValue
	size  uint64
	reply unsafe.Pointer // the answer is given to it, once
}

func newRequest(c *C.WeirGoRequest) *request {
	at := unsafe.Add(unsafe.Pointer(c), unsafe.Offsetof(c.type_len)+unsafe.Sizeof(c.type_len))
	text := func(n C.size_t) string {
		defer func() { at = unsafe.Add(at, n) }()
		if n == 0 {
			return ""
		}
		return string(unsafe.Slice((*byte)(at), n))
	}
	r := &request{kind: c.kind, value: c.value, size: uint64(c.size_bytes), reply: unsafe.Pointer(c.reply)}
	r.key.Prefix = text(c.prefix_len)
	r.key.Key = text(c.key_len)
	r.key.Type = text(c.type_len)
	return r
}

// take gives the reply to whoever comes first, and NULL to all others.
func (r *request) take() *C.WeirCacheReply {
	return (*C.WeirCacheReply)(atomic.SwapPointer(&r.reply, nil))
}

func (r *request) done(number uint64) {
	C.weir_cache_reply_done(r.take(), C.uint64_t(number))
}

func (r *request) fail(err error) {
	reply := r.take()
	if reply == nil {
		return
	}
	if errors.Is(err, ErrNotFound) && (r.kind == C.WEIRGO_GET || r.kind == C.WEIRGO_LOAD) {
		C.weir_cache_reply_miss(reply)
		return
	}
	message := C.CString(err.Error())
	defer C.free(unsafe.Pointer(message))
	C.weir_cache_reply_error(reply, message)
}

// give answers with an item, and releases it. An error says why it could not.
func (r *request) give(item CacheItem, e *engine) error {
	defer item.release()
	var reply *C.WeirCacheReply
	var cErr *C.WeirError
	var status C.WeirStatus
	switch {
	case item.value != nil:
		p, err := item.value.h.take()
		if err != nil {
			return err
		}
		defer item.value.h.put()
		if reply = r.take(); reply != nil {
			status = C.weir_cache_reply_value(reply, (*C.WeirCacheValue)(p), &cErr)
		}
	case item.record != nil:
		schema, err := exportSchema(item.record.Schema())
		if err != nil {
			return err
		}
		defer freeSchema(schema)
		a, err := exportRecord(item.record, e)
		if err != nil {
			return err
		}
		if reply = r.take(); reply == nil {
			C.weirgo_release_array(a)
		} else {
			status = C.weir_cache_reply_batch(reply, a, schema, &cErr)
		}
	case item.kind == CacheKindBytes:
		if reply = r.take(); reply != nil {
			status = C.weir_cache_reply_bytes(reply, bytesOf(item.bytes), C.size_t(len(item.bytes)), &cErr)
		}
	default:
		return newError(CodeNotFound, ActionNone, "there is no value")
	}
	return takeError(status, cErr)
}

// guarded runs a function of the program's; its panic, or the end of its goroutine, is an error.
func guarded(what string, f func() error) (err error) {
	returned := false
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{what, p}
		} else if !returned {
			err = errors.New(what + " ended its goroutine")
		}
	}()
	err = f()
	returned = true
	return err
}

// panicError is a panic of the program's as an error; it wraps what was panicked with if that is one.
type panicError struct {
	what  string
	value any
}

func (e *panicError) Error() string { return fmt.Sprintf("%s panicked: %v", e.what, e.value) }

func (e *panicError) Unwrap() error {
	err, _ := e.value.(error)
	return err
}

// A servedBackend answers for a CacheBackend.
type servedBackend struct {
	backend CacheBackend
	engine  *engine
	timeout time.Duration
	running sync.WaitGroup
}

func newServedBackend(backend CacheBackend, e *engine, timeout time.Duration) *servedBackend {
	return &servedBackend{backend: backend, engine: e, timeout: timeout}
}

func (s *servedBackend) begin() { s.running.Add(1) }

func (s *servedBackend) released() {
	go func() {
		s.running.Wait()
		if closer, ok := s.backend.(io.Closer); ok {
			_ = guarded("the backend", closer.Close) // there is nobody to tell
		}
		s.engine.unuse()
	}()
}

func (s *servedBackend) answer(r *request) {
	defer s.running.Done()
	ctx := context.Background()
	if s.timeout >= 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.timeout)
		defer cancel()
	}
	var value *CacheValue
	if r.value != nil {
		value = newCacheValue(unsafe.Pointer(r.value), s.engine)
		defer value.Release()
	}
	answered := false
	defer func() { // also if the backend ends the goroutine
		if !answered {
			r.fail(errors.New("the backend gave no answer"))
		}
	}()
	if err := guarded("the backend", func() error { return s.ask(ctx, r, value) }); err != nil {
		r.fail(err)
	}
	answered = true
}

func (s *servedBackend) ask(ctx context.Context, r *request, value *CacheValue) (err error) {
	var number uint64
	switch r.kind {
	case C.WEIRGO_GET:
		item, err := s.backend.Get(ctx, r.key)
		if err != nil {
			return err
		}
		return r.give(item, s.engine)
	case C.WEIRGO_INSERT:
		err = s.backend.Insert(ctx, r.key, value, r.size)
	case C.WEIRGO_INVALIDATE:
		err = s.backend.InvalidatePrefix(ctx, r.key.Prefix)
	case C.WEIRGO_CLEAR:
		err = s.backend.Clear(ctx)
	case C.WEIRGO_NUM_ENTRIES:
		number, err = s.backend.(CacheCounter).NumEntries(ctx)
	case C.WEIRGO_SIZE_BYTES:
		number, err = s.backend.(CacheCounter).SizeBytes(ctx)
	}
	if err == nil {
		r.done(number)
	}
	return err
}

// A servedLoad answers for a loader.
type servedLoad struct {
	ctx    context.Context
	load   func(context.Context) (CacheItem, error)
	engine *engine
	failed atomic.Pointer[error] // set before the answer that says so
}

func (s *servedLoad) begin()    { s.engine.use() }
func (s *servedLoad) released() { s.engine.drop() }

func (s *servedLoad) answer(r *request) {
	defer s.engine.unuse()
	fail := func(err error) {
		s.failed.CompareAndSwap(nil, &err)
		r.fail(err)
	}
	// When the context ends, others need not wait until the load has noticed.
	stop := context.AfterFunc(s.ctx, func() { fail(contextError(s.ctx, "the loading into a cache")) })
	defer stop()
	finished := false
	defer func() {
		if !finished {
			fail(errors.New("the loader ended its goroutine"))
		}
	}()
	err := guarded("the loader", func() error {
		item, err := s.load(s.ctx)
		if err != nil {
			return err
		}
		return r.give(item, s.engine)
	})
	if err != nil {
		fail(err)
	}
	finished = true
}

// loading are the keys whose loaders a context comes from.
type loading struct {
	cache *sharedCache
	key   CacheKey
	above *loading
}

type loadingKey struct{}

func withLoading(ctx context.Context, cache *sharedCache, key CacheKey) context.Context {
	above, _ := ctx.Value(loadingKey{}).(*loading)
	return context.WithValue(ctx, loadingKey{}, &loading{cache, key, above})
}

func isLoading(ctx context.Context, cache *sharedCache, key CacheKey) bool {
	for l, _ := ctx.Value(loadingKey{}).(*loading); l != nil; l = l.above {
		if l.cache == cache && l.key == key {
			return true
		}
	}
	return false
}
