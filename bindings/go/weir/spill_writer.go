package weir

// #include "shim.h"
// #cgo noescape weirgo_spill_write
// #cgo noescape weirgo_spill_write_batch
import "C"

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
)

// A SpillWriter is a spill that is being written: an io.WriteCloser for bytes, or a writer of batches. Finish makes it readable; Close of
// one that is not finished deletes it. All methods may be called from any goroutine at once; writes take turns, and nothing interleaves.
//
// A write is done whole or not at all. One that a cap or the floor of free space refused takes nothing, and the writer goes on: its error
// is ErrDiskCapExceeded, a *CapExceededError, or ErrStorageFull. Errors of storage have the detail "spill_lost": if it is 1, the spill is lost,
// and every later call says the same; if it is 0, the writer goes on, as where a directory could not be made.
type SpillWriter struct {
	h      *handle
	ctx    context.Context
	schema *schemaCheck // nil for bytes
	length atomic.Uint64
	// later is set once the store did not answer at once: it is one with latency.
	later atomic.Bool
}

var _ io.WriteCloser = (*SpillWriter)(nil)

// bytesOf is where bytes begin: NULL if there are none, never a pointer to nothing (PITFALLS X6).
func bytesOf(p []byte) *C.uint8_t {
	if len(p) == 0 {
		return nil
	}
	return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(p)))
}

func (w *SpillWriter) use() (*C.WeirSpillWriter, error) {
	if w.ctx.Err() != nil {
		return nil, contextError(w.ctx, "the writing of a spill")
	}
	p, err := w.h.take()
	return (*C.WeirSpillWriter)(p), err
}

// notNow reports whether a call that was not to wait was refused for that, and frees its error then.
func notNow(status C.WeirStatus, e *C.WeirError) bool {
	if status != C.WEIR_STATUS_TIMED_OUT {
		return false
	}
	C.weir_error_free(e)
	return true
}

// run makes an asynchronous call. What it came to is not known if the context ends, but neither does it matter: it is that of all calls.
func (w *SpillWriter) run(what string, issue issue) (outcome, error) {
	return w.h.run(w.ctx, what, issue)
}

// Write appends bytes. What fits into the writer's buffer costs no I/O, and a local disk is written to on this thread.
func (w *SpillWriter) Write(p []byte) (int, error) {
	writer, err := w.use()
	if err != nil {
		return 0, err
	}
	now := C.weirgo_spill_write(writer, bytesOf(p), C.size_t(len(p)))
	w.h.put()
	if !notNow(now.status, now.error) {
		err = takeError(now.status, now.error)
	} else {
		_, err = w.run("a write to a spill", func(writer unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
			return C.weir_spill_writer_write_async((*C.WeirSpillWriter)(writer), bytesOf(p), C.size_t(len(p)), done, cErr)
		})
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteParts appends bytes that lie in several places, all or none of them.
func (w *SpillWriter) WriteParts(parts ...[]byte) (int, error) {
	total := 0
	var pins runtime.Pinner
	defer pins.Unpin()
	c := make([]C.WeirBytes, 0, len(parts))
	for _, part := range parts {
		if len(part) > 0 {
			pins.Pin(unsafe.SliceData(part))
			c = append(c, C.WeirBytes{data: bytesOf(part), len: C.size_t(len(part))})
			total += len(part)
		}
	}
	writer, err := w.use()
	if err != nil {
		return 0, err
	}
	now := C.weirgo_spill_writev(writer, unsafe.SliceData(c), C.size_t(len(c)))
	w.h.put()
	if !notNow(now.status, now.error) {
		err = takeError(now.status, now.error)
	} else {
		_, err = w.run("a write to a spill", func(writer unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
			return C.weir_spill_writer_writev_async((*C.WeirSpillWriter)(writer), unsafe.SliceData(c), C.size_t(len(c)), done, cErr)
		})
	}
	if err != nil {
		return 0, err
	}
	return total, nil
}

// WriteBatch appends a batch, with no more than its own rows if it is a slice. The batch may be released at once afterwards.
func (w *SpillWriter) WriteBatch(record arrow.RecordBatch) error {
	if w.schema == nil {
		return newError(CodeInvalidArgument, ActionFix, "the spill is one of bytes, and takes no batches")
	}
	if err := w.schema.check(record.Schema()); err != nil {
		return err
	}
	if !w.later.Load() {
		a, err := exportRecord(record, w.h.engine)
		if err != nil {
			return err
		}
		writer, err := w.use()
		if err != nil {
			C.weirgo_release_array(a)
			return err
		}
		now := C.weirgo_spill_write_batch(writer, a)
		w.h.put()
		if !notNow(now.status, now.error) {
			return takeError(now.status, now.error)
		}
		w.later.Store(true)
	}
	a, err := exportRecord(record, w.h.engine)
	if err != nil {
		return err
	}
	_, err = w.run("the writing of a batch to a spill", func(writer unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		taken := a
		a = nil
		return C.weir_spill_writer_write_batch_async((*C.WeirSpillWriter)(writer), taken, done, cErr)
	})
	if a != nil { // it did not come to the call
		C.weirgo_release_array(a)
	}
	return err
}

// WriteReader appends all batches of a reader. After an error, the detail "accepted" says how many were written before; the reader's own
// error comes back inside of weir's.
func (w *SpillWriter) WriteReader(reader array.RecordReader) error {
	accepted := uint64(0)
	for reader.Next() {
		if err := w.WriteBatch(reader.RecordBatch()); err != nil {
			own := *err.(*Error)
			return own.with("accepted", accepted)
		}
		accepted++
	}
	if err := reader.Err(); err != nil {
		e := newError(CodeInvalidData, ActionFix, "the source of batches failed: "+err.Error())
		e.cause = err
		return e.with("accepted", accepted)
	}
	return nil
}

// WriteStream appends all batches of a stream in the C stream interface, such as another library's. The stream is consumed, whatever
// happens, and read on a thread of weir's: one that is made of Go code belongs into WriteReader. After an error, the detail "accepted"
// says how many batches were written before.
func (w *SpillWriter) WriteStream(stream *cdata.CArrowArrayStream) error {
	own := takeStream(stream)
	defer freeStream(own)
	if own.release == nil {
		return newError(CodeInvalidArgument, ActionFix, "the stream is nil or was released")
	}
	_, err := w.run("the writing of a stream to a spill", func(writer unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_spill_writer_write_stream_async((*C.WeirSpillWriter)(writer), own, done, cErr)
	})
	return err
}

// Len returns the bytes that the writer took so far: of batches, as they are encoded.
func (w *SpillWriter) Len() uint64 {
	p, err := w.h.take()
	if err != nil {
		return w.length.Load()
	}
	defer w.h.put()
	return uint64(C.weir_spill_writer_len((*C.WeirSpillWriter)(p)))
}

// Finish ends the spill and makes it readable; the spill is to be closed. The writer is closed afterwards, whatever comes of it. It is
// never refused by a cap: what was written counts already. If the context ends first, the spill is lost.
func (w *SpillWriter) Finish() (*Spill, error) {
	defer w.close()
	out, err := w.run("the finishing of a spill", func(writer unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_spill_writer_finish_async((*C.WeirSpillWriter)(writer), done, cErr)
	})
	if err != nil {
		return nil, err
	}
	if out.result == nil {
		return nil, newError(CodeInternal, ActionReport, fmt.Sprintf("a spill of %d bytes was finished and not given", w.Len()))
	}
	return newSpill(out.result, w.h.engine, w.schema != nil, w.later.Load()), nil
}

// Close frees the writer. What was written is deleted unless Finish was called. Closing again does nothing.
func (w *SpillWriter) Close() error {
	p, err := w.h.take()
	if err != nil {
		return nil
	}
	var cErr *C.WeirError
	err = takeError(C.weir_spill_writer_abort((*C.WeirSpillWriter)(p), &cErr), cErr)
	w.h.put()
	w.close()
	return err
}

func (w *SpillWriter) close() {
	w.length.Store(w.Len())
	w.h.close()
}
