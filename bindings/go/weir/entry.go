package weir

// #include "shim.h"
// #cgo noescape weirgo_entry_batch
import "C"

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync/atomic"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
)

// An Entry is one entry of a shard's log: the batches of the puts that shared it, in one buffer. It is immutable and may be used from any
// goroutine. Release it when done; the records taken from it stay valid until they are released themselves.
type Entry struct {
	h       *handle
	fields  C.WeirGoEntry
	schemas *schemaCache
	schema  atomic.Pointer[knownSchema] // once it was asked for
}

// newEntry takes over an entry from C.
func newEntry(p unsafe.Pointer, e *engine, schemas *schemaCache) *Entry {
	return newEntryOf(p, C.weirgo_entry((*C.WeirEntry)(p)), e, schemas)
}

// newEntryOf is newEntry for who knows what the entry says of itself.
func newEntryOf(p unsafe.Pointer, fields C.WeirGoEntry, e *engine, schemas *schemaCache) *Entry {
	e.use()
	h := &handle{pointer: p, engine: e, name: "entry", free: freeEntry}
	return &Entry{h: h, fields: fields, schemas: schemas}
}

func freeEntry(p unsafe.Pointer) { C.weir_entry_free((*C.WeirEntry)(p)) }

// Position returns the entry's position in the log, 1 or more.
func (e *Entry) Position() uint64 { return uint64(e.fields.position) }

// Epoch returns the epoch of the writer that appended the entry.
func (e *Entry) Epoch() uint64 { return uint64(e.fields.epoch) }

// Generation returns the generation that the entry's rows belong to; 0 if the writer kept none.
func (e *Entry) Generation() uint64 { return uint64(e.fields.generation) }

// IsSentinel reports whether the entry is a fence sentinel, written by a new owner of the shard to fence the one before, without batches.
func (e *Entry) IsSentinel() bool { return bool(e.fields.sentinel) }

// Rows returns the number of rows in all batches.
func (e *Entry) Rows() uint64 { return uint64(e.fields.rows) }

// Bytes returns the size of the entry's object on storage.
func (e *Entry) Bytes() uint64 { return uint64(e.fields.bytes) }

// NumBatches returns how many batches the entry has: as many as puts shared it; 0 for a sentinel.
func (e *Entry) NumBatches() int { return int(e.fields.batches) }

// Schema returns the schema of the batches: the writer's, without the metadata keys that the log reserves. With a primary key, columns outside
// of it are nullable, and there is one more, the last: _tombstone (boolean), true in rows that delete their key. A sentinel's has no columns.
func (e *Entry) Schema() (*arrow.Schema, error) {
	p, err := e.h.take()
	if err != nil {
		return nil, err
	}
	defer e.h.put()
	known, err := e.schemaOf((*C.WeirEntry)(p))
	if err != nil {
		return nil, err
	}
	return known.schema, nil
}

func (e *Entry) schemaOf(p *C.WeirEntry) (*knownSchema, error) {
	if known := e.schema.Load(); known != nil {
		return known, nil
	}
	known, err := e.schemas.of(p, uint64(e.fields.schema_id))
	if err == nil {
		e.schema.Store(known)
	}
	return known, err
}

// Batch returns a batch, without copying. It stays valid after the entry was released; release it as well.
func (e *Entry) Batch(i int) (arrow.RecordBatch, error) {
	p, err := e.h.take()
	if err != nil {
		return nil, err
	}
	defer e.h.put()
	known, err := e.schemaOf((*C.WeirEntry)(p))
	if err != nil {
		return nil, err
	}
	if i < 0 {
		return nil, newError(CodeInvalidArgument, ActionFix, fmt.Sprintf("there is no batch %d", i))
	}
	batch := C.weirgo_entry_batch((*C.WeirEntry)(p), C.size_t(i))
	if batch.status != C.WEIR_STATUS_OK {
		return nil, takeError(batch.status, batch.error)
	}
	return importRecord(&batch.array, known)
}

// Batches iterates over the batches. A batch is released when the loop goes on; retain those that are kept.
func (e *Entry) Batches() iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for i := range e.NumBatches() {
			record, err := e.Batch(i)
			if err != nil {
				yield(nil, err)
				return
			}
			more := yield(record, nil)
			record.Release()
			if !more {
				return
			}
		}
	}
}

// Stream exports the batches as a stream in the C stream interface, without copying, for another library. It stays valid after the entry
// was released; its receiver is to release it.
func (e *Entry) Stream(out *cdata.CArrowArrayStream) error {
	p, err := e.h.take()
	if err != nil {
		return err
	}
	defer e.h.put()
	s := newStream()
	defer freeStream(s)
	var cErr *C.WeirError
	if err := takeError(C.weir_entry_stream((*C.WeirEntry)(p), s, &cErr), cErr); err != nil {
		return err
	}
	giveStream(s, out)
	return nil
}

// Release frees the entry. Releasing again does nothing.
func (e *Entry) Release() { e.h.close() }

// schemaCache has the schema that was imported last: the entries of a log have the same, as a rule. It belongs to a tailer and its entries.
type schemaCache struct {
	last atomic.Pointer[knownSchema]
}

func (s *schemaCache) of(entry *C.WeirEntry, id uint64) (*knownSchema, error) {
	last := s.last.Load()
	if last != nil && last.id == id {
		return last, nil
	}
	exported := (*C.struct_ArrowSchema)(C.calloc(1, C.sizeof_struct_ArrowSchema))
	defer C.free(unsafe.Pointer(exported))
	var cErr *C.WeirError
	if err := takeError(C.weir_entry_schema(entry, exported, &cErr), cErr); err != nil {
		return nil, err
	}
	schema, err := importSchema(exported)
	if err != nil {
		return nil, err
	}
	known := newKnownSchema(id, schema)
	s.last.Store(known)
	return known, nil
}

// Reader returns the batches of all entries from the tailer's position on as one reader, sentinels left out. It takes its schema from the
// first entry that has batches, and waits for one when following; of a log without any, the schema has no columns. An entry of another
// schema ends it with ErrSchemaMismatch. The reader shares the tailer's position and does not close it. The context is that of all its
// calls.
func (t *Tailer) Reader(ctx context.Context) (array.RecordReader, error) {
	r := &entryReader{ctx: ctx, tailer: t, schema: arrow.NewSchema(nil, nil)}
	if err := r.advance(); err != nil && err != io.EOF {
		return nil, err
	}
	if r.entry != nil {
		schema, err := r.entry.Schema()
		if err != nil {
			r.close()
			return nil, err
		}
		r.schema = schema
	}
	return newRecords(r.schema, r.next, r.close), nil
}

// An entryReader reads the batches of a tailer's entries.
type entryReader struct {
	ctx    context.Context
	tailer *Tailer
	schema *arrow.Schema
	entry  *Entry // that is read; nil at the end
	at     int    // the batch that is next in it
}

// advance goes to the next entry that has batches; io.EOF if there is none.
func (r *entryReader) advance() error {
	for {
		r.close()
		entry, err := r.tailer.Next(r.ctx)
		if err != nil {
			return err
		}
		r.entry, r.at = entry, 0
		if entry.NumBatches() > 0 {
			return nil
		}
	}
}

// next reads the next batch; io.EOF after the last.
func (r *entryReader) next() (arrow.RecordBatch, error) {
	if r.entry == nil {
		return nil, io.EOF
	}
	if r.at == r.entry.NumBatches() {
		if err := r.advance(); err != nil {
			return nil, err
		}
		if err := r.sameSchema(); err != nil {
			return nil, err
		}
	}
	r.at++
	return r.entry.Batch(r.at - 1)
}

func (r *entryReader) sameSchema() error {
	schema, err := r.entry.Schema()
	if err != nil {
		return err
	}
	if schema != r.schema && !schema.Equal(r.schema) {
		return newError(CodeSchemaMismatch, ActionFix, fmt.Sprintf("the entry at position %d has another schema than those before it",
			r.entry.Position())).with("position", r.entry.Position())
	}
	return nil
}

func (r *entryReader) close() {
	if r.entry != nil {
		r.entry.Release()
		r.entry = nil
	}
}
