package weir

// #include "shim.h"
// #cgo noescape weirgo_scan_next_now
// #cgo noescape weirgo_scan_next_async
import "C"

import (
	"context"
	"io"
	"iter"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
)

// A ScanOption says what a scan gives.
type ScanOption func(*scanOptions)

type scanOptions struct {
	c       C.WeirScanOptions
	columns []string
	where   []comparison
}

// Columns names the columns that a scan gives, in this order; all by default.
func Columns(names ...string) ScanOption { return func(o *scanOptions) { o.columns = names } }

// Limit sets how many rows a scan gives at most.
func Limit(rows uint64) ScanOption { return func(o *scanOptions) { o.c.limit = C.uint64_t(rows) } }

// BatchRows sets how many rows a batch has at most, smaller ones being joined to about this; 8,192 by default.
func BatchRows(rows uint32) ScanOption {
	return func(o *scanOptions) { o.c.batch_rows = C.uint32_t(rows) }
}

// WithPosition adds the column _position (uint64): the row's number in its generation or MemTable, from 0.
func WithPosition() ScanOption { return func(o *scanOptions) { o.c.with_position = 1 } }

// WithGeneration adds the column _generation (uint64): the generation that has the row, or that its MemTable will be. Together with the
// position it names a version of a row until generations are merged.
func WithGeneration() ScanOption { return func(o *scanOptions) { o.c.with_generation = 1 } }

// WithTombstones has a scan give keys, too, whose newest version is a deletion. They are told apart by the column _tombstone (boolean),
// which is the last; all columns outside of the key may be null then.
func WithTombstones() ScanOption { return func(o *scanOptions) { o.c.with_tombstones = 1 } }

// A Scan is rows of one moment, read as they are asked for. It outlives the writer or snapshot that it came from. All its methods may be
// called from any goroutine at once; calls of Next take turns.
type Scan struct {
	h     *handle
	shard string
	known *knownSchema
	pull  *pull
}

// openScan begins a scan.
func (t *table) openScan(options []ScanOption) (*Scan, error) {
	var set scanOptions
	C.weir_scan_options_init(&set.c, C.sizeof_WeirScanOptions)
	for _, option := range options {
		option(&set)
	}
	p, err := t.h.take()
	if err != nil {
		return nil, err
	}
	defer t.h.put()
	var memory arena
	defer memory.free()
	c := set.c
	c.columns, c.columns_len = memory.names(set.columns)
	c.comparisons, c.comparisons_len = memory.comparisons(set.where)
	if memory.err != nil {
		return nil, memory.err
	}
	var values *C.struct_ArrowArray
	var valuesSchema *C.struct_ArrowSchema
	if len(set.where) > 0 {
		with, err := comparands(set.where, t.schema)
		if err != nil {
			return nil, err
		}
		if with != nil {
			defer with.Release()
			if valuesSchema, err = exportSchema(with.Schema()); err != nil {
				return nil, err
			}
			defer freeSchema(valuesSchema)
			if values, err = exportRecord(with, t.h.engine); err != nil {
				return nil, err
			}
		}
	}
	var scan *C.WeirScan
	var cErr *C.WeirError
	if err := takeError(C.weirgo_scan(p, t.snapshot, &c, values, valuesSchema, &scan, &cErr), cErr); err != nil {
		return nil, err
	}
	return newScan(scan, t)
}

func newScan(p *C.WeirScan, t *table) (*Scan, error) {
	schema := (*C.struct_ArrowSchema)(C.calloc(1, C.sizeof_struct_ArrowSchema))
	defer C.free(unsafe.Pointer(schema))
	var cErr *C.WeirError
	err := takeError(C.weir_scan_schema(p, schema, &cErr), cErr)
	var imported *arrow.Schema
	if err == nil {
		imported, err = importSchema(schema)
	}
	if err != nil {
		C.weir_scan_free(p)
		return nil, err
	}
	t.h.engine.use()
	pull := newPull()
	s := &Scan{shard: t.shard, known: newKnownSchema(0, imported), pull: pull}
	s.h = &handle{pointer: unsafe.Pointer(p), engine: t.h.engine, name: "scan of shard " + t.shard, free: func(p unsafe.Pointer) {
		C.weir_scan_free((*C.WeirScan)(p))
		pull.giveUp()
	}}
	watch(s, s.h, s.h.name)
	return s, nil
}

// Schema returns the schema of the scan's batches.
func (s *Scan) Schema() *arrow.Schema { return s.known.schema }

// Next reads the next rows, at least one, as a batch that is to be released; io.EOF after the last. After an error, also that of a context
// that ended, the scan is where it was. ErrNotFound: what it reads was merged and removed meanwhile; begin anew.
func (s *Scan) Next(ctx context.Context) (arrow.RecordBatch, error) {
	p, err := s.h.take()
	if err != nil {
		return nil, err
	}
	defer s.h.put()
	return s.next(ctx, (*C.WeirScan)(p))
}

// next is Next for who holds the scan.
func (s *Scan) next(ctx context.Context, p *C.WeirScan) (arrow.RecordBatch, error) {
	if !s.pull.enter(ctx) {
		return nil, s.contextError(ctx)
	}
	defer s.pull.leave()
	if batch, err, found := s.now(p); found {
		return s.take(batch, err)
	}
	c, err := s.pull.wait(ctx, func() (*call, error) { return s.ask(p) })
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, s.contextError(ctx)
	}
	out, err := c.outcome()
	return s.take(out.result, err)
}

func (s *Scan) contextError(ctx context.Context) error {
	return contextError(ctx, "the scan of shard "+s.shard)
}

func (s *Scan) take(result unsafe.Pointer, err error) (arrow.RecordBatch, error) {
	if err != nil {
		return nil, err
	}
	if result == nil {
		return nil, io.EOF
	}
	batch := (*C.WeirBatch)(result)
	defer C.weir_batch_free(batch)
	return takeBatch(batch, s.known)
}

// now reads the next batch on this thread if it is there at once; false if it is not, or was not lately.
func (s *Scan) now(p *C.WeirScan) (unsafe.Pointer, error, bool) {
	if !s.pull.look() {
		return nil, nil, false
	}
	defer s.pull.looks.end()
	next := C.weirgo_scan_next_now(p)
	switch next.status {
	case C.WEIR_STATUS_TIMED_OUT:
		s.pull.looks.missed()
		return nil, nil, false
	case C.WEIR_STATUS_OK:
		s.pull.looks.found()
		return next.result, nil, true
	}
	return nil, takeError(next.status, next.error), true
}

// ask makes the call for the next batch.
func (s *Scan) ask(p *C.WeirScan) (*call, error) {
	e := s.h.engine
	c := calls.Get().(*call)
	token := e.enter(c, nil)
	return c, e.accepted(c, token, C.weirgo_scan_next_async(p, e.post, C.uint64_t(token)))
}

// Batches iterates over the batches that are left; an error ends it. A batch is released when the loop goes on: retain those that are kept.
func (s *Scan) Batches(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return each(func() (arrow.RecordBatch, error) { return s.Next(ctx) }, arrow.RecordBatch.Release)
}

// Stream exports the rest of the scan as a stream in the C stream interface, for another library: Reader is the one for Go. The stream has
// the rows from then on, so that a later Next is ErrClosed, and outlives the scan. Its calls block the thread that makes them. Its receiver
// is to release it. It is ErrInvalidArgument while a call of Next is under way, or was given up and not made again.
func (s *Scan) Stream(out *cdata.CArrowArrayStream) error {
	p, err := s.h.take()
	if err != nil {
		return err
	}
	defer s.h.put()
	if !s.pull.enterIdle() {
		return errScanInUse
	}
	defer s.pull.leave()
	stream := newStream()
	defer freeStream(stream)
	var cErr *C.WeirError
	if err := takeError(C.weir_scan_stream((*C.WeirScan)(p), stream, &cErr), cErr); err != nil {
		return err
	}
	giveStream(stream, out)
	return nil
}

var errScanInUse = newError(CodeInvalidArgument, ActionFix,
	"a call of the scan's Next is under way, and its batch is not to be lost: let Next return it first")

// Close frees the scan. Batches, its stream and its readers go on. Closing again does nothing.
func (s *Scan) Close() error {
	s.h.close()
	return nil
}

// Reader returns the rest of the scan as a reader, which keeps it: the scan may be closed before it. They share their place. The context is
// that of all its calls.
func (s *Scan) Reader(ctx context.Context) (array.RecordReader, error) {
	p, err := s.h.take()
	if err != nil {
		return nil, err
	}
	next := func() (arrow.RecordBatch, error) { return s.next(ctx, (*C.WeirScan)(p)) }
	return newRecords(s.Schema(), next, s.h.put), nil
}

// scan is a scan that a loop begins and ends.
func (t *table) scan(ctx context.Context, options []ScanOption) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		s, err := t.openScan(options)
		if err != nil {
			yield(nil, err)
			return
		}
		defer s.Close()
		s.Batches(ctx)(yield)
	}
}

func (t *table) scanReader(ctx context.Context, options []ScanOption) (array.RecordReader, error) {
	s, err := t.openScan(options)
	if err != nil {
		return nil, err
	}
	defer s.Close() // the reader keeps it
	return s.Reader(ctx)
}

// Scan iterates over the newest rows, those that were put and acknowledged, and of a buffered writer those that were admitted: of rows with
// one primary key the newest, in the order in which they were put. The scan sees the moment at which the loop begins, however long it
// takes; an error ends it. A batch is released when the loop goes on: retain those that are kept. OpenScan gives more control.
func (w *Writer) Scan(ctx context.Context, options ...ScanOption) iter.Seq2[arrow.RecordBatch, error] {
	return w.table.scan(ctx, options)
}

// ScanReader is Scan as a reader, which sees the moment of the call. The context is that of all its calls.
func (w *Writer) ScanReader(ctx context.Context, options ...ScanOption) (array.RecordReader, error) {
	return w.table.scanReader(ctx, options)
}

// OpenScan begins a scan, which sees this moment. Nothing is read yet. It is to be closed.
func (w *Writer) OpenScan(options ...ScanOption) (*Scan, error) { return w.table.openScan(options) }
