package weir

// #include "shim.h"
import "C"

import (
	"context"
	"fmt"
	"io"
	"iter"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
)

// A SpillReadOption says how a spill's batches are read.
type SpillReadOption func(*spillReadOptions)

type spillReadOptions struct{ c C.WeirSpillReadOptions }

// Mapped has batches not copied, but lie in the mapped file. Not for spills that are compressed, encrypted or in an object store:
// ErrUnsupported.
func Mapped() SpillReadOption { return func(o *spillReadOptions) { o.c._map = 1 } }

// Verified has the first map of each batch compare it with its checksum, which reads all of it. Batches that are not mapped are always
// compared.
func Verified() SpillReadOption { return func(o *spillReadOptions) { o.c.verify = 1 } }

func newSpillReadOptions(options []SpillReadOption) *C.WeirSpillReadOptions {
	set := new(spillReadOptions)
	C.weir_spill_read_options_init(&set.c, C.sizeof_WeirSpillReadOptions)
	for _, option := range options {
		option(set)
	}
	return &set.c
}

// Schema returns the schema of the batches.
func (s *Spill) Schema() (*arrow.Schema, error) { return s.schema() }

func (s *Spill) readSchema() (*arrow.Schema, error) {
	if err := s.needBatches(); err != nil {
		return nil, err
	}
	p, err := s.h.take()
	if err != nil {
		return nil, err
	}
	defer s.h.put()
	c := (*C.struct_ArrowSchema)(C.calloc(1, C.sizeof_struct_ArrowSchema))
	defer C.free(unsafe.Pointer(c))
	var cErr *C.WeirError
	if err := takeError(C.weir_spill_schema((*C.WeirSpill)(p), c, &cErr), cErr); err != nil {
		return nil, err
	}
	return importSchema(c)
}

func (s *Spill) needBatches() error {
	if !s.batches {
		return newError(CodeInvalidArgument, ActionFix, "the spill is one of bytes, and has no batches")
	}
	return nil
}

// Batch reads one batch, from 0 in the order in which they were written. It stays valid after the spill is closed; release it.
func (s *Spill) Batch(ctx context.Context, i int, options ...SpillReadOption) (arrow.RecordBatch, error) {
	r, err := s.open(ctx, options)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if i < 0 || i >= s.NumBatches() {
		return nil, newError(CodeInvalidArgument, ActionFix, fmt.Sprintf("there is no batch %d among %d", i, s.NumBatches()))
	}
	r.at, r.end = i, i+1
	return r.next()
}

// Batches iterates over the batches. A batch is released when the loop goes on; retain those that are kept. The spill may be closed
// within the loop.
func (s *Spill) Batches(ctx context.Context, options ...SpillReadOption) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		r, err := s.open(ctx, options)
		if err != nil {
			yield(nil, err)
			return
		}
		defer r.close()
		each(r.next, arrow.RecordBatch.Release)(yield)
	}
}

// Stream exports the batches as a stream in the C stream interface, with read-ahead, for another library. It keeps the spill, which may
// be closed before it; its receiver is to release it.
func (s *Spill) Stream(out *cdata.CArrowArrayStream, options ...SpillReadOption) error {
	p, err := s.h.take()
	if err != nil {
		return err
	}
	defer s.h.put()
	stream := newStream()
	defer freeStream(stream)
	var cErr *C.WeirError
	if err := takeError(C.weir_spill_stream((*C.WeirSpill)(p), newSpillReadOptions(options), stream, &cErr), cErr); err != nil {
		return err
	}
	giveStream(stream, out)
	return nil
}

// batchesAhead is how many batches are asked for at once of a store with latency.
const batchesAhead = 4

// A batchReader reads batches one after the other. It holds a lease on the spill, which so outlives its Close.
type batchReader struct {
	ctx     context.Context
	spill   *Spill
	p       unsafe.Pointer
	known   *knownSchema
	options *C.WeirSpillReadOptions
	at, end int
	ahead   []*call // of the batches from at on
}

func (s *Spill) open(ctx context.Context, options []SpillReadOption) (*batchReader, error) {
	schema, err := s.Schema()
	if err != nil {
		return nil, err
	}
	p, err := s.h.take()
	if err != nil {
		return nil, err
	}
	return &batchReader{ctx: ctx, spill: s, p: p, known: newKnownSchema(0, schema), options: newSpillReadOptions(options), end: s.NumBatches()}, nil
}

func (r *batchReader) close() {
	r.forget()
	r.spill.h.put()
}

func (r *batchReader) forget() {
	for _, c := range r.ahead {
		c.giveUp()
	}
	r.ahead = nil
}

// next reads the next batch; io.EOF after the last. After an error it is where it was.
func (r *batchReader) next() (arrow.RecordBatch, error) {
	if r.at == r.end {
		return nil, io.EOF
	}
	if r.ctx.Err() != nil {
		return nil, r.contextError()
	}
	a := (*C.struct_ArrowArray)(C.calloc(1, C.sizeof_struct_ArrowArray))
	defer C.free(unsafe.Pointer(a))
	if err := r.read(a); err != nil {
		return nil, err
	}
	r.at++
	return importRecord(a, r.known)
}

// read reads a batch on this thread if it is there at once, as it is in memory and on a local disk.
func (r *batchReader) read(a *C.struct_ArrowArray) error {
	if !r.spill.later.Load() {
		var cErr *C.WeirError
		status := C.weir_spill_batch((*C.WeirSpill)(r.p), C.size_t(r.at), r.options, 0, a, &cErr)
		if !notNow(status, cErr) {
			return takeError(status, cErr)
		}
		r.spill.later.Store(true)
	}
	err := r.wait(a)
	if err != nil {
		r.forget()
	}
	return err
}

func (r *batchReader) contextError() error {
	return contextError(r.ctx, "the reading of a spill's batches")
}

// wait reads a batch of a store with latency, and asks for those after it.
func (r *batchReader) wait(a *C.struct_ArrowArray) error {
	for i := r.at + len(r.ahead); i < r.end && len(r.ahead) < batchesAhead; i++ {
		c, err := r.spill.h.start(r.p, func(spill unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
			return C.weir_spill_batch_async((*C.WeirSpill)(spill), C.size_t(i), r.options, done, cErr)
		})
		if err != nil {
			return err
		}
		r.ahead = append(r.ahead, c)
	}
	c := r.ahead[0]
	r.ahead = r.ahead[1:]
	if !c.wait(r.ctx) {
		return r.contextError()
	}
	out, err := c.outcome()
	if err != nil {
		return err
	}
	batch := (*C.WeirBatch)(out.result)
	defer C.weir_batch_free(batch)
	var cErr *C.WeirError
	return takeError(C.weir_batch_array(batch, a, &cErr), cErr)
}

// Reader returns the batches as a reader, which keeps the spill: it may be closed before it. The context is that of all its calls.
func (s *Spill) Reader(ctx context.Context, options ...SpillReadOption) (array.RecordReader, error) {
	batches, err := s.open(ctx, options)
	if err != nil {
		return nil, err
	}
	return newRecords(batches.known.schema, batches.next, batches.close), nil
}
