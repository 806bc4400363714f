package weir

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
)

func newTestCache(t testing.TB, options ...CacheOption) *Cache {
	t.Helper()
	c := val(NewCache(options...))(t)
	t.Cleanup(func() { ok(t, c.Close()) })
	return c
}

// has checks what bytes are under a key; none is a miss.
func has(t testing.TB, c *Cache, key CacheKey, want ...string) {
	t.Helper()
	v, found, err := c.Get(soon(t), key)
	ok(t, err)
	equal(t, found, len(want) > 0)
	if found {
		equal(t, v.Kind(), CacheKindBytes)
		equal(t, string(v.Bytes()), want[0])
		v.Release()
	}
}

func useCache(t testing.TB, c *Cache) {
	ctx := soon(t)
	one := CacheKey{Prefix: "a", Key: "1"}
	for key, text := range map[CacheKey]string{
		one: "one", {Prefix: "a", Key: "2"}: "", {Prefix: "a/b", Key: "1"}: "deeper", {Prefix: "b", Key: "1"}: "other",
		{Prefix: "a", Key: "1", Type: "type"}: "typed", // PITFALLS K2
	} {
		ok(t, c.Insert(ctx, key, []byte(text)))
	}
	has(t, c, one, "one")
	has(t, c, CacheKey{"a", "2", ""}, "")
	has(t, c, CacheKey{"a", "1", "type"}, "typed")
	has(t, c, CacheKey{"a", "3", ""})
	has(t, c, CacheKey{})
	equal(t, val(c.NumEntries(ctx))(t), 5)
	size := val(c.SizeBytes(ctx))(t)
	equal(t, size > 0 && size != CacheUnknown, true)
	is(t, c.Insert(ctx, CacheKey{Type: "a\x00b"}, nil), ErrInvalidArgument)

	lease, found, err := c.Get(ctx, one)
	ok(t, err)
	equal(t, found, true)
	ok(t, c.Insert(ctx, one, []byte("uno")))
	has(t, c, one, "uno")
	equal(t, string(lease.Bytes()), "one") // as it was
	_, err = lease.Batch()
	is(t, err, ErrInvalidArgument)

	for _, rows := range []int{7, 2000} { // copied and shared
		record := newRecord(t, 100, rows)
		key := CacheKey{Prefix: "batches", Key: "1"}
		ok(t, c.InsertBatch(ctx, key, record))
		v, found, err := c.Get(ctx, key)
		ok(t, err)
		equal(t, found, true)
		equal(t, v.Kind(), CacheKindBatch)
		equal(t, len(v.Bytes()), 0)
		got := val(v.Batch())(t)
		v.Release()
		_, err = v.Batch()
		is(t, err, ErrClosed)
		equal(t, array.RecordEqual(got, record), true)
		equal(t, got.Schema().Equal(testSchema), true)
		got.Release()
	}

	ok(t, c.InvalidatePrefix(ctx, "a")) // PITFALLS K3
	has(t, c, one)
	has(t, c, CacheKey{"a/b", "1", ""})
	has(t, c, CacheKey{"b", "1", ""}, "other")
	v, found, err := c.Get(ctx, CacheKey{"batches", "1", ""})
	ok(t, err)
	equal(t, found, true)
	v.Release()
	ok(t, c.Clear(ctx))
	has(t, c, CacheKey{"b", "1", ""})
	equal(t, string(lease.Bytes()), "one")
	lease.Release()
}

func cacheRoundtrip(t *testing.T) {
	c := newTestCache(t)
	useCache(t, c)
	stats := val(c.Stats())(t)
	equal(t, stats.Entries, 0)
	equal(t, stats.Hits > 0 && stats.Misses > 0, true)
	off := newTestCache(t, WithCapacity(0))
	ok(t, off.Insert(soon(t), CacheKey{}, []byte("x")))
	has(t, off, CacheKey{})
}

// PITFALLS K1
func cacheFlight(t *testing.T) {
	const callers = 50
	c := newTestCache(t)
	key := CacheKey{Prefix: "p", Key: "k"}
	var loads, fresh atomic.Int64
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			v, cached, err := c.GetOrInsert(soon(t), key, func(ctx context.Context) (CacheItem, error) {
				loads.Add(1)
				time.Sleep(20 * time.Millisecond) // for the others to come; it must come to the same if they do not
				return BytesItem([]byte("loaded")), nil
			})
			if err != nil || string(v.Bytes()) != "loaded" {
				t.Errorf("%v %v", v, err)
				return
			}
			v.Release()
			if !cached {
				fresh.Add(1)
			}
		})
	}
	group.Wait()
	equal(t, loads.Load(), 1)
	equal(t, fresh.Load(), 1)
	equal(t, val(c.Stats())(t).Hits, callers-1)

	// One that fails, panics or finds nothing fails its own caller only.
	key.Key = "other"
	broken := errors.New("no such block")
	_, _, err := c.GetOrInsert(soon(t), key, func(context.Context) (CacheItem, error) { return CacheItem{}, broken })
	is(t, err, broken)
	if e := is(t, err, ErrStorage); !strings.Contains(e.Message, "no such block") {
		t.Fatal(e)
	}
	_, _, err = c.GetOrInsert(soon(t), key, func(context.Context) (CacheItem, error) { panic(broken) })
	is(t, err, broken)
	_, _, err = c.GetOrInsert(soon(t), key, func(context.Context) (CacheItem, error) { runtime.Goexit(); panic("not reached") })
	is(t, err, ErrStorage)
	_, _, err = c.GetOrInsert(soon(t), key, func(context.Context) (CacheItem, error) { return CacheItem{}, nil })
	is(t, err, ErrNotFound)
	_, _, err = c.GetOrInsert(soon(t), key, func(ctx context.Context) (CacheItem, error) {
		_, _, err := c.GetOrInsert(ctx, key, func(context.Context) (CacheItem, error) { return BytesItem(nil), nil })
		return CacheItem{}, err
	})
	is(t, err, ErrWouldDeadlock)
	record := newRecord(t, 0, 2000)
	v, cached, err := c.GetOrInsert(soon(t), key, func(context.Context) (CacheItem, error) {
		record.Retain()
		return BatchItem(record), nil
	})
	ok(t, err)
	equal(t, cached, false)
	got := val(v.Batch())(t)
	equal(t, array.RecordEqual(got, record), true)
	got.Release()
	v.Release()
}

// A caller that gives up lets the next one run its own loader at once, whatever the first loader does.
func TestCacheLoaderGivenUp(t *testing.T) {
	c := newTestCache(t)
	ctx, cancel := context.WithCancel(t.Context())
	started, end, ended := make(chan bool), make(chan bool), make(chan bool)
	first := make(chan error)
	go func() {
		_, _, err := c.GetOrInsert(ctx, CacheKey{}, func(context.Context) (CacheItem, error) {
			close(started)
			<-end // does not look at its context
			defer close(ended)
			return BytesItem([]byte("late")), nil
		})
		first <- err
	}()
	<-started
	second := make(chan string)
	go func() {
		v, _, err := c.GetOrInsert(soon(t), CacheKey{}, func(context.Context) (CacheItem, error) { return BytesItem([]byte("second")), nil })
		if err != nil {
			t.Error(err)
			second <- ""
			return
		}
		defer v.Release()
		second <- string(v.Bytes())
	}()
	cancel()
	is(t, <-first, context.Canceled)
	equal(t, <-second, "second")
	close(end)
	<-ended
	has(t, c, CacheKey{}, "second")
}

// A mapBackend is a backend as simple as it gets.
type mapBackend struct {
	mu     sync.Mutex
	values map[CacheKey]*CacheValue
	sizes  map[CacheKey]uint64
	wrong  atomic.Pointer[func() error] // what it does instead
	keeps  bool                         // does not clear
	closed atomic.Int64
}

func newMapBackend() *mapBackend {
	return &mapBackend{values: map[CacheKey]*CacheValue{}, sizes: map[CacheKey]uint64{}}
}

func (b *mapBackend) begin() (func(), error) {
	if wrong := b.wrong.Load(); wrong != nil {
		return nil, (*wrong)()
	}
	b.mu.Lock()
	return b.mu.Unlock, nil
}

func (b *mapBackend) Get(_ context.Context, key CacheKey) (CacheItem, error) {
	unlock, err := b.begin()
	if err != nil {
		return CacheItem{}, err
	}
	defer unlock()
	v := b.values[key]
	if v == nil {
		return CacheItem{}, ErrNotFound
	}
	v.Retain()
	return ValueItem(v), nil
}

func (b *mapBackend) Insert(_ context.Context, key CacheKey, value *CacheValue, size uint64) error {
	unlock, err := b.begin()
	if err != nil {
		return err
	}
	defer unlock()
	b.remove(key)
	value.Retain()
	b.values[key], b.sizes[key] = value, size
	return nil
}

func (b *mapBackend) remove(key CacheKey) {
	if v := b.values[key]; v != nil {
		v.Release()
		delete(b.values, key)
		delete(b.sizes, key)
	}
}

func (b *mapBackend) InvalidatePrefix(_ context.Context, prefix string) error {
	unlock, err := b.begin()
	if err != nil {
		return err
	}
	defer unlock()
	for key := range b.values {
		if strings.HasPrefix(key.Prefix, prefix) {
			b.remove(key)
		}
	}
	return nil
}

func (b *mapBackend) Clear(ctx context.Context) error {
	if b.keeps {
		return nil
	}
	return b.InvalidatePrefix(ctx, "")
}

func (b *mapBackend) NumEntries(context.Context) (uint64, error) {
	unlock, err := b.begin()
	if err != nil {
		return 0, err
	}
	defer unlock()
	return uint64(len(b.values)), nil
}

func (b *mapBackend) SizeBytes(context.Context) (n uint64, err error) {
	unlock, err := b.begin()
	if err != nil {
		return 0, err
	}
	defer unlock()
	for _, size := range b.sizes {
		n += size
	}
	return n, nil
}

func (b *mapBackend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key := range b.values {
		b.remove(key)
	}
	b.closed.Add(1)
	return nil
}

func cacheBackend(t *testing.T) {
	checked := newMapBackend()
	ok(t, CheckCacheBackend(checked))
	eventually(t, "it is closed", func() bool { return checked.closed.Load() == 1 })
	keeps := newMapBackend()
	keeps.keeps = true
	rule, _ := is(t, CheckCacheBackend(keeps), ErrInvalidData).Details.Uint64("rule")
	equal(t, rule, 6)
	is(t, CheckCacheBackend(nil), ErrInvalidArgument)

	backend := newMapBackend()
	c := val(NewCache(WithBackend(backend), WithBackendTimeout(time.Second)))(t)
	useCache(t, c)
	for _, wrong := range []func() error{
		func() error { return errors.New("the backend is away") },
		func() error { panic("a bug of the backend's") },
		func() error { runtime.Goexit(); return nil },
	} {
		failuresAreMisses(t, backend, c, wrong, func() {})
	}
	hang := make(chan bool)
	failuresAreMisses(t, backend, c, func() error { <-hang; return errors.New("too late") }, func() { close(hang) })
	// No read of a log fails for a backend that does.
	root, shard := t.TempDir(), newShard()
	s := val(NewSession(WithCache(c)))(t)
	equal(t, val(s.Memory())(t).Cache, CacheUnknown)
	of := fixture{s, root, shard}
	w := of.writer(t)
	for i := range int64(3) {
		val(w.Put(soon(t), newRecord(t, i*10, 10)))(t)
	}
	for range 2 {
		equal(t, len(of.ids(t)), 30)
	}
	broken := func() error { return errors.New("the backend is away") }
	backend.wrong.Store(&broken)
	equal(t, len(of.ids(t)), 30)
	ok(t, w.Close())
	again := val(s.Cache())(t)
	ok(t, s.Close())
	ok(t, c.Close())
	equal(t, backend.closed.Load(), 0) // there is a handle still
	_, found, err := again.Get(soon(t), CacheKey{})
	ok(t, err)
	equal(t, found, false)
	ok(t, again.Close())
	eventually(t, "the backend is closed", func() bool { return backend.closed.Load() == 1 })
}

// All that fails costs no more than the entries. What hangs is over when end was called: until then it may take effect, and nothing is
// cleared for good.
func failuresAreMisses(t *testing.T, backend *mapBackend, c *Cache, wrong func() error, end func()) {
	t.Helper()
	ctx, kept, lost := soon(t), CacheKey{"kept", "k", ""}, CacheKey{"lost", "k", ""}
	ok(t, c.Insert(ctx, kept, []byte("v")))
	before := val(c.Stats())(t).BackendErrors
	backend.wrong.Store(&wrong)
	has(t, c, kept)
	ok(t, c.Insert(ctx, lost, []byte("v")))
	v, cached, err := c.GetOrInsert(ctx, kept, func(context.Context) (CacheItem, error) { return BytesItem([]byte("loaded")), nil })
	ok(t, err)
	equal(t, cached, false)
	equal(t, string(v.Bytes()), "loaded")
	v.Release()
	if err := c.Clear(ctx); !errors.Is(err, ErrStorage) && !errors.Is(err, ErrTimedOut) { // what may be left must be known
		t.Fatal(err)
	}
	equal(t, val(c.Stats())(t).BackendErrors >= before+4, true)
	backend.wrong.Store(nil)
	has(t, c, kept, "v")
	has(t, c, lost)
	end()
	eventually(t, "all is cleared", func() bool { return c.Clear(ctx) == nil })
}
