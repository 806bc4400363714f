package weir

// #include "shim.h"
// #cgo noescape weirgo_get_now
// #cgo noescape weirgo_delete_async
import "C"

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
)

// A KeyState is what there is under a key.
type KeyState uint8

// The states of keys.
const (
	// KeyMissing: it was never put, or what was known of it was merged away with its deletion.
	KeyMissing KeyState = C.WEIR_KEY_MISSING
	// KeyFound: a row.
	KeyFound KeyState = C.WEIR_KEY_FOUND
	// KeyDeleted: it was deleted.
	KeyDeleted KeyState = C.WEIR_KEY_DELETED
)

// String returns the state in a word.
func (s KeyState) String() string {
	switch s {
	case KeyMissing:
		return "missing"
	case KeyFound:
		return "found"
	case KeyDeleted:
		return "deleted"
	}
	return fmt.Sprintf("KeyState(%d)", uint8(s))
}

// A table is a writer or a snapshot, as one that is read.
type table struct {
	h        *handle
	shard    string
	snapshot C.bool
	// schema is that of the rows.
	schema *arrow.Schema
	// key is the schema of keys.
	key   func() (*schemaCheck, error)
	rows  atomic.Pointer[rowsSchema] // of the columns that were got last
	looks looks
}

// rowsSchema is the schema of some columns.
type rowsSchema struct {
	columns []string
	known   *knownSchema
}

func newTable(h *handle, shard string, snapshot bool, schema *arrow.Schema) *table {
	t := &table{h: h, shard: shard, snapshot: C.bool(snapshot), schema: schema}
	t.key = sync.OnceValues(t.readKeySchema)
	return t
}

// takeSchema takes over what weirgo_*_schema gives.
func takeSchema(s C.WeirGoSchema) (*arrow.Schema, error) {
	if err := takeError(s.status, s.error); err != nil {
		return nil, err
	}
	c := (*C.struct_ArrowSchema)(C.malloc(C.sizeof_struct_ArrowSchema))
	defer C.free(unsafe.Pointer(c))
	*c = s.schema
	return importSchema(c)
}

func (t *table) readKeySchema() (*schemaCheck, error) {
	p, err := t.h.take()
	if err != nil {
		return nil, err
	}
	defer t.h.put()
	schema, err := takeSchema(C.weirgo_key_schema(p, t.snapshot))
	if err != nil {
		return nil, err
	}
	return newSchemaCheck(schema), nil
}

func (t *table) keySchema() (*arrow.Schema, error) {
	key, err := t.key()
	if err != nil {
		return nil, err
	}
	return key.want, nil
}

// schemaOfKeys gives the C form of the schema of keys; nil, which is the fastest, if it is that of the primary key.
func (t *table) schemaOfKeys(keys arrow.RecordBatch) (*C.struct_ArrowSchema, error) {
	key, err := t.key()
	if err != nil {
		return nil, err
	}
	if key.check(keys.Schema()) == nil {
		return nil, nil
	}
	return exportSchema(keys.Schema())
}

// schemaOfRows gives the schema of rows that have these columns; all for none.
func (t *table) schemaOfRows(p unsafe.Pointer, columns []string, names **C.char, n C.size_t) (*knownSchema, error) {
	if last := t.rows.Load(); last != nil && slices.Equal(last.columns, columns) {
		return last.known, nil
	}
	schema, err := takeSchema(C.weirgo_read_schema(p, t.snapshot, names, n))
	if err != nil {
		return nil, err
	}
	known := newKnownSchema(0, schema)
	t.rows.Store(&rowsSchema{slices.Clone(columns), known})
	return known, nil
}

// A question is a get.
type question struct {
	*table
	p       unsafe.Pointer
	keys    arrow.RecordBatch
	schema  *C.struct_ArrowSchema // of the keys
	names   **C.char              // of the columns
	columns C.size_t
	rows    *knownSchema
	states  []KeyState
}

func (t *table) get(ctx context.Context, keys arrow.RecordBatch, columns []string) ([]KeyState, arrow.RecordBatch, error) {
	if ctx.Err() != nil {
		return nil, nil, t.contextError(ctx)
	}
	p, err := t.h.take()
	if err != nil {
		return nil, nil, err
	}
	defer t.h.put()
	q := question{table: t, p: p, keys: keys}
	if q.schema, err = t.schemaOfKeys(keys); err != nil {
		return nil, nil, err
	}
	if q.schema != nil {
		defer freeSchema(q.schema)
	}
	var memory arena
	defer memory.free()
	q.names, q.columns = memory.names(columns)
	if memory.err != nil {
		return nil, nil, memory.err
	}
	if q.rows, err = t.schemaOfRows(p, columns, q.names, q.columns); err != nil {
		return nil, nil, err
	}
	q.states = make([]KeyState, keys.NumRows())
	if rows, err, found := q.now(); found {
		return q.answer(rows, err)
	}
	return q.answer(q.wait(ctx))
}

func (q *question) answer(rows arrow.RecordBatch, err error) ([]KeyState, arrow.RecordBatch, error) {
	if err != nil {
		return nil, nil, err
	}
	return q.states, rows, nil
}

func (t *table) contextError(ctx context.Context) error {
	return contextError(ctx, "the getting of rows of shard "+t.shard)
}

// now answers on this thread if the answer is there at once, as it is in memory and on a local disk; false if it is not, or was not lately.
func (q *question) now() (arrow.RecordBatch, error, bool) {
	if !q.looks.begin() {
		return nil, nil, false
	}
	defer q.looks.end()
	array, err := exportRecord(q.keys, q.h.engine)
	if err != nil {
		return nil, err, true
	}
	var states *C.uint8_t // nil if there are none (PITFALLS X6)
	if len(q.states) > 0 {
		states = (*C.uint8_t)(&q.states[0])
	}
	got := C.weirgo_get_now(q.p, q.snapshot, array, q.schema, q.names, q.columns, states, C.size_t(len(q.states)))
	switch got.status {
	case C.WEIR_STATUS_TIMED_OUT:
		q.looks.missed()
		return nil, nil, false
	case C.WEIR_STATUS_OK:
		q.looks.found()
		rows, err := importRecord(&got.array, q.rows)
		return rows, err, true
	}
	return nil, takeError(got.status, got.error), true
}

// wait asks weir's threads.
func (q *question) wait(ctx context.Context) (arrow.RecordBatch, error) {
	array, err := exportRecord(q.keys, q.h.engine)
	if err != nil {
		return nil, err
	}
	c, err := q.h.start(q.p, func(p unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weirgo_get_async(p, q.snapshot, array, q.schema, q.names, q.columns, done, cErr)
	})
	if err != nil {
		return nil, err
	}
	if !c.wait(ctx) {
		return nil, q.contextError(ctx)
	}
	out, err := c.outcome()
	if err != nil {
		return nil, err
	}
	batch := (*C.WeirBatch)(out.result)
	defer C.weir_batch_free(batch)
	var states *C.uint8_t
	var n C.size_t
	C.weir_batch_states(batch, &states, &n)
	copy(q.states, unsafe.Slice((*KeyState)(states), n))
	return takeBatch(batch, q.rows)
}

// takeBatch makes a record of a batch, which stays to be freed.
func takeBatch(batch *C.WeirBatch, known *knownSchema) (arrow.RecordBatch, error) {
	got := C.weirgo_batch_array(batch)
	if err := takeError(got.status, got.error); err != nil {
		return nil, err
	}
	return importRecord(&got.array, known)
}

// KeySchema returns the schema of keys: the primary key's columns, in the key's order. ErrUnsupported without MemTables or without a
// primary key.
func (w *Writer) KeySchema() (*arrow.Schema, error) { return w.table.keySchema() }

// Get looks up the newest rows of some primary keys: those that were put and acknowledged, and of a buffered writer those that were admitted.
// The keys are a batch that has the key's columns by name, whatever others it has; exactly those of KeySchema are the fastest. A key may be
// asked for more than once.
//
// Each key has a state, in the order of the keys. The batch has the rows that were found, in the order of their keys, with the columns that
// were named, or all; release it.
func (w *Writer) Get(ctx context.Context, keys arrow.RecordBatch, columns ...string) ([]KeyState, arrow.RecordBatch, error) {
	return w.table.get(ctx, keys, columns)
}

// Delete deletes the rows of some primary keys, given as to Get; whether there are such rows is not looked at. A delete is a put of its own,
// ordered among the others: what was put before it is gone, what is put after it stays. It waits and fails as Put does. ErrUnsupported
// without MemTables or without a primary key.
func (w *Writer) Delete(ctx context.Context, keys arrow.RecordBatch) (Ack, error) {
	if ctx.Err() != nil {
		return Ack{}, contextError(ctx, "nothing was deleted from shard "+w.shard)
	}
	c, err := withRoom(ctx, w, func() (*call, error) {
		c := calls.Get().(*call)
		return c, w.beginDelete(keys, c)
	})
	if err != nil {
		return Ack{}, err
	}
	if !c.wait(ctx) {
		return Ack{}, unknownOutcome(ctx, "a deletion was accepted for shard "+w.shard+" and may still become durable")
	}
	out, err := c.outcome()
	return out.ack, err
}

// DeleteAsync begins a delete and returns at once. Like PutAsync, it does not wait for room, and has its place among the puts of the
// goroutine.
func (w *Writer) DeleteAsync(keys arrow.RecordBatch) (*Pending, error) {
	p := &Pending{done: make(chan struct{}), shard: w.shard}
	if err := w.beginDelete(keys, &call{pending: p}); err != nil {
		return nil, err
	}
	return p, nil
}

// beginDelete makes the asynchronous delete.
func (w *Writer) beginDelete(keys arrow.RecordBatch, c *call) error {
	writer, err := w.use()
	if err != nil {
		return err
	}
	defer w.h.put()
	schema, err := w.table.schemaOfKeys(keys)
	if err != nil {
		return err
	}
	if schema != nil {
		defer freeSchema(schema)
	}
	array, err := exportRecord(keys, w.h.engine)
	if err != nil {
		return err
	}
	e := w.h.engine
	token := e.enter(c, nil)
	putting.enter()
	defer putting.leave()
	return e.accepted(c, token, C.weirgo_delete_async(writer, array, schema, e.post, C.uint64_t(token)))
}

// Freeze ends the MemTable that is filled, if it has rows, and has it flushed to a generation in the background. It returns the newest
// generation that is frozen or published then, for WaitFlushed; 0 if there is none.
func (w *Writer) Freeze() (uint64, error) {
	writer, err := w.use()
	if err != nil {
		return 0, err
	}
	defer w.h.put()
	var generation C.uint64_t
	var cErr *C.WeirError
	err = takeError(C.weir_writer_freeze(writer, &generation, &cErr), cErr)
	return uint64(generation), err
}

// WaitFlushed waits until a generation, and all before it, are published: readable by others, and no longer in need of the log. It is
// ErrInvalidArgument if the generation is not frozen.
func (w *Writer) WaitFlushed(ctx context.Context, generation uint64) error {
	_, err := w.wait(ctx, "the flushing", func(writer *C.WeirWriter, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_writer_wait_flushed_async(writer, C.uint64_t(generation), done, cErr)
	})
	return err
}

// Compact merges generations now, as often as that is worth it by WithCompactionLimits, and returns how many merges there were. If the
// context ends, merging goes on.
func (w *Writer) Compact(ctx context.Context) (uint64, error) {
	out, err := w.wait(ctx, "the merging of generations", func(writer *C.WeirWriter, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_writer_compact_async(writer, done, cErr)
	})
	return out.value, err
}
