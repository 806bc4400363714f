package weir

import (
	"fmt"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// The C data interface does not say how long buffers are, so C takes that from the lengths and the last offset. What these say and the
// buffers do not hold would be read beyond their ends: a record that was made of what a stranger sent must not get that far. All else is
// checked in C.

// check refuses an array whose buffers are too short for its length.
func (n *node) check() error {
	offset, rows := n.data.Offset(), n.data.Len()
	end := int64(offset) + int64(rows)
	if offset < 0 || rows < 0 || end < 0 {
		return n.invalid("its length is negative")
	}
	if rows == 0 {
		return nil
	}
	if n.hasValidity() && len(n.buffers) > 0 && n.buffers[0] != nil && !holds(n.buffers[0], end, 1) {
		return n.invalid("its validity is too short")
	}
	switch n.kind {
	case arrow.STRING, arrow.BINARY:
		return n.checkOffsets(end, 32, true)
	case arrow.LARGE_STRING, arrow.LARGE_BINARY:
		return n.checkOffsets(end, 64, true)
	case arrow.LIST, arrow.MAP:
		return n.checkOffsets(end, 32, false)
	case arrow.LARGE_LIST:
		return n.checkOffsets(end, 64, false)
	case arrow.STRING_VIEW, arrow.BINARY_VIEW:
		return n.checkWidths(1, end, 128)
	case arrow.LIST_VIEW:
		return n.checkWidths(1, end, 32, 32)
	case arrow.LARGE_LIST_VIEW:
		return n.checkWidths(1, end, 64, 64)
	case arrow.SPARSE_UNION:
		return n.checkWidths(0, end, 8)
	case arrow.DENSE_UNION:
		return n.checkWidths(0, end, 8, 32)
	case arrow.NULL, arrow.STRUCT, arrow.FIXED_SIZE_LIST, arrow.RUN_END_ENCODED:
		return nil
	}
	if fixed, ok := storageType(n.data.DataType()).(arrow.FixedWidthDataType); ok {
		return n.checkWidths(1, end, int64(fixed.BitWidth()))
	}
	return nil
}

func (n *node) hasValidity() bool {
	switch n.kind {
	case arrow.NULL, arrow.DENSE_UNION, arrow.SPARSE_UNION, arrow.RUN_END_ENCODED:
		return false
	}
	return true
}

// checkWidths checks the buffers from first on, which hold values of so many bits.
func (n *node) checkWidths(first int, end int64, bits ...int64) error {
	for i, width := range bits {
		if len(n.buffers) <= first+i || !holds(n.buffers[first+i], end, width) {
			return n.invalid("a buffer is too short")
		}
	}
	return nil
}

// checkOffsets checks the offsets, and the data that the last one points to.
func (n *node) checkOffsets(end, bits int64, data bool) error {
	if err := n.checkWidths(1, end+1, bits); err != nil {
		return err
	}
	if !data {
		return nil
	}
	first := unsafe.Pointer(&n.buffers[1].Bytes()[0])
	var last int64
	if bits == 32 {
		last = int64(*(*int32)(unsafe.Add(first, 4*end)))
	} else {
		last = *(*int64)(unsafe.Add(first, 8*end))
	}
	if len(n.buffers) < 3 || last < 0 || last > 0 && !holds(n.buffers[2], last, 8) {
		return n.invalid("its last offset is beyond its data")
	}
	return nil
}

// holds reports whether a buffer has n values of so many bits.
func holds(b *memory.Buffer, n, bits int64) bool {
	return b != nil && n <= (int64(b.Len())*8)/max(bits, 1)
}

func (n *node) invalid(why string) error {
	return newError(CodeInvalidData, ActionFix, fmt.Sprintf("an array of type %v and length %d is not valid: %s",
		n.data.DataType(), n.data.Len(), why))
}
