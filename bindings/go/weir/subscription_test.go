package weir

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// PITFALLS X8: however many goroutines wait in Next, each entry comes to one of them, and how the subscription ended to all.
func TestSubscriptionHasManyWaiters(t *testing.T) {
	const waiters, entries = 20, 5
	f := onMemory(t)
	a := f.appender(t)
	for i := range int64(entries) {
		val(a.Append(soon(t), newRecord(t, i, 1)))(t)
	}
	none := fixture{f.s, f.root, newShard()}
	for _, c := range []struct {
		name   string
		tailer *Tailer
		want   int64 // entries
		end    func(*Subscription) error
		err    error
	}{
		{"closed", f.tailer(t, Follow()), entries, (*Subscription).Close, ErrClosed},
		{"cancelled", f.tailer(t, Follow()), entries, func(s *Subscription) error { s.Cancel(); return nil }, ErrCancelled},
		{"at the end of the log", f.tailer(t), entries, func(s *Subscription) error { return s.Request(1) }, io.EOF},
		{"after an error", none.tailer(t), 0, func(s *Subscription) error { return s.Request(1) }, ErrNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			sub := val(c.tailer.Subscribe(uint64(c.want)))(t)
			defer sub.Close()
			var mu sync.Mutex
			var ids []int64
			var taken atomic.Int64
			var group sync.WaitGroup
			for range waiters {
				group.Go(func() {
					for {
						entry, err := sub.Next(soon(t))
						if err != nil {
							if !errors.Is(err, c.err) {
								t.Errorf("a waiter was told of %v, not of %v", err, c.err)
							}
							return
						}
						mu.Lock()
						ids = append(ids, entryIDs(t, entry)...)
						mu.Unlock()
						entry.Release()
						taken.Add(1)
					}
				})
			}
			eventually(t, "the entries are taken", func() bool { return taken.Load() == c.want })
			ok(t, c.end(sub))
			group.Wait()
			slices.Sort(ids)
			equal(t, slices.Equal(ids, upTo(c.want)), true)
		})
	}
}

// A context that has ended ends also a loop that need not wait, and nothing is lost.
func TestSubscriptionObeysItsContext(t *testing.T) {
	f := onMemory(t)
	val(f.appender(t).Append(soon(t), newRecord(t, 0, 1)))(t)
	sub := val(f.tailer(t).Subscribe(2))(t)
	defer sub.Close()
	<-sub.feed.over // all was pushed
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := sub.Next(ended)
	is(t, err, context.Canceled)
	entry := val(sub.Next(soon(t)))(t)
	equal(t, entry.Position(), 1)
	entry.Release()
}
