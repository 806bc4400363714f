package weir

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// Through a gate all get that want to, and never more at once than it has room for.
func TestGate(t *testing.T) {
	const room, goroutines, times = 3, 50, 200
	g := newGate(room)
	var inside, passed atomic.Int32
	var group sync.WaitGroup
	for range goroutines {
		group.Go(func() {
			for range times {
				g.enter()
				if n := inside.Add(1); n > room {
					t.Errorf("%d are inside", n)
				}
				runtime.Gosched()
				inside.Add(-1)
				passed.Add(1)
				g.leave()
			}
		})
	}
	group.Wait()
	equal(t, passed.Load(), goroutines*times)
	equal(t, g.users.Load(), 0)
	equal(t, len(g.next), 0)
}
