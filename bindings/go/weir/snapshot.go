package weir

// #include "shim.h"
import "C"

import (
	"context"
	"iter"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// A SnapshotOption configures OpenSnapshot.
type SnapshotOption interface{ applySnapshot(*snapshotOptions) }

// snapshotOptions is what OpenSnapshot is told.
type snapshotOptions struct {
	c      C.WeirSnapshotOptions
	table  tableOptions
	schema *arrow.Schema
}

type snapshotOption func(*snapshotOptions)

func (o snapshotOption) applySnapshot(s *snapshotOptions) { o(s) }

// WithReadSchema sets the schema to read the rows as: it may have other nullable columns, or fewer, than they were put with. By default it
// is the shard's own, as its newest rows have it.
func WithReadSchema(schema *arrow.Schema) SnapshotOption {
	return snapshotOption(func(o *snapshotOptions) { o.schema = schema })
}

// WithoutLog has the snapshot read the generations alone, without the rows that only the log has.
func WithoutLog() SnapshotOption { return snapshotOption(func(o *snapshotOptions) { o.c.wal = 0 }) }

// WithMaxLogBytes sets how much memory the rows may take that only the log has: with more, opening is ErrBackpressure. 1 GiB by default.
func WithMaxLogBytes(n uint64) SnapshotOption {
	return snapshotOption(func(o *snapshotOptions) { o.c.max_bytes = C.uint64_t(n) })
}

// A Snapshot is one moment of a shard: its generations, and the rows that only its log has. All its methods may be called from any goroutine
// at once.
type Snapshot struct {
	h     *handle
	table *table
	cut   uint64
}

// OpenSnapshot opens a snapshot: what of a shard is durable now, without a claim on it, so that its writer goes on undisturbed, here or in
// another process. Rows that only the log has are read into memory, generations when they are needed. It is ErrNotFound if there is no such
// shard, or if it has no rows and no schema is given.
func OpenSnapshot(ctx context.Context, s *Session, root, shard string, options ...SnapshotOption) (*Snapshot, error) {
	var set snapshotOptions
	C.weir_snapshot_options_init(&set.c, C.sizeof_WeirSnapshotOptions)
	for _, option := range options {
		option.applySnapshot(&set)
	}
	var memory arena
	defer memory.free()
	c := set.c
	c.primary_key, c.primary_key_len = memory.names(set.table.key)
	c.indexes, c.indexes_len = memory.indexes(set.table.indexes)
	if memory.err != nil {
		return nil, memory.err
	}
	c.open_timeout_ms = timeoutOf(ctx)
	var schema *C.struct_ArrowSchema
	if set.schema != nil {
		exported, err := exportSchema(set.schema)
		if err != nil {
			return nil, err
		}
		defer freeSchema(exported)
		schema = exported
	}
	out, err := s.onShard(ctx, "the snapshot", root, shard, func(session *C.WeirSession, t texts, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_snapshot_open_async(session, t.root, t.shard, schema, &c, done, cErr)
	})
	if err != nil {
		return nil, withDeadline(ctx, err)
	}
	rows, err := snapshotSchema((*C.WeirSnapshot)(out.result))
	if err != nil {
		C.weir_snapshot_free((*C.WeirSnapshot)(out.result))
		return nil, err
	}
	s.h.engine.use()
	snapshot := &Snapshot{
		h: &handle{pointer: out.result, engine: s.h.engine, name: "snapshot of shard " + shard, free: func(p unsafe.Pointer) {
			C.weir_snapshot_free((*C.WeirSnapshot)(p))
		}},
		cut: uint64(C.weir_snapshot_cut_position((*C.WeirSnapshot)(out.result))),
	}
	snapshot.table = newTable(snapshot.h, shard, true, rows)
	watch(snapshot, snapshot.h, snapshot.h.name)
	return snapshot, nil
}

func snapshotSchema(p *C.WeirSnapshot) (*arrow.Schema, error) {
	schema := (*C.struct_ArrowSchema)(C.calloc(1, C.sizeof_struct_ArrowSchema))
	defer C.free(unsafe.Pointer(schema))
	var cErr *C.WeirError
	if err := takeError(C.weir_snapshot_schema(p, schema, &cErr), cErr); err != nil {
		return nil, err
	}
	return importSchema(schema)
}

// Schema returns the schema of the rows, the primary key marked in it.
func (s *Snapshot) Schema() *arrow.Schema { return s.table.schema }

// KeySchema returns the schema of keys, as Writer.KeySchema. ErrUnsupported without a primary key.
func (s *Snapshot) KeySchema() (*arrow.Schema, error) { return s.table.keySchema() }

// CutPosition returns the last position of the log that the snapshot covers: a tailer From the position after it continues without gap or
// overlap.
func (s *Snapshot) CutPosition() uint64 { return s.cut }

// Manifest returns the manifest that the snapshot was made of.
func (s *Snapshot) Manifest() (*Manifest, error) {
	p, err := s.h.take()
	if err != nil {
		return nil, err
	}
	defer s.h.put()
	var m *C.WeirManifest
	var cErr *C.WeirError
	if err := takeError(C.weir_snapshot_manifest((*C.WeirSnapshot)(p), &m, &cErr), cErr); err != nil {
		return nil, err
	}
	return takeManifest(m)
}

// Get looks up the rows of some primary keys, as Writer.Get.
func (s *Snapshot) Get(ctx context.Context, keys arrow.RecordBatch, columns ...string) ([]KeyState, arrow.RecordBatch, error) {
	return s.table.get(ctx, keys, columns)
}

// Scan iterates over the rows, as Writer.Scan.
func (s *Snapshot) Scan(ctx context.Context, options ...ScanOption) iter.Seq2[arrow.RecordBatch, error] {
	return s.table.scan(ctx, options)
}

// ScanReader is Scan as a reader. The context is that of all its calls.
func (s *Snapshot) ScanReader(ctx context.Context, options ...ScanOption) (array.RecordReader, error) {
	return s.table.scanReader(ctx, options)
}

// OpenScan begins a scan. The snapshot may be closed before it; the scan is to be closed.
func (s *Snapshot) OpenScan(options ...ScanOption) (*Scan, error) { return s.table.openScan(options) }

// Close frees the snapshot. Its scans go on. Closing again does nothing.
func (s *Snapshot) Close() error {
	s.h.close()
	return nil
}
