package weir

// #include "shim.h"
// #cgo noescape weirgo_put
// #cgo noescape weirgo_put_async
import "C"

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Put puts a batch. With a durable writer it returns when the batch's entry is durable, with a buffered one when it is admitted. If there
// is no room, it waits for it. Unless the writer has no MemTables, the rows can be read from then on, and with a primary key they replace those
// of the same keys; a null in a key is ErrInvalidData, with the details "row" and "column".
//
// The batch may be released at once afterwards; its buffers must not be written to any more until the put is durable. MemTables have copies.
//
// If the context ends while it waits for room, nothing was accepted and the error is ErrBackpressure; while it waits for durability, the
// batch was accepted and may still become durable, and the error is ErrOutcomeUnknown. Both also match the context's own error.
func (w *Writer) Put(ctx context.Context, record arrow.RecordBatch) (Ack, error) {
	if ctx.Err() != nil {
		return Ack{}, contextError(ctx, "nothing was put to shard "+w.shard)
	}
	if err := w.schema.check(record.Schema()); err != nil {
		return Ack{}, err
	}
	return withRoom(ctx, w, func() (Ack, error) {
		array, err := exportRecord(record, w.h.engine)
		if err != nil {
			return Ack{}, err
		}
		return w.putOnce(ctx, array)
	})
}

// withRoom makes a call that does not wait for room until there is some.
func withRoom[T any](ctx context.Context, w *Writer, call func() (T, error)) (T, error) {
	for {
		v, err := call()
		if err == nil || !errors.Is(err, ErrBackpressure) {
			return v, err
		}
		if err := w.waitForRoom(ctx, err.(*Error)); err != nil {
			return v, err
		}
	}
}

// waitForRoom waits for the room that an ErrBackpressure says is missing.
func (w *Writer) waitForRoom(ctx context.Context, noRoom *Error) error {
	bytes, _ := noRoom.Details.Uint64("bytes")
	err := w.WaitCapacity(ctx, bytes)
	if err != nil && isContext(err) { // says what is in the way, and whose patience ended
		noRoom.cause = err.(*Error).cause
		return noRoom
	}
	return err
}

// putOnce puts an array without waiting for room. The array is consumed.
func (w *Writer) putOnce(ctx context.Context, a *C.struct_ArrowArray) (Ack, error) {
	if !w.durable {
		return w.admit(a)
	}
	c := calls.Get().(*call)
	if err := w.begin(a, c); err != nil {
		return Ack{}, err
	}
	if !c.wait(ctx) {
		return Ack{}, unknownOutcome(ctx, "a batch was accepted for shard "+w.shard+" and may still become durable")
	}
	out, err := c.outcome()
	return out.ack, err
}

// admit puts an array with a buffered writer, which takes no time.
func (w *Writer) admit(a *C.struct_ArrowArray) (Ack, error) {
	writer, err := w.use()
	if err != nil {
		C.weirgo_release_array(a)
		return Ack{}, err
	}
	putting.enter()
	put := C.weirgo_put(C.uintptr_t(uintptr(unsafe.Pointer(writer))), C.uintptr_t(uintptr(unsafe.Pointer(a))))
	putting.leave()
	w.h.put()
	if put.status != C.WEIR_STATUS_OK {
		return Ack{}, takeError(put.status, put.error)
	}
	return ackOf(put.ack), nil
}

// begin makes the asynchronous put.
func (w *Writer) begin(a *C.struct_ArrowArray, c *call) error {
	writer, err := w.use()
	if err != nil {
		C.weirgo_release_array(a)
		c.recycle()
		return err
	}
	e := w.h.engine
	token := e.enter(c, nil)
	putting.enter()
	status := C.weirgo_put_async(writer, a, e.post, C.uint64_t(token))
	putting.leave()
	w.h.put()
	return e.accepted(c, token, status)
}

// PutBatch is Put of a batch that is in C's form already, the cheapest way in. The batch is consumed, whatever happens. It does not wait
// for room: ErrBackpressure says that there was none, and WaitCapacity waits for it. That the batch has the writer's schema is not
// checked beyond what its form shows, so a column may be taken for one of another type of the same form.
func (w *Writer) PutBatch(ctx context.Context, batch *Batch) (Ack, error) {
	a := batch.consume()
	if a == nil {
		return Ack{}, errConsumed
	}
	defer batch.consumed(a)
	if ctx.Err() != nil {
		C.weirgo_release_array(a)
		return Ack{}, contextError(ctx, "nothing was put to shard "+w.shard)
	}
	return w.putOnce(ctx, a)
}

// A Pending is a put under way. It need not be waited for.
type Pending struct {
	done  chan struct{}
	shard string
	ack   Ack
	err   error
}

// PutAsync begins a put and returns at once. Puts of one goroutine get their sequences in the order of its calls. It does not wait for
// room: ErrBackpressure says that there was none, with the breakdown in its details.
func (w *Writer) PutAsync(record arrow.RecordBatch) (*Pending, error) {
	if err := w.schema.check(record.Schema()); err != nil {
		return nil, err
	}
	array, err := exportRecord(record, w.h.engine)
	if err != nil {
		return nil, err
	}
	p := &Pending{done: make(chan struct{}), shard: w.shard}
	if err := w.begin(array, &call{pending: p}); err != nil {
		return nil, err
	}
	return p, nil
}

// Done is closed when the put has ended, for use in a select: then Wait does not wait.
func (p *Pending) Done() <-chan struct{} { return p.done }

// Wait waits for the put. If the context ends first, the error is ErrOutcomeUnknown, and Wait may be called again. Several goroutines may
// wait.
func (p *Pending) Wait(ctx context.Context) (Ack, error) {
	if !p.wait(ctx) {
		return Ack{}, unknownOutcome(ctx, "a batch was accepted for shard "+p.shard+" and may still become durable")
	}
	return p.ack, p.err
}

// wait returns true once the outcome is there, also if the context has ended then; false if that ended first.
func (p *Pending) wait(ctx context.Context) bool {
	select {
	case <-p.done:
		return true
	case <-ctx.Done():
	}
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// PutReader puts all batches of a reader, one after the other. With a durable writer it returns when the last is durable, which takes far
// fewer entries than as many calls of Put. The acknowledgement is the last batch's, zero if there was none. After an error, the detail
// "accepted" says how many batches were accepted before; the reader's own error comes back inside of weir's.
func (w *Writer) PutReader(ctx context.Context, reader array.RecordReader) (Ack, error) {
	var accepted uint64
	var last *Pending
	fail := func(err error) (Ack, error) {
		e, ok := err.(*Error)
		if !ok {
			e = newError(CodeInvalidData, ActionFix, "the source of batches failed: "+err.Error())
			e.cause = err
		}
		own := *e
		return Ack{}, own.with("accepted", accepted)
	}
	for reader.Next() {
		if ctx.Err() != nil {
			return fail(contextError(ctx, "the putting of batches to shard "+w.shard))
		}
		next, err := withRoom(ctx, w, func() (*Pending, error) { return w.PutAsync(reader.RecordBatch()) })
		if err != nil {
			return fail(err)
		}
		accepted++
		last = next
	}
	if err := reader.Err(); err != nil {
		return fail(err)
	}
	if last == nil {
		return Ack{Epoch: w.epoch}, nil
	}
	ack, err := last.Wait(ctx)
	if err != nil {
		return fail(err)
	}
	return ack, nil
}

// schemaCheck refuses records of another schema, which C could not tell by their buffers alone.
type schemaCheck struct {
	want *arrow.Schema
	last atomic.Pointer[arrow.Schema] // another instance that was found equal
}

func newSchemaCheck(want *arrow.Schema) *schemaCheck { return &schemaCheck{want: want} }

func (s *schemaCheck) check(got *arrow.Schema) error {
	if got == s.want || got == s.last.Load() {
		return nil
	}
	if got.NumFields() != s.want.NumFields() {
		return newError(CodeSchemaMismatch, ActionFix, fmt.Sprintf(
			"the batch has %d columns, the writer's schema %d", got.NumFields(), s.want.NumFields()))
	}
	for i, want := range s.want.Fields() {
		field := got.Field(i)
		if field.Name != want.Name {
			return newError(CodeSchemaMismatch, ActionFix, fmt.Sprintf(
				"column %d of the batch is %q, that of the writer's schema %q", i, field.Name, want.Name)).with("field", want.Name)
		}
		if !arrow.TypeEqual(field.Type, want.Type) {
			return newError(CodeSchemaMismatch, ActionFix, fmt.Sprintf(
				"column %q of the batch is %v, that of the writer's schema %v", want.Name, field.Type, want.Type)).with("field", want.Name)
		}
	}
	s.last.Store(got)
	return nil
}
