package weir

// #include "shim.h"
import "C"

import (
	"strings"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
)

// OpenIPC opens an Arrow IPC file or IPC stream on a local disk. Every byte of it is checked: a damaged file is an error, here or of the
// reader. The reader is to be released.
func OpenIPC(path string) (array.RecordReader, error) {
	if strings.ContainsRune(path, 0) {
		return nil, newError(CodeInvalidArgument, ActionFix, "the path contains a NUL")
	}
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	s := newStream()
	defer freeStream(s)
	var cErr *C.WeirError
	if err := takeError(C.weir_ipc_open_file(cPath, s, &cErr), cErr); err != nil {
		return nil, err
	}
	reader, err := cdata.ImportCRecordReader((*cdata.CArrowArrayStream)(unsafe.Pointer(s)), nil)
	if err != nil {
		e := newError(CodeUnsupported, ActionReport, "arrow-go cannot take the file's schema: "+err.Error())
		e.cause = err
		return nil, e
	}
	return reader.(array.RecordReader), nil
}
