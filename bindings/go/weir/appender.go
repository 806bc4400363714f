package weir

// #include "shim.h"
// #cgo noescape weirgo_append_async
import "C"

import (
	"context"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
)

// An Appender owns a shard, appends one entry per call and buffers nothing. All its methods may be called from any goroutine at once;
// appends take turns.
type Appender struct {
	h      *handle
	schema *schemaCheck
	epoch  uint64
	shard  string

	closing closing
}

// OpenAppender opens an appender: it claims the shard, which fences the writer before, and makes the shard if it does not exist. Options
// and schema are checked first. If the context ends first, the claim may have been made.
func OpenAppender(ctx context.Context, s *Session, root, shard string, schema *arrow.Schema, options ...AppenderOption) (*Appender, error) {
	var set C.WeirAppenderOptions
	C.weir_appender_options_init(&set, C.sizeof_WeirAppenderOptions)
	for _, option := range options {
		option.applyAppender(&set)
	}
	set.open_timeout_ms = timeoutOf(ctx)
	cSchema, err := exportSchema(schema)
	if err != nil {
		return nil, err
	}
	defer freeSchema(cSchema)
	out, err := s.onShard(ctx, "the opening", root, shard, func(session *C.WeirSession, t texts, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_appender_open_async(session, t.root, t.shard, cSchema, &set, done, cErr)
	})
	if err != nil {
		return nil, withDeadline(ctx, err)
	}
	s.h.engine.use()
	a := &Appender{
		h: &handle{pointer: out.result, engine: s.h.engine, name: "appender of shard " + shard, free: func(p unsafe.Pointer) {
			C.weir_appender_free((*C.WeirAppender)(p))
		}},
		schema: newSchemaCheck(schema),
		epoch:  uint64(C.weir_appender_epoch((*C.WeirAppender)(out.result))),
		shard:  shard,
	}
	watch(a, a.h, a.h.name)
	return a, nil
}

// Epoch returns the epoch under which the appender owns the shard, 1 or more.
func (a *Appender) Epoch() uint64 { return a.epoch }

// Schema returns the schema that the appender was opened with.
func (a *Appender) Schema() *arrow.Schema { return a.schema.want }

// Append appends a batch as one entry and returns its position when it is durable. If the context ends first, the entry may be in the log
// or still appear in it, and the error is ErrOutcomeUnknown; later appends go after it.
func (a *Appender) Append(ctx context.Context, record arrow.RecordBatch) (position uint64, err error) {
	if ctx.Err() != nil {
		return 0, contextError(ctx, "nothing was appended to shard "+a.shard)
	}
	if err := a.schema.check(record.Schema()); err != nil {
		return 0, err
	}
	array, err := exportRecord(record, a.h.engine)
	if err != nil {
		return 0, err
	}
	return a.append(ctx, array)
}

// AppendBatch is Append of a batch that is in C's form already. The batch is consumed, whatever happens. See Writer.PutBatch.
func (a *Appender) AppendBatch(ctx context.Context, batch *Batch) (position uint64, err error) {
	array := batch.consume()
	if array == nil {
		return 0, errConsumed
	}
	defer batch.consumed(array)
	if ctx.Err() != nil {
		C.weirgo_release_array(array)
		return 0, contextError(ctx, "nothing was appended to shard "+a.shard)
	}
	return a.append(ctx, array)
}

func (a *Appender) append(ctx context.Context, array *C.struct_ArrowArray) (uint64, error) {
	p, err := a.h.take()
	if err != nil {
		C.weirgo_release_array(array)
		return 0, err
	}
	e := a.h.engine
	c := calls.Get().(*call)
	token := e.enter(c, nil)
	status := C.weirgo_append_async((*C.WeirAppender)(p), array, e.post, C.uint64_t(token))
	a.h.put()
	if err := e.accepted(c, token, status); err != nil {
		return 0, err
	}
	if !c.wait(ctx) {
		return 0, unknownOutcome(ctx, "an entry was handed to shard "+a.shard+" and may be in its log")
	}
	out, err := c.outcome()
	return out.value, err
}

func (a *Appender) wait(ctx context.Context, what string, issue func(*C.WeirAppender, C.WeirCompletion, **C.WeirError) C.WeirStatus) error {
	_, err := a.h.run(ctx, what+" of shard "+a.shard, func(p unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return issue((*C.WeirAppender)(p), done, cErr)
	})
	return err
}

// CheckFenced asks the store whether the appender still owns the shard: nil, or ErrFenced.
func (a *Appender) CheckFenced(ctx context.Context) error {
	return a.wait(ctx, "the question for the owner", func(p *C.WeirAppender, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_appender_check_fenced_async(p, done, cErr)
	})
}

// Close waits for an append that is under way, then refuses later ones and lets go of the shard. Closing again returns the same.
func (a *Appender) Close() error { return a.CloseContext(context.Background()) }

// CloseContext is Close that waits no longer than the context allows; if that ends first, or has ended, Close is to be called again.
func (a *Appender) CloseContext(ctx context.Context) error {
	return a.closing.close(ctx, a.h, func(p unsafe.Pointer, done C.WeirCompletion, cErr **C.WeirError) C.WeirStatus {
		return C.weir_appender_close_async((*C.WeirAppender)(p), done, cErr)
	}, func() {})
}
