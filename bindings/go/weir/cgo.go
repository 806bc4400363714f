package weir

// #cgo !weir_cgoflags pkg-config: weir
// #include "shim.h"
import "C"

import (
	"fmt"
	"sync"
)

// ABIVersion is the version of weir's C ABI that this package was built against.
const ABIVersion = int(C.WEIR_ABI_VERSION)

// Version returns the version of the weir library that this process runs with, such as "0.1.0".
func Version() string { return C.GoString(C.weir_version()) }

// LiveHandles returns the number of objects that the library has given out and that were not freed yet. A program that closes and
// releases all that it gets ends with 0.
func LiveHandles() uint64 { return uint64(C.weir_live_handles()) }

// checkABI refuses a library of another ABI than this package was built against, which a dynamic linker does not notice.
var checkABI = sync.OnceValue(func() error {
	if found := int(C.weir_abi_version()); found != ABIVersion {
		return newError(CodeUnsupported, ActionFix, fmt.Sprintf(
			"the weir library %s has ABI version %d, and this program was built against version %d", Version(), found, ABIVersion))
	}
	return nil
})
