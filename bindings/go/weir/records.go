package weir

import (
	"io"
	"iter"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// records is a reader as arrow-go has them, over a function that gives the next batch, io.EOF after the last.
type records struct {
	schema  *arrow.Schema
	next    func() (arrow.RecordBatch, error)
	close   func() // after the last Release
	current arrow.RecordBatch
	err     error // also io.EOF
	refs    atomic.Int64
}

var _ array.RecordReader = (*records)(nil)

func newRecords(schema *arrow.Schema, next func() (arrow.RecordBatch, error), close func()) *records {
	r := &records{schema: schema, next: next, close: close}
	r.refs.Store(1)
	return r
}

// Next goes to the next batch; false at the end or after an error.
func (r *records) Next() bool {
	r.drop()
	if r.err == nil {
		r.current, r.err = r.next()
	}
	return r.err == nil
}

func (r *records) drop() {
	if r.current != nil {
		r.current.Release()
		r.current = nil
	}
}

func (r *records) Schema() *arrow.Schema          { return r.schema }
func (r *records) RecordBatch() arrow.RecordBatch { return r.current }
func (r *records) Record() arrow.RecordBatch      { return r.current }
func (r *records) Retain()                        { r.refs.Add(1) }

func (r *records) Err() error {
	if r.err == io.EOF {
		return nil
	}
	return r.err
}

func (r *records) Release() {
	if r.refs.Add(-1) == 0 {
		r.drop()
		r.close()
	}
}

// each iterates over what next gives, which release ends when the loop goes on; io.EOF ends it, and so does an error.
func each[T any](next func() (T, error), release func(T)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(v, err)
				return
			}
			more := yield(v, nil)
			release(v)
			if !more {
				return
			}
		}
	}
}
