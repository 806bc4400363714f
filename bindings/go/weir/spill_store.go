package weir

// #include "shim.h"
import "C"

import (
	"context"
	"math"
	"strings"
	"time"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
)

// A SpillStore is scratch space for what does not fit into memory: sort runs, partitions, hash tables. What is written is deleted when it
// is closed, and reclaimed by the same user's next process at that place if this one is killed. All that is written through a store obeys
// its cap together. It may be used from any goroutine.
type SpillStore struct{ h *handle }

// A SpillStoreOption configures NewSpillStore.
type SpillStoreOption func(*spillStoreOptions)

type spillStoreOptions struct {
	c        C.WeirSpillStoreOptions
	location string
}

// OnLocalDisk keeps spills in a directory of a local disk, which is made when it is first written to; "", as by default, is one below the
// operating system's directory for temporary files.
func OnLocalDisk(directory string) SpillStoreOption {
	return func(o *spillStoreOptions) { o.c.backend, o.location = C.WEIR_SPILL_BACKEND_LOCAL, directory }
}

// InMemory keeps spills in memory.
func InMemory() SpillStoreOption {
	return func(o *spillStoreOptions) { o.c.backend, o.location = C.WEIR_SPILL_BACKEND_MEMORY, "" }
}

// InObjectStore keeps spills below the URL of an object store.
func InObjectStore(url string) SpillStoreOption {
	return func(o *spillStoreOptions) { o.c.backend, o.location = C.WEIR_SPILL_BACKEND_OBJECT, url }
}

// Tiered keeps up to so many bytes of spills in memory, and the rest as OnLocalDisk does.
func Tiered(memoryBytes uint64, directory string) SpillStoreOption {
	return func(o *spillStoreOptions) {
		o.c.backend, o.location, o.c.memory_bytes = C.WEIR_SPILL_BACKEND_TIERED, directory, C.uint64_t(memoryBytes)
	}
}

// NoCap is the cap of a store that has none.
const NoCap uint64 = math.MaxUint64

// WithCap sets the most bytes that the store may hold at once; NoCap by default. With 0, nothing may be written.
func WithCap(bytes uint64) SpillStoreOption {
	return func(o *spillStoreOptions) { o.c.cap_bytes = C.uint64_t(bytes) }
}

// WithMinFree sets how many bytes must be left free on the local disk: a write that would leave less is refused with ErrStorageFull. 5 %
// of the disk or 1 GiB by default, whichever is smaller; 0 is no such floor.
func WithMinFree(bytes uint64) SpillStoreOption {
	return func(o *spillStoreOptions) { o.c.min_free_bytes = C.int64_t(min(bytes, math.MaxInt64)) }
}

// WithReclaimAge sets after which time what a store that is gone left behind in an object store is deleted: a minute or more; 24 hours by
// default. A store that is stopped or cut off for longer is taken for gone.
func WithReclaimAge(d time.Duration) SpillStoreOption {
	return func(o *spillStoreOptions) { o.c.reclaim_age_ms = C.int64_t(max(d, 0).Milliseconds()) }
}

// WithSpillBuffer sets the size of each writer's buffer in bytes; 64 KiB by default.
func WithSpillBuffer(bytes uint32) SpillStoreOption {
	return func(o *spillStoreOptions) { o.c.buffer_bytes = C.uint32_t(bytes) }
}

// NewSpillStore makes a spill store, by default on the local disk and without a cap. The session's metrics show it and the session's
// settings reach its object store; nil is a session of its own. It makes no request and no directory: that is left to the first write.
func NewSpillStore(s *Session, options ...SpillStoreOption) (*SpillStore, error) {
	var set spillStoreOptions
	C.weir_spill_store_options_init(&set.c, C.sizeof_WeirSpillStoreOptions)
	for _, option := range options {
		option(&set)
	}
	if strings.ContainsRune(set.location, 0) {
		return nil, newError(CodeInvalidArgument, ActionFix, "the place of the spill store contains a NUL")
	}
	if set.location != "" {
		set.c.location = C.CString(set.location)
		defer C.free(unsafe.Pointer(set.c.location))
	}
	var session *C.WeirSession
	if s != nil {
		p, err := s.use()
		if err != nil {
			return nil, err
		}
		defer s.h.put()
		session = p
	}
	e, err := acquireEngine()
	if err != nil {
		return nil, err
	}
	var store *C.WeirSpillStore
	var cErr *C.WeirError
	if err := takeError(C.weir_spill_store_new(session, &set.c, &store, &cErr), cErr); err != nil {
		e.unuse()
		return nil, err
	}
	return newSpillStore(store, e), nil
}

// newSpillStore takes over a store from C, and a use of the engine.
func newSpillStore(p *C.WeirSpillStore, e *engine) *SpillStore {
	s := &SpillStore{&handle{pointer: unsafe.Pointer(p), engine: e, name: "spill store", free: func(p unsafe.Pointer) {
		C.weir_spill_store_free((*C.WeirSpillStore)(p))
	}}}
	watch(s, s.h, s.h.name)
	return s
}

func (s *SpillStore) use() (*C.WeirSpillStore, error) {
	p, err := s.h.take()
	return (*C.WeirSpillStore)(p), err
}

// Child makes a store whose spills count against its own cap and against that of this store, such as one per tenant or per query; NoCap
// is none but those above. It shares the place of this store, has statistics of its own, and may outlive it. Children may have children.
func (s *SpillStore) Child(capBytes uint64) (*SpillStore, error) {
	p, err := s.use()
	if err != nil {
		return nil, err
	}
	defer s.h.put()
	var child *C.WeirSpillStore
	var cErr *C.WeirError
	if err := takeError(C.weir_spill_store_child(p, C.uint64_t(capBytes), &child, &cErr), cErr); err != nil {
		return nil, err
	}
	s.h.engine.use()
	return newSpillStore(child, s.h.engine), nil
}

// UsedBytes returns the bytes that the store and its children hold now; 0 if it is closed.
func (s *SpillStore) UsedBytes() uint64 {
	p, err := s.use()
	if err != nil {
		return 0
	}
	defer s.h.put()
	return uint64(C.weir_spill_store_used_bytes(p))
}

// CapBytes returns the store's own cap: NoCap if it has none, 0 if it is closed.
func (s *SpillStore) CapBytes() uint64 {
	p, err := s.use()
	if err != nil {
		return 0
	}
	defer s.h.put()
	return uint64(C.weir_spill_store_cap_bytes(p))
}

// SpillStats is what a spill store holds and did, its children included.
type SpillStats struct {
	// LiveBytes are held now, by unfinished writers and by spills; PeakBytes is the most that were held at once.
	LiveBytes, PeakBytes uint64
	// CapBytes is the store's own cap; NoCap = none.
	CapBytes uint64
	// MemoryBytes are those of LiveBytes that are held in memory.
	MemoryBytes uint64
	// OpenSpills were finished and still have a reader; OpenWriters are not finished.
	OpenSpills, OpenWriters uint64
	// Spills were finished, ever.
	Spills uint64
	// WrittenBytes and ReadBytes were written and read, ever.
	WrittenBytes, ReadBytes uint64
	// CapRefusals counts writes that the cap refused, FloorRefusals those that the floor of free space did.
	CapRefusals, FloorRefusals uint64
	// Writing and Reading are the time spent with that.
	Writing, Reading time.Duration
	// SweptDirectories of dead processes were deleted, with SweptBytes in them.
	SweptDirectories, SweptBytes uint64
}

// Stats returns what the store holds and did.
func (s *SpillStore) Stats() (SpillStats, error) {
	p, err := s.use()
	if err != nil {
		return SpillStats{}, err
	}
	defer s.h.put()
	c := C.WeirSpillStats{struct_size: C.sizeof_WeirSpillStats}
	var cErr *C.WeirError
	if err := takeError(C.weir_spill_store_stats(p, &c, &cErr), cErr); err != nil {
		return SpillStats{}, err
	}
	return SpillStats{
		LiveBytes: uint64(c.live_bytes), PeakBytes: uint64(c.peak_bytes), CapBytes: uint64(c.cap_bytes), MemoryBytes: uint64(c.memory_bytes),
		OpenSpills: uint64(c.open_spills), OpenWriters: uint64(c.open_writers), Spills: uint64(c.spills_total),
		WrittenBytes: uint64(c.written_bytes), ReadBytes: uint64(c.read_bytes),
		CapRefusals: uint64(c.cap_refusals), FloorRefusals: uint64(c.floor_refusals),
		Writing: time.Duration(c.write_ns), Reading: time.Duration(c.read_ns),
		SweptDirectories: uint64(c.swept_directories), SweptBytes: uint64(c.swept_bytes),
	}, nil
}

// Shutdown ends the store for all that share it: no spill begins from now on, neither in the store nor in its children (ErrClosed). Spills and
// writers that are alive go on. It waits until what was closed before is gone from storage. An object store deletes in the background, so a
// program that ends without it leaves objects behind for a later store to reclaim. If nothing of the store is alive, its own directory is gone
// as well, else that goes with the last of them. If the context ends first, deletion goes on, and Shutdown may be called again. The store is
// still to be closed.
func (s *SpillStore) Shutdown(ctx context.Context) error {
	_, err := s.h.run(ctx, "the shutdown of a spill store", func(p unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_spill_store_close_async((*C.WeirSpillStore)(p), done, cErr)
	})
	return err
}

// Close frees the store. Its writers and spills go on and keep what they need of it; what an object store deletes is not waited for, see
// Shutdown. Closing again does nothing.
func (s *SpillStore) Close() error {
	s.h.close()
	return nil
}

// A SpillOption configures Begin and BeginBatches.
type SpillOption interface{ applySpill(*C.WeirSpillOptions) }

type spillOption func(*C.WeirSpillOptions)

func (o spillOption) applySpill(c *C.WeirSpillOptions) { o(c) }

// Encrypted has what is stored encrypted with a key that is only in this process's memory.
func Encrypted() SpillOption { return spillOption(func(c *C.WeirSpillOptions) { c.encrypt = 1 }) }

// Begin begins a spill of bytes. It does no I/O. The context is that of all the writer's calls.
func (s *SpillStore) Begin(ctx context.Context, options ...SpillOption) (*SpillWriter, error) {
	return s.begin(ctx, nil, options, func(p *C.WeirSpillStore, set *C.WeirSpillOptions, w **C.WeirSpillWriter, cErr **C.WeirError) C.WeirStatus {
		return C.weir_spill_begin(p, set, w, cErr)
	})
}

// BeginBatches begins a spill of Arrow batches, each of which can be read back by its number. It does no I/O. The context is that of all
// the writer's calls.
func (s *SpillStore) BeginBatches(ctx context.Context, schema *arrow.Schema, options ...SpillOption) (*SpillWriter, error) {
	cSchema, err := exportSchema(schema)
	if err != nil {
		return nil, err
	}
	defer freeSchema(cSchema)
	check := newSchemaCheck(schema)
	return s.begin(ctx, check, options, func(p *C.WeirSpillStore, set *C.WeirSpillOptions, w **C.WeirSpillWriter, cErr **C.WeirError) C.WeirStatus {
		return C.weir_spill_begin_batches(p, cSchema, set, w, cErr)
	})
}

func (s *SpillStore) begin(ctx context.Context, schema *schemaCheck, options []SpillOption,
	begin func(*C.WeirSpillStore, *C.WeirSpillOptions, **C.WeirSpillWriter, **C.WeirError) C.WeirStatus,
) (*SpillWriter, error) {
	var set C.WeirSpillOptions
	C.weir_spill_options_init(&set, C.sizeof_WeirSpillOptions)
	for _, option := range options {
		option.applySpill(&set)
	}
	p, err := s.use()
	if err != nil {
		return nil, err
	}
	defer s.h.put()
	var c *C.WeirSpillWriter
	var cErr *C.WeirError
	if err := takeError(begin(p, &set, &c, &cErr), cErr); err != nil {
		return nil, err
	}
	s.h.engine.use()
	w := &SpillWriter{ctx: ctx, schema: schema, h: &handle{
		pointer: unsafe.Pointer(c), engine: s.h.engine, name: "spill writer", free: func(p unsafe.Pointer) {
			C.weir_spill_writer_free((*C.WeirSpillWriter)(p))
		},
	}}
	watch(w, w.h, w.h.name)
	return w, nil
}
