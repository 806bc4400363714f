package weir

// #include "shim.h"
import "C"

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/cdata"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Batches go to C here rather than through cdata.ExportArrowRecordBatch, for three reasons. weir keeps a batch after the call returns,
// which cgo forbids for Go's memory unless it is pinned. The release must not enter Go: it runs on the thread that has just made an
// entry durable. And cdata applies the offset of a sliced struct column twice.
//
// A batch becomes one allocation of C's, with copies of its small buffers; a batch of only those needs nothing of Go's afterwards.
// Larger buffers are shared: pinned, and the batch retained, until weir has released it.

// inlineBytes is up to what size a buffer is copied, which then costs less than pinning it.
const inlineBytes = 4096

// inlineAlign is how the copies are aligned: as weir's own types need it, and as malloc aligns.
const inlineAlign = 16

// A node is an array and its place in the block.
type node struct {
	data     arrow.ArrayData
	kind     arrow.Type
	buffers  []*memory.Buffer
	children []arrow.ArrayData
	dict     arrow.ArrayData
	views    int // lengths of variadic buffers, after the buffers; -1 = the type has none
	first    int // the first child's index among the nodes; the dictionary comes after the children
}

// A layout is what a batch needs.
type layout struct {
	nodes  []node
	size   uintptr
	shared int // buffers that are not copied
}

func (l *layout) add(data arrow.ArrayData) error {
	n := node{data: data, kind: storageType(data.DataType()).ID(), buffers: data.Buffers(), children: data.Children(), views: -1}
	switch n.kind {
	case arrow.NULL, arrow.DENSE_UNION, arrow.SPARSE_UNION, arrow.RUN_END_ENCODED:
		n.buffers = n.buffers[min(1, len(n.buffers)):] // arrow-go keeps a place for the validity that these do not have
	case arrow.STRING_VIEW, arrow.BINARY_VIEW:
		n.views = max(len(n.buffers)-2, 0)
	case arrow.DICTIONARY:
		// arrow-go's Dictionary() is a non-nil interface around a nil pointer for all other types.
		n.dict = data.Dictionary()
	}
	if err := n.check(); err != nil {
		return err
	}
	l.size += C.sizeof_struct_ArrowArray + uintptr(n.bufferCount())*ptrSize + uintptr(len(n.children))*ptrSize
	if n.views > 0 {
		l.size += uintptr(n.views) * 8
	}
	for _, b := range n.buffers {
		switch {
		case b == nil || b.Len() == 0:
		case b.Len() <= inlineBytes:
			l.size += align(uintptr(b.Len()))
		default:
			l.shared++
		}
	}
	l.nodes = append(l.nodes, n)
	return nil
}

// addTree adds data and all below it; the children of a node are neighbours.
func (l *layout) addTree(root arrow.ArrayData) error {
	if err := l.add(root); err != nil {
		return err
	}
	for i := 0; i < len(l.nodes); i++ {
		l.nodes[i].first = len(l.nodes)
		for _, child := range l.nodes[i].children {
			if err := l.add(child); err != nil {
				return err
			}
		}
		if dict := l.nodes[i].dict; dict != nil {
			if err := l.add(dict); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *node) bufferCount() int {
	if n.views >= 0 {
		return len(n.buffers) + 1
	}
	return len(n.buffers)
}

const ptrSize = unsafe.Sizeof(uintptr(0))

func align(n uintptr) uintptr { return (n + inlineAlign - 1) &^ (inlineAlign - 1) }

func storageType(t arrow.DataType) arrow.DataType {
	for {
		ext, ok := t.(arrow.ExtensionType)
		if !ok {
			return t
		}
		t = ext.StorageType()
	}
}

// A keeper is what an exported batch needs of Go's: its memory pinned and its owner retained.
type keeper struct {
	pins   runtime.Pinner
	owner  interface{ Release() }
	engine *engine
}

var keepers struct {
	sync.Mutex
	next uint64
	of   map[uint64]*keeper
}

// exportTree makes the C form of an array, whose release is the receiver's duty. The owner is retained while C holds it.
func exportTree(root arrow.ArrayData, owner interface {
	Retain()
	Release()
}, e *engine) (*C.struct_ArrowArray, error) {
	var l layout
	l.nodes = make([]node, 0, 1+len(root.Children()))
	if err := l.addTree(root); err != nil {
		return nil, err
	}
	arrays := align(C.sizeof_WeirGoBlock)
	block := (*C.WeirGoBlock)(C.calloc(1, C.size_t(arrays+align(l.size)+uintptr(len(l.nodes))*inlineAlign)))
	var keep *keeper
	if l.shared > 0 {
		keep = &keeper{owner: owner, engine: e}
	}
	w := blockWriter{block: block, arrays: unsafe.Add(unsafe.Pointer(block), arrays), keep: keep}
	w.at = unsafe.Add(w.arrays, uintptr(len(l.nodes))*C.sizeof_struct_ArrowArray)
	for i := range l.nodes {
		w.write(i, &l.nodes[i])
	}
	C.weirgo_arm(block, w.array(0), C.size_t(len(l.nodes)))
	if keep != nil {
		owner.Retain()
		e.use()
		keepers.Lock()
		if keepers.of == nil {
			keepers.of = map[uint64]*keeper{}
		}
		keepers.next++
		keepers.of[keepers.next] = keep
		block.keeper = C.uint64_t(keepers.next)
		keepers.Unlock()
		block.wake = e.post
		block.wake.token = wakeToken
	}
	return (*C.struct_ArrowArray)(w.arrays), nil
}

// A blockWriter fills a block's memory: first the arrays, then what belongs to each.
type blockWriter struct {
	block  *C.WeirGoBlock
	arrays unsafe.Pointer
	at     unsafe.Pointer
	keep   *keeper
}

func (w *blockWriter) array(i int) *C.struct_ArrowArray {
	return (*C.struct_ArrowArray)(unsafe.Add(w.arrays, uintptr(i)*C.sizeof_struct_ArrowArray))
}

// pointers takes room for n pointers.
func (w *blockWriter) pointers(n int) []unsafe.Pointer {
	p := unsafe.Slice((*unsafe.Pointer)(w.at), n)
	w.at = unsafe.Add(w.at, uintptr(n)*ptrSize)
	return p
}

func (w *blockWriter) write(i int, n *node) {
	a := w.array(i)
	a.length = C.int64_t(n.data.Len())
	a.offset = C.int64_t(n.data.Offset())
	a.null_count = C.int64_t(n.data.NullN())
	if n.kind == arrow.NULL {
		a.null_count = a.length
	}
	a.n_buffers = C.int64_t(n.bufferCount())
	a.n_children = C.int64_t(len(n.children))
	buffers := w.pointers(n.bufferCount())
	children := w.pointers(len(n.children))
	if len(buffers) > 0 {
		a.buffers = &buffers[0]
	}
	if len(children) > 0 {
		a.children = (**C.struct_ArrowArray)(unsafe.Pointer(&children[0]))
	}
	for c := range children {
		children[c] = unsafe.Pointer(w.array(n.first + c))
	}
	if n.dict != nil {
		a.dictionary = w.array(n.first + len(children))
	}
	if n.views > 0 {
		lengths := unsafe.Slice((*C.int64_t)(w.at), n.views)
		w.at = unsafe.Add(w.at, uintptr(n.views)*8)
		for v := range lengths {
			if b := n.buffers[2+v]; b != nil {
				lengths[v] = C.int64_t(b.Len())
			}
		}
		buffers[len(buffers)-1] = unsafe.Pointer(&lengths[0])
	}
	w.at = unsafe.Pointer(uintptr(w.at) + (inlineAlign-uintptr(w.at)%inlineAlign)%inlineAlign) //nolint:govet // C's memory
	for b, buffer := range n.buffers {
		buffers[b] = w.buffer(buffer)
	}
}

// buffer copies a buffer into the block, or pins it. An empty one is NULL, never a pointer to nothing (PITFALLS X6).
func (w *blockWriter) buffer(b *memory.Buffer) unsafe.Pointer {
	if b == nil || b.Len() == 0 {
		return nil
	}
	bytes := b.Bytes()
	if len(bytes) > inlineBytes {
		p := unsafe.Pointer(&bytes[0])
		w.keep.pins.Pin(p)
		return p
	}
	p := w.at
	copy(unsafe.Slice((*byte)(p), len(bytes)), bytes)
	w.at = unsafe.Add(w.at, align(uintptr(len(bytes))))
	return p
}

// releaseExports lets go of all batches that C has released. Runs on a draining goroutine.
func releaseExports() {
	for block := C.weirgo_take_released(); block != nil; {
		id := uint64(block.keeper)
		keepers.Lock()
		keep := keepers.of[id]
		delete(keepers.of, id)
		keepers.Unlock()
		keep.pins.Unpin()
		keep.owner.Release()
		next := block.next
		C.free(unsafe.Pointer(block))
		keep.engine.drop()
		block = next
	}
}

// exportRecord makes the C form of a record batch, a struct array.
func exportRecord(record arrow.RecordBatch, e *engine) (*C.struct_ArrowArray, error) {
	columns := record.Columns()
	children := make([]arrow.ArrayData, len(columns))
	for i, column := range columns {
		children[i] = column.Data()
	}
	root := structData{rows: int(record.NumRows()), children: children}
	return exportTree(&root, record, e)
}

// structData is the struct array that a record batch is in C. It owns nothing.
type structData struct {
	arrow.ArrayData
	rows     int
	children []arrow.ArrayData
}

func (s *structData) DataType() arrow.DataType    { return emptyStruct }
func (s *structData) NullN() int                  { return 0 }
func (s *structData) Len() int                    { return s.rows }
func (s *structData) Offset() int                 { return 0 }
func (s *structData) Buffers() []*memory.Buffer   { return noValidity }
func (s *structData) Children() []arrow.ArrayData { return s.children }

var (
	emptyStruct = arrow.StructOf()
	noValidity  = []*memory.Buffer{nil}
)

// exportSchema makes the C form of a schema; freeSchema ends it.
func exportSchema(schema *arrow.Schema) (s *C.struct_ArrowSchema, err error) {
	if schema == nil {
		return nil, newError(CodeInvalidArgument, ActionFix, "there is no schema")
	}
	s = (*C.struct_ArrowSchema)(C.calloc(1, C.sizeof_struct_ArrowSchema))
	defer func() {
		if p := recover(); p != nil { // how arrow-go says that a type cannot be exported
			freeSchema(s)
			s, err = nil, newError(CodeUnsupported, ActionFix, fmt.Sprintf("the schema cannot be exported: %v", p))
		}
	}()
	cdata.ExportArrowSchema(schema, (*cdata.CArrowSchema)(unsafe.Pointer(s)))
	return s, nil
}

func freeSchema(s *C.struct_ArrowSchema) {
	C.weirgo_release_schema(s)
	C.free(unsafe.Pointer(s))
}

// A Batch is a record batch in C's form, made once to be handed on: the cheapest way into PutBatch and its kin, which consume it. One
// that is not handed on is released with Release. It is not for use by several goroutines at once.
type Batch struct {
	array  *C.struct_ArrowArray
	shell  bool // the struct itself is this Batch's to free
	engine *engine
}

// Export makes the C form of a record batch. The batch may be released afterwards; its buffers must not be written to any more.
func Export(record arrow.RecordBatch) (*Batch, error) {
	e, err := acquireEngine()
	if err != nil {
		return nil, err
	}
	array, err := exportRecord(record, e)
	if err != nil {
		e.unuse()
		return nil, err
	}
	return &Batch{array: array, engine: e}, nil
}

// BatchFromC takes over a struct array in the C data interface that was made elsewhere, which is marked as released. Its release
// function is called on a thread of weir's.
func BatchFromC(from *cdata.CArrowArray) (*Batch, error) {
	a := (*C.struct_ArrowArray)(unsafe.Pointer(from))
	if a == nil || a.release == nil {
		return nil, newError(CodeInvalidArgument, ActionFix, "the array is nil or was released")
	}
	e, err := acquireEngine()
	if err != nil {
		return nil, err
	}
	own := (*C.struct_ArrowArray)(C.malloc(C.sizeof_struct_ArrowArray))
	*own = *a
	a.release = nil
	return &Batch{array: own, shell: true, engine: e}, nil
}

// Release frees a batch that was not handed on. It may be called again, and after the batch was consumed.
func (b *Batch) Release() {
	if a := b.consume(); a != nil {
		C.weirgo_release_array(a)
		b.consumed(a)
	}
}

// consume gives the array to be passed to C, which moves it out, or nil if there is none; consumed is to be called afterwards.
func (b *Batch) consume() *C.struct_ArrowArray {
	if b == nil {
		return nil
	}
	a := b.array
	b.array = nil
	return a
}

func (b *Batch) consumed(a *C.struct_ArrowArray) {
	if b.shell {
		C.free(unsafe.Pointer(a))
	}
	b.engine.unuse()
	b.engine = nil
}

var errConsumed = newError(CodeInvalidArgument, ActionFix, "the batch was consumed or released")

var _ arrow.ArrayData = (*structData)(nil)
