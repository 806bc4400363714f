package weir

import (
	"runtime"
	"sync/atomic"
)

// A gate lets so many goroutines be inside of C at once as there is work for: each holds a thread there, and Go's scheduler makes another one
// for those that go on. Who is one too many waits without a thread, which is short, as no call inside waits for anything.
type gate struct {
	room  int32
	users atomic.Int32 // who is inside, and who waits
	next  chan struct{}
}

func newGate(room int) *gate { return &gate{room: int32(room), next: make(chan struct{}, room)} }

// putting is the gate of puts and deletes.
var putting = newGate(max(4, runtime.NumCPU()))

func (g *gate) enter() {
	if g.users.Add(1) > g.room {
		<-g.next
	}
}

// leave lets in the next, if one waits.
func (g *gate) leave() {
	if g.users.Add(-1) >= g.room {
		g.next <- struct{}{}
	}
}
