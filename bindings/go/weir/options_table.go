package weir

// #include "shim.h"
import "C"

import (
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// tableOptions is how the rows of a shard are a table.
type tableOptions struct {
	key     []string
	indexes []index
}

type index struct{ name, column string }

// A TableOption configures whoever reads the rows of a shard as a table: it is a WriterOption and a SnapshotOption.
type TableOption struct{ apply func(*tableOptions) }

func (o TableOption) applyWriter(w *writerOptions)     { o.apply(&w.table) }
func (o TableOption) applySnapshot(s *snapshotOptions) { o.apply(&s.table) }

// WithPrimaryKey names the columns that are the primary key, in the key's order: of rows with the same key, the one that was put last
// counts. By default it is what the schema's metadata marks (lance-schema:unenforced-primary-key), if anything; for a snapshot else the key of
// the newest generation. Without a key every row stays: nothing is replaced, deleted or got by key.
func WithPrimaryKey(columns ...string) TableOption {
	return TableOption{func(t *tableOptions) { t.key = columns }}
}

// WithIndex adds a secondary index over a column, a B-tree, which scans use where comparisons allow it; in a snapshot, of the rows that only the
// log has. The option may be given more than once.
func WithIndex(name, column string) TableOption {
	return TableOption{func(t *tableOptions) { t.indexes = append(t.indexes, index{name, column}) }}
}

// WithoutMemTable has the writer write the log and nothing else: it holds no rows in memory, and reads, deletes and flushes are
// ErrUnsupported. For what is only tailed.
func WithoutMemTable() WriterOption {
	return writerOption(func(c *C.WeirWriterOptions) { c.enable_memtable = 0 })
}

// WithMaxMemTableBytes sets at how many bytes of memory, with its indexes, a MemTable is frozen and flushed; 256 MiB by default.
func WithMaxMemTableBytes(n uint64) WriterOption {
	return writerOption(func(c *C.WeirWriterOptions) { c.max_memtable_bytes = C.uint64_t(n) })
}

// WithMaxMemTableRows sets at how many rows a MemTable is frozen and flushed; 4,000,000 by default.
func WithMaxMemTableRows(n uint64) WriterOption {
	return writerOption(func(c *C.WeirWriterOptions) { c.max_memtable_rows = C.uint64_t(n) })
}

// WithMaxMemTableBatches sets at how many batches a MemTable is frozen and flushed; 262,144 by default.
func WithMaxMemTableBatches(n uint64) WriterOption {
	return writerOption(func(c *C.WeirWriterOptions) { c.max_memtable_batches = C.uint64_t(n) })
}

// WithMaxUnflushedBytes sets at how many bytes in MemTables that are not flushed puts wait for room; 1 GiB by default.
func WithMaxUnflushedBytes(n uint64) WriterOption {
	return writerOption(func(c *C.WeirWriterOptions) { c.max_unflushed_bytes = C.uint64_t(n) })
}

// WithFrozenGrace sets for how long a MemTable stays in memory after it was flushed, so that reads need no storage; 0 by default, at most an
// hour.
func WithFrozenGrace(d time.Duration) WriterOption {
	return writerOption(func(c *C.WeirWriterOptions) { c.frozen_grace_ms = C.int64_t(d.Milliseconds()) })
}

// WithoutCompaction has generations merged only by Compact, and not in the background.
func WithoutCompaction() WriterOption {
	return writerOption(func(c *C.WeirWriterOptions) { c.compaction = 0 })
}

// WithCompactionLimits sets how many generations are worth a merge, at least 2; how many are merged at most; and how many bytes they may take
// on storage together, which is about the memory that a merge takes. 4, 16 and 256 MiB by default.
func WithCompactionLimits(least, most uint32, bytes uint64) WriterOption {
	return writerOption(func(c *C.WeirWriterOptions) {
		c.compaction_min_generations, c.compaction_max_generations = C.uint32_t(least), C.uint32_t(most)
		c.compaction_max_bytes = C.uint64_t(bytes)
	})
}

// An arena is memory of C's for one call.
type arena struct {
	blocks []unsafe.Pointer
	err    error
}

func (a *arena) alloc(n int, size C.size_t) unsafe.Pointer {
	p := C.calloc(C.size_t(n), size)
	a.blocks = append(a.blocks, p)
	return p
}

func (a *arena) text(s string) *C.char {
	if strings.ContainsRune(s, 0) && a.err == nil {
		a.err = newError(CodeInvalidArgument, ActionFix, "the name "+strconv.Quote(s)+" contains a NUL")
	}
	p := C.CString(s)
	a.blocks = append(a.blocks, unsafe.Pointer(p))
	return p
}

// names makes an array of texts; none is NULL (PITFALLS X6).
func (a *arena) names(names []string) (**C.char, C.size_t) {
	if len(names) == 0 {
		return nil, 0
	}
	first := (**C.char)(a.alloc(len(names), C.size_t(ptrSize)))
	for i, name := range names {
		unsafe.Slice(first, len(names))[i] = a.text(name)
	}
	return first, C.size_t(len(names))
}

func (a *arena) indexes(indexes []index) (*C.WeirIndexDefinition, C.size_t) {
	if len(indexes) == 0 {
		return nil, 0
	}
	first := (*C.WeirIndexDefinition)(a.alloc(len(indexes), C.sizeof_WeirIndexDefinition))
	for i, index := range indexes {
		d := &unsafe.Slice(first, len(indexes))[i]
		d.name, d.column, d.kind = a.text(index.name), a.text(index.column), C.WEIR_INDEX_BTREE
	}
	return first, C.size_t(len(indexes))
}

func (a *arena) free() {
	for _, p := range a.blocks {
		C.free(p)
	}
}
