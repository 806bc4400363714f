package weir

// #include "shim.h"
// #cgo noescape weirgo_cache_get
import "C"

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
)

// A Cache has values by key, in memory or in a backend of the program's (see WithBackend). It may be used from any goroutine.
type Cache struct {
	h      *handle
	shared *sharedCache
}

// A sharedCache is what all handles on one cache share, a session's among them.
type sharedCache struct {
	foreign bool // its backend is the program's, and may have to be waited for
}

// A CacheOption configures NewCache.
type CacheOption func(*cacheOptions)

type cacheOptions struct {
	capacity uint64
	backend  CacheBackend
	timeout  time.Duration
}

// WithCapacity sets the bytes that the cache may hold: keys, values and what it takes to hold them; memory that several values share
// counts once. 128 MiB by default. With 0 the cache is off: it holds nothing, and every loader runs. Not for a backend of the program's.
func WithCapacity(bytes uint64) CacheOption {
	return func(o *cacheOptions) { o.capacity = bytes }
}

// WithBackend has the cache keep its values in a backend of the program's.
func WithBackend(backend CacheBackend) CacheOption {
	return func(o *cacheOptions) { o.backend = backend }
}

// WithBackendTimeout sets how long the backend may take for an answer; a second by default, and for ever if it is negative.
func WithBackendTimeout(d time.Duration) CacheOption {
	return func(o *cacheOptions) { o.timeout = d }
}

// NewCache makes a cache, which belongs to no session until it is given to one with WithCache.
func NewCache(options ...CacheOption) (*Cache, error) {
	e, err := acquireEngine()
	if err != nil {
		return nil, err
	}
	var c C.WeirCacheOptions
	C.weir_cache_options_init(&c, C.sizeof_WeirCacheOptions)
	set := cacheOptions{capacity: uint64(c.capacity_bytes), timeout: time.Duration(c.backend_timeout_ms) * time.Millisecond}
	for _, option := range options {
		option(&set)
	}
	timeout := C.int64_t(-1)
	if set.timeout >= 0 {
		timeout = C.int64_t(set.timeout.Milliseconds())
	}
	var served *C.WeirGoServed
	var id uint64
	var counts bool
	if set.backend != nil {
		if served, id, err = serve(e, newServedBackend(set.backend, e, set.timeout)); err != nil {
			e.unuse()
			return nil, err
		}
		_, counts = set.backend.(CacheCounter)
	}
	var cache *C.WeirCache
	var cErr *C.WeirError
	if err := takeError(C.weirgo_cache_new(C.uint64_t(set.capacity), served, C.bool(counts), timeout, &cache, &cErr), cErr); err != nil {
		if served != nil {
			unserve(served, id)
		}
		e.unuse()
		return nil, err
	}
	return newCache(cache, e, &sharedCache{foreign: served != nil}), nil
}

// newCache takes over a cache from C, and a use of the engine.
func newCache(p *C.WeirCache, e *engine, shared *sharedCache) *Cache {
	c := &Cache{shared: shared, h: &handle{pointer: unsafe.Pointer(p), engine: e, name: "cache", free: func(p unsafe.Pointer) {
		C.weir_cache_free((*C.WeirCache)(p))
	}}}
	watch(c, c.h, c.h.name)
	return c
}

func (c *Cache) use() (*C.WeirCache, error) {
	p, err := c.h.take()
	return (*C.WeirCache)(p), err
}

// Close frees the handle. The entries go with the last: a session that was given the cache keeps it. Closing again does nothing.
func (c *Cache) Close() error {
	c.h.close()
	return nil
}

// A CacheKey is what a value is found under: all three parts must be equal, byte by byte, and each may be empty.
type CacheKey struct {
	// Prefix is what InvalidatePrefix goes by, such as a table's name; any bytes.
	Prefix string
	// Key is the key within the prefix; any bytes.
	Key string
	// Type names the type of the value; UTF-8 without NUL. Names that begin with "weir." are weir's own.
	Type string
}

// parts are a key's for one call of C's.
type keyParts struct {
	prefix, key       *C.uint8_t
	prefixLen, keyLen C.size_t
	typeName          *C.char
}

func (k CacheKey) parts() (keyParts, error) {
	p := keyParts{bytesOfString(k.Prefix), bytesOfString(k.Key), C.size_t(len(k.Prefix)), C.size_t(len(k.Key)), nil}
	if k.Type != "" {
		if strings.ContainsRune(k.Type, 0) {
			return p, newError(CodeInvalidArgument, ActionFix, "the key's type name contains a NUL")
		}
		terminated := append([]byte(k.Type), 0)
		p.typeName = (*C.char)(unsafe.Pointer(&terminated[0]))
	}
	return p, nil
}

func bytesOfString(s string) *C.uint8_t {
	if s == "" {
		return nil
	}
	return (*C.uint8_t)(unsafe.Pointer(unsafe.StringData(s)))
}

// A CacheKind says what a value is.
type CacheKind int32

// The kinds.
const (
	// CacheKindBytes is bytes.
	CacheKindBytes CacheKind = C.WEIR_CACHE_KIND_BYTES
	// CacheKindBatch is an Arrow batch.
	CacheKindBatch CacheKind = C.WEIR_CACHE_KIND_BATCH
	// CacheKindObject is an object of weir's own, whose bytes are what it encodes to.
	CacheKindObject CacheKind = C.WEIR_CACHE_KIND_OBJECT
)

// A CacheValue is a lease on a cached value: what it holds stays as it is, also after the entry was evicted, replaced or invalidated,
// until it was released as often as it was retained, and once more. It may be used from any goroutine.
type CacheValue struct {
	h    *handle
	refs atomic.Int64
}

// newCacheValue takes over a value from C.
func newCacheValue(p unsafe.Pointer, e *engine) *CacheValue {
	e.use()
	v := &CacheValue{h: &handle{pointer: p, engine: e, name: "cached value", free: func(p unsafe.Pointer) {
		C.weir_cache_value_free((*C.WeirCacheValue)(p))
	}}}
	v.refs.Store(1)
	return v
}

// Kind returns what the value is; 0 if it was released.
func (v *CacheValue) Kind() CacheKind {
	p, err := v.h.take()
	if err != nil {
		return 0
	}
	defer v.h.put()
	return CacheKind(C.weir_cache_value_kind((*C.WeirCacheValue)(p)))
}

// Bytes returns the bytes of the value, without copying: those that were inserted, or those that an object encodes to. nil if there are
// none, as of a batch. They are gone when the value is released, and must not be written to.
func (v *CacheValue) Bytes() []byte {
	p, err := v.h.take()
	if err != nil {
		return nil
	}
	defer v.h.put()
	n := C.weir_cache_value_len((*C.WeirCacheValue)(p))
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(C.weir_cache_value_data((*C.WeirCacheValue)(p)))), n)
}

// Batch returns the batch of the value, without copying. It stays valid after the value was released; release it as well.
func (v *CacheValue) Batch() (arrow.RecordBatch, error) {
	p, err := v.h.take()
	if err != nil {
		return nil, err
	}
	defer v.h.put()
	s := (*C.struct_ArrowSchema)(C.calloc(1, C.sizeof_struct_ArrowSchema))
	defer freeSchema(s)
	var a C.struct_ArrowArray
	var cErr *C.WeirError
	if err := takeError(C.weir_cache_value_batch((*C.WeirCacheValue)(p), &a, s, &cErr), cErr); err != nil {
		return nil, err
	}
	schema, err := importSchema(s)
	if err != nil {
		C.weirgo_release_array(&a)
		return nil, err
	}
	return importRecord(&a, newKnownSchema(0, schema))
}

// Retain adds a reference.
func (v *CacheValue) Retain() { v.refs.Add(1) }

// Release takes a reference away; after the last, the value is freed.
func (v *CacheValue) Release() {
	if v.refs.Add(-1) == 0 {
		v.h.close()
	}
}

// Get looks for the value under a key; ok says whether there is one, which is to be released. It never waits for the built-in backend; a
// backend of the program's that fails is a miss.
func (c *Cache) Get(ctx context.Context, key CacheKey) (value *CacheValue, ok bool, err error) {
	if ctx.Err() != nil {
		return nil, false, contextError(ctx, "the look into a cache")
	}
	k, err := key.parts()
	if err != nil {
		return nil, false, err
	}
	var found unsafe.Pointer
	if c.shared.foreign {
		out, err := c.h.run(ctx, "the look into a cache", func(p unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
			return C.weirgo_cache_get_async((*C.WeirCache)(p), k.prefix, k.prefixLen, k.key, k.keyLen, k.typeName, done, cErr)
		})
		if err != nil {
			return nil, false, err
		}
		found = out.result
	} else {
		p, err := c.use()
		if err != nil {
			return nil, false, err
		}
		now := C.weirgo_cache_get(p, k.prefix, k.prefixLen, k.key, k.keyLen, k.typeName)
		c.h.put()
		if err := takeError(now.status, now.error); err != nil {
			return nil, false, err
		}
		found = now.result
	}
	if found == nil {
		return nil, false, nil
	}
	return newCacheValue(found, c.h.engine), true, nil
}

// Insert puts bytes under a key, in the place of what is there. The bytes are copied. The cache need not take them: a value larger than
// the whole cache is not kept, and neither is what it was to replace.
func (c *Cache) Insert(ctx context.Context, key CacheKey, data []byte) error {
	if ctx.Err() != nil {
		return contextError(ctx, "the insertion into a cache")
	}
	k, err := key.parts()
	if err != nil {
		return err
	}
	if c.shared.foreign {
		_, err := c.h.run(ctx, "the insertion into a cache", func(p unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
			return C.weirgo_cache_insert_async((*C.WeirCache)(p), k.prefix, k.prefixLen, k.key, k.keyLen, k.typeName,
				bytesOf(data), C.size_t(len(data)), done, cErr)
		})
		return err
	}
	p, err := c.use()
	if err != nil {
		return err
	}
	defer c.h.put()
	now := C.weirgo_cache_insert(p, k.prefix, k.prefixLen, k.key, k.keyLen, k.typeName, bytesOf(data), C.size_t(len(data)))
	return takeError(now.status, now.error)
}

// InsertBatch puts a batch under a key, without copying its larger buffers, which must not be written to any more. Else it is as Insert.
func (c *Cache) InsertBatch(ctx context.Context, key CacheKey, record arrow.RecordBatch) error {
	if ctx.Err() != nil {
		return contextError(ctx, "the insertion into a cache")
	}
	k, err := key.parts()
	if err != nil {
		return err
	}
	p, err := c.use()
	if err != nil {
		return err
	}
	defer c.h.put()
	schema, err := exportSchema(record.Schema())
	if err != nil {
		return err
	}
	defer freeSchema(schema)
	a, err := exportRecord(record, c.h.engine)
	if err != nil {
		return err
	}
	if !c.shared.foreign {
		now := C.weirgo_cache_insert_batch(p, k.prefix, k.prefixLen, k.key, k.keyLen, k.typeName, a, schema)
		return takeError(now.status, now.error)
	}
	call, err := c.h.start(unsafe.Pointer(p), func(p unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weirgo_cache_insert_batch_async((*C.WeirCache)(p), k.prefix, k.prefixLen, k.key, k.keyLen, k.typeName, a, schema, done, cErr)
	})
	if err != nil {
		return err
	}
	if !call.wait(ctx) {
		return contextError(ctx, "the insertion into a cache")
	}
	_, err = call.outcome()
	return err
}

// GetOrInsert looks for the value under a key; if there is none, load brings it, and it is kept. Of calls for one key at the same time,
// one runs its load and the others wait for that; cached says that the value was there or came from another call. If the load fails, or
// its context ends, the next of them runs its own. The value is to be released.
//
// The load runs on a goroutine of its own, with a context that descends from ctx. Its error, or a panic, is the call's: the *Error has it
// inside. It may use the cache, but for the key itself: with its own context, that is ErrWouldDeadlock.
func (c *Cache) GetOrInsert(ctx context.Context, key CacheKey, load func(ctx context.Context) (CacheItem, error)) (value *CacheValue, cached bool, err error) {
	const what = "the loading into a cache"
	if ctx.Err() != nil {
		return nil, false, contextError(ctx, what)
	}
	if load == nil {
		return nil, false, newError(CodeInvalidArgument, ActionFix, "there is no function to load a value with")
	}
	if isLoading(ctx, c.shared, key) {
		return nil, false, newError(CodeWouldDeadlock, ActionFix, "the loader of a key asked the cache for that key")
	}
	k, err := key.parts()
	if err != nil {
		return nil, false, err
	}
	p, err := c.use()
	if err != nil {
		return nil, false, err
	}
	e := c.h.engine
	l := &servedLoad{ctx: withLoading(ctx, c.shared, key), load: load, engine: e}
	served, _, err := serve(e, l)
	if err != nil {
		c.h.put()
		return nil, false, err
	}
	call, err := c.h.start(unsafe.Pointer(p), func(p unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weirgo_cache_get_or_insert_async((*C.WeirCache)(p), k.prefix, k.prefixLen, k.key, k.keyLen, k.typeName, served, done, cErr)
	})
	c.h.put()
	if err != nil {
		return nil, false, err
	}
	if !call.wait(ctx) {
		return nil, false, contextError(ctx, what)
	}
	out, err := call.outcome()
	if err != nil {
		var of *Error
		if failed := l.failed.Load(); failed != nil && errors.As(err, &of) {
			of.cause = *failed
		}
		return nil, false, err
	}
	return newCacheValue(out.result, e), out.value != 0, nil
}

// InvalidatePrefix removes all entries whose prefix begins with these bytes; "" is all. When it succeeds they are gone, and what loads
// bring that began before is not kept. If a backend of the program's fails, it is ErrStorage, and entries may be left.
func (c *Cache) InvalidatePrefix(ctx context.Context, prefix string) error {
	_, err := c.h.run(ctx, "the invalidation of a cache", func(p unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_cache_invalidate_prefix_async((*C.WeirCache)(p), bytesOfString(prefix), C.size_t(len(prefix)), done, cErr)
	})
	return err
}

// Clear removes all entries, as InvalidatePrefix does.
func (c *Cache) Clear(ctx context.Context) error {
	_, err := c.h.run(ctx, "the clearing of a cache", func(p unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_cache_clear_async((*C.WeirCache)(p), done, cErr)
	})
	return err
}

// CacheUnknown is a number that a cache's backend cannot tell.
const CacheUnknown uint64 = math.MaxUint64

// NumEntries asks the backend how many entries it has; CacheUnknown if it cannot tell.
func (c *Cache) NumEntries(ctx context.Context) (uint64, error) {
	out, err := c.h.run(ctx, "the counting of a cache", func(p unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_cache_num_entries_async((*C.WeirCache)(p), done, cErr)
	})
	return out.value, err
}

// SizeBytes asks the backend how many bytes its entries take; CacheUnknown if it cannot tell.
func (c *Cache) SizeBytes(ctx context.Context) (uint64, error) {
	out, err := c.h.run(ctx, "the counting of a cache", func(p unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_cache_size_bytes_async((*C.WeirCache)(p), done, cErr)
	})
	return out.value, err
}

// CacheStats is what a cache has done since it was made, and what it holds.
type CacheStats struct {
	// Hits are calls that found a value, or got it from another call's load; Misses are those that did not.
	Hits, Misses uint64
	// Loads ran to their end; LoadErrors are those of them that failed.
	Loads, LoadErrors uint64
	// Loading is the time that they took together.
	Loading time.Duration
	// Joined are calls that got their value from another call's load; they are among the hits.
	Joined uint64
	// Inserts are values given to the backend.
	Inserts uint64
	// Stale are loaded values that were not kept, because an invalidation came between.
	Stale uint64
	// Evictions made room, and values that were Refused are larger than the whole cache; 0 if the backend is the program's.
	Evictions, Refused uint64
	// BackendErrors are calls of the backend that failed or took too long.
	BackendErrors uint64
	// Unusable are values from the backend that were of another type or could not be decoded.
	Unusable uint64
	// Entries and Bytes are about what it holds; CacheUnknown if the backend is the program's.
	Entries, Bytes uint64
}

// Stats returns what the cache has done, and what it holds. It asks no backend and never waits.
func (c *Cache) Stats() (CacheStats, error) {
	p, err := c.use()
	if err != nil {
		return CacheStats{}, err
	}
	defer c.h.put()
	s := C.WeirCacheStats{struct_size: C.sizeof_WeirCacheStats}
	var cErr *C.WeirError
	if err := takeError(C.weir_cache_stats(p, &s, &cErr), cErr); err != nil {
		return CacheStats{}, err
	}
	return CacheStats{
		Hits: uint64(s.hits), Misses: uint64(s.misses), Loads: uint64(s.loads), LoadErrors: uint64(s.load_errors),
		Loading: time.Duration(s.load_ns), Joined: uint64(s.joined), Inserts: uint64(s.inserts), Stale: uint64(s.stale),
		Evictions: uint64(s.evictions), Refused: uint64(s.refused), BackendErrors: uint64(s.backend_errors), Unusable: uint64(s.unusable),
		Entries: uint64(s.entries), Bytes: uint64(s.bytes),
	}, nil
}
