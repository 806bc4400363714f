// Figures of the Go binding, for benches/bind/run.sh, which holds them against those of the same program in C:
//
//	PROG DIR [put|durable|tail …]
//
// prints a line `name value` for each figure.
package main

// #cgo pkg-config: weir
// #include "put_c.h"
import "C"

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/uuid"

	"github.com/weir-db/weir/bindings/go/weir"
)

var schema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "ts", Type: arrow.PrimitiveTypes.Int64},
	{Name: "v", Type: arrow.PrimitiveTypes.Float64},
	{Name: "name", Type: arrow.BinaryTypes.String},
}, nil)

func batch(rows int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := range rows {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.Int64Builder).Append(int64(i) * 1000)
		b.Field(2).(*array.Float64Builder).Append(float64(i) / 3)
		b.Field(3).(*array.StringBuilder).Append(fmt.Sprintf("name-%06d", i))
	}
	return b.NewRecordBatch()
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func median(times []float64) float64 {
	slices.Sort(times)
	return times[len(times)/2]
}

const (
	chunk = 100
	puts  = 20_000
)

// put prints what a put of a prepared batch takes that is only admitted, and what preparing one takes.
func put(ctx context.Context, session *weir.Session) {
	w := must(weir.OpenWriter(ctx, session, "memory://bench-"+uuid.NewString(), uuid.NewString(), schema,
		weir.Buffered(), weir.WithoutMemTable(), weir.WithMaxPendingBytes(1<<30)))
	record := batch(20)
	defer record.Release()
	ready := make([]*weir.Batch, chunk)
	var times, inC []float64
	beside := C.put_c_open() != 0
	for round := range puts / chunk {
		if beside && round%2 == 0 { // Go and C in turns, and each of them first as often as the other
			inC = append(inC, float64(C.put_c_chunk()))
		}
		for i := range ready {
			ready[i] = must(weir.Export(record))
		}
		began := time.Now()
		for _, b := range ready {
			must(w.PutBatch(ctx, b))
		}
		times = append(times, float64(time.Since(began).Nanoseconds())/chunk)
		must(w.Flush(ctx))
		if beside && round%2 == 1 {
			inC = append(inC, float64(C.put_c_chunk()))
		}
	}
	check(w.Close())
	fmt.Printf("put_ns %.1f\n", median(times))
	if beside {
		C.put_c_close()
		fmt.Printf("put_c_ns %.1f\n", median(inC))
	}

	arrays := make([]cdata.CArrowArray, chunk)
	var exports, own []float64
	for range puts / chunk {
		began := time.Now()
		for i := range arrays {
			cdata.ExportArrowRecordBatch(record, &arrays[i], nil)
		}
		exports = append(exports, float64(time.Since(began).Nanoseconds())/chunk)
		for i := range arrays {
			cdata.ReleaseCArrowArray(&arrays[i])
		}
		began = time.Now()
		for i := range ready {
			ready[i] = must(weir.Export(record))
		}
		own = append(own, float64(time.Since(began).Nanoseconds())/chunk)
		for _, b := range ready {
			b.Release()
		}
	}
	fmt.Printf("put_export_ns %.1f\n", median(exports))
	fmt.Printf("put_export_own_ns %.1f\n", median(own))
}

func threads() int { return len(must(os.ReadDir("/proc/self/task"))) }

const (
	goroutines = 1000
	warmUp     = time.Second
	measured   = 3 * time.Second
)

// durable prints how many durable puts a second many goroutines do, and how many threads that takes.
func durable(ctx context.Context, dir string, idle int) {
	session := must(weir.NewSession())
	defer session.Close()
	w := must(weir.OpenWriter(ctx, session, filepath.Join(dir, "durable"), uuid.NewString(), schema, weir.WithoutMemTable()))
	record := batch(20)
	defer record.Release()
	var done atomic.Int64
	var stop atomic.Bool
	var group sync.WaitGroup
	for range goroutines {
		group.Go(func() {
			for !stop.Load() {
				must(w.Put(ctx, record))
				done.Add(1)
			}
		})
	}
	time.Sleep(warmUp)
	before, began, most := done.Load(), time.Now(), 0
	for time.Since(began) < measured {
		time.Sleep(50 * time.Millisecond)
		most = max(most, threads())
	}
	rate := float64(done.Load()-before) / time.Since(began).Seconds()
	stop.Store(true)
	group.Wait()
	check(w.Close())
	fmt.Printf("durable_per_s %.0f\n", rate)
	fmt.Printf("durable_threads %d\n", most-idle)
}

const (
	tailRows   = 1_000_000
	tailBatch  = 10_000
	tailWarmUp = 300 // rounds, as in the other programs
	tailRounds = 101
)

// touch reads a byte of each page of a column's buffers.
func touch(data arrow.ArrayData) (sum uint64) {
	for _, b := range data.Buffers() {
		if b == nil {
			continue
		}
		bytes := b.Bytes()
		for i := 0; i < len(bytes); i += 4096 {
			sum += uint64(bytes[i])
		}
	}
	return sum
}

// tail prints how many rows a second are tailed.
func tail(ctx context.Context, session *weir.Session, dir string) {
	root, shard := filepath.Join(dir, "tail"), uuid.NewString()
	w := must(weir.OpenAppender(ctx, session, root, shard, schema, weir.WithFsync(false)))
	record := batch(tailBatch)
	for range tailRows / tailBatch {
		must(w.Append(ctx, record))
	}
	record.Release()
	check(w.Close())
	var rates []float64
	var sum uint64
	for round := -tailWarmUp; round < tailRounds; round++ {
		rows := int64(0)
		began := time.Now()
		for entry, err := range weir.Tail(ctx, session, root, shard) {
			check(err)
			for r, err := range entry.Batches() {
				check(err)
				for _, column := range r.Columns() {
					sum += touch(column.Data())
				}
				rows += r.NumRows()
			}
		}
		if rows != tailRows {
			check(fmt.Errorf("%d rows of %d came back", rows, tailRows))
		}
		if round >= 0 {
			rates = append(rates, float64(rows)/time.Since(began).Seconds())
		}
	}
	if sum == 0 {
		check(fmt.Errorf("nothing was read"))
	}
	fmt.Printf("tail_rows_per_s %.0f\n", median(rates))
}

func main() {
	idle := threads()
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: bench DIR [put|durable|tail …]")
		os.Exit(2)
	}
	ctx, dir, which := context.Background(), os.Args[1], os.Args[2:]
	all := len(which) == 0
	if all || slices.Contains(which, "durable") { // first: it counts threads
		durable(ctx, dir, idle)
	}
	session := must(weir.NewSession())
	defer session.Close()
	if all || slices.Contains(which, "put") {
		put(ctx, session)
	}
	if all || slices.Contains(which, "tail") {
		tail(ctx, session, dir)
	}
}
