package weir

// #include "shim.h"
// #cgo noescape weirgo_spill_read_at
// #cgo noescape weirgo_spill_reader_read
import "C"

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
)

// A Spill is what was spilled: bytes, or batches. It is deleted, and its bytes are returned to the budget, when it is closed and no
// reader, stream or mapped batch of it is left. It may be used from any goroutine.
type Spill struct {
	h       *handle
	figures C.WeirGoSpill
	batches bool
	// later is set once the store did not answer at once: it is one with latency.
	later atomic.Bool

	schema func() (*arrow.Schema, error)
}

var _ io.ReaderAt = (*Spill)(nil)

// newSpill takes over a spill from C.
func newSpill(p unsafe.Pointer, e *engine, batches, later bool) *Spill {
	e.use()
	s := &Spill{batches: batches, figures: C.weirgo_spill((*C.WeirSpill)(p)), h: &handle{
		pointer: p, engine: e, name: "spill", free: func(p unsafe.Pointer) { C.weir_spill_free((*C.WeirSpill)(p)) },
	}}
	s.later.Store(later)
	s.schema = sync.OnceValues(s.readSchema)
	watch(s, s.h, s.h.name)
	return s
}

// Len returns the bytes of the spill, as they were written; of batches, as they were encoded.
func (s *Spill) Len() uint64 { return uint64(s.figures.len) }

// StoredBytes returns the bytes that the spill takes of its store's budget: more than Len if it is encrypted.
func (s *Spill) StoredBytes() uint64 { return uint64(s.figures.stored) }

// Rows returns the rows of all batches; 0 if the spill has bytes.
func (s *Spill) Rows() uint64 { return uint64(s.figures.rows) }

// NumBatches returns how many batches there are: as many as were written. 0 if the spill has bytes.
func (s *Spill) NumBatches() int { return int(s.figures.batches) }

// Close frees the spill. Its readers, streams and mapped batches go on; the last of them deletes it. Closing again does nothing.
func (s *Spill) Close() error {
	s.h.close()
	return nil
}

// ReadAt reads bytes from an offset on, as io.ReaderAt has it: fewer than asked for come only at the end, with io.EOF. From a local disk
// they are read on this thread, straight into p.
func (s *Spill) ReadAt(p []byte, off int64) (int, error) {
	return s.ReadAtContext(context.Background(), p, off)
}

// ReadAtContext is ReadAt that ends with a context.
func (s *Spill) ReadAtContext(ctx context.Context, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, newError(CodeInvalidArgument, ActionFix, fmt.Sprintf("the offset %d is negative", off))
	}
	n, err := s.readAt(ctx, p, off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (s *Spill) readAt(ctx context.Context, p []byte, off int64) (int, error) {
	if ctx.Err() != nil {
		return 0, contextError(ctx, "the reading of a spill")
	}
	if !s.later.Load() {
		spill, err := s.h.take()
		if err != nil {
			return 0, err
		}
		now := C.weirgo_spill_read_at((*C.WeirSpill)(spill), C.uint64_t(off), bytesOf(p), C.size_t(len(p)))
		s.h.put()
		if !notNow(now.status, now.error) {
			return int(now.n), takeError(now.status, now.error)
		}
		s.later.Store(true)
	}
	out, err := s.h.run(ctx, "the reading of a spill", func(spill unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_spill_read_at_async((*C.WeirSpill)(spill), C.uint64_t(off), C.size_t(len(p)), done, cErr)
	})
	if err != nil {
		return 0, err
	}
	return copyBuffer(p, out.result), nil
}

// copyBuffer copies a buffer of C's and frees it.
func copyBuffer(to []byte, from unsafe.Pointer) int {
	b := (*C.WeirBuffer)(from)
	defer C.weir_buffer_free(b)
	n := C.weir_buffer_len(b)
	if n == 0 {
		return 0
	}
	return copy(to, unsafe.Slice((*byte)(unsafe.Pointer(C.weir_buffer_data(b))), n))
}

// View shows all bytes of a spill to a function, without copying them: those of a file are mapped. They are gone when the function has
// returned, and must not be written to. The spill must be in memory or on a local disk, and not encrypted; else it is ErrUnsupported.
func (s *Spill) View(f func(data []byte) error) error {
	p, err := s.h.take() // the spill stays until the function has returned, also if it is closed meanwhile
	if err != nil {
		return err
	}
	defer s.h.put()
	var data *C.uint8_t
	var n C.size_t
	var cErr *C.WeirError
	if err := takeError(C.weir_spill_map((*C.WeirSpill)(p), &data, &n, &cErr), cErr); err != nil {
		return err
	}
	if n == 0 {
		return f(nil)
	}
	return f(unsafe.Slice((*byte)(unsafe.Pointer(data)), n))
}

// A SpillReader is a position in a spill, from which its bytes are read one after the other, with read-ahead: an io.ReadSeekCloser. It
// keeps the spill, which may be closed before it. Calls of several goroutines take turns.
type SpillReader struct {
	h   *handle
	ctx context.Context
	len int64

	mu    sync.Mutex
	at    int64
	later bool
}

var _ io.ReadSeekCloser = (*SpillReader)(nil)

// NewReader makes a reader that begins at the first byte; of batches, their encoded bytes are read. The context is that of all its calls.
func (s *Spill) NewReader(ctx context.Context) (*SpillReader, error) {
	p, err := s.h.take()
	if err != nil {
		return nil, err
	}
	defer s.h.put()
	var c *C.WeirSpillReader
	var cErr *C.WeirError
	if err := takeError(C.weir_spill_reader((*C.WeirSpill)(p), &c, &cErr), cErr); err != nil {
		return nil, err
	}
	s.h.engine.use()
	r := &SpillReader{ctx: ctx, len: int64(s.Len()), later: s.later.Load(), h: &handle{
		pointer: unsafe.Pointer(c), engine: s.h.engine, name: "spill reader", free: func(p unsafe.Pointer) {
			C.weir_spill_reader_free((*C.WeirSpillReader)(p))
		},
	}}
	watch(r, r.h, r.h.name)
	return r, nil
}

// maxReadLater is how many bytes are asked for at once of a store with latency, as they are copied.
const maxReadLater = 8 << 20

// Read reads the next bytes; io.EOF when all were read. After an error, the reader is where it was.
func (r *SpillReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return 0, contextError(r.ctx, "the reading of a spill")
	}
	n, err := r.read(p)
	r.at += int64(n)
	if err == nil && n == 0 && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

func (r *SpillReader) read(p []byte) (int, error) {
	if !r.later {
		reader, err := r.h.take()
		if err != nil {
			return 0, err
		}
		now := C.weirgo_spill_reader_read((*C.WeirSpillReader)(reader), bytesOf(p), C.size_t(len(p)))
		r.h.put()
		if !notNow(now.status, now.error) {
			return int(now.n), takeError(now.status, now.error)
		}
		r.later = true
	}
	n := min(len(p), maxReadLater)
	out, err := r.h.run(r.ctx, "the reading of a spill", func(reader unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_spill_reader_read_async((*C.WeirSpillReader)(reader), C.size_t(n), done, cErr)
	})
	if err != nil { // if the context's, it is that of all calls: where C's reader is does not matter any more
		return 0, err
	}
	return copyBuffer(p, out.result), nil
}

// Seek sets where the next read begins, as io.Seeker has it. Beyond the end nothing is read.
func (r *SpillReader) Seek(offset int64, whence int) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.len
	default:
		return 0, newError(CodeInvalidArgument, ActionFix, fmt.Sprintf("%d is no place to seek from", whence))
	}
	if offset < 0 {
		return 0, newError(CodeInvalidArgument, ActionFix, fmt.Sprintf("the offset %d is negative", offset))
	}
	if err := r.seek(offset); err != nil {
		return 0, err
	}
	return offset, nil
}

func (r *SpillReader) seek(to int64) error {
	if r.ctx.Err() != nil {
		return contextError(r.ctx, "the reading of a spill")
	}
	p, err := r.h.take()
	if err != nil {
		return err
	}
	defer r.h.put()
	var cErr *C.WeirError
	// Only a read that was given up could be in the way, and with it the context has ended.
	if err := takeError(C.weir_spill_reader_seek((*C.WeirSpillReader)(p), C.uint64_t(to), 0, &cErr), cErr); err != nil {
		return err
	}
	r.at = to
	return nil
}

// Close frees the reader. Closing again does nothing.
func (r *SpillReader) Close() error {
	r.h.close()
	return nil
}
