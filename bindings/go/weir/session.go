package weir

// #include "shim.h"
import "C"

import (
	"strings"
	"unsafe"
)

// A Session is what is shared by all that is opened through it: object stores with their settings, and metrics. It may be used from any
// goroutine. What was opened through it goes on after it is closed.
type Session struct{ h *handle }

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
	s := &Session{&handle{pointer: unsafe.Pointer(session), engine: e, name: "session", free: func(p unsafe.Pointer) {
		C.weir_session_free((*C.WeirSession)(p))
	}}}
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
