package weir

// #include "shim.h"
import "C"

import (
	"strings"
	"time"
	"unsafe"
)

// A Session is what is shared by all that is opened through it: object stores with their settings, metrics, a cache, a spill store and a
// limit on memory. It may be used from any goroutine. What was opened through it goes on after it is closed.
type Session struct {
	h     *handle
	cache *sharedCache
}

// NewSession makes a session. It makes no request and starts no thread of weir's.
func NewSession(options ...SessionOption) (*Session, error) {
	var set sessionOptions
	for _, option := range options {
		option(&set)
	}
	var cOptions C.WeirSessionOptions
	C.weir_session_options_init(&cOptions, C.sizeof_WeirSessionOptions)
	if n := len(set.settings); n > 0 {
		array := C.calloc(C.size_t(n), C.sizeof_WeirKeyValue)
		defer C.free(array)
		pairs := unsafe.Slice((*C.WeirKeyValue)(array), n)
		for i, s := range set.settings {
			if strings.ContainsRune(s.key+s.value, 0) {
				return nil, newError(CodeInvalidArgument, ActionFix, "the setting "+s.key+" contains a NUL")
			}
			pairs[i].key, pairs[i].value = C.CString(s.key), C.CString(s.value)
			defer C.free(unsafe.Pointer(pairs[i].key))
			defer C.free(unsafe.Pointer(pairs[i].value))
		}
		cOptions.store_settings, cOptions.store_settings_len = &pairs[0], C.size_t(n)
	}
	cOptions.memory_bytes = C.uint64_t(set.memory)
	cache := new(sharedCache)
	if set.spill != nil {
		p, err := set.spill.use()
		if err != nil {
			return nil, err
		}
		defer set.spill.h.put()
		cOptions.spill = p
	}
	if set.cache != nil {
		p, err := set.cache.use()
		if err != nil {
			return nil, err
		}
		defer set.cache.h.put()
		cOptions.cache = p
		cache = set.cache.shared
	}
	e, err := acquireEngine()
	if err != nil {
		return nil, err
	}
	var session *C.WeirSession
	var cErr *C.WeirError
	if err := takeError(C.weir_session_new(&cOptions, &session, &cErr), cErr); err != nil {
		e.unuse()
		return nil, err
	}
	s := &Session{h: &handle{pointer: unsafe.Pointer(session), engine: e, name: "session", free: func(p unsafe.Pointer) {
		C.weir_session_free((*C.WeirSession)(p))
	}}, cache: cache}
	watch(s, s.h, "session")
	return s, nil
}

// use takes a lease on the session; h.put ends it.
func (s *Session) use() (*C.WeirSession, error) {
	p, err := s.h.take()
	return (*C.WeirSession)(p), err
}

// Close frees the session. What was opened through it goes on and keeps what it needs. Closing again does nothing.
func (s *Session) Close() error {
	s.h.close()
	return nil
}

// Metrics returns the metrics of all that was opened through the session, in the text format of Prometheus.
func (s *Session) Metrics() (string, error) {
	session, err := s.use()
	if err != nil {
		return "", err
	}
	defer s.h.put()
	var text *C.WeirBuffer
	var cErr *C.WeirError
	if err := takeError(C.weir_metrics_prometheus(session, &text, &cErr), cErr); err != nil {
		return "", err
	}
	return takeText(text), nil
}

// SpillStore returns the session's spill store: that of WithSpillStore, or a local one without a cap. It is to be closed.
func (s *Session) SpillStore() (*SpillStore, error) {
	session, err := s.use()
	if err != nil {
		return nil, err
	}
	defer s.h.put()
	var store *C.WeirSpillStore
	var cErr *C.WeirError
	if err := takeError(C.weir_session_spill_store(session, &store, &cErr), cErr); err != nil {
		return nil, err
	}
	s.h.engine.use()
	return newSpillStore(store, s.h.engine), nil
}

// Cache returns the session's cache: that of WithCache, or the built-in one. It is to be closed.
func (s *Session) Cache() (*Cache, error) {
	session, err := s.use()
	if err != nil {
		return nil, err
	}
	defer s.h.put()
	var cache *C.WeirCache
	var cErr *C.WeirError
	if err := takeError(C.weir_session_cache(session, &cache, &cErr), cErr); err != nil {
		return nil, err
	}
	s.h.engine.use()
	return newCache(cache, s.h.engine, s.cache), nil
}

// SessionMemory is the memory of all that was opened through a session, in bytes.
type SessionMemory struct {
	// Limit is that of WithMemoryBytes; 0 = none.
	Limit uint64
	// Queue is what its writers have queued and is not durable yet.
	Queue uint64
	// MemTables is what its MemTables hold.
	MemTables uint64
	// ReadAhead is what its tailers have read ahead.
	ReadAhead uint64
	// Cache is what its cache holds; CacheUnknown if the backend is the program's.
	Cache uint64
	// Waiting is how many writers have puts that wait for room below the limit; Pressure names them.
	Waiting uint64
	// WaitingBytes is what the puts at the head of their queues want.
	WaitingBytes uint64
	// LongestWait is how long the first of them has waited.
	LongestWait time.Duration
	// Waits is how often a writer waited.
	Waits uint64
	// Waited is how long they waited together, in waits that are over.
	Waited time.Duration
}

// Memory returns the memory of all that was opened through the session, by its use.
func (s *Session) Memory() (SessionMemory, error) {
	session, err := s.use()
	if err != nil {
		return SessionMemory{}, err
	}
	defer s.h.put()
	m := C.WeirSessionMemory{struct_size: C.sizeof_WeirSessionMemory}
	var cErr *C.WeirError
	if err := takeError(C.weir_session_memory(session, &m, &cErr), cErr); err != nil {
		return SessionMemory{}, err
	}
	return SessionMemory{
		Limit: uint64(m.limit_bytes), Queue: uint64(m.queue_bytes), MemTables: uint64(m.memtable_bytes),
		ReadAhead: uint64(m.read_ahead_bytes), Cache: uint64(m.cache_bytes),
		Waiting: uint64(m.waiting), WaitingBytes: uint64(m.waiting_bytes), LongestWait: time.Duration(m.longest_wait_ns),
		Waits: uint64(m.waits), Waited: time.Duration(m.waited_ns),
	}, nil
}

// Pressure says what waits for room below the session's limit on memory, for how many bytes, and how long it has: one line each, the
// first to get room first.
func (s *Session) Pressure() (string, error) {
	session, err := s.use()
	if err != nil {
		return "", err
	}
	defer s.h.put()
	var text *C.WeirBuffer
	var cErr *C.WeirError
	if err := takeError(C.weir_session_pressure(session, &text, &cErr), cErr); err != nil {
		return "", err
	}
	return takeText(text), nil
}

// StoreSettings lists the keys of store settings that this build of weir knows: see WithStoreSetting.
func StoreSettings() ([]string, error) {
	var keys *C.WeirBuffer
	var cErr *C.WeirError
	if err := takeError(C.weir_store_settings_list(&keys, &cErr), cErr); err != nil {
		return nil, err
	}
	return strings.Fields(takeText(keys)), nil
}

// takeText copies a buffer and frees it.
func takeText(b *C.WeirBuffer) string {
	defer C.weir_buffer_free(b)
	n := C.weir_buffer_len(b)
	if n == 0 {
		return ""
	}
	return string(unsafe.Slice((*byte)(unsafe.Pointer(C.weir_buffer_data(b))), n))
}

// texts are strings for one call of C's.
type texts struct{ root, shard *C.char }

func newTexts(root, shard string) (texts, error) {
	if strings.ContainsRune(root+shard, 0) {
		return texts{}, newError(CodeInvalidArgument, ActionFix, "the root or shard id contains a NUL")
	}
	return texts{C.CString(root), C.CString(shard)}, nil
}

func (t texts) free() {
	C.free(unsafe.Pointer(t.root))
	C.free(unsafe.Pointer(t.shard))
}
