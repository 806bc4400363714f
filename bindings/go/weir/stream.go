package weir

// #include "shim.h"
import "C"

import (
	"context"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow/cdata"
)

// PutStream puts all batches of a stream in the C stream interface, such as another library's. The stream is consumed, whatever happens,
// and read on a thread of weir's: one that is made of Go code belongs into PutReader. If the context ends, the stream goes on being read.
// Else it is as PutReader.
func (w *Writer) PutStream(ctx context.Context, stream *cdata.CArrowArrayStream) (Ack, error) {
	own := takeStream(stream)
	defer freeStream(own)
	if own.release == nil {
		return Ack{}, newError(CodeInvalidArgument, ActionFix, "the stream is nil or was released")
	}
	out, err := w.wait(ctx, "the putting of a stream", func(writer *C.WeirWriter, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_writer_put_stream_async(writer, own, done, cErr)
	})
	return out.ack, err
}

// takeStream moves a stream to memory of C's; freeStream ends it.
func takeStream(from *cdata.CArrowArrayStream) *C.struct_ArrowArrayStream {
	own := newStream()
	if s := (*C.struct_ArrowArrayStream)(unsafe.Pointer(from)); s != nil {
		*own = *s
		s.release = nil
	}
	return own
}

func newStream() *C.struct_ArrowArrayStream {
	return (*C.struct_ArrowArrayStream)(C.calloc(1, C.sizeof_struct_ArrowArrayStream))
}

func freeStream(s *C.struct_ArrowArrayStream) {
	C.weirgo_release_stream(s)
	C.free(unsafe.Pointer(s))
}

// giveStream moves a stream to its receiver.
func giveStream(from *C.struct_ArrowArrayStream, to *cdata.CArrowArrayStream) {
	*(*C.struct_ArrowArrayStream)(unsafe.Pointer(to)) = *from
	from.release = nil
}
