package weir

// #include "shim.h"
import "C"

import (
	"context"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
)

// An Ack is what a put came to.
type Ack struct {
	// Sequence is how many puts the writer holds with this one, for WaitDurable.
	Sequence uint64
	// Position is that of the entry that holds the batch; 0 while that is not durable.
	Position uint64
	// Epoch is that under which the writer holds the shard.
	Epoch uint64
}

func ackOf(a C.WeirAck) Ack { return Ack{uint64(a.sequence), uint64(a.position), uint64(a.epoch)} }

// A Writer owns a shard. What was put can be read at once: Scan and Get. With a primary key, what is put again replaces what was, and Delete
// deletes. See WithoutMemTable for one that writes the log and nothing else. All its methods may be called from any goroutine at once, also Close.
type Writer struct {
	h       *handle
	table   *table
	schema  *schemaCheck
	durable bool
	epoch   uint64
	shard   string

	closing closing
	final   atomic.Pointer[writerEnd]
}

// writerEnd is what a writer still answers after it was closed.
type writerEnd struct {
	stats    WriterStats
	memory   WriterMemory
	tables   MemTableStats
	noTables error
	durable  uint64
	manifest *Manifest
}

// OpenWriter opens a writer: it claims the shard, which fences the writer before, and makes the shard if it does not exist. Options and
// schema are checked first, so a call that is refused for them fences nobody. If the context ends first, the claim may have been made.
func OpenWriter(ctx context.Context, s *Session, root, shard string, schema *arrow.Schema, options ...WriterOption) (*Writer, error) {
	var set writerOptions
	C.weir_writer_options_init(&set.c, C.sizeof_WeirWriterOptions)
	for _, option := range options {
		option.applyWriter(&set)
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
	cSchema, err := exportSchema(schema)
	if err != nil {
		return nil, err
	}
	defer freeSchema(cSchema)
	out, err := s.onShard(ctx, "the opening", root, shard, func(session *C.WeirSession, t texts, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_writer_open_async(session, t.root, t.shard, cSchema, &c, done, cErr)
	})
	if err != nil {
		return nil, withDeadline(ctx, err)
	}
	s.h.engine.use()
	w := &Writer{
		h: &handle{pointer: out.result, engine: s.h.engine, name: "writer of shard " + shard, free: func(p unsafe.Pointer) {
			C.weir_writer_free((*C.WeirWriter)(p))
		}},
		schema:  newSchemaCheck(schema),
		durable: c.durable != 0,
		epoch:   uint64(C.weir_writer_epoch((*C.WeirWriter)(out.result))),
		shard:   shard,
	}
	w.table = newTable(w.h, shard, false, schema)
	watch(w, w.h, w.h.name)
	return w, nil
}

// timeoutOf is how long a context leaves, in C's milliseconds.
func timeoutOf(ctx context.Context) C.int64_t {
	deadline, ok := ctx.Deadline()
	if !ok {
		return -1
	}
	return C.int64_t(max(time.Until(deadline), 0).Milliseconds()) + 1
}

// withDeadline says that an error of C's came from the context's deadline, which C was told.
func withDeadline(ctx context.Context, err error) error {
	if e, ok := err.(*Error); ok && e.Code == CodeTimedOut && e.cause == nil {
		if _, has := ctx.Deadline(); has {
			e.cause = context.DeadlineExceeded
		}
	}
	return err
}

func (w *Writer) use() (*C.WeirWriter, error) {
	p, err := w.h.take()
	return (*C.WeirWriter)(p), err
}

// Schema returns the schema that the writer was opened with.
func (w *Writer) Schema() *arrow.Schema { return w.schema.want }

// Epoch returns the epoch under which the writer owns the shard, 1 or more.
func (w *Writer) Epoch() uint64 { return w.epoch }

// wait runs an asynchronous call on the writer.
func (w *Writer) wait(ctx context.Context, what string, issue func(*C.WeirWriter, C.WeirCompletion, **C.WeirError) C.WeirStatus) (outcome, error) {
	return w.h.run(ctx, what+" of shard "+w.shard, func(p unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return issue((*C.WeirWriter)(p), done, cErr)
	})
}

// Flush waits until every put admitted so far is durable. The acknowledgement says what is durable.
func (w *Writer) Flush(ctx context.Context) (Ack, error) {
	out, err := w.wait(ctx, "the flush", func(writer *C.WeirWriter, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_writer_flush_async(writer, done, cErr)
	})
	return out.ack, err
}

// WaitDurable waits until the put with this sequence is durable.
func (w *Writer) WaitDurable(ctx context.Context, sequence uint64) (Ack, error) {
	out, err := w.wait(ctx, "the wait for durability", func(writer *C.WeirWriter, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_writer_wait_durable_async(writer, C.uint64_t(sequence), done, cErr)
	})
	return out.ack, err
}

// WaitCapacity waits until a put of that many bytes, about those of its buffers or the detail "bytes" of the ErrBackpressure that it got,
// would find room. Others may take it first.
func (w *Writer) WaitCapacity(ctx context.Context, bytes uint64) error {
	_, err := w.wait(ctx, "the wait for room", func(writer *C.WeirWriter, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_writer_wait_capacity_async(writer, C.uint64_t(bytes), done, cErr)
	})
	return err
}

// CheckFenced asks the store whether the writer still owns the shard: nil, or ErrFenced.
func (w *Writer) CheckFenced(ctx context.Context) error {
	_, err := w.wait(ctx, "the question for the owner", func(writer *C.WeirWriter, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_writer_check_fenced_async(writer, done, cErr)
	})
	return err
}

// DurablePosition returns how many puts of this writer are durable: one is if its Sequence is at most that. It never goes back. After
// Close, it is what it was then.
func (w *Writer) DurablePosition() uint64 {
	writer, err := w.use()
	if err != nil {
		return w.end().durable
	}
	defer w.h.put()
	return uint64(C.weir_writer_durable_position(writer))
}

// Manifest returns the newest manifest that the writer has read or written, without asking the store. After Close, it is the last.
func (w *Writer) Manifest() (*Manifest, error) {
	writer, err := w.use()
	if err != nil {
		if m := w.end().manifest; m != nil {
			return m, nil
		}
		return nil, err
	}
	defer w.h.put()
	return manifestOf(writer)
}

func manifestOf(writer *C.WeirWriter) (*Manifest, error) {
	var m *C.WeirManifest
	var cErr *C.WeirError
	if err := takeError(C.weir_writer_manifest(writer, &m, &cErr), cErr); err != nil {
		return nil, err
	}
	return takeManifest(m)
}

// Close refuses further puts, waits until all are durable and all MemTables flushed, and lets go of the shard. It waits as long as that takes:
// see CloseContext. Its error says that what was not durable may be lost: ErrFenced or ErrPoisoned; or that a MemTable could not be flushed,
// whose rows are in the log and come back when the shard is opened again. Closing again returns the same.
func (w *Writer) Close() error { return w.CloseContext(context.Background()) }

// CloseContext is Close that waits no longer than the context allows. If that ends first, or has ended, puts are refused, the writer is not
// closed yet, and Close is to be called again, or Abort.
func (w *Writer) CloseContext(ctx context.Context) error {
	return w.closing.close(ctx, w.h, func(p unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_writer_close_async((*C.WeirWriter)(p), done, cErr)
	}, w.keep)
}

// isContext reports whether the error is that of a context that ended.
func isContext(err error) bool {
	e, ok := err.(*Error)
	return ok && e.cause != nil
}

// Abort refuses further puts, forgets what is not durable, without I/O, and frees the writer. Who waits gets ErrClosed. An append that is
// under way still ends. What is durable and in no generation yet comes back when the shard is opened again. After Close it does nothing.
func (w *Writer) Abort() error {
	writer, err := w.use()
	if err != nil {
		return nil
	}
	var cErr *C.WeirError
	err = takeError(C.weir_writer_abort(writer, &cErr), cErr)
	w.h.put()
	w.closing.finish(w.h, w.keep) // a Close that waits ends, too
	return err
}

// keep keeps what a closed writer still answers.
func (w *Writer) keep() {
	writer, err := w.use()
	if err != nil {
		return
	}
	defer w.h.put()
	end := &writerEnd{durable: uint64(C.weir_writer_durable_position(writer))}
	end.stats, _ = statsOf(writer)
	end.memory, _ = memoryOf(writer)
	end.tables, end.noTables = memTableStatsOf(writer)
	end.manifest, _ = manifestOf(writer)
	w.final.Store(end)
}

func (w *Writer) end() *writerEnd {
	if end := w.final.Load(); end != nil {
		return end
	}
	return &writerEnd{}
}
